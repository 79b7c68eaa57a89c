"""From a DataFrame to numbers, once: every check of the user's data, coded items, designs of covariates, clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.data.coding import Coding
from bayesmix.data.columns import check_scalars, native, numbers, plain
from bayesmix.data.design import Design, columns_of, design, missing_column
from bayesmix.data.frames import as_frame
from bayesmix.data.groups import Groups, KnownClass, check_known, groups_of, known_rows, known_units
from bayesmix.data.items import Coded, coded_items, of_clusters, sharing
from bayesmix.data.normal_columns import NormalColumn, linear_design, normal_columns
from bayesmix.data.repeated import Persons, persons_of
from bayesmix.data.sampling import Sampling, Units, raw_weights
from bayesmix.spec import Covariates, Effect, Model, Response, Term, check_model
from bayesmix.spec.sampling_design import COLUMNS as ROLES
from bayesmix.typing import Array

WHOLE = 1e-6
"""How far a frequency may be from a whole number by rounding."""


@dataclass(frozen=True)
class Dataset:
    """Rows of a DataFrame in numbers, as a model reads them: encoded once, whatever is made of them afterwards.

    Attributes
    ----------
    model : Model
        The declaration under which they were encoded.
    index : pandas.Index
        Labels of the rows.
    seen : array of bool (row,)
        Rows with an answer to any item, or all that can be predicted; the others are left out.
    freq : array (row,)
        Individuals that a row stands for.
    coded : dict of str to Coded
        The items of each response.
    designs : dict of str to Design
        The columns of each formula.
    clusters : list, optional
        Labels of the clusters in the order of the dim `cluster`.
    cluster_of_row : array of int (row,), optional
        The cluster of each row, -1 where it is left out.
    follows : bool
        Whether the rows were coded as others were: none of what it takes to estimate a model is then asked of them.
    sampling : Sampling, optional
        The design of a survey.
    groups : Groups, optional
        The observed group of each row.
    known : dict of str to KnownClass
        Classes that units are known to be in, by class variable.
    normal : dict of str to NormalColumn
        Covariates that are variables of the model, by their columns.

    Examples
    --------
    >>> rows = bm.Dataset.encode(model, df)
    >>> rows.categories["a"]
    [0, 1]
    """

    model: Model
    index: pd.Index
    seen: NDArray[np.bool_]
    freq: Array
    coded: Mapping[str, Coded]
    designs: Mapping[str, Design]
    clusters: list | None = None
    cluster_of_row: NDArray[np.int64] | None = None
    follows: bool = False
    sampling: Sampling | None = None
    groups: Groups | None = None
    known: Mapping[str, KnownClass] = field(default_factory=dict)
    normal: Mapping[str, NormalColumn] = field(default_factory=dict)

    @classmethod
    def encode(cls, model: Model, df: pd.DataFrame, coding: Coding | None = None, unanswered: bool = False) -> Dataset:
        """Check the rows and encode them.

        Parameters
        ----------
        model : Model
            The declaration.
        df : pandas.DataFrame
            One row an individual; `model.freq` counts rows that stand for several. A DataFrame of polars and a
            Table of pyarrow are taken too.
        coding : Coding, optional
            That of other rows (`Problem.coding`, `fit.info["coding"]`), which is followed as far as it goes: any rows
            can be coded then, a single one too, and none of what it takes to estimate the model is asked of them.
        unanswered : bool
            Keep rows without any answer, which say nothing of the parameters but can be predicted, where they have
            all covariates.

        Raises
        ------
        ValueError, TypeError
            What came, what was expected, and what to do.
        """
        check_model(model)
        df, laid = as_frame(df), None
        if model.repeated is not None:
            _check_frame(replace(model, responses=(_of_rows(model), *model.responses[1:])), df, coding is not None)
            laid = persons_of(model, df)
            model, df, coding = laid.model, laid.frame, laid.coding(coding)
        _check_frame(model, df, coding is not None)
        freq = _frequencies(model, df)
        raw = raw_weights(model.survey, df)
        used = (freq > 0) & (raw > 0)
        coded = of_clusters(model, df, used, coded_items(model, df, used, coding))
        rows = known_rows(model, df, used, None if coding is None else coding.known)
        answered = np.concatenate([~np.isnan(c.y) for c in coded.values()], axis=1).any(axis=1) & (raw > 0)
        normal = normal_columns(model, df, freq * raw, coding is not None)
        seen = answered | _in_known_class(model, rows) | _in_normal_covariate(model, df, normal)
        if unanswered:
            seen = seen | (_complete(model, df) & used)
        if not seen.any():
            raise ValueError(
                "No row has an answer to any of the items, and none has all covariates: there is nothing to predict."
                if unanswered
                else "No row has an answer to any of the items: all are missing. Check the missing-value code."
            )
        labels, cluster = _clusters(model, df, seen, 2 if coding is None else 1)
        told = {k: x.codes >= 0 for k, x in rows.items()}
        told |= {"": seen & ~answered}
        designs = _designs(model, df, seen, cluster, coded, coding, told, laid, normal=normal)
        groups = groups_of(model, df, seen, cluster, None if coding is None else coding.groups or None)
        known = known_units(model, rows, seen, cluster, coding is not None)
        model = _anchored(model, known)
        sampling = Sampling.of(model, df, raw, freq, seen, cluster) if model.survey else None
        return cls(
            model, df.index, seen, freq, coded, designs, labels, cluster, coding is not None, sampling, groups, known,
            normal,
        )  # fmt: skip

    @property
    def missing_normal_covariates(self) -> dict[str, int]:
        """How many individuals in the analysis miss each covariate that is a variable of the model."""
        return {x: round(float(self.freq[self.seen & ~v.there].sum())) for x, v in self.normal.items()}

    @property
    def weights(self) -> Array:
        """How often each row counts in the log-likelihood: individuals that it stands for, by their weight."""
        return self.freq if self.sampling is None else self.freq * self.sampling.weight

    @property
    def shares(self) -> Array:
        """How often each row counts in what is said of the population: by the weight of its cluster too.

        Weights that were scaled within clusters are taken as they came: scaled ones would let clusters of which much
        was drawn count for more than they are. They add up as the scaled ones do.
        """
        if self.sampling is None or self.sampling.cluster_weight is None:
            return self.weights
        owner = np.asarray(self.cluster_of_row)
        of_cluster = np.where(owner >= 0, self.sampling.cluster_weight[owner], 0.0)
        product = self.freq * self.sampling.raw * of_cluster
        return product * ((self.weights @ of_cluster) / product.sum())

    @property
    def cluster_weights(self) -> Array:
        """How often each cluster counts."""
        known = None if self.sampling is None else self.sampling.cluster_weight
        return np.ones(len(self.clusters or ())) if known is None else known

    @property
    def unit_rows(self) -> NDArray[np.int64]:
        """The rows in the analysis, by position; the first of each cluster, where clusters are the units."""
        seen = np.flatnonzero(self.seen)
        if self.cluster_of_row is None:
            return seen
        return seen[np.unique(self.cluster_of_row[seen], return_index=True)[1]]

    @property
    def sampled_units(self) -> Units | None:
        """The primary sampling units of :attr:`unit_rows`; None without the design of a survey."""
        if self.sampling is None:
            return None
        out = self.sampling.units.take(self.unit_rows)
        return out if self.cluster_of_row is None else replace(out, times=np.ones(len(out.times)))

    def replicate(self, k: int) -> Dataset:
        """The same rows under the replicate weights number `k`."""
        assert self.sampling is not None
        return replace(self, sampling=self.sampling.replicate(k, self.cluster_of_row))

    def reads(self, model: Model) -> bool:
        """Whether another model reads columns that these rows have been encoded from, in the same way."""
        here = {r.name: (r.items, r.labels, r.family) for r in self.model.responses}
        same = all(here.get(r.name) == (r.items, r.labels, r.family) for r in model.responses)
        own = self.model
        roles = (model.cluster, model.freq, model.survey) == (own.cluster, own.freq, own.survey)
        roles &= model.group in (None, self.model.group) and {*model.known} <= {*self.model.known}
        roles &= {e.column for e in model.normal_covariates} == {*self.normal}
        return (
            same and roles and {*model.covariates} <= {*self.model.covariates} and _shared(model) == _shared(self.model)
        )

    def under(self, model: Model) -> Dataset:
        """The same rows for another model of them: with other numbers of classes, without effects.

        Raises
        ------
        ValueError
            The model reads other columns, or reads them otherwise.
        """
        if not self.reads(model):
            raise ValueError(f"The rows were encoded for other columns than those of the model '{model.name}'.")
        names = [r.name for r in model.responses], [c.key for c in model.covariates]
        coded, designs = {k: self.coded[k] for k in names[0]}, {k: self.designs[k] for k in names[1]}
        known = {k: self.known[k] for k, _ in model.known}
        for c in (c for c in model.classes if c.name in known and not self.follows):
            check_known(c, known[c.name], self.seen if c.level == "individual" else None)
        groups, anchored = self.groups if model.group else None, _anchored(model, known)
        out = replace(self, model=anchored, coded=coded, designs=designs, groups=groups, known=known)
        if self.sampling is None or model.varies_between == self.model.varies_between:
            return out
        return replace(out, sampling=self.sampling.under(model, self.freq, self.seen, self.cluster_of_row))

    def answers_of_rows(self, r: Response) -> Array:
        """The codes or numbers of a response by row; those of clusters in all of their rows."""
        y, cluster = self.coded[r.name].y, self.cluster_of_row
        if r.level == "individual" or cluster is None:
            return y
        table = np.full((len(self.clusters or ()), y.shape[1]), np.nan)
        for k, own in enumerate(y.T):
            there = ~np.isnan(own) & (cluster >= 0)
            table[cluster[there], k] = own[there]
        return np.where((cluster >= 0)[:, None], table[cluster], np.nan)

    @cached_property
    def categories(self) -> dict[str, list]:
        """The categories of each categorical item, in the order of their codes."""
        return {i: list(c) for e in self.coded.values() for i, c in zip(e.items, e.categories, strict=True)}

    @property
    def coding(self) -> Coding:
        """How the items and covariates were coded, for other rows."""
        designs = {k: d.coding for k, d in self.designs.items()}
        labels = {k: list(x.labels) for k, x in self.known.items() if x.labels}
        return Coding(
            {i: c for i, c in self.categories.items() if c}, designs, self.groups.labels if self.groups else [], labels
        )

    def check_clusters(self) -> None:
        """Refuse clusters that are too few, or too small, for the effects and classes of theirs.

        Raises
        ------
        ValueError
            How many there are, of what, and what to do.
        """
        if self.cluster_of_row is not None and not self.follows:
            sizes = np.bincount(self.cluster_of_row[self.seen], self.freq[self.seen], len(self.clusters or ()))
            _check_clusters(self.model, sizes)


def _in_known_class(model: Model, known: Mapping[str, KnownClass]) -> NDArray[np.bool_]:
    """Rows of individuals whose class is known: it tells of the sizes of the classes, without any answer too."""
    own = [known[c.name].codes >= 0 for c in model.classes_at("individual") if c.name in known]
    return np.logical_or.reduce(own) if own else np.array(False)


def _in_normal_covariate(model: Model, df: pd.DataFrame, normal: Mapping[str, NormalColumn]) -> NDArray[np.bool_]:
    """Rows with a value of a covariate that is a variable of the model, and with all other covariates."""
    if not normal:
        return np.array(False)
    return _complete(model, df) & np.logical_or.reduce([v.there for v in normal.values()])


def _anchored(model: Model, known: Mapping[str, KnownClass]) -> Model:
    """The model with the classes that units are known to be in."""
    return replace(model, anchored=tuple((name, x.anchored) for name, x in known.items()))


def _shared(model: Model) -> set[frozenset[str]]:
    """Items that have parameters in common, and so one order of categories."""
    return {frozenset(group) for group in sharing(model).values()}


def _complete(model: Model, df: pd.DataFrame) -> NDArray[np.bool_]:
    """Rows that have all covariates, but for those that are variables of the model."""
    normal = {e.column for e in model.normal_covariates}
    own = [c for c in model.covariates if not c.rows]
    used = dict.fromkeys(k for c in own for k in columns_of(c) if k in df.columns and k not in normal)
    return df[[*used]].notna().all(axis=1).to_numpy() if used else np.ones(len(df), dtype=bool)


def _designs(
    model: Model,
    df: pd.DataFrame,
    seen,
    cluster,
    coded,
    coding: Coding | None,
    told: Mapping[str, NDArray[np.bool_]],
    laid: Persons | None,
    *,
    normal: Mapping[str, NormalColumn],
) -> dict[str, Design]:
    """Design matrices; `told` has the rows whose class is known, by class variable, and under "" those unanswered."""
    known, check = coding.designs if coding else {}, coding is None
    out = {}
    for c in model.covariates:
        if c.rows and laid is not None:
            made = design(c, laid.rows, laid.answered, None, coding=known.get(c.key), check=check)
            out[c.key] = replace(made, values=laid.spread(made.values))
        else:
            needed = _needed(model, c, coded, told) | told[""]
            out[c.key] = linear_design(c, df, seen, cluster, needed, known.get(c.key), normal, check=check)
    return out


def _of_rows(model: Model) -> Response:
    """The response of repeated measures as the rows have it: of one column."""
    assert model.repeated is not None
    return replace(model.responses[0], items=(model.repeated.outcome,), labels=())


def _needed(
    model: Model, c: Covariates, coded: Mapping[str, Coded], told: Mapping[str, NDArray[np.bool_]]
) -> NDArray[np.bool_]:
    """Rows whose likelihood depends on covariates: those with an answer to an item, or a known class, beneath them.

    The class of an occasion from which on all answers are missing adds up to one, whatever its covariates.
    """
    own = {r.name for r in model.responses if any(t.covariates == c for t in r.terms)}
    classes = {k.name for k in model.classes if any(t.covariates == c for t in k.predictor)}
    for k in model.classes:  # a parent stands before its child
        if classes & {d for t in k.predictor for d in t.dims}:
            classes.add(k.name)
    for r in model.responses:
        if classes & {d for t in r.terms for d in t.dims}:
            own.add(r.name)
    through = [t for e in model.effects for t in _terms_of(e)]
    if not own or any(t.covariates == c or classes & {*t.dims} for t in through):
        own = set(coded)
    answered = np.concatenate([_answers(model, c, name, coded[name].y) for name in sorted(own)], axis=1).any(axis=1)
    return np.logical_or.reduce([answered, *(told[k] for k in told if k in classes)])


def _answers(model: Model, c: Covariates, name: str, y: Array) -> NDArray[np.bool_]:
    """Which answers to items of a response there are: where covariates are those of some outcomes, to these."""
    r = next(r for r in model.responses if r.name == name)
    mine = [t for t in r.terms if t.covariates == c]
    used = [k for k in range(len(r.items)) if not (r.of_outcomes and mine) or any(r.has(t, k) for t in mine)]
    return ~np.isnan(y[:, used])


# checks -------------------------------------------------------------------------------------------


def _check_frame(model: Model, df: pd.DataFrame, follows: bool = False) -> None:
    if len(df) == 0:
        raise ValueError("The data frame is empty (0 rows): give at least one row.")
    if isinstance(df.columns, pd.MultiIndex):
        raise ValueError(
            "The columns of the data are a MultiIndex, expected one name each: "
            "df.columns = ['_'.join(map(str, c)) for c in df.columns]."
        )
    single = [c for c in (model.cluster, model.freq, model.group) if c]
    beside = list(dict.fromkeys(r.family.column for r in model.responses if r.family.column))
    known = [] if follows else [column for _, column in model.known]
    wanted = [*model.items, *beside, *single, *model.survey.columns, *known]
    for column in wanted:
        if column not in df.columns:
            raise ValueError(missing_column(column, df))
    twice = df.columns[df.columns.duplicated()]
    covariates = [column for c in model.covariates for column in columns_of(c)]
    if hit := [c for c in (*wanted, *covariates) if c in twice]:
        raise ValueError(f"The data have more than one column named '{hit[0]}': rename or drop one of them.")
    roles = [("an item", c) for c in model.items] + [("the column of trials", c) for c in beside]
    roles += [("the cluster column", model.cluster), ("freq", model.freq)]
    roles += [(ROLES[k], getattr(model.survey, k)) for k in ("weights", "cluster_weights")]
    for role, column in ((ROLES[k], getattr(model.survey, k)) for k in ("strata", "psu", "fpc")):
        if column is not None and column in model.items:
            raise ValueError(f"'{column}' came both as an item and as {role}: take it out of one of them.")
    roles += [("the group column", model.group), *((f"known classes of {k}", c) for k, c in model.known)]
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
            "row stands for. Shares become counts by (share * n).round(); sampling weights are no frequencies: give "
            f"them as weights='{model.freq}' of bm.fit or bm.survey, and leave freq= out."
        )
    return np.round(freq)


def _clusters(model: Model, df: pd.DataFrame, seen, least: int) -> tuple[list | None, NDArray[np.int64] | None]:
    if model.cluster is None:
        return None, None
    what, column = f"The cluster column '{model.cluster}'", native(df[model.cluster])
    check_scalars(what, column)
    of_row, raw = pd.factorize(column)
    stripped = pd.Series([v.strip() or None if isinstance(v, str) else v for v in raw], dtype=object)
    if n := int((of_row < 0).sum() + np.isin(of_row, np.flatnonzero(stripped.isna())).sum()):
        raise ValueError(f"{what} has {n} missing values: every row needs a cluster; drop or label them.")
    if stripped.nunique() < len(raw):
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
    used = [t for r in model.responses for t in r.terms]
    within, between = ([t for e in model.effects_at(k) for t in _terms_of(e)] for k in ("individual", "cluster"))
    direct = {d for t in (*used, *within, *between) for d in t.dims}
    direct |= {name for t in (*used, *between) for name in t.effects}
    effects = [f"the effect {e.name}" for e in model.effects_at("cluster") if e.name not in direct]
    return effects + [f"the class {c.name}" for c in model.classes_at("cluster") if c.name not in direct]


def _terms_of(e: Effect) -> tuple[Term, ...]:
    return (*e.mean, *([e.sd] if e.sd else []))


# other rows, coded as those of given parameters ---------------------------------------------------


def coding_of(model: Model, params: Mapping[Any, Any], df: pd.DataFrame | None = None) -> Coding:
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
    for t in r.terms:
        shape = dict(zip(t.parameter.dims, np.shape(params.get(t.parameter.name, ())), strict=False))
        for dim, extra in ((r.category_dim, 0), (r.threshold_dim, 1)):
            if dim in shape:
                return shape[dim] + extra
    return 2


def _coord(params: Any, dim: str) -> list | None:
    """Labels of a dim of a Dataset."""
    coords = getattr(params, "coords", {})
    return [plain(v) for v in coords[dim].values] if dim in coords else None


def check_coords(params: Any, model: Model, coords: Mapping[str, Sequence], categories: bool = True) -> None:
    """Refuse parameters whose labels are not those of the data: other items, categories, columns of a formula.

    Raises
    ------
    ValueError
        The dim, its labels here and there.
    """
    apart = {c.name for c in model.classes}
    apart |= set() if categories else {r.category_dim for r in model.responses}
    for dim in (d for d in getattr(params, "coords", {}) if d in coords and d not in apart):
        there, here = ([str(plain(v)) for v in x] for x in (params.coords[dim].values, coords[dim]))
        if there != here:
            raise ValueError(
                f"The parameters have {', '.join(there[:12])} along '{dim}', the data {', '.join(here[:12])}: give the "
                "model and the types of columns that the parameters belong to, or parameters as plain arrays."
            )
