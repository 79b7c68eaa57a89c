"""Data in the repository are what the script beside them writes."""

import importlib.util
import sys
from pathlib import Path

import pandas as pd

FOLDER = Path(__file__).parents[1] / "data"


def test_toca_is_what_its_script_writes(tmp_path, monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location("toca", FOLDER / "toca.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "toca", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    module.main()
    for name in ("toca.csv", "toca_published.csv"):
        pd.testing.assert_frame_equal(pd.read_csv(tmp_path / name), pd.read_csv(FOLDER / name))
    shares = pd.read_csv(tmp_path / "toca.csv")["true_C"].value_counts(normalize=True)
    assert abs(shares[2] - module.SIZE) < 0.05
