"""Solutions with given values, which nothing was fitted for, and posteriors around them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

import bayesmix as bm
from bayesmix.data import texts
from bayesmix.spec import Model
from declare import carried


def solved(model: Model, df: pd.DataFrame, scores: xr.Dataset | None = None, nodes=None, **values) -> bm.Fit:
    """A fit of the given natural values."""
    data, none = bm.prepare(model, df, nodes), xr.Dataset()
    params = {p.name: (p.dims, np.broadcast_to(values[p.name], data.packing.shape(p))) for p in model.parameters}
    dims = {d for p in model.parameters for d in p.dims}
    ds = xr.Dataset(params, coords={d: data.coords[d] for d in dims})
    info = {"categories": texts(data.categories), "model": model.name}
    info |= {"coding": data.coding.plain(), "nodes": {k: str(m) for k, m in data.nodes.items()}}
    empty = dict.fromkeys(("probabilities", "probabilities_se", "derived", "derived_se", "classes", "se_hessian"), none)
    return bm.Fit(
        model=model, params=ds, se=0.1 * xr.ones_like(ds), free=xr.ones_like(ds, dtype=bool),
        starts=pd.DataFrame({"loglik": [-1.0]}), loglik=-1.0, n_parameters=1, n_individuals=len(df), n_clusters=None,
        info=info, effect_scores=none if scores is None else scores, **empty,
    )  # fmt: skip


def drawn_around(fit: bm.Fit, spread: float = 0.1) -> xr.DataTree:
    """A posterior of 2 x 30 draws around a solution."""
    rng = np.random.default_rng(1)
    noise = {
        k: (("chain", "draw", *x.dims), x.values + spread * rng.normal(size=(2, 30, *x.shape)))
        for k, x in fit.params.items()
    }
    tree = xr.DataTree.from_dict({"/posterior": xr.Dataset(noise, coords=fit.params.coords)})
    tree["posterior"] = tree["posterior"].to_dataset().assign_coords(chain=[0, 1], draw=range(30))
    tree.attrs = carried(fit.model, categories=fit.info["categories"])
    return tree


def posterior_of(model: Model, df: pd.DataFrame, values: dict, z: np.ndarray | None = None) -> xr.DataTree:
    """Draws that are all the same but for the effects, (chain, draw, cluster, effect)."""
    coords, draws = bm.prepare(model, df).coords, (1, 3)
    held = {p.name: (("chain", "draw", *p.dims), np.broadcast_to(values[p.name], (*draws, *np.shape(values[p.name]))))
            for p in model.parameters}  # fmt: skip
    ds = xr.Dataset(held, coords={d: coords[d] for p in model.parameters for d in p.dims} | {"chain": [0]})
    if z is not None:
        ds["z_cluster"] = (("chain", "draw", "cluster", "effect_cluster"), z)
    tree = xr.DataTree.from_dict({"/posterior": ds.assign_coords(draw=range(3))})
    tree.attrs = carried(model)
    return tree
