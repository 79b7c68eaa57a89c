"""Nodes where each unit has its posterior: adaptive quadrature, moved by the graph's own posterior of the nodes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import UnionType
from typing import Any, cast

import numpy as np

from bayesmix.graph.compile import LogLikelihood
from bayesmix.graph.integration import effect_order, is_of_nodes, node_arrays, node_dims, placed
from bayesmix.graph.problem import Problem
from bayesmix.spec import (
    MAX_ENTRIES,
    Adaptive,
    Exact,
    GaussHermite,
    MonteCarlo,
    Named,
    Nodes,
    PartlyExact,
    Trapezoid,
    count_nodes,
    root,
)
from bayesmix.typing import Array

SMALLEST_SCALE, LARGEST_SCALE = 0.25, 4.0
"""How far one step may shrink or widen the nodes: a posterior between two nodes is not lost."""
MANY = 2_000_000
"""Individuals times nodes, from which fewer nodes average over the population."""
NEAR, AT_REST = 0.1, 40
"""How far nodes may still move, in units of their scale, where they are near enough for a log-likelihood; the most
steps on the way to where they rest: each comes nearer by a factor of two to ten."""
NEWTON, APART = 20, 0.01
"""Steps to a mode, at most, and how far apart the nodes are that find it, in SDs of the posterior."""
FINE = 0.002
"""A quadrature error, in log-likelihood units, that asks for no finer nodes."""
ROUGH = 0.1
"""A quadrature error, in log-likelihood units, that is said."""
MOST_NODES, MOST_CELLS = 1500, 8_000_000
"""Finer nodes are not taken by the program itself beyond this number, unless nodes times responding units are few."""
WIDE = 5.5
"""The range of a finer grid over several effects, in SDs: further out a wider one has many nodes of no weight."""
MOST_ADAPTIVE = 15
"""Adaptive points, beyond which the integrand over one effect is not of the kind that more of them help."""
LIMIT = 1.5
"""The widest nodes, in SDs of the effects: a posterior is seldom wider than the distribution itself."""


def is_adaptive(data: Problem) -> bool:
    """Whether any of the nodes are to be moved."""
    return any(isinstance(m, Adaptive) for m in data.nodes.values())


def adapt_nodes[P: Problem](data: P, theta: Array, mode: str | None = None, steps: int = 12, near: float = NEAR) -> P:
    """The data with adaptive nodes centred and scaled at the posterior of each unit, given theta.

    The posterior mean and covariance of the standard normal effects come from the posterior
    probabilities of the present nodes; repeated until the nodes rest (move by less than `near` of their
    scale), or `steps` times. One node has no covariance: it is put at the mode, with the curvature there
    for its scale (Laplace's approximation).
    """
    if single := {k: m for k, m in data.nodes.items() if isinstance(m, Adaptive) and m.n == 1}:
        return _at_modes(
            adapt_nodes(with_adaptive_nodes(data, dict.fromkeys(single, Adaptive(3))), theta, mode, steps, near),
            single,
            theta,
        )
    levels = [k for k, m in data.nodes.items() if isinstance(m, Adaptive)]
    for _ in range(steps if levels else 0):
        moved = [_move(data, level, theta, mode) for level in levels]
        data = replace(
            data,
            arrays={**data.arrays, **{k: v for arrays, _, _ in moved for k, v in arrays.items()}},
            places={**data.places, **{level: place for level, (_, place, _) in zip(levels, moved, strict=True)}},
        )
        if max(distance for _, _, distance in moved) < near:
            break
    return data


def at_rest[P: Problem](data: P, theta: Array, mode: str | None = None) -> P:
    """The data with adaptive nodes that follow from theta and the data alone.

    They begin where none has been moved, and move until they rest: what is made of them, such as a posterior
    mean, does not depend on where a search has left them.
    """
    moved = {k: m for k, m in data.nodes.items() if isinstance(m, Adaptive)}
    return adapt_nodes(with_adaptive_nodes(data, moved), theta, mode, AT_REST, 1e-7) if moved else data


def _move(data: Problem, level: str, theta: Array, mode: str | None):
    """New nodes of a level, their centres and scales, and how far they moved in units of the old ones."""
    (found,) = LogLikelihood(data, mode).posterior(theta, (level, *node_dims(level, data.arrays)))
    weights = np.reshape(found, (len(found), -1))
    method = cast(Adaptive, data.nodes[level])
    mean, scale = data.places.get(level) or _start(data, level)
    t, _ = method.grid(mean.shape[1])
    total = np.sum(weights, axis=1, keepdims=True)
    w = np.where(total > 0, weights, 1.0) / np.where(total > 0, total, np.shape(weights)[1])
    center = w @ t
    apart = t[None] - center[:, None]
    size, axes = np.linalg.eigh(np.einsum("un,unk,unl->ukl", w, apart, apart))
    size = np.clip(np.sqrt(np.maximum(size, 0.0)), SMALLEST_SCALE, LARGEST_SCALE)
    wide = scale @ (axes * size[:, None, :])
    place = mean + np.einsum("ukl,ul->uk", scale, center), _lower(data, level, wide)
    distance = max(np.abs(center).max(initial=0.0), np.abs(np.log(size)).max(initial=0.0))
    return placed(data.model, level, method, *place), place, distance


def _lower(data: Problem, level: str, wide: Array) -> Array:
    """Scales of nodes with the covariances of the given ones, but no wider than they may be."""
    return root(_no_wider(wide @ np.swapaxes(wide, 1, 2)), effect_order(data.model, level))


def _no_wider(covariance: Array) -> Array:
    """Covariance matrices with no SD above LIMIT: wider nodes would miss the standard normal density itself."""
    size, axes = np.linalg.eigh(covariance)
    return np.einsum("ukl,ul,uml->ukm", axes, np.minimum(size, LIMIT**2), axes)


def _at_modes[P: Problem](data: P, methods: Mapping[str, Adaptive], theta: Array) -> P:
    """The data with one node of each unit at the mode of its effects' posterior, from nodes that are near it."""
    for level, method in methods.items():
        place = data.places[level]
        for _ in range(NEWTON):
            place, longest = _nearer_to_mode(data, level, place, theta)
            if longest < 1e-6:
                break
        arrays = {**data.arrays, **placed(data.model, level, method, *place)}
        data = replace(data, arrays=arrays, nodes={**data.nodes, level: method}, places={**data.places, level: place})
    return data


def _nearer_to_mode(data: Problem, level: str, place: tuple[Array, Array], theta: Array):
    """A Newton step, with the curvature where it began, and its length; both from the log posterior at a few nodes."""
    mean, scale = place
    t, curve, slope = Exact().stencil(mean.shape[1])
    z = mean[:, None] + np.einsum("ukl,nl->unk", scale, APART * t)
    node, effect = f"node_{level}", f"effect_{level}"
    own = {f"z_{level}": Named((level, node, effect), z)}
    own[f"log_weight_{level}"] = Named((level, node), -0.5 * (z**2).sum(axis=2))
    probed = replace(data, arrays={**without_nodes(data, [level]), **own})
    (weights,) = LogLikelihood(probed).posterior(theta, (level, node))
    height = np.log(np.maximum(weights, 1e-300))
    size, axes = np.linalg.eigh(np.einsum("un,nkl->ukl", height, curve) / APART**2)
    size = np.clip(size, 1 / LARGEST_SCALE**2, 1 / SMALLEST_SCALE**2)
    step = np.einsum("ukl,ul,uml,um->uk", axes, 1 / size, axes, height @ slope / APART)
    step *= np.minimum(1.0, 2.0 / np.maximum(np.linalg.norm(step, axis=1, keepdims=True), 1e-300))
    lower = _lower(data, level, scale @ (axes / np.sqrt(size)[:, None, :]))
    return (mean + np.einsum("ukl,ul->uk", scale, step), lower), np.abs(step).max(initial=0.0)


def _start(data: Problem, level: str) -> tuple[Array, Array]:
    size, n = units(data, level), len(data.model.effects_at(level))
    return np.zeros((size, n)), np.tile(np.eye(n), (size, 1, 1))


def with_adaptive_nodes[P: Problem](data: P, methods: Mapping[str, Adaptive]) -> P:
    """The data with other adaptive nodes, not yet moved, at the given levels."""
    arrays = without_nodes(data, methods)
    for level, method in methods.items():
        arrays |= node_arrays(data.model, level, method, units(data, level))
    places = {k: v for k, v in data.places.items() if k not in methods}
    return replace(data, arrays=arrays, nodes={**data.nodes, **methods}, places=places)


def with_fixed_nodes[P: Problem](data: P, methods: Mapping[str, Nodes]) -> P:
    """The data with other nodes, the same for all units, at the given levels."""
    arrays = without_nodes(data, methods)
    for level, method in methods.items():
        arrays |= node_arrays(data.model, level, method, 0)
    return replace(data, arrays=arrays, nodes={**data.nodes, **methods})


def without_nodes(data: Problem, levels: Iterable[str]) -> dict[str, Named]:
    """The inputs of the graph without those of the effects of these levels."""
    return {k: v for k, v in data.arrays.items() if not any(is_of_nodes(k, level) for level in levels)}


def units(data: Problem, level: str) -> int:
    """How many units have nodes of their own at a level."""
    return len(data.counts) if level == "individual" else len(data.clusters or ())


def with_methods[P: Problem](data: P, methods: Mapping[str, Nodes]) -> P:
    """The data with other nodes at the given levels; adaptive ones are not yet moved."""
    moved = {k: m for k, m in methods.items() if isinstance(m, Adaptive)}
    common = {k: m for k, m in methods.items() if not isinstance(m, Adaptive)}
    out = with_fixed_nodes(data, common) if common else data
    return with_adaptive_nodes(out, moved) if moved else out


def finer(data: Problem) -> dict[str, Nodes]:
    """Finer nodes at every level that has some; empty where they would be too many.

    Half as many points more: twice as many, as an audit takes, are seldom needed of adaptive ones or over several
    effects. Where adaptive ones do not help, the integrand is no near-normal density: a fine grid does.
    """
    out = finer_methods(data)
    for level, method in data.nodes.items():
        alone = len(data.model.effects_at(level)) == 1
        if level in out and isinstance(method, Adaptive):
            n = method.n + max(method.n // 2, 1)
            out[level] = Trapezoid(201, 6.0) if alone and method.n >= MOST_ADAPTIVE else Adaptive(n)
        elif level in out and isinstance(method, Trapezoid) and not alone:
            out[level] = Trapezoid(method.n + method.n // 2 + 1, max(method.limit, WIDE))
    total = math.prod(count_nodes(m, len(data.model.effects_at(k))) for k, m in out.items())
    return {} if total > MOST_NODES and total * len(data.counts) > MOST_CELLS else out


def finer_methods(data: Problem) -> dict[str, Nodes]:
    """The finer method of each level, as far as there are such."""
    out: dict[str, Nodes] = {}
    for level, method in data.nodes.items():
        n = len(data.model.effects_at(level))
        if isinstance(method, Exact):
            continue
        try:
            better = method.finer(n)
        except ValueError:  # more nodes than there may be
            continue
        many = units(data, level) if isinstance(better, Adaptive) else len(data.counts)
        out |= {level: better} if many * count_nodes(better, n) <= MAX_ENTRIES else {}
    return out


def audit_nodes(data: Problem, theta: Array) -> dict[str, Any]:
    """The log-likelihood again with finer nodes: both methods in words, the difference, and the largest of a unit."""
    methods = finer_methods(data)
    if not methods:
        return {}
    again = adapt_nodes(with_methods(data, methods), theta)
    said = [", ".join(map(str, d.nodes.values())) for d in (data, again)]
    coarse, fine = (LogLikelihood(d).of_units(theta) for d in (data, again))
    with np.errstate(invalid="ignore"):  # impossible data are so with any nodes
        difference = np.where(fine == coarse, 0.0, fine - coarse) * (data.arrays["weight"].values > 0)
    total = float(data.arrays["weight"].values @ difference)
    worst = float(np.abs(difference).max(initial=0.0))
    return {"nodes": said[0], "audit_nodes": said[1], "audit": total, "audit_of_a_unit": worst}


def audit_error(audit: Mapping[str, Any]) -> float:
    """How far the log-likelihood, or that of a unit, is off by an audit."""
    return max(abs(audit.get("audit", 0.0)), audit.get("audit_of_a_unit", 0.0))


def audit_words(audit: Mapping[str, Any]) -> str:
    """What an audit found, and what to do."""
    one = f"{audit['audit']:.3f}"
    if audit_error(audit) > ROUGH > abs(audit["audit"]):
        one += f", and that of a unit by up to {audit_error(audit):.3f}"
    return (
        f"Finer nodes change the log-likelihood by {one} ({audit['nodes']} to {audit['audit_nodes']}): "
        "take more (nodes=)"
    )


def refine_nodes[P: Problem](data: P, theta: Array, enough: float = FINE) -> tuple[P, dict[str, Any]]:
    """The data with nodes that are fine enough at theta, as far as the program takes them by itself, and the audit."""
    while True:
        data = adapt_nodes(data, theta)
        audit = audit_nodes(data, theta)
        if audit_error(audit) <= enough or not (better := finer(data)):
            return data, audit
        data = with_methods(data, better)


def with_population_nodes[P: Problem](data: P, kinds: type | UnionType = Adaptive | Exact | PartlyExact) -> P:
    """The data with nodes for averages over the population, not over the posterior of a unit.

    Fewer where there would be many for many individuals: their class probabilities are smooth in the effects.
    """
    moved = [k for k, m in data.nodes.items() if isinstance(m, kinds)]
    return with_fixed_nodes(data, {k: _wide(data, k) for k in moved}) if moved else data


def _wide(data: Problem, level: str) -> Nodes:
    n = len(data.model.effects_at(level))
    wide = {1: Trapezoid(61, 6.0), 2: Trapezoid(21), 3: Trapezoid(11)}.get(n, MonteCarlo(4000))
    if len(data.counts) * count_nodes(wide, n) < MANY or n > 3:
        return wide
    return {1: Trapezoid(31, 6.0), 2: GaussHermite(9), 3: GaussHermite(6)}[n]
