"""Nodes of a sampler are right at its draws, not only at the maximum, or it says so."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from bayesmix.models import lca

import bayesmix as bm
from bayesmix.bayes import datatree as draws
from bayesmix.bayes import node_audit, pymc_model
from bayesmix.data import Dataset
from bayesmix.graph import LogLikelihood

ITEMS = [f"u{k}" for k in range(5)]
MODEL = lca(ITEMS, 2, cluster="g", effects="factor")
FEW = {"draws": 30, "tune": 60, "chains": 2, "cores": 1, "seed": 1, "progress": False}


@pytest.fixture(scope="module")
def small():
    """A cluster effect that is small at the maximum, with its fit."""
    item = np.stack([np.zeros((2, 5)), np.array([[1.5] * 5, [-1.5] * 5])], axis=-1)
    truth = {"class_logit": [0.0, 0.0], "cluster_loading": np.array([[0.3, 0.0]]), "item_logit": item}
    df = bm.simulate(MODEL, truth, n=800, clusters=20, seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return df, bm.fit(MODEL, df, starts=3, finals=2, rounds=1, progress=False)


@pytest.fixture(scope="module")
def spread(small):
    """Draws whose effects vary more than at the maximum, as points of theta."""
    df, fit = small
    data = draws.data_at_fit(Dataset.encode(MODEL, df), None, fit)
    thetas = []
    for sd in (0.1, 0.3, 0.5, 0.8, 1.2):
        values = {k: x.values.copy() for k, x in fit.params.items()}
        values["cluster_loading"][0, 0] = sd
        thetas.append(data.pack(values))
    return data, np.array(thetas)


def test_the_audit_finds_draws_that_the_nodes_miss(spread, small):
    data, thetas = spread
    found = node_audit.audit(data, thetas)
    assert abs(found.differences[0]) < 0.01
    assert found.is_off
    fine = [bm.log_likelihood(MODEL, small[0], data.natural(t), nodes=bm.adaptive(31)) for t in thetas]
    used = [LogLikelihood(data).value(t) for t in thetas]
    np.testing.assert_allclose(found.differences, np.subtract(fine, used), atol=0.01)


def test_nodes_over_the_draws_are_right_at_all_of_them(spread):
    data, thetas = spread
    over = node_audit.over_points(data, thetas)
    assert not node_audit.audit(over, thetas).is_off
    better = node_audit.better(data, thetas)
    assert abs(node_audit.audit(better, thetas).worst) < 0.01


@pytest.mark.parametrize("given", [False, True])
def test_coarse_nodes_are_mended_once_or_said(given, small, monkeypatch):
    """Found too coarse, draws are made again with nodes over them; nodes that a user gave stay, with words."""
    df, fit = small
    monkeypatch.setattr(node_audit, "OFF", -1.0)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        post = bm.sample(fit, df, nodes=bm.trapezoid(15) if given else None, **FEW)
    words = " ".join(str(w.message) for w in said)
    assert ("sampling again with nodes that stand over these draws" in words) != given
    assert ("take more (nodes=)" in words) == given
    assert post["posterior"].sizes["draw"] == 30


def test_the_log_likelihoods_of_units_are_those_of_fresh_nodes(small):
    df, fit = small
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        post = bm.sample(fit, df, **FEW)
    total = post["log_likelihood"]["y"].sum("cluster").values
    for at in ((0, 3), (1, 20)):
        values = {
            p.name: post["posterior"][p.name].transpose("chain", "draw", *p.dims).values[at] for p in MODEL.parameters
        }
        assert total[at] == pytest.approx(bm.log_likelihood(MODEL, df, values, nodes=bm.adaptive(31)), abs=0.05)


def test_a_model_without_nodes_needs_no_audit(two_classes):
    data = bm.prepare(lca(["a", "b", "c"], 2), two_classes)
    assert not node_audit.audit(data, np.zeros((2, data.packing.size))).is_off
    assert node_audit.better(data, np.zeros((2, data.packing.size))) is None
    assert pymc_model.build_from(data).free_RVs
