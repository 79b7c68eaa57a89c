"""What class status is it? Within, between, or both: section 5 and Table 4 of the 2006 paper."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from scipy import optimize, stats

from bayesmix.data import Dataset
from bayesmix.graph import adapt_nodes
from bayesmix.ml.estimation import estimate
from bayesmix.ml.objective import Target
from bayesmix.ml.random_logits import random_logits
from bayesmix.ml.search import LONG, Start, Task, run_start
from bayesmix.ml.settings import Settings
from bayesmix.ml.starts import ranges
from bayesmix.parallel import quietly
from bayesmix.results import Estimates, Fit, model_and_fit, refuse_fit_beside
from bayesmix.spec import LatentClass, Model, Nodes, Predictor, refuse_survey
from bayesmix.spec.parameters import Fixed, Parameter
from bayesmix.typing import Array

BETWEEN = 0.8
"""An ICC from which the paper would pursue a class of clusters alone (below (20))."""
LEVEL = 0.05
OF_THE_FIT = ("start", "like")
"""Settings with parameters of the model itself, which the simpler ones have not."""
LOGISTIC_VARIANCE = math.pi**2 / 3
WIDEST = 60.0
"""The SD at which the search for an upper end stops: an ICC of 0.999."""


@dataclass(frozen=True)
class ClassStatus:
    """The status of a class variable, and what it was judged by.

    Attributes
    ----------
    verdict : {"within", "within-between", "between"}
        Table 4.
    icc : float
        (20): the share of the random effects in the variance of the first class logit.
    icc_delta, icc_profile : tuple of float
        95% intervals: delta method on the logit of the ICC, which is the log of the variance plus a
        constant; and profile likelihood (NaN where there are several variances).
    table : pandas.DataFrame
        The three models: log-likelihood, parameters, BIC.
    ratio, p : float
        Likelihood ratio against no random effects, and its p value (see `words`).
    words : str
        The verdict and its reasons in plain words.
    within, both, between : Fit
        The three fits.

    Examples
    --------
    >>> status = bm.class_status(bm.models.lca(list("abcd"), 2, cluster="g"), df, starts=2, rounds=1, progress=False)
    >>> status.verdict in ("within", "within-between", "between")
    True
    """

    verdict: str
    icc: float
    icc_delta: tuple[float, float]
    icc_profile: tuple[float, float]
    table: pd.DataFrame
    ratio: float
    p: float
    words: str
    within: Fit
    both: Fit
    between: Fit

    def __repr__(self) -> str:
        return f"{self.table.round(3).to_string()}\n\n{self.words}"


def class_status(
    model: Model | Fit,
    df: pd.DataFrame,
    *,
    nodes: Nodes | None = None,
    **settings: Any,
) -> ClassStatus:
    """Judge whether the classes of individuals are a matter of individuals, of clusters, or of both.

    Parameters
    ----------
    model : Model or Fit
        Two-level, with random class logits of clusters (4)-(5): ``bm.models.lca(..., cluster=...)``; or its
        solution, which is made otherwise.
    df : pandas.DataFrame
        The data.
    nodes
        As for the fit.
    **settings
        Of :func:`bayesmix.fit`, for the three fits; `start` and `like` for that of the model itself.

    Returns
    -------
    ClassStatus

    Raises
    ------
    ValueError
        The model has no classes of individuals with random logits of clusters.

    Notes
    -----
    The ICC (20) is bounded, and its estimate is skewed near 0 and 1. Its logit is log Var(alpha) -
    log(pi^2 / 3), so that the delta method is taken there; near a bound the profile likelihood, which
    needs no scale, is the one to read.

    Examples
    --------
    >>> status = bm.class_status(bm.models.lca(list("abcd"), 2, cluster="g"), df, starts=2, rounds=1, progress=False)
    >>> list(status.table.index)
    ['within', 'within-between', 'between']
    """
    refuse_fit_beside(settings, "bm.class_status(fit, df)")
    model, fit = model_and_fit(model)
    c, loading = random_logits(model)
    refuse_survey(
        model.survey,
        "class_status",
        "its test is a likelihood ratio, and twice the difference of pseudo log-likelihoods has no chi-square "
        "distribution; fit the models and compare what they say.",
    )
    rows = Dataset.encode(model, df)
    fit = fit or estimate(rows, Settings.of(nodes=nodes, **settings))
    simpler, higher = _within(model), _between(model, c)
    settings = {k: v for k, v in settings.items() if k not in OF_THE_FIT}
    with quietly():
        within = estimate(rows.under(simpler), Settings.of(start=_shared(fit, simpler), **settings))
        between = estimate(rows.under(higher), Settings.of(**settings))
    estimates = Estimates.of(fit)
    (quantity,) = estimates.of_kind("icc", of=c.name, part="cluster")
    e = estimates[quantity.name]
    icc, *ends = (float(x.values.ravel()[0]) for x in (e.value, e.lower, e.upper))
    ratio = max(0.0, 2 * (fit.loglik - within.loglik))
    q = fit.n_parameters - within.n_parameters
    p = float(0.5 * stats.chi2.sf(ratio, 1) if q == 1 else stats.chi2.sf(ratio, q))
    profile = _profile(rows, fit, loading) if q == 1 else (math.nan, math.nan)
    verdict, words = _judge(icc, profile, fit, within, between, ratio, p, q)
    rows = {"within": within, "within-between": fit, "between": between}
    table = pd.DataFrame(
        {k: {"loglik": f.loglik, "parameters": f.n_parameters, "BIC": f.bic} for k, f in rows.items()}
    ).T.astype({"parameters": int})
    return ClassStatus(verdict, icc, (ends[0], ends[1]), profile, table, ratio, p, words, within, fit, between)


def _rid(predictor: Predictor, gone: Callable) -> Predictor:
    return tuple(t for t in predictor if not gone(t))


def _within(model: Model) -> Model:
    """The model without effects of clusters: Var(alpha) = 0."""
    names = {e.name for e in model.effects_at("cluster")}
    classes = tuple(replace(c, predictor=_rid(c.predictor, lambda t: set(t.effects) & names)) for c in model.classes)
    kept = tuple(e for e in model.effects if e.name not in names)
    parameters = {t.parameter.name for part in (*classes, *kept, *model.responses) for t in part.terms}
    return replace(model, classes=classes, effects=kept, constraints=model.constraints.among(parameters))


def _between(model: Model, c: LatentClass) -> Model:
    """The model with C_ij = C_j, (16)-(17): a huge Var(alpha). Covariates of individuals cannot predict it."""
    plain = _within(model)
    below = [t for k in plain.classes if k.name == c.name for t in k.predictor]
    kept = tuple(t for t in below if not (t.covariates and t.covariates.level == "individual"))
    moved = replace(c, level="cluster", predictor=kept)
    classes = tuple(moved if k.name == c.name else k for k in plain.classes)
    parameters = {t.parameter.name for part in (*classes, *plain.effects, *plain.responses) for t in part.terms}
    return replace(plain, classes=classes, constraints=plain.constraints.among(parameters))


def _shared(fit: Fit, model: Model) -> dict[str, Array]:
    return {p.name: fit.params[p.name].values for p in model.parameters}


def _profile(rows: Dataset, fit: Fit, loading: Parameter) -> tuple[float, float]:
    """Where the profile of the log-likelihood has fallen by 1.92, on the scale of the ICC."""
    here = {d: 0 for d in loading.dims}
    theta: list[Array] = []

    def first_at(value: float) -> Array:
        x = fit.params[loading.name].values.copy()
        x[(0,) * x.ndim] = value
        return x

    def drop(log_sd: float) -> float:
        fixed = replace(loading, fixed=(*loading.fixed, Fixed(math.exp(log_sd), tuple(here.items()))))
        held = Target.of(rows.under(_with_parameter(rows.model, loading.name, fixed)), fit.nodes)
        held = replace(held, smallest_sd=fit.info["smallest_sd"])
        start = theta[-1] if theta else held.pack(_shared(fit, rows.model) | {loading.name: first_at(math.exp(log_sd))})
        out = run_start(Task(adapt_nodes(held, start), ranges(held), Start(0, start), LONG, None))
        theta.append(out.theta)
        return 2 * (fit.loglik - out.loglik) - float(stats.chi2.ppf(1 - LEVEL, 1))

    top = math.log(max(float(fit.params[loading.name].values.ravel()[0]), 1e-3))
    ends = []
    for far in (math.log(0.01), math.log(WIDEST)):
        outside = abs(far - top) > 0.1 and drop(far) > 0
        ends.append(optimize.brentq(drop, *sorted((top, far)), xtol=0.005) if outside else far)
        theta.clear()
    low, high = (1 / (1 + LOGISTIC_VARIANCE / math.exp(2 * x)) for x in ends)
    return (0.0 if ends[0] == math.log(0.01) else low), (1.0 if ends[1] == math.log(WIDEST) else high)


def _with_parameter(model: Model, name: str, new: Parameter) -> Model:
    def swap(predictor: Predictor) -> Predictor:
        return tuple(replace(t, parameter=new) if t.parameter.name == name else t for t in predictor)

    return replace(model, classes=tuple(replace(c, predictor=swap(c.predictor)) for c in model.classes))


def _judge(icc: float, profile, fit: Fit, within: Fit, between: Fit, ratio: float, p: float, q: int) -> tuple[str, str]:
    """Table 4 in words."""
    test = (
        f"The likelihood ratio against no random effects is {ratio:.2f} with {q} parameter{'s' if q > 1 else ''} at "
        "the boundary of zero variance: it has no chi-square distribution. "
    )
    test += (
        f"Half of chi-square with 1 degree of freedom gives p {_beside('=', p)}."
        if q == 1
        else f"Chi-square with {q} degrees of freedom, which is too large a reference, gives p {_beside('<=', p)}."
    )
    known = not math.isnan(profile[0])
    said = f"ICC {icc:.3f}" + (f", 95% by profile likelihood {profile[0]:.3f} to {profile[1]:.3f}" if known else "")
    near = 2 * (fit.loglik - between.loglik)
    if p >= LEVEL:
        verdict, why = "within", "The classes are a matter of individuals: random effects of clusters are not needed."
    elif icc > BETWEEN and near < 2 * stats.chi2.ppf(1 - LEVEL, 1):
        verdict = "between"
        why = (
            f"Nearly all of the classes' variance lies between clusters, and a class of clusters alone loses only "
            f"{near / 2:.2f} in log-likelihood: fit it as a class of clusters (cluster_classes=)."
        )
    else:
        verdict = "within-between"
        why = "The classes vary within clusters, and their shares between them: keep the random effects."
        if icc > BETWEEN:
            why += f" The ICC is above {BETWEEN}, but a class of clusters alone loses {near / 2:.2f} in log-likelihood."
    if icc > BETWEEN:
        test += " Near an ICC of 1, too, the ratio against a class of clusters has no chi-square distribution."
    return verdict, f"Class status: {verdict}. {said}. {why} {test}"


def _beside(sign: str, p: float) -> str:
    """Write a p value behind its sign; none is 0."""
    return "< 0.0001" if p < 0.00005 else f"{sign} {p:.4f}"
