"""Partial credit against loops over categories and nodes, the 2PL, nominal classes, and item curves."""

import numpy as np
import pandas as pd
import pytest
from bayesmix.models import fma, irt_3pl, lca, regression_mixture
from numpy.testing import assert_allclose
from scipy import special

import bayesmix as bm
from bayesmix.cli.arguments import family_of
from bayesmix.graph import LogLikelihood
from densities import loglik

ITEMS = ["a", "b", "c"]
QUICK = {"starts": 4, "finals": 2, "rounds": 1, "budget": 0, "progress": False}
MODEL = fma(ITEMS, 1, family=bm.partial_credit())
STEPS = np.array([[-1.0, 0.5, 0.2], [0.3, -0.4, 1.0], [0.5, -0.5, 0.0]])
TRUTH = {"class_logit": [0.0], "loading": np.array([1.0, 1.5, 0.7]), "item_threshold": STEPS[None]}
CATEGORIES = {i: [0, 1, 2, 3] for i in ITEMS}


@pytest.fixture(scope="module")
def df():
    out = bm.simulate(MODEL, TRUTH, n=600, seed=1, categories=CATEGORIES)[ITEMS].astype(float)
    out.loc[::9, "a"] = np.nan
    return out


@pytest.fixture(scope="module")
def fit(df):
    return bm.fit(MODEL, df, **QUICK)


def log_probabilities(eta, steps):
    """log P(k) of eta and thresholds of one item, by the ratios of neighbours: a loop."""
    odds = [1.0]
    for tau in steps:
        odds.append(odds[-1] * np.exp(eta - tau))
    return np.log(np.array(odds) / sum(odds))


def by_nodes(df, loading, steps):
    """The log-likelihood of each row by Gauss and Hermite."""
    z, w = np.polynomial.hermite_e.hermegauss(41)
    out = np.zeros(len(df))
    for row, answers in enumerate(df.to_numpy()):
        each = np.log(w / w.sum())
        for node in range(len(z)):
            for y, a, tau in zip(answers, loading, steps, strict=True):
                each[node] += 0.0 if np.isnan(y) else log_probabilities(a * z[node], tau)[int(y)]
        out[row] = special.logsumexp(each)
    return out


def test_the_generalised_model_is_that_of_a_loop(df):
    some = df.head(80)
    found = bm.log_likelihood(MODEL, some, TRUTH, units=True, nodes=bm.gauss_hermite(41))
    assert_allclose(found, by_nodes(some, TRUTH["loading"], STEPS), rtol=1e-10)


def test_items_have_other_numbers_of_categories():
    data = pd.DataFrame({"a": [0, 1, 2, 1], "b": [0, 1, 0, 1], "c": [3, 1, 2, 0]})
    steps = [STEPS[0][:2], STEPS[1][:1], STEPS[2]]
    values = TRUTH | {"item_threshold": STEPS[None] * 1.0}
    problem = bm.prepare(MODEL, data)
    assert problem.packing.size == 3 + 2 + 1 + 3
    held = values["item_threshold"].copy()
    held[0, 0, 2], held[0, 1, 1:] = np.nan, np.nan
    found = bm.log_likelihood(MODEL, data, values | {"item_threshold": held}, units=True, nodes=bm.gauss_hermite(41))
    assert_allclose(found, by_nodes(data.astype(float), TRUTH["loading"], steps), rtol=1e-9)


def test_two_categories_are_the_2pl():
    data = pd.DataFrame(np.random.default_rng(0).integers(0, 2, (60, 3)), columns=ITEMS)
    values = {"class_logit": [0.0], "loading": TRUTH["loading"], "item_threshold": STEPS[None, :, :1]}
    two = {"loading": TRUTH["loading"], "item_intercept": -STEPS[:, 0]}
    expected = bm.log_likelihood(irt_3pl(ITEMS, guessing="none"), data, two, units=True)
    assert_allclose(bm.log_likelihood(MODEL, data, values, units=True), expected, rtol=1e-12)


def test_in_classes_it_is_the_nominal_model(df):
    steps = np.stack([STEPS, STEPS[::-1] - 0.3])
    values = {"class_logit": [0.2, 0.0], "item_threshold": steps}
    logits = np.concatenate([np.zeros((2, 3, 1)), np.cumsum(-steps, axis=-1)], axis=-1)
    nominal = bm.log_likelihood(lca(ITEMS, 2), df, {"class_logit": [0.2, 0.0], "item_logit": logits}, units=True)
    found = bm.log_likelihood(lca(ITEMS, 2, family=bm.partial_credit()), df, values, units=True)
    assert_allclose(found, nominal, rtol=1e-12)


def test_with_one_loading_it_is_the_partial_credit_model(df):
    """Sum scores are sufficient: rows of one sum, without gaps, have posterior means of the factor that are equal."""
    whole = df.dropna()
    fit = bm.fit(fma(ITEMS, 1, family=bm.partial_credit(), loadings="one"), whole, **QUICK)
    scores = pd.Series(np.ravel(fit.effects()["f"]))
    assert scores.groupby(whole.sum(axis=1).to_numpy()).std().fillna(0).max() < 1e-8


def test_the_gradient_is_that_of_differences(df):
    graph = LogLikelihood(problem := bm.prepare(MODEL, df))
    theta = problem.pack({k: np.asarray(v) for k, v in TRUTH.items()})
    slopes = [(graph.value(theta + e) - graph.value(theta - e)) / 2e-6 for e in 1e-6 * np.eye(len(theta))]
    assert_allclose(graph.value_and_gradient(theta)[1], slopes, rtol=1e-5, atol=1e-4)


def test_draws_have_the_probabilities():
    model = lca(["a"], 1, family=bm.partial_credit())
    values = {"class_logit": [0.0], "item_threshold": STEPS[None, :1]}
    y = bm.simulate(model, values, n=40_000, seed=2, categories={"a": [0, 1, 2, 3]})["a"]
    p = np.exp(log_probabilities(0.0, STEPS[0]))
    assert_allclose(np.bincount(y.astype(int)) / len(y), p, atol=4 * 0.5 / np.sqrt(len(y)))


def test_a_fit_recovers_discriminations_and_difficulties(fit):
    for name in ("loading", "item_threshold"):
        away = np.abs(fit.params[name].values - np.asarray(TRUTH[name])) / fit.se[name].values
        assert away.max() < 3.5
    assert_allclose(fit.derived["discrimination"], fit.params["loading"])
    difficulty = fit.params["item_threshold"].values / fit.params["loading"].values[:, None]
    assert_allclose(fit.derived["difficulty"], difficulty, rtol=1e-10)
    text = bm.report(fit)
    assert "exp(a (f - b))" in text
    assert "distribution" not in text.split("ITEM RESPONSE PARAMETERS")[1].split("FACTOR F")[0]


def test_curves_and_information_are_those_of_the_formula(fit):
    """The information of an item is a^2 Var(y | f)."""
    curves = bm.item_curves(fit)
    k = int(np.argmin(np.abs(curves["eta"].values - 0.8)))
    for j, item in enumerate(ITEMS):
        a = float(fit.params["loading"][j])
        p = np.exp(log_probabilities(a * float(curves["eta"][k]), fit.params["item_threshold"].values[0, j]))
        one = curves.sel(item=item).isel(factor=0, eta=k).squeeze()
        assert_allclose(one["probability"], p, rtol=1e-8)
        y = np.arange(4)
        variance = (y**2 * p).sum() - (y * p).sum() ** 2
        assert float(one["information"]) == pytest.approx(a**2 * variance, rel=1e-3)
    bm.plots.item_curves(fit)
    bm.plots.information(fit)
    some = pd.DataFrame(np.arange(60).reshape(20, 3) % 4, columns=ITEMS)
    bm.plots.profile(bm.fit(lca(ITEMS, 1, family=bm.partial_credit()), some, **QUICK))


def test_kinds_of_items_stand_in_one_test():
    five = fma([*"abcde"], 1, family=bm.partial_credit())
    truth = {"class_logit": [0.0], "loading": [1.0, 1.5, 0.7, 1.2, 1.0], "item_threshold": np.tile(STEPS[1], (1, 5, 1))}
    drawn = bm.simulate(five, truth, n=500, seed=4, categories={i: [0, 1, 2, 3] for i in "abcde"})
    data = drawn.assign(d=(drawn["d"].astype(int) > 1).astype(int))
    kinds = {"a": bm.partial_credit(), "b": bm.partial_credit(), "c": bm.ordinal(), "d": bm.bernoulli()}
    kinds |= {"e": bm.ordinal()}
    fit = bm.fit(fma([*"abcde"], 1, family=kinds), data, **QUICK)
    assert [k for k in fit.derived if k.startswith("discrimination")] == [
        "discrimination_partial_credit", "discrimination_ordinal", "discrimination_bernoulli",
    ]  # fmt: skip
    assert set(bm.item_curves(fit)["item"].values) == {*"abcde"}
    text = bm.report(fit)
    assert "exp(a (f - b))" in text
    assert "F(a (f - b))" in text


def test_the_graded_response_model_tells_its_difficulties(df):
    fit = bm.fit(fma(ITEMS, 1, family=bm.ordinal()), df, **QUICK)
    difficulty = fit.params["item_threshold"].values / fit.params["loading"].values[:, None]
    assert_allclose(fit.derived["difficulty"], difficulty, rtol=1e-10)
    assert (np.diff(fit.params["item_threshold"].values) > 0).all()


def test_of_a_regression_it_is_the_logits_of_neighbours(df):
    data = df.assign(x=np.linspace(-1, 1, len(df))).dropna()
    model = regression_mixture("b ~ x", family=bm.partial_credit())
    values = {"coefficient": [0.8], "outcome_threshold": STEPS[1]}
    expected = [log_probabilities(0.8 * x, STEPS[1])[int(y)] for x, y in zip(data["x"], data["b"], strict=True)]
    assert_allclose(bm.log_likelihood(model, data, values, units=True), expected, rtol=1e-10)


def test_the_pymc_model_has_the_same_density(df):
    found = loglik(bm.build(MODEL, df, nodes=bm.gauss_hermite(21)), {k: np.asarray(v) for k, v in TRUTH.items()})
    assert found == pytest.approx(bm.log_likelihood(MODEL, df, TRUTH, nodes=bm.gauss_hermite(21)), rel=1e-9)


@pytest.mark.filterwarnings("ignore:The (largest|smallest)")
def test_draws_of_a_posterior_are_about_the_estimates(df, fit):
    post = bm.sample(fit, df, draws=200, tune=200, chains=2, seed=1, progress=False)
    means = post["posterior"].to_dataset()["item_threshold"].mean(("chain", "draw"))
    assert_allclose(means, fit.params["item_threshold"], atol=2 * float(fit.se["item_threshold"].max()))


def test_a_fit_comes_back_from_its_file(df, fit, tmp_path):
    fit.save(tmp_path / "fit.nc")
    again = bm.Fit.load(tmp_path / "fit.nc")
    assert again.model == fit.model
    assert bm.log_likelihood(again.model, df, again.params) == pytest.approx(fit.loglik, abs=1e-8)


def test_residuals_and_predictions_are_of_categories(df, fit):
    assert bm.residuals(fit, df).univariate["z"].abs().max() < 2
    assert {"a=0", "a=3"} <= set(bm.predict(fit, df.head(3)).outcomes.columns)


def test_the_command_line_and_text_without_an_order():
    assert family_of(["partial_credit"], ITEMS, ITEMS) == bm.partial_credit()
    text = pd.DataFrame({i: ["low", "mid", "high", "mid"] for i in ITEMS})
    with pytest.raises(ValueError, match="whose order nobody gave; the family partial_credit needs it"):
        bm.fit(MODEL, text)
