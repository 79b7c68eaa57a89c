"""From the maximum of the last step to what is returned."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayesmix.spec import Model
from bayesmix.three_steps.monitor import Monitor
from bayesmix.three_steps.quantities import Quantities, quantities
from bayesmix.three_steps.result import ThreeStep
from bayesmix.three_steps.third import Maximum, higher_elsewhere
from bayesmix.three_steps.wald import in_pairs, of_covariates, of_outcomes
from bayesmix.typing import Array

if TYPE_CHECKING:
    from bayesmix.three_steps.plan import Plan


@dataclass(frozen=True)
class Last:
    """The last step.

    Attributes
    ----------
    top : Maximum
    model : Model
        Its declaration.
    p : array (row of step one, class)
        Class probabilities of step one.
    d : array (class, assigned class)
        Errors of the assignment.
    after : array (row, class), optional
        Class probabilities in the last step; none where classes cannot move.
    covariance : array (parameter, parameter)
        Of theta.
    """

    top: Maximum
    model: Model
    p: Array
    d: Array
    after: Array | None
    covariance: Array


def told(plan: Plan, last: Last) -> ThreeStep:
    """The result of one class variable."""
    (step,) = plan.steps
    top, kept = last.top, plan.kept
    q = quantities(
        top.data, top.theta, last.covariance, top.flat, plan.outcomes, [step.variable.name], plan.at == "means"
    )
    freq = step.freq[kept]
    monitor = Monitor.of(last.p[kept], last.after, last.d, freq, step.labels)
    return result(plan, q, top, last.model, monitor, [last.d], elsewhere=_elsewhere(plan, top))


def _elsewhere(plan: Plan, top: Maximum) -> list[str]:
    """Whether outcomes make classes of their own."""
    if plan.method == "bch" or not plan.outcomes or (found := higher_elsewhere(top, plan.variables[0])) is None:
        return []
    return [
        f"the log-likelihood has a higher maximum (above {found:.2f}; here {top.loglik:.2f}) away from the classes of "
        "step one: the outcomes make classes of their own; take method='bch', or variance='equal'"
    ]


def boundary(top: Maximum) -> list[str]:
    """Which parameters have no standard error."""
    lost = [n for n, x in zip(top.data.packing.names(), top.flat, strict=True) if x]
    far = "no standard error, the likelihood is flat there or has its maximum far out"
    return [f"{', '.join(lost)}: {far}"] if lost else []


def result(
    plan: Plan, q: Quantities, top: Maximum, model: Model, monitor: Monitor, errors: list[Array], *,
    notes: Sequence[str] = (), elsewhere: Sequence[str] = (), draws: int | None = None, loglik: float | None = None,
) -> ThreeStep:  # fmt: skip
    """Tables and tests of the quantities."""
    names = [o.name for o in plan.outcomes]
    step = plan.steps[0]
    tables = [errors_table(s.labels, d) for s, d in zip(plan.steps, errors, strict=True)]
    keys = [f"occasion {k + 1}" for k in range(len(tables))]
    weights = None
    if plan.method == "bch":
        index = pd.Index(step.labels, name="assigned")
        weights = pd.DataFrame(np.linalg.inv(errors[0]), index=index, columns=pd.Index(step.labels, name="class"))
    covariances = [
        {"of": q.keys.loc[k, "outcome"], "covariance": q.values[k], "se": q.se[k]}
        for k in q.where(kind="residual covariance")
    ]
    doubts = [*monitor.doubts(), *elsewhere, *boundary(top)]
    for said in doubts:
        warnings.warn(f"The last step is not to be trusted: {said}.", stacklevel=6)
    tests = [*of_covariates(q), *(of_outcomes(q, names) if names else ())]
    return ThreeStep(
        method=plan.method,
        assignment="none" if plan.method == "two-step" else plan.assignment,
        model=model,
        variables=tuple(plan.variables),
        outcome_names=tuple(names),
        quantities=q,
        loglik=top.loglik if loglik is None else loglik,
        n_parameters=top.data.packing.size,
        n_units=round(float(plan.freq().sum())),
        n_left_out=int((~plan.kept).sum()),
        errors=tables[0] if len(tables) == 1 else pd.concat(tables, keys=keys),
        weights=weights,
        monitor=monitor,
        tests=pd.DataFrame(tests, columns=["test", "wald", "df", "p"]),
        pairwise=in_pairs(q, names) if names else pd.DataFrame(),
        shared=pd.DataFrame(covariances),
        standard_errors=plan.errors_in_words,
        level=plan.level,
        notes=tuple(dict.fromkeys([*plan.notes, *notes])),
        doubts=tuple(doubts),
        draws=draws,
    )


def errors_table(labels: list, d: Array) -> pd.DataFrame:
    """P(assigned class | class) with its labels."""
    return pd.DataFrame(d, index=pd.Index(labels, name="class"), columns=pd.Index(labels, name="assigned"))
