"""Hypotheses as text: ``"class_slope[1, x] = class_slope[2, x], 2 * item_logit[1, A, 2] = 1"``.

A hypothesis is an equation, or a chain of them (``a = b = c``), of sums of numbers and entries as
:func:`bayesmix.results.entry` writes them; several are separated by commas outside of brackets, or by new lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from bayesmix.checks import nearest
from bayesmix.spec import canonical

TOKEN = re.compile(r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[^\W\d]\w*)|(?P<sign>[-+*/()]))")


@dataclass(frozen=True)
class Linear:
    """A sum of entries with coefficients, and a constant."""

    coefficients: Mapping[str, float] = field(default_factory=dict)
    constant: float = 0.0

    def plus(self, other: Linear, times: float = 1.0) -> Linear:
        """The sum with `other`, taken `times`."""
        names = dict.fromkeys([*self.coefficients, *other.coefficients])
        both = {k: self.coefficients.get(k, 0.0) + times * other.coefficients.get(k, 0.0) for k in names}
        return Linear({k: v for k, v in both.items() if v}, self.constant + times * other.constant)

    def times(self, factor: float) -> Linear:
        """The product with a number."""
        return Linear({}).plus(self, factor)


@dataclass(frozen=True)
class Hypothesis:
    """An equation: `difference` is zero; `text` as it was written."""

    text: str
    difference: Linear


def parse(text: str | Sequence[str], known: Iterable[str]) -> list[Hypothesis]:
    """Read hypotheses.

    Parameters
    ----------
    text : str or sequence of str
        One or several.
    known : iterable of str
        The labels of entries that there are.

    Raises
    ------
    ValueError
        What cannot be read, and where; an unknown entry, with the nearest; nothing to test.
    """
    labels = {canonical(k): k for k in known}
    whole = [text] if isinstance(text, str) else [*text]
    pieces = [piece for one in whole for piece in _split(one) if piece.strip()]
    if not pieces:
        raise ValueError("No hypothesis came: give an equation, such as 'class_logit[1] = 0'.")
    return [h for piece in pieces for h in _equations(piece.strip(), labels)]


def _split(text: str) -> Iterator[str]:
    """Cut at commas, semicolons and new lines that stand outside of brackets."""
    depth, start = 0, 0
    for k, c in enumerate(text):
        depth += (c in "[(") - (c in "])")
        if depth == 0 and c in ",;\n":
            yield text[start:k]
            start = k + 1
    yield text[start:]


def _equations(piece: str, labels: Mapping[str, str]) -> Iterator[Hypothesis]:
    """Read one piece, a chain of equations."""
    sides = _sides(piece)
    if len(sides) < 2:
        raise ValueError(f"The hypothesis '{piece}' has no '=': write an equation, such as '{piece} = 0'.")
    read = [_Reader(piece, side, labels).read() for side in sides]
    for k in range(len(read) - 1):
        difference = read[k].plus(read[k + 1], -1.0)
        said = f"{sides[k].strip()} = {sides[k + 1].strip()}"
        if not difference.coefficients:
            raise ValueError(f"The hypothesis '{said}' names no entry that does not cancel: there is nothing to test.")
        yield Hypothesis(said, difference)


def _sides(piece: str) -> list[str]:
    """Cut at equality signs outside of brackets; ``==`` is one."""
    out, depth, start = [], 0, 0
    piece = piece.replace("==", "=")
    for k, c in enumerate(piece):
        depth += (c == "[") - (c == "]")
        if depth == 0 and c == "=":
            out.append(piece[start:k])
            start = k + 1
    return [*out, piece[start:]]


class _Reader:
    """Reads one side of an equation from left to right: terms, of factors, of numbers, entries and brackets."""

    def __init__(self, whole: str, side: str, labels: Mapping[str, str]) -> None:
        self.whole, self.labels = whole, labels
        self.tokens = [*self._tokens(side)]

    def read(self) -> Linear:
        """Read all of it."""
        if not self.tokens:
            raise ValueError(
                f"The hypothesis '{self.whole}' has nothing on one side of '=': give a number or an entry."
            )
        out = self._sum()
        if self.tokens:
            self._refuse(self.tokens[0])
        return out

    def _tokens(self, side: str) -> Iterator[str | float | Linear]:
        at = 0
        while side[at:].strip():
            found = TOKEN.match(side, at)
            if found is None:
                self._refuse(side[at:].strip()[0])
            at = found.end()
            if found["number"]:
                yield float(found["number"])
            elif found["sign"]:
                yield found["sign"]
            else:
                end = _closing(side, at)
                yield Linear({self._entry(side[found.start("name") : end]): 1.0})
                at = end

    def _entry(self, written: str) -> str:
        label = canonical(written)
        if label in self.labels:
            return self.labels[label]
        near = nearest(label, self.labels)
        own = [k for k in self.labels if k.startswith(f"{label.partition('[')[0]}[")]
        hint = f"did you mean '{near}'?" if near else f"entries are such as '{(own or [*self.labels])[0]}'."
        raise ValueError(
            f"The hypothesis '{self.whole}' names '{written.strip()}', which is no entry of the fit: {hint}"
        )

    def _sum(self) -> Linear:
        out, sign = Linear(), 1.0
        while True:
            out = out.plus(self._product(), sign)
            if not (self.tokens and self.tokens[0] in ("+", "-")):
                return out
            sign = 1.0 if self.tokens.pop(0) == "+" else -1.0

    def _product(self) -> Linear:
        out = self._factor()
        while self.tokens and self.tokens[0] in ("*", "/"):
            sign, other = self.tokens.pop(0), self._factor()
            if sign == "*" and not out.coefficients:
                out, other = other, out
            if other.coefficients:
                raise ValueError(
                    f"The hypothesis '{self.whole}' is not linear: give a function instead, "
                    "bm.test(fit, lambda x: ...), whose results are zero under it."
                )
            if sign == "/" and other.constant == 0:
                raise ValueError(f"The hypothesis '{self.whole}' divides by zero: give another number.")
            out = out.times(other.constant if sign == "*" else 1.0 / other.constant)
        return out

    def _factor(self) -> Linear:
        if not self.tokens:
            raise ValueError(f"The hypothesis '{self.whole}' ends too early: a number or an entry is missing.")
        token = self.tokens.pop(0)
        if isinstance(token, Linear):
            return token
        if isinstance(token, float):
            return Linear({}, token)
        if token in ("-", "+"):
            return self._factor().times(-1.0 if token == "-" else 1.0)
        if token != "(":
            self._refuse(token)
        out = self._sum()
        if not self.tokens or self.tokens.pop(0) != ")":
            raise ValueError(f"The hypothesis '{self.whole}' has a bracket that is not closed: close it.")
        return out

    def _refuse(self, token: object) -> NoReturn:
        shown = next(iter(token.coefficients)) if isinstance(token, Linear) else token
        raise ValueError(
            f"The hypothesis '{self.whole}' cannot be read at '{shown}': write sums of numbers and entries, such as "
            "'class_slope[1, x] - 2 * class_slope[2, x] = 0'."
        )


def _closing(text: str, at: int) -> int:
    """Find the end of the bracket that opens at `at`; `at` itself where none does."""
    if not text[at:].lstrip().startswith("["):
        return at
    depth = 0
    for k in range(at, len(text)):
        depth += (text[k] == "[") - (text[k] == "]")
        if depth == 0 and text[k] == "]":
            return k + 1
    return len(text)
