"""What follows from the parameters, as functions of the graph's own factors.

Class sizes and transitions in the population; SDs, correlations and intraclass correlations of random
parts of class logits; covariances of random coefficients; explained variance and effects along the paths
of a latent transition model. They are averages over the nodes, individuals and clusters of the data,
which must have nodes for the population (:func:`bayesmix.graph.nodes.with_population_nodes`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pytensor import xtensor as px

from bayesmix.graph.factor_variances import item_response, of_factors, of_normal_covariates
from bayesmix.graph.joint_normal import residual_correlations
from bayesmix.graph.likelihood import (
    Tensors,
    by_cluster,
    constants,
    eliminate,
    factors,
    in_common_groups,
    to_individuals,
)
from bayesmix.graph.products import contract
from bayesmix.graph.variance_components import intraclass, of_class, of_effects, of_sums, random_matrices, simple
from bayesmix.spec import (
    GROUP,
    Coefficients,
    LatentClass,
    Model,
    Quantity,
    by_effect,
    class_size,
    item_probability,
    parameter,
    plain,
    size_by,
    square,
    transition,
)
from bayesmix.spec.families import TINY, Tensor

LOGISTIC_VARIANCE = np.pi**2 / 3
"""Variance of the logistic distribution, below (14)."""
Quantities = Iterator[tuple[Quantity, Tensor]]
"""What each number is, and its tensor."""


def quantities(model: Model, values: Tensors, data: Tensors) -> dict[Quantity, Tensor]:
    """Collect the parameters, tables of probabilities and what else follows from `values`, by what each is.

    Parameters
    ----------
    model : Model
    values : mapping of str to tensor
        Parameters on the natural scale.
    data : mapping of str to tensor
        The inputs, with nodes for the population.
    """
    made = factors(model, values, data)
    each = [
        ((parameter(p), values[p.name]) for p in model.parameters),
        _tables(model, made, data),
        _random_parts(model, values, data),
        random_matrices(model, values, data),
        of_sums(model, values, data),
        intraclass(model, values, data),
        _on_parents(model, values, data),
        _explained(model, values, made, data),
        of_factors(model, values, data),
        of_normal_covariates(model, values, data),
        item_response(model, values),
        _expected(model, values),
        _residual_correlations(model, values, data),
    ]
    return _by_name(pair for some in each for pair in some)


def _by_name(pairs: Iterable[tuple[Quantity, Tensor]]) -> dict[Quantity, Tensor]:
    """Collect `pairs` of quantities and tensors, of each name and group the last one."""
    last = {(q.group, q.name): (q, x) for q, x in pairs}
    return dict(last.values())


# averages over the population ---------------------------------------------------------------------


def average(x: Tensor, data: Tensors, level: str = "individual", by_group: bool = False) -> Tensor:
    """Means over nodes (by weight), individuals (by count) and clusters (by size; of classes of clusters, alike).

    With `by_group` those of the individuals, or clusters, of each group, where `x` varies between them.
    """
    weights = {k.replace("log_weight", "node"): w for k, w in data.items() if k.startswith("log_weight_")}
    for node in sorted(weights, key=lambda k: -len(weights[k].dims)):
        x = (x * px.math.exp(weights[node])).sum(node) if node in x.dims else x
    counts = next(data[k] for k in ("total", "counts", "weight") if k in data)
    by_group = (by_group or GROUP in x.dims) and "in_group_individual" in data
    if "individual" in x.dims:
        n = (counts * data["weight"]).sum("cluster") if "cluster" in counts.dims else counts
        n = n * to_individuals(data["weight"], data) if "cluster_of" in data else n
        n = n * data["in_group_individual"] if by_group else n
        x = _mean(x, n, "individual")
    if "cluster" not in x.dims:
        return x
    each = data["weight"] if level == "cluster" else by_cluster(px.math.exp(0.0 * counts), data) * data["weight"]
    return _mean(x, _in_groups(each, counts, data, level) if by_group else each, "cluster")


def _mean(x: Tensor, n: Tensor, dim: str) -> Tensor:
    """The weighted mean over a dim; in each group, of weights by group."""
    over = (x * n).sum(dim) if GROUP in x.dims else contract(n, x, (dim,))
    return over / n.sum(dim)


def _in_groups(each: Tensor, counts: Tensor, data: Tensors, level: str) -> Tensor:
    """Weights of clusters in each group: where groups vary within clusters, by the individuals of each."""
    if level == "cluster" or "in_group_cluster" in data:
        return each * data["in_group_cluster"]
    return by_cluster(px.math.exp(0.0 * counts) * data["in_group_individual"], data) * data["weight"]


def _beside(model: Model, c: LatentClass, x: Tensor) -> list[str]:
    """The classes of the same level that a class depends on."""
    return [k.name for k in model.classes_at(c.level) if k.name in x.dims and k.name != c.name]


def _joint(model: Model, last: str, keep: list[str], made: Tensors, data: Tensors) -> Tensor:
    """log P of the classes `keep` at the level of the class `last`, earlier ones summed out."""
    (level,) = {c.level for c in model.classes if c.name == last}
    names = [c.name for c in model.classes_at(level)]
    names = names[: names.index(last) + 1]
    parts = [made[f"class:{k}"] for k in names]
    if any("individual" in p.dims for p in parts):
        parts = [to_individuals(p, data) for p in parts]
    parts = in_common_groups(parts, data)
    for k in names:
        parts = parts if k in keep else eliminate(parts, k)
    return sum(parts[1:], parts[0])


def differs_by_group(model: Model, c: LatentClass) -> bool:
    """Whether the probabilities of a class depend on the group, by its logits, its effects or the classes before."""
    parts = {k.name: k for k in (*model.classes, *model.effects)}
    seen: set[str] = set()
    to_do = [c.name]
    while to_do:
        seen.add(name := to_do.pop())
        used = [*(d for t in parts[name].terms for d in t.dims), *(e for t in parts[name].terms for e in t.effects)]
        if GROUP in used:
            return True
        to_do += [d for d in used if d in parts and d not in seen]
    return False


def _tables(model: Model, made: Tensors, data: Tensors) -> Quantities:
    """Class sizes, transitions given the classes before, response probabilities given the classes."""
    for c in model.classes:
        x, by_group = made[f"class:{c.name}"], differs_by_group(model, c)
        if not (before := _beside(model, c, x)):
            yield class_size(c), average(px.math.exp(x), data, c.level, by_group)
            continue
        joint = average(px.math.exp(_joint(model, c.name, [*before, c.name], made, data)), data, c.level, by_group)
        yield class_size(c), joint.sum(tuple(before))
        above = [g.name for g in model.lasting if g.name in before]
        for g in above:
            own = joint.sum(tuple(k for k in before if k != g))
            yield size_by(c, g), own / own.sum(c.name)
        if len(above) < len(before):
            yield transition(c), joint / joint.sum(c.name)
    for r in model.responses:
        x = made[f"response:{r.name}"]
        if (shown := item_probability(model, r, x.dims)) is not None:
            yield shown[0], average(px.math.exp(x), data).rename(shown[1])


def _expected(model: Model, values: Tensors) -> Quantities:
    """What the families of items without covariates and factors make of their parameters: means of inflated counts."""
    for r in model.distinct_responses:
        if any(t.covariates or t.effects for t in r.terms) or not r.predictor:
            continue
        each = [values[t.parameter.name] for t in r.predictor]
        extra = {k: values[t.parameter.name] for k, t in zip(r.family.auxiliary, r.auxiliary, strict=True)}
        if (x := r.family.expected(sum(each[1:], each[0]), **extra)) is not None:
            words = r.family.expected_words
            name = f"{r.name if model.is_regression and not r.of_outcomes else r.item_dim}_{words}"
            yield Quantity(name, "expected", r.name, words, r.family.expected_scale), x


def _residual_correlations(model: Model, values: Tensors, data: Tensors) -> Quantities:
    """Correlations of the residuals of pairs of items with a covariance."""
    for r in (r for r in model.distinct_responses if r.family.joint):
        known, (sigma, covariance) = constants(r, data), (values[t.parameter.name] for t in r.auxiliary)
        found = residual_correlations(r, sigma, covariance, known["left"], known["right"])
        of = "residual" if r.of_outcomes else "item"
        yield Quantity(f"{of}_correlation{r.suffix}", "residual correlation", r.name), found


# random parts of class logits ---------------------------------------------------------------------


def _random_parts(model: Model, values: Tensors, data: Tensors) -> Quantities:
    """SDs, ICC (20) and correlations of the random parts of each class's logits, by level.

    The ICC is the level's share in the variance at all levels + pi^2 / 3. The reference class has zeros.
    """
    if not simple(model):
        return
    effects = of_effects(model, values, data)
    for c in model.classes:
        mine, other = of_class(c, values, effects), f"{c.name}_"
        levels = {k for k, _ in mine}
        variance = {k: square({q: x for q, x in mine.items() if q[0] == k}) for k in levels}
        for k in (k for k in ("individual", "cluster") if k in levels):
            own = _own_name(model, c, k)
            sd = px.math.sqrt(variance[k] + TINY)
            yield Quantity(f"{own}_sd", "sd", c.name, k), sd
            yield Quantity(f"{own}_icc", "icc", c.name, k), variance[k] / (sum(variance.values()) + LOGISTIC_VARIANCE)
            pairs = [x * x.rename({c.name: other}) for q, x in mine.items() if q[0] == k]
            correlations = sum(pairs[1:], pairs[0]) / (sd * sd.rename({c.name: other}))
            yield Quantity(f"{own}_correlation", "correlation matrix", c.name, k), correlations


def _own_name(model: Model, c: LatentClass, level: str) -> str:
    here = {e.name for e in model.effects_at(level)}
    names = [t.parameter.name for t in c.predictor if plain(t) and here & set(t.effects)]
    return names[0].removesuffix("_loading") if names else f"{c.name}_{level}"


# paths between classes and effects of several occasions -------------------------------------------


def _intercepts(c: LatentClass, values: Tensors) -> Tensor | None:
    x = [values[t.parameter.name].rename(dict(t.rename)) for t in c.predictor if not (t.effects or t.covariates)]
    return sum(x[1:], x[0]) if x else None


def _on_parents(model: Model, values: Tensors, data: Tensors) -> Quantities:
    """gamma_dc of (9) and (13): the logits of a class given the class before, less those given its last class."""
    for c in model.classes:
        x = _intercepts(c, values)
        if x is not None and len(before := _beside(model, c, x)) == 1:
            what = Quantity(f"{c.name}_on_{before[0]}", "logit contrast", c.name, before[0])
            yield what, x - x.isel({before[0]: -1})


@dataclass(frozen=True)
class _Given:
    """Terms of the variance decomposition of one occasion, which the functions below share."""

    model: Model
    values: Tensors
    made: Tensors
    data: Tensors
    of_effects: Mapping[str, Coefficients]

    def gamma(self, c: LatentClass, before: str) -> Tensor:
        return next(x for q, x in _on_parents(self.model, self.values, self.data) if (q.of, q.part) == (c.name, before))

    def joint(self, last: str, keep: list[str]) -> Tensor:
        return px.math.exp(_joint(self.model, last, keep, self.made, self.data))

    def loadings(self, c: LatentClass) -> dict[str, Tensor]:
        return {e: x for t in filter(plain, c.predictor) for e, x in by_effect(t, self.values)}


def _explained(model: Model, values: Tensors, made: Tensors, data: Tensors) -> Quantities:
    """What explains the variance of class logits against the last class, as below (14), and effects along paths.

    With u the random effects of clusters and L_d = log P(C_t = d | C_t-1, u) - log P(C_t = K | C_t-1, u),
    the variance of the latent response L_d + e, Var(e) = pi^2 / 3, has the parts

        E_u Var(L_d | u)                       C_t-1 as far as it is not explained by u,
        Var(residual effects of occasion t)    epsilon of (15),
        Var_u E(L_d | u) less the line above   the effects of earlier occasions (and covariates of clusters).
    """
    if any(t.covariates and t.covariates.level == "individual" for c in model.classes for t in c.predictor):
        return
    if not simple(model) or any(e.level != "cluster" for e in model.effects) or model.classes_at("cluster"):
        return
    g, seen = _Given(model, values, made, data, of_effects(model, values, data)), list[str]()
    for c in model.classes_at("individual"):
        own = [e for t in filter(plain, c.predictor) for e in t.effects if e not in seen]
        before = _beside(model, c, made[f"class:{c.name}"])
        if own and not before and model.classes_at("individual")[1:]:
            yield from _by_effects_alone(g, c, own)
        if own and len(before) == 1:
            yield from _shares(g, c, own, seen, before[0])
            yield from _along_paths(g, c, own, before[0])
        seen = [*seen, *own]


def _contrast(g: _Given, c: LatentClass) -> Tensor:
    f = g.made[f"class:{c.name}"]
    return f - f.isel({c.name: -1})


def _by_effects_alone(g: _Given, c: LatentClass, own: list[str]) -> Quantities:
    logit = _contrast(g, c)
    between = average(logit**2, g.data) - average(logit, g.data) ** 2
    yield _share(c, own), between / (between + LOGISTIC_VARIANCE)


def _share(c: LatentClass, by: Sequence[str] = (), more: str = "", beyond: str = "") -> Quantity:
    """Say what a share of the variance of the logits of `c` is: explained `by` some, `more` or `beyond` another."""
    ending = ("_by_" + "_".join(by) if by else "") + (f"_{more}" if more else "")
    ending += f"_beyond_{beyond}" if beyond else ""
    words = ("by " + ", ".join(by) if by else "", more, f"beyond {beyond}" if beyond else "")
    return Quantity(f"{c.name}_explained{ending}", "share", c.name, " ".join(filter(None, ("explained", *words))))


def _path(c: LatentClass, e: str, via: Sequence[str] = ()) -> Quantity:
    """Say what an effect of `e` on the logits of `c` is, through `via` some or in all."""
    name, words = f"{c.name}_effect_of_{e}", f"effect of {e}"
    if via:
        name, words = f"{name}_via_{'_'.join(via)}", f"{words} via {', '.join(via)}"
    return Quantity(name, "path effect", c.name, words)


def _shares(g: _Given, c: LatentClass, own: list[str], seen: list[str], p: str) -> Quantities:
    logit, given = _contrast(g, c), g.joint(p, [p])
    mean = (given * logit).sum(p)
    within = average((given * logit**2).sum(p) - mean**2, g.data)
    between = average(mean**2, g.data) - average(mean, g.data) ** 2
    numbers = {("cluster", k) for k, e in enumerate(g.model.effects_at("cluster")) if e.name in own}
    residual = square({k: x for k, x in of_class(c, g.values, g.of_effects).items() if k in numbers})
    total = between + within + LOGISTIC_VARIANCE
    if seen:
        yield _share(c, seen), (between - residual) / total
    yield _share(c, [p]), within / total
    yield _share(c, own), residual / total
    yield _share(c), (between + within) / total
    size, gamma = average(given, g.data), g.gamma(c, p)
    alone = (size * gamma**2).sum(p) - (size * gamma).sum(p) ** 2
    yield _share(c, [p], "alone"), alone / total
    yield _share(c, own, beyond=p), (between + within - alone) / total


def _along_paths(g: _Given, c: LatentClass, own: list[str], p: str) -> Quantities:
    """Effects of an effect of the occasion before on the logits of C_t, per unit: by C_t-1, and by alpha_t."""
    (parent,) = [k for k in g.model.classes if k.name == p]
    grand = _beside(g.model, parent, g.made[f"class:{p}"])
    joint, given = g.joint(p, [*grand, p]), px.math.exp(g.made[f"class:{p}"])
    on_c, gamma = g.loadings(c), g.gamma(c, p)
    for e, loading in g.loadings(parent).items():
        regressed = {
            k.name: b
            for k in g.model.effects
            if k.name in own
            for t in filter(plain, k.mean)
            for q, b in by_effect(t, g.values)
            if q == e
        }
        if not regressed:
            continue
        moved = joint * (loading - (given * loading).sum(p))
        moved = moved.sum(tuple(grand)) if grand else moved
        by_class = (average(moved, g.data) * gamma).sum(p)
        each = [b * on_c[k] for k, b in regressed.items()]
        through = sum(each[1:], each[0])
        yield _path(c, e, [p]), by_class
        yield _path(c, e, [*regressed]), through
        yield _path(c, e), by_class + through
