"""Three steps in samples whose clusters and rows are drawn by the classes: with and without their weights.

    python data/survey_steps.py [replications]

A population of 400 clusters of 40 persons is drawn once for each replication. A person is of the second of two classes
with the logit -0.4 + u + 0.6 x, u and x standard normal but for the SD 0.7 of u, which is that of the cluster. Five
binary items measure the classes; y = 1[second class] + 0.5 x + e, e with the SD 0.5. Clusters with u > 0 are drawn
three times as often as others, and in these persons of the second class with x > 0 twice as often as others: about 100
clusters and 1,300 persons.

Step one is the two-level latent class model, with ``weights=`` and ``cluster_weights=`` or without. The last step has
the slope of x on the class, and the mean of y in the second class. True values: "two-step" has the slope given the
cluster, 0.6. Those of "ml" and "bch" are those of the population whatever the cluster, by quadrature.

The table has, by method and way of weighting, the mean estimate, its bias, the SD of the estimates, the mean standard
error and the coverage of 95% intervals.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.polynomial.hermite_e import hermegauss
from scipy import optimize, special
from survey_weights import replicated

import bayesmix as bm

FOLDER = Path(__file__).parent / "studies"
ITEMS = list("abcde")
QUICK = {"starts": 2, "finals": 1, "rounds": 1, "budget": 0.0, "simpler": False, "progress": False}
SLOPES = np.array([[1.8, 1.4, 1.9, 1.2, 1.5], [-1.5, -1.9, -1.2, -1.7, -1.4]])
INTERCEPT, SD, SLOPE = -0.4, 0.7, 0.6


def sample(seed: int) -> pd.DataFrame:
    """Clusters are drawn by their effects, persons by class and covariate."""
    rng = np.random.default_rng([seed, 3])
    g = np.repeat(np.arange(400), 40)
    u, x = SD * rng.normal(size=400), rng.normal(size=len(g))
    c = (rng.random(len(g)) < special.expit(INTERCEPT + u[g] + SLOPE * x)).astype(int)
    y = c + 0.5 * x + 0.5 * rng.normal(size=len(g))
    df = pd.DataFrame((rng.random((len(g), 5)) < special.expit(SLOPES[c])).astype(int), columns=ITEMS)
    between, within = np.where(u > 0, 0.39, 0.13), np.where((c == 1) & (x > 0), 0.5, 0.25)
    kept = (rng.random(400) < between)[g] & (rng.random(len(g)) < within)
    return df.assign(g=g, x=x, y=y, v=1 / within, bw=1 / between[g])[kept].reset_index(drop=True)


def truth() -> dict[str, float]:
    """The slope and the mean in the population, over its clusters."""
    z, q = hermegauss(61)
    q = q / q.sum()
    p = q @ special.expit(INTERCEPT + SD * z[:, None] + SLOPE * z)  # by x

    def loss(b: np.ndarray) -> float:
        """Of the logistic regression of the class on x alone."""
        eta = b[0] + b[1] * z
        return float(-q @ (p * eta - np.logaddexp(0, eta)))

    slope = optimize.minimize(loss, [0.0, 0.5]).x[1]
    return {"slope of x": float(slope), "mean of y": 1 + 0.5 * float(q @ (p * z)) / float(q @ p)}


def steps(seed: int) -> pd.DataFrame:
    """Estimates and errors of one replication."""
    df, rows, true = sample(seed), [], truth()
    model = bm.models.lca(ITEMS, 2, cluster="g")
    like = {"item_logit": np.stack([np.zeros((2, 5)), SLOPES], axis=-1)}
    for way, own in (("no weights", model), ("weights", bm.survey(model, weights="v", cluster_weights="bw"))):
        fit = bm.fit(own, df, like=like, **QUICK)
        second = int(fit.probabilities["item_probability"][:, 0, 1].argmin()) + 1
        for method in ("ml", "bch", "two-step"):
            slope = bm.three_step(fit, df, "x", method=method).coefficients(reference=3 - second).loc[(second, "x")]
            mean = bm.three_step(fit, df, None, "y", method=method).outcomes().loc[("y", second)]
            known = {**true, "slope of x": SLOPE} if method == "two-step" else true
            rows.append((method, way, "slope of x", known["slope of x"], slope["estimate"], slope["se"]))
            rows.append((method, way, "mean of y", known["mean of y"], mean["mean"], mean["se"]))
    return pd.DataFrame(rows, columns=["method", "way", "quantity", "truth", "estimate", "se"])


def table(replications: int, first: int = 0) -> pd.DataFrame:
    """Bias, spread and coverage over the replications."""
    return replicated(steps, ["method", "way", "quantity"], range(first, first + replications))


if __name__ == "__main__":
    found = table(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
    found.round(4).to_csv(FOLDER / "survey_steps.csv", index=False)
    print(found.round(3).to_string(index=False))
