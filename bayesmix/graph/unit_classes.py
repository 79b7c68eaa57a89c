"""Posterior probabilities of the classes of units: each variable's, those of paths, and their entropy.

They are gradients of the one log-likelihood with respect to log factors of zeros, at one point of theta or averaged
over many, such as the draws of a posterior.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bayesmix.graph.compile import Dims, LogLikelihood
from bayesmix.graph.problem import Problem
from bayesmix.spec import Model
from bayesmix.typing import Array

MOST_PATHS = 30_000_000
"""Entries of the table of all paths of all units."""
Tables = Mapping[Dims, Array]
"""Probabilities by their dims, the unit first."""


def over_points(theta: Array) -> Iterator[Array]:
    """Go through the points of theta, which may be one or stacked along leading axes."""
    yield from (theta[at] for at in np.ndindex(*np.shape(theta)[:-1]))


def distinct(theta: Array) -> tuple[Array, NDArray[np.int64], NDArray[np.int64]]:
    """Look at points stacked along leading axes that often repeat, such as resampled draws, once each.

    Returns
    -------
    points : array (point, theta)
    which : array of int (...)
        The point that stands at each place.
    times : array of int (point,)
        How often each stands there.
    """
    flat = np.reshape(theta, (-1, np.shape(theta)[-1]))
    if not flat.size:
        return flat[:1], np.zeros(np.shape(theta)[:-1], dtype=np.int64), np.array([len(flat)][: len(flat)])
    points, which, times = np.unique(flat, axis=0, return_inverse=True, return_counts=True)
    return points, which.reshape(np.shape(theta)[:-1]), times


def normalised(p: Array, units: int = 0) -> Array:
    """Probabilities that sum to one over all axes after that of the units; zeros for an empty slot of a cluster."""
    total = np.sum(p, axis=tuple(range(units + 1, np.ndim(p))), keepdims=True)
    return np.asarray(p) / np.where(total > 0, total, 1.0)


@dataclass(frozen=True)
class Averages:
    """Means of posterior probabilities over points of theta, their SDs between the points (zero for one), quantiles."""

    mean: Tables
    sd: Tables
    quantiles: Sequence[Tables] = ()

    @classmethod
    def of(cls, data: Problem, theta: Array, mode, *dims: Dims, tails: Sequence[float] = ()) -> Averages:
        """Go once through the points, some at a time; the SD is kept for one variable, not for tables of several.

        Quantiles at the probabilities `tails` between the points are of one variable too.
        """
        graph, (points, _, times) = LogLikelihood(data, mode), distinct(theta)
        mean: dict[Dims, Array] = {}
        squares: dict[Dims, Array] = {}
        every: dict[Dims, list[Array]] = {}
        n = 0
        for at in graph.parts(np.arange(len(points))) if dims else ():
            own, n = times[at].sum(), n + times[at].sum()
            for d, found in zip(dims, graph.posterior(points[at], *dims), strict=True):
                p = normalised(found, 1)
                here, before = np.tensordot(times[at] / own, p, 1), mean.get(d, 0.0)
                mean[d] = before + (here - before) * (own / n)
                if len(d) == 2 and tails:
                    every.setdefault(d, []).append(np.repeat(p, times[at], axis=0))
                if len(d) == 2:
                    within = np.tensordot(times[at], (p - here) ** 2, 1)
                    squares[d] = squares.get(d, 0.0) + within + (here - before) * (here - mean[d]) * own
        spread = {d: np.quantile(np.concatenate(x), list(tails), axis=0) for d, x in every.items()}
        ends = [{d: x[k] for d, x in spread.items()} for k in range(len(tails))]
        return cls(mean, {d: np.sqrt(x / n) for d, x in squares.items()}, ends)


@dataclass(frozen=True)
class Paths:
    """The most likely path of each unit through the classes of individuals, in their order.

    Attributes
    ----------
    path : array of int (unit, class variable)
        Positions of the classes.
    probability : array (unit,)
        P(path | everything observed); NaN where it was found step by step.
    stayed : array (unit,)
        P(no move | everything observed); NaN where the numbers of classes differ, or likewise.
    joint : array (unit, *classes), optional
        Posterior probabilities of all paths.
    """

    path: NDArray[np.int64]
    probability: Array
    stayed: Array
    joint: Array | None = None


@dataclass(frozen=True)
class ClassPosteriors:
    """What the data say of all classes of individuals and clusters.

    Attributes
    ----------
    each : dict of str to array (unit, class)
        P(C = c | everything observed) for each class variable; of several points their average.
    sd : dict of str to array (unit, class)
        SD of that probability between the points.
    paths : Paths, optional
    entropy : (str, array), optional
        As :func:`joint_entropy`.
    ends : sequence of dict of str to array (unit, class)
        Quantiles of the probability between the points, at each of the `tails` that were asked for.
    """

    each: Mapping[str, Array]
    sd: Mapping[str, Array]
    paths: Paths | None
    entropy: tuple[str, Array] | None
    ends: Sequence[Mapping[str, Array]] = ()

    @classmethod
    def of(cls, data: Problem, theta: Array, mode=None, tails: Sequence[float] = ()) -> ClassPosteriors:
        """All of it in one walk through the points of theta.

        `data` must not merge individuals of different clusters: see
        :meth:`bayesmix.graph.problem.Problem.by_clusters`.
        """
        wanted = [(c.level, c.name) for c in data.model.classes if c.level != "item"]
        dims = dict.fromkeys([*wanted, *_path_dims(data), *_entropy_dims(data)])
        found = Averages.of(data, theta, mode, *dims, tails=tails)
        several = np.ndim(theta) > 1
        each, sd = ({d[1]: x[d] for d in wanted} for x in (found.mean, found.sd))
        ends = [{d[1]: x[d] for d in wanted} for x in found.quantiles]
        return cls(each, sd, _paths(data, found.mean), _entropy(data, found.mean, several), ends)


def class_posteriors(data: Problem, theta: Array, mode=None) -> dict[str, Array]:
    """P(C = c | everything observed) for each class variable, (individual or cluster, class).

    Of points stacked along leading axes of theta their average. `data` as in :meth:`ClassPosteriors.of`.
    """
    wanted = tuple((c.level, c.name) for c in data.model.classes if c.level != "item")
    return {d[1]: p for d, p in Averages.of(data, theta, mode, *wanted).mean.items()}


def paths(data: Problem, theta: Array, mode=None) -> Paths | None:
    """Posterior probabilities of the paths through the classes of occasions; None for one class variable.

    Where there are too many paths, the best one by the posterior transitions of each occasion (Viterbi's
    algorithm): the same for a first-order model without random effects and classes of chains.
    """
    return _paths(data, Averages.of(data, theta, mode, *_path_dims(data)).mean)


def joint_entropy(data: Problem, theta: Array, mode=None) -> tuple[str, Array] | None:
    """The entropy of the posterior of all class variables together, of each individual, or cluster if all are theirs.

    None for fewer than two of them. Where there are too many paths it is that of a chain, step by step; NaN where
    they are none, as an average over points is none. `data` as in :meth:`ClassPosteriors.of`.
    """
    return _entropy(data, Averages.of(data, theta, mode, *_entropy_dims(data)).mean, np.ndim(theta) > 1)


# paths --------------------------------------------------------------------------------------------


def _path_dims(data: Problem) -> list[Dims]:
    """The tables that paths are read off: one of all of them, or of each step."""
    names = [c.name for c in data.model.occasions]
    if len(names) < 2:
        return []
    size = np.prod([len(data.coords[n]) for n in names]) * len(data.counts)
    return [("individual", *names)] if size <= MOST_PATHS else [("individual", *pair) for pair in pairwise(names)]


def _paths(data: Problem, found: Tables) -> Paths | None:
    names = [c.name for c in data.model.occasions]
    if not (dims := _path_dims(data)):
        return None
    if dims[0] != ("individual", *names):
        return _by_steps([found[d] for d in dims])
    joint, sizes = found[dims[0]], [len(data.coords[n]) for n in names]
    flat = joint.reshape(len(joint), -1)
    best = flat.argmax(axis=1)
    path = np.stack(np.unravel_index(best, sizes), axis=1)
    same = len(set(sizes)) == 1
    stayed = sum(joint[(slice(None), *[k] * len(sizes))] for k in range(sizes[0])) if same else np.nan
    return Paths(path, flat.max(axis=1), np.broadcast_to(stayed, len(flat)), joint)


def _by_steps(steps: Sequence[Array]) -> Paths:
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.log(steps[0].sum(axis=2))
        back = []
        for p in steps:
            reached = score[:, :, None] + np.log(p / p.sum(axis=2, keepdims=True))
            reached = np.where(np.isnan(reached), -np.inf, reached)
            back.append(reached.argmax(axis=1))
            score = reached.max(axis=1)
    path = [score.argmax(axis=1)]
    for came in reversed(back):
        path.append(came[np.arange(len(came)), path[-1]])
    unknown = np.full(len(score), np.nan)
    return Paths(np.stack(path[::-1], axis=1), unknown, unknown)


# entropy ------------------------------------------------------------------------------------------


def _joint_unit(data: Problem) -> tuple[str, list[str], int]:
    """Whose the classes are that are taken together, their names, and how many units there are."""
    used = [c for c in data.model.classes if c.level != "item"]
    unit = "individual" if any(c.level == "individual" for c in used) else "cluster"
    return unit, [c.name for c in used], (data.n_clusters or 0) if unit == "cluster" else len(data.counts)


def _entropy_dims(data: Problem) -> list[Dims]:
    """The tables that the entropy is computed of: one of all variables, or of each step of a chain."""
    used = [c for c in data.model.classes if c.level != "item"]
    if len([c for c in used if c.size > 1]) < 2:
        return []
    unit, names, units = _joint_unit(data)
    if np.prod([c.size for c in used]) * units <= MOST_PATHS:
        return [(unit, *names)]
    return [(unit, *pair) for pair in pairwise(names)] if _is_chain(data.model, names) else []


def _entropy(data: Problem, found: Tables, several: bool) -> tuple[str, Array] | None:
    if len([c for c in data.model.classes if c.level != "item" and c.size > 1]) < 2:
        return None
    unit, names, units = _joint_unit(data)
    dims = _entropy_dims(data)
    if (unit, *names) in dims:
        return unit, _entropies(found[(unit, *names)])
    if not dims or several:
        return unit, np.full(units, np.nan)
    steps = [found[d] for d in dims]
    firsts = [p.sum(axis=2) for p in steps]
    return unit, sum((_entropies(p) for p in steps), np.zeros(units)) - sum(map(_entropies, firsts[1:]))


def _entropies(p: Array) -> Array:
    """-sum p log p of each unit."""
    flat = normalised(p).reshape(len(p), -1)
    return -special.xlogy(flat, flat).sum(axis=1)


def _is_chain(model: Model, names: Sequence[str]) -> bool:
    """Whether the posterior of each class depends on the class before it alone."""
    near = [{*pair} for pair in pairwise(names)]
    used = [t for c in model.classes for t in c.predictor]
    used += [t for r in model.responses for t in r.terms]
    over = [{*t.dims} & {*names} for t in used]
    return not model.effects and len(model.classes) == len(names) and all(any(d <= n for n in near) for d in over)
