"""Class labels: which class dims move together, how a solution is permuted, how labels are matched.

The likelihood is the same for every order of the classes. Permuting means permuting every parameter
along the class dims and putting the reference class of the logits back to zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from bayesmix.spec.constraints import name_of, parts_of
from bayesmix.spec.factor_scales import fix_factor_signs, rescale_factors_to_class, rescaled
from bayesmix.spec.linear_systems import unchanged
from bayesmix.spec.model import GROUP, Effect, Model, Term, terms
from bayesmix.spec.parameters import Parameter
from bayesmix.typing import Array


def groups(model: Model) -> list[tuple[str, ...]]:
    """Class dims that must be permuted together: :func:`sharing`.

    None of classes that fixed values tell apart, or of two of which the last stays.
    """
    told = {c.name for c in model.classes if c.name in _with_stayers(model) and c.size == 2}
    out = sharing(model)
    return [tuple(sorted(g)) for g in out if not (g & told or any(_told_apart(p, g) for p in model.parameters))]


def sharing(model: Model) -> list[set[str]]:
    """Class dims that share parameters, such as the measurement of an LTA's occasions, and those that stand alone.

    The dim under which a shared parameter is declared is in the group too.
    """
    out: list[set[str]] = [{c.name} for c in model.classes]
    names = {c.name for c in model.classes}
    for t in terms(model):
        for shared, here in t.rename:
            if here in names:
                joined = {shared, here}.union(*(g for g in out if g & {shared, here}))
                out = [g for g in out if not g & joined] + [joined]
    return out


def _with_stayers(model: Model) -> set[str]:
    """The class variables in whose last class others stay."""
    return {c.stays[1] for c in model.classes if c.stays}


def _told_apart(p: Parameter, group: set[str]) -> bool:
    """Whether fixed entries say which class is which: more than a reference for logits, or for a factor's scale."""
    named = [(f.value, k, len(f.positions)) for f in p.fixed for d, k in f.positions if d in group]
    return any(
        k != -1 or value not in (0.0, 1.0) or (value == 1.0 and not p.domain.is_effect_sd) for value, k, _ in named
    )


def exchangeable(model: Model, dims: tuple[str, ...]) -> NDArray[np.int64]:
    """Number the classes of `dims`, one of :func:`groups`: those with the same number may change places.

    All of them, but for those that units are known to be in, a last class of those who stay, and what constraints tell
    apart: two classes may change places where every constraint is one again, as with slopes that are equal in all
    classes, or zero in all but the reference.
    """
    out = _by_constraints(model, dims)
    for k in {k for name, some in model.anchored if name in dims for k in some}:
        out[k] = len(out) + k
    return out


def _by_constraints(model: Model, dims: tuple[str, ...]) -> NDArray[np.int64]:
    """The numbers of :func:`exchangeable` where no unit is known to be in a class."""
    size = next(c.size for c in model.classes if c.name in dims)
    touched = [p for p in model.parameters if p.name in model.constraints.parameters and {*p.dims} & {*dims}]
    last_stays = bool({*dims} & _with_stayers(model)) or _on_scale_of_last(model, dims)
    if not touched and not last_stays:
        return np.zeros(size, dtype=np.int64)
    out = np.arange(size)
    if any(p.domain.is_triangular or p.domain.is_identity or p.domain.is_effect_sd for p in touched):
        return out  # effects come with these classes: another order makes other effects
    for a in range(size):
        for b in range(0 if last_stays and a == size - 1 else a):
            if out[a] != out[b] and _unmoved(model, touched, dims, (a, b)):
                out[out == out[a]] = out[b]
    return out


def _on_scale_of_last(model: Model, dims: tuple[str, ...]) -> bool:
    """Whether constraints are of parameters whose numbers are other ones with another class last.

    The loadings and intercepts of a factor whose mean and SD are 0 and 1 there, that mean and SD, its regressions.
    """
    return any(name in model.constraints.parameters for name in rescaled(model, dims))


def _unmoved(model: Model, touched: Sequence[Parameter], dims: tuple[str, ...], pair: tuple[int, int]) -> bool:
    """Whether the constraints say the same with the classes of a `pair` in each other's place.

    They do where those of the model in the other order are linear combinations of those that there are. With another
    class last, logits are those against that one.
    """
    size = next(c.size for c in model.classes if c.name in dims)
    names, last = {str(k + 1): str(other + 1) for k, other in (pair, pair[::-1])}, str(size)
    by_name = {p.name: p for p in touched}

    def at(p: Parameter, parts: Sequence[str]) -> dict[str, float]:
        """Give the entry; nothing of a reference, which is zero."""
        zero = any(parts[p.dims.index(d)] == last for d in _references(p, dims))
        return {} if zero else {f"{p.name}[{', '.join(parts)}]": 1.0}

    def here(label: str) -> dict[str, float]:
        p = by_name.get(name_of(label))
        return {label: 1.0} if p is None else at(p, parts_of(label))

    def there(label: str) -> dict[str, float]:
        p = by_name.get(name_of(label))
        if p is None:
            return {label: 1.0}
        parts = [names.get(k, k) if d in dims else k for d, k in zip(p.dims, parts_of(label), strict=False)]
        out = at(p, parts)
        for d in _references(p, dims):
            base = list(parts)
            base[p.dims.index(d)] = names.get(last, last)
            out = {k: out.get(k, 0.0) - at(p, base).get(k, 0.0) for k in (*out, *at(p, base))}
        return out

    equations = model.constraints.equations
    known = [moved for e in equations if (moved := e.of(here)).terms]
    return unchanged(known, [e.of(there) for e in equations])


def _references(p: Parameter, dims: tuple[str, ...]) -> list[str]:
    """The dims among `dims` along which the last entry of `p` is zero: logits against a reference."""
    return [d for f in p.fixed if len(f.positions) == 1 and f.value == 0.0 for d, _ in f.positions if d in dims]


def common(model: Model, name: str) -> list[str]:
    """Names under which parameters that several occasions share know a class variable."""
    return list(dict.fromkeys(shared for t in terms(model) for shared, here in t.rename if here == name))


def permute(model: Model, values: Mapping[str, Array], dims: tuple[str, ...], order: NDArray) -> dict[str, Array]:
    """Parameters with the classes of `dims` in another order: new class k is old class order[k].

    Parameters
    ----------
    values : mapping of str to array
        Natural values; further leading axes (chain, draw) are carried along.
    dims : tuple of str
        One of :func:`groups`.
    order : array of int
        A permutation.

    Returns
    -------
    dict of str to array
    """
    out = {}
    values = rescale_factors_to_class(model, values, dims, int(order[-1]))
    for p in model.parameters:
        x = np.asarray(values[p.name])
        for axis, dim in enumerate(p.dims, start=-len(p.dims)):
            if dim in dims:
                x = np.take(x, order, axis=axis)
        out[p.name] = x
    out |= _with_main_effects(model, out, dims)
    for p in model.parameters:
        x = out[p.name]
        for fixed in p.fixed:
            for dim, position in fixed.positions:
                if dim in dims and fixed.value == 0.0 and len(fixed.positions) == 1:
                    axis = p.dims.index(dim) - len(p.dims)
                    x = x - np.take(x, [position], axis=axis)
        out[p.name] = p.domain.canonical(x) if set(p.dims) & set(dims) else x
    return _with_effects(model, out, dims)


def _with_main_effects(model: Model, values: Mapping[str, Array], dims: tuple[str, ...]) -> dict[str, Array]:
    """Main effects of earlier classes on the logits of a class, against another reference among these classes.

    With nu_cd + delta_c'd and delta_K'd = 0, what delta has at the new reference goes into nu.
    """
    out = dict(values)
    for c in model.classes:
        plain = [t for t in c.predictor if not (t.covariates or t.effects)]
        for t in plain:
            for before in [d for d in _references(t.parameter, dims) if d != c.name and not t.rename]:
                rest = [d for d in t.parameter.dims if d != before]
                wide = [s for s in plain if s is not t and {*rest} <= {*s.parameter.dims}]
                if not wide:
                    continue
                axis, p = t.parameter.dims.index(before) - len(t.parameter.dims), wide[0].parameter
                at = np.take(out[t.parameter.name], -1, axis=axis)
                lead = at.ndim - len(rest)
                at = at.transpose([*range(lead), *(lead + rest.index(d) for d in p.dims if d in rest)])
                more = tuple(k - len(p.dims) for k, d in enumerate(p.dims) if d not in rest)
                out[p.name] = out[p.name] + np.expand_dims(at, more)
                out[t.parameter.name] = out[t.parameter.name] - np.take(out[t.parameter.name], [-1], axis=axis)
    return out


def _with_effects(model: Model, values: dict[str, Array], dims: tuple[str, ...]) -> dict[str, Array]:
    """The same with effects that classes load on by an identity: each is the random logit of a class, (10), (15).

    In another order of the classes these are other logits, A alpha, with the same structure.
    """
    effects = [e for e in model.effects if e.sd is not None and e.column is None]
    names = [e.name for e in effects]
    turn: Array | None = None
    for c in (c for c in model.classes if c.name in dims):
        for t in (t for t in c.predictor if t.effects and t.parameter.domain.is_identity):
            x = values[t.parameter.name]
            n = len(t.effects)
            square = np.swapaxes(x[..., :n], -1, -2)
            turn = np.zeros((*x.shape[:-2], len(names), len(names))) + np.eye(len(names)) if turn is None else turn
            at = [names.index(e) for e in t.effects]
            turn[..., np.ix_(at, at)[0], np.ix_(at, at)[1]] = square
            values[t.parameter.name] = np.linalg.solve(np.swapaxes(square, -1, -2), x)
    return values if turn is None else values | _turned(effects, values, turn)


def _turned(effects: Sequence[Effect], values: Mapping[str, Array], turn: Array) -> dict[str, Array]:
    """Means and SDs of the effects A alpha, each regressed on the effects that it is declared to depend on."""
    lead, n, out = turn.shape[:-2], len(effects), {}
    names = [e.name for e in effects]
    paths, sds = np.zeros((*lead, n, n)), np.zeros((*lead, n))
    slopes: dict[str, Array] = {}
    for k, e in enumerate(effects):
        sds[..., k] = values[cast(Term, e.sd).parameter.name]
        for t in e.mean:
            x = np.asarray(values[t.parameter.name])
            x = x if t.parameter.dims else x[..., None]
            if t.effects:
                paths[..., k, [names.index(q) for q in t.effects]] = x
            elif t.covariates:
                slopes.setdefault(t.covariates.name, np.zeros((*lead, n, x.shape[-1])))[..., k, :] = x
    reduced = turn @ np.linalg.inv(np.eye(n) - paths)
    root = reduced * sds[..., None, :]
    covariance = root @ np.swapaxes(root, -1, -2)
    moved = {name: reduced @ x for name, x in slopes.items()}
    for k, e in enumerate(effects):
        on = [names.index(q) for t in e.mean if t.covariates is None for q in t.effects]
        b = covariance[..., k, on][..., None, :] @ np.linalg.pinv(covariance[..., on, :][..., :, on], hermitian=True)
        left = covariance[..., k, k] - (b @ covariance[..., on, k][..., None])[..., 0, 0]
        out[cast(Term, e.sd).parameter.name] = np.maximum(np.sqrt(np.maximum(left, 0.0)), 1e-12)
        for t in e.mean:
            if t.effects:
                values_of = b[..., 0, [on.index(names.index(q)) for q in t.effects]]
                out[t.parameter.name] = values_of if t.parameter.dims else values_of[..., 0]
            elif t.covariates:
                x = moved[t.covariates.name]
                out[t.parameter.name] = x[..., k, :] - (b @ x[..., on, :])[..., 0, :]
    return out


def profiles(model: Model, values: Mapping[str, Array], dims: tuple[str, ...]) -> Array | None:
    """What tells classes apart: response parameters that depend on the class, (..., class, feature), as far as given.

    Where responses do not depend on it (classes of clusters), the logits of other classes that do. None
    where nothing does.
    """
    of_responses = _of_responses(model)
    of_others = {t.parameter.name for c in model.classes if c.name not in dims for t in c.predictor}
    for used in (of_responses, of_others):
        named = [p for p in model.parameters if p.name in used and p.name in values]
        if columns := [c for p in named for c in _columns(p, values, dims)]:
            return np.concatenate(columns, axis=-1)
    return None


def _measured(model: Model, dims: tuple[str, ...]) -> bool:
    """Whether responses depend on the class: such classes are put in order first, others by them."""
    of_responses = _of_responses(model)
    return any(p.name in of_responses and set(p.dims) & set(dims) for p in model.parameters)


def _of_responses(model: Model) -> set[str]:
    """Parameters of responses, and of the sums of effects that they load on: means of growth factors."""
    parts = (*model.responses, *model.sums)
    return {t.parameter.name for part in parts for t in part.terms}


def _columns(p: Parameter, values: Mapping[str, Array], dims: tuple[str, ...]) -> list[Array]:
    hit = [d for d in p.dims if d in dims]
    if len(hit) != 1:
        return []
    x = np.asarray(values[p.name])
    lead = x.ndim - len(p.dims)
    x = np.moveaxis(x, p.dims.index(hit[0]) + lead, lead)
    return [_squash(p.domain.comparable(x.reshape(*x.shape[: lead + 1], -1)))]


def _squash(x: Array) -> Array:
    """Take the signed logarithm of 1 + |x|: a difference far out counts little in the cost of matching classes."""
    return np.sign(x) * np.log1p(np.abs(x))


def match(draws: Array, pivot: Array, alike: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """For each draw the order of its classes that is nearest to the pivot (linear assignment).

    Parameters
    ----------
    draws : array (draw, class, feature)
    pivot : array (class, feature)
    alike : array of int (class,), optional
        As of :func:`exchangeable`: classes with other numbers keep their places.

    Returns
    -------
    array of int (draw, class)
        ``draws[s][result[s]]`` has the pivot's labels.
    """
    cost = costs(draws, pivot)
    if alike is not None and (alike != alike[0]).any():
        cost = np.where(alike[:, None] == alike, cost, 1e6 * (1 + np.abs(cost).max(initial=0.0)))
    return np.stack([linear_sum_assignment(c)[1] for c in cost])


def costs(draws: Array, pivot: Array) -> Array:
    """Squared distances of the classes of each draw from those of the pivot: (draw, class of the pivot, class)."""
    between = np.sqrt((pivot.std(axis=0) ** 2).mean())  # one draw: features that hardly differ decide nothing
    scale = np.maximum(draws.std(axis=(0, 1)), between) + 1e-6
    return (((draws[:, None, :, :] - pivot[None, :, None, :]) / scale) ** 2).sum(-1)


def relabel(
    model: Model, values: Mapping[str, Array], pivot: Mapping[str, Array]
) -> tuple[dict[str, Array], dict[tuple[str, ...], NDArray[np.int64]]]:
    """Every draw's classes in the order of the pivot's, by linear assignment; and the orders by class dims.

    Parameters
    ----------
    values : mapping of str to array
        Natural parameters with leading axes, such as chain and draw.
    pivot : mapping of str to array
        The parameters whose labels are wanted; some of them will do.
    """
    out, orders = fix_factor_signs(model, values, pivot), {}
    for dims in sorted(groups(model), key=lambda dims: not _measured(model, dims)):
        profile, target = profiles(model, {k: out[k] for k in out if k in pivot}, dims), profiles(model, pivot, dims)
        if profile is None or target is None:
            continue
        if separable(model, dims):
            out, orders[dims] = _relabelled_in_groups(model, out, pivot, dims)
            continue
        out, orders[dims] = _matched(model, out, profile, target, dims)
    return fix_factor_signs(model, out, pivot), orders


def _matched(
    model: Model, values: Mapping[str, Array], profile: Array, target: Array, dims: tuple[str, ...]
) -> tuple[dict[str, Array], NDArray[np.int64]]:
    """Every draw's classes of `dims` in the order in which its profile is nearest to the target, and the orders."""
    lead = profile.shape[:-2]
    order = match(profile.reshape(-1, *profile.shape[len(lead) :]), target, exchangeable(model, dims))
    order = order.reshape(*lead, -1)
    out = {k: v.copy() for k, v in values.items()}
    for one in np.unique(order.reshape(-1, order.shape[-1]), axis=0):
        if (one == np.arange(len(one))).all():
            continue
        hit = (order == one).all(axis=-1)
        moved = permute(model, {k: v[hit] for k, v in values.items()}, dims, one)
        for k, v in out.items():
            v[hit] = moved[k]
    return out, order


# observed groups ----------------------------------------------------------------------------------


def separable(model: Model, dims: tuple[str, ...]) -> bool:
    """Whether nothing that depends on the classes of `dims`, one of :func:`groups`, is common to observed groups.

    The classes of each group may then be put in another order by themselves.
    """
    own = [p for p in model.parameters if {*p.dims} & {*dims}]
    tied = {p.name for p in own} & model.constraints.parameters
    return bool(own) and not tied and all(GROUP in p.dims and not p.alike for p in own)


def in_group(model: Model, values: Mapping[str, Array], k: int) -> dict[str, Array]:
    """Parameters of one observed group, over a dim of groups of length one; others as they are."""
    out = {n: np.asarray(x) for n, x in values.items()}
    for p in (p for p in model.parameters if GROUP in p.dims and p.name in values):
        out[p.name] = np.take(out[p.name], [k], axis=p.dims.index(GROUP) - len(p.dims))
    return out


def with_group(model: Model, values: Mapping[str, Array], part: Mapping[str, Array], k: int) -> dict[str, Array]:
    """Parameters with those of one observed group, as :func:`in_group` has them, put in."""
    out = {n: np.array(x) for n, x in values.items()}
    for p in (p for p in model.parameters if GROUP in p.dims and p.name in part):
        axis = p.dims.index(GROUP) - len(p.dims)
        at: tuple = (..., k, *[slice(None)] * (-axis - 1))
        out[p.name][at] = np.take(part[p.name], 0, axis=axis)
    return out


def n_groups(model: Model, values: Mapping[str, Array]) -> int:
    """How many observed groups there are, by the shape of parameters; one where none differs by group."""
    for p in (p for p in model.parameters if GROUP in p.dims and p.name in values):
        return np.shape(values[p.name])[p.dims.index(GROUP) - len(p.dims)]
    return 1


def permute_in_group(
    model: Model, values: Mapping[str, Array], dims: tuple[str, ...], order: NDArray, k: int
) -> dict[str, Array]:
    """:func:`permute` in one observed group, of classes that are :func:`separable`."""
    return with_group(model, values, permute(model, in_group(model, values, k), dims, order), k)


def _relabelled_in_groups(
    model: Model, values: Mapping[str, Array], pivot: Mapping[str, Array], dims: tuple[str, ...]
) -> tuple[dict[str, Array], NDArray[np.int64]]:
    """Every draw's classes in the order of the pivot's, in each group by itself; orders (..., group, class)."""
    out, orders = {k: np.asarray(x) for k, x in values.items()}, []
    for k in range(n_groups(model, values)):
        here, there = in_group(model, out, k), in_group(model, pivot, k)
        profile, target = profiles(model, {n: here[n] for n in here if n in pivot}, dims), profiles(model, there, dims)
        assert profile is not None
        assert target is not None
        moved, order = _matched(model, here, profile, target, dims)
        out = with_group(model, out, moved, k)
        orders.append(order)
    return out, np.stack(orders, axis=-2)


def align_groups(model: Model, values: Mapping[str, Array]) -> dict[str, Array]:
    """Parameters at one point with classes that are :func:`separable` in the order of the first group's in all others.

    By what tells them apart, as far as items are alike in two groups.
    """
    out = {k: np.asarray(x)[None] for k, x in values.items()}
    for dims in groups(model):
        if not separable(model, dims):
            continue
        target = profiles(model, {k: x[0] for k, x in in_group(model, out, 0).items()}, dims)
        for k in range(1, n_groups(model, out)):
            here = in_group(model, out, k)
            profile = profiles(model, here, dims)
            if profile is not None and target is not None:
                out = with_group(model, out, _matched(model, here, profile, target, dims)[0], k)
    return {k: x[0] for k, x in out.items()}
