"""The table of response patterns: observed and expected numbers, chi-squares, the most common patterns."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from bayesmix.checks import whole
from bayesmix.data import equal_rows
from bayesmix.goodness.cells import MOST_CELLS, Cells, every_cell
from bayesmix.goodness.implied import masks
from bayesmix.goodness.judged import Answers, Judged
from bayesmix.goodness.unrestricted import entropy_sum, share, whole_table
from bayesmix.results import Fit
from bayesmix.typing import Array

Missing = Literal["mar", "complete"]
MISSING: tuple[Missing, ...] = ("mar", "complete")


def check_table(judged: Judged) -> None:
    """Refuse items of which none makes a table of patterns.

    Raises
    ------
    ValueError
        All items are numbers.
    """
    columns = judged.answers.columns
    if not len(columns.categorical):
        names = ", ".join(columns.items[:5])
        kinds = {r.family.kind for r in judged.data.model.responses}
        what = "counts" if kinds == {"count"} else "continuous"
        raise ValueError(
            f"{names} {'is' if len(columns.items) == 1 else 'are'} {what}: there is no table of response patterns, and "
            "no chi-square of it. Look at means, variances and covariances: bm.residuals(fit, df)."
        )


@dataclass(frozen=True)
class PatternTable:
    """Rows of answers that were given.

    Attributes
    ----------
    y : array (row of answers, categorical item)
        Codes; NaN where missing.
    observed, expected : array (row of answers,)
        Individuals. Those expected are of the individuals who answered the same items.
    n : array (row of answers,)
        How many these are.
    """

    y: Array
    observed: Array
    expected: Array
    n: Array
    group: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, judged: Judged, complete: bool = False) -> PatternTable:
        """The rows of answers of the data; with `complete`, of those who answered all items."""
        each = judged.of_groups()
        if len(each) > 1:
            tables = [cls.of(one, complete) for one in each]
            of = np.repeat(np.arange(len(each)), [len(t.n) for t in tables])
            names = ("y", "observed", "expected", "n")
            y, observed, expected, n = (np.concatenate([getattr(t, k) for t in tables]) for k in names)
            return cls(y, observed, expected, n, of)
        answers, cells, parts = judged.answers.categorical, Cells(judged), []
        for mask, some in masks(answers):
            if complete and not mask.all():
                continue
            first, which = equal_rows(answers.y[some].T)
            y, observed = answers.y[some][first], np.bincount(which, answers.counts[some], len(first))
            here = np.zeros(len(answers.counts))
            here[some] = answers.counts[some]
            whole = np.full((len(y), judged.answers.y.shape[1]), np.nan)
            whole[:, judged.answers.columns.categorical] = y
            parts.append((y, observed, cells.expected(whole, here), np.full(len(y), observed.sum())))
        if not parts:
            none = np.zeros(0)
            return cls(np.zeros((0, answers.y.shape[1])), none, none, none)
        columns = [np.concatenate(x) for x in zip(*parts, strict=True)]
        return cls(columns[0], columns[1], columns[2], columns[3])

    @property
    def z(self) -> Array:
        """Standardised residuals."""
        sd = np.sqrt(np.maximum(self.expected * (1 - share(self.expected, self.n)), 0.0))
        return np.where(sd > 0, share(self.observed - self.expected, sd), np.nan)


@dataclass(frozen=True)
class ChiSquares:
    """Chi-squares of a table of patterns.

    Attributes
    ----------
    pearson, likelihood : float
        X^2 and G^2.
    n : float
        Individuals in the table.
    mcar, mcar_df : float, int, optional
        G^2 of the unrestricted table against the observed patterns, missing answers among them, and its degrees of
        freedom: a test of answers missing completely at random.
    """

    pearson: float
    likelihood: float
    n: float
    mcar: float | None = None
    mcar_df: int | None = None


@dataclass(frozen=True)
class Table:
    """A table of patterns held against a model at one point of its parameters."""

    judged: Judged
    missing: Missing

    @cached_property
    def cells(self) -> int:
        """How many cells the table has, over all observed groups."""
        return self.groups * math.prod(int(k) for k in self.answers.columns.sizes)

    @property
    def groups(self) -> int:
        """How many tables there are: one an observed group."""
        return len(self.judged.of_groups())

    @property
    def answers(self) -> Answers:
        """Those to categorical items."""
        return self.judged.answers.categorical

    def chi_squares(self) -> ChiSquares:
        """X^2 and G^2, those of groups added up."""
        if self.groups > 1:
            each = [Table(one, self.missing).chi_squares() for one in self.judged.of_groups()]
            total = ChiSquares(*(sum(getattr(x, k) for x in each) for k in ("pearson", "likelihood", "n")))
            told = [(x.mcar, x.mcar_df) for x in each if x.mcar is not None and x.mcar_df is not None]
            return replace(total, mcar=sum(x for x, _ in told), mcar_df=sum(k for _, k in told)) if told else total
        if self.missing == "mar" and not self.answers.complete[self.answers.counts > 0].all():
            return self._missing_at_random()
        table = PatternTable.of(self.judged, complete=True)
        o, e = table.observed, table.expected
        likelihood = 2 * (entropy_sum(o, o).sum() - entropy_sum(o, e).sum())
        return ChiSquares(_pearson(table, e), float(likelihood), float(o.sum()))

    def _missing_at_random(self) -> ChiSquares:
        answers, table = self.answers, PatternTable.of(self.judged)
        saturated = whole_table(answers)
        free = table.n * _margins(saturated.probability, table.y)
        o, pearson = table.observed, _pearson(table, table.expected) - _pearson(table, free)
        likelihood = 2 * (entropy_sum(o, free).sum() - entropy_sum(o, table.expected).sum())
        mcar = 2 * (entropy_sum(o, o).sum() - entropy_sum(o, free).sum())
        sizes = answers.columns.sizes
        df = sum(math.prod(int(k) for k in sizes[mask > 0]) - 1 for mask, _ in masks(answers)) - (self.cells - 1)
        return ChiSquares(pearson, float(likelihood), answers.n, float(mcar), df)

    @cached_property
    def expected(self) -> Array:
        """Individuals that are expected in each cell, of those in the table."""
        answers = self.answers
        counts = answers.counts if self.missing == "mar" else np.where(answers.complete, answers.counts, 0.0)
        return Cells(self.judged).expected(every_cell(self.judged.answers.columns.sizes), counts)

    def small(self, n: float) -> tuple[float, bool]:
        """The share of cells in which fewer than five are expected, and whether it is the least it can be."""
        if self.cells * Cells(self.judged).people > MOST_CELLS:
            return max(1 - (n / 5) / self.cells, 0.0), True
        if self.groups > 1:
            return float(np.mean([Table(one, self.missing).small(n)[0] for one in self.judged.of_groups()])), False
        return float(np.mean(self.expected < 5)), False


def _pearson(table: PatternTable, expected: Array) -> float:
    """X^2 of rows of answers against expected numbers, and of rows that nobody gave: the rest of these."""
    empty = table.observed.sum() - expected.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        cells = np.where(expected > 0, (table.observed - expected) ** 2 / expected, np.inf)
    return float(cells.sum() + max(empty, 0.0))


def _margins(p: Array, y: Array) -> Array:
    """Probabilities of rows of answers by the table of all items, missing answers summed out."""
    out, seen = np.empty(len(y)), ~np.isnan(y)
    kinds, which = np.unique(seen, axis=0, return_inverse=True)
    for k, kind in enumerate(kinds):
        here = which.reshape(-1) == k
        out[here] = p.sum(tuple(np.flatnonzero(~kind).tolist()))[tuple(y[here][:, kind].T.astype(int))]
    return out


def p_of(chi_square: float, df: int | None) -> float:
    """The upper tail of a chi-square distribution; NaN without degrees of freedom."""
    return float(special.chdtrc(df, chi_square)) if df is not None and df > 0 else float("nan")


def response_patterns(fit: Fit, df: pd.DataFrame, top: int | None = 20) -> pd.DataFrame:
    """The most common rows of answers, and how many of each the model expects.

    The expected number of a row of answers y is the sum of P(y) over the individuals who answered the same items, P
    the likelihood of one individual: of clusters that of a random member of a random cluster, and given the
    covariates of each. The standardised residual is (observed - expected) / sqrt(expected (1 - expected / n)). With the
    design of a survey individuals count by their weights, which sum to their number, and z is in standard errors of the
    design, estimated parameters taken into account.

    Parameters
    ----------
    fit : Fit
        What :func:`bayesmix.fit` returns.
    df : pandas.DataFrame
        The data of the fit.
    top : int, optional
        How many rows; all that occur with None.

    Returns
    -------
    pandas.DataFrame
        A column of the observed group, where the model differs between groups; a column a categorical item (NA: not
        answered), `observed`, `expected`, `z`, and `n`, those who answered the
        same items.

    Raises
    ------
    ValueError
        Other data than those of the fit, a collapsed fit, or no categorical items.

    Examples
    --------
    >>> bm.response_patterns(fit, df, top=3).columns.to_list()
    ['a', 'b', 'c', 'd', 'observed', 'expected', 'z', 'n']
    """
    if top is not None:
        whole("top", top)
    judged = Judged.of(fit, df)
    check_table(judged)
    table, columns = PatternTable.of(judged), judged.answers.categorical.columns
    order = np.lexsort((-table.expected, -table.observed))[:top]
    out = pd.DataFrame({item: _labelled(table.y[order, k], columns.labels[k]) for k, item in enumerate(columns.items)})
    n = table.n[order]
    if table.group is not None:
        out.insert(0, str(fit.model.group), [judged.groups[k] for k in table.group[order]])
    z = table.z[order] if not fit.model.survey else _by_design(judged, table, order)
    return out.assign(observed=table.observed[order], expected=table.expected[order], z=z, n=n)


def _by_design(judged: Judged, table: PatternTable, order: NDArray[np.int64]) -> Array:
    from bayesmix.goodness.weighted_patterns import standardised  # which knows these tables

    return standardised(judged, table, order)


def _labelled(codes: Array, labels: list) -> list:
    """Categories of codes; NA for a missing answer."""
    seen: NDArray[np.bool_] = ~np.isnan(codes)
    return [labels[int(c)] if s else pd.NA for c, s in zip(codes, seen, strict=True)]
