"""Linear equations of entries: how they are read and solved, and what is refused."""

import re

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from bayesmix.models import fma, lca
from hypothesis import given, settings

import bayesmix as bm
from bayesmix.spec import Packing, read_constraints
from bayesmix.spec import class_labels as labels
from bayesmix.spec.equations import Equation, read_equations
from bayesmix.spec.factor_scales import reversible
from bayesmix.spec.linear_systems import independent, solved
from bayesmix.spec.serialize import dumps, loads

ITEMS = ["a", "b", "c"]
COORDS = {"C": [1, 2, 3], "x": ["age", "C(sex, levels=[0, 1])[T.1]"], "item": ["a", "b"], "threshold": [1, 2]}
SLOPE = bm.Parameter("slope", ("C", "x"), fixed=(bm.at(0.0, C=-1),))
OTHER = bm.Parameter("other", ("C",))
THRESHOLD = bm.Parameter("threshold", ("C", "item", "threshold"), "ordered")
SD = bm.Parameter("sd", ("C",), "positive")
ALL = (SLOPE, OTHER, THRESHOLD, SD)


def packing(fix=None, equal=None):
    return Packing(ALL, COORDS, {}, read_constraints(fix, equal))


def natural(held, theta):
    raw = held.unpack_raw(theta)
    return {p.name: p.domain.forward(raw[p.name]) for p in ALL}


def number(held, values, label):
    """An entry by its label."""
    name, at = held.places()[label]
    return values[name][(..., *at)]


def off(held, values, equations):
    """The largest difference of the two sides of equations."""
    each = [abs(sum(w * number(held, values, k) for k, w in e.terms) - e.value) for e in equations]
    return max(float(np.max(x)) for x in each)


# reading ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "terms", "value"),
    [
        ("a[1] = 2 * a[2]", {"a[1]": 1, "a[2]": -2}, 0),
        ("a[1] + a[2] + a[3] = 0", {"a[1]": 1, "a[2]": 1, "a[3]": 1}, 0),
        ("a[1] - a[2] = a[2] - a[3]", {"a[1]": 1, "a[2]": -2, "a[3]": 1}, 0),
        ("b[2] = b[1] + 0.5", {"b[2]": 1, "b[1]": -1}, 0.5),
        ("0 = a[1]/2 - (b[1] − 1)*3", {"a[1]": -0.5, "b[1]": 3}, 3),
        ("2*(a[1] + b[ 1 ]) == 1e-1", {"a[1]": 2, "b[1]": 2}, 0.1),
        ("a[1,C(x, levels=[0, 1])[T.1]] = -b[1] + 1", {"a[1, C(x, levels=[0, 1])[T.1]]": 1, "b[1]": 1}, 1),
        ("a[1]\n  = -3*b[1]", None, None),
    ],
)
def test_equations_are_read(text, terms, value):
    if terms is None:
        with pytest.raises(ValueError, match="has no '='"):
            read_equations(text)
        return
    (found,) = read_equations(text)
    assert dict(found.terms) == terms
    assert found.value == pytest.approx(value)


def test_several_stand_in_one_text_and_plain_ones_are_plain():
    held = read_constraints(None, ["a[1] = a[2] = a[3], 2 * b[1] = 1; a[1] + b[2] = 3\nc[1, x] = -c[2, x]"])
    assert held.equal == (("a[1]", "a[2]", "a[3]"),)
    assert held.fixed == (("b[1]", 0.5),)
    assert [e.text for e in held.linear] == ["a[1] + b[2] = 3", "c[1, x] = -c[2, x]"]
    assert read_constraints(None, "a[1] + a[1] = 1").fixed == (("a[1]", 0.5),)
    assert read_constraints(None, "-a[1] = −a[2]").equal == (("a[1]", "a[2]"),)
    assert read_constraints({"a[1]": np.float64(0.5)}, [np.str_("a[2] = 2*a[3]")]).fixed == (("a[1]", 0.5),)
    assert read_constraints(None, []) == read_constraints(None, None)


@pytest.mark.parametrize(
    ("equal", "said"),
    [
        ("", "No equation came: give one"),
        (["  "], "No equation came"),
        ("a[1] = ", "nothing on one side"),
        ("a[1] * a[2] = 1", r"'a\[1\] \* a\[2\] = 1' is not linear: entries are added, and multiplied and divided by"),
        ("1 / a[2] = 1", "is not linear"),
        ("a[1] = a[1]", "names no entry that does not cancel: it says nothing of the model"),
        ("1 = 1", "names no entry"),
        ("a[1] >= 2 * a[2]", "is an inequality: write equations, with '='"),
        ("a[1] ≤ a[2]", "is an inequality"),
        ("a[1] < 3", "is an inequality"),
        ("a[1] != a[2]", "is an inequality"),
        ("a[1] = 2 a[2]", r"cannot be read at 'a\[2\]'"),
        ("a[1] = a[2] ^ 2", r"cannot be read at '\^'"),
        ("a[1] = 1e400 * a[2]", "not finite"),
        ("a[1] / 0 = a[2]", "divides by zero"),
        ("(a[1] = 2", "not closed"),
        (
            "a[1] + a[2] = 1, a[1] + a[2] = 2",
            r"'a\[1\] \+ a\[2\] = 1' and 'a\[1\] \+ a\[2\] = 2' contradict each other",
        ),
        ("a[1] = 1, a[1] = 2", "is fixed twice, at 1 and at 2"),
        ([["a[1]", "a[2]"], "a[1] = a[2] + 1"], r"'a\[1\] = a\[2\]' and 'a\[1\] = a\[2\] \+ 1' contradict"),
    ],
)
def test_what_says_nothing_or_is_no_equation_is_refused(equal, said):
    with pytest.raises(ValueError, match=said):
        read_constraints(None, equal)


def test_those_that_contradict_each_other_are_named_and_no_others():
    texts = ["a[1] = 2 * a[4]", "a[1] + a[2] = 0", "a[3] + a[5] = 1", "a[2] + a[3] = 0", "a[1] - a[3] = 1"]
    with pytest.raises(ValueError, match="contradict each other") as found:
        read_constraints(None, texts)
    named = re.findall(r"'([^']*)'", str(found.value))
    assert named == ["a[1] + a[2] = 0", "a[2] + a[3] = 0", "a[1] - a[3] = 1"]
    with pytest.raises(ValueError, match=r"'a\[1\] = 1', 'a\[2\] = 1' and 'a\[1\] \+ a\[2\] = 0' contradict"):
        read_constraints({"a[1]": 1, "a[2]": 1}, "a[1] + a[2] = 0")
    model = bm.constrain(lca(ITEMS, 2), equal="class_logit[1] = 2 * item_logit[1, a, 1]")
    with pytest.raises(ValueError, match="contradict each other"):
        bm.constrain(model, equal="2 * class_logit[1] = 4 * item_logit[1, a, 1] + 1")


# solving ------------------------------------------------------------------------------------------


def test_an_entry_follows_from_those_before_it():
    held = packing(equal="slope[1, age] = 2 * slope[2, age], other[1] + other[2] + other[3] = 6")
    assert held.size == packing().size - 2
    assert "slope[1, age]" in held.names()
    assert "slope[2, age]" not in held.names()
    assert "other[3]" not in held.names()
    assert held.estimated["slope"].tolist() == packing().estimated["slope"].tolist()
    theta = np.random.default_rng(0).normal(size=(4, held.size))
    values = natural(held, theta)
    np.testing.assert_allclose(values["slope"][:, 0, 0], 2 * values["slope"][:, 1, 0])
    np.testing.assert_allclose(values["other"].sum(axis=1), 6)
    np.testing.assert_allclose(held.pack(values, (4,)), theta)
    values["other"][2, 1] += 1
    with pytest.raises(ValueError, match=r"other\[3\] came as .*, but by the equations of the model it is"):
        held.pack(values, (4,))


def test_small_coefficients_are_no_pivots():
    held = packing(equal="other[1] + 0.001 * other[2] = 1")
    assert "other[2]" in held.names()
    assert "other[1]" not in held.names()


def test_equations_that_follow_from_others_take_no_parameter_away():
    once = packing(equal="other[1] + other[2] = 1")
    twice = packing(equal=["other[1] + other[2] = 1", "2 * other[2] = 2 - 2 * other[1]"])
    assert once.size == twice.size
    assert packing(equal=["slope[3, age] + other[1] = 1"]).held["other"][0] == 1.0  # a reference is zero
    assert packing({"other[1]": 2.0}, "slope[3, age] + other[1] = 2").size == packing().size - 1


def test_values_and_equalities_that_equations_imply_are_there():
    held = packing(equal=["other[1] + other[2] = 0", "other[1] = other[2]", "other[3] = slope[1, age] + 1"])
    np.testing.assert_array_equal(held.held["other"][:2], 0.0)
    assert not held.estimated["other"][:2].any()
    tied = packing(equal=["other[1] + other[2] = 2 * slope[1, age]", "other[1] + 3 * other[2] = 4 * slope[1, age]"])
    assert tied.index["other"][0] == tied.index["other"][1] == tied.index["slope"][0, 0]
    assert not tied.linear
    group = packing(equal=[["other[1]", "other[2]"], "other[1] = 2 * slope[1, age]"])
    assert [d.terms for d in group.linear] == [((2.0, ("slope", (0, 0))),)] * 2
    assert not group.ties


@pytest.mark.parametrize(
    ("fix", "equal", "said"),
    [
        (
            None,
            "sd[1] = 2 * sd[2]",
            r"names 'sd\[1\]', which may not take every value \(positive\): such an entry can be",
        ),
        (None, "threshold[1, a, 1] + other[1] = 0", r"names 'threshold\[1, a, 1\]'.*\(ordered\)"),
        (None, "other[1] = sd[1] + 1", r"names 'sd\[1\]'"),
        (None, "other[1] = sd[1]", "cannot be held equal"),
        (None, "other[1] = 2 * othr[2]", r"which is no entry of this model with these data: did you mean 'other\[2\]'"),
        ({"other[1]": 1, "other[2]": 1}, "slope[3, age] + other[3] = other[1], other[3] = 2*other[2]", "contradict"),
        (
            None,
            "slope[3, age] = 2 * slope[3, C(sex, levels=[0, 1])[T.1]] + 1",
            r"cannot hold \(beside slope\[3, age\] = 0",
        ),
        (
            None,
            ["other[1] + slope[3, age] = 1", "other[1] = 3 * slope[3, age] + 2"],
            "contradict each other .beside slope",
        ),
        (
            None,
            ["other[1] = 2*slope[1, age]", "other[1] = 2*slope[1, age] + slope[3, age] - 1"],
            "contradict each other",
        ),
    ],
)
def test_what_data_or_supports_do_not_allow_is_refused(fix, equal, said):
    with pytest.raises(ValueError, match=said):
        packing(fix, equal)


def test_values_near_the_equations_are_the_nearest_on_them():
    equal = [["other[1]", "other[2]"], "other[1] + slope[1, age] = 3 * slope[2, age] + 1"]
    held = packing(equal=equal)
    given = natural(packing(), np.random.default_rng(3).uniform(0.2, 1, (2, packing().size)))
    near = held.near(given)
    held.pack(near, (2,))
    rows = np.array([[1, 0, 1, -3], [1, -1, 0, 0]], dtype=float)  # other 1, other 2, slope 1, slope 2
    x = np.stack([given["other"][:, 0], given["other"][:, 1], given["slope"][:, 0, 0], given["slope"][:, 1, 0]], axis=1)
    nearest = x - (x @ rows.T - [1, 0]) @ np.linalg.inv(rows @ rows.T) @ rows
    found = np.stack([near["other"][:, 0], near["other"][:, 1], near["slope"][:, 0, 0], near["slope"][:, 1, 0]], axis=1)
    np.testing.assert_allclose(found, nearest, atol=1e-10)


FREE = [
    *(f"other[{k}]" for k in (1, 2, 3)),
    *(f"slope[{k}, age]" for k in (1, 2)),
    "slope[1, C(sex, levels=[0, 1])[T.1]]",
]


def equations_of(rows, values):
    out = []
    for row, value in zip(rows, values, strict=True):
        if any(row):
            sides = " + ".join(f"{w} * {k}" for w, k in zip(row, FREE, strict=True) if w)
            out.append(f"{sides} = {value!r}")
    return out


ROWS = st.lists(st.lists(st.integers(-3, 3), min_size=len(FREE), max_size=len(FREE)), min_size=1, max_size=7)


@settings(deadline=None, max_examples=80)
@given(rows=ROWS, seed=st.integers(0, 2**32 - 1))
def test_every_point_of_the_affine_map_satisfies_consistent_equations(rows, seed):
    rng = np.random.default_rng(seed)
    point = rng.normal(size=len(FREE))
    texts = equations_of(rows, (np.array(rows) @ point).tolist())
    held = packing(equal=texts)
    assert held.size == packing().size - np.linalg.matrix_rank(np.array(rows))
    values = natural(held, rng.normal(size=(5, held.size)))
    if texts:
        assert off(held, values, read_equations(texts)) < 1e-6
    np.testing.assert_allclose(natural(held, held.pack(values, (5,)))["slope"], values["slope"], atol=1e-10)


@settings(deadline=None, max_examples=80)
@given(rows=ROWS, weights=st.lists(st.integers(-2, 2), min_size=7, max_size=7), seed=st.integers(0, 2**32 - 1))
def test_inconsistent_equations_are_refused(rows, weights, seed):
    rng = np.random.default_rng(seed)
    values = np.array(rows) @ rng.normal(size=len(FREE))
    mixed = np.array(weights[: len(rows)])
    rows, values = [*rows, (mixed @ rows).tolist()], [*values.tolist(), float(mixed @ values) + 1.0]
    texts = equations_of(rows, values)
    if len(texts) < 2 or not any(rows[-1]):
        return
    with pytest.raises(ValueError, match=r"contradict each other|is fixed twice|cannot hold"):
        packing(equal=texts)


def test_the_order_of_the_blocks_says_what_follows_from_what():
    equations = [Equation("", (("p", 1.0), ("q", 1.0), ("r", 5.0)), 1.0), Equation("", (("p", 1.0), ("r", -1.0)), 0.0)]
    found = solved(independent(equations), [["p"], ["q"], ["r"]])
    assert {*found} == {"q", "r"}
    assert found["r"] == (0.0, {"p": pytest.approx(1.0)})
    assert found["q"] == (pytest.approx(1.0), {"p": pytest.approx(-6.0)})


# models -------------------------------------------------------------------------------------------


def test_they_are_kept_as_text_and_add_up():
    model = lca(ITEMS, 2, fix={"class_logit[1]": 0.5}, equal=["item_logit[1, a, 1] = 2 * item_logit[1, b, 1]"])
    assert loads(dumps(model)) == model
    more = bm.constrain(model, equal="item_logit[2, a, 1] + item_logit[2, b, 1] = 0.5")
    assert more.constraints.words == [
        "class_logit[1] = 0.5", "item_logit[1, a, 1] = 2 * item_logit[1, b, 1]",
        "item_logit[2, a, 1] + item_logit[2, b, 1] = 0.5",
    ]  # fmt: skip
    assert bm.constrain(more, equal="item_logit[1, a, 1] = 2 * item_logit[1, b, 1]") == more
    with pytest.raises(ValueError, match="did you mean 'item_logit'"):
        lca(ITEMS, 2, equal="item_logits[1, a, 1] = 2 * item_logit[1, b, 1]")


def numbers(model):
    (dims,) = labels.groups(model)
    return labels.exchangeable(model, dims).tolist()


def test_classes_change_places_where_the_equations_say_the_same():
    a = [f"item_logit[{k}, a, 1]" for k in (1, 2, 3)]
    b = [f"item_logit[{k}, b, 1]" for k in (1, 2, 3)]
    assert numbers(lca(ITEMS, 3, equal=f"{' + '.join(a)} = 0")) == [0, 0, 0]
    assert numbers(lca(ITEMS, 3, equal=f"{a[0]} + {a[1]} = 0")) == [0, 0, 2]
    assert numbers(lca(ITEMS, 3, equal=f"{a[0]} - {a[1]} = {a[1]} - {a[2]}")) == [0, 1, 0]
    assert numbers(lca(ITEMS, 3, equal=f"{a[0]} = 2 * {a[1]}")) == [0, 1, 2]
    assert numbers(lca(ITEMS, 3, equal=[f"{x} = 2 * {y}" for x, y in zip(a, b, strict=True)])) == [0, 0, 0]
    slopes = [f"class_slope[{k}, w] = 2 * class_slope[{k}, x]" for k in (1, 2)]
    assert numbers(lca(ITEMS, 3, "x + w", equal=slopes)) == [0, 0, 0]  # of every difference of two classes
    assert numbers(lca(ITEMS, 3, "x", equal="class_slope[1, x] = 2 * class_slope[2, x]")) == [0, 1, 0]  # 2 is halfway
    assert numbers(lca(ITEMS, 3, "x", equal="class_slope[1, x] = 3 * class_slope[2, x]")) == [0, 1, 2]
    assert numbers(lca(ITEMS, 2, "x", equal="class_slope[1, x] = 0.5")) == [0, 1]
    mixed = [f"class_slope[1, x] = item_logit[{k}, a, 1] - item_logit[{k}, b, 1]" for k in (1, 2)]
    assert numbers(lca(ITEMS, 2, "x", equal=mixed)) == [0, 1]


def test_a_permutation_that_is_allowed_keeps_the_equations():
    rng = np.random.default_rng(2)
    df = pd.DataFrame(rng.integers(0, 2, (60, 3)), columns=ITEMS).assign(x=rng.normal(size=60), w=rng.normal(size=60))
    slopes = [f"class_slope[{k}, w] = 2 * class_slope[{k}, x]" for k in (1, 2)]
    spaced = "item_logit[1, a, 1] - item_logit[2, a, 1] = item_logit[2, a, 1] - item_logit[3, a, 1]"
    model = lca(ITEMS, 3, "x + w", equal=[*slopes, spaced])
    assert numbers(model) == [0, 1, 0]
    data = bm.prepare(model, df)
    values = data.natural(rng.normal(size=data.packing.size))
    (dims,) = labels.groups(model)
    moved = labels.permute(model, values, dims, np.array([2, 1, 0]))
    np.testing.assert_allclose(bm.log_likelihood(model, df, moved), bm.log_likelihood(model, df, values), rtol=1e-10)
    with pytest.raises(ValueError, match="by the equations of the model it is"):
        data.pack(labels.permute(model, values, dims, np.array([1, 0, 2])))


def test_a_factor_has_no_direction_where_the_equations_are_of_sums_without_a_constant():
    def free(equal):
        return bool(reversible(bm.models.irt_3pl(list("abcd"), "none", equal=equal)))

    assert free("loading[a] = 2 * loading[b], loading[a] + loading[b] = loading[c]")
    assert not free("loading[a] + loading[b] = 1")
    assert not free("loading[a] = item_intercept[a] + item_intercept[b]")


def test_the_last_class_stays_where_constraints_are_of_what_another_last_class_would_change():
    assert numbers(fma(list("abcd"), 2, by_class="means + variances")) == [0, 0]
    assert numbers(fma(list("abcd"), 2, by_class="means + variances", equal="class_logit[1] = 0")) == [0, 0]
    assert numbers(fma(list("abcd"), 2, by_class="means + variances", fix={"loading[a]": 1.0})) == [0, 1]
    assert numbers(fma(list("abcd"), 3, by_class="means + variances", fix={"loading[a]": 1.0})) == [0, 0, 2]
    assert numbers(fma(list("abcd"), 2, fix={"loading[a]": 1.0})) == [0, 0]
