"""Tables of units: class probabilities, paths, random effects and grades of membership, keyed to rows and clusters.

At one point of theta they are those of a fit; of points stacked along leading axes, the draws of a posterior, they are
averages, and the SDs between the points are kept with them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from bayesmix.graph import ClassPosteriors, Problem, entries, posterior
from bayesmix.results.class_tables import LEVELS, MEMBERSHIP, POSTERIOR, SPREAD, row_coords, tails_of
from bayesmix.spec import Named, interval_level, tails
from bayesmix.typing import Array

MOST_POOLED, FEWEST_POOLED = 10_000_000, 20
"""Nodes of all rows and draws together that grades of membership are pooled over; so many draws there are at least."""


def unmerged(data: Problem) -> Problem:
    """Data in which no pattern stands for individuals of different clusters."""
    return data.by_clusters()


def class_table(data: Problem, theta: Array, intervals: bool = False) -> xr.Dataset:
    """P(C = c | everything observed) of each row and cluster, paths, and the entropy of all classes together.

    Parameters
    ----------
    data : Problem
        As :func:`unmerged` returns them.
    theta : array (..., theta)
    intervals : bool
        Of several points, whether equal-tailed intervals of the probabilities between the points are kept too.
    """
    found, out = ClassPosteriors.of(data, theta, tails=tails() if intervals and np.ndim(theta) > 1 else ()), {}
    tables = {f"{k}{POSTERIOR}": (k, p) for k, p in found.each.items()}
    tables |= {f"{k}{SPREAD}": (k, p) for k, p in found.sd.items()} if np.ndim(theta) > 1 else {}
    for ending, ends in zip(("_lower", "_upper"), found.ends, strict=False):
        tables |= {f"{k}{POSTERIOR}{ending}": (k, p) for k, p in ends.items()}
    for key, (name, p) in tables.items():
        level = next(c.level for c in data.model.classes if c.name == name)
        out[key] = _of_units(data, level, Named((level, name), p))
    ds = xr.Dataset(out | _path_table(data, found) | _joint_entropy(data, found))
    if "row" in ds.dims:
        ds = ds.assign_coords(row_coords(data.index) | {"weight": ("row", data.rows.shares)})
    if data.clusters is not None and "cluster" in ds.dims:
        ds = ds.assign_coords(cluster=data.clusters, cluster_weight=("cluster", data.rows.cluster_weights))
    return ds.assign_coords({c.name: list(data.coords[c.name]) for c in data.model.classes if c.name in ds.dims})


def _of_units(data: Problem, level: str, x: Named) -> xr.DataArray:
    """What the clusters have, or by pattern the rows: NaN for rows that were left out."""
    if level == "cluster":
        return xr.DataArray(x.values, dims=("cluster", *x.dims[1:]))
    seen = (data.pattern_of >= 0).reshape(-1, *[1] * (x.values.ndim - 1))
    return xr.DataArray(np.where(seen, x.values[data.pattern_of], np.nan), dims=("row", *x.dims[1:]))


def _path_table(data: Problem, of: ClassPosteriors) -> dict[str, Any]:
    """The most likely path of each row, its probability, that of no move, and how many go each path."""
    if (found := of.paths) is None:
        return {}
    names = [c.name for c in data.model.occasions]
    rows, seen = data.pattern_of, data.pattern_of >= 0
    labels = np.stack([np.asarray(data.coords[n])[found.path[:, k]] for k, n in enumerate(names)], axis=1)
    path = xr.DataArray(np.where(seen[:, None], labels[rows], 0), dims=("row", "occasion"), coords={"occasion": names})
    out = {"path": path}
    for name, x in (("path_probability", found.probability), ("stayed_probability", found.stayed)):
        out[name] = _of_units(data, "individual", Named(("individual",), x))
    if found.joint is not None:
        out["path_counts"] = xr.DataArray(np.tensordot(_shares(data), found.joint, 1), dims=names)
    return out


def _shares(data: Problem) -> Array:
    """How often each pattern counts in the population."""
    seen = data.pattern_of >= 0
    return np.bincount(data.pattern_of[seen], data.rows.shares[seen], len(data.counts))


def _joint_entropy(data: Problem, of: ClassPosteriors) -> dict[str, Any]:
    """The entropy of all class variables together, of each row or cluster; nothing for one class variable."""
    if of.entropy is None:
        return {}
    unit, x = of.entropy
    return {"joint_entropy": _of_units(data, unit, Named((unit,), x))}


def effect_table(data: Problem, theta: Array) -> xr.Dataset:
    """EAP and posterior SD of the random effects of rows and clusters, and grades of membership of the rows.

    Parameters
    ----------
    data : Problem
        As :func:`unmerged` returns them.
    theta : array (..., theta)
    """
    out: dict[str, xr.DataArray] = {}
    for name, (mean, sd) in posterior.effect_posteriors(data, theta).items():
        level = next(e.level for e in data.model.effects if e.name == name)
        for key, x in ((name, mean), (f"{name}_sd", sd)):
            out[key] = _of_units(data, level, Named((level,), x))
    ds = xr.Dataset(out | _membership_table(data, theta))
    ds = ds.assign_coords(row_coords(data.index)) if "row" in ds.dims else ds
    coords = {**data.coords, "cluster": data.clusters}
    return ds.assign_coords({k: v for k, v in coords.items() if k in ds.dims})


def _membership_table(data: Problem, theta: Array) -> dict[str, xr.DataArray]:
    """Grades of membership of the rows: posterior mean, SD, an interval, and the ends of some others."""
    out, points = {}, theta.reshape(-1, theta.shape[-1]) if np.ndim(theta) > 1 else theta
    if np.ndim(theta) > 1:
        most = max(int(MOST_POOLED / max(len(data.counts) * entries(data), 1)), FEWEST_POOLED)
        points = points[np.unique(np.linspace(0, len(points) - 1, min(len(points), most)).astype(int))]
    for name, found in posterior.memberships(data, points).items():
        grid = sorted({round(q, 6) for k in LEVELS for q in tails_of(k)})
        low, high, *rest = found.quantiles([*tails(), *grid])
        for ending, x in {"": found.mean(), "_sd": found.sd(), "_lower": low, "_upper": high}.items():
            table = _of_units(data, "individual", Named(("individual", name), x))
            kept = {"level": interval_level()} if ending in ("_lower", "_upper") else {}
            out[f"{name}{MEMBERSHIP}{ending}"] = table.assign_attrs(kept)
        ends = Named(("individual", name, "tail"), np.stack(rest, axis=-1))
        out[f"{name}{MEMBERSHIP}_ends"] = _of_units(data, "individual", ends).assign_coords(tail=grid)
    return out
