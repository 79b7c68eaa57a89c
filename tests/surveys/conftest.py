"""A sample with weights, strata and primary sampling units, and a model of two classes."""

import numpy as np
import pandas as pd
import pytest

import bayesmix as bm

QUICK = {"starts": 4, "rounds": 1, "progress": False}
ITEMS = list("abcd")
TRUTH = {
    "class_logit": np.array([0.4, 0.0]),
    "item_logit": np.stack([np.zeros((2, 4)), np.array([[1.8, 1.4, 1.9, 1.2], [-1.5, -1.9, -1.2, -1.7]])], -1),
}


@pytest.fixture(scope="session")
def drawn() -> pd.DataFrame:
    """400 rows in 10 strata of 4 primary sampling units, whose labels are those of every stratum."""
    rng = np.random.default_rng(5)
    df = bm.simulate(bm.models.lca(ITEMS, 2), TRUTH, n=400, seed=1)
    df[ITEMS] = df[ITEMS].astype(float).mask(rng.random((400, 4)) < 0.05)
    df["w"] = rng.choice([1, 2, 3], 400)
    df["s"], df["p"] = np.repeat(np.arange(10), 40), np.tile(np.repeat(np.arange(4), 10), 10)
    df["x"] = rng.normal(size=400).round(1)
    df["y"] = 1 + 0.5 * df["x"] + df["p"] * 0.3 + rng.normal(size=400)
    return df


@pytest.fixture(scope="session")
def two() -> bm.Model:
    """Two classes."""
    return bm.models.lca(ITEMS, 2)


@pytest.fixture(scope="session")
def of_design(two, drawn) -> bm.Fit:
    """Fitted with weights, strata and primary sampling units."""
    return bm.fit(two, drawn, weights="w", strata="s", psu="p", **QUICK)
