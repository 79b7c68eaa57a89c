"""Data in the repository are what the script beside them writes."""

import importlib.util
from pathlib import Path

import pandas as pd
import pytest

import bayesmix as bm
from bayesmix.posterior import tables

FOLDER = Path(__file__).parents[1] / "data"


def script():
    spec = importlib.util.spec_from_file_location("toca", FOLDER / "toca.py")
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
    found = tables(data, data.packing.pack(toca.truth()))
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
