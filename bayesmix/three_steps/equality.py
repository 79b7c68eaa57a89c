"""Which hypotheses are tested: no effect of a covariate, outcomes equal over classes, together and in pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from bayesmix.inference import holm, wald_chi_square
from bayesmix.three_steps.quantities import Quantities
from bayesmix.typing import Array


def of_covariates(q: Quantities) -> Iterator[dict]:
    """Tests that a covariate has no effect on any class logit."""
    slopes = q.keys[q.keys["kind"] == "slope"]
    for (variable, term), part in slopes.groupby(["variable", "term"], sort=False):
        at = part.index.to_numpy()
        at = at[np.diag(q.covariance)[at] != 0]  # a reference class does not move
        statistic, df, p = wald_chi_square(q.values[at], q.covariance[np.ix_(at, at)])
        yield {"test": f"{variable} on {term}", "wald": statistic, "df": df, "p": p}


def _location(q: Quantities, outcome: str) -> list[np.ndarray]:
    """Positions of the location of an outcome by class: each over its categories, the first of which is fixed."""
    part = q.keys[(q.keys["kind"] == "location") & (q.keys["outcome"] == outcome)]
    return [g.index.to_numpy() for _, g in part.groupby("class", sort=False)]


def _differences(q: Quantities, pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[Array, Array]:
    """Differences of positions, and their covariance; those that are fixed at zero are left out."""
    rows = []
    for a, b in pairs:
        for i, j in zip(a, b, strict=True):
            row = np.zeros(len(q.values))
            row[i], row[j] = 1.0, -1.0
            rows.append(row)
    x = np.stack(rows)
    used = np.flatnonzero((x != 0).any(axis=0))
    x, v = x[:, used], q.covariance[np.ix_(used, used)]
    own = ~((v[np.abs(x).argmax(axis=1)] == 0).all(axis=1))
    x = x[own]
    return x @ q.values[used], x @ v @ x.T


def of_outcomes(q: Quantities, names: Sequence[str]) -> Iterator[dict]:
    """Tests that an outcome is the same in all classes, one by one and all outcomes together."""
    each = {name: _location(q, name) for name in names}
    tests = {name: [(at, by[-1]) for at in by[:-1]] for name, by in each.items()}
    if len(names) > 1:
        tests["all outcomes"] = [pair for name in names for pair in tests[name]]
    for name, pairs in tests.items():
        statistic, df, p = wald_chi_square(*_differences(q, pairs))
        yield {"test": f"equal {name}" if name != "all outcomes" else "equal outcomes, all", "wald": statistic,
               "df": df, "p": p}  # fmt: skip


def in_pairs(q: Quantities, names: Sequence[str]) -> pd.DataFrame:
    """Classes in pairs, for each outcome; p values adjusted by Holm's method within an outcome."""
    rows = []
    for name in names:
        by = _location(q, name)
        labels = list(dict.fromkeys(q.keys.loc[np.concatenate(by), "class"]))
        own = []
        for (k, a), (m, b) in combinations(enumerate(by), 2):
            difference, covariance = _differences(q, [(a, b)])
            statistic, df, p = wald_chi_square(difference, covariance)
            one = len(difference) == 1
            own.append({
                "outcome": name, "class": labels[k], "other": labels[m],
                "difference": float(difference[0]) if one else np.nan,
                "se": float(np.sqrt(covariance[0, 0])) if one else np.nan,
                "wald": statistic, "df": df, "p": p,
            })  # fmt: skip
        for row, adjusted in zip(own, holm(np.array([r["p"] for r in own])), strict=True):
            rows.append(row | {"p (Holm)": float(adjusted)})
    return pd.DataFrame(rows)
