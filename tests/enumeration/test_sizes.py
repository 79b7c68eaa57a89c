"""How often tests of a class more reject where the smaller model is true."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

DATA = Path(__file__).parents[2] / "data"
sys.path.insert(0, str(DATA))
import sizes  # noqa: E402

sys.path.remove(str(DATA))


@pytest.mark.parametrize("name", sizes.CASES)
def test_the_bootstrap_holds_its_level_in_the_kept_study(name):
    kept = pd.read_csv(sizes.kept(name))
    assert len(kept) == 300
    assert kept["bootstrap"].between(0, 1).all()
    share, low, high = sizes.rejected(kept["bootstrap"])
    assert 0.03 <= share <= 0.07
    assert low < 0.05 < high


def test_a_replication_has_a_p_value_of_each_test():
    number, bootstrap, vuong, drawn = sizes.replication("lca", 2)
    assert number == 2
    assert 0 < bootstrap <= 1
    assert 0 <= vuong <= 1
    assert 10 <= drawn <= 100


@pytest.mark.slow
@pytest.mark.parametrize("name", sizes.CASES)
def test_small_p_values_are_rare(name):
    """A few data sets that are not among those kept."""
    p = np.array([sizes.replication(name, 1000 + k)[1] for k in range(20)])
    assert (p <= 0.05).sum() <= 4
    assert p.mean() > 0.25
