"""The covariance matrix of the free parameters: its numbers, its labels, its way to disk and back."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from bayesmix.models import lca

import bayesmix as bm
from bayesmix.results import entries
from inference.conftest import FOUR, QUICK


def natural(fit):
    """The free entries by label, and where each stands."""
    return [
        (label, str(name), at)
        for name, x in fit.params.items()
        for label, at in zip(entries(str(name), x), np.ndindex(x.shape), strict=True)
        if fit.free[name].values[at]
    ]


def test_the_hessian_is_that_of_the_log_likelihood_over_natural_parameters(predicted, persons):
    places, step = natural(predicted), 1e-3

    def at(*moves):
        values = {k: x.values.copy() for k, x in predicted.params.items()}
        for k, by in moves:
            values[places[k][1]][places[k][2]] += by
        return bm.log_likelihood(predicted.model, persons, values)

    n = len(places)
    hessian = np.zeros((n, n))
    for i in range(n):
        for j in range(i + 1):
            pairs = [(at((i, a * step), (j, b * step)), a * b) for a in (1, -1) for b in (1, -1)]
            hessian[i, j] = hessian[j, i] = sum(v * s for v, s in pairs) / (4 * step**2)
    table = predicted.covariance_hessian
    assert list(table.index) == list(table.columns) == [label for label, *_ in places]
    np.testing.assert_allclose(table.to_numpy(), np.linalg.inv(-hessian), rtol=2e-3, atol=1e-5)


def test_its_diagonal_is_the_square_of_the_errors(predicted):
    shown = predicted.summary().query("free")
    for table, errors in ((predicted.covariance, predicted.se), (predicted.covariance_hessian, predicted.se_hessian)):
        se = [float(errors[name].values[at]) for _, name, at in natural(predicted)]
        np.testing.assert_allclose(np.sqrt(np.diag(table)), se, rtol=1e-10)
    np.testing.assert_allclose(np.sqrt(np.diag(predicted.covariance)), shown["se"], rtol=1e-10)
    assert predicted.covariance.equals(predicted.covariance_robust)


def test_a_loaded_fit_has_it_and_tests_as_before(predicted, tmp_path):
    back = bm.Fit.load(predicted.save(tmp_path / "fit.nc"))
    assert back.covariance.equals(predicted.covariance)
    said = "class_slope[1, x] = class_slope[1, w]"
    assert bm.test(back, said).statistic == bm.test(predicted, said).statistic


def test_a_file_without_it_loads_and_says_so(predicted, tmp_path):
    path = replace(predicted, uncertainty=xr.Dataset()).save(tmp_path / "full.nc")
    with xr.open_datatree(path, engine="h5netcdf") as tree:
        held = tree.load()
    old = xr.DataTree.from_dict({f"/{k}": x.to_dataset() for k, x in held.children.items() if k != "uncertainty"})
    old.attrs = held.attrs
    old.to_netcdf(tmp_path / "old.nc", engine="h5netcdf")
    loaded = bm.Fit.load(tmp_path / "old.nc")
    assert loaded.se.equals(predicted.se)
    with pytest.raises(ValueError, match="no covariance matrix: it was saved by an earlier version"):
        _ = loaded.covariance


def test_parameters_at_a_boundary_have_none():
    rng = np.random.default_rng(0)
    c = rng.random(400) < 0.5
    df = pd.DataFrame({k: (rng.random(400) < np.where(c, 0.8, 0.2)).astype(int) for k in FOUR})
    df["a"] = ((rng.random(400) < 0.7) & c).astype(int)  # nobody of the other class answers 1
    fit = bm.fit(lca(FOUR, 2), df, **QUICK)
    (stuck,) = fit.quality["boundary"]
    assert fit.covariance.loc[stuck].isna().all()
    assert np.isfinite(fit.covariance.drop(index=stuck, columns=stuck).to_numpy()).all()
    with pytest.raises(ValueError, match=r"at its boundary or in a flat direction.*no chi-square"):
        bm.test(fit, f"{stuck} = 0")
    with pytest.warns(UserWarning, match="at a boundary or in a flat direction"):
        found = bm.contrast(fit, lambda x: x["item_logit"].sel(item="a").isel(category=1))
    assert np.isnan(found.se).sum() == 1


def test_robust_errors_of_a_penalised_fit_are_refused(persons):
    fit = bm.fit(lca(FOUR, 2), persons, priors="default", **QUICK)
    assert np.isfinite(fit.covariance.to_numpy()).all()
    with pytest.raises(ValueError, match="penalised by priors, of which the scores of robust errors know nothing"):
        _ = fit.covariance_robust


def templates():
    rng = np.random.default_rng(7)
    c, f, g = rng.integers(0, 2, 300), rng.normal(size=300), np.arange(300) % 25
    df = pd.DataFrame({k: (rng.random(300) < np.where(c, 0.85, 0.2)).astype(int) for k in FOUR})
    df = df.assign(**{k: (rng.random(300) < 1 / (1 + np.exp(-1.5 * f))).astype(int) for k in "wxyz"}, g=g)
    df["v"], df["u"] = rng.normal(size=300), rng.normal(size=25)[g] + 0.5 * rng.normal(size=300)
    return df, {
        "two-level classes": lca(FOUR, 2, "v", cluster="g"),
        "transitions": bm.models.lta([["a", "b"], ["c", "d"]], 2, cluster="g"),
        "item response": bm.models.irt_3pl(list("wxyz"), "none"),
        "random slopes": bm.models.regression_mixture("u ~ v", cluster="g", random="1 + v"),
        "normal items": lca(["u", "v"], 2, family=bm.normal(), variance="class"),
    }


@pytest.mark.filterwarnings("ignore:The best log-likelihood", "ignore:2 different")
@pytest.mark.parametrize("name", ["two-level classes", "transitions", "item response", "random slopes", "normal items"])
def test_all_tables_of_errors_follow_from_it(name):
    df, models = templates()
    fit = bm.fit(models[name], df, **QUICK)
    free = natural(fit)
    se = np.array([float(fit.se[k].values[at]) for _, k, at in free])
    assert list(fit.covariance.index) == [label for label, *_ in free]
    np.testing.assert_allclose(np.sqrt(np.diag(fit.covariance)), se, rtol=1e-8)
    for values, errors in ((fit.probabilities, fit.probabilities_se), (fit.derived, fit.derived_se)):
        for k in map(str, values.data_vars):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                found = bm.contrast(fit, lambda x, k=k: x[k])
            known = errors[k].transpose(*values[k].dims).values
            there = np.isfinite(known) & np.isfinite(found.se.values)
            assert there.any() or not np.isfinite(known).any() or fit.quality["boundary"], k
            np.testing.assert_allclose(found.se.values[there], known[there], rtol=1e-4, atol=1e-9)
