"""Data in the repository are what the script beside them writes."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayesmix as bm
from bayesmix.graph import tables

FOLDER = Path(__file__).parents[1] / "data"


def script(name="toca"):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_toca_is_what_its_script_writes(tmp_path, monkeypatch, capsys):
    module = script()
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    module.main()
    for name in ("toca.csv", "toca_published.csv"):
        pd.testing.assert_frame_equal(pd.read_csv(tmp_path / name), pd.read_csv(FOLDER / name))
    df = pd.read_csv(tmp_path / "toca.csv")
    assert abs((df["true_C1"] == 2).mean() - 0.46) < 0.05
    assert abs((df["true_C2"][df["true_C1"] == 1] == 2).mean() - 0.18) < 0.05


def test_the_truth_gives_every_figure_of_the_text_as_printed():
    toca = script()
    made = toca.figures(*toca.solved())
    assert {k: round(float(v), 2) for k, v in made.items()} == toca.TEXT


def test_the_engine_finds_the_figures_at_the_truth():
    """What bm.decomposition and bm.transitions report at the truth is what the script's own integrals say."""
    toca = script()
    made, df = toca.figures(*toca.solved()), pd.read_csv(FOLDER / "toca.csv")
    data = bm.prepare(toca.model(), df)
    found = tables(data, data.pack(toca.truth()))
    pairs = {
        "fall": found["C1_probability"][1],
        "spring": found["C2_probability"][1],
        "leaves": found["C2_transition"][1, 0],
        "enters": found["C2_transition"][0, 1],
        "C1 by alpha1": found["C1_explained_by_alpha1"][0],
        "C2": found["C2_explained"][0],
        "C2 by C1": found["C2_explained_by_C1"][0],
        "C2 by alpha2": found["C2_explained_by_alpha2"][0],
        "C2 by C1 alone": found["C2_explained_by_C1_alone"][0],
        "C2 by alpha2 beyond C1": found["C2_explained_by_alpha2_beyond_C1"][0],
    }
    assert {k: float(x) for k, x in pairs.items()} == pytest.approx(made, abs=2e-5)
    assert float(found["C2_explained_by_alpha1"][0]) == pytest.approx(
        made["C2"] - made["C2 by C1"] - made["C2 by alpha2"], abs=2e-5
    )


def test_the_generated_schools_have_the_moments_of_the_text():
    """Section 3 of the 2009 paper: sizes, school types, an ICC of 0.13, classes of 22, 46 and 32%."""
    nels = script("nels")
    df = bm.simulate(nels.nels("B", 3), nels.TRUTH, df=nels.covariates(), seed=nels.SEED)
    school = df.groupby("school")
    size, mean = school.math.size(), school.math.mean()
    assert (len(df), len(size)) == (14217, 913)
    types = school[["private", "catholic"]].first().mean()
    assert types.round(2).tolist() == [0.08, 0.07]
    within = ((df.math - mean[df.school].to_numpy()) ** 2).sum() / (len(df) - len(size))
    between = (size * (mean - df.math.mean()) ** 2).sum() / (len(size) - 1)
    variance = (between - within) / ((len(df) - (size**2).sum() / len(df)) / (len(size) - 1))
    assert abs(variance / (variance + within) - 0.13) < 0.01
    assert abs(df.true_C.value_counts(normalize=True).sort_index() - [0.22, 0.46, 0.32]).max() < 0.02


@pytest.fixture
def studies(tmp_path, monkeypatch):
    """The studies of the papers with few starts and small samples, written elsewhere."""
    module = script("studies")
    for name, value in {
        "FOLDER": tmp_path,
        "STARTS": {"starts": 2, "finals": 1, "rounds": 1},
        "SAMPLE": (25, 8),
        "BOTH_WAYS": {"starts": 2, "finals": 1, "rounds": 1, "nodes": bm.adaptive(3)},
        "SCHOOLS": (18, 10),
    }.items():
        monkeypatch.setattr(module, name, value)
    return module


@pytest.mark.slow
def test_the_table_of_mean_squared_errors_adds_up(studies, tmp_path):
    found = studies.table_2(replications=2)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "table_2.csv", index_col=0), found.round(4))
    assert list(found.columns) == ["published", "mse", "average", "sd", "average_se", "cover", "n"]
    assert dict(found["published"]) == studies.PUBLISHED_MSE
    assert (found["n"] == 2).all()
    assert found["mse"].to_numpy() == pytest.approx((found["average"] ** 2 + found["sd"] ** 2 / 2).to_numpy())
    assert found["average_se"].between(0.05, 5).all()


@pytest.mark.slow
def test_the_table_of_latent_profiles_covers(studies):
    kept = pd.read_csv(FOLDER / "studies" / "latent_profiles.csv", index_col=0)
    shown = kept[kept.index.str.startswith(("item_sd", "item_covariance"))]
    assert len(shown) == 12
    assert (shown["n"] >= 95).all()
    assert shown["cover"].between(0.87, 1.0).all()
    assert ((shown["average"] - shown["population"]).abs() < 4 * shown["sd"] / shown["n"] ** 0.5 + 0.01).all()
    found = studies.latent_profiles(replications=2)
    assert list(found.index) == list(kept.index)
    assert (found["population"] == kept["population"]).all()


def test_the_mixture_is_chosen_where_it_made_the_data(studies, tmp_path):
    found = studies.section_2_2(replications=2)
    assert list(found["parameters"]) == [11, 8]
    assert list(found["chosen by BIC"]) == [2, 0]
    names = {f"section_2_2_{k}.csv" for k in ("bic", "fig_3", "fig_4")}
    assert names <= {p.name for p in tmp_path.iterdir()}
    own, other = (pd.read_csv(tmp_path / f"section_2_2_fig_{k}.csv", index_col=0) for k in (3, 4))
    assert (own["average"] - own["population"]).abs().loc[
        ["intercept[1]", "intercept[2]", "coefficient[1, x]"]
    ].max() < 0.5
    assert other.loc["x_on[w]", "average"] < 0 < own.loc["intercept_on[w]", "average"]


def test_the_mixture_is_not_chosen_where_there_is_none(studies):
    found = studies.reverse(replications=1)
    assert list(found["n"]) == [1, 1]
    assert list(found["chosen by BIC"]) == [0, 1]


@pytest.mark.slow
def test_the_models_of_table_6_are_reached_twice_on_nodes_that_are_fine_enough(tmp_path, monkeypatch):
    """FMA-GoM has a maximum of the nodes' own where the SD of its membership logit is large."""
    module = script("studies")
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    found = module.table_6()
    kept = pd.read_csv(FOLDER / "studies" / "table_6.csv", index_col=0)
    assert (found["replicated"] >= 2).all()
    assert found["log-likelihood"].to_list() == pytest.approx(kept["log-likelihood"].to_list(), abs=1e-3)
    assert found["parameters"].to_list() == [37, 55, 56, 56]
    assert 0.9 < found.loc["FMA-GoM", "ICC"] < 0.98


def test_ucla_is_what_its_script_writes(tmp_path, monkeypatch):
    module = script("ucla")
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    module.main()
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "ucla.csv"), pd.read_csv(FOLDER / "ucla.csv"))
    icc = module.TRUTH["class_loading"][0][0] ** 2 / (module.TRUTH["class_loading"][0][0] ** 2 + np.pi**2 / 3)
    assert icc == pytest.approx(0.86)  # what section 8 of the 2006 paper says of its sample


def test_the_table_of_section_4_stands_beside_what_was_published():
    kept = pd.read_csv(FOLDER / "studies" / "section_4.csv", index_col=0)
    published = pd.read_csv(FOLDER / "toca_published.csv", index_col=0)["published"]
    assert kept["published"].to_dict() == published.to_dict()
    assert ((kept["ours"] - kept["published"]).abs() < 4 * kept["SE"]).all()


@pytest.mark.slow
def test_section_4_is_what_its_fit_finds(studies, tmp_path):
    found = studies.section_4()
    kept = pd.read_csv(FOLDER / "studies" / "section_4.csv", index_col=0)
    assert found["ours"].to_numpy() == pytest.approx(kept["ours"].to_numpy(), abs=1e-3)
