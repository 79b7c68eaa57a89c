"""What threads share: compiled functions one call at a time, compilation itself, the number of BLAS threads."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from queue import Empty, SimpleQueue
from typing import Any

from threadpoolctl import threadpool_limits

COMPILING = threading.RLock()
"""Held while a graph is made into a function: PyTensor's rewrites and its configuration are global."""


class Shared:
    """A compiled function that any number of threads may call.

    A PyTensor function keeps its inputs and intermediate values in storage of its own: two calls at once would read
    each other's data. Each call takes a function that is idle, a copy with its own storage if there is none yet, and
    else waits.

    Parameters
    ----------
    function : pytensor.Function
    copies : int
        How many copies there may be; none where a copy would have to be compiled again.
    """

    def __init__(self, function: Any, copies: int = 0) -> None:
        self._function, self._left = function, copies
        self._idle: SimpleQueue = SimpleQueue()
        self._idle.put(function)

    def __call__(self, *arguments: Any) -> Any:
        """The function's values: arrays of the caller's own."""
        function = self._taken()
        try:
            return function(*arguments)
        finally:
            self._idle.put(function)

    def _taken(self) -> Callable:
        try:
            return self._idle.get_nowait()
        except Empty:
            return self._copied() or self._idle.get()

    def _copied(self) -> Callable | None:
        with COMPILING:
            if not self._left:
                return None
            self._left -= 1
            return self._function.copy(share_memory=False)


def spare() -> int:
    """How many copies of a function can run beside it."""
    return (os.cpu_count() or 1) - 1


class _OneThread:
    """Counts who wants one BLAS thread: the first one sets the limit, the last one lifts it.

    Limits of which each restores what it found would leave the program with one thread for good, where two overlap.
    """

    def __init__(self) -> None:
        self._lock, self._wanted, self._limit = threading.Lock(), 0, None

    def __enter__(self) -> None:
        with self._lock:
            if not self._wanted:
                self._limit = threadpool_limits(1)
            self._wanted += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._wanted -= 1
            if not self._wanted and self._limit is not None:
                self._limit.restore_original_limits()


_ONE = _OneThread()


def one_blas_thread() -> _OneThread:
    """One thread of BLAS meanwhile: SciPy's L-BFGS-B is many times slower with more on small vectors."""
    return _ONE


_QUIET: ContextVar[bool] = ContextVar("quiet", default=False)


class _WhereQuiet:
    """Stands where a filter of warnings has the pattern of its message: it matches any, in a thread that is quiet."""

    def match(self, _: str) -> bool:
        """Whether this thread is quiet."""
        return _QUIET.get()


_FILTER: Any = ("ignore", _WhereQuiet(), Warning, None, 0)


@contextmanager
def quietly() -> Iterator[None]:
    """No warnings from this thread meanwhile.

    ``warnings.catch_warnings`` puts back the filters that it found, which are those of another thread where two
    overlap: warnings would stay off for good.
    """
    if _FILTER not in warnings.filters[:1]:
        warnings.filters.insert(0, _FILTER)  # pyright: ignore[reportAttributeAccessIssue]
    token = _QUIET.set(True)
    try:
        yield
    finally:
        _QUIET.reset(token)
