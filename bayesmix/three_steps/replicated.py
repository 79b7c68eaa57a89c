"""Replicate weights of a survey: all steps made again under each of them, and how the last one spreads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from bayesmix.ml import Target
from bayesmix.ml.replicates import FAILURES, Replicates, replicate
from bayesmix.three_steps.third import Maximum
from bayesmix.typing import Array

if TYPE_CHECKING:
    from bayesmix.three_steps.plan import Plan

Again = Callable[["Plan"], Mapping[str, Array]]
"""What makes the last step of a plan, and gives its natural parameters."""


def held_at(data: Target, values: Mapping[str, Array]) -> dict[str, Array]:
    """Natural parameters with what is fixed in a model where it is fixed."""
    return {k: np.where(data.packing.estimated[k], values[k], data.packing.held[k]) for k in data.packing.held}


def over_replicates(plan: Plan, top: Maximum, again: Again) -> Array:
    """The covariance matrix of the last step: scale * sum_r rscales_r (theta_r - theta)(theta_r - theta)'.

    Under the weights of replicate r step one is fitted from its solution, the errors of the assignment are those at its
    parameters, and the last step climbs from its maximum. Without the uncertainty of step one these parameters stay.

    Raises
    ------
    ValueError
        Fewer than two replicates have all steps.
    """
    sampling = plan.steps[0].data.rows.sampling
    assert sampling is not None
    number = len(sampling.replicates)
    firsts = [replicate(s.target, s.theta, progress=False) for s in plan.steps] if plan.uncertainty else []
    thetas, which = [], []
    first: Exception | None = None
    for k in range(number):
        if any(k not in x.which for x in firsts):
            continue
        params = [s.target.natural(x.thetas[x.which == k][0]) for s, x in zip(plan.steps, firsts, strict=False)]
        try:
            steps = tuple(
                s.replicate(k, p) for s, p in zip(plan.steps, params or [None] * len(plan.steps), strict=True)
            )
            thetas.append(top.data.pack(held_at(top.data, again(plan.under(k, steps)))))
        except (*FAILURES, RuntimeError) as error:
            first = first or error
            continue
        which.append(k)
    if len(which) < 2:
        raise ValueError(
            f"The steps could be made under {len(which)} of {number} replicate weights: there is no variance between "
            f"them; the first that failed: {first}"
        ) from first
    if lost := number - len(which):
        plan.notes.append(f"{lost} of {number} replicates have no estimate and are left out; the others stand for all")
    return Replicates(np.array(thetas), np.array(which), lost, 0).covariance(top.theta, sampling.said)
