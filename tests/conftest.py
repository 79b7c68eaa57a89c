"""Data and fits that several tests share, made once a session."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from bayesmix.models.lca import lca

import bayesmix as bm

ITEMS = ["a", "b", "c", "d", "e"]
TRUTH = {
    "class_logit": np.array([0.4, 0.0]),
    "item_logit": np.stack(
        [np.zeros((2, 5)), np.array([[1.8, 1.4, 1.9, 1.2, 1.5], [-1.5, -1.9, -1.2, -1.7, -1.4]])], axis=-1
    ),
}


@pytest.fixture(autouse=True)
def closed_figures():
    """No picture of one test stays open in the next."""
    yield
    plt.close("all")


@pytest.fixture(scope="session")
def two_classes() -> pd.DataFrame:
    """600 persons, five binary items, two well-separated classes, some answers missing."""
    df = bm.simulate(lca(ITEMS, 2), TRUTH, n=600, seed=3)
    gone = np.random.default_rng(4).random((600, 5)) < 0.05
    df[ITEMS] = df[ITEMS].astype(float).mask(gone)
    return df


@pytest.fixture(scope="session")
def fitted(two_classes):
    """The two-class solution."""
    return bm.fit(lca(ITEMS, 2), two_classes)


@pytest.fixture(scope="session")
def sampled(two_classes, fitted):
    """Its posterior."""
    return bm.sample(fitted, two_classes, draws=500, tune=500, seed=5, progress=False)
