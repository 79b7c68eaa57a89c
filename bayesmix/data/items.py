"""Items: from columns to codes and numbers, with one order of categories for all that share parameters."""

from __future__ import annotations

import graphlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.data.coding import Coding
from bayesmix.data.columns import Labels, native, numbers, read
from bayesmix.spec import Model, Response
from bayesmix.spec.parameters import Parameter
from bayesmix.typing import Array

MAX_CATEGORIES = 30
COLLINEAR = 1e-7
"""Of an item's SD is left, the items before it taken out, if it is a combination of them."""
PAIRS = (
    ("wrong", "right"), ("incorrect", "correct"), ("false", "true"), ("f", "t"), ("no", "yes"), ("n", "y"),
    ("disagree", "agree"), ("absent", "present"), ("negative", "positive"), ("neg", "pos"), ("-", "+"),
    ("fail", "pass"), ("failed", "passed"), ("failure", "success"), ("low", "high"), ("off", "on"), ("bad", "good"),
    ("never", "ever"), ("never", "always"), ("never", "sometimes"), ("never", "often"), ("none", "some"),
    ("none", "any"), ("unlikely", "likely"), ("unsatisfied", "satisfied"), ("dissatisfied", "satisfied"),
    ("nonmaster", "master"), ("miss", "hit"), ("missed", "hit"), ("control", "case"),
)  # fmt: skip
"""Words that are 0 and 1, in any case; "not x" and "x" besides."""


@dataclass(frozen=True)
class Coded:
    """The items of a response over the rows of the data.

    Attributes
    ----------
    y : array (row, item)
        Codes of categories, or numbers; NaN where missing or not used.
    categories : list of list
        Of each item; empty for numbers.
    width : int
        The most categories that an item of the same dim has.
    center, scale : array (item,)
        Mean and SD of numbers.
    column : array (row,), optional
        The column that the family reads beside the items: numbers of trials.
    """

    items: tuple[str, ...]
    y: Array
    categories: list[list]
    width: int
    center: Array
    scale: Array
    column: Array | None = None


def coded_items(
    model: Model, df: pd.DataFrame, used: NDArray[np.bool_], coding: Coding | None = None
) -> dict[str, Coded]:
    """The items of each response; those that share parameters have the codes of the same categories.

    Parameters
    ----------
    used : array of bool
        Rows that count: what occurs in others alone does not exist.
    coding : Coding, optional
        Followed for the items that are in it; no item then has to vary.

    Raises
    ------
    ValueError
        A constant item, text where numbers or an order are expected, occasions that are coded in two ways, ...
    """
    beside, names = sharing(model), _names(model)
    categories, y = {}, {}
    for r in model.responses:
        for item in r.items:
            what = f"Item '{item}'"
            if r.family.kind == "categorical":
                y[item] = read(what, df[item], used)
            else:
                y[item] = _checked_numbers(what, numbers(what, df[item], used), r)
    said: dict[tuple[str, str], list[str]] = {}
    for group in dict.fromkeys(beside.values()):
        r = next(r for r in model.responses if group[0] in r.items)
        if coding is None:
            _check_there(group, y)
        if r.family.kind == "categorical":
            categories |= _categories(group, names[group[0]], r, y, coding, said)
        elif coding is None:
            _check_varies(group, y)
    for r in model.responses if coding is None else ():
        if r.family.joint:
            _check_matrix(r, {i: y[i] for i in r.items})
    _say_pairs(said)
    out = {r.name: _coded(r, y, categories, beside) for r in model.responses}
    for r in (r for r in model.responses if r.family.column):
        out[r.name] = replace(out[r.name], column=_trials(r, out[r.name], df, used))
    return _same_width(model, out)


def of_clusters(
    model: Model, df: pd.DataFrame, used: NDArray[np.bool_], coded: Mapping[str, Coded]
) -> dict[str, Coded]:
    """The items, with answers of clusters in the first row of each that counts: there they count once.

    Raises
    ------
    ValueError
        Answers of clusters that vary within one.
    """
    out = dict(coded)
    for r in (r for r in model.responses if r.level == "cluster"):
        cluster = pd.factorize(native(df[str(model.cluster)]))[0]
        there = np.flatnonzero(used & (cluster >= 0))
        y = np.full(coded[r.name].y.shape, np.nan)
        for k, item in enumerate(r.items):
            own = pd.Series(coded[r.name].y[there, k]).groupby(cluster[there])
            if (odd := own.max() > own.min()).any():
                at = there[cluster[there] == odd[odd].index[0]][0]
                raise ValueError(
                    f"'{item}' varies within {model.cluster} {df[str(model.cluster)].iloc[at]!r}, of which it is one "
                    "answer: give the same value, or a missing one, to all its rows."
                )
            first = there[np.unique(cluster[there], return_index=True)[1]]
            y[first, k] = own.first().to_numpy()
        out[r.name] = replace(out[r.name], y=y)
    return out


def sharing(model: Model) -> dict[str, tuple[str, ...]]:
    """The items that have parameters in common with each item, itself among them."""
    out = {item: (item,) for item in model.items}
    if model.repeated is not None:
        out |= dict.fromkeys(model.responses[0].items, model.responses[0].items)
    for r in (r for r in model.responses if r.family.kind == "categorical" and not _of_items(r)):
        out |= dict.fromkeys(r.items, r.items)
    for p in model.parameters:
        rs = [r for r in model.responses if _by_item(r, p)]
        for items in zip(*(r.items for r in rs), strict=False) if len(rs) > 1 else ():
            together = tuple(dict.fromkeys(i for item in items for i in out[item]))
            out |= dict.fromkeys(together, together)
    return out


def _of_items(r: Response) -> bool:
    """Whether intercepts or thresholds belong to items, or nothing does: those of repeated measures are common."""
    return any(r.item_dim in t.dims for t in r.terms if not (t.effects or t.covariates))


def _by_item(r: Response, p: Parameter) -> bool:
    used = [t for t in r.terms if t.parameter == p]
    return any(r.item_dim in t.dims for t in used)


def _names(model: Model) -> dict[str, str]:
    """The name in results of each column."""
    return {i: n for r in model.responses for i, n in zip(r.items, r.labels or r.items, strict=True)}


def _checked_numbers(what: str, y: Array, r: Response) -> Array:
    seen, name = y[~np.isnan(y)], r.family.name
    if np.isinf(seen).any():
        raise ValueError(f"{what} has infinite values: set them to missing (NaN) or drop the rows.")
    if words := r.family.refused(seen):
        raise ValueError(f"{what} {words}: correct it, or set it to missing (NaN).")
    if r.family.kind in ("count", "trials") and (bad := seen[(seen < 0) | (seen % 1 != 0)]).size:
        raise ValueError(f"{what} came with {bad[0]:g}, expected counts 0, 1, 2, ... for the family {name}.")
    return y


def _trials(r: Response, coded: Coded, df: pd.DataFrame, used: NDArray[np.bool_]) -> Array:
    """The column of trials of a response: whole numbers, no smaller than the successes, there where an answer is."""
    column = str(r.family.column)
    what = f"The column of trials '{column}'"
    n = numbers(what, df[column], used)
    seen = n[~np.isnan(n) & used]
    if (bad := seen[(seen < 0) | (seen % 1 != 0) | np.isinf(seen)]).size:
        raise ValueError(f"{what} came with {bad[0]:g}, expected whole numbers 0, 1, 2, ...: correct it.")
    for k, item in enumerate(r.items):
        y = coded.y[:, k]
        there = used & ~np.isnan(y)
        if (gone := there & np.isnan(n)).any():
            raise ValueError(
                f"{what} is missing in row {df.index[gone][0]}, where '{item}' has an answer: give the number of "
                "trials, or set the answer to missing (NaN)."
            )
        with np.errstate(invalid="ignore"):
            over = there & (y > n)
        if over.any():
            raise ValueError(
                f"Item '{item}' came with {y[over][0]:g} successes of {n[over][0]:g} trials (column '{column}') in row "
                f"{df.index[over][0]}: there are no more successes than trials; correct one of them."
            )
    return n


def _seen(x: Labels | Array) -> list:
    return x.values if isinstance(x, Labels) else list(np.unique(x[~np.isnan(x)])[:2])


def _check_there(group: Sequence[str], y: Mapping[str, Any]) -> None:
    if not any(_seen(y[i]) for i in group):
        raise ValueError(f"{_plural(group)} missing in every row: leave {_it(group)} out.")


def _check_varies(group: Sequence[str], y: Mapping[str, Any]) -> None:
    if len(values := {v for i in group for v in _seen(y[i])}) == 1:
        raise ValueError(_constant(group, values.pop()))


def _check_matrix(r: Response, y: Mapping[str, Array]) -> None:
    """Refuse jointly normal items of too few rows, and items that others determine.

    Raises
    ------
    ValueError
        The numbers, or the item.
    """
    used = [r.items[k] for k in range(len(r.items)) if any(k in pair for pair in r.pair_places)]
    x = np.column_stack([y[i] for i in used])
    whole = x[~np.isnan(x).any(axis=1)]
    pairs = [(a, b) for a, b in r.pairs if a in y and b in y]
    if alone := [(a, b) for a, b in pairs if not (~np.isnan(y[a]) & ~np.isnan(y[b])).any()]:
        raise ValueError(
            f"No row has an answer to both '{alone[0][0]}' and '{alone[0][1]}': their residual covariance cannot be "
            "estimated. Leave the pair out of covariance=."
        )
    seen = int((~np.isnan(x)).any(axis=1).sum())
    if seen <= len(used):
        raise ValueError(
            f"Residual covariances of {len(used)} items came with {seen} rows: their matrix is singular. Give more "
            "rows than items, fewer items, or covariance='none'."
        )
    if len(whole) <= len(used):
        return
    away = (whole - whole.mean(axis=0)) / np.maximum(whole.std(axis=0), 1e-300)
    for k in range(1, len(used)):
        left = away[:, k] - away[:, :k] @ np.linalg.lstsq(away[:, :k], away[:, k], rcond=None)[0]
        if left.std() < COLLINEAR:
            raise ValueError(
                f"Item '{used[k]}' is a linear combination of {', '.join(used[:k])}: with residual covariances the "
                "log-likelihood has no maximum. Leave one of them out."
            )


def _plural(group: Sequence[str]) -> str:
    return f"Item '{group[0]}' is" if len(group) == 1 else f"The items {', '.join(group)} are"


def _it(group: Sequence[str]) -> str:
    return "it" if len(group) == 1 else "them"


def _constant(group: Sequence[str], value: Any) -> str:
    value = value.item() if isinstance(value, np.generic) else value
    return (
        f"{_plural(group)} constant (every answer is {value!r}): {'it carries' if len(group) == 1 else 'they carry'} "
        f"no information about the classes. Leave {_it(group)} out."
    )


# categories ---------------------------------------------------------------------------------------


def _categories(group, name: str, r: Response, y: Mapping[str, Labels], coding: Coding | None, said) -> dict[str, list]:
    """The categories of items that share parameters, in the order of their codes."""
    known = coding.categories if coding else {}
    if all(i in known for i in group):
        for i in group:
            _check_known(i, y[i], known[i])
        return {i: list(known[i]) for i in group}
    if coding and (given := [known[i] for i in group if i in known]):
        return _categories(group, name, r, y, Coding(dict.fromkeys(group, given[0])), said)
    found = _ordered(group, name, r, y, said)
    _check_number(group, r, found, y, coding is None)
    return dict.fromkeys(group, found)


def _check_known(item: str, found: Labels, known: Sequence) -> None:
    if unknown := [v for v in found.values if v not in known]:
        raise ValueError(
            f"Item '{item}' came with {unknown[0]!r}, which is not among the categories of the fit "
            f"({', '.join(map(repr, known))}): correct it, set it to missing (NaN), or drop the rows."
        )


def _ordered(group, name: str, r: Response, y: Mapping[str, Labels], said) -> list:
    some = {i: y[i] for i in group if y[i].values}
    for i, found in some.items():
        _check_kind(i, found)
    if len(kinds := {f.kind for f in some.values()}) > 1:
        (a, x), (b, z) = next(((a, x), (b, z)) for (a, x), (b, z) in combinations(some.items(), 2) if x.kind != z.kind)
        raise ValueError(
            f"The item '{name}' is coded in two ways: '{a}' has {x.shown} ({_kind_word(x)}), '{b}' has {z.shown} "
            f"({_kind_word(z)}). These share parameters: code them alike."
        )
    values = {i: f.values for i, f in some.items()}
    if any(f.declared is not None for f in some.values()):
        return _in_declared_order(name, some)
    union = sorted({v for f in values.values() for v in f})
    _say_case(name, union)
    _check_two_codings(name, values, union)
    return union if kinds in ({"number"}, {"digits"}) else _text_order(group, r, union, said)


def _kind_word(found: Labels) -> str:
    return {"number": "numbers", "digits": "numbers as text"}.get(found.kind, "text")


def _check_kind(item: str, found: Labels) -> None:
    if found.kind == "mixed":
        text = next(v for v in found.values if isinstance(v, str))
        raise ValueError(
            f"Item '{item}' mixes text and numbers (such as {text!r}): give one kind, or set the "
            "missing-value code to NaN."
        )
    if any(isinstance(v, float) and np.isinf(v) for v in found.values):
        raise ValueError(f"Item '{item}' has infinite values: set them to missing (NaN).")


def _in_declared_order(name: str, some: Mapping[str, Labels]) -> list:
    """The one order that agrees with those of all Categoricals."""
    lists = [f.declared for f in some.values() if f.declared is not None]
    used = {v for f in some.values() for v in f.values}
    follows: dict[Any, set] = {v: set() for known in lists for v in known}
    for known in lists:
        for a, b in pairwise(known):
            follows[b].add(a)
    if unknown := [v for v in used if v not in follows]:
        raise ValueError(
            f"The item '{name}' has the category {unknown.pop()!r}, which is not among those declared "
            f"({', '.join(map(repr, follows))}): give all columns the same categories."
        )
    try:
        order = list(graphlib.TopologicalSorter(follows).static_order())
    except graphlib.CycleError:
        order = []
    if not order or any(a not in follows[b] for a, b in pairwise(order)):
        raise ValueError(
            f"The item '{name}' came with Categoricals of other orders: {lists[0]} and "
            f"{next((k for k in lists if k != lists[0]), lists[-1])}. Give all columns the same categories."
        )
    return [v for v in order if v in used]


def _check_two_codings(name: str, values: Mapping[str, list], union: list) -> None:
    """Occasions whose categories do not overlap, or are shifted: 0, 1 and 1, 2."""
    if any(set(v) == set(union) for v in values.values()):
        return
    for (a, x), (b, z) in combinations(values.items(), 2):
        common = set(x) & set(z)
        numbers_ = not any(isinstance(v, str) for v in (*x, *z))
        shift = {q - p for p, q in zip(sorted(x), sorted(z), strict=True)} if numbers_ and len(x) == len(z) else set()
        if not common or (len(x) > 1 and len(shift) == 1):
            raise ValueError(
                f"The item '{name}' seems to be coded in two ways: '{a}' has {', '.join(map(repr, sorted(x)[:5]))}, "
                f"'{b}' has {', '.join(map(repr, sorted(z)[:5]))}. These share parameters: code them alike; where both "
                f"are right, declare the categories of both: pd.Categorical(df['{a}'], categories={union!r}, "
                "ordered=True)."
            )
    warnings.warn(
        f"No column of the item '{name}' ({', '.join(values)}) has all its categories: they are taken to be "
        f"{', '.join(map(repr, union))}.",
        stacklevel=2,
    )


def _say_case(name: str, union: list) -> None:
    """Name words that differ by their case alone."""
    lower = [v.casefold() if isinstance(v, str) else v for v in union]
    if same := [v for v, low in zip(union, lower, strict=True) if lower.count(low) > 1]:
        warnings.warn(
            f"Item '{name}' has {' and '.join(map(repr, same[:2]))}: taken as categories of their own. If they are "
            "one, make them so: column.str.lower().",
            stacklevel=2,
        )


def _text_order(group: Sequence[str], r: Response, union: list[str], said: dict) -> list[str]:
    """Text in an order that is known, or does not matter."""
    directed = r.family.directed or any(t.effects for t in r.predictor)
    if len(union) == 2 and directed and (pair := known_pair(union)):
        return pair
    if r.family.needs_order and len(union) > 1:
        raise ValueError(_ask_for_order(group[0], union, r.family.needs_order))
    if len(union) == 2 and directed:
        said.setdefault((union[0], union[1]), []).append(group[0])
    return union


def known_pair(words: Sequence[str]) -> list[str] | None:
    """Two words in the order of 0 and 1, if that is known."""
    for a, b in (words, words[::-1]):
        low, high = str(a).casefold(), str(b).casefold()
        if (low, high) in PAIRS or low in (f"not {high}", f"no {high}", f"non-{high}", f"in{high}", f"un{high}"):
            return [a, b]
    return None


def _ask_for_order(item: str, union: list[str], what: str) -> str:
    return (
        f"Item '{item}' came as text ({', '.join(map(repr, union[:5]))}{', ...' if len(union) > 5 else ''}), whose "
        f"order nobody gave; {what} needs it. Declare it, the lowest first, here in alphabetical order: "
        f"df['{item}'] = pd.Categorical(df['{item}'], categories={union!r}, ordered=True); or give numbers."
    )


def _say_pairs(said: Mapping[tuple[str, str], list[str]]) -> None:
    for (low, high), items in said.items():
        shown = ", ".join(items[:5]) + (", ..." if len(items) > 5 else "")
        warnings.warn(
            f"Text of two kinds in {shown}: {low!r} is taken as 0 and {high!r} as 1. For the other direction give 0 "
            "and 1, or an ordered Categorical.",
            stacklevel=3,
        )


def _check_number(group, r: Response, labels: list, y: Mapping[str, Labels], must_vary: bool) -> None:
    """As many categories as the family has, and not too many; near ones are one."""
    n, name = len(labels), r.family.name
    if n == 1 and must_vary:
        raise ValueError(_constant(group, labels[0]))
    if n < 2 and not must_vary:
        raise ValueError(
            f"{_plural(group)} constant or missing in these rows, so that nothing tells the other categories: "
            f"declare them all, df['{group[0]}'] = pd.Categorical(df['{group[0]}'], categories=[...]), or give the "
            "parameters as fit.params."
        )
    if r.family.most_categories and n > r.family.most_categories:
        shown = ", ".join(map(str, labels[:5]))
        if len(group) > 1:
            raise ValueError(
                f"The items {', '.join(group)} share parameters but have {n} categories between them ({shown}), "
                f"expected {r.family.most_categories} for the family {name}: code them alike."
            )
        raise ValueError(
            f"Item '{group[0]}' has {n} categories ({shown}...), expected {r.family.most_categories} for the family "
            f"{name}: use nominal() or ordinal(), or set the missing-value code to NaN."
        )
    if n > MAX_CATEGORIES and not all(y[i].categorical for i in group if y[i].values):
        raise ValueError(
            f"Item '{group[0]}' has {n} distinct values, too many for the family {name}: is it a measurement "
            f"(normal()) or a count (poisson())? If they are {n} categories, declare them: "
            f"df['{group[0]}'].astype('category')."
        )
    close = [a for a, b in pairwise(labels) if isinstance(b, float) and b - a < 1e-9 * max(1.0, abs(b))]
    if close:
        raise ValueError(f"Item '{group[0]}' has categories that differ by rounding, near {close[0]}: round them.")


# responses ----------------------------------------------------------------------------------------


def _coded(
    r: Response, y: Mapping[str, Any], categories: Mapping[str, list], beside: Mapping[str, Sequence[str]]
) -> Coded:
    if r.family.kind == "categorical":
        each, own = (_codes(y[i], categories[i]) for i in r.items), [categories[i] for i in r.items]
    else:
        each, own = (y[i] for i in r.items), [[] for _ in r.items]
    scales = [_scale(y[i], [y[k] for k in beside[i]]) if r.family.standardised else (0.0, 1.0) for i in r.items]
    center, scale = np.array(scales).T
    found = y[r.items[0]]
    columns = np.empty((len(found.codes if isinstance(found, Labels) else found), len(r.items)))
    for k, x in enumerate(each):  # one at a time: no second copy of all
        columns[:, k] = x
    return Coded(r.items, columns, own, max(map(len, own)), center, scale)


def _codes(found: Labels, categories: Sequence) -> Array:
    """Positions in the categories; NaN where missing."""
    to = np.array([*(float(categories.index(v)) for v in found.values), np.nan])
    return to[found.codes]


def _scale(own: Array, all_occasions: Sequence[Array]) -> tuple[float, float]:
    """Mean and SD of an item; those of all its occasions where it is constant or missing at this one."""
    for values in (own, np.concatenate(all_occasions)):
        seen = values[~np.isnan(values)]
        if seen.size and (sd := float(seen.std())) > 0:
            return float(seen.mean()), sd
    seen = own[~np.isnan(own)]
    return (float(seen.mean()) if seen.size else 0.0), 1.0


def _same_width(model: Model, coded: Mapping[str, Coded]) -> dict[str, Coded]:
    """Responses with the same dim of categories share its length."""
    lengths: dict[str, int] = {}
    for r in model.responses:
        lengths[r.category_dim] = max(coded[r.name].width, lengths.get(r.category_dim, 0))
    return {r.name: replace(coded[r.name], width=lengths[r.category_dim]) for r in model.responses}
