"""From a DataFrame to named arrays: every check of the user's data, patterns with counts, coords.

Nothing is computed for an individual that does not vary between individuals: rows that are equal in
all that the model uses become one pattern with a count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.data.centering import Recoding, centred_columns, recoded
from bayesmix.data.coding import Coding
from bayesmix.data.columns import check_scalars, native, numbers, plain
from bayesmix.data.design import Design, columns_of, design, missing_column
from bayesmix.data.integration import choose, node_arrays
from bayesmix.data.items import Coded, coded_items
from bayesmix.spec.families import Nominal, Normal, Ordinal
from bayesmix.spec.model import Covariates, Effect, Model, Response, Term, check_model, terms
from bayesmix.spec.parameters import Named, Packing, Prior, natural_values, unconstrain
from bayesmix.spec.quadrature import Adaptive, Nodes

Array = NDArray[np.float64]
SMALLEST_SD = 0.01
"""The floor of residual SDs that vary over classes, as a share of the item's own, where nothing else is asked for."""
WORTH_MERGING = 1.5
"""How many more patterns there are by cluster, from which they are merged over clusters where that is possible."""
WORTH_SLOTS = 2.0
"""How many slots a pattern there may be for clusters of different sizes."""
WHOLE = 1e-6
"""How far a frequency may be from a whole number by rounding."""


@dataclass(frozen=True)
class Data:
    """A data set as the graph takes it.

    Attributes
    ----------
    arrays : dict of str to Named
        Inputs of the graph by name.
    coords : dict of str to list
        Labels of every dim of the parameters.
    categories : dict of str to list
        The categories of each categorical item, in the order of their codes.
    packing : Packing
        Where each parameter's free entries stand in theta.
    pattern_of : array of int
        The pattern of each row of the data; -1 for a row without any answer, which is left out.
    responses : dict of str to array
        Coded responses of each pattern, (individual, item), NaN where missing.
    counts : array
        Individuals of each pattern.
    clusters : list, optional
        Labels of the clusters in the order of the dim `cluster`.
    nodes : dict of str to Nodes
        The integration method at each level that has integrated effects.
    places : dict of str to (array, array)
        Centres and scales of adaptive nodes that have been moved.
    priors : dict of str to Prior
        Of parameters, that penalise the log-likelihood.
    smallest_sd : float
        The floor of residual SDs that vary over classes, as a share of the item's SD.
    recoding : Recoding
        From parameters on the scale of the arrays, on which covariates are centred and orthonormal, to the user's.
    user_columns : dict of str to Named
        The covariates as the user has them.
    coding : Coding
        How the items and covariates were coded, for other rows.
    """

    model: Model
    arrays: Mapping[str, Named]
    coords: Mapping[str, Sequence]
    categories: Mapping[str, list]
    packing: Packing
    pattern_of: NDArray[np.int64]
    index: pd.Index
    responses: Mapping[str, Array]
    counts: Array
    clusters: list | None = None
    cluster_of_row: NDArray[np.int64] | None = None
    nodes: Mapping[str, Nodes] = field(default_factory=dict)
    places: Mapping[str, tuple[Array, Array]] = field(default_factory=dict)
    priors: Mapping[str, Prior] = field(default_factory=dict)
    smallest_sd: float = SMALLEST_SD
    recoding: Recoding = field(default_factory=Recoding)
    user_columns: Mapping[str, Named] = field(default_factory=dict)
    coding: Coding = field(default_factory=Coding)

    def pack(self, values: Mapping[str, Array]) -> Array:
        """Natural parameters on the user's scale to theta.

        Raises
        ------
        ValueError
            A parameter is missing, has another shape, or lies outside its support.
        """
        theta = self.packing.pack(values)
        if self.recoding.is_identity:
            return theta
        given = {p.name: np.asarray(values[p.name], dtype=float) for p in self.model.parameters}
        return self.packing.pack(self.recoding.to_inside(given))

    def natural(self, theta: Array) -> dict[str, Array]:
        """Every parameter on the user's natural scale; leading axes of theta are carried along."""
        return self.recoding.to_user(self.inside(theta))

    def user_theta(self, theta: Array) -> Array:
        """The point of theta that stands for the same parameters in :meth:`on_user_scale`; leading axes likewise."""
        out, there = np.array(theta, dtype=float), self.recoding.to_user(values := self.inside(theta))
        for p in (p for p in self.model.parameters if there[p.name] is not values[p.name]):
            i = self.packing.index[p.name]
            out[..., i[i >= 0]] = unconstrain(there[p.name], p)[..., i >= 0]
        return out

    def inside(self, theta: Array) -> dict[str, Array]:
        """Every parameter on its natural scale for centred, orthonormal covariates: what the graph takes."""
        raw = self.packing.unpack_raw(theta)
        return {p.name: natural_values(raw[p.name], p) for p in self.model.parameters}

    def centred(self) -> Data:
        """The data with covariates that are centred, in the user's units: intercepts are those at their means."""
        recoding = self.recoding.centred()
        owner = self.arrays["cluster_of"].values if "cluster_of" in self.arrays else None
        columns = centred_columns(recoding, self.user_columns, owner)
        return replace(self, arrays={**self.arrays, **columns}, recoding=recoding)

    def on_user_scale(self) -> Data:
        """The data with covariates as the user has them: theta is then that of the user's parameters."""
        return replace(self, arrays={**self.arrays, **self.user_columns}, recoding=Recoding(), user_columns={})

    @property
    def unit(self) -> str:
        """The dim over which the log-likelihood adds up."""
        return "cluster" if self.clusters is not None else "individual"

    @cached_property
    def n_individuals(self) -> int:
        """Individuals that enter the analysis, frequency weights counted."""
        return round(float(self.counts.sum()))

    @property
    def n_clusters(self) -> int | None:
        """Clusters that enter the analysis."""
        return None if self.clusters is None else len(self.clusters)

    @property
    def cluster_sizes(self) -> Array | None:
        """Individuals of each cluster."""
        if self.clusters is None:
            return None
        counts = self.arrays["counts"]
        if "cluster" in counts.dims:
            return counts.values.sum(axis=1)
        return np.bincount(self.arrays["cluster_of"].values, weights=counts.values, minlength=len(self.clusters))

    @property
    def n_left_out(self) -> int:
        """Rows without any answer."""
        return int((self.pattern_of < 0).sum())

    @cached_property
    def n_missing_patterns(self) -> int:
        """How many patterns of missing and observed items occur."""
        seen = np.concatenate([np.isnan(y) for y in self.responses.values()], axis=1)
        return len(np.unique(seen[self.counts > 0], axis=0))

    @property
    def signature(self) -> tuple:
        """Names, dims and types of the inputs: with the model's structure, the compiled function's key."""
        return tuple((k, v.dims, str(v.values.dtype)) for k, v in self.arrays.items())

    def values(self) -> dict[str, np.ndarray]:
        """The inputs as plain arrays."""
        return {k: v.values for k, v in self.arrays.items()}


def prepare(
    model: Model,
    df: pd.DataFrame,
    nodes: Nodes | Mapping[str, Nodes] | None = None,
    sampled: tuple[str, ...] = (),
    collapse: bool = True,
    coding: Coding | None = None,
) -> Data:
    """Check the data and make the graph's inputs.

    Parameters
    ----------
    model : Model
        The declaration.
    df : pandas.DataFrame
        One row an individual; `model.freq` counts rows that stand for several.
    nodes : Nodes or mapping of level to Nodes, optional
        How effects are integrated; left out, :func:`bayesmix.data.integration.choose` does.
    sampled : tuple of str
        Levels whose effects are given values (one node a unit) instead of being integrated.
    collapse : bool
        Merge equal rows into patterns (of each cluster, for a two-level model).
    coding : Coding, optional
        That of other data (`Data.coding`, `fit.info["coding"]`), which is followed as far as it goes: any rows can be
        coded then, a single one too, and none of what it takes to estimate the model is asked of them.

    Raises
    ------
    ValueError, TypeError
        What came, what was expected, and what to do.
    """
    _check_frame(model, df)
    methods = choose(model, nodes, sampled)
    freq = _frequencies(model, df)
    coded = coded_items(model, df, freq > 0, coding)
    seen = np.concatenate([~np.isnan(c.y) for c in coded.values()], axis=1).any(axis=1)
    if not seen.any():
        raise ValueError("No row has an answer to any of the items: all are missing. Check the missing-value code.")
    labels, cluster = _clusters(model, df, seen, 2 if coding is None else 1)
    if cluster is not None and labels is not None and "cluster" not in sampled and coding is None:
        _check_clusters(model, np.bincount(cluster[seen], freq[seen], len(labels)))
    designs = _designs(model, df, seen, cluster, coded, coding)
    varies = cluster is not None and (
        "cluster" in sampled or isinstance(methods.get("cluster"), Adaptive) or _by_cluster(model)
    )
    keys = [c.y for c in coded.values()]
    keys += [d.values for c, d in zip(model.covariates, designs.values(), strict=True) if c.level == "individual"]
    keys += [cluster[:, None].astype(float)] if cluster is not None else []
    first, pattern_of = _patterns(keys, seen, collapse and "individual" not in sampled)
    merging = cluster is not None and collapse and "individual" not in sampled
    if merging and not varies:
        merged = _patterns(keys[:-1], seen, True)
        varies = len(first) < WORTH_MERGING * len(merged[0])
        first, pattern_of = (first, pattern_of) if varies else merged
    slots = 0
    if merging and varies:
        first, pattern_of, slots = _in_slots(first, pattern_of, cast(NDArray, cluster))
    counts = np.bincount(pattern_of[seen], weights=freq[seen], minlength=len(first))
    responses = {name: np.where((counts > 0)[:, None], e.y[first], np.nan) for name, e in coded.items()}
    arrays: dict[str, Named] = {}
    for r in model.responses:
        arrays |= _response_arrays(r, coded[r.name], responses[r.name])
    for c in model.covariates:
        d = designs[c.name].values
        arrays[c.name] = Named((c.level, c.name), d[first] if c.level == "individual" else d)
    if cluster is None or labels is None:
        arrays["weight"] = Named(("individual",), counts)
    elif varies:
        arrays |= _members(counts, _owner(cluster[first], slots), len(labels), slots)
    else:
        arrays |= _merged(cluster[seen], pattern_of[seen], freq[seen], (len(labels), len(first)))
    for level, size in (("individual", len(first)), ("cluster", len(labels or []))):
        if effects := model.effects_at(level):
            arrays |= node_arrays(level, effects, methods.get(level), size)

    coords = _coords(model, coded, designs)
    packing = Packing(model.parameters, coords, _absent(model, coded, coords))
    columns = {c.name: arrays[c.name] for c in model.covariates}
    weights = {"individual": counts, "cluster": np.ones(len(labels or ()))}
    owner = arrays["cluster_of"].values if "cluster_of" in arrays else None
    inside, recoding = recoded(model, columns, weights, packing, owner)
    arrays |= inside
    too_many = [c for c in model.classes if c.level != "item" and c.size > int(seen.sum())]
    if too_many and coding is None:
        raise ValueError(
            f"{too_many[0].size} classes came for {int(seen.sum())} rows with an answer: ask for fewer classes."
        )
    categories = {i: list(c) for e in coded.values() for i, c in zip(e.items, e.categories, strict=True)}
    return Data(
        model=model,
        arrays={k: Named(v.dims, np.asarray(v.values, order="C")) for k, v in arrays.items()},
        coords=coords,
        categories=categories,
        packing=packing,
        pattern_of=pattern_of,
        index=df.index,
        responses=responses,
        counts=counts,
        clusters=labels,
        cluster_of_row=cluster,
        nodes=methods,
        recoding=recoding,
        user_columns=columns,
        coding=Coding({i: c for i, c in categories.items() if c}, {k: d.coding for k, d in designs.items()}),
    )


def _designs(model: Model, df: pd.DataFrame, seen, cluster, coded, coding: Coding | None) -> dict[str, Design]:
    known = coding.designs if coding else {}
    return {
        c.name: design(c, df, seen, cluster, _needed(model, c, coded), known.get(c.name), check=coding is None)
        for c in model.covariates
    }


def _needed(model: Model, c: Covariates, coded: Mapping[str, Coded]) -> NDArray[np.bool_]:
    """Rows whose likelihood depends on covariates: those with an answer to an item that is beneath them.

    The class of an occasion from which on all answers are missing adds up to one, whatever its covariates.
    """
    own = {r.name for r in model.responses if any(t.covariates == c for t in (*r.predictor, *r.auxiliary))}
    classes = {k.name for k in model.classes if any(t.covariates == c for t in k.predictor)}
    for k in model.classes:  # a parent stands before its child
        if classes & {d for t in k.predictor for d in t.dims}:
            classes.add(k.name)
    for r in model.responses:
        if classes & {d for t in (*r.predictor, *r.auxiliary) for d in t.dims}:
            own.add(r.name)
    through = [t for e in model.effects for t in _terms_of(e)]
    if not own or any(t.covariates == c or classes & {*t.dims} for t in through):
        own = set(coded)
    return np.concatenate([~np.isnan(coded[name].y) for name in sorted(own)], axis=1).any(axis=1)


def _by_cluster(model: Model) -> bool:
    """Whether a covariate of clusters stands in the predictor of something of individuals or of effects."""
    below = [c for c in model.classes if c.level == "cluster"]
    own = {t for c in below for t in c.predictor}
    return any(t.covariates and t.covariates.level == "cluster" for t in terms(model) if t not in own)


# checks -------------------------------------------------------------------------------------------


def _check_frame(model: Model, df: pd.DataFrame) -> None:
    check_model(model)
    if not isinstance(df, pd.DataFrame):
        raise TypeError(f"The data came as {type(df).__name__}, expected a pandas DataFrame: pd.DataFrame(data).")
    if len(df) == 0:
        raise ValueError("The data frame is empty (0 rows): give at least one row.")
    if isinstance(df.columns, pd.MultiIndex):
        raise ValueError(
            "The columns of the data are a MultiIndex, expected one name each: "
            "df.columns = ['_'.join(map(str, c)) for c in df.columns]."
        )
    wanted = [*model.items, *(c for c in (model.cluster, model.freq) if c)]
    for column in wanted:
        if column not in df.columns:
            raise ValueError(missing_column(column, df))
    twice = df.columns[df.columns.duplicated()]
    covariates = [column for c in model.covariates for column in columns_of(c)]
    if hit := [c for c in (*wanted, *covariates) if c in twice]:
        raise ValueError(f"The data have more than one column named '{hit[0]}': rename or drop one of them.")
    roles = [("an item", c) for c in model.items] + [("the cluster column", model.cluster), ("freq", model.freq)]
    for k, (role, column) in enumerate(roles):
        if other := [r for r, c in roles[:k] if c == column and column is not None]:
            raise ValueError(f"'{column}' came both as {other[0]} and as {role}: take it out of one of them.")


def texts(categories: Mapping[str, list]) -> dict[str, list[str]]:
    """Categories of each item as text, for what is kept on disk."""
    return {k: [str(x) for x in v] for k, v in categories.items()}


def _frequencies(model: Model, df: pd.DataFrame) -> Array:
    if model.freq is None:
        return np.ones(len(df))
    freq = numbers(f"The freq column '{model.freq}'", df[model.freq], np.ones(len(df), dtype=bool))
    if not np.isfinite(freq).all() or (freq < 0).any():
        raise ValueError(f"The freq column '{model.freq}' has missing, infinite or negative values: give counts.")
    if freq.sum() == 0:
        raise ValueError(f"The freq column '{model.freq}' is zero in every row: give counts.")
    if (broken := freq[np.abs(freq - np.round(freq)) > WHOLE]).size:
        raise ValueError(
            f"The freq column '{model.freq}' came with {broken[0]:g}, expected whole numbers: how many individuals a "
            "row stands for. Shares become counts by (share * n).round(); sampling weights are no frequencies, and "
            "the criteria and standard errors would be wrong: leave them out."
        )
    return np.round(freq)


def _clusters(model: Model, df: pd.DataFrame, seen, least: int) -> tuple[list | None, NDArray[np.int64] | None]:
    if model.cluster is None:
        return None, None
    what, column = f"The cluster column '{model.cluster}'", native(df[model.cluster])
    check_scalars(what, column)
    stripped = column.map(lambda v: v.strip() or None if isinstance(v, str) else v)
    if n := int(stripped.isna().sum()):
        raise ValueError(f"{what} has {n} missing values: every row needs a cluster; drop or label them.")
    if stripped.nunique() < column.nunique():
        raise ValueError(f"{what} has labels that differ by blanks alone: df['{model.cluster}'].str.strip() is one.")
    codes, labels = pd.factorize(column[seen], sort=True)
    if len(labels) < least:
        raise ValueError(
            f"{what} has one cluster only ({labels[0]!r}): a two-level model needs several; leave cluster= out."
        )
    out = np.full(len(df), -1, dtype=np.int64)
    out[seen] = codes
    return list(labels), out


def _check_clusters(model: Model, sizes: Array) -> None:
    effects = [e.name for e in model.effects_at("cluster")]
    if effects and len(sizes) <= len(effects):
        raise ValueError(
            f"{len(effects)} random effects of clusters came for {len(sizes)} clusters: there must be more clusters "
            "than effects; take fewer effects (one factor, or none)."
        )
    if (lost := _through_classes(model)) and sizes.max() <= 1:
        raise ValueError(
            f"Every cluster of '{model.cluster}' has one individual ({len(sizes)} clusters): {', '.join(lost)} of "
            "clusters cannot be told from what varies between individuals. Give a column whose labels several rows "
            "share, or leave cluster= out."
        )


def _through_classes(model: Model) -> list[str]:
    """Effects of clusters that reach the responses only through classes or factors below them; such classes too."""
    used = [t for r in model.responses for t in (*r.predictor, *r.auxiliary)]
    within, between = ([t for e in model.effects_at(k) for t in _terms_of(e)] for k in ("individual", "cluster"))
    direct = {d for t in (*used, *within, *between) for d in t.dims}
    direct |= {name for t in (*used, *between) for name in t.effects}
    effects = [f"the effect {e.name}" for e in model.effects_at("cluster") if e.name not in direct]
    return effects + [f"the class {c.name}" for c in model.classes_at("cluster") if c.name not in direct]


def _terms_of(e: Effect) -> tuple[Term, ...]:
    return (*e.mean, *([e.sd] if e.sd else []))


# items --------------------------------------------------------------------------------------------


def _response_arrays(r: Response, coded: Coded, y: Array) -> dict[str, Named]:
    item = r.item_dim
    n_categories = [len(c) for c in coded.categories]
    width, x = coded.width, y
    out: dict[str, Named] = {}
    if isinstance(r.family, Normal):
        x = (y - coded.center) / coded.scale
        out = {f"{r.name}:center": Named((item,), coded.center), f"{r.name}:scale": Named((item,), coded.scale)}
    out |= category_constants(r, n_categories, width)
    features = np.moveaxis(r.family.features(x, width), 0, -1)  # individuals last: sums over classes run along memory
    return {f"{r.name}:features": Named((item, "feature", "individual"), features)} | out


def category_constants(r: Response, n_categories: Sequence[int], width: int) -> dict[str, Named]:
    """What a family needs to know of items with `n_categories`, of `width` at most: those that an item does not have.

    Parameters
    ----------
    r : Response
    n_categories : sequence of int
        Of each of its items.
    width : int
        The most that an item of its dim of categories has.
    """
    item = r.item_dim
    if isinstance(r.family, Nominal):
        missing = np.arange(width) >= np.array(n_categories)[:, None]
        return {f"{r.name}:missing_category": Named((item, "feature"), missing.astype(float))}
    if isinstance(r.family, Ordinal):
        over = np.arange(width - 1)[None, :] - np.array(n_categories)[:, None] + 2.0
        return {
            f"{r.name}:beyond": Named((item, "threshold"), np.maximum(over, 0.0)),
            f"{r.name}:beyond_last": Named((), np.asarray(float(width))),
        }
    return {}


# other rows, coded as those of given parameters ---------------------------------------------------


def coding_of(model: Model, params: Mapping[str, Any], df: pd.DataFrame | None = None) -> Coding:
    """How rows are to be coded for given parameters, as far as these tell.

    The parameters of a fit know it all. Others know the categories of their coords; and where they have as many as a
    Categorical of `df` declares, it is these, whether they occur or not.

    Parameters
    ----------
    params : mapping of str to array
        `Fit.params`, or values of parameters.
    df : pandas.DataFrame, optional
        New rows.
    """
    if held := getattr(params, "attrs", {}).get("coding"):
        return Coding.of(held)
    out: dict[str, list] = {}
    for r in (r for r in model.responses if r.family.kind == "categorical"):
        size, known = n_categories(r, params), _coord(params, r.category_dim)
        for item in r.items:
            column = None if df is None else df.get(item)
            if known is not None and known != list(range(1, len(known) + 1)):
                out[item] = known
            elif column is not None and isinstance(column.dtype, pd.CategoricalDtype):
                declared = [plain(v) for v in column.cat.categories]
                out |= {item: declared} if len(declared) == size else {}
    return Coding(out)


def n_categories(r: Response, params: Mapping[str, Any]) -> int:
    """The most categories that items of a response have, by the shape of its parameters."""
    for t in (*r.predictor, *r.auxiliary):
        shape = dict(zip(t.parameter.dims, np.shape(params.get(t.parameter.name, ())), strict=False))
        for dim, extra in ((r.category_dim, 0), (r.threshold_dim, 1)):
            if dim in shape:
                return shape[dim] + extra
    return 2


def _coord(params: Any, dim: str) -> list | None:
    """Labels of a dim of a Dataset."""
    coords = getattr(params, "coords", {})
    return [plain(v) for v in coords[dim].values] if dim in coords else None


def check_coords(params: Any, data: Data, categories: bool = True) -> None:
    """Refuse parameters whose labels are not those of the data: other items, categories, columns of a formula.

    Raises
    ------
    ValueError
        The dim, its labels here and there.
    """
    apart = {c.name for c in data.model.classes}
    apart |= set() if categories else {r.category_dim for r in data.model.responses}
    for dim in (d for d in getattr(params, "coords", {}) if d in data.coords and d not in apart):
        there, here = ([str(plain(v)) for v in x] for x in (params.coords[dim].values, data.coords[dim]))
        if there != here:
            raise ValueError(
                f"The parameters have {', '.join(there[:12])} along '{dim}', the data {', '.join(here[:12])}: give the "
                "model and the types of columns that the parameters belong to, or parameters as plain arrays."
            )


# patterns, nodes, coords --------------------------------------------------------------------------


def _patterns(keys: list[Array], seen, collapse: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First row of each pattern, and the pattern of each row (-1 where not seen)."""
    rows = np.flatnonzero(seen)
    pattern_of = np.full(len(seen), -1, dtype=np.int64)
    if not collapse:
        pattern_of[rows] = np.arange(len(rows))
        return rows, pattern_of
    wide = np.ascontiguousarray(np.column_stack(keys)[rows] + 0.0)
    wide[np.isnan(wide)] = -np.inf
    as_bytes = wide.view(np.dtype((np.void, wide.dtype.itemsize * wide.shape[1]))).ravel()
    _, first, inverse = np.unique(as_bytes, return_index=True, return_inverse=True)
    pattern_of[rows] = inverse
    return rows[first], pattern_of


def _in_slots(first, pattern_of, cluster) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Patterns of clusters in slots, as many for each as the largest has; none if most were empty."""
    owner = cluster[first]
    sizes = np.bincount(owner)
    slots = int(sizes.max())
    if len(sizes) * slots > WORTH_SLOTS * len(first):
        return first, pattern_of, 0
    order = np.argsort(owner, kind="stable")
    at = np.empty(len(first), dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    at[order] = owner[order] * slots + np.arange(len(first)) - starts[owner[order]]
    wide = np.full(len(sizes) * slots, first[0])
    wide[at] = first
    return wide, np.where(pattern_of >= 0, at[pattern_of], -1), slots


def _members(counts: Array, owner: NDArray[np.int64], clusters: int, slots: int) -> dict[str, Named]:
    """Individuals of each pattern, which belongs to one cluster."""
    out = {"weight": Named(("cluster",), np.ones(clusters)), "counts": Named(("individual",), counts)}
    out["cluster_of"] = Named(("individual",), owner)
    return out | ({"square": Named(("cluster", "slot"), counts.reshape(-1, slots))} if slots else {})


def _merged(cluster, pattern, freq, shape: tuple[int, int]) -> dict[str, Named]:
    """Individuals of each pattern in each cluster."""
    table = np.zeros(shape)
    np.add.at(table, (cluster, pattern), freq)
    return {"weight": Named(("cluster",), np.ones(shape[0])), "counts": Named(("cluster", "individual"), table)}


def _owner(cluster: NDArray[np.int64], slots: int) -> NDArray[np.int64]:
    """The cluster of each pattern; of empty slots too."""
    return np.repeat(np.arange(len(cluster) // slots), slots) if slots else cluster


def _coords(model: Model, coded: Mapping[str, Coded], designs: Mapping[str, Design]) -> dict[str, list]:
    coords: dict[str, list] = {c.name: list(range(1, c.size + 1)) for c in model.classes}
    for r in model.responses:
        e = coded[r.name]
        coords.setdefault(r.item_dim, list(r.labels or r.items))
        if r.family.kind == "categorical":
            same = all(c == e.categories[0] for c in e.categories)
            labels = e.categories[0] if same else list(range(1, e.width + 1))
            if len(labels) > len(coords.get(r.category_dim, [])):
                coords[r.category_dim] = labels
                coords[r.threshold_dim] = list(range(1, len(labels)))
    for t in terms(model):
        if t.covariates:
            coords[t.covariates.name] = designs[t.covariates.name].columns
        if t.effects and t.effect_dim in t.parameter.dims:
            coords[t.effect_dim] = list(t.effects)
        for shared, here in t.rename:
            if here in coords:
                coords.setdefault(shared, coords[here])
    return coords


def _absent(model: Model, coded: Mapping[str, Coded], coords) -> dict[str, NDArray[np.bool_]]:
    """Entries of category logits and thresholds that an item with fewer categories does not have."""
    out = {}
    for r in model.responses:
        n = np.array([len(c) for c in coded[r.name].categories])
        for t in (*r.predictor, *r.auxiliary):
            p = t.parameter
            for dim, extra in ((r.category_dim, 0), (r.threshold_dim, 1)):
                dims = t.dims
                if dim in dims and r.item_dim in dims and r.family.kind == "categorical":
                    gone = np.arange(len(coords[dim])) >= (n - extra)[:, None]
                    axes = [dims.index(r.item_dim), dims.index(dim)]
                    shape = [len(coords[d]) if i in axes else 1 for i, d in enumerate(p.dims)]
                    gone = gone if axes[0] < axes[1] else gone.T
                    out[p.name] = np.broadcast_to(gone.reshape(shape), [len(coords[d]) for d in p.dims])
    return out
