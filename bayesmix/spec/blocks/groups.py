"""Observed groups: which parameters of a declared model differ between them, and what identifies factors then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from bayesmix.spec.blocks.priors import LOADING, SD
from bayesmix.spec.model import GROUP, Effect, LatentClass, Model, Response, Term
from bayesmix.spec.parameters import Alike, Parameter, at

Part = str
"""What items have: intercepts, thresholds and category logits; loadings; residual SDs, dispersions and the like;
residual covariances."""
PARTS = ("intercepts", "loadings", "residuals", "covariances")
Free = Mapping[Part, frozenset[str]]
"""The items that differ by group, by part."""
Measurement = str | Sequence[str]
"""What of the items differs by group: "equal", "free", parts of them, or the items that are free."""
KnownColumn = str | Mapping[str, str] | None
"""The column of the class in which an individual is known to be; by class variable, where there are several."""


@dataclass(frozen=True)
class ByGroup:
    """What differs between observed groups.

    Attributes
    ----------
    measurement : str, sequence of str or mapping
        Of the items: ``"equal"``; ``"free"``; parts, such as ``"intercepts + residuals"``; names of items that are
        free in all parts; or the names by part. A residual covariance is free where both of its items are.
    sizes, slopes, transitions, factors : bool
        Class logits; slopes of covariates of classes; transitions; means and SDs of factors, as far as the
        measurement identifies them.
    """

    measurement: Any = "equal"
    sizes: bool = True
    slopes: bool = True
    transitions: bool = True
    factors: bool = True

    def check(self, group: str | None) -> None:
        """Refuse settings of groups where there is no column of them.

        Raises
        ------
        ValueError
            The first of them.
        """
        if group is None and not (isinstance(self.measurement, str) and self.measurement == "equal"):
            raise ValueError(
                f"measurement_by_group={self.measurement!r} came without groups: give group='the column of groups'."
            )


def over_groups(declared: Model, group: str | None, by: ByGroup) -> Model:
    """The model with a dim of observed groups in what differs between them.

    Parameters
    ----------
    declared : Model
        Without groups.
    group : str, optional
        The column; without one the model stays as it is.
    by : ByGroup

    Raises
    ------
    ValueError
        Settings of groups without a column; an unknown item or part.
    """
    by.check(group)
    if group is None:
        return declared
    free = free_items(declared, by.measurement)
    new = {p.name: p for p in _of_items(declared, free)} | {p.name: p for p in _of_classes(declared, by)}

    def here(t: Term) -> Term:
        return replace(t, parameter=new.get(t.parameter.name, t.parameter))

    def all_of(some: Sequence[Term]) -> tuple[Term, ...]:
        return tuple(map(here, some))

    effects = _factors(declared, free) if by.factors else declared.effects
    return replace(
        declared,
        group=group,
        classes=tuple(replace(c, predictor=all_of(c.predictor)) for c in declared.classes),
        effects=effects,
        responses=tuple(
            replace(r, predictor=all_of(r.predictor), auxiliary=all_of(r.auxiliary)) for r in declared.responses
        ),
    )


def names_of_items(model: Model) -> list[str]:
    """The items by their names in results, each once."""
    return list(dict.fromkeys(i for r in model.responses for i in (r.labels or r.items)))


def free_items(model: Model, measurement: Any) -> Free:
    """The items that differ by group, by part.

    Raises
    ------
    ValueError
        An unknown item or part.
    """
    items = names_of_items(model)
    if isinstance(measurement, str):
        chosen = () if measurement == "equal" else PARTS if measurement == "free" else measurement.split("+")
        words = [w.strip() for w in chosen]
        if unknown := [w for w in words if w not in PARTS and w not in items]:
            raise ValueError(
                f"measurement_by_group came with '{unknown[0]}': give 'equal', 'free', some of {', '.join(PARTS)} "
                "joined by +, or a list of the items that are free."
            )
        own = {w for w in words if w not in PARTS}
        return {p: frozenset(items if p in words else own) for p in PARTS}
    if not isinstance(measurement, Iterable):
        raise ValueError(
            f"measurement_by_group came as {measurement!r}: give 'equal', 'free', some of {', '.join(PARTS)} joined by "
            "+, or a list of the items that are free."
        )
    by_part: Mapping[str, Any] = (
        measurement if isinstance(measurement, Mapping) else dict.fromkeys(PARTS, tuple(measurement))
    )
    if unknown := [p for p in by_part if p not in PARTS]:
        raise ValueError(f"measurement_by_group came with the part {unknown[0]!r}: name some of {', '.join(PARTS)}.")
    columns = {c: i for r in model.responses for c, i in zip(r.items, r.labels or r.items, strict=True)}
    if unknown := [i for some in by_part.values() for i in some if i not in items and i not in columns]:
        raise ValueError(
            f"measurement_by_group came with {unknown[0]!r}, which is not among the items: {', '.join(items)}."
        )
    return {p: frozenset(str(columns.get(i, i)) for i in by_part.get(p, ())) for p in PARTS}


def part_of(r: Response, t: Term) -> Part | None:
    """Which part of the measurement a term of a response is; None for slopes of covariates."""
    if t.covariates is not None:
        return None
    if t in r.auxiliary:
        name = r.family.auxiliary[r.auxiliary.index(t)]
        return {"threshold": "intercepts", "covariance": "covariances"}.get(name, "residuals")
    return "loadings" if t.effects else "intercepts"


def _of_items(model: Model, free: Free) -> list[Parameter]:
    """Parameters of items with groups, those of items that are not free the same in all of them."""
    out = []
    for r in model.responses:
        items = r.labels or r.items
        for t in r.terms:
            part = part_of(r, t)
            own = [i for i in items if part and i in free.get(part, ())]
            if part == "covariances":
                apart = [k for k, pair in enumerate(r.pairs) if not {*pair} <= {*own}]
                out += [_grouped(t.parameter, r.pair_dim, apart)] if len(apart) < len(r.pairs) else []
            elif own and (r.item_dim in t.parameter.dims or len(own) == len(items)):
                out.append(_grouped(t.parameter, r.item_dim, [k for k, i in enumerate(items) if i not in own]))
    return out


def _grouped(p: Parameter, dim: str = "", alike: Sequence[int] = ()) -> Parameter:
    """The parameter over groups; entries at positions of `dim` that are alike in all of them."""
    return replace(p, dims=(GROUP, *p.dims), alike=tuple(Alike(GROUP, ((dim, k),)) for k in alike))


def _of_classes(model: Model, by: ByGroup) -> list[Parameter]:
    """Logits and slopes of classes of individuals that differ by group."""
    names, out = {c.name for c in model.classes}, []
    for c in (c for c in model.classes if c.level != "cluster"):
        for t in (t for t in c.predictor if not t.effects):
            if by.slopes if t.covariates else by.transitions if _is_transition(c, t, names) else by.sizes:
                out.append(_grouped(t.parameter))
    return out


def _is_transition(c: LatentClass, t: Term, names: set[str]) -> bool:
    """Whether class logits depend on the class of an occasion before."""
    return any(d in names and d not in (c.name, "D") for d in t.dims)


def _factors(model: Model, free: Free) -> tuple[Effect, ...]:
    """Factors with a mean and an SD in each group, 0 and 1 in the first, where the measurement identifies them."""
    names = {p.name for p in model.parameters}
    own = {e.name for e in model.factors}
    return tuple(_factor(model, e, free, names) if e.name in own else e for e in model.effects)


def _factor(model: Model, e: Effect, free: Free, names: set[str]) -> Effect:
    items = _loading_items(model, e)

    def name(what: str) -> str:
        return f"{e.name}_{what}" if f"{e.name}_{what}" not in names else f"{e.name}_group_{what}"

    mean, sd = e.mean, e.sd
    if items - free["intercepts"]:
        mean = (*mean, Term(Parameter(name("mean"), (GROUP,), prior=LOADING, fixed=(at(0.0, **{GROUP: 0}),))))
    if items - free["loadings"] and sd is None:
        sd = Term(Parameter(name("sd"), (GROUP,), "sd", SD, (at(1.0, **{GROUP: 0}),)))
    return replace(e, mean=mean, sd=sd)


def _loading_items(model: Model, e: Effect) -> set[str]:
    """The items that load on a factor."""
    out: set[str] = set()
    for r in model.responses:
        for t in (t for t in r.predictor if e.name in t.effects):
            zero = {
                k
                for f in t.parameter.fixed
                if f.value == 0.0
                for where in [dict(f.positions)]
                if where.get(t.effect_dim, t.effects.index(e.name)) == t.effects.index(e.name)
                for d, k in where.items()
                if d == r.item_dim
            }
            out |= {i for k, i in enumerate(r.labels or r.items) if k not in zero}
    return out


def known_pairs(model: Model, known: KnownColumn) -> Model:
    """The model with columns of known classes: one for the only class variable, or one by the name of each.

    Raises
    ------
    ValueError
        One column for several class variables, a variable that there is not.
    """
    if known is None:
        return model
    names = [c.name for c in model.classes]
    if isinstance(known, str):
        if len(names) != 1:
            raise ValueError(
                f"known='{known}' came for a model with the class variables {', '.join(names) or 'none'}: give the "
                f"column by the name of the variable, known={{'{(names or ['C'])[0]}': '{known}'}}."
            )
        known = {names[0]: known}
    return replace(model, known=tuple(cast(Mapping[str, str], known).items()))
