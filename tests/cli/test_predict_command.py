"""`bayesmix predict`: files of new rows by the fit of a folder."""

import numpy as np
import pandas as pd
import pytest

import bayesmix as bm
from command import run

RUN = ("--starts", "2", "--finals", "1", "--rounds", "1", "--budget", "0")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Data with 9999 for missing and a cluster column, new rows of it, and the folder of a fit."""
    home = tmp_path_factory.mktemp("predict")
    rng = np.random.default_rng(3)
    c, g = rng.integers(0, 2, 240), np.repeat(np.arange(24), 10)
    df = pd.DataFrame({k: (rng.random(240) < np.where(c, 0.85, 0.2)).astype(int) for k in "abcd"})
    df = df.mask(rng.random(df.shape) < 0.03).fillna(9999).astype(int)
    df = df.assign(
        person=[f"p{k}" for k in range(240)], school=[f"s{k}" for k in g], age=rng.normal(40, 9, 240).round(1)
    )
    df.to_csv(home / "old.csv", index=False)
    df.iloc[:7].assign(school="new", person=list("ABCDEFG")).drop(columns="d").to_csv(home / "new.csv", index=False)
    words = ["fit", "lca", home / "old.csv", "--items", "a-d", "--classes", 2, "--covariates", "age", "--missing", 9999]
    done = run(*words, "--cluster", "school", "--set", "cluster_classes=2", "--out", home / "fit", *RUN)
    assert done.exit_code == 0, done.output
    return home


def test_tables_of_new_rows_are_written(files, tmp_path):
    done = run("predict", files / "fit", files / "new.csv", "--id", "person", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "7 rows in 1 clusters" in done.stdout
    assert "no column for d: taken as missing" in done.stdout
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    table = pd.read_csv(tmp_path / "out" / "class_probabilities.csv")
    assert table.columns.to_list()[:2] == ["row", "person"]
    assert table["person"].to_list() == list("ABCDEFG")
    new = pd.read_csv(files / "new.csv").replace(9999, np.nan)
    found = bm.predict(bm.Fit.load(files / "fit" / "fit.nc"), new)
    assert np.allclose(table.filter(like="="), found.class_probabilities("C").filter(like="="))
    outcomes = pd.read_csv(tmp_path / "out" / "outcomes.csv").drop(columns=["row", "person"])
    assert np.allclose(outcomes, found.outcomes)
    assert {"class_probabilities.csv", "outcomes.csv", "loglik.csv", "run.json"} <= {*names}
    above = next(n for n in names if n.startswith("class_probabilities_"))
    assert pd.read_csv(tmp_path / "out" / above)["school"].to_list() == ["new"]


def test_rows_seen_before_are_a_file_too(files, tmp_path):
    old = pd.read_csv(files / "old.csv")
    old.iloc[:3].assign(person=list("ABC")).to_csv(tmp_path / "more.csv", index=False)
    old.iloc[3:].to_csv(tmp_path / "seen.csv", index=False)
    words = ("predict", files / "fit", tmp_path / "more.csv", "--given", tmp_path / "seen.csv")
    done = run(*words, "--outcomes", "from covariates alone", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    table = pd.read_csv(tmp_path / "out" / "class_probabilities.csv", index_col="row")
    fit, (new, seen) = bm.Fit.load(files / "fit" / "fit.nc"), (old.iloc[:3], old.iloc[3:].replace(9999, np.nan))
    found = bm.predict(fit, new.replace(9999, np.nan), given=seen)
    assert np.allclose(table.filter(like="="), found.class_probabilities("C").filter(like="="))


@pytest.mark.parametrize(("change", "message"), [
    (lambda d: d.drop(columns="age"), "no column for the covariate 'age'"),
    (lambda d: d.drop(columns="school"), "no cluster column 'school'"),
    (lambda d: d.assign(a=5), "Item 'a' came with 5, which is not among the categories of the fit"),
])  # fmt: skip
def test_mistakes_are_one_line(files, tmp_path, change, message):
    change(pd.read_csv(files / "new.csv")).to_csv(tmp_path / "bad.csv", index=False)
    done = run("predict", files / "fit", tmp_path / "bad.csv", "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert message in done.output


def test_a_folder_without_a_fit_is_named(files, tmp_path):
    done = run("predict", tmp_path, files / "new.csv")
    assert done.exit_code == 2
    assert "has no fit.nc: give a folder that `bayesmix fit --out` wrote" in done.output
    done = run("predict", files / "fit", files / "new.csv", "--posterior")
    assert "has no posterior.nc: give a folder that `bayesmix fit --sample --out` wrote" in done.output
