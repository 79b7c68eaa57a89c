"""What step three says: coefficients, outcomes by class, and the covariance matrix of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd

from bayesmix.graph import LogLikelihood
from bayesmix.graph.compile import constants_of
from bayesmix.ml import Target
from bayesmix.spec import Model, Packing
from bayesmix.three_steps.declared import Outcome
from bayesmix.typing import Array

STEP = 1e-5
KEYS = ["kind", "variable", "outcome", "class", "given", "category", "term"]
"""What tells quantities apart: the class variable (of several occasions), the outcome, the class, the class before, a
category, a term of a formula."""


@dataclass(frozen=True)
class Quantities:
    """Numbers with a joint covariance matrix.

    Attributes
    ----------
    keys : pandas.DataFrame
        A row a quantity, with the columns of :data:`KEYS`; what does not apply is empty text.
    values : array (quantity,)
    covariance : array (quantity, quantity)
        NaN for those at a boundary.
    """

    keys: pd.DataFrame
    values: Array
    covariance: Array

    @property
    def se(self) -> Array:
        """Standard errors; NaN for what is fixed or at a boundary."""
        variance = np.diag(self.covariance)
        return np.sqrt(np.where(variance > 0, variance, np.nan))

    def where(self, **wanted: object) -> np.ndarray:
        """Positions of the quantities with these keys."""
        found = np.ones(len(self.keys), dtype=bool)
        for k, v in wanted.items():
            found &= (self.keys[k.rstrip("_")] == v).to_numpy()
        return np.flatnonzero(found)

    def table(self) -> pd.DataFrame:
        """All of them with their standard errors."""
        return self.keys.assign(estimate=self.values, se=self.se)


def quantities(
    data: Target, theta: Array, covariance: Array, flat: np.ndarray, outcomes: Sequence[Outcome], names: Sequence[str],
    *, owner: str, at_means: bool = True, weight: Array | None = None,
) -> Quantities:  # fmt: skip
    """Everything that is said of step three at its maximum, by the delta method.

    Parameters
    ----------
    data : Target
    theta : array (parameter,)
    covariance : array (parameter, parameter)
        Of theta.
    flat : array of bool (parameter,)
        Entries without a standard error.
    outcomes : sequence of Outcome
    names : sequence of str
        The class variables that are related to something.
    owner : str
        That which outcomes follow from.
    at_means : bool
        Whether outcomes are taken where their covariates are at their means; else where these are zero.
    weight : array (pattern,), optional
        Of which they have their means; that of the patterns if left out.
    """
    steps = STEP * np.maximum(1.0, np.abs(theta))
    points = theta + np.concatenate([np.zeros((1, len(theta))), np.diag(steps), -np.diag(steps)])
    keys, values = _all(data, points, outcomes, names, owner, at_means, weight)
    n = len(theta)
    slopes = (values[1 : n + 1] - values[n + 1 :]) / (2 * steps[:, None])
    out = slopes.T @ covariance @ slopes
    lost = (np.abs(slopes[flat]) > 1e-8).any(axis=0) if flat.any() else np.zeros(len(keys), dtype=bool)
    out[lost] = np.nan
    out[:, lost] = np.nan
    return Quantities(pd.DataFrame(keys, columns=KEYS), values[0], out)


def _all(
    data: Target,
    points: Array,
    outcomes: Sequence[Outcome],
    names: Sequence[str],
    owner: str,
    at_means: bool,
    weight: Array | None,
) -> tuple[list, Array]:
    """Keys, and values (point, quantity)."""
    natural = data.natural(points)
    keys: list[tuple] = []
    columns: list[Array] = []

    def add(kind: str, x: Array, dims: Sequence[str], variable: str = "", outcome: str = "") -> None:
        """Take an array (point, *dims) apart."""
        labels = [list(data.coords[d]) for d in dims]
        for at in np.ndindex(*x.shape[1:]):
            key = {"kind": kind, "variable": variable, "outcome": outcome} | dict.fromkeys(KEYS[3:], "")
            for d, known, k in zip(dims, labels, at, strict=True):
                key[_role(d, variable, data.model)] = known[k]
            keys.append(tuple(key[k] for k in KEYS))
            columns.append(x[(slice(None), *at)])

    for c in data.model.classes:
        for t in c.predictor if c.name in names else ():
            if not t.effects:
                kind = "logit" if t.covariates is None else "slope"
                add(kind, natural[t.parameter.name], t.parameter.dims, c.name)
    for o in outcomes:
        _add_outcome(data, natural, o, add, owner, _means(data, o, weight) * at_means)
    loads = {
        r.items[0]: {e: natural[t.parameter.name] for t in r.predictor for e in t.effects}
        for r in data.model.responses
        if any(t.parameter.name.startswith("shared_") for t in r.predictor)
    }
    for (one, of_one), (other, of_other) in combinations(loads.items(), 2):
        keys.append(("residual covariance", owner, f"{one} with {other}", "", "", "", ""))
        columns.append(np.asarray(sum(of_one[e] * of_other[e] for e in of_one if e in of_other)))
    return keys, np.stack(columns, axis=1)


def _role(dim: str, variable: str, model: Model) -> str:
    if dim == variable:
        return "class"
    if any(dim == c.name for c in model.classes):
        return "given"
    return "category" if dim.startswith(("category", "threshold")) else "term"


def _add_outcome(data: Target, natural: dict[str, Array], o: Outcome, add, variable: str, at: Array) -> None:
    """The location of an outcome, where covariates are zero and at their means; its slopes, mean and SD."""
    (r,) = [r for r in data.model.responses if r.name == f"outcome_{o.number}"]
    by_name = {t.parameter.name: t.parameter for t in r.terms}
    p = by_name[o.location]
    dims = [d for d in p.dims if d != r.item_dim]
    here = np.asarray(natural[o.location].take(0, axis=1 + p.dims.index(r.item_dim)))
    add("intercept", here, dims, variable, o.name)
    if o.formula is not None:
        b = by_name[o.slope]
        slope = natural[o.slope].take(0, axis=1 + b.dims.index(r.item_dim))
        own = [d for d in b.dims if d != r.item_dim]
        add("outcome slope", slope, own, variable, o.name)
        part = slope @ at  # the covariates are last
        shape = [part.shape[0]] + [n if d in own else 1 for d, n in zip(dims, here.shape[1:], strict=True)]
        here = here + o.sign * part.reshape(shape)
    add("location", here, dims, variable, o.name)
    mean, finite = _expected(data, natural, o, here)
    if finite:
        add("mean", mean, (variable, r.category_dim), variable, o.name)
    else:
        add("mean", mean, (variable,), variable, o.name)
    if r.family.residual == "sd":
        sd = by_name[r.auxiliary[0].parameter.name]
        x = np.asarray(natural[sd.name].take(0, axis=1 + sd.dims.index(r.item_dim)))
        more = sum((natural[t.parameter.name] ** 2 for t in r.predictor if t.effects), np.zeros(len(x)))
        add("sd", np.sqrt(x**2 + np.reshape(more, (-1, *[1] * (x.ndim - 1)))), sd.dims[:-1], variable, o.name)


def _means(data: Target, o: Outcome, weight: Array | None) -> Array:
    """The means of the covariates of an outcome over the units of the last step; nothing where it has none."""
    if o.formula is None:
        return np.zeros(0)
    x = data.user_columns.get(o.covariates, data.arrays[o.covariates]).values
    if weight is None:
        weight = np.asarray(data.arrays["weight"].values if data.clusters is None else data.counts)
    return weight @ x / weight.sum()


def _expected(data: Target, natural: dict[str, Array], o: Outcome, location: Array) -> tuple[Array, bool]:
    """Expected outcomes by class, covariates at their means, from the table of the family: (point, class, ...)."""
    (r,) = [r for r in data.model.responses if r.name == f"outcome_{o.number}"]
    if r.family.gaussian:
        return location, False
    plain = replace(r, predictor=tuple(t for t in r.predictor if not t.covariates and not t.effects))
    (variable,) = [c.name for c in data.model.classes if c.name in {d for t in plain.terms for d in t.dims}]
    alone = Model("outcome", (plain,))
    packing = Packing(alone.parameters, data.coords, data.packing.absent)
    own = {p.name: natural[p.name] for p in alone.parameters}
    item = next(t.parameter for t in plain.terms if t.parameter.name == o.location)
    own[o.location] = np.expand_dims(location, 1 + item.dims.index(r.item_dim))
    kept = {k: v for k, v in data.arrays.items() if k.startswith(f"{r.name}:") or k == "weight"}
    few = replace(data, model=alone, packing=packing, arrays=kept, kept={}, clusters=None, nodes={}, places={})
    points = packing.pack(own, (len(location),))
    table = LogLikelihood(few).factors(points)[f"response:{r.name}"]
    by = table.dims.index(variable), table.dims.index(r.item_dim), table.dims.index("feature")
    x = np.moveaxis(table.values, (0, *by), range(4))
    mean = r.family.mean(x, constants_of(few, r.name))[:, :, 0]
    return mean, r.family.finite
