"""The path diagram of a declared model, with estimates on its arrows: Figure 1 of the 2006 paper, of any model.

Graphviz draws it (pygraphviz brings it along).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import xarray as xr

from bayesmix.files import written
from bayesmix.plots.dot import CLASS, EFFECT, Shown, arrow, node, quoted
from bayesmix.plots.regression_diagram import is_simple_regression, statements
from bayesmix.results import Estimates, Fit
from bayesmix.spec import Covariates, LatentClass, Model, Predictor, Response, Term, check_model


@dataclass(frozen=True)
class Diagram:
    """A path diagram: shows itself in a notebook.

    Attributes
    ----------
    dot : str
        What Graphviz reads.

    Examples
    --------
    >>> bm.plots.diagram(model).dot[:7]
    'digraph'
    """

    dot: str

    def save(self, path: str | Path) -> Path:
        """Draw into a file; its ending says how: svg, pdf, png."""
        path = Path(path)
        if path.suffix.lower() not in (".svg", ".pdf", ".png", ".dot"):
            raise ValueError(f"The file came as '{path.name}': give a name that ends in .svg, .pdf, .png or .dot.")
        made = self.dot.encode() if path.suffix == ".dot" else self._drawn(path.suffix[1:].lower())
        with written(path) as aside:
            aside.write_bytes(made)
        return path

    def _drawn(self, kind: str) -> bytes:
        try:
            import pygraphviz
        except ImportError:
            raise ImportError(
                "Drawing a path diagram takes pygraphviz, which brings Graphviz along: pip install "
                "'bayesmix[diagram]'. Without it, .dot has what Graphviz reads."
            ) from None
        return cast(bytes, pygraphviz.AGraph(self.dot).draw(format=kind, prog="dot"))

    def _repr_svg_(self) -> str:
        return self._drawn("svg").decode()


def diagram(what: Model | Fit | xr.DataTree) -> Diagram:
    """Draw a model as a path diagram.

    Circles are latent (classes, random effects), boxes observed (items, covariates); what lives in
    clusters stands apart from what lives within them. Arrows are the terms of the predictors; correlated
    factors have broken ones with two heads, and items stand by the factors they load on.

    Parameters
    ----------
    what : Model, Fit or xarray.DataTree
        What a template returns; or a result, its fit or posterior: coefficients with standard errors
        (posterior means with SDs) then stand on the arrows that have no more than three, class sizes and
        SDs in the circles. Between two classes the arrow has gamma of (9), (13): a logit given the class
        before, less that given its last class.

    Returns
    -------
    Diagram

    Raises
    ------
    TypeError
        Neither a model nor a result.

    Examples
    --------
    >>> "a" in bm.plots.diagram(fit).dot
    True
    """
    if isinstance(what, (Fit, xr.DataTree)):
        estimates = Estimates.of(what)
        model, shown = estimates.model, Shown(estimates)
    else:
        check_model(what)
        model, shown = what, Shown({})
    lines = [
        'digraph model { rankdir=TB; newrank=true; nodesep=0.55; ranksep=0.75; fontname="Helvetica"; fontsize=11;',
        '  node [fontname="Helvetica", fontsize=11, margin="0.08,0.05"]; edge [fontname="Helvetica", fontsize=10];',
        *(statements(model, shown) if is_simple_regression(model) else (*_boxes(model, shown), *_arrows(model, shown))),
        "}",
    ]
    return Diagram("\n".join(lines) + "\n")


# nodes --------------------------------------------------------------------------------------------


def _boxes(model: Model, shown: Shown) -> Iterator[str]:
    """What there is, the levels of a two-level model in frames of their own."""
    above = [_effect(e, shown) for e in model.effects if e.level == "cluster"]
    above += [_class(c, shown) for c in model.classes if c.level == "cluster"]
    above += [_covariate(c) for c in model.covariates if c.level == "cluster"]
    below = [_effect(e, shown) for e in model.effects if e.level == "individual"]
    below += [_class(c, shown) for c in model.classes if c.level != "cluster" and c.size > 1]
    below += [_covariate(c) for c in model.covariates if c.level == "individual"]
    below += [_box(name, items) for r in model.responses for name, items, _ in _groups(model, r)]
    for k, (title, some) in enumerate((("between", above), ("within", below))):
        if not some:
            continue
        if model.two_level:
            yield f'  subgraph cluster_{k} {{ label="{title} {model.cluster}"; labeljust=l; color="gray60";'
        yield from (f"    {line}" for line in some)
        if model.two_level:
            yield "  }"
    if len(order := [c.name for c in model.occasions]) > 1:
        yield f"  {{ rank=same; {'; '.join(map(quoted, order))} }}"
    if len(same := [e.name for e in model.effects_at("individual") if e.standard]) > 1:
        yield f"  {{ rank=same; {'; '.join(map(quoted, same))} }}"
    if len(same := [e.name for e in model.effects_at("cluster")]) > 1:
        yield f"  {{ rank=same; {'; '.join(map(quoted, same))} }}"


def _class(c: LatentClass, shown: Shown) -> str:
    of = " of each response" if c.level == "item" else ""
    label = "\n".join(filter(None, [c.name + of, shown.sizes(c.name)]))
    return node(c.name, CLASS, label)


def _effect(e: Any, shown: Shown) -> str:
    sd = shown.coefficient(e.sd.parameter.name) if e.sd is not None else "1" if shown.estimates else ""
    label = e.name + (f"\nSD {sd}" if sd else "")
    return node(e.name, EFFECT, label)


def _covariate(c: Covariates) -> str:
    return node(c.key, "shape=box", " + ".join(c.only or (c.formula,)))


def _groups(model: Model, r: Response) -> list[tuple[str, list[str], tuple[str, ...]]]:
    """Nodes of a response: name, items, and the factors that they do not load on; one node for most models."""
    out: dict[tuple[str, ...], list[str]] = {}
    for k, item in enumerate(r.items):
        out.setdefault(tuple(e for t in r.predictor for e in _without(t, r, k)), []).append(str(item))
    several = len(out) > 1
    return [
        (f"response {r.name}{f' {k}' if several else ''}", items, (*none, *_unmoved(r, items)))
        for k, (none, items) in enumerate(out.items(), start=1)
    ]


def _unmoved(r: Response, items: list[str]) -> list[str]:
    """Covariates of which the slopes of all these items are fixed at zero."""
    here = [{r.item_dim: k} for k, item in enumerate(r.items) if str(item) in items]
    out = []
    for t in (t for t in r.predictor if t.covariates and not t.effects):
        zero = [dict(f.positions) for f in t.parameter.fixed if f.value == 0.0]
        out += [t.covariates.key] if t.covariates and all(at in zero for at in here) else []
    return out


def _without(t: Term, r: Response, k: int) -> list[str]:
    """Effects of a term whose loading of item `k` is fixed at zero."""
    zero = [dict(f.positions) for f in t.parameter.fixed if f.value == 0.0]
    return [e for j, e in enumerate(t.effects) if {t.effect_dim: j, r.item_dim: k} in zero]


def _box(name: str, items: list[str]) -> str:
    shown = items if len(items) <= 4 else [items[0], items[1], "...", items[-1]]
    label = "\n".join(shown) + (f"\n({len(items)} items)" if len(items) > 4 else "")
    return node(name, "shape=box", label)


# arrows -------------------------------------------------------------------------------------------


def _arrows(model: Model, shown: Shown) -> Iterator[str]:
    classes = [c.name for c in model.classes if c.size > 1]
    for e in model.effects:
        residual = [t for t in e.mean if e.standard and t.effects and _of_factors(model, t)]
        yield from _into(e.name, tuple(t for t in e.mean if t not in residual), classes, shown)
        yield from (_correlated(one, e.name, shown) for t in residual for one in t.effects)
    for c in model.classes:
        yield from _into(c.name, c.predictor, [k for k in classes if k != c.name], shown)
        if c.stays and not any(c.stays[1] in t.dims for t in c.predictor):
            yield arrow(c.stays[1], c.name, "stay")
    for r in model.responses:
        for name, _, none in _groups(model, r):
            terms = r.terms
            yield from _into(name, terms, classes, shown, numbers=False, none=none)


def _of_factors(model: Model, t: Term) -> bool:
    """Whether a term of a factor's mean is the regression of its residual on those of others."""
    return all(e.standard for e in model.effects if e.name in t.effects)


def _correlated(one: str, other: str, shown: Shown) -> str:
    looks = "dir=both, arrowtail=normal, constraint=false, style=dashed"
    return arrow(one, other, shown.coefficient(f"{one}_{other}_correlation"), looks)


def _into(
    to: str, terms: Predictor, classes: Sequence[str], shown: Shown, numbers: bool = True, none: tuple[str, ...] = ()
) -> Iterator[str]:
    """Arrows to a variable from the classes, effects and covariates in its terms, each once."""
    arrows: dict[str, str] = {}
    for t in terms:
        for d in t.dims:
            if d in classes:
                arrows.setdefault(d, shown.coefficient(f"{to}_on_{d}") if numbers else "")
        for k, e in ((k, e) for k, e in enumerate(t.effects) if e not in none):
            arrows[e] = shown.coefficient(t.parameter.name, {t.effect_dim: k}) if numbers else ""
        if t.covariates and not t.effects and t.covariates.key not in none:
            arrows[t.covariates.key] = shown.coefficient(t.parameter.name) if numbers else ""
    yield from (arrow(start, to, label) for start, label in arrows.items())
