"""Small declared models and data for the tests, and random values of their parameters."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytensor

import bayesmix as bm
from bayesmix.data import Dataset
from bayesmix.graph import LogLikelihood, Problem
from bayesmix.ml import Target
from bayesmix.spec import Named, encode
from bayesmix.spec.model import Covariates, Effect, LatentClass, Model, Parameter, Response, Term
from oracle import Oracle

FAMILY = {
    "binary": bm.bernoulli(),
    "probit": bm.bernoulli("probit"),
    "nominal": bm.nominal(),
    "ordinal": bm.ordinal(),
    "oprobit": bm.ordinal("probit"),
    "normal": bm.normal(),
    "count": bm.poisson(),
    "partial": bm.partial_credit(),
    "overdispersed": bm.negative_binomial(),
    "zip": bm.zero_inflated_poisson(),
    "zinb": bm.zero_inflated_negative_binomial(),
    "trials": bm.binomial("m"),
    "of_nine": bm.binomial(9, "probit"),
    "tobit": bm.censored_normal(0.0, 4.0),
}
"""Those after the count are no part of random models, whose draws would change."""
ITEMS = {
    "binary": ("b1", "b2"),
    "probit": ("b3", "b4"),
    "nominal": ("n3", "n2"),
    "ordinal": ("o3", "o4"),
    "oprobit": ("o2", "o5"),
    "normal": ("y1", "y2"),
    "count": ("k1", "k2"),
    "partial": ("o3", "o4"),
    "overdispersed": ("k1", "k2"),
    "zip": ("k1", "k2"),
    "zinb": ("k1", "k2"),
    "trials": ("k1", "k2"),
    "of_nine": ("k1", "k2"),
    "tobit": ("t1", "t2"),
}
LEVELS = {"n3": 3, "n2": 2, "o3": 3, "o4": 4, "o2": 2, "o5": 4, "p3": 3, "p4": 4} | {f"b{i}": 2 for i in range(1, 5)}
X = Covariates("x", "x + s")
W = Covariates("w", "w + v", "cluster")


def frame(seed: int = 0, clusters: int = 4, rows: int = 4, missing: float = 0.15) -> pd.DataFrame:
    """A few clusters of a few rows; every item, covariates of both levels and kinds, counts."""
    rng = np.random.default_rng(seed)
    n = clusters * rows
    out = {item: (rng.permutation(n) % k).astype(float) for item, k in LEVELS.items()}
    out |= {f"y{i}": rng.normal(2, 3, n).round(2) for i in (1, 2)}
    out |= {f"k{i}": rng.poisson(2.0, n).astype(float) + (np.arange(n) == 0) for i in (1, 2)}
    for y in out.values():
        y[rng.random(n) < missing * (np.arange(n) >= 4)] = np.nan
        y[-1] = np.nan  # a row without any answer
    df = pd.DataFrame(out)
    df["x"], df["s"] = rng.choice([-1.0, 0.5, 1.0], n), rng.permutation(n) % 3
    df["s"] = df["s"].map({0: "low", 1: "mid", 2: "top"})
    df["w"] = np.repeat(rng.normal(size=clusters).round(1), rows)
    df["v"] = np.repeat(np.array(["in", "out"])[np.arange(clusters) % 2], rows)
    for i in (1, 2):
        df[f"t{i}"] = df[f"y{i}"].clip(0.0, 4.0)
    df["m"] = df[["k1", "k2"]].max(axis=1).fillna(0.0) + np.arange(n) % 3
    df["g"], df["f"] = np.repeat(np.arange(clusters) + 7, rows), rng.integers(1, 4, n)
    return df.sample(frac=1, random_state=seed).reset_index(drop=True)


def carried(model: Model, **more) -> dict:
    """The attrs of a posterior of a model."""
    return {"bayesmix": json.dumps({"format": 2, "model": encode(model), **more})}


# pieces of a declaration --------------------------------------------------------------------------


def logits(name: str, *parents: str, level: str = "individual", size: int = 2, more: tuple = ()) -> LatentClass:
    """A class with an intercept for each path of its parents, the last class the reference."""
    alpha = Parameter(f"alpha_{name}", (*parents, name), fixed=(bm.at(0.0, **{name: -1}),))
    return LatentClass(name, size, level, (Term(alpha), *more))


def on_logits(name: str, *parents: str, covariates=None, effects: tuple = (), tag: str = "") -> Term:
    """Covariates, effects or their product in the class logits, a coefficient for each free class."""
    dims = ((covariates.name,) if covariates else ()) + (("effect",) if len(effects) > 1 else ())
    dims = tuple(f"{tag}{d}" if d == "effect" else d for d in dims)
    beta = Parameter(f"beta_{name}{tag}", (*dims, *parents, name), fixed=(bm.at(0.0, **{name: -1}),))
    return Term(beta, covariates, effects, f"{tag}effect")


def measure(kind: str, *classes: str, covariates=None, effects: tuple = (), sd_by: tuple = (), items: int = 2):
    """A response of one family whose parameters depend on `classes`."""
    item, category, threshold, effect = (f"{d}_{kind}" for d in ("item", "category", "threshold", "effect"))
    dims, fixed = (item, *classes), ()
    if kind == "nominal":
        dims, fixed = (*dims, category), (bm.at(0.0, **{category: 0}),)
    terms = () if kind in ("ordinal", "oprobit", "partial") else (Term(Parameter(f"nu_{kind}", dims, fixed=fixed)),)
    if covariates:
        terms += (Term(Parameter(f"slope_{kind}", (covariates.name, *dims), fixed=fixed), covariates),)
    if effects:
        over = (effect,) if len(effects) > 1 else ()
        terms += (Term(Parameter(f"lambda_{kind}", (*over, *dims), fixed=fixed), None, effects, effect),)
    auxiliary = ()
    if kind in ("ordinal", "oprobit"):
        auxiliary = (Term(Parameter(f"tau_{kind}", (item, *classes, threshold), "ordered")),)
    if kind == "partial":
        auxiliary = (Term(Parameter("tau_partial", (item, *classes, threshold))),)
    if kind in ("overdispersed", "zinb"):
        auxiliary = (Term(Parameter(f"alpha_{kind}", (item,), "positive")),)
    if kind in ("zip", "zinb"):
        auxiliary += (Term(Parameter(f"inflation_{kind}", (item, *classes), "probability")),)
    if kind == "tobit":
        auxiliary = (Term(Parameter("sigma_tobit", (item, *sd_by), "positive")),)
    if kind == "normal":
        auxiliary = (Term(Parameter("sigma", (item, *sd_by), "positive")),)
    return Response(kind, ITEMS[kind][:items], FAMILY[kind], terms, auxiliary, item, category, threshold)


def effect(name: str, level: str = "cluster", mean: tuple = (), sd_by: tuple = ()) -> Effect:
    """A random effect with an SD of its own."""
    return Effect(name, level, mean, Term(Parameter(f"sd_{name}", sd_by, "positive")))


def mean(name: str, *classes: str, covariates=None, effects: tuple = ()) -> Term:
    """One term of an effect's mean."""
    dims = ((covariates.name,) if covariates else ()) + ((f"on_{name}",) if effects else ()) + classes
    return Term(Parameter("_".join(("mean", name, *dims)), dims), covariates, effects, f"on_{name}")


def model(responses, classes=(), effects=(), two_level: bool = False, freq: bool = False) -> Model:
    """The declaration over the columns of :func:`frame`."""
    return Model(
        "test", tuple(responses), tuple(classes), tuple(effects), "g" if two_level else None, "f" if freq else None
    )


# values, and both sides of a comparison -----------------------------------------------------------


def random_values(data: Problem, seed: int, scale: float = 0.8) -> dict:
    """Natural values of every parameter, in its support, fixed entries as declared."""
    rng, out = np.random.default_rng(seed), {}
    for p in data.model.parameters:
        x = rng.normal(0.0, scale, data.packing.shape(p))
        if p.support == "ordered":
            x = np.cumsum(np.abs(x) + 0.2, axis=-1) - 1.0
        x = np.array(np.exp(0.5 * x) if p.support in ("positive", "sd") else x)
        x = 1 / (1 + np.exp(1.5 - x)) if p.support == "probability" else x
        x = np.abs(x) + 3.0 if p.name == "residual_variance" else x
        if p.support == "cholesky":
            x = np.where(np.eye(*x.shape[-2:]) > 0, np.exp(0.5 * x), np.triu(x))
        if p.support == "unit":
            x[..., : x.shape[-2]] = np.eye(x.shape[-2])
        for f in p.fixed:
            x[tuple(dict(f.positions).get(d, slice(None)) for d in p.dims)] = f.value
        if p.name in data.packing.absent:
            x = p.domain.forward(np.where(data.packing.absent[p.name], 0.0, p.domain.inverse(x)))
        out[p.name] = x
    return out


def give_effects(data: Problem, seed: int = 1) -> tuple[Problem, dict]:
    """Data with random standardised effects where they are sampled; the same by unit for the oracle."""
    rng, arrays, out = np.random.default_rng(seed), dict(data.arrays), {}
    for level in ("cluster", "individual"):
        key = f"z_{level}"
        if key in arrays and arrays[key].dims[0] == level:
            z = rng.normal(size=arrays[key].values.shape)
            arrays[key] = Named(arrays[key].dims, z)
            out[level] = z if level == "cluster" else np.where((data.pattern_of >= 0)[:, None], z[data.pattern_of], 0.0)
    return replace(data, arrays=arrays), out


def oracle_for(data: Problem, df: pd.DataFrame, values: dict, sampled: dict | None = None) -> Oracle:
    """The oracle at the same values, nodes and effects."""
    grids = {}
    for level, method in data.nodes.items():
        z, log_weights = method.grid(len(data.model.effects_at(level)))
        grids[level] = z, np.exp(log_weights)
    return Oracle(data.model, values, df, grids, sampled or {}, data.categories)


def by_unit(data: Problem, units: np.ndarray) -> np.ndarray:
    """Log-likelihoods in the order of the clusters, or of the rows (zero for a row without answers)."""
    if data.clusters is not None:
        return units
    return np.where(data.pattern_of >= 0, units[data.pattern_of], 0.0)


def evaluate(data: Problem, values: dict, what: str = "units", probes: tuple = ()):
    """The graph at natural values."""
    theta, graph = data.pack({p.name: values[p.name] for p in data.model.parameters}), LogLikelihood(data)
    asked = {"units": graph.of_units, "total": graph.value, "gradient": graph.value_and_gradient}
    with pytensor.config.change_flags(traceback__limit=0):  # a sixth of the time to compile
        return asked[what](theta) if what in asked else graph.posterior(theta, *probes)


def target(model: Model, df: pd.DataFrame, nodes=None, **own) -> Target:
    """What a search climbs, with priors and a floor of residual SDs if they are given."""
    return replace(Target.of(Dataset.encode(model, df), nodes), **own)
