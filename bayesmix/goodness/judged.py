"""A model at parameters, and the answers that are held against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.data import Dataset, as_frame, check_same
from bayesmix.data.identity import identity
from bayesmix.graph import Problem
from bayesmix.results import Fit, unmerged
from bayesmix.spec import GROUP, Nodes
from bayesmix.typing import Array


@dataclass(frozen=True)
class Judged:
    """A model with data at one point of its parameters.

    Attributes
    ----------
    data : Problem
        On the user's scale; no pattern stands for individuals of different clusters.
    theta : array (theta,)
    group : int, optional
        The observed group whose individuals are looked at; all if left out.
    """

    data: Problem
    theta: Array
    group: int | None = None

    @classmethod
    def at(cls, rows: Dataset, nodes: Mapping[str, Nodes] | None, params: Mapping[Any, Any]) -> Judged:
        """Encoded rows and natural parameters by name."""
        data = unmerged(Problem.of(rows, nodes or None)).on_user_scale()
        return cls(data, data.pack({p.name: np.asarray(params[p.name]) for p in data.model.parameters}))

    @classmethod
    def of(cls, fit: Fit, df: pd.DataFrame) -> Judged:
        """A fit and its data.

        Raises
        ------
        TypeError
            No fit.
        ValueError
            Other data than those of the fit, or a fit that has collapsed.
        """
        check_sound(fit)
        out = cls.at(Dataset.encode(fit.model, as_frame(df)), fit.nodes, fit.params)
        check_same(fit.info, {"identity": identity(out.data)}, ("The fit", "the data"))
        return out

    def params(self) -> dict[str, Array]:
        """Natural parameters by name."""
        return self.data.natural(self.theta)

    @cached_property
    def answers(self) -> Answers:
        """The answers of the patterns."""
        data = self.data
        y = np.concatenate([data.responses[r.name] for r in data.model.responses], axis=1)
        owner = data.arrays["cluster_of"].values if data.clusters is not None else None
        counts = np.asarray(data.counts, dtype=float)
        if data.rows.sampling is not None:
            counts = _weighted(data)
        if self.group is not None:
            counts = np.where(data.arrays["group_of_individual"].values == self.group, counts, 0.0)
        return Answers(Columns.of(data), y, counts, owner)

    @property
    def groups(self) -> list:
        """Labels of the observed groups between which the model differs."""
        return list(self.data.coords[GROUP]) if self.data.model.by_group else []

    def of_groups(self) -> list[Judged]:
        """The same for the individuals of each group; of all where there is one."""
        each = range(len(self.groups)) if self.group is None else ()
        return [replace(self, group=k) for k in each] or [self]

    @property
    def has_covariates(self) -> bool:
        """Whether what is expected differs between individuals by their covariates, or known classes."""
        return bool(self.data.model.covariates or self.data.model.known)


def check_sound(fit: object) -> None:
    """Refuse what is no fit, and one whose log-likelihood means nothing.

    Raises
    ------
    TypeError, ValueError
        What came, and what to give.
    """
    if not isinstance(fit, Fit):
        raise TypeError(f"The fit came as {type(fit).__name__}, expected what bm.fit returns: give it with its data.")
    if fit.collapsed:
        raise ValueError(
            "Every start of this fit collapsed: a residual SD ran down to its floor, and nothing that follows from it "
            "means anything. Take variance='equal', or fewer classes."
        )


def _weighted(data: Problem) -> Array:
    """The weights of the individuals of each pattern, of both levels, which sum to the number of individuals."""
    seen, rows = data.rows.seen, data.rows
    return np.bincount(data.pattern_of[seen], rows.shares[seen], len(data.counts)) * share_scale(rows)


def share_scale(rows: Dataset) -> float:
    """By which the weights of rows become those that sum to the number of individuals."""
    return float(rows.freq[rows.seen].sum() / rows.shares[rows.seen].sum())


@dataclass(frozen=True)
class Columns:
    """What is counted of each item: an indicator of each category, or the number itself.

    Attributes
    ----------
    items : list of str
    item : array of int (column,)
        The item of each column.
    category : array of int (column,)
        The category of a column, -1 of a number.
    labels : list of list
        The categories of each item; empty for numbers.
    """

    items: list[str]
    item: NDArray[np.int64]
    category: NDArray[np.int64]
    labels: list[list]

    @classmethod
    def of(cls, data: Problem) -> Columns:
        """The columns of the items of a model, in their order."""
        items, labels = [], []
        for r in data.model.responses:
            items += r.items
            labels += [list(data.categories[i]) if r.family.kind == "categorical" else [] for i in r.items]
        sizes = [max(len(x), 1) for x in labels]
        category = [np.arange(len(x)) if x else np.array([-1]) for x in labels]
        return cls(items, np.repeat(np.arange(len(items)), sizes), np.concatenate(category).astype(int), labels)

    def at(self, item: int) -> NDArray[np.int64]:
        """The columns of an item."""
        return np.flatnonzero(self.item == item)

    @property
    def categorical(self) -> NDArray[np.int64]:
        """Items that have categories."""
        return np.array([k for k, x in enumerate(self.labels) if x], dtype=int)

    @property
    def numeric(self) -> NDArray[np.int64]:
        """Items that are numbers."""
        return np.array([k for k, x in enumerate(self.labels) if not x], dtype=int)

    def only(self, items: NDArray[np.int64]) -> Columns:
        """The columns of some items."""
        kept = np.isin(self.item, items)
        place = np.searchsorted(items, self.item[kept])
        return Columns([self.items[k] for k in items], place, self.category[kept], [self.labels[k] for k in items])

    @property
    def sizes(self) -> NDArray[np.int64]:
        """How many categories each item has; 0 of numbers."""
        return np.array([len(x) for x in self.labels])


@dataclass(frozen=True)
class Answers:
    """Answers of patterns of individuals.

    Attributes
    ----------
    columns : Columns
    y : array (pattern, item)
        Codes of categories, or numbers; NaN where missing.
    counts : array (pattern,)
        Individuals of each; by their weights, where there is the design of a survey.
    owner : array of int (pattern,), optional
        The cluster of each.
    """

    columns: Columns
    y: Array
    counts: Array
    owner: NDArray[np.int64] | None = None

    @cached_property
    def answered(self) -> Array:
        """1 where there is an answer, (pattern, item)."""
        return (~np.isnan(self.y)).astype(float)

    @cached_property
    def values(self) -> Array:
        """The columns of each pattern, (pattern, column); 0 where the answer is missing."""
        y, c = self.y[:, self.columns.item], self.columns.category
        return np.where(c >= 0, y == c, np.nan_to_num(y)).astype(float)

    @cached_property
    def n(self) -> float:
        """Individuals with an answer."""
        return float(self.counts.sum())

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Patterns without a missing answer, of which there are individuals."""
        return (self.answered > 0).all(axis=1) & (self.counts > 0)

    @cached_property
    def categorical(self) -> Answers:
        """The answers to items that have categories, of those who answered any."""
        if not len(self.columns.numeric):
            return self
        items = self.columns.categorical
        y = self.y[:, items]
        counts = np.where(np.isnan(y).all(axis=1), 0.0, self.counts)
        return Answers(self.columns.only(items), y, counts, self.owner)


def answered_rows(rows: Dataset, at: NDArray[np.int64], y: Array, apart: Sequence[Any] | None = None) -> Dataset:
    """Encoded rows with other answers: row k has the covariates and the cluster of row ``at[k]``.

    Parameters
    ----------
    rows : Dataset
    at : array of int (new row,)
    y : array (new row, item)
        Coded as `rows` are; NaN where missing.
    apart : sequence, optional
        Labels of clusters of which each holds one of the new rows; else they stay in those of `rows`.
    """
    coded, first = {}, 0
    for r in rows.model.responses:
        coded[r.name] = replace(rows.coded[r.name], y=y[:, first : first + len(r.items)])
        first += len(r.items)
    owner, labels, designs = rows.cluster_of_row, rows.clusters, dict(rows.designs)
    for c in rows.model.covariates:
        of_cluster = c.level == "cluster"
        if not of_cluster:
            latent = {k: x[at] for k, x in designs[c.key].latent.items()}
            designs[c.key] = replace(designs[c.key], values=designs[c.key].values[at], latent=latent)
        elif apart is not None and owner is not None:
            designs[c.key] = replace(designs[c.key], values=designs[c.key].values[owner[at]])
    if owner is not None:
        owner, labels = (owner[at], labels) if apart is None else (np.arange(len(at)), list(apart))
    groups = rows.groups and replace(rows.groups, of_row=rows.groups.of_row[at])
    individual = {c.name for c in rows.model.classes_at("individual")}
    known = {}
    for k, x in rows.known.items():
        own = at if k in individual or apart is None or rows.cluster_of_row is None else rows.cluster_of_row[at]
        known[k] = replace(x, codes=x.codes[own]) if k in individual or apart is not None else x
    return Dataset(
        rows.model, pd.RangeIndex(len(at)), np.ones(len(at), dtype=bool), np.ones(len(at)), coded, designs, labels,
        owner, True, groups=groups, known=known, normal={k: v.take(at) for k, v in rows.normal.items()},
    )  # fmt: skip
