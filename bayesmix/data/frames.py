"""Tables of other packages as DataFrames of pandas: the one place where they come in."""

from __future__ import annotations

from typing import Any

import pandas as pd


def as_frame(data: Any) -> pd.DataFrame:
    """Take a DataFrame of pandas as it is, and make one of a DataFrame of polars or a Table of pyarrow.

    Parameters
    ----------
    data : pandas.DataFrame, polars.DataFrame or pyarrow.Table
        Missing values stay missing: numbers with some become floats. An Enum of polars is a categorical in its order,
        a Categorical one without an order.

    Raises
    ------
    TypeError
        Anything else; a LazyFrame, which holds no rows yet.
    """
    if isinstance(data, pd.DataFrame):
        return data
    package, kind = type(data).__module__.partition(".")[0], type(data).__name__
    if (package, kind) == ("polars", "DataFrame"):
        return pd.DataFrame({c.name: _column(c) for c in data.get_columns()}, index=pd.RangeIndex(data.height))
    if (package, kind) == ("pyarrow", "Table"):
        return data.to_pandas()
    if (package, kind) == ("polars", "LazyFrame"):
        raise TypeError("The data came as a polars LazyFrame, which holds no rows yet: give data.collect().")
    raise TypeError(
        f"The data came as {kind}, expected a pandas DataFrame (or one of polars, or a pyarrow Table): "
        "pd.DataFrame(data)."
    )


def _column(c: Any) -> Any:
    """Make values that pandas takes of a column of polars."""
    kind = type(c.dtype).__name__ if not isinstance(c.dtype, type) else c.dtype.__name__
    if kind == "Enum":
        return pd.Categorical(c.to_list(), categories=c.dtype.categories.to_list(), ordered=True)
    if kind == "Categorical":
        return pd.Categorical(c.to_list())
    if c.dtype.is_numeric():
        return c.cast(float).to_numpy() if kind == "Decimal" or c.null_count() else c.to_numpy()
    if kind == "Boolean" and not c.null_count():
        return c.to_numpy()
    return pd.Series(c.to_list())
