"""`bayesmix residuals`: what it prints and writes of the fit in a folder."""

import numpy as np
import pandas as pd
import pytest

import bayesmix as bm
from command import run

RUN = ("--starts", "2", "--finals", "1", "--rounds", "1", "--budget", "0")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Data with 9999 for missing, and the folder of a fit."""
    home = tmp_path_factory.mktemp("residuals")
    rng = np.random.default_rng(3)
    c = rng.integers(0, 2, 240)
    df = pd.DataFrame({k: (rng.random(240) < np.where(c, 0.85, 0.2)).astype(int) for k in "abcd"})
    df = df.mask(rng.random(df.shape) < 0.05).fillna(9999).astype(int).assign(y=rng.normal(size=240).round(2))
    df.to_csv(home / "data.csv", index=False)
    for name, more in (("fit", ()), ("numbers", ("--family", "normal"))):
        items = "a-d" if name == "fit" else "y"
        words = ["fit", "lca", home / "data.csv", "--items", items, "--classes", 2 if name == "fit" else 1, *more]
        words += ["--missing", 9999] if name == "fit" else []
        done = run(*words, "--out", home / name, *RUN)
        assert done.exit_code == 0, done.output
    return home


def test_everything_is_printed_and_written(files, tmp_path):
    words = ("residuals", files / "fit", files / "data.csv", "--bootstrap", 4, "--top", 3, "--plots")
    done = run(*words, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    for title in ("MISSING DATA", "GOODNESS OF FIT", "RESIDUALS", "MOST COMMON RESPONSE PATTERNS", "bootstrap p"):
        assert title in done.stdout
    names = {p.name for p in (tmp_path / "out").iterdir()}
    assert {"chi_squares.csv", "residuals_pairs.csv", "residuals_cells.csv", "patterns.csv", "coverage.csv"} <= names
    assert {"residuals.png", "listing.txt", "run.json"} <= names
    df = pd.read_csv(files / "data.csv").replace(9999, np.nan)
    fit = bm.Fit.load(files / "fit" / "fit.nc")
    table = pd.read_csv(tmp_path / "out" / "chi_squares.csv", index_col=0)
    assert np.allclose(table["value"], bm.goodness_of_fit(fit, df).table["value"])
    pairs = pd.read_csv(tmp_path / "out" / "residuals_pairs.csv", index_col=[0, 1])
    assert np.allclose(pairs["Pearson"], bm.residuals(fit, df).pairs["Pearson"])
    shown = done.stdout.split("MOST COMMON RESPONSE PATTERNS")[1].splitlines()
    assert sum(line.strip()[:1] in ("0", "1", ".") for line in shown) == 3


def test_numbers_have_residuals_alone(files):
    done = run("residuals", files / "numbers", files / "data.csv")
    assert done.exit_code == 0, done.output
    assert "RESIDUALS" in done.stdout
    assert "GOODNESS OF FIT" not in done.stdout
    assert "MISSING" not in done.stdout


def test_other_data_are_one_line(files, tmp_path):
    pd.read_csv(files / "data.csv").iloc[:-1].to_csv(tmp_path / "other.csv", index=False)
    done = run("residuals", files / "fit", tmp_path / "other.csv")
    assert done.exit_code == 2
    assert "not of the same data" in done.stderr
    done = run("residuals", files / "fit", files / "data.csv", "--against", "em")
    assert done.exit_code == 2
    assert "against came as 'em'" in done.stderr
