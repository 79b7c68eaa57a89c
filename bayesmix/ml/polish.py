"""The end of a search: Newton's method, covariance matrices, class order, quadrature audit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bayesmix.graph import posterior
from bayesmix.graph.compile import LogLikelihood
from bayesmix.graph.nodes import adapted, is_adaptive, of_population
from bayesmix.ml.objective import Objective, Target, compiled_objective
from bayesmix.ml.starts import Ranges, ranges
from bayesmix.parallel import one_blas_thread
from bayesmix.spec import class_labels as labels
from bayesmix.spec.factor_scales import reflected

Array = NDArray[np.float64]
STEP = 1e-4
"""Of central differences, in the natural units of the parameters."""
SLOW = 0.1
"""A Hessian is kept while each step brings the gain to be expected of the next one down to this share."""
FLAT = 1e-5
"""Information below which a direction is flat: a standard error of over 300 natural units."""
RIDGE = 1e-7
"""A gain in log-likelihood for which no flat direction is followed."""
REFRESHED = 6
"""How often adaptive nodes are moved, at most, between runs of the optimiser."""
SAME_IN_ANY_ORDER = 0.05
"""A change in log-likelihood that an order of the classes may bring by its effects' nodes."""
ZERO = 1e-3
"""An SD, in units of its start, that counts as zero."""
PLATEAU = 8.0
"""Where a logit's gradient begins to fade, whichever way it points."""
EDGE = 20.0
"""Where a logit that runs to infinity is left: a probability of 2e-9."""


@dataclass(frozen=True)
class Curvature:
    """Second-order quantities at a point: information matrix and unit scores."""

    data: Target
    information: Array
    gradient: Array
    unit: Array
    at: Array

    @cached_property
    def scores(self) -> Array:
        """The gradient of each unit's log-likelihood (unit, parameter): wanted once, at the end."""
        units, steps = LogLikelihood(self.data).of_units, STEP * self.unit
        out = np.zeros((len(steps), len(self.weight)))
        with one_blas_thread():
            for k, e in enumerate(np.diag(steps)):
                out[k] = (units(self.at + e) - units(self.at - e)) / (2 * steps[k])
        return out.T

    @property
    def weight(self) -> Array:
        """How often each unit counts."""
        return self.data.arrays["weight"].values

    @property
    def spectrum(self) -> tuple[Array, Array]:
        """Eigenvalues and vectors of the information matrix in the natural units of the parameters."""
        values, vectors = np.linalg.eigh(self.information * np.outer(self.unit, self.unit))
        return values, vectors * self.unit[:, None]


def curvature(data: Target, theta: Array) -> Curvature:
    """Hessian by central differences of the exact gradient, scores by those of the units' log-likelihoods.

    Right to seven digits; no function of second derivatives is to be compiled.
    """
    limits, evaluate = ranges(data), compiled_objective(data).value_and_gradient
    unit = limits.unit
    steps, hessian = STEP * unit, np.zeros((len(theta), len(theta)))
    with one_blas_thread():
        for k, e in enumerate(np.diag(steps)):
            up, down = theta + e, theta - e
            hessian[k] = (evaluate(up)[1] - evaluate(down)[1]) / (2 * steps[k])
        _, gradient = evaluate(theta)
    symmetric = -(hessian + hessian.T) / 2
    return _within(Curvature(data, symmetric, gradient, unit, theta), limits, theta)


def _within(c: Curvature, limits: Ranges, theta: Array) -> Curvature:
    """Without the entries that are held at their bound: flat, and no way to go."""
    free = ~limits.held(theta, c.gradient)
    return replace(c, information=c.information * np.outer(free, free), gradient=c.gradient * free)


def newton(
    data: Target, theta: Array, known: Curvature | None = None, iterations: int = 20
) -> tuple[Array, float, Curvature]:
    """Newton's method along the directions in which the log-likelihood is curved, uphill where it is convex.

    It is convex in a logit that a long step has carried out to where its gradient fades. The Hessian is
    made anew where the last one no longer brings the gradient down; `known` is one of a point nearby.
    """
    evaluate, limits = compiled_objective(data).value_and_gradient, ranges(data)
    theta = limits.within(theta)
    value, gradient = evaluate(theta)
    before, steps = np.inf, 0
    while steps < iterations:
        c = curvature(data, theta) if known is None else _within(replace(known, gradient=gradient), limits, theta)
        step = _newton_step(c)
        gain = float(gradient @ step)
        if gain < 2e-10:  # twice what the step would gain
            return theta, value, c
        if known is not None and gain > SLOW * before:
            known, before = None, np.inf
            continue
        new, steps = _shortened(evaluate, limits, theta, value, step), steps + 1
        if new is None and known is None:
            return theta, value, c
        known, before = (c, gain) if new is not None else (None, np.inf)
        theta, value, gradient = new or (theta, value, gradient)
    return theta, value, curvature(data, theta)


def _newton_step(c: Curvature) -> Array:
    values, vectors = c.spectrum
    along, curved = vectors.T @ c.gradient, np.abs(values)
    keep = curved > 1e-3 * FLAT
    keep &= (curved > FLAT) | (along**2 > RIDGE * curved)
    step = vectors[:, keep] @ (along[keep] / curved[keep])
    longest = np.abs(step / c.unit).max(initial=0.0)
    return step * min(1.0, 5.0 / longest) if longest > 0 else step


def _shortened(evaluate, limits: Ranges, theta: Array, value: float, step: Array) -> tuple[Array, float, Array] | None:
    """The first point along the step that is higher, its value and gradient."""
    for shrink in (1.0, 0.5, 0.25, 0.05):
        trial = limits.within(theta + shrink * step)
        new, gradient = evaluate(trial)
        if new > value:
            return trial, new, gradient
    return None


def at_zero(data: Target, theta: Array) -> NDArray[np.bool_]:
    """Which entries of theta are SDs of effects that have run to zero, their boundary."""
    small, out = np.abs(theta) < ZERO * ranges(data).unit, np.zeros(len(theta), dtype=bool)
    for p in data.model.parameters:
        i = data.packing.index[p.name]
        if p.support == "sd":
            out[i[i >= 0]] = small[i[i >= 0]]
    return out


def covariances(c: Curvature) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Robust and Hessian covariance of theta, and which entries lie in a flat direction (a boundary)."""
    values, vectors = c.spectrum
    keep = values > FLAT
    inverse = (vectors[:, keep] / values[keep]) @ vectors[:, keep].T
    meat = (c.scores * c.weight[:, None]).T @ c.scores
    flat = vectors[:, ~keep]
    size = np.abs(flat) / c.unit[:, None]
    boundary = (size > 0.1).any(axis=1) if flat.size else np.zeros(len(values), dtype=bool)
    return inverse @ meat @ inverse, inverse, boundary


@dataclass(frozen=True)
class Top:
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


def unpolished(data: Target, theta: Array) -> Top:
    """A point as the search left it."""
    data = adapted(data, theta)
    return Top(data, theta, Objective(data).value(theta), None)


def polished(data: Target, theta: Array, like: Mapping[str, Array] | None = None) -> Top:
    """Newton at the end, with adaptive nodes moved until the value rests; classes in order, or in that of `like`."""
    theta = _in_order(data, theta, like)
    top = polish_once(adapted(data, theta), theta)
    for _ in range(REFRESHED if is_adaptive(data) else 0):
        before, top = top.value, polish_once(adapted(top.data, top.theta), top.theta, top.nearby)
        if abs(top.value - before) < 1e-8:
            break
    return ended(top)


def ended(top: Top) -> Top:
    """What Newton's method leaves, with logits that run to infinity where they cost nothing."""
    return _at_edges(off_plateaus(top))


def off_plateaus(top: Top) -> Top:
    """Logits far out brought nearer and sent off again: a long step may have carried one past its maximum.

    Not those of classes that have effects, where far out is a matter of the effects' scale.
    """
    limits = ranges(top.data)
    scaled = limits.classes & np.isfinite(limits.upper[limits.classes]).any()
    away = np.where(scaled, 0.0, (top.theta - limits.center) / limits.unit)
    if not (np.abs(away) > PLATEAU).any():
        return top
    nearer = np.where(scaled, top.theta, limits.center + limits.unit * np.clip(away, -PLATEAU, PLATEAU))
    _, gradient = compiled_objective(top.data).value_and_gradient(nearer)
    if (gradient * away >= 0)[np.abs(away) > PLATEAU].all():  # it goes on rising outwards
        return top
    again = polish_once(top.data, nearer)
    return again if again.value > top.value + 1e-6 else top


def polish_once(data: Target, theta: Array, known: Curvature | None = None) -> Top:
    """Newton with the nodes where they are."""
    return Top(data, *newton(data, theta, known))


def _at_edges(top: Top) -> Top:
    """Logits on their way to infinity are left at +-EDGE, if that costs nothing."""
    data, theta = top.data, top.theta
    limits = ranges(data)
    away = (theta - limits.center) / limits.unit
    trial = np.where(np.abs(away) > EDGE, limits.center + limits.unit * np.sign(away) * EDGE, theta)
    if (trial == theta).all():
        return top
    again = Objective(data).value(trial)
    return Top(data, trial, again, top.nearby) if again > top.value - 1e-5 else top


def _in_order(data: Target, theta: Array, like: Mapping[str, Array] | None) -> Array:
    """Classes by size, largest first, or as in the parameters `like`; where the model allows any order."""
    shown, moved = of_population(data), theta
    value = _value(data, theta)
    for dims in labels.groups(data.model):
        probability = posterior.tables(shown, moved)
        sizes = next((probability[f"{d}_probability"].values for d in dims if f"{d}_probability" in probability), None)
        if sizes is None or sizes.ndim != 1 or (np.diff(sizes) <= 0).all():
            continue
        natural = data.inside(moved)
        order = np.argsort(-sizes, kind="stable")
        trial = data.packing.pack(labels.permute(data.model, natural, dims, order))
        moved = trial if _as_likely(data, trial, value) else moved
    turned = data.packing.pack(reflected(data.model, data.inside(moved)))
    moved = turned if (turned != moved).any() and _as_likely(data, turned, value) else moved
    if like:
        natural = data.natural(moved[None])
        matched, _ = labels.relabelled(data.model, natural, like)
        trial = data.pack({k: x[0] for k, x in matched.items()})
        moved = trial if _as_likely(data, trial, value) else moved
    return moved


def _as_likely(data: Target, theta: Array, value: float) -> bool:
    """Whether another order of the classes has the log-likelihood `value`, but for the effects' nodes."""
    return abs(_value(data, theta) - value) < (SAME_IN_ANY_ORDER if data.model.effects else 1e-6)


def _value(data: Target, theta: Array) -> float:
    """The log-likelihood with adaptive nodes moved from where none has been: those of other labels are far away."""
    return Objective(adapted(data, theta)).value(theta)
