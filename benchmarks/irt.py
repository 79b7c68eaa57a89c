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
from bayesmix.models import irt_3pl
from jobs import factor_mixture, three_parameters

import bayesmix as bm


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
