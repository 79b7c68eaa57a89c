"""Scales: intervals by one formula are those of the formula of each kind; quantities and what is kept of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from bayesmix.spec import FISHER_Z, IDENTITY, LOG, LOGIT, SCALES, SQRT, Z95, Quantity, shown

INSIDE = {"identity": (-50, 50), "log": (1e-6, 1e4), "sqrt": (0, 1e4), "logit": (0, 1), "fisher_z": (-1, 1)}
ERRORS = st.floats(0.0, 5.0) | st.just(float("nan"))


def values(name: str, open_ends: bool = False) -> st.SearchStrategy[float]:
    """Values that a scale is for; with `open_ends` those off its ends."""
    least, most = INSIDE[name]
    return st.floats(least, most).filter(lambda x: not open_ends or least + 1e-6 < x < most - 1e-6)


def by_kind(name: str, x: float, se: float) -> tuple[float, float]:
    """The interval by a formula of its own for each scale."""
    with np.errstate(all="ignore"):
        x, se = np.float64(x), np.float64(se)
        if name == "identity":
            return x - Z95 * se, x + Z95 * se
        if name == "log":
            factor = np.exp(Z95 * se / x)
            return x / factor, x * factor
        if name == "sqrt":
            sd, half = np.sqrt(x), Z95 * se / (2 * np.sqrt(x))
            return np.maximum(sd - half, 0.0) ** 2, (sd + half) ** 2
        if name == "fisher_z":
            z, half = np.arctanh(x), Z95 * se / (1 - x**2)
            return np.tanh(z - half), np.tanh(z + half)
        logit, half = np.log(x / (1 - x)), Z95 * se / (x * (1 - x))
        usable = (x > 1e-6) & (x < 1 - 1e-6) & (se > 0)
        lower, upper = (1 / (1 + np.exp(-np.where(usable, logit + s * half, np.nan))) for s in (-1, 1))
        return lower, upper


@pytest.mark.parametrize("name", SCALES)
@given(st.data())
def test_intervals_are_those_of_each_kind(name, data):
    x, se = data.draw(values(name)), data.draw(ERRORS)
    se = se if name != "log" else min(se, 100 * x)  # no further than exp(200)
    ends, expected = SCALES[name].interval(x, se), by_kind(name, x, se)
    assert_allclose(ends, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", SCALES)
@given(st.data())
def test_scales_go_back_and_their_slopes_are_those_of_differences(name, data):
    x, scale = data.draw(values(name, open_ends=True)), SCALES[name]
    assert_allclose(scale.inverse(scale.forward(np.float64(x))), x, rtol=1e-9, atol=1e-9)
    room = min(abs(x - end) for end in INSIDE[name])
    step = 1e-4 * room
    slope = (scale.forward(np.float64(x + step)) - scale.forward(np.float64(x - step))) / (2 * step)
    assert_allclose(scale.slope(np.float64(x)), slope, rtol=1e-5)


def test_intervals_at_the_ends():
    assert_array_equal(SQRT.interval(0.0, 0.1), (0.0, np.inf))
    assert_array_equal(LOGIT.interval([0.0, 1.0, 0.5], [0.1, 0.1, 0.0]), np.full((2, 3), np.nan))
    assert_array_equal(FISHER_Z.interval(1.0, np.nan), (np.nan, np.nan))
    assert_array_equal(IDENTITY.interval(2.0, 0.0), (2.0, 2.0))
    assert_allclose(LOG.interval(2.0, 1.0), (2.0 / np.exp(Z95 / 2), 2.0 * np.exp(Z95 / 2)))


@pytest.mark.parametrize(
    "quantity",
    [
        Quantity("C_probability", "class size", "C"),
        Quantity("cluster_icc", "icc", "C", "cluster"),
        Quantity("random_variance", "variance"),
        Quantity("guessing", "parameter", scale="logit"),
        Quantity("nu", "parameter"),
    ],
)
def test_what_is_kept_of_a_quantity_says_what_it_is(quantity):
    assert Quantity.read(quantity.name, quantity.attrs) == quantity
    assert all(isinstance(v, str) and v for v in quantity.attrs.values())  # NetCDF keeps no empty text


def test_scales_and_groups_of_kinds():
    kinds = {"class size": "logit", "sd": "log", "variance": "sqrt", "icc": "logit", "correlation": "fisher_z"}
    kinds |= {"covariance matrix": "identity", "difficulty": "identity", "share": "logit", "path effect": "identity"}
    assert {k: Quantity("x", k).scale for k in kinds} == kinds
    assert [Quantity("x", k).group for k in ("parameter", "transition", "sd")] == [
        "parameter",
        "probability",
        "derived",
    ]
    assert Quantity.read("a user's variable", {}) is None
    assert Quantity.read("a user's variable", {"kind": "his"}) is None


def test_entries_worth_a_row():
    matrix = np.array([[1.0, 0.5], [0.5, 1.0]])
    assert_array_equal(shown("correlation matrix", matrix), [[False, False], [True, False]])
    assert_array_equal(shown("correlation", np.array(0.5)), True)
    assert_array_equal(shown("variance", np.zeros(2)), [True, True])
    assert_array_equal(shown("sd", np.array([0.4, 1e-150])), [True, False])
    assert_array_equal(shown("difficulty", np.array([0.0, np.nan])), [True, False])
