"""Residuals of one item and of pairs of items: what was answered beside what the model expects."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.goodness.cells import every_cell
from bayesmix.goodness.implied import Implied
from bayesmix.goodness.judged import Answers, Judged
from bayesmix.goodness.unrestricted import (
    NormalMoments,
    entropy_sum,
    has_table,
    normal_moments,
    share,
    two_way,
    whole_table,
)
from bayesmix.goodness.within_between import Level, within_between
from bayesmix.typing import Array

Against = Literal["mar", "pairwise"]
AGAINST: tuple[Against, ...] = ("mar", "pairwise")


@dataclass(frozen=True)
class Pairs:
    """Two-way tables of pairs of categorical items.

    Attributes
    ----------
    first, second : array of int (pair,)
        The items.
    n : array (pair,)
        Individuals that the tables stand for.
    observed, expected : array (pair, a, b)
        Probabilities; zero for categories that an item does not have.
    pearson, likelihood : array (pair,)
        Chi-squares.
    z : array (pair, a, b)
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    n: Array
    observed: Array
    expected: Array
    pearson: Array
    likelihood: Array
    z: Array


@dataclass(frozen=True)
class Compared:
    """Answers held against a model at one point of its parameters.

    Attributes
    ----------
    judged : Judged
    answers : Answers
        Those of the data, or replicated ones of the same patterns.
    implied : Implied
    against : {"mar", "pairwise"}
    """

    judged: Judged
    answers: Answers
    implied: Implied
    against: Against = "mar"

    @classmethod
    def of(cls, judged: Judged, against: Against = "mar") -> Compared:
        """The data of a model, held against it."""
        return cls(judged, judged.answers, Implied.of(judged), against)

    @cached_property
    def sums(self):
        """What is expected of sums over those who answered."""
        return self.implied.sums(self.answers)

    @cached_property
    def population(self) -> tuple[Array, Array]:
        """What is expected of all individuals."""
        return self.implied.population(self.answers.counts)

    @cached_property
    def n(self) -> tuple[Array, Array]:
        """Individuals who answered each item, and each two of them."""
        o, w = self.answers.answered, self.answers.counts
        return w @ o, (o * w[:, None]).T @ o

    @cached_property
    def _given(self) -> Array:
        """Expected columns of each pattern, given its covariates."""
        return np.broadcast_to(self.implied.means(np.arange(len(self.answers.counts))), self.answers.values.shape)

    @cached_property
    def _observed(self) -> tuple[Array, Array]:
        """Sums of columns, and of products of two."""
        f, w = self.answers.values, self.answers.counts
        return w @ f, (f * w[:, None]).T @ f

    @cached_property
    def spread(self) -> tuple[Array, Array]:
        """Standard deviations of these sums under the model; of clusters by sums over them, which may depend."""
        (one, two), item = self._expected_means, self.answers.columns.item
        if self.answers.owner is None:
            both = self.n[1][np.ix_(item, item)]
            spreads = self.sums.spread, both * two * (1 - two)
            return tuple(np.sqrt(np.maximum(x, 0.0)) for x in spreads)  # pyright: ignore[reportReturnType]
        return self._over_clusters(one, two)

    @cached_property
    def _expected_means(self) -> tuple[Array, Array]:
        """Expected means of columns, and of products, of those who answered."""
        item = self.answers.columns.item
        return share(self.sums.one, self.n[0][item]), share(self.sums.two, self.n[1][np.ix_(item, item)])

    def _over_clusters(self, one: Array, two: Array) -> tuple[Array, Array]:
        a, item = self.answers, self.answers.columns.item
        used = np.flatnonzero(a.counts > 0)
        order = used[np.argsort(a.owner[used], kind="stable")]  # pyright: ignore[reportOptionalSubscript]
        ends = np.flatnonzero(np.diff(a.owner[order])) + 1  # pyright: ignore[reportOptionalSubscript]
        first, second, j = np.zeros_like(one), np.zeros_like(two), len(ends) + 1
        for some in np.split(order, ends):
            w, o, f = a.counts[some], a.answered[some], a.values[some]
            both = ((o * w[:, None]).T @ o)[np.ix_(item, item)]
            first += (w @ f - (w @ o)[item] * one) ** 2
            second += ((f * w[:, None]).T @ f - both * two) ** 2
        return np.sqrt(first * j / max(j - 1, 1)), np.sqrt(second * j / max(j - 1, 1))

    @cached_property
    def normal(self) -> NormalMoments | None:
        """Unrestricted means and covariances of numbers, where some are missing and they are wanted."""
        at = self.answers.columns.numeric
        y = self.answers.y[:, at]
        missing = np.isnan(y[self.answers.counts > 0]).any() if len(at) else False
        if self.against == "pairwise" or not missing or self.answers.owner is not None:
            return None
        return normal_moments(y, self.answers.counts)

    # one item ---------------------------------------------------------------------------------

    def univariate(self) -> pd.DataFrame:
        """A row a category, or a number."""
        columns, item = self.answers.columns, self.answers.columns.item
        n = self.n[0][item]
        observed, (expected, _) = share(self._observed[0], n), self._expected_means
        z = share(self._observed[0] - self.sums.one, self.spread[0])
        if self.normal is not None:
            at = np.flatnonzero(columns.category < 0)
            observed, expected = observed.copy(), expected.copy()
            observed[at], expected[at] = self.normal.mean, self.population[0][at]
            z[at] = share((observed - expected)[at] * n[at], self.spread[0][at])
        labels = [columns.labels[i][c] if c >= 0 else "mean" for i, c in zip(item, columns.category, strict=True)]
        table = {"n": n, "observed": observed, "expected": expected, "residual": observed - expected, "z": z}
        index = pd.MultiIndex.from_arrays([[columns.items[i] for i in item], labels], names=["item", "answer"])
        return pd.DataFrame(table, index=index)

    # two categorical items --------------------------------------------------------------------

    @cached_property
    def pairs(self) -> Pairs:
        """All pairs of categorical items."""
        columns, a = self.answers.columns, self.answers
        at = columns.categorical
        upper = np.triu_indices(len(at), 1)
        first, second = at[upper[0]], at[upper[1]]
        place = np.full((len(columns.items), max(columns.sizes.max(initial=0), 1)), -1)
        for k in at:
            place[k, : columns.sizes[k]] = columns.at(k)

        def table(x: Array) -> Array:
            """Entries of a matrix of columns for each pair; zero where an item has no such category."""
            rows, cols = place[first][:, :, None], place[second][:, None, :]
            return np.where((rows >= 0) & (cols >= 0), x[rows, cols], 0.0)

        both = table(self._observed[1])
        n = both.sum((1, 2))
        if self.against == "pairwise":
            observed, expected = share(both, n[:, None, None]), table(self._expected_means[1])
        elif self.by_table:
            observed, expected = table(self._unrestricted), table(self.population[1])
        else:
            by = (a.values * a.counts[:, None]).T @ (1 - a.answered)  # who answered the item of a column, not the other
            alone = (
                np.where(place[k] >= 0, by[place[k], other[:, None]], 0.0)
                for k, other in ((first, second), (second, first))
            )
            observed, expected = two_way(both, *alone), table(self.population[1])
        if self.against == "mar":
            n = np.full(len(first), a.categorical.n)
        total = n[:, None, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            cells = np.where(
                expected > 0, total * (observed - expected) ** 2 / expected, np.where(observed > 0, np.inf, 0)
            )
        likelihood = (entropy_sum(observed, observed) - entropy_sum(observed, expected)).sum((1, 2))
        sd = table(self.spread[1]) * share(total, both.sum((1, 2), keepdims=True))
        if a.owner is None:
            sd = np.sqrt(np.maximum(total * expected * (1 - expected), 0.0))
        z = np.where(sd > 0, share(total * (observed - expected), sd), np.nan)
        return Pairs(first, second, n, observed, expected, cells.sum((1, 2)), 2 * n * likelihood, z)

    @cached_property
    def by_table(self) -> bool:
        """Whether the unrestricted estimate is that of the table of all categorical items."""
        return self.against == "mar" and has_table(self.answers.categorical)

    @cached_property
    def _unrestricted(self) -> Array:
        """Probabilities of two columns of categorical items by the unrestricted table of all of them."""
        own = self.answers.categorical
        if own.complete[own.counts > 0].all():
            return self._observed[1] / own.n
        cells = every_cell(own.columns.sizes)
        shown = (cells[:, own.columns.item] == own.columns.category).astype(float)
        out, at = np.zeros((len(self.answers.columns.item),) * 2), np.flatnonzero(self.answers.columns.category >= 0)
        out[np.ix_(at, at)] = (shown * whole_table(own).probability.reshape(-1, 1)).T @ shown
        return out

    def cells(self) -> pd.DataFrame:
        """A row a cell of the two-way table of each pair of categorical items."""
        p, columns = self.pairs, self.answers.columns
        sizes = columns.sizes
        inside = (np.arange(p.observed.shape[1])[None, :] < sizes[p.first][:, None])[:, :, None] & (
            np.arange(p.observed.shape[2])[None, :] < sizes[p.second][:, None]
        )[:, None, :]
        pair, i, j = np.nonzero(inside)
        names = [[columns.items[k] for k in some[pair]] for some in (p.first, p.second)]
        labels = [
            [columns.labels[k][c] for k, c in zip(some[pair], at, strict=True)]
            for some, at in ((p.first, i), (p.second, j))
        ]
        n = p.n[pair]
        table = {
            "n": n, "observed": n * p.observed[inside], "expected": n * p.expected[inside], "z": p.z[inside],
        }  # fmt: skip
        index = [names[0], labels[0], names[1], labels[1]]
        return pd.DataFrame(
            table, index=pd.MultiIndex.from_arrays(index, names=["item 1", "answer 1", "item 2", "answer 2"])
        )

    def categorical(self) -> pd.DataFrame:
        """A row a pair of categorical items."""
        p, sizes = self.pairs, self.answers.columns.sizes
        df = (sizes[p.first] - 1) * (sizes[p.second] - 1)
        table = {
            "n": p.n, "Pearson": p.pearson, "log-likelihood": p.likelihood, "df": df,
            "Pearson / df": share(p.pearson, df.astype(float)),
            "largest |z|": np.nanmax(np.abs(p.z), axis=(1, 2), initial=0.0),
        }  # fmt: skip
        return pd.DataFrame(table, index=self._names(p.first, p.second))

    def _names(self, *items: NDArray[np.int64]) -> pd.MultiIndex:
        names = self.answers.columns.items
        return pd.MultiIndex.from_arrays([[names[k] for k in some] for some in items], names=["item 1", "item 2"])

    # numbers ----------------------------------------------------------------------------------

    def numbers(self) -> pd.DataFrame:
        """Variances and covariances of numbers: a row a pair and a level."""
        at = self.answers.columns.numeric
        upper = np.triu_indices(len(at))
        levels = self._levels()
        parts = []
        for name, level in levels.items():
            table = {"observed": level.observed[upper], "expected": level.expected[upper]}
            table |= {"residual": table["observed"] - table["expected"], "z": level.z[upper]}
            part = pd.DataFrame(table, index=self._names(at[upper[0]], at[upper[1]]))
            part.insert(0, "n", self.n[1][np.ix_(at, at)][upper])
            parts.append(part.assign(level=name).set_index("level", append=True))
        return pd.concat(parts)

    def _levels(self) -> dict[str, Level]:
        if self.answers.owner is not None and self.judged.data.rows.sampling is not None:
            return {"total": self._single_level()}
        if self.answers.owner is not None:
            return dict(zip(("within", "between"), within_between(self.answers, self.implied), strict=True))
        return {"": self._single_level()}

    def _single_level(self) -> Level:
        columns = np.flatnonzero(self.answers.columns.category < 0)
        grid, at = np.ix_(columns, columns), self.answers.columns.numeric
        o, w, f = self.answers.answered[:, at], self.answers.counts, self.answers.values[:, columns]
        n = self.n[1][np.ix_(at, at)]
        mean, two = self.population[0][columns], self.population[1][grid]
        expected = two - np.outer(mean, mean)
        if self.normal is not None:
            observed = self.normal.covariance
        else:
            own = share((f * w[:, None]).T @ o, n)  # means of those who answered both
            observed = share(self._observed[1][grid], n) - own * own.T
            if self.implied.varies:
                own = share((self._given[:, columns] * o * w[:, None]).T @ o, n)
                expected = self._expected_means[1][grid] - own * own.T
        away = (f - mean) * o
        product, square = (away * w[:, None]).T @ away, (away**2 * w[:, None]).T @ away**2
        spread = np.sqrt(np.maximum(square - 2 * expected * product + n * expected**2, 0.0))
        z = np.where(spread > 0, share(n * (observed - expected), spread), np.nan)
        return Level(np.where(n > 0, observed, np.nan), expected, z)

    def mixed(self) -> pd.DataFrame:
        """Means of each number by the categories of another item, among those who answered both."""
        columns, a = self.answers.columns, self.answers
        kinds = np.flatnonzero(columns.category >= 0)
        values = np.flatnonzero(columns.category < 0)
        if not (len(kinds) and len(values)):
            return pd.DataFrame()
        grid, items = np.ix_(kinds, values), columns.numeric
        f, o, y = a.values[:, kinds] * a.counts[:, None], a.answered[:, items], a.values[:, values]
        n, total, square = f.T @ o, f.T @ y, f.T @ y**2
        observed = share(total, n)
        sd = np.sqrt(np.maximum(share(square, n) - observed**2, 0.0))
        expected_n = self._expected_numbers(kinds, items)
        expected = share(self.sums.two[grid], expected_n)
        z = np.where(sd * n > 0, share((observed - expected) * np.sqrt(n), sd), np.nan)
        rows, cols = np.divmod(np.arange(n.size), len(values))
        names = [columns.items[columns.item[k]] for k in kinds[rows]]
        answers = [columns.labels[columns.item[k]][columns.category[k]] for k in kinds[rows]]
        index = pd.MultiIndex.from_arrays(
            [names, answers, [columns.items[items[k]] for k in cols]], names=["item 1", "answer 1", "item 2"]
        )
        table = {"n": n, "observed": observed, "expected": expected, "residual": observed - expected, "z": z}
        return pd.DataFrame({k: x.ravel() for k, x in table.items()}, index=index)

    def _expected_numbers(self, kinds: NDArray[np.int64], items: NDArray[np.int64]) -> Array:
        """How many of those who answered both are expected in each category (column), by number (item)."""
        item = self.answers.columns.item[kinds]
        if not self.implied.varies:
            return self.population[0][kinds][:, None] * self.n[1][np.ix_(item, items)]
        o, w = self.answers.answered, self.answers.counts
        return (self._given[:, kinds] * o[:, item] * w[:, None]).T @ o[:, items]
