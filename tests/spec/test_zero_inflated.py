"""Inflated counts against SciPy, their limit, their simulator, regressions of statsmodels, and the PyMC model."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from bayesmix.models import lca, regression_mixture
from numpy.testing import assert_allclose
from scipy import special, stats
from statsmodels.tools.numdiff import approx_hess

import bayesmix as bm
from bayesmix.cli.arguments import family_of
from bayesmix.graph import LogLikelihood
from densities import loglik

ITEMS = ["a", "b"]
TRUTH = {
    "class_logit": np.array([0.4, 0.0]),
    "item_intercept": np.log([[1.0, 2.0], [8.0, 20.0]]),
    "item_inflation": np.array([[0.4, 0.2], [0.1, 0.3]]),
}
DISPERSION = {"item_dispersion": np.array([0.5, 0.2])}
QUICK = {"starts": 6, "finals": 3, "rounds": 1, "budget": 0, "progress": False}
POISSON, NEGATIVE = (
    lca(ITEMS, 2, family=bm.zero_inflated_poisson()),
    lca(ITEMS, 2, family=bm.zero_inflated_negative_binomial()),
)
BOTH = pytest.mark.parametrize(("model", "values"), [(POISSON, TRUTH), (NEGATIVE, TRUTH | DISPERSION)])


def mass(y, values):
    """P(y) of items by class."""
    w, mu, alpha = values["item_inflation"], np.exp(values["item_intercept"]), values.get("item_dispersion")
    p = stats.poisson.pmf(y, mu) if alpha is None else stats.nbinom.pmf(y, 1 / alpha, 1 / (1 + alpha * mu))
    return w * (y == 0) + (1 - w) * p


@pytest.fixture(scope="module")
def df():
    out = bm.simulate(NEGATIVE, TRUTH | DISPERSION, n=1500, seed=1)[ITEMS].astype(float)
    out.loc[::9, "a"] = np.nan
    return out.assign(x=np.random.default_rng(2).normal(size=len(out)))


@BOTH
def test_the_likelihood_is_that_of_scipy(df, model, values):
    y = df[ITEMS].to_numpy()[:, None, :]
    each = np.where(np.isnan(y), 0.0, np.log(np.where(np.isnan(y), 1.0, mass(y, values)))).sum(-1)
    expected = special.logsumexp(special.log_softmax(values["class_logit"]) + each, axis=1)
    assert_allclose(bm.log_likelihood(model, df, values, units=True), expected, rtol=1e-10)


@pytest.mark.parametrize("dispersed", [False, True])
def test_without_inflation_it_is_the_family_of_counts(df, dispersed):
    model, values = (NEGATIVE, TRUTH | DISPERSION) if dispersed else (POISSON, TRUTH)
    plain = lca(ITEMS, 2, family=bm.negative_binomial() if dispersed else bm.poisson())
    counts = {k: v for k, v in values.items() if k != "item_inflation"}
    none = values | {"item_inflation": np.zeros((2, 2))}
    assert bm.log_likelihood(model, df, none) == pytest.approx(bm.log_likelihood(plain, df, counts), rel=1e-13)


@BOTH
@pytest.mark.parametrize("by_row", [False, True])
def test_the_gradient_is_that_of_differences(df, model, values, by_row):
    if by_row:
        family = model.responses[0].family
        spread = "class" if family.counts.auxiliary else "equal"
        model = regression_mixture("a ~ x", 2, family=family, variance=spread, inflation_by_class=True)
        values = {"class_logit": [0.3, 0.0], "intercept": [0.1, 2.0], "coefficient": [[0.2], [-0.1]]}
        values |= {"outcome_inflation": [0.0, 0.3]} | (
            {"outcome_dispersion": [0.6, 0.3]} if family.counts.auxiliary else {}
        )
    else:
        values = values | {"item_inflation": np.array([[0.0, 0.2], [0.9, 0.3]])}
    graph = LogLikelihood(problem := bm.prepare(model, df))
    theta = problem.pack({k: np.asarray(v) for k, v in values.items()})
    steps = 1e-7 * np.eye(len(theta))  # below zero the formula goes on
    slopes = [(graph.value(theta + e) - graph.value(theta - e)) / 2e-7 for e in steps]
    assert_allclose(graph.value_and_gradient(theta)[1], slopes, rtol=2e-4, atol=2e-3)


@BOTH
def test_draws_have_the_mean_and_the_variance_that_the_family_says(model, values):
    drawn = bm.simulate(model, values, n=60_000, seed=3)
    for c in range(2):
        y = drawn.loc[drawn["true_C"] == c + 1, ITEMS].to_numpy()
        support = np.arange(400)[:, None]
        p = mass(support, {k: v[c] if np.ndim(v) == 2 else v for k, v in values.items()})
        mean, square = (support * p).sum(0), (support**2 * p).sum(0)
        assert_allclose(y.mean(0), mean, atol=4 * np.sqrt((square - mean**2).max() / len(y)))
        assert_allclose(y.var(0), square - mean**2, rtol=0.06)


def test_residuals_are_of_the_mean_and_the_variance(df):
    """One class: the table of the graph gives the moments of the distribution."""
    model = lca(["b"], 1, family=bm.zero_inflated_negative_binomial())
    fit = bm.fit(model, df, **QUICK)
    p = mass(
        np.arange(2000), {k: np.ravel(fit.params[k]) for k in ("item_intercept", "item_inflation", "item_dispersion")}
    )
    mean = (np.arange(2000) * p).sum()
    variance = (np.arange(2000) ** 2 * p).sum() - mean**2
    found = bm.residuals(fit, df)
    assert found.univariate["expected"].iloc[0] == pytest.approx(mean, rel=1e-8)
    assert found.numbers["expected"].iloc[0] == pytest.approx(variance, rel=1e-6)
    assert float(fit.derived["item_mean"].values.ravel()[0]) == pytest.approx(mean, rel=1e-8)


def test_the_poisson_regression_is_that_of_statsmodels(df):
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"x": rng.normal(size=800)})
    data["y"] = rng.poisson(np.exp(0.8 + 0.4 * data["x"])) * (rng.random(800) > 0.35)
    fit = bm.fit(regression_mixture("y ~ x", family=bm.zero_inflated_poisson()), data, **QUICK)
    other = sm.ZeroInflatedPoisson(data["y"], sm.add_constant(data["x"])).fit(disp=0, maxiter=500)
    assert fit.loglik == pytest.approx(other.llf, abs=1e-4)
    assert float(fit.params["outcome_inflation"]) == pytest.approx(special.expit(other.params.iloc[0]), abs=1e-3)
    assert_allclose([float(fit.params["intercept"]), float(fit.params["coefficient"][0])], other.params[1:], atol=1e-3)


def test_standard_errors_are_those_of_differences():
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"x": rng.normal(size=800)})
    data["y"] = rng.poisson(np.exp(0.8 + 0.4 * data["x"])) * (rng.random(800) > 0.35)
    fit = bm.fit(regression_mixture("y ~ x", family=bm.zero_inflated_poisson()), data, **QUICK)

    def plain(at):
        p = stats.poisson.pmf(data["y"], np.exp(at[0] + at[1] * data["x"]))
        return np.log(at[2] * (data["y"] == 0) + (1 - at[2]) * p).sum()

    names = ("intercept", "coefficient", "outcome_inflation")
    hessian = approx_hess(np.array([float(np.ravel(fit.params[k])[0]) for k in names]), plain)
    errors = np.sqrt(np.diag(np.linalg.inv(-hessian)))
    assert_allclose([float(np.ravel(fit.se_hessian[k])[0]) for k in names], errors, rtol=1e-3)


def test_the_negative_binomial_regression_is_that_of_statsmodels():
    rng = np.random.default_rng(6)
    data = pd.DataFrame({"x": rng.normal(size=1500)})
    mean = np.exp(1.2 + 0.4 * data["x"])
    data["y"] = rng.negative_binomial(2.0, 2.0 / (2.0 + mean)) * (rng.random(1500) > 0.3)
    fit = bm.fit(regression_mixture("y ~ x", family=bm.zero_inflated_negative_binomial()), data, **QUICK)
    other = sm.ZeroInflatedNegativeBinomialP(data["y"], sm.add_constant(data["x"]), p=2)
    start = [np.log(0.3 / 0.7), 1.2, 0.4, 0.5]
    found = other.fit(start_params=start, disp=0, maxiter=500)
    assert fit.loglik == pytest.approx(found.llf, abs=1e-4)
    assert float(fit.params["outcome_dispersion"]) == pytest.approx(found.params.iloc[3], rel=0.01)


def test_a_fit_recovers_what_was_drawn():
    drawn = bm.simulate(POISSON, TRUTH, n=2000, seed=4)
    fit = bm.fit(POISSON, drawn, **QUICK)
    order = np.argsort(fit.params["item_intercept"].values[:, 0])
    for name in ("item_intercept", "item_inflation"):
        away = np.abs(fit.params[name].values[order] - TRUTH[name]) / fit.se[name].values[order]
        assert away.max() < 3.5
    mean = (1 - fit.params["item_inflation"]) * np.exp(fit.params["item_intercept"])
    assert_allclose(fit.derived["item_mean"], mean, rtol=1e-10)
    assert "EXPECTED ANSWERS" in bm.report(fit)
    assert bm.plots.profile(fit)[0].get_ylabel() == "rate of those who count"


def test_inflation_that_runs_to_zero_is_said_to_be_at_its_boundary():
    data = pd.DataFrame({"y": np.random.default_rng(0).poisson(3, 400)})
    fit = bm.fit(lca(["y"], 1, family=bm.zero_inflated_poisson()), data, **QUICK)
    assert fit.quality["boundary"] == ["item_inflation[1, y]"]
    assert np.isnan(fit.se["item_inflation"].values).all()
    plain = bm.fit(lca(["y"], 1, family=bm.poisson()), data, **QUICK)
    assert fit.loglik == pytest.approx(plain.loglik, abs=1e-5)
    assert_allclose(fit.se["item_intercept"], plain.se["item_intercept"], rtol=1e-3)
    assert "item_inflation[1, y]" in bm.report(fit).split("boundary")[-1]


@BOTH
def test_the_pymc_model_has_the_same_density(df, model, values):
    assert loglik(bm.build(model, df), values) == pytest.approx(bm.log_likelihood(model, df, values), rel=1e-9)


def test_draws_of_a_posterior_are_about_the_estimates():
    drawn = bm.simulate(POISSON, TRUTH, n=600, seed=8)
    fit = bm.fit(POISSON, drawn, **QUICK)
    post = bm.sample(fit, drawn, draws=600, tune=500, chains=2, seed=1, progress=False)
    means = post["posterior"].to_dataset()["item_inflation"].mean(("chain", "draw"))
    assert_allclose(means, fit.params["item_inflation"], atol=4 * float(fit.se["item_inflation"].max()))


def test_the_command_line_knows_their_names():
    assert family_of(["zero_inflated_poisson"], ITEMS, ITEMS) == bm.zero_inflated_poisson()
    assert family_of(["a=zero_inflated_negative_binomial"], ITEMS, ITEMS)["a"].counts == bm.negative_binomial()
    with pytest.raises(ValueError, match="zero_inflated_poisson came as 'zero_inflated_poisson:3': give"):
        family_of(["zero_inflated_poisson:3"], ITEMS, ITEMS)


@pytest.mark.parametrize(
    ("y", "words"),
    [
        ([1.5, 2, 3, 0], "came with 1.5, expected counts 0, 1, 2, .* for the family zero_inflated_poisson"),
        ([-1, 2, 3, 0], "came with -1, expected counts"),
        (["no", "yes", "no", "yes"], "text|number"),
    ],
)
def test_what_is_no_count_is_refused(y, words):
    with pytest.raises(ValueError, match=words):
        bm.fit(lca(["a"], 1, family=bm.zero_inflated_poisson()), pd.DataFrame({"a": y}))
