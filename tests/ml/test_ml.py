"""The maximum, its standard errors, the report of the starts, class enumeration."""

import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import loky
import numpy as np
import pandas as pd
import pytest
from bayesmix.models.lca import lca
from numpy.testing import assert_allclose
from scipy import optimize

import bayesmix as bm
from bayesmix.enumeration import fits as enumeration
from bayesmix.graph import LogLikelihood, finer
from bayesmix.ml import Objective, neighbours, newton, ranges, search
from bayesmix.spec import class_labels as labels
from declare import frame, target

ITEMS = ["a", "b", "c", "d", "e"]


def theta_of(fit, data):
    return data.pack({k: v.values for k, v in fit.params.items()})


def test_the_estimate_is_near_the_truth(fitted):
    truth = np.array([[1.8, 1.4, 1.9, 1.2, 1.5], [-1.5, -1.9, -1.2, -1.7, -1.4]])
    gap = np.abs(fitted.params["item_logit"].sel(category=1.0).values - truth)
    assert (gap < 4 * fitted.se["item_logit"].sel(category=1.0).values).all()


def test_the_gradient_is_zero_and_no_neighbour_is_better(two_classes, fitted):
    data = bm.prepare(lca(ITEMS, 2), two_classes)
    evaluate, theta = LogLikelihood(data).value_and_gradient, theta_of(fitted, data)
    value, gradient = evaluate(theta)
    assert value == pytest.approx(fitted.loglik, abs=1e-9)
    assert np.abs(gradient).max() < 1e-4
    rng = np.random.default_rng(0)
    assert all(evaluate(theta + 0.01 * rng.standard_normal(theta.size))[0] < value for _ in range(20))


def test_hessian_errors_are_those_of_a_numerical_hessian(two_classes, fitted):
    data = bm.prepare(lca(ITEMS, 2), two_classes)
    evaluate, theta = LogLikelihood(data).value_and_gradient, theta_of(fitted, data)
    hessian = optimize.approx_fprime(theta, lambda t: evaluate(t)[1], 1e-6)
    expected = np.sqrt(np.diag(np.linalg.inv(-hessian)))
    index = data.packing.index["item_logit"]
    assert fitted.se_hessian["item_logit"].values[index >= 0] == pytest.approx(expected[index[index >= 0]], rel=1e-3)


def test_robust_errors_are_the_sandwich_of_unit_scores(two_classes, fitted):
    data = target(lca(ITEMS, 2), two_classes)
    theta = theta_of(fitted, data)
    units = LogLikelihood(data).of_units
    step = 1e-6
    scores = np.stack([(units(theta + step * e) - units(theta - step * e)) / (2 * step) for e in np.eye(theta.size)], 1)
    c = newton.curvature(data, theta)
    assert c.scores == pytest.approx(scores, abs=1e-6)
    bread = np.linalg.inv(c.information)
    sandwich = bread @ (scores.T * data.counts) @ scores @ bread
    index = data.packing.index["class_logit"]
    assert fitted.se["class_logit"].values[index >= 0] == pytest.approx(
        np.sqrt(np.diag(sandwich))[index[index >= 0]], rel=1e-5
    )


def test_probability_errors_are_the_delta_method(fitted):
    logit, se = (x["item_logit"].sel(category=1.0) for x in (fitted.params, fitted.se))
    p = 1 / (1 + np.exp(-logit))
    assert fitted.probabilities["item_probability"].sel(category=1.0).values == pytest.approx(p.values)
    assert fitted.probabilities_se["item_probability"].sel(category=1.0).values == pytest.approx(
        (se * p * (1 - p)).values
    )


def test_class_probabilities_are_keyed_to_the_rows(two_classes, fitted):
    table = fitted.class_probabilities()
    assert table.index.equals(two_classes.index)
    assert table[["C=1", "C=2"]].sum(axis=1).to_numpy() == pytest.approx(1.0)
    agree = (table["most_likely"] == two_classes["true_C"]).mean()
    assert max(agree, 1 - agree) > 0.9
    shuffled = two_classes.sample(frac=1.0, random_state=1)
    again = bm.fit(lca(ITEMS, 2), shuffled, start=fitted)
    assert again.class_probabilities().loc[table.index, "C=1"].to_numpy() == pytest.approx(
        table["C=1"].to_numpy(), abs=1e-5
    )


def test_information_criteria_and_entropy(fitted):
    p = fitted.class_probabilities()[["C=1", "C=2"]].to_numpy()
    assert fitted.n_parameters == 11
    assert fitted.aic == pytest.approx(-2 * fitted.loglik + 22)
    assert fitted.bic == pytest.approx(-2 * fitted.loglik + 11 * np.log(600))
    assert fitted.adjusted_bic == pytest.approx(-2 * fitted.loglik + 11 * np.log(602 / 24))
    assert fitted.entropy == pytest.approx(1 + (p * np.log(p)).sum() / (600 * np.log(2)))


def test_the_entropy_of_a_class_variable_by_its_name(fitted):
    assert fitted.class_entropy("C") == fitted.entropy
    with pytest.raises(ValueError, match="No class variable 'D'; there are C"):
        fitted.class_entropy("D")


def test_class_counts_and_classification(fitted):
    counts, rows = fitted.class_counts(), fitted.classification()
    assert counts["model"].to_numpy() == pytest.approx(counts["posterior"].to_numpy(), rel=1e-4)
    assert counts["most likely"].sum() == 600
    assert counts["model"].is_monotonic_decreasing
    assert rows.sum(axis=1).to_numpy() == pytest.approx(1.0)
    assert (np.diag(rows) > 0.9).all()


def test_starts_are_ranked_and_the_seed_makes_them(two_classes, fitted):
    assert fitted.starts["loglik"].dropna().is_monotonic_decreasing
    assert fitted.replicated >= 2
    again = bm.fit(lca(ITEMS, 2), two_classes)
    assert again.starts["seed"].tolist() == fitted.starts["seed"].tolist()
    assert again.loglik == pytest.approx(fitted.loglik, abs=1e-9)


def test_an_executor_gives_the_same_result(two_classes, fitted):
    with ThreadPoolExecutor(1) as executor:
        again = bm.fit(lca(ITEMS, 2), two_classes, executor=executor)
    assert again.loglik == pytest.approx(fitted.loglik, abs=1e-9)
    assert sorted(again.starts["seed"]) == sorted(fitted.starts["seed"])


def test_processes_give_the_same_result(two_classes, fitted):
    with loky.ProcessPoolExecutor(2) as executor:
        again = bm.fit(lca(ITEMS, 2), two_classes, executor=executor)
    assert again.loglik == pytest.approx(fitted.loglik, abs=1e-9)
    assert sorted(again.starts["seed"]) == sorted(fitted.starts["seed"])


def test_an_interruption_keeps_what_is_finished(two_classes, monkeypatch):
    real, calls = search._told, []

    def told(*end):
        calls.append(end)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return real(*end)

    monkeypatch.setattr(search, "_told", told)
    with pytest.warns(UserWarning, match="Interrupted: going on with the 7 starts"):
        fit = bm.fit(lca(ITEMS, 2), two_classes)
    assert fit.quality["interrupted"]
    assert len(fit.starts) == 7
    assert np.isfinite(fit.loglik)


def test_starts_that_climb_side_by_side_are_kept_where_they_were_interrupted(two_classes, monkeypatch):
    real, calls = Objective.value_and_gradient, []

    def evaluate(self, theta):
        calls.append(len(theta))
        if len(calls) == 12:
            raise KeyboardInterrupt
        return real(self, theta)

    monkeypatch.setattr(Objective, "value_and_gradient", evaluate)
    with pytest.warns(UserWarning, match=r"Interrupted: going on with the \d+ starts"):
        fit = bm.fit(lca(ITEMS, 2), two_classes)
    assert fit.quality["interrupted"]
    assert len(fit.starts) == 20
    assert np.isfinite(fit.loglik)


def test_an_interruption_before_anything_is_finished_is_passed_on(two_classes, monkeypatch):
    def told(*end):
        raise KeyboardInterrupt

    monkeypatch.setattr(search, "_told", told)
    with pytest.raises(KeyboardInterrupt):
        bm.fit(lca(ITEMS, 2), two_classes)


def test_a_start_that_fails_is_a_row(two_classes, monkeypatch):
    real = Objective.value_and_gradient

    def evaluate(self, theta):
        value, gradient = real(self, theta)
        bad = theta[..., 0] == 123.0
        return np.where(bad, np.nan, value), np.where(bad[..., None], np.nan, gradient)

    monkeypatch.setattr(Objective, "value_and_gradient", evaluate)
    item = np.stack([np.zeros((2, 5)), np.full((2, 5), 0.5)], axis=-1)
    bad = {"class_logit": np.array([123.0, 0.0]), "item_logit": item}
    fit = bm.fit(lca(ITEMS, 2), two_classes, start=[bad])
    assert fit.starts.query("seed == -1")["status"].item().startswith("failed")
    assert np.isfinite(fit.loglik)


def test_a_single_reached_maximum_is_said(two_classes):
    with pytest.warns(UserWarning, match="reached by one start only"):
        bm.fit(lca(ITEMS, 4), two_classes, starts=1, finals=1, rounds=1)


def test_a_model_that_is_not_identified_is_said():
    df = bm.simulate(
        lca(["a", "b"], 2),
        {"class_logit": [0.0, 0.0], "item_logit": np.stack([np.zeros((2, 2)), [[2.0, 1.0], [-1.0, -2.0]]], -1)},
        n=300,
    )
    with pytest.warns(UserWarning, match="different solutions have the same best log-likelihood"):
        fit = bm.fit(lca(["a", "b"], 2), df, starts=8, finals=4)
    assert fit.quality["equal_solutions"] > 1


def test_boundary_logits_are_named_and_have_no_standard_error():
    df = pd.DataFrame({"a": [0, 1] * 50, "b": [0, 1] * 50, "c": ([0] * 3 + [1]) * 25, "d": [0, 1] * 50})
    fit = bm.fit(lca(list("abcd"), 2), df)
    assert len(fit.quality["boundary"]) >= 6
    assert np.isnan(fit.se["item_logit"].sel(item="a", category=1)).all()
    assert np.isnan(fit.probabilities_se["item_probability"].sel(item="a")).all()
    assert (fit.probabilities_se["item_probability"].sel(item="c", category=1) > 0).any()
    assert np.isfinite(fit.se["class_logit"].sel(C=1))
    assert fit.probabilities["item_probability"].sel(item="a", category=1).values == pytest.approx(
        [1, 0], abs=1e-6
    ) or (fit.probabilities["item_probability"].sel(item="a", category=1).values == pytest.approx([0, 1], abs=1e-6))


def test_one_class_is_the_margins(two_classes):
    fit = bm.fit(lca(ITEMS, 1), two_classes)
    margins = two_classes[ITEMS].mean()
    assert fit.probabilities["item_probability"].sel(C=1, category=1.0).values == pytest.approx(
        margins.to_numpy(), abs=1e-6
    )
    assert np.isnan(fit.entropy)


def test_a_fit_survives_the_disk(fitted, tmp_path):
    again = bm.Fit.load(fitted.save(tmp_path / "fit.nc"))
    assert again.loglik == fitted.loglik
    assert again.info == fitted.info
    pd.testing.assert_frame_equal(again.summary(), fitted.summary())
    pd.testing.assert_frame_equal(again.class_probabilities(), fitted.class_probabilities(), check_index_type=False)
    assert again.starts["seed"].tolist() == fitted.starts["seed"].tolist()


def test_a_foreign_file_is_refused(tmp_path):
    import xarray as xr

    xr.Dataset({"x": 1}).to_netcdf(tmp_path / "x.nc")
    with pytest.raises(ValueError, match="not a fit saved by bayesmix"):
        bm.Fit.load(tmp_path / "x.nc")


def test_enumeration_prefers_the_truth_and_improves_with_k(two_classes):
    found = bm.enumerate_classes(lca(ITEMS, 1), two_classes, range(1, 4), starts=8, finals=3)
    assert found.table["loglik"].is_monotonic_increasing
    assert found.table["parameters"].tolist() == [5, 11, 17]
    assert found.best is found[2]
    assert (found.table["replicated"] >= 1).all()


def test_an_enumeration_does_not_search_again_for_the_solution_before(two_classes, monkeypatch):
    solved, real = [], neighbours._solved

    def watch(model, *args):
        solved.append([c.size for c in model.classes])
        return real(model, *args)

    monkeypatch.setattr(neighbours, "_solved", watch)
    few = {"starts": 4, "finals": 2, "rounds": 1}
    found = bm.enumerate_classes(lca(ITEMS, 1), two_classes, [2, 3], **few)
    assert solved == []
    split = found[3].starts["origin"] == "simpler model"
    assert split.sum() == 2
    assert found[3].loglik >= found[2].loglik
    bm.enumerate_classes(lca(ITEMS, 1), two_classes, [3], **few)
    assert solved == [[2]]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"start_s": 3}, "start_s= came, which is no setting of bm.fit: did you mean starts="),
        ({"qq": 1}, "give some of starts"),
    ],
)
def test_a_setting_of_an_enumeration_that_there_is_not_is_named(wrong, words, two_classes):
    with pytest.raises(TypeError, match=words):
        bm.enumerate_classes(lca(ITEMS, 1), two_classes, [1, 2], **wrong)
    with pytest.raises(TypeError, match=words):
        bm.class_status(lca(ITEMS, 2, cluster="g"), two_classes.assign(g=np.arange(len(two_classes)) % 20), **wrong)


def test_an_interrupted_enumeration_keeps_the_finished_fits(two_classes, monkeypatch):
    real = enumeration.estimate

    def estimate(rows, settings):
        if rows.model.classes[0].size == 3:
            raise KeyboardInterrupt
        return real(rows, settings)

    monkeypatch.setattr(enumeration, "estimate", estimate)
    with pytest.warns(UserWarning, match="Interrupted at 3 classes"):
        found = bm.enumerate_classes(lca(ITEMS, 1), two_classes, range(1, 5), starts=4, finals=2)
    assert list(found.fits) == [1, 2]


def test_frequencies_are_repeated_rows(two_classes):
    counts = two_classes[ITEMS].groupby(ITEMS, dropna=False).size().rename("n").reset_index()
    assert bm.fit(lca(ITEMS, 2, freq="n"), counts).loglik == pytest.approx(
        bm.fit(lca(ITEMS, 2), two_classes).loglik, abs=1e-7
    )


def test_covariates_predict_the_class():
    rng = np.random.default_rng(5)
    x = pd.DataFrame({"age": rng.normal(50, 10, 1500), "sex": rng.choice(["f", "m"], 1500)})
    model = lca(ITEMS, 2, covariates="age + sex")
    truth = {
        "class_logit": np.array([-5.0, 0.0]),
        "class_slope": np.array([[0.1, 0.8], [0.0, 0.0]]),
        "item_logit": np.stack([np.zeros((2, 5)), np.array([[2.0] * 5, [-1.5] * 5])], -1),
    }
    fit = bm.fit(model, bm.simulate(model, truth, df=x, seed=6))
    flip = -1 if fit.params["item_logit"].sel(C=1, category=1).mean() < 0 else 1
    estimate = flip * fit.params["class_slope"].sel(C=1).values
    assert (np.abs(estimate - truth["class_slope"][0]) < 3.5 * fit.se["class_slope"].sel(C=1).values).all()
    assert fit.params["class_slope"].coords["covariate"].values.tolist() == ["age", "sex[T.m]"]


@pytest.mark.parametrize(
    ("family", "variance", "parameters"),
    [(bm.normal(), "equal", 13), (bm.normal(), "class", 17), (bm.poisson(), "equal", 9), (bm.ordinal(), "equal", 17)],
)
def test_other_families_recover_their_truth(family, variance, parameters):
    items = ["a", "b", "c", "d"]
    model = lca(items, 2, family=family, variance=variance)
    truth = {"class_logit": np.array([0.3, 0.0])}
    if family.kind == "real":
        truth["item_intercept"] = np.array([[50.0, 10.0, 0.5, 900.0], [58.0, 12.0, 0.1, 800.0]])
        sd = np.array([3.0, 1.0, 0.1, 30.0])
        truth["item_sd"] = sd if variance == "equal" else np.stack([sd, 1.5 * sd])
    elif family.kind == "count":
        truth["item_intercept"] = np.array([[1.5, 1.0, 2.0, 0.5], [0.0, -0.5, 0.5, 1.5]])
    else:
        truth["item_threshold"] = np.stack([np.tile([-0.5, 1.5], (4, 1)), np.tile([-2.0, -0.5], (4, 1))])
    fit = bm.fit(model, bm.simulate(model, truth, n=1500, seed=9), starts=8, finals=3)
    assert fit.n_parameters == parameters
    name = "item_threshold" if "item_threshold" in truth else "item_intercept"
    for order in ([0, 1], [1, 0]):
        gap = np.abs(fit.params[name].values[order] - truth[name]) / fit.se[name].values[order]
        if gap.max() < 4.5:
            return
    raise AssertionError(gap)


def test_several_families_stand_in_one_model():
    model = lca(["a", "y", "n"], 2, family={"a": bm.bernoulli("probit"), "y": bm.normal(), "n": bm.poisson()})
    truth = {
        "class_logit": np.array([0.0, 0.0]),
        "item_intercept_bernoulli": np.array([[1.0], [-1.0]]),
        "item_intercept_normal": np.array([[0.0], [3.0]]),
        "item_sd_normal": np.array([1.0]),
        "item_intercept_poisson": np.array([[1.0], [2.0]]),
    }
    fit = bm.fit(model, bm.simulate(model, truth, n=800, seed=2))
    assert fit.n_parameters == 8
    means = np.sort(fit.params["item_intercept_normal"].values.ravel())
    assert means == pytest.approx([0, 3], abs=0.3)


def test_no_warning_is_given_where_there_is_nothing_to_say(two_classes):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bm.fit(lca(ITEMS, 2), two_classes, standard_errors="hessian")


def test_counts_of_the_papers_models():
    def count(model, df):
        return bm.prepare(model, df).packing.size

    rng = np.random.default_rng(0)
    binary = pd.DataFrame(rng.integers(0, 2, (100, 18)), columns=[f"u{i}" for i in range(18)])
    assert count(lca(list(binary), 2), binary) == 37  # Table 6 of the 2006 paper, LCA
    assert count(replace(lca(list(binary), 2), name="x"), binary) == 37


def test_classes_come_in_the_order_of_given_parameters_with_their_standard_errors(three_classes):
    """Standard errors of the other order are those carried over by the (linear) change of labels."""
    model, df, by_size = three_classes
    order = np.array([2, 0, 1])
    values = {str(k): x.values for k, x in by_size.params.items()}
    wanted = labels.permute(model, values, ("C",), order)
    nearby = {k: x + 0.3 * np.random.default_rng(1).normal(size=x.shape) for k, x in wanted.items()}
    nearby["item_logit"][..., 0] = 0.0
    found = bm.fit(model, df, starts=4, finals=2, rounds=1, like={"item_logit": nearby["item_logit"]})
    assert found.loglik == pytest.approx(by_size.loglik, abs=1e-6)
    for name, x in wanted.items():
        assert found.params[name].values == pytest.approx(x, abs=1e-3)
    data = target(model, df)
    theta = data.pack(values)
    covariance, _, _ = newton.covariances(newton.curvature(data, theta))

    def relabelled(point):
        made = {k: x.values for k, x in LogLikelihood(data).factors(point).items() if k in values}
        return data.pack(labels.permute(model, made, ("C",), order))

    change = np.stack([relabelled(theta + e) - relabelled(theta) for e in np.eye(len(theta))], axis=1)
    expected = np.sqrt(np.diag(change @ covariance @ change.T))
    se = np.concatenate([found.se[k].values[data.packing.index[k] >= 0] for k in values])
    assert se == pytest.approx(expected, rel=1e-3)
    assert found.class_probabilities()["C=1"].to_numpy() == pytest.approx(
        by_size.class_probabilities()["C=3"].to_numpy(), abs=1e-3
    )


def test_one_solution_is_matched_by_what_tells_its_classes_apart():
    """Items in which the classes hardly differ do not decide, whatever their number."""
    pivot = np.array([[2.0, *[0.9] * 8], [-2.0, *[1.1] * 8]])
    draw = np.array([[-1.8, *[0.98] * 8], [1.9, *[1.02] * 8]])
    assert labels.match(draw[None], pivot)[0].tolist() == [1, 0]


@pytest.fixture(scope="module")
def three_classes():
    model = lca(list("abcdef"), 3)
    sides = np.array([[2.0] * 6, [-2.0] * 6, [2.0] * 3 + [-2.0] * 3])
    truth = {"class_logit": np.array([0.9, 0.4, 0.0]), "item_logit": np.stack([np.zeros((3, 6)), sides], axis=-1)}
    df = bm.simulate(model, truth, n=600, seed=1)
    return model, df, bm.fit(model, df, starts=4, finals=2, rounds=1)


# nodes and bounds ---------------------------------------------------------------------------------


def test_few_units_may_have_more_nodes_than_many():
    df = pd.DataFrame(np.random.default_rng(0).integers(0, 2, (8000, 14)).astype(float)).rename(columns="i{}".format)
    model = bm.models.fma_gom([*df], 2)
    few, many = (bm.prepare(model, df.head(n), bm.trapezoid(31, 6.0)) for n in (200, 8000))
    assert finer(few)["individual"].n == 47
    assert finer(many) == {}


@pytest.mark.parametrize(
    ("model", "own", "scale", "most"),
    [
        (bm.models.gom(["b1", "b2"], 2), {"class_logit[1]"}, "class_loading[a1, 1]", np.log(50.0)),
        (bm.models.lca(["b1", "b2"], 2, cluster="g"), {"class_logit[1]"}, "cluster_loading[u1, 1]", np.log(50.0)),
        (
            bm.models.regression_mixture("y1 ~ x", 2, "x", cluster="g", covariance="independent"),
            {"class_logit[1]", "class_slope[1, x]"}, "f_sd", 50.0,
        ),
    ],
)  # fmt: skip
def test_logits_of_classes_are_brought_back_and_their_scales_are_bounded(model, own, scale, most):
    data = target(model, frame())
    limits, names = ranges(data), data.packing.names()
    out, of_classes = limits.center + 100.0 * limits.unit, np.isin(names, [*own, scale])
    assert_allclose(limits.nearer(out), np.where(of_classes, limits.center + 3.0 * limits.unit, out))
    bounded = np.array(names) == scale
    assert_allclose(limits.within(out), np.where(bounded, most, out))
    assert list(limits.held(limits.within(out), np.ones(len(names)))) == list(bounded)
    assert not limits.held(limits.within(out), -np.ones(len(names))).any()
    assert not limits.held(limits.center, np.ones(len(names))).any()
