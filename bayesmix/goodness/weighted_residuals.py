"""Residuals of one item and of pairs of a weighted sample, in the standard errors of its design."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.goodness.by_design import ByDesign, in_errors
from bayesmix.goodness.implied import Implied, Sums
from bayesmix.goodness.judged import Judged
from bayesmix.goodness.pairs import Compared
from bayesmix.goodness.unrestricted import share
from bayesmix.typing import Array


@dataclass(frozen=True)
class Weighted:
    """What was answered beside what is expected, with the sampling variance of the difference.

    Attributes
    ----------
    found : Compared
    design : ByDesign
    """

    found: Compared
    design: ByDesign

    @classmethod
    def of(cls, found: Compared) -> Weighted:
        """Take answers that are held against a model."""
        return cls(found, ByDesign.of(found.judged))

    @cached_property
    def _missing(self) -> bool:
        """Whether observed numbers are estimates under missing at random, of which no variance is made."""
        a = self.found.answers
        return self.found.against == "mar" and bool(np.isnan(a.y[a.counts > 0]).any())

    @property
    def _there(self) -> Array:
        """1 for patterns that are looked at (of an observed group), (pattern, 1)."""
        return (self.found.answers.counts > 0).astype(float)[:, None]

    @cached_property
    def _sums(self) -> tuple[Array, Array]:
        """How expected sums of columns, and of products of two, move with the parameters."""
        answers = self.found.answers

        def both(judged: Judged) -> Array:
            sums: Sums = Implied.of(judged).sums(answers)
            return np.concatenate([sums.one, sums.two.ravel()])

        out, n = self.design.slopes(both), len(answers.columns.item)
        return out[:, :n], out[:, n:].reshape(-1, n, n)

    def univariate(self) -> pd.DataFrame:
        """The table with z by the design."""
        found, a = self.found, self.found.answers
        table, o = found.univariate(), a.answered[:, a.columns.item]
        each = o * (a.values - found.implied.means(np.arange(len(a.counts)))) * self._there
        v = np.diag(self.design.covariance(each, self._sums[0]))
        n = table["n"].to_numpy()
        z = in_errors(n * table["residual"].to_numpy(), v, found.sums.spread)
        if found.normal is not None:
            z = np.where(a.columns.category < 0, np.nan, z)
        return table.assign(z=z)

    def pairs(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The tables of pairs and of cells, with z, a corrected chi-square and its p value."""
        found, columns = self.found, self.found.answers.columns
        table, cells = found.categorical(), found.cells()
        more = np.full((3, len(table)), np.nan)
        z, begin = np.full(len(cells), np.nan), 0
        for k, (i, j) in enumerate(zip(found.pairs.first, found.pairs.second, strict=True)):
            a, b = columns.at(i), columns.at(j)
            here = slice(begin, begin := begin + len(a) * len(b))
            if self._missing:
                continue
            own = cells.iloc[here]
            expected = own["expected"].to_numpy()
            v = self.design.covariance(self._products(a, b), self._sums[1][:, a[:, None], b].reshape(-1, len(expected)))
            n = own["n"].to_numpy()
            z[here] = in_errors(own["observed"].to_numpy() - expected, np.diag(v), expected * (1 - share(expected, n)))
            c = self.design.corrected(table["Pearson"].iloc[k], expected, v)
            more[:, k] = c.value, c.df, c.p
        largest = pd.Series(np.abs(z)).groupby(np.repeat(np.arange(len(table)), self._sizes)).max().to_numpy()
        columns_ = {"largest |z|": largest, "corrected": more[0], "corrected df": more[1], "p": more[2]}
        return table.assign(**columns_), cells.assign(z=z)

    @property
    def _sizes(self) -> NDArray[np.int64]:
        """Cells of each pair."""
        sizes, p = self.found.answers.columns.sizes, self.found.pairs
        return sizes[p.first] * sizes[p.second]

    def _both(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> Array:
        """1 where the items of both columns were answered, (pattern, a, b)."""
        answers = self.found.answers
        o = answers.answered[:, answers.columns.item] * self._there
        return o[:, a, None] * o[:, None, b]

    def _products(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> Array:
        """Products of columns less what is expected of them, of each pattern, (pattern, a * b)."""
        f = self.found.answers.values
        each = self._both(a, b) * (f[:, a, None] * f[:, None, b] - self.found.implied.products(a, b))
        return each.reshape(len(f), -1)

    def numbers(self) -> pd.DataFrame:
        """Variances and covariances of numbers, of individuals whatever their cluster, with z by the design."""
        table, columns = self.found.numbers(), self.found.answers.columns
        if self._missing:
            return table.assign(z=np.nan)
        at = np.flatnonzero(columns.category < 0)
        upper = np.triu_indices(len(at))

        def expected(judged: Judged) -> Array:
            moved = Compared(judged, self.found.answers, Implied.of(judged), self.found.against)
            return moved.numbers()["expected"].to_numpy()

        each = np.stack([self._covariance(at[i], at[j]) for i, j in zip(*upper, strict=True)], axis=1)
        v = np.diag(self.design.covariance(each, self.design.slopes(expected)))
        rough = table["expected"].to_numpy() ** 2 / np.maximum(table["n"].to_numpy(), 1.0)
        return table.assign(z=in_errors(table["residual"].to_numpy(), v, rough))

    def _covariance(self, a: int, b: int) -> Array:
        """How far each pattern moves an observed covariance of two columns away from the expected one."""
        answers, implied, one, two = self.found.answers, self.found.implied, np.array([a]), np.array([b])
        both = self._both(one, two)[:, 0, 0]
        w, f, m = answers.counts * both, answers.values, implied.means(np.arange(len(both)))
        n = max(float(w.sum()), 1e-300)

        def apart(x: Array, y: Array, product: Array) -> Array:
            x, y, product = (np.broadcast_to(k, both.shape) for k in (x, y, product))
            mx, my = w @ x / n, w @ y / n
            each = product - mx * y - my * x + mx * my
            return each - w @ each / n

        observed = apart(f[:, a], f[:, b], f[:, a] * f[:, b])
        return both * (observed - apart(m[:, a], m[:, b], implied.products(one, two)[:, 0, 0])) / n

    def mixed(self) -> pd.DataFrame:
        """Means of numbers by the categories of another item, with z by the design."""
        table = self.found.mixed()
        if not len(table):
            return table
        columns, answers = self.found.answers.columns, self.found.answers
        kinds, values = np.flatnonzero(columns.category >= 0), np.flatnonzero(columns.category < 0)

        def expected(judged: Judged) -> Array:
            moved = Compared(judged, answers, Implied.of(judged), self.found.against)
            return moved.mixed()["expected"].to_numpy()

        f, m = answers.values, self.found.implied.means(np.arange(len(answers.counts)))
        o, e = (table[k].to_numpy().reshape(len(kinds), -1) for k in ("observed", "expected"))
        both = self._both(kinds, values)
        w = answers.counts
        product = self.found.implied.products(kinds, values)
        in_kind = both * f[:, kinds, None]
        expected_kind = both * np.broadcast_to(m[:, kinds, None], both.shape)
        each = share(in_kind * (f[:, None, values] - o), np.tensordot(w, in_kind, 1))
        each = each - share(both * product - e * expected_kind, np.tensordot(w, expected_kind, 1))
        v = np.diag(self.design.covariance(each.reshape(len(w), -1), self.design.slopes(expected)))
        rough = np.full(len(v), 0.0)
        return table.assign(z=in_errors(table["residual"].to_numpy(), v, rough))

    def notes(self, notes: list[str]) -> list[str]:
        """What is to be known, in the place of what is said of samples without weights."""
        held = self.found.judged.data.model.survey
        kept = [k for k in notes if "chi-square distribution" not in k and "sums over clusters" not in k]
        kept = [k for k in kept if "take individuals as independent" not in k and "takes individuals" not in k]
        kept.append(f"Observed numbers are weighted and sum to the number of individuals ({held.words}).")
        kept.append("z: residuals in standard errors of the design, estimated parameters taken into account.")
        if self.found.answers.owner is not None:
            kept.append("Expected is a random member of a random cluster; the levels are not told apart under weights.")
        if self._missing:
            kept.append(
                "No z and no p of pairs: none is made of estimates under missing at random; against='pairwise'."
            )
        elif len(self.found.answers.columns.categorical) > 1:
            kept.append("p of pairs: Pearson's chi-square corrected for the design (Rao and Scott, 1984).")
        return kept
