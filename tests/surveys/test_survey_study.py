"""The study of informative samples in data/: a few replications, and what the table of all says."""

import sys
from pathlib import Path

import pandas as pd
import pytest

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture(scope="module")
def study():
    sys.path.insert(0, str(DATA))
    try:
        import survey_weights
    finally:
        sys.path.remove(str(DATA))
    return survey_weights


def _check(table: pd.DataFrame, within: float, coverage: float) -> None:
    """Weights take the bias away that a sample without them has."""
    at = table.set_index(["design", "way", "parameter"])
    for design, name, ways in (
        ("classes", "class_logit[1]", ["weights"]),
        ("clusters", "intercept", ["cluster", "effective", "unscaled"]),
    ):
        assert abs(at.loc[(design, "no weights", name), "bias"]) > 0.5
        for way in ways:
            row = at.loc[(design, way, name)]
            assert abs(row["bias"]) < within
            assert row["coverage"] >= coverage


def test_a_few_replications(study):
    _check(study.table(3, first=1000), 0.3, 0.3)


def test_the_kept_table():
    table = pd.read_csv(DATA / "studies" / "survey_weights.csv")
    assert (table["replications"] == 200).all()
    _check(table, 0.03, 0.92)
    own = table[table["way"].isin(["weights", "cluster", "effective"])]
    assert ((own["se"] / own["sd"]).between(0.85, 1.15)).all()
    assert (own["coverage"] > 0.91).all()


def test_the_kept_table_of_three_steps():
    """Without weights the last step is off; with them it is not, and its errors cover."""
    table = pd.read_csv(DATA / "studies" / "survey_steps.csv").set_index(["method", "way", "quantity"])
    assert len(table) == 12
    assert (table["replications"] == 100).all()
    for (_, way, _), row in table.iterrows():
        if way == "no weights":
            assert abs(row["bias"]) > 0.09
            assert row["coverage"] < 0.2
        else:
            assert abs(row["bias"]) < 0.05
            assert row["coverage"] > 0.88  # 100 replications: three standard errors
            assert 0.8 < row["se"] / row["sd"] < 1.25


@pytest.mark.slow
def test_other_replications_agree(study):
    _check(study.table(60, first=5000), 0.08, 0.86)
