"""The graph of a model as a `pm.Model`: named parameters with their priors, the log-likelihood as a potential."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
from pytensor.graph.replace import graph_replace
from pytensor.graph.traversal import explicit_graph_inputs

from bayesmix.bayes.datatree import data_at_fit
from bayesmix.checks import one_of
from bayesmix.data import Block, Dataset, Priors, Stated, chosen, is_within, stated, units
from bayesmix.graph import Problem, likelihood, placeholder, posterior, prepare, with_population_nodes
from bayesmix.results import Fit, model_and_fit
from bayesmix.spec import Adaptive, Model, Nodes, Quantity, check_model
from bayesmix.spec import parameters as params
from bayesmix.spec.families import Tensor
from bayesmix.spec.parameters import Named, Parameter, Prior
from bayesmix.typing import Array

Effects = Literal["integrate", "sample"]


def build(
    model: Model | Fit,
    df: pd.DataFrame,
    *,
    priors: Priors | None = None,
    effects: Effects = "integrate",
    nodes: Nodes | None = None,
) -> pm.Model:
    """The model as a `pm.Model`: named parameters, dims, coords, stated priors, the graph's likelihood.

    Parameters
    ----------
    model : Model or Fit
        The declaration; or its solution, under which adaptive nodes are then put at the posterior of the effects.
        Without it a grid that is the same for all units stands in for adaptive nodes.
    df : pandas.DataFrame
        One row an individual.
    priors : mapping of str to Prior, optional
        Other priors by parameter, each in the units of the data; :func:`prior_table` shows those in use.
    effects : {"integrate", "sample"}
        Sum random effects out at nodes, or sample them (non-centred) with the parameters.
    nodes : Nodes, optional
        The nodes where effects are integrated.

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

    Examples
    --------
    >>> pm_model = bm.build(model, df)
    >>> "class_logit" in pm_model.named_vars
    True
    """
    model, fit = model_and_fit(model)
    return build_from(prepared(Dataset.encode(model, df), effects, nodes, fit), priors)


def prepared(rows: Dataset, effects: Effects, nodes: Nodes | None, fit: Fit | None) -> Problem:
    """The data, covariates centred, with nodes for the effects or the effects to be sampled."""
    check_effects(effects)
    if effects == "sample":
        return Problem.of(rows, sampled=tuple({e.level for e in rows.model.effects})).centred()
    if fit is None:
        return with_population_nodes(Problem.of(rows, nodes).centred(), Adaptive)
    return data_at_fit(rows, nodes, fit)


def build_from(data: Problem, priors: Priors | None = None) -> pm.Model:
    """:func:`build` on prepared data."""
    data = data.centred()
    found = stated(data.on_user_scale(), chosen(priors, data.model))
    sizes = _sizes(data)
    coords = {d: list(v) for d, v in data.coords.items()} | _data_coords(data, sizes)
    with pm.Model(coords=coords) as out:
        # far from zero, parts of a logit that cancel each other would be larger than the floor under them allows
        values = data.recoding.to_inside(_variables(data, found))
        arrays = {k: _input(k, v, data, sizes) for k, v in data.arrays.items()}
        units, tables = _graph(data, values, arrays)
        for name, (dims, x) in tables.items():
            pm.Deterministic(name, x, dims=dims)
        pm.Potential("loglik", (units * arrays["weight"]).sum())
    return out


def _sizes(data: Problem) -> dict[str, set[int]]:
    """The sizes of each dim of the inputs: those that several responses have for themselves differ."""
    out: dict[str, set[int]] = {}
    for v in data.arrays.values():
        for d, n in zip(v.dims, v.values.shape, strict=True):
            out.setdefault(d, set()).add(n)
    return out


def _data_coords(data: Problem, sizes: Mapping[str, set[int]]) -> dict[str, Any]:
    coords = {d: np.arange(min(n)) for d, n in sizes.items() if d not in data.coords and len(n) == 1}
    return coords | ({"cluster": data.clusters} if data.clusters else {})


def is_sampled(name: str, data: Problem) -> bool:
    """Whether these are effects that NUTS samples: they have neither weights nor a closed form."""
    level = name.removeprefix("z_")
    return name in ("z_individual", "z_cluster") and not {f"log_weight_{level}", f"curve_{level}"} & {*data.arrays}


def _input(name: str, x: Named, data: Problem, sizes: Mapping[str, set[int]]):
    if is_sampled(name, data):
        return pm.Normal(name, 0.0, 1.0, dims=x.dims)
    dims = x.dims if all(len(sizes[d]) == 1 for d in x.dims) else None  # a coord has one length
    return pt.cast(pm.Data(f"data:{name}", x.values, dims=dims), str(x.values.dtype))


def _graph(data: Problem, values: dict[str, Any], arrays: dict[str, Any]):
    """The log-likelihood of the units and the probability tables, with random variables put in.

    Built on placeholders and lowered first: samplers differentiate before named dims are lowered.
    """
    plain: dict[str, Tensor] = {}
    named: dict[str, Tensor] = {}
    for p in data.model.parameters:
        plain[p.name], named[p.name] = placeholder(p.name, p.dims, "float64", data.packing.shape(p))
    inputs: dict[str, Tensor] = {}
    for k, v in data.arrays.items():
        plain[k], inputs[k] = placeholder(k, v.dims, str(v.values.dtype))
    units = likelihood.log_likelihood(data.model, named, inputs).transpose(data.unit)
    made = likelihood.factors(data.model, named, inputs)
    kept = [(x, table) for k, x in made.items() if (table := _table(k, x, data))]
    outputs = params.lower([units.values, *(x.values for x, _ in kept)])
    present = {v.name: v for v in explicit_graph_inputs(outputs) if v.name in plain}
    outputs = graph_replace(outputs, {v: (values | arrays)[k] for k, v in present.items()}, strict=False)
    tables = {}
    for (_, (title, dims)), out in zip(kept, outputs[1:], strict=True):
        shown = posterior.ordered_dims(dims, data)
        tables[title.name] = (shown, cast(Tensor, pt.exp(out)).transpose([dims.index(d) for d in shown]))
    return outputs[0], tables


def _table(key: str, x: Tensor, data: Problem) -> tuple[Quantity, tuple[str, ...]] | None:
    """A probability table and its dims; None for what is none, or differs between units or nodes."""
    if any(d in ("individual", "cluster") or d.startswith("node_") for d in x.dims):
        return None
    return posterior.probability_table(key, x.dims, data)


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

    Examples
    --------
    >>> bm.prior_table(model).loc["class_logit", "support"]
    'real'
    """
    check_model(model)
    if isinstance(df, (Mapping, str)):
        df, priors = None, df
    found = chosen(priors, model)
    if df is None:
        rows = [(p.name, ", ".join(p.dims), p.support, str(found[p.name])) for p in model.parameters]
        return pd.DataFrame(rows, columns=["parameter", "dims", "support", "prior"]).set_index("parameter")
    data = prepare(model, df).on_user_scale()
    known = stated(data, found)
    rows = [row for p in model.parameters for row in _prior_rows(known[p.name], data)]
    return pd.DataFrame(rows, columns=["parameter", "dims", "support", "prior", "of"]).set_index("parameter")


def _prior_rows(known: Stated, data: Problem) -> list[tuple[str, str, str, str, str]]:
    """One row a parameter, or one a free entry where priors differ; none for what is fixed."""
    p, labels = known.parameter, dict(zip(range(data.packing.size), data.packing.names(), strict=True))
    words = {int(data.packing.index[p.name][at]): text for b in known.blocks for at, text in _in_words(b)}
    of = p.name if not known.at_means else f"{p.name} at the covariates' means"
    same = len(set(words.values())) == 1
    each = {p.name: next(iter(words.values()))} if same else {labels[k]: words[k] for k in sorted(words)}
    return [(label, ", ".join(p.dims), p.support, text, of) for label, text in each.items()]


def _in_words(b: Block) -> list[tuple[tuple, str]]:
    """Positions of a block's entries and their priors in numbers."""
    cut = b.support.ends_in_words if b.support.is_ordered or not is_within(b.distribution, b.support) else ""
    size = int(np.prod(b.shape))
    if b.mixing is not None:
        sd = b.mixing[0, 0] / np.sqrt(2.0) * np.broadcast_to(b.scale, b.shape).ravel()
        words = [str(Prior("ExchangeableLogit", sigma=x)) for x in sd]
    else:
        each = {k: np.broadcast_to(v, b.shape).ravel() for k, v in b.arguments.items()}
        words = [str(Prior(b.distribution, **{k: v[i] for k, v in each.items()})) + cut for i in range(size)]
    positions = list(zip(*b.at, strict=True)) if b.at else [()]
    return list(zip(positions, words, strict=True))


def _variables(data: Problem, found: Mapping[str, Stated]) -> dict[str, Any]:
    """The random variables of the parameters, with their fixed entries filled in."""
    out: dict[str, Any] = {}
    for name, own in found.items():
        p = own.parameter
        if [b.name for b in own.blocks] == [name]:
            out[name] = own.blocks[0].variable(p.dims)
            continue
        fixed, whole = data.packing.fixed[name], cast(Tensor, pt.as_tensor(fixed_entries(data, p)))
        shift = own.shift(out) if own.at_means else None
        for b in own.blocks:
            x = b.entries(b.variable()).ravel() if b.at else b.variable()
            if shift is not None:
                x = x - pt.broadcast_to(shift, fixed.shape)[b.at].ravel() if b.at else x - shift
            whole = cast(Tensor, pt.set_subtensor(whole[b.at], x)) if b.at else x
        out[name] = pm.Deterministic(name, whole, dims=p.dims)
    return out


def fixed_entries(data: Problem, p: Parameter) -> Array:
    """Fixed entries on the natural scale, where the others are to be filled in."""
    fixed = data.packing.held[p.name]
    return np.where(np.isnan(fixed), p.domain.forward(data.packing.fixed[p.name]), fixed)


# where chains start -----------------------------------------------------------------------------


def variables_at(data: Problem, values: Mapping[str, Array], priors: Priors | None = None) -> dict[str, Array]:
    """The values of the random variables where the parameters have natural `values` on the user's scale."""
    data = data.on_user_scale()
    found = stated(data, chosen(priors, data.model))
    values = {k: np.asarray(values[k], dtype=float) for k in found}
    return {b.name: b.initial(values[k] + own.shift(values)) for k, own in found.items() for b in own.blocks}


def initial_point(
    made: pm.Model, data: Problem, values: Mapping[str, Array], priors: Priors | None = None
) -> dict[str, Any]:
    """Where chains start: near natural `values`, away from their boundaries, each chain a little apart."""
    data = data.on_user_scale()
    found = stated(data, chosen(priors, data.model))
    names, margins = {v.name for v in made.free_RVs}, units(data)
    out: dict[str, Any] = {}
    for name, own in found.items():
        moved = values[name] + own.shift(values)
        moved = own.parameter.domain.moderate(moved, *margins[name])  # a boundary is no place to start
        for b in (b for b in own.blocks if b.name in names):
            out[b.name] = b.start(moved)
    return out


def check_effects(effects: Any) -> None:
    """Whether effects are to be integrated or sampled.

    Raises
    ------
    ValueError
        Something else came.
    """
    one_of("effects", effects, ("integrate", "sample"))
