"""The documentation site: it refuses foreign folders, finds dead links, and has every public name."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import bayesmix as bm

ROOT = Path(__file__).parents[2]
PUBLIC = [
    *bm.__all__,
    *(f"models.{name}" for name in bm.models.__all__),
    *(f"plots.{name}" for name in bm.plots.__all__),
    *(f"mplus.{name}" for name in bm.mplus.__all__),
]


@pytest.fixture(autouse=True)
def tools(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")


def page(body: str) -> str:
    return f"<html><head><title>A page</title></head><body>{body}</body></html>"


# the folder ---------------------------------------------------------------------------------------


def test_a_folder_that_holds_no_site_is_refused_before_anything_is_built(tmp_path, monkeypatch, capsys):
    import make_site

    (tmp_path / "thesis.txt").write_text("years of work")
    monkeypatch.setattr(sys, "argv", ["make_site.py", str(tmp_path)])
    monkeypatch.setattr(make_site, "build", lambda **_: pytest.fail("it began to build"))
    assert make_site.main() == 2
    assert "is not empty, and what it holds is no site that was made here" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_site_takes_the_place_of_an_older_one_whole(tmp_path, monkeypatch):
    import make_site

    made, out = tmp_path / "made", tmp_path / "out"
    for folder, name in ((made, "index.html"), (out, "gone.html")):
        folder.mkdir()
        (folder / name).write_text(page(""))
        (folder / make_site.MARK).write_text("")
    monkeypatch.setattr(sys, "argv", ["make_site.py", str(out)])
    monkeypatch.setattr(make_site, "build", lambda **_: made)
    assert make_site.main() == 0
    assert sorted(p.name for p in out.iterdir()) == [make_site.MARK, "index.html"]


def test_a_file_and_an_empty_folder(tmp_path):
    import make_site

    make_site.refuse_foreign(tmp_path)
    make_site.refuse_foreign(tmp_path / "not there yet")
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is a file: give a folder for the site"):
        make_site.refuse_foreign(tmp_path / "file")


# notebooks ----------------------------------------------------------------------------------------


def test_notebooks_stand_in_the_order_of_the_page_and_new_ones_at_its_end():
    from make_site import with_entries

    tree = "text\n\n```{toctree}\n:maxdepth: 1\n\nb\nmissing\na\n```\n\nmore\n"
    assert with_entries(tree, ["a", "b", "new"]) == tree.replace("b\nmissing\na\n", "b\na\nnew\n")


def test_every_notebook_is_laid_out(tmp_path):
    from make_site import lay_out

    lay_out(tmp_path / "source")
    tutorials = tmp_path / "source" / "tutorials"
    entries = re.search(r"maxdepth: 1\n\n(.*?)```", (tutorials / "index.md").read_text(), flags=re.S)[1].split()
    assert sorted(entries) == sorted(p.stem for p in (ROOT / "notebooks").glob("*.ipynb"))
    assert all((tutorials / f"{name}.ipynb").is_file() for name in entries)


def test_files_of_the_repository_are_named_where_the_site_has_no_link_to_them():
    from make_site import without_files

    text = "[this](models/lca.py), [that](https://example.org) and [here](#there)"
    assert without_files(text) == "`models/lca.py`, [that](https://example.org) and [here](#there)"


# links --------------------------------------------------------------------------------------------


def test_dead_links_and_what_is_loaded_from_elsewhere_are_found(tmp_path):
    from links import problems

    (tmp_path / "other.html").write_text(page("<h1 id='here'>Here</h1>"))
    (tmp_path / "site.css").write_text("@font-face { src: url(https://fonts.example/a.woff2) }")
    links = ["other.html#here", "other.html#gone", "gone.html", "#nothing", "https://example.org/not-visited"]
    body = "".join(f"<a href='{link}'>x</a>" for link in links)
    (tmp_path / "index.html").write_text(page(f"{body}<script src='https://cdn.example/x.js'></script>"))
    assert problems(tmp_path) == [
        "index.html: 'other.html#gone' leads to no anchor",
        "index.html: 'gone.html' leads to no file",
        "index.html: '#nothing' leads to no anchor",
        "index.html: loads 'https://cdn.example/x.js' from elsewhere",
        "site.css: loads 'https://fonts.example/a.woff2' from elsewhere",
    ]


# the reference ------------------------------------------------------------------------------------


def test_every_public_name_has_its_page_in_the_reference():
    text = "\n".join(path.read_text() for path in sorted((ROOT / "docs" / "reference").glob("*.md")))
    lists = re.findall(r":nosignatures:\n\n(.*?)```", text, flags=re.S)
    named = [name for block in lists for name in block.split()]
    assert sorted(named) == sorted(PUBLIC), "the pages of docs/reference/ list every public name once"


# pages made from tables -----------------------------------------------------------------------------


def test_the_page_of_published_values_has_every_row_and_its_source():
    import validated

    values = validated.read_published()
    text = validated.page()
    for _, row in values.iterrows():
        assert f"| {row['model']}" in text
        assert f"| {row['published']} | {row['ours'] or '–'} |" in text
        assert row["source"]
    (total,) = re.findall(r"\| \*\*all\*\* \| (\d+) \|", text)
    counted = re.findall(r"^\| (?:equal|a higher|takes many|\*)[^|]*\| (\d+) \|", text, flags=re.M)
    assert int(total) == len(values) == sum(map(int, counted[:-1]))


def test_the_page_says_what_equal_means(monkeypatch):
    import validated

    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import published

    assert f"within {published.SAME} and" in validated.VERDICTS["equal"]


def test_what_is_worse_than_published_is_said(monkeypatch):
    import validated

    values = validated.read_published().copy()
    values.loc[0, ["verdict", "difference"]] = ["WORSE", "-1.5"]
    monkeypatch.setattr(validated, "read_published", lambda: values)
    text = validated.page()
    assert f"| *WORSE* | {(values['verdict'] == 'WORSE').sum()} |" in text
    assert "WORSE: an open question" in text


def test_every_table_of_the_studies_is_on_the_page():
    import validated

    kept = {p.stem for p in (ROOT / "data" / "studies").glob("*.csv")}
    calibrated, sizes = ({k for k in kept if k.startswith(name)} for name in ("calibration_", "sizes_"))
    recovered = {path.stem for path in validated.recovered()}
    assert len(recovered) == len([*validated._recovery()][-1].splitlines()) - 2
    known = {*validated.STUDY_TABLES, "three_steps", "survey_weights", "survey_steps"}
    assert kept - known - calibrated - sizes - recovered == {"reverse_fig_3"}  # a mixture where there is none
    assert len(calibrated) == len([*validated._calibration()][-1].splitlines()) - 2
    assert 2 * len(sizes) == len([*validated._sizes()][-1].splitlines()) - 2
    assert len([*validated._three_steps()][-1].splitlines()) - 2 == 8  # four methods, by two programs


# the picture ----------------------------------------------------------------------------------------


def test_the_picture_is_what_its_script_draws(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    import pictures

    pictures.main(tmp_path)
    drawn, kept = ((folder / "classes.svg").read_text() for folder in (tmp_path, ROOT / "docs" / "_static"))
    words = [re.findall(r"<!-- (.*?) -->", text) for text in (drawn, kept)]  # Matplotlib notes each text there
    assert words[0] == words[1]
    assert "Class 1 (59%)" in words[0]
