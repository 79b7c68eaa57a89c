"""Factors turned round or put on another class's scale: other numbers for the same distribution.

The sign of a factor is not identified: with all its loadings and regressions negated the model says the same. Where
its mean and SD vary over classes, they are 0 and 1 in the last class; in another order of the classes, in another one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from bayesmix.spec.constraints import name_of, parts_of
from bayesmix.spec.effect_sums import on_residuals
from bayesmix.spec.linear_systems import unchanged
from bayesmix.spec.model import Effect, Model, Response, Term
from bayesmix.spec.parameters import Parameter
from bayesmix.typing import Array


def fix_factor_signs(
    model: Model, values: Mapping[str, Array], pivot: Mapping[str, Array] | None = None
) -> dict[str, Array]:
    """Parameters with every factor in the direction of most of its loadings, or of the pivot's.

    Parameters
    ----------
    values : mapping of str to array
        Natural parameters; leading axes (chain, draw) are carried along.
    pivot : mapping of str to array, optional
        The parameters whose signs are wanted, as far as they are given.
    """
    out = {k: np.asarray(x) for k, x in values.items()}
    for e in model.effects:
        loadings = list(_loadings(model, e))
        if not loadings or not _symmetric(model, e):
            continue
        sums = [_towards(out[t.parameter.name], t, e, pivot) for _, t in loadings]
        sign = np.where(sum(sums[1:], sums[0]) < 0, -1.0, 1.0)
        for p, k in _turning(model, e):
            out[p.name] = _times(out[p.name], p, k, sign)
    return out


def reversible(model: Model) -> list[Effect]:
    """The effects whose sign is not identified by what the model says."""
    return [e for e in model.effects if any(True for _ in _turning(model, e)) and _symmetric(model, e)]


def reverse(model: Model, values: Mapping[str, Array], e: Effect) -> dict[str, Array]:
    """Parameters with an effect in the other direction; leading axes are carried along."""
    out = {k: np.asarray(x) for k, x in values.items()}
    for p, at in _turning(model, e):
        lead = out[p.name].shape[: out[p.name].ndim - len(p.dims)]
        out[p.name] = _times(out[p.name], p, at, -np.ones(lead))
    return out


def _loadings(model: Model, e: Effect) -> Iterator[tuple[Response, Term]]:
    """Terms of responses that multiply the effect."""
    for r in model.responses:
        yield from ((r, t) for t in r.predictor if e.name in t.effects)


def _towards(x: Array, t: Term, e: Effect, pivot: Mapping[str, Array] | None) -> Array:
    """The sum of the loadings, or of their products with the pivot's."""
    mine = _of_effect(x, t, e)
    if pivot is not None and t.parameter.name in pivot:
        mine = mine * _of_effect(np.asarray(pivot[t.parameter.name]), t, e)
    axes = len(t.parameter.dims) - (t.effect_dim in t.parameter.dims)
    return mine.sum(axis=tuple(range(mine.ndim - axes, mine.ndim)))


def _of_effect(x: Array, t: Term, e: Effect) -> Array:
    """The part of a parameter that multiplies the effect."""
    dims = t.parameter.dims
    return np.take(x, t.effects.index(e.name), axis=dims.index(t.effect_dim) - len(dims)) if t.effect_dim in dims else x


def _terms_with(model: Model, e: Effect) -> Iterator[Term]:
    """Terms that multiply the effect, wherever they are."""
    for some in (*(r.predictor for r in model.responses), *(c.predictor for c in model.classes)):
        yield from (t for t in some if e.name in t.effects)
    for other in model.effects:
        yield from (t for t in other.mean if e.name in t.effects)


def _symmetric(model: Model, e: Effect) -> bool:
    """Whether all that the effect multiplies, and its mean, may be negated; an SD of clusters' part has no sign."""
    if e.column is not None:  # its values are data
        return False
    times = [t.parameter for t in _terms_with(model, e)]
    plus = [t.parameter for t in e.mean if not t.parameter.domain.is_effect_sd]
    if not all(p.domain.is_linear and all(f.value == 0 for f in p.fixed) for p in (*times, *plus)):
        return False
    return _turns_constraints(model, e)


def _turns_constraints(model: Model, e: Effect) -> bool:
    """Whether what a user fixed and held equal is so again with the effect negated: at zero, and all of it together."""

    def turned(label: str) -> bool:
        for p, at in _turning(model, e):
            if p.name == name_of(label) and (at is None or parts_of(label)[at[0]] == e.name):
                return True
        return False

    equations = model.constraints.equations
    return unchanged(equations, [e.of(lambda k: {k: -1.0 if turned(k) else 1.0}) for e in equations])


def _turning(model: Model, e: Effect) -> Iterator[tuple[Parameter, tuple[int, int] | None]]:
    """Each parameter to be negated, and the axis and position of its part, or None for all of it.

    Each once: twice negated, the loadings that several occasions share would stay as they are.
    """
    found: dict[tuple[str, tuple[int, int] | None], Parameter] = {}
    for t in _terms_with(model, e):
        dims = t.parameter.dims
        at = (dims.index(t.effect_dim) - len(dims), t.effects.index(e.name)) if t.effect_dim in dims else None
        found[t.parameter.name, at] = t.parameter
    found |= {(t.parameter.name, None): t.parameter for t in e.mean if t.parameter.domain.is_linear}
    yield from ((p, at) for (_, at), p in found.items())


def _times(x: Array, p: Parameter, at: tuple[int, int] | None, factor: Array) -> Array:
    """A parameter, or its part at a position of an axis, times a number for each draw."""
    wide = np.asarray(factor).reshape((*np.shape(factor), *(1,) * len(p.dims)))
    if at is None:
        return x * wide
    axis, position = at
    hit = np.arange(x.shape[axis]) == position
    return np.where(hit.reshape((-1, *(1,) * (-axis - 1))), x * wide, x)


# means and SDs by class ---------------------------------------------------------------------------


def rescale_factors_to_class(
    model: Model, values: Mapping[str, Array], dims: tuple[str, ...], last: int
) -> dict[str, Array]:
    """Parameters with the mean and SD of each factor 0 and 1 in the class `last` of `dims`.

    With f = m + s f' for its mean m and SD s there, a loading is s times what it was, and an intercept rises by
    m times the loading.
    """
    out, factors = {k: np.asarray(x) for k, x in values.items()}, {e.name for e in model.effects if e.standard}
    for e, means, by_class in _by_class(model, dims):
        m = np.take(out[means[0].parameter.name], last, axis=-1) if means else np.zeros(())
        s = np.take(out[e.sd.parameter.name], last, axis=-1) if by_class and e.sd else np.ones(())
        before = dict(out)  # what several responses share is moved once
        for r, t in _loadings(model, e):
            if means:
                out |= _shifted(before, r, _of_effect(before[t.parameter.name], t, e), t, m)
            k = t.parameter.dims
            at = (k.index(t.effect_dim) - len(k), t.effects.index(e.name)) if t.effect_dim in k else None
            out[t.parameter.name] = _times(before[t.parameter.name], t.parameter, at, s)
        for t in means:
            out[t.parameter.name] = (out[t.parameter.name] - m[..., None]) / s[..., None]
        for t in (t for t in e.mean if t not in means and not on_residuals(e, t, factors)):
            out[t.parameter.name] = _times(out[t.parameter.name], t.parameter, None, 1 / s)
        if by_class and e.sd:
            out[e.sd.parameter.name] = out[e.sd.parameter.name] / s[..., None]
    return out


def _by_class(model: Model, dims: tuple[str, ...]) -> Iterator[tuple[Effect, list[Term], bool]]:
    """Effects whose mean or SD varies over the classes of `dims`: the terms of the mean, and whether the SD does."""
    for e in model.effects:
        own = [t for t in e.mean if not t.effects and not t.covariates and t.parameter.fixed]  # free ones move nothing
        means = [t for t in own if set(t.parameter.dims) & set(dims)]
        by_class = e.sd is not None and bool(set(e.sd.parameter.dims) & set(dims)) and bool(e.sd.parameter.fixed)
        if (means or by_class) and e.level == "individual":
            yield e, means, by_class


def rescaled(model: Model, dims: tuple[str, ...]) -> set[str]:
    """The names of parameters that :func:`rescale_factors_to_class` may change."""
    out: set[str] = set()
    for e, _, _ in _by_class(model, dims):
        out |= {t.parameter.name for t in e.terms}
        for r, t in _loadings(model, e):
            own = [k for k in r.predictor if not k.effects and not k.covariates]
            own += [k for k, name in zip(r.auxiliary, r.family.auxiliary, strict=True) if name == "threshold"]
            out |= {k.parameter.name for k in (t, *own)}
    return out


def _shifted(values: Mapping[str, Array], r: Response, loading: Array, t: Term, m: Array) -> dict[str, Array]:
    """Intercepts of the items raised, or thresholds lowered, by a loading times m."""
    own = [d for d in t.parameter.dims if d != t.effect_dim]
    change = loading * np.reshape(m, (*np.shape(m), *(1,) * len(own)))
    out = {}
    for p, sign in (
        *((k.parameter, 1.0) for k in r.predictor if not k.effects and not k.covariates),
        *((k.parameter, -1.0) for k, name in zip(r.auxiliary, r.family.auxiliary, strict=True) if name == "threshold"),
    ):
        add = [d for d in p.dims if d not in own]
        wide = np.expand_dims(change, tuple(p.dims.index(d) - len(p.dims) for d in add)) if add else change
        out[p.name] = values[p.name] + sign * wide
    return out
