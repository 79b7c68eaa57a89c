"""The test of Vuong, Lo, Mendell and Rubin: one class more, by the distribution that a likelihood ratio would have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy import integrate

from bayesmix.checks import one_of
from bayesmix.data import Dataset
from bayesmix.enumeration.pairs import checked_pair
from bayesmix.graph import adapt_nodes
from bayesmix.layout import Section, number, pairs, to_text
from bayesmix.ml import Target, covariances, curvature
from bayesmix.results import Fit
from bayesmix.typing import Array

Information = Literal["robust", "hessian"]
BY = {"robust": "robust covariance matrices, as Mplus takes", "hessian": "inverse Hessians, as Vuong (1989) has them"}

SAME = 1e-4
"""A ratio of two solutions that are the same: the larger model's classes coincide, and no weight is left."""
NO_WEIGHT = 1e-6
"""A weight that is rounding: a chi-square of a score that is the same in both models."""
DIGITS = 5
"""Decimals of a p value that the numerical inversion is right to."""


@dataclass(frozen=True, repr=False)
class VuongTest:
    """A likelihood ratio beside the weighted sum of chi-squares that it is compared with.

    Attributes
    ----------
    statistic : float
        Twice the difference of the log-likelihoods.
    adjusted : float
        The same divided by 1 + 1 / ((p1 - p0) log n): equation (15) of Lo, Mendell and Rubin (2001).
    p, adjusted_p : float
        The share of the distribution above them.
    weights : array
        Of the chi-squares with one degree of freedom each.
    parameters : int
        p1 - p0, how many parameters more the larger model has.
    information : {"robust", "hessian"}
        Which matrices the weights are made of.

    Examples
    --------
    >>> one = bm.fit(bm.models.lca(["a", "b", "c", "d"], 1), df, progress=False)
    >>> found = bm.vuong_test(one, fit, df)
    >>> found.parameters, bool(found.adjusted < found.statistic)
    (5, True)
    """

    statistic: float
    adjusted: float
    p: float
    adjusted_p: float
    weights: Array
    parameters: int
    information: Information

    @property
    def mean(self) -> float:
        """The mean of the weighted sum."""
        return float(self.weights.sum())

    @property
    def sd(self) -> float:
        """Its standard deviation."""
        return float(np.sqrt(2 * (self.weights**2).sum()))

    def sections(self) -> list[Section]:
        """What is printed."""
        rows = [
            ("twice the difference of log L", number(self.statistic)),
            ("parameters more", str(self.parameters)),
            ("mean, SD of the distribution", f"{number(self.mean)}, {number(self.sd)}"),
            ("p", number(self.p, 4)),
            ("adjusted (Lo, Mendell, Rubin)", number(self.adjusted)),
            ("p", number(self.adjusted_p, 4)),
        ]
        note = (
            f"Weights of {BY[self.information]}. Under the smaller model these p values are not uniform (Jeffries "
            "2003; Vermunt 2024): where the two disagree, trust the bootstrap, bm.lr_test."
        )
        return [Section("Vuong-Lo-Mendell-Rubin test", [pairs(rows), note])]

    def __repr__(self) -> str:
        return str(to_text(self.sections()))


def vuong_test(smaller: Fit, larger: Fit, df: pd.DataFrame, *, information: Information = "robust") -> VuongTest:
    """Test a model against one that it is a special case of, as a mixture with a class less is.

    Twice the difference of the log-likelihoods is compared with a weighted sum of chi-squares, whose weights are the
    eigenvalues of Vuong (1989), equation (3.6): of ``B V``, with B the cross-products of the scores of both models and
    V their covariance matrices, those of the smaller one negative.

    Parameters
    ----------
    smaller, larger : Fit
        Fits to the same rows; the larger one has a class more.
    df : pandas.DataFrame
        The rows.
    information : {"robust", "hessian"}
        V: the robust covariance matrices, as Mplus has them in its TECH11, or the inverse Hessians of Vuong's formula,
        as Latent GOLD has them. Vermunt (2024, Methodology 20, 72-83) shows how the two differ.

    Returns
    -------
    VuongTest

    Raises
    ------
    ValueError
        The fits are not a pair: other data, other items, priors, collapsed, or the larger one lies below.

    Notes
    -----
    The theory behind it does not hold for mixtures, where the smaller model lies at a boundary of the larger one
    (Jeffries 2003, Biometrika 90, 991-994). It is here because it is widely reported; :func:`bayesmix.lr_test` is the
    test to trust.

    Examples
    --------
    >>> one = bm.fit(bm.models.lca(["a", "b", "c", "d"], 1), df, progress=False)
    >>> bm.vuong_test(one, fit, df).p < 0.01
    True
    """
    one_of("information", information, ("robust", "hessian"))
    fewer, rows = checked_pair(smaller, larger, df)
    return of_rows(smaller, larger, rows, fewer, information)


def of_rows(smaller: Fit, larger: Fit, rows: Dataset, fewer: Dataset, information: Information = "robust") -> VuongTest:
    """The test for encoded rows: `rows` under the larger model, `fewer` under the smaller one."""
    made = [Target.of(d, f.nodes) for f, d in ((smaller, fewer), (larger, rows))]
    if not np.array_equal(made[0].pattern_of, made[1].pattern_of):  # units are to be the same
        made = [Target.of(d.rows, d.nodes, collapse=False) for d in made]
    (few, low), (many, high) = (_scores(f, d, information) for f, d in zip((smaller, larger), made, strict=True))
    weights = _weights(many, few, high, low)
    statistic, more = 2 * (larger.loglik - smaller.loglik), larger.n_parameters - smaller.n_parameters
    adjusted = statistic / (1 + 1 / (more * np.log(larger.n_individuals)))
    p, adjusted_p = (above(x, weights) for x in (statistic, adjusted))
    return VuongTest(statistic, adjusted, p, adjusted_p, weights, more, information)


def _scores(fit: Fit, data: Target, information: Information) -> tuple[Array, Array]:
    """Scores of each unit, by the root of how often it counts, and the covariance matrix of the parameters."""
    theta = data.pack({p.name: fit.params[p.name].values for p in fit.model.parameters})
    c = curvature(adapt_nodes(data, theta), theta)
    robust, inverse, _ = covariances(c)
    return c.scores * np.sqrt(c.weight)[:, None], robust if information == "robust" else inverse


def _weights(many: Array, few: Array, high: Array, low: Array) -> Array:
    """Eigenvalues of B V: of a symmetric matrix with the same ones, so that none is complex."""
    scores = np.concatenate([many, few], axis=1)
    size, axes = np.linalg.eigh(scores.T @ scores)
    half = axes * np.sqrt(np.maximum(size, 0.0))
    both = np.zeros((len(size), len(size)))
    n = len(high)
    both[:n, :n], both[n:, n:] = high, -low
    found = np.linalg.eigvalsh(half.T @ both @ half)
    return found[np.abs(found) > NO_WEIGHT][::-1]


def above(x: float, weights: Array) -> float:
    """The share of a weighted sum of chi-squares, of one degree of freedom each, above `x`: Imhof (1961), (3.2)."""
    if not len(weights):
        return float(x <= SAME)

    def inside(u: float) -> float:
        angle = 0.5 * np.arctan(weights * u).sum() - 0.5 * x * u
        return np.sin(angle) * np.exp(-0.25 * np.log1p((weights * u) ** 2).sum()) / u

    step, total, u = np.pi / max(abs(x), np.abs(weights).sum(), 1e-12), 0.0, 0.0
    for _ in range(2000):  # half a wave at a time: what is left is smaller than the last one
        part = integrate.quad(inside, u, u + 4 * step, limit=200)[0]
        total, u = total + part, u + 4 * step
        if np.exp(-0.25 * np.log1p((weights * u) ** 2).sum()) / u * step < 1e-9:
            break
    return float(np.clip(np.round(0.5 + total / np.pi, DIGITS), 0.0, 1.0)) + 0.0
