"""Nodes: weights, moments, products, refusals, and finer rules."""

from __future__ import annotations

from math import factorial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import bayesmix as bm
from bayesmix.quadrature import from_text

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
    z, log_weights = bm.adaptive(25).placed(mean, scale)
    weights = np.exp(log_weights)
    assert weights.sum(axis=1) == pytest.approx(1.0, abs=1e-4)
    assert np.einsum("un,unk->uk", weights, z) == pytest.approx(np.zeros_like(mean), abs=1e-3)


def test_the_stencil_reads_off_a_quadratic():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(3, 3))
    curvature, slope = a @ a.T, rng.normal(size=3)
    z, curve, first = bm.exact().stencil(3)
    f = 1.5 + z @ slope - 0.5 * np.einsum("nk,kl,nl->n", z, curvature, z)
    assert np.einsum("n,nkl->kl", f, curve) == pytest.approx(curvature)
    assert f @ first == pytest.approx(slope)
