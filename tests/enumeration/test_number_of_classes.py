"""Tests of a class more: Vuong's against published figures and by hand, the bootstrap's rules, what criteria choose."""

import os
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bayesmix.models import lca, regression_mixture
from numpy.testing import assert_allclose
from scipy import stats

import bayesmix as bm
from bayesmix.enumeration import bootstrap_test, with_classes
from bayesmix.enumeration.vuong import above
from bayesmix.ml import Target, curvature
from bayesmix.parallel import SerialExecutor

ITEMS = ["a", "b", "c", "d", "e"]
QUICK: dict[str, Any] = {"starts": 4, "finals": 2, "rounds": 1, "budget": 0, "progress": False}
FOLDER = os.environ.get("BAYESMIX_REAL_DATA")


@pytest.fixture(scope="module")
def one(two_classes):
    return bm.fit(lca(ITEMS, 1), two_classes, **QUICK)


@pytest.fixture(scope="module")
def three(two_classes):
    return bm.fit(lca(ITEMS, 3), two_classes, **QUICK)


def ratios_of(*arguments, **settings):
    return bm.lr_test(*arguments, executor=SerialExecutor(), progress=False, **settings)


# the weighted sum of chi-squares ------------------------------------------------------------------


@pytest.mark.parametrize(("x", "df"), [(0.5, 1), (3.0, 2), (20.0, 7), (45.0, 30)])
def test_equal_weights_are_a_chi_square(x, df):
    assert above(x, np.ones(df)) == pytest.approx(stats.chi2.sf(x, df), abs=2e-5)
    assert above(2 * x, np.full(df, 2.0)) == pytest.approx(stats.chi2.sf(x, df), abs=2e-5)


def test_weights_of_both_signs_are_those_of_draws():
    weights = np.array([9.03, -2.15, 1.5, 1.08, 1.0, 0.9])
    drawn = np.random.default_rng(0).standard_normal((400_000, 6)) ** 2 @ weights
    for x in (-5.0, 3.0, 20.0, 60.0):
        assert above(x, weights) == pytest.approx((drawn > x).mean(), abs=4 * np.sqrt(0.25 / 400_000))
    assert above(1.0, np.zeros(0)) == 0.0
    assert above(1e-8, np.zeros(0)) == 1.0  # classes that coincide


@pytest.mark.realdata
@pytest.mark.skipif(not FOLDER, reason="BAYESMIX_REAL_DATA does not name the folder of the real data sets")
def test_vuong_on_school_counselling_as_mplus_has_it():
    df = pd.read_csv(Path(str(FOLDER)) / "crdc.csv")
    fits = [bm.fit(lca(list(df.columns), k), df, progress=False) for k in (1, 2)]
    found = bm.vuong_test(*fits, df)
    assert_allclose(
        [found.statistic, found.mean, found.sd, found.adjusted], [498.546, 13.822, 13.632, 489.365], atol=6e-4
    )
    assert found.p == 0.0
    assert ratios_of(*fits, df, replications=19).exceedances == 0


@pytest.mark.parametrize("information", ["robust", "hessian"])
def test_the_weights_are_the_eigenvalues_of_vuongs_matrix(two_classes, fitted, one, information):
    """By the four blocks of (3.6), which are not symmetric."""
    found = bm.vuong_test(one, fitted, two_classes, information=information)
    parts = []
    for fit in (fitted, one):
        data = Target.of(bm.Dataset.encode(fit.model, two_classes))
        c = curvature(data, data.pack({p.name: fit.params[p.name].values for p in fit.model.parameters}))
        s, v = c.scores * np.sqrt(c.weight)[:, None], np.linalg.inv(c.information)
        parts.append((s, v @ s.T @ s @ v if information == "robust" else v))
    (f, vf), (g, vg) = parts
    whole = np.block([[f.T @ f @ vf, f.T @ g @ vg], [-g.T @ f @ vf, -g.T @ g @ vg]])
    assert found.mean == pytest.approx(np.trace(whole), rel=1e-4)
    assert found.sd == pytest.approx(np.sqrt(2 * np.trace(whole @ whole)), rel=1e-4)
    assert found.statistic == pytest.approx(2 * (fitted.loglik - one.loglik))
    assert found.parameters == fitted.n_parameters - one.n_parameters
    assert found.adjusted == pytest.approx(found.statistic / (1 + 1 / (found.parameters * np.log(600))))
    assert found.p < 1e-3
    assert "Jeffries" in repr(found)


def test_vuong_of_clusters_takes_their_scores():
    rng = np.random.default_rng(2)
    df = pd.DataFrame({"x": rng.normal(size=200), "g": np.arange(200) % 20})
    df["y"] = 0.5 * df["x"] + rng.normal(size=200) + 3 * (df["g"] % 2)
    two = regression_mixture("y ~ x", cluster="g", cluster_classes=2)
    fits = [bm.fit(m, df, **QUICK) for m in (with_classes(two, "D", 1), two)]
    found = bm.vuong_test(*fits, df)
    assert found.p < 0.05
    assert np.isfinite(found.mean)


# the bootstrap ------------------------------------------------------------------------------------


def test_drawn_ratios_of_a_covariate_without_effect_are_chi_square():
    """A pair whose ratio has a known distribution, so that the draws can be wrong."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=400)
    truth = {"class_logit": [0.2, 0.0], "item_logit": np.stack([np.zeros((2, 5)), [[1.5] * 5, [-1.5] * 5]], axis=-1)}
    df = bm.simulate(lca(ITEMS, 2), truth, df=pd.DataFrame({"x": x}), seed=3)
    fits = [bm.fit(m, df, **QUICK) for m in (lca(ITEMS, 2), lca(ITEMS, 2, "x"))]
    found = ratios_of(*fits, df, replications=80, enough=None, starts=2, finals=1)
    ratios = found.draws["statistic"].dropna()
    assert len(ratios) == 80
    assert stats.kstest(ratios, stats.chi2(1).cdf).pvalue > 0.001
    assert found.p == (1 + (ratios >= found.statistic).sum()) / 81


def test_two_classes_are_found_and_a_third_is_not(two_classes, fitted, one, three):
    assert ratios_of(one, fitted, two_classes, replications=19).p == pytest.approx(0.05)
    kept = ratios_of(fitted, three, two_classes, replications=40, enough=5, starts=4, finals=2)
    assert kept.p > 0.05
    assert kept.ended_early
    assert kept.exceedances == 5
    assert kept.p == 5 / len(kept.draws)
    assert "5th ratio as large" in repr(kept)


def test_ratios_do_not_depend_on_who_was_faster(two_classes, fitted, three, monkeypatch):
    settings = {"replications": 8, "enough": 2, "starts": 2, "finals": 1, "seed": 3, "progress": False}
    alone = bm.lr_test(fitted, three, two_classes, executor=SerialExecutor(), **settings)
    plain = bootstrap_test._ratio

    def slower(plan, replication):
        time.sleep(0.3 if replication == 0 else 0)
        return plain(plan, replication)

    monkeypatch.setattr(bootstrap_test, "_ratio", slower)
    with ThreadPoolExecutor(3) as pool:
        threads = bm.lr_test(fitted, three, two_classes, executor=pool, **settings)
    assert_allclose(alone.draws["statistic"].to_numpy(float), threads.draws["statistic"].to_numpy(float), atol=1e-6)
    assert alone.p == threads.p


def test_a_test_goes_on_in_its_folder(two_classes, fitted, one, tmp_path, monkeypatch):
    settings = {"enough": None, "seed": 2}
    whole = ratios_of(one, fitted, two_classes, replications=6, **settings)
    ratios_of(one, fitted, two_classes, replications=3, folder=tmp_path / "t", **settings)
    ran = []
    plain = bootstrap_test._ratio
    monkeypatch.setattr(bootstrap_test, "_ratio", lambda plan, r: ran.append(r) or plain(plan, r))
    again = ratios_of(one, fitted, two_classes, replications=6, folder=tmp_path / "t", **settings)
    assert ran == [3, 4, 5]
    assert_allclose(again.draws["statistic"], whole.draws["statistic"], atol=1e-8)
    with pytest.raises(ValueError, match="differs in starts"):
        ratios_of(one, fitted, two_classes, replications=3, folder=tmp_path / "t", seed=3)


def test_interrupted_what_is_finished_is_kept(two_classes, fitted, one, monkeypatch):
    plain = bootstrap_test._ratio

    def stopped(plan, replication):
        if replication == 3:
            raise KeyboardInterrupt
        return plain(plan, replication)

    monkeypatch.setattr(bootstrap_test, "_ratio", stopped)
    with pytest.warns(UserWarning, match="3 of 9 data sets are kept"):
        found = ratios_of(one, fitted, two_classes, replications=9)
    assert found.p == 0.25
    assert "Interrupted" in repr(found)
    monkeypatch.setattr(bootstrap_test, "_ratio", lambda plan, r: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        ratios_of(one, fitted, two_classes, replications=9)


def test_data_sets_that_cannot_be_fitted_are_left_out_and_said(two_classes, fitted, one, monkeypatch):
    plain = bootstrap_test._ratio

    def failing(plan, replication):
        if replication % 2:
            raise RuntimeError("every start collapsed")
        return plain(plan, replication)

    monkeypatch.setattr(bootstrap_test, "_ratio", failing)
    with pytest.warns(UserWarning, match="2 of 5 drawn data sets are left out: every start collapsed"):
        found = ratios_of(one, fitted, two_classes, replications=5, enough=None)
    assert found.p == 0.25
    monkeypatch.setattr(bootstrap_test, "_ratio", lambda plan, r: (_ for _ in ()).throw(ValueError("no")))
    with pytest.raises(RuntimeError, match="None of 2 drawn data sets could be fitted: no"):
        ratios_of(one, fitted, two_classes, replications=2)


def test_drawn_data_have_the_gaps_and_clusters_of_the_data(two_classes):
    df = two_classes.iloc[:120].assign(g=np.arange(120) % 6)
    df.loc[7, ITEMS] = np.nan
    two = lca(ITEMS, 2, cluster="g", cluster_classes=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits = [bm.fit(m, df, **QUICK) for m in (with_classes(two, "D", 1), two)]
    plan = bootstrap_test._planned(*fits, bm.Dataset.encode(fits[1].model, df), 2, 1, 0)
    drawn = plan.drawn(0)
    y = drawn.coded[next(iter(drawn.coded))].y
    there = np.delete(np.arange(120), 7)  # the row without an answer says nothing
    before = plan.rows.coded[next(iter(drawn.coded))].y[there]
    assert (np.isnan(y) == np.isnan(before)).all()
    assert (y != before)[~np.isnan(y)].any()
    assert (drawn.cluster_of_row == plan.rows.cluster_of_row[there]).all()
    assert not np.array_equal(plan.drawn(1).coded[next(iter(drawn.coded))].y, y, equal_nan=True)


def test_rows_that_stand_for_several_are_drawn_one_by_one(two_classes, fitted):
    counted = two_classes[ITEMS].value_counts(dropna=False).rename("w").reset_index()
    fits = [bm.fit(lca(ITEMS, k, freq="w"), counted, **QUICK) for k in (1, 2)]
    plan = bootstrap_test._planned(*fits, bm.Dataset.encode(fits[1].model, counted), 2, 1, 0)
    assert len(plan.drawn(0).seen) == counted["w"].sum() == 600
    assert ratios_of(*fits, counted, replications=3).statistic == pytest.approx(2 * (fits[1].loglik - fits[0].loglik))


@pytest.mark.parametrize("test", [bm.lr_test, bm.vuong_test])
def test_what_is_no_pair_is_refused(two_classes, fitted, one, test, monkeypatch):
    monkeypatch.setattr(bootstrap_test, "_ratio", lambda *_: pytest.fail("a data set was drawn"))
    with pytest.raises(ValueError, match=r"fewer parameters first|more classes of 'C'"):
        test(fitted, one, two_classes)
    with pytest.raises(ValueError, match="not of the same data"):
        test(one, fitted, two_classes.iloc[:300])
    with pytest.raises(TypeError, match="smaller fit came as str"):
        test("one", fitted, two_classes)
    fewer = bm.fit(lca(ITEMS[:4], 1), two_classes, **QUICK)
    with pytest.raises(ValueError, match="items of the two fits differ"):
        test(fewer, fitted, two_classes)
    with pytest.raises(ValueError, match=r"below .* of the smaller one"):
        test(replace(one, loglik=fitted.loglik + 1), fitted, two_classes)
    penalised = bm.fit(lca(ITEMS, 2), two_classes, priors="default", **QUICK)
    with pytest.raises(ValueError, match="larger fit is penalised by priors"):
        test(one, penalised, two_classes)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"replications": 0}, "replications"),
        ({"enough": 0}, "enough"),
        ({"starts": 0}, "starts"),
        ({"seed": -1}, "seed"),
    ],
)
def test_settings_that_cannot_be_are_refused(two_classes, fitted, one, settings, message):
    with pytest.raises(ValueError, match=message):
        ratios_of(one, fitted, two_classes, **settings)


# criteria -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found(two_classes):
    return bm.enumerate_classes(
        lca(ITEMS, 1), two_classes, [1, 2, 3], vuong=True, bootstrap=19, executor=SerialExecutor(), **QUICK
    )


def test_criteria_by_hand(found):
    table, n = found.table, 600
    for k, fit in found.fits.items():
        p, d = fit.n_parameters, -2 * fit.loglik
        posterior = fit.classes["C_posterior"].values if k > 1 else np.ones((n, 1))
        entropy = -np.nansum(posterior * np.log(np.maximum(posterior, 1e-300)))
        wanted = {
            "AIC": d + 2 * p, "AIC3": d + 3 * p, "BIC": d + p * np.log(n), "CAIC": d + p * (np.log(n) + 1),
            "AWE": d + 2 * p * (np.log(n) + 1.5), "ICL": d + p * np.log(n) + 2 * entropy,
        }  # fmt: skip
        assert_allclose([table.loc[k, c] for c in wanted], list(wanted.values()), rtol=1e-9)
    bic = table["BIC"]
    assert table.loc[2, "BF"] == pytest.approx(np.exp((bic[3] - bic[2]) / 2))
    assert np.isnan(table.loc[3, "BF"])
    assert table["cmP"].sum() == pytest.approx(1)
    assert table.loc[2, "cmP"] / table.loc[1, "cmP"] == pytest.approx(np.exp((bic[1] - bic[2]) / 2))


def test_the_table_says_what_each_would_choose(found):
    assert found.choices["BIC"] == found.choices["BLRT"] == found.choices["VLMR"] == 2
    assert found.bootstraps[2].exceedances == 0
    assert found.table["BLRT p"].isna().tolist() == [True, False, False]
    said = bm.report(found)
    assert "BLRT p" in said
    assert "2 classes: AIC" in said


def test_a_criterion_that_would_choose_more_says_so(two_classes):
    found = bm.enumerate_classes(lca(ITEMS, 1), two_classes, [1, 2], vuong=True, **QUICK)
    assert found.choices["VLMR"] is None
    assert found.choices["BF"] is None
    assert "more than 2 classes: BF, VLMR, LMR" in " ".join(bm.report(found).split())
    axes = bm.plots.enumeration(found)
    assert [t.get_text() for t in axes.figure.axes[1].get_yticklabels()][-3:] == [
        "BF (more)",
        "VLMR (more)",
        "LMR (more)",
    ]


def test_posteriors_bring_loo_and_marginal_likelihoods(two_classes):
    settings = {"method": "importance", "draws": 200, "chains": 2, "predictive": 0}
    found = bm.enumerate_classes(lca(ITEMS, 1), two_classes, [1, 2], sample=settings, **QUICK)
    table = found.table
    assert table.loc[2, "log_marginal"] == bm.log_marginal_likelihood(found.posteriors[2]).value
    assert table["elpd_loo"].is_monotonic_increasing
    assert found.choices["elpd_loo"] == found.choices["log_marginal"] == 2


def test_a_test_that_fails_costs_no_fit(two_classes, monkeypatch):
    monkeypatch.setattr(bootstrap_test, "_ratio", lambda *_: (_ for _ in ()).throw(ValueError("no")))
    settings: dict[str, Any] = QUICK | {"executor": SerialExecutor()}
    found = bm.enumerate_classes(lca(ITEMS, 1), two_classes, [1, 2], bootstrap=3, **settings)
    assert list(found.fits) == [1, 2]
    assert "None of 3 drawn data sets" in found.lost["the bootstrap test of 2 classes"]
    assert "Could not be made" in bm.report(found)
    with pytest.raises(ValueError, match="bootstrap came as -1"):
        bm.enumerate_classes(lca(ITEMS, 1), two_classes, [1, 2], bootstrap=-1)
