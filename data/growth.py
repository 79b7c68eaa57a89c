"""How often 95% intervals of growth mixtures hold the true values.

    python data/growth.py                            both cases, 100 data sets each: some minutes
    python data/growth.py mixture --replications 20

Data are drawn from each model at the values below and fitted by it. The tables of `bm.study` are kept in `studies/`,
in `growth_<case>.csv`: average estimates, their SDs beside average standard errors, coverage.
"""

import argparse
from pathlib import Path

import pandas as pd
from bayesmix.models import growth

import bayesmix as bm
from bayesmix.parallel import SerialExecutor

FOLDER = Path(__file__).parent / "studies"
SEED = 1999
ITEMS = ["y0", "y1", "y2", "y3", "y4"]
SEARCH = {"starts": 4, "finals": 2, "rounds": 1, "budget": 0.0}
LINE = {"random": 1.0, "time_score": [[1.0] * 5, [0.0, 1.0, 2.0, 3.0, 4.0]]}
CASES = {
    "mixture": (
        growth(ITEMS, 2, by_class="means + covariances"),
        LINE | {"class_logit": [0.4, 0.0], "I_mean": [3.0, 0.0], "S_mean": [-0.3, 0.5], "u_I_sd": 0.8, "u_S_sd": 0.3,
                "u_S_on_u_I": [0.5, -0.5], "residual_sd": 0.6},
        400,
    ),
    "binary": (
        growth(ITEMS, 2, family=bm.bernoulli(), random="0"),
        LINE | {"class_logit": [0.4, 0.0], "I_mean": [1.5, -1.5], "S_mean": [-0.3, 0.6]},
        600,
    ),
}  # fmt: skip
"""The model, the truth, and the number of persons."""


def kept(name: str) -> Path:
    """Where the table of a case is kept."""
    return FOLDER / f"growth_{name}.csv"


def run(name: str, replications: int = 100) -> pd.DataFrame:
    """Make the table of one case."""
    model, truth, n = CASES[name]
    truth = {p.name: truth[p.name] for p in model.parameters}
    done = bm.study(
        model, truth, n=n, replications=replications, seed=SEED, fit=SEARCH, executor=SerialExecutor(), progress=False
    )
    return done.summary().round(4)


def main() -> None:
    """Run what is asked for, keep each table and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", choices=[*CASES, []], help="left out: all of them")
    parser.add_argument("--replications", type=int, default=100)
    given = parser.parse_args()
    for name in given.cases or CASES:
        table = run(name, given.replications)
        table.to_csv(kept(name), index_label="entry")
        print(f"{name}\n{table.to_string()}\n", flush=True)


if __name__ == "__main__":
    main()
