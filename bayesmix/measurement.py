"""Items as item response theory has them: discrimination and difficulty; correlations and ICCs of factors.

Depends on likelihood and the floors beneath.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from pytensor import xtensor as px

from bayesmix.families import Bernoulli, Ordinal, Tensor
from bayesmix.likelihood import Tensors, term
from bayesmix.spec import Effect, Model, Response, Term
from bayesmix.sums import of_effects, square

LEAST = 1e-6
"""A loading below this has no difficulty."""


def item_response(model: Model, values: Tensors) -> Iterator[tuple[str, Tensor]]:
    """Discriminations a = lambda (49) and difficulties b = -tau / lambda (50) of items on one factor.

    Of an ordinal item b_k = tau_k / lambda, for its thresholds. NaN where a loading is zero.
    """
    for r in model.responses:
        on = [t for t in r.predictor if t.effects]
        if not isinstance(r.family, Bernoulli | Ordinal) or len(on) != 1 or not _is_loading(model, r, on[0]):
            continue
        tau = [-values[t.parameter.name] for t in r.predictor if not (t.effects or t.covariates)]
        tau += [values[t.parameter.name] for t in r.auxiliary] if isinstance(r.family, Ordinal) else []
        a = values[on[0].parameter.name]
        a = a.sum(on[0].effect_dim) if on[0].effect_dim in a.dims else a
        suffix = r.item_dim.removeprefix("item")
        yield f"discrimination{suffix}", a
        if len(tau) == 1:
            some = px.math.gt(px.math.abs(a), LEAST)
            yield f"difficulty{suffix}", px.math.where(some, tau[0] / px.math.where(some, a, 1.0), np.nan)


def _is_loading(model: Model, r: Response, t: Term) -> bool:
    """Whether a term is loadings of items on factors of individuals, each item on one of them."""
    levels = {e.level for e in model.effects if e.name in t.effects}
    if t.covariates is not None or levels != {"individual"} or t.rename:
        return False
    zero = {f.positions for f in t.parameter.fixed if f.value == 0.0}
    loads = [
        sum(tuple(sorted({t.effect_dim: k, r.item_dim: i}.items())) not in zero for k in range(len(t.effects)))
        for i in range(len(r.items))
    ]
    return t.effect_dim not in t.parameter.dims or all(n == 1 for n in loads)


def factors(model: Model) -> list[Effect]:
    """Effects of individuals that responses load on."""
    used = {name for r in model.responses for t in r.predictor for name in t.effects}
    return [e for e in model.effects_at("individual") if e.name in used]


def of_factors(model: Model, values: Tensors, data: Tensors) -> Iterator[tuple[str, Tensor]]:
    """Correlations of the residuals of factors, and the share of clusters in the variance of each: its ICC."""
    parts = of_effects(model.effects, values, lambda sd: term(sd, values, data, {}))
    for e in factors(model):
        if between := {k: x for k, x in parts[e.name].items() if k[0] == "cluster"}:
            yield f"{e.name}_icc", square(between) / square(parts[e.name])
    for pair in combinations([e.name for e in factors(model) if e.standard], 2):
        one, other = ({k: x for k, x in parts[e].items() if k[0] == "individual"} for e in pair)
        both = [one[k] * other[k] for k in one if k in other]
        if both:
            yield "_".join((*pair, "correlation")), sum(both[1:], both[0]) / (square(one) * square(other)) ** 0.5
