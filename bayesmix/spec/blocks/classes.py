"""Latent classes: their numbers, logits by level, random parts of the logits, classes of clusters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from bayesmix.checks import one_of, whole
from bayesmix.spec.blocks.priors import CHOLESKY_LOADING, CLASS_LOGIT, LOADING, LOGIT_SLOPE
from bayesmix.spec.model import Covariates, Effect, LatentClass, Level, Term
from bayesmix.spec.parameters import Parameter, at

COVARIANCES = ("unrestricted", "factor", "none")


def class_number(value: Any, least: int = 1, more: str = "") -> int:
    """Take a number of classes of at least `least`; anything else is refused."""
    return whole("The number of classes", value, least, more)


def class_logits(
    variable: str, prefix: str, parents: Sequence[str] = (), *, slopes_by: Sequence[str] = (), **covariates: str | None
) -> tuple[Term, ...]:
    """Intercepts and slopes of class logits, the last class the reference: (4), (8)-(9), (17), (24), (26).

    Parameters
    ----------
    variable : str
        The class variable.
    prefix : str
        Of the parameters' names: ``<prefix>_logit`` and, by level, ``<prefix>_slope``.
    parents : sequence of str
        Class variables that the intercepts depend on.
    slopes_by : sequence of str
        Class variables that the slopes depend on.
    **covariates
        A formula by level: ``individual="age + sex"``, ``cluster="sector"``; None for none.
    """
    reference = (at(0.0, **{variable: -1}),)
    out = [Term(Parameter(f"{prefix}_logit", (*parents, variable), prior=CLASS_LOGIT, fixed=reference))]
    for level, formula in covariates.items():
        if formula is not None:
            own = {"individual": "", "cluster": "cluster_"}[level] if prefix == "class" else f"{prefix}_"
            dim, name = f"{own}covariate", f"{own}slope" if own else f"{prefix}_slope"
            slope = Parameter(name, (*slopes_by, variable, dim), prior=LOGIT_SLOPE, fixed=reference)
            out.append(Term(slope, Covariates(dim, formula, cast(Level, level))))
    return tuple(out)


def random_class_logits(
    variable: str, classes: int, level: Level, covariance: str, by: Sequence[str] = (), option: str = "effects"
) -> tuple[tuple[Effect, ...], tuple[Term, ...]]:
    """Random parts of class logits: alpha_c + sum_k lambda_kc z_k with z ~ N(0, I), (4)-(5), (34)-(35).

    Unrestricted, there are K - 1 effects and the loadings are the Cholesky factor of the covariance
    matrix of the logits; with one factor there is one effect, lambda_1 > 0.

    Parameters
    ----------
    variable : str
        The class variable, with `classes` classes.
    level : {"individual", "cluster"}
        Where the effects live.
    covariance : {"unrestricted", "factor", "none"}
    by : sequence of str
        Class variables that the covariance matrix depends on, (18), (25).
    option : str
        Under which name of an argument the covariance came.

    Raises
    ------
    ValueError
        Another covariance.
    """
    one_of(option, covariance, COVARIANCES)
    if covariance == "none" or classes < 2:
        return (), ()
    n = 1 if covariance == "factor" else classes - 1
    own = "class" if level == "individual" else "cluster"
    dim = "effect" if level == "individual" else "cluster_effect"
    effects = tuple(Effect(f"{'a' if level == 'individual' else 'u'}{k + 1}", level) for k in range(n))
    reference = (at(0.0, **{variable: -1}),)
    loading = Parameter(f"{own}_loading", (*by, dim, variable), "cholesky", CHOLESKY_LOADING, reference)
    return effects, (Term(loading, effects=tuple(e.name for e in effects), effect_dim=dim),)


def class_on_factors(names: Sequence[str], variable: str = "C") -> Term:
    """Class logits that depend on the factors `names`: m_c eta, below (39)."""
    several = len(names) > 1
    dims = ("factor", variable) if several else (variable,)
    loading = Parameter("class_on_factor", dims, prior=LOADING, fixed=(at(0.0, **{variable: -1}),))
    return Term(loading, effects=tuple(names), effect_dim="factor" if several else "effect")


def cluster_class(
    classes: int, covariates: str | None, by: Sequence[str] = (), slopes_by: Sequence[str] = ()
) -> tuple[LatentClass, ...]:
    """The classes D of clusters, predicted by covariates of clusters: (17), (26); none where there are 0.

    Parameters
    ----------
    classes : int
    covariates : str, optional
    by, slopes_by : sequence of str
        What the logits, and the slopes of their covariates, depend on: observed groups.

    Raises
    ------
    ValueError
        A number that is neither 0 nor a whole number of at least 2.
    """
    if classes == 0 and not isinstance(classes, bool):
        return ()
    classes = whole("cluster_classes", classes, 2, ", or 0 for no classes of clusters")
    logits = class_logits("D", "cluster_class", by, slopes_by=slopes_by, cluster=covariates)
    return (LatentClass("D", classes, "cluster", logits),)
