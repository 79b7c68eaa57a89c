"""Tests of several kinds of items on one factor: quadrature by SciPy, the factor model, recovery, faces."""

import numpy as np
import pytest
from bayesmix.models import fma, irt_3pl
from numpy.testing import assert_allclose
from scipy import special

import bayesmix as bm
from bayesmix.cli.arguments import declare, family_of
from densities import loglik

ITEMS = ["a", "b", "c", "graded", "credit", "open"]
FAMILY = {"graded": bm.ordinal(), "credit": bm.partial_credit(), "open": bm.bernoulli()}
MODEL = irt_3pl(ITEMS, family=FAMILY)
TRUTH = {
    "item_intercept_guessed": [0.3, -0.5, 0.8],
    "loading_guessed": [1.0, 1.4, 0.7],
    "guessing_guessed": [0.2, 0.1, 0.25],
    "item_threshold_ordinal": [[-1.0, 0.5]],
    "loading_ordinal": [1.1],
    "item_threshold_partial_credit": [[0.4, -0.3, 0.6]],
    "loading_partial_credit": [0.8],
    "item_intercept_bernoulli": [0.2],
    "loading_bernoulli": [0.9],
}
QUICK = {"starts": 3, "finals": 1, "rounds": 1, "budget": 0, "progress": False}


@pytest.fixture(scope="module")
def df():
    return bm.simulate(MODEL, TRUTH, n=400, seed=3)[ITEMS].astype(int)


def by_nodes(df):
    """log p of each row: sums over 60 Gauss-Hermite nodes of products of the items' probabilities."""
    x, weights = np.polynomial.hermite_e.hermegauss(60)
    p = np.ones((len(df), len(x)))
    for k, item in enumerate("abc"):
        g, eta = TRUTH["guessing_guessed"][k], TRUTH["item_intercept_guessed"][k] + TRUTH["loading_guessed"][k] * x
        right = g + (1 - g) * special.expit(eta)
        p *= np.where(df[[item]] == 1, right, 1 - right)
    above = special.expit(1.1 * x - np.array([[-1.0], [0.5]]))
    graded = -np.diff(np.vstack([np.ones_like(x), above, np.zeros_like(x)]), axis=0)
    steps = np.cumsum(0.8 * x - np.array([[0.4], [-0.3], [0.6]]), axis=0)
    credit = special.softmax(np.vstack([np.zeros_like(x), steps]), axis=0)
    opened = special.expit(0.2 + 0.9 * x)
    p *= graded[df["graded"]] * credit[df["credit"]] * np.where(df[["open"]] == 1, opened, 1 - opened)
    return np.log(p @ weights / weights.sum())


def test_the_likelihood_is_that_of_sums_over_nodes(df):
    found = bm.log_likelihood(MODEL, df, TRUTH, nodes=bm.gauss_hermite(60), units=True)
    assert_allclose(found, by_nodes(df), rtol=1e-9)


def test_the_pymc_model_has_the_same_density(df):
    """Nodes that are finer than those of the sum are the same integral."""
    built = bm.build(MODEL, df, nodes=bm.trapezoid(81, 7.0))
    assert loglik(built, TRUTH) == pytest.approx(by_nodes(df).sum(), rel=1e-8)


def test_without_guessing_it_is_the_factor_model(df):
    """The graded response model and partial credit, which stand beside published values as fma."""
    family = dict.fromkeys(ITEMS, bm.bernoulli()) | FAMILY
    tests, factors = irt_3pl(ITEMS, "none", family=FAMILY), fma(ITEMS, 1, family=family)
    values = {k: v for k, v in TRUTH.items() if k.endswith(("ordinal", "credit"))}
    values |= {"item_intercept_bernoulli": [0.3, -0.5, 0.8, 0.2], "loading_bernoulli": [1.0, 1.4, 0.7, 0.9]}
    of_class = {k: [v] if k.startswith(("item_intercept", "item_threshold")) else v for k, v in values.items()}
    found = bm.log_likelihood(factors, df, of_class | {"class_logit": [0.0]})
    assert bm.log_likelihood(tests, df, values) == pytest.approx(found, rel=1e-12)


def test_one_guessing_and_one_discrimination_are_of_all_items():
    model = irt_3pl(ITEMS, "common", "common", family=FAMILY)
    assert {p.name: p.dims for p in model.parameters if p.name.startswith(("guessing", "loading"))} == {
        "guessing_guessed": (),
        "loading": (),
    }


def test_what_was_drawn_is_recovered():
    drawn = bm.simulate(MODEL, TRUTH, n=6000, seed=5)
    found = bm.fit(irt_3pl(ITEMS, "common", family=FAMILY), drawn, **QUICK | {"starts": 4, "finals": 2})
    names = [k for k in TRUTH if not k.endswith("guessed")]
    for name in names:
        assert (np.abs(found.params[name].values - TRUTH[name]) / found.se[name].values).max() < 3.5
    text = bm.report(found)
    assert "P(y = 1) = g + (1 - g) F(a (f - b))" in text
    assert "P(answer above its k-th category) = F(a (f - b))" in text
    assert "P(category k + 1) / P(category k) = exp(a (f - b))" in text
    assert "b = threshold / loading or -intercept / loading" in text
    b = found.derived["difficulty_partial_credit"].values
    assert_allclose(b, found.params["item_threshold_partial_credit"] / found.params["loading_partial_credit"].values)
    curves = bm.item_curves(found)
    assert set(curves["item"].values) == set(ITEMS)
    assert_allclose(curves["information"].sum("item"), curves["test_information"], rtol=1e-9)


def test_the_command_line_declares_it():
    family = family_of(["graded=ordinal", "credit=partial_credit", "open=bernoulli"], ITEMS, ITEMS)
    assert declare("irt_3pl", {"items": ITEMS, "family": family}, [], ITEMS) == MODEL


@pytest.mark.parametrize(
    ("family", "words"),
    [
        (bm.ordinal(), "The family came as Ordinal.*expected a mapping of items to families"),
        ({"a": bm.normal()}, "The family of 'a' came as Normal.*expected bm.ordinal"),
        ({"a": bm.nominal()}, "The family of 'a' came as Nominal.*bm.models.fma takes others"),
        ({"a": bm.bernoulli(guessing=True)}, "guessing= says it for the items that are not in family="),
        ({"q": bm.ordinal()}, "A family came for 'q', which is not among the items"),
    ],
)
def test_families_that_are_not_of_tests_are_refused(family, words):
    with pytest.raises(ValueError, match=words):
        irt_3pl(ITEMS, family=family)


def test_the_name_of_a_family_is_none():
    with pytest.raises(TypeError, match="The family came as 'ordinal'"):
        irt_3pl(ITEMS, family={"a": "ordinal"})
