"""The last step over the draws of a posterior: in each the classes of the units are drawn, and results are pooled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bayesmix.spec import Model
from bayesmix.three_steps.by_assignment import begin, first_point, moved_to, weights_of
from bayesmix.three_steps.declared import with_errors
from bayesmix.three_steps.inputs import check_weighted
from bayesmix.three_steps.monitor import Monitor
from bayesmix.three_steps.quantities import Quantities, quantities
from bayesmix.three_steps.result import ThreeStep
from bayesmix.three_steps.step_one import check_assigned, errors
from bayesmix.three_steps.telling import result
from bayesmix.three_steps.third import Maximum, Third, climb
from bayesmix.typing import Array

if TYPE_CHECKING:
    from bayesmix.three_steps.plan import Plan


MOST_FAILED = 0.2
"""A share of draws at which the last step may fail."""


def pooled(plan: Plan, seed: int) -> ThreeStep:
    r"""Estimate the last step at draws of the parameters of step one, and pool by Rubin's rules.

    At draw m each unit i gets a class W_i ~ P(X | y_i, theta_m), whose errors D are those of a random assignment, the
    same as of a proportional one. With the estimates b_m and their robust covariance matrices V_m over M draws,

        b = mean of b_m,        V = mean of V_m + (1 + 1/M) B,        B their covariance between draws.

    Raises
    ------
    ValueError
        The method "two-step", or a proportional assignment.
    """
    (step,) = plan.steps
    if plan.method == "two-step":
        raise ValueError(
            "method='two-step' came with a posterior, whose draws are assigned to classes: take 'ml' or 'bch', or give "
            "the fit."
        )
    if plan.assignment == "proportional":
        raise ValueError(
            "assignment='proportional' came with a posterior: the classes of its draws are drawn; leave it out."
        )
    points = step.theta.reshape(-1, step.theta.shape[-1])[: plan.draws]
    rng = np.random.default_rng(seed)
    each = [step.posterior(at) for at in points]
    p = np.mean(each, axis=0)
    third, _ = begin(plan, p, p, errors(p, p, step.freq), every=True)
    found: list[_Draw] = []
    start, failed = first_point(third, p[plan.kept]), []
    for own in each:
        w, d = _drawn(own, rng), errors(own, own, step.freq)
        try:
            draw = _at_draw(plan, third, start, w, d)
        except (ValueError, RuntimeError) as error:
            failed.append(error)
            continue
        start = draw.top.theta
        found.append(draw)
    if len(failed) > MOST_FAILED * len(each):
        raise ValueError(f"The last step failed at {len(failed)} of {len(each)} draws; the first time: {failed[0]}")
    if failed:
        plan.notes.append(f"the last step failed at {len(failed)} of {len(each)} draws, which are left out")
    n, last = len(found), found[-1]
    values = np.array([x.q.values for x in found])
    between = np.atleast_2d(np.cov(values.T))
    within = np.mean([x.q.covariance for x in found], axis=0)
    total = replace(last.q, values=values.mean(axis=0), covariance=within + (1 + 1 / n) * between)
    d = np.mean([x.d for x in found], axis=0)
    moved = None if plan.method == "bch" else np.mean([x.after for x in found if x.after is not None], axis=0)
    monitor = Monitor.of(p[plan.kept], moved, d, third.freq, step.labels)
    notes = [f"classes were drawn in each of {n} draws; outcomes and covariates have no part in these draws"]
    out = result(
        plan, total, last.top, last.model, monitor, [d], notes=notes, draws=n,
        loglik=float(np.mean([x.top.loglik for x in found])),
    )  # fmt: skip
    return replace(out, assignment="random")


@dataclass(frozen=True)
class _Draw:
    """The last step at one draw."""

    q: Quantities
    top: Maximum
    model: Model
    d: Array
    after: Array | None


def _at_draw(plan: Plan, third: Third, start: Array, w: Array, d: Array) -> _Draw:
    """The last step with the classes w that were drawn, and the errors d of such an assignment."""
    (step,) = plan.steps
    check_assigned(w, step.freq, step.labels, "random")
    weights = weights_of(plan.method, w, d)[plan.kept]
    if plan.method == "bch":
        check_weighted(plan.outcomes, plan.frame, weights * third.freq[:, None], step.labels, plan.variance)
    else:
        third = third.with_model(with_errors(third.target.model, d))
    third = third.weighted(weights)
    top = climb(third.target, start)
    covariance = top.robust(third.of_rows(top.curvature.scores, weights), third.freq, plan.row_groups)
    names = [step.variable.name]
    q = quantities(top.data, top.theta, covariance, top.flat, plan.outcomes, names, plan.at == "means")
    return _Draw(q, top, third.target.model, d, None if plan.method == "bch" else moved_to(third, top, weights))


def _drawn(p: Array, rng: np.random.Generator) -> Array:
    """One class a unit, as zeros and ones."""
    below = np.cumsum(p, axis=1)
    at = (below < rng.random(len(p))[:, None] * below[:, -1:]).sum(axis=1)
    return np.eye(p.shape[1])[np.minimum(at, p.shape[1] - 1)]
