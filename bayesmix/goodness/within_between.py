"""Covariances of numbers within and between clusters: those of the answers beside those that a model expects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesmix.goodness.implied import Implied
from bayesmix.goodness.judged import Answers
from bayesmix.goodness.unrestricted import share
from bayesmix.typing import Array


@dataclass(frozen=True)
class Level:
    """Covariances of a level: observed, expected, and the residual in its standard errors; (item, item) each."""

    observed: Array
    expected: Array
    z: Array


@dataclass(frozen=True)
class _Cluster:
    """Of one cluster, by pairs of numbers: who answered both, sums and products, and what is expected of these."""

    n: Array
    total: Array
    product: Array
    mean_product: Array
    e_total: Array
    e_product: Array
    e_mean_product: Array


def within_between(answers: Answers, implied: Implied) -> tuple[Level, Level]:
    """Pooled covariances within clusters, and covariances between them.

    With n_j members of cluster j who answered both items, N in all, of J clusters, and their means,

        S_W = sum_ij (y_ij - m_j)(y_ij - m_j)' / (N - J),
        S_B = (sum_j n_j (m_j - m)(m_j - m)' / (J - 1) - S_W) / c,    c = (N - sum_j n_j^2 / N) / (J - 1),

    which are unbiased where clusters are a sample, Searle, Casella and McCulloch (1992), section 3.6. The expected
    ones are the same with sums of squares in place of which their expectations stand, given the covariates. Standard
    errors are of sums of independent clusters.
    """
    each = [_cluster(answers, implied, k) for k in _members(answers)]

    def summed(part: Callable[[_Cluster], Array]) -> Array:
        return np.sum([part(c) for c in each], axis=0)

    n, clusters = summed(lambda c: c.n), summed(lambda c: (c.n > 0).astype(float))
    total, e_total = summed(lambda c: c.total), summed(lambda c: c.e_total)
    within = summed(lambda c: c.product - c.mean_product)
    e_within = summed(lambda c: c.e_product - c.e_mean_product)
    across = summed(lambda c: c.mean_product) - share(total * total.T, n)
    spread = summed(lambda c: c.n * c.e_mean_product - c.e_total * c.e_total.T)
    e_across = summed(lambda c: c.e_mean_product) - share(e_total * e_total.T + spread, n)
    inside, df = n - clusters, clusters - 1
    size = share(n - share(summed(lambda c: c.n**2), n), df)

    def between(a: Array, w: Array) -> Array:
        return share(share(a, df) - w, size)

    w, e_w = (_or_nan(x, inside) for x in (within, e_within))
    own, both = [], []
    for c in each:
        own.append(share(c.product - c.mean_product - (c.e_product - c.e_mean_product), inside))
        away = c.total - c.e_total
        expected = c.e_mean_product - share(c.e_total * c.e_total.T, c.n)
        both.append(share(share(away * away.T, c.n) - expected, df) - own[-1])
    levels = (w, e_w, own), (between(across, w), between(e_across, e_w), both)
    return tuple(  # pyright: ignore[reportReturnType]
        Level(np.where(df > 0, o, np.nan), np.where(df > 0, e, np.nan), _in_errors(parts)) for o, e, parts in levels
    )


def _or_nan(x: Array, n: Array) -> Array:
    return np.where(n > 0, share(x, n), np.nan)


def _in_errors(parts: list[Array]) -> Array:
    """A sum over clusters in its standard errors."""
    x = np.array(parts)
    spread = np.sqrt((x**2).sum(axis=0))
    return np.where(spread > 0, share(x.sum(axis=0), spread), np.nan)


def _members(answers: Answers) -> list[NDArray[np.int64]]:
    """The patterns of each cluster."""
    assert answers.owner is not None
    used = np.flatnonzero(answers.counts > 0)
    order = used[np.argsort(answers.owner[used], kind="stable")]
    return np.split(order, np.flatnonzero(np.diff(answers.owner[order])) + 1)


def _cluster(answers: Answers, implied: Implied, some: NDArray[np.int64]) -> _Cluster:
    at = answers.columns.numeric
    columns = np.array([answers.columns.at(k)[0] for k in at])
    w, o, y = answers.counts[some], answers.answered[some][:, at], answers.values[some][:, columns]
    n, total = (o * w[:, None]).T @ o, (y * w[:, None]).T @ o
    product = (y * w[:, None]).T @ y
    own = Answers(answers.columns, answers.y[some], w)
    expected = implied.only(some).sums(own).two[np.ix_(columns, columns)]
    above, mean = implied.given_cluster(some)
    mean = np.broadcast_to(mean[..., columns], (len(some), *mean.shape[1:-1], len(columns)))
    above = np.broadcast_to(above[0], mean.shape[1])
    sums = np.einsum("iua,ia,ib->uab", mean, o * w[:, None], o, optimize=True)  # of a over those who answered both
    alike = np.einsum("u,iua,iub,ia,ib->ab", above, mean, mean, o * w[:, None], o, optimize=True)
    e_mean = share(expected - alike + np.einsum("u,uab,uba->ab", above, sums, sums), n)
    return _Cluster(n, total, product, share(total * total.T, n), np.einsum("u,uab->ab", above, sums), expected, e_mean)
