"""Sections of the listing: parameters by level and class, random parts, transitions, probabilities, odds ratios."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayesmix.layout import WIDTH, Section, Table, make_table, number, p_value, percent, probability
from bayesmix.results import Estimates, Fit, entries, entry, occasions, odds_ratios, ratio_of
from bayesmix.spec import (
    COMPLETE,
    GROUP,
    SCALES,
    TINY,
    Effect,
    LatentClass,
    Model,
    Quantity,
    Response,
    Term,
    canonical,
    plain,
    shown,
)
from bayesmix.spec.parameters import Parameter

SHOWN_PATHS = 12


# results ------------------------------------------------------------------------------------------


def results(fit: Fit) -> list[Section]:
    """Parameters by level and class variable, item parameters by class; factors have a section of their own."""
    model = fit.model
    effects = [e for e in model.effects if e not in (*model.factors, *model.sums, *model.normal_covariates)]
    latent = [*(model.classes if model.is_mixture else ()), *effects]
    return _of_parts(fit, [*sorted(latent, key=lambda part: part.level == "cluster"), *model.responses])


def answers_of_clusters(fit: Fit) -> list[Section]:
    """Parameters of the answers that clusters have, such as outcomes of persons in rows of occasions."""
    return _of_parts(fit, [r for r in fit.model.responses if r.level == "cluster"])


def _of_parts(fit: Fit, parts: Sequence[LatentClass | Effect | Response]) -> list[Section]:
    """A section a part, each parameter once."""
    model, rows = fit.model, Rows(fit)
    out: list[Section] = []
    listed: set[str] = set()
    for part in parts:
        names = [n for n in dict.fromkeys(t.parameter.name for t in part.terms) if n not in listed | model.offsets]
        listed.update(names)
        if names and isinstance(part, Response):
            out.append(Section(_items_title(fit, part), [*_by_class(fit, part, names, rows), *_note(fit, part, names)]))
        elif names and not isinstance(part, Response):
            out.append(Section(_latent_title(part), [_flat(names, rows)]))
    return out


def _items_title(fit: Fit, r: Response) -> str:
    """Title the items of `r`; its name where there are responses with other parameters."""
    several = len(fit.model.distinct_responses) > 1
    return f"Results: items{' by class' if fit.model.is_mixture else ''}" + (f" ({r.name})" if several else "")


def _latent_title(part: LatentClass | Effect) -> str:
    """Title what predicts a class variable or an effect."""
    kind = "class variable" if isinstance(part, LatentClass) else "effect"
    return f"Results: {part.level} level, {kind} {part.name}"


def row_of(table: pd.DataFrame, label: str) -> dict[str, Any]:
    """One row of a table, in plain values."""
    return {str(k): v for k, v in table.loc[label].items()}


def covariates(model: Model) -> dict[str, str]:
    """What is said of covariates and of offsets, each formula once."""
    found = {"Covariates": False, "Offset": True}
    used = [c for c in model.covariates if c.name != COMPLETE]
    return {k: "; ".join(dict.fromkeys(c.formula for c in used if c.offset == v)) for k, v in found.items()}


class Rows:
    """Cells of the results: estimate, SE, ratio, p, and what is fixed or at a boundary."""

    head = ("estimate", "SE", "est/SE", "p", "")

    def __init__(self, fit: Fit) -> None:
        self.fit, self.summary = fit, fit.summary()
        self.boundary = set(fit.quality.get("boundary", []))
        held = fit.model.constraints
        self.equal = {label: f"equal {k}" for k, group in enumerate(held.equal, 1) for label in group}
        """Of each entry the constraints that it stands in, in words."""
        for label in dict.fromkeys(label for e in held.linear for label in e.labels):
            numbers = [str(k) for k, e in enumerate(held.linear, 1) if label in e.labels]
            before = f"{self.equal[label]}, " if label in self.equal else ""
            self.equal[label] = f"{before}linear {', '.join(numbers)}"
        self.alike = {label for p in fit.model.parameters for label in _alike(fit, p)}

    def entries(self, name: str) -> Iterator[tuple[tuple[int, ...], str]]:
        """Positions and labels of the entries that exist."""
        x = self.fit.params[name]
        absent = _absent(self.fit, x)
        return ((at, entry(name, x, at)) for at in np.ndindex(x.shape) if not absent[at])

    def cells(self, label: str) -> tuple[str, ...]:
        """What stands beside a label."""
        s = row_of(self.summary, label)
        if not s["free"]:
            return (number(s["estimate"]), "-", "-", "-", "fixed")
        mark = "boundary" if label in self.boundary or math.isnan(s["se"]) else self._equal(label)
        return (number(s["estimate"]), number(s["se"]), number(s["ratio"]), p_value(s["p"]), mark)

    def _equal(self, label: str) -> str:
        """Mark an entry that is held equal to others, or stands in equations, by their numbers."""
        return self.equal.get(canonical(label), "all groups" if label in self.alike else "")


def _alike(fit: Fit, p: Parameter) -> Iterator[str]:
    """Labels of the entries of a parameter that are the same in all groups."""
    x = fit.params[p.name]
    for some in p.alike:
        where = dict(some.positions)
        for at in np.ndindex(x.shape):
            if all(where.get(str(d), k) == k for d, k in zip(x.dims, at, strict=True)):
                yield entry(p.name, x, at)


def constraints(fit: Fit) -> Section | None:
    """What a user fixed, held equal or related by equations."""
    held = fit.model.constraints
    if not held:
        return None
    fixed = [(f"{label}", f"fixed at {value:g}") for label, value in held.fixed]
    groups = [(" = ".join(group), f"equal {k}") for k, group in enumerate(held.equal, 1)]
    linear = [(e.text, f"linear {k}") for k, e in enumerate(held.linear, 1)]
    return Section("Constraints", [make_table(("entries", ""), [*fixed, *groups, *linear])])


def _absent(fit: Fit, x: xr.DataArray) -> np.ndarray:
    """Entries of categories and thresholds that an item does not have; logits of those who stay, which are not used."""
    out = xr.zeros_like(x, dtype=bool)
    for c in (c for c in fit.model.classes if c.stays and c.stays[1] in x.dims):
        if x.name in [t.parameter.name for t in c.predictor]:
            out = out | (xr.DataArray(np.arange(x.sizes[c.stays[1]]), dims=c.stays[1]) == x.sizes[c.stays[1]] - 1)
    categories = Estimates.of(fit).categories
    for r in fit.model.responses:
        for dim, less in ((r.category_dim, 0), (r.threshold_dim, 1)):
            if r.item_dim in x.dims and dim in x.dims:
                n = [len(categories.get(str(i), range(x.sizes[dim] + less))) - less for i in x[r.item_dim].values]
                position = xr.DataArray(np.arange(x.sizes[dim]), dims=dim)
                out = out | (position >= xr.DataArray(n, dims=r.item_dim))
    return out.transpose(*x.dims).values


def _flat(names: Sequence[str], rows: Rows) -> Table:
    return make_table(("", *rows.head), [(label, *rows.cells(label)) for n in names for _, label in rows.entries(n)])


def _by_class(fit: Fit, r: Response, names: Sequence[str], rows: Rows) -> list[Table]:
    """One table a class (or combination of classes), then what does not depend on a class."""
    blocks: dict[str, list[tuple[str, ...]]] = {}
    hidden, zeros = _references(fit, r, names), _no_loadings(fit, r)
    for name in names:
        x = fit.params[name]
        first: set[str] = set()
        for at, label in sorted(rows.entries(name), key=lambda pair: _item_position(x, r, pair[0])):
            if name in zeros and zeros[name][at]:
                continue
            if any(n == name and at[x.dims.index(d)] == k for n, d, k in hidden):
                continue
            block = class_label(fit, x, at)
            shown = "" if block in first else name
            first.add(block)
            words = entry_words(Estimates.of(fit), x, at) or "-"
            blocks.setdefault(block, []).append((shown, words, *rows.cells(label)))
    order = sorted(blocks, key=lambda b: b == "")
    return [make_table(("parameter", "item", *rows.head), blocks[b], left=2, title=b or _rest(blocks)) for b in order]


def _rest(blocks: Mapping[str, Any]) -> str:
    return "All classes" if len(blocks) > 1 else ""


def _item_position(x: xr.DataArray, r: Response, at: tuple[int, ...]) -> tuple[int, ...]:
    """Order entries of `x` by the item of `r` first, those of pairs last."""
    if r.pair_dim in x.dims:
        return (len(r.items), *at)
    return (at[x.dims.index(r.item_dim)] if r.item_dim in x.dims else 0, *at)


def class_label(fit: Fit, x: xr.DataArray, at: tuple[int, ...]) -> str:
    """``Class C = 1``, ``Group boys, class C = 1``; nothing for what depends on neither."""
    inside = class_names(fit, x, at)
    if GROUP not in x.dims:
        return f"Class {inside}" if inside else ""
    group = x[GROUP].values[at[x.dims.index(GROUP)]]
    classes = ", ".join(f"{d} = {x[d].values[at[x.dims.index(d)]]}" for d in _apart(fit, x) if d != GROUP)
    return f"Group {group}" + (f", class {classes}" if classes else "")


def class_names(fit: Fit, x: xr.DataArray, at: tuple[int, ...]) -> str:
    """``C = 1``, the group and classes of the entry of `x` at a position; nothing for what depends on neither."""
    return ", ".join(f"{d} = {x[d].values[at[x.dims.index(d)]]}" for d in _apart(fit, x))


def _apart(fit: Fit, x: xr.DataArray) -> tuple[str, ...]:
    """The dims of groups, and of classes where there are several."""
    return tuple(d for d in fit.model.class_dims(x.dims) if fit.model.is_mixture or d == GROUP)


def entry_words(estimates: Estimates, x: xr.DataArray, at: tuple[int, ...]) -> str:
    """``A = 2``: item and category; ``A | 1``: item and threshold; further dims, but for classes, by their labels."""
    model = estimates.model
    where = {str(d): str(x[d].values[i]) for d, i in zip(x.dims, at, strict=True)}
    out = next((where.pop(r.item_dim) for r in model.responses if r.item_dim in where), "")
    for r in model.responses:
        if r.category_dim in where:
            categories, k = estimates.categories.get(out), at[x.dims.index(r.category_dim)]
            label = where.pop(r.category_dim)
            out += f" = {categories[k] if categories and k < len(categories) else label}"
        if r.threshold_dim in where:
            out += f" | {where.pop(r.threshold_dim)}"
        if r.pair_dim in where:
            out = where.pop(r.pair_dim).replace(", ", " WITH ")
    for d in model.class_dims(x.dims):
        where.pop(d, None)
    return ", ".join(filter(None, [out, *where.values()]))


def _no_loadings(fit: Fit, r: Response) -> dict[str, np.ndarray]:
    """Loadings that are fixed at zero, of items on factors that are not theirs."""
    several = [t.parameter.name for t in r.terms if len(t.effects) > 1]
    return {k: (fit.params[k].values == 0.0) & ~fit.free[k].transpose(*fit.params[k].dims).values for k in several}


def _references(fit: Fit, r: Response, names: Sequence[str]) -> list[tuple[str, str, int]]:
    """Reference categories: a whole category of a parameter fixed at zero."""
    category, out = r.category_dim, []
    for name in names:
        x, free = fit.params[name], fit.free[name]
        if category in x.dims and x.sizes[category] > 1:
            for k in range(x.sizes[category]):
                if not free.isel({category: k}).any() and (x.isel({category: k}) == 0).all():
                    out.append((name, category, k))
    return out


def _note(fit: Fit, r: Response, names: Sequence[str]) -> list[str]:
    """Say which parameters of `r` have a reference category."""
    hidden = _references(fit, r, names)
    return (
        [f"The first category of each item is the reference ({', '.join(n for n, _, k in hidden)} = 0, fixed)."]
        if hidden
        else []
    )


def random_parts(fit: Fit) -> Section | None:
    """SDs, correlations and intraclass correlations of the random parts of class logits."""
    estimates = Estimates.of(fit)
    body = []
    for c in fit.model.classes:
        for level in ("individual", "cluster"):
            parts = estimates.of_kind("sd", "icc", "correlation matrix", of=c.name, part=level)
            if parts and (loading := _loading(fit, c, level)):
                body += _random_of(fit, loading, level, parts)
    if not body:
        return None
    note = (
        "Intervals on the scale of log SD, Fisher's z and logit ICC. ICC (20): the share of these effects\n"
        "in the variance of a logit against the last class."
    )
    return Section("Random effects of the class logits", [*body, note])


def _loading(fit: Fit, c: LatentClass, level: str) -> Term | None:
    """Find the loadings of the class variable `c` on several effects of a `level`."""
    names = {e.name for e in fit.model.effects_at(level)}
    return next((t for t in c.predictor if plain(t) and t.loading_dim and names & {*t.effects}), None)


def _random_of(fit: Fit, loading: Term, level: str, parts: Sequence[Quantity]) -> list[Any]:
    """Make the rows of `parts`, the random parts of a `level` with the `loading`."""
    effects = [str(e) for e in fit.params[loading.parameter.name][loading.effect_dim].values]
    rows = [row for q in parts for row in _derived_rows(fit, q, len(effects))]
    head = ("", "estimate", "SE", "95% lower", "upper", "")
    return [make_table(head, rows, title=f"Effects of {level}s: {', '.join(effects)}")] if rows else []


def _derived_rows(fit: Fit, q: Quantity, effects: int) -> list[tuple[str, ...]]:
    """A row an entry; one without sampling variance is at a boundary, or a correlation by one factor."""
    x, se = fit.derived[q.name], fit.derived_se[q.name].values
    se = np.where(se > TINY * np.abs(x.values), se, np.nan)
    mark = "fixed: one factor" if effects == 1 and q.kind == "correlation matrix" else "boundary"
    ends = SCALES[q.scale].interval(x.values, se, df=fit.t_df(q.name))
    columns, rows = (x.values, se, *ends), shown(q.kind, x.values)
    return [
        (entry(q.name, x, at), *(number(float(v[at])) for v in columns), mark if np.isnan(se[at]) else "")
        for at in np.ndindex(x.shape)
        if rows[at]
    ]


def residual_correlations(fit: Fit) -> Section | None:
    """Correlations of the residuals of items with a covariance."""
    estimates = Estimates.of(fit)
    rows = []
    for q in estimates.of_kind("residual correlation"):
        x, se = fit.derived[q.name], fit.derived_se[q.name].values
        columns = (x.values, se, *SCALES[q.scale].interval(x.values, se, df=fit.t_df(q.name)))
        for at in np.ndindex(x.shape):
            words = (class_label(fit, x, at), entry_words(estimates, x, at))
            rows.append((*words, *(number(float(v[at])) for v in columns)))
    if not rows:
        return None
    classes = len({r[0] for r in rows}) > 1
    head = ("", "residuals", "correlation", "SE", "95% lower", "upper")
    table = make_table(head, rows, left=2) if classes else make_table(head[1:], [r[1:] for r in rows])
    return Section("Correlations of residuals within classes", [table, "Intervals on the scale of Fisher's z."])


# several occasions --------------------------------------------------------------------------------


def transitions(fit: Fit) -> Section | None:
    """Transition probabilities with intervals, effects of the class before, and paths."""
    names = occasions.entered(Estimates.of(fit))
    if not names:
        return None
    table, body = occasions.transitions(fit), []
    above = [g.name for g in fit.model.lasting]
    for to in names:
        own = pd.DataFrame(table.xs(to, level="class variable"))
        above = [k for k in own.index.names if k not in ("from", "to")]
        if not above:
            body.append(_transition_table(to, own))
            continue
        for k, cells in own.groupby(level=above, sort=False):
            at = dict(zip(above, k, strict=True))
            stays = any(_stays(fit, to, v) for name, v in at.items() if name != GROUP)
            title = ", ".join(f"{name} = {v}" for name, v in at.items()) + (", who stay" if stays else "")
            body.append(_transition_table(to, cells.droplevel(above), title))
    body.append(_paths(fit))
    note = "Averages over the population; 95% intervals by the delta method on the logit scale."
    return Section("Transitions: from the class in the rows to the class in the columns", [*body, note])


def _stays(fit: Fit, name: str, k: Any) -> bool:
    """Whether members of the class `k` of chains stay in the class they are in."""
    c = next(c for c in fit.model.classes if c.name == name)
    return bool(c.stays) and k == next(g.size for g in fit.model.classes if g.name == c.stays[1])


def _transition_table(to: str, table: pd.DataFrame, title: str = ""):
    """A row a class (or combination of classes) left; the interval stands beneath the probability."""
    wide = {left: rows.droplevel("from") for left, rows in table.groupby(level="from", sort=False)}
    rows = []
    for left, cells in wide.items():
        rows.append((_left(left), *(probability(p) for p in cells["value"])))
        if cells["lower"].isna().all():  # known, as of those who stay
            continue
        rows.append(
            (
                "",
                *(f"({probability(a)}, {probability(b)})" for a, b in zip(cells["lower"], cells["upper"], strict=True)),
            )
        )
    columns = [str(k) for k in next(iter(wide.values())).index]
    return make_table(("", *(f"{to} = {k}" for k in columns)), rows, title=title)


def _left(left: Any) -> str:
    return ", ".join(map(str, left)) if isinstance(left, tuple) else str(left)


def _paths(fit: Fit):
    """The most frequent paths."""
    counts = fit.path_counts()
    shown = counts.head(SHOWN_PATHS)
    names = [str(n) for n in counts.index.names]
    rows = [
        (_left(k), *(number(float(row.get(c, math.nan)), 1) for c in ("posterior", "most likely")))
        for k, row in shown.iterrows()
    ]
    rest = f", the {len(rows)} most frequent of {len(counts)}" if len(counts) > len(rows) else ""
    return make_table((", ".join(names), "by posterior", "most likely"), rows, title=f"Paths{rest}")


def explained(fit: Fit) -> Section | None:
    """Shares of the variance of class logits, and effects along the paths, below (14)."""
    of_shares = {q.part for q in Estimates.of(fit).of_kind("share")}
    if not of_shares:
        return None
    table = occasions.decomposition(fit)
    shares, effects = (table[[(part in of_shares) == kind for *_, part in table.index]] for kind in (True, False))
    body: list[Any] = [_part_table(shares, "of the variance of the logit", percent)]
    if len(effects):
        body.append(_part_table(effects, "effect on the logit, per unit", number))
    note = (
        "Of the latent response behind each class logit against the last class, error variance pi^2 / 3.\n"
        "The class before counts as far as the effects do not explain it; alone, with its whole variance (14)."
    )
    return Section("Explained variance of the classes, and paths to them", [*body, note])


def _of_group(group: Sequence[Any], words: str) -> str:
    """What is of a group, where there are several."""
    return ", ".join((*(f"group {k}" for k in group), words))


def _part_table(table: pd.DataFrame, head: str, shown: Callable[[float], str]):
    rows = [
        (_of_group(group, f"{variable} = {k}"), part, *(shown(float(x)) if not math.isnan(x) else "-" for x in row))
        for (*group, variable, k, part), row in zip(table.index, table.to_numpy(), strict=True)
    ]
    return make_table(("class", head, "estimate", "SE", "95% lower", "upper"), rows, left=2)


def expected(fit: Fit) -> Section | None:
    """Means of inflated counts, probabilities of successes: what families make of intercepts and further parameters."""
    rows = [row for q in Estimates.of(fit).of_kind("expected") for row in _derived_rows(fit, q, 0)]
    head = ("", "estimate", "SE", "95% lower", "upper", "")
    return Section("Expected answers", [make_table(head, rows)]) if rows else None


# probability scale and odds ratios ----------------------------------------------------------------


def probability_scale(fit: Fit) -> Section:
    """Class sizes, and item categories by class."""
    model, body = fit.model, []
    for q in Estimates.of(fit).of_kind("class size", "item probability"):
        if q.kind == "item probability":
            r = next(r for r in model.responses if r.name == q.of)
            body.append(_item_probabilities(fit, q.name, r))
        elif model.is_mixture:
            body.append(_plain_probabilities(fit, q.name))
    return Section("Results on the probability scale (standard errors in brackets)", [t for b in body for t in b])


def _with_error(p: float, se: float) -> str:
    if math.isnan(p):
        return "-"
    return f"{p:.3f} ({probability(se)})"


def _plain_probabilities(fit: Fit, name: str) -> list[Table]:
    p, se = fit.probabilities[name], fit.probabilities_se[name]
    rows = [(entry(name, p, at), _with_error(float(p.values[at]), float(se.values[at]))) for at in np.ndindex(p.shape)]
    return [make_table(("", "probability"), rows)]


def _item_probabilities(fit: Fit, name: str, r: Response) -> list[Table]:
    """Items and categories in the rows, classes in the columns, in as many tables as they need."""
    p, se = fit.probabilities[name], fit.probabilities_se[name]
    item, category = r.item_dim, r.category_dim
    dims = fit.model.class_dims(p.dims)
    columns = list(np.ndindex(*(p.sizes[d] for d in dims)))
    heads = [", ".join(f"{d} = {p[d].values[i]}" for d, i in zip(dims, at, strict=True)) for at in columns]
    heads = ["probability"] if len(heads) == 1 else heads
    rows = []
    for i, k in np.ndindex(p.sizes[item], p.sizes[category]):
        at = {item: i, category: k}
        if np.isnan(p.isel(at)).all():
            continue
        cells = [dict(zip(dims, c, strict=True)) for c in columns]
        label = _category_label(fit, p, item, i, category, k)
        rows.append((label, *(_with_error(float(p.isel(at | c)), float(se.isel(at | c))) for c in cells)))
    room = 1 + max(1, (WIDTH - 4 - max(len(r[0]) for r in rows)) // 17)
    starts = range(1, len(heads) + 1, room - 1)
    return [
        make_table(("item", *heads[s - 1 : s + room - 2]), [(r[0], *r[s : s + room - 1]) for r in rows]) for s in starts
    ]


def _category_label(fit: Fit, p: xr.DataArray, item: str, i: int, category: str, k: int) -> str:
    name = str(p[item].values[i])
    categories = Estimates.of(fit).categories.get(name)
    return f"{name} = {categories[k] if categories and k < len(categories) else p[category].values[k]}"


def slope_odds(fit: Fit) -> pd.DataFrame:
    """exp(slope) of the class logits: `odds_ratio`, `se` (delta method), and an interval from the logit scale.

    A row a free slope of a covariate; `p` is of a log odds of zero.
    """
    summary, rows = fit.summary(), {}
    for c in fit.model.classes:
        for name in [t.parameter.name for t in c.terms if t.covariates]:
            for label in (k for k in entries(name, fit.params[name]) if summary.loc[k, "free"]):
                s = row_of(summary, label)
                df = _degrees(fit, label)
                rows[label] = (*map(float, ratio_of(s["estimate"], s["se"], df)), s["p"])
    columns = ["odds_ratio", "se", "lower", "upper", "p"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).astype(float).rename_axis("entry")


def _degrees(fit: Fit, label: str) -> float | None:
    """Degrees of freedom of t for a parameter, by its label."""
    return float(fit.pooling["df"].get(label, np.inf)) if fit.info.get("pooled") else fit.design_df


def odds(fit: Fit) -> Section | None:
    """Odds ratios of covariates."""
    found = slope_odds(fit)
    if found.empty:
        return None
    rows = [(str(k), *map(number, r[:-1]), p_value(r[-1])) for k, r in zip(found.index, found.to_numpy(), strict=True)]
    head = ("", "odds ratio", "SE", "95% lower", "upper", "p (log odds = 0)")
    tables = [make_table(head, rows), *_other_references(fit, head)]
    return Section("Odds ratios of the covariates, against the reference class", tables)


def _other_references(fit: Fit, head: Sequence[str]) -> Iterator[Table]:
    """A table for each other class as the reference, of what has more than two classes."""
    if "slopes" not in fit.uncertainty:
        return
    several = {c.name: c for c in fit.model.classes if c.size > 2}
    for name in [t.parameter.name for c in several.values() for t in c.terms if t.covariates]:
        table = odds_ratios(fit, name)
        variable = next(c for c in several.values() if name in [t.parameter.name for t in c.terms])
        for k in range(1, variable.size):
            rows = [
                (f"{label}, {variable.name} = {one}", *map(number, r[:-1]), p_value(r[-1]))
                for (label, one, reference), r in zip(table.index, table.to_numpy(), strict=True)
                if reference == str(k)
            ]
            yield make_table(head, rows, title=f"Against {variable.name} = {k}")
