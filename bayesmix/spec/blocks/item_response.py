"""Items of tests: guessing, discrimination, answers that are right for sure, (42)-(50)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from bayesmix.checks import one_of
from bayesmix.spec.blocks.effects import named_factors
from bayesmix.spec.blocks.measurement import item_responses, listed, loading_on
from bayesmix.spec.families import Link, bernoulli
from bayesmix.spec.model import Response, Term
from bayesmix.spec.parameters import Parameter, Prior, at

CERTAIN = (at(15.0, C=0),), (at(0.0, C=0),)
"""tau and lambda of responses that are right for sure, (45): F(15) is 1 to seven digits."""


def item_response(
    items: Sequence[str],
    link: str,
    guessing: str,
    discrimination: str,
    by: Sequence[str],
    covariates: Mapping[str, str] | None,
) -> Response:
    """Binary items that load on one factor, (42).

    Parameters
    ----------
    items, link, guessing, discrimination
        As in :func:`bayesmix.models.irt_3pl`.
    by : sequence of str
        Class variables that intercepts and loadings depend on.
    covariates : mapping of item to formula, optional
        With a direct effect on an item.

    Raises
    ------
    ValueError
        Fewer than three items; unknown settings.
    """
    items = listed(items)
    if len(items) < 3:
        raise ValueError(f"{len(items)} items came: a factor and its loadings take at least 3.")
    one_of("guessing", guessing, ("item", "common", "none"), " or ")
    one_of("discrimination", discrimination, ("item", "common"))
    (r,) = item_responses(items, bernoulli(cast(Link, link), guessing != "none"), by, covariates=covariates)
    r = loading_on(r, named_factors(items, None), by, discrimination == "common")
    if guessing != "common":
        return r
    (g,) = r.auxiliary
    return replace(r, auxiliary=(replace(g, parameter=replace(g.parameter, dims=())),))


def item_response_classes(classes: int, covariates: str | None) -> tuple[str, ...]:
    """The class variable of a mixture of item response models; none of one class.

    Raises
    ------
    ValueError
        Covariates of the classes where there is one.
    """
    if covariates is not None and classes == 1:
        raise ValueError(
            f"covariates={covariates!r} came with one class: give factor_covariates= for the factor, or classes=2."
        )
    return ("C",) if classes > 1 else ()


def guessing_logit() -> Term:
    """gamma_p, the logit of a response that is right for sure, (47)-(48)."""
    prior = Prior("Normal", mu=-1.2, sigma=0.6)
    return Term(Parameter("guessing_logit", ("item", "C"), prior=prior, fixed=(at(0.0, C=-1),)))
