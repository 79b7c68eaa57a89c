"""Every template with data of every kind, for tests that go through all of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

import bayesmix as bm
from bayesmix.spec import Model

B = ["b1", "b2", "b3", "b4"]
FAMILIES = {
    "b1": bm.bernoulli(), "n1": bm.nominal(), "o1": bm.ordinal(), "y1": bm.normal(), "y2": bm.normal(),
    "k1": bm.poisson(),
}  # fmt: skip
CATEGORICAL: dict[str, Callable[[], Model]] = {
    "lca": lambda: bm.models.lca(B, 3),
    "lca, covariates": lambda: bm.models.lca(B, 2, "x"),
    "lca, two-level": lambda: bm.models.lca(B, 2, cluster="g"),
    "lca, classes of clusters": lambda: bm.models.lca(
        B, 2, cluster="g", effects="none", cluster_classes=2, cluster_class_covariates="w"
    ),
    "lta": lambda: bm.models.lta([B[:2], B[2:]], 2),
    "lta, two-level": lambda: bm.models.lta([B[:2], B[2:]], 2, cluster="g"),
    "gom": lambda: bm.models.gom(B, 2, family=bm.bernoulli("probit")),
    "gom, three": lambda: bm.models.gom(B, 3, family=bm.bernoulli()),
    "gom, two-level": lambda: bm.models.gom(B, 2, cluster="g"),
    "fma": lambda: bm.models.fma(B, 2),
    "fma, ordinal": lambda: bm.models.fma(["o1", "o2", "b1"], 2, family=bm.ordinal()),
    "fma, two-level": lambda: bm.models.fma(B, 2, cluster="g"),
    "fma_gom": lambda: bm.models.fma_gom(B, 2),
    "irt_3pl": lambda: bm.models.irt_3pl(B),
    "irt_3pl, two-level": lambda: bm.models.irt_3pl(B, cluster="g"),
    "guessing_as_membership": lambda: bm.models.guessing_as_membership(B),
    "lca, item covariates": lambda: bm.models.lca(B, 2, item_covariates={"b1": "x"}),
    "lca, groups": lambda: bm.models.lca(B, 2, group="h", measurement_by_group="free"),
    "lta, random intercept": lambda: bm.models.lta([B[:2], B[2:]], 2, family=bm.bernoulli(), random_intercept="item"),
    "lta, stayers": lambda: bm.models.lta([["b1"], ["b2"], ["b3"], ["b4"]], 2, stayers=True),
    "fma, partial credit": lambda: bm.models.fma(["o1", "o2", "b1"], 1, family=bm.partial_credit()),
}
NUMBERS: dict[str, Callable[[], Model]] = {
    "lca, normal": lambda: bm.models.lca(["y1", "y2", "y3"], 2, family=bm.normal(), variance="class"),
    "lca, mixed": lambda: bm.models.lca([*FAMILIES], 2, family=FAMILIES),
    "lca, mixed, covariates": lambda: bm.models.lca([*FAMILIES], 2, "x", family=FAMILIES),
    "lca, normal, two-level": lambda: bm.models.lca(["y1", "y2"], 2, family=bm.normal(), cluster="g"),
    "lca, mixed, two-level, covariates": lambda: bm.models.lca([*FAMILIES], 2, "x", family=FAMILIES, cluster="g"),
    "fma, normal": lambda: bm.models.fma(["y1", "y2", "y3"], 2, family=bm.normal()),
    "fma, normal, two-level": lambda: bm.models.fma(["y1", "y2", "y3"], 1, family=bm.normal(), cluster="g"),
    "gom, normal": lambda: bm.models.gom(["y1", "y2", "k1"], 2, family={k: FAMILIES[k] for k in ("y1", "y2", "k1")}),
    "count_mixture": lambda: bm.models.count_mixture(["k1", "k2"], 2),
    "count_mixture, two-level": lambda: bm.models.count_mixture(["k1", "k2"], 2, cluster="g"),
    "regression_mixture": lambda: bm.models.regression_mixture("y1 ~ x", 2),
    "regression_mixture, two-level": lambda: bm.models.regression_mixture(
        "y1 ~ x", 2, cluster="g", random="1 + x", cluster_covariates="w"
    ),
    "regression_mixture, outcomes": lambda: bm.models.regression_mixture("y1 ~ x; y2 ~ x + w", 2),
    "regression_mixture, outcomes of several families": lambda: bm.models.regression_mixture(
        ["y1 + y2 ~ x", "b1 + k1 ~ w"], 2, None, {"b1": bm.bernoulli(), "k1": bm.poisson()}
    ),
    "regression_mixture, outcomes, two-level": lambda: bm.models.regression_mixture(
        "y1 + y2 ~ x", 1, cluster="g", random="1 + x", cluster_covariates="w"
    ),
    "lca, inflated": lambda: bm.models.lca(["k1", "k2"], 2, family=bm.zero_inflated_poisson()),
    "lca, inflated and overdispersed": lambda: bm.models.lca(
        ["k1", "k2"], 2, family=bm.zero_inflated_negative_binomial()
    ),
    "lca, offset": lambda: bm.models.lca(["k1", "k2"], 2, family=bm.poisson(), offset="x"),
    "lca, trials": lambda: bm.models.lca(["o1", "o2"], 2, family=bm.binomial(4)),
    "lca, limits": lambda: bm.models.lca(["y1", "y2"], 2, family=bm.censored_normal(lower=-4.0)),
    "lca, covariances": lambda: bm.models.lca(["y1", "y2", "y3"], 2, family=bm.normal(), covariance="class"),
    "growth": lambda: bm.models.growth(["y1", "y2", "y3"], 2, random="1"),
    "nels A": lambda: bm.models.nels("A", 2, "y1 ~ x", "w", "g", "x"),
}  # fmt: skip


def frame(clusters: int, rows: int, seed: int = 0) -> pd.DataFrame:
    """Covariates and clusters, and items of every kind to be replaced by simulated ones."""
    rng, n = np.random.default_rng(seed), clusters * rows
    out = {k: rng.integers(0, 2, n).astype(float) for k in B}
    out |= {k: rng.integers(0, 3, n).astype(float) for k in ("o1", "o2", "n1")}
    out |= {k: rng.normal(2.0, 3.0, n) for k in ("y1", "y2", "y3")}
    out |= {k: rng.poisson(2.0, n).astype(float) for k in ("k1", "k2")}
    for k in ("y1", "y2"):
        out[k] = np.maximum(out[k], -4.0)
    df = pd.DataFrame(out).assign(x=rng.normal(size=n).round(1), g=np.repeat(np.arange(clusters), rows))
    df = df.assign(h=np.arange(n) % 2)
    return df.assign(w=np.repeat(rng.normal(size=clusters).round(1), rows))
