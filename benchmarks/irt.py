"""Item response models and factor mixtures: one start, in one run, by each PyTensor mode and by girth.

    python benchmarks/irt.py

The 3PL on 2,000 persons x 20 items, a factor mixture of two classes with loadings that do not depend on the class
on 425 x 18. The numbers to read are seconds of the search (L-BFGS to convergence) and of the whole fit (Newton,
standard errors, scores of every person), milliseconds of one log-likelihood with gradient, and the log-likelihood;
girth's estimates of the 2PL (marginal maximum likelihood, no standard errors) are put into the same
log-likelihood; its 3PL does not run with the present SciPy.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import time
import warnings

import numpy as np
import pandas as pd
from bayesmix.models import fma, irt_3pl

import bayesmix as bm
from bayesmix.functions import bind

warnings.simplefilter("ignore")


def three_parameters():
    """A 3PL model and data of it."""
    rng = np.random.default_rng(3)
    items = [f"q{k}" for k in range(1, 21)]
    model, a = irt_3pl(items), rng.uniform(0.8, 2.0, 20)
    truth = {"item_intercept": -a * rng.uniform(-1.5, 1.5, 20), "loading": a, "guessing": rng.uniform(0.1, 0.25, 20)}
    return model, bm.simulate(model, truth, n=2000, seed=3)[items]


def factor_mixture():
    """A factor mixture and data of it."""
    rng = np.random.default_rng(4)
    items = [f"u{k}" for k in range(1, 19)]
    model = fma(items, 2)
    intercepts = np.stack([rng.uniform(0.5, 2.0, 18), rng.uniform(-1.5, 0.5, 18)])
    truth = {"class_logit": [-0.4, 0.0], "item_intercept": intercepts, "loading": rng.uniform(0.6, 1.0, 18)}
    return model, bm.simulate(model, truth, n=425, seed=4)[items]


def timed(label: str, model, df: pd.DataFrame, seed: int = 1) -> None:
    """Print one start's times, cold and warm."""
    print(label)
    prepared = bm.prepare(model, df)
    for mode in ("NUMPY", "NUMBA"):
        for again in ("first", "warm"):
            began = time.perf_counter()
            fit = bm.fit(model, df, starts=1, finals=1, rounds=1, seed=seed, mode=mode)
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
                f"log-likelihood {fit.loglik:.4f}",
                flush=True,
            )


def by_girth(model, df: pd.DataFrame) -> None:
    """The 2PL by girth, its estimates in this log-likelihood."""
    try:
        from girth import twopl_mml
    except ImportError:
        print("  girth is not installed: python -m pip install -e '.[bench]'")
        return
    y = df.to_numpy().T.astype(int)
    began = time.perf_counter()
    found = twopl_mml(y)
    seconds = time.perf_counter() - began
    a, b = (np.asarray(found[k], dtype=float) for k in ("Discrimination", "Difficulty"))
    params = {"item_intercept": -a * b, "loading": a}
    print(f"  girth       whole {seconds:6.2f} s, log-likelihood {bm.log_likelihood(model, df, params):.4f}")


def main() -> None:
    """Both models."""
    model, df = three_parameters()
    timed("3PL, 2,000 x 20", model, df)
    two = irt_3pl(list(df.columns), guessing="none")
    timed("2PL, the same data", two, df)
    by_girth(two, df)
    timed("Factor mixture, 2 classes, 425 x 18", *factor_mixture())


if __name__ == "__main__":
    main()
