"""The end of a search: Newton's method with nodes moved, logits at their edges, classes in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr

from bayesmix.graph import adapt_nodes, is_adaptive, posterior, with_population_nodes
from bayesmix.ml.newton import Curvature, curvature, newton
from bayesmix.ml.objective import Objective, Target
from bayesmix.ml.starts import ranges
from bayesmix.spec import GROUP, fix_factor_signs
from bayesmix.spec import class_labels as labels
from bayesmix.typing import Array

REFRESHED = 6
"""How often adaptive nodes are moved, at most, between runs of the optimiser."""
SAME_IN_ANY_ORDER = 0.05
"""A change in log-likelihood that an order of the classes may bring by its effects' nodes."""
PLATEAU = 8.0
"""Where a logit's gradient begins to fade, whichever way it points."""
EDGE = 20.0
"""Where a logit that runs to infinity is left: a probability of 2e-9."""


@dataclass(frozen=True)
class Optimum:
    """The maximum: the data with their nodes in place, the point and its value; a Hessian of a point nearby."""

    data: Target
    theta: Array
    value: float
    nearby: Curvature | None

    @cached_property
    def curvature(self) -> Curvature:
        """The curvature at the point itself."""
        near = self.nearby
        return near if near is not None and near.at is self.theta else curvature(self.data, self.theta)


def as_searched(data: Target, theta: Array) -> Optimum:
    """A point as the search left it."""
    data = adapt_nodes(data, theta)
    return Optimum(data, theta, Objective(data).value(theta), None)


def polish_maximum(data: Target, theta: Array, like: Mapping[str, Array] | None = None) -> Optimum:
    """Newton at the end, with adaptive nodes moved until the value rests; classes in order, or in that of `like`."""
    theta = _in_order(data, theta, like)
    top = newton_at_fixed_nodes(adapt_nodes(data, theta), theta)
    for _ in range(REFRESHED if is_adaptive(data) else 0):
        before, top = top.value, newton_at_fixed_nodes(adapt_nodes(top.data, top.theta), top.theta, top.nearby)
        if abs(top.value - before) < 1e-8:
            break
    return resolve_boundaries(top)


def resolve_boundaries(top: Optimum) -> Optimum:
    """What Newton's method leaves, with logits that run to infinity where they cost nothing."""
    return _at_edges(restart_from_plateaus(top))


def restart_from_plateaus(top: Optimum) -> Optimum:
    """Restart Newton with extreme logits pulled back to +-PLATEAU: a long step can overshoot onto the flat tail.

    Not those of classes that have effects, where far out is a matter of the effects' scale.
    """
    limits = ranges(top.data)
    scaled = limits.classes & np.isfinite(limits.upper[limits.classes]).any()
    away = np.where(scaled, 0.0, (top.theta - limits.center) / limits.unit)
    if not (np.abs(away) > PLATEAU).any():
        return top
    nearer = np.where(scaled, top.theta, limits.center + limits.unit * np.clip(away, -PLATEAU, PLATEAU))
    _, gradient = Objective(top.data).value_and_gradient(nearer)
    if (gradient * away >= 0)[np.abs(away) > PLATEAU].all():  # it goes on rising outwards
        return top
    again = newton_at_fixed_nodes(top.data, nearer)
    return again if again.value > top.value + 1e-6 else top


def newton_at_fixed_nodes(data: Target, theta: Array, known: Curvature | None = None) -> Optimum:
    """Newton with the nodes where they are."""
    return Optimum(data, *newton(data, theta, known))


def _at_edges(top: Optimum) -> Optimum:
    """Logits on their way to infinity are left at +-EDGE, if that costs nothing."""
    data, theta = top.data, top.theta
    limits = ranges(data)
    away = (theta - limits.center) / limits.unit
    trial = np.where(np.abs(away) > EDGE, limits.center + limits.unit * np.sign(away) * EDGE, theta)
    if (trial == theta).all():
        return top
    again = Objective(data).value(trial)
    return Optimum(data, trial, again, top.nearby) if again > top.value - 1e-5 else top


def _in_order(data: Target, theta: Array, like: Mapping[str, Array] | None) -> Array:
    """Classes by size, largest first, or as in the parameters `like`; where the model allows any order."""
    shown, moved = with_population_nodes(data), theta
    value = _value(data, theta)
    if data.model.by_group and not like:
        trial = data.packing.pack(labels.align_groups(data.model, data.inside(theta)))
        moved = trial if (trial != theta).any() and _as_likely(data, trial, value) else moved
    for dims in labels.groups(data.model):
        probability = posterior.tables(shown, moved)
        sizes = next((_sizes(d, probability, data) for d in dims if f"{d}_probability" in probability), None)
        if sizes is None or sizes.ndim != 1 or (np.diff(sizes) <= 0).all():
            continue
        natural, alike = data.inside(moved), labels.exchangeable(data.model, dims)
        order = np.arange(len(sizes))
        for k in np.unique(alike):  # largest first among those that constraints do not tell apart
            order[alike == k] = order[alike == k][np.argsort(-sizes[alike == k], kind="stable")]
        if (order == np.arange(len(order))).all():
            continue
        trial = data.packing.pack(labels.permute(data.model, natural, dims, order))
        moved = trial if _as_likely(data, trial, value) else moved
    turned = data.packing.pack(fix_factor_signs(data.model, data.inside(moved)))
    moved = turned if (turned != moved).any() and _as_likely(data, turned, value) else moved
    if like:
        natural = data.natural(moved[None])
        matched, _ = labels.relabel(data.model, natural, like)
        trial = data.pack({k: x[0] for k, x in matched.items()})
        moved = trial if _as_likely(data, trial, value) else moved
    return moved


def _sizes(name: str, probability: Mapping[str, xr.DataArray], data: Target) -> Array:
    """The sizes of the classes of a variable over all groups; given classes of clusters, those over all of these."""
    table = probability[f"{name}_probability"]
    if GROUP in table.dims:
        n = data.counts @ data.arrays["in_group_individual"].values
        table = xr.dot(table, xr.DataArray(n / n.sum(), dims=GROUP), dim=GROUP)
    for other in (str(d) for d in table.dims if d != name):
        if (of := probability.get(f"{other}_probability")) is not None and of.dims == (other,):
            table = xr.dot(table, of, dim=other)
    return table.values


def _as_likely(data: Target, theta: Array, value: float) -> bool:
    """Whether another order of the classes has the log-likelihood `value`, but for the effects' nodes."""
    return abs(_value(data, theta) - value) < (SAME_IN_ANY_ORDER if data.model.has_random_effects else 1e-6)


def _value(data: Target, theta: Array) -> float:
    """The log-likelihood with adaptive nodes moved from where none has been: those of other labels are far away."""
    return Objective(adapt_nodes(data, theta)).value(theta)
