"""The input language of Mplus: commands, options, lists of names, and what the MODEL command says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

COMMANDS = ("TITLE", "DATA", "VARIABLE", "DEFINE", "ANALYSIS", "MODEL", "OUTPUT", "SAVEDATA", "PLOT", "MONTECARLO")
COMMAND = re.compile(
    rf"^[ \t]*((?:{'|'.join(COMMANDS)})(?:[ \t]+[A-Za-z0-9_.#]+)?(?:[ \t]+[A-Za-z0-9_.]+)?)[ \t]*:",
    re.IGNORECASE | re.MULTILINE,
)
COMMENT = re.compile(r"!\*.*?\*!|!.*?$", re.DOTALL | re.MULTILINE)
OPTION = re.compile(r"^\s*([A-Za-z_]+)\s*(?:=|\bARE\b|\bIS\b)\s*(.*)$", re.IGNORECASE | re.DOTALL)
RANGE = re.compile(r"^(.*?)(\d+)$")


@dataclass(frozen=True)
class Input:
    """What an Mplus input says, upper-case names throughout.

    Attributes
    ----------
    text : str
        As it stands in the output.
    title, file : str
    names, used, categorical, nominal, count : tuple of str
        The columns of the data; those of the analysis; the kinds of dependent variables.
    classes : mapping of str to int
        Latent class variables and their numbers of classes.
    known : str
        The class variable of KNOWNCLASS, empty where there is none.
    known_values : tuple of (str, str)
        Its classes as ``(column, value)``.
    within, between : tuple of str
        Variables (and class variables) of one level alone.
    options : mapping of str to str
        Every further option, by command and name: ``options["ANALYSIS", "TYPE"]``.
    model : mapping of (str, str) to tuple of str
        Statements by the command (``"MODEL"``, ``"MODEL C1"``, ``"MODEL CONSTRAINT"``) and by the part in force there
        (``"%OVERALL%"``, ``"%C#1%"``; of two-level models with the level before it, ``"%WITHIN% %OVERALL%"``).

    Examples
    --------
    >>> said = bm.mplus.read(run_out).input
    >>> said.categorical, said.option("ANALYSIS", "TYPE")
    (('A', 'B', 'C', 'D'), 'MIXTURE')
    """

    text: str
    title: str = ""
    file: str = ""
    names: tuple[str, ...] = ()
    used: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    nominal: tuple[str, ...] = ()
    count: tuple[str, ...] = ()
    classes: Mapping[str, int] = field(default_factory=dict)
    known: str = ""
    known_values: tuple[tuple[str, str], ...] = ()
    within: tuple[str, ...] = ()
    between: tuple[str, ...] = ()
    options: Mapping[tuple[str, str], str] = field(default_factory=dict)
    model: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)

    def option(self, command: str, name: str) -> str | None:
        """An option by its name, which Mplus lets be cut to four letters; None where it is not given."""
        for (c, o), value in self.options.items():
            if (c == command and len(o) >= 4 and name.startswith(o)) or (c, o) == (command, name):
                return value
        return None

    @property
    def analysis_type(self) -> frozenset[str]:
        """The words of ``TYPE``."""
        return frozenset((self.option("ANALYSIS", "TYPE") or "").upper().split())


def parse(text: str) -> Input:
    """Read an input.

    Parameters
    ----------
    text : str
        From TITLE to the end of the last command.

    Returns
    -------
    Input
    """
    bare = COMMENT.sub("", text)
    at = list(COMMAND.finditer(bare))
    parts = [
        (" ".join(m[1].upper().split()), bare[m.end() : n.start() if n else len(bare)])
        for m, n in zip(at, [*at[1:], None], strict=True)
    ]
    title = next((" ".join(body.split()) for command, body in parts if command == "TITLE"), "")
    options: dict[tuple[str, str], str] = {}
    model: dict[tuple[str, str], tuple[str, ...]] = {}
    for command, body in parts:
        if command.startswith("MODEL"):
            for scope, statements in _scoped(body):
                model[command, scope] = (*model.get((command, scope), ()), *statements)
        elif command in ("DATA", "VARIABLE", "ANALYSIS", "SAVEDATA"):
            for statement in body.split(";"):
                if found := OPTION.match(statement):
                    key = (command, found[1].upper())  # what comes twice, as MISSING may, holds twice
                    options[key] = " ".join([*options.get(key, "").split(), *found[2].split()])
        elif command == "DEFINE" and body.strip():
            options["DEFINE", "DEFINE"] = " ".join(body.split())
    said = Input(text=text, options=options)

    def listed(name: str, among: Sequence[str]) -> tuple[str, ...]:
        return expand(_without_brackets(said.option("VARIABLE", name) or ""), among)

    names = listed("NAMES", ())
    used = listed("USEVARIABLES", names) or names
    aside = {(said.option("VARIABLE", o) or "").upper() for o in ("CLUSTER", "FREQWEIGHT", "WEIGHT", "IDVARIABLE")}
    aside |= {c for o in ("AUXILIARY", "STRATIFICATION", "TRAINING") for c in listed(o, names)}
    known, values = _known(said.option("VARIABLE", "KNOWNCLASS") or "")
    aside |= {column for column, _ in values}
    return Input(
        text=text, title=title, file=(said.option("DATA", "FILE") or "").strip("\"' "), names=names,
        used=tuple(v for v in used if v not in aside), categorical=listed("CATEGORICAL", used),
        nominal=listed("NOMINAL", used), count=listed("COUNT", used),
        classes=_classes(said.option("VARIABLE", "CLASSES") or ""), known=known, known_values=values,
        within=listed("WITHIN", used), between=listed("BETWEEN", used), options=options, model=model,
    )  # fmt: skip


def expand(text: str, among: Sequence[str] = ()) -> tuple[str, ...]:
    """List the names of `text` in capitals: ranges run along `among`, or over numbers at the end of a name."""
    words = re.sub(r"\s*-\s*(?=[A-Za-z_])", "-", text.upper()).replace(",", " ").split()
    out: list[str] = []
    for word in words:
        if word == "ALL" and among:
            out += among
            continue
        first, dash, last = word.partition("-")
        if dash and first in among and last in among:
            out += among[among.index(first) : among.index(last) + 1]
        elif dash and (a := RANGE.match(first)) and (b := RANGE.match(last)) and a[1] == b[1]:
            out += [f"{a[1]}{k:0{len(a[2]) if a[2][0] == '0' else 0}d}" for k in range(int(a[2]), int(b[2]) + 1)]
        else:
            out.append(word)
    return tuple(out)


def _without_brackets(text: str) -> str:
    """Drop what stands in brackets after a name: ``u1-u4 (*)``, ``y (i)``."""
    return re.sub(r"\([^)]*\)", " ", text)


def _classes(text: str) -> dict[str, int]:
    """Read ``c1(2) c2 (3)``."""
    return {name.upper(): int(size) for name, size in re.findall(r"([A-Za-z_][\w.]*)\s*\(\s*(\d+)\s*\)", text)}


def _known(text: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Read ``cg (g = 0 g = 1)``, ``cg (g = 0 1)``, ``cg (g = 0-2)``; a column alone has values that the data say."""
    found = re.match(r"^\s*(\w+)\s*\((.*)\)\s*$", text.upper())
    if not found:
        return "", ()
    out, column = [], ""
    for word in re.sub(r"\s*=\s*", "=", found[2].replace(",", " ")).split():
        name, equals, value = word.rpartition("=")
        column = name if equals else column or word
        ends = re.match(r"^(\d+)-(\d+)$", value)
        each = [str(k) for k in range(int(ends[1]), int(ends[2]) + 1)] if ends else [value]
        out += [(column, v) for v in each if v != column]
    return found[1], tuple(out) or ((column, ""),)


def _scoped(body: str) -> list[tuple[str, tuple[str, ...]]]:
    """Split the body of a MODEL command where ``%C#1%`` and the like stand."""
    pieces = re.split(r"%\s*([^%;]+?)\s*%", body)
    out, level = [("", _statements(pieces[0]))], ""
    for scope, text in zip(pieces[1::2], pieces[2::2], strict=True):
        name = "".join(scope.upper().split())
        if name in ("WITHIN", "BETWEEN") or name.startswith("BETWEEN"):
            level, name = f"%{name}% ", ""
        out.append((f"{level}%{name}%" if name else level.strip(), _statements(text)))
    return [(scope, statements) for scope, statements in out if statements]


def _statements(text: str) -> tuple[str, ...]:
    return tuple(s for s in (" ".join(piece.upper().split()) for piece in text.split(";")) if s)
