"""Bias and coverage in the conditions of Bakk and Kuha (2018): of the kept study, and of further data sets."""

import warnings

import numpy as np
import pandas as pd
import pytest
from three_classes import three_steps

SES = [f"se_{k}" for k in three_steps.QUANTITIES]


@pytest.fixture(scope="module")
def kept():
    return pd.read_csv(three_steps.KEPT)


def test_bias_is_small_and_intervals_cover_in_the_kept_study(kept):
    table = three_steps.summary(kept)
    ours = table[table["program"] == "bayesmix"]
    assert (ours["data sets"] == 300).all()
    assert len(ours) == len(three_steps.METHODS)
    assert (ours.filter(like="bias").abs() < 0.05).all(axis=None)
    assert ours["mean coverage"].between(0.94, 0.97).all()
    assert ours["lowest coverage"].min() > 0.93
    assert ours["lowest SE / SD"].min() > 0.95
    assert ours["highest SE / SD"].max() < 1.1


def test_stepmix_said_the_same_by_ml_and_in_two_steps(kept):
    table = three_steps.summary(kept).set_index(["program", "method", "assignment"])
    for key in (("ml", "modal"), ("two-step", "modal")):
        row = table.loc[("stepmix", *key)]
        assert row["data sets"] >= 50
        assert row["slopes apart"] < 1e-3
        assert row["means apart"] < 5e-3
    assert table.loc[("stepmix", "bch", "modal"), "means apart"] < 1e-3
    # where they differ, the truth is on our side
    for key in (("ml", "proportional"), ("bch", "modal")):
        assert abs(table.loc[("stepmix", *key), "bias of slope_2"]) > 0.3
        assert abs(table.loc[("bayesmix", *key), "bias of slope_2"]) < 0.05


def test_a_replication_is_the_kept_one(kept):
    rows = pd.DataFrame([*three_steps.replication(3, beside=False)], columns=three_steps.COLUMNS)
    there = kept[(kept["replication"] == 3) & (kept["program"] == "bayesmix")]
    numbers = [*three_steps.QUANTITIES, *SES]
    assert rows[numbers].to_numpy(dtype=float) == pytest.approx(
        there[numbers].to_numpy(dtype=float), rel=1e-3, abs=1e-3
    )


@pytest.mark.slow
def test_further_data_sets_are_like_those_that_are_kept():
    rows = [r for k in range(1000, 1040) for r in three_steps.replication(k, beside=False)]
    table = pd.DataFrame(rows, columns=three_steps.COLUMNS)
    found = three_steps.summary(table)
    assert found["mean coverage"].between(0.9, 0.99).all()
    for _, part in table.groupby(["method", "assignment"]):
        b = part[three_steps.QUANTITIES].to_numpy(dtype=float)
        error = b.std(axis=0, ddof=1) / np.sqrt(len(b))
        assert (np.abs(b.mean(axis=0) - three_steps.TRUE) < 4 * error + 0.03).all()


def test_stepmix_says_the_same_now():
    pytest.importorskip("stepmix")
    df = three_steps.drawn(three_steps.ROWS, three_steps.SEPARATION, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = three_steps.fitted(df, three_steps.SEPARATION)
        for key in (("ml", "modal"), ("two-step", "modal")):
            ours = three_steps.ours(fit, df, *key)[0]
            assert three_steps.of_stepmix(fit, df, *key, seed=1) == pytest.approx(ours, abs=5e-3)
