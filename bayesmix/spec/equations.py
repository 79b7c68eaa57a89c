"""Linear equations of entries as text: ``"class_slope[1, x] = class_slope[2, x], 2 * item_logit[1, A, 2] = 1"``.

An equation, or a chain of them (``a = b = c``), is of sums of numbers and entries as results label them; several are
separated by commas outside of brackets, or by new lines. Hypotheses and constraints are read here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np

from bayesmix.checks import nearest

TOKEN = re.compile(r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[^\W\d]\w*)|(?P<sign>[-−+*/()]))")
MINUS = "−"
"""The sign that word processors make of a hyphen."""
INEQUALITIES = "<>≤≥≠!"
CANCELLED = 1e-12
"""A coefficient that is what rounding leaves of zero."""


@dataclass(frozen=True)
class Equation:
    """The sum of entries, each times its coefficient, is a value.

    Attributes
    ----------
    text : str
        As it was written.
    terms : tuple of (str, float)
        Labels and coefficients, none of which is zero.
    value : float

    Examples
    --------
    >>> bm.constrain(model, equal=["class_logit[1] = 2 * item_logit[1, a, 1] + 1"]).constraints.linear[0].terms
    (('class_logit[1]', 1.0), ('item_logit[1, a, 1]', -2.0))
    """

    text: str
    terms: tuple[tuple[str, float], ...]
    value: float

    @property
    def labels(self) -> list[str]:
        """The entries."""
        return [label for label, _ in self.terms]

    @property
    def weights(self) -> list[float]:
        """Their coefficients."""
        return [weight for _, weight in self.terms]

    def of(self, entries: Callable[[str], Mapping[str, float]]) -> Equation:
        """The equation with a sum of entries in place of each."""
        terms: dict[str, float] = {}
        for label, weight in self.terms:
            for other, times in entries(label).items():
                terms[other] = terms.get(other, 0.0) + weight * times
        return Equation(self.text, tuple((k, v) for k, v in terms.items() if abs(v) > CANCELLED), self.value)


@dataclass(frozen=True)
class Said:
    """What messages call an equation, and what they advise.

    Attributes
    ----------
    noun : str
    whose : str
        Whose entries there are.
    none : str
        What came where there is no equation, and what to give.
    empty : str
        What follows from an equation in which every entry cancels.
    crooked : str
        What to do about one that is not linear.
    """

    noun: str = "equation"
    whose: str = "the model"
    none: str = "No equation came: give one, such as 'a[1] = 2 * a[2]'."
    empty: str = "it says nothing of the model"
    crooked: str = "entries are added, and multiplied and divided by numbers alone"


def canonical(label: str) -> str:
    """A label with one space after each comma, and none at brackets."""
    label = re.sub(r"\s*,\s*", ", ", label.strip())
    return re.sub(r"\s*\[\s*", "[", re.sub(r"\s*\]", "]", label))


def read_equations(
    text: str | Sequence[str], known: Iterable[str] | None = None, said: Said | None = None
) -> list[Equation]:
    """Read equations.

    Parameters
    ----------
    text : str or sequence of str
        One or several.
    known : iterable of str, optional
        The labels of entries that there are; left out, all are.
    said : Said, optional
        How messages speak of them.

    Raises
    ------
    ValueError
        What cannot be read, and where; an unknown entry, with the nearest; no equation.
    """
    said = said or Said()
    labels = None if known is None else {canonical(k): k for k in known}
    whole = [text] if isinstance(text, str) else [*text]
    pieces = [piece for one in whole for piece in _split(str(one)) if piece.strip()]
    if not pieces:
        raise ValueError(said.none)
    return [e for piece in pieces for e in _equations(piece.strip(), labels, said)]


def _split(text: str) -> Iterator[str]:
    """Cut at commas, semicolons and new lines that stand outside of brackets."""
    depth, start = 0, 0
    for k, c in enumerate(text):
        depth += (c in "[(") - (c in "])")
        if depth == 0 and c in ",;\n":
            yield text[start:k]
            start = k + 1
    yield text[start:]


def _equations(piece: str, labels: Mapping[str, str] | None, said: Said) -> Iterator[Equation]:
    """Read one piece, a chain of equations."""
    sides = _sides(piece, said)
    if len(sides) < 2:
        raise ValueError(f"The {said.noun} '{piece}' has no '=': write an equation, such as '{piece} = 0'.")
    read = [_Reader(piece, side, labels, said).read() for side in sides]
    for k in range(len(read) - 1):
        difference = read[k].plus(read[k + 1], -1.0)
        text = " ".join(f"{sides[k].strip()} = {sides[k + 1].strip()}".split())
        if not difference.coefficients:
            raise ValueError(f"The {said.noun} '{text}' names no entry that does not cancel: {said.empty}.")
        if not np.isfinite([*difference.coefficients.values(), difference.constant]).all():
            raise ValueError(f"The {said.noun} '{text}' has a number that is not finite: give another one.")
        yield Equation(text, tuple(difference.coefficients.items()), 0.0 - difference.constant)


def _sides(piece: str, said: Said) -> list[str]:
    """Cut at equality signs outside of brackets; ``==`` is one."""
    out, depth, start = [], 0, 0
    piece = piece.replace("==", "=")
    for k, c in enumerate(piece):
        depth += (c == "[") - (c == "]")
        if depth == 0 and c in INEQUALITIES:
            raise ValueError(f"The {said.noun} '{piece}' is an inequality: write equations, with '='.")
        if depth == 0 and c == "=":
            out.append(piece[start:k])
            start = k + 1
    return [*out, piece[start:]]


@dataclass(frozen=True)
class _Linear:
    """A sum of entries with coefficients, and a constant."""

    coefficients: Mapping[str, float] = field(default_factory=dict)
    constant: float = 0.0

    def plus(self, other: _Linear, times: float = 1.0) -> _Linear:
        """Add `other`, taken `times`."""
        names = dict.fromkeys([*self.coefficients, *other.coefficients])
        both = {k: self.coefficients.get(k, 0.0) + times * other.coefficients.get(k, 0.0) for k in names}
        return _Linear({k: v for k, v in both.items() if v}, self.constant + times * other.constant)

    def times(self, factor: float) -> _Linear:
        """Multiply by a number."""
        return _Linear({}).plus(self, factor)


class _Reader:
    """Reads one side of an equation from left to right: terms, of factors, of numbers, entries and brackets."""

    def __init__(self, whole: str, side: str, labels: Mapping[str, str] | None, said: Said) -> None:
        self.whole, self.labels, self.said = f"The {said.noun} '{whole}'", labels, said
        self.tokens = [*self._tokens(side)]

    def read(self) -> _Linear:
        """Read all of it."""
        if not self.tokens:
            raise ValueError(f"{self.whole} has nothing on one side of '=': give a number or an entry.")
        out = self._sum()
        if self.tokens:
            self._refuse(self.tokens[0])
        return out

    def _tokens(self, side: str) -> Iterator[str | float | _Linear]:
        at = 0
        while side[at:].strip():
            found = TOKEN.match(side, at)
            if found is None:
                self._refuse(side[at:].strip()[0])
            at = found.end()
            if found["number"]:
                yield float(found["number"])
            elif found["sign"]:
                yield found["sign"].replace(MINUS, "-")
            else:
                end = _closing(side, at)
                yield _Linear({self._entry(side[found.start("name") : end]): 1.0})
                at = end

    def _entry(self, written: str) -> str:
        label = canonical(written)
        if self.labels is None:
            return label
        if label in self.labels:
            return self.labels[label]
        near = nearest(label, self.labels)
        own = [k for k in self.labels if k.startswith(f"{label.partition('[')[0]}[")]
        hint = f"did you mean '{near}'?" if near else f"entries are such as '{(own or [*self.labels])[0]}'."
        raise ValueError(f"{self.whole} names '{written.strip()}', which is no entry of {self.said.whose}: {hint}")

    def _sum(self) -> _Linear:
        out, sign = _Linear(), 1.0
        while True:
            out = out.plus(self._product(), sign)
            if not (self.tokens and self.tokens[0] in ("+", "-")):
                return out
            sign = 1.0 if self.tokens.pop(0) == "+" else -1.0

    def _product(self) -> _Linear:
        out = self._factor()
        while self.tokens and self.tokens[0] in ("*", "/"):
            sign, other = self.tokens.pop(0), self._factor()
            if sign == "*" and not out.coefficients:
                out, other = other, out
            if other.coefficients:
                raise ValueError(f"{self.whole} is not linear: {self.said.crooked}.")
            if sign == "/" and other.constant == 0:
                raise ValueError(f"{self.whole} divides by zero: give another number.")
            out = out.times(other.constant if sign == "*" else 1.0 / other.constant)
        return out

    def _factor(self) -> _Linear:
        if not self.tokens:
            raise ValueError(f"{self.whole} ends too early: a number or an entry is missing.")
        token = self.tokens.pop(0)
        if isinstance(token, _Linear):
            return token
        if isinstance(token, float):
            return _Linear({}, token)
        if token in ("-", "+"):
            return self._factor().times(-1.0 if token == "-" else 1.0)
        if token != "(":
            self._refuse(token)
        out = self._sum()
        if not self.tokens or self.tokens.pop(0) != ")":
            raise ValueError(f"{self.whole} has a bracket that is not closed: close it.")
        return out

    def _refuse(self, token: object) -> NoReturn:
        shown = next(iter(token.coefficients)) if isinstance(token, _Linear) else token
        raise ValueError(
            f"{self.whole} cannot be read at '{shown}': write sums of numbers and entries, such as "
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
