"""The responses as the observed variable of a PyMC model: density, draws and data under one name.

A row is an individual, a column an item; of one item there are no columns. The density is the graph's, of patterns of
equal rows; what is given to it as a value must be the data that these patterns were made of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.replace import graph_replace
from pytensor.graph.traversal import explicit_graph_inputs

from bayesmix.graph import Problem, is_node, likelihood, node_dims, placeholder, posterior
from bayesmix.graph import draw as draw_data
from bayesmix.results import RESPONSES
from bayesmix.spec import Quantity
from bayesmix.spec import parameters as params
from bayesmix.spec.families import Tensor
from bayesmix.typing import Array

MOST_ROWS = 100_000
"""More rows than these have no log-likelihood of their own: compilers are slow at so long an array of constants."""
NODES = ("z_individual", "z_cluster")
"""Inputs that are random variables where effects are sampled."""


def is_sampled(name: str, data: Problem) -> bool:
    """Whether these are effects that NUTS samples: they have neither weights nor a closed form."""
    level = name.removeprefix("z_")
    return name in NODES and not node_dims(level, data.arrays)


def dims_of(data: Problem) -> tuple[str, ...]:
    """The dims of the responses: the row, and the item where there are several."""
    several = [r.item_dim for r in data.model.responses]
    if len(items(data)) == 1:
        return ("row",)
    return "row", several[0] if len(several) == 1 else "any_item" if "all_items" in data.coords else "all_items"


def coords_of(data: Problem) -> dict[str, Any]:
    """Labels of the rows and items."""
    return dict(zip(dims_of(data), (rows_of(data)[1], items(data)), strict=False))


def items(data: Problem) -> list[str]:
    """The items in the order of the columns."""
    return [item for r in data.model.responses for item in r.items]


def rows_of(data: Problem) -> tuple[NDArray, NDArray]:
    """Rows in the analysis, repeated by their frequency, and their labels."""
    rows = np.flatnonzero(data.pattern_of >= 0)
    if data.model.freq is not None:
        rows = np.repeat(rows, data.rows.freq[rows].astype(int))
    repeated = len(set(rows.tolist())) < len(rows) or not data.index.is_unique or isinstance(data.index, pd.MultiIndex)
    return rows, np.arange(len(rows)) if repeated else data.index.to_numpy()[rows]


def responses(data: Problem) -> NDArray:
    """Coded responses, (row,) of one item and else (row, item): NaN where missing, whole numbers if all of them are."""
    rows, _ = rows_of(data)
    y = np.concatenate([data.responses[r.name] for r in data.model.responses], axis=1)[data.pattern_of[rows]]
    y = y[:, 0] if y.shape[1] == 1 else y
    return y.astype(np.int64) if is_discrete(data) and not np.isnan(y).any() else y


def is_discrete(data: Problem) -> bool:
    """Whether all responses are categories or counts."""
    return all(r.family.kind != "real" for r in data.model.responses)


@dataclass(frozen=True)
class Graph:
    """The graph of a problem with placeholders for parameters and data, lowered once.

    Samplers differentiate before named dims are lowered: random variables are put in afterwards.
    """

    data: Problem

    @cached_property
    def _lowered(self) -> tuple[list[Any], list[tuple[Quantity, tuple[str, ...]]], dict[str, Any]]:
        """The log-likelihoods of the units and the tables of probabilities, what these are, and the placeholders."""
        plain: dict[str, Tensor] = {}
        named: dict[str, Tensor] = {}
        inputs: dict[str, Tensor] = {}
        for p in self.data.model.parameters:
            plain[p.name], named[p.name] = placeholder(p.name, p.dims, "float64", self.data.packing.shape(p))
        for k, v in self.data.arrays.items():
            plain[k], inputs[k] = placeholder(k, v.dims, str(v.values.dtype))
        units = likelihood.log_likelihood(self.data.model, named, inputs).transpose(self.data.unit)
        made = likelihood.factors(self.data.model, named, inputs)
        kept = [(x, table) for k, x in made.items() if (table := _table(k, x, self.data))]
        return params.lower([units.values, *(x.values for x, _ in kept)]), [table for _, table in kept], plain

    def at(self, values: Mapping[str, Any], arrays: Mapping[str, Any]) -> list[Any]:
        """The lowered outputs with natural parameters, on the user's scale, and data put in."""
        outputs, _, plain = self._lowered
        # far from zero, parts of a logit that cancel each other would be larger than the floor under them allows
        given = {**self.data.recoding.to_inside({**values}), **arrays}
        present = {v.name: v for v in explicit_graph_inputs(outputs) if v.name in plain}
        return graph_replace(outputs, {v: given[k] for k, v in present.items()}, strict=False)

    def tables(self, values: Mapping[str, Any], arrays: Mapping[str, Any]) -> dict[str, tuple[tuple[str, ...], Any]]:
        """Tables of probabilities by name, each with its dims."""
        out = {}
        for (what, dims), x in zip(self._lowered[1], self.at(values, arrays)[1:], strict=True):
            shown = posterior.ordered_dims(dims, self.data)
            out[what.name] = (shown, cast(Tensor, pt.exp(x)).transpose([dims.index(d) for d in shown]))
        return out


def _table(key: str, x: Tensor, data: Problem) -> tuple[Quantity, tuple[str, ...]] | None:
    """A probability table and its dims; None for what is none, or differs between units or nodes."""
    if any(d in ("individual", "cluster") or is_node(d) for d in x.dims):
        return None
    return posterior.probability_table(key, x.dims, data)


def observe(graph: Graph, values: Mapping[str, Any], arrays: Mapping[str, Any], by_row: bool) -> Any:
    """The observed variable of the current PyMC model.

    Parameters
    ----------
    graph : Graph
    values : mapping of str to tensor
        Parameters on the user's natural scale.
    arrays : mapping of str to tensor
        The inputs of the graph, sampled effects among them.
    by_row : bool
        A log-likelihood for each row (each cluster, if there are some), unless there are very many. Else one for each
        pattern of rows, times its rows: the sum is the same and costs less where many rows are equal.
    """
    data = graph.data
    y, names = responses(data), (*values, *arrays)
    observed = pt.constant(y)  # a tensor: of an array with missing values PyMC would impute these
    rows, _ = rows_of(data)
    pattern = data.pattern_of[rows]
    by_row = by_row and data.unit == "individual" and len(rows) <= MOST_ROWS

    def density(value: Any, like: Any, *inputs: Any) -> Any:
        given = dict(zip(names, inputs, strict=True))
        units = graph.at({k: given[k] for k in values}, {k: given[k] for k in arrays})[0]
        units = units[pattern] if by_row else units * given["weight"]
        gone: Any = pt.isnan(value)
        same = pt.all(pt.eq(value, like) | (gone & pt.isnan(like)))  # known when it is compiled
        return pt.switch(same, units, -np.inf)

    def draw(like: Array, *inputs: Array, rng: np.random.Generator, size: Any = None) -> Array:
        shape = () if size is None else tuple(np.atleast_1d(size))
        each = [replicates(dict(zip(names, inputs, strict=True)), rng) for _ in range(int(np.prod(shape)))]
        return np.reshape(each, (*shape, *like.shape)).astype(like.dtype)

    replicates = Replicates(data)
    inputs = [values[k] for k in values] + [arrays[k] for k in arrays]
    own = f"({','.join(dims_of(data))})".replace("_", "")
    core = [own, *(f"({','.join(f'x{i}_{k}' for k in range(x.ndim))})" for i, x in enumerate(inputs))]
    return pm.CustomDist(
        RESPONSES,
        observed,
        *inputs,
        logp=density,
        random=draw,
        support_point=lambda rv, size, like, *_: like,
        signature=f"{','.join(core)}->{own}",
        dtype=str(y.dtype),
        class_name=data.model.name,
        observed=observed,
        dims=dims_of(data),
    )


@dataclass(frozen=True)
class Replicates:
    """Draws of all responses at given parameters; missing ones stay missing.

    Parameters
    ----------
    data : Problem
    """

    data: Problem

    @cached_property
    def _whole(self) -> tuple[Problem, NDArray, NDArray[np.bool_]]:
        """A pattern for each row, effects with a value for each unit; the rows; where responses are missing."""
        levels = tuple({e.level for e in self.data.model.effects})
        full = Problem.of(self.data.rows, sampled=levels, collapse=False).centred()
        pattern = full.pattern_of[rows_of(full)[0]]
        return full, pattern, np.isnan(responses(full).astype(float))

    def __call__(self, given: Mapping[str, Array], rng: np.random.Generator) -> Array:
        """Responses at natural parameters and sampled effects; effects that are not among these are drawn.

        Raises
        ------
        ValueError
            The data among `given` are others than the model was built for.
        """
        full, _, _ = self._whole
        for k, v in self.data.arrays.items():
            if k in given and k not in NODES and not np.array_equal(given[k], v.values):
                raise ValueError(
                    f"The data of the model were changed ('data:{k}' differs): build a model for other data, "
                    "bm.build(model, df), or give new rows to bm.predict."
                )
        drawn = {k: given[k] for k in NODES if k in given and k in full.arrays and is_sampled(k, self.data)}
        return self.at(
            full.pack({p.name: np.asarray(given[p.name], dtype=float) for p in full.model.parameters}), rng, drawn
        )

    def at(self, theta: Array, rng: np.random.Generator, effects: Mapping[str, Array] | None = None) -> Array:
        """Responses at a point of theta."""
        full, pattern, gone = self._whole
        drawn, _ = draw_data(full, theta, rng, effects)
        y = np.stack([drawn[item] for item in items(full)], axis=-1)[pattern].astype(float).reshape(gone.shape)
        return np.where(gone, np.nan, y) if gone.any() else y
