"""Every notebook has one form, runs from top to bottom and is stored without its output.

Its second code cell, tagged `parameters`, sets the sizes of what follows. The default run puts a cell behind it, the
line `short` of the notebook's metadata, so that every cell is run, with few draws; the slow run is what a reader has.
"""

import ast
import copy
import resource
import time
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "notebooks"
LIMIT = 120
"""Seconds that a reader waits for a whole notebook at most."""

every_notebook = pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda p: p.stem)
OFTEN = {"lca", "latent_transitions", "growth", "one_analysis"}
"""Notebooks whose cells run by default; those of all others with the slow tests, and whole in the site."""
short_runs = pytest.mark.parametrize(
    "path",
    [pytest.param(p, marks=() if p.stem in OFTEN else pytest.mark.slow) for p in sorted(FOLDER.glob("*.ipynb"))],
    ids=lambda p: p.stem,
)
runs = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


def tagged(book, tag):
    """The numbers of the cells with `tag`."""
    return [k for k, cell in enumerate(book.cells) if tag in cell.metadata.get("tags", [])]


def outputs(book):
    """The number of the cell and each of its outputs."""
    return [(k, o) for k, cell in enumerate(book.cells) for o in cell.get("outputs", [])]


def warnings_shown(book):
    """Cell and text of what goes to stderr, but for what the machine's fonts say to Graphviz."""
    lines = [(k, line) for k, o in outputs(book) if o.get("name") == "stderr" for line in o["text"].splitlines()]
    return [(k, line) for k, line in lines if line.strip() and not line.startswith("Fontconfig")]


def names_set(source):
    """The names that the lines of `source` assign."""
    return {n.id for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def shortened(book):
    """The notebook with its `short` sizes set after its `parameters`."""
    book = copy.deepcopy(book)
    book.cells.insert(tagged(book, "parameters")[0] + 1, nbformat.v4.new_code_cell(book.metadata.bayesmix.short))
    book.cells.insert(0, nbformat.v4.new_code_cell("%reset -f"))  # no name of an earlier notebook
    return book


def executed(book, monkeypatch, timeout, kernel=None):
    """Run `book` where its links to the data hold, in a kernel of its own if none is given."""
    monkeypatch.delenv("MPLBACKEND", raising=False)  # the kernel draws into the notebook
    client = NotebookClient(book, km=kernel, timeout=timeout, resources={"metadata": {"path": str(FOLDER)}})
    try:
        return client.execute()
    finally:
        if kernel is not None and client.kc is not None:
            client.kc.stop_channels()


@pytest.fixture(scope="module")
def kernel():
    """One kernel for the short runs: libraries are imported once, what was compiled is there for all."""
    manager = AsyncKernelManager(kernel_name="python3")
    yield manager
    if manager.has_kernel:
        run_sync(manager.shutdown_kernel)(now=True)
    manager.context.destroy(linger=0)


def has_pictures(book):
    return any("image/png" in o.get("data", {}) or "image/svg+xml" in o.get("data", {}) for _, o in outputs(book))


def test_there_are_notebooks():
    assert list(FOLDER.glob("*.ipynb"))


@every_notebook
def test_form(path):
    """A title, imports, then the parameters, of which the short ones are some; no output is stored."""
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    code = [k for k, cell in enumerate(book.cells) if cell.cell_type == "code"]
    assert book.cells[0].source.startswith("# ")
    imports = ast.parse(book.cells[code[0]].source).body
    assert any(isinstance(line, ast.Import | ast.ImportFrom) for line in imports)
    assert tagged(book, "parameters") == code[1:2]
    short, whole = names_set(book.metadata.bayesmix.short), names_set(book.cells[code[1]].source)
    assert short
    assert short <= whole, f"The short sizes set {short - whole}, which the parameters do not have."
    assert not outputs(book)
    assert all(book.cells[k].execution_count is None for k in code)


@runs
@short_runs
def test_runs_with_short_sizes(path, monkeypatch, kernel):
    book = executed(shortened(nbformat.read(path, as_version=4)), monkeypatch, 300, kernel)
    assert has_pictures(book)


@pytest.mark.slow
@runs
@every_notebook
def test_runs_whole(path, monkeypatch):
    """In two minutes; no warning reaches the reader but from cells tagged `warns`."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    book = executed(nbformat.read(path, as_version=4), monkeypatch, timeout=900)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{path.stem}: {wall:.0f} seconds, {cpu:.0f} of processors")
    assert has_pictures(book)
    shown = warnings_shown(book)
    assert sorted({k for k, _ in shown}) == tagged(book, "warns"), shown
    assert min(wall, cpu) < LIMIT  # on a busy machine the time of the processors tells
