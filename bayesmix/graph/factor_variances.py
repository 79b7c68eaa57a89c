"""Items as item response theory has them: discrimination and difficulty; correlations and ICCs of factors."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from pytensor import xtensor as px

from bayesmix.graph.likelihood import Tensors, term
from bayesmix.graph.variance_components import of_effects
from bayesmix.spec import Model, Quantity, Term, square, walk
from bayesmix.spec.families import Tensor

LEAST = 1e-6
"""A loading below this has no difficulty."""


def item_response(model: Model, values: Tensors) -> Iterator[tuple[Quantity, Tensor]]:
    """Discriminations a = lambda (49) and difficulties b = -tau / lambda (50) of items on one factor.

    Of an ordinal item b_k = tau_k / lambda, for its thresholds. NaN of items on several factors; difficulties where a
    loading is zero too. (What is fixed is no part of the compiled graph: a pattern is told by its zeros.)
    """
    for r in model.responses:
        on = [t for t in r.predictor if t.effects]
        if not r.family.difficulties or len(on) != 1 or not _is_loading(model, on[0]):
            continue
        tau = [-values[t.parameter.name] for t in r.predictor if not (t.effects or t.covariates)]
        tau += [values[t.parameter.name] for t in r.auxiliary] if r.family.ordered else []
        a = _alone(values[on[0].parameter.name], on[0].effect_dim)
        yield Quantity(f"discrimination{r.suffix}", "discrimination", r.name), a
        if len(tau) == 1:
            some = px.math.gt(px.math.abs(a), LEAST)
            difficulty = px.math.where(some, tau[0] / px.math.where(some, a, 1.0), np.nan)
            yield Quantity(f"difficulty{r.suffix}", "difficulty", r.name), difficulty


def _is_loading(model: Model, t: Term) -> bool:
    """Whether a term is loadings of items on factors of individuals."""
    levels = {e.level for e in model.effects if e.name in t.effects}
    sums = {e.name for e in model.sums}  # times, not discriminations
    return t.covariates is None and levels == {"individual"} and not t.rename and not sums & {*t.effects}


def _alone(loading: Tensor, dim: str) -> Tensor:
    """The loading of each item on its only factor, NaN where there are several."""
    if dim not in loading.dims:
        return loading
    several = px.math.where(px.math.gt(px.math.abs(loading), 0.0), 1.0, 0.0).sum(dim)
    return px.math.where(several > 1, np.nan, loading.sum(dim))


def of_normal_covariates(model: Model, values: Tensors, data: Tensors) -> Iterator[tuple[Quantity, Tensor]]:
    """Covariances and correlations of the residuals of covariates that are variables of the model."""
    unit = {e.name: residual for e, _, residual in walk(model, values)}
    for one, other in combinations(model.normal_covariates, 2):
        both = [unit[one.name][k] * unit[other.name][k] for k in unit[one.name] if k in unit[other.name]]
        correlation = sum(both[1:], both[0])
        sds = [term(e.sd, values, data, {}) for e in (one, other) if e.sd is not None]
        names = one.name, other.name
        yield Quantity("_".join((*names, "covariance")), "covariance", *names), correlation * sds[0] * sds[1]
        yield Quantity("_".join((*names, "correlation")), "correlation", *names), correlation


def of_factors(model: Model, values: Tensors, data: Tensors) -> Iterator[tuple[Quantity, Tensor]]:
    """Correlations of the residuals of factors, and the share of clusters in the variance of each: its ICC."""
    parts = of_effects(model, values, data)
    for e in model.factors:
        if between := {k: x for k, x in parts[e.name].items() if k[0] == "cluster"}:
            yield Quantity(f"{e.name}_icc", "icc", e.name), square(between) / square(parts[e.name])
    unit = {e.name: residual for e, _, residual in walk(model, values)}
    for one, other in combinations([e.name for e in model.factors if e.standard], 2):
        both = [unit[one][k] * unit[other][k] for k in unit[one] if k in unit[other]]
        yield Quantity(f"{one}_{other}_correlation", "correlation", one, other), sum(both[1:], both[0])
