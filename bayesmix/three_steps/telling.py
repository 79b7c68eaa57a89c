"""From the maximum of the last step to what is returned."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from bayesmix.spec import Model
from bayesmix.three_steps.monitor import Monitor
from bayesmix.three_steps.quantities import Quantities, quantities
from bayesmix.three_steps.result import ThreeStep
from bayesmix.three_steps.third import Maximum, higher_elsewhere
from bayesmix.three_steps.transitions import moves
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
    ps : sequence of array (row of step one, class)
        Class probabilities of step one, by occasion.
    ds : sequence of array (class, assigned class)
        Errors of the assignments.
    after : sequence of array (row, class), optional
        Class probabilities in the last step; none where classes cannot move.
    covariance : array (parameter, parameter)
        Of theta.
    weight : array (pattern,), optional
        Of which covariates of outcomes have their means; those of the patterns if left out.
    """

    top: Maximum
    model: Model
    ps: Sequence[Array]
    ds: Sequence[Array]
    after: Sequence[Array] | None
    covariance: Array
    weight: Array | None = None


def told(plan: Plan, last: Last) -> ThreeStep:
    """The result of the last step."""
    return result(
        plan, related(plan, last.top, last.covariance, last.weight), last, elsewhere=_elsewhere(plan, last.top)
    )


def related(plan: Plan, top: Maximum, covariance: Array, weight: Array | None = None) -> Quantities:
    """What is said of the last step at its maximum."""
    return quantities(
        top.data, top.theta, covariance, top.flat, plan.outcomes, plan.variables, owner=plan.variables[plan.owner],
        at_means=plan.at == "means", weight=weight,
    )  # fmt: skip


def _elsewhere(plan: Plan, top: Maximum) -> list[str]:
    """Whether outcomes make classes of their own."""
    if plan.method == "bch" or not plan.outcomes:
        return []
    if (found := higher_elsewhere(top, plan.variables[plan.owner])) is None:
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
    plan: Plan, q: Quantities, last: Last, *, notes: Sequence[str] = (), elsewhere: Sequence[str] = (),
    draws: int | None = None, loglik: float | None = None, assignment: str | None = None,
) -> ThreeStep:  # fmt: skip
    """The result of quantities that may be pooled over draws, of which `last` is one."""
    top, several = last.top, len(plan.steps) > 1
    tables = [errors_table(s.labels, d) for s, d in zip(plan.steps, last.ds, strict=True)]
    monitor = _monitor(plan, last)
    doubts = [*monitor.doubts(), *elsewhere, *boundary(top)]
    for said in doubts:
        warnings.warn(f"The last step is not to be trusted: {said}.", stacklevel=6)
    return ThreeStep(
        method=plan.method,
        assignment="none" if plan.method == "two-step" else assignment or plan.assignment,
        model=last.model,
        variables=tuple(plan.variables),
        outcome_names=tuple(o.name for o in plan.outcomes),
        quantities=q,
        loglik=top.loglik if loglik is None else loglik,
        n_parameters=top.data.packing.size,
        n_units=round(float(plan.freq().sum())),
        n_left_out=int((~plan.kept).sum()),
        errors=pd.concat(tables, keys=plan.variables, names=["variable"]) if several else tables[0],
        monitor=monitor,
        standard_errors=plan.errors_in_words,
        level=plan.level,
        notes=tuple(dict.fromkeys([*plan.notes, *_unseen(plan), *notes])),
        doubts=tuple(doubts),
        draws=draws,
        transitions=moves(top, last.covariance, plan.variables) if several else None,
    )


def errors_table(labels: list, d: Array) -> pd.DataFrame:
    """P(assigned class | class) with its labels."""
    return pd.DataFrame(d, index=pd.Index(labels, name="class"), columns=pd.Index(labels, name="assigned"))


def _unseen(plan: Plan) -> list[str]:
    """At which occasions rows have no class."""
    missing = [int((~plan.seen(k)).sum()) for k in range(len(plan.steps))]
    return [
        f"{n} rows have no answer at occasion {k}: their class there is missing (at random)"
        for k, n in enumerate(missing, start=1)
        if n
    ]


def _monitor(plan: Plan, last: Last) -> Monitor:
    """Classes of step one beside those of the last step; of several occasions beneath each other."""
    out = []
    for k, (s, p, d) in enumerate(zip(plan.steps, last.ps, last.ds, strict=True)):
        seen = plan.seen(k)
        after = None if last.after is None else last.after[k][seen]
        out.append(Monitor.of(plan.of_rows(k, p)[seen], after, d, plan.freq()[seen], s.labels))
    return out[0] if len(out) == 1 else Monitor.joined(out, plan.variables)
