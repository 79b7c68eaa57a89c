"""Residual covariance matrices during a search: whether they are positive definite, and whether one has collapsed.

The SD of an item given the others of a class, 1 / sqrt((Sigma_c^-1)_pp), goes to zero where the matrix becomes
singular, in whatever direction: a class of a few answers, or of answers on a line, then has an infinite density.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmix.ml.objective import Target
from bayesmix.spec import GROUP, Response, Term
from bayesmix.spec.families import covariance_matrices
from bayesmix.typing import Array

SHRINKS = (1.0, 0.8, 0.5, 0.2, 0.0)
"""Shares of their covariances with which matrices begin: the first with which all are positive definite."""
ROOM = 0.05
"""Of the item's SD given the others in the whole sample: a start has none smaller."""


@dataclass(frozen=True)
class ResidualMatrices:
    """Where the residual covariance matrices of a response stand in theta, and what is small for them.

    Attributes
    ----------
    items : tuple of str
    classes : tuple of str
        Groups and class variables over which the matrices vary.
    sd, covariance : array of int
        Entries of theta, -1 where fixed: (classes..., item) and (classes..., pair), of length 1 where they do not vary.
    fixed_sd, fixed_covariance : array
        Fixed values, of SDs the logarithm.
    pairs : list of (int, int)
    total : array (item, item)
        The covariance matrix of the whole sample.
    floor : array (item,)
        Of the SDs given the other items.
    by_class : bool
        Whether matrices vary over classes: a common one does not collapse.
    """

    items: tuple[str, ...]
    classes: tuple[str, ...]
    sd: NDArray[np.int64]
    covariance: NDArray[np.int64]
    fixed_sd: Array
    fixed_covariance: Array
    pairs: list[tuple[int, int]]
    total: Array
    floor: Array
    by_class: bool

    def matrices(self, theta: Array) -> Array:
        """The matrices of points (point, entry): (point, classes..., item, item)."""
        padded = np.concatenate([theta, np.zeros((len(theta), 1))], axis=1)
        sd = np.exp(padded[:, self.sd] + self.fixed_sd)
        covariance = padded[:, self.covariance] + self.fixed_covariance
        return covariance_matrices(sd, covariance, self.pairs)

    def conditional(self, theta: Array) -> Array:
        """SDs given the other items (point, classes..., item); zero where a matrix is not positive definite."""
        return conditional_sds(self.matrices(theta))

    def collapsed(self, theta: Array, times: float = 1.001) -> NDArray[np.bool_]:
        """Which matrices (point, classes..., item) have an SD at its floor, or within so many times."""
        return self.conditional(theta) < times * self.floor

    def startable(self, theta: Array) -> Array:
        """The point with as much of its covariances as leaves all matrices positive definite."""
        at = np.unique(self.covariance[self.covariance >= 0])
        least = np.minimum(ROOM * conditional_sds(self.total[None])[0], 1.0)
        for share in SHRINKS:
            trial = theta.copy()
            trial[at] *= share
            if (self.conditional(trial[None]) > least * (share > 0)).all():
                return trial
        return trial

    def soft(self, theta: Array, weight: Array) -> tuple[Array, Array]:
        """A penalty that keeps matrices near that of the whole sample, W, and its gradient, of points (point, entry).

        As if each class had `weight` further answers with the covariance matrix W:
        -weight (log |Sigma_c W^-1| + tr(Sigma_c^-1 W)) / 2.
        """
        sigma = self.matrices(theta)
        sound = np.isfinite(conditional_sds(sigma)).all(axis=-1) & (conditional_sds(sigma) > 0).all(axis=-1)
        safe = np.where(sound[..., None, None], sigma, self.total)
        inverse = np.linalg.inv(safe)
        value = -0.5 * (np.linalg.slogdet(safe)[1] - np.linalg.slogdet(self.total)[1])
        value = np.where(sound, value - 0.5 * np.einsum("...ij,ji->...", inverse, self.total), -np.inf)
        slope = 0.5 * (inverse @ self.total @ inverse - inverse)
        a, b = np.array(self.pairs).T
        k = np.arange(len(self.items))
        of_sd = 2.0 * np.diagonal(slope, axis1=-2, axis2=-1) * sigma[..., k, k]
        gradient = np.zeros((len(theta), theta.shape[1] + 1))
        for index, x in ((self.sd, of_sd), (self.covariance, 2.0 * slope[..., a, b])):
            wide = np.broadcast_to(index, x.shape[1:])
            for row, each in zip(gradient, x, strict=True):
                np.add.at(row, wide, each)
        total = value.reshape(len(theta), -1).sum(axis=1)
        return weight * total, weight[:, None] * gradient[:, :-1]

    def words(self, at: tuple[int, ...]) -> str:
        """Name the SD at a position (classes..., item)."""
        *classes, item = at
        inside = ", ".join(f"{c} {k + 1}" for c, k in zip(self.classes, classes, strict=True))
        where = f" in {'' if GROUP in self.classes else 'class '}{inside.removeprefix('C ')}" if inside else ""
        return f"the residual SD of {self.items[item]} given the other items{where}"


def conditional_sds(matrices: Array) -> Array:
    """SDs of each variable given the others, (..., variable); zero where a matrix is not positive definite."""
    spectrum = np.linalg.eigvalsh(np.where(np.isfinite(matrices), matrices, 0.0))
    sound = (spectrum[..., 0] > 1e-13 * np.abs(spectrum[..., -1])) & np.isfinite(matrices).all(axis=(-2, -1))
    safe = np.where(sound[..., None, None], matrices, np.eye(matrices.shape[-1]))
    precision = np.diagonal(np.linalg.inv(safe), axis1=-2, axis2=-1)
    return np.where(sound[..., None], 1.0 / np.sqrt(np.maximum(precision, 1e-300)), 0.0)


def sample_covariance(y: Array, weights: Array) -> Array:
    """The covariance matrix of columns, of those who have both; variances alone where it is not positive definite."""
    seen = (~np.isnan(y)).astype(float)
    w = seen * weights[:, None]
    mean = (w * np.nan_to_num(y)).sum(axis=0) / np.maximum(w.sum(axis=0), 1e-300)
    away = np.where(seen > 0, y - mean, 0.0)
    out = (away * weights[:, None]).T @ away / np.maximum(w.T @ seen, 1e-300)
    variances = np.where(np.diag(out) > 0, np.diag(out), 1.0)
    np.fill_diagonal(out, variances)
    return out if (conditional_sds(out) > 1e-6 * np.sqrt(variances)).all() else np.diag(variances)


def residual_matrices(data: Target, floor_of: Callable[[Response, Array], Array]) -> Iterator[ResidualMatrices]:
    """The residual matrices of each jointly normal response; `floor_of` makes floors of SDs given the other items."""
    known = [GROUP, *(c.name for c in data.model.classes if c.size > 1)]
    for r in (r for r in data.model.responses if r.family.joint):
        sigma, covariance = r.auxiliary
        classes = tuple(d for d in known if d in sigma.dims or d in covariance.dims)
        total = sample_covariance(data.responses[r.name], data.counts)
        sd, beside = ((sigma, r.item_dim), (covariance, r.pair_dim))
        each = [_wide(of, *x, classes) for of in (data.packing.index, data.packing.fixed) for x in (sd, beside)]
        floor = floor_of(r, conditional_sds(total[None])[0])
        yield ResidualMatrices(
            tuple(r.labels or r.items), classes, *each, r.pair_places, total, floor, by_class=bool({*classes} - {GROUP})
        )


def _wide(of: Mapping[str, Any], t: Term, last: str, classes: tuple[str, ...]) -> Array:
    """An array of a parameter over (classes..., last), of length 1 where it does not vary."""
    x, dims = of[t.parameter.name], list(t.dims)
    for d in [d for d in dims if d not in (*classes, last)]:  # a class of one
        x, dims = np.take(x, 0, axis=dims.index(d)), [k for k in dims if k != d]
    order = [d for d in (*classes, last) if d in dims]
    x = x.transpose([dims.index(d) for d in order])
    return x.reshape([x.shape[order.index(d)] if d in order else 1 for d in (*classes, last)])
