"""The text of an Mplus output: its encoding, the outputs in one file, sections, numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from bayesmix.files import as_path

NAN = float("nan")
BANNER = re.compile(r"^\s*Mplus VERSION\s+(\S+)", re.MULTILINE)
NUMBER = r"-?\d*[.,]\d+(?:[DE][+-]?\d+)?|\*{3,}"
"""As in results: decimals, with an exponent D or E, or stars where the field was too narrow."""
VALUE = re.compile(rf"{NUMBER}|-?\b\d+\b")
ROW = re.compile(rf"^(\s+)(\S.*?)((?:\s+(?:{NUMBER})|(?:{NUMBER})(?=-))+)\s*\**\s*$")
CAPITALS = re.compile(r"^[A-Z][^a-z]*$")


def number(word: str) -> float:
    """A number as Mplus prints it; NaN for stars. A comma is a decimal one: Mplus has no separator of thousands."""
    if "*" in word:
        return NAN
    return float(word.replace(",", ".").replace("D", "E"))


def row(line: str) -> tuple[int, str, list[float]] | None:
    """Indentation, name and numbers of a line of a table; None for any other line."""
    found = ROW.match(line)
    if not found:
        return None
    return len(found[1]), found[2].strip(), [number(w) for w in re.findall(NUMBER, found[3])]


def first_value(line: str) -> float | None:
    """The first number of a line, a whole one too."""
    found = VALUE.search(line)
    return number(found[0]) if found else None


def read_text(path: str | Path) -> str:
    """The text of a file, with plain line ends.

    Raises
    ------
    ValueError
        No such file, or one that is no text.
    """
    path = as_path(path)
    if not path.is_file():
        raise ValueError(f"No file '{path}': check the path ({Path.cwd()} is the folder you are in).")
    raw = path.read_bytes()
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = raw.decode("utf-16", errors="replace")
    else:
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = raw.decode("cp1252", errors="replace")  # what Windows writes; every number is ASCII
    if "\x00" in text:
        raise ValueError(f"'{path}' is no text: give the .out file that Mplus wrote.")
    return text.replace("\r\n", "\n").replace("\r", "\n").expandtabs(8)


def outputs(text: str) -> list[str]:
    """Each output of a file that may hold several, one after the other."""
    at = [m.start() for m in BANNER.finditer(text)]
    return [text[a:b] for a, b in zip(at, [*at[1:], None], strict=False)]


def sections(text: str) -> list[tuple[str, list[str]]]:
    """Headings, and the lines beneath each: lines of capitals at the margin, those of several lines joined."""
    out: list[tuple[str, list[str]]] = [("", [])]
    heading = False
    for line in text.split("\n"):
        if CAPITALS.match(line) and len(line.split()) > 1:
            if heading:
                out[-1] = (f"{out[-1][0]} {' '.join(line.split())}", out[-1][1])
            else:
                out.append((" ".join(line.split()), []))
            heading = True
            continue
        heading = False
        out[-1][1].append(line.rstrip())
    return out


def paragraphs(lines: list[str]) -> Iterator[list[str]]:
    """Groups of lines between empty ones."""
    group: list[str] = []
    for line in [*lines, ""]:
        if line.strip():
            group.append(line)
        elif group:
            yield group
            group = []
