"""What may be related to classes: checks of covariates and outcomes, and the rows of step three."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bayesmix.checks import nearest
from bayesmix.data.columns import check_no_date, numbers, read
from bayesmix.data.design import columns_of
from bayesmix.spec import Covariates, Model
from bayesmix.spec.families import Family, bernoulli, check_family, normal
from bayesmix.three_steps.declared import Outcome
from bayesmix.typing import Array

Outcomes = str | Sequence[str] | Mapping[str, Family]
"""Columns; or a family for each."""


def outcomes_of(
    given: Outcomes | None, formulas: str | Mapping[str, str] | None, slopes: str, df: pd.DataFrame
) -> tuple[list[Outcome], list[str]]:
    """The outcomes with their families and covariates, and what was taken to be meant.

    Raises
    ------
    ValueError, TypeError
        No such column, no family, text or infinite values where numbers are expected.
    """
    if given is None:
        if formulas is not None:
            raise ValueError("outcome_covariates came without outcomes: name the outcomes, or leave it out.")
        return [], []
    chosen: dict[str, Any] = (
        dict(given) if isinstance(given, Mapping) else dict.fromkeys([given] if isinstance(given, str) else given)
    )
    if not isinstance(given, (str, Mapping)) and len(chosen) < len(given):
        twice = next(k for k in chosen if list(given).count(k) > 1)
        raise ValueError(f"The outcome {twice!r} came twice: name each once.")
    if not chosen:
        raise ValueError("outcomes came empty: name columns, or leave it out.")
    by_name = formulas if isinstance(formulas, Mapping) else dict.fromkeys(chosen, formulas)
    if unknown := [k for k in by_name if k not in chosen]:
        raise ValueError(
            f"outcome_covariates came for {unknown[0]!r}, which is no outcome: these are {', '.join(map(str, chosen))}."
        )
    out, notes = [], []
    for k, (name, given_family) in enumerate(chosen.items(), start=1):
        if not isinstance(name, str):
            raise ValueError(f"The outcomes came with {name!r}, expected names of columns as text.")
        check_columns(df, (), [name])
        family, note = (given_family, []) if given_family is not None else _by_values(name, df[name])
        notes += note
        check_family(family)
        if family.column is not None:
            raise ValueError(
                f"The outcome '{name}' came with trials by row (column '{family.column}'), which step three does not "
                "read: give a whole number, bm.binomial(10), or take the outcome into the model itself."
            )
        if family.kind != "categorical":
            y = numbers(f"The outcome '{name}'", df[name], np.ones(len(df), dtype=bool))
            if np.isinf(y).any():
                raise ValueError(f"The outcome '{name}' has infinite values: set them to missing (NaN).")
        out.append(Outcome(name, family, k, by_name.get(name), slopes == "class"))
    return out, notes


def _by_values(name: str, column: pd.Series) -> tuple[Family, list[str]]:
    """The family of an outcome of which nothing is said: two numbers are binary, others normal.

    Raises
    ------
    ValueError
        Text.
    """
    check_no_date(f"The outcome '{name}'", column)
    found = read(f"The outcome '{name}'", column, np.ones(len(column), dtype=bool))
    if found.kind in ("text", "mixed"):
        raise ValueError(
            f"The outcome '{name}' came with text ({found.shown}), expected numbers: say what it is, such as "
            f"outcomes={{'{name}': bm.nominal()}}."
        )
    if len(found.values) == 2:
        return bernoulli(), [
            f"{name} has two values ({found.shown}) and is taken as binary; for means and variances say "
            f"outcomes={{'{name}': bm.normal()}}"
        ]
    return normal(), []


def check_new(model: Model, covariates: Sequence[str], outcomes: Sequence[Outcome]) -> None:
    """Refuse what step one has seen already: its items, its covariates.

    Raises
    ------
    ValueError
        Which column, and why.
    """
    beside = [c for o in outcomes for c in formula_columns(o.formula)]
    for what, names in (("covariate", covariates), ("outcome", [o.name for o in outcomes]), ("covariate", beside)):
        for name in names:
            if name in model.items:
                raise ValueError(
                    f"The {what} '{name}' is an item of step one: the classes are made of it, and what it is said to "
                    "predict or to follow from would be itself; leave it out of one of the two."
                )
    of_classes = [c for k in model.classes for t in k.predictor if t.covariates for c in columns_of(t.covariates)]
    if both := [c for c in covariates if c in of_classes]:
        raise ValueError(
            f"The covariate '{both[0]}' is in the class logits of step one already: its class probabilities depend on "
            "it, and the errors of an assignment are then not the same for all; fit step one without it."
        )
    for o in outcomes:
        if o.name in covariates or o.name in formula_columns(o.formula):
            raise ValueError(f"'{o.name}' came both as an outcome and as a covariate: take it out of one of them.")


def formula_columns(formula: str | None) -> list[str]:
    """The columns of a formula."""
    return [] if formula is None else columns_of(Covariates("covariate", formula))


def check_columns(df: pd.DataFrame, covariates: Sequence[str], outcomes: Sequence[str]) -> None:
    """Refuse covariates and outcomes that are no columns, or of which there are two.

    Raises
    ------
    ValueError
        The first of them.
    """
    for what, names in (("covariate", covariates), ("outcome", outcomes)):
        for name in names:
            if name not in df.columns:
                near = nearest(name, df.columns)
                hint = f"did you mean '{near}'?" if near else f"they have {', '.join(map(str, df.columns[:12]))}."
                raise ValueError(f"The {what} '{name}' is no column of the data: {hint}")
            if (n := int((df.columns == name).sum())) > 1:
                raise ValueError(f"The data have {n} columns '{name}', the {what}: rename all but one.")


def complete(df: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    """Which rows have all of these columns."""
    every = np.ones(len(df), dtype=bool)
    out = every.copy()
    for name in dict.fromkeys(names):
        out &= read(f"Covariate '{name}'", df[name], every).codes >= 0
    return out


def check_within(outcomes: Sequence[Outcome], frame: pd.DataFrame, w: Array, labels: list, variance: str) -> list[str]:
    """Refuse outcomes that say nothing of a class; what else is to be said of them.

    Parameters
    ----------
    frame : pandas.DataFrame
        Rows of step three.
    w : array (row, class)
        Their most likely classes, as zeros and ones.

    Raises
    ------
    ValueError
        An outcome that is constant, missing for all of a class, or normal with no variance in one.
    """
    notes = []
    for o in outcomes:
        y = pd.Series(read(f"The outcome '{o.name}'", frame[o.name], np.ones(len(frame), dtype=bool)).codes)
        seen = y >= 0
        if y[seen].nunique() < 2:
            came = "missing in every row" if not seen.any() else "constant"
            raise ValueError(f"The outcome '{o.name}' is {came} in the rows of step three: leave it out.")
        for k, label in enumerate(labels):
            own = y[seen & (w[:, k] > 0)]
            if not len(own):
                raise ValueError(
                    f"The outcome '{o.name}' is missing for all whose most likely class is {label}: nothing can be "
                    "said of it there; leave it out, or take fewer classes."
                )
            if len(np.unique(own)) > 1:
                continue
            if o.family.residual and variance == "class":
                raise ValueError(
                    f"The outcome '{o.name}' is constant among those whose most likely class is {label}: that class "
                    "has no variance of its own; take variance='equal'."
                )
            notes.append(f"{o.name} is constant among those whose most likely class is {label}")
        if gone := int((~seen).sum()):
            notes.append(f"{o.name} is missing in {gone} rows, which tell of the class alone (missing at random)")
    return notes


def of_clusters(df: pd.DataFrame, first: np.ndarray, cluster: str, names: Sequence[str]) -> pd.DataFrame:
    """One row a cluster: what is related to classes of clusters is the same in all rows of one.

    Raises
    ------
    ValueError
        A column that varies within clusters.
    """
    for name in dict.fromkeys(names):
        if len(df[[cluster, name]].drop_duplicates()) > df[cluster].nunique():
            raise ValueError(
                f"'{name}' varies within clusters ('{cluster}'), but the classes are those of clusters: give a column "
                f"of clusters, such as its mean, df.groupby('{cluster}')['{name}'].transform('mean')."
            )
    return df.iloc[first]


def check_weighted(outcomes: Sequence[Outcome], frame: pd.DataFrame, w: Array, labels: list, variance: str) -> None:
    """Refuse BCH weights under which an outcome (or a class) has no estimate.

    With negative weights a weighted share may lie outside of 0 and 1 and a weighted variance below zero; the weighted
    log-likelihood then has no maximum.

    Raises
    ------
    ValueError
        Which class, which number, and what to do.
    """
    other = "take method='ml' or 'two-step'"
    size = w.sum(axis=0)
    if (bad := np.flatnonzero(size <= 0)).size:
        raise ValueError(
            f"BCH weights give class {labels[bad[0]]} a size of {size[bad[0]]:.1f}: classes are told apart too badly "
            f"for this method; {other}."
        )
    for o in outcomes:
        found = read(f"The outcome '{o.name}'", frame[o.name], np.ones(len(frame), dtype=bool))
        seen = found.codes >= 0
        own = w[seen]
        if o.family.kind == "categorical":
            shares = np.stack([own[found.codes[seen] == c].sum(axis=0) for c in range(len(found.values))]) / own.sum(0)
            if (shares <= 0).any():
                c, k = np.argwhere(shares <= 0)[0]
                raise ValueError(
                    f"BCH weights give the outcome '{o.name}' a share of {shares[c, k]:.3f} for "
                    f"{found.values[c]!r} in class {labels[k]}: negative weights outweigh the others there, and there "
                    f"is no estimate; {other}, or fewer categories."
                )
            continue
        y = np.array([*map(float, found.values)])[found.codes[seen]]
        mean = own.T @ y / own.sum(axis=0)
        if o.family.kind == "count" and (mean <= 0).any():
            k = int(np.argmin(mean))
            raise ValueError(
                f"BCH weights give the outcome '{o.name}' a mean of {mean[k]:.3f} in class {labels[k]}: {other}."
            )
        spread = (own * (y[:, None] - mean) ** 2).sum(axis=0) / own.sum(axis=0)
        if o.family.residual and variance == "class" and (spread <= 0).any():
            k = int(np.argmin(spread))
            raise ValueError(
                f"BCH weights give the outcome '{o.name}' a variance of {spread[k]:.3g} in class {labels[k]}: negative "
                f"weights outweigh the others there; take variance='equal', or {other.removeprefix('take ')}."
            )


def check_moves(
    before: Array, now: Array, freq: Array, labels: Sequence, next_labels: Sequence, names: Sequence[str]
) -> None:
    """Refuse BCH weights under which a move from a class to one of the next occasion has no probability.

    Raises
    ------
    ValueError
        Which move, which number, and what to do.
    """
    size = np.nan_to_num(before * freq[:, None]).T @ np.nan_to_num(now)
    if (size <= 0).any():
        s, t = np.argwhere(size <= 0)[0]
        raise ValueError(
            f"BCH weights give the move from class {labels[s]} of {names[0]} to class {next_labels[t]} of {names[1]} a "
            f"size of {size[s, t]:.1f}: negative weights outweigh the others there, and it has no probability; take "
            "method='ml'."
        )
