"""The README's Python runs, from its first line to its last."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.S)


def test_the_code_of_the_readme_runs(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    names: dict = {}
    for block in BLOCKS:
        exec(compile(block, "README.md", "exec"), names)
    assert "best value replicated" in capsys.readouterr().out.lower()
    assert names["fit"].n_parameters == 21
    assert names["post"]["posterior"].sizes["chain"] == 4
    assert {names[k].cluster for k in ("schools", "moves", "slopes")} == {"classroom", "school"}


def test_the_readme_is_one_page():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 65


@pytest.mark.parametrize("file", re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text()))
def test_the_links_of_the_readme_lead_somewhere(file):
    assert (ROOT / file).exists()
