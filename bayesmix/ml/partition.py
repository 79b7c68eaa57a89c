"""Starting values from a random partition of the data: seeds far apart, everybody to the nearest, margins of each part.

A start drawn around the margins of the whole sample may put every row into one class, where there are many items or
large counts; a partition has rows in each, whatever the scale of the items.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from bayesmix.data import equal_rows, on_sums
from bayesmix.ml.objective import Target
from bayesmix.ml.residual_matrices import sample_covariance
from bayesmix.ml.starts import Ranges, locations
from bayesmix.spec import GROUP, Effect, LatentClass, Response, Term
from bayesmix.spec.families import one_hot
from bayesmix.spec.parameters import Parameter
from bayesmix.typing import Array

SPREAD_OUT = 0.2
"""The share of everybody's weight that is divided among all parts: no margin is that of a few rows alone."""
NARROWEST = 0.3
"""The SD with which an item begins in a part, at least, as a share of its own: ties begin no collapse."""
RIDGE = 0.1
"""The share of a whole row by which the coefficients of each row are drawn to those of all."""
WHITENED = 0.5
"""How often the columns of items with residual covariances are made uncorrelated before rows are parted."""
SHRUNK = 0.9
"""Of the covariances within a part, with which a start begins."""
NOISE = 0.1
"""Of the entries that a partition sets, as a share of a random start's."""


def partitioned(data: Target, limits: Ranges, seed: int) -> Array:
    """A random start whose classes are parts of the data.

    Parameters
    ----------
    data : Target
    limits : Ranges
    seed : int

    Returns
    -------
    array
        A point of theta; where no response depends on a class alone, as :meth:`Ranges.draw` has it.
    """
    rng, theta = np.random.default_rng(seed), limits.draw(seed)
    at, values = _of_parts(data, dict(_memberships(data, rng)), NARROWEST)
    theta[at] = values + NOISE * limits.unit[at] * limits.spread[at] * rng.standard_normal(len(at))
    return limits.within(theta)


def of_memberships(data: Target, limits: Ranges, parts: dict[str, Array]) -> Array:
    """A start whose classes have the margins that their members have.

    Parameters
    ----------
    data : Target
    limits : Ranges
    parts : dict of str to array (pattern, class)
        Weights of the classes of each class variable.
    """
    theta = limits.center.copy()
    at, values = _of_parts(data, parts, 0.0)
    theta[at] = values
    return limits.within(theta)


def _of_parts(data: Target, parts: dict[str, Array], narrowest: float) -> tuple[NDArray[np.int64], Array]:
    """Which entries of theta the parts determine, and their values."""
    places, found = [np.zeros(0, dtype=np.int64)], [np.zeros(0)]
    margins = (*_margins(data, parts, narrowest), *_joint_margins(data, parts, narrowest))
    for p, values in (*margins, *_sizes(data, parts)):
        index = data.packing.index[p.name]
        with np.errstate(all="ignore"):
            raw = p.domain.inverse(values)
        usable = (index >= 0) & np.isfinite(raw)
        places.append(index[usable])
        found.append(raw[usable])
    return np.concatenate(places), np.concatenate(found)


# who is in which part -----------------------------------------------------------------------------


def _memberships(data: Target, rng: np.random.Generator) -> Iterator[tuple[str, Array]]:
    """Weights (pattern, class) of each class variable that responses depend on; occasions share their seeds."""
    for group in _sharing(data):
        features = [_features(data, c, rng) for c in group]
        sizes = {c.size for c in group}
        if (
            any(f is None for f in features)
            or len(sizes) > 1
            or len({f.shape[1] for f in features if f is not None}) > 1
        ):
            continue
        level, weight = group[0].level, data.counts
        rows = [f for f in features if f is not None]
        if level == "cluster":
            rows, weight = [_by_cluster(data, f) for f in rows], np.ones(len(data.clusters or ()))
        pooled, weights = np.concatenate(rows), np.tile(weight, len(rows))
        nearest = _nearest(pooled, weights, group[0].size, rng, np.concatenate([_told(data, c, level) for c in group]))
        for c, part in zip(group, np.split(nearest, len(rows)), strict=True):
            own = one_hot(part.astype(float), c.size)
            own = (1 - SPREAD_OUT) * own + SPREAD_OUT / c.size
            yield c.name, own[_cluster_of(data)] if level == "cluster" else own


def _sharing(data: Target) -> list[list[LatentClass]]:
    """Class variables that share parameters of responses, together."""
    used = {c.name: {t.parameter.name for _, t in _terms(data, c.name)} for c in data.model.classes if c.size > 1}
    out: list[list[LatentClass]] = []
    for c in (c for c in data.model.classes if used.get(c.name)):
        with_it = [g for g in out if any(used[c.name] & used[k.name] for k in g)]
        (with_it[0] if with_it else out.append(group := []) or group).append(c)
    return out


def _terms(data: Target, name: str) -> Iterator[tuple[Response, Term]]:
    """Terms of responses that depend on a class variable and on nothing that varies between individuals.

    Loadings on sums of effects, whose means depend on it, are such terms too.
    """
    moved = {e.name for e in data.model.sums if any(name in t.dims for t in _means(e))}
    for r in data.model.responses:
        for t in r.terms:
            if (name in t.dims and not (t.covariates or t.effects)) or moved & {*t.effects}:
                yield r, t


def _means(e: Effect) -> list[Term]:
    """The terms of an effect's mean that are its own."""
    return [t for t in e.mean if not (t.covariates or t.effects)]


def _features(data: Target, c: LatentClass, rng: np.random.Generator) -> Array | None:
    """Standardised answers to the items that depend on a class, each weighted at random; NaN where missing."""
    if not (columns := data.once(_columns, c)):
        return None
    own = np.random.default_rng(rng.integers(2**32))
    if any(r.family.joint for r, _ in _terms(data, c.name)) and own.random() < WHITENED:
        return _white(np.concatenate(columns, axis=1), data.counts)
    weights = own.exponential(size=len(columns))
    return np.concatenate([np.sqrt(w) * x for w, x in zip(weights, columns, strict=True)], axis=1)


def _white(x: Array, counts: Array) -> Array:
    """Uncorrelated columns of unit variance: where classes are drawn out in one direction, another one parts them."""
    root = np.linalg.cholesky(sample_covariance(x, counts))
    filled = np.linalg.solve(root, np.nan_to_num(x).T).T
    return np.where(np.isnan(x).all(axis=1)[:, None], np.nan, filled)


def _columns(data: Target, c: LatentClass) -> list[Array]:
    """Standardised answers to the items that depend on a class; a column a category where there are several."""
    responses, columns = list({r.name: r for r, _ in _terms(data, c.name)}.values()), list[Array]()
    curves = {r.name: loadings for r, _, loadings in on_sums(data)}
    for r in responses:
        if r.name in curves:
            columns += list(_coefficients(data.responses[r.name], curves[r.name]).T[:, :, None])
            continue
        for k, item in enumerate(r.items):
            y, n = data.responses[r.name][:, k], len(data.categories.get(item, ()))
            several = r.family.by_category and n > 2
            columns.append(np.where(np.isnan(y)[:, None], np.nan, one_hot(y, n)) if several else y[:, None])
    return [_standard(x, data.counts) for x in columns]


def _coefficients(y: Array, loadings: Array) -> Array:
    """Each row's coefficients (row, effect) of its answers on the loadings, drawn a little to those of all rows.

    So much as one more row of everybody's weighs for a share of the items: one answer alone tells no slope.
    """
    seen, x = ~np.isnan(y), loadings.T
    mean = np.linalg.lstsq(x, np.nanmean(y, axis=0), rcond=None)[0]
    cross = np.einsum("ni,ij,ik->njk", seen.astype(float), x, x) + RIDGE * x.T @ x
    away = np.nan_to_num(y - x @ mean) @ x
    found = mean + np.linalg.solve(cross, away[..., None])[..., 0]
    return np.where(seen.any(axis=1)[:, None], found, np.nan)


def _standard(x: Array, counts: Array) -> Array:
    seen = np.where(np.isnan(x), 0.0, counts[:, None])
    total = np.maximum(seen.sum(axis=0), 1e-300)
    mean = (seen * np.nan_to_num(x)).sum(axis=0) / total
    sd = np.sqrt((seen * np.nan_to_num(x - mean) ** 2).sum(axis=0) / total)
    return (x - mean) / np.where(sd > 0, sd, 1.0)


def _cluster_of(data: Target) -> NDArray[np.int64]:
    found = data.arrays.get("cluster_of")
    return found.values if found is not None else np.zeros(len(data.counts), dtype=np.int64)


def _by_cluster(data: Target, x: Array) -> Array:
    """Means of the features in each cluster; patterns that clusters share count in each of them."""
    n, seen = len(data.clusters or ()), ~np.isnan(x)
    cluster, pattern, counts = data.cells
    weight = sparse.csr_array((counts, (cluster, pattern)), shape=(n, len(x)))
    total = weight @ seen
    return np.where(total > 0, (weight @ np.nan_to_num(x)) / np.where(total > 0, total, 1.0), np.nan)


def _told(data: Target, c: LatentClass, level: str) -> NDArray[np.int64]:
    """The class in which each unit of a level is known to be; -1 where that is not known, or said of another level."""
    n = len(data.clusters or ()) if level == "cluster" else len(data.counts)
    found = data.arrays.get(f"known:{c.name}")
    if found is None or c.level != level:
        return np.full(n, -1, dtype=np.int64)
    return np.where((found.values < 0).any(axis=1), found.values.argmax(axis=1), -1)


def _nearest(x: Array, weights: Array, k: int, rng: np.random.Generator, told: NDArray[np.int64]) -> NDArray[np.int64]:
    """The part of each row: k seeds far apart (k-means++), then none to three rounds of k-means.

    Classes in which some rows are known to be begin at these, which stay there.
    """
    first, which = equal_rows(x.T)  # of equal rows one distance is that of all
    seen, filled = ~np.isnan(x[first]), np.nan_to_num(x[first])
    some = np.flatnonzero(weights > 0)
    share, each = weights / weights.sum(), np.bincount(which, weights=weights)
    anchored = {
        c: _center(x[told == c], weights[told == c], filled.mean(axis=0)) for c in range(k) if (told == c).any()
    }
    centers = [*anchored.values()] or [filled[which[rng.choice(len(x), p=share)]]]
    while len(centers) < k:
        away = share * _distances(filled, seen, np.array(centers)).min(axis=1)[which]
        far = rng.choice(len(x), p=away / away.sum()) if away.sum() > 0 else rng.choice(some)
        centers.append(filled[which[far]])
    rest = iter(centers[len(anchored) :])
    at = np.array([anchored[c] if c in anchored else next(rest) for c in range(k)])
    for _ in range(int(rng.integers(4))):
        near = one_hot(_distances(filled, seen, at).argmin(axis=1).astype(float), k) * each[:, None]
        total = near.T @ seen
        at = np.where(total > 0, (near.T @ filled) / np.where(total > 0, total, 1.0), at)
    return np.where(told >= 0, told, _distances(filled, seen, at).argmin(axis=1)[which])


def _center(x: Array, weights: Array, otherwise: Array) -> Array:
    """Means of rows, as far as anything is there."""
    w = weights[:, None] * ~np.isnan(x)
    total = w.sum(axis=0)
    return np.where(total > 0, (w * np.nan_to_num(x)).sum(axis=0) / np.where(total > 0, total, 1.0), otherwise)


def _distances(x: Array, seen: NDArray[np.bool_], centers: Array) -> Array:
    """Mean squared distances over the features that are there, (row, center)."""
    square = (seen * x**2).sum(axis=1)[:, None] - 2 * x @ centers.T + seen @ (centers**2).T
    return np.maximum(square, 0.0) / np.maximum(seen.sum(axis=1), 1)[:, None]


# margins of the parts -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Answers:
    """Answers to the items of a response, and the weight of a part in each row of them."""

    y: Array
    weights: Array


def _margins(data: Target, parts: dict[str, Array], narrowest: float) -> Iterator[tuple[Parameter, Array]]:
    """Intercepts, thresholds and SDs of the items in each part, on the natural scale."""
    where: dict[str, list[tuple[Response, Term, str]]] = {}
    for r in data.model.responses:
        # of a jointly normal response all of its matrix is set at once, below
        for role, t in (*(("location", t) for t in r.predictor), *zip(r.family.auxiliary, r.auxiliary, strict=True)):
            alone = role != "sigma" or not r.family.joint
            if role in ("location", "threshold", "sigma") and alone and not (t.covariates or t.effects):
                where.setdefault(t.parameter.name, []).append((r, t, role))
    known = {c.name for c in data.model.classes}
    yield from _means_of_sums(data, parts, known)
    for uses in where.values():
        r, t, role = uses[0]
        classes = [d for d in t.dims if d in known]
        if not classes or any(d not in parts for _, s, _ in uses for d in s.dims if d in known):
            continue
        yield t.parameter, _filled(data, [(s, q) for s, q, _ in uses], role, parts, known, narrowest)


def _means_of_sums(data: Target, parts: dict[str, Array], known: set[str]) -> Iterator[tuple[Parameter, Array]]:
    """Means of sums of effects in each part: the coefficients of the items' locations there on their loadings."""
    for r, t, loadings in on_sums(data):
        own = [(e, m) for e in data.model.sums if e.name in t.effects for m in _means(e) if known & {*m.dims}]
        for e, m in (pair for pair in own if {*pair[1].dims} <= {GROUP, *parts}):
            shape = data.packing.shape(m.parameter)
            out = np.full(shape, np.nan)
            for at in np.ndindex(*(1 if d == GROUP else n for d, n in zip(m.dims, shape, strict=True))):
                w = data.counts
                for name, k in ((d, k) for d, k in zip(m.dims, at, strict=True) if d != GROUP):
                    w = w * parts[name][:, k]
                found = np.linalg.lstsq(loadings.T, locations(data, r, w), rcond=None)[0]
                everywhere = tuple(slice(None) if d == GROUP else k for d, k in zip(m.dims, at, strict=True))
                out[everywhere] = found[t.effects.index(e.name)]
            yield m.parameter, out


def _joint_margins(data: Target, parts: dict[str, Array], narrowest: float) -> Iterator[tuple[Parameter, Array]]:
    """SDs and residual covariances of jointly normal responses within the parts, pooled where they do not vary."""
    known = {c.name for c in data.model.classes}
    for r in (r for r in data.model.responses if r.family.joint):
        classes = [d for d in dict.fromkeys(d for t in r.terms for d in t.dims) if d in known]
        if not classes or any(d not in parts for d in classes) or any(t.covariates or t.effects for t in r.predictor):
            continue
        y, sizes = data.responses[r.name], [parts[d].shape[1] for d in classes]
        total = np.sqrt(np.diag(sample_covariance(y, data.counts)))
        matrices, shares = np.zeros((*sizes, len(total), len(total))), np.zeros(sizes)
        for at in np.ndindex(*sizes):
            w = data.counts * np.prod([parts[d][:, k] for d, k in zip(classes, at, strict=True)], axis=0)
            matrices[at], shares[at] = sample_covariance(y, w), w.sum()
        diagonal = np.arange(len(total))
        narrow = np.maximum(matrices[..., diagonal, diagonal], (narrowest * total) ** 2)
        matrices[..., diagonal, diagonal] = narrow
        a, b = np.array(r.pair_places).T
        sigma, covariance = r.auxiliary
        for t, last in ((sigma, r.item_dim), (covariance, r.pair_dim)):
            over = tuple(k for k, d in enumerate(classes) if d not in t.dims)
            weights = shares[..., None, None]
            pooled = (matrices * weights).sum(axis=over) / weights.sum(axis=over) if over else matrices
            names = [*(d for d in classes if d in t.dims), last]
            own = np.sqrt(pooled[..., diagonal, diagonal]) if t is sigma else SHRUNK * pooled[..., a, b]
            own = own.transpose([names.index(d) for d in t.dims if d != GROUP])
            own = np.expand_dims(own, t.dims.index(GROUP)) if GROUP in t.dims else own
            yield t.parameter, np.broadcast_to(own, data.packing.shape(t.parameter))


def _filled(
    data: Target, uses: Sequence[tuple[Response, Term]], role: str, parts, known: set[str], narrowest: float
) -> Array:
    """A parameter's values: for each part and item its margin."""
    r, t = uses[0]
    dims, shape = t.parameter.dims, data.packing.shape(t.parameter)
    of_class = [k for k, d in enumerate(t.dims) if d in known]
    item_axis = dims.index(r.item_dim) if r.item_dim in dims else None
    out = np.full(shape, np.nan)
    for at in np.ndindex(*(shape[k] for k in of_class)):
        each = [_answers(data, s, q, at, parts, known, role != "sigma") for s, q in uses]
        w = np.concatenate([a.weights for a in each])
        for i in range(len(r.items) if item_axis is not None else 1):
            y = np.concatenate([a.y[:, i] for a in each])
            if item_axis is None and len(r.items) > 1:  # one parameter of all items
                y, w = (
                    np.concatenate([a.y.T.ravel() for a in each]),
                    np.concatenate([np.tile(a.weights, len(r.items)) for a in each]),
                )
            position: list = [slice(None)] * len(dims)
            for k, v in zip(of_class, at, strict=True):
                position[k] = v
            if item_axis is not None:
                position[item_axis] = i
            n = data.outcomes(r, r.items[i])
            width = shape[-1] if role == "threshold" or r.category_dim in dims else None
            out[tuple(position)] = _margin(r, role, y, w, n, width, narrowest)
    return out


def _answers(data: Target, r: Response, t: Term, at: Sequence[int], parts, known: set[str], shared: bool) -> _Answers:
    """Rows of answers and their weights; with `shared`, equal rows once where the data have them so."""
    w = data.counts
    for name, k in zip([d for d in t.dims if d in known], at, strict=True):
        w = w * parts[name][:, k]
    rows, which = data.answers(r.name) if shared else (data.responses[r.name], None)
    return _Answers(rows, w if which is None else np.bincount(which, weights=w, minlength=len(rows)))


def _margin(r: Response, role: str, y: Array, w: Array, n: int, width: int | None, narrowest: float):
    if role == "sigma":
        w = w * ~np.isnan(y)
        mean = np.nansum(w * np.nan_to_num(y)) / w.sum()
        sd = np.sqrt(np.nansum(w * np.nan_to_num(y - mean) ** 2) / w.sum())
        return max(sd, narrowest * np.nanstd(y))
    found = np.asarray(r.family.baseline(y, w, n))
    if width is None and found.ndim:  # an intercept above thresholds that begin at zero
        return -found[0]
    if width is None or found.ndim == 0:
        return found
    more = width - len(found)
    steps = found[-1] + np.arange(1, more + 1) if role == "threshold" else np.full(more, np.nan)
    return np.concatenate([found, steps])


def _sizes(data: Target, parts: dict[str, Array]) -> Iterator[tuple[Parameter, Array]]:
    """Logits of classes at the sizes of the parts; of transitions at the moves between them."""
    for c in (c for c in data.model.classes if c.name in parts):
        for t in (t for t in c.predictor if not (t.covariates or t.effects or t.rename)):
            dims, parents = t.parameter.dims, tuple(d for d in t.parameter.dims[:-1] if d != GROUP)
            if dims[-1] != c.name or len(parents) > 1 or any(d not in parts for d in parents):
                continue
            w = data.counts[:, None] * parts[c.name]
            table = parts[parents[0]].T @ w if parents else w.sum(axis=0)
            logits = np.log(table + 0.5) - np.log(table[..., -1:] + 0.5)
            yield t.parameter, np.broadcast_to(logits, data.packing.shape(t.parameter))
