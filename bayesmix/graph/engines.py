"""Engines: what makes a function of a graph. NumPy is ready at once; numba, C and JAX compile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.compile.mode import Mode, get_mode
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import in2out, node_rewriter
from pytensor.link.vm import VMLinker
from pytensor.tensor.basic import fill
from pytensor.tensor.math import add, mul, softplus

from bayesmix.graph.arrays import NUMPY, functions_of
from bayesmix.graph.source import source_of
from bayesmix.parallel import Shared, spare

AT_ONCE = 16
"""Summands of one function of NumPy."""
COMPILEDIR = Path(pytensor.config.compiledir)
"""PyTensor's folder. Asked for the first time by two threads at once, its configuration raises an error."""


def numpy_mode() -> Mode:
    """PyTensor on plain NumPy: nothing to compile, ready in a fraction of a second.

    The rewrites of "fast_run" take twice as long to make and give no faster function on NumPy.
    """
    made = Mode(linker=VMLinker(use_cloop=False, c_thunks=False), optimizer="fast_compile").excluding(
        "fusion", "local_mul_canonizer", "local_add_canonizer"
    )
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


BY_SOURCE = ("NUMPY", "JAX")
"""The engines that run the source of a graph (:mod:`bayesmix.graph.source`)."""
Program = Callable[[list[Any]], Callable[[Any], list[Any]]]
"""Of data: a function of points of theta, (point, entry), and what it returns, a list of arrays."""


def source(theta: Any, inputs: list[Any], outputs: list[Any]) -> str:
    """The source of a graph.

    Raises
    ------
    Untranslated
        There is an operation without a source.
    """
    with pytensor.config.change_flags(cxx=""):
        graph = FunctionGraph([theta, *inputs], outputs, clone=True)
        cast(Any, pytensor_mode("NUMPY").optimizer).rewrite(graph)
    return source_of(graph.inputs[0], graph.inputs[1:], graph)


def run_by(mode: str, text: str) -> Program:
    """The program of a source, run by NumPy or by JAX."""
    given, at = functions_of(text, NUMPY)
    if mode == "JAX":
        from bayesmix.graph.jax_arrays import jitted

        return jitted(text, given)

    def program(arguments: list[Any]) -> Callable[[Any], list[Any]]:
        with np.errstate(all="ignore"):
            held = given(*arguments)

        def function(theta: Any) -> list[Any]:
            with np.errstate(all="ignore"):
                return at(theta, *held)

        return function

    return program


def compiled(arguments: list[Any], outputs: Any, mode: str | Mode) -> Callable:
    """A function of arrays by PyTensor, one call at a time: copies of it would have to be compiled again."""
    flags = {"cxx": ""} if mode == "NUMPY" else {}
    with pytensor.config.change_flags(**flags):
        made = pytensor.function(
            arguments, outputs, mode=pytensor_mode(mode), trust_input=True, on_unused_input="ignore"
        )
    return Shared(made, spare() if mode == "NUMPY" else 0)
