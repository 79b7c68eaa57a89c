"""Intercepts at the means of the covariates beside them: what is to be added to an intercept at zero.

    eta = a + sum_k b_k x_k + sum_e lambda_e (m_e + sum_k g_ek x_k + ...)

at the means of all x is a + sum_k b_k mean(x_k) + sum_e lambda_e sum_k g_ek mean(x_k): a sum over paths, each of which
goes from a covariate by its slope, and by the loadings of the effects that it predicts, to the predictor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayesmix.data.margins import column_means
from bayesmix.data.patterns import Patterns
from bayesmix.spec import Model, Predictor, Response, Term


@dataclass(frozen=True)
class Factor:
    """A parameter in a product: its entry `at` of the dim `of` (effects), or its sum over it with weights `means`."""

    name: str
    dims: tuple[str, ...]
    of: str = ""
    at: int = 0
    means: tuple[float, ...] = ()

    @property
    def rest(self) -> tuple[str, ...]:
        """The dims that are left."""
        return tuple(d for d in self.dims if d != self.of)

    def onto(self, values: Mapping[str, Any], dims: tuple[str, ...]) -> Any:
        """The values over `dims`, with axes of one where there is none; arrays or tensors."""
        x = values[self.name]
        if self.of:
            axis = self.dims.index(self.of)
            weights = np.array(self.means) if self.means else np.eye(self._size(x, axis))[self.at]
            x = (x * weights.reshape([-1 if k == axis else 1 for k in range(len(self.dims))])).sum(axis=axis)
        x = x.transpose([self.rest.index(d) for d in dims if d in self.rest]) if self.rest else x
        return x[tuple(slice(None) if d in self.rest else None for d in dims)]

    @staticmethod
    def _size(x: Any, axis: int) -> int:
        """The length of an axis, which a graph knows of parameters."""
        return int(x.shape[axis] if isinstance(x, np.ndarray) else x.type.shape[axis])


@dataclass(frozen=True)
class Path:
    """From covariates to a predictor: loadings, and slopes at the covariates' means."""

    factors: tuple[Factor, ...]

    @property
    def dims(self) -> set[str]:
        """The dims of the product."""
        return {d for f in self.factors for d in f.rest}

    def onto(self, values: Mapping[str, Any], dims: tuple[str, ...]) -> Any:
        """The product over `dims`."""
        each = [f.onto(values, dims) for f in self.factors]
        out = each[0]
        for x in each[1:]:
            out = out * x
        return out


@dataclass(frozen=True)
class AtMeans:
    """The intercept at the means less that at zero: `sign` times the sum over paths."""

    sign: float
    paths: tuple[Path, ...]

    def shift(self, values: Mapping[str, Any], dims: tuple[str, ...]) -> Any:
        """Over the dims of the intercept; arrays or tensors."""
        each = [p.onto(values, dims) for p in self.paths]
        return self.sign * sum(each[1:], each[0])


def at_means(data: Patterns) -> dict[str, AtMeans]:
    """Intercepts with covariates in their predictors, by the name of the parameter.

    One that several predictors share, or that does not vary over all that a slope beside it varies over, has none.
    """
    predictors = list(_predictors(data.model))
    paths = _paths_of_effects(data)
    out = {}
    for k, (own, predictor, sign) in enumerate(predictors):
        p = own.parameter
        if own.rename or any(p.name == t.parameter.name for j, (t, *_) in enumerate(predictors) if j != k):
            continue
        direct = [Path((_slope(t, data),)) for t in predictor if t.covariates and not t.effects]
        loaded = [path for t in predictor if t.effects and not t.covariates for path in _loaded(t, paths)]
        held = p.domain.is_ordered and p.fixed  # fixed thresholds stand where the covariates are zero
        if all(x.dims <= {*p.dims} for x in direct) and not held:
            found = (*direct, *(x for x in loaded if x.dims <= {*p.dims}))
            out |= {p.name: AtMeans(sign, found)} if found else {}
    return out


def _slope(t: Term, data: Patterns) -> Factor:
    """Slopes at the means of their covariates."""
    assert t.covariates is not None
    name = t.covariates.name
    return Factor(t.parameter.name, t.dims, name, means=tuple(column_means(data, t.covariates.key).tolist()))


def _loaded(t: Term, paths: Mapping[str, list[Path]]) -> Iterator[Path]:
    """The paths of the effects of a term, each with its loading before it."""
    over = t.effect_dim if t.effect_dim in t.parameter.dims else ""
    for k, e in enumerate(t.effects):
        for path in paths[e]:
            yield Path((Factor(t.parameter.name, t.dims, over, k), *path.factors))


def _paths_of_effects(data: Patterns) -> dict[str, list[Path]]:
    """From covariates to each effect; factors are regressed on each other's residuals, which have none."""
    out: dict[str, list[Path]] = {}
    for level in ("cluster", "individual"):
        for e in (e for e in data.model.effects if e.level == level):
            out[e.name] = [Path((_slope(t, data),)) for t in e.mean if t.covariates and not t.effects]
            between = [t for t in e.mean if t.effects and not t.covariates and not e.standard]
            out[e.name] += [path for t in between for path in _loaded(t, out)]
    return out


def _predictors(model: Model) -> Iterator[tuple[Term, Predictor, float]]:
    """Each intercept, the predictor in which it stands, and the sign with which that enters it."""
    predictors: list[Predictor] = [c.predictor for c in model.classes]
    for r in model.responses:
        further = dict(zip(r.family.auxiliary, r.auxiliary, strict=True))
        if r.of_outcomes:  # intercepts of outcomes that vary over other classes, each beside the slopes of its own
            yield from ((own, tuple(t for t in r.predictor if _meet(r, own, t)), 1.0) for own in _own(r.predictor))
        else:
            predictors.append(r.predictor)
        if "threshold" in further:  # P(y <= k) = F(threshold - eta)
            yield further["threshold"], r.predictor, -1.0
        predictors += r.further_predictors
    for predictor in predictors:
        for own in _own(predictor)[:1]:
            yield own, predictor, 1.0


def _own(predictor: Predictor) -> list[Term]:
    """The intercepts of a predictor."""
    return [t for t in predictor if t.covariates is None and not t.effects]


def _meet(r: Response, one: Term, other: Term) -> bool:
    """Whether an outcome of `r` has something of both terms."""
    return any(r.has(one, k) and r.has(other, k) for k in range(len(r.items)))
