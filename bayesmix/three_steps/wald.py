"""Wald tests of equality over classes, all together and in pairs, with Holm's adjustment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import special

from bayesmix.three_steps.quantities import Quantities
from bayesmix.typing import Array


def wald(difference: Array, covariance: Array) -> tuple[float, int, float]:
    """The statistic d' V^-1 d of differences d, its degrees of freedom and p; NaN where V is not known.

    Degrees of freedom are the rank of V, which is that of the differences that are free to vary.
    """
    if not len(difference) or not np.isfinite(covariance).all():
        return float("nan"), len(difference), float("nan")
    scale = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    correlation = covariance / np.outer(scale, scale)
    values, vectors = np.linalg.eigh(correlation)
    keep = values > 1e-10
    part = vectors[:, keep].T @ (difference / scale)
    statistic, df = float((part**2 / values[keep]).sum()), int(keep.sum())
    return statistic, df, float(special.chdtrc(df, statistic)) if df else float("nan")


def holm(p: Array) -> Array:
    """Holm's step-down adjustment of p values; NaN stay so and count for nothing.

    With p_(1) <= ... <= p_(m), the adjusted p_(k) is max_{j <= k} min(1, (m - j + 1) p_(j)), Holm (1979).
    """
    out = np.full(len(p), np.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    out[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1.0)
    return out


def of_covariates(q: Quantities) -> Iterator[dict]:
    """Tests that a covariate has no effect on any class logit."""
    slopes = q.keys[q.keys["kind"] == "slope"]
    for (variable, term), part in slopes.groupby(["variable", "term"], sort=False):
        at = part.index.to_numpy()
        at = at[np.diag(q.covariance)[at] != 0]  # a reference class does not move
        statistic, df, p = wald(q.values[at], q.covariance[np.ix_(at, at)])
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
        statistic, df, p = wald(*_differences(q, pairs))
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
            statistic, df, p = wald(difference, covariance)
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
