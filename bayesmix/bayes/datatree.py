"""Draws of NUTS to an ArviZ-native DataTree: labels, likelihoods, predictions, diagnostics."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Any, cast

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import xarray as xr
from arviz_base import dict_to_dataset
from numpy.typing import NDArray
from pymc.model.transform.conditioning import remove_value_transforms
from pytensor.graph.replace import vectorize_graph

from bayesmix.bayes.built import built
from bayesmix.bayes.class_group import class_group
from bayesmix.bayes.node_audit import evenly, over_points, some
from bayesmix.bayes.observed import NODES, Replicates, coords_of, dims_of, responses, rows_of
from bayesmix.bayes.residual_matrices import has_sound_matrices
from bayesmix.data import Dataset, texts, units
from bayesmix.data.identity import identity
from bayesmix.graph import LogLikelihood, Problem, distinct, is_adaptive, numpy_mode, posterior
from bayesmix.parallel import Steps
from bayesmix.results import FORMAT, RESPONSES, Fit, diagnosed, words
from bayesmix.spec import GROUP, Adaptive, Model, Nodes, Quantity, encode, parameter, probability_tables
from bayesmix.spec import class_labels as labels
from bayesmix.spec.parameters import Parameter
from bayesmix.typing import Array

PREDICTIVE, PRIOR, MORE_PRIOR = 50, 500, 8
"""Replicated data sets a chain, and of the prior; draws of the prior."""
ROOM = 250_000_000
"""The most numbers of a group: two gigabytes."""
TOGETHER = 1000
"""Draws at which densities are computed at once."""
SOME = 3
"""So many draws tell whether an extended model knows its classes apart."""


def assemble(
    raw: xr.DataTree,
    made: pm.Model,
    data: Problem,
    fit: Fit,
    *,
    nodes: Nodes | None = None,
    relabel: bool = True,
    predictive: int = PREDICTIVE,
    seed: int = 0,
    said: Sequence[str] = (),
    about: Mapping[str, Any] | None = None,
    weighed: xr.Dataset | None = None,
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
    fit, nodes, relabel, predictive, seed
        As in :func:`bayesmix.sample`.
    said : sequence of str
        Further warnings.
    about : mapping, optional
        What else is known of the draws: numbers of importance sampling.
    weighed : xarray.Dataset, optional
        The group `importance`.
    """
    drawn, stats = complete_draws(raw)
    steps, model = Steps(), data.model
    own, lost = _raw_values(data, drawn), []
    values, orders = steps.run(
        "labels of the classes", lambda: _labelled(data, made, own, drawn, fit, relabel), (own, {})
    )
    if orders is None:
        values, orders = own, {}
        lost = ["the model tells its classes apart by what was added to it: draws keep the labels that they came with"]
    groups = {"posterior": drawn, "posterior_raw": drawn, "sample_stats": stats}
    theta = steps.run("points of the parameters", lambda: points(data, values))
    marginal = None
    if theta is not None:
        marginal = steps.run("nodes over the draws", lambda: _marginal(data, nodes, fit, theta))
    groups["posterior"] = steps.run("posterior", lambda: _posterior(data, drawn, values, orders), drawn)
    if marginal is not None and theta is not None:
        groups |= _of_draws(steps, data, marginal, groups["posterior"], theta, drawn, predictive, seed)
    groups |= steps.run("observed and constant data", lambda: _data_groups(data), {})
    groups |= steps.run("prior", lambda: _prior(made, model, seed), {})
    groups |= steps.run("predictions of the prior", lambda: _prior_predictive(data, groups, seed), {})
    groups |= steps.run("density of the prior", lambda: _log_prior(made, drawn), {})
    groups = steps.run("further observed variables", lambda: _with_observed(groups, made, drawn), groups)
    found = steps.run("diagnostics", lambda: diagnosed(groups, theta, fit.loglik, orders), {})
    found |= about or {}
    groups |= {"importance": weighed} if weighed is not None else {}
    found |= {"lost": steps.lost} if steps.lost else {}
    tree = xr.DataTree.from_dict({f"/{k}": v for k, v in groups.items()})
    held = {"categories": texts(data.categories), "coding": data.coding.plain(), "about": _about(data, fit)}
    held |= {"identity": identity(data), "format": FORMAT, "model": encode(model)}
    tree.attrs["bayesmix"] = json.dumps(found | held)
    said = [*lost, *said]
    _warn([*steps.words(), *words(found, any("mode" in s or "solution" in s for s in said)), *said])
    return tree


def _about(data: Problem, fit: Fit) -> dict[str, Any]:
    """What was sampled, for the listing."""
    model, rest = data.model, ("items", "families", "covariates", "n_rows", "n_left_out")
    out = {k: fit.info[k] for k in rest if k in fit.info} | {"model": model.name, "cluster": model.cluster}
    out |= {"classes": {c.name: c.size for c in model.classes}, "nodes": {k: str(v) for k, v in data.nodes.items()}}
    return out | {"n_individuals": data.n_individuals, "n_clusters": data.n_clusters}


def with_known(raw: xr.DataTree, made: pm.Model, data: Problem) -> xr.DataTree:
    """The draws with the parameters that ``pm.do`` or ``pm.observe`` made known, which no sampler has."""
    drawn = raw["posterior"].to_dataset()
    gone = [p for p in data.model.parameters if p.name not in drawn]
    if not gone:
        return raw
    lead = {d: drawn.sizes[d] for d in ("chain", "draw")}
    for p in gone:
        x = made[p.name]
        value = np.asarray(cast(Any, made.rvs_to_values.get(x, x)).eval(mode=numpy_mode()), dtype=float)
        whole = np.broadcast_to(value, (*lead.values(), *value.shape))
        drawn[p.name] = ((*lead, *p.dims), whole.copy())
        drawn = drawn.assign_coords({d: list(data.coords[d]) for d in p.dims})
    raw["posterior"] = xr.DataTree(drawn)
    return raw


def _raw_values(data: Problem, drawn: xr.Dataset) -> dict[str, Array]:
    """Parameters by name, (chain, draw, ...), as they were drawn; a user's variable with what the model fixes."""
    held = data.packing.held
    return {p.name: np.where(np.isnan(held[p.name]), drawn[p.name].values, held[p.name]) for p in data.model.parameters}


def _labelled(
    data: Problem, made: pm.Model, own: Mapping[str, Array], drawn: xr.Dataset, fit: Fit, relabel: bool
) -> tuple[Mapping[str, Array], Mapping | None]:
    """Parameters with the classes of every draw in the order of the fit's, and these orders.

    No orders where the classes of a model that a user has extended are not exchangeable.
    """
    if not relabel:
        return own, {}
    values, orders = labels.relabel(data.model, {**own}, _pivot(fit))
    return values, orders if _is_exchangeable(data.model, made, drawn, values, orders) else None


def _is_exchangeable(
    model: Model, made: pm.Model, drawn: xr.Dataset, values: Mapping[str, Array], orders: Mapping
) -> bool:
    """Whether the density of an extended model is the same where the classes of a draw are in another order."""
    before = built(made)
    moves = [(o != np.arange(o.shape[-1])).any(tuple(range(2, o.ndim))) for o in orders.values()]
    changed = sum(moves, np.zeros((1, 1)))
    at = np.argwhere(changed)[:SOME]
    if not len(at) or (before is not None and not before.is_extended(made)):
        return True
    plain = remove_value_transforms(made)
    names = [v.name for v in plain.free_RVs]
    density = plain.compile_logp(mode=numpy_mode())
    parameters = {p.name for p in model.parameters}
    moved = {k: values[k] if k in parameters else _permuted(drawn[k], orders).values for k in names}
    each = [
        [float(density({plain.rvs_to_values[plain[k]].name: x[tuple(i)] for k, x in some.items()})) for i in at]
        for some in ({k: drawn[k].values for k in names}, moved)
    ]
    return bool(np.allclose(*each, rtol=1e-9, atol=1e-6))


def _posterior(data: Problem, drawn: xr.Dataset, values: Mapping[str, Array], orders: Mapping) -> xr.Dataset:
    """Parameters, tables of probabilities, sampled effects, and what a user's model has besides."""
    parameters = {p.name: p for p in data.model.parameters}
    shown = {n: (("chain", "draw", *p.dims), values[n], parameter(p).attrs) for n, p in parameters.items()}
    titles = _titles(data, drawn)
    moved = {t: _permuted(drawn[t], orders).assign_attrs(q.attrs) for t, q in titles.items()}
    rest = {k: drawn[k] for k in NODES if k in drawn}
    own = {k: _permuted(drawn[k], orders) for k in drawn.data_vars if k not in {*parameters, *titles, *rest}}
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
    predictive: int,
    seed: int,
) -> dict[str, xr.Dataset]:
    """What follows from the parameters at each draw, or at some of them."""
    known = _titles(data, drawn)

    def with_tables() -> xr.Dataset:
        return align_dims(posterior_group.assign(posterior.tables_of(marginal, theta, ("chain", "draw"), known)))

    out = {"posterior": steps.run("tables of probabilities and effects", with_tables, posterior_group)}
    for what, name, step in (
        ("log-likelihoods", "log_likelihood", lambda: _log_likelihood(marginal, theta, drawn)),
        ("predictions", "posterior_predictive", lambda: _predictive(data, theta, drawn, predictive, seed)),
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


def _pivot(fit: Fit) -> dict[str, Array]:
    return {str(k): v.values for k, v in fit.params.items()}


def _permuted(x: xr.DataArray, orders: Mapping[tuple[str, ...], NDArray]) -> xr.DataArray:
    for dims, order in orders.items():
        for d in dims:
            if d in x.dims:
                index = xr.DataArray(order, dims=("chain", "draw", *[GROUP] * (order.ndim - 3), d))
                x = x.isel({d: index}) if (order != np.arange(order.shape[-1])).any() else x
                x = x.transpose("chain", "draw", ...)
    return x


def points(data: Problem, values: Mapping[str, Array]) -> Array:
    """Draws as points of theta, (chain, draw, theta)."""
    return data.pack(values, next(iter(values.values())).shape[:2])


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
    points, which, _ = distinct(theta)
    if marginal.clusters is not None:
        x = LogLikelihood(marginal).of_units(points)[which]
        return _group(drawn, {RESPONSES: (("chain", "draw", "cluster"), x)}, cluster=marginal.clusters)
    rows, index = rows_of(marginal)
    if (size := len(rows) * which.size) > ROOM:
        raise MemoryError(
            f"{len(rows):,} rows at {which.size:,} draws are {8 * size / 1e9:.0f} GB, and at most "
            f"{8 * ROOM / 1e9:.0f} are kept: take fewer draws, az.loo and az.compare need this group"
        )
    x = LogLikelihood(marginal).of_units(points)[which[..., None], marginal.pattern_of[rows]]
    return _group(drawn, {RESPONSES: (("chain", "draw", "row"), x)}, row=index)


def _group(drawn: xr.Dataset, variables: dict, **coords) -> xr.Dataset:
    return xr.Dataset(variables, coords={"chain": drawn["chain"], "draw": drawn["draw"], **coords})


def _data_groups(data: Problem) -> dict[str, xr.Dataset]:
    rows, index = rows_of(data)
    pattern = data.pattern_of[rows]
    observed = xr.Dataset({RESPONSES: (dims_of(data), responses(data))}, coords=coords_of(data))
    constant = {
        c.key + "_values": (
            (
                "row" if c.level == "individual" else "cluster",
                *([data.model.responses[0].item_dim] if c.rows else []),
                c.name,
            ),
            data.arrays[c.key].values[pattern] if c.level == "individual" else data.arrays[c.key].values,
        )
        for c in data.model.covariates
    }
    more = {c.name: list(data.coords[c.name]) for c in data.model.covariates}
    return {
        "observed_data": observed,
        "constant_data": xr.Dataset(constant, coords={"row": index, **more} if constant else {"row": index}),
    }


def _predictive(data: Problem, theta: Array, drawn: xr.Dataset, wanted: int, seed: int) -> xr.Dataset | None:
    """Replicated responses at some of the draws (chain, draw, theta), `wanted` a chain; missing ones stay missing."""
    y, make = responses(data), Replicates(data)
    wanted = min(wanted, max(ROOM // (theta.shape[0] * max(y.size, 1)), 1))
    if not wanted:
        return None
    rng, at = np.random.default_rng(seed), evenly(theta.shape[1], wanted)
    out = np.empty((theta.shape[0], len(at), *y.shape), dtype=y.dtype)
    for k, i in np.ndindex(theta.shape[0], len(at)):
        out[k, i] = make.at(theta[k, at[i]], rng)
    coords = {"chain": drawn["chain"], "draw": drawn["draw"][at], **coords_of(data)}
    return xr.Dataset({RESPONSES: (("chain", "draw", *dims_of(data)), out)}, coords=coords)


def _drawn_from_prior(shown: list, model: Model, seed: int) -> list:
    """Draws of variables; of those with residual covariance matrices that are no such ones are drawn again.

    Raises
    ------
    ValueError
        Hardly any draw has positive definite matrices.
    """
    if not any(r.family.joint for r in model.responses):
        return list(pm.draw(shown, draws=PRIOR, random_seed=seed, mode=numpy_mode()))
    rounds, kept = np.random.SeedSequence(seed).generate_state(MORE_PRIOR).tolist(), []
    for one in rounds:
        drawn = pm.draw(shown, draws=PRIOR, random_seed=one, mode=numpy_mode())
        sound = has_sound_matrices(model, {v.name: x for v, x in zip(shown, drawn, strict=True)})
        kept.append([np.asarray(x)[sound] for x in drawn])
        if sum(len(k[0]) for k in kept) >= PRIOR:
            break
    out = [np.concatenate(x)[:PRIOR] for x in zip(*kept, strict=True)]
    if not len(out[0]):
        raise ValueError(f"none of {MORE_PRIOR * PRIOR} draws has positive definite residual covariance matrices")
    return out


def _prior(made: pm.Model, model: Model, seed: int) -> dict[str, xr.Dataset]:
    """Draws of the prior: parameters, tables of probabilities and what a user added."""
    shown = [v for v in made.unobserved_RVs if v.name not in NODES]
    drawn = _drawn_from_prior(shown, model, seed)
    dims = {v.name: made.named_vars_to_dims.get(v.name) for v in shown}
    lead, variables = ("chain", "draw"), {}
    for v, x in zip(shown, drawn, strict=True):
        own = dims[v.name] or tuple(f"{v.name}_dim_{k}" for k in range(v.ndim))
        variables[v.name] = ((*lead, *own), np.asarray(x)[None])
    used = {str(d) for v in variables.values() for d in v[0]}
    coords = {d: list(labels) for d, labels in made.coords.items() if labels is not None and d in used}
    out = xr.Dataset(variables, coords={**coords, "chain": [0], "draw": np.arange(len(drawn[0]) if shown else PRIOR)})
    return {"prior": align_dims(out)} if variables else {}


def _prior_predictive(data: Problem, groups: Mapping[str, xr.Dataset], seed: int) -> dict[str, xr.Dataset]:
    """Responses at some of the draws of the prior."""
    if "prior" not in groups:
        return {}
    drawn = groups["prior"]
    if any(p.name not in drawn for p in data.model.parameters):  # made known by pm.do
        return {}
    values = {p.name: drawn[p.name].transpose("chain", "draw", *p.dims).values for p in data.model.parameters}
    some = _predictive(data, points(data, values), drawn, PREDICTIVE, seed)
    return {} if some is None else {"prior_predictive": some}


def _log_prior(made: pm.Model, drawn: xr.Dataset) -> dict[str, xr.Dataset]:
    """The log density of the prior at each draw, by variable; sampled effects have none of their own choice."""
    names = [v.name for v in made.free_RVs if v.name not in NODES]
    return {"log_prior": _densities(made, drawn, names)} if names else {}


def _with_observed(groups: dict[str, xr.Dataset], made: pm.Model, drawn: xr.Dataset) -> dict[str, xr.Dataset]:
    """The groups with the data and log-likelihoods of observed variables that a user added."""
    further = [v.name for v in made.observed_RVs if v.name != RESPONSES]
    if not further:
        return groups
    data, constant = pm.backends.arviz.find_observations(made), made.named_vars_to_dims
    values = {
        k: xr.DataArray(data[k], dims=constant.get(k) or [f"{k}_dim_{i}" for i in range(data[k].ndim)]) for k in further
    }
    more = {"log_likelihood": _densities(made, drawn, further), "observed_data": xr.Dataset(values)}
    return groups | {k: groups[k].merge(x) if k in groups else x for k, x in more.items()}


def _densities(made: pm.Model, drawn: xr.Dataset, names: Sequence[str]) -> xr.Dataset:
    """Log densities of variables at each draw, of many draws at once, shaped as PyMC has them for one after another."""
    plain = remove_value_transforms(made)
    values = [plain.rvs_to_values[v] for v in plain.free_RVs]
    stacked = [pt.tensor(v.name, shape=(None, *v.type.shape), dtype=v.type.dtype) for v in values]
    each = vectorize_graph(
        plain.logp(vars=[plain[k] for k in names], sum=False), dict(zip(values, stacked, strict=True))
    )
    at = pm.compile(stacked, each, mode=numpy_mode(), on_unused_input="ignore")
    lead = (drawn.sizes["chain"], drawn.sizes["draw"])
    flat = [_stacked(drawn[v.name]).astype(t.type.dtype) for v, t in zip(plain.free_RVs, stacked, strict=True)]
    parts = [at(*(x[k : k + TOGETHER] for x in flat)) for k in range(0, lead[0] * lead[1], TOGETHER)]
    found = [np.concatenate(x) for x in zip(*parts, strict=True)]
    coords, dims = pm.backends.arviz.coords_and_dims_for_inferencedata(plain)
    coords |= {d: drawn[d].values for d in ("chain", "draw")}
    shaped = {k: x.reshape(*lead, *x.shape[1:]) for k, x in zip(names, found, strict=True)}
    return dict_to_dataset(shaped, inference_library=pm, dims=dims, coords=coords, skip_event_dims=True)


def _stacked(x: xr.DataArray) -> NDArray:
    """The draws of all chains one after another, first."""
    return x.transpose("chain", "draw", ...).values.reshape(-1, *x.shape[2:])


def _warn(said: Sequence[str]) -> None:
    for s in said:
        warnings.warn(s[:1].upper() + s[1:] + ".", stacklevel=4)
