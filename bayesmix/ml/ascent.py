"""Many starts climb side by side: BFGS with bounds, one evaluation of the log-likelihood for a step of all of them.

A small problem costs an evaluation hardly more for twenty points than for one, as most of it is the interpreter's time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bayesmix.typing import Array

ENOUGH = 1e-4
"""The share of the rise that the slope promises, from which a step is taken (Armijo)."""
SHORTER = 20
"""How often a step is shortened, at most."""
TOO_FAR = 0.9
"""The share of the slope, of the other sign, at which a step is shortened though it rises: it leads beyond the top, to
a spike of the density perhaps (the strong condition of Wolfe)."""
LONGEST = 5.0
"""The largest change of an entry in one step, in natural units: a step to the flat tails does not come back."""
NO_CURVATURE = 1e-10
"""A step along which the gradient does not change, relative to both, says nothing about curvature."""
RENEWED, MOST_RENEWED, DIFFERENCE, LEAST_CURVATURE = 15, 60, 1e-4, 1e-8
"""After so many iterations the matrix is made anew, of so many entries at most, by such differences, with no axis less
curved than this share of the most curved one: on plateaus BFGS learns slowly."""
RISE, RELATIVE, SLOPE, MOST_SLOW = 1e-10, 1e-14, 1e-7, 6
"""A rise, three times in turn, a relative one, and a slope per natural unit, that end a climb; so many small rises do
in any case: where a logit runs to infinity steps go on for long that are worth nothing."""


@dataclass(frozen=True)
class Climbed:
    """Where a climb ended: which it is, value, point, gradient, iterations, and whether it was interrupted."""

    which: int
    value: float
    point: Array
    gradient: Array
    iterations: int
    stopped: bool = False


@dataclass
class _Climbs:
    """The climbs that still go on, one a row; `f` falls, and the points are in natural units."""

    which: NDArray[np.int64]
    x: Array
    f: Array
    g: Array
    h: Array
    fresh: NDArray[np.bool_]
    """Whose matrix says nothing of curvature yet."""
    slow: NDArray[np.int64]
    """How many of the last steps were worth nothing."""

    def only(self, kept: NDArray[np.bool_]) -> _Climbs:
        """Those that are `kept`."""
        if kept.all():
            return self
        return _Climbs(*(getattr(self, k)[kept] for k in ("which", "x", "f", "g", "h", "fresh", "slow")))


def climb(
    function: Callable[[Array, NDArray[np.int64]], tuple[Array, Array]],
    origins: Array,
    lower: Array,
    upper: Array,
    iterations: int,
    gone: Callable[[Array], NDArray[np.bool_]],
) -> Iterator[Climbed]:
    """Climb from each of the points, and hand on each climb as it ends; interrupted, where all of them are.

    Parameters
    ----------
    function : callable
        Of points (row, entry) and which climbs they belong to: values, and gradients (row, entry).
    origins : array (climb, entry)
    lower, upper : array (entry,)
    iterations : int
        At most.
    gone : callable
        Of points: which of them are lost, so that their climbs end.
    """
    n, p = origins.shape
    which = np.arange(n)
    value, gradient = function(origins, which)
    every = np.ones(n, dtype=bool)
    c = _Climbs(
        which, origins, *_falling(value, gradient), np.tile(np.eye(p), (n, 1, 1)), every, np.zeros(n, dtype=int)
    )
    k = 0
    try:
        for k in range(iterations):
            blocked = ((c.x <= lower) & (c.g > 0)) | ((c.x >= upper) & (c.g < 0))
            flat = np.abs(np.where(blocked, 0.0, c.g)).max(axis=1, initial=0.0) < SLOPE
            over = ~np.isfinite(c.f) | flat | gone(c.x)
            yield from _ended(c, over, k)
            c, blocked = c.only(~over), blocked[~over]
            if not len(c.f):
                return
            if k % RENEWED == RENEWED - 1 and p <= MOST_RENEWED:
                c = _renewed(function, c)
            before, was_fresh = c.f, c.fresh
            c, stuck = _stepped(function, c, blocked, lower, upper)
            rise = before - c.f
            c.slow = np.where(rise < RISE, c.slow + 1, 0)
            enough = (c.slow >= 3) | (rise <= RELATIVE * np.maximum(np.abs(c.f), 1.0))
            # a first step, along the gradient, is a small one; stuck with a matrix that misleads, there is another one
            over = (enough & ~was_fresh & ~stuck) | (stuck & was_fresh) | (c.slow > MOST_SLOW)
            yield from _ended(c, over, k + 1)
            c = c.only(~over)
            if not len(c.f):
                return
    except KeyboardInterrupt:
        yield from (replace(end, stopped=True) for end in _ended(c, np.isfinite(c.f), k))
        raise
    yield from _ended(c, np.ones(len(c.f), dtype=bool), iterations)


def _falling(value: Array, gradient: Array) -> tuple[Array, Array]:
    """What is minimised: infinite where the value or its gradient is no number."""
    known = np.isfinite(value) & np.isfinite(gradient).all(axis=1)
    return np.where(known, -value, np.inf), np.where(known[:, None], -gradient, 0.0)


def _ended(c: _Climbs, over: NDArray[np.bool_], iterations: int) -> Iterator[Climbed]:
    for k in np.flatnonzero(over) if over.any() else ():
        yield Climbed(int(c.which[k]), float(-c.f[k]), c.x[k], -c.g[k], iterations)


def _stepped(
    function: Callable, c: _Climbs, blocked: NDArray[np.bool_], lower: Array, upper: Array
) -> tuple[_Climbs, NDArray[np.bool_]]:
    """One step of each climb, shortened until it rises enough; and for which none did."""
    free = np.where(blocked, 0.0, c.g)
    d = np.where(blocked, 0.0, -np.einsum("rij,rj->ri", c.h, free))
    uphill = (d * free).sum(axis=1) >= 0
    d[uphill] = -free[uphill]
    size = np.abs(d).max(axis=1)
    first = np.minimum(1.0, 1.0 / np.maximum(np.abs(free).sum(axis=1), 1e-300))
    step = np.where(c.fresh | uphill, first, 1.0)
    step = np.minimum(step, LONGEST / np.maximum(size, 1e-300))
    x, f, g = c.x.copy(), c.f.copy(), c.g.copy()
    left, risen = np.arange(len(f)), np.zeros(len(f), dtype=bool)
    for _ in range(SHORTER):
        trial = np.clip(c.x[left] + step[left, None] * d[left], lower, upper)
        ft, gt = _falling(*function(trial, c.which[left]))
        moved = trial - c.x[left]
        slope, after = (c.g[left] * moved).sum(axis=1), (gt * moved).sum(axis=1)
        rises = ft <= c.f[left] + ENOUGH * slope
        x[left[rises]], f[left[rises]], g[left[rises]] = trial[rises], ft[rises], gt[rises]
        risen[left] |= rises
        again = ~(rises & (after <= -TOO_FAR * slope))
        bent = np.where(rises, after - slope, 2.0 * (ft - c.f[left] - slope))[again]
        with np.errstate(all="ignore"):
            shrink = np.clip(np.nan_to_num(-slope[again] / bent, nan=0.1, posinf=0.1, neginf=0.1), 0.1, 0.5)
        left = left[again]
        step[left] *= shrink
        if not len(left):
            break
    left = np.flatnonzero(~risen)
    stuck = np.zeros(len(f), dtype=bool)
    stuck[left] = True
    return _learned(c, x, f, g, stuck), stuck


def _renewed(function: Callable, c: _Climbs) -> _Climbs:
    """The climbs with the inverse of the curvature itself, by differences of gradients, uphill along all its axes."""
    n, p = c.x.shape
    apart = DIFFERENCE * np.concatenate([np.eye(p), -np.eye(p)])
    _, g = _falling(*function((c.x[:, None] + apart).reshape(-1, p), np.repeat(c.which, 2 * p)))
    g = g.reshape(n, 2, p, p)
    curve = (g[:, 0] - g[:, 1]) / (2.0 * DIFFERENCE)
    known = np.isfinite(curve).all(axis=(1, 2))
    size, axes = np.linalg.eigh(np.where(known[:, None, None], curve + np.swapaxes(curve, 1, 2), 0.0) / 2.0)
    size = np.maximum(np.abs(size), LEAST_CURVATURE * np.maximum(np.abs(size).max(axis=1, keepdims=True), 1e-300))
    h = np.where(known[:, None, None], np.einsum("rik,rk,rjk->rij", axes, 1.0 / size, axes), c.h)
    return replace(c, h=h, fresh=c.fresh & ~known)


def _learned(c: _Climbs, x: Array, f: Array, g: Array, stuck: NDArray[np.bool_]) -> _Climbs:
    """The climbs at their new points, the matrices with what the gradients say of the curvature (BFGS)."""
    s, y = x - c.x, g - c.g
    sy, yy = (s * y).sum(axis=1), (y * y).sum(axis=1)
    told = sy > NO_CURVATURE * np.sqrt((s * s).sum(axis=1) * yy)
    h = c.h.copy()
    scaled = told & c.fresh
    h[scaled] *= (sy[scaled] / yy[scaled])[:, None, None]
    if told.any():
        a, b, r = s[told], np.einsum("rij,rj->ri", h[told], y[told]), 1.0 / sy[told]
        along = (1.0 + r * (y[told] * b).sum(axis=1)) * r
        mixed = np.einsum("r,ri,rj->rij", r, b, a)
        h[told] += np.einsum("r,ri,rj->rij", along, a, a) - mixed - np.swapaxes(mixed, 1, 2)
    h[stuck] = np.eye(x.shape[1])
    return _Climbs(c.which, x, f, g, h, (c.fresh & ~told) | stuck, c.slow)
