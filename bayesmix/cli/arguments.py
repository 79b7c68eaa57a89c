"""Words of the command line as values: a data file, columns, a model, families, nodes.

Heavy packages are imported where they are needed.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
import typing
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

# data ---------------------------------------------------------------------------------------------


def read_table(path: Path) -> pd.DataFrame:
    """A data file by its ending: csv, tsv, txt, parquet, dta, sav, xlsx.

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
        ".parquet": pd.read_parquet, ".dta": pd.read_stata, ".sav": pd.read_spss, ".xlsx": pd.read_excel,
    }  # fmt: skip
    ending = endings[-1] if endings else ""
    if ending not in readers:
        raise ValueError(f"'{path.name}' ends in '{ending or 'nothing'}', expected one of {', '.join(readers)}.")
    try:
        df = readers[ending](path)
    except ImportError as error:
        raise ValueError(f"'{path.name}' needs another package to be read: {error}") from None
    except UnicodeDecodeError:
        raise ValueError(f"'{path.name}' is not text in UTF-8: save it as UTF-8 and try again.") from None
    except Exception as error:
        raise ValueError(f"'{path.name}' cannot be read: {error}") from None
    df.columns = [str(c) for c in df.columns]
    df.index = pd.RangeIndex(1, len(df) + 1, name="row")
    return df


def _read_text(path: Path) -> pd.DataFrame:
    """Separated by commas, else by what stands in the head instead of them: tabs or semicolons."""
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
    """Rows with `extra` more fields than the head: empty ones at their end are dropped, others are names of rows.

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
    """Numbers such as 1,5 where the comma separates no columns, and can be no separator of thousands."""
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


def columns(wanted: str, known: Sequence[str], leave_out: Sequence[str] = ()) -> list[str]:
    """Columns of ``A,B,C``, of ranges ``A-G`` in the order of the file, or ``all``.

    Raises
    ------
    ValueError
        A name that the file does not have.
    """
    if wanted.strip() == "all" and "all" not in known:
        return [c for c in known if c not in leave_out]
    out: dict[str, None] = {}
    for word in (w.strip() for w in wanted.split(",")):
        if word:
            out |= dict.fromkeys(_range(word, known))
    if not out:
        raise ValueError(f"No columns in '{wanted}': give names such as A,B,C, a range A-G, or all.")
    return list(out)


def _range(word: str, known: Sequence[str]) -> list[str]:
    if word in known:
        return [word]
    for k in (i for i, letter in enumerate(word) if letter == "-"):
        first, last = word[:k].strip(), word[k + 1 :].strip()
        if first in known and last in known:
            a, b = known.index(first), known.index(last)
            if a > b:
                raise ValueError(f"The range '{word}' runs backwards: '{last}' stands before '{first}' in the file.")
            return list(known[a : b + 1])
        if first in known or last in known:
            word = last if first in known else first
            break
    near = difflib.get_close_matches(word, known, n=1)
    more = ", ..." if len(known) > 12 else ""
    hint = f"Did you mean '{near[0]}'?" if near else f"Columns are: {', '.join(known[:12])}{more}."
    raise ValueError(f"The data have no column '{word}'. {hint}")


def blank(df: pd.DataFrame, codes: Sequence[str], used: Sequence[str]) -> pd.DataFrame:
    """The data with the missing-value codes of the columns in use set to missing."""
    out = df.copy()
    for code in codes:
        hits = 0
        for c in used:
            hit = _equal(out[c], code)
            hits += int(hit.sum())
            out[c] = out[c].mask(hit)
        if not hits:
            warnings.warn(f"The missing-value code {code} does not occur in the columns in use.", stacklevel=2)
    return out


def _equal(column: pd.Series, code: str) -> pd.Series:
    import pandas as pd

    try:
        return pd.to_numeric(column, errors="coerce") == float(code)
    except ValueError:
        return column.astype(str) == code


# models -------------------------------------------------------------------------------------------


def templates() -> list[str]:
    """Names of the model templates: the files of `bayesmix.models`."""
    found = pkgutil.iter_modules(importlib.import_module("bayesmix.models").__path__)
    return sorted(m.name for m in found if not m.name.startswith("_"))


def template(name: str) -> Callable:
    """The function of a template: it has its file's name.

    Raises
    ------
    ValueError
        No such template.
    """
    if name not in (known := templates()):
        raise ValueError(f"No model '{name}': there are {', '.join(known)}.")
    return getattr(importlib.import_module(f"bayesmix.models.{name}"), name)


def family_of(wanted: Sequence[str], items: Sequence[str], known: Sequence[str]) -> Any:
    """A family, or item to family, of ``ordinal``, ``bernoulli:probit``, ``A-C=normal``.

    Raises
    ------
    ValueError
        Another word.
    """
    from bayesmix.spec.families import FAMILIES

    def one(word: str) -> Any:
        name, _, link = word.strip().partition(":")
        if name not in FAMILIES:
            raise ValueError(f"The family came as '{word}': give one of {', '.join(FAMILIES)}, or item=family.")
        return FAMILIES[name](link) if link else FAMILIES[name]()

    words = [w for text in wanted for w in text.split(",") if w.strip()]
    bare = [w for w in words if "=" not in w]
    if len(bare) > 1:
        raise ValueError(f"The families {', '.join(bare)} came for all items: give one, and item=family for others.")
    chosen = dict.fromkeys(items, one(bare[0])) if bare else {}
    if bare and len(words) == 1:
        return one(bare[0])
    for w in (w for w in words if "=" in w):
        left, _, right = w.rpartition("=")
        chosen |= dict.fromkeys(columns(left, known), one(right))
    return chosen or None


def _as_option(key: str) -> str:
    return f"--{key}" if key in OPTIONS else f"--set {key}=..."


def declare(
    name: str,
    given: Mapping[str, Any],
    extra: Sequence[str],
    known: Sequence[str],
    written: Callable[[str], str] = _as_option,
) -> Any:
    """The model of a template from the options that came and ``key=value`` settings.

    `written` says how an argument is given, to those who left it out.

    Raises
    ------
    ValueError
        An option that the template does not take, or one that it needs and did not get.
    """
    function = template(name)
    takes = inspect.signature(function).parameters
    hints = typing.get_type_hints(function, include_extras=True)
    arguments = {k: v for k, v in given.items() if v is not None}
    for word in extra:
        key, mark, value = word.partition("=")
        if not mark:
            raise ValueError(f"--set came with '{word}': give key=value, e.g. --set variance=class.")
        arguments[key.strip()] = value if key.strip() not in takes else _typed(key.strip(), value, hints, known)
    if unknown := [k for k in arguments if k not in takes]:
        raise ValueError(f"The model '{name}' takes no '{unknown[0]}': it takes {', '.join(takes)}.")
    needed = [k for k, p in takes.items() if p.default is p.empty and k not in arguments]
    if needed:
        raise ValueError(f"The model '{name}' needs {', '.join(needed)}: give {written(needed[0])}.")
    return function(**arguments)


OPTIONS = ("items", "waves", "formula", "classes", "covariates", "family", "freq", "cluster")


def _typed(key: str, text: str, hints: Mapping[str, Any], known: Sequence[str]) -> Any:
    """The value of a setting by the template's annotation."""
    hint = str(hints.get(key, "str"))
    text = text.strip()
    if "Mapping" in hint and "Sequence" in hint:
        return _named_columns(key, text, known)
    if "Mapping" in hint and (not hint.startswith("str |") or "=" in text):
        pairs = [pair.partition("=") for pair in text.split(";")]
        if not all(mark for _, mark, _ in pairs):
            raise ValueError(f"--set {key} came as '{text}', expected item=value, several with ';' between them.")
        return {left.strip(): right.strip() for left, _, right in pairs}
    if "Sequence" in hint:
        return _several(text, hint, known)
    if "bool" in hint:
        if text.lower() not in ("true", "false"):
            raise ValueError(f"--set {key} came as '{text}', expected true or false.")
        return text.lower() == "true"
    for kind, convert in (("int", int), ("float", float)):
        if kind in hint:
            try:
                return convert(text)
            except ValueError:
                if "str" not in hint:
                    what = "a whole number" if kind == "int" else "a number"
                    raise ValueError(f"--set {key} came as '{text}', expected {what}.") from None
    if "str" not in hint and "Any" not in hint:
        raise ValueError(f"'{key}' cannot be set from the command line: use Python for it.")
    return text


def _named_columns(key: str, text: str, known: Sequence[str]) -> dict[str, list[str]]:
    """Columns by name, such as the items of each factor: ``g: A-C; h: D-F``, or with ``=``."""
    words = [word.strip() for word in text.split(";") if word.strip()]
    marks = [next((mark for mark in (":", "=") if mark in word), "") for word in words]
    if not words or not all(marks):
        raise ValueError(f"--set {key} came as '{text}', expected name: columns, such as 'g: A-C; h: D-F'.")
    pairs = [word.split(mark, 1) for word, mark in zip(words, marks, strict=True)]
    return {name.strip(): columns(some, known) for name, some in pairs}


def _several(text: str, hint: str, known: Sequence[str]) -> Any:
    """Columns, in groups parted by ``;``; terms of a formula, where the annotation says "terms"; texts."""
    if "'terms'" in hint:
        return [word.strip() for word in text.split(",") if word.strip()]
    if hint.startswith("str |"):
        several = [part.strip() or None for part in text.split(";")]
        return several if len(several) > 1 else text
    return [columns(g, known) for g in text.split(";")] if hint.count("Sequence") > 1 else columns(text, known)


def nodes_of(text: str | None) -> Any:
    """An integration method of ``adaptive:7``, ``trapezoid:15``, ``gauss_hermite:21``, ``monte_carlo:2000``, ``exact``.

    Raises
    ------
    ValueError
        Another word.
    """
    if text is None:
        return None
    from bayesmix.spec import quadrature

    known = ("trapezoid", "gauss_hermite", "monte_carlo", "adaptive", "exact")
    there = {n: getattr(quadrature, n) for n in known}
    name, *numbers = text.split(":")
    try:
        return there[name](*(int(n) if k == 0 else float(n) for k, n in enumerate(numbers)))
    except (KeyError, TypeError, ValueError) as error:
        detail = f" ({error})" if isinstance(error, ValueError) else ""
        raise ValueError(
            f"The nodes came as '{text}'{detail}: give e.g. trapezoid:15, gauss_hermite:15, monte_carlo:1000, "
            "adaptive:7, exact."
        ) from None


def class_numbers(text: str | None) -> int | list[int] | None:
    """A number of classes, or one for each occasion: ``2``, ``2,3``.

    Raises
    ------
    ValueError
        Anything else.
    """
    if text is None:
        return None
    try:
        found = [int(word) for word in text.split(",")]
    except ValueError:
        raise ValueError(f"--classes came as '{text}': give a whole number, or one for each occasion: 2,3.") from None
    return found[0] if len(found) == 1 else found


def numbers_of(text: str) -> list[int]:
    """Whole numbers of ``1-5`` or ``1,2,4``.

    Raises
    ------
    ValueError
        Anything else.
    """
    out: list[int] = []
    try:
        for word in text.replace("..", "-").split(","):
            first, _, last = word.partition("-")
            out += range(int(first), int(last or first) + 1)
    except ValueError:
        out = []
    if not out or min(out) < 1:
        raise ValueError(f"The numbers of classes came as '{text}': give e.g. 1-5 or 2,3,4.")
    return list(dict.fromkeys(out))
