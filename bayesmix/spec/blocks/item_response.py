"""Items of tests: guessing, discrimination, answers that are right for sure, (42)-(50)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from bayesmix.checks import one_of
from bayesmix.spec.blocks.effects import named_factors
from bayesmix.spec.blocks.measurement import item_responses, listed, loading_on
from bayesmix.spec.families import Family, Link, bernoulli, check_family
from bayesmix.spec.model import Response, Term
from bayesmix.spec.parameters import Parameter, Prior, at

CERTAIN = (at(15.0, C=0),), (at(0.0, C=0),)
"""tau and lambda of responses that are right for sure, (45): F(15) is 1 to seven digits."""


def item_responses_on_one_factor(
    items: Sequence[str],
    link: str,
    guessing: str,
    discrimination: str,
    by: Sequence[str],
    covariates: Mapping[str, str] | None,
    family: Mapping[str, Family] | None = None,
) -> tuple[Response, ...]:
    """Items of a test that load on one factor, (42): a response for each family among them.

    Parameters
    ----------
    items, link, guessing, discrimination, family
        As in :func:`bayesmix.models.irt_3pl`.
    by : sequence of str
        Class variables that intercepts, thresholds and loadings depend on.
    covariates : mapping of item to formula, optional
        With a direct effect on an item.

    Raises
    ------
    ValueError
        Fewer than three items; unknown settings; families that are not of tests, or none of single items.
    """
    items = listed(items)
    if len(items) < 3:
        raise ValueError(f"{len(items)} items came: a factor and its loadings take at least 3.")
    one_of("guessing", guessing, ("item", "common", "none"), " or ")
    one_of("discrimination", discrimination, ("item", "common"))
    binary = bernoulli(cast(Link, link), guessing != "none")
    responses = item_responses(items, _families(family), by, covariates=covariates, default=binary)
    one = discrimination == "common"
    return tuple(
        _with_common_guessing(loading_on(r, named_factors(r.items, None), by, one), guessing) for r in responses
    )


def _families(family: Mapping[str, Family] | None) -> dict[str, Family]:
    """Families by item, of items that a test may have.

    Raises
    ------
    ValueError
        A family for all items; one that is neither ordered nor binary; guessing, which has a setting of its own.
    """
    if family is not None and not isinstance(family, Mapping):
        raise ValueError(
            f"The family came as {family}, expected a mapping of items to families, {{'essay': bm.partial_credit()}}; "
            "items that are not in it are binary."
        )
    for item, own in (family or {}).items():
        check_family(own)
        if getattr(own, "guessing", False):
            raise ValueError(
                f"The family of '{item}' came as {own}: guessing= says it for the items that are not in family=; "
                "there bm.bernoulli() is an item that cannot be guessed."
            )
        if not own.difficulties:
            raise ValueError(
                f"The family of '{item}' came as {own}, expected bm.ordinal(), bm.partial_credit() or bm.bernoulli(): "
                "bm.models.fma takes others."
            )
    return dict(family or {})


def _with_common_guessing(r: Response, guessing: str) -> Response:
    """The response with one guessing probability for all its items, where that is asked for and it has some."""
    if guessing != "common" or not r.auxiliary_term("guessing"):
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
