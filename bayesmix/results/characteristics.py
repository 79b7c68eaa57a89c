"""Items over a factor: category probabilities and Fisher information, from the graph's own tables of responses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from pytensor import config
from pytensor import xtensor as px

from bayesmix.data.patterns import family_constants
from bayesmix.graph.engines import pytensor_mode
from bayesmix.graph.factor_variances import factors
from bayesmix.graph.likelihood import response_table
from bayesmix.parallel import COMPILING
from bayesmix.results.estimates import kept, names_of
from bayesmix.results.fit import Fit
from bayesmix.results.responses import covariate_means, stacked
from bayesmix.spec.model import Model, Response
from bayesmix.spec.parameters import lower

Array = NDArray[np.float64]
POINTS, DRAWS = 401, 200
"""Of a curve: points; draws of a posterior."""
TINY = 1e-200
"""A probability below this tells nothing of the factor."""


@dataclass(frozen=True)
class Characteristic:
    """An item over a factor.

    Attributes
    ----------
    item, factor : str
    eta : array (point,)
        Values of the factor; the others are at zero.
    classes : list of str
        ``"1"``, ``"C1=1, C2=2"``, or ``"all classes"``.
    categories : list of str
    p : array (draw, class, category, point)
        P(y = category | eta, class); one draw of a fit.
    """

    item: str
    factor: str
    eta: Array
    classes: list[str]
    categories: list[str]
    p: Array

    @property
    def binary(self) -> bool:
        """Whether there are two categories."""
        return len(self.categories) == 2

    @property
    def information(self) -> Array:
        """Fisher information I(eta) = sum_k P_k'(eta)^2 / P_k(eta), (draw, class, point)."""
        slope = np.gradient(self.p, self.eta, axis=-1, edge_order=2)
        return np.where(self.p > TINY, slope**2 / np.maximum(self.p, TINY), 0.0).sum(axis=2)


def characteristics(
    model: Model, result: Fit | xr.DataTree, df: pd.DataFrame | None = None, limit: float = 4.0
) -> list[Characteristic]:
    """Every item with categories over every factor it loads on.

    Parameters
    ----------
    model : Model
        What the template returned.
    result : Fit or xarray.DataTree
        Its solution.
    df : pandas.DataFrame, optional
        The data: covariates of items are at their means then, else at zero.
    limit : float
        The factor goes from -limit to limit, in SDs of its standard normal residual.

    Raises
    ------
    ValueError
        A result of another model; a limit that is not positive; no item with categories loads on a factor.
    """
    if gone := [p.name for p in model.parameters if p.name not in names_of(result)]:
        raise ValueError(f"The result has no parameter '{gone[0]}': it is not a solution of this model.")
    if not 0 < limit < np.inf:
        raise ValueError(f"The limit came as {limit!r}: give a positive number of SDs, e.g. 4.")
    eta = np.linspace(-limit, limit, POINTS)
    made = _Made(model, result, {} if df is None else covariate_means(model, df))
    out = [c for e in factors(model) for r in model.responses for c in made.curves(r, e.name, eta)]
    if not out:
        raise ValueError(
            "There is nothing to draw: no binary, ordinal or nominal item loads on a factor of individuals, as items "
            "do in bm.models.irt_3pl, fma and fma_gom."
        )
    return out


@dataclass(frozen=True)
class _Made:
    """The graph's inputs at the solution."""

    model: Model
    result: Fit | xr.DataTree
    means: Mapping[str, xr.DataArray]

    def curves(self, r: Response, factor: str, eta: Array) -> Iterator[Characteristic]:
        """Items of a response that move with the factor."""
        if not r.family.finite or not any(factor in t.effects for t in r.predictor):
            return
        table = self._table(r, factor, eta)
        classes = [c.name for c in self.model.classes if c.name in table.dims and c.size > 1]
        table = table.isel({c.name: 0 for c in self.model.classes if c.name in table.dims and c.size == 1})
        for k, item in enumerate(r.labels or r.items):
            here = table.isel({r.item_dim: k}) if r.item_dim in table.dims else table
            labels = self._categories(r, k)
            wide = stacked(here, classes, "draw", "feature", "eta").isel(feature=slice(0, len(labels)))
            p = np.exp(np.moveaxis(wide.values, -1, 1))
            if np.ptp(p, axis=-1).max() > 0:
                yield Characteristic(str(item), factor, eta, [str(c) for c in wide[wide.dims[-1]].values], labels, p)

    def _categories(self, r: Response, k: int) -> list[str]:
        known = kept(self.result).get("categories", {})
        return [str(c) for c in known.get(str(r.items[k]), (0, 1))]

    def _table(self, r: Response, factor: str, eta: Array) -> xr.DataArray:
        """The response's log probabilities over (draw, feature, eta, ...), other effects at zero."""
        terms = (*r.predictor, *r.auxiliary)
        arrays = {t.parameter.name: _draws(self.result, t.parameter.name, t.parameter.dims) for t in terms}
        values = {k: px.as_xtensor(x.values, dims=[str(d) for d in x.dims]) for k, x in arrays.items()}
        effects = {e: px.as_xtensor(np.zeros(())) for t in terms for e in t.effects}
        made = response_table(r, values, self._data(r), effects | {factor: px.as_xtensor(eta, dims=("eta",))})
        with COMPILING, config.change_flags(cxx=""):
            found = np.asarray(lower(made.values).eval(mode=pytensor_mode("NUMPY")))
        out = xr.DataArray(found, dims=made.dims)
        out = out.assign_coords({d: np.arange(out.sizes[d]) for d in ("draw", "feature", "eta")})
        return out.assign_coords({c.name: np.arange(1, c.size + 1) for c in self.model.classes if c.name in out.dims})

    def _data(self, r: Response) -> dict[str, Any]:
        """Means of covariates, and what the family knows of the items."""
        out: dict[str, Any] = {}
        for c, t in ((t.covariates, t) for t in (*r.predictor, *r.auxiliary) if t.covariates):
            name, p = c.name, _draws(self.result, t.parameter.name, t.parameter.dims)
            x = self.means[name].values if name in self.means else np.zeros(p.sizes[name])
            out[name] = px.as_xtensor(x, dims=(name,))
        n = {s.name: [len(self._categories(s, k)) for k in range(len(s.items))] for s in self.model.responses}
        width = max(max(n[s.name]) for s in self.model.responses if s.category_dim == r.category_dim)
        constants = family_constants(r, None, np.array(n[r.name]), width)
        return out | {f"{r.name}:{k}": px.as_xtensor(v.values, dims=v.dims) for k, v in constants.items()}


def _draws(result: Fit | xr.DataTree, name: str, dims: tuple[str, ...]) -> xr.DataArray:
    """A parameter over (draw, its dims): one draw of a fit, some of a posterior."""
    if isinstance(result, Fit):
        return result.params[name].transpose(*dims).expand_dims("draw")
    x = result["posterior"].to_dataset()[name]
    flat = x.stack(draws=("chain", "draw"), create_index=False).transpose("draws", *dims)  # noqa: PD013
    some = np.unique(np.linspace(0, flat.sizes["draws"] - 1, DRAWS).astype(int))
    return flat.isel(draws=some).drop_vars(["chain", "draw"]).rename(draws="draw")


def factor_axis(names: Sequence[str]) -> str:
    """The label of the axis of one factor, or of several panels."""
    return f"factor {names[0]}, in standard deviations" if len(names) == 1 else "factor, in standard deviations"


def class_word(k: str) -> str:
    """``Class 1``; ``C1=1, C2=2``."""
    return k if "=" in k else f"Class {k}"
