"""Every notebook runs from top to bottom and is stored without its output."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "notebooks"
LONG = ("students_or_schools",)
"""Notebooks that run for many minutes."""


def notebooks():
    for path in sorted(FOLDER.glob("*.ipynb")):
        yield pytest.param(path, id=path.stem, marks=[pytest.mark.slow] if path.stem in LONG else [])


@pytest.mark.parametrize("path", list(notebooks()))
@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_notebook_runs(path, monkeypatch):
    monkeypatch.delenv("MPLBACKEND", raising=False)  # the kernel draws into the notebook
    book = nbformat.read(path, as_version=4)
    assert not any(cell.get("outputs") for cell in book.cells)
    NotebookClient(book, timeout=900, resources={"metadata": {"path": str(FOLDER)}}).execute()
    text = "".join(str(o) for cell in book.cells for o in cell.get("outputs", []))
    assert "image/png" in text
