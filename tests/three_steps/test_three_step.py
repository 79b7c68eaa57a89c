"""Classes related to covariates and outcomes: against plain likelihoods, by other ways, and invariances."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, special, stats
from three_classes import ITEMS, drawn, fitted

import bayesmix as bm
from bayesmix.three_steps.sandwich import outer
from bayesmix.three_steps.step_one import StepOne

QUICK = {"starts": 2, "finals": 1, "rounds": 1, "budget": 0, "progress": False}
METHODS = [("ml", "modal"), ("ml", "proportional"), ("bch", "modal"), ("bch", "proportional"), ("two-step", "modal")]
pytestmark = pytest.mark.filterwarnings("ignore:The last step is not to be trusted", "ignore:The best log-likelihood")


@pytest.fixture(scope="module")
def data():
    """600 rows: a covariate, outcomes of all kinds, clusters; some values missing."""
    df = drawn(600, 0.9, 11)
    rng, c = np.random.default_rng(12), df["c"].to_numpy() - 1
    df["z"] = (rng.random(600) < np.array([0.2, 0.5, 0.8])[c]).astype(int)
    shares = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7]])
    df["m"] = [["low", "mid", "top"][rng.choice(3, p=shares[k])] for k in c]
    df["k"] = rng.poisson(np.array([1.0, 3.0, 6.0])[c])
    df["y"] = df["y"].mask(rng.random(600) < 0.1)
    df["v"] = rng.normal(size=600) + 0.5 * df["x"] + c
    df["g"] = np.arange(600) // 12
    return df


@pytest.fixture(scope="module")
def fit(data):
    return fitted(data, 0.9)


def posteriors(fit):
    return fit.classes["C_posterior"].values


def errors(p, w):
    return (p.T @ w) / p.sum(axis=0)[:, None]


def log_class(b, x):
    eta = np.column_stack([b[:, 0] + np.outer(x, b[:, 1]) if b.ndim > 2 else b[:, 0] + x[:, None] * b[:, 1], 0 * x])
    return eta - special.logsumexp(eta, axis=1, keepdims=True)


def _wide(table, rows, columns, values="estimate"):
    return table.reset_index().pivot_table(index=rows, columns=columns, values=values)


def maximum(f, start):
    found = optimize.minimize(lambda b: -f(b), start, method="BFGS", options={"gtol": 1e-7})
    return found.x, -found.fun


@pytest.mark.parametrize("assignment", ["modal", "proportional"])
@pytest.mark.parametrize("method", ["ml", "bch"])
def test_covariates_and_an_outcome_by_a_plain_likelihood(data, fit, method, assignment):
    p, x, y = posteriors(fit), data["x"].to_numpy(), data["y"].to_numpy()
    w = np.eye(3)[p.argmax(axis=1)] if assignment == "modal" else p
    d = errors(p, w)
    seen = ~np.isnan(y)

    def loglik(b):
        slopes, mean, sd = b[:4].reshape(2, 2), b[4:7], np.exp(b[7:])
        each = log_class(slopes, x)
        each[seen] += stats.norm.logpdf(y[seen, None], mean, sd)
        if method == "bch":
            return ((w @ np.linalg.inv(d)) * each).sum()
        return (w * special.logsumexp(each[:, None, :] + np.log(d.T), axis=2)).sum()

    b, value = maximum(loglik, [0, 0, 0, 0, -1, 1, 0, 0, 0, 0])
    found = bm.three_step(fit, data, "x", "y", method, assignment)
    assert found.loglik == pytest.approx(value, abs=1e-5)
    assert found.n_parameters == 10
    assert _wide(found.coefficients(), "class", "term")[["(intercept)", "x"]].to_numpy() == pytest.approx(
        b[:4].reshape(2, 2), abs=2e-4
    )
    assert found.outcomes()["mean"].to_numpy() == pytest.approx(b[4:7], abs=1e-4)
    assert found.outcomes()["sd"].to_numpy() == pytest.approx(np.exp(b[7:]), abs=1e-4)
    assert np.allclose(found.errors, d)


def test_two_steps_by_a_plain_likelihood(data, fit):
    x, y = data["x"].to_numpy(), data["y"].to_numpy()
    p = fit.probabilities["item_probability"].values  # class, item, category
    u = data[ITEMS].to_numpy()
    items = np.log(np.where(u[:, None, :] == 1, p[:, :, 1], p[:, :, 0])).sum(axis=2)
    seen = ~np.isnan(y)

    def loglik(b):
        each = log_class(b[:4].reshape(2, 2), x) + items
        each[seen] += stats.norm.logpdf(y[seen, None], b[4:7], np.exp(b[7]))
        return special.logsumexp(each, axis=1).sum()

    b, value = maximum(loglik, [0, 0, 0, 0, -1, 1, 0, 0])
    found = bm.three_step(fit, data, "x", "y", "two-step", variance="equal")
    assert found.loglik == pytest.approx(value, abs=1e-5)
    assert found.coefficients().loc[(1, "x"), "estimate"] == pytest.approx(b[1], abs=2e-4)
    assert found.outcomes()["mean"].to_numpy() == pytest.approx(b[4:7], abs=1e-4)


def test_outcomes_of_all_kinds_by_bch_are_weighted_means(data, fit):
    p = posteriors(fit)
    w = np.eye(3)[p.argmax(axis=1)]
    w = w @ np.linalg.inv(errors(p, w))
    kinds = {"z": bm.bernoulli(), "m": bm.nominal(), "k": bm.poisson(), "v": bm.normal()}
    table = bm.three_step(fit, data, None, kinds, "bch").outcomes()
    share = w.T @ np.column_stack([data["z"], data["k"], data["v"], *(data["m"] == c for c in ("low", "mid", "top"))])
    share = share / w.sum(axis=0)[:, None]
    assert table.loc["z"]["mean"].to_numpy() == pytest.approx(share[:, 0], abs=1e-5)
    assert table.loc["k"]["mean"].to_numpy() == pytest.approx(share[:, 1], abs=1e-4)
    assert table.loc["v"]["mean"].to_numpy() == pytest.approx(share[:, 2], abs=1e-5)
    assert _wide(table.loc["m"], "class", "category", "mean").to_numpy() == pytest.approx(share[:, 3:], abs=1e-5)
    # and the sandwich of a weighted mean
    v, m = data["v"].to_numpy(), share[:, 2]
    se = np.sqrt(((w * (v[:, None] - m)) ** 2).sum(axis=0)) / w.sum(axis=0)
    alone = bm.three_step(fit, data, None, kinds, "bch", uncertainty=False).outcomes()
    assert alone.loc["v"]["se"].to_numpy() == pytest.approx(se, rel=1e-4)


@pytest.mark.parametrize(("method", "assignment"), METHODS)
def test_the_uncertainty_of_step_one_is_how_results_move_with_it(data, fit, method, assignment):
    def last(step_one, uncertainty=False):
        kinds = {"y": bm.normal(), "z": bm.bernoulli()}
        return bm.three_step(step_one, data, "x", kinds, method, assignment, uncertainty=uncertainty).quantities

    step, h = StepOne.of(fit, data, None), 2e-3
    moved = []
    for e in h * np.eye(len(step.theta)):
        ends = []
        for theta in (step.theta + e, step.theta - e):
            values = {k: (fit.params[k].dims, v) for k, v in step.data.natural(theta).items()}
            ends.append(last(replace(fit, params=fit.params.assign(values))).values)
        moved.append((ends[0] - ends[1]) / (2 * h))
    slope = np.array(moved)
    alone, both = last(fit), last(fit, uncertainty=True)
    expected = alone.covariance + slope.T @ outer(*step.influence, None) @ slope
    free = np.diag(expected) > 0
    assert both.se[free] == pytest.approx(np.sqrt(np.diag(expected))[free], rel=5e-3)
    assert (both.se[free] > alone.se[free]).all()


def test_classes_that_are_known_leave_a_regression():
    df = drawn(500, 0.9, 2)
    rng = np.random.default_rng(1)
    for k in range(1, 13):  # items without errors
        df[f"t{k}"] = np.where(rng.random(500) < 0.002, 1 - (df["c"] == 1 + k % 3), df["c"] == 1 + k % 3).astype(int)
    items = [f"t{k}" for k in range(1, 13)]
    fit = bm.fit(bm.models.lca(items, 3), df, starts=8, rounds=1, budget=0, progress=False)
    modal = fit.class_probabilities()["most_likely"].to_numpy(dtype=int)
    y = df["y"].to_numpy()
    expected = [[y[modal == k].mean(), y[modal == k].std() / np.sqrt((modal == k).sum())] for k in (1, 2, 3)]
    for method, assignment in METHODS:
        table = bm.three_step(fit, df, None, "y", method, assignment).outcomes()
        assert table[["mean", "se"]].to_numpy() == pytest.approx(np.array(expected), abs=1e-3)


def test_rows_that_stand_for_several_are_the_same_as_many_rows(data):
    wide = data[[*ITEMS, "x", "z"]].value_counts().rename("n").reset_index()
    a = bm.fit(bm.models.lca(ITEMS, 3, freq="n"), wide, **QUICK)
    b = bm.fit(bm.models.lca(ITEMS, 3), data, start=a, **QUICK)
    for method, assignment in METHODS:
        one, other = (bm.three_step(f, d, "x", "z", method, assignment).quantities for f, d in ((a, wide), (b, data)))
        assert one.values == pytest.approx(other.values, abs=1e-5)
        assert np.nan_to_num(one.se) == pytest.approx(np.nan_to_num(other.se), abs=1e-5)


def test_the_order_of_rows_is_nothing(data, fit):
    mixed = data.sample(frac=1, random_state=1)
    for method, assignment in METHODS:
        one, other = (bm.three_step(fit, d, "x", "y", method, assignment).to_frame() for d in (data, mixed))
        assert one[["estimate", "se"]].to_numpy(dtype=float) == pytest.approx(
            other[["estimate", "se"]].to_numpy(dtype=float), abs=1e-5, nan_ok=True
        )


def test_rows_without_a_covariate_are_left_out_and_said(data, fit):
    gone = data.assign(x=data["x"].where(np.arange(600) >= 40))
    found = bm.three_step(fit, gone, "x", {"y": bm.normal(), "z": bm.bernoulli()})
    assert (found.n_units, found.n_left_out) == (560, 40)
    assert any("40 rows miss a covariate" in n for n in found.notes)
    assert any(f"y is missing in {gone['y'][40:].isna().sum()} rows" in n for n in found.notes)
    assert "Note: 40 rows miss a covariate" in " ".join(str(found).split())
    # the errors of the assignment are those of all rows of step one
    assert np.allclose(found.errors, bm.three_step(fit, data, "x").errors)


def test_slopes_by_class_at_means_and_at_zero(data, fit):
    settings = {"outcomes": {"v": bm.normal()}, "outcome_covariates": "x", "slopes": "class", "method": "bch"}
    means, zero = (bm.three_step(fit, data, at=at, **settings) for at in ("means", "zero"))
    b = _wide(means.outcome_coefficients().loc["v"], "class", "term")
    center = data["x"].mean()
    assert zero.outcomes()["mean"].to_numpy() == pytest.approx(b["(intercept)"].to_numpy())
    assert means.outcomes()["mean"].to_numpy() == pytest.approx((b["(intercept)"] + center * b["x"]).to_numpy())
    p = posteriors(fit)
    w = np.eye(3)[p.argmax(axis=1)]
    w = w @ np.linalg.inv(errors(p, w))
    x = np.column_stack([np.ones(600), data["x"]])
    for k in range(3):  # weighted least squares of each class
        own = np.linalg.solve((x * w[:, [k]]).T @ x, (x * w[:, [k]]).T @ data["v"])
        assert b[["(intercept)", "x"]].iloc[k].to_numpy() == pytest.approx(own, abs=1e-4)
    common = bm.three_step(fit, data, **settings | {"slopes": "common"})
    assert common.n_parameters == means.n_parameters - 2


def test_correlated_outcomes_have_a_covariance_in_common(data, fit):
    joint = drawn(600, 0.9, 11).assign(**{k: data[k] for k in ITEMS})
    rng = np.random.default_rng(3)
    noise = rng.multivariate_normal([0, 0], [[1, 0.4], [0.4, 1]], 600)
    c = data["c"].to_numpy()
    joint["a"], joint["b"] = noise[:, 0] + c, noise[:, 1] - c
    p, y = posteriors(fit), joint[["a", "b"]].to_numpy()
    w = np.eye(3)[p.argmax(axis=1)]
    d = errors(p, w)

    def loglik(b):
        sd, cov = np.exp(b[8:14].reshape(3, 2)), b[14]
        each = log_class(np.column_stack([b[:2], [0, 0]]), np.zeros(600))
        for k in range(3):
            v = np.array([[sd[k, 0] ** 2, cov], [cov, sd[k, 1] ** 2]])
            if np.linalg.det(v) <= 0:
                return -1e6
            each[:, k] += stats.multivariate_normal.logpdf(y, b[2:8].reshape(3, 2)[k], v)
        return special.logsumexp(each + np.log(d.T)[p.argmax(axis=1)], axis=1).sum()

    start = [0, 0, 1, -1, 2, -2, 3, -3, 0, 0, 0, 0, 0, 0, 0.3]
    b, value = maximum(loglik, start)
    found = bm.three_step(fit, joint, None, {"a": bm.normal(), "b": bm.normal()}, correlated=True)
    assert found.loglik == pytest.approx(value, abs=1e-4)
    assert found.n_parameters == 15
    assert found.shared["covariance"].to_numpy() == pytest.approx(b[14:], abs=1e-3)
    assert _wide(found.outcomes(), "class", "outcome", "sd").to_numpy() == pytest.approx(
        np.exp(b[8:14].reshape(3, 2)), abs=1e-3
    )


def test_tests_are_wald_tests_and_pairs_are_adjusted(data, fit):
    found = bm.three_step(fit, data, "x", {"v": bm.normal(), "m": bm.nominal()})
    q = found.quantities
    at = q.where(kind="location", outcome="v")
    c = np.array([[1.0, 0, -1], [0, 1, -1]])
    d, v = c @ q.values[at], c @ q.covariance[np.ix_(at, at)] @ c.T
    row = found.tests.set_index("test").loc["equal v"]
    assert row["wald"] == pytest.approx(d @ np.linalg.solve(v, d))
    assert (row["df"], row["p"]) == (2, pytest.approx(stats.chi2.sf(row["wald"], 2)))
    assert found.tests.set_index("test").loc[["equal m", "equal outcomes, all", "C on x"], "df"].to_list() == [4, 6, 2]
    pairs = found.pairwise[found.pairwise["outcome"] == "m"]
    order = np.argsort(pairs["p"].to_numpy())
    p = pairs["p"].to_numpy()[order]
    expected = np.minimum(np.maximum.accumulate(p * [3, 2, 1]), 1)
    assert pairs["p (Holm)"].to_numpy()[order] == pytest.approx(expected)
    assert (pairs["df"] == 2).all()
    first = found.pairwise.iloc[0]
    means = found.outcomes().loc["v"]["mean"].to_numpy()
    assert first["difference"] == pytest.approx(means[0] - means[1])
    assert first["wald"] == pytest.approx((first["difference"] / first["se"]) ** 2)


def test_another_reference_and_level(data, fit):
    found = bm.three_step(fit, data, "x", level=0.9)
    last, first = found.coefficients(), found.coefficients(reference=1)
    assert first.loc[(3, "x"), "estimate"] == pytest.approx(-last.loc[(1, "x"), "estimate"])
    assert first.loc[(3, "x"), "se"] == pytest.approx(last.loc[(1, "x"), "se"])
    row = last.loc[(1, "x")]
    z = stats.norm.ppf(0.95)
    assert row["OR upper"] == pytest.approx(np.exp(row["estimate"] + z * row["se"]))
    assert row["odds ratio"] == pytest.approx(np.exp(row["estimate"]))
    with pytest.raises(ValueError, match="reference came as 9: give one of 1, 2, 3"):
        found.coefficients(reference=9)


def test_clusters_make_errors_those_of_their_sums(data, fit):
    doubled = pd.concat([data, data], ignore_index=True).assign(person=np.tile(np.arange(600), 2))
    twice = bm.fit(fit.model, doubled, start=fit, like=fit, **QUICK)
    for method, assignment in METHODS:
        one = bm.three_step(fit, data, "x", "v", method, assignment)
        both = bm.three_step(twice, doubled, "x", "v", method, assignment, cluster="person")
        naive = bm.three_step(twice, doubled, "x", "v", method, assignment)
        assert np.nan_to_num(both.quantities.se) == pytest.approx(np.nan_to_num(one.quantities.se), rel=1e-3)
        assert np.nan_to_num(naive.quantities.se) * np.sqrt(2) == pytest.approx(
            np.nan_to_num(one.quantities.se), rel=1e-3
        )
        assert "clusters" in both.standard_errors


@pytest.mark.parametrize("method", ["ml", "bch", "two-step"])
def test_a_two_level_fit_has_errors_by_its_clusters(data, method):
    fit = bm.fit(bm.models.lca(ITEMS, 2, cluster="g"), data, **QUICK)
    found = bm.three_step(fit, data, "x", "v", method)
    assert "clusters" in found.standard_errors
    assert (found.coefficients()["se"] > 0).all()
    assert found.n_units == 600


@pytest.mark.parametrize("method", ["ml", "bch", "two-step"])
def test_classes_of_clusters_are_related_to_what_clusters_have(method):
    rng = np.random.default_rng(4)
    kind, n = rng.integers(0, 2, 80), 15
    g = np.repeat(np.arange(80), n)
    c = rng.random(80 * n) < np.where(kind, 0.8, 0.25)[g]
    df = pd.DataFrame((rng.random((80 * n, 5)) < np.where(c, 0.85, 0.15)[:, None]).astype(int), columns=list("abcde"))
    df = df.assign(g=g, w=(rng.normal(size=80) + 0.8 * kind)[g], o=(rng.normal(size=80) + 2 * kind)[g])
    fit = bm.fit(bm.models.lca(list("abcde"), 2, cluster="g", cluster_classes=2), df, **QUICK)
    found = bm.three_step(fit, df, "w", "o", method, variable="D", variance="equal")
    assert found.n_units == 80
    expected = _logistic(df.groupby("g")["w"].first(), kind)  # classes of clusters are nearly certain
    assert abs(found.coefficients().loc[(1, "w"), "estimate"]) == pytest.approx(abs(expected), abs=0.3)
    means = sorted(found.outcomes()["mean"])
    o = df.groupby("g")["o"].first().to_numpy()
    assert means == pytest.approx([o[kind == 0].mean(), o[kind == 1].mean()], abs=0.15)


def _logistic(x, y):
    x = np.column_stack([np.ones(len(x)), x])
    f = optimize.minimize(lambda b: -(y * (x @ b) - np.logaddexp(0, x @ b)).sum(), [0, 0])
    return f.x[1]


@pytest.mark.parametrize("method", ["ml", "bch", "two-step"])
def test_any_template_with_classes_of_individuals(data, method):
    some = data.dropna()
    models = [
        bm.models.lca(["y", "v"], 2, family=bm.normal()),
        bm.models.regression_mixture("v ~ x", 2),
        bm.models.fma(ITEMS, 2),
    ]
    for model in models:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = bm.fit(model, some, **QUICK)
            found = bm.three_step(fit, some, "z", "k", method, variance="equal")
        assert np.isfinite(found.loglik)
        assert (found.coefficients()["se"] > 0).all()


def test_draws_of_a_posterior_are_pooled(data):
    model = bm.models.lca(ITEMS, 3)
    fit = fitted(data, 0.9)
    post = bm.sample(fit, data, draws=100, method="importance", seed=1, progress=False)
    for method in ("ml", "bch", "two-step"):
        found = bm.three_step(post, data, "x", "v", method, draws=25, seed=3)
        at_fit = bm.three_step(fit, data, "x", "v", method)
        assert found.draws == 25
        assert found.assignment == ("none" if method == "two-step" else "random")
        a, b = found.quantities, at_fit.quantities
        free = np.nan_to_num(b.se) > 0
        assert (np.abs(a.values - b.values)[free] < 1.0 * b.se[free]).all()
        assert (a.se[free] > 0.8 * b.se[free]).all()
        assert found.quantities.values == pytest.approx(
            bm.three_step(post, data, "x", "v", method, draws=25, seed=3).quantities.values
        )
    assert model == fit.model


def test_it_says_when_outcomes_make_classes_of_their_own():
    df = drawn(400, 0.65, 3)
    rng = np.random.default_rng(1)
    df["far"] = rng.choice([-6.0, 0.0, 6.0], 400) + 0.1 * rng.normal(size=400)  # three groups that are not the classes
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = fitted(df, 0.65)
    with pytest.warns(UserWarning, match="The last step is not to be trusted: classes are hardly told apart"):
        found = bm.three_step(fit, df, None, "far")
    assert any("a higher maximum" in d and "classes of their own" in d for d in found.doubts)
    assert "NOT TO BE TRUSTED" in str(found)
    assert "doubts" in repr(found)


def test_it_says_when_classes_have_moved():
    df = drawn(500, 0.75, 7)
    df["far"] = np.array([-3.0, 3.0, 0.0])[df["c"] - 1] + np.random.default_rng(1).normal(size=500)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = fitted(df, 0.75)
        found = bm.three_step(fit, df, None, "far")
    m, p = found.monitor, posteriors(fit)
    modal = p.argmax(axis=1)
    out = found.outcomes()
    size = found.coefficients()["estimate"].to_numpy()
    share = np.exp([*size, 0]) / np.exp([*size, 0]).sum()
    after = np.log(share) + np.log(found.errors.to_numpy().T)[modal]
    after += stats.norm.logpdf(df["far"].to_numpy()[:, None], out["mean"].to_numpy(), out["sd"].to_numpy())
    moved = after.argmax(axis=1) != modal
    assert m.moved == pytest.approx(moved.mean())
    assert m.moved > 0.2
    assert m.classes["moved"].to_numpy() == pytest.approx([moved[modal == k].mean() for k in range(3)])
    assert m.classes["step three"].sum() == pytest.approx(1)
    assert any("most likely in another class than in step one (limit 20%)" in d for d in found.doubts)


def test_a_good_separation_is_not_doubted(data, fit):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = bm.three_step(fit, data, "x")
    assert found.doubts == ()
    assert found.monitor.entropy == pytest.approx(fit.entropy)


def test_tables_are_all_there(data, fit):
    found = bm.three_step(fit, data, "x", {"v": bm.normal(), "z": bm.bernoulli()}, "bch", outcome_covariates={"v": "x"})
    assert [*found.tables()] == [
        "coefficients", "outcomes", "outcome_coefficients", "tests", "pairwise", "classes", "errors", "weights",
    ]  # fmt: skip
    assert np.allclose(found.weights.to_numpy() @ found.errors.to_numpy(), np.eye(3))
    assert any("negative BCH weight" in n for n in found.notes)
    assert found.to_frame()["se"].notna().sum() > 10
    assert "<table" in found._repr_html_()


# mistakes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("change", "settings", "message"), [
    (lambda d: d.head(300), {"covariates": "x"}, "The 300 rows with answers that came are not those that step one was"),
    (lambda d: d, {}, "Neither covariates nor outcomes came"),
    (lambda d: d, {"covariates": "xx"}, "The covariate 'xx' is no column of the data: did you mean 'x'?"),
    (lambda d: d, {"outcomes": "yy"}, "The outcome 'yy' is no column of the data: did you mean 'y'?"),
    (lambda d: d, {"covariates": "u1"}, "The covariate 'u1' is an item of step one"),
    (lambda d: d, {"outcomes": "u1"}, "The outcome 'u1' is an item of step one"),
    (lambda d: d, {"outcomes": "m"}, "The outcome 'm' came with text ('low', 'mid', 'top'), expected numbers"),
    (lambda d: d, {"outcomes": {"m": bm.normal()}}, "The outcome 'm' came with text such as"),
    (lambda d: d.assign(x=np.where(d.index == 3, np.inf, d["x"])), {"covariates": "x"}, "'x' has infinite values"),
    (lambda d: d.assign(v=np.where(d.index == 3, -np.inf, d["v"])), {"outcomes": "v"}, "'v' has infinite values"),
    (lambda d: d.assign(x=1.0), {"covariates": "x"}, "The covariates of 'x' are collinear or constant"),
    (lambda d: d.assign(v=1.0), {"outcomes": "v"}, "The outcome 'v' is constant"),
    (lambda d: d.assign(v=d["v"].where(d["c"] > 5)), {"outcomes": {"v": bm.normal()}}, "is missing in every row"),
    (lambda d: d.assign(v=d["v"].where(d["x"] > 9)), {"covariates": "v"}, "No row has all of the covariates v"),
    (lambda d: d, {"covariates": "x", "outcomes": "x"}, "'x' came both as an outcome and as a covariate"),
    (lambda d: d, {"covariates": "x", "outcome_covariates": "x"}, "outcome_covariates came without outcomes"),
    (lambda d: d, {"outcomes": "v", "outcome_covariates": {"y": "x"}}, "came for 'y', which is no outcome"),
    (lambda d: d, {"outcomes": {"v": bm.normal}}, "The family came as normal itself"),
    (lambda d: d, {"outcomes": {"v": bm.poisson()}}, "expected counts 0, 1, 2, ..."),
    (lambda d: d, {"outcomes": "v", "correlated": True}, "correlated=True came with 1 normal outcome"),
    (lambda d: d, {"covariates": "x", "method": "BCH"}, "method came as 'BCH': give 'ml', 'bch', 'two-step'"),
    (lambda d: d, {"covariates": "x", "level": 95}, "level came as 95"),
    (lambda d: d, {"covariates": "x", "variable": "D"}, "variable came as 'D', but the class variables are C"),
    (lambda d: d, {"covariates": "x", "cluster": "school"}, "cluster came as 'school', which is no column"),
    (lambda d: d.drop(columns="u2"), {"covariates": "x"}, "u2"),
    (lambda d: d.iloc[:0], {"covariates": "x"}, "The data frame is empty (0 rows)"),
    (lambda d: pd.concat([d, d[["x"]]], axis=1), {"covariates": "x"}, "The data have 2 columns 'x', the covariate"),
    (lambda d: pd.concat([d, d[["v"]]], axis=1), {"outcomes": "v"}, "The data have 2 columns 'v', the outcome: rename"),
    (lambda d: d, {"outcomes": ["v", "k", "v"]}, "The outcome 'v' came twice: name each once"),
    (lambda d: d, {"covariates": ["x"]}, "The formula came as ['x']: give text such as 'age + sex'"),
    (lambda d: d.assign(two=2 * d["x"] + 1), {"covariates": "x + two"}, "are collinear or constant in these data"),
    (lambda d: d.assign(o=pd.Timestamp("2020-01-01")), {"outcomes": "o"}, "The outcome 'o' is a date"),
    (lambda d: d, {"covariates": "x", "sizes": "fixed"}, "sizes came as 'fixed': give 'free' or 'held'"),
])  # fmt: skip
def test_mistakes_are_said_before_anything_is_computed(data, fit, change, settings, message):
    with pytest.raises((ValueError, TypeError)) as error:
        bm.three_step(fit, change(data), **settings)
    assert message in str(error.value)


def test_an_outcome_that_says_nothing_of_a_class(data, fit):
    modal = fit.class_probabilities()["most_likely"].to_numpy(dtype=int)
    gone = data.assign(v=data["v"].where(modal != 2))
    with pytest.raises(ValueError, match="'v' is missing for all whose most likely class is 2"):
        bm.three_step(fit, gone, None, "v")
    flat = data.assign(v=data["v"].where(modal != 2, 1.0))
    with pytest.raises(ValueError, match="'v' is constant among those whose most likely class is 2: that class has no"):
        bm.three_step(fit, flat, None, "v")
    group = data.assign(v=np.where(modal == 2, "a", np.where(data["x"] > 2, "a", "b")))
    with pytest.warns(UserWarning, match="no standard error, the likelihood is flat there"):
        found = bm.three_step(fit, group, None, {"v": bm.nominal()})
    assert any("v is constant among those whose most likely class is 2" in n for n in found.notes)
    assert bm.three_step(fit, flat, None, "v", variance="equal").n_units == 600


def test_a_class_that_nobody_is_most_likely_in(data, fit):
    step = fit.params["class_logit"].copy()
    step[1] = -6.0
    p = fit.params["item_logit"].copy()
    p[1] = 0.7 * p[0]
    small = replace(fit, params=fit.params.assign(class_logit=step, item_logit=p))
    with pytest.raises(ValueError, match=r"Class 2 .* is nobody's most likely class.*assignment='proportional'"):
        bm.three_step(small, data, "x")


def test_bch_weights_that_leave_no_estimate_are_refused():
    df = drawn(400, 0.62, 5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = fitted(df, 0.62)
    modal = fit.class_probabilities()["most_likely"].to_numpy(dtype=int)
    rng = np.random.default_rng(2)
    df["v"] = rng.normal(size=400) * np.where(modal == 1, 0.05, 3.0) + modal
    df["z"] = np.where(modal == 1, rng.random(400) < 0.01, rng.random(400) < 0.6).astype(int)
    with pytest.raises(ValueError, match=r"BCH weights give the outcome 'v' a variance of -.*variance='equal'"):
        bm.three_step(fit, df, None, {"v": bm.normal()}, "bch")
    with pytest.raises(ValueError, match="BCH weights give the outcome 'z' a share of"):
        bm.three_step(fit, df, None, {"z": bm.bernoulli()}, "bch")


def test_what_step_one_must_be(data, fit):
    one = bm.fit(bm.models.lca(ITEMS, 1), data, **QUICK)
    with pytest.raises(ValueError, match="has one class: there is nothing to relate"):
        bm.three_step(one, data, "x")
    gone = replace(fit, starts=fit.starts.assign(status="collapsed: y"))
    with pytest.raises(ValueError, match=r"Step one has collapsed.*fit it again with fewer classes"):
        bm.three_step(gone, data, "x")
    with pytest.raises(TypeError, match="expected a fit"):
        bm.three_step(fit.model, data, "x")
    on_x = bm.fit(bm.models.lca(ITEMS, 2, "x"), data, **QUICK)
    with pytest.raises(ValueError, match="'x' is in the class logits of step one already"):
        bm.three_step(on_x, data, "x")
    assert any("have covariates (x)" in n for n in bm.three_step(on_x, data, "v").notes)
    with pytest.raises(ValueError, match="for method='two-step' fit step one without"):
        bm.three_step(on_x, data, "v", method="two-step")
    both = bm.fit(bm.models.lca(ITEMS, 2, cluster="g", cluster_classes=2), data, **QUICK)
    with pytest.raises(ValueError, match=r"several class variables \(D, C\): name one by variable="):
        bm.three_step(both, data, "x")
    with pytest.raises(ValueError, match="A list of fits came with classes of clusters"):
        bm.three_step([both, both], data, variable="D")
    with pytest.raises(ValueError, match="'x' varies within clusters"):
        bm.three_step(both, data, "x", variable="D")
    with pytest.raises(ValueError, match="step one has the clusters 'g'"):
        bm.three_step(both, data, "x", variable="C", cluster="c")
    with pytest.raises(ValueError, match="expected two or more occasions"):
        bm.three_step([fit], data, "x")
    with pytest.raises(ValueError, match=r"method='two-step' came with several occasions.*fit bm.models.lta"):
        bm.three_step([fit, fit], data, "x", method="two-step")
    with pytest.raises(ValueError, match="occasion came as 3, but 2 fits came: give a number from 1 to 2"):
        bm.three_step([fit, fit], data, None, "v", occasion=3)
    with pytest.raises(ValueError, match="occasion came as 1 with a single fit"):
        bm.three_step(fit, data, None, "v", occasion=1)
