"""The listing: everything of a fit as text, in the order in which users of Mplus look for it.

Depends on compare, result and the floors beneath; rich lays the tables out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from rich.console import Console, Group
from rich.table import Table

from bayesmix.result import Fit, entry
from bayesmix.solution import TINY, class_dims, derived_interval, derived_shown, parts_of
from bayesmix.tables import (
    WIDTH,
    Listing,
    Section,
    laid_out,
    make_table,
    number,
    p_value,
    packed,
    pairs,
    percent,
    probability,
    to_text,
)

if TYPE_CHECKING:
    from bayesmix.enumeration import Enumeration

SHOWN_STARTS = 12


def listing(what: Fit | Enumeration, post: xr.DataTree | None = None) -> Listing:
    """The whole of a fit as plain text of at most 100 columns.

    Parameters
    ----------
    what : Fit or Enumeration
        What :func:`bayesmix.fit` or :func:`bayesmix.enumerate_classes` returns.
    post : xarray.DataTree, optional
        The posterior of the same model, to stand beside the fit.

    Returns
    -------
    Listing
        A `str`. Of a fit: model and data, random starts, fit, class counts, classification, results,
        probability scale, odds ratios, quality of the numerical results, and the posterior if there
        is one. Of an enumeration: the information criteria.
    """
    return to_text(_any_sections(what, post))


def enumeration_listing(found: Enumeration) -> Listing:
    """Fits with different numbers of classes as plain text of at most 100 columns."""
    return to_text(_enumeration(found))


def show(what: Fit | Enumeration, post: xr.DataTree | None = None, console: Console | None = None) -> None:
    """Print the listing: with styles on a terminal, else the plain text.

    Parameters
    ----------
    what : Fit or Enumeration
    post : xarray.DataTree, optional
        The posterior of the same model.
    console : rich.console.Console, optional
        Where to; standard output if left out.
    """
    console = console or Console(highlight=False)
    sections = _any_sections(what, post)
    if console.is_terminal:
        console.print(Group(*laid_out(sections)), width=min(WIDTH, console.width))
    else:
        console.file.write(to_text(sections))


def _any_sections(what: Fit | Enumeration, post: xr.DataTree | None) -> list[Section]:
    return _sections(what, post) if isinstance(what, Fit) else _enumeration(what)


def _sections(fit: Fit, post: xr.DataTree | None) -> list[Section]:
    found = [
        _model(fit), _starts(fit), _fit(fit), _counts(fit), _classification(fit), *_results(fit),
        _random(fit), _probability_scale(fit), _odds(fit), _quality(fit), _posterior(fit, post), _saved(fit),
    ]  # fmt: skip
    return [s for s in found if s is not None and s.body]


# model and data, starts, fit ----------------------------------------------------------------------


def _model(fit: Fit) -> Section:
    info = fit.info
    errors = {"robust": "robust (sandwich)", "hessian": "inverse Hessian"}.get(info.get("standard_errors", ""), "-")
    size = {} if not fit.n_clusters else {"Average cluster size": number(fit.n_individuals / fit.n_clusters, 1)}
    integration = ", ".join(f"{_method(v)} over effects of {k}s" for k, v in info.get("nodes", {}).items())
    rows = {
        "Model": info.get("model"),
        "Class variables": ", ".join(f"{k} ({n} classes{_whose(fit, k)})" for k, n in info.get("classes", {}).items()),
        "Items": f"{len(info.get('items', []))}: {', '.join(map(str, info.get('items', [])))}",
        "Families": ", ".join(dict.fromkeys(_family(f) for f in info.get("families", {}).values())),
        "Covariates": "; ".join(dict.fromkeys(info.get("covariates", {}).values())),
        "Cluster column": info.get("cluster"),
        "Frequency column": info.get("freq"),
        "Estimator": f"maximum likelihood, {errors} standard errors",
        "Integration": integration or "none needed",
        "Rows in the data": info.get("n_rows"),
        "Rows left out (no answer)": info.get("n_left_out"),
        "Individuals": fit.n_individuals,
        "Clusters": fit.n_clusters,
        **size,
        "Distinct patterns computed": info.get("n_patterns"),
        "Missing-data patterns": info.get("n_missing_patterns"),
        "Random starts": f"{info.get('starts')} a round (at most {info.get('rounds')}), "
        f"{info.get('finals')} of them to convergence, seed {info.get('seed')}",
        "Time": f"{number(info.get('seconds', float('nan')), 1)} s ({info.get('mode', '')})",
    }
    return Section("Model and data", [pairs(rows.items())])


def _whose(fit: Fit, name: str) -> str:
    """`` of clusters`` and the like, where not all are of individuals."""
    levels = {p["name"]: p["level"] for p in parts_of(fit) if p["kind"] == "class"}
    return "" if set(levels.values()) <= {"individual"} else f" of {levels.get(name, 'individual')}s"


def _method(written: str) -> str:
    """``GaussHermite(n=15)`` as it is asked for: ``gauss_hermite(15)``."""
    return re.sub(r"\w+=", "", re.sub(r"(?<!^)(?<!\W)([A-Z])", r"_\1", written)).lower()


def _family(written: str) -> str:
    """``Bernoulli(link='logit')`` as people write it: ``bernoulli (logit)``."""
    name, _, arguments = written.partition("(")
    inside = ", ".join(a.partition("=")[2].strip("' ") for a in arguments.rstrip(")").split(",") if a)
    return name.lower() + (f" ({inside})" if inside else "")


def _starts(fit: Fit) -> Section:
    done = fit.starts[fit.starts["loglik"].notna()]
    rows = [
        (str(k), number(s["loglik"]), _seed(s["seed"]), number(s["short"]), str(s["iterations"]), str(s["status"]))
        for k, (_, s) in enumerate(done.head(SHOWN_STARTS).iterrows(), start=1)
    ]
    table = make_table(("rank", "log-likelihood", "seed", "after short run", "iterations", "status"), rows, left=0)
    return Section("Random starts, ranked", [table, _replication(fit, len(done)), *_other_starts(fit, len(done))])


def _seed(seed: Any) -> str:
    return str(seed) if int(seed) >= 0 else "given"


def _replication(fit: Fit, n: int) -> str:
    k = fit.replicated
    if k >= 2:
        return f"Best value replicated: reached by {k} of {n} starts that ran to convergence."
    return (
        f"Best value NOT replicated: reached by {k} of {n} starts that ran to convergence. It may be a local\n"
        "maximum; ask for more starts."
    )


def _other_starts(fit: Fit, n: int) -> list[str]:
    out = []
    if n > SHOWN_STARTS:
        out.append(
            f"{n - SHOWN_STARTS} more ran to convergence, the best to {fit.starts['loglik'].iloc[SHOWN_STARTS]:.3f}."
        )
    rest = fit.starts[fit.starts["loglik"].isna()]
    failed = rest[rest["status"].str.startswith("failed")]
    if len(rest) > len(failed):
        short = rest["short"].max()
        out.append(f"{len(rest) - len(failed)} more stopped after the short run; the best of them {number(short)}.")
    if len(failed):
        out.append(f"{len(failed)} failed ({failed['status'].iloc[0].removeprefix('failed: ')}).")
    if fit.quality.get("interrupted"):
        out.append("The search was INTERRUPTED: these are the starts that were finished.")
    return ["\n".join(out)] if out else []


def _fit(fit: Fit) -> Section:
    rows = {
        "Free parameters": fit.n_parameters,
        "Log-likelihood": number(fit.loglik),
        "Scaling factor (robust)": number(fit.quality.get("scaling", float("nan"))),
        "AIC": number(fit.aic),
        f"BIC (n = {fit.n_individuals} individuals)": number(fit.bic),
        f"BIC (n = {fit.n_clusters} clusters)": number(fit.bic_clusters) if fit.n_clusters else None,
        "Sample-size-adjusted BIC": number(fit.adjusted_bic),
    }
    return Section("Fit", [pairs(rows.items())])


# classes ------------------------------------------------------------------------------------------


def _class_variables(fit: Fit) -> list[str]:
    """Class variables with posterior probabilities of individuals or clusters."""
    return [str(v).removesuffix("_posterior") for v in fit.classes.data_vars]


def _counts(fit: Fit) -> Section:
    tables = []
    for name in _class_variables(fit):
        counts = fit.class_counts(name)
        rows = [
            (str(k), *(cell for way in COUNTED for cell in (number(float(c[way]), 1), percent(c[f"{way} %"]))))
            for k, c in counts.iterrows()
        ]
        head = (name, *(h for way in COUNTED for h in (way, "")))
        tables.append(make_table(head, rows, title=f"{name}, {_unit(fit, name)}"))
    return Section("Class counts: by model, by posterior probability, by most likely class", tables)


def _unit(fit: Fit, name: str) -> str:
    return "individuals" if "row" in fit.classes[f"{name}_posterior"].dims else "clusters"


COUNTED = ("model", "posterior", "most likely")


def _classification(fit: Fit) -> Section | None:
    names = [n for n in _class_variables(fit) if fit.classes.sizes[n] > 1]
    if not names:
        return None
    several = len(names) > 1
    body: list[Any] = [
        "\n".join(f"Entropy{f' of {n}' if several else ''}: {number(fit.class_entropy(n))}" for n in names)
    ]
    for name in names:
        average, rates = fit.classification(name), classification_rates(fit, name)
        body += [
            _square(
                f"Average posterior probability of {name} (columns) by most likely class (rows)", average, probability
            ),
            _square(f"Probability of the most likely class (columns) given {name} (rows)", rates, probability),
            _square("Their logits, the last column as reference", _logits(rates), number),
        ]
    return Section("Classification quality", body)


def _square(title: str, x: pd.DataFrame, shown: Callable[[float], str]):
    rows = [(str(k), *map(shown, r)) for k, r in zip(x.index, x.to_numpy(), strict=True)]
    return make_table(("", *map(str, x.columns)), rows, title=title)


def classification_rates(fit: Fit, name: str | None = None) -> pd.DataFrame:
    """P(most likely class = s | C = k): the classification error matrix of three-step methods.

    Parameters
    ----------
    fit : Fit
    name : str, optional
        The class variable; the first one if left out.

    Returns
    -------
    pandas.DataFrame
        True class in the rows, most likely class in the columns; rows sum to one.
    """
    average, counts = fit.classification(name), fit.class_counts(name)["most likely"].to_numpy()
    joint = np.nan_to_num(average.to_numpy()) * counts[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = (joint / joint.sum(axis=0)).T
    return pd.DataFrame(rates, index=average.columns, columns=average.index)


def _logits(rates: pd.DataFrame) -> pd.DataFrame:
    p = rates.clip(lower=TINY)
    return pd.DataFrame(np.log(p.div(p.iloc[:, -1], axis=0)))


# results ------------------------------------------------------------------------------------------


def _results(fit: Fit) -> list[Section]:
    """Parameters by level and class variable, item parameters by class."""
    parts = parts_of(fit)
    rows, out, seen = _Rows(fit), [], set()
    responses = sum(p["kind"] == "response" for p in parts)
    for part in sorted(parts, key=lambda p: (p["kind"] == "response", p["level"] == "cluster")):
        names = [q["name"] for q in part["parameters"] if q["name"] not in seen]
        seen.update(names)
        tables = _by_class(fit, part, names, rows) if part["kind"] == "response" else [_flat(names, rows)]
        if names:
            out.append(Section(_part_title(part, responses), [*tables, *_reference_note(fit, part, names)]))
    return out


def _part_title(part: Mapping[str, Any], n: int) -> str:
    if part["kind"] == "response":
        return "Results: items by class" + (f" ({part['name']})" if n > 1 else "")
    what = "class variable" if part["kind"] == "class" else "effect"
    return f"Results: {part['level']} level, {what} {part['name']}"


def row_of(table: pd.DataFrame, label: str) -> dict[str, Any]:
    """One row of a table, in plain values."""
    return {str(k): v for k, v in table.loc[label].items()}


class _Rows:
    """Cells of the results: estimate, SE, ratio, p, and what is fixed or at a boundary."""

    head = ("estimate", "SE", "est/SE", "p", "")

    def __init__(self, fit: Fit) -> None:
        self.fit, self.summary = fit, fit.summary()
        self.boundary = set(fit.quality.get("boundary", []))

    def entries(self, name: str) -> Iterator[tuple[tuple[int, ...], str]]:
        """Positions and labels of the entries that exist."""
        x = self.fit.params[name]
        absent = _absent(self.fit, x)
        return ((at, entry(name, x, at)) for at in np.ndindex(x.shape) if not absent[at])

    def cells(self, label: str) -> tuple[str, ...]:
        s = row_of(self.summary, label)
        if not s["free"]:
            return (number(s["estimate"]), "-", "-", "-", "fixed")
        mark = "boundary" if label in self.boundary or math.isnan(s["se"]) else ""
        return (number(s["estimate"]), number(s["se"]), number(s["ratio"]), p_value(s["p"]), mark)


def _absent(fit: Fit, x: xr.DataArray) -> np.ndarray:
    """Entries of categories and thresholds that an item does not have."""
    out = xr.zeros_like(x, dtype=bool)
    known = fit.info.get("categories", {})
    for part in (p for p in parts_of(fit) if p["kind"] == "response"):
        item = part["dims"]["item"]
        for dim, less in ((part["dims"]["category"], 0), (part["dims"]["threshold"], 1)):
            if item in x.dims and dim in x.dims:
                n = [len(known.get(str(i), range(x.sizes[dim] + less))) - less for i in x[item].values]
                position = xr.DataArray(np.arange(x.sizes[dim]), dims=dim)
                out = out | (position >= xr.DataArray(n, dims=item))
    return out.transpose(*x.dims).values


def _flat(names: Sequence[str], rows: _Rows) -> Group | Table:
    return make_table(("", *rows.head), [(label, *rows.cells(label)) for n in names for _, label in rows.entries(n)])


def _by_class(fit: Fit, part: Mapping[str, Any], names: Sequence[str], rows: _Rows) -> list[Group | Table]:
    """One table a class (or combination of classes), then what does not depend on a class."""
    blocks: dict[str, list[tuple[str, ...]]] = {}
    hidden = _references(fit, part, names)
    for name in names:
        x = fit.params[name]
        first: set[str] = set()
        for at, label in sorted(rows.entries(name), key=lambda pair: _item_position(x, part, pair[0])):
            if any(n == name and at[x.dims.index(d)] == k for n, d, k in hidden):
                continue
            block = _class_label(fit, x, at)
            shown = "" if block in first else name
            first.add(block)
            blocks.setdefault(block, []).append((shown, _item_label(fit, x, at, part), *rows.cells(label)))
    order = sorted(blocks, key=lambda b: b == "")
    return [make_table(("parameter", "item", *rows.head), blocks[b], left=2, title=b or _rest(blocks)) for b in order]


def _rest(blocks: Mapping[str, Any]) -> str:
    return "All classes" if len(blocks) > 1 else ""


def _item_position(x: xr.DataArray, part: Mapping[str, Any], at: tuple[int, ...]) -> tuple[int, ...]:
    item = part["dims"]["item"]
    return (at[x.dims.index(item)] if item in x.dims else 0, *at)


def _class_label(fit: Fit, x: xr.DataArray, at: tuple[int, ...]) -> str:
    dims = class_dims(parts_of(fit), x.dims)
    inside = ", ".join(f"{d} = {x[d].values[at[x.dims.index(d)]]}" for d in dims)
    return f"Class {inside}" if inside else ""


def _item_label(fit: Fit, x: xr.DataArray, at: tuple[int, ...], part: Mapping[str, Any]) -> str:
    """``A = 2``: item and category; ``A | 1``: item and threshold; further dims by their labels."""
    where = {str(d): str(x[d].values[i]) for d, i in zip(x.dims, at, strict=True)}
    item, category, threshold = (part["dims"][k] for k in ("item", "category", "threshold"))
    out = where.pop(item, "")
    if category in where:
        known = fit.info.get("categories", {}).get(out)
        position = at[x.dims.index(category)]
        out += f" = {known[position] if known else where[category]}"
        where.pop(category)
    if threshold in where:
        out += f" | {where.pop(threshold)}"
    for d in class_dims(parts_of(fit), x.dims):
        where.pop(d, None)
    return ", ".join(filter(None, [out, *where.values()])) or "-"


def _references(fit: Fit, part: Mapping[str, Any], names: Sequence[str]) -> list[tuple[str, str, int]]:
    """Reference categories: a whole category of a parameter fixed at zero."""
    category, out = part["dims"].get("category"), []
    for name in names:
        x, free = fit.params[name], fit.free[name]
        if category in x.dims and x.sizes[category] > 1:
            for k in range(x.sizes[category]):
                if not free.isel({category: k}).any() and (x.isel({category: k}) == 0).all():
                    out.append((name, str(category), k))
    return out


def _reference_note(fit: Fit, part: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    hidden = _references(fit, part, names) if part["kind"] == "response" else []
    return (
        [f"The first category of each item is the reference ({', '.join(n for n, _, k in hidden)} = 0, fixed)."]
        if hidden
        else []
    )


def _random(fit: Fit) -> Section | None:
    """SDs, correlations and intraclass correlations of the random parts of class logits."""
    blocks: dict[str, list[str]] = {}
    for name in map(str, fit.derived.data_vars):
        blocks.setdefault(name.rpartition("_")[0], []).append(name)
    body = [block for own, names in blocks.items() for block in _random_of(fit, own, names)]
    if not body:
        return None
    note = (
        "Intervals on the scale of log SD, Fisher's z and logit ICC. ICC (20): the share of these effects\n"
        "in the variance of a logit against the last class."
    )
    return Section("Random effects of the class logits", [*body, note])


def _random_of(fit: Fit, own: str, names: Sequence[str]) -> list[Any]:
    """The rows of the random parts with the loadings `<own>_loading`."""
    loading = fit.params[f"{own}_loading"]
    effects = [str(e) for e in loading[loading.dims[-2]].values]
    level = next((p["level"] for p in parts_of(fit) if p["kind"] == "effect" and p["name"] in effects), "unit")
    rows = [row for n in names for row in _derived_rows(fit, n, len(effects))]
    head = ("", "estimate", "SE", "95% lower", "upper", "")
    return [make_table(head, rows, title=f"Effects of {level}s: {', '.join(effects)}")] if rows else []


def _derived_rows(fit: Fit, name: str, effects: int) -> list[tuple[str, ...]]:
    """A row an entry; one without sampling variance is at a boundary, or a correlation by one factor."""
    x, se = fit.derived[name], fit.derived_se[name].values
    se = np.where(se > TINY * np.abs(x.values), se, np.nan)
    mark = "fixed: one factor" if effects == 1 and name.endswith("_correlation") else "boundary"
    columns = (x.values, se, *derived_interval(name, x.values, se))
    shown = derived_shown(name, x)
    return [
        (entry(name, x, at), *(number(float(v[at])) for v in columns), mark if np.isnan(se[at]) else "")
        for at in np.ndindex(x.shape)
        if shown[at]
    ]


# probability scale and odds ratios ----------------------------------------------------------------


def _probability_scale(fit: Fit) -> Section:
    parts = parts_of(fit)
    body = []
    for name, p in fit.probabilities.data_vars.items():
        items = [q for q in parts if q["kind"] == "response" and q["dims"]["item"] in p.dims]
        if items:
            body.append(_item_probabilities(fit, str(name), items[0]))
        else:
            body.append(_plain_probabilities(fit, str(name)))
    return Section("Results on the probability scale (standard errors in brackets)", [t for b in body for t in b])


def _with_error(p: float, se: float) -> str:
    if math.isnan(p):
        return "-"
    return f"{p:.3f} ({probability(se)})"


def _plain_probabilities(fit: Fit, name: str) -> list[Group | Table]:
    p, se = fit.probabilities[name], fit.probabilities_se[name]
    rows = [(entry(name, p, at), _with_error(float(p.values[at]), float(se.values[at]))) for at in np.ndindex(p.shape)]
    return [make_table(("", "probability"), rows)]


def _item_probabilities(fit: Fit, name: str, part: Mapping[str, Any]) -> list[Group | Table]:
    """Items and categories in the rows, classes in the columns, in as many tables as they need."""
    p, se = fit.probabilities[name], fit.probabilities_se[name]
    item, category = part["dims"]["item"], part["dims"]["category"]
    dims = class_dims(parts_of(fit), p.dims)
    columns = list(np.ndindex(*(p.sizes[d] for d in dims)))
    heads = [", ".join(f"{d} = {p[d].values[i]}" for d, i in zip(dims, at, strict=True)) or name for at in columns]
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
    known = fit.info.get("categories", {}).get(name)
    return f"{name} = {known[k] if known and k < len(known) else p[category].values[k]}"


def _odds(fit: Fit) -> Section | None:
    """exp(slope) of the class logits, with a 95% interval from the logit scale."""
    summary, rows = fit.summary(), []
    for part in (p for p in parts_of(fit) if p["kind"] == "class"):
        for name in [q["name"] for q in part["parameters"] if q["covariates"] is not None]:
            x = fit.params[name]
            labels = [entry(name, x, at) for at in np.ndindex(x.shape)]
            for label in (k for k in labels if summary.loc[k, "free"]):
                s = row_of(summary, label)
                ratio = math.exp(min(s["estimate"], 700.0))
                ends = (np.exp(s["lower"]), np.exp(s["upper"]))
                rows.append((label, *map(number, (ratio, ratio * s["se"], *ends)), p_value(s["p"])))
    if not rows:
        return None
    head = ("", "odds ratio", "SE", "95% lower", "upper", "p (log odds = 0)")
    return Section("Odds ratios of the covariates, against the reference class", [make_table(head, rows)])


# numerical quality, posterior, files --------------------------------------------------------------


def _quality(fit: Fit) -> Section:
    q = fit.quality
    rows = [
        ("Condition number (smallest / largest eigenvalue of the information)", f"{q.get('condition', math.nan):.2e}"),
        ("Largest entry of the gradient", f"{q.get('gradient', math.nan):.2e}"),
        ("Parameters at a boundary", len(q.get("boundary", [])) or "none"),
    ]
    body: list[Any] = [pairs(rows)]
    if q.get("boundary"):
        body.append(packed(q["boundary"]) + ":\nno standard errors.")
    if "audit" in q:
        body.append(_audit(q))
    if q.get("equal_solutions", 1) > 1:
        body.append(
            f"{q['equal_solutions']} DIFFERENT solutions have this log-likelihood: the model is not identified "
            "by these data."
        )
    return Section("Quality of the numerical results", body)


def _audit(q: Mapping[str, Any]) -> str:
    verdict = "fine" if abs(q["audit"]) < 0.1 else "LARGE: take more nodes"
    change = round(q["audit"], 4) + 0.0  # no "-0.0000"
    nodes, finer = _method(q["nodes"]), _method(q["audit_nodes"])
    return f"Quadrature audit: {change:+.4f} in log-likelihood from {nodes} to {finer} ({verdict})."


def _posterior(fit: Fit, post: xr.DataTree | None) -> Section | None:
    if post is None:
        return None
    from bayesmix.compare import compare

    found = compare(fit, post)
    d = found.diagnostics
    said = {
        "Draws": f"{d.get('chains')} chains of {d.get('draws')}",
        "Largest R-hat": number(d.get("max_rhat")),
        "Smallest bulk ESS": number(d.get("min_ess_bulk"), 0),
        "Divergent transitions": d.get("divergences"),
        "Draws relabelled": ", ".join(f"{k}: {percent(v)}" for k, v in d.get("relabelled", {}).items()),
        "Second mode": "YES: chains stay at different levels of log-likelihood"
        if d.get("second_mode")
        else "none seen",
    }
    head = ("", "ML", "SE", "mean", "SD", "95% lower", "upper", "R-hat", "ESS")
    columns = ["ml", "ml_se", "mean", "sd", "eti_lower", "eti_upper", "r_hat"]
    table = found.table.where(found.table.abs() > TINY, found.table * 0.0)
    rows = [(str(k), *map(number, r[columns]), number(r["ess_bulk"], 0)) for k, r in table.iterrows()]
    body = [pairs(said.items()), make_table(head, rows), found.loglik]
    return Section("Posterior (NUTS) beside maximum likelihood; equal-tailed intervals", body)


def _saved(fit: Fit) -> Section | None:
    units = [
        f"{name} of {len(fit.class_probabilities(name))} {_rows_or_clusters(fit, name)}"
        for name in _class_variables(fit)
    ]
    body = [f"Class probabilities, by fit.class_probabilities(): {'; '.join(units)}."] if units else []
    scores = [str(k) for k in fit.effect_scores.data_vars]
    graded = [k.removesuffix("_membership") for k in scores if k.endswith("_membership")]
    if graded:
        body.append(
            f"Grades of membership in {', '.join(graded)} of {fit.info.get('n_rows')} rows of the data, by "
            "fit.memberships()."
        )
    for dim, unit in (("row", "rows of the data"), ("cluster", "clusters")):
        if effects := [k for k in scores if f"{k}_sd" in scores and fit.effect_scores[k].dims == (dim,)]:
            n = fit.effect_scores.sizes[dim]
            body.append(f"Random effects {', '.join(effects)} of {n} {unit}, by fit.effects().")
    return Section("Saved", ["\n".join(body)]) if body else None


def _rows_or_clusters(fit: Fit, name: str) -> str:
    return _unit(fit, name).replace("individuals", "rows of the data")


# enumeration --------------------------------------------------------------------------------------


def _enumeration(found: Enumeration) -> list[Section]:
    table = found.table
    rows = [
        (
            str(k), number(r["loglik"]), str(int(r["parameters"])), *(number(r[c], 2) for c in ("AIC", "BIC", "aBIC")),
            number(r["entropy"]), percent(r["smallest class"]), str(int(r["replicated"])),
        )
        for k, r in table.iterrows()
    ]  # fmt: skip
    head = ("classes", "log-lik.", "param.", "AIC", "BIC", "aBIC", "entropy", "smallest", "replicated")
    best = "; ".join(f"{c}: {table[c].idxmin()} classes" for c in ("AIC", "BIC", "aBIC"))
    notes = [f"Smallest {best}. Column `smallest`: the smallest class."]
    if len(weak := table.index[table["replicated"] < 2]):
        notes.append(f"Best value NOT replicated with {', '.join(map(str, weak))} classes: ask for more starts.")
    if edges := {k: len(f.quality.get("boundary", [])) for k, f in found.fits.items() if f.quality.get("boundary")}:
        notes.append("Parameters at a boundary: " + ", ".join(f"{n} with {k} classes" for k, n in edges.items()) + ".")
    return [
        Section(
            f"Class enumeration: {found.best.info.get('model')}", [make_table(head, rows, left=0), "\n".join(notes)]
        )
    ]
