"""The posterior by importance sampling: points of an adapted proposal, each with the weight that makes up for it.

With points u_i of a proposal q and the posterior's density p up to its constant, the weights w_i = p(u_i) / q(u_i) give
means under the posterior, and their average is the marginal likelihood. The proposal begins at the modes and is fitted,
round after round, to all points so far, weighted (adaptive multiple importance sampling, Cornuet et al., 2012,
https://doi.org/10.1111/j.1467-9469.2011.00756.x). The points of the result are drawn after that, from a proposal that
does not depend on them. Their largest weights are smoothed (Vehtari et al., 2024, https://jmlr.org/papers/v25/19-556.html),
whose Pareto k says whether the result can be believed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from arviz_stats.base import array_stats
from numpy.typing import NDArray
from scipy import optimize

from bayesmix.bayes.posterior_density import Density
from bayesmix.bayes.proposals import Mixture, around
from bayesmix.bayes.symmetry import Symmetry, symmetry
from bayesmix.ml import ranges
from bayesmix.parallel import one_blas_thread
from bayesmix.results import KHAT
from bayesmix.typing import Array

ROUND, ROUNDS = 1000, 12
"""Points of a round of the adaptation, and the most rounds."""
GOOD_K, GOOD_SHARE = 0.5, 0.2
"""A proposal with so small a Pareto k and so many effective points is good enough to be the last."""
TEMPERED = 0.25
"""Weights of the adaptation are brought nearer to each other until so many of a round's points are effective."""
ENOUGH, BATCHES = 500, 5
"""Points are drawn, as many again as were asked for, until so many are effective, at most so many times."""
REFITS = 3
"""So often the proposal is fitted to the points of the result, where these cannot be trusted, and others are drawn."""
FLOOR = 0.02
"""The least curvature about a mode, as a share of that of an entry alone."""
NEWTON = 20
SAME_MODE = 0.05
"""In units of the parameters."""
LEAST_SHARE = 1e-3
"""Modes with a smaller share of the mass, by Laplace, are left aside."""


class ImportanceFailed(RuntimeError):
    """Importance weights that cannot be trusted.

    Attributes
    ----------
    points : xarray.Dataset
        What the group `importance` would have been: points of the proposal and their log weights.

    Examples
    --------
    >>> try:
    ...     post = bm.sample(fit, df, method="importance", draws=100, chains=2, progress=False)
    ... except bm.ImportanceFailed as failed:
    ...     post = bm.sample(fit, df, draws=100, tune=100, chains=2, progress=False)
    >>> "posterior" in post
    True
    """

    def __init__(self, message: str, points: xr.Dataset) -> None:
        super().__init__(message)
        self.points = points


@dataclass(frozen=True)
class Weighed:
    """Points and their weights.

    Attributes
    ----------
    density : Density
    u : array (point, entry)
    log_ratio : array (point,)
        The log density of the posterior, up to the marginal likelihood, minus that of the proposal.
    log_weight : array (point,)
        Smoothed; the weights add up to 1.
    k : float
        Pareto k.
    """

    density: Density
    u: Array
    log_ratio: Array
    log_weight: Array
    k: float

    @classmethod
    def of(cls, density: Density, u: Array, log_ratio: Array) -> Weighed:
        """Weigh points."""
        return cls(density, u, log_ratio, *smoothed(log_ratio))

    @property
    def effective(self) -> float:
        """The number of effective points."""
        return effective(self.log_weight)

    @property
    def log_marginal_likelihood(self) -> float:
        """The logarithm of the average ratio."""
        return float(np.logaddexp.reduce(self.log_ratio) - math.log(len(self.log_ratio)))

    @property
    def error(self) -> float:
        """The Monte Carlo standard error of the log marginal likelihood."""
        n = len(self.log_ratio)
        return math.sqrt(max(n / effective(self.log_ratio) - 1.0, 0.0) / n)

    @property
    def largest_k(self) -> float:
        """The k up to which the weights of so many points can be trusted."""
        return min(KHAT, 1.0 - 1.0 / math.log10(len(self.u)))

    @property
    def is_good(self) -> bool:
        """Whether the weights can be trusted."""
        return self.k <= self.largest_k  # not NaN either

    def resampled(self, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Positions of n points of equal weight, by systematic resampling.

        A point comes more than once where its weight is above 1/n, and then next to itself: what is lost by that is
        the autocorrelation of the draws.
        """
        at = (rng.random() + np.arange(n)) / n
        return np.searchsorted(np.cumsum(np.exp(self.log_weight))[:-1], at, side="right")


def smoothed(log_ratio: Array) -> tuple[Array, float]:
    """Log weights that add up to 1, the largest smoothed, and their Pareto k."""
    finite = np.isfinite(log_ratio)
    if finite.sum() < 50:
        kept = finite if finite.any() else ~finite  # known nowhere: all count alike, and k says for nothing
        return np.where(kept, 0.0, -np.inf) - math.log(kept.sum()), np.inf
    level = np.where(finite, log_ratio - log_ratio[finite].max(), -1e4)
    log_weight, k = array_stats.psislw(-level)
    if np.isnan(log_weight).any():  # no Pareto distribution could be fitted to the largest: they are as they were
        log_weight, k = level, np.inf
    return log_weight - np.logaddexp.reduce(log_weight), float(k)


def effective(log_weight: Array) -> float:
    """The number of effective points, (sum w)^2 / sum w^2."""
    return float(np.exp(2 * np.logaddexp.reduce(log_weight) - np.logaddexp.reduce(2 * log_weight)))


# modes --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Peak:
    """A mode and the curvature there."""

    u: Array
    height: float
    information: Array

    @property
    def log_mass(self) -> float:
        """The logarithm of the mass around it, by Laplace."""
        return self.height - 0.5 * np.linalg.slogdet(self.information)[1]


def peak(density: Density, u: Array) -> Peak:
    """Climb from a point: by L-BFGS, then by Newton's steps, which do not mind units."""
    unit = _unit(density)

    def falling(x: Array) -> tuple[float, Array]:
        with np.errstate(all="ignore"):
            value, gradient = density.value_and_gradient(x * unit)
        return (-value, -gradient * unit) if np.isfinite(value) else (np.inf, np.zeros_like(x))

    with one_blas_thread():
        x = optimize.minimize(falling, u / unit, jac=True, method="L-BFGS-B", options={"maxiter": 500}).x
        for _ in range(NEWTON):
            information = _information(falling, x)
            value, gradient = falling(x)
            step = -np.linalg.solve(information, gradient)
            if -gradient @ step < 1e-6:
                break
            trial = next((x + s * step for s in (1.0, 0.5, 0.1) if falling(x + s * step)[0] < value), None)
            if trial is None:
                break
            x = trial
    return Peak(x * unit, -falling(x)[0], information / np.outer(unit, unit))


def _unit(density: Density) -> Array:
    """The unit of each coordinate; of what is on a scale of its own, a logarithm or a logit, it is 1."""
    return np.where(density.is_plain(), ranges(density.objective.target).unit, 1.0)


def _information(falling: Callable, x: Array, step: float = 1e-4) -> Array:
    """Second derivatives by differences of the gradient, made positive where they are not."""
    rows = [(falling(x + e)[1] - falling(x - e)[1]) / (2 * step) for e in step * np.eye(len(x))]
    size = np.sqrt(np.maximum(np.abs(np.diag(rows)), 1e-8))
    values, vectors = np.linalg.eigh((np.array(rows) + np.array(rows).T) / 2 / np.outer(size, size))
    return (vectors * np.maximum(np.abs(values), FLOOR)) @ vectors.T * np.outer(size, size)


def peaks(density: Density, starts: Sequence[Array]) -> tuple[list[Peak], Symmetry]:
    """The modes above the starting points that are not each other's images, and the posterior's symmetry.

    Where the prior tells apart orders of the classes that the likelihood does not, each is a mode of its own.
    """
    first = peak(density, starts[0])
    rng = np.random.default_rng(0)
    spread = 0.3 * np.sqrt(np.diag(np.linalg.inv(first.information)))
    known = symmetry(density, first.u + spread * rng.normal(size=(3, len(spread))))
    found = [first]
    for u in [*starts[1:], *(known.moved(first.u[None], g)[0] for g in known.broken)]:
        if np.isfinite(u).all() and np.isfinite(density(u[None])[0]):
            new = peak(density, u)
            if not any(_is_image(known, new, old, _unit(density)) for old in found):
                found.append(new)
    masses = np.array([p.log_mass for p in found])
    near = masses - np.logaddexp.reduce(masses) > math.log(LEAST_SHARE)
    return [p for p, keep in zip(found, near, strict=True) if keep], known


def _is_image(known: Symmetry, a: Peak, b: Peak, unit: Array) -> bool:
    return any(np.abs((known.moved(a.u[None], g)[0] - b.u) / unit).max() < SAME_MODE for g in known.maps)


# points -------------------------------------------------------------------------------------------


def adapted(density: Density, first: Mixture, rng: np.random.Generator, advance: Callable[[], Any]) -> Mixture:
    """A proposal fitted to the posterior in rounds: the best of those that were tried."""
    q, best, most = first, first, 0.0
    tried: list[Mixture] = []
    points: list[Array] = []
    heights: list[Array] = []
    for _ in range(ROUNDS):
        u = q.draw(rng, ROUND)
        tried, points, heights = [*tried, q], [*points, u], [*heights, density(u)]
        advance()
        log_weight, k = smoothed(heights[-1] - q.log_density(u))
        n = effective(log_weight) if k <= KHAT else effective(heights[-1] - q.log_density(u))
        if n > most:
            best, most = q, n
        if k < GOOD_K and n > GOOD_SHARE * ROUND:
            return q
        every = np.concatenate(points)
        mixed = np.logaddexp.reduce([p.log_density(every) for p in tried], axis=0)
        log_weight, _ = smoothed(np.concatenate(heights) - mixed)
        size = every.shape[1]
        log_weight = tempered(log_weight, max(5.0 * size, TEMPERED * ROUND))
        q = q.refitted(every, np.exp(log_weight), 2.0 * size)
    return best


def tempered(log_weight: Array, wanted: float) -> Array:
    """Weights to a power of at most 1 at which so many points are effective."""
    low, high = 0.0, 1.0
    if effective(log_weight) < wanted:
        for _ in range(30):
            middle = (low + high) / 2
            low, high = (middle, high) if effective(middle * log_weight) >= wanted else (low, middle)
        log_weight = np.where(np.isfinite(log_weight), low * log_weight, -np.inf)
    return log_weight - np.logaddexp.reduce(log_weight)


def weighed(
    density: Density, q: Mixture, known: Symmetry, n: int, rng: np.random.Generator, advance: Callable[[], Any]
) -> tuple[Weighed, Mixture]:
    """Points of a proposal with weights that can be trusted, if it is found, and the proposal.

    Where the weights cannot be trusted the proposal is fitted to these points, of which there are more than in a round.
    """
    known, size = replace(known, density=density), len(q.parts[0].location)
    out = _weighed(density, q, known, n, rng, advance)
    for _ in range(REFITS):
        if out.is_good:
            break
        log_weight = tempered(out.log_weight, max(5.0 * size, TEMPERED * n))
        q = q.refitted(out.u, np.exp(log_weight), 2.0 * size)
        out = _weighed(density, q, known, n, rng, advance)
    return out, q


def _weighed(
    density: Density, q: Mixture, known: Symmetry, n: int, rng: np.random.Generator, advance: Callable[[], Any]
) -> Weighed:
    """Points of the proposal, n or as many times n as it takes, with their weights."""
    points: list[Array] = []
    ratios: list[Array] = []
    for _ in range(BATCHES):
        u = q.draw(rng, n)
        points, ratios = [*points, u], [*ratios, density(u) - known.log_density(u, q.log_density)]
        advance()
        out = Weighed.of(density, np.concatenate(points), np.concatenate(ratios))
        if out.effective >= ENOUGH:
            break
    return out


def start(found: Sequence[Peak], density: Density) -> Mixture:
    """The first proposal: about each mode, in proportion to the masses."""
    masses = np.array([p.log_mass for p in found])
    shares = np.maximum(np.exp(masses - np.logaddexp.reduce(masses)), 0.05)
    return Mixture([around(density, p.u, p.information) for p in found], shares / shares.sum())
