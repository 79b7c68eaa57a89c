"""Effective draws a second: NUTS with effects integrated or sampled, a model by hand, importance sampling; in one run.

    python benchmarks/nuts.py
    python benchmarks/nuts.py guessed mixed

Two-level LCA (600 persons in 60 clusters, 6 items), grade of membership (400 persons, 10 items), the 3PL
(500 persons, 10 items) and a factor mixture of two classes (425 persons, 12 items). The model by hand sums the
classes out and samples the effects, with the same priors, by the same sampler; compile time is left out of all
three. Minimum bulk ESS over the structural parameters. Importance sampling draws as many points; beside its ESS over
the draws stand Pareto k, effective points, the marginal likelihood, and the seconds of the first call and of another.
The last line is of `bm.sample` as a user calls it: seconds from the call to the returned DataTree, warm, by method.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import sys
import time
import warnings

import arviz as az
import numpy as np
import nutpie
import pymc as pm
import pytensor.tensor as pt
from bayesmix.models import fma, gom, irt_3pl, lca

import bayesmix as bm
from bayesmix.bayes import pymc_model
from bayesmix.bayes.datatree import complete_draws
from bayesmix.bayes.importance_draws import Request, drawn
from bayesmix.data import Dataset, chosen

warnings.simplefilter("ignore")
SETTINGS = {"draws": 1000, "tune": 1000, "chains": 2, "cores": 2, "seed": 1, "progress_bar": False}
PAIR = 1.5 * np.sqrt(2)
"""SD of a logit against the reference under the exchangeable prior."""


def two_level():
    items = [f"u{k}" for k in range(6)]
    truth = {"class_logit": np.array([0.3, 0.0]), "cluster_loading": np.array([[1.2, 0.0]])}
    truth["item_logit"] = np.stack([np.zeros((2, 6)), np.array([[1.5] * 6, [-1.5] * 6])], axis=-1)
    model = lca(items, 2, cluster="g")
    return model, bm.simulate(model, truth, n=600, clusters=60, seed=2), items


def grades():
    items = [f"u{k}" for k in range(10)]
    truth = {"class_logit": np.array([0.3, 0.0]), "class_loading": np.array([[2.0, 0.0]])}
    truth["item_logit"] = np.stack([np.zeros((2, 10)), np.array([[1.8] * 10, [-1.8] * 10])], axis=-1)
    model = gom(items, 2)
    return model, bm.simulate(model, truth, n=400, seed=3), items


def parts(n, items):
    logit, sd = pm.Normal("class_logit", 0, PAIR), pm.HalfNormal("sd", 1.5)
    z, tau = pm.Normal("z", 0, 1, shape=n), pm.Normal("tau", 0, PAIR, shape=(2, len(items)))
    return logit, sd, z, -pt.softplus(-tau), -pt.softplus(tau)


def two_level_by_hand(df, items):
    y, g = df[items].to_numpy(float), df["g"].to_numpy() - 1
    with pm.Model() as model:
        logit, sd, z, yes, no = parts(int(g.max()) + 1, items)
        ll, eta = y @ yes.T + (1 - y) @ no.T, logit + sd * z[g]
        pm.Potential("loglik", pt.logaddexp(ll[:, 0] - pt.softplus(-eta), ll[:, 1] - pt.softplus(eta)).sum())
    return model


def grades_by_hand(df, items):
    y = df[items].to_numpy(float)
    with pm.Model() as model:
        logit, sd, z, yes, no = parts(len(y), items)
        eta = (logit + sd * z)[:, None]
        each = [y * yes[c] + (1 - y) * no[c] for c in range(2)]
        pm.Potential("loglik", pt.logaddexp(each[0] - pt.softplus(-eta), each[1] - pt.softplus(eta)).sum())
    return model


def guessed():
    items = [f"q{k}" for k in range(10)]
    truth = {"item_intercept": np.linspace(1.5, -1.5, 10), "loading": np.full(10, 1.5), "guessing": np.full(10, 0.2)}
    model = irt_3pl(items)
    return model, bm.simulate(model, truth, n=500, seed=4), items


def mixed():
    items = [f"u{k}" for k in range(12)]
    sides = np.array([[1.5] * 6 + [-0.5] * 6, [-0.5] * 6 + [1.5] * 6])
    model = fma(items, 2, family=bm.bernoulli())
    truth = {"class_logit": [0.3, 0.0], "item_intercept": sides, "loading": np.full(12, 1.2)}
    return model, bm.simulate(model, truth, n=425, seed=5), items


def guessed_by_hand(df, items):
    y = df[items].to_numpy(float)
    with pm.Model() as model:
        tau, a = pm.Normal("item_intercept", 0, 2, shape=len(items)), pm.Normal("loading", 0, 1.5, shape=len(items))
        g, z = pm.Beta("guessing", 5, 17, shape=len(items)), pm.Normal("z", 0, 1, shape=len(y))
        p = g + (1 - g) * pt.sigmoid(tau + a * z[:, None])
        pm.Potential("loglik", (y * pt.log(p) + (1 - y) * pt.log1p(-p)).sum())
    return model


def mixed_by_hand(df, items):
    y = df[items].to_numpy(float)
    with pm.Model() as model:
        logit, a = pm.Normal("class_logit", 0, PAIR), pm.Normal("loading", 0, 1.5, shape=len(items))
        tau, z = pm.Normal("item_intercept", 0, 2, shape=(2, len(items))), pm.Normal("z", 0, 1, shape=len(y))
        eta = tau[:, None, :] + a * z[:, None]
        ll = (y * eta - pt.softplus(eta)).sum(-1)
        pm.Potential("loglik", pt.logaddexp(ll[0] - pt.softplus(-logit), ll[1] - pt.softplus(logit)).sum())
    return model


def rate(seconds, draws):
    ess = az.ess(draws)
    least = min(float(ess[v].where(draws[v].std(("chain", "draw")) > 0).min()) for v in ess.data_vars)
    return f"{seconds:6.1f} s, minimum ESS {least:6.0f}, {least / seconds:7.1f} a second"


def ours(model, df, fit, effects):
    data = pymc_model.prepared(Dataset.encode(model, df), effects, None, fit)
    made = pymc_model.build_from(data)
    initial = pymc_model.initial_point(made, data, {k: x.values for k, x in fit.params.items()})
    more = {"adaptation": "low_rank"} if effects == "integrate" else {}
    program = nutpie.compile_pymc_model(made, initial_points={**initial}, jitter_rvs=set())
    began = time.perf_counter()
    raw = nutpie.sample(program, **SETTINGS, **more)
    seconds = time.perf_counter() - began
    whole, _ = complete_draws(raw)
    return seconds, whole[[v.name for v in made.free_RVs if not v.name.startswith("z_")]]


def weighed(model, df, fit):
    """Importance sampling without what is made of its draws; of the second call nothing is compiled any more."""
    data = pymc_model.prepared(Dataset.encode(model, df), "integrate", None, fit)
    asked = Request(chosen(None, model), None, SETTINGS["draws"], SETTINGS["chains"], SETTINGS["seed"], False, False)
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        try:
            out = drawn(data, fit, asked)
        except bm.ImportanceFailed as error:
            return str(error)
        seconds.append(time.perf_counter() - began)
    d = out.found
    draws = out.raw["posterior"].to_dataset()[[p.name for p in model.parameters]]
    return (
        f"{rate(seconds[1], draws)}, first call "
        f"{seconds[0]:.1f} s, k {d['pareto_k']:.2f}, {d['importance_ess']:.0f} effective of {d['points']:,} points, "
        f"log marginal likelihood {d['log_marginal_likelihood']:.2f} ({d['log_marginal_likelihood_error']:.3f})"
    )


def waited(df, fit):
    """Seconds from the call to a posterior with all its groups, of a second call."""
    out, asked = [], {"draws": 1000, "chains": 2, "cores": 2, "progress": False}
    for method in ("importance", "nuts"):
        try:
            for _ in range(2):
                began = time.perf_counter()
                bm.sample(fit, df, method=method, **asked)
        except bm.ImportanceFailed:
            out.append(f"{method} refused")
            continue
        out.append(f"{method} {time.perf_counter() - began:.1f} s")
    return ", ".join(out)


def by_hand(made, fit):
    names = [v.name for v in made.free_RVs if v.name != "z"]
    start = {k: fit.params[k].values for k in names if k in fit.params}
    start |= {"class_logit": float(fit.params["class_logit"][0])} if "class_logit" in names else {}
    start |= {"guessing": np.clip(start["guessing"], 0.05, 0.5)} if "guessing" in names else {}
    start |= {"tau": fit.params["item_logit"].values[:, :, 1]} if "tau" in names else {}
    program = nutpie.compile_pymc_model(made, initial_points=start, jitter_rvs={"z", "sd"} & {"z", *names})
    began = time.perf_counter()
    raw = nutpie.sample(program, **SETTINGS)
    return time.perf_counter() - began, raw["posterior"].to_dataset()[names]


def main():
    asked = sys.argv[1:]
    for title, make, hand in (
        ("Two-level LCA", two_level, two_level_by_hand),
        ("Grade of membership", grades, grades_by_hand),
        ("3PL", guessed, guessed_by_hand),
        ("Factor mixture", mixed, mixed_by_hand),
    ):
        if asked and make.__name__ not in asked:
            continue
        model, df, items = make()
        fit = bm.fit(model, df, progress=False)
        print(f"\n{title}")
        print(f"  PyMC by hand        {rate(*by_hand(hand(df, items), fit))}", flush=True)
        for effects in ("sample", "integrate"):
            print(f"  bayesmix {effects:10s} {rate(*ours(model, df, fit, effects))}", flush=True)
        print(f"  importance          {weighed(model, df, fit)}", flush=True)
        print(f"  call to DataTree    {waited(df, fit)}", flush=True)


if __name__ == "__main__":
    main()
