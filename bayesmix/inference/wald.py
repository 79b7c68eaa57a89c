"""Wald tests of one or several hypotheses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import special, stats

from bayesmix.inference.contrasts import Function, differentiated
from bayesmix.results import Fit, Uncertainty, degrees_of_freedom, entries, of_several
from bayesmix.spec import Equation, Said, read_equations
from bayesmix.typing import Array

HYPOTHESIS = Said(
    "hypothesis", "the fit", "No hypothesis came: give an equation, such as 'class_logit[1] = 0'.",
    "there is nothing to test",
    "give a function instead, bm.test(fit, lambda x: ...), whose results are zero under it",
)  # fmt: skip
REDUNDANT = 1e-9
"""A share of its variance that is left, those before it given, at which a hypothesis follows from them."""
SINGULAR = 1e-10
"""The smallest eigenvalue of a correlation matrix that counts for its rank."""


@dataclass(frozen=True, repr=False)
class WaldTest:
    """A Wald test that all hypotheses hold together.

    Attributes
    ----------
    statistic : float
        W = d' C^-1 d of the differences d and their covariance matrix C; chi-square where the hypotheses hold.
    df : int
        The number of hypotheses.
    p : float
    table : pandas.DataFrame
        A row a hypothesis: `difference` of its sides, `se`, `ratio`, two-sided `p`.
    errors : {"robust", "hessian"}
        Of which C is made.
    denominator : float, optional
        Of a fit with strata, primary sampling units or replicate weights: `p` is that of the adjusted
        F = (d - k + 1) W / (d k) with k = `df` and d - k + 1 = `denominator` degrees of freedom, d those of the design;
        those of the table are of t with d. Of a pooled fit `statistic` is D1, and this its denominator.

    Examples
    --------
    >>> bm.test(fit, "class_logit[1] = 0").df
    1
    """

    statistic: float
    df: int
    p: float
    table: pd.DataFrame
    errors: str
    denominator: float | None = None

    def __repr__(self) -> str:
        with pd.option_context("display.width", 160, "display.max_rows", None, "display.max_colwidth", None):
            return f"{self._words()}\n{self.table.round(4).to_string()}"

    def _repr_html_(self) -> str:
        return f"<p>{self._words()}</p>{self.table.round(4).to_html()}"

    def _words(self) -> str:
        p = "< 0.0001" if self.p < 0.00005 else f"= {self.p:.4f}"
        if self.errors.startswith("pooled"):
            return f"D1 = {self.statistic:.3f}, F with df = {self.df} and {self.denominator:.1f}, p {p} ({self.errors})"
        if self.denominator is not None:
            k, d = self.df, self.denominator
            adjusted = self.statistic * d / (k * (d + k - 1))
            return (
                f"Adjusted Wald F = {adjusted:.3f}, df = {k} and {d}, p {p} (errors of the design of the survey; "
                f"W = {self.statistic:.3f})"
            )
        return f"Wald chi-square = {self.statistic:.3f}, df = {self.df}, p {p} ({self.errors} errors)"


def test(fit: Fit, hypotheses: str | Sequence[str] | Function) -> WaldTest:
    """Test hypotheses on a fit together, by the Wald chi-square.

    W = d' C^-1 d with the differences d of the sides of the equations at the estimates and C = G' V G, V the covariance
    matrix of the free parameters by the errors of the fit (robust, if nothing else was asked for) and G the derivatives
    of d by these; chi-square with as many degrees of freedom as there are hypotheses (Wald, 1943; Agresti, Categorical
    Data Analysis, 2013, 1.3.3; Mplus MODEL TEST). With strata, primary sampling units or replicate weights of a survey
    it is the adjusted F of Korn and Graubard (1990): C is then an estimate with
    :attr:`Fit.design_df <bayesmix.Fit.design_df>` degrees of freedom.

    Parameters
    ----------
    fit : Fit
    hypotheses : str, sequence of str or callable
        Equations of entries as :meth:`Fit.summary <bayesmix.Fit.summary>` labels them, of sums of them and of numbers:
        ``"class_slope[1, x] = class_slope[2, x], item_logit[1, A, 2] = 0"``; ``a = b = c`` are two. Entries of
        probabilities and derived quantities, ``"C_probability[1] = 0.5"``, are taken by the delta method. For other
        hypotheses a function as of :func:`bayesmix.contrast`, all of whose results are zero under them.

    Returns
    -------
    WaldTest

    Raises
    ------
    ValueError
        Text that cannot be read, an unknown entry; an entry that is fixed or at a boundary; hypotheses that contradict
        each other or follow from others; a fit without a covariance matrix.

    Examples
    --------
    >>> found = bm.test(fit, "item_logit[1, a, 1] = item_logit[1, b, 1] = item_logit[1, c, 1]")
    >>> found.df, bool(0 <= found.p <= 1)
    (2, True)
    """
    if not isinstance(fit, Fit):
        raise TypeError(
            f"The fit came as {type(fit).__name__}, expected what bm.fit returns: bm.test(fit, 'class_logit[1] = 0'). "
            "Of a posterior bm.contrast(post, ...) gives the probability of a direction."
        )
    known = Uncertainty.of(fit)
    if callable(hypotheses):
        value, slopes = differentiated(fit, known, hypotheses)
        names, difference = entries("contrast", value), value.values.ravel()
        if not len(names):
            raise ValueError("The function returned an array without entries: there is nothing to test.")
    else:
        equations = read_equations(hypotheses, known.labels, HYPOTHESIS)
        _refuse_fixed(fit, known, equations)
        names = [h.text for h in equations]
        difference, slopes = _linear(known, equations)
    _refuse_boundary(known, names, slopes)
    covariance = slopes.T @ known.covariance @ slopes
    if not np.isfinite(covariance).all() or not np.isfinite(difference).all():
        raise ValueError("The fit has no standard errors for this, or no finite estimate: there is nothing to test.")
    left = None if fit.design_df is None else fit.design_df - len(names) + 1
    if left is not None and left < 1 and not fit.info.get("pooled"):
        raise ValueError(
            f"{len(names)} hypotheses came for a design with {fit.design_df} degrees of freedom (primary sampling "
            f"units less strata): test at most {max(fit.design_df or 0, 0)} of them together."
        )
    _refuse_redundant(names, difference, covariance)
    statistic, df, p = wald_chi_square(difference, covariance)
    se = np.sqrt(np.diagonal(covariance))
    ratio = difference / se
    columns: dict[str, Any] = {
        "difference": difference,
        "se": se,
        "ratio": ratio,
        "p": 2 * (special.ndtr(-np.abs(ratio)) if fit.design_df is None else stats.t.sf(np.abs(ratio), fit.design_df)),
    }
    table = pd.DataFrame(columns, index=pd.Index(names, name="hypothesis", dtype=object))
    if pooled := fit.info.get("pooled"):
        within = slopes.T @ fit.uncertainty["within"].values @ slopes
        f, left, p = of_several(difference, within, covariance, pooled["m"])
        each, _ = degrees_of_freedom(np.diagonal(within), se**2, pooled["m"], float(pooled["complete"] or np.inf))
        table["p"] = 2 * stats.t.sf(np.abs(ratio), each)
        return WaldTest(f, len(names), p, table, f"pooled over {pooled['m']} imputations", left)
    errors = str(fit.info.get("standard_errors", "robust"))
    if left is not None and fit.design_df is not None:
        p = float(stats.f.sf(statistic * left / (df * fit.design_df), df, left))
    return WaldTest(statistic, df, p, table, errors, left)


def wald_chi_square(difference: Array, covariance: Array) -> tuple[float, int, float]:
    """The statistic W = d' V^-1 d of differences d, its degrees of freedom and p; NaN where V is not known.

    Degrees of freedom are the rank of V, which is that of the differences that are free to vary.

    Parameters
    ----------
    difference : array (hypothesis,)
        What is zero under the hypotheses.
    covariance : array (hypothesis, hypothesis)
        Its covariance matrix V.
    """
    if not len(difference) or not np.isfinite(covariance).all():
        return float("nan"), len(difference), float("nan")
    scale = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    keep = values > SINGULAR
    part = vectors[:, keep].T @ (difference / scale)
    statistic, df = float((part**2 / values[keep]).sum()), int(keep.sum())
    return statistic, df, float(special.chdtrc(df, statistic)) if df else float("nan")


def holm(p: Array) -> Array:
    """Holm's step-down adjustment of p values; NaN stay so and count for nothing.

    With p_(1) <= ... <= p_(m), the adjusted p_(k) is max_{j <= k} min(1, (m - j + 1) p_(j)), Holm (1979).

    Parameters
    ----------
    p : array (test,)
    """
    out = np.full(len(p), np.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    out[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1.0)
    return out


def _linear(known: Uncertainty, equations: Sequence[Equation]) -> tuple[Array, Array]:
    """Evaluate the differences of the sides, and their derivatives by theta."""
    difference, slopes = np.zeros(len(equations)), np.zeros((len(known.names), len(equations)))
    for k, h in enumerate(equations):
        at, weight = known.positions(h.labels), np.array(h.weights)
        difference[k] = known.values[at] @ weight - h.value
        slopes[:, k] = known.slopes[:, at] @ weight
    return difference, slopes


def _refuse_fixed(fit: Fit, known: Uncertainty, equations: Sequence[Equation]) -> None:
    """Refuse entries that are not estimated."""
    fixed: dict[str, float] = {}
    for name, free in fit.free.data_vars.items():
        x = fit.params[name].transpose(*free.dims)
        each = zip(entries(str(name), x), x.values.ravel(), free.values.ravel(), strict=True)
        fixed |= {label: float(v) for label, v, estimated in each if not estimated}
    for h in equations:
        for label in h.labels:
            if label in fixed:
                raise ValueError(
                    f"The hypothesis '{h.text}' names {label}, which is fixed at {fixed[label]:g}, as a reference or "
                    "by the model, and has no error: write its value in its place."
                )
    for h in equations:
        at, weight = known.positions(h.labels), np.array(h.weights)
        if np.abs(known.slopes[:, at] @ weight).max(initial=0.0) < 1e-12 * np.abs(known.slopes[:, at]).max(
            initial=1e-300
        ):
            raise ValueError(
                f"The hypothesis '{h.text}' is of what the model holds equal or fixed: no free parameter moves the "
                "difference of its sides, and there is nothing to test. Test it in a model without this constraint."
            )


def _refuse_boundary(known: Uncertainty, names: Sequence[str], slopes: Array) -> None:
    """Refuse what depends on a parameter that has no error."""
    for name, column in zip(names, slopes.T, strict=True):
        if stuck := known.at_boundary(column[:, None]):
            raise ValueError(
                f"The hypothesis '{name}' depends on {stuck[0]}, which is at its boundary or in a flat direction: it "
                "has no standard error, and a Wald test no chi-square distribution. Of a variance or SD of zero "
                "compare fits with and without it (bm.likelihood_ratio, which says what its p value means there)."
            )


def _refuse_redundant(names: Sequence[str], difference: Array, covariance: Array) -> None:
    """Refuse hypotheses that follow from those before them, or contradict them."""
    scale = np.sqrt(np.diagonal(covariance))
    if (scale == 0).any():
        raise ValueError(
            f"The hypothesis '{names[int(np.argmin(scale))]}' is not about anything that is estimated: no free "
            "parameter moves the difference of its sides."
        )
    correlation, z = covariance / np.outer(scale, scale), difference / scale
    for k in range(1, len(names)):
        before = correlation[:k, :k]
        weights = np.linalg.lstsq(before, correlation[:k, k], rcond=None)[0]
        if 1.0 - correlation[:k, k] @ weights < REDUNDANT:
            apart = abs(z[k] - weights @ z[:k]) > 1e-6 * (1 + np.abs(z).max())
            said = "contradicts" if apart else "follows from"
            hint = "they cannot hold together: leave one of them out" if apart else "leave it out"
            raise ValueError(f"The hypothesis '{names[k]}' {said} those before it: {hint}.")
