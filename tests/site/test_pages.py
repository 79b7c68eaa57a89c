"""What the pages of the site show runs: their Python, and their commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from command import run

DOCS = Path(__file__).parents[2] / "docs"
FENCE = re.compile(r"^```(python|\{code-cell\} ipython3|sh)\n(.*?)^```$", flags=re.S | re.M)
PAGES = {str(p.relative_to(DOCS)): FENCE.findall(p.read_text(encoding="utf-8")) for p in sorted(DOCS.rglob("*.md"))}
LONG = ("command_line.md", "first_analysis.md", "install.md", "monte_carlo.md")
"""Pages whose code takes minutes on a slow machine."""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder of its own, where the data lie as they do beside the pages."""
    (tmp_path / "data").symlink_to(DOCS.parent / "data")
    (tmp_path / "study.toml").write_text((DOCS / "study.toml").read_text())
    monkeypatch.chdir(tmp_path)


def commands(block: str) -> list[list[str]]:
    """The commands of bayesmix in a block; installers are not run."""
    return [shlex.split(line)[1:] for line in block.splitlines() if line.startswith("bayesmix ")]


@pytest.mark.filterwarnings("ignore:The largest R-hat")  # chains are short here
@pytest.mark.parametrize(
    "page", [pytest.param(p, marks=[pytest.mark.slow] if p in LONG else []) for p, code in PAGES.items() if code]
)
def test_the_code_of_a_page_runs(page, capsys):
    names: dict = {}
    for kind, block in PAGES[page]:
        if kind == "sh":
            for words in commands(block):
                done = run(*words)
                assert done.exit_code == 0, done.output
        else:
            exec(compile(block, page, "exec"), names)


@pytest.mark.slow
def test_what_the_page_says_a_study_prints_is_what_it_prints():
    (shown,) = re.findall(r"^```text\n(.*?)^```$", (DOCS / "monte_carlo.md").read_text(), flags=re.S | re.M)
    done = run("study", "study.toml", "--out", "two_classes")
    assert shown.strip() in done.stdout


def test_pages_mention_no_name_that_the_package_has_not():
    """In tables and text as well, where no code runs."""
    import bayesmix as bm

    text = "\n".join(p.read_text(encoding="utf-8") for p in DOCS.rglob("*.md"))
    named = set(re.findall(r"`bm\.((?:models\.|plots\.)?\w+)", text)) - {"models", "plots", "mplus"}
    assert len(named) >= 30
    for name in named:
        home, _, own = name.rpartition(".")
        assert own in (getattr(bm, home) if home else bm).__all__, name
