"""Fits that the tests of inference share."""

import numpy as np
import pandas as pd
import pytest
from bayesmix.models import lca

import bayesmix as bm

QUICK = {"starts": 6, "finals": 2, "rounds": 1, "budget": 0, "progress": False}
FOUR = list("abcd")


@pytest.fixture(scope="session")
def persons() -> pd.DataFrame:
    """400 persons, four binary items, two classes that a covariate predicts, twenty clusters."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=400)
    c = rng.random(400) < 1 / (1 + np.exp(-0.8 * x))
    df = pd.DataFrame({k: (rng.random(400) < np.where(c, 0.85, 0.2)).astype(int) for k in FOUR})
    return df.assign(x=x, w=rng.normal(size=400), g=np.arange(400) % 20)


@pytest.fixture(scope="session")
def predicted(persons):
    """Classes predicted by x and w."""
    return bm.fit(lca(FOUR, 2, "x + w"), persons, **QUICK)


@pytest.fixture(scope="session")
def plain(persons):
    """The same classes without covariates."""
    return bm.fit(lca(FOUR, 2), persons, **QUICK)
