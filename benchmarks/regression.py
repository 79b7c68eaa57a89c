"""Regression mixtures, one start: R(1)-R(2) on 10,000 persons; a class and a random intercept of clusters, 100 x 10.

    python benchmarks/regression.py            warm and cold, NumPy and numba
    python benchmarks/regression.py --schools  models 1, A2, A3 and B3 on the generated schools (an hour)

The numbers to read are seconds of the search (L-BFGS to convergence from one random start), of the whole
fit (Newton, standard errors, class probabilities), and milliseconds of one log-likelihood with gradient.
"""

from timing import timed  # before NumPy: one thread

# isort: split
import argparse
import resource
import time
from pathlib import Path

import pandas as pd
from bayesmix.models.nels import nels
from jobs import between, mixture

import bayesmix as bm

DATA = Path(__file__).parents[1] / "data" / "nels.csv"


def schools():
    """Models of Table 2 of the 2009 paper on the generated schools, 20 and 5 starts."""
    df = pd.read_csv(DATA)
    for name, k in (("1", 1), ("A", 2), ("A", 3), ("B", 3)):
        began = time.perf_counter()
        fit = bm.fit(nels(name, k), df)
        who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        memory = max(resource.getrusage(w).ru_maxrss for w in who) / 2**20
        print(
            f"{name}{k if name > '9' else ''}: log-likelihood {fit.loglik:.3f}, {fit.n_parameters} parameters, BIC "
            f"{fit.bic:.1f}, reached {fit.replicated} times, {fit.info['nodes']}, finer nodes change "
            f"{fit.quality.get('audit', 0.0):.1e}, {time.perf_counter() - began:.0f} s, {memory:.1f} GiB",
            flush=True,
        )


def main():
    """What the arguments ask for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--schools", action="store_true")
    if parser.parse_args().schools:
        schools()
        return
    timed("Regression mixture R(1)-(2), two classes, 10,000 persons", *mixture())
    timed("Class of clusters and random intercept, 100 clusters of 10", *between())


if __name__ == "__main__":
    main()
