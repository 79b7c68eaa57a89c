"""Odds of correct classification, shares by most likely class, entropy of each case: by hand."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.testing import assert_allclose

import bayesmix as bm
from bayesmix.results import ClassTables


def tables(p, weight, size):
    ds = xr.Dataset({"C_posterior": (("row", "C"), p)}, coords={"C": [1, 2, 3][: np.shape(p)[1]]})
    ds = ds.assign_coords(row=list("abcdefgh")[: len(p)], weight=("row", np.asarray(weight, dtype=float)))
    return ClassTables(ds, {"C_probability": xr.DataArray(size, dims="C")})


def test_odds_of_correct_classification_are_nagins():
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [np.nan, np.nan]])
    found = tables(p, [1, 3, 2, 1], [0.6, 0.4]).classification_diagnostics()
    average = np.array([(0.9 + 3 * 0.8) / 4, 0.7])
    assert_allclose(found["AvePP"], average)
    assert_allclose(found["OCC"], average / (1 - average) / np.array([1.5, 2 / 3]))
    assert_allclose(found["mcaP"], [4 / 6, 2 / 6])
    assert_allclose(found["difference"], [4 / 6 - 0.6, 2 / 6 - 0.4])


def test_classes_that_are_certain_and_classes_that_are_nobodys():
    found = tables([[1.0, 0.0, 0.0], [0.0, 0.6, 0.4]], [1, 1], [0.5, 0.3, 0.2]).classification_diagnostics()
    assert found.loc[1, "OCC"] == np.inf
    assert np.isnan(found.loc[3, "AvePP"])
    assert np.isnan(found.loc[3, "OCC"])
    assert found.loc[3, "mcaP"] == 0


def test_the_entropy_of_each_case_averages_to_that_of_the_listing():
    p = np.array([[0.5, 0.5], [1.0, 0.0], [0.9, 0.1], [np.nan, np.nan]])
    of = tables(p, [1, 1, 1, 1], [0.5, 0.5])
    found = of.entropies()
    assert_allclose(found["entropy"], [np.log(2), 0.0, -0.9 * np.log(0.9) - 0.1 * np.log(0.1), np.nan])
    assert_allclose(found["certainty"].iloc[:2], [0.0, 1.0])
    assert_allclose(found["certainty"].mean(), of.class_entropy())
    assert found.index.to_list() == [*"abcd"]


def test_one_class_is_no_question():
    found = tables([[1.0], [1.0]], [1, 1], [1.0])
    assert found.entropies()["certainty"].isna().all()
    assert (found.entropies()["entropy"] == 0).all()


def test_fit_posterior_and_listing_have_them(fitted, sampled, two_classes):
    for result in (fitted, sampled, bm.predict(fitted, two_classes)):
        found = bm.classification_diagnostics(result)
        assert_allclose(found["AvePP"], np.diag(bm.classification(result)))
        assert (found["OCC"] > 5).all()
    assert len(bm.entropies(fitted)) == 600
    assert "odds of correct classification" in bm.report(fitted)
    pd.testing.assert_index_equal(bm.entropies(fitted).index, bm.class_probabilities(fitted).index)
    with pytest.raises(ValueError, match="No class variable 'D'"):
        bm.classification_diagnostics(fitted, "D")
