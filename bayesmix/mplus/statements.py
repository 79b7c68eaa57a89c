"""Statements of the MODEL command taken apart: what each says of one parameter, fixed, labelled or free."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bayesmix.mplus.language import expand
from bayesmix.mplus.with_statements import refused

LABEL = re.compile(r"\(([^)]*)\)")
RELATION = re.compile(r"^(.+?)\s+(ON|BY|WITH|\|)\s+(.+)$")
BRACKET = re.compile(r"^\[(.*)\]$")
WORD = re.compile(r"^([^@*]+)(?:@(-?[\d.]+(?:E[+-]?\d+)?)|(\*)(?:-?[\d.]+)?)?$")


@dataclass(frozen=True)
class Said:
    """One parameter in a statement.

    Attributes
    ----------
    kind : str
        ``mean`` (thresholds too), ``variance``, ``ON``, ``BY``, ``WITH`` or ``|``.
    left, right : str
        The variable, and what it is related to; of means and variances `left` alone.
    value : float, optional
        At which it is fixed.
    label : str
        Empty without one.
    """

    kind: str
    left: str
    right: str = ""
    value: float | None = None
    label: str = ""


def taken_apart(statement: str, among: Sequence[str]) -> Iterator[Said]:
    """List what a statement says; ranges run along `among`.

    Raises
    ------
    ValueError
        A statement that is not understood.
    """
    labels = [w for text in LABEL.findall(statement) for w in _labels(text)]
    bare = re.sub(r"\s*([@*])\s*", r"\1", " ".join(LABEL.sub(" ", statement).split()))
    bare = re.sub(r"\*(?=[^\d.\-\s\]])", "* ", bare)
    kind, lefts, text = "variance", [""], bare
    if found := BRACKET.match(bare):
        kind, text = "mean", found[1]
    elif found := RELATION.match(bare):
        kind, lefts, text = found[2], list(expand(found[1], among)), found[3]
    marked = [(name, value) for word in _words(text) for name, value in _one(word, among, statement)]
    said = [(left, name, value) for left in lefts for name, value in marked]
    if kind == "WITH":
        said = _pairs(said)
    each = labels if len(labels) == len(said) else labels * len(said) if len(labels) == 1 else [""] * len(said)
    if labels and not any(each):
        raise refused(f"labels that are not those of its parameters, '{statement}'")
    for (left, name, value), label in zip(said, each, strict=True):
        if kind in ("mean", "variance"):
            yield Said(kind, name, "", value, label)
        else:
            yield Said(kind, left, name, value, label)


def _pairs(said: Sequence[tuple[str, str, float | None]]) -> list[tuple[str, str, float | None]]:
    """Drop a variable with itself, and the second of two orders."""
    out: dict[frozenset[str], tuple[str, str, float | None]] = {}
    for left, right, value in said:
        if left != right:
            out.setdefault(frozenset((left, right)), (left, right, value))
    return list(out.values())


def _words(text: str) -> list[str]:
    """Split a list, a range with spaces around its dash together."""
    return re.sub(r"\s*-\s*(?=[A-Z_])", "-", text.replace(",", " ")).split()


def _one(word: str, among: Sequence[str], statement: str) -> Iterator[tuple[str, float | None]]:
    """List the names of a word, ``U1$1-U4$1@0``, each with the value it is fixed at."""
    found = WORD.match(word)
    if not found:
        raise refused(f"'{statement}'")
    value = None if found[2] is None else float(found[2])
    ends = re.match(r"^(\w+)([$#]\d+)-(\w+)([$#]\d+)$", found[1])
    if ends and ends[2] == ends[4]:
        yield from ((f"{v}{ends[2]}", value) for v in expand(f"{ends[1]}-{ends[3]}", among))
        return
    name, mark, number = re.match(r"^([^$#]*)([$#]?)(\d*)$", found[1]).groups() if found else ("", "", "")  # pyright: ignore
    if mark:
        yield f"{name}{mark}{number}", value
        return
    yield from ((v, value) for v in expand(found[1], among))


def _labels(text: str) -> list[str]:
    """List labels, ranges of numbers at their ends too."""
    out: list[str] = []
    for word in text.replace(",", " ").split():
        found = re.match(r"^([A-Z_]*)(\d+)-\1(\d+)$", word)
        out += [f"{found[1]}{k}" for k in range(int(found[2]), int(found[3]) + 1)] if found else [word]
    return out
