"""`bayesmix three-step`: covariates and outcomes of the classes of a folder."""

import json

import numpy as np
import pandas as pd
import pytest

import bayesmix as bm
from command import run

RUN = ("--starts", "3", "--finals", "2", "--rounds", "1", "--budget", "0")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Two occasions of four items, a covariate and outcomes with a missing-value code, and folders of both fits."""
    home = tmp_path_factory.mktemp("steps")
    rng = np.random.default_rng(3)
    c = rng.integers(0, 2, 400)
    later = np.where(rng.random(400) < 0.8, c, 1 - c)
    df = pd.DataFrame({k: (rng.random(400) < np.where(c, 0.9, 0.1)).astype(int) for k in "abcd"})
    df = df.assign(**{f"{k}2": (rng.random(400) < np.where(later, 0.9, 0.1)).astype(int) for k in "abcd"})
    df["age"] = (40 + 5 * c + rng.normal(0, 9, 400)).round(1)
    df["score"] = (10 + 2 * c + rng.normal(size=400)).round(2)
    df["job"] = [rng.choice(["none", "part", "full"], p=[0.5, 0.3, 0.2] if k else [0.2, 0.3, 0.5]) for k in c]
    df.loc[:19, "score"] = -99
    df.to_csv(home / "data.csv", index=False)
    for items, out in (("a-d", "first"), ("a2-d2", "second")):
        done = run("fit", "lca", home / "data.csv", "--items", items, "--classes", 2, "--out", home / out, *RUN)
        assert done.exit_code == 0, done.output
    return home


def test_tables_and_the_listing_are_written(home, tmp_path):
    words = ("three-step", home / "first", home / "data.csv", "--covariates", "age", "--missing", -99)
    done = run(*words, "--outcomes", "score,job=nominal", "--method", "bch", "--level", 0.9, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "CLASSES ON COVARIATES" in done.stdout
    df = pd.read_csv(home / "data.csv").replace(-99, np.nan)
    fit = bm.Fit.load(home / "first" / "fit.nc")
    outcomes = {"score": bm.normal(), "job": bm.nominal()}
    found = bm.three_step(fit, df, "age", outcomes, "bch", level=0.9)
    for name, table in found.tables().items():
        written = pd.read_csv(tmp_path / "out" / f"{name}.csv")
        numbers = table.select_dtypes("number").columns
        assert np.allclose(written[[str(k) for k in numbers]], table[numbers], equal_nan=True), name
    assert (tmp_path / "out" / "listing.txt").read_text(encoding="utf-8") == str(found)
    kept = bm.load(tmp_path / "out")
    assert np.array_equal(kept.quantities.values, found.quantities.values)
    shown = run("show", tmp_path / "out")
    assert shown.exit_code == 0, shown.output
    assert str(found) in shown.stdout
    assert "MODEL AND DATA" in run("show", home / "first").stdout
    assert json.loads((tmp_path / "out" / "run.json").read_text())["settings"]["method"] == "bch"


def test_what_cannot_be_shown_is_said(home, tmp_path):
    done = run("show", tmp_path)
    assert done.exit_code == 2
    assert "holds no result" in done.output


def test_a_later_occasion_gives_transitions(home):
    done = run("three-step", home / "first", home / "data.csv", "--then", home / "second")
    assert done.exit_code == 0, done.output
    assert "CLASS PROBABILITIES, AND GIVEN THE CLASS BEFORE" in done.stdout


@pytest.mark.parametrize(("words", "message"), [
    ((), "Neither covariates nor outcomes came"),
    (("--outcomes", "job"), "The outcome 'job' came with text"),
    (("--outcomes", "job=nominl"), "The family came as 'nominl'"),
    (("--covariates", "agee"), "did you mean 'age'?"),
    (("--covariates", "age", "--missing", "-98"), "does not occur"),
])  # fmt: skip
def test_mistakes_are_one_line(home, words, message):
    done = run("three-step", home / "first", home / "data.csv", *words)
    assert message in done.output
    assert done.exit_code == (0 if "occur" in message else 2)
