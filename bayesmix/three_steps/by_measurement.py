"""Two steps: the measurement of step one held, its structure estimated from the joint likelihood with all else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bayesmix.data import Coding, Dataset, Units
from bayesmix.ml import Target
from bayesmix.spec import Survey
from bayesmix.three_steps.declared import measurement, third_model, two_step_model
from bayesmix.three_steps.inputs import check_within
from bayesmix.three_steps.result import ThreeStep
from bayesmix.three_steps.sandwich import Groups, carried
from bayesmix.three_steps.step_one import StepOne, assigned, errors
from bayesmix.three_steps.telling import Last, told
from bayesmix.three_steps.third import Maximum, climb, start_values, target_of, unit_posterior
from bayesmix.typing import Array

if TYPE_CHECKING:
    from bayesmix.three_steps.plan import Plan


def run(plan: Plan) -> ThreeStep:
    """Hold the measurement, and estimate the rest.

    Raises
    ------
    ValueError
        The class logits of step one have covariates; outcomes of classes of clusters.
    """
    (step,) = plan.steps
    _check(plan, step)
    p = step.posterior(step.theta)
    w = assigned(p, "modal")
    d = errors(p, w, step.freq)
    plan.notes.extend(check_within(plan.outcomes, plan.frame, w[plan.kept], step.labels, plan.variance))
    _check_frame(plan, step, d)
    rows = _rows(plan, step)
    data = _target(plan, step, rows)
    top = climb(data, _start(plan, step, data, p, rows))
    covariance = top.robust(*_scores(top, step, rows), _groups_of(plan, top, rows))
    if plan.uncertainty:
        covariance = covariance + carried(top.inverse, _slope(plan, step, top), step.covariance(plan.groups))
    after = unit_posterior(top.data, top.theta, step.variable.level, step.variable.name)
    after = after if step.of_clusters else after[top.data.pattern_of]
    return told(plan, Last(top, top.data.model, p, d, after, covariance))


def _check(plan: Plan, step: StepOne) -> None:
    if any(t.covariates for t in step.variable.predictor):
        raise ValueError(
            "The class logits of step one have covariates already: for method='two-step' fit step one without, and "
            "give all covariates here."
        )
    if step.of_clusters and plan.outcomes:
        raise ValueError(
            "Outcomes of classes of clusters came with method='two-step', in which each individual would count: take "
            "method='ml' or 'bch', whose units are the clusters."
        )
    if plan.correlated:
        raise ValueError("correlated=True came with method='two-step': take method='ml' or 'bch'.")


def _check_frame(plan: Plan, step: StepOne, d: Array) -> None:
    """Have covariates and outcomes checked as those of a new model are: that of three steps."""
    model = third_model(
        {step.variable.name: step.size}, [plan.column], [d], plan.covariates, plan.outcomes, plan.variance
    )
    labels = np.arange(len(plan.frame)) % step.size
    target_of(model, plan.frame.assign(**{plan.column: np.asarray(step.labels)[labels]}))


def _rows(plan: Plan, step: StepOne) -> NDArray[np.int64]:
    """Rows of the data that enter: all individuals of the clusters that are kept, where these have the classes."""
    if not step.of_clusters:
        return plan.rows[plan.kept]
    seen = np.flatnonzero(step.data.pattern_of >= 0)
    return seen[plan.kept[np.asarray(step.data.cluster_of_row)[seen]]]


def _target(plan: Plan, step: StepOne, rows: NDArray[np.int64]) -> Target:
    """The rows under the model of two steps, coded as those of step one."""
    source = step.source
    values = {str(k): x.values for k, x in source.params.items()}
    model = two_step_model(
        source.model, step.variable.name, values, plan.covariates, plan.outcomes, plan.variance, step.variable.level
    )
    held = model.survey  # of a part of the rows: their weights alone
    model = replace(model, survey=Survey(held.weights, cluster_weights=held.cluster_weights, scaling=held.scaling))
    frame = plan.df.iloc[rows].reset_index(drop=True)
    coding = Coding(source.coding.categories, source.coding.designs)
    encoded = replace(Dataset.encode(model, frame, coding), follows=False)
    methods = {k: m for k, m in step.data.nodes.items() if model.effects_at(k)} or None
    data = Target.of(encoded, methods)
    return data.on_user_scale() if source.model.covariates else data


def _start(plan: Plan, step: StepOne, data: Target, p: Array, rows: NDArray[np.int64]) -> Array:
    """Where step two begins: the structure of step one, no slopes, margins of the outcomes."""
    by_pattern = np.zeros((len(data.counts), step.size))
    if not step.of_clusters:
        np.add.at(by_pattern, data.pattern_of, p[plan.kept] * step.freq[plan.kept, None])
    values = start_values(data, step.freq @ p, by_pattern)
    for k, x in step.source.params.items():
        values[str(k)] = x.values
    for parameter in data.model.parameters:
        if parameter.name == "step_slope" or parameter.name.startswith("outcome_slope_"):
            values[parameter.name] = np.zeros_like(values[parameter.name])
    held = {k: np.where(data.packing.index[k] >= 0, v, data.packing.held[k]) for k, v in values.items()}
    return data.pack(held)


def _scores(top: Maximum, step: StepOne, rows: NDArray[np.int64]) -> tuple[Array, Array]:
    """Scores of rows, or of clusters where these are the units, and how many of them each stands for."""
    data, scores = top.data, top.curvature.scores
    if data.clusters is not None:
        return scores, top.curvature.weight
    return scores[data.pattern_of], data.rows.weights


def _groups_of(plan: Plan, top: Maximum, rows: NDArray[np.int64]) -> Groups:
    if top.data.clusters is not None:
        return plan.groups_of(rows[top.data.rows.unit_rows]) if isinstance(plan.groups, Units) else None
    return plan.groups_of(rows)


def _slope(plan: Plan, step: StepOne, top: Maximum) -> Array:
    """C: how the score moves with the measurement of step one, over all of its theta."""
    source = step.source
    names = measurement(source.model)
    values = {str(k): x.values for k, x in source.params.items()}
    free = two_step_model(
        source.model, step.variable.name, values, plan.covariates, plan.outcomes, plan.variance, step.variable.level,
        held=False,
    )  # fmt: skip
    found, places, packing = top.slope_along(free, names)
    out = np.zeros((len(top.theta), step.data.packing.size))
    for name in names:
        here, there = packing.index[name], step.data.packing.index[name]
        used = (here >= 0) & (there >= 0)
        out[:, there[used]] = found[:, np.searchsorted(places, here[used])]
    return out
