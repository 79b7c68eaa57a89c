"""Points of the parameters that say the same: other orders of the classes, factors in the other direction.

The posterior has one mode for each of them, all of the same mass where the priors make no difference either, too. A
proposal that knows one of these modes stands for all: with the maps g of this group,

    q~(u) = 1/|G| sum_g q(g u) |dg/du|

is as high at each of them, and the average of p(u) / q~(u) over u ~ q is the integral of p over the whole space. Where
the modes lie apart, q~ is q/|G| near the one that q knows, and log |G| is what this adds to the logarithm.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import chain, combinations, permutations, product

import numpy as np

from bayesmix.bayes.posterior_density import Density
from bayesmix.spec import GROUP, Model, factor_scales
from bayesmix.spec import class_labels as labels
from bayesmix.typing import Array

Values = Mapping[str, Array]
Map = Callable[[Values], Values]

MOST = 720
"""Of a larger group only exchanges of two classes are looked at one by one; other orders share no points with it."""
STEP = 1e-5
SAME, ROUNDING = 1e-5, 1e-10
"""A difference of log densities that is none, and what it may be more as a share of them."""


@dataclass(frozen=True)
class Symmetry:
    """The maps under which the posterior is the same.

    Attributes
    ----------
    density : Density
    maps : tuple of callable
        Of natural parameters with a leading axis; the identity is the first.
    size : int
        The number of elements of the group; more than there are maps where it is large.
    broken : tuple of callable
        Orders of the classes of which the likelihood is the same and the prior is not: modes of their own mass.
    """

    density: Density
    maps: tuple[Map, ...]
    size: int
    broken: tuple[Map, ...] = ()

    def moved(self, u: Array, g: Map) -> Array:
        """Points under a map."""
        return u if g is _same else self.density.of_natural(g(self.density.natural(u)))

    def log_density(self, u: Array, log_q: Callable[[Array], Array]) -> Array:
        """log q~ at points (point, entry)."""
        slope, each = self.density.log_slope(u), []
        for g in self.maps:
            with np.errstate(all="ignore"):
                there = self.moved(u, g)
                each.append(log_q(there) + slope - self.density.log_slope(there))
        return np.logaddexp.reduce(np.nan_to_num(each, nan=-np.inf, neginf=-np.inf), axis=0) - math.log(self.size)


def symmetry(density: Density, u: Array) -> Symmetry:
    """Find the maps under which the prior at the points `u` (point, entry) is the same.

    Of the likelihood it is known by what the model says.
    """
    model = density.data.model
    orders, size = _orders(model, len(density.data.coords.get(GROUP, [0])))
    flips = [*_subsets(model)]
    natural, height = density.natural(u), density.log_prior(u)
    kept: list[Map] = []
    broken: list[Map] = []
    for order, flip in product(orders, flips):
        g = _chained(order, flip)
        if g is _same or _is_same(density, natural, height, g):
            kept.append(g)
        elif flip is _same:
            broken.append(g)
    whole = len(kept) == len(orders) * len(flips)
    return Symmetry(density, tuple(kept), size * len(flips) if whole else len(kept), tuple(broken))


def _is_same(density: Density, natural: Values, height: Array, g: Map) -> bool:
    """Whether a map changes neither the prior nor volumes."""
    with np.errstate(all="ignore"):
        there = density.of_natural(g(natural))
        if not np.isfinite(there).all():
            return False
        close = np.abs(density.log_prior(there) - height) <= SAME + ROUNDING * np.abs(height)
        return bool(close.all()) and abs(_log_volume(density, there[:1], g)) < 1e-3


def _log_volume(density: Density, u: Array, g: Map) -> float:
    """The logarithm of the volume of natural parameters that a map makes of one, at a point."""
    step = STEP * np.eye(u.shape[1])

    def at(x: Array) -> Array:
        return density.of_natural(g(density.natural(x)))

    change = (at(u + step) - at(u - step)) / (2 * STEP)
    return float(np.linalg.slogdet(change)[1] + (density.log_slope(at(u)) - density.log_slope(u))[0])


def _same(values: Values) -> Values:
    return values


def _chained(*maps: Map) -> Map:
    own = [g for g in maps if g is not _same]
    return (lambda values: reduce(lambda x, g: g(x), own, values)) if own else _same


def _orders(model: Model, observed: int) -> tuple[list[Map], int]:
    """Orders of all classes together, the given one first, and how many there are.

    In each of the observed groups by itself, where nothing of the classes is common to them.
    """
    groups = [
        (dims, next(c.size for c in model.classes if c.name in dims), k)
        for dims in labels.groups(model)
        for k in (range(observed) if labels.separable(model, dims) else [None])
    ]
    alike = [labels.exchangeable(model, dims) for dims, *_ in groups]
    size = math.prod(math.factorial(int(n)) for some in alike for n in np.unique(some, return_counts=True)[1])
    each = [
        [_permuting(model, dims, order, k) for order in _some(n, size > MOST) if (same[[*order]] == same).all()]
        for (dims, n, k), same in zip(groups, alike, strict=True)
    ]
    return [_chained(*maps) for maps in product(*each)], size


def _some(n: int, few: bool) -> Iterator[tuple[int, ...]]:
    """Orders of n classes; with `few` the exchanges of two."""
    if not few:
        yield from permutations(range(n))
        return
    yield tuple(range(n))
    for a, b in combinations(range(n), 2):
        yield tuple({a: b, b: a}.get(k, k) for k in range(n))


def _permuting(model: Model, dims: tuple[str, ...], order: tuple[int, ...], group: int | None = None) -> Map:
    if order == tuple(range(len(order))):
        return _same
    if group is not None:
        return lambda values: labels.permute_in_group(model, values, dims, np.array(order), group)
    return lambda values: labels.permute(model, values, dims, np.array(order))


def _subsets(model: Model) -> Iterator[Map]:
    """Factors in the other direction, none of them first."""
    effects = factor_scales.reversible(model)
    for some in chain.from_iterable(combinations(effects, k) for k in range(len(effects) + 1)):
        yield _chained(*(_reversing(model, e) for e in some))


def _reversing(model: Model, e) -> Map:
    return lambda values: factor_scales.reverse(model, values, e)
