"""The numbers of an Mplus output under the names of a fit, with classes in the fit's order."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.optimize import least_squares

from bayesmix.mplus.data_file import factors
from bayesmix.mplus.output import Output
from bayesmix.mplus.places import Entry, Place, Words, fixed_value
from bayesmix.mplus.table import places
from bayesmix.results import Estimates, Fit, compare, entry
from bayesmix.spec import Model, Response
from bayesmix.spec.class_labels import relabel
from bayesmix.spec.parameters import Parameter

SAME = {"Means": ("Means", "Intercepts"), "Variances": ("Variances", "Residual Variances"),
        "Thresholds": ("Thresholds", "Steps")}  # fmt: skip
ROUNDING = 2e-3
"""What Mplus prints twice may differ by: three decimals each."""
SMALL = 1e-3
"""An SD at which a search for one begins, where that of the fit is none."""


def published(out: Output, fit: Fit, names: Mapping[str, str] | None = None) -> pd.DataFrame:
    """The numbers of an Mplus output beside which those of a fit of the same model stand.

    Parameters
    ----------
    out : Output
        What :func:`read` returns.
    fit : Fit
        A fit of the model that the output is of.
    names : mapping of str to str, optional
        The Mplus name of each column, such as :func:`write` returns. Left out, columns are found by their names in any
        case, or by the first eight letters of these; class variables in their order.

    Returns
    -------
    pandas.DataFrame
        By the row labels of :func:`bayesmix.compare`: `published`; `se`, NaN where Mplus prints the parts alone of what
        is a sum here; `place`, where it stands in the output. Classes are in the order of the fit's, by the nearest
        response parameters; the parameters of other reference classes follow. :func:`bayesmix.compare` takes the table.

    Raises
    ------
    ValueError
        No model results, other classes, items that are not found or are found twice, values that are not of this model.

    Examples
    --------
    >>> table = bm.mplus.published(bm.mplus.read(run_out), fit)
    >>> beside = bm.compare(fit, published=table).parameters
    >>> bool((beside["ml"] - beside["published"]).abs().max() < 0.001)
    True
    """
    if not isinstance(fit, Fit):
        raise TypeError(f"The fit came as {type(fit).__name__}, expected what bm.fit returns.")
    if not len(out.results):
        raise ValueError(
            f"The output has no model results to be laid beside the fit; missing: {'; '.join(out.missing)}."
        )
    model = fit.model
    _check_same(out, fit)
    words = _words(out, fit, names or {})
    values, errors, where = _solve(out, fit, places(model, words))
    values, errors, orders = _as_in(fit, values, errors)
    frames = [_rows(p.name, fit.params[p.name], values[p.name], errors[p.name], where, fit) for p in model.parameters]
    frames += _probabilities(out, fit, words, orders)
    table = pd.concat(frames).reindex(compare(fit).table.index)  # of two categories the second, as there
    if table["published"].isna().all():
        raise ValueError("None of the model's parameters was found in the output: is it of another model?")
    return table.dropna(subset=["published"])


def _check_same(out: Output, fit: Fit) -> None:
    """Refuse an output of other classes."""
    ours = [c.size for c in fit.model.classes]
    theirs = [n for name, n in out.input.classes.items() if name != out.input.known]
    if (fit.model.group is None) != (not out.input.known):
        what = f"the known classes {out.input.known}" if out.input.known else "no known classes (KNOWNCLASS)"
        raise ValueError(
            f"The output has {what}, the fit {'no groups' if out.input.known else f'groups of {fit.model.group!r}'}: "
            "give a fit of the same model."
        )
    order = [float(v) for _, v in out.input.known_values if re.match(r"^-?[\d.]+$", v)]
    if order != sorted(order):
        raise ValueError(
            f"KNOWNCLASS has the values {', '.join(f'{v:g}' for v in order)}, where the groups of a fit are sorted: "
            "their parameters would be those of other groups."
        )
    if sorted(ours) != sorted(theirs) and not (not theirs and ours in ([], [1])):
        raise ValueError(
            f"The output has classes of {theirs or 'none'}, the fit of {ours or 'none'}: give a fit of the same model."
        )


def _words(out: Output, fit: Fit, given: Mapping[str, str]) -> Words:
    """Find the Mplus name of every column, class variable and effect."""
    model, known = fit.model, [*out.input.names, *out.input.used]
    covariates = [x for c in model.covariates for x in re.split(r"\s*\+\s*", c.formula)]
    said = dict(m for m in re.findall(r"^ *! (\w+) is (.*\S) *$", out.input.text, re.MULTILINE))
    noted = {old: new for new, old in said.items()}  # by `write`
    used = [c for c in dict.fromkeys([*model.items, *covariates]) if c != "1"]
    names = {c: given.get(c) or noted.get(c if c.isascii() else ascii(c)) or _found(c, known) for c in used}
    if twice := [c for c in used if list(names.values()).count(names[c]) > 1]:
        raise ValueError(
            f"The columns {', '.join(map(repr, twice))} would all be {names[twice[0]]} of the output: give names="
            f"{{'{twice[0]}': 'its Mplus name', ...}}."
        )
    theirs = [c for c in out.input.classes if c != out.input.known]
    clusters = [c for c in theirs if c in out.input.between]
    own = [c for c in theirs if c not in clusters]
    for level, there in (("cluster", clusters), ("individual", own)):
        names |= {c.name: n for c, n in zip(model.classes_at(level), there, strict=False)}
    names |= {c.name: given.get(c.name, c.name) for c in model.classes if c.name not in names}
    names |= {e: given.get(e, e.upper()) for e in factors(model)}
    categories = {k: len(v) for k, v in dict(fit.info.get("categories") or {}).items()}
    groups = out.input.classes.get(out.input.known, 0)
    return Words({k: v.upper() for k, v in names.items()}, categories, groups, out.input.known)


def _found(column: str, known: Iterable[str]) -> str:
    """Find a column among the Mplus names."""
    name = re.sub(r"\W", "_", column).upper()
    same = {k for k in known if k == name} or {k for k in known if k[:8] == name[:8]}
    if len(same) != 1:
        what = "is not among the names of the input" if not same else f"may be any of {', '.join(sorted(same))}"
        raise ValueError(f"The column '{column}' {what}: give names={{'{column}': 'its Mplus name'}}.")
    return same.pop()


# parameters ---------------------------------------------------------------------------------------


def _solve(out: Output, fit: Fit, table: list[Place]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict]:
    """Find the entries of the parameters that make what Mplus prints, one after the other."""
    params = {p.name: fit.params[p.name].transpose(*p.dims) for p in fit.model.parameters}
    lengths = {name: dict(zip(p.dims, params[name].shape, strict=True)) for name, p in
               ((p.name, p) for p in fit.model.parameters)}  # fmt: skip
    values = {name: np.full(x.shape, np.nan) for name, x in params.items()}
    errors, where = {k: v.copy() for k, v in values.items()}, {}
    fixed: set[Entry] = set()
    for p in fit.model.parameters:
        for at in np.ndindex(values[p.name].shape):
            known = fixed_value(p, at, lengths[p.name])
            if known is not None:
                values[p.name][at] = known
                fixed.add((p.name, at))
    found = [(place, *there) for place in table if place.combination and (there := _lookup(out, place))]
    _check_found(fit.model, table, [place for place, *_ in found])
    pending = [row for row in found if row[0].joint is None]
    while pending:
        left = []
        for place, m, se in pending:
            unknown = [(a, e) for a, e in place.combination if np.isnan(values[e[0]][e[1]])]
            if len(unknown) > 1:
                left.append((place, m, se))
                continue
            rest = sum(a * values[e[0]][e[1]] for a, e in place.combination if (a, e) not in unknown)
            x = place.form.back(m)
            if not unknown:
                _check_equal(place, x, rest)
                continue
            (a, (name, at)) = unknown[0]
            values[name][at] = (x - rest) / a
            others = [e for _, e in place.combination if e != (name, at) and e not in fixed]
            errors[name][at] = np.nan if others or se <= 0 else abs(place.form.slope(m) / a) * se
            where[name, at] = _title(place)
        if len(left) == len(pending):
            break
        pending = left
    _solve_joint([row for row in found if row[0].joint is not None], params, values, where)
    for p in fit.model.parameters:
        _over_groups(p, values[p.name], errors[p.name])
    return values, errors, where


def _solve_joint(
    rows: list[tuple[Place, float, float]], params: Mapping[str, xr.DataArray], values: Mapping[str, np.ndarray],
    where: dict,
) -> None:  # fmt: skip
    """Find the entries of which covariances and probabilities are functions, beginning at those of the fit."""
    unknown = list(dict.fromkeys(e for place, *_ in rows for _, e in place.combination if np.isnan(values[e[0]][e[1]])))
    if not unknown:
        return
    made = {name: x.copy(data=np.where(np.isnan(values[name]), x.values, values[name])) for name, x in params.items()}

    def misses(theta: np.ndarray) -> np.ndarray:
        for (name, at), x in zip(unknown, theta, strict=True):
            made[name].values[at] = x
        return np.array([place.value(made) - m for place, m, _ in rows])

    start = np.array([made[name].values[at] for name, at in unknown])
    solution = least_squares(misses, np.where(np.abs(start) < SMALL, SMALL, start), xtol=1e-12, ftol=1e-12)
    if np.abs(solution.fun).max() > ROUNDING:
        return
    for (name, at), x in zip(unknown, solution.x, strict=True):
        values[name][at] = x
        where[name, at] = _title(next(place for place, *_ in rows if (name, at) in {e for _, e in place.combination}))


def _over_groups(p: Parameter, values: np.ndarray, errors: np.ndarray) -> None:
    """Give entries that are alike in all groups the value of the first."""
    for a in p.alike:
        axis = p.dims.index(a.over)
        for at in np.ndindex(values.shape):
            if at[axis] and all(at[p.dims.index(d)] == k for d, k in a.positions if d):
                first = (*at[:axis], 0, *at[axis + 1 :])
                values[at], errors[at] = values[first], errors[first]


def _check_found(model: Model, table: list[Place], found: list[Place]) -> None:
    """Refuse an output without parameters by which classes are told apart; say what else it does not have."""
    there = {name for place in found for _, (name, _) in place.combination}
    gone = {name: place for place in table for _, (name, _) in place.combination if name not in there}
    of_items = [t.parameter.name for r in model.responses for t in r.terms]
    if lost := [name for name in of_items if name in gone]:
        raise ValueError(
            f"The output has nothing for '{lost[0]}', such as {_title(gone[lost[0]])}: is it of the same model?"
        )
    if gone:
        said = ", ".join(f"'{name}' ({_title(place)})" for name, place in gone.items())
        warnings.warn(f"The output has nothing for {said}: these rows are left out.", stacklevel=4)


def _check_equal(place: Place, x: float, known: float) -> None:
    """Refuse a value that another place has differently: what is one parameter here is two in the output."""
    if np.isfinite(x) and abs(x - known) > ROUNDING * max(1.0, abs(known)):
        raise ValueError(
            f"The output has {known:.3f} and, at {_title(place)}, {x:.3f} for what is one parameter in the fit: it is "
            "of a model with fewer constraints; fit that one."
        )


def _title(place: Place) -> str:
    parts = [
        ".".join(f"{name}#{k + 1}" for name, k in place.scope),
        place.outcome,
        place.heading,
        place.variable,
    ]
    return " ".join(p for p in parts if p)


def _lookup(out: Output, place: Place) -> tuple[float, float] | None:
    """Find the estimate and SE of a place among the model results; None where they are not."""
    table = out.results
    heading = table["heading"].isin(SAME.get(place.heading, (place.heading,))).to_numpy()
    keep = heading & _named(table, place.outcome, place.variable)
    if place.heading == "WITH":  # of two variables either may stand first
        keep |= heading & _named(table, place.variable, place.outcome)
    for name, k in place.scope:
        keep &= np.array([_is_class(out, label, name, k) for label in table["class"]])
    logits = place.variable.rpartition("#")[0] in out.input.classes  # their means may be printed at either level
    if (table["level"] == "Between").any() and not logits:
        keep &= ((table["level"] == "Between") == place.between).to_numpy()
    hit = table[keep]
    if not len(hit):
        return None
    if len(hit) > 1 and (hit["estimate"] - hit["estimate"].iloc[0]).abs().max() > ROUNDING:
        raise ValueError(
            f"{_title(place)} stands {len(hit)} times in the output, with different values: it is of a model with "
            "fewer constraints; fit that one."
        )
    return float(hit["estimate"].iloc[0]), float(hit["se"].iloc[0])


def _named(table: pd.DataFrame, outcome: str, variable: str) -> np.ndarray:
    """Mark the rows of a variable, and of an outcome where there is one."""
    keep = np.array([_matches(v, variable) for v in table["variable"]])
    return keep & np.array([_matches(v, outcome) for v in table["outcome"]]) if outcome else keep


def _is_class(out: Output, label: str, name: str, k: int) -> bool:
    """Whether a label of the results, ``2``, ``C#2`` or the pattern ``1 2``, is of class `k`, from 0, of `name`."""
    pattern = dict(zip(out.input.classes, label.split(), strict=False)) if label[:1].isdigit() else {}
    return f"{name}#{k + 1}" in label.split(".") or pattern.get(name) == str(k + 1)


def _matches(printed: str, name: str) -> bool:
    """Whether a printed name, cut to eight or ten letters, is `name`; what follows $ or # must be the same."""
    a, b = re.split(r"([$#])", printed.upper(), maxsplit=1), re.split(r"([$#])", name.upper(), maxsplit=1)
    return a[1:] == b[1:] and (a[0] == b[0] or (len(a[0]) >= 8 and b[0].startswith(a[0])))


# the order of classes -----------------------------------------------------------------------------


def _as_in(
    fit: Fit, values: Mapping[str, np.ndarray], errors: Mapping[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[tuple[str, ...], np.ndarray]]:
    """Put classes in the order of the fit's, and factors in its direction; return the orders too.

    What is not known is the fit's while this is done. An SE is that of another number where the reference class
    changes.
    """
    model = fit.model
    pivot = {p.name: fit.params[p.name].transpose(*p.dims).values for p in model.parameters}
    unknown = {k: np.isnan(x) for k, x in values.items()}
    whole = {k: np.where(unknown[k], pivot[k], x)[None] for k, x in values.items()}
    known = {k: x for k, x in pivot.items() if not unknown[k].all()}
    moved, found = relabel(model, whole, known)
    orders = {dims: order[0] for dims, order in found.items()}
    out, left = {}, {}
    for p in model.parameters:
        gone, se = unknown[p.name], errors[p.name]
        for dims, order in orders.items():
            for axis, d in enumerate(p.dims):
                if d in dims:
                    gone, se = np.take(gone, order, axis=axis), np.take(se, order, axis=axis)
            logits = any(f.value == 0.0 and any(d in dims for d, _ in f.positions) for f in p.fixed)
            if logits and order[-1] != len(order) - 1:
                gone, se = np.broadcast_to(gone.any(), gone.shape), np.full_like(se, np.nan)
        out[p.name], left[p.name] = np.where(gone, np.nan, moved[p.name][0]), se
    return out, left, orders


def _rows(name: str, x: xr.DataArray, values: np.ndarray, errors: np.ndarray, where: dict, fit: Fit) -> pd.DataFrame:
    """The free entries of a parameter."""
    free = fit.free[name].transpose(*x.dims).values
    at = [k for k in np.ndindex(x.shape) if free[k]]
    titles = {v for (n, _), v in where.items() if n == name}
    kind = next(iter(sorted(titles)), "")
    return pd.DataFrame(
        {"published": [values[k] for k in at], "se": [errors[k] for k in at],
         "place": [f"MODEL RESULTS ({kind}, ...)" if len(titles) > 1 else f"MODEL RESULTS ({kind})"] * len(at)},
        index=pd.Index([entry(name, x, k) for k in at], name="entry"),
    )  # fmt: skip


# probabilities ------------------------------------------------------------------------------------


def _probabilities(out: Output, fit: Fit, words: Words, orders: Mapping[tuple[str, ...], Any]) -> list[pd.DataFrame]:
    """What Mplus prints in the probability scale: class sizes, items, transitions."""
    of = {d: order for dims, order in orders.items() for d in dims}

    def old(variable: str, k: int) -> int:
        return int(of[variable][k]) + 1 if variable in of else k + 1

    rows: list[tuple[str, float, float, str]] = []
    known = Estimates.of(fit).quantities
    for name, x in fit.probabilities.data_vars.items():
        what = known.get(str(name))
        for at in np.ndindex(x.shape) if what else ():
            label = dict(zip(map(str, x.dims), at, strict=True))
            found: tuple[float, float, str] | None = None
            if what and what.kind == "class size" and list(x.dims) == [what.of]:
                found = _size(out, words.names[what.of], old(what.of, label[what.of]))
            elif what and what.kind == "transition" and len(x.dims) == 2:
                a, b = map(str, x.dims)
                found = _transition(out, words, (a, old(a, label[a])), (b, old(b, label[b])))
            elif what and what.kind == "item probability":
                r = next(r for r in fit.model.responses if r.name == what.of)
                found = _item(out, fit.model, r, label, words, old)
            if found:
                rows.append((entry(str(name), x, at), *found))
    index = pd.Index([r[0] for r in rows], name="entry")
    return [pd.DataFrame([r[1:] for r in rows], columns=["published", "se", "place"], index=index)] if rows else []


def _size(out: Output, name: str, k: int) -> tuple[float, float, str] | None:
    t = out.class_counts
    hit = t[(t["basis"] == "model") & (t["class"] == str(k))]
    hit = hit[hit["variable"] == (name if len(out.input.classes) > 1 else "")]
    return (float(hit["proportion"].iloc[0]), np.nan, "FINAL CLASS PROPORTIONS") if len(hit) else None


def _transition(out: Output, words: Words, a: tuple[str, int], b: tuple[str, int]) -> tuple[float, float, str] | None:
    t = out.transitions
    if not len(t):
        return None
    hit = t[(t["from"] == words.names[a[0]]) & (t["to"] == words.names[b[0]])]
    hit = hit[(hit["from_class"] == str(a[1])) & (hit["to_class"] == str(b[1]))]
    return (float(hit["probability"].iloc[0]), np.nan, "LATENT TRANSITION PROBABILITIES") if len(hit) else None


def _item(
    out: Output, model: Model, r: Response, at: Mapping[str, int], words: Words, old: Callable[[str, int], int]
) -> tuple[float, float, str] | None:
    """The probability of a category, printed for each item and class."""
    t = out.probabilities
    dims = [d for d in at if d not in (r.item_dim, r.category_dim)]
    if not len(t) or len(dims) > 1 or at[r.category_dim] >= words.categories.get(r.items[at[r.item_dim]], 0):
        return None
    hit = t[[_matches(v, words.names[r.items[at[r.item_dim]]]) for v in t["variable"]]]
    hit = hit[hit["category"] == at[r.category_dim] + 1]
    if dims:
        k = old(dims[0], at[dims[0]])
        here = {d for term in r.terms for shared, d in term.rename if shared == dims[0]} or {dims[0]}
        own = [words.names[c.name] for c in model.classes if c.name in here]
        hit = hit[hit["class"].isin([str(k), *(f"{c}#{k}" for c in own)])]
    if not len(hit):
        return None
    return float(hit["estimate"].iloc[0]), float(hit["se"].iloc[0]) or np.nan, "RESULTS IN PROBABILITY SCALE"
