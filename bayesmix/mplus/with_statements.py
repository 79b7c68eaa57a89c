"""WITH statements of items within classes: which residual covariances an Mplus input frees, and where."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from bayesmix.mplus.language import expand
from bayesmix.spec.families import Family, Normal

STATEMENT = re.compile(r"^(.+?)\s+WITH\s+(.+?)\s*$")
LABEL = re.compile(r"\(([^)]*)\)")
WORD = re.compile(r"^([^@*]+)(?:@(-?[\d.]+)|\*(-?[\d.]*))?$")
Pair = tuple[str, str]


def refused(part: str) -> ValueError:
    """What is raised of a part that no model of a template has."""
    return ValueError(f"The input has {part}: this is not among the models that are made of an input here.")


def is_covariance(statement: str) -> bool:
    """Whether a statement is of covariances."""
    return bool(STATEMENT.match(statement))


def says_independence(statement: str) -> bool:
    """Whether it says what models say anyway: that items are independent within classes.

    A value stands behind the word or the range that it is of, ``y1-y4 WITH y1-y4@0``, ``y3 WITH y1@0 y2@0``: of
    ``y3 WITH y1 y2@0`` the first covariance is free.
    """
    return bool(re.match(r"^[\w\s-]+ WITH(?: +\w+(?: *- *\w+)? *@ *(?:0?\.0*|0))+$", statement))


def covariances(
    overall: Sequence[str],
    parts: Sequence[Sequence[str]],
    items: Sequence[str],
    family: Mapping[str, Family],
) -> dict[str, Any]:
    """The residual covariances of an input as :func:`bayesmix.models.lca` takes them.

    Parameters
    ----------
    overall : sequence of str
        Statements of %OVERALL%.
    parts : sequence of sequence of str
        Those of each class.
    items : sequence of str
    family : mapping of str to Family

    Returns
    -------
    dict
        `covariance` and `covariance_by_class`; empty where there are none.

    Raises
    ------
    ValueError
        Covariances of what is no normal item, fixed elsewhere than at zero, or free in some classes alone.
    """
    common = {p for p, value, _ in _stated(overall, items) if value is None}
    zero = {p for p, value, _ in _stated(overall, items) if value is not None}
    free, labels = [], []
    for statements in parts:
        own = list(_stated(statements, items))
        free.append({p for p, value, _ in own if value is None})
        labels.append({p: label for p, _, label in own if label})
        if ended := [p for p, value, _ in own if value is not None and p in common]:
            raise refused(f"a covariance of {' and '.join(ended[0])} that is zero in some classes alone")
    every = set().union(*free) if free else set()
    if some := [p for p in every if not all(p in own for own in free)]:
        raise refused(f"a covariance of {' and '.join(some[0])} that differs in some classes alone")
    if twisted := [p for p in every & zero if any(p not in own for own in free)]:
        raise refused(f"a covariance of {' and '.join(twisted[0])} that is zero in some classes alone")
    held = {p for p in every if labels[0].get(p) and all(own.get(p) == labels[0][p] for own in labels)}
    if odd := [p for p in every - held if _shared(labels, p)]:
        raise refused(f"an equality constraint on the covariance of {' and '.join(odd[0])}")
    by_class, equal = every - held, (common - every) | held
    if not (by_class or equal):
        return {}
    for item in sorted({i for p in by_class | equal for i in p}):
        if not isinstance(family.get(item), Normal):
            raise refused(f"a covariance of {item}, which is no continuous item")
    if by_class and equal:
        raise refused("covariances of which some differ by class and some do not")
    free_pairs = by_class or equal
    normal = [i for i in items if isinstance(family[i], Normal)]
    if free_pairs == {*combinations(normal, 2)}:
        return {"covariance": "class" if by_class else "equal"}
    return {"covariance": sorted(free_pairs), "covariance_by_class": bool(by_class)}


def _shared(labels: Sequence[Mapping[Pair, str]], pair: Pair) -> bool:
    """Whether a label of a pair stands elsewhere too."""
    every = [label for own in labels for label in own.values()]
    return any(every.count(own[pair]) > 1 for own in labels if pair in own)


def _stated(statements: Sequence[str], items: Sequence[str]) -> Iterator[tuple[Pair, float | None, str]]:
    """Each pair of the WITH statements, the value it is fixed at, and its label."""
    for statement in statements:
        found = STATEMENT.match(LABEL.sub(" ", statement))
        if not found:
            continue
        given = [w for text in LABEL.findall(statement) for w in text.replace(",", " ").split()]
        zero = says_independence(LABEL.sub(" ", statement).strip())
        pairs = [*_pairs(found[1], found[2], items, statement)]
        named = given if len(given) == len(pairs) else [given[0]] * len(pairs) if len(given) == 1 else [""] * len(pairs)
        for (pair, value), label in zip(pairs, named, strict=True):
            if value and not zero:
                raise refused(f"a fixed value, '{statement}'")
            yield pair, 0.0 if zero else value, label


def _pairs(left: str, right: str, items: Sequence[str], statement: str) -> Iterator[tuple[Pair, float | None]]:
    """The pairs of one statement, each once, in the order of the items."""
    seen: set[Pair] = set()
    joined = re.sub(r"\s+([@*])", r"\1", right.replace(",", " "))
    rights: list[tuple[str, float | None]] = []
    for word in joined.split():
        found = WORD.match(word)
        if not found:
            raise refused(f"'{statement}'")
        rights += [(v, None if found[2] is None else float(found[2])) for v in expand(found[1], items)]
    for a in expand(left, items):
        for b, value in rights:
            if unknown := [v for v in (a, b) if v not in items]:
                raise refused(f"'{statement}', a covariance of {unknown[0]}, which is no item")
            pair = (a, b) if items.index(a) < items.index(b) else (b, a)
            if a != b and pair not in seen:
                seen.add(pair)
                yield pair, value
