"""From rows to the graph's inputs: patterns with counts, named arrays, coords, the layout of theta.

Nothing is computed for an individual that does not vary between individuals: rows that are equal in
all that the model uses become one pattern with a count.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.data.centering import LATENT, Recoding, centred_columns, latent_key, recoded
from bayesmix.data.coding import Coding
from bayesmix.data.dataset import Dataset
from bayesmix.data.design import Design
from bayesmix.data.groups import Groups
from bayesmix.data.items import Coded
from bayesmix.data.row_ranks import by_number, equal_rows
from bayesmix.spec import GROUP, Covariates, Model, Named, Packing, Response, in_common, terms
from bayesmix.typing import Array

WORTH_MERGING = 1.5
"""How many more patterns there are by cluster, from which they are merged over clusters where that is possible."""
WORTH_ANSWERS = 4
"""How many individuals a different row of answers has, from which the graph meets each row of answers once."""
NEVER = -1000.0
"""The logarithm of a probability of 0: exactly 0 exponentiated, and no infinity, whose product with 0 is no number."""
WORTH_SLOTS = 2.0
"""How many slots a pattern there may be for clusters of different sizes."""


@dataclass(frozen=True)
class Patterns:
    """A data set as the graph takes it, but for the nodes of its effects.

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
        Individuals of each pattern; by their weights, where there is the design of a survey.
    clusters : list, optional
        Labels of the clusters in the order of the dim `cluster`.
    recoding : Recoding
        From parameters on the scale of the arrays, on which covariates are centred and orthonormal, to the user's.
    user_columns : dict of str to Named
        The covariates as the user has them.
    coding : Coding
        How the items and covariates were coded, for other rows.
    dataset : Dataset, optional
        The rows that the patterns were made of; dropped where arrays alone are wanted.
    kept : dict
        What was made of these arrays and may be of use again; whoever takes it sees whether they are still the same.
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
    recoding: Recoding = field(default_factory=Recoding)
    user_columns: Mapping[str, Named] = field(default_factory=dict)
    coding: Coding = field(default_factory=Coding)
    dataset: Dataset | None = None
    kept: dict[Hashable, Any] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, rows: Dataset, by_cluster: bool = False, collapse: bool = True) -> Self:
        """Merge the rows into patterns and make the graph's inputs.

        Parameters
        ----------
        rows : Dataset
        by_cluster : bool
            Keep individuals of different clusters apart: something that varies with them is computed for each.
        collapse : bool
            Merge equal rows (of each cluster, for a two-level model).

        Raises
        ------
        ValueError
            More classes than rows.
        """
        model, seen, freq, coded, designs = rows.model, rows.seen, rows.weights, rows.coded, rows.designs
        labels, cluster = rows.clusters, rows.cluster_of_row
        varies = cluster is not None and (by_cluster or _by_cluster(model))
        keys = [c.y for c in coded.values()]
        keys += _of_individuals(model, designs)
        keys += [v.values[:, None] for v in rows.normal.values()]
        keys += [c.column[:, None] for c in coded.values() if c.column is not None]
        by_group = rows.groups if model.by_group else None
        keys += _observed(rows)
        keys += [cluster[:, None].astype(float)] if cluster is not None else []
        first, pattern_of = _patterns(keys, seen, collapse)
        merging = cluster is not None and collapse
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
            own = coded[r.name].column
            beside = None if own is None else own[first]
            arrays |= _response_arrays(r, coded[r.name], responses[r.name], _is_plain(model, r), beside)
        arrays |= _covariate_arrays(rows, first)
        if cluster is None or labels is None:
            arrays["weight"] = Named(("individual",), counts)
        elif varies:
            arrays |= _members(counts, _owner(cluster[first], slots), rows.cluster_weights, slots)
        else:
            merged_to = _in_cells if not model.effects_at("cluster") else _in_table
            arrays |= merged_to(cluster[seen], pattern_of[seen], freq[seen], rows.cluster_weights, len(first))
        if by_group:
            arrays |= _of_groups(by_group, first, by_group.of_clusters(cluster, len(labels or ())))
        arrays |= _of_known(rows, first)
        coords = _coords(model, coded, designs)
        coords |= {GROUP: by_group.labels} if by_group else {}
        arrays |= _staying(model)
        packing = Packing(model.parameters, coords, _absent(model, coded, coords), model.constraints)
        columns = {c.key: arrays[c.key] for c in model.covariates}
        columns |= {k: x for k, x in arrays.items() if k.startswith(LATENT)}
        weights = {"individual": counts, "cluster": rows.cluster_weights}
        owner = arrays["cluster_of"].values if "cluster_of" in arrays else None
        inside, recoding = recoded(model, columns, weights, packing, owner)
        arrays |= inside
        too_many = [c for c in model.classes if c.level != "item" and c.size > int(seen.sum())]
        if too_many and not rows.follows:
            raise ValueError(
                f"{too_many[0].size} classes came for {int(seen.sum())} rows with an answer: ask for fewer classes."
            )
        return cls(
            model=model,
            arrays={k: Named(v.dims, np.asarray(v.values, order="C")) for k, v in arrays.items()},
            coords=coords,
            categories=rows.categories,
            packing=packing,
            pattern_of=pattern_of,
            index=rows.index,
            responses=responses,
            counts=counts,
            clusters=labels,
            cluster_of_row=cluster,
            recoding=recoding,
            user_columns=columns,
            coding=rows.coding,
            dataset=rows,
        )

    def pack(self, values: Mapping[str, Array], lead: tuple[int, ...] = ()) -> Array:
        """Natural parameters on the user's scale to theta; of several points, stacked along axes `lead`, to each.

        Raises
        ------
        ValueError
            A parameter is missing, has another shape, or lies outside its support.
        """
        if not lead:
            values = self.packing.with_fixed(values)
        theta = self.packing.pack(values, lead)
        if self.recoding.is_identity:
            return theta
        given = {p.name: np.asarray(values[p.name], dtype=float) for p in self.model.parameters}
        return self.packing.pack(self.recoding.to_inside(given), lead)

    def natural(self, theta: Array) -> dict[str, Array]:
        """Every parameter on the user's natural scale; leading axes of theta are carried along."""
        return self.recoding.to_user(self.inside(theta))

    def user_theta(self, theta: Array) -> Array:
        """The point of theta that stands for the same parameters in :meth:`on_user_scale`; leading axes likewise."""
        out, there = np.array(theta, dtype=float), self.recoding.to_user(values := self.inside(theta))
        for p in (p for p in self.model.parameters if there[p.name] is not values[p.name]):
            i = self.packing.index[p.name]
            out[..., i[i >= 0]] = p.domain.inverse(there[p.name])[..., i >= 0]
        return out

    def inside(self, theta: Array) -> dict[str, Array]:
        """Every parameter on its natural scale for centred, orthonormal covariates: what the graph takes."""
        raw = self.packing.unpack_raw(theta)
        return {p.name: p.domain.forward(raw[p.name]) for p in self.model.parameters}

    def centred(self) -> Self:
        """The data with covariates that are centred, in the user's units: intercepts are those at their means."""
        recoding = self.recoding.centred()
        owner = self.arrays["cluster_of"].values if "cluster_of" in self.arrays else None
        columns = centred_columns(recoding, self.user_columns, owner)
        return replace(self, arrays={**self.arrays, **columns}, recoding=recoding)

    def on_user_scale(self) -> Self:
        """The data with covariates as the user has them: theta is then that of the user's parameters."""
        return replace(self, arrays={**self.arrays, **self.user_columns}, recoding=Recoding(), user_columns={})

    def answers(self, response: str) -> tuple[Array, NDArray[np.int64] | None]:
        """Rows of answers to a response, and which of them each pattern has; None where it is its own."""
        y, found = self.responses[response], self.arrays.get(f"{response}:answers")
        if found is None:
            return y, None
        which = found.values
        first = np.zeros(which.max() + 1, dtype=np.int64)
        first[which] = np.arange(len(which))
        return y[first], which

    def outcomes(self, r: Response, item: str) -> int:
        """How many outcomes an item has: its categories; of trials by row one more than their mean, rounded up."""
        if r.family.column is None:
            return len(self.categories.get(item, ()))
        n, y = self.arrays[f"{r.name}:trials"].values[:, r.items.index(item)], self.responses[r.name]
        weight = np.where(np.isnan(y[:, r.items.index(item)]), 0.0, self.counts)
        return 1 + int(np.ceil((weight * np.nan_to_num(n)).sum() / max(weight.sum(), 1e-300)))

    def keep[T](self, name: Hashable, made_of: tuple, make: Callable[[], T]) -> T:
        """What `make` makes, made once for all problems with these very arrays, wherever their nodes are."""
        known = self.kept.get(name)
        if (
            known is None
            or len(known[0]) != len(made_of)
            or any(a is not b for a, b in zip(known[0], made_of, strict=True))
        ):
            known = self.kept[name] = made_of, make()
        return known[1]

    @property
    def unit(self) -> str:
        """The dim over which the log-likelihood adds up."""
        return "cluster" if self.clusters is not None else "individual"

    @cached_property
    def n_individuals(self) -> int:
        """Individuals that enter the analysis, frequency weights counted."""
        rows = self.dataset
        return round(float(self.counts.sum() if rows is None else rows.freq[rows.seen].sum()))

    @property
    def n_clusters(self) -> int | None:
        """Clusters that enter the analysis."""
        return None if self.clusters is None else len(self.clusters)

    @property
    def cluster_sizes(self) -> Array | None:
        """Individuals of each cluster."""
        if self.clusters is None:
            return None
        cluster, _, counts = self.cells
        return np.bincount(cluster, weights=counts, minlength=len(self.clusters))

    @property
    def cells(self) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
        """Of a two-level model: clusters, patterns that occur in them, and how many individuals have each there."""
        counts = self.arrays["counts"]
        if "cell" in counts.dims:
            return self.arrays["cell_cluster"].values, self.arrays["cell_individual"].values, counts.values
        if "cluster" in counts.dims:
            cluster, at = np.nonzero(counts.values)
            return cluster, at, counts.values[cluster, at]
        at = np.flatnonzero(self.counts > 0)
        return self.arrays["cluster_of"].values[at], at, self.counts[at]

    @property
    def n_left_out(self) -> int:
        """Rows without any answer, and those of weight zero."""
        return int((self.pattern_of < 0).sum())

    @cached_property
    def n_missing_patterns(self) -> int:
        """How many patterns of missing and observed items, and covariates that are variables of the model, occur."""
        used = self.counts > 0
        of_rows = [self.responses[r.name] for r in self.model.responses if r.level == "individual"]
        columns = [np.isnan(x[used]) for y in of_rows for x in y.T]
        columns += [x.values[used] == 0 for k, x in self.arrays.items() if k.startswith("there:")]
        return len(equal_rows(columns, by_number)[0])

    @property
    def signature(self) -> tuple:
        """Names, dims and types of the inputs: with the model's structure, the compiled function's key."""
        return tuple((k, v.dims, str(v.values.dtype)) for k, v in self.arrays.items())

    def values(self) -> dict[str, np.ndarray]:
        """The inputs as plain arrays."""
        return {k: v.values for k, v in self.arrays.items()}


def _by_cluster(model: Model) -> bool:
    """Whether a covariate of clusters stands in the predictor of something of individuals or of effects."""
    below = [c for c in model.classes if c.level == "cluster"]
    own = {t for c in below for t in c.predictor}
    return any(t.covariates and t.covariates.level == "cluster" for t in terms(model) if t not in own)


# items --------------------------------------------------------------------------------------------


def _covariate_arrays(rows: Dataset, first: NDArray[np.int64]) -> dict[str, Named]:
    """Design matrices; covariates that are variables of the model, and what matrices gain for each unit of these."""
    out: dict[str, Named] = {}
    for c in rows.model.covariates:
        d = rows.designs[c.key]
        dims = (c.level, *((rows.model.responses[0].item_dim,) if c.rows else ()), c.name)
        out[c.key] = Named(dims, d.values[first] if c.level == "individual" else d.values)
        out |= {latent_key(c.key, x): Named((c.level, c.name), gain[first]) for x, gain in d.latent.items()}
    for x, v in rows.normal.items():
        out[f"value:{x}"] = Named(("individual",), v.filled[first])
        out[f"there:{x}"] = Named(("individual",), v.there[first].astype(float))
        out[f"fill:{x}"] = Named((), np.asarray(v.fill))
    return out


def _is_plain(model: Model, r: Response) -> bool:
    """Whether a response has one table for all: it depends on classes of individuals and clusters alone."""
    of_items = {c.name for c in model.classes_at("item")}
    return not any(t.covariates or t.effects or of_items & {*t.dims} for t in r.terms)


def _response_arrays(r: Response, coded: Coded, y: Array, plain: bool, beside: Array | None = None) -> dict[str, Named]:
    """Make the features of a response's items and what its family needs to know of them.

    Those of a response with one table for all are kept once for each different row of answers, where these are few,
    beside the row that each individual has.
    """
    columns = y if beside is None else np.column_stack([y, beside])
    wide = {} if beside is None else _beside(r, y, beside)
    if not plain:
        return wide | _features(r, coded, columns, "individual")
    at, which = equal_rows(columns.T)
    if len(at) * WORTH_ANSWERS > len(y):
        return wide | _features(r, coded, columns, "individual")
    rows = {f"{r.name}:answers": Named(("individual",), which)}
    return wide | rows | _features(r, coded, columns[at], f"answers_{r.name}")


def _beside(r: Response, y: Array, beside: Array) -> dict[str, Named]:
    """The column of trials for each answer, as simulators and means take it."""
    return {f"{r.name}:trials": Named(("individual", r.item_dim), np.repeat(beside[:, None], y.shape[1], axis=1))}


def _features(r: Response, coded: Coded, columns: Array, dim: str) -> dict[str, Named]:
    """Features of rows of answers along `dim`, trials last where there are some, and the constants of the family."""
    y, beside = columns[:, : len(r.items)], columns[:, len(r.items) :]
    x, out = y, {}
    if r.family.standardised:
        x = (y - coded.center) / coded.scale
        out = {"center": Named((r.item_dim,), coded.center), "scale": Named((r.item_dim,), coded.scale)}
    if r.family.joint:
        return _joint_features(r, x, out, dim)
    n_categories = np.array([len(c) for c in coded.categories])
    made = r.family.features_beside(x, beside) if beside.size else r.family.features(x, coded.width)
    features = np.moveaxis(made, 0, -1)  # individuals last: sums run along memory
    out |= family_constants(r, x, n_categories, coded.width)
    return {f"{r.name}:features": Named((r.item_dim, "feature", dim), features)} | {
        f"{r.name}:{k}": v for k, v in out.items()
    }


def _joint_features(r: Response, x: Array, constants: dict[str, Named], dim: str) -> dict[str, Named]:
    """Features of rows of answers that are dependent, which answers they miss, and the places of pairs of items."""
    first, which = equal_rows(np.isnan(x).T.astype(np.int64), by_number)
    place = np.full((len(r.items), len(r.items)), len(r.pairs), dtype=np.int64)
    for k, (a, b) in enumerate(r.pair_places):
        place[a, b] = place[b, a] = k
    out = constants | {
        "features": Named(("feature", dim), r.family.features(x, 0).T),
        "seen": Named((f"missing_{r.name}", r.item_dim), (~np.isnan(x[first])).astype(float)),
        "place": Named((r.item_dim, f"{r.item_dim}_"), place),
        "left": Named((r.pair_dim,), np.array([a for a, _ in r.pair_places], dtype=np.int64)),
        "right": Named((r.pair_dim,), np.array([b for _, b in r.pair_places], dtype=np.int64)),
    }
    if len(first) > 1:
        out["missing"] = Named((dim,), which)
    return {f"{r.name}:{k}": v for k, v in out.items()}


def family_constants(r: Response, y: Array | None, n_categories: NDArray[np.int64], width: int) -> dict[str, Named]:
    """What the family of a response needs to know of its items, with the name of their dim.

    Parameters
    ----------
    r : Response
    y, n_categories, width
        As in :meth:`bayesmix.Family.constants`.
    """
    made = r.family.constants(y, n_categories, width)
    return {k: Named(tuple(r.item_dim if d == "item" else d for d in dims), x) for k, (dims, x) in made.items()}


def _of_individuals(model: Model, designs: Mapping[str, Design]) -> list[Array]:
    """Columns of individuals; those of repeated measures slot by slot."""
    own = (d.values for c, d in zip(model.covariates, designs.values(), strict=True) if c.level == "individual")
    return [x.reshape(len(x), -1) for x in own]


# patterns, coords ---------------------------------------------------------------------------


def _patterns(keys: list[Array], seen, collapse: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First row of each pattern, and the pattern of each row (-1 where not seen)."""
    rows = np.flatnonzero(seen)
    pattern_of = np.full(len(seen), -1, dtype=np.int64)
    if not collapse:
        pattern_of[rows] = np.arange(len(rows))
        return rows, pattern_of
    whole = len(rows) == len(seen)
    first, pattern_of[rows] = equal_rows(x if whole else x[rows] for key in keys for x in key.T)
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


def _members(counts: Array, owner: NDArray[np.int64], of_cluster: Array, slots: int) -> dict[str, Named]:
    """Individuals of each pattern, which belongs to one cluster."""
    out = {"weight": Named(("cluster",), of_cluster), "counts": Named(("individual",), counts)}
    out["cluster_of"] = Named(("individual",), owner)
    return out | ({"square": Named(("cluster", "slot"), counts.reshape(-1, slots))} if slots else {})


def _in_table(cluster, pattern, freq, of_cluster: Array, patterns: int) -> dict[str, Named]:
    """Individuals of each pattern in each cluster: over many nodes a matrix product."""
    shape = len(of_cluster), patterns
    table = np.bincount(cluster * shape[1] + pattern, weights=freq, minlength=shape[0] * shape[1]).reshape(shape)
    return {"weight": Named(("cluster",), of_cluster), "counts": Named(("cluster", "individual"), table)}


def _in_cells(cluster, pattern, freq, of_cluster: Array, patterns: int) -> dict[str, Named]:
    """Individuals of each pattern in each cluster, where there are any."""
    first, cell = equal_rows([cluster * patterns + pattern], by_number)
    return {
        "weight": Named(("cluster",), of_cluster),
        "counts": Named(("cell",), np.bincount(cell, weights=freq, minlength=len(first))),
        "cell_cluster": Named(("cell",), cluster[first]),
        "cell_individual": Named(("cell",), pattern[first]),
        "total": Named(("individual",), np.bincount(pattern, weights=freq * of_cluster[cluster], minlength=patterns)),
    }


def _observed(rows: Dataset) -> list[Array]:
    """Groups and known classes of rows, which patterns keep apart."""
    own = {c.name for c in rows.model.classes_at("individual")}
    codes = [rows.groups.of_row] if rows.groups and rows.model.by_group else []
    return [x[:, None].astype(float) for x in (*codes, *(k.codes for name, k in rows.known.items() if name in own))]


def _of_known(rows: Dataset, first) -> dict[str, Named]:
    """Log factors of the classes in which units are known to be."""
    out = {}
    for c in (c for c in rows.model.classes if c.name in rows.known):
        x = rows.known[c.name].log_factor(c.size)
        out[f"known:{c.name}"] = Named((c.level, c.name), x[first] if c.level == "individual" else x)
    return out


def _of_groups(groups: Groups, first, of_cluster: NDArray[np.int64] | None) -> dict[str, Named]:
    """The group of each pattern, and of each cluster where they do not vary within one; both as indicators too."""
    out, eye = {}, np.eye(len(groups.labels))
    for level, which in (("individual", groups.of_row[first]), ("cluster", of_cluster)):
        if which is not None:
            out[f"group_of_{level}"] = Named((level,), which)
            out[f"in_group_{level}"] = Named((level, GROUP), eye[which])
    return out


def _owner(cluster: NDArray[np.int64], slots: int) -> NDArray[np.int64]:
    """The cluster of each pattern; of empty slots too."""
    return np.repeat(np.arange(len(cluster) // slots), slots) if slots else cluster


def _coords(model: Model, coded: Mapping[str, Coded], designs: Mapping[str, Design]) -> dict[str, list]:
    coords: dict[str, list] = {c.name: list(range(1, c.size + 1)) for c in model.classes}
    for r in model.responses:
        e = coded[r.name]
        coords.setdefault(r.item_dim, list(r.labels or r.items))
        if r.pairs:
            coords.setdefault(r.pair_dim, r.pair_labels)
            coords.setdefault(f"{r.item_dim}_", list(r.labels or r.items))
        if r.family.kind == "categorical":
            same = all(c == e.categories[0] for c in e.categories)
            labels = e.categories[0] if same else list(range(1, e.width + 1))
            if len(labels) > len(coords.get(r.category_dim, [])):
                coords[r.category_dim] = labels
                coords[r.threshold_dim] = list(range(1, len(labels)))
    for name in dict.fromkeys(c.name for c in model.covariates):
        coords[name] = _columns([(c, designs[c.key].columns) for c in model.covariates if c.name == name])
    for t in terms(model):
        if t.effects and t.effect_dim in t.parameter.dims:
            coords[t.effect_dim] = list(t.effects)
        for shared, here in t.rename:
            if here in coords:
                coords.setdefault(shared, coords[here])
    return coords


def _columns(matrices: Sequence[tuple[Covariates, list[str]]]) -> list[str]:
    """Labels of the columns of a design matrix; of those of several occasions what these have in common.

    Raises
    ------
    ValueError
        Other numbers of columns at the occasions.
    """
    (c, first), each = matrices[0], [columns for _, columns in matrices]
    for other, columns in matrices[1:]:
        if len(columns) != len(first):
            raise ValueError(
                f"The formulas '{c.formula}' and '{other.formula}' of one covariate at several occasions make "
                f"{len(first)} and {len(columns)} columns: give formulas of the same terms."
            )
    return first if len(each) == 1 else in_common(each)


def _staying(model: Model) -> dict[str, Named]:
    """Log probabilities of classes that are those of the occasion before: 0, and what is exactly 0 exponentiated."""
    out, sizes = {}, {c.name: c.size for c in model.classes}
    for c in (c for c in model.classes if c.stays):
        before, by = c.stays
        last = (np.arange(sizes[by]) == sizes[by] - 1).astype(float)
        out[f"moves:{c.name}"] = Named((by,), 1.0 - last)
        out[f"stays:{c.name}"] = Named((by, before, c.name), last[:, None, None] * NEVER * (1.0 - np.eye(c.size)))
    return out


def _absent(model: Model, coded: Mapping[str, Coded], coords) -> dict[str, NDArray[np.bool_]]:
    """Entries of category logits and thresholds that an item with fewer categories does not have."""
    out = {}
    for r in model.responses:
        n = np.array([len(c) for c in coded[r.name].categories])
        for t in r.terms:
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
