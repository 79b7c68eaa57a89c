"""What constraints of a model say in Mplus's parameters: fixed values, labels, equations of MODEL CONSTRAINT.

Each of Mplus's parameters is m = g(sum_k a_k theta_k) of entries theta, which are affine in the free ones. One that is
a constant is fixed, one that is another one has its label, one that is a sum of others follows by an equation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bayesmix.mplus.places import PLAIN, Combination, Entry, Place, refusal
from bayesmix.spec import Packing
from bayesmix.spec.parameters import SAME

Key = tuple[str, Entry]
"""A free quantity: the name of a form, and an entry."""
Affine = tuple[float, dict[Key, float]]


@dataclass(frozen=True)
class Restrictions:
    """What is written beside Mplus's parameters.

    Attributes
    ----------
    fixed : dict of combination to float
        Values in Mplus's parameters.
    labels : dict of combination to str
        The label of each that has one.
    equations : list of str
        Of MODEL CONSTRAINT.
    """

    fixed: dict[Combination, float] = field(default_factory=dict)
    labels: dict[Combination, str] = field(default_factory=dict)
    equations: list[str] = field(default_factory=list)


def restrictions(table: Sequence[Place], packing: Packing | None, once: Sequence[Place] = ()) -> Restrictions:
    """Say the constraints of a model, if it has some, in Mplus's parameters.

    Parameters
    ----------
    table : sequence of Place
    packing : Packing, optional
        What the constraints are of.
    once : sequence of Place
        Parameters that get a label though they stand but once: what all classes share.

    Raises
    ------
    ValueError
        A constraint of an entry that is none of Mplus's parameters and no sum of them.
    """
    table = [p for p in table if p.combination]
    forms = {p.combination: p for p in table}
    same: dict[Combination, Combination] = {}
    fixed: dict[Combination, float] = {}
    follows: dict[Combination, tuple[float, dict[Combination, float]]] = {}
    if packing is not None:
        free = Packing(packing.parameters, packing.coords, packing.absent)
        touched = [e for label, e in packing.places().items() if label in {*packing.constraints.entries}]
        joint = {e for p in table if p.joint for _, e in p.combination}
        if several := [e for e in touched if e in joint]:
            raise refusal(
                f"a constraint of '{several[0][0]}'", "of several such entries Mplus's parameters are functions"
            )
        near = _near(table, touched, packing)
        _check_told(table, touched, free)
        known: list[tuple[Combination, Affine]] = []
        for c in (c for c in forms if c in near):
            form = forms[c].form
            affine = _of_place(forms[c], packing)
            found = _in_terms_of(affine, known)
            if found is None:
                known.append((c, affine))
            elif not found[1]:
                fixed[c] = float(form.of(found[0])) if form is not PLAIN else found[0]
            elif found[0] == 0.0 and [*found[1].values()] == [1.0]:
                same[c] = next(iter(found[1]))
            else:
                follows[c] = found
    named = dict.fromkeys(k for c, (_, terms) in follows.items() for k in (c, *terms))
    counts = Counter(same.get(p.combination, p.combination) for p in table if p.combination not in fixed)
    kept = {same.get(p.combination, p.combination) for p in once} - {*fixed}
    shared = [c for c, n in counts.items() if (n > 1 or c in kept) and c not in named]
    labels = {c: f"p{k}" for k, c in enumerate(named, 1)} | {c: str(k) for k, c in enumerate(shared, 1)}
    equations = [f"{labels[c]} = {_written(constant, terms, labels)}" for c, (constant, terms) in follows.items()]
    whole = labels | {c: labels[first] for c, first in same.items() if first in labels}
    return Restrictions(fixed, whole, equations)


def _near(table: Sequence[Place], touched: Sequence[Entry], packing: Packing) -> set[Combination]:
    """Find the parameters of entries that are `touched`, or follow from such, and of what is in one sum with them."""
    entries = {*touched}
    for d in packing.followers:
        if d.place in entries:
            entries |= {place for _, place in d.terms}
    out: set[Combination] = set()
    while more := {p.combination for p in table if entries & {e for _, e in p.combination}} - out:
        out |= more
        entries |= {e for c in more for _, e in c}
    return out


def _check_told(table: Sequence[Place], touched: Iterable[Entry], free: Packing) -> None:
    """Refuse constraints of entries that Mplus's parameters do not determine.

    Raises
    ------
    ValueError
        The entry.
    """
    alone = {p.combination[0][1] for p in table if len(p.combination) == 1}
    sums = [p.combination for p in table if p.form is PLAIN]
    entries = list(dict.fromkeys(e for c in sums for _, e in c if np.isnan(free.held[e[0]][e[1]])))
    at = {e: k for k, e in enumerate(entries)}
    a = np.zeros((len(sums), len(entries)))
    for row, c in enumerate(sums):
        for weight, e in c:
            if e in at:
                a[row, at[e]] += weight
    labels = {e: label for label, e in free.places().items()}
    for e in touched:
        if e in alone or not np.isnan(free.held[e[0]][e[1]]):
            continue
        unit = np.zeros(len(entries))
        if e in at:
            unit[at[e]] = 1.0
            if np.abs(np.linalg.lstsq(a.T, unit, rcond=None)[0] @ a - unit).max() < SAME:
                continue
        raise refusal(f"a constraint of '{labels[e]}'", "it is none of Mplus's parameters and no sum of them")


def _of_entry(e: Entry, packing: Packing) -> tuple[float, dict[Entry, float]]:
    """Express an entry by free ones."""
    held = float(packing.held[e[0]][e[1]])
    if not np.isnan(held):
        return held, {}
    for d in packing.followers:
        if d.place == e:
            return d.constant, {place: weight for weight, place in d.terms}
    return 0.0, {e: 1.0}


def _of_place(p: Place, packing: Packing) -> Affine:
    """Express what a parameter of Mplus is made of by free quantities.

    Raises
    ------
    ValueError
        The square of a sum.
    """
    constant, terms = 0.0, dict[Key, float]()
    for weight, e in p.combination:
        value, own = _of_entry(e, packing)
        constant += weight * value
        for other, times in own.items():
            key = ("" if p.form is PLAIN else f"form {id(p.form)}", other)
            terms[key] = terms.get(key, 0.0) + weight * times
    terms = {k: v for k, v in terms.items() if abs(v) > SAME}
    if p.form is not PLAIN and terms and (constant or [*terms.values()] != [1.0]):
        raise refusal(f"the constraint of '{p.combination[0][1][0]}'", f"{p.variable} is no linear function of it")
    return constant, terms


def _in_terms_of(
    affine: Affine, known: Sequence[tuple[Combination, Affine]]
) -> tuple[float, dict[Combination, float]] | None:
    """Express a parameter by those before it, none of which follows from others; None where it does not follow."""
    constant, terms = affine
    keys = list(dict.fromkeys([*terms, *(k for _, (_, own) in known for k in own)]))
    a = np.array([[own.get(k, 0.0) for k in keys] for _, (_, own) in known]).reshape(len(known), len(keys))
    wanted = np.array([terms.get(k, 0.0) for k in keys])
    y = np.linalg.lstsq(a.T, wanted, rcond=None)[0] if a.size else np.zeros(len(known))
    if np.abs(y @ a - wanted).max(initial=0.0) > SAME:
        return None
    rest = constant - sum(w * own[0] for w, (_, own) in zip(y, known, strict=True))
    used = {c: _plain(w) for w, (c, _) in zip(y, known, strict=True) if abs(w) > SAME}
    return _plain(rest), used


def _plain(x: float) -> float:
    """Round what rounding errors have left beside a number of nine digits."""
    near = float(f"{x:.9g}")
    return (near + 0.0 if abs(x - near) < 1e-12 else float(x)) if abs(x) > 1e-12 else 0.0


def _written(constant: float, terms: Mapping[Combination, float], labels: Mapping[Combination, str]) -> str:
    """Write a sum of labels."""
    parts = [f"{constant:.12g}"] * bool(constant)
    parts += [labels[c] if w == 1 else f"({w:.12g})*{labels[c]}" if w < 0 else f"{w:.12g}*{labels[c]}"
              for c, w in terms.items()]  # fmt: skip
    return " + ".join(parts)
