"""Recovery of what differs between groups, and where classes are known: bias and cover of the 95% intervals.

    python data/groups.py [--replications 100]

writes `studies/groups_lca.csv`, `groups_factor.csv` and `known_lca.csv` beside it. A replication that is finished is
kept in `studies/kept/`, from where a study that was stopped goes on.

`groups_lca`: 800 individuals, two groups, two classes of five binary items, of which one differs; class sizes of .62
and .38, slopes of a covariate .5 and -.3. `groups_factor`: 600 individuals, one factor of four normal items, mean .6
and SD 1.4 in the second group, one intercept differs. `known_lca`: 500 individuals, two classes that overlap, a fifth
known.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from bayesmix.models import fma, lca

import bayesmix as bm

FOLDER = Path(__file__).parent / "studies"
SEED = 2027
STARTS = {"starts": 4, "finals": 2, "rounds": 1, "budget": 0}
ITEMS = ["a", "b", "c", "d", "e"]


def groups(n: int):
    """Two groups of equal size and a standard normal covariate, drawn anew in each replication."""

    def draw(rng: np.random.Generator) -> pd.DataFrame:
        return pd.DataFrame({"g": np.repeat(["u", "v"], n // 2), "x": rng.standard_normal(n)})

    return draw


def groups_lca(replications: int) -> bm.Study:
    """One item of five differs between the groups, and class sizes and slopes do."""
    logits = np.array([[1.6, 1.3, 1.8, 1.2, 1.5], [-1.4, -1.7, -1.2, -1.6, -1.3]])
    items = np.stack([logits, logits + np.array([0, 0, 0.9, 0, 0])])
    params = {
        "class_logit": np.array([[0.5, 0.0], [-0.5, 0.0]]),
        "class_slope": np.array([[[0.5], [0.0]], [[-0.3], [0.0]]]),
        "item_logit": np.stack([np.zeros_like(items), items], axis=-1),
    }
    model = lca(ITEMS, 2, "x", group="g", measurement_by_group=["c"])
    return _study(model, params, groups(800), "groups_lca", replications)


def groups_factor(replications: int) -> bm.Study:
    """A factor with another mean and SD in the second group; the second intercept differs."""
    params = {
        "class_logit": np.zeros((2, 1)),
        "item_mean": np.array([[[0.0, 1.0, 2.0, 3.0]], [[0.0, 1.6, 2.0, 3.0]]]),
        "loading": np.array([[0.8, 0.9, 0.7, 1.0]] * 2),
        "item_sd": np.array([[0.6, 0.5, 0.7, 0.6]] * 2),
        "f_mean": np.array([0.0, 0.6]),
        "f_sd": np.array([1.0, 1.4]),
    }
    model = fma(ITEMS[:4], 1, family=bm.normal(), group="g", measurement_by_group=["b"])
    known = {p.name: params.get(p.name) for p in model.parameters}
    params |= {"item_intercept": params.pop("item_mean")}
    return _study(model, {k: params[k] for k in known}, groups(600), "groups_factor", replications)


def known_lca(replications: int) -> bm.Study:
    """Of a fifth of the individuals the class is known."""

    def draw(rng: np.random.Generator) -> pd.DataFrame:
        told = np.where(rng.random(500) < 0.2, 1.0 + (rng.random(500) < 0.4), np.nan)
        return pd.DataFrame({"k": told})

    logits = np.array([[0.9, 0.7, 1.1, 0.8, 1.0], [-0.8, -1.0, -0.7, -0.9, -0.6]])
    params = {
        "class_logit": np.array([np.log(0.6 / 0.4), 0.0]),
        "item_logit": np.stack([np.zeros_like(logits), logits], axis=-1),
    }
    return _study(lca(ITEMS, 2, known="k"), params, draw, "known_lca", replications)


def _study(model: bm.Model, params: dict, df, name: str, replications: int) -> bm.Study:
    return bm.study(
        model, params, df=df, replications=replications, seed=SEED, folder=FOLDER / "kept" / name, fit=STARTS,
        progress=True,
    )  # fmt: skip


STUDIES = {f.__name__: f for f in (groups_lca, groups_factor, known_lca)}


def main() -> None:
    """Run the studies that are named, and write their tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", choices=[[], *STUDIES])
    parser.add_argument("--replications", type=int, default=100)
    given = parser.parse_args()
    for name in given.names or STUDIES:
        found = STUDIES[name](given.replications)
        table = found.summary()
        table.round(4).to_csv(FOLDER / f"{name}.csv")
        print(name, table.round(3).to_string(), sep="\n")


if __name__ == "__main__":
    main()
