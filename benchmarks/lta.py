"""Latent transition analysis: one start on 1,000 persons, 2 x 10 items, two classes; and two-level, 100 x 10.

    python benchmarks/lta.py

The numbers to read are seconds of the search (L-BFGS to convergence from one random start), of the
whole fit (Newton, standard errors, class probabilities, paths), and milliseconds of one log-likelihood
with gradient; the two-level model at 15 x 15 trapezoid nodes and at 7 x 7 adaptive ones.
"""

from timing import timed  # before NumPy: one thread

# isort: split
import importlib.util
from pathlib import Path

from bayesmix.models import lta

import bayesmix as bm


def toca():
    """The script that made the data of `data/`."""
    spec = importlib.util.spec_from_file_location("toca", Path(__file__).parents[1] / "data" / "toca.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
