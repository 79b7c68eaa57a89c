"""Contrasts: derivatives against analytic ones, draws against the draws."""

import numpy as np
import pytest
import xarray as xr

import bayesmix as bm


def test_a_log_odds_of_classes_is_their_logit(plain):
    found = bm.contrast(plain, lambda x: np.log(x["C_probability"].sel(C=1) / x["C_probability"].sel(C=2)))
    row = plain.summary().loc["class_logit[1]"]
    np.testing.assert_allclose(found.table.iloc[0, :6], row.iloc[:6].astype(float), rtol=1e-6)


def test_a_ratio_of_odds_has_the_analytic_error(predicted):
    names = ["item_logit[1, a, 1]", "item_logit[2, a, 1]"]
    b = predicted.summary()["estimate"][names].to_numpy()
    ratio = np.exp(b[0] - b[1])
    slopes = np.array([ratio, -ratio])
    variance = slopes @ predicted.covariance.loc[names, names].to_numpy() @ slopes
    found = bm.contrast(
        predicted,
        lambda x: np.exp(x["item_logit"].sel(item="a").isel(category=1).diff("C", label="lower") * -1),
        scale="log",
        level=0.9,
    )
    np.testing.assert_allclose(found.value.values.item(), ratio, rtol=1e-10)
    np.testing.assert_allclose(found.se.values.item(), np.sqrt(variance), rtol=1e-6)
    half = 1.6448536269514722 * np.sqrt(variance) / ratio
    np.testing.assert_allclose([found.lower.item(), found.upper.item()], ratio * np.exp([-half, half]), rtol=1e-6)


def test_an_array_has_the_covariances_of_its_entries(predicted):
    found = bm.contrast(predicted, lambda x: x["class_slope"].sel(C=1))
    names = ["class_slope[1, x]", "class_slope[1, w]"]
    np.testing.assert_allclose(found.covariance, predicted.covariance.loc[names, names], rtol=1e-6)
    assert list(found.table.index) == ["contrast[x]", "contrast[w]"]


def test_of_a_posterior_it_is_made_at_every_draw(sampled):
    logit = sampled["posterior"]["class_logit"].isel(C=0).values
    found = bm.contrast(sampled, lambda x: np.exp(x["class_logit"]).sum() - 1.0, level=0.8)  # a sum over all dims
    expected = np.exp(logit)
    np.testing.assert_allclose(found.draws.values, expected, rtol=1e-10)
    np.testing.assert_allclose(found.value.item(), expected.mean(), rtol=1e-10)
    np.testing.assert_allclose(found.se.item(), expected.std(), rtol=1e-10)
    np.testing.assert_allclose([found.lower.item(), found.upper.item()], np.quantile(expected, [0.1, 0.9]), rtol=1e-10)
    assert found.p.item() == 1.0
    direction = bm.contrast(sampled, lambda x: x["class_logit"][0] - 0.3).p.item()
    np.testing.assert_allclose(direction, max((logit > 0.3).mean(), (logit < 0.3).mean()))


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda f: bm.contrast(f, "class_logit"), TypeError, "give one, such as lambda"),
        (lambda f: bm.contrast(f, lambda x: x["class_logits"]), ValueError, "did you mean 'class_logit'"),
        (lambda f: bm.contrast(f, lambda x: "a"), TypeError, "expected a number or a DataArray"),
        (lambda f: bm.contrast(f, lambda x: xr.Dataset()), TypeError, "expected a number or a DataArray"),
        (lambda f: bm.contrast(f, lambda x: x["class_logit"], level=95), ValueError, "such as 0.95"),
        (lambda f: bm.contrast(f, lambda x: x["class_logit"], scale="odds"), ValueError, "scale came as 'odds'"),
        (lambda f: bm.contrast(f.model, lambda x: 0.0), TypeError, "expected a fit"),
    ],
)
def test_what_is_no_contrast_is_refused(plain, call, error, said):
    with pytest.raises(error, match=said):
        call(plain)
