"""The density of normal items with residual covariances, as a table that meets the data in one matrix product.

For an answer y of which the items o are there, with the residual covariance matrix S of its class,

    log p(y_o) = -(|o| log 2 pi + log |S_oo| + (y_o - eta_o)' P (y_o - eta_o)) / 2,        P = S_oo^-1,

a sum of products of features (1, y, y y'), zero where an answer is missing, with entries made of P and eta. For each
pattern of missing answers the matrix of all items is taken, with rows and columns of an identity for those that miss:
its determinant is that of S_oo, and sizes stay what they are. Where S is not positive definite, everything is NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytensor.tensor as pt
from pytensor import xtensor as px
from pytensor.gradient import disconnected_grad
from pytensor.tensor.linalg import cholesky, det, inv

from bayesmix.graph.products import contract, read_off
from bayesmix.spec import Response
from bayesmix.spec.families import Tensor

MISSING = "missing"
"""What the dim of patterns of missing answers begins with."""


def missing_dim(r: Response) -> str:
    """The dim of the patterns of missing answers of a response."""
    return f"{MISSING}_{r.name}"


def residual_covariance(r: Response, sigma: Tensor, covariance: Tensor, place: Tensor) -> Tensor:
    """The residual covariance matrix (..., item, item_), of SDs and of the covariances of pairs.

    Parameters
    ----------
    r : Response
    sigma : tensor (..., item)
    covariance : tensor (..., pair)
    place : tensor of int (item, item_)
        Which pair two items are; the number of pairs, where they are none.
    """
    other = f"{r.item_dim}_"
    rest = [d for d in covariance.dims if d != r.pair_dim]
    values = covariance.transpose(*rest, r.pair_dim).values
    none = pt.zeros((*(values.shape[k] for k in range(len(rest))), 1))
    padded = cast(Any, pt.concatenate([values, none], axis=-1))
    beside = px.as_xtensor(padded[(*[slice(None)] * len(rest), place.values)], dims=(*rest, r.item_dim, other))
    diagonal = px.as_xtensor(pt.eye(place.values.shape[0]), dims=(r.item_dim, other))
    return beside + diagonal * sigma**2


def residual_correlations(r: Response, sigma: Tensor, covariance: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """Correlations of the residuals of the pairs (..., pair), `left` and `right` the positions of their items."""
    each = [sigma.isel({r.item_dim: px.as_xtensor(x.values, dims=(r.pair_dim,))}) for x in (left, right)]
    return covariance / (each[0] * each[1])


def joint_factor(
    r: Response,
    eta: Tensor,
    known: dict[str, Tensor],
    of_individuals: Callable[[Tensor], Tensor],
    sigma: Tensor,
    covariance: Tensor,
) -> Tensor:
    """The log factor of a response: a table over `feature`, or the density of each where individuals differ.

    Parameters
    ----------
    r : Response
    eta : tensor (..., item)
    known : dict of str to tensor
        Its features, the centre and scale of its items, patterns of missing answers, places of pairs.
    of_individuals : callable
        Reads a tensor over observed groups off for each individual, where individuals differ.
    sigma, covariance : tensor
        As in :func:`residual_covariance`.
    """
    item, other, m = r.item_dim, f"{r.item_dim}_", missing_dim(r)
    each = bool({"individual", "slot", "cluster"} & {d for x in (eta, sigma, covariance) for d in x.dims})
    base, precision = _base(r, known, sigma, covariance)
    if MISSING not in known:
        base, precision = base.isel({m: 0}), precision.isel({m: 0})
    elif each:
        base, precision = (read_off(x, known[MISSING], m) for x in (base, precision))
    if each:
        base, precision, eta = map(of_individuals, (base, precision, eta))
    mean = (eta - known["center"]) / known["scale"]
    if each:
        y = _answers(r, known)
        away = y - mean
        return base - 0.5 * (away * _times(precision, away, item, other)).sum(item)
    linear = _times(precision, mean, item, other)
    constant = base - 0.5 * (mean * linear).sum(item)
    return _table([constant, linear, -0.5 * precision], item, other)


def _answers(r: Response, known: dict[str, Tensor]) -> Tensor:
    """The answers themselves, out of the features."""
    x = known["features"]
    rest = [d for d in x.dims if d != "feature"]
    values = x.transpose("feature", *rest).values
    n = known["scale"].values.shape[0]
    return px.as_xtensor(values[1 : n + 1], dims=(r.item_dim, *rest))


def _base(r: Response, known: dict[str, Tensor], sigma: Tensor, covariance: Tensor) -> tuple[Tensor, Tensor]:
    """The part of the log density without answers and means, and the precision matrix, by patterns of missing ones."""
    item, other = r.item_dim, f"{r.item_dim}_"
    scale, seen = known["scale"], known["seen"]
    both = seen * seen.rename({item: other})
    unit = px.as_xtensor(pt.eye(scale.values.shape[0]), dims=(item, other)) * (1.0 - seen)
    inside = residual_covariance(r, sigma, covariance, known["place"]) / (scale * scale.rename({item: other}))
    inside = inside * both + unit
    lead = [d for d in inside.dims if d not in (item, other)]
    matrix = inside.transpose(*lead, item, other).values
    triangle: Any = cholesky(disconnected_grad(matrix))
    with_nan = triangle.sum(axis=(-2, -1))  # NaN where it is not positive definite
    sound: Any = pt.invert(pt.isnan(disconnected_grad(with_nan)))
    safe: Any = pt.switch(sound[..., None, None], matrix, pt.eye(matrix.shape[-1]))
    log_det: Any = pt.switch(sound, pt.log(det(safe)), np.nan)
    precision: Any = px.as_xtensor(inv(safe), dims=(*lead, item, other)) * both
    size = (seen * (px.math.log(scale) + 0.5 * np.log(2 * np.pi))).sum(item)
    base: Any = px.as_xtensor(-0.5 * log_det, dims=tuple(lead))
    return base - size, precision


def _times(matrix: Tensor, x: Tensor, item: str, other: str) -> Tensor:
    """Matrices times vectors over the items."""
    return contract(matrix, x.rename({item: other}), (other,))


def _table(parts: list[Tensor], item: str, other: str) -> Tensor:
    """Coefficients of (1, y, y y') over the dim `feature`."""
    constant, linear, square = parts
    lead = constant.dims
    shape = [constant.transpose(*lead).values.shape[k] for k in range(len(lead))]
    whole = [constant.transpose(*lead).values[..., None]]
    for x, inner in ((linear, (item,)), (square, (item, other))):
        wide = (x + 0.0 * constant).transpose(*lead, *inner).values
        n = pt.prod(pt.stack([wide.shape[len(lead) + k] for k in range(len(inner))]))
        whole.append(wide.reshape((*shape, n)))
    return px.as_xtensor(pt.concatenate(whole, axis=-1), dims=(*lead, "feature"))
