"""Residual covariances of normal items within classes: y_i ~ N(eta_i, Sigma_c), Sigma_c full or of chosen pairs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from bayesmix.checks import nearest, one_of
from bayesmix.spec.families import JointNormal, Normal
from bayesmix.spec.model import Response, Term

Covariance = str | Sequence[Sequence[str]]
"""``"none"``, ``"equal"`` or ``"class"``, or pairs of items."""
FORM = "give 'none', 'equal', 'class', or pairs of items such as [('a', 'b')]"


def with_covariances(
    responses: tuple[Response, ...],
    covariance: Covariance,
    by_class: bool,
    classes: Sequence[str],
    option: str = "covariance",
) -> tuple[Response, ...]:
    """The responses, with residual covariances of the normal items.

    Parameters
    ----------
    responses : tuple of Response
    covariance : {"none", "equal", "class"} or iterable of pairs
        None; of all pairs of normal items, the same in all classes or others in each; or of these pairs alone.
    by_class : bool
        Whether those of pairs differ by class.
    classes : sequence of str
        Names of the class variables that they may depend on.
    option : str
        What the argument is called.

    Raises
    ------
    ValueError
        What is none of these, items that are not normal, fewer than two of them, a pair of unknown items or of one.
    """
    pairs = None if isinstance(covariance, str) else _pairs(covariance, [i for r in responses for i in r.items], option)
    if pairs is None:
        one_of(_said(option), covariance, ("none", "equal", "class"), more=", or pairs of items: [('a', 'b')]")
    if by_class and pairs is None:
        raise ValueError(
            f"{option}_by_class came as True beside {option}={covariance!r}: it is for chosen pairs; give "
            f"{option}='class'."
        )
    if pairs is None and covariance == "none":
        return responses
    of_items = {i: r for r in responses for i in r.items}
    for item in {i for p in pairs or () for i in p}:
        if not isinstance(of_items[item].family, Normal):
            raise ValueError(
                f"A covariance came for '{item}', whose family is {of_items[item].family.name}: only normal items have "
                "residual covariances. Leave the pair out, or give family=bm.normal()."
            )
    normal = [r for r in responses if isinstance(r.family, Normal)]
    if not normal:
        raise ValueError(
            f"{option} came as {covariance!r}, but no item is normal: only normal items have residual covariances. "
            f"Give family=bm.normal(), or leave {option}= out."
        )
    by = tuple(classes) if by_class or covariance == "class" else ()
    return tuple(_jointly(r, pairs, by, option) if isinstance(r.family, Normal) else r for r in responses)


def _said(option: str) -> str:
    """The argument at the beginning of a sentence."""
    return f"The {option.replace('_', ' ')}"


def _pairs(covariance: Any, items: Sequence[str], option: str) -> list[tuple[str, str]]:
    """The pairs in the order of the items, each once."""
    if isinstance(covariance, dict) or not isinstance(covariance, Iterable):
        raise ValueError(f"{_said(option)} came as {covariance!r}: {FORM}.")
    out: list[tuple[str, str]] = []
    for pair in covariance:
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
            raise ValueError(f"{_said(option)} came with {pair!r}, which is no pair of items: {FORM}.")
        for item in pair:
            if item not in items:
                near = nearest(item, items)
                hint = f"did you mean '{near}'?" if near else f"the items are {', '.join(items)}."
                raise ValueError(f"{_said(option)} came with {item!r}, which is not among the items: {hint}")
        if pair[0] == pair[1]:
            raise ValueError(f"{_said(option)} came with the pair {tuple(pair)!r}, one item twice: give two items.")
        a, b = sorted(pair, key=items.index)
        if (a, b) in out:
            raise ValueError(f"{_said(option)} came with the pair {(a, b)!r} twice: give it once.")
        out.append((a, b))
    if not out:
        raise ValueError(f"{_said(option)} came as an empty list: {FORM}.")
    return sorted(out, key=lambda p: (items.index(p[0]), items.index(p[1])))


def _jointly(r: Response, pairs: list[tuple[str, str]] | None, by: tuple[str, ...], option: str) -> Response:
    """A normal response with covariances."""
    family = r.family
    if getattr(family, "linear_variance", False):
        raise ValueError("Residual covariances came for items with a linear variance: give family=bm.normal().")
    own = [*combinations(r.items, 2)] if pairs is None else [p for p in pairs if {*p} <= {*r.items}]
    if not own and pairs is not None:
        return r
    if not own:
        raise ValueError(
            f"Residual covariances came for the one normal item '{r.items[0]}': a covariance is of two. Leave "
            f"{option}= out, or give more items."
        )
    joint = JointNormal()
    if r.of_outcomes:
        pair_dim = f"outcome_pair{r.suffix}"
        parameter = joint.outcome_covariance(by, pair_dim, r.suffix)
    else:
        pair_dim = f"item_pair{r.suffix}"
        parameter = joint.item_covariance(by, pair_dim, r.suffix)
    return replace(r, family=joint, auxiliary=(*r.auxiliary, Term(parameter)), pairs=tuple(own), pair_dim=pair_dim)
