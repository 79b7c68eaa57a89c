"""Posterior quantities of a fitted model, as gradients and factors of the graph.

The gradient of the log-likelihood with respect to a log factor of zeros is the posterior probability
of what it indexes: a class, a pair of classes, a node. Depends on functions and the floors beneath.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmix import functions
from bayesmix.data import Data, Named, prepare
from bayesmix.quadrature import Nodes
from bayesmix.spec import Model

Array = NDArray[np.float64]


def log_likelihood(
    model: Model,
    df: pd.DataFrame,
    params: Mapping[str, Any],
    *,
    nodes: Nodes | None = None,
    units: bool = False,
) -> float | pd.Series:
    """The log-likelihood at given parameters.

    Parameters
    ----------
    model, df, nodes
        As for a fit.
    params : mapping of str to array
        Every parameter on its natural scale (a `Fit.params` will do).
    units : bool
        One value a cluster (or a row of the data, for a single-level model) instead of their sum.

    Returns
    -------
    float or pandas.Series
        Rows without answers have NaN; frequency weights are not applied to the values of rows.
    """
    data = prepare(model, df, nodes=nodes)
    theta = data.packing.pack({k: np.asarray(v) for k, v in params.items()})
    if not units:
        return float(functions.bind("total", data)(theta))
    each = np.asarray(functions.bind("units", data)(theta))
    if data.clusters is not None:
        return pd.Series(each, index=pd.Index(data.clusters, name=model.cluster), name="loglik")
    return pd.Series(np.where(data.pattern_of >= 0, each[data.pattern_of], np.nan), index=df.index, name="loglik")


def class_posteriors(data: Data, theta: Array, mode=None) -> dict[str, Array]:
    """P(C = c | everything observed) for each class variable, (individual or cluster, class).

    `data` must not merge individuals of different clusters: a two-level model is prepared with
    ``collapse=False``.
    """
    wanted = tuple((c.level, c.name) for c in data.model.classes if c.level != "item")
    if not wanted:
        return {}
    out = functions.bind("probabilities", data, mode, wanted)(theta)
    return {dims[1]: np.asarray(p) for dims, p in zip(wanted, out, strict=True)}


def effect_posteriors(data: Data, theta: Array, mode=None) -> dict[str, tuple[Array, Array]]:
    """EAP and posterior SD of each integrated effect at its level: sums over the posterior of the nodes.

    Where the distribution of an effect depends on a class, the sum is over the class as well.
    """
    out: dict[str, tuple[Array, Array]] = {}
    made = functions.evaluate(data, theta, mode)
    for e in data.model.effects:
        if f"log_weight_{e.level}" not in data.arrays:
            continue
        x = xr.DataArray(made[f"effect:{e.name}"].values, dims=made[f"effect:{e.name}"].dims)
        classes = [d for d in x.dims if d in {c.name for c in data.model.classes}]
        probe = (e.level, f"node_{e.level}", *classes)
        (weights,) = functions.bind("probabilities", data, mode, (probe,))(theta)
        w = xr.DataArray(np.asarray(weights), dims=probe)
        over = [d for d in dict.fromkeys((*probe, *x.dims)) if d != e.level]
        mean = (w * x).sum(over)
        variance = (w * x**2).sum(over) - mean**2
        out[e.name] = (mean.values, np.sqrt(np.maximum(variance.values, 0.0)))
    return out


@dataclass(frozen=True)
class Derived:
    """Functions of the parameters and their derivatives with respect to each entry of theta (stacked first)."""

    values: Mapping[str, xr.DataArray]
    slopes: Mapping[str, Array]

    def dataset(self) -> xr.Dataset:
        """The values with dims and coords."""
        return xr.Dataset(dict(self.values))

    def standard_errors(self, covariance: Array) -> xr.Dataset:
        """The delta method, sqrt(J V J') entry by entry; NaN where `covariance` is."""
        out = {}
        for name, x in self.values.items():
            j = self.slopes[name].reshape(len(covariance), -1)
            variance = np.einsum("ik,ij,jk->k", j, covariance, j)
            out[name] = x.copy(data=np.sqrt(np.maximum(variance, 0.0)).reshape(x.shape))
        return xr.Dataset(out)


def derive(data: Data, theta: Array, mode=None) -> tuple[Derived, Derived]:
    """Natural parameters, and probabilities of classes and item categories, with derivatives."""
    made = functions.evaluate(data, theta, mode)
    slope = functions.bind("jacobian", data, mode)
    rows = [slope(theta, direction) for direction in np.eye(len(theta))]
    slopes = {
        name: np.stack([r[k] for r in rows]) if rows else np.zeros((0, *x.values.shape))
        for k, (name, x) in enumerate(made.items())
    }
    names = {p.name for p in data.model.parameters}
    natural = Derived({n: label(made[n], data) for n in names}, slopes)
    values, moved = probabilities(data, made, slopes)
    return natural, Derived(values, moved)


def label(x: Named, data: Data) -> xr.DataArray:
    """An array with the coords of its dims."""
    return xr.DataArray(x.values, dims=x.dims, coords={d: list(data.coords[d]) for d in x.dims if d in data.coords})


def probabilities(data: Data, made: Mapping[str, Named], slopes: Mapping[str, Array] | None = None):
    """Probability scale: P(C = c), averaged over individuals and nodes, and P(y = k | class).

    Response probabilities that differ between individuals (covariates) are left out.
    """
    values: dict[str, xr.DataArray] = {}
    moved: dict[str, Array] = {}
    for name, x in made.items():
        if (named := probability_name(name, x.dims, data)) is None:
            continue
        p = np.exp(x.values)
        flat = _average(p, named[1], data)
        shown = ordered_dims(tuple(map(str, flat.dims)), data)
        values[named[0]] = label(Named(shown, flat.transpose(*shown).values), data)
        if slopes is not None:
            moved[named[0]] = _average(slopes[name] * p, ("theta", *named[1]), data).transpose("theta", *shown).values
    return values, moved


def ordered_dims(dims: tuple[str, ...], data: Data) -> tuple[str, ...]:
    """Classes first, categories last: one order for all tables."""
    classes = [c.name for c in data.model.classes if c.name in dims]
    last = [r.category_dim for r in data.model.responses if r.category_dim in dims][:1]
    return (*classes, *(d for d in dims if d not in (*classes, *last)), *last)


def probability_name(key: str, dims: tuple[str, ...], data: Data) -> tuple[str, tuple[str, ...]] | None:
    """The name and dims under which a factor is shown on the probability scale; None where it is not."""
    kind, _, what = key.partition(":")
    if kind == "class":
        return f"{what}_probability", dims
    (r,) = [r for r in data.model.responses if r.name == what] or (None,)
    if kind != "response" or r is None or not r.family.finite or "individual" in dims:
        return None
    title = "item_probability" if len(data.model.responses) == 1 else f"item_probability_{what}"
    return title, tuple(r.category_dim if d == "feature" else d for d in dims)


def _average(x: Array, dims: tuple[str, ...], data: Data) -> xr.DataArray:
    """Means over individuals (by count), clusters and nodes (by weight)."""
    out = xr.DataArray(x, dims=dims)
    for level in ("individual", "cluster"):
        node = f"node_{level}"
        if node in dims:
            out = (out * xr.DataArray(np.exp(data.arrays[f"log_weight_{level}"].values), dims=[node])).sum(node)
    if "individual" in dims:
        out = (out * xr.DataArray(data.counts / data.counts.sum(), dims=["individual"])).sum("individual")
    return out.mean("cluster") if "cluster" in dims else out
