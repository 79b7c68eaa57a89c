"""Step three on the engine: weighted rows, a maximum by Newton's method, and its sandwich."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.data import Dataset
from bayesmix.graph import LogLikelihood, adapt_nodes
from bayesmix.ml import Objective, Target, curvature, ranges
from bayesmix.ml.newton import Curvature, inverse_information, newton
from bayesmix.ml.search import LONG, SHORT, Start, Task, run_start
from bayesmix.parallel import one_blas_thread
from bayesmix.spec import Model, Packing
from bayesmix.three_steps.sandwich import Groups, outer
from bayesmix.typing import Array

STEP = 1e-4
"""Of differences of the gradient."""
FINISHED = 1e-6
"""What a further step of Newton's method may still gain, at most."""
MOST_STACKED = 5_000_000
"""Rows by combinations of classes."""
MOST_ORDERS, HIGHER = 3, 0.1
"""Orders of groups from which a maximum elsewhere is looked for; a log-likelihood that is so much higher is said."""


@dataclass(frozen=True)
class Third:
    """The rows of the last step as a problem.

    A row that is assigned to several classes is there for each of them; at several occasions for each combination.

    Attributes
    ----------
    target : Target
    row : array of int (stacked row,)
        Whose it is, by its position among the rows of the last step.
    column : array of int (stacked row, occasion)
        The classes that are assigned to it; -1 where it has none.
    freq : array (row,)
        Units that a row stands for.
    """

    target: Target
    row: NDArray[np.int64]
    column: NDArray[np.int64]
    freq: Array

    @classmethod
    def of(
        cls, model: Model, frame: pd.DataFrame, columns: Sequence[str], labels: Sequence[list],
        weights: Sequence[Array], freq: Array, every: bool,
    ) -> Third:  # fmt: skip
        """Stack the rows by the classes that are assigned to them.

        Parameters
        ----------
        model : Model
            Of the last step.
        frame : pandas.DataFrame
            Its rows, with covariates and outcomes.
        columns : sequence of str
            Where the assigned class of each occasion goes.
        labels : sequence of list
            The classes of each.
        weights : sequence of array (row, class)
            How far each row is assigned to each class of an occasion; missing where it has no answer there.
        freq : array (row,)
        every : bool
            Whether all classes of all rows are wanted, those without weight too.

        Raises
        ------
        ValueError
            More combinations of classes than can be held.
        """
        row, column = np.arange(len(frame)), np.zeros((len(frame), 0), dtype=np.int64)
        for w in weights:
            seen = ~np.isnan(w[:, 0])
            owner, choice = np.nonzero(seen[:, None] & (np.ones(w.shape, dtype=bool) if every else w != 0))
            owner, choice = np.append(owner, np.flatnonzero(~seen)), np.append(choice, np.full((~seen).sum(), -1))
            order = np.argsort(owner, kind="stable")
            n = np.bincount(owner, minlength=len(frame))
            first = np.cumsum(n) - n
            again = np.repeat(np.arange(len(row)), n[row])
            if len(again) > MOST_STACKED:
                raise ValueError(
                    f"{len(frame)} rows are assigned to all combinations of classes of {len(weights)} occasions, more "
                    f"than {MOST_STACKED:,} together: take assignment='modal' with method='ml'."
                )
            within = np.arange(len(again)) - np.repeat(np.cumsum(n[row]) - n[row], n[row])
            column = np.column_stack([column[again], choice[order][first[row[again]] + within]])
            row = row[again]
        known = {
            name: pd.Categorical.from_codes(column[:, k].tolist(), categories=cast(Any, labels[k]))
            for k, name in enumerate(columns)
        }
        stacked = frame.iloc[row].assign(**known).reset_index(drop=True)
        return cls(target_of(model, stacked), row, column, freq).weighted(weights)

    def chosen(self, w: Array, occasion: int, missing: float = 1.0) -> Array:
        """The entry of w (row, class) that belongs to each stacked row."""
        at = self.column[:, occasion]
        return np.where(at < 0, missing, w[self.row, at])

    def product(self, weights: Sequence[Array], freq: Array | None = None, but: int | None = None) -> Array:
        """The weight of each stacked row: the product over occasions, but for one, and of the units of its row."""
        out = np.ones(len(self.row)) if freq is None else freq[self.row]
        for k, w in enumerate(weights):
            out = out if k == but else out * self.chosen(w, k)
        return out

    def weighted(self, weights: Sequence[Array]) -> Third:
        """The same rows with other assignments."""
        data = self.target
        weight = np.bincount(data.pattern_of, weights=self.product(weights, self.freq), minlength=len(data.counts))
        return replace(self, target=data.with_weights(weight))

    def with_model(self, model: Model) -> Third:
        """The same rows under a model that differs in what is fixed."""
        data = self.target
        packing = Packing(model.parameters, data.coords, data.packing.absent)
        return replace(self, target=replace(data, model=model, packing=packing, kept={}))

    def of_rows(self, scores: Array, weights: Sequence[Array]) -> Array:
        """Scores of patterns (pattern, parameter) as those of rows, by the weights of their classes."""
        out = np.zeros((len(self.freq), scores.shape[1]))
        np.add.at(out, self.row, scores[self.target.pattern_of] * self.product(weights)[:, None])
        return out


def target_of(model: Model, frame: pd.DataFrame) -> Target:
    """Encode rows for a model of step three; their covariates are checked."""
    return Target.of(Dataset.encode(model, frame))


@dataclass(frozen=True)
class Maximum:
    """The maximum of step three.

    Attributes
    ----------
    data : Target
        With nodes in place, where there are any.
    theta : array
    loglik : float
    curvature : Curvature
    """

    data: Target
    theta: Array
    loglik: float
    curvature: Curvature

    @cached_property
    def inverse(self) -> Array:
        """The inverse of the information."""
        return inverse_information(self.curvature)[0]

    @cached_property
    def flat(self) -> NDArray[np.bool_]:
        """Which entries of theta lie in a flat direction."""
        return inverse_information(self.curvature)[1]

    def robust(self, scores: Array, freq: Array, groups: Groups) -> Array:
        """The sandwich of scores (row, parameter) of rows that stand for `freq` units, summed over each group."""
        return self.inverse @ outer(scores, freq, groups) @ self.inverse

    def slope_along(self, model: Model, names: list[str]) -> tuple[Array, NDArray[np.int64], Packing]:
        """How the score moves with parameters that are fixed here and free in `model`.

        Returns
        -------
        array (parameter, freed entry)
        array of int (freed entry,)
            Their places in theta under `model`.
        Packing
            The layout of that theta.
        """
        packing = Packing(model.parameters, self.data.coords, self.data.packing.absent)
        free = replace(self.data, model=model, packing=packing, kept={})
        inside = self.data.inside(self.theta)
        at = packing.pack({p.name: inside[p.name] for p in model.parameters})
        moved = np.unique(np.concatenate([packing.index[k].ravel() for k in names]))
        moved = moved[moved >= 0]
        own = np.zeros(self.data.packing.size, dtype=np.int64)
        for name, here in self.data.packing.index.items():
            own[here[here >= 0]] = packing.index[name][here >= 0]
        apart = STEP * np.eye(packing.size)[moved]
        with one_blas_thread():
            _, gradients = Objective(free).value_and_gradient(np.concatenate([at + apart, at - apart]))
        up, down = gradients[: len(moved)], gradients[len(moved) :]
        return ((up - down) / (2 * STEP))[:, own].T, moved, packing


def climb(data: Target, theta: Array) -> Maximum:
    """The maximum next to a start.

    Raises
    ------
    ValueError
        A residual SD runs to zero.
    RuntimeError
        No maximum was found.
    """
    limits = ranges(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        start = run_start(Task(data, limits, Start(0, limits.within(theta)), LONG, None), alone=True)
        if not np.isfinite(start.loglik):
            raise RuntimeError(f"Step three found no maximum ({start.status}): check the scale of the outcomes.")
        data = adapt_nodes(data, start.theta)
        theta, value, c = newton(data, start.theta)
    gone = limits.collapsed(theta)
    if gone.any():
        name = np.array(data.packing.names())[gone][0]
        raise ValueError(
            f"{name} has run down to zero in step three: in one class hardly anything varies. Take variance='equal'."
        )
    gain = float(c.gradient @ inverse_information(c)[0] @ c.gradient)
    if not gain < FINISHED:
        raise RuntimeError(
            f"Step three stopped before its maximum (a further step would gain {gain:.2g}): its log-likelihood may "
            "have none; take fewer covariates, variance='equal' or another method."
        )
    return Maximum(data, theta, float(value), c if (c.at == theta).all() else curvature(data, theta))


def higher_elsewhere(top: Maximum, variable: str) -> float | None:
    """The log-likelihood of a higher maximum far from the classes of step one; None where no start found one.

    Outcomes can make classes of their own: the log-likelihood of the last step then has a higher maximum elsewhere.
    Starts lie where the classes are groups of equal size along a normal outcome; a few steps from there tell.
    """
    data, limits = top.data, ranges(top.data)
    found = top.loglik
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for k, point in enumerate(_by_outcomes(data, variable)):
            start = run_start(Task(data, limits, Start(k, limits.within(point)), SHORT, None), alone=True)
            if start.short > top.loglik and not start.collapsed:
                found = max(found, start.short)
    return found if found > top.loglik + HIGHER else None


def _by_outcomes(data: Target, variable: str) -> list[Array]:
    """Points at which the classes are groups along a normal outcome, in some of their orders."""
    size, out = len(data.coords[variable]), []
    for r in data.model.responses:
        if not (r.name.startswith("outcome_") and r.family.residual == "sd"):
            continue
        y = data.responses[r.name][:, 0]
        seen = ~np.isnan(y)
        group = np.searchsorted(np.quantile(y[seen], np.arange(1, size) / size), np.nan_to_num(y))
        if len(np.unique(group[seen])) < size:
            continue
        orders = [np.roll(np.arange(size)[::step], k) for step in (1, -1) for k in range(size)]
        for order in orders[:MOST_ORDERS]:
            p = np.eye(size)[order[group]] * seen[:, None]
            values = start_values(data, [np.ones(size)], p)
            sd = r.auxiliary[0].parameter
            spread = np.array([np.std(y[seen & (order[group] == k)]) for k in range(size)])
            if variable in sd.dims:
                values[sd.name] = np.maximum(spread, 0.1 * np.std(y[seen])).reshape(values[sd.name].shape)
            held = {k: np.where(data.packing.estimated[k], v, data.packing.held[k]) for k, v in values.items()}
            out.append(data.pack(held))
        break
    return out


def start_values(data: Target, tables: Sequence[Array], p: Array) -> dict[str, Array]:
    """Where the last step begins: class sizes, moves, margins of the outcomes weighted by class probabilities.

    Parameters
    ----------
    data : Target
    tables : sequence of array
        Sizes of the classes (class,) of the first occasion; then moves (class before, class), one an occasion.
    p : array (pattern, class)
        Class probabilities of the patterns, of the class variable that outcomes follow from.
    """
    values = data.natural(ranges(data).center)
    for c, table in zip(data.model.classes, tables, strict=False):
        share = np.maximum(table / np.maximum(table.sum(axis=-1, keepdims=True), 1e-300), 1e-4)
        name = c.predictor[0].parameter.name
        values[name] = np.where(data.packing.estimated[name], np.log(share / share[..., -1:]), values[name])
    for r in data.model.responses:
        if not r.name.startswith("outcome_"):
            continue
        own = next(t.parameter for t in r.terms if not t.covariates and not t.effects)
        y = data.responses[r.name][:, 0]
        n = len(data.categories[r.items[0]])
        each = [np.asarray(r.family.baseline(y, p[:, k], n)) for k in range(p.shape[1])]
        values[own.name] = np.stack(each).reshape(values[own.name].shape)
    return values


def unit_posterior(data: Target, theta: Array, level: str, name: str) -> Array:
    """P(X = t | W, Y, Z) of each pattern (or cluster)."""
    (found,) = LogLikelihood(data).posterior(theta, (level, name))
    p = np.asarray(found)
    return p / np.maximum(p.sum(axis=1, keepdims=True), 1e-300)
