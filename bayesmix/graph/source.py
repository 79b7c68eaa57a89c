"""From a graph to the source of a program: plain array operations, one a line, for NumPy and for JAX alike.

PyTensor's own way to NumPy costs ten microseconds of interpreter for each operation, and makes its graph anew in each
process. The source is free of both: what does not depend on the parameters is computed once, when the data are put in;
arrays that nobody needs again are written over; and a text can be kept on disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import singledispatchmethod
from typing import Any

import numpy as np
from pytensor.compile.ops import DeepCopyOp, ViewOp
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.raise_op import CheckAndRaise
from pytensor.tensor import basic, math, subtensor
from pytensor.tensor.blas import BatchedDot, Dot22
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import CAReduce, DimShuffle, Elemwise
from pytensor.tensor.extra_ops import CumOp
from pytensor.tensor.shape import Reshape, Shape, Shape_i, SpecifyShape

UFUNCS = {
    "Add": "add", "Mul": "multiply", "Sub": "subtract", "TrueDiv": "divide", "IntDiv": "floor_divide", "Mod": "mod",
    "Pow": "power", "Exp": "exp", "Log": "log", "Log1p": "log1p", "Expm1": "expm1", "Sqr": "square", "Sqrt": "sqrt",
    "Abs": "absolute", "Neg": "negative", "Sign": "sign", "Maximum": "maximum", "Minimum": "minimum",
    "EQ": "equal", "NEQ": "not_equal", "LT": "less", "GT": "greater", "LE": "less_equal", "GE": "greater_equal",
    "AND": "bitwise_and", "OR": "bitwise_or", "Invert": "invert", "Reciprocal": "reciprocal", "Tanh": "tanh",
    "IsNan": "isnan", "IsInf": "isinf", "Sigmoid": "expit", "Erf": "erf", "Erfc": "erfc", "Erfcx": "erfcx",
    "GammaLn": "gammaln", "Psi": "digamma", "TriGamma": "trigamma", "Softplus": "softplus",
}  # fmt: skip
"""Operations entry by entry, by the name of PyTensor's class: functions that take an array for their result, too."""
REDUCTIONS = {"Add": "add_up", "Mul": "multiply_up", "Maximum": "largest", "Minimum": "smallest"}
OF_MATRICES = {"MatrixInverse": "inverse", "Det": "determinant", "Cholesky": "cholesky"}
"""Functions of matrices along the last two axes."""
AS_IT_IS = (
    basic.ScalarFromTensor,
    basic.TensorFromScalar,
    CheckAndRaise,
    DeepCopyOp,
    SpecifyShape,
    ViewOp,
)
"""Operations that hand on their first input."""


class Untranslated(NotImplementedError):
    """An operation that there is no source for."""


@dataclass
class Source:
    """The program of a graph: what is computed once of the data, and what is computed at each point.

    Attributes
    ----------
    given : list of str
        Statements that need the data alone.
    at : list of str
        Statements that need theta.
    """

    given: list[str] = field(default_factory=list)
    at: list[str] = field(default_factory=list)

    def text(self, inputs: Sequence[str], held: Sequence[str], outputs: Sequence[str]) -> str:
        """The source of two functions: ``given(*inputs)``, and ``at(theta, *what given returned)``."""
        first = [f"def given({', '.join(inputs)}):", *self.given, f"return ({_list(held)})"]
        then = [f"def at({', '.join(['theta', *held])}):", *self.at, f"return [{_list(outputs)}]"]
        return "\n".join(line if line.startswith("def ") else f"    {line}" for line in (*first, *then)) + "\n"


def _list(names: Sequence[str]) -> str:
    return "".join(f"{n}, " for n in names)


def source_of(theta: Variable, inputs: Sequence[Variable], graph: FunctionGraph) -> str:
    """Write the program of a rewritten graph whose inputs are theta and `inputs`.

    Raises
    ------
    Untranslated
        There is an operation without a source.
    """
    return _Writer(theta, inputs, graph).text()


class _Writer:
    """Writes a graph down, one operation after the other.

    Parameters
    ----------
    theta : Variable
        What the program is a function of, when the data are there.
    inputs : list of Variable
        The data.
    graph : FunctionGraph
    """

    def __init__(self, theta: Variable, inputs: Sequence[Variable], graph: FunctionGraph) -> None:
        self.inputs, self.outputs = inputs, graph.outputs
        self.names: dict[Variable, str] = {theta: "theta"} | {v: f"d{k}" for k, v in enumerate(inputs)}
        self.moving, self.order = {theta}, list(graph.toposort())
        """Variables whose values depend on theta."""
        self.on_host: set[Variable] = set()
        """Sizes: numbers that are known when arrays are, also where these are traced."""
        for node in self.order:
            sizes = isinstance(node.op, Shape | Shape_i)
            if not sizes and {*node.inputs} & self.moving:
                self.moving |= {*node.outputs}
            known = all(isinstance(v, Constant) or v in self.on_host for v in node.inputs)
            if sizes or (known and node.outputs[0].type.dtype.startswith(("int", "bool"))):
                self.on_host |= {*node.outputs}
        self.late: set[Variable] = set()
        """What can only be computed when theta is there: values that depend on it, and sizes of such."""
        for node in self.order:
            if {*node.inputs} & (self.moving | self.late):
                self.late |= {*node.outputs}
        self.root: dict[Variable, Variable] = {}
        """Of a view the variable whose memory it looks at."""
        self.last = self._last_uses()
        self.own: set[Variable] = set()
        """Variables whose memory is theirs alone: the program may write over it."""

    def _last_uses(self) -> dict[Variable, int]:
        """The last operation that needs the memory of each variable."""
        last: dict[Variable, int] = {}
        for k, node in enumerate(self.order):
            if (of := _looked_at(node)) is not None:
                for out in node.outputs:
                    self.root[out] = self.root.get(of, of)
            for v in node.inputs:
                last[self.root.get(v, v)] = k
        end = len(self.order)
        return last | {self.root.get(v, v): end for v in self.outputs}

    def text(self) -> str:
        """The source of the program."""
        out = Source()
        sizes = {v for node in self.order for v in node.outputs if v in self.on_host}
        for k, node in enumerate(self.order):
            late = bool({*node.outputs} & self.late)
            for v in node.outputs:
                self.names[v] = f"x{len(self.names)}"
            (out.at if late else out.given).extend(self._written(node, k, late))
        early = {v for node in self.order for v in node.inputs if {*node.outputs} & self.late} | {*self.outputs}
        held = [v for v in self.names if v in early and v not in self.late and self.names[v] != "theta"]
        out.given += [f"{n} = size({n})" for n in (self.names[v] for v in held if v in sizes)]
        return out.text([self.names[v] for v in self.inputs], [self.names[v] for v in held], self._all(self.outputs))

    def _written(self, node: Apply, k: int, late: bool) -> Iterator[str]:
        """The statements of an operation, and of what is let go after it."""
        yield from self.write(node.op, node, k)
        if late:
            gone = {r for v in node.inputs if self.last[r := self.root.get(v, v)] == k}
            names = [n for v, n in self.names.items() if v in self.late and self.root.get(v, v) in gone]
            if names:
                yield f"del {', '.join(names)}"

    def _all(self, variables: Sequence[Variable]) -> list[str]:
        return [self.name(v) for v in variables]

    def name(self, v: Variable) -> str:
        """How a variable is written: its name, or the numbers of a constant."""
        if isinstance(v, Constant):
            data = np.asarray(v.data)
            if data.ndim == 0:
                return _number(data.item())
            return f"host.array({data.tolist()!r}, dtype='{data.dtype}')"
        return self.names[v]

    def scalar(self, v: Variable) -> str:
        """The same, a constant of one entry as a number, where it is broadcast anyway."""
        if isinstance(v, Constant) and np.size(v.data) == 1:
            return _number(np.asarray(v.data).item())
        return self.name(v)

    # each kind of operation -----------------------------------------------------------------------

    @singledispatchmethod
    def write(self, op: Any, node: Apply, k: int) -> Iterator[str]:
        """The statements of an operation."""
        if isinstance(op, AS_IT_IS):
            return self._set(node, self.name(node.inputs[0]))
        raise Untranslated(str(op))

    def _set(self, node: Apply, text: str) -> Iterator[str]:
        yield f"{self.names[node.outputs[0]]} = {text}"

    def _made(self, node: Apply, text: str) -> Iterator[str]:
        """An array of its own."""
        self.own.add(node.outputs[0])
        return self._set(node, text)

    @write.register
    def _(self, op: Elemwise, node: Apply, k: int) -> Iterator[str]:
        kind, (out,) = type(op.scalar_op).__name__, node.outputs
        where = "host." if out in self.on_host else ""
        if kind == "Switch":
            yield from self._made(node, f"{where}where({', '.join(map(self.scalar, node.inputs))})")
            return
        if kind in ("Cast", "Identity"):
            cast = f"{where}asarray({self.scalar(node.inputs[0])}, dtype='{out.type.dtype}')"
            yield from self._set(node, cast if kind == "Cast" else self.scalar(node.inputs[0]))
            return
        if kind == "Second":
            x, y = node.inputs
            yield from self._set(node, f"filled({self.name(x)}, {self.name(y)})")
            return
        if kind not in UFUNCS:
            raise Untranslated(kind)
        if out in self.on_host:
            yield from self._set(node, _nested(f"host.{UFUNCS[kind]}", [self.scalar(v) for v in node.inputs]))
            return
        yield from self._by_pairs(UFUNCS[kind], node, k)
        self.own.add(out)

    def _by_pairs(self, name: str, node: Apply, k: int) -> Iterator[str]:
        """A function of one or two arrays, or of several one after the other, the small ones first."""
        (out,), target = node.outputs, self.names[node.outputs[0]]
        parts = list(node.inputs)
        if len(parts) > 2:
            parts.sort(key=lambda v: -sum(v.type.broadcastable))
        whole, dtype = out.type.broadcastable, out.type.dtype
        free = [
            self.names[v]
            for v in parts
            if v in self.own and v in self.late and self.last[v] == k and v.type.dtype == dtype and not all(whole)
            and v.type.broadcastable == whole and parts.count(v) == 1
        ]  # fmt: skip
        texts = [self.scalar(v) for v in parts]
        if len(parts) == 1:
            yield f"{target} = {name}({texts[0]}{self._into(free)})"
            return
        before, left = parts[0].type.broadcastable, texts[0]
        for n, (v, text) in enumerate(zip(parts[1:], texts[1:], strict=True)):
            covered = tuple(a and b for a, b in zip(before, v.type.broadcastable, strict=True))
            mine = [one for one in free if one in (left, text)] if covered == whole else []
            # the sum so far is nobody else's; one of numbers, which constants of one entry are, is no array
            if not mine and n > 0 and before == covered and not all(covered):
                mine = [target]
            yield f"{target} = {name}({left}, {text}{self._into(mine)})"
            before, left = covered, target

    def _into(self, free: list[str]) -> str:
        return f", out={free[0]}" if free else ""

    @write.register
    def _(self, op: CAReduce, node: Apply, k: int) -> Iterator[str]:
        kind = type(op.scalar_op).__name__
        x, axes = node.inputs[0], op.axis if op.axis is not None else tuple(range(node.inputs[0].type.ndim))
        if node.outputs[0] in self.on_host:
            what = {"Mul": "prod", "Add": "sum", "Maximum": "max", "Minimum": "min"}[kind]
            yield from self._set(node, f"host.{what}({self.name(x)})")
        elif kind in ("AND", "OR"):
            yield from self._made(node, f"{'all' if kind == 'AND' else 'any'}({self.name(x)}, {tuple(axes)!r})")
        elif kind in REDUCTIONS:
            yield from self._made(node, f"{REDUCTIONS[kind]}({self.name(x)}, {tuple(axes)!r})")
        else:
            raise Untranslated(f"{kind} over an axis")

    @write.register
    def _(self, op: DimShuffle, node: Apply, k: int) -> Iterator[str]:
        (x,), order = node.inputs, op.new_order
        kept, text = [i for i in order if i != "x"], self.name(x)
        if dropped := [i for i in range(x.type.ndim) if i not in kept]:
            text += f"[{', '.join('0' if i in dropped else ':' for i in range(x.type.ndim))}]"
        ranks = [sorted(kept).index(i) for i in kept]
        if ranks != sorted(ranks):
            text += f".transpose({', '.join(map(str, ranks))})"
        if "x" in order:
            text += f"[{', '.join('None' if i == 'x' else ':' for i in order)}]" if order else ""
        if isinstance(x, Constant) or x in self.on_host:
            text = f"host.asarray({self.name(x)}){text[len(self.name(x)) :]}"
        return self._set(node, text)

    @write.register
    def _(self, op: Reshape, node: Apply, k: int) -> Iterator[str]:
        return self._set(node, f"reshape({self.name(node.inputs[0])}, {self._tuple(node.inputs[1])})")

    def _tuple(self, v: Variable) -> str:
        made = v.owner is not None and isinstance(v.owner.op, basic.MakeVector)
        return self.name(v) if made else f"tuple({self.name(v)})"

    @write.register
    def _(self, op: basic.MakeVector, node: Apply, k: int) -> Iterator[str]:
        if node.outputs[0] in self.on_host or node.outputs[0] not in self.moving:
            return self._set(node, f"({_list(self._all(node.inputs))})")
        return self._made(node, f"stack([{_list(self._all(node.inputs))}])")

    @write.register
    def _(self, op: Shape_i, node: Apply, k: int) -> Iterator[str]:
        return self._set(node, f"{self.name(node.inputs[0])}.shape[{op.i}]")

    @write.register
    def _(self, op: Shape, node: Apply, k: int) -> Iterator[str]:
        return self._set(node, f"{self.name(node.inputs[0])}.shape")

    @write.register(subtensor.Subtensor)
    @write.register(subtensor.AdvancedSubtensor)
    def _(self, op: Any, node: Apply, k: int) -> Iterator[str]:
        x, *rest = node.inputs
        text = f"host.asarray({self.name(x)})" if isinstance(x, Constant) else self.name(x)
        made = self._made if isinstance(op, subtensor.AdvancedSubtensor) else self._set
        return made(node, f"{text}[{self._index(op, rest)}]")

    def _index(self, op: Any, rest: Sequence[Variable]) -> str:
        def one(entry: Any) -> str:
            if isinstance(entry, slice):
                each = [entry.start, entry.stop, entry.step]
                return f"slice({', '.join('None' if e is None else self.name(rest[e]) for e in each)})"
            return self.name(rest[entry])

        return ", ".join(one(e) for e in op.idx_list)

    @write.register(subtensor.IncSubtensor)
    @write.register(subtensor.AdvancedIncSubtensor)
    def _(self, op: Any, node: Apply, k: int) -> Iterator[str]:
        x, y, *rest = node.inputs
        what = "put_at" if op.set_instead_of_inc else "add_at"
        return self._made(node, f"{what}({self.name(x)}, ({self._index(op, rest)},), {self.name(y)})")

    @write.register
    def _(self, op: basic.Split, node: Apply, k: int) -> Iterator[str]:
        x, sizes = node.inputs
        names = _list([self.names[v] for v in node.outputs])
        yield f"{names}= split({self.name(x)}, {op.axis}, {self.name(sizes)})"

    @write.register
    def _(self, op: basic.Join, node: Apply, k: int) -> Iterator[str]:
        parts = node.inputs
        prefix = "host." if node.outputs[0] in self.on_host else ""
        return self._made(node, f"{prefix}concatenate([{_list(self._all(parts))}], axis={op.axis})")

    @write.register
    def _(self, op: basic.Alloc, node: Apply, k: int) -> Iterator[str]:
        value, *shape = node.inputs
        return self._set(node, f"broadcast_to({self.name(value)}, ({_list(self._all(shape))}))")

    @write.register
    def _(self, op: CumOp, node: Apply, k: int) -> Iterator[str]:
        what = {"add": "cumsum", "mul": "cumprod"}[op.mode]
        return self._made(node, f"{what}({self.name(node.inputs[0])}, axis={op.axis})")

    @write.register
    def _(self, op: basic.Eye, node: Apply, k: int) -> Iterator[str]:
        return self._set(node, f"host.eye({', '.join(self._all(node.inputs))})")

    @write.register
    def _(self, op: basic.ARange, node: Apply, k: int) -> Iterator[str]:
        return self._set(node, f"host.arange({', '.join(self._all(node.inputs))})")

    @write.register(Dot22)
    @write.register(math.Dot)
    @write.register(BatchedDot)
    def _(self, op: Any, node: Apply, k: int) -> Iterator[str]:
        return self._made(node, f"matmul({', '.join(self._all(node.inputs))})")

    @write.register
    def _(self, op: Blockwise, node: Apply, k: int) -> Iterator[str]:
        kind = type(op.core_op).__name__
        if not isinstance(op.core_op, math.Dot | Dot22) and kind not in OF_MATRICES:
            raise Untranslated(str(op))
        return self._made(node, f"{OF_MATRICES.get(kind, 'matmul')}({', '.join(self._all(node.inputs))})")


def _looked_at(node: Apply) -> Variable | None:
    """The input whose memory the result of an operation may be; None where it has its own."""
    op = node.op
    if isinstance(op, Elemwise):
        kind = type(op.scalar_op).__name__
        return node.inputs[-1] if kind in ("Cast", "Identity", "Second") else None
    views = (DimShuffle, Reshape, subtensor.Subtensor, basic.Split, basic.Alloc, *AS_IT_IS)
    return node.inputs[0] if isinstance(op, views) else None


def _number(x: Any) -> str:
    return repr(x)


def _nested(name: str, parts: Sequence[str]) -> str:
    """A function of two applied to several, or of one."""
    if len(parts) < 2:
        return f"{name}({parts[0]})"
    out = parts[0]
    for p in parts[1:]:
        out = f"{name}({out}, {p})"
    return out
