"""Offsets: regressions of statsmodels, mixtures by loops, shifts, new rows, what is no parameter, what is refused."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from bayesmix.models import count_mixture, lca, regression_mixture
from numpy.testing import assert_allclose
from scipy import special, stats

import bayesmix as bm
from bayesmix.cli.arguments import declare
from densities import log_prior, loglik

QUICK = {"starts": 6, "finals": 3, "rounds": 1, "budget": 0, "progress": False}
VALUES = {"class_logit": [0.3, 0.0], "intercept": [0.5, -1.0], "coefficient": [[0.3], [-0.2]]}
MODEL = regression_mixture("y ~ x", 2, family=bm.poisson(), offset="log(hours)")


@pytest.fixture(scope="module")
def df():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=500), "hours": rng.uniform(0.5, 20.0, 500)})
    out = bm.simulate(MODEL, VALUES, df=frame, seed=1)
    return out.assign(z=rng.poisson(np.where(out["true_C"] == 1, 1.0, 4.0)), log_hours=np.log(out["hours"]))


def by_loop(df, values):
    """The log-likelihood of the mixture of Poisson regressions with exposures."""
    total = 0.0
    p = special.softmax(values["class_logit"])
    for y, x, hours in df[["y", "x", "hours"]].itertuples(index=False):
        each = [
            p[c] * stats.poisson.pmf(y, hours * np.exp(values["intercept"][c] + values["coefficient"][c][0] * x))
            for c in range(2)
        ]
        total += np.log(sum(each))
    return total


def test_the_likelihood_is_that_of_a_loop(df):
    assert bm.log_likelihood(MODEL, df, VALUES) == pytest.approx(by_loop(df, VALUES), rel=1e-11)
    column = regression_mixture("y ~ x", 2, family=bm.poisson(), offset="log_hours")
    assert bm.log_likelihood(column, df, VALUES) == pytest.approx(by_loop(df, VALUES), rel=1e-11)


@pytest.mark.parametrize("family", ["poisson", "negative_binomial", "bernoulli"])
def test_a_regression_is_that_of_statsmodels(df, family):
    data = df.assign(y=(df["y"] > 5).astype(float)) if family == "bernoulli" else df
    x, offset = sm.add_constant(data["x"]), np.log(data["hours"])
    if family == "negative_binomial":
        other = sm.NegativeBinomial(data["y"], x, offset=offset).fit(disp=0)
        llf = other.llf
    else:
        of = sm.families.Poisson() if family == "poisson" else sm.families.Binomial()
        other = sm.GLM(data["y"], x, family=of, offset=offset).fit()
        llf = other.llf
    model = regression_mixture("y ~ x", family=getattr(bm, family)(), offset="log(hours)")
    fit = bm.fit(model, data, **QUICK)
    assert fit.loglik == pytest.approx(llf, abs=1e-5)
    found = [float(np.ravel(fit.params[k])[0]) for k in ("intercept", "coefficient")]
    assert_allclose(found, np.asarray(other.params)[:2], atol=2e-3)
    if family != "negative_binomial":
        errors = [float(np.ravel(fit.se_hessian[k])[0]) for k in ("intercept", "coefficient")]
        assert_allclose(errors, other.bse, rtol=1e-3)


@pytest.mark.parametrize("kind", ["normal", "ordinal", "partial_credit", "poisson"])
def test_a_constant_more_shifts_the_intercept_alone(df, kind):
    family = getattr(bm, kind)()
    several = kind in ("ordinal", "partial_credit")
    data = df.assign(y=pd.cut(df["y"], [-1, 2, 6, 1e9], labels=False)) if several else df
    first = bm.fit(regression_mixture("y ~ x", family=family, offset="log_hours"), data, **QUICK)
    more = data.assign(log_hours=data["log_hours"] + 30.0)
    second = bm.fit(regression_mixture("y ~ x", family=family, offset="log_hours"), more, **QUICK)
    assert second.loglik == pytest.approx(first.loglik, abs=1e-7)
    name, sign = ("outcome_threshold", 1.0) if several else ("intercept", -1.0)
    assert_allclose(second.params[name], first.params[name] + sign * 30.0, atol=1e-6)
    assert_allclose(second.params["coefficient"], first.params["coefficient"], atol=1e-6)
    assert_allclose(second.se[name], first.se[name], rtol=1e-5)


def test_a_constant_offset_is_an_intercept(df):
    plain = bm.fit(regression_mixture("y ~ x", family=bm.poisson()), df, **QUICK)
    shifted = bm.fit(regression_mixture("y ~ x", family=bm.poisson(), offset="two"), df.assign(two=2.0), **QUICK)
    assert shifted.loglik == pytest.approx(plain.loglik, abs=1e-8)
    assert float(shifted.params["intercept"]) == pytest.approx(float(plain.params["intercept"]) - 2.0, abs=1e-7)


def test_of_a_normal_outcome_it_is_subtracted(df):
    model = regression_mixture("y ~ x", family=bm.normal(), offset="hours")
    plain = bm.fit(regression_mixture("d ~ x"), df.assign(d=df["y"] - df["hours"]), **QUICK)
    assert bm.fit(model, df, **QUICK).loglik == pytest.approx(plain.loglik, abs=1e-7)


def test_clusters_and_random_slopes_leave_it_alone(df):
    data = df.assign(g=np.arange(len(df)) % 25)
    model = regression_mixture("y ~ x", family=bm.poisson(), cluster="g", random="1 + x", offset="log_hours")
    values = {"intercept": 0.2, "coefficient": [0.1], "u_intercept_sd": 0.4, "u_x_sd": 0.2, "u_x_on_u_intercept": 0.1}
    more = data.assign(log_hours=data["log_hours"] - 3.0)
    moved = values | {"intercept": 3.2}
    assert bm.log_likelihood(model, more, moved) == pytest.approx(bm.log_likelihood(model, data, values), rel=1e-9)


def test_it_is_no_parameter(df):
    fit = bm.fit(MODEL, df, **QUICK)
    assert fit.n_parameters == 5
    assert not any("offset" in k for k in fit.summary().index)
    text = bm.report(fit)
    assert "Offset                           log(hours)" in text
    assert "offset_coefficient" not in text
    assert "y on x\n" in text
    assert not any("offset" in v.name for v in bm.build(MODEL, df).free_RVs)
    assert not any("offset" in k for k in bm.tables(fit)["parameters"].index.astype(str))
    assert not any("offset" in str(k) for k in bm.prior_table(MODEL, df).index)
    bm.plots.diagram(fit)
    bm.plots.outcome(fit, df)


def test_exposures_of_items_are_their_own(df):
    model = lca(["y", "z"], 2, family=bm.poisson(), offset={"y": "log(hours)"})
    values = {"class_logit": [0.3, 0.0], "item_intercept": np.array([[0.5, 0.1], [-1.0, 1.3]])}
    eta = values["item_intercept"] + np.stack([np.log(df["hours"]), np.zeros(len(df))], axis=1)[:, None, :]
    each = stats.poisson.logpmf(df[["y", "z"]].to_numpy()[:, None, :], np.exp(eta)).sum(-1)
    expected = special.logsumexp(special.log_softmax(values["class_logit"]) + each, axis=1)
    assert_allclose(bm.log_likelihood(model, df, values, units=True), expected, rtol=1e-10)
    fit = bm.fit(model, df, **QUICK)
    assert fit.n_parameters == 5
    assert "offset_coefficient" not in bm.report(fit)


def test_two_exposures_and_families_stand_beside_each_other(df):
    data = df.assign(two=np.linspace(0.5, 2, len(df)), y3=df["z"].astype(float))
    kinds = {"y": bm.poisson(), "z": bm.negative_binomial(), "y3": bm.poisson()}
    model = lca(["y", "z", "y3"], 1, family=kinds, offset={"y": "log(hours)", "z": "two"})
    values = {"class_logit": [0.0], "item_intercept_poisson": [[0.5, 0.4]]}
    values |= {"item_intercept_negative_binomial": [[0.1]], "item_dispersion_negative_binomial": [0.5]}
    expected = stats.poisson.logpmf(data["y"], data["hours"] * np.exp(0.5)).sum()
    expected += stats.poisson.logpmf(data["y3"], np.exp(0.4)).sum()
    mean = np.exp(0.1 + data["two"])
    expected += stats.nbinom.logpmf(data["z"], 2.0, 1 / (1 + 0.5 * mean)).sum()
    assert bm.log_likelihood(model, data, values) == pytest.approx(expected, rel=1e-11)


def test_a_mixture_of_counts_takes_it(df):
    fit = bm.fit(count_mixture(["y", "z"], 2, offset={"y": "log(hours)"}), df, **QUICK)
    assert fit.loglik > bm.fit(count_mixture(["y", "z"], 2), df, **QUICK).loglik


def test_new_rows_need_it(df):
    fit = bm.fit(regression_mixture("y ~ x", family=bm.poisson(), offset="log(hours)"), df, **QUICK)
    new = pd.DataFrame({"x": [0.0, 0.0], "hours": [1.0, 10.0], "y": [np.nan, np.nan]})
    found = bm.predict(fit, new).outcomes["y"]
    assert_allclose(found, np.exp(float(fit.params["intercept"])) * new["hours"], rtol=1e-9)
    with pytest.raises(ValueError, match="no column for the covariate 'hours'"):
        bm.predict(fit, new.drop(columns="hours"))


def test_the_prior_of_the_intercept_is_that_at_the_mean_of_the_offset(df):
    """The posterior knows no other unit of exposure either: density and prior move with it."""
    more = df.assign(hours=df["hours"] * 60.0)
    values = {k: np.asarray(v) for k, v in VALUES.items()}
    moved = values | {"intercept": values["intercept"] - np.log(60.0)}
    one, other = bm.build(MODEL, df), bm.build(MODEL, more)
    assert loglik(one, values) == pytest.approx(loglik(other, moved), rel=1e-9)
    assert log_prior(one, values) == pytest.approx(log_prior(other, moved), rel=1e-9)


def test_a_fit_comes_back_from_its_file(df, tmp_path):
    fit = bm.fit(MODEL, df, **QUICK)
    fit.save(tmp_path / "fit.nc")
    again = bm.Fit.load(tmp_path / "fit.nc")
    assert again.model == fit.model
    assert bm.log_likelihood(again.model, df, again.params) == pytest.approx(fit.loglik, abs=1e-8)


def test_the_command_line_declares_it(df):
    given = {"formula": "y ~ x", "classes": 2, "family": bm.poisson()}
    assert declare("regression_mixture", given, ["offset=log(hours)"], list(df)) == MODEL
    given = {"items": ["y", "z"], "classes": 2}
    assert declare("count_mixture", given, ["offset=y=log(hours)"], list(df)).offsets


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hours": 0.0}, r"'log\(hours\)' of the formula 'log\(hours\)' is no finite number in row 0 \(hours = 0"),
        ({"hours": np.nan}, "Offset 'hours' has 500 missing values"),
        ({"hours": np.inf}, "Offset 'hours' has infinite values"),
        ({"hours": "long"}, "offset came as 'log\\(hours\\)', which is of categories|used as a number"),
    ],
)
def test_bad_exposures_are_refused(df, change, words):
    with pytest.raises(ValueError, match=words):
        bm.prepare(MODEL, df.assign(**change))


@pytest.mark.parametrize(
    ("offset", "words"),
    [
        ("x + hours", r"offset came as 'x \+ hours', which is 2 columns"),
        ("kind", "offset came as 'kind', which is of categories"),
        ("1", "offset came as '1', which is 0 columns|cannot"),
        ("__import__('os')", "formulas do not run code|cannot be read"),
        ("", "offset came as '': give a column, or an expression such as"),
        (3, "offset came as 3: give a column"),
    ],
)
def test_what_is_no_offset_is_refused(df, offset, words):
    data = df.assign(kind=np.where(df["x"] > 0, "a", "b"))
    with pytest.raises(ValueError, match=words):
        bm.prepare(regression_mixture("y ~ x", 2, family=bm.poisson(), offset=offset), data)


def test_offsets_of_no_item_and_of_nominal_ones_are_refused():
    with pytest.raises(ValueError, match="An offset came for 'q', which is not among the items: y, z"):
        lca(["y", "z"], 2, family=bm.poisson(), offset={"q": "x"})
    with pytest.raises(ValueError, match="offset 'x' came for nominal items"):
        lca(["y", "z"], 2, offset="x")
    with pytest.raises(ValueError, match="stands beside the formula, as offset='log\\(hours\\)'"):
        regression_mixture("y ~ x + offset(hours)", 2)
