"""Samples whose rows and clusters are drawn by what is to be estimated: with and without their weights.

    python data/survey_weights.py [replications]

A population is drawn once for each replication. Two designs:

*classes*: 4,000 persons of two classes (sizes 0.6 and 0.4) over five binary items, of whom those of the second class
are drawn four times as often: 600 or so, single-level latent class analysis with ``weights=``.

*clusters*: 400 clusters of 60 rows, y = 1 + u + e with SDs 1 and 1. Clusters with u > 0 are drawn three times as often
as others (about 100), and in these rows with e > 0 twice as often (about 30): a random intercept with ``weights=``,
``cluster_weights=`` and each scaling.

The table has, by parameter and way of weighting, the mean estimate, its bias, the SD of the estimates, the mean
standard error and the coverage of 95% intervals.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

import bayesmix as bm

FOLDER = Path(__file__).parent / "studies"
ITEMS = list("abcde")
QUICK = {"starts": 4, "finals": 2, "rounds": 1, "budget": 0.0, "simpler": False, "progress": False}
SLOPES = np.array([[1.8, 1.4, 1.9, 1.2, 1.5], [-1.5, -1.9, -1.2, -1.7, -1.4]])


def classes(seed: int) -> pd.DataFrame:
    """Persons of the second class are drawn four times as often."""
    rng = np.random.default_rng([seed, 1])
    c = (rng.random(4000) < 0.4).astype(int)
    df = pd.DataFrame((rng.random((4000, 5)) < 1 / (1 + np.exp(-SLOPES[c]))).astype(int), columns=ITEMS)
    p = np.where(c == 1, 0.28, 0.07)
    return df.assign(w=1 / p)[rng.random(4000) < p].reset_index(drop=True)


def clusters(seed: int) -> pd.DataFrame:
    """Clusters and rows are drawn by their residuals."""
    rng = np.random.default_rng([seed, 2])
    g = np.repeat(np.arange(400), 60)
    u, e = rng.normal(size=400), rng.normal(size=24000)
    pb, pw = np.where(u > 0, 0.39, 0.13), np.where(e > 0, 0.66, 0.33)
    kept = (rng.random(400) < pb)[g] & (rng.random(24000) < pw)
    return pd.DataFrame({"y": 1 + u[g] + e, "g": g, "v": 1 / pw, "b": 1 / pb[g]})[kept].reset_index(drop=True)


def fits(seed: int) -> pd.DataFrame:
    """Estimates and errors of one replication."""
    rows = []

    def told(design: str, way: str, fit: bm.Fit, truth: dict[str, float]) -> None:
        found = fit.summary()
        rows.extend((design, way, k, t, found.loc[k, "estimate"], found.loc[k, "se"]) for k, t in truth.items())

    df, model = classes(seed), bm.models.lca(ITEMS, 2)
    like = {"item_logit": np.stack([np.zeros((2, 5)), SLOPES], axis=-1)}
    truth = {"class_logit[1]": float(np.log(1.5)), "item_logit[1, a, 1]": 1.8}
    for way, own in (("no weights", model), ("weights", bm.survey(model, weights="w"))):
        told("classes", way, bm.fit(own, df, like=like, **QUICK), truth)
    df, model = clusters(seed), bm.models.regression_mixture("y ~ 1", 1, cluster="g", random="1")
    truth = {"intercept": 1.0, "u_intercept_sd": 1.0, "residual_sd": 1.0}
    ways = {"no weights": model}
    for scaling in ("cluster", "effective", "unscaled"):
        ways[scaling] = bm.survey(model, weights="v", cluster_weights="b", scaling=scaling)
    for way, own in ways.items():
        told("clusters", way, bm.fit(own, df, **QUICK), truth)
    return pd.DataFrame(rows, columns=["design", "way", "parameter", "truth", "estimate", "se"])


def table(replications: int, first: int = 0) -> pd.DataFrame:
    """Bias, spread and coverage over the replications."""
    return replicated(fits, ["design", "way", "parameter"], range(first, first + replications))


def replicated(one: Callable[[int], pd.DataFrame], by: list[str], seeds: range) -> pd.DataFrame:
    """Bias, spread and coverage of what `one` estimates from each seed, by its columns `by`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        each = pd.concat([one(seed) for seed in seeds])
    each["covered"] = (each["estimate"] - each["truth"]).abs() < 1.959964 * each["se"]
    out = each.groupby(by, sort=False).agg(
        truth=("truth", "first"), mean=("estimate", "mean"), sd=("estimate", "std"), se=("se", "mean"),
        coverage=("covered", "mean"),
    )  # fmt: skip
    out.insert(2, "bias", out["mean"] - out["truth"])
    return out.assign(replications=len(seeds)).reset_index()


if __name__ == "__main__":
    found = table(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
    found.round(4).to_csv(FOLDER / "survey_weights.csv", index=False)
    print(found.round(3).to_string(index=False))
