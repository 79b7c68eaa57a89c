"""The log-likelihood as an object: whatever is asked of the one graph, compiled once for each structure of a model.

Data, sizes and fixed values are inputs of a compiled function and no part of its type: random starts, K = 1..5,
replications of a study and a second data set reuse it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor import xtensor as px
from pytensor.compile.mode import Mode

from bayesmix.graph import likelihood
from bayesmix.graph.batches import Batch, batched, spread
from bayesmix.graph.engines import function, is_static
from bayesmix.graph.problem import Problem
from bayesmix.graph.quantities import quantities
from bayesmix.parallel import COMPILING, side_by_side
from bayesmix.spec import Model, Named, Quantity, lower, natural, structure
from bayesmix.typing import Array

Dims = tuple[str, ...]


class LogLikelihood:
    """The log-likelihood of a model with data, (3) summed over clusters or individuals, as a function of theta.

    Each method is a function of theta; what it needs of the graph is compiled when it is first called, and shared by
    all problems of the same structure. What is a sum over clusters, or has a value for each, goes batch by batch
    where all at once would be larger than a processor's cache.

    Parameters
    ----------
    problem : Problem
        The model, its data and nodes.
    mode : str or Mode, optional
        The engine: "NUMPY" (needs no compiler; taken if left out), "NUMBA", "C", "JAX", or a PyTensor mode.
    """

    def __init__(self, problem: Problem, mode: str | Mode | None = None) -> None:
        self.problem, self.mode = problem, mode or "NUMPY"

    def value(self, theta: Array) -> float | Array:
        """The log-likelihood; of points stacked along leading axes one each."""
        return self._at_points(lambda at: float(self._compiled_value(at)), theta)

    def value_and_gradient(self, theta: Array) -> tuple[Any, Array]:
        """The log-likelihood and its exact gradient (entry of theta last); likewise for stacked points."""
        if np.ndim(theta) == 1:
            return self._compiled_value_and_gradient(theta)
        each = [self.value_and_gradient(at) for at in theta]
        return np.array([v for v, _ in each]), np.array([g for _, g in each])

    def of_units(self, theta: Array) -> Array:
        """The log-likelihood of each cluster, or of each pattern of individuals, its weight left out."""
        return self._at_points(lambda at: np.asarray(self._compiled_of_units(at)), theta)

    def posterior(self, theta: Array, *dims: Dims) -> list[Array]:
        """Posterior probabilities of what the `dims` index, an array for each, such as ``("individual", "C")``.

        They are the gradients of the log-likelihood with respect to log factors of zeros over these dims.
        """
        return self._compiled_posterior(dims)(theta)

    def effects(self, theta: Array) -> dict[str, Named]:
        """Natural parameters by name, and ``effect:`` s at their nodes."""
        return self._named(_effects, theta)

    def factors(self, theta: Array) -> dict[str, Named]:
        """Natural parameters by name, ``effect:`` s, log probabilities ``class:`` and tables ``response:``."""
        return self._named(_factors, theta)

    def quantities(self, theta: Array) -> dict[Quantity, Named]:
        """Natural parameters, tables of probabilities and what is derived of the parameters, by what each is.

        The problem must have nodes for the population (:func:`bayesmix.graph.nodes.with_population_nodes`).
        """
        return self._named(quantities, theta)

    def quantity_dims(self) -> dict[Quantity, Dims]:
        """Dims of :meth:`quantities`."""
        return _compiled(_Named(quantities), self.problem, self.mode).dims

    def compile(self) -> None:
        """Compile the gradient now, so that the first call takes no longer than the next."""
        _ = self._compiled_value_and_gradient

    @property
    def is_ready(self) -> bool:
        """Whether this process has compiled the gradient already."""
        return _key(_value_and_gradient, self.problem, self.mode) in _CACHE

    # what is compiled ---------------------------------------------------------------------------

    @cached_property
    def _compiled_value(self) -> Callable:
        return self._in_batches(_value, lambda parts, _: sum(parts))

    @cached_property
    def _compiled_value_and_gradient(self) -> Callable:
        return self._in_batches(_value_and_gradient, lambda parts, _: [sum(p[k] for p in parts) for k in range(2)])

    @cached_property
    def _compiled_of_units(self) -> Callable:
        return self._in_batches(_of_units, lambda parts, batches: spread(parts, batches, "cluster"))

    def _compiled_posterior(self, dims: Sequence[Dims]) -> Callable:
        def joined(parts: list, batches: list[Batch]) -> list[Array]:
            return [spread([p[k] for p in parts], batches, d[0]) for k, d in enumerate(dims)]

        return self._in_batches(_posterior, joined, tuple(dims))

    def _named(self, make: Callable, theta: Array) -> dict[Any, Named]:
        outputs = _Named(make)
        dims = _compiled(outputs, self.problem, self.mode).dims
        arrays = _bound(outputs, self.problem, self.mode)(theta)
        return {k: Named(d, np.asarray(x)) for (k, d), x in zip(dims.items(), arrays, strict=True)}

    def _in_batches(self, outputs: Outputs, joined: Callable, probes: tuple[Dims, ...] = ()) -> Callable:
        """A compiled function with the data put in; of many clusters batch by batch, the answers `joined`."""
        batches = [] if is_static(self.mode) else self._batches
        if len(batches) < 2:
            return _bound(outputs, self.problem, self.mode, probes)
        each = [_bound(outputs, b.data, self.mode, probes) for b in batches]
        return lambda theta: joined(side_by_side([partial(f, theta) for f in each]), batches)

    @cached_property
    def _batches(self) -> list[Batch]:
        return batched(self.problem)

    def _at_points(self, of_point: Callable, theta: Array) -> Any:
        """The function at a point, or at each of the points along the leading axes."""
        if np.ndim(theta) == 1:
            return of_point(theta)
        return np.array([self._at_points(of_point, at) for at in theta])


# the graph and its inputs -------------------------------------------------------------------------


def placeholder(name: str, dims: Dims, dtype: str, shape: tuple | None = None):
    """An input and the same with its dims named."""
    plain = pt.tensor(name, shape=shape or (None,) * len(dims), dtype=dtype)
    return plain, px.as_xtensor(plain, dims=dims)


@dataclass(frozen=True)
class Graph:
    """The graph's inputs: theta, the parameters that are made of it, and the data."""

    model: Model
    unit: str
    theta: Any
    plain: dict[str, Any]
    values: dict[str, Any]
    data: dict[str, Any]

    def units(self, probes: Sequence[Any] = ()) -> Any:
        """The log-likelihood of each unit, a vector."""
        out = likelihood.log_likelihood(self.model, self.values, self.data, tuple(probes))
        return lower(out.transpose(self.unit).values)


def make_graph(problem: Problem, static: bool = False) -> Graph:
    """Placeholders for everything; with `static`, of known shape (JAX asks for it)."""
    model, packing = problem.model, problem.packing
    theta = pt.vector("theta", shape=(packing.size,) if static else (None,))
    plain: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for p in model.parameters:
        shape = packing.shape(p) if static else (None,) * len(p.dims)
        index = pt.tensor(f"index:{p.name}", shape=shape, dtype="int64")
        fixed = pt.tensor(f"fixed:{p.name}", shape=shape, dtype="float64")
        plain |= {f"index:{p.name}": index, f"fixed:{p.name}": fixed}
        values[p.name] = natural(theta, p, index, fixed)
    named = {}
    for key, v in problem.arrays.items():
        plain[key], named[key] = placeholder(key, v.dims, str(v.values.dtype), v.values.shape if static else None)
    return Graph(model, problem.unit, theta, plain, values, named)


def input_values(problem: Problem) -> dict[str, np.ndarray]:
    """What the placeholders of :func:`make_graph` stand for."""
    packed = {f"index:{k}": v for k, v in problem.packing.index.items()}
    packed |= {f"fixed:{k}": v for k, v in problem.packing.fixed.items()}
    return packed | problem.values()


def constants_of(problem: Problem, response: str) -> Mapping[str, np.ndarray]:
    """The constants of a response as arrays, for its simulator."""
    prefix = f"{response}:"
    return {k.removeprefix(prefix): v.values for k, v in problem.arrays.items() if k.startswith(prefix)}


# what compiled functions return -------------------------------------------------------------------

Zeros = Sequence[tuple[Any, Any]]
"""Log factors of zeros, as inputs and with their dims named."""
Outputs = Callable[[Graph, Zeros], Any]
"""Tensors of the graph; a mapping where they have names and dims."""


def _value(graph: Graph, zeros: Zeros) -> Any:
    return (graph.plain["weight"] * graph.units()).sum()


def _value_and_gradient(graph: Graph, zeros: Zeros) -> Any:
    total = _value(graph, zeros)
    return [total, pt.grad(total, graph.theta)]


def _of_units(graph: Graph, zeros: Zeros) -> Any:
    return graph.units()


def _posterior(graph: Graph, zeros: Zeros) -> Any:
    units = graph.units([named for _, named in zeros])
    return pt.grad(units.sum(), [plain for plain, _ in zeros], disconnected_inputs="ignore")


@dataclass(frozen=True)
class _Named:
    """What `make` makes of the parameters and the data, each with its dims."""

    make: Callable[[Model, Mapping[str, Any], Mapping[str, Any]], Mapping[Any, Any]]

    def __call__(self, graph: Graph, zeros: Zeros) -> Mapping[Any, Any]:
        return self.make(graph.model, graph.values, graph.data)


def _effects(model: Model, values: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    return {**values, **likelihood.effect_factors(model, values, data)}


def _factors(model: Model, values: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    return {**values, **likelihood.factors(model, values, data)}


@dataclass(frozen=True)
class _Compiled:
    """A compiled function, the names of its inputs after theta, and the dims of its named outputs."""

    function: Callable
    inputs: tuple[str, ...]
    dims: dict[Any, Dims]


_CACHE: dict[tuple, _Compiled] = {}


def _key(outputs: Outputs, problem: Problem, mode: str | Mode, probes: Sequence[Dims] = ()) -> tuple:
    """Everything that a compiled function is made for."""
    shapes = (problem.packing.size, *(v.shape for v in input_values(problem).values())) if is_static(mode) else ()
    return outputs, structure(problem.model), problem.signature, str(mode), shapes, tuple(probes)


def _compiled(outputs: Outputs, problem: Problem, mode: str | Mode, probes: Sequence[Dims] = ()) -> _Compiled:
    """A function of ``(theta, *inputs)``, from the cache or new."""
    key = _key(outputs, problem, mode, probes)
    if key not in _CACHE:
        with COMPILING:
            if key not in _CACHE:  # another thread may have made it meanwhile
                _CACHE[key] = _compile(outputs, problem, mode, probes)
    return _CACHE[key]


def _compile(outputs: Outputs, problem: Problem, mode: str | Mode, probes: Sequence[Dims]) -> _Compiled:
    graph = make_graph(problem, is_static(mode))
    zeros = {f"probe:{i}": placeholder(f"probe:{i}", d, "float64") for i, d in enumerate(probes)}
    made, dims = outputs(graph, list(zeros.values())), {}
    if isinstance(made, Mapping):
        dims = {k: x.dims for k, x in made.items()}
        made = [lower(x.values) for x in made.values()]
    inputs = graph.plain | {k: plain for k, (plain, _) in zeros.items()}
    return _Compiled(function([graph.theta, *inputs.values()], made, mode), tuple(inputs), dims)


def _bound(outputs: Outputs, problem: Problem, mode: str | Mode, probes: Sequence[Dims] = ()) -> Callable:
    """The compiled function with the data put in: a function of theta alone."""
    made = _compiled(outputs, problem, mode, probes)
    held = input_values(problem) | {f"probe:{i}": _zeros(problem, dims) for i, dims in enumerate(probes)}
    arguments = [held[name] for name in made.inputs]
    return lambda theta: made.function(theta, *arguments)


def _zeros(problem: Problem, dims: Dims) -> np.ndarray:
    size = {d: n for v in problem.arrays.values() for d, n in zip(v.dims, v.values.shape, strict=True)}
    return np.zeros([size[d] if d in size else len(problem.coords[d]) for d in dims])
