"""Effects as sums of standard normal ones.

An effect is its mean, which may load on effects declared before it, and its SD times a standard normal
z of its own, (5), (10), (15), R(24): a sum of the z's of all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from bayesmix.spec.model import Effect, Term

Coefficients = dict[tuple[str, int], Any]
"""By level and number of a standard normal effect: what multiplies it."""


def plain(t: Term) -> bool:
    """Whether a term is parameter . effects alone."""
    return bool(t.effects) and t.covariates is None


def by_effect(t: Term, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The effects of a term, each with its part of the parameter."""
    x = values[t.parameter.name].rename(dict(t.rename)) if t.rename else values[t.parameter.name]
    for k, e in enumerate(t.effects):
        yield e, x.isel({t.effect_dim: k}) if t.effect_dim in x.dims else x


def add(to: Coefficients, more: Mapping[tuple[str, int], Any], times: Any) -> None:
    """Add a multiple of one sum to another."""
    for k, x in more.items():
        to[k] = to[k] + times * x if k in to else times * x


def square(c: Coefficients) -> Any:
    """The variance of a sum of standard normal effects."""
    each = [x**2 for x in c.values()]
    return sum(each[1:], each[0])


def on_residuals(e: Effect, t: Term, factors: Collection[str]) -> bool:
    """Whether a term of the mean is the regression of a factor's residual on those of factors before it."""
    return e.standard and plain(t) and {*t.effects} <= {*factors}


def residuals(effects: Iterable[Effect], values: Mapping[str, Any]) -> dict[str, Coefficients]:
    """Residuals, with variance 1, of factors that are correlated with others, as sums of standard normal effects."""
    out: dict[str, Coefficients] = {}
    number = {"cluster": 0, "individual": 0}
    for e in effects:
        mine: Coefficients = {(e.level, number[e.level]): 1.0}
        number[e.level] += 1
        for t in (t for t in e.mean if on_residuals(e, t, out)):
            for parent, b in by_effect(t, values):
                add(mine, out[parent], b)
        if e.standard:
            size = square(mine) ** 0.5
            out[e.name] = {k: x / size for k, x in mine.items()}
    return out
