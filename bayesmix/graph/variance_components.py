"""Effects as sums of standard normal ones, and the covariance matrix of random coefficients that follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
from pytensor import xtensor as px

from bayesmix.graph.likelihood import Tensors, term
from bayesmix.spec import (
    RANDOM,
    Coefficients,
    LatentClass,
    Model,
    Quantity,
    Response,
    Term,
    add,
    by_effect,
    parameter_of,
    plain,
    square,
    walk,
)
from bayesmix.spec.families import Tensor

ZERO = 1e-8
"""A variance below this, in units of the residual variance (of 1 on a logit), is at its boundary."""


def of_effects(model: Model, values: Tensors, data: Tensors) -> dict[str, Coefficients]:
    """Each effect as a sum of standard normal ones: those of its mean's effects, then its own SD.

    The values may be xarray's: what they have in common with PyTensor's named-dim tensors is all it takes.
    """
    out: dict[str, Coefficients] = {}
    for e, mean, residual in walk(model, values):
        mine: Coefficients = {}
        for parent, b in (pair for t in filter(plain, mean) for pair in by_effect(t, values)):
            add(mine, out[parent], b)
        if e.residual:
            add(mine, residual, cast(Any, 1.0) if e.sd is None else term(e.sd, values, data, {}))
        out[e.name] = mine
    return out


def of_class(c: LatentClass, values: Tensors, effects: Mapping[str, Coefficients]) -> Coefficients:
    """The logits of a class as a sum of standard normal effects."""
    out: Coefficients = {}
    for t in filter(plain, c.predictor):
        for e, x in by_effect(t, values):
            add(out, effects[e], x)
    return out


def simple(model: Model) -> bool:
    """Whether the SDs of effects are parameters and nothing else."""
    return not any(e.sd and (e.sd.effects or e.sd.covariates) for e in model.effects)


# random coefficients ------------------------------------------------------------------------------


def random_names(model: Model) -> list[str]:
    """Effects of clusters with SDs of their own, where some of them are random coefficients of a response.

    The coefficients in the order of the regression, then class logits, which may be correlated with them.
    """
    own = [e.name for e in model.effects_at("cluster") if e.sd is not None]
    used = [e for r in model.responses for t in r.predictor for e in t.effects if e in own]
    return list(dict.fromkeys([*used, *own])) if simple(model) and used else []


def random_matrices(model: Model, values: Tensors, data: Tensors) -> Iterator[tuple[Quantity, Tensor]]:
    """Variances, covariances and correlations of random coefficients and class logits, Theta_2 of R(5)-R(7).

    Of the residuals: given the covariates of clusters. A variance at its boundary is zero, and a
    correlation with it NaN.
    """
    if not (names := random_names(model)):
        return
    effects = of_effects(model, values, data)
    keys = sorted({k for e in names for k in effects[e]})
    rows = [_stacked([effects[e].get(k) for k in keys], "normal") for e in names]
    made = _matrices(model, names, _stacked(rows, RANDOM), RANDOM, values, data)
    yield Quantity("random_variance", "variance"), made[0]
    if len(names) > 1:
        yield Quantity("random_covariance", "covariance matrix"), made[1]
        yield Quantity("random_correlation", "correlation matrix"), made[2]


def _matrices(
    model: Model, names: Sequence[str], a: Tensor, dim: str, values: Tensors, data: Tensors
) -> tuple[Tensor, ...]:
    """Variances of effects, and of several their covariances and correlations, of their coefficients (dim, normal)."""
    other = f"{dim}_"
    b, unit = a.rename({dim: other}), _stacked([_unit(model, e, values, data) for e in names], dim)
    variance, covariance = (a**2).sum("normal"), (a * b).sum("normal")
    some = px.math.gt(variance, ZERO * unit)
    if len(names) == 1:
        return (px.math.where(some, variance, 0.0),)
    both = px.math.and_(some, px.math.gt(variance.rename({dim: other}), ZERO * unit.rename({dim: other})))
    product = px.math.where(both, variance * variance.rename({dim: other}), 1.0)
    correlation = px.math.where(both, covariance / px.math.sqrt(product), np.nan)
    return px.math.where(some, variance, 0.0), px.math.where(both, covariance, 0.0), correlation


def of_sums(model: Model, values: Tensors, data: Tensors) -> Iterator[tuple[Quantity, Tensor]]:
    """Variances, covariances and correlations of sums of effects, such as growth factors, by level and class.

    Within classes (given covariates and clusters) and between clusters. Zero for a sum without a part at the level.
    """
    loaded = next(
        (t for r in model.responses for t in r.predictor if {*t.effects} & {e.name for e in model.sums}), None
    )
    if loaded is None:
        return
    effects, dim = of_effects(model, values, data), loaded.effect_dim
    for level, ending in (("individual", ""), ("cluster", "_between")):
        keys = sorted({k for e in loaded.effects for k in effects[e] if k[0] == level})
        if not keys:
            continue
        rows = [_stacked([effects[e].get(k) for k in keys], "normal") for e in loaded.effects]
        made = _matrices(model, loaded.effects, _stacked(rows, dim), dim, values, data)
        for kind, x in zip(("variance", "covariance", "correlation"), made, strict=False):
            whole = "variance" if kind == "variance" else f"{kind} matrix"
            yield Quantity(f"{dim}_{kind}{ending}", cast(Any, whole), dim, level), x


def _stacked(parts: list[Any], dim: str) -> Tensor:
    """Tensors beside each other in a new last dim; None is zero."""
    base: Any = sum((0.0 * x for x in parts if x is not None), cast(Any, px.as_xtensor(0.0)))
    return cast(Any, px.concat([(base if x is None else base + x).expand_dims(dim) for x in parts], dim=dim))


def _unit(model: Model, effect: str, values: Tensors, data: Tensors) -> Tensor:
    """The residual variance of the normal response that an effect is a random coefficient of; else 1."""
    for r in model.responses:
        if r.family.residual and any(effect in t.effects for t in r.predictor):
            spread = values[r.auxiliary[0].parameter.name]
            if r.of_outcomes and r.item_dim in spread.dims:
                where = next(i for t in r.predictor for e, i, _ in r.coefficients(t) if e == effect)
                spread = spread.isel({r.item_dim: where})
            spread = spread.mean([*spread.dims]) if spread.dims else spread
            return px.math.abs(spread) if r.family.residual == "variance" else spread**2
    return px.as_xtensor(1.0)


def intraclass(model: Model, values: Tensors, data: Tensors) -> Iterator[tuple[Quantity, Tensor]]:
    """The residual intraclass correlation of a normal response: Var(u_0) / (Var(u_0) + theta).

    Of individuals of the same class (with the same variance) at given covariates, those with random slopes at
    zero; of each occasion that has a variance of its own. The variance that covariates and classes explain is not in
    it.
    """
    if not random_names(model):
        return
    effects = of_effects(model, values, data)
    for r in model.responses:
        if r.family.residual != "sd" or not (len(r.items) == 1 or r.of_outcomes):
            continue
        found = [pair for t in r.predictor for pair in _intercepts(r, t)]
        between = {i: square(effects[e]) for e, i in found}
        spread = r.auxiliary[0]
        of_cells = spread.covariates is not None and spread.covariates.cells
        theta = (parameter_of(spread, values) if of_cells else term(spread, values, data, {})) ** 2
        if r.of_outcomes and between:
            each = _stacked([between.get(i) for i in range(len(r.items))], r.item_dim)
            yield Quantity(f"{r.name}_icc", "icc", r.name), each / (each + theta)
        elif len(found) == 1:
            yield Quantity(f"{r.name}_icc", "icc", r.name), between[0] / (between[0] + theta)


def _intercepts(r: Response, t: Term) -> list[tuple[str, int]]:
    """The random intercepts in a term of a regression, loading 1, with the places of their outcomes."""
    if r.of_outcomes:
        only = t.covariates.only or () if t.covariates else ("1",)
        return [(e, i) for e, i, k in r.coefficients(t) if only[k] == "1"]
    if not t.effects or r.item_dim in t.parameter.dims:
        return []
    if t.covariates is None:
        return [(e, 0) for e in t.effects[:1]] if t.parameter.fixed and len(t.effects) == 1 else []
    only = t.covariates.only or ()
    return [(t.effects[only.index("1")], 0)] if "1" in only and t.parameter.domain.is_identity else []
