"""The log-likelihood as an object: whatever is asked of the one graph, compiled once for each structure of a model.

Data, sizes and fixed values are inputs of a compiled function and no part of its type: random starts, K = 1..5,
replications of a study and a second data set reuse it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Any, cast

import numpy as np
import pytensor
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor import xtensor as px
from pytensor.compile.mode import Mode

from bayesmix.graph import likelihood
from bayesmix.graph.batches import Batch, batched, entries, spread
from bayesmix.graph.engines import BY_SOURCE, Program, compiled, run_by, source
from bayesmix.graph.integration import is_node
from bayesmix.graph.kept import kept, own_families
from bayesmix.graph.problem import Problem
from bayesmix.graph.quantities import quantities
from bayesmix.graph.source import Untranslated
from bayesmix.parallel import COMPILING, side_by_side
from bayesmix.spec import POINT, Model, Named, Quantity, lower, natural, structure
from bayesmix.typing import Array

Dims = tuple[str, ...]
AT_ONCE, OF_MANY = 2**15, 2**17
"""Entries of a tensor over points: so many of them leave a processor's cache alone, and so many, of points that are
there already, are evaluated fastest; with 8 times as many entries each point takes half the time, as measured."""


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
        self._posteriors: dict[tuple[Dims, ...], Callable] = {}

    def value(self, theta: Array) -> float | Array:
        """The log-likelihood; of points stacked along leading axes one each."""
        made = self._compiled_value if self._is_ready(_value) or np.ndim(theta) > 1 else None
        if made is None and self._is_ready(_value_and_gradient):  # to make another program takes longer than to run
            made = self._compiled_value_and_gradient
        out, *_ = self._at_points(made or self._compiled_value, theta)
        return float(out) if np.ndim(theta) == 1 else out

    def value_and_gradient(self, theta: Array) -> tuple[Any, Array]:
        """The log-likelihood and its exact gradient (entry of theta last); likewise for stacked points."""
        value, gradient = self._at_points(self._compiled_value_and_gradient, theta)
        return (float(value) if np.ndim(theta) == 1 else value), gradient

    def of_units(self, theta: Array) -> Array:
        """The log-likelihood of each cluster, or of each pattern of individuals, its weight left out."""
        (out,) = self._at_points(self._compiled_of_units, theta)
        return out

    def posterior(self, theta: Array, *dims: Dims) -> list[Array]:
        """Posterior probabilities of what the `dims` index, an array for each, such as ``("individual", "C")``.

        They are the gradients of the log-likelihood with respect to log factors of zeros over these dims. Of points
        stacked along leading axes there is one for each, with these axes first: :meth:`parts` bounds the memory.
        """
        if dims not in self._posteriors:
            self._posteriors[dims] = self._compiled_posterior(dims)
        return self._at_points(self._posteriors[dims], theta)

    def effects(self, theta: Array) -> dict[str, Named]:
        """Natural parameters by name, and ``effect:`` s at their nodes."""
        return self._named(_effects, theta)

    def factors(self, theta: Array) -> dict[str, Named]:
        """Natural parameters by name, ``effect:`` s, log probabilities ``class:`` and tables ``response:``."""
        return self._named(_factors, theta)

    def quantities(self, theta: Array) -> dict[Quantity, Named]:
        """Natural parameters, tables of probabilities and what is derived of the parameters, by what each is.

        Of points stacked along a first axis, with that axis first. The problem must have nodes for the population
        (:func:`bayesmix.graph.nodes.with_population_nodes`).
        """
        return self._named(quantities, theta)

    def quantity_dims(self) -> dict[Quantity, Dims]:
        """Dims of :meth:`quantities`."""
        made = _compiled(_Named(quantities), self.problem, self.mode).dims
        return {q: tuple(d for d in dims if d != POINT) for q, dims in made.items()}

    def compile(self) -> None:
        """Compile the gradient now, so that the first call takes no longer than the next."""
        _ = self._compiled_value_and_gradient

    def _is_ready(self, outputs: Outputs) -> bool:
        return _key(outputs, self.problem, self.mode) in _CACHE

    # what is compiled ---------------------------------------------------------------------------

    @cached_property
    def _compiled_value(self) -> Callable:
        return self._in_batches(_value, _added_up)

    @cached_property
    def _compiled_value_and_gradient(self) -> Callable:
        return self._in_batches(_value_and_gradient, _added_up)

    @cached_property
    def _compiled_of_units(self) -> Callable:
        def joined(parts: list, batches: list[Batch]) -> list[Array]:
            return [_spread([p[0] for p in parts], batches, self.problem.unit)]

        return self._in_batches(_of_units, joined)

    def _compiled_posterior(self, dims: Sequence[Dims]) -> Callable:
        def joined(parts: list, batches: list[Batch]) -> list[Array]:
            return [_spread([p[k] for p in parts], batches, d[0]) for k, d in enumerate(dims)]

        return self._in_batches(_posterior, joined, tuple(dims))

    def _named(self, make: Callable, theta: Array) -> dict[Any, Named]:
        outputs, alone = _Named(make), np.ndim(theta) == 1
        made, bound = _compiled(outputs, self.problem, self.mode), _bound(outputs, self.problem, self.mode)
        points = np.atleast_2d(theta)
        each = [bound(some) for some in self.parts(points)]
        out = {}
        for (name, dims), parts in zip(made.dims.items(), zip(*each, strict=True), strict=True):
            own = tuple(d for d in dims if d != POINT)
            if POINT in dims:
                x = np.concatenate([np.moveaxis(np.asarray(p), dims.index(POINT), 0) for p in parts])
            else:
                x = np.broadcast_to(parts[0], (len(points), *np.shape(parts[0])))
            out[name] = Named(own, x[0]) if alone else Named((POINT, *own), x)
        return out

    def _in_batches(self, outputs: Outputs, joined: Callable, probes: tuple[Dims, ...] = ()) -> Callable:
        """A compiled function with the data put in; of many clusters batch by batch, the answers `joined`."""
        batches = [] if self.mode == "JAX" or self._over_nodes(probes) else self._batches
        if not batches:
            return _bound(outputs, self.problem, self.mode, probes)
        each = [_bound(outputs, b.data, self.mode, probes) for b in batches]
        return lambda theta: joined(side_by_side([partial(f, theta) for f in each]), batches)

    def _over_nodes(self, probes: tuple[Dims, ...]) -> bool:
        """Whether something is asked of nodes of which individuals in different batches have different numbers."""
        return self.problem.clusters is None and any(is_node(d) for dims in probes for d in dims)

    @cached_property
    def _batches(self) -> list[Batch]:
        return batched(self.problem)

    def _at_points(self, function: Callable, theta: Array) -> list[Array]:
        """The function at a point, or at each of the points along the leading axes, some at once."""
        theta = np.asarray(theta, dtype=float)
        if theta.ndim == 1:
            return [x[0] for x in function(theta[None])]
        flat = theta.reshape(-1, theta.shape[-1])
        parts = [function(some) for some in self.parts(flat)]
        if len(parts) == 1 and theta.ndim == 2:
            return parts[0]
        return [np.concatenate(x).reshape(*theta.shape[:-1], *x[0].shape[1:]) for x in zip(*parts, strict=True)]

    def parts(self, points: NDArray) -> list[Any]:
        """Split points along their first axis: the tensors over a part have OF_MANY entries, or are of one point."""
        n = -(-len(points) // max(OF_MANY // self._entries, 1))
        return [points] if n < 2 else np.array_split(points, n)

    @cached_property
    def at_once(self) -> int:
        """Of how many points the tensors stay within a processor's cache, all together."""
        return max(AT_ONCE // self._entries, 1)

    @cached_property
    def _entries(self) -> int:
        """Entries of the largest tensor of a point."""
        return max(len(self.problem.counts) * entries(self.problem), 1)


def _spread(parts: Sequence[Array], batches: list[Batch], dim: str) -> Array:
    """Results of all batches, over points and each over its clusters or individuals, in the order of the data set."""
    return np.moveaxis(spread([np.moveaxis(p, 0, -1) for p in parts], batches, dim), -1, 0)


def _added_up(parts: list, _: list[Batch]) -> list[Array]:
    return [cast(Any, sum(p)) for p in zip(*parts, strict=True)]


# the graph and its inputs -------------------------------------------------------------------------


def placeholder(name: str, dims: Dims, dtype: str, shape: tuple | None = None):
    """An input and the same with its dims named."""
    plain = pt.tensor(name, shape=shape or (None,) * len(dims), dtype=dtype)
    return plain, px.as_xtensor(plain, dims=dims)


@dataclass(frozen=True)
class Graph:
    """The graph's inputs: theta at several points, the parameters that are made of it, and the data."""

    model: Model
    unit: str
    theta: Any
    plain: dict[str, Any]
    values: dict[str, Any]
    data: dict[str, Any]

    def units(self, probes: Sequence[Any] = ()) -> Any:
        """The log-likelihood of each unit, (point, unit)."""
        out = likelihood.log_likelihood(self.model, self.values, self.data, tuple(probes))
        return lower(out.transpose(POINT, self.unit).values)


def make_graph(problem: Problem) -> Graph:
    """Placeholders for everything."""
    model = problem.model
    theta = pt.matrix("theta")
    plain: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for p in model.parameters:
        index, fixed = (pt.tensor(f"{k}:{p.name}", shape=(None,) * len(p.dims), dtype=t) for k, t in PACKED)
        plain |= {f"index:{p.name}": index, f"fixed:{p.name}": fixed}
        if p.name in problem.packing.weights:
            plain[f"weights:{p.name}"] = pt.matrix(f"weights:{p.name}", dtype="float64")
        values[p.name] = natural(theta, p, index, fixed, plain.get(f"weights:{p.name}"))
    named = {}
    for key, v in problem.arrays.items():
        plain[key], named[key] = placeholder(key, v.dims, str(v.values.dtype))
    return Graph(model, problem.unit, theta, plain, values, named)


PACKED = (("index", "int64"), ("fixed", "float64"))


def input_values(problem: Problem) -> dict[str, np.ndarray]:
    """What the placeholders of :func:`make_graph` stand for."""
    packed = {f"index:{k}": v for k, v in problem.packing.index.items()}
    packed |= {f"fixed:{k}": v for k, v in problem.packing.fixed.items()}
    packed |= {f"weights:{k}": v for k, v in problem.packing.weights.items()}
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
    return [(graph.plain["weight"] * graph.units()).sum(axis=1)]


def _value_and_gradient(graph: Graph, zeros: Zeros) -> Any:
    (total,) = _value(graph, zeros)
    return [total, pt.grad(total.sum(), graph.theta)]


def _of_units(graph: Graph, zeros: Zeros) -> Any:
    return [graph.units()]


def _posterior(graph: Graph, zeros: Zeros) -> Any:
    points = graph.theta.shape[0]
    each = [plain[None] + pt.zeros((points, *[1] * plain.ndim)) for plain, _ in zeros]  # a gradient for each point
    probes = [px.as_xtensor(x, dims=(POINT, *named.dims)) for x, (_, named) in zip(each, zeros, strict=True)]
    return pt.grad(graph.units(probes).sum(), each, disconnected_inputs="ignore")


@dataclass(frozen=True)
class _Named:
    """What `make` makes of the parameters and the data, each with its dims."""

    make: Callable[[Model, Mapping[str, Any], Mapping[str, Any]], Mapping[Any, Any]]

    @property
    def __name__(self) -> str:
        """The name of `make`: where it lies in memory differs between processes, and would name no file twice."""
        return f"named:{self.make.__name__}"

    def __call__(self, graph: Graph, zeros: Zeros) -> Mapping[Any, Any]:
        return self.make(graph.model, graph.values, graph.data)


def _effects(model: Model, values: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    return {**values, **likelihood.effect_factors(model, values, data)}


def _factors(model: Model, values: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    return {**values, **likelihood.factors(model, values, data)}


@dataclass(frozen=True)
class _Compiled:
    """A program, the names of its inputs after theta, and the dims of its named outputs."""

    program: Program
    inputs: tuple[str, ...]
    dims: dict[Any, Dims]


_CACHE: dict[tuple, _Compiled] = {}


def _key(outputs: Outputs, problem: Problem, mode: str | Mode, probes: Sequence[Dims] = ()) -> tuple:
    """Everything that a program is made for."""
    related = tuple(problem.packing.weights)  # only these have an input more
    return outputs, _structure(problem.model), problem.signature, related, str(mode), tuple(probes)


@lru_cache(maxsize=256)
def _structure(model: Model) -> Any:
    return structure(model)


def _compiled(outputs: Outputs, problem: Problem, mode: str | Mode, probes: Sequence[Dims] = ()) -> _Compiled:
    """A program, from the cache or new."""
    key = _key(outputs, problem, mode, probes)
    if key not in _CACHE:
        with COMPILING:
            if key not in _CACHE:  # another thread may have made it meanwhile
                _CACHE[key] = _compile(outputs, problem, mode, probes)
    return _CACHE[key]


def _compile(outputs: Outputs, problem: Problem, mode: str | Mode, probes: Sequence[Dims]) -> _Compiled:
    if mode in BY_SOURCE and own_families(problem.model):
        key = (outputs.__name__, *_key(outputs, problem, "", probes)[1:])
        text, inputs, dims = kept(key, lambda: _written(outputs, problem, probes))
    else:
        text, inputs, dims = _written(outputs, problem, probes) if mode in BY_SOURCE else ("", (), {})
    if text:
        return _Compiled(run_by(cast(str, mode), text), inputs, dims)
    graph, made, dims, inputs = _drawn(outputs, problem, probes)
    function = compiled([graph.theta, *inputs.values()], made, mode)
    return _Compiled(lambda arguments: lambda theta: function(theta, *arguments), tuple(inputs), dims)


def _written(outputs: Outputs, problem: Problem, probes: Sequence[Dims]) -> tuple[str, tuple[str, ...], dict]:
    """The source of a program; empty where there is none for one of its operations."""
    with pytensor.config.change_flags(traceback__limit=0):  # where each variable was made takes a fifth of the time
        graph, made, dims, inputs = _drawn(outputs, problem, probes)
        try:
            return source(graph.theta, list(inputs.values()), made), tuple(inputs), dims
        except Untranslated:
            return "", tuple(inputs), dims


def _drawn(outputs: Outputs, problem: Problem, probes: Sequence[Dims]) -> tuple[Graph, list, dict, dict]:
    """The graph, what is wanted of it, the dims of what has names, and its inputs by name."""
    graph = make_graph(problem)
    zeros = {f"probe:{i}": placeholder(f"probe:{i}", d, "float64") for i, d in enumerate(probes)}
    made, dims = outputs(graph, list(zeros.values())), {}
    if isinstance(made, Mapping):
        dims = {k: x.dims for k, x in made.items()}
        made = [lower(x.values) for x in made.values()]
    return graph, made, dims, graph.plain | {k: plain for k, (plain, _) in zeros.items()}


def _bound(outputs: Outputs, problem: Problem, mode: str | Mode, probes: Sequence[Dims] = ()) -> Callable:
    """The program with the data put in: a function of points of theta alone."""
    made = _compiled(outputs, problem, mode, probes)
    held = input_values(problem) | {f"probe:{i}": _zeros(problem, dims) for i, dims in enumerate(probes)}
    return made.program([held[name] for name in made.inputs])


def _zeros(problem: Problem, dims: Dims) -> np.ndarray:
    size = {d: n for v in problem.arrays.values() for d, n in zip(v.dims, v.values.shape, strict=True)}
    return np.zeros([size[d] if d in size else len(problem.coords[d]) for d in dims])
