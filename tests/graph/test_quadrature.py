"""Nodes: weights, moments, products, refusals, and finer rules."""

from __future__ import annotations

from math import factorial

import numpy as np
import pandas as pd
import pytest
from bayesmix.models.fma import fma
from bayesmix.models.lca import lca
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import bayesmix as bm
from bayesmix.graph import LogLikelihood
from bayesmix.spec import count_nodes, from_text, root
from declare import frame, target

METHODS = [bm.trapezoid(), bm.trapezoid(4, 2.0), bm.gauss_hermite(7), bm.monte_carlo(100)]


def moment(method, power: int, n_effects: int = 1) -> float:
    """E of z_1^power."""
    z, log_weights = method.grid(n_effects)
    return float(np.exp(log_weights) @ z[:, 0] ** power)


@pytest.mark.parametrize("n_effects", [1, 2, 3])
@pytest.mark.parametrize("method", METHODS, ids=str)
def test_weights_sum_to_one(method, n_effects):
    z, log_weights = method.grid(n_effects)
    assert z.shape == (len(log_weights), n_effects)
    assert np.isfinite(log_weights).all()
    assert_allclose(np.exp(log_weights).sum(), 1.0, rtol=1e-12)


@given(st.integers(1, 60))
def test_one_dimension_is_symmetric(n):
    for method in (bm.trapezoid(n), bm.gauss_hermite(n)):
        z, log_weights = method.grid(1)
        assert_allclose(z[::-1, 0], -z[:, 0], atol=1e-12)
        assert_allclose(log_weights[::-1], log_weights, rtol=1e-9, atol=1e-9)


@given(st.integers(1, 12))
def test_gauss_hermite_is_exact_for_polynomials(n):
    for power in range(2 * n):
        expected = 0 if power % 2 else factorial(power) / (2 ** (power // 2) * factorial(power // 2))
        scale = factorial(power) ** 0.5  # odd moments are zero only up to the rounding of their terms
        assert_allclose(moment(bm.gauss_hermite(n), power), expected, rtol=1e-9, atol=1e-9 * scale)


@pytest.mark.parametrize(("power", "expected"), [(1, 0), (2, 1), (3, 0), (4, 3), (6, 15)])
def test_a_wide_trapezoid_has_the_normal_moments(power, expected):
    assert_allclose(moment(bm.trapezoid(61, 9.0), power), expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("effect", [0, 3, 5])
def test_monte_carlo_has_the_normal_moments(effect):
    """Within the error of a Sobol sequence, of order 1/n."""
    z, log_weights = bm.monte_carlo(4096).grid(6)
    weights = np.exp(log_weights)
    assert_allclose(weights @ z, 0.0, atol=5e-3)
    assert_allclose(z.T @ (weights[:, None] * z), np.eye(6), atol=2e-2)


def test_monte_carlo_is_fixed_by_its_seed():
    (a, _), (b, _), (c, _) = (bm.monte_carlo(50, seed).grid(2) for seed in (3, 3, 4))
    assert (a == b).all()
    assert not (a == c).any()


@pytest.mark.parametrize("method", METHODS[:3], ids=str)
def test_grids_are_products(method):
    z, log_weights = method.grid(1)
    both, log_both = method.grid(2)
    expected = {
        (a, b): u + v
        for a, u in zip(z[:, 0], log_weights, strict=True)
        for b, v in zip(z[:, 0], log_weights, strict=True)
    }
    assert len(both) == len(expected)
    assert_allclose(log_both, [expected[tuple(row)] for row in both], rtol=1e-14)


@pytest.mark.parametrize("make", [bm.trapezoid, bm.gauss_hermite, bm.monte_carlo])
@pytest.mark.parametrize("n", [0, -3, 2.5, "7", None])
def test_a_number_of_nodes_below_one_or_no_number_is_refused(make, n):
    with pytest.raises(ValueError, match=r"number of nodes came as .*: give a whole number of at least 1"):
        make(n)


@pytest.mark.parametrize("make", [bm.trapezoid, bm.gauss_hermite])
def test_too_many_nodes_are_refused_with_a_way_out(make):
    with pytest.raises(ValueError, match=r"31\^5 = 28,629,151 nodes.*fewer points, or nodes=bayesmix.monte_carlo"):
        make(31).grid(5)


def test_one_node_stands_at_the_mean():
    for method in (bm.trapezoid(1), bm.gauss_hermite(1)):
        z, log_weights = method.grid(2)
        assert (z == 0).all()
        assert (log_weights == 0).all()


def test_many_gauss_hermite_nodes_have_finite_weights():
    _, log_weights = bm.gauss_hermite(400).grid(1)
    assert np.isfinite(log_weights).all()


@pytest.mark.parametrize("method", [bm.trapezoid(1), bm.trapezoid(5), bm.gauss_hermite(5), bm.monte_carlo(64)], ids=str)
def test_finer_nodes_are_more_and_closer(method):
    """For a logistic-normal integral, as in class probabilities."""

    def error(nodes) -> float:
        z, log_weights = nodes.grid(1)
        fine, log_fine = bm.trapezoid(801, 10.0).grid(1)
        return abs(np.exp(log_weights) @ sigmoid(z[:, 0]) - np.exp(log_fine) @ sigmoid(fine[:, 0]))

    def sigmoid(x):
        return 1 / (1 + np.exp(-(1 + 3 * x)))

    assert len(method.finer().grid(1)[0]) > len(method.grid(1)[0])
    assert error(method.finer()) < error(method)


@pytest.mark.parametrize(
    "method", [bm.trapezoid(7, 4.5), bm.gauss_hermite(9), bm.monte_carlo(64, 3), bm.adaptive(5), bm.exact()], ids=str
)
def test_a_method_survives_as_text(method):
    assert from_text(str(method)) == method


@pytest.mark.parametrize("n_effects", [1, 2, 3])
def test_adaptive_nodes_integrate_the_density_of_the_effects_from_where_they_are_put(n_effects):
    rng = np.random.default_rng(n_effects)
    mean = 0.3 * rng.normal(size=(2, n_effects))
    scale = np.tril(0.1 * rng.uniform(-1, 1, size=(2, n_effects, n_effects)), -1) + np.eye(n_effects)
    order = [*reversed(range(n_effects))]
    scale = root(scale @ np.swapaxes(scale, 1, 2), order)
    grid = [25] * n_effects
    z, log_weights = np.zeros((2, *grid, n_effects)), np.zeros((2, *grid))
    for k, (over, own, log_weight) in enumerate(bm.adaptive(25).placed(mean, scale, order)):
        shape = (2, *(25 if m in over else 1 for m in range(n_effects)))
        z[..., k] = own.reshape(shape)
        log_weights = log_weights + log_weight.reshape(shape)
    weights = np.exp(log_weights).reshape(2, -1)
    assert weights.sum(axis=1) == pytest.approx(1.0, abs=1e-4)
    assert np.einsum("un,unk->uk", weights, z.reshape(2, -1, n_effects)) == pytest.approx(np.zeros_like(mean), abs=1e-3)


def test_the_stencil_reads_off_a_quadratic():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(3, 3))
    curvature, slope = a @ a.T, rng.normal(size=3)
    z, curve, first = bm.exact().stencil(3)
    f = 1.5 + z @ slope - 0.5 * np.einsum("nk,kl,nl->n", z, curvature, z)
    assert np.einsum("n,nkl->kl", f, curve) == pytest.approx(curvature)
    assert f @ first == pytest.approx(slope)


REFUSED = {
    "a billion points": (lambda: bm.trapezoid(10**9), r"came as 1,000,000,000: give at most 200,000"),
    "as many of Gauss-Hermite": (lambda: bm.gauss_hermite(10**9), "give at most"),
    "as many by Monte Carlo": (lambda: bm.monte_carlo(10**12), "give at most"),
    "as many adaptive ones": (lambda: bm.adaptive(10**6), "give at most"),
    "a truth value": (lambda: bm.adaptive(True), "came as True: give a whole number"),
    "a seed below zero": (lambda: bm.monte_carlo(10, -1), r"seed of the nodes came as -1: give a whole number .*\.$"),
    "a seed that is no number": (lambda: bm.monte_carlo(10, 1.5), r"seed of the nodes came as 1\.5"),
    "a limit as text": (lambda: bm.trapezoid(15, "5"), "limit of the nodes came as '5'"),
    "a limit that is a truth value": (lambda: bm.trapezoid(15, True), "limit of the nodes came as True"),
    "a product over effects": (lambda: bm.adaptive(100_000).grid(3), r"100000\^3 = 1,000,000,000,000,000 nodes"),
}


@pytest.mark.parametrize(("make", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_nodes_is_refused_before_memory_is_taken(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_nodes_times_units_are_refused_before_memory_is_taken():
    model = lca(["b1", "b2"], 2, cluster="g")
    with pytest.raises(ValueError, match=r"units of the level 'cluster' makes a table of .* entries, more than"):
        bm.prepare(model, frame(0, clusters=6000, rows=2), bm.adaptive(200_000))
    both = fma(["b1", "b2", "b3"], 2, family=bm.bernoulli(), cluster="g")
    with pytest.raises(ValueError, match="nodes over both levels, more than"):
        bm.prepare(both, frame(0), bm.trapezoid(20_000))


@pytest.mark.parametrize("method", [bm.trapezoid(15), bm.gauss_hermite(15), bm.adaptive(7)], ids=str)
def test_finer_nodes_are_no_more_than_there_may_be(method):
    for n_effects in range(1, 5):
        finer = method.finer(n_effects)
        assert method.n < finer.n <= 2 * method.n + 1
        assert count_nodes(finer, n_effects) <= 200_000
    with pytest.raises(ValueError, match="no finer nodes"):
        type(method)(21).finer(4)


def test_whole_numbers_of_numpy_are_numbers():
    assert from_text(str(bm.monte_carlo(np.int64(8), np.int64(2)))) == bm.monte_carlo(8, 2)


# how fine nodes are -------------------------------------------------------------------------------

ITEMS = ["b1", "b2", "b3", "b4"]


def far_out(level: str, sd: float):
    """A model with one effect of large SD, its data and parameters."""
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(12), rng.integers(1, 61, 12))
    df = pd.DataFrame(rng.integers(0, 2, (len(g), 4)), columns=ITEMS).assign(g=g)
    intercept = rng.normal(0, 0.7, (2, 4))
    if level == "cluster":
        values = {"class_logit": [0.3, 0.0], "cluster_loading": [[sd, 0.0]], "item_intercept": intercept}
        return lca(ITEMS, 2, family=bm.bernoulli(), cluster="g"), df, values
    loading = {"loading": np.full(4, sd), "class_logit": [0.3, 0.0], "item_intercept": intercept}
    return fma(ITEMS, 2, family=bm.bernoulli()), df, loading


@pytest.mark.parametrize("units", [False, True])
@pytest.mark.parametrize("sd", [0.5, 3.0, 5.0])
@pytest.mark.parametrize("level", ["cluster", "individual"])
def test_nodes_that_are_left_out_are_fine_enough_for_the_log_likelihood(level, sd, units):
    model, df, values = far_out(level, sd)
    fine = bm.log_likelihood(model, df, values, nodes=bm.trapezoid(2001, 8.0), units=units)
    found = bm.log_likelihood(model, df, values, units=units)
    assert np.abs(np.asarray(found) - np.asarray(fine)).max() < 0.01


def test_nodes_that_are_given_and_too_few_are_said():
    model, df, values = far_out("cluster", 5.0)
    with pytest.warns(UserWarning, match=r"Finer nodes change the log-likelihood by .* take more \(nodes=\)\.$"):
        bm.log_likelihood(model, df, values, nodes=bm.trapezoid(5))


@pytest.mark.filterwarnings("ignore:Finer nodes")
@pytest.mark.parametrize("sd", [0.1, 0.7, 1.5])
@pytest.mark.parametrize("level", ["cluster", "individual"])
def test_one_adaptive_node_is_the_approximation_of_laplace(level, sd):
    """The mode of each unit's integrand by a search on a fine grid, its curvature by differences."""
    model, df, values = far_out(level, sd)
    data = target(model, df, bm.trapezoid(4001, 8.0))
    theta = data.pack({k: np.asarray(v) for k, v in values.items()})
    z, log_weights = data.nodes[level].grid(1)
    (weights,) = LogLikelihood(data).posterior(theta, (level, f"node_{level}_1"))
    weights = weights / weights.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        height = np.log(weights) + LogLikelihood(data).of_units(theta)[:, None] - log_weights - 0.5 * z[:, 0] ** 2
    top, step = height.argmax(axis=1), z[1, 0] - z[0, 0]
    beside = [height[np.arange(len(top)), top + k] for k in (-1, 0, 1)]
    curvature = -(beside[0] - 2 * beside[1] + beside[2]) / step**2
    expected = beside[1] - 0.5 * np.log(curvature)
    found = bm.log_likelihood(model, df, values, nodes=bm.adaptive(1), units=True)
    per_unit = expected if level == "cluster" else expected[data.pattern_of]
    assert_allclose(found, per_unit, atol=2e-3)


def test_one_adaptive_node_is_refused_where_parameters_are_estimated():
    with pytest.raises(ValueError, match=r"adaptive\(1\), Laplace's approximation, came where parameters are"):
        bm.fit(lca(ITEMS, 2, cluster="g"), far_out("cluster", 1.0)[1], nodes=bm.adaptive(1))
