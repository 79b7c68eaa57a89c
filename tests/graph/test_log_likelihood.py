"""The log-likelihood as an object: its methods agree, at one point and at many, at once and in batches."""

import numpy as np
import pytest
from bayesmix.models import fma_gom, lca
from numpy.testing import assert_allclose

import bayesmix as bm
from bayesmix.graph import LogLikelihood, batches, distinct, node_dims
from bayesmix.graph.unit_classes import Averages, normalised
from declare import random_values


@pytest.fixture(scope="module")
def df():
    rng = np.random.default_rng(2)
    import pandas as pd

    items = {k: rng.integers(0, 3, 60) for k in "abc"}
    return pd.DataFrame(items).assign(g=np.arange(60) % 6)


MODELS = {
    "ordinal": lca(list("abc"), 2, family=bm.ordinal(), cluster="g"),
    "nominal": lca(list("abc"), 2, family=bm.nominal(), cluster="g"),
    "factor mixture": fma_gom(list("abc"), 2, family=bm.ordinal(), cluster="g"),
}


@pytest.fixture(params=MODELS)
def problem(request, df):
    return bm.prepare(MODELS[request.param], df, {k: bm.gauss_hermite(4) for k in ("cluster", "individual")}
                      if request.param == "factor mixture" else bm.gauss_hermite(4))  # fmt: skip


def test_points_along_leading_axes_are_evaluated_each(problem):
    graph = LogLikelihood(problem)
    theta = np.stack([problem.pack(random_values(problem, seed)) for seed in range(4)]).reshape(2, 2, -1)
    values, gradients = graph.value_and_gradient(theta)
    assert graph.value(theta).shape == values.shape == (2, 2)
    assert gradients.shape == theta.shape
    for at in np.ndindex(2, 2):
        value, gradient = graph.value_and_gradient(theta[at])
        for found in (graph.value(theta[at]), values[at], graph.value(theta)[at]):  # sums are rounded otherwise
            assert found == pytest.approx(value, rel=1e-14)
        assert_allclose(gradients[at], gradient, rtol=1e-12, atol=1e-12)
        assert_allclose(graph.of_units(theta)[at], graph.of_units(theta[at]), rtol=1e-14)


def test_batches_of_clusters_are_the_whole(problem, monkeypatch):
    theta, probe = problem.pack(random_values(problem, 1)), ("cluster", *node_dims("cluster", problem.arrays))

    def everything(graph):
        return (
            graph.value(theta),
            graph.of_units(theta),
            *graph.value_and_gradient(theta),
            *graph.posterior(theta, probe),
        )

    before = everything(LogLikelihood(problem))
    monkeypatch.setattr(batches, "LARGE", 16)
    parts = LogLikelihood(problem)
    after = everything(parts)
    assert len(parts._batches) > 1 or "cluster_of" not in problem.arrays
    for one, other in zip(before, after, strict=True):
        assert_allclose(one, other, rtol=1e-10, atol=1e-12)


def test_posteriors_of_stacked_points_are_those_of_each(problem, monkeypatch):
    theta = np.stack([problem.pack(random_values(problem, seed)) for seed in range(4)]).reshape(2, 2, -1)
    level = "individual" if problem.model.classes_at("individual") else "cluster"
    dims = [(level, *node_dims(level, problem.arrays)), *((c.level, c.name) for c in problem.model.classes_at(level))]
    graph = LogLikelihood(problem)
    each = [graph.posterior(x, *dims) for x in theta.reshape(4, -1)]
    for k, p in enumerate(graph.posterior(theta, *dims)):
        assert p.shape == (2, 2, *each[0][k].shape)
        assert_allclose(p.reshape(4, *each[0][k].shape), [x[k] for x in each], rtol=1e-9, atol=1e-12)
        assert_allclose(normalised(p.reshape(4, *each[0][k].shape), 1).sum(axis=tuple(range(2, p.ndim - 1))), 1)
    monkeypatch.setattr("bayesmix.graph.compile.OF_MANY", 1)  # one point at a time
    for p, q in zip(LogLikelihood(problem).posterior(theta, *dims), graph.posterior(theta, *dims), strict=True):
        assert_allclose(p, q, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("entries", [1, 2**18])
def test_averages_over_points_count_those_that_repeat(df, monkeypatch, entries):
    monkeypatch.setattr("bayesmix.graph.compile.OF_MANY", entries)
    problem = bm.prepare(MODELS["nominal"], df, bm.gauss_hermite(4)).by_clusters()
    few = np.stack([problem.pack(random_values(problem, seed)) for seed in range(3)])
    theta = few[[[0, 0, 1, 2, 2], [2, 1, 0, 0, 2]]]
    dims, graph = ("individual", "C"), LogLikelihood(problem)
    each = np.stack([normalised(graph.posterior(x, dims)[0]) for x in theta.reshape(10, -1)])
    found = Averages.of(problem, theta, None, dims)
    assert_allclose(found.mean[dims], each.mean(axis=0), rtol=1e-10)
    assert_allclose(found.sd[dims], each.std(axis=0), rtol=1e-8, atol=1e-12)
    points, which, times = distinct(theta)
    assert_allclose(points[which], theta, rtol=0)
    assert sorted(times) == [2, 4, 4]
