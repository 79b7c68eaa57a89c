"""Batches of clusters, by size: what is computed for every individual and node takes little memory at a time.

In a batch each cluster has as many slots as its largest one has individuals; clusters of about one size
leave few of them empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bayesmix.graph.integration import is_node
from bayesmix.graph.problem import Problem
from bayesmix.spec import Named

LARGE = 2**20
"""Entries of a tensor over the individuals, nodes and classes of a batch: in smaller ones each call costs more than the
cache saves, as measured with 14,217 individuals at 343 nodes."""


@dataclass(frozen=True)
class Batch:
    """Some clusters of a data set.

    Attributes
    ----------
    data : Problem
        With the arrays of these clusters alone.
    clusters : array of int
        Their positions in the data set.
    individuals : array of int
        Positions of the individuals in the data set.
    slots : array of int
        Where these individuals stand among the batch's slots.
    size : dict of str to int
        Individuals and clusters of the whole data set.
    """

    data: Problem
    clusters: NDArray[np.int64]
    individuals: NDArray[np.int64]
    slots: NDArray[np.int64]
    size: dict[str, int]


def batched(data: Problem) -> list[Batch]:
    """The data in batches; one or none where all together are small, or individuals are merged over clusters."""
    if "cluster_of" not in data.arrays or data.clusters is None:
        return []
    full = np.flatnonzero(data.counts > 0)
    width = entries(data)
    if len(full) * width <= 2 * LARGE:
        return []
    owner = data.arrays["cluster_of"].values[full]
    sizes = np.bincount(owner, minlength=len(data.clusters))
    by_size = np.argsort(sizes, kind="stable")
    members = np.split(full[np.argsort(owner, kind="stable")], np.cumsum(sizes)[:-1])
    return [_batch(data, some, members) for some in _parted(by_size, sizes * width)]


def entries(data: Problem) -> int:
    """Entries of the largest tensor for an individual: nodes and classes."""
    sizes = {d: n for x in data.arrays.values() for d, n in zip(x.dims, x.values.shape, strict=True) if is_node(d)}
    return int(np.prod([*sizes.values()]) * np.prod([c.size for c in data.model.classes if c.level != "item"]))


def _parted(order: NDArray, sizes: NDArray) -> list[NDArray]:
    """Runs of clusters, each as many as make a tensor of LARGE entries."""
    parts, start = [], 0
    while start < len(order):
        padded = np.arange(1, len(order) - start + 1) * sizes[order[start:]]
        n = max(int(np.searchsorted(padded, LARGE, side="right")), 1)
        parts.append(order[start : start + n])
        start += n
    return parts


def _batch(data: Problem, clusters: NDArray, members: Sequence[NDArray]) -> Batch:
    mine = [members[j] for j in clusters]
    sizes = np.array([len(m) for m in mine])
    width = int(sizes.max())
    individuals = np.concatenate(mine)
    slots = np.concatenate([k * width + np.arange(n) for k, n in enumerate(sizes)])
    at = np.repeat(individuals[:1], len(clusters) * width)
    at[slots] = individuals
    counts = np.zeros(len(at))
    counts[slots] = data.counts[individuals]
    taken = {"individual": at, "cluster": clusters}
    arrays = {k: _take(v, taken) for k, v in data.arrays.items() if k != "square"}
    arrays["counts"] = Named(("individual",), counts)
    arrays["cluster_of"] = Named(("individual",), np.repeat(np.arange(len(clusters)), width))
    arrays["square"] = Named(("cluster", "slot"), counts.reshape(-1, width))
    size = {"individual": len(data.counts), "cluster": len(members)}
    return Batch(replace(data, arrays=arrays, counts=counts), clusters, individuals, slots, size)


def _take(x: Named, at: dict[str, NDArray]) -> Named:
    values = x.values
    for axis, dim in enumerate(x.dims):
        if dim in at:
            values = np.take(values, at[dim], axis=axis)
    return Named(x.dims, np.asarray(values, order="C"))  # ascontiguousarray would give a single number an axis


def spread(parts: Sequence, batches: Sequence[Batch], dim: str) -> NDArray[np.float64]:
    """Results of all batches, each over its clusters or individuals first, in the order of the data set."""
    out = np.zeros((batches[0].size[dim], *np.shape(parts[0])[1:]))
    for x, b in zip(parts, batches, strict=True):
        if dim == "cluster":
            out[b.clusters] = x
        else:
            out[b.individuals] = np.asarray(x)[b.slots]
    return out
