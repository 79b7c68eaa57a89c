"""Parameters to and from the flat vector: round trips, fixed entries, supports, names, messages."""

from __future__ import annotations

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy import special

import bayesmix as bm
from bayesmix.graph import numpy_mode
from bayesmix.spec.parameters import Packing, Parameter, lower, natural

COORDS = {"C": [1, 2, 3], "item": ["a", "b"], "threshold": [1, 2, 3, 4]}
PARAMETERS = (
    Parameter("level"),
    Parameter("logit", ("item", "C"), fixed=(bm.at(0.0, C=-1), bm.at(1.5, C=0, item=1))),
    Parameter("sd", ("C",), "positive", fixed=(bm.at(2.0, C=1),)),
    Parameter("tau", ("item", "threshold"), "ordered", fixed=(bm.at(-1.0, threshold=0), bm.at(0.5, threshold=1))),
    Parameter("g", ("item", "C"), "probability", fixed=(bm.at(0.2, C=2, item=0), bm.at(0.0, C=2, item=1))),
)
ABSENT = {"tau": np.array([[False] * 4, [False, False, False, True]])}
PACKING = Packing(PARAMETERS, COORDS, ABSENT)
PROBABILITIES = np.arange(PACKING.size) >= PACKING.size - 4
THETA = arrays(float, PACKING.size, elements=st.floats(-8, 8)).map(
    lambda x: np.where(PROBABILITIES, special.expit(x), x)  # the optimiser keeps them within their bounds
)


def _to_natural():
    theta = pt.vector("theta")
    tensors = [natural(theta, p, PACKING.index[p.name], PACKING.fixed[p.name]).values for p in PARAMETERS]
    with pytensor.config.change_flags(cxx=""):
        function = pytensor.function([theta], lower(tensors), mode=numpy_mode())
    return lambda theta: dict(zip((p.name for p in PARAMETERS), function(theta), strict=True))


to_natural = _to_natural()


@given(THETA)
def test_natural_and_back_is_the_same(theta):
    assert_allclose(PACKING.pack(to_natural(theta)), theta, rtol=1e-9, atol=1e-9)  # log of a difference of sums


@given(THETA)
def test_natural_values_lie_in_their_supports(theta):
    values = to_natural(theta)
    assert (values["sd"] > 0).all()
    assert (np.diff(values["tau"], axis=-1) >= 0).all()
    assert ((values["g"][:, :2] > 0) & (values["g"][:, :2] < 1)).all()


@given(THETA)
def test_fixed_entries_stand_at_their_natural_values(theta):
    values = to_natural(theta)
    assert_array_equal(values["logit"][:, -1], 0.0)
    assert values["logit"][1, 0] == 1.5
    assert_allclose(values["sd"][1], 2.0, rtol=1e-15)
    assert_allclose(values["tau"][:, :2], [[-1.0, 0.5]] * 2, rtol=1e-15)
    assert_allclose(values["g"][:, 2], [0.2, 0.0], rtol=1e-15)


def test_parameters_may_all_be_fixed():
    p = Parameter("tau", ("item",), fixed=(bm.at(0.7),))
    packing, theta = Packing((p,), COORDS), pt.vector("theta")
    x = lower(natural(theta, p, packing.index["tau"], packing.fixed["tau"]).values)
    assert packing.size == 0
    assert_array_equal(x.eval({theta: np.zeros(0)}, mode=numpy_mode()), [0.7, 0.7])


def test_fixed_and_absent_entries_are_not_counted():
    assert PACKING.size == 1 + 3 + 2 + 3 + 4
    assert sorted(np.concatenate([i[i >= 0] for i in map(np.ravel, PACKING.index.values())])) == list(range(13))


@given(THETA)
def test_fixed_entries_may_be_missing_or_what_they_are_and_nothing_else(theta):
    values = to_natural(theta)
    values["logit"][:, -1] = np.nan
    assert_allclose(PACKING.pack(values), theta, rtol=1e-9, atol=1e-9)
    values["logit"][:, -1] = 77.0
    with pytest.raises(ValueError, match=r"logit\[a, 3\] came as 77, but is fixed at 0, .*subtract the reference's"):
        PACKING.pack(values)


@given(THETA)
def test_names_that_are_no_parameter_are_refused(theta):
    with pytest.raises(ValueError, match=r"'logits' is no parameter of this model, .* did you mean 'logit'\?"):
        PACKING.pack(to_natural(theta) | {"logits": np.zeros(3)})


@given(THETA)
def test_raw_values_are_the_entries_of_theta(theta):
    raw = PACKING.unpack_raw(theta)
    back = np.full_like(theta, np.nan)
    for name, i in PACKING.index.items():
        back[i[i >= 0]] = raw[name][i >= 0]
    assert_array_equal(back, theta)
    assert raw["sd"][1] == np.log(2.0)
    assert raw["g"][0, 2] == 0.2


@given(arrays(float, (2, 4), elements=st.floats(-50, 50)))
def test_unconstrained_values_of_each_support(x):
    assert_array_equal(PARAMETERS[1].domain.inverse(x), x)
    assert_allclose(PARAMETERS[2].domain.inverse(np.exp(x)), x, rtol=1e-12, atol=1e-12)
    steps = np.cumsum(np.exp(x / 25), axis=-1)
    assert_allclose(PARAMETERS[3].domain.inverse(steps)[..., 1:], x[..., 1:] / 25, rtol=1e-11, atol=1e-11)
    p = special.expit(x / 5)
    assert_array_equal(PARAMETERS[4].domain.inverse(p), p)
    assert_array_equal(PARAMETERS[4].domain.forward(p), p)
    assert np.isnan(PARAMETERS[4].domain.inverse(np.array([-0.1, 1.1]))).all()
    assert_array_equal(PARAMETERS[4].domain.inverse(np.array([0.0, 1.0])), [0.0, 1.0])


def test_names_label_every_entry_in_order():
    assert PACKING.names() == [
        "level", "logit[a, 1]", "logit[a, 2]", "logit[b, 2]", "sd[1]", "sd[3]", "tau[a, 3]", "tau[a, 4]", "tau[b, 3]",
        "g[a, 1]", "g[a, 2]", "g[b, 1]", "g[b, 2]",
    ]  # fmt: skip


def test_a_fixed_scalar_is_no_entry():
    packing = Packing((Parameter("one", fixed=(bm.at(1.0),)), Parameter("two")), {})
    assert packing.names() == ["two"]
    assert packing.unpack_raw(np.array([3.0])) == {"one": 1.0, "two": 3.0}


def test_a_positive_parameter_may_be_fixed_at_zero():
    packing = Packing((Parameter("sd", (), "positive", fixed=(bm.at(0.0),)), Parameter("two")), {})
    assert np.exp(packing.unpack_raw(np.zeros(1))["sd"]) == 0


def _with(**changes):
    measured = {"sd": [1.0, 2.0, 1.0], "tau": [[-1, 0.5, 1, 2]] * 2, "g": [[0.3, 0.3, np.nan]] * 2}
    return {"level": 0.3, "logit": [[0.0] * 3, [1.5, 0.0, 0.0]]} | measured | changes


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"level": 1.0}, r"No value for the parameter 'logit'; the model has level, logit, sd, tau, g"),
        (_with(sd=[1.0, 1.0, 1.0]), r"sd\[2\] came as 1, but is fixed at 2"),
        (_with(tau=[[-1, 0.5, 1, 2], [-1, 0.5, 1, 3]]), r"tau\[b, 4\] came as 3, but the data have no such category"),
        (_with(logit=np.zeros((3, 2))), r"'logit' came with shape \(3, 2\), expected \(2, 3\) = \(item, C\)"),
        (_with(sd=[1.0, 1.0, -1.0]), r"'sd' came with a value outside its support \(positive\): \[-1"),
        (_with(tau=[[-1, 0.5, 1, 0.9]] * 2), r"'tau' came with a value outside its support \(ordered\)"),
        (_with(g=np.full((2, 3), 1.2)), r"'g' came with a value outside its support \(probability\): \[1.2"),
        (_with(g=np.full((2, 3), -0.1)), r"'g' came with a value outside its support \(probability\)"),
        (_with(level=np.nan), r"'level' came with a value outside its support \(real\)"),
        (_with(level=np.inf), r"'level' came with a value outside its support \(real\)"),
    ],
)
def test_values_that_do_not_fit_are_refused(values, words):
    with pytest.raises(ValueError, match=words):
        PACKING.pack(values)


def test_thresholds_may_coincide_at_their_boundary():
    together = Parameter("tau", ("threshold",), "ordered")
    tau = np.array([-1.0, 0.5, 0.5, 2.0])
    assert together.domain.forward(together.domain.inverse(tau)) == pytest.approx(tau, abs=1e-15)


def test_probabilities_of_zero_and_one_are_taken():
    theta = PACKING.pack(_with(g=np.array([[0.0, 1.0, 0.2], [0.5, 1e-300, 0.0]])))
    assert_allclose(to_natural(theta)["g"][:, :2], [[0.0, 1.0], [0.5, 0.0]], atol=1e-15)


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        (Parameter("a", ("C",), fixed=(bm.at(0.0, item=0),)), r"fixed at a position of 'item', .* its dims \(C\)"),
        (
            Parameter("a", ("C",), "positive", fixed=(bm.at(-1.0, C=0),)),
            r"'a' is fixed outside its support \(positive\)",
        ),
        (
            Parameter("a", ("C",), "probability", fixed=(bm.at(1.5, C=0),)),
            r"'a' is fixed outside its support \(probability\): .*a probability values between 0 and 1",
        ),
        (Parameter("a", ("C",), "ordered", fixed=(bm.at(0.0, C=1),)), r"without a free entry before a fixed one"),
        (Parameter("a", ("C",), "ordered", fixed=(bm.at(0.0, C=0), bm.at(-1.0, C=1))), r"increasing values"),
    ],
)
def test_fixed_entries_that_cannot_be_are_refused(parameter, words):
    with pytest.raises(ValueError, match=words):
        Packing((parameter,), COORDS)


def test_points_along_leading_axes_are_packed_each():
    theta = np.random.default_rng(3).normal(size=(2, 3, PACKING.size))
    theta = np.where(PROBABILITIES, special.expit(theta), theta)
    each = {k: np.stack([to_natural(x)[k] for x in theta.reshape(6, -1)]) for k in to_natural(theta[0, 0])}
    stacked = {k: x.reshape(2, 3, *x.shape[1:]) for k, x in each.items()}
    assert_allclose(PACKING.pack(stacked, (2, 3)), theta, rtol=1e-9, atol=1e-9)
    with pytest.raises(ValueError, match="came with shape"):
        PACKING.pack(stacked)
