"""Two steps: the measurement of step one held, its structure estimated from the joint likelihood with all else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bayesmix.data import Coding, Dataset, Units
from bayesmix.ml import Target
from bayesmix.spec import Model, Packing, Survey
from bayesmix.three_steps.by_assignment import Assigned, loadings
from bayesmix.three_steps.declared import measurement, third_model, two_step_model
from bayesmix.three_steps.inputs import check_within
from bayesmix.three_steps.replicated import held_at, over_replicates
from bayesmix.three_steps.result import ThreeStep
from bayesmix.three_steps.sandwich import carried
from bayesmix.three_steps.step_one import StepOne, assigned, errors
from bayesmix.three_steps.telling import Last, told
from bayesmix.three_steps.third import Maximum, climb, start_values, target_of, unit_posterior
from bayesmix.typing import Array

if TYPE_CHECKING:
    from bayesmix.three_steps.plan import Plan


def run(plan: Plan) -> ThreeStep:
    """Hold the measurement, and estimate the rest."""
    (step,) = plan.steps
    held = Held.of(plan, step.posterior(step.theta))
    top = climb(held.at(step.theta), held.start(step.theta))
    if plan.replicated:
        covariance = over_replicates(plan, top, partial(_again, values=top.data.natural(top.theta), shared=held.shared))
    else:
        covariance = held.robust(top)
    if plan.uncertainty and not plan.replicated:
        covariance = covariance + carried(top.inverse, [held.slope(top)], plan.steps, plan.groups)
    a = held.units
    return told(plan, Last(top, top.data.model, [a.p], [a.d], [held.moved_to(top)], covariance, held.weight))


def _again(plan: Plan, values: Mapping[str, Array], shared: Mapping[str, float]) -> dict[str, Array]:
    """The natural parameters of step two under other weights, from those of the full sample."""
    (step,) = plan.steps
    data = Held.of(plan, step.posterior(step.theta), shared).at(step.theta)
    top = climb(data, data.pack(held_at(data, values)))
    return top.data.natural(top.theta)


@dataclass(frozen=True)
class Held:
    """The rows of step two under the model of step one with more in its structure.

    Attributes
    ----------
    plan : Plan
    units : Assigned
        The units of step one by their most likely classes.
    shared : mapping of outcome to float
        Of outcomes that are correlated given the class: see :func:`~bayesmix.three_steps.by_assignment.loadings`.
    rows : array of int
        Rows of the data that enter: all individuals of the clusters that are kept, where these have the classes.
    data : Target
        These rows, the measurement at the first point.
    """

    plan: Plan
    units: Assigned
    shared: Mapping[str, float]
    rows: NDArray[np.int64]
    data: Target

    @classmethod
    def of(cls, plan: Plan, p: Array, shared: Mapping[str, float] | None = None) -> Held:
        """Check and encode the rows; p are the class probabilities of step one, `shared` is found where it is missing.

        Raises
        ------
        ValueError
            What two steps cannot be made of: :func:`_check`.
        """
        (step,) = plan.steps
        _check(plan, step)
        w = assigned(p, "modal")
        units = Assigned(step, p, w, errors(p, w, step.freq))
        modal = plan.of_rows(0, w)
        plan.notes.extend(check_within(plan.outcomes, plan.frame, modal, step.labels, plan.variance))
        _check_frame(plan, step, units.d)
        if shared is None:
            shared = loadings(plan.outcomes, plan.frame, modal, plan.variance) if plan.correlated else {}
        rows = _rows(plan, step)
        model = _model(plan, step, shared, step.theta.reshape(-1, step.theta.shape[-1])[0])
        return cls(plan, units, shared, rows, _target(plan, step, rows, model))

    def at(self, theta: Array) -> Target:
        """The rows with the measurement held at a point of step one."""
        model = _model(self.plan, self.units.step, self.shared, theta)
        packing = Packing(model.parameters, self.data.coords, self.data.packing.absent)
        return replace(self.data, model=model, packing=packing, kept={})

    def start(self, theta: Array) -> Array:
        """Where step two begins: the structure of step one, no slopes, margins of the outcomes."""
        step, plan, data = self.units.step, self.plan, self.at(theta)
        by_pattern = np.zeros((len(data.counts), step.size))
        first = self._first
        np.add.at(by_pattern, data.pattern_of[first], plan.of_rows(0, self.units.p) * plan.freq()[:, None])
        values = start_values(data, [], by_pattern) | step.data.natural(theta)
        for parameter in data.model.parameters:
            if parameter.name == "step_slope" or parameter.name.startswith("outcome_slope_"):
                values[parameter.name] = np.zeros_like(values[parameter.name])
        return data.pack(held_at(data, values))

    @property
    def _first(self) -> NDArray[np.int64]:
        """Where the units stand among the rows: of clusters the first row of each."""
        return np.flatnonzero(np.isin(self.rows, self.plan.rows[self.plan.kept]))

    @property
    def weight(self) -> Array:
        """Units of each pattern, of which covariates of outcomes have their means."""
        n = len(self.data.counts)
        return np.bincount(self.data.pattern_of[self._first], weights=self.plan.freq(), minlength=n)

    def robust(self, top: Maximum) -> Array:
        """The sandwich of rows, or of clusters where these are the units of the likelihood."""
        data, scores, plan = top.data, top.curvature.scores, self.plan
        if data.clusters is None:
            return top.robust(scores[data.pattern_of], data.rows.weights, plan.groups_of(self.rows))
        units = plan.groups_of(self.rows[data.rows.unit_rows]) if isinstance(plan.groups, Units) else None
        return top.robust(scores, top.curvature.weight, units)

    def moved_to(self, top: Maximum) -> Array:
        """Class probabilities of the units in step two."""
        variable = self.units.step.variable
        after = unit_posterior(top.data, top.theta, variable.level, variable.name)
        return after if self.units.step.of_clusters else after[top.data.pattern_of]

    def slope(self, top: Maximum) -> Array:
        """C: how the score moves with the measurement of step one, over all of its theta."""
        step = self.units.step
        names = measurement(step.source.model)
        free = _model(self.plan, step, self.shared, step.theta, held=False)
        found, places, packing = top.slope_along(free, names)
        out = np.zeros((len(top.theta), step.data.packing.size))
        for name in names:
            here, there = packing.index[name], step.data.packing.index[name]
            used = (here >= 0) & (there >= 0)
            out[:, there[used]] = found[:, np.searchsorted(places, here[used])]
        return out


def _check(plan: Plan, step: StepOne) -> None:
    """Refuse what two steps cannot be made of.

    Raises
    ------
    ValueError
        Class logits of step one with covariates; clusters whose rows stand for several and would give their outcomes
        several times; residual covariances beside effects of individuals, which would be integrated together.
    """
    model = step.source.model
    if any(t.covariates for t in step.variable.predictor):
        raise ValueError(
            "The class logits of step one have covariates already: for method='two-step' fit step one without, and "
            "give all covariates here."
        )
    if step.of_clusters and plan.outcomes and (step.data.rows.weights[plan.rows] != 1).any():
        what = f"frequencies ('{model.freq}')" if model.freq else f"weights within clusters ('{model.survey.weights}')"
        raise ValueError(
            f"Outcomes of classes of clusters came with {what}: they stand in the first row of their cluster, by whose "
            "weight they would count; take method='ml' or 'bch'."
        )
    if plan.correlated and model.effects_at("individual"):
        raise ValueError(
            "correlated=True came with method='two-step' and a step one with effects of individuals "
            f"({', '.join(e.name for e in model.effects_at('individual'))}), beside which residual covariances have no "
            "closed form: take method='ml' or 'bch'."
        )


def _check_frame(plan: Plan, step: StepOne, d: Array) -> None:
    """Have covariates and outcomes checked as those of a new model are: that of three steps."""
    (column,) = plan.columns
    model = third_model({step.variable.name: step.size}, [column], [d], plan.covariates, plan.outcomes, plan.variance)
    labels = np.arange(len(plan.frame)) % step.size
    target_of(model, plan.frame.assign(**{column: np.asarray(step.labels)[labels]}))


def _rows(plan: Plan, step: StepOne) -> NDArray[np.int64]:
    """Rows of the data that enter."""
    if not step.of_clusters:
        return plan.rows[plan.kept]
    seen = np.flatnonzero(step.data.pattern_of >= 0)
    return seen[plan.kept[np.asarray(step.data.cluster_of_row)[seen]]]


def _model(plan: Plan, step: StepOne, shared: Mapping[str, float], theta: Array, held: bool = True) -> Model:
    """The model of step two, its measurement held at a point of step one (or free, for derivatives)."""
    model = two_step_model(
        step.source.model, step.variable.name, step.data.natural(theta), plan.covariates, plan.outcomes, plan.variance,
        step.variable.level, shared=shared, held=held,
    )  # fmt: skip
    drawn = replace(model.survey, strata=None, psu=None, fpc=None)  # of a part of the rows: their weights alone
    return replace(model, survey=drawn if drawn else Survey())


def _target(plan: Plan, step: StepOne, rows: NDArray[np.int64], model: Model) -> Target:
    """The rows under the model of two steps, coded as those of step one; outcomes of clusters stand in one row each."""
    source = step.source
    frame = plan.df.iloc[rows].reset_index(drop=True)
    if step.of_clusters:
        first = np.isin(rows, plan.rows)
        frame = frame.assign(**{o.name: frame[o.name].where(first) for o in plan.outcomes})
    coding = Coding(source.coding.categories, source.coding.designs)
    encoded = replace(Dataset.encode(model, frame, coding), follows=False)
    encoded = encoded if plan.replicate is None else encoded.replicate(plan.replicate)
    methods = {k: m for k, m in step.data.nodes.items() if source.model.effects_at(k)} or None
    data = Target.of(encoded, methods)
    return data.on_user_scale() if source.model.covariates else data
