"""Each parameter of a model as one random variable of PyMC, of its own name and dims, fixed entries among them.

A prior is one of the free entries, of an intercept at the covariates' means, of a vector in order. A variable of PyMC
is a whole array: :func:`variable` draws it, gives its density and, by a transform, the unconstrained free entries that
samplers move.
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
        return pm.Deterministic(p.name, cast(Any, pt.as_tensor(held)), dims=p.dims)
    shift = [pt.broadcast_to(own.shift(values), held.shape)] if own.at_means else []
    letters = ",".join(f"d{k}" for k in range(held.ndim))

    def density(value: Any, *inputs: Any) -> Any:
        return own.log_density(value + inputs[0] if inputs else value)

    def draw(*inputs: Any) -> Any:
        return filled(own, held, [b.draw() for b in own.blocks], inputs[:-1])

    def middle(rv: Any, size: Any, *inputs: Any) -> Any:
        return filled(own, held, [b.middle() for b in own.blocks], inputs[: len(shift)])

    return pm.CustomDist(
        p.name,
        *shift,
        dist=draw,
        logp=density,
        support_point=middle,
        signature=f"{f'({letters})' if shift else ''}->({letters})",
        class_name=own.prior.distribution,
        transform=FreeEntries(own, held),
        dims=p.dims,
    )


def fixed_entries(data: Patterns, p: Parameter) -> Array:
    """Fixed entries on the natural scale, where the others are to be filled in."""
    fixed = data.packing.held[p.name]
    return np.where(np.isnan(fixed), p.domain.forward(data.packing.fixed[p.name]), fixed)


def filled(stated: Stated, held: Array, entries: Sequence[Any], shift: Sequence[Any]) -> Any:
    """The parameter with the entries of each block put in, less the `shift` of an intercept at the means."""
    out: Any = pt.as_tensor(held)
    for b, x in zip(stated.blocks, entries, strict=True):
        own: Any = shift[0][b.at] if shift and b.at else shift[0] if shift else 0.0  # pyright: ignore[reportIndexIssue, reportArgumentType]
        out = pt.set_subtensor(out[b.at], x.ravel() - own) if b.at else x - own
    return with_ties(stated, out)


def with_ties(stated: Stated, x: Any) -> Any:
    """The parameter with entries that are held equal to others at the values of these."""
    if not stated.ties:
        return x
    at, where = (tuple(np.array([pair[k] for pair in stated.ties]).T) for k in range(2))
    return pt.set_subtensor(x[at], x[where])


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
        shift = _shift_among(inputs)
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
        return filled(self.own, self.held, entries, _shift_among(inputs))

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


def _transform_of(b: Block) -> tuple[Any, Sequence[Any]]:
    """PyMC's transform of a block's distribution, and what it is given with a value."""
    if b.support.is_ordered:
        return ordered, ()
    made = b.distributed()
    return _default_transform(made.owner.op, made), made.owner.inputs


def _shift_among(inputs: Sequence[Any]) -> list[Any]:
    """The shift among the inputs of the random variable: beside it are generators of random numbers, and no size."""
    return [x for x in inputs if not isinstance(x.type, RandomType) and str(getattr(x.type, "dtype", "")) == "float64"]
