"""Odds ratios against every reference class: by the covariance matrix, by a Wald test, by the draws."""

import numpy as np
import pandas as pd
import pytest
from bayesmix.models import lca

import bayesmix as bm
from inference.conftest import FOUR, QUICK

SIX = [*FOUR, "e", "f"]


@pytest.fixture(scope="module")
def three():
    """Three classes of six items, predicted by x."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=900)
    logits = np.stack([0.9 * x, -0.6 * x, 0 * x], axis=1)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    c = (p.cumsum(axis=1) < rng.random(900)[:, None]).sum(axis=1)
    rates = np.array([[0.9] * 6, [0.9] * 3 + [0.1] * 3, [0.1] * 6])[c]
    df = pd.DataFrame((rng.random((900, 6)) < rates).astype(int), columns=SIX).assign(x=x)
    return bm.fit(lca(SIX, 3, "x"), df, **QUICK)


def test_each_pair_is_the_difference_of_two_slopes(three):
    table = bm.odds_ratios(three)
    assert len(table) == 6
    b = three.params["class_slope"].values[:, 0]
    names = ["class_slope[1, x]", "class_slope[2, x]"]
    v = three.covariance.loc[names, names].to_numpy()
    row = table.loc[("class_slope[x]", "1", "2")]
    se = np.sqrt(v[0, 0] + v[1, 1] - 2 * v[0, 1])
    np.testing.assert_allclose(row["odds_ratio"], np.exp(b[0] - b[1]), rtol=1e-10)
    np.testing.assert_allclose(row["se"], np.exp(b[0] - b[1]) * se, rtol=1e-8)
    half = 1.959964 * se
    ends = np.exp(b[0] - b[1] + np.array([-half, half]))
    np.testing.assert_allclose(row[["lower", "upper"]].astype(float), ends, rtol=1e-8)
    np.testing.assert_allclose(row["p"], bm.test(three, " = ".join(names)).p, rtol=1e-8)
    back = table.loc[("class_slope[x]", "2", "1")]
    inverse = [1 / row["odds_ratio"], 1 / row["lower"]]
    np.testing.assert_allclose([back["odds_ratio"], back["upper"]], inverse, rtol=1e-8)


def test_against_the_last_class_they_are_those_of_the_listing(three):
    found = bm.odds_ratios(three, reference="last", level=0.9)
    listed = bm.tables(three, level=0.9)["odds_ratios"]
    np.testing.assert_allclose(found.to_numpy(), listed.to_numpy(), rtol=1e-9)
    assert bm.odds_ratios(three, reference=3, level=0.9).equals(found)
    text = bm.report(three)
    assert "Against C = 1" in text
    assert "class_slope[x], C = 3" in text


def test_logits_themselves_are_odds(three):
    found = bm.odds_ratios(three, "class_logit", reference=1)
    logit = three.params["class_logit"].values
    np.testing.assert_allclose(found["odds_ratio"], np.exp(logit[1:] - logit[0]), rtol=1e-9)


@pytest.mark.filterwarnings("ignore:The")
def test_of_a_posterior_they_are_quantiles_of_ratios(predicted, persons):
    post = bm.sample(predicted, persons, draws=100, tune=100, chains=2, seed=2, progress=False)
    found = bm.odds_ratios(post, reference="last", level=0.8).loc[("class_slope[w]", "1", "2")]
    ratio = np.exp(post["posterior"]["class_slope"].sel(C=1, covariate="w").values.ravel())
    np.testing.assert_allclose(found["odds_ratio"], np.median(ratio), rtol=1e-10)
    np.testing.assert_allclose(found[["lower", "upper"]].astype(float), np.quantile(ratio, [0.1, 0.9]), rtol=1e-8)
    np.testing.assert_allclose(found["p"], max((ratio > 1).mean(), (ratio < 1).mean()))


def test_what_has_no_odds_is_refused(plain, predicted):
    with pytest.raises(ValueError, match="have no covariates"):
        bm.odds_ratios(plain)
    with pytest.raises(ValueError, match="did you mean 'class_slope'"):
        bm.odds_ratios(predicted, "class_slop")
    with pytest.raises(ValueError, match=r"give 'all', 'last' or one of 1, 2"):
        bm.odds_ratios(predicted, reference=3)
