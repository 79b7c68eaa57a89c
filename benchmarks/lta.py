"""Latent transition analysis: one start on 1,000 persons, 2 x 10 items, two classes; and two-level, 100 x 10.

    python benchmarks/lta.py

The numbers to read are seconds of the search (L-BFGS to convergence from one random start), of the
whole fit (Newton, standard errors, class probabilities, paths), and milliseconds of one log-likelihood
with gradient; the two-level model at 15 x 15 trapezoid nodes and at 7 x 7 adaptive ones.
"""

from timing import timed  # before NumPy: one thread

# isort: split
from jobs import transitions, two_level_transitions

import bayesmix as bm


def main():
    """Single-level, then two-level."""
    two, df = two_level_transitions()
    timed("LTA, 2 classes, 2 x 10 items, 1,000 persons", *transitions())
    timed("two-level LTA, 100 clusters of 10, 15 x 15 nodes", two, df, bm.trapezoid(15))
    timed("two-level LTA, 100 clusters of 10, 7 x 7 adaptive nodes", two, df, bm.adaptive(7))


if __name__ == "__main__":
    main()
