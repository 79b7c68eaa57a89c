"""Recovery: bias and coverage over replications of simulated data. `make slow` runs the studies in full."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bayesmix.models import gom, lca

import bayesmix as bm
from bayesmix.posterior import tables
from bayesmix.solution import errors_of, values_of

ITEMS = [f"u{k}" for k in range(6)]
OFFENCES = [f"v{k}" for k in range(17)]


def two_level(sd):
    """The first class is the larger one by far: estimates come in that order."""
    sides = np.array([[1.5] * 6, [-1.5] * 6])
    truth = {
        "class_logit": np.array([1.0, 0.0]),
        "cluster_loading": np.array([[sd, 0.0]]),
        "item_logit": np.stack([np.zeros((2, 6)), sides], axis=-1),
    }
    return lca(ITEMS, 2, cluster="g"), truth


def grades():
    rng = np.random.default_rng(1)
    sides = np.stack([rng.uniform(0.5, 2.0, 17), rng.uniform(-2.5, -1.0, 17)])
    truth = {
        "class_logit": np.array([0.8, 0.0]),
        "class_loading": np.array([[2.0, 0.0]]),
        "item_logit": np.stack([np.zeros((2, 17)), sides], axis=-1),
    }
    return gom(OFFENCES, 2), truth


def study(model, truth, replications, **size) -> pd.DataFrame:
    """One row a kind of parameter: bias, SD of the estimates, average robust SE, coverage of 95% intervals."""
    rows = []
    for seed in range(replications):
        df = bm.simulate(model, truth, seed=seed, **size)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = bm.fit(model, df, starts=1, finals=1, rounds=1, start=truth)
        for name, value in truth.items():
            estimate, se = fit.params[name].values, fit.se[name].values
            free = np.isfinite(se) & fit.free[name].values
            for x, e, s in zip(value[free], estimate[free], se[free], strict=True):
                rows.append((name, e - x, s, abs(e - x) <= 1.96 * s))
    each = pd.DataFrame(rows, columns=["parameter", "error", "se", "covered"]).groupby("parameter")
    return pd.DataFrame(
        {"bias": each["error"].mean(), "SD": each["error"].std(), "average SE": each["se"].mean(),
         "coverage": each["covered"].mean(), "n": each.size()}
    )  # fmt: skip


def toca():
    """The two-level latent transition model of section 4 and the truth behind `data/toca.csv`."""
    spec = importlib.util.spec_from_file_location("toca", Path(__file__).parents[1] / "data" / "toca.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.model(), module.truth()


def in_their_order(name, x, other):
    """Entries in the order of the truth's classes where the fit has the other one, the larger class first."""
    if other and name.endswith("_logit"):
        x = -x if x.ndim == 1 else -x[::-1]
    elif other and name.endswith("_transition"):
        x = x[::-1, ::-1]
    return np.ravel(x)


def shares(model, truth, replications, effects=None, **settings) -> pd.DataFrame:
    """As `study`, of the parameters beside the items' and of transitions and explained variance.

    By maximum likelihood; with `effects`, by NUTS, whose posterior means and intervals are taken.
    """
    rows, known = [], None
    for seed in range(replications):
        df = bm.simulate(model, truth, n=1200, clusters=100, seed=seed)
        if known is None:
            data = bm.prepare(model, df)
            known = tables(data, data.packing.pack(truth))
            known = {k: x.values for k, x in known.items() if "transition" in k or "explained" in k or "effect_of" in k}
            known |= {k: v for k, v in truth.items() if k != "item_logit"}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = found = bm.fit(model, df, starts=1, finals=1, rounds=1, start=truth, **settings)
            if effects:
                short = {"draws": 300, "tune": 300, "chains": 2, "seed": seed, "progress": False}
                found = bm.sample(model, df, fit=fit, effects=effects, **short)
        other = float(fit.params["item_logit"][0, 0, 1] - fit.params["item_logit"][1, 0, 1]) > 0
        for name, value in known.items():
            x, low, high = (in_their_order(name, v.values, other) for v in values_of(found, name))
            se = np.abs(in_their_order(name, errors_of(found, name).values, other))
            low, high = np.minimum(low, high), np.maximum(low, high)
            for k, t in enumerate(np.ravel(value)):
                if np.isfinite(se[k]) and se[k] > 0:
                    rows.append((f"{name}[{k}]", x[k] - t, se[k], low[k] <= t <= high[k]))
    each = pd.DataFrame(rows, columns=["parameter", "error", "se", "covered"]).groupby("parameter")
    return pd.DataFrame(
        {"bias": each["error"].mean(), "SD": each["error"].std(), "average SE": each["se"].mean(),
         "coverage": each["covered"].mean(), "n": each.size()}
    )  # fmt: skip


def test_two_level_transitions_are_recovered_in_short():
    table = shares(*toca(), 2)
    assert table["coverage"].mean() > 0.75
    assert table.loc["C2_explained[0]", "bias"] == pytest.approx(0, abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("nodes", [None, bm.trapezoid(15)], ids=["adaptive", "trapezoid"])
def test_two_level_transitions_are_recovered(nodes):
    """100 classrooms of 12, 100 replications: parameters, transitions and the percentages of section 4."""
    table = shares(*toca(), 100, nodes=nodes)
    print(f"\n{table.round(3).to_string()}\naverage coverage {table['coverage'].mean():.3f}")
    assert table["coverage"].mean() == pytest.approx(0.95, abs=0.03)
    assert table["coverage"].min() > 0.85
    assert (table["bias"].abs() < 0.25 * table["SD"] + 3 * table["SD"] / np.sqrt(table["n"])).all()


@pytest.mark.slow
@pytest.mark.parametrize(("effects", "replications"), [("sample", 12), ("integrate", 4)])
def test_nuts_covers_two_level_transitions(effects, replications):
    """Posterior intervals of the same, both settings of effects."""
    table = shares(*toca(), replications, effects=effects)
    print(f"\n{table.round(3).to_string()}\naverage coverage {table['coverage'].mean():.3f}")
    assert table["coverage"].mean() > 0.85


def check(table, bias, coverage):
    """Within three Monte Carlo errors of no bias and 95%, and what may be expected beyond them."""
    print(f"\n{table.round(3).to_string()}")
    monte_carlo = 3 * table["SD"] / np.sqrt(table["n"])
    assert (table["bias"].abs() < monte_carlo + bias).all()
    assert ((table["coverage"] - 0.95).abs() < coverage + 3 * np.sqrt(0.95 * 0.05 / table["n"])).all()
    assert (table["average SE"] / table["SD"]).between(0.8, 1.25).all()


@pytest.mark.parametrize("sd", [1.0, 2.0])
def test_two_level_lca_is_recovered_in_short(sd):
    model, truth = two_level(sd)
    table = study(model, truth, 4, n=1000, clusters=50)
    assert table["bias"].abs().max() < 0.35
    assert table["coverage"].min() >= 0.5


@pytest.mark.slow
@pytest.mark.parametrize("sd", [1.0, 2.0])
def test_two_level_lca_is_recovered(sd):
    """100 clusters of 20, 100 replications."""
    check(study(*two_level(sd), 100, n=2000, clusters=100), 0.05, 0.03)


@pytest.mark.slow
def test_gom_is_recovered():
    """17 items, 2,000 persons, 50 replications."""
    check(study(*grades(), 50, n=2000), 0.1, 0.03)


@pytest.mark.slow
def test_nuts_covers_the_truth():
    """Two-level LCA, 40 clusters of 15, 12 replications: intervals of the posterior."""
    model, truth = two_level(1.0)
    rows = []
    for seed in range(12):
        df = bm.simulate(model, truth, n=600, clusters=40, seed=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            post = bm.sample(model, df, chains=2, draws=500, tune=500, seed=seed, progress=False)[
                "posterior"
            ].to_dataset()
        ends = post.quantile([0.025, 0.975], ("chain", "draw"))
        for name, value in truth.items():
            low, high = ends[name].transpose("quantile", *post[name].dims[2:]).values
            moves = high > low
            order = [post[name].dims[2:].index(d) for d in model_dims(model, name)]
            low, high, moves = (np.transpose(x, order) for x in (low, high, moves))
            rows += list(((low <= value) & (value <= high))[moves])
    print(f"\ncoverage of {len(rows)} intervals: {np.mean(rows):.3f}")
    assert np.mean(rows) == pytest.approx(0.95, abs=0.05)


def model_dims(model, name):
    return next(p.dims for p in model.parameters if p.name == name)


@pytest.mark.slow
@pytest.mark.parametrize("declared", [lambda: two_level(1.2), grades, toca], ids=["two-level LCA", "gom", "LTA"])
def test_effects_integrated_and_sampled_have_the_same_posterior(declared):
    """Posterior means within four Monte Carlo errors of each other."""
    model, truth = declared()
    size = {"n": 600, "clusters": 40} if model.cluster else {"n": 300}
    df = bm.simulate(model, truth, seed=5, **size)
    means, errors = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = bm.fit(model, df)
        for effects in ("integrate", "sample"):
            post = bm.sample(model, df, fit=fit, effects=effects, chains=2, seed=1, progress=False)
            table = bm.compare(fit, post).parameters
            means.append(table["mean"])
            errors.append(table["sd"] / np.sqrt(table["ess_bulk"]))
    gap = (means[0] - means[1]) / np.hypot(*errors)
    print(f"\nlargest difference: {gap.abs().max():.2f} Monte Carlo errors, over {len(gap)} parameters")
    assert gap.abs().max() < 4
