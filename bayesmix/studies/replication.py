"""One replication of a study: data drawn from the population, a model fitted, entries beside their true values."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayesmix.data import Dataset
from bayesmix.graph import Problem, categories_of, label, prepare, simulate, tables
from bayesmix.ml import Settings
from bayesmix.ml import estimation as ml
from bayesmix.parallel import SerialExecutor, quietly
from bayesmix.results import Estimates, Fit, compare, entries
from bayesmix.spec import Model, Named
from bayesmix.studies.store import Record
from bayesmix.typing import Array

Covariates = pd.DataFrame | Callable[[np.random.Generator], pd.DataFrame]
UNFINISHED = 1e-4
"""What another Newton step would gain, in log-likelihood units and twice, from which a fit has not converged."""


@dataclass(frozen=True)
class Plan:
    """What a study does; see :func:`bayesmix.study`.

    Everything of a replication follows from the plan and its number, wherever and whenever it is run.
    """

    population: Model
    params: Mapping[str, Array]
    models: Mapping[str, Model]
    truth: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)
    n: int | None = None
    df: Covariates | None = None
    clusters: int | None = None
    categories: Mapping[str, Sequence] = field(default_factory=dict)
    estimator: str = "ml"
    seed: int = 0
    fit: Mapping[str, Any] = field(default_factory=dict)
    sample: Mapping[str, Any] = field(default_factory=dict)

    def seeds(self, replication: int) -> list[int]:
        """Seeds of the covariates, the data and the estimation."""
        sequence = np.random.SeedSequence(self.seed, spawn_key=(replication,))
        return [int(k) for k in sequence.generate_state(3)]

    def data(self, replication: int) -> pd.DataFrame:
        """The data of a replication, with the true classes and effects."""
        of_frame, of_data, _ = self.seeds(replication)
        df = self.df(np.random.default_rng(of_frame)) if callable(self.df) else self.df
        sizes = {"n": self.n, "df": df, "clusters": self.clusters, "categories": self.categories}
        return simulate(self.population, self.params, **sizes, seed=of_data)

    def true_values(self, name: str, df: pd.DataFrame) -> dict[str, xr.DataArray]:
        """Parameters and what follows from them, at the population's values or those given for the model."""
        given = self.truth.get(name)
        model, values = (self.population, self.params) if given is None else (self.models[name], given)
        data = prepare(model, df).on_user_scale()
        values = data.packing.with_fixed(values)
        used = [p for p in model.parameters if p.name in values]
        out = {p.name: label(Named(p.dims, np.asarray(values[p.name], dtype=float)), data) for p in used}
        shown = {k: x for k, x in out.items() if k not in model.offsets}
        return shown if len(used) < len(model.parameters) else shown | tables(data, data.packing.pack(values))

    def true_parameters(self, rows: Dataset, known: Mapping[str, xr.DataArray]) -> tuple[dict[str, Array], bool]:
        """The parameters of a model of encoded rows of which the values are known, and whether these are all."""
        data = Problem.of(rows, self.fit.get("nodes"))
        shapes = {p.name: label(Named(p.dims, np.zeros(data.packing.shape(p))), data) for p in rows.model.parameters}
        out = {k: known[k].values for k, x in shapes.items() if k in known and same_entries(known[k], x)}
        out = data.packing.with_fixed(out)
        return out, len(out) == len(shapes)


Job = tuple[Plan, int, str]
"""A plan, the number of a replication and the name of a model."""


def or_failure(make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Make a record without warnings, or one that holds the reason why it could not be made, under `failed`."""
    try:
        with quietly():
            return make()
    except (MemoryError, OSError):  # of the machine, not of the data: it may go well next time
        raise
    except Exception as error:
        expected = isinstance(error, (ValueError, RuntimeError))
        return {"failed": " ".join(f"{'' if expected else type(error).__name__ + ': '}{error}".split())}


def replicate(job: Job) -> Record:
    """A replication of one model in plain values. A failure is a record too, with its reason under `failed`."""
    plan, replication, name = job
    began = time.perf_counter()
    found = or_failure(lambda: _estimated(plan, replication, name))
    head = {"replication": replication, "model": name, "position": list(plan.models).index(name)}
    return {**head, **found, "seconds": round(time.perf_counter() - began, 3)}


def _estimated(plan: Plan, replication: int, name: str) -> dict[str, Any]:
    model, df, seed = plan.models[name], plan.data(replication), plan.seeds(replication)[2]
    _check_drawn(plan, model, df)
    known = plan.true_values(name, df)
    fit, post = _fitted(plan, Dataset.encode(model, df), known, seed), None
    if plan.estimator == "nuts":
        from bayesmix.bayes import sampling as bayes

        settings = {"cores": 1, **plan.sample, "seed": seed, "progress": False}
        post = bayes.sample(fit, df, **settings)
        if post["posterior"].sizes["draw"] < plan.sample.get("draws", 1000):
            raise KeyboardInterrupt
    return _rows(fit, post, known) | {"fit": _of_fit(fit)} | _of_chains(post)


def _check_drawn(plan: Plan, model: Model, df: pd.DataFrame) -> None:
    for item, known in categories_of(plan.population, plan.params, plan.categories).items():
        if item in model.items and (n := df[item].nunique()) < len(known):
            raise ValueError(f"Of the item '{item}' {n} of {len(known)} categories were drawn.")


def _fitted(plan: Plan, rows: Dataset, true: Mapping[str, xr.DataArray], seed: int) -> Fit:
    """The maximum with its classes in the order of the population's, which is one of the starts."""
    known, whole = plan.true_parameters(rows, true)
    settings = {"start": known if whole else None, "budget": 0.0, **plan.fit, "like": known, "seed": seed}
    fit = ml.estimate(rows, Settings(executor=SerialExecutor(), progress=False, **settings))
    if fit.quality["interrupted"]:
        raise KeyboardInterrupt
    if fit.collapsed:
        raise RuntimeError("Every start collapsed: a residual SD ran down to its floor.")
    if not fit.quality["decrement"] < UNFINISHED:
        raise RuntimeError(f"The fit did not converge (largest entry of the gradient {fit.quality['gradient']:.1e}).")
    return fit


def same_entries(a: xr.DataArray, b: xr.DataArray) -> bool:
    """Whether two arrays have the same dims, sizes and labels."""
    return a.dims == b.dims and a.shape == b.shape and all(np.array_equal(a[d].values, b[d].values) for d in a.dims)


def _rows(fit: Fit, post: xr.DataTree | None, known: Mapping[str, xr.DataArray]) -> dict[str, list]:
    """Free parameters, what follows from them and probabilities, as they are reported, beside their true values."""
    found = compare(fit, post)
    made = {str(k): x for ds in (fit.params, fit.derived, fit.probabilities) for k, x in ds.data_vars.items()}
    used = {k: x for k, x in known.items() if k in made and same_entries(x, made[k])}
    true = dict(pair for k, x in used.items() for pair in zip(entries(k, x), x.values.ravel().tolist(), strict=True))
    columns = ["ml", "ml_se", "ml_lower", "ml_upper"] if post is None else ["mean", "sd", "eti_lower", "eti_upper"]
    table = found.table[columns].set_axis(["estimate", "se", "lower", "upper"], axis=1)
    labels = [str(k) for k in table.index]
    out = {"entry": labels, "scale": found.entries["scale"].tolist(), "population": [true.get(k) for k in labels]}
    return out | {str(k): [_plain(v) for v in table[k]] for k in table}


def _plain(x: float) -> float | None:
    return float(x) if np.isfinite(x) else None


def _of_fit(fit: Fit) -> dict[str, Any]:
    return {
        "loglik": fit.loglik,
        "parameters": int(fit.n_parameters),
        "AIC": fit.aic,
        "BIC": fit.bic,
        "aBIC": fit.adjusted_bic,
        "entropy": _plain(fit.entropy),
        "replicated": int(fit.replicated),
        "boundary": len(fit.quality["boundary"]),
        "equal solutions": int(fit.quality["equal_solutions"]),
    }


def _of_chains(post: xr.DataTree | None) -> dict[str, Any]:
    if post is None:
        return {}
    d = Estimates.of(post).settings
    share = _plain(d["divergences"] / (d["chains"] * d["draws"]))
    return {"chains": {"divergent": share, "max R-hat": _plain(d["max_rhat"]), "min ESS": _plain(d["min_ess_bulk"])}}
