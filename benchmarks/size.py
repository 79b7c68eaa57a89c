"""Time and memory over the number of rows: a fit of each size in a process of its own.

    python benchmarks/size.py [CASE ...] [--rows N ...] [--cores 1|2] [--starts 4]

The numbers to read are seconds of encoding (checks, codes, patterns), of the search, and of the whole fit with its
tables, and its seconds on the processors, which other programs disturb less; the largest resident memory of the
process, which holds the data too; and the exponent of the latter seconds over rows between the sizes beside each other:
1 is linear. The data are made in another process. Cases:

    lca        three classes, ten binary items
    two_level  two classes whose logit varies between clusters of 100 by a normal effect, ten binary items
    discrete   two classes of clusters of 100, two of individuals, ten binary items
    small      as two_level, in clusters of 10
    countries  as two_level, 22 clusters of unequal size
    groups     as discrete, 22 clusters of unequal size
    lta        two classes on two occasions, ten items each
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable

CORES = os.environ.get("SIZE_CORES", "1")
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = CORES

import numpy as np

CASES: dict[str, tuple[int, ...]] = {
    "lca": (10_000, 100_000, 1_000_000),
    "two_level": (10_000, 100_000),
    "discrete": (10_000, 100_000),
    "small": (10_000, 100_000),
    "countries": (8_500, 85_000),
    "groups": (8_500, 85_000),
    "lta": (10_000, 100_000),
}
"""Rows of each case, where none are asked for."""


def made(case: str, n: int):
    """The model and the data of a case."""
    import jobs

    simple: dict[str, Callable] = {
        "lca": lambda: jobs.latent_classes(n),
        "two_level": lambda: jobs.random_logits(n, n // 100),
        "discrete": lambda: jobs.classes_of_clusters(n, n // 100),
        "small": lambda: jobs.random_logits(n, n // 10),
        "countries": lambda: uneven(*jobs.random_logits(n, 22)),
        "groups": lambda: uneven(*jobs.classes_of_clusters(n, 22)),
        "lta": lambda: jobs.transitions(n),
    }
    return simple[case]()


def uneven(model, df):
    """The same rows, of each cluster a share between a quarter and all: the smallest and largest differ fourfold."""
    rng = np.random.default_rng(3)
    share = np.linspace(0.25, 1.0, df["g"].nunique())
    return model, df[rng.random(len(df)) < share[df["g"].astype("category").cat.codes]].reset_index(drop=True)


def one(path: str, starts: int) -> dict[str, float]:
    """Fit the data of a file here."""
    import bayesmix as bm

    with open(path, "rb") as file:
        model, df = pickle.load(file)
    warnings.simplefilter("ignore")
    began = time.perf_counter()
    bm.Problem.of(bm.Dataset.encode(model, df))
    encoded = time.perf_counter() - began
    settings = {"starts": starts, "finals": 2, "rounds": 1, "seed": 1, "budget": 0.0, "progress": False}
    if CORES == "1":
        settings["executor"] = here()
    began, worked = time.perf_counter(), time.process_time()
    fit = bm.fit(model, df, **settings)
    whole, worked = time.perf_counter() - began, time.process_time() - worked
    peak = max(resource.getrusage(k).ru_maxrss for k in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    out = {"rows": len(df), "clusters": fit.n_clusters or 0, "encode": encoded, "search": fit.info["seconds"]}
    return out | {"whole": whole, "cpu": worked, "memory": peak / 2**20, "loglik": fit.loglik}


def here():
    """An executor that runs everything in this process."""
    from bayesmix.parallel import SerialExecutor

    return SerialExecutor()


def alone(case: str, n: int, starts: int, cores: int) -> dict[str, float]:
    """Make the data in one process and fit them in another."""
    with tempfile.TemporaryDirectory() as folder:
        common = [sys.executable, __file__, case, "--rows", str(n), "--starts", str(starts)]
        for step in ("--make", "--fit"):
            command = [*common, step, f"{folder}/data"]
            done = subprocess.run(
                command, check=False, capture_output=True, text=True, env=os.environ | {"SIZE_CORES": str(cores)}
            )
            if done.returncode:
                raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Print a line for each case and size."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    ask.add_argument("--rows", type=int, nargs="+")
    ask.add_argument("--cores", type=int, default=1, choices=(1, 2))
    ask.add_argument("--starts", type=int, default=4)
    ask.add_argument("--make", help=argparse.SUPPRESS)
    ask.add_argument("--fit", help=argparse.SUPPRESS)
    given = ask.parse_args()
    if unknown := [c for c in given.cases if c not in CASES]:
        ask.error(f"no case {unknown[0]}: give some of {', '.join(CASES)}, or none for all")
    if given.make:
        with open(given.make, "wb") as file:
            pickle.dump(made(given.cases[0], given.rows[0]), file)
        return
    if given.fit:
        print(json.dumps(one(given.fit, given.starts)))
        return
    heads = ("case", "rows", "clusters", "encoding s", "search s", "whole s", "CPU s", "memory GB", "exponent", "logL")
    print("{:10s}{:>9s}{:>9s}{:>11s}{:>10s}{:>9s}{:>8s}{:>10s}{:>10s}{:>16s}".format(*heads))
    for case in given.cases or CASES:
        before = None
        for n in given.rows or CASES[case]:
            x, grown = alone(case, n, given.starts, given.cores), ""
            if before:
                grown = f"{np.log(x['cpu'] / before['cpu']) / np.log(x['rows'] / before['rows']):.2f}"
            print(
                f"{case:10s}{x['rows']:9d}{x['clusters']:9d}{x['encode']:11.2f}{x['search']:10.2f}{x['whole']:9.2f}"
                f"{x['cpu']:8.2f}{x['memory']:10.2f}{grown:>10s}{x['loglik']:16.3f}",
                flush=True,
            )
            before = x


if __name__ == "__main__":
    main()
