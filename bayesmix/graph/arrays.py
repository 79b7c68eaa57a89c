"""What the source of a program is run with: the names that it uses, as functions of NumPy."""

from __future__ import annotations

import contextlib
import ctypes
import math
from functools import cache
from typing import Any

import numpy as np
from scipy import special

SMALL = 1000
"""Entries of an array, up to which NumPy's own reductions are as good as any."""
FEW = 12
"""Over so many entries along an axis a maximum is taken slice by slice, as NumPy's own loop starts anew for each row;
so many sums are made one by one."""
FEW_PLACES = 2000
"""Up to so many numbers are added at their places one by one; of more the places are counted."""
ROW, LONG = 16, 64
"""Rows of so many entries are short; sums of so many are made by a product with ones, which is less exact than pairwise
sums but for few."""

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


def add_up(x: Any, axes: tuple[int, ...]) -> Any:
    """The sum over `axes`; where rows are short in memory, run by run of axes as they lie there.

    NumPy's own loop starts anew for each row, which takes ten times as long as to add up a few numbers.
    """
    if len(axes) == 1 and axes[0] == x.ndim - 1 and 0 < x.shape[-1] <= FEW:
        return _by_slices(np.add, x, axes)
    if x.size < SMALL or not (found := _short_rows(x, axes)):
        return np.add.reduce(x, axes)
    y, runs, finish = found
    while (last := next((k for k in reversed(range(len(runs))) if runs[k][0]), None)) is not None:
        n, rest = runs[last][1], math.prod(m for _, m in runs[last + 1 :])
        y = _sum_of_middle(y.reshape(-1, n, rest))
        del runs[last]
    return finish(y)


def _short_rows(x: Any, axes: tuple[int, ...]) -> tuple[Any, list[tuple[bool, int]], Any] | None:
    """An array in the order of its memory, if its rows are short: runs of axes, which are summed over; the way back."""
    order = sorted((k for k, n in enumerate(x.shape) if n > 1), key=x.strides.__getitem__, reverse=True)
    if not order or x.shape[order[-1]] > ROW:
        return None
    runs: list[tuple[bool, int]] = []
    for k in order:
        away, n = k in axes, x.shape[k]
        if runs and runs[-1][0] == away:
            runs[-1] = away, runs[-1][1] * n
        else:
            runs.append((away, n))
    if runs[-1][1] > ROW or not any(away for away, _ in runs):
        return None
    y = x.transpose(*order, *(k for k in range(x.ndim) if x.shape[k] == 1))
    if not y.flags.c_contiguous:
        return None
    kept = [k for k in range(x.ndim) if k not in axes]
    left = [*(k for k in order if k in kept), *(k for k in kept if x.shape[k] == 1)]
    shape, back = [x.shape[k] for k in left], [left.index(k) for k in kept]
    return y, runs, lambda out: out.reshape(shape).transpose(back)


def _sum_of_middle(y: Any) -> Any:
    """The sum over the middle one of three axes: a matrix product where the last one is short."""
    _, n, rest = y.shape
    if rest > ROW:
        return np.add.reduce(y, 1)
    if rest == 1:
        return np.add.reduce(y[..., 0], 1) if n > LONG else y[..., 0] @ np.ones(n)
    if n > LONG:
        return np.matmul(np.ones(n), y)
    out = y.reshape(-1, n * rest) @ _chosen(n, rest)
    # zero times infinity is no number
    return out if np.isfinite(out).all() else np.add.reduce(y, 1)


@cache
def _chosen(n: int, rest: int) -> Any:
    """The matrix that adds up every `rest`-th of n x rest numbers."""
    return np.tile(np.eye(rest), (n, 1))


def _by_slices(function: np.ufunc, x: Any, axes: tuple[int, ...]) -> Any:
    """A reduction over `axes`; over a short last axis slice by slice."""
    if len(axes) == 1 and 0 < (n := x.shape[axes[0]]) <= FEW and x.size > SMALL:
        each = np.moveaxis(x, axes[0], 0)
        if n == 1:
            return each[0].copy()
        out = function(each[0], each[1])
        for k in range(2, n):
            function(out, each[k], out=out)
        return out
    return function.reduce(x, axes)


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
    if np.size(y) > FEW_PLACES and len(which) == 1 and all(a == slice(None) for a in at[: which[0]]):
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
    before, begin, out = (slice(None),) * int(axis), 0, []
    for n in map(int, sizes):
        out.append(x[(*before, slice(begin, begin + n))])
        begin += n
    return out


def cholesky(x: Any) -> Any:
    """The lower triangles of matrices; NaN of one that is not positive definite."""
    try:
        return np.linalg.cholesky(x)
    except np.linalg.LinAlgError:
        out = np.full(x.shape, np.nan)
        for at in np.ndindex(*x.shape[:-2]):
            with contextlib.suppress(np.linalg.LinAlgError):
                out[at] = np.linalg.cholesky(x[at])
        return out


def broadcast_to(x: Any, shape: tuple[int, ...]) -> Any:
    """`x` in a shape: few equal numbers are written down sooner than NumPy makes a view of one."""
    return np.full(shape, x) if np.ndim(x) == 0 and math.prod(shape) < SMALL else np.broadcast_to(x, shape)


class Sizes(np.ndarray):
    """A table of sizes: no data, and never traced."""


def size(x: Any) -> Any:
    """A size, or several, as numbers of Python: where arrays are traced, sizes are still known."""
    x = np.asarray(x)
    return x.item() if x.ndim == 0 else tuple(x.tolist()) if x.ndim == 1 else x.view(Sizes)


UFUNCS = """
    add multiply subtract divide floor_divide mod power exp log log1p expm1 square sqrt absolute negative sign maximum
    minimum equal not_equal less greater less_equal greater_equal bitwise_and bitwise_or invert reciprocal tanh isnan
    isinf
"""
ARRAYS = "where asarray reshape stack concatenate matmul cumsum cumprod all any inf nan"
SPECIAL = "expit erf erfc erfcx gammaln digamma"
NUMPY: dict[str, Any] = {k: getattr(np, k) for k in (UFUNCS + ARRAYS).split()}
"""The names as NumPy's functions; `host` is NumPy itself, for sizes."""
NUMPY |= {k: getattr(special, k) for k in SPECIAL.split()}
NUMPY |= {"trigamma": lambda x, out=None: special.polygamma(1, x), "host": np}
NUMPY |= {f.__name__: f for f in (softplus, add_up, multiply_up, largest, smallest, broadcast_to)}
NUMPY |= {f.__name__: f for f in (filled, put_at, add_at, split, size, cholesky)}
NUMPY |= {"inverse": np.linalg.inv, "determinant": np.linalg.det}


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
