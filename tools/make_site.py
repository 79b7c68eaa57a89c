"""Make the documentation site, without network.

    python tools/make_site.py               # build/site, its notebooks run; those that ran before are not run again
    python tools/make_site.py FOLDER        # the same, elsewhere
    python tools/make_site.py --check       # no notebook runs; a warning, or a link that leads nowhere, is a failure

The source is laid out in build/docs: the pages of docs/, the notebooks, the changelog, and pages made from tables.
"""

import argparse
import hashlib
import os
import re
import shutil
import sys
from pathlib import Path

import validated
from links import html_of, problems

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "docs"
MARK = ".bayesmix-site"
"""A file of every site that was made here; what has none is no such site, and is left alone."""


def main() -> int:
    """Make the site; the exit code."""
    parser = argparse.ArgumentParser(description="Make the documentation site.")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "build" / "site", help="build/site if left out")
    parser.add_argument("--check", action="store_true", help="check pages and links; write no site, run no notebook")
    asked = parser.parse_args()
    try:
        if not asked.check:
            refuse_foreign(asked.folder)
        found = build(run_notebooks=not asked.check)
    except (OSError, ValueError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    if found is None:
        return 1
    if wrong := problems(found):
        print("\n".join(wrong), file=sys.stderr)
        return 1
    if asked.check:
        print(f"{len(html_of(found))} pages: no warning, and no link that leads nowhere.")
        return 0
    shutil.rmtree(asked.folder, ignore_errors=True)
    shutil.copytree(found, asked.folder)
    print(f"The site is {asked.folder / 'index.html'}")
    return 0


def refuse_foreign(folder: Path) -> None:
    """Raise if something else than a site stands where the site is to go.

    Raises
    ------
    ValueError
        `folder` is a file, or holds what was not made here.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"'{folder}' is a file: give a folder for the site.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise ValueError(
            f"'{folder}' is not empty, and what it holds is no site that was made here: give another folder, or empty "
            "this one."
        )


# the source ---------------------------------------------------------------------------------------


def lay_out(source: Path, notebooks: Path = ROOT / "notebooks") -> None:
    """Lay out in `source` all that Sphinx reads."""
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(ROOT / "docs", source, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for name in ("changelog", "contributing"):
        text = (ROOT / f"{name.upper()}.md").read_text(encoding="utf-8")
        (source / f"{name}.md").write_text(without_files(text), encoding="utf-8")
    shutil.copy2(ROOT / "CITATION.cff", source)
    (source / "validated.md").write_text(validated.page(), encoding="utf-8")
    (source / "data").symlink_to(ROOT / "data")  # where notebooks look for it
    tutorials = source / "tutorials"
    found = sorted(notebooks.glob("*.ipynb"))
    for path in found:
        shutil.copy2(path, tutorials / path.name)
    index = tutorials / "index.md"
    index.write_text(with_entries(index.read_text(encoding="utf-8"), [p.stem for p in found]), encoding="utf-8")


def without_files(text: str) -> str:
    """Name files of the repository, which are not part of the site, where `text` links to them."""
    return re.sub(r"\[[^\]]+\]\((?!https?:|#)([^)]+)\)", r"`\1`", text)


def with_entries(page: str, there: list[str]) -> str:
    """Leave in the toctree of `page` the entries that are `there`, in its order, and add those it does not name."""
    head, tree, rest = re.split(r"(?<=maxdepth: 1\n\n)(.*?)(?=```)", page, maxsplit=1, flags=re.S)
    named = tree.split()
    entries = [e for e in named if e in there] + [e for e in there if e not in named]
    return head + "".join(f"{e}\n" for e in entries) + rest


# the build ----------------------------------------------------------------------------------------


def build(run_notebooks: bool) -> Path | None:
    """Build the pages; where they are, or None where Sphinx had something to say against them."""
    from sphinx.cmd.build import build_main

    os.environ.setdefault("OMP_NUM_THREADS", "1")
    source, pages = BUILD / "source", BUILD / "html"
    lay_out(source)
    shutil.rmtree(pages, ignore_errors=True)
    settings = {"nb_execution_mode": "off"}
    if run_notebooks:
        settings = {"nb_execution_mode": "cache", "nb_execution_cache_path": str(notebook_cache())}
    given = [word for key, value in settings.items() for word in ("-D", f"{key}={value}")]
    words = ["-b", "html", "-q", "-E", "-W", "--keep-going", "-d", str(BUILD / "doctrees"), "-c", str(ROOT / "docs")]
    if build_main([*words, *given, str(source), str(pages)]):
        return None
    (pages / MARK).write_text("Made by tools/make_site.py of bayesmix.\n", encoding="utf-8")
    return pages


def notebook_cache() -> Path:
    """Where the outputs of notebooks are kept: another folder for each state of the package that made them."""
    state = hashlib.sha256()
    files = [*(ROOT / "bayesmix").rglob("*.py"), *(ROOT / "models").glob("*.py"), *(ROOT / "data").glob("*.csv")]
    for path in sorted(files):
        state.update(path.read_bytes())
    return ROOT / "build" / "notebooks" / state.hexdigest()[:12]


if __name__ == "__main__":
    sys.exit(main())
