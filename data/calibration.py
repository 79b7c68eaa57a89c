"""Simulation-based calibration: whether posteriors are those of the priors and the model.

    python data/calibration.py                        each model, as many replications as it has: about four hours
    python data/calibration.py lca --replications 20

Parameters are drawn from their priors, data from them, and the posterior of the data is sampled as a user samples it:
by importance sampling, or by NUTS where its weights cannot be trusted.
If all of it is right, the rank of the true value among (nearly independent) draws is uniform (Talts, Betancourt,
Simpson, Vehtari and Gelman 2018, arXiv:1804.06788). The classes of truth and draws are put in the order of one fit,
which is a function of the data alone; that leaves the ranks uniform. Ranks are kept in `studies/`, in
`calibration_<model>.csv`, as they come: what was stopped goes on.
"""

import argparse
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
from bayesmix.models import gom, growth, irt_3pl, lca, lta, regression_mixture
from bayesmix.models.nels import figure_2
from numpy.typing import NDArray
from scipy import stats

import bayesmix as bm
from bayesmix.bayes.pymc_model import build_from
from bayesmix.bayes.residual_matrices import has_sound_matrices
from bayesmix.graph import LogLikelihood, numpy_mode, with_population_nodes
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


ITEMS, LATER, MORE = list("abcdef"), list("stuvwz"), list("abcdefgh")
LOGITS = dict.fromkeys(
    ("class_logit", "cluster_class_logit", "C1_logit", "C2_logit", "class_slope", "cluster_slope"), _normal(1.0)
)
SCALES = dict.fromkeys(
    ("residual_sd", "item_sd", "u_intercept_sd", "f_sd", "alpha1_sd", "alpha2_sd", "u_I_sd", "u_S_sd"), _half(1.0)
)
TRIANGLES = dict.fromkeys(("cluster_loading", "class_loading"), bm.Prior("CholeskyNormal", sigma=1.0))
PRIORS: dict[str, bm.Prior] = {
    **LOGITS,
    **SCALES,
    **TRIANGLES,
    "item_intercept": _normal(1.5),
    "intercept": _normal(2.0),
    "coefficient": _normal(1.0),
    "intercept_on": _normal(1.0),
    "alpha2_on_alpha1": _normal(0.7),
    "loading": _normal(1.0),
    "item_covariance": _normal(0.5),
    "I_mean": _normal(2.0),
    "S_mean": _normal(1.0),
    "u_S_on_u_I": _normal(0.5),
}
"""In the units of the data: nothing may depend on the data. That of loadings says which way a factor points."""


@dataclass(frozen=True)
class Case:
    """A model with sizes of its data, the effects of how many units are sampled and ranked too, and replications."""

    model: bm.Model
    n: int
    clusters: int | None = None
    effects: int = 0
    replications: int = 100


MODELS = {
    "lca": Case(lca(ITEMS, 2, family=bm.bernoulli()), 200),
    "two_level_lca": Case(lca(ITEMS, 2, family=bm.bernoulli(), cluster="k"), 300, 30),
    "classes_of_clusters": Case(lca(ITEMS, 2, family=bm.bernoulli(), cluster="k", cluster_classes=2), 400, 40),
    "lta": Case(lta([ITEMS, LATER], 2, family=bm.bernoulli()), 200),
    "two_level_lta": Case(lta([ITEMS, LATER], 2, family=bm.bernoulli(), cluster="k"), 300, 30),
    "regression_mixture": Case(figure_2("y ~ x"), 300),
    "two_level_regression": Case(regression_mixture("y ~ x", cluster="k", random="1"), 200, 25),
    "between": Case(regression_mixture("y ~ x", cluster="k", cluster_classes=2), 300, 40),
    "gom": Case(gom(MORE, 2, family=bm.bernoulli()), 200),
    "effects_of_clusters": Case(regression_mixture("y ~ x", cluster="k", random="1"), 200, 25, effects=3),
    "growth": Case(growth(list("abcd"), 2), 150, replications=20),
    "random_intercept_lta": Case(
        lta([ITEMS[:4], LATER[:4]], 2, family=bm.bernoulli(), random_intercept="item"), 200, replications=20
    ),
    "latent_profiles": Case(
        lca(list("ab"), 2, family=bm.normal(), variance="class", covariance="class"), 150, replications=23
    ),
    "irt_3pl": Case(irt_3pl(ITEMS), 200, replications=19),
}
"""That of effects of clusters with them sampled beside the parameters; the last four are long, and have fewer."""


def replication(name: str, number: int) -> pd.DataFrame:
    """The ranks among draws of the true parameters, class sizes and, where they are sampled, effects: a row each."""
    case, model, rng = MODELS[name], MODELS[name].model, np.random.default_rng([SEED, number])
    priors = {p.name: PRIORS[p.name] for p in model.parameters if p.name in PRIORS}
    frame = pd.DataFrame({"x": rng.normal(size=case.n)}) if "x" in str(model.covariates) else None
    if frame is not None and case.clusters:
        frame["k"] = np.arange(case.n) % case.clusters
        frame["w"] = rng.normal(size=case.clusters)[frame["k"]]
    start = {} if frame is not None else {"n": case.n, "clusters": case.clusters}
    like, df = _template(model, case.n, case.clusters, frame), pd.DataFrame()
    while df.empty or any(df[i].nunique() < 2 for i in model.items):  # what data are taken may depend on the data
        truth = _from_the_prior(model, priors, like, int(rng.integers(2**31)))
        df = bm.simulate(model, truth, df=frame, seed=int(rng.integers(2**31)), **start)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = bm.fit(model, df, priors=priors, **SEARCH)
        post = _sampled(fit, df, number, priors, case.effects)
    pivot = {str(k): v.values for k, v in fit.params.items()}
    truth = labels.relabel(model, {k: np.asarray(v)[None, None] for k, v in truth.items()}, pivot)[0]
    truth = {k: v[0, 0] for k, v in truth.items()}
    data, rows = bm.prepare(model, df), []

    def rank(variable: str, value: Any, dims: Sequence[str], entries: NDArray) -> None:
        x = post["posterior"][variable].transpose("chain", "draw", *dims).values
        x = x.reshape(-1, *x.shape[2:])[np.linspace(0, x.shape[0] * x.shape[1] - 1, DRAWS).round().astype(int)]
        below = (x < value).sum(axis=0)
        rows.extend((number, f"{variable}{list(map(int, at))}", int(below[tuple(at)])) for at in entries)

    for p in model.parameters:
        rank(p.name, truth[p.name], p.dims, np.argwhere(data.packing.index[p.name] >= 0))
    for variable, value in _class_sizes(data, truth).items():
        if variable in post["posterior"]:
            dims = [d for d in post["posterior"][variable].dims if d not in ("chain", "draw")]
            rank(variable, value, dims, np.argwhere(np.ones(value.shape))[:-1])
    for e in model.effects if case.effects else ():
        units = df.groupby("k")[f"true_{e.name}"].first() if e.level == "cluster" else df[f"true_{e.name}"]
        sd = 1.0 if e.sd is None else float(truth[e.sd.parameter.name])
        shape = [f"effect_{e.level}"]
        rank(f"z_{e.level}", units.to_numpy()[:, None] / sd, [e.level, *shape], np.argwhere(np.ones((case.effects, 1))))
    return pd.DataFrame(rows, columns=["replication", "entry", "rank"])


def _sampled(fit: bm.Fit, df: pd.DataFrame, seed: int, priors: dict, effects: int) -> Any:
    """The posterior by importance sampling, or by NUTS where its weights cannot be trusted or effects are sampled."""
    if not effects:
        try:
            return bm.sample(fit, df, method="importance", priors=priors, seed=seed, **SIZES)
        except bm.ImportanceFailed:
            pass
    how: dict[str, Any] = {"effects": "sample"} if effects else {}
    return bm.sample(fit, df, priors=priors, seed=seed, **SIZES, **how)


def _class_sizes(data: Any, truth: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Shares of the classes in the population, at parameters, by the names that they have in a posterior."""
    found = LogLikelihood(with_population_nodes(data)).quantities(data.pack(truth))
    return {q.name: np.asarray(x.values) for q, x in found.items() if q.kind == "class size"}


def _template(model: bm.Model, n: int, clusters: int | None, frame: pd.DataFrame | None) -> pd.DataFrame:
    """Rows of the shape of the data: the priors do not look at them."""
    out = pd.DataFrame(index=range(n)) if frame is None else frame.copy()
    for k, item in enumerate(model.items):
        out[item] = (np.arange(n) // (k + 1)) % 2
    return out.assign(k=np.arange(n) % clusters) if clusters else out


def _from_the_prior(model: bm.Model, priors: dict, frame: pd.DataFrame, seed: int) -> dict[str, np.ndarray]:
    data = bm.prepare(model, frame, bm.trapezoid(3) if model.effects else None)
    made = build_from(data, priors)
    rng = np.random.default_rng(seed)
    while True:  # SDs and covariances have the prior of those that make covariance matrices
        drawn = pm.draw([made[p.name] for p in model.parameters], random_seed=rng, mode=numpy_mode())
        truth = {p.name: np.asarray(x) for p, x in zip(model.parameters, drawn, strict=True)}
        if has_sound_matrices(model, {k: x[None] for k, x in truth.items()})[0]:
            return truth


def uniform(ranks: pd.DataFrame, bins: int = 10) -> pd.DataFrame:
    """Chi-square p values of uniform ranks, one an entry; and of all ranks of an entry, mean and SD beside theirs.

    Of few replications there are fewer bins, so that at least four ranks are expected in each.
    """
    rows = []
    for entry, own in ranks.groupby("entry")["rank"]:
        bins = min(bins, max(len(own) // 4, 2))
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
    parser.add_argument("--replications", type=int)
    given = parser.parse_args()
    for name in given.models or list(MODELS):
        found = uniform(run(name, given.replications or MODELS[name].replications))
        print(f"\n{name}: smallest p {found['p'].min():.4f} of {len(found)} entries\n{found.round(3).to_string()}")


if __name__ == "__main__":
    main()
