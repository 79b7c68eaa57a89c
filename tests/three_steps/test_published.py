"""Published results of three steps (Mplus outputs); the folder of the data is named by BAYESMIX_REAL_DATA."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayesmix as bm

FOLDER = os.environ.get("BAYESMIX_REAL_DATA")
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not FOLDER, reason="BAYESMIX_REAL_DATA does not name the folder of the real data sets"),
]
CHEATING = ["LIEEXAM", "LIEPAPER", "FRAUD", "COPYEXAM"]
MATHS = ["enjoym", "goodm", "undrstdm", "nervousm", "scaredm"]
BOTH = {"mathjob": bm.normal(), "mathirt": bm.normal()}


def read(name):
    return pd.read_csv(Path(FOLDER) / f"{name}.csv")


@pytest.fixture(scope="module")
def cheating():
    df = read("cheating")
    return bm.fit(bm.models.lca(CHEATING, 2), df, progress=False), df


@pytest.fixture(scope="module")
def maths():
    df = read("lsay_three_step")
    fit = bm.fit(bm.models.lca(MATHS, 4), df, progress=False)
    assert fit.loglik == pytest.approx(-7062.701, abs=1e-3)
    seen = df[MATHS].notna().any(axis=1)
    return fit, df.assign(centred=df["female"] - df.loc[seen, "female"].mean())


def test_r3step_of_cheating(cheating):
    fit, df = cheating
    found = bm.three_step(fit, df, "GPA", uncertainty=False)
    assert found.n_units == 315
    table = found.coefficients(reference=1)  # cheaters against the others
    assert table.loc[(2, "GPA"), ["estimate", "se"]].to_numpy() == pytest.approx([-0.698, 0.255], abs=6e-4)
    assert table.loc[(2, "(intercept)"), ["estimate", "se"]].to_numpy() == pytest.approx([-0.241, 0.460], abs=6e-4)
    ratio = table.loc[(2, "GPA"), ["odds ratio", "OR lower", "OR upper"]].to_numpy()
    assert ratio == pytest.approx([0.498, 0.302, 0.820], abs=6e-4)


def test_du3step_of_cheating(cheating):
    """The published run leaves the four missing GPA out of step three; here they tell of the sizes of the classes.

    Without them it is 2.524 (.084), 1.357 (.108) and 69.51: the third digit of the published run is another in both
    ways.
    """
    fit, df = cheating
    found = bm.three_step(fit, df, outcomes="GPA", uncertainty=False)
    table = found.outcomes().loc["GPA"]
    assert table.loc[2, ["mean", "se"]].to_numpy() == pytest.approx([1.355, 0.107], abs=2e-3)
    assert table.loc[1, ["mean", "se"]].to_numpy() == pytest.approx([2.520, 0.082], abs=4e-3)
    assert found.tests["wald"].iloc[0] == pytest.approx(69.774, abs=0.2)
    shares = found.monitor.classes["step three"].to_numpy()
    assert shares == pytest.approx([0.83448, 0.16552], abs=1e-3)
    assert found.monitor.classes["moved"].to_numpy() == pytest.approx([0.0, 0.185], abs=5e-4)


def test_ml_of_two_outcomes_and_the_class(maths):
    fit, df = maths
    found = bm.three_step(
        fit, df, "centred", BOTH, outcome_covariates="centred", correlated=True, at="zero", uncertainty=False
    )
    assert (found.n_units, found.n_parameters) == (2675, 25)
    assert found.loglik == pytest.approx(-12742.252, abs=1e-3)
    row = found.tests.set_index("test").loc["equal outcomes, all"]
    assert (row["wald"], row["df"]) == (pytest.approx(184.697, abs=0.01), 6)


def test_bch_of_two_outcomes_and_the_class(maths):
    """The published log-likelihood is that of weights with three decimals: -12743.7 here, with the exact ones -12745.8.

    Estimates and their errors are the same.
    """
    fit, df = maths
    found = bm.three_step(
        fit, df, "female", BOTH, "bch", outcome_covariates="female", slopes="class", correlated=True, at="zero",
        uncertainty=False,
    )  # fmt: skip
    assert found.n_parameters == 31
    assert found.loglik == pytest.approx(-12744.043, abs=2)
    published = {
        ("mathirt", 4): [(62.854, 0.691), (-0.293, 0.879)], ("mathirt", 1): [(56.593, 0.943), (1.814, 1.362)],
        ("mathirt", 2): [(50.065, 1.110), (5.470, 1.566)], ("mathirt", 3): [(55.323, 2.073), (0.060, 2.349)],
        ("mathjob", 4): [(0.774, 0.022), (-0.016, 0.031)], ("mathjob", 1): [(0.648, 0.031), (0.085, 0.049)],
        ("mathjob", 2): [(0.527, 0.048), (0.090, 0.065)], ("mathjob", 3): [(0.521, 0.074), (0.035, 0.092)],
    }  # fmt: skip
    ours = {4: 1, 1: 2, 2: 3, 3: 4}  # largest first
    table = found.outcome_coefficients()
    for (name, k), rows in published.items():
        for term, numbers in zip(("(intercept)", "female"), rows, strict=True):
            one = table.xs((name, ours[k], term), level=("outcome", "class", "term"))[["estimate", "se"]]
            assert one.to_numpy()[0] == pytest.approx(np.array(numbers), abs=0.01), (name, k, term)
    class_slopes = found.coefficients(reference=1).xs("female", level="term")[["estimate", "se"]].to_numpy()
    expected = np.array([[-0.374, 0.124], [0.036, 0.131], [0.366, 0.181]])
    assert class_slopes == pytest.approx(expected, abs=1.5e-3)
    assert found.shared[["covariance", "se"]].to_numpy()[0] == pytest.approx([0.564, 0.133], abs=1e-3)
    row = found.tests.set_index("test").loc["equal outcomes, all"]
    assert (row["wald"], row["df"]) == (pytest.approx(129.503, abs=0.3), 6)
