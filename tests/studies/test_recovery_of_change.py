"""Whether models of change are recovered from data that they are true of."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

DATA = Path(__file__).parents[2] / "data"
sys.path.insert(0, str(DATA))
import change  # noqa: E402

sys.path.remove(str(DATA))


@pytest.mark.parametrize("name", change.MODELS)
def test_the_kept_study_has_no_bias_and_intervals_that_cover(name):
    """Of 100 data sets: averages within 3.5 Monte Carlo errors of the truth, 95% intervals that hold it as often."""
    kept = pd.read_csv(change.kept(name), index_col="entry")
    assert (kept["n"] == 100).all()
    error = (kept["average"] - kept["population"]).abs() / (kept["sd"] / np.sqrt(kept["n"]))
    assert error.median() < 1.5
    assert ((kept["average"] - kept["population"]).abs() < 0.25 * kept["sd"] + 3.5 * kept["sd"] / 10).all()
    assert kept["cover"].between(0.87, 1.0).all()
    assert 0.93 <= kept["cover"].mean() <= 0.975
    assert (kept["average_se"] / kept["sd"]).median() == pytest.approx(1.0, abs=0.12)


@pytest.mark.slow
@pytest.mark.parametrize("name", change.MODELS)
def test_a_few_more_data_sets_agree(name):
    """With other seeds than those kept."""
    found = change.run(name, 6, seed=1)
    z = (found["average"] - found["population"]) / (found["average_se"] / np.sqrt(6))
    assert np.abs(z).max() < 4
    assert found["cover"].mean() > 0.85
