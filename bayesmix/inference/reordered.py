"""Fits of one model with their classes in one order, so that their numbers can be averaged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from bayesmix.inference.contrasts import differentiated
from bayesmix.results import Estimates, Fit, Uncertainty, entries
from bayesmix.spec import Model
from bayesmix.spec import class_labels as labels
from bayesmix.spec.factor_scales import rescaled

CLEAR = 0.5
"""The cost of the best order, as a share of that of the next, up to which it is clear which class is which."""
Orders = dict[tuple[str, ...], NDArray[np.int64]]


def orders_to(first: Fit, other: Fit) -> Orders:
    """The orders in which the classes of `other` are nearest to those of `first`, by class dims; not those they have.

    By the matching of ``like=``: linear assignment of what tells the classes apart.
    """
    values = {p.name: other.params[p.name].transpose(*p.dims).values[None] for p in first.model.parameters}
    pivot = {p.name: first.params[p.name].transpose(*p.dims).values for p in first.model.parameters}
    _, found = labels.relabel(first.model, values, pivot)
    out: Orders = {}
    for dims, order in found.items():
        rows = np.asarray(order).reshape(-1, np.shape(order)[-1])
        if (rows != np.arange(rows.shape[1])).any():
            out[dims] = rows
    return out


def reordered(first: Fit, other: Fit, orders: Orders, said: str) -> tuple[Fit, Uncertainty]:
    """A fit with its classes in the order of those of `first`, and how sure it is of its numbers then.

    Parameters
    ----------
    first, other : Fit
        Of one model.
    orders : mapping of tuple of str to array
        As :func:`orders_to` has them.
    said : str
        What the fit is called in a message.

    Raises
    ------
    ValueError
        Classes that are as near to those of `first` in another order too; effects that come with the classes;
        parameters at a boundary.
    """
    model, known = other.model, Uncertainty.of(other)
    single = {dims: rows[0] for dims, rows in orders.items()}
    _check(first, other, orders, known, said)

    def moved(x: Mapping[str, xr.DataArray]) -> xr.DataArray:
        tables = _tables(model, other, x, single)
        return xr.DataArray(np.concatenate([v.values.ravel() for v in tables.values()]), dims="number")

    value, slopes = differentiated(other, known, moved)
    named = {k: x for ds in (other.derived, other.params, other.probabilities) for k, x in ds.data_vars.items()}
    own = _tables(model, other, {str(k): x for k, x in named.items()}, single)
    place = {label: i for i, label in enumerate(label for name, x in own.items() for label in entries(name, x))}
    at = np.array([place[label] for label in known.labels])
    made = {
        table: getattr(other, table).assign({str(k): own[str(k)] for k in getattr(other, table).data_vars})
        for table in ("params", "probabilities", "derived")
    }
    classes = other.classes.assign({str(k): _turned(x, single) for k, x in other.classes.data_vars.items()})
    changed = replace(known, values=value.values[at], slopes=slopes[:, at])
    hessian = Uncertainty.of(other, "hessian").covariance
    flat = np.sqrt(np.maximum(np.einsum("ik,ij,jk->k", changed.slopes, hessian, changed.slopes), 0.0))
    by_label = dict(zip(known.labels, flat, strict=True))
    errors = {
        str(name): x.copy(data=np.reshape([by_label[k] for k in entries(str(name), x)], x.shape))
        for name, x in made["params"].data_vars.items()
    }
    free = {k: x.where(first.free[k]) for k, x in errors.items()}
    return replace(other, **made, classes=classes, se_hessian=other.se_hessian.assign(free)), changed


def _tables(model: Model, fit: Fit, x: Mapping[str, xr.DataArray], orders: Orders) -> dict[str, xr.DataArray]:
    """Parameters, probabilities and derived quantities with classes in other orders."""
    params = {p.name: x[p.name].transpose(*p.dims).values for p in model.parameters}
    for dims, order in orders.items():
        params = labels.permute(model, params, dims, order)
    out = {p.name: x[p.name].transpose(*p.dims).copy(data=params[p.name]) for p in model.parameters}
    out = {name: a.transpose(*x[name].dims) for name, a in out.items()}
    kinds = Estimates.of(fit).quantities
    for name in (str(k) for ds in (fit.probabilities, fit.derived) for k in ds.data_vars):
        turned = _turned(x[name], orders)
        if name in kinds and kinds[name].kind == "logit contrast":  # to the new references
            for d in (kinds[name].of, kinds[name].part):
                turned = turned - turned.isel({d: -1})
        out[name] = turned.transpose(*x[name].dims)
    return out


def _turned(x: xr.DataArray, orders: Orders) -> xr.DataArray:
    """An array with the classes along its dims in other orders, its labels as they are."""
    values = x.values
    for axis, d in enumerate(x.dims):
        for dims, order in orders.items():
            if str(d).rstrip("_") in dims:
                values = np.take(values, order, axis=axis)
    return x.copy(data=values)


# what cannot be put in order ----------------------------------------------------------------------


def _check(first: Fit, other: Fit, orders: Orders, known: Uncertainty, said: str) -> None:
    """Refuse what has no clear order, or other numbers in another order that cannot be made of those there are."""
    model = other.model
    begin, end = f"{said} has its classes in another order than the first, and", ": fit it with like=fits[0]."
    for dims, rows in orders.items():
        if len(rows) > 1:
            raise ValueError(f"{begin} in other orders by group{end}")
        if not _clear(first, other, dims):
            raise ValueError(
                f"{begin} in more than one order they are about as near to those of the first: averages might mix "
                "them; look at the classes of both, and fit it with like=fits[0]."
            )
        if any(t.effects for c in model.classes if c.name in dims for t in c.terms):
            raise ValueError(f"{begin} effects in their logits, which are others in another order{end}")
        if rescaled(model, dims):
            raise ValueError(f"{begin} a factor on the scale of the last class, which is another one then{end}")
    if known.boundary.any():
        raise ValueError(f"{begin} a parameter at a boundary, which has no error to be taken along{end}")


def _clear(first: Fit, other: Fit, dims: tuple[str, ...]) -> bool:
    """Whether the nearest order of some classes is much nearer than the next one."""
    model = first.model
    a, b = (
        labels.profiles(model, {p.name: f.params[p.name].transpose(*p.dims).values for p in model.parameters}, dims)
        for f in (first, other)
    )
    assert a is not None
    assert b is not None
    (cost,) = labels.costs(b[None], a)
    rows, columns = linear_sum_assignment(cost)
    best, rest = float(cost[rows, columns].sum()), []
    for k, m in zip(rows, columns, strict=True):
        barred = cost.copy()
        barred[k, m] = np.inf if len(cost) < 2 else 1e6 * (1 + cost.max())
        at = linear_sum_assignment(barred)
        rest.append(float(barred[at].sum()))
    return best <= CLEAR * min(rest)
