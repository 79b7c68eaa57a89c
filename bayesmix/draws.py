"""Draws of NUTS to an ArviZ-native DataTree: labels, likelihoods, predictions, diagnostics.

Depends on simulate, posterior, labels, result and the floors beneath.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Any, cast

import arviz as az
import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr
from numpy.typing import NDArray

from bayesmix import functions, labels, posterior
from bayesmix.adaptation import adapted
from bayesmix.data import Data, prepare, texts
from bayesmix.quadrature import Adaptive, Nodes
from bayesmix.result import Fit
from bayesmix.simulate import draw as draw_data
from bayesmix.spec import Model, parts

Array = NDArray[np.float64]
FREE = "_free"
"""Ends the name of the variable of a parameter's free entries, where others are fixed."""
PREDICTIVE = 50
"""Replicated data sets a chain."""


def assemble(
    raw: xr.DataTree,
    made: pm.Model,
    data: Data,
    fit: Fit,
    df: pd.DataFrame,
    *,
    nodes: Nodes | None = None,
    relabel: bool = True,
    seed: int = 0,
) -> xr.DataTree:
    """Draws to a DataTree: relabelled, with likelihoods, data, predictions and diagnostics."""
    model = data.model
    drawn, stats = finished(raw)
    names = [p.name for p in model.parameters]
    values = {n: drawn[n].values for n in names}
    values, orders = labels.relabelled(model, values, _pivot(fit)) if relabel else (values, {})
    shown = {n: (("chain", "draw", *p.dims), values[n]) for n, p in zip(names, model.parameters, strict=True)}
    titles = [str(k) for k in drawn.data_vars if "_probability" in str(k) and str(k) not in names]
    moved = {t: _permuted(drawn[t], orders) for t in titles}
    rest = {k: drawn[k] for k in ("z_individual", "z_cluster") if k in drawn}
    own = {k: drawn[k] for k in drawn.data_vars if k not in {*names, *titles, *rest} and not _is_ours(str(k), names)}
    coords = {f"{c.name}_": list(data.coords[c.name]) for c in model.classes}
    coords |= {k: v for k, v in drawn.coords.items() if k in ("chain", "draw")} | {
        d: list(data.coords[d]) for n in names for d in dict(zip(names, model.parameters, strict=True))[n].dims
    }
    marginal, theta = around(model, df, nodes, fit), _theta(data, values)
    moved |= posterior.tables_of(marginal, theta, ("chain", "draw"), titles)
    posterior_group = aligned(xr.Dataset(shown, coords=coords).assign(moved).assign(rest).assign(own))
    groups = {
        "posterior": posterior_group,
        "posterior_raw": drawn,
        "sample_stats": stats,
        "log_likelihood": _log_likelihood(marginal, df, theta, drawn),
    }
    groups |= _latent(marginal, df, theta, drawn, seed)
    groups |= _data_groups(data, df) | _predictive(data, made, theta, df, drawn, seed)
    tree = xr.DataTree.from_dict({f"/{k}": v for k, v in groups.items()})
    found = _diagnose(groups, theta, fit, orders)
    tree.attrs["bayesmix"] = json.dumps(found | {"parts": parts(model), "categories": texts(data.categories)})
    _warn(found)
    return tree


def point(data: Data, fit: Fit) -> Array:
    """The solution as a point of theta."""
    return data.packing.pack({p.name: fit.params[p.name].values for p in data.model.parameters})


def around(model: Model, df: pd.DataFrame, nodes: Nodes | None, fit: Fit) -> Data:
    """The data with nodes for parameters around the solution: adaptive ones put there, more of them than ML takes.

    Of one effect twice as many; of several, whose numbers multiply, two more of each.
    """
    more = {k: _more(m, len(model.effects_at(k))) if isinstance(m, Adaptive) else m for k, m in fit.nodes.items()}
    data = prepare(model, df, nodes=nodes or more)
    return adapted(data, point(data, fit))


def _more(method: Adaptive, effects: int) -> Nodes:
    return cast(Nodes, method.finer()) if effects == 1 else Adaptive(method.n + 2)


def finished(raw: xr.DataTree) -> tuple[xr.Dataset, xr.Dataset]:
    """Draws and their statistics, up to the last one that every chain has: sampling may have been interrupted.

    Raises
    ------
    KeyboardInterrupt
        Fewer than four such draws.
    """
    drawn, stats = raw["posterior"].to_dataset(), raw["sample_stats"].to_dataset()
    gone = [np.isnan(x.transpose("draw", ...).values).reshape(drawn.sizes["draw"], -1) for x in drawn.values()]
    whole = int((~np.concatenate(gone, axis=1).any(axis=1)).cumprod().sum())
    if whole == drawn.sizes["draw"]:
        return drawn, stats
    if whole < 4:
        raise KeyboardInterrupt(f"Interrupted after {whole} draws: nothing to keep.")
    warnings.warn(f"Interrupted: going on with the first {whole} draws of each chain.", stacklevel=4)
    return drawn.isel(draw=slice(0, whole)), stats.isel(draw=slice(0, whole))


def aligned(ds: xr.Dataset) -> xr.Dataset:
    """The same draws with the dims of every variable in one order, chain and draw first.

    ArviZ's tables label entries by the order of the dims in the Dataset; a variable with another order
    would be mislabelled.
    """
    before: dict[str, set[str]] = {str(d): set() for d in ds.dims}
    for x in ds.data_vars.values():
        for first, second in pairwise(map(str, x.dims)):
            before[second].add(first)
    try:
        order = list(TopologicalSorter(before).static_order())
    except CycleError:
        order = [str(d) for d in ds.dims]
    order = ["chain", "draw", *(d for d in order if d not in ("chain", "draw"))]
    coords = {d: ds[d].values if d in ds.coords else np.arange(ds.sizes[d]) for d in order}
    variables = {k: x.transpose(*(d for d in order if d in x.dims)) for k, x in ds.data_vars.items()}
    wide_first = sorted(variables, key=lambda k: -variables[k].ndim)
    return xr.Dataset({k: (variables[k].dims, variables[k].values) for k in wide_first}, coords=coords)


def _is_ours(name: str, names: list[str]) -> bool:
    return any(name.startswith(f"{n}{FREE}") for n in names)


def _pivot(fit: Fit) -> dict[str, Array]:
    return {str(k): v.values for k, v in fit.params.items()}


def _permuted(x: xr.DataArray, orders: Mapping[tuple[str, ...], NDArray]) -> xr.DataArray:
    for dims, order in orders.items():
        for d in dims:
            if d in x.dims:
                index = xr.DataArray(order, dims=("chain", "draw", d))
                x = x.isel({d: index}) if (order != np.arange(order.shape[-1])).any() else x
                x = x.transpose("chain", "draw", ...)
    return x


def _theta(data: Data, values: Mapping[str, Array]) -> Array:
    """Draws as points of theta, (chain, draw, theta)."""
    lead = next(iter(values.values())).shape[:2]
    out = np.empty((*lead, data.packing.size))
    for at in np.ndindex(*lead):
        out[at] = data.packing.pack({k: v[at] for k, v in values.items()})
    return out


def _latent(data: Data, df: pd.DataFrame, theta: Array, drawn: xr.Dataset, seed: int) -> dict[str, xr.Dataset]:
    """Grades of membership of the rows at some of the draws, each from its posterior given the parameters."""
    if not data.model.classes_at("item"):
        return {}
    if data.model.two_level and "cluster_of" not in data.arrays:
        data = prepare(data.model, df, data.nodes, collapse=False)
    rng, rows = np.random.default_rng(seed), np.flatnonzero(data.pattern_of >= 0)
    step = max(1, theta.shape[1] // PREDICTIVE)
    some, out = theta[:, ::step], {}
    for at in np.ndindex(*some.shape[:2]):
        for name, found in posterior.memberships(data, some[at]).items():
            # a person of a pattern draws for himself
            own = posterior.Memberships(found.probability[data.pattern_of[rows]], found.weight[data.pattern_of[rows]])
            out.setdefault(name, []).append(own.draw(rng).astype(np.float32))
    variables = {
        f"{k}_membership": (("chain", "draw", "row", k), np.stack(v).reshape(*some.shape[:2], *v[0].shape))
        for k, v in out.items()
    }
    coords = {k: list(data.coords[k]) for k in out} | {"row": _plain_index(df, rows)}
    coords |= {"chain": drawn["chain"], "draw": drawn["draw"][::step]}
    return {"latent": xr.Dataset(variables, coords=coords)} if out else {}


def _plain_index(df: pd.DataFrame, rows: NDArray) -> NDArray:
    plain = df.index.is_unique and not isinstance(df.index, pd.MultiIndex)
    return df.index.to_numpy()[rows] if plain else rows


def _log_likelihood(marginal: Data, df: pd.DataFrame, theta: Array, drawn: xr.Dataset) -> xr.Dataset:
    """The marginal log-likelihood of each unit at each draw, random effects integrated."""
    units = functions.bind("units", marginal)
    lead = theta.shape[:2]
    x = np.stack([units(theta[at]) for at in np.ndindex(*lead)]).reshape(*lead, -1)
    if marginal.clusters is not None:
        return _group(drawn, {"loglik": (("chain", "draw", "cluster"), x)}, cluster=marginal.clusters)
    rows, index = _rows_of(marginal, df)
    return _group(drawn, {"loglik": (("chain", "draw", "row"), x[..., marginal.pattern_of[rows]])}, row=index)


def _rows_of(data: Data, df: pd.DataFrame) -> tuple[NDArray, NDArray]:
    """Rows in the analysis, repeated by their frequency, and their labels."""
    rows = np.flatnonzero(data.pattern_of >= 0)
    if data.model.freq is not None:
        rows = np.repeat(rows, df[data.model.freq].to_numpy(dtype=float)[rows].round().astype(int))
    repeated = len(set(rows.tolist())) < len(rows) or not df.index.is_unique or isinstance(df.index, pd.MultiIndex)
    return rows, np.arange(len(rows)) if repeated else df.index.to_numpy()[rows]


def _group(drawn: xr.Dataset, variables: dict, **coords) -> xr.Dataset:
    return xr.Dataset(variables, coords={"chain": drawn["chain"], "draw": drawn["draw"], **coords})


def _data_groups(data: Data, df: pd.DataFrame) -> dict[str, xr.Dataset]:
    rows, index = _rows_of(data, df)
    pattern = data.pattern_of[rows]
    observed = {f"y_{r.name}": (("row", r.item_dim), data.responses[r.name][pattern]) for r in data.model.responses}
    coords = {"row": index} | {r.item_dim: list(data.coords[r.item_dim]) for r in data.model.responses}
    constant = {
        c.name + "_values": (
            (("row" if c.level == "individual" else "cluster"), c.name),
            data.arrays[c.name].values[pattern] if c.level == "individual" else data.arrays[c.name].values,
        )
        for c in data.model.covariates
    }
    more = {c.name: list(data.coords[c.name]) for c in data.model.covariates}
    return {
        "observed_data": xr.Dataset(observed, coords=coords),
        "constant_data": xr.Dataset(constant, coords={"row": index, **more} if constant else {"row": index}),
    }


def _predictive(
    data: Data, made: pm.Model, theta: Array, df: pd.DataFrame, drawn: xr.Dataset, seed: int
) -> dict[str, xr.Dataset]:
    """Replicated responses at some of the draws (missing ones stay missing), and draws of the prior."""
    rng = np.random.default_rng(seed)
    levels = tuple({e.level for e in data.model.effects})
    full = prepare(data.model, df, sampled=levels, collapse=False)
    rows, index = _rows_of(full, df)
    step = max(1, theta.shape[1] // PREDICTIVE)
    some = theta[:, ::step]
    out = {r.name: np.empty((*some.shape[:2], len(rows), len(r.items))) for r in data.model.responses}
    for at in np.ndindex(*some.shape[:2]):
        y, _ = draw_data(full, some[at], rng)
        for r in data.model.responses:
            out[r.name][at] = np.stack([y[i] for i in r.items], axis=-1)[full.pattern_of[rows]]
    variables = {}
    for r in data.model.responses:
        gone = np.isnan(full.responses[r.name][full.pattern_of[rows]])
        variables[f"y_{r.name}"] = (("chain", "draw", "row", r.item_dim), np.where(gone, np.nan, out[r.name]))
    coords = {"chain": drawn["chain"], "draw": drawn["draw"][::step], "row": index}
    coords |= {r.item_dim: list(data.coords[r.item_dim]) for r in data.model.responses}
    names = [p.name for p in data.model.parameters]
    with made, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the likelihood is a potential, which the prior does not know
        logging.getLogger("pymc").setLevel(logging.WARNING)
        prior = pm.sample_prior_predictive(500, var_names=names, random_seed=seed)
    return {"posterior_predictive": xr.Dataset(variables, coords=coords), "prior": prior["prior"].to_dataset()}


def _diagnose(groups: Mapping[str, xr.Dataset], theta: Array, fit: Fit, orders: Mapping) -> dict[str, Any]:
    """What tells whether the chains can be believed."""
    entries = xr.Dataset({"theta": (("chain", "draw", "entry"), theta)})
    rhat, ess = (f(entries)["theta"].values for f in (az.rhat, az.ess))
    stats = groups["sample_stats"]
    total = groups["log_likelihood"]["loglik"].sum(groups["log_likelihood"]["loglik"].dims[2:])
    level, spread = total.mean("draw"), float(total.std("draw").mean())
    return {
        "max_rhat": float(rhat.max()),
        "min_ess_bulk": float(ess.min()),
        "divergences": int(stats["diverging"].sum()) if "diverging" in stats else 0,
        "relabelled": {",".join(d): float((o != np.arange(o.shape[-1])).any(-1).mean()) for d, o in orders.items()},
        "ml_loglik": fit.loglik,
        "mean_loglik": float(total.mean()),
        "chain_loglik": [float(x) for x in level.values],
        "second_mode": bool(float(level.max() - level.min()) > max(3 * spread, 3.0)),
        "chains": int(total.sizes["chain"]),
        "draws": int(total.sizes["draw"]),
    }


def _warn(d: Mapping[str, Any]) -> None:
    said = []
    if d["divergences"]:
        said.append(f"{d['divergences']} divergent transitions: raise target_accept, or look at the priors")
    if d["max_rhat"] > 1.01:
        said.append(f"the largest R-hat is {d['max_rhat']:.3f}: run longer (draws=, tune=)")
    if d["min_ess_bulk"] < 400:
        said.append(f"the smallest bulk ESS is {d['min_ess_bulk']:.0f}: run longer (draws=)")
    if d["second_mode"]:
        said.append("chains stay at different levels of log-likelihood: there is a second mode")
    for s in said:
        warnings.warn(s + ".", stacklevel=4)
