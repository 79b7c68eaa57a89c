"""What large data cost, counted: entries of arrays, rows that meet a response's table, copies; what stays as it was."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from bayesmix.models.lca import lca
from bayesmix.models.lta import lta
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal
from scipy import special

import bayesmix as bm
from bayesmix.data import patterns
from bayesmix.data.row_ranks import by_bytes, by_number, equal_rows
from bayesmix.graph import LogLikelihood, adapt_nodes, batches, entries, posterior
from bayesmix.parallel import side_by_side, submitted

ITEMS = [f"u{k}" for k in range(6)]
SIDES = np.stack([np.zeros((2, 6)), np.array([[1.2] * 6, [-1.2] * 6])], axis=-1)
EFFECT = {"class_logit": np.array([0.3, 0.0]), "cluster_loading": np.array([[1.0, 0.0]]), "item_logit": SIDES}


def random_logits(n: int, clusters: int, seed: int = 1):
    """Two classes whose logit varies between clusters, and data of theirs."""
    model = lca(ITEMS, 2, cluster="g")
    return model, bm.simulate(model, EFFECT, n=n, clusters=clusters, seed=seed)[[*ITEMS, "g"]]


def point(problem, seed: int = 0):
    return 0.5 * np.random.default_rng(seed).standard_normal(problem.packing.size)


# equal rows ---------------------------------------------------------------------------------------

NUMBERS = st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.5, 1e300, -1e-300, np.nan])


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(float, st.tuples(st.integers(1, 30), st.integers(1, 5)), elements=NUMBERS))
def test_equal_rows_are_those_of_numpy(x):
    plain = np.where(np.isnan(x), -np.inf, x + 0.0)
    _, first, which = np.unique(plain, axis=0, return_index=True, return_inverse=True)
    got, of_row = equal_rows(x.T, by_number)
    assert_array_equal(got, first)
    assert_array_equal(of_row, which.ravel())
    as_bytes = np.ascontiguousarray(plain).view(np.dtype((np.void, 8 * x.shape[1]))).ravel()
    _, first, which = np.unique(as_bytes, return_index=True, return_inverse=True)
    got, of_row = equal_rows(x.T, by_bytes)
    assert_array_equal(got, first)
    assert_array_equal(of_row, which)


def test_more_keys_than_an_integer_has_room_for():
    x = np.random.default_rng(0).integers(0, 500, (400, 12)).astype(float)
    x = np.concatenate([x, x[:50]])
    first, which = equal_rows(x.T, by_number)
    rows, expected = np.unique(x, axis=0, return_inverse=True)
    assert_array_equal(x[first], rows)
    assert_array_equal(which, expected.ravel())


def test_no_column_is_refused():
    with pytest.raises(ValueError, match="give at least one"):
        equal_rows([])


# what is counted ----------------------------------------------------------------------------------


def test_each_row_of_answers_meets_the_table_once():
    model, df = random_logits(4000, 40)
    problem = bm.prepare(model, df)
    features = problem.arrays["nominal:features"]
    assert features.dims == ("item", "feature", "answers_nominal")
    assert features.values.shape[-1] <= len(df[ITEMS].drop_duplicates()) + 1  # and an empty slot's
    assert len(problem.counts) >= 1500


def test_occasions_have_few_rows_of_answers_though_there_are_many_patterns():
    waves = [[f"{i}{t}" for i in "abcdef"] for t in (1, 2)]
    rng = np.random.default_rng(1)
    df = pd.DataFrame(rng.integers(0, 2, (2000, 12)), columns=[i for w in waves for i in w])
    problem = bm.prepare(lta(waves, 2), df)
    assert len(problem.counts) > 1000
    assert {v.values.shape[-1] for k, v in problem.arrays.items() if k.endswith(":features")} == {64}


@pytest.mark.parametrize("kind", ["effect", "classes"])
def test_arrays_grow_with_the_rows_and_no_faster(kind):
    sizes = []
    for n in (4000, 16000):
        clusters = n // 20
        model, df = random_logits(n, clusters)
        model = model if kind == "effect" else lca(ITEMS, 2, cluster="g", cluster_classes=2)
        problem = bm.prepare(model, df)
        largest = max(v.values.size for v in problem.arrays.values())
        assert largest <= 2 * n  # no table of clusters by patterns, of rows by nodes or by items
        sizes.append(sum(v.values.size for v in problem.arrays.values()))
    assert sizes[1] / sizes[0] < 4.2


def test_batches_are_bounded_and_taken_once(monkeypatch):
    model, df = random_logits(3000, 60)
    problem = bm.prepare(model, df)
    monkeypatch.setattr(batches, "LARGE", 3000)
    parts = batches.batched(problem)
    assert len(parts) > 5
    assert all(len(b.data.counts) * entries(problem) <= 3000 for b in parts)
    moved = adapt_nodes(problem, point(problem))
    again = batches.batched(moved)
    for a, b in zip(parts, again, strict=True):
        assert a.data.arrays["nominal:answers"].values is b.data.arrays["nominal:answers"].values
        assert_array_equal(b.data.arrays["z_cluster_1"].values, moved.arrays["z_cluster_1"].values[b.clusters])
    other = bm.prepare(model, df.assign(u0=1 - df["u0"]))  # same shapes, other rows: nothing of the former is taken
    assert (
        batches.batched(other)[0].data.arrays["nominal:answers"].values
        is not parts[0].data.arrays["nominal:answers"].values
    )


# what is left unchanged ---------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [False, True])
def test_shared_answers_change_no_number(monkeypatch, missing):
    model, df = random_logits(1500, 30)
    if missing:
        df = df.astype(float).mask(np.random.default_rng(2).random(df.shape) < 0.1).assign(g=df["g"])
    probes = [("individual", "C"), ("cluster", "node_cluster_1")]

    def everything():
        problem = bm.prepare(model, df)
        theta, graph = point(problem), LogLikelihood(problem)
        return "nominal:answers" in problem.arrays, [*graph.value_and_gradient(theta), *graph.posterior(theta, *probes)]

    monkeypatch.setattr(patterns, "WORTH_ANSWERS", 1)
    shared, found = everything()
    monkeypatch.setattr(patterns, "WORTH_ANSWERS", np.inf)
    apart, expected = everything()
    assert (shared, apart) == (True, False)
    for a, b in zip(found, expected, strict=True):
        assert_allclose(a, b, rtol=1e-10, atol=1e-10)


def test_clusters_in_cells_have_the_log_likelihood_of_a_loop():
    model = lca(ITEMS, 2, cluster="g", cluster_classes=2)
    _, df = random_logits(900, 12)
    problem = bm.prepare(model, df)
    assert "cell_cluster" in problem.arrays
    theta = point(problem)
    v = problem.natural(theta)
    of_items = special.log_softmax(v["item_logit"], axis=-1)
    of_rows = sum(of_items[:, k, df[i].to_numpy()] for k, i in enumerate(ITEMS))  # (class, row)
    within = special.logsumexp(special.log_softmax(v["class_logit"], axis=-1)[:, :, None] + of_rows, axis=1)
    each = pd.DataFrame(within.T).groupby(df["g"].to_numpy()).sum().to_numpy()
    expected = special.logsumexp(special.log_softmax(v["cluster_class_logit"]) + each, axis=1)
    assert_allclose(LogLikelihood(problem).of_units(theta), expected, rtol=1e-11)
    assert_array_equal(problem.cluster_sizes, df.groupby("g").size())


@pytest.mark.parametrize("size", [10, 4000])
def test_nodes_find_narrow_posteriors_of_large_clusters(size):
    """22 countries of 4,000 have posteriors a thirtieth as wide as the effect's distribution."""
    model, df = random_logits(22 * size, 22)
    problem = bm.prepare(model, df)
    theta = problem.pack(EFFECT)
    problem = adapt_nodes(problem, theta)
    u = np.linspace(-6, 6, 12001)
    of_items = special.log_softmax(SIDES, axis=-1)
    rows, counts = np.unique(df[[*ITEMS, "g"]].to_numpy(), axis=0, return_counts=True)
    of_rows = sum(of_items[:, k, rows[:, k].astype(int)] for k in range(len(ITEMS)))  # (class, row)
    of_class = special.log_softmax(np.stack([0.3 + u, 0.0 * u]), axis=0)
    expected, means = [], []
    for j in np.unique(rows[:, -1]):
        here = rows[:, -1] == j
        log = np.logaddexp(*(of_rows[c, here][:, None] + of_class[c] for c in range(2)))
        height = counts[here] @ log - 0.5 * u**2 - 0.5 * np.log(2 * np.pi)
        expected.append(special.logsumexp(height) + np.log(u[1] - u[0]))
        weight = special.softmax(height)
        means.append((weight @ u, np.sqrt(weight @ u**2 - (weight @ u) ** 2)))
    assert_allclose(LogLikelihood(problem).of_units(theta), expected, atol=2e-4)
    (mean, sd), at = next(iter(posterior.effect_posteriors(problem, theta).values())), np.array(means)
    assert_allclose(mean, at[:, 0], atol=2e-4)
    assert_allclose(sd, at[:, 1], rtol=2e-3)


# threads ------------------------------------------------------------------------------------------


def test_threads_change_no_bit(monkeypatch):
    model, df = random_logits(3000, 60)
    problem = bm.prepare(model, df)
    monkeypatch.setattr(batches, "LARGE", 5000)
    theta, found = point(problem), []
    for n in ("1", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", n)
        found.append(LogLikelihood(problem).value_and_gradient(theta))
    assert found[0][0] == found[1][0]
    assert_array_equal(found[0][1], found[1][1])


def test_threads_have_the_settings_of_their_caller_and_workers_have_one(monkeypatch):
    monkeypatch.setattr("bayesmix.parallel.cores", lambda: 2)

    def here(_=None):
        meet = threading.Barrier(2)
        with np.errstate(divide="ignore"):
            return side_by_side(
                [lambda: (np.log(np.zeros(1))[0], threading.get_ident(), meet.wait(5)) for _ in range(2)]
            )

    assert len({ident for _, ident, _ in here()}) == 2
    with ThreadPoolExecutor(1) as pool:
        (found,) = submitted(pool, [None], lambda _: side_by_side([threading.get_ident] * 3))
    assert len(set(found)) == 1
