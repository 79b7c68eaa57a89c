"""Posterior quantities of a fitted model, as gradients and factors of the graph.

The gradient of the log-likelihood with respect to a log factor of zeros is the posterior probability
of what it indexes: a class, a pair of classes, a node.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayesmix.data import as_frame, check_coords, coding_of
from bayesmix.graph.compile import LogLikelihood
from bayesmix.graph.integration import has_weights, is_node, node_dims
from bayesmix.graph.nodes import (
    ROUGH,
    adapt_nodes,
    audit_error,
    audit_nodes,
    audit_words,
    refine_nodes,
    with_population_nodes,
)
from bayesmix.graph.outcomes import for_individuals
from bayesmix.graph.problem import Problem, prepare
from bayesmix.graph.unit_classes import distinct, normalised, over_points
from bayesmix.graph.variance_components import random_names
from bayesmix.spec import (
    FISHER_Z,
    GROUP,
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
    size_by,
    transition,
)
from bayesmix.spec import class_labels as labels
from bayesmix.typing import Array


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
        more than 0.002. A change by more than 0.1 from the nodes that were used to finer ones is said.
    units : bool
        One value a cluster (or a row of the data, for a single-level model) instead of their sum.

    Returns
    -------
    float or pandas.Series
        Rows without answers have NaN; frequency weights, and those of a survey, are not applied to the values of rows
        (nor those of clusters to clusters). Their sum is the pseudo log-likelihood, where there is the design of one.

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
    effects, and for its square. Of points stacked along leading axes of theta (draws of a posterior) they are those
    of the mixture of their distributions: the variance has in it how the means differ between the points.
    """
    moments = [_effect_moments(data, at, mode) for at in over_points(theta)]
    out: dict[str, tuple[Array, Array]] = {}
    for name in moments[0] if moments else ():
        mean, square = np.mean([m[name][:2] for m in moments], axis=0)
        out[name] = mean + moments[0][name][2], np.sqrt(np.maximum(square - mean**2, 0.0))
    return out


def _effect_moments(data: Problem, theta: Array, mode) -> dict[str, tuple[Array, Array, float]]:
    """Posterior means of each integrated effect, less an origin, and of the square of this; the origin."""
    out: dict[str, tuple[Array, Array, float]] = {}
    at_nodes = effects_at_nodes(data, theta, mode)
    for e in data.model.effects:
        if not node_dims(e.level, data.arrays):
            continue
        x, origin = at_nodes[e.name], 0.0
        if e.column is not None:  # far from zero a variance would be a difference of large numbers
            origin = float(data.arrays[f"fill:{e.column}"].values)
            x = x - origin
        probe = (e.level, *(str(d) for d in x.dims if is_node(str(d)) or d in {c.name for c in data.model.classes}))
        (weights,) = LogLikelihood(data, mode).posterior(theta, probe)
        w = xr.DataArray(normalised(np.asarray(weights)), dims=probe)
        over = [d for d in dict.fromkeys((*probe, *x.dims)) if d != e.level]
        mean, square = (w * x).sum(over).values, (w * x**2).sum(over).values
        if e.column is not None:
            square = np.where(data.arrays[f"there:{e.column}"].values > 0, mean**2, square)
        out[e.name] = mean, square, origin
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
        return self.quantiles([q])[0]

    def quantiles(self, several: Sequence[float]) -> list[Array]:
        """Several of them, with the nodes put in order once."""
        order = np.argsort(self.probability, axis=1)
        value = np.take_along_axis(self.probability, order, axis=1)
        weight = np.take_along_axis(np.broadcast_to(self.weight[..., None], value.shape), order, axis=1)
        middle, out = np.cumsum(weight, axis=1) - 0.5 * weight, []
        for q in several:
            above = (middle < q).sum(axis=1, keepdims=True).clip(1, value.shape[1] - 1)
            low, high = (np.take_along_axis(middle, above - k, axis=1) for k in (1, 0))
            share = np.clip((q - low) / np.maximum(high - low, 1e-300), 0.0, 1.0)
            ends = [np.take_along_axis(value, above - k, axis=1) for k in (1, 0)]
            out.append((ends[0] + share * (ends[1] - ends[0]))[:, 0, :])
        return out

    def draw(self, rng: np.random.Generator) -> Array:
        """Class probabilities at one node a unit, drawn from the posterior: (unit, class)."""
        node = (np.cumsum(self.weight, axis=1) < rng.random(len(self.weight))[:, None]).sum(axis=1)
        return self.probability[np.arange(len(node)), np.minimum(node, self.weight.shape[1] - 1)]


def memberships(data: Problem, theta: Array, mode=None) -> dict[str, Memberships]:
    """Grades of membership of each individual in the classes of its responses, by class variable.

    Of points stacked along leading axes of theta the nodes of all of them, each with its share: the posterior of the
    mixture. `data` must not merge individuals of different clusters (see :func:`class_posteriors`).
    """
    each = [_memberships(data, at, mode) for at in over_points(theta)]
    return (
        {
            k: Memberships(
                *(
                    np.concatenate([m[k].probability for m in each], axis=1),
                    np.concatenate([m[k].weight for m in each], axis=1) / len(each),
                )
            )
            for k in each[0]
        }
        if len(each) > 1
        else each[0]
    )


def _memberships(data: Problem, theta: Array, mode) -> dict[str, Memberships]:
    """Grades of membership at one point."""
    classes = [c.name for c in data.model.classes_at("item")]
    if not classes or not has_weights("individual", data.arrays):
        return {}
    integrated = (k for k in ("individual", "cluster") if has_weights(k, data.arrays))
    nodes = tuple(d for k in integrated for d in node_dims(k, data.arrays))
    (found,) = LogLikelihood(data, mode).posterior(theta, ("individual", *nodes))
    weight = np.asarray(found).reshape(len(data.counts), -1)
    weight = normalised(weight)
    made, sizes = LogLikelihood(data, mode).factors(theta), dict(zip(nodes, found.shape[1:], strict=True))
    out = {}
    for name in classes:
        x = made[f"class:{name}"]
        p = xr.DataArray(np.exp(x.values), dims=x.dims)
        p = for_individuals(
            p.mean([d for d in p.dims if d not in ("individual", "cluster", GROUP, *nodes, name)]), data
        )
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
    steps = 1e-5 * np.maximum(1.0, np.abs(theta))
    points = theta + np.concatenate([np.zeros((1, len(theta))), np.diag(steps), -np.diag(steps)])
    found, n = LogLikelihood(user, mode).quantities(data.user_theta(points)), len(theta)
    made = {q: Named(x.dims[1:], x.values[0]) for q, x in found.items()}
    slopes = {q: _slopes(x.values[1 : n + 1], x.values[n + 1 :], steps) for q, x in found.items()}
    data = user

    def of_group(group: Group) -> Derived:
        parts = {q.name: _in_order(q, made[q], slopes[q], data) for q in made if q.group == group}
        return Derived({n: x for n, (x, _) in parts.items()}, {n: s for n, (_, s) in parts.items()})

    return of_group("parameter"), of_group("probability"), of_group("derived")


def parameters_alone(data: Problem, theta: Array) -> Derived:
    """Natural parameters without derivatives."""
    values = data.natural(theta)
    named = {p.name: label(Named(p.dims, values[p.name]), data, parameter(p)) for p in data.model.parameters}
    return Derived(named, {k: np.full((len(theta), *x.shape), np.nan) for k, x in named.items()})


def _slopes(up: Array, down: Array, steps: Array) -> Array:
    """Differentiate by each entry of theta, stacked first, by central differences (to ten digits)."""
    return (up - down) / (2 * steps.reshape(-1, *(1,) * (up.ndim - 1)))


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
    points, which, _ = distinct(theta)
    out, found = {}, graph.quantities(points)
    for q, own in dims.items():
        x = found[q].values[which]
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
    classes = [d for d in dict.fromkeys([GROUP, *names]) if d in dims]
    last = [r.category_dim for r in data.model.responses if r.category_dim in dims][:1]
    return (*classes, *(d for d in dims if d not in (*classes, *last)), *last)


def probability_table(key: str, dims: tuple[str, ...], data: Problem) -> tuple[Quantity, tuple[str, ...]] | None:
    """The table in which a factor is shown on the probability scale, and its dims there; None where it is not."""
    kind, _, what = key.partition(":")
    if kind == "class":
        (c,) = [c for c in data.model.classes if c.name == what]
        beside = {k.name for k in data.model.classes_at(c.level)} & ({*dims} - {what})
        above = [g.name for g in data.model.lasting if g.name in beside]
        return (transition(c) if {*above} < beside else size_by(c, above[0]) if above else class_size(c)), dims
    (r,) = [r for r in data.model.responses if r.name == what] or (None,)
    shown = None if kind != "response" or r is None else item_probability(data.model, r, dims)
    return None if shown is None else (shown[0], tuple(shown[1].get(d, d) for d in dims))
