"""Effects with a dim of nodes each, against one grid of all of them that is passed as one dim."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bayesmix.models.regression_mixture import regression_mixture
from numpy.testing import assert_allclose

import bayesmix as bm
from bayesmix.graph import LogLikelihood, adapt_nodes, effect_order, effect_posteriors, node_dims
from bayesmix.graph.nodes import without_nodes
from bayesmix.spec import Named
from declare import W, X, effect, frame, logits, mean, measure, model, on_logits, random_values, target

ON_U1 = mean("u2", effects=("u1",))


def two_of_clusters():
    """Both in a density, one in the class logits too; the mean of the second depends on the first."""
    of_class = logits("C", more=(on_logits("C", effects=("u2",)), on_logits("C", covariates=X, tag="x")))
    y = measure("normal", "C", effects=("u1",))
    return model([y], [of_class], [effect("u1"), effect("u2", mean=(ON_U1,))], two_level=True)


def three_of_clusters():
    """A density on one, class logits on two others, an effect of whose mean is a regression on both before it."""
    parts = (on_logits("C", effects=("u1", "u3")), on_logits("C", covariates=X, tag="x"))
    effects = [effect("u1"), effect("u2", mean=(mean("u2", covariates=W),))]
    effects += [effect("u3", mean=(mean("u3", effects=("u1", "u2")),))]
    return model([measure("normal", "C", effects=("u2",))], [logits("C", more=parts)], effects, two_level=True)


def of_a_class():
    """Means and SDs of two effects depend on the class of the cluster."""
    effects = [effect("u1", mean=(mean("u1", "D"),), sd_by=("D",)), effect("u2", mean=(mean("u2", "D"), ON_U1))]
    classes = [logits("D", level="cluster"), logits("C", "D", more=(on_logits("C", effects=("u1",)),))]
    responses = [measure("binary", "C"), measure("normal", "C", effects=("u2",))]
    return model(responses, classes, effects, two_level=True)


def two_of_individuals():
    """A factor each of two kinds of items, the second regressed on the first."""
    responses = [measure("binary", "C", effects=("u1",)), measure("ordinal"), measure("count", effects=("u2",))]
    effects = [effect("u1", "individual", mean=(mean("u1", "C"),)), effect("u2", "individual", mean=(ON_U1,))]
    return model(responses, [logits("C")], effects)


def three_of_individuals():
    """Three factors, the class logits on one of them."""
    responses = [measure(kind, effects=(u,)) for kind, u in (("binary", "u1"), ("normal", "u2"))]
    effects = [effect("u1", "individual"), effect("u2", "individual", mean=(ON_U1,))]
    effects += [effect("u3", "individual", mean=(mean("u3", "C", effects=("u1", "u2")),))]
    responses += [measure("count", "C", effects=("u1", "u3"))]
    return model(responses, [logits("C", more=(on_logits("C", covariates=X),))], effects)


def of_both_levels():
    """Two effects of clusters and two of individuals, whose means depend on the former."""
    effects = [effect("u1"), effect("u2", mean=(ON_U1,))]
    effects += [effect("v1", "individual", mean=(mean("v1", effects=("u1",)),))]
    effects += [effect("v2", "individual", mean=(mean("v2", effects=("v1", "u2")),))]
    responses = [measure("binary", effects=("v1",)), measure("normal", "C", effects=("v2",))]
    return model(responses, [logits("C", more=(on_logits("C", effects=("u2",)),))], effects, two_level=True)


MODELS = [two_of_clusters, three_of_clusters, of_a_class, two_of_individuals, three_of_individuals, of_both_levels]
METHODS = [bm.trapezoid(5), bm.gauss_hermite(4), bm.adaptive(4)]


def jointly(data):
    """The same nodes as one dim of each level, every effect over all of it."""
    arrays = dict(data.arrays)
    for level in data.nodes:
        dims, arrays = node_dims(level, data.arrays), without_nodes(replace(data, arrays=arrays), [level])
        own = {k: x for k, x in data.arrays.items() if k not in without_nodes(data, [level])}
        size = {d: n for x in own.values() for d, n in zip(x.dims, x.values.shape, strict=True)}
        lead = tuple(d for d in (level,) if d in size)
        whole = (*lead, *dims)

        def wide(x, size=size, whole=whole, lead=lead):
            there = x.values.reshape([size[d] if d in x.dims else 1 for d in whole])
            return np.broadcast_to(there, [size[d] for d in whole]).reshape(*(size[d] for d in lead), -1)

        z = np.stack([wide(own[f"z_{level}_{k + 1}"]) for k in range(len(dims))], axis=-1)
        log_weight = sum(wide(own[f"log_weight_{level}_{k + 1}"]) for k in range(len(dims)))
        arrays[f"z_{level}"] = Named((*lead, f"node_{level}", f"effect_{level}"), z)
        arrays[f"log_weight_{level}"] = Named((*lead, f"node_{level}"), log_weight)
    return replace(data, arrays=arrays)


SLOW = ("three_of_clusters", "three_of_individuals", "of_both_levels")
CASES = [
    pytest.param(f, m, id=f"{f.__name__}-{type(m).__name__}", marks=[pytest.mark.slow] * (k > 0 and f.__name__ in SLOW))
    for f in MODELS
    for k, m in enumerate(METHODS)
]
"""Of models with many nodes one method by default."""


@pytest.mark.parametrize(("declared", "method"), CASES)
def test_a_dim_of_nodes_for_each_effect_is_the_product_as_one_dim(declared, method):
    data = target(declared(), frame(clusters=5, rows=5), method)
    theta = data.pack(random_values(data, seed=1, scale=0.5))
    data = adapt_nodes(data, theta, steps=3)
    joint = jointly(data)
    assert all(len(node_dims(level, joint.arrays)) == 1 < len(node_dims(level, data.arrays)) for level in data.nodes)
    (value, gradient), (same, alike) = (LogLikelihood(d).value_and_gradient(theta) for d in (data, joint))
    assert_allclose(value, same, rtol=1e-12)
    assert_allclose(gradient, alike, rtol=1e-9, atol=1e-9)
    assert_allclose(LogLikelihood(data).of_units(theta), LogLikelihood(joint).of_units(theta), rtol=1e-11)
    for level in data.nodes:
        probes = [(level, *node_dims(level, d.arrays)) for d in (data, joint)]
        found = [LogLikelihood(d).posterior(theta, p)[0] for d, p in zip((data, joint), probes, strict=True)]
        assert_allclose(found[0].reshape(found[1].shape), found[1], rtol=1e-9, atol=1e-12)
    effects = [effect_posteriors(d, theta) for d in (data, joint)]
    for name, (eap, sd) in effects[0].items():
        assert_allclose(eap, effects[1][name][0], rtol=1e-9, atol=1e-11)
        assert_allclose(sd, effects[1][name][1], rtol=1e-6, atol=1e-8)


def test_nodes_of_what_is_dear_come_first():
    """A density of each individual varies over 7 nodes of its effect, the class logits over those of both."""
    assert effect_order(three_of_clusters(), "cluster")[0] == 1
    fig = regression_mixture("y ~ x", 2, "x", cluster="g", covariance="independent")
    names = [e.name for e in fig.effects_at("cluster")]
    order = effect_order(fig, "cluster")
    in_density = {e for t in fig.responses[0].predictor for e in t.effects}
    assert names[order[0]] in in_density
    assert names[order[1]] not in in_density
    data = target(fig, frame().assign(y=lambda d: d["y1"].fillna(0.0)), bm.adaptive(3))
    moved = adapt_nodes(data, np.zeros(data.packing.size), steps=2)
    assert moved.arrays[f"z_cluster_{order[0] + 1}"].dims == ("cluster", f"node_cluster_{order[0] + 1}")
    assert len(moved.arrays[f"z_cluster_{order[1] + 1}"].dims) == 3
