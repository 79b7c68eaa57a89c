"""Bayes: the same graph in a `pm.Model`, sampled with NUTS, as an ArviZ-native DataTree.

Depends on ml, draws and the floors beneath.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import xarray as xr
from numpy.typing import NDArray
from pytensor.graph.replace import graph_replace
from pytensor.graph.traversal import explicit_graph_inputs

from bayesmix import functions, likelihood, ml, params, posterior
from bayesmix.adaptation import of_population
from bayesmix.data import Data, Named, prepare
from bayesmix.draws import FREE, around, assemble, point
from bayesmix.families import Tensor
from bayesmix.params import Parameter, Prior, fixed_values, natural_values
from bayesmix.quadrature import Adaptive, Nodes
from bayesmix.result import Fit
from bayesmix.spec import Model
from bayesmix.starts import ranges

Array = NDArray[np.float64]
Effects = Literal["integrate", "sample"]
Priors = Mapping[str, Prior]
INSIDE = 0.02, 0.98
"""Chains start with probabilities in between."""
BOUNDED = "positive", "sd", "probability"
MAX_STEP = 4.0
"""Chains start no further than this many natural units from the margins: a boundary is no place to start."""


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
        Other priors by parameter; :func:`prior_table` shows those in use.
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
        Deterministic of that name. The likelihood is the potential `loglik`.

    Raises
    ------
    ValueError, TypeError
        Bad data, or a prior for no parameter.
    """
    return build_from(_prepare(model, df, effects, nodes, fit), priors)


def _prepare(model: Model, df: pd.DataFrame, effects: Effects, nodes: Nodes | None, fit: Fit | None) -> Data:
    if effects not in ("integrate", "sample"):
        raise ValueError(f"effects came as {effects!r}: give 'integrate' or 'sample'.")
    if effects == "sample":
        return prepare(model, df, sampled=tuple({e.level for e in model.effects}))
    if fit is None:
        return of_population(prepare(model, df, nodes=nodes), Adaptive)
    return around(model, df, nodes, fit)


def build_from(data: Data, priors: Priors | None = None) -> pm.Model:
    """:func:`build` on prepared data."""
    chosen = _chosen_priors(data.model, priors)
    coords = {d: list(v) for d, v in data.coords.items()} | _data_coords(data)
    with pm.Model(coords=coords) as out:
        values = {p.name: _variable(p, data, chosen[p.name]) for p in data.model.parameters}
        arrays = {k: _input(k, v, data) for k, v in data.arrays.items()}
        units, tables = _graph(data, values, arrays)
        for name, (dims, x) in tables.items():
            pm.Deterministic(name, x, dims=dims)
        pm.Potential("loglik", (units * arrays["weight"]).sum())
    return out


def _data_coords(data: Data) -> dict[str, Any]:
    sizes = {d: n for v in data.arrays.values() for d, n in zip(v.dims, v.values.shape, strict=True)}
    coords = {d: np.arange(n) for d, n in sizes.items() if d not in data.coords}
    return coords | ({"cluster": data.clusters} if data.clusters else {})


def _input(name: str, x: Named, data: Data):
    if name in ("z_individual", "z_cluster") and f"log_weight_{name[2:]}" not in data.arrays:
        return pm.Normal(name, 0.0, 1.0, dims=x.dims)
    return pt.cast(pm.Data(f"data:{name}", x.values, dims=x.dims), str(x.values.dtype))


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


def _chosen_priors(model: Model, priors: Priors | None) -> dict[str, Prior]:
    by_name = {p.name: p for p in model.parameters}
    chosen = {p.name: p.prior for p in model.parameters}
    for name, prior in (priors or {}).items():
        if name not in chosen:
            raise ValueError(f"A prior came for '{name}', but the parameters are {', '.join(chosen)}.")
        if not isinstance(prior, Prior):
            raise TypeError(
                f"The prior of '{name}' came as {type(prior).__name__}: give bm.Prior('Normal', mu=0, sigma=2)."
            )
        known = {"ExchangeableLogit", "CholeskyNormal", "DataNormal", "DataHalfNormal"}
        if prior.distribution not in known and not hasattr(pm, prior.distribution):
            raise ValueError(f"The prior of '{name}' names '{prior.distribution}', which PyMC does not have.")
        if (prior.distribution == "CholeskyNormal") != (by_name[name].support == "cholesky"):
            raise ValueError(
                f"The prior of '{name}' came as {prior}: loadings of correlated effects, and only these, have "
                "bm.Prior('CholeskyNormal', sigma=1.5)."
            )
        chosen[name] = prior
    return chosen


def prior_table(model: Model, priors: Priors | None = None) -> pd.DataFrame:
    """The prior of each parameter, in natural units (1 for a logit, 1/SD(x) for a slope, the SD of an item)."""
    chosen = _chosen_priors(model, priors)
    rows = [(p.name, ", ".join(p.dims), p.support, str(chosen[p.name])) for p in model.parameters]
    return pd.DataFrame(rows, columns=["parameter", "dims", "support", "prior"]).set_index("parameter")


@dataclass(frozen=True)
class _Block:
    """A PyMC variable and the entries of a parameter that it fills.

    `mixing` is the Cholesky factor of an exchangeable prior: entries = scale * (z @ mixing').
    """

    name: str
    at: tuple[NDArray, ...]
    shape: tuple[int, ...]
    scale: Array
    mixing: Array | None = None
    ordered: bool = False
    positive: bool = False

    @property
    def apart(self) -> Array | float:
        """The size of a step of this variable."""
        return self.scale if self.mixing is None else 1.0

    def initial(self, natural: Array) -> Array:
        """The variable's value where the parameter has the given natural values."""
        x = natural[self.at].reshape(self.shape)
        return x if self.mixing is None else np.linalg.solve(self.mixing, (x / self.scale).T).T


def _blocks(p: Parameter, data: Data, prior: Prior) -> list[_Block]:
    """Free entries of a parameter as PyMC variables: one of them, or one a pattern of free entries in a row."""
    index = data.packing.index[p.name]
    free = index >= 0
    unit = np.append(ranges(data).unit, 1.0)[index]
    if p.support == "cholesky":
        return _triangle(p, free, unit)
    if not (p.support == "ordered" or (prior.distribution == "ExchangeableLogit" and p.dims)):
        name = p.name if free.all() else f"{p.name}{FREE}"
        at = np.nonzero(free) if free.ndim else ()
        shape = free.shape if free.all() else (int(free.sum()),)
        return [_Block(name, at, shape, unit[free].reshape(shape))] if free.any() else []
    axis = _vector_axis(p)
    rows = np.moveaxis(free, axis, -1).reshape(-1, free.shape[axis])
    position = np.moveaxis(np.arange(free.size).reshape(free.shape), axis, -1).reshape(rows.shape)
    patterns = [q for q in np.unique(rows, axis=0) if q.any()]
    out = []
    for k, pattern in enumerate(patterns):
        which, columns = np.flatnonzero((rows == pattern).all(axis=1)), np.flatnonzero(pattern)
        at = np.unravel_index(position[which][:, columns].ravel(), free.shape)
        shape = (len(which), len(columns))
        mixing = None
        if p.support != "ordered":
            sigma = dict(prior.arguments)["sigma"]
            mixing = np.linalg.cholesky(sigma**2 * (np.eye(len(columns)) + 1.0))
        name = f"{p.name}{FREE}" + (f"_{k}" if len(patterns) > 1 else "")
        out.append(_Block(name, at, shape, unit[at].reshape(shape), mixing, p.support == "ordered"))
    return out


def _triangle(p: Parameter, free: NDArray, unit: Array) -> list[_Block]:
    """The diagonal of Cholesky loadings, which is positive, and what stands beside it."""
    diagonal = np.broadcast_to(np.eye(free.shape[-2], free.shape[-1], dtype=bool), free.shape)
    both = {"diagonal": free & diagonal, "beside": free & ~diagonal}
    return [
        _Block(f"{p.name}{FREE}_{name}", np.nonzero(some), (int(some.sum()),), unit[some], positive=name == "diagonal")
        for name, some in both.items()
        if some.any()
    ]


def _vector_axis(p: Parameter) -> int:
    """The axis of thresholds, or of the logits that share a reference category."""
    reference = [dict(f.positions) for f in p.fixed if len(f.positions) == 1]
    return len(p.dims) - 1 if p.support == "ordered" or not reference else p.dims.index(next(iter(reference[0])))


def _variable(p: Parameter, data: Data, prior: Prior):
    """The random variable of a parameter, with its fixed entries filled in."""
    blocks = _blocks(p, data, prior)
    center = np.append(ranges(data).center, 0.0)[data.packing.index[p.name]]
    center = center if p.support == "ordered" else natural_values(center, p)
    if len(blocks) == 1 and blocks[0].name == p.name:
        return _draws(blocks[0], prior, center, dims=p.dims)
    fixed = data.packing.fixed[p.name]
    whole: Tensor = pt.as_tensor(fixed_values(fixed, p))
    for b in blocks:
        rv = _draws(b, prior, center[b.at].reshape(b.shape), shape=b.shape)
        whole = cast(Tensor, pt.set_subtensor(whole[b.at], rv.ravel()))
    return pm.Deterministic(p.name, whole, dims=p.dims)


def _draws(b: _Block, prior: Prior, center: Array, **shape):
    """One PyMC variable by its prior, in natural units."""
    given = dict(prior.arguments)
    mu, sigma = given.get("mu", 0.0), given.get("sigma", 1.0)
    if b.mixing is not None:  # theta_k = b_k - b_ref with b ~ Normal(0, sigma): covariance sigma^2 (I + 11')
        return b.scale * (pm.Normal(b.name, 0.0, 1.0, **shape) @ b.mixing.T)
    if b.ordered:
        spread = 0.5 * np.arange(b.shape[1])
        initial = np.zeros(b.shape) + spread - spread.mean()
        transform = pm.distributions.transforms.ordered
        return pm.Normal(b.name, mu, sigma * b.scale, transform=transform, initval=initial, **shape)
    if b.positive or prior.distribution == "DataHalfNormal":
        return pm.HalfNormal(b.name, sigma * (1.0 if b.positive else center), **shape)
    if prior.distribution in ("Normal", "DataNormal", "CholeskyNormal"):
        return pm.Normal(b.name, center if prior.distribution == "DataNormal" else mu, sigma * b.scale, **shape)
    return getattr(pm, prior.distribution)(b.name, **given, **shape)


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
        As in :func:`build`.
    fit : Fit, optional
        The maximum-likelihood solution: chains start near it, draws are relabelled to it. Left out,
        it is made first.
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
    check_sampler(draws, tune, chains, seed)
    _backend(backend)
    fit = fit or ml.fit(model, df, nodes=nodes, progress=progress)
    data = _prepare(model, df, effects, nodes, fit)
    made = pm_model or build_from(data, priors)
    initial = initial_point(made, data, fit, _chosen_priors(model, priors))
    settings = {"draws": draws, "tune": tune, "chains": chains, "cores": cores, "seed": seed, "progress_bar": progress}
    if effects == "integrate":
        settings["adaptation"] = "low_rank"  # few, correlated parameters: three times the effective draws
    raw = _nuts(made, initial, backend, **{**settings, **nuts})
    return assemble(raw, made, data, fit, df, nodes=nodes, relabel=relabel, seed=seed)


def check_sampler(draws: int, tune: int, chains: int, seed: int) -> None:
    """What NUTS may be asked for.

    Raises
    ------
    ValueError
        Anything else.
    """
    for name, value, least in (("draws", draws, 4), ("tune", tune, 1), ("chains", chains, 1), ("seed", seed, 0)):
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name} came as {value!r}: give a whole number of at least {least}.")


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


def _natural(data: Data, theta: Array) -> dict[str, Array]:
    return {k: x.values for k, x in functions.evaluate(data, theta).items()}


def initial_point(made: pm.Model, data: Data, fit: Fit, priors: Mapping[str, Prior]) -> dict[str, Any]:
    """Where chains start: near the ML estimate, away from its boundaries, each chain a little apart."""
    limits = ranges(data)
    theta = point(data, fit)
    reach = MAX_STEP * limits.unit
    theta = np.clip(theta, limits.center - reach, limits.center + reach)
    natural = _natural(data, theta)
    natural |= {p.name: np.clip(natural[p.name], *INSIDE) for p in data.model.parameters if p.support == "probability"}
    names, out = {v.name for v in made.free_RVs}, {}
    for p in data.model.parameters:
        for b in _blocks(p, data, priors[p.name]):
            if b.name in names:
                value = b.initial(natural[p.name])
                jitter = pm.Normal.dist(0, 0.1, shape=value.shape)
                out[b.name] = value if b.ordered or b.positive or p.support in BOUNDED else value + b.apart * jitter
    return out
