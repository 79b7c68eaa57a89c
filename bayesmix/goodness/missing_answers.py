"""Missing answers: how many of each item and pair there are, and whether they are missing completely at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from bayesmix.data import Dataset, as_frame, missing_column
from bayesmix.goodness.unrestricted import normal_moments, share
from bayesmix.layout import Section, make_table, number, p_value, percent, to_text
from bayesmix.results import Fit
from bayesmix.spec import Model, Survey, refuse_survey
from bayesmix.typing import Array

SHOWN = 10
"""Patterns of missing answers that are printed; the most items whose coverage is printed by pairs."""


@dataclass(frozen=True, repr=False)
class MissingData:
    """How much of the data there is.

    Attributes
    ----------
    coverage : pandas.DataFrame
        The share of individuals who answered both items, (item, item); each item's own on the diagonal.
    patterns : pandas.DataFrame
        A row a pattern of missing answers, the most frequent first: a column an item (True: answered), and `n`.
    n : float
        Individuals, with those who answered no item.
    without : float
        Those who answered no item, and are in no fit.

    Examples
    --------
    >>> found = bm.missing_data(model, df)
    >>> float(found.coverage.loc["a", "b"]), len(found.patterns)
    (1.0, 1)
    """

    coverage: pd.DataFrame
    patterns: pd.DataFrame
    n: float
    without: float

    def sections(self) -> list[Section]:
        """What is printed."""
        items, table = list(self.coverage.columns), self.coverage.to_numpy()
        least = np.where(np.eye(len(items)) > 0, np.inf, table).min(axis=1) if len(items) > 1 else np.diag(table)
        each = zip(items, np.diag(table), least, strict=True)
        own = [(str(i), number(self.n * share, 0), percent(share), percent(other)) for i, share, other in each]
        body: list[Any] = [make_table(("item", "answered", "", "least with another item"), own)]
        rows = [
            (number(r["n"], 0), percent(r["n"] / self.n), ", ".join(i for i in items if not r[i]) or "none")
            for _, r in self.patterns.head(SHOWN).iterrows()
        ]
        more = f" ({SHOWN} of {len(self.patterns)})" if len(self.patterns) > SHOWN else ""
        body.append(make_table(("individuals", "", "not answered"), rows, left=0, title=f"Patterns{more}"))
        if self.without:
            body.append(f"{number(self.without, 0)} individuals answered no item: they are in no fit.")
        return [Section("Missing data", body)]

    def __repr__(self) -> str:
        return str(to_text(self.sections()))

    def _repr_html_(self) -> str:
        return to_text(self.sections())._repr_html_()


@dataclass(frozen=True, repr=False)
class LittleTest:
    """Little's test of answers missing completely at random.

    Attributes
    ----------
    statistic : float
        d^2.
    df : int
    p : float
    patterns : int
        Patterns of missing answers.
    codes : tuple of str
        Categorical items whose codes were taken as numbers.
    converged : bool
        Whether the unrestricted means and covariances have converged.

    Examples
    --------
    >>> gaps = df.assign(a=df["a"].where(df["x"] > -1))
    >>> bm.little_test(["a", "b", "y"], gaps).df
    2
    """

    statistic: float
    df: int
    p: float
    patterns: int
    codes: tuple[str, ...] = ()
    converged: bool = True

    def sections(self) -> list[Section]:
        """What is printed."""
        row = (number(self.statistic), str(self.df), p_value(self.p), str(self.patterns))
        notes = ["A small p speaks against answers that are missing completely at random; a large one is no proof."]
        if self.codes:
            notes.append("The codes of categories were taken as numbers.")
        if not self.converged:
            notes.append("The unrestricted means and covariances have NOT converged.")
        table = make_table(("chi-square", "df", "p", "patterns"), [row], left=0)
        return [Section("Little's test: missing completely at random", [table, "\n".join(notes)])]

    def __repr__(self) -> str:
        return str(to_text(self.sections()))

    def _repr_html_(self) -> str:
        return to_text(self.sections())._repr_html_()


def missing_data(what: Model | Fit | Sequence[str], df: pd.DataFrame) -> MissingData:
    """How many answered each item, and each pair of items.

    Parameters
    ----------
    what : Model, Fit or sequence of str
        Whose items: those of a model, with its column of frequencies, or columns. Rows of the sample are counted: the
        weights of a survey have no part in it.
    df : pandas.DataFrame
        The data.

    Returns
    -------
    MissingData

    Raises
    ------
    ValueError
        No items, or columns that are not there.

    Examples
    --------
    >>> gaps = df.assign(a=df["a"].where(df["x"] > 0))
    >>> found = bm.missing_data(["a", "b"], gaps)
    >>> found.patterns["b"].tolist(), bool(found.coverage.loc["a", "b"] < 0.6)
    ([True, True], True)
    """
    items, y, freq, _ = _answers(what, df)
    seen = ~np.isnan(y)
    n, w = float(freq.sum()), freq[:, None] * seen
    coverage = pd.DataFrame(w.T @ seen / n, index=items, columns=items)
    kinds, which = np.unique(seen, axis=0, return_inverse=True)
    counts = np.bincount(which.reshape(-1), freq, len(kinds))
    patterns = pd.DataFrame(kinds, columns=items).assign(n=counts)
    patterns = patterns[patterns["n"] > 0].sort_values("n", ascending=False, kind="stable").reset_index(drop=True)
    return MissingData(coverage, patterns, n, float(freq[~seen.any(axis=1)].sum()))


def little_test(what: Model | Fit | Sequence[str], df: pd.DataFrame) -> LittleTest:
    """Little's test of answers missing completely at random, of items taken as continuous.

    With the n_m individuals of the pattern of missing answers m, the means of the p_m items they answered, and the
    unrestricted maximum-likelihood estimates under missing at random of the means and covariances of these,

        d^2 = sum_m n_m (mean_m - mu_m)' Sigma_m^-1 (mean_m - mu_m),    df = sum_m p_m - p,

    Little (1988). It looks at means alone, supposes a normal distribution, and takes individuals as independent, in
    clusters too. Codes of categories are taken as numbers; of categorical items alone the row `MCAR` of
    :func:`bayesmix.goodness_of_fit` tests their whole table.

    Parameters
    ----------
    what : Model, Fit or sequence of str
        Whose items: those of a model, with its column of frequencies, or columns of numbers.
    df : pandas.DataFrame
        The data.

    Returns
    -------
    LittleTest

    Raises
    ------
    ValueError
        No answer is missing, all patterns have the same items, an item has one value, or the covariance matrix has no
        inverse.

    Notes
    -----
    Programs that take n / (n - 1) times Sigma have a d^2 that is smaller by as much.

    Examples
    --------
    >>> gaps = df.assign(a=df["a"].where(df["y"] > 0))
    >>> bool(bm.little_test(["a", "y"], gaps).p < 0.001)
    True
    """
    refuse_survey(
        what.model.survey if isinstance(what, Fit) else what.survey if isinstance(what, Model) else None,
        "Little's test",
        "it takes the rows as a random sample; give the items as a list of columns, and read it as of the sample.",
    )
    items, y, freq, codes = _answers(what, df)
    if codes and not isinstance(what, Model | Fit):
        raise ValueError(f"Column '{codes[0]}' is text: its categories have no numbers; give a model, or leave it out.")
    used = (freq > 0) & ~np.isnan(y).all(axis=1)
    y, freq = y[used], freq[used]
    seen = ~np.isnan(y)
    if seen.all():
        raise ValueError("No answer is missing: there is nothing to test.")
    _check_values(items, y)
    kinds, which = np.unique(seen, axis=0, return_inverse=True)
    which, df_ = which.reshape(-1), int(kinds.sum()) - len(items)
    if df_ < 1:
        raise ValueError(
            "The patterns of missing answers have no item in common: no mean of one can be held against another's."
        )
    found, statistic = normal_moments(y, freq), 0.0
    for k, kind in enumerate(kinds):
        w = np.where(which == k, freq, 0.0)
        away = share(w @ np.nan_to_num(y[:, kind]), w.sum()) - found.mean[kind]
        statistic += float(w.sum() * away @ np.linalg.solve(found.covariance[np.ix_(kind, kind)], away))
    p = float(special.chdtrc(df_, statistic))
    return LittleTest(statistic, df_, p, len(kinds), tuple(codes), found.converged)


def _check_values(items: Sequence[str], y: Array) -> None:
    for item, x in zip(items, y.T, strict=True):
        if len(values := np.unique(x[~np.isnan(x)])) < 2:
            came = f"the one value {values[0]:g}" if len(values) else "no answer"
            raise ValueError(f"Item '{item}' has {came}, so that there is no variance: leave it out.")


def _answers(what: Any, df: pd.DataFrame) -> tuple[list[str], Array, Array, list[str]]:
    """Items, their numbers or codes by row, frequencies, and which items are codes."""
    df = as_frame(df)
    model = what.model if isinstance(what, Fit) else what
    if isinstance(model, Model):
        rows = Dataset.encode(replace(model, survey=Survey()), df)
        y = np.concatenate([rows.answers_of_rows(r) for r in model.responses], axis=1)
        codes = [i for r in model.responses if r.family.kind == "categorical" for i in r.items]
        return list(model.items), y, rows.freq, codes
    if isinstance(what, str) or not isinstance(what, Sequence) or not len(what):
        raise TypeError(f"The items came as {what!r}, expected a model, a fit, or a list of columns: ['a', 'b', 'c'].")
    columns = [str(c) for c in what]
    for c in columns:
        if c not in df.columns:
            raise ValueError(missing_column(c, df))
    y = np.full((len(df), len(columns)), np.nan)
    codes = []
    for k, c in enumerate(columns):
        try:
            y[:, k] = pd.to_numeric(df[c]).to_numpy(dtype=float, na_value=np.nan)
        except (ValueError, TypeError):
            found, _ = pd.factorize(df[c], sort=False)
            y[:, k] = np.where(found < 0, np.nan, found)
            codes.append(c)
    return columns, y, np.ones(len(df)), codes
