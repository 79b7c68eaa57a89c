"""Answers within limits against SciPy, their normal limit, their simulator, a tobit by SciPy, the floor of SDs."""

import numpy as np
import pandas as pd
import pytest
from bayesmix.models import fma, lca, regression_mixture
from numpy.testing import assert_allclose
from scipy import optimize, special, stats

import bayesmix as bm
from bayesmix.cli.arguments import family_of
from bayesmix.graph import LogLikelihood
from declare import target
from densities import loglik

ITEMS = ["a", "b"]
TRUTH = {
    "class_logit": np.array([0.4, 0.0]),
    "item_intercept": np.array([[0.3, 0.6], [2.0, 3.0]]),
    "item_sd": np.array([0.8, 1.1]),
}
QUICK = {"starts": 6, "finals": 3, "rounds": 1, "budget": 0, "progress": False}
LIMITS = pytest.mark.parametrize(("lower", "upper"), [(0.0, None), (None, 2.5), (0.0, 2.5)])


def model_of(lower, upper, **more):
    return lca(ITEMS, 2, family=bm.censored_normal(lower, upper), **more)


def drawn(lower, upper, n=800, seed=1):
    out = bm.simulate(model_of(lower, upper), TRUTH, n=n, seed=seed)
    out.loc[::9, "a"] = np.nan
    return out.assign(x=np.random.default_rng(2).normal(size=n))


def log_density(y, mean, sd, lower, upper):
    p = stats.norm(mean, sd)
    out = p.logpdf(y)
    out = out if lower is None else np.where(y <= lower, p.logcdf(lower), out)
    return out if upper is None else np.where(y >= upper, p.logsf(upper), out)


@LIMITS
def test_the_likelihood_is_that_of_scipy(lower, upper):
    df = drawn(lower, upper)
    y = df[ITEMS].to_numpy()[:, None, :]
    each = log_density(y, TRUTH["item_intercept"], TRUTH["item_sd"], lower, upper)
    expected = special.logsumexp(
        special.log_softmax(TRUTH["class_logit"]) + np.where(np.isnan(y), 0.0, each).sum(-1), axis=1
    )
    assert_allclose(bm.log_likelihood(model_of(lower, upper), df, TRUTH, units=True), expected, rtol=1e-10)


def test_tails_are_those_of_the_normal_distribution_far_out():
    data = pd.DataFrame({"a": [0.0, 1.0, 4.0, 0.0]})
    model = lca(["a"], 1, family=bm.censored_normal(0.0, 4.0))
    for mean in (-60.0, 60.0):
        values = {"class_logit": [0.0], "item_intercept": [[mean]], "item_sd": [1.0]}
        expected = log_density(data["a"].to_numpy(), mean, 1.0, 0.0, 4.0)
        assert_allclose(bm.log_likelihood(model, data, values, units=True), expected, rtol=1e-9)


def test_limits_far_away_leave_the_normal_distribution():
    df = drawn(None, 1e6)
    plain = bm.log_likelihood(lca(ITEMS, 2, family=bm.normal()), df, TRUTH)
    assert bm.log_likelihood(model_of(-1e6, 1e6), df, TRUTH) == pytest.approx(plain, rel=1e-12)


@pytest.mark.parametrize("by_row", [False, True])
def test_the_gradient_is_that_of_differences(by_row):
    model, values = model_of(0.0, 2.5), TRUTH
    if by_row:
        model = regression_mixture("a ~ x", 2, family=bm.censored_normal(0.0, 2.5), variance="class")
        values = {"class_logit": [0.3, 0.0], "intercept": [0.1, 2.0], "coefficient": [[0.2], [-0.5]]}
        values |= {"residual_sd": [0.5, 1.1]}
    graph = LogLikelihood(problem := bm.prepare(model, drawn(0.0, 2.5)))
    theta = problem.pack({k: np.asarray(v) for k, v in values.items()})
    slopes = [(graph.value(theta + e) - graph.value(theta - e)) / 2e-6 for e in 1e-6 * np.eye(len(theta))]
    assert_allclose(graph.value_and_gradient(theta)[1], slopes, rtol=1e-5, atol=1e-4)


@LIMITS
def test_moments_are_those_of_draws_and_of_integrals(lower, upper):
    values = {"class_logit": np.zeros(1), "item_intercept": np.array([[1.3]]), "item_sd": np.array([1.1])}
    model = lca(["a"], 1, family=bm.censored_normal(lower, upper))
    y = bm.simulate(model, values, n=60_000, seed=3)["a"]
    whole = np.clip(stats.norm(1.3, 1.1).ppf((np.arange(200_000) + 0.5) / 200_000), lower, upper)
    assert y.mean() == pytest.approx(whole.mean(), abs=4 * whole.std() / np.sqrt(len(y)))
    assert y.var() == pytest.approx(whole.var(), rel=0.05)
    family, scale = model.responses[0].family, {"center": 0.4, "scale": 1.7}
    precision = (1.7 / 1.1) ** 2
    table = np.array([[0.0, precision * (1.3 - 0.4) / 1.7, -0.5 * precision]])
    assert family.mean(table, scale)[0] == pytest.approx(whole.mean(), abs=1e-5)
    assert family.variance(table, scale)[0] == pytest.approx(whole.var(), rel=1e-4)


def test_a_tobit_is_that_of_scipy():
    rng = np.random.default_rng(4)
    x = rng.normal(size=500)
    data = pd.DataFrame({"x": x, "y": np.maximum(0.5 + 0.8 * x + rng.normal(size=500), 0.0)})

    def negative(at):
        return -log_density(data["y"].to_numpy(), at[0] + at[1] * x, np.exp(at[2]), 0.0, None).sum()

    other = optimize.minimize(negative, [0.5, 0.8, 0.0], method="BFGS")
    fit = bm.fit(regression_mixture("y ~ x", family=bm.censored_normal(0)), data, **QUICK)
    assert fit.loglik == pytest.approx(-other.fun, abs=1e-5)
    found = [float(np.ravel(fit.params[k])[0]) for k in ("intercept", "coefficient", "residual_sd")]
    assert_allclose(found, [*other.x[:2], np.exp(other.x[2])], atol=1e-3)
    assert "censored normal" in bm.report(fit)


def test_the_unit_and_the_origin_of_the_answers_are_nothing_to_a_fit():
    df, far = drawn(0.0, None), drawn(0.0, None)
    far[ITEMS] = 1e6 + 1000 * far[ITEMS]
    one = bm.fit(model_of(0.0, None), df, **QUICK)
    other = bm.fit(model_of(1e6, None), far, **QUICK)
    within = (df[ITEMS] > 0).to_numpy().sum()
    assert other.loglik == pytest.approx(one.loglik - within * np.log(1000), abs=1e-5)
    assert_allclose(other.params["item_intercept"], 1e6 + 1000 * one.params["item_intercept"], rtol=1e-7)


def test_a_fit_recovers_and_reproduces_means():
    df = drawn(0.0, 2.5, n=1500, seed=6)
    fit = bm.fit(model_of(0.0, 2.5), df, **QUICK)
    order = np.argsort(fit.params["item_intercept"].values[:, 0])
    away = (fit.params["item_intercept"].values[order] - TRUTH["item_intercept"]) / fit.se["item_intercept"].values[
        order
    ]
    assert np.abs(away).max() < 3.5
    assert bm.residuals(fit, df).univariate["z"].abs().max() < 1.5
    assert bm.plots.profile(fit)[0].get_ylabel() == "mean without limits"
    observed = bm.predict(fit, df).outcomes[ITEMS].mean()
    assert_allclose(observed, df[ITEMS].mean(), atol=0.05)


def test_no_class_collapses_onto_a_few_equal_answers():
    df = drawn(0.0, None)
    df.loc[:30, "b"] = 1.0
    data = target(model_of(0.0, None, variance="class"), df, smallest_sd=0.05)
    from bayesmix.ml.starts import ranges

    limits = ranges(data)
    i = data.packing.index["item_sd"]
    assert_allclose(np.exp(limits.lower[i[0]]), 0.05 * np.nanstd(df[ITEMS], axis=0), rtol=1e-6)
    assert limits.collapsing[i].all()


def test_a_factor_is_integrated_by_nodes():
    items = ["a", "b", "c"]
    model = fma(items, 1, family=bm.censored_normal(0.0))
    data = np.maximum(np.random.default_rng(0).normal(0.5, 1.0, (60, 3)), 0.0)
    values = {
        "class_logit": [0.0],
        "item_intercept": [[0.2, 0.3, 0.1]],
        "loading": [0.5, 0.8, 0.7],
        "item_sd": [0.9] * 3,
    }
    z, w = np.polynomial.hermite_e.hermegauss(61)
    eta = np.array([0.2, 0.3, 0.1]) + np.array([0.5, 0.8, 0.7]) * z[:, None]
    each = log_density(data[:, None, :], eta, 0.9, 0.0, None).sum(-1)
    expected = special.logsumexp(each + np.log(w / w.sum()), axis=1)
    df = pd.DataFrame(data, columns=items)
    assert_allclose(bm.log_likelihood(model, df, values, units=True, nodes=bm.gauss_hermite(61)), expected, rtol=1e-7)
    with pytest.raises(ValueError, match="not normal"):
        bm.prepare(model, df, bm.exact())


def test_the_pymc_model_has_the_same_density():
    df, model = drawn(0.0, 2.5), model_of(0.0, 2.5)
    assert loglik(bm.build(model, df), TRUTH) == pytest.approx(bm.log_likelihood(model, df, TRUTH), rel=1e-9)


@pytest.mark.filterwarnings("ignore:The (largest|smallest)")
def test_draws_of_a_posterior_are_about_the_estimates():
    df = drawn(0.0, None)
    fit = bm.fit(model_of(0.0, None), df, **QUICK)
    post = bm.sample(fit, df, draws=300, tune=300, chains=2, seed=1, progress=False)
    means = post["posterior"].to_dataset()["item_intercept"].mean(("chain", "draw"))
    assert_allclose(means, fit.params["item_intercept"], atol=2 * float(fit.se["item_intercept"].max()))


def test_a_fit_comes_back_from_its_file(tmp_path):
    df = drawn(0.0, None)
    fit = bm.fit(model_of(0, None), df, **QUICK)
    fit.save(tmp_path / "fit.nc")
    again = bm.Fit.load(tmp_path / "fit.nc")
    assert again.model == fit.model
    assert bm.log_likelihood(again.model, df, again.params) == pytest.approx(fit.loglik, abs=1e-8)


def test_the_command_line_reads_limits():
    assert family_of(["censored_normal:0"], ITEMS, ITEMS) == bm.censored_normal(0)
    assert family_of(["censored_normal::2.5"], ITEMS, ITEMS) == bm.censored_normal(upper=2.5)
    assert family_of(["a=censored_normal:0:2.5"], ITEMS, ITEMS)["a"] == bm.censored_normal(0, 2.5)
    for text in ("censored_normal:low", "censored_normal:1:2:3", "censored_normal", "censored_normal:3:1"):
        with pytest.raises(ValueError, match=r"censored_normal came|came without limits|lower one"):
            family_of([text], ITEMS, ITEMS)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({}, "without limits: give lower=0 or so, or take bm.normal"),
        ({"lower": 2, "upper": 1}, "lower=2 and upper=1: the lower one is the smaller"),
        ({"lower": "0"}, "lower of a censored normal came as '0', expected a number, or None"),
        ({"upper": np.inf}, "upper of a censored normal came as inf"),
        ({"upper": True}, "upper of a censored normal came as True"),
    ],
)
def test_what_are_no_limits_is_refused(limits, words):
    with pytest.raises(ValueError, match=words):
        bm.censored_normal(**limits)


def test_answers_beyond_a_limit_are_refused():
    df = drawn(0.0, None)
    with pytest.raises(ValueError, match=r"Item 'a' came with .*, expected at least 1, the limit .*: correct it"):
        bm.prepare(model_of(1.0, None), df)
    with pytest.raises(ValueError, match="expected at most 2, the limit"):
        bm.prepare(model_of(None, 2.0), df)


def test_a_linear_variance_is_refused():
    with pytest.raises(ValueError, match=r"variance='x' came for .*censored"):
        regression_mixture("y ~ x", family=bm.censored_normal(0), variance="x")
