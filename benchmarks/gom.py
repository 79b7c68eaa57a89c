"""Grade of membership: one start on 2,000 persons x 17 items at 31 nodes, in one run, by each PyTensor mode.

    python benchmarks/gom.py

The numbers to read are seconds of the search (L-BFGS to convergence) and of the whole fit (Newton,
standard errors, memberships of every person), and milliseconds of one log-likelihood with gradient.
"""

from timing import timed  # before NumPy: one thread

# isort: split

import numpy as np
from bayesmix.models import lca
from jobs import grades

import bayesmix as bm

ITEMS = [f"u{k}" for k in range(17)]


def main():
    (model, df), nodes = grades(), bm.trapezoid(31)
    plain = bm.fit(lca(ITEMS, 2), df)
    print("GoM K=2, 2,000 x 17, 31 nodes, one start from the LCA solution (as the paper advises)")
    start = {k: plain.params[k].values for k in ("class_logit", "item_logit")}
    start |= {"class_loading": np.array([[2.0, 0.0]])}
    timed("  from there", model, df, nodes, start=start)


if __name__ == "__main__":
    main()
