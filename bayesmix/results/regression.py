"""The coefficients of each cluster in a two-level regression: what is common to all of them, and their random parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmix.data import as_frame, check_coords, coding_of
from bayesmix.data.design import design
from bayesmix.graph import LogLikelihood, Problem, at_rest, effects_at_nodes, node_dims, prepare
from bayesmix.results.estimates import Estimates
from bayesmix.results.fit import Fit
from bayesmix.spec import Covariates, Model, Named, Predictor, Response, Term, by_effect, parameter_of
from bayesmix.typing import Array

Arrays = Mapping[str, xr.DataArray]
DRAWS = 100
"""Draws of a posterior that are averaged: they are as good as independent, and each costs an evaluation."""


def coefficients(result: Fit | xr.DataTree, df: pd.DataFrame) -> pd.DataFrame:
    """Empirical Bayes coefficients of each cluster: means and SDs given its data.

    For cluster j with n_j individuals i of the classes C_ij (and the class D_j of its own, if there are such) the
    coefficient k is

        beta_kj = (1 / n_j) sum_i gamma_k(C_ij, D_j) + gamma_k1 w_j + u_kj,              R(11)-R(12), R(20)-R(22)

    with random part u_kj and covariates of clusters w_j. What depends on classes is averaged over the individuals:
    each counts in each class with its posterior probability.

    Parameters
    ----------
    result : Fit or xarray.DataTree
        Of a two-level regression, such as `bm.models.regression_mixture`. At the estimates of a fit mean and SD are
        over the posterior of u_j, C_ij and D_j; of a posterior with sampled effects they are over (100 of) its draws
        as well, so that the SD has in it what is not known of the parameters.
    df : pandas.DataFrame
        The data; for a fit also those of other clusters, which are coded as those of the fit were.

    Returns
    -------
    pandas.DataFrame
        A row a cluster, by its label. For each term k of the regression, ``"1"`` for the intercept: `k`, the mean of
        beta_kj; `k sd`, its posterior SD (zero where nothing of it is random); `k fixed`, the mean without u_kj. Then
        for each class variable the mean of the posterior probabilities of the cluster's individuals, `C=1`, `C=2`.
        Coefficients are in units of the outcome (on the logit, probit or log scale of its family) per unit of the
        column; an ordinal outcome has thresholds in place of the common intercept. Of several outcomes the names
        begin with the outcome: ``"y1: x"``, ``"y1: x sd"``.

    Raises
    ------
    ValueError
        The model is no regression with a cluster column; the data are of another model; the posterior has no sampled
        effects, or those of other clusters.

    Examples
    --------
    >>> table = bm.coefficients(regression, df)
    >>> len(table)
    20
    """
    model = Estimates.of(result).model
    check_two_level_regression(model)
    df = as_frame(df)
    if isinstance(result, Fit):
        data = prepare(
            model, df, result.nodes or None, collapse=False, coding=coding_of(model, cast(Any, result.params), df)
        )
        check_coords(result.params, model, data.coords)
        theta = data.pack({str(k): v.values for k, v in result.params.items()})
        moments = _Regression.of(data, df).moments(at_rest(data, theta), theta)
    else:
        moments = _over_draws(model, result, df)
    return moments.table()


def check_two_level_regression(model: Model) -> None:
    """Refuse a `model` of items that are no outcomes, without clusters, or with effects of individuals in them.

    Raises
    ------
    ValueError
        It is no such regression.
    """
    within = {e.name for e in model.effects_at("individual")}
    one = len(model.items) == 1 or all(r.of_outcomes for r in model.responses)
    if not one or not model.two_level or any(within & {*t.effects} for r in model.responses for t in r.predictor):
        raise ValueError("Coefficients of clusters belong to a regression with a cluster column.")


@dataclass(frozen=True)
class _Moments:
    """Posterior moments of the coefficients, a row a cluster.

    Attributes
    ----------
    mean, variance, fixed : pandas.DataFrame
        Of each term.
    classes : pandas.DataFrame
        Class probabilities.
    """

    mean: pd.DataFrame
    variance: pd.DataFrame
    fixed: pd.DataFrame
    classes: pd.DataFrame

    def table(self) -> pd.DataFrame:
        """Lay the moments out, those of a term beside each other."""
        sd = np.sqrt(self.variance.clip(lower=0.0))
        parts = {"": self.mean, " sd": sd, " fixed": self.fixed}
        return pd.DataFrame({f"{k}{what}": x[k] for k in self.mean for what, x in parts.items()}).join(self.classes)


@dataclass(frozen=True)
class _Regression:
    """The data of a regression, with the covariates of clusters that its coefficients have."""

    data: Problem
    between: Arrays

    @classmethod
    def of(cls, data: Problem, df: pd.DataFrame) -> _Regression:
        return cls(data, dict(_between(data, df)))

    def moments(self, data: Problem, theta: Array) -> _Moments:
        """Take posterior moments at `theta` over the states of `data`: the classes, and the nodes if it has some.

        `data` are those of the regression, with nodes or sampled effects of their own.
        """
        values = {k: xr.DataArray(x, dims=self._dims[k]) for k, x in data.natural(theta).items()}
        states = _States.of(data, theta)
        effects, whole, fixed = effects_at_nodes(data, theta), {}, {}
        for r in data.model.responses:
            for k in range(len(r.items)):
                whole |= self._coefficients(r, k, r.predictor, values, effects)
                fixed |= self._coefficients(r, k, tuple(t for t in r.predictor if not t.effects), values, {})
        moments = {k: states.moments(x) for k, x in whole.items()}
        means = {k: states.mean(fixed[k]) if k in fixed else 0.0 for k in whole}
        tables = ({k: x for k, (x, _) in moments.items()}, {k: x for k, (_, x) in moments.items()}, means)
        index = pd.Index(data.clusters or (), name=data.model.cluster)
        return _Moments(*(pd.DataFrame(x, index=index) for x in (*tables, states.classes())))

    @property
    def _dims(self) -> dict[str, tuple[str, ...]]:
        return {p.name: p.dims for p in self.data.model.parameters}

    def _coefficients(
        self, r: Response, place: int, predictor: Predictor, values: Arrays, effects: Arrays
    ) -> dict[str, xr.DataArray]:
        """Add up the terms of `predictor` that belong to the same coefficient, over clusters, classes and nodes.

        Of the outcome at a place of `r`: with its name, where there are several.
        """
        out: dict[str, xr.DataArray] = {}
        prefix = f"{r.items[place]}: " if r.of_outcomes else ""
        for t in (t for t in predictor if r.has(t, place)):
            x = parameter_of(t, values)
            if t.effects:
                x = sum((part * effects[e] for e, part in by_effect(t, values)), xr.DataArray(0.0))
            x = x.isel({r.item_dim: place}, drop=True) if r.of_outcomes and r.item_dim in x.dims else x
            for column, part in self._columns(t, x):
                k = f"{prefix}{column}"
                out[k] = out[k] + part if k in out else part
        return out

    def _columns(self, t: Term, x: xr.DataArray) -> Iterator[tuple[str, xr.DataArray]]:
        """Part `x`, the parameter of `t` times its effects, among the coefficients that its columns belong to."""
        if t.covariates is None:
            yield "1", x
        elif t.covariates.name in self.between:
            yield t.covariates.times or "1", (x * self.between[t.covariates.name]).sum(t.covariates.name)
        elif not t.covariates.offset:
            for k, column in enumerate(self.data.coords[t.covariates.name]):
                yield str(column), x.isel({t.covariates.name: k}, drop=True)


def _between(data: Problem, df: pd.DataFrame) -> Iterator[tuple[str, xr.DataArray]]:
    """Make the design matrices of clusters, (cluster, column): those of the slopes' regressions too."""
    for t in (t for r in data.model.responses for t in r.predictor):
        c = t.covariates
        if c is not None and (c.level == "cluster" or c.times):
            coding = data.coding.designs.get(c.name)
            plain = Covariates(c.name, c.formula, "cluster")
            x = design(plain, df, data.pattern_of >= 0, data.cluster_of_row, coding=coding, check=False)
            yield c.name, xr.DataArray(x.values, dims=("cluster", c.name))


@dataclass(frozen=True)
class _States:
    """The posterior of what a coefficient depends on: classes of individuals and clusters, nodes of the effects.

    Attributes
    ----------
    data : Problem
        One pattern an individual (or several that are equal in all, by a frequency).
    within : tuple of str
        Class variables of individuals.
    p : xarray.DataArray (individual, *classes, *nodes of clusters)
        Posterior probabilities; without classes of individuals those of clusters stand in place of them. A closed
        form has derivatives for probabilities of its nodes, exact for means and squares of what is linear there.
    """

    data: Problem
    within: tuple[str, ...]
    p: xr.DataArray

    @classmethod
    def of(cls, data: Problem, theta: Array) -> _States:
        within = tuple(c.name for c in data.model.classes_at("individual"))
        above = [c.name for c in data.model.classes_at("cluster")]
        above += node_dims("cluster", data.arrays)
        dims = ("individual" if within else "cluster", *above, *within)
        if len(dims) == 1:
            return cls(data, within, xr.DataArray(np.ones(len(data.clusters or ())), dims=dims))
        (found,) = LogLikelihood(data).posterior(theta, dims)
        p = xr.DataArray(np.asarray(found), dims=dims)
        return cls(data, within, p / p.sum(dims[1:]))

    def mean(self, x: xr.DataArray) -> Array:
        """Average `x` over the states of each cluster, (cluster)."""
        return self._sum(self.by_cluster, x)

    def moments(self, x: xr.DataArray) -> tuple[Array, Array]:
        """Mean and variance of `x` in each cluster, two arrays (cluster).

        Given the class and the effects of the cluster, the classes of its individuals are independent: the mean over
        them has the variance of one, over their number.
        """
        mean = self._sum(self.by_cluster, x)
        inside = [d for d in self.within if d in x.dims]
        if not inside:
            return mean, self._sum(self.by_cluster, x**2) - mean**2
        every = self.by_cluster.sum([d for d in self.within if d not in inside])
        above = every.sum(inside)
        given = _ratio((every * x).sum(inside), above)
        spread = _ratio((every * x**2).sum(inside), above) - self._mean_square(x, inside)
        n = xr.DataArray(self._weights, dims="cluster")
        return mean, self._sum(above, given**2 + spread / n) - mean**2

    def _mean_square(self, x: xr.DataArray, inside: list[str]) -> xr.DataArray:
        """Mean over the individuals of a cluster of the squared expectation of `x`, given the states above them."""
        p = self.p.sum([d for d in self.within if d not in inside])
        mine = x.isel(cluster=xr.DataArray(self._owner, dims="individual")) if "cluster" in x.dims else x
        return self._averaged(_ratio((p * mine).sum(inside), p.sum(inside)) ** 2)

    def classes(self) -> dict[str, Array]:
        """Class probabilities of each class variable with several classes, averaged over each cluster."""
        names = [c.name for c in self.data.model.classes if c.level != "item" and c.size > 1]
        found = {k: self.by_cluster.sum([d for d in self.by_cluster.dims if d not in ("cluster", k)]) for k in names}
        return {
            f"{name}={label}": x.isel({name: k}).values
            for name, x in found.items()
            for k, label in enumerate(self.data.coords[name])
        }

    @property
    def by_cluster(self) -> xr.DataArray:
        """The posterior averaged over the individuals of each cluster."""
        return self._averaged(self.p) if "individual" in self.p.dims else self.p

    @property
    def _owner(self) -> NDArray[np.int64]:
        """The cluster of each individual."""
        return self.data.cluster_of_row[self.data.pattern_of >= 0]  # pyright: ignore[reportOptionalSubscript]

    @property
    def _weights(self) -> Array:
        """The number of individuals of each cluster."""
        return np.bincount(self._owner, self.data.counts, len(self.data.clusters or ()))

    def _averaged(self, x: xr.DataArray) -> xr.DataArray:
        """Average `x` over the individuals of each cluster, by their frequencies."""
        flat = x.transpose("individual", ...)
        column = (-1, *[1] * (flat.ndim - 1))
        total = np.zeros((len(self._weights), *flat.shape[1:]))
        np.add.at(total, self._owner, flat.values * self.data.counts.reshape(column))
        return xr.DataArray(total / self._weights.reshape(column), dims=("cluster", *flat.dims[1:]))

    def _sum(self, p: xr.DataArray, x: xr.DataArray) -> Array:
        """Add up `x` times the probabilities `p` over everything but clusters."""
        total = p * x
        return total.sum([d for d in total.dims if d != "cluster"]).values


def _ratio(x: xr.DataArray, p: xr.DataArray) -> xr.DataArray:
    """Divide `x` by the probabilities `p`; zero where a state has none, as happens at nodes far off."""
    return x / p.where(p > 0, np.inf)


def _over_draws(model: Model, post: xr.DataTree, df: pd.DataFrame) -> _Moments:
    """Take the moments over some of the draws of a posterior, the effects as they were drawn.

    The variance is that of the means of the draws and the mean of their variances.
    """
    drawn = post["posterior_raw" if "posterior_raw" in post.children else "posterior"].to_dataset()
    if model.effects_at("cluster") and "z_cluster" not in drawn:
        raise ValueError("The posterior has no sampled effects: give bm.sample(..., effects='sample'), or the fit.")
    flat = drawn.stack(draws=("chain", "draw"), create_index=False).transpose("draws", ...)  # noqa: PD013
    sampled = tuple({e.level for e in model.effects})
    data = prepare(model, df, sampled=sampled, collapse=False).on_user_scale()
    regression, each = _Regression.of(data, df), []
    for s in np.unique(np.linspace(0, flat.sizes["draws"] - 1, DRAWS).astype(int)):
        at_draw = flat.isel(draws=s)
        theta = data.packing.pack({p.name: at_draw[p.name].values for p in model.parameters})
        each.append(regression.moments(_with_effects(data, at_draw), theta))
    mean = _average([m.mean for m in each])
    between = _average([(m.mean - mean) ** 2 for m in each])
    within, fixed, classes = (_average([getattr(m, k) for m in each]) for k in ("variance", "fixed", "classes"))
    return _Moments(mean, between + within, fixed, classes)


def _average(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Average tables of the same rows and columns, entry by entry."""
    return sum(tables[1:], tables[0]) / len(tables)


def _with_effects(data: Problem, at_draw: xr.Dataset) -> Problem:
    """Put the standard normal effects that were drawn into `data`."""
    arrays: dict[str, Any] = {}
    for key in (k for k in ("z_cluster", "z_individual") if k in data.arrays and k in at_draw):
        z, dims = at_draw[key].values, data.arrays[key].dims
        if len(z) != len(data.arrays[key].values):
            raise ValueError(
                f"The posterior has effects of {len(z)} {dims[0]}s, the data have {len(data.arrays[key].values)}: "
                "give the data that were sampled."
            )
        arrays[key] = Named(dims, z)
    return replace(data, arrays={**data.arrays, **arrays})
