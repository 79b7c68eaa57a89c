"""Bayes: the same graph in a `pm.Model`, sampled with NUTS, as an ArviZ-native DataTree."""

from __future__ import annotations

import importlib.util
import inspect
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import xarray as xr
from numpy.typing import NDArray
from pytensor.graph.replace import graph_replace
from pytensor.graph.traversal import explicit_graph_inputs

from bayesmix import functions, heights, likelihood, ml, params, posterior
from bayesmix.adaptation import of_population
from bayesmix.data import Data, Named, prepare
from bayesmix.draws import around, assemble, finished, points, whole_draws
from bayesmix.families import Tensor
from bayesmix.margins import units
from bayesmix.node_audit import Audit, audit, better, some
from bayesmix.params import Parameter, Prior, fixed_values
from bayesmix.priors import Block, Priors, Stated, chosen, is_within, stated
from bayesmix.quadrature import Adaptive, Nodes
from bayesmix.result import Fit
from bayesmix.spec import Model, check_model
from bayesmix.steps import Steps

Array = NDArray[np.float64]
Effects = Literal["integrate", "sample"]
INSIDE = 0.02, 0.98
"""Chains start with probabilities in between."""
MAX_STEP, LEAST = 4.0, 0.05
"""Chains start no further than this many natural units from the margins, SDs and gaps no smaller than that: a boundary
is no place to start."""


def build(
    model: Model,
    df: pd.DataFrame,
    *,
    priors: Priors | None = None,
    effects: Effects = "integrate",
    nodes: Nodes | None = None,
    fit: Fit | None = None,
) -> pm.Model:
    """The model as a `pm.Model`: named parameters, dims, coords, stated priors, the graph's likelihood.

    Parameters
    ----------
    model : Model
        The declaration.
    df : pandas.DataFrame
        One row an individual.
    priors : mapping of str to Prior, optional
        Other priors by parameter, each in the units of the data; :func:`prior_table` shows those in use.
    effects : {"integrate", "sample"}
        Sum random effects out at nodes, or sample them (non-centred) with the parameters.
    nodes : Nodes, optional
        The nodes where effects are integrated.
    fit : Fit, optional
        Where adaptive nodes are put: at the posterior of the effects under this solution. Without it
        a grid that is the same for all units stands in for adaptive nodes.

    Returns
    -------
    pymc.Model
        Free entries of a parameter with fixed ones are `<name>_free`; the parameter itself is a
        Deterministic of that name. The declared prior of an intercept beside covariates is one of the intercept at
        their means, `<name>_at_means`. The likelihood is the potential `loglik`.

    Raises
    ------
    ValueError, TypeError
        Bad data, or a prior for no parameter.
    """
    return build_from(_prepare(model, df, effects, nodes, fit), priors)


def _prepare(model: Model, df: pd.DataFrame, effects: Effects, nodes: Nodes | None, fit: Fit | None) -> Data:
    _check_effects(effects)
    if effects == "sample":
        return prepare(model, df, sampled=tuple({e.level for e in model.effects})).on_user_scale()
    if fit is None:
        return of_population(prepare(model, df, nodes=nodes).on_user_scale(), Adaptive)
    return around(model, df, nodes, fit)


def build_from(data: Data, priors: Priors | None = None) -> pm.Model:
    """:func:`build` on prepared data."""
    data = data.on_user_scale()
    found = stated(data, chosen(priors, data.model))
    sizes = _sizes(data)
    coords = {d: list(v) for d, v in data.coords.items()} | _data_coords(data, sizes)
    with pm.Model(coords=coords) as out:
        values = _variables(data, found)
        arrays = {k: _input(k, v, data, sizes) for k, v in data.arrays.items()}
        units, tables = _graph(data, values, arrays)
        for name, (dims, x) in tables.items():
            pm.Deterministic(name, x, dims=dims)
        pm.Potential("loglik", (units * arrays["weight"]).sum())
    return out


def _sizes(data: Data) -> dict[str, set[int]]:
    """The sizes of each dim of the inputs: those that several responses have for themselves differ."""
    out: dict[str, set[int]] = {}
    for v in data.arrays.values():
        for d, n in zip(v.dims, v.values.shape, strict=True):
            out.setdefault(d, set()).add(n)
    return out


def _data_coords(data: Data, sizes: Mapping[str, set[int]]) -> dict[str, Any]:
    coords = {d: np.arange(min(n)) for d, n in sizes.items() if d not in data.coords and len(n) == 1}
    return coords | ({"cluster": data.clusters} if data.clusters else {})


def _is_sampled(name: str, data: Data) -> bool:
    """Whether these are effects that NUTS samples: they have neither weights nor a closed form."""
    level = name.removeprefix("z_")
    return name in ("z_individual", "z_cluster") and not {f"log_weight_{level}", f"curve_{level}"} & {*data.arrays}


def _input(name: str, x: Named, data: Data, sizes: Mapping[str, set[int]]):
    if _is_sampled(name, data):
        return pm.Normal(name, 0.0, 1.0, dims=x.dims)
    dims = x.dims if all(len(sizes[d]) == 1 for d in x.dims) else None  # a coord has one length
    return pt.cast(pm.Data(f"data:{name}", x.values, dims=dims), str(x.values.dtype))


def _graph(data: Data, values: dict[str, Any], arrays: dict[str, Any]):
    """The log-likelihood of the units and the probability tables, with random variables put in.

    Built on placeholders and lowered first: samplers differentiate before named dims are lowered.
    """
    plain: dict[str, Tensor] = {}
    named: dict[str, Tensor] = {}
    for p in data.model.parameters:
        plain[p.name], named[p.name] = functions.placeholder(p.name, p.dims, "float64", data.packing.shape(p))
    inputs: dict[str, Tensor] = {}
    for k, v in data.arrays.items():
        plain[k], inputs[k] = functions.placeholder(k, v.dims, str(v.values.dtype))
    units = likelihood.log_likelihood(data.model, named, inputs).transpose(data.unit)
    made = likelihood.factors(data.model, named, inputs)
    kept = [(x, table) for k, x in made.items() if (table := _table_name(k, x, data))]
    outputs = params.lower([units.values, *(x.values for x, _ in kept)])
    present = {v.name: v for v in explicit_graph_inputs(outputs) if v.name in plain}
    outputs = graph_replace(outputs, {v: (values | arrays)[k] for k, v in present.items()}, strict=False)
    tables = {}
    for (_, (title, dims)), out in zip(kept, outputs[1:], strict=True):
        shown = posterior.ordered_dims(dims, data)
        tables[title] = (shown, cast(Tensor, pt.exp(out)).transpose([dims.index(d) for d in shown]))
    return outputs[0], tables


def _table_name(key: str, x: Tensor, data: Data) -> tuple[str, tuple[str, ...]] | None:
    """Title and dims of a probability table; None for what is none, or differs between units or nodes."""
    if any(d in ("individual", "cluster") or d.startswith("node_") for d in x.dims):
        return None
    return posterior.probability_name(key, x.dims, data)


# priors -------------------------------------------------------------------------------------------


def prior_table(model: Model, df: pd.DataFrame | Priors | None = None, priors: Priors | None = None) -> pd.DataFrame:
    """The prior of each parameter.

    Parameters
    ----------
    model : Model
    df : pandas.DataFrame, optional
        The data: priors in numbers, in the units of the data, a row an entry where entries differ. Left out: as they
        are declared, ``Data...`` in units of the data (the mean and SD of an item, SDs of covariates).
    priors : mapping of str to Prior, optional
        Other priors by parameter, as for :func:`bayesmix.sample`.

    Returns
    -------
    pandas.DataFrame
        Columns `dims`, `support`, `prior` and `of`: what the prior is of, which for a declared prior of an intercept
        with covariates is the intercept at their means (over individuals, of clusters over clusters).
    """
    check_model(model)
    if not isinstance(df, pd.DataFrame) and df is not None:
        df, priors = None, df
    found = chosen(priors, model)
    if df is None:
        rows = [(p.name, ", ".join(p.dims), p.support, str(found[p.name])) for p in model.parameters]
        return pd.DataFrame(rows, columns=["parameter", "dims", "support", "prior"]).set_index("parameter")
    data = prepare(model, df).on_user_scale()
    known = stated(data, found)
    rows = [row for p in model.parameters for row in _prior_rows(known[p.name], data)]
    return pd.DataFrame(rows, columns=["parameter", "dims", "support", "prior", "of"]).set_index("parameter")


def _prior_rows(known: Stated, data: Data) -> list[tuple[str, str, str, str, str]]:
    """One row a parameter, or one a free entry where priors differ; none for what is fixed."""
    p, labels = known.parameter, dict(zip(range(data.packing.size), data.packing.names(), strict=True))
    words = {int(data.packing.index[p.name][at]): text for b in known.blocks for at, text in _in_words(b)}
    of = p.name if not known.at_means else f"{p.name} at the covariates' means"
    same = len(set(words.values())) == 1
    each = {p.name: next(iter(words.values()))} if same else {labels[k]: words[k] for k in sorted(words)}
    return [(label, ", ".join(p.dims), p.support, text, of) for label, text in each.items()]


def _in_words(b: Block) -> list[tuple[tuple, str]]:
    """Positions of a block's entries and their priors in numbers."""
    ends = {"sd": " above 0", "positive": " above 0", "probability": " within 0 and 1", "ordered": ", in order"}
    cut = (
        ""
        if b.support not in ends or (b.support != "ordered" and is_within(b.distribution, b.support))
        else ends[b.support]
    )
    size = int(np.prod(b.shape))
    if b.mixing is not None:
        sd = b.mixing[0, 0] / np.sqrt(2.0) * np.broadcast_to(b.scale, b.shape).ravel()
        words = [str(Prior("ExchangeableLogit", sigma=x)) for x in sd]
    else:
        each = {k: np.broadcast_to(v, b.shape).ravel() for k, v in b.arguments.items()}
        words = [str(Prior(b.distribution, **{k: v[i] for k, v in each.items()})) + cut for i in range(size)]
    positions = list(zip(*b.at, strict=True)) if b.at else [()]
    return list(zip(positions, words, strict=True))


def _variables(data: Data, found: Mapping[str, Stated]) -> dict[str, Any]:
    """The random variables of the parameters, with their fixed entries filled in."""
    out: dict[str, Any] = {}
    for name, own in found.items():
        p = own.parameter
        if [b.name for b in own.blocks] == [name]:
            out[name] = own.blocks[0].variable(p.dims)
            continue
        fixed, whole = data.packing.fixed[name], cast(Tensor, pt.as_tensor(_fixed(data, p)))
        shift = own.shift(out) if own.at_means else None
        for b in own.blocks:
            x = b.entries(b.variable()).ravel() if b.at else b.variable()
            if shift is not None:
                x = x - pt.broadcast_to(shift, fixed.shape)[b.at].ravel() if b.at else x - shift
            whole = cast(Tensor, pt.set_subtensor(whole[b.at], x)) if b.at else x
        out[name] = pm.Deterministic(name, whole, dims=p.dims)
    return out


def _fixed(data: Data, p: Parameter) -> Array:
    """Fixed entries on the natural scale, where the others are to be filled in."""
    return fixed_values(data.packing.fixed[p.name], p)


# sampling -----------------------------------------------------------------------------------------


def sample(
    model: Model,
    df: pd.DataFrame,
    *,
    fit: Fit | None = None,
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    cores: int | None = None,
    seed: int = 0,
    effects: Effects = "integrate",
    nodes: Nodes | None = None,
    priors: Priors | None = None,
    relabel: bool = True,
    progress: bool = True,
    pm_model: pm.Model | None = None,
    backend: Literal["jax", "numba"] | None = None,
    **nuts: Any,
) -> xr.DataTree:
    """Sample the posterior with NUTS (nutpie).

    Parameters
    ----------
    model, df, effects, nodes, priors
        As in :func:`build`. Nodes that are left out are audited at draws, and where they are too coarse draws are
        made again with finer ones that stand over these draws.
    fit : Fit, optional
        The maximum-likelihood solution: chains start near it, draws are relabelled to it. Left out,
        it is made first, with the priors that came. Other solutions that its search has seen are weighed as modes of
        the posterior (Laplace) and get chains of their own in proportion, or are spoken of.
    draws, tune, chains, cores, seed
        Of NUTS.
    relabel : bool
        Match the classes of every draw to the fit; the raw draws are kept in `posterior_raw`.
    progress : bool
        Show the sampler's progress. Ctrl-C ends sampling; the draws that all chains have are kept.
    pm_model : pymc.Model, optional
        The model of :func:`build`, extended by hand.
    backend : {"jax", "numba"}, optional
        What compiles the graph. JAX needs seconds, numba a minute or two the first time a shape of model
        is met, and is up to twice as fast afterwards. Left out: JAX where it is installed.
    **nuts
        Passed to ``nutpie.sample``.

    Returns
    -------
    xarray.DataTree
        Groups `posterior`, `posterior_raw`, `sample_stats`, `log_likelihood` (marginal: one value a
        unit), `observed_data`, `constant_data`, `posterior_predictive`, `prior`.
    """
    check_model(model)
    check_sampler(draws, tune, chains, seed, cores)
    _check_settings(effects, nuts, pm_model, priors)
    _backend(backend)
    known = chosen(priors, model)
    given = {k: p for k, p in known.items() if not p.default}
    if fit is not None:
        _check_fit(fit, prepare(model, df, nodes=nodes))
    fit = fit or ml.fit(model, df, nodes=nodes, priors=given, progress=progress)
    data = _prepare(model, df, effects, nodes, fit)
    data = data if pm_model is None else _as_built(pm_model, data)
    settings: dict[str, Any] = {"draws": draws, "tune": tune, "cores": cores, "seed": seed, "progress_bar": progress}
    if effects == "integrate":
        settings["adaptation"] = "low_rank"  # few, correlated parameters: three times the effective draws
    run = _Run(data, priors, pm_model, backend, {**settings, **nuts})
    found, split, said = _modes(model, df, fit, known if pm_model is None else None, nodes, chains)
    raw, made = run.sampled([(m.values, n) for m, n in zip(found, split, strict=True)])
    if effects == "integrate":
        raw, made, run, more = _mended(raw, made, run, found, split, nodes is not None)
        said += more
    return assemble(raw, made, run.data, fit, df, nodes=nodes, relabel=relabel, seed=seed, said=said)


@dataclass(frozen=True)
class _Run:
    """What NUTS is run on, and how."""

    data: Data
    priors: Priors | None
    pm_model: pm.Model | None
    backend: str | None
    settings: Mapping[str, Any]

    def sampled(self, starts: Sequence[tuple[Mapping[str, Array], int]]) -> tuple[xr.DataTree, pm.Model]:
        """Draws of chains from each of the starts (natural parameters, number of chains), and the model."""
        made = self.pm_model or build_from(self.data, self.priors)
        parts: list[xr.DataTree] = []
        for k, (values, chains) in enumerate(s for s in starts if s[1]):
            initial = initial_point(made, self.data, values, self.priors)
            settings = {**self.settings, "chains": chains, "seed": self.settings["seed"] + 1000 * k}
            parts.append(_nuts(made, initial, self.backend, **settings))
        return (parts[0] if len(parts) == 1 else _together(parts)), made


def _together(parts: Sequence[xr.DataTree]) -> xr.DataTree:
    """The chains of several runs as those of one."""
    first = [0, *np.cumsum([p["posterior"].sizes["chain"] for p in parts])]
    groups = {
        g: xr.concat(
            [p[g].to_dataset().assign_coords(chain=p[g]["chain"] + n) for p, n in zip(parts, first, strict=False)],
            "chain",
            join="outer",
        )
        for g in ("posterior", "sample_stats")
    }
    return xr.DataTree.from_dict({f"/{k}": v for k, v in groups.items()})


def _modes(
    model: Model, df: pd.DataFrame, fit: Fit, priors: Mapping[str, Prior] | None, nodes: Nodes | None, chains: int
) -> tuple[list[heights.Mode], NDArray[np.int64], list[str]]:
    """The fit's solution and others that the search has seen, chains for each, and words.

    Without `priors`, which a PyMC model that came has for itself, others cannot be weighed.
    """
    own = {str(k): x.values for k, x in fit.params.data_vars.items()}
    alone = heights.Mode(own, fit.loglik, np.nan, np.nan, fit.loglik)
    further, steps, weighed = heights.others(fit), Steps(), []
    if further and priors is not None:
        weighed = steps.run(
            "weights of the other solutions of the search",
            lambda: heights.modes(model, df, [own, *further], priors, nodes or fit.nodes),
            [],
        )
    if not weighed:
        return [alone], np.array([chains]), [f"{k}: {why}" for k, why in steps.lost.items()]
    found = [replace(weighed[0], values=own), *weighed[1:]]
    share = heights.shares(found)
    kept = [k for k in range(len(found)) if k == 0 or share[k] >= heights.MATTERS]
    found, share = [found[k] for k in kept], share[kept] / share[kept].sum()
    split = heights.chains_of(share, chains)
    return found, split, heights.words(found, share, split)


def _mended(
    raw: xr.DataTree, made: pm.Model, run: _Run, found: Sequence[heights.Mode], split: NDArray, nodes_given: bool
) -> tuple[xr.DataTree, pm.Model, _Run, list[str]]:
    """The draws, made anew where the nodes were too coarse at them and others may be taken; and what is to be said."""
    steps = Steps()
    if whole_draws(raw["posterior"].to_dataset()) < raw["posterior"].sizes["draw"]:  # interrupted: enough of it
        return raw, made, run, []
    thetas, checked = steps.run("audit of the nodes", lambda: _audited(raw, run.data), (np.zeros((0, 0)), None))
    if checked is None or not checked.is_off:
        return raw, made, run, steps.words()
    finer = steps.run("finer nodes", lambda: better(run.data, thetas)) if not nodes_given and not run.pm_model else None
    change = f"Finer nodes change the log-likelihood at draws by up to {checked.worst:+.2f}"
    if finer is None:
        return raw, made, run, [f"{change}: take more (nodes=), or effects='sample'", *steps.words()]
    warnings.warn(f"{change}: sampling again with nodes that stand over these draws.", stacklevel=3)
    again = replace(run, data=finer)
    starts = [(m.values, n) for m, n in zip(found, split, strict=True)]
    second = steps.run("draws with finer nodes", lambda: again.sampled(starts))
    if second is None:
        return raw, made, run, [change, *steps.words()]
    _, checked = steps.run("audit of the nodes", lambda: _audited(second[0], finer), (None, None))
    more = (
        []
        if checked is None or not checked.is_off
        else [f"{change}, and still by {checked.worst:+.2f} with finer ones: give effects='sample'"]
    )
    return second[0], second[1], again, [*more, *steps.words()]


def _audited(raw: xr.DataTree, data: Data) -> tuple[Array, Audit]:
    """Some of the draws as points of theta, and the audit of the nodes there."""
    drawn, _ = finished(raw, quiet=True)
    thetas = some(points(data, {p.name: drawn[p.name].values for p in data.model.parameters}))
    return thetas, audit(data, thetas)


# checks -------------------------------------------------------------------------------------------


def check_sampler(draws: int, tune: int, chains: int, seed: int, cores: int | None = None) -> None:
    """What NUTS may be asked for.

    Raises
    ------
    ValueError
        Anything else.
    """
    asked = [("draws", draws, 4), ("tune", tune, 1), ("chains", chains, 1), ("seed", seed, 0)]
    for name, value, least in [*asked, *([("cores", cores, 1)] if cores is not None else [])]:
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name} came as {value!r}: give a whole number of at least {least}.")


def _check_settings(effects: Any, nuts: Mapping[str, Any], pm_model: Any, priors: Any) -> None:
    """What does not depend on the data: refused before anything is computed."""
    import nutpie

    _check_effects(effects)
    known = {*inspect.signature(nutpie.sample).parameters, *dir(nutpie._lib.PyNutsSettings.LowRank(0))}
    ours = {"compiled_model", "blocking", "return_raw_trace", "progress_bar", "num_draws", "num_tune", "num_chains"}
    if unknown := [k for k in nuts if k not in known - ours or k.startswith("_")]:
        raise TypeError(
            f"{unknown[0]}= came, which is no setting of bm.sample or of nutpie.sample: leave it out, or look up its "
            "name there (target_accept, maxdepth, ...)."
        )
    if pm_model is None:
        return
    if not isinstance(pm_model, pm.Model):
        raise TypeError(f"pm_model came as {type(pm_model).__name__}: give what bm.build returns, extended by hand.")
    if priors is not None:
        raise ValueError("pm_model came with priors=, but has its own: give the priors to bm.build.")


def _check_effects(effects: Any) -> None:
    if effects not in ("integrate", "sample"):
        raise ValueError(f"effects came as {effects!r}: give 'integrate' or 'sample'.")


def _check_fit(fit: Fit, data: Data) -> None:
    """Whether a fit is one of this model and has its shapes."""
    if not isinstance(fit, Fit):
        raise TypeError(f"fit came as {type(fit).__name__}: give what bm.fit returns, or leave it out.")
    known = {p.name: data.packing.shape(p) for p in data.model.parameters}
    came = {str(k): x.shape for k, x in fit.params.data_vars.items()}
    if wrong := [k for k in {**known, **came} if known.get(k) != came.get(k)]:
        raise ValueError(
            f"fit= is of another model or other data: '{wrong[0]}' has the shape {came.get(wrong[0], 'none')} there, "
            f"expected {known.get(wrong[0], 'none')}; give the fit of this model to these data, or leave it out."
        )
    if fit.n_individuals != data.n_individuals or fit.n_clusters != data.n_clusters:
        raise ValueError(
            f"fit= is of other data: {fit.n_individuals} individuals there, {data.n_individuals} here; give the fit "
            "of this model to these data, or leave it out."
        )


NODE_ARRAYS = ("z_", "log_weight_", "curve_", "slope_")


def _as_built(pm_model: pm.Model, data: Data) -> Data:
    """The data with the nodes of a PyMC model, if it was built from them.

    Raises
    ------
    ValueError
        It was built from others.
    """
    held = {k.removeprefix("data:"): v for k, v in pm_model.named_vars.items() if k.startswith("data:")}
    names = {p.name for p in data.model.parameters}
    if missing := [k for k in names if k not in pm_model.named_vars]:
        raise ValueError(
            f"pm_model has no '{missing[0]}': it is of another model; give what bm.build makes of this one."
        )
    own = {k for k in data.arrays if not k.startswith(NODE_ARRAYS)}
    there = {k for k in held if not k.startswith(NODE_ARRAYS)}
    drawn = [
        k
        for k in ("z_individual", "z_cluster")
        if (k in pm_model.named_vars) != (k in data.arrays and _is_sampled(k, data))
    ]
    if own != there or drawn:
        raise ValueError(
            "pm_model was built with other nodes= or effects= than came here: give bm.sample those that bm.build had."
        )
    values = {k: np.asarray(v.get_value()) for k, v in held.items()}
    if other := [k for k in own if not np.array_equal(values[k], data.arrays[k].values)]:
        raise ValueError(
            f"pm_model was built from other data ('{other[0]}' differs): build it from these, bm.build(model, df)."
        )
    arrays = {k: v for k, v in data.arrays.items() if k in own or _is_sampled(k, data)}
    for k, v in values.items():
        if k not in own:
            arrays[k] = Named(pm_model.named_vars_to_dims[f"data:{k}"], v)  # pyright: ignore[reportArgumentType]
    return replace(data, arrays=arrays)


def _nuts(made: pm.Model, initial: Mapping[str, Any], backend: str | None, /, **settings: Any) -> xr.DataTree:
    import nutpie

    program = nutpie.compile_pymc_model(made, initial_points={**initial}, jitter_rvs=set(), **_backend(backend))
    return nutpie.sample(program, **settings)


def _backend(wanted: str | None) -> dict[str, Any]:
    """Settings of nutpie's compilation."""
    there = importlib.util.find_spec("jax") is not None
    if wanted not in (None, "jax", "numba"):
        raise ValueError(f"backend came as {wanted!r}: give 'jax' or 'numba'.")
    if wanted == "jax" and not there:
        raise ValueError("backend='jax' came, but JAX is not installed: pip install 'bayesmix[jax]', or give 'numba'.")
    if wanted == "numba" or not there:
        return {"backend": "numba"}
    return {"backend": "jax", "gradient_backend": "pytensor"}


def variables_at(data: Data, values: Mapping[str, Array], priors: Priors | None = None) -> dict[str, Array]:
    """The values of the random variables where the parameters have natural `values` on the user's scale."""
    data = data.on_user_scale()
    found = stated(data, chosen(priors, data.model))
    values = {k: np.asarray(values[k], dtype=float) for k in found}
    return {b.name: b.initial(values[k] + own.shift(values)) for k, own in found.items() for b in own.blocks}


def initial_point(
    made: pm.Model, data: Data, values: Mapping[str, Array], priors: Priors | None = None
) -> dict[str, Any]:
    """Where chains start: near natural `values`, away from their boundaries, each chain a little apart."""
    data = data.on_user_scale()
    found = stated(data, chosen(priors, data.model))
    names, margins = {v.name for v in made.free_RVs}, units(data)
    out: dict[str, Any] = {}
    for name, own in found.items():
        moved = values[name] + own.shift(values)
        moved = _away_from_ends(moved, own.parameter, *margins[name])
        for b in (b for b in own.blocks if b.name in names):
            out[b.name] = b.start(moved)
    return out


def _away_from_ends(x: Array, p: Parameter, centre: Array, unit: Array) -> Array:
    """Natural values no further than MAX_STEP units from the margins, and inside of what the parameter can be."""
    if p.support == "probability":
        return np.clip(x, *INSIDE)
    if p.support in ("positive", "sd"):
        return np.clip(x, LEAST * unit, MAX_STEP * unit)
    if p.support == "ordered":
        x = np.clip(x, -2 * MAX_STEP, 2 * MAX_STEP)
        return x[..., :1] + np.concatenate(
            [np.zeros_like(x[..., :1]), np.cumsum(np.maximum(np.diff(x, axis=-1), LEAST), axis=-1)], axis=-1
        )
    x = np.clip(x, centre - MAX_STEP * unit, centre + MAX_STEP * unit)
    if p.support == "cholesky":
        return np.where(np.eye(*x.shape[-2:]) > 0, np.maximum(x, LEAST), x)
    return x
