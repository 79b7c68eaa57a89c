"""Covariates with gaps as variables of the model: fits, what is made of them, and what is refused."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayesmix as bm
from bayesmix.data import Dataset
from command import run
from densities import loglik

ITEMS = ["a", "b", "c", "d", "e"]
FEW = {"starts": 4, "finals": 2, "rounds": 1, "progress": False}


def with_gaps(n: int = 500, seed: int = 0) -> pd.DataFrame:
    """Two classes of five binary items that x and w predict; x misses at random given w and the first item."""
    rng = np.random.default_rng(seed)
    w = rng.normal(size=n)
    x = 3.0 + w + 2.0 * rng.normal(size=n)
    first = rng.random(n) < 1 / (1 + np.exp(-(x - 3.0 + 0.5 * w)))
    df = pd.DataFrame({i: (rng.random(n) < np.where(first, 0.8, 0.2)).astype(int) for i in ITEMS})
    gone = rng.random(n) < 0.15 + 0.4 * df["a"]
    return df.assign(w=w, whole=x, x=np.where(gone, np.nan, x))


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    """The rows."""
    return with_gaps()


@pytest.fixture(scope="module")
def declared() -> bm.Model:
    """Classes predicted by x, which is a variable, and w."""
    return bm.with_covariates(bm.models.lca(ITEMS, 2, "x + w"), "x")


@pytest.fixture(scope="module")
def fit(declared, data) -> bm.Fit:
    """Its fit."""
    return bm.fit(declared, data, **FEW)


# against numbers of other origin ------------------------------------------------------------------


def em_of_normal(y: np.ndarray, steps: int = 4000) -> tuple[np.ndarray, np.ndarray, float]:
    """Mean, covariance matrix and log-likelihood of a multivariate normal with gaps, by EM."""
    mean, cov = np.nanmean(y, axis=0), np.diag(np.nanvar(y, axis=0))
    patterns, which = np.unique(np.isnan(y), axis=0, return_inverse=True)

    def loglik() -> float:
        each = ((p, y[which.ravel() == k][:, ~p]) for k, p in enumerate(patterns) if not p.all())
        return sum(stats.multivariate_normal(mean[~p], cov[np.ix_(~p, ~p)]).logpdf(part).sum() for p, part in each)

    for _ in range(steps):
        before = cov
        filled, extra = y.copy(), np.zeros_like(cov)
        for k, gone in enumerate(patterns):
            rows = np.flatnonzero(which.ravel() == k)
            there = ~gone
            slope = np.linalg.solve(cov[np.ix_(there, there)], cov[np.ix_(there, gone)])
            filled[np.ix_(rows, gone)] = mean[gone] + (y[np.ix_(rows, there)] - mean[there]) @ slope
            extra[np.ix_(gone, gone)] += len(rows) * (cov[np.ix_(gone, gone)] - cov[np.ix_(gone, there)] @ slope)
        mean = filled.mean(axis=0)
        cov = ((filled - mean).T @ (filled - mean) + extra) / len(y)
        if np.abs(cov - before).max() < 1e-13 * np.abs(cov).max():
            break
    return mean, cov, loglik()


def normal_rows(seed: int = 3, n: int = 250) -> pd.DataFrame:
    """An outcome of three covariates, of which two and the outcome miss."""
    rng = np.random.default_rng(seed)
    w = rng.normal(size=n)
    x = 100 + 20 * (0.5 * w + rng.normal(size=n))
    v = 0.03 * x - 0.4 * w + rng.normal(size=n)
    y = 1 + 0.05 * x - 0.4 * w + 0.3 * v + rng.normal(size=n)
    df = pd.DataFrame({"w": w, "x": x, "v": v, "y": y})
    for k, share in {"x": 0.3, "v": 0.2, "y": 0.1}.items():
        df.loc[rng.random(n) < share, k] = np.nan
    return df


@pytest.mark.parametrize("own", [["x"], ["x", "v"]])
def test_a_regression_is_full_information_maximum_likelihood(own):
    df = normal_rows()
    formula = "y ~ w + " + " + ".join(own)
    found = bm.fit(bm.with_covariates(bm.models.regression_mixture(formula, 1), own), df, progress=False)
    order = ["w", *own, "y"]
    mean, cov, loglik = em_of_normal(df[order].to_numpy())
    of_w = stats.norm(mean[0], np.sqrt(cov[0, 0])).logpdf(df["w"]).sum()
    # rows without y and without any x would say nothing of p(y, x | w)
    assert found.n_individuals == int(df[[*own, "y"]].notna().any(axis=1).sum())
    assert found.loglik == pytest.approx(loglik - of_w, abs=1e-6)
    slopes = np.linalg.solve(cov[:-1, :-1], cov[:-1, -1])
    assert found.params["coefficient"].values == pytest.approx(slopes, abs=1e-6)
    assert float(found.params["intercept"]) == pytest.approx(mean[-1] - slopes @ mean[:-1], abs=1e-4)
    given = cov[1:-1, 1:-1] - np.outer(cov[1:-1, 0], cov[0, 1:-1]) / cov[0, 0]
    sds = [float(found.params[f"{k}_sd"]) for k in own]
    assert sds == pytest.approx(np.sqrt(np.diag(given)), rel=1e-5)
    assert [found.params[f"{k}_slope"].item() for k in own] == pytest.approx(cov[0, 1:-1] / cov[0, 0], abs=1e-4)
    if len(own) == 2:
        assert float(found.derived["x_v_covariance"]) == pytest.approx(given[0, 1], rel=1e-5)
        assert float(found.derived["x_v_correlation"]) == pytest.approx(given[0, 1] / np.prod(sds), rel=1e-5)


def test_alone_they_have_means_variances_and_covariances():
    """With on="1" what Mplus estimates of covariates that are mentioned: the saturated normal distribution."""
    df = normal_rows(4)[["x", "v", "y"]]
    model = bm.with_covariates(bm.models.regression_mixture("y ~ x + v", 1), ["x", "v"], on="1")
    found = bm.fit(model, df, progress=False)
    mean, cov, loglik = em_of_normal(df[["x", "v", "y"]].dropna(how="all").to_numpy())
    assert found.n_parameters == 9
    assert found.loglik == pytest.approx(loglik, abs=1e-6)
    assert [float(found.params[f"{k}_mean"]) for k in ("x", "v")] == pytest.approx(mean[:2], rel=1e-6)
    assert float(found.derived["x_v_covariance"]) == pytest.approx(cov[0, 1], rel=1e-5)


@pytest.mark.parametrize(
    ("model", "beside"),
    [
        (bm.models.lca(ITEMS, 2, "whole + w"), ["w"]),
        (bm.models.regression_mixture("w ~ whole", 2), []),
        (bm.models.fma(ITEMS, 1, factor_covariates="whole"), []),
    ],
    ids=["lca", "regression mixture", "factor"],
)
def test_without_gaps_estimates_are_those_of_an_ordinary_fit(model, beside, data):
    nodes = bm.trapezoid(41, 7.0) if model.factors else None
    one = bm.fit(model, data, nodes=nodes, **FEW)
    other = bm.fit(bm.with_covariates(model, "whole"), data, nodes=nodes, **FEW)
    for name in one.params:
        np.testing.assert_allclose(other.params[name], one.params[name], atol=1e-6)
        free = one.free[name].values
        np.testing.assert_allclose(other.se[name].values[free], one.se[name].values[free], rtol=1e-4)
    x = np.column_stack([np.ones(len(data)), *(data[k] for k in beside)])
    away = data["whole"] - x @ np.linalg.lstsq(x, data["whole"], rcond=None)[0]
    density = stats.norm(0, np.sqrt(np.mean(away**2))).logpdf(away).sum()
    assert other.loglik == pytest.approx(one.loglik + density, abs=1e-6)


def test_posterior_classes_of_a_row_with_a_gap_are_an_average_over_what_misses(fit, data):
    ordinary = bm.models.lca(ITEMS, 2, "x + w")
    row = data.index[data["x"].isna()][0]
    p = {k: v.values for k, v in fit.params.items()}
    mean, sd = float(p["x_mean"] + p["x_slope"][0] * data["w"][row]), float(p["x_sd"])
    grid = mean + sd * np.arange(-8, 8, 0.1)
    many = pd.concat([data.fillna({"x": 0.0}), data.loc[[row] * len(grid)].assign(x=grid)], ignore_index=True)
    own = {k: p[k] for k in ("class_logit", "class_slope", "item_logit")}
    loglik = bm.log_likelihood(ordinary, many, own, units=True).to_numpy()[len(data) :]
    logits = p["class_logit"] + np.column_stack([grid, np.full(len(grid), data["w"][row])]) @ p["class_slope"].T
    answers = [np.log(fit.probabilities["item_probability"].values[:, k, data[i][row]]) for k, i in enumerate(ITEMS)]
    joint = np.exp(logits + np.sum(answers, axis=0))
    given = joint / joint.sum(axis=1, keepdims=True)
    weight = np.exp(loglik + stats.norm(mean, sd).logpdf(grid))
    expected = weight @ given / weight.sum()
    found = fit.class_probabilities().loc[row, ["C=1", "C=2"]].to_numpy(dtype=float)
    np.testing.assert_allclose(found, expected, atol=1e-8)
    scores = fit.effects()
    at = list(data.index).index(row)
    assert float(scores["x"][at]) == pytest.approx(weight @ grid / weight.sum(), abs=1e-5)
    assert (scores["x_sd"].values[data["x"].notna()] == 0.0).all()
    np.testing.assert_allclose(scores["x"].values[data["x"].notna()], data["x"].dropna())


def test_growth_factors_keep_their_closed_form_beside_a_grid():
    rng = np.random.default_rng(6)
    n = 60
    x = rng.normal(size=n)
    y = {f"y{t}": 0.5 * x + t * (0.3 + 0.2 * x) + rng.normal(size=n) for t in range(3)}
    df = pd.DataFrame(y).assign(x=np.where(rng.random(n) < 0.3, np.nan, x))
    model = bm.with_covariates(bm.models.growth(list(y), 2, "x", factor_covariates="x"), "x")
    data = bm.prepare(model, df)
    assert "PartlyExact" in str(data.nodes["individual"])
    values = data.natural(0.3 * rng.normal(size=data.packing.size)) | {"u_I_sd": 0.8, "u_S_sd": 0.4, "residual_sd": 1.0}
    found = bm.log_likelihood(model, df, values, units=True)
    grid = bm.log_likelihood(model, df, values, units=True, nodes=bm.trapezoid(57, 7.0))
    np.testing.assert_allclose(found, grid, atol=1e-6)
    fine = bm.log_likelihood(model, df, values, units=True, nodes=bm.exact())
    np.testing.assert_allclose(found, fine, atol=1e-12)


# the other half -----------------------------------------------------------------------------------


def test_pymc_has_the_same_log_likelihood(declared, fit, data):
    values = {k: x.values for k, x in fit.params.items()}
    assert loglik(bm.build(declared, data), values) == pytest.approx(fit.loglik, abs=1e-6)


def test_pymc_has_the_same_closed_form_beside_a_grid():
    df = normal_rows(5, 80)
    model = bm.with_covariates(bm.models.growth(["y", "w"], 2, "v", factor_covariates="x", random="I"), ["x", "v"])
    data = bm.prepare(model, df)
    values = data.natural(0.2 * np.random.default_rng(1).normal(size=data.packing.size)) | {"u_I_sd": np.asarray(0.7)}
    expected = bm.log_likelihood(model, df, values, nodes=data.nodes["individual"])
    assert "PartlyExact" in str(data.nodes)
    assert loglik(bm.build(model, df), values) == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("effects", ["integrate", "sample"])
def test_posterior_means_are_near_the_maximum(fit, data, effects):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that an R-hat is above 1.01
        post = bm.sample(fit, data, draws=400, tune=500, seed=1, progress=False, effects=effects)
    table = bm.compare(fit, post).table
    away = ((table["mean"] - table["ml"]) / table["sd"]).dropna()
    assert len(away) > 10
    assert away.abs().max() < 0.5
    assert np.abs(table["sd"] / table["ml_se"] - 1).dropna().max() < 0.25


# what is made of a fit ----------------------------------------------------------------------------


def test_covariates_that_are_not_given_are_drawn(fit):
    w = np.random.default_rng(2).normal(size=4000)
    new = bm.simulate(fit, df=pd.DataFrame({"w": w}), seed=3)
    away = new["x"] - float(fit.params["x_mean"]) - float(fit.params["x_slope"][0]) * w
    sd = float(fit.params["x_sd"])
    assert stats.kstest(away / sd, "norm").pvalue > 0.01
    assert (new["x"] == new["true_x"]).all()
    logit = fit.params["class_logit"].values[0] + fit.params["class_slope"].values[0] @ np.stack([new["x"], w])
    own = 1 / (1 + np.exp(-logit))
    z = ((new["true_C"] == 1) - own).sum() / np.sqrt((own * (1 - own)).sum())
    assert abs(z) < 4


def test_covariates_that_miss_stay_missing_with_the_truth_beside_them(fit, data):
    new = bm.simulate(fit, df=data, seed=3)
    pd.testing.assert_series_equal(new["x"], data["x"])
    known = data["x"].notna()
    np.testing.assert_allclose(new["true_x"][known], data["x"][known])
    assert new["true_x"][~known].nunique() == (~known).sum()


def test_a_model_of_normal_covariates_alone_needs_no_rows():
    model = bm.with_covariates(bm.models.regression_mixture("y ~ x", 1), "x")
    values = {"intercept": 1.0, "coefficient": [2.0], "residual_sd": 0.1, "x_mean": 5.0, "x_sd": 2.0}
    new = bm.simulate(model, values, n=2000, seed=1)
    assert new["x"].mean() == pytest.approx(5.0, abs=0.2)
    np.testing.assert_allclose(np.polyfit(new["x"], new["y"], 1), [2.0, 1.0], atol=0.02)


def test_new_rows_may_miss_the_covariate_or_its_column(fit, data):
    rows = data.drop(columns="whole").head(20)
    found = bm.predict(fit, rows)
    own = fit.class_probabilities().loc[rows.index, ["C=1", "C=2"]]
    np.testing.assert_allclose(found.class_probabilities()[["C=1", "C=2"]], own, atol=1e-10)
    none = bm.predict(fit, rows.drop(columns="x"))
    gone = bm.predict(fit, rows.assign(x=np.nan))
    pd.testing.assert_frame_equal(none.class_probabilities(), gone.class_probabilities())
    assert any("x" in note for note in none.notes)
    with pytest.raises(ValueError, match="no column for the covariate 'w'"):
        bm.predict(fit, rows.drop(columns="w"))


def test_an_ordinary_fit_refuses_new_rows_with_gaps(data):
    fit = bm.fit(bm.models.lca(ITEMS, 2, "whole"), data, **FEW)
    with pytest.raises(ValueError, match=r"'whole' has 1 missing values.*missing_covariates='normal'"):
        bm.predict(fit, data.head(5).assign(whole=[np.nan, 1, 2, 3, 4]))


def test_a_fit_is_kept(fit, tmp_path):
    fit.save(tmp_path / "fit.nc")
    again = bm.load(tmp_path / "fit.nc")
    assert again.model == fit.model
    assert again.loglik == fit.loglik
    assert str(bm.report(again)) == str(bm.report(fit))


def test_the_listing_says_what_was_taken(fit, data):
    text = " ".join(str(bm.report(fit)).split())
    assert f"x ({data['x'].isna().sum()} rows miss it), given w" in text
    assert "items and x: not comparable with fits in which these are given" in text
    assert "NORMAL COVARIATES" in text
    assert "AIC and BIC do not compare with those of models in which the covariates are given" in text
    s = fit.summary().loc["x_sd"]
    row = next(line for line in str(bm.report(fit)).splitlines() if "variance of x" in line).split()
    assert float(row[3]) == pytest.approx(s["estimate"] ** 2, abs=2e-3)
    assert float(row[4]) == pytest.approx(2 * s["estimate"] * s["se"], abs=2e-3)


def test_expected_frequencies_are_those_given_the_covariates(fit, data):
    """Answers to all items by covariate rows: an average of probabilities that add up to one."""
    found = bm.goodness_of_fit(fit, data)
    table = bm.response_patterns(fit, data)
    assert table["expected"].sum() <= len(data) + 1e-6
    assert np.isfinite(float(str(found).split("Pearson")[1].split()[0]))


def test_fits_of_other_variables_are_not_compared(fit, data):
    given = bm.fit(bm.models.lca(ITEMS, 2, "whole + w"), data, **FEW)
    with pytest.raises(ValueError, match="not of the same answers"):
        bm.likelihood_ratio(given, fit)
    one = bm.fit(bm.models.lca(ITEMS, 1, "whole + w"), data, **FEW)
    with pytest.raises(ValueError, match="The normal covariates of the two fits differ"):
        bm.lr_test(one, fit, data, replications=1, progress=False)
    with pytest.raises(ValueError, match="The normal covariates of the two fits differ"):
        bm.vuong_test(one, fit, data)


def test_nested_regressions_of_a_covariate_are_tested(fit, data):
    alone = bm.fit(bm.with_covariates(bm.models.lca(ITEMS, 2, "x + w"), "x", on="1"), data, **FEW)
    found = bm.likelihood_ratio(alone, fit)
    assert found.df == 1
    assert found.p < 0.001


def test_rows_without_answers_count_by_their_covariate(declared, fit, data):
    more = pd.DataFrame({**dict.fromkeys(ITEMS, np.nan), "w": 0.5, "x": [2.0, np.nan, 4.0]})
    wide = pd.concat([data, more], ignore_index=True)
    p = {k: v.values for k, v in fit.params.items()}
    added = bm.log_likelihood(declared, wide, p) - bm.log_likelihood(declared, data, p)
    mean = float(p["x_mean"] + 0.5 * p["x_slope"][0])
    assert added == pytest.approx(stats.norm(mean, p["x_sd"]).logpdf([2.0, 4.0]).sum(), abs=1e-8)
    assert Dataset.encode(declared, wide).seen.sum() == len(data) + 2


def test_frequencies_stand_for_rows(declared, data):
    few = data.head(60).assign(n=np.resize([1, 2, 3], 60))
    model = bm.with_covariates(bm.models.lca(ITEMS, 2, "x + w", freq="n"), "x")
    values = bm.prepare(declared, data).natural(np.full(bm.prepare(declared, data).packing.size, 0.3))
    long = few.loc[few.index.repeat(few["n"])]
    assert bm.log_likelihood(model, few, values) == pytest.approx(bm.log_likelihood(declared, long, values), abs=1e-9)


# what is asked for ----------------------------------------------------------------------------------


def test_gaps_are_found_in_the_data(fit, data):
    found = bm.fit(bm.models.lca(ITEMS, 2, "x + w"), data, missing_covariates="normal", **FEW)
    assert found.model == fit.model
    assert found.loglik == fit.loglik
    ordinary = bm.models.lca(ITEMS, 2, "whole")
    assert bm.fit(ordinary, data, missing_covariates="normal", **FEW).model == ordinary
    dotted = data.assign(x=data["x"].astype(object).where(data["x"].notna(), "."))
    with pytest.warns(UserWarning, match="missing"):
        same = bm.fit(bm.models.lca(ITEMS, 2, "x + w"), dotted, missing_covariates="normal", **FEW)
    assert same.loglik == pytest.approx(fit.loglik, abs=1e-9)


def test_the_command_line_takes_gaps(fit, data, tmp_path):
    data.drop(columns="whole").fillna({"x": -99}).to_csv(tmp_path / "data.csv", index=False)
    words = ["fit", "lca", tmp_path / "data.csv", "--items", "a-e", "--classes", 2, "--covariates", "x + w"]
    words += ["--missing", "-99", "--starts", 4, "--finals", 2, "--rounds", 1, "--quiet", "--out", tmp_path / "out"]
    done = run(*words, "--missing-covariates", "normal")
    assert done.exit_code == 0, done.output
    assert bm.Fit.load(tmp_path / "out" / "fit.nc").loglik == pytest.approx(fit.loglik, abs=1e-6)


LCA = bm.models.lca(ITEMS, 2, "x + w")
TWO_LEVEL = bm.models.lca(ITEMS, 2, "x", cluster="g", cluster_covariates="h")
SLOPE = bm.models.regression_mixture("y ~ x", 1, cluster="g", random="1 + x", cluster_covariates="h")
OFFSET = bm.models.lca(["k"], 2, "x", family=bm.poisson(), offset="t")


@pytest.mark.parametrize(
    ("model", "normal", "words"),
    [
        (LCA, "z", "'z', which is not among the covariates of the model: these are x, w"),
        (LCA, "xx", "did you mean 'x'"),
        (LCA, [], "normal came as \\[\\]: give names of columns"),
        (LCA, 3, "normal came as 3: give names of columns"),
        (LCA, ["x", "x"], "name each covariate once"),
        (bm.models.lca(ITEMS, 2, "p + q + r + s"), list("pqrs"), "4 covariates .* there may be 3. .*bm.pool"),
        (bm.models.lca(ITEMS, 2, "C(x)"), "x", "uses as categories: .*pool the fits by bm.pool"),
        (bm.models.lca(ITEMS, 2, "log(x)"), "x", "stands in a function in 'log\\(x\\)'"),
        (bm.models.lca(ITEMS, 2, "x + I(x**2)"), "x", "stands in a function"),
        (bm.models.lca(ITEMS, 2, "x * w"), ["x", "w"], "two covariates of the interaction 'x:w'"),
        (TWO_LEVEL, "h", "'h', a covariate of clusters in 'h'"),
        (SLOPE, "h", "'h', a covariate of clusters in 'h'"),
        (OFFSET, "t", "'t', an offset"),
        (bm.with_covariates(LCA, "x"), "w", "normal covariates already \\(x\\)"),
        (
            bm.models.lca(ITEMS, 2, "item", family=bm.normal()),
            "item",
            "the name of another one of the model: rename the column",
        ),
        (bm.models.lca(ITEMS, 2, "C"), "C", "is an item, a class or an effect"),
        (bm.models.lca(ITEMS, 2, "`my x`"), "my x", "rename the column to a word"),
    ],
)
def test_what_cannot_be_normal_is_refused(model, normal, words):
    with pytest.raises((ValueError, TypeError), match=words):
        bm.with_covariates(model, normal)


@pytest.mark.parametrize(
    ("on", "words"),
    [("x", "which is normal itself"), ("", "give a formula of complete covariates"), ("nope", "no column 'nope'")],
)
def test_what_it_cannot_be_regressed_on_is_refused(data, on, words):
    with pytest.raises((ValueError, TypeError), match=words):
        bm.prepare(bm.with_covariates(LCA, "x", on=on), data)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.nan, "'x' has no value in any row"),
        (2.0, "'x' is constant \\(every row has 2\\)"),
        ("one", "'x' came with categories \\(text\\).*bm.pool"),
        (pd.Categorical(["p", "q"] * 250), "'x' came with categories"),
        (np.inf, "'x' has infinite values"),
    ],
)
def test_columns_that_cannot_be_normal_are_refused(data, declared, values, words):
    df = data.assign(x=values)
    if isinstance(values, float) and np.isinf(values):
        df = data.assign(x=data["x"].where(data.index > 0, values))
    with pytest.raises(ValueError, match=words):
        bm.prepare(declared, df)


def test_gaps_that_cannot_be_normal_are_refused(data):
    text = data.assign(k=np.where(data.index % 7 == 0, None, np.where(data["w"] > 0, "p", "q")))
    with pytest.raises(ValueError, match="'k' came with categories"):
        bm.fit(bm.models.lca(ITEMS, 2, "k"), text, missing_covariates="normal", **FEW)
    many = data.assign(**{k: data["x"] for k in "pqrs"})
    with pytest.raises(ValueError, match=r"4 covariates .*bm.pool"):
        bm.fit(bm.models.lca(ITEMS, 2, "p + q + r + s"), many, missing_covariates="normal", **FEW)
    clusters = data.assign(g=data.index // 20, h=np.where(data.index // 20 == 3, np.nan, data.index // 20))
    model = bm.models.lca(ITEMS, 2, "w", cluster="g", cluster_covariates="h")
    with pytest.raises(ValueError, match="'h', a covariate of clusters"):
        bm.fit(model, clusters, missing_covariates="normal", **FEW)
    with pytest.raises(ValueError, match="missing_covariates came as 'drop': give 'normal'"):
        bm.fit(model, data, missing_covariates="drop", **FEW)
    with pytest.raises(ValueError, match="Covariate 'w' has 1 missing values"):
        bm.fit(bm.with_covariates(LCA, "x"), data.assign(w=data["w"].where(data.index > 0)), **FEW)


def test_mplus_cannot_be_told(declared, data, tmp_path):
    with pytest.raises(ValueError, match=r"normal covariates \(x\): write the model without bm.with_covariates"):
        bm.mplus.write(declared, data, tmp_path / "run.inp")


# recovery -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_estimates_and_intervals_hold_where_dropping_rows_is_biased():
    """x misses by the first item: 100 data sets of 1,000; the numbers are on the page of missing data.

    Rows of class 1 are kept with the probability .53, those of class 2 with .77: dropping moves the logit by their log.
    """
    truth = {"x_mean": 3.0, "x_slope[w]": 1.0, "x_sd": 2.0, "class_logit[1]": -3.0, "class_slope[1, x]": 1.0}
    truth["class_slope[1, w]"] = 0.5
    names, wanted = list(truth), np.array(list(truth.values()))
    model, p = bm.models.lca(ITEMS, 2, "x + w"), np.array([0.8, 0.2])
    logit = np.zeros((2, 5, 2))
    logit[..., 1] = np.log(p / (1 - p))[:, None]
    how = {"like": {"item_logit": logit}, "starts": 3, "finals": 3, "rounds": 1, "progress": False}
    found, hit, dropped = [], [], []
    for seed in range(100):
        df = with_gaps(1000, 100 + seed)
        s = bm.fit(bm.with_covariates(model, "x"), df, **how).summary().loc[names]
        found.append(s["estimate"].to_numpy())
        hit.append((s["lower"].to_numpy() < wanted) & (s["upper"].to_numpy() > wanted))
        dropped.append(bm.fit(model, df.dropna(subset="x"), **how).summary().loc[names[3:], "estimate"].to_numpy())
    bias, error = np.mean(found, axis=0) - wanted, np.std(found, axis=0) / 10
    table = pd.DataFrame({"bias": bias, "error": error, "cover": np.mean(hit, axis=0)}, index=names)
    print(table, np.mean(dropped, axis=0) - wanted[3:], np.std(dropped, axis=0) / 10)
    assert (np.abs(bias) < 3 * error).all()
    assert (table["cover"] >= 0.88).all()
    assert np.mean(dropped, axis=0)[0] + 3.0 == pytest.approx(np.log(0.53 / 0.77), abs=0.15)
