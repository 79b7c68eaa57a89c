"""Three steps of one class variable: units assigned to classes, with known errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayesmix.three_steps.declared import ASSIGNED, FLOOR, Outcome, third_model, with_free_errors
from bayesmix.three_steps.inputs import check_weighted, check_within
from bayesmix.three_steps.result import ThreeStep
from bayesmix.three_steps.sandwich import carried
from bayesmix.three_steps.step_one import assigned, check_assigned, errors
from bayesmix.three_steps.telling import Last, told
from bayesmix.three_steps.third import Maximum, Third, climb, start_values, unit_posterior
from bayesmix.typing import Array

if TYPE_CHECKING:
    from bayesmix.three_steps.plan import Plan

SINGULAR = 1e-6
"""The smallest singular value of the errors, below which they have no inverse worth the name."""


def run(plan: Plan) -> ThreeStep:
    """Assign, and estimate the last step."""
    (step,) = plan.steps
    p = step.posterior(step.theta)
    w = assigned(p, plan.assignment)
    check_assigned(w, step.freq, step.labels, plan.assignment)
    d = errors(p, w, step.freq)
    third, weights = begin(plan, p, w, d)
    top = climb(third.target, first_point(third, p[plan.kept]))
    own = weights[plan.kept]
    covariance = top.robust(third.of_rows(top.curvature.scores, own), third.freq, plan.row_groups)
    if plan.uncertainty:
        slope = slope_of_step_one(plan, third, top, w)
        covariance = covariance + carried(top.inverse, slope, step.covariance(plan.groups))
    after = None if plan.method == "bch" else moved_to(third, top, own)
    model = third.target.model
    return told(plan, Last(top, model, p, d, after, covariance))


def begin(plan: Plan, p: Array, w: Array, d: Array, every: bool = False) -> tuple[Third, Array]:
    """The rows of the last step under its model, and the weights of their classes.

    Parameters
    ----------
    p, w : array (row of step one, class)
    d : array (class, assigned class)
    every : bool
        Whether all classes of all rows are wanted, as where the assignment changes.

    Raises
    ------
    ValueError
        Outcomes that say nothing of a class; BCH weights without an estimate.
    """
    (step,) = plan.steps
    frame, kept = plan.frame, plan.kept
    modal = assigned(p, "modal")[kept]
    plan.notes.extend(check_within(plan.outcomes, frame, modal, step.labels, plan.variance))
    weights = weights_of(plan.method, w, d)
    if plan.method == "bch":
        check_weighted(plan.outcomes, frame, weights[kept] * step.freq[kept, None], step.labels, plan.variance)
        plan.notes.extend(said_of_weights(weights[kept], step.freq[kept]))
    known = np.eye(step.size) if plan.method == "bch" else d
    model = third_model(
        {step.variable.name: step.size}, [plan.column], [known], plan.covariates, plan.outcomes, plan.variance,
        shares(plan.outcomes, frame, modal) if plan.correlated else None,
    )  # fmt: skip
    many = every or plan.method == "bch" or plan.assignment == "proportional"
    return Third.of(model, frame, plan.column, step.labels, weights[kept], step.freq[kept], many), weights


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


def said_of_weights(weights: Array, freq: Array) -> list[str]:
    """How many BCH weights are negative, and what they do to variances."""
    negative = float(freq @ (weights < 0).any(axis=1) / freq.sum())
    if not negative:
        return []
    effective = (freq @ weights) ** 2 / (freq @ weights**2)
    sizes = ", ".join(f"{x:.0f}" for x in effective)
    return [
        f"{negative:.0%} of the units have a negative BCH weight (lowest {weights.min():.2f}): they take away from "
        "sums of squares, so that variances within classes may come out too small, even negative (then refused); "
        f"effective sizes of the classes: {sizes}"
    ]


def shares(outcomes: Sequence[Outcome], frame: pd.DataFrame, modal: Array) -> dict[str, float]:
    """How far each normal outcome loads on the effects that it shares with another.

    A share of its smallest SD within the most likely classes, so that all of a pair's effects together are less than
    its variance.

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
    out = {}
    for name in own:
        y = pd.to_numeric(frame[name]).to_numpy(dtype=float)
        spread = [np.nanstd(y[modal[:, k] > 0]) for k in range(modal.shape[1])]
        out[name] = float(np.sqrt(0.5 / (len(own) - 1)) * max(min(spread), 0.1 * np.nanstd(y)))
    return out


def first_point(third: Third, p: Array) -> Array:
    """Where the last step begins: margins weighted by the class probabilities of step one."""
    data = third.target
    by_pattern = np.zeros((len(data.counts), p.shape[1]))
    np.add.at(by_pattern, data.pattern_of, p[third.row] * third.freq[third.row, None])
    shares = third.freq @ p
    return data.pack(start_values(data, shares, by_pattern))


def slope_of_step_one(plan: Plan, third: Third, top: Maximum, w: Array) -> Array:
    """C: how the score of step three moves with the parameters of step one, by the errors and by the weights."""
    (step,) = plan.steps
    moves_weights = plan.method == "bch" or plan.assignment == "proportional"
    by_errors = None
    if plan.method != "bch":
        slope, places, packing = top.slope_along(with_free_errors(third.target.model), [f"{ASSIGNED}_logit"])
        free = packing.index[f"{ASSIGNED}_logit"][:, 0]
        by_errors = slope[:, np.searchsorted(places, free[free >= 0])], free >= 0
    scores = top.curvature.scores[third.target.pattern_of] * third.freq[third.row, None]
    columns = []
    for up, down, apart in step.moves():
        ends = []
        for q in (up, down):
            now = w if plan.assignment == "modal" else q
            d = errors(q, now, step.freq)
            ends.append((np.log(np.maximum(d, FLOOR)), weights_of(plan.method, now, d)[plan.kept]))
        column = np.zeros(len(top.theta))
        if by_errors is not None:
            slope, free = by_errors
            moved = ends[0][0] - ends[1][0]
            column += slope @ (moved - moved[:, :1])[free] / apart
        if moves_weights:
            change = (ends[0][1] - ends[1][1])[third.row, third.column] / apart
            column += change @ scores
        columns.append(column)
    return np.stack(columns, axis=1)


def moved_to(third: Third, top: Maximum, w: Array) -> Array:
    """Class probabilities of the rows in step three."""
    name = third.target.model.classes[0].name
    p = unit_posterior(top.data, top.theta, "individual", name)[third.target.pattern_of]
    out = np.zeros_like(w)
    np.add.at(out, third.row, p * w[third.row, third.column][:, None])
    return out
