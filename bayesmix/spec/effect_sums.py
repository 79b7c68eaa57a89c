"""Effects as sums of standard normal ones.

An effect is its mean, which may load on effects declared before it, and its SD times a standard normal
z of its own, (5), (10), (15), R(24): a sum of the z's of all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import count
from typing import Any

from bayesmix.spec.model import Effect, Model, Predictor, Term

Coefficients = dict[tuple[str, int], Any]
"""By level and number of a standard normal effect: what multiplies it."""


def plain(t: Term) -> bool:
    """Whether a term is parameter . effects alone."""
    return bool(t.effects) and t.covariates is None


def parameter_of(t: Term, values: Mapping[str, Any]) -> Any:
    """Look up the parameter of `t` in `values`, with its dims by their names there."""
    x = values[t.parameter.name]
    return x.rename(dict(t.rename)) if t.rename else x


def by_effect(t: Term, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The effects of a term, each with its part of the parameter."""
    x = parameter_of(t, values)
    for k, e in enumerate(t.effects):
        yield e, x.isel({t.effect_dim: k}) if t.effect_dim in x.dims else x


def add(to: Coefficients, more: Mapping[tuple[str, int], Any], times: Any) -> None:
    """Add a multiple of one sum to another."""
    for k, x in more.items():
        to[k] = to[k] + times * x if k in to else times * x


def square(c: Coefficients) -> Any:
    """The variance of a sum of standard normal effects."""
    each = [x**2 for x in c.values()]
    return sum(each[1:], each[0]) if each else 0.0


def on_residuals(e: Effect, t: Term, factors: Collection[str]) -> bool:
    """Whether a term of the mean is the regression of a factor's residual on those of factors before it."""
    return e.standard and plain(t) and {*t.effects} <= {*factors}


def walk(model: Model, values: Mapping[str, Any]) -> Iterator[tuple[Effect, Predictor, Coefficients]]:
    """Go through the effects of `model` in the order in which they follow from each other, those of clusters first.

    The one recursion behind every value of an effect: a reader evaluates the terms of the mean at the effects that it
    has met and adds SD times residual, be it with tensors over nodes, with sums of normals or with plain numbers.

    Parameters
    ----------
    model : Model
        The declaration.
    values : mapping of str to array
        Natural values of the parameters, of any kind that has named dims.

    Yields
    ------
    effect : Effect
    mean : tuple of Term
        The terms of its mean, without the regression of a factor's residual on those of others.
    residual : dict
        The residual, of variance 1, as a sum of standard normal effects: its own, and those of the factors with
        which it is correlated. Empty where there is none.
    """
    residuals: dict[str, Coefficients] = {}
    for level in ("cluster", "individual"):
        number = count()
        for e in (e for e in model.effects if e.level == level):
            residual: Coefficients = {(level, next(number)): 1.0} if e.residual else {}
            regression = [t for t in e.mean if on_residuals(e, t, residuals)]
            for parent, b in (pair for t in regression for pair in by_effect(t, values)):
                add(residual, residuals[parent], b)
            if e.standard:
                size = square(residual) ** 0.5
                residual = residuals[e.name] = {key: x / size for key, x in residual.items()}
            yield e, tuple(t for t in e.mean if t not in regression), residual
