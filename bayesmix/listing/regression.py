"""Sections of the listing of a regression, as tables of regressions are read: Table 1 of the 2009 paper."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import numpy as np
import xarray as xr

from bayesmix.layout import Section, Table, make_table, number, p_value, packed, percent
from bayesmix.listing.parameters import Rows, answers_of_clusters, class_label, row_of
from bayesmix.results import Estimates, Fit, entry
from bayesmix.spec import (
    RANDOM,
    SCALES,
    TINY,
    Effect,
    Kind,
    LatentClass,
    Model,
    Quantity,
    Response,
    Term,
    shown,
    two_sided,
)

Cells = tuple[str, ...]
Entry = tuple[xr.DataArray, tuple[int, ...], str]


def equations(fit: Fit) -> list[Section]:
    """The regression by class, random parts, then what predicts classes and factors."""
    rows, model = Rows(fit), fit.model
    out = [s for r in model.responses if r.level == "individual" for s in _outcomes(fit, r, rows)]
    out += answers_of_clusters(fit)
    out += [s for s in [_random(fit)] if s is not None]
    out += [_class(fit, c, rows) for c in model.classes]
    return [*out, *(s for e in model.effects if e.column is None for s in _effect(fit, e, rows))]


def outcome(model: Model) -> str:
    """``math on female + stud_ses``; of several outcomes one after another."""
    of_rows = [r for r in model.responses if r.level == "individual"]
    each = [(str(item), _formulas(r, k)[:1]) for r in of_rows for k, item in enumerate(r.items)]
    return "; ".join(" on ".join([item, *formula]) for item, formula in each)


def _formulas(r: Response, k: int) -> list[str]:
    """List the formulas of the regression of the outcome at place `k` of `r` on covariates of individuals."""
    found = [t.covariates for t in r.predictor if t.covariates and not t.effects and r.has(t, k)]
    return [c.formula for c in found if c.level == "individual" and c.times is None and not c.offset]


# the regression -----------------------------------------------------------------------------------


def _outcomes(fit: Fit, r: Response, rows: Rows) -> Iterator[Section]:
    """The regression of each outcome, then the residual covariances of pairs."""
    for k in range(len(r.items)):
        yield _outcome(fit, r, k, rows)
    if (t := r.auxiliary_term("covariance")) is None:
        return
    blocks: dict[str, list[Cells]] = {}
    for x, at, label in _free(fit, t, rows):
        pair = str(x[r.pair_dim].values[at[x.dims.index(r.pair_dim)]]).replace(", ", " with ")
        blocks.setdefault(_title(fit, x, at), []).append((pair, *rows.cells(label)))
    yield Section("Results: residual covariances of outcomes", _tables(blocks, rows.head))


def _outcome(fit: Fit, r: Response, k: int, rows: Rows) -> Section:
    """Coefficients by class, then what all classes share: slopes of cluster covariates, residual variance."""
    blocks: dict[str, list[Cells]] = {}
    for t in (t for t in r.terms if t is not r.auxiliary_term("covariance")):
        for x, at, label in _free(fit, t, rows):
            if r.item_dim in x.dims and at[x.dims.index(r.item_dim)] != k:
                continue
            word, cells = _word(fit, t, at, _predicted(r, t)), rows.cells(label)
            if t is r.auxiliary_term("sigma"):
                word, cells = " of ".join(["residual variance", *_cell(t, x, at)]), squared(label, rows)
            blocks.setdefault(_title(fit, x, at), []).append((word, *cells))
    return Section(f"Results: regression of {r.items[k]}", _tables(blocks, rows.head))


def _cell(t: Term, x: xr.DataArray, at: tuple[int, ...]) -> list[str]:
    """``time = 2``, of a parameter that has a value of its own there."""
    if t.covariates is None or not t.covariates.cells:
        return []
    dim = t.covariates.name
    return [f"{t.covariates.formula} = {x[dim].values[at[x.dims.index(dim)]]}"]


def _free(fit: Fit, t: Term, rows: Rows) -> Iterator[Entry]:
    """Entries that are estimated; the reference and what is fixed to be identified are not."""
    name = t.parameter.name
    x, free = fit.params[name], fit.free[name].values
    yield from ((x, at, label) for at, label in rows.entries(name) if free[at])


def _tables(blocks: Mapping[str, list[Cells]], head: Sequence[str]) -> list[Table]:
    """Classes apart, what they share last; columns of one width."""
    order = sorted(blocks, key=lambda b: b == "")
    rest = "All classes" if len(blocks) > 1 else ""
    wide = max((len(r[0]) for some in blocks.values() for r in some), default=0)
    return [make_table((" " * wide, *(h.rjust(8) for h in head)), blocks[b], title=b or rest) for b in order]


def _title(fit: Fit, x: xr.DataArray, at: tuple[int, ...]) -> str:
    """``Class C = 1 (58.2%)``."""
    label, dims = class_label(fit, x, at), fit.model.class_dims(x.dims)
    size = fit.probabilities.get(f"{dims[0]}_probability") if len(dims) == 1 else None
    if size is None or size.ndim != 1:
        return label
    return f"{label} ({percent(float(size.values[at[x.dims.index(dims[0])]]))})"


def _predicted(r: Response, t: Term) -> str:
    """Name what the covariates of `t`, a term of `r`, predict beside the outcome: a coefficient, or a variance."""
    if t.covariates is None or t.effects:
        return ""
    for some in (some for some in r.further_predictors if t in some):
        return some[0].parameter.name.replace("_", " ")
    return t.covariates.times or ("intercept" if t.covariates.level == "cluster" else "")


def _word(fit: Fit, t: Term, at: tuple[int, ...], predicted: str = "") -> str:
    """``female``; ``female on mean_ses``, with what is `predicted`; ``threshold 2``."""
    name = t.parameter.name
    x = fit.params[name]
    classes = fit.model.class_dims(x.dims)
    apart = {*classes, *(r.item_dim for r in fit.model.responses if r.of_outcomes)}
    inside = ", ".join(str(x[d].values[i]) for d, i in zip(x.dims, at, strict=True) if d not in apart)
    if t.covariates is None or t.effects:
        return f"{_plain_name(fit.model, t).replace('_', ' ')} {inside}".strip()
    return f"{predicted} on {inside}" if predicted else inside


def _plain_name(model: Model, t: Term) -> str:
    """The name of a parameter without what tells it from those of other outcomes."""
    name = t.parameter.name
    for r in (r for r in model.responses if r.of_outcomes and t in r.terms):
        name = re.sub(r"(_by(_(group|[CD]))+|_common)?(_\d+)?$", "", name.removesuffix(r.suffix))
    return name


def squared(label: str, rows: Rows) -> Cells:
    """A variance by the estimate of its SD."""
    s = row_of(rows.summary, label)
    return _cells(float(s["estimate"]) ** 2, 2 * float(s["estimate"]) * float(s["se"]), rows.fit.design_df)


def _cells(x: float, se: float, df: int | None = None) -> Cells:
    """Estimate, SE, ratio, p, of t with `df` degrees of freedom; without sampling variance it is at a boundary."""
    if not se > TINY * abs(x):
        return (number(x), "-", "-", "-", "-" if math.isnan(x) else "boundary")
    return (number(x), number(se), number(x / se), p_value(float(two_sided(x / se, df))), "")


# random parts -------------------------------------------------------------------------------------


def _random(fit: Fit) -> Section | None:
    """Variances, covariances and correlations of random coefficients; the residual intraclass correlation."""
    if not Estimates.of(fit).of_kind("variance"):
        return None
    body = [t for title, quantities in _matrices(fit).items() for t in _by_class(fit, title, quantities)]
    icc = bool(_intraclass(fit))
    note = [
        "Given the covariates of clusters. Intervals on the scale of SD, Fisher's z and logit intraclass\ncorrelation."
    ]
    if icc:
        note.append(
            "It is the random intercept's share in the variance of individuals of the same class at given\n"
            "covariates, where those with random slopes are zero."
        )
    behind = [t.parameter.name for e in fit.model.effects for t in e.terms if _behind(fit, e, t)]
    note.append(f"The parameters behind them, in fit.summary(): {packed(behind)}.")
    title = f"Random effects of clusters ({fit.model.cluster}): residual variances and covariances"
    return Section(title, [*body, "\n".join(note)])


def _behind(fit: Fit, e: Effect, t: Term) -> bool:
    """Whether a term of an effect is an SD, or a regression on other effects, whose covariances are shown."""
    return t.covariates is None and RANDOM in fit.derived.coords and bool(e.name in fit.derived[RANDOM])


HEAD = ("estimate", "SE", "est/SE", "p", "95% lower", "upper", "")


def _intraclass(fit: Fit) -> list[Quantity]:
    """Find the intraclass correlations of the outcomes."""
    return [q for r in fit.model.responses for q in Estimates.of(fit).of_kind("icc", of=r.name)]


def _matrices(fit: Fit) -> dict[str, list[Quantity]]:
    """Find the derived quantities by the title of their table."""
    kinds = {"Variances": "variance", "Covariances": "covariance matrix", "Correlations": "correlation matrix"}
    found = {title: Estimates.of(fit).of_kind(cast(Kind, kind), of="") for title, kind in kinds.items()}
    return {title: some for title, some in found.items() if some} | {
        "Residual intraclass correlation": _intraclass(fit)
    }


def _by_class(fit: Fit, title: str, quantities: Sequence[Quantity]) -> Iterator[Table]:
    """A table for each class on which the quantities depend."""
    blocks: dict[str, list[Cells]] = {}
    for q in quantities:
        for block, cells in _derived(fit, q):
            blocks.setdefault(block, []).append(cells)
    yield from (make_table((title, *HEAD), rows, title=block) for block, rows in blocks.items())


def _derived(fit: Fit, q: Quantity) -> Iterator[tuple[str, Cells]]:
    """A row an entry of a derived quantity, named by the effects: ``u_female with u_intercept``."""
    x, se = fit.derived[q.name], fit.derived_se[q.name].values
    ends, rows = SCALES[q.scale].interval(x.values, se, df=fit.t_df(q.name)), shown(q.kind, x.values)
    outcomes = {r.item_dim for r in fit.model.responses if r.of_outcomes}
    for at in (k for k in np.ndindex(x.shape) if rows[k]):
        cells = _cells(float(x.values[at]), float(se[at]), fit.design_df)
        interval = ("-", "-") if cells[1] == "-" else tuple(number(float(end[at])) for end in ends)
        effects = [str(x[d].values[i]) for d, i in zip(x.dims, at, strict=True) if d in (RANDOM, f"{RANDOM}_")]
        of = [str(x[d].values[i]) for d, i in zip(x.dims, at, strict=True) if d in outcomes]
        label = " with ".join(effects or of) or ", ".join([str(fit.model.items[0]), *_occasion(fit, x, at)])
        yield class_label(fit, x, at), (label, *cells[:4], *interval, cells[4])


def _occasion(fit: Fit, x: xr.DataArray, at: tuple[int, ...]) -> list[str]:
    """``time = 2``, of what depends on an occasion."""
    cells = {c.name: c.formula for c in fit.model.covariates if c.cells}
    return [f"{cells[str(d)]} = {x[d].values[i]}" for d, i in zip(x.dims, at, strict=True) if d in cells]


# classes and factors ------------------------------------------------------------------------------


def _class(fit: Fit, c: LatentClass, rows: Rows) -> Section:
    """Logits against the last class: intercept, covariates, effects."""
    blocks, fixed = {}, []
    for t in c.terms:
        for x, at, label in _free(fit, t, rows):
            word = _word(fit, t, at) if t.covariates else _effect_of(x, at, t)
            blocks.setdefault(class_label(fit, x, at), []).append((word, *rows.cells(label)))
        name = t.parameter.name
        x, free = fit.params[name], fit.free[name]
        fixed += [entry(name, x, tuple(at)) for at in np.argwhere((~free & (x == 1.0)).values)]
    last = fit.params[c.terms[0].parameter.name][c.name].values[-1]
    note = [f"Fixed at 1: {', '.join(fixed)}."] if fixed else []
    level = "" if c.level == "individual" else f" of {c.level}s"
    title = f"Results: class variable {c.name}{level}, logits against {c.name} = {last}"
    return Section(title, [*_tables(blocks, rows.head), *note])


def _effect_of(x: xr.DataArray, at: tuple[int, ...], t: Term) -> str:
    """The effect of a loading; ``intercept`` for a logit."""
    if not t.effects:
        return "intercept"
    dim = t.loading_dim
    return str(x[dim].values[at[x.dims.index(dim)]]) if dim else t.parameter.name


def _effect(fit: Fit, e: Effect, rows: Rows) -> Iterator[Section]:
    """The regression of an effect on covariates; its SD and regressions on others where no variances are shown."""
    shown = [
        (_word(fit, t, at) if t.covariates else label, *rows.cells(label))
        for t in e.terms
        if not _behind(fit, e, t)
        for _, at, label in _free(fit, t, rows)
    ]
    if shown:
        yield Section(f"Results: {e.level} level, effect {e.name}", _tables({"": shown}, rows.head))
