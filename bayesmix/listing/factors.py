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
from bayesmix.listing.parameters import Rows, class_label
from bayesmix.results.estimates import TINY, derived_interval, factors_of, kept, parts_of
from bayesmix.results.fit import Fit

Part = Mapping[str, Any]
FAR = 100.0
"""SDs of the factor beyond which a difficulty is only said to be far off."""


# items --------------------------------------------------------------------------------------------


def item_response(fit: Fit) -> list[Section]:
    """Discrimination a, difficulty b and guessing g of each item by class, with standard errors: (42), (49)-(50)."""
    parts = [p for p in parts_of(fit) if p["kind"] == "response"]
    found = [s for p in parts for s in _response(fit, p)]
    if not found:
        return []
    return [Section("Item response parameters", [*found, _meaning(fit, parts)])]


def _response(fit: Fit, part: Part) -> Iterator[Any]:
    """A table for each class on which the parameters depend."""
    suffix = part["dims"]["item"].removeprefix("item")
    names = {"a": f"discrimination{suffix}", "b": f"difficulty{suffix}"}
    if any(n not in fit.derived for n in names.values()):
        return
    columns = {k: (fit.derived[n], fit.derived_se[n]) for k, n in names.items()}
    guessing = [q["name"] for q in part["parameters"] if q["name"].startswith("guessing") and q["use"] == "auxiliary"]
    for n in guessing:
        columns["g"] = fit.params[n], fit.se[n].where(fit.free[n])
    head = {"a": "discrimination a", "b": "difficulty b", "g": "guessing g"}
    b, on = columns["b"][0], _factor_of(fit, part)
    blocks: dict[str, list[tuple[str, ...]]] = {}
    for at in np.ndindex(b.shape):
        where = dict(zip(map(str, b.dims), at, strict=True))
        if not _exists(fit, b, part, where):
            continue
        label = _label(b, part, where, on)
        cells = [c for x, se in columns.values() for c in _cells(x, se, where)]
        blocks.setdefault(class_label(fit, b, at), []).append((*label, *cells))
    lead = ("item", *(["factor"] if on else []))
    heads = (*lead, *(h for k in columns for h in (head[k], "SE")))
    yield from (make_table(heads, rows, left=len(lead), title=title) for title, rows in blocks.items())


def _exists(fit: Fit, b: xr.DataArray, part: Part, where: Mapping[str, int]) -> bool:
    """Whether an item has this threshold."""
    threshold, item = (part["dims"][k] for k in ("threshold", "item"))
    if threshold not in where:
        return True
    categories = kept(fit).get("categories", {}).get(str(b[item].values[where[item]]))
    return categories is None or where[threshold] < len(categories) - 1


def _label(b: xr.DataArray, part: Part, where: Mapping[str, int], on: Mapping[str, str]) -> tuple[str, ...]:
    """``A`` or ``A | 2``; the factor, where there are several."""
    item, threshold = part["dims"]["item"], part["dims"]["threshold"]
    name = str(b[item].values[where[item]])
    shown = f"{name} | {b[threshold].values[where[threshold]]}" if threshold in where else name
    return (shown, on[name]) if on else (shown,)


def _factor_of(fit: Fit, part: Part) -> dict[str, str]:
    """The factor of each item; nothing where there is one factor."""
    (q,) = [q for q in part["parameters"] if q["use"] == "predictor" and q.get("on")][:1] or [{}]
    if not q.get("effects"):
        return {}
    x, item = fit.params[q["name"]], part["dims"]["item"]
    loads = (abs(x) > 0).any([d for d in x.dims if d not in (q["effects"], item)]).transpose(item, q["effects"])
    names = [str(k) for k in x[q["effects"]].values]
    return {str(i): names[int(np.argmax(row))] for i, row in zip(loads[item].values, loads.values, strict=True)}


def _cells(x: xr.DataArray, se: xr.DataArray, where: Mapping[str, int]) -> tuple[str, str]:
    """Estimate and standard error of the entry that has some of the positions; "-" without one."""
    at = {d: k for d, k in where.items() if d in x.dims}
    value, error = float(x.isel(at).values), float(se.isel(at).values)
    return _number(value), "-" if not error > TINY * abs(value) or abs(value) > FAR else number(error)


def _number(x: float) -> str:
    """Three decimals, as in the tables of the field; what is far off is only said to be."""
    if abs(x) < TINY:
        return "0.000"
    return f"{'>' if x > 0 else '<'} {math.copysign(FAR, x):.0f}" if abs(x) > FAR else number(x)


def _meaning(fit: Fit, parts: list[Part]) -> str:
    """What the parameters are."""
    families = " ".join(fit.info.get("families", {}).values()).lower()
    links = {"logit": "logistic", "probit": "normal"}
    f = " or ".join(word for link, word in links.items() if link in families)
    ordinal = any(p["family"] == "ordinal" for p in parts)
    curve = "g + (1 - g) F(a (f - b))" if "guessing=true" in families else "F(a (f - b))"
    b = "threshold / loading" if ordinal else "-intercept / loading"
    above = "P(answer above its k-th category)" if ordinal else "P(y = 1)"
    return f"{above} = {curve}, with f the factor and F the {f} distribution function;\na = loading, b = {b}."


# factors ------------------------------------------------------------------------------------------


def factors(fit: Fit) -> Section | None:
    """Means, SDs, regressions and correlations of the factors, their ICC, and what is fixed."""
    names = factors_of(fit)
    if not names:
        return None
    rows, parts = Rows(fit), {p["name"]: p for p in parts_of(fit) if p["kind"] == "effect"}
    shown = [r for name in names for r in _parameters(fit, parts[name], rows)]
    further = [_derived(fit, k, title) for k, title in _quantities(fit, names)]
    body: list[Any] = [make_table(("", *rows.head), shown)] if shown else []
    body += [make_table(("", "estimate", "SE", "95% lower", "upper", ""), further)] if further else []
    return Section(f"Factor{'s' if len(names) > 1 else ''} {', '.join(names)}", [*body, _fixed(fit, names, parts)])


def _parameters(fit: Fit, part: Part, rows: Rows) -> Iterator[tuple[str, ...]]:
    """Mean, SD and regressions on covariates; correlated residuals have correlations instead."""
    for q in part["parameters"]:
        if q.get("on") and all(e in factors_of(fit) for e in q["on"]):
            continue
        x = fit.params[q["name"]]
        for at, label in rows.entries(q["name"]):
            yield (_word(fit, part["name"], q, x, at), *rows.cells(label))


def _word(fit: Fit, factor: str, q: Part, x: xr.DataArray, at: tuple[int, ...]) -> str:
    """``f on age``; ``mean of f, C = 1``; ``SD of f between schools``."""
    klass = class_label(fit, x, at).removeprefix("Class ")
    if q["covariates"]:
        of = q["covariates"]
        word = f"{factor} on {x[of].values[at[x.dims.index(of)]]}"
    elif q.get("on"):
        word = f"SD of {factor} between clusters"
    else:
        word = f"{'SD' if q['use'] == 'sd' else 'mean'} of {factor}"
    return ", ".join(filter(None, [word, klass]))


def _quantities(fit: Fit, names: list[str]) -> Iterator[tuple[str, str]]:
    """Names of derived quantities, and words for them."""
    for k, one in enumerate(names):
        for other in names[k + 1 :]:
            if f"{one}_{other}_correlation" in fit.derived:
                yield f"{one}_{other}_correlation", f"correlation of {one} and {other}"
    for name in names:
        if f"{name}_icc" in fit.derived:
            yield f"{name}_icc", f"intraclass correlation of {name}"


def _derived(fit: Fit, name: str, title: str) -> tuple[str, ...]:
    """A quantity with its interval."""
    x, se = fit.derived[name].values, fit.derived_se[name].values
    x, se = np.atleast_1d(x).ravel()[:1], np.atleast_1d(se).ravel()[:1]
    some = bool(se[0] > TINY * abs(x[0]))
    ends = [float(e[0]) if some else math.nan for e in derived_interval(name, x, se)]
    error = number(float(se[0])) if some else "-"
    return (title, number(float(x[0])), error, *map(number, ends), "" if some else "boundary")


def _fixed(fit: Fit, names: list[str], parts: Mapping[str, Part]) -> str:
    """What is fixed to be identified."""
    used = [q for n in names for q in parts[n]["parameters"]]
    by_class = [q["name"] for q in used if not q["covariates"] and not q.get("on") and fit.params[q["name"]].ndim]
    given = [k for k, some in {"given the covariates": any(q["covariates"] for q in used),
                               "within clusters": any(_between(q, names) for q in used)}.items() if some]  # fmt: skip
    what = "the factor has" if len(names) == 1 else "each factor has"
    last = ", in the last class where they vary by class" if by_class else ""
    rest = "".join(f", {k}" for k in given)
    said = (
        f"Fixed: {what} mean 0 and SD 1{rest}{last}. No data tell location and scale of a factor from those of its "
        "items: intercepts (thresholds) and loadings are in its units."
    )
    return textwrap.fill(said, WIDTH - 6)


def _between(q: Part, names: list[str]) -> bool:
    return bool(q.get("on")) and not any(e in names for e in q["on"])
