"""Bias, coverage and standard errors of three steps, beside stepmix, in the conditions of Bakk and Kuha (2018).

    python data/three_steps.py                        300 data sets, 60 of them by stepmix too: about an hour
    python data/three_steps.py --replications 20 --stepmix 0

Each data set has 1000 rows: three classes of six binary items, a covariate that predicts them, an outcome that follows
from them. Classes are fitted to the items; each method then estimates two slopes of the class logits and three means.
Estimates and standard errors are kept in `studies/three_steps.csv` as they come: what was stopped goes on.
stepmix is no dependency: without it, its rows are those that are kept.
"""

import argparse
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from bayesmix.models import lca

import bayesmix as bm

KEPT = Path(__file__).parent / "studies" / "three_steps.csv"
ITEMS = [f"u{k}" for k in range(1, 7)]
LOGITS = np.array([[0.0, 0.0], [2.3447, -1.0], [-3.6554, 1.0]])
"""Intercepts and slopes of the classes on x = 1, ..., 5: classes of about equal size."""
MEANS = np.array([-1.0, 1.0, 0.0])
"""Of the outcome by class; its SD is 1."""
ROWS, SEPARATION = 1000, 0.85
"""Probabilities of the items are .85 and .15."""
METHODS = [("ml", "modal"), ("ml", "proportional"), ("bch", "modal"), ("two-step", "modal")]
QUANTITIES = ["slope_2", "slope_3", "mean_1", "mean_2", "mean_3"]
TRUE = np.array([*LOGITS[1:, 1], *MEANS])
COLUMNS = ["replication", "program", "method", "assignment", *QUANTITIES, *(f"se_{k}" for k in QUANTITIES)]


def drawn(n: int, separation: float, seed: int) -> pd.DataFrame:
    """Items, a covariate `x` that predicts the class, an outcome `y` with MEANS, and its class `c`."""
    rng = np.random.default_rng(seed)
    x = rng.integers(1, 6, n).astype(float)
    eta = LOGITS[:, 0] + x[:, None] * LOGITS[:, 1]
    p = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
    c = (np.cumsum(p, axis=1) < rng.random(n)[:, None]).sum(axis=1)
    high, low = [separation] * 6, [1 - separation] * 6
    u = np.array([high, [*high[:3], *low[:3]], low])
    df = pd.DataFrame((rng.random((n, 6)) < u[c]).astype(int), columns=ITEMS)
    return df.assign(x=x, y=MEANS[c] + rng.normal(size=n), c=c + 1)


def truth(separation: float) -> dict[str, np.ndarray]:
    """Natural parameters of step one: class sizes are those over x."""
    s = np.log(separation / (1 - separation))
    eta = LOGITS[:, 0] + np.arange(1, 6)[:, None] * LOGITS[:, 1]
    size = (np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)).mean(axis=0)
    item = np.zeros((3, 6, 2))
    item[:, :, 1] = s * np.array([[1] * 6, [1, 1, 1, -1, -1, -1], [-1] * 6])
    return {"class_logit": np.log(size / size[2]), "item_logit": item}


def fitted(df: pd.DataFrame, separation: float) -> bm.Fit:
    """Step one from the truth, in its order of the classes."""
    at = truth(separation)
    return bm.fit(
        lca(ITEMS, 3), df, start=at, like=at, starts=1, finals=1, rounds=1, budget=0, simpler=False, progress=False
    )


def ours(fit: bm.Fit, df: pd.DataFrame, method: str, assignment: str) -> np.ndarray:
    """Slopes of classes 2 and 3 against class 1 and means, and below them their standard errors."""
    slopes = bm.three_step(fit, df, "x", None, method, assignment).coefficients(reference=1).xs("x", level="term")
    means = bm.three_step(fit, df, None, "y", method, assignment).outcomes()
    return np.stack([np.r_[slopes[a], means[b]] for a, b in (("estimate", "mean"), ("se", "se"))])


def of_stepmix(fit: bm.Fit, df: pd.DataFrame, method: str, assignment: str, seed: int) -> np.ndarray:
    """The same by stepmix, which has no standard errors: its classes in the order of `fit`."""
    import stepmix
    from scipy.optimize import linear_sum_assignment

    p = fit.probabilities["item_probability"].sel(category=1).to_numpy()
    steps = {"n_steps": 2} if method == "two-step" else {
        "n_steps": 3, "correction": method.upper(), "assignment": "soft" if assignment == "proportional" else "modal",
    }  # fmt: skip
    common = {"n_components": 3, "measurement": "binary", "n_init": 3, "max_iter": 3000, "abs_tol": 1e-10,
              "rel_tol": 0.0, "random_state": seed, "progress_bar": 0}  # fmt: skip

    def estimated(structural: str, column: str) -> tuple[dict, np.ndarray]:
        found = stepmix.StepMix(structural=structural, **common, **steps).fit(df[ITEMS], df[[column]])
        theirs = found.get_parameters()
        cost = ((p[:, None] - theirs["measurement"]["pis"][None]) ** 2).sum(axis=2)
        return theirs["structural"], linear_sum_assignment(cost)[1]

    slopes, order = estimated("covariate", "x")
    beta = slopes["beta"][order][:, -1]
    means, order = estimated("gaussian_diag", "y")
    return np.r_[beta[1:] - beta[0], means["means"][order, 0]]


def replication(number: int, beside: bool) -> Iterator[list]:
    """The rows of one data set: our methods, and those of stepmix if it is to stand beside."""
    df = drawn(ROWS, SEPARATION, number)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = fitted(df, SEPARATION)
        for each in METHODS:
            yield [number, "bayesmix", *each, *ours(fit, df, *each).ravel()]
        for each in METHODS if beside else ():
            yield [number, "stepmix", *each, *of_stepmix(fit, df, *each, seed=number), *[np.nan] * len(QUANTITIES)]


def run(replications: int, beside: int) -> pd.DataFrame:
    """All replications: those that are kept, and the rest, each kept as it ends."""
    table = pd.read_csv(KEPT) if KEPT.exists() else pd.DataFrame(columns=COLUMNS)
    done = {p: {*table.loc[table["program"] == p, "replication"]} for p in ("bayesmix", "stepmix")}
    for number in range(replications):
        wanted = number < beside
        if number in done["bayesmix"] and (not wanted or number in done["stepmix"]):
            continue
        rows = pd.DataFrame([*replication(number, wanted)], columns=COLUMNS)
        rest = table[table["replication"] != number]
        table = rows if rest.empty else pd.concat([rest, rows], ignore_index=True)
        table = table.sort_values("replication", kind="stable")
        table.to_csv(KEPT, index=False, float_format="%.5g")
    return table


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """By program and method: data sets, bias, coverage of 95% intervals, mean standard error by SD of the estimates.

    Of stepmix also the mean absolute difference from our estimates of the same data sets, slopes and means apart.
    """
    out, keys = [], ["method", "assignment"]
    mine = table[table["program"] == "bayesmix"].set_index([*keys, "replication"])[QUANTITIES].sort_index()
    for (program, *key), part in table.groupby(["program", *keys], sort=False):
        b, se = part[QUANTITIES].to_numpy(dtype=float), part[[f"se_{k}" for k in QUANTITIES]].to_numpy(dtype=float)
        bias = b.mean(axis=0) - TRUE
        apart = np.abs(b - mine.loc[tuple(key)].loc[part["replication"]].to_numpy())
        cover = (np.abs(b - TRUE) < 1.96 * se).mean(axis=0)
        known = program == "bayesmix"
        out.append({
            "program": program, "method": key[0], "assignment": key[1], "data sets": len(b),
            **{f"bias of {k}": x for k, x in zip(QUANTITIES, bias, strict=True)},
            "lowest coverage": cover.min() if known else np.nan, "highest coverage": cover.max() if known else np.nan,
            "mean coverage": cover.mean() if known else np.nan,
            "lowest SE / SD": (se.mean(axis=0) / b.std(axis=0, ddof=1)).min() if known else np.nan,
            "highest SE / SD": (se.mean(axis=0) / b.std(axis=0, ddof=1)).max() if known else np.nan,
            "slopes apart": np.nan if known else apart[:, :2].mean(), "means apart": np.nan if known else
            apart[:, 2:].mean(),
        })  # fmt: skip
    return pd.DataFrame(out)


def main() -> None:
    """Run what is asked for, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replications", type=int, default=300)
    parser.add_argument("--stepmix", type=int, default=60, help="how many of them by stepmix too")
    given = parser.parse_args()
    with pd.option_context("display.width", 200, "display.max_columns", None):
        print(summary(run(given.replications, given.stepmix)).round(3).T.to_string())


if __name__ == "__main__":
    main()
