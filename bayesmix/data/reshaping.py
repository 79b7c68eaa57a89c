"""Long data, a row a measurement, as wide data, a row a person."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from bayesmix.data.design import missing_column
from bayesmix.data.frames import as_frame


def wide(df: pd.DataFrame, id: str, time: str, values: str | Sequence[str]) -> pd.DataFrame:
    """Make a row a person of a row a measurement.

    Parameters
    ----------
    df : pandas.DataFrame
        A row a measurement.
    id, time : str
        Columns of the person and of the occasion. Persons are measured at the same few times; for times of their own
        take the long form of `bm.models.growth`.
    values : str or sequence of str
        Columns that are measured again and again.

    Returns
    -------
    pandas.DataFrame
        A row a person, by `id`: columns that do not vary within persons, then ``<value>_<time>`` for each value and
        time, in the order of time, NaN where a person was not measured.

    Raises
    ------
    ValueError
        A column is missing or has missing labels, a person has two rows at one time.

    Examples
    --------
    >>> long = pd.DataFrame({"id": [1, 1, 2], "t": [0, 1, 1], "y": [3.0, 4.0, 5.0]})
    >>> bm.wide(long, "id", "t", "y").columns.tolist()
    ['id', 'y_0', 'y_1']
    """
    df, names = as_frame(df), [values] if isinstance(values, str) else list(values)
    for column in (id, time, *names):
        if column not in df.columns:
            raise ValueError(missing_column(column, df))
    if not names or {id, time} & {*names} or len({*names}) < len(names):
        raise ValueError(
            f"values came as {values!r}: give the columns that are measured, each once, without id and time."
        )
    for column in (id, time):
        if n := int(df[column].isna().sum()):
            raise ValueError(f"The column '{column}' has {n} missing values: every row needs one; drop or label them.")
    if (twice := df.duplicated([id, time])).any():
        row = df[twice].iloc[0]
        raise ValueError(
            f"{id} {row[id]!r} has several rows at {time} = {row[time]!r}: give one row a person and time, such as "
            "their mean."
        )
    others = [c for c in df.columns if c not in (id, time, *names)]
    by = df.groupby(id, sort=True, observed=True)
    constant = [c for c in others if len(df[[id, c]].drop_duplicates()) == by.ngroups]
    table = df.pivot(index=id, columns=time, values=names)  # noqa: PD010
    table = table.reindex(columns=[(v, t) for v in names for t in sorted(df[time].unique())])
    table.columns = [f"{v}_{_label(t)}" for v, t in table.columns]
    kept = by[constant].first() if constant else pd.DataFrame(index=table.index)
    return kept.join(table.infer_objects()).reset_index()


def _label(t: object) -> str:
    """Write a time: whole numbers without a decimal point."""
    return f"{t:g}" if isinstance(t, float) else str(t)
