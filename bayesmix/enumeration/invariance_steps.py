"""Invariance over observed groups: which parameters of items are the same in all of them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from bayesmix.data import Dataset
from bayesmix.graph import Problem
from bayesmix.inference import likelihood_ratio
from bayesmix.layout import Section, make_table, number, p_value, to_text
from bayesmix.ml import Settings
from bayesmix.ml.estimation import estimate
from bayesmix.parallel import progress_bar, quietly
from bayesmix.results import Fit, Uncertainty, entries
from bayesmix.spec import GROUP, Model, check_model
from bayesmix.spec.blocks.groups import Part, names_of_items, part_of
from bayesmix.spec.blocks.regrouped import classes_by_group, embedded, parts_there, regrouped, unscalable
from bayesmix.typing import Array

COVARIANCES = "covariances"
LEVELS: dict[Part, str] = {
    "loadings": "metric", "intercepts": "scalar", "residuals": "strict", COVARIANCES: "equal covariances",
}  # fmt: skip
"""What a model is called where a part, and those before it, are the same in all groups."""
FREE, SAME_CLASSES = "configural", "homogeneous"
COLUMNS = ["chi2", "df", "p", "p_holm", "wald", "wald_df", "wald_p", "wald_p_holm"]


@dataclass(frozen=True, repr=False)
class Invariance:
    """From all items free in each group to all the same.

    Attributes
    ----------
    levels : pandas.DataFrame
        A row a model, the freest first: `loglik`, `parameters`, `AIC`, `BIC`, and the likelihood ratio `chi2`, `df`,
        `p` against the row above.
    items : pandas.DataFrame
        A row an item, by the part that is the same from one level to the next (`part`): what is gained where this item
        alone is free in that part and the others are the same, by the likelihood ratio (`chi2`, `df`, `p`) and by a
        Wald test of equal values in that fit (`wald`, `wald_df`, `wald_p`); with the p values adjusted over the items
        of a part by Holm.
    constrained : pandas.DataFrame
        Of models without factors: what is lost where this item alone is the same and the others are free.
    fits : dict of str to Fit
        By level.

    Examples
    --------
    >>> both = bm.models.lca(list("abcd"), 2, group="h")
    >>> found = bm.invariance(both, df.assign(h=[0, 1] * 100), starts=2, rounds=1, progress=False)
    >>> found.levels.index.tolist()
    ['configural', 'scalar', 'homogeneous']
    """

    levels: pd.DataFrame
    items: pd.DataFrame
    constrained: pd.DataFrame
    fits: Mapping[str, Fit] = field(default_factory=dict)

    def sections(self) -> list[Section]:
        """What is printed."""
        rows = [
            (str(k), number(r["loglik"]), str(int(r["parameters"])), number(r["AIC"]), number(r["BIC"]), *_test(r))
            for k, r in self.levels.iterrows()
        ]
        head = ("", "log-likelihood", "parameters", "AIC", "BIC", "chi2", "df", "p")
        group = next((f.model.group for f in self.fits.values()), "")
        out = [Section(f"Invariance over the groups of {group}", [make_table(head, rows), _WORDS])]
        for title, table in (("freed", self.items), ("the same", self.constrained)):
            if len(table):
                body = [
                    (part, item, *_test(r), p_value(r["p_holm"]), *_test(r, "wald_"), p_value(r["wald_p_holm"]))
                    for (part, item), r in zip(table.index, (row for _, row in table.iterrows()), strict=True)
                ]
                head = ("part", "item", "chi2", "df", "p", "Holm", "Wald", "df", "p", "Holm")
                out.append(Section(f"Items, each {title} by itself", [make_table(head, body, left=2)]))
        return out

    def __repr__(self) -> str:
        return str(to_text(self.sections()))

    def _repr_html_(self) -> str:
        return to_text(self.sections())._repr_html_()


_WORDS = (
    "chi2: likelihood ratio against the row above. configural: all of the items free in each group;\n"
    "metric: loadings the same; scalar: intercepts, thresholds, category logits too; strict: residuals\n"
    "too; equal covariances: those of residuals too; homogeneous: class sizes and slopes too. Means and\n"
    "SDs of factors are free from the second group on, where they are identified."
)


def _test(r: Any, prefix: str = "") -> tuple[str, str, str]:
    value = r["wald"] if prefix else r["chi2"]
    return number(value), "-" if pd.isna(r[f"{prefix}df"]) else str(int(r[f"{prefix}df"])), p_value(r[f"{prefix}p"])


def invariance(model: Model, df: pd.DataFrame, *, items: bool = True, **settings: Any) -> Invariance:
    """Test which parameters of the items are the same in all observed groups, step by step.

    Models are fitted from all of the measurement free in each group (configural) over loadings (metric), intercepts
    with thresholds and category logits (scalar), residual SDs or dispersions (strict) and residual covariances (equal
    covariances) to the same classes (homogeneous), as far as the model has these parts; Meredith, Psychometrika 58
    (1993); Kankaras, Moors and Vermunt, in Cross-Cultural Analysis (2018). Then, of each part but covariances, each
    item by itself: free while the others are the same, and in models without factors the same while the others are
    free. Each fit starts from those it contains, classes have the labels of the first group throughout.

    Parameters
    ----------
    model : Model
        Of a template with ``group=``, whatever its `measurement_by_group`; classes, slopes and transitions that it
        holds equal over groups stay so. Constraints of its own are left out.
    df : pandas.DataFrame
        The data.
    items : bool
        Whether to go through the items.
    **settings
        Of :func:`bayesmix.fit`. Likelihood ratios are scaled where errors are robust, as by
        :func:`bayesmix.likelihood_ratio`.

    Returns
    -------
    Invariance
        Interrupted, with the fits that are finished.

    Raises
    ------
    ValueError
        No groups, or one; a regression; growth; a factor that depends on covariates, classes or clusters, whose scale
        in a group is then no matter of the items alone; what :func:`bayesmix.fit` refuses.

    Examples
    --------
    >>> both = bm.models.lca(list("abcd"), 2, group="h")
    >>> found = bm.invariance(both, df.assign(h=[0, 1] * 100), items=False, starts=2, rounds=1, progress=False)
    >>> found.levels["df"].tolist()[1:]
    [8, 1]
    """
    check_model(model)
    _check(model)
    if "start" in settings:
        raise ValueError("start= came, but each model starts from those that it contains: leave it out.")
    asked = Settings.of(**settings)
    levels = _levels(model)
    freest = next(iter(levels.values()))
    rows = Dataset.encode(freest, df)
    Problem.of(rows, asked.nodes)
    if len(rows.groups.labels if rows.groups else []) < 2:
        raise ValueError(f"The group column '{model.group}' has one group only: there is nothing to compare.")
    out = _Steps(rows, replace(asked, progress=False))
    names = list(levels)
    wanted = names_of_items(model)
    steps = [(a, b) for a, b in pairwise(names) if b not in (SAME_CLASSES, LEVELS[COVARIANCES])]  # these are of pairs
    n = len(names) + (len(steps) * len(wanted) * (1 if model.factors else 2) if items else 0)
    try:
        with progress_bar(asked.progress) as advance:
            tick = advance("invariance", n)
            for name in reversed(names):  # the strictest first: its labels are common to all groups
                out.level(name, levels[name])
                tick()
            for a, b in steps if items else ():
                for item in wanted:
                    out.item(model, (a, b), levels, item, tick)
    except KeyboardInterrupt:
        if len(out.fits) < 2:
            raise
        warnings.warn("Interrupted: the fits that are finished are kept.", stacklevel=2)
    return out.table(names)


def _check(model: Model) -> None:
    if model.group is None:
        raise ValueError(
            "The model has no groups: declare it with group='the column of groups', bm.models.lca(items, 2, group='g')."
        )
    if model.has_trajectories:
        raise ValueError(
            "A model of growth came, whose measure is the same at all times and in all groups: compare fits with other "
            "by_group= by bm.likelihood_ratio."
        )
    if model.is_regression:
        raise ValueError(
            "A regression came, whose coefficients are no measurement: compare fits with other "
            "coefficients_by_group= by bm.likelihood_ratio."
        )
    if reason := unscalable(model):
        raise ValueError(
            f"{reason[0].upper()}{reason[1:]}: with loadings free in each group that would have another meaning in "
            "each. Test invariance without it, and compare fits with it by bm.likelihood_ratio."
        )


def _levels(model: Model) -> dict[str, Model]:
    """The models, the freest first."""
    there, every = parts_there(model), frozenset(names_of_items(model))
    free = dict.fromkeys(there, every)
    out = {FREE: regrouped(model, free)}
    for part in (p for p in LEVELS if p in there):
        free = free | {part: frozenset()}
        out[LEVELS[part]] = regrouped(model, free)
    if classes_by_group(model):
        out[SAME_CLASSES] = regrouped(model, free, classes=False)
    return out


def _free(model: Model, there: Sequence[Part], level: str) -> dict[Part, frozenset[str]]:
    """The items that are free at a level, by part."""
    every, gone = frozenset(names_of_items(model)), [LEVELS[p] for p in LEVELS if p in there]
    same = [] if level == FREE else gone[: gone.index(level) + 1]
    return {p: frozenset() if LEVELS[p] in same else every for p in there}


@dataclass
class _Steps:
    """The fits, as they come."""

    rows: Dataset
    settings: Settings
    fits: dict[str, Fit] = field(default_factory=dict)
    freed: dict[tuple[str, str], list[Any]] = field(default_factory=dict)
    held: dict[tuple[str, str], list[Any]] = field(default_factory=dict)

    def level(self, name: str, model: Model) -> None:
        """Fit a level, from the stricter one before it as well."""
        before = list(self.fits.values())[-1:]
        self.fits[name] = self._fit(model, before, self.settings)

    def _fit(self, model: Model, inside: Sequence[Fit], settings: Settings) -> Fit:
        groups = len(self.rows.groups.labels) if self.rows.groups else 1
        starts = [embedded(_values(f), f.model, model, groups) for f in inside]
        with quietly():
            return estimate(self.rows.under(model), replace(settings, start=starts or None))

    def item(self, model: Model, step: tuple[str, str], levels: Mapping[str, Model], item: str, tick: Any) -> None:
        """Free an item while the others are the same; hold it the same while the others are free."""
        there = parts_there(model)
        free = {k: _free(model, there, k) for k in step}
        (part,) = [p for p in there if free[step[0]][p] != free[step[1]][p]]
        few = replace(self.settings, starts=1, finals=1, rounds=1, simpler=False)
        freed = regrouped(model, free[step[1]] | {part: frozenset({item})})
        fit = self._fit(freed, [self.fits[step[1]]], few)
        self.freed[part, item] = [*_ratio(self.fits[step[1]], fit), *_wald(fit, part, item)]
        tick()
        if model.factors:
            return
        held = regrouped(model, free[step[0]] | {part: free[step[0]][part] - {item}})
        inside = [self.fits[step[1]]]
        near = self.fits[step[0]]
        fit = self._fit(held, inside, replace(few, starts=max(2, self.settings.starts // 4)))
        self.held[part, item] = [*_ratio(fit, near), *_wald(near, part, item)]
        tick()

    def table(self, names: Sequence[str]) -> Invariance:
        """What is finished."""
        rows, before = [], None
        known = [k for k in names if k in self.fits]
        for name in known:
            f = self.fits[name]
            ratio = (np.nan, np.nan, np.nan) if before is None else _ratio(f, before)
            rows.append([f.loglik, f.n_parameters, f.aic, f.bic, *ratio])
            before = f
        columns = ["loglik", "parameters", "AIC", "BIC", "chi2", "df", "p"]
        levels = pd.DataFrame(rows, index=pd.Index(known, name="level"), columns=columns)
        levels["df"] = levels["df"].astype("Int64")
        return Invariance(levels, _items(self.freed), _items(self.held), {k: self.fits[k] for k in known})


def _values(fit: Fit) -> dict[str, Any]:
    return {str(k): x.drop_vars(list(x.coords)) for k, x in fit.params.data_vars.items()}


def _ratio(restricted: Fit, larger: Fit) -> tuple[float, float, float]:
    """Chi-square, degrees of freedom, p; not scaled where the scaling cannot be had, NaN where neither contains."""
    if larger.n_parameters <= restricted.n_parameters:
        return np.nan, np.nan, np.nan
    for scaling in (None, "none"):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = likelihood_ratio(restricted, larger, scaling=scaling)
        except ValueError:
            continue
        return found.statistic, found.df, found.p
    return np.nan, larger.n_parameters - restricted.n_parameters, np.nan


def _wald(fit: Fit, part: Part, item: str) -> tuple[float, float, float]:
    """A Wald test that a part of an item is the same in all groups of a fit."""
    try:
        known = Uncertainty.of(fit)
    except ValueError:
        return np.nan, np.nan, np.nan
    pairs = _pairs(fit, part, item)
    a, b = (known.positions([pair[k] for pair in pairs]) for k in range(2))
    d, slopes = known.values[b] - known.values[a], known.slopes[:, b] - known.slopes[:, a]
    some = (slopes != 0).any(axis=0)
    hit = (slopes[:, some] != 0).any(axis=1)
    if not some.any() or known.boundary[hit].any():
        return np.nan, np.nan, np.nan
    covariance = slopes[:, some].T @ np.nan_to_num(known.covariance) @ slopes[:, some]
    rank = int(np.linalg.matrix_rank(covariance))
    statistic = float(d[some] @ np.linalg.pinv(covariance) @ d[some])
    return statistic, rank, float(stats.chi2.sf(statistic, rank))


def _pairs(fit: Fit, part: Part, item: str) -> list[tuple[str, str]]:
    """Labels of the entries of an item in the first group, and in each other one."""
    out = []
    for r in fit.model.distinct_responses:
        for t in (t for t in r.terms if part_of(r, t) == part and GROUP in t.parameter.dims):
            x = fit.params[t.parameter.name]
            axis = x.dims.index(GROUP)
            labels = np.reshape(entries(t.parameter.name, x), x.shape)
            if r.item_dim in x.dims:
                at = (
                    [str(i) for i in x[r.item_dim].values].index(item) if item in map(str, x[r.item_dim].values) else -1
                )
                if at < 0:
                    continue
                labels = np.take(labels, [at], axis=x.dims.index(r.item_dim))
            first = np.take(labels, [0], axis=axis)
            for k in range(1, x.shape[axis]):
                other = np.take(labels, [k], axis=axis)
                out += list(zip(first.ravel().tolist(), other.ravel().tolist(), strict=True))
    return out


def _items(found: Mapping[tuple[str, str], list[Any]]) -> pd.DataFrame:
    """Tests by part and item, with p values adjusted within each part."""
    index = pd.MultiIndex.from_tuples(list(found), names=["part", "item"]) if found else None
    raw = pd.DataFrame(list(found.values()), index=index, columns=["chi2", "df", "p", "wald", "wald_df", "wald_p"])
    for name in ("p", "wald_p"):
        raw[f"{name}_holm"] = np.nan
        for part in dict.fromkeys(k for k, _ in found):
            own = np.array([k[0] == part for k in found])
            raw.loc[own, f"{name}_holm"] = holm(raw[name].to_numpy(float)[own])
    for name in ("df", "wald_df"):
        raw[name] = raw[name].astype("Int64")
    return raw[COLUMNS]


def holm(p: Array) -> Array:
    """P values adjusted for their number by Holm, Scandinavian Journal of Statistics 6 (1979); NaN stays out."""
    out, seen = np.full(len(p), np.nan), np.flatnonzero(~np.isnan(p))
    order = seen[np.argsort(p[seen], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    out[order] = np.minimum(np.maximum.accumulate(steps), 1.0) if len(order) else steps
    return out
