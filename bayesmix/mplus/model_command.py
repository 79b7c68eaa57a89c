"""The MODEL commands of an input: each parameter as a statement, under its level and class."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from bayesmix.mplus.effect_places import between_name, residuals
from bayesmix.mplus.item_places import growing
from bayesmix.mplus.places import (
    Place,
    Words,
    fixed_value,
    grows,
    random_intercepts,
    refusal,
    sizes,
    variables,
)
from bayesmix.mplus.restrictions import Restrictions
from bayesmix.spec import Effect, Model, Response

WIDTH = 80
"""Of a line; Mplus cuts what goes beyond 90."""
LIMIT = 15.0
"""Mplus holds thresholds within these logits."""
LEFT_OF = {"Means": "[{}]", "Thresholds": "[{}]"}
Params = Mapping[str, Any] | None
"""Values of the parameters by name, dims in the order of the declaration; none of a model."""


def wrapped(text: str) -> list[str]:
    """Break a statement over lines."""
    return textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)


def model_commands(model: Model, words: Words, table: list[Place], held: Restrictions, values: Params) -> list[str]:
    """Compose the MODEL commands.

    What is stated for one class variable of several stands under ``MODEL C:``, for some of them under ``MODEL A.B:``,
    for all of them under ``MODEL`` itself.
    """
    parts: dict[tuple[str, str, str], list[str]] = {}
    own = [name for name, _ in variables(model, words).values()]
    home = "%WITHIN%" if model.two_level else ""

    def at(place: Place) -> tuple[str, str, str]:
        level = "%BETWEEN%" if place.between and model.two_level else home
        if not place.scope:
            return "MODEL", level, "%OVERALL%"
        names = [name for name, _ in place.scope]
        command = "MODEL" if len(names) == len(own) else f"MODEL {'.'.join(names)}"
        return command, level, f"%{'.'.join(f'{name}#{k + 1}' for name, k in place.scope)}%"

    for level in dict.fromkeys([home, *["%BETWEEN%"] * model.two_level]):
        parts["MODEL", level, "%OVERALL%"] = list(_structure(model, words, table, held, level, values))
    for place in (p for p in table if p.heading != "|"):
        plain = place.combination not in held.labels and place.combination not in held.fixed
        logits = "#" in place.variable and place.heading == "Means" and place.between
        if values is None and model.two_level and logits and plain:
            continue  # the means of class logits, free anyhow
        parts.setdefault(at(place), []).append(_statement(place, values, held, model, words))
    lines: list[str] = []
    for command in dict.fromkeys(key[0] for key in parts):
        lines.append(f"{command}:")
        for level in dict.fromkeys(key[1] for key in parts if key[0] == command):
            lines += [f"  {level}"] * bool(level)
            for key, statements in parts.items():
                if key[:2] == (command, level):
                    lines += [f"  {key[2]}"] * bool(own)
                    lines += [line for s in dict.fromkeys(statements) for line in wrapped(f"  {s}")]
    return lines


def _statement(place: Place, values: Params, held: Restrictions, model: Model, words: Words) -> str:
    """Write a parameter, with its value where there is one."""
    start = "*" if place.heading == "BY" else ""
    if values is not None and place.combination:
        m = place.value(values)
        bound = LIMIT if place.heading == "Thresholds" else 1e6
        start = f"*{np.clip(m, -bound, bound):.5f}" if np.isfinite(m) else start
    known = [_fixed_at(model, words, name, at) for _, (name, at) in place.combination]
    if not place.combination:
        start = f"@{place.value({}):g}"
    elif None not in known and place.joint is None:
        theta = sum(a * x for (a, _), x in zip(place.combination, known, strict=True) if x is not None)
        start = f"@{place.form.of(theta):g}"
    if place.combination in held.fixed:
        start = f"@{held.fixed[place.combination] + 0.0:.12g}"
    label = f" ({held.labels[place.combination]})" if place.combination in held.labels and start[:1] != "@" else ""
    if place.heading in ("ON", "BY", "WITH"):
        return f"{place.outcome} {place.heading} {place.variable}{start}{label};"
    return LEFT_OF.get(place.heading, "{}").format(f"{place.variable}{start}") + f"{label};"


def _fixed_at(model: Model, words: Words, name: str, at: tuple[int, ...]) -> float | None:
    """The value of an entry that the declaration fixes."""
    p = next(p for p in model.parameters if p.name == name)
    return fixed_value(p, at, sizes(model, words))


# what has no parameter of ours --------------------------------------------------------------------


def _structure(
    model: Model, words: Words, table: list[Place], held: Restrictions, level: str, values: Params
) -> Iterator[str]:
    """List statements without parameters of ours: scales of factors, growth, what is free, what is zero."""
    between = level == "%BETWEEN%"
    for r in model.responses:
        if growing(model, r):
            yield from _growth(model, r, words, table, held, between, values)
    if between:
        varying = [words.names[y] for y in random_intercepts(model)]
        for k, y in enumerate(varying[1:], start=1):
            yield f"{y} WITH {' '.join(f'{x}@0' for x in varying[:k])};"
        yield from _random_logits(model, words, values)
        return
    for place in table:  # what classes have of their own must be there overall
        if place.scope and place.heading in ("ON", "BY", "WITH") and not place.between and "#" not in place.variable:
            yield f"{place.outcome} {place.heading} {place.variable}{'*' * (place.heading == 'BY')};"
    hidden = residuals(model, "individual")
    own = [e for e in model.effects_at("individual") if e.name not in hidden]
    for e in own:
        yield from _scale(e, words.names[e.name])
    for k, a in enumerate(own):
        for b in own[:k]:
            yield f"{words.names[a.name]} WITH {words.names[b.name]}{'' if a.standard and _joined(a) else '@0'};"
    yield from _independent(model, words)


def _scale(e: Effect, name: str) -> Iterator[str]:
    """Fix the variance of a factor at 1 and its mean at 0, where these are no parameters."""
    if e.sd is None:
        yield f"{name}@1;"
    if not any(not t.effects and not t.covariates for t in e.mean):
        yield f"[{name}@0];"


def _random_logits(model: Model, words: Words, values: Params) -> Iterator[str]:
    """Free the covariance matrix of random class logits, or scale their factor."""
    for c in model.classes_at("individual"):
        name = words.names[c.name]
        for t in (t for t in c.terms if t.effects):
            if len(t.effects) == 1 and c.size > 2:
                yield f"{words.names[t.effects[0]]}@1;"
            elif len(t.effects) > 1:
                yield from _covariances(name, c.size - 1, None if values is None else values[t.parameter.name].values)


def _covariances(name: str, n: int, loadings: np.ndarray | None) -> list[str]:
    """Free the covariance matrix of `n` random class logits, which is L'L of their loadings (effect, class)."""
    starts = np.full((n, n), "", dtype=object)
    if loadings is not None:
        starts = np.vectorize(lambda x: f"*{x:.5f}", otypes=[object])((loadings.T @ loadings)[:n, :n])
    out = [f"{name}#{k + 1}{starts[k, k]};" for k in range(n)]
    return out + [f"{name}#{k + 1} WITH {name}#{j + 1}{starts[k, j]};" for k in range(n) for j in range(k)]


def _independent(model: Model, words: Words) -> Iterator[str]:
    """Fix at zero the residual covariances of normal items that the model does not have."""
    normal = [words.names[i] for r in model.responses if r.family.name == "normal" for i in r.items]
    free = {frozenset(words.names[r.items[k]] for k in pair) for r in model.responses for pair in r.pair_places}
    for k, b in enumerate(normal):
        if zero := [a for a in normal[:k] if frozenset((a, b)) not in free]:
            yield f"{b} WITH {' '.join(f'{a}@0' for a in zero)};"


def _joined(effect: Effect) -> bool:
    """Whether the residual of a factor is regressed on those of others: they are correlated."""
    return any(t.effects for t in effect.mean)


# growth -------------------------------------------------------------------------------------------


def _growth(
    model: Model, r: Response, words: Words, table: list[Place], held: Restrictions, between: bool, values: Params
) -> Iterator[str]:
    """The line of growth factors, ``I S | Y1@0 Y2@1 Y3*2;``, what does not vary, and outcomes without a mean."""
    t = next(t for t in r.predictor if grows(model, t.effects))
    level = "cluster" if between else "individual"
    names = {f: words.names[between_name(f) if between else f] for f in t.effects}
    items = [words.names[i] for i in r.items]
    free = {p.variable: p for p in table if p.heading == "|"}
    if free and model.two_level:
        raise refusal("free times beside clusters", "the two levels would have times of their own")
    if any(p.combination in held.labels for p in free.values()):
        raise refusal("an equation of free times", "fixed values of them can be said")
    fixed = {f.positions: f.value for f in t.parameter.fixed}
    at = 1 if len(t.effects) > 1 else 0
    scores = []
    for k, item in enumerate(items):
        score = fixed.get((("growth", at), ("item", k)))
        if place := free.get(item):
            start = "" if values is None else f"{place.value(values):.5f}"
            score = held.fixed.get(place.combination, score)
            scores.append(f"{item}*{start}" if score is None else f"{item}@{score:g}")
        else:
            scores.append(f"{item}@{score:g}")
    yield f"{' '.join(names.values())} | {' '.join(scores)};"
    varying = {f for u, f in residuals(model, level).items()}
    order = [e.name for e in model.sums if e.name in names]
    for i, f in enumerate(order):
        if f not in varying:
            yield f"{names[f]}@0;"
        for g in order[:i]:
            if not _covary(model, f, g, level):
                yield f"{names[f]} WITH {names[g]}@0;"
    if between and any(t.effects for c in model.classes_at("individual") for t in c.terms):
        logits = [f"{words.names[c.name]}#{k + 1}" for c in model.classes_at("individual") for k in range(c.size - 1)]
        yield from (f"{names[f]} WITH {c}@0;" for f in order if f in varying for c in logits)
    if not r.family.finite and between == model.two_level:
        yield f"[{' '.join(f'{i}@0' for i in items)}];"
    if between and r.family.gaussian:
        yield " ".join(f"{i}@0" for i in items) + ";"


def _covary(model: Model, a: str, b: str, level: str) -> bool:
    """Whether the residuals of two growth factors are correlated."""
    own = {f: u for u, f in residuals(model, level).items()}
    by_name = {e.name: e for e in model.effects}
    return a in own and b in own and any(own[b] in t.effects for t in by_name[own[a]].mean)


def needs_integration(model: Model) -> bool:
    """Whether the likelihood of a model has no closed form: factors, and random parts beside normal growth."""
    effects = [e for e in model.effects if e.residual]
    effects = [e for e in effects if not (e.level == "cluster" and model.is_regression and not model.classes)]
    hidden: Sequence[str] = list(residuals(model, "individual"))
    normal = all(r.family.gaussian for r in model.responses if growing(model, r))
    return any(not (normal and e.name in hidden) for e in effects)
