"""Columns of a data frame as plain values: text without blanks around it, numbers as numbers, what is missing."""

from __future__ import annotations

import decimal
import re
import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.typing import Array

Kind = Literal["number", "digits", "text", "mixed", "none"]
MISSING = frozenset({"", ".", "na", "n/a", "#n/a", "nan", "<na>", "null"})
"""Texts that stand for a missing value, in any case."""
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
DECIMAL_COMMA = re.compile(r"[+-]?\d+(,\d+)?")
DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([ T].*)?")


@dataclass(frozen=True)
class Labels:
    """The distinct values of a column.

    Attributes
    ----------
    codes : array of int
        The position of each row's value in `values`; -1 where it is missing.
    values : list
        Plain values: bool, int, float or str; of a Categorical in its order.
    kind : {"number", "digits", "text", "mixed", "none"}
        What they are; digits are numbers that came as text, and are numbers in `values`; none where all are missing.
    declared : list, optional
        All categories of a Categorical whose order somebody gave, whether they occur or not.
    categorical : bool
        Whether the column is a Categorical.
    """

    codes: NDArray[np.int64]
    values: list
    kind: Kind
    declared: list | None = None
    categorical: bool = False

    @property
    def shown(self) -> str:
        """The values for a message."""
        ordered = sorted(self.values, key=lambda v: (isinstance(v, str), v))
        return ", ".join(map(repr, ordered[:5])) + (", ..." if len(self.values) > 5 else "")


def plain(value: Any) -> Any:
    """A value that JSON can hold: text without blanks around it, a whole number as int, anything odd as text."""
    if isinstance(value, str):
        return str(value).strip()
    if isinstance(value, decimal.Decimal):
        value = float(value)
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, bool | int | float) else str(value)


def read(what: str, column: pd.Series, used: NDArray[np.bool_]) -> Labels:
    """The distinct values of a column over the rows that are `used`.

    Texts that stand for a missing value are taken as missing, and texts that differ by blanks alone as one; both
    are said.

    Raises
    ------
    ValueError
        Values that cannot be compared, such as lists.
    """
    column = native(column)
    check_scalars(what, column)
    declared, raw, codes = _distinct(column, used)
    values = [plain(v) for v in raw]
    gone = [isinstance(v, str) and v.casefold() in MISSING for v in values]
    kind = _kind([v for v, g in zip(values, gone, strict=True) if not g])
    if kind == "digits":
        values = [v if g else plain(float(v)) for v, g in zip(values, gone, strict=True)]
    _say_missing(what, [r for r, g in zip(raw, gone, strict=True) if g], codes, np.array(gone, dtype=bool))
    kept = list(dict.fromkeys(v for v, g in zip(values, gone, strict=True) if not g))
    _say_merged(what, [(r, v) for r, v, g in zip(raw, values, gone, strict=True) if not g])
    at = {v: k for k, v in enumerate(kept)}
    to = np.array([-1 if g else at[v] for v, g in zip(values, gone, strict=True)] + [-1], dtype=np.int64)
    order = _declared(declared, kept, kind, getattr(column.dtype, "ordered", False))
    return Labels(to[codes], kept, kind, order, isinstance(column.dtype, pd.CategoricalDtype))


def _distinct(column: pd.Series, used: NDArray[np.bool_]) -> tuple[list | None, list, NDArray[np.int64]]:
    """Declared categories, raw values in use, and the raw value of each row."""
    codes = np.full(len(column), -1, dtype=np.int64)
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes[used] = column.cat.codes.to_numpy()[used]
        there, declared = np.unique(codes[codes >= 0]), list(column.cat.categories)
        to = np.full(len(declared) + 1, -1, dtype=np.int64)
        to[there] = np.arange(len(there))
        return declared, [declared[k] for k in there], to[codes]
    found, uniques = pd.factorize(column[used])
    codes[used] = found
    return None, list(uniques), codes


def native(column: pd.Series) -> pd.Series:
    """A column in this machine's byte order, which grouping needs."""
    dtype = column.dtype
    return column.astype(dtype.newbyteorder("=")) if isinstance(dtype, np.dtype) and not dtype.isnative else column


def check_scalars(what: str, column: pd.Series) -> None:
    """Refuse tuples, lists and the like, which are no values of one column.

    Raises
    ------
    ValueError
        One of them.
    """
    if pd.api.types.is_object_dtype(column) and (
        odd := next((v for v in column if isinstance(v, tuple | list | dict | set)), None)
    ):
        raise ValueError(
            f"{what} came with {odd!r}, a {type(odd).__name__}, expected numbers or text: make one value of it, such "
            "as column.map(str)."
        )


def _kind(values: list) -> Kind:
    texts = [isinstance(v, str) for v in values]
    if not values:
        return "none"
    if not any(texts):
        return "number"
    if not all(texts):
        return "mixed"
    return "digits" if all(NUMBER.fullmatch(v) for v in values) else "text"


def _declared(declared: list | None, kept: list, kind: Kind, ordered: bool | None) -> list | None:
    """The order of a Categorical's categories, where it is no accident.

    ``astype("category")`` puts text in alphabetical order: nobody gave that.
    """
    if declared is None:
        return None
    values = [plain(v) for v in declared]
    if kind == "digits":
        numbers = [plain(float(v)) for v in values if isinstance(v, str) and NUMBER.fullmatch(v)]
        return list(dict.fromkeys(numbers)) if ordered or values != sorted(values, key=str) else None
    order = [v for v in dict.fromkeys(values) if v in kept or not (isinstance(v, str) and v.casefold() in MISSING)]
    return order if ordered or kind == "number" or order != sorted(order, key=str) else None


def _say_missing(what: str, raw: list, codes: NDArray[np.int64], gone: NDArray[np.bool_]) -> None:
    if raw:
        n = int(np.isin(codes, np.flatnonzero(gone)).sum())
        warnings.warn(
            f"{what} came with {', '.join(map(repr, raw[:3]))} in {n} rows: taken as missing. Set them to NaN, or give "
            "them another name if they are an answer.",
            stacklevel=2,
        )


def _say_merged(what: str, pairs: list[tuple[Any, Any]]) -> None:
    """Name texts that came in two spellings and are taken as one value."""
    by_value: dict[Any, list] = {}
    for raw, value in pairs:
        by_value.setdefault(value, []).append(raw)
    if same := [some for some in by_value.values() if len(some) > 1 and any(isinstance(r, str) for r in some)]:
        warnings.warn(f"{what} came with {' and '.join(map(repr, same[0]))}: taken as the same.", stacklevel=2)


def numbers(what: str, column: pd.Series, used: NDArray[np.bool_]) -> Array:
    """A column as numbers over the rows that are `used`, NaN where missing or not used.

    Raises
    ------
    ValueError
        Text that is no number, decimal commas, dates.
    """
    check_no_date(what, column)
    if pd.api.types.is_complex_dtype(column):
        raise ValueError(f"{what} came with complex numbers, expected real ones: take their real part or modulus.")
    if pd.api.types.is_numeric_dtype(column) and not isinstance(column.dtype, pd.CategoricalDtype):
        return np.where(used, column.to_numpy(dtype=float, na_value=np.nan), np.nan)
    found = read(what, column, used)
    bad = [k for k, v in enumerate(found.values) if isinstance(v, str) and not NUMBER.fullmatch(v)]
    if bad:
        check_commas(what, found)
        row = column.index[np.flatnonzero(found.codes == bad[0])[0]]
        raise ValueError(
            f"{what} came with text such as {found.values[bad[0]]!r} (row {row}), expected numbers: "
            "convert it with pd.to_numeric, or treat it as categorical."
        )
    return np.array([*map(float, found.values), np.nan])[found.codes]


def check_no_date(what: str, column: pd.Series) -> None:
    """Refuse dates and spans of time where numbers or groups are expected.

    Raises
    ------
    ValueError
        The column has dates, by type or as text such as 2020-01-31.
    """
    dtype, name = column.dtype, column.name
    first = column.dropna().iloc[:1]
    kind = pd.api.types.infer_dtype(first) if pd.api.types.is_object_dtype(dtype) else ""
    if pd.api.types.is_timedelta64_dtype(dtype) or kind.startswith("timedelta"):
        raise ValueError(f"{what} is a span of time, expected numbers: take its days, df['{name}'].dt.days.")
    text = [v for v in column.dropna().iloc[:50] if isinstance(v, str)]
    written = len(text) > 0 and all(DATE.fullmatch(v.strip()) for v in text)
    by_type = isinstance(dtype, pd.PeriodDtype) or pd.api.types.is_datetime64_any_dtype(dtype)
    if by_type or written or kind in ("date", "datetime", "datetime64", "period"):
        made = f"pd.to_datetime(df['{name}'])" if written or kind else f"df['{name}']"
        raise ValueError(
            f"{what} is a date, expected numbers: count the days from the first, with d = {made}: "
            "(d - d.min()).dt.days."
        )


def check_commas(what: str, found: Labels) -> None:
    """Refuse numbers with decimal commas.

    Raises
    ------
    ValueError
        All values are numbers, some of them with a comma.
    """
    texts = [str(v) for v in found.values]
    if any("," in t for t in texts) and all(DECIMAL_COMMA.fullmatch(t) for t in texts):
        example = next(t for t in texts if "," in t)
        raise ValueError(
            f"{what} came with numbers as text, such as {example!r}: where the comma is a decimal one, read the file "
            "with pd.read_csv(..., decimal=','), or replace it: pd.to_numeric(column.str.replace(',', '.'))."
        )
