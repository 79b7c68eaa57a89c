"""Rows to be predicted: what they need not have, what is refused, and what is said of them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd

from bayesmix.checks import nearest
from bayesmix.data import Patterns, columns_of_response, plain
from bayesmix.data.design import columns_of
from bayesmix.data.identity import identity
from bayesmix.prediction.source import Source
from bayesmix.spec import Model


def completed(model: Model, df: object, what: str) -> tuple[pd.DataFrame, list[str]]:
    """The rows with a column for each item and normal covariate, missing where there is none, and of frequencies.

    And what is to be noted.

    Raises
    ------
    TypeError, ValueError
        No data frame; covariates or the cluster column are not there.
    """
    if not isinstance(df, pd.DataFrame):
        raise TypeError(f"{what} came as {type(df).__name__}, expected a pandas DataFrame: pd.DataFrame(data).")
    normal = [e.column for e in model.normal_covariates]
    needed = dict.fromkeys(k for c in model.covariates for k in columns_of(c) if k not in normal)
    if gone := [k for k in needed if k not in df.columns]:
        formulas = "; ".join(dict.fromkeys(c.formula for c in model.covariates if {*columns_of(c)} & {*gone}))
        raise ValueError(
            f"{what} have no column for the covariate{'s' if len(gone) > 1 else ''} {', '.join(map(repr, gone))} of "
            f"the model ({formulas}): predictions depend on them; give these columns."
        )
    if model.cluster is not None and model.cluster not in df.columns:
        raise ValueError(
            f"{what} have no cluster column '{model.cluster}': give one, with a label of its own for each cluster that "
            "is new (for each row, where rows do not belong together)."
        )
    if model.group is not None and model.group not in df.columns:
        raise ValueError(f"{what} have no group column '{model.group}': predictions depend on it; give it.")
    items = [i for r in model.responses for i in columns_of_response(model, r)]
    gone = [k for k in (*items, *normal) if k is not None and k not in df.columns]
    single = (model.cluster, model.freq, model.group)
    other = [k for k in df.columns if k not in (*items, *needed, *normal, *single, *model.survey.columns)]
    for item in gone:
        if near := nearest(item, other):
            warnings.warn(
                f"{what} have no column '{item}', which is taken as missing; did you mean '{near}'? Rename it then.",
                stacklevel=4,
            )
    out = df.assign(**dict.fromkeys(gone, np.nan)) if gone else df
    if model.freq is not None and model.freq not in df.columns:
        out = out.assign(**{model.freq: 1})
    return out, [f"no column for {', '.join(gone)}: taken as missing"] if gone else []


def words_on_overlap(model: Model, df: pd.DataFrame, given: pd.DataFrame) -> Iterator[str]:
    """Whether rows are among those seen before as well: of the same label, and equal in all columns of both."""
    both = df.index.intersection(given.index)
    if not len(both) or not (df.index.is_unique and given.index.is_unique):
        return
    columns = [k for k in df.columns if k in given.columns]
    here, there = (x.loc[both, columns].astype(object) for x in (df, given))
    same = ((here == there) | (here.isna() & there.isna())).all(axis=1) & here[list(model.items)].notna().any(axis=1)
    if same.any():
        yield (
            f"{int(same.sum())} of the rows to be predicted (first {same[same].index[0]!r}) have the label and all "
            "values of rows given=: if they are the same rows they count twice; leave them out of one of the two."
        )


def words_on_clusters(source: Source, df: pd.DataFrame) -> Iterator[str]:
    """Whether clusters that the result knows are judged by other rows than those that it has seen."""
    model = source.model
    if model.cluster is None or not (model.effects_at("cluster") or model.classes_at("cluster")):
        return
    labels = [str(plain(v)) for v in pd.unique(df[model.cluster])]
    known = [v for v in labels if v in source.clusters]
    if known and identity_of(source, df) != source.identity:
        yield (
            f"{len(known)} of {len(labels)} clusters (such as {known[0]}) are known to the result, but these are not "
            "the rows that it was made of: each cluster is judged by the rows that came alone. Give given= the rows "
            "seen before to have both count."
        )


def identity_of(source: Source, df: pd.DataFrame) -> str | None:
    """The fingerprint of rows as data; None where no row has an answer."""
    if df[[i for r in source.model.responses for i in columns_of_response(source.model, r)]].isna().all(axis=None):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they were said when the rows were encoded
        return identity(Patterns.of(source.rows(df)))["data"]


def words_on_covariates(model: Model, df: pd.DataFrame, seen: np.ndarray) -> Iterator[str]:
    """Rows with missing covariates of something that no answer depends on: those are at means."""
    for c in (c for c in model.covariates if not c.rows):
        columns = [k for k in columns_of(c) if k not in {e.column for e in model.normal_covariates}]
        gone = df[columns].isna().any(axis=1).to_numpy() & seen
        if gone.any():
            yield (
                f"{int(gone.sum())} rows (first {df.index[gone][0]!r}) miss {', '.join(columns)}, on which none of "
                "their answers depends: what does is predicted at the means of these rows"
            )
