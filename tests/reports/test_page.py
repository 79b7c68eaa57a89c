"""A result as one HTML file: that it is whole, holds the numbers, runs nothing, and fits a phone and a sheet."""

import itertools
import re
import shutil
import subprocess
from base64 import b64decode

import html5lib
import pytest
from chromium import measured, needs_browser, started

import bayesmix as bm
from bayesmix.layout import Pairs, Section, Table, number
from bayesmix.reports import markup, page, pictures

QUICK = {"starts": 4, "finals": 2, "rounds": 1, "budget": 0, "progress": False}
EVIL = "<script>alert(1)</script>"
NAME = "{http://www.w3.org/1999/xhtml}"


def read(path):
    """Read a page as a browser does, and refuse what is not well formed."""
    return html5lib.HTMLParser(strict=True).parse(path.read_text(encoding="utf-8"))


def words(root):
    return " ".join("".join(root.itertext()).split())


@pytest.fixture(scope="module")
def written(fitted, sampled, tmp_path_factory):
    """A page of a fit with its posterior."""
    return bm.to_html(fitted, tmp_path_factory.mktemp("page") / "report.html", post=sampled, data="two_classes.csv")


@pytest.fixture(scope="module")
def evil(two_classes, tmp_path_factory):
    """A page of data with columns, labels and words that would do harm if they were not escaped."""
    names = {"a": EVIL, "b": '"><img src=x onerror=alert(2)>', "c": "c & 'd'", "d": "</style><b>"}
    df = two_classes.rename(columns=names)
    df["e"] = df["e"].map({1.0: "</pre><i>yes", 0.0: "no"})
    model = bm.models.lca([*names.values(), "e"], 2)
    path = tmp_path_factory.mktemp("evil") / "report.html"
    return bm.to_html(bm.fit(model, df, **QUICK), path, title="<i>t</i>", data="</title><script>x</script>\x07")


# what it holds ------------------------------------------------------------------------------------


def test_a_page_is_well_formed_and_says_what_a_listing_says(written, fitted, sampled):
    root = read(written)
    assert root.get("lang") == "en"
    text = words(root)
    for part in bm.report(fitted, sampled).split():
        assert part in text
    for value in (fitted.loglik, fitted.bic, fitted.entropy):
        assert number(value) in words(root.find(f".//{NAME}section[@aria-label='Summary']"))
    assert "two_classes.csv" in text
    assert f"seed {fitted.info['seed']}" in text
    assert f"numpy {fitted.info['versions']['numpy']}" in text
    assert fitted.info["identity"]["data"] in text


def test_numbers_of_the_fit_stand_in_cells_of_tables(written, fitted):
    cells = {"".join(c.itertext()) for c in read(written).iter(f"{NAME}td")}
    for value in fitted.summary().query("free")["estimate"]:
        assert number(float(value)) in cells


def test_the_page_can_be_heard_and_walked_through(written):
    root = read(written)
    for head in root.iter(f"{NAME}th"):
        assert head.get("scope") in ("col", "row")
        assert "".join(head.itertext()).strip()
    for image in root.iter(f"{NAME}img"):
        assert len(image.get("alt")) > 20
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    links = [a.get("href") for a in root.iter(f"{NAME}a")]
    assert len(links) > 8
    assert {link.removeprefix("#") for link in links} <= set(ids)
    levels = [int(e.tag[-1]) for e in root.iter() if re.fullmatch(rf"{re.escape(NAME)}h[1-6]", str(e.tag))]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))


def test_pictures_are_those_of_the_model_and_their_words_stand_in_them(written, fitted):
    root = read(written)
    names = [f.get("id").removeprefix("picture-") for f in root.iter(f"{NAME}figure")]
    assert names == [*(p.name for p in pictures(fitted)), "comparison", "diagram"]
    for image in root.iter(f"{NAME}img"):
        kind, _, made = image.get("src").partition(";base64,")
        assert kind == "data:image/svg+xml"
        assert b"<svg" in b64decode(made)


def test_nothing_comes_from_elsewhere(written):
    for e in read(written).iter():
        for key in ("src", "href", "action", "data", "srcset"):
            assert e.get(key, "#").startswith(("#", "data:image/"))
    text = written.read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert not re.search(r"url\(|@import|<script|<link", text)


def test_the_same_result_makes_the_same_page(written, fitted, sampled, tmp_path):
    again = bm.to_html(fitted, tmp_path / "again.html", post=sampled, data="two_classes.csv")
    assert again.read_bytes() == written.read_bytes()


def test_what_is_doubtful_stands_before_the_numbers(two_classes, tmp_path):
    with pytest.warns(UserWarning, match="reached by one start only") as said:
        fit = bm.fit(bm.models.lca(list("abcde"), 2), two_classes, starts=1, finals=1, rounds=1, budget=0,
                     simpler=False, progress=False)  # fmt: skip
    root = read(fit.to_html(tmp_path / "report.html", plots=False))
    (box,) = (s for s in root.iter(f"{NAME}section") if s.get("class") == "warnings")
    assert str(said[0].message) in words(box)


def test_posteriors_enumerations_and_studies_have_pages(sampled, two_classes, fitted, tmp_path):
    text = words(read(bm.to_html(sampled, tmp_path / "post.html")))
    assert "Smallest bulk ESS" in text
    found = bm.enumerate_classes(bm.models.lca(list("abcde"), 2), two_classes, [1, 2], **QUICK)
    root = read(bm.to_html(found, tmp_path / "enumeration.html"))
    assert number(found.fits[2].bic, 2) in words(root)
    assert [f.get("id") for f in root.iter(f"{NAME}figure")] == ["picture-enumeration"]
    settings = {k: v for k, v in QUICK.items() if k != "progress"}
    studied = bm.study(fitted, n=200, replications=2, fit=settings, progress=False, seed=1)
    root = read(bm.to_html(studied, tmp_path / "study.html"))
    assert "Monte Carlo study" in words(root)
    assert [f.get("id") for f in root.iter(f"{NAME}figure")] == ["picture-study"]


# what a user may have written ---------------------------------------------------------------------


def test_what_comes_from_the_data_is_text(evil):
    root = read(evil)
    assert not list(root.iter(f"{NAME}script"))
    assert not list(root.iter(f"{NAME}b"))
    assert not list(root.iter(f"{NAME}i"))
    assert not [e for e in root.iter() if any(k.startswith("on") for k in e.attrib)]
    text = words(root)
    for there in (EVIL, "onerror=alert(2)", "c & 'd'", "</style><b>", "</pre><i>yes", "</title><script>x</script>"):
        assert there in text
    assert "\x07" not in evil.read_text(encoding="utf-8")


def test_lines_that_are_full_go_on_and_others_end():
    full = "x" * 70
    p = markup.paragraph(f"{full}\ngoes on\nnext")
    assert [e.tag for e in p] == ["br"]
    assert p.text == f"{full} goes on"


def test_a_table_keeps_its_words_at_the_left():
    section = Section("T", [Table(["", "n"], [["a", "1"], ["", "2"]]), Pairs([("k", "v")]), "text"])
    first, second, third = markup.blocks(section)
    rows = list(first.iter("tr"))
    assert [[c.tag for c in r] for r in rows] == [["td", "th"], ["th", "td"], ["td", "td"]]
    assert second.find(".//th").get("scope") == "row"
    assert third.tag == "p"


# files --------------------------------------------------------------------------------------------


def test_a_page_is_written_whole_or_not_at_all(fitted, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("before", encoding="utf-8")
    monkeypatch.setattr(page, "as_page", lambda root: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        bm.to_html(fitted, path, plots=False)
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    assert path.read_text(encoding="utf-8") == "before"
    monkeypatch.undo()
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        bm.to_html(fitted, tmp_path / "none" / "report.html", plots=False)


def test_what_is_no_result_is_refused(fitted, sampled, tmp_path):
    with pytest.raises(TypeError, match=r"came as Model, expected what bm\.fit"):
        bm.to_html(fitted.model, tmp_path / "r.html")
    with pytest.raises(TypeError, match=r"post came as dict, expected what bm\.sample returns"):
        bm.to_html(fitted, tmp_path / "r.html", post={})
    with pytest.raises(ValueError, match=r"post= came beside a DataTree: give it beside a fit"):
        bm.to_html(sampled, tmp_path / "r.html", post=sampled)


def test_a_picture_that_cannot_be_drawn_says_why(fitted, tmp_path, monkeypatch):
    def refuse(result):
        raise ValueError("There is <nothing>.")

    monkeypatch.setattr(bm.plots, "profile", refuse)
    assert "Not drawn: There is <nothing>." in words(read(bm.to_html(fitted, tmp_path / "r.html")))


def test_a_picture_of_very_many_marks_is_one_of_dots(fitted, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "LARGE", 1000)
    root = read(bm.to_html(fitted, tmp_path / "r.html"))
    first = next(iter(root.iter(f"{NAME}img")))
    assert b64decode(first.get("src").partition("base64,")[2]).startswith(b"\x89PNG")


# in a browser -------------------------------------------------------------------------------------


@needs_browser
@pytest.mark.parametrize("width", [390, 1280])
def test_a_page_is_no_wider_than_its_window_and_runs_nothing(width, evil, tmp_path):
    found = measured(evil, tmp_path, width)
    assert found["width"] == width
    assert found["scroll"] <= width
    assert found["wide"] == []
    assert found["scripts"] == 0
    assert found["loaded"] == found["images"] > 2
    assert (found["boxes"] > 0) == (width == 390)  # on a phone tables scroll in their boxes


@needs_browser
def test_a_page_asks_the_network_for_nothing(written, tmp_path):
    log = tmp_path / "net.json"
    started(tmp_path, f"--log-net-log={log}", "--dump-dom", written.as_uri())
    asked = re.findall(r'"url":"(https?://[^"]+)"', log.read_text(encoding="utf-8"))
    empty = tmp_path / "empty.html"
    empty.write_text("<!DOCTYPE html><title>nothing</title>", encoding="utf-8")
    alone = tmp_path / "alone.json"
    started(tmp_path, f"--log-net-log={alone}", "--dump-dom", empty.as_uri())
    of_itself = re.findall(r'"url":"(https?://[^"]+)"', alone.read_text(encoding="utf-8"))
    assert {u.split("?")[0] for u in asked} <= {u.split("?")[0] for u in of_itself}


@needs_browser
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is not on this machine")
def test_the_listing_is_printed_though_it_is_folded(written, fitted, sampled, tmp_path):
    sheet = tmp_path / "page.pdf"
    started(tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={sheet}", written.as_uri())
    text = subprocess.run(["pdftotext", "-layout", sheet, "-"], capture_output=True, text=True, check=True).stdout
    assert "RANDOM STARTS, RANKED" in text
    last = [line for line in bm.report(fitted, sampled).splitlines() if line.strip()][-1]
    assert " ".join(last.split()) in " ".join(text.split())
