"""Fits with entries fixed and held equal, against models that say the same in another way."""

import numpy as np
import pandas as pd
import pymc as pm
import pytest
from bayesmix.models import irt_3pl, lca, regression_mixture

import bayesmix as bm
from inference.conftest import FOUR, QUICK

EQUAL = [["item_logit[1, a, 1]", "item_logit[1, b, 1]"]]


@pytest.fixture(scope="module")
def tests():
    """300 persons, four binary tests of one factor."""
    rng = np.random.default_rng(8)
    f = rng.normal(size=300)
    return pd.DataFrame({k: (rng.random(300) < 1 / (1 + np.exp(-1.3 * f))).astype(int) for k in FOUR})


@pytest.fixture(scope="module")
def outcome():
    """Two regressions, far apart, with a covariate far from zero."""
    rng = np.random.default_rng(9)
    c, x = rng.random(500) < 0.4, rng.normal(50, 10, 500)
    y = np.where(c, 20.0, 0.0) + 0.3 * (x - 50) + rng.normal(0, 2, 500)
    return pd.DataFrame({"y": y, "x": x})


def test_equal_loadings_are_one_common_loading(tests):
    common = bm.fit(irt_3pl(FOUR, "none", "common"), tests, **QUICK)
    equal = bm.fit(irt_3pl(FOUR, "none", equal=[[f"loading[{k}]" for k in FOUR]]), tests, **QUICK)
    np.testing.assert_allclose(equal.loglik, common.loglik, atol=1e-6)
    assert equal.n_parameters == common.n_parameters == 5
    assert not equal.quality["boundary"]
    assert equal.quality["equal_solutions"] == 1
    np.testing.assert_allclose(equal.params["loading"], common.params["loading"].item(), rtol=1e-4)
    np.testing.assert_allclose(equal.se["loading"], common.se["loading"].item(), rtol=1e-3)
    np.testing.assert_allclose(equal.se["item_intercept"], common.se["item_intercept"], rtol=1e-3)


def test_equal_slopes_over_classes_are_one_slope_of_all(outcome):
    common = bm.fit(regression_mixture("y ~ x", 2, by_class="1"), outcome, **QUICK)
    (name,) = [k for k, x in common.params.items() if "coefficient" in str(k) and "C" not in x.dims]
    free = bm.fit(regression_mixture("y ~ x", 2), outcome, **QUICK)
    (own,) = [k for k, x in free.params.items() if "coefficient" in str(k) and "C" in x.dims]
    labels = [k for k in free.summary().index if k.startswith(str(own)) and "x]" in k]
    equal = bm.fit(regression_mixture("y ~ x", 2, equal=[labels]), outcome, **QUICK)
    np.testing.assert_allclose(equal.loglik, common.loglik, atol=1e-5)
    shown, slope, se = (
        equal.summary().loc[labels],
        common.params[name].values.ravel()[0],
        common.se[name].values.ravel(),
    )
    np.testing.assert_allclose(shown["estimate"], slope, rtol=1e-4)
    np.testing.assert_allclose(shown["se"], se[0], rtol=1e-3)
    ratio, wald = bm.likelihood_ratio(equal, free), bm.test(free, " = ".join(labels))
    assert ratio.df == wald.df == 1
    np.testing.assert_allclose(ratio.statistic, wald.statistic, atol=0.1)


def test_equal_slopes_of_two_covariates_are_the_slope_of_their_sum(persons):
    persons = persons.assign(x=5 + 3 * persons["x"], s=5 + 3 * persons["x"] + persons["w"])
    summed = bm.fit(lca(FOUR, 2, "s"), persons, **QUICK)
    equal = bm.fit(lca(FOUR, 2, "x + w", equal=[["class_slope[1, x]", "class_slope[1, w]"]]), persons, **QUICK)
    np.testing.assert_allclose(equal.loglik, summed.loglik, atol=1e-6)
    slope = summed.params["class_slope"].sel(C=1).item()
    np.testing.assert_allclose(equal.params["class_slope"].sel(C=1), slope, rtol=1e-3)
    np.testing.assert_allclose(equal.params["class_logit"], summed.params["class_logit"], rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(equal.se["class_logit"].sel(C=1), summed.se["class_logit"].sel(C=1), rtol=1e-3)


def test_a_slope_fixed_at_zero_is_a_covariate_left_out(persons, predicted):
    without = bm.fit(lca(FOUR, 2, "x"), persons, **QUICK)
    fixed = bm.fit(lca(FOUR, 2, "x + w", fix={"class_slope[1, w]": 0}), persons, **QUICK)
    np.testing.assert_allclose(fixed.loglik, without.loglik, atol=1e-6)
    assert fixed.quality["equal_solutions"] == 1
    sizes = fixed.probabilities["C_probability"].values
    assert sizes[0] >= sizes[1]
    ratio, wald = bm.likelihood_ratio(fixed, predicted), bm.test(predicted, "class_slope[1, w] = 0")
    np.testing.assert_allclose(ratio.statistic, wald.statistic, atol=0.02)
    np.testing.assert_allclose(bm.likelihood_ratio(without, predicted).statistic, ratio.statistic, atol=1e-4)


def test_fixed_values_are_there_to_the_last_digit(persons):
    fixed = {"item_logit[1, a, 1]": 1.25, "class_logit[1]": -0.3}
    fit = bm.fit(lca(FOUR, 2, fix=fixed), persons, **QUICK)
    summary = fit.summary()
    for label, value in fixed.items():
        assert summary.loc[label, "estimate"] == value
        assert not summary.loc[label, "free"]
        assert label not in fit.covariance
    assert fit.n_parameters == 7
    assert float(fit.probabilities["C_probability"].sel(C=1)) == pytest.approx(1 / (1 + np.exp(0.3)), rel=1e-12)
    text = bm.report(fit)
    assert "CONSTRAINTS" in text
    assert "fixed at 1.25" in text


def test_the_log_likelihood_is_that_of_the_free_model_there(persons, plain):
    model = lca(FOUR, 2, equal=EQUAL)
    fit = bm.fit(model, persons, **QUICK)
    there = bm.log_likelihood(plain.model, persons, {k: x.values for k, x in fit.params.items()})
    np.testing.assert_allclose(there, fit.loglik, atol=1e-8)
    assert fit.loglik < plain.loglik
    with pytest.raises(ValueError, match="but the model holds them equal: give one value for both"):
        bm.log_likelihood(model, persons, {k: x.values for k, x in plain.params.items()})


def test_equal_entries_have_one_row_of_the_covariance_and_are_said(persons, tmp_path):
    fit = bm.fit(lca(FOUR, 2, equal=EQUAL), persons, **QUICK)
    first, second = EQUAL[0]
    assert first in fit.covariance
    assert second not in fit.covariance
    assert fit.n_parameters == 8
    assert "equal 1" in bm.report(fit)
    with pytest.raises(ValueError, match="what the model holds equal or fixed"):
        bm.test(fit, f"{first} = {second}")
    back = bm.Fit.load(fit.save(tmp_path / "fit.nc"))
    assert back.model == fit.model
    assert bm.likelihood_ratio(back, bm.fit(lca(FOUR, 2), persons, **QUICK)).df == 1


def test_draws_keep_what_is_fixed_and_equal(persons):
    model = lca(FOUR, 2, "x", equal=EQUAL, fix={"item_logit[2, d, 1]": -1.0})
    fit = bm.fit(model, persons, **QUICK)
    built = bm.build(model, persons)
    assert sum(x.size for x in built.initial_point().values()) == fit.n_parameters
    with built:
        prior = pm.draw(built["item_logit"], 20, random_seed=1)
    np.testing.assert_array_equal(prior[:, 0, 0, 1], prior[:, 0, 1, 1])
    np.testing.assert_array_equal(prior[:, 1, 3, 1], -1.0)


@pytest.mark.filterwarnings("ignore:The")
def test_a_posterior_has_them_too(persons):
    fit = bm.fit(lca(FOUR, 2, equal=EQUAL, fix={"item_logit[2, d, 1]": -1.0}), persons, **QUICK)
    post = bm.sample(fit, persons, draws=150, tune=150, chains=2, seed=3, progress=False)
    drawn = post["posterior"]["item_logit"]
    np.testing.assert_array_equal(drawn.values[:, :, 0, 0, 1], drawn.values[:, :, 0, 1, 1])
    assert (drawn.values[:, :, 1, 3, 1] == -1.0).all()
    table = bm.compare(fit, post).table
    free = table["ml_se"].notna() & ~table.index.str.contains("probability")
    apart = (table["mean"] - table["ml"])[free] / table["ml_se"][free]
    assert apart.abs().max() < 0.7


def test_entries_of_two_parameters_are_equal(persons):
    model = lca(FOUR, 2, equal=[["item_logit[1, a, 1]", "class_logit[1]"]])
    fit = bm.fit(model, persons, **QUICK)
    assert fit.params["class_logit"].sel(C=1).item() == fit.params["item_logit"].values[0, 0, 1]
    built = bm.build(model, persons)
    logits, items = pm.draw([built["class_logit"], built["item_logit"]], 10, random_seed=1)
    np.testing.assert_array_equal(items[:, 0, 0, 1], logits[:, 0])


def test_data_are_simulated_under_them_and_penalties_too(persons):
    model = lca(FOUR, 2, equal=EQUAL)
    fit = bm.fit(model, persons, priors="default", **QUICK)
    assert fit.params["item_logit"].values[0, 0, 1] == fit.params["item_logit"].values[0, 1, 1]
    drawn = bm.simulate(model, fit.params, n=50, seed=1)
    assert len(drawn) == 50
    resampled = bm.bootstrap(bm.fit(model, persons, **QUICK), persons, replications=3, progress=False)
    x = resampled.draws["item_logit"].values
    np.testing.assert_allclose(x[:, 0, 0, 1], x[:, 0, 1, 1], rtol=1e-12)


@pytest.mark.filterwarnings("ignore:The best log-likelihood")
def test_random_effects_start_from_the_model_without_them(persons):
    model = lca(FOUR, 2, cluster="g", equal=EQUAL)
    free = bm.fit(lca(FOUR, 2, cluster="g"), persons, **QUICK)
    held = bm.fit(model, persons, **QUICK)
    assert held.loglik < free.loglik + 1e-3
    assert held.loglik > free.loglik - 5


@pytest.mark.filterwarnings("ignore:The best log-likelihood", "ignore:2 different solutions")
def test_three_classes_start_from_two(persons):
    model = lca(FOUR, 3, equal=[["item_logit[1, a, 1]", "item_logit[2, a, 1]"]])
    fit = bm.fit(model, persons, starts=10, finals=3, rounds=2, budget=0, progress=False)
    sizes = fit.probabilities["C_probability"].values
    assert sizes[0] >= sizes[1]
    assert fit.params["item_logit"].values[0, 0, 1] == fit.params["item_logit"].values[1, 0, 1]
