"""Starts that climb side by side: each ends where it would alone, at the maximum within the bounds."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import optimize

from bayesmix.ml.ascent import climb


def rosenbrock(x, which):
    value = -optimize.rosen(x.T)
    return value, -np.array([optimize.rosen_der(at) for at in x])


def nowhere(x):
    return np.zeros(len(x), dtype=bool)


def ends(function, origins, lower=-np.inf, upper=np.inf, iterations=500, gone=nowhere):
    n = origins.shape[1]
    found = climb(function, origins, np.full(n, lower), np.full(n, upper), iterations, gone)
    return sorted(found, key=lambda end: end.which)


def test_climbs_end_at_the_maximum():
    origins = np.random.default_rng(0).normal(size=(7, 5))
    found = ends(rosenbrock, origins)
    assert [end.which for end in found] == list(range(7))
    for end in found:
        assert end.value == pytest.approx(0.0, abs=1e-6) or end.value == pytest.approx(-3.93, abs=0.01)
        assert np.abs(end.gradient).max() < 1e-2
        assert end.value == rosenbrock(end.point[None], None)[0][0]


def test_a_climb_does_not_depend_on_those_beside_it():
    origins = np.random.default_rng(1).normal(size=(4, 5))
    together = ends(rosenbrock, origins)
    for k, end in enumerate(together):
        (alone,) = ends(rosenbrock, origins[k : k + 1])
        assert_allclose(alone.point, end.point, rtol=0, atol=1e-12)
        assert alone.iterations == end.iterations


@pytest.mark.parametrize("seed", range(4))
def test_bounds_hold_and_the_maximum_within_them_is_found(seed):
    rng = np.random.default_rng(seed)
    root, top = rng.normal(size=(6, 6)), rng.normal(size=6) * 2
    curve = root @ root.T + np.eye(6)

    def quadratic(x, which):
        away = x - top
        return -0.5 * np.einsum("ri,ij,rj->r", away, curve, away), -away @ curve

    found = ends(quadratic, rng.uniform(-0.5, 0.5, size=(3, 6)), -0.5, 0.5)
    best = optimize.minimize(
        lambda x: -quadratic(x[None], None)[0][0], np.zeros(6), method="L-BFGS-B", bounds=[(-0.5, 0.5)] * 6,
        jac=lambda x: -quadratic(x[None], None)[1][0], options={"ftol": 1e-15, "gtol": 1e-10},
    )  # fmt: skip
    for end in found:
        assert (np.abs(end.point) <= 0.5).all()
        assert end.value == pytest.approx(-best.fun, abs=1e-7)


def test_a_start_without_a_value_ends_and_the_others_go_on():
    def with_a_hole(x, which):
        value, gradient = rosenbrock(x, which)
        return np.where(which == 1, np.nan, value), gradient

    found = ends(with_a_hole, np.random.default_rng(2).normal(size=(3, 4)))
    assert found[1].value == -np.inf
    assert found[1].iterations == 0
    assert all(np.isfinite(found[k].value) for k in (0, 2))


def test_a_climb_that_is_lost_ends():
    found = ends(rosenbrock, np.array([[3.0, 3.0], [0.5, 0.5]]), gone=lambda x: x[:, 0] > 1.5)
    assert found[0].iterations == 0
    assert found[1].iterations > 5


def test_a_step_beyond_the_top_is_shortened():
    """The density rises without end along one way; the top that is on the way there is found all the same."""

    def with_a_spike(x, which):
        a = x[:, 0]
        value = -((a - 1.0) ** 2) + np.exp(4.0 * (a - 6.0))
        return value, (-2.0 * (a - 1.0) + 4.0 * np.exp(4.0 * (a - 6.0)))[:, None]

    (end,) = ends(with_a_spike, np.array([[-3.0]]), upper=7.0)
    assert end.point[0] == pytest.approx(1.0, abs=1e-4)


def test_an_interruption_hands_on_where_all_are():
    calls = []

    def interrupted(x, which):
        calls.append(1)
        if len(calls) == 9:
            raise KeyboardInterrupt
        return rosenbrock(x, which)

    def ends_of(function):
        for end in climb(function, origins, np.full(4, -9.0), np.full(4, 9.0), 99, nowhere):
            kept.append(end)
        return ()

    origins, kept = np.random.default_rng(3).normal(size=(3, 4)), []
    with pytest.raises(KeyboardInterrupt):
        kept.extend(ends_of(interrupted))
    assert len(kept) == 3
    assert all(end.stopped for end in kept)
    assert all(np.isfinite(end.value) for end in kept)
