r"""Regression mixtures, R(1)-R(32), and regressions with classes of clusters, (16)-(19).

For individual i in cluster j, given the classes C_ij = c of the individual and D_j = d of the cluster,

    y_ij = beta_0 + sum_k beta_k x_kij + r_ij,        r_ij ~ N(0, theta),                           R(18), R(26)
    beta_kj = gamma_k,cd + gamma_k1 w_j + u_kj,                                      R(20)-R(22), R(28)-R(30), (18)
    P(C_ij = c | D_j = d) = exp(a_cj + b_c z_ij) / sum_s exp(a_sj + b_s z_ij),        a_Kj = b_K = 0,        R(19)
    a_cj = gamma_c + gamma_c1 w_j + u_cj,  or  lambda_c f_j with f_j = gamma_f w_j + u_fj,  lambda_1 = 1,   R(23)-R(25)
    P(D_j = d) = exp(a_d + b_d w_j) / sum_s exp(a_s + b_s w_j),        a_L = b_L = 0,                        R(32)

with all u_j jointly normal, Cov(u) = Theta_2, and theta common, by class, or kappa_0 + kappa x_ij, R(17). For
binary, ordinal and count outcomes beta . x is the linear predictor of the family. Without a cluster column there
are no j, w, u and D: R(1)-R(2). With classes=1 and no D this is the conventional two-level regression R(10)-R(16);
with D alone, (19).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated

from bayesmix import Covariates, Effect, Family, LatentClass, Model, Parameter, Prior, Response, Term, at, normal
from bayesmix.spec.blocks import (
    COVARIANCES,
    DATA_SD,
    class_number,
    cluster_class,
    cluster_class_number,
    logits,
    needs_clusters,
    random_coefficients,
    random_occasion,
)
from bayesmix.spec.families import Normal, Ordinal
from bayesmix.spec.formulas import parse_regression, parse_terms

INTERCEPT, LOGITS, FACTOR = "1", "class", "factor"
LOCATION = Prior("DataNormal", sigma=2.5)
COVARIANCE = ("unrestricted", "slopes apart", "independent")


def regression_mixture(
    formula: str,
    classes: int = 1,
    covariates: str | None = None,
    family: Family | None = None,
    variance: str = "equal",
    freq: str | None = None,
    *,
    by_class: str | None = None,
    cluster: str | None = None,
    random: str = "1",
    covariance: str = "unrestricted",
    effects: str | None = None,
    cluster_covariates: str | Mapping[str, str] | None = None,
    cluster_covariates_by_class: Annotated[Sequence[str], "terms"] = (),
    cluster_classes: int = 0,
    cluster_class_covariates: str | None = None,
    by_cluster_class: str | None = None,
    effects_by_cluster_class: bool = False,
    cluster_covariates_by_cluster_class: Annotated[Sequence[str], "terms"] = (),
    logits_by_cluster_class: bool = False,
) -> Model:
    """Declare a regression mixture, single-level or two-level.

    Coefficients are named by the terms of the formula, the intercept is ``"1"``.

    Parameters
    ----------
    formula : str
        The regression, e.g. ``"math ~ female + stud_ses"``.
    classes : int
        Number of classes K of individuals; 1 is a conventional regression.
    covariates : str, optional
        Formula of the class logits R(2), R(19); the last class is the reference.
    family : Family, optional
        Distribution of the outcome: `normal()` if left out, `bernoulli()`, `ordinal()` or `poisson()`.
    variance : str
        Residual variance of a normal outcome: ``"equal"``, ``"class"`` (one for each class), or the formula of
        covariates on which it depends linearly R(17), of individuals or of groups.
    freq : str, optional
        Column of frequency weights.
    by_class : str, optional
        Coefficients that vary over the classes C, e.g. ``"1 + female"``; all of them if left out.
    cluster : str, optional
        Column of the cluster labels: the model is two-level.
    random : str
        Coefficients with a random part of clusters, u_kj; ``"0"`` for none.
    covariance : {"unrestricted", "slopes apart", "independent"}
        Of all random parts, those of the class logits too: unrestricted; unrestricted but for the covariances
        between slopes, which are zero; all zero.
    effects : {"factor", "unrestricted", "none"}, optional
        Random parts of the class logits: one factor R(24)-R(25), K - 1 of them R(23), or none. Left out: one
        factor, in a two-level model without classes of clusters.
    cluster_covariates : str or mapping of str to str, optional
        Covariates of clusters, a formula for each coefficient that they predict: ``{"1": "w", "female": "w"}`` or
        the text ``"1 ~ w; female ~ w"``. Under the name ``"class"`` they predict each class logit R(23): with a
        factor this is its regression and direct effects on the other logits; under ``"factor"`` the factor alone.
        One formula without a name stands for all random coefficients and ``"class"``. One class has no logits:
        what predicts them is left out.
    cluster_covariates_by_class, cluster_covariates_by_cluster_class : sequence of str
        Coefficients for which the slopes of cluster covariates vary over the classes C, D.
    cluster_classes : int
        Number of classes L of clusters, D, at least 2. None at 0.
    cluster_class_covariates : str, optional
        Formula of covariates of clusters that predict D, (17), R(32).
    by_cluster_class : str, optional
        Coefficients that vary over D; all of them if left out.
    effects_by_cluster_class : bool
        Whether the covariance matrix of the random coefficients depends on D, (18); for class logits without
        random parts.
    logits_by_cluster_class : bool
        Whether the logits of C depend on D, (24).

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        A formula without an outcome or an intercept, a coefficient that is no term of it, a number of classes
        below one (of clusters: below two), something of clusters without a cluster column, an unknown setting.
    """
    classes, cluster_classes = class_number(classes), cluster_class_number(cluster_classes)
    y, terms = parse_regression(formula)
    family = family or normal()
    effects = effects or ("factor" if cluster and classes != 1 and not cluster_classes else "none")
    _check(formula, terms, family, variance, covariance, effects)
    family = normal(linear_variance=True) if variance not in ("equal", "class") else family
    varying = {"C": _coefficients(by_class, terms, formula) if classes > 1 else ()}
    varying["D"] = _coefficients(by_cluster_class, terms, formula) if cluster_classes else ()
    drawn = _coefficients(random, terms, formula) if cluster else ()
    between = _between(cluster_covariates, drawn, terms, classes, effects)
    _check_clusters(cluster, random, effects, between, cluster_classes, cluster_class_covariates)
    if effects_by_cluster_class and effects != "none":
        raise ValueError(
            f"effects_by_cluster_class=True came with effects={effects!r}: where the class logits have random parts, "
            "the covariance matrix is common to the classes of clusters; give effects='none', or leave it out."
        )
    slopes_by = {"C": cluster_covariates_by_class, "D": cluster_covariates_by_cluster_class}

    def by(term: str, over: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
        return tuple(c for c in ("D", "C") if term in over[c])

    scale = Prior("DataHalfNormal", sigma=2.5) if family.kind == "real" else DATA_SD
    names = tuple(f"u_{_title(t)}" for t in drawn)
    u = random_coefficients(names, covariance, ("D",) if effects_by_cluster_class else (), scale)
    earlier = names if covariance != "independent" else ()
    f, loadings = _class_effects(classes, effects, earlier, between.get(FACTOR))
    right = formula.partition("~")[2].strip()
    spread_by = () if variance != "class" else ("C",) if classes > 1 else ("D",) if cluster_classes else ()
    predictor, auxiliary = _intercept(family, by(INTERCEPT, varying), spread_by, variance)
    predictor += _slopes(right, terms, lambda t: by(t, varying), family)
    predictor += tuple(_on_clusters(t, w, by(t, slopes_by), family) for t, w in between.items() if t in terms)
    predictor += _random_terms(right, drawn, names)
    parents = ("D",) if logits_by_cluster_class else ()
    of_individuals = (*logits("C", "class", parents, individual=covariates, cluster=between.get(LOGITS)), *loadings)
    c = (LatentClass("C", classes, "individual", of_individuals),) if classes > 1 else ()
    d = cluster_class(cluster_classes, cluster_class_covariates)
    response = Response("outcome", (y,), family, predictor, auxiliary)
    return Model("regression_mixture", (response,), (*d, *c), (*u, *f), cluster, freq)


def _title(term: str) -> str:
    """A word for names of parameters: ``log_x`` of log(x)."""
    return "intercept" if term == INTERCEPT else re.sub(r"[^\w:.]+", "_", term).strip("_")


def _slope(family: Family) -> Prior:
    return Prior("DataNormal", sigma=2.5 if family.kind == "real" else 1.5)


def _intercept(
    family: Family, by: tuple[str, ...], spread_by: tuple[str, ...], variance: str
) -> tuple[tuple[Term, ...], tuple[Term, ...]]:
    """beta_0 or the thresholds of an ordinal outcome; the residual variance, R(17)."""
    if isinstance(family, Ordinal):
        threshold = Parameter("outcome_threshold", (*by, "threshold"), "ordered", Prior("Normal", mu=0.0, sigma=3.0))
        return (), (Term(threshold),)
    intercept = (Term(Parameter("intercept", by, prior=LOCATION)),)
    if not isinstance(family, Normal):
        return intercept, ()
    if family.linear_variance:
        level = Parameter("residual_variance", prior=Prior("DataNormal", sigma=1.0))
        slope = Parameter("residual_variance_slope", ("variance_covariate",), prior=Prior("DataNormal", sigma=1.0))
        return intercept, (Term(level), Term(slope, Covariates("variance_covariate", variance)))
    spread = Prior("DataHalfNormal", sigma=2.5)
    return intercept, (Term(Parameter("residual_sd", spread_by, "positive", spread)),)


def _slopes(right: str, terms: Sequence[str], by, family: Family) -> tuple[Term, ...]:
    """gamma_k, those that vary over the same classes together."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for t in terms:
        if t != INTERCEPT:
            groups.setdefault(by(t), []).append(t)
    out = []
    for classes, some in groups.items():
        ending = "" if len(groups) == 1 else "_".join(("", "by", *classes)) if classes else "_common"
        dim = f"regressor{ending}"
        coefficient = Parameter(f"coefficient{ending}", (*classes, dim), prior=_slope(family))
        out.append(Term(coefficient, Covariates(dim, right, only=tuple(some))))
    return tuple(out)


def _on_clusters(term: str, formula: str, by: tuple[str, ...], family: Family) -> Term:
    """gamma_k1 w: the regression of a coefficient on covariates of clusters."""
    dim = f"{_title(term)}_covariate"
    slope = Parameter(f"{_title(term)}_on", (*by, dim), prior=_slope(family))
    if term == INTERCEPT:
        return Term(slope, Covariates(dim, formula, "cluster"))
    return Term(slope, Covariates(dim, formula, times=term))


def _random_terms(right: str, drawn: Sequence[str], names: tuple[str, ...]) -> tuple[Term, ...]:
    """u_0 + sum_k u_k x_k."""
    if not names:
        return ()
    if tuple(drawn) == (INTERCEPT,):
        return (Term(Parameter("random", ("random_effect",), fixed=(at(1.0),)), None, names, "random_effect"),)
    identity = Parameter("random", ("random_effect", "random_regressor"), "unit")
    return (
        Term(identity, Covariates("random_regressor", right, only=tuple(drawn), single=True), names, "random_effect"),
    )


def _class_effects(
    classes: int, effects: str, earlier: Sequence[str], covariates: str | None
) -> tuple[tuple[Effect, ...], tuple[Term, ...]]:
    """Random parts of the class logits, R(23)-R(25), correlated with those of the coefficients."""
    if effects == "none" or classes < 2:
        return (), ()
    names = ["f"] if effects == "factor" else [f"a{k}" for k in range(1, classes)]
    found, loading = random_occasion("C", names, earlier, covariates)
    return found, (loading,)


# checks -------------------------------------------------------------------------------------------


def _coefficients(chosen: str | None, terms: Sequence[str], formula: str) -> tuple[str, ...]:
    """Terms of the formula that are chosen, in its order; all of them if None."""
    if chosen is None:
        return tuple(terms)
    some = parse_terms(chosen)
    if unknown := [t for t in some if t not in terms]:
        raise ValueError(
            f"'{unknown[0]}' is no coefficient of '{formula}': give some of {', '.join(terms)} ('1' is the intercept)."
        )
    return tuple(t for t in terms if t in some)


def _between(given, drawn: Sequence[str], terms: Sequence[str], classes: int, effects: str) -> dict[str, str]:
    """The formula of cluster covariates of each coefficient, of the class logits and of their factor."""
    if given is None:
        return {}
    if isinstance(given, str) and "~" in given:
        given = {k.strip(): w.strip() for k, _, w in (part.partition("~") for part in given.split(";") if part.strip())}
    if isinstance(given, str):
        return dict.fromkeys([*drawn, *([LOGITS] if classes > 1 else [])], given)
    known = [*terms, *([LOGITS] if classes > 1 else []), *([FACTOR] if classes > 1 and effects != "none" else [])]
    of_logits = (LOGITS, FACTOR) if classes == 1 else ()
    if unknown := [k for k in given if k not in (*known, *of_logits)]:
        raise ValueError(f"cluster_covariates came for '{unknown[0]}': give some of {', '.join(known)}.")
    if LOGITS in given and FACTOR in given:
        raise ValueError("cluster_covariates came for 'class' and 'factor': 'class' has those of the factor in it.")
    return {t: given[t] for t in known if t in given}


def _check(
    formula: str,
    terms: Sequence[str],
    family: Family,
    variance: str,
    covariance: str,
    effects: str,
) -> None:
    if INTERCEPT not in terms:
        raise ValueError(f"The regression '{formula}' has no intercept: leave '0' or '-1' out.")
    if family.kind == "categorical" and not hasattr(family, "link"):
        raise ValueError("A nominal outcome came: a regression takes normal, bernoulli, ordinal or poisson outcomes.")
    if variance != "equal" and family.kind != "real":
        raise ValueError(f"variance={variance!r} came for an outcome that is not normal: leave it out.")
    for name, value, known in (("covariance", covariance, COVARIANCE), ("effects", effects, COVARIANCES)):
        if value not in known:
            raise ValueError(f"{name} came as {value!r}: give {', '.join(map(repr, known))}.")


def _check_clusters(cluster, random: str, effects: str, between: Mapping, d: int, covariates: str | None) -> None:
    asked = {
        f"random={random!r}": random not in ("1", "0"),
        f"effects={effects!r}": effects != "none",
        "cluster_covariates": bool(between),
        f"cluster_classes={d!r}": bool(d),
        f"cluster_class_covariates={covariates!r}": covariates is not None and not d,
    }
    if covariates is not None and not d and cluster:
        raise ValueError(
            f"cluster_class_covariates={covariates!r} came without classes of clusters: give cluster_classes=2."
        )
    needs_clusters(cluster, asked)
