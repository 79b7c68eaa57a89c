"""What is written is whole or not there, what is read is whole or refused, and a folder holds one run."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from bayesmix.models.lca import lca
from bayesmix.models.lta import lta

import bayesmix as bm
from bayesmix import files
from bayesmix.files import check_folder, written
from bayesmix.results import Estimates, Fit, entry
from bayesmix.studies import store as records
from command import run
from declare import frame

QUICK = {"starts": 2, "finals": 1, "rounds": 1, "progress": False}
OPTIONS = ["--items", "a-e", "--starts", "4", "--finals", "2", "--rounds", "1"]


def contents(folder) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}


def full_disk(*_):
    raise OSError(28, "No space left on device")


# one file -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, ValueError])
def test_an_error_in_writing_leaves_the_old_file_and_nothing_else(tmp_path, error):
    (tmp_path / "x.csv").write_text("old")

    def write():
        with written(tmp_path / "x.csv") as aside:
            aside.write_text("half")
            raise error("stopped")

    with pytest.raises(error, match="stopped"):
        write()
    assert contents(tmp_path) == {"x.csv": b"old"}


def test_a_process_that_is_killed_leaves_the_old_file(tmp_path):
    (tmp_path / "x.csv").write_text("old")
    code = (
        "import os, signal, sys; from bayesmix.files import written\n"
        "with written(sys.argv[1]) as p: p.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "x.csv"], check=False)
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "x.csv").read_text() == "old"


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link.csv").symlink_to(tmp_path / "there" / "real.csv")
    with written(tmp_path / "link.csv") as aside:
        aside.write_text("new")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "there" / "real.csv").read_text() == "new"


def test_where_no_file_can_be_is_refused(tmp_path):
    with pytest.raises(OSError, match="is a folder, and a file was to be written"), written(tmp_path):
        pass
    with pytest.raises(OSError, match="There is no folder"), written(tmp_path / "no" / "x.csv"):
        pass


@pytest.mark.parametrize("what", ["fit", "record", "diagram"])
def test_a_full_disk_leaves_the_old_file(what, tmp_path, fitted, monkeypatch):
    path = tmp_path / ("fit.nc" if what == "fit" else "study.json" if what == "record" else "diagram.dot")
    write = {
        "fit": lambda: fitted.save(path),
        "record": lambda: records._write(path, {"a": 1}),
        "diagram": lambda: bm.plots.diagram(lca(list("abcde"), 2)).save(path),
    }[what]
    write()
    before = contents(tmp_path)
    monkeypatch.setattr(files.os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write()
    assert contents(tmp_path) == before


# saved fits ---------------------------------------------------------------------------------------


def test_a_fit_that_is_cut_short_is_refused_by_its_name(tmp_path, fitted):
    whole = fitted.save(tmp_path / "fit.nc").read_bytes()
    for share in (0.0, 0.01, 0.3, 0.7, 0.99):
        (tmp_path / "cut.nc").write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(ValueError, match=r"'.*cut\.nc' cannot be read as a fit .*: it may be cut short.*\.$"):
            Fit.load(tmp_path / "cut.nc")


def test_what_is_no_fit_is_refused_by_its_name(tmp_path):
    (tmp_path / "text.nc").write_bytes(b"hello" * 50)
    posterior = xr.DataTree.from_dict({"/posterior": xr.Dataset({"x": 1.0})})
    posterior.attrs["bayesmix"] = json.dumps({"max_rhat": 1.0})
    posterior.to_netcdf(tmp_path / "posterior.nc")
    xr.Dataset({"x": 1.0}).to_netcdf(tmp_path / "other.nc")
    for name in ("text", "posterior", "other"):
        with pytest.raises(ValueError, match=rf"'.*{name}\.nc' .*give a file written by Fit\.save\.$"):
            Fit.load(tmp_path / f"{name}.nc")
    with pytest.raises(FileNotFoundError, match=r"There is no file '.*none\.nc': give a file"):
        Fit.load(tmp_path / "none.nc")


def test_a_fit_of_another_version_is_refused_by_its_name(tmp_path, fitted):
    path = fitted.save(tmp_path / "fit.nc")
    for change, words in (
        ({"format": None, "model": None}, r"an earlier version of bayesmix \(format 1; this one reads 2\)"),
        ({"format": 3}, r"a later version of bayesmix \(format 3; this one reads 2\)"),
    ):
        with xr.open_datatree(path) as tree:
            tree.load()
        held = json.loads(tree.attrs["bayesmix"]) | change
        tree.attrs["bayesmix"] = json.dumps({k: x for k, x in held.items() if x is not None})
        tree.to_netcdf(tmp_path / "other.nc")
        with pytest.raises(ValueError, match=rf"'.*other\.nc' is of {words} .*: run bm\.fit again"):
            Fit.load(tmp_path / "other.nc")


INDEX = {
    "numbers": np.arange(3, 363),
    "text": [f"ä {k}/x" for k in range(360)],
    "dates": pd.date_range("2020-01-01", periods=360),
    "pairs": pd.MultiIndex.from_product([range(36), list("abcdefghij")]),
    "repeated": [7] * 360,
}


@pytest.mark.filterwarnings("ignore:The best log-likelihood")
@pytest.mark.parametrize(("kind", "index"), [*(("waves", k) for k in INDEX), ("clusters", "text")])
def test_a_saved_fit_is_all_there_when_it_is_loaded(kind, index, tmp_path):
    df = frame(1, clusters=36, rows=10).rename(columns={"b1": "b/1 ä"}).set_axis(INDEX[index], axis=0)
    model = lca(["b/1 ä", "b2", "b3"], 2, cluster="g", covariates="x")
    if kind == "waves":
        model = lta([["b/1 ä", "b2"], ["b3", "b4"]], 2, names=["u", "v"])
    fit = bm.fit(model, df, **QUICK)
    again = Fit.load(fit.save(tmp_path / "fit.nc"))
    for name in ("params", "se", "se_hessian", "probabilities", "probabilities_se", "derived", "derived_se", "free"):
        xr.testing.assert_equal(getattr(again, name), getattr(fit, name))
        for k, x in getattr(fit, name).items():
            assert getattr(again, name)[k].dims == x.dims
    for name in ("classes", "effect_scores"):
        assert set(getattr(again, name)) == set(getattr(fit, name))
    assert again.model == fit.model == model
    assert json.loads(json.dumps(again.info)) == json.loads(json.dumps(dict(fit.info)))
    assert json.dumps(again.quality) == json.dumps(dict(fit.quality))
    assert (again.loglik, again.n_parameters, again.bic, again.entropy) == (
        fit.loglik, fit.n_parameters, fit.bic, fit.entropy,
    )  # fmt: skip
    pd.testing.assert_frame_equal(again.starts, fit.starts, check_dtype=False)
    pd.testing.assert_frame_equal(again.class_probabilities(), fit.class_probabilities(), check_index_type=False)
    assert [entry("x", x, (0,) * x.ndim) for x in again.params.values()]


@pytest.mark.filterwarnings("ignore:The best log-likelihood")
def test_what_each_number_is_is_kept_with_it(tmp_path):
    fit = bm.fit(lca(["b1", "b2", "b3"], 2, cluster="g"), frame(1, clusters=36, rows=10), **QUICK)
    for found in (fit, Fit.load(fit.save(tmp_path / "fit.nc"))):
        assert found.params["item_logit"].attrs == {"kind": "parameter", "scale": "identity"}
        assert found.probabilities["C_probability"].attrs == {"kind": "class size", "of": "C", "scale": "logit"}
        icc = {"kind": "icc", "of": "C", "part": "cluster", "scale": "logit"}
        assert found.derived["cluster_icc"].attrs == icc
        assert [q.name for q in Estimates.of(found).of_kind("sd", of="C")] == ["cluster_sd"]


# the folder of a run ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def table(two_classes, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "data.csv"
    two_classes.to_csv(path, index=False)
    return path


def test_a_folder_that_cannot_be_written_to_is_found_before_the_fit(table, tmp_path, monkeypatch):
    from bayesmix.ml import estimation as ml

    def never(*_, **__):
        raise AssertionError("fitted")

    monkeypatch.setattr(ml, "fit", never)
    for name in ("fit.nc", "posterior.nc", "listing.txt"):
        (tmp_path / name / name).mkdir(parents=True)
        done = run("fit", "lca", table, *OPTIONS, "--classes", 2, "--out", tmp_path / name)
        assert done.exit_code == 2
        assert f"has a folder named '{name}', where a file may have to be written" in done.stderr
    monkeypatch.setattr(files.os, "fsync", full_disk)
    done = run("fit", "lca", table, *OPTIONS, "--classes", 2, "--out", tmp_path / "out")
    assert "Nothing can be written to the folder" in done.stderr
    with pytest.raises(ValueError, match=r"No space left on device.*: give another one"):
        check_folder(tmp_path / "out")


def test_a_result_is_printed_when_it_cannot_be_written(table, tmp_path, monkeypatch):
    def full(self, _):
        full_disk()

    monkeypatch.setattr(Fit, "save", full)
    done = run("fit", "lca", table, *OPTIONS, "--classes", 2, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert "Log-likelihood" in done.stdout
    assert "No space left" in done.stderr


def test_a_folder_holds_one_run(table, tmp_path):
    out = tmp_path / "out"
    assert run("enumerate", "lca", table, *OPTIONS, "--classes", "1-3", "--out", out).exit_code == 0
    (out / "mine.csv").write_text("mine")
    assert (out / "fit_3.nc").exists()
    assert run("enumerate", "lca", table, *OPTIONS, "--classes", "1-2", "--out", out).exit_code == 0
    assert not (out / "fit_3.nc").exists()
    assert (out / "mine.csv").read_text() == "mine"
    held = json.loads((out / "run.json").read_text())
    assert {*held["files"], "run.json", "mine.csv"} == {p.name for p in out.iterdir()}
    before = contents(out)
    done = run("fit", "lca", table, *OPTIONS, "--classes", 2, "--out", out)
    assert done.exit_code == 2
    assert "holds the files of `bayesmix enumerate`: give another --out" in done.stderr
    assert contents(out) == before


@pytest.mark.parametrize(
    ("held", "words"),
    [
        ('{"command": "bayesmix fit lca x.csv"}', "a run of an earlier version, which kept no list of its files"),
        ("half a fi", "run.json' cannot be read"),
        ("[1]", "run.json' cannot be read"),
    ],
)
def test_a_folder_whose_run_is_unknown_is_refused(held, words, table, tmp_path):
    (tmp_path / "run.json").write_text(held)
    done = run("fit", "lca", table, *OPTIONS, "--classes", 2, "--out", tmp_path)
    assert done.exit_code == 2
    assert words in done.stderr
    assert contents(tmp_path) == {"run.json": held.encode()}


def test_the_folder_of_a_study_takes_no_fit(table, tmp_path):
    (tmp_path / "study.json").write_text("{}")
    done = run("fit", "lca", table, *OPTIONS, "--classes", 2, "--out", tmp_path)
    assert "holds a study: give another --out" in done.stderr


def test_names_of_files_elsewhere_are_never_removed(table, tmp_path):
    other = tmp_path / "precious.csv"
    other.write_text("kept")
    out = tmp_path / "out"
    assert run("fit", "lca", table, *OPTIONS, "--classes", 2, "--out", out).exit_code == 0
    held = json.loads((out / "run.json").read_text())
    (out / "run.json").write_text(json.dumps(held | {"files": [*held["files"], f"..{os.sep}precious.csv"]}))
    assert run("fit", "lca", table, *OPTIONS, "--classes", 1, "--out", out).exit_code == 0
    assert other.read_text() == "kept"


def test_comparisons_are_files_of_the_run_and_cut_ones_are_refused(table, tmp_path):
    out = tmp_path / "out"
    assert run("fit", "lca", table, *OPTIONS, "--classes", 2, "--out", out).exit_code == 0
    assert run("compare", out).exit_code == 0
    assert "comparison.csv" in json.loads((out / "run.json").read_text())["files"]
    (out / "posterior.nc").write_bytes(b"half")
    done = run("compare", out)
    assert done.exit_code == 2
    assert "posterior.nc' cannot be read as a posterior" in done.stderr
