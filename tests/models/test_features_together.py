"""What one feature means is the same beside the others: weights are repeated rows, and equal groups are no groups."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from bayesmix.models import count_mixture, fma, gom, growth, irt_3pl, lca, lta, regression_mixture

import bayesmix as bm
from bayesmix.data import Dataset
from bayesmix.graph import LogLikelihood
from bayesmix.ml import Target, ranges

BINARY = bm.bernoulli()
NODES = bm.trapezoid(7, 4.0)


@pytest.fixture(scope="module")
def df():
    """160 rows with answers of all kinds, covariates, groups, clusters, some known classes and gaps."""
    rng = np.random.default_rng(5)
    n = 160
    out = pd.DataFrame({k: rng.integers(0, 2, n) for k in ("a", "b", "c", "d", "e", "f")})
    out = out.assign(
        **{k: rng.normal(size=n) for k in ("y", "z", "v", "x")}, **{k: rng.poisson(2, n) for k in ("k", "l")}
    )
    out = out.assign(o=rng.integers(1, 4, n), n=rng.integers(3, 6, n), g=np.arange(n) % 2, h=np.arange(n) % 16)
    out = out.assign(m=rng.integers(0, 3, n), hours=rng.uniform(1, 3, n))
    out = out.assign(group=np.where(np.arange(n) % 16 < 8, "u", "w"))
    out["known"] = np.where(rng.random(n) < 0.3, rng.integers(1, 3, n), np.nan)
    out.loc[::7, ["a", "y"]] = np.nan
    out.loc[3::11, ["b", "z"]] = np.nan
    return out.assign(times=rng.integers(1, 4, n), q=out["x"].where(out.index % 5 > 0))


MODELS: dict[str, Any] = {
    "lca": lambda **k: lca(list("abc"), 2, "x", BINARY, **k),
    "known": lambda **k: lca(list("abc"), 2, None, BINARY, known="known", **k),
    "item covariates": lambda **k: lca(list("abc"), 2, None, BINARY, item_covariates={"a": "x"}, **k),
    "offset": lambda **k: lca(list("kl"), 2, None, bm.poisson(), offset="log(hours)", **k),
    "inflated": lambda **k: lca(list("kl"), 2, None, bm.zero_inflated_negative_binomial(), **k),
    "inflated by covariates": lambda **k: count_mixture(["k", "l"], 2, inflation="x", **k),
    "normal covariates": lambda **k: bm.with_covariates(lca(list("abc"), 2, "q + v", BINARY, **k), "q"),
    "normal covariates of outcomes": lambda **k: bm.with_covariates(
        regression_mixture("y + z ~ q", 2, "v", **k), "q"
    ),
    "binomial": lambda **k: lca(["m"], 2, None, bm.binomial("n"), **k),
    "censored": lambda **k: lca(["y", "z"], 2, None, bm.censored_normal(lower=-3.5), variance="class", **k),
    "ordinal": lambda **k: lca(["o", "a"], 2, None, bm.ordinal(), **k),
    "partial credit": lambda **k: fma(["o", "a", "b"], 1, None, bm.partial_credit(), **k),
    "clusters": lambda **k: lca(list("abc"), 2, "x", BINARY, cluster="h", **k),
    "classes of clusters": lambda **k: lca(list("abc"), 2, None, BINARY, cluster="h", cluster_classes=2, **k),
    "factor": lambda **k: fma(list("abcd"), 2, None, BINARY, **k),
    "3pl": lambda **k: irt_3pl(list("abc"), **k),
    "gom": lambda **k: gom(list("abc"), 2, family=BINARY, **k),
    "transitions": lambda **k: lta([["a", "b"], ["c", "d"]], 2, family=BINARY, **k),
    "random intercept": lambda **k: lta([["a", "b"], ["c", "d"]], 2, family=BINARY, random_intercept="one", **k),
    "stayers": lambda **k: lta([["a", "b"], ["c", "d"], ["e", "f"]], 2, family=BINARY, stayers=True, **k),
    "additive": lambda **k: lta(
        [["a", "b"], ["c", "d"], ["e", "f"]], 2, family=BINARY, order=2, additive=True, **k
    ),
    "regression": lambda **k: regression_mixture("y ~ x", 2, "hours", cluster="h", **k),
    "several outcomes": lambda **k: regression_mixture("y ~ x; z ~ x + v", 2, "hours", **k),
    "outcomes of several families": lambda **k: regression_mixture(
        ["y + z ~ x", "a ~ v"], 2, None, {"a": BINARY}, cluster="h", **k
    ),
    "counts": lambda **k: count_mixture(["k", "l"], 2, **k),
}  # fmt: skip
WITHOUT_GROUPS: dict[str, Any] = {
    "covariances": lambda: lca(["y", "z"], 2, None, bm.normal(), "class", covariance="class"),
    "growth": lambda: growth(["y", "z", "v"], 2),
    "growth in long form": lambda: growth("y ~ x", 2, id="h", factors="1"),
}


def target(model, df):
    """The rows as a problem of the search."""
    return Target.of(Dataset.encode(model, df), {e.level: NODES for e in model.effects} or None)


def point(data, seed: int = 0):
    """Some theta within what a search may reach."""
    limits = ranges(data)
    return limits.within(limits.center + 0.2 * limits.unit * np.random.default_rng(seed).normal(size=data.packing.size))


@pytest.mark.parametrize("name", [*MODELS, *WITHOUT_GROUPS])
def test_whole_weights_are_repeated_rows(name, df):
    model = (MODELS | WITHOUT_GROUPS)[name]()
    if name != "known":
        df = df.drop(columns="known")
    rows = df.loc[df.index.repeat(df["times"])].reset_index(drop=True)
    weighted, repeated = target(bm.survey(model, weights="times", scaling="unscaled"), df), target(model, rows)
    theta = point(repeated)  # covariates are centred by the weights, so that it is the same point for both
    (one, slope), (other, slope_of_rows) = (LogLikelihood(x).value_and_gradient(theta) for x in (weighted, repeated))
    assert float(one) == pytest.approx(float(other), rel=1e-9)
    np.testing.assert_allclose(slope, slope_of_rows, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_equal_groups_are_no_groups(name, df):
    """With every entry that differs by group at the value of the pooled model, the log-likelihood is that model's."""
    pooled, model = MODELS[name](), MODELS[name](group="group")
    alone, grouped = target(pooled, df), target(model, df)
    theta = point(alone)
    known = alone.natural(theta)
    dims = {p.name: p.dims for p in pooled.parameters}
    values = {}
    for p in model.parameters:
        x = np.asarray(known.get(p.name, np.ones(()) if p.domain.is_effect_sd else np.zeros(())))
        missing = [k for k, d in enumerate(p.dims) if d == "group" and d not in dims.get(p.name, ())]
        x = np.expand_dims(x, missing) if p.name in dims else x
        values[p.name] = np.broadcast_to(x, grouped.packing.shape(p))
    found = LogLikelihood(grouped).value(grouped.pack(values))
    assert float(found) == pytest.approx(float(LogLikelihood(alone).value(theta)), rel=1e-9)
