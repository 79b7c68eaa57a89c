"""Mplus outputs of a folder beside refits: how many are read, declared, and met within .001 of their log-likelihood.

    python benchmarks/mplus_outputs.py FOLDER [--fit] [--budget SECONDS]

The data file that an input names lies beside its output, or somewhere beneath the folder.
"""

import argparse
import collections
import os
import time
import warnings
from pathlib import Path

import pandas as pd

import bayesmix as bm

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("folder", type=Path)
parser.add_argument("--fit", action="store_true", help="refit what can be declared")
parser.add_argument("--budget", type=float, default=0.0)
parser.add_argument("--starts", type=int, default=20)
asked = parser.parse_args()


def folder_of(out: bm.mplus.Output, path: Path) -> Path:
    """Where the data are: beside the output, or the nearest place beneath the folder that has a file of this name."""
    name = out.input.file.replace("\\", "/").rpartition("/")[2].strip()
    if (path.parent / name).is_file():
        return path.parent
    found = [p for p in files if p.name == name]
    if not found:
        return path.parent
    shared = [len(Path(os.path.commonpath([p, path])).parts) for p in found]
    nearest = [p for p, n in zip(found, shared, strict=True) if n == max(shared)]
    if len({p.read_bytes() for p in nearest}) > 1:
        raise ValueError(f"several different files are named {name}")
    return nearest[0].parent


def outcome(path: Path) -> tuple[str, str]:
    """What became of an output, and why."""
    stage = "not read"
    try:
        out = bm.mplus.read(path)
        if out.missing:
            return "in part", "; ".join(out.missing)
        stage = "not declared"
        df = bm.mplus.data(out, folder_of(out, path))
        model = bm.mplus.model(out, df)
    except ValueError as error:
        return stage, str(error).replace(str(path.parent), ".")
    return fitted(out, model, df) if asked.fit else ("declared", model.name)


def fitted(out: bm.mplus.Output, model: bm.Model, df: pd.DataFrame) -> tuple[str, str]:
    """Whether a refit meets the log-likelihood of the output, and both numbers."""
    covariates = [c for x in model.covariates for c in x.formula.split(" + ")]
    began = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            settings = {"budget": asked.budget, "starts": asked.starts, "seed": 1}
            fit = bm.fit(model, df.dropna(subset=covariates), **settings)
    except Exception as error:
        return "fit failed", f"{type(error).__name__}: {error}"[:160]
    gap = fit.loglik - out.loglik
    same = f"n {fit.n_individuals} ({out.summary['n']}), parameters {fit.n_parameters} ({out.n_parameters})"
    words = f"{model.name}: {fit.loglik:.3f} - ({out.loglik:.3f}) = {gap:.3f}, {same}, replicated {out.replicated}"
    words += f", {time.perf_counter() - began:.0f} s"
    return "met" if abs(gap) <= 1.001e-3 else "above" if gap > 0 else "below", words


files = [p for p in asked.folder.rglob("*") if p.is_file()]
counts: collections.Counter = collections.Counter()
for file in sorted(asked.folder.rglob("*.out")):
    what, why = outcome(file)
    counts[what] += 1
    print(f"{what:12s} {file.relative_to(asked.folder)}: {why}", flush=True)
print(dict(counts))
