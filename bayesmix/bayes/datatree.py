"""Draws of NUTS to an ArviZ-native DataTree: labels, likelihoods, predictions, diagnostics."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Any, cast

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import xarray as xr
from numpy.typing import NDArray
from pymc.distributions.transforms import Ordered
from pytensor.graph.replace import graph_replace

from bayesmix.bayes.class_group import class_group
from bayesmix.bayes.node_audit import over_points, some
from bayesmix.data import AT_MEANS, FREE, Dataset, texts, units
from bayesmix.data.identity import identity
from bayesmix.graph import LogLikelihood, Problem, is_adaptive, numpy_mode, posterior
from bayesmix.graph import draw as draw_data
from bayesmix.parallel import Steps
from bayesmix.results import FORMAT, Fit, diagnosed, words
from bayesmix.spec import Adaptive, Model, Nodes, Quantity, encode, parameter, probability_tables
from bayesmix.spec import class_labels as labels
from bayesmix.spec.parameters import Parameter
from bayesmix.typing import Array

PREDICTIVE, PRIOR = 50, 500
"""Replicated data sets a chain; draws of the prior."""


def assemble(
    raw: xr.DataTree,
    made: pm.Model,
    data: Problem,
    fit: Fit,
    *,
    nodes: Nodes | None = None,
    relabel: bool = True,
    seed: int = 0,
    said: Sequence[str] = (),
) -> xr.DataTree:
    """Draws to a DataTree: relabelled, with likelihoods, data, predictions and diagnostics.

    Whatever fails after sampling, the draws come back, with a warning that says what could not be made of them.

    Parameters
    ----------
    raw : xarray.DataTree
        What the sampler returned.
    made : pymc.Model
    data : Problem
        On the user's scale, as `made` has them.
    fit, nodes, relabel, seed
        As in :func:`bayesmix.sample`.
    said : sequence of str
        Further warnings.
    """
    drawn, stats = complete_draws(raw)
    steps, model = Steps(), data.model
    values, orders = steps.run("labels of the classes", lambda: _labelled(model, drawn, fit, relabel), (None, {}))
    values = _raw_values(model, drawn) if values is None else values
    groups = {"posterior": drawn, "posterior_raw": drawn, "sample_stats": stats}
    theta = steps.run("points of the parameters", lambda: points(data, values))
    marginal = None
    if theta is not None:
        marginal = steps.run("nodes over the draws", lambda: _marginal(data, nodes, fit, theta))
    groups["posterior"] = steps.run("posterior", lambda: _posterior(data, drawn, values, orders), drawn)
    if marginal is not None and theta is not None:
        groups |= _of_draws(steps, data, marginal, groups["posterior"], theta, drawn, seed)
    groups |= steps.run("observed and constant data", lambda: _data_groups(data), {})
    groups |= steps.run("prior", lambda: _prior(data, made, seed), {})
    found = steps.run("diagnostics", lambda: diagnosed(groups, theta, fit.loglik, orders), {})
    found |= {"lost": steps.lost} if steps.lost else {}
    tree = xr.DataTree.from_dict({f"/{k}": v for k, v in groups.items()})
    held = {"categories": texts(data.categories), "coding": data.coding.plain(), "about": _about(data, fit)}
    held |= {"identity": identity(data), "format": FORMAT, "model": encode(model)}
    tree.attrs["bayesmix"] = json.dumps(found | held)
    _warn([*steps.words(), *words(found, any("mode" in s or "solution" in s for s in said)), *said])
    return tree


def _about(data: Problem, fit: Fit) -> dict[str, Any]:
    """What was sampled, for the listing."""
    model, rest = data.model, ("items", "families", "covariates", "n_rows", "n_left_out")
    out = {k: fit.info[k] for k in rest if k in fit.info} | {"model": model.name, "cluster": model.cluster}
    out |= {"classes": {c.name: c.size for c in model.classes}, "nodes": {k: str(v) for k, v in data.nodes.items()}}
    return out | {"n_individuals": data.n_individuals, "n_clusters": data.n_clusters}


def _raw_values(model: Model, drawn: xr.Dataset) -> dict[str, Array]:
    """Parameters by name, (chain, draw, ...), as they were drawn."""
    return {p.name: drawn[p.name].values for p in model.parameters}


def _labelled(model: Model, drawn: xr.Dataset, fit: Fit, relabel: bool) -> tuple[dict[str, Array], Mapping]:
    """Parameters with the classes of every draw in the order of the fit's, and these orders."""
    values = _raw_values(model, drawn)
    return labels.relabel(model, values, _pivot(fit)) if relabel else (values, {})


def _posterior(data: Problem, drawn: xr.Dataset, values: Mapping[str, Array], orders: Mapping) -> xr.Dataset:
    """Parameters, tables of probabilities, sampled effects, and what a user's model has besides."""
    parameters = {p.name: p for p in data.model.parameters}
    shown = {n: (("chain", "draw", *p.dims), values[n], parameter(p).attrs) for n, p in parameters.items()}
    titles = _titles(data, drawn)
    moved = {t: _permuted(drawn[t], orders).assign_attrs(q.attrs) for t, q in titles.items()}
    rest = {k: drawn[k] for k in ("z_individual", "z_cluster") if k in drawn}
    own = {
        k: drawn[k] for k in drawn.data_vars if k not in {*parameters, *titles, *rest} and not _is_ours(k, parameters)
    }
    coords = {f"{c.name}_": list(data.coords[c.name]) for c in data.model.classes}
    coords |= {k: v for k, v in drawn.coords.items() if k in ("chain", "draw")}
    coords |= {d: list(data.coords[d]) for p in parameters.values() for d in p.dims}
    return align_dims(xr.Dataset(shown, coords=coords).assign(moved).assign(rest).assign(own))


def _titles(data: Problem, drawn: xr.Dataset) -> dict[str, Quantity]:
    """Tables of probabilities among the draws, by name."""
    names = {p.name for p in data.model.parameters}
    return {q.name: q for q in probability_tables(data.model) if q.name in drawn and q.name not in names}


def _of_draws(
    steps: Steps,
    data: Problem,
    marginal: Problem,
    posterior_group: xr.Dataset,
    theta: Array,
    drawn: xr.Dataset,
    seed: int,
) -> dict[str, xr.Dataset]:
    """What follows from the parameters at each draw, or at some of them."""
    known = _titles(data, drawn)

    def with_tables() -> xr.Dataset:
        return align_dims(posterior_group.assign(posterior.tables_of(marginal, theta, ("chain", "draw"), known)))

    out = {"posterior": steps.run("tables of probabilities and effects", with_tables, posterior_group)}
    for what, name, step in (
        ("log-likelihoods", "log_likelihood", lambda: _log_likelihood(marginal, theta, drawn)),
        ("predictions", "posterior_predictive", lambda: _predictive(data, theta, drawn, seed)),
    ):
        if (group := steps.run(what, step)) is not None:
            out[name] = group
    out |= steps.run("class probabilities", lambda: class_group(marginal, theta), {})
    return out | steps.run("grades of membership", lambda: _latent(marginal, theta, drawn, seed), {})


def _marginal(data: Problem, nodes: Nodes | None, fit: Fit, theta: Array) -> Problem:
    """The data with random effects integrated at nodes that stand over the draws."""
    return over_points(data_at_fit(data.rows, nodes, fit), some(theta))


def point(data: Problem, fit: Fit) -> Array:
    """The solution as a point of theta."""
    return data.pack({p.name: fit.params[p.name].values for p in data.model.parameters})


def data_at_fit(rows: Dataset, nodes: Nodes | None, fit: Fit) -> Problem:
    """The data, covariates centred, with nodes for parameters around the solution: adaptive ones there, more of them.

    Of one effect twice as many; of several, whose numbers multiply, two more of each.
    """
    more = {k: _more(m, len(rows.model.effects_at(k))) if isinstance(m, Adaptive) else m for k, m in fit.nodes.items()}
    data = Problem.of(rows, nodes or more).centred()
    return over_points(data, _near(data, fit)) if is_adaptive(data) else data


def _near(data: Problem, fit: Fit) -> list[Array]:
    """The solution, and it with SDs of effects three standard errors larger and smaller.

    Where effects hardly vary at the maximum, nodes placed there alone miss the effects of draws that have more.
    """
    values = {p.name: fit.params[p.name].values for p in data.model.parameters}
    out, scales = [values], units(data)
    spread = [p for p in data.model.parameters if p.name in fit.se and _sds(data, p).any()]
    for sign in (1.0, -1.0):
        moved = dict(values)
        for p in spread:
            se = np.where(np.isfinite(fit.se[p.name].values), fit.se[p.name].values, 0.5 * scales[p.name][1])
            free = (data.packing.index[p.name] >= 0) & (values[p.name] >= 0)
            free &= _sds(data, p)
            moved[p.name] = np.where(
                free, np.maximum(values[p.name] + sign * 3 * se, 0.3 * values[p.name]), values[p.name]
            )
        out.append(moved)
    return [data.pack(v) for v in out]


def _sds(data: Problem, p: Parameter) -> NDArray[np.bool_]:
    """Mark the entries of the parameter `p` that are SDs of effects."""
    return p.domain.effect_sds(data.packing.shape(p))


def _more(method: Adaptive, effects: int) -> Nodes:
    return cast(Nodes, method.finer()) if effects == 1 else Adaptive(method.n + 2)


def complete_draws(raw: xr.DataTree, quiet: bool = False) -> tuple[xr.Dataset, xr.Dataset]:
    """Draws and their statistics, up to the last one that every chain has: sampling may have been interrupted.

    Raises
    ------
    KeyboardInterrupt
        Fewer than four such draws.
    """
    drawn, stats = raw["posterior"].to_dataset(), raw["sample_stats"].to_dataset()
    whole = whole_draws(drawn)
    if whole == drawn.sizes["draw"]:
        return drawn, stats
    if whole < 4:
        raise KeyboardInterrupt(f"Interrupted after {whole} draws: nothing to keep.")
    if not quiet:
        warnings.warn(f"Interrupted: going on with the first {whole} draws of each chain.", stacklevel=4)
    return drawn.isel(draw=slice(0, whole)), stats.isel(draw=slice(0, whole))


def whole_draws(drawn: xr.Dataset) -> int:
    """How many draws every chain has: of one that was not made all is missing; of others a user's variable may be."""
    lead = (drawn.sizes["chain"], drawn.sizes["draw"], -1)
    each = [np.isnan(x.transpose("chain", "draw", ...).values.astype(float)).reshape(lead) for x in drawn.values()]
    return int((~np.concatenate(each, axis=-1).all(axis=-1).any(axis=0)).cumprod().sum())


def align_dims(ds: xr.Dataset) -> xr.Dataset:
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
    return xr.Dataset({k: (x.dims, x.values, x.attrs) for k in wide_first for x in [variables[k]]}, coords=coords)


def _is_ours(name: Any, parameters: Iterable[str]) -> bool:
    """Whether a variable only carries the entries of a parameter."""
    return any(str(name).startswith((f"{n}{FREE}", f"{n}{AT_MEANS}")) for n in parameters)


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


def points(data: Problem, values: Mapping[str, Array]) -> Array:
    """Draws as points of theta, (chain, draw, theta)."""
    lead = next(iter(values.values())).shape[:2]
    out = np.empty((*lead, data.packing.size))
    for at in np.ndindex(*lead):
        out[at] = data.pack({k: v[at] for k, v in values.items()})
    return out


def _latent(data: Problem, theta: Array, drawn: xr.Dataset, seed: int) -> dict[str, xr.Dataset]:
    """Grades of membership of the rows at some of the draws, each from its posterior given the parameters."""
    if not data.model.classes_at("item"):
        return {}
    if data.model.two_level and "cluster_of" not in data.arrays:
        data = data.uncollapsed().centred()
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
    coords = {k: list(data.coords[k]) for k in out} | {"row": _plain_index(data.index, rows)}
    coords |= {"chain": drawn["chain"], "draw": drawn["draw"][::step]}
    return {"latent": xr.Dataset(variables, coords=coords)} if out else {}


def _plain_index(index: pd.Index, rows: NDArray) -> NDArray:
    plain = index.is_unique and not isinstance(index, pd.MultiIndex)
    return index.to_numpy()[rows] if plain else rows


def _log_likelihood(marginal: Problem, theta: Array, drawn: xr.Dataset) -> xr.Dataset:
    """The marginal log-likelihood of each unit at each draw, random effects integrated."""
    units = LogLikelihood(marginal).of_units
    lead = theta.shape[:2]
    x = np.stack([units(theta[at]) for at in np.ndindex(*lead)]).reshape(*lead, -1)
    if marginal.clusters is not None:
        return _group(drawn, {"loglik": (("chain", "draw", "cluster"), x)}, cluster=marginal.clusters)
    rows, index = _rows_of(marginal)
    return _group(drawn, {"loglik": (("chain", "draw", "row"), x[..., marginal.pattern_of[rows]])}, row=index)


def _rows_of(data: Problem) -> tuple[NDArray, NDArray]:
    """Rows in the analysis, repeated by their frequency, and their labels."""
    rows = np.flatnonzero(data.pattern_of >= 0)
    if data.model.freq is not None:
        rows = np.repeat(rows, data.rows.freq[rows].astype(int))
    repeated = len(set(rows.tolist())) < len(rows) or not data.index.is_unique or isinstance(data.index, pd.MultiIndex)
    return rows, np.arange(len(rows)) if repeated else data.index.to_numpy()[rows]


def _group(drawn: xr.Dataset, variables: dict, **coords) -> xr.Dataset:
    return xr.Dataset(variables, coords={"chain": drawn["chain"], "draw": drawn["draw"], **coords})


def _data_groups(data: Problem) -> dict[str, xr.Dataset]:
    rows, index = _rows_of(data)
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


def _predictive(data: Problem, theta: Array, drawn: xr.Dataset, seed: int) -> xr.Dataset:
    """Replicated responses at some of the draws; missing ones stay missing."""
    rng = np.random.default_rng(seed)
    levels = tuple({e.level for e in data.model.effects})
    full = Problem.of(data.rows, sampled=levels, collapse=False).centred()
    rows, index = _rows_of(full)
    step = max(1, theta.shape[1] // PREDICTIVE)
    some_draws = theta[:, ::step]
    out = {r.name: np.empty((*some_draws.shape[:2], len(rows), len(r.items))) for r in data.model.responses}
    for at in np.ndindex(*some_draws.shape[:2]):
        y, _ = draw_data(full, some_draws[at], rng)
        for r in data.model.responses:
            out[r.name][at] = np.stack([y[i] for i in r.items], axis=-1)[full.pattern_of[rows]]
    variables = {}
    for r in data.model.responses:
        gone = np.isnan(full.responses[r.name][full.pattern_of[rows]])
        variables[f"y_{r.name}"] = (("chain", "draw", "row", r.item_dim), np.where(gone, np.nan, out[r.name]))
    coords = {"chain": drawn["chain"], "draw": drawn["draw"][::step], "row": index}
    coords |= {r.item_dim: list(data.coords[r.item_dim]) for r in data.model.responses}
    return xr.Dataset(variables, coords=coords)


def _prior(data: Problem, made: pm.Model, seed: int) -> dict[str, xr.Dataset]:
    """Draws of the prior: thresholds, whose prior is one of vectors in order, are draws put in order."""
    known = [p for p in data.model.parameters if p.name in made.named_vars]
    ordered = [v for v in made.free_RVs if isinstance(made.rvs_to_transforms[v], Ordered)]
    in_order = {v: pt.sort(v.owner.clone().outputs[v.owner.outputs.index(v)], axis=-1) for v in ordered}
    outputs = graph_replace([made[p.name] for p in known], in_order, strict=False)
    drawn = pm.draw(outputs, draws=PRIOR, random_seed=seed, mode=numpy_mode())
    coords = {d: list(data.coords[d]) for p in known for d in p.dims}
    variables = {p.name: (("chain", "draw", *p.dims), np.asarray(x)[None]) for p, x in zip(known, drawn, strict=True)}
    coords |= {"chain": [0], "draw": np.arange(PRIOR)}
    return {"prior": xr.Dataset(variables, coords=coords)} if known else {}


def _warn(said: Sequence[str]) -> None:
    for s in said:
        warnings.warn(s[:1].upper() + s[1:] + ".", stacklevel=4)
