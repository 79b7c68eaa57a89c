"""Sections of tables and words, laid out by rich: on a terminal with styles, else as plain text."""

from __future__ import annotations

import html
import io
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.box import Box
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

WIDTH = 100
PLAIN = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)


@dataclass(frozen=True)
class Table:
    """A table whose first `left` columns are text, with what stands above it."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int = 1
    title: str = ""

    def __rich__(self) -> Group | RichTable:
        """Lay it out as text."""
        out = RichTable(box=PLAIN, show_edge=False, pad_edge=False)
        for k, name in enumerate(self.head):
            out.add_column(name, justify="left" if k < self.left else "right", overflow="fold")
        for row in self.rows:
            out.add_row(*map(Text, row))
        return Group(Text(self.title, style="bold"), out) if self.title else out


@dataclass(frozen=True)
class Pairs:
    """Names and values without a head."""

    rows: Sequence[tuple[str, str]]

    def __rich__(self) -> RichTable:
        """Lay them out as text."""
        out = RichTable(box=None, show_header=False, pad_edge=False, padding=(0, 3, 0, 0))
        out.add_column(min_width=30)
        out.add_column(overflow="fold")
        for row in self.rows:
            out.add_row(*map(Text, row))
        return out


@dataclass(frozen=True)
class Section:
    """A title and what stands under it: text, tables, pairs."""

    title: str
    body: Sequence[str | Table | Pairs]


class Listing(str):
    """Text that shows itself as it is, at the prompt and in a notebook."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self)}</pre>"


def to_text(sections: Iterable[Section]) -> Listing:
    """Sections as plain text."""
    console = Console(
        file=io.StringIO(), width=WIDTH, color_system=None, highlight=False, legacy_windows=False,
        force_jupyter=False,  # in a notebook rich would show the text and leave the file empty
    )  # fmt: skip
    console.print(Group(*laid_out(sections)))
    written = console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
    return Listing("\n".join(line.rstrip() for line in written.splitlines()).lstrip("\n") + "\n")


def laid_out(sections: Iterable[Section]) -> Iterator[Any]:
    """Sections as what rich prints."""
    for s in sections:
        yield Text(f"\n{s.title.upper()}\n", style="bold")
        for k, block in enumerate(s.body):
            yield Padding(Text(block) if isinstance(block, str) else block, (0 if k == 0 else 1, 0, 0, 2))


def number(x: Any, digits: int = 3) -> str:
    """A number for people: `digits` decimals, more for what would round to nothing; "-" for none."""
    if x is None or (isinstance(x, float) and math.isnan(x)):
        return "-"
    if isinstance(x, (int, np.integer)):
        return str(x)
    if np.isinf(x):
        return "inf" if x > 0 else "-inf"
    if abs(x) >= 1e7 or 0 < abs(x) < 0.5 * 10.0**-digits:
        return f"{x:.2e}"
    return f"{x:.{digits}f}"


def p_value(p: float) -> str:
    """A p value to three decimals."""
    return "-" if math.isnan(p) else "<0.001" if p < 0.0005 else f"{p:.3f}"


def probability(p: float) -> str:
    """A probability to three decimals."""
    return "-" if math.isnan(p) else f"{p:.3f}"


def packed(labels: Iterable[str]) -> str:
    """Labels separated by commas, in lines that break between two of them."""
    lines = [""]
    for label in labels:
        if len(lines[-1]) + len(label) > WIDTH - 8:
            lines.append("")
        lines[-1] += (", " if lines[-1] else "") + label
    return ",\n".join(lines)


def percent(x: float) -> str:
    """A share as a percentage."""
    return f"{100 * x:.1f}%"


def make_table(head: Sequence[str], rows: Iterable[Sequence[Any]], left: int = 1, title: str = "") -> Table:
    """A table whose first `left` columns are text."""
    return Table([*head], [[*map(str, row)] for row in rows], left, title)


def pairs(rows: Iterable[tuple[str, Any]]) -> Pairs:
    """Names and values without a head, but for those that have none."""
    return Pairs([(name, str(value)) for name, value in rows if value not in (None, "", {}, [])])


def method(written: str) -> str:
    """``GaussHermite(n=15)`` as it is asked for: ``gauss_hermite(15)``."""
    return re.sub(r"\w+=", "", re.sub(r"(?<!^)(?<!\W)([A-Z])", r"_\1", written)).lower()


def family(written: str) -> str:
    """``Bernoulli(link='logit')`` as people write it: ``bernoulli (logit)``."""
    name, _, arguments = written.partition("(")
    if arguments.startswith("linear_variance"):
        return f"{name.lower()}, variance linear in covariates" if "True" in arguments else name.lower()
    words = [a.strip().partition("=") for a in arguments.rstrip(")").split(",") if a]
    inside = ", ".join(key if value == "True" else value.strip("' ") for key, _, value in words)
    return _spaced(name) + (f" ({inside})" if inside else "")


def _spaced(name: str) -> str:
    """Write ``NegativeBinomial`` as people do: ``negative binomial``."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower()
