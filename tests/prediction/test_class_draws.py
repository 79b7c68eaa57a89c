"""Draws of classes: frequencies and joint frequencies against a second likelihood."""

import numpy as np
import pytest
from bayesmix.models import gom, lca, lta
from numpy.testing import assert_allclose

import bayesmix as bm
from declare import carried, frame, oracle_for, random_values
from oracle import tabulate
from solved import drawn_around, solved

BINARY = ["b1", "b2", "b3", "b4"]
NODES = bm.trapezoid(5, 2.5)
MODELS = {
    "lca": lambda: lca(BINARY, 2),
    "two-level": lambda: lca(BINARY, 2, cluster="g"),
    "classes of clusters": lambda: lca(BINARY, 2, cluster="g", cluster_classes=2),
    "both": lambda: lca(BINARY, 2, cluster="g", cluster_classes=2, effects="factor"),
    "lta": lambda: lta([["b1", "b2"], ["b3", "b4"]], 2, cluster="g"),
}
N = 1200


def known(model, df):
    nodes = NODES if model.effects else None
    data = bm.prepare(model, df, nodes)
    return solved(model, df, nodes=nodes, **random_values(data, 5, 1.5)), data, nodes


def joint_of_two(oracle, unit: int, rows: list, classes: list) -> np.ndarray:
    """P(classes of one row, classes of another | the data of their cluster), by every state of the cluster."""
    total = 0.0
    inside = list(oracle.rows.values())[unit]
    for here, effects, prior in oracle.states("cluster", {}, {}, inside[0], unit):
        each = {row: oracle.individual(row, here, effects) for row in inside}
        weight = prior * np.prod([sum(q for _, q in each[row]) for row in inside])
        one, other = (tabulate(each[row], tuple(classes)).ravel() for row in rows)
        total = total + weight * np.outer(one, other)
    return total / total.sum()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore:Finer nodes")
def test_frequencies_are_the_probabilities_and_joint_ones_too(name):
    df, model = frame(seed=2, clusters=4), MODELS[name]()
    fit, data, nodes = known(model, df)
    drawn = bm.class_draws(fit, df, draws=N, seed=1, nodes=nodes)
    assert drawn.sizes["draw"] == N
    oracle = oracle_for(data, df, {str(k): v.values for k, v in fit.params.items()})
    seen = df[BINARY].notna().any(axis=1).to_numpy()
    assert drawn["row"].values.tolist() == df.index[seen].tolist()
    error = 4.5 * np.sqrt(0.25 / N)
    for c in model.classes:
        of_rows = c.level == "individual"
        p = oracle.row_posterior(c.name)[seen] if of_rows else oracle.cluster_posterior(c.name)
        share = np.stack([(drawn[c.name].values[0] == k).mean(axis=0) for k in (1, 2)], axis=1)
        assert_allclose(share, p, atol=error)
    if not model.two_level:
        return
    names = [c.name for c in model.classes_at("individual")]
    rows = [r for r in list(oracle.rows.values())[1] if seen[r]][:2]
    expected = joint_of_two(oracle, 1, rows, names)
    path = sum((drawn[k].sel(row=df.index[rows]).values[0] - 1) * 2**e for e, k in enumerate(reversed(names)))
    k = 2 ** len(names)
    found = np.bincount(path[:, 0] * k + path[:, 1], minlength=k * k).reshape(k, k) / N
    assert_allclose(found, expected, atol=error)


def test_a_class_of_a_cluster_and_one_of_its_individuals_are_drawn_together():
    """They are dependent: the joint frequencies are those of the joint posterior, not products of margins."""
    df, model = frame(seed=2, clusters=4, missing=0.0), lca(
        BINARY, 2, cluster="g", cluster_classes=2, items_by_cluster_class=True)  # fmt: skip
    fit, data, _ = known(model, df)
    drawn = bm.class_draws(fit, df, draws=N, seed=2)
    names = [c.name for c in model.classes_at("cluster") + model.classes_at("individual")]
    expected = oracle_for(data, df, {str(k): v.values for k, v in fit.params.items()})
    row = 0
    states = expected.row_posterior(names[1])
    unit = sorted(df["g"].unique()).index(df["g"].iloc[row])
    above, below = drawn[names[0]].values[0, :, unit] - 1, drawn[names[1]].values[0, :, row] - 1
    joint = np.bincount(above * 2 + below, minlength=4).reshape(2, 2) / N
    assert_allclose(joint.sum(axis=0), states[row], atol=4.5 * np.sqrt(0.25 / N))
    inside, total = list(expected.rows.values())[unit], np.zeros((2, 2))
    for here, effects, prior in expected.states("cluster", {}, {}, inside[0], unit):
        each = {r: expected.individual(r, here, effects) for r in inside}
        weight = prior * np.prod([sum(q for _, q in each[r]) for r in inside])
        total[here[names[0]]] += weight * tabulate(each[row], (names[1],))
    assert_allclose(joint, total / total.sum(), atol=4.5 * np.sqrt(0.25 / N))


def test_of_a_posterior_there_is_one_for_each_draw():
    df, model = frame(clusters=4), lca(BINARY, 2, freq="f")
    fit, _, _ = known(model, df)
    post = drawn_around(fit, 0.0)
    post.attrs = carried(model, categories=fit.info["categories"], coding=fit.info["coding"])
    drawn = bm.class_draws(post, df, seed=3)
    n = int(df.loc[df[BINARY].notna().any(axis=1), "f"].sum())
    assert drawn["C"].shape == (2, 30, n)
    assert bm.class_draws(post, df, draws=7)["draw"].values.tolist() == [0, 5, 10, 14, 19, 24, 29]
    assert drawn.equals(bm.class_draws(post, df, seed=3))
    assert not drawn.equals(bm.class_draws(post, df, seed=4))
    with pytest.raises(ValueError, match="draws came as 31, but each chain has 30"):
        bm.class_draws(post, df, draws=31)
    with pytest.raises(ValueError, match="draws came as 0"):
        bm.class_draws(post, df, draws=0)


def test_a_model_without_such_classes_is_refused():
    df, model = frame(clusters=4), gom(BINARY, 2, family=bm.bernoulli())
    fit, _, nodes = known(model, df)
    with pytest.raises(ValueError, match="no class variable of individuals or clusters to draw"):
        bm.class_draws(fit, df, nodes=nodes)
