"""Recovery: bias and coverage over replications of simulated data. `make slow` runs the studies in full."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bayesmix.models import fma, gom, irt_3pl, lca

import bayesmix as bm

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


def guessed():
    """Twenty items: discriminations of 1 to 2, difficulties of -1 to 1.5, a guess in five or six is right."""
    rng = np.random.default_rng(2)
    a, b = rng.uniform(1.0, 2.0, 20), np.linspace(-1.0, 1.5, 20)
    truth = {"item_intercept": -a * b, "loading": a, "guessing": rng.uniform(0.15, 0.25, 20)}
    return irt_3pl([f"q{k}" for k in range(20)]), truth


def symptoms():
    """The sample of Table 6: 18 items, two classes that differ in the last nine above all, one loading an item."""
    rng = np.random.default_rng(3)
    sides = np.stack([rng.uniform(0.8, 1.6, 18), np.r_[rng.uniform(0.2, 0.8, 9), rng.uniform(-1.6, -0.8, 9)]])
    truth = {"class_logit": [0.5, 0.0], "item_intercept": sides, "loading": rng.uniform(0.6, 1.0, 18)}
    return fma([f"u{k}" for k in range(18)], 2), truth


def studied(model, truth, replications, fit=None, **settings):
    """A study whose fits start at the truth, and nowhere else."""
    few = {"starts": 1, "finals": 1, "rounds": 1}
    return bm.study(model, truth, replications=replications, fit=few | (fit or {}), **settings)


def by_kind(found: bm.Study) -> pd.DataFrame:
    """One row a kind of parameter: bias, SD of the estimates, average robust SE, coverage of 95% intervals."""
    rows = found.replications.query("scale == 'parameter'").dropna(subset=["se", "population"])
    error, name = rows["estimate"] - rows["population"], rows["entry"].str.partition("[")[0].rename("parameter")
    covered = (rows["lower"] <= rows["population"]) & (rows["population"] <= rows["upper"])
    each = pd.DataFrame({"error": error, "se": rows["se"], "covered": covered}).groupby(name)
    return pd.DataFrame(
        {"bias": each["error"].mean(), "SD": each["error"].std(), "average SE": each["se"].mean(),
         "coverage": each["covered"].mean(), "n": each.size()}
    )  # fmt: skip


def by_entry(found: bm.Study) -> pd.DataFrame:
    """The same of every entry but the items'."""
    table = found.summary()
    table = table[~table.index.str.startswith("item_") & (table["with_se"] > 0)]
    return pd.DataFrame(
        {"bias": table["average"] - table["population"], "SD": table["sd"], "average SE": table["average_se"],
         "coverage": table["cover"], "n": table["with_se"]}
    )  # fmt: skip


def toca():
    """The two-level latent transition model of section 4 and the truth behind `data/toca.csv`."""
    spec = importlib.util.spec_from_file_location("toca", Path(__file__).parents[2] / "data" / "toca.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.model(), module.truth()


CLASSROOMS = {"n": 1200, "clusters": 100}
SHORT = {"draws": 300, "tune": 300, "chains": 2}


def test_two_level_transitions_are_recovered_in_short():
    table = by_entry(studied(*toca(), 2, **CLASSROOMS))
    assert table["coverage"].mean() > 0.75
    assert table.loc["C2_explained[1]", "bias"] == pytest.approx(0, abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("nodes", [None, bm.trapezoid(15)], ids=["adaptive", "trapezoid"])
def test_two_level_transitions_are_recovered(nodes):
    """100 classrooms of 12, 100 replications: parameters, transitions and the percentages of section 4."""
    table = by_entry(studied(*toca(), 100, fit={"nodes": nodes}, **CLASSROOMS))
    print(f"\n{table.round(3).to_string()}\naverage coverage {table['coverage'].mean():.3f}")
    assert table["coverage"].mean() == pytest.approx(0.95, abs=0.03)
    assert table["coverage"].min() > 0.85
    assert (table["bias"].abs() < 0.25 * table["SD"] + 3 * table["SD"] / np.sqrt(table["n"])).all()


@pytest.mark.slow
@pytest.mark.parametrize(("effects", "replications"), [("sample", 12), ("integrate", 4)])
def test_nuts_covers_two_level_transitions(effects, replications):
    """Posterior intervals of the same, both settings of effects."""
    found = studied(*toca(), replications, estimator="nuts", sample=SHORT | {"effects": effects}, **CLASSROOMS)
    table = by_entry(found)
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
    table = by_kind(studied(model, truth, 4, n=1000, clusters=50))
    assert table["bias"].abs().max() < 0.35
    assert table["coverage"].min() >= 0.5


@pytest.mark.slow
@pytest.mark.parametrize("sd", [1.0, 2.0])
def test_two_level_lca_is_recovered(sd):
    """100 clusters of 20, 100 replications."""
    check(by_kind(studied(*two_level(sd), 100, n=2000, clusters=100)), 0.05, 0.03)


@pytest.mark.slow
def test_gom_is_recovered():
    """17 items, 2,000 persons, 50 replications."""
    check(by_kind(studied(*grades(), 50, n=2000)), 0.1, 0.03)


@pytest.mark.parametrize(("declared", "n"), [(guessed, 1000), (symptoms, 425)], ids=["3PL", "FMA"])
def test_factors_are_recovered_in_short(declared, n):
    table = by_kind(studied(*declared(), 2, n=n))
    print(f"\n{table.round(3).to_string()}")
    assert table.loc["loading", "bias"] == pytest.approx(0, abs=0.25)
    assert table["coverage"].min() > 0.6


@pytest.mark.slow
@pytest.mark.parametrize(("declared", "n"), [(guessed, 2000), (symptoms, 425)], ids=["3PL", "FMA"])
def test_factors_are_recovered(declared, n):
    """3PL, 2,000 persons x 20 items, and factor mixture, 425 x 18; 100 replications."""
    check(by_kind(studied(*declared(), 100, n=n)), 0.1, 0.05)


@pytest.mark.slow
def test_nuts_covers_the_truth():
    """Two-level LCA, 40 clusters of 15, 12 replications: intervals of the posterior."""
    sample = {"chains": 2, "draws": 500, "tune": 500}
    table = by_kind(studied(*two_level(1.0), 12, n=600, clusters=40, estimator="nuts", sample=sample))
    cover = np.average(table["coverage"], weights=table["n"])
    print(f"\ncoverage of {table['n'].sum()} intervals: {cover:.3f}")
    assert cover == pytest.approx(0.95, abs=0.05)


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
            post = bm.sample(fit, df, effects=effects, chains=2, seed=1, progress=False)
            table = bm.compare(fit, post).parameters
            means.append(table["mean"])
            errors.append(table["sd"] / np.sqrt(table["ess_bulk"]))
    gap = (means[0] - means[1]) / np.hypot(*errors)
    print(f"\nlargest difference: {gap.abs().max():.2f} Monte Carlo errors, over {len(gap)} parameters")
    assert gap.abs().max() < 4
