"""Where the logits of class variables stand: means, regressions on classes and covariates, random parts.

Of a class d that depends on a class c the mean is the logit in the last class of c, the slopes ``D#1 ON C#1`` are the
differences to it. On two of them, a and c, the slopes on c are stated for each class of a (``MODEL A: %A#1% D ON C;``),
and those on a are differences in the last class of c. Where somebody stays for certain the parameters are
probabilities instead of logits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np

from bayesmix.mplus.places import (
    VARIANCE,
    Combination,
    Entry,
    Index,
    Place,
    Words,
    columns,
    held,
    refusal,
    scopes,
    sizes,
    variables,
)
from bayesmix.spec import LatentClass, Model, Term


def of_class(model: Model, c: LatentClass, words: Words) -> Iterator[Place]:
    """The parameters of a class variable."""
    for t in c.terms:
        if t.effects:
            yield from _random_logits(model, c, t, words)
        elif t.covariates:
            yield from _slopes(model, c, t, words)
        elif any(k.stays for k in model.classes):
            yield from _probabilities(model, c, t, words)
        else:
            yield from _logits(model, c, t, words)


def _parents(model: Model, c: LatentClass, t: Term, words: Words) -> list[str]:
    """The class variables that a term of a class depends on, in their order.

    Raises
    ------
    ValueError
        More than two, or two of which one is of clusters.
    """
    own = [d for d in variables(model, words) if d in t.dims and d != c.name]
    if len(own) > 2:
        raise refusal(f"logits of {c.name} for every combination of {', '.join(own)}", "those of pairs can be said")
    if len(own) == 2 and any(_level(model, d) == "cluster" for d in own):
        raise refusal(f"logits of {c.name} for every pair of {' and '.join(own)}, classes of clusters among them")
    return own


def _level(model: Model, name: str) -> str:
    return next((c.level for c in model.classes if c.name == name), "individual")


def _slopes(model: Model, c: LatentClass, t: Term, words: Words) -> Iterator[Place]:
    """Slopes of covariates, for each class that they depend on."""
    assert t.covariates
    parents = [d for d in variables(model, words) if d in t.dims and d != c.name]
    between = "cluster" in (c.level, t.covariates.level, *(_level(model, d) for d in parents))
    name = words.names[c.name]
    for j, x in enumerate(columns(t)):
        for at, scope in scopes(model, words, t):
            if at[c.name] < c.size - 1:
                entry = Index(t)(**{t.covariates.name: j}, **at)
                rest = tuple(s for s in scope if s[0] != name)
                yield Place("ON", f"{name}#{at[c.name] + 1}", words.names[x], ((1.0, entry),), rest, between)


def _logits(model: Model, c: LatentClass, t: Term, words: Words) -> Iterator[Place]:
    """Means, and regressions on one class variable or on two.

    Where the last class of another is the reference (main effects), its logits are no parameters.
    """
    known, name, here = variables(model, words), words.names[c.name], Index(t)
    parents, n = _parents(model, c, t, words), sizes(model, words)
    between = c.level == "cluster" or any(_level(model, d) == "cluster" for d in parents)
    random = between or model.two_level  # means are those of random logits

    def less(at: Mapping[str, int], base: Mapping[str, int] | None) -> Combination:
        """The logit at some classes, less that at others, where that is a parameter."""
        first, other = here(**at), here(**base) if base else None
        if other is None or held(t, other, n) is not None:
            return ((1.0, first),)
        return ((1.0, first), (-1.0, other))

    for k in range(c.size - 1):
        last = {c.name: k, **{d: n[d] - 1 for d in parents}}
        outcome = f"{name}#{k + 1}"
        if held(t, here(**last), n) is None:
            yield Place("Means", "", outcome, less(last, None), (), random)
        for i, d in enumerate(parents):
            above = parents[:i]
            for classes in product(*(range(n[a]) for a in above)):
                base = {**last, **dict(zip(above, classes, strict=True))}
                scope = tuple((known[a][0], q) for a, q in zip(above, classes, strict=True))
                for p in range(n[d] - 1):
                    if held(t, here(**{**base, d: p}), n) is None:
                        yield Place("ON", outcome, f"{known[d][0]}#{p + 1}", less({**base, d: p}, base), scope, between)


def _probabilities(model: Model, c: LatentClass, t: Term, words: Words) -> Iterator[Place]:
    """Probabilities of classes given others; 1 of the class before, and 0 of the others, for those who stay."""
    known, name, here = variables(model, words), words.names[c.name], Index(t)
    parents, n = _parents(model, c, t, words), sizes(model, words)
    above = list(dict.fromkeys([*parents[:-1], *(c.stays[1:] if c.stays else ())]))
    if len(above) > 1:
        raise refusal(f"transitions to {c.name} that depend on {' and '.join(above)} beside stayers")
    for classes in product(*(range(n[d]) for d in (*above, *parents[-1:]))):
        at = dict(zip((*above, *parents[-1:]), classes, strict=True))
        scope = tuple((known[d][0], at[d]) for d in above)
        variable = f"{known[parents[-1]][0]}#{at[parents[-1]] + 1}" if parents else ""
        stays = bool(c.stays) and at[c.stays[1]] == n[c.stays[1]] - 1
        for k in range(c.size - 1):
            row = [here(**at, **{c.name: m}) for m in (k, *(m for m in range(c.size) if m != k))]
            combination = () if stays else tuple((1.0, e) for e in row)
            joint = _constant(float(at[c.stays[0]] == k)) if stays else _share(row)
            if parents:
                yield Place("ON", f"{name}#{k + 1}", variable, combination, scope, joint=joint)
            else:
                yield Place("Means", "", f"{name}#{k + 1}", combination, scope, joint=joint)


def _constant(x: float) -> Any:
    return lambda params: x


def _share(row: list[Entry]) -> Any:
    """The probability of the first of some logits."""

    def of(params: Mapping[str, Any]) -> float:
        logits = np.array([float(params[name].values[at]) for name, at in row])
        weights = np.exp(logits - logits.max())
        return float(weights[0] / weights.sum())

    return of


# random parts -------------------------------------------------------------------------------------


def _random_logits(model: Model, c: LatentClass, t: Term, words: Words) -> Iterator[Place]:
    """Loadings of class logits on factors of clusters; of unrestricted effects the variance where there is one.

    The random logit of the first of two classes has the class's own name in Mplus, its variance and its regressions.
    """
    if [d for d in variables(model, words) if d in t.dims and d != c.name]:
        raise refusal(
            f"the random effects of the logits of {c.name}", "those that do not depend on classes can be said"
        )
    own = [e for e in model.effects if e.name in t.effects]
    if any(e.level != "cluster" for e in own):
        raise refusal(f"factors of individuals in the logits of {c.name}")
    here, name = Index(t), words.names[c.name]
    if any(e.terms for e in own):
        if c.size > 2:
            raise refusal(
                f"the random effects of the logits of {c.name}", "of two classes at each occasion they can be"
            )
        return  # those of occasions: the effect itself has its places
    if len(t.effects) == 1 and c.size == 2:
        entry = here(**{c.name: 0, **({t.loading_dim: 0} if t.loading_dim else {})})
        yield Place("Variances", "", f"{name}#1", ((1.0, entry),), (), True, VARIANCE)
    elif len(t.effects) == 1:
        for k in range(c.size - 1):
            entry = here(**{c.name: k, **({t.loading_dim: 0} if t.loading_dim else {})})
            yield Place("BY", words.names[t.effects[0]], f"{name}#{k + 1}", ((1.0, entry),), (), True)


def random_logit(model: Model, effect: str, words: Words) -> str | None:
    """The Mplus name of the random logit that an effect of an occasion is: that of the first of two classes."""
    for c in model.classes:
        if c.size == 2 and any(effect in t.effects for t in c.terms) and c.level == "individual":
            return f"{words.names[c.name]}#1"
    return None
