"""Covariates: formulas that cannot run code, checked columns, design matrices.

Depends on spec.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.spec import Covariates

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Design:
    """The columns of a design matrix and their values: a row a row of the data, or a cluster."""

    columns: list[str]
    values: Array


def design(c: Covariates, df: pd.DataFrame, seen, cluster) -> Design:
    """The design matrix of a formula over the rows that are `seen`, or over the clusters.

    Raises
    ------
    ValueError
        A column is missing, has missing or infinite values, is collinear, or varies within clusters.
    """
    columns = parse_formula(c.formula)
    for column in columns:
        if column not in df.columns:
            raise ValueError(f"The formula '{c.formula}' names a missing column. {missing_column(column, df)}")
        _check_covariate(column, df[column], seen)
    from formulaic import model_matrix

    sub = df.loc[:, list(columns)].astype({k: object for k in columns if _is_text(df[k])})
    if c.level == "cluster":
        sub = _between(c, sub, cluster)
    else:
        sub = sub.iloc[np.flatnonzero(seen)] if not seen.all() else sub
    wide = pd.DataFrame(model_matrix(c.formula, sub, na_action="raise")).drop(columns="Intercept", errors="ignore")
    x = wide.to_numpy(dtype=float)
    if x.shape[1] == 0:
        raise ValueError(f"The formula '{c.formula}' has no covariates: leave it out, or name at least one column.")
    if np.linalg.matrix_rank(np.column_stack([np.ones(len(x)), x])) < x.shape[1] + 1:
        raise ValueError(
            f"The covariates of '{c.formula}' are collinear or constant in these data "
            f"({', '.join(wide.columns)}): leave one out."
        )
    values = np.full((len(df), x.shape[1]), np.nan) if c.level == "individual" else x
    if c.level == "individual":
        values[seen] = x
    return Design([str(k) for k in wide.columns], values)


def _is_text(column: pd.Series) -> bool:
    return not (pd.api.types.is_numeric_dtype(column) or isinstance(column.dtype, pd.CategoricalDtype))


def _check_covariate(column: str, values: pd.Series, seen) -> None:
    used = values[seen]
    if n := int(used.isna().sum()):
        raise ValueError(
            f"Covariate '{column}' has {n} missing values (first in row {used.index[used.isna()][0]}): responses may "
            f"be missing, covariates may not. Impute, or drop the rows: df.dropna(subset=['{column}'])."
        )
    if pd.api.types.is_float_dtype(used) and not np.isfinite(used.to_numpy(dtype=float)).all():
        raise ValueError(f"Covariate '{column}' has infinite values: correct them or drop the rows.")


def _between(c: Covariates, sub: pd.DataFrame, cluster) -> pd.DataFrame:
    kept = sub[cluster >= 0].assign(_cluster=cluster[cluster >= 0])
    varies = kept.groupby("_cluster").nunique(dropna=False).gt(1).any()
    if varies.any():
        raise ValueError(
            f"Covariate '{varies[varies].index[0]}' of '{c.formula}' varies within clusters, expected one value a "
            "cluster: use it at the individual level, or its cluster mean."
        )
    return kept.groupby("_cluster").first()


def parse_formula(formula: str) -> list[str]:
    """Columns of a formula. Only column names, numbers, + - * : / ** ( ) and C(column) are allowed.

    A formula can therefore not run code, wherever it comes from.

    Raises
    ------
    ValueError
        The formula has anything else, or cannot be read.
    """
    from formulaic import Formula
    from formulaic.parser.types import Factor

    if not isinstance(formula, str) or not formula.strip():
        raise ValueError(f"The formula came as {formula!r}: give text such as 'age + sex'.")
    try:
        parsed = cast(Any, Formula)(formula)  # its metaclass makes it
        factors = [f for t in parsed for f in t.factors]
    except Exception as error:
        raise ValueError(f"The formula '{formula}' cannot be read ({error}): write it as 'age + sex'.") from None
    columns: dict[str, None] = {}
    for f in factors:
        inner = f.expr[2:-1].strip() if f.expr.startswith("C(") and f.expr.endswith(")") else f.expr
        allowed = f.eval_method is Factor.EvalMethod.PYTHON and inner != f.expr and inner.isidentifier()
        if f.eval_method is Factor.EvalMethod.LOOKUP or allowed:
            columns[inner] = None
        elif f.eval_method is not Factor.EvalMethod.LITERAL:
            raise ValueError(
                f"The formula '{formula}' has '{f.expr}', expected column names, C(column), and + - * : only: "
                "formulas do not run code; compute the column in the data first."
            )
    return list(columns)


def missing_column(column: str, df: pd.DataFrame) -> str:
    """Words for a column that is not there."""
    near = difflib.get_close_matches(str(column), [str(c) for c in df.columns], n=1)
    hint = f"Did you mean '{near[0]}'?" if near else f"Columns are: {', '.join(map(str, df.columns[:12]))}."
    return f"The data have no column '{column}'. {hint}"
