"""Sections of the listing of a regression, as tables of regressions are read: Table 1 of the 2009 paper.

Rich lays the tables out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from rich.console import Group
from rich.table import Table
from scipy import special

from bayesmix.layout import Section, make_table, number, p_value, packed, percent
from bayesmix.listing.parameters import Rows, class_label, row_of
from bayesmix.results.estimates import TINY, class_dims, derived_interval, derived_shown, parts_of
from bayesmix.results.fit import Fit, entry
from bayesmix.spec.model import RANDOM

Part = Mapping[str, Any]
Cells = tuple[str, ...]
Entry = tuple[str, xr.DataArray, tuple[int, ...], str]


def is_regression(fit: Fit) -> bool:
    """Whether each response is one item whose parameters are coefficients."""
    parts = [p for p in parts_of(fit) if p["kind"] == "response"]
    names = [(p["dims"]["item"], q["name"]) for p in parts for q in p["parameters"]]
    return bool(parts) and not any(item in fit.params[name].dims for item, name in names)


def equations(fit: Fit) -> list[Section]:
    """The regression by class, random parts, then what predicts classes and factors."""
    rows, parts = Rows(fit), parts_of(fit)
    out = [_outcome(fit, p, rows) for p in parts if p["kind"] == "response"]
    out += [s for s in [_random(fit)] if s is not None]
    out += [_class(fit, p, rows) for p in parts if p["kind"] == "class"]
    return [*out, *(s for p in parts if p["kind"] == "effect" for s in _effect(fit, p, rows))]


def outcome(fit: Fit) -> str:
    """``math on female + stud_ses``."""
    found = []
    for p in (p for p in parts_of(fit) if p["kind"] == "response"):
        right = [fit.info["covariates"][n] for n in _covariates(p, "predictor") if n.startswith("regressor")]
        position = [q["kind"] for q in parts_of(fit)[: parts_of(fit).index(p)]].count("response")
        left = str(fit.info["items"][position])
        found.append(f"{left} on {right[0]}" if right else left)
    return "; ".join(found)


def _covariates(part: Part, use: str) -> list[str]:
    return [q["covariates"] for q in part["parameters"] if q["use"] == use and q["covariates"] and q["effects"] is None]


# the regression -----------------------------------------------------------------------------------


def _outcome(fit: Fit, part: Part, rows: Rows) -> Section:
    """Coefficients by class, then what all classes share: slopes of cluster covariates, residual variance."""
    blocks: dict[str, list[Cells]] = {}
    for q in part["parameters"]:
        for name, x, at, label in _free(fit, q["name"], rows):
            shown, cells = _word(x, at, q, name, fit), rows.cells(label)
            if q["use"] == "auxiliary" and name.endswith("_sd"):
                shown, cells = "residual variance", _squared(fit, label, rows)
            blocks.setdefault(_title(fit, x, at), []).append((shown, *cells))
    title = outcome(fit)
    return Section(f"Results: regression of {title.partition(' on ')[0]}", _tables(blocks, rows.head))


def _free(fit: Fit, name: str, rows: Rows) -> Iterator[Entry]:
    """Entries that are estimated; the reference and what is fixed to be identified are not."""
    x, free = fit.params[name], fit.free[name].values
    yield from ((name, x, at, label) for at, label in rows.entries(name) if free[at])


def _tables(blocks: Mapping[str, list[Cells]], head: Sequence[str]) -> list[Group | Table]:
    """Classes apart, what they share last; columns of one width."""
    order = sorted(blocks, key=lambda b: b == "")
    rest = "All classes" if len(blocks) > 1 else ""
    wide = max((len(r[0]) for some in blocks.values() for r in some), default=0)
    return [make_table((" " * wide, *(h.rjust(8) for h in head)), blocks[b], title=b or rest) for b in order]


def _title(fit: Fit, x: xr.DataArray, at: tuple[int, ...]) -> str:
    """``Class C = 1 (58.2%)``."""
    label, dims = class_label(fit, x, at), class_dims(parts_of(fit), x.dims)
    size = fit.probabilities.get(f"{dims[0]}_probability") if len(dims) == 1 else None
    if size is None or size.ndim != 1:
        return label
    return f"{label} ({percent(float(size.values[at[x.dims.index(dims[0])]]))})"


def _word(x: xr.DataArray, at: tuple[int, ...], q: Part, name: str, fit: Fit) -> str:
    """``female``; ``female on mean_ses``; ``threshold 2``."""
    classes = class_dims(parts_of(fit), x.dims)
    inside = ", ".join(str(x[d].values[i]) for d, i in zip(x.dims, at, strict=True) if d not in classes)
    plain = name.replace("_", " ")
    if q["covariates"] is None or q["effects"] is not None:
        return f"{plain} {inside}".strip()
    if name.endswith("_on"):
        return f"{name.removesuffix('_on')} on {inside}"
    return f"{plain.removesuffix(' slope')} on {inside}" if q["use"] == "auxiliary" else inside


def _squared(fit: Fit, label: str, rows: Rows) -> Cells:
    """A variance by the estimate of its SD."""
    s = row_of(rows.summary, label)
    return _cells(float(s["estimate"]) ** 2, 2 * float(s["estimate"]) * float(s["se"]))


def _cells(x: float, se: float) -> Cells:
    """Estimate, SE, ratio, p; without sampling variance it is at a boundary."""
    if not se > TINY * abs(x):
        return (number(x), "-", "-", "-", "-" if math.isnan(x) else "boundary")
    return (number(x), number(se), number(x / se), p_value(float(2 * special.ndtr(-abs(x / se)))), "")


# random parts -------------------------------------------------------------------------------------


def _random(fit: Fit) -> Section | None:
    """Variances, covariances and correlations of random coefficients; the residual intraclass correlation."""
    if "random_variance" not in fit.derived:
        return None
    body = [t for title, names in _matrices(fit).items() for t in _by_class(fit, title, names)]
    icc = any(_is_icc(fit, str(k)) for k in fit.derived.data_vars)
    note = [
        "Given the covariates of clusters. Intervals on the scale of SD, Fisher's z and logit intraclass\ncorrelation."
    ]
    if icc:
        note.append(
            "It is the random intercept's share in the variance of individuals of the same class at given\n"
            "covariates, where those with random slopes are zero."
        )
    behind = [q["name"] for p in parts_of(fit) for q in p["parameters"] if _behind(fit, p, q)]
    note.append(f"The parameters behind them, in fit.summary(): {packed(behind)}.")
    title = f"Random effects of clusters ({fit.info.get('cluster')}): residual variances and covariances"
    return Section(title, [*body, "\n".join(note)])


def _behind(fit: Fit, part: Part, q: Part) -> bool:
    """Whether a parameter of an effect is an SD, or a regression on other effects, whose covariances are shown."""
    known = "random_variance" in fit.derived and part["name"] in fit.derived[RANDOM]
    return part["kind"] == "effect" and bool(known) and q["covariates"] is None


HEAD = ("estimate", "SE", "est/SE", "p", "95% lower", "upper", "")


def _is_icc(fit: Fit, name: str) -> bool:
    responses = [p["name"] for p in parts_of(fit) if p["kind"] == "response"]
    return name.endswith("_icc") and name.removesuffix("_icc") in responses


def _matrices(fit: Fit) -> dict[str, list[str]]:
    """Names of derived quantities by the title of their table."""
    kinds = {"Variances": "variance", "Covariances": "covariance", "Correlations": "correlation"}
    out = {title: [f"random_{kind}"] for title, kind in kinds.items() if f"random_{kind}" in fit.derived}
    return out | {"Residual intraclass correlation": [str(k) for k in fit.derived.data_vars if _is_icc(fit, str(k))]}


def _by_class(fit: Fit, title: str, names: Sequence[str]) -> Iterator[Group | Table]:
    """A table for each class on which the quantities depend."""
    blocks: dict[str, list[Cells]] = {}
    for name in names:
        for block, cells in _derived(fit, name):
            blocks.setdefault(block, []).append(cells)
    yield from (make_table((title, *HEAD), rows, title=block) for block, rows in blocks.items())


def _derived(fit: Fit, name: str) -> Iterator[tuple[str, Cells]]:
    """A row an entry of a derived quantity, named by the effects: ``u_female with u_intercept``."""
    x, se = fit.derived[name], fit.derived_se[name].values
    ends, shown = derived_interval(name, x.values, se), derived_shown(name, x)
    for at in (k for k in np.ndindex(x.shape) if shown[k]):
        cells = _cells(float(x.values[at]), float(se[at]))
        interval = ("-", "-") if cells[1] == "-" else tuple(number(float(end[at])) for end in ends)
        effects = [str(x[d].values[i]) for d, i in zip(x.dims, at, strict=True) if str(d).startswith(RANDOM)]
        label = " with ".join(effects) or str(fit.info["items"][0])
        yield class_label(fit, x, at), (label, *cells[:4], *interval, cells[4])


# classes and factors ------------------------------------------------------------------------------


def _class(fit: Fit, part: Part, rows: Rows) -> Section:
    """Logits against the last class: intercept, covariates, effects."""
    variable, blocks, fixed = part["name"], {}, []
    for q in part["parameters"]:
        for name, x, at, label in _free(fit, q["name"], rows):
            shown = _word(x, at, q, name, fit) if q["covariates"] else _effect_of(x, at, q)
            blocks.setdefault(class_label(fit, x, at), []).append((shown, *rows.cells(label)))
        x, free = fit.params[q["name"]], fit.free[q["name"]]
        fixed += [entry(q["name"], x, tuple(at)) for at in np.argwhere((~free & (x == 1.0)).values)]
    last = fit.params[part["parameters"][0]["name"]][variable].values[-1]
    note = [f"Fixed at 1: {', '.join(fixed)}."] if fixed else []
    level = "" if part["level"] == "individual" else f" of {part['level']}s"
    title = f"Results: class variable {variable}{level}, logits against {variable} = {last}"
    return Section(title, [*_tables(blocks, rows.head), *note])


def _effect_of(x: xr.DataArray, at: tuple[int, ...], q: Part) -> str:
    """The effect of a loading; ``intercept`` for a logit."""
    dim = q["effects"]
    if dim is None:
        return "intercept"
    return str(x[dim].values[at[x.dims.index(dim)]]) if dim else q["name"]


def _effect(fit: Fit, part: Part, rows: Rows) -> Iterator[Section]:
    """The regression of an effect on covariates; its SD and regressions on others where no variances are shown."""
    used = [q for q in part["parameters"] if not _behind(fit, part, q)]
    shown = [
        (_word(x, at, q, name, fit) if q["covariates"] else label, *rows.cells(label))
        for q in used
        for name, x, at, label in _free(fit, q["name"], rows)
    ]
    if shown:
        yield Section(f"Results: {part['level']} level, effect {part['name']}", _tables({"": shown}, rows.head))
