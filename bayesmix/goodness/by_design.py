"""Residuals of a weighted sample: how far they may be off under its design, and chi-squares that are corrected for it.

With the weights w_i scaled to sum to n, a residual is a sum R = sum_i w_i (o_i - e_i(theta)) of what was observed of an
individual less what is expected, at the pseudo maximum-likelihood estimates theta. These are off by about
H^-1 sum_i w_i s_i, so that R is to first order the total of

    u_i = (o_i - e_i) - (dE / dtheta) H^-1 s_i,        E = sum_i w_i e_i,

whose variance under the design is that of any weighted total (:func:`bayesmix.survey`), parameters that were estimated
from the same data being taken into account. A Pearson chi-square X^2 of residuals R with the covariance matrix V and
the expected numbers E has the eigenvalues l_k of diag(1 / E) V, and is held against (Rao and Scott, 1984)

    X^2 / a,    a = sum l_k^2 / sum l_k,    df = (sum l_k)^2 / sum l_k^2,

as a chi-square; where the design has degrees of freedom nu, X^2 / (a df) as F with df and df nu (Thomas and Rao, 1987).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
from scipy import special

from bayesmix.goodness.judged import Judged, share_scale
from bayesmix.graph import Problem, adapt_nodes
from bayesmix.ml import Target, curvature
from bayesmix.ml.newton import Curvature, inverse_information
from bayesmix.typing import Array

STEP = 1e-4
"""Of the differences that say how expected numbers move with the parameters."""
REPRODUCED = 1e-4
"""A standard error that is so small a share of that of a multinomial is rounding: the fit reproduces the number."""


@dataclass(frozen=True)
class Corrected:
    """A chi-square beside its distribution under a design.

    Attributes
    ----------
    value, df : float
        X^2 / a and its degrees of freedom; NaN where all residuals are reproduced.
    p : float
    """

    value: float
    df: float
    p: float


@dataclass(frozen=True)
class ByDesign:
    """The sampling variance of residuals of a fit under the design of its survey."""

    judged: Judged

    @classmethod
    def of(cls, judged: Judged) -> ByDesign:
        """Take a model with its data.

        Raises
        ------
        ValueError
            Replicate weights beside clusters in which nothing is latent.
        """
        sampling, data = judged.data.rows.sampling, judged.data
        assert sampling is not None
        if len(sampling.replicates) and data.clusters is not None and sampling.cluster_weight is None:
            raise ValueError(
                f"The model has cluster='{data.model.cluster}', in which nothing is latent, beside replicate weights, "
                "which hold the clusters already: leave cluster= out of the model."
            )
        return cls(judged)

    @property
    def df(self) -> int | None:
        """Degrees of freedom of the design; None where weights alone were declared."""
        return self.judged.data.rows.sampling.said["df"]  # pyright: ignore[reportOptionalMemberAccess]

    @cached_property
    def _curvature(self) -> Curvature:
        data = self.judged.data
        target = Target(**{f.name: getattr(data, f.name) for f in fields(Problem)})
        return curvature(adapt_nodes(target, self.judged.theta), self.judged.theta)

    @cached_property
    def _influence(self) -> Array:
        """H^-1 s of each unit of the likelihood, (row in the analysis or cluster, theta)."""
        by_unit, data = self._curvature.scores @ inverse_information(self._curvature)[0], self.judged.data
        return by_unit if data.clusters is not None else by_unit[data.pattern_of[data.rows.seen]]

    def slopes(self, expected: Callable[[Judged], Array]) -> Array:
        """How expected numbers move with the parameters, (theta, ...).

        Parameters
        ----------
        expected : callable
            From the model at a point to them.
        """
        theta, out = self.judged.theta, []
        for k, step in enumerate(STEP * np.maximum(1.0, np.abs(theta))):
            ends = [
                expected(replace(self.judged, theta=theta + e * (np.arange(len(theta)) == k))) for e in (step, -step)
            ]
            out.append((ends[0] - ends[1]) / (2 * step))
        return np.array(out)

    def covariance(self, each: Array, slopes: Array) -> Array:
        """The covariance matrix of residuals.

        Parameters
        ----------
        each : array (pattern, residual)
            Of an individual of each pattern, observed less expected.
        slopes : array (theta, residual)
            Of the expected part.
        """
        data, rows = self.judged.data, self.judged.data.rows
        sampling, units = rows.sampling, rows.sampled_units
        assert sampling is not None
        assert units is not None
        seen = np.flatnonzero(rows.seen)
        own = share_scale(rows) * each[data.pattern_of[seen]]
        if data.clusters is not None:
            total = np.zeros((len(data.clusters), each.shape[1]))
            np.add.at(total, np.asarray(rows.cluster_of_row)[seen], own * rows.shares[seen, None])
            own = total / rows.cluster_weights[:, None]
        own = own - self._influence @ slopes
        if not len(sampling.replicates):
            return units.variance(own * self._outer(rows)[:, None])
        at = self._outer(rows)
        every = np.stack([self._outer(rows.replicate(k)) for k in range(len(sampling.replicates))])
        apart = ((every - at) * units.times) @ own
        factors = sampling.said["scale"] * np.array(sampling.said["rscales"] or [1.0] * len(every))
        return (apart * factors[:, None]).T @ apart

    def _outer(self, rows) -> Array:
        """The weight of each unit of the likelihood."""
        return rows.cluster_weights if self.judged.data.clusters is not None else rows.sampling.weight[rows.seen]

    def corrected(self, x: float, expected: Array, v: Array) -> Corrected:
        """Correct a Pearson (or likelihood ratio) chi-square for the design.

        Parameters
        ----------
        x : float
        expected : array (cell,)
            Numbers of individuals.
        v : array (cell, cell)
            The covariance matrix of the residuals.
        """
        used = expected > 0
        m = v[np.ix_(used, used)] / expected[used, None]
        first, second = float(np.trace(m)), float((m * m.T).sum())
        if not first > REPRODUCED**2 * used.sum() or not np.isfinite(x):
            return Corrected(np.nan, np.nan, np.nan)
        value, df = x * first / second, first**2 / second
        if self.df is None:
            return Corrected(value, df, float(special.chdtrc(df, value)))
        return Corrected(value, df, float(special.fdtrc(df, df * self.df, value / df)))


def in_errors(residual: Array, variance: Array, rough: Array) -> Array:
    """Residuals in their standard errors; 0 where the fit reproduces what was observed.

    Parameters
    ----------
    residual, variance : array
    rough : array
        The variance of a simple random sample, to tell what is reproduced.
    """
    tiny = ~(variance > REPRODUCED**2 * rough)
    reproduced = tiny & (residual**2 < REPRODUCED**2 * np.maximum(rough, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        z = residual / np.sqrt(variance)
    return np.where(reproduced, 0.0, np.where(tiny, np.nan, z))
