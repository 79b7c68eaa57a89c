"""Factor mixtures, FMA-GoM and the 3PL by NUTS, beside maximum likelihood; factors' signs and classes put in order."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from bayesmix.models import fma, fma_gom, irt_3pl

import bayesmix as bm
from bayesmix.bayes import pymc_model
from bayesmix.spec import class_labels as labels
from densities import loglik

ITEMS = [f"u{k}" for k in range(6)]
LOADING = np.linspace(0.6, 1.0, 6)


def guessed():
    truth = {"item_intercept": np.linspace(1.5, -1.5, 6), "loading": 1.5 * LOADING, "guessing": np.full(6, 0.2)}
    return irt_3pl(ITEMS), truth


def mixed():
    sides = np.array([[1.2, 0.8, 1.4, 1.3, 0.9, 1.1], [0.4, 0.6, 0.3, -1.4, -1.2, -1.6]])
    return fma(ITEMS, 2), {"class_logit": [0.3, 0.0], "item_intercept": sides, "loading": LOADING}


def graded():
    _, truth = mixed()
    return fma_gom(ITEMS, 2), truth | {"class_loading": [[2.0, 0.0]]}


DECLARED = {"3PL": guessed, "FMA": mixed, "FMA-GoM": graded}


APART = {"item_intercept": np.array([[1.5] * 3 + [-1.2] * 3, [-1.2] * 3 + [1.5] * 3])}
"""Classes whose profiles cross: a factor cannot do what they do, and the maximum is where the posterior is."""


def made(name: str, n: int, nodes=None, **changes):
    """A model, data of it, and its fit."""
    model, truth = DECLARED[name]()
    truth = truth | changes
    df = bm.simulate(model, truth, n=n, seed=6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model, df, bm.fit(model, df, starts=4, finals=2, rounds=1, nodes=nodes, progress=False)


@pytest.mark.parametrize("name", DECLARED)
def test_the_models_likelihood_is_the_fits(name):
    model, truth = DECLARED[name]()
    df = bm.simulate(model, truth, n=60, seed=2)
    data = bm.prepare(model, df, bm.trapezoid(7))
    pm_model = pymc_model.build_from(data)
    value = loglik(pm_model, truth)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # these nodes are coarse, in both
        right = bm.log_likelihood(model, df, truth, nodes=bm.trapezoid(7))
    assert value == pytest.approx(right, abs=1e-8)


@pytest.fixture(scope="module")
def sampled():
    _, df, fit = made("FMA", 600, bm.trapezoid(15), **APART)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        few = {"draws": 300, "tune": 300, "chains": 2, "seed": 1, "progress": False}
        return fit, bm.sample(fit, df, nodes=bm.trapezoid(15), **few)


def test_a_factor_mixture_is_sampled_near_its_estimate(sampled):
    fit, post = sampled
    both = bm.compare(fit, post).parameters
    loading = both[both.index.str.startswith("loading")]
    assert len(loading) == 6
    assert ((loading["ml"] - loading["mean"]).abs() < 2.5 * loading["sd"]).all()
    assert (loading["r_hat"] < 1.05).all()
    assert {"discrimination", "difficulty"} <= set(post["posterior"].data_vars)
    a, b = (post["posterior"][k] for k in ("discrimination", "difficulty"))
    np.testing.assert_allclose(a, post["posterior"]["loading"])
    np.testing.assert_allclose(b * a, -post["posterior"]["item_intercept"].transpose(*b.dims), rtol=1e-6)


def test_an_entry_that_a_pattern_fixes_stands_in_the_comparison_without_an_r_hat(sampled):
    fit, post = sampled
    held = post.copy(deep=True)
    held["posterior"]["loading"][..., 0] = 0.0
    table = bm.compare(fit, held).parameters
    assert np.isnan(table.loc["loading[u0]", "r_hat"])
    assert np.isfinite(table.loc["loading[u1]", "r_hat"])


def test_draws_in_another_order_and_direction_come_back(sampled):
    """Half of the draws have their classes exchanged and their factor turned round: the same draws come out."""
    fit, post = sampled
    model = fma(ITEMS, 2)
    values = {p.name: post["posterior"][p.name].transpose("chain", "draw", *p.dims).values for p in model.parameters}
    mixed_up = {k: x.copy() for k, x in values.items()}
    half = np.arange(300) % 2 == 0
    for k, x in labels.permute(model, {k: v[:, half] for k, v in values.items()}, ("C",), np.array([1, 0])).items():
        mixed_up[k][:, half] = x
    mixed_up["loading"][:, ::3] *= -1
    back, _ = labels.relabel(model, mixed_up, {k: fit.params[k].values for k in fit.params})
    for k, x in values.items():
        np.testing.assert_allclose(back[k], x, atol=1e-12)


def larger(name: str) -> tuple:
    """Twelve items that tell the model's parameters apart; persons; nodes that are fine enough for them."""
    items, rng = [f"u{k}" for k in range(12)], np.random.default_rng(8)
    if name == "3PL":
        truth = {"item_intercept": np.linspace(1.5, -1.5, 12), "loading": np.linspace(1.0, 1.8, 12)}
        return irt_3pl(items), truth | {"guessing": np.full(12, 0.2)}, 800, None
    one, low, high = (rng.uniform(*ends, 12) for ends in ((0.5, 2.0), (-2.0, -1.0), (0.2, 0.8)))
    sides = np.stack([one, np.where(np.arange(12) % 2 == 0, low, high)])
    truth = {"class_logit": [0.3, 0.0], "item_intercept": sides, "loading": np.linspace(0.6, 1.0, 12)}
    if name == "FMA":
        return fma(items, 2), truth, 1000, None
    truth = {"class_logit": [0.3, 0.0], "class_loading": [[2.0, 0.0]], "loading": 1.2 * (np.arange(12) < 5)}
    sides = np.full(12, 1.3) * np.array([[1.0], [-1.0]])
    model = fma_gom(items, 2, factors={"f": items[:5]})  # a factor of all items is hard to tell from the membership's
    return model, truth | {"item_intercept": sides}, 600, bm.trapezoid(19)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "effects", "draws", "chains"),
    [
        ("3PL", "integrate", 1500, 2),
        ("3PL", "sample", 2000, 4),
        ("FMA", "integrate", 1500, 2),
        ("FMA-GoM", "integrate", 1500, 2),
    ],
)
def test_chains_agree(name, effects, draws, chains):
    """R-hat after classes and factors are put in order, and posterior means near the estimates."""
    model, truth, n, nodes = larger(name)
    df = bm.simulate(model, truth, n=n, seed=6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = bm.fit(model, df, nodes=nodes, progress=False)
        settings = {"draws": draws, "tune": 1000, "chains": chains, "seed": 1, "progress": False}
        post = bm.sample(fit, df, effects=effects, nodes=nodes, **settings)
    both, found = bm.compare(fit, post).parameters, json.loads(post.attrs["bayesmix"])
    print(f"\n{name} {effects}: R-hat {found['max_rhat']:.4f}, ESS {found['min_ess_bulk']:.0f}")
    assert found["max_rhat"] < 1.01
    assert found["divergences"] == 0
    near = both[~both.index.str.startswith(("guessing", "class_"))]
    assert ((near["ml"] - near["mean"]).abs() < 3 * near["sd"]).mean() > 0.95
