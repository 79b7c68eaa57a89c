"""Likelihood ratios of nested fits, scaled where their errors are robust."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from bayesmix.checks import one_of
from bayesmix.data import Dataset, check_same
from bayesmix.data.identity import identity
from bayesmix.graph import adapt_nodes
from bayesmix.inference.pairs import BELOW, check_fits, check_maxima
from bayesmix.ml import Target, covariances, curvature
from bayesmix.results import Fit, entries, of_ratios
from bayesmix.spec import canonical, refuse_survey

HELD = 1e-6
"""A difference of the two sides of an equation that is none, as a share of them."""
Scaling = Literal["satorra-bentler", "none"]


@dataclass(frozen=True)
class LikelihoodRatio:
    """A test of a restricted model against one that contains it.

    Attributes
    ----------
    statistic : float
        2 (L1 - L0) / c; chi-square where the restriction holds.
    df : int
        The difference in free parameters.
    p : float
    correction : float
        c: 1 without scaling.
    scaling : {"satorra-bentler", "satorra-bentler 2010", "none"}
        How c was made; that of 2010 is the strictly positive one.
    loglik : tuple of float
        L0 of the restricted, L1 of the larger model.
    notes : tuple of str
        What limits the test.
    denominator : float, optional
        Of pooled fits: `statistic` is D2, an F with `df` and so many degrees of freedom, of Li, Meng, Raghunathan and
        Rubin (1991); `correction` is the average over the imputations.

    Examples
    --------
    >>> larger = bm.fit(bm.models.lca(list("abcd"), 2, "x"), df, progress=False, **quick)
    >>> bm.likelihood_ratio(fit, larger).df
    1
    """

    statistic: float
    df: int
    p: float
    correction: float
    scaling: str
    loglik: tuple[float, float]
    notes: tuple[str, ...] = ()
    denominator: float | None = None

    @property
    def table(self) -> pd.DataFrame:
        """The test in one row."""
        row = {"loglik_restricted": self.loglik[0], "loglik": self.loglik[1], "correction": self.correction}
        row |= {"chi2" if self.denominator is None else "D2": self.statistic, "df": self.df, "p": self.p}
        return pd.DataFrame([row], index=pd.Index(["likelihood ratio"])).astype({"df": int})

    def __repr__(self) -> str:
        p = "< 0.0001" if self.p < 0.00005 else f"= {self.p:.4f}"
        scaled = "not scaled" if self.scaling == "none" else f"scaled by {self.correction:.4f} ({self.scaling})"
        name, df = "Likelihood ratio chi-square", str(self.df)
        if self.denominator is not None:
            name, df = "Pooled likelihood ratio D2: F", f"{self.df} and {self.denominator:.1f}"
        said = (
            f"{name} = {self.statistic:.3f}, df = {df}, p {p}, {scaled}\n"
            f"log-likelihood {self.loglik[0]:.3f} of the restricted model, {self.loglik[1]:.3f} of the larger one"
        )
        return "\n".join([said, *self.notes])


def likelihood_ratio(
    restricted: Fit, larger: Fit, *, scaling: Scaling | None = None, df: pd.DataFrame | None = None
) -> LikelihoodRatio:
    """Test a restricted model against one that contains it, both fitted to the same answers.

    With L0, p0 of the restricted and L1, p1 of the larger model,

        T = 2 (L1 - L0) / c,        c = (p0 c0 - p1 c1) / (p0 - p1),

    chi-square with p1 - p0 degrees of freedom; p c is the trace of the robust covariance matrix times the information,
    and c0, c1 are the scaling factors of both fits (`fit.quality["scaling"]`; Satorra and Bentler, Psychometrika 66,
    2001; Mplus, "Chi-square difference testing using the loglikelihood"). Where c comes out negative, which happens in
    small samples, c1 is taken at the estimates of the restricted model, with which it cannot be (Satorra and Bentler,
    Psychometrika 75, 2010): for this the data are needed.

    Parameters
    ----------
    restricted, larger : Fit
        That the one lies within the other is taken on trust, beyond what their parameters and log-likelihoods say.
        Covariates may differ: what is in the one and not in the other has slopes of zero there.
    scaling : {"satorra-bentler", "none"}, optional
        Left out: scaled where the errors of both fits are robust, not scaled where both are of the Hessian.
    df : pandas.DataFrame, optional
        The data, for a negative c.

    Returns
    -------
    LikelihoodRatio

    Raises
    ------
    ValueError, TypeError
        Other answers; not nested (no more parameters, a lower log-likelihood, or a constraint that the restricted model
        does not have); penalised fits; another number of
        classes, for which the ratio is not chi-square; errors of two kinds; a negative correction without the data.

    Warns
    -----
    UserWarning
        The restriction lies at a boundary, such as a variance of zero: p is then too large.

    Examples
    --------
    >>> larger = bm.fit(bm.models.lca(list("abcd"), 2, "x"), df, progress=False, **quick)
    >>> bm.likelihood_ratio(fit, larger, scaling="none").correction
    1.0
    """
    check_fits(restricted, larger, "restricted")
    _check_nested(restricted, larger)
    wanted = _wanted(restricted, larger, scaling)
    p0, p1 = restricted.n_parameters, larger.n_parameters
    ratio, d = max(2 * (larger.loglik - restricted.loglik), 0.0), p1 - p0
    correction, how = 1.0, "none"
    if restricted.info.get("pooled"):
        return _pooled(restricted, larger, d, wanted)
    if wanted == "satorra-bentler":
        correction, how = (_trace(larger) - _trace(restricted)) / d, "satorra-bentler"
        if not correction > 0:
            correction, how = _strictly_positive(restricted, larger, df, correction), "satorra-bentler 2010"
    notes = tuple(_at_boundaries(restricted, larger))
    if notes:
        warnings.warn(" ".join(notes), stacklevel=2)
    statistic = ratio / correction
    p = float(stats.chi2.sf(statistic, d))
    return LikelihoodRatio(statistic, d, p, correction, how, (restricted.loglik, larger.loglik), notes)


def _pooled(restricted: Fit, larger: Fit, d: int, wanted: str) -> LikelihoodRatio:
    """D2 of two fits that were pooled over the same imputations."""
    a, b = (f.info["pooled"] for f in (restricted, larger))
    ratios = 2 * (np.array(b["logliks"]) - np.array(a["logliks"]))
    if (ratios < -2 * BELOW).any():
        raise ValueError(
            f"In imputation {int(np.argmin(ratios)) + 1} the larger model has a lower log-likelihood than the "
            "restricted one: its search ended at a local maximum; fit it with more starts."
        )
    traces = []
    for f, x in ((restricted, a), (larger, b)):
        count = np.maximum(f.n_parameters - np.array(x["boundaries"]), 1)
        traces.append(np.array(x["scalings"]) * count)
    corrections = (traces[1] - traces[0]) / d if wanted == "satorra-bentler" else np.ones(len(ratios))
    if (corrections <= 0).any():
        raise ValueError("The scaling correction of an imputation is negative, which is no scale: take bm.test (D1).")
    statistic, left, p = of_ratios(np.maximum(ratios, 0.0) / corrections, d)
    notes = tuple(_at_boundaries(restricted, larger))
    logliks = (restricted.loglik, larger.loglik)
    return LikelihoodRatio(statistic, d, p, float(np.mean(corrections)), wanted, logliks, notes, left)


def _trace(fit: Fit) -> float:
    """p c: the trace of the robust covariance matrix times the information, over what has an error."""
    return float(fit.quality["scaling"]) * max(fit.n_parameters - len(fit.quality["boundary"]), 1)


def _check_nested(restricted: Fit, larger: Fit) -> None:
    """Refuse fits that are not of the same answers, or of which one cannot lie within the other."""
    m = [(f.info.get("pooled") or {}).get("m") for f in (restricted, larger)]
    if m[0] != m[1]:
        raise ValueError(
            f"One fit is pooled over {m[0] or 'no'} imputations and the other one over {m[1] or 'no'}: fit both "
            "models to the same imputations, and pool both."
        )
    a, b = (f.info.get("identity", {}) for f in (restricted, larger))
    key = "answers" if "answers" in a and "answers" in b else "data"
    if a.get(key) != b.get(key) or restricted.n_individuals != larger.n_individuals:
        raise ValueError(
            "The two fits are not of the same answers: their log-likelihoods cannot be compared. Fit both models to "
            "the same rows and items" + ("." if key == "answers" else ", with this version of bayesmix.")
        )
    if a.get("survey") != b.get("survey"):
        raise ValueError(
            "The two fits have different designs of a survey, or one has none: give both models the same weights, "
            "strata and primary sampling units."
        )
    _check_classes(restricted, larger)
    _check_constraints(restricted, larger)
    check_maxima(restricted, larger, "restricted")


def _check_classes(restricted: Fit, larger: Fit) -> None:
    """Refuse different numbers of classes: a class more lies at a boundary of what is not identified."""
    a, b = ({c.name: c.size for c in f.model.classes if c.size > 1} for f in (restricted, larger))
    if a != b:
        words = [", ".join(f"{k} = {n}" for k, n in x.items()) or "no classes" for x in (a, b)]
        raise ValueError(
            f"The fits have other classes ({words[0]}; {words[1]}). The smaller model lies at the boundary of the "
            "larger one, where the likelihood ratio has no chi-square distribution: take the bootstrap test, "
            "bm.lr_test."
        )


def _check_constraints(restricted: Fit, larger: Fit) -> None:
    """Refuse a larger model whose constraints do not hold in the restricted one, at its estimates."""
    known: dict[str, float] = {}
    for name, x in restricted.params.data_vars.items():
        known |= {canonical(k): float(v) for k, v in zip(entries(str(name), x), x.values.ravel(), strict=True)}
    for e in larger.model.constraints.equations:
        if not {*e.labels} <= {*known}:
            continue
        parts = [weight * known[label] for label, weight in e.terms]
        if abs(sum(parts) - e.value) > HELD * (1 + max(map(abs, parts))):
            raise ValueError(
                f"The larger model holds '{e.text}', which the restricted one does not: they are not nested. Declare "
                "it in both; where the classes of the two are in another order, by the numbers they have in each."
            )


def _wanted(restricted: Fit, larger: Fit, scaling: Scaling | None) -> str:
    if scaling is not None:
        one_of("scaling", scaling, ("satorra-bentler", "none"))
        if scaling == "none":
            why = "twice the difference of pseudo log-likelihoods has no chi-square distribution; leave scaling= out."
            refuse_survey(larger.model.survey, "scaling='none'", why)
        return scaling
    kinds = {f.info.get("standard_errors", "robust") for f in (restricted, larger)}
    if len(kinds) > 1:
        raise ValueError(
            "One fit has robust errors and the other one those of the Hessian: say scaling='satorra-bentler' or "
            "scaling='none'."
        )
    return "satorra-bentler" if kinds == {"robust"} else "none"


def _at_boundaries(restricted: Fit, larger: Fit) -> list[str]:
    """What of the restriction, or of the estimates, lies at a boundary."""
    out, effects = [], [{e.name for e in f.model.effects} for f in (restricted, larger)]
    if more := sorted(effects[1] - effects[0]):
        out.append(
            f"The restricted model lacks {', '.join(more)}: a variance of zero lies at its boundary, where the ratio "
            "is no chi-square, and p is too large. Of one variance alone half of p is right (Self and Liang, 1987)."
        )
    for name, f in (("restricted", restricted), ("larger", larger)):
        if at := f.quality.get("boundary"):
            out.append(
                f"In the {name} fit {', '.join(at[:3])}{', ...' if len(at) > 3 else ''} lies at a boundary or in a "
                "flat direction: degrees of freedom and p are approximate."
            )
    return out


def _strictly_positive(restricted: Fit, larger: Fit, df: pd.DataFrame | None, came: float) -> float:
    """The correction with the trace of the larger model taken at the estimates of the restricted one."""
    negative = f"The scaling correction came out as {came:.4f}, which is no scale"
    if df is None:
        raise ValueError(
            f"{negative}: give the data, df=, for the strictly positive one of Satorra and Bentler (2010), or "
            "scaling='none'."
        )
    data = Target.of(Dataset.encode(larger.model, df), larger.nodes or None)
    check_same(larger.info, {"identity": identity(data)}, ("The larger fit", "the data"))
    values = {}
    for p in larger.model.parameters:
        shape = larger.params[p.name].shape
        if p.name not in restricted.params or restricted.params[p.name].shape != shape:
            raise ValueError(
                f"{negative}, and the strictly positive one needs the restricted model as the larger one with entries "
                f"fixed or held equal, but '{p.name}' is not in both: declare it with fix= or equal=, or take "
                "scaling='none'."
            )
        values[p.name] = restricted.params[p.name].values
    data = replace(data, smallest_sd=larger.info["smallest_sd"])
    theta = data.pack(values)
    c = curvature(adapt_nodes(data, theta), theta)
    robust, _, boundary = covariances(c)
    trace = float(np.trace(robust @ c.information))
    out = (trace * larger.n_parameters / max(int((~boundary).sum()), 1) - _trace(restricted)) / (
        larger.n_parameters - restricted.n_parameters
    )
    if not out > 0:
        raise ValueError(f"{negative}, and the one of 2010 as {out:.4f}: take scaling='none', and read it with care.")
    return out
