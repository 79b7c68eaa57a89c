"""Monte Carlo studies: a population, analysis models, replications; on disk as they are finished."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from bayesmix.checks import one_of, whole
from bayesmix.data import as_frame
from bayesmix.graph import prepare
from bayesmix.ml import Settings
from bayesmix.parallel import progress_bar, run_all
from bayesmix.results import Fit, model_and_fit
from bayesmix.spec import Model
from bayesmix.studies.replication import Covariates, Job, Plan, replicate
from bayesmix.studies.store import Folder, Record
from bayesmix.studies.summary import Study, in_order

OURS = ("seed", "progress", "executor", "like")
"""Settings of a fit that the study gives."""
OURS_OF_CHAINS = ("fit", "seed", "progress", "relabel", "pm_model")


def study(
    population: Model | Fit,
    params: Mapping[str, Any] | None = None,
    models: Model | Mapping[str, Model] | None = None,
    *,
    n: int | None = None,
    replications: int = 100,
    df: Covariates | None = None,
    clusters: int | None = None,
    categories: Mapping[str, Sequence] | None = None,
    truth: Mapping[str, Mapping[str, Any]] | None = None,
    estimator: Literal["ml", "nuts"] = "ml",
    seed: int = 0,
    folder: str | Path | None = None,
    fit: Mapping[str, Any] | None = None,
    sample: Mapping[str, Any] | None = None,
    executor: Executor | None = None,
    progress: bool = True,
) -> Study:
    """Draw data from a population again and again, estimate, and average over the replications.

    Replication r has seeds of its own, made from `seed` and r: the table is the same whatever the number of
    workers, and whichever replications were run before. Classes are put in the order of the population's
    before anything is averaged, and standard errors are those of the parameters in that order.

    Parameters
    ----------
    population : Model or Fit
        The model that data are drawn from; or a fit, for its model at its parameters.
    params : mapping of str to array, optional
        Its parameters on their natural scales, as :func:`bayesmix.simulate` takes them; those of the fit if left out.
    models : Model or mapping of str to Model, optional
        What is fitted to each data set, by name; the population's own model if left out.
    n, df, clusters, categories
        Individuals, covariates and cluster labels, clusters of equal size, categories of items, as
        :func:`bayesmix.simulate` takes them. `df` may be a function of a ``numpy.random.Generator``
        that draws the covariates of each replication anew.
    replications : int
        Data sets. More of them later, with the same folder, go on from those that are there.
    truth : mapping of str to mapping, optional
        By the name of a model: the values that its parameters are compared with. Left out, they are the
        population's where parameters (and tables of probabilities and the like) have the same name, dims
        and labels; others have none.
    estimator : {"ml", "nuts"}
        Maximum likelihood: estimates, standard errors and the intervals of :func:`bayesmix.compare`. NUTS:
        posterior means, SDs and 95% equal-tailed intervals.
    seed : int
        Everything random follows from it.
    folder : path, optional
        Where every finished replication is kept, at once. A study that was killed goes on from there; the
        folder of another study is refused.
    fit, sample : mapping, optional
        Settings of :func:`bayesmix.fit` and :func:`bayesmix.sample`, such as ``{"starts": 5}`` and
        ``{"draws": 500}``. The population's values are one of the starts where the model has no other
        parameters (``{"start": None}`` leaves them out). A fit has a ``"budget"`` of 0 unless one is given: with
        seconds to spare it would find more on a faster machine. Fits stay on NumPy unless a ``"mode"`` is given,
        and chains of one replication run one after the other unless ``"cores"`` are.
    executor : concurrent.futures.Executor, optional
        Where the replications run: processes (of this machine or a cluster's), or threads, which share one
        interpreter. Left out: here, or in processes when they would take long.
    progress : bool
        Show a bar with the time left (on a terminal). Ctrl-C keeps what is finished.

    Returns
    -------
    Study
        Printed, the tables; `summary()`, `bic()`, `replications`, `fits`, `failures`, `data(r)`.

    Raises
    ------
    ValueError, TypeError
        Settings, parameters or a folder that do not fit, before any replication is run.
    KeyboardInterrupt
        Interrupted before any replication was finished.

    Examples
    --------
    >>> studied = bm.study(fit, n=100, replications=2, fit=quick, progress=False)
    >>> len(studied.summary()) > 0
    True
    """
    population, solution = model_and_fit(population)
    _check(replications, seed, n, clusters, estimator)
    mappings = {"truth": truth, "fit": fit, "sample": sample, "categories": categories}
    _check_types(mappings, folder, executor)
    _check_settings(seed, estimator, fit or {}, sample or {})
    plan = Plan(
        population, _parameters(params, solution, population), _named(models, population),
        {k: _arrays(v) for k, v in (truth or {}).items()}, n,
        df if df is None or callable(df) else as_frame(df), clusters,
        _categories(solution) if categories is None else categories, estimator, seed, fit or {}, sample or {},
    )  # fmt: skip
    info = _described(plan, replications)
    kept = Folder(Path(folder)) if folder is not None else None
    if kept:
        kept.describe({"is": _identity(plan), "info": info})
    found = in_order(kept.records() if kept else (), info)
    there = {(r["replication"], r["model"]) for r in found}
    jobs = [(plan, r, name) for r in range(replications) for name in plan.models if (r, name) not in there]
    new = _finished(jobs, len(plan.models), executor, kept, progress, bool(found))
    return Study(in_order([*found, *new], info), info, plan)


def _finished(
    jobs: list[Job], kinds: int, executor: Executor | None, folder: Folder | None, progress: bool, some: bool
):
    """The jobs' records, each kept as soon as it is there; interrupted, those that are."""
    out: list[Record] = []
    try:
        with progress_bar(progress) as advance:
            tick = advance("fits", len(jobs))
            for record in run_all(replicate, jobs, executor, kinds):
                if folder:
                    folder.keep(record)
                out.append(record)
                tick()
    except KeyboardInterrupt:
        if not (out or some):
            raise
        again = "the same call goes on from here" if folder else "with folder= the next call would go on from here"
        warnings.warn(f"Interrupted: {len(jobs) - len(out)} fits are left out; {again}.", stacklevel=3)
    return out


# what came ----------------------------------------------------------------------------------------


def _check(replications, seed, n, clusters, estimator) -> None:
    sizes = [(name, x, 1) for name, x in (("n", n), ("clusters", clusters)) if x is not None]
    for name, value, least in (("replications", replications, 1), ("seed", seed, 0), *sizes):
        whole(name, value, least)
    one_of("The estimator", estimator, ("ml", "nuts"))


def _check_types(mappings: Mapping[str, Any], folder: Any, executor: Any) -> None:
    for name, value in mappings.items():
        if value is not None and not isinstance(value, Mapping):
            raise TypeError(f"{name} came as {value!r}, expected a mapping by name: give {name}={{...}}.")
    if folder is not None and not isinstance(folder, (str, Path)):
        raise TypeError(f"folder came as {folder!r}, expected a path: give text, or a pathlib.Path.")
    if executor is not None and not hasattr(executor, "submit"):
        raise TypeError(f"executor came as {executor!r}, expected a concurrent.futures.Executor: give one, or none.")


def _check_settings(seed, estimator, fit: Mapping, sample: Mapping) -> None:
    if sample and estimator == "ml":
        raise ValueError("sample= came with the estimator 'ml': give estimator='nuts', or leave it out.")
    known = [f.name for f in fields(Settings) if f.name not in OURS]
    if unknown := [k for k in fit if k not in known]:
        raise ValueError(f"fit= came with '{unknown[0]}': give some of {', '.join(known)}.")
    Settings(seed=seed, **fit)
    if ours := [k for k in sample if k in OURS_OF_CHAINS]:
        raise ValueError(f"sample= came with '{ours[0]}', which the study gives itself: leave it out.")
    if sample:
        from bayesmix.bayes import check_sampler

        check_sampler(sample.get("draws", 1000), sample.get("tune"), sample.get("chains", 4), seed)


def _arrays(values: Mapping[Any, Any]) -> dict[str, Any]:
    try:
        return {str(k): np.asarray(v, dtype=float) for k, v in values.items()}
    except (TypeError, ValueError) as error:
        raise ValueError(f"Parameters are arrays of numbers, and one came as something else: {error}") from None


def _parameters(params: object, solution: Fit | None, population: Model) -> dict[str, Any]:
    """Gather the parameters of `population`: `params`, or those of `solution`, as arrays by name."""
    if params is None and solution is not None:
        params = solution.params
    if isinstance(params, Fit):
        raise TypeError("params came as a fit beside its model: give the fit alone, bm.study(fit, n=...).")
    if not isinstance(params, Mapping):
        raise TypeError(
            f"params came as {type(params).__name__}, expected a fit, or values of the population's parameters by "
            "name: bm.study(fit, n=...), or bm.study(model, {...}, n=...)."
        )
    out, known = _arrays(dict(params)), [p.name for p in population.parameters]
    if unknown := [k for k in out if k not in known]:
        raise ValueError(f"A value came for '{unknown[0]}'; the population's parameters are {', '.join(known)}.")
    return out


def _categories(solution: Fit | None) -> dict[str, Sequence]:
    """Number the categories of each item of a fit; none without one."""
    return {} if solution is None else {k: range(len(v)) for k, v in solution.info.get("categories", {}).items()}


def _named(models: Model | Mapping[str, Model] | None, population: Model) -> dict[str, Model]:
    models = population if models is None else models
    named = {models.name: models} if isinstance(models, Model) else models
    out = dict(named) if isinstance(named, Mapping) else {}
    if not out or not all(isinstance(k, str) and isinstance(m, Model) for k, m in out.items()):
        raise TypeError("models= came as something else: give a model, or a mapping of names to models.")
    return out


def _described(plan: Plan, replications: int) -> dict[str, Any]:
    """What the listing says of the study; the first data set shows mistakes in sizes, parameters and models."""
    if unknown := [k for k in plan.truth if k not in plan.models]:
        raise ValueError(f"truth= came for '{unknown[0]}'; the models are {', '.join(plan.models)}.")
    if isinstance(plan.df, pd.DataFrame) and plan.n not in (None, len(plan.df)):
        raise ValueError(f"n came as {plan.n}, and df= has {len(plan.df)} rows: give one of them.")
    first = plan.data(0)
    for name in plan.models:
        _check_model(plan, name)
    cluster = plan.population.cluster
    return {
        "population": plan.population.name,
        "models": list(plan.models),
        "individuals": len(first),
        "clusters": int(first[cluster].nunique()) if cluster else None,
        "estimator": plan.estimator,
        "asked": int(replications),
        "seed": int(plan.seed),
    }


def _check_model(plan: Plan, name: str) -> None:
    """Whether the model and its true values fit one of a few data sets: one may lack a category by chance."""
    model, said = plan.models[name], ""
    for r in range(5):
        try:
            data = prepare(model, plan.data(r), nodes=plan.fit.get("nodes"))
        except (ValueError, TypeError) as error:
            said = said or str(error)
            continue
        shapes = {p.name: data.packing.shape(p) for p in model.parameters}
        for k, x in plan.truth.get(name, {}).items():
            if k not in shapes or shapes[k] != x.shape:
                expected = f"the shape {shapes[k]}" if k in shapes else f"one of {', '.join(shapes)}"
                raise ValueError(f"truth= of '{name}' came for '{k}' with the shape {x.shape}, expected {expected}.")
        return
    raise ValueError(f"The model '{name}' cannot be fitted to data of the population: {said}")


# what tells one study from another ----------------------------------------------------------------


def _identity(plan: Plan) -> dict[str, str]:
    """Fingerprint each part of `plan` that replications follow from.

    Not by joblib.hash: of pickles, it differs between versions of pandas, tuples and lists, and equal DataFrames.
    """
    frame = plan.df(np.random.default_rng(plan.seeds(0)[0])) if callable(plan.df) else plan.df
    parts = {
        "population": plan.population, "params": plan.params, "the names of the models": list(plan.models),
        "truth": plan.truth, "n": plan.n, "df": frame, "clusters": plan.clusters, "categories": plan.categories,
        "estimator": plan.estimator, "seed": int(plan.seed), "fit": plan.fit, "sample": plan.sample,
    }  # fmt: skip
    parts |= {f"the model '{k}'": m for k, m in plan.models.items()}
    return {k: hashlib.sha256(_text(v).encode()).hexdigest()[:16] for k, v in parts.items()}


def _text(value: Any) -> str:
    """Write `value` in words that are the same for equal values."""
    if isinstance(value, Fit):
        return _text({str(k): x.values for k, x in value.params.items()})
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {_text(v)}" for k, v in sorted(value.items())) + "}"
    if isinstance(value, pd.DataFrame):
        return value.to_csv()
    if isinstance(value, np.ndarray):
        return repr((value.shape, value.tolist()))
    if isinstance(value, (list, tuple, range)):
        return "[" + ", ".join(map(_text, value)) + "]"
    return repr(value)
