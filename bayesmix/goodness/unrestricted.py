"""Unrestricted estimates where answers are missing at random: of tables of categories, of means and covariances."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesmix.goodness.implied import masks
from bayesmix.goodness.judged import Answers
from bayesmix.typing import Array

STEPS, ENOUGH = 5000, 1e-9
"""Steps of EM at most, and the change of a log-likelihood, for each individual, at which they end."""


def entropy_sum(n: Array, p: Array) -> Array:
    """n log p, zero where there is nobody."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(n > 0, n * np.log(p), 0.0)


def share(n: Array, total: Array) -> Array:
    """n / total, zero where the total is."""
    return np.divide(n, total, out=np.zeros(np.broadcast_shapes(n.shape, total.shape)), where=total > 0)


def two_way(both: Array, first: Array, second: Array) -> Array:
    """Probabilities of two-way tables by EM: Little and Rubin (2019), section 13.4; what Mplus does for TECH10.

    Parameters
    ----------
    both : array (pair, a, b)
        Individuals who answered both items.
    first, second : array (pair, a), (pair, b)
        Those who answered one of them alone.

    Returns
    -------
    array (pair, a, b)
        Zero where nobody answered.
    """
    n = both.sum((1, 2)) + first.sum(1) + second.sum(1)
    p = share(both, both.sum((1, 2), keepdims=True))
    if not (first.any() or second.any()):
        return p
    # where nobody answered both, the two are taken as independent
    alone = share(first, first.sum(1, keepdims=True))[:, :, None] * share(second, second.sum(1, keepdims=True))[:, None]
    p = np.where(both.sum((1, 2), keepdims=True) > 0, p, alone)
    start = (both > -1) & ((both.sum(2) + first)[:, :, None] > 0) & ((both.sum(1) + second)[:, None, :] > 0)
    p = 0.5 * p + 0.5 * share(start.astype(float), start.sum((1, 2), keepdims=True).astype(float))
    for _ in range(STEPS):
        before = p
        rows, columns = p.sum(2), p.sum(1)
        filled = both + p * share(first, rows)[:, :, None] + p * share(second, columns)[:, None, :]
        p = share(filled, n[:, None, None])
        if np.abs(p - before).max(initial=0.0) < 1e-10:
            break
    return p


@dataclass(frozen=True)
class Saturated:
    """The unrestricted table of all items.

    Attributes
    ----------
    probability : array (*sizes)
    loglik : float
        Of all answers, missing at random.
    """

    probability: Array
    loglik: float


MOST_CELLS, MOST_SUMS = 2**14, 2**22
"""The largest table that is estimated; the most cells, over all patterns of missing answers."""


def has_table(answers: Answers) -> bool:
    """Whether the unrestricted table of categorical items is small enough to be estimated by EM."""
    cells = math.prod(int(k) for k in answers.columns.sizes)
    return cells <= MOST_CELLS and cells * sum(1 for _ in masks(answers)) <= MOST_SUMS


def whole_table(answers: Answers) -> Saturated:
    """The unrestricted table of categorical items by EM, Fuchs (1982); proportions where nothing is missing."""
    sizes = tuple(int(k) for k in answers.columns.sizes)
    groups = list(_by_mask(answers, sizes))
    p, before = np.full(sizes, 1.0 / np.prod(sizes)), -np.inf
    while True:
        filled, loglik = np.zeros(sizes), 0.0
        for axes, counts in groups:
            margin = p.sum(axes, keepdims=True)
            loglik += float(entropy_sum(counts, margin).sum())
            filled += p * share(counts, margin)
        if loglik - before < ENOUGH * answers.n:
            return Saturated(p, loglik)
        p, before = filled / filled.sum(), loglik


def _by_mask(answers: Answers, sizes: tuple[int, ...]) -> Iterable[tuple[tuple[int, ...], Array]]:
    """For each pattern of missing items their axes, and the table of the others, with axes of length one for them."""
    for mask, some in masks(answers):
        seen = np.flatnonzero(mask)
        own = tuple(sizes[k] for k in seen)
        at = np.ravel_multi_index(tuple(answers.y[some][:, seen].T.astype(int)), own) if len(seen) else 0 * some
        counts = np.bincount(at, answers.counts[some], int(np.prod(own))).astype(float)
        shape = [n if m else 1 for n, m in zip(sizes, mask, strict=True)]
        yield tuple(np.flatnonzero(mask == 0).tolist()), counts.reshape(shape)


@dataclass(frozen=True)
class NormalMoments:
    """The unrestricted normal distribution of numbers.

    Attributes
    ----------
    mean : array (item,)
    covariance : array (item, item)
    converged : bool
    """

    mean: Array
    covariance: Array
    converged: bool = True


def normal_moments(y: Array, counts: Array) -> NormalMoments:
    """Means and covariances by EM, Little and Rubin (2019), section 11.2; those of the sample where all answered.

    Parameters
    ----------
    y : array (pattern, item)
    counts : array (pattern,)

    Raises
    ------
    ValueError
        The covariance matrix has no inverse: too few individuals, or an item that follows from others.
    """
    used = (counts > 0) & ~np.isnan(y).all(axis=1)
    y, w = y[used], counts[used]
    center, scale = _margins(y, w)
    y = (y - center) / scale
    mean, cov = np.zeros(y.shape[1]), np.eye(y.shape[1])
    groups = _groups(y)
    if len(groups) == 1 and groups[0][0].all():
        mean = w @ y / w.sum()
        cov = (y - mean).T @ ((y - mean) * w[:, None]) / w.sum()
        return NormalMoments(center + scale * mean, cov * np.outer(scale, scale))
    before, converged = -np.inf, False
    for _ in range(STEPS):
        total, square, loglik = np.zeros_like(mean), np.zeros_like(cov), 0.0
        for seen, some in groups:
            filled, left, more = _filled(y[some], seen, mean, cov)
            loglik += float(w[some] @ more)
            total += w[some] @ filled
            square += (filled * w[some, None]).T @ filled + w[some].sum() * left
        mean = total / w.sum()
        cov = square / w.sum() - np.outer(mean, mean)
        if converged := loglik - before < ENOUGH * w.sum():
            break
        before = loglik
    return NormalMoments(center + scale * mean, cov * np.outer(scale, scale), converged)


def _margins(y: Array, w: Array) -> tuple[Array, Array]:
    """Mean and SD of each item by those who answered it."""
    seen = ~np.isnan(y)
    n = np.maximum(w @ seen, 1e-300)
    center = w @ np.where(seen, y, 0.0) / n
    scale = np.sqrt(w @ np.where(seen, (y - center) ** 2, 0.0) / n)
    if (flat := np.flatnonzero(~(scale > 0))).size:
        raise ValueError(f"Number {flat[0] + 1} of the items has one value, or none: leave it out.")
    return center, scale


def _groups(y: Array) -> list[tuple[NDArray[np.bool_], NDArray[np.int64]]]:
    """Rows with the same items answered: which these are, and the rows."""
    seen = ~np.isnan(y)
    kinds, which = np.unique(seen, axis=0, return_inverse=True)
    return [(kind, np.flatnonzero(which.reshape(-1) == k)) for k, kind in enumerate(kinds)]


def _filled(y: Array, seen: NDArray[np.bool_], mean: Array, cov: Array) -> tuple[Array, Array, Array]:
    """Rows with missing numbers at their expectation, the covariance that is left of these, and log densities."""
    gone = ~seen
    try:
        root = np.linalg.cholesky(cov[np.ix_(seen, seen)])
    except np.linalg.LinAlgError:
        raise ValueError(
            "The covariance matrix of the numbers has no inverse: there are too few individuals for so many items, or "
            "an item follows from others. Leave items out."
        ) from None
    away = np.linalg.solve(root, (y[:, seen] - mean[seen]).T)
    across = np.linalg.solve(root, cov[np.ix_(seen, gone)])
    out, left = y.copy(), np.zeros_like(cov)
    out[:, gone] = mean[gone] + away.T @ across
    left[np.ix_(gone, gone)] = cov[np.ix_(gone, gone)] - across.T @ across
    density = -0.5 * (away**2).sum(0) - np.log(np.diag(root)).sum() - 0.5 * seen.sum() * np.log(2 * np.pi)
    return out, left, density
