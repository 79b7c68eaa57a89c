"""Growth mixtures against multivariate normals and loops over nodes; both forms of the data; refusals."""

import itertools
import re

import numpy as np
import pandas as pd
import pytest
from bayesmix.models.growth import growth
from bayesmix.models.regression_mixture import regression_mixture
from numpy.testing import assert_allclose
from scipy import special, stats

import bayesmix as bm
from bayesmix.data import Dataset
from bayesmix.graph import LogLikelihood
from bayesmix.ml import Target
from command import run
from solved import drawn_around, solved

ITEMS = ["y1", "y2", "y3", "y4"]
TIMES = [0.0, 1.0, 2.5, 4.0]
QUICK = {"starts": 6, "finals": 2, "rounds": 1, "budget": 0, "progress": False}


def frame(n: int = 60, seed: int = 0, kind: str = "normal", missing: float = 0.2) -> pd.DataFrame:
    """Persons of two classes over four occasions, some of them missing, with covariates, an outcome and schools."""
    rng = np.random.default_rng(seed)
    c, x = rng.integers(0, 2, n), rng.normal(1, 2, n)
    level = np.where(c, 2.5, -0.5) + 0.7 * rng.normal(size=n)
    slope = np.where(c, -0.6, 0.4) + 0.25 * rng.normal(size=n)
    eta = level[:, None] + slope[:, None] * np.array(TIMES)
    if kind == "normal":
        y = eta + 0.5 * rng.normal(size=eta.shape)
    elif kind == "count":
        y = rng.poisson(np.exp(np.clip(0.4 * eta, -3, 3))).astype(float)
    else:
        top = 1 if kind == "binary" else 2
        y = np.clip(np.floor(eta + rng.logistic(size=eta.shape) + 1), 0, top)
    y[rng.random(y.shape) < missing] = np.nan
    df = pd.DataFrame(y, columns=ITEMS).assign(x=x, g=np.arange(n) % 12)
    df["w1"], df["w2"] = rng.normal(size=(2, n))
    df["d"] = (rng.random(n) < np.where(c, 0.8, 0.2)).astype(int)
    df["s"] = rng.normal(np.where(c, 1.0, 0.0))
    return df


def random_parameters(model: bm.Model, df: pd.DataFrame, seed: int = 1) -> dict[str, np.ndarray]:
    data = Target.of(Dataset.encode(model, df))
    values = data.natural(np.random.default_rng(seed).normal(0.2, 0.5, data.packing.size))
    return {k: np.asarray(v) for k, v in values.items()}


# the likelihood of a normal measure: a mixture of multivariate normals ----------------------------


def covariance(values: dict, names: tuple[str, ...], c: int, standard: bool, part: str = "u") -> np.ndarray:
    """The covariance matrix of growth factors in class c, from SDs and regressions."""

    def own(name):
        x = np.asarray(values[name])
        return x[c] if x.ndim and x.shape[0] > c and name in by_class(values) else x

    root = np.zeros((len(names), len(names)))
    for k, n in enumerate(names):
        row = np.eye(len(names))[k]
        for j, other in enumerate(names[:k]):
            name = f"{part}_{n}_on_{part}_{other}" if k == 1 else f"{part}_{n}_on"
            b = 0.0 if name not in values else own(name) if k == 1 else own(name)[j]
            row = row + (b * root[j] if standard else b * root[j] / own(f"{part}_{n}_sd"))
        row = row / np.linalg.norm(row) if standard else row * own(f"{part}_{n}_sd")
        root[k] = row
    out = root if not standard else root * np.array([own(f"{part}_{n}_sd") for n in names])[:, None]
    return out @ out.T


def by_class(values: dict) -> set[str]:
    return values["by class"]


def mixture(model: bm.Model, df: pd.DataFrame, values: dict, x=None) -> float:
    """log of the sum over classes of multivariate normals, missing occasions left out."""
    names = model.factors and tuple(e.name for e in model.factors)
    random = tuple(n for n in names if any(e.name == f"u_{n}" for e in model.effects))
    values = values | {"by class": {p.name for p in model.parameters if "C" in p.dims}}
    standard = any(e.standard for e in model.effects)
    scores, sizes = values["time_score"], special.softmax(values["class_logit"])
    y, total = df[ITEMS].to_numpy(float), np.zeros((len(df), len(sizes)))
    for c in range(len(sizes)):
        psi = covariance(values, random, c, standard)
        lam = scores[[names.index(n) for n in random]].T
        sd = values["residual_sd"]
        dims = next(p.dims for p in model.parameters if p.name == "residual_sd")
        sd = sd[c] if "C" in dims else sd
        sigma = lam @ psi @ lam.T + np.diag(np.broadcast_to(sd, len(ITEMS)) ** 2)
        for i in range(len(df)):
            mean = 0.0
            for k, n in enumerate(names):
                m = values[f"{n}_mean"][c] if f"{n}_mean" in values["by class"] else values[f"{n}_mean"]
                if f"{n}_slope" in values:
                    slope = values[f"{n}_slope"]
                    m = m + float((slope[c] if f"{n}_slope" in values["by class"] else slope)[0]) * df["x"].iloc[i]
                mean = mean + scores[k] * m
            seen = ~np.isnan(y[i])
            if seen.any():
                total[i, c] = stats.multivariate_normal(mean[seen], sigma[np.ix_(seen, seen)]).logpdf(y[i, seen])
    there = df[ITEMS].notna().any(axis=1).to_numpy()
    return float(special.logsumexp(total[there] + np.log(sizes), axis=1).sum())


NORMAL = {
    "lcga": {"random": "0"},
    "equal": {},
    "by occasion": {"variance": "occasion"},
    "independent": {"covariance": "independent", "variance": "class"},
    "covariances": {"by_class": "means + covariances", "variance": "class and occasion"},
    "variances": {"by_class": "means + variances"},
    "all": {"by_class": "means + variances + covariances"},
    "quadratic": {"degree": 2, "by_class": "means + covariances"},
    "random intercept": {"degree": 2, "random": "1", "variance": "class"},
    "free times": {"free_times": ["y3"], "variance": "occasion"},
    "free times, lcga": {"free_times": ["y3", "y4"], "random": "0"},
    "covariates of the growth factors": {"factor_covariates": "x"},
    "these by class": {"factor_covariates": "x", "by_class": "means + slopes"},
}


@pytest.mark.parametrize("name", NORMAL)
def test_a_normal_measure_is_a_mixture_of_multivariate_normals(name):
    df = frame()
    model = growth(ITEMS, 2, times=TIMES, **NORMAL[name])
    values = random_parameters(model, df)
    assert bm.log_likelihood(model, df, values) == pytest.approx(mixture(model, df, values), rel=1e-9)


def test_three_classes_and_three_growth_factors_by_class():
    df = frame(seed=3)
    model = growth(ITEMS, 3, times=TIMES, degree=2, by_class="means + variances + covariances")
    values = random_parameters(model, df)
    assert bm.log_likelihood(model, df, values) == pytest.approx(mixture(model, df, values), rel=1e-9)


def test_covariances_of_the_derived_quantities_are_those_of_the_mixture():
    df = frame(200)
    model = growth(ITEMS, 2, times=TIMES, by_class="means + covariances")
    fit = bm.fit(model, df, **QUICK)
    values = {str(k): v.values for k, v in fit.params.items()} | {"by class": {"u_S_on_u_I", "I_mean", "S_mean"}}
    for c in range(2):
        psi = covariance(values, ("I", "S"), c, standard=True)
        assert_allclose(fit.derived["growth_covariance"].isel(C=c), psi, rtol=1e-6)
        assert_allclose(fit.derived["growth_variance"].isel(C=c), np.diag(psi), rtol=1e-6)
        rho = psi[0, 1] / np.sqrt(psi[0, 0] * psi[1, 1])
        assert float(fit.derived["growth_correlation"].isel(C=c)[0, 1]) == pytest.approx(rho, rel=1e-6)


# other measures: a loop over nodes ----------------------------------------------------------------


def by_nodes(model: bm.Model, df: pd.DataFrame, values: dict, log_density, points: int = 41) -> float:
    """Sum over classes and a grid of nodes of I and S, person by person."""
    z = np.linspace(-6, 6, points)
    w = np.exp(-0.5 * z**2) / np.exp(-0.5 * z**2).sum()
    y, sizes, total = df[ITEMS].to_numpy(float), special.softmax(values["class_logit"]), 0.0
    for row in y:
        if np.isnan(row).all():
            continue
        each = 0.0
        for c, (i, a), (j, b) in itertools.product(range(2), enumerate(z), enumerate(z)):
            level = values["u_I_sd"] * a
            slope = values["u_S_on_u_I"] * level + values["u_S_sd"] * b
            eta = values["I_mean"][c] + level + (values["S_mean"][c] + slope) * np.array(TIMES)
            seen = ~np.isnan(row)
            each += sizes[c] * w[i] * w[j] * np.exp(sum(log_density(row[seen], eta[seen], values)))
        total += np.log(each)
    return float(total)


def binary(y, eta, values):
    return stats.bernoulli.logpmf(y, special.expit(eta))


def ordinal(y, eta, values):
    cut = np.concatenate([[-np.inf], values["outcome_threshold"], [np.inf]])
    k = y.astype(int)
    return np.log(special.expit(cut[k + 1] - eta) - special.expit(cut[k] - eta))


def count(y, eta, values):
    return stats.poisson.logpmf(y, np.exp(eta))


def negative_binomial(y, eta, values):
    size = 1 / values["outcome_dispersion"]
    return stats.nbinom.logpmf(y, size, size / (size + np.exp(eta)))


@pytest.mark.parametrize(
    ("kind", "family", "density"),
    [
        ("binary", bm.bernoulli(), binary),
        ("ordinal", bm.ordinal(), ordinal),
        ("count", bm.poisson(), count),
        ("count", bm.negative_binomial(), negative_binomial),
    ],
)
def test_other_measures_are_a_sum_over_nodes(kind, family, density):
    df = frame(8, seed=2, kind=kind)
    model = growth(ITEMS, 2, times=TIMES, family=family)
    values = {
        "class_logit": [0.4, 0.0], "I_mean": [1.2, -0.4], "S_mean": [-0.3, 0.2], "u_I_sd": 0.6, "u_S_on_u_I": -0.2,
        "u_S_sd": 0.2, "outcome_threshold": [0.0, 1.3], "outcome_dispersion": 0.4, "random": 1.0,
        "time_score": [[1.0] * 4, TIMES],
    }  # fmt: skip
    values = {p.name: np.asarray(values[p.name]) for p in model.parameters}
    found = bm.log_likelihood(model, df, values, nodes=bm.trapezoid(41, 6.0))
    assert found == pytest.approx(by_nodes(model, df, values, density), rel=1e-8)


def test_occasions_of_an_ordinal_measure_have_the_same_categories():
    df = frame(80, kind="ordinal")
    df.loc[df["y1"] == 2, "y1"] = 1  # no one is in the last category at first
    data = bm.prepare(growth(ITEMS, 2, family=bm.ordinal(), random="0"), df)
    assert {i: list(data.categories[i]) for i in ITEMS} == {i: [0, 1, 2] for i in ITEMS}
    assert growth(ITEMS, 2, family=bm.ordinal()).responses[0].auxiliary[0].parameter.fixed == (bm.at(0.0, threshold=0),)


def test_a_binary_measure_may_be_constant_at_an_occasion():
    df = frame(80, kind="binary")
    df["y1"] = 0.0
    fit = bm.fit(growth(ITEMS, 1, family=bm.bernoulli(), random="0"), df, **QUICK)
    assert np.isfinite(fit.loglik)


# wide and long ------------------------------------------------------------------------------------


def long(df: pd.DataFrame) -> pd.DataFrame:
    out = df.assign(id=np.arange(len(df)) + 100).melt(["id", "x", "g"], ITEMS, "t", "y")
    return out.assign(t=out["t"].map(dict(zip(ITEMS, TIMES, strict=True)))).dropna(subset=["y"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"random": "0"},
        {"by_class": "means + covariances", "variance": "class"},
        {"by_class": "means + variances + covariances"},
        {"by_class": "means + slopes", "factor_covariates": "x"},
    ],
)
def test_both_forms_of_the_data_are_one_model(more):
    df = frame(150, seed=5)
    df = df[df[ITEMS].notna().any(axis=1)]
    wide = bm.fit(growth(ITEMS, 2, "x", times=TIMES, **more), df, **QUICK)
    further = {**more, "random": {None: None, "0": "0"}[more.get("random")]}
    rows = bm.fit(growth("y ~ t", 2, "x", id="id", **further), long(df), **QUICK | {"starts": 16, "finals": 4})
    assert rows.loglik == pytest.approx(wide.loglik, abs=1e-5)
    assert rows.n_parameters == wide.n_parameters
    assert_allclose(rows.params["residual_sd"], wide.params["residual_sd"], rtol=1e-3)
    assert_allclose(rows.probabilities["D_probability"], wide.probabilities["C_probability"], atol=1e-4)
    a, b = (bm.trajectories(f, d, points=5) for f, d in ((wide, df), (rows, long(df))))
    assert_allclose(
        a[a.index.get_level_values("time").isin(b.index.get_level_values("time"))]["expected"], b["expected"], atol=1e-3
    )


@pytest.mark.slow
def test_an_ordinal_measure_in_both_forms():
    df = frame(150, seed=5, kind="ordinal")
    df = df[df[ITEMS].notna().any(axis=1)]
    wide = bm.fit(growth(ITEMS, 2, times=TIMES, random="0", family=bm.ordinal()), df, **QUICK)
    rows = bm.fit(growth("y ~ t", 2, id="id", random="0", family=bm.ordinal()), long(df), **QUICK)
    assert rows.loglik == pytest.approx(wide.loglik, abs=1e-6)
    assert_allclose(rows.params["intercept"], wide.params["I_mean"], atol=1e-3)


@pytest.mark.parametrize("more", [{}, {"random": "0"}, {"by_class": "means + covariances", "variance": "class"}])
def test_both_forms_have_one_likelihood(more):
    df = frame(40, seed=5)
    df = df[df[ITEMS].notna().any(axis=1)]
    wide, rows = growth(ITEMS, 2, times=TIMES, **more), growth("y ~ t", 2, id="id", **more)
    v = random_parameters(wide, df)
    here = {
        "cluster_class_logit": v["class_logit"], "intercept": v["I_mean"], "coefficient": v["S_mean"][:, None],
        "residual_sd": v["residual_sd"], "u_intercept_sd": v.get("u_I_sd"), "u_t_sd": v.get("u_S_sd"),
        "u_t_on_u_intercept": v.get("u_S_on_u_I"), "random": np.eye(2),
    }  # fmt: skip
    found = bm.log_likelihood(rows, long(df), {p.name: here[p.name] for p in rows.parameters})
    assert found == pytest.approx(bm.log_likelihood(wide, df, v), rel=1e-9)


def test_the_long_form_is_the_regression_of_persons():
    df = long(frame(40))
    one = growth("y ~ t + x", 2, id="id", factors="1 + t")
    other = regression_mixture("y ~ t + x", cluster="id", random="1 + t", cluster_classes=2, by_cluster_class="1 + t")
    assert [p.dims for p in one.parameters] == [p.dims for p in other.parameters]
    values = random_parameters(one, df)
    assert bm.log_likelihood(one, df, values) == pytest.approx(bm.log_likelihood(other, df, values), rel=1e-12)


def test_wide_puts_the_measurements_of_a_person_into_one_row():
    df = frame(30)
    df = df[df[ITEMS].notna().any(axis=1)]
    back = bm.wide(long(df), "id", "t", "y")
    assert list(back) == ["id", "x", "g", "y_0", "y_1", "y_2.5", "y_4"]
    assert_allclose(back[["y_0", "y_1", "y_2.5", "y_4"]], df[ITEMS])
    assert_allclose(back["x"], df["x"])
    two = bm.wide(long(df).assign(z=1.0), "id", "t", ["y", "z"])
    assert list(two)[-4:] == ["z_0", "z_1", "z_2.5", "z_4"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"id": "nobody"}, "nobody"),
        ({"values": "id"}, "values came as 'id'"),
        ({"values": []}, "values came as []"),
        ({"time": "x"}, None),
    ],
)
def test_wide_refuses(change, words):
    rows = long(frame(10))
    given = {"id": "id", "time": "t", "values": "y"} | change
    if words is None:
        rows = pd.concat([rows, rows.iloc[:1]])
        given, words = {"id": "id", "time": "t", "values": "y"}, "several rows at t"
    with pytest.raises(ValueError, match=re.escape(words)):
        bm.wide(rows, **given)


def test_wide_refuses_missing_labels():
    rows = long(frame(10))
    rows.loc[rows.index[0], "t"] = np.nan
    with pytest.raises(ValueError, match="'t' has 1 missing values"):
        bm.wide(rows, "id", "t", "y")


# fits ---------------------------------------------------------------------------------------------


def test_classes_are_told_apart_by_their_growth_factors():
    """Where nothing but their means depends on the class, like= has to go by these."""
    df = frame(300, seed=17, kind="binary", missing=0.0)
    model = growth(ITEMS, 2, times=TIMES, family=bm.bernoulli(), random="0")
    for sign in (1, -1):
        like = {"I_mean": np.array([2.0, -1.0])[::sign], "S_mean": np.array([-0.5, 0.4])[::sign]}
        fit = bm.fit(model, df, like=like, starts=4, rounds=1, budget=0, progress=False)
        assert np.sign(np.diff(fit.params["I_mean"].values)) == np.sign(np.diff(like["I_mean"]))


def test_recovery_of_a_growth_mixture():
    model = growth(ITEMS, 2, variance="occasion")
    truth = {
        "class_logit": [0.4, 0.0], "I_mean": [4.0, 0.0], "S_mean": [-0.5, 0.6], "u_I_sd": 1.0, "u_S_on_u_I": 0.1,
        "u_S_sd": 0.3, "random": 1.0, "time_score": [[1.0] * 4, [0.0, 1.0, 2.0, 3.0]],
        "residual_sd": [0.5, 0.6, 0.7, 0.8],
    }  # fmt: skip
    df = bm.simulate(model, truth, n=1500, seed=3)
    assert {"true_I", "true_S", "true_C"} <= {*df}
    fit = bm.fit(model, df, like=truth, **QUICK)
    assert fit.n_parameters == 1 + 4 + 3 + 4
    for name in ("I_mean", "S_mean", "u_I_sd", "u_S_sd", "residual_sd"):
        error = np.abs(fit.params[name].values - np.asarray(truth[name]))
        assert (error < 4 * fit.se[name].values).all(), name
    scores = fit.effects()
    assert np.corrcoef(scores["I"], df["true_I"])[0, 1] > 0.95
    assert np.corrcoef(scores["S"], df["true_S"])[0, 1] > 0.8


def test_a_slope_that_does_not_vary_is_at_its_boundary_and_no_failure():
    rng = np.random.default_rng(4)
    y = rng.normal(size=(300, 1)) + 0.5 * np.arange(4) + 0.8 * rng.normal(size=(300, 4))
    y -= 0.4 * np.outer(y.mean(axis=1) - y.mean(), np.arange(4) - 1.5) * 0  # slopes that are the same for all
    df = pd.DataFrame(y, columns=ITEMS)
    model = growth(ITEMS, 1, covariance="independent")
    fit = bm.fit(model, df, **QUICK)
    plain = bm.fit(growth(ITEMS, 1, random="1"), df, **QUICK)
    assert fit.loglik >= plain.loglik - 1e-6
    if float(fit.params["u_S_sd"]) < 1e-4:
        assert "u_S_sd" in fit.quality["boundary"]
        assert float(fit.derived["growth_variance"].sel(growth="S")) == 0.0
        assert "boundary" in bm.report(fit)


def test_residual_sds_have_a_floor():
    df = frame(120, seed=6, missing=0.0)
    df.loc[:9, ITEMS] = np.array([5.0, 5.0, 5.0, 5.0])  # a few persons on one line, a spike
    fit = bm.fit(growth(ITEMS, 2, variance="class", random="0"), df, **QUICK)
    floor = fit.info["smallest_sd"] * df[ITEMS].std(ddof=0).min()
    assert (fit.params["residual_sd"].values > 0.5 * floor).all()


def test_covariates_and_outcomes_in_one_likelihood():
    df = frame(400, seed=7)
    model = growth(
        ITEMS, 2, "x", times=TIMES, factor_covariates="x", time_covariates={"y1": "w1", "y2": "w2"},
        distal={"d": bm.bernoulli(), "s": "normal"},
    )  # fmt: skip
    fit = bm.fit(model, df, **QUICK)
    # logit and slope; means, slopes; variances and covariance; residual; two time covariates; outcomes 2 + 2 + 1
    assert fit.n_parameters == 2 + 4 + 2 + 3 + 1 + 2 + 5
    p = fit.probabilities["item_probability_bernoulli_distal"]
    assert abs(float(p.isel(C=0)[0, 1] - p.isel(C=1)[0, 1])) > 0.3
    equal = growth(ITEMS, 2, times=TIMES, time_covariates=["w1", "w2", None, None], time_effects="equal")
    held = bm.fit(equal, df, **QUICK)
    assert held.n_parameters == 1 + 4 + 3 + 1 + 1
    both = [float(held.params[f"time_slope_{k}"].sel(item=f"y{k}").item()) for k in (1, 2)]
    assert both[0] == pytest.approx(both[1], abs=1e-9)


def test_centring_changes_nothing():
    """A covariate far from zero: the means of the growth factors take the shift, by class."""
    df = frame(200, seed=8)
    far = df.assign(x=df["x"] + 1000)
    model = growth(ITEMS, 2, times=TIMES, factor_covariates="x")
    a, b = (bm.fit(model, d, **QUICK) for d in (df, far))
    assert a.loglik == pytest.approx(b.loglik, abs=1e-6)
    assert_allclose(a.params["I_slope"], b.params["I_slope"], rtol=1e-4)
    assert_allclose(a.params["I_mean"], b.params["I_mean"] + 1000 * b.params["I_slope"].values[0], rtol=1e-3)
    assert bm.log_likelihood(model, far, b.params) == pytest.approx(b.loglik, abs=1e-8)


@pytest.mark.slow
def test_three_levels():
    rng = np.random.default_rng(9)
    g = np.arange(900) % 45
    v = rng.normal(size=(45, 2)) * [0.8, 0.2]
    c = rng.integers(0, 2, 900)
    level = np.where(c, 4.0, 0.0) + v[g, 0] + 0.6 * rng.normal(size=900)
    slope = np.where(c, -0.5, 0.5) + v[g, 1] + 0.2 * rng.normal(size=900)
    y = level[:, None] + slope[:, None] * np.arange(4) + 0.5 * rng.normal(size=(900, 4))
    df = pd.DataFrame(y, columns=ITEMS).assign(g=g)
    fit = bm.fit(growth(ITEMS, 2, cluster="g", effects="none"), df, **QUICK)
    between = fit.derived["growth_variance_between"]
    assert float(between.sel(growth="I")) == pytest.approx(np.var(v[:, 0]), rel=0.3)
    assert float(between.sel(growth="S")) == pytest.approx(np.var(v[:, 1]), rel=0.5)
    assert "Between clusters" in bm.report(fit)


def test_clusters_without_variance_are_none():
    df = frame(60)
    model = growth(ITEMS, 2, times=TIMES, cluster="g", effects="unrestricted")
    plain = growth(ITEMS, 2, times=TIMES)
    values = random_parameters(model, df)
    values |= {k: 0.0 * values[k] for k in ("v_I_sd", "v_S_sd", "v_S_on_v_I")}
    values["cluster_loading"] = 1e-12 * np.ones_like(values["cluster_loading"]) * [[1.0, 0.0]]
    found = bm.log_likelihood(model, df, values, nodes={"cluster": bm.trapezoid(5)})
    assert found == pytest.approx(
        bm.log_likelihood(plain, df, {p.name: values[p.name] for p in plain.parameters}), abs=1e-6
    )


@pytest.mark.slow
def test_nuts_agrees_with_maximum_likelihood():
    df = frame(250, seed=10, missing=0.05)
    model = growth(ITEMS, 2, times=TIMES)
    fit = bm.fit(model, df, **QUICK)
    post = bm.sample(fit, df, draws=400, tune=300, chains=2, seed=1, progress=False)
    drawn = post["posterior"].to_dataset()
    for name in ("I_mean", "S_mean", "residual_sd"):
        away = np.abs(drawn[name].mean(("chain", "draw")).values - fit.params[name].values)
        assert (away < 0.6 * drawn[name].std(("chain", "draw")).values + 0.02).all(), name
    a, b = (bm.trajectories(x, points=3) for x in (fit, post))
    assert_allclose(a["expected"], b["expected"], atol=0.15)
    assert_allclose(a["se"], b["se"], rtol=0.5)


def test_the_prior_of_a_mean_is_in_units_of_the_data():
    df = frame(100) * 100
    table = bm.prior_table(growth(ITEMS, 2, times=TIMES), df)
    text = str(table)
    assert all(name in text for name in ("I_mean", "S_mean", "u_I_sd", "u_S_sd"))
    again = str(bm.prior_table(growth(ITEMS, 2, times=TIMES), frame(100)))
    assert text != again  # data a hundred times as large have other priors


def test_enumeration_and_saving(tmp_path):
    df = frame(150, seed=11)
    found = bm.enumerate_classes(
        growth(ITEMS, 2, times=TIMES),
        df,
        range(1, 3),
        **{k: v for k, v in QUICK.items() if k != "progress"},
        progress=False,
    )
    fit = found.fits[2]
    fit.save(tmp_path / "fit.nc")
    again = bm.Fit.load(tmp_path / "fit.nc")
    assert again.model == fit.model
    assert_allclose(bm.trajectories(again)["se"], bm.trajectories(fit)["se"])
    predicted = bm.predict(fit, df.head(20))
    assert_allclose(predicted.effects()["I"], fit.effects()["I"][:20], atol=1e-6)


def test_three_steps_from_growth():
    df = frame(300, seed=12)
    fit = bm.fit(growth(ITEMS, 2, times=TIMES), df, **QUICK)
    found = bm.three_step(fit, df, outcomes={"s": bm.normal()}, method="bch")
    assert "s" in str(found)


# trajectories -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "family"),
    [("normal", None), ("binary", bm.bernoulli()), ("ordinal", bm.ordinal()), ("count", bm.poisson())],
)
def test_a_trajectory_is_the_mean_of_simulated_data(kind, family):
    df = frame(150, seed=13, kind=kind)
    model = growth(ITEMS, 2, times=TIMES, family=family)
    held = {
        "class_logit": [0.3, 0.0], "I_mean": [1.0, -0.5], "S_mean": [-0.3, 0.3], "u_I_sd": 0.8, "u_S_on_u_I": -0.2,
        "u_S_sd": 0.2, "random": 1.0, "time_score": [[1.0] * 4, TIMES], "residual_sd": 0.5,
        "outcome_threshold": [0.0, 1.5],
    }  # fmt: skip
    values = {p.name: np.asarray(held[p.name]) for p in model.parameters}
    fit = solved(model, df, **values)
    drawn = bm.simulate(model, values, n=40_000, seed=1)
    table = bm.trajectories(fit, points=9)
    for c in (1, 2):
        own = table.xs(c, level="class")
        own = own[own["occasion"] != ""].set_index("occasion")["expected"]
        mean = drawn[drawn["true_C"] == c][ITEMS].astype(float).mean()
        error = drawn[drawn["true_C"] == c][ITEMS].astype(float).std() / np.sqrt((drawn["true_C"] == c).sum())
        assert (np.abs(own - mean) < 4.5 * error + 1e-9).all()


def test_errors_of_a_trajectory_are_those_of_a_contrast():
    df = frame(150, seed=14)
    fit = bm.fit(growth(ITEMS, 2, times=TIMES), df, **QUICK)
    found = bm.contrast(fit, lambda x: x["I_mean"] + 4.0 * x["S_mean"])
    table = bm.trajectories(fit).xs(4.0, level="time")
    assert_allclose(table["se"], found.se, rtol=1e-5)
    assert_allclose(table["lower"], found.lower, rtol=1e-5)
    wide = bm.trajectories(fit, level=0.99)
    assert (wide["lower"] <= bm.trajectories(fit)["lower"]).all()


def test_trajectories_of_draws_have_their_quantiles():
    df = frame(150, seed=14)
    fit = bm.fit(growth(ITEMS, 2, times=TIMES), df, **QUICK)
    post = drawn_around(fit, 0.05)
    table = bm.trajectories(post, points=3)
    drawn = post["posterior"]
    level, slope = (
        drawn[f"{n}_mean"].values * drawn["time_score"].values[..., k, -1, None] for k, n in enumerate(("I", "S"))
    )
    x = level + slope
    last = table.groupby(level="class").tail(1)
    assert_allclose(last["expected"], x.reshape(-1, 2).mean(axis=0), atol=1e-6)


def test_pictures_listing_and_refusals(tmp_path):
    df = frame(120, seed=15)
    fit = bm.fit(growth(ITEMS, 2, times=TIMES), df, **QUICK)
    ax = bm.plots.trajectories(fit, df, lines=10)
    assert len([k for k in ax.lines if k.get_alpha() == 0.16]) == 10
    assert ax.get_xlabel() == "time"
    listing = bm.report(fit)
    assert listing.index("GROWTH FACTORS I, S") < listing.index("RESULTS: ITEMS")
    assert all(words in listing for words in ("mean of I", "variance of S", "S WITH I"))
    bm.to_html(fit, tmp_path / "page.html", df=df)
    assert "Trajectories" in (tmp_path / "page.html").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="10 rows"):
        bm.plots.trajectories(fit, df.head(10))
    other = bm.fit(bm.models.lca(["d", "g"], 1), df.assign(g=df["g"] % 2), **QUICK)
    with pytest.raises(ValueError, match="trajectories are those of"):
        bm.trajectories(other)
    with pytest.raises(ValueError, match="points came as 1"):
        bm.trajectories(fit, points=1)


def test_trajectories_of_the_long_form_need_the_data():
    rows = long(frame(60))
    fit = bm.fit(growth("y ~ t + I(t**2)", 2, id="id", random="1"), rows, **QUICK)
    with pytest.raises(ValueError, match="without data"):
        bm.trajectories(fit)
    with pytest.raises(ValueError, match="time came as 'nothing'"):
        bm.trajectories(fit, rows, time="nothing")
    table = bm.trajectories(fit, rows, points=5).xs(1, level="class")
    t = table.index.to_numpy()
    b = fit.params["coefficient"].isel(D=0).values
    assert_allclose(table["expected"], float(fit.params["intercept"][0]) + b[0] * t + b[1] * t**2, rtol=1e-6)
    assert len(bm.plots.trajectories(fit, rows, lines=5).lines) >= 7


# refusals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"items": ["y1"]}, "Growth came with 1 occasion"),
        ({"items": None}, "Growth came with 0 occasions"),
        ({"items": "y1"}, "came as the text 'y1'"),
        ({"degree": 4}, "give 3 at most"),
        ({"items": ["y1", "y2", "y3"], "degree": 3}, "determine a polynomial of degree 2 at most"),
        ({"degree": -1}, "degree came as -1"),
        ({"degree": 1.5}, "degree came as 1.5"),
        ({"times": [0, 1, 2]}, "3 numbers for 4 items"),
        ({"times": [1, 1, 1, 1]}, "for every occasion"),
        ({"times": [0, 1, 1, 2]}, "1 twice"),
        ({"times": [0, 1, 2, np.inf]}, "finite numbers"),
        ({"times": [0, 1, 2, "x"]}, "times came with 'x'"),
        ({"times": [True, 1, 2, 3]}, "times came with True"),
        ({"free_times": ["y1", "y2", "y3"]}, "two must be fixed"),
        ({"free_times": ["z"]}, "free_times came with 'z'"),
        ({"free_times": ["y3"], "degree": 2}, "free scores are those of one slope"),
        ({"random": "Z"}, "random came with 'Z'"),
        ({"random": "Q"}, "random came with 'Q'"),
        ({"by_class": "means + intercepts"}, "by_class came with 'intercepts'"),
        ({"by_class": "means + variances", "random": "0"}, "by_class came with 'variances'"),
        ({"by_class": "means + covariances", "random": "1"}, "by_class came with 'covariances'"),
        ({"covariance": "diagonal"}, "covariance came as 'diagonal'"),
        ({"variance": "time"}, "variance came as 'time'"),
        ({"family": bm.bernoulli(), "variance": "class"}, "which has none"),
        ({"family": bm.nominal()}, "Growth came with the family"),
        ({"family": bm.normal(linear_variance=True)}, "Growth came with the family"),
        ({"family": "normal"}, "The family came as 'normal'"),
        ({"items": ["y1", "y2"], "variance": "occasion"}, "do not determine them"),
        ({"items": ["y1", "y2", "y3"], "degree": 2}, "do not determine them"),
        ({"time_covariates": {"z": "x"}}, "time_covariates came for 'z'"),
        ({"time_covariates": ["x", "w1"]}, "2 formulas for 4 occasions"),
        ({"time_effects": "equal"}, "without time_covariates"),
        ({"time_covariates": {"y1": "x", "y2": "x + w1"}, "time_effects": "equal"}, "other numbers of terms"),
        ({"distal": {"d": "binary"}}, "The family of an outcome came as 'binary'"),
        ({"effects": "factor"}, "came without clusters"),
        ({"cluster_random": "1"}, "came without clusters"),
        ({"id": "g"}, "id='g' came with wide data"),
        ({"factors": "1"}, "factors='1' came with wide data"),
        ({"items": "y ~ t"}, "A formula came without id"),
        ({"items": "y ~ t", "id": "g", "times": [0, 1]}, "came with the long form"),
        ({"items": "y ~ t", "id": "g", "factors": "z"}, "'z' is no coefficient"),
        ({"classes": 0}, "number of classes"),
    ],
)
def test_bad_input_is_refused(given, words):
    with pytest.raises((ValueError, TypeError), match=re.escape(words)):
        growth(**({"items": ITEMS, "classes": 2} | given))


def test_mplus_is_told_the_line_of_growth_factors(tmp_path):
    bm.mplus.write(growth(ITEMS, 2, times=TIMES, free_times=["y3"]), frame(), tmp_path / "run.inp")
    assert "I S | Y1@0 Y2@1 Y3* Y4@4;" in (tmp_path / "run.inp").read_text()


def test_growth_factors_have_the_gradients_of_their_likelihood():
    df = frame(40)
    data = Target.of(Dataset.encode(growth(ITEMS, 2, times=TIMES, by_class="means + covariances"), df))
    graph, theta = LogLikelihood(data), np.random.default_rng(0).normal(0.3, 0.3, data.packing.size)
    _, gradient = graph.value_and_gradient(theta)
    step = 1e-6 * np.eye(len(theta))
    numeric = [(graph.value(theta + s) - graph.value(theta - s)) / 2e-6 for s in step]
    assert_allclose(gradient, np.array(numeric, dtype=float), rtol=1e-4, atol=1e-4)


def test_the_command_line_fits_both_forms(tmp_path):
    df = frame(120, seed=16)
    df.to_csv(tmp_path / "wide.csv", index=False)
    long(df).to_csv(tmp_path / "long.csv", index=False)
    quick = ("--starts", "4", "--rounds", "1", "--budget", "0", "--quiet")
    wide = ("--items", "y1-y4", "--set", "times=0,1,2.5,4", "--set", "random=1")
    rows = ("--formula", "y ~ t", "--set", "id=id", "--set", "random=1")
    for name, words in (("wide", wide), ("long", rows)):
        out = tmp_path / name
        done = run("fit", "growth", str(tmp_path / f"{name}.csv"), *words, "--classes", "2", *quick, "--out", str(out))
        assert done.exit_code == 0, done.output
        table = pd.read_csv(out / "trajectories.csv")
        assert {"class", "time", "expected", "lower", "upper"} <= {*table}
    a, b = (bm.Fit.load(tmp_path / k / "fit.nc") for k in ("wide", "long"))
    assert b.loglik == pytest.approx(a.loglik, abs=1e-4)
