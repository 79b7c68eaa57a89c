r"""The item response models with one, two and three parameters: equations (42)-(50), section 9 of the 2006 paper.

For item p of individual i,

    P(y_pi = 1) = g_p + (1 - g_p) F(tau_p + lambda_p eta_i)
                = g_p + (1 - g_p) F(a_p (eta_i - b_p)),        a_p = lambda_p, b_p = -tau_p / lambda_p,        (42)

F logistic or normal, eta_i ~ N(0, 1), or Gamma x_i + N(0, 1) with covariates. The 2PL has g = 0, the 1PL one a for
all items besides. With classes of individuals tau and lambda are those of the class: a mixture IRT model.

The same as a restricted FMA-GoM of two classes of responses, known for sure and not,

    P(y_pi = 1 | C_pi = 1) = F(15) = 1,        P(y_pi = 1 | C_pi = 2) = F(tau_p2 + lambda_p2 eta_i),        (45)-(46)
    P(C_pi = 1) = exp(gamma_p) / (1 + exp(gamma_p)) = g_p,                                              (47)-(48)

is :func:`guessing_as_membership`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bayesmix import LatentClass, Model, Parameter, Prior, Response, Term, at, bernoulli
from bayesmix.spec.blocks import class_number, factor_effects, listed, loading_on, logits, measured, named_factors

CERTAIN = 15.0
"""tau_p1 of section 9: F(15) is 1 to seven digits."""


def irt_3pl(
    items: Sequence[str],
    guessing: str = "item",
    discrimination: str = "item",
    freq: str | None = None,
    *,
    link: str = "logit",
    classes: int = 1,
    covariates: str | None = None,
    factor_covariates: str | None = None,
    item_covariates: Mapping[str, str] | None = None,
    cluster: str | None = None,
) -> Model:
    """Declare a 1PL, 2PL or 3PL model, single-level or two-level, or a mixture of several.

    Parameters
    ----------
    items : sequence of str
        Columns of binary items; the larger value is the right answer.
    guessing : {"item", "common", "none"}
        Guessing probabilities g: one for each item, one for all, or none (2PL, 1PL).
    discrimination : {"item", "common"}
        Loadings a: one for each item, or one for all (1PL).
    freq : str, optional
        Column of frequency weights.
    link : {"logit", "probit"}
        F.
    classes : int
        Number of classes of individuals, each with its own a and b; the guessing is the same for all.
    covariates : str, optional
        Formula of the class logits.
    factor_covariates : str, optional
        Formula of covariates of individuals that predict the factor.
    item_covariates : mapping of item to formula, optional
        Covariates with a direct effect on an item: differential item functioning.
    cluster : str, optional
        Column of the cluster labels: the factor has a random part of clusters.

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        Fewer than three items, unknown settings, covariates of classes where there is one.
    """
    items, classes = listed(items), class_number(classes)
    _check(items, guessing, discrimination, classes, covariates)
    by = ("C",) if classes > 1 else ()
    family = bernoulli(link, guessing=guessing != "none")  # pyright: ignore[reportArgumentType]
    (r,) = measured(items, family, by, covariates=item_covariates)
    r = loading_on(r, named_factors(items, None), by, discrimination == "common")
    of_factor = factor_effects(("f",), covariates=factor_covariates, cluster=bool(cluster))
    of_classes = (LatentClass("C", classes, "individual", logits("C", "class", individual=covariates)),) if by else ()
    response = _common(r) if guessing == "common" else r
    return Model("irt_3pl", (response,), of_classes, of_factor, cluster, freq)


def _common(r: Response) -> Response:
    """One guessing probability for all items."""
    (g,) = r.auxiliary
    return replace(r, auxiliary=(replace(g, parameter=replace(g.parameter, dims=())),))


def guessing_as_membership(items: Sequence[str], link: str = "logit", freq: str | None = None) -> Model:
    """Declare the 3PL model as the restricted FMA-GoM of (43)-(47).

    A response belongs to the class of those that are right for sure with the probability
    exp(gamma_p) / (1 + exp(gamma_p)) = g_p (48); otherwise a = lambda_p2 (49), b = -tau_p2 / lambda_p2 (50).

    Parameters
    ----------
    items, link, freq
        As in :func:`irt_3pl`.
    """
    items = listed(items)
    _check(items, "item", "item", 1, None)
    (r,) = measured(items, bernoulli(link), ("C",))  # pyright: ignore[reportArgumentType]
    r = loading_on(r, named_factors(items, None), ("C",))
    intercept, loading = r.predictor
    tau = replace(intercept.parameter, fixed=(at(CERTAIN, C=0),))
    slope = replace(loading.parameter, fixed=(at(0.0, C=0),))
    r = replace(r, predictor=(replace(intercept, parameter=tau), replace(loading, parameter=slope)))
    prior = Prior("Normal", mu=-1.2, sigma=0.6)
    gamma = Parameter("guessing_logit", ("item", "C"), prior=prior, fixed=(at(0.0, C=-1),))
    return Model("irt_3pl", (r,), (LatentClass("C", 2, "item", (Term(gamma),)),), factor_effects(("f",)), None, freq)


def _check(items: Sequence[str], guessing: str, discrimination: str, classes: int, covariates: str | None) -> None:
    if len(items) < 3:
        raise ValueError(f"{len(items)} items came: a factor and its loadings take at least 3.")
    if guessing not in ("item", "common", "none"):
        raise ValueError(f"guessing came as {guessing!r}: give 'item', 'common' or 'none'.")
    if discrimination not in ("item", "common"):
        raise ValueError(f"discrimination came as {discrimination!r}: give 'item' or 'common'.")
    if covariates is not None and classes == 1:
        raise ValueError(
            f"covariates={covariates!r} came with one class: give factor_covariates= for the factor, or classes=2."
        )
