"""Supports: there and back, symbolic as numeric, slopes, shapes, ends, messages."""

from __future__ import annotations

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.testing import assert_allclose, assert_array_equal

import bayesmix as bm
from bayesmix.graph import numpy_mode
from bayesmix.spec import MODERATE_SD, SUPPORTS, Support
from bayesmix.spec.parameters import Packing, Parameter

SHAPES = array_shapes(min_dims=2, max_dims=4, max_side=4)
EACH = pytest.mark.parametrize("support", SUPPORTS.values(), ids=SUPPORTS)
COORDS = {"effect": [1, 2], "C": [1, 2, 3]}


def unconstrained(support: Support, size: float = 6.0) -> st.SearchStrategy[np.ndarray]:
    """Values that an optimiser may have of a support: within 0 and 1, or from -`size` to `size`."""
    lowest, largest = (0.0, 1.0) if support.name == "probability" else (-size, size)
    return arrays(float, SHAPES, elements=st.floats(lowest, largest, allow_subnormal=False))


def _compiled(support: Support):
    z = {n: pt.tensor("z", shape=(None,) * n, dtype="float64") for n in (2, 3, 4)}
    with pytensor.config.change_flags(cxx=""):
        each = {n: pytensor.function([x], support.forward(x, pt), mode=numpy_mode()) for n, x in z.items()}
    return lambda value: each[value.ndim](value)


SYMBOLIC = {name: _compiled(s) for name, s in SUPPORTS.items()}


@EACH
@given(st.data())
def test_there_and_back_is_the_same(support, data):
    z = data.draw(unconstrained(support))
    expected = np.abs(z) if support.is_effect_sd else z
    assert_allclose(support.inverse(support.forward(z)), expected, rtol=1e-12, atol=1e-12 * np.exp(12))
    x = support.forward(z)
    assert_allclose(support.forward(support.inverse(x)), x, rtol=1e-12, atol=1e-12)


@EACH
@given(st.data())
def test_symbolic_values_are_the_numeric_ones(support, data):
    z = data.draw(unconstrained(support, 300.0))
    assert_allclose(SYMBOLIC[support.name](z), support.forward(z), rtol=1e-15)


@EACH
@given(st.data())
def test_natural_values_lie_within_the_bounds(support, data):
    z = data.draw(unconstrained(support))
    x, (lower, upper) = support.forward(z), support.bounds
    assert (x >= (-np.inf if lower is None else lower)).all()
    assert (x <= (np.inf if upper is None else upper)).all()
    assert not support.is_ordered or (np.diff(x, axis=-1) >= 0).all()


@EACH
@given(st.data())
def test_slopes_are_those_of_differences(support, data):
    z = data.draw(unconstrained(support, 3.0))
    z = np.abs(z) + 0.1 if support.is_effect_sd else z
    step = 1e-6
    for at in np.ndindex(z.shape):
        e = np.zeros(z.shape)
        e[at] = step
        slope = (support.forward(z + e) - support.forward(z - e))[at] / (2 * step)
        assert_allclose(support.log_slope(support.forward(z))[at], np.log(slope), atol=1e-5)


@EACH
@given(st.data())
def test_search_bounds_stand_where_the_support_ends(support, data):
    z = data.draw(unconstrained(support))
    for largest in (50.0, np.inf):
        lower, upper = support.search_bounds(z.shape, largest)
        assert lower.shape == upper.shape == z.shape
        assert (lower < upper).all()
        x = support.forward(np.clip(z, lower, upper))
        assert np.isfinite(support.inverse(x)).all()
    loadings = support.loadings(z.shape, 0.7)
    assert loadings.shape == z.shape
    assert support.is_triangular or (loadings == 0.7).all()


@EACH
@given(st.data())
def test_moderate_values_stay_and_others_come_inside(support, data):
    x = support.forward(data.draw(unconstrained(support)))
    centre, unit = np.zeros(x.shape), np.ones(x.shape)
    moderate = support.moderate(x, centre, unit)
    again = support.moderate(moderate, centre, unit)
    assert support.is_ordered or np.allclose(again, moderate, rtol=1e-12, atol=1e-12)  # thresholds pushed out move on
    assert np.isfinite(support.inverse(moderate)).all()
    ends = np.concatenate([moderate - e for e in support.bounds if e is not None] or [np.ones(1)])
    assert (np.abs(ends) >= 0.02 - 1e-12).all()
    assert not support.is_ordered or (np.diff(moderate, axis=-1) >= MODERATE_SD - 1e-9).all()


@given(arrays(float, (3, 2, 4), elements=st.floats(-2, 2)), st.permutations(range(4)))
def test_canonical_loadings_have_the_same_covariances(z, order):
    cholesky = SUPPORTS["cholesky"]
    x = np.triu(cholesky.forward(z))[..., list(order)]
    turned = cholesky.canonical(x)
    assert_allclose(np.swapaxes(turned, -1, -2) @ turned, np.swapaxes(x, -1, -2) @ x, rtol=1e-9, atol=1e-9)
    assert_array_equal(turned, np.triu(turned))
    assert (np.diagonal(turned, axis1=-2, axis2=-1) >= -1e-12).all()


def test_what_supports_fix_of_themselves():
    assert_array_equal(SUPPORTS["cholesky"].structure((2, 3)), [[np.nan] * 3, [0.0, np.nan, np.nan]])
    assert_array_equal(SUPPORTS["unit"].structure((2, 3)), [[1.0, 0.0, np.nan], [0.0, 1.0, np.nan]])
    assert_array_equal(SUPPORTS["cholesky"].effect_sds((2, 3)), np.eye(2, 3))
    packing = Packing((Parameter("a", ("effect", "C"), "cholesky"), Parameter("b", ("effect", "C"), "unit")), COORDS)
    assert packing.size == 5 + 2


def test_boundaries_of_each_support():
    assert SUPPORTS["positive"].inverse(np.zeros(1)) == -np.inf
    assert SUPPORTS["positive"].inverse(SUPPORTS["positive"].reachable(np.zeros(1))) == np.log(1e-300)
    assert SUPPORTS["sd"].inverse(np.zeros(1)) == 0.0
    assert np.isnan(SUPPORTS["sd"].inverse(np.full(1, -0.1)))
    assert_array_equal(np.isfinite(SUPPORTS["cholesky"].inverse(np.array([[0.0, -1.0], [0.0, 0.0]]))), True)
    assert_array_equal(
        SUPPORTS["ordered"].shiftable(np.array([[True, False], [False, True]])), [[True] * 2, [False] * 2]
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("positiv", r"'sigma' came as 'positiv', but there are real, positive, .*: did you mean 'positive'\?"),
        ("xyzzy", r"there are real, positive, sd, probability, ordered, cholesky, unit, covariance: give one of them"),
        (None, r"came as None"),
        (["real"], r"came as \['real'\]"),
    ],
)
def test_supports_that_there_are_not_are_refused(name, words):
    with pytest.raises(ValueError, match=words):
        bm.Parameter("sigma", (), name)
