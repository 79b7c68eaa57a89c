"""The path diagram of a regression: Figs 2-4 and 7 of the 2009 paper.

A filled circle is a random coefficient, at the box of the outcome the intercept; a broken arrow from a class to
an arrow says that this slope depends on the class.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from bayesmix.plots.dot import CLASS, EFFECT, Shown, arrow, node, number, quoted
from bayesmix.spec import RANDOM, Covariates, Model, Response, Term, parse_terms, plain

BOX, RESPONSE = "shape=box", "response"
FILLED, BEND = "shape=point, width=0.13", "shape=point, width=0.01"
NO_HEAD, BROKEN, DOT = "arrowhead=none", "style=dashed", "arrowhead=dot, arrowsize=0.8"
SAME = "arrowhead=none, color=gray60"
"""From a random coefficient between clusters to its filled circle within."""
BOTH = "dir=both, arrowsize=0.6, color=gray35"


@dataclass
class _Coefficient:
    """The intercept ("1") or a slope: what it depends on, and where its estimates are."""

    name: str
    by: list[str] = field(default_factory=list)
    effect: str | None = None
    between: list[tuple[Covariates, str]] = field(default_factory=list)
    at: tuple[str, dict[str, int]] | None = None

    @property
    def circle(self) -> str:
        """Its name between clusters; nothing where it is the same in all of them."""
        return f"between {self.name}" if self.effect or self.between else ""

    @property
    def said(self) -> str:
        return "intercept" if self.name == "1" else f"slope of\n{self.name}"


def is_simple_regression(model: Model) -> bool:
    """Tell whether `model` is a regression of one outcome, with no effects of individuals and no classes of items."""
    latent = model.classes_at("item") or model.effects_at("individual")
    return model.is_regression and len(model.items) == 1 and not latent


def statements(model: Model, shown: Shown) -> Iterator[str]:
    """Nodes, the levels in frames of their own, then arrows."""
    found = list(_coefficients(model).values())
    above, below = list(_above(model, found, shown)), list(_below(model, found, shown))
    for k, (title, some) in enumerate((("between", above), ("within", below))):
        if not model.two_level:
            yield from (f"  {line}" for line in some)
        elif some:
            yield f'  subgraph cluster_{k} {{ label="{title} {model.cluster}"; labeljust=l; color="gray60"; margin=14;'
            yield from (f"    {line}" for line in some)
            yield "  }"
    for c in found:
        yield from _of_coefficient(model, c, shown)
    yield from _of_classes(model, shown)
    yield from _correlations(model, found, shown)
    yield from _levels(model, found)


# what there is ------------------------------------------------------------------------------------


def _coefficients(model: Model) -> dict[str, _Coefficient]:
    r, classes = model.responses[0], {c.name for c in model.classes}
    out: dict[str, _Coefficient] = {}
    for t in (*r.predictor, *(a for a in r.auxiliary if r.threshold_dim in a.parameter.dims)):
        c, by = t.covariates, [d for d in t.parameter.dims if d in classes]
        if c is not None and c.offset:
            continue
        if t.effects:
            for k, e in zip(c.only or () if c else ("1",), t.effects, strict=False):
                out.setdefault(k, _Coefficient(k)).effect = e
        elif c is not None and (c.times or c.level == "cluster"):
            out.setdefault(c.times or "1", _Coefficient(c.times or "1")).between.append((c, t.parameter.name))
        else:
            for j, k in enumerate(_terms(c)):
                one = out.setdefault(k, _Coefficient(k))
                one.by, one.at = by, (t.parameter.name, {c.name: j} if c else {})
    return out


def _terms(c: Covariates | None) -> tuple[str, ...]:
    if c is None:
        return ("1",)
    return c.only or tuple(t for t in parse_terms(c.formula) if t != "1")


def _above(model: Model, found: list[_Coefficient], shown: Shown) -> Iterator[str]:
    """Random coefficients, effects of the class logits, classes and covariates of clusters."""
    own = [c.effect for c in found if c.effect]
    circles = {c.circle: (c.said, c.effect) for c in found if c.circle}
    circles |= {e.name: (e.name, e.name) for e in model.effects if e.name not in own}
    for name, (said, effect) in circles.items():
        yield node(name, EFFECT, "\n".join(filter(None, [said, _sd(shown, effect)])))
    if len(circles) > 1:
        yield f"{{ rank=same; {'; '.join(map(quoted, circles))} }}"
    for c in model.classes_at("cluster"):
        yield node(c.name, CLASS, "\n".join(filter(None, [c.name, shown.sizes(c.name)])))
    for formula in dict.fromkeys(c.formula for c in model.covariates if c.level == "cluster" or c.times):
        yield node(_box(formula), BOX, formula.replace(" + ", "\n"))
    yield from _listed(model, found, shown)


def _below(model: Model, found: list[_Coefficient], shown: Shown) -> Iterator[str]:
    """Covariates of individuals, the places where slopes vary, classes, the outcome."""
    of_classes = [k for c in model.classes for t in c.predictor if _within(t) for k in _terms(t.covariates)]
    for k in dict.fromkeys([*(c.name for c in found if c.name != "1"), *of_classes]):
        yield node(_box(k), BOX, k)
    for c in found:
        if c.name != "1" and (c.circle or c.by):
            yield f'{quoted(f"place {c.name}")} [{FILLED if c.circle else BEND}, label=""];'
    for c in model.classes_at("individual"):
        yield node(c.name, CLASS, "\n".join(filter(None, [c.name, shown.sizes(c.name)])))
    yield node(RESPONSE, BOX, "\n".join(filter(None, [model.items[0], _residual(model.responses[0], shown)])))


def _within(t: Term) -> bool:
    return t.covariates is not None and t.covariates.level == "individual"


def _box(name: str) -> str:
    return f"box {name}"


def _residual(r: Response, shown: Shown) -> str:
    """The residual SD or variance of a normal outcome."""
    out = []
    for t in (t for t in r.auxiliary if r.threshold_dim not in t.parameter.dims):
        said = t.parameter.name.replace("_", " ").replace("sd", "SD").replace(" slope", " on")
        estimate = shown.coefficient(t.parameter.name)
        of = f" {t.covariates.formula}" if t.covariates else ""
        out.append(f"{said}{of} {estimate}".strip() if estimate.count("\n") < 1 else f"{said}{of}\n{estimate}")
    return "\n".join(k for k in out if shown.estimates or " on " in k)


def _sd(shown: Shown, effect: str | None) -> str:
    """``SD 0.92 (0.27)``, given the covariates of clusters."""
    variances = shown.estimates.get("random_variance")
    if variances is None or effect is None or effect not in variances.value[RANDOM]:
        return ""
    variance = variances.map(lambda x: x.sel({RANDOM: effect}))
    if variance.value.size > 1:
        return ""
    sd, se = float(np.sqrt(variance.value)), float(variance.se)
    return f"SD {number(sd, se / (2 * sd) if sd > 0 else np.nan)}"


# arrows -------------------------------------------------------------------------------------------


def _of_coefficient(model: Model, c: _Coefficient, shown: Shown) -> Iterator[str]:
    """From the covariate to the outcome, from classes to the slope, from covariates of clusters to the coefficient."""
    label = shown.coefficient(*c.at) if c.at else ""
    place = f"place {c.name}"
    if c.name == "1":
        yield from (arrow(k, RESPONSE, label if k == c.by[-1] else "") for k in c.by)
        if c.circle:
            yield arrow(c.circle, RESPONSE, "", DOT)
    elif c.by or c.circle:
        yield arrow(_box(c.name), place, "", f"{NO_HEAD}, weight=4")
        yield arrow(place, RESPONSE, label, "weight=4")
        yield from (arrow(k, place, "", BROKEN) for k in c.by)
        if c.circle:
            yield arrow(c.circle, place, "", SAME)
    else:
        yield arrow(_box(c.name), RESPONSE, label)
    yield from (arrow(_box(w.formula), c.circle, shown.coefficient(name)) for w, name in c.between)


def _of_classes(model: Model, shown: Shown) -> Iterator[str]:
    """Into the classes, and from covariates to effects of their logits."""
    into = [(c.name, c.predictor) for c in model.classes]
    into += [(e.name, tuple(t for t in e.mean if t.covariates)) for e in model.effects]
    classes = {c.name for c in model.classes}
    for name, terms in into:
        for t in terms:
            yield from (arrow(d, name) for d in t.parameter.dims if d in classes and d != name)
            for k, e in enumerate(t.effects):
                yield arrow(e, name, shown.coefficient(t.parameter.name, {t.effect_dim: k}), DOT)
            if t.covariates and _within(t):
                for j, term in enumerate(_terms(t.covariates)):
                    yield arrow(_box(term), name, shown.coefficient(t.parameter.name, {t.covariates.name: j}))
            elif t.covariates:
                yield arrow(_box(t.covariates.formula), name, shown.coefficient(t.parameter.name))


def _correlated(model: Model) -> list[tuple[str, str]]:
    """Pairs of effects that are not declared to be independent."""
    above: dict[str, set[str]] = {}
    for e in model.effects:
        above[e.name] = {e.name}.union(*(above[p] for t in e.mean if plain(t) for p in t.effects))
    return [(a, b) for a, b in combinations(above, 2) if above[a] & above[b]]


def _listed(model: Model, found: list[_Coefficient], shown: Shown) -> Iterator[str]:
    """Correlations in words, where arrows would run through others."""
    if len(pairs := _correlated(model)) > 1:
        said = {c.effect: c.said.replace("\n", " ") for c in found if c.effect}
        lines = [f"{said.get(a, a)}, {said.get(b, b)}  {_correlation(shown, a, b)}".rstrip() for a, b in pairs]
        yield node("correlations", "shape=plaintext, fontsize=10", "\n".join(["correlated residuals:", *lines]))


def _correlations(model: Model, found: list[_Coefficient], shown: Shown) -> Iterator[str]:
    """The one correlation of random coefficients and effects as an arrow with two heads."""
    if len(pairs := _correlated(model)) == 1:
        circles = {e.name: e.name for e in model.effects} | {c.effect: c.circle for c in found if c.effect}
        yield from (arrow(circles[a], circles[b], _correlation(shown, a, b), BOTH) for a, b in pairs)


def _levels(model: Model, found: list[_Coefficient]) -> Iterator[str]:
    """Draw invisible edges that keep the between level above the within level."""
    own = [c.effect for c in found if c.effect]
    above = [*(c.circle for c in found if c.circle), *(e.name for e in model.effects if e.name not in own)]
    above += [c.name for c in model.classes_at("cluster")]
    slopes = [c.name for c in found if c.name != "1"]
    yield from (arrow(a, _box(k), "", "style=invis") for a in above for k in slopes)


def _correlation(shown: Shown, a: str, b: str) -> str:
    if "random_correlation" not in shown.estimates:
        return ""
    r = shown.estimates["random_correlation"].map(lambda x: x.sel({RANDOM: a, f"{RANDOM}_": b}))
    return "" if r.value.size > 1 or np.isnan(float(r.value)) else number(float(r.value), float(r.se))
