"""What the data say of scales: centre and unit of each parameter, means and SDs of items and covariates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from bayesmix.data.patterns import Patterns
from bayesmix.spec import Response, Term
from bayesmix.typing import Array


def units(data: Patterns) -> dict[str, tuple[Array, Array]]:
    """The centre and the unit of each parameter, in its shape.

    An intercept of a normal response has the mean and the SD of the item (frequencies counted, missing answers
    left out), of a count the log of the mean and 1. A slope has 0 and the unit of what it predicts over the SD of
    its column, a loading 0 and that unit over the unit of the effect, an SD 0 and the unit of what it is the SD of
    (a variance its square, which is its centre too). Logits, thresholds, factors and probabilities have 0 and 1.
    A covariate that is a variable of the model has its mean and SD. A parameter that several occasions share has the
    average over them.
    """
    found: dict[str, list[tuple[Array, Array]]] = {p.name: [] for p in data.model.parameters}
    scale = _effect_units(data)
    for c in data.model.classes:
        for t in c.predictor:
            found[t.parameter.name].append(_of_term(t, data, np.ones(()), scale))
    centres = {name: centre for name, (centre, _) in (of_sums(data) | of_normal_covariates(data)).items()}
    for e in data.model.effects:
        for t in (*e.mean, *((e.sd,) if e.sd else ())):
            inside = e.standard and bool(t.effects)  # a regression of residuals, which have SD 1
            centre, unit = _of_term(t, data, np.asarray(1.0 if inside else scale[e.name]), {} if inside else scale)
            if not t.covariates and not t.effects and t is not e.sd:
                centre = centre + centres.get(e.name, 0.0)
            found[t.parameter.name].append((centre, unit))
    for r in data.model.responses:
        for name, x in _of_response(r, data, scale):
            found[name].append(x)
    return {k: tuple(np.mean([x[i] for x in v], axis=0) for i in range(2)) for k, v in found.items()}  # pyright: ignore


def _of_term(t: Term, data: Patterns, unit: Array, scale: Mapping[str, float], power: int = 1) -> tuple[Array, Array]:
    """Centre 0 and unit of a summand; `unit` of the predictor broadcasts over the dims of the parameter."""
    p, shape = t.parameter, data.packing.shape(t.parameter)
    out = np.broadcast_to(unit**power, shape).astype(float)
    if t.covariates is not None:
        out = out / _along(column_sds(data, t.covariates.key), t.covariates.name, p.dims)
    if t.effects and t.effect_dim in p.dims:
        out = out / _along(np.array([scale.get(e, 1.0) for e in t.effects]), t.effect_dim, p.dims)
    elif t.effects:
        out = out / scale.get(t.effects[0], 1.0)
    return np.zeros(shape), out


def _along(x: Array, dim: str, dims: tuple[str, ...]) -> Array:
    """A vector along one of the dims."""
    return x.reshape([-1 if d == dim else 1 for d in dims])


def _of_response(r: Response, data: Patterns, scale: Mapping[str, float]) -> Iterator[tuple[str, tuple[Array, Array]]]:
    """Names, centres and units of what a response's predictor and further parameters are made of."""
    mean, sd = item_margins(data, r)
    squared = ("variance", "variance_slope")
    pairs = [(t, 1, t.covariates is None and not t.effects) for t in r.predictor]
    of_family = zip(r.family.auxiliary, r.auxiliary, strict=True)
    pairs += [(t, 2 if name in squared else 1, name == "variance") for name, t in of_family]
    if r.family.joint:
        unit = _pair_units(r, sd)
        of_pairs = next(t for t, _, _ in pairs if r.pair_dim in t.dims)
        pairs = [x for x in pairs if x[0] is not of_pairs]
        own = _along(unit, r.pair_dim, of_pairs.parameter.dims)
        yield of_pairs.parameter.name, _of_term(of_pairs, data, own, scale)
    for t, power, centred in pairs:
        inside = r.item_dim in t.parameter.dims
        own = _along(sd, r.item_dim, t.parameter.dims) if inside else np.asarray(sd.mean())
        centre, unit = _of_term(t, data, own, scale, power)
        if centred:
            middle = sd**2 if power == 2 else mean
            centre = centre + (_along(middle, r.item_dim, t.parameter.dims) if inside else middle.mean())
        yield t.parameter.name, (centre, unit)


def _pair_units(r: Response, sd: Array) -> Array:
    """The product of the SDs of each pair of items."""
    return np.array([sd[a] * sd[b] for a, b in r.pair_places])


def item_margins(data: Patterns, r: Response) -> tuple[Array, Array]:
    """Centre and SD of each item of a response; 0 and 1 where the family has no scale of its own."""
    y = data.responses[r.name]
    if r.family.kind in ("categorical", "trials"):
        return np.zeros(y.shape[1]), np.ones(y.shape[1])
    weight = np.where(np.isnan(y), 0.0, data.counts[:, None])
    total = np.maximum(weight.sum(axis=0), 1.0)
    mean = (weight * np.nan_to_num(y)).sum(axis=0) / total
    if r.family.kind == "count":
        return np.log(np.maximum(mean, 0.5 / total)), np.ones(len(mean))
    sd = np.sqrt((weight * np.nan_to_num(y - mean) ** 2).sum(axis=0) / total)
    return mean, np.where(sd > 0, sd, 1.0)


def _effect_units(data: Patterns) -> dict[str, float]:
    """Units of the effects: 1, but for random coefficients, which enter a response as they are.

    That of a random intercept is the SD of the outcome where the covariates of random slopes have their means; where
    they are zero it is as much larger as slopes of one unit make it.
    """
    out = {e.name: 1.0 for e in data.model.effects}
    out |= {e: sd for e, (_, sd) in of_normal_covariates(data).items()}
    for r in data.model.responses:
        sds = item_margins(data, r)[1]
        sd = sds if r.of_outcomes else np.full(len(sds), sds.mean())
        for t in r.predictor:
            if t.effects and not data.packing.estimated[t.parameter.name].any():  # u itself, not a loading on it
                each = _coefficient_units(data, t)
                out |= {e: float(sd[i]) * float(each[min(k, len(each) - 1)]) for e, i, k in r.coefficients(t)}
    return out | with_parts(data, {name: unit for name, (_, unit) in of_sums(data).items()})


def of_normal_covariates(data: Patterns) -> dict[str, tuple[float, float]]:
    """Mean and SD of each covariate that is a variable of the model, by its effect."""
    out = {}
    for e in data.model.normal_covariates:
        x, w = data.arrays[f"value:{e.column}"].values, data.counts * data.arrays[f"there:{e.column}"].values
        total = max(float(w.sum()), 1e-300)
        mean = float(w @ x) / total
        sd = float(np.sqrt(w @ (x - mean) ** 2 / total))
        out[e.name] = mean, sd if sd > 0 else 1.0
    return out


# sums of effects, such as growth factors ----------------------------------------------------------


def on_sums(data: Patterns) -> Iterator[tuple[Response, Term, Array]]:
    """Terms by which items load on sums of effects, with the loadings (effect, item): free ones as if linear."""
    sums = {e.name for e in data.model.sums}
    for r in data.model.responses:
        for t in (t for t in r.predictor if t.effects and {*t.effects} <= sums):
            dims = t.parameter.dims
            if t.covariates is not None and t.covariates.rows:
                yield r, t, _mean_columns(data, r, t.covariates.key).T
            if r.item_dim not in dims:
                continue
            held = data.packing.held[t.parameter.name].transpose(dims.index(t.effect_dim), dims.index(r.item_dim))
            yield r, t, np.array([_filled_in(row) for row in held])


def _mean_columns(data: Patterns, r: Response, key: str) -> Array:
    """Columns of repeated measures (item, column), on the average of those who were measured."""
    weight = np.where(np.isnan(data.responses[r.name]), 0.0, data.counts[:, None])
    return np.einsum("ni,nic->ic", weight / np.maximum(weight.sum(axis=0), 1e-300), data.arrays[key].values)


def _filled_in(row: Array) -> Array:
    """Free entries on the line through those that are fixed."""
    known, at = ~np.isnan(row), np.arange(len(row))
    if known.all():
        return row
    line = np.polyfit(at[known], row[known], min(int(known.sum()) - 1, 1)) if known.any() else np.zeros(1)
    return np.where(known, row, np.polyval(line, at))


def of_sums(data: Patterns) -> dict[str, tuple[float, float]]:
    """The centre and the unit of each sum of effects that items load on.

    Centres are the coefficients of the items' means on their loadings; a unit is what moves an item by one of its SDs
    at the largest loading.
    """
    out: dict[str, tuple[float, float]] = {}
    for r, t, loadings in on_sums(data):
        mean, sd = item_margins(data, r)
        centre = np.linalg.lstsq(loadings.T, mean, rcond=None)[0]
        unit = sd.mean() / np.maximum(np.abs(loadings).max(axis=1), 1e-12)
        out |= {e: (float(centre[k]), float(unit[k])) for k, e in enumerate(t.effects)}
    return out


def with_parts(data: Patterns, of: Mapping[str, float]) -> dict[str, float]:
    """Numbers of sums, for the effects that they are sums of too."""
    out = dict(of)
    for e in (e for e in data.model.sums if e.name in of):
        out |= {part: of[e.name] for t in e.mean for part in t.effects}
    return out


def _coefficient_units(data: Patterns, t: Term) -> Array:
    """Units of the coefficients of columns, for a response of SD 1; of the constant as above."""
    if t.covariates is None:
        return np.ones(1)
    x, _ = _columns(data, t.covariates.key)
    mean, sd = column_means(data, t.covariates.key), column_sds(data, t.covariates.key)
    constant = (x == 1.0).all(axis=0)
    return np.where(constant, np.sqrt(1.0 + ((mean / sd)[~constant] ** 2).sum()), 1.0 / sd)


def _columns(data: Patterns, name: str) -> tuple[Array, Array]:
    """The columns of covariates as the user knows them, and their weights: individuals, or clusters."""
    x = data.user_columns.get(name, data.arrays[name])
    if x.values.ndim == 3:  # of repeated measures: those that were made
        seen = ~np.isnan(data.responses[data.model.responses[0].name])
        return x.values[seen], np.broadcast_to(data.counts[:, None], seen.shape)[seen]
    return x.values, data.counts if x.dims[0] == "individual" else np.ones(len(x.values))


def column_means(data: Patterns, name: str) -> Array:
    """Means of the columns of covariates."""
    x, weight = _columns(data, name)
    return weight @ x / weight.sum()


def column_sds(data: Patterns, name: str) -> Array:
    """SDs of the columns of covariates; 1 for a constant."""
    x, weight = _columns(data, name)
    sd = np.sqrt(weight @ (x - column_means(data, name)) ** 2 / weight.sum())
    return np.where(sd > 1e-12 * np.abs(x).max(axis=0, initial=0.0), sd, 1.0)
