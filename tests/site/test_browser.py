"""The site in a browser: as wide as the window, nothing asked for from elsewhere, no error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def browser():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "tools")
        from browser import Browser, chromium
    if (program := chromium()) is None:
        pytest.skip("There is no chromium on PATH.")
    with Browser(program) as opened:
        yield opened


@pytest.fixture(scope="module")
def pages():
    """Those that `make check` makes: in a process of their own, where warnings of Sphinx's parts are no errors."""
    words = [sys.executable, ROOT / "tools" / "make_site.py", "--check"]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "tools")
        from links import html_of
    return html_of(ROOT / "build" / "docs" / "html")


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_no_page_scrolls_sideways_asks_elsewhere_or_fails(browser, pages, width):
    wrong = []
    for page in pages:
        seen = browser.visit(page, width)
        wrong += [f"{page.name}: {seen.page_width} wide"] if seen.page_width > width else []
        wrong += [f"{page.name} asked for {url}" for url in seen.requests if not url.startswith(("file:", "data:"))]
        wrong += [f"{page.name}: {error}" for error in seen.errors]
    assert not wrong


@pytest.mark.slow
def test_formulas_are_drawn_by_what_lies_beside_the_page(browser, pages):
    (page,) = [p for p in pages if p.name == "models.html"]
    browser.visit(page, 1280)
    assert browser.run("document.querySelectorAll('mjx-container svg').length") > 5
    assert browser.run("document.querySelectorAll('mjx-merror').length") == 0


def test_a_page_that_is_too_wide_fetches_or_fails_is_noticed(browser, tmp_path):
    page = tmp_path / "bad.html"
    page.write_text(
        "<div style='width:2000px'>wide</div><script src='missing.js'></script>"
        "<img src='http://127.0.0.1:9/x.png'><script>console.error('lost'); undefined.x</script>"
    )
    seen = browser.visit(page, 390)
    assert seen.page_width >= 2000
    assert "http://127.0.0.1:9/x.png" in seen.requests
    assert any("lost" in error for error in seen.errors)
    assert any("TypeError" in error for error in seen.errors)
    good = tmp_path / "good.html"
    good.write_text("<!doctype html><meta name='viewport' content='width=device-width'><p>Short.</p>")
    seen = browser.visit(good, 390)
    assert (seen.page_width, seen.errors, seen.requests) == (390, [], [good.resolve().as_uri()])
