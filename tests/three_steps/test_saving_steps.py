"""Results of three steps on disk: what is read is what was written, whole or refused."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from three_classes import drawn, fitted

import bayesmix as bm
from bayesmix import files

pytestmark = pytest.mark.filterwarnings("ignore:The last step is not to be trusted", "ignore:The best log-likelihood")


@pytest.fixture(scope="module")
def data():
    df = drawn(400, 0.9, 2)
    rng = np.random.default_rng(1)
    return df.assign(m=rng.choice(["low", "mid", "top"], 400), v=df["y"] + rng.normal(size=400))


@pytest.fixture(scope="module")
def fit(data):
    return fitted(data, 0.9)


def results(data, fit):
    both = {"y": bm.normal(), "v": bm.normal(), "m": bm.nominal()}
    yield "ml", bm.three_step(fit, data, "x", both, outcome_covariates={"y": "x"}, correlated=True, level=0.9)
    yield "bch", bm.three_step(fit, data, "x", {"y": bm.normal()}, "bch")
    yield "two-step", bm.three_step(fit, data, "x", method="two-step")
    yield "occasions", bm.three_step([fit, fit], data, "x", {"y": bm.normal()})


def test_what_is_read_is_what_was_written(data, fit, tmp_path):
    for name, found in results(data, fit):
        path = found.save(tmp_path / f"{name}.nc")
        again = bm.load(path)
        assert isinstance(again, bm.ThreeStep)
        assert str(again) == str(found)
        assert repr(again) == repr(found)
        assert [*again.tables()] == [*found.tables()]
        for k, table in found.tables().items():
            pd.testing.assert_frame_equal(again.tables()[k], table, check_exact=True)
        q, p = again.quantities, found.quantities
        pd.testing.assert_frame_equal(q.keys, p.keys)
        assert np.array_equal(q.values, p.values)
        assert np.array_equal(q.covariance, p.covariance, equal_nan=True)
        for k in ("model", "method", "loglik", "variables", "notes", "doubts", "level", "draws", "n_left_out"):
            assert getattr(again, k) == getattr(found, k), k
        assert again.coefficients(reference=1).equals(found.coefficients(reference=1))


def test_a_save_that_is_stopped_leaves_the_old_file(data, fit, tmp_path, monkeypatch):
    found = bm.three_step(fit, data, "x")
    whole = found.save(tmp_path / "steps.nc").read_bytes()

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        bm.three_step(fit, data, None, "y").save(tmp_path / "steps.nc")
    assert [p.name for p in tmp_path.iterdir()] == ["steps.nc"]
    assert (tmp_path / "steps.nc").read_bytes() == whole


def test_what_is_no_result_is_refused_by_its_name(data, fit, tmp_path):
    found = bm.three_step(fit, data, "x")
    whole = found.save(tmp_path / "steps.nc").read_bytes()
    (tmp_path / "cut.nc").write_bytes(whole[: len(whole) // 2])
    fit.save(tmp_path / "fit.nc")
    xr.Dataset({"x": 1.0}).to_netcdf(tmp_path / "other.nc")
    with pytest.raises(ValueError, match=r"'.*cut\.nc' cannot be read as a result of bm.three_step.*cut short"):
        bm.ThreeStep.load(tmp_path / "cut.nc")
    for name in ("fit", "other"):
        with pytest.raises(ValueError, match=rf"'.*{name}\.nc' is no result of bm.three_step: give a file written by"):
            bm.ThreeStep.load(tmp_path / f"{name}.nc")
    with pytest.raises(ValueError, match=r"steps\.nc' is not a fit saved by bayesmix"):
        bm.Fit.load(tmp_path / "steps.nc")
    tree = xr.open_datatree(tmp_path / "steps.nc", engine="h5netcdf").load()
    held = json.loads(tree.attrs["bayesmix"])
    tree.close()
    for change, said in (
        ({"format": 99}, "is of a later version of bayesmix"),
        ({"three_step": {"method": "ml"}}, "is not a whole result of bm.three_step"),
    ):
        tree.attrs["bayesmix"] = json.dumps(held | change)
        tree.to_netcdf(tmp_path / "changed.nc")
        with pytest.raises(ValueError, match=said):
            bm.ThreeStep.load(tmp_path / "changed.nc")


def test_any_result_is_loaded_by_its_file_or_folder(data, fit, tmp_path):
    fit.save(tmp_path / "fit.nc")
    assert bm.load(tmp_path).loglik == fit.loglik
    (tmp_path / "steps").mkdir()
    bm.three_step(fit, data, "x").save(tmp_path / "steps" / "three_step.nc")
    assert isinstance(bm.load(tmp_path / "steps"), bm.ThreeStep)
    tree = xr.DataTree.from_dict({"/posterior": xr.Dataset({"a": ("draw", [1.0, 2.0])})})
    tree.to_netcdf(tmp_path / "draws.nc")
    assert "posterior" in bm.load(tmp_path / "draws.nc").children
    xr.Dataset({"x": 1.0}).to_netcdf(tmp_path / "other.nc")
    with pytest.raises(ValueError, match=r"other\.nc' holds no result of bayesmix"):
        bm.load(tmp_path / "other.nc")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"empty' holds no result: it has none of fit\.nc"):
        bm.load(tmp_path / "empty")


def test_pages_and_tables_are_handed_on(data, fit, tmp_path):
    found = bm.three_step(fit, data, "x", "y")
    assert bm.report(found) == str(found)
    assert bm.tables(found)["outcomes"].equals(found.outcomes())
    page = bm.to_html(found, tmp_path / "steps.html").read_text(encoding="utf-8")
    assert "Outcomes by class" in page
    text = bm.export(found, tmp_path / "steps.md", only=["outcomes"]).read_text(encoding="utf-8")
    assert "**Outcomes**" in text
