"""Sections of the listing of models with factors: items as item response theory has them, and the factors.

Rich lays the tables out.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr

from bayesmix.layout import WIDTH, Section, make_table, number
from bayesmix.listing.parameters import Rows, class_label, class_names
from bayesmix.results import Estimates, Fit
from bayesmix.spec import SCALES, TINY, Effect, Model, Quantity, Response, Term

FAR_DIFFICULTY = 100.0
"""SDs of the factor beyond which a difficulty is only said to be far off."""


# items --------------------------------------------------------------------------------------------


def item_response(fit: Fit) -> list[Section]:
    """Discrimination a, difficulty b and guessing g of each item by class, with standard errors: (42), (49)-(50)."""
    tables = [table for r in fit.model.responses for table in _response(fit, r)]
    return [Section("Item response parameters", [*tables, _meaning(fit.model)])] if tables else []


def _response(fit: Fit, r: Response) -> Iterator[Any]:
    """A table for each class on which the parameters depend."""
    estimates = Estimates.of(fit)
    found = {"a": estimates.of_kind("discrimination", of=r.name), "b": estimates.of_kind("difficulty", of=r.name)}
    if not all(found.values()):
        return
    names = {k: q.name for k, (q,) in found.items()}
    columns = {k: (fit.derived[n], fit.derived_se[n]) for k, n in names.items()}
    if guessing := r.auxiliary_term("guessing"):
        name = guessing.parameter.name
        columns["g"] = fit.params[name], fit.se[name].where(fit.free[name])
    head = {"a": "discrimination a", "b": "difficulty b", "g": "guessing g"}
    b, on = columns["b"][0], _factor_of(fit, r)
    blocks: dict[str, list[tuple[str, ...]]] = {}
    for at in np.ndindex(b.shape):
        where = dict(zip(map(str, b.dims), at, strict=True))
        if not _exists(fit, b, r, where):
            continue
        label = _label(b, r, where, on)
        cells = [c for x, se in columns.values() for c in _cells(x, se, where)]
        blocks.setdefault(class_label(fit, b, at), []).append((*label, *cells))
    lead = ("item", *(["factor"] if on else []))
    heads = (*lead, *(h for k in columns for h in (head[k], "SE")))
    yield from (make_table(heads, rows, left=len(lead), title=title) for title, rows in blocks.items())


def _exists(fit: Fit, b: xr.DataArray, r: Response, where: Mapping[str, int]) -> bool:
    """Whether an item has this threshold."""
    if r.threshold_dim not in where:
        return True
    categories = Estimates.of(fit).categories.get(str(b[r.item_dim].values[where[r.item_dim]]))
    return categories is None or where[r.threshold_dim] < len(categories) - 1


def _label(b: xr.DataArray, r: Response, where: Mapping[str, int], on: Mapping[str, str]) -> tuple[str, ...]:
    """``A`` or ``A | 2``; the factor, where there are several."""
    name = str(b[r.item_dim].values[where[r.item_dim]])
    threshold = r.threshold_dim
    label = f"{name} | {b[threshold].values[where[threshold]]}" if threshold in where else name
    return (label, on[name]) if on else (label,)


def _factor_of(fit: Fit, r: Response) -> dict[str, str]:
    """The factor of each item; nothing where there is one factor."""
    loading = next((t for t in r.predictor if t.effects), None)
    if loading is None or (effect := loading.loading_dim) is None:
        return {}
    x, item = fit.params[loading.parameter.name], r.item_dim
    loads = (abs(x) > 0).any([d for d in x.dims if d not in (effect, item)]).transpose(item, effect)
    names = [str(k) for k in x[effect].values]
    return {str(i): names[int(np.argmax(row))] for i, row in zip(loads[item].values, loads.values, strict=True)}


def _cells(x: xr.DataArray, se: xr.DataArray, where: Mapping[str, int]) -> tuple[str, str]:
    """Estimate and standard error of the entry that has some of the positions; "-" without one."""
    at = {d: k for d, k in where.items() if d in x.dims}
    value, error = float(x.isel(at).values), float(se.isel(at).values)
    return _number(value), "-" if not error > TINY * abs(value) or abs(value) > FAR_DIFFICULTY else number(error)


def _number(x: float) -> str:
    """Three decimals, as in the tables of the field; what is far off is only said to be."""
    if abs(x) < TINY:
        return "0.000"
    return f"{'>' if x > 0 else '<'} {math.copysign(FAR_DIFFICULTY, x):.0f}" if abs(x) > FAR_DIFFICULTY else number(x)


def _meaning(model: Model) -> str:
    """What the parameters are."""
    families = [r.family for r in model.responses]
    words = {"logit": "logistic", "probit": "normal"}
    links = {getattr(f, "link", None) for f in families}
    distribution = " or ".join(word for link, word in words.items() if link in links)
    ordinal = any(f.ordered and hasattr(f, "link") for f in families)
    binary = any(f.difficulties and not f.ordered for f in families)
    guessed = any("guessing" in f.auxiliary for f in families)
    curves = [f"P(y = 1) = {'g + (1 - g) ' * guessed}F(a (f - b))"] * binary
    curves += ["P(answer above its k-th category) = F(a (f - b))"] * ordinal
    cumulative = f"{',\n'.join(curves)}, with f the factor and F the {distribution} distribution function;\n"
    steps = "P(category k + 1) / P(category k) = exp(a (f - b)), with f the factor and b that of step k;\n"
    several = any(f.name == "partial_credit" for f in families)
    b = " or ".join(["threshold / loading"] * (ordinal or several) + ["-intercept / loading"] * binary)
    return f"{cumulative if curves else ''}{steps if several else ''}a = loading, b = {b}."


# factors ------------------------------------------------------------------------------------------


def factors(fit: Fit) -> Section | None:
    """Means, SDs, regressions and correlations of the factors, their ICC, and what is fixed."""
    effects = fit.model.factors
    if not effects or fit.model.sums:
        return None
    rows, names = Rows(fit), [e.name for e in effects]
    parameters = [r for e in effects for r in _parameters(fit, e, rows)]
    further = [derived_row(fit, q, title) for q, title in _quantities(fit, names)]
    body: list[Any] = [make_table(("", *rows.head), parameters)] if parameters else []
    body += [make_table(("", "estimate", "SE", "95% lower", "upper", ""), further)] if further else []
    return Section(f"Factor{'s' if len(names) > 1 else ''} {', '.join(names)}", [*body, _fixed(fit, names)])


def _parameters(fit: Fit, factor: Effect, rows: Rows) -> Iterator[tuple[str, ...]]:
    """Mean, SD and regressions on covariates; correlated residuals have correlations instead."""
    names = [e.name for e in fit.model.factors]
    for t in factor.terms:
        if t.effects and all(e in names for e in t.effects):
            continue
        for at, label in rows.entries(t.parameter.name):
            yield (_word(fit, factor, t, at), *rows.cells(label))


def _word(fit: Fit, factor: Effect, t: Term, at: tuple[int, ...]) -> str:
    """``f on age``; ``mean of f, C = 1``; ``SD of f between schools``."""
    x = fit.params[t.parameter.name]
    klass = class_names(fit, x, at)
    if t.covariates:
        columns = t.covariates.name
        word = f"{factor.name} on {x[columns].values[at[x.dims.index(columns)]]}"
    elif t.effects:
        word = f"SD of {factor.name} between clusters"
    else:
        word = f"{'SD' if t is factor.sd else 'mean'} of {factor.name}"
    return ", ".join(filter(None, [word, klass]))


def _quantities(fit: Fit, names: list[str]) -> Iterator[tuple[Quantity, str]]:
    """Derived quantities, and words for them."""
    estimates = Estimates.of(fit)
    for q in (q for q in estimates.of_kind("correlation") if q.of in names):
        yield q, f"correlation of {q.of} and {q.part}"
    for q in (q for name in names for q in estimates.of_kind("icc", of=name)):
        yield q, f"intraclass correlation of {q.of}"


def derived_row(fit: Fit, q: Quantity, title: str) -> tuple[str, ...]:
    """A quantity with its interval."""
    x, se, df = fit.derived[q.name].values, fit.derived_se[q.name].values, fit.t_df(q.name)
    x, se = np.atleast_1d(x).ravel()[:1], np.atleast_1d(se).ravel()[:1]
    df = None if df is None else np.atleast_1d(df).ravel()[:1]
    some = bool(se[0] > TINY * abs(x[0]))
    ends = [float(e[0]) if some else math.nan for e in SCALES[q.scale].interval(x, se, df=df)]
    error = number(float(se[0])) if some else "-"
    return (title, number(float(x[0])), error, *map(number, ends), "" if some else "boundary")


def _fixed(fit: Fit, names: list[str]) -> str:
    """What is fixed to be identified."""
    of_factors = [t for e in fit.model.factors for t in e.terms]
    by_class = any(not t.covariates and not t.effects and fit.params[t.parameter.name].ndim for t in of_factors)
    between = any(t.effects and not any(e in names for e in t.effects) for t in of_factors)
    given = {", given the covariates": any(t.covariates for t in of_factors), ", within clusters": between}
    what = "the factor has" if len(names) == 1 else "each factor has"
    last = ", in the last class where they vary by class" if by_class else ""
    rest = "".join(words for words, holds in given.items() if holds)
    sentence = (
        f"Fixed: {what} mean 0 and SD 1{rest}{last}. No data tell location and scale of a factor from those of its "
        "items: intercepts (thresholds) and loadings are in its units."
    )
    return textwrap.fill(sentence, WIDTH - 6)
