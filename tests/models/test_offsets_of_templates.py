"""Offsets of factor models, grades of membership and transitions, and covariates of items that are free over time."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from bayesmix.models import fma, fma_gom, gom, lta
from numpy.testing import assert_allclose
from scipy import special, stats

import bayesmix as bm
from bayesmix.cli.arguments import declare

QUICK = {"starts": 4, "finals": 2, "rounds": 1, "budget": 0, "progress": False}
ITEMS = ["a", "b", "c"]
WAVES = [["a1", "b1"], ["a2", "b2"]]
INTERCEPTS = np.array([[-1.0, -0.5], [0.3, 0.6]])
LATER = np.array([[-0.8, -0.9], [0.6, 0.7]])
CHAIN = {"C1_logit": [0.3, 0.0], "C2_logit": [[0.5, 0.0], [-0.4, 0.0]]}


@pytest.fixture(scope="module")
def df():
    rng = np.random.default_rng(5)
    columns = [*ITEMS, *WAVES[0], *WAVES[1]]
    hours = {"h1": rng.uniform(1, 9, 120), "h2": rng.uniform(1, 9, 120)}
    covariates = {"x": rng.normal(size=120), "z": rng.normal(size=120)}
    return pd.DataFrame(rng.poisson(3, (120, 7)), columns=columns).assign(**hours, **covariates)


def nodes():
    x, w = np.polynomial.hermite_e.hermegauss(50)
    return x, w / w.sum()


def test_a_factor_model_of_rates(df):
    """Counts of several hours: sums over nodes of SciPy; one exposure for all, and one item without."""
    values = {"class_logit": [0.0], "item_intercept": [[-1.0, -0.5, 0.2]], "loading": [0.4, 0.6, 0.3]}
    for offset, own in (("log(h1)", [1, 1, 1]), ({"a": "log(h1)", "c": "log(h1)"}, [1, 0, 1])):
        model = fma(ITEMS, 1, family=bm.poisson(), offset=offset)
        x, w = nodes()
        eta = np.array(values["item_intercept"][0]) + np.log(df[["h1"]].to_numpy()) * own
        eta = eta[:, :, None] + np.array(values["loading"])[:, None] * x
        p = stats.poisson.pmf(df[ITEMS].to_numpy()[:, :, None], np.exp(eta)).prod(axis=1) @ w
        found = bm.log_likelihood(model, df, values, nodes=bm.gauss_hermite(50), units=True)
        assert_allclose(found, np.log(p), rtol=1e-8)


def test_grades_of_membership_in_rates(df):
    model = gom(ITEMS, 2, family=bm.poisson(), offset="log(h1)")
    values = {"class_logit": [0.4, 0.0], "class_loading": [[0.9, 0.0]]}
    values["item_intercept"] = [[-1.0, -0.5, 0.2], [0.8, 0.6, 1.0]]
    x, w = nodes()
    p = special.expit(0.4 + 0.9 * x)
    mean = df[["h1"]].to_numpy()[:, :, None] * np.exp(np.array(values["item_intercept"]).T)
    each = stats.poisson.pmf(df[ITEMS].to_numpy()[:, :, None], mean)
    expected = np.log((each[..., [0]] * p + each[..., [1]] * (1 - p)).prod(axis=1) @ w)
    found = bm.log_likelihood(model, df, values, nodes=bm.gauss_hermite(50), units=True)
    assert_allclose(found, expected, rtol=1e-8)


def test_a_shift_of_the_exposure_is_one_of_the_intercepts(df):
    """Factors and grades of membership together have it too."""
    values = {"class_logit": [0.4, 0.0], "class_loading": [[0.9, 0.0]], "loading": [0.4, 0.6, 0.3]}
    values["item_intercept"] = np.array([[-1.0, -0.5, 0.2], [0.8, 0.6, 1.0]])
    with_offset = fma_gom(ITEMS, 2, family=bm.poisson(), offset="two")
    moved = values | {"item_intercept": values["item_intercept"] + 2.0}
    found = bm.log_likelihood(with_offset, df.assign(two=2.0), values)
    assert found == pytest.approx(bm.log_likelihood(fma_gom(ITEMS, 2, family=bm.poisson()), df, moved), rel=1e-11)


OFFSETS = {
    "of each occasion": ({"offset": ["log(h1)", "log(h2)"]}, [["h1", "h1"], ["h2", "h2"]]),
    "of one item": ({"offset": {"a": ["log(h1)", "log(h2)"]}}, [["h1", None], ["h2", None]]),
    "of both, one free": (
        {"offset": {"a": ["log(h1)", "log(h2)"], "b": "log(h1)"}, "measurement": ["b"]},
        [["h1", "h1"], ["h2", "h1"]],
    ),
    "of all, all free": ({"offset": "log(h1)", "measurement": "free"}, [["h1", "h1"], ["h1", "h1"]]),
}


@pytest.mark.parametrize("name", OFFSETS)
def test_transitions_between_classes_of_rates(df, name):
    """Sums over all paths."""
    given, hours = OFFSETS[name]
    model = lta(WAVES, 2, family=bm.poisson(), **given)
    measurement = given.get("measurement", "invariant")
    later = {"invariant": INTERCEPTS, "free": LATER}.get(
        str(measurement), np.stack([INTERCEPTS, LATER])[[0, 1], :, [0, 1]].T
    )
    own = {
        "item_intercept": INTERCEPTS[:, :1] if measurement == ["b"] else INTERCEPTS,
        "item_intercept_1": INTERCEPTS, "item_intercept_2": later,
        "free_item_intercept_1": INTERCEPTS[:, 1:], "free_item_intercept_2": later[:, 1:],
    }  # fmt: skip
    values = CHAIN | {k: v for k, v in own.items() if k in {p.name for p in model.parameters}}
    each = np.zeros((len(df), 2, 2))
    for t, intercepts in enumerate((INTERCEPTS, later)):
        for c, (k, item) in product(range(2), enumerate(WAVES[t])):
            exposure = 1.0 if hours[t][k] is None else df[hours[t][k]]
            each[:, t, c] += stats.poisson.logpmf(df[item], exposure * np.exp(intercepts[c, k]))
    first, moves = special.log_softmax(CHAIN["C1_logit"]), special.log_softmax(CHAIN["C2_logit"], axis=1)
    paths = [first[a] + moves[a, b] + each[:, 0, a] + each[:, 1, b] for a, b in product(range(2), repeat=2)]
    expected = special.logsumexp(paths, axis=0)
    assert_allclose(bm.log_likelihood(model, df, values, units=True), expected, rtol=1e-10)


def test_transitions_of_rates_are_fitted(df):
    """Invariant items of two occasions stay one table, and offsets are no parameters."""
    model = lta(WAVES, 2, family=bm.poisson(), offset=["log(h1)", "log(h2)"])
    truth = CHAIN | {"item_intercept": np.array([[-1.5, -1.2], [0.8, 1.0]])}
    rng = np.random.default_rng(6)
    rows = pd.DataFrame({"h1": rng.uniform(1, 9, 600), "h2": rng.uniform(1, 9, 600)})
    drawn = bm.simulate(model, truth, df=rows, seed=7)
    fit = bm.fit(model, drawn, **QUICK)
    assert fit.n_parameters == 7
    order = np.argsort(fit.params["item_intercept"].values[:, 0])
    away = fit.params["item_intercept"].values[order] - truth["item_intercept"]
    assert np.abs(away / fit.se["item_intercept"].values[order]).max() < 3.5
    assert "offset_coefficient" not in bm.report(fit)
    assert bm.predict(fit, drawn.head(3)).classes["C1_posterior"].shape == (3, 2)


def test_covariates_of_free_items_are_their_own(df):
    """Of an invariant item and one that is free over time, each with its formula: each is in its own predictor."""
    model = lta(WAVES, 2, family=bm.poisson(), measurement=["b"], item_covariates={"a": "x", "b": "z"})
    values = CHAIN | {
        "item_intercept": INTERCEPTS[:, :1], "item_slope": [[0.3]],
        "free_item_intercept_1": INTERCEPTS[:, 1:], "free_item_intercept_2": INTERCEPTS[:, 1:],
        "free_item_slope_1": [[-0.2]], "free_item_slope_2": [[0.4]],
    }  # fmt: skip
    slopes = {"a1": (0.3, "x"), "a2": (0.3, "x"), "b1": (-0.2, "z"), "b2": (0.4, "z")}
    each = np.zeros((len(df), 2, 2))
    for t, c in product(range(2), repeat=2):
        for k, item in enumerate(WAVES[t]):
            slope, column = slopes[item]
            each[:, t, c] += stats.poisson.logpmf(df[item], np.exp(INTERCEPTS[c, k] + slope * df[column]))
    first, moves = special.log_softmax(CHAIN["C1_logit"]), special.log_softmax(CHAIN["C2_logit"], axis=1)
    paths = [first[a] + moves[a, b] + each[:, 0, a] + each[:, 1, b] for a, b in product(range(2), repeat=2)]
    assert_allclose(bm.log_likelihood(model, df, values, units=True), special.logsumexp(paths, axis=0), rtol=1e-10)


def test_two_matrices_of_one_name_are_refused():
    """A model of one's own."""
    term = bm.Term(bm.Parameter("slope", ("x",)), bm.Covariates("x", "age"))
    other = bm.Term(bm.Parameter("other", ("x",)), bm.Covariates("x", "sex"))
    with pytest.raises(ValueError, match="Two different design matrices are named 'x', of 'age' and of 'sex'"):
        bm.Model("own", (bm.Response("y", ("y",), bm.normal(), (term, other), ()),))


def test_the_command_line_declares_them():
    given = {"items": ITEMS, "classes": 2, "family": bm.poisson()}
    assert declare("fma", given, ["offset=log(h1)"], ITEMS) == fma(ITEMS, 2, family=bm.poisson(), offset="log(h1)")
    given = {"waves": WAVES, "classes": 2, "family": bm.poisson()}
    each = declare("lta", given, ["offset=log(h1); log(h2)"], [*WAVES[0], *WAVES[1]])
    assert each == lta(WAVES, 2, family=bm.poisson(), offset=["log(h1)", "log(h2)"])
    items = declare("lta", given, ["offset=a=log(h1)|log(h2)"], [*WAVES[0], *WAVES[1]])
    assert items == lta(WAVES, 2, family=bm.poisson(), offset={"a": ["log(h1)", "log(h2)"]})


@pytest.mark.parametrize(
    ("offset", "words"),
    [
        ({"q": "log(h1)"}, "offset came for 'q', which is not among the items: a, b"),
        (["log(h1)"], "offset came with .*give one formula, or one for each of the 2 occasions"),
        (3, "offset came with 3 for 'a'"),
        ("", "The offset came as ''"),
    ],
)
def test_what_is_no_offset_of_occasions_is_refused(offset, words):
    with pytest.raises(ValueError, match=words):
        lta(WAVES, 2, family=bm.poisson(), offset=offset)
