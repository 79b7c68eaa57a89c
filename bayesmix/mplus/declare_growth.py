"""The growth model that an Mplus input declares: ``i s | y1@0 y2@1 y3@2;`` and what is said of it by class."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bayesmix.mplus.language import Input
from bayesmix.mplus.statements import Said, taken_apart
from bayesmix.mplus.with_statements import refused
from bayesmix.spec.families import Family

DEFAULT = ("I", "S", "Q", "CU")


def grows(said: Input) -> bool:
    """Whether an input has growth factors."""
    return any("|" in s for statements in said.model.values() for s in statements)


@dataclass(frozen=True)
class _Growth:
    """What an input says.

    Attributes
    ----------
    name, size : str, int
        Of the class variable.
    factors, items : list of str
    scores : list of float, None where free
    overall : list of Said
    classes : list of list of Said
        Of each class.
    """

    name: str
    size: int
    factors: list[str]
    items: list[str]
    scores: list[float | None]
    overall: list[Said]
    classes: list[list[Said]]

    def everywhere(self) -> Iterable[Said]:
        """Everything that is said."""
        yield from self.overall
        for own in self.classes:
            yield from own


def arguments(said: Input) -> tuple[list[str], dict[str, Any], list[str]]:
    """What :func:`bayesmix.models.growth` takes of an input, but for the families.

    Parameters
    ----------
    said : Input

    Returns
    -------
    items : list of str
        The repeated measures.
    given : dict
        Further arguments.
    distal : list of str
        Outcomes of the classes.

    Raises
    ------
    ValueError
        What the template cannot say.
    """
    growth = _read(said)
    covariates = _covariates(growth, said)
    used = {x for xs in covariates.values() for x in xs}
    distal = [v for v in said.used if v not in growth.items and v not in used]
    _check(growth, distal)
    given: dict[str, Any] = {
        "classes": growth.size, "covariates": _formula(covariates.get(growth.name, ())),
        "degree": len(growth.factors) - 1, "variance": _variance(growth, said),
    }  # fmt: skip
    given |= _times(growth)
    given |= _factors(growth, covariates)
    if at_times := {i: _formula(covariates[i]) for i in growth.items if i in covariates}:
        given |= {"time_covariates": at_times, "time_effects": _time_effects(growth)}
    return growth.items, given, distal


def _read(said: Input) -> _Growth:
    """Take the statements apart: one growth line, one class variable."""
    if len(said.classes) != 1:
        raise refused("growth factors beside several class variables")
    (name, size), *_ = said.classes.items()
    lines = [s for statements in said.model.values() for s in statements if "|" in s]
    if len(lines) != 1:
        raise refused(f"{len(lines)} growth processes, '{lines[1]}' among them")
    left, _, right = lines[0].partition("|")
    factors, scores = left.split(), list(taken_apart(f"X | {right.strip()}", said.used))
    if re.search(r"\sAT\s|\sON\s", right) or len(factors) > len(DEFAULT):
        raise refused(f"'{lines[0]}'")
    among = [*said.used, *factors, name]
    parts: dict[str, list[Said]] = {}
    for (command, scope), statements in said.model.items():
        if command.startswith("MODEL ") and command != f"MODEL {name}":
            if command == "MODEL CONSTRAINT" and statements[0].startswith("NEW"):
                continue
            raise refused(command)
        for s in statements:
            if "|" not in s:
                parts.setdefault(scope or "%OVERALL%", []).extend(taken_apart(s, among))
    known = {f"%{name}#{k + 1}%" for k in range(size)}
    if odd := [scope for scope in parts if scope not in known | {"%OVERALL%"}]:
        raise refused(f"the part {odd[0]}")
    return _Growth(
        name, size, factors, [s.right for s in scores], [s.value for s in scores], parts.get("%OVERALL%", []),
        [parts.get(f"%{name}#{k + 1}%", []) for k in range(size)],
    )  # fmt: skip


def _formula(columns: Sequence[str]) -> str | None:
    return " + ".join(columns) or None


def _covariates(growth: _Growth, said: Input) -> dict[str, list[str]]:
    """List the covariates of the class, of factors and of occasions."""
    out: dict[str, list[str]] = {}
    for s in growth.everywhere():
        if s.kind != "ON":
            continue
        outcome = s.left.split("#")[0]
        if (
            s.value is not None
            or s.right not in said.used
            or outcome not in (*growth.factors, *growth.items, growth.name)
        ):
            raise refused(f"the regression of {s.left} on {s.right}{'' if s.value is None else f'@{s.value:g}'}")
        if s.right not in out.setdefault(outcome, []):
            out[outcome].append(s.right)
    return out


def _check(growth: _Growth, distal: Sequence[str]) -> None:
    """Refuse statements of what a template does not have, and equal or fixed parameters of the classes."""
    for s in growth.everywhere():
        base = s.left.split("$")[0].split("#")[0]
        known = {*growth.factors, *growth.items, *distal, growth.name}
        if s.kind == "BY" or base not in known:
            raise refused(f"a parameter of {s.left}")
        if s.kind == "WITH" and (s.left not in growth.factors or s.right not in growth.factors) and s.value != 0.0:
            raise refused(f"a covariance of {s.left} and {s.right}")
        if s.kind == "mean" and s.left in growth.factors and s.value is not None:
            raise refused(f"the fixed mean of {s.left}")
        if s.kind == "mean" and s.left in growth.items and s.value != 0.0:
            raise refused(f"an intercept of {s.left} that is not zero")
        if base in distal and (s.value is not None or (s.label and s.kind == "mean")):
            raise refused(f"a constraint of the outcome {base}")
    means = [s for own in growth.classes for s in own if s.kind == "mean" and s.left in growth.factors]
    if shared := [s for s in means if s.label]:
        raise refused(f"an equality constraint on the mean of {shared[0].left}")


def _times(growth: _Growth) -> dict[str, Any]:
    """Read the scores of time; those that are free."""
    free = [i for i, t in zip(growth.items, growth.scores, strict=True) if t is None]
    times = [float(k) if t is None else t for k, t in enumerate(growth.scores)]
    for k, t in enumerate(growth.scores):  # a place for a free score that no other time has
        while t is None and times.count(times[k]) > 1:
            times[k] += 0.5
    return {"times": times} | ({"free_times": free} if free else {})


def _variance(growth: _Growth, said: Input) -> str:
    """Read by what residual variances differ: by occasion as Mplus has it, unless they have one label."""
    other = {*said.categorical, *said.count, *said.nominal}
    if {*growth.items} & other:
        return "equal"
    own = [{s.left: s for s in part if s.kind == "variance" and s.left in growth.items} for part in growth.classes]
    overall = {s.left: s for s in growth.overall if s.kind == "variance" and s.left in growth.items}
    if fixed := [s for part in (*own, overall) for s in part.values() if s.value is not None]:
        raise refused(f"the fixed variance of {fixed[0].left}")
    if not any(own):
        labels = {s.label for s in overall.values()}
        if not any(labels):
            return "occasion"
        if len(overall) == len(growth.items) and len(labels) == 1:
            return "equal"
        raise refused("equality constraints on some residual variances")
    if not all(set(part) == {*growth.items} for part in own):
        raise refused("residual variances that differ by class for some occasions or classes alone")
    labels = [[part[i].label for i in growth.items] for part in own]
    if not any(k for each in labels for k in each):
        return "class and occasion"
    if all(len({*each}) == 1 and each[0] for each in labels) and len({each[0] for each in labels}) == growth.size:
        return "class"
    if all(each == labels[0] for each in labels):
        return "equal" if len({*labels[0]}) == 1 else "occasion"
    raise refused("equality constraints on residual variances")


def _factors(growth: _Growth, covariates: Mapping[str, list[str]]) -> dict[str, Any]:
    """Read which growth factors vary, what differs by class, and their covariates."""
    renamed = dict(zip(growth.factors, DEFAULT, strict=False))
    zero = {s.left for s in growth.everywhere() if s.kind == "variance" and s.value == 0.0}
    varying = [f for f in growth.factors if f not in zero]
    out: dict[str, Any] = {}
    if len(varying) < len(growth.factors):
        out["random"] = " + ".join(renamed[f] for f in varying) or "0"
    pairs = {frozenset((a, b)) for k, a in enumerate(varying) for b in varying[:k]}
    none = {frozenset((s.left, s.right)) for s in growth.everywhere() if s.kind == "WITH" and s.value == 0.0}
    if pairs and pairs <= none:
        out["covariance"] = "independent"
    elif pairs & none:
        raise refused("covariances of growth factors of which some are zero")
    by = ["means"]
    by += ["slopes"] * _differs(
        growth, {s.left for s in growth.everywhere() if s.kind == "ON"} & {*growth.factors}, "ON"
    )
    by += ["variances"] * _differs(growth, {*varying}, "variance")
    by += ["covariances"] * _differs(growth, {*varying}, "WITH")
    out["by_class"] = " + ".join(by)
    own = [covariates.get(f, []) for f in growth.factors]
    if any(own):
        if any({*each} != {*own[0]} for each in own):
            raise refused("growth factors with other covariates than those of each other")
        out["factor_covariates"] = _formula(own[0])
    return out


def _differs(growth: _Growth, names: set[str], kind: str) -> bool:
    """Whether parameters of growth factors are stated for each class.

    Raises
    ------
    ValueError
        For some of them, or some classes, alone.
    """
    own = [
        {(s.left, s.right): s for s in part if s.kind == kind and s.left in names and s.value is None}
        for part in growth.classes
    ]
    if not any(own) or growth.size == 1:
        return False
    every = {key for part in own for key in part}
    if (kind == "variance" and {a for a, _ in every} != names) or any(set(part) != every for part in own):
        raise refused(f"{kind} parameters of growth factors that differ by class for some factors or classes alone")
    labels = [[part[key].label for key in sorted(every)] for part in own]
    if all(each == labels[0] for each in labels) and all(labels[0]):
        return False
    if any(k for each in labels for k in each):
        raise refused("equality constraints on growth factors")
    return True


def _time_effects(growth: _Growth) -> str:
    """Whether slopes of covariates of occasions are equal over these."""
    labels = [s.label for s in growth.overall if s.kind == "ON" and s.left in growth.items]
    if not any(labels):
        return "occasion"
    if len({*labels}) == 1:
        return "equal"
    raise refused("equality constraints on slopes of covariates of occasions")


def families(items: Sequence[str], distal: Sequence[str], found: Mapping[str, Family]) -> dict[str, Any]:
    """The family of the repeated measures, and those of the outcomes.

    Raises
    ------
    ValueError
        Repeated measures of several families.
    """
    own = [found[i] for i in items]
    if any(f != own[0] for f in own):
        raise refused("repeated measures of several kinds")
    return {"family": own[0]} | ({"distal": {d: found[d] for d in distal}} if distal else {})
