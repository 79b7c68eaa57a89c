"""The likelihood written down a second time, with loops and probabilities, as an oracle.

For each cluster, each path of its classes and each node of its effects; for each row of it, each path
and node of its own; for each item, each path of item-level classes: multiply and add, nothing else.
Reads the declaration, natural parameter values and the raw data frame; shares no code with the graph.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from functools import cache, cached_property

import numpy as np
import pandas as pd
from scipy import special, stats

CDF = {"logit": special.expit, "probit": special.ndtr}


@cache
def _normal(y: float, mean: float, sigma: float) -> float:
    return float(stats.norm.pdf(y, mean, sigma))


@cache
def _poisson(y: float, rate: float) -> float:
    return float(stats.poisson.pmf(y, rate))


@cache
def _bernoulli(y: float, p: float) -> float:
    return float(stats.bernoulli.pmf(y, p))


def _zero_inflated(y: float, inflation: float, p) -> float:
    return inflation * (y == 0) + (1 - inflation) * float(p.pmf(y))


def _censored(y: float, mean: float, sigma: float, family) -> float:
    p = stats.norm(mean, sigma)
    if y == family.lower:
        return float(p.cdf(y))
    return float(p.sf(y) if y == family.upper else p.pdf(y))


def softmax(x):
    """Probabilities from logits."""
    return np.exp(x) / np.exp(x).sum()


def density(family, y, eta, auxiliary, n_categories: int) -> float:
    """Probability (density) of the coded answer `y`; of successes `n_categories` is the number of trials."""
    name = type(family).__name__
    if name == "Bernoulli":
        guess = float(auxiliary[0]) if family.guessing else 0.0
        return _bernoulli(y, guess + (1 - guess) * float(CDF[family.link](eta)))
    if name == "Nominal":
        return float(softmax(eta[:n_categories])[int(y)])
    if name == "Ordinal":
        below = CDF[family.link](auxiliary[0][: n_categories - 1] - eta)
        return float(np.diff(np.concatenate([[0.0], below, [1.0]]))[int(y)])
    if name == "Normal":
        return _normal(
            y, float(eta), math.sqrt(sum(map(float, auxiliary))) if len(auxiliary) > 1 else float(auxiliary[0])
        )
    if name == "Poisson":
        return _poisson(y, math.exp(eta))
    return _further(name, family, y, eta, auxiliary, n_categories)


def _further(name: str, family, y, eta, auxiliary, n_categories: int) -> float:
    if name == "PartialCredit":
        steps = np.concatenate([[0.0], np.cumsum(eta - auxiliary[0][: n_categories - 1])])
        return float(softmax(steps)[int(y)])
    if name == "Binomial":
        return float(stats.binom.pmf(y, n_categories, CDF[family.link](eta)))
    if name == "CensoredNormal":
        return _censored(y, float(eta), float(auxiliary[0]), family)
    if name == "ZeroInflatedPoisson":
        return _zero_inflated(y, float(auxiliary[0]), stats.poisson(math.exp(eta)))
    alpha, inflation = float(auxiliary[0]), float(auxiliary[1]) if len(auxiliary) > 1 else 0.0
    return _zero_inflated(y, inflation, stats.nbinom(1 / alpha, 1 / (1 + alpha * math.exp(eta))))


def design(c, df: pd.DataFrame) -> np.ndarray:
    """Columns of a formula of names and products of two: numbers as they are, categories against the first."""
    columns = {}
    for name in (part.strip() for part in c.formula.split("+")):
        each = [_columns(df[k]) for k in name.split(":")]
        columns[name] = each[0] if len(each) == 1 else [each[0][0] * x for x in each[1]]
    wanted = c.only if c.only is not None else list(columns)
    out = [np.ones(len(df))] if "1" in wanted else []
    out += [x for name, some in columns.items() if name in wanted for x in some]
    times = df[c.times].to_numpy(float) if c.times else 1.0
    return np.stack([x * times for x in out], axis=1)


def _columns(x: pd.Series) -> list[np.ndarray]:
    if pd.api.types.is_numeric_dtype(x):
        return [x.to_numpy(float)]
    return [(x == level).to_numpy(float) for level in sorted(x.unique())[1:]]


@dataclass
class Oracle:
    """The model at given natural parameter values and data.

    Attributes
    ----------
    values : dict of str to array
        Natural values of each parameter, by its dims.
    grids : dict of str to (z, weights)
        Nodes and their probabilities at each level that is integrated.
    sampled : dict of str to array
        Standardised effects (unit, effect) at each level that is not: rows for `individual`,
        sorted labels for `cluster`.
    categories : dict of str to list
        Labels of a categorical item in the order of the parameters; those that occur, if left out.
    """

    model: object
    values: dict
    df: pd.DataFrame
    grids: dict = field(default_factory=dict)
    sampled: dict = field(default_factory=dict)
    categories: dict = field(default_factory=dict)

    def __post_init__(self):
        m, df = self.model, self.df
        self.x = {(c.name, c.occasion): design(c, df) for c in m.covariates}
        self.freq = df[m.freq].to_numpy(float) if m.freq else np.ones(len(df))
        self.group = pd.factorize(df[m.group], sort=True)[0] if m.group else None
        self.known = {c: df[column].to_numpy(float) - 1 for c, column in m.known}
        self.rows = {}
        if m.cluster:
            labels = df[m.cluster].to_numpy()
            self.rows = {g: np.flatnonzero(labels == g) for g in sorted(set(labels))}

    @cached_property
    def coded(self) -> dict:
        """Codes of each item and their number: the places of its labels, or the value itself."""
        out = {}
        for r in self.model.responses:
            for item in r.items:
                y = self.df[item].to_numpy(float)
                if r.family.kind != "categorical":
                    out[item] = (y, 0)
                else:
                    labels = self.categories.get(item, sorted(set(y[~np.isnan(y)])))
                    out[item] = ([np.nan if np.isnan(v) else float(labels.index(v)) for v in y], len(labels))
        return out

    # predictors -----------------------------------------------------------------------------------

    def predict(self, terms, at: dict, effects: dict, row: int):
        """Sum of the terms at the classes and item `at`: a number, or a vector over the dim left."""
        total = 0.0
        for t in terms:
            dims = [dict(t.rename).get(d, d) for d in t.parameter.dims]
            x = self.values[t.parameter.name][tuple(at.get(d, slice(None)) for d in dims)]
            dims = [d for d in dims if d not in at]
            for dim, vector in self._multipliers(t, effects, row):
                if dim in dims:
                    x = np.tensordot(x, vector, axes=([dims.index(dim)], [0]))
                    dims.remove(dim)
                else:
                    x = x * vector[0]
            assert len(dims) <= 1, f"{t.parameter.name} keeps {dims}"
            total = total + x
        return total

    def _multipliers(self, t, effects: dict, row: int):
        if t.covariates:
            yield t.covariates.name, self.x[t.covariates.name, t.covariates.occasion][row]
        if t.effects:
            yield t.effect_dim, np.array([effects[e] for e in t.effects])

    def effects(self, level: str, z, at: dict, effects: dict, row: int) -> dict:
        """Effects of the level from standardised ones: mean + sd * z, or mean + sd * r, Var(r) = 1."""
        out, own, rows = dict(effects), self.model.effects_at(level), {}
        for e, each, unit in zip(own, z, np.eye(len(own)), strict=True):
            sd = self.predict((e.sd,), at, out, row) if e.sd else 1.0
            if e.standard:
                mean = tuple(t for t in e.mean if not {*t.effects} & {*rows})
                rows[e.name] = self.residual(tuple(t for t in e.mean if t not in mean), unit, rows, at, row)
                out[e.name] = float(self.predict(mean, at, out, row) + sd * rows[e.name] @ np.asarray(z))
            else:
                out[e.name] = float(self.predict(e.mean, at, out, row) + sd * each)
        return out

    def residual(self, on: tuple, unit: np.ndarray, rows: dict, at: dict, row: int) -> np.ndarray:
        """What the standard normals are multiplied by in the residual of a factor regressed on those before it."""
        for k, before in rows.items():
            unit = unit + self.predict(on, at, dict.fromkeys(rows, 0.0) | {k: 1.0}, row) * before
        return unit / math.sqrt(unit @ unit)

    def nodes(self, level: str, unit: int):
        """Nodes of a unit and their probabilities; one of probability one where effects are given."""
        if not self.model.effects_at(level):
            return [((), 1.0)]
        if level in self.sampled:
            return [(self.sampled[level][unit], 1.0)]
        return list(zip(*self.grids[level], strict=True))

    def states(self, level: str, at: dict, effects: dict, row: int, unit: int = 0):
        """Every path of the level's classes and node of its effects, with its probability."""
        classes = self.model.classes_at(level)
        for path in itertools.product(*(range(c.size) for c in classes)):
            here = at | {c.name: k for c, k in zip(classes, path, strict=True)}
            for node, (z, weight) in enumerate(self.nodes(level, unit)):
                values = self.effects(level, z, here, effects, row)
                p = math.prod(self.class_probability(c, here, values, row) for c in classes)
                yield here | self.places(level, node), values, weight * p

    def places(self, level: str, node: int) -> dict:
        """Where a node of a product stands along the points of each effect; its number where they are no product."""
        n = len(self.model.effects_at(level))
        if level not in self.grids or not n:
            return {}
        size = len(self.grids[level][0])
        points = round(size ** (1 / n))
        if points**n != size:
            return {f"node_{level}": node}
        return {f"node_{level}_{k + 1}": int(i) for k, i in enumerate(np.unravel_index(node, [points] * n))}

    def size(self, name: str) -> int:
        """How many classes a class variable has."""
        return next(c.size for c in self.model.classes if c.name == name)

    def class_probability(self, c, at: dict, effects: dict, row: int) -> float:
        """P(the class that stands in `at` | its parents there)."""
        if c.stays and at[c.stays[1]] == self.size(c.stays[1]) - 1:
            return float(at[c.name] == at[c.stays[0]])
        parents = {k: v for k, v in at.items() if k != c.name}
        known = self.known[c.name][row] if c.name in self.known else at[c.name]
        if not np.isnan(known) and known != at[c.name]:
            return 0.0
        return softmax(self.predict(c.predictor, parents, effects, row))[at[c.name]]

    # the climb ------------------------------------------------------------------------------------

    def answer(self, r, item: str, at: dict, effects: dict, row: int) -> float:
        """P(answer to the item), item-level classes summed out; 1 where it is missing."""
        codes, n = self.coded[item]
        if np.isnan(codes[row]):
            return 1.0
        if type(r.family).__name__ == "Binomial":
            n = self.df[r.family.trials].iloc[row] if isinstance(r.family.trials, str) else r.family.trials
        total, at = 0.0, at | {r.item_dim: r.items.index(item)}
        for here, _, p in self.states("item", at, effects, row):
            eta = self.predict(r.predictor, here, effects, row)
            auxiliary = [self.predict((t,), here, effects, row) for t in r.auxiliary]
            total += p * density(r.family, codes[row], eta, auxiliary, n)
        return total

    def individual(self, row: int, at: dict, effects: dict) -> list:
        """(where, probability) of each state of a row, its answers included."""
        at = at if self.group is None else at | {"group": int(self.group[row])}
        return [
            (here, p * math.prod(self.answer(r, i, here, values, row) for r in self.model.responses for i in r.items))
            for here, values, p in self.states("individual", at, effects, row, row)
        ]

    def cluster(self, unit: int, row_dims: tuple = ()) -> tuple[list, dict]:
        """(where, probability) of each state of a cluster, and each row's posterior over `row_dims`."""
        rows = list(self.rows.values())[unit]
        states, tables = [], []
        group = {} if self.group is None else {"group": int(self.group[rows[0]])}
        for here, effects, prior in self.states("cluster", group, {}, rows[0], unit):
            inside = {row: self.individual(row, here, effects) for row in rows}
            answers = math.prod(sum(q for _, q in inside[row]) ** self.freq[row] for row in rows)
            states.append((here, prior * answers))
            tables.append({row: tabulate(inside[row], row_dims) for row in rows})
        total = sum(p for _, p in states)
        mixed = {row: sum(p / total * t[row] for (_, p), t in zip(states, tables, strict=True)) for row in rows}
        return states, mixed

    # what is asked --------------------------------------------------------------------------------

    def units(self) -> np.ndarray:
        """Log-likelihood of each cluster, or of each row without its frequency."""
        if self.model.cluster:
            return np.log([sum(p for _, p in self.cluster(g)[0]) for g in range(len(self.rows))])
        return np.log([sum(p for _, p in self.individual(row, {}, {})) for row in range(len(self.df))])

    def total(self) -> float:
        """The log-likelihood."""
        return float((self.units() * (1.0 if self.model.cluster else self.freq)).sum())

    def row_posterior(self, *dims: str) -> np.ndarray:
        """P(classes of each row | the data), (row, *dims)."""
        if not self.model.cluster:
            return np.stack([tabulate(self.individual(row, {}, {}), dims) for row in range(len(self.df))])
        by_row = {}
        for g in range(len(self.rows)):
            by_row |= self.cluster(g, dims)[1]
        return np.stack([by_row[row] for row in range(len(self.df))])

    def cluster_posterior(self, *dims: str) -> np.ndarray:
        """P(classes or node of each cluster | the data), (cluster, *dims)."""
        return np.stack([tabulate(self.cluster(g)[0], dims) for g in range(len(self.rows))])


def tabulate(states: list, dims: tuple) -> np.ndarray:
    """Probabilities over `dims` from joint ones, normalised to one."""
    out = np.zeros([1 + max(here[d] for here, _ in states) for d in dims])
    for here, p in states:
        out[tuple(here[d] for d in dims)] += p
    return out / (out.sum() or 1.0)
