"""Links of a site: each that leads nowhere, and each file that a page would load from elsewhere."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADS = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "video": "src"}
"""Attributes that name a file which a browser fetches with the page."""
LINKS_ONLY = {"canonical", "search", "index", "next", "prev", "author"}
"""What a `link` tag may be without a file that is fetched."""


class Page(HTMLParser):
    """The anchors of a page, its links, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = {"", "top"}
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag names."""
        given = {k: v or "" for k, v in attrs}
        self.anchors |= {given[k] for k in ("id", "name") if given.get(k)}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if (key := LOADS.get(tag)) in given and given.get("rel") not in LINKS_ONLY:
            self.loaded.append(given[key])


def html_of(site: Path) -> list[Path]:
    """The pages of `site`, without what themes keep among their files."""
    return [path for path in sorted(site.rglob("*.html")) if "_static" not in path.relative_to(site).parts]


def problems(site: Path) -> list[str]:
    """Say of each link that leads nowhere inside `site`, and of each file that a page loads from elsewhere."""
    pages = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in html_of(site)}
    out = []
    for path, page in sorted(pages.items()):
        name = path.relative_to(site.resolve())
        for link in dict.fromkeys([*page.links, *page.loaded]):
            parts = urlsplit(link)
            if parts.scheme == "data" or (parts.scheme and link not in page.loaded):
                continue  # a picture inside the page; another site, which is not visited
            if parts.scheme or parts.netloc:
                out.append(f"{name}: loads '{link}' from elsewhere")
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                out.append(f"{name}: '{link}' leads to no file")
            elif target in pages and unquote(parts.fragment) not in pages[target].anchors:
                out.append(f"{name}: '{link}' leads to no anchor")
    for path in sorted(site.rglob("*.css")):
        for link in re.findall(r"url\(\s*['\"]?([^'\")]+)", path.read_text(encoding="utf-8")):
            if urlsplit(link).scheme in ("http", "https") or link.startswith("//"):
                out.append(f"{path.relative_to(site)}: loads '{link}' from elsewhere")
    return out
