"""How continuous latents are integrated at each level: the choice of a method, and its nodes as arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from bayesmix.spec import (
    MAX_ENTRIES,
    MAX_PRODUCT,
    Adaptive,
    Effect,
    Exact,
    Model,
    MonteCarlo,
    Named,
    Nodes,
    Trapezoid,
    count_nodes,
)
from bayesmix.typing import Array


def choose(model: Model, given: Nodes | Mapping[str, Nodes] | None, sampled: tuple[str, ...] = ()) -> dict[str, Nodes]:
    """The method at each level whose effects are integrated.

    Left out, it is exact where the integral has a closed form; else adaptive(7) for up to three
    effects of clusters, a grid that is common to all individuals for up to three of theirs (the
    densities are then one matrix product), and quasi-Monte Carlo for more.

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


def _default(model: Model, level: str) -> Nodes:
    n = len(model.effects_at(level))
    if not without_closed_form(model, level):
        return Exact()
    if n > 3:
        return MonteCarlo(2000)
    if level == "cluster":
        return Adaptive(7)
    return Trapezoid({1: 31, 2: 15, 3: 11}[n])


def without_closed_form(model: Model, level: str) -> str:
    """Why the effects of a level cannot be integrated exactly; empty where they can."""
    several = [c for c in model.classes if c.size > 1]
    if level == "cluster" and (within := [c.name for c in several if c.level != "cluster"]):
        return f"the class '{within[0]}' lives below their level"
    if below := [c.name for c in several if c.level == "item"]:
        return f"the class '{below[0]}' lives below their level"
    if other := [r.name for r in model.responses if not r.family.gaussian]:
        return f"the response '{other[0]}' is not normal"
    scale = [t for r in model.responses for t in r.auxiliary] + [e.sd for e in model.effects if e.sd]
    of_classes = [t for c in model.classes for t in c.predictor]
    own = {e.name for e in model.effects if level in ("cluster", e.level)}
    if any(own & {*t.effects} for t in (*scale, *of_classes)):
        return "an SD or a class depends on them"
    return ""


def node_arrays(level: str, effects: tuple[Effect, ...], method: Nodes | None, units: int) -> dict[str, Named]:
    """The graph's inputs for the effects of a level.

    Parameters
    ----------
    method : Nodes or None
        None: the effects are sampled, one node a unit.
    units : int
        How many there are at the level.

    Raises
    ------
    ValueError
        More nodes than memory has room for.
    """
    if method is not None and (entries := units * count_nodes(method, len(effects))) > MAX_ENTRIES:
        raise ValueError(
            f"{method} for {units:,} units of the level '{level}' makes a table of {entries:,} entries, more than "
            f"{MAX_ENTRIES:,}: take fewer points, or leave nodes= out."
        )
    n, effect, node = len(effects), f"effect_{level}", f"node_{level}"
    if method is None:
        return {f"z_{level}": Named((level, effect), np.zeros((units, n)))}
    if isinstance(method, Adaptive):
        return placed(level, method, np.zeros((units, n)), np.tile(np.eye(n), (units, 1, 1)))
    if isinstance(method, Exact):
        z, curve, slope = method.stencil(n)
        return {
            f"z_{level}": Named((node, effect), z),
            f"curve_{level}": Named((node, effect, f"{effect}_"), curve),
            f"slope_{level}": Named((node, effect), slope),
        }
    z, log_weights = method.grid(n)
    return {f"z_{level}": Named((node, effect), z), f"log_weight_{level}": Named((node,), log_weights)}


def placed(level: str, method: Adaptive, mean: Array, scale: Array) -> dict[str, Named]:
    """Adaptive nodes at the given centres (unit, effect) and scales (unit, effect, effect)."""
    z, log_weights = method.placed(mean, scale)
    node = f"node_{level}"
    return {
        f"z_{level}": Named((level, node, f"effect_{level}"), z),
        f"log_weight_{level}": Named((level, node), log_weights),
    }
