"""Nodes for many parameter values at once, and how far they can be trusted there.

Adaptive nodes stand at the posterior of the effects under one value of the parameters; a sampler goes to others,
where they may miss it. Here they are placed over several values together, and checked against fresh ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from bayesmix.graph import (
    LogLikelihood,
    Problem,
    adapt_nodes,
    effect_order,
    placed,
    with_adaptive_nodes,
    with_fixed_nodes,
)
from bayesmix.spec import Adaptive, Exact, MonteCarlo, Nodes, root
from bayesmix.typing import Array

AUDITED = 12
"""At so many draws the nodes are checked."""
OFF = 0.1
"""An error of the log-likelihood at a draw, in its units, that is mended, or said."""


@dataclass(frozen=True)
class Audit:
    """Log-likelihoods at some draws: with finer nodes, fresh at each, minus those that were used."""

    differences: Array

    @property
    def worst(self) -> float:
        """The largest difference, with its sign."""
        return float(self.differences[np.argmax(np.abs(self.differences))]) if self.differences.size else 0.0

    @property
    def is_off(self) -> bool:
        """Whether it is to be mended or said."""
        return not abs(self.worst) <= OFF


def evenly(n: int, wanted: int) -> NDArray[np.int64]:
    """Take positions of at most `wanted` of n draws, evenly spread."""
    return np.unique(np.linspace(0, n - 1, min(n, wanted)).round().astype(np.int64))


def some(theta: Array, n: int = AUDITED) -> Array:
    """A few of the draws (..., theta), over all chains and their whole length."""
    flat = theta.reshape(-1, theta.shape[-1])
    return flat[evenly(len(flat), n)]


def audit(data: Problem, thetas: Array) -> Audit:
    """The nodes of `data` against finer ones, adapted at each of the points."""
    finer = _finer(data)
    if finer is None:
        return Audit(np.zeros(0))
    used, total = LogLikelihood(data).value, []
    for theta in thetas:
        fresh = LogLikelihood(adapt_nodes(finer, theta)).value
        total.append(float(fresh(theta)) - float(used(theta)))
    return Audit(np.array(total))


def over_points(data: Problem, thetas: Sequence[Array] | Array) -> Problem:
    """Adaptive nodes placed over several points: at the mean of the effects' posteriors, with their whole spread."""
    levels = [k for k, m in data.nodes.items() if isinstance(m, Adaptive)]
    if not levels:
        return data
    each = [adapt_nodes(data, theta).places for theta in thetas]
    places = {k: _pooled([p[k] for p in each], effect_order(data.model, k)) for k in levels}
    arrays = dict(data.arrays)
    for level, place in places.items():
        arrays |= placed(data.model, level, cast(Adaptive, data.nodes[level]), *place)
    return replace(data, arrays=arrays, places={**data.places, **places})


def _pooled(each: Sequence[tuple[Array, Array]], order: Sequence[int]) -> tuple[Array, Array]:
    """Centre and scale of the mixture of normals with the given centres and scales, by unit."""
    means, roots = (np.stack([pair[k] for pair in each]) for k in range(2))
    center = means.mean(axis=0)
    apart = means - center
    covariance = np.einsum("sukl,suml->ukm", roots, roots) + np.einsum("suk,sul->ukl", apart, apart)
    return center, root(covariance / len(each), order)


def better(data: Problem, thetas: Array) -> Problem | None:
    """The data with finer nodes, adaptive ones placed over the points; None where there are none to be had."""
    finer = _finer(data)
    return None if finer is None else over_points(finer, thetas)


def _finer(data: Problem) -> Problem | None:
    """Finer nodes, not yet moved; quasi-Monte Carlo ones, whose error another scrambling shows, are left."""
    methods = {k: m for k, m in data.nodes.items() if not isinstance(m, Exact | MonteCarlo)}
    try:
        finer: Mapping[str, Nodes] = {k: m.finer() for k, m in methods.items()}
        for level, method in finer.items():
            method.grid(len(data.model.effects_at(level)))
    except ValueError:  # more nodes than there may be
        return None
    if not finer:
        return None
    moved = {k: m for k, m in finer.items() if isinstance(m, Adaptive)}
    fixed = {k: m for k, m in finer.items() if not isinstance(m, Adaptive)}
    out = with_fixed_nodes(data, fixed) if fixed else data
    return with_adaptive_nodes(out, moved) if moved else out
