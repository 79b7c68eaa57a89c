"""The negative binomial family against SciPy, its Poisson limit, its simulator, a regression of another program."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from bayesmix.models.regression_mixture import regression_mixture
from numpy.testing import assert_allclose
from scipy import stats

import bayesmix as bm
from bayesmix.graph import LogLikelihood
from bayesmix.spec.families import FAMILIES
from bayesmix.spec.families.negative_binomial import NegativeBinomial
from densities import loglik

MODEL = regression_mixture("y ~ x", family=NegativeBinomial())


@pytest.fixture(scope="module")
def df():
    rng = np.random.default_rng(0)
    out = pd.DataFrame({"x": rng.normal(size=400)})
    mean = np.exp(0.5 + 0.8 * out["x"])
    return out.assign(y=rng.negative_binomial(1 / 0.7, 1 / (1 + 0.7 * mean)).astype(float))


def values(alpha: float, intercept: float = 0.4) -> dict:
    return {"intercept": np.array(intercept), "coefficient": np.array([0.7]), "outcome_dispersion": np.array(alpha)}


def test_it_is_found_by_its_name():
    assert FAMILIES["negative_binomial"] is NegativeBinomial
    assert NegativeBinomial().name == "negative_binomial"


@pytest.mark.parametrize("alpha", [1e-3, 0.7, 30.0])
def test_its_mass_is_that_of_scipy(df, alpha):
    mean = np.exp(0.4 + 0.7 * df["x"])
    expected = stats.nbinom.logpmf(df["y"], 1 / alpha, 1 / (1 + alpha * mean))
    assert_allclose(bm.log_likelihood(MODEL, df, values(alpha), units=True), expected, rtol=1e-9)


def test_huge_counts_cost_as_many_features_as_there_are_different_ones(df):
    large = df.assign(y=df["y"] * 10_000.0)
    problem = bm.prepare(MODEL, large)
    assert problem.arrays["outcome:features"].values.shape[1] == 3 + large["y"].nunique()
    expected = stats.nbinom.logpmf(large["y"], 1 / 0.7, 1 / (1 + 0.7 * np.exp(9.4 + 0.7 * df["x"]))).sum()
    assert bm.log_likelihood(MODEL, large, values(0.7, 9.4)) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("alpha", [1e-8, 1e-3, 0.7, 50.0])
def test_the_cost_does_not_grow_with_the_counts(alpha):
    """Numbers below a count in the millions are no array of that size."""
    y = np.unique(np.concatenate([np.arange(60), np.geomspace(61, 3e6, 500).round()]))
    df = pd.DataFrame({"y": y, "x": np.linspace(-1.0, 1.0, len(y))})
    problem = bm.prepare(MODEL, df)
    assert max(x.values.size for x in problem.arrays.values()) < 1.1 * len(y) ** 2
    mean = np.exp(7.0 + 0.7 * df["x"])
    expected = stats.nbinom.logpmf(y, 1 / alpha, 1 / (1 + alpha * mean))
    found = bm.log_likelihood(MODEL, df, values(alpha, 7.0), units=True)
    assert_allclose(found, expected, rtol=1e-8, atol=1e-6)


def test_without_dispersion_it_is_the_poisson_distribution(df):
    poisson = regression_mixture("y ~ x", family=bm.poisson())
    expected = bm.log_likelihood(poisson, df, {k: v for k, v in values(1.0).items() if k != "outcome_dispersion"})
    for alpha in (1e-6, 1e-9, 1e-12):
        assert bm.log_likelihood(MODEL, df, values(alpha)) == pytest.approx(expected, abs=2e3 * alpha + 1e-9)


def test_its_gradient_is_that_of_differences(df):
    graph = LogLikelihood(problem := bm.prepare(MODEL, df.assign(y=df["y"].where(df["x"] < 2))))
    theta = problem.pack(values(0.7))
    steps = 1e-6 * np.eye(len(theta))
    slopes = [(graph.value(theta + e) - graph.value(theta - e)) / 2e-6 for e in steps]
    assert_allclose(graph.value_and_gradient(theta)[1], slopes, rtol=1e-5, atol=1e-5)


def test_its_draws_have_its_mean_and_variance():
    n, x = 40_000, np.zeros(40_000)
    drawn = bm.simulate(MODEL, values(0.7), df=pd.DataFrame({"x": x}), seed=3)["y"]
    mean = np.exp(0.4)
    assert drawn.mean() == pytest.approx(mean, abs=4 * np.sqrt((mean + 0.7 * mean**2) / n))
    assert drawn.var() == pytest.approx(mean + 0.7 * mean**2, rel=0.05)


def test_a_regression_is_that_of_statsmodels(df):
    fit, other = bm.fit(MODEL, df, progress=False), sm.NegativeBinomial(df["y"], sm.add_constant(df["x"])).fit(disp=0)
    assert fit.loglik == pytest.approx(other.llf, abs=1e-5)
    found = [
        float(fit.params["intercept"]),
        float(fit.params["coefficient"][0]),
        float(fit.params["outcome_dispersion"]),
    ]
    assert_allclose(found, other.params, rtol=1e-3)
    hessian = [float(np.ravel(fit.se_hessian[k])[0]) for k in ("intercept", "coefficient", "outcome_dispersion")]
    assert_allclose(hessian, other.bse, rtol=0.02)


def test_the_pymc_model_has_the_same_density(df):
    made = bm.build(MODEL, df)
    assert loglik(made, values(0.7)) == pytest.approx(bm.log_likelihood(MODEL, df, values(0.7)), rel=1e-9)


@pytest.mark.parametrize(
    ("y", "words"),
    [
        ([1.5, 2, 3, 0], "came with 1.5, expected counts 0, 1, 2, .* for the family negative_binomial"),
        ([-1, 2, 3, 0], "came with -1, expected counts"),
        ([np.inf, 2, 3, 0], "infinite values"),
        ([2, 2, 2, 2], "constant|always 2|one value"),
        (list("abcd"), "text"),
    ],
)
def test_what_is_no_count_is_refused(y, words):
    with pytest.raises(ValueError, match=words):
        bm.fit(MODEL, pd.DataFrame({"y": y, "x": [0.0, 1, 2, 3]}))
