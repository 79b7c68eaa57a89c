r"""Grade of membership, equations (28)-(35): a class of its own for every response of a person.

For item p of individual i,

    P(y_pi = k | C_pi = c) = pi_pkc,                                                        (28)
    P(C_pi = c) = exp(eta_ic) / sum_s exp(eta_is),        eta_iK = 0,                       (30), (34)
    eta_ic = alpha_c + beta_c x_i + sum_k lambda_kc z_ki,        z_ki ~ N(0, 1),            (33), (35)

with pi written by the family, by an item's own covariates too. The loadings lambda are the Cholesky
factor of an unrestricted covariance matrix of K - 1 membership logits, or one factor (35). In a
two-level model the logits have a random part of clusters as well, of the same form.
"""

from __future__ import annotations

from collections.abc import Mapping

from bayesmix import LatentClass, Model, constrain
from bayesmix.checks import needs_clusters, one_of
from bayesmix.spec import Equal, Fix
from bayesmix.spec.blocks import (
    ByGroup,
    Families,
    Formula,
    Items,
    Measurement,
    Offset,
    class_logits,
    class_number,
    item_responses,
    over_groups,
    random_class_logits,
    with_offset,
)  # fmt: skip


def gom(
    items: Items,
    classes: int,
    covariates: Formula = None,
    family: Families = None,
    variance: str = "equal",
    freq: str | None = None,
    *,
    effects: str = "unrestricted",
    item_covariates: Mapping[str, str] | None = None,
    offset: Offset = None,
    cluster: str | None = None,
    cluster_effects: str | None = None,
    cluster_covariates: Formula = None,
    group: str | None = None,
    measurement_by_group: Measurement = "equal",
    sizes_by_group: bool = True,
    slopes_by_group: bool = True,
    fix: Fix = None,
    equal: Equal = None,
) -> Model:
    """Declare a grade-of-membership model, single-level or two-level.

    Parameters
    ----------
    items, covariates, family, variance, freq, cluster
        As in :func:`bayesmix.models.lca`; the paper's binary items are `bernoulli("probit")`.
    classes : int
        Number of classes (extreme profiles) K, at least 2.
    effects : {"unrestricted", "factor"}
        Covariance matrix of the membership logits, or one factor (35); the same for K = 2.
    item_covariates : mapping of item to formula, optional
        Covariates with a direct effect on an item, the same in all classes, as below (33).
    offset : str or mapping of str to str, optional
        As in :func:`bayesmix.models.lca`: the log of an exposure in the predictor of all items, or of each.
    cluster_effects : {"unrestricted", "factor", "none"}, optional
        Random effects of clusters on the membership logits; one factor if left out.
    cluster_covariates : str, optional
        Formula of covariates of clusters in the membership logits.
    group, measurement_by_group, sizes_by_group, slopes_by_group
        As in :func:`bayesmix.models.lca`; the covariance matrix of the memberships does not differ.
    fix, equal
        Entries that are fixed, held equal or related by equations: as in :func:`bayesmix.constrain`.

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        As :func:`bayesmix.models.lca`; one class, or effects "none": the responses would be independent.

    Examples
    --------
    >>> bm.models.gom(["a", "b", "c"], 3).classes[0].size
    3
    """
    more = ". With one extreme profile the responses would be independent (bm.models.lca takes 1)"
    classes = class_number(classes, 2, more)
    one_of("effects", effects, ("unrestricted", "factor"), more="; with none the responses would be independent")
    shared = cluster_effects or ("factor" if cluster else "none")
    responses = with_offset(item_responses(items, family, ("C",), variance, item_covariates), offset)
    logits = class_logits("C", "class", individual=covariates, cluster=cluster_covariates)
    z, memberships = random_class_logits("C", classes, "individual", effects)
    u, of_clusters = random_class_logits("C", classes, "cluster", shared, option="cluster_effects")
    needs_clusters(cluster, cluster_effects=cluster_effects, cluster_covariates=cluster_covariates)
    c = LatentClass("C", classes, "item", (*logits, *memberships, *of_clusters))
    declared = Model("gom", responses, (c,), (*u, *z), cluster, freq)
    by_group = ByGroup(measurement_by_group, sizes_by_group, slopes_by_group)
    declared = over_groups(declared, group, by_group)
    return constrain(declared, fix=fix, equal=equal)
