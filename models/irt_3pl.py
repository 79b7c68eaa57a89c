r"""The item response models with one, two and three parameters: equations (42)-(50), section 9 of the 2006 paper.

For item p of individual i,

    P(y_pi = 1) = g_p + (1 - g_p) F(tau_p + lambda_p eta_i)
                = g_p + (1 - g_p) F(a_p (eta_i - b_p)),        a_p = lambda_p, b_p = -tau_p / lambda_p,        (42)

F logistic or normal, eta_i ~ N(0, 1), or Gamma x_i + N(0, 1) with covariates. The 2PL has g = 0, the 1PL one a for
all items besides. With classes of individuals tau and lambda are those of the class: a mixture IRT model. Of a mixed
test, items with several ordered categories load on the same eta_i, by cumulative logits (the graded response model) or
by those of neighbours (generalised partial credit),

    P(y_pi >= k) = F(a_p (eta_i - b_pk)),        P(y_pi = k) / P(y_pi = k - 1) = exp(a_p (eta_i - b_pk)),

b_pk = tau_pk / lambda_p. Such answers cannot be guessed: a 3PL is of right and wrong ones.

The same as a restricted FMA-GoM of two classes of responses, known for sure and not,

    P(y_pi = 1 | C_pi = 1) = F(15) = 1,        P(y_pi = 1 | C_pi = 2) = F(tau_p2 + lambda_p2 eta_i),        (45)-(46)
    P(C_pi = 1) = exp(gamma_p) / (1 + exp(gamma_p)) = g_p,                                              (47)-(48)

is :func:`guessing_as_membership`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bayesmix import Family, LatentClass, Model, constrain
from bayesmix.spec import Equal, Fix, blocks
from bayesmix.spec.blocks import Formula, Items, KnownColumn, Measurement


def irt_3pl(
    items: Items,
    guessing: str = "item",
    discrimination: str = "item",
    freq: str | None = None,
    *,
    family: Mapping[str, Family] | None = None,
    link: str = "logit",
    classes: int = 1,
    covariates: Formula = None,
    factor_covariates: Formula = None,
    item_covariates: Mapping[str, str] | None = None,
    cluster: str | None = None,
    group: str | None = None,
    measurement_by_group: Measurement = "equal",
    sizes_by_group: bool = True,
    slopes_by_group: bool = True,
    factors_by_group: bool = True,
    known: KnownColumn = None,
    fix: Fix = None,
    equal: Equal = None,
) -> Model:
    """Declare a 1PL, 2PL or 3PL model, single-level or two-level, or a mixture of several.

    Parameters
    ----------
    items : sequence of str
        Columns of items, binary but for those with a `family`; the larger value is the right answer.
    guessing : {"item", "common", "none"}
        Guessing probabilities g: one for each item, one for all, or none (2PL, 1PL).
    discrimination : {"item", "common"}
        Loadings a: one for each item, or one for all (1PL), those in `family` too.
    freq, cluster : str, optional
        Columns of frequency weights; of cluster labels: the factor has a random part of clusters.
    family : mapping of item to Family, optional
        Of other items of a mixed test: `ordinal()` (graded), `partial_credit()`, or `bernoulli()` for a binary one that
        cannot be guessed.
    link : {"logit", "probit"}
        F of the binary items that are not in `family`.
    classes : int
        Number of classes of individuals, each with its own a and b; the guessing is the same for all.
    covariates, factor_covariates : str, optional
        Formulas of the class logits; of covariates of individuals that predict the factor.
    item_covariates : mapping of item to formula, optional
        Covariates with a direct effect on an item: differential item functioning.
    group, measurement_by_group, sizes_by_group, slopes_by_group, known
        As in :func:`bayesmix.models.lca`; guessing is among the residuals.
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
        Fewer than three items, unknown settings, covariates of classes where there is one, a family that is not of
        tests.

    Examples
    --------
    >>> [p.name for p in bm.models.irt_3pl(["a", "b", "c"]).parameters]
    ['item_intercept', 'loading', 'guessing']
    >>> mixed = bm.models.irt_3pl(["a", "b", "c", "essay"], family={"essay": bm.partial_credit()})
    >>> [p.name for p in mixed.parameters][-2:]
    ['loading_partial_credit', 'item_threshold_partial_credit']
    """
    classes = blocks.class_number(classes)
    by = blocks.item_response_classes(classes, covariates)
    responses = blocks.item_responses_on_one_factor(items, link, guessing, discrimination, by, item_covariates, family)
    eta = blocks.factor_effects(("f",), covariates=factor_covariates, cluster=bool(cluster))
    c = (
        (LatentClass("C", classes, "individual", blocks.class_logits("C", "class", individual=covariates)),)
        if by
        else ()
    )
    declared = Model("irt_3pl", responses, c, eta, cluster, freq)
    by_group = blocks.ByGroup(measurement_by_group, sizes_by_group, slopes_by_group, factors=factors_by_group)
    declared = blocks.known_pairs(blocks.over_groups(declared, group, by_group), known)
    return constrain(declared, fix=fix, equal=equal)


def guessing_as_membership(
    items: Items, link: str = "logit", freq: str | None = None, *, fix: Fix = None, equal: Equal = None
) -> Model:
    """Declare the 3PL model as the restricted FMA-GoM of (43)-(47).

    A response belongs to the class of those that are right for sure with the probability
    exp(gamma_p) / (1 + exp(gamma_p)) = g_p (48); otherwise a = lambda_p2 (49), b = -tau_p2 / lambda_p2 (50).

    Parameters
    ----------
    items, link, freq
        As in :func:`irt_3pl`.

    Examples
    --------
    >>> bm.models.guessing_as_membership(["a", "b", "c"]).classes[0].level
    'item'
    """
    (r,) = blocks.item_responses_on_one_factor(items, link, "none", "item", ("C",), None)
    tau, slope = (
        replace(t, parameter=replace(t.parameter, fixed=x)) for t, x in zip(r.predictor, blocks.CERTAIN, strict=True)
    )
    c = LatentClass("C", 2, "item", (blocks.guessing_logit(),))
    f = blocks.factor_effects(("f",))
    declared = Model("irt_3pl", (replace(r, predictor=(tau, slope)),), (c,), f, None, freq)
    return constrain(declared, fix=fix, equal=equal)
