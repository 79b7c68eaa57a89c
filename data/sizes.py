"""How often tests of a class more reject where the smaller model is true.

    python data/sizes.py                       each case, 300 data sets: about an hour
    python data/sizes.py lca --replications 50

Data are drawn from the smaller model, both models are fitted, and the bootstrap likelihood ratio test and that of
Vuong, Lo, Mendell and Rubin are made as a user makes them. P values are kept in `studies/`, in `sizes_<case>.csv`, as
they come: what was stopped goes on.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from bayesmix.models import lca
from scipy import stats

import bayesmix as bm
from bayesmix.enumeration import with_classes
from bayesmix.parallel import SerialExecutor

FOLDER = Path(__file__).parent / "studies"
SEED, LEVEL = 2007, 0.05
ITEMS = list("abcdef")
SEARCH = {"starts": 8, "finals": 3, "rounds": 1, "budget": 0, "progress": False}
TWO = np.stack([np.zeros((2, 6)), np.array([[1.5] * 6, [-1.0] * 6])], axis=-1)
"""Logits of six items in two classes."""
GROUPED = lca(ITEMS, 2, cluster="g", cluster_classes=2)
CASES = {
    "lca": (lca(ITEMS, 2), lca(ITEMS, 3), {"class_logit": [0.4, 0.0], "item_logit": TWO}, {"n": 300}),
    "two_level_lca": (
        with_classes(GROUPED, "D", 1),
        GROUPED,
        {"cluster_class_logit": [0.0], "class_logit": [[0.4, 0.0]], "item_logit": TWO},
        {"n": 300, "clusters": 30},
    ),
}
"""The smaller model, which is true, the larger one, the truth, and the sizes of the data."""


def replication(name: str, number: int) -> tuple[int, float, float, int]:
    """The p values of the bootstrap and of Vuong's test for one data set, and how many data sets were drawn."""
    smaller, larger, truth, sizes = CASES[name]
    df = bm.simulate(smaller, truth, seed=int(np.random.default_rng([SEED, number]).integers(2**31)), **sizes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        few = bm.fit(smaller, df, **SEARCH)
        many = bm.fit(larger, df, **SEARCH)
        by_draws = bm.lr_test(few, many, df, seed=number, executor=SerialExecutor(), progress=False)
        by_weights = bm.vuong_test(few, many, df)
    return number, by_draws.p, by_weights.p, len(by_draws.draws)


def rejected(p: pd.Series) -> tuple[float, float, float]:
    """The share of p values of at most 5%, and its exact 95% interval."""
    found = stats.binomtest(int((p <= LEVEL).sum()), len(p)).proportion_ci()
    return float((p <= LEVEL).mean()), float(found.low), float(found.high)


def kept(name: str) -> Path:
    """Where the p values of a case are kept."""
    return FOLDER / f"sizes_{name}.csv"


def run(name: str, replications: int) -> pd.DataFrame:
    """The p values of all replications: those that are kept, and the rest, each kept as it ends."""
    path, columns = kept(name), ["replication", "bootstrap", "vuong", "drawn"]
    rows = pd.read_csv(path).values.tolist() if path.exists() else []
    for number in sorted({*range(replications)} - {int(r[0]) for r in rows}):
        rows.append(list(replication(name, number)))
        pd.DataFrame(rows, columns=columns).astype({"replication": int, "drawn": int}).to_csv(path, index=False)
    return pd.DataFrame(rows, columns=columns)


def main() -> None:
    """Run what is asked for, and print how often each test rejects."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--replications", type=int, default=300)
    given = parser.parse_args()
    for name in given.cases or list(CASES):
        found = run(name, given.replications)
        for test in ("bootstrap", "vuong"):
            share, low, high = rejected(found[test])
            print(f"{name}, {test}: {share:.3f} of {len(found)} rejected at 5% [{low:.3f}, {high:.3f}]", flush=True)


if __name__ == "__main__":
    main()
