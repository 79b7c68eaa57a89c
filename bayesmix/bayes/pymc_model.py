"""The graph of a model as a `pm.Model`: named parameters with their priors, the responses as an observed variable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt

from bayesmix.bayes.built import remember
from bayesmix.bayes.datatree import data_at_fit
from bayesmix.bayes.observed import Graph, coords_of, is_sampled, observe
from bayesmix.bayes.parameter_variables import filled, fixed_entries, variable
from bayesmix.checks import one_of
from bayesmix.data import Block, Dataset, Priors, Stated, chosen, is_within, stated, units
from bayesmix.graph import Problem, prepare, with_population_nodes
from bayesmix.results import Fit, model_and_fit
from bayesmix.spec import NO_POSTERIOR, Adaptive, Model, Nodes, check_model, refuse_survey
from bayesmix.spec.parameters import Named, Prior
from bayesmix.typing import Array

Effects = Literal["integrate", "sample"]


def build(
    model: Model | Fit,
    df: pd.DataFrame,
    *,
    priors: Priors | None = None,
    effects: Effects = "integrate",
    nodes: Nodes | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> pm.Model:
    """The model as a `pm.Model`: named parameters, dims, coords, stated priors, the responses as observed variable.

    Inside an open ``pm.Model`` the model is added to it. What is built can be extended by further variables,
    potentials and observed variables of PyMC, and sampled with ``bm.sample(pm_model)`` or with PyMC's
    own functions.

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
    parameters : mapping of str to tensor, optional
        Variables of the open ``pm.Model``, or expressions of them, in place of parameters and their priors: of the
        parameter's shape, on its natural scale, in the units of the data. Entries that the model fixes, such as the
        logit of a reference class, are not looked at.

    Returns
    -------
    pymc.Model
        Every parameter is a random variable of its name and dims; entries that are fixed are constants in it, those
        that are held equal to others or follow from them by equations are computed of these, and have no prior. The
        responses are the observed variable ``y`` (row, item; of one item: row), codes of categories from 0, NaN where
        missing; its log-likelihood has a value for each row (of more than 100,000 rows: for each pattern of equal
        ones), or for each cluster where there are some. Tables of probabilities are Deterministics. The declared prior
        of an intercept beside covariates is one of the intercept at their means.

    Raises
    ------
    ValueError, TypeError
        Bad data, a prior or a variable for no parameter, a variable of another shape, coords of the open model with
        other labels.

    Notes
    -----
    ``pm.sample_prior_predictive``, ``pm.sample_posterior_predictive``, ``pm.stats.compute_log_prior``,
    ``pm.model_to_graphviz`` and ``pm.do`` work on the model. ``pm.set_data`` does not put other data in: the
    density is of patterns of equal rows, which are made of the data that came here, and draws for others are
    refused. Build another model, or give new rows to :func:`bayesmix.predict`. ``pm.observe`` takes a parameter that
    is then known; responses that are not those of `df` have the density zero.

    Examples
    --------
    >>> pm_model = bm.build(model, df)
    >>> [v.name for v in pm_model.observed_RVs]
    ['y']

    Items whose intercepts vary around a mean of their class, with a hyperprior:

    >>> import pymc as pm
    >>> binary = bm.models.lca(list("abcd"), 2, family=bm.bernoulli())
    >>> with pm.Model() as hierarchical:
    ...     mean, sd = pm.Normal("mean", 0, 2, shape=(2, 1)), pm.HalfNormal("sd", 1)
    ...     intercepts = pm.Normal("item_intercept", mean, sd, shape=(2, 4))
    ...     _ = bm.build(binary, df, parameters={"item_intercept": intercepts})
    >>> [v.name for v in hierarchical.free_RVs]
    ['mean', 'sd', 'item_intercept', 'class_logit']
    """
    model, fit = model_and_fit(model)
    refuse_survey(model.survey, "bm.build", NO_POSTERIOR)
    return build_from(prepared(Dataset.encode(model, df), effects, nodes, fit), priors, parameters, fit)


def prepared(rows: Dataset, effects: Effects, nodes: Nodes | None, fit: Fit | None) -> Problem:
    """The data, covariates centred, with nodes for the effects or the effects to be sampled."""
    check_effects(effects)
    if effects == "sample":
        return Problem.of(rows, sampled=tuple({e.level for e in rows.model.effects})).centred()
    if fit is None:
        return with_population_nodes(Problem.of(rows, nodes).centred(), Adaptive)
    return data_at_fit(rows, nodes, fit)


def build_from(
    data: Problem,
    priors: Priors | None = None,
    given: Mapping[str, Any] | None = None,
    fit: Fit | None = None,
    by_row: bool = True,
) -> pm.Model:
    """:func:`build` on prepared data; for `by_row` see :func:`bayesmix.bayes.observed.observe`."""
    data, given = data.centred(), given or {}
    found = stated(data.on_user_scale(), chosen(priors, data.model))
    check_given(given, data, priors)
    sizes = _sizes(data)
    coords = {d: list(v) for d, v in data.coords.items()} | _data_coords(data, sizes)
    coords |= coords_of(data)
    around = pm.Model.get_context(error_if_none=False)
    out = pm.Model() if around is None else cast(pm.Model, around)
    with out:
        _add_coords(out, coords)
        graph = Graph(data)
        values: dict[str, Any] = {}
        for name, own in found.items():
            values[name] = _given(given[name], own, data, values) if name in given else variable(own, data, values)
        values = {p.name: values[p.name] for p in data.model.parameters}
        arrays = {k: _input(k, v, data, sizes) for k, v in data.arrays.items()}
        for name, (dims, x) in graph.tables(values, arrays).items():
            pm.Deterministic(name, x, dims=dims)
        observe(graph, values, arrays, by_row)
    remember(out, data, priors, tuple(given), fit)
    return out


def _add_coords(made: pm.Model, coords: Mapping[str, Any]) -> None:
    """Add coords to a model that may have some of them already: with the same labels."""
    for name, labels in coords.items():
        if name in made.coords and (there := made.coords[name]) is not None:
            if [str(x) for x in there] != [str(x) for x in labels]:
                raise ValueError(
                    f"The open PyMC model has the coord '{name}' with the labels {_few(there)}, here they are "
                    f"{_few(labels)}: give it another name there, or the same labels."
                )
        else:
            made.add_coord(name, labels)


def _few(labels: Any) -> str:
    some = [str(x) for x in labels]
    return ", ".join(some[:5]) + (", ..." if len(some) > 5 else "")


def check_given(given: Mapping[str, Any], data: Problem, priors: Priors | None) -> None:
    """Refuse variables for no parameter, of another shape, or beside a prior for the same one.

    Raises
    ------
    ValueError, TypeError
        What came, and what was expected.
    """
    known = {p.name: p for p in data.model.parameters}
    for name, x in given.items():
        if name not in known:
            raise ValueError(
                f"A variable came for '{name}', but the parameters are {', '.join(known)}: name one of them."
            )
        if isinstance(priors, Mapping) and name in priors:
            raise ValueError(f"Both a prior and a variable came for '{name}': give one of them.")
        if not isinstance(x, pt.TensorVariable | np.ndarray | float | int):
            raise TypeError(
                f"What came for '{name}' is {type(x).__name__}: give a variable of the open PyMC model, or an "
                "expression of such variables."
            )
        shape = data.packing.shape(known[name])
        own = pt.as_tensor(x).type.shape
        if len(own) != len(shape) or any(n not in (None, m) for n, m in zip(own, shape, strict=True)):
            raise ValueError(
                f"The variable for '{name}' came with the shape {own}, expected {shape}, the dims "
                f"({', '.join(known[name].dims)}): give a value for every entry; those that the model fixes are not "
                "looked at."
            )


def _given(x: Any, own: Stated, data: Problem, values: Mapping[str, Any]) -> Any:
    """A user's variable as the parameter, with the entries that the model fixes."""
    p, free = own.parameter, data.packing.estimated[own.parameter.name]
    whole: Any = pt.as_tensor(x)
    if not free.all():
        whole = pt.where(free, whole, fixed_entries(data.on_user_scale(), p))
    whole = own.completed(whole, values)
    if p.name in pm.modelcontext(None).named_vars:  # the variable bears the parameter's name already
        return whole
    return pm.Deterministic(p.name, whole, dims=p.dims)


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


def _input(name: str, x: Named, data: Problem, sizes: Mapping[str, set[int]]):
    if is_sampled(name, data):
        return pm.Normal(name, 0.0, 1.0, dims=x.dims)
    dims = x.dims if all(len(sizes[d]) == 1 for d in x.dims) else None  # a coord has one length
    return pt.cast(pm.Data(f"data:{name}", x.values, dims=dims), str(x.values.dtype))


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
    beyond = b.support.is_ordered or b.support.is_conditional or not is_within(b.distribution, b.support)
    cut = b.support.ends_in_words if beyond else ""
    size = int(np.prod(b.shape))
    if b.mixing is not None:
        sd = b.mixing[0, 0] / np.sqrt(2.0) * np.broadcast_to(b.scale, b.shape).ravel()
        words = [str(Prior("ExchangeableLogit", sigma=x)) for x in sd]
    else:
        each = {k: np.broadcast_to(v, b.shape).ravel() for k, v in b.arguments.items()}
        words = [str(Prior(b.distribution, **{k: v[i] for k, v in each.items()})) + cut for i in range(size)]
    positions = list(zip(*b.at, strict=True)) if b.at else [()]
    return list(zip(positions, words, strict=True))


# where chains start -----------------------------------------------------------------------------


def initial_point(
    made: pm.Model, data: Problem, values: Mapping[str, Array], priors: Priors | None = None
) -> dict[str, Any]:
    """Where chains start: near natural `values`, away from their boundaries, each chain a little apart."""
    data = data.on_user_scale()
    found = stated(data, chosen(priors, data.model))
    names, margins = {v.name for v in made.free_RVs}, units(data)
    values, out = {k: np.asarray(values[k], dtype=float) for k in found}, {}
    starts: dict[str, Any] = {}
    for name, own in found.items():
        moved = values[name] + own.shift(values)
        moved = own.parameter.domain.moderate(moved, *margins[name])  # a boundary is no place to start
        held = fixed_entries(data, own.parameter)
        shift = [pt.broadcast_to(own.shift(starts), held.shape)] if own.at_means else []
        others = [pt.as_tensor(starts[k]).astype("float64") for k in own.others]
        starts[name] = filled(own, held, [b.start(moved) for b in own.blocks], [*shift, *others])
        if name in names:
            out[name] = starts[name]
    if data.model.normal_covariates and "z_individual" in names:  # at 0 those that are known have a gradient of zero
        out["z_individual"] = 0.1 * pm.Normal.dist(0, 1, shape=data.arrays["z_individual"].values.shape)
    return out


def check_effects(effects: Any) -> None:
    """Whether effects are to be integrated or sampled.

    Raises
    ------
    ValueError
        Something else came.
    """
    one_of("effects", effects, ("integrate", "sample"))
