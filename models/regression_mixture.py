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

from collections.abc import Mapping, Sequence
from typing import Annotated

from bayesmix import Family, LatentClass, Model, constrain
from bayesmix.checks import needs_cluster_classes, needs_clusters, needs_groups
from bayesmix.spec import GROUP, Equal, Fix, blocks
from bayesmix.spec.blocks import Formula, KnownColumn, Regression, class_logits

Terms = Annotated[Sequence[str], "terms"]


def regression_mixture(
    formula: str,
    classes: int = 1,
    covariates: Formula = None,
    family: Family | None = None,
    variance: str = "equal",
    freq: str | None = None,
    *,
    by_class: Formula = None,
    cluster: str | None = None,
    random: str = "1",
    covariance: str = "unrestricted",
    effects: str | None = None,
    cluster_covariates: str | Mapping[str, str] | None = None,
    cluster_covariates_by_class: Terms = (),
    cluster_classes: int = 0,
    cluster_class_covariates: Formula = None,
    by_cluster_class: Formula = None,
    effects_by_cluster_class: bool = False,
    cluster_covariates_by_cluster_class: Terms = (),
    logits_by_cluster_class: bool = False,
    offset: str | None = None,
    group: str | None = None,
    coefficients_by_group: Formula = None,
    variance_by_group: bool = False,
    sizes_by_group: bool = True,
    slopes_by_group: bool = True,
    known: KnownColumn = None,
    fix: Fix = None,
    equal: Equal = None,
) -> Model:
    """Declare a regression mixture, single-level or two-level.

    Coefficients are named by the terms of the formula, the intercept is ``"1"``.

    Parameters
    ----------
    formula : str
        The regression, e.g. ``"math ~ female + stud_ses"``.
    classes : int
        Number of classes K of individuals; 1 is a conventional regression.
    covariates, freq, cluster, cluster_classes, cluster_class_covariates
        As in :func:`bayesmix.models.lca`: R(2), R(19); classes D of clusters, (17), R(32).
    family : Family, optional
        Distribution of the outcome, `normal()` if left out; any but `nominal()`.
    variance : str
        Residual variance of a normal outcome: ``"equal"``, ``"class"`` (one for each class), or the formula of
        covariates on which it depends linearly R(17), of individuals or of groups. Of counts ``"class"`` is a
        dispersion and an inflation for each class; inflations are told apart by covariates of the classes alone.
    by_class, by_cluster_class : str, optional
        Coefficients that vary over the classes C, D, e.g. ``"1 + female"``; all of them if left out.
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
        the text ``"1 ~ w; female ~ w"``. Under ``"class"`` they predict each class logit R(23), with a factor by
        its regression and direct effects on the other logits; under ``"factor"`` the factor alone. One formula
        without a name stands for all random coefficients and ``"class"``. One class has no logits to predict.
    cluster_covariates_by_class, cluster_covariates_by_cluster_class : sequence of str
        Coefficients for which the slopes of cluster covariates vary over the classes C, D.
    effects_by_cluster_class, logits_by_cluster_class : bool
        Whether the covariance matrix of the random coefficients depends on D, (18) (for class logits without random
        parts); whether the logits of C do, (24).
    offset : str, optional
        What is added to the linear predictor with the coefficient one: a column, such as the log of an exposure, or an
        expression of formulas, ``"log(hours)"``. New rows need it as they need covariates.
    group, sizes_by_group, slopes_by_group, known
        As in :func:`bayesmix.models.lca`.
    coefficients_by_group : str, optional
        Coefficients that differ by group, e.g. ``"1 + female"``; none if left out.
    variance_by_group : bool
        Whether the residual variance (or thresholds, dispersion) does; thresholds go with the intercept ``"1"``.
    fix, equal
        Entries that are fixed, held equal or related by equations: as in :func:`bayesmix.constrain`.

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        A formula without an outcome or an intercept, a coefficient that is no term of it, a number of classes
        below one (of clusters: below two), something of clusters without a cluster column, an unknown setting.

    Examples
    --------
    >>> model = bm.models.regression_mixture("y ~ x", 2, cluster="g")
    >>> [e.name for e in model.effects]
    ['u_intercept', 'f']
    """
    classes = blocks.class_number(classes)
    regression = Regression.parse(formula, family, variance)
    effects = effects or ("factor" if cluster and classes > 1 and not cluster_classes else "none")
    d = blocks.cluster_class(cluster_classes, cluster_class_covariates)
    varying = {"C": regression.terms_in(by_class, classes > 1), "D": regression.terms_in(by_cluster_class, d)}
    varying[GROUP] = regression.terms_in(coefficients_by_group, coefficients_by_group is not None)
    slopes_by = {"C": cluster_covariates_by_class, "D": cluster_covariates_by_cluster_class, GROUP: ()}
    random_terms = regression.terms_in(random, cluster)
    between = regression.between(cluster_covariates, random_terms, classes, effects)
    names = blocks.random_names(random_terms)
    by_d = ("D",) * effects_by_cluster_class
    u = blocks.random_coefficients(names, covariance, by_d, regression.sd_prior)
    earlier = names if covariance != "independent" else ()
    f, loadings = blocks.random_class_logits_of_regression(classes, effects, earlier, between.get("factor"), by_d)
    needs_clusters(
        cluster, random=random if random not in ("1", "0") else None, effects=effects, cluster_covariates=between,
        cluster_classes=cluster_classes, cluster_class_covariates=cluster_class_covariates,
    )  # fmt: skip
    needs_cluster_classes(cluster_classes, cluster_class_covariates=cluster_class_covariates)
    eta = (
        *regression.fixed(varying),  # beta_0 and gamma_k, by the classes over which each varies
        *regression.on_clusters(between, slopes_by),  # gamma_k1 w_j
        *regression.random(random_terms),  # u_0j + sum_k u_kj x_kij
    )
    parents = ("D",) * logits_by_cluster_class
    a = class_logits("C", "class", parents, individual=covariates, cluster=between.get("class"))
    c = (LatentClass("C", classes, "individual", (*a, *loadings)),) if classes > 1 else ()
    (outcome,) = blocks.with_offset(
        [regression.response(eta, varying, classes, cluster_classes, variance_by_group)], offset
    )
    needs_groups(group, coefficients_by_group=coefficients_by_group, variance_by_group=variance_by_group)
    declared = Model("regression_mixture", (outcome,), (*d, *c), (*u, *f), cluster, freq, group=group)
    by_group = blocks.ByGroup("equal", sizes_by_group, slopes_by_group)
    declared = blocks.known_pairs(blocks.over_groups(declared, group, by_group), known)
    return constrain(declared, fix=fix, equal=equal)
