"""Whole fits of every kind of model, beside other programs, in one run on one core.

    python benchmarks/fits.py                 the whole table
    python benchmarks/fits.py lca between     some of its rows (see jobs.py)

A job's number is the median of three warm calls of the whole `bm.fit`, as a user calls it, in seconds; in brackets the
search alone. `made` is the first call of the process, with programs of graphs made anew or read from disk. Beside it
are Python programs for the same job, timed in the same run (stepmix, girth, statsmodels), and R programs by what they
took on one machine, which says how far to trust them.
"""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import importlib.metadata
import platform
import statistics
import sys
import time
import warnings

import pandas as pd
from jobs import JOBS, Job

import bayesmix as bm

warnings.simplefilter("ignore")
OF_R = {
    "lca": "randomLCA .10-.17, poLCA .90",
    "two_by_two": "MultiLCIRT .08, multilevLCA .15",
    "lta": "seqHMM .024, LMest .054",
    "mixture": "lcmm 1.3, flexmix 1.5",
    "between": "lcmm .08",
    "conventional": "lme4 .07, nlme .08",
    "gom": "sirt 2.9",
    "3pl": "ltm 3.7, mirt 15",
    "fma": "mirt 10",
    "fig3": "Stan by hand 4.6",
}
"""Seconds of R programs that find the maximum, all on another machine than this run's."""


def by_stepmix(df: pd.DataFrame) -> None:
    """Twenty starts of EM."""
    from stepmix.stepmix import StepMix

    StepMix(
        n_components=3, measurement="binary", n_init=20, random_state=0, max_iter=3000, abs_tol=1e-6, rel_tol=0.0,
        progress_bar=0,
    ).fit(df)  # fmt: skip


def by_statsmodels(df: pd.DataFrame) -> None:
    """A random intercept by maximum likelihood."""
    import statsmodels.formula.api as smf

    smf.mixedlm("y ~ x", df, groups=df["j"]).fit(reml=False)


def by_girth(df: pd.DataFrame) -> None:
    """The 2PL, which is less; its 3PL does not run with the present SciPy."""
    from girth import twopl_mml

    twopl_mml(df.to_numpy().T.astype(int))


PEERS = {
    "lca": ("stepmix", by_stepmix),
    "conventional": ("statsmodels", by_statsmodels),
    "3pl": ("girth 2PL", by_girth),
}


def timed(call, times: int = 3) -> list[float]:
    """Seconds of each of several calls."""
    out = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        out.append(time.perf_counter() - began)
    return out


def beside(name: str, df: pd.DataFrame) -> tuple[str, float]:
    """The peer's name and seconds; NaN where there is none, or it is not installed."""
    if name not in PEERS:
        return "", float("nan")
    title, run = PEERS[name]
    try:
        return title, statistics.median(timed(lambda: run(df)))
    except ImportError:
        return f"{title} is not installed", float("nan")


def row(name: str, job: Job) -> dict[str, object]:
    """One row of the table."""
    model, df = job.make()
    found: list[bm.Fit] = []

    def call() -> None:
        found.append(bm.fit(model, df, progress=False, **job.settings))

    (first,) = timed(call, 1)
    whole = statistics.median(timed(call))
    search = statistics.median(f.info["seconds"] for f in found[1:])
    peer, seconds = beside(name, df)
    return {
        "job": job.title, "whole": whole, "search": search, "made": first, "log-likelihood": found[-1].loglik,
        "peer": peer, "its seconds": seconds, "ratio": seconds / whole, "R, elsewhere": OF_R.get(name, ""),
    }  # fmt: skip


def main() -> None:
    """The rows that the arguments name, or all."""
    wanted = sys.argv[1:] or list(JOBS)
    used = ("bayesmix", "numpy", "scipy", "pytensor", "stepmix", "girth", "statsmodels")
    versions = {k: importlib.metadata.version(k) for k in used if _there(k)}
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores; {versions}")
    print(f"{'job':50s} {'whole':>7s} {'search':>8s} {'made':>7s} {'log-likelihood':>15s}  beside")
    for name in wanted:
        r = row(name, JOBS[name])
        peer = f"{r['peer']} {r['its seconds']:.2f} ({r['ratio']:.1f} times), " if r["peer"] else ""
        print(
            f"{r['job']:50s} {r['whole']:7.3f} ({r['search']:6.3f}) {r['made']:7.2f} {r['log-likelihood']:15.4f}  "
            f"{peer}{r['R, elsewhere']}",
            flush=True,
        )


def _there(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    main()
