"""Entries of parameters that a user fixes, holds equal, or relates by equations: by their labels, whatever the model.

A label is that of results, ``item_logit[1, A, 2]``: of covariates and categories it is known with the data alone, so
that constraints are looked up when these are there, and no position stands in a declaration.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from bayesmix.checks import nearest
from bayesmix.spec.equations import Equation, canonical, read_equations
from bayesmix.spec.linear_systems import independent

Fix = Mapping[str, float] | None
Equal = str | Sequence[str | Sequence[str]] | None


@dataclass(frozen=True)
class Constraints:
    """What a user says of entries beyond the model.

    Attributes
    ----------
    fixed : tuple of (str, float)
        Labels and values.
    equal : tuple of tuple of str
        Labels of entries that are one free parameter; no label is in two of the groups.
    linear : tuple of Equation
        Equations that say more than that.

    Examples
    --------
    >>> bm.constrain(model, fix={"class_logit[1]": 0}).constraints.fixed
    (('class_logit[1]', 0.0),)
    """

    fixed: tuple[tuple[str, float], ...] = ()
    equal: tuple[tuple[str, ...], ...] = ()
    linear: tuple[Equation, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.fixed or self.equal or self.linear)

    @property
    def entries(self) -> Iterator[str]:
        """All labels."""
        yield from (label for label, _ in self.fixed)
        yield from (label for group in self.equal for label in group)
        yield from (label for e in self.linear for label in e.labels)

    @property
    def words(self) -> list[str]:
        """Each constraint as an equation."""
        plain = [*(f"{label} = {value:g}" for label, value in self.fixed), *(" = ".join(g) for g in self.equal)]
        return [*plain, *(e.text for e in self.linear)]

    @property
    def equations(self) -> list[Equation]:
        """All of them as linear equations."""
        fixed = [Equation(f"{label} = {value:g}", ((label, 1.0),), value) for label, value in self.fixed]
        equal = [
            Equation(f"{g[0]} = {label}", ((g[0], 1.0), (label, -1.0)), 0.0) for g in self.equal for label in g[1:]
        ]
        return [*fixed, *equal, *self.linear]

    @property
    def parameters(self) -> set[str]:
        """The names of the parameters that are touched."""
        return {name_of(label) for label in self.entries}

    def among(self, names: Iterable[str]) -> Constraints:
        """Those of parameters with these `names` alone."""
        known = {*names}
        fixed = tuple(f for f in self.fixed if name_of(f[0]) in known)
        equal = tuple(g for g in self.equal if all(name_of(k) in known for k in g))
        return Constraints(fixed, equal, tuple(e for e in self.linear if all(name_of(k) in known for k in e.labels)))


def read_constraints(fix: Fix = None, equal: Equal = None) -> Constraints:
    """Read what came as `fix` and `equal`.

    Parameters
    ----------
    fix : mapping of str to float, optional
        Values by label.
    equal : str or sequence of (str or sequence of str), optional
        Texts are linear equations, as :func:`bayesmix.spec.equations.read_equations` reads them; those that give an
        entry a value, or hold two equal, are taken as that. Sequences are groups of labels; groups that share one are
        one group.

    Raises
    ------
    TypeError
        No mapping, no groups or equations, a value that is no number.
    ValueError
        A value that is not finite, an entry fixed twice, a group of one; an equation that cannot be read, or is not
        linear; equations that contradict each other.
    """
    groups, equations = _read(equal)
    alone = [e for e in equations if len(e.terms) == 1]
    pairs = [e for e in equations if len(e.terms) == 2 and sum(e.weights) == 0 and e.value == 0]
    linear = [e for e in equations if e not in alone and e not in pairs]
    fixed = _fixed_twice([*_fixed(fix), *((e.labels[0], e.value / e.weights[0]) for e in alone)])
    equal_ones = _merged([*groups, *(tuple(e.labels) for e in pairs)])
    return _consistent(Constraints(tuple(fixed.items()), tuple(equal_ones), tuple(dict.fromkeys(linear))))


def with_constraints(old: Constraints, new: Constraints) -> Constraints:
    """Add further constraints to those there are.

    Raises
    ------
    ValueError
        They contradict each other.
    """
    fixed = _fixed_twice([*old.fixed, *new.fixed])
    linear = tuple(dict.fromkeys([*old.linear, *new.linear]))
    return _consistent(Constraints(tuple(fixed.items()), tuple(_merged([*old.equal, *new.equal])), linear))


def _fixed_twice(pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Values by label; refuse two different ones of an entry."""
    out: dict[str, float] = {}
    for label, value in pairs:
        if out.get(label, value) != value:
            raise ValueError(_twice(label, out[label], value))
        out[label] = value
    return out


def _consistent(held: Constraints) -> Constraints:
    """Refuse equations that contradict each other whatever the data are."""
    if held.linear:
        independent(held.equations)
    return held


def name_of(label: str) -> str:
    """The name of the parameter of a label."""
    return label.partition("[")[0]


def parts_of(label: str) -> list[str]:
    """The words inside the brackets of a label, cut at commas that stand in no further bracket."""
    inside = label.partition("[")[2].removesuffix("]")
    out, depth, start = [], 0, 0
    for k, c in enumerate(inside):
        depth += (c in "[(") - (c in "])")
        if c == "," and depth == 0:
            out.append(inside[start:k].strip())
            start = k + 1
    return [*out, inside[start:].strip()] if inside else []


def check_names(held: Constraints, known: Iterable[str]) -> None:
    """Refuse labels of no parameter.

    Raises
    ------
    ValueError
        The label, and the nearest parameter.
    """
    known = list(known)
    for label in held.entries:
        if name_of(label) not in known:
            near = nearest(name_of(label), known)
            hint = f"did you mean '{near}'?" if near else f"there are {', '.join(known)}."
            raise ValueError(f"A constraint names '{label}', but the model has no such parameter: {hint}")


def _fixed(fix: Any) -> Iterator[tuple[str, float]]:
    if fix is not None and not isinstance(fix, Mapping):
        raise TypeError(f"fix came as {fix!r}: give values by entry, such as {{'class_logit[1]': 0}}.")
    seen: dict[str, float] = {}
    for label, value in (fix or {}).items():
        _check_label("fix", label)
        if isinstance(value, bool) or not isinstance(value, (Real, np.number)):
            raise TypeError(f"fix came with {value!r} for '{label}': give a number.")
        if not np.isfinite(float(value)):
            raise ValueError(f"fix came with {value!r} for '{label}': give a finite number.")
        key = canonical(label)
        if seen.get(key, float(value)) != float(value):
            raise ValueError(_twice(key, seen[key], float(value)))
        seen[key] = float(value)
    yield from seen.items()


def _read(equal: Any) -> tuple[list[tuple[str, ...]], list[Equation]]:
    """Read groups, and equations."""
    form = (
        "give groups of entries, such as [['class_slope[1, x]', 'class_slope[2, x]']], or equations, such as "
        "['class_slope[1, x] = 2 * class_slope[2, x]']"
    )
    if equal is None:
        return [], []
    if not isinstance(equal, Iterable) or isinstance(equal, Mapping | bytes):
        raise TypeError(f"equal came as {equal!r}: {form}.")
    groups, equations = [], []
    for one in [equal] if isinstance(equal, str) else equal:
        if isinstance(one, str):
            equations += read_equations(one)
            continue
        if not isinstance(one, Iterable) or isinstance(one, Mapping | bytes):
            raise TypeError(f"equal came with {one!r}, which is no group and no equation: {form}.")
        labels = list(one)
        for label in labels:
            _check_label("equal", label)
        labels = list(dict.fromkeys(canonical(k) for k in labels))
        if len(labels) < 2:
            raise ValueError(f"equal came with the group {labels!r}, in which nothing can be equal: {form}.")
        groups.append(tuple(labels))
    return groups, equations


def _merged(groups: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Join groups that share a label."""
    out: list[tuple[str, ...]] = []
    for group in groups:
        shared = [g for g in out if {*g} & {*group}]
        out = [g for g in out if g not in shared]
        out.append(tuple(dict.fromkeys(k for g in (*shared, group) for k in g)))
    return out


def _check_label(what: str, label: object) -> None:
    if not isinstance(label, str) or not label.strip():
        raise TypeError(f"{what} came with {label!r}: give entries as results label them, such as 'class_logit[1]'.")


def _twice(label: str, one: float, other: float) -> str:
    return f"'{label}' is fixed twice, at {one:g} and at {other:g}: give one value."
