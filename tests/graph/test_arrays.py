"""Sums, maxima and places of programs are NumPy's own, however an array lies in memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from bayesmix.graph.arrays import add_at, add_up, broadcast_to, largest, split


@st.composite
def reductions(draw):
    """An array of some layout, and axes to sum over: short and long ones, of one entry and of none."""
    shape = draw(st.lists(st.sampled_from([1, 2, 3, 7, 20, 70]), min_size=1, max_size=5))
    while np.prod(shape) > 50_000:
        shape.pop()
    order = draw(st.permutations(range(len(shape))))
    axes = draw(st.sets(st.integers(0, len(shape) - 1), min_size=1))
    x = np.random.default_rng(draw(st.integers(0, 99))).normal(size=shape).transpose(order)
    if draw(st.booleans()):
        x = x[tuple(slice(None, None, 2) for _ in shape)]
    for _ in range(draw(st.integers(0, 2))):
        x[tuple(draw(st.integers(0, n - 1)) for n in x.shape)] = draw(
            st.sampled_from([np.inf, -np.inf, np.nan, -1e300])
        )
    return x, tuple(sorted(axes))


@settings(max_examples=300, deadline=None)
@given(reductions())
def test_reductions_are_those_of_numpy(case):
    x, axes = case
    with np.errstate(invalid="ignore"):
        wanted, found = np.add.reduce(x, axes), add_up(x, axes)
    assert found.shape == wanted.shape
    assert_allclose(found, wanted, rtol=1e-11, atol=1e-11)
    assert_array_equal(largest(x, axes), np.maximum.reduce(x, axes))


@pytest.mark.parametrize("many", [3, 5000])
@pytest.mark.parametrize("lead", [(), (1,), (4,)])
def test_numbers_are_added_at_each_of_their_places(many, lead):
    rng = np.random.default_rng(1)
    x, at, y = rng.normal(size=(*lead, 9)), rng.integers(-9, 9, many), rng.normal(size=(*lead, many))
    wanted, kept = x.copy(), x.copy()
    for k, place in enumerate(at):
        wanted[..., place] += y[..., k]
    assert_allclose(add_at(x, (*[slice(None)] * len(lead), at), y), wanted, rtol=1e-12, atol=1e-12)
    assert_array_equal(x, kept)


def test_parts_and_equal_numbers():
    x = np.arange(12.0).reshape(2, 6)
    assert [p.shape for p in split(x, 1, (1, 0, 5))] == [(2, 1), (2, 0), (2, 5)]
    assert_array_equal(np.concatenate(split(x, 1, np.array([2, 4])), axis=1), x)
    for shape in ((2, 3), (50, 60)):
        assert_array_equal(broadcast_to(2.0, shape), np.full(shape, 2.0))
    assert broadcast_to(3, (2,)).dtype == int
    assert_array_equal(broadcast_to(x[0], (3, 6)), np.tile(x[0], (3, 1)))
