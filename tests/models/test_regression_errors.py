"""Bad input to regression mixtures and the words it is answered with."""

import numpy as np
import pandas as pd
import pytest
from bayesmix.models import nels, regression_mixture

import bayesmix as bm


def frame(**columns):
    rng = np.random.default_rng(1)
    df = pd.DataFrame({"y": rng.normal(size=40), "x": rng.normal(size=40), "z": rng.normal(size=40)})
    df = df.assign(g=np.repeat(np.arange(8), 5), s=np.resize(["a", "b", "c"], 40), b=rng.integers(0, 2, 40))
    return df.assign(w=np.repeat(rng.normal(size=8), 5), c=1.0, **columns)


def fit(formula="y ~ x", classes=2, df=None, **more):
    return bm.fit(regression_mixture(formula, classes, **more), frame() if df is None else df)


def two_level(formula="y ~ x", classes=1, df=None, **more):
    return fit(formula, classes, df, cluster="g", **more)


CASES = {
    "no outcome": (lambda: fit("x + z"), "write it as 'outcome ~ x1 \\+ x2'"),
    "nothing": (lambda: fit("y ~ "), "came as 'y ~ '"),
    "not text": (lambda: fit(None), "came as None"),
    "no intercept": (lambda: fit("y ~ 0 + x"), "has no intercept"),
    "code": (lambda: fit("y ~ __import__('os')"), "do not run code|cannot be read"),
    "missing outcome": (lambda: fit("why ~ x"), "no column 'why'"),
    "missing covariate": (lambda: fit("y ~ xx"), "no column 'xx'. Did you mean 'x'"),
    "constant covariate": (lambda: fit("y ~ x + c"), "collinear or constant"),
    "collinear": (lambda: fit("y ~ x + xx", df=frame(xx=2 * frame().x)), "collinear or constant"),
    "missing value": (lambda: fit("y ~ m", df=frame(m=np.r_[np.nan, np.ones(39)])), "'m' has 1 missing values"),
    "infinite value": (lambda: fit("y ~ m", df=frame(m=np.r_[np.inf, np.arange(39.0)])), "'m' has infinite values"),
    "constant outcome": (lambda: fit("c ~ x"), "'c' is constant"),
    "text outcome": (lambda: fit("s ~ x"), "came with text such as 'a'"),
    "classes": (lambda: fit(classes=0), "whole number of at least 1"),
    "classes as text": (lambda: fit(classes="2"), "whole number of at least 1"),
    "by_class": (lambda: fit(by_class="1 + z"), "'z' is no coefficient of 'y ~ x': give some of 1, x"),
    "variance formula": (lambda: fit(variance="vv"), "no column 'vv'"),
    "variance of a binary outcome": (lambda: fit("b ~ x", family=bm.bernoulli(), variance="class"), "not normal"),
    "nominal": (lambda: fit("s ~ x", family=bm.nominal()), "takes normal, bernoulli, ordinal or poisson"),
    "negative counts": (lambda: fit("y ~ x", family=bm.poisson()), "whole|count"),
    "random without clusters": (lambda: fit(random="1 + x"), "came without clusters"),
    "effects without clusters": (lambda: fit(effects="factor"), "came without clusters"),
    "cluster covariates without clusters": (lambda: fit(cluster_covariates="w"), "came without clusters"),
    "cluster classes without clusters": (lambda: fit(cluster_classes=2), "came without clusters"),
    "one cluster class": (lambda: two_level(cluster_classes=1), "at least 2, or 0"),
    "covariates of no cluster class": (lambda: two_level(cluster_class_covariates="w"), "without classes of clusters"),
    "random slope": (lambda: two_level(random="1 + z"), "'z' is no coefficient"),
    "random slope of categories": (lambda: two_level("y ~ s", random="1 + s"), "has 2 columns"),
    "slopes of categories": (lambda: two_level("y ~ s", cluster_covariates={"s": "w"}), "is no number"),
    "covariance": (lambda: two_level(covariance="none"), "give 'unrestricted', 'slopes apart', 'independent'"),
    "effects": (lambda: two_level(effects="some"), "effects came as 'some'"),
    "cluster covariates for nothing": (lambda: two_level(cluster_covariates={"z": "w"}), "came for 'z'"),
    "class and factor": (
        lambda: two_level(classes=2, cluster_covariates={"class": "w", "factor": "w"}),
        "'class' has those of the factor",
    ),
    "factor without": (
        lambda: two_level(classes=2, effects="none", cluster_covariates={"factor": "w"}),
        "came for 'factor'",
    ),
    "varies within": (lambda: two_level(cluster_covariates="z"), "'z' .* varies within clusters"),
    "varies within, of a slope": (lambda: two_level(cluster_covariates={"x": "z"}), "'z' .* varies within clusters"),
    "no cluster column": (lambda: two_level(df=frame().drop(columns="g")), "no column 'g'"),
    "one cluster": (lambda: two_level(df=frame().assign(g=1)), "one cluster only"),
    "too many effects": (lambda: two_level("y ~ x + z", df=frame().iloc[:15], random="1 + x + z"), "more clusters"),
    "all missing": (lambda: fit(df=frame().assign(y=np.nan)), "missing in every row"),
    "empty": (lambda: fit(df=frame().iloc[:0]), "empty"),
    "exact with classes": (
        lambda: bm.fit(regression_mixture("y ~ x", 2, cluster="g"), frame(), nodes=bm.exact()),
        "'C' lives below their level",
    ),
    "covariances by D of class logits": (
        lambda: two_level(classes=2, effects="factor", cluster_classes=2, effects_by_cluster_class=True),
        "give effects='none'",
    ),
    "model": (lambda: nels("D"), "give '1', '1b', '1c', 'A', 'B' or 'C'"),
    "outcome as cluster": (lambda: bm.fit(regression_mixture("y ~ x", cluster="y"), frame()), "came both"),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_answered(name):
    act, words = CASES[name]
    with pytest.raises((ValueError, TypeError), match=words):
        act()


def test_a_cluster_of_one_still_counts():
    """Random intercepts of clusters some of which have one row: more noise, no error."""
    df = frame()
    df["g"] = np.r_[np.arange(10), np.repeat(np.arange(10, 16), 5)]
    fit = bm.fit(regression_mixture("y ~ x", cluster="g"), df)
    assert fit.n_clusters == 16
    assert np.isfinite(fit.loglik)


def test_rows_without_an_outcome_are_left_out():
    df = frame()
    gone = df.assign(y=df.y.mask(df.index % 7 == 0))
    model = regression_mixture("y ~ x", cluster="g")
    with_missing, without = bm.fit(model, gone), bm.fit(model, gone.dropna(subset="y"))
    assert with_missing.loglik == pytest.approx(without.loglik)
    assert with_missing.n_individuals == int(gone.y.notna().sum())


def test_a_slope_without_variance_is_zero_and_not_a_trap():
    """Data without random slopes: the estimate is zero or near, from whichever start."""
    rng = np.random.default_rng(3)
    df = pd.DataFrame({"x": rng.normal(size=600), "g": np.repeat(np.arange(40), 15)})
    df["y"] = 2 + 3 * df.x + rng.normal(size=40)[df.g] + rng.normal(size=600)
    fit = bm.fit(regression_mixture("y ~ x", cluster="g", random="1 + x"), df)
    plain = bm.fit(regression_mixture("y ~ x", cluster="g"), df)
    assert plain.loglik - 1e-6 <= fit.loglik < plain.loglik + 3
    assert fit.replicated >= 2
    assert float(fit.params["u_x_sd"]) < 0.15
