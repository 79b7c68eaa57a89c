"""Sections of a listing on classes: counts and the quality of classification, of a fit or of a posterior."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bayesmix.layout import Section, make_table, number, percent, probability
from bayesmix.results import ClassTables, Fit
from bayesmix.spec import TINY

COUNTED = ("model", "posterior", "most likely")


def whose(tables: ClassTables, name: str, individuals: str = "individuals") -> str:
    """Whose the class variable `name` is, in words."""
    return individuals if tables.of_rows(name) else "clusters"


def counts(tables: ClassTables, names: Sequence[str]) -> Section:
    """Units in each class three ways, a table a class variable."""
    body = []
    for name in names:
        found = tables.class_counts(name)
        rows = [
            (str(k), *(cell for way in COUNTED for cell in (number(float(c[way]), 1), percent(c[f"{way} %"]))))
            for k, c in found.iterrows()
        ]
        head = (name, *(h for way in COUNTED for h in (way, "")))
        body.append(make_table(head, rows, title=f"{name}, {whose(tables, name)}"))
    return Section("Class counts: by model, by posterior probability, by most likely class", body)


def classification(tables: ClassTables, names: Sequence[str]) -> Section | None:
    """Entropy, and how well the most likely class stands for the class; None where no variable has several classes."""
    names = [n for n in names if tables.table.sizes[n] > 1]
    if not names:
        return None
    several = len(names) > 1
    lines = [f"Entropy{f' of {n}' if several else ''}: {number(tables.class_entropy(n))}" for n in names]
    if several:
        unknown = " (too many combinations to tell)" if math.isnan(tables.entropy) else ""
        lines.insert(0, f"Entropy of all of them together: {number(tables.entropy)}{unknown}")
    body: list[Any] = ["\n".join(lines)]
    for name in names:
        average, rates = tables.classification(name), _rates(tables, name)
        body += [
            _square(
                f"Average posterior probability of {name} (columns) by most likely class (rows)", average, probability
            ),
            _square(f"Probability of the most likely class (columns) given {name} (rows)", rates, probability),
            _square("Their logits, the last column as reference", _logits(rates), number),
            _diagnostics(tables, name),
        ]
    return Section("Classification quality", body)


def _diagnostics(tables: ClassTables, name: str):
    """Average posterior probability, odds of correct classification and shares by most likely class."""
    found = tables.classification_diagnostics(name)
    rows = [
        (str(k), percent(r["size"]), probability(r["AvePP"]), number(float(r["OCC"]), 1), percent(r["mcaP"]))
        for k, r in found.iterrows()
    ]
    head = (name, "size", "average posterior", "odds of correct classification", "most likely")
    return make_table(head, rows, title=f"Classification by {name}: odds against those by chance")


def _square(title: str, x: pd.DataFrame, shown: Callable[[float], str]):
    rows = [(str(k), *map(shown, r)) for k, r in zip(x.index, x.to_numpy(), strict=True)]
    return make_table(("", *map(str, x.columns)), rows, title=title)


def classification_rates(fit: Fit, name: str | None = None) -> pd.DataFrame:
    """P(most likely class = s | C = k): the classification error matrix of three-step methods.

    Parameters
    ----------
    fit : Fit
    name : str, optional
        The class variable; the first one if left out.

    Returns
    -------
    pandas.DataFrame
        True class in the rows, most likely class in the columns; rows sum to one.
    """
    return _rates(fit.class_tables, name)


def _rates(tables: ClassTables, name: str | None) -> pd.DataFrame:
    average, n = tables.classification(name), tables.class_counts(name)["most likely"].to_numpy()
    joint = np.nan_to_num(average.to_numpy()) * n[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = (joint / joint.sum(axis=0)).T
    return pd.DataFrame(rates, index=average.columns, columns=average.index)


def _logits(rates: pd.DataFrame) -> pd.DataFrame:
    p = rates.clip(lower=TINY)
    return pd.DataFrame(np.log(p.div(p.iloc[:, -1], axis=0)))
