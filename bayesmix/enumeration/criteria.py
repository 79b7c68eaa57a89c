"""Criteria that choose between numbers of classes, and what each of them would choose."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from bayesmix.results import Fit, SampleSize

SMALLEST = ("AIC", "AIC3", "BIC", "aBIC", "CAIC", "AWE", "ICL")
"""Criteria of which the smallest value is the best."""
TESTS = ("VLMR p", "LMR p", "BLRT p")
"""P values of a model against that with a class less."""
LARGEST = ("cmP", "elpd_loo", "log_marginal")
"""Criteria of which the largest value is the best."""
LEVEL, STRONG = 0.05, 3.0
"""Of the tests; the approximate Bayes factor from which a model is preferred to that with a class more (Masyn 2013)."""


def criteria(fits: Mapping[int, Fit], entropies: Mapping[int, float], n: SampleSize) -> pd.DataFrame:
    """Tabulate information criteria of fits by their numbers of classes; missing where every start collapsed.

    Parameters
    ----------
    fits : mapping of int to Fit
    entropies : mapping of int to float
        The sum over units of the entropy of their posterior class probabilities.
    n : {"individuals", "clusters"}
        The sample size.
    """
    rows = {}
    for k, f in fits.items():
        log_n, deviance, p = float(np.log(f.sample_size(n))), -2 * f.loglik, f.n_parameters
        rows[k] = {
            "AIC": f.aic,
            "BIC": f.bic_of(n),
            "aBIC": f.adjusted_bic_of(n),
            "AIC3": deviance + 3 * p,
            "CAIC": deviance + p * (log_n + 1),
            "AWE": deviance + 2 * p * (log_n + 1.5),
            "ICL": f.bic_of(n) + 2 * entropies[k],
        }
    out = pd.DataFrame.from_dict(rows, orient="index").rename_axis("classes")
    out.loc[[k for k, f in fits.items() if f.collapsed]] = np.nan
    half = -0.5 * out["BIC"]
    following = half.reindex(out.index + 1).to_numpy()
    with np.errstate(over="ignore"):
        out["BF"] = np.exp(half - following)
    weight = np.exp(half - half.max())
    out["cmP"] = weight / weight.sum()
    return out


def choices(table: pd.DataFrame) -> dict[str, int | None]:
    """Say how many classes each criterion of a table would choose; None where it would choose more than there are.

    Tests choose the smallest number that no larger one is significantly better than, one class more at a time, and the
    Bayes factor the smallest that is strongly preferred to the next one.
    """
    out: dict[str, int | None] = {}
    for name in (*SMALLEST, *LARGEST):
        if name in table and len(x := table[name].dropna()):
            best = x.to_numpy() == (x.min() if name in SMALLEST else x.max())
            out[name] = int(x.index[best][0])
    if "BF" in table and len(x := table["BF"].dropna()):
        preferred = x.index[x > STRONG]
        out["BF"] = int(preferred[0]) if len(preferred) else None
    for name in TESTS:
        if name in table and len(x := table[name].dropna()):
            kept = x.index[x > LEVEL]
            out[name.removesuffix(" p")] = int(kept[0]) - 1 if len(kept) else None
    return out
