"""Where a covariate lies, and its unit, is nothing to a fit: orthonormal inside, the user's scale outside."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from bayesmix.models import fma, fma_gom, gom, irt_3pl, lca, lta, regression_mixture
from numpy.testing import assert_allclose
from scipy.special import expit

import bayesmix as bm
from bayesmix.graph import LogLikelihood, adapt_nodes, with_methods

ITEMS = [f"u{k}" for k in range(6)]
WAVES = [ITEMS[:3], ITEMS[3:]]
NAMES = list("abc")
BINARY = bm.bernoulli()


@pytest.fixture(scope="module")
def persons() -> pd.DataFrame:
    """Two classes told apart by the items, predicted by covariates of persons and of 40 clusters."""
    rng = np.random.default_rng(8)
    n, j = 480, 40
    g = np.arange(n) % j
    x, z, w = rng.normal(size=n), rng.normal(size=n), rng.normal(size=j)[g]
    c = rng.random(n) < expit(0.8 * x + 0.5 * w + rng.normal(0, 0.7, j)[g])
    later = np.where(rng.random(n) < expit(1.0 + 0.5 * x), c, ~c)
    ability = 0.7 * x + rng.normal(size=n)
    df = pd.DataFrame({f"u{k}": rng.random(n) < np.where(c if k < 3 else later, 0.85, 0.15) for k in range(6)})
    df = df.astype(int).assign(g=g, x=x, z=z, w=w)
    df = df.assign(**{f"t{k}": (rng.random(n) < expit(1.3 * ability - 0.5 * (k - 2))).astype(int) for k in range(6)})
    slope, level = rng.normal(0, 0.4, j)[g], rng.normal(0, 0.8, j)[g]
    df["y"] = 1 + level + (0.5 + slope + 0.3 * w) * x + 0.5 * w + rng.normal(0, 1, n)
    df["m"] = np.where(c, 3.0 + 0.8 * x, -1.0 - 0.3 * x) + rng.normal(0, 0.7, n)
    df["o"] = np.digitize(df["m"], [-1, 1, 3])
    df["k"] = rng.poisson(np.exp(np.where(c, 1.5 + 0.3 * x, 0.0)))
    return df


TESTS = [f"t{k}" for k in range(6)]
MODELS = {
    "lca": lambda: lca(ITEMS[:4], 2, covariates="x * z", family=BINARY),
    "lca, two levels": lambda: lca(ITEMS[:4], 2, "x", BINARY, cluster="g", cluster_covariates="w"),
    "lca, classes of clusters": lambda: lca(
        ITEMS[:4], 2, "x", BINARY, cluster="g", cluster_classes=2, cluster_class_covariates="w"
    ),
    "lta": lambda: lta(WAVES, 2, "x", "x + z", BINARY, names=NAMES),
    "lta, by origin": lambda: lta(WAVES, 2, "x", "x", BINARY, names=NAMES, stationary=True, covariates_by_origin=True),
    "lta, two levels": lambda: lta(WAVES, 2, family=BINARY, names=NAMES, cluster="g", cluster_covariates="w"),
    "regression": lambda: regression_mixture("m ~ x + z", 2, covariates="x"),
    "regression, variance": lambda: regression_mixture("y ~ x", variance="x"),
    "regression, ordinal": lambda: regression_mixture("o ~ x", 2, family=bm.ordinal()),
    "regression, counts": lambda: regression_mixture("k ~ x", 2, family=bm.poisson()),
    "random slopes": lambda: regression_mixture("y ~ x", cluster="g", random="1 + x"),
    "slopes apart": lambda: regression_mixture("y ~ x + z", cluster="g", random="1 + x + z", covariance="slopes apart"),
    "cross-level": lambda: regression_mixture(
        "y ~ x", cluster="g", random="1 + x", cluster_covariates={"1": "w", "x": "w"}
    ),
    "two-level regression mixture": lambda: regression_mixture("m ~ x", 2, "z", cluster="g", cluster_covariates="w"),
    "fma": lambda: fma(TESTS, 1, family=BINARY, factor_covariates="x", item_covariates={"t0": "z"}),
    "fma, two factors": lambda: fma(
        TESTS, 1, family=BINARY, factors={"f": TESTS[:3], "h": TESTS[3:]}, factor_covariates="x"
    ),
    "2PL": lambda: irt_3pl(TESTS, guessing="none", factor_covariates="x"),
    "gom": lambda: gom(ITEMS, 2, "x", family=BINARY),
    "fma-gom": lambda: fma_gom(TESTS, 2, "x", family=BINARY),
}  # fmt: skip
LONG = "fma, two factors"
"""Half a minute; factors with covariates are tested by the others too."""
FIXED_ORIGIN = {
    "intercept common, slopes by class": lambda: regression_mixture("m ~ x", 2, by_class="0 + x"),
    "independent slopes": lambda: regression_mixture("y ~ x", cluster="g", random="1 + x", covariance="independent"),
}  # fmt: skip
SOME = [k for k in MODELS if k not in ("gom", "fma-gom", "two-level regression mixture")]


def moved(df: pd.DataFrame, **by: tuple[float, float]) -> pd.DataFrame:
    """Covariates at another origin and in another unit: x to a + b x."""
    return df.assign(**{k: a + b * df[k] for k, (a, b) in by.items()})


def few(model, df, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        settings = {"starts": 4, "finals": 2, "rounds": 1, "progress": False, "simpler": False} | settings
        return bm.fit(model, df, **settings)


@pytest.mark.parametrize("name", [*MODELS, *FIXED_ORIGIN])
def test_both_scales_have_one_likelihood(persons, name):
    model = (MODELS | FIXED_ORIGIN)[name]()
    data = bm.prepare(model, moved(persons, x=(4.0, 2.0), z=(-3.0, 0.5), w=(2.0, 1.5)))
    user, rng = data.on_user_scale(), np.random.default_rng(3)
    values = data.natural(0.4 * rng.normal(size=data.packing.size))
    back = data.inside(data.pack(values))
    for k, x in data.inside(data.pack(data.natural(data.pack(values)))).items():
        assert_allclose(back[k], x, rtol=1e-9, atol=1e-9)
    found = []
    for one in (data, user, data.centred()):
        theta = one.pack(values)
        found.append(float(LogLikelihood(on_fine_nodes(one, theta)).value(theta)))
    assert_allclose(found, found[0], rtol=1e-8)


def on_fine_nodes(data, theta):
    """Finer adaptive nodes, where there are any: the two scales have theirs along other axes."""
    few_effects = len(data.model.effects_at("cluster")) < 3
    fine = isinstance(data.nodes.get("cluster"), type(bm.adaptive(7))) and few_effects
    return adapt_nodes(with_methods(data, {"cluster": bm.adaptive(31)}) if fine else data, theta)


def test_the_centred_columns_are_orthonormal_and_an_interaction_is_centred_too(persons):
    data = bm.prepare(lca(ITEMS[:4], 2, covariates="x * z"), moved(persons, x=(2015.0, 3.0)))
    columns, n = data.arrays["covariate"].values, data.counts.sum()
    assert_allclose(data.counts @ columns, 0.0, atol=1e-8)
    assert_allclose((data.counts[:, None] * columns).T @ columns / n, np.eye(3), atol=1e-8)


@pytest.mark.parametrize("name", [pytest.param(k, marks=[pytest.mark.slow] * (k == LONG)) for k in MODELS])
def test_shifting_and_scaling_a_covariate_changes_nothing(persons, name):
    """Log-likelihood, class probabilities, standard errors, as a calendar year and in another unit."""
    by = {"x": (2015.0, 3.0), "z": (-80.0, 0.01), "w": (1e4, 250.0)}
    if name in ("gom", "fma-gom"):
        persons = persons.head(160)
    one, other = few(MODELS[name](), persons), few(MODELS[name](), moved(persons, **by))
    assert other.loglik == pytest.approx(one.loglik, abs=1e-6)
    for k, x in one.classes.data_vars.items():
        if str(k).endswith("_posterior"):
            assert_allclose(other.classes[k], x, atol=1e-5)
    for k, x in one.probabilities_se.data_vars.items():
        assert_allclose(other.probabilities_se[k], x, rtol=1e-3, atol=1e-6)
    for k, x in slopes(one).items():
        scale = {c: by[c][1] for c in by if c in set(x[1].coords[x[0]].values)}
        for c, b in scale.items():
            assert_allclose(other.params[k].sel({x[0]: c}) * b, one.params[k].sel({x[0]: c}), rtol=1e-3, atol=1e-5)
            assert_allclose(other.se[k].sel({x[0]: c}) * b, one.se[k].sel({x[0]: c}), rtol=1e-3, atol=1e-5)


def slopes(fit) -> dict:
    """Parameters that have covariates, with the dim of these; not beside interactions, which move with the origin."""
    dims = [k for k, f in fit.info["covariates"].items() if "*" not in f and k != "x_covariate"]
    found = {str(k): (d, x) for k, x in fit.params.data_vars.items() for d in dims if d in x.dims}
    crossed = "x_covariate" in fit.info["covariates"]
    return {} if crossed else {k: v for k, v in found.items() if "random" not in k}


@pytest.mark.parametrize("name", [pytest.param(k, marks=[pytest.mark.slow] * (k == LONG)) for k in SOME])
def test_given_parameters_are_the_users(persons, name):
    """What a fit says goes back in: its log-likelihood, a start, the order of its classes."""
    df = moved(persons, x=(2015.0, 3.0), w=(100.0, 5.0))
    model = MODELS[name]()
    fit = few(model, df)
    values = {str(k): x.values for k, x in fit.params.items()}
    assert bm.log_likelihood(model, df, fit.params) == pytest.approx(fit.loglik, abs=0.01)
    again = few(model, df, starts=1, finals=1, start=fit, like=fit)
    assert again.loglik == pytest.approx(fit.loglik, abs=1e-5)
    for k, x in values.items():
        unit = np.abs(fit.se[k].values) + 1e-3 * (1 + np.abs(x))
        assert (np.abs(again.params[k].values - x) <= np.where(np.isfinite(unit), 0.05 * unit, np.inf)).all()


def test_effects_are_the_users(persons):
    """A random intercept is that where the covariate is zero, wherever that is; a factor has its mean."""
    df = moved(persons, x=(5.0, 1.0))
    model = regression_mixture("y ~ x", cluster="g", random="1 + x")
    at_zero, at_five = few(model, df).effects(), few(model, persons).effects()
    assert_allclose(at_zero["u_x"], at_five["u_x"], atol=1e-5)
    assert_allclose(at_zero["u_intercept"], at_five["u_intercept"] - 5.0 * at_five["u_x"], atol=1e-4)
    model = irt_3pl(TESTS, guessing="none", factor_covariates="x")
    moved_fit, fit = few(model, df), few(model, persons)
    assert_allclose(moved_fit.effects()["f"] - fit.effects()["f"], 5.0 * float(fit.params["f_slope"][0]), atol=1e-3)


def test_random_coefficients_far_from_zero_have_the_covariances_of_their_origin(persons):
    model = regression_mixture("y ~ x", cluster="g", random="1 + x")
    near, far = few(model, persons), few(model, moved(persons, x=(50.0, 1.0)))
    a, b = (f.derived["random_covariance"].values for f in (near, far))
    origin = np.array([[1.0, -50.0], [0.0, 1.0]])
    assert_allclose(b, origin @ a @ origin.T, rtol=1e-3)


def test_a_search_at_a_calendar_year_finds_what_the_centred_year_has():
    rng = np.random.default_rng(0)
    year = rng.integers(2010, 2021, 1000)
    z = rng.random(1000) < expit(-0.3 * (year - 2015))
    df = pd.DataFrame({k: rng.random(1000) < np.where(z, 0.9, 0.1) for k in ITEMS}).astype(int).assign(year=year)
    fit = bm.fit(lca(ITEMS, 2, covariates="year"), df)
    centred = bm.fit(lca(ITEMS, 2, covariates="year"), df.assign(year=year - 2015))
    assert fit.loglik == pytest.approx(centred.loglik, abs=1e-6)
    assert fit.replicated >= 2
    slope = [float(f.params["class_slope"].values[0, 0]) for f in (fit, centred)]
    assert slope[0] == pytest.approx(slope[1], rel=1e-6)
    logit = [float(f.params["class_logit"].values[0]) for f in (fit, centred)]
    assert logit[0] == pytest.approx(logit[1] - 2015 * slope[1], rel=1e-6)


def test_a_prior_is_on_the_users_scale_whatever_is_done_inside(persons):
    df = moved(persons, x=(30.0, 2.0))
    model = regression_mixture("y ~ x + z")
    prior = {"coefficient": bm.Prior("Normal", mu=0.1, sigma=0.02), "intercept": bm.Prior("Normal", mu=-1.0, sigma=0.5)}
    fit = few(model, df, priors=prior)
    x = np.column_stack([np.ones(len(df)), df["x"], df["z"]])
    y, sd = df["y"].to_numpy(), float(fit.params["residual_sd"])
    precision = np.diag([1 / 0.5**2, 1 / 0.02**2, 1 / 0.02**2])
    mode = np.linalg.solve(x.T @ x / sd**2 + precision, x.T @ y / sd**2 + precision @ [-1.0, 0.1, 0.1])
    found = np.append(fit.params["intercept"].values, fit.params["coefficient"].values)
    assert_allclose(found, mode, rtol=1e-4)


def test_a_model_that_depends_on_the_origin_keeps_it(persons):
    """A common intercept beside slopes by class, independent random slopes: another origin is another model."""
    for declare in FIXED_ORIGIN.values():
        data = bm.prepare(declare(), moved(persons, x=(5.0, 1.0)))
        one, other = few(declare(), persons), few(declare(), moved(persons, x=(5.0, 1.0)))
        assert abs(one.loglik - other.loglik) > 0.01
        assert not data.recoding.is_identity  # scaled all the same


def test_slopes_that_several_predictors_share_move_the_intercept_of_each(persons):
    """One slope of two outcomes that have intercepts of their own, beside one of two that share theirs."""
    slope, x = bm.Parameter("slope", ("covariate",)), bm.Covariates("covariate", "x")

    def outcome(k: int, column: str, intercept: str) -> bm.Response:
        terms = (bm.Term(bm.Parameter(intercept)), bm.Term(slope, x))
        sd = bm.Term(bm.Parameter(f"sd{k}", (), "positive"))
        return bm.Response(f"r{k}", (column,), bm.normal(), terms, (sd,), item_dim=f"item{k}")

    df = moved(persons, x=(2015.0, 3.0))
    for second in ("own", "first"):
        model = bm.Model("shared", (outcome(1, "y", "first"), outcome(2, "m", second)))
        data, rng = bm.prepare(model, df), np.random.default_rng(1)
        values = data.natural(0.3 * rng.normal(size=data.packing.size))
        found = [LogLikelihood(d).value(d.pack(values)) for d in (data, data.on_user_scale(), data.centred())]
        assert_allclose(found, float(found[0]), rtol=1e-9)


def test_a_factor_shifted_by_another_number_in_each_class_keeps_its_origin(persons):
    """Its slopes vary over the classes: no intercept takes that over, and its scores are the user's."""
    model = fma(TESTS, 2, family=BINARY, factor_covariates="x")
    factor = next(e for e in model.effects if e.name == "f")
    (term,) = [t for t in factor.mean if t.covariates]
    by_class = replace(term, parameter=replace(term.parameter, dims=("C", *term.parameter.dims)))
    effects = tuple(replace(e, mean=(by_class,)) if e is factor else e for e in model.effects)
    data = bm.prepare(replace(model, effects=effects), moved(persons, x=(5.0, 2.0)))
    values = data.natural(0.3 * np.random.default_rng(2).normal(size=data.packing.size))
    found = [LogLikelihood(d).value(d.pack(values)) for d in (data, data.on_user_scale())]
    assert_allclose(found[0], found[1], rtol=1e-9)
    assert not data.recoding.shifted


def test_a_saved_fit_is_on_the_users_scale(persons, tmp_path):
    df, model = moved(persons, x=(2015.0, 3.0)), MODELS["lca"]()
    fit = few(model, df)
    loaded = bm.Fit.load(fit.save(tmp_path / "fit.nc"))
    assert bm.log_likelihood(model, df, loaded.params) == pytest.approx(fit.loglik, abs=1e-6)


def test_simulated_data_have_the_users_parameters(persons):
    df = moved(persons, x=(2015.0, 3.0))
    params = {"intercept": np.array(100.0), "coefficient": np.array([-0.05]), "residual_sd": np.array(1e-9)}
    drawn = bm.simulate(regression_mixture("y ~ x"), params, df=df, seed=1)
    assert_allclose(drawn["y"], 100.0 - 0.05 * df["x"], atol=1e-6)


def test_constant_columns_of_a_single_row_leave_the_scale_as_it_is(persons):
    model, df = MODELS["lca"](), moved(persons, x=(2015.0, 3.0))
    fit = few(model, df)
    each = bm.log_likelihood(model, df, fit.params, units=True)
    one = bm.log_likelihood(model, df.iloc[[7]], fit.params)
    assert one == pytest.approx(float(each.iloc[7]), abs=1e-8)
