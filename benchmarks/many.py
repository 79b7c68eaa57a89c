"""Many small fits on one core: parametric bootstrap draws of latent class models, as a test of one class more takes.

    python benchmarks/many.py [replications] [file.csv]

A hundred data sets are drawn from a 2-class solution, and 2 and 3 classes fitted to each: by `bm.lr_test`, which wants
the log-likelihoods alone, and by `bm.study`, which makes tables with standard errors of each fit. Without a file the
data are generated: 118 rows of 7 binary items, as many as the carcinoma data of Agresti have.
"""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import sys
import time
import warnings

import numpy as np
import pandas as pd
from bayesmix.models import lca

import bayesmix as bm
from bayesmix.parallel import SerialExecutor

warnings.simplefilter("ignore")


def slides() -> pd.DataFrame:
    """Seven raters of 118 slides: two kinds of slides, raters who differ in how soon they see a carcinoma."""
    items = list("ABCDEFG")
    logits = np.stack([[2.0, 3.0, 0.5, -0.5, 2.5, -0.3, 3.0], [-4.0, -1.5, -4.0, -4.0, -1.3, -4.0, -2.5]])
    truth = {"class_logit": [0.0, 0.0], "item_logit": np.stack([np.zeros((2, 7)), logits], axis=-1)}
    return bm.simulate(lca(items, 2), truth, n=118, seed=1)[items]


def main() -> None:
    """Fit, draw, fit again."""
    replications = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    df = pd.read_csv(sys.argv[2]) if len(sys.argv) > 2 else slides()
    items = [c for c in df if c != "freq"]
    freq = "freq" if "freq" in df else None
    fit = bm.fit(lca(items, 2, freq=freq), df, progress=False)
    n = int(df["freq"].sum()) if freq else len(df)
    models = {f"{k} classes": lca(items, k) for k in (2, 3)}
    wide = bm.fit(models["3 classes"] if not freq else lca(items, 3, freq=freq), df, progress=False)
    began = time.perf_counter()
    tested = bm.lr_test(
        fit, wide, df, replications=replications, enough=None, executor=SerialExecutor(), progress=False
    )
    ratios = tested.draws["statistic"]
    print(
        f"bm.lr_test, {len(ratios)} draws of 2 and 3 classes: {time.perf_counter() - began:.1f} s; ratios: mean "
        f"{ratios.mean():.2f}, 95% {ratios.quantile(0.95):.2f}; p {tested.p:.4f}",
        flush=True,
    )
    for starts in (5, 20):
        settings = {"starts": starts, "finals": min(starts, 5), "rounds": 1}
        began = time.perf_counter()
        done = bm.study(
            lca(items, 2), {k: x.values for k, x in fit.params.items()}, models, n=n, replications=replications,
            categories={i: list(range(2)) for i in items}, fit=settings, executor=SerialExecutor(), progress=False,
        )  # fmt: skip
        seconds = time.perf_counter() - began
        each = 1e3 * seconds / (2 * replications)
        ratio = done.fits.pivot_table(index="replication", columns="model", values="loglik")
        twice = 2 * (ratio["3 classes"] - ratio["2 classes"])
        print(
            f"{replications} draws, 2 and 3 classes, {starts} starts: {seconds:.1f} s, {each:.0f} ms a fit; "
            f"2 (log L3 - log L2): mean {twice.mean():.2f}, 95% {twice.quantile(0.95):.2f}, smallest {twice.min():.3f}",
            flush=True,
        )
    began = time.perf_counter()
    bm.bootstrap(fit, df, replications=replications, executor=SerialExecutor(), progress=False)
    print(f"{replications} resampled data sets, from the solution: {time.perf_counter() - began:.1f} s", flush=True)


if __name__ == "__main__":
    main()
