"""Starting values: random around what the margins of the data say, or from a simpler solution."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmix.data import of_sums, on_sums, with_parts
from bayesmix.ml.objective import SMALLEST_SD, Target
from bayesmix.ml.residual_matrices import ResidualMatrices, residual_matrices
from bayesmix.spec import Model, Response, Term, same_items, terms
from bayesmix.spec.families import GUESS
from bayesmix.spec.parameters import Parameter
from bayesmix.typing import Array

START_SD = 0.4
"""SDs of random intercepts begin at this share of the SD of a normal response."""
MOST = 50.0
"""The largest SD, or scale, of a class logit: of more than that a cluster's individuals are in one class anyway."""
LOADING = 0.7
"""Loadings begin at this size."""
BEGIN = 0.8
"""Residual SDs begin at this share of the item's own."""
LOG_BEGIN = -np.log(BEGIN)
COARSE = 0.25
"""Of rounded values the floor of an SD is no larger a share of the item's own."""
LEAST_SD = 1e-4
"""The floor of residual SDs that are common to all classes, as a share of the item's own."""
AT_FLOOR = 1e-3
"""On the logarithm: an SD so near to its floor is at it."""
NEAR = 3.0
"""So many units from the centre the logits of classes begin at most, where a solution is a start."""


@dataclass(frozen=True)
class Ranges:
    """Where random starts lie, per entry of theta.

    Attributes
    ----------
    center : array
        The solution without classes, as far as the margins give it.
    unit : array
        The natural size of a step: 1 for logits, the item's SD for means, 1/SD(x) for slopes.
    spread : array
        SD of the random part, in units.
    classes : array of bool
        Which entries make up the logits of classes: intercepts, slopes, loadings and the SDs of their effects.
    lower, upper : array
        Where a search stops: infinity but for probabilities, the SDs of class logits, and residual SDs by class.
    collapsing : array of bool
        Which entries are residual SDs that vary over classes: without a bound a class of a few equal answers would
        have an infinite density.
    matrices : tuple of ResidualMatrices
        Of jointly normal responses.
    """

    center: Array
    unit: Array
    spread: Array
    classes: NDArray[np.bool_]
    lower: Array
    upper: Array
    collapsing: NDArray[np.bool_]
    matrices: tuple[ResidualMatrices, ...] = ()

    @property
    def may_collapse(self) -> bool:
        """Whether something varies over classes that can collapse: residual SDs, or residual covariance matrices."""
        return bool(self.collapsing.any()) or any(m.by_class for m in self.matrices)

    def lost(self, theta: Array) -> NDArray[np.bool_]:
        """Which of the points (point, entry) have collapsed."""
        out = self.collapsed(theta).any(axis=1)
        for m in (m for m in self.matrices if m.by_class):
            out |= m.collapsed(theta).reshape(len(theta), -1).any(axis=1)
        return out

    def startable(self, theta: Array) -> Array:
        """The point, or the next one from which a search can start: within bounds, matrices positive definite."""
        theta = self.within(theta)
        for m in self.matrices:
            theta = m.startable(theta)
        return theta

    def soft(self, theta: Array, weight: Any) -> tuple[Any, Array]:
        """A penalty that keeps residual SDs by class near those of the items, and its gradient in theta.

        As if each class had `weight` further answers with the item's own variance: weight (-x - exp(-2 x) / 2) of x,
        the logarithm of the SD as a share of the item's. Of stacked points (point, entry) with a weight each.
        """
        alone = self.collapsing.copy()
        for m in self.matrices:
            alone[m.sd[m.sd >= 0]] = False
        x = np.where(alone, theta - self.center - LOG_BEGIN, 0.0)
        rest = np.where(alone, np.exp(-2 * np.maximum(x, -20.0)), 0.0)
        each = np.where(alone, -x - 0.5 * rest, 0.0)
        slope = np.where(alone, rest - 1.0, 0.0)
        value, gradient = weight * each.sum(axis=-1), np.asarray(weight)[..., None] * slope
        for m in (m for m in self.matrices if m.by_class):
            more, steps = m.soft(np.atleast_2d(theta), np.atleast_1d(weight))
            value, gradient = value + more.reshape(np.shape(value)), gradient + steps.reshape(gradient.shape)
        return value, gradient

    def collapsed(self, theta: Array) -> NDArray[np.bool_]:
        """Which residual SDs have run down to their floor."""
        return self.collapsing & (theta < self.lower + AT_FLOOR)

    def draw(self, seed: int) -> Array:
        """A random start."""
        noise = np.random.default_rng(seed).standard_normal(self.center.size)
        return self.within(self.center + self.unit * self.spread * noise)

    def nearer(self, theta: Array) -> Array:
        """A point of which no logit of classes is far out."""
        bounds = np.where(self.classes, NEAR, np.inf) * self.unit
        return np.clip(theta, self.center - bounds, self.center + bounds)

    def within(self, theta: Array) -> Array:
        """The point, or the next one where a search may be."""
        return np.clip(theta, self.lower, self.upper)

    def held(self, theta: Array, gradient: Array) -> NDArray[np.bool_]:
        """Which entries are at their bound, the log-likelihood still rising outwards."""
        return ((theta >= self.upper) & (gradient >= 0)) | ((theta <= self.lower) & (gradient <= 0))


def ranges(data: Target) -> Ranges:
    """Ranges of the starts for these data."""
    return data.once(_ranges)


def _ranges(data: Target) -> Ranges:
    raw = {
        p.name: [np.zeros(data.packing.shape(p)), np.ones(data.packing.shape(p)), 0.5] for p in data.model.parameters
    }
    for t in terms(data.model):
        if t.covariates is not None:
            raw[t.parameter.name][1] = raw[t.parameter.name][1] / _covariate_sds(t, data)
            raw[t.parameter.name][2] = 0.2
        elif t.effects:
            raw[t.parameter.name][0] = t.parameter.domain.inverse(
                t.parameter.domain.loadings(data.packing.shape(t.parameter), LOADING)
            )
    _effect_ranges(data, raw)
    _sum_ranges(data, raw)
    _normal_covariate_ranges(data, raw)
    for r in data.model.responses:
        _response_ranges(r, data, raw)
    parts = []
    for k in range(3):
        full = {n: np.broadcast_to(v[k], data.packing.index[n].shape) for n, v in raw.items()}
        flat = np.zeros(data.packing.size)
        for name, i in data.packing.index.items():
            flat[i[i >= 0]] = full[name][i >= 0]
        parts.append(flat)
    classes = np.zeros(data.packing.size, dtype=bool)
    lower, upper = np.zeros(data.packing.size), np.zeros(data.packing.size)
    of_classes = {p.name for p in _of_classes(data.model)}
    for p in data.model.parameters:
        i = data.packing.index[p.name]
        classes[i[i >= 0]] = p.name in of_classes
        ends = p.domain.search_bounds(i.shape, MOST if p.name in of_classes else np.inf)
        lower[i[i >= 0]], upper[i[i >= 0]] = (x[i >= 0] for x in ends)
    collapsing = np.zeros(data.packing.size, dtype=bool)
    for p, floor, by_class in _floors(data):
        i = data.packing.index[p.name]
        collapsing[i[i >= 0]] = by_class
        lower[i[i >= 0]] = np.log(np.broadcast_to(floor, i.shape))[i >= 0]
    return Ranges(
        *parts, classes, lower, upper, collapsing, tuple(residual_matrices(data, partial(_joint_floors, data)))
    )


def _joint_floors(data: Target, r: Response, sd: Array) -> Array:
    """How small the SDs of items given the others may be, as :func:`_floors` has it of those alone."""
    columns, counts = _answers(r, data)
    return np.array([_floor(y, counts, data.smallest_sd, own) for y, own in zip(columns.T, sd, strict=True)])


def _floors(data: Target) -> Iterator[tuple[Parameter, Array, bool]]:
    """Residual SDs, how small they may be, in the shape of their dims, and whether they vary over classes.

    Those that do have collapsed at a share of the item's own SD, or at the SD of a value between two neighbouring
    answers: of tied or rounded values no smaller one can be seen. Of those common to all, as in a factor model with
    an item that the factors explain wholly, the floor is far below: under it the squares of the closed form lose
    their digits, and log-likelihoods without bound come out.
    """
    known = {c.name for c in data.model.classes if c.size > 1}
    for r in data.model.responses:
        for name, t in zip(r.family.auxiliary, r.auxiliary, strict=True):
            if name == "sigma":
                by_class, (columns, counts) = bool({*t.dims} & known), _answers(r, data)
                floors = [_floor(y, counts, data.smallest_sd if by_class else None) for y in columns.T]
                shape = data.packing.shape(t.parameter)
                yield t.parameter, _over_items(np.array(floors), t.parameter.dims, shape, r.item_dim), by_class


def _floor(y: Array, counts: Array, share: float | None, sd: float | None = None) -> float:
    there = ~np.isnan(y) & (counts > 0)
    values = np.unique(y[there])
    sd = float(np.sqrt(np.cov(y[there], aweights=counts[there], ddof=0)) if sd is None else sd)
    if share is None:
        return LEAST_SD * sd
    rounding = float(np.diff(values).min(initial=np.inf)) / np.sqrt(12.0)
    return max(share * sd, min(rounding, COARSE * sd) * min(share / SMALLEST_SD, 1.0))


def _of_classes(model: Model) -> Iterator[Parameter]:
    """What the logits of classes are made of: their terms, and the SDs of the effects that are theirs alone."""
    of = [t for c in model.classes for t in c.predictor]
    yield from (t.parameter for t in of)
    elsewhere = {e for r in model.responses for t in r.terms for e in t.effects}
    used = {e for t in of for e in t.effects} - elsewhere
    yield from (e.sd.parameter for e in model.effects if e.name in used and e.sd is not None)


def _covariate_sds(t: Term, data: Target) -> Array:
    """SDs of a term's covariates, in the shape of its parameter; 1 for a constant."""
    x = data.arrays[t.covariates.key].values if t.covariates else np.ones((1, 1))
    x = x.reshape(-1, x.shape[-1])
    sd = x.std(axis=0)
    axis = t.parameter.dims.index(t.covariates.name) if t.covariates else 0
    return np.where(sd > 1e-12, sd, 1.0).reshape([-1 if i == axis else 1 for i in range(len(t.parameter.dims))])


def _effect_ranges(data: Target, raw: dict[str, list]) -> None:
    """Random intercepts and slopes of a normal response in its units; no regressions between effects yet."""
    scales = _effect_scales(data)
    for e in data.model.effects:
        own = scales.get(e.name, 1.0)
        if e.sd is not None and e.sd.parameter.domain.is_effect_sd:
            first = np.full(data.packing.shape(e.sd.parameter), own if e.name in scales else 0.7)
            raw[e.sd.parameter.name] = [first, first, 0.3]
        for t in e.mean:
            if e.standard and t.effects:  # a regression of residuals, which have SD 1
                raw[t.parameter.name] = [0.0 * raw[t.parameter.name][1], raw[t.parameter.name][1], 0.3]
            if e.standard or not any(k in scales for k in (e.name, *t.effects)):
                continue
            other = np.array([scales.get(k, 1.0) for k in t.effects] or [1.0])
            shape = [-1 if d == t.effect_dim and t.effects else 1 for d in t.parameter.dims]
            ratio = own / (other.reshape(shape) if len(other) > 1 else other[0])
            raw[t.parameter.name][0] = 0.0 * raw[t.parameter.name][0]
            raw[t.parameter.name][1] = raw[t.parameter.name][1] * ratio
            raw[t.parameter.name][2] = 0.2


def _effect_scales(data: Target) -> dict[str, float]:
    """SDs with which random intercepts and slopes of normal responses begin."""
    out: dict[str, float] = {}
    for r in data.model.responses:
        y = data.responses[r.name]
        sd = np.nanstd(y, axis=0) if r.of_outcomes else np.full(len(r.items), np.nanstd(y))
        for t in r.predictor if r.family.kind == "real" else ():
            if t.effects and not data.packing.estimated[t.parameter.name].any():  # u itself, not a loading on it
                each = _covariate_sds(t, data).ravel() if t.covariates else np.ones(1)
                out |= {
                    e: START_SD * float(sd[i]) / float(each[min(k, len(each) - 1)]) for e, i, k in r.coefficients(t)
                }
    return out | with_parts(data, {name: START_SD * unit for name, (_, unit) in of_sums(data).items()})


def _sum_ranges(data: Target, raw: dict[str, list]) -> None:
    """Means of sums of effects, such as growth factors, where the items' margins put them; loadings on these."""
    for r, t, loadings in on_sums(data):
        p = t.parameter
        rows = np.moveaxis(loadings, 0, p.dims.index(t.effect_dim)) if r.item_dim in p.dims else loadings
        if r.item_dim in p.dims:
            raw[p.name] = [rows, np.maximum(np.abs(rows), 1.0), 0.05]
        units, each = of_sums(data), locations(data, r, data.counts)
        centre = np.linalg.lstsq(loadings.T, each, rcond=None)[0]
        for e in (e for e in data.model.sums if e.name in t.effects):
            for own in (own for own in e.mean if not (own.covariates or own.effects)):
                shape = data.packing.shape(own.parameter)
                at = float(centre[t.effects.index(e.name)])
                raw[own.parameter.name] = [np.full(shape, at), np.full(shape, units[e.name][1]), 1.0]


def _normal_covariate_ranges(data: Target, raw: dict[str, list]) -> None:
    """Covariates that are variables of the model begin at their regression on the complete ones."""
    for e in data.model.normal_covariates:
        there = data.arrays[f"there:{e.column}"].values > 0
        y, w = data.arrays[f"value:{e.column}"].values[there], np.sqrt(data.counts[there])
        slopes = [t for t in e.mean if t.covariates is not None]
        columns = [np.ones((len(y), 1)), *(data.arrays[t.covariates.key].values[there] for t in slopes if t.covariates)]
        x = np.concatenate(columns, axis=1)
        center = y.mean()
        found = np.linalg.lstsq(w[:, None] * x, w * (y - center), rcond=None)[0]
        sd = max(float(np.sqrt(np.average((y - center - x @ found) ** 2, weights=w**2))), LEAST_SD * y.std())
        for t in e.mean:
            p, shape = t.parameter, data.packing.shape(t.parameter)
            if t.covariates is not None:
                raw[p.name] = [found[1:], sd / np.maximum(x[:, 1:].std(axis=0), 1e-12), 0.02]
            elif t.effects:
                raw[p.name] = [np.zeros(shape), np.ones(shape), 0.02]
            else:
                raw[p.name] = [np.full(shape, center + found[0]), np.full(shape, sd), 0.02]
        for p in (t.parameter for t in e.terms if t is e.sd):
            raw[p.name] = [p.domain.inverse(np.full(data.packing.shape(p), sd)), np.ones(data.packing.shape(p)), 0.02]


def locations(data: Target, r: Response, weights: Array) -> Array:
    """The location of each item of a response that reproduces its margin, where rows have these weights."""
    out = []
    for k, item in enumerate(r.items):
        found = np.asarray(r.family.baseline(data.responses[r.name][:, k], weights, len(data.categories.get(item, ()))))
        out.append(float(found) if found.ndim == 0 else -float(found[0]))
    return np.array(out)


def _answers(r: Response, data: Target) -> tuple[Array, Array]:
    """Answers to the items of a response wherever their parameters are the same, and how many gave each pattern.

    An item that was not asked on one occasion, or has one answer there, begins at the margin of all occasions.
    """
    each = [data.responses[s.name] for s in data.model.responses if same_items(s, r)]
    return np.concatenate(each), np.tile(data.counts, len(each))


def _response_ranges(r: Response, data: Target, raw: dict[str, list]) -> None:
    """Intercepts, thresholds and SDs at the margins of the items."""
    y, counts = _answers(r, data)
    n_categories = [data.outcomes(r, i) for i in r.items]
    margins = [r.family.baseline(y[:, k], counts, n) for k, n in enumerate(n_categories)]
    sd = np.array([np.nanstd(y[:, k]) for k in range(len(r.items))])
    alone = len(r.items) == 1
    for t in r.predictor:
        if t.covariates is None and not t.effects and (alone or r.item_dim in t.parameter.dims):
            shape = data.packing.shape(t.parameter)
            raw[t.parameter.name][0] = _spread_over(margins, t.parameter.dims, shape, r.item_dim, r.category_dim)
            if r.family.kind in ("real", "count"):
                each = sd if r.family.kind == "real" else np.array([_dispersion(y[:, k]) for k in range(len(r.items))])
                raw[t.parameter.name][1] = _over_items(each, t.parameter.dims, shape, r.item_dim)
            raw[t.parameter.name][2] = 1.0
        elif r.family.kind == "real" and (alone or r.item_dim in t.parameter.dims) and not t.effects:
            raw[t.parameter.name][1] = raw[t.parameter.name][1] * _over_items(
                sd, t.parameter.dims, data.packing.shape(t.parameter), r.item_dim
            )
    if r.family.joint:
        p = r.auxiliary[1].parameter
        unit = np.array([sd[a] * sd[b] for a, b in r.pair_places])
        axis, shape = [-1 if d == r.pair_dim else 1 for d in p.dims], data.packing.shape(p)
        raw[p.name] = [np.zeros(shape), np.broadcast_to(unit.reshape(axis), shape), 0.0]
    _auxiliary_ranges(r, data, raw, (y, counts), margins, sd)


def _auxiliary_ranges(r: Response, data: Target, raw: dict[str, list], answers, margins: list, sd: Array) -> None:
    """Thresholds, SDs and other further parameters at the margins of the items."""
    y, counts = answers
    for name, t in zip(r.family.auxiliary, r.auxiliary, strict=True):
        p, shape = t.parameter, data.packing.shape(t.parameter)
        if name == "covariance":
            continue
        if name == "threshold":
            filled = [np.concatenate([m, m[-1] + np.arange(1, shape[-1] - len(m) + 1)]) for m in margins]
            values = _spread_over(filled, p.dims, shape, r.item_dim, r.threshold_dim)
            noise = np.where(np.arange(shape[-1]) == 0, 1.0, 0.2)
            raw[p.name] = [p.domain.inverse(values), np.ones(shape), np.broadcast_to(noise, shape)]
        elif name == "sigma":
            each = sd if r.item_dim in p.dims else np.array([sd.mean()])
            raw[p.name] = [np.log(BEGIN * _over_items(each, p.dims, shape, r.item_dim)), np.ones(shape), 0.1]
        elif name == "guessing":
            raw[p.name] = [np.full(shape, GUESS), np.full(shape, 2.0 * GUESS), 0.2]
        elif name == "variance":
            raw[p.name] = [np.full(shape, 0.64 * sd[0] ** 2), np.full(shape, 0.5 * sd[0] ** 2), 0.1]
        elif name == "variance_slope":
            raw[p.name] = [np.zeros(shape), 0.2 * sd[0] ** 2 * raw[p.name][1], 0.1]
        else:
            each = [r.family.auxiliary_baseline(name, y[:, k], counts) for k in range(len(r.items))]
            if known := [x for x in each if x is not None]:
                values = _over_items(np.array(known), p.dims, shape, r.item_dim) if r.item_dim in p.dims else known[0]
                raw[p.name] = [p.domain.inverse(np.broadcast_to(values, shape)), np.ones(shape), 0.3]


def _dispersion(y: Array) -> float:
    """The SD of log rates that the overdispersion of counts speaks for: Var(y) = m + m^2 (exp(sd^2) - 1)."""
    mean, variance = float(np.nanmean(y)), float(np.nanvar(y))
    extra = max(variance - mean, 0.1 * mean) / max(mean, 0.1) ** 2
    return float(np.clip(np.sqrt(np.log1p(extra)), 0.01, 1.0))


def _over_items(x: Array, dims: tuple[str, ...], shape: tuple[int, ...], item_dim: str) -> Array:
    if item_dim not in dims:
        return np.full(shape, x[0])
    view = [-1 if d == item_dim else 1 for d in dims]
    return np.broadcast_to(x.reshape(view), shape)


def _spread_over(margins: list, dims, shape, item_dim: str, inner_dim: str) -> Array:
    """Ragged margins (item, inner) over the dims of a parameter."""
    if item_dim not in dims:
        if inner_dim not in dims and np.ndim(margins[0]):  # an intercept above thresholds that begin at zero
            return np.full(shape, -float(margins[0][0]))
        view = [-1 if d == inner_dim else 1 for d in dims]
        return np.broadcast_to(np.asarray(margins[0], dtype=float).reshape(view), shape)
    if inner_dim not in dims:
        return _over_items(np.array([float(m) for m in margins]), dims, shape, item_dim)
    width = shape[dims.index(inner_dim)]
    table = np.zeros((len(margins), width))
    for k, m in enumerate(margins):
        table[k, : len(m)] = m
    ordered = table if dims.index(item_dim) < dims.index(inner_dim) else table.T
    view = [n if d in (item_dim, inner_dim) else 1 for d, n in zip(dims, shape, strict=True)]
    return np.broadcast_to(ordered.reshape(view), shape)


def split_class(
    values: Mapping[str, Array], data: Target, dims: Collection[str], split: int, seed: int
) -> Array | None:
    """A start for one class more: class `split` of the simpler solution, twice, a little apart.

    Parameters
    ----------
    values : mapping of str to array
        Natural parameters of the solution with K - 1 classes.
    data : Target
        The data prepared for the model with K classes.
    dims : collection of str
        The class variables, and the names under which occasions share them.

    Returns
    -------
    array or None
        None where the wider model has other parameters besides, such as more effects of several occasions.
    """
    rng = np.random.default_rng(seed)
    wide = {}
    for p in data.model.parameters:
        x = np.asarray(values[p.name], dtype=float)
        if p.domain.is_triangular and p.dims[-1] in dims:
            x = _split_loadings(x, split, data.packing.shape(p)[-2])
        else:
            for axis in (k for k, d in enumerate(p.dims) if d in dims):
                x = np.concatenate([np.take(x, [split], axis=axis), x], axis=axis)
        if x.shape != data.packing.shape(p):
            return None
        wide[p.name] = x
    limits = ranges(data)
    # a class left at probabilities of 0 and 1 could not take over rows that the split moves
    theta = np.clip(
        data.pack(data.packing.near(wide)), limits.center - NEAR * limits.unit, limits.center + NEAR * limits.unit
    )
    return theta + 0.5 * limits.unit * limits.spread * rng.standard_normal(theta.size)


def _split_loadings(x: Array, split: int, effects: int) -> Array:
    """Cholesky loadings (..., effect, class) for one class more: it varies as the one that is split."""
    wide = np.concatenate([x[..., split : split + 1], x], axis=-1)
    if effects == x.shape[-2]:
        return wide * np.where(wide[..., :1] < 0, -1.0, 1.0) + 0.1 * np.eye(*wide.shape[-2:])
    covariance = (np.swapaxes(wide, -1, -2) @ wide)[..., :effects, :effects]
    out = np.zeros((*x.shape[:-2], effects, wide.shape[-1]))
    out[..., :effects] = np.swapaxes(np.linalg.cholesky(covariance + 0.1 * np.eye(effects)), -1, -2)
    return out
