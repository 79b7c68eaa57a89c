r"""Grade of membership with a factor, FMA-GoM: equations (38)-(41), section 8 of the 2006 paper.

For item p of individual i, with a class of its own for every response,

    P(y_pi = 1 | C_pi = c) = F(tau_pc + lambda_pc eta_i),        F normal or logistic,                     (38)
    P(C_pi = c) = exp(alpha_ci) / sum_s exp(alpha_si),        alpha_Ki = 0,                             (39)
    alpha_ci = alpha_c + beta_c x_i + sum_k l_kc z_ki + m_c eta_i,        z_ki ~ N(0, 1),

with the factor as in :mod:`bayesmix.models.fma`, its mean 0 and its SD 1, and m = 0 unless memberships and factor
are correlated. With a huge variance of the memberships this is the FMA (36)-(37); with lambda = 0 the GoM (28)-(35).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bayesmix import Family, LatentClass, Model, Parameter, Term, at, bernoulli
from bayesmix.spec.blocks import (
    COVARIANCES,
    LOADING_FREE,
    class_number,
    factor_effects,
    listed,
    loading_on,
    logits,
    measured,
    named_factors,
    needs_clusters,
    random_logits,
)


def fma_gom(
    items: Sequence[str],
    classes: int = 2,
    covariates: str | None = None,
    family: Family | Mapping[str, Family] | None = None,
    variance: str = "equal",
    freq: str | None = None,
    *,
    factors: Mapping[str, Sequence[str]] | None = None,
    by_class: str = "intercepts",
    loadings: str = "item",
    correlated: bool = True,
    effects: str = "unrestricted",
    effects_on_factors: bool = False,
    factor_covariates: str | None = None,
    item_covariates: Mapping[str, str] | None = None,
    cluster: str | None = None,
    cluster_effects: str | None = None,
    cluster_covariates: str | None = None,
    factor_clusters: bool = True,
) -> Model:
    """Declare a grade-of-membership model with factors, single-level or two-level.

    Parameters
    ----------
    items : sequence of str
        Columns of the items.
    classes : int
        Number of classes (extreme profiles) K, at least 2.
    covariates : str, optional
        Formula of the membership logits; the last class is the reference.
    family : Family or mapping of item to Family, optional
        Distribution of the items, ``bernoulli("probit")`` of (38) where it is left out.
    variance : {"equal", "class"}
        Residual SD of normal items: the same in all classes, or one for each.
    freq : str, optional
        Column of frequency weights.
    factors : mapping of str to sequence of str, optional
        The items that load on each factor; one factor `f` of all items if left out.
    by_class : {"intercepts", "intercepts + loadings", "loadings"}
        What varies over the classes.
    loadings : {"item", "one"}
        A loading for each item, or one for all of them.
    correlated : bool
        Whether the factors, given their covariates, are correlated.
    effects : {"unrestricted", "factor"}
        Covariance matrix of the membership logits, or one factor (35); the same for K = 2.
    effects_on_factors : bool
        Whether the membership logits are correlated with the factors: they load on them too.
    factor_covariates, item_covariates
        As in :func:`bayesmix.models.fma`.
    cluster : str, optional
        Column of the cluster labels: the model is two-level.
    cluster_effects : {"unrestricted", "factor", "none"}, optional
        Random effects of clusters on the membership logits; one factor if left out.
    cluster_covariates : str, optional
        Formula of covariates of clusters in the membership logits.
    factor_clusters : bool
        Whether the factors of a two-level model have a random part of clusters.

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        As :func:`bayesmix.models.gom` and :func:`bayesmix.models.fma`.
    """
    more = " (with one there is no membership: bm.models.fma takes 1)"
    items, classes = listed(items), class_number(classes, 2, more)
    varying = _varying(by_class)
    shared_covariance = cluster_effects or ("factor" if cluster else "none")
    _check(effects, cluster, shared_covariance, cluster_effects, cluster_covariates)
    pattern = named_factors(items, factors, loadings)

    def by(what: str) -> tuple[str, ...]:
        return ("C",) if what in varying else ()

    responses = measured(items, family, by("intercepts"), variance, item_covariates, bernoulli("probit"))
    responses = tuple(loading_on(r, pattern, by("loadings"), loadings == "one") for r in responses)
    of_factors = factor_effects(
        tuple(pattern),
        correlated=correlated,
        covariates=factor_covariates,
        cluster=bool(cluster) and factor_clusters,
    )
    own, memberships = random_logits("C", classes, "individual", effects)
    shared, of_clusters = random_logits("C", classes, "cluster", shared_covariance)
    fixed = logits("C", "class", individual=covariates, cluster=cluster_covariates)
    on_factors = (_on_factors(tuple(pattern)),) if effects_on_factors else ()
    of_items = LatentClass("C", classes, "item", (*fixed, *memberships, *on_factors, *of_clusters))
    return Model("fma_gom", responses, (of_items,), (*shared, *of_factors, *own), cluster, freq)


def _on_factors(names: tuple[str, ...]) -> Term:
    dims = ("factor", "C") if len(names) > 1 else ("C",)
    loading = Parameter("class_on_factor", dims, prior=LOADING_FREE, fixed=(at(0.0, C=-1),))
    return Term(loading, effects=names, effect_dim="factor" if len(names) > 1 else "effect")


def _varying(by_class: str) -> set[str]:
    out = {w.strip() for w in str(by_class).split("+")}
    if unknown := out - {"intercepts", "loadings"}:
        raise ValueError(
            f"by_class came with '{sorted(unknown)[0]}': name 'intercepts', 'loadings' or both; a factor lives above "
            "the classes of single responses, so that its mean and variance are the same in all of them."
        )
    return out


def _check(effects: str, cluster: str | None, shared: str, given: str | None, formula: str | None) -> None:
    if effects not in COVARIANCES[:2]:
        raise ValueError(f"effects came as {effects!r}: give 'unrestricted' or 'factor'.")
    if shared not in COVARIANCES:
        raise ValueError(f"cluster_effects came as {shared!r}: give {', '.join(map(repr, COVARIANCES))}.")
    asked = {f"cluster_effects={given!r}": given is not None, f"cluster_covariates={formula!r}": formula is not None}
    needs_clusters(cluster, asked)
