"""The end of a search: Newton with the exact Hessian, covariance matrices, class order, quadrature audit.

Depends on posterior, adaptation, labels, starts and the floors beneath.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bayesmix import functions, labels, posterior
from bayesmix.adaptation import adapted, is_adaptive, of_population
from bayesmix.data import Data, prepare
from bayesmix.quadrature import Adaptive, Exact, Nodes, Trapezoid
from bayesmix.starts import ranges

Array = NDArray[np.float64]
FLAT = 1e-5
"""Information below which a direction is flat: a standard error of over 300 natural units."""
REFRESHED = 6
"""How often adaptive nodes are moved, at most, between runs of the optimiser."""
FINE = 0.01
"""A quadrature error, in log-likelihood units, that asks for no finer nodes."""
MOST_NODES = 1500
"""Finer nodes are not taken by the program itself beyond this number."""
MOST_ADAPTIVE = 15
"""Adaptive points, beyond which the integrand over one effect is not of the kind that more of them help."""
SAME_IN_ANY_ORDER = 0.05
"""A change in log-likelihood that an order of the classes may bring by its effects' nodes."""
PLATEAU = 8.0
"""Where a logit's gradient begins to fade, whichever way it points."""
EDGE = 20.0
"""Where a logit that runs to infinity is left: a probability of 2e-9."""


@dataclass(frozen=True)
class Curvature:
    """Second-order quantities at a point: information matrix and unit scores."""

    information: Array
    scores: Array
    weight: Array
    gradient: Array
    unit: Array

    @property
    def spectrum(self) -> tuple[Array, Array]:
        """Eigenvalues and vectors of the information matrix in the natural units of the parameters."""
        values, vectors = np.linalg.eigh(self.information * np.outer(self.unit, self.unit))
        return values, vectors * self.unit[:, None]


def curvature(data: Data, theta: Array, mode: str | None = None) -> Curvature:
    """The exact Hessian and the scores of every unit, a column a call of one compiled function."""
    columns = functions.bind("curvature", data, mode)
    hessian, scores = [], []
    with threadpool_limits(1):
        for direction in np.eye(len(theta)):
            h, s = columns(theta, direction)
            hessian.append(h)
            scores.append(s)
        _, gradient = functions.bind("gradient", data, mode)(theta)
    information = -np.array(hessian).reshape(len(theta), len(theta))
    symmetric = (information + information.T) / 2
    unit = ranges(data).unit
    return Curvature(symmetric, np.array(scores).T, data.arrays["weight"].values, gradient, unit)


def newton(data: Data, theta: Array, mode: str | None = None, iterations: int = 20) -> tuple[Array, float, Curvature]:
    """Newton's method along the directions in which the log-likelihood is curved, uphill where it is convex.

    It is convex in a logit that a long step has carried out to where its gradient fades.
    """
    evaluate = functions.bind("gradient", data, mode)
    value = float(evaluate(theta)[0])
    for _ in range(iterations):
        c = curvature(data, theta, mode)
        values, vectors = c.spectrum
        keep = np.abs(values) > 1e-3 * FLAT
        step = vectors[:, keep] @ ((vectors[:, keep].T @ c.gradient) / np.abs(values[keep]))
        if float(c.gradient @ step) < 2e-10:  # twice what the step would gain
            return theta, value, c
        longest = np.abs(step).max(initial=0.0)
        step *= min(1.0, 5.0 / longest) if longest > 0 else 0.0
        for shrink in (1.0, 0.5, 0.25, 0.05):
            new = float(evaluate(theta + shrink * step)[0])
            if new > value:
                theta, value = theta + shrink * step, new
                break
        else:
            return theta, value, c
    return theta, value, curvature(data, theta, mode)


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
    """The maximum: the data with their nodes in place, the point, its value and curvature."""

    data: Data
    theta: Array
    value: float
    curvature: Curvature


def polished(data: Data, theta: Array) -> Top:
    """Newton at the end, with adaptive nodes moved until the value rests; classes in order."""
    theta = _in_order(adapted(data, theta), theta)
    top = polish_once(adapted(data, theta), theta)
    for _ in range(REFRESHED if is_adaptive(data) else 0):
        before, top = top.value, polish_once(adapted(top.data, top.theta), top.theta)
        if abs(top.value - before) < 1e-8:
            break
    return _at_edges(off_plateaus(top))


def off_plateaus(top: Top) -> Top:
    """Logits far out brought nearer and sent off again: a long step may have carried one past its maximum."""
    limits = ranges(top.data)
    away = (top.theta - limits.center) / limits.unit
    if not (np.abs(away) > PLATEAU).any():
        return top
    nearer = limits.center + limits.unit * np.clip(away, -PLATEAU, PLATEAU)
    again = polish_once(top.data, nearer)
    return again if again.value > top.value + 1e-6 else top


def polish_once(data: Data, theta: Array) -> Top:
    """Newton with the nodes where they are."""
    return Top(data, *newton(data, theta))


def finer(data: Data) -> dict[str, Nodes]:
    """Finer nodes at every level that has some; empty where they would be too many.

    Where adaptive nodes do not help, the integrand is no near-normal density: a fine grid does.
    """
    out = _finer_methods(data)
    alone = [k for k, m in out.items() if isinstance(m, Adaptive) and m.n > MOST_ADAPTIVE]
    out |= {k: Trapezoid(201, 6.0) for k in alone if len(data.model.effects_at(k)) == 1}
    sizes = [len(m.grid(len(data.model.effects_at(k)))[0]) for k, m in out.items()]
    return {} if np.prod(sizes) > MOST_NODES else dict(out)


def _finer_methods(data: Data) -> dict[str, Any]:
    return {k: m.finer() for k, m in data.nodes.items() if not isinstance(m, Exact)}


def _at_edges(top: Top) -> Top:
    """Logits on their way to infinity are left at +-EDGE, if that costs nothing."""
    data, theta = top.data, top.theta
    limits = ranges(data)
    away = (theta - limits.center) / limits.unit
    trial = np.where(np.abs(away) > EDGE, limits.center + limits.unit * np.sign(away) * EDGE, theta)
    if (trial == theta).all():
        return top
    again = float(functions.bind("total", data)(trial))
    return Top(data, trial, again, curvature(data, trial)) if again > top.value - 1e-5 else top


def _in_order(data: Data, theta: Array) -> Array:
    """Classes by size, largest first, where the model allows any order."""
    shown, moved, same = of_population(data), theta, SAME_IN_ANY_ORDER if data.model.effects else 1e-6
    value = float(functions.bind("total", data)(theta))
    for dims in labels.groups(data.model):
        made, probability = functions.evaluate(shown, moved), posterior.tables(shown, moved)
        sizes = next((probability[f"{d}_probability"].values for d in dims if f"{d}_probability" in probability), None)
        if sizes is None or sizes.ndim != 1 or (np.diff(sizes) <= 0).all():
            continue
        natural = {p.name: made[p.name].values for p in data.model.parameters}
        order = np.argsort(-sizes, kind="stable")
        trial = data.packing.pack(labels.permute(data.model, natural, dims, order))
        if abs(float(functions.bind("total", adapted(data, trial))(trial)) - value) < same:
            moved = trial
    return moved


def audit(data: Data, df, top: Top) -> dict[str, Any]:
    """The log-likelihood again with finer nodes."""
    finer = _finer_methods(data)
    if not finer:
        return {}
    again = adapted(prepare(data.model, df, nodes={**data.nodes, **finer}), top.theta)
    value = float(functions.bind("total", again)(top.theta))
    said = [", ".join(map(str, methods.values())) for methods in (data.nodes, again.nodes)]
    return {"nodes": said[0], "audit_nodes": said[1], "audit": value - top.value}
