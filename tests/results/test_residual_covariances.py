"""Residual covariance matrices as a table, classes as ellipses, structures side by side."""

import numpy as np
import pandas as pd
import pytest
from bayesmix.models import lca, profile_structures
from numpy.testing import assert_allclose
from scipy import stats

import bayesmix as bm
from bayesmix.plots.ellipses import ellipse
from solved import drawn_around, solved

ITEMS = ["a", "b", "c"]
VALUES = {
    "class_logit": np.array([0.2, 0.0]),
    "item_intercept": np.array([[0.0, 1.0, 2.0], [3.0, 2.0, 1.0]]),
    "item_sd": np.array([1.0, 2.0, 0.5]),
    "item_covariance": np.array([[0.5], [-0.8]]),
}
MODEL = lca(ITEMS, 2, family=bm.normal(), covariance=[("a", "b")], covariance_by_class=True)


@pytest.fixture(scope="module")
def df() -> pd.DataFrame:
    return bm.simulate(MODEL, VALUES, n=200, seed=3)[ITEMS]


@pytest.fixture(scope="module")
def fit(df):
    return solved(MODEL, df, **VALUES)


def test_the_table_has_a_matrix_a_class(fit):
    table = bm.residual_covariances(fit)
    assert list(table.columns) == ITEMS
    assert_allclose(table.loc["C = 1"], [[1, 0.5, 0], [0.5, 4, 0], [0, 0, 0.25]])
    assert_allclose(table.loc["C = 2"], [[1, -0.8, 0], [-0.8, 4, 0], [0, 0, 0.25]])
    assert_allclose(bm.residual_covariances(fit, correlations=True).loc[("C = 2", "a"), "b"], -0.4)


def test_of_a_posterior_it_is_that_of_the_means(fit):
    post = drawn_around(fit, 1e-9)
    assert_allclose(bm.residual_covariances(post), bm.residual_covariances(fit), atol=1e-6)


def test_without_covariances_it_is_diagonal_and_without_normal_items_refused(df):
    values = {k: v for k, v in VALUES.items() if k != "item_covariance"}
    plain = solved(lca(ITEMS, 2, family=bm.normal()), df, **values)
    assert_allclose(bm.residual_covariances(plain).loc["C = 2"], np.diag([1, 4, 0.25]))
    other = solved(
        lca(["u"], 1, family=bm.bernoulli()), pd.DataFrame({"u": [0, 1]}), class_logit=0.0, item_intercept=0.0
    )
    with pytest.raises(ValueError, match="no normal items"):
        bm.residual_covariances(other)


def test_an_ellipse_holds_its_share():
    matrix = np.array([[1.0, 0.8], [0.8, 2.0]])
    points = ellipse(np.array([1.0, -1.0]), matrix, 0.7) - [1.0, -1.0]
    square = np.einsum("pi,ij,pj->p", points, np.linalg.inv(matrix), points)
    assert_allclose(stats.chi2.cdf(square, 2), 0.7)


def test_pairs_are_drawn_below_the_diagonal(fit, df):
    axes = bm.plots.profile_pairs(fit, df, share=0.9)
    assert axes.shape == (2, 2)
    assert [ax.get_visible() for ax in axes.ravel()] == [True, False, True, True]
    lines = axes[0, 0].get_lines()
    drawn = [line.get_xydata() for line in lines if len(line.get_xydata()) == 100]
    assert_allclose(drawn[1], ellipse(VALUES["item_intercept"][1][:2], np.array([[1, -0.8], [-0.8, 4]]), 0.9))
    assert (axes[1, 0].get_xlabel(), axes[1, 0].get_ylabel()) == ("a", "c")


def test_what_has_no_pairs_is_refused(fit):
    with pytest.raises(ValueError, match="share came as 1"):
        bm.plots.profile_pairs(fit, share=1)
    other = solved(
        lca(["u"], 1, family=bm.bernoulli()), pd.DataFrame({"u": [0, 1]}), class_logit=0.0, item_intercept=0.0
    )
    with pytest.raises(ValueError, match="nothing to draw"):
        bm.plots.profile_pairs(other)


def test_structures_are_laid_side_by_side(df):
    models = profile_structures(ITEMS)
    assert [(m.parameters[2].dims, len(m.parameters)) for m in models.values()][:3] == [
        (("item",), 3), (("C", "item"), 3), (("item",), 4)
    ]  # fmt: skip
    some = {k: models[k] for k in ("equal, none", "equal, equal")}
    found = bm.enumerate_structures(some, df, [1, 2], starts=3, rounds=1, budget=0, progress=False)
    assert list(found.table.index) == [(k, c) for k in some for c in (1, 2)]
    assert found.wide("parameters").to_numpy().tolist() == [[6, 9], [10, 13]]
    bic = found.table["BIC"]
    assert found.best.bic == pytest.approx(bic.min())
    assert found["equal, equal", 1].loglik >= found["equal, none", 1].loglik
    lines = bm.report(found).splitlines()
    assert lines[0] == "MODELS AND NUMBERS OF CLASSES"
    with pytest.raises(ValueError, match="The criterion came as 'XIC'"):
        found.wide("XIC")
    with pytest.raises(TypeError, match="expected models by name"):
        bm.enumerate_structures(models["equal, none"], df, [1])
    with pytest.raises(TypeError, match="variance= came"):
        profile_structures(ITEMS, variance="class")
