"""Covariates as variables of the model: the log-likelihood against integrals over ordinary ones, row by row."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import logsumexp

import bayesmix as bm

STEP = 0.2
GRID = np.arange(-8.5, 8.6, STEP)
"""Where a covariate that misses is put, in SDs about its mean: the rule of trapezoids has no error to be seen there."""
FINE = bm.trapezoid(121, 8.0)


def frame(n: int = 24, seed: int = 0) -> pd.DataFrame:
    """Items and covariates of all kinds; x and v miss in every pattern, z and the categories k are complete."""
    rng = np.random.default_rng(seed)
    out = pd.DataFrame({f"b{i}": rng.integers(0, 2, n) for i in range(1, 5)}, dtype=float)
    for i in range(1, 4):
        out[f"y{i}"] = rng.normal(size=n)
    out["c1"] = rng.poisson(2.0, n)
    out["z"], out["k"] = rng.normal(size=n), np.resize(["p", "q", "r"], n)
    out["x"], out["v"] = 3 + 2 * rng.normal(size=n), rng.normal(size=n)
    out["g"] = np.arange(n) // 4
    out.loc[rng.random(n) < 0.15, "b1"] = np.nan
    out.loc[out.index % 4 == 1, "x"] = np.nan
    return out


LCA = [f"b{i}" for i in range(1, 5)]
PROFILES = ["y1", "y2", "y3"]
MODELS = {
    "classes": bm.models.lca(LCA, 2, "x + z"),
    "interactions": bm.models.lca(LCA, 2, "x * z + x:k"),
    "direct effect": bm.models.lca(LCA, 2, "x", item_covariates={"b1": "x"}),
    "profiles": bm.models.lca(PROFILES, 2, "x", family=bm.normal()),
    "covariances": bm.models.lca(PROFILES, 2, "x", family=bm.normal(), covariance="equal"),
    "transitions": bm.models.lta([LCA[:2], LCA[2:]], 2, "x", "x"),
    "regression": bm.models.regression_mixture("y1 ~ x + z", 2, "x"),
    "closed form": bm.models.regression_mixture("y1 ~ x * z", 2, "z"),
    "counts": bm.models.count_mixture(["c1"], 2, "x"),
    "factor": bm.models.fma(LCA, 2, "x", factor_covariates="x + z"),
    "grades": bm.models.gom(LCA, 2, "x"),
    "growth": bm.models.growth(PROFILES, 2, "z", factor_covariates="x"),
    "time-varying": bm.models.growth(PROFILES, 1, time_covariates={"y1": "x", "y2": "z", "y3": "v"}),
    "response": bm.models.irt_3pl(LCA, factor_covariates="x"),
}


TWO = {
    "two in classes": bm.models.lca(LCA, 3, "x + v + z"),
    "two in a regression": bm.models.regression_mixture("y1 ~ x + v", 2, "v"),
    "two in closed form": bm.models.regression_mixture("y1 ~ x + z:v", 2, "z"),
    "two at occasions": bm.models.growth(PROFILES, 1, time_covariates={"y1": "x", "y2": "z", "y3": "v"}),
}


def values_of(model: bm.Model, df: pd.DataFrame, seed: int) -> dict:
    """Random parameters by name, on their natural scale, on which covariates are as they came."""
    data = bm.prepare(model, df).on_user_scale()
    out = data.natural(0.4 * np.random.default_rng(seed).normal(size=data.packing.size))
    return out | {"guessing": 0.1 + 0.05 * np.arange(4.0)} if "guessing" in out else out


def completes(model: bm.Model, df: pd.DataFrame) -> np.ndarray:
    """The design columns behind ``x_slope``, a row a row."""
    data = bm.prepare(model, df).on_user_scale()
    found = data.arrays.get("complete_covariate")
    return np.zeros((len(df), 0)) if found is None else found.values[data.pattern_of]


def joint(values: dict, w: np.ndarray, own: list[str]) -> stats.multivariate_normal:
    """The density of covariates given complete ones, from their parameters."""
    mean = [values[f"{x}_mean"] + (values[f"{x}_slope"] @ w if len(w) else 0.0) for x in own]
    sd = np.array([values[f"{x}_sd"] for x in own], dtype=float)
    correlation = np.eye(len(own))
    if len(own) == 2:
        b = float(values[f"{own[1]}_on_{own[0]}"])
        correlation[0, 1] = correlation[1, 0] = b / np.sqrt(1 + b**2)
    return stats.multivariate_normal(np.array(mean, dtype=float), correlation * np.outer(sd, sd))


def places(df: pd.DataFrame, row: int, own: list[str], of: stats.multivariate_normal) -> tuple[np.ndarray, float]:
    """Points (point, covariate) of a row, where what misses is on a grid; the logarithm of the area of each."""
    sd, gone = np.sqrt(np.diag(np.atleast_2d(of.cov))), df[own].isna().to_numpy()[row]
    axes = [of.mean[k] + sd[k] * GRID if gone[k] else [df[x][row]] for k, x in enumerate(own)]
    return np.stack([a.ravel() for a in np.meshgrid(*axes, indexing="ij")], axis=1), np.log(STEP * sd[gone]).sum()


def by_rows(model: bm.Model, values: dict, df: pd.DataFrame, own: list[str], w: np.ndarray) -> list[float]:
    """Log-likelihoods of rows: the ordinary model wherever what misses may be, times the density of the covariates."""
    ordinary = {k: v for k, v in values.items() if not k.startswith(tuple(f"{x}_" for x in own))}
    of = [joint(values, w[row], own) for row in range(len(df))]
    grids = [places(df, row, own, of[row]) for row in range(len(df))]
    many = [df.iloc[[row] * len(points)].assign(**dict(zip(own, points.T, strict=True)))
            for row, (points, _) in enumerate(grids)]  # fmt: skip
    given = pd.concat([df.fillna(dict.fromkeys(own, 0.0)), *many], ignore_index=True)
    each = bm.log_likelihood(model, given, ordinary, units=True, nodes=fine(model)).fillna(0.0).to_numpy()[len(df) :]
    parts = np.split(each, np.cumsum([len(points) for points, _ in grids])[:-1])
    return [
        float(logsumexp(x + np.atleast_1d(of[row].logpdf(points)))) + step
        for row, (x, (points, step)) in enumerate(zip(parts, grids, strict=True))
    ]


def fine(model: bm.Model) -> bm.spec.Nodes | None:
    """Fine nodes where the model has effects without closed form."""
    methods = bm.prepare(model, frame().fillna({"x": 0.0, "v": 0.0})).nodes
    return None if all("Exact" in str(m) for m in methods.values()) else FINE


@pytest.mark.parametrize("name", MODELS)
def test_a_covariate_that_misses_is_integrated_over(name):
    df, model = frame(), MODELS[name]
    whole = bm.with_covariates(model, "x")
    values = values_of(whole, df, 3)
    expected = by_rows(model, values, df, ["x"], completes(whole, df))
    found = bm.log_likelihood(whole, df, values, units=True, nodes=fine(whole))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8)


TWO_LEVELS = {
    "random class logits": bm.models.lca(LCA, 2, "x + z", cluster="g"),
    "classes of clusters": bm.models.lca(LCA, 2, "x", cluster="g", cluster_classes=2),
    "random slope": bm.models.regression_mixture("y1 ~ x + z", 1, cluster="g", random="1 + x"),
    "slope by a covariate of clusters": bm.models.regression_mixture(
        "y1 ~ x", 1, cluster="g", random="1 + x", cluster_covariates="h"
    ),
    "random intercept": bm.models.regression_mixture("y1 ~ x", 1, cluster="g"),
}


@pytest.mark.parametrize("name", TWO_LEVELS)
def test_a_covariate_of_one_individual_of_a_cluster_misses(name):
    """The integral over clusters stands within that over the covariate: a cluster is a unit."""
    df, model = frame(20).assign(h=np.repeat([0.5, -1.0, 2.0, 0.0, 1.0], 4)), TWO_LEVELS[name]
    assert (df["x"].isna().groupby(df["g"]).sum() == 1).all()
    whole = bm.with_covariates(model, "x")
    values = values_of(whole, df, 7)
    w = completes(whole, df)
    ordinary = {k: v for k, v in values.items() if k not in ("x_mean", "x_slope", "x_sd")}
    nodes = {k: bm.trapezoid(81, 8.0) for k in ("individual", "cluster")}
    single = {k: v for k, v in nodes.items() if model.effects_at(k)}
    if name == "random intercept":
        nodes = single = None
    expected = []
    for _, mine in df.groupby("g"):
        row = df.index.get_loc(mine.index[mine["x"].isna()][0])
        points, step = places(df, row, ["x"], joint(values, w[row], ["x"]))
        here = pd.concat([mine.fillna({"x": x}).assign(g=100 + k) for k, x in enumerate(points[:, 0])])
        each = bm.log_likelihood(model, pd.concat([here, df.fillna({"x": 0.0})]), ordinary, units=True, nodes=single)
        of = [joint(values, w[df.index.get_loc(i)], ["x"]) for i in mine.index]
        known = sum(o.logpdf(x) for o, x in zip(of, mine["x"], strict=True) if not np.isnan(x))
        each = each[each.index >= 100].to_numpy() + joint(values, w[row], ["x"]).logpdf(points)
        expected.append(logsumexp(each) + step + known)
    found = bm.log_likelihood(whole, df, values, units=True, nodes=nodes)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", TWO)
def test_two_covariates_miss_in_every_pattern(name):
    df, model = frame(), TWO[name]
    df.loc[df.index % 5 < 2, "v"] = np.nan
    assert df[["x", "v"]].isna().value_counts().size == 4
    whole = bm.with_covariates(model, ["x", "v"])
    values = values_of(whole, df, 5)
    expected = by_rows(model, values, df, ["x", "v"], completes(whole, df))
    nodes = bm.trapezoid(61, 8.0) if fine(whole) else None
    found = bm.log_likelihood(whole, df, values, units=True, nodes=nodes)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8)
