"""Wald tests: their numbers against the textbook's, and what they refuse."""

import numpy as np
import pytest
from scipy import stats

import bayesmix as bm
from bayesmix.spec import read_equations


def test_one_parameter_is_the_square_of_its_ratio(predicted):
    row = predicted.summary().loc["class_slope[1, w]"]
    found = bm.test(predicted, "class_slope[1,w] = 0")
    assert found.df == 1
    np.testing.assert_allclose(found.statistic, row["ratio"] ** 2, rtol=1e-9)
    np.testing.assert_allclose(found.p, row["p"], rtol=1e-9)


def test_several_hypotheses_are_the_quadratic_form(predicted):
    names = ["item_logit[1, a, 1]", "item_logit[1, b, 1]", "item_logit[2, c, 1]", "class_logit[1]"]
    contrasts = np.array([[1.0, -1.0, 0, 0], [0, 0, 2.0, -0.5], [0, 0, 0, 1.0]])
    constant = np.array([0.0, 1.0, 0.25])
    b = predicted.summary()["estimate"][names].to_numpy()
    d = contrasts @ b - constant
    expected = d @ np.linalg.inv(contrasts @ predicted.covariance.loc[names, names].to_numpy() @ contrasts.T) @ d
    found = bm.test(
        predicted,
        f"{names[0]} = {names[1]}; 2*{names[2]} - {names[3]} / 2 = 1\n {names[3]} == (0.5 - 0.25)",
    )
    np.testing.assert_allclose(found.statistic, expected, rtol=1e-9)
    np.testing.assert_allclose(found.p, stats.chi2.sf(expected, 3), rtol=1e-9)
    np.testing.assert_allclose(found.table["difference"], d, rtol=1e-9)


def test_a_function_that_is_linear_tests_the_same(predicted):
    said = bm.test(predicted, "class_slope[1, x] = class_slope[1, w], class_logit[1] = 0")
    made = bm.test(
        predicted,
        lambda v: _stack(v["class_slope"][0, 0] - v["class_slope"][0, 1], v["class_logit"][0]),
    )
    np.testing.assert_allclose(made.statistic, said.statistic, rtol=1e-6)


def _stack(*each):
    import xarray as xr

    return xr.concat([x.drop_vars(list(x.coords)) for x in each], "hypothesis")


def test_a_probability_is_tested_by_the_delta_method(plain):
    found = bm.test(plain, "C_probability[1] = 0.5")
    p, se = float(plain.probabilities["C_probability"][0]), float(plain.probabilities_se["C_probability"][0])
    np.testing.assert_allclose(found.statistic, ((p - 0.5) / se) ** 2, rtol=1e-9)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("class_slop[1, x] = 0", r"names 'class_slop\[1, x\]'.*did you mean 'class_slope\[1, x\]'"),
        ("class_slope[1, x]", r"has no '='"),
        ("", "No hypothesis came"),
        ("1 = 1", "names no entry"),
        ("class_slope[2, x] = 0", r"class_slope\[2, x\], which is fixed at 0"),
        ("class_logit[1] * class_slope[1, x] = 0", "is not linear: give a function"),
        ("class_logit[1] / 0 = 0", "divides by zero"),
        ("class_logit[1] + = 0", "ends too early"),
        ("class_logit[1] ? 2 = 0", r"cannot be read at '\?'"),
        ("(class_logit[1] = 0", "bracket that is not closed"),
        ("class_logit[1] = 0, class_logit[1] = 1", "contradicts those before it"),
        ("class_logit[1] = 0, 2 * class_logit[1] = 0", "follows from those before it: leave it out"),
        ("C_probability[1] = 0.5, C_probability[2] = 0.5", "follows from those before it"),
    ],
)
def test_what_cannot_be_tested_is_refused(predicted, text, said):
    with pytest.raises(ValueError, match=said):
        bm.test(predicted, text)


def test_labels_with_brackets_and_commas_are_read_whole():
    labels = ["class_slope[1, C(sex, levels=[0, 1])[T.1]]", "class_slope[2, C(sex, levels=[0, 1])[T.1]]"]
    (found,) = read_equations(f"{labels[0]} = {labels[1]}", labels)
    assert dict(found.terms) == {labels[0]: 1.0, labels[1]: -1.0}


def test_a_posterior_is_sent_to_contrasts(sampled):
    with pytest.raises(TypeError, match="a posterior bm"):
        bm.test(sampled, "class_logit[1] = 0")
