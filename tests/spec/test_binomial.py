"""Successes among trials against SciPy, against rows of binary answers, their simulator, and what is refused."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from bayesmix.models import fma, lca, regression_mixture
from numpy.testing import assert_allclose
from scipy import special, stats

import bayesmix as bm
from bayesmix.cli.arguments import family_of
from bayesmix.graph import LogLikelihood
from densities import loglik

ITEMS = ["a", "b"]
TRUTH = {"class_logit": np.array([0.4, 0.0]), "item_intercept": np.array([[-1.2, -2.0], [1.0, 0.5]])}
QUICK = {"starts": 6, "finals": 3, "rounds": 1, "budget": 0, "progress": False}
LINKS = {"logit": special.expit, "probit": special.ndtr}


@pytest.fixture(scope="module")
def df():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"n": rng.integers(0, 12, 900), "x": rng.normal(size=900)})
    out = bm.simulate(lca(ITEMS, 2, family=bm.binomial("n")), TRUTH, df=frame, seed=1)
    out.loc[::9, "a"] = np.nan
    return out


def by_enumeration(df, values, trials, link="logit"):
    y = df[ITEMS].to_numpy()[:, None, :]
    each = stats.binom.logpmf(np.nan_to_num(y), trials, LINKS[link](values["item_intercept"]))
    each = np.where(np.isnan(y), 0.0, each).sum(-1)
    return special.logsumexp(special.log_softmax(values["class_logit"]) + each, axis=1)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("trials", ["n", 11])
def test_the_likelihood_is_that_of_scipy(df, trials, link):
    n = df["n"].to_numpy()[:, None, None] if trials == "n" else trials
    model = lca(ITEMS, 2, family=bm.binomial(trials, link))
    found = bm.log_likelihood(model, df, TRUTH, units=True)
    assert_allclose(found, by_enumeration(df, TRUTH, n, link), rtol=1e-10, atol=1e-12)


def test_it_is_rows_of_binary_answers_but_for_a_constant():
    """A class of persons with two binomial items is the class of their 4 + 3 binary answers with one intercept each."""
    rng = np.random.default_rng(2)
    answers = pd.DataFrame(rng.integers(0, 2, (300, 7)), columns=[*"pqrstuv"])
    counted = pd.DataFrame({"a": answers[[*"pqrs"]].sum(axis=1), "b": answers[[*"tuv"]].sum(axis=1)})
    model = lca(ITEMS, 2, family={"a": bm.binomial(4), "b": bm.binomial(3)})
    assert [r.name for r in model.responses] == ["binomial_4", "binomial_3"]
    values = {"class_logit": [0.3, 0.0], "item_intercept_binomial_4": [[-0.5], [0.7]]}
    values |= {"item_intercept_binomial_3": [[0.2], [-0.4]]}
    rows = {"class_logit": [0.3, 0.0], "item_intercept": [[-0.5] * 4 + [0.2] * 3, [0.7] * 4 + [-0.4] * 3]}
    binary = bm.log_likelihood(lca([*answers], 2, family=bm.bernoulli()), answers, rows, units=True)
    constant = np.log(special.binom(4, counted["a"]) * special.binom(3, counted["b"]))
    assert_allclose(bm.log_likelihood(model, counted, values, units=True), binary + constant, rtol=1e-12)


def test_one_trial_is_a_binary_answer(df):
    one = df[["x"]].assign(a=(df["x"] > 0.3).astype(float), b=(df["x"] > -0.4).astype(float))
    found = bm.log_likelihood(lca(ITEMS, 2, family=bm.binomial(1)), one, TRUTH)
    binary = bm.log_likelihood(lca(ITEMS, 2, family=bm.bernoulli()), one, TRUTH)
    assert found == pytest.approx(binary, rel=1e-13)


def test_equal_rows_of_other_trials_stay_apart():
    data = pd.DataFrame({"a": [1.0] * 40 + [0.0] * 10, "n": [1, 3] * 25})
    problem = bm.prepare(lca(["a"], 1, family=bm.binomial("n")), data)
    assert len(problem.counts) == 4
    values = {"class_logit": [0.0], "item_intercept": [[0.2]]}
    expected = stats.binom.logpmf(data["a"], data["n"], special.expit(0.2)).sum()
    assert bm.log_likelihood(problem.model, data, values) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("trials", ["n", 11])
def test_the_gradient_is_that_of_differences(df, trials):
    model = regression_mixture("a ~ x", 2, family=bm.binomial(trials, "probit"))
    values = {"class_logit": [0.3, 0.0], "intercept": [0.1, -1.0], "coefficient": [[0.2], [-0.5]]}
    graph = LogLikelihood(problem := bm.prepare(model, df))
    theta = problem.pack({k: np.asarray(v) for k, v in values.items()})
    slopes = [(graph.value(theta + e) - graph.value(theta - e)) / 2e-6 for e in 1e-6 * np.eye(len(theta))]
    assert_allclose(graph.value_and_gradient(theta)[1], slopes, rtol=1e-5, atol=1e-4)


def test_draws_have_the_mean_and_the_variance():
    frame = pd.DataFrame({"n": np.repeat([2, 9], 20_000)})
    drawn = bm.simulate(lca(["a"], 1, family=bm.binomial("n")), {"class_logit": [0.0], "item_intercept": [[0.4]]},
                        df=frame, seed=3)  # fmt: skip
    p = special.expit(0.4)
    for n, y in drawn.groupby("n")["a"]:
        assert y.mean() == pytest.approx(n * p, abs=4 * np.sqrt(n * p * (1 - p) / len(y)))
        assert y.var() == pytest.approx(n * p * (1 - p), rel=0.05)


def test_a_regression_is_that_of_statsmodels(df):
    some = df.query("n > 0").dropna()
    fit = bm.fit(regression_mixture("a ~ x", family=bm.binomial("n")), some, **QUICK)
    glm = sm.GLM(some[["a"]].assign(b=some["n"] - some["a"]), sm.add_constant(some["x"]), family=sm.families.Binomial())
    other = glm.fit()
    assert fit.loglik == pytest.approx(other.llf, abs=1e-6)
    found = [float(np.ravel(fit.params[k])[0]) for k in ("intercept", "coefficient")]
    assert_allclose(found, other.params, atol=1e-5)
    assert_allclose([float(np.ravel(fit.se_hessian[k])[0]) for k in ("intercept", "coefficient")], other.bse, rtol=1e-3)


def test_a_fit_recovers_and_tells_probabilities(df):
    fit = bm.fit(lca(ITEMS, 2, family=bm.binomial("n")), df, **QUICK)
    order = np.argsort(fit.params["item_intercept"].values[:, 0])
    away = (fit.params["item_intercept"].values[order] - TRUTH["item_intercept"]) / fit.se["item_intercept"].values
    assert np.abs(away).max() < 3.5
    assert_allclose(fit.derived["item_probability"], special.expit(fit.params["item_intercept"]), rtol=1e-10)
    assert bm.plots.profile(fit)[0].get_ylabel() == "probability"
    found = bm.residuals(fit, df)
    assert found.univariate["z"].abs().max() < 2
    p, share = special.expit(fit.params["item_intercept"]), fit.probabilities["C_probability"]
    expected = float((share * p.sel(item="b")).sum()) * df["n"].mean()
    assert found.univariate.loc[("b", "mean"), "expected"] == pytest.approx(expected, rel=1e-6)


def test_new_rows_are_predicted_with_their_trials(df):
    fit = bm.fit(lca(ITEMS, 2, family=bm.binomial("n")), df, **QUICK)
    new = pd.DataFrame({"a": [np.nan, np.nan], "b": [np.nan, np.nan], "n": [1, 10]})
    p = special.expit(fit.params["item_intercept"].values)
    expected = fit.probabilities["C_probability"].values @ p
    assert_allclose(bm.predict(fit, new).outcomes[ITEMS], np.outer([1, 10], expected), rtol=1e-8)
    with pytest.raises(ValueError, match="no column 'n'"):
        bm.predict(fit, new.drop(columns="n"))


def test_a_factor_of_successes_is_integrated(df):
    model = fma([*ITEMS, "c"], 1, family=bm.binomial(11))
    some = df.dropna().assign(c=lambda d: d["b"])[[*ITEMS, "c"]].head(60)
    values = {"class_logit": [0.0], "item_intercept": [[-0.2, 0.3, 0.1]], "loading": [0.5, 0.8, 0.7]}
    z, w = np.polynomial.hermite_e.hermegauss(61)
    eta = np.array([-0.2, 0.3, 0.1]) + np.array([0.5, 0.8, 0.7]) * z[:, None]
    each = stats.binom.logpmf(some.to_numpy()[:, None, :], 11, special.expit(eta)).sum(-1)
    expected = special.logsumexp(each + np.log(w / w.sum()), axis=1)
    found = bm.log_likelihood(model, some, values, units=True, nodes=bm.gauss_hermite(61))
    assert_allclose(found, expected, rtol=1e-8)


def test_a_fit_comes_back_from_its_file(df, tmp_path):
    fit = bm.fit(lca(ITEMS, 2, family=bm.binomial("n")), df, **QUICK)
    fit.save(tmp_path / "fit.nc")
    again = bm.Fit.load(tmp_path / "fit.nc")
    assert again.model == fit.model
    assert bm.log_likelihood(again.model, df, again.params) == pytest.approx(fit.loglik, abs=1e-8)


def test_the_pymc_model_has_the_same_density(df):
    model = lca(ITEMS, 2, family=bm.binomial("n"))
    assert loglik(bm.build(model, df), TRUTH) == pytest.approx(bm.log_likelihood(model, df, TRUTH), rel=1e-9)


@pytest.mark.filterwarnings("ignore:The (largest|smallest)")
def test_draws_of_a_posterior_are_about_the_estimates(df):
    model = lca(ITEMS, 2, family=bm.binomial("n"))
    fit = bm.fit(model, df, **QUICK)
    post = bm.sample(fit, df, draws=300, tune=300, chains=2, seed=1, progress=False)
    means = post["posterior"].to_dataset()["item_intercept"].mean(("chain", "draw"))
    assert_allclose(means, fit.params["item_intercept"], atol=2 * float(fit.se["item_intercept"].max()))


def test_the_command_line_reads_trials_and_links():
    assert family_of(["binomial:n"], ITEMS, ITEMS) == bm.binomial("n")
    assert family_of(["binomial:10:probit"], ITEMS, ITEMS) == bm.binomial(10, "probit")
    with pytest.raises(ValueError, match="binomial came without its trials: give binomial:10"):
        family_of(["binomial"], ITEMS, ITEMS)


@pytest.mark.parametrize(
    ("trials", "change", "words"),
    [
        ("n", {"n": 0}, r"'a' came with \d+ successes of 0 trials \(column 'n'\) in row \d+: there are no more"),
        ("n", {"n": 2.5}, "column of trials 'n' came with 2.5, expected whole numbers"),
        ("n", {"n": -1}, "column of trials 'n' came with -1, expected whole numbers"),
        ("n", {"n": np.nan}, r"column of trials 'n' is missing in row \d+, where 'a' has an answer"),
        ("n", {"n": "ten"}, "n.*text|n.*number"),
        ("m", {}, "no column 'm'"),
        ("a", {}, "'a' came both as an item and as the column of trials"),
        (3, {}, r"'a' came with \d+ of 3 trials, expected 0 to 3: correct it, or set it to missing"),
        ("n", {"a": 0.5}, "came with 0.5, expected counts"),
        ("n", {"a": -1}, "came with -1, expected counts"),
    ],
)
def test_bad_data_are_refused(df, trials, change, words):
    with pytest.raises(ValueError, match=words):
        bm.prepare(lca(ITEMS, 2, family=bm.binomial(trials)), df.assign(**change))


def test_trials_may_be_missing_where_no_answer_is(df):
    gone = df.assign(n=df["n"].astype(float))
    gone.loc[5, ["a", "b", "n"]] = np.nan
    assert bm.prepare(lca(ITEMS, 2, family=bm.binomial("n")), gone).n_left_out == 1


@pytest.mark.parametrize("trials", [0, -3, 2.5, True, None, ""])
def test_what_is_no_number_of_trials_is_refused(trials):
    with pytest.raises(ValueError, match=r"The trials came as .*, expected a whole number of at least 1, or the name"):
        bm.binomial(trials)
