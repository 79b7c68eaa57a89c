r"""Latent class analysis: equations (1), (4) and (27), two-level (4)-(5), (16)-(18) and (22)-(26).

For item p of individual i in cluster j,

    P(y_pij = k | C_ij = c, D_j = d) = pi_pkc,        independently over items given the classes,
    P(C_ij = c | D_j = d) = exp(eta_ijc) / sum_s exp(eta_ijs),        eta_ijK = 0,
    eta_ijc = alpha_cd + beta_c x_ij + gamma_c w_j + sum_k lambda_kc z_kj,        z_kj ~ N(0, 1),
    P(D_j = d) = exp(delta_d + kappa_d v_j) / sum_s exp(delta_s + kappa_s v_j),        delta_M = kappa_M = 0,

with pi written by the family: category logits (nominal), an intercept (bernoulli), thresholds
(ordinal), a mean and SD (normal), a log rate (poisson). Without a cluster column there are no j, D,
w and z: P(C_i = c) has the logits alpha_c + beta_c x_i.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bayesmix import Family, LatentClass, Model
from bayesmix.spec.blocks import (
    COVARIANCES,
    class_number,
    cluster_class,
    cluster_class_number,
    listed,
    logits,
    measured,
    needs_clusters,
    random_logits,
)


def lca(
    items: Sequence[str],
    classes: int,
    covariates: str | None = None,
    family: Family | Mapping[str, Family] | None = None,
    variance: str = "equal",
    freq: str | None = None,
    *,
    cluster: str | None = None,
    effects: str | None = None,
    cluster_covariates: str | None = None,
    cluster_classes: int = 0,
    cluster_class_covariates: str | None = None,
    effects_by_cluster_class: bool = False,
    items_by_cluster_class: bool = False,
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
        Distribution of the items, `nominal()` for all of them (or for those not in the mapping)
        if left out; several families may stand in one model.
    variance : {"equal", "class"}
        Residual SD of normal items: the same in all classes, or one for each.
    freq : str, optional
        Column of frequency weights.
    cluster : str, optional
        Column of the cluster labels: the model is two-level.
    effects : {"unrestricted", "factor", "none"}, optional
        Random effects of clusters on the class logits: K - 1 correlated ones (4)-(5), one factor
        (35), or none. Left out, they are unrestricted, and none where there are classes of clusters.
    cluster_covariates : str, optional
        Formula of covariates of clusters in the class logits (5).
    cluster_classes : int
        Number of classes M of clusters, D, at least 2; the class logits depend on D (24). None at 0.
    cluster_class_covariates : str, optional
        Formula of covariates of clusters that predict D, (17), (26).
    effects_by_cluster_class, items_by_cluster_class : bool
        Whether the covariance matrix of the random effects (18), (25), and the parameters of the
        items (22), depend on D.

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        No items, a duplicate item, a number of classes below one (of clusters: below two), a family
        for no item, unknown `effects`, something of clusters without a cluster column, something of
        their classes without any.
    """
    items, classes, cluster_classes = listed(items), class_number(classes), cluster_class_number(cluster_classes)
    effects = effects or ("unrestricted" if cluster and not cluster_classes else "none")
    _check(cluster, effects, cluster_covariates, cluster_classes)
    _check_classes(cluster_classes, cluster_class_covariates, effects_by_cluster_class, items_by_cluster_class)
    of_clusters = cluster_class(cluster_classes, cluster_class_covariates)
    parents = tuple(d.name for d in of_clusters)
    random, loadings = random_logits("C", classes, "cluster", effects, parents if effects_by_cluster_class else ())
    fixed = logits("C", "class", parents, individual=covariates, cluster=cluster_covariates)
    responses = measured(items, family, (*parents, "C") if items_by_cluster_class else ("C",), variance)
    of_individuals = LatentClass("C", classes, "individual", (*fixed, *loadings))
    return Model("lca", responses, (*of_clusters, of_individuals), random, cluster, freq)


def _check(cluster: str | None, effects: str, covariates: str | None, cluster_classes: int) -> None:
    if effects not in COVARIANCES:
        raise ValueError(f"effects came as {effects!r}: give {', '.join(map(repr, COVARIANCES))}.")
    asked = {
        f"effects={effects!r}": effects != "none",
        f"cluster_covariates={covariates!r}": covariates is not None,
        f"cluster_classes={cluster_classes!r}": bool(cluster_classes),
    }
    needs_clusters(cluster, asked)


def _check_classes(cluster_classes: int, covariates: str | None, effects: bool, items: bool) -> None:
    asked = {
        f"cluster_class_covariates={covariates!r}": covariates is not None,
        "effects_by_cluster_class=True": effects,
        "items_by_cluster_class=True": items,
    }
    if not cluster_classes and (came := [k for k, v in asked.items() if v]):
        raise ValueError(f"{came[0]} came without classes of clusters: give cluster_classes=2 or more.")
