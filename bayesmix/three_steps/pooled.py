"""The last step over the draws of a posterior, pooled by Rubin's rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bayesmix.three_steps.by_assignment import Assigned, begin, first_point, moved_to, shared_by, weights_of
from bayesmix.three_steps.by_measurement import Held
from bayesmix.three_steps.declared import with_errors
from bayesmix.three_steps.inputs import check_weighted
from bayesmix.three_steps.quantities import Quantities
from bayesmix.three_steps.result import ThreeStep
from bayesmix.three_steps.step_one import check_assigned, errors
from bayesmix.three_steps.telling import Last, related, result
from bayesmix.three_steps.third import climb
from bayesmix.typing import Array

if TYPE_CHECKING:
    from bayesmix.three_steps.plan import Plan


MOST_FAILED = 0.2
"""A share of draws at which the last step may fail."""


@dataclass(frozen=True)
class _Draw:
    """The last step at one draw: what it says, and how it was made."""

    q: Quantities
    last: Last


def pooled(plan: Plan, seed: int) -> ThreeStep:
    r"""Estimate the last step at draws of the parameters of step one, and pool by Rubin's rules.

    With the estimates b_m and their robust covariance matrices V_m at M draws theta_m,

        b = mean of b_m,        V = mean of V_m + (1 + 1/M) B,        B their covariance between draws.

    In three steps each unit i gets a class W_i ~ P(X | y_i, theta_m) at draw m, whose errors D are those of a random
    assignment, the same as of a proportional one. In two steps the measurement is held at theta_m; B then stands for
    what the estimates owe to step one, in the place of H^-1 C V_1 C' H^-1: Levy (2023, Structural Equation Modeling).

    Raises
    ------
    ValueError
        A proportional assignment, held class sizes; too many draws at which the last step fails.
    """
    (step,) = plan.steps
    if plan.assignment == "proportional":
        raise ValueError(
            "assignment='proportional' came with a posterior: the classes of its draws are drawn; leave it out."
        )
    if plan.sizes == "held":
        raise ValueError("sizes='held' came with a posterior: give the fit, whose class sizes are single numbers.")
    points = step.theta.reshape(-1, step.theta.shape[-1])[: plan.draws]
    each = [step.posterior(at) for at in points]
    estimate = _two_step(plan, each, points) if plan.method == "two-step" else _three_step(plan, each, seed)
    found: list[_Draw] = []
    failed: list[Exception] = []
    for k in range(len(points)):
        try:
            found.append(estimate(k, found[-1].last.top.theta if found else None))
        except (ValueError, RuntimeError) as error:
            failed.append(error)
    if len(failed) > MOST_FAILED * len(points):
        raise ValueError(f"The last step failed at {len(failed)} of {len(points)} draws; the first time: {failed[0]}")
    if failed:
        plan.notes.append(f"the last step failed at {len(failed)} of {len(points)} draws, which are left out")
    n = len(found)
    values = np.array([x.q.values for x in found])
    within = np.mean([x.q.covariance for x in found], axis=0)
    total = replace(
        found[-1].q, values=values.mean(axis=0), covariance=within + (1 + 1 / n) * np.atleast_2d(np.cov(values.T))
    )
    after = None if plan.method == "bch" else [np.mean([x.last.after[0] for x in found if x.last.after], axis=0)]
    d = np.mean([x.last.ds[0] for x in found], axis=0)
    last = replace(found[-1].last, ps=[np.mean(each, axis=0)], ds=[d], after=after)
    drawn = "the measurement was held at" if plan.method == "two-step" else "classes were drawn in"
    notes = [f"{drawn} each of {n} draws; outcomes and covariates have no part in these draws"]
    loglik = float(np.mean([x.last.top.loglik for x in found]))
    return result(plan, total, last, notes=notes, draws=n, loglik=loglik, assignment="random")


def _three_step(plan: Plan, each: list[Array], seed: int) -> Callable[[int, Array | None], _Draw]:
    """What estimates the last step at a draw, from a start, with classes that are drawn."""
    (step,) = plan.steps
    rng = np.random.default_rng(seed)
    p = np.mean(each, axis=0)
    units = [Assigned.of(step, p, "proportional")]
    third, _ = begin(plan, units, shared_by(plan, units), every=True)
    first = first_point(plan, third, units)

    def at(k: int, start: Array | None) -> _Draw:
        w, d = _drawn(each[k], rng), errors(each[k], each[k], step.freq)
        check_assigned(w, step.freq, step.labels, "random")
        weights = [plan.of_rows(0, weights_of(plan.method, w, d))]
        if plan.method == "bch":
            own = weights[0] * third.freq[:, None]
            check_weighted(plan.outcomes, plan.frame, own, step.labels, plan.variance)
            here = third.weighted(weights)
        else:
            here = third.with_model(with_errors(third.target.model, d)).weighted(weights)
        top = climb(here.target, first if start is None else start)
        covariance = top.robust(here.of_rows(top.curvature.scores, weights), here.freq, plan.row_groups)
        after = None if plan.method == "bch" else moved_to(plan, here, top, weights)
        return _Draw(related(plan, top, covariance), Last(top, here.target.model, [p], [d], after, covariance))

    return at


def _two_step(plan: Plan, each: list[Array], points: Array) -> Callable[[int, Array | None], _Draw]:
    """What estimates step two with the measurement held at a draw, from a start."""
    p = np.mean(each, axis=0)
    held = Held.of(plan, p)

    def at(k: int, start: Array | None) -> _Draw:
        top = climb(held.at(points[k]), held.start(points[k]) if start is None else start)
        covariance = held.robust(top)
        after = [held.moved_to(top)]
        last = Last(top, top.data.model, [p], [held.units.d], after, covariance, held.weight)
        return _Draw(related(plan, top, covariance, held.weight), last)

    return at


def _drawn(p: Array, rng: np.random.Generator) -> Array:
    """One class a unit, as zeros and ones."""
    below = np.cumsum(p, axis=1)
    at = (below < rng.random(len(p))[:, None] * below[:, -1:]).sum(axis=1)
    return np.eye(p.shape[1])[np.minimum(at, p.shape[1] - 1)]
