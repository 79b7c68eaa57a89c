"""The log-likelihood as an object: its methods agree, at one point and at many, at once and in batches."""

import numpy as np
import pytest
from bayesmix.models import fma_gom, lca
from numpy.testing import assert_allclose

import bayesmix as bm
from bayesmix.graph import LogLikelihood, batches, node_dims
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
        assert graph.value(theta[at]) == value == values[at] == graph.value(theta)[at]
        assert_allclose(gradients[at], gradient, rtol=0, atol=0)
        assert_allclose(graph.of_units(theta)[at], graph.of_units(theta[at]), rtol=0, atol=0)


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
