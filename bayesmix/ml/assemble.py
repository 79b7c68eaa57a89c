"""From a maximum to a :class:`~bayesmix.results.fit.Fit`: errors, tables, what the search says of itself."""

from __future__ import annotations

import importlib.metadata
import platform
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from typing import Any, cast

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmix.data import texts
from bayesmix.data.identity import identity
from bayesmix.graph import ROUGH, Derived, LogLikelihood, Problem, at_rest, audit_words, posterior
from bayesmix.ml.newton import at_zero, covariances
from bayesmix.ml.objective import Target
from bayesmix.ml.polish import Optimum, newton_at_fixed_nodes, resolve_boundaries
from bayesmix.ml.random_logits import alone
from bayesmix.ml.replicates import replicate
from bayesmix.ml.same_solution import same_solution
from bayesmix.ml.search import (
    Search,
    Start,
    collapsed,
    ends,
    ranked,
    sound,
    unseen_share,
)
from bayesmix.ml.settings import Settings
from bayesmix.ml.starts import ranges
from bayesmix.parallel import Steps, one_blas_thread
from bayesmix.results import (
    TABLES,
    Errors,
    Estimates,
    Fit,
    Pending,
    class_table,
    effect_table,
    entries,
    same_maximum,
    uncertainty_table,
    unmerged,
)
from bayesmix.spec import TINY
from bayesmix.typing import Array

DOUBTFUL = 0.5
"""An estimated share of unseen ends that is said."""
MOST_SOLUTIONS, ALIKE = 12, 0.05
"""So many different solutions are kept; they are compared where their log-likelihoods differ by no more."""
LARGE_LOGIT_SD = 8.0
"""An SD of class logits at which classes hardly vary within a cluster: an ICC of 0.95."""


def assemble(top: Optimum, found: list[Start], search: Search, audit: Mapping, steps: Steps) -> Fit:
    """The Fit of a maximum: a step that fails costs what it would have made, never the solution."""
    data, theta, value = top.data, top.theta, top.value
    errors = steps.run("standard errors", partial(_errors, top, search.settings)) or _no_errors(len(theta))
    chosen = errors.robust if search.settings.chosen_errors == "robust" else errors.inverse
    found = steps.run("the ends of other starts", partial(_with_ends, top, found), found)
    other = steps.run("a comparison of the solutions", partial(_distinct, data, found), found[:1])
    quality = {
        **errors.quality,
        "equal_solutions": max(sum(same_maximum(s.loglik, value) for s in other), 1),
        "interrupted": search.interrupted,
        **_of_search(found),
        **audit,
    }
    made = _Tables(data, theta, chosen, errors, steps)
    out = Fit(
        model=data.model,
        params=posterior.parameters_alone(data, theta).dataset(),
        loglik=value if not data.priors else _unpenalised(data, theta),
        n_parameters=data.packing.size,
        n_individuals=data.n_individuals,
        n_clusters=data.n_clusters,
        starts=_starts_table(found),
        quality=quality | {"failed": steps.lost},
        info=_info(data, search, errors.replicates),
        solutions=steps.run("other solutions", partial(_solutions, data, other), xr.Dataset()),
        **cast(Any, {k: Pending(getattr(made, k)) for k in TABLES}),
    )
    _warn(out)
    return out


@dataclass(frozen=True)
class _Tables:
    """What follows from a maximum, a method a table of the fit. What cannot be made is said, and costs nothing else."""

    data: Target
    theta: Array
    chosen: Array
    errors: _Errors
    steps: Steps

    def se(self) -> xr.Dataset:
        return self._of_parameters(self.chosen)

    def se_hessian(self) -> xr.Dataset:
        return self._of_parameters(self.errors.inverse)

    def probabilities(self) -> xr.Dataset:
        return _existing(self._derived[1].dataset(), self.data)

    def probabilities_se(self) -> xr.Dataset:
        shown = self.probabilities()
        return _inside(shown, self._derived[1].standard_errors(self.chosen))

    def derived(self) -> xr.Dataset:
        return self._derived[2].dataset()

    def derived_se(self) -> xr.Dataset:
        return _moving(self._derived[2].standard_errors(self.chosen))

    def free(self) -> xr.Dataset:
        natural = posterior.parameters_alone(self.data, self.theta).values
        return xr.Dataset({n: x.copy(data=self.data.packing.estimated[n]) for n, x in natural.items()})

    def classes(self) -> xr.Dataset:
        return self._run("class probabilities", lambda: class_table(self._still, self.theta), xr.Dataset())

    def effect_scores(self) -> xr.Dataset:
        made = partial(effect_table, self._still, self.theta)
        return self._run("random effects and factor scores", made, xr.Dataset())

    def uncertainty(self) -> xr.Dataset:
        parts = [(d.values, d.slopes) for d in self._derived]
        both: dict[Errors, Array] = {"robust": self.errors.robust, "hessian": self.errors.inverse}
        names = [""] * len(self.theta)
        for name, x in self._derived[0].values.items():
            at = self.data.packing.index[name].ravel()
            for label, k in reversed([*zip(entries(name, x), at, strict=True)]):  # the first of equal ones stays
                names[k] = label if k >= 0 else names[k]
        return uncertainty_table(parts, both, self.errors.boundary, names)

    def _of_parameters(self, covariance: Array) -> xr.Dataset:
        names = [p.name for p in self.data.model.parameters]
        se = self._derived[0].standard_errors(covariance)
        return _blank(se, self.free(), self.errors.boundary, self.data)[names]

    @cached_property
    def _derived(self) -> tuple[Derived, Derived, Derived]:
        made = partial(posterior.derive, self.data, self.theta)
        alone = posterior.parameters_alone(self.data, self.theta), Derived({}, {}), Derived({}, {})
        return self._run("probabilities and what follows from the parameters", made, alone)

    @cached_property
    def _still(self) -> Problem:
        """The data with nodes at rest, no pattern of them over several clusters."""
        return self._run("nodes at rest", lambda: at_rest(unmerged(self.data), self.theta), self.data)

    def _run(self, what: str, step: Callable[[], Any], default: Any) -> Any:
        before = len(self.steps.lost)
        with one_blas_thread():
            out = self.steps.attempt(what, step, default)
        if len(self.steps.lost) > before:
            why = self.steps.lost[what]
            warnings.warn(f"The solution is kept, but this could not be made of it: {what} ({why}).", stacklevel=5)
        return out


@dataclass(frozen=True)
class _Errors:
    """Covariance matrices of theta, which entries have no error, and what they say of the maximum."""

    robust: Array
    inverse: Array
    boundary: NDArray[np.bool_]
    quality: Mapping[str, Any]
    replicates: Mapping[str, int] | None = None


def _errors(top: Optimum, settings: Settings) -> _Errors:
    c = top.curvature
    robust, inverse, boundary = covariances(c)
    sampling, found = top.data.rows.sampling, None
    if sampling is not None and len(sampling.replicates):
        try:
            found = replicate(top.data, top.theta, settings.executor, settings.progress)
        except KeyboardInterrupt:
            raise RuntimeError("interrupted before two replicates were finished") from None
        robust = found.covariance(top.theta, sampling.said)
    boundary |= at_zero(top.data, top.theta)
    eigen = c.spectrum[0]
    quality = {
        "condition": float(eigen[0] / eigen[-1]) if len(eigen) else 1.0,
        "gradient": float(np.abs(c.gradient).max(initial=0.0)),
        "decrement": float(c.gradient @ inverse @ c.gradient),
        "scaling": float(np.trace(robust @ c.information) / max(int((~boundary).sum()), 1)),
        "boundary": [n for n, b in zip(top.data.packing.names(), boundary, strict=True) if b],
    }
    ends = None if found is None else {"failed": found.failed, "missing": found.missing}
    return _Errors(robust, inverse, boundary, quality, ends)


def _no_errors(n: int) -> _Errors:
    """Where there are no standard errors."""
    unknown = np.full((n, n), np.nan)
    quality = dict.fromkeys(("condition", "gradient", "decrement", "scaling"), float("nan")) | {"boundary": []}
    return _Errors(unknown, unknown, np.zeros(n, dtype=bool), quality)


def _of_search(found: list[Start]) -> dict[str, Any]:
    """How much of what there is to find was found: different ends, the best one's share, collapsed starts."""
    finals, times = [s for s in found if np.isfinite(s.loglik)], ends(found)
    return {
        "ends": len(times),
        "reached": times[0] if times else 0,
        "counted": sum(times),
        "unseen": unseen_share(found),
        "collapsed": sum(bool(s.collapsed) for s in finals),
        "unfinished": sum(s.status == "unfinished" for s in finals),
    }


def _unpenalised(data: Target, theta: Array) -> float:
    """The log-likelihood without the priors."""
    return float(LogLikelihood(data).value(theta))


def _with_ends(top: Optimum, found: list[Start]) -> list[Start]:
    """The best start with the value at its end; those that agreed with it with theirs, where that set them apart."""
    finals = sound(found)
    if not finals or not same_maximum(top.value, finals[0].loglik):
        return found
    moved = {id(finals[0]): at_end(top.data, finals[0], top)}
    agreed = [s for s in finals[1:] if same_maximum(s.loglik, finals[0].loglik)]
    for s in [s for s in agreed if not same_maximum(s.loglik, top.value)][:4]:
        moved[id(s)] = at_end(top.data, s, resolve_boundaries(newton_at_fixed_nodes(top.data, s.theta)))
    return ranked([moved.get(id(s), s) for s in found])


def _distinct(data: Target, found: list[Start]) -> list[Start]:
    """The best of the different solutions among the ends, the order of the classes apart."""
    kept: list[Start] = []
    for s in sound(found):
        near = [k for k in kept if abs(k.loglik - s.loglik) < ALIKE]
        if len(kept) < MOST_SOLUTIONS and not any(same_solution(data, s.theta, k.theta) for k in near):
            kept.append(s)
    return kept if data.model.classes or data.model.has_random_effects else kept[:1]


def _solutions(data: Problem, kept: list[Start]) -> xr.Dataset:
    """Natural parameters and log-likelihoods of the different solutions, over the dim `solution`."""
    if not kept:
        return xr.Dataset()
    values = data.natural(np.array([s.theta for s in kept]))
    out = {p.name: (("solution", *p.dims), values[p.name]) for p in data.model.parameters}
    coords = {d: list(data.coords[d]) for p in data.model.parameters for d in p.dims}
    return xr.Dataset(out | {"loglik": ("solution", [s.loglik for s in kept])}, coords=coords)


def _blank(se: xr.Dataset, free: xr.Dataset, boundary, data: Problem) -> xr.Dataset:
    """No standard error for what is fixed or at a boundary."""
    out = {}
    for name, i in data.packing.index.items():
        at_edge = np.where(i >= 0, np.append(boundary, False)[i], False)
        if name in data.packing.weights:  # what follows from an entry without an error has none
            at_edge |= (data.packing.weights[name][boundary] != 0).any(axis=0).reshape(i.shape)
        out[name] = se[name].where(free[name] & ~xr.DataArray(at_edge, dims=se[name].dims))
    return xr.Dataset(out)


def _inside(p: xr.Dataset, se: xr.Dataset) -> xr.Dataset:
    """No standard error for a probability of 0 or 1."""
    return se.where((p > TINY) & (p < 1 - TINY))


def _moving(se: xr.Dataset) -> xr.Dataset:
    """No standard error for what does not move with any parameter: a reference class, an SD at its boundary."""
    return se.where(se > 1e-12)


def _existing(ds: xr.Dataset, data: Problem) -> xr.Dataset:
    """Categories that an item does not have are missing, not zero."""
    out = ds
    for r in data.model.responses:
        for name in ds.data_vars:
            if r.item_dim in ds[name].dims and r.category_dim in ds[name].dims:
                n = xr.DataArray([len(data.categories[i]) for i in r.items], dims=r.item_dim)
                position = xr.DataArray(np.arange(ds.sizes[r.category_dim]), dims=r.category_dim)
                out = out.assign({name: ds[name].where(position < n)})
    return out


def _starts_table(found: list[Start]) -> pd.DataFrame:
    rows = [(s.seed, s.short, s.loglik, s.iterations, s.status, s.origin) for s in found]
    return pd.DataFrame(rows, columns=["seed", "short", "loglik", "iterations", "status", "origin"])


def _info(data: Target, search: Search, replicates: Mapping[str, int] | None) -> dict[str, Any]:
    model, sampling = data.model, data.rows.sampling
    design = {} if sampling is None else {"survey": {**sampling.said, **(replicates or {})}}
    return {
        "model": model.name,
        "items": list(model.items),
        "classes": {c.name: c.size for c in model.classes},
        "covariates": {c.key: c.formula for c in model.covariates},
        **({"normal_covariates": data.rows.missing_normal_covariates} if model.normal_covariates else {}),
        "families": {r.name: str(r.family) for r in model.responses},
        "identity": identity(data),
        "cluster": model.cluster,
        "freq": model.freq,
        **design,
        "categories": texts(data.categories),
        "coding": data.coding.plain(),
        "n_rows": len(data.pattern_of),
        "n_left_out": data.n_left_out,
        "n_patterns": int((data.counts > 0).sum()),
        "n_missing_patterns": data.n_missing_patterns,
        "starts": search.n_starts,
        "finals": search.n_finals,
        "rounds": search.rounds,
        "seed": search.settings.seed,
        "budget": float(search.settings.budget),
        "smallest_sd": float(data.smallest_sd),
        "standard_errors": search.settings.chosen_errors,
        "priors": {k: str(p) for k, p in data.priors.items()},
        "mode": search.mode or "NUMPY",
        "nodes": {k: str(v) for k, v in data.nodes.items()},
        "seconds": round(search.seconds, 3),
        "versions": dict(_versions()),
    }


@cache
def _versions() -> tuple[tuple[str, str], ...]:
    """Of what a fit was made with."""
    used = {k: importlib.metadata.version(k) for k in ("pytensor", "numpy", "scipy", "pandas", "xarray")}
    return (*used.items(), ("python", platform.python_version()))


def _of_starts(out: Fit) -> list[str]:
    """What a user should know of the search."""
    q, said = out.quality, []
    if out.collapsed:
        gone = out.starts["status"].str.removeprefix("collapsed: ").iloc[0]
        return [
            f"Every start collapsed: {gone} has run down to its floor, where a class of a few equal answers has a "
            f"density as high as the floor lets it, and the log-likelihood means nothing. Take {_common(out)}, fewer "
            "classes, or more starts (starts=, budget=)."
        ]
    if q["reached"] < 2 and q["collapsed"] > 0.5 * len(out.starts) and not q["interrupted"]:
        said.append(
            f"The best log-likelihood ({out.loglik:.3f}) was reached by one start only; {q['collapsed']} of "
            f"{len(out.starts)} collapsed: a class of a few equal answers drew them to the floor of a residual SD. "
            f"Take {_common(out)} or fewer classes, or ask for more starts (starts=, budget=)."
        )
    elif q["reached"] < 2 and not q["interrupted"]:
        said.append(
            f"The best log-likelihood ({out.loglik:.3f}) was reached by one start only, of "
            f"{len(out.starts)}: it may be a local maximum. Ask for more starts (starts=, rounds=, budget=)."
        )
    elif q["unseen"] > DOUBTFUL and not q["interrupted"]:
        said.append(
            f"The best log-likelihood ({out.loglik:.3f}) was reached {q['reached']} times, but of {q['counted']} ends "
            f"{q['ends']} were different, and an estimated {q['unseen']:.0%} of all starts would end where none has "
            "ended yet: it may be a local maximum. Ask for more starts (starts=, rounds=, budget=)."
        )
    return said


def _common(fit: Fit) -> str:
    """What keeps classes from collapsing, in the words of a declaration."""
    return "covariance='equal'" if any(r.family.joint for r in fit.model.responses) else "variance='equal'"


def doubts(fit: Fit) -> list[str]:
    """What a user should know of a fit before reading its numbers; nothing where all is well."""
    said, q = _of_starts(fit), fit.quality
    survey = fit.info.get("survey", {})
    if lost := survey.get("failed", 0) + survey.get("missing", 0):
        said.append(
            f"{lost} of {survey['replicates']} replicates did not end at a maximum, or were not run: the standard "
            "errors are those of the others, taken for all."
        )
    if q["failed"]:
        each = "; ".join(f"{what} ({why})" for what, why in q["failed"].items())
        said.append(f"The solution is kept, but this could not be made of it: {each}.")
    if abs(q.get("audit", 0.0)) > ROUGH:
        wide = [s for s in Estimates.of(fit).of_kind("sd") if float(fit.derived[s.name].max()) > LARGE_LOGIT_SD]
        asked = "bm.class_status" if alone(fit.model) else "cluster_classes="
        better = {"cluster": f"a class of clusters ({asked})", "individual": "classes of individuals (lca)"}
        other = better[wide[0].part] if wide and len(fit.model.classes) == 1 else "classes"
        hint = f"; {wide[0].name} is huge: {other} may be the better model" if wide else ""
        said.append(f"{audit_words(q)}{hint}.")
    if q["equal_solutions"] > 1:
        said.append(
            f"{q['equal_solutions']} different solutions have the same best log-likelihood: the model is not "
            "identified by these data; simplify it."
        )
    return said


def _warn(fit: Fit) -> None:
    for said in doubts(fit):
        warnings.warn(said, stacklevel=4)


def at_end(data: Target, s: Start, top: Optimum) -> Start:
    """A start with the value at its end, collapsed or sound."""
    gone = collapsed(data, ranges(data), top.theta)
    status = f"collapsed: {gone}" if gone else s.status
    return replace(s, loglik=top.value, theta=top.theta, collapsed=gone, status=status)
