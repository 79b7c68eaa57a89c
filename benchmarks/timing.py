"""What the benchmarks share: one BLAS thread, and one start timed cold and warm, by each PyTensor mode.

Seconds of the search (L-BFGS to convergence) and of the whole fit (Newton, standard errors, scores), milliseconds of
one log-likelihood with gradient.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import time
import warnings

import bayesmix as bm
from bayesmix.graph import LogLikelihood

warnings.simplefilter("ignore")


def timed(label, model, df, nodes=None, modes=("NUMPY", "NUMBA"), **settings):
    """Print one start's times."""
    print(label)
    prepared = bm.prepare(model, df, nodes)
    one = {"starts": 1, "finals": 1, "rounds": 1, "seed": 1} | settings
    for mode in modes:
        for again in ("first", "warm"):
            began = time.perf_counter()
            fit = bm.fit(model, df, nodes=nodes, mode=mode, **one)
            whole = time.perf_counter() - began
            evaluate = LogLikelihood(prepared, mode).value_and_gradient
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
