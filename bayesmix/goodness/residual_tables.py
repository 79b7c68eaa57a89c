"""Residuals as tables: univariate and bivariate, with p values by the bootstrap or of a posterior."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
import xarray as xr

from bayesmix.checks import one_of
from bayesmix.data import Priors
from bayesmix.goodness.judged import Judged
from bayesmix.goodness.pairs import AGAINST, Against, Compared
from bayesmix.goodness.replications import NO_BOOTSTRAP, Draws, Replicated, refitted, share_of
from bayesmix.goodness.weighted_residuals import Weighted
from bayesmix.layout import Section, Table, make_table, number, to_text
from bayesmix.results import Fit
from bayesmix.results.estimates import check_result
from bayesmix.spec import refuse_survey
from bayesmix.typing import Array

SHOWN = 20
"""Rows of a table that are printed."""
WHOLE = ("n", "df")
"""Columns of whole numbers."""
TINY = 1e-6
"""What a fit reproduces is zero but for rounding."""
LARGE = 4.0
"""Pearson / df of a pair, from which it is named: about the 5% point of a chi-square with one degree of freedom."""


@dataclass(frozen=True, repr=False)
class Residuals:
    """What was answered beside what a model expects, for each item and each pair.

    Attributes
    ----------
    univariate : pandas.DataFrame
        A row a category of an item, or its mean: `n`, `observed`, `expected`, `residual`, `z`.
    pairs : pandas.DataFrame
        A row a pair of categorical items: `n`, chi-squares `Pearson` and `log-likelihood` of its two-way table,
        `df` = (a - 1)(b - 1), `Pearson / df`, the `largest |z|` of a cell, and `p` where it was asked for. With the
        design of a survey `corrected`, `corrected df` and the p of these.
    cells : pandas.DataFrame
        A row a cell of these tables: `n`, `observed`, `expected` (numbers of individuals), `z`.
    numbers : pandas.DataFrame
        Variances and covariances of items that are numbers: a row a pair and a level, `within` and `between`
        clusters where there are some, `total` with the design of a survey.
    mixed : pandas.DataFrame
        Means of a number by the categories of another item.
    against : {"mar", "pairwise"}
    replications : int
        Replications, or draws, behind `p`.
    notes : tuple of str
        What to know of the numbers.

    Examples
    --------
    >>> found = bm.residuals(fit, df)
    >>> found.pairs.loc[("a", "b"), "n"]
    np.float64(200.0)
    """

    univariate: pd.DataFrame
    pairs: pd.DataFrame
    cells: pd.DataFrame
    numbers: pd.DataFrame
    mixed: pd.DataFrame
    against: Against
    replications: int = 0
    notes: tuple[str, ...] = ()

    def matrix(self) -> pd.DataFrame:
        """One number for each two items, (item, item): how far off the pair is, about 1 where the model holds.

        Of categorical items Pearson / df; of numbers the square of z of their covariance, with clusters the larger of
        both levels; of a number and a categorical item the average of the squares of z of its means. NaN of an item
        with itself, but for the variance of a number.
        """
        items = list(dict.fromkeys(self.univariate.index.get_level_values("item")))
        out = pd.DataFrame(np.nan, index=items, columns=items)
        each: list[pd.Series] = []
        if len(self.pairs):
            each.append(self.pairs["Pearson / df"])
        if len(self.numbers):
            each.append((self.numbers["z"] ** 2).groupby(level=["item 1", "item 2"]).max())
        if len(self.mixed):
            each.append((self.mixed["z"] ** 2).groupby(level=["item 1", "item 2"]).mean())
        at = {item: k for k, item in enumerate(items)}
        values = out.to_numpy(copy=True)
        for found in each:
            rows, columns = ([at[k] for k in found.index.get_level_values(d)] for d in (0, 1))
            values[rows, columns] = values[columns, rows] = found.to_numpy(dtype=float)
        return pd.DataFrame(values, index=items, columns=items)

    def sections(self) -> list[Section]:
        """What is printed: the largest residuals of each kind."""
        body = [_table("Items", self.univariate, self.univariate["z"].abs(), self.replications)]
        if len(self.pairs):
            shown = self.pairs
            if "corrected" in shown:  # in the width of a page
                shown = shown.drop(columns="log-likelihood").rename(columns={"corrected df": "its df"})
            body.append(_table("Pairs of categorical items", shown, shown["Pearson / df"], self.replications))
        if len(self.numbers):
            title = "Variances and covariances of numbers"
            body.append(_table(title, self.numbers, self.numbers["z"].abs(), self.replications))
        if len(self.mixed):
            body.append(_table("Means of numbers by category", self.mixed, self.mixed["z"].abs(), self.replications))
        return [Section("Residuals, the largest first", [*body, "\n".join(self.notes)])]

    def __repr__(self) -> str:
        return str(to_text(self.sections()))

    def _repr_html_(self) -> str:
        return to_text(self.sections())._repr_html_()


def _table(title: str, x: pd.DataFrame, size: pd.Series, n: int) -> Table:
    """The rows with the largest `size`; p values are of `n` replications."""
    order = np.argsort(-np.nan_to_num(size.to_numpy(dtype=float)), kind="stable")[:SHOWN]
    part = x.iloc[order]
    head = (*map(str, part.index.names), *map(str, part.columns))
    rows = []
    for key, r in zip(part.index, part.itertuples(index=False), strict=True):
        cells = [
            share_of(v, n) if c == "p" else number(0.0 if abs(v) < TINY else float(v), 0 if c in WHOLE else 3)
            for c, v in zip(part.columns, r, strict=True)
        ]
        rows.append((*map(str, key), *cells))
    more = f" ({SHOWN} of {len(x)})" if len(x) > SHOWN else ""
    return make_table(head, rows, left=len(part.index.names), title=f"{title}{more}")


def residuals(
    result: Fit | xr.DataTree,
    df: pd.DataFrame,
    *,
    against: Against = "mar",
    bootstrap: int = 0,
    seed: int = 0,
    priors: Priors | None = None,
    executor: Executor | None = None,
    progress: bool = True,
) -> Residuals:
    """Univariate and bivariate residuals: what was answered beside what the model expects.

    Of two categorical items with observed and expected probabilities o_ab and e_ab of n individuals,

        X^2 = n sum_ab (o_ab - e_ab)^2 / e_ab,    z_ab = (o_ab - e_ab) / sqrt(e_ab (1 - e_ab) / n),

    and the log-likelihood chi-square 2 n sum_ab o_ab log(o_ab / e_ab). X^2 / ((a - 1)(b - 1)) is known as the bivariate
    residual, Vermunt and Magidson (2005). Means and covariances of numbers have a z from the spread of the
    answers. Expected numbers come from the tables of the graph, with everything latent summed out; covariates are
    those of the individuals.

    The chi-squares of pairs have no chi-square distribution, since the parameters were estimated from the same data:
    they tend to be smaller. `bootstrap` has p values that know this. z does not either; of clusters it is by sums over
    these, which may depend as they like.

    With the design of a survey (:func:`bayesmix.survey`) individuals count by their weights, which sum to their number.
    z is in standard errors of the design, estimated parameters taken into account, and `p` of a pair is that of
    Pearson's chi-square, corrected as in :func:`bayesmix.goodness_of_fit`. Where answers are missing, "pairwise" has
    both and "mar" those of single items alone. Covariances of numbers are those of individuals, whatever their cluster.

    Parameters
    ----------
    result : Fit or xarray.DataTree
        What :func:`bayesmix.fit` or :func:`bayesmix.sample` returns. Of a posterior all numbers are averages over the
        draws that have replicated data, and `p` is posterior predictive, Meng (1994), of the Pearson chi-square of the
        pair (of items and numbers, of the square of z).
    df : pandas.DataFrame
        Its data.
    against : {"mar", "pairwise"}
        What the model is held against where answers are missing. "mar": the unrestricted table of all categorical items
        under missing at random, by EM, with all individuals for n, as TECH10 of Mplus does; where that table is too
        large, of the two items alone. For numbers it is the unrestricted normal distribution of all of them.
        "pairwise": those who answered both items. Of one categorical item they are always those who answered it, and
        numbers in clusters are always pairwise.
    bootstrap : int
        Data sets that are drawn from the fit and fitted again, as in :func:`bayesmix.goodness_of_fit`. 0: none.
    seed, priors, executor, progress
        As there.

    Returns
    -------
    Residuals

    Raises
    ------
    ValueError
        Other data than those of the fit, a collapsed fit, a posterior without replicated data, or numbers of which some
        are missing and that have no unrestricted covariance matrix, or a bootstrap with the design of a survey.
    KeyboardInterrupt
        Interrupted before two replications were finished.

    Examples
    --------
    >>> found = bm.residuals(fit, df)
    >>> found.pairs.columns.to_list()
    ['n', 'Pearson', 'log-likelihood', 'df', 'Pearson / df', 'largest |z|']
    >>> bool((found.univariate["z"].abs() < 0.1).all())
    True
    """
    check_result(result)
    one_of("against", against, AGAINST)
    if isinstance(result, Fit):
        refuse_survey(result.model.survey if bootstrap else None, "bootstrap=", NO_BOOTSTRAP)
        judged = Judged.of(result, df)
        compared = Compared.of(judged, against)
        found = _tables(compared)
        if result.model.survey:
            return _by_design(Weighted.of(compared), found)
        if not bootstrap:
            return found
        made = refitted(
            result, judged, partial(_statistics, against=against), replications=bootstrap, seed=seed, priors=priors,
            executor=executor, progress=progress,
        )  # fmt: skip
        return _with_bootstrap(found, made)
    if bootstrap:
        raise ValueError("bootstrap= came with a posterior, whose p values are posterior predictive: leave it out.")
    return _of_draws(Draws.of(result, df), against, progress)


def _tables(found: Compared) -> Residuals:
    columns = found.answers.columns
    several = len(columns.categorical) > 1
    pairs, cells = (found.categorical(), found.cells()) if several else (pd.DataFrame(), pd.DataFrame())
    numbers = found.numbers() if len(columns.numeric) else pd.DataFrame()
    out = Residuals(found.univariate(), pairs, cells, numbers, found.mixed(), found.against)
    return replace(out, notes=tuple(_notes(found, out)))


def _by_design(weighted: Weighted, found: Residuals) -> Residuals:
    """The tables of a weighted sample: with z and p by its design."""
    pairs, cells = weighted.pairs() if len(found.pairs) else (found.pairs, found.cells)
    numbers = weighted.numbers() if len(found.numbers) else found.numbers
    notes = tuple(weighted.notes(list(found.notes)))
    return replace(
        found, univariate=weighted.univariate(), pairs=pairs, cells=cells, numbers=numbers, mixed=weighted.mixed(),
        notes=notes,
    )  # fmt: skip


def _notes(found: Compared, out: Residuals) -> list[str]:
    answers, columns, notes = found.answers, found.answers.columns, []
    how = "given all items (as TECH10)" if found.by_table else "given the other item (the whole table is too large)"
    if np.isnan(answers.y[answers.counts > 0]).any():
        notes.append(
            f"Answers are missing: observed are unrestricted estimates under missing at random {how}."
            if found.against == "mar"
            else "Answers are missing: each pair by those who answered both items."
        )
        if found.against == "mar" and found.judged.has_covariates:
            notes.append("These know no covariates: where answers are missing by them, take against='pairwise'.")
    if len(columns.items) < 2:
        notes.append("There is one item: no pairs.")
    if len(out.pairs):
        large = int((out.pairs["Pearson / df"] > LARGE).sum())
        notes.append(f"{large} of {len(out.pairs)} pairs have a Pearson / df above {LARGE:g}.")
        notes.append("Chi-squares of pairs have no chi-square distribution: bootstrap=100 has p values.")
    if answers.owner is not None:
        notes.append("Expected is a random member of a random cluster; z is by sums over clusters.")
        if len(out.mixed):
            notes.append("z of means by category takes individuals as independent.")
    if found.normal is not None and not found.normal.converged:
        notes.append("The unrestricted covariance matrix has NOT converged: take against='pairwise'.")
    return notes


def _statistics(judged: Judged, against: Against) -> Array:
    """What has a p value, in the order of the tables: z^2 of items, Pearson of pairs, z^2 of numbers and of means."""
    return _squares(_tables(Compared.of(judged, against)))


def _squares(found: Residuals) -> Array:
    parts = [found.univariate["z"] ** 2]
    parts += [found.pairs["Pearson"]] if len(found.pairs) else []
    parts += [x["z"] ** 2 for x in (found.numbers, found.mixed) if len(x)]
    return np.concatenate([np.asarray(x, dtype=float) for x in parts])


def _with_p(found: Residuals, p: Array, n: int, note: str) -> Residuals:
    """The tables with p values, in the order of :func:`_statistics`."""
    tables = {}
    for name in ("univariate", "pairs", "numbers", "mixed"):
        table = getattr(found, name)
        if len(table):
            tables[name], p = table.assign(p=p[: len(table)]), p[len(table) :]
    notes = [k for k in found.notes if "bootstrap=100" not in k]
    return replace(found, **tables, replications=n, notes=(*notes, note))


def _with_bootstrap(found: Residuals, made: Replicated) -> Residuals:
    failed = f", {made.failed} more failed" if made.failed else ""
    p = made.p.copy()
    p[made.observed < TINY] = np.nan  # rounding in the data would be held against rounding in replications
    return _with_p(found, p, made.n, f"p by the bootstrap: {made.n} replications{failed}.")


def _of_draws(draws: Draws, against: Against, progress: bool) -> Residuals:
    each: list[Residuals] = []

    def both(data: Judged, replicated: Judged) -> tuple[Array, Array]:
        each.append(_tables(Compared.of(data, against)))
        return _squares(each[-1]), _statistics(replicated, against)

    made: Replicated = draws.over(both, progress)
    each = each[: made.n]
    tables = {k: _averaged([getattr(x, k) for x in each]) for k in ("univariate", "pairs", "cells", "numbers", "mixed")}
    out = replace(each[0], **tables, notes=tuple(k for k in each[0].notes if "Pearson / df" not in k))
    return _with_p(out, made.p, made.n, f"Averages over {made.n} draws; p: posterior predictive.")


def _averaged(tables: list[pd.DataFrame]) -> pd.DataFrame:
    first = tables[0]
    if not len(first):
        return first
    mean = np.mean([t.to_numpy(dtype=float) for t in tables], axis=0)
    return pd.DataFrame(mean, index=first.index, columns=first.columns)
