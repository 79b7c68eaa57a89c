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
    for column in [*columns, *([c.times] if c.times else [])]:
        if column not in df.columns:
            raise ValueError(f"The formula '{c.formula}' names a missing column. {missing_column(column, df)}")
        _check_covariate(column, df[column], seen)
    from formulaic import model_matrix

    sub = df.loc[:, list(columns)].astype({k: object for k in columns if _is_text(df[k])})
    rows = np.flatnonzero(seen)
    sub = _between(c, sub, cluster) if c.level == "cluster" or c.times else sub.iloc[rows]
    matrix = cast(Any, model_matrix(c.formula, sub, na_action="raise"))
    wide = pd.DataFrame(matrix)
    x = wide.drop(columns="Intercept", errors="ignore").to_numpy(dtype=float)
    if x.shape[1] == 0 and c.only != ("1",):
        raise ValueError(f"The formula '{c.formula}' has no covariates: leave it out, or name at least one column.")
    if np.linalg.matrix_rank(np.column_stack([np.ones(len(x)), x])) < x.shape[1] + 1:
        raise ValueError(
            f"The covariates of '{c.formula}' are collinear or constant in these data "
            f"({', '.join(wide.columns)}): leave one out."
        )
    taken = _taken(c, wide, matrix.model_spec)
    x, names = taken.to_numpy(dtype=float), [str(k) for k in taken.columns]
    if c.times:
        x = x[cluster[rows]] * _as_number(c.times, df).to_numpy(dtype=float)[rows, None]
    if c.level == "cluster":
        return Design(names, x)
    values = np.full((len(df), x.shape[1]), np.nan)
    values[rows] = x
    return Design(names, values)


def _taken(c: Covariates, wide: pd.DataFrame, spec) -> pd.DataFrame:
    """The columns of the terms asked for, in the formula's order; the constant, where asked for, first."""
    if c.only is None:
        return wide.drop(columns="Intercept", errors="ignore")
    at = {str(term): [wide.columns[k] for k in where] for term, where in spec.term_indices.items()}
    same = {frozenset(term.split(":")): term for term in at}
    out: list[str] = []
    for term in c.only:
        if term == "1":
            continue
        if (known := same.get(frozenset(term.split(":")))) is None:
            raise ValueError(
                f"'{term}' is no term of the formula '{c.formula}': its terms are "
                f"{', '.join(k for k in at if k != '1') or 'none'}, and '1' for the intercept."
            )
        if c.single and len(at[known]) != 1:
            raise ValueError(
                f"A random slope came for '{term}', which has {len(at[known])} columns ({', '.join(at[known])}): give "
                "a numeric column, or make one column of 0 and 1 for each category."
            )
        out += at[known]
    taken = wide[[k for k in wide.columns if k in out]].copy()
    if "1" in c.only:
        taken.insert(0, "1", 1.0)
    return taken


def _as_number(column: str, df: pd.DataFrame) -> pd.Series:
    if _is_text(df[column]) or isinstance(df[column].dtype, pd.CategoricalDtype):
        raise ValueError(
            f"Covariates of clusters came for the slope of '{column}', which is no number: make a column of 0 and 1 "
            "for each category."
        )
    return df[column]


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


def parse_regression(formula: str) -> tuple[str, tuple[str, ...]]:
    """Response and terms of a formula such as ``"math ~ female * ses"``; the intercept is ``"1"``, the first term.

    Raises
    ------
    ValueError
        No response or several, no intercept, or what :func:`parse_formula` does not allow.
    """
    left, tilde, right = formula.partition("~") if isinstance(formula, str) else ("", "", "")
    if not tilde or not left.strip() or not right.strip():
        raise ValueError(f"The regression came as {formula!r}: write it as 'outcome ~ x1 + x2', or 'outcome ~ 1'.")
    return left.strip(), parse_terms(right)


def parse_terms(formula: str) -> tuple[str, ...]:
    """Terms of a formula, the intercept ``"1"`` first, unless there is a ``"0"`` in it."""
    from formulaic import Formula

    if formula.strip() == "0":
        return ()
    if formula.strip() != "1":
        parse_formula(formula)
    found = [str(term) for term in cast(Any, Formula)(formula)]
    return (*(t for t in found if t == "1"), *(t for t in found if t != "1"))
