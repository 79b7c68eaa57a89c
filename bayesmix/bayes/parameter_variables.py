"""Each parameter of a model as one random variable of PyMC, of its own name and dims, fixed entries among them.

A prior is one of the free entries, of an intercept at the covariates' means, of a vector in order. A variable of PyMC
is a whole array: :func:`variable` draws it, gives its density and, by a transform, the unconstrained free entries that
samplers move. Entries that are held equal to those of a parameter before it, or follow from them by equations, are
computed inside the variable, which takes the other one as an input; they have no prior of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.transforms import _default_transform, ordered
from pymc.logprob.transforms import Transform
from pytensor.tensor.random.type import RandomType

from bayesmix.data import Block, Patterns, Stated
from bayesmix.spec.parameters import Parameter
from bayesmix.typing import Array


def variable(own: Stated, data: Patterns, values: Mapping[str, Any]) -> Any:
    """The random variable of a parameter in the current PyMC model.

    Parameters
    ----------
    own : Stated
        The parameter and its prior.
    data : Patterns
        On the user's scale.
    values : mapping of str to tensor
        The parameters before it, which the mean of an intercept at the covariates' means may be made of.
    """
    p = own.parameter
    if [b.name for b in own.blocks] == [p.name]:  # what PyMC knows under its own name
        return own.blocks[0].variable(p.dims)
    held = fixed_entries(data, p)
    if not own.blocks:
        whole = own.completed(cast(Any, pt.as_tensor(held)), values)
        return pm.Deterministic(p.name, whole, dims=p.dims)
    shift = [pt.broadcast_to(own.shift(values), held.shape)] if own.at_means else []
    others = [pt.as_tensor(values[name]).astype("float64") for name in own.others]
    letters = ",".join(f"d{k}" for k in range(held.ndim))
    inputs = [f"({letters})"] * len(shift) + [_letters(k, x.ndim) for k, x in enumerate(others)]

    def density(value: Any, *inputs: Any) -> Any:
        return own.log_density(value + inputs[0] if shift else value)

    def draw(*inputs: Any) -> Any:
        return filled(own, held, [b.draw() for b in own.blocks], inputs[:-1])

    def middle(rv: Any, size: Any, *inputs: Any) -> Any:
        return filled(own, held, [b.middle() for b in own.blocks], inputs[: len(shift) + len(others)])

    return pm.CustomDist(
        p.name,
        *shift,
        *others,
        dist=draw,
        logp=density,
        support_point=middle,
        signature=f"{','.join(inputs)}->({letters})",
        class_name=own.prior.distribution,
        transform=FreeEntries(own, held),
        dims=p.dims,
    )


def _letters(k: int, ndim: int) -> str:
    """Name the dims of the k-th other parameter."""
    return f"({','.join(f'o{k}_{i}' for i in range(ndim))})"


def fixed_entries(data: Patterns, p: Parameter) -> Array:
    """Fixed entries on the natural scale, where the others are to be filled in."""
    fixed = data.packing.held[p.name]
    return np.where(np.isnan(fixed), p.domain.forward(data.packing.fixed[p.name]), fixed)


def filled(stated: Stated, held: Array, entries: Sequence[Any], inputs: Sequence[Any]) -> Any:
    """The parameter with the entries of each block put in, and then those that follow from others.

    `inputs` are the shift of an intercept at the means, if it is one, and other parameters that entries follow from.
    """
    shift, values = _told(stated, inputs)
    out: Any = pt.as_tensor(held)
    for b, x in zip(stated.blocks, entries, strict=True):
        own: Any = shift[0][b.at] if shift and b.at else shift[0] if shift else 0.0
        out = pt.set_subtensor(out[b.at], x.ravel() - own) if b.at else x - own
    return stated.completed(out, values)


def _told(stated: Stated, inputs: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
    """Tell the shift among the inputs of a random variable from the other parameters, by name."""
    known = [x for x in inputs if not isinstance(x.type, RandomType) and str(getattr(x.type, "dtype", "")) == "float64"]
    n = int(stated.at_means is not None)
    return known[:n], dict(zip(stated.others, known[n:], strict=True))


class FreeEntries(Transform):
    """From a parameter to its free entries, unconstrained, block after block; fixed ones are put back.

    Of an intercept at the covariates' means these are the entries there: far from zero, the intercept itself and the
    slopes are nearly one number, which no sampler follows.
    """

    name = "free"

    def __init__(self, own: Stated, held: Array) -> None:
        self.own, self.held = own, held
        self.blocks = [(b, *_transform_of(b)) for b in own.blocks]

    def forward(self, value: Any, *inputs: Any) -> Any:
        """Take a parameter to unconstrained free entries."""
        shift, _ = _told(self.own, inputs)
        value = pt.as_tensor(value)
        value = value + shift[0] if shift else value
        parts = []
        for b, transform, given in self.blocks:
            x = b.values(value[b.at].reshape(b.shape) if b.at else value)
            parts.append((transform.forward(x, *given) if transform else x).ravel())
        return pt.concatenate(parts) if len(parts) > 1 else parts[0]

    def backward(self, value: Any, *inputs: Any) -> Any:
        """Take unconstrained free entries to the parameter."""
        entries = [
            b.entries(transform.backward(z, *given) if transform else z)
            for b, transform, given, z in self._parts(value)
        ]
        return filled(self.own, self.held, entries, inputs)

    def log_jac_det(self, value: Any, *inputs: Any) -> Any:
        """Sum the logarithms of the Jacobians of the blocks."""
        total: Any = pt.zeros(())
        for b, transform, given, z in self._parts(value):
            total = total + b.log_slope
            total = total + transform.log_jac_det(z, *given).sum() if transform else total
        return total

    def _parts(self, value: Any) -> list[tuple[Block, Any, Sequence[Any], Any]]:
        """Each block with its transform, this one's inputs, and its unconstrained entries."""
        out, start = [], 0
        for b, transform, given in self.blocks:
            size = int(np.prod(b.shape))
            out.append((b, transform, given, value[start : start + size].reshape(b.shape)))
            start += size
        return out


class OrderedAbove(Transform):
    """Takes vectors in order, above a fixed number each, to unconstrained ones: a logarithm, then PyMC's `ordered`.

    Parameters
    ----------
    lower : array (row, 1)
    """

    name = "ordered_above"

    def __init__(self, lower: Array) -> None:
        self.lower = lower

    def forward(self, value: Any, *inputs: Any) -> Any:
        """Take the logarithms of the distances from below, and the order away."""
        return cast(Any, ordered).forward(pt.log(value - self.lower))

    def backward(self, value: Any, *inputs: Any) -> Any:
        """Put in order, and above."""
        above: Any = pt.exp(cast(Any, ordered).backward(value))
        return self.lower + above

    def log_jac_det(self, value: Any, *inputs: Any) -> Any:
        """Sum the logarithms of the slopes."""
        return cast(Any, ordered).log_jac_det(value) + cast(Any, ordered).backward(value).sum(axis=-1)


def _transform_of(b: Block) -> tuple[Any, Sequence[Any]]:
    """PyMC's transform of a block's distribution, and what it is given with a value."""
    if b.support.is_ordered:
        return (ordered if b.above is None else OrderedAbove(b.above)), ()
    made = b.distributed()
    return _default_transform(made.owner.op, made), made.owner.inputs
