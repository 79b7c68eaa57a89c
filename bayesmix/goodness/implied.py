"""What a model expects of one item and of two: from the graph's own probabilities and tables of responses.

With s everything latent of an individual (classes C, effects) given u, that of the cluster,

    E f_a = sum_u P(u) sum_s P(s | u) E(f_a | s, u),
    E f_a f_b = sum_u P(u) sum_s P(s | u) E(f_a | s, u) E(f_b | s, u),

where f_a is the indicator of a category of an item, or the number itself, and a and b are of two items: these are
independent given s and u, but for normal items with residual covariances, which are added. For two members i and k of
a cluster it is E_u m_ia(u) m_kb(u), m_ia(u) = sum_s P(s | u) E(f_a | s, u). The sums over effects are those over
nodes for the population.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmix.data import equal_rows
from bayesmix.goodness.judged import Answers, Columns, Judged
from bayesmix.graph import LogLikelihood, Problem, for_individuals, given_states, is_of_nodes, with_population_nodes
from bayesmix.spec import GROUP, Named
from bayesmix.typing import Array

AT_ONCE = 4_000_000
"""Entries of individuals, states and columns that are in memory at a time."""


@dataclass(frozen=True)
class Sums:
    """Sums over individuals of one and of two columns.

    Attributes
    ----------
    one : array (column,)
        Over those who answered the item.
    two : array (column, column)
        Over those who answered both items.
    spread : array (column,)
        Variances of `one`, individuals independent.
    """

    one: Array
    two: Array
    spread: Array


@dataclass(frozen=True)
class Implied:
    """Moments of the columns given what is latent, and the probabilities of that.

    Attributes
    ----------
    columns : Columns
    above : array (individual or 1, u)
        P(u); u runs over all states of a cluster.
    within : array (individual or 1, u, s)
        P(s | u).
    values, squares : array (individual or 1, u or 1, s or 1, column)
        E(f | s, u) and E(f^2 | s, u).
    beside : array (group or 1, u or 1, s or 1, column x column)
        Residual covariances of two items given s and u.
    group : array of int (individual or 1,)
        The group of each individual, 0 where residual covariances do not differ by group.
    """

    columns: Columns
    above: Array
    within: Array
    values: Array
    squares: Array
    beside: Array
    group: NDArray[np.int64]

    @classmethod
    def of(cls, judged: Judged) -> Implied:
        """Evaluate the graph at the parameters."""
        data = with_population_nodes(judged.data)
        made = LogLikelihood(data).factors(judged.theta)
        upper, lower = (_joint(data, made, level) for level in ("cluster", "individual"))
        values, squares = (_columns(data, made, square) for square in (False, True))
        u = [str(d) for d in upper.dims if d != "individual"]
        beside = _residual_covariances(data, made, Columns.of(data))
        every = dict.fromkeys(str(d) for x in (lower, values, beside) for d in x.dims)
        s = [d for d in every if d not in ("individual", "column", "two", GROUP, *u)]
        sizes = {str(d): x.sizes[d] for x in (upper, lower, values, beside) for d in x.dims}
        group = data.arrays["group_of_individual"].values if GROUP in beside.dims else np.zeros(1, dtype=np.int64)
        return cls(
            Columns.of(data),
            _shaped(upper, ["individual"], u, sizes=sizes),
            _shaped(lower, ["individual"], u, s, sizes=sizes),
            _shaped(values, ["individual"], u, s, ["column"], sizes=sizes, whole=False),
            _shaped(squares, ["individual"], u, s, ["column"], sizes=sizes, whole=False),
            _shaped(beside, [GROUP], u, s, ["two"], sizes=sizes, whole=False),
            group,
        )

    @property
    def varies(self) -> bool:
        """Whether individuals differ, by covariates."""
        return any(len(x) > 1 for x in (self.above, self.within, self.values, self.group))

    @cached_property
    def _common(self) -> tuple[Array, Array]:
        """Means of columns and of their products, where individuals do not differ."""
        return self._moments(np.arange(1), np.ones(1))

    def _moments(self, some: NDArray[np.int64], counts: Array) -> tuple[Array, Array]:
        """Sums over `some` individuals of expected columns, and of expected products of two."""
        above, within, values, squares, group = self._of(some)
        w = counts[:, None, None] * above[:, :, None] * within
        over = [w[group == g] if len(self.beside) > 1 else w for g in range(len(self.beside))]
        w = w if len(values) > 1 else w.sum(axis=0, keepdims=True)
        shape = (*w.shape, values.shape[-1])
        m = np.broadcast_to(values, shape).reshape(-1, shape[-1])
        own = w.reshape(-1) @ np.broadcast_to(squares, shape).reshape(-1, shape[-1])
        two = (m * w.reshape(-1, 1)).T @ m
        for part, x in zip((p.sum(axis=0) for p in over), self.beside, strict=True):
            two += np.tensordot(part, np.broadcast_to(x, (*part.shape, two.size)), 2).reshape(two.shape)
        same = self.columns.item[:, None] == self.columns.item[None, :]
        return w.reshape(-1) @ m, np.where(same, np.diag(own), two)

    def _of(self, some: NDArray[np.int64] | slice) -> list[Any]:
        """The parts of `some` individuals, of one where they do not differ."""
        every = (self.above, self.within, self.values, self.squares, self.group)
        return [x[some] if len(x) > 1 else x for x in every]

    def _summed(self, some: NDArray[np.int64], counts: Array) -> tuple[Array, Array]:
        """:meth:`_moments`, in parts that memory has room for."""
        each = self.within.shape[1] * self.within.shape[2] * self.values.shape[-1]
        parts = np.array_split(some, -(-len(some) * each // AT_ONCE) or 1)
        one, two = zip(*(self._moments(k, counts[k]) for k in parts), strict=True)
        return sum(one), sum(two)  # pyright: ignore[reportReturnType]

    def population(self, counts: Array) -> tuple[Array, Array]:
        """Means of columns and of their products over all individuals, whatever they answered."""
        if not self.varies:
            return self._common
        used = np.flatnonzero(counts > 0)
        one, two = self._summed(used, counts)
        return one / counts.sum(), two / counts.sum()

    def sums(self, answers: Answers) -> Sums:
        """What is expected of sums over those who answered."""
        o, w, item = answers.answered, answers.counts, self.columns.item
        each, both = (w @ o)[item], ((o * w[:, None]).T @ o)[np.ix_(item, item)]
        if not self.varies:
            one, two = self._common
            return Sums(each * one, both * two, each * (np.diag(two) - one**2))
        one, two = np.zeros(len(item)), np.zeros((len(item), len(item)))
        for mask, some in masks(answers):
            seen = mask[item]
            more = self._summed(some, w)
            one, two = one + seen * more[0], two + np.outer(seen, seen) * more[1]
        mean = self.means(np.arange(len(w))) * o[:, item]
        return Sums(one, two, np.diag(two) - w @ mean**2)

    def only(self, some: NDArray[np.int64]) -> Implied:
        """Of `some` individuals alone."""
        if not self.varies:
            return self
        *parts, group = self._of(some)
        return Implied(self.columns, *parts, self.beside, group)

    def means(self, some: NDArray[np.int64]) -> Array:
        """E f of each of `some` individuals, (individual or 1, column)."""
        above, given = self.given_cluster(some)
        return (above[..., None] * given).sum(axis=1)

    def products(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> Array:
        """E f_a f_b of each individual for columns `a` and `b`, (individual or 1, a, b)."""
        n = max(len(self.above), len(self.within), len(self.values))
        shape = (n, self.above.shape[1], self.within.shape[2])
        p = np.broadcast_to(self.above[:, :, None] * self.within, shape)
        x, y, square = (np.broadcast_to(k, (*shape, k.shape[-1])) for k in self._columns_of(a, b))
        out = np.einsum("ius,iusa,iusb->iab", p, x, y, optimize=True)
        wide = len(self.columns.item)
        beside = self.beside.reshape(*self.beside.shape[:-1], wide, wide)[..., a[:, None], b]
        out = out + np.einsum("ius,iusab->iab", p, np.broadcast_to(beside, (*shape, len(a), len(b))), optimize=True)
        own = np.einsum("ius,iusa->ia", p, square, optimize=True)
        same = self.columns.item[a][:, None] == self.columns.item[b]
        return np.where(same, own[:, :, None] * (a[:, None] == b), out)

    def _columns_of(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> tuple[Array, Array, Array]:
        return self.values[..., a], self.values[..., b], self.squares[..., a]

    def given_cluster(self, some: NDArray[np.int64]) -> tuple[Array, Array]:
        """P(u) and m(u) of `some` individuals: (individual or 1, u), (individual or 1, u, column)."""
        above, within, values, *_ = self._of(some)
        return above, (within[..., None] * values).sum(axis=2)


def masks(answers: Answers) -> Iterator[tuple[Array, NDArray[np.int64]]]:
    """Each pattern of missing answers that occurs: 1 for items answered, and who has it."""
    used = np.flatnonzero(answers.counts > 0)
    if not len(used):
        return
    first, which = equal_rows(answers.answered[used].T)
    for k in range(len(first)):
        yield answers.answered[used[first[k]]], used[which == k]


def _joint(data: Problem, made: Mapping[str, Named], level: str) -> xr.DataArray:
    """The probability of the classes of a level and of the nodes of its effects, given the level above."""
    parts = [made[f"class:{c.name}"] for c in data.model.classes_at(level)]
    parts += [x for k, x in data.arrays.items() if k.startswith("log_weight_") and is_of_nodes(k, level)]
    known = [x for c in data.model.classes_at(level) if (x := data.arrays.get(f"known:{c.name}"))]
    each = [for_individuals(xr.DataArray(x.values, dims=x.dims), data) for x in (*parts, *known)]
    p = xr.DataArray(np.exp(reduce(lambda x, y: x + y, each, xr.DataArray(0.0))))
    return p / p.sum([d for d in p.dims if d != "individual"]) if known else p


def _columns(data: Problem, made: Mapping[str, Named], square: bool) -> xr.DataArray:
    """Means of all columns, or of their squares, over the states that any of them depends on."""
    each = []
    for r in data.model.responses:
        x = given_states(r, made, data, square)
        for k, item in enumerate(r.items):
            own = x.isel({r.item_dim: k})
            n = len(data.categories[item]) if r.family.finite else 1
            own = own.isel(feature=slice(0, n)) if r.family.finite else own.expand_dims("feature")
            each.append(own.rename(feature="column"))
    wide: list[xr.DataArray] = [*xr.broadcast(*each, exclude=["column"])]
    return xr.concat(wide, dim="column")


def _residual_covariances(data: Problem, made: Mapping[str, Named], columns: Columns) -> xr.DataArray:
    """Residual covariances of every two columns of different items, over the classes that they depend on."""
    n, begin = len(columns.item), 0
    out = xr.DataArray(np.zeros(n * n), dims="two")
    for r in data.model.responses:
        if r.family.joint:
            x, size = made[f"covariance:{r.name}"], len(r.items)
            states = [d for d in x.dims if d not in (r.item_dim, f"{r.item_dim}_")]
            own = xr.DataArray(x.values, dims=x.dims).transpose(*states, r.item_dim, f"{r.item_dim}_").values
            wide = np.zeros((*own.shape[:-2], n, n))
            wide[..., begin : begin + size, begin : begin + size] = own * (1.0 - np.eye(size))
            out = out + xr.DataArray(wide.reshape(*own.shape[:-2], -1), dims=(*states, "two"))
        begin += sum(max(len(data.categories[i]), 1) if r.family.kind == "categorical" else 1 for i in r.items)
    return out


def _shaped(x: xr.DataArray, *groups: Sequence[str], sizes: Mapping[str, int], whole: bool = True) -> Array:
    """An array with an axis for each group of dims, those of a group joined; of length 1 where it has none of them.

    Of the first group, and with `whole` unset of all, dims that it has not stay out where it has none of a group.
    """
    for k, group in enumerate(groups):
        there = any(d in x.dims for d in group)
        if there or (whole and k > 0):
            x = x.expand_dims({d: sizes[d] for d in group if d not in x.dims})
    order = [d for group in groups for d in group if d in x.dims]
    shape = [int(np.prod([x.sizes[d] for d in group if d in x.dims])) for group in groups]
    return np.ascontiguousarray(x.transpose(*order).values.reshape(shape))
