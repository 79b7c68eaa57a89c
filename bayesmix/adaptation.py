"""Nodes where each unit has its posterior: adaptive quadrature, moved by the graph's own posterior of the nodes.

Depends on functions and the floors beneath.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import UnionType
from typing import cast

import numpy as np
from numpy.typing import NDArray

from bayesmix import functions
from bayesmix.data import Data
from bayesmix.integration import node_arrays, placed
from bayesmix.quadrature import Adaptive, Exact, GaussHermite, MonteCarlo, Nodes, Trapezoid

Array = NDArray[np.float64]
NARROWEST, WIDEST = 0.25, 4.0
"""How far one step may shrink or widen the nodes: a posterior between two nodes is not lost."""
MANY = 2_000_000
"""Individuals times nodes, from which fewer nodes average over the population."""
LIMIT = 1.5
"""The widest nodes, in SDs of the effects: a posterior is seldom wider than the distribution itself."""


def is_adaptive(data: Data) -> bool:
    """Whether any of the nodes are to be moved."""
    return any(isinstance(m, Adaptive) for m in data.nodes.values())


def adapted(data: Data, theta: Array, mode: str | None = None, steps: int = 12) -> Data:
    """The data with adaptive nodes centred and scaled at the posterior of each unit, given theta.

    The posterior mean and covariance of the standard normal effects come from the posterior
    probabilities of the present nodes; repeated until the nodes rest, or `steps` times.
    """
    levels = [k for k, m in data.nodes.items() if isinstance(m, Adaptive)]
    for _ in range(steps if levels else 0):
        moved = [_move(data, level, theta, mode) for level in levels]
        data = replace(
            data,
            arrays={**data.arrays, **{k: v for arrays, _, _ in moved for k, v in arrays.items()}},
            places={**data.places, **{level: place for level, (_, place, _) in zip(levels, moved, strict=True)}},
        )
        if max(distance for _, _, distance in moved) < 0.1:
            break
    return data


def _move(data: Data, level: str, theta: Array, mode: str | None):
    """New nodes of a level, their centres and scales, and how far they moved in units of the old ones."""
    (weights,) = functions.bind("probabilities", data, mode, ((level, f"node_{level}"),))(theta)
    method = cast(Adaptive, data.nodes[level])
    mean, scale = data.places.get(level) or _start(data, level)
    t, _ = method.grid(mean.shape[1])
    total = np.sum(weights, axis=1, keepdims=True)
    w = np.where(total > 0, weights, 1.0) / np.where(total > 0, total, np.shape(weights)[1])
    center = w @ t
    apart = t[None] - center[:, None]
    size, axes = np.linalg.eigh(np.einsum("un,unk,unl->ukl", w, apart, apart))
    size = np.clip(np.sqrt(np.maximum(size, 0.0)), NARROWEST, WIDEST)
    root = scale @ (axes * size[:, None, :])
    lower = np.linalg.cholesky(_no_wider(root @ np.swapaxes(root, 1, 2)))
    place = mean + np.einsum("ukl,ul->uk", scale, center), lower
    distance = max(np.abs(center).max(initial=0.0), np.abs(np.log(size)).max(initial=0.0))
    return placed(level, method, *place), place, distance


def _no_wider(covariance: Array) -> Array:
    """Covariance matrices with no SD above LIMIT: wider nodes would miss the standard normal density itself."""
    size, axes = np.linalg.eigh(covariance)
    return np.einsum("ukl,ul,uml->ukm", axes, np.minimum(size, LIMIT**2), axes)


def _start(data: Data, level: str) -> tuple[Array, Array]:
    size, n = data.arrays[f"z_{level}"].values.shape[0], len(data.model.effects_at(level))
    return np.zeros((size, n)), np.tile(np.eye(n), (size, 1, 1))


def replaced(data: Data, methods: Mapping[str, Adaptive]) -> Data:
    """The data with other adaptive nodes, not yet moved, at the given levels."""
    arrays = dict(data.arrays)
    for level, method in methods.items():
        size = data.arrays[f"z_{level}"].values.shape[0]
        arrays |= node_arrays(level, data.model.effects_at(level), method, size)
    places = {k: v for k, v in data.places.items() if k not in methods}
    return replace(data, arrays=arrays, nodes={**data.nodes, **methods}, places=places)


def with_nodes(data: Data, methods: Mapping[str, Nodes]) -> Data:
    """The data with other nodes, the same for all units, at the given levels."""
    old = {f"{kind}_{level}" for kind in ("z", "log_weight", "curve", "slope") for level in methods}
    arrays = {k: v for k, v in data.arrays.items() if k not in old}
    for level, method in methods.items():
        arrays |= node_arrays(level, data.model.effects_at(level), method, 0)
    return replace(data, arrays=arrays, nodes={**data.nodes, **methods})


def of_population(data: Data, kinds: type | UnionType = Adaptive | Exact) -> Data:
    """The data with nodes for averages over the population, not over the posterior of a unit.

    Fewer where there would be many for many individuals: their class probabilities are smooth in the effects.
    """
    moved = [k for k, m in data.nodes.items() if isinstance(m, kinds)]
    return with_nodes(data, {k: _wide(data, k) for k in moved}) if moved else data


def _wide(data: Data, level: str) -> Nodes:
    n = len(data.model.effects_at(level))
    wide = {1: Trapezoid(61, 6.0), 2: Trapezoid(21), 3: Trapezoid(11)}.get(n, MonteCarlo(4000))
    if len(data.counts) * len(wide.grid(n)[0]) < MANY or n > 3:
        return wide
    return {1: Trapezoid(31, 6.0), 2: GaussHermite(9), 3: GaussHermite(6)}[n]
