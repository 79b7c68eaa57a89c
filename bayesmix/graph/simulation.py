"""Data from a model: down the ladder, from clusters to items, with the densities' own factors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.checks import whole
from bayesmix.data import (
    Coding,
    as_frame,
    check_coords,
    coding_of,
    columns_of_response,
    n_categories,
    persons_of,
    plain,
)
from bayesmix.graph.compile import LogLikelihood, constants_of
from bayesmix.graph.problem import Problem, prepare
from bayesmix.spec import GROUP, Model, Named, Response, Solution, Survey, model_and_params, terms
from bayesmix.typing import Array

LEVELS = ("cluster", "individual", "item")


def simulate(
    model: Model | Solution,
    params: Mapping[Any, Any] | None = None,
    n: int | None = None,
    *,
    df: pd.DataFrame | None = None,
    clusters: int | None = None,
    categories: Mapping[str, Sequence] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Draw a data set and the truth behind it: a random sample, whatever design of a survey the model has.

    Parameters
    ----------
    model : Model or Fit
        The declaration; or a fit, for its model at its parameters.
    params : mapping of str to array, optional
        Every parameter on its natural scale, with the dims it declares; those of the fit if left out.
    n : int
        Number of individuals; left out, the rows of `df`.
    df : pandas.DataFrame, optional
        Covariates, cluster labels, groups and frequencies; needed if the model has covariates or groups. Individuals
        whose class it says are in this class; of others it is drawn. Normal covariates
        (:func:`bayesmix.with_covariates`) are drawn where `df` has no column of them; of rows that miss them they are
        drawn too, and stay missing, with the truth beside them.
    clusters : int, optional
        Number of clusters of (nearly) equal size, if `df` does not bring their labels.
    categories : mapping of str to sequence, optional
        Categories of items, in the order of the parameters; those of the fit, else 0, 1, ...
    seed : int
        For ``numpy.random.default_rng``.

    Returns
    -------
    pandas.DataFrame
        `df`, the items, and the truth: columns ``true_<class>`` (1, 2, ...; for item-level classes
        one an item) and ``true_<effect>``.

    Raises
    ------
    ValueError
        No n, covariates missing, or parameters of another shape.

    Examples
    --------
    >>> new = bm.simulate(fit, n=5, seed=1)
    >>> list(new.columns)
    ['a', 'b', 'c', 'd', 'true_C']
    """
    model, params = model_and_params(model, params)
    model = replace(model, survey=Survey())  # what is drawn is the population: no row stands for others
    whole("seed", seed, 0)
    rng = np.random.default_rng(seed)
    if model.repeated is not None and df is None:
        raise ValueError(
            f"The rows are measurements of persons ('{model.repeated.person}'): give df= with a row a measurement to "
            "be drawn, its person, and what the model reads beside the measure."
        )
    frame = _frame(model, n, df, clusters)
    known = coding_of(model, params)
    labels = categories_of(model, params, {**known.categories, **(categories or {})})
    coding = Coding({item: [plain(v) for v in own] for item, own in labels.items()}, known.designs)
    whole_frame = _with_items(model, frame, labels)
    data = prepare(model, whole_frame, sampled=_levels(model), collapse=False, coding=coding).on_user_scale()
    check_coords(params, model, data.coords, categories=not categories)
    drawn, truth = draw(data, data.packing.pack({str(k): np.asarray(v) for k, v in params.items()}), rng)
    if model.repeated is not None:
        drawn, truth = _by_measurement(model, whole_frame, drawn, truth)
    ordered = {item for r in model.responses if r.family.ordered for item in columns_of_response(model, r)}
    out = frame.copy()
    for e in (e for e in model.normal_covariates if df is None or e.column not in df):
        out[e.column] = truth[e.name]
    for item, y in drawn.items():
        out[item] = _labelled(y, labels[item], item in ordered) if item in labels else y
    for name, value in truth.items():
        out[f"true_{name}"] = value
    return out


def _by_measurement(
    model: Model, df: pd.DataFrame, drawn: Mapping[str, Array], truth: Mapping[str, NDArray]
) -> tuple[dict[str, Array], dict[str, NDArray]]:
    """What was drawn of persons, by row of their measurements."""
    laid = persons_of(model, df)
    slots = laid.model.responses[0].items
    assert model.repeated is not None
    out = {k: x[laid.person] for k, x in drawn.items() if k not in slots}
    out[model.repeated.outcome] = laid.of_rows(np.column_stack([drawn[k] for k in slots]))
    return out, {k: x[laid.person] for k, x in truth.items()}


def _labelled(codes: Array, labels: list, ordered: bool) -> Any:
    """Categories of codes; text as a Categorical, which keeps their order."""
    if any(isinstance(v, str) for v in labels):
        return pd.Categorical.from_codes(codes.astype(int), categories=cast(Any, labels), ordered=ordered)
    return [labels[int(k)] for k in codes]


def _levels(model: Model) -> tuple[str, ...]:
    return tuple({e.level for e in model.effects})


def _frame(model: Model, n: int | None, df: pd.DataFrame | None, clusters: int | None) -> pd.DataFrame:
    if df is None and n is None:
        raise ValueError("Neither n nor df came: say how many individuals to draw, e.g. n=1000.")
    normal = [e.column for e in model.normal_covariates]
    if df is None and any({*t.covariates.columns} - {*normal} for t in terms(model) if t.covariates):
        raise ValueError("The model has covariates: give their values as df=, one row an individual.")
    df = None if df is None else as_frame(df)
    size = len(df) if df is not None else n
    if not isinstance(size, (int, np.integer)) or size < 1:
        raise ValueError(f"n came as {size!r}: give a whole number of at least 1.")
    if df is not None and n is not None and n != len(df):
        raise ValueError(f"n came as {n} and df with {len(df)} rows: give one of them.")
    items = [i for r in model.responses for i in columns_of_response(model, r)]
    frame = pd.DataFrame(index=range(size)) if df is None else df.drop(columns=items, errors="ignore").copy()
    if model.cluster is not None and model.cluster not in frame:
        if not clusters:
            raise ValueError(f"The model has the cluster column '{model.cluster}': give clusters= or df= with it.")
        frame[model.cluster] = np.sort(np.arange(size) % clusters) + 1
    if model.group is not None and model.group not in frame:
        raise ValueError(f"The model has the group column '{model.group}': give df= with it, one row an individual.")
    for column in (x for x in normal if x is not None and x not in frame):  # to be drawn
        frame[column] = np.nan
    for _, column in model.known:  # nobody's class is known
        frame[column] = frame.get(column, np.nan)
    return frame


def categories_of(model: Model, params: Mapping[str, Any], given: Mapping[str, Sequence]) -> dict[str, list]:
    """Categories of each categorical item: those given, else as many as its parameters have, from 0."""
    out: dict[str, list] = {}
    for r in model.responses:
        if r.family.kind != "categorical":
            continue
        size, columns = n_categories(r, params), columns_of_response(model, r)
        known = next((given[i] for i in r.items if i in given), range(size))
        out |= {item: list(given.get(item, range(size))) for item in r.items}
        out |= {item: list(given.get(item, known)) for item in columns if item not in r.items}
    return out


def _with_items(model: Model, frame: pd.DataFrame, labels: Mapping[str, list]) -> pd.DataFrame:
    """The frame with an answer to every item, which stands for those to come."""
    items = {
        i: pd.Categorical.from_codes([0] * len(frame), cast(Any, labels[i])) if i in labels else 0.0
        for r in model.responses
        for i in columns_of_response(model, r)
    }
    out = pd.concat([frame, pd.DataFrame(items, index=frame.index)], axis=1)
    return out.assign(**{model.freq: 1}) if model.freq else out


def draw(
    data: Problem, theta: Array, rng: np.random.Generator, effects: Mapping[str, Array] | None = None
) -> tuple[dict[str, Array], dict[str, NDArray]]:
    """One data set at theta: coded responses by item, and the latent variables by name, both by row.

    `data` must be prepared with ``collapse=False`` and, if the model has effects, all of them sampled. `effects` are
    known values of the inputs ``z_individual`` and ``z_cluster``; the others are drawn.
    """
    data = _with_effects(data, rng, effects or {})
    made = LogLikelihood(data).factors(theta)
    n = len(data.counts)
    at: dict[str, NDArray] = {"individual": np.arange(n)}
    at_cluster: dict[str, NDArray] = {}
    cluster_of = None
    if data.cluster_of_row is not None:
        cluster_of = data.cluster_of_row[data.pattern_of >= 0]
        at |= {"cluster": cluster_of}
        at_cluster = {"cluster": np.arange(len(data.clusters or ()))}
    for level, places in (("individual", at), ("cluster", at_cluster)):
        if (of := data.arrays.get(f"group_of_{level}")) is not None:
            places[GROUP] = of.values
    truth: dict[str, NDArray] = {}
    for c in sorted(data.model.classes, key=lambda c: LEVELS.index(c.level)):
        if c.level == "item":
            continue
        size = len(at_cluster["cluster"]) if c.level == "cluster" else n
        logits = pick(made[f"class:{c.name}"], at_cluster if c.level == "cluster" else at, c.name, (size,))
        known = data.arrays.get(f"known:{c.name}")
        drawn = _categorical(logits if known is None else logits + known.values, rng)
        if c.level == "cluster":
            at_cluster[c.name], drawn = drawn, drawn[cluster_of]
        at[c.name] = drawn
        truth[c.name] = drawn + 1
    for e in data.model.effects:
        truth[e.name] = pick(made[f"effect:{e.name}"], at, None, (n,))
    responses: dict[str, Array] = {}
    for r in data.model.responses:
        y, item_truth = _responses(r, made, data, at, n, rng)
        if r.level == "cluster" and cluster_of is not None:
            _, first, place = np.unique(cluster_of, return_index=True, return_inverse=True)
            y = y[first[place]]
        responses |= {item: y[:, k] for k, item in enumerate(r.items)}
        truth |= item_truth
    return responses, truth


def _responses(
    r: Response, made: Mapping[str, Named], data: Problem, at: Mapping[str, NDArray], n: int, rng: np.random.Generator
) -> tuple[Array, dict[str, NDArray]]:
    """Coded responses (individual, item), and the item-level classes behind them."""
    shape = (n, len(r.items))
    where = {k: v[:, None] for k, v in at.items()} | {r.item_dim: np.arange(len(r.items))[None, :]}
    truth: dict[str, NDArray] = {}
    for c in data.model.classes_at("item"):
        where[c.name] = _categorical(pick(made[f"class:{c.name}"], where, c.name, shape), rng)
        truth |= {f"{c.name}_{item}": where[c.name][:, k] + 1 for k, item in enumerate(r.items)}
    table = pick(made[f"response:{r.name}"], where, "feature", shape)
    if r.family.joint:
        return _jointly(r, made, table, at, data, rng), truth
    return r.family.draw(table, rng, constants_of(data, r.name)), truth


def _jointly(
    r: Response, made: Mapping[str, Named], table: Array, at: Mapping[str, NDArray], data: Problem, rng
) -> Array:
    """Normal responses (individual, item) with residual covariances."""
    x = made[f"covariance:{r.name}"]
    states = [d for d in x.dims if d not in (r.item_dim, f"{r.item_dim}_")]
    values = np.moveaxis(
        x.values, [x.dims.index(d) for d in (*states, r.item_dim, f"{r.item_dim}_")], range(x.values.ndim)
    )
    try:
        root = np.linalg.cholesky(values)
    except np.linalg.LinAlgError:
        raise ValueError(
            f"The residual covariances of {', '.join(r.items)} came with a matrix that is not positive definite: give "
            "smaller covariances, or larger SDs."
        ) from None
    each = root[tuple(at[d] for d in states)] if states else root
    noise = rng.standard_normal((len(table), len(r.items)))
    return r.family.mean(table, constants_of(data, r.name)) + (each @ noise[..., None])[..., 0]


def pick(x: Named, at: Mapping[str, NDArray], last: str | None, shape: tuple[int, ...]) -> Array:
    """Entries of a named array at index arrays of the given shape; the dim `last` is kept whole."""
    values = np.moveaxis(x.values, x.dims.index(last), -1) if last else x.values
    dims = [d for d in x.dims if d != last]
    if not dims:
        return np.broadcast_to(values, (*shape, *values.shape))
    index = np.broadcast_arrays(*(at[d] for d in dims))
    return np.broadcast_to(values[tuple(index)], (*shape, *values.shape[len(dims) :]))


def _categorical(log_probability: Array, rng: np.random.Generator) -> NDArray[np.int64]:
    return np.argmax(log_probability + rng.gumbel(size=log_probability.shape), axis=-1)


def _with_effects(data: Problem, rng: np.random.Generator, known: Mapping[str, Array]) -> Problem:
    """Put values of the effects in: those `known`, and draws of the others."""
    arrays = dict(data.arrays)
    for k in ("z_individual", "z_cluster"):
        if k in arrays:
            x = known[k] if k in known else rng.standard_normal(arrays[k].values.shape)
            arrays[k] = Named(arrays[k].dims, np.asarray(x))
    return replace(data, arrays=arrays)
