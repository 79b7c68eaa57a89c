"""Chi-squares of response patterns: by hand, against published numbers, and their p values."""

from __future__ import annotations

import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from goodness_data import QUICK, posterior
from numpy.testing import assert_allclose
from scipy import optimize, stats

import bayesmix as bm
from bayesmix.goodness.judged import Judged
from bayesmix.goodness.unrestricted import whole_table

REAL = os.environ.get("BAYESMIX_REAL_DATA")


def by_hand(fit, df, items):
    """Observed and expected numbers of all cells, by the formula of a latent class model."""
    size = fit.probabilities["C_probability"].values
    p = fit.probabilities["item_probability"].transpose("C", "item", "category").values
    cells = list(product(*[range(p.shape[2])] * len(items)))
    e = np.array([sum(s * np.prod([p[c, j, k] for j, k in enumerate(y)]) for c, s in enumerate(size)) for y in cells])
    o = df[items].value_counts()
    return np.array([o.get(y, 0) for y in cells]), len(df) * e


def test_chi_squares_are_those_of_the_table(whole, fit_whole):
    o, e = by_hand(fit_whole, whole, [*"abcde"])
    found = bm.goodness_of_fit(fit_whole, whole)
    pearson, likelihood = ((o - e) ** 2 / e).sum(), 2 * (o[o > 0] * np.log(o[o > 0] / e[o > 0])).sum()
    assert_allclose(found.table["value"], [pearson, likelihood], rtol=1e-8)
    assert found.table["df"].tolist() == [20, 20]
    assert_allclose(found.table["p"], stats.chi2.sf([pearson, likelihood], 20), rtol=1e-8)
    assert found.small == np.mean(e < 5)
    assert (found.cells, found.n) == (32, 400.0)


def test_patterns_are_those_of_the_table(whole, fit_whole):
    o, e = by_hand(fit_whole, whole, [*"abcde"])
    found = bm.response_patterns(fit_whole, whole, top=None)
    at = [int("".join(map(str, r)), 2) for r in found[[*"abcde"]].to_numpy()]
    assert_allclose(found["observed"], o[at])
    assert_allclose(found["expected"], e[at], rtol=1e-8)
    assert_allclose(found["z"], ((o - e) / np.sqrt(e * (1 - e / 400)))[at], rtol=1e-6, atol=1e-9)
    assert found["observed"].is_monotonic_decreasing
    assert found["observed"].sum() == 400
    assert len(bm.response_patterns(fit_whole, whole, top=3)) == 3


def test_frequencies_are_rows(whole, fit_whole):
    counted = whole.groupby([*"abcde"]).size().rename("n").reset_index()
    fit = bm.fit(bm.models.lca([*"abcde"], 2, freq="n"), counted, start=fit_whole, **QUICK)
    one, other = bm.goodness_of_fit(fit, counted), bm.goodness_of_fit(fit_whole, whole)
    assert_allclose(one.table["value"], other.table["value"], rtol=1e-5)
    one, other = bm.residuals(fit, counted).pairs, bm.residuals(fit_whole, whole).pairs
    assert_allclose(one["Pearson"], other["Pearson"], atol=1e-3)
    assert len(bm.goodness_of_fit(fit, counted, bootstrap=3, progress=False).replications) == 3


def test_missing_at_random_is_a_likelihood_ratio(gaps, fit_gaps):
    """The unrestricted log-likelihood by a general optimiser, of three of the items."""
    items = ["a", "b", "c"]
    fit = bm.fit(bm.models.lca(items, 1), gaps, **QUICK)
    y = gaps[items].to_numpy()
    cells = np.array(list(product([0, 1], repeat=3)))
    inside = np.array([[np.isnan(r) | (r == c) for c in cells] for r in y]).all(axis=2)
    used = ~np.isnan(y).all(axis=1)

    def falling(z):
        p = np.exp(z - np.logaddexp.reduce(z))
        return -np.log(inside[used] @ p).sum()

    best = optimize.minimize(falling, np.zeros(8), method="BFGS", options={"gtol": 1e-6})
    found = bm.goodness_of_fit(fit, gaps)
    assert_allclose(found.table.loc["G-squared", "value"], 2 * (-best.fun - fit.loglik), atol=1e-3)
    assert found.table.loc["G-squared", "df"] == 4
    assert "MCAR" in found.table.index
    saturated = whole_table(Judged.of(fit, gaps).answers)
    assert_allclose(saturated.loglik, -best.fun, atol=1e-3)


def test_answers_missing_completely_at_random_pass_and_others_do_not(whole, fit_gaps, gaps):
    assert bm.goodness_of_fit(fit_gaps, gaps).table.loc["MCAR", "p"] > 0.01
    some = whole.assign(a=whole["a"].where((whole["b"] == 0) | (np.arange(400) % 3 > 0)).astype(float))
    some = some.assign(a=some["a"].mask((some["c"] == 1) & (np.arange(400) % 2 == 0)))
    fit = bm.fit(bm.models.lca([*"abcde"], 2), some, **QUICK)
    assert bm.goodness_of_fit(fit, some).table.loc["MCAR", "p"] < 0.001


def test_who_answered_all_is_a_table_of_its_own(gaps, fit_gaps):
    found = bm.goodness_of_fit(fit_gaps, gaps, missing="complete")
    o, e = by_hand(fit_gaps, gaps.dropna(), [*"abcde"])
    assert found.n == len(gaps.dropna())
    assert_allclose(found.table.loc["Pearson", "value"], ((o - e) ** 2 / e).sum(), rtol=1e-6)
    assert "as poLCA" in repr(found)


def test_a_saturated_model_fits(whole):
    """Two classes of three binary items have as many parameters as the table has cells, less one."""
    fit = bm.fit(bm.models.lca(["a", "b", "c"], 2), whole, **QUICK)
    found, left = bm.goodness_of_fit(fit, whole), bm.residuals(fit, whole)
    assert_allclose(found.table["value"], 0.0, atol=1e-4)
    assert found.table["df"].tolist() == [0, 0]
    assert found.table["p"].isna().all()
    assert "no degrees of freedom" in repr(found)
    assert_allclose(left.cells["z"], 0.0, atol=1e-2)
    assert_allclose(left.univariate["residual"], 0.0, atol=1e-4)


def test_of_a_large_table_the_share_of_small_cells_is_a_bound(whole, fit_whole, monkeypatch):
    from bayesmix.goodness import pattern_tables

    known = bm.goodness_of_fit(fit_whole, whole)
    monkeypatch.setattr(pattern_tables, "MOST_CELLS", 10)
    found = bm.goodness_of_fit(fit_whole, whole)
    assert 0 <= found.small <= known.small
    assert "at least" in repr(found)
    pd.testing.assert_frame_equal(found.table, known.table)


def test_numbers_among_the_items_are_summed_out(whole):
    model = bm.models.lca([*"abc", "x"], 1, family={"x": bm.normal()})
    fit = bm.fit(model, whole, **QUICK)
    plain = bm.fit(bm.models.lca([*"abc"], 1), whole, **QUICK)
    found = bm.goodness_of_fit(fit, whole)
    pd.testing.assert_frame_equal(found.table, bm.goodness_of_fit(plain, whole).table, rtol=1e-5)
    assert "not in the table" in repr(found)


# p values -----------------------------------------------------------------------------------------


def test_the_bootstrap_is_the_same_with_the_same_seed_wherever_it_runs(whole, fit_whole):
    one = bm.goodness_of_fit(fit_whole, whole, bootstrap=8, seed=4, progress=False)
    other = bm.goodness_of_fit(fit_whole, whole, bootstrap=8, seed=4, executor=ThreadPoolExecutor(2), progress=False)
    pd.testing.assert_frame_equal(one.replications, other.replications, rtol=1e-6)
    more = bm.goodness_of_fit(fit_whole, whole, bootstrap=8, seed=5, progress=False)
    assert not np.allclose(one.replications, more.replications)
    k = (one.replications >= one.table["value"]).sum()
    assert_allclose(one.table["bootstrap p"], (1 + k) / 9)


def test_a_replication_can_be_sent_to_another_process(whole, fit_whole, monkeypatch):
    from bayesmix.goodness import replications

    plain = replications.run_all
    monkeypatch.setattr(replications, "run_all", lambda run, tasks, e: plain(run, pickle.loads(pickle.dumps(tasks)), e))
    sent = bm.goodness_of_fit(fit_whole, whole, bootstrap=3, seed=4, progress=False)
    monkeypatch.undo()
    here = bm.goodness_of_fit(fit_whole, whole, bootstrap=3, seed=4, progress=False)
    pd.testing.assert_frame_equal(sent.replications, here.replications)


def test_the_bootstrap_sees_what_is_wrong(whole):
    """One class for data of two; and the distribution of the statistics is about that of their degrees of freedom."""
    fit = bm.fit(bm.models.lca([*"abcde"], 1), whole, **QUICK)
    found = bm.goodness_of_fit(fit, whole, bootstrap=49, progress=False)
    assert (found.table["bootstrap p"] == 0.02).all()
    assert_allclose(found.replications["Pearson"].mean(), 26, rtol=0.15)


def test_with_clusters_or_covariates_there_are_no_degrees_of_freedom(whole):
    for more, words in (({"cluster": "g"}, "random member"), ({"covariates": "x"}, "covariates")):
        fit = bm.fit(bm.models.lca([*"abcde"], 2, **more), whole, **QUICK)
        found = bm.goodness_of_fit(fit, whole, bootstrap=6, progress=False)
        assert found.table["df"].isna().all()
        assert found.table["p"].isna().all()
        assert words in repr(found)
        assert len(found.replications) + found.failed == 6
        patterns = bm.response_patterns(fit, whole, top=None)
        assert_allclose(patterns["expected"].sum(), 400, atol=8)


def test_a_posterior_has_predictive_p_values(whole, fit_whole, post_whole):
    found = bm.goodness_of_fit(post_whole, whole, progress=False)
    p = found.table["posterior predictive p"]
    assert ((p > 0.02) & (p < 0.98)).all()
    made, here = found.replications["Pearson"], found.replications["Pearson of the data"]
    assert_allclose(p["Pearson"], (made >= here).mean())
    assert len(made) == 80
    assert_allclose(made.mean(), 31, rtol=0.25)  # at the parameters that drew it, a table of 32 cells


def test_a_posterior_of_a_wrong_model_has_small_ones(whole):
    fit = bm.fit(bm.models.lca([*"abcde"], 1), whole, **QUICK)
    post = posterior(fit, whole, 100)
    found = bm.goodness_of_fit(post, whole, progress=False)
    assert (found.table["posterior predictive p"] == 0).all()
    assert f"<{1 / len(found.replications):.3f}" in repr(found)
    assert (bm.residuals(post, whole, progress=False).pairs["p"] < 0.05).all()


def test_a_posterior_of_data_with_gaps(gaps, fit_gaps, monkeypatch):
    post = posterior(fit_gaps, gaps, 100, predictive=10)
    found = bm.goodness_of_fit(post, gaps, progress=False)
    assert found.table.index.to_list() == ["Pearson", "G-squared", "MCAR"]
    assert_allclose(
        found.table.loc["MCAR"], bm.goodness_of_fit(fit_gaps, gaps).table.loc["MCAR"].reindex(found.table.columns)
    )
    assert found.table["posterior predictive p"].iloc[:2].between(0.05, 0.999).all()

    from bayesmix.goodness import chi_squares

    plain, calls = chi_squares._statistics, []

    def stopped(*of, **more):
        calls.append(1)
        if len(calls) > 8:
            raise KeyboardInterrupt
        return plain(*of, **more)

    monkeypatch.setattr(chi_squares, "_statistics", stopped)
    with pytest.warns(UserWarning, match="Interrupted: 4 of 20 draws are kept"):
        assert len(bm.goodness_of_fit(post, gaps, progress=False).replications) == 4


@pytest.mark.slow
def test_bootstrap_p_values_of_a_true_model_are_uniform():
    """Of 100 data sets 5% have a p below .05, and the average is a half."""
    logits = np.stack([np.zeros((2, 4)), [[1.2] * 4, [-1.2] * 4]], -1)
    truth = {"class_logit": np.array([0.2, 0.0]), "item_logit": logits}
    model, p = bm.models.lca([*"abcd"], 2), []
    for k in range(100):
        df = bm.simulate(model, truth, n=250, seed=k)
        fit = bm.fit(model, df, start=truth, **QUICK)
        p.append(bm.goodness_of_fit(fit, df, bootstrap=39, seed=k, progress=False).table["bootstrap p"].to_numpy())
    p = np.array(p)
    assert (np.abs(p.mean(axis=0) - 0.5) < 0.1).all()
    assert ((p <= 0.05).mean(axis=0) <= 0.12).all()
    assert (np.sort(p, axis=0)[50] > 0.35).all()


# interrupted, failed, refused ---------------------------------------------------------------------


def test_interrupted_it_keeps_what_is_finished(whole, fit_whole, monkeypatch):
    from bayesmix.goodness import replications

    plain, calls = replications.run_start, []

    def stopped(task):
        calls.append(1)
        if len(calls) > 3:
            raise KeyboardInterrupt
        return plain(task)

    monkeypatch.setattr(replications, "run_start", stopped)
    with pytest.warns(UserWarning, match="Interrupted: 3 of 20 replications are kept"):
        found = bm.goodness_of_fit(fit_whole, whole, bootstrap=20, progress=False)
    assert len(found.replications) == 3


def test_failed_replications_are_counted(whole, fit_whole, monkeypatch):
    from bayesmix.goodness import replications

    plain, calls = replications.run_start, []

    def failing(task):
        calls.append(1)
        if len(calls) % 2:
            raise FloatingPointError("no")
        return plain(task)

    monkeypatch.setattr(replications, "run_start", failing)
    found = bm.goodness_of_fit(fit_whole, whole, bootstrap=6, progress=False)
    assert (found.failed, len(found.replications)) == (3, 3)
    assert "3 more failed" in repr(found)
    monkeypatch.setattr(replications, "run_start", lambda task: 1 / np.linalg.inv(np.zeros((2, 2))))
    with pytest.raises(RuntimeError, match="All 4 replications failed"):
        bm.goodness_of_fit(fit_whole, whole, bootstrap=4, progress=False)


def test_what_cannot_be_is_refused(whole, gaps, fit_whole, fit_gaps, post_whole):
    with pytest.raises(ValueError, match="not of the same data"):
        bm.goodness_of_fit(fit_whole, whole.iloc[:-1])
    with pytest.raises(ValueError, match="not of the same data"):
        bm.goodness_of_fit(post_whole, whole.iloc[:-1])
    with pytest.raises(TypeError, match="expected a fit"):
        bm.goodness_of_fit(fit_whole.model, whole)
    with pytest.raises(ValueError, match="bootstrap came as 1"):
        bm.goodness_of_fit(fit_whole, whole, bootstrap=1)
    with pytest.raises(ValueError, match="missing came as 'em'"):
        bm.goodness_of_fit(fit_whole, whole, missing="em")
    with pytest.raises(ValueError, match="p values are posterior predictive"):
        bm.goodness_of_fit(post_whole, whole, bootstrap=10)
    with pytest.raises(ValueError, match="no replicated data"):
        bm.goodness_of_fit(post_whole.filter(lambda node: node.name != "posterior_predictive"), whole)
    with pytest.raises(ValueError, match="top came as 0"):
        bm.response_patterns(fit_whole, whole, top=0)
    none = gaps.assign(a=gaps["a"].where(np.arange(400) % 2 == 0), b=gaps["b"].where(np.arange(400) % 2 == 1))
    fit = bm.fit(bm.models.lca([*"abcde"], 2), none, **QUICK)
    with pytest.raises(ValueError, match="Nobody answered all items"):
        bm.goodness_of_fit(fit, none, missing="complete")
    fit = bm.fit(bm.models.lca([*"abcde"], 2, "x"), gaps, **QUICK)
    with pytest.raises(ValueError, match="'mar', but the model has covariates"):
        bm.goodness_of_fit(fit, gaps, missing="mar")


def test_continuous_items_are_refused_with_what_to_look_at(whole):
    fit = bm.fit(bm.models.lca(["x", "y"], 1, family=bm.normal()), whole.assign(y=whole["x"] ** 2), **QUICK)
    with pytest.raises(ValueError, match=r"x, y are continuous.*bm.residuals\(fit, df\)"):
        bm.goodness_of_fit(fit, whole.assign(y=whole["x"] ** 2))


def test_a_collapsed_fit_is_refused(whole, fit_whole):
    from dataclasses import replace

    gone = replace(fit_whole, starts=fit_whole.starts.assign(status="collapsed: item_sd"))
    for ask in (bm.goodness_of_fit, bm.residuals, bm.response_patterns):
        with pytest.raises(ValueError, match="collapsed"):
            ask(gone, whole)


@pytest.mark.realdata
@pytest.mark.skipif(not REAL, reason="BAYESMIX_REAL_DATA does not name the folder of the real data sets")
@pytest.mark.parametrize(
    ("classes", "pearson", "likelihood"), [(2, 92.6481, 62.3654), (3, 20.5034, 15.2617), (4, 10.0841, 6.4235)]
)
def test_carcinoma_has_the_published_chi_squares(classes, pearson, likelihood):
    """Of poLCA."""
    df = pd.read_csv(Path(str(REAL)) / "carcinoma.csv")
    fit = bm.fit(bm.models.lca([*"ABCDEFG"], classes), df, progress=False)
    found = bm.goodness_of_fit(fit, df)
    assert_allclose(found.table["value"], [pearson, likelihood], atol=2e-4)
    assert "SPARSE" in repr(found)
