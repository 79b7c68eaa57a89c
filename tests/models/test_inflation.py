"""Covariates and classes of inflation: regressions of statsmodels, SciPy over class paths, the simulator, the faces."""

import re

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from bayesmix.models import count_mixture, growth, lca, regression_mixture
from numpy.testing import assert_allclose
from scipy import special, stats
from statsmodels.tools.numdiff import approx_hess

import bayesmix as bm
from bayesmix.cli.arguments import declare
from bayesmix.graph import LogLikelihood
from bayesmix.spec import serialize
from densities import log_prior, loglik
from solved import solved

ITEMS = ["a", "b"]
QUICK = {"starts": 4, "finals": 2, "rounds": 1, "budget": 0, "progress": False}
TRUTH = {
    "class_logit": [0.4, 0.0],
    "item_intercept": np.log([[1.0, 2.0], [8.0, 12.0]]),
    "item_inflation_logit": [[-1.0, -0.5], [-2.0, -1.0]],
    "item_inflation_slope": [[0.8, 0.0], [0.5, 0.6]],
}
SLOPES = [[[0.8, 0.0], [0.5, 0.6]], [[0.1, 0.4], [-0.5, 0.2]]]
DISPERSION = {"item_dispersion": [0.5, 0.2]}
MODEL = count_mixture(ITEMS, 2, dispersion="none", inflation="x + z")
WITH = {
    "poisson": (MODEL, TRUTH),
    "negative binomial": (count_mixture(ITEMS, 2, inflation="x + z"), TRUTH | DISPERSION),
    "slopes by class": (
        count_mixture(ITEMS, 2, dispersion="none", inflation="x + z", inflation_slopes_by_class=True),
        TRUTH | {"item_inflation_slope": SLOPES},
    ),
}
EVERY = pytest.mark.parametrize("name", WITH)


@pytest.fixture(scope="module")
def df():
    rng = np.random.default_rng(1)
    out = pd.DataFrame({"x": rng.normal(size=700) + 2.0, "z": rng.integers(0, 2, 700).astype(float)})
    return bm.simulate(MODEL, TRUTH, df=out, seed=2)[[*ITEMS, "x", "z"]].astype(float)


@pytest.fixture(scope="module")
def outcome():
    """One count of 1,200 rows whose zeros depend on x and z."""
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"x": rng.normal(size=1200) + 2.0, "z": rng.integers(0, 2, 1200).astype(float)})
    mean = np.exp(0.8 + 0.4 * (data["x"] - 2.0))
    never = rng.random(1200) < special.expit(-1.5 + 0.7 * (data["x"] - 2.0) + 0.8 * data["z"])
    data["y"] = np.where(never, 0, rng.negative_binomial(2, 2 / (2 + mean)))
    data["few"] = np.where(never, 0, rng.poisson(mean))
    return data


def entries(fit, *names):
    return np.concatenate([np.ravel(fit.params[k]) for k in names])


def errors(fit, *names):
    return np.concatenate([np.ravel(fit.se_hessian[k]) for k in names])


def joint(values, df):
    """log p(y, C) of each row and class, by SciPy."""
    y, x = df[ITEMS].to_numpy()[:, None, :], df[["x", "z"]].to_numpy()
    slopes = np.broadcast_to(values["item_inflation_slope"], (2, 2, 2))  # (class, item, covariate)
    w = special.expit(np.asarray(values["item_inflation_logit"]) + np.einsum("ik,cpk->icp", x, slopes))
    mu = np.exp(values["item_intercept"])
    p = stats.poisson.pmf(y, mu)
    if "item_dispersion" in values:
        size = 1 / np.asarray(values["item_dispersion"])
        p = stats.nbinom.pmf(y, size, size / (size + mu))
    return special.log_softmax(values["class_logit"]) + np.log(w * (y == 0) + (1 - w) * p).sum(-1)


@EVERY
def test_the_likelihood_is_that_of_scipy(df, name):
    model, values = WITH[name]
    expected = special.logsumexp(joint(values, df), axis=1)
    assert_allclose(bm.log_likelihood(model, df, values, units=True), expected, rtol=1e-10)


@EVERY
def test_the_gradient_is_that_of_differences(df, name):
    model, values = WITH[name]
    graph = LogLikelihood(problem := bm.prepare(model, df))
    theta = problem.pack({k: np.asarray(v) for k, v in values.items()})
    slopes = [(graph.value(theta + e) - graph.value(theta - e)) / 2e-6 for e in 1e-6 * np.eye(len(theta))]
    assert_allclose(graph.value_and_gradient(theta)[1], slopes, rtol=1e-5, atol=2e-4)


def test_slopes_of_zero_are_the_inflation_without_covariates(df):
    plain = lca(ITEMS, 2, family=bm.zero_inflated_poisson())
    held = {k: TRUTH[k] for k in ("class_logit", "item_intercept")}
    w = {"item_inflation": special.expit(TRUTH["item_inflation_logit"])}
    none = TRUTH | {"item_inflation_slope": np.zeros((2, 2))}
    assert bm.log_likelihood(MODEL, df, none) == pytest.approx(bm.log_likelihood(plain, df, held | w), rel=1e-13)
    assert count_mixture(ITEMS, 2, dispersion="none", inflation="1").responses == plain.responses


def test_the_poisson_regression_is_that_of_statsmodels(outcome):
    model = regression_mixture("few ~ x", family=bm.zero_inflated_poisson(), inflation="x + z")
    fit = bm.fit(model, outcome, **QUICK)
    x, z = (sm.add_constant(outcome[k]) for k in (["x"], ["x", "z"]))
    other = sm.ZeroInflatedPoisson(outcome["few"], x, exog_infl=z).fit(method="newton", disp=0, maxiter=500, tol=1e-12)
    assert fit.loglik == pytest.approx(other.llf, abs=1e-6)
    names = ("outcome_inflation_logit", "outcome_inflation_slope", "intercept", "coefficient")
    assert_allclose(entries(fit, *names), other.params, atol=1e-5)

    def plain(at):  # the errors of statsmodels are of an approximate matrix here
        w = special.expit(z.to_numpy() @ at[:3])
        p = stats.poisson.pmf(outcome["few"], np.exp(x.to_numpy() @ at[3:]))
        return np.log(w * (outcome["few"] == 0) + (1 - w) * p).sum()

    hessian = approx_hess(entries(fit, *names), plain)
    assert_allclose(errors(fit, *names), np.sqrt(np.diag(np.linalg.inv(-hessian))), rtol=1e-3)


def test_the_negative_binomial_regression_is_that_of_statsmodels(outcome):
    model = regression_mixture("y ~ x", family=bm.zero_inflated_negative_binomial(), inflation="x + z")
    fit = bm.fit(model, outcome, **QUICK)
    x, z = (sm.add_constant(outcome[k]) for k in (["x"], ["x", "z"]))
    names = (
        "outcome_inflation_logit", "outcome_inflation_slope", "intercept", "coefficient", "outcome_dispersion",
    )  # fmt: skip
    other = sm.ZeroInflatedNegativeBinomialP(outcome["y"], x, exog_infl=z, p=2).fit(
        start_params=entries(fit, *names) + 0.05, method="bfgs", disp=0, maxiter=5000, gtol=1e-9
    )
    assert fit.loglik == pytest.approx(other.llf, abs=1e-6)
    assert_allclose(entries(fit, *names), other.params, atol=1e-5)
    assert_allclose(errors(fit, *names), other.bse, rtol=1e-4)


def test_what_was_drawn_is_recovered():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"x": rng.normal(size=2500), "z": rng.integers(0, 2, 2500).astype(float)})
    drawn = bm.simulate(MODEL, TRUTH, df=frame, seed=4)
    fit = bm.fit(MODEL, drawn, like=solved(MODEL, drawn, **TRUTH), **QUICK)
    for name, value in TRUTH.items():
        free = fit.free[name].values
        away = np.abs(fit.params[name].values - value)[free] / fit.se[name].values[free]
        assert away.max() < 3.5
    text = bm.report(fit)
    assert "zero inflated poisson (inflation on covariates)" in text
    assert "item_inflation_slope" in text


def test_draws_have_the_share_of_zeros_that_the_covariates_say(df):
    frame = pd.DataFrame({"x": np.repeat([0.0, 3.0], 20_000), "z": 1.0})
    drawn = bm.simulate(MODEL, TRUTH, df=frame, seed=5)
    for x in (0.0, 3.0):
        own = drawn[(drawn["x"] == x) & (drawn["true_C"] == 2)]
        w = special.expit(np.array([-2.0, -1.0]) + np.array(TRUTH["item_inflation_slope"]) @ [x, 1.0])
        assert_allclose((own[ITEMS] == 0).mean(), w + (1 - w) * np.exp([-8.0, -12.0]), atol=0.015)


def test_classes_of_new_rows_are_by_their_own_inflation(df):
    new = pd.DataFrame({"a": [0.0, 0.0], "b": [3.0, 3.0], "x": [2.0, 7.0], "z": [0.0, 1.0]})
    found = bm.predict(solved(MODEL, df, **TRUTH), new).classes["C_posterior"].values
    parts = joint(TRUTH, new)
    assert_allclose(found, np.exp(parts - special.logsumexp(parts, axis=1, keepdims=True)), rtol=1e-9)


@EVERY
def test_the_pymc_model_has_the_same_density(df, name):
    model, values = WITH[name]
    assert loglik(bm.build(model, df), values) == pytest.approx(bm.log_likelihood(model, df, values), rel=1e-9)


def test_the_prior_of_the_logit_is_that_at_the_means_of_the_covariates(df):
    """The same for covariates that are moved: the logit at their means has the prior."""
    table = bm.prior_table(MODEL, df)
    assert "Logistic" in str(table.loc["item_inflation_logit"].to_list())
    moved = df.assign(x=df["x"] + 100.0)
    values = {k: np.asarray(v) for k, v in TRUTH.items()}
    slope = np.asarray(values["item_inflation_slope"])
    there = values | {"item_inflation_logit": values["item_inflation_logit"] - 100.0 * slope[:, 0]}
    one, other = bm.build(MODEL, df), bm.build(MODEL, moved)
    assert loglik(one, values) == pytest.approx(loglik(other, there), rel=1e-9)
    assert log_prior(one, values) == pytest.approx(log_prior(other, there), rel=1e-9)


def test_a_posterior_is_about_the_estimates(outcome):
    model = regression_mixture("few ~ x", family=bm.zero_inflated_poisson(), inflation="z")
    fit = bm.fit(model, outcome, **QUICK)
    post = bm.sample(fit, outcome, method="importance", draws=800, chains=2, seed=1, progress=False)
    for name in ("outcome_inflation_logit", "outcome_inflation_slope", "coefficient"):
        mean = post["posterior"][name].mean(("chain", "draw")).values
        assert_allclose(mean, fit.params[name].values, atol=float(0.5 * fit.se[name].max()))


def test_classes_of_an_outcome_have_one_inflation_unless_asked():
    def dims(**given):
        model = regression_mixture("y ~ x", 2, family=bm.zero_inflated_negative_binomial(), **given)
        return {p.name: p.dims for p in model.parameters if "inflation" in p.name or "dispersion" in p.name}

    assert dims() == {"outcome_dispersion": (), "outcome_inflation": ()}
    assert dims(variance="class") == {"outcome_dispersion": ("C",), "outcome_inflation": ()}
    assert dims(inflation_by_class=True) == {"outcome_dispersion": (), "outcome_inflation": ("C",)}
    assert dims(inflation="z", inflation_by_class=True) == {
        "outcome_dispersion": (),
        "outcome_inflation_logit": ("C",),
        "outcome_inflation_slope": ("C", "inflation_covariate"),
    }
    grouped = regression_mixture("y ~ x", 1, family=bm.zero_inflated_poisson(), inflation="z", group="g",
                                 variance_by_group=True)  # fmt: skip
    assert {p.name: p.dims for p in grouped.parameters}["outcome_inflation_logit"] == ("group",)


def test_several_outcomes_have_each_their_inflation(outcome):
    model = regression_mixture(
        ["y ~ x", "few ~ x"], 2, family=dict.fromkeys(["y", "few"], bm.zero_inflated_poisson()), inflation="z"
    )
    values = {
        "class_logit": [0.3, 0.0], "intercept": [[0.1, 1.5], [0.4, 1.0]],
        "coefficient": [[[0.2], [0.1]], [[0.0], [0.3]]],
        "outcome_inflation_logit": [-1.0, -0.4], "outcome_inflation_slope": [[0.7], [-0.3]],
    }  # fmt: skip
    y, x, z = outcome[["y", "few"]].to_numpy()[:, :, None], outcome["x"].to_numpy(), outcome[["z"]].to_numpy()
    slopes = np.array(values["coefficient"])[:, :, 0]
    mu = np.exp(np.array(values["intercept"]) + slopes * x[:, None, None])
    w = special.expit(np.array(values["outcome_inflation_logit"]) + z * [0.7, -0.3])[:, :, None]
    each = np.log(w * (y == 0) + (1 - w) * stats.poisson.pmf(y, mu)).sum(axis=1)
    expected = special.logsumexp(special.log_softmax(values["class_logit"]) + each, axis=1)
    assert_allclose(bm.log_likelihood(model, outcome, values, units=True), expected, rtol=1e-10)


def test_the_listing_of_a_regression_names_what_the_covariates_predict(outcome):
    model = regression_mixture("y ~ x", family=bm.zero_inflated_negative_binomial(), inflation="z")
    text = bm.report(bm.fit(model, outcome, **QUICK))
    assert re.search(r"outcome inflation logit on z +0\.\d", text)
    assert "dispersion on" not in text


@EVERY
def test_a_model_is_read_as_it_was_written(name):
    model = WITH[name][0]
    assert serialize.loads(serialize.dumps(model)) == model


def test_an_mplus_input_has_the_slopes(df, tmp_path):
    fit = solved(MODEL, df, **TRUTH)
    bm.mplus.write(fit, df, tmp_path / "run.inp")
    text = (tmp_path / "run.inp").read_text()
    assert "COUNT = A(I) B(I);" in text
    overall = text.split("%C#1%")[0]
    assert re.search(r"A#1 ON X\*0\.\d+;", overall)
    slope = float(re.search(r"B#1 ON Z\*(-?[\d.]+);", overall)[1])
    assert slope == pytest.approx(float(fit.params["item_inflation_slope"][1, 1]), abs=1e-4)


def test_the_command_line_declares_it():
    given = {"items": ITEMS, "classes": 2}
    assert declare("count_mixture", given, ["dispersion=none", "inflation=x + z"], [*ITEMS, "x", "z"]) == MODEL
    given = {"formula": "y ~ x", "classes": 2, "family": bm.zero_inflated_poisson()}
    made = declare("regression_mixture", given, ["inflation=z", "inflation_by_class=true"], ["y", "x", "z"])
    assert made == regression_mixture(
        "y ~ x", 2, family=bm.zero_inflated_poisson(), inflation="z", inflation_by_class=True
    )


# growth -------------------------------------------------------------------------------------------

WAVES = ["y1", "y2", "y3"]
TIMES = [[1.0] * 3, [0.0, 1.0, 2.0]]
COUNTS = {"class_logit": [0.2, 0.0], "I_mean": [0.4, 1.6], "S_mean": [0.3, -0.2], "time_score": TIMES}


def test_growth_of_inflated_counts_by_class_and_occasion():
    model = growth(WAVES, 2, family=bm.zero_inflated_poisson(), random="0", inflation="class and occasion")
    w = np.array([[0.1, 0.2, 0.3], [0.5, 0.4, 0.3]])
    values = COUNTS | {"outcome_inflation": w}
    drawn = bm.simulate(model, values, n=30_000, seed=6)
    df = drawn.head(300)
    mu = np.exp(np.array(COUNTS["I_mean"])[:, None] + np.array(COUNTS["S_mean"])[:, None] * np.arange(3))
    y = df[WAVES].to_numpy(dtype=float)[:, None, :]
    each = np.log(w * (y == 0) + (1 - w) * stats.poisson.pmf(y, mu)).sum(-1)
    expected = special.logsumexp(special.log_softmax(COUNTS["class_logit"]) + each, axis=1).sum()
    assert bm.log_likelihood(model, df, values) == pytest.approx(expected, rel=1e-11)
    fit = solved(model, df, **values)
    table = bm.trajectories(fit, points=9)
    assert list(table["occasion"]) == [*WAVES, *WAVES]
    held = fit.params
    mean = np.exp(held["I_mean"].values[:, None] + held["S_mean"].values[:, None] * np.arange(3))
    assert_allclose(table["expected"].to_numpy().reshape(2, 3), (1 - held["outcome_inflation"].values) * mean)


def test_growth_of_inflated_counts_in_the_long_form():
    dims = [
        {p.name: p.dims for p in growth("y ~ t", 2, id="id", family=bm.zero_inflated_poisson(), random="0", **more)
         .parameters}["outcome_inflation"]
        for more in ({}, {"inflation": "class"})
    ]  # fmt: skip
    assert dims == [(), ("D",)]


# what is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: lca(ITEMS, 2, family=bm.poisson(), inflation="x"), "inflation='x' came, but no response is inflated"),
        (lambda: lca(ITEMS, 2, family=bm.zero_inflated_poisson(), inflation="1"), "which has no covariate"),
        (
            lambda: lca(ITEMS, 2, family=bm.zero_inflated_poisson(), inflation_slopes_by_class=True),
            "inflation_slopes_by_class=True came without inflation",
        ),
        (
            lambda: regression_mixture("y ~ x", 2, family=bm.poisson(), inflation_by_class=True),
            "inflation_by_class=True came, but no response is inflated",
        ),
        (
            lambda: regression_mixture("y ~ x", 2, family=bm.zero_inflated_poisson(), variance="class"),
            "leave it out, or give inflation_by_class=True",
        ),
        (lambda: count_mixture(ITEMS, 2, dispersion="some"), "dispersion came as 'some'"),
        (lambda: growth(WAVES, 2, family=bm.poisson(), inflation="class"), "inflation='class' came, but no response"),
        (lambda: growth(WAVES, 2, inflation="some"), "inflation came as 'some'"),
        (
            lambda: growth("y ~ t", 2, id="id", family=bm.zero_inflated_poisson(), inflation="occasion"),
            "inflation of the long form came as 'occasion'",
        ),
    ],
)
def test_what_says_nothing_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()
