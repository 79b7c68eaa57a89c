"""Random starts in two stages: L-BFGS on exact gradients, ranked, in rounds until the best is replicated."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from bayesmix.graph import (
    BY_SOURCE,
    LogLikelihood,
    adapt_nodes,
    class_posteriors,
    entries,
    is_adaptive,
    with_adaptive_nodes,
)
from bayesmix.ml.ascent import Climbed, climb
from bayesmix.ml.newton import FLAT, curvature
from bayesmix.ml.objective import Objective, Target
from bayesmix.ml.partition import partitioned
from bayesmix.ml.settings import Settings
from bayesmix.ml.starts import Ranges, ranges
from bayesmix.parallel import executor_for, here, one_blas_thread, progress_bar, submitted
from bayesmix.results import ALONE, same_maximum
from bayesmix.spec import Adaptive, Covariates, Exact, groups
from bayesmix.spec.families import LEAST_VARIANCE
from bayesmix.typing import Array

SHORT, LONG = 20, 3000
WORTH_PROCESSES = 40.0
"""Seconds of remaining work from which processes pay."""
DEAR, COARSELY = 2**21, 60
"""Entries over individuals, nodes and classes, from which a long run begins on coarse nodes; its iterations there."""
COARSE = 3
"""Adaptive points a dimension in short runs, for several effects."""
SOFT = (0.1, 0.3, 0.3)
"""Answers as varied as all of an item's that are added to each class at first, where residual SDs vary over classes.

As shares of those that there are for a class; the start's number says which."""
SOFTENED = 100
"""Iterations that a start may take with them, before it goes on without."""
FAR_OUT = 4.0
"""Natural units from the margins: a logit further out says the same."""
TWINS, OFF_SADDLE = 1e-3, 0.3
"""How far apart classes of a point are that are the same; a step off such a saddle. In natural units."""
FADED, BROUGHT_BACK = 12.0, 8.0
"""A logit so many natural units out is on a plateau; where it is put, if it should not be there."""
SIMILAR = 0.3
"""How far apart classes of two points are, at most, that are on their way to the same end, in natural units."""
RARE = 4.0
"""Where nearly all starts collapse, ways by one class more may take so many times the budget."""
SELDOM = 0.25
"""A share of the ends below which the best one may well not be the best there is."""
NEAR_FLOOR, HANDFUL = 5.0, 5
"""An SD within so many times its floor is looked at: whether it is that of one answer, or of a handful of them."""
MORE_ROUNDS = 10
"""So many times the rounds that were asked for are run, at most, while there is time."""
RESTARTS = 10
"""How often an optimiser is started again that stopped before its gradient had gone."""
FINISHED = 0.01
"""The largest entry of the gradient, per natural unit, of a start that is at its end."""
UNSEEN = 0.2
"""An estimated share of end points that nobody has seen, up to which a search ends."""
REFRESHED = 6
"""How often adaptive nodes are moved, at most, between runs of the optimiser."""
FEW_AT_ONCE, MOST_ENTRIES, MOST_CURVATURE = 4, 200, 2_000_000
"""So many points at least are evaluated at once where starts climb side by side; of so many entries at most, whose
matrices of curvature have no more numbers together."""


FAILURES = (FloatingPointError, np.linalg.LinAlgError, ValueError)
"""What a start may fail by: a row among the starts, and never the end of a fit."""


@dataclass(frozen=True)
class Start:
    """One start: where it came from and how far it got."""

    seed: int
    theta: Array
    short: float = np.nan
    loglik: float = np.nan
    status: str = "not run"
    iterations: int = 0
    collapsed: str = ""
    """A residual SD at its floor: such a start ranks behind every sound one."""
    origin: str = "random"
    """Or "given", "detour", "answers", "simpler model": the last two come from few places, and all count as one."""

    @property
    def alone(self) -> bool:
        """Whether it counts for itself."""
        return self.origin in ALONE


@dataclass(frozen=True)
class Task:
    """A start, and all that is needed to run it anywhere."""

    data: Target
    limits: Ranges
    start: Start
    max_iterations: int
    mode: str | None
    soft: float = 0.0


def run_start(task: Task, alone: bool = False) -> Start:
    """Climb on exact gradients from one start; `alone`, by L-BFGS. Never raises: a failure is a status."""
    start, long = task.start, task.max_iterations > SHORT
    try:
        if not alone and climb_together(task.data):
            return next(_run_together([task]))
        steps = 12 if long or sum(e.residual for e in task.data.model.effects) < 2 else 3
        theta, iterations = _origin(task), 0
        dear = len(task.data.counts) * entries(task.data) > DEAR
        if long and dear:  # most of the way costs a fraction on coarse nodes
            coarse = adapt_nodes(coarser(task.data), theta)
            _, theta, iterations, _ = _run(replace(task, data=coarse, max_iterations=COARSELY), theta)
        data = adapt_nodes(task.data, theta, steps=steps)
        if task.soft and task.limits.may_collapse:
            _, theta, iterations, _ = _run(replace(task, data=data, max_iterations=SOFTENED), theta)
        value, theta, more, status = _ascend(replace(task, data=data, soft=0.0 if long else task.soft), theta)
        iterations += more
        for _ in range(REFRESHED if is_adaptive(data) and long else 0):
            before, data = value, adapt_nodes(data, theta)
            value, theta, more, status = _ascend(replace(task, data=data), theta)
            iterations += more
            if abs(value - before) < 1e-7:
                break
        if long:
            value, theta, more, status = _freed(replace(task, data=data), value, theta, status)
            iterations += more
    except FAILURES as error:
        value, theta, iterations, status = -np.inf, start.theta, 0, f"failed: {error}"
    return _told(task, value, theta, iterations, status)


def run_starts(tasks: Sequence[Task]) -> Iterator[Start]:
    """:func:`run_start` of each task, those of a small problem side by side."""
    if not tasks or not climb_together(tasks[0].data):
        yield from map(run_start, tasks)
        return
    size = len(tasks[0].start.theta)
    many = max(MOST_CURVATURE // max(size, 1) ** 2, 1)
    for k in range(0, len(tasks), many):
        left = {t.start.seed: t for t in tasks[k : k + many]}
        try:
            for end in _run_together(list(left.values())):
                del left[end.seed]
                yield end
        except FAILURES:  # of one of them: alone it is a row, and the others go on
            yield from (run_start(t, alone=True) for t in left.values())


def climb_together(data: Target) -> bool:
    """Whether starts climb together: the nodes of each are the same, and several points are evaluated at once."""
    return not is_adaptive(data) and LogLikelihood(data).at_once >= FEW_AT_ONCE and data.packing.size <= MOST_ENTRIES


def _run_together(tasks: Sequence[Task]) -> Iterator[Start]:
    """The starts of tasks that differ in nothing else, as they end; those that stop too early go on alone."""
    limits, unit, objective = tasks[0].limits, tasks[0].limits.unit, Objective(tasks[0].data, tasks[0].mode)
    long = tasks[0].max_iterations > SHORT
    origins, before = np.array([_origin(t) for t in tasks]), np.zeros(len(tasks), dtype=int)
    soft = np.array([t.soft if limits.may_collapse else 0.0 for t in tasks])

    def climbed(points: Array, iterations: int, weights: Array) -> Iterator[Climbed]:
        def function(x: Array, which: NDArray) -> tuple[Array, Array]:
            value, gradient = objective.value_and_gradient(x * unit)
            if weights.any():
                more, slope = limits.soft(x * unit, weights[which])
                value, gradient = value + more, gradient + slope
            return value, gradient * unit

        inside = limits.within(points) / unit
        ends = (limits.lower / unit, limits.upper / unit)
        with one_blas_thread(), np.errstate(all="ignore"):
            yield from climb(function, inside, *ends, iterations, lambda x: limits.lost(x * unit))

    if soft.any():
        for end in climbed(origins, SOFTENED, soft):
            origins[end.which], before[end.which] = end.point * unit, end.iterations
    for end in climbed(origins, tasks[0].max_iterations, np.zeros(len(tasks)) if long else soft):
        task, theta, gradient = tasks[end.which], end.point * unit, end.gradient / unit
        status = status_at(limits, theta, gradient) if np.isfinite(end.value) else "failed: not finite"
        value, iterations = end.value, int(before[end.which]) + end.iterations
        if long and status == "unfinished" and not (end.stopped or limits.lost(theta[None])[0]):
            value, theta, more, status = _ascend(replace(task, soft=0.0), theta)
            iterations += more
        if long and not end.stopped:
            value, theta, more, status = _freed(replace(task, soft=0.0), value, theta, status)
            iterations += more
        yield _told(task, value, theta, iterations, status)


def _origin(task: Task) -> Array:
    """Where a start begins: one handed in where it is, however near to singular a matrix, if a search can be there."""
    inside = task.limits.within(task.start.theta)
    possible = all((m.conditional(inside[None]) > 0).all() for m in task.limits.matrices)
    if task.start.origin == "given" and possible and not task.limits.lost(inside[None])[0]:
        return inside
    return task.limits.startable(inside)


def _freed(task: Task, value: float, theta: Array, status: str) -> tuple[float, Array, int, str]:
    """A point that is an end of the search and no maximum is left for a higher end, if there is one."""
    iterations = 0
    for off in (_off_plateau, _off_saddle):
        if (beside := off(task, theta)) is not None:
            found = _ascend(task, beside)
            iterations += found[2]
            if found[0] > value:
                value, theta, _, status = found
    return value, theta, iterations, status


def _off_plateau(task: Task, theta: Array) -> Array | None:
    """The point with logits brought back that went too far out; None where there are none.

    So far out the gradient has faded, as the probability has that a logit stands for, but it still points back. The
    log-likelihood hardly changes on the way: where it does, it was no logit alone that had gone too far.
    """
    limits = task.limits
    away = (theta - limits.center) / limits.unit
    far = (np.abs(away) > FADED) & np.isinf(limits.lower) & np.isinf(limits.upper)
    if not far.any():
        return None
    objective = Objective(task.data, task.mode)
    value, gradient = objective.value_and_gradient(theta)
    slope = gradient * limits.unit * np.sign(away)
    inwards = far & (slope < 0) & (-slope < task.data.counts.sum() * np.exp(-0.5 * np.abs(away)))
    back, moved = limits.center + limits.unit * np.sign(away) * BROUGHT_BACK, theta
    for side in (away < 0, away > 0):  # of several categories those that share what is left rise together
        trial = np.where(inwards & side, back, moved)
        if (trial != moved).any() and objective.value(trial) > value - 1.0:
            moved = trial
    return None if moved is theta else moved


def _off_saddle(task: Task, theta: Array) -> Array | None:
    """A higher point beside one at which two classes are the same; None where there is none, or no classes are.

    With two classes alike the gradient vanishes: it is that of a model of fewer classes, and no maximum of this one.
    """
    apart = [np.abs(x[:, None] - x[None]).max(axis=-1) for x in profile(task.data, task.limits, theta)]
    if not any(np.triu(away < TWINS, 1).any() for away in apart):
        return None
    found = curvature(task.data, theta)
    size, axes = found.spectrum
    if not len(size) or size[0] > -FLAT:
        return None
    evaluate = Objective(task.data, task.mode).value
    points = [task.limits.within(theta + step * axes[:, 0]) for step in (OFF_SADDLE, -OFF_SADDLE)]
    values = [evaluate(at) for at in points]
    return points[int(np.argmax(values))] if max(values) > evaluate(theta) + FINISHED * OFF_SADDLE else None


def status_at(limits: Ranges, theta: Array, gradient: Array) -> str:
    """Whether the gradient of a point has gone, but for what is held at a bound."""
    left = np.abs(np.where(limits.held(theta, gradient), 0.0, gradient * limits.unit)).max(initial=0.0)
    return "converged" if left < FINISHED else "unfinished"


def _told(task: Task, value: float, theta: Array, iterations: int, status: str) -> Start:
    """The start of a task with what became of it."""
    start, long = task.start, task.max_iterations > SHORT
    gone = collapsed(task.data, task.limits, theta)
    status = f"collapsed: {gone}" if gone and not status.startswith("failed") else status
    return replace(
        start,
        theta=theta,
        short=start.short if long else value,
        loglik=value if long else np.nan,
        status=status if long or gone or status.startswith("failed") else "short",
        iterations=start.iterations + iterations,
        collapsed=gone,
    )


def collapsed(data: Target, limits: Ranges, theta: Array) -> str:
    """The name of a residual SD that has run down to its floor; empty where there is none."""
    gone = limits.collapsed(theta)
    if limits.collapsing.any():
        gone |= _on_one_value(data, limits, theta)
    names = data.packing.names()
    found = next((names[k] for k in np.flatnonzero(gone)), "")
    return found or _singular(data, limits, theta) or _linear_variance(data, theta)


def _singular(data: Target, limits: Ranges, theta: Array) -> str:
    """Name the item of a residual covariance matrix that has become singular, or that of a handful of answers."""
    for m in (m for m in limits.matrices if m.by_class):
        gone, near = (m.collapsed(theta[None], times)[0] for times in (1.001, NEAR_FLOOR))
        if near.any() and not gone.any():
            weights = _class_weights(data, theta)
            few = HANDFUL + len(m.items)
            for at in np.argwhere(near):
                each = [weights[c][:, k] for c, k in zip(m.classes, at, strict=False) if c in weights]
                gone[tuple(at)] = (data.counts * np.prod(each, axis=0)).sum() < few
        if gone.any():
            return m.words(tuple(int(k) for k in np.argwhere(gone)[0]))
    return ""


def _on_one_value(data: Target, limits: Ranges, theta: Array) -> NDArray[np.bool_]:
    """Which residual SDs near their floor are those of one answer, many times given, or of a handful of answers."""
    near, out = limits.collapsing & (theta < limits.lower + np.log(NEAR_FLOOR)), np.zeros(len(theta), dtype=bool)
    if not near.any():
        return out
    weights = _class_weights(data, theta)
    for r in data.model.responses:
        for t in (t for t in r.auxiliary if near[i := data.packing.index[t.parameter.name]][i >= 0].any()):
            index, dims = data.packing.index[t.parameter.name], t.dims
            for at in np.argwhere(near[index] & (index >= 0)):
                place = dict(zip(dims, at, strict=True))
                y = data.responses[r.name][:, place.get(r.item_dim, 0)]
                w = data.counts * np.prod([weights[d][:, k] for d, k in place.items() if d in weights], axis=0)
                out[index[tuple(at)]] |= _is_one_value(y, w)
    return out


def _class_weights(data: Target, theta: Array) -> dict[str, Array]:
    """Posterior class probabilities of each pattern; of classes of clusters those of its cluster."""
    owner = data.arrays["cluster_of"].values if "cluster_of" in data.arrays else None
    found = class_posteriors(data, theta)
    of_clusters = {c.name for c in data.model.classes_at("cluster")}
    return {
        k: p[owner] if k in of_clusters else p for k, p in found.items() if owner is not None or k not in of_clusters
    }


def _is_one_value(y: Array, w: Array) -> bool:
    """Whether answers with weights are a handful, or most of them the same."""
    seen = ~np.isnan(y)
    _, which = np.unique(y[seen], return_inverse=True)
    each = np.bincount(which, weights=w[seen], minlength=1)
    return bool(each.sum() < HANDFUL or each.max() > 0.5 * each.sum())


def _linear_variance(data: Target, theta: Array) -> str:
    """The name of a residual variance, linear in covariates, that has run down to its floor for somebody."""
    for r in data.model.responses:
        if "variance_slope" in r.family.auxiliary:
            level, slope = (t.parameter.name for t in r.auxiliary)
            x = data.arrays[cast(Covariates, r.auxiliary[1].covariates).key]
            values, scale = data.inside(theta), data.arrays[f"{r.name}:scale"].values[0]
            each = (values[level] + x.values @ values[slope]) / scale**2
            used = each[data.counts > 0] if x.dims[0] == "individual" else each
            if used.min() < LEAST_VARIANCE * 1.001:
                return level
    return ""


def _ascend(task: Task, origin: Array) -> tuple[float, Array, int, str]:
    """L-BFGS, adaptive nodes frozen at their places for its first point; again from where it stopped too early.

    A step to where the log-likelihood is not finite makes the optimiser call any point converged: its gradient says.
    """
    value, theta, iterations, status = _run(task, task.limits.within(origin))
    for _ in range(RESTARTS if task.max_iterations > SHORT else 0):
        if status != "unfinished" or task.limits.lost(theta[None])[0]:
            break
        before = value
        value, theta, more, status = _run(task, theta)
        iterations += more
        if value < before + 1e-9:
            break
    return value, theta, iterations, status


def _run(task: Task, origin: Array) -> tuple[float, Array, int, str]:
    """One L-BFGS run."""
    objective, unit = Objective(task.data, task.mode), task.limits.unit
    best: list = [-np.inf, origin, np.zeros_like(origin)]

    def falling(step: Array) -> tuple[float, Array]:
        theta = origin + unit * step
        value, gradient = objective.value_and_gradient(theta)
        if task.soft:
            more, slope = task.limits.soft(theta, task.soft)
            value, gradient = value + more, gradient + slope
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            if not (task.limits.matrices and np.isfinite(best[0])):
                return np.inf, np.zeros_like(step)
            # beyond the positive definite matrices: risen by what the slope promised, so that the step is shortened
            promised = abs(float(best[2] @ (theta - best[1])))
            return -best[0] + max(promised, 1.0), np.zeros_like(step)
        if value > best[0]:
            best[:] = float(value), theta, gradient
        return -float(value), -gradient * unit

    options = {"maxiter": task.max_iterations, "maxfun": 3 * task.max_iterations + 20, "ftol": 1e-13, "gtol": 1e-7}
    options["maxcor"] = 50  # a third of the iterations that ten take, where classes overlap
    bounds = np.column_stack([(task.limits.lower - origin) / unit, (task.limits.upper - origin) / unit])

    def watch(step: Array) -> None:
        if task.limits.lost((origin + unit * step)[None])[0]:
            raise StopIteration  # it will not come back, and where it ends counts for nothing

    with one_blas_thread(), np.errstate(all="ignore"):
        zero = np.zeros_like(origin)
        out = optimize.minimize(
            falling, zero, jac=True, method="L-BFGS-B", bounds=bounds, options=options, callback=watch
        )
    value, theta, gradient = best
    if not np.isfinite(value):
        return value, theta, int(out.nit), "failed: not finite"
    return value, theta, int(out.nit), status_at(task.limits, theta, gradient)


def coarser(data: Target) -> Target:
    """Take three adaptive nodes a dimension in place of more: enough to rank starts in short runs."""
    methods = {
        k: Adaptive(COARSE)
        for k, m in data.nodes.items()
        if isinstance(m, Adaptive) and m.n > COARSE and len(data.model.effects_at(k)) > 1
    }
    return with_adaptive_nodes(data, methods)


@dataclass
class Search:
    """Starts in two stages, in rounds until the best value is replicated and little is left to be found.

    Attributes
    ----------
    data : Target
        What is climbed; :meth:`again` puts it on other nodes.
    settings : Settings
        What was asked for.
    given : list of (str, array)
        Starts handed in, and solutions of simpler models, each with its origin.
    mode, executor
        The engine that was asked for; where starts run, if not asked for chosen by the time that the first one takes.
    seconds : float
        How long it has taken.
    interrupted : bool
    """

    data: Target
    settings: Settings
    given: Sequence[tuple[str, Array]]
    interrupted: bool = False
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.mode, self.executor = self.settings.mode, self.settings.executor
        self.limits, self.coarse = ranges(self.data), coarser(self.data)
        self.at_once = self._one_maximum()
        """Whether every start goes to convergence: short runs would choose nothing."""
        few = min(self.settings.starts, 4) if self.data.model.has_random_effects else 2
        asked = (self.settings.starts, self.settings.finals, self.settings.rounds)
        self.n_starts, self.n_finals, self.rounds = (few, few, 1) if self.at_once else asked

    def run(self) -> list[Start]:
        """Every start, the best first. Interrupted, those that are finished."""
        began = time.perf_counter()
        rounds = self.rounds * (MORE_ROUNDS if self.rounds > 1 else 1)
        seeds = np.random.SeedSequence(self.settings.seed).generate_state(self.n_starts * rounds).tolist()
        done: list[Start] = []
        try:
            with self._bar() as advance:
                for r in range(rounds):
                    some = seeds[r * self.n_starts : (r + 1) * self.n_starts]
                    self._round(r, [Start(s, self._draw(k, s)) for k, s in enumerate(some)], done, advance)
                    if self._enough(r + 1, done, time.perf_counter() - began):
                        break
        except KeyboardInterrupt:
            self.interrupted = True
            if not any(np.isfinite(s.short) or np.isfinite(s.loglik) for s in done):
                raise
            warnings.warn(f"Interrupted: going on with the {len(done)} starts that are finished.", stacklevel=4)
        self.seconds += time.perf_counter() - began
        return ranked(done)

    def _draw(self, k: int, seed: int) -> Array:
        """A start around the margins, or from a partition of the data, by turns."""
        at_random = k % 2 and not self.data.model.known  # which class is which is known to parts alone
        return self.limits.draw(seed) if at_random else partitioned(self.data, self.limits, seed)

    def _enough(self, rounds: int, done: list[Start], seconds: float) -> bool:
        """Whether the best value is replicated, and what is left to be found is little or not worth the time."""
        replicated = times_reached(done) > 1
        if replicated and unseen_share(done) <= UNSEEN:
            return True
        if mostly_collapse(done) and self.settings.budget > 0:  # ways by one class more find what is sound sooner
            return seconds > 0.5 * self.settings.budget
        return seconds > self.settings.budget and (replicated or rounds >= self.rounds)

    def _one_maximum(self) -> bool:
        """Whether the model is a regression without classes, with normal random coefficients at most."""
        if any(c.size > 1 for c in self.data.model.classes):
            return False
        return not self.data.model.has_random_effects or {type(m) for m in self.data.nodes.values()} == {Exact}

    def again(self, data: Target, found: list[Start]) -> list[Start]:
        """The best starts once more on other nodes; what was reached on the old ones does not compare.

        Coarse nodes have maxima of their own where the logits of the classes are far out: these are brought back.
        """
        began, self.data = time.perf_counter(), data
        taken, done = _twice_each([s for s in found if np.isfinite(s.loglik)][: self.n_finals]), list[Start]()
        old = [replace(s, loglik=np.nan, status="coarser nodes") for s in found]
        best = [replace(s, theta=self.limits.nearer(s.theta)) for s in old if s.seed in taken]
        try:
            with self._bar() as advance:
                list(self._each(best, LONG, done, advance("finer nodes", len(best))))
        except KeyboardInterrupt:
            self.interrupted = True
            warnings.warn("Interrupted on finer nodes: going on with what is finished.", stacklevel=4)
        self.seconds += time.perf_counter() - began
        return ranked([*done, *(s for s in old if s.seed not in taken)])

    def _round(self, r: int, new: list[Start], done: list[Start], advance: Callable) -> None:
        given = [Start(-1 - k, t, origin=o) for k, (o, t) in enumerate(self.given)] if r == 0 else []
        todo = [*given, *new]
        if self.at_once or self.limits.may_collapse or self.limits.matrices:  # short runs put what collapses first
            list(self._each(todo, LONG, done, advance("to convergence", len(todo))))
            return
        short = list(self._each(todo, SHORT, done, advance("short runs", len(todo))))
        usable = sorted((s for s in short if np.isfinite(s.short)), key=lambda s: (bool(s.collapsed), -s.short))
        if r > 0:  # a new round competes with the best so far
            top = max((s.loglik for s in done if np.isfinite(s.loglik) and not s.collapsed), default=-np.inf)
            usable = [s for s in usable if s.short > top - 0.1 * abs(top)]
        best, rest = self._apart(usable)
        while best:
            for s in best:
                _remove(done, s)
            ended = list(self._each(best, LONG, done, advance("to convergence", len(best))))
            lost = sum(bool(s.collapsed) for s in ended)  # others take the place of what has collapsed
            best, rest = rest[:lost], rest[lost:]

    def _apart(self, usable: list[Start]) -> tuple[list[Start], list[Start]]:
        """The best starts to go on with, no more than two of them on their way to the same end; the others after.

        Of five on their way to a maximum that is none of the whole, five would arrive, and none anywhere else.
        """
        best: list[Start] = []
        for s in usable:
            own = profile(self.data, self.limits, s.theta)
            near = [profile(self.data, self.limits, b.theta) for b in best]
            if len(best) < self.n_finals and sum(similar(own, other) for other in near) < 2:
                best.append(s)
        rest = [s for s in usable if all(s is not b for b in best)]
        more = self.n_finals - len(best)
        return [*best, *rest[:more]], rest[more:]

    def more(self, points: Sequence[Array], found: Sequence[Start]) -> list[Start]:
        """Further starts from given points, beside those that were found."""
        began, done = time.perf_counter(), list(found)
        lowest = min((s.seed for s in found if s.seed < 0), default=0)
        try:
            with self._bar() as advance:
                self._round(1, [Start(lowest - 1 - k, t, origin="detour") for k, t in enumerate(points)], done, advance)
        except KeyboardInterrupt:
            self.interrupted = True
            warnings.warn("Interrupted: going on with the starts that are finished.", stacklevel=4)
        self.seconds += time.perf_counter() - began
        return ranked(done)

    @property
    def left(self) -> float:
        """Seconds of the budget that are left."""
        return self.settings.budget - self.seconds

    def _each(self, todo: list[Start], iterations: int, done: list[Start], tick: Callable) -> Iterator[Start]:
        data = self.coarse if iterations == SHORT else self.data
        tasks = [Task(data.bare(), self.limits, s, iterations, self.mode, soft_weight(data, s)) for s in todo]
        try:
            for out in self._map(tasks):
                done.append(out)
                tick()
                yield out
        finally:
            finished = {s.seed for s in done}
            done.extend(s for s in todo if s.seed not in finished and np.isfinite(s.short))

    def _map(self, tasks: list[Task]) -> Iterator[Start]:
        """Run the tasks: the first here, to time it; the rest where it pays."""
        if here(self.executor) and self.mode in (None, *BY_SOURCE) and climb_together(self.data):
            yield from run_starts(tasks)
            return
        if self.executor is None and tasks:
            Objective(self.data, self.mode).compile()  # before the clock starts, and what moves nodes
            adapt_nodes(tasks[0].data, tasks[0].start.theta, steps=1)
            began = time.perf_counter()
            yield run_start(tasks[0])
            last, tasks = time.perf_counter() - began, tasks[1:]
            left = last * (len(tasks) + (8 * self.n_finals if tasks and tasks[0].max_iterations == SHORT else 0))
            self.executor = executor_for(left, WORTH_PROCESSES) if len(tasks) > 1 else None
        yield from submitted(self.executor, tasks, run_start)

    def _bar(self):
        return progress_bar(self.settings.progress)


def _twice_each(finals: list[Start]) -> set[int]:
    """Seeds of two starts that reached each of the maxima: enough to go on from, and to see it replicated."""
    kept: list[Start] = []
    for s in finals:
        if sum(abs(k.loglik - s.loglik) < 1e-3 for k in kept) < 2:
            kept.append(s)
    return {s.seed for s in kept}


def _remove(done: list[Start], s: Start) -> None:
    done[:] = [d for d in done if d.seed != s.seed]


def soft_weight(data: Target, start: Start) -> float:
    """How strongly the SDs of a random start are held near those of the items at first: maxima are reached by each way.

    As so many further answers in each class, a share of those that there are for a class.
    """
    classes = max((c.size for c in data.model.classes), default=1)
    if start.origin != "random":
        return 0.0
    return SOFT[start.seed % len(SOFT)] * float(data.counts.sum()) / classes


def profile(data: Target, limits: Ranges, theta: Array) -> list[Array]:
    """What tells the classes of a point apart, (class, feature) for each group of class variables, in natural units."""
    raw = {k: np.append(np.clip((theta - limits.center) / limits.unit, -FAR_OUT, FAR_OUT), 0.0)[i]
           for k, i in data.packing.index.items()}  # fmt: skip
    out = []
    for dims in groups(data.model):
        of_class = [(p, [d for d in p.dims if d in dims]) for p in data.model.parameters]
        rows = [np.moveaxis(raw[p.name], p.dims.index(d[0]), 0) for p, d in of_class if len(d) == 1]
        out += [np.concatenate([x.reshape(len(x), -1) for x in rows], axis=1)] if rows else []
    return out


def similar(a: Sequence[Array], b: Sequence[Array]) -> bool:
    """Whether two points have the same classes, nearly, in whatever order."""
    for x, y in zip(a, b, strict=True):
        gap = np.abs(x[:, None, :] - y[None, :, :])
        away = np.sqrt((gap**2).mean(axis=-1))
        rows, columns = optimize.linear_sum_assignment(away)
        if away[rows, columns].max() > SIMILAR:
            return False
    return bool(a)


def sound(done: Sequence[Start]) -> list[Start]:
    """Starts that ran to the end without a collapse, the best first."""
    return [s for s in ranked(done) if np.isfinite(s.loglik) and not s.collapsed]


def times_reached(done: Sequence[Start]) -> int:
    """How many starts ended at the best value; all that do not count for themselves as one."""
    return next(iter(ends(done)), 0)


def ends(done: Sequence[Start]) -> list[int]:
    """How often each different end point was reached, the best first."""
    groups: list[list[Start]] = []
    for s in sound(done):
        if groups and same_maximum(s.loglik, groups[-1][0].loglik):
            groups[-1].append(s)
        else:
            groups.append([s])
    return [sum(s.alone for s in g) + any(not s.alone for s in g) for g in groups]


def unseen_share(done: Sequence[Start]) -> float:
    """The share of starts that would end where none has ended yet, by Good and Turing: that of ends seen once."""
    times = ends(done)
    return times.count(1) / max(sum(times), 1)


def uncertain(data: Target, done: Sequence[Start]) -> bool:
    """Whether there may well be a better end: the best was seldom reached, or ends are still new."""
    times = ends(done)
    if not data.model.classes:
        return False
    return not times or times[0] < 2 or times[0] < SELDOM * sum(times) or unseen_share(done) > UNSEEN / 2


def mostly_collapse(done: Sequence[Start]) -> bool:
    """Whether sound ends are the exception."""
    finals = [s for s in done if np.isfinite(s.loglik)]
    return sum(bool(s.collapsed) for s in finals) > 0.5 * len(finals)


def ranked(done: Sequence[Start]) -> list[Start]:
    """The best first; what has collapsed behind all that is sound. Rounding does not tell equal ends apart."""
    return sorted(
        done,
        key=lambda s: (
            not np.isfinite(s.loglik),
            bool(s.collapsed),
            -np.nan_to_num(np.round(s.loglik, 6), nan=-np.inf),
            -np.nan_to_num(s.short, nan=-np.inf),
        ),
    )
