"""Chromium, where there is one: what a page is once a browser has laid it out."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

BROWSER = next((p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name))), None)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
)  # fmt: skip
needs_browser = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium on this machine")

MEASURE = """
onload = () => {
  const page = document.querySelector("iframe").contentDocument, root = page.documentElement;
  const seen = page.createTreeWalker(page.body, NodeFilter.SHOW_ELEMENT), wide = [];
  while (seen.nextNode()) {
    const it = seen.currentNode, right = it.getBoundingClientRect().right;
    if (right > root.clientWidth + 1 && !it.closest(".box") && !it.closest(".skip")) wide.push(it.tagName);
  }
  const images = [...page.images];
  document.title = JSON.stringify({
    scroll: root.scrollWidth, width: root.clientWidth, wide, scripts: page.scripts.length,
    loaded: images.filter(i => i.complete && i.naturalWidth > 0).length, images: images.length,
    boxes: [...page.querySelectorAll(".box")].filter(b => b.scrollWidth > b.clientWidth).length,
  });
};
"""


def started(folder: Path, *words: str) -> str:
    """What the browser wrote, with a profile of its own in `folder`."""
    assert BROWSER is not None
    command = [BROWSER, *FLAGS, f"--user-data-dir={folder / 'profile'}", *words]
    kept = {k: v for k, v in os.environ.items() if k != "DBUS_SESSION_BUS_ADDRESS"}
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=True, env=kept).stdout


def measured(page: Path, folder: Path, width: int) -> dict:
    """Lay `page` out in a window of a `width`; what there is, and what is wider than the window."""
    inside = html.escape(page.read_text(encoding="utf-8"))
    frame = f'<iframe width="{width}" height="900" style="border:0" srcdoc="{inside}"></iframe>'
    outer = folder / f"outer_{width}.html"
    outer.write_text(f"<!DOCTYPE html><title></title><body>{frame}<script>{MEASURE}</script>", encoding="utf-8")
    found = re.search(r"<title>(.*?)</title>", started(folder, "--dump-dom", outer.as_uri()))
    assert found, "the browser said nothing"
    return json.loads(html.unescape(found[1]))
