"""Grade of membership: one start on 2,000 persons x 17 items at 31 nodes, in one run, by each PyTensor mode.

    python benchmarks/gom.py

The numbers to read are seconds of the search (L-BFGS to convergence) and of the whole fit (Newton,
standard errors, memberships of every person), and milliseconds of one log-likelihood with gradient.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import time
import warnings

import numpy as np
from bayesmix.models import gom, lca

import bayesmix as bm
from bayesmix.functions import bind

warnings.simplefilter("ignore")
ITEMS = [f"u{k}" for k in range(17)]


def data():
    rng = np.random.default_rng(0)
    sides = np.stack([rng.normal(1.5, 0.5, 17), rng.normal(-2, 0.5, 17)])
    truth = {
        "class_logit": np.array([-0.5, 0.0]),
        "class_loading": np.array([[2.0, 0.0]]),
        "item_logit": np.stack([np.zeros((2, 17)), sides], axis=-1),
    }
    return bm.simulate(gom(ITEMS, 2), truth, n=2000, seed=1)[ITEMS]


def main():
    df, model, nodes = data(), gom(ITEMS, 2), bm.trapezoid(31)
    prepared = bm.prepare(model, df, nodes)
    plain = bm.fit(lca(ITEMS, 2), df)
    print("GoM K=2, 2,000 x 17, 31 nodes, one start from the LCA solution (as the paper advises)")
    start = {k: plain.params[k].values for k in ("class_logit", "item_logit")}
    start |= {"class_loading": np.array([[2.0, 0.0]])}
    for mode in ("NUMPY", "NUMBA"):
        for label in ("first", "warm"):
            began = time.perf_counter()
            fit = bm.fit(model, df, nodes=nodes, starts=1, finals=1, rounds=1, start=start, mode=mode)
            whole = time.perf_counter() - began
            evaluate, theta = bind("gradient", prepared, mode), prepared.packing.pack(
                {k: v.values for k, v in fit.params.items()}
            )  # fmt: skip
            evaluate(theta)
            began = time.perf_counter()
            for _ in range(50):
                evaluate(theta)
            each = (time.perf_counter() - began) * 20
            print(
                f"  {mode:6s}{label:6s} whole {whole:6.2f} s, search {fit.info['seconds']:6.2f} s, "
                f"one evaluation {each:5.2f} ms, log-likelihood {fit.loglik:.4f}"
            )


if __name__ == "__main__":
    main()
