"""Published results of three steps (Mplus outputs); the folder of the data is named by BAYESMIX_REAL_DATA."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

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
    """Mplus holds the class sizes of step one in the last step, and has the robust errors of the observed information.

    With these every published digit is met, but for the chi-square, 69.775 here. Class sizes that are estimated give
    2.523 (.084), 1.356 (.108) and 69.63; rows without GPA left out of step one too, 2.520 (.082), 1.354 (.107) and
    69.84; equal variances 21.2; errors by the information alone 85.3.
    """
    fit, df = cheating
    found = bm.three_step(fit, df, outcomes="GPA", sizes="held", uncertainty=False)
    table = found.outcomes().loc["GPA"][["mean", "se"]]
    assert table.loc[2].to_numpy() == pytest.approx([1.355, 0.107], abs=5.01e-4)
    assert table.loc[1].to_numpy() == pytest.approx([2.520, 0.082], abs=5.01e-4)
    assert found.tests["wald"].iloc[0] == pytest.approx(69.774, abs=1.5e-3)
    assert found.monitor.classes["moved"].to_numpy() == pytest.approx([0.0, 0.185], abs=5e-4)
    free = bm.three_step(fit, df, outcomes="GPA", uncertainty=False)
    assert free.outcomes()["mean"].to_numpy() == pytest.approx([2.5228, 1.3561], abs=5e-4)
    assert free.tests["wald"].iloc[0] == pytest.approx(69.627, abs=5e-3)
    # its classes of the rows with GPA, as printed
    p, y = fit.classes["C_posterior"].values, df["GPA"].to_numpy()
    log_d = np.log(found.errors.to_numpy())[:, p.argmax(axis=1)].T
    each = log_d + np.log(fit.probabilities["C_probability"].values)
    each = each + stats.norm.logpdf(y[:, None], found.outcomes()["mean"].to_numpy(), found.outcomes()["sd"].to_numpy())
    after = special.softmax(each[~np.isnan(y)], axis=1).mean(axis=0)
    assert after == pytest.approx([0.83448, 0.16552], abs=2e-5)


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
    """Estimates and errors are the published ones; the log-likelihood, -12744.043 in print, is -12745.780 here.

    The published run has weights with three decimals. In 432 rows they sum to .999; the printed class counts are those
    of rows divided by their sums (434.717 in the second class, where the weights as they are have 434.200), and at the
    printed estimates the log-likelihood is -12745.937 with these and -12743.675 with the weights as they are. The
    printed value is neither, nor one with a part of it (classes, squares, determinants, constants) by the one and the
    rest by the other. What is compared between models, estimates, errors and the Wald test, does not depend on it.
    """
    fit, df = maths
    found = bm.three_step(
        fit, df, "female", BOTH, "bch", outcome_covariates="female", slopes="class", correlated=True, at="zero",
        uncertainty=False,
    )  # fmt: skip
    assert found.n_parameters == 31
    assert found.loglik == pytest.approx(-12745.780, abs=2e-3)
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
    assert (row["wald"], row["df"]) == (pytest.approx(129.503, abs=0.005), 6)
