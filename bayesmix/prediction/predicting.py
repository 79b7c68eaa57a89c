"""`bm.predict`: classes, effects and outcomes of rows, by a fit or a posterior."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy import special

from bayesmix.checks import check_level, one_of
from bayesmix.data import Dataset, persons_of
from bayesmix.graph import LogLikelihood, expected_answers
from bayesmix.prediction.new_rows import completed, words_on_clusters, words_on_covariates, words_on_overlap
from bayesmix.prediction.predicted import Prediction
from bayesmix.prediction.source import Placed, Source
from bayesmix.results import Fit, class_table, effect_table, row_coords
from bayesmix.spec import Nodes, at_level, interval_level, tails
from bayesmix.typing import Array

Outcomes = Literal["given the answers", "from covariates alone"]
OUTCOMES: tuple[Outcomes, ...] = ("given the answers", "from covariates alone")
DRAWS = 400
"""Draws of a posterior, over all chains, that are averaged if their number is left out."""


def predict(
    result: Fit | xr.DataTree,
    df: pd.DataFrame,
    *,
    given: pd.DataFrame | None = None,
    outcomes: Outcomes = "given the answers",
    id: str | None = None,
    draws: int | None = None,
    nodes: Nodes | None = None,
    level: float | None = None,
) -> Prediction:
    """Classes, random effects and outcomes of new rows.

    With s everything latent of a unit (its classes C and D, its effects eta), by Bayes' theorem on the levels, with
    the densities (1)-(3), class probabilities (4), (26), (34) and effects (5) of the model at theta,

        P(s | y, x) = p(s | x) p(y | s, x) / sum_s p(s | x) p(y | s, x),
        E(y_new | y, x) = sum_s P(s | y, x) E(y_new | s, x),

    where y are the answers that the new rows have, and the unit is the row, or the whole cluster. Of a fit theta are
    its estimates; of a posterior P and E are averaged over draws of theta.

    Parameters
    ----------
    result : Fit or xarray.DataTree
        What :func:`bayesmix.fit` or :func:`bayesmix.sample` returns, also when read from a file.
    df : pandas.DataFrame
        The new rows, coded as the data of the result were. Any items may be missing, and columns of items absent: a
        row without any answer is predicted from its covariates (and its cluster) alone. All covariates are needed, but
        for normal ones (:func:`bayesmix.with_covariates`).
        Each cluster, known or not, is judged by the rows of it that are here, and those of `given`.
    given : pandas.DataFrame, optional
        Rows seen before, such as the data of the fit: new rows of their clusters are predicted given those too.
    outcomes : {"given the answers", "from covariates alone"}
        What the expected answers condition on. The former: all answers that are there, of the row and of its cluster.
        Of an item that is missing it is the prediction of that answer; of one that is there it is that of a further
        answer of the same individual, to which its own answer has contributed (leave the column out to predict it from
        the others). The latter: none of the answers in `df`, only covariates, and what is in `given`.
    id : str, optional
        A column that the tables of rows have first.
    draws : int, optional
        Draws of each chain that are averaged, evenly spaced; 400 over all chains if left out, or fewer where these
        would take longer than about ten seconds a table.
    nodes : Nodes, optional
        How random effects are integrated. Left out, it is as for the result, at nodes that are placed for these rows;
        finer ones where those change a log-likelihood by more than 0.1, which is said where it remains so.
    level : float, optional
        Of intervals, 0.95 if left out: of a posterior equal-tailed ones, between draws, of class probabilities and
        expected answers; of grades of membership those of the person.

    Returns
    -------
    Prediction
        On the data of the fit itself its class probabilities are those of the fit.

    Raises
    ------
    ValueError, TypeError
        Covariates or the cluster column that are not there, categories or levels that the result does not know, ...

    Warns
    -----
    UserWarning
        Clusters that the result knows come with other rows than those it has seen, and without `given`; rows that have
        neither answers nor all covariates, and so no prediction; rows that seem to be among those of `given`;
        integration that is too coarse.

    Examples
    --------
    >>> new = pd.DataFrame({"a": [1, 0], "b": [1, 0], "c": [0, None], "d": [1, 0]}, index=["Ann", "Bob"])
    >>> found = bm.predict(fit, new)
    >>> found.class_probabilities().index.to_list()
    ['Ann', 'Bob']
    >>> found.outcomes.columns.to_list()
    ['a=0', 'a=1', 'b=0', 'b=1', 'c=0', 'c=1', 'd=0', 'd=1']
    """
    source = Source.of(result)
    one_of("outcomes", outcomes, OUTCOMES)
    level = interval_level() if level is None else level
    check_level(level)
    model = source.model
    here, notes = completed(model, df, "The new rows")
    source = source.for_new(here)
    model = source.model
    if id is not None and id not in df.columns:
        raise ValueError(f"id came as {id!r}, which is no column of the new rows: name one, or leave it out.")
    if model.repeated is not None and given is not None:
        raise ValueError(
            "given= came for rows that are measurements of persons: give all of their measurements as the new rows, "
            "which are judged together."
        )
    if given is None:
        for said in words_on_clusters(source, here):
            warnings.warn(said, stacklevel=2)
        before, every = None, here
    else:
        before, _ = completed(model, given, "The rows given=")
        for said in words_on_overlap(model, here, before):
            warnings.warn(said, stacklevel=2)
        if not model.two_level:
            notes.append("given= tells nothing of new rows: without clusters they are independent of those seen before")
        used = [k for k in here.columns if k in before.columns]
        every = pd.concat([before[used], here[used]], ignore_index=True)
    rows = source.rows(every, unanswered=True)
    if model.repeated is not None:
        here = every = persons_of(model, here).frame
    kept = _Kept(rows, here.index, len(every) - len(here))
    notes += _said(kept, here, source)
    most = draws or (-(-DRAWS // source.params.sizes["chain"]) if source.draws else None)
    at = source.placed(rows, nodes, most)
    blank = at if outcomes == OUTCOMES[0] else source.placed(_without_answers(source, every, kept), nodes, most)
    earlier = None
    if before is not None and model.two_level:
        earlier = source.placed(source.rows(before), nodes, at.params.sizes["draw"] if source.draws else None)
    with at_level(level):
        tables = class_table(at.data, at.theta, intervals=True), effect_table(at.data, at.theta)
        answers = _outcomes(blank, kept)
    return Prediction(
        model=model,
        classes=kept.of(tables[0]),
        effect_scores=kept.of(tables[1]),
        outcomes=answers,
        level=level,
        given=outcomes,
        loglik=_loglik(at, kept, earlier),
        draws=int(np.prod(at.theta.shape[:-1])) if source.draws else None,
        notes=tuple(notes),
        ids=None if id is None else df[id],
    )


class _Kept:
    """Which of the encoded rows are those to be predicted, and their labels."""

    def __init__(self, rows: Dataset, index: pd.Index, first: int) -> None:
        self.rows, self.index, self.first = rows, index, first
        own = None if rows.cluster_of_row is None else rows.cluster_of_row[first:]
        self.clusters = np.arange(0) if own is None else np.unique(own[own >= 0])

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Which of the new rows are predicted."""
        return self.rows.seen[self.first :]

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Which of the new rows have an answer."""
        given = np.concatenate([~np.isnan(c.y) for c in self.rows.coded.values()], axis=1)
        return given.any(axis=1)[self.first :]

    def of(self, table: xr.Dataset) -> xr.Dataset:
        """The part of a table of units that is of the new rows and of their clusters."""
        out = table
        if "row" in out.dims:
            out = out.isel(row=slice(self.first, None)).drop_vars(
                [k for k in out.coords if str(k).startswith("row")], errors="ignore"
            )
            out = out.assign_coords(row_coords(self.index))
        if "cluster" in out.dims:
            out = out.isel(cluster=self.clusters)
        return out.drop_vars("path_counts", errors="ignore") if self.first else out


def _said(kept: _Kept, here: pd.DataFrame, source: Source) -> list[str]:
    """Notes on rows without answers; a warning on those that cannot be predicted."""
    notes = []
    if n := int((kept.seen & ~kept.answered).sum()):
        by = "their covariates" if source.model.covariates else "the model"
        notes.append(f"{n} rows have no answer: predicted from {by}{' and cluster' * source.model.two_level} alone")
    if not kept.seen.all():
        gone = here.index[~kept.seen]
        warnings.warn(
            f"{len(gone)} rows (first {gone[0]!r}) have neither an answer nor all covariates (or a frequency of 0): "
            "they are not predicted.",
            stacklevel=3,
        )
    for words in words_on_covariates(source.model, here, kept.seen):
        warnings.warn(f"{words}.", stacklevel=3)
    return notes


def _without_answers(source: Source, every: pd.DataFrame, kept: _Kept) -> Dataset:
    """The rows with all answers of the new ones missing."""
    before = np.arange(len(every)) < kept.first
    return source.rows(every.assign(**{k: every[k].where(before) for k in source.model.items}), unanswered=True)


def _outcomes(at: Placed, kept: _Kept) -> pd.DataFrame:
    """Expected answers as columns: an item, or a category of it, and of draws the SD and the interval of each."""
    data, out = at.data, {}
    pattern = data.pattern_of[kept.first :]
    several = at.theta.ndim > 1
    found = expected_answers(data, at.theta, tails=tails() if several else ())
    for r in data.model.responses:
        parts = [np.where(_beside(pattern >= 0, x), x[pattern], np.nan) for x in found[r.name]]
        for k, item in enumerate(r.items):
            for name, x in _columns(item, data.categories[item], *(p[:, k] for p in parts)):
                words = ("", " sd", " lower", " upper") if several else ("",)
                out |= {f"{name}{word}": v for word, v in zip(words, x, strict=False)}
    return pd.DataFrame(out, index=kept.index)


def _beside(seen: NDArray[np.bool_], x: Array) -> NDArray[np.bool_]:
    return seen.reshape(-1, *[1] * (x.ndim - 1))


def _columns(item: str, categories: list, *parts: Array) -> Iterator[tuple[str, tuple[Array, ...]]]:
    """The expected answers to an item, and what goes with them, by the names of their columns."""
    if parts[0].ndim == 1:
        yield item, parts
    else:
        yield from ((f"{item}={label}", tuple(x[:, k] for x in parts)) for k, label in enumerate(categories))


def _loglik(at: Placed, kept: _Kept, earlier: Placed | None) -> pd.Series:
    """The log-likelihood of each new row or cluster, given the rows seen `earlier`; of draws that of their average."""
    each, labels = _of_units(at), list(at.data.clusters or ())
    if earlier is not None:
        column = {label: k for k, label in enumerate(earlier.data.clusters or ())}
        before = np.column_stack([_of_units(earlier), np.zeros(len(each))])
        each = each - before[:, [column.get(label, -1) for label in labels]]
    loglik = special.logsumexp(each, axis=0) - np.log(len(each))
    if at.data.clusters is not None:
        own = pd.Index([labels[k] for k in kept.clusters], name=at.data.model.cluster)
        owner = np.asarray(kept.rows.cluster_of_row)[kept.first :]
        known = np.isin(kept.clusters, owner[kept.answered])
        return pd.Series(np.where(known, loglik[kept.clusters], np.nan), index=own, name="loglik")
    values = np.where(kept.answered, loglik[at.data.pattern_of[kept.first :]], np.nan)
    return pd.Series(values, index=kept.index, name="loglik")


def _of_units(at: Placed) -> Array:
    """Log-likelihoods, (point, unit)."""
    each = LogLikelihood(at.data).of_units(at.theta)
    return each.reshape(-1, each.shape[-1])
