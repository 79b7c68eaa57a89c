"""What runs the graph: one log-likelihood with gradient by each engine, what the first one takes, and many at once.

    python benchmarks/engines.py                 NumPy and JAX, every kind of model
    python benchmarks/engines.py lca fig3 NUMBA  some of them, and numba too (it compiles for minutes)

`made` is the time to the first value, with no programs kept on disk, `kept` the same with them; then milliseconds of
one evaluation, and of one among twenty points that are given together. What JAX compiles is kept nowhere.
"""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import statistics
import sys
import time
import warnings

import numpy as np
from jobs import JOBS

from bayesmix.data import Dataset
from bayesmix.graph import LogLikelihood
from bayesmix.graph import compile as programs
from bayesmix.ml import Target
from bayesmix.ml.starts import ranges

warnings.simplefilter("ignore")


def seconds(call, times: int) -> float:
    """The median of several calls."""
    out = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        out.append(time.perf_counter() - began)
    return statistics.median(out)


def row(name: str, mode: str) -> str:
    """Times of one job by one engine."""
    model, df = JOBS[name].make()
    target = Target.of(Dataset.encode(model, df), JOBS[name].settings.get("nodes"))
    points = np.stack([ranges(target).draw(seed) for seed in range(20)])
    first = []
    for kept in (lambda key, make: make(), programs.kept):
        programs._CACHE.clear()
        before, programs.kept = programs.kept, kept
        try:
            first.append(seconds(lambda: LogLikelihood(target, mode).value_and_gradient(points[0]), 1))
        finally:
            programs.kept = before
    evaluate = LogLikelihood(target, mode).value_and_gradient
    evaluate(points)
    one, many = seconds(lambda: evaluate(points[0]), 30), seconds(lambda: evaluate(points), 7) / 20
    return f"{name:15s} {mode:6s} {first[0]:8.2f} {first[1]:8.2f} {1e3 * one:9.3f} {1e3 * many:9.3f}"


def main() -> None:
    """The jobs and engines that the arguments name."""
    wanted = [k for k in sys.argv[1:] if k in JOBS] or list(JOBS)
    modes = ["NUMPY", "JAX", *(k for k in sys.argv[1:] if k in ("NUMBA", "C"))]
    print(f"{'job':15s} {'engine':6s} {'made, s':>8s} {'kept, s':>8s} {'one, ms':>9s} {'of 20, ms':>9s}")
    for name in wanted:
        for mode in modes:
            print(row(name, mode), flush=True)


if __name__ == "__main__":
    main()
