"""The package: its names, its files, and that it loads nothing that a command does not need."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

import bayesmix as bm

ROOT = Path(__file__).parents[1]
ROOMS = ["bayesmix", *(f"bayesmix.{m.name}" for m in pkgutil.iter_modules(bm.__path__) if m.ispkg)]
STUBS = sorted((ROOT / "bayesmix").rglob("*.pyi"))
HEAVY = {"numpy", "pandas", "xarray", "numba", "pytensor", "pymc", "arviz", "matplotlib"}


def loaded_by(code: str) -> set[str]:
    run = [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules, file=sys.stderr)"]
    return set(subprocess.run(run, capture_output=True, text=True, check=True).stderr.split())


# names --------------------------------------------------------------------------------------------


def test_every_public_name_is_there_and_is_documented():
    for name in bm.__all__:
        assert getattr(bm, name).__doc__, name
    assert dir(bm) == bm.__all__


@pytest.mark.parametrize("room", ["bayesmix", "bayesmix.plots", "bayesmix.models"])
def test_a_public_name_has_words_of_its_own(room):
    """A dataclass without a docstring gets its signature for one."""
    face = importlib.import_module(room)
    for name in face.__all__:
        doc = getattr(face, name).__doc__ or ""
        assert len(doc.split()) > 3, name
        assert not doc.startswith(f"{name}("), name


@pytest.mark.parametrize("room", ROOMS)
def test_no_public_name_is_that_of_a_module(room):
    """Whichever of the two is imported last would hide the other."""
    face = importlib.import_module(room)
    modules = {m.name for m in pkgutil.iter_modules(face.__path__) if not m.ispkg}
    assert not modules & {*getattr(face, "__all__", ())}


def test_no_room_has_the_name_of_a_function():
    rooms = {m.name for m in pkgutil.iter_modules(bm.__path__)}
    assert rooms & {*bm.__all__} <= {"models", "mplus", "plots"}


@pytest.mark.parametrize("stub", STUBS, ids=lambda path: path.parent.name)
def test_a_stub_lists_what_it_imports(stub):
    """lazy_loader takes the imports, editors and ``import *`` the list."""
    body = ast.parse(stub.read_text(encoding="utf-8")).body
    names = [alias for node in body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert all(alias.asname == alias.name for alias in names)
    (listed,) = [ast.literal_eval(node.value) for node in body if isinstance(node, ast.Assign)]
    assert sorted(listed) == sorted(alias.name for alias in names)


def test_functions_are_not_hidden_by_modules_of_their_name():
    code = "import bayesmix.listing.overview, bayesmix.results.comparison, bayesmix.graph.simulation, bayesmix as bm"
    assert loaded_by(f"{code}\nassert all(map(callable, (bm.report, bm.compare, bm.simulate)))")


# what is loaded -----------------------------------------------------------------------------------


def test_a_fit_does_not_load_pymc_and_the_package_loads_nothing():
    assert not loaded_by("import bayesmix") & HEAVY
    assert not loaded_by("import bayesmix as bm; bm.fit, bm.models.lca") & {"pymc", "arviz", "matplotlib"}


@pytest.mark.parametrize("words", [["--help"], ["fit", "--help"], ["fit", "lca", "no_such_file.csv"]])
def test_help_and_mistakes_are_answered_without_the_engine(words):
    code = f"import sys; sys.argv = ['bayesmix', *{words}]\nfrom bayesmix.cli.commands import main"
    assert not loaded_by(f"{code}\ntry: main()\nexcept SystemExit: pass") & HEAVY


# what is packaged ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def packaging():
    """What pyproject.toml tells setuptools."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]


def test_every_folder_with_modules_is_packaged(packaging):
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "bayesmix").rglob("*.py")}
    assert sorted({".".join(folder.parts) for folder in folders} | {"bayesmix.models"}) == packaging["packages"]


def test_every_stub_and_the_mark_of_types_are_packaged(packaging):
    files = [*STUBS, ROOT / "bayesmix" / "py.typed", *(ROOT / "bayesmix").rglob("*.css")]
    assert len(files) > 2
    data = packaging["package-data"]
    assert {*data} <= {*packaging["packages"], "*"}  # with another key setuptools installs nothing
    for path in files:
        patterns = data.get(".".join(path.parent.relative_to(ROOT).parts), []) + data.get("*", [])
        assert any(fnmatch(path.name, pattern) for pattern in patterns), path


# what is built ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_wheel_installs_in_a_new_environment_and_runs_the_readme():
    """Builds both distributions, checks what is in them, and tries the wheel with this interpreter."""
    tried = [sys.executable, ROOT / "tools" / "try-wheel", sys._base_executable]
    done = subprocess.run(tried, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "installed, fitted, and ran the README" in done.stdout


def test_every_python_that_is_promised_is_named():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [
        c.rsplit(" ", 1)[1] for c in project["classifiers"] if c.startswith("Programming Language :: Python :: 3.")
    ]
    assert f">={named[0]}" == project["requires-python"]
    assert {"data", "diagram", "jax", "report"} <= {*project["optional-dependencies"]}
