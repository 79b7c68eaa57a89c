"""Fits under linear equations, against models that say the same in another way and against other optimisers."""

import numpy as np
import pandas as pd
import pytest
from bayesmix.models import irt_3pl, lca, lta, regression_mixture
from scipy import optimize

import bayesmix as bm
from bayesmix.graph import LogLikelihood
from bayesmix.results import entries
from inference.conftest import FOUR, QUICK

TWICE = "class_slope[1, w] = 2 * class_slope[1, x]"
SUM = "item_logit[1, a, 1] + item_logit[1, b, 1] + item_logit[2, c, 1] = 0"


@pytest.fixture(scope="module")
def away(persons):
    """Covariates far from zero, and their sum with the weights of an equation."""
    out = persons.assign(x=5 + 3 * persons["x"], w=20 + persons["w"])
    return out.assign(s=out["x"] + 2 * out["w"])


@pytest.fixture(scope="module")
def summed(away):
    return bm.fit(lca(FOUR, 2, "s"), away, **QUICK)


@pytest.fixture(scope="module")
def twice(away):
    return bm.fit(lca(FOUR, 2, "x + w", equal=[TWICE]), away, **QUICK)


def test_a_slope_that_is_twice_another_one_is_that_of_a_weighted_sum(summed, twice, away):
    np.testing.assert_allclose(twice.loglik, summed.loglik, atol=1e-6)
    assert twice.n_parameters == summed.n_parameters
    assert twice.bic == pytest.approx(summed.bic)
    assert twice.quality["equal_solutions"] == 1
    slope, se = (x["class_slope"].sel(C=1).item() for x in (summed.params, summed.se))
    for name, times in (("x", 1.0), ("w", 2.0)):
        row = twice.summary().loc[f"class_slope[1, {name}]"]
        assert row["free"]
        np.testing.assert_allclose([row["estimate"], row["se"]], [times * slope, times * se], rtol=2e-3)
    np.testing.assert_allclose(twice.se["class_logit"].sel(C=1), summed.se["class_logit"].sel(C=1), rtol=2e-3)
    np.testing.assert_allclose(twice.se_hessian["item_logit"], summed.se_hessian["item_logit"], rtol=1e-3)
    assert "class_slope[1, x]" in twice.covariance
    assert "class_slope[1, w]" not in twice.covariance


def test_a_constant_is_an_offset(persons):
    df = persons.assign(s=persons["x"] + persons["w"])
    free = bm.fit(lca(FOUR, 2, "x + w"), persons, **QUICK)
    shifted = bm.fit(lca(FOUR, 2, "x + w", equal="class_slope[1, w] = class_slope[1, x] + 0.5"), persons, **QUICK)
    # the same by hand: the log-likelihood of the free model along the line
    base = {k: x.values for k, x in shifted.params.items()}
    np.testing.assert_allclose(bm.log_likelihood(free.model, df, base), shifted.loglik, atol=1e-8)
    row = shifted.summary().loc[["class_slope[1, x]", "class_slope[1, w]"]]
    assert np.diff(row["estimate"])[0] == pytest.approx(0.5, abs=1e-12)
    assert np.diff(row["se"])[0] == pytest.approx(0.0, abs=1e-12)


def test_an_independent_optimiser_with_constraints_finds_the_same(persons, plain):
    equal = [SUM, "item_logit[2, a, 1] - item_logit[2, b, 1] = item_logit[2, b, 1] - item_logit[2, d, 1]",
             "class_logit[1] = item_logit[1, c, 1] + 0.25"]  # fmt: skip
    fit = bm.fit(lca(FOUR, 2, equal=equal), persons, **QUICK)
    assert fit.n_parameters == plain.n_parameters - 3
    data = bm.prepare(plain.model, persons)
    graph, names = LogLikelihood(data), data.packing.names()

    def falling(theta):
        value, slope = graph.value_and_gradient(theta)
        return -value, -slope

    rows = np.zeros((3, len(names)))
    values = np.array([0.0, 0.0, 0.25])
    for k, weights in enumerate((
        {"item_logit[1, a, 1]": 1, "item_logit[1, b, 1]": 1, "item_logit[2, c, 1]": 1},
        {"item_logit[2, a, 1]": 1, "item_logit[2, b, 1]": -2, "item_logit[2, d, 1]": 1},
        {"class_logit[1]": 1, "item_logit[1, c, 1]": -1},
    )):  # fmt: skip
        for label, weight in weights.items():
            rows[k, names.index(label)] = weight
    start = data.pack({k: x.values for k, x in fit.params.items()}) + 0.05
    held = {"type": "eq", "fun": lambda t: rows @ t - values, "jac": lambda t: rows}
    found = optimize.minimize(falling, start, jac=True, method="SLSQP", constraints=[held],
                              options={"ftol": 1e-13, "maxiter": 500})  # fmt: skip
    assert found.success
    np.testing.assert_allclose(-found.fun, fit.loglik, atol=1e-6)
    at = data.pack({k: x.values for k, x in fit.params.items()})
    np.testing.assert_allclose(found.x, at, atol=2e-3)
    # the constrained covariance (Aitchison and Silvey, 1958): N (N' I N)^-1 N', N the null space of rows
    steps = 1e-4 * np.eye(len(at))
    information = -np.array(
        [(graph.value_and_gradient(at + e)[1] - graph.value_and_gradient(at - e)[1]) / 2e-4 for e in steps]
    )
    null = np.linalg.svd(rows)[2][3:].T
    covariance = null @ np.linalg.inv(null.T @ information @ null) @ null.T
    labels = [k for name, x in fit.se_hessian.items() for k in entries(str(name), x)]
    se = dict(zip(labels, np.concatenate([x.values.ravel() for x in fit.se_hessian.values()]), strict=True))
    np.testing.assert_allclose([se[n] for n in names], np.sqrt(np.diag(covariance)), rtol=2e-3)


def test_the_likelihood_ratio_is_near_the_wald_test(persons, plain, predicted):
    x = predicted.summary()["estimate"]
    slope = x["class_slope[1, x]"] - 1.5 * x["class_slope[1, w]"] + 0.2
    both = x["item_logit[1, a, 1]"] + x["item_logit[2, a, 1]"] + 0.3
    held = (
        f"class_slope[1, x] = 1.5 * class_slope[1, w] + {slope:.4f}, "
        f"item_logit[1, a, 1] + item_logit[2, a, 1] = {both:.4f}"
    )
    fit = bm.fit(lca(FOUR, 2, "x + w", equal=held), persons, **QUICK)
    ratio, wald = bm.likelihood_ratio(fit, predicted), bm.test(predicted, held)
    assert ratio.df == wald.df == 2
    np.testing.assert_allclose(ratio.statistic, wald.statistic, rtol=0.15, atol=0.05)
    with pytest.raises(ValueError, match="what the model holds equal or fixed"):
        bm.test(fit, held)
    other = bm.fit(lca(FOUR, 2, "x + w", equal="class_slope[1, x] = 3 * class_slope[1, w]"), persons, **QUICK)
    with pytest.raises(
        ValueError, match=r"holds 'class_slope\[1, x\] = 3 \* class_slope\[1, w\]', which the restricted"
    ):
        bm.likelihood_ratio(fit, other)


def test_a_sum_of_effects_that_is_zero_is_another_coding(persons):
    """Slopes of the regressions of two classes that sum to zero: one slope of x in the one, minus x in the other."""
    rng = np.random.default_rng(4)
    c = rng.random(500) < 0.4
    x = rng.normal(3, 1, 500)
    y = np.where(c, 6 + 0.7 * x, -6 - 0.7 * x) + rng.normal(0, 1, 500)
    df = pd.DataFrame({"y": y, "x": x})
    free = bm.fit(regression_mixture("y ~ x", 2), df, **QUICK)
    labels = [k for k in free.summary().index if k.endswith("x]") and free.summary().loc[k, "free"]]
    fit = bm.fit(regression_mixture("y ~ x", 2, equal=f"{labels[0]} + {labels[1]} = 0"), df, **QUICK)
    assert fit.n_parameters == free.n_parameters - 1
    shown = fit.summary().loc[labels]
    assert shown["estimate"].sum() == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(shown["se"].iloc[0], shown["se"].iloc[1])
    ratio, wald = bm.likelihood_ratio(fit, free), bm.test(free, f"{labels[0]} + {labels[1]} = 0")
    np.testing.assert_allclose(ratio.statistic, wald.statistic, rtol=0.1, atol=0.05)


def test_loadings_in_proportion(persons):
    rng = np.random.default_rng(8)
    f = rng.normal(size=300)
    df = pd.DataFrame({k: (rng.random(300) < 1 / (1 + np.exp(-1.3 * f))).astype(int) for k in FOUR})
    equations = ["loading[a] = 2 * loading[b]", "loading[c] = loading[d]"]
    fit = bm.fit(irt_3pl(FOUR, "none", equal=equations), df, **QUICK)
    x = fit.params["loading"].values
    assert x[0] == pytest.approx(2 * x[1])
    assert x[2] == x[3]
    assert x.sum() > 0
    assert fit.n_parameters == 6
    assert not fit.quality["boundary"]
    se = fit.se["loading"].values
    np.testing.assert_allclose(se[0], 2 * se[1])


def test_the_listing_says_the_equations_and_a_file_keeps_them(twice, away, tmp_path):
    text = bm.report(twice)
    assert "CONSTRAINTS" in text
    assert TWICE in text
    assert "linear 1" in text
    back = bm.Fit.load(twice.save(tmp_path / "fit.nc"))
    assert back.model == twice.model
    assert back.n_parameters == twice.n_parameters
    free = bm.fit(lca(FOUR, 2, "x + w"), away, **QUICK)
    assert bm.likelihood_ratio(back, free).df == 1
    again = bm.fit(back.model, away, start=back, **QUICK)
    np.testing.assert_allclose(again.loglik, twice.loglik, atol=1e-6)


def test_data_are_simulated_and_resampled_under_them(persons):
    model = lca(FOUR, 2, equal=SUM)
    fit = bm.fit(model, persons, **QUICK)
    assert len(bm.simulate(model, fit.params, n=50, seed=1)) == 50
    broken = fit.params.copy(deep=True)
    broken["item_logit"][0, 0, 1] += 1
    with pytest.raises(ValueError, match="by the equations of the model it is"):
        bm.simulate(model, broken, n=50, seed=1)
    resampled = bm.bootstrap(fit, persons, replications=3, progress=False).draws["item_logit"].values
    np.testing.assert_allclose(resampled[:, 0, 0, 1] + resampled[:, 0, 1, 1] + resampled[:, 1, 2, 1], 0, atol=1e-10)
    penalised = bm.fit(model, persons, priors="default", **QUICK).params["item_logit"].values
    assert penalised[0, 0, 1] + penalised[0, 1, 1] + penalised[1, 2, 1] == pytest.approx(0.0, abs=1e-10)


@pytest.mark.filterwarnings("ignore:The best log-likelihood", "ignore:2 different solutions", "ignore:A covariance")
def test_more_classes_and_random_effects_start_under_them(persons):
    three = bm.fit(lca(FOUR, 3, equal=SUM), persons, starts=10, finals=3, rounds=2, budget=0, progress=False)
    x = three.params["item_logit"].values
    assert x[0, 0, 1] + x[0, 1, 1] + x[1, 2, 1] == pytest.approx(0.0, abs=1e-10)
    clusters = bm.fit(lca(FOUR, 2, cluster="g", equal=SUM), persons, **QUICK)
    x = clusters.params["item_logit"].values
    assert x[0, 0, 1] + x[0, 1, 1] + x[1, 2, 1] == pytest.approx(0.0, abs=1e-10)


@pytest.mark.filterwarnings("ignore:The best log-likelihood", "ignore:2 different solutions")
def test_numbers_of_classes_are_compared_under_them(persons):
    def model(k):
        return lca(FOUR, k, equal="item_logit[1, a, 1] + item_logit[1, b, 1] = 0")

    found = bm.enumerate_classes(model, persons, classes=[1, 2], starts=4, finals=2, rounds=1, budget=0, progress=False)
    assert found.table["parameters"].tolist() == [3, 8]


def test_a_transition_of_equal_steps(persons):
    df = persons.rename(columns={k: f"{k}1" for k in FOUR}).assign(**{f"{k}2": persons[k] for k in FOUR})
    items = [[f"{k}{t}" for k in FOUR] for t in (1, 2)]
    free = bm.fit(lta(items, 2), df, **QUICK)
    label = next(k for k in free.summary().index if k.startswith("C2_logit") and free.summary().loc[k, "free"])
    fit = bm.fit(lta(items, 2, equal=f"C1_logit[1] + 2 * {label} = 0.5"), df, **QUICK)
    shown = fit.summary()["estimate"]
    assert shown["C1_logit[1]"] + 2 * shown[label] == pytest.approx(0.5)
    assert fit.n_parameters == free.n_parameters - 1


def test_the_sources_of_a_gradient_agree(persons):
    """The program that is written down, PyTensor's own, and differences of values."""
    data = bm.prepare(lca(FOUR, 2, "x + w", equal=[SUM, TWICE]), persons)
    theta = np.random.default_rng(3).normal(size=data.packing.size)
    value, slope = LogLikelihood(data).value_and_gradient(theta)
    other, same = LogLikelihood(data, "FAST_COMPILE").value_and_gradient(theta)
    assert other == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(same, slope, rtol=1e-9, atol=1e-9)
    graph = LogLikelihood(data)
    steps = 1e-5 * np.eye(len(theta))
    differences = [(graph.value(theta + e) - graph.value(theta - e)) / 2e-5 for e in steps]
    np.testing.assert_allclose(differences, slope, rtol=1e-5, atol=1e-5)
