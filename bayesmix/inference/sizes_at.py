"""Sizes of classes and transitions at given covariates and groups."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from bayesmix.checks import one_of
from bayesmix.data import Coding, Dataset, as_frame, coding_of
from bayesmix.data.design import columns_of
from bayesmix.graph import LogLikelihood, Problem, with_population_nodes
from bayesmix.inference.contrasts import contrast
from bayesmix.results import Estimates, Fit
from bayesmix.spec import (
    GROUP,
    LatentClass,
    Model,
    Survey,
    from_text,
    interval_level,
    level_words,
    takes_level,
)
from bayesmix.spec.parameters import Parameter
from bayesmix.typing import Array

Effects = Literal["average", "zero"]
VALUES = ["value", "se", "lower", "upper"]


@dataclass(frozen=True, repr=False)
class ClassSizes:
    """Probabilities of classes at given values of covariates.

    Attributes
    ----------
    table : pandas.DataFrame
        A column for each covariate, the group among them; `variable`, the class left (`from`, of transitions), `class`;
        `value`, `se` (standard error or posterior SD), `lower`, `upper`.
    at : tuple of str
        The columns that say where.
    effects : {"average", "zero"}
        Where random effects are.
    level : float
        Of the intervals.

    Examples
    --------
    >>> predicted = bm.fit(bm.models.lca(list("abcd"), 2, "x"), df, progress=False, **quick)
    >>> bm.class_sizes(predicted, {"x": [-1, 1]}).at
    ('x',)
    """

    table: pd.DataFrame
    at: tuple[str, ...]
    effects: str
    level: float

    def __repr__(self) -> str:
        with pd.option_context("display.width", 160, "display.max_rows", None, "display.max_columns", None):
            return f"{self.table.round(4).to_string(index=False)}\n{self._words()}"

    def _repr_html_(self) -> str:
        return f"{self.table.round(4).to_html(index=False)}<p>{self._words()}</p>"

    def _words(self) -> str:
        where = {"average": "averaged over random effects", "zero": "random effects at zero", "none": ""}[self.effects]
        return ", ".join(filter(None, (f"{level_words()} intervals", where))) + "."


@takes_level
def class_sizes(
    result: Fit | xr.DataTree,
    at: Mapping[str, Any] | pd.DataFrame | None = None,
    *,
    effects: Effects = "average",
    level: float | None = None,
) -> ClassSizes:
    """P(C = c | x): the sizes of classes, and transitions, at given values of covariates and in given groups.

    The same logits as in (4), (9), (17) at these values instead of those of the data. Random effects are averaged over
    their distribution in the population (of a row: a random individual of a random cluster with these covariates), or
    stand at zero, which is the middle one of clusters and no average. Sizes of a class that depends on others are
    averages over these, P(C2 = d) = sum_c P(C1 = c) P(C2 = d | C1 = c).

    Parameters
    ----------
    result : Fit or xarray.DataTree
        Intervals by the delta method on the logit scale, or equal-tailed ones of the posterior.
    at : mapping of str to value or sequence, or DataFrame
        Values of all covariates of classes and of effects, and groups: ``{"age": 40, "g": "b"}``. Of several sequences
        every combination; of a DataFrame its rows. Left out where there are groups alone, all of them.
    effects : {"average", "zero"}
    level : float, optional
        Of the intervals; 0.95 if left out.

    Returns
    -------
    ClassSizes

    Raises
    ------
    ValueError, TypeError
        No classes; a covariate or the group missing; a level or group that the fit did not see.

    Examples
    --------
    >>> predicted = bm.fit(bm.models.lca(list("abcd"), 2, "x"), df, progress=False, **quick)
    >>> found = bm.class_sizes(predicted, {"x": [-1, 0, 1]})
    >>> found.table["class"].tolist()
    [1, 2, 1, 2, 1, 2]
    """
    estimates = Estimates.of(result)
    model = estimates.model
    one_of("effects", effects, ("average", "zero"))
    if not model.is_mixture:
        raise ValueError("The model has no classes: there are no sizes of any.")
    coding = _coding(result, estimates)
    rows = _rows(model, at, coding)
    nodes = {k: from_text(v) for k, v in _nodes(estimates).items() if model.effects_at(k)}
    problem = _problem(model, rows, coding, nodes, effects)
    tables = [t for c in model.classes for t in _tables(problem, c)]
    graph = LogLikelihood(problem)

    def values(x: Mapping[str, xr.DataArray]) -> xr.DataArray:
        theta = problem.pack({p.name: _inside(p, x[p.name].transpose(*p.dims).values) for p in model.parameters})
        made = graph.factors(theta)
        factors = {k: xr.DataArray(v.values, dims=v.dims) for k, v in made.items()}
        return xr.DataArray(np.concatenate([t.of(factors).ravel() for t in tables]), dims="entry")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what depends on a boundary has NaN for its error
        found = contrast(result, values, level=interval_level(), scale="logit")
    numbers = [a.values for a in (found.value, found.se, found.lower, found.upper)]
    heads = pd.concat([t.heads(rows) for t in tables], ignore_index=True)
    table = heads.assign(**dict(zip(VALUES, numbers, strict=True)))
    if (table["from"] == "").all():
        table = table.drop(columns="from")
    return ClassSizes(table, tuple(map(str, rows.columns)), effects if model.effects else "none", interval_level())


def _inside(p: Parameter, x: Array) -> Array:
    """Values of a parameter back in its support: the step of a derivative from a boundary, such as an SD of zero."""
    return p.domain.reachable(np.clip(x, *p.domain.bounds))


def _coding(result: Fit | xr.DataTree, estimates: Estimates) -> Coding:
    if isinstance(result, Fit):
        return coding_of(result.model, result.params)
    if "coding" not in estimates.settings:
        raise ValueError("The posterior does not say how its data were coded: sample again with bm.sample.")
    return Coding.of(estimates.settings["coding"])


def _nodes(estimates: Estimates) -> Mapping[str, str]:
    held = estimates.settings
    return held.get("nodes") or held.get("about", {}).get("nodes", {})


# where --------------------------------------------------------------------------------------------


def _needed(model: Model) -> list[str]:
    """Columns that class probabilities depend on."""
    parts = (*model.classes, *model.effects)
    columns = [k for part in parts for t in part.terms if t.covariates for k in columns_of(t.covariates)]
    by_group = model.group is not None and any(GROUP in t.dims for part in parts for t in part.terms)
    return list(dict.fromkeys([*columns, *([str(model.group)] if by_group else [])]))


def _rows(model: Model, at: Any, coding: Coding) -> pd.DataFrame:
    """One row for each place."""
    needed = _needed(model)
    if at is None:
        at = {model.group: list(coding.groups)} if needed == [model.group] else {}
    if isinstance(at, Mapping):
        several = {k: list(v) if _is_sequence(v) else [v] for k, v in at.items()}
        frame = pd.DataFrame(list(product(*several.values())), columns=list(several))
        frame = frame if several else pd.DataFrame(index=range(1))
    else:
        frame = as_frame(at).reset_index(drop=True)
    if gone := [k for k in needed if k not in frame.columns]:
        raise ValueError(
            f"The sizes of the classes depend on {', '.join(map(repr, needed))}, and at= came without {gone[0]!r}: "
            f"give its values, at={{{gone[0]!r}: ...}}."
        )
    if not len(frame):
        raise ValueError("at= has no rows: give values of the covariates.")
    if needed and (empty := [k for k in needed if frame[k].isna().any()]):
        raise ValueError(f"at= has missing values of '{empty[0]}': give values.")
    return frame[[k for k in frame.columns if k in needed]]


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence | np.ndarray | pd.Series | range) and not isinstance(value, str)


def _problem(model: Model, rows: pd.DataFrame, coding: Coding, nodes: Mapping, effects: str) -> Problem:
    """The rows as individuals, each alone in a cluster of its own, nobody with an answer."""
    model, frame = replace(model, survey=Survey()), rows.copy()
    every = dict.fromkeys(k for c in model.covariates for k in columns_of(c))
    for column in (k for k in every if k not in frame):  # of items alone: no matter here
        frame[column] = _any_value(model, column, coding)
    for item in model.items:
        frame[item] = np.nan
    if model.cluster is not None:
        frame[model.cluster] = np.arange(len(frame))
    if model.freq is not None:
        frame[model.freq] = 1
    if model.group is not None and model.group not in frame:
        frame[model.group] = coding.groups[0]
    data = Dataset.encode(model, frame, coding, unanswered=True)
    sampled = tuple(k for k in ("individual", "cluster") if model.effects_at(k)) if effects == "zero" else ()
    made = Problem.of(data, None if sampled else nodes or None, sampled, collapse=False, apart=True).on_user_scale()
    return made if sampled else with_population_nodes(made)


def _any_value(model: Model, column: str, coding: Coding) -> Any:
    """A value that a covariate may have."""
    for c in model.covariates:
        levels = coding.designs.get(c.name, {}).get("levels", {})
        if column in levels:
            return levels[column][0]
    return 0.0


# tables -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Table:
    """Sizes of a class variable, or its transitions from the classes `before`."""

    problem: Problem
    variable: LatentClass
    before: tuple[str, ...] = ()

    def of(self, made: Mapping[str, xr.DataArray]) -> np.ndarray:
        """Values (row, *before, class)."""
        c, rows = self.variable, self.problem
        names = [k.name for k in _before(rows.model, c)]
        parts = [self._by_row(made[f"class:{k}"]) for k in names]
        joint = sum(parts[1:], parts[0])
        weights = [xr.DataArray(x.values, dims=x.dims) for k, x in rows.arrays.items() if k.startswith("log_weight_")]
        there = [w for w in map(self._by_row, weights) if {*w.dims} & {*joint.dims} - {"individual"}]
        p = xr.DataArray(np.exp(sum(there, joint)))
        over = [d for d in p.dims if d not in ("individual", *self.before, c.name)]
        p = p.sum(over).transpose("individual", *self.before, c.name)
        return (p / p.sum(c.name)).values if self.before else p.values

    def _by_row(self, x: xr.DataArray) -> xr.DataArray:
        """What is of clusters or groups, for each row."""
        arrays = self.problem.arrays
        if "cluster" in x.dims:
            x = x.isel(cluster=xr.DataArray(arrays["cluster_of"].values, dims="individual"))
        if GROUP in x.dims:
            x = x.isel({GROUP: xr.DataArray(arrays["group_of_individual"].values, dims="individual")})
        return x if "individual" in x.dims else x.expand_dims(individual=len(self.problem.counts))

    def heads(self, rows: pd.DataFrame) -> pd.DataFrame:
        """What stands before the values."""
        sizes = {c.name: c.size for c in self.problem.model.classes}
        out = []
        for row, *left, k in product(
            range(len(rows)), *(range(sizes[b]) for b in self.before), range(self.variable.size)
        ):
            come = [i + 1 for i in left]
            origin: Any = "" if not come else come[0] if len(come) == 1 else tuple(come)
            out.append((*rows.iloc[row], self.variable.name, origin, k + 1))
        return pd.DataFrame(out, columns=[*rows.columns, "variable", "from", "class"])


def _before(model: Model, c: LatentClass) -> list[LatentClass]:
    """The class variables on the levels above, those before this one on its level, and itself."""
    order = ("cluster", "individual", "item")
    own = [k.name for k in model.classes_at(c.level)]
    return [
        k
        for k in model.classes
        if order.index(k.level) < order.index(c.level)
        or (k.level == c.level and own.index(k.name) <= own.index(c.name))
    ]


def _tables(problem: Problem, c: LatentClass) -> list[_Table]:
    """The sizes of a class variable; its transitions, where it depends on others of its level."""
    dims = {d for t in c.terms for d in t.dims}
    before = tuple(k.name for k in problem.model.classes_at(c.level) if k.name in dims and k.name != c.name)
    return [_Table(problem, c), *([_Table(problem, c, before)] if before else [])]
