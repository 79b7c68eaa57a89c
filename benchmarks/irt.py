"""Item response models and factor mixtures: one start, in one run, by each PyTensor mode and by girth.

    python benchmarks/irt.py

The 3PL on 2,000 persons x 20 items, a factor mixture of two classes with loadings that do not depend on the class
on 425 x 18. The numbers to read are seconds of the search (L-BFGS to convergence) and of the whole fit (Newton,
standard errors, scores of every person), milliseconds of one log-likelihood with gradient, and the log-likelihood;
girth's estimates of the 2PL (marginal maximum likelihood, no standard errors) are put into the same
log-likelihood; its 3PL does not run with the present SciPy.
"""

from timing import timed  # before NumPy: one thread

# isort: split
import time

import numpy as np
import pandas as pd
from bayesmix.models import fma, irt_3pl

import bayesmix as bm


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
