"""Tables as files: LaTeX, Markdown, Word, or a folder of csv."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from bayesmix.checks import one_of, whole
from bayesmix.files import as_path, check_folder, written
from bayesmix.reports.markup import plain_text
from bayesmix.reports.tidy import Reported, tables
from bayesmix.reports.typeset import Typeset, typeset
from bayesmix.spec import takes_level

MARGIN, LETTER = 0.8, 0.075
"""Of a Word document: the margin at the sides, and the room that a letter takes, in inches."""
MISSING = "Word documents take python-docx: pip install 'bayesmix[report]', or give a file that ends in .tex or .md."


@takes_level
def export(
    what: Reported,
    path: str | Path,
    *,
    post: xr.DataTree | None = None,
    only: str | Sequence[str] | None = None,
    digits: int = 3,
    level: float | None = None,
) -> Path:
    r"""Write the tables of a result for a manuscript, or as data.

    In a document they are rounded, with a note beneath each that says which standard errors and intervals these are.
    Of csv they are those of :func:`bayesmix.tables`, unrounded.

    Parameters
    ----------
    what, post
        As in :func:`bayesmix.tables`.
    path : str or pathlib.Path
        The file, by its ending: ``.docx`` (Word), ``.tex`` (LaTeX, to be taken in by ``\input``; its packages are
        booktabs and longtable), ``.md`` (Markdown), ``.csv`` (one table alone: say which by `only`). A name without an
        ending is a folder, for a csv file of each table. Files that are there are replaced, each whole or not at all.
    only : str or sequence of str, optional
        Names of tables, in this order; all of them if left out.
    digits : int
        Decimals in a document.
    level : float, optional
        Of the intervals; 0.95 if left out.

    Returns
    -------
    pathlib.Path
        The file or folder.

    Raises
    ------
    ValueError
        Another ending, a name that is none of the tables, or several tables for one csv file.
    ImportError
        A Word document, and python-docx is not installed.
    OSError
        The file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = bm.export(fit, f"{folder}/tables.md", only=["fit", "class_sizes"])
    ...     path.read_text(encoding="utf-8").splitlines()[0]
    '**Model fit**'
    """
    path = as_path(path)
    ending = _ending(path)
    whole("digits", digits, least=0)
    if ending == ".docx":
        _word()
    found = _chosen(tables(what, post), only)
    if not ending:
        check_folder(path)
        for name, table in found.items():
            _write_csv(path / f"{name}.csv", table)
        return path
    if ending == ".csv":
        if len(found) > 1:
            raise ValueError(
                f"'{path.name}' is one csv file, and there are {len(found)} tables: say which by only=, one of "
                f"{', '.join(found)}; or give a folder (a name without an ending), .docx, .tex or .md."
            )
        _write_csv(path, next(iter(found.values())))
        return path
    with written(path) as aside:
        WRITERS[ending]([typeset(k, x, what, digits) for k, x in found.items()], aside)
    return path


def check_target(path: Path) -> None:
    """Refuse a file that tables cannot be written to, before they are made.

    Raises
    ------
    ValueError
        Another ending, or one csv file for all tables.
    ImportError
        A Word document, and python-docx is not installed.
    """
    ending = _ending(path)
    if ending == ".csv":
        raise ValueError(f"'{path.name}' is one csv file for several tables: give a folder (a name without an ending).")
    if ending == ".docx":
        _word()


def _ending(path: Path) -> str:
    if path.is_dir() or not path.suffix:
        return ""
    if (ending := path.suffix.lower()) not in (*WRITERS, ".csv"):
        raise ValueError(
            f"The file came as '{path.name}': give a name that ends in {', '.join(WRITERS)} or .csv, or a folder (a "
            "name without an ending)."
        )
    return ending


def _chosen(found: dict[str, pd.DataFrame], only: str | Sequence[str] | None) -> dict[str, pd.DataFrame]:
    if only is None:
        return found
    names = [only] if isinstance(only, str) else list(only)
    for name in names:
        one_of("only", name, [*found])
    return {k: found[k] for k in names}


def _write_csv(path: Path, table: pd.DataFrame) -> None:
    named = table.index.names != [None]
    with written(path) as aside:
        table.to_csv(aside, index=named)


# LaTeX --------------------------------------------------------------------------------------------

_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}", "\N{EN DASH}": "--",
    **{k: f"\\{k}" for k in "&%$#_"},
}  # fmt: skip


def latex(text: str) -> str:
    """Write `text` so that LaTeX prints it as it is."""
    return "".join(_LATEX.get(c, c) for c in plain_text(text).replace("\n", " "))


def _latex_number(text: str) -> str:
    return re.sub(r"(?<![\w-])-(?=[\d.])", "$-$", latex(text))


def _latex_table(t: Typeset) -> str:
    """A table that goes on over pages, its head on each."""
    n, columns = len(t.head), "l" * t.left + "r" * (len(t.head) - t.left)
    head = f"{' & '.join(map(latex, t.head))} \\\\"
    lines = [f"\\begin{{longtable}}{{@{{}}{columns}@{{}}}}", f"\\caption{{{latex(t.title)}}} \\\\"]
    for end in ("firsthead", "head"):
        lines += ["\\toprule", head, "\\midrule", f"\\end{end}"]
    lines += ["\\bottomrule", "\\endfoot"]
    for k, (group, rows) in enumerate(t.groups):
        if group:
            lines += ["\\addlinespace"] if k else []
            lines.append(f"\\multicolumn{{{n}}}{{@{{}}l}}{{\\textit{{{latex(group)}}}}} \\\\")
        for row in rows:
            cells = [*map(latex, row[: t.left]), *map(_latex_number, row[t.left :])]
            lines.append(f"{' & '.join(f'{{{c}}}' if c.startswith('[') else c for c in cells)} \\\\")
    lines.append("\\end{longtable}")
    if t.notes:
        lines += ["\\begin{flushleft}", f"\\footnotesize {latex(' '.join(t.notes))}", "\\end{flushleft}"]
    return "\n".join(lines)


def _write_latex(found: Sequence[Typeset], path: Path) -> None:
    head = "% \\usepackage[T1]{fontenc}\n% \\usepackage{booktabs,longtable}\n"
    path.write_text(head + "\n\n".join(map(_latex_table, found)) + "\n", encoding="utf-8", newline="\n")


# Markdown -----------------------------------------------------------------------------------------


def markdown(text: str) -> str:
    """Write `text` so that Markdown shows it as it is, in a cell too."""
    return re.sub(r"([\\`*_\[\]<>|~$&#])", r"\\\1", plain_text(text).replace("\n", " "))


def _markdown_table(t: Typeset) -> str:
    marks = ["---" if k < t.left else "--:" for k in range(len(t.head))]
    lines = [f"**{markdown(t.title)}**", "", _row(map(markdown, t.head)), _row(marks)]
    for group, rows in t.groups:
        if group:
            lines.append(_row([f"*{markdown(group)}*", *[""] * (len(t.head) - 1)]))
        lines += [_row(map(markdown, row)) for row in rows]
    return "\n".join([*lines, "", markdown(" ".join(t.notes))]).rstrip()


def _row(cells: Any) -> str:
    return f"| {' | '.join(cells)} |"


def _write_markdown(found: Sequence[Typeset], path: Path) -> None:
    path.write_text("\n\n".join(map(_markdown_table, found)) + "\n", encoding="utf-8", newline="\n")


# Word ---------------------------------------------------------------------------------------------


def _word() -> Any:
    """Import what writes Word documents."""
    try:
        import docx
    except ImportError:
        raise ImportError(MISSING) from None
    return docx


def _write_word(found: Sequence[Typeset], path: Path) -> None:
    document = _word().Document()
    document.core_properties.title, document.core_properties.author = "Tables", ""
    for section in document.sections:
        section.left_margin = section.right_margin = _inches(MARGIN)
    for t in found:
        _word_table(document, t)
    with path.open("wb") as file:
        document.save(file)


def _word_table(document: Any, t: Typeset) -> None:
    """A table with rules above and below and a head that every page repeats; no row breaks."""
    title = document.add_paragraph(plain_text(t.title), style="Caption")
    title.paragraph_format.keep_with_next = True
    table = document.add_table(rows=1, cols=len(t.head), style="Light Shading")
    _plain_look(table)
    _fill(table.rows[0], t.head, t.left, bold=True)
    _mark(table.rows[0], "w:tblHeader")
    for group, rows in t.groups:
        if group:
            row = table.add_row()
            merged = row.cells[0].merge(row.cells[-1])
            merged.text = plain_text(group)
            merged.paragraphs[0].runs[0].italic = True
            _small(merged.paragraphs[0], keep=True)
        for cells in rows:
            _fill(table.add_row(), cells, t.left)
    _set_widths(document, table, t)
    for row in table.rows:
        _mark(row, "w:cantSplit")
    notes = document.add_paragraph()
    run = notes.add_run(f"Note. {plain_text(' '.join(t.notes))}" if t.notes else "")
    _size(run, 8)


def _inches(x: float) -> Any:
    from docx.shared import Inches

    return Inches(x)


def _set_widths(document: Any, table: Any, t: Typeset) -> None:
    """Give columns of numbers the room they take, and columns of words as much of the rest as they need."""
    rows = [t.head, *(row for _, group in t.groups for row in group)]
    need = [LETTER * (4 + max(len(row[k]) for row in rows)) for k in range(len(t.head))]
    page = document.sections[0]
    room = page.page_width.inches - 2 * MARGIN - sum(need[t.left :])
    share = min(1.0, max(room, LETTER * 12) / sum(need[: t.left])) if t.left else 1.0
    widths = [w * share if k < t.left else w for k, w in enumerate(need)]
    table.autofit = False
    for column, width in zip(table.columns, widths, strict=True):
        column.width = _inches(width)
    for row in table.rows:
        if len(set(map(id, (c._tc for c in row.cells)))) == len(widths):  # the heading of a group is one cell
            for cell, width in zip(row.cells, widths, strict=True):
                cell.width = _inches(width)


def _fill(row: Any, cells: Sequence[str], left: int, bold: bool = False) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH

    for k, (cell, text) in enumerate(zip(row.cells, cells, strict=True)):
        paragraph = cell.paragraphs[0]
        shown = re.sub(r"(?<![\w-])-(?=[\d.])", "\N{MINUS SIGN}", text) if k >= left else text
        paragraph.add_run(plain_text(shown)).bold = bold
        if k >= left:
            paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT
        _small(paragraph)


def _small(paragraph: Any, keep: bool = False) -> None:
    from docx.shared import Pt

    paragraph.paragraph_format.space_after = Pt(1)
    paragraph.paragraph_format.keep_with_next = keep
    for run in paragraph.runs:
        _size(run, 9)


def _size(run: Any, points: int) -> None:
    from docx.shared import Pt

    run.font.size = Pt(points)


def _mark(row: Any, name: str) -> None:
    """Set a property of a row that python-docx has no word for."""
    from docx.oxml import OxmlElement

    row._tr.get_or_add_trPr().append(OxmlElement(name))


def _plain_look(table: Any) -> None:
    """Leave rules above and below: no bands, no column in bold."""
    from docx.oxml.ns import qn

    look = table._tbl.tblPr.find(qn("w:tblLook"))
    for name, value in {"firstColumn": "0", "noHBand": "1", "noVBand": "1", "val": "0620"}.items():
        look.set(qn(f"w:{name}"), value)


WRITERS: Mapping[str, Callable[[Sequence[Typeset], Path], None]] = {
    ".docx": _write_word,
    ".tex": _write_latex,
    ".md": _write_markdown,
}
"""What writes a document, by its ending."""
