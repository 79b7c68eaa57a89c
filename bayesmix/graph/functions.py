"""Compiled functions of the one graph, made once for each structure of a model.

Data, sizes and fixed values are inputs of a function and no part of its type: random starts, K = 1..5,
replications of a study and a second data set reuse it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor import xtensor as px
from pytensor.compile.mode import Mode, get_mode
from pytensor.graph.rewriting.basic import in2out, node_rewriter
from pytensor.link.vm import VMLinker
from pytensor.tensor.basic import fill
from pytensor.tensor.math import add, mul, softplus

from bayesmix.data.dataset import Data, Named
from bayesmix.graph import likelihood
from bayesmix.graph.batches import Batch, batched, spread
from bayesmix.graph.penalty import penalty
from bayesmix.graph.quantities import derived
from bayesmix.parallel import COMPILING, Shared, spare
from bayesmix.spec.model import Model, structure
from bayesmix.spec.parameters import lower, natural

What = Literal["total", "units", "gradient", "effects", "factors", "probabilities", "derived"]


@dataclass(frozen=True)
class Compiled:
    """A compiled function, the names of its inputs after theta, and the dims of its named outputs."""

    function: Callable
    inputs: tuple[str, ...]
    dims: dict[str, tuple[str, ...]]


_CACHE: dict[tuple, Compiled] = {}
AT_ONCE = 16
"""Summands of one function of NumPy."""
COMPILEDIR = Path(pytensor.config.compiledir)
"""PyTensor's folder. Asked for the first time by two threads at once, its configuration raises an error."""


def numpy_mode() -> Mode:
    """PyTensor on plain NumPy: nothing to compile, ready in a fraction of a second.

    The rewrites of "fast_run" take twice as long to make and give no faster function on NumPy.
    """
    made = Mode(linker=VMLinker(use_cloop=False, c_thunks=False), optimizer="fast_compile").excluding("fusion")
    return made.register(*((in2out(r, name=r.__name__), 49.0) for r in (filled, softened, narrowed)))


@node_rewriter(cast(Any, [fill]))
def filled(fgraph, node):
    """fill(x, y) is y where shapes are right by the names of the dims; NumPy has no function for it."""
    x, y = node.inputs
    same = y.type.broadcastable == node.outputs[0].type.broadcastable
    return [y if same else y + pt.alloc(np.zeros((), y.dtype), *x.shape)]


@node_rewriter(cast(Any, [softplus]))
def softened(fgraph, node):
    """log(1 + exp(x)) as max(x, 0) + log1p(exp(-|x|)); NumPy has no function for it."""
    x = cast(Any, node.inputs[0])
    return [pt.maximum(x, 0.0) + cast(Any, pt.log1p(pt.exp(-cast(Any, pt.abs(x)))))]


@node_rewriter(cast(Any, [add, mul]))
def narrowed(fgraph, node):
    """A sum or product of many as one of several; NumPy's functions take no more than 32 arrays."""
    x = node.inputs
    if len(x) <= AT_ONCE:
        return None
    parts = [x[k : k + AT_ONCE] for k in range(0, len(x), AT_ONCE)]
    return [node.op(*(node.op(*some) if len(some) > 1 else some[0] for some in parts))]


def placeholder(name: str, dims: tuple[str, ...], dtype: str, shape: tuple | None = None):
    """An input and the same with its dims named."""
    plain = pt.tensor(name, shape=shape or (None,) * len(dims), dtype=dtype)
    return plain, px.as_xtensor(plain, dims=dims)


@dataclass(frozen=True)
class Inputs:
    """The graph's inputs: theta, where each parameter's entries stand in it, and the data."""

    theta: Any
    plain: dict[str, Any]
    values: dict[str, Any]
    data: dict[str, Any]


def make_inputs(model: Model, data: Data, static: bool = False) -> Inputs:
    """Placeholders for everything; with `static`, of known shape (JAX asks for it)."""
    theta = pt.vector("theta", shape=(data.packing.size,) if static else (None,))
    plain: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for p in model.parameters:
        shape = data.packing.shape(p) if static else (None,) * len(p.dims)
        index = pt.tensor(f"index:{p.name}", shape=shape, dtype="int64")
        fixed = pt.tensor(f"fixed:{p.name}", shape=shape, dtype="float64")
        plain |= {f"index:{p.name}": index, f"fixed:{p.name}": fixed}
        values[p.name] = natural(theta, p, index, fixed)
    named = {}
    for key, v in data.arrays.items():
        plain[key], named[key] = placeholder(key, v.dims, str(v.values.dtype), v.values.shape if static else None)
    return Inputs(theta, plain, values, named)


def input_values(data: Data) -> dict[str, np.ndarray]:
    """What the placeholders of :func:`make_inputs` stand for."""
    packed = {f"index:{k}": v for k, v in data.packing.index.items()}
    packed |= {f"fixed:{k}": v for k, v in data.packing.fixed.items()}
    return packed | data.values()


def compiled(what: What, data: Data, mode: str | Mode | None = None, probes: tuple = ()) -> Compiled:
    """A function of ``(theta, **inputs)`` over the graph, from the cache or new.

    ``total``: the log-likelihood. ``units``: of each unit. ``gradient``: the log-likelihood and its
    gradient.
    ``factors``: natural parameters, effects, class log probabilities, response tables; ``effects``: the
    first two of these.
    ``probabilities``: gradients with respect to the zero log factors over the dims of `probes`.
    ``derived``: natural parameters, tables of probabilities, what follows from the parameters.
    """
    mode = mode or "NUMPY"
    static = isinstance(mode, str) and mode.upper() == "JAX"
    shapes = (data.packing.size, *(v.shape for v in input_values(data).values())) if static else ()
    key = (what, structure(data.model), data.signature, str(mode), shapes, probes)
    if key not in _CACHE:
        with COMPILING:
            if key not in _CACHE:  # another thread may have made it meanwhile
                _CACHE[key] = _compile(what, data, mode, static, probes)
    return _CACHE[key]


def is_ready(what: What, data: Data, mode: str) -> bool:
    """Whether this process has compiled the function already."""
    return (what, structure(data.model), data.signature, mode, (), ()) in _CACHE


def bind(what: What, data: Data, mode: str | Mode | None = None, probes: tuple = ()) -> Callable:
    """The compiled function with the data put in: a function of theta alone.

    What is a sum over clusters, or has a value for each, goes batch by batch where all at once would be
    larger than a processor's cache. Priors penalise what is maximised.
    """
    found = _bind_plain(what, data, mode, probes)
    if not data.priors or what not in ("total", "gradient"):
        return found
    further = penalty(data)

    def penalised(theta):
        value, gradient = further(theta)
        own = found(theta)
        return own + value if what == "total" else [own[0] + value, own[1] + gradient]

    return penalised


def _bind_plain(what: What, data: Data, mode: str | Mode | None, probes: tuple) -> Callable:
    jax = isinstance(mode, str) and mode.upper() == "JAX"
    batches = [] if what in ("effects", "factors", "derived") or jax else batched(data)
    if len(batches) < 2:
        return _bound(what, data, mode, probes)
    each = [_bound(what, b.data, mode, probes) for b in batches]

    return lambda theta: _together(what, [f(theta) for f in each], batches, probes)


def _bound(what: What, data: Data, mode: str | Mode | None, probes: tuple) -> Callable:
    made = compiled(what, data, mode, probes)
    held = input_values(data) | {f"probe:{i}": _zeros(data, dims) for i, dims in enumerate(probes)}
    arguments = [held[name] for name in made.inputs]
    return lambda theta: made.function(theta, *arguments)


def _together(what: What, results: list, batches: list[Batch], probes: tuple):
    """The results of all batches as one."""
    if what == "total":
        return sum(results)
    if what == "gradient":
        return [sum(r[k] for r in results) for k in range(2)]
    if what == "units":
        return spread(results, batches, "cluster")
    return [spread([r[k] for r in results], batches, dims[0]) for k, dims in enumerate(probes)]


def evaluate(
    data: Data,
    theta: np.ndarray,
    mode: str | Mode | None = None,
    what: Literal["effects", "factors", "derived"] = "factors",
) -> dict[str, Named]:
    """Natural parameters by name, and the factors ``effect:``, ``class:`` and ``response:``, at theta.

    ``effects`` has no other factors; ``derived`` has ``table:`` and ``derived:`` instead
    (:func:`bayesmix.graph.quantities.derived`).
    """
    dims = compiled(what, data, mode).dims
    arrays = bind(what, data, mode)(theta)
    return {k: Named(d, np.asarray(x)) for (k, d), x in zip(dims.items(), arrays, strict=True)}


def _zeros(data: Data, dims: tuple[str, ...]) -> np.ndarray:
    size = {d: n for v in data.arrays.values() for d, n in zip(v.dims, v.values.shape, strict=True)}
    return np.zeros([size[d] if d in size else len(data.coords[d]) for d in dims])


def _compile(what: What, data: Data, mode, static: bool, probes: tuple) -> Compiled:
    model, inputs = data.model, make_inputs(data.model, data, static)
    extra, dims = {}, {}
    if what in ("effects", "factors", "derived"):
        make = {"effects": likelihood.effect_factors, "factors": likelihood.factors, "derived": derived}[what]
        named = inputs.values | make(model, inputs.values, inputs.data)
        dims = {k: x.dims for k, x in named.items()}
        outputs = [lower(x.values) for x in named.values()]
    else:
        zeros = [placeholder(f"probe:{i}", d, "float64") for i, d in enumerate(probes)]
        extra = {f"probe:{i}": plain for i, (plain, _) in enumerate(zeros)}
        units = likelihood.log_likelihood(model, inputs.values, inputs.data, tuple(x for _, x in zeros))
        units = lower(units.transpose(data.unit).values)
        outputs = _outputs(what, units, inputs, [plain for plain, _ in zeros])
    arguments = inputs.plain | extra
    return Compiled(_function([inputs.theta, *arguments.values()], outputs, mode), tuple(arguments), dims)


def _outputs(what: What, units, inputs: Inputs, zeros: list):
    if what == "units":
        return units
    if what == "probabilities":
        return pt.grad(units.sum(), zeros, disconnected_inputs="ignore")
    total = (inputs.plain["weight"] * units).sum()
    return total if what == "total" else [total, pt.grad(total, inputs.theta)]


def _function(arguments, outputs, mode) -> Callable:
    flags = {"cxx": ""} if mode == "NUMPY" else {}
    with pytensor.config.change_flags(**flags):
        made = pytensor.function(
            arguments, outputs, mode=pytensor_mode(mode), trust_input=True, on_unused_input="ignore"
        )
    # numba holds the interpreter's lock while it runs, and JAX takes all cores: one call at a time costs nothing
    return Shared(made, spare() if mode == "NUMPY" else 0)


def pytensor_mode(mode: str | Mode) -> Mode:
    """A PyTensor mode by name, without what the graph does for itself or does not need.

    Its logsumexp is shifted already, and its shapes are right by the names of the dims.
    """
    if isinstance(mode, Mode):
        return mode
    try:
        made = numpy_mode() if mode == "NUMPY" else get_mode({"C": "CVM"}.get(mode, mode))
    except ValueError:
        raise ValueError(f"The mode came as {mode!r}: give 'NUMPY', 'NUMBA', 'C' or 'JAX', or leave it out.") from None
    return made.excluding("local_log_sum_exp").including("local_remove_all_assert")


def constants_of(data: Data, response: str) -> Mapping[str, np.ndarray]:
    """The constants of a response as arrays, for its simulator."""
    prefix = f"{response}:"
    return {k.removeprefix(prefix): v.values for k, v in data.arrays.items() if k.startswith(prefix)}
