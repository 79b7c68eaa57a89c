"""Entries that a user fixes or holds equal: labels, places in theta, contradictions, orders of the classes."""

import numpy as np
import pandas as pd
import pytest
from bayesmix.models import fma, gom, irt_3pl, lca, lta, nels, regression_mixture

import bayesmix as bm
from bayesmix.spec import Constraints, Packing, read_constraints
from bayesmix.spec import class_labels as labels
from bayesmix.spec.serialize import dumps, loads

ITEMS = ["a", "b", "c"]
COORDS = {"C": [1, 2, 3], "x": ["age", "C(sex, levels=[0, 1])[T.1]"], "item": ["a", "b"], "threshold": [1, 2]}


def packing(*parameters, fix=None, equal=None):
    return Packing(parameters, COORDS, {}, read_constraints(fix, equal))


SLOPE = bm.Parameter("slope", ("C", "x"), fixed=(bm.at(0.0, C=-1),))
THRESHOLD = bm.Parameter("threshold", ("C", "item", "threshold"), "ordered")
SD = bm.Parameter("sd", ("C",), "positive")


def test_equal_entries_stand_at_one_place_and_fixed_ones_at_none():
    whole = packing(SLOPE, SD)
    held = packing(SLOPE, SD, fix={"sd[2]": 1.5}, equal=[["slope[1,age]", "slope[2, age]"]])
    assert (whole.size, held.size) == (7, 5)
    theta = np.arange(1.0, 6.0)
    raw = held.unpack_raw(theta)
    np.testing.assert_allclose(raw["slope"], [[1, 2], [1, 3], [0, 0]])
    np.testing.assert_allclose(np.exp(raw["sd"]), [np.exp(4), 1.5, np.exp(5)])
    assert held.names() == [
        "slope[1, age]", "slope[1, C(sex, levels=[0, 1])[T.1]]", "slope[2, C(sex, levels=[0, 1])[T.1]]", "sd[1]",
        "sd[3]",
    ]  # fmt: skip
    values = {p.name: p.domain.forward(raw[p.name]) for p in (SLOPE, SD)}
    np.testing.assert_allclose(held.pack(values), theta)
    values["slope"][1, 0] = 9.0
    with pytest.raises(ValueError, match=r"slope\[1, age\] and slope\[2, age\] came as 1 and 9, but the model holds"):
        held.pack(values)
    near = held.near(values)
    assert near["slope"][0, 0] == near["slope"][1, 0] == 5.0


def test_labels_with_commas_and_brackets_are_found():
    long = "C(sex, levels=[0, 1])[T.1]"
    held = packing(SLOPE, fix={f"slope[1, {long}]": 2.0})
    assert held.fixed["slope"][0, 1] == 2.0


def test_entries_of_two_parameters_may_be_one():
    held = packing(SLOPE, bm.Parameter("other", ("C",)), equal=[["slope[1, age]", "other[3]"]])
    assert held.index["other"][2] == held.index["slope"][0, 0]


def test_what_is_equal_to_a_fixed_entry_is_fixed_there():
    held = packing(SLOPE, fix={"slope[1, age]": 1.0}, equal=[["slope[1, age]", "slope[2, age]"]])
    np.testing.assert_allclose(held.held["slope"][:2, 0], 1.0)


@pytest.mark.parametrize(
    ("fix", "equal", "said"),
    [
        ({"slope[1, ago]": 1}, None, r"did you mean 'slope\[1, age\]'"),
        ({"slope[3, age]": 1}, None, "has it fixed at 0, as a reference"),
        ({"sd[1]": -1}, None, "outside its support"),
        ({"threshold[1, a, 2]": 1}, None, "without a free entry before a fixed one"),
        (None, [["threshold[1, a, 2]", "threshold[2, a, 2]"]], "those before them must be equal too"),
        (None, [["sd[1]", "slope[1, age]"]], "cannot be held equal"),
        ({"sd[1]": 1, "sd[2]": 2}, [["sd[1]", "sd[2]"]], r"different values \(sd\[1\] = 1, sd\[2\] = 2\)"),
    ],
)
def test_what_cannot_be_held_is_refused(fix, equal, said):
    with pytest.raises(ValueError, match=said):
        packing(SLOPE, SD, THRESHOLD, fix=fix, equal=equal)


def test_thresholds_are_equal_together():
    groups = [[f"threshold[{c}, a, {k}]" for c in (1, 2)] for k in (1, 2)]
    assert packing(THRESHOLD, equal=groups).size == 12 - 2


@pytest.mark.parametrize(
    ("fix", "equal", "error", "said"),
    [
        ([("a", 1)], None, TypeError, "fix came as"),
        ({"class_logit[1]": "0"}, None, TypeError, "give a number"),
        ({"class_logit[1]": np.inf}, None, ValueError, "give a finite number"),
        ({"class_logit[1]": 0, "class_logit[ 1 ]": 1}, None, ValueError, "fixed twice, at 0 and at 1"),
        ({1: 0}, None, TypeError, "as results label them"),
        (None, 3, TypeError, "give groups of entries"),
        (None, [3], TypeError, "which is no group and no equation"),
        (None, "class_logit[1]", ValueError, "has no '='"),
        (None, ["class_logit[1]"], ValueError, "has no '='"),
        (None, [["class_logit[1]", "class_logit[1]"]], ValueError, "nothing can be equal"),
        ({"class_logits[1]": 0}, None, ValueError, "did you mean 'class_logit'"),
    ],
)
def test_declarations_that_say_nothing_are_refused(fix, equal, error, said):
    with pytest.raises(error, match=said):
        lca(ITEMS, 2, fix=fix, equal=equal)


def test_every_template_takes_them_and_they_add_up():
    regression = {"formula": "y ~ x", "classes": 2}
    declared = [
        lca(ITEMS, 2, fix={"class_logit[1]": 0.5}),
        lta([ITEMS, ["d", "e", "f"]], 2, fix={"C1_logit[1]": 0.5}),
        gom(ITEMS, 2, fix={"class_logit[1]": 0.5}),
        irt_3pl(ITEMS, fix={"guessing[a]": 0.2}),
        fma(ITEMS, 2, fix={"class_logit[1]": 0.5}),
        regression_mixture(**regression, fix={"class_logit[1]": 0.5}),
        nels("A", 2, fix={"class_logit[1]": 0.5}),
        bm.models.fma_gom(ITEMS, 2, fix={"class_logit[1]": 0.5}),
        bm.models.count_mixture(ITEMS, 2, fix={"class_logit[1]": 0.5}),
        bm.models.guessing_as_membership(ITEMS, fix={"loading[a]": 1.0}),
    ]
    assert all(len(m.constraints.fixed) == 1 for m in declared)
    twice = bm.constrain(declared[0], equal=[["item_logit[1, a, 1]", "item_logit[1, b, 1]"]])
    assert twice.constraints.words == ["class_logit[1] = 0.5", "item_logit[1, a, 1] = item_logit[1, b, 1]"]
    with pytest.raises(ValueError, match="fixed twice"):
        bm.constrain(declared[0], fix={"class_logit[1]": 1.0})


def test_they_are_kept_as_text_and_older_text_has_none():
    model = lca(ITEMS, 2, fix={"class_logit[1]": 0.5}, equal=[["item_logit[1, a, 1]", "item_logit[1, b, 1]"]])
    assert loads(dumps(model)) == model
    import json

    old = json.loads(dumps(lca(ITEMS, 2)))
    del old["constraints"]
    assert loads(json.dumps(old)).constraints == Constraints()


def numbers(model):
    (dims,) = labels.groups(model)
    return labels.exchangeable(model, dims).tolist()


def test_classes_change_places_where_all_constraints_are_some_again():
    each = ["item_logit[1, a, 1]", "item_logit[2, a, 1]", "item_logit[3, a, 1]"]
    assert numbers(lca(ITEMS, 3)) == [0, 0, 0]
    assert numbers(lca(ITEMS, 3, equal=[each])) == [0, 0, 0]
    assert numbers(lca(ITEMS, 3, fix={k: 1.0 for k in each})) == [0, 0, 0]
    assert numbers(lca(ITEMS, 3, equal=[each[:2]])) == [0, 0, 2]
    assert numbers(lca(ITEMS, 3, fix={each[1]: 1.0})) == [0, 1, 0]
    assert numbers(lca(ITEMS, 3, "x", fix={"class_slope[1, x]": 0, "class_slope[2, x]": 0})) == [0, 0, 0]
    assert numbers(lca(ITEMS, 3, "x", fix={"class_slope[1, x]": 0})) == [0, 1, 0]  # that of 1 is that of 3
    assert numbers(lca(ITEMS, 3, "x", equal=[["class_slope[1, x]", "class_slope[2, x]"]])) == [0, 0, 2]
    assert numbers(lca(ITEMS, 3, fix={"class_logit[1]": 0.5})) == [0, 1, 2]
    both = [[f"class_slope[{c}, x]", f"class_slope[{c}, w]"] for c in (1, 2)]
    assert numbers(lca(ITEMS, 3, "x + w", equal=both)) == [0, 0, 0]
    assert numbers(lca(ITEMS, 3, "x + w", equal=both[:1])) == [0, 1, 0]
    assert numbers(lca(ITEMS, 2, "x + w", equal=both[:1])) == [0, 0]


def test_a_permutation_that_is_allowed_keeps_the_constraints():
    rng = np.random.default_rng(2)
    df = pd.DataFrame(rng.integers(0, 2, (60, 3)), columns=ITEMS).assign(x=rng.normal(size=60))
    model = lca(ITEMS, 3, "x", equal=[["item_logit[1, a, 1]", "item_logit[2, a, 1]"]],
                fix={"class_slope[1, x]": 0, "class_slope[2, x]": 0})  # fmt: skip
    data = bm.prepare(model, df)
    values = data.natural(rng.normal(size=data.packing.size))
    (dims,) = labels.groups(model)
    moved = labels.permute(model, values, dims, np.array([1, 0, 2]))
    np.testing.assert_allclose(bm.log_likelihood(model, df, moved), bm.log_likelihood(model, df, values), rtol=1e-10)
    with pytest.raises(ValueError, match="holds them equal"):
        data.pack(labels.permute(model, values, dims, np.array([2, 1, 0])))
