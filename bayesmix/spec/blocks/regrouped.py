"""A model with another measurement over observed groups: what invariance is tested with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr

from bayesmix.spec.blocks.groups import PARTS, ByGroup, Free, Part, over_groups, part_of
from bayesmix.spec.constraints import Constraints
from bayesmix.spec.effect_sums import on_residuals
from bayesmix.spec.model import GROUP, Effect, Model, Term, terms
from bayesmix.spec.parameters import Parameter


def parts_there(model: Model) -> list[Part]:
    """Which parts of the measurement the items of a model have."""
    found = {part_of(r, t) for r in model.responses for t in r.terms}
    return [p for p in PARTS if p in found]


def regrouped(model: Model, measurement: str | Free | Mapping[Part, frozenset[str]], classes: bool = True) -> Model:
    """The model with another measurement by group; with `classes` unset its classes are the same in all groups.

    Factors have means and SDs by group where the measurement identifies them.
    """
    plain = _without_groups(model, classes)
    by = ByGroup(measurement, sizes=False, slopes=False, transitions=False)
    return over_groups(plain, model.group, by)


def _ungrouped(t: Term) -> Term:
    p = t.parameter
    if GROUP not in p.dims:
        return t
    return replace(t, parameter=replace(p, dims=tuple(d for d in p.dims if d != GROUP), alike=()))


def _without_groups(model: Model, keep_classes: bool) -> Model:
    """The model with the same items and factors in all groups."""
    responses = tuple(
        replace(r, predictor=tuple(map(_ungrouped, r.predictor)), auxiliary=tuple(map(_ungrouped, r.auxiliary)))
        for r in model.responses
    )
    effects = tuple(_without_group_parts(e) for e in model.effects)
    classes = tuple(replace(c, predictor=tuple(map(_ungrouped, c.predictor))) for c in model.classes)
    return replace(
        model, responses=responses, effects=effects, classes=model.classes if keep_classes else classes,
        constraints=Constraints(),
    )  # fmt: skip


def group_mean(e: Effect) -> Parameter | None:
    """The means of a factor in the groups."""
    return next((t.parameter for t in e.mean if t.parameter.dims == (GROUP,) and not t.effects), None)


def group_sd(e: Effect) -> Parameter | None:
    """The SDs of a factor in the groups."""
    return e.sd.parameter if e.sd is not None and e.sd.parameter.dims == (GROUP,) else None


def _without_group_parts(e: Effect) -> Effect:
    mean = tuple(t for t in e.mean if t.parameter != group_mean(e))
    return replace(e, mean=mean, sd=None if group_sd(e) is not None else e.sd)


def unscalable(model: Model) -> str:
    """Why a factor cannot be put on another scale in each group; empty where it can."""
    own = {e.name for e in model.factors}
    for e in model.factors:
        rest = [t for t in e.mean if t.parameter != group_mean(e) and not on_residuals(e, t, own)]
        if rest or (e.sd is not None and group_sd(e) is None):
            return f"the factor {e.name} depends on '{(rest[0] if rest else e.sd).parameter.name}'"  # pyright: ignore
    used = [(c.name, t) for c in model.classes for t in c.terms if own & {*t.effects}]
    return f"the class {used[0][0]} depends on a factor" if used else ""


def embedded(values: Mapping[str, xr.DataArray], small: Model, large: Model, groups: int) -> dict[str, xr.DataArray]:
    """Parameters of a model as those of one that contains it, with less of the measurement the same over groups.

    Where the small one has means and SDs of factors that the large one has not, items take them over in each group:
    a loading is the SD times what it was, an intercept rises by the mean times the loading.
    """
    out = dict(values)
    own = {e.name: e for e in large.effects}
    for e in small.factors:
        mean, sd = group_mean(e), group_sd(e)
        mean = None if mean is None or group_mean(own[e.name]) is not None else values[mean.name]
        sd = None if sd is None or group_sd(own[e.name]) is not None else values[sd.name]
        before = dict(out)  # what several responses share takes them over once
        for r in small.responses:
            for t in (t for t in r.predictor if e.name in t.effects):
                out |= _taken_over(before, r, t, e.name, mean, sd)
    made = {}
    for p in large.parameters:
        x = out.get(p.name, xr.DataArray(1.0 if p.domain.is_effect_sd else 0.0))
        if GROUP in x.dims and GROUP not in p.dims:
            x = x.mean(GROUP)
        x = x.expand_dims({GROUP: groups}) if GROUP in p.dims and GROUP not in x.dims else x
        made[p.name] = x.transpose(*p.dims)
    return made


def _taken_over(values, r, t: Term, effect: str, mean, sd) -> dict[str, xr.DataArray]:
    """Loadings and intercepts of a response with a factor's mean and SD put into them."""
    name, k = t.parameter.name, t.effects.index(effect)
    loading = values[name]
    here = loading.isel({t.effect_dim: k}) if t.effect_dim in loading.dims else loading
    out = {}
    if mean is not None:
        for p, sign in (
            *((s.parameter, 1.0) for s in r.predictor if part_of(r, s) == "intercepts"),
            *((s.parameter, -1.0) for s in r.auxiliary if part_of(r, s) == "intercepts"),
        ):
            out[p.name] = values[p.name] + sign * (here * mean)
    if sd is not None:
        if t.effect_dim in loading.dims:
            mine = xr.DataArray(np.arange(loading.sizes[t.effect_dim]) == k, dims=t.effect_dim)
            out[name] = xr.where(mine, loading * sd, loading)
        else:
            out[name] = loading * sd
    return out


def of_items(model: Model) -> set[str]:
    """Names of the parameters of items."""
    return {t.parameter.name for r in model.responses for t in r.terms}


def classes_by_group(model: Model) -> bool:
    """Whether the classes of a model differ by group."""
    own = {t.parameter.name for c in model.classes if c.size > 1 for t in c.terms}
    return any(GROUP in t.parameter.dims for t in terms(model) if t.parameter.name in own)
