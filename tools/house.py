"""Measure the package, or two checkouts of it side by side.

    python tools/house.py               # this checkout
    python tools/house.py ../before     # another one first, then this one
    python tools/house.py --static      # without the fits that count encodings, which take a minute or two

What the rows mean:

- rooms: the folders; a module that lies in `bayesmix/` itself is a room of its own, as is its face, `__init__`
- floors: modules (rooms) on the longest chain of imports; arrows: pairs of which the one imports the other; in circles:
  how many of them import themselves by way of others. Imports inside functions and for type checking count; those of
  the package's face, which hands on what is public, do not.
- a function's body is without its docstring; p90 is the 90th percentile
- name tests: lines with startswith, endswith, removeprefix, removesuffix, partition or rpartition
- encodings: how often the columns of items are coded from the DataFrame in one call
"""

from __future__ import annotations

import argparse
import ast
import importlib
import io
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import tokenize
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path

import grimp

HERE = Path(__file__).resolve().parents[1]
PARTS = "bayesmix", "models"
NAME_TEST = re.compile(r"\.(startswith|endswith|removeprefix|removesuffix|r?partition)\(")
Imports = Mapping[str, Collection[str]]
Measures = dict[str, list[str]]

ENCODINGS = r"""
import importlib, json, sys, warnings
import numpy as np, pandas as pd

warnings.simplefilter("ignore")
for home in ("bayesmix.data.items", "bayesmix.items"):
    try:
        real = importlib.import_module(home).coded_items
        break
    except ModuleNotFoundError as error:
        if not home.startswith(error.name):
            raise
calls = []


def counted(*given, **options):
    calls.append(1)
    return real(*given, **options)


for module in list(sys.modules.values()):  # modules that are loaded later take it from these
    if getattr(module, "coded_items", None) is real:
        module.coded_items = counted

import bayesmix as bm

rng = np.random.default_rng(0)
g = np.repeat(np.arange(20), 8)
c = (rng.random(160) < np.where(np.arange(20) % 2, 0.2, 0.8)[g]).astype(int)
df = pd.DataFrame({f"b{k}": (rng.random(160) < np.where(c == 1, 0.85, 0.15)).astype(int) for k in range(5)})
df = df.assign(**{f"y{k}": rng.normal(3.0 * c, 1.0 + c) for k in range(3)}, g=g)
binary, normal = [f"b{k}" for k in range(5)], {"items": ["y0", "y1", "y2"], "family": bm.normal(), "variance": "class"}
one = bm.models.lca(binary, 2)
grid = bm.models.lca(binary, 2, cluster="g")
two, three = (bm.models.lca(classes=k, cluster="g", **normal) for k in (2, 3))
cases = {
    "fit, one level": lambda: bm.fit(one, df, progress=False),
    "fit, two levels, a grid": lambda: bm.fit(grid, df, nodes=bm.trapezoid(11), progress=False),
    "fit, two levels, adaptive": lambda: bm.fit(three, df, progress=False),
    "sample, two levels": lambda: bm.sample(two, df, draws=20, tune=20, chains=1, progress=False),
}
out = {}
for name, case in cases.items():
    calls.clear()
    case()
    out[name] = len(calls)
print(json.dumps(out))
"""
"""Run by a checkout's own Python: counts the calls of the function that codes the columns of items."""


# files --------------------------------------------------------------------------------------------


def has_docstring(node: ast.AST) -> bool:
    """Say whether a module, class or function begins with a docstring."""
    documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    return documented and ast.get_docstring(node, clean=False) is not None


def n_lines(statements: list[ast.stmt]) -> int:
    """Count the lines from the first of `statements` to the last."""
    return (statements[-1].end_lineno or 0) - statements[0].lineno + 1 if statements else 0


def bodies(trees: Iterable[ast.Module]) -> list[int]:
    """Count the lines of every function's body without its docstring, the shortest first."""
    functions = [n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    return sorted(n_lines(f.body[1:] if has_docstring(f) else f.body) for f in functions)


def comments(text: str) -> int:
    """Count the comments of a file's `text`."""
    return sum(t.type == tokenize.COMMENT for t in tokenize.generate_tokens(io.StringIO(text).readline))


def tests_for_bool(tree: ast.Module) -> int:
    """Count the calls of isinstance in `tree` that ask for bool."""
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func) == "isinstance"]
    return sum(any(isinstance(n, ast.Name) and n.id == "bool" for n in ast.walk(c.args[1])) for c in calls)


def of_files(folder: Path) -> dict[str, str]:
    """Measure the modules below `folder`, each file by itself."""
    texts = [f.read_text(encoding="utf-8") for f in sorted(folder.rglob("*.py"))]
    trees = [ast.parse(t) for t in texts]
    lines = [line for t in texts for line in t.splitlines()]
    documented = [n for tree in trees for n in ast.walk(tree) if has_docstring(n)]
    docstrings = sum(n_lines(n.body[:1]) for n in documented)  # pyright: ignore[reportAttributeAccessIssue]
    blank = sum(not line.strip() for line in lines)  # those inside docstrings too
    length = bodies(trees)
    per_file = [len(t.splitlines()) for t in texts]

    def occurrences(pattern: str) -> str:
        return str(sum(len(re.findall(pattern, line)) for line in lines))

    return {
        "files": str(len(texts)),
        "lines": f"{len(lines):,}",
        "  of them docstrings": f"{docstrings:,} ({docstrings / len(lines):.0%})",
        "  of them blank": f"{blank:,} ({blank / len(lines):.0%})",
        "median, longest file": f"{statistics.median(per_file):g}, {max(per_file)}",
        "functions": str(len(length)),
        "body: median, p90, longest": f"{statistics.median(length):g}, {length[int(0.9 * len(length))]}, {length[-1]}",
        "bodies over 15, over 40 lines": f"{sum(n > 15 for n in length)}, {sum(n > 40 for n in length)}",
        "comments per 100 lines": f"{100 * sum(map(comments, texts)) / len(lines):.1f}",
        "name tests": str(sum(bool(NAME_TEST.search(line)) for line in lines)),
        "cast(": occurrences(r"\bcast\("),
        "Any": occurrences(r"\bAny\b"),
        "isinstance(..., bool)": str(sum(map(tests_for_bool, trees))),
    }


# imports ------------------------------------------------------------------------------------------


def imports_of(checkout: Path) -> Imports:
    """Read which module of `checkout` imports which; its templates lie inside the package, as they are installed."""
    with tempfile.TemporaryDirectory() as path:
        shutil.copytree(checkout / "bayesmix", Path(path, "bayesmix"))
        shutil.copytree(checkout / "models", Path(path, "bayesmix", "models"))
        faces = through_faces(Path(path, "bayesmix"))
        sys.path.insert(0, path)
        importlib.invalidate_caches()
        graph = grimp.build_graph("bayesmix", cache_dir=None)
        sys.path.remove(path)
    out = {m: graph.find_modules_directly_imported_by(m) - faces for m in graph.modules}
    return out | {"bayesmix": set()} | {face: set() for face in faces}


def through_faces(root: Path) -> set[str]:
    """Let modules under `root` import what they take from a face of a room from its own module; name the faces."""
    stubs = {".".join(("bayesmix", *f.parent.relative_to(root).parts)): f for f in root.rglob("__init__.pyi")}
    home = {
        face: {name: module for module, name in re.findall(r"^from (\.\w+) import (\w+) as", f.read_text(), re.M)}
        for face, f in stubs.items()
        if face != "bayesmix"
    }
    for path in root.rglob("*.py"):
        text = path.read_text()
        taken = [
            f"from {n.module}{home[n.module][a.name]} import {a.name}"
            for n in ast.walk(ast.parse(text)) if isinstance(n, ast.ImportFrom) and n.module in home
            for a in n.names if a.name in home[n.module]
        ]  # fmt: skip
        path.write_text("\n".join([text, *taken]) + "\n")
    return {*home}


def room_of(module: str) -> str:
    """Name the folder of the package that `module` lies in, or itself if it lies in none."""
    return ".".join(module.split(".")[:2])


def between_rooms(imports: Imports) -> Imports:
    """Draw together the `imports` of the modules of each room."""
    out: dict[str, set[str]] = {room_of(m): set() for m in imports}
    for module, others in imports.items():
        out[room_of(module)] |= {room_of(m) for m in others}
    return {room: others - {room} for room, others in out.items()}


def reached(imports: Imports, start: str) -> set[str]:
    """Collect all that `start` imports, directly or by way of others."""
    out: set[str] = set()
    ahead = list(imports[start])
    while ahead:
        if (one := ahead.pop()) not in out:
            out.add(one)
            ahead += imports[one]
    return out


def floors(imports: Imports) -> int:
    """Count the floors of `imports`; what imports each other in a circle stands on one."""
    beneath = {m: reached(imports, m) for m in imports}
    height: dict[str, int] = {}
    for m in sorted(imports, key=lambda m: len(beneath[m] | {m})):
        height[m] = 1 + max((height[o] for o in beneath[m] if m not in beneath[o]), default=0)
    return max(height.values())


def of_imports(checkout: Path) -> dict[str, str]:
    """Measure the imports between the modules of `checkout`, and between its rooms."""
    imports = imports_of(checkout)
    out = {}
    for name, graph in (("modules", imports), ("rooms", between_rooms(imports))):
        out[name] = str(len(graph))
        out[f"floors of {name}"] = str(floors(graph))
        out[f"arrows between {name}"] = str(sum(map(len, graph.values())))
        out[f"{name} in circles"] = str(sum(m in reached(graph, m) for m in graph))
    return out


# encodings ----------------------------------------------------------------------------------------


def of_encodings(checkout: Path) -> dict[str, str]:
    """Count the encodings of the DataFrame in fits and in sampling, by the Python of `checkout`."""
    python = checkout / ".venv" / "bin" / "python"
    if not python.exists():
        raise SystemExit(f"{checkout} has no environment: run `make env` there, or measure with --static.")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [str(python), "-c", ENCODINGS], cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"The encodings of {checkout} could not be counted:\n{done.stderr[-2000:]}")
    return {f"encodings: {k}": str(n) for k, n in json.loads(done.stdout.splitlines()[-1]).items()}


# the table ----------------------------------------------------------------------------------------


def measures(checkout: Path, static: bool) -> Measures:
    """Measure `checkout`: for each row the values of the package and of the templates."""
    package, templates = (of_files(checkout / part) for part in PARTS)
    out = {name: [package[name], templates[name]] for name in package}
    whole: list[Callable[[Path], dict[str, str]]] = [of_imports] if static else [of_imports, of_encodings]
    return out | {name: [value, ""] for measure in whole for name, value in measure(checkout).items()}


def table(columns: Mapping[str, Measures]) -> Iterator[str]:
    """Lay `columns`, the measures of each checkout, side by side, line by line."""
    names = list(dict.fromkeys(name for each in columns.values() for name in each))
    rows = [["", *(f"{label} {part}".strip() for label in columns for part in PARTS)]]
    rows += [[name, *(v for each in columns.values() for v in each.get(name, ["-"] * len(PARTS)))] for name in names]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join((row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:]))).rstrip()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", nargs="?", type=Path, help="the folder of another checkout, measured beside this one")
    parser.add_argument("--static", action="store_true", help="leave the encodings out: nothing of the package is run")
    given = parser.parse_args()
    checkouts = {"before:": given.before.resolve(), "now:": HERE} if given.before else {"": HERE}
    for line in table({label: measures(folder, given.static) for label, folder in checkouts.items()}):
        print(line)


if __name__ == "__main__":
    main()
