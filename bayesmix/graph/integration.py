"""How continuous latents are integrated at each level: the choice of a method, and its nodes as arrays."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmix.spec import (
    MAX_ENTRIES,
    MAX_PRODUCT,
    Adaptive,
    Exact,
    Model,
    MonteCarlo,
    Named,
    Nodes,
    PartlyExact,
    Response,
    Term,
    Trapezoid,
    count_nodes,
    terms,
)
from bayesmix.typing import Array

MOST_ORDERED, POINTS = 6, 7
"""Effects, of more of which the order is that of the model; points of an effect, for what a factor costs."""
DENSITY, TABLE = 4.0, 0.05
"""A density of each individual, a probability that is the same for all of a cluster, in units of one of a table that
meets the data."""


def choose(model: Model, given: Nodes | Mapping[str, Nodes] | None, sampled: tuple[str, ...] = ()) -> dict[str, Nodes]:
    """The method at each level whose effects are integrated.

    Left out, it is exact where the integral has a closed form; else adaptive(7) for up to three
    effects of clusters, a grid that is common to all individuals for up to two of theirs (the
    densities are then one matrix product), and quasi-Monte Carlo for more: over three effects of memberships 2,000
    of its nodes had an error of .01 where 11 x 11 x 11 ones had .9 (``benchmarks/nodes.py``).

    Grades of membership are steep in their effects. At one solution with two of them (16 binary items, 3,152 patterns,
    logits of SD 4 to 5) a common grid of 45 x 45 nodes had an error of .004, 21 x 21 one of .3, 15 x 15 one of 68,
    2,000 quasi-Monte Carlo nodes one of 1.4, and 13 x 13 nodes at the posterior of each individual, which is no
    near-normal density, one of 30 in nine times as long. So a search over two effects begins with 21 x 21.

    Raises
    ------
    ValueError, TypeError
        A level that there is not, no method, or exact() for a model without closed form.
    """
    levels = [k for k in ("individual", "cluster") if model.effects_at(k) and k not in sampled]
    if given is not None and not isinstance(given, Nodes | Mapping):
        raise TypeError(f"The nodes came as {given!r}, expected a method such as bm.adaptive(7) or bm.trapezoid(15).")
    by_level = dict(given) if isinstance(given, Mapping) else {k: given for k in levels if given is not None}
    if unknown := [k for k in by_level if k not in ("individual", "cluster")]:
        raise ValueError(f"Nodes came for the level '{unknown[0]}': the levels are 'individual' and 'cluster'.")
    if other := [m for m in by_level.values() if not isinstance(m, Nodes)]:
        raise TypeError(
            f"The nodes came as {other[0]!r}, expected a method such as bm.adaptive(7) or bm.trapezoid(15)."
        )
    out = {k: by_level.get(k) or _default(model, k) for k in levels}
    out = {k: _partly_exact(model) or m if isinstance(m, Exact) and k == "individual" else m for k, m in out.items()}
    for level, method in out.items():
        reason = without_closed_form(model, level) if isinstance(method, Exact) else ""
        if reason:
            raise ValueError(
                f"exact() came for the effects of the level '{level}', but {reason}, so that the integral has no "
                "closed form: take bm.adaptive(15), or leave nodes= out."
            )
    if isinstance(out.get("cluster"), Exact) and not isinstance(out.get("individual", Exact()), Exact):
        raise ValueError("exact() at the cluster level needs exact() at the individual level: leave nodes= out.")
    total = math.prod(count_nodes(m, len(model.effects_at(k))) for k, m in out.items())
    if total > MAX_PRODUCT:
        raise ValueError(
            f"{' times '.join(map(str, out.values()))} makes {total:,} nodes over both levels, more than "
            f"{MAX_PRODUCT:,}: take fewer points, or leave nodes= out."
        )
    return out


def check_gradient(methods: Mapping[str, Nodes]) -> None:
    """Refuse nodes of which the log-likelihood has no gradient while they rest.

    One node at the mode is right to second order, but what moves with the parameters is its scale, which rests.
    """
    if any(isinstance(m, Adaptive) and m.n == 1 for m in methods.values()):
        raise ValueError(
            "adaptive(1), Laplace's approximation, came where parameters are estimated: it has a value, for "
            "bm.log_likelihood, but its gradient needs more nodes: take bm.adaptive(3) or more, or leave nodes= out."
        )


def _partly_exact(model: Model) -> PartlyExact | None:
    """A grid over normal covariates, where the other effects of individuals have a closed form given these alone."""
    names = [e.name for e in model.normal_covariates]
    if not names or len(names) == len(model.effects_at("individual")) or not without_closed_form(model, "individual"):
        return None
    if without_closed_form(model, "individual", names):
        return None
    return PartlyExact({1: 31, 2: 21}.get(len(names), 11), 5.0, len(names))


def _default(model: Model, level: str) -> Nodes:
    n = len(model.effects_at(level))
    if not without_closed_form(model, level):
        return Exact()
    if level == "individual" and (partly := _partly_exact(model)):
        return partly
    if n > (3 if level == "cluster" else 2):
        return MonteCarlo(2000)
    return Adaptive(7) if level == "cluster" else Trapezoid({1: 31, 2: 21}[n])


def _loads(model: Model, r: Response, given: Collection[str]) -> bool:
    """Whether a response depends on effects, but for those that are given."""
    return any({*model.latent_in(t)} - {*given} for t in r.terms)


def without_closed_form(model: Model, level: str, given: Collection[str] = ()) -> str:
    """Why the effects of a level, but for those `given`, cannot be integrated exactly; empty where they can."""
    several = [c for c in model.classes if c.size > 1]
    if level == "cluster" and (within := [c.name for c in several if c.level != "cluster"]):
        return f"the class '{within[0]}' lives below their level"
    if below := [c.name for c in several if c.level == "item"]:
        return f"the class '{below[0]}' lives below their level"
    if other := [r.name for r in model.responses if not r.family.gaussian and _loads(model, r, given)]:
        return f"the response '{other[0]}' is not normal"
    scale = [t for r in model.responses for t in r.auxiliary] + [e.sd for e in model.effects if e.sd]
    of_classes = [t for c in model.classes for t in c.predictor]
    own = {e.name for e in model.effects if level in ("cluster", e.level)} - {*given}
    if any(own & {*model.latent_in(t)} for t in (*scale, *of_classes)):
        return "an SD or a class depends on them"
    latent, levels = {e.name for e in model.normal_covariates} - {*given}, {e.name: e.level for e in model.effects}
    for t in terms(model):
        beside = [e for e in model.latent_in(t) if e in latent and e not in t.effects]
        if beside and any(level in ("cluster", levels[e]) for e in t.effects):
            return f"'{t.effects[0]}' is a random slope of '{beside[0]}', which is latent too where it misses"
    return ""


# the order of effects -----------------------------------------------------------------------------


def effect_order(model: Model, level: str) -> tuple[int, ...]:
    """The effects of a level in the order in which nodes of the one are placed given those of the others.

    What depends on an effect varies over its nodes and those of all before it: what is dear comes first. Sums over
    nodes go the other way.
    """
    n = len(model.effects_at(level))
    if not 1 < n <= MOST_ORDERED:
        return tuple(range(n))
    costs = [(cost, used) for cost, used in _costs(model, level) if used]

    def total(order: tuple[int, ...]) -> float:
        return sum(cost * POINTS ** max(order.index(k) for k in used) for cost, used in costs)

    return min(permutations(range(n)), key=lambda order: (total(order), order))


def _costs(model: Model, level: str) -> Iterable[tuple[float, set[int]]]:
    """About what a number at each node costs for each part of the model, and the effects it varies with."""
    sources = _sources(model, level)

    def used(some: Iterable[Term]) -> set[int]:
        return {k for t in some for e in model.latent_in(t) for k in sources[e]}

    for r in model.responses:
        classes = {d for t in r.terms for d in t.dims} & {c.name for c in model.classes}
        each = 1.0 if r.family.finite else DENSITY
        yield each * math.prod(c.size for c in model.classes if c.name in classes), used(r.terms)
    for c in model.classes:
        within = any(t.covariates and t.covariates.level == "individual" for t in c.predictor)
        yield c.size * (1.0 if within or c.level == "item" else TABLE), used(c.predictor)


def _sources(model: Model, level: str) -> dict[str, set[int]]:
    """The standard normal effects of a level that go into each effect."""
    out: dict[str, set[int]] = {}
    for k in ("cluster", "individual"):
        integrated = model.effects_at(k)
        for e in (e for e in model.effects if e.level == k):
            own = {integrated.index(e)} if k == level and e.residual else set[int]()
            out[e.name] = own.union(*(out[p] for t in e.terms for p in model.latent_in(t)))
    return out


# inputs -------------------------------------------------------------------------------------------


def is_node(dim: str) -> bool:
    """Whether a dim is one of nodes: `node_cluster`, or `node_cluster_1` of the first effect of clusters alone."""
    return re.fullmatch(r"node_(individual|cluster)(_\d+)?", dim) is not None


def is_of_nodes(name: str, level: str = "individual|cluster") -> bool:
    """Whether an input of the graph belongs to the effects of a level: their values, weights, closed form."""
    return re.fullmatch(rf"(z|log_weight|curve|slope)_({level})(_\d+)?", name) is not None


def node_dims(level: str, arrays: Mapping[str, Any]) -> tuple[str, ...]:
    """The dims of the nodes of a level, in the order of its effects; none where these have values.

    One dim for each effect where the nodes are a product, one for all of them where they are none.
    """
    over = {d for k, x in arrays.items() if is_of_nodes(k, level) for d in x.dims if is_node(d)}
    return tuple(sorted(over, key=lambda d: (len(d), d)))


def has_weights(level: str, arrays: Mapping[str, Any]) -> bool:
    """Whether effects are integrated over nodes with weights: neither sampled nor by a closed form."""
    return any(k.startswith("log_weight_") and is_of_nodes(k, level) for k in arrays)


def last_first(model: Model, level: str, arrays: Mapping[str, Any]) -> list[str]:
    """The dims of the nodes of a level, in the order in which they are summed over."""
    there = node_dims(level, arrays)
    order = [f"node_{level}", *(f"node_{level}_{k + 1}" for k in reversed(effect_order(model, level)))]
    return [d for d in order if d in there]


def values_at(level: str, arrays: Mapping[str, Named], at: Mapping[str, NDArray[np.int64]]) -> Array:
    """Values (unit, effect) of the effects of a level at one node of each unit: its position along each dim."""
    units = np.arange(len(next(iter(at.values()))))
    where = {**at, level: units, f"effect_{level}": slice(None)}
    z = {k: x for k, x in arrays.items() if k.startswith("z_") and is_of_nodes(k, level)}
    each = [z[k].values[tuple(where[d] for d in z[k].dims)] for k in sorted(z, key=lambda k: (len(k), k))]
    return each[0] if each[0].ndim == 2 else np.stack(each, axis=1)


def node_arrays(model: Model, level: str, method: Nodes | None, units: int) -> dict[str, Named]:
    """The graph's inputs for the effects of a level.

    Parameters
    ----------
    model : Model
    level : str
    method : Nodes or None
        None: the effects are sampled, one node a unit.
    units : int
        How many there are at the level.

    Raises
    ------
    ValueError
        More nodes than memory has room for.
    """
    n, effect, node = len(model.effects_at(level)), f"effect_{level}", f"node_{level}"
    if method is not None and (entries := units * count_nodes(method, n)) > MAX_ENTRIES:
        raise ValueError(
            f"{method} for {units:,} units of the level '{level}' makes a table of {entries:,} entries, more than "
            f"{MAX_ENTRIES:,}: take fewer points, or leave nodes= out."
        )
    if method is None:
        return {f"z_{level}": Named((level, effect), np.zeros((units, n)))}
    if isinstance(method, Adaptive):
        return placed(model, level, method, np.zeros((units, n)), np.tile(np.eye(n), (units, 1, 1)))
    if isinstance(method, Exact):
        return _stencil(level, n)
    if isinstance(method, PartlyExact):
        out, m = {}, method.covariates
        for k in range(1, m + 1):
            points, log_weights = method.axis()
            out[f"z_{level}_{k}"] = Named((f"{node}_{k}",), points)
            out[f"log_weight_{level}_{k}"] = Named((f"{node}_{k}",), log_weights)
        return out | _stencil(level, n - m)
    if isinstance(method, MonteCarlo):
        z, log_weights = method.grid(n)
        return {f"z_{level}": Named((node, effect), z), f"log_weight_{level}": Named((node,), log_weights)}
    points, log_weights = method.axis(n)
    out = {}
    for k in range(1, n + 1):
        out[f"z_{level}_{k}"] = Named((f"{node}_{k}",), points)
        out[f"log_weight_{level}_{k}"] = Named((f"{node}_{k}",), log_weights)
    return out


def _stencil(level: str, n: int) -> dict[str, Named]:
    """The nodes of so many effects with a closed form, and what reads it off."""
    (z, curve, slope), effect, node = Exact().stencil(n), f"effect_{level}", f"node_{level}"
    return {
        f"z_{level}": Named((node, effect), z),
        f"curve_{level}": Named((node, effect, f"{effect}_"), curve),
        f"slope_{level}": Named((node, effect), slope),
    }


def placed(model: Model, level: str, method: Adaptive, mean: Array, scale: Array) -> dict[str, Named]:
    """Adaptive nodes at the given centres (unit, effect) and scales (unit, effect, effect)."""
    out = {}
    for k, (over, z, log_weights) in enumerate(method.placed(mean, scale, effect_order(model, level)), start=1):
        dims = (level, *(f"node_{level}_{m + 1}" for m in over))
        out |= {f"z_{level}_{k}": Named(dims, z), f"log_weight_{level}_{k}": Named(dims, log_weights)}
    return out
