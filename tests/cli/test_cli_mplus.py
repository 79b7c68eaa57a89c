"""Mplus files from the command line."""

import numpy as np
import pandas as pd
import pytest

import bayesmix as bm
from command import run
from mplus_text import of_lca

QUICK = ("--starts", "4", "--finals", "2", "--rounds", "1", "--budget", "0")


@pytest.fixture(scope="module")
def data(two_classes, tmp_path_factory):
    path = tmp_path_factory.mktemp("mplus") / "data.csv"
    two_classes[list("abcde")].fillna(9999).astype(int).to_csv(path, index=False)
    return path


MODEL = ("--items", "a-e", "--classes", 2, "--missing", "9999")


@pytest.fixture(scope="module")
def folder(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("fit")
    done = run("fit", "lca", data, *MODEL, "--out", out, *QUICK)
    assert done.exit_code == 0, done.output
    return out


def test_a_fit_beside_an_output(folder, tmp_path):
    fit = bm.Fit.load(folder / "fit.nc")
    (tmp_path / "run.out").write_text(of_lca(fit, [1, 0], {k: k.upper() for k in "abcde"}))
    done = run("compare", folder, "--published", tmp_path / "run.out")
    assert done.exit_code == 0, done.output
    assert f"Mplus 8.11: log-likelihood {fit.loglik:.3f} (7 parameters); here {fit.loglik:.3f} (11)." in done.stdout
    table = pd.read_csv(folder / "comparison.csv", index_col=0)
    beside = table.loc[table["published"].notna()]
    assert len(beside) == 11
    np.testing.assert_allclose(beside["published"], beside["ml"], atol=6e-4)
    bad = run("compare", folder, "--published", tmp_path / "none.out")
    assert bad.exit_code == 2
    assert "No file" in bad.stderr


def test_a_model_is_written(data, folder, tmp_path):
    done = run("mplus", "lca", data, *MODEL, "--out", tmp_path / "run.inp", "--starts", 50)
    assert done.exit_code == 0, done.output
    assert "run.inp and run.dat are written" in done.stdout
    said = bm.mplus.read_input(tmp_path / "run.inp")
    assert said.option("ANALYSIS", "STARTS") == "50 10"
    assert bm.mplus.data(said, tmp_path).shape == (600, 5)
    again = run("mplus", "lca", data, *MODEL, "--out", tmp_path / "run.inp", "--estimates", folder)
    assert again.exit_code == 2
    assert "exists with another content" in again.stderr
    again = run("mplus", "lca", data, *MODEL, "--out", tmp_path / "run.inp", "--estimates", folder, "--overwrite")
    assert again.exit_code == 0, again.output
    said = bm.mplus.read_input(tmp_path / "run.inp")
    assert said.option("ANALYSIS", "STARTS") == "0"
    logit = float(bm.Fit.load(folder / "fit.nc").params["class_logit"][0])
    assert f"[C#1*{logit:.5f}]" in said.model["MODEL", "%OVERALL%"]


def test_mistakes(data, folder, tmp_path):
    done = run("mplus", "lca", data, *MODEL, "--out", tmp_path / "run.txt")
    assert done.exit_code == 2
    assert "ends in .inp" in done.stderr
    done = run(
        "mplus", "lca", data, "--items", "a-d", "--classes", 2, "--out", tmp_path / "r.inp", "--estimates", folder
    )
    assert done.exit_code == 2
    assert "has the fit of another model" in done.stderr
    done = run("mplus", "lca", data, *MODEL, "--out", tmp_path / "run.inp", "--estimates", tmp_path)
    assert "has no fit.nc" in done.stderr
