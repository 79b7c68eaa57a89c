"""Data files of SPSS and Stata: numbers with labels, and codes that stand for missing values.

pandas and pyreadstat are imported where they are needed.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 6
"""So many columns are named in a warning."""


def read_spss(path: Path) -> pd.DataFrame:
    """Read a file of SPSS: what it declares as missing is missing, labels of values are the values.

    A column of which every value has a label becomes text in the order of its codes, an order that counts unless the
    file calls the column nominal. One that the file calls a scale stays numbers, and so does one with labels for some
    of its values only, which is said.

    Raises
    ------
    ImportError
        pyreadstat is not installed.
    """
    import pyreadstat

    found, about = pyreadstat.read_sav(path, apply_value_formats=False, user_missing=False)
    df = cast("pd.DataFrame", found)
    some: dict[str, str] = {}
    for name, labels in about.variable_value_labels.items():
        measure = about.variable_measure.get(name, "unknown")
        if measure != "scale":
            df[name] = _labelled(df[name], labels, measure != "nominal", some)
    _say_some(some, path)
    return df


def read_stata(path: Path) -> pd.DataFrame:
    """Read a file of Stata: labels of values are the values, as in :func:`read_spss`."""
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pd.errors.CategoricalConversionWarning)
        df = pd.read_stata(path)
    codes, some = pd.read_stata(path, convert_categoricals=False), {}
    for name, x in df.items():
        if isinstance(x.dtype, pd.CategoricalDtype):
            pairs = zip(codes[name].dropna(), x.dropna(), strict=True)
            labels = {code: text for code, text in pairs if isinstance(text, str)}
            if len(set(labels.values())) < len(set(codes[name].dropna())):
                df[name] = codes[name]
                some[str(name)] = _words(labels)
    _say_some(some, path)
    return df


def _labelled(x: pd.Series, labels: Mapping[Any, str], ordered: bool, some: dict[str, str]) -> pd.Series:
    """Put `labels` in the place of codes, where all that occur have one of their own; else note them in `some`."""
    import pandas as pd

    seen = set(x.dropna().unique())
    texts = [str(labels[code]) for code in sorted(labels)]
    if not seen & labels.keys():
        return x  # they belong to codes that are missing, or do not occur
    if seen - labels.keys() or len(set(texts)) < len(texts):
        some[str(x.name)] = _words({code: labels[code] for code in sorted(seen & labels.keys())})
        return x
    values = [None if pd.isna(v) else str(labels[v]) for v in x]
    return pd.Series(pd.Categorical(values, texts, ordered=ordered), index=x.index, name=x.name)


def _words(labels: Mapping[Any, str]) -> str:
    shown = [f"{code:g} = {text}" if isinstance(code, float) else f"{code} = {text}" for code, text in labels.items()]
    return ", ".join(shown[:3]) + (", ..." if len(shown) > 3 else "")


def _say_some(some: Mapping[str, str], path: Path) -> None:
    """Say which columns stay numbers although some of their values have labels."""
    if some:
        named = [f"{name} ({words})" for name, words in some.items()]
        more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
        warnings.warn(
            f"Columns of '{path.name}' with labels for some of their values only, or one label twice, are taken as "
            f"numbers: {'; '.join(named[:SHOWN])}{more}. Where a label means that the answer is missing, give its code "
            "to --missing.",
            stacklevel=2,
        )
