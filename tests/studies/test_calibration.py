"""Simulation-based calibration: ranks of true parameters among draws of their posteriors are uniform."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

DATA = Path(__file__).parents[2] / "data"
sys.path.insert(0, str(DATA))
import calibration  # noqa: E402

sys.path.remove(str(DATA))
UNLIKELY = 1e-3


@pytest.mark.parametrize("name", calibration.MODELS)
def test_the_kept_ranks_are_uniform(name):
    ranks, n = pd.read_csv(calibration.kept(name)), calibration.MODELS[name].replications
    table = calibration.uniform(ranks)
    assert (table["n"] == n).all()
    assert ranks["rank"].between(0, calibration.DRAWS).all()
    assert table["p"].min() > UNLIKELY / len(table)
    # of the mean of 100 uniform ranks the standard deviation is 2.9
    assert (table["mean"] - calibration.DRAWS / 2).abs().max() < 4 * 2.9 * (100 / n) ** 0.5


def test_ranks_that_are_not_uniform_are_found():
    """Draws that are too narrow, and draws that lie too high."""
    rng = np.random.default_rng(1)
    truth, n = rng.normal(size=100), calibration.DRAWS
    right, narrow, high = (
        (truth[:, None] > rng.normal(mean, sd, size=(100, n))).sum(axis=1) for mean, sd in ((0, 1), (0, 0.5), (0.5, 1))
    )
    ranks = {"right": right, "narrow": narrow, "high": high}
    found = calibration.uniform(pd.concat([pd.DataFrame({"entry": k, "rank": v}) for k, v in ranks.items()]))["p"]
    assert found["right"] > UNLIKELY
    assert found["narrow"] < UNLIKELY
    assert found["high"] < UNLIKELY


def test_a_replication_has_a_rank_for_each_free_entry():
    found = calibration.replication("two_level_regression", 3)
    assert sorted(found["entry"]) == ["coefficient[0]", "intercept[]", "residual_sd[]", "u_intercept_sd[]"]
    assert found["rank"].between(0, calibration.DRAWS).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", calibration.MODELS)
def test_ranks_are_uniform(name):
    """Ten times as few as are kept, made anew."""
    ranks = pd.concat([calibration.replication(name, 1000 + k) for k in range(10)])
    counts = np.histogram(ranks["rank"], bins=4, range=(0, calibration.DRAWS + 1))[0]
    assert counts.min() > 0.1 * counts.sum() / 4
    assert 0.25 < ranks["rank"].mean() / calibration.DRAWS < 0.75
