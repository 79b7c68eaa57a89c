"""Data and fits of the tests of this folder."""

import numpy as np
import pandas as pd
import pytest
from goodness_data import QUICK, posterior

import bayesmix as bm


@pytest.fixture(scope="session")
def whole() -> pd.DataFrame:
    """400 persons of two classes, five binary items, no gaps, and a covariate."""
    rng = np.random.default_rng(11)
    c = rng.integers(0, 2, 400)
    df = pd.DataFrame({k: (rng.random(400) < np.where(c, 0.8, 0.25)).astype(int) for k in "abcde"})
    return df.assign(x=rng.normal(size=400).round(1), g=np.arange(400) % 25)


@pytest.fixture(scope="session")
def gaps(whole) -> pd.DataFrame:
    """The same with a tenth of the answers missing."""
    df = whole.copy()
    df[[*"abcde"]] = df[[*"abcde"]].mask(np.random.default_rng(12).random((400, 5)) < 0.1)
    return df


@pytest.fixture(scope="session")
def fit_whole(whole):
    return bm.fit(bm.models.lca([*"abcde"], 2), whole, **QUICK)


@pytest.fixture(scope="session")
def fit_gaps(gaps):
    return bm.fit(bm.models.lca([*"abcde"], 2), gaps, **QUICK)


@pytest.fixture(scope="session")
def post_whole(whole, fit_whole):
    return posterior(fit_whole, whole, predictive=40)
