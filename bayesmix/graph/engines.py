"""Engines: what makes a function of a graph. NumPy is ready at once; numba, C and JAX compile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.compile.mode import Mode, get_mode
from pytensor.graph.rewriting.basic import in2out, node_rewriter
from pytensor.link.vm import VMLinker
from pytensor.tensor.basic import fill
from pytensor.tensor.math import add, mul, softplus

from bayesmix.parallel import Shared, spare

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


def is_static(mode: str | Mode) -> bool:
    """Whether an engine asks for inputs of known shape, which are then part of the function's type."""
    return isinstance(mode, str) and mode.upper() == "JAX"


def function(arguments: list[Any], outputs: Any, mode: str | Mode) -> Callable:
    """A function of arrays by the engine `mode`, one call at a time where the engine is no better for more."""
    flags = {"cxx": ""} if mode == "NUMPY" else {}
    with pytensor.config.change_flags(**flags):
        made = pytensor.function(
            arguments, outputs, mode=pytensor_mode(mode), trust_input=True, on_unused_input="ignore"
        )
    # numba holds the interpreter's lock while it runs, and JAX takes all cores: one call at a time costs nothing
    return Shared(made, spare() if mode == "NUMPY" else 0)
