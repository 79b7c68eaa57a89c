"""Whether models of change are recovered from data that they are true of.

    python data/change.py                          each model, 100 data sets: about twenty minutes
    python data/change.py stayers --replications 50

Data are drawn from each model at the values below and it is fitted to them. Bias, spread, standard errors and the cover
of 95% intervals are kept in `studies/`, in `change_<model>.csv`; each replication, as it ends, in `build/change`, from
where what was stopped goes on.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from bayesmix.models import lta

import bayesmix as bm
from bayesmix.parallel import SerialExecutor

FOLDER = Path(__file__).parent / "studies"
SEED, N = 2022, 1000
WAVES = [[f"{i}{t}" for i in "abcde"] for t in (1, 2, 3)]
SAME = {"family": bm.bernoulli(), "names": list("abcde")}
ITEM = np.array([[-1.8, -1.6, -2.0, -1.5, -1.7], [1.8, 1.6, 2.0, 1.5, 1.7]])
SEARCH = {"starts": 2, "finals": 1, "rounds": 1}


def moves(left: float, entered: float) -> np.ndarray:
    """Logits of class 1 given classes 1 and 2 of the occasion before."""
    return np.array([[left, 0.0], [entered, 0.0]])


def covariates(rng: np.random.Generator) -> pd.DataFrame:
    """One of the chain, and one of each occasion."""
    return pd.DataFrame(rng.normal(size=(N, 4)), columns=["x", "w1", "w2", "w3"])


CHAIN = {"C1_logit": np.array([0.3, 0.0]), "C2_logit": moves(1.0, -0.8), "C3_logit": moves(1.2, -1.0)}
SECOND = {"C3_lag2_logit": np.array([[0.8, 0.0], [0.0, 0.0]])}
BY_CHAIN = np.array([[0.8, 0.0], [-0.6, 0.0]])
MODELS = {
    "random_intercept": (
        lta(WAVES, 2, random_intercept="item", **SAME),
        {**CHAIN, "item_intercept": ITEM, "loading": np.array([1.2, 0.8, 1.0, 0.9, 1.1])},
    ),
    "stayers": (
        lta(WAVES, 2, stayers=True, stationary=True, **SAME),
        {"chain_logit": np.array([0.0, 0.0]), "C1_logit": BY_CHAIN, "transition_logit": moves(-0.6, 0.5),
         "item_intercept": ITEM},
    ),
    "mixture": (
        lta(WAVES, 2, chain_classes=2, stationary=True, chain_covariates="x", **SAME),
        {"chain_logit": np.array([0.2, 0.0]), "chain_slope": np.array([[0.8], [0.0]]), "C1_logit": BY_CHAIN,
         "transition_logit": np.stack([moves(2.2, -1.8), moves(-1.0, 0.8)]), "item_intercept": ITEM},
    ),
    "additive": (lta(WAVES, 2, order=2, additive=True, **SAME), {**CHAIN, **SECOND, "item_intercept": ITEM}),
    "item_covariates": (
        lta(WAVES, 2, item_covariates={"a": ["w1", "w2", "w3"]}, **SAME),
        {**CHAIN, "item_intercept": ITEM, "item_slope": np.array([[0.7], [0.0], [0.0], [0.0], [0.0]])},
    ),
}  # fmt: skip
"""Models and the values of their parameters."""


def kept(name: str) -> Path:
    """Where the averages of a model are kept."""
    return FOLDER / f"change_{name}.csv"


def run(name: str, replications: int, seed: int = SEED, folder: Path | None = None) -> pd.DataFrame:
    """Averages over the replications: a row a free parameter."""
    model, truth = MODELS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = bm.study(
            model, truth, n=None if model.covariates else N, df=covariates if model.covariates else None,
            replications=replications, seed=seed, fit=SEARCH, executor=SerialExecutor(), progress=False, folder=folder,
        )  # fmt: skip
    table = study.summary()
    own = [str(k).partition("[")[0] in {p.name for p in model.parameters} for k in table.index]
    return table[own].dropna(subset=["cover"])


def main() -> None:
    """Run what is asked for, and keep the averages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(MODELS))
    parser.add_argument("--replications", type=int, default=100)
    given = parser.parse_args()
    for name in given.models or list(MODELS):
        found = run(name, given.replications, folder=FOLDER.parents[1] / "build" / "change" / name)
        found.round(5).to_csv(kept(name))
        print(f"{name}\n{found.round(3)}", flush=True)


if __name__ == "__main__":
    main()
