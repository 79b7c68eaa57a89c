"""Mixtures of counts: enumeration over the classes, recovery, the listing, the command line, what is refused."""

import numpy as np
import pandas as pd
import pytest
from bayesmix.models.count_mixture import count_mixture
from numpy.testing import assert_allclose
from scipy import special, stats

import bayesmix as bm
from bayesmix.cli import template

TRUTH = {
    "class_logit": np.array([0.4, 0.0]),
    "item_intercept": np.log([[1.0, 2.0], [8.0, 20.0]]),
    "item_dispersion": np.array([[0.5, 1.0], [0.2, 0.1]]),
}
MODEL = count_mixture(["a", "b"], 2, dispersion="class")


@pytest.fixture(scope="module")
def df():
    return bm.simulate(MODEL, TRUTH, n=1500, seed=1)


@pytest.fixture(scope="module")
def fit(df):
    return bm.fit(MODEL, df, progress=False)


def test_the_likelihood_sums_over_the_classes(df):
    some = df[["a", "b"]].astype(float)
    some.loc[::7, "a"] = np.nan
    mean, alpha, p = np.exp(TRUTH["item_intercept"]), TRUTH["item_dispersion"], special.softmax(TRUTH["class_logit"])
    y = some.to_numpy()[:, None, :]
    each = stats.nbinom.logpmf(y, 1 / alpha, 1 / (1 + alpha * mean))
    expected = special.logsumexp(np.log(p) + np.where(np.isnan(y), 0.0, each).sum(-1), axis=1)
    assert_allclose(bm.log_likelihood(MODEL, some, TRUTH, units=True), expected, rtol=1e-10)


def test_a_fit_recovers_what_was_drawn(fit, df):
    assert fit.loglik > bm.log_likelihood(MODEL, df, TRUTH)
    order = np.argsort(fit.params["item_intercept"].values[:, 0])
    for name in ("item_intercept", "item_dispersion"):
        away = np.abs(fit.params[name].values[order] - TRUTH[name]) / fit.se[name].values[order]
        assert away.max() < 3.5
    assert fit.quality["reached"] > 1


def test_the_listing_names_the_family_and_its_parameters(fit):
    text = bm.report(fit)
    assert "negative binomial" in text
    assert "item_dispersion" in text or "Dispersion" in text or "dispersion" in text


def test_dispersion_is_common_or_of_the_classes():
    df = pd.DataFrame({"a": [0, 3], "b": [1, 5]})
    sizes = [bm.prepare(count_mixture(["a", "b"], 2, dispersion=d), df).packing.size for d in ("equal", "class")]
    assert sizes == [7, 9]


def test_the_command_line_finds_it():
    assert template("count_mixture") is count_mixture


@pytest.mark.parametrize(
    ("declare", "words"),
    [
        (
            lambda: count_mixture(["a"], 2, dispersion="free"),
            "dispersion came as 'free': give 'equal', 'class', 'none'",
        ),
        (lambda: count_mixture(["a"], 0), "number of classes came as 0"),
        (lambda: count_mixture([], 2), "no items"),
        (lambda: count_mixture(["a"], 2, effects="factor"), "came without clusters"),
    ],
)
def test_what_cannot_be_declared_is_refused(declare, words):
    with pytest.raises(ValueError, match=words):
        declare()


def test_one_class_is_a_distribution_for_each_item(df):
    fit = bm.fit(count_mixture(["a"], 1), df, progress=False)
    alpha, mean = (
        float(fit.params["item_dispersion"].values.ravel()[0]),
        np.exp(float(fit.params["item_intercept"].values.ravel()[0])),
    )
    assert mean == pytest.approx(df["a"].mean(), rel=1e-4)
    assert fit.loglik == pytest.approx(stats.nbinom.logpmf(df["a"], 1 / alpha, 1 / (1 + alpha * mean)).sum(), abs=1e-6)
