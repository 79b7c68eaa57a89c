"""Named-dim tensors: matrix products over dims, and entries at given places."""

from __future__ import annotations

from typing import Any, cast

import pytensor.tensor as pt
from pytensor import xtensor as px

from bayesmix.spec.families import Tensor


def read_off(x: Tensor, at: Tensor, dim: str) -> Tensor:
    """Entries along `dim` at given places: of one long vector, which is the quickest way."""
    rest = [d for d in x.dims if d != dim]
    values = x.transpose(*rest, dim).values
    size = [values.shape[k] for k in range(len(rest))]
    taken = values.flatten()[places(size, values.shape[-1], at.values)]
    shape = [*size, *(at.values.shape[k] for k in range(at.values.ndim))]
    return px.as_xtensor(taken.reshape(shape), dims=(*rest, *at.dims))


def places(size: list[Any], n: Any, at: Any) -> Any:
    """Places in a vector of an array of this size whose last axis has `n` entries, those `at` of it taken."""
    begin = pt.arange(pt.prod(pt.stack(size))) * n if size else pt.zeros(1, dtype="int64")
    return (begin[:, None] + at.flatten()[None, :]).flatten()


def contract(x: Tensor, y: Tensor, dims: tuple[str, ...]) -> Tensor:
    """Sum of x * y over dims: a matrix product, for each entry of the further dims that both have."""
    shared = {*x.dims} & {*y.dims}
    each = tuple(d for d in y.dims if d in shared and d not in dims)
    if not shared >= {*dims} or (each and min(len(x.dims), len(y.dims)) == len(shared)):
        return (x * y).sum(dims)
    if each:
        return _contract_each(x, y, each, dims)
    left, right = [d for d in x.dims if d not in dims], [d for d in y.dims if d not in dims]
    product = pt.tensordot(y.transpose(*right, *dims).values, x.transpose(*dims, *left).values, axes=len(dims))
    return px.as_xtensor(product, dims=(*right, *left))


def _contract_each(x: Tensor, y: Tensor, each: tuple[str, ...], dims: tuple[str, ...]) -> Tensor:
    """A matrix product for each entry of the dims `each`."""
    left, right = ([d for d in z.dims if d not in (*dims, *each)] for z in (x, y))
    a, b = x.transpose(*each, *left, *dims).values, y.transpose(*each, *dims, *right).values
    m, n, k = len(each), len(left), len(dims)
    outer, rows, inner = ([a.shape[i] for i in some] for some in (range(m), range(m, m + n), range(m + n, m + n + k)))
    columns = [b.shape[m + k + i] for i in range(len(right))]
    size = [pt.prod(pt.as_tensor(some)) for some in (rows, inner, columns)]
    product = cast(Tensor, pt.matmul(a.reshape((*outer, size[0], size[1])), b.reshape((*outer, size[1], size[2]))))
    return px.as_xtensor(product.reshape((*outer, *rows, *columns)), dims=(*each, *left, *right))
