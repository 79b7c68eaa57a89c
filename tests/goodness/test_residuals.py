"""Residuals of items and pairs: by hand, against direct maximisation, and what is refused."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from goodness_data import QUICK
from numpy.testing import assert_allclose
from scipy import optimize, stats

import bayesmix as bm
from bayesmix.goodness.judged import Judged
from bayesmix.goodness.unrestricted import normal_moments, two_way, whole_table


def expected_pair(fit, one, other):
    """P(y_1 = a, y_2 = b) by the formula of a latent class model."""
    size = fit.probabilities["C_probability"].values
    p = fit.probabilities["item_probability"].transpose("C", "item", "category")
    first, second = (p.sel(item=k).values for k in (one, other))
    return np.einsum("c,ca,cb->ab", size, first, second)


def test_pairs_are_two_way_tables(whole, fit_whole):
    found, n = bm.residuals(fit_whole, whole), 400
    for one, other in (("a", "b"), ("c", "e")):
        o = pd.crosstab(whole[one], whole[other]).to_numpy()
        e = n * expected_pair(fit_whole, one, other)
        row = found.pairs.loc[(one, other)]
        assert_allclose(row["Pearson"], ((o - e) ** 2 / e).sum(), rtol=1e-6)
        assert_allclose(row["log-likelihood"], 2 * (o * np.log(o / e)).sum(), rtol=1e-6)
        z = (o - e) / np.sqrt(e * (1 - e / n))
        assert_allclose(row["largest |z|"], np.abs(z).max(), rtol=1e-6)
        cells = found.cells.xs(one, level="item 1").xs(other, level="item 2")
        assert_allclose(cells["observed"], o.ravel())
        assert_allclose(cells["expected"], e.ravel(), rtol=1e-6)
        assert_allclose(cells["z"], z.ravel(), rtol=1e-6)
        assert row["df"] == 1
        assert_allclose(found.matrix().loc[other, one], row["Pearson"])
    assert_allclose(found.univariate["observed"].xs(1, level="answer"), whole[[*"abcde"]].mean())
    pd.testing.assert_frame_equal(found.pairs, bm.residuals(fit_whole, whole, against="pairwise").pairs)


def test_items_of_different_categories_and_orders(whole):
    rng = np.random.default_rng(1)
    df = whole.assign(o=rng.integers(0, 3, 400), t=np.array(["no", "some", "many", "all"])[rng.integers(0, 4, 400)])
    df["t"] = pd.Categorical(df["t"], ["no", "some", "many", "all"], ordered=True)
    fit = bm.fit(bm.models.lca(["a", "o", "t"], 1, family={"o": bm.ordinal(), "t": bm.ordinal()}), df, **QUICK)
    found = bm.residuals(fit, df)
    chi2, _, dof, _ = stats.chi2_contingency(pd.crosstab(df["o"], df["t"]), correction=False)
    assert_allclose(found.pairs.loc[("o", "t"), "Pearson"], chi2, rtol=1e-6)
    assert found.pairs.loc[("o", "t"), "df"] == dof == 6
    assert len(found.cells.xs("t", level="item 2").xs("o", level="item 1")) == 12
    assert found.univariate.loc["t"].index.to_list() == ["no", "some", "many", "all"]


# missing answers ----------------------------------------------------------------------------------


def table_of(df, one, other):
    """Individuals who answered both, the first alone, the second alone."""
    both = pd.crosstab(df[one], df[other]).to_numpy()
    first = df.loc[df[other].isna(), one].value_counts().reindex([0, 1], fill_value=0).to_numpy()
    second = df.loc[df[one].isna(), other].value_counts().reindex([0, 1], fill_value=0).to_numpy()
    return both, first, second


def test_the_table_under_missing_at_random_has_the_largest_likelihood(gaps):
    both, first, second = table_of(gaps, "a", "b")

    def falling(z):
        p = np.exp(z - np.logaddexp.reduce(z)).reshape(2, 2)
        return -(both * np.log(p)).sum() - first @ np.log(p.sum(1)) - second @ np.log(p.sum(0))

    best = optimize.minimize(falling, np.zeros(4), method="BFGS", options={"gtol": 1e-8}).x
    p = two_way(both[None].astype(float), first[None].astype(float), second[None].astype(float))[0]
    assert_allclose(p.ravel(), np.exp(best - np.logaddexp.reduce(best)), atol=1e-6)


def test_under_missing_at_random_all_items_speak(gaps, fit_gaps):
    """The observed table of a pair is a margin of the unrestricted table of all items."""
    found, answers = bm.residuals(fit_gaps, gaps), Judged.of(fit_gaps, gaps).answers
    p = whole_table(answers).probability.sum((1, 2, 3))
    cells = found.cells.xs("a", level="item 1").xs("e", level="item 2")
    n = found.pairs.loc[("a", "e"), "n"]
    assert n == 400
    assert_allclose(cells["observed"], n * p.ravel(), rtol=1e-8)
    assert_allclose(cells["expected"], n * expected_pair(fit_gaps, "a", "e").ravel(), rtol=1e-6)


def test_pairwise_takes_who_answered_both(gaps, fit_gaps):
    found = bm.residuals(fit_gaps, gaps, against="pairwise")
    o = pd.crosstab(gaps["a"], gaps["b"]).to_numpy()
    assert found.pairs.loc[("a", "b"), "n"] == o.sum()
    assert_allclose(found.cells.xs("a", level="item 1").xs("b", level="item 2")["observed"], o.ravel())
    assert "answered both" in repr(found)


def test_a_large_table_falls_back_to_pairs(gaps, fit_gaps, monkeypatch):
    from bayesmix.goodness import pairs

    monkeypatch.setattr(pairs, "has_table", lambda answers: False)
    found = bm.residuals(fit_gaps, gaps)
    p = two_way(*(x[None].astype(float) for x in table_of(gaps, "a", "b")))[0]
    assert_allclose(found.cells.xs("a", level="item 1").xs("b", level="item 2")["observed"], 400 * p.ravel(), rtol=1e-6)
    assert "too large" in repr(found)


def test_two_items_that_nobody_answered_together(whole):
    df = whole.assign(a=whole["a"].where(whole.index % 2 == 0), b=whole["b"].where(whole.index % 2 == 1))
    fit = bm.fit(bm.models.lca([*"abcde"], 2), df, **QUICK)
    found = bm.residuals(fit, df, against="pairwise")
    assert found.pairs.loc[("a", "b"), "n"] == 0
    assert found.cells.xs("a", level="item 1").xs("b", level="item 2")["z"].isna().all()
    assert np.isfinite(bm.residuals(fit, df).pairs.loc[("a", "b"), "Pearson"])


# numbers ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def numbers():
    rng = np.random.default_rng(5)
    u = np.repeat(rng.normal(size=(60, 1)), 8, axis=0)
    y = u + rng.normal(size=(480, 3)) @ np.array([[1.0, 0.4, 0.0], [0.0, 1.0, 0.3], [0.0, 0.0, 1.0]])
    df = pd.DataFrame(y, columns=["y1", "y2", "y3"])
    return df.assign(g=np.repeat(np.arange(60), 8), b=(u[:, 0] + rng.normal(size=480) > 0).astype(int))


def test_covariances_of_numbers(numbers):
    items = ["y1", "y2", "y3"]
    fit = bm.fit(bm.models.lca(items, 1, family=bm.normal()), numbers, **QUICK)
    found = bm.residuals(fit, numbers)
    cov = np.cov(numbers[items].T, bias=True)
    assert_allclose(found.numbers["observed"], cov[np.triu_indices(3)], rtol=1e-8)
    assert_allclose(found.numbers["expected"], np.diag(np.diag(cov))[np.triu_indices(3)], rtol=1e-5, atol=1e-5)
    r = cov[0, 1] / np.sqrt(cov[0, 0] * cov[1, 1])
    assert_allclose(found.numbers["z"].iloc[1], r * np.sqrt(480), rtol=0.3)
    assert_allclose(found.univariate["residual"], 0.0, atol=1e-6)


def test_under_missing_at_random_means_are_those_of_the_normal_distribution(numbers):
    """Of which some are missing where another is large: the mean of those that are there is too small."""
    df = numbers.assign(y2=numbers["y2"].where(numbers["y1"] < 0.5))
    y = df[["y1", "y2"]].to_numpy()
    found = normal_moments(y, np.ones(480))

    def falling(z):
        root = np.array([[np.exp(z[2]), 0.0], [z[3], np.exp(z[4])]])
        cov = root @ root.T
        both = ~np.isnan(y[:, 1])
        part = stats.multivariate_normal(z[:2], cov).logpdf(y[both]).sum()
        return -part - stats.norm(z[0], np.sqrt(cov[0, 0])).logpdf(y[~both, 0]).sum()

    best = optimize.minimize(falling, np.zeros(5), method="BFGS").x
    assert_allclose(found.mean, best[:2], atol=1e-4)
    root = np.array([[np.exp(best[2]), 0.0], [best[3], np.exp(best[4])]])
    assert_allclose(found.covariance, root @ root.T, atol=1e-3)
    fit = bm.fit(bm.models.lca(["y1", "y2"], 1, family=bm.normal()), df, **QUICK)
    left = bm.residuals(fit, df)
    assert left.univariate.loc[("y2", "mean"), "z"] > 2
    assert abs(bm.residuals(fit, df, against="pairwise").univariate.loc[("y2", "mean"), "z"]) < 1e-3


def test_within_and_between_clusters(numbers):
    """Against the moments of an analysis of variance, of clusters of one size."""
    items = ["y1", "y2"]
    fit = bm.fit(replace(bm.models.lca(items, 1, family=bm.normal()), cluster="g"), numbers, **QUICK)
    levels = bm.residuals(fit, numbers).numbers["observed"]
    found = {k: levels.xs(k, level="level") for k in ("within", "between")}
    means = numbers.groupby("g")[items].mean()
    inside = numbers[items] - means.loc[numbers["g"]].to_numpy()
    within = inside.T @ inside / (480 - 60)
    between = np.cov(means.T) - within / 8
    assert_allclose(found["within"], within.to_numpy()[np.triu_indices(2)], rtol=1e-8)
    assert_allclose(found["between"], np.asarray(between)[np.triu_indices(2)], rtol=1e-8)
    expected = bm.residuals(fit, numbers).numbers.xs("between", level="level")
    assert_allclose(expected["expected"], 0.0, atol=1e-5)
    assert (expected["z"] > 3).all()  # clusters differ, and the model has none of that


def test_means_by_category(numbers):
    model = bm.models.lca(["y1", "b"], 1, family={"y1": bm.normal(), "b": bm.bernoulli()})
    fit = bm.fit(model, numbers, **QUICK)
    found = bm.residuals(fit, numbers).mixed
    assert_allclose(found["observed"], numbers.groupby("b")["y1"].mean(), rtol=1e-8)
    assert_allclose(found["expected"], numbers["y1"].mean(), atol=1e-5)
    assert found["z"].abs().min() > 5
    assert bm.residuals(fit, numbers).matrix().loc["b", "y1"] > 25


# p values, one item, speed, refusals --------------------------------------------------------------


def test_the_bootstrap_knows_pairs_that_do_not_fit(whole):
    df = whole.assign(f=whole["e"].where(whole.index % 4 > 0, 1 - whole["e"]))  # beyond the classes alike
    fit = bm.fit(bm.models.lca([*"abcdef"], 2), df, **QUICK)
    found = bm.residuals(fit, df, bootstrap=39, seed=1, progress=False)
    assert found.replications == 39
    assert_allclose(found.pairs.loc[("e", "f"), "p"], 1 / 40)
    assert found.pairs["p"].median() > 0.05
    assert found.univariate["p"].isna().all()  # reproduced by the fit, but for rounding
    assert "39 replications" in repr(found)


def test_a_posterior_has_averages_and_p_values(whole, post_whole):
    found = bm.residuals(post_whole, whole, progress=False)
    assert found.replications == 80
    assert found.pairs["p"].between(0.05, 1.0).all()
    assert_allclose(found.univariate["observed"].xs(1, level="answer"), whole[[*"abcde"]].mean())
    assert "posterior predictive" in repr(found)


def test_one_item_has_no_pairs(whole):
    fit = bm.fit(bm.models.lca(["a"], 1), whole, **QUICK)
    found = bm.residuals(fit, whole)
    assert not len(found.pairs)
    assert "no pairs" in repr(found)
    with pytest.raises(ValueError, match="one item"):
        bm.plots.residuals(found)


def test_few_rows_and_categories_seldom_seen():
    df = pd.DataFrame({"a": [0, 1, 1, 0, 1, 2], "b": [0, 1, 0, 0, 1, 1], "c": [1, 1, 0, 0, 1, 0]})
    fit = bm.fit(bm.models.lca([*"abc"], 1), df, **QUICK)
    found = bm.residuals(fit, df, bootstrap=5, progress=False)
    assert np.isfinite(found.pairs["Pearson"]).all()
    assert len(bm.goodness_of_fit(fit, df).table) == 2


def test_a_hundred_items_take_seconds():
    rng = np.random.default_rng(0)
    c = rng.integers(0, 2, 1000)
    df = pd.DataFrame({f"i{k}": (rng.random(1000) < np.where(c, 0.8, 0.3)).astype(float) for k in range(100)})
    df = df.mask(rng.random(df.shape) < 0.05)
    fit = bm.fit(bm.models.lca([*df], 1), df, **QUICK)
    began = time.perf_counter()
    found = bm.residuals(fit, df)
    assert time.perf_counter() - began < 10
    assert len(found.pairs) == 4950
    assert found.matrix().shape == (100, 100)
    assert len(repr(found).splitlines()) < 80
    bm.plots.residuals(found)


def test_what_cannot_be_is_refused(whole, fit_whole, post_whole):
    with pytest.raises(ValueError, match="against came as 'em'"):
        bm.residuals(fit_whole, whole, against="em")
    with pytest.raises(ValueError, match="not of the same data"):
        bm.residuals(fit_whole, whole.assign(a=1 - whole["a"]))
    with pytest.raises(ValueError, match="leave it out"):
        bm.residuals(post_whole, whole, bootstrap=10)
    with pytest.raises(TypeError, match=r"bm.residuals\(fit, df\)"):
        bm.plots.residuals(fit_whole)


def test_a_fit_with_priors_needs_them_for_the_bootstrap(whole):
    priors = {"item_logit": bm.Prior("Normal", mu=0, sigma=1)}
    fit = bm.fit(bm.models.lca([*"abc"], 1), whole, priors=priors, **QUICK)
    with pytest.raises(ValueError, match="give those of the fit"):
        bm.goodness_of_fit(fit, whole, bootstrap=3, progress=False)
    assert len(bm.goodness_of_fit(fit, whole, bootstrap=3, priors=priors, progress=False).replications) == 3


def test_the_picture_has_the_pairs(whole, fit_whole):
    ax = bm.plots.residuals(bm.residuals(fit_whole, whole))
    assert [t.get_text() for t in ax.get_yticklabels()] == [*"bcde"]
    assert len(ax.texts) == 10
    pearson = bm.residuals(fit_whole, whole).pairs.loc[("a", "b"), "Pearson"]
    assert ax.texts[0].get_text() == f"{pearson:.1f}"


def test_listings_have_their_parts(whole, fit_whole):
    text = bm.report(bm.residuals(fit_whole, whole))
    assert "RESIDUALS" in text
    assert "bootstrap=100" in text
    assert max(map(len, text.splitlines())) <= 100


def test_a_family_of_its_own_that_declares_no_variance_is_told_so(numbers, monkeypatch):
    fit = bm.fit(bm.models.lca(["y1", "y2"], 1, family=bm.normal()), numbers, **QUICK)
    monkeypatch.delattr(type(bm.normal()), "variance")
    with pytest.raises(ValueError, match="normal declares no variance"):
        bm.residuals(fit, numbers)
