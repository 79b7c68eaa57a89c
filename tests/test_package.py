"""The package: its names, and that it loads nothing that a command does not need."""

from __future__ import annotations

import subprocess
import sys

import bayesmix as bm


def loaded_by(code: str) -> set[str]:
    run = [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"]
    return set(subprocess.run(run, capture_output=True, text=True, check=True).stdout.split())


def test_every_public_name_is_there_and_is_documented():
    for name in bm.__all__:
        assert getattr(bm, name).__doc__, name
    assert dir(bm) == bm.__all__


def test_functions_are_not_hidden_by_modules_of_their_name():
    code = "import bayesmix.listing.overview, bayesmix.results.comparison, bayesmix.graph.simulation, bayesmix as bm"
    assert loaded_by(f"{code}\nassert all(map(callable, (bm.report, bm.compare, bm.simulate)))")


def test_a_fit_does_not_load_pymc_and_the_package_loads_nothing():
    assert not loaded_by("import bayesmix") & {"numpy", "pandas", "pytensor"}
    assert not loaded_by("import bayesmix as bm; bm.fit, bm.models.lca") & {"pymc", "arviz", "matplotlib"}
