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

from collections.abc import Mapping, Sequence

from bayesmix import Family, LatentClass, Model
from bayesmix.spec.blocks import COVARIANCES, class_number, listed, logits, measured, needs_clusters, random_logits


def gom(
    items: Sequence[str],
    classes: int,
    covariates: str | None = None,
    family: Family | Mapping[str, Family] | None = None,
    variance: str = "equal",
    freq: str | None = None,
    *,
    effects: str = "unrestricted",
    item_covariates: Mapping[str, str] | None = None,
    cluster: str | None = None,
    cluster_effects: str | None = None,
    cluster_covariates: str | None = None,
) -> Model:
    """Declare a grade-of-membership model, single-level or two-level.

    Parameters
    ----------
    items : sequence of str
        Columns of the items.
    classes : int
        Number of classes (extreme profiles) K.
    covariates : str, optional
        Formula of the membership logits (33); the last class is the reference.
    family : Family or mapping of item to Family, optional
        Distribution of the items, `nominal()` if left out. The paper's binary items are
        `bernoulli("probit")`; the classes are free of the link.
    variance : {"equal", "class"}
        Residual SD of normal items: the same in all classes, or one for each.
    freq : str, optional
        Column of frequency weights.
    effects : {"unrestricted", "factor"}
        Covariance matrix of the membership logits, or one factor (35); the same for K = 2.
    item_covariates : mapping of item to formula, optional
        Covariates with a direct effect on an item, the same in all classes, as below (33).
    cluster : str, optional
        Column of the cluster labels: the model is two-level.
    cluster_effects : {"unrestricted", "factor", "none"}, optional
        Random effects of clusters on the membership logits; one factor if left out.
    cluster_covariates : str, optional
        Formula of covariates of clusters in the membership logits.

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        As :func:`bayesmix.models.lca`; one class, or effects "none" (the responses would be independent).
    """
    items, more = listed(items), ". With one extreme profile the responses would be independent (bm.models.lca takes 1)"
    classes = class_number(classes, 2, more)
    _check(effects, cluster, cluster_effects, cluster_covariates)
    own, memberships = random_logits("C", classes, "individual", effects)
    shared, of_clusters = random_logits("C", classes, "cluster", cluster_effects or ("factor" if cluster else "none"))
    fixed = logits("C", "class", individual=covariates, cluster=cluster_covariates)
    of_items = LatentClass("C", classes, "item", (*fixed, *memberships, *of_clusters))
    responses = measured(items, family, ("C",), variance, item_covariates)
    return Model("gom", responses, (of_items,), (*shared, *own), cluster, freq)


def _check(effects: str, cluster: str | None, cluster_effects: str | None, formula: str | None) -> None:
    if effects == "none":
        raise ValueError("effects came as 'none': without random memberships the responses would be independent.")
    for name, value, known in (
        ("effects", effects, COVARIANCES[:2]),
        ("cluster_effects", cluster_effects or "none", COVARIANCES),
    ):
        if value not in known:
            raise ValueError(f"{name} came as {value!r}: give {', '.join(map(repr, known))}.")
    asked = {
        f"cluster_effects={cluster_effects!r}": cluster_effects is not None,
        f"cluster_covariates={formula!r}": formula is not None,
    }
    needs_clusters(cluster, asked)
