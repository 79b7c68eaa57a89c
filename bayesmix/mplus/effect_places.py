"""Where the parameters of effects stand: means, variances and covariates of factors, and what growth factors have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from bayesmix.mplus.class_places import random_logit
from bayesmix.mplus.places import (
    VARIANCE,
    Combination,
    Index,
    Place,
    Words,
    columns,
    outcome_of,
    refusal,
    scopes,
    sizes,
    variables,
)
from bayesmix.spec import Effect, Model, Term


def of_effect(model: Model, e: Effect, words: Words) -> Iterator[Place]:
    """The parameters of an effect."""
    if not e.residual:
        yield from _of_sum(model, e, words)
    elif e.name in residuals(model, "individual") or e.name in residuals(model, "cluster"):
        return  # covariances of growth factors are stated together
    elif e.level == "cluster" and (name := random_logit(model, e.name, words)):
        yield from _of_random_logit(model, e, name, words)
    else:
        for t in e.terms:
            yield from _of_factor(model, e, t, words)


# factors ------------------------------------------------------------------------------------------


def _of_factor(model: Model, e: Effect, t: Term, words: Words) -> Iterator[Place]:
    """Means and SDs of a factor by class or group, its covariates; the variance of a random intercept."""
    here, name = Index(t), words.names.get(e.name, "")
    if t is e.sd and e.level == "cluster" and not t.dims and model.is_regression:
        y = words.names[outcome_of(model, e.name)]
        yield Place("Variances", "", y, ((1.0, here()),), (), True, VARIANCE)
    elif t is e.sd and e.level == "individual":
        if len(model.factors) > 1 and e.standard:
            raise refusal(
                f"the parameter '{t.parameter.name}' of the effect '{e.name}'",
                "correlations that are equal where SDs are not: give correlated=False, or one factor",
            )
        for at, scope in scopes(model, words, t):
            yield Place("Variances", "", name, ((1.0, here(**at)),), scope, form=VARIANCE)
    elif t.covariates and not t.effects and e.level == "individual":
        for at, scope in scopes(model, words, t):
            for j, x in enumerate(columns(t)):
                yield Place("ON", name, words.names[x], ((1.0, here(**{t.covariates.name: j}, **at)),), scope)
    elif not t.effects and e.level == "individual":
        for at, scope in scopes(model, words, t):
            yield Place("Means", "", name, ((1.0, here(**at)),), scope)
    elif e.standard and t.effects and e.level == "individual":
        return  # the correlation of two factors: a WITH
    elif e.level == "cluster" and t.effects and any(r.of_outcomes for r in model.responses):
        raise refusal(
            "the covariances of random parts of several outcomes",
            "here they are regressions on each other; declare covariance='independent', and free 'WITH' by hand",
        )
    else:
        raise refusal(f"the parameter '{t.parameter.name}' of the effect '{e.name}'")


def _of_random_logit(model: Model, e: Effect, name: str, words: Words) -> Iterator[Place]:
    """The random logit of an occasion: its regressions on those before it and on covariates, and its variance."""
    for t in e.terms:
        here = Index(t)
        if t is e.sd:
            yield Place("Variances", "", name, ((1.0, here()),), (), True, VARIANCE)
        elif t.covariates:
            for j, x in enumerate(columns(t)):
                yield Place("ON", name, words.names[x], ((1.0, here(**{t.covariates.name: j})),), (), True)
        else:
            for j, other in enumerate(t.effects):
                entry = here(**({t.loading_dim: j} if t.loading_dim else {}))
                on = random_logit(model, other, words)
                if on is None:
                    raise refusal(f"the random logit {name} that depends on '{other}'", "give covariance='independent'")
                yield Place("ON", name, on, ((1.0, entry),), (), True)


# growth factors -----------------------------------------------------------------------------------


def residuals(model: Model, level: str) -> dict[str, str]:
    """The residuals of growth factors at a level: each with the name of its factor."""
    known = {e.name: e.level for e in model.effects}
    pairs = [(u, e.name) for e in model.sums for t in e.mean for u in t.effects]
    return {u: factor for u, factor in pairs if known[u] == level}


def between_name(name: str) -> str:
    """Under which name the between part of a growth factor stands in `Words.names`."""
    return f"v_{name}"


def _of_sum(model: Model, e: Effect, words: Words) -> Iterator[Place]:
    """Means and covariates of a growth factor; the means are of clusters where there are some."""
    name = words.names[e.name]
    for t in (t for t in e.mean if not t.effects):
        here = Index(t)
        for at, scope in scopes(model, words, t):
            if t.covariates is None:
                mean = words.names[between_name(e.name)] if model.two_level else name
                yield Place("Means", "", mean, ((1.0, here(**at)),), scope, model.two_level)
            else:
                for j, x in enumerate(columns(t)):
                    entry = here(**{t.covariates.name: j}, **at)
                    yield Place("ON", name, words.names[x], ((1.0, entry),), scope, t.covariates.level == "cluster")


def of_growth(model: Model, words: Words) -> Iterator[Place]:
    """Variances and covariances of growth factors, within classes and between clusters.

    Raises
    ------
    ValueError
        Correlations that are the same in classes where variances are not.
    """
    for level in ("individual", "cluster"):
        own = residuals(model, level)
        names = {u: words.names[f if level == "individual" else between_name(f)] for u, f in own.items()}
        effects = [e for e in model.effects if e.name in own]
        known = variables(model, words)
        for i, e in enumerate(effects):
            for j, other in enumerate(effects[: i + 1]):
                used = _made_of(effects[: i + 1], i != j)
                dims = [d for d in known if any(d in t.dims for t in used)]
                if e.standard and i == j and _by(e.sd, known) and not all(_by(t, known) for t in e.mean):
                    raise refusal(
                        "growth factors whose variances differ by class where their correlations do not",
                        "by_class='means + variances + covariances' can be said",
                    )
                alone = e.sd is not None and (e.standard or not e.mean) and i == j
                if i != j and not e.mean:
                    continue
                dims = [d for d in known if e.sd and d in e.sd.dims] if alone else dims
                for places in product(*(range(known[d][1]) for d in dims)):
                    at = dict(zip(dims, places, strict=True))
                    scope = tuple((known[d][0], k) for d, k in at.items())
                    if alone:
                        assert e.sd
                        entry = ((1.0, Index(e.sd)(**at)),)
                        yield Place("Variances", "", names[e.name], entry, scope, level == "cluster", VARIANCE)
                        continue
                    entries = _entries(model, words, used, at, j)
                    joint = _moment(model, e.name, other.name, at)
                    head = ("Variances", "", names[e.name]) if i == j else ("WITH", names[e.name], names[other.name])
                    yield Place(*head, entries, scope, level == "cluster", joint=joint)


def _by(t: Term | None, known: Mapping[str, Any]) -> bool:
    return t is not None and any(d in t.dims for d in known)


def _made_of(effects: Sequence[Effect], covariance: bool) -> list[Term]:
    """The terms that the variance of the last of some residuals follows from, or its covariances with others."""
    *before, last = effects
    own = [*last.mean, *([last.sd] if last.sd and (not covariance or last.standard) else [])]
    return [t for e in before for t in e.terms] + own


def _entries(model: Model, words: Words, used: Sequence[Term], at: Mapping[str, int], number: int) -> Combination:
    """The entries of terms in some classes; the weights tell covariances of one factor with several apart."""
    known, out = sizes(model, words), []
    for t in used:
        more = [d for d in t.dims if d not in known]
        for places in product(*(range(len(t.effects)) for _ in more)):
            out.append((1.0 + number, Index(t)(**at, **dict(zip(more, places, strict=True)))))
    return tuple(out)


def _moment(model: Model, a: str, b: str, at: Mapping[str, int]) -> Any:
    """The covariance of two residuals in some classes, as the graph has it."""

    def of(params: Mapping[str, Any]) -> float:
        from bayesmix.graph import of_effects

        parts = of_effects(model, params, {})
        found: Any = sum(x * parts[b][key] for key, x in parts[a].items() if key in parts[b])
        return float(found.isel({d: k for d, k in at.items() if d in getattr(found, "dims", ())}))

    return of
