"""How long work is run: threads and processes, progress bars, steps of which one may fail or be interrupted."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import cache
from queue import Empty, SimpleQueue
from typing import Any

from threadpoolctl import ThreadpoolController

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


@cache
def _libraries() -> ThreadpoolController:
    """The libraries that have threads: to find them takes longer than a step of a search."""
    return ThreadpoolController()


class _OneThread:
    """Counts who wants one BLAS thread: the first one sets the limit, the last one lifts it.

    Limits of which each restores what it found would leave the program with one thread for good, where two overlap.
    """

    def __init__(self) -> None:
        self._lock, self._wanted, self._limit = threading.Lock(), 0, None

    def __enter__(self) -> None:
        with self._lock:
            if not self._wanted:
                self._limit = _libraries().limit(limits=1)
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


_WORKER: ContextVar[bool] = ContextVar("worker", default=False)


def _as_worker(run: Callable, task: Any) -> Any:
    """Call `run`, one of many that run at a time: it has no more than one thread."""
    token = _WORKER.set(True)
    try:
        return run(task)
    finally:
        _WORKER.reset(token)


def cores() -> int:
    """Cores that this process may use: OMP_NUM_THREADS, where that is a number and there are so many."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(there, max(int(asked), 1)) if asked.isdecimal() else there


def side_by_side(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """What each of `calls` returns, in their order: in threads, as many as there are cores, but for a worker."""
    if _WORKER.get() or (n := min(cores(), len(calls))) < 2:
        return [call() for call in calls]
    with ThreadPoolExecutor(n) as pool:
        futures = [pool.submit(copy_context().run, call) for call in calls]
        try:
            return [f.result() for f in futures]
        finally:
            for f in futures:
                f.cancel()


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


WORTH_PROCESSES = 20.0
"""Seconds of remaining work from which processes pay: each takes some to start and to make its graphs."""


class SerialExecutor(Executor):
    """Run each task synchronously in this process."""

    def submit(self, fn: Callable, /, *args: Any, **kwargs: Any) -> Future:
        """Call `fn`: its result as a finished future; an exception goes up as it is."""
        out: Future = Future()
        out.set_result(fn(*args, **kwargs))
        return out


def run_all(run: Callable, tasks: Sequence[Any], executor: Executor | None, kinds: int = 1) -> Iterator[Any]:
    """Call `run` on each of `tasks`, which are of so many `kinds` by turns, and hand on each result as it is finished.

    Without an `executor` the first tasks run in this process: one of each kind, then one of each that is timed, as the
    first may have had to make its graphs; by these times processes pay for the rest or not.
    """
    if executor is None:
        yield from map(run, tasks[:kinds])
        seconds, timed, tasks = 0.0, tasks[kinds : 2 * kinds], tasks[2 * kinds :]
        for task in timed:
            began = time.perf_counter()
            result = run(task)
            seconds += time.perf_counter() - began
            yield result
        executor = executor_for(seconds / max(len(timed), 1) * len(tasks))
    yield from submitted(executor, tasks, run)


def executor_for(seconds: float, worth_processes: float = WORTH_PROCESSES) -> Executor | None:
    """Choose processes for so many `seconds` of work where they pay; else none, this process."""
    return processes() if seconds > worth_processes and (os.cpu_count() or 1) > 1 else None


def here(executor: Executor | None) -> bool:
    """Whether tasks run in this process, one after the other."""
    return executor is None or isinstance(executor, SerialExecutor)


def submitted(executor: Executor | None, tasks: Sequence[Any], run: Callable) -> Iterator[Any]:
    """Call `run` on `tasks` in `executor`, or in this process, and hand on each result as it is finished.

    What still waits is dropped when nobody asks for more.
    """
    if executor is None or here(executor):
        yield from map(run, tasks)
        return
    futures = [executor.submit(_as_worker, run, t) for t in tasks]
    try:
        for f in as_completed(futures):
            yield f.result()
    finally:
        for f in futures:
            f.cancel()


def processes(workers: int | None = None) -> Executor:
    """Processes of this machine, reused: as many as it has cores, or `workers`."""
    from loky import get_reusable_executor

    return get_reusable_executor(workers, timeout=300)


class Steps:
    """What is made of draws, step by step: one that fails costs its own result, never the draws.

    Attributes
    ----------
    lost : dict of str to str
        What could not be made, and why.
    """

    def __init__(self) -> None:
        self.lost: dict[str, str] = {}
        self.interrupted = False

    def run(self, what: str, step: Callable[[], Any], default: Any = None) -> Any:
        """The result of a step; `default` where it fails, or an earlier one was interrupted."""
        if self.interrupted:
            self.lost[what] = "interrupted"
            return default
        try:
            return self.attempt(what, step, default)
        except KeyboardInterrupt:
            self.interrupted = True
            self.lost[what] = "interrupted"
        return default

    def attempt(self, what: str, step: Callable[[], Any], default: Any = None) -> Any:
        """The result of a step; `default` where it fails. An interrupt goes up: there is more to be done after it."""
        try:
            return step()
        except Exception as error:
            self.lost[what] = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}".rstrip(".")
        return default

    def words(self) -> list[str]:
        """A sentence for the user, where something was lost."""
        if not self.lost:
            return []
        each = "; ".join(f"{what} ({why})" for what, why in self.lost.items())
        return [f"The draws are kept, but of what comes after sampling this could not be made: {each}"]


@contextmanager
def progress_bar(wanted: bool):
    """A function that adds a bar, with the time left, and returns what advances it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not (wanted and console.is_terminal)) as bar:

        def advance(what: str, total: int) -> Callable:
            task = bar.add_task(what, total=total)
            return lambda: bar.advance(task)

        yield advance


def finished(
    results: Iterable[Any], total: int, what: str, progress: bool, good: Callable[[Any], bool] = lambda _: True
) -> list[Any]:
    """All of `results`, behind a bar; interrupted, those that are finished, with a warning.

    Parameters
    ----------
    results : iterable
    total : int
        How many they will be.
    what : str
        What each of them is, in the plural.
    progress : bool
    good : callable
        Whether a result is one, and no failure.

    Raises
    ------
    KeyboardInterrupt
        Interrupted before there were two good ones.
    """
    done: list[Any] = []
    try:
        with progress_bar(progress) as advance:
            tick = advance(what, total)
            for result in results:
                done.append(result)
                tick()
    except KeyboardInterrupt:
        if sum(map(good, done)) < 2:
            raise
        warnings.warn(f"Interrupted: {len(done)} of {total} {what} are kept.", stacklevel=3)
    return done
