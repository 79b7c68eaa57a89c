"""Covariates that are variables of the model: their values, and design matrices that are linear in what misses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.data.columns import numbers, read
from bayesmix.data.design import CONSTANT, Design, design, is_number, missing_column
from bayesmix.data.frames import as_frame
from bayesmix.spec import Covariates, Model, check_model, with_covariates
from bayesmix.typing import Array

Rows = NDArray[np.bool_]


@dataclass(frozen=True)
class NormalColumn:
    """A covariate that is a variable of the model.

    Attributes
    ----------
    values : array (row,)
        NaN where it misses.
    fill : float
        What stands for it in design matrices where it misses: the mean of the others.
    """

    values: Array
    fill: float

    @property
    def there(self) -> Rows:
        """Rows that have it."""
        return ~np.isnan(self.values)

    def take(self, at: NDArray[np.int64]) -> NormalColumn:
        """The column of other rows, by their positions."""
        return replace(self, values=self.values[at])

    @property
    def filled(self) -> Array:
        """The values, with `fill` where there are none."""
        return np.where(self.there, self.values, self.fill)


def normal_columns(model: Model, df: pd.DataFrame, weight: Array, follows: bool) -> dict[str, NormalColumn]:
    """Read the covariates that are variables of the model, by their columns; rows stand for `weight` each.

    Raises
    ------
    ValueError
        No such column, text, infinite values; but for rows that are coded as others were, no values, or all equal.
    """
    return {e.column: _read(e.column, df, weight, follows) for e in model.normal_covariates if e.column}


def with_gaps_normal(model: Model, df: pd.DataFrame) -> Model:
    """The model in which covariates that rows with an answer miss are normal variables; itself where there are none.

    Raises
    ------
    ValueError, TypeError
        As :func:`bayesmix.with_covariates`.
    """
    check_model(model)
    df = as_frame(df)
    known = {e.column for e in model.normal_covariates}
    columns = dict.fromkeys(k for c in model.covariates for k in c.columns if k in df.columns and k not in known)
    answered = df[[i for i in model.items if i in df.columns]].notna().any(axis=1).to_numpy()
    gaps = [k for k in columns if _misses(df[k], answered)]
    return with_covariates(model, gaps) if gaps else model


def _misses(values: pd.Series, answered: Rows) -> bool:
    """Whether rows with an answer miss a covariate, as a missing value or a text that stands for one."""
    return bool((read(f"Covariate '{values.name}'", values, answered).codes[answered] < 0).any())


def _read(column: str, df: pd.DataFrame, weight: Array, follows: bool) -> NormalColumn:
    if column not in df.columns:
        raise ValueError(f"A normal covariate names a missing column. {missing_column(column, df)}")
    what = f"Normal covariate '{column}'"
    values = df[column]
    if not is_number(values, set()):
        raise ValueError(
            f"{what} came with categories (text): these are not normal. Impute it several times and pool the fits by "
            "bm.pool, make missing a category of its own, or drop the rows that miss it."
        )
    x = numbers(what, values, weight > 0)
    there = ~np.isnan(x)
    if np.isinf(x).any():
        raise ValueError(f"{what} has infinite values: correct them or drop the rows.")
    if follows:
        return NormalColumn(x, _mean(x, weight) if there.any() else 0.0)
    if not there.any():
        raise ValueError(f"{what} has no value in any row: all are missing. Leave the covariate out.")
    if np.ptp(x[there]) <= CONSTANT * np.abs(x[there]).max():
        raise ValueError(f"{what} is constant (every row has {x[there][0]:g}): leave the covariate out.")
    return NormalColumn(x, _mean(x, weight))


def _mean(x: Array, weight: Array) -> float:
    """The mean of what is there, of rows that count if there are some: whole weights are repeated rows."""
    there = ~np.isnan(x)
    w = weight[there]
    return float(np.average(x[there], weights=w if w.any() else None))


def linear_design(
    c: Covariates,
    df: pd.DataFrame,
    seen: Rows,
    cluster: NDArray[np.int64] | None,
    needed: Rows,
    coding: Mapping[str, Any] | None,
    known: Mapping[str, NormalColumn],
    check: bool = True,
) -> Design:
    """The design matrix of a formula, with what it gains for each unit of a covariate where that misses.

    Where x misses, its columns are those at the fill of x, plus `latent` times x less the fill.
    """
    own = {x: known[x] for x in c.columns if x in known}
    if not own:
        return design(c, df, seen, cluster, needed, coding, check)
    filled = df.assign(**{x: v.filled for x, v in own.items()})
    out, latent = design(c, filled, seen, cluster, needed, coding, check), {}
    for x, v in own.items():
        at = [filled.assign(**{x: np.where(v.there, v.filled, value)}) for value in (0.0, 1.0)]
        zero, one = (design(c, d, seen, cluster, needed, out.coding, check=False).values for d in at)
        latent[x] = np.where((seen & ~v.there)[:, None], one - zero, 0.0)
    return replace(out, latent=latent)
