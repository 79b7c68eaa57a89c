"""Batches of clusters, by size: what is computed for every individual and node takes little memory at a time.

In a batch each cluster has as many slots as its largest one has individuals; clusters of about one size
leave few of them empty.

Individuals without clusters are in a batch with those that miss the same covariates: one that is there needs no nodes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from bayesmix.data import equal_rows
from bayesmix.data.row_ranks import by_number
from bayesmix.graph.integration import is_node
from bayesmix.graph.problem import Problem
from bayesmix.spec import Named

LARGE = 2**20
"""Entries of a tensor over the individuals, nodes and classes of a batch: in smaller ones each call costs more than the
cache saves, as measured with 14,217 individuals at 343 nodes."""
COUNTED = ("counts", "cluster_of", "square")
"""Arrays that each batch has anew."""


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
    """The data in batches; one or none where all together are small, or individuals are merged over clusters.

    What was taken from an array is taken again where the data have another one in its place.
    """
    if data.clusters is None and data.model.normal_covariates:
        return list(_by_missing(data))
    if "cluster_of" not in data.arrays or data.clusters is None:
        return []
    width = entries(data)
    if np.count_nonzero(data.counts) * width <= 2 * LARGE:
        return []
    own = (data.counts, data.arrays["cluster_of"].values, width)
    kept = data.keep("batches", own, lambda: _Batches(_layouts(data, width)))
    out = [_batch(data, k, kept) for k in range(len(kept.layouts))]
    return out if len(out) > 1 else []


def _by_missing(data: Problem) -> Iterator[Batch]:
    """Individuals by the covariates that they miss; those that are there have one node, whose weight is 1."""
    own, names = data.model.effects_at("individual"), {}
    for e in data.model.normal_covariates:
        k = own.index(e) + 1
        z = data.arrays.get(f"z_individual_{k}")
        if z is None or len(z.dims) > 1:  # nodes of several effects together
            return
        names[k] = data.arrays[f"there:{e.column}"].values > 0
    first, which = equal_rows([x.astype(np.int64) for x in names.values()], by_number)
    for b, one in enumerate(first):
        mine = np.flatnonzero(which == b)
        arrays = {name: _take(x, {"individual": mine}) for name, x in data.arrays.items()}
        for k in (k for k, there in names.items() if there[one]):
            node = (f"node_individual_{k}",)
            arrays |= {f"{x}_individual_{k}": Named(node, np.zeros(1)) for x in ("z", "log_weight")}
        part = replace(data, arrays=arrays, counts=data.counts[mine], kept={})
        yield Batch(part, mine, mine, np.arange(len(mine)), {"individual": len(data.counts)})


@dataclass(frozen=True)
class _Layout:
    """Clusters and individuals of a batch, as :class:`Batch` has them, and whose the slots are."""

    clusters: NDArray[np.int64]
    individuals: NDArray[np.int64]
    slots: NDArray[np.int64]
    owners: NDArray[np.int64]
    counts: NDArray[np.float64]

    @property
    def width(self) -> int:
        """Slots of a cluster."""
        return len(self.owners) // len(self.clusters)


@dataclass
class _Batches:
    """Batches of some data, and what was taken from each of their arrays."""

    layouts: list[_Layout]
    taken: dict[str, tuple[Named, list[Named]]] = field(default_factory=dict)

    def parts(self, name: str, x: Named) -> list[Named]:
        """An array's parts, one a batch."""
        if name not in self.taken or self.taken[name][0].values is not x.values:
            each = [_take(x, {"individual": o.owners, "cluster": o.clusters}) for o in self.layouts]
            self.taken[name] = x, each
        return self.taken[name][1]


def _layouts(data: Problem, width: int) -> list[_Layout]:
    full = np.flatnonzero(data.counts > 0)
    owner = data.arrays["cluster_of"].values[full]
    sizes = np.bincount(owner, minlength=len(data.clusters or ()))
    by_size = np.argsort(sizes, kind="stable")
    members = np.split(full[np.argsort(owner, kind="stable")], np.cumsum(sizes)[:-1])
    return [_layout(data, some, members) for some in _parted(by_size, sizes * width)]


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


def _layout(data: Problem, clusters: NDArray, members: Sequence[NDArray]) -> _Layout:
    mine = [members[j] for j in clusters]
    sizes = np.array([len(m) for m in mine])
    width = int(sizes.max())
    individuals = np.concatenate(mine)
    slots = np.concatenate([k * width + np.arange(n) for k, n in enumerate(sizes)])
    owners = np.repeat(individuals[:1], len(clusters) * width)
    owners[slots] = individuals
    counts = np.zeros(len(owners))
    counts[slots] = data.counts[individuals]
    return _Layout(clusters, individuals, slots, owners, counts)


def _batch(data: Problem, k: int, kept: _Batches) -> Batch:
    own = kept.layouts[k]
    arrays = {name: kept.parts(name, x)[k] for name, x in data.arrays.items() if name not in COUNTED}
    arrays["counts"] = Named(("individual",), own.counts)
    arrays["cluster_of"] = Named(("individual",), np.repeat(np.arange(len(own.clusters)), own.width))
    arrays["square"] = Named(("cluster", "slot"), own.counts.reshape(-1, own.width))
    size = {"individual": len(data.counts), "cluster": len(data.clusters or ())}
    part = replace(data, arrays=arrays, counts=own.counts, kept={})
    return Batch(part, own.clusters, own.individuals, own.slots, size)


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
