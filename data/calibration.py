"""Simulation-based calibration: whether posteriors by NUTS are those of the priors and the model.

    python data/calibration.py                        each model, 100 replications: about an hour
    python data/calibration.py lca --replications 20

Parameters are drawn from their priors, data from them, and the posterior of the data is sampled as a user samples it.
If all of it is right, the rank of the true value among (nearly independent) draws is uniform (Talts, Betancourt,
Simpson, Vehtari and Gelman 2018, arXiv:1804.06788). The classes of truth and draws are put in the order of one fit,
which is a function of the data alone; that leaves the ranks uniform. Ranks are kept in `studies/`, in
`calibration_<model>.csv`, as they come: what was stopped goes on.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pymc as pm
from bayesmix.models import lca, regression_mixture
from scipy import stats

import bayesmix as bm
from bayesmix.bayes.pymc_model import build_from
from bayesmix.graph import numpy_mode
from bayesmix.spec import class_labels as labels

FOLDER = Path(__file__).parent / "studies"
SEED, DRAWS = 1804, 99
"""The seed of the first replication; how many draws the rank is among."""
SIZES = {"draws": 300, "tune": 300, "chains": 2, "cores": 1, "predictive": 0, "progress": False}
SEARCH = {"starts": 6, "finals": 2, "rounds": 1, "budget": 0, "progress": False}


def _normal(sd: float, mu: float = 0.0) -> bm.Prior:
    return bm.Prior("Normal", mu=mu, sigma=sd)


def _half(sd: float) -> bm.Prior:
    return bm.Prior("HalfNormal", sigma=sd)


ITEMS = list("abcdef")
CLASSES = {"class_logit": _normal(1.0), "item_intercept": _normal(1.5)}
MODELS = {
    "lca": (lca(ITEMS, 2, family=bm.bernoulli()), CLASSES, 200, None),
    "two_level_lca": (
        lca(ITEMS, 2, family=bm.bernoulli(), cluster="g"),
        CLASSES | {"cluster_loading": bm.Prior("CholeskyNormal", sigma=1.0)},
        300,
        30,
    ),
    "two_level_regression": (
        regression_mixture("y ~ x", cluster="g", random="1"),
        {
            "intercept": _normal(2.0),
            "coefficient": _normal(1.0),
            "residual_sd": _half(1.0),
            "u_intercept_sd": _half(1.0),
        },
        200,
        25,
    ),
}
"""Model, its priors in the units of the data, individuals, clusters: nothing here may depend on the data."""


def replication(name: str, number: int) -> pd.DataFrame:
    """The ranks of the true parameters among draws, one row a free entry."""
    model, priors, n, clusters = MODELS[name]
    priors = {p.name: priors[p.name] for p in model.parameters if p.name in priors}
    rng = np.random.default_rng([SEED, number])
    frame = pd.DataFrame({"x": rng.normal(size=n)}) if "x" in str(model.covariates) else None
    if frame is not None and clusters:
        frame["g"] = np.arange(n) % clusters
    start = {} if frame is not None else {"n": n, "clusters": clusters}
    truth = _from_the_prior(model, priors, _template(model, n, clusters, frame), int(rng.integers(2**31)))
    df = bm.simulate(model, truth, df=frame, seed=int(rng.integers(2**31)), **start)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = bm.fit(model, df, priors=priors, **SEARCH)
        post = bm.sample(fit, df, priors=priors, seed=number, **SIZES)
    pivot = {str(k): v.values for k, v in fit.params.items()}
    truth = labels.relabel(model, {k: np.asarray(v)[None, None] for k, v in truth.items()}, pivot)[0]
    data, rows = bm.prepare(model, df), []
    for p in model.parameters:
        x = post["posterior"][p.name].transpose("chain", "draw", *p.dims).values
        x = x.reshape(-1, *x.shape[2:])[np.linspace(0, x.shape[0] * x.shape[1] - 1, DRAWS).round().astype(int)]
        free = data.packing.index[p.name] >= 0
        ranks = (x < truth[p.name][0, 0]).sum(axis=0)
        rows += [(number, f"{p.name}{list(map(int, at))}", int(ranks[tuple(at)])) for at in np.argwhere(free)]
    return pd.DataFrame(rows, columns=["replication", "entry", "rank"])


def _template(model: bm.Model, n: int, clusters: int | None, frame: pd.DataFrame | None) -> pd.DataFrame:
    """Rows of the shape of the data: the priors do not look at them."""
    out = pd.DataFrame(index=range(n)) if frame is None else frame.copy()
    for k, item in enumerate(model.items):
        out[item] = (np.arange(n) + k) % 2
    return out.assign(g=np.arange(n) % clusters) if clusters else out


def _from_the_prior(model: bm.Model, priors: dict, frame: pd.DataFrame, seed: int) -> dict[str, np.ndarray]:
    data = bm.prepare(model, frame, bm.trapezoid(3) if model.effects else None)
    made = build_from(data, priors)
    drawn = pm.draw([made[p.name] for p in model.parameters], random_seed=seed, mode=numpy_mode())
    return {p.name: np.asarray(x) for p, x in zip(model.parameters, drawn, strict=True)}


def uniform(ranks: pd.DataFrame, bins: int = 10) -> pd.DataFrame:
    """Chi-square p values of uniform ranks, one an entry; and of all ranks of an entry, mean and SD beside theirs."""
    rows = []
    for entry, own in ranks.groupby("entry")["rank"]:
        counts = np.histogram(own, bins=bins, range=(0, DRAWS + 1))[0]
        rows.append((entry, len(own), own.mean(), own.std(ddof=0), stats.chisquare(counts).pvalue))
    return pd.DataFrame(rows, columns=["entry", "n", "mean", "sd", "p"]).set_index("entry")


def kept(name: str) -> Path:
    """Where the ranks of a model are kept."""
    return FOLDER / f"calibration_{name}.csv"


def run(name: str, replications: int) -> pd.DataFrame:
    """The ranks of all replications: those that are kept, and the rest, each kept as it ends."""
    path = kept(name)
    done = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=["replication", "entry", "rank"])
    for number in sorted({*range(replications)} - {*done["replication"]}):
        done = pd.concat([done, replication(name, number)], ignore_index=True).astype({"replication": int, "rank": int})
        done.sort_values(["replication", "entry"]).to_csv(path, index=False)
        print(f"{name} {number}", flush=True)
    return done


def main() -> None:
    """Run what is asked for, and print whether ranks are uniform."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(MODELS))
    parser.add_argument("--replications", type=int, default=100)
    given = parser.parse_args()
    for name in given.models or list(MODELS):
        found = uniform(run(name, given.replications))
        print(f"\n{name}: smallest p {found['p'].min():.4f} of {len(found)} entries\n{found.round(3).to_string()}")


if __name__ == "__main__":
    main()
