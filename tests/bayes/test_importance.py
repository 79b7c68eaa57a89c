"""Importance sampling: the density is the PyMC model's, the marginal likelihood its integral, draws are NUTS's."""

from __future__ import annotations

import json
import math
import warnings
from typing import Any

import arviz as az
import numpy as np
import pandas as pd
import pymc as pm
import pytest
from bayesmix.models import fma, fma_gom, gom, irt_3pl, lca, lta, regression_mixture
from numpy.testing import assert_allclose
from scipy import integrate, special, stats

import bayesmix as bm
from bayesmix.bayes import importance, proposals
from bayesmix.bayes.posterior_density import Density
from bayesmix.bayes.proposals import Mixture
from bayesmix.bayes.pymc_model import build_from, prepared
from bayesmix.bayes.symmetry import symmetry
from bayesmix.data import Dataset, chosen, stated
from declare import random_values
from densities import log_prior, loglik
from solved import solved

QUICK = {"method": "importance", "progress": False, "predictive": 0, "draws": 500}
SD = 1.5
"""Of a logit, before it is one against a reference."""
TOP = -70.0
"""About the height of a log-likelihood: no number is too small."""


def quietly(call, *arguments, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call(*arguments, **settings)


# the density --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def df() -> pd.DataFrame:
    """Items of every family, covariates off zero, clusters."""
    rng = np.random.default_rng(1)
    n, out = 120, {}
    c, g = rng.integers(0, 2, n), np.arange(n) % 12
    for k in range(4):
        out[f"b{k}"] = rng.binomial(1, np.where(c, 0.8, 0.25))
        out[f"o{k}"] = rng.binomial(2, np.where(c, 0.7, 0.3))
        out[f"y{k}"] = rng.normal(1.0 + 2 * c, 1.0)
        out[f"n{k}"] = rng.poisson(np.where(c, 4, 2))
    out |= {"x": rng.normal(3, 1, n), "w": rng.normal(2, 1, 12)[g], "g": g}
    d = pd.DataFrame(out)
    d["y"] = 2 + 0.5 * d["x"] + rng.normal(0, 0.5, 12)[g] + rng.normal(0, 1, n)
    d["b0"] = d["b0"].astype(float).mask(rng.random(n) < 0.1)
    return d


B, GRADED, Y, N = ([f"{k}{i}" for i in range(4)] for k in "boyn")
MODELS = {
    "lca": (lca(B, 3, covariates="x"), 6),
    "lca ordinal": (lca(GRADED, 2, family=bm.ordinal()), 2),
    "lca normal": (lca(Y, 2, family=bm.normal(), variance="class"), 2),
    "lca count": (lca(N, 2, family=bm.poisson()), 2),
    "lca two-level": (lca(B, 2, cluster="g", cluster_covariates="w"), 2),
    "lca unrestricted": (
        lca(B, 3, cluster="g", effects="unrestricted"),
        1,
    ),  # priors of loadings know the first logit from the second
    "lca D": (lca(B, 2, cluster="g", cluster_classes=2), 4),
    "lta": (lta([B[:2], B[2:]], 2), 2),
    "gom": (gom(B, 2), 2),
    "fma": (fma(B, 2), 4),
    "fma normal": (fma(Y, 1, family=bm.normal()), 2),
    "fma ordinal": (fma(GRADED, 1, family=bm.ordinal()), 2),
    "fma-gom": (fma_gom(B, 2), 4),
    "3pl": (irt_3pl(B), 2),
    "regression": (regression_mixture("y ~ x", 2, covariates="x"), 2),
    "regression two-level": (regression_mixture("y ~ x", 1, cluster="g", random="1 + x", cluster_covariates="w"), 1),
}
"""Models, and how many labellings of each say the same."""


def points(name: str, df: pd.DataFrame) -> tuple[Density, np.ndarray]:
    """The posterior of a model, and two random points."""
    model, rng = MODELS[name][0], np.random.default_rng(2)
    data = prepared(Dataset.encode(model, df), "integrate", None, None)
    density = Density(data, chosen(None, model))
    at = data.pack(random_values(data, 1, 0.4))
    return density, density.u(at) + 0.1 * rng.normal(size=(2, len(at)))


@pytest.mark.parametrize("name", MODELS)
def test_the_density_is_that_of_the_pymc_model(name, df):
    """Up to the volume of natural parameters, which comes from differences; its gradient is that of the value."""
    density, u = points(name, df)
    data, step = density.data, 1e-6
    made = build_from(data)
    values = [{k: x[i] for k, x in density.natural(u).items()} for i in range(2)]

    def free(x):
        natural = density.natural(x)
        return np.concatenate(
            [natural[p.name][:, data.packing.index[p.name] >= 0] for p in data.model.parameters], axis=1
        )

    natural = np.array([loglik(made, v) + log_prior(made, v) for v in values])
    apart = step * np.eye(u.shape[1])
    volume = [np.linalg.slogdet((free(x + apart) - free(x - apart)) / (2 * step))[1] for x in u]
    got = density(u)
    assert np.isfinite(got).all()
    assert_allclose(got, natural + volume, rtol=1e-9, atol=1e-5)
    value, gradient = density.value_and_gradient(u[0])
    assert value == pytest.approx(got[0])
    way = 1e-5 * np.random.default_rng(3).normal(size=u.shape[1])
    change = density((u[0] + way)[None])[0] - density((u[0] - way)[None])[0]
    assert change == pytest.approx(2 * gradient @ way, rel=1e-4, abs=1e-8)
    assert_allclose(density.of_natural(density.natural(u)), u, atol=1e-7)


@pytest.mark.parametrize("name", MODELS)
def test_labellings_that_say_the_same(name, df):
    """Of the posterior, volumes among it; there are as many of them as was counted by hand."""
    density, u = points(name, df)
    known = symmetry(density, u)
    assert known.size == len(known.maps) == MODELS[name][1]
    level = density(u) - density.log_slope(u)
    for g in known.maps:
        there = known.moved(u, g)
        assert_allclose(density(there) - density.log_slope(there), level, rtol=1e-7)


def test_a_prior_that_tells_classes_apart_breaks_the_symmetry(df):
    model = lca(B, 2)
    data = prepared(Dataset.encode(model, df), "integrate", None, None)
    for prior, size, broken in ((bm.Prior("Normal", mu=0, sigma=1), 2, 0), (bm.Prior("Normal", mu=1, sigma=1), 1, 1)):
        density = Density(data, chosen({"class_logit": prior}, model))
        u = density.u(data.pack(random_values(data, 1))) + np.zeros((2, 1))
        known = symmetry(density, u + np.array([[0.0], [0.2]]))
        assert (known.size, len(known.broken)) == (size, broken)


def test_many_classes_are_counted_though_their_orders_are_not_all_looked_at(df):
    model = lca(B, 7)
    data = prepared(Dataset.encode(model, df), "integrate", None, None)
    density = Density(data, chosen(None, model))
    known = symmetry(density, density.u(data.pack(random_values(data, 1)))[None])
    assert known.size == math.factorial(7)
    assert len(known.maps) == 1 + 21


# proposals ----------------------------------------------------------------------------------------


def test_a_proposal_is_a_density_and_draws_are_of_it():
    rng = np.random.default_rng(1)
    skew = proposals.Skew(np.array([1.0, -2.0]), np.array([0.5, 2.0]), np.array([0.6, -0.3]), np.array([0.8, 1.2]))
    q = proposals.SkewT(skew, np.array([0.1, -0.2]), np.array([[1.0, 0.5], [0.5, 2.0]]))
    x, y = np.linspace(-60, 60, 1501), np.linspace(-60, 60, 1501)
    grid = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
    height = np.exp(q.log_density(grid)).reshape(1501, 1501)
    assert integrate.simpson(integrate.simpson(height, y), x) == pytest.approx(1.0, abs=2e-3)
    below = np.cumsum(height.sum(1)) * (x[1] - x[0]) * (y[1] - y[0])
    drawn = q.draw(rng, 20_000)[:, 0]
    assert stats.kstest(drawn, lambda a: np.interp(a, x + (x[1] - x[0]) / 2, below)).pvalue > 0.01


def test_a_skew_is_found_again():
    rng = np.random.default_rng(2)
    u = np.column_stack([np.log(rng.gamma(2.0, size=4000)), rng.normal(5, 3, 4000)])
    z, _ = proposals.fitted_skew(u, np.full(4000, 1 / 4000)).symmetric(u)
    assert stats.skew(u[:, 0]) < -0.5
    assert_allclose(stats.skew(z), 0.0, atol=0.08)
    assert_allclose(stats.kurtosis(z), 0.0, atol=0.15)


def test_draws_of_equal_weight_come_as_often_as_their_weights_say():
    rng = np.random.default_rng(3)
    log_weight = np.log(rng.dirichlet(np.full(200, 0.5)))
    out = importance.Weighed(None, np.zeros((200, 1)), log_weight, log_weight, 0.1)  # pyright: ignore[reportArgumentType]
    often = np.bincount(out.resampled(1000, rng), minlength=200)
    assert (np.abs(often - 1000 * np.exp(log_weight)) < 1).all()
    once = out.resampled(10, rng)
    assert (np.diff(once) >= 0).all()


# the marginal likelihood --------------------------------------------------------------------------


def answers(yes: int, n: int) -> pd.DataFrame:
    return pd.DataFrame({"a": (np.arange(n) < yes).astype(int)})


def grid(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of a sum over a standard normal number."""
    node = np.linspace(-5.5, 5.5, nodes)
    return node, stats.norm.pdf(node) * (node[1] - node[0])


@pytest.mark.parametrize(("classes", "nodes"), [(1, 61), (2, 41), (3, 20)])
def test_classes_that_are_not_apart_at_all(classes, nodes):
    """One item: orders of the classes run into each other. Against a sum over a grid of the prior."""
    df, model = answers(9, 12), lca(["a"], classes)
    node, weight = grid(nodes)
    at = np.stack(np.meshgrid(*[np.arange(nodes)] * classes, indexing="ij"), -1).reshape(-1, classes)
    mass, share = weight[at].prod(axis=1), special.softmax(SD * node[at], axis=1)
    p = special.expit(np.sqrt(2) * SD * node)[at]
    total = 0.0
    for some, own in zip(np.array_split(share, 20), np.array_split(mass, 20), strict=True):
        yes = some @ p.T
        total += own @ (yes**9 * (1 - yes) ** 3) @ mass
    values = {"class_logit": np.linspace(0.3, 0, classes)}
    values["item_logit"] = np.stack([np.zeros((classes, 1)), np.linspace(1.5, 0.5, classes)[:, None]], -1)
    assert {dict(p.prior.arguments)["sigma"] for p in model.parameters} == {SD}
    fit = solved(model, df, **{p.name: values[p.name] for p in model.parameters})
    found = bm.log_marginal_likelihood(quietly(bm.sample, fit, df, seed=1, **QUICK))
    assert found.labellings == math.factorial(classes)
    assert found.value == pytest.approx(np.log(total), abs=4 * found.error + 1e-3)
    assert found.error < 0.04


@pytest.mark.parametrize(("n", "mean"), [(5, 3.0), (200, -50.0)])
def test_a_normal_sample(n, mean):
    """Its two parameters by quadrature."""
    df = pd.DataFrame({"y": np.random.default_rng(n).normal(mean, 2.0, n)})
    model = regression_mixture("y ~ 1")
    fit = quietly(bm.fit, model, df, progress=False)
    known = {k: v.blocks[0].arguments for k, v in stated(bm.prepare(model, df), chosen(None, model)).items()}
    location = stats.norm(float(known["intercept"]["mu"]), float(known["intercept"]["sigma"]))
    scale = stats.halfnorm(scale=float(known["residual_sd"]["sigma"]))

    def height(sd, m):
        return stats.norm(m, sd).logpdf(df["y"]).sum() + location.logpdf(m) + scale.logpdf(sd)

    m, sd = df["y"].mean(), df["y"].std()
    top = height(sd, m)
    ends = m - 15 * sd / np.sqrt(n), m + 15 * sd / np.sqrt(n), 0.3 * sd, 3 * sd if n > 100 else 9 * sd
    total, _ = integrate.dblquad(lambda a, b: np.exp(height(a, b) - top), *ends, epsrel=1e-4)
    found = bm.log_marginal_likelihood(quietly(bm.sample, fit, df, seed=1, **QUICK))
    assert found.value == pytest.approx(top + np.log(total), abs=4 * found.error + 2e-3)
    assert found.error < 0.02


def test_a_prior_that_tells_classes_apart_has_both_of_its_modes():
    """One mode for each order of the classes, each of its own mass: against the grid."""
    rng = np.random.default_rng(4)
    c = rng.random(60) < 0.5
    df = pd.DataFrame({k: rng.binomial(1, np.where(c, 0.9, 0.1)) for k in "ab"})
    model, prior = lca(["a", "b"], 2), {"class_logit": bm.Prior("Normal", mu=0.3, sigma=1.0)}
    values = {
        "class_logit": [0.1, 0.0],
        "item_logit": np.stack([np.zeros((2, 2)), np.array([[2.0, 2.0], [-2.0, -2.0]])], -1),
    }
    fit = solved(model, df, **values)
    post = quietly(bm.sample, fit, df, priors=prior, seed=1, **QUICK)
    found, about = bm.log_marginal_likelihood(post), json.loads(post.attrs["bayesmix"])
    node, weight = grid(41)
    p, pairs = special.expit(np.sqrt(2) * SD * node), np.outer(weight, weight).ravel()
    cells = df.groupby(["a", "b"]).size()
    each = {
        k: np.outer(p ** k[0] * (1 - p) ** (1 - k[0]), p ** k[1] * (1 - p) ** (1 - k[1])).ravel() for k in cells.index
    }
    total = 0.0
    for share, own in zip(special.expit(0.3 + node), weight, strict=True):
        level = sum(n * np.log(share * each[k][:, None] + (1 - share) * each[k][None]) for k, n in cells.items())
        total += own * (pairs @ np.exp(level - TOP) @ pairs)
    total = TOP + np.log(total)
    assert (about["modes"], found.labellings) == (2, 1)
    assert found.value == pytest.approx(total, abs=4 * found.error + 5e-3)


# draws beside those of NUTS -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def weighed(two_classes, fitted):
    """The posterior of the common two classes, by importance sampling."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return bm.sample(fitted, two_classes, method="importance", draws=500, seed=2, progress=False)


SUMMARIES = [("mean", {}, np.mean), ("sd", {}, np.std)]
SUMMARIES += [("quantile", {"prob": p}, lambda v, p=p: np.quantile(v, p)) for p in (0.05, 0.95)]


def z_scores(one, other, names) -> np.ndarray:
    """Differences of means, of SDs, and of 5% and 95% quantiles, over their Monte Carlo errors."""
    out = []
    for name in names:
        a, b = (x["posterior"][name] for x in (one, other))
        for at in np.ndindex(*a.shape[2:]):
            x, y = (v.values[(..., *at)] for v in (a, b))
            if x.std() < 1e-12:
                continue
            for method, more, of in SUMMARIES:
                errors = [float(az.mcse(v, method=method, **more)) for v in (x, y)]
                out.append((of(x) - of(y)) / np.hypot(*errors))
    return np.array(out)


def assert_same(one, other, model) -> None:
    z = z_scores(one, other, [p.name for p in model.parameters])
    assert np.abs(z).max() < 5.0
    assert np.sqrt((z**2).mean()) < 1.5


def test_draws_are_those_of_nuts(weighed, sampled, fitted):
    assert_same(weighed, sampled, fitted.model)


def test_what_comes_back(weighed, two_classes, fitted):
    drawn, points = weighed["posterior"], weighed["importance"]
    assert (drawn.sizes["chain"], drawn.sizes["draw"]) == (4, 500)
    assert {*weighed.children} >= {"posterior_raw", "log_likelihood", "classes", "prior", "log_prior", "importance"}
    assert float(np.exp(points["log_weight"]).sum()) == pytest.approx(1.0)
    at = weighed["sample_stats"]["point"].values
    raw = weighed["posterior_raw"]["item_logit"].values
    assert_allclose(raw, points["item_logit"].values[at])
    d = json.loads(weighed.attrs["bayesmix"])
    assert d["pareto_k"] < 0.5
    assert d["points"] == points.sizes["point"] == 2000
    ratio = points["log_ratio"].values
    assert d["log_marginal_likelihood"] == pytest.approx(special.logsumexp(ratio) - np.log(2000))
    ess = az.ess(weighed, var_names=["class_logit", "item_logit"])  # the reference has none
    least = min(float(ess[v].min()) for v in ess.data_vars)
    assert 0.4 * d["importance_ess"] < least < 1.3 * d["importance_ess"]
    said = bm.report(fitted, weighed)
    assert "Pareto k of the weights" in said
    assert "posterior by importance sampling" in bm.report(weighed)
    assert f"{d['log_marginal_likelihood']:.2f}" in bm.report(weighed)


@pytest.mark.slow
def test_the_marginal_likelihood_is_that_of_tempered_smc(two_classes, fitted, weighed):
    """PyMC's own estimate, which leaves a point of the prior for the posterior step by step."""
    with bm.build(fitted.model, two_classes):
        smc = quietly(pm.sample_smc, 600, chains=2, cores=1, random_seed=1, progressbar=False)
    each = [float(np.asarray(c, dtype=float)[-1]) for c in smc["sample_stats"]["log_marginal_likelihood"].values]
    found = bm.log_marginal_likelihood(weighed)
    assert found.value == pytest.approx(special.logsumexp(each) - np.log(2), abs=0.5)


def test_bic_goes_with_the_marginal_likelihood(two_classes, fitted, weighed):
    """They differ by what does not grow with the rows."""
    found = bm.log_marginal_likelihood(weighed)
    assert abs(found.value + fitted.bic / 2) < 0.6 * fitted.n_parameters


def test_models_by_their_probabilities(two_classes, fitted, weighed):
    one = bm.fit(lca(list("abcde"), 1), two_classes, progress=False)
    other = bm.sample(one, two_classes, seed=1, **QUICK)
    table = bm.model_probabilities({"one": other, "two": weighed}, prior={"one": 3, "two": 1})
    apart = table.loc["two", "log_marginal_likelihood"] - table.loc["one", "log_marginal_likelihood"]
    assert apart == pytest.approx((one.bic - fitted.bic) / 2, rel=0.1)
    assert table.loc["one", "probability"] == pytest.approx(3 / (3 + np.exp(apart)))
    assert table["probability"].sum() == pytest.approx(1.0)
    factor = bm.log_marginal_likelihood(weighed).bayes_factor(bm.log_marginal_likelihood(other))
    assert np.log(factor) == pytest.approx(apart)


def test_what_no_marginal_likelihood_can_be_had_of(weighed, sampled, fitted, two_classes):
    with pytest.raises(ValueError, match="one by NUTS"):
        bm.log_marginal_likelihood(sampled)
    with pytest.raises(TypeError, match="A fit came"):
        bm.log_marginal_likelihood(fitted)
    with pytest.raises(TypeError, match="by the names of their models"):
        bm.model_probabilities({})
    with pytest.raises(ValueError, match="positive number for each of two"):
        bm.model_probabilities({"two": weighed}, prior={"one": 1.0})
    fewer = weighed.copy()
    fewer["observed_data"] = fewer["observed_data"].to_dataset().isel(row=slice(0, 500))
    with pytest.raises(ValueError, match="not of the same responses"):
        bm.model_probabilities({"all": weighed, "some": fewer})


def test_what_importance_sampling_cannot_do_is_refused_at_once(fitted, two_classes):
    with pytest.raises(ValueError, match="method came as 'vb'"):
        bm.sample(fitted, two_classes, method="vb")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="effects='sample'"):
        bm.sample(fitted, two_classes, effects="sample", **QUICK)
    with pytest.raises(TypeError, match="target_accept= came with method='importance'"):
        bm.sample(fitted, two_classes, target_accept=0.9, **QUICK)
    with pytest.raises(ValueError, match="samples what is declared"):
        bm.sample(bm.build(fitted, two_classes), **QUICK)


def test_weights_that_cannot_be_trusted_are_refused_and_kept(fitted, two_classes, monkeypatch):
    """A proposal that is far too narrow, and never fitted."""
    around = importance.around

    def narrow(density, mode, information):
        return around(density, mode, 25.0 * information)

    monkeypatch.setattr(importance, "around", narrow)
    monkeypatch.setattr(importance, "ROUNDS", 1)
    monkeypatch.setattr(importance, "REFITS", 0)
    with pytest.raises(bm.ImportanceFailed, match="Use method='nuts'") as caught:
        bm.sample(fitted, two_classes, seed=1, **QUICK)
    assert caught.value.points.sizes["point"] >= 2000
    assert {"log_weight", "log_ratio", "item_logit"} <= {*caught.value.points}


@pytest.mark.slow
@pytest.mark.parametrize("which", ["two-level", "gom", "3pl"])
def test_draws_are_those_of_nuts_with_effects(which):
    """Means, SDs and quantiles, and the audit of the nodes on the way."""
    model, truth, settings = EFFECTS[which]
    df = bm.simulate(model, truth, seed=3, **settings)
    fit = quietly(bm.fit, model, df, progress=False)
    one = quietly(bm.sample, fit, df, seed=4, draws=2000, **{k: v for k, v in QUICK.items() if k != "draws"})
    other = quietly(bm.sample, fit, df, seed=5, draws=2000, predictive=0, progress=False)
    assert_same(one, other, model)


SIX, TEN = [f"u{k}" for k in range(6)], [f"u{k}" for k in range(10)]
EFFECTS = {
    "two-level": (
        lca(SIX, 2, cluster="g"),
        {
            "class_logit": np.array([0.3, 0.0]),
            "cluster_loading": np.array([[1.2, 0.0]]),
            "item_logit": np.stack([np.zeros((2, 6)), np.array([[1.5] * 6, [-1.5] * 6])], axis=-1),
        },
        {"n": 600, "clusters": 60},
    ),
    "gom": (
        gom(TEN, 2),
        {
            "class_logit": np.array([0.3, 0.0]),
            "class_loading": np.array([[2.0, 0.0]]),
            "item_logit": np.stack([np.zeros((2, 10)), np.array([[1.8] * 10, [-1.8] * 10])], axis=-1),
        },
        {"n": 400},
    ),
    "3pl": (
        irt_3pl(TEN),
        {"item_intercept": np.linspace(1.5, -1.5, 10), "loading": np.full(10, 1.5), "guessing": np.full(10, 0.2)},
        {"n": 500},
    ),
}


def test_a_point_that_no_part_reaches_spoils_no_share():
    """Points of an earlier proposal may have a density of zero under the present one."""

    class Part:
        def log_density(self, u):
            return np.where(np.abs(u[:, 0]) < 1, 0.0, -np.inf)

        def refitted(self, u, weight):
            assert np.isfinite(weight).all()
            return self

    u = np.array([[0.0], [0.5], [50.0]])
    parts: Any = [Part(), Part()]
    found = Mixture(parts, np.array([0.5, 0.5])).refitted(u, np.array([0.3, 0.3, 0.4]), 1.0)
    assert np.isfinite(found.shares).all()
    assert found.shares.sum() == pytest.approx(1.0)
