"""Tables as a manuscript has them: rounded, in groups, with notes beneath that say what the numbers are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from bayesmix.layout import number, p_value
from bayesmix.reports.tidy import Reported
from bayesmix.results import Fit
from bayesmix.results.occasions import COLUMNS as OF_TRANSITIONS
from bayesmix.spec import level_words
from bayesmix.studies import Study
from bayesmix.three_steps import ThreeStep

Cell = Callable[[Mapping[str, Any], int], str]
"""Words of a row, with so many decimals."""


@dataclass(frozen=True)
class Typeset:
    """A table in words.

    Attributes
    ----------
    title : str
        What stands above it.
    head : sequence of str
        One a column.
    groups : sequence of (str, rows)
        Rows of cells under a heading, which may be empty.
    left : int
        So many columns of words; the others are numbers, at the right of theirs.
    notes : sequence of str
        Sentences to stand beneath.
    """

    title: str
    head: Sequence[str]
    groups: Sequence[tuple[str, Sequence[Sequence[str]]]]
    left: int
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class _Plan:
    """How a table is laid out: the words at the left of a row, its group, its numbers."""

    title: str
    words: Mapping[str, Cell]
    numbers: Mapping[str, Cell]
    group: Cell = lambda row, digits: ""
    notes: Sequence[str] = ()
    without: Callable[[pd.DataFrame], pd.Series] | None = field(default=None)


def typeset(name: str, table: pd.DataFrame, what: Reported, digits: int = 3) -> Typeset:
    """Lay out one of the tables of :func:`bayesmix.tables`.

    Parameters
    ----------
    name : str
        Its name there.
    table : pandas.DataFrame
        Its numbers.
    what : Fit, xarray.DataTree, Enumeration, Study or ThreeStep
        What they are of.
    digits : int
        Decimals; a number that would round to nothing keeps three figures.
    """
    plan = (None if isinstance(what, ThreeStep) else PLANS.get(name)) or _any_plan(name, table)
    rows = table if table.index.names == [None] else table.reset_index()
    gone = plan.without(rows) if plan.without else pd.Series(False, index=rows.index)
    kept = rows[~gone]
    numbers = {k: f for k, f in plan.numbers.items() if any(f(r, digits) != NONE for r in _each(kept))}
    cells = [*plan.words.values(), *numbers.values()]
    groups: dict[str, list[list[str]]] = {}
    for r in _each(kept):
        groups.setdefault(plan.group(r, digits), []).append([f(r, digits) for f in cells])
    head = [*plan.words, *numbers]
    head = [_in_level(h, what) for h in head]
    notes = [_in_level(n, what) for n in plan.notes]
    notes += [*_notes(what, head, bool(gone.any()), "SE" in numbers and _missing(kept))]
    return Typeset(plan.title, head, [*groups.items()], len(plan.words), notes)


def _in_level(text: str, what: Reported) -> str:
    """Put the level of the intervals into a head or a note, which is written for 95%, that of a study."""
    return text if isinstance(what, Study) else text.replace("95% ", f"{level_words()} ")


def _each(rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    return ({str(k): v for k, v in r.items()} for r in rows.to_dict("records"))


def _missing(rows: pd.DataFrame) -> bool:
    """Whether some estimate has no standard error."""
    column = next((k for k in ("se", "ml_se") if k in rows), None)
    return column is not None and bool(rows[column].isna().any())


def _notes(what: Reported, head: Sequence[str], fixed: bool, boundary: bool) -> list[str]:
    """Say which standard errors and intervals the numbers have, and what has none."""
    out = []
    if isinstance(what, Fit) and "SE" in head:
        kind = {"robust": "robust (sandwich)", "hessian": "from the inverse Hessian"}
        found = kind.get(what.info.get("standard_errors", ""), "")
        out.append(f"SE: standard error, {found}." if found else "SE: standard error.")
    if (credible := f"{level_words()} CrI") in head:
        out.append(f"Mean, SD and {credible} are of the posterior; the interval is equal-tailed.")
    if boundary:
        out.append(f"{NONE}: no standard error, as the estimate is at a boundary or does not vary.")
    if fixed:
        out.append("Fixed parameters (reference categories, loadings at 1) are left out.")
    return out


# cells --------------------------------------------------------------------------------------------

NONE = "\N{EN DASH}"
"""What stands where there is no number."""


def _text(key: str) -> Cell:
    return lambda row, digits: str(row.get(key, ""))


def _number(key: str, more: int = 0) -> Cell:
    return lambda row, digits: _shown(row.get(key), digits + more)


def _shown(x: Any, digits: int) -> str:
    if x is None or (isinstance(x, float) and math.isnan(x)):
        return NONE
    if isinstance(x, str):
        return x
    return f"{x:.0f}" if float(x) == round(float(x)) and not isinstance(x, float) else number(float(x), digits)


def _whole(key: str) -> Cell:
    return lambda row, digits: NONE if pd.isna(row.get(key)) else f"{row[key]:.0f}"


def _percent(key: str) -> Cell:
    return lambda row, digits: NONE if pd.isna(row.get(key)) else f"{100 * row[key]:.1f}%"


def _p(key: str) -> Cell:
    return lambda row, digits: NONE if pd.isna(row.get(key)) else p_value(float(row[key]))


def _interval(lower: str, upper: str) -> Cell:
    def cell(row: Mapping[str, Any], digits: int) -> str:
        if pd.isna(row.get(lower)) or pd.isna(row.get(upper)):
            return NONE
        return f"[{number(float(row[lower]), digits)}, {number(float(row[upper]), digits)}]"

    return cell


def _of(row: Mapping[str, Any], digits: int) -> str:
    """What an entry is of; else its class; else its name."""
    return row.get("of") or row.get("class") or _spaced(row.get("parameter") or row.get("quantity") or "")


def _heading(row: Mapping[str, Any], digits: int) -> str:
    """The name of a parameter, and its class where rows are of something else."""
    name = _spaced(row.get("parameter") or row.get("quantity") or "")
    if not (row.get("of") or row.get("class")):
        return ""
    return f"{name}, {row['class']}" if row.get("of") and row.get("class") else name


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _statistic(row: Mapping[str, Any], digits: int) -> str:
    value = row["value"]
    return f"{value:.0f}" if isinstance(value, float) and value == round(value) else _shown(value, digits)


def _left_class(row: Mapping[str, Any], digits: int) -> str:
    left = row["from"]
    return ", ".join(map(str, left)) if isinstance(left, tuple) else str(left)


def _entered_class(row: Mapping[str, Any], digits: int) -> str:
    """The class variable that is entered, and the class of the chain."""
    above = [f"{k} = {v}" for k, v in row.items() if k not in ("class variable", "from", "to", *OF_TRANSITIONS)]
    return ", ".join([str(row["class variable"]), *above])


# layouts ------------------------------------------------------------------------------------------

ESTIMATE = {"Estimate": _number("estimate"), "SE": _number("se"), "95% CI": _interval("lower", "upper")}
VALUE = {"Estimate": _number("value"), "SE": _number("se"), "95% CI": _interval("lower", "upper")}
TEST = {"Est./SE": _number("ratio"), "p": _p("p")}
ML = {"ML": _number("ml"), "SE": _number("ml_se")}
BAYES = {
    "Mean": _number("mean"),
    "SD": _number("sd"),
    "95% CrI": _interval("eti_lower", "eti_upper"),
    "R-hat": _number("r_hat"),
    "ESS": _whole("ess_bulk"),
}
WIDTHS = {"number": "95% CI: on the scale of the estimate.", "logit": "95% CI: symmetric on the logit scale."}

PLANS: dict[str, _Plan] = {
    "fit": _Plan("Model fit", {"": _text("statistic")}, {"Value": _statistic}),
    "class_sizes": _Plan(
        "Class sizes",
        {"Class": _text("class")},
        {
            "n, model": _number("model_n", -2),
            "%, model": _percent("model_share"),
            "n, posterior": _number("posterior_n", -2),
            "%, posterior": _percent("posterior_share"),
            "n, most likely": _whole("most_likely_n"),
            "%, most likely": _percent("most_likely_share"),
        },
        _text("variable"),
        ("By the model, by the sum of posterior probabilities, and by the most likely class.",),
    ),
    "classification": _Plan(
        "Classification",
        {"Class": _text("class"), "Most likely class": _text("most_likely")},
        {"Average posterior": _number("average_posterior"), "Rate": _number("rate")},
        _text("variable"),
        (
            "Average posterior: mean posterior probability of the class among those with this most likely class. Rate: "
            "probability of this most likely class, given the class.",
        ),
    ),
    "parameters": _Plan(
        "Parameters",
        {"": _of},
        ESTIMATE | TEST,
        _heading,
        (WIDTHS["number"], "p: two-sided, of the parameter being zero."),
        lambda x: x["status"] == "fixed",
    ),
    "probabilities": _Plan("Probabilities", {"": _of}, ESTIMATE, _heading, (WIDTHS["logit"],)),
    "derived": _Plan(
        "Derived quantities",
        {"": _of},
        ESTIMATE,
        _heading,
        (
            "95% CI: symmetric on the scale of log SD, square root of a variance, logit of an intraclass correlation, "
            "Fisher's z of a correlation; else of the estimate.",
        ),
    ),
    "odds_ratios": _Plan(
        "Odds ratios",
        {"": _text("entry")},
        {"Odds ratio": _number("odds_ratio"), "SE": _number("se"), "95% CI": _interval("lower", "upper"), "p": _p("p")},
        notes=("95% CI: symmetric on the logit scale. p: two-sided, of a log odds ratio of zero.",),
    ),
    "transitions": _Plan(
        "Transition probabilities",
        {"From": _left_class, "To": _text("to")},
        VALUE,
        _entered_class,
        (f"Averages over the population. {WIDTHS['logit']}",),
    ),
    "decomposition": _Plan(
        "What explains the classes",
        {"": _text("part")},
        VALUE,
        lambda row, digits: f"{row['class variable']} = {row['class']}",
        ("Shares of the variance of the latent response behind a class logit; effects are on the logit, per unit.",),
    ),
    "comparison": _Plan("Maximum likelihood beside the posterior", {"": _of}, ML | BAYES, _heading),
    "posterior": _Plan("Posterior", {"": _of}, BAYES, _heading),
    "diagnostics": _Plan("Diagnostics of the chains", {"": _text("statistic")}, {"Value": _statistic}),
    "enumeration": _Plan(
        "Numbers of classes",
        {"Classes": _text("classes")},
        {
            "Log-likelihood": _number("loglik"),
            "Parameters": _whole("parameters"),
            "AIC": _number("AIC", -1),
            "BIC": _number("BIC", -1),
            "aBIC": _number("aBIC", -1),
            "Entropy": _number("entropy"),
            "Smallest class": _percent("smallest class"),
            "Replicated": _whole("replicated"),
        },
        notes=(
            "aBIC: sample-size-adjusted BIC. Replicated: how many starts reached the best log-likelihood.",
        ),
    ),
    "summary": _Plan(
        "Averages over the replications",
        {"": _text("entry")},
        {
            "Population": _number("population"),
            "Average": _number("average"),
            "SD": _number("sd"),
            "Average SE": _number("average_se"),
            "MSE": _number("mse", 1),
            "Cover": _number("cover"),
            "Significant": _number("significant"),
        },
        _text("model"),
        ("Cover: share of 95% intervals that hold the population's value.",),
    ),
}  # fmt: skip


PATHS = {
    "posterior": ("n, posterior", lambda k: _number(k, -2)),
    "posterior %": ("%, posterior", _percent),
    "most likely": ("n, most likely", _whole),
}
"""Columns of the paths, with their heads."""


def _any_plan(name: str, table: pd.DataFrame) -> _Plan:
    """Lay out a table by its columns: words at the left, numbers at the right; of paths the classes are words."""
    if name == "paths":
        words = {k: _text(k) for k in map(str, table) if k not in PATHS}
        return _Plan("Paths through the classes", words, {head: f(k) for k, (head, f) in PATHS.items()})
    rows = table if table.index.names == [None] else table.reset_index()
    of_words = [k for k in rows if not pd.api.types.is_numeric_dtype(rows[k])]
    words = {str(k): _text(str(k)) for k in of_words}
    return _Plan(_spaced(name).capitalize(), words, {str(k): _number(str(k)) for k in rows if k not in of_words})
