"""Mplus outputs of a folder beside refits: how many are read, declared, and met within .001 of their log-likelihood.

    python benchmarks/mplus_outputs.py FOLDER [--fit] [--vuong] [--budget SECONDS]

With --vuong the model with a class less is fitted too where an output has TECH11, and the test of Vuong, Lo, Mendell
and Rubin is laid beside it: twice the difference of the log-likelihoods, mean, SD, p and the adjusted value. The data
file that an input names lies beside its output, or somewhere beneath the folder.
"""

import argparse
import collections
import os
import time
import warnings
from pathlib import Path

import pandas as pd

import bayesmix as bm
from bayesmix.enumeration import with_classes

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("folder", type=Path)
parser.add_argument("--fit", action="store_true", help="refit what can be declared")
parser.add_argument("--vuong", action="store_true", help="test against one class less beside TECH11; refits too")
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
    return fitted(out, model, df) if asked.fit or asked.vuong else ("declared", model.name)


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
    if asked.vuong and out.tech11:
        words += f"; TECH11 {tested(out, model, fit, df.dropna(subset=covariates))}"
    return "met" if abs(gap) <= 1.001e-3 else "above" if gap > 0 else "below", words


def tested(out: bm.mplus.Output, model: bm.Model, fit: bm.Fit, df: pd.DataFrame) -> str:
    """The test against one class less, and in brackets what the output has."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            name = model.classes[0].name
            fewer = with_classes(model, name, model.classes[0].size - 1)
            found = bm.vuong_test(bm.fit(fewer, df, budget=asked.budget, starts=asked.starts, seed=1), fit, df)
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:160]
    theirs = ("2 Times the Loglikelihood Difference", "Mean", "Standard Deviation", "P-Value", "adjusted Value")
    ours = (found.statistic, found.mean, found.sd, found.p, found.adjusted)
    return ", ".join(f"{x:.3f} ({out.tech11.get(k, float('nan')):.3f})" for k, x in zip(theirs, ours, strict=True))


files = [p for p in asked.folder.rglob("*") if p.is_file()]
counts: collections.Counter = collections.Counter()
for file in sorted(asked.folder.rglob("*.out")):
    what, why = outcome(file)
    counts[what] += 1
    print(f"{what:12s} {file.relative_to(asked.folder)}: {why}", flush=True)
print(dict(counts))
