"""Starts from the solutions of other models: of simpler ones that a model holds, and of one class more and back.

A search from random starts alone may end below a model that is a special case: factors with loadings of zero, one class
less, no effects of clusters. Their solutions are cheap, and no end below them can then be the best one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from bayesmix.graph import class_posteriors
from bayesmix.ml.objective import Target
from bayesmix.ml.partition import of_memberships, partitioned
from bayesmix.ml.search import LONG, Search, Start, Task, climb_together, run_start, run_starts, soft_weight, sound
from bayesmix.ml.settings import Settings
from bayesmix.ml.starts import NEAR, Ranges, ranges, split_class
from bayesmix.parallel import here, progress_bar, run_all
from bayesmix.spec import Constraints, Exact, LatentClass, Model, Nodes, Predictor, count_nodes
from bayesmix.spec import class_labels as labels
from bayesmix.spec.parameters import Parameter
from bayesmix.typing import Array

Values = Mapping[str, Array]
FEW_STARTS, FEW_FINALS = 6, 2
"""Of the search for a simpler model."""
WEAK = 0.3
"""Loadings, as a share of those of a random start: at zero itself a search could not leave the simpler model."""
CHEAP = 200_000
"""Patterns times nodes, up to which the searches for other models cost little."""
MOST_VALUES, COMMON, WIDTHS, MEMBERS = 5, 0.03, (0.15, 0.3, 0.5), (0.9, 0.6)
"""Of answers around which a class may begin: how many an item, the least share that gives one, how far its members may
be, in SDs of the item, and the weights of those that give it."""
MOST_SOLVED = 3
"""Different solutions with one class less from which classes around frequent answers begin."""
MOST_MERGED = 4
"""From so many different solutions with one class more classes are taken away again."""


@dataclass(frozen=True)
class Split:
    """Points of theta from a solution with one class less of a variable, which need not be found again."""

    variable: str = ""
    points: Sequence[Array] = ()


def simpler_starts(
    data: Target, seed: int, split: Split, executor: Executor | None = None, progress: bool = False
) -> list[tuple[str, Array]]:
    """Origins and points of theta of starts from the solutions of simpler models.

    Parameters
    ----------
    data : Target
    seed : int
    split : Split
        What is known already.
    executor : concurrent.futures.Executor, optional
        Where searches for the simpler models run.
    progress : bool
        Show their bars.
    """
    out: list[tuple[str, Array]] = []
    if (plain := without_effects(data.model)) is not None:
        solutions, held = _solved(plain, data, seed, executor, progress)
        out += [("simpler model", t) for s in solutions[:1] for t in _with_effects(data, held.natural(s))]
    for group in _reducible(data):
        if split.points and split.variable in {c.name for c in group}:
            continue
        fewer = _resized(data.model, group, -1)
        solutions, held = _solved(fewer, data, seed, executor, progress)
        out += [("simpler model", t) for s in solutions[:1] for t in _split(data, group, held.natural(s), seed)]
        out += [("answers", t) for s in solutions for t in _around_values(data, held, s, group)]
    return out


def _solved(
    model: Model, like: Target, seed: int, executor: Executor | None, progress: bool
) -> tuple[list[Array], Target]:
    """The best points of a short search, and the data for it; where starts collapse, by its own simpler models too."""
    nodes = {k: m for k, m in like.nodes.items() if model.effects_at(k)}
    data = _under(model, like, nodes)
    collapsing = ranges(data).may_collapse
    given = simpler_starts(data, seed, Split(), executor, progress) if collapsing else []
    settings = Settings(FEW_STARTS, FEW_FINALS, 1, seed, executor=executor, progress=progress, budget=np.inf)
    search = Search(data, settings, given)
    found = search.run()
    if search.interrupted:  # the user means the whole fit, and nothing of its own is finished
        raise KeyboardInterrupt
    return different_ends(found)[: MOST_SOLVED if collapsing else 1], data


def _under(model: Model, like: Target, nodes: Mapping[str, Nodes]) -> Target:
    """Make the target of another model from the rows of `like`, with its floor of residual SDs, without its priors."""
    return replace(Target.of(like.rows.under(model), nodes), smallest_sd=like.smallest_sd)


def different_ends(found: Sequence[Start]) -> list[Array]:
    """Different sound ends, the best first."""
    out: list[Start] = []
    for s in sound(found):
        if not any(abs(s.loglik - other.loglik) < 1e-3 for other in out):
            out.append(s)
    return [s.theta for s in out]


# without effects ----------------------------------------------------------------------------------


def without_effects(model: Model) -> Model | None:
    """The model without random effects and factors; None where that is no mixture any more, or none is simpler.

    Covariates that are variables of the model stay.
    """
    several = [c for c in model.classes if c.size > 1]
    random = [e for e in model.effects if e.residual and e.column is None]
    if not random or not several or any(c.level == "item" for c in model.classes):
        return None
    stay = tuple(e for e in model.effects if e not in random)
    names = {e.name for e in stay}

    def kept(predictor: Predictor) -> Predictor:
        return tuple(t for t in predictor if {*t.effects} <= names)

    responses = tuple(replace(r, predictor=kept(r.predictor), auxiliary=kept(r.auxiliary)) for r in model.responses)
    if any(len(a.auxiliary) != len(b.auxiliary) for a, b in zip(responses, model.responses, strict=True)):
        return None
    classes = tuple(replace(c, predictor=kept(c.predictor)) for c in model.classes)
    effects = tuple(replace(e, mean=kept(e.mean)) for e in stay)
    return replace(model, responses=responses, classes=classes, effects=effects, constraints=Constraints())


def _with_effects(data: Target, solution: Values) -> list[Array]:
    """The solution without effects with weak and with common ones."""
    center = data.natural(ranges(data).center)
    of_effects = {p.name for p in data.model.parameters} - {*solution}
    out = []
    for size in (WEAK, 1.0):
        values = {k: size * x if k in of_effects else x for k, x in center.items()} | {**solution}
        values |= {p.name: center[p.name] for p in data.model.parameters if p.name in of_effects and not _free(data, p)}
        out.append(data.pack(data.packing.near({p.name: values[p.name] for p in data.model.parameters})))
    return out


def _free(data: Target, p: Parameter) -> bool:
    """Whether all entries of a parameter are estimated, so that it may be made smaller as a whole."""
    return not p.domain.is_identity and bool((data.packing.index[p.name] >= 0).all())


# one class more or less ---------------------------------------------------------------------------


def _reducible(data: Target) -> list[tuple[LatentClass, ...]]:
    """Class variables, those that share parameters together, that may have one class less: cheap ones alone."""
    return [g for g in _groups(data.model) if g[0].size > 2] if _cheap(data) else []


def _cheap(data: Target) -> bool:
    """Whether another search costs little beside the model's own: without nodes, or with few of them."""
    nodes = [count_nodes(m, len(data.model.effects_at(k))) for k, m in data.nodes.items() if not isinstance(m, Exact)]
    return len(data.counts) * math.prod(nodes) <= CHEAP


def _groups(model: Model) -> list[tuple[LatentClass, ...]]:
    """Class variables whose number of classes is free: none has an effect of its own, or units known to be in it."""
    known = {name for name, _ in model.known}
    by_name = {c.name: c for c in model.classes}
    groups = [tuple(by_name[d] for d in dims if d in by_name) for dims in labels.groups(model)]
    groups = [g for g in groups if not known & {c.name for c in g}]
    return [g for g in groups if len({c.size for c in g}) == 1 and not any(_bound(model, c.name) for c in g)]


def _bound(model: Model, name: str) -> bool:
    """Whether random effects or their scales come with the classes of a variable; growth factors of each have none."""
    own = [t for c in model.classes if c.name == name for t in c.predictor if t.effects]
    by_class = any(name in t.parameter.dims for e in model.effects for t in e.terms)
    return bool(own or (by_class and not model.sums))


def _resized(model: Model, group: Sequence[LatentClass], by: int) -> Model:
    names = {c.name for c in group}
    classes = tuple(replace(c, size=c.size + by) if c.name in names else c for c in model.classes)
    return replace(model, classes=classes, constraints=Constraints())  # of classes that other models need not have


def _dims(model: Model, group: Sequence[LatentClass]) -> set[str]:
    """The names of class variables, and those under which occasions share them."""
    own = {c.name for c in group}
    return {d for dims in labels.groups(model) if own & {*dims} for d in dims}


def _split(data: Target, group: Sequence[LatentClass], solution: Values, seed: int) -> list[Array]:
    dims, size = _dims(data.model, group), next(c.size for c in data.model.classes if c.name == group[0].name) - 1
    each = (split_class(solution, data, dims, k, seed + k) for k in range(size))
    return [theta for theta in each if theta is not None]


def detours(
    data: Target,
    solutions: Sequence[Array],
    seed: int,
    executor: Executor | None = None,
    progress: bool = False,
) -> list[Array]:
    """Points of theta by way of one class more: a class is split, the wider model fitted, a class taken away.

    A maximum that is none of the whole often has two classes where one would do, and one where two are needed.

    Parameters
    ----------
    data : Target
    solutions : sequence of array
        The best points of theta so far.
    seed : int
    executor : concurrent.futures.Executor, optional
        Where starts of the wider model run.
    progress : bool
        Show a bar.
    """
    out: list[Array] = []
    if not _cheap(data):
        return out
    for group in _groups(data.model):
        if group[0].level == "item" or group[0].size < 2 or group[0].size >= data.counts.sum():
            continue
        wide = _under(_resized(data.model, group, 1), data, data.nodes)
        limits, starts = ranges(wide), list[Start]()
        for k, s in enumerate(solutions):
            points = [*_split(wide, group, data.natural(s), seed + 100 * k), *_around_values(wide, data, s, group)]
            starts += [Start(-1 - len(starts) - i, t, origin="detour") for i, t in enumerate(points)]
        more = (partitioned(wide, limits, seed + k) if k % 2 else limits.draw(seed + k) for k in range(FEW_STARTS))
        starts += [Start(k, t) for k, t in enumerate(more)]
        ends = _ends(wide, starts, executor, progress)
        out += [t for theta in ends for t in _without_one(data, wide, group, theta)]
    return out


def _around_values(data: Target, fewer: Target, solution: Array, group: Sequence[LatentClass]) -> list[Array]:
    """The solution with one class less, and a class of those near an answer that many give, one an item and answer.

    Where residual SDs vary over classes, random starts fall into the spikes at such answers; a sound class around one
    has its neighbours in it.
    """
    limits = ranges(data)
    if not limits.collapsing.any() or len(group) > 1 or group[0].level != "individual":
        return []
    before = class_posteriors(fewer, solution)[group[0].name]
    if len(before) != len(data.counts):  # other patterns
        return []
    out = []
    for near in _near_values(data, limits):
        parts = {group[0].name: np.concatenate([before * (1 - near)[:, None], near[:, None]], axis=1)}
        out.append(of_memberships(data, limits, parts))
    return out


def _near_values(data: Target, limits: Ranges) -> Iterator[Array]:
    """Weights of the patterns by how near they are to one of the most frequent answers of an item."""
    for r in data.model.responses:
        by_class = [
            t for t in r.auxiliary if limits.collapsing[(i := data.packing.index[t.parameter.name])[i >= 0]].any()
        ]
        plain = not any(t.covariates or t.effects for t in r.predictor)
        for y in data.responses[r.name].T if by_class and plain else ():
            values, which = np.unique(y[~np.isnan(y)], return_inverse=True)
            times = np.bincount(which, weights=data.counts[~np.isnan(y)])
            often = values[np.argsort(-times, kind="stable")[:MOST_VALUES]]
            for value, width, member in product(
                often[np.sort(-times)[: len(often)] < -COMMON * times.sum()], WIDTHS, MEMBERS
            ):
                away = (np.nan_to_num(y, nan=np.inf) - value) / (width * np.nanstd(y))
                yield member * np.exp(-0.5 * away**2)


def _ends(data: Target, starts: Sequence[Start], executor: Executor | None, progress: bool) -> list[Array]:
    """Run `starts`, each with a seed of its own, to convergence: a few different sound ends, the best first."""
    limits, ends = ranges(data), dict[int, Start]()
    tasks = [Task(data.bare(), limits, s, LONG, None, soft_weight(data, s)) for s in starts]
    with progress_bar(progress) as advance:
        tick = advance("one class more", len(tasks))
        together = here(executor) and climb_together(data)
        for end in run_starts(tasks) if together else run_all(run_start, tasks, executor):
            ends[end.seed] = end
            tick()
    # of equal ends the first counts: in the order of the starts, which is not that in which processes finish
    return different_ends([ends[s.seed] for s in starts])[:MOST_MERGED]


def _without_one(data: Target, wide: Target, group: Sequence[LatentClass], theta: Array) -> Iterator[Array]:
    """The solution of the wider model without each of its classes."""
    dims, values = _dims(wide.model, group), wide.natural(theta)
    (whole,) = [d for d in labels.groups(wide.model) if dims & {*d}]
    size, limits = group[0].size + 1, ranges(data)
    for gone in range(size):
        moved = labels.permute(wide.model, values, whole, np.array([gone, *(k for k in range(size) if k != gone)]))
        fewer = {p.name: _dropped(moved[p.name], p.dims, dims) for p in wide.model.parameters}
        # rows of the class that is gone are impossible under probabilities of 0 and 1, and would hold the search there
        yield np.clip(
            data.pack(data.packing.near(fewer)), limits.center - NEAR * limits.unit, limits.center + NEAR * limits.unit
        )


def _dropped(x: Array, names: Sequence[str], dims: set[str]) -> Array:
    """An array without the first class."""
    for axis, d in enumerate(names):
        x = np.delete(x, 0, axis=axis) if d in dims else x
    return x
