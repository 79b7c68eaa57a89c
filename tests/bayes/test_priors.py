"""Priors mean what they say: the table, the density of the fit and of NUTS, and the draws of the prior are one."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytensor
import pytensor.tensor as pt
import pytest
from bayesmix.models import fma, fma_gom, gom, irt_3pl, lca, lta, regression_mixture
from numpy.testing import assert_allclose
from pytensor.graph.traversal import ancestors
from scipy import stats

import bayesmix as bm
from bayesmix.bayes import datatree as draws
from bayesmix.bayes import pymc_model
from bayesmix.bayes.parameter_variables import FreeEntries
from bayesmix.data import margins, priors
from bayesmix.graph import numpy_mode
from bayesmix.ml.objective import _penalty as penalty
from declare import target
from densities import log_prior

QUICK = {"starts": 3, "finals": 2, "rounds": 1, "progress": False}
FEW = {"draws": 60, "tune": 150, "chains": 2, "cores": 1, "seed": 1, "progress": False}


@pytest.fixture(scope="module")
def df() -> pd.DataFrame:
    """Items of every family far from 0 and 1, covariates far from zero, clusters, counts of rows."""
    rng = np.random.default_rng(1)
    n, out = 240, {}
    c, g = rng.integers(0, 2, n), np.arange(n) % 16
    for k in range(4):
        out[f"b{k}"] = rng.binomial(1, np.where(c, 0.8, 0.25))
        out[f"o{k}"] = rng.binomial(3, np.where(c, 0.7, 0.3))
        out[f"y{k}"] = 10.0**k * rng.normal(5.0 + 2 * c, 1.0)
        out[f"n{k}"] = rng.poisson(np.where(c, 300, 250))
    out |= {"year": rng.integers(2009, 2021, n), "x": rng.normal(0, 0.01, n), "w": np.arange(16)[g] * 50.0, "g": g}
    out["f"] = rng.integers(1, 4, n)
    d = pd.DataFrame(out)
    d["y"] = 100 + 3 * (d["year"] - 2015) + rng.normal(0, 5, 16)[g] + rng.normal(0, 15, n)
    d["b0"] = d["b0"].astype(float).mask(rng.random(n) < 0.1)
    d["y0"] = d["y0"].mask(rng.random(n) < 0.1)
    return d


B, GRADED, Y, N = ([f"{k}{i}" for i in range(4)] for k in "boyn")
SEVERAL = {**dict.fromkeys(B, bm.bernoulli()), **dict.fromkeys(Y, bm.normal()), **dict.fromkeys(N, bm.poisson())}
MODELS = {
    "lca": lca(B, 3, covariates="year + x"),
    "lca ordinal": lca(GRADED, 2, family=bm.ordinal()),
    "lca normal": lca(Y, 2, family=bm.normal(), variance="class", freq="f"),
    "lca several": lca([*B, *Y, *N], 2, family=SEVERAL),
    "lca two-level": lca(B, 3, cluster="g", effects="unrestricted", covariates="year", cluster_covariates="w"),
    "lca D": lca(B, 2, cluster="g", cluster_classes=2, cluster_class_covariates="w"),
    "lta": lta([B[:2], B[2:]], 2, covariates="year", cluster="g"),
    "gom": gom(B, 2),
    "fma": fma(B, 2, factor_covariates="year"),
    "fma normal": fma(Y, 1, family=bm.normal(), item_covariates={"y1": "year"}),
    "fma ordinal": fma(GRADED, 1, family=bm.ordinal(), item_covariates={"o0": "year"}),
    "fma-gom": fma_gom(B, 2),
    "3pl": irt_3pl(B),
    "regression": regression_mixture("y ~ year + x", 2, covariates="x"),
    "regression two-level": regression_mixture("y ~ year + x", 1, cluster="g", random="1 + x", cluster_covariates="w"),
    "regression count": regression_mixture("n0 ~ year", 2, family=bm.poisson(), cluster="g", effects="none"),
    "regression ordinal": regression_mixture("o0 ~ year", 1, family=bm.ordinal()),
    "regression variance": regression_mixture("y ~ x", 1, variance="year"),
}
YEAR, X, W = ["year"], ["x"], ["w"]
MEANS = {
    "lca": {"class_logit": [("class_slope", ["year", "x"])]},
    "lca two-level": {"class_logit": [("class_slope", YEAR), ("cluster_slope", W)]},
    "lca D": {"cluster_class_logit": [("cluster_class_slope", W)]},
    "lta": {"C1_logit": [("C1_slope", YEAR)]},
    "fma": {"item_intercept": [("f_slope", YEAR, "loading")]},
    "fma normal": {"item_intercept": [("item_slope", YEAR)]},
    "fma ordinal": {"item_threshold": [("item_slope", YEAR)]},
    "regression": {"intercept": [("coefficient", ["year", "x"])], "class_logit": [("class_slope", X)]},
    "regression two-level": {"intercept": [("coefficient", ["year", "x"]), ("intercept_on", W), ("x_on", ["xw"])]},
    "regression count": {"intercept": [("coefficient", YEAR)]},
    "regression ordinal": {"outcome_threshold": [("coefficient", YEAR)]},
    "regression variance": {
        "residual_variance": [("residual_variance_slope", YEAR)],
        "intercept": [("coefficient", X)],
    },
}
"""Intercepts beside covariates: their slopes, and the columns of these."""


def numbers(text: str) -> tuple[str, dict[str, float]]:
    """``Normal(mu=1, sigma=2)`` as a name and its arguments."""
    name, inside = re.match(r"(\w+)\((.*)\)", text).groups()
    return name, {k: float(v) for k, v in (pair.split("=") for pair in inside.split(", "))}


def at_means(name: str, values: dict, df: pd.DataFrame) -> dict:
    """Parameters with intercepts at the covariates' means, by hand; those of clusters over clusters."""
    out, df = dict(values), df.assign(xw=df["x"] * df["w"])
    for intercept, parts in MEANS.get(name, {}).items():
        for slope, columns, *loading in parts:
            per = df.groupby("g")[columns].first() if columns == W else df[columns]
            shift = np.asarray(values[slope]) @ per.mean().to_numpy()
            if loading:
                shift = np.expand_dims(shift, -1) * np.asarray(values[loading[0]])
            if intercept.endswith("threshold"):
                shift = -shift[..., None]
            out[intercept] = out[intercept] + shift.reshape(_beside(shift, out[intercept]))
    return out


def _beside(shift: np.ndarray, intercept: np.ndarray) -> tuple[int, ...]:
    """The shape of a shift of draws, between the first axis and the last ones of the intercept."""
    apart = np.ndim(intercept) - np.ndim(shift)
    return shift.shape if np.shape(intercept)[:1] != (500,) or apart < 1 else (500, *(1,) * apart, *shift.shape[1:])


DENSITIES = {
    "Normal": lambda mu, sigma: stats.norm(loc=mu, scale=sigma),
    "HalfNormal": lambda sigma: stats.halfnorm(scale=sigma),
    "Beta": lambda alpha, beta: stats.beta(a=alpha, b=beta),
}


def entries(table: pd.DataFrame, data):
    """Each free entry: its parameter, its position, the distribution and the arguments that the table names."""
    labels = data.packing.names()
    for p in data.model.parameters:
        index = data.packing.index[p.name]
        for at in map(tuple, np.argwhere(index >= 0)):
            label = labels[index[at]]
            yield p, at, *numbers(table.loc[label if label in table.index else p.name, "prior"])


def density(table: pd.DataFrame, data, values: dict) -> float:
    """The sum of SciPy's log densities of what the table says."""
    total = 0.0
    for p, at, kind, arguments in entries(table, data):
        if kind != "ExchangeableLogit":
            total += DENSITIES[kind](**arguments).logpdf(np.asarray(values[p.name])[at])
            continue
        axis = next(k for k, d in enumerate(p.dims) if _has_a_reference(d, p))
        line = (*at[:axis], slice(None), *at[axis + 1 :])
        free = np.flatnonzero(data.packing.index[p.name][line] >= 0)
        if at[axis] == free[0]:
            covariance = arguments["sigma"] ** 2 * (np.eye(len(free)) + 1)
            x = np.asarray(values[p.name])[line][free]
            total += stats.multivariate_normal(np.zeros(len(free)), covariance).logpdf(x)
    return total


def _has_a_reference(dim: str, p) -> bool:
    """Whether a category of `dim` is the reference of logits."""
    return any(f.positions in (((dim, 0),), ((dim, -1),)) for f in p.fixed) and not dim.startswith("item")


def random_values(data, seed: int) -> dict:
    """Natural values of every parameter, near its units."""
    rng, out = np.random.default_rng(seed), {}
    for name, (centre, unit) in margins.units(data).items():
        (p,) = [p for p in data.model.parameters if p.name == name]
        x = centre + 0.5 * unit * rng.normal(size=centre.shape)
        if p.support in ("positive", "sd"):
            x = unit * rng.uniform(0.3, 1.5, size=unit.shape)
        x = rng.uniform(0.1, 0.4, size=unit.shape) if p.support == "probability" else x
        x = np.sort(rng.normal(size=unit.shape), axis=-1) if p.support == "ordered" else x
        x = np.where(np.eye(*x.shape[-2:]) > 0, np.abs(x) + 0.1, x) if p.support == "cholesky" else x
        out[name] = np.where(data.packing.index[name] >= 0, x, pymc_model.fixed_entries(data, p))
    return out


@pytest.mark.parametrize("name", MODELS)
def test_the_table_the_pymc_model_and_the_penalty_are_one_density(name, df):
    """Differences between two points: by SciPy from the table, by PyMC without Jacobians, by the penalty of a fit."""
    model = MODELS[name]
    data, table = target(model, df), bm.prior_table(model, df)
    users = data.on_user_scale()
    both = [random_values(users, seed) for seed in (1, 2)]
    expected = np.diff([density(table, users, at_means(name, v, df)) for v in both])[0]

    penalised = replace(data, priors=priors.chosen(None, model))
    thetas = [data.pack(v) for v in both]
    assert np.diff([penalty(penalised)(t)[0] for t in thetas])[0] == pytest.approx(expected, rel=2e-4)

    made = bm.build(model, df, nodes=bm.trapezoid(3) if model.effects else None)
    assert np.diff([log_prior(made, v) for v in both])[0] == pytest.approx(expected, rel=2e-4)


@pytest.mark.parametrize("name", MODELS)
def test_unconstrained_values_go_to_the_parameters_and_back(name, df):
    """Of every variable: the Jacobian of its free entries is the one that the density is given."""
    made = bm.build(MODELS[name], df, nodes=bm.trapezoid(3) if MODELS[name].effects else None)
    values = random_values(bm.prepare(MODELS[name], df).on_user_scale(), 4)
    for v in (v for v in made.free_RVs if isinstance(made.rvs_to_transforms[v], FreeEntries)):
        there, inputs = made.rvs_to_transforms[v], [*v.owner.inputs]
        above = [made[k] for k in values if made[k] in set(ancestors(inputs)) and made[k] is not v]
        known = [values[x.name] for x in above]
        value, z = v.type(), pt.vector()
        forward = pytensor.function([value, *above], there.forward(value, *inputs), mode=numpy_mode())
        outputs = [there.backward(z, *inputs), there.log_jac_det(z, *inputs)]
        backward = pytensor.function([z, *above], outputs, mode=numpy_mode(), on_unused_input="ignore")
        at = forward(values[v.name], *known)
        back, found = backward(at, *known)
        assert_allclose(back, values[v.name], rtol=1e-9, atol=1e-9)
        steps = 1e-6 * np.eye(at.size)
        each = [(backward(at + h, *known)[0] - backward(at - h, *known)[0]).ravel() / 2e-6 for h in steps]
        moved = np.abs(np.array(each)).max(axis=0) > 0
        assert moved.sum() == at.size
        assert float(found) == pytest.approx(np.linalg.slogdet(np.array(each)[:, moved])[1], abs=1e-5)


@pytest.mark.parametrize("name", ["lca", "lca two-level", "regression two-level", "regression variance", "fma"])
def test_the_gradient_of_the_penalty_is_that_of_its_value(name, df):
    data = replace(target(MODELS[name], df), priors=priors.chosen(None, MODELS[name]))
    theta = data.pack(random_values(data.on_user_scale(), 3))
    found = penalty(data)
    steps = 1e-5 * np.eye(len(theta))
    slopes = [(found(theta + e)[0] - found(theta - e)[0]) / 2e-5 for e in steps]
    np.testing.assert_allclose(found(theta)[1], slopes, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_the_prior_group_is_a_draw_from_the_prior(name, df):
    """Every entry lies in its support; means and SDs are those of the table (of thresholds: of all of a vector)."""
    model = MODELS[name]
    data, table = bm.prepare(model, df).on_user_scale(), bm.prior_table(model, df)
    made = bm.build(model, df, nodes=bm.trapezoid(3) if model.effects else None)
    drawn = draws._prior(made, model, 4)["prior"]
    values = at_means(name, {k: x.values[0] for k, x in drawn.items()}, df)
    for p, at, kind, a in entries(table, data):
        x = values[p.name][(slice(None), *at)]
        if p.support == "ordered":
            assert (np.diff(values[p.name], axis=-1) > 0).all()
            x = values[p.name][(slice(None), *at[:-1])].ravel()
        right = DENSITIES[kind](**a) if kind != "ExchangeableLogit" else stats.norm(0, a["sigma"] * np.sqrt(2))
        assert x.min() >= right.support()[0]
        assert x.mean() == pytest.approx(right.mean(), abs=5 * right.std() / np.sqrt(500))
        assert x.std() == pytest.approx(right.std(), rel=0.2)


# a user's prior -----------------------------------------------------------------------------------


OWN = {
    "intercept": ("regression two-level", bm.Prior("Normal", mu=80, sigma=1)),
    "coefficient": ("regression two-level", bm.Prior("Normal", mu=0.5, sigma=0.2)),
    "u_intercept_sd": ("regression two-level", bm.Prior("HalfNormal", sigma=0.3)),
    "residual_sd": ("regression two-level", bm.Prior("Gamma", alpha=4, beta=2)),
    "item_threshold": ("lca ordinal", bm.Prior("Normal", mu=7, sigma=0.5)),
    "item_intercept": ("lca normal", bm.Prior("Normal", mu=5, sigma=2)),
    "item_sd": ("lca normal", bm.Prior("Normal", mu=1, sigma=1)),
    "loading": ("fma normal", bm.Prior("Normal", mu=2, sigma=0.1)),
    "class_logit": ("lca", bm.Prior("Normal", mu=1, sigma=0.5)),
    "class_slope": ("lca", bm.Prior("ExchangeableLogit", sigma=0.7)),
    "cluster_loading": ("lca two-level", bm.Prior("CholeskyNormal", sigma=0.4)),
    "guessing": ("3pl", bm.Prior("Normal", mu=0.2, sigma=0.3)),
}


@pytest.mark.parametrize("name", OWN)
def test_a_users_prior_is_literal_on_the_users_scale(name, df):
    """The parameter itself, at x = 0, has the distribution that was named, cut off where its support ends."""
    which, own = OWN[name]
    model = MODELS[which]
    data = bm.prepare(model, df)
    made = bm.build(model, df, priors={name: own}, nodes=bm.trapezoid(3) if model.effects else None)
    x = draws._prior(made, model, 2)["prior"][name].values[0][:, data.packing.index[name] >= 0]
    a = dict(own.arguments)
    right = {
        "Normal": lambda: stats.norm(a["mu"], a["sigma"]),
        "HalfNormal": lambda: stats.halfnorm(scale=a["sigma"]),
        "Gamma": lambda: stats.gamma(a["alpha"], scale=1 / a["beta"]),
        "ExchangeableLogit": lambda: stats.norm(0, np.sqrt(2) * a["sigma"]),
        "CholeskyNormal": lambda: stats.norm(0, a["sigma"]),
    }[own.distribution]()
    low, high = {"item_sd": (0, np.inf), "guessing": (0, 1)}.get(name, (-np.inf, np.inf))
    if name == "cluster_loading":
        x, low = np.abs(x), 0
    uniform = (right.cdf(x) - right.cdf(low)) / (right.cdf(high) - right.cdf(low))
    some = np.random.default_rng(0).choice(uniform.ravel(), 400)
    assert stats.kstest(some, "uniform").pvalue > 1e-3
    assert (x >= low).all()
    assert (x <= high).all()


@pytest.fixture(scope="module")
def line():
    rng = np.random.default_rng(0)
    x = rng.normal(2015, 3, 80)
    return pd.DataFrame({"x": x, "y": 100 + 5 * (x - 2015) + rng.normal(0, 15, 80)})


LINE = regression_mixture("y ~ x")


def quietly_sampled(model, df, **more):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bm.sample(model, df, **{**FEW, **more})


def test_a_fit_and_a_posterior_with_a_users_prior_agree(line):
    line = line.assign(x=line["x"] - 2015)
    own = {"intercept": bm.Prior("Normal", mu=80, sigma=1)}
    fit = bm.fit(LINE, line, priors=own, progress=False)
    post = quietly_sampled(fit, line, priors=own, draws=200)
    assert float(post["prior"]["intercept"].std()) == pytest.approx(1, abs=0.2)
    assert float(post["posterior"]["intercept"].mean()) == pytest.approx(float(fit.params["intercept"]), abs=0.5)


def test_the_mode_under_default_priors_is_that_of_the_posterior(line):
    """By hand, with SciPy's densities: around the maximum nothing is higher."""
    fit = bm.fit(LINE, line, priors="default", progress=False)
    table = bm.prior_table(LINE, line)

    def height(b0, b, sd):
        inside = {"intercept": b0 + b * line["x"].mean(), "coefficient": b, "residual_sd": sd}
        densities = (DENSITIES[k](**a) for k, a in (numbers(table.loc[n, "prior"]) for n in inside))
        prior = sum(d.logpdf(v) for d, v in zip(densities, inside.values(), strict=True))
        return prior + stats.norm(b0 + b * line["x"], sd).logpdf(line["y"]).sum()

    best = (float(fit.params["intercept"]), float(fit.params["coefficient"][0]), float(fit.params["residual_sd"]))
    mean = line["x"].mean()
    for d in np.vstack([np.eye(3), -np.eye(3)]) * [0.3, 0.05, 0.3]:
        moved = (best[0] + d[0] - mean * d[1], best[1] + d[1], best[2] + d[2])
        assert height(*moved) < height(*best)
    assert fit.info["priors"]["intercept"] == "DataNormal(sigma=2.5)"


@pytest.mark.parametrize("name", ["lca", "lca ordinal", "lca normal"])
def test_fits_take_the_default_priors_and_stay_inside(name, df):
    model = MODELS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = bm.fit(model, df, priors="default", **QUICK)
    assert np.isfinite(fit.loglik)
    assert not fit.quality["boundary"]
    one = next(p for p in model.parameters if not p.name.endswith("random"))
    assert fit.info["priors"][one.name] == str(one.prior)


def test_a_covariate_like_a_year_mixes(df):
    """The intercept is sampled at the covariate's mean: chains agree, classes are those of the centred year."""
    model = lca(B, 2, covariates="year")
    centred = df.assign(year=df["year"] - 2015)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits = [bm.fit(model, d, **QUICK) for d in (df, centred)]
    posts = [quietly_sampled(f, d, draws=150, tune=250) for d, f in zip((df, centred), fits, strict=True)]
    tables = [bm.compare(f, p).table for f, p in zip(fits, posts, strict=True)]
    assert (tables[0]["r_hat"].dropna() < 1.05).all()
    kept = [k for k in tables[0].index if "probability" in k or "slope" in k]
    gap = (tables[0]["mean"] - tables[1]["mean"]).loc[kept] / tables[1]["sd"].loc[kept]
    assert gap.abs().max() < 0.5


# what is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "prior", "words"),
    [
        ("class_logit", bm.Prior("Normal", mu=0, sigma=-1), "sigma > 0"),
        ("class_logit", bm.Prior("ExchangeableLogit", sigma=-1), "sigma > 0"),
        ("class_logit", bm.Prior("ExchangeableLogit", scale=1), "takes sigma"),
        ("class_logit", bm.Prior("DataNormal"), "takes sigma"),
        ("class_logit", bm.Prior("Poisson", mu=2), "no distribution of one real number"),
        ("class_logit", bm.Prior("Dirichlet", a=1), "PyMC does not take"),
        ("class_logit", bm.Prior("CholeskyNormal", sigma=1), "only these, have"),
        ("logit", bm.Prior("Normal", mu=0, sigma=1), "'logit', but the parameters are class_logit"),
        ("class_logit", "Normal", "give bm.Prior"),
    ],
)
def test_what_is_no_prior_is_refused_by_all_alike(name, prior, words, df):
    model = lca(B, 2)
    calls = (bm.fit, bm.sample, bm.build, bm.prior_table)
    for call in calls:
        with pytest.raises((ValueError, TypeError), match=words) as caught:
            call(model, df, priors={name: prior})
        assert str(caught.value).endswith(".")


@pytest.mark.parametrize(("arguments", "words"), [({"mu": "a"}, "mu of the prior"), ({"mu": np.nan}, "came as nan")])
def test_arguments_of_priors_are_numbers(arguments, words):
    with pytest.raises(TypeError, match=words):
        bm.Prior("Normal", sigma=1, **arguments)


def test_exchangeable_logits_have_a_reference(df):
    with pytest.raises(ValueError, match="against a reference category"):
        bm.fit(LINE, df.assign(x=df["year"]), priors={"intercept": bm.Prior("ExchangeableLogit", sigma=1)})


def test_the_stated_scale_is_in_sds_of_the_data(df):
    """2.5 is 2.5 SDs of the item, its rows counted and missing ones left out; a slope is in SDs of its column."""
    table = bm.prior_table(MODELS["lca normal"], df)
    seen = df["y0"].notna()
    mean = np.average(df["y0"][seen], weights=df["f"][seen])
    sd = np.sqrt(np.average((df["y0"][seen] - mean) ** 2, weights=df["f"][seen]))
    kind, a = numbers(table.loc["item_intercept[1, y0]", "prior"])
    assert (kind, a["mu"], a["sigma"]) == ("Normal", pytest.approx(mean, rel=1e-5), pytest.approx(2.5 * sd, rel=1e-5))
    assert numbers(table.loc["item_sd[2, y0]", "prior"]) == ("HalfNormal", {"sigma": pytest.approx(2.5 * sd, rel=1e-5)})
    slope = numbers(bm.prior_table(MODELS["regression"], df).loc["coefficient[1, x]", "prior"])[1]["sigma"]
    assert slope == pytest.approx(2.5 * df["y"].std(ddof=0) / df["x"].std(ddof=0), rel=1e-5)


def test_a_random_intercept_far_from_the_data_has_room(df):
    """Where x is a year, the SD of the intercept at year 0 is what slopes of one unit make of it."""
    model = regression_mixture("y ~ year", 1, cluster="g", random="1 + year")
    table = bm.prior_table(model, df)
    y, x = df["y"].std(ddof=0), df["year"]
    slope, intercept, on = (
        numbers(table.loc[k, "prior"])[1]["sigma"] for k in ("u_year_sd", "u_intercept_sd", "u_year_on_u_intercept")
    )
    at_zero = np.sqrt(1 + (x.mean() / x.std(ddof=0)) ** 2)
    assert slope == pytest.approx(2.5 * y / x.std(ddof=0), rel=1e-4)
    assert intercept == pytest.approx(2.5 * y * at_zero, rel=1e-4)
    assert on == pytest.approx(1 / x.std(ddof=0) / at_zero, rel=1e-4)


def test_a_prior_for_fixed_entries_alone_is_refused(line):
    model = regression_mixture("y ~ x", 1, cluster="g")
    d = line.assign(g=np.arange(len(line)) % 8)
    for call in (bm.fit, bm.build, bm.sample):
        with pytest.raises(ValueError, match="'random', all entries of which are fixed"):
            call(model, d, priors={"random": bm.Prior("Normal", mu=0, sigma=1)})
