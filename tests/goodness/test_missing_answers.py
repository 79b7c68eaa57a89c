"""How many answered what, and Little's test: against another way to compute it, its size, and refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import bayesmix as bm


def test_coverage_is_counted(gaps):
    model = bm.models.lca([*"abcde"], 2)
    found = bm.missing_data(model, gaps)
    seen = gaps[[*"abcde"]].notna()
    assert_allclose(found.coverage, seen.T.astype(float) @ seen.astype(float) / 400)
    assert found.patterns["n"].sum() == 400
    assert found.patterns["n"].is_monotonic_decreasing
    assert found.patterns.loc[0, [*"abcde"]].all()
    assert found.patterns.loc[0, "n"] == seen.all(axis=1).sum()
    pd.testing.assert_frame_equal(found.coverage, bm.missing_data([*"abcde"], gaps).coverage)
    assert "MISSING DATA" in bm.report(found)


def test_frequencies_count_and_rows_without_answers_are_said():
    df = pd.DataFrame({"a": [1, 0, np.nan, np.nan], "b": [1, 0, 1, np.nan], "n": [5, 3, 2, 4]})
    found = bm.missing_data(bm.models.lca(["a", "b"], 1, freq="n"), df)
    assert_allclose(found.coverage, [[8 / 14, 8 / 14], [8 / 14, 10 / 14]])
    assert (found.n, found.without) == (14.0, 4.0)
    assert "4 individuals answered no item" in repr(found)


def test_text_has_coverage():
    df = pd.DataFrame({"a": ["yes", None, "no"], "b": [1, 2, None]})
    assert_allclose(bm.missing_data(["a", "b"], df).coverage, [[2 / 3, 1 / 3], [1 / 3, 2 / 3]])


def test_two_items_of_which_one_has_gaps_are_a_t_test():
    """With gaps in one item only, the statistic is about the square of a t test of the other between both groups."""
    rng = np.random.default_rng(3)
    y = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], 500)
    y[:150, 1] = np.nan
    y[:150, 0] += 0.2
    found = bm.little_test(["u", "v"], pd.DataFrame(y, columns=["u", "v"]))
    gone = np.isnan(y[:, 1])
    t = stats.ttest_ind(y[gone, 0], y[~gone, 0]).statistic
    assert found.df == 1
    assert found.patterns == 2
    assert_allclose(found.statistic, 500 * t**2 / (498 + t**2), rtol=1e-4)  # with the variance of all
    assert_allclose(found.p, stats.chi2.sf(found.statistic, 1))


def test_little_has_its_size_and_power():
    rng, p, power = np.random.default_rng(8), [], []
    for _ in range(100):
        y = rng.multivariate_normal(np.zeros(3), 0.5 * np.eye(3) + 0.5, 150)
        gone = rng.random((150, 3)) < 0.15
        p.append(bm.little_test([*"abc"], pd.DataFrame(np.where(gone, np.nan, y), columns=[*"abc"])).p)
        some = np.where(np.arange(3) == 0, np.nan, y)
        power.append(bm.little_test([*"abc"], pd.DataFrame(np.where(y[:, [1]] > 0.7, some, y), columns=[*"abc"])).p)
    assert np.mean(np.array(p) < 0.05) <= 0.10
    assert abs(np.mean(p) - 0.5) < 0.09
    assert np.mean(np.array(power) < 0.05) > 0.95


def test_items_of_a_model_are_codes(gaps, fit_gaps):
    found = bm.little_test(fit_gaps, gaps)
    assert found.codes == (*"abcde",)
    assert_allclose(found.statistic, bm.little_test([*"abcde"], gaps).statistic)
    assert "codes of categories" in repr(found)


def test_what_cannot_be_is_refused(whole, gaps):
    with pytest.raises(ValueError, match="No answer is missing"):
        bm.little_test([*"abc"], whole)
    apart = whole.assign(a=whole["a"].where(whole.index < 200), b=whole["b"].where(whole.index >= 200))
    with pytest.raises(ValueError, match="no item in common"):
        bm.little_test(["a", "b"], apart)
    with pytest.raises(ValueError, match="'a' has the one value 1"):
        bm.little_test(["a", "b"], gaps.assign(a=1))
    with pytest.raises(ValueError, match="'a' has no answer"):
        bm.little_test(["a", "b"], gaps.assign(a=np.nan))
    with pytest.raises(ValueError, match="no inverse"):
        bm.little_test(["a", "b", "c"], gaps.assign(c=gaps["a"]))
    with pytest.raises(ValueError, match="'t' is text"):
        bm.little_test(["a", "t"], gaps.assign(t="x"))
    with pytest.raises(ValueError, match="'z'"):
        bm.missing_data(["a", "z"], gaps)
    with pytest.raises(TypeError, match="a list of columns"):
        bm.missing_data("a", gaps)
