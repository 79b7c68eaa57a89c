"""What the source of a program is run with: the names that it uses, as functions of NumPy."""

from __future__ import annotations

import contextlib
import ctypes
import math
from functools import cache
from typing import Any

import numpy as np
from scipy import special

FEW = 12
"""Up to so many entries along the last axis are added up by slices, as NumPy's own loop starts anew for each row; so
many sums are made one by one."""

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Numbers of glibc's settings."""
KEPT, MOST_ON_HEAP = 2**27, 2**25


def softplus(x: Any, out: Any = None) -> Any:
    """log(1 + exp(x)) as max(x, 0) + log1p(exp(-|x|)), stable in both tails."""
    rest = np.asarray(np.absolute(x))
    np.negative(rest, rest)
    np.exp(rest, rest)
    np.log1p(rest, rest)
    return np.add(np.maximum(x, 0.0, out=out), rest, out=rest)


def _by_slices(function: np.ufunc, x: Any, axes: tuple[int, ...]) -> Any:
    """A reduction over `axes`; over a short last axis slice by slice."""
    if len(axes) == 1 and axes[0] == x.ndim - 1 and x.ndim > 1 and 0 < (n := x.shape[-1]) <= FEW and x.size > 1000:
        if n == 1:
            return x[..., 0].copy()
        out = function(x[..., 0], x[..., 1])
        for k in range(2, n):
            function(out, x[..., k], out=out)
        return out
    return function.reduce(x, axes)


def add_up(x: Any, axes: tuple[int, ...]) -> Any:
    """The sum over `axes`."""
    return _by_slices(np.add, x, axes)


def multiply_up(x: Any, axes: tuple[int, ...]) -> Any:
    """The product over `axes`."""
    return _by_slices(np.multiply, x, axes)


def largest(x: Any, axes: tuple[int, ...]) -> Any:
    """The maximum over `axes`."""
    return _by_slices(np.maximum, x, axes)


def smallest(x: Any, axes: tuple[int, ...]) -> Any:
    """The minimum over `axes`."""
    return _by_slices(np.minimum, x, axes)


def filled(x: Any, y: Any) -> Any:
    """`y` in the shape of `x` and `y` together."""
    return np.broadcast_to(y, np.broadcast_shapes(np.shape(x), np.shape(y)))


def put_at(x: Any, at: tuple, y: Any) -> Any:
    """A copy of `x` with `y` at some places."""
    out = np.array(x)
    out[at] = y
    return out


def add_at(x: Any, at: tuple, y: Any) -> Any:
    """A copy of `x` with `y` added at some places, as often as a place is named."""
    which = [k for k, a in enumerate(at) if isinstance(a, np.ndarray)]
    if len(which) == 1 and all(a == slice(None) for a in at[: which[0]]):
        return x + _summed(at[which[0]], np.asarray(y), x.shape, which[0])
    out = np.array(x)
    if which:
        np.add.at(out, at, y)
    else:
        out[at] += y
    return out


def _summed(index: Any, y: Any, shape: tuple[int, ...], axis: int) -> Any:
    """Sums of the entries of `y` that have the same `index` along an axis: one count of all, weighted."""
    lead, n, tail = math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])
    weights = np.broadcast_to(y, (*shape[:axis], *index.shape, *shape[axis + 1 :]))
    flat = np.where(index < 0, index + n, index).ravel()
    if tail == 1 and lead <= FEW:
        each = weights.reshape(lead, -1)
        return np.array([np.bincount(flat, weights=w, minlength=n) for w in each]).reshape(shape)
    place = (np.arange(lead)[:, None, None] * n + flat[None, :, None]) * tail + np.arange(tail)
    return np.bincount(place.ravel(), weights=weights.ravel(), minlength=lead * n * tail).reshape(shape)


def split(x: Any, axis: int, sizes: Any) -> list[Any]:
    """Parts of `x` of these sizes along an axis."""
    ends = np.cumsum(sizes)
    before = (slice(None),) * int(axis)
    return [x[(*before, slice(int(e - n), int(e)))] for e, n in zip(ends, sizes, strict=True)]


def size(x: Any) -> Any:
    """A size, or several, as numbers of Python: where arrays are traced, sizes are still known."""
    x = np.asarray(x)
    return x.item() if x.ndim == 0 else tuple(x.tolist()) if x.ndim == 1 else x


UFUNCS = """
    add multiply subtract divide floor_divide mod power exp log log1p expm1 square sqrt absolute negative sign maximum
    minimum equal not_equal less greater less_equal greater_equal bitwise_and bitwise_or invert reciprocal tanh isnan
    isinf
"""
ARRAYS = "where asarray reshape stack concatenate broadcast_to matmul cumsum cumprod all any inf nan"
SPECIAL = "expit erf erfc erfcx gammaln digamma"
NUMPY: dict[str, Any] = {k: getattr(np, k) for k in (UFUNCS + ARRAYS).split()}
"""The names as NumPy's functions; `host` is NumPy itself, for sizes."""
NUMPY |= {k: getattr(special, k) for k in SPECIAL.split()}
NUMPY |= {"trigamma": lambda x, out=None: special.polygamma(1, x), "host": np}
NUMPY |= {f.__name__: f for f in (softplus, add_up, multiply_up, largest, smallest)}
NUMPY |= {f.__name__: f for f in (filled, put_at, add_at, split, size)}


@cache
def keep_memory() -> None:
    """Let the C library keep up to KEPT bytes that arrays have let go, where it is glibc.

    By itself it gives large arrays back to the system at once, and has each of their pages made anew for the next one,
    which takes longer than the arithmetic.
    """
    with contextlib.suppress(Exception):
        library = ctypes.CDLL(None)
        library.mallopt(MMAP_THRESHOLD, MOST_ON_HEAP)
        library.mallopt(TRIM_THRESHOLD, KEPT)


def functions_of(text: str, names: dict[str, Any]) -> tuple[Any, Any]:
    """The two functions of a source: `given`, of the data, and `at`, of theta and what `given` returned."""
    keep_memory()
    space = dict(names)
    exec(compile(text, "<program of a graph>", "exec"), space)
    return space["given"], space["at"]
