"""Items over a factor: category probabilities and Fisher information, from the graph's own tables of responses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from pytensor import config
from pytensor import xtensor as px

from bayesmix.data import family_constants
from bayesmix.graph import pytensor_mode, response_table
from bayesmix.parallel import COMPILING
from bayesmix.results.estimates import Estimates
from bayesmix.results.fit import Fit
from bayesmix.results.responses import covariate_means
from bayesmix.spec import GROUP, Model, Response, lower, tails, takes_level
from bayesmix.typing import Array

POINTS, DRAWS = 401, 200
"""Of a curve: points; draws of a posterior."""
PROBABILITY_FLOOR = 1e-200
"""A probability below this tells nothing of the factor."""
INTERVAL = ("_lower", "_upper")
"""Of a posterior: endings of names of the quantiles that make an interval."""

CONCATENATION: dict[str, Any] = {"data_vars": "all", "coords": "minimal", "compat": "override", "join": "outer"}
"""Of items with other categories and classes: what one of them has not is missing."""


@takes_level
def item_curves(
    result: Fit | xr.DataTree, df: pd.DataFrame | None = None, limit: float = 4.0, *, level: float | None = None
) -> xr.Dataset:
    """Characteristic curves and information of items over the factors they measure, (36), (38), (42).

    For item j over factor eta in class c, the other factors at zero,

        P_k(eta) = P(y_j = k | eta, C = c),
        I_j(eta) = sum_k P_k'(eta)^2 / P_k(eta),        I(eta) = sum_j I_j(eta),        SE(eta) = 1 / sqrt(I(eta)).

    Parameters
    ----------
    result : Fit or xarray.DataTree
        A fit; of a posterior the numbers are means over (200 of) its draws, with equal-tailed intervals.
    df : pandas.DataFrame, optional
        The data: covariates of items are at their means then, else at zero.
    limit : float
        The factor goes from -limit to limit, in SDs of its standard normal residual (in the last class).
    level : float, optional
        Of the intervals; 0.95 if left out.

    Returns
    -------
    xarray.Dataset
        Dims are `factor`, `item`, observed groups and the class variables on which any of the items depends,
        `category` (numbers from one) and `eta`, the factor. `probability` has them all, `information` no category,
        `test_information` and `standard_error`, of the factor given the class, no item and no category: in a mixture
        nobody knows the class
        for sure. `answer` (item, category) is the text of each category. NaN (or empty) where an item does not
        measure the factor, or has no such category. Of a posterior each number has `_lower` and `_upper` beside it.

    Raises
    ------
    ValueError
        A limit that is not positive; no binary, ordinal or nominal item loads on a factor of individuals.

    Examples
    --------
    >>> curves = bm.item_curves(item_response)
    >>> sorted(curves["probability"].dims)[:2]
    ['category', 'eta']
    """
    estimates = Estimates.of(result)
    model = estimates.model
    if not 0 < limit < np.inf:
        raise ValueError(f"The limit came as {limit!r}: give a positive number of SDs, e.g. 4.")
    tables = _Tables(result, estimates, {} if df is None else covariate_means(result, df))
    eta = np.linspace(-limit, limit, POINTS)
    factors = [f for f in (_over_factor(tables, e.name, eta) for e in model.factors) if f is not None]
    if not factors:
        raise ValueError(
            "There is nothing to draw: no binary, ordinal or nominal item loads on a factor of individuals, as items "
            "do in bm.models.irt_3pl, fma and fma_gom."
        )
    curves = xr.concat(factors, "factor", **CONCATENATION)
    names = item_names(model)
    answers = {i: tables.answers(r, k) for r in model.distinct_responses for k, i in enumerate(names[r.name])}
    curves = curves.reindex(item=[i for i in answers if i in curves["item"]])
    text = [[*answers[i], *[""] * curves.sizes["category"]][: curves.sizes["category"]] for i in curves["item"].values]
    classes = [d for d in (GROUP, *(c.name for c in model.classes)) if d in curves.dims]
    ordered = curves.transpose("factor", "item", *classes, "category", "eta")
    return ordered.assign(answer=(("item", "category"), np.array(text)))


def _over_factor(tables: _Tables, factor: str, eta: Array) -> xr.Dataset | None:
    """Lay out the items that measure `factor` at the values `eta`; None where there is none of them."""
    each = [x for r in tables.estimates.model.distinct_responses for x in tables.items(r, factor, eta)]
    if not each:
        return None
    informations = [_information(p) for p in each]
    total = sum(informations[1:], informations[0])
    parts = [
        xr.Dataset(_summary("probability", p) | _summary("information", x))
        for p, x in zip(each, informations, strict=True)
    ]
    test = _summary("test_information", total) | _summary("standard_error", total.clip(min=1e-12) ** -0.5)
    items = xr.concat(parts, "item", **CONCATENATION)
    return items.assign(test).assign_coords(factor=factor)


def _information(p: xr.DataArray) -> xr.DataArray:
    """Take the Fisher information of category probabilities `p` at each point of `eta`."""
    slope = np.gradient(p.values, p["eta"].values, axis=p.dims.index("eta"), edge_order=2)
    # where a probability has run to zero its term is 0 / 0, and tends to zero
    return (p.copy(data=slope) ** 2 / p.clip(min=PROBABILITY_FLOOR)).where(p > PROBABILITY_FLOOR, 0.0).sum("category")


def _summary(name: str, x: xr.DataArray) -> dict[str, xr.DataArray]:
    """Average `x` over its draws, and take the ends of their interval where there are several."""
    out = {name: x.mean("draw")}
    if x.sizes["draw"] > 1:
        ends = zip(INTERVAL, tails(), strict=True)
        out |= {f"{name}{ending}": x.quantile(q, "draw").drop_vars("quantile") for ending, q in ends}
    return out


def item_names(model: Model) -> dict[str, list[str]]:
    """Name the items of each response of `model` as results do; by their columns where occasions share these names."""
    labels = {r.name: [str(i) for i in r.labels or r.items] for r in model.distinct_responses}
    every = [i for names in labels.values() for i in names]
    if len(set(every)) == len(every):
        return labels
    return {r.name: [str(i) for i in r.items] for r in model.distinct_responses}


@dataclass(frozen=True)
class _Tables:
    """The graph's tables of responses at a solution.

    Attributes
    ----------
    result : Fit or xarray.DataTree
        The solution.
    estimates : Estimates
        What it says.
    means : mapping of str to xarray.DataArray
        Means of covariates by design matrix; zero for those that are missing.
    """

    result: Fit | xr.DataTree
    estimates: Estimates
    means: Mapping[str, xr.DataArray]

    def items(self, r: Response, factor: str, eta: Array) -> Iterator[xr.DataArray]:
        """Category probabilities (draw, classes, category, eta) of each item of `r` that moves with `factor`."""
        if not r.family.finite or not any(factor in t.effects for t in r.predictor):
            return
        classes = self.estimates.model.classes
        table = self._probabilities(r, factor, eta)
        table = table.isel({c.name: 0 for c in classes if c.name in table.dims and c.size == 1}, drop=True)
        for k, name in enumerate(item_names(self.estimates.model)[r.name]):
            p = table.isel({r.item_dim: k}, drop=True) if r.item_dim in table.dims else table
            p = p.isel(category=slice(0, len(self.answers(r, k))))
            if float((p.max("eta") - p.min("eta")).max()) > 0:
                yield p.assign_coords(item=name)

    def answers(self, r: Response, k: int) -> list[str]:
        """Text of the categories of item `k` of `r`."""
        return [str(c) for c in self.estimates.categories.get(str(r.items[k]), (0, 1))]

    def _probabilities(self, r: Response, factor: str, eta: Array) -> xr.DataArray:
        """Evaluate the table of `r` over (draw, category, eta, ...), other effects than `factor` at zero."""
        arrays = {t.parameter.name: _draws(self.result, t.parameter.name, t.parameter.dims) for t in r.terms}
        values = {k: px.as_xtensor(x.values, dims=[str(d) for d in x.dims]) for k, x in arrays.items()}
        effects = {e: px.as_xtensor(np.zeros(())) for t in r.terms for e in t.effects}
        symbolic = response_table(r, values, self._data(r), effects | {factor: px.as_xtensor(eta, dims=("eta",))})
        with COMPILING, config.change_flags(cxx=""):
            numeric = np.asarray(lower(symbolic.values).eval(mode=pytensor_mode("NUMPY")))
        out = xr.DataArray(np.exp(numeric), dims=symbolic.dims).rename(feature="category")
        out = out.assign_coords(eta=eta, category=np.arange(1, out.sizes["category"] + 1))
        sizes = {c.name: c.size for c in self.estimates.model.classes if c.name in out.dims}
        groups = {d: x[d].values for x in arrays.values() for d in x.dims if d == GROUP}
        return out.assign_coords({k: np.arange(1, n + 1) for k, n in sizes.items()} | groups)

    def _data(self, r: Response) -> dict[str, Any]:
        """Means of covariates, and what the family of `r` is told of the items."""
        out: dict[str, Any] = {}
        for c, t in ((t.covariates, t) for t in r.terms if t.covariates):
            name, p = c.name, _draws(self.result, t.parameter.name, t.parameter.dims)
            x = self.means[c.key].values if c.key in self.means else np.zeros(p.sizes[name])
            out[c.key] = px.as_xtensor(x, dims=(name,))
        responses = self.estimates.model.responses
        n = {s.name: [len(self.answers(s, k)) for k in range(len(s.items))] for s in responses}
        width = max(max(n[s.name]) for s in responses if s.category_dim == r.category_dim)
        constants = family_constants(r, None, np.array(n[r.name]), width)
        return out | {f"{r.name}:{k}": px.as_xtensor(v.values, dims=v.dims) for k, v in constants.items()}


def _draws(result: Fit | xr.DataTree, name: str, dims: tuple[str, ...]) -> xr.DataArray:
    """Read a parameter over (draw, its dims): one draw of a fit, some of a posterior."""
    if isinstance(result, Fit):
        return result.params[name].transpose(*dims).expand_dims("draw")
    x = result["posterior"].to_dataset()[name]
    flat = x.stack(draws=("chain", "draw"), create_index=False).transpose("draws", *dims)  # noqa: PD013
    some = np.unique(np.linspace(0, flat.sizes["draws"] - 1, DRAWS).astype(int))
    return flat.isel(draws=some).drop_vars(["chain", "draw"]).rename(draws="draw")
