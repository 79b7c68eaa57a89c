"""Elements of an HTML page, and sections of a listing as such: every text is escaped by the serializer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element, tostring

from bayesmix.layout import WIDTH, Pairs, Section, Table

FULL = 0.6 * WIDTH
"""A line of a listing as long as this goes on in the next one."""
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\x7f-\x9f]")
"""Characters that no page may hold."""


def element(tag: str, *content: Element | str, **attributes: str) -> Element:
    """Make an element of text and other elements.

    Parameters
    ----------
    tag : str
        Its name.
    content : Element or str
        What stands in it, in this order.
    attributes : str
        An underscore at the end is dropped (``class_``), one inside is a hyphen (``aria_label``).
    """
    out = Element(tag, {k.rstrip("_").replace("_", "-"): plain_text(v) for k, v in attributes.items()})
    for part in content:
        if isinstance(part, Element):
            out.append(part)
        elif len(out):
            out[-1].tail = (out[-1].tail or "") + plain_text(part)
        else:
            out.text = (out.text or "") + plain_text(part)
    return out


def plain_text(text: str) -> str:
    """Text without characters that no page may hold: each becomes a replacement character."""
    return _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def as_page(root: Element) -> str:
    """Write a whole page."""
    return f"<!DOCTYPE html>\n{tostring(root, encoding='unicode', method='html')}\n"


def blocks(section: Section) -> Iterator[Element]:
    """Lay out what stands under the title of a section."""
    for block in section.body:
        if isinstance(block, Table):
            yield table(block, section.title)
        elif isinstance(block, Pairs):
            yield pairs(block, section.title)
        else:
            yield paragraph(block)


def paragraph(text: str) -> Element:
    """Lay out text: a line that is not full ends where it does in the listing."""
    parts: list[Element | str] = []
    for line in text.splitlines():
        if parts and isinstance(parts[-1], str):
            if len(parts[-1]) < FULL:
                parts.append(element("br"))
            else:
                parts[-1] += " "
        parts.append(line)
    return element("p", *parts)


def table(t: Table, name: str) -> Element:
    """Lay out a table: its first cells are heads of their rows, and what is text stands at the left."""
    kinds = ["text" if k < t.left else "number" for k in range(len(t.head))]
    heads = [_cell("th" if h.strip() else "td", h, kind, scope="col") for h, kind in zip(t.head, kinds, strict=True)]
    above = [element("p", t.title, class_="caption")] if t.title.strip() else []  # a caption is no wider than its table
    parts = [element("thead", element("tr", *heads))]
    of_rows = 0 if t.left else -1  # a table without text at the left counts its rows there
    rows = []
    for row in t.rows:
        tags = ["th" if k == max(of_rows, 0) and cell.strip() else "td" for k, cell in enumerate(row)]
        cells = [_cell(tag, c, kind, scope="row") for tag, c, kind in zip(tags, row, kinds, strict=True)]
        rows.append(element("tr", *cells))
    parts.append(element("tbody", *rows))
    label = t.title.strip() or name
    return element("div", *above, in_box(element("table", *parts, aria_label=label), label), class_="titled")


def _cell(tag: str, text: str, kind: str, **scope: str) -> Element:
    return element(tag, text.strip(), class_=kind, **(scope if tag == "th" else {}))


def pairs(p: Pairs, name: str) -> Element:
    """Lay out names and values."""
    rows = [element("tr", element("th", k, scope="row", class_="text"), element("td", v)) for k, v in p.rows]
    return in_box(element("table", element("tbody", *rows), class_="pairs"), name)


def in_box(inside: Element, name: str) -> Element:
    """Put what may be wide into a box that scrolls by itself, and that a keyboard reaches."""
    return element("div", inside, class_="box", role="region", tabindex="0", aria_label=name)


def listed(items: Sequence[Element | str]) -> Element:
    """Make a list."""
    return element("ul", *(element("li", item) for item in items))
