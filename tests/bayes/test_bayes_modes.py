"""Other modes that a search has seen are weighed and said; chains start at them in proportion to their mass."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from bayesmix.models import lca, regression_mixture
from scipy import integrate, stats

import bayesmix as bm
from bayesmix.bayes import mode_weights as heights
from bayesmix.data import Dataset, chosen, stated

FEW = {"draws": 40, "tune": 100, "chains": 4, "cores": 1, "seed": 1, "progress": False}


def quietly(call, *arguments, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call(*arguments, **settings)


def natural(ds: xr.Dataset) -> dict:
    return {str(k): x.values for k, x in ds.items()}


@pytest.mark.parametrize(("n", "mean"), [(40, 3.0), (200, -50.0)])
def test_the_mass_of_a_mode_is_its_integral(n, mean):
    """Of a normal sample with two parameters: against quadrature of likelihood times prior."""
    df = pd.DataFrame({"y": np.random.default_rng(n).normal(mean, 2.0, n)})
    model = regression_mixture("y ~ 1")
    fit = bm.fit(model, df, progress=False)
    (found,) = heights.modes(Dataset.encode(model, df), [natural(fit.params)], chosen(None, model))
    known = {k: v.blocks[0].arguments for k, v in stated(bm.prepare(model, df), chosen(None, model)).items()}
    location = stats.norm(float(known["intercept"]["mu"]), float(known["intercept"]["sigma"]))
    scale = stats.halfnorm(scale=float(known["residual_sd"]["sigma"]))

    def density(sd, m):
        height = stats.norm(m, sd).logpdf(df["y"]).sum() + location.logpdf(m) + scale.logpdf(sd)
        return np.exp(height - found.height)

    m, sd = df["y"].mean(), df["y"].std()
    ends = m - 6 * sd / np.sqrt(n), m + 6 * sd / np.sqrt(n), 0.5 * sd, 1.9 * sd
    total, _ = integrate.dblquad(density, *ends, epsrel=1e-3)
    assert found.mass - found.height == pytest.approx(np.log(total), abs=2.0 / n + 0.01)
    assert found.height == pytest.approx(
        np.log(density(found.values["residual_sd"], found.values["intercept"])) + found.height
    )


def test_chains_start_in_proportion_to_the_mass_and_one_at_least_at_the_fits():
    assert heights.chains_of(np.array([0.7, 0.3]), 4).tolist() == [3, 1]
    assert heights.chains_of(np.array([0.97, 0.03]), 4).tolist() == [4, 0]
    assert heights.chains_of(np.array([0.1, 0.9]), 2).tolist() == [1, 1]
    assert heights.chains_of(np.array([0.2, 0.8]), 1).tolist() == [1, 0]


def with_solutions(fit, *others: xr.Dataset):
    """The fit with other solutions that its search is said to have seen."""
    found = xr.concat([fit.params, *others], "solution", join="outer", coords="minimal", compat="override")
    out = replace(fit)
    object.__setattr__(out, "solutions", found.assign(loglik=("solution", [fit.loglik] * (1 + len(others)))))
    return out


@pytest.fixture(scope="module")
def exchanged():
    """Two normal classes whose means within x = 1 can be exchanged without a change of the likelihood, R(1)-R(2)."""
    rng = np.random.default_rng(3)
    x = rng.integers(0, 2, 200)
    c = rng.random(200) < 0.4
    df = pd.DataFrame({"x": x, "y": np.where(c, 2.0, -2.0) + np.where(c, 0.5, -0.5) * x + rng.normal(0, 0.7, 200)})
    model = regression_mixture("y ~ x", 2, covariates="x")
    fit = quietly(bm.fit, model, df, starts=6, finals=4, rounds=1, progress=False)
    a, b = fit.params["intercept"].values, fit.params["coefficient"].values[:, 0]
    alpha, beta = float(fit.params["class_logit"][0]), float(fit.params["class_slope"][0, 0])
    other = fit.params.copy(deep=True)
    other["coefficient"][:, 0] = (a + b)[::-1] - a
    other["class_slope"][0, 0] = -2 * alpha - beta
    assert bm.log_likelihood(model, df, other) == pytest.approx(fit.loglik, abs=1e-6)
    return model, df, fit, other


def test_equal_solutions_are_named_as_such_and_not_as_too_short_chains(exchanged):
    model, df, fit, other = exchanged
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        post = bm.sample(with_solutions(fit, other), df, **FEW)
    words = [str(w.message) for w in said]
    both = heights.modes(Dataset.encode(model, df), [natural(fit.params), natural(other)], chosen(None, model))
    assert heights.shares(both)[1] > heights.MATTERS
    assert any("exactly the log-likelihood" in w and "not identified" in w for w in words)
    assert not any("another mode" in w for w in words)
    slope = post["posterior"]["coefficient"].values[..., 0].mean(axis=1)
    started = heights.chains_of(heights.shares(both), 4)
    assert (np.abs(slope[: started[0]] - fit.params["coefficient"].values[:, 0]) < 1.0).all()


def test_a_lower_mode_is_said_with_its_height_and_share(exchanged, monkeypatch):
    """A prior that stands against the fit's solution makes the other one the higher mode."""
    model, df, fit, other = exchanged
    lower = other["coefficient"].values[:, 0]
    monkeypatch.setattr(heights, "SAME", -1.0)
    own = {"coefficient": bm.Prior("Normal", mu=0, sigma=0.5 * np.abs(lower).max())}
    found = heights.modes(Dataset.encode(model, df), [natural(fit.params), natural(other)], chosen(own, model))
    share = heights.shares(found)
    said = heights.words(found, share, np.array([4, 0]))
    assert len(said) == (share[1] >= heights.MATTERS)
    if said:
        assert f"{share[1]:.0%} of the posterior mass" in said[0]
        assert f"{found[1].height:.2f} against {found[0].height:.2f}" in said[0]


def test_solutions_that_lead_to_one_mode_are_one(two_classes, fitted):
    """A saddle with equal classes, and the classes in another order: the climb ends at the fit's mode."""
    model = lca(["a", "b", "c", "d", "e"], 2)
    saddle, turned = fitted.params.copy(deep=True), fitted.params.copy(deep=True)
    saddle["item_logit"] = 0.1 * saddle["item_logit"]
    turned["item_logit"] = turned["item_logit"].copy(data=turned["item_logit"].values[::-1])
    turned["class_logit"][0] = -turned["class_logit"][0]
    solutions = [natural(ds) for ds in (fitted.params, saddle, turned)]
    assert len(heights.modes(Dataset.encode(model, two_classes), solutions, chosen(None, model))) == 1
    assert heights.others(with_solutions(fitted, fitted.params)) == []


def test_modes_that_hardly_matter_are_not_spoken_of():
    values: dict = {}
    found = [heights.Mode(values, -100.0, -110.0, m, -100.0 - k) for k, m in enumerate((-120.0, -126.0))]
    assert heights.shares(found)[1] < heights.MATTERS
    assert heights.words(found, heights.shares(found), np.array([4, 0])) == []


def test_chains_of_several_modes_are_one_posterior(exchanged):
    _, df, fit, other = exchanged
    post = quietly(bm.sample, with_solutions(fit, other), df, **FEW)
    assert post["posterior"]["chain"].values.tolist() == [0, 1, 2, 3]
    assert post["log_likelihood"].sizes["chain"] == post["sample_stats"].sizes["chain"] == 4
