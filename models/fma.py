r"""Factor mixture analysis, mixture IRT: equations (36)-(37), section 8 of the 2006 paper.

For item p of individual i,

    P(y_pi = 1 | C_i = c) = F(tau_pc + lambda_pc eta_i),        F normal or logistic,                     (36)
    P(C_i = c) = exp(alpha_c + beta_c x_i) / sum_s exp(alpha_s + beta_s x_i),        alpha_K = beta_K = 0,        (37)
    eta_i = mu_c + Gamma x_i + sigma_c r_i,        r_i ~ N(0, 1),        mu_K = 0, sigma_K = 1,

and likewise for ordinal items (thresholds), nominal ones (tau and lambda of each category but the first) and normal
ones. Several factors have a pattern of loadings, and correlated residuals r. In a two-level model the class logits
have a random part of clusters, and so have the factors: eta_ij = ... + sigma_u u_j, u_j ~ N(0, 1).

What is fixed, and why. The scale of a factor is nobody's: its mean is 0 and its SD 1, in the last class where they
vary. Class intercepts say all that class means of the factor could, so that means vary only where intercepts and
loadings do not; class loadings say all that class variances could.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bayesmix import Family, LatentClass, Model, bernoulli
from bayesmix.spec.blocks import (
    COVARIANCES,
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

BY_CLASS = ("intercepts", "loadings", "means", "variances")


def fma(
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
    factor_covariates: str | None = None,
    item_covariates: Mapping[str, str] | None = None,
    cluster: str | None = None,
    effects: str | None = None,
    cluster_covariates: str | None = None,
    factor_clusters: bool = True,
) -> Model:
    """Declare a factor mixture model, single-level or two-level.

    Parameters
    ----------
    items : sequence of str
        Columns of the items.
    classes : int
        Number of classes K; 1 is a factor model, the 2PL for binary items.
    covariates : str, optional
        Formula of the class logits; the last class is the reference.
    family : Family or mapping of item to Family, optional
        Distribution of the items, ``bernoulli("probit")`` of (36) where it is left out.
    variance : {"equal", "class"}
        Residual SD of normal items: the same in all classes, or one for each.
    freq : str, optional
        Column of frequency weights.
    factors : mapping of str to sequence of str, optional
        The items that load on each factor; one factor `f` of all items if left out.
    by_class : str
        What varies over the classes: ``"intercepts"`` (with thresholds and category logits),
        ``"intercepts + loadings"`` for all of (36), ``"intercepts + variances"``, ``"means + variances"`` of the
        factors for measurement that is the same in all classes, ...
    loadings : {"item", "one"}
        A loading for each item, or one for all of them.
    correlated : bool
        Whether the factors, given their covariates, are correlated.
    factor_covariates : str, optional
        Formula of covariates of individuals that predict the factors.
    item_covariates : mapping of item to formula, optional
        Covariates with a direct effect on an item, the same in all classes: differential item functioning.
    cluster : str, optional
        Column of the cluster labels: the model is two-level.
    effects : {"unrestricted", "factor", "none"}, optional
        Random parts of the class logits of clusters; unrestricted, in a two-level model, if left out.
    cluster_covariates : str, optional
        Formula of covariates of clusters in the class logits.
    factor_clusters : bool
        Whether the factors of a two-level model have a random part of clusters.

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        As :func:`bayesmix.models.lca`; something in `by_class` that is not identified beside the rest.
    """
    items, classes = listed(items), class_number(classes)
    varying = _varying(by_class, classes)
    effects = effects or ("unrestricted" if cluster else "none")
    _check_clusters(cluster, effects, cluster_covariates)
    pattern = named_factors(items, factors, loadings)

    def by(what: str) -> tuple[str, ...]:
        return ("C",) if what in varying else ()

    responses = measured(items, family, by("intercepts"), variance, item_covariates, bernoulli("probit"))
    responses = tuple(loading_on(r, pattern, by("loadings"), loadings == "one") for r in responses)
    of_factors = factor_effects(
        tuple(pattern),
        correlated=correlated,
        means=by("means"),
        variances=by("variances"),
        covariates=factor_covariates,
        cluster=bool(cluster) and factor_clusters,
    )
    random, random_parts = random_logits("C", classes, "cluster", effects)
    fixed = logits("C", "class", individual=covariates, cluster=cluster_covariates)
    of_individuals = LatentClass("C", classes, "individual", (*fixed, *random_parts))
    return Model("fma", responses, (of_individuals,), (*random, *of_factors), cluster, freq)


def _varying(by_class: str, classes: int) -> set[str]:
    """What varies over the classes, where that is identified."""
    out = {w.strip() for w in str(by_class).split("+")}
    if unknown := out - set(BY_CLASS):
        raise ValueError(f"by_class came with '{sorted(unknown)[0]}': name some of {', '.join(BY_CLASS)}.")
    for one, others in {"means": ("intercepts", "loadings"), "variances": ("loadings",)}.items():
        if one in out and (beside := [k for k in others if k in out]):
            raise ValueError(
                f"by_class came as {by_class!r}, but {one} of the factors are not identified beside class "
                f"{beside[0]}, which can do all that they do: leave one of the two out."
            )
    return out if classes > 1 else out - {"means", "variances"}


def _check_clusters(cluster: str | None, effects: str, covariates: str | None) -> None:
    if effects not in COVARIANCES:
        raise ValueError(f"effects came as {effects!r}: give {', '.join(map(repr, COVARIANCES))}.")
    asked = {f"effects={effects!r}": effects != "none", f"cluster_covariates={covariates!r}": covariates is not None}
    needs_clusters(cluster, asked)
