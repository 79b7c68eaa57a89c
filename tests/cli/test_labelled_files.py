"""Files of SPSS, Stata, Excel and parquet: what their labels and missing codes mean, and what reading them takes."""

import sys

import numpy as np
import pandas as pd
import pytest

import bayesmix as bm
from bayesmix.cli.read import read_table
from command import run

pyreadstat = pytest.importorskip("pyreadstat")
AGREE = {1.0: "disagree", 2.0: "neither", 3.0: "agree", 9.0: "refused"}


@pytest.fixture
def spss(tmp_path):
    """A file with a missing code that is declared, one that is not, and a scale whose ends have labels."""
    rng = np.random.default_rng(1)
    df = pd.DataFrame({k: rng.integers(1, 4, 60).astype(float) for k in ("q1", "q2", "q3")})
    df.loc[:4, "q1"] = 9.0
    df["sex"], df["score"], df["age"] = rng.integers(1, 3, 60), rng.integers(0, 11, 60), rng.integers(18, 80, 60)
    df.loc[0, "age"] = 999
    path = tmp_path / "survey.sav"
    pyreadstat.write_sav(
        df,
        path,
        variable_value_labels={
            **dict.fromkeys(("q1", "q2", "q3"), AGREE),
            "sex": {1: "woman", 2: "man"},
            "score": {0: "worst", 10: "best"},
            "age": {999: "no answer"},
        },
        missing_ranges={k: [9] for k in ("q1", "q2", "q3")},
        variable_measure={"q1": "ordinal", "q2": "ordinal", "q3": "ordinal", "sex": "nominal"},
    )
    return path


def test_labels_of_spss_are_the_values_and_declared_codes_are_missing(spss):
    with pytest.warns(UserWarning, match=r"taken as numbers: score \(0 = worst, 10 = best\); age \(999 = no answer\)"):
        df = read_table(spss)
    assert df["q1"].isna().sum() == 5
    assert list(df["q2"].cat.categories) == ["disagree", "neither", "agree", "refused"]
    assert df["q2"].cat.ordered
    assert not df["sex"].cat.ordered
    assert set(df["sex"]) == {"woman", "man"}
    assert df["age"].max() == 999
    assert df["score"].dtype == float


def test_a_scale_of_spss_stays_numbers(tmp_path):
    path = tmp_path / "d.sav"
    labels = {"x": {1: "one", 2: "two"}}
    pyreadstat.write_sav(pd.DataFrame({"x": [1, 2, 1]}), path, variable_value_labels=labels,
                         variable_measure={"x": "scale"})  # fmt: skip
    assert list(read_table(path)["x"]) == [1.0, 2.0, 1.0]


def test_one_label_of_two_codes_is_not_taken_for_one_answer(tmp_path):
    path = tmp_path / "d.sav"
    pyreadstat.write_sav(
        pd.DataFrame({"x": [1, 2, 3]}), path, variable_value_labels={"x": {1: "no", 2: "no", 3: "yes"}}
    )
    with pytest.warns(UserWarning, match="one label twice"):
        assert list(read_table(path)["x"]) == [1.0, 2.0, 3.0]


def test_a_file_of_spss_is_fitted_in_the_order_of_its_codes(spss):
    done = run("fit", "lca", spss, "--items", "q1-q3", "--classes", 1, "--family", "ordinal", "--starts", 2)
    assert done.exit_code == 0, done.output
    with pytest.warns(UserWarning, match="taken as numbers"):
        df = read_table(spss)
    codes = df[["q1", "q2", "q3"]].apply(lambda x: x.cat.codes.where(x.notna()))
    fit = bm.fit(bm.models.lca(["q1", "q2", "q3"], 1, family=bm.ordinal()), codes, progress=False)
    assert f"{fit.loglik:.3f}" in done.stdout


def test_labels_of_stata_are_the_values_unless_only_some_have_one(tmp_path):
    path = tmp_path / "d.dta"
    df = pd.DataFrame({"a": [1, 2, 1, 2], "b": [0, 5, 10, 5]})
    df.to_stata(path, write_index=False, value_labels={"a": {1: "no", 2: "yes"}, "b": {0: "worst", 10: "best"}})
    with pytest.warns(UserWarning, match=r"taken as numbers: b \(0 = worst, 10 = best\)"):
        read = read_table(path)
    assert list(read["a"]) == ["no", "yes", "no", "yes"]
    assert read["a"].cat.ordered
    assert list(read["b"]) == [0, 5, 10, 5]


@pytest.mark.parametrize(("ending", "package"), [("xlsx", "openpyxl"), ("parquet", "pyarrow")])
def test_other_files_are_read(ending, package, tmp_path):
    pytest.importorskip(package)
    df, path = pd.DataFrame({"a": [1, 2, 1], "b": ["x", "y", "x"]}), tmp_path / f"d.{ending}"
    df.to_excel(path, index=False) if ending == "xlsx" else df.to_parquet(path)
    read = read_table(path)
    assert read["a"].tolist() == [1, 2, 1]
    assert read["b"].tolist() == ["x", "y", "x"]
    assert read.index.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("ending", "package"), [("sav", "pyreadstat"), ("zsav", "pyreadstat"), ("xlsx", "openpyxl"), ("parquet", "pyarrow")]
)
def test_what_a_file_takes_to_be_read_is_named_with_the_way_to_it(ending, package, tmp_path, monkeypatch):
    path = tmp_path / f"d.{ending}"
    path.write_bytes(b"something")
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setitem(sys.modules, "fastparquet", None)
    with pytest.raises(ValueError, match=rf"'d\.{ending}' takes {package} to be read: pip install 'bayesmix\[data\]'"):
        read_table(path)
