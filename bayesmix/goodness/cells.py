"""Probabilities of rows of answers under a model: of a random individual, which of clusters is one of a new cluster."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bayesmix.data import equal_rows
from bayesmix.goodness.judged import Judged, answered_rows
from bayesmix.graph import LogLikelihood, Problem, with_population_nodes
from bayesmix.results import unmerged
from bayesmix.typing import Array

AT_ONCE = 100_000
"""Rows of answers, each with the covariates of somebody, that are in one problem."""
MOST_CELLS = 2**20
"""The largest table of which every cell is computed, times different rows of covariates."""
MOST_ROWS = 20_000_000
"""Rows of answers times different rows of covariates, at most."""


@dataclass(frozen=True)
class Cells:
    """Expected numbers of individuals with given answers.

    The probability of a row of answers is the log-likelihood of one individual who has it, alone in a cluster where
    there are clusters: that of a random member of a random cluster. Where there are covariates it is averaged over
    those of the individuals.
    """

    judged: Judged

    @cached_property
    def _people(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """A row of the data for each different row of covariates, and which of these each pattern has."""
        data = self.judged.data
        row = np.zeros(len(data.counts), dtype=np.int64)
        seen = np.flatnonzero(data.pattern_of >= 0)
        row[data.pattern_of[seen[::-1]]] = seen[::-1]
        columns, owner = [], data.rows.cluster_of_row
        for c in data.model.covariates:
            at = owner[row] if c.level == "cluster" and owner is not None else row
            columns += list(data.rows.designs[c.key].values[at].T)
        rows, individual = data.rows, {c.name for c in data.model.classes_at("individual")}
        columns += [x for v in rows.normal.values() for x in (v.filled[row], v.there[row].astype(float))]
        columns += [rows.groups.of_row[row].astype(float)] if rows.groups and data.model.by_group else []
        for name, known in rows.known.items():
            at = row if name in individual or owner is None else owner[row]
            columns.append(known.codes[at].astype(float))
        if not columns:
            return row[:1], np.zeros(len(row), dtype=np.int64)
        first, which = equal_rows(columns)
        return row[first], which

    @property
    def people(self) -> int:
        """How many different rows of covariates there are."""
        return len(self._people[0])

    def expected(self, y: Array, counts: Array) -> Array:
        """How many of so many individuals of each pattern are expected to have these answers.

        Parameters
        ----------
        y : array (row, item)
            Codes; NaN for whatever answer.
        counts : array (pattern,)
            Individuals of each pattern of the data, who bring their covariates.
        """
        rows, which = self._people
        weight = np.bincount(which, weights=counts, minlength=len(rows))
        used = np.flatnonzero(weight > 0)
        if (size := len(y) * len(used)) > MOST_ROWS:
            raise ValueError(
                f"{len(y):,} different rows of answers, each with {len(used):,} different rows of covariates, make "
                f"{size:,} probabilities, more than {MOST_ROWS:,}: look at bm.residuals(fit, df), which needs none of "
                "them."
            )
        out, step = np.zeros(len(y)), max(AT_ONCE // max(len(y), 1), 1)
        for k in range(0, len(used), step):
            some = used[k : k + step]
            out += weight[some] @ self._of_people(rows[some], y)
        return out

    def of_patterns(self, y: Array) -> Array:
        """The probability of answers (row, item) with the covariates of each pattern of the data, (pattern, row)."""
        rows, which = self._people
        return self._of_people(rows, y)[which]

    def _of_people(self, rows: NDArray[np.int64], y: Array) -> Array:
        each = self._probabilities(np.repeat(rows, len(y)), np.tile(y, (len(rows), 1)))
        return each.reshape(len(rows), len(y))

    @property
    def _given(self) -> bool:
        """Whether rows have more than answers that the log-likelihood is of: known classes, normal covariates."""
        rows = self.judged.data.rows
        return bool(rows.known or rows.normal)

    def _probabilities(self, rows: NDArray[np.int64], y: Array) -> Array:
        """Of answers, given the covariates, groups and known classes of rows of the data."""
        out = self._joint(rows, y)
        if not self._given:
            return out
        first, which = np.unique(rows, return_inverse=True)
        return out / self._joint(first, np.full((len(first), y.shape[1]), np.nan), whole=True)[which]

    def _joint(self, rows: NDArray[np.int64], y: Array, whole: bool = False) -> Array:
        """Of answers, known classes and normal covariates; with `whole` of the latter where there is no answer."""
        data = self.judged.data
        out = np.ones(len(y))
        some = (
            np.arange(len(y)) if whole or self._given else np.flatnonzero(~np.isnan(y).all(axis=1))
        )  # no answer has probability one
        if not len(some):
            return out
        apart = some if data.clusters is not None else None
        made = answered_rows(data.rows, rows[some], y[some], None if apart is None else apart.tolist())
        problem = unmerged(Problem.of(made, data.nodes or None)).on_user_scale()
        problem = with_population_nodes(problem)
        values = self.judged.params()
        theta = problem.pack({p.name: values[p.name] for p in problem.model.parameters})
        each = np.asarray(LogLikelihood(problem).of_units(theta))
        at = np.arange(len(some)) if problem.clusters is not None else problem.pattern_of
        out[some] = np.exp(each[at])
        return out


def every_cell(sizes: NDArray[np.int64]) -> Array:
    """All rows of answers to items with so many categories, the last item fastest; NaN for those that have none."""
    seen = sizes > 0
    cells = np.indices(tuple(sizes[seen])).reshape(seen.sum(), -1).T.astype(float)
    out = np.full((len(cells), len(sizes)), np.nan)
    out[:, seen] = cells
    return out
