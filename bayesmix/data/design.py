"""Covariates: checked columns, design matrices, and the way new rows get the same ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.checks import nearest
from bayesmix.data.coding import held, unheld
from bayesmix.data.columns import check_commas, check_no_date, numbers, plain, read
from bayesmix.spec import Covariates, roles
from bayesmix.typing import Array

Rows = NDArray[np.bool_]
KEEP = "; or keep these rows: missing_covariates='normal' of bm.fit makes it a variable of the model."
"""What else may be done about a covariate that rows miss."""
MOST_LEVELS = 20
"""Levels of a categorical covariate that nobody declared: more are likely an ID or numbers that were read as text."""
CONSTANT = 1e-12
"""An SD relative to the largest value, at which a column is constant but for rounding."""


@dataclass(frozen=True)
class Design:
    """The columns of a design matrix and their values: a row a row of the data, or a cluster.

    Attributes
    ----------
    columns : list of str
    values : array
        On the user's scale; NaN in rows that are not used.
    coding : dict
        What it takes to make the same columns of other rows: plain values.
    latent : dict of str to array
        What the values gain for each unit of a covariate that is a variable of the model, where it misses; else 0.
    """

    columns: list[str]
    values: Array
    coding: Mapping[str, Any] = field(default_factory=dict)
    latent: Mapping[str, Array] = field(default_factory=dict)


def design(
    c: Covariates,
    df: pd.DataFrame,
    seen: Rows,
    cluster: NDArray[np.int64] | None,
    needed: Rows | None = None,
    coding: Mapping[str, Any] | None = None,
    check: bool = True,
) -> Design:
    """The design matrix of a formula over the rows that are `seen`, or over the clusters.

    Parameters
    ----------
    needed : array of bool, optional
        Rows whose values enter the likelihood; all that are seen if left out. The others may have missing values:
        they get the means.
    coding : mapping, optional
        That of another design matrix, which is followed.
    check : bool
        Whether the columns must vary and tell their effects apart.

    Raises
    ------
    ValueError
        A column is missing, has missing or infinite values, is collinear, varies within clusters, has a level that
        the coding does not know, or is not finite when transformed.
    """
    if c.cells:
        return _cells(c, df, seen, seen if needed is None else needed, coding, check)
    between = c.level == "cluster" or c.times is not None
    needed = seen if needed is None or between else needed
    _check_same_formula(c, coding)
    own, times = roles(c.formula), roles(c.times) if c.times else {}
    frame, levels = _frame(c, df, seen, needed, {**own, **times}, (coding or {}).get("levels"), check)
    used = np.flatnonzero(needed)
    made = _between(c, frame[list(own)], cast(Any, cluster)) if between else frame[list(own)].iloc[used]
    wide, spec, state = _matrix(c.formula, made, (coding or {}).get("state"))
    if c.offset:
        _check_offset(c, wide, levels)
    elif check:
        _check_columns(c, wide)
    taken = _taken(c, wide, spec)
    x, names = taken.to_numpy(dtype=float), [str(k) for k in taken.columns]
    kept = {"formula": c.formula, "columns": names, "levels": levels, "state": state}
    if c.times:
        by, kept["times"] = _times(c, frame[list(times)].iloc[used], (coding or {}).get("times"))
        x = x[cast(Any, cluster)[used]] * by
    _check_same_columns(c, names, coding)
    if c.level == "cluster":
        return Design(names, x, kept)
    values = np.full((len(df), x.shape[1]), np.nan)
    values[used] = x
    others = seen & ~needed
    if others.any():
        values[others] = x.mean(axis=0)
        whole = np.flatnonzero(others & frame[list(own)].notna().all(axis=1).to_numpy())
        if len(whole):
            again, spec, _ = _matrix(c.formula, frame[list(own)].iloc[whole], state)
            values[whole] = _taken(c, again, spec).to_numpy(dtype=float)
    return Design(names, values, kept)


def _cells(
    c: Covariates, df: pd.DataFrame, seen: Rows, needed: Rows, coding: Mapping[str, Any] | None, check: bool
) -> Design:
    """An indicator of each value of a column of numbers; of rows whose value is none of them, or missing, none.

    Raises
    ------
    ValueError
        A column is missing, text, has missing or too many values where it is needed, one of a single row, a value that
        the coding does not know.
    """
    column = c.formula
    if column not in df.columns:
        raise ValueError(missing_column(column, df))
    x = numbers(f"The column '{column}'", df[column], seen)
    _check_present("Column", column, df.index, np.isnan(x), needed)
    values, counts = np.unique(x[needed & ~np.isnan(x)], return_counts=True)
    if coding is not None or check:
        values = few_values(f"The column '{column}'", values, None if coding is None else coding["levels"])
    if coding is None and check and (counts < 2).any():
        raise ValueError(
            f"The column '{column}' has the value {values[counts < 2][0]:g} in one row alone, where it is to have a "
            "parameter of its own: round it to occasions that are common to persons, or let nothing differ by it."
        )
    names = [f"{v:g}" for v in values]
    return Design(names, (x[:, None] == values).astype(float), {"formula": column, "levels": values.tolist()})


def few_values(what: str, values: Array, known: Sequence[float] | None) -> Array:
    """The values of a column, each of which has a parameter of its own: those of the fit, where it is `known`.

    Raises
    ------
    ValueError
        A value that is none of those of the fit; too many of them.
    """
    if known is not None:
        if (new := np.setdiff1d(values, known)).size:
            raise ValueError(
                f"{what} came with {new[0]:g}, which is none of the values of the fit "
                f"({', '.join(f'{v:g}' for v in known)}), each of which has a parameter of its own: drop these rows."
            )
        return np.array(known, dtype=float)
    if len(values) > MOST_LEVELS:
        raise ValueError(
            f"{what} has {len(values)} different values, expected {MOST_LEVELS} at most, common to persons, where each "
            "is to have a parameter of its own: round it to occasions, or let nothing differ by it."
        )
    return values


def _check_same_formula(c: Covariates, coding: Mapping[str, Any] | None) -> None:
    if coding is not None and coding.get("formula") != c.formula:
        raise ValueError(
            f"The model has the formula '{c.formula}' and the fit '{coding.get('formula')}': give the model that was "
            "fitted."
        )


def _check_same_columns(c: Covariates, names: Sequence[str], coding: Mapping[str, Any] | None) -> None:
    if coding is not None and list(names) != list(coding["columns"]):
        raise ValueError(
            f"The columns of '{c.formula}' are {', '.join(names)}, those of the fit {', '.join(coding['columns'])}: "
            "give the covariates as the same type."
        )


# columns ------------------------------------------------------------------------------------------


def columns_of(c: Covariates) -> list[str]:
    """Columns of the data that a design matrix is made of."""
    return list(c.columns)


def _frame(
    c: Covariates,
    df: pd.DataFrame,
    seen: Rows,
    needed: Rows,
    uses: Mapping[str, set[str]],
    levels: Mapping[str, list] | None,
    check: bool,
) -> tuple[pd.DataFrame, dict[str, list]]:
    """Numbers and Categoricals of a formula, and the levels of the latter."""
    out, found, kind = {}, {}, "Offset" if c.offset else "Covariate"
    for column in uses:
        if column not in df.columns:
            raise ValueError(f"The formula '{c.formula}' names a missing column. {missing_column(column, df)}")
        values = df[column]
        if is_number(values, uses[column]):
            out[column] = numbers(f"{kind} '{column}'", values, seen)
            missing = np.isnan(out[column])
        else:
            out[column] = _categories(column, values, uses[column], seen, needed, (levels or {}).get(column), check)
            found[column] = [plain(v) for v in out[column].categories]
            missing = out[column].codes < 0
        _check_present(kind, column, values.index, missing, needed)
        if column not in found and np.isinf(out[column]).any():
            raise ValueError(f"{kind} '{column}' has infinite values: correct them or drop the rows.")
        if levels is not None and (column in levels) != (column in found):
            raise ValueError(
                f"Covariate '{column}' has {'numbers' if column in levels else 'text'} here, and had "
                f"{'text' if column in levels else 'numbers'} in the fit: give it as it was."
            )
    return pd.DataFrame(out, index=df.index), found


def is_number(values: pd.Series, uses: set[str]) -> bool:
    """Whether a column is a number: by its type, or because all its values are."""
    check_no_date(f"Covariate '{values.name}'", values)
    if "category" in uses or isinstance(values.dtype, pd.CategoricalDtype):
        return False
    if pd.api.types.is_numeric_dtype(values):
        return True
    kind = read(f"Covariate '{values.name}'", values, np.ones(len(values), dtype=bool)).kind
    return kind in ("number", "digits")


def _categories(
    column: str, values: pd.Series, uses: set[str], seen: Rows, needed: Rows, known: list | None, check: bool
) -> pd.Categorical:
    """A categorical covariate with the levels that occur in the needed rows, or those known."""
    if "number" in uses or ({"category", "bare"} <= uses and pd.api.types.is_numeric_dtype(values)):
        raise ValueError(
            f"Covariate '{column}' is used as a number and has categories: make a column of numbers of it, or one of "
            "0 and 1 for each category."
        )
    found = read(f"Covariate '{column}'", values, seen)
    if found.kind == "mixed":
        text = next(v for v in found.values if isinstance(v, str))
        raise ValueError(f"Covariate '{column}' mixes text and numbers (such as {text!r}): give one kind.")
    there = {found.values[k] for k in np.unique(found.codes[needed & (found.codes >= 0)])}
    if known is None:
        order = found.declared if found.declared is not None else sorted(there)
        known = [v for v in order if v in there]
        if check:
            _check_levels(column, found, known)
    elif unknown := [v for v in found.values if v in there and v not in known]:
        raise ValueError(
            f"Covariate '{column}' came with {unknown[0]!r}, which is not among the levels of the fit "
            f"({', '.join(map(repr, known[:12]))}): correct it, or drop the rows."
        )
    to = np.array([*(known.index(v) if v in known else -1 for v in found.values), -1])
    return pd.Categorical.from_codes(to[found.codes], categories=cast(Any, known))


def _check_levels(column: str, found: Any, levels: list) -> None:
    check_commas(f"Covariate '{column}'", found)
    if len(levels) == 1:
        raise ValueError(f"Covariate '{column}' is constant (every row has {levels[0]!r}): leave it out.")
    if len(levels) > MOST_LEVELS and not found.categorical:
        raise ValueError(
            f"Covariate '{column}' has {len(levels)} levels ({found.shown}), more than {MOST_LEVELS}: is it an ID, or "
            f"numbers that were read as text? If each is to have an effect of its own, declare it: "
            f"df['{column}'].astype('category')."
        )


def _check_present(kind: str, column: str, index: pd.Index, missing: Rows, needed: Rows) -> None:
    if n := int((missing & needed).sum()):
        raise ValueError(
            f"{kind} '{column}' has {n} missing values (first in row {index[missing & needed][0]}): responses may "
            f"be missing, {kind.lower()}s may not. Impute, or drop the rows: df.dropna(subset=['{column}'])"
            + (KEEP if kind == "Covariate" else ".")
        )


def _between(c: Covariates, sub: pd.DataFrame, cluster: NDArray[np.int64]) -> pd.DataFrame:
    """One row a cluster."""
    kept = sub[cluster >= 0]
    groups = kept.groupby(cluster[cluster >= 0])
    plain_values = kept.apply(lambda x: x.cat.codes if isinstance(x.dtype, pd.CategoricalDtype) else x)
    varies = plain_values.groupby(cluster[cluster >= 0]).nunique(dropna=False).gt(1).any()
    if varies.any():
        raise ValueError(
            f"Covariate '{varies[varies].index[0]}' of '{c.formula}' varies within clusters, expected one value a "
            "cluster: use it at the individual level, or its cluster mean."
        )
    return groups.head(1).set_axis(groups.ngroup().drop_duplicates(), axis=0).sort_index()


# design matrices ----------------------------------------------------------------------------------


def _matrix(formula: str, frame: pd.DataFrame, state: Any) -> tuple[pd.DataFrame, Any, Any]:
    """formulaic's matrix, its specification, and the state of its transformations in plain values."""
    from formulaic import Formula, ModelSpec

    made = cast(Any, Formula)(formula)
    spec = cast(Any, ModelSpec).from_spec(
        made, na_action="ignore", output="pandas", transform_state=unheld(state) if state else {}
    )
    try:
        with np.errstate(all="ignore"):
            matrix = spec.get_model_matrix(frame.reset_index(drop=True), context=_functions())
    except Exception as error:
        words = str(error).partition("\n")[0].strip(" .")
        raise ValueError(f"The formula '{formula}' cannot be computed from these data: {words}.") from None
    wide = pd.DataFrame(matrix).set_axis(frame.index, axis=0)
    _check_finite(formula, wide, frame)
    return wide, matrix.model_spec, held(matrix.model_spec.transform_state)


def _functions() -> dict[str, Any]:
    """NumPy's functions that formulaic does not bring; the rest are its own."""
    return {"sqrt": np.sqrt, "log1p": np.log1p, "abs": np.abs}


def _check_finite(formula: str, wide: pd.DataFrame, frame: pd.DataFrame) -> None:
    bad = ~np.isfinite(wide.to_numpy(dtype=float))
    if bad.any():
        row, k = np.argwhere(bad)[0]
        here = ", ".join(f"{name} = {frame[name].iloc[row]}" for name in frame.columns)
        raise ValueError(
            f"'{wide.columns[k]}' of the formula '{formula}' is no finite number in row {frame.index[row]} ({here}): "
            "a logarithm takes positive values, a root those of at least 0; correct them, or change the formula."
        )


def _check_offset(c: Covariates, wide: pd.DataFrame, levels: Mapping[str, list]) -> None:
    """Refuse an offset of several columns, or of categories."""
    columns = [str(k) for k in wide.columns if k != "Intercept"]
    if len(columns) != 1 or levels:
        raise ValueError(
            f"The offset came as '{c.formula}', which is {'of categories' if levels else f'{len(columns)} columns'} "
            f"({', '.join(columns) or 'none'}), expected one number a row: name a column, or write 'log(hours)' or "
            "'I(a + b)'."
        )


def _check_columns(c: Covariates, wide: pd.DataFrame) -> None:
    """Refuse columns that are none, constant or collinear, whatever their location and scale."""
    x = wide.drop(columns="Intercept", errors="ignore").to_numpy(dtype=float)
    if x.shape[1] == 0 and c.only != ("1",):
        raise ValueError(f"The formula '{c.formula}' has no covariates: leave it out, or name at least one column.")
    sd, size = x.std(axis=0), np.abs(x).max(axis=0, initial=0.0)
    constant = sd <= CONSTANT * size
    spread = np.where(constant, 1.0, sd)
    scaled = (x - x.mean(axis=0)) / spread
    # a column far from zero is rounded: what is left of one that is a sum of others is this noise
    noise = np.finfo(float).eps * max(len(x), 16 * float((size / spread).max(initial=0.0)))
    if constant.any() or np.linalg.matrix_rank(scaled, rtol=noise) < x.shape[1]:
        splines = any(f"{f}(" in c.formula for f in ("cr", "cs", "cc")) and "constraints" not in c.formula
        hint = " A natural spline beside an intercept takes constraints='center'." if splines else ""
        raise ValueError(
            f"The covariates of '{c.formula}' are collinear or constant in these data "
            f"({', '.join(map(str, wide.columns))}): leave one out.{hint}"
        )


def _times(c: Covariates, frame: pd.DataFrame, state: Any) -> tuple[Array, Any]:
    """The covariate of individuals that columns of clusters are multiplied by."""
    wide, _, state = _matrix(f"0 + {c.times}", frame, state)
    if wide.shape[1] != 1 or any(isinstance(t, pd.CategoricalDtype) for t in frame.dtypes):
        raise ValueError(
            f"Covariates of clusters came for the slope of '{c.times}', which is no number: make a column of 0 and 1 "
            "for each category."
        )
    return wide.to_numpy(dtype=float), state


def _taken(c: Covariates, wide: pd.DataFrame, spec: Any) -> pd.DataFrame:
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


def missing_column(column: str, df: pd.DataFrame) -> str:
    """Words for a column that is not there."""
    near = nearest(column, df.columns)
    hint = f"Did you mean '{near}'?" if near else f"Columns are: {', '.join(map(str, df.columns[:12]))}."
    return f"The data have no column '{column}'. {hint}"
