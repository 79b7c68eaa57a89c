"""The one graph: the log-likelihood of every model by elimination over named dims.

A model is a list of log factors, tensors with named dims. Climbing the ladder item, individual,
cluster, each latent variable that lives at a level is eliminated (add the factors that carry its dim,
logsumexp over it), then the level's own dim is contracted with the data: items with the features of
the responses, individuals with the counts of each pattern in each cluster. A class is a dim named
after it; a continuous latent is a dim of nodes, such as `node_cluster_1`, or those of a level share one,
`node_cluster`. A sampled effect is a grid with one node per unit and no dim of nodes; nothing here knows which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, cast

import pytensor.tensor as pt
from pytensor import xtensor as px

from bayesmix.data import of_latent
from bayesmix.graph.integration import is_node, is_of_nodes, last_first
from bayesmix.graph.joint_normal import joint_factor, missing_dim, residual_covariance
from bayesmix.graph.normal_covariates import completed
from bayesmix.graph.products import contract, places, read_off
from bayesmix.spec import (
    GROUP,
    POINT,
    Effect,
    LatentClass,
    Model,
    Predictor,
    Response,
    Term,
    by_effect,
    parameter_of,
    walk,
)
from bayesmix.spec.families import TINY, Tensor, log_softmax, logsumexp, stop_gradient

TOGETHER = 3
"""Up to this many class variables are summed out jointly, over all their paths, where their probabilities vary over
nodes; more are summed out one by one."""
LOG_CUTOFF = -650.0
"""Parts of a class's logit so far below another class's count no further."""
WITHIN = {"individual", "slot"}
"""Dims of individuals."""
Tensors = Mapping[str, Tensor]
"""Named-dim tensors by name: parameters, and the data of :func:`inputs`."""


def term(t: Term, values: Tensors, data: Tensors, effects: Tensors) -> Tensor:
    """One summand: parameter . covariates . effects, over the dims that remain."""
    if t.effects:
        each = [x * effects[e] for e, x in by_effect(t, values)]
        out = sum(each[1:], each[0])
    else:
        out = parameter_of(t, values)
    if t.covariates is not None:
        gains = [k for k in data if of_latent(k) == t.covariates.key]
        each = [contract(data[k], out, (t.covariates.name,)) * data[f"away:{k.rpartition(':')[2]}"] for k in gains]
        out = sum(each, contract(data[t.covariates.key], out, (t.covariates.name,)))
    return out


def predictor(terms: Predictor, values: Tensors, data: Tensors, effects: Tensors) -> Tensor | None:
    """eta, the sum of the terms; None where there is none."""
    each = [term(t, values, data, effects) for t in terms]
    if any("individual" in x.dims for x in each):
        each = [to_individuals(x, data) for x in each]
    each = in_common_groups(each, data)
    each.sort(key=lambda x: bool({"individual", "slot"} & {*x.dims}))  # what there are many of comes last in memory
    return sum(each[1:], each[0]) if each else None


def effect_values(model: Model, values: Tensors, data: Tensors) -> dict[str, Tensor]:
    """Each effect at the nodes: mean + sd * z, (5), (10), (18), (25); covariates that are variables as they are.

    `data` are those of :func:`with_covariates_known`.
    """
    out: dict[str, Tensor] = {}
    for e, mean, residual in walk(model, values):
        if e.column is not None:
            out[e.name] = data[f"completed:{e.column}"]
            continue
        z = [_standard_normal(level, k, data) for level, k in residual]
        if e.standard:
            z = [x * each for x, each in zip(residual.values(), z, strict=True)]
        out[e.name] = _effect(replace(e, mean=mean), sum(z[1:], z[0]) if z else None, values, data, out)
    return out


def with_covariates_known(model: Model, values: Tensors, data: Tensors) -> Tensors:
    """The data with the values of covariates that are variables of the model, at nodes where they miss."""
    if not model.normal_covariates:
        return data
    found, density = completed(model, values, data, term, partial(_standard_normal, data=data))
    columns = {e.name: e.column for e in model.normal_covariates}
    own = {f"completed:{columns[k]}": x for k, x in found.items()}
    own |= {f"away:{columns[k]}": x - data[f"fill:{columns[k]}"] for k, x in found.items()}
    return {**data, **own, "density_of_covariates": density}


def _standard_normal(level: str, k: int, data: Tensors) -> Tensor:
    """The values of a standard normal effect: over nodes of its own, or over those it shares with the others."""
    own = f"z_{level}_{k + 1}"
    return data[own] if own in data else data[f"z_{level}"].isel({f"effect_{level}": k - apart(level, data)})


def apart(level: str, data: Tensors) -> int:
    """How many effects of a level, the first ones, have nodes of their own beside those that the others share."""
    return sum(is_of_nodes(k, level) and k.startswith(f"z_{level}_") for k in data)


def _effect(e: Effect, z: Tensor | None, values: Tensors, data: Tensors, effects: Tensors) -> Tensor:
    mean = predictor(e.mean, values, data, effects)
    spread = z if e.sd is None or z is None else term(e.sd, values, data, effects) * z
    parts: list[Any] = in_common_groups([x for x in (mean, spread) if x is not None], data)
    out: Any = in_common_groups([sum(parts[1:], parts[0])], data)[0]
    if "cluster" in out.dims and e.level == "individual":
        return to_individuals(out, data)
    return out


def to_individuals(x: Tensor, data: Tensors) -> Tensor:
    """A tensor over clusters, read off for each individual where clusters differ."""
    if "cluster" in x.dims and "cluster_of" in data:
        return x.isel(cluster=data["cluster_of"])
    return x


def of_groups(x: Tensor, data: Tensors, of_clusters: bool = False) -> Tensor:
    """A tensor over observed groups, read off for each individual; for each cluster where that will do."""
    if GROUP not in x.dims:
        return x
    level = "individual"
    if "group_of_cluster" in data and not WITHIN & {*x.dims}:
        level = "cluster" if of_clusters or "cluster" in x.dims or {"square", "cluster_of"} & {*data} else level
    x = x if level == "cluster" else to_individuals(x, data)
    at = data[f"group_of_{level}"]
    if {*at.dims} & {*x.dims}:
        return contract(data[f"in_group_{level}"], x, (GROUP,))
    return read_off(x, at, GROUP)


def in_common_groups(parts: list[Tensor], data: Tensors) -> list[Tensor]:
    """Parts of a sum, with groups read off where one of them varies between the individuals of a group, or clusters."""
    dims = {d for x in parts for d in x.dims}
    if GROUP in dims and (WITHIN & dims or ("cluster" in dims and "group_of_cluster" in data)):
        return [of_groups(x, data, not WITHIN & dims) for x in parts]
    return parts


def add_up(x: Tensor, at: Tensor, dim: str, n: Any) -> Tensor:
    """Sums of the entries that go to the same of `n` places along a new `dim`."""
    (old,), rest = at.dims, [d for d in x.dims if d not in at.dims]
    values = x.transpose(*rest, old).values
    size = [values.shape[k] for k in range(len(rest))]
    zeros = pt.zeros(pt.prod(pt.stack([*size, n])))
    total = cast(Tensor, pt.inc_subtensor(zeros[places(size, n, at.values)], values.flatten()))
    return px.as_xtensor(total.reshape([*size, n]), dims=(*rest, dim))


def in_clusters(x: Tensor, data: Tensors) -> Tensor:
    """Individuals as slots of clusters, where they stand in that order: what differs by cluster meets them by name."""
    if "individual" not in x.dims:
        return x
    rest = [d for d in x.dims if d != "individual"]
    values = x.transpose(*rest, "individual").values
    square = data["square"].values.shape
    shape = [*(values.shape[k] for k in range(len(rest))), square[0], square[1]]
    return px.as_xtensor(values.reshape(shape), dims=(*rest, "cluster", "slot"))


def _at_level(terms: Predictor, effects: Tensors, data: Tensors) -> Tensors:
    """The effects as terms of something of individuals want them: by cluster, while nothing else varies within one."""
    within = any(t.covariates and t.covariates.level == "individual" for t in terms)
    within |= any("individual" in effects[e].dims for t in terms for e in t.effects)
    return {k: to_individuals(v, data) for k, v in effects.items()} if within else effects


def class_log_probability(c: LatentClass, values: Tensors, data: Tensors, effects: Tensors) -> Tensor:
    """log P(C = c | parents, effects, covariates): (4), (8)-(9), (17), (24), (26), (30), (34)."""
    out = log_softmax(predictor(c.predictor, values, data, effects), c.name)
    return out * data[f"moves:{c.name}"] + data[f"stays:{c.name}"] if c.stays else out


def class_factors(c: LatentClass, values: Tensors, data: Tensors, effects: Tensors) -> list[Tensor]:
    """Log factors whose sum is :func:`class_log_probability`.

    Logits of which one part varies between the individuals of a cluster and another over nodes or
    clusters are left apart, beside the sum of their exponentials: a product, so that nothing is
    exponentiated for each individual and node. No part goes down to where all products are rounded to zero.
    """
    each = in_common_groups([term(t, values, data, effects) for t in c.predictor], data)
    own, common = ([x for x in each if bool({"individual", "slot"} & {*x.dims}) == within] for within in (True, False))
    varies = any(d == "cluster" or is_node(d) for x in common for d in x.dims)
    if c.stays or not (own and varies) or any(is_node(d) for x in own for d in x.dims):
        return [class_log_probability(c, values, data, effects)]
    parts = [sum(some[1:], some[0]) for some in (own, common)]
    parts = [px.math.maximum(x - stop_gradient(x.max(c.name)), LOG_CUTOFF) for x in parts]
    return [*parts, *(-x for x in sum_out(parts, [c.name], data))]


def response_table(r: Response, values: Tensors, data: Tensors, effects: Tensors) -> Tensor:
    """The family's table over (item, feature, classes, nodes, ...), (1)-(2), (6), (22), (27)-(28)."""
    eta, known, extra = response_parameters(r, values, data, effects)
    return r.family.table(eta, known, **extra)


def response_factor(r: Response, values: Tensors, data: Tensors, effects: Tensors) -> Tensor:
    """The response's log factor: its table, or the density of each response.

    The latter where a table would differ by individual or cluster and is no list of outcomes.
    """
    if r.family.joint:  # a matrix of each group, not of each individual
        eta, known, extra = response_parameters(r, values, data, effects, apart=True)
        return joint_factor(r, eta, known, lambda x: of_groups(x, data), **extra)
    eta, known, extra = response_parameters(r, values, data, effects)
    varying = {d for x in (eta, *extra.values()) for d in x.dims}
    if r.family.finite or not {"individual", "slot", "cluster"} & varying:
        return r.family.table(eta, known, **extra)
    eta, extra = of_groups(eta, data), {k: of_groups(x, data) for k, x in extra.items()}
    y = data[f"{r.name}:features"]
    y = y if r.item_dim in varying or len(r.items) > 1 else y.isel({r.item_dim: 0})
    return r.family.density(y, eta, known, **extra)


def response_parameters(
    r: Response, values: Tensors, data: Tensors, effects: Tensors, apart: bool = False
) -> tuple[Any, Any, dict]:
    """What a family makes its table of: eta, the constants of the items, the family's further parameters.

    With `apart` groups are read off in none of them, for what varies between individuals in another.
    """
    extra = [term(t, values, data, effects) for t in r.auxiliary]
    eta: Any = predictor(r.predictor, values, data, effects) if r.predictor else px.as_xtensor(0.0)
    if any("individual" in x.dims for x in (*extra, eta)):
        extra, eta = [to_individuals(x, data) for x in extra], to_individuals(eta, data)
    eta, *extra = [eta, *extra] if apart else in_common_groups([eta, *extra], data)
    known = constants(r, data)
    if len(r.items) == 1 and not r.family.finite and not any(r.item_dim in x.dims for x in (*extra, eta)):
        known = {k: x.isel({r.item_dim: 0}) if r.item_dim in x.dims else x for k, x in known.items()}
    return eta, known, dict(zip(r.family.auxiliary, extra, strict=True))


def constants(r: Response, data: Tensors) -> dict[str, Tensor]:
    """What the family needs to know of the items: categories that exist, centre and scale."""
    prefix = f"{r.name}:"
    return {k.removeprefix(prefix): v for k, v in data.items() if k.startswith(prefix)}


def effect_factors(model: Model, values: Tensors, data: Tensors) -> dict[str, Tensor]:
    """The effects under their names among the factors."""
    data = with_covariates_known(model, values, data)
    return {f"effect:{k}": v for k, v in effect_values(model, values, data).items()}


def factors(model: Model, values: Tensors, data: Tensors) -> dict[str, Tensor]:
    """Everything the likelihood is made of: effects, class log probabilities, response tables."""
    data = with_covariates_known(model, values, data)
    effects = effect_values(model, values, data)
    out: dict[str, Tensor] = {f"effect:{k}": v for k, v in effects.items()}
    for c in model.classes:
        out[f"class:{c.name}"] = class_log_probability(c, values, data, _at_level(c.predictor, effects, data))
    for r in model.responses:
        seen = _at_level(r.terms, effects, data)
        out[f"response:{r.name}"] = response_table(r, values, data, seen)
        if r.family.joint:
            out[f"covariance:{r.name}"] = covariance_matrix(r, values, data)
    return out


def covariance_matrix(r: Response, values: Tensors, data: Tensors) -> Tensor:
    """The residual covariance matrix of a jointly normal response, over (classes, item, item_)."""
    sigma, covariance = (parameter_of(t, values) for t in r.auxiliary)
    return residual_covariance(r, sigma, covariance, constants(r, data)["place"])


def eliminate(factors: list[Tensor], dim: str, how: Callable[[Tensor, str], Tensor] = logsumexp) -> list[Tensor]:
    """Add up the factors that carry `dim` and sum it out in log space."""
    touching = [f for f in factors if dim in f.dims]
    rest = [f for f in factors if dim not in f.dims]
    return [*rest, how(sum(touching[1:], touching[0]), dim)] if touching else rest


def sum_out(parts: list[Tensor], classes: list[str], data: Tensors) -> list[Tensor]:
    """Sum classes of individuals out of products of probabilities, and take the logarithm once.

    What varies between individuals is shifted by its maximum over the classes; class probabilities that
    do not, over nodes or clusters, meet it in a matrix product, so that nothing is exponentiated for
    each individual and node.
    """
    touching = [f for f in parts if {*classes} & {*f.dims}]
    if not touching:
        return parts
    own = _together([f for f in touching if {"individual", "slot"} & {*f.dims}])
    common = [px.math.exp(f) for f in touching if not {"individual", "slot"} & {*f.dims}]
    tops = [stop_gradient(f.max([c for c in classes if c in f.dims])) for f in own]
    own = [px.math.exp(f - top) for f, top in zip(own, tops, strict=True)]
    varies = any(set(f.dims) - {*classes, POINT} for f in common)
    together, left = varies and len(classes) <= TOGETHER, list(classes)
    while left:
        some = left if together else [_next(left, [*own, *common])]
        left = [c for c in left if c not in some]
        mine, shared = ([f for f in each if {*some} & {*f.dims}] for each in (own, common))
        own, common = ([f for f in each if not {*some} & {*f.dims}] for each in (own, common))
        (own if mine else common).append(_sum_of_products(mine, shared, some, data))
    total = _product([*own, *(_beside(f, data) for f in common)])
    rest = [f for f in parts if not {*classes} & {*f.dims}]
    return [*rest, *tops, px.math.log(total + TINY)]


def _next(left: list[str], parts: list[Tensor]) -> str:
    """The class to be summed out next: the first of those whose sum carries the fewest other classes.

    A class that others depend on at many occasions comes last; in the order given it would leave a table of all paths.
    """

    def carried(c: str) -> int:
        return len({d for f in parts if c in f.dims for d in f.dims} & {*left})

    return min(left, key=carried)


def _together(parts: list[Tensor]) -> list[Tensor]:
    """Add log factors with equal dims, before each is shifted by its maximum.

    Shifted apart, a class that one factor excludes and another favours would underflow.
    """
    out: dict[frozenset, Tensor] = {}
    for f in parts:
        out[key] = out[key] + f if (key := frozenset(f.dims)) in out else f
    return [*out.values()]


def _sum_of_products(mine: list[Tensor], shared: list[Tensor], classes: list[str], data: Tensors) -> Tensor:
    """Factors of individuals times class probabilities, summed over classes."""
    if not (mine and shared):
        x = _product(mine or shared)
        return x.sum([c for c in classes if c in x.dims])
    x, y = _product(mine), _beside(_product(shared), data)
    both = tuple(c for c in classes if c in x.dims and c in y.dims)
    x, y = (z.sum(alone) if (alone := [c for c in classes if c in z.dims and c not in both]) else z for z in (x, y))
    return contract(x, y, both)


def _beside(x: Tensor, data: Tensors) -> Tensor:
    """What differs by cluster beside what differs by individual."""
    return x if "square" in data else to_individuals(x, data)


def _product(parts: list[Tensor]) -> Tensor:
    out = parts[0]
    for f in parts[1:]:
        out = out * f
    return out


def gaussian_integral(f: Tensor, node: str, curve: Tensor, slope: Tensor, n: int) -> Tensor:
    """log of the integral of N(z; 0, I) exp(f(z)) over n effects, f quadratic and given at the stencil's nodes.

    With f(z) = f(0) + b'z - z'Az/2, one effect after the other: each leaves the quadratic of the rest. The effects are
    the first axes of A and b, so that each step is a few operations on all units, however many effects there are.
    """
    effect, other = (d for d in curve.dims if d != node)
    rest = [d for d in f.dims if d != node]
    values = f.transpose(node, *rest).values
    b: Any = pt.tensordot(slope.transpose(effect, node).values, values, axes=1)
    a: Any = pt.tensordot(curve.transpose(effect, other, node).values, values, axes=1)
    a = a + cast(Tensor, pt.eye(n)).reshape((n, n, *[1] * len(rest)))
    out = values[0]
    for k in reversed(range(n)):
        out = out + 0.5 * (b[k] ** 2 / a[k, k] - pt.log(a[k, k]))
        ratio = a[:k, k] / a[k, k]
        b, a = b[:k] - ratio * b[k], a[:k, :k] - ratio[:, None] * a[None, k, :k]
    return px.as_xtensor(out, dims=tuple(rest))


def climb_items(r: Response, table: Tensor, item_factors: Tensors, data: Tensors) -> Tensor:
    """From items to individuals: eliminate the item-level classes, contract with the features.

    Where the family has finitely many outcomes the classes leave the small table before it meets
    the data, (28)-(34); else each response's density is formed first.
    """
    y, over = data[f"{r.name}:features"], ("feature",)
    if r.family.joint and "feature" in table.dims and f"{r.name}:missing" in data:
        table = read_off(table, data[f"{r.name}:missing"], missing_dim(r))
    present = _needed(item_factors, table.dims)
    if present and not r.family.finite and "feature" in table.dims:
        table = _meet(y, table, over, data)
    parts = in_common_groups([table, *(item_factors[c] for c in present)], data)
    for c in present:
        parts = eliminate(parts, c)
    table = sum(parts[1:], parts[0])
    if "feature" not in table.dims:
        return table.sum(r.item_dim) if r.item_dim in table.dims else table
    over = over if r.family.joint else (r.item_dim, *over)
    if (own := f"{r.name}:answers") not in data:
        return _meet(y, table, over, data)
    return _of_answers(contract(y, table, over), data[own], f"answers_{r.name}", data)


def _meet(y: Tensor, table: Tensor, over: tuple[str, ...], data: Tensors) -> Tensor:
    """Features of individuals times a table; of a table by group each individual meets that of its own group."""
    table = in_common_groups([table], data)[0]
    if GROUP not in table.dims:
        return contract(y, table, over)
    return contract(y * data["in_group_individual"], table, (*over, GROUP))


def _of_answers(met: Tensor, at: Tensor, dim: str, data: Tensors) -> Tensor:
    """What each row of answers met, read off for each individual: in the table of its own group."""
    if GROUP not in met.dims:
        return read_off(met, at, dim)
    rest = [d for d in met.dims if d not in (dim, GROUP)]
    values = met.transpose(*rest, dim, GROUP).values
    groups = values.shape[len(rest) + 1]
    flat = values.reshape([*(values.shape[k] for k in range(len(rest))), values.shape[len(rest)] * groups])
    where = at * groups + data["group_of_individual"]
    return read_off(px.as_xtensor(flat, dims=(*rest, dim)), where, dim)


def _needed(item_factors: Tensors, dims: tuple[str, ...]) -> list[str]:
    """The classes among `dims` and their parents, in the order given (a parent before its child)."""
    wanted = set(dims)
    for c in reversed(list(item_factors)):
        wanted |= set(item_factors[c].dims) if c in wanted else set()
    return [c for c in item_factors if c in wanted]


def log_likelihood(model: Model, values: Tensors, data: Tensors, probes: tuple = ()) -> Tensor:
    """Log-likelihood of each unit: over `cluster` for a two-level model, else over `individual`.

    Parameters
    ----------
    model : Model
        The declaration.
    values : mapping of str to tensor
        Parameters on the natural scale, by name, with their dims.
    data : mapping of str to tensor
        The inputs that :func:`inputs` names.
    probes : tuple of tensors
        Log factors of zeros. The gradient of the log-likelihood with respect to one is the
        posterior probability of what its dims index.
    """
    if "square" in data:
        data = {k: in_clusters(x, data) for k, x in data.items() if k != "cluster_of"}
        probes = tuple(in_clusters(p, data) for p in probes)
    data = with_covariates_known(model, values, data)
    effects = effect_values(model, values, data)

    def seen(terms: Predictor) -> Tensors:
        return _at_level(terms, effects, data)

    at_class = {c.name: class_log_probability(c, values, data, seen(c.predictor)) for c in model.classes_at("item")}
    at_class = {k: to_individuals(x, data) for k, x in at_class.items()}
    parts = []
    for r in model.responses:
        table = response_factor(r, values, data, seen(r.terms))
        parts.append(climb_items(r, to_individuals(table, data), at_class, data))
    for c in model.classes_at("individual"):
        parts += [of_groups(f, data) for f in class_factors(c, values, data, seen(c.predictor))]
    parts += [data["density_of_covariates"]] if "density_of_covariates" in data else []
    own = {"individual", "slot"}
    parts = _climb(model, "individual", [*parts, *(p for p in probes if own & {*p.dims})], data)
    if not model.two_level:
        return _added(parts)

    parts = [by_cluster(x, data) for x in _of_individuals(parts)]
    of_clusters = [class_log_probability(c, values, data, effects) for c in model.classes_at("cluster")]
    parts += [of_groups(f, data, of_clusters=True) for f in of_clusters]
    parts += [data[k] for c in model.classes_at("cluster") if (k := f"known:{c.name}") in data]
    parts += [p for p in probes if not own & {*p.dims}]
    return _added(_climb(model, "cluster", parts, data))


def _added(parts: list[Tensor]) -> Tensor:
    """Add up log factors."""
    return sum(parts[1:], parts[0])


def _of_individuals(parts: list[Tensor]) -> list[Tensor]:
    """Log factors to be summed over individuals one by one: what varies less is added up before it is broadcast."""
    within = [f for f in parts if {"individual", "slot"} & {*f.dims}]
    rest = [f for f in parts if not {"individual", "slot"} & {*f.dims}]
    return [_added([within[0], *rest]), *within[1:]] if within else [_added(rest)]


def _climb(model: Model, level: str, parts: list[Tensor], data: Tensors) -> list[Tensor]:
    """Eliminate what lives at the level; the log factors that remain.

    Individuals: classes, then the effects they may depend on; where effects have a closed form given the class,
    these first. Clusters: effects, whose distribution may depend on the class, then classes.
    """
    nodes, classes = last_first(model, level, data), [c.name for c in model.classes_at(level)]
    parts = [*parts, *(x for k, x in data.items() if k.startswith("log_weight_") and is_of_nodes(k, level))]
    if f"curve_{level}" in data:
        curve, slope, n = data[f"curve_{level}"], data[f"slope_{level}"], len(model.effects_at(level))
        how = partial(gaussian_integral, curve=curve, slope=slope, n=n - apart(level, data))
        parts, nodes = eliminate(parts, f"node_{level}", how), [d for d in nodes if d != f"node_{level}"]
    if level == "individual":
        parts = sum_out(_with_known(parts, classes, data), classes, data)
    for dim in nodes:
        parts = eliminate(parts, dim)
    for dim in classes if level == "cluster" else ():
        parts = eliminate(parts, dim)
    return parts


def _with_known(parts: list[Tensor], classes: list[str], data: Tensors) -> list[Tensor]:
    """Log factors of individuals with the classes left out that they are known not to be in.

    In all of them, as each is shifted by its own maximum: a class that is left out in one alone could set that of
    another.
    """
    for c in (c for c in classes if f"known:{c}" in data):
        known = data[f"known:{c}"]
        hit = [bool(WITHIN & {*f.dims}) and c in f.dims for f in parts]
        parts = [f + known if h else f for f, h in zip(parts, hit, strict=True)]
        parts = parts if any(hit) else [*parts, known]
    return parts


def by_cluster(unit: Tensor, data: Tensors) -> Tensor:
    """Sums over the individuals of each cluster: by the counts of patterns, or one by one where clusters differ."""
    if "slot" in unit.dims:
        return contract(data["square"], unit, ("slot",))
    clusters = data["weight"].values.shape[0]
    if "cell_cluster" in data:
        each = read_off(unit, data["cell_individual"], "individual") * data["counts"]
        return add_up(each, data["cell_cluster"], "cluster", clusters)
    if "cluster_of" not in data:
        return contract(data["counts"], unit, ("individual",))
    return add_up(unit * data["counts"], data["cluster_of"], "cluster", clusters)
