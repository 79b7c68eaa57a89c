"""Latent class analysis beside stepmix: the same data, the same number of starts, one BLAS thread, one run.

    make bench            # or: python benchmarks/lca.py [folder with nltcs_patterns.csv]

The second data set, 16 disability items of 21,574 persons, is real and not part of the repository; the
script looks for it in the folder given, or in the one that BAYESMIX_REAL_DATA names, and else
generates data of the same size.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from bayesmix.models.lca import lca
from jobs import latent_classes

import bayesmix as bm

warnings.simplefilter("ignore")
STARTS = 20


def nltcs(folder):
    """16 items, 4 classes: the real patterns, or generated ones."""
    path = Path(folder or "") / "nltcs_patterns.csv"
    if folder and path.exists():
        return pd.read_csv(path), 4
    names = [f"u{i}" for i in range(16)]
    rng = np.random.default_rng(3)
    logits = np.stack([np.zeros((4, 16)), np.linspace(-3, 2.5, 4)[:, None] + rng.normal(0, 0.8, (4, 16))], axis=-1)
    truth = {"class_logit": np.array([1.0, 0.5, 0.2, 0.0]), "item_logit": logits}
    df = bm.simulate(lca(names, 4), truth, n=21574, seed=4)[names]
    return df.groupby(names).size().rename("freq").reset_index(), 4


def ours(df, k, mode):
    items = [c for c in df if c != "freq"]
    model = lca(items, k, freq="freq" if "freq" in df else None)
    began = time.perf_counter()
    fit = bm.fit(model, df, starts=STARTS, finals=5, rounds=1, mode=mode, progress=False)
    return time.perf_counter() - began, fit.info["seconds"], fit.loglik


def theirs(df, k):
    from stepmix.stepmix import StepMix

    items = df.drop(columns="freq", errors="ignore")
    weight = df["freq"].to_numpy(dtype=float) if "freq" in df else None
    model = StepMix(
        n_components=k,
        measurement="binary",
        n_init=STARTS,
        random_state=0,
        max_iter=3000,
        abs_tol=1e-6,
        rel_tol=0.0,
        progress_bar=0,
    )
    began = time.perf_counter()
    model.fit(items, sample_weight=weight)
    seconds = time.perf_counter() - began
    total = weight.sum() if weight is not None else len(items)
    return seconds, model.score(items, sample_weight=weight) * total


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("BAYESMIX_REAL_DATA")
    for title, (df, k) in {
        "3 classes x 10 items x 2,000": (latent_classes()[1], 3),
        "nltcs, K=4": nltcs(folder),
    }.items():
        peer, peer_loglik = theirs(df, k)
        print(f"\n{title}, {STARTS} starts")
        print(f"  stepmix            {peer:8.2f} s            log-likelihood {peer_loglik:.4f}")
        for label, mode in (
            ("NumPy, first", "NUMPY"),
            ("NumPy, warm", "NUMPY"),
            ("numba, first", "NUMBA"),
            ("numba, warm", "NUMBA"),
        ):
            whole, search, loglik = ours(df, k, mode)
            print(
                f"  bayesmix {label:13s}{whole:6.2f} s ({peer / whole:5.1f} x; starts alone {search:.2f} s, "
                f"{peer / search:.1f} x)  log-likelihood {loglik:.4f}"
            )


if __name__ == "__main__":
    main()
