"""Posterior quantities of a fitted model, as gradients and factors of the graph.

The gradient of the log-likelihood with respect to a log factor of zeros is the posterior probability
of what it indexes: a class, a pair of classes, a node.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy import special

from bayesmix.data import as_frame, check_coords, coding_of
from bayesmix.graph.compile import LogLikelihood
from bayesmix.graph.nodes import (
    ROUGH,
    adapt_nodes,
    audit_error,
    audit_nodes,
    audit_words,
    refine_nodes,
    with_population_nodes,
)
from bayesmix.graph.problem import Problem, prepare
from bayesmix.graph.variance_components import random_names
from bayesmix.spec import (
    FISHER_Z,
    RANDOM,
    Group,
    Model,
    Named,
    Nodes,
    Quantity,
    Solution,
    class_size,
    item_probability,
    model_and_params,
    parameter,
    transition,
)
from bayesmix.spec import class_labels as labels
from bayesmix.typing import Array

MOST_PATHS = 30_000_000
"""Entries of the table of all paths of all units."""


def log_likelihood(
    model: Model | Solution,
    df: pd.DataFrame,
    params: Mapping[Any, Any] | None = None,
    *,
    nodes: Nodes | None = None,
    units: bool = False,
) -> float | pd.Series:
    """The log-likelihood at given parameters.

    Parameters
    ----------
    model : Model or Fit
        The declaration; or a fit, for its model at its parameters.
    df : pandas.DataFrame
        One row an individual.
    params : mapping of str to array, optional
        Every parameter on its natural scale; those of the fit if left out. `Fit.params` know how the fitted rows were
        coded (categories, levels, centres of transformations), and any other rows are coded so: a single one, or rows
        without some category.
    nodes : Nodes, optional
        How random effects are integrated. Left out, finer nodes are taken while these change the log-likelihood by
        more than 0.01. A change by more than 0.1 from the nodes that were used to finer ones is said.
    units : bool
        One value a cluster (or a row of the data, for a single-level model) instead of their sum.

    Returns
    -------
    float or pandas.Series
        Rows without answers have NaN; frequency weights are not applied to the values of rows.

    Raises
    ------
    ValueError, TypeError
        Bad data or parameters; rows with a category or level that the fit did not see, or, for plain arrays, rows
        that do not tell which of its categories an item has.

    Examples
    --------
    >>> round(bm.log_likelihood(fit, df) - fit.loglik, 6)
    0.0
    """
    model, params = model_and_params(model, params)
    df = as_frame(df)
    data = prepare(model, df, nodes=nodes, coding=coding_of(model, params, df))
    check_coords(params, model, data.coords)
    theta = data.pack({k: np.asarray(v) for k, v in params.items()})
    if nodes is None:
        data, audit = refine_nodes(data, theta)
    else:
        data = adapt_nodes(data, theta)
        audit = audit_nodes(data, theta)
    if audit_error(audit) > ROUGH:
        warnings.warn(f"{audit_words(audit)}.", stacklevel=2)
    if not units:
        return float(LogLikelihood(data).value(theta))
    each = LogLikelihood(data).of_units(theta)
    if data.clusters is not None:
        return pd.Series(each, index=pd.Index(data.clusters, name=model.cluster), name="loglik")
    return pd.Series(np.where(data.pattern_of >= 0, each[data.pattern_of], np.nan), index=df.index, name="loglik")


def class_posteriors(data: Problem, theta: Array, mode=None) -> dict[str, Array]:
    """P(C = c | everything observed) for each class variable, (individual or cluster, class).

    `data` must not merge individuals of different clusters: a two-level model without `cluster_of`
    is prepared with ``collapse=False``.
    """
    wanted = tuple((c.level, c.name) for c in data.model.classes if c.level != "item")
    if not wanted:
        return {}
    out = LogLikelihood(data, mode).posterior(theta, *wanted)
    return {dims[1]: _normalised(p) for dims, p in zip(wanted, out, strict=True)}


@dataclass(frozen=True)
class Paths:
    """The most likely path of each unit through the classes of individuals, in their order.

    Attributes
    ----------
    path : array of int (unit, class variable)
        Positions of the classes.
    probability : array (unit,)
        P(path | everything observed); NaN where it was found step by step.
    stayed : array (unit,)
        P(no move | everything observed); NaN where the numbers of classes differ, or likewise.
    joint : array (unit, *classes), optional
        Posterior probabilities of all paths.
    """

    path: NDArray[np.int64]
    probability: Array
    stayed: Array
    joint: Array | None = None


def paths(data: Problem, theta: Array, mode=None) -> Paths | None:
    """Posterior probabilities of the paths through the classes of individuals; None for one class variable.

    Where there are too many paths, the best one by the posterior transitions of each occasion (Viterbi's
    algorithm): the same for a first-order model without random effects.
    """
    names = [c.name for c in data.model.classes_at("individual")]
    if len(names) < 2:
        return None
    sizes = [len(data.coords[n]) for n in names]
    if np.prod(sizes) * len(data.counts) > MOST_PATHS:
        return _by_steps(data, theta, names, mode)
    (found,) = LogLikelihood(data, mode).posterior(theta, ("individual", *names))
    joint = _normalised(found)
    flat = joint.reshape(len(joint), -1)
    best = flat.argmax(axis=1)
    path = np.stack(np.unravel_index(best, sizes), axis=1)
    same = len(set(sizes)) == 1
    stayed = sum(joint[(slice(None), *[k] * len(sizes))] for k in range(sizes[0])) if same else np.nan
    return Paths(path, flat.max(axis=1), np.broadcast_to(stayed, len(flat)), joint)


def _by_steps(data: Problem, theta: Array, names: list[str], mode) -> Paths:
    pairs = tuple(("individual", *pair) for pair in pairwise(names))
    steps = [_normalised(p) for p in LogLikelihood(data, mode).posterior(theta, *pairs)]
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.log(steps[0].sum(axis=2))
        back = []
        for p in steps:
            reached = score[:, :, None] + np.log(p / p.sum(axis=2, keepdims=True))
            reached = np.where(np.isnan(reached), -np.inf, reached)
            back.append(reached.argmax(axis=1))
            score = reached.max(axis=1)
    path = [score.argmax(axis=1)]
    for came in reversed(back):
        path.append(came[np.arange(len(came)), path[-1]])
    unknown = np.full(len(score), np.nan)
    return Paths(np.stack(path[::-1], axis=1), unknown, unknown)


def joint_entropy(data: Problem, theta: Array, mode=None) -> tuple[str, Array] | None:
    """The entropy of the posterior of all class variables together, of each individual, or cluster if all are theirs.

    None for fewer than two of them. Where there are too many paths it is that of a chain, step by step; NaN where
    they are none. `data` must not merge individuals of different clusters (see :func:`class_posteriors`).
    """
    used = [c for c in data.model.classes if c.level != "item"]
    if len([c for c in used if c.size > 1]) < 2:
        return None
    unit = "individual" if any(c.level == "individual" for c in used) else "cluster"
    names, units = [c.name for c in used], data.n_clusters if unit == "cluster" else len(data.counts)
    if np.prod([c.size for c in used]) * (units or 0) <= MOST_PATHS:
        return unit, _entropies(LogLikelihood(data, mode).posterior(theta, (unit, *names))[0])
    if not _is_chain(data.model, names):
        return unit, np.full(units or 0, np.nan)
    pairs = LogLikelihood(data, mode).posterior(theta, *((unit, *pair) for pair in pairwise(names)))
    firsts = [np.asarray(p).sum(axis=2) for p in pairs]
    return unit, sum((_entropies(p) for p in pairs), np.zeros(units or 0)) - sum(map(_entropies, firsts[1:]))


def _entropies(p: Array) -> Array:
    """-sum p log p of each unit."""
    flat = _normalised(p).reshape(len(p), -1)
    return -special.xlogy(flat, flat).sum(axis=1)


def _is_chain(model: Model, names: Sequence[str]) -> bool:
    """Whether the posterior of each class depends on the class before it alone."""
    near = [{*pair} for pair in pairwise(names)]
    used = [t for c in model.classes for t in c.predictor]
    used += [t for r in model.responses for t in r.terms]
    over = [{*t.dims} & {*names} for t in used]
    return not model.effects and len(model.classes) == len(names) and all(any(d <= n for n in near) for d in over)


def _normalised(p: Array) -> Array:
    """Probabilities that sum to one over all axes but the first; zeros for an empty slot of a cluster."""
    total = np.sum(p, axis=tuple(range(1, np.ndim(p))), keepdims=True)
    return np.asarray(p) / np.where(total > 0, total, 1.0)


def effects_at_nodes(data: Problem, theta: Array, mode=None) -> dict[str, xr.DataArray]:
    """Evaluate each effect at the nodes, or at the values that were sampled, of `data`: on the user's scale."""
    made = LogLikelihood(data, mode).effects(theta)
    named = {e.name: made[f"effect:{e.name}"] for e in data.model.effects}
    at_nodes = {k: xr.DataArray(x.values, dims=x.dims) for k, x in named.items()}
    return data.recoding.effects_to_user(at_nodes, data.natural(theta))


def effect_posteriors(data: Problem, theta: Array, mode=None) -> dict[str, tuple[Array, Array]]:
    """EAP and posterior SD of each integrated effect at its level: sums over the posterior of the nodes.

    Where the distribution of an effect depends on a class, or on effects of another level, the sum is over these as
    well. Nodes of a closed form have derivatives for weights: sums of them are exact for a linear function of the
    effects, and for its square.
    """
    out: dict[str, tuple[Array, Array]] = {}
    at_nodes = effects_at_nodes(data, theta, mode)
    for e in data.model.effects:
        if not {f"log_weight_{e.level}", f"curve_{e.level}"} & {*data.arrays}:
            continue
        x = at_nodes[e.name]
        others = [str(d) for d in x.dims if str(d).startswith("node_") or d in {c.name for c in data.model.classes}]
        probe = (e.level, *dict.fromkeys([f"node_{e.level}", *others]))
        (weights,) = LogLikelihood(data, mode).posterior(theta, probe)
        w = xr.DataArray(np.asarray(weights), dims=probe)
        over = [d for d in dict.fromkeys((*probe, *x.dims)) if d != e.level]
        mean = (w * x).sum(over)
        variance = (w * x**2).sum(over) - mean**2
        out[e.name] = (mean.values, np.sqrt(np.maximum(variance.values, 0.0)))
    return out


@dataclass(frozen=True)
class Memberships:
    """Class probabilities of every unit over the nodes of its effects, and the posterior of the nodes.

    Attributes
    ----------
    probability : array (unit, node, class)
        P(C = c | effects), (30), (34); of items alike, or averaged over the items.
    weight : array (unit, node)
        Posterior probabilities of the nodes.
    """

    probability: Array
    weight: Array

    def mean(self) -> Array:
        """Posterior means, (unit, class)."""
        return np.einsum("un,unc->uc", self.weight, self.probability)

    def sd(self) -> Array:
        """Posterior standard deviations, (unit, class)."""
        square = np.einsum("un,unc->uc", self.weight, self.probability**2)
        return np.sqrt(np.maximum(square - self.mean() ** 2, 0.0))

    def quantile(self, q: float) -> Array:
        """Posterior quantiles, (unit, class): between the nodes, linearly in their cumulative probability."""
        order = np.argsort(self.probability, axis=1)
        value = np.take_along_axis(self.probability, order, axis=1)
        weight = np.take_along_axis(np.broadcast_to(self.weight[..., None], value.shape), order, axis=1)
        middle = np.cumsum(weight, axis=1) - 0.5 * weight
        above = (middle < q).sum(axis=1, keepdims=True).clip(1, value.shape[1] - 1)
        low, high = (np.take_along_axis(middle, above - k, axis=1) for k in (1, 0))
        share = np.clip((q - low) / np.maximum(high - low, 1e-300), 0.0, 1.0)
        ends = [np.take_along_axis(value, above - k, axis=1) for k in (1, 0)]
        return (ends[0] + share * (ends[1] - ends[0]))[:, 0, :]

    def draw(self, rng: np.random.Generator) -> Array:
        """Class probabilities at one node a unit, drawn from the posterior: (unit, class)."""
        node = (np.cumsum(self.weight, axis=1) < rng.random(len(self.weight))[:, None]).sum(axis=1)
        return self.probability[np.arange(len(node)), np.minimum(node, self.weight.shape[1] - 1)]


def memberships(data: Problem, theta: Array, mode=None) -> dict[str, Memberships]:
    """Grades of membership of each individual in the classes of its responses, by class variable.

    `data` must not merge individuals of different clusters (see :func:`class_posteriors`).
    """
    classes = [c.name for c in data.model.classes_at("item")]
    if not classes or "log_weight_individual" not in data.arrays:
        return {}
    nodes = tuple(f"node_{k}" for k in ("individual", "cluster") if f"log_weight_{k}" in data.arrays)
    (found,) = LogLikelihood(data, mode).posterior(theta, ("individual", *nodes))
    weight = np.asarray(found).reshape(len(data.counts), -1)
    weight = _normalised(weight)
    made, sizes = LogLikelihood(data, mode).factors(theta), dict(zip(nodes, found.shape[1:], strict=True))
    out = {}
    for name in classes:
        x = made[f"class:{name}"]
        p = xr.DataArray(np.exp(x.values), dims=x.dims)
        p = p.mean([d for d in p.dims if d not in ("individual", "cluster", *nodes, name)])
        if "cluster" in p.dims:
            p = p.isel(cluster=xr.DataArray(data.arrays["cluster_of"].values, dims="individual"))
        p = p.expand_dims({d: n for d, n in {"individual": len(data.counts), **sizes}.items() if d not in p.dims})
        values = p.transpose("individual", *nodes, name).values
        out[name] = Memberships(values.reshape(*weight.shape, -1), weight)
    return out


@dataclass(frozen=True)
class Derived:
    """Functions of the parameters and their derivatives with respect to each entry of theta (stacked first)."""

    values: Mapping[str, xr.DataArray]
    slopes: Mapping[str, Array]

    def dataset(self) -> xr.Dataset:
        """The values with dims and coords."""
        return xr.Dataset(dict(self.values))

    def standard_errors(self, covariance: Array) -> xr.Dataset:
        """The delta method, sqrt(J V J') entry by entry; NaN where `covariance` is, and for correlations of 1."""
        out = {}
        for name, x in self.values.items():
            j = self.slopes[name].reshape(len(covariance), -1)
            variance = np.einsum("ik,ij,jk->k", j, covariance, j)
            out[name] = x.copy(data=np.sqrt(np.maximum(variance, 0.0)).reshape(x.shape))
            if x.attrs["scale"] == FISHER_Z.name:
                out[name] = out[name].where(np.abs(x) < 1 - 1e-6)
        return xr.Dataset(out)


def derive(data: Problem, theta: Array, mode=None) -> tuple[Derived, Derived, Derived]:
    """Natural parameters, probabilities of classes and item categories, and derived ones, with derivatives."""
    user = with_population_nodes(data.on_user_scale())
    quantities = LogLikelihood(user, mode).quantities
    slopes = _slopes(lambda at: quantities(data.user_theta(at)), theta)
    made, data = quantities(data.user_theta(theta)), user

    def of_group(group: Group) -> Derived:
        parts = {q.name: _in_order(q, made[q], slopes[q], data) for q in made if q.group == group}
        return Derived({n: x for n, (x, _) in parts.items()}, {n: s for n, (_, s) in parts.items()})

    return of_group("parameter"), of_group("probability"), of_group("derived")


def parameters_alone(data: Problem, theta: Array) -> Derived:
    """Natural parameters without derivatives."""
    values = data.natural(theta)
    named = {p.name: label(Named(p.dims, values[p.name]), data, parameter(p)) for p in data.model.parameters}
    return Derived(named, {k: np.full((len(theta), *x.shape), np.nan) for k, x in named.items()})


def _slopes(quantities: Callable[[Array], dict[Quantity, Named]], theta: Array) -> dict[Quantity, Array]:
    """Differentiate by each entry of theta, stacked first, by central differences (to ten digits)."""
    steps = 1e-5 * np.maximum(1.0, np.abs(theta))
    ends = [(quantities(theta + e), quantities(theta - e)) for e in np.diag(steps)]
    if not ends:
        return {n: np.zeros((0, *x.values.shape)) for n, x in quantities(theta).items()}
    return {
        n: np.stack([(up[n].values - down[n].values) / (2 * h) for (up, down), h in zip(ends, steps, strict=True)])
        for n in ends[0][0]
    }


def _in_order(q: Quantity, x: Named, slopes: Array, data: Problem) -> tuple[xr.DataArray, Array]:
    """A table with its dims in the order of all tables (a parameter as it is), and its derivatives."""
    shown = x.dims if q.group == "parameter" else ordered_dims(x.dims, data)
    axes = [x.dims.index(d) for d in shown]
    return label(Named(shown, x.values.transpose(axes)), data, q), slopes.transpose([0, *(k + 1 for k in axes)])


def tables(data: Problem, theta: Array, mode=None) -> dict[str, xr.DataArray]:
    """Probabilities of classes and item categories, and what else follows from the parameters, at theta."""
    user = with_population_nodes(data.on_user_scale())
    made, data = LogLikelihood(user, mode).quantities(data.user_theta(theta)), user
    found = {q: x for q, x in made.items() if q.group != "parameter"}
    return {q.name: label(x, data, q).transpose(*ordered_dims(x.dims, data)) for q, x in found.items()}


def tables_of(
    data: Problem, theta: Array, lead: tuple[str, ...], known: Collection[str] = ()
) -> dict[str, xr.DataArray]:
    """:func:`tables` at many points of theta, those in `known` left out.

    Parameters
    ----------
    theta : array (*lead, theta)
    lead : tuple of str
        Dims of the points, such as chain and draw.
    """
    theta, data = data.user_theta(theta), with_population_nodes(data.on_user_scale())
    graph = LogLikelihood(data)
    dims = {q: d for q, d in graph.quantity_dims().items() if q.group != "parameter" and q.name not in known}
    if not dims or not theta.size:
        return {}
    out, each = {}, [graph.quantities(theta[at]) for at in np.ndindex(*theta.shape[:-1])]
    for q, own in dims.items():
        x = np.stack([e[q].values for e in each]).reshape(*theta.shape[:-1], *each[0][q].values.shape)
        out[q.name] = label(Named((*lead, *own), x), data, q).transpose(*lead, *ordered_dims(own, data))
    return out


def label(x: Named, data: Problem, what: Quantity | None = None) -> xr.DataArray:
    """Give `x` the coords of its dims, and say `what` it is."""
    there = {**data.coords, RANDOM: random_names(data.model)}
    known = {d: there.get(d, there.get(d.removesuffix("_"))) for d in x.dims}
    coords = {d: list(v) for d, v in known.items() if v is not None}
    return xr.DataArray(x.values, dims=x.dims, coords=coords, attrs=what.attrs if what else None)


def ordered_dims(dims: tuple[str, ...], data: Problem) -> tuple[str, ...]:
    """Classes first, categories last: one order for all tables."""
    names = [d for c in data.model.classes for d in (c.name, *labels.common(data.model, c.name))]
    classes = [d for d in dict.fromkeys(names) if d in dims]
    last = [r.category_dim for r in data.model.responses if r.category_dim in dims][:1]
    return (*classes, *(d for d in dims if d not in (*classes, *last)), *last)


def probability_table(key: str, dims: tuple[str, ...], data: Problem) -> tuple[Quantity, tuple[str, ...]] | None:
    """The table in which a factor is shown on the probability scale, and its dims there; None where it is not."""
    kind, _, what = key.partition(":")
    if kind == "class":
        (c,) = [c for c in data.model.classes if c.name == what]
        beside = {k.name for k in data.model.classes_at(c.level)} - {what}
        return (transition if beside & set(dims) else class_size)(c), dims
    (r,) = [r for r in data.model.responses if r.name == what] or (None,)
    shown = None if kind != "response" or r is None else item_probability(data.model, r, dims)
    return None if shown is None else (shown[0], tuple(shown[1].get(d, d) for d in dims))
