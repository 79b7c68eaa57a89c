"""Response patterns of a weighted sample: corrected chi-squares of their table, and z of single ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesmix.goodness.by_design import ByDesign, Corrected, in_errors
from bayesmix.goodness.cells import Cells, every_cell
from bayesmix.goodness.judged import Judged
from bayesmix.goodness.pattern_tables import PatternTable, Table
from bayesmix.goodness.unrestricted import share
from bayesmix.typing import Array

MOST_CELLS, MOST_ENTRIES = 2**11, 20_000_000
"""The largest table whose covariance matrix is made; the most rows of data times cells."""


@dataclass(frozen=True)
class WeightedTable:
    """The table of response patterns with the sampling variance of its residuals."""

    table: Table

    @property
    def refused(self) -> str:
        """Why no variance is made; nothing where it is."""
        data = self.table.judged.data
        if self.table.missing == "mar" and not self._whole:
            return "none is made of estimates under missing at random; missing='complete' has it"
        people = Cells(self.table.judged).people
        if self.table.cells > MOST_CELLS or self.table.cells * max(people, len(data.pattern_of)) > MOST_ENTRIES:
            return f"the table has {self.table.cells:,} cells, too many for their covariances; bm.residuals has pairs"
        return ""

    @property
    def _whole(self) -> bool:
        answers = self.table.answers
        return bool(answers.complete[answers.counts > 0].all())

    def corrected(self, values: list[float]) -> list[Corrected]:
        """Chi-squares of the table corrected for the design."""
        tables = [Table(one, "complete") for one in self.table.judged.of_groups()]
        each = [self._one(t) for t in tables]
        design = ByDesign.of(self.table.judged)
        residual, slopes = (np.concatenate([x[k] for x in each], axis=1) for k in (0, 1))
        expected = np.concatenate([x[2] for x in each])
        v = design.covariance(residual, slopes)
        return [design.corrected(x, expected, v) for x in values]

    def _one(self, table: Table) -> tuple[Array, Array, Array]:
        """Residuals of each pattern, slopes of what is expected of the cells, and that: of an observed group."""
        judged, answers = table.judged, table.answers
        y = every_cell(judged.answers.columns.sizes)
        counts = np.where(answers.complete, answers.counts, 0.0)
        each = _residuals(judged, y, counts > 0)
        slopes = ByDesign.of(judged).slopes(lambda at: Cells(at).expected(y, counts))
        return each, slopes, Cells(judged).expected(y, counts)


def _residuals(judged: Judged, y: Array, some: NDArray[np.bool_]) -> Array:
    """Of each of `some` patterns whether it has the answers of a row, less the probability of that: (pattern, row)."""
    each = [
        np.all(judged.answers.y[:, there] == row[there], axis=1) for row, there in zip(y, ~np.isnan(y), strict=True)
    ]
    return (np.stack(each, axis=1) - Cells(judged).of_patterns(y)) * some[:, None]


def standardised(judged: Judged, table: PatternTable, rows: NDArray[np.int64]) -> Array:
    """Residuals of some rows of answers in standard errors of the design.

    Parameters
    ----------
    judged : Judged
    table : PatternTable
        Of its data.
    rows : array of int
        Which rows of the table.
    """
    out = np.full(len(rows), np.nan)
    at = judged.answers.columns.categorical
    for k, one in enumerate(judged.of_groups()):
        answers, design = one.answers.categorical, ByDesign.of(one)
        for kind in np.unique(np.isnan(table.y[rows]), axis=0):
            here = np.all(np.isnan(table.y[rows]) == kind, axis=1)
            here &= True if table.group is None else table.group[rows] == k
            if not here.any():
                continue
            some = np.all(np.isnan(answers.y) == kind, axis=1) & (answers.counts > 0)
            y = np.full((int(here.sum()), one.answers.y.shape[1]), np.nan)
            y[:, at] = table.y[rows[here]]
            each, counts = _residuals(one, y, some), np.where(some, answers.counts, 0.0)
            slopes = design.slopes(lambda at_, y=y, counts=counts: Cells(at_).expected(y, counts))
            e, n = table.expected[rows[here]], table.n[rows[here]]
            v = np.diag(design.covariance(each, slopes))
            out[here] = in_errors(table.observed[rows[here]] - e, v, e * (1 - share(e, n)))
    return out
