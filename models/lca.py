r"""Latent class analysis: equations (1), (4) and (27), two-level (4)-(5), (16)-(18) and (22)-(26).

For item p of individual i in cluster j,

    P(y_pij = k | C_ij = c, D_j = d) = pi_pkc,        independently over items given the classes,
    P(C_ij = c | D_j = d) = exp(eta_ijc) / sum_s exp(eta_ijs),        eta_ijK = 0,
    eta_ijc = alpha_cd + beta_c x_ij + gamma_c w_j + sum_k lambda_kc z_kj,        z_kj ~ N(0, 1),
    P(D_j = d) = exp(delta_d + kappa_d v_j) / sum_s exp(delta_s + kappa_s v_j),        delta_M = kappa_M = 0,

with pi written by the family: category logits (nominal), an intercept (bernoulli), thresholds
(ordinal), a mean and SD (normal), a log rate (poisson), with an inflation of zeros whose logit is a_pc + b_p z_ij
where it depends on covariates. Without a cluster column there are no j, D,
w and z: P(C_i = c) has the logits alpha_c + beta_c x_i.

Normal items may have residual covariances, a latent profile model whose items are dependent within classes:

    y_i | C_i = c ~ N(mu_c, Sigma_c),        Sigma_c = sigma_pc^2 on the diagonal, sigma_pqc beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bayesmix import LatentClass, Model, constrain, normal
from bayesmix.checks import needs_cluster_classes, needs_clusters
from bayesmix.spec import Equal, Fix
from bayesmix.spec.blocks import (
    ByGroup,
    Covariance,
    Families,
    Formula,
    Items,
    KnownColumn,
    Measurement,
    Offset,
    class_logits,
    class_number,
    cluster_class,
    item_responses,
    known_pairs,
    over_groups,
    random_class_logits,
    with_covariances,
    with_inflation,
    with_offset,
)  # fmt: skip


def lca(
    items: Items,
    classes: int,
    covariates: Formula = None,
    family: Families = None,
    variance: str = "equal",
    freq: str | None = None,
    *,
    cluster: str | None = None,
    effects: str | None = None,
    cluster_covariates: Formula = None,
    cluster_classes: int = 0,
    cluster_class_covariates: Formula = None,
    effects_by_cluster_class: bool = False,
    items_by_cluster_class: bool = False,
    offset: Offset = None,
    inflation: Formula = None,
    inflation_slopes_by_class: bool = False,
    covariance: Covariance = "none",
    covariance_by_class: bool = False,
    item_covariates: Mapping[str, str] | None = None,
    item_covariates_by_class: bool = False,
    group: str | None = None,
    measurement_by_group: Measurement = "equal",
    sizes_by_group: bool = True,
    slopes_by_group: bool = True,
    known: KnownColumn = None,
    fix: Fix = None,
    equal: Equal = None,
) -> Model:
    """Declare a latent class model, single-level or two-level.

    Parameters
    ----------
    items : sequence of str
        Columns of the items.
    classes : int
        Number of classes K.
    covariates : str, optional
        Formula of the class logits (4), e.g. ``"age + sex"``; the last class is the reference.
    family : Family or mapping of item to Family, optional
        Distribution of the items, `nominal()` for those of which nothing is said; one model may have several.
    variance : {"equal", "class"}
        Residual SD of normal items: the same in all classes, or one for each.
    freq, cluster : str, optional
        Columns of frequency weights; of cluster labels: the model is two-level.
    effects : {"unrestricted", "factor", "none"}, optional
        Random effects of clusters on the class logits: K - 1 correlated ones (4)-(5), one factor
        (35), or none. Left out, they are unrestricted, and none where there are classes of clusters. With ``"none"``
        alone, standard errors are robust against clusters, and nothing else differs (TYPE = COMPLEX).
    cluster_covariates, cluster_class_covariates : str, optional
        Formulas of covariates of clusters: in the class logits (5); of the classes of clusters, (17), (26).
    cluster_classes : int
        Number of classes M of clusters, D, at least 2; the class logits depend on D (24). None at 0.
    effects_by_cluster_class, items_by_cluster_class : bool
        Whether the covariance of the random effects (18), (25), the parameters of items (22), depend on D.
    offset : str or mapping of item to str, optional
        What is added to the predictor of all items, or of each, with the coefficient one: a column, such as the log of
        an exposure, or an expression of formulas, ``"log(hours)"``. New rows need it as they need covariates.
    inflation : str, optional
        Formula of the inflation w of zero-inflated items: logit w_pc = a_pc + b_p z, with slopes for each item. Left
        out, w_pc is one number for each item and class.
    inflation_slopes_by_class : bool
        Whether the slopes b differ by class.
    covariance : {"none", "equal", "class"} or sequence of pairs
        Residual covariances sigma_pqc of normal items: none; of all pairs, the same in all classes, or others in each;
        or of these pairs of items alone. Covariances are held equal, not correlations.
    covariance_by_class : bool
        Whether the covariances of chosen pairs differ by class.
    item_covariates : mapping of item to formula, optional
        Covariates with a direct effect on an item, the same in all classes: differential item functioning.
    item_covariates_by_class : bool
        Whether these effects differ between the classes.
    group : str, optional
        Column of observed groups, of individuals or of clusters. The log-likelihood is that given the group.
    measurement_by_group : {"equal", "free"} or sequence of str
        What of the items differs by group: nothing, so that classes mean the same in all groups; everything;
        ``"intercepts"`` (thresholds, category logits), ``"loadings"``, ``"residuals"`` (SDs, dispersions),
        ``"covariances"`` of residuals, joined by +; or the items that differ in all of these (a covariance where both
        of its items do).
    sizes_by_group, slopes_by_group : bool
        Whether class logits, and the slopes of their covariates, differ by group. Random parts of clusters and
        classes of clusters do not.
    known : str or mapping of str to str, optional
        Column of the class in which an individual is known to be, 1, 2, ..., missing where it is not; by class
        variable where there are classes of clusters: ``{"C": "diagnosis"}``.
    fix, equal
        Entries that are fixed, held equal or related by equations: as in :func:`bayesmix.constrain`.

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        No items, a duplicate item, a number of classes below one (of clusters: below two), a family for no item,
        unknown `effects`, something of clusters or of their classes without any, a covariance of items that are not
        normal or not there.

    Examples
    --------
    >>> model = bm.models.lca(["a", "b", "c", "d"], 2, "x", cluster="g")
    >>> [p.name for p in model.parameters][:3]
    ['class_logit', 'class_slope', 'cluster_loading']
    >>> profiles = bm.models.lca(["a", "b"], 2, family=bm.normal(), variance="class", covariance="class")
    >>> [p.name for p in profiles.parameters]
    ['class_logit', 'item_intercept', 'item_sd', 'item_covariance']
    """
    classes = class_number(classes)
    effects = effects or ("unrestricted" if cluster and not cluster_classes else "none")
    d = cluster_class(cluster_classes, cluster_class_covariates)
    by_d = tuple(k.name for k in d)
    by = (*by_d * items_by_cluster_class, "C")
    responses = item_responses(
        items, family, by, variance, item_covariates, covariates_by=("C",) * item_covariates_by_class
    )
    responses = with_inflation(
        with_offset(responses, offset), inflation, slopes_by=by * inflation_slopes_by_class,
        asked="inflation_slopes_by_class=True" * inflation_slopes_by_class,
    )  # fmt: skip
    responses = with_covariances(responses, covariance, covariance_by_class, by)
    logits = class_logits("C", "class", by_d, individual=covariates, cluster=cluster_covariates)
    u, loadings = random_class_logits("C", classes, "cluster", effects, by_d * effects_by_cluster_class)
    needs_clusters(cluster, effects=effects, cluster_covariates=cluster_covariates, cluster_classes=cluster_classes)
    needs_cluster_classes(
        cluster_classes, cluster_class_covariates=cluster_class_covariates,
        effects_by_cluster_class=effects_by_cluster_class, items_by_cluster_class=items_by_cluster_class,
    )  # fmt: skip
    c = LatentClass("C", classes, "individual", (*logits, *loadings))
    declared = Model("lca", responses, (*d, c), u, cluster, freq)
    by_group = ByGroup(measurement_by_group, sizes_by_group, slopes_by_group)
    return constrain(known_pairs(over_groups(declared, group, by_group), known), fix=fix, equal=equal)


STRUCTURES = (
    ("equal", "none"), ("class", "none"), ("equal", "equal"),
    ("class", "equal"), ("equal", "class"), ("class", "class"),
)  # fmt: skip


def profile_structures(items: Items, classes: int = 2, **arguments: Any) -> dict[str, Model]:
    """Declare latent profile models, y ~ N(mu_c, Sigma_c), with each of the six structures of Sigma_c.

    Its diagonal, the residual variances, is the same in all classes or not, and beside it are no covariances, the same
    in all classes, or others in each. As tidyLPA and users of Mplus number them: 1 (equal, none), 2 (class, none),
    3 (equal, equal), 4 (class, equal), 5 (equal, class), 6 (class, class).

    Parameters
    ----------
    items : sequence of str
        Columns of the items, all normal.
    classes : int
        Number of classes; :func:`bayesmix.enumerate_structures` replaces it.
    **arguments
        Further ones of :func:`bayesmix.models.lca`, but for `family`, `variance` and `covariance`.

    Returns
    -------
    dict of str to Model
        By the variances and the covariances, ``"class, equal"`` and so on, in the order above.

    Raises
    ------
    TypeError
        An argument that the structures give themselves.
    ValueError
        As :func:`bayesmix.models.lca`.

    Examples
    --------
    >>> list(bm.models.profile_structures(["a", "b"]))[:3]
    ['equal, none', 'class, none', 'equal, equal']
    """
    if own := [k for k in ("family", "variance", "covariance", "covariance_by_class") if k in arguments]:
        raise TypeError(
            f"{own[0]}= came, which the structures have of their own: declare one model with bm.models.lca."
        )
    return {
        f"{variance}, {covariance}": lca(
            items, classes, family=normal(), variance=variance, covariance=covariance, **arguments
        )
        for variance, covariance in STRUCTURES
    }
