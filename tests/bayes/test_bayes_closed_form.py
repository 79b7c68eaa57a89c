"""Effects that have a closed form are integrated by it in NUTS too; items of several families are sampled."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from bayesmix.models import fma, lca, regression_mixture

import bayesmix as bm
from densities import loglik

FEW = {"draws": 60, "tune": 120, "chains": 2, "cores": 1, "seed": 1, "progress": False}
QUICK = {"starts": 3, "finals": 2, "rounds": 1, "progress": False}
Y = [f"y{k}" for k in range(4)]


@pytest.fixture(scope="module")
def df() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n, g = 240, np.repeat(np.arange(30), 8)
    x, f, big = rng.normal(2, 1, n), rng.normal(size=n), rng.integers(0, 2, 30)[g]
    d = pd.DataFrame({k: 2.0 + 0.8 * f + rng.normal(size=n) for k in Y})
    u = rng.normal(0, 1, (30, 2))[g]
    d["y"] = 1 + 3 * big + u[:, 0] + (0.5 + 0.5 * u[:, 1]) * x + rng.normal(0, 1, n)
    return d.assign(x=x, g=g, w=big.astype(float))


CLOSED = {
    "two-level": regression_mixture("y ~ x", cluster="g"),
    "random slope": regression_mixture("y ~ x", cluster="g", random="1 + x", cluster_covariates="w"),
    "classes of clusters": regression_mixture("y ~ x", cluster="g", cluster_classes=2, by_cluster_class="1"),
    "factor": fma(Y, 1, family=bm.normal()),
    "factor mixture": fma(Y, 2, family=bm.normal()),
}


@pytest.mark.parametrize("name", CLOSED)
def test_the_pymc_model_has_the_log_likelihood_of_the_fit_and_no_sampled_effects(name, df):
    model = CLOSED[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = bm.fit(model, df, **QUICK)
    assert all("Exact" in v for v in fit.info["nodes"].values())
    made = bm.build(fit, df)
    assert not any(v.name.startswith("z_") for v in made.free_RVs)
    assert loglik(made, {k: x.values for k, x in fit.params.items()}) == pytest.approx(fit.loglik, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "effects"),
    [(name, "integrate") for name in ("two-level", "random slope", "classes of clusters", "factor")]
    + [("two-level", "sample")],
)
def test_they_are_sampled_near_the_estimate(name, effects, df):
    model = CLOSED[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = bm.fit(model, df, **QUICK)
        post = bm.sample(fit, df, effects=effects, **FEW)
    assert ("z_cluster" in post["posterior"]) == (effects == "sample")
    table = bm.compare(fit, post).parameters
    assert ((table["mean"] - table["ml"]).abs() < 3 * table["sd"] + 0.05).all()
    assert {"posterior_predictive", "log_likelihood", "prior"} <= {*post.children}


@pytest.mark.slow
def test_numba_samples_a_closed_form_too(df):
    model = CLOSED["two-level"]
    fit = bm.fit(model, df, **QUICK)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        post = bm.sample(fit, df, backend="numba", **FEW)
    table = bm.compare(fit, post).parameters
    assert ((table["mean"] - table["ml"]).abs() < 3 * table["sd"] + 0.05).all()


def test_items_of_several_families_have_every_group(df):
    rng = np.random.default_rng(0)
    c = rng.integers(0, 2, 150)
    d = pd.DataFrame({"u1": rng.binomial(1, np.where(c, 0.8, 0.2)), "y": rng.normal(np.where(c, 2.0, -1.0), 1.0)})
    d = d.assign(u2=rng.binomial(1, np.where(c, 0.9, 0.2)), o=rng.binomial(2, np.where(c, 0.8, 0.2)))
    d["k"] = rng.poisson(np.where(c, 5, 1))
    families = {"u1": bm.bernoulli(), "u2": bm.bernoulli(), "o": bm.ordinal(), "y": bm.normal(), "k": bm.poisson()}
    model = lca(list(families), 2, family=families)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        post = bm.sample(bm.fit(model, d, **QUICK), d, **FEW)
    assert {"posterior", "posterior_predictive", "log_likelihood", "prior", "observed_data"} <= {*post.children}
    y = post["posterior_predictive"]["y"]
    assert sorted(y["all_items"].values) == sorted(families)
    for name in families:
        own, drawn = d[name], y.sel(all_items=name)
        assert float(drawn.mean()) == pytest.approx(own.mean(), abs=0.6)
        np.testing.assert_allclose(post["observed_data"]["y"].sel(all_items=name), own)
