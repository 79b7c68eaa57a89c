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

from bayesmix import LatentClass, Model, constrain
from bayesmix.checks import needs_clusters, one_of
from bayesmix.spec import Equal, Fix, blocks
from bayesmix.spec.blocks import Families, Formula, Items, Measurement


def fma_gom(
    items: Items,
    classes: int = 2,
    covariates: Formula = None,
    family: Families = None,
    variance: str = "equal",
    freq: str | None = None,
    *,
    factors: Mapping[str, Sequence[str]] | None = None,
    by_class: str = "intercepts",
    loadings: str = "item",
    correlated: bool = True,
    effects: str = "unrestricted",
    effects_on_factors: bool = False,
    factor_covariates: Formula = None,
    item_covariates: Mapping[str, str] | None = None,
    offset: blocks.Offset = None,
    cluster: str | None = None,
    cluster_effects: str | None = None,
    cluster_covariates: Formula = None,
    factor_clusters: bool = True,
    group: str | None = None,
    measurement_by_group: Measurement = "equal",
    sizes_by_group: bool = True,
    slopes_by_group: bool = True,
    factors_by_group: bool = True,
    fix: Fix = None,
    equal: Equal = None,
) -> Model:
    """Declare a grade-of-membership model with factors, single-level or two-level.

    Parameters
    ----------
    items, covariates, family, variance, freq, cluster, cluster_effects, cluster_covariates
        As in :func:`bayesmix.models.gom`, but that items are ``bernoulli("probit")``, (38), if left out.
    classes : int
        Number of classes (extreme profiles) K, at least 2.
    factors, loadings, correlated, factor_covariates, item_covariates, offset, factor_clusters
        As in :func:`bayesmix.models.fma`.
    by_class : {"intercepts", "intercepts + loadings", "loadings"}
        What varies over the classes.
    effects : {"unrestricted", "factor"}
        Covariance matrix of the membership logits, or one factor (35); the same for K = 2.
    effects_on_factors : bool
        Whether the membership logits are correlated with the factors: they load on them too, by m of (39).
    group, measurement_by_group, sizes_by_group, slopes_by_group
        As in :func:`bayesmix.models.lca`; the covariance matrix of the memberships does not differ.
    factors_by_group : bool
        Whether the means and SDs of the factors differ by group, 0 and 1 in the first. A mean is free where some item
        of the factor has the same intercepts in all groups, an SD where some loading is the same.
    fix, equal
        Entries that are fixed, held equal or related by equations: as in :func:`bayesmix.constrain`.

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        As :func:`bayesmix.models.gom` and :func:`bayesmix.models.fma`.

    Examples
    --------
    >>> bm.models.fma_gom(["a", "b", "c"], 2).classes[0].level
    'item'
    """
    more = " (with one there is no membership: bm.models.fma takes 1)"
    items, classes = blocks.listed(items), blocks.class_number(classes, 2, more)
    varying, shared = blocks.parts_by_response_class(by_class), cluster_effects or ("factor" if cluster else "none")
    one_of("effects", effects, ("unrestricted", "factor"))
    pattern = blocks.named_factors(items, factors, loadings)
    responses = blocks.items_on_factors(items, pattern, varying, loadings, family, variance, item_covariates)
    responses = blocks.with_offset(responses, offset)
    of_clusters = bool(cluster) and factor_clusters
    eta = blocks.factor_effects(
        tuple(pattern), correlated=correlated, covariates=factor_covariates, cluster=of_clusters
    )
    z, memberships = blocks.random_class_logits("C", classes, "individual", effects)
    u, loaded = blocks.random_class_logits("C", classes, "cluster", shared, option="cluster_effects")
    needs_clusters(cluster, cluster_effects=cluster_effects, cluster_covariates=cluster_covariates)
    logits = blocks.class_logits("C", "class", individual=covariates, cluster=cluster_covariates)
    on_factors = (blocks.class_on_factors(tuple(pattern)),) if effects_on_factors else ()
    c = LatentClass("C", classes, "item", (*logits, *memberships, *on_factors, *loaded))
    declared = Model("fma_gom", responses, (c,), (*u, *eta, *z), cluster, freq)
    by_group = blocks.ByGroup(measurement_by_group, sizes_by_group, slopes_by_group, factors=factors_by_group)
    declared = blocks.over_groups(declared, group, by_group)
    return constrain(declared, fix=fix, equal=equal)
