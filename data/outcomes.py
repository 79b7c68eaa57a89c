"""How often 95% intervals hold the true values, for outcomes other than plain normal, binary and Poisson ones.

    python data/outcomes.py                        each case, 100 data sets: some minutes
    python data/outcomes.py gpcm --replications 20

Data are drawn from each model at the values below and fitted by it. The tables of `bm.study` are kept in `studies/`,
in `outcomes_<case>.csv`: average estimates, their SDs beside average standard errors, coverage.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from bayesmix.models import count_mixture, fma, irt_3pl, lca, lta, regression_mixture

import bayesmix as bm
from bayesmix.parallel import SerialExecutor

FOLDER = Path(__file__).parent / "studies"
SEED = 2013
ITEMS = list("abcd")
SEARCH = {"starts": 6, "finals": 3, "rounds": 1}
LOW, HIGH = [-1.5, -1.0, -1.2, -0.8], [1.0, 1.2, 0.8, 1.0]


def columns(n: int) -> Callable[[np.random.Generator], pd.DataFrame]:
    """Draw a covariate x, hours of exposure and numbers of trials of n individuals."""

    def draw(rng: np.random.Generator) -> pd.DataFrame:
        x, hours = rng.standard_normal(n), rng.uniform(1.0, 12.0, n)
        return pd.DataFrame({"x": x, "hours": hours, "n": rng.integers(3, 10, n)})

    return draw


def two_covariates(rng: np.random.Generator) -> pd.DataFrame:
    """Draw covariates x and z of 500 individuals."""
    return pd.DataFrame(rng.normal(size=(500, 2)), columns=["x", "z"])


def clusters(rng: np.random.Generator) -> pd.DataFrame:
    """Draw a covariate x of the individuals of 100 clusters of 5."""
    return pd.DataFrame({"x": rng.normal(size=500), "g": np.repeat(np.arange(100), 5)})


COUNTS = {"class_logit": [0.4, 0.0], "item_intercept": [[0.2, 0.6, 0.4, 0.0], [1.8, 2.2, 2.0, 1.6]]}
REGRESSION = {"class_logit": [0.4, 0.0], "intercept": [0.2, 1.8], "coefficient": [[0.5], [-0.3]]}
CASES = {
    "zip_regression": (
        regression_mixture("y ~ x", 2, family=bm.zero_inflated_poisson()),
        REGRESSION | {"outcome_inflation": 0.25},
        {"df": columns(1500)},
    ),
    "binomial_lca": (
        lca(ITEMS, 2, family=bm.binomial("n")),
        {"class_logit": [0.4, 0.0], "item_intercept": [LOW, HIGH]},
        {"df": columns(400)},
    ),
    "censored_lca": (
        lca(ITEMS, 2, family=bm.censored_normal(lower=0, upper=3)),
        {"class_logit": [0.4, 0.0], "item_intercept": [[0.2, 0.5, 0.8, 0.0], [2.5, 2.0, 2.8, 2.2]],
         "item_sd": [0.8, 1.0, 1.2, 0.9]},
        {"n": 600},
    ),
    "offset_regression": (
        regression_mixture("y ~ x", 2, family=bm.poisson(), offset="log(hours)"),
        REGRESSION | {"intercept": [-1.0, 0.5]},
        {"df": columns(500)},
    ),
    "gpcm": (
        fma([*ITEMS, "e", "f"], 1, family=bm.partial_credit()),
        {"class_logit": [0.0], "loading": [0.8, 1.2, 1.0, 1.5, 0.7, 1.1],
         "item_threshold": [[[-1.0, 0.5], [0.3, -0.2], [-0.5, 1.0], [0.0, 0.6], [0.8, -0.4], [-1.2, 1.2]]]},
        {"n": 800},
    ),
    "several": (
        regression_mixture(["y1 ~ x", "y2 ~ x + z"], 2, variance="class", residual_covariance="class"),
        {"class_logit": [0.4, 0.0], "intercept": [[0.0, 2.0], [1.0, -1.0]],
         "coefficient_1": [[[1.0], [-0.5]], [[0.0], [0.0]]],
         "coefficient_2": [[[0.0, 0.0], [0.0, 0.0]], [[0.5, 1.0], [0.5, -1.0]]],
         "residual_sd": [[1.0, 0.8], [1.2, 0.7]], "residual_covariance": [[0.6, -0.2]]},
        {"df": two_covariates},
    ),
    "several_two_level": (
        regression_mixture("y1 + y2 ~ x", cluster="g"),
        {"u_y1_intercept_sd": 0.8, "u_y2_intercept_on_u_y1_intercept": 0.5, "u_y2_intercept_sd": 0.6,
         "intercept": [0.0, 1.0], "coefficient": [[0.5], [-0.3]], "residual_sd": [1.0, 1.2],
         "residual_covariance": [0.5]},
        {"df": clusters},
    ),
    "zinb_lca": (
        lca(ITEMS, 2, family=bm.zero_inflated_negative_binomial()),
        COUNTS | {"item_dispersion": [0.4, 0.6, 0.3, 0.5], "item_inflation": [[0.3, 0.2, 0.4, 0.3], [0.2] * 4]},
        {"n": 500},
    ),
    "zinb_on_covariates": (
        regression_mixture("y ~ x", family=bm.zero_inflated_negative_binomial(), inflation="x"),
        {"intercept": 1.0, "coefficient": [0.4], "outcome_dispersion": 0.6, "outcome_inflation_logit": -0.8,
         "outcome_inflation_slope": [0.7]},
        {"df": columns(300)},
    ),
    "zip_on_covariates": (
        count_mixture(ITEMS, 2, dispersion="none", inflation="x"),
        COUNTS | {"item_inflation_logit": [[-1.0, -0.5, -0.8, -1.2], [-1.2, -0.6, -1.0, -1.5]],
                  "item_inflation_slope": [[0.8], [0.5], [-0.6], [0.0]]},
        {"df": columns(300)},
    ),
    "offset_lta": (
        lta([ITEMS[:3], ["q", "r", "s"]], 2, family=bm.poisson(), offset="log(hours)"),
        {"C1_logit": [0.3, 0.0], "C2_logit": [[1.0, 0.0], [-0.8, 0.0]],
         "item_intercept": [[-2.0, -1.5, -1.8], [-0.5, -0.8, -0.4]]},
        {"df": columns(200)},
    ),
    "mixed_test": (
        irt_3pl([*ITEMS, "e", "f"], "common", family=dict.fromkeys("ef", bm.partial_credit())),
        {"item_intercept_guessed": [0.5, -0.8, 0.2, -1.2], "loading_guessed": [1.2, 1.6, 1.0, 1.4],
         "guessing_guessed": 0.2, "loading_partial_credit": [1.0, 0.8],
         "item_threshold_partial_credit": [[-0.5, 0.6], [-0.2, 0.8]]},
        {"n": 1500},
    ),
}  # fmt: skip
"""The model, the truth, and the sizes of the data."""


def kept(name: str) -> Path:
    """Where the table of a case is kept."""
    return FOLDER / f"outcomes_{name}.csv"


def run(name: str, replications: int = 100) -> pd.DataFrame:
    """The table of one case, kept in `studies/`."""
    model, truth, sizes = CASES[name]
    done = bm.study(
        model, truth, replications=replications, seed=SEED, fit=SEARCH, executor=SerialExecutor(), progress=False,
        **sizes,
    )  # fmt: skip
    out = done.summary().dropna(subset=["cover"]).round(4)
    out.to_csv(kept(name), index_label="entry")
    return out


def main() -> None:
    """Run what is asked for, and print each table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--replications", type=int, default=100)
    given = parser.parse_args()
    for name in given.cases or list(CASES):
        print(f"{name}\n{run(name, given.replications).to_string()}\n", flush=True)


if __name__ == "__main__":
    main()
