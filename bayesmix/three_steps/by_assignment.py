"""Three steps: units assigned to classes with known errors, at one occasion or at several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayesmix.spec import Model
from bayesmix.spec.blocks import class_logits
from bayesmix.three_steps.declared import ASSIGNED, FLOOR, Outcome, third_model, with_free_errors
from bayesmix.three_steps.inputs import check_moves, check_weighted, check_within
from bayesmix.three_steps.replicated import held_at, over_replicates
from bayesmix.three_steps.result import ThreeStep
from bayesmix.three_steps.sandwich import carried
from bayesmix.three_steps.step_one import StepOne, assigned, check_assigned, errors
from bayesmix.three_steps.telling import Last, told
from bayesmix.three_steps.third import Maximum, Third, climb, start_values, unit_posterior
from bayesmix.typing import Array

if TYPE_CHECKING:
    from bayesmix.three_steps.plan import Plan

SINGULAR = 1e-6
"""The smallest singular value of the errors, below which they have no inverse worth the name."""

MOST_SHARED = 0.95
"""The largest share of a variance that outcomes may have in common where the last step begins."""


@dataclass(frozen=True)
class Assigned:
    """The units of one step one with the classes that they are assigned to.

    Attributes
    ----------
    step : StepOne
    p, w : array (row of step one, class)
        Class probabilities; how far each row is assigned to each class.
    d : array (class, assigned class)
        Errors of the assignment.
    """

    step: StepOne
    p: Array
    w: Array
    d: Array

    @classmethod
    def of(cls, step: StepOne, p: Array, assignment: str) -> Assigned:
        """Assign by the class probabilities p; refuse a class that nobody is assigned to."""
        w = assigned(p, assignment)
        check_assigned(w, step.freq, step.labels, assignment)
        return cls(step, p, w, errors(p, w, step.freq))

    def weights(self, method: str) -> Array:
        """The weights of the classes in the last step: :func:`weights_of`."""
        return weights_of(method, self.w, self.d)


def run(plan: Plan) -> ThreeStep:
    """Assign, and estimate the last step."""
    each = [Assigned.of(s, s.posterior(s.theta), plan.assignment) for s in plan.steps]
    shared = shared_by(plan, each)
    third, weights = begin(plan, each, shared)
    top = climb(third.target, first_point(plan, third, each))
    if plan.replicated:
        again = partial(_again, values=top.data.natural(top.theta), shared=shared, full=each)
        covariance = over_replicates(plan, top, again)
    else:
        covariance = top.robust(third.of_rows(top.curvature.scores, weights), third.freq, plan.row_groups)
        if plan.uncertainty:
            slopes = [_slope(plan, third, top, a, weights, k) for k, a in enumerate(each)]
            covariance = covariance + carried(top.inverse, slopes, plan.steps, plan.groups)
    after = None if plan.method == "bch" else moved_to(plan, third, top, weights)
    return told(plan, Last(top, third.target.model, [a.p for a in each], [a.d for a in each], after, covariance))


def _again(
    plan: Plan, values: Mapping[str, Array], shared: Mapping[str, float] | None, full: Sequence[Assigned]
) -> dict[str, Array]:
    """The natural parameters of the last step under other weights, from those of the full sample.

    Most likely classes stay those of the full sample, with new errors: one that turns over with all who gave the same
    answers is a step, of which a jackknife makes too much.
    """
    each = []
    for s, a in zip(plan.steps, full, strict=True):
        p = s.posterior(s.theta)
        w = a.w if plan.assignment == "modal" else assigned(p, plan.assignment)
        each.append(Assigned(s, p, w, errors(p, w, s.freq)))
    data = begin(plan, each, shared)[0].target
    top = climb(data, data.pack(held_at(data, values)))
    return top.data.natural(top.theta)


def shared_by(plan: Plan, each: Sequence[Assigned]) -> dict[str, float] | None:
    """How outcomes that are correlated given the class load on what they share: :func:`loadings`."""
    if not plan.correlated:
        return None
    modal = plan.of_rows(plan.owner, assigned(each[plan.owner].p, "modal"))
    return loadings(plan.outcomes, plan.frame, modal, plan.variance)


def begin(
    plan: Plan, each: Sequence[Assigned], shared: Mapping[str, float] | None, every: bool = False
) -> tuple[Third, list[Array]]:
    """The rows of the last step under its model, and the weights of their classes, (row, class) by occasion.

    Parameters
    ----------
    each : sequence of Assigned
        One an occasion.
    shared : mapping of outcome to float, optional
        Of outcomes that are correlated given the class: see :func:`loadings`.
    every : bool
        Whether all classes of all rows are wanted, as where the assignment changes.

    Raises
    ------
    ValueError
        Outcomes that say nothing of a class; BCH weights without an estimate.
    """
    frame, freq = plan.frame, plan.freq()
    modal = plan.of_rows(plan.owner, assigned(each[plan.owner].p, "modal"))
    labels = plan.steps[plan.owner].labels
    plan.notes.extend(check_within(plan.outcomes, frame, modal, labels, plan.variance))
    weights = [plan.of_rows(k, a.weights(plan.method)) for k, a in enumerate(each)]
    if plan.method == "bch":
        own = np.nan_to_num(weights[plan.owner])
        check_weighted(plan.outcomes, frame, own * freq[:, None], labels, plan.variance)
        for name, w in zip(plan.variables, weights, strict=True):
            plan.notes.extend(said_of_weights(w, freq, f" of {name}" if len(each) > 1 else ""))
        for k, (before, now) in enumerate(pairwise(weights)):
            check_moves(before, now, freq, plan.steps[k].labels, plan.steps[k + 1].labels, plan.variables[k : k + 2])
    known = [np.eye(a.step.size) if plan.method == "bch" else a.d for a in each]
    model = third_model(
        {name: a.step.size for name, a in zip(plan.variables, each, strict=True)}, plan.columns, known,
        plan.covariates, plan.outcomes, plan.variance,
        shared=shared,
        owner=plan.variables[plan.owner],
        held=plan.steps[0].class_sizes[0] if plan.sizes == "held" else None,
    )  # fmt: skip
    every = every or plan.method == "bch" or plan.assignment == "proportional"
    third = Third.of(model, frame, plan.columns, [a.step.labels for a in each], weights, freq, every)
    return third, weights


def weights_of(method: str, w: Array, d: Array) -> Array:
    """The weights of the classes of each unit: of the assignment, or for BCH those that undo its errors, w D^-1.

    Raises
    ------
    ValueError
        D has no inverse.
    """
    if method != "bch":
        return w
    if np.linalg.svd(d, compute_uv=False)[-1] < SINGULAR:
        raise ValueError(
            "The errors of the assignment have no inverse: two classes are assigned alike, and BCH has no weights; "
            "take fewer classes, or method='two-step'."
        )
    return w @ np.linalg.inv(d)


def said_of_weights(weights: Array, freq: Array, whose: str) -> list[str]:
    """How many BCH weights are negative, and what they do to variances."""
    seen = ~np.isnan(weights[:, 0])
    weights, freq = weights[seen], freq[seen]
    negative = float(freq @ (weights < 0).any(axis=1) / freq.sum())
    if not negative:
        return []
    effective = (freq @ weights) ** 2 / (freq @ weights**2)
    sizes = ", ".join(f"{x:.0f}" for x in effective)
    return [
        f"{negative:.0%} of the units have a negative BCH weight{whose} (lowest {weights.min():.2f}): they take away "
        "from sums of squares, so that variances within classes may come out too small, even negative (then refused); "
        f"effective sizes of the classes: {sizes}"
    ]


def loadings(outcomes: Sequence[Outcome], frame: pd.DataFrame, modal: Array, variance: str) -> dict[str, float]:
    """How far each normal outcome loads on the effect that those after it load on too: a number that is fixed.

    The covariance matrix within the most likely classes, in units of the smallest SDs of a class, less half of its
    smallest eigenvalue, has a Cholesky factor; on its diagonal stand loadings with which these covariances, and those
    near them, leave each outcome a variance of its own in all classes.

    Raises
    ------
    ValueError
        Fewer than two normal outcomes.
    """
    own = [o.name for o in outcomes if o.family.residual == "sd"]
    if len(own) < 2:
        raise ValueError(
            f"correlated=True came with {len(own)} normal outcome{'s' * (len(own) != 1)}: residual covariances take "
            "two or more; leave it out."
        )
    y = frame[own].apply(pd.to_numeric).astype(float).reset_index(drop=True)
    known = modal.max(axis=1) > 0  # without a class at an occasion none is known
    group = pd.Series(modal.argmax(axis=1))[known]
    within = y[known] - y[known].groupby(group).transform("mean")
    spread = within.std()
    if variance == "class":
        spread = np.maximum(within.groupby(group).std().min(), 0.1 * spread)
    unit = within.cov().to_numpy() / np.outer(spread, spread)
    unit = np.nan_to_num(unit)
    np.fill_diagonal(unit, 1.0)
    lowest = np.linalg.eigvalsh(unit - np.eye(len(own)))[0]
    unit = np.eye(len(own)) + (unit - np.eye(len(own))) * min(1.0, MOST_SHARED / max(-lowest, 1e-12))
    factor = np.linalg.cholesky(unit - 0.5 * np.linalg.eigvalsh(unit)[0] * np.eye(len(own)))
    return {name: float(f * s) for name, f, s in zip(own, np.diag(factor), spread, strict=True)}


def first_point(plan: Plan, third: Third, each: Sequence[Assigned]) -> Array:
    """Where the last step begins: class shares, moves and margins of outcomes by the probabilities of step one."""
    data, freq = third.target, third.freq
    ps = [np.nan_to_num(plan.of_rows(k, a.p)) for k, a in enumerate(each)]
    by_pattern = np.zeros((len(data.counts), each[plan.owner].step.size))
    np.add.at(by_pattern, data.pattern_of, (ps[plan.owner] * freq[:, None])[third.row])
    tables = [freq @ ps[0], *((a * freq[:, None]).T @ b for a, b in pairwise(ps))]
    return data.pack(start_values(data, tables, by_pattern))


def _slope(plan: Plan, third: Third, top: Maximum, a: Assigned, weights: list[Array], k: int) -> Array:
    """C: how the score of the last step moves with the parameters of step one (of occasion k).

    By the errors of the assignment, by its weights, and by class sizes where these are held.
    """
    name = f"{ASSIGNED}_logit{plan.numbers[k]}"
    by_weights = plan.method == "bch" or plan.assignment == "proportional"
    slope, out = np.zeros((0, 0)), np.zeros((len(top.theta), len(a.step.theta)))
    free = np.zeros(a.step.size, dtype=bool)
    if plan.method != "bch":
        slope, places, packing = top.slope_along(with_free_errors(third.target.model), [name])
        at = packing.index[name][:, 0]
        free = at >= 0
        slope = slope[:, np.searchsorted(places, at[free])]
    scores = top.curvature.scores[third.target.pattern_of] * third.product(weights, third.freq, but=k)[:, None]
    for j, (up, down, apart) in enumerate(a.step.moves()):
        ends = []
        for q in (up, down):
            w = q if plan.assignment == "proportional" else a.w
            d = errors(q, w, a.step.freq)
            ends.append((np.log(np.maximum(d, FLOOR)), plan.of_rows(k, weights_of(plan.method, w, d))))
        if free.any():
            moved = ends[0][0] - ends[1][0]
            out[:, j] += slope @ (moved - moved[:, :1])[free] / apart
        if by_weights:
            out[:, j] += third.chosen(ends[0][1] - ends[1][1], k, missing=0.0) / apart @ scores
    if plan.sizes == "held":
        out += _by_sizes(third, top, a.step)
    return out


def _by_sizes(third: Third, top: Maximum, step: StepOne) -> Array:
    """How the score moves with the parameters of step one by the class sizes that are held."""
    c = third.target.model.classes[0]
    name = c.predictor[0].parameter.name
    slope, places, packing = top.slope_along(_with_free_sizes(third.target.model), [name])
    at = packing.index[name]
    size, by_theta = step.class_sizes
    logits = by_theta / size - (by_theta / size)[:, [-1]]  # (theta, class)
    return slope[:, np.searchsorted(places, at[at >= 0])] @ logits[:, at >= 0].T


def _with_free_sizes(model: Model) -> Model:
    """The last step with free class logits, for derivatives."""
    (c,) = model.classes
    return replace(model, classes=(replace(c, predictor=class_logits(c.name, "class", ())),))


def moved_to(plan: Plan, third: Third, top: Maximum, weights: list[Array]) -> list[Array]:
    """Class probabilities of the rows in the last step, by occasion."""
    share, out = third.product(weights), []
    for name, w in zip(plan.variables, weights, strict=True):
        p = unit_posterior(top.data, top.theta, "individual", name)[third.target.pattern_of]
        own = np.zeros_like(w)
        np.add.at(own, third.row, p * share[:, None])
        out.append(own)
    return out
