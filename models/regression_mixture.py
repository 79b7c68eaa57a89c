r"""Regression mixtures, R(1)-R(32), and regressions with classes of clusters, (16)-(19).

For individual i in cluster j, given the classes C_ij = c of the individual and D_j = d of the cluster,

    y_ij = beta_0 + sum_k beta_k x_kij + r_ij,        r_ij ~ N(0, theta),                           R(18), R(26)
    beta_kj = gamma_k,cd + gamma_k1 w_j + u_kj,                                      R(20)-R(22), R(28)-R(30), (18)
    P(C_ij = c | D_j = d) = exp(a_cj + b_c z_ij) / sum_s exp(a_sj + b_s z_ij),        a_Kj = b_K = 0,        R(19)
    a_cj = gamma_c + gamma_c1 w_j + u_cj,  or  lambda_c f_j with f_j = gamma_f w_j + u_fj,  lambda_1 = 1,   R(23)-R(25)
    P(D_j = d) = exp(a_d + b_d w_j) / sum_s exp(a_s + b_s w_j),        a_L = b_L = 0,                        R(32)

with all u_j jointly normal, Cov(u) = Theta_2, and theta common, by class, or kappa_0 + kappa x_ij, R(17). For
binary, ordinal and count outcomes beta . x is the linear predictor of the family; the inflation of counts with more
zeros has the logit a + b z, or is one number. Without a cluster column there
are no j, w, u and D: R(1)-R(2). With classes=1 and no D this is the conventional two-level regression R(10)-R(16);
with D alone, (19).

Several outcomes y_mij, m = 1, 2, ..., have such a regression each, and the classes in common. The u_mkj of all of them
are jointly normal, Cov(u) = Theta_2 over outcomes and coefficients, and the residuals of normal outcomes are,

    (r_1ij, r_2ij, ...) | C_ij = c ~ N(0, Sigma_c),        Sigma_c = theta_mc on the diagonal, sigma_mm'c beside it.

A missing outcome drops out of the density: the others of its row stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from bayesmix import LatentClass, Model, constrain
from bayesmix.checks import needs_cluster_classes, needs_clusters, needs_groups
from bayesmix.spec import GROUP, Equal, Fix, blocks
from bayesmix.spec.blocks import (
    ByOutcome,
    Covariance,
    Families,
    Formula,
    Formulas,
    KnownColumn,
    Offset,
    class_logits,
)

Terms = Annotated[Sequence[str], "terms"]


def regression_mixture(
    formula: Formulas,
    classes: int = 1,
    covariates: Formula = None,
    family: Families = None,
    variance: str | Mapping[str, str] = "equal",
    freq: str | None = None,
    *,
    by_class: ByOutcome = None,
    cluster: str | None = None,
    random: str | Mapping[str, str] = "1",
    covariance: str = "unrestricted",
    effects: str | None = None,
    cluster_covariates: str | Mapping[str, str | Mapping[str, str]] | None = None,
    cluster_covariates_by_class: Terms = (),
    cluster_classes: int = 0,
    cluster_class_covariates: Formula = None,
    by_cluster_class: ByOutcome = None,
    effects_by_cluster_class: bool = False,
    cluster_covariates_by_cluster_class: Terms = (),
    logits_by_cluster_class: bool = False,
    offset: Offset = None,
    inflation: Formula = None,
    inflation_by_class: bool = False,
    residual_covariance: Covariance | None = None,
    residual_covariance_by_class: bool = False,
    group: str | None = None,
    coefficients_by_group: ByOutcome = None,
    variance_by_group: bool = False,
    sizes_by_group: bool = True,
    slopes_by_group: bool = True,
    known: KnownColumn = None,
    fix: Fix = None,
    equal: Equal = None,
) -> Model:
    """Declare a regression mixture, single-level or two-level, of one outcome or of several.

    Coefficients are named by the terms of the formula, the intercept is ``"1"``. With several outcomes an argument says
    the same of all of them, or of each in a mapping of outcome to value.

    Parameters
    ----------
    formula : str or sequence of str
        The regression, e.g. ``"math ~ female + stud_ses"``. Of several outcomes: ``"y1 + y2 ~ x"``, or other terms for
        each, ``["y1 ~ x", "y2 ~ x + z"]``, as one text ``"y1 ~ x; y2 ~ x + z"``. Outcomes do not stand on a right side.
    classes : int
        Number of classes K of individuals; 1 is a conventional regression.
    covariates, freq, cluster, cluster_classes, cluster_class_covariates
        As in :func:`bayesmix.models.lca`: R(2), R(19); classes D of clusters, (17), R(32).
    family : Family or mapping of str to Family, optional
        Distribution of the outcomes, `normal()` for those of which nothing is said; any but `nominal()`.
    variance : str or mapping of str to str
        Residual variance of a normal outcome: ``"equal"``, ``"class"`` (one for each class), or the formula of
        covariates on which it depends linearly R(17), of individuals or of groups. Of counts ``"class"`` is a
        dispersion for each class.
    by_class, by_cluster_class : str or mapping of str to str, optional
        Coefficients that vary over the classes C, D, e.g. ``"1 + female"``; all of them if left out.
    random : str or mapping of str to str
        Coefficients with a random part of clusters, u_kj; ``"0"`` for none. The effects are ``u_intercept``,
        ``u_female``; of several outcomes ``u_y1_intercept``.
    covariance : {"unrestricted", "slopes apart", "independent"}
        Of all random parts, of all outcomes, those of the class logits too: unrestricted; unrestricted but for the
        covariances between slopes, which are zero; all zero.
    effects : {"factor", "unrestricted", "none"}, optional
        Random parts of the class logits: one factor R(24)-R(25), K - 1 of them R(23), or none. Left out: one
        factor, in a two-level model without classes of clusters.
    cluster_covariates : str or mapping of str to str, optional
        Covariates of clusters, a formula for each coefficient that they predict: ``{"1": "w", "female": "w"}`` or
        the text ``"1 ~ w; female ~ w"``. Under ``"class"`` they predict each class logit R(23), with a factor by
        its regression and direct effects on the other logits; under ``"factor"`` the factor alone. One formula
        without a name stands for all random coefficients and ``"class"``. One class has no logits to predict. By
        outcome: ``{"y1": "w", "y2": {"x": "w"}, "class": "w"}``.
    cluster_covariates_by_class, cluster_covariates_by_cluster_class : sequence of str
        Coefficients for which the slopes of cluster covariates vary over the classes C, D.
    effects_by_cluster_class, logits_by_cluster_class : bool
        Whether the covariance matrix of the random coefficients depends on D, (18) (for class logits without random
        parts); whether the logits of C do, (24).
    offset : str or mapping of str to str, optional
        What is added to the linear predictor with the coefficient one: a column, such as the log of an exposure, or an
        expression of formulas, ``"log(hours)"``. New rows need it as they need covariates.
    inflation : str, optional
        Formula of the inflation w of zero-inflated outcomes: logit w = a + b z. Left out, w is one number.
    inflation_by_class : bool
        Whether the inflation (a and b, with covariates) differs by class; one for all if left out. The zeros of those
        who never count look the same in all classes: inflations without covariates, of theirs or of the classes, are
        not told apart.
    residual_covariance : {"none", "equal", "class"} or sequence of pairs, optional
        Residual covariances of normal outcomes: none; of all pairs, the same in all classes, or others in each; or of
        these pairs alone, ``[("y1", "y2")]``. Left out they are ``"equal"`` where two outcomes or more are normal, as
        Mplus has them: without them classes would have to explain what outcomes have in common beyond the covariates.
    residual_covariance_by_class : bool
        Whether those of chosen pairs differ by class.
    group, sizes_by_group, slopes_by_group, known
        As in :func:`bayesmix.models.lca`.
    coefficients_by_group : str or mapping of str to str, optional
        Coefficients that differ by group, e.g. ``"1 + female"``; none if left out.
    variance_by_group : bool
        Whether the residual variance (or dispersion, inflation) does; thresholds go with the intercept ``"1"``.
        Not beside residual covariances.
    fix, equal
        Entries that are fixed, held equal or related by equations: as in :func:`bayesmix.constrain`.

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        A formula without an outcome or an intercept, a coefficient that is no term of it, a number of classes
        below one (of clusters: below two), something of clusters without a cluster column, an unknown setting; an
        outcome twice or on a right side, something for no outcome, residual covariances of one outcome or of those that
        are not normal.

    Examples
    --------
    >>> model = bm.models.regression_mixture("y ~ x", 2, cluster="g")
    >>> [e.name for e in model.effects]
    ['u_intercept', 'f']
    >>> zeros = bm.models.regression_mixture("y ~ x", 2, family=bm.zero_inflated_poisson(), inflation="x")
    >>> [p.name for p in zeros.parameters][-2:]
    ['outcome_inflation_logit', 'outcome_inflation_slope']
    >>> both = bm.models.regression_mixture(["y ~ x", "b ~ 1"], family={"b": bm.bernoulli()}, cluster="g")
    >>> [p.name for p in both.parameters if p.name.startswith("intercept")], [e.name for e in both.effects]
    (['intercept_normal', 'intercept_bernoulli'], ['u_y_intercept', 'u_b_intercept'])
    """
    classes = blocks.class_number(classes)
    regressions = blocks.read_regressions(formula, family, variance)
    effects = effects or ("factor" if cluster and classes > 1 and not cluster_classes else "none")
    d = blocks.cluster_class(cluster_classes, cluster_class_covariates)
    by_c = blocks.chosen_terms("by_class", by_class, regressions, when=classes > 1)
    by_d = blocks.chosen_terms("by_cluster_class", by_cluster_class, regressions, when=d)
    by_g = blocks.chosen_terms(
        "coefficients_by_group", coefficients_by_group, regressions, "0", coefficients_by_group is not None
    )
    random_terms = blocks.chosen_terms("random", random, regressions, "1", cluster)
    between, of_logits = blocks.between_of(cluster_covariates, regressions, random_terms, classes, effects)
    outcomes = [
        blocks.Outcome(r, {"C": in_c, "D": in_d, GROUP: in_g}, terms, on_clusters, variance_by_group)
        for r, in_c, in_d, in_g, terms, on_clusters in zip(
            regressions, by_c, by_d, by_g, random_terms, between, strict=True
        )
    ]
    names, intercepts = blocks.random_effects(outcomes)
    of_d = ("D",) * effects_by_cluster_class
    first = intercepts if len(outcomes) > 1 else 1
    u = blocks.random_coefficients(list(names), covariance, of_d, names, first)
    earlier = list(names) if covariance != "independent" else ()
    f, loadings = blocks.random_class_logits_of_regression(classes, effects, earlier, of_logits.get("factor"), of_d)
    needs_clusters(
        cluster, random=random if random not in ("1", "0") else None, effects=effects,
        cluster_covariates=cluster_covariates, cluster_classes=cluster_classes,
        cluster_class_covariates=cluster_class_covariates,
    )  # fmt: skip
    needs_cluster_classes(cluster_classes, cluster_class_covariates=cluster_class_covariates)
    slopes_by = {"C": cluster_covariates_by_class, "D": cluster_covariates_by_cluster_class, GROUP: ()}
    responses = blocks.regression_responses(
        outcomes, slopes_by, classes, cluster_classes, residual_covariance, residual_covariance_by_class
    )
    of_classes = (("C",) if classes > 1 else ("D",) if cluster_classes else ()) * inflation_by_class
    responses = blocks.with_inflation(
        responses, inflation, (*(GROUP,) * variance_by_group, *of_classes), of_classes,
        "inflation_by_class=True" * inflation_by_class,
    )  # fmt: skip
    parents = ("D",) * logits_by_cluster_class
    a = class_logits("C", "class", parents, individual=covariates, cluster=of_logits.get("class"))
    c = (LatentClass("C", classes, "individual", (*a, *loadings)),) if classes > 1 else ()
    needs_groups(group, coefficients_by_group=coefficients_by_group, variance_by_group=variance_by_group)
    declared = Model(
        "regression_mixture", blocks.with_offset(responses, offset), (*d, *c), (*u, *f), cluster, freq, group=group
    )
    by_group = blocks.ByGroup("equal", sizes_by_group, slopes_by_group)
    declared = blocks.known_pairs(blocks.over_groups(declared, group, by_group), known)
    return constrain(declared, fix=fix, equal=equal)
