"""The study of growth that is kept beside its script: intervals hold the truth, and a part of it comes out again."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

FOLDER = Path(__file__).parents[2] / "data"


def script():
    spec = importlib.util.spec_from_file_location("growth_study", FOLDER / "growth.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["mixture", "binary"])
def test_intervals_hold_the_true_values(name):
    table = pd.read_csv(FOLDER / "studies" / f"growth_{name}.csv", index_col="entry").dropna(subset="cover")
    assert (table["n"] == 100).all()
    assert table["cover"].between(0.88, 1.0).all()  # of 100 samples, three standard errors of .95
    off = (table["average"] - table["population"]).abs()
    assert (off < 4 * table["sd"] / np.sqrt(table["n"]) + 0.01 * table["population"].abs()).all()


@pytest.mark.parametrize("replications", [5, pytest.param(100, marks=pytest.mark.slow)])
def test_the_study_again(replications):
    table = script().run("mixture", replications)
    kept = pd.read_csv(FOLDER / "studies" / "growth_mixture.csv", index_col="entry")
    assert list(table.index) == list(kept.index)
    away = (table["average"] - kept["average"]).abs()
    assert (away < 4 * kept["sd"] / np.sqrt(replications) + 1e-3).all()
