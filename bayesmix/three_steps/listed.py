"""The listing of three steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayesmix.layout import Section, Table, make_table, number, p_value, pairs, percent

if TYPE_CHECKING:
    from bayesmix.three_steps.result import ThreeStep

METHODS = {
    "ml": "three steps, maximum likelihood (Vermunt 2010)",
    "bch": "three steps, inverse of the assignment's errors (BCH)",
    "two-step": "two steps (Bakk and Kuha 2018)",
}
TITLES = {
    "coefficients": "Classes on covariates (logits, the last class is the reference)",
    "outcomes": "Outcomes by class",
    "outcome_coefficients": "Equations of the outcomes",
    "transitions": "Class probabilities, and given the class before",
    "tests": "Wald tests",
    "pairwise": "Classes in pairs",
    "residual_covariances": "Residual covariances, the same in all classes",
    "classes": "Classes of step one beside step three",
    "errors": "P(assigned class | class)",
    "weights": "BCH weights of those assigned to a class (rows)",
}
"""Of tables by their names; others are of transitions."""


def sections(found: ThreeStep) -> Iterator[Section]:
    """What is printed: how it was made, all tables, what is to be known of them."""
    m = found.monitor
    moved = {"Most likely in another class": percent(m.moved)} if np.isfinite(m.moved) else {}
    rows = {
        "Method": METHODS[found.method],
        "Assignment": found.assignment,
        "Units": found.n_units,
        "Units left out": found.n_left_out or None,
        "Log-likelihood": number(found.loglik),
        "Free parameters": found.n_parameters,
        "Standard errors": found.standard_errors,
        "Intervals": f"{found.level:.0%}",
        "Pooled": f"over {found.draws} draws of the posterior (Rubin's rules)" if found.draws else None,
        "Entropy in step one": number(m.entropy),
        "Entropy in step three": number(m.entropy_three) if moved else None,
        **moved,
    }
    said = [f"NOT TO BE TRUSTED: {d}." for d in found.doubts] + [f"Note: {n}." for n in found.notes]
    yield Section("Three steps", [pairs(rows.items()), *said])
    for name, table in found.tables().items():
        title = TITLES.get(name, f"Transitions: {name.removeprefix('coefficients_')} on the class before")
        odds = [c for c in table if c in ("odds ratio", "OR lower", "OR upper")]
        yield Section(title, [_table(table.drop(columns=odds)), *([_table(table[odds])] if odds else [])])


def _table(table: pd.DataFrame) -> Table:
    """A table in words; its index comes first, where it has names."""
    names = [n for n in table.index.names if n is not None]
    rows = table.reset_index() if names else table
    names = [n for n in names if (rows[n] != "").any()]
    rows = rows[[*names, *table.columns]]
    left = len(names) or sum(not pd.api.types.is_numeric_dtype(rows[c]) for c in rows)
    cells = [[_cell(c, x) for c, x in zip(rows, row, strict=True)] for row in rows.itertuples(index=False)]
    return make_table([*map(str, rows.columns)], cells, left)


def _cell(column: Any, x: Any) -> str:
    """A number or a label in words; nothing where there is none."""
    if isinstance(x, float) and np.isnan(x):
        return ""
    if isinstance(x, float | np.floating):
        return p_value(float(x)) if column in ("p", "p (Holm)") else number(float(x))
    return str(x)
