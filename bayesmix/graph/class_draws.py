"""Classes drawn from their posterior: those of a cluster first, then those of its individuals given them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bayesmix.graph.compile import LogLikelihood
from bayesmix.graph.integration import has_weights, node_dims, values_at
from bayesmix.graph.nodes import without_nodes
from bayesmix.graph.problem import Problem
from bayesmix.graph.unit_classes import normalised, over_points
from bayesmix.spec import Named
from bayesmix.typing import Array


def draw_classes(
    data: Problem, theta: Array, rng: np.random.Generator, rows: NDArray[np.int64], mode=None
) -> Iterator[dict[str, NDArray[np.int64]]]:
    """Draw the classes of `rows` and of all clusters jointly from P(classes of a cluster | its data), at each point.

    With the effects u_j (integrated at nodes) and classes D_j of cluster j, and the classes C_ij of its individuals,

        P(u_j, D_j, C_1j, C_2j, ... | y_j) = P(u_j, D_j | y_j) prod_i P(C_ij | y_ij, u_j, D_j):

    a node and D_j are drawn first, then each individual's path given them. Effects of individuals are integrated out.

    Parameters
    ----------
    data : Problem
        That merges no individuals of different clusters.
    theta : array (..., theta)
    rows : array of int
        Rows of the data, each with an answer; one that stands for several individuals as often.

    Yields
    ------
    dict of str to array of int
        Positions of the classes of each variable, by row or by cluster.
    """
    above = [c.name for c in data.model.classes_at("cluster")]
    within = [c.name for c in data.model.classes_at("individual")]
    nodes = node_dims("cluster", data.arrays) if within and has_weights("cluster", data.arrays) else ()
    for point in over_points(theta):
        drawn: dict[str, NDArray[np.int64]] = {}
        given = data
        if above or nodes:
            (p,) = LogLikelihood(data, mode).posterior(point, ("cluster", *above, *nodes))
            state = _draw(normalised(p).reshape(len(p), -1), rng)
            drawn = dict(zip([*above, *nodes], np.unravel_index(state, np.shape(p)[1:]), strict=True))
            given = _at_nodes(data, {d: drawn.pop(d) for d in nodes}) if nodes else data
        if within:
            (p,) = LogLikelihood(given, mode).posterior(point, ("individual", *above, *within))
            p = np.asarray(p)[data.pattern_of[rows]]
            if above and data.cluster_of_row is not None:
                owner = data.cluster_of_row[rows]
                p = p[(np.arange(len(rows)), *(drawn[k][owner] for k in above))]
            path = _draw(normalised(p).reshape(len(p), -1), rng)
            drawn |= dict(zip(within, np.unravel_index(path, p.shape[1:]), strict=True))
        yield drawn


def _at_nodes(data: Problem, at: Mapping[str, NDArray[np.int64]]) -> Problem:
    """The data with the effects of each cluster at one of its nodes, as if they had been sampled."""
    values = values_at("cluster", data.arrays, at)
    drawn = {"z_cluster": Named(("cluster", "effect_cluster"), values)}
    return replace(data, arrays=without_nodes(data, ["cluster"]) | drawn)


def _draw(p: Array, rng: np.random.Generator) -> NDArray[np.int64]:
    """One position for each row of probabilities."""
    below = np.cumsum(p, axis=1)
    return np.minimum((below < rng.random(len(p))[:, None] * below[:, -1:]).sum(axis=1), p.shape[1] - 1)
