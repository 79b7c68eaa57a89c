"""Data files as DataFrames: by their ending, with columns by name or range, and missing-value codes.

pandas is imported where it is needed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bayesmix.checks import nearest
from bayesmix.cli.labelled import read_spss, read_stata

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from bayesmix.results import Fit


NEEDED = {".parquet": "pyarrow", ".sav": "pyreadstat", ".zsav": "pyreadstat", ".xlsx": "openpyxl"}
"""Packages that read files of some endings, beyond those that the engine needs."""


def read_table(path: Path) -> pd.DataFrame:
    """Read a data file by its ending: csv, tsv, txt, parquet, dta, sav, zsav, xlsx.

    The index is the row number of the data, from 1: the line of the file less its head.

    Raises
    ------
    ValueError
        No such file, an unknown ending, or a file that cannot be read.
    """
    if not path.is_file():
        raise ValueError(f"No file '{path}': check the path ({Path.cwd()} is the folder you are in).")
    endings = [s.lower() for s in path.suffixes if s.lower() not in (".gz", ".zip", ".bz2", ".xz", ".zst")]
    import pandas as pd

    readers: dict[str, Callable] = {
        ".csv": _read_text, ".tsv": _read_text, ".tab": _read_text, ".txt": _read_text, ".dat": _read_text,
        ".parquet": partial(pd.read_parquet, engine="pyarrow"), ".xlsx": partial(pd.read_excel, engine="openpyxl"),
        ".dta": read_stata, ".sav": read_spss, ".zsav": read_spss,
    }  # fmt: skip
    ending = endings[-1] if endings else ""
    if ending not in readers:
        raise ValueError(f"'{path.name}' ends in '{ending or 'nothing'}', expected one of {', '.join(readers)}.")
    try:
        df = readers[ending](path)
    except ImportError:
        raise ValueError(
            f"'{path.name}' takes {NEEDED[ending]} to be read: pip install 'bayesmix[data]', or save the data as csv."
        ) from None
    except UnicodeDecodeError:
        raise ValueError(f"'{path.name}' is not text in UTF-8: save it as UTF-8 and try again.") from None
    except Exception as error:
        raise ValueError(f"'{path.name}' cannot be read: {error}") from None
    df.columns = [str(c) for c in df.columns]
    df.index = pd.RangeIndex(1, len(df) + 1, name="row")
    return df


def _read_text(path: Path) -> pd.DataFrame:
    """Read the text file `path`, separated by commas, or by what its head has instead of them: tabs or semicolons."""
    import pandas as pd

    (head,) = head if len(head := list(pd.read_csv(path, nrows=0).columns)) == 1 else [""]
    sep = next((s for s in ("\t", ";") if s in str(head)), ",")
    df = pd.read_csv(path, sep=sep)
    if len(df):
        fields = pd.read_csv(path, sep=sep, header=None, skiprows=1, nrows=1).shape[1]
        df = _aligned(df, fields - len(df.columns), path)
    nameless = [c for c in df.columns if str(c).startswith("Unnamed:") and df[c].isna().all()]
    df = df.drop(columns=nameless)
    return df if sep == "," else _decimal_commas(df)


def _aligned(df: pd.DataFrame, extra: int, path: Path) -> pd.DataFrame:
    """Align rows that have `extra` more fields than the head: drop empty ones at the end, and one that names the row.

    pandas takes the first fields of such rows for an index, and every column would have the data of the next.
    """
    if extra < 1:
        return df
    if df.iloc[:, -extra:].isna().all(axis=None):
        wide = df.reset_index()
        return wide.iloc[:, :-extra].set_axis(df.columns, axis=1)
    if extra == 1 and df.index.is_unique:
        warnings.warn(
            f"The rows of '{path.name}' have one field more than its head: the first is taken as the name of the row.",
            stacklevel=2,
        )
        return df.reset_index(drop=True)
    raise ValueError(f"its rows have {extra} more fields than its head: give each column a name.")


def _decimal_commas(df: pd.DataFrame) -> pd.DataFrame:
    """Read numbers of `df` such as 1,5, where the comma separates no columns and can be no separator of thousands."""
    import pandas as pd

    points = any(pd.api.types.is_float_dtype(x) and (x.dropna() % 1 != 0).any() for _, x in df.items())
    out = df.copy()
    for name in df.columns:
        text = df[name].dropna()
        if points or pd.api.types.is_numeric_dtype(text) or not text.map(lambda v: isinstance(v, str)).all():
            continue
        with_comma = text[text.str.contains(",", regex=False)].str.strip()
        all_numbers = text.str.strip().str.fullmatch(r"[+-]?\d+(,\d+)?").all()
        thousands = with_comma.str.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}").all()
        if len(with_comma) and all_numbers and not thousands:
            out[name] = pd.to_numeric(df[name].str.strip().str.replace(",", "."))
    return out


def columns(wanted: str, names: Sequence[str], leave_out: Sequence[str] = ()) -> list[str]:
    """List the columns, of those with `names`, of ``A,B,C``, of ranges ``A-G`` in the order of the file, or of ``all``.

    Raises
    ------
    ValueError
        A name that the file does not have.
    """
    if wanted.strip() == "all" and "all" not in names:
        return [c for c in names if c not in leave_out]
    out: dict[str, None] = {}
    for word in (w.strip() for w in wanted.split(",")):
        if word:
            out |= dict.fromkeys(_range(word, names))
    if not out:
        raise ValueError(f"No columns in '{wanted}': give names such as A,B,C, a range A-G, or all.")
    return list(out)


def _range(word: str, names: Sequence[str]) -> list[str]:
    """List the columns of `word`: a column, or a range, whose ends may have hyphens themselves."""
    if word in names:
        return [word]
    for k in (i for i, letter in enumerate(word) if letter == "-"):
        first, last = word[:k].strip(), word[k + 1 :].strip()
        if first in names and last in names:
            a, b = names.index(first), names.index(last)
            if a > b:
                raise ValueError(f"The range '{word}' runs backwards: '{last}' stands before '{first}' in the file.")
            return list(names[a : b + 1])
        if first in names or last in names:
            word = last if first in names else first
            break
    near = nearest(word, names)
    more = ", ..." if len(names) > 12 else ""
    hint = f"Did you mean '{near}'?" if near else f"Columns are: {', '.join(names[:12])}{more}."
    raise ValueError(f"The data have no column '{word}'. {hint}")


def blank(df: pd.DataFrame, codes: Sequence[str], used: Sequence[str]) -> pd.DataFrame:
    """Set the missing-value `codes` in the columns that are `used` to missing, in a copy of `df`."""
    out = df.copy()
    for code in codes:
        hits = 0
        for c in used:
            is_code = _equal(out[c], code)
            hits += int(is_code.sum())
            out[c] = out[c].mask(is_code)
        if not hits:
            warnings.warn(f"The missing-value code {code} does not occur in the columns in use.", stacklevel=2)
    return out


def _equal(column: pd.Series, code: str) -> pd.Series:
    """Mark the values of `column` that are the `code`, as a number where it is one."""
    import pandas as pd

    try:
        return pd.to_numeric(column, errors="coerce") == float(code)
    except ValueError:
        return column.astype(str) == code


def read_result(folder: Path, posterior: bool = False) -> tuple[Fit | xr.DataTree, list[str]]:
    """Read the fit, or the `posterior`, of a folder, and the missing-value codes of its data.

    Raises
    ------
    ValueError
        The folder has none.
    """
    from bayesmix.cli.run import RUN, read_record
    from bayesmix.results import Fit, read_tree

    name, how = ("posterior.nc", "fit --sample") if posterior else ("fit.nc", "fit")
    if not (folder / name).is_file():
        raise ValueError(f"'{folder}' has no {name}: give a folder that `bayesmix {how} --out` wrote.")
    codes = read_record(folder).get("settings", {}).get("missing") or [] if (folder / RUN).is_file() else []
    wrote = f"what `bayesmix {how} --out` wrote"
    return (read_tree(folder / name, "a posterior", wrote) if posterior else Fit.load(folder / name)), list(codes)
