"""Latent transition analysis: one start on 1,000 persons, 2 x 10 items, two classes; and two-level, 100 x 10.

    python benchmarks/lta.py

The numbers to read are seconds of the search (L-BFGS to convergence from one random start), of the
whole fit (Newton, standard errors, class probabilities, paths), and milliseconds of one log-likelihood
with gradient; the two-level model at 15 x 15 trapezoid nodes and at 7 x 7 adaptive ones.
"""

import importlib.util
import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import time
import warnings
from pathlib import Path

from bayesmix.models import lta

import bayesmix as bm
from bayesmix.functions import bind

warnings.simplefilter("ignore")


def toca():
    """The script that made the data of `data/`."""
    spec = importlib.util.spec_from_file_location("toca", Path(__file__).parents[1] / "data" / "toca.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def timed(label, model, df, nodes=None, modes=("NUMPY", "NUMBA")):
    """Print one start's times, cold and warm."""
    print(label)
    prepared = bm.prepare(model, df, nodes)
    for mode in modes:
        for again in ("first", "warm"):
            began = time.perf_counter()
            fit = bm.fit(model, df, nodes=nodes, starts=1, finals=1, rounds=1, seed=1, mode=mode)
            whole = time.perf_counter() - began
            evaluate = bind("gradient", prepared, mode)
            theta = prepared.packing.pack({k: v.values for k, v in fit.params.items()})
            evaluate(theta)
            began = time.perf_counter()
            for _ in range(50):
                evaluate(theta)
            each = (time.perf_counter() - began) * 20
            print(
                f"  {mode:6s}{again:6s} whole {whole:6.2f} s, search {fit.info['seconds']:6.3f} s of "
                f"{fit.starts['iterations'].max()} iterations, one evaluation {each:5.2f} ms, "
                f"log-likelihood {fit.loglik:.4f}"
            )


def main():
    """Single-level, then two-level."""
    source = toca()
    two = source.model()
    df = bm.simulate(two, source.truth(), n=1000, clusters=100, seed=1)
    waves = [list(two.items[:10]), list(two.items[10:])]
    timed("LTA, 2 classes, 2 x 10 items, 1,000 persons", lta(waves, 2), df)
    timed("two-level LTA, 100 clusters of 10, 15 x 15 nodes", two, df, bm.trapezoid(15))
    timed("two-level LTA, 100 clusters of 10, 7 x 7 adaptive nodes", two, df, bm.adaptive(7))


if __name__ == "__main__":
    main()
