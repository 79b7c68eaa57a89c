"""Maximum likelihood: random starts in two stages, Newton at the end, standard errors, class enumeration.

Depends on functions, starts, posterior, labels, result and the floors beneath.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pandas as pd
import pytensor
import xarray as xr
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from scipy import optimize
from threadpoolctl import threadpool_limits

from bayesmix import functions, labels, posterior
from bayesmix.data import Data, prepare, texts
from bayesmix.quadrature import Nodes
from bayesmix.result import Fit, same_maximum
from bayesmix.solution import TINY
from bayesmix.spec import Model, parts, structure
from bayesmix.starts import Ranges, ranges, split_class

Array = NDArray[np.float64]
SHORT, LONG = 20, 3000
WORTH_COMPILING, WORTH_LOADING, WORTH_PROCESSES = 90.0, 6.0, 40.0
"""Seconds of remaining work from which a cold compile, a compile from the cache, and processes pay."""


@dataclass(frozen=True)
class Start:
    """One start: where it came from and how far it got."""

    seed: int
    theta: Array
    short: float = np.nan
    loglik: float = np.nan
    status: str = "not run"
    iterations: int = 0


@dataclass(frozen=True)
class _Task:
    data: Data
    limits: Ranges
    start: Start
    max_iterations: int
    mode: str | None


def _run(task: _Task) -> Start:
    """L-BFGS on exact gradients from one start. Never raises: a failure is a status."""
    evaluate, unit, origin = functions.bind("gradient", task.data, task.mode), task.limits.unit, task.start.theta
    best: list = [-np.inf, origin]

    def objective(step: Array) -> tuple[float, Array]:
        value, gradient = evaluate(origin + unit * step)
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            return np.inf, np.zeros_like(step)
        if value > best[0]:
            best[:] = float(value), origin + unit * step
        return -float(value), -gradient * unit

    options = {"maxiter": task.max_iterations, "maxfun": 3 * task.max_iterations + 20, "ftol": 1e-13, "gtol": 1e-7}
    try:
        with threadpool_limits(1), np.errstate(all="ignore"):
            out = optimize.minimize(objective, np.zeros_like(origin), jac=True, method="L-BFGS-B", options=options)
        failed = not np.isfinite(best[0])
        status = "failed: not finite" if failed else "converged" if out.success else "stopped"
        iterations = int(out.nit)
    except (FloatingPointError, np.linalg.LinAlgError, ValueError) as error:
        status, iterations = f"failed: {error}", 0
    long = task.max_iterations > SHORT
    return replace(
        task.start,
        theta=best[1],
        short=task.start.short if long else best[0],
        loglik=best[0] if long else np.nan,
        status=status if long or status.startswith("failed") else "short",
        iterations=task.start.iterations + iterations,
    )


def fit(
    model: Model,
    df: pd.DataFrame,
    *,
    starts: int = 20,
    finals: int = 5,
    rounds: int = 4,
    seed: int = 0,
    nodes: Nodes | None = None,
    start: Fit | Mapping[str, Any] | Sequence | None = None,
    standard_errors: Literal["robust", "hessian"] = "robust",
    mode: str | None = None,
    executor: Executor | None = None,
    progress: bool = True,
) -> Fit:
    """Estimate a model by maximum likelihood.

    Parameters
    ----------
    model : Model
        What a template returns.
    df : pandas.DataFrame
        One row an individual.
    starts, finals : int
        Random starts that are run for a few iterations, and how many of the best go on to
        convergence.
    rounds : int
        While the best log-likelihood has been reached only once, further rounds of `starts`.
    seed : int
        The starts and everything after follow from it.
    nodes : Nodes, optional
        How random effects are integrated.
    start : Fit, mapping or sequence of these, optional
        Further starts: natural parameters by name.
    standard_errors : {"robust", "hessian"}
        Sandwich from unit (cluster) scores, or inverse Hessian.
    mode : str, optional
        The PyTensor mode of the search ("NUMPY", "NUMBA", "C", "JAX"). Left out, it begins on NumPy,
        which needs no compiler, and turns to numba when the remaining work is worth a compilation.
        What comes once, at the end, is on NumPy always.
    executor : concurrent.futures.Executor, optional
        Where the starts run. Left out: here, or in processes when they would take long.
    progress : bool
        Show a bar with the time left (on a terminal).

    Returns
    -------
    Fit

    Raises
    ------
    ValueError, TypeError
        Bad data or settings, before any computation.
    RuntimeError
        Every start failed.
    KeyboardInterrupt
        Interrupted before any start was finished; later, the finished ones are kept.
    """
    _check_settings(starts, finals, rounds, seed, standard_errors)
    data = prepare(model, df, nodes=nodes)
    search = _Search(data, starts, finals, rounds, seed, mode, executor, progress, _given(start, data))
    found = search.run()
    return _finish(data, df, found, search, standard_errors, nodes)


def _check_settings(starts, finals, rounds, seed, standard_errors) -> None:
    for name, value, least in (("starts", starts, 1), ("finals", finals, 1), ("rounds", rounds, 1), ("seed", seed, 0)):
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name} came as {value!r}: give a whole number of at least {least}.")
    if standard_errors not in ("robust", "hessian"):
        raise ValueError(f"standard_errors came as {standard_errors!r}: give 'robust' or 'hessian'.")


def _given(start, data: Data) -> list[Array]:
    """Starts handed in, as points of theta."""
    if start is None:
        return []
    several = start if isinstance(start, Sequence) else [start]
    out = []
    for one in several:
        if isinstance(one, np.ndarray):
            out.append(one)
            continue
        values = one.params if isinstance(one, Fit) else one
        out.append(data.packing.pack({str(k): np.asarray(v) for k, v in values.items()}))
    return out


# the search ---------------------------------------------------------------------------------------


@dataclass
class _Search:
    """Random starts in two stages, in rounds until the best value is replicated."""

    data: Data
    n_starts: int
    n_finals: int
    rounds: int
    seed: int
    mode: str | None
    executor: Executor | None
    progress: bool
    given: list[Array]
    interrupted: bool = False
    seconds: float = 0.0
    limits: Ranges = field(init=False)

    def __post_init__(self) -> None:
        self.limits = ranges(self.data)

    def run(self) -> list[Start]:
        began = time.perf_counter()
        seeds = np.random.SeedSequence(self.seed).generate_state(self.n_starts * self.rounds).tolist()
        if all(c.size == 1 for c in self.data.model.classes) and not self.data.model.effects:
            self.n_starts, self.n_finals, self.rounds = 2, 2, 1
        done: list[Start] = []
        try:
            with self._bar() as advance:
                for r in range(self.rounds):
                    some = seeds[r * self.n_starts : (r + 1) * self.n_starts]
                    self._round(r, [Start(s, self.limits.draw(s)) for s in some], done, advance)
                    if _times_reached(done) >= 2:
                        break
        except KeyboardInterrupt:
            self.interrupted = True
            if not any(np.isfinite(s.short) or np.isfinite(s.loglik) for s in done):
                raise
            warnings.warn(f"Interrupted: going on with the {len(done)} starts that are finished.", stacklevel=4)
        self.seconds = time.perf_counter() - began
        return _ranked(done)

    def _round(self, r: int, new: list[Start], done: list[Start], advance: Callable) -> None:
        given = [Start(-1 - k, t) for k, t in enumerate(self.given)] if r == 0 else []
        todo = [*given, *new]
        short = list(self._each(todo, SHORT, done, advance("short runs", len(todo))))
        usable = [s for s in short if np.isfinite(s.short)]
        best = sorted(usable, key=lambda s: -s.short)[: self.n_finals]
        if r > 0 and usable:  # a new round competes with the best so far
            top = max((s.loglik for s in done if np.isfinite(s.loglik)), default=-np.inf)
            best = [s for s in best if s.short > top - 0.1 * abs(top)]
        for s in best:
            _remove(done, s)
        list(self._each(best, LONG, done, advance("to convergence", len(best))))

    def _each(self, todo: list[Start], iterations: int, done: list[Start], tick: Callable) -> Iterator[Start]:
        tasks = [_Task(self.data, self.limits, s, iterations, self.mode) for s in todo]
        try:
            for out in self._map(tasks):
                done.append(out)
                tick()
                yield out
        finally:
            finished = {s.seed for s in done}
            done.extend(s for s in todo if s.seed not in finished and np.isfinite(s.short))

    def _map(self, tasks: list[_Task]) -> Iterator[Start]:
        """Run the tasks: the first here, to time it; the rest where it pays."""
        if self.executor is None and tasks:
            if self.mode is None and functions.is_ready("gradient", self.data, "NUMBA"):
                self.mode, tasks = "NUMBA", [replace(t, mode="NUMBA") for t in tasks]
            functions.bind("gradient", self.data, self.mode)  # made before the clock starts
            began = time.perf_counter()
            yield _run(tasks[0])
            last, tasks = time.perf_counter() - began, tasks[1:]
            left = last * (len(tasks) + (8 * self.n_finals if tasks and tasks[0].max_iterations == SHORT else 0))
            if self.mode is None and (chosen := choose_mode(self.data, left)) is not None:
                self.mode, left = chosen, left / 10
                tasks = [replace(t, mode=chosen) for t in tasks]
            if left > WORTH_PROCESSES and len(tasks) > 1:
                self.executor = _processes()
        if self.executor is None:
            yield from map(_run, tasks)
            return
        futures = [self.executor.submit(_run, t) for t in tasks]
        try:
            for f in as_completed(futures):
                yield f.result()
        finally:
            for f in futures:
                f.cancel()

    @contextmanager
    def _bar(self):
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        console = Console(stderr=True)
        with Progress(
            *columns, console=console, transient=True, disable=not (self.progress and console.is_terminal)
        ) as bar:

            def advance(what: str, total: int) -> Callable:
                task = bar.add_task(what, total=total)
                return lambda: bar.advance(task)

            yield advance


def _remove(done: list[Start], s: Start) -> None:
    done[:] = [d for d in done if d.seed != s.seed]


def _times_reached(done: list[Start]) -> int:
    finals = [s.loglik for s in done if np.isfinite(s.loglik)]
    return sum(same_maximum(v, max(finals)) for v in finals)


def _ranked(done: list[Start]) -> list[Start]:
    return sorted(done, key=lambda s: (-np.nan_to_num(s.loglik, nan=-np.inf), -np.nan_to_num(s.short, nan=-np.inf)))


def _processes() -> Executor:
    from loky import get_reusable_executor

    return get_reusable_executor(timeout=300)


def _marker(data: Data) -> Path:
    """A file that says numba has compiled this graph before, so that its cache is warm."""
    what = repr((structure(data.model), data.signature, pytensor.__version__, platform.python_version()))
    return Path(pytensor.config.compiledir) / "bayesmix" / hashlib.sha256(what.encode()).hexdigest()[:24]


def choose_mode(data: Data, seconds: float) -> str | None:
    """Numba where the remaining work (`seconds` on NumPy) is worth a compilation, else None."""
    marker = _marker(data)
    if seconds < (WORTH_LOADING if marker.exists() else WORTH_COMPILING):
        return None
    functions.bind("gradient", data, "NUMBA")(ranges(data).center)
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()
    return "NUMBA"


# the end of a fit ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Curvature:
    """Second-order quantities at a point: information matrix and unit scores."""

    information: Array
    scores: Array
    weight: Array
    gradient: Array
    unit: Array

    @property
    def spectrum(self) -> tuple[Array, Array]:
        """Eigenvalues and vectors of the information matrix in the natural units of the parameters."""
        values, vectors = np.linalg.eigh(self.information * np.outer(self.unit, self.unit))
        return values, vectors * self.unit[:, None]


def curvature(data: Data, theta: Array, mode: str | None = None) -> Curvature:
    """The exact Hessian and the scores of every unit, a column a call of one compiled function."""
    columns = functions.bind("curvature", data, mode)
    hessian, scores = [], []
    with threadpool_limits(1):
        for direction in np.eye(len(theta)):
            h, s = columns(theta, direction)
            hessian.append(h)
            scores.append(s)
        _, gradient = functions.bind("gradient", data, mode)(theta)
    information = -np.array(hessian).reshape(len(theta), len(theta))
    symmetric = (information + information.T) / 2
    unit = ranges(data).unit
    return Curvature(symmetric, np.array(scores).T, data.arrays["weight"].values, gradient, unit)


FLAT = 1e-5
"""Information below which a direction is flat: a standard error of over 300 natural units."""
EDGE = 20.0
"""Where a logit that runs to infinity is left: a probability of 2e-9."""


def newton(data: Data, theta: Array, mode: str | None = None, iterations: int = 20) -> tuple[Array, float, Curvature]:
    """Newton's method along the directions in which the log-likelihood is curved."""
    evaluate = functions.bind("gradient", data, mode)
    value = float(evaluate(theta)[0])
    for _ in range(iterations):
        c = curvature(data, theta, mode)
        values, vectors = c.spectrum
        keep = values > 1e-3 * FLAT
        step = vectors[:, keep] @ ((vectors[:, keep].T @ c.gradient) / values[keep])
        gain = float(c.gradient @ step) / 2
        longest = np.abs(step).max(initial=0.0)
        step *= min(1.0, 5.0 / longest) if longest > 0 else 0.0
        for shrink in (1.0, 0.5, 0.25, 0.05):
            new = float(evaluate(theta + shrink * step)[0])
            if new > value:
                theta, gained, value = theta + shrink * step, new - value, new
                break
        else:
            return theta, value, c
        if gain < 1e-10 and gained < 1e-9:
            break
    return theta, value, curvature(data, theta, mode)


def covariances(c: Curvature) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Robust and Hessian covariance of theta, and which entries lie in a flat direction (a boundary)."""
    values, vectors = c.spectrum
    keep = values > FLAT
    inverse = (vectors[:, keep] / values[keep]) @ vectors[:, keep].T
    meat = (c.scores * c.weight[:, None]).T @ c.scores
    flat = vectors[:, ~keep]
    size = np.abs(flat) / c.unit[:, None]
    boundary = (size > 0.1).any(axis=1) if flat.size else np.zeros(len(values), dtype=bool)
    return inverse @ meat @ inverse, inverse, boundary


def _finish(data: Data, df, found: list[Start], search: _Search, standard_errors: str, nodes) -> Fit:
    usable = [s for s in found if np.isfinite(s.loglik) or np.isfinite(s.short)]
    if not usable:
        raise RuntimeError(
            f"All {len(found)} starts failed ({found[0].status if found else 'none ran'}): check the scale of the "
            "covariates, or take fewer classes."
        )
    mode = None  # a handful of calls: not worth a compilation
    theta, value, c = newton(data, usable[0].theta, mode)
    theta, value, c = _at_edges(data, *_in_order(data, theta, value, c, mode), mode)
    robust, inverse, boundary = covariances(c)
    chosen = robust if standard_errors == "robust" else inverse
    natural, probability = posterior.derive(data, theta, mode)
    finals = [s for s in found if np.isfinite(s.loglik)]
    if finals and same_maximum(value, finals[0].loglik):
        found = [replace(s, loglik=value) if s is finals[0] else s for s in found]
    eigen = c.spectrum[0]
    quality = {
        "condition": float(eigen[0] / eigen[-1]) if len(eigen) else 1.0,
        "gradient": float(np.abs(c.gradient).max(initial=0.0)),
        "scaling": float(np.trace(robust @ c.information) / max(int((~boundary).sum()), 1)),
        "boundary": [n for n, b in zip(data.packing.names(), boundary, strict=True) if b],
        "equal_solutions": _distinct(data, found, value),
        "interrupted": search.interrupted,
    } | _audit(data, df, theta, value, nodes, mode)
    names = [p.name for p in data.model.parameters]
    shown = _existing(probability.dataset(), data)
    free = xr.Dataset({n: natural.values[n].copy(data=data.packing.index[n] >= 0) for n in names})
    out = Fit(
        params=natural.dataset()[names],
        se=_blank(natural.standard_errors(chosen), free, boundary, data)[names],
        se_hessian=_blank(natural.standard_errors(inverse), free, boundary, data)[names],
        probabilities=shown,
        probabilities_se=_inside(shown, probability.standard_errors(chosen)),
        loglik=value,
        n_parameters=data.packing.size,
        n_individuals=data.n_individuals,
        n_clusters=data.n_clusters,
        starts=_starts_table(found),
        classes=_class_table(data, df, theta, nodes, mode),
        effect_scores=_effect_table(data, theta, mode),
        free=free,
        quality=quality,
        info=_info(data, search, standard_errors),
    )
    _warn(out)
    return out


def _at_edges(data: Data, theta: Array, value: float, c: Curvature, mode) -> tuple[Array, float, Curvature]:
    """Logits on their way to infinity are left at +-EDGE, if that costs nothing."""
    limits = ranges(data)
    away = (theta - limits.center) / limits.unit
    trial = np.where(np.abs(away) > EDGE, limits.center + limits.unit * np.sign(away) * EDGE, theta)
    if (trial == theta).all():
        return theta, value, c
    again = float(functions.bind("total", data, mode)(trial))
    return (trial, again, curvature(data, trial, mode)) if again > value - 1e-5 else (theta, value, c)


def _in_order(data: Data, theta: Array, value: float, c: Curvature, mode) -> tuple[Array, float, Curvature]:
    """Classes by size, largest first, where the model allows any order."""
    moved = theta
    for dims in labels.groups(data.model):
        made = functions.evaluate(data, moved, mode)
        probability = posterior.probabilities(data, made)[0]
        sizes = next((probability[f"{d}_probability"].values for d in dims if f"{d}_probability" in probability), None)
        if sizes is None or sizes.ndim != 1:
            continue
        natural = {p.name: made[p.name].values for p in data.model.parameters}
        order = np.argsort(-sizes, kind="stable")
        trial = data.packing.pack(labels.permute(data.model, natural, dims, order))
        if abs(float(functions.bind("total", data, mode)(trial)) - value) < 1e-6:
            moved = trial
    return (theta, value, c) if moved is theta else (moved, value, curvature(data, moved, mode))


def _distinct(data: Data, found: list[Start], value: float) -> int:
    """How many different solutions share the best log-likelihood, the order of the classes apart."""
    kept: list[Mapping] = []
    for s in found:
        if same_maximum(s.loglik, value):
            made = functions.evaluate(data, s.theta)
            tables = {k: np.exp(x.values) for k, x in made.items() if k.startswith("response:")}
            if not any(_same(data, tables, other, made) for other in kept):
                kept.append(tables)
    return len(kept)


def _same(data: Data, a: Mapping[str, Array], b: Mapping[str, Array], made) -> bool:
    """Whether two solutions have the same response distributions up to the order of the classes."""
    names = {c.name for c in data.model.classes}
    for key, x in a.items():
        axes = [i for i, d in enumerate(made[key].dims) if d in names]
        if len(axes) != 1 or not np.isfinite(x).all():
            continue
        p, q = (np.moveaxis(t, axes[0], 0).reshape(t.shape[axes[0]], -1) for t in (x, b[key]))
        gap = np.abs(p[:, None, :] - q[None, :, :]).max(axis=-1)
        row, column = optimize.linear_sum_assignment(gap)
        if gap[row, column].max() > 0.02:
            return False
    return True


def _audit(data: Data, df, theta: Array, value: float, nodes, mode) -> dict[str, Any]:
    """The log-likelihood again with finer nodes."""
    if not data.nodes:
        return {}
    method = next(iter(data.nodes.values()))
    finer = prepare(data.model, df, nodes=method.finer())
    again = float(functions.bind("total", finer, mode)(theta))
    return {"nodes": str(method), "audit_nodes": str(method.finer()), "audit": again - value}


def _blank(se: xr.Dataset, free: xr.Dataset, boundary, data: Data) -> xr.Dataset:
    """No standard error for what is fixed or at a boundary."""
    out = {}
    for name, i in data.packing.index.items():
        at_edge = np.where(i >= 0, np.append(boundary, False)[i], False)
        out[name] = se[name].where(free[name] & ~xr.DataArray(at_edge, dims=se[name].dims))
    return xr.Dataset(out)


def _inside(p: xr.Dataset, se: xr.Dataset) -> xr.Dataset:
    """No standard error for a probability of 0 or 1."""
    return se.where((p > TINY) & (p < 1 - TINY))


def _existing(ds: xr.Dataset, data: Data) -> xr.Dataset:
    """Categories that an item does not have are missing, not zero."""
    out = ds
    for r in data.model.responses:
        for name in ds.data_vars:
            if r.item_dim in ds[name].dims and r.category_dim in ds[name].dims:
                n = xr.DataArray([len(data.categories[i]) for i in r.items], dims=r.item_dim)
                position = xr.DataArray(np.arange(ds.sizes[r.category_dim]), dims=r.category_dim)
                out = out.assign({name: ds[name].where(position < n)})
    return out


def _class_table(data: Data, df, theta: Array, nodes, mode) -> xr.Dataset:
    single = data if not data.model.two_level else prepare(data.model, df, nodes=nodes, collapse=False)
    out = {}
    for name, p in posterior.class_posteriors(single, theta, mode).items():
        level = next(c.level for c in data.model.classes if c.name == name)
        values = p if level == "cluster" else np.where((single.pattern_of >= 0)[:, None], p[single.pattern_of], np.nan)
        out[f"{name}_posterior"] = xr.DataArray(values, dims=("row" if level == "individual" else "cluster", name))
    ds = xr.Dataset(out)
    if "row" in ds.dims:
        freq = df[data.model.freq].to_numpy(dtype=float) if data.model.freq else np.ones(len(df))
        ds = ds.assign_coords(row=_flat_index(df.index), weight=("row", freq))
    if data.clusters is not None and "cluster" in ds.dims:
        ds = ds.assign_coords(cluster=data.clusters)
    return ds.assign_coords({c.name: data.coords[c.name] for c in data.model.classes if c.name in ds.dims})


def _flat_index(index: pd.Index) -> np.ndarray:
    return index.map(str).to_numpy() if isinstance(index, pd.MultiIndex) else index.to_numpy()


def _effect_table(data: Data, theta: Array, mode) -> xr.Dataset:
    out = {}
    for name, (mean, sd) in posterior.effect_posteriors(data, theta, mode).items():
        level = next(e.level for e in data.model.effects if e.name == name)
        rows = data.pattern_of if level == "individual" else None
        dim = "row" if level == "individual" else "cluster"
        for key, x in ((name, mean), (f"{name}_sd", sd)):
            values = x if rows is None else np.where(rows >= 0, x[rows], np.nan)
            out[key] = (dim, values)
    ds = xr.Dataset(out)
    return ds.assign_coords(cluster=data.clusters) if "cluster" in ds.dims else ds


def _starts_table(found: list[Start]) -> pd.DataFrame:
    rows = [(s.seed, s.short, s.loglik, s.iterations, s.status) for s in found]
    return pd.DataFrame(rows, columns=["seed", "short", "loglik", "iterations", "status"])


def _info(data: Data, search: _Search, standard_errors: str) -> dict[str, Any]:
    model = data.model
    versions = {k: importlib.metadata.version(k) for k in ("pytensor", "numpy", "scipy", "pandas", "xarray")}
    return {
        "model": model.name,
        "items": list(model.items),
        "classes": {c.name: c.size for c in model.classes},
        "covariates": {c.name: c.formula for c in model.covariates},
        "families": {r.name: str(r.family) for r in model.responses},
        "parts": parts(model),
        "cluster": model.cluster,
        "freq": model.freq,
        "categories": texts(data.categories),
        "n_rows": len(data.pattern_of),
        "n_left_out": data.n_left_out,
        "n_patterns": len(data.counts),
        "n_missing_patterns": data.n_missing_patterns,
        "starts": search.n_starts,
        "finals": search.n_finals,
        "rounds": search.rounds,
        "seed": search.seed,
        "standard_errors": standard_errors,
        "mode": search.mode or "NUMPY",
        "nodes": {k: str(v) for k, v in data.nodes.items()},
        "seconds": round(search.seconds, 3),
        "versions": versions | {"python": platform.python_version()},
    }


def _warn(out: Fit) -> None:
    level = 4
    if out.replicated < 2 and not out.quality["interrupted"]:
        warnings.warn(
            f"The best log-likelihood ({out.loglik:.3f}) was reached by one start only, of "
            f"{len(out.starts)}: it may be a local maximum. Ask for more starts (starts=, rounds=).",
            stacklevel=level,
        )
    if out.quality["equal_solutions"] > 1:
        warnings.warn(
            f"{out.quality['equal_solutions']} different solutions have the same best log-likelihood: the model is "
            "not identified by these data; simplify it.",
            stacklevel=level,
        )


# enumeration --------------------------------------------------------------------------------------


def enumerate_classes(
    model: Model, df: pd.DataFrame, classes: Sequence[int], *, name: str | None = None, **settings
) -> Enumeration:
    """Fit a model with several numbers of classes and lay the fits side by side.

    Parameters
    ----------
    model : Model
        With any number of classes; the number is replaced.
    df : pandas.DataFrame
        The data.
    classes : sequence of int
        Numbers of classes, e.g. ``range(1, 6)``. Each is also started from the solution before.
    name : str, optional
        The class variable to vary; the first one if left out.
    **settings
        Passed to :func:`fit`.

    Returns
    -------
    Enumeration
        `table` and `fits`. Interrupted, it holds the fits that are finished.
    """
    numbers = list(classes)
    if not numbers:
        raise ValueError("No numbers of classes came: give e.g. classes=range(1, 6).")
    name = name or model.classes[0].name
    fits: dict[int, Fit] = {}
    for k in numbers:
        wanted = with_classes(model, name, k)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                extra = _from_simpler(wanted, df, name, fits.get(k - 1), settings)
                fits[k] = fit(wanted, df, start=extra, **settings)
        except KeyboardInterrupt:
            if not fits:
                raise
            warnings.warn(f"Interrupted at {k} classes: the finished fits are kept.", stacklevel=2)
            break
        if fits[k].quality["interrupted"]:
            break
    return Enumeration(fits)


def with_classes(model: Model, name: str, size: int) -> Model:
    """The model with another number of classes of the variable `name`."""
    if name not in [c.name for c in model.classes]:
        raise ValueError(f"No class variable '{name}'; there are {', '.join(c.name for c in model.classes) or 'none'}.")
    return replace(model, classes=tuple(replace(c, size=size) if c.name == name else c for c in model.classes))


def _from_simpler(model: Model, df, name: str, simpler: Fit | None, settings) -> list[Array]:
    if simpler is None:
        return []
    data = prepare(model, df, nodes=settings.get("nodes"))
    values = {str(k): v.values for k, v in simpler.params.items()}
    size = simpler.params.sizes[name]
    return [split_class(values, data, name, k, settings.get("seed", 0) + k) for k in range(size)]


@dataclass(frozen=True)
class Enumeration:
    """Fits with different numbers of classes.

    Attributes
    ----------
    fits : dict of int to Fit
    """

    fits: Mapping[int, Fit]

    @property
    def table(self) -> pd.DataFrame:
        """Log-likelihood, parameters, AIC, BIC, adjusted BIC, entropy, smallest class, replications."""
        rows = {
            k: {
                "loglik": f.loglik,
                "parameters": f.n_parameters,
                "AIC": f.aic,
                "BIC": f.bic,
                "aBIC": f.adjusted_bic,
                "entropy": f.entropy,
                "smallest class": float(f.class_counts()["model %"].min()),
                "replicated": f.replicated,
            }
            for k, f in self.fits.items()
        }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("classes")

    @property
    def best(self) -> Fit:
        """The fit with the smallest BIC."""
        return self.fits[int(cast(int, self.table["BIC"].idxmin()))]

    def __getitem__(self, classes: int) -> Fit:
        return self.fits[classes]

    def __repr__(self) -> str:
        return self.table.round(3).to_string()

    def _repr_html_(self) -> str:
        return self.table.round(3).to_html()
