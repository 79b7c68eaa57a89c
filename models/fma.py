r"""Factor mixture analysis, mixture IRT: equations (36)-(37), section 8 of the 2006 paper.

For item p of individual i,

    P(y_pi = 1 | C_i = c) = F(tau_pc + lambda_pc eta_i),        F normal or logistic,                     (36)
    P(C_i = c) = exp(alpha_c + beta_c x_i) / sum_s exp(alpha_s + beta_s x_i),        alpha_K = beta_K = 0,        (37)
    eta_i = mu_c + Gamma x_i + sigma_c r_i,        r_i ~ N(0, 1),        mu_K = 0, sigma_K = 1,

and likewise for ordinal items (thresholds), nominal ones (tau and lambda of each category but the first) and normal
ones. Several factors have a pattern of loadings, and correlated residuals r. In a two-level model the class logits
have a random part of clusters, and so have the factors: eta_ij = ... + sigma_u u_j, u_j ~ N(0, 1).

What is fixed, and why. The scale of a factor is not identified: its mean is 0 and its SD 1, in the last class where
they vary. Class intercepts say all that class means of the factor could, so that means vary only where intercepts and
loadings do not; class loadings say all that class variances could.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bayesmix import LatentClass, Model, constrain
from bayesmix.checks import needs_clusters
from bayesmix.spec import Equal, Fix, blocks
from bayesmix.spec.blocks import Families, Formula, Items, KnownColumn, Measurement


def fma(
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
    factor_covariates: Formula = None,
    item_covariates: Mapping[str, str] | None = None,
    offset: blocks.Offset = None,
    cluster: str | None = None,
    effects: str | None = None,
    cluster_covariates: Formula = None,
    factor_clusters: bool = True,
    covariance: blocks.Covariance = "none",
    covariance_by_class: bool = False,
    group: str | None = None,
    measurement_by_group: Measurement = "equal",
    sizes_by_group: bool = True,
    slopes_by_group: bool = True,
    factors_by_group: bool = True,
    known: KnownColumn = None,
    fix: Fix = None,
    equal: Equal = None,
) -> Model:
    """Declare a factor mixture model, single-level or two-level.

    Parameters
    ----------
    items, covariates, family, variance, freq, cluster, cluster_covariates
        As in :func:`bayesmix.models.lca`, but that items are ``bernoulli("probit")``, (36), if left out.
    classes : int
        Number of classes K; 1 is a factor model, the 2PL for binary items.
    factors : mapping of str to sequence of str, optional
        The items that load on each factor; one factor `f` of all items if left out.
    by_class : str
        What varies over the classes: ``"intercepts"`` (with thresholds and category logits),
        ``"intercepts + loadings"`` for all of (36), ``"intercepts + variances"``, ``"means + variances"`` of the
        factors for measurement that is the same in all classes, ...
    loadings : {"item", "one"}
        A loading for each item, or one for all of them.
    correlated, factor_clusters : bool
        Whether the factors are correlated given their covariates; whether clusters have a random part of them.
    factor_covariates : str, optional
        Formula of covariates of individuals that predict the factors.
    item_covariates : mapping of item to formula, optional
        Covariates with a direct effect on an item, the same in all classes: differential item functioning.
    offset : str or mapping of str to str, optional
        As in :func:`bayesmix.models.lca`: the log of an exposure in the predictor of all items, or of each.
    effects : {"unrestricted", "factor", "none"}, optional
        Random parts of the class logits of clusters; unrestricted, in a two-level model, if left out.
    covariance, covariance_by_class
        Residual covariances of chosen pairs of normal items, as in :func:`bayesmix.models.lca`; those of all pairs
        would leave nothing to the factors.
    group, measurement_by_group, sizes_by_group, slopes_by_group, known
        As in :func:`bayesmix.models.lca`.
    factors_by_group : bool
        Whether the means and SDs of the factors differ by group, 0 and 1 in the first. A mean is free where some item
        of the factor has the same intercepts in all groups, an SD where some loading is the same (and the SD does not
        differ by class).
    fix, equal
        Entries that are fixed, held equal or related by equations: as in :func:`bayesmix.constrain`.

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        As :func:`bayesmix.models.lca`; something in `by_class` that is not identified beside the rest.

    Examples
    --------
    >>> [e.name for e in bm.models.fma(["a", "b", "c"], 2).effects]
    ['f']
    """
    items, classes = blocks.listed(items), blocks.class_number(classes)
    varying = blocks.parts_by_class(by_class, classes)
    effects = effects or ("unrestricted" if cluster else "none")
    pattern = blocks.named_factors(items, factors, loadings)
    responses = blocks.items_on_factors(items, pattern, varying, loadings, family, variance, item_covariates)
    responses = blocks.with_offset(responses, offset)
    if covariance in ("equal", "class"):
        raise ValueError(
            f"The covariance came as {covariance!r} beside factors: covariances of all pairs leave nothing to them. "
            "Name pairs, [('a', 'b')], or take bm.models.lca."
        )
    responses = blocks.with_covariances(responses, covariance, covariance_by_class, ("C",))
    eta = blocks.factor_effects(
        tuple(pattern),
        correlated=correlated,
        means=("C",) * ("means" in varying),
        variances=("C",) * ("variances" in varying),
        covariates=factor_covariates,
        cluster=bool(cluster) and factor_clusters,
    )
    u, loaded = blocks.random_class_logits("C", classes, "cluster", effects)
    needs_clusters(cluster, effects=effects, cluster_covariates=cluster_covariates)
    logits = blocks.class_logits("C", "class", individual=covariates, cluster=cluster_covariates)
    declared = Model(
        "fma", responses, (LatentClass("C", classes, "individual", (*logits, *loaded)),), (*u, *eta), cluster, freq
    )
    by_group = blocks.ByGroup(measurement_by_group, sizes_by_group, slopes_by_group, factors=factors_by_group)
    declared = blocks.known_pairs(blocks.over_groups(declared, group, by_group), known)
    return constrain(declared, fix=fix, equal=equal)
