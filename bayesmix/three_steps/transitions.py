"""Latent transitions in three steps: step one an occasion at a time, the last step a chain of the assigned classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayesmix.graph import LogLikelihood, derive
from bayesmix.results import Fit
from bayesmix.three_steps.declared import ASSIGNED, FLOOR, third_model, with_free_errors
from bayesmix.three_steps.monitor import Monitor
from bayesmix.three_steps.quantities import quantities
from bayesmix.three_steps.result import ThreeStep
from bayesmix.three_steps.sandwich import outer
from bayesmix.three_steps.step_one import StepOne, assigned, check_assigned, errors
from bayesmix.three_steps.telling import result
from bayesmix.three_steps.third import Maximum, climb, target_of
from bayesmix.typing import Array

if TYPE_CHECKING:
    from bayesmix.three_steps.plan import Plan


def check(results: Sequence[Any], method: str, assignment: str, outcomes: object) -> None:
    """Refuse what transitions cannot be made of.

    Raises
    ------
    TypeError, ValueError
        Something that is no fit, one occasion, another method or assignment, outcomes.
    """
    if odd := [r for r in results if not isinstance(r, Fit)]:
        raise TypeError(
            f"The list of step one came with {type(odd[0]).__name__}, expected fits, one for each occasion."
        )
    if len(results) < 2:
        raise ValueError(
            f"{len(results)} fit{'s' * (len(results) != 1)} came in a list, expected two or more occasions: give a "
            "single fit alone."
        )
    if method != "ml" or assignment != "modal":
        raise ValueError(
            f"method={method!r}, assignment={assignment!r} came with several occasions, whose last step is there for "
            "method='ml', assignment='modal' alone: give these."
        )
    if outcomes is not None:
        raise ValueError(
            "Outcomes came with several occasions: relate them to the classes of one occasion, by its fit alone."
        )


def run(plan: Plan) -> ThreeStep:
    """Assign at each occasion, and estimate the chain."""
    names = plan.variables
    columns = [f"{plan.column} {k + 1}" for k in range(len(names))]
    each = [s.posterior(s.theta) for s in plan.steps]
    ws = [assigned(p, "modal") for p in each]
    for s, w in zip(plan.steps, ws, strict=True):
        check_assigned(w, s.freq, s.labels, "modal")
    ds = [errors(p, w, s.freq) for s, p, w in zip(plan.steps, each, ws, strict=True)]
    at = plan.rows[plan.kept]
    known = {column: _labels(s, w, len(plan.df))[at] for column, s, w in zip(columns, plan.steps, ws, strict=True)}
    sizes = {name: s.size for name, s in zip(names, plan.steps, strict=True)}
    model = third_model(sizes, columns, ds, plan.covariates, (), "equal")
    frame = plan.frame.assign(
        **{c: pd.Categorical(v, categories=s.labels) for (c, v), s in zip(known.items(), plan.steps, strict=True)}
    )
    data = target_of(model, frame)
    freq = plan.freq()
    data = data.with_weights(np.bincount(data.pattern_of, weights=freq, minlength=len(data.counts)))
    top = climb(data, np.zeros(data.packing.size))
    covariance = top.robust(top.curvature.scores[data.pattern_of], freq, plan.row_groups)
    if plan.uncertainty:
        covariance = covariance + top.inverse @ _of_step_one(plan, top, ws) @ top.inverse
    q = quantities(top.data, top.theta, covariance, top.flat, (), names)
    monitor = _monitor(plan, top, each, ds, names)
    notes = []
    for k, s in enumerate(plan.steps):
        if n := int(np.isin(at, s.rows, invert=True).sum()):
            notes.append(f"{n} rows have no answer at occasion {k + 1}: their class there is missing (at random)")
    out = result(plan, q, top, model, monitor, ds, notes=notes)
    return replace(out, transitions=_tables(top, covariance, names))


def _tables(top: Maximum, covariance: Array, names: list[str]) -> pd.DataFrame:
    """Class probabilities at the first occasion and given the class before, averaged over covariates."""
    _, derived, _ = derive(top.data, top.theta)
    values, spread, rows = derived.dataset(), derived.standard_errors(covariance), []
    for k, name in enumerate(names):
        key = f"{name}_transition" if k else f"{name}_probability"
        x, se = values[key], spread[key].transpose(*values[key].dims)
        for at in np.ndindex(x.shape):
            labels = {str(d): x[d].values[i] for d, i in zip(x.dims, at, strict=True)}
            given = labels.get(names[k - 1], "") if k else ""
            rows.append((name, given, labels[name], float(x.values[at]), float(se.values[at])))
    return pd.DataFrame(rows, columns=["variable", "given", "class", "probability", "se"])


def _labels(s: StepOne, w: Array, n: int) -> np.ndarray:
    """The assigned class of each row of the data; missing where it has no answer."""
    out = np.full(n, None, dtype=object)
    out[s.rows] = np.asarray(s.labels, dtype=object)[w.argmax(axis=1)]
    return out


def _of_step_one(plan: Plan, top: Maximum, ws: list[Array]) -> Array:
    """What the score owes to the first steps of all occasions, which are of the same individuals."""
    total, freq = np.zeros((len(plan.df), len(top.theta))), np.zeros(len(plan.df))
    for k, (s, w) in enumerate(zip(plan.steps, ws, strict=True)):
        influence, own = s.influence
        total += influence @ _slope(top, s, w, f"{ASSIGNED}_logit_{k + 1}").T
        freq = np.maximum(freq, own)
    return outer(total, freq, plan.groups)


def _slope(top: Maximum, s: StepOne, w: Array, name: str) -> Array:
    """How the score moves with the parameters of one occasion's step one, by the errors of its assignment."""
    slope, places, packing = top.slope_along(with_free_errors(top.data.model), [name])
    free = packing.index[name][:, 0]
    by = slope[:, np.searchsorted(places, free[free >= 0])]
    columns = []
    for up, down, apart in s.moves():
        ends = [np.log(np.maximum(errors(q, w, s.freq), FLOOR)) for q in (up, down)]
        moved = ends[0] - ends[1]
        columns.append(by @ (moved - moved[:, :1])[free >= 0] / apart)
    return np.stack(columns, axis=1)


def _monitor(plan: Plan, top: Maximum, each: list[Array], ds: list[Array], names: list[str]) -> Monitor:
    """The monitors of all occasions, beneath each other; what is worst of any of them."""
    out = []
    at = plan.rows[plan.kept]
    for k, (s, name) in enumerate(zip(plan.steps, names, strict=True)):
        (found,) = LogLikelihood(top.data).posterior(top.theta, ("individual", name))
        p = np.asarray(found)
        after = (p / p.sum(axis=1, keepdims=True))[top.data.pattern_of]
        where = np.full(len(plan.df), -1)
        where[s.rows] = np.arange(len(s.rows))
        own = where[at] >= 0
        out.append(Monitor.of(each[k][where[at[own]]], after[own], ds[k], plan.freq()[own], s.labels))
    return Monitor(
        pd.concat([m.classes for m in out], keys=names, names=["variable"]),
        max(m.moved for m in out),
        min(m.entropy for m in out),
        min(m.entropy_three for m in out),
    )
