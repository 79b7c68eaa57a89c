"""Newton's method along the curved directions of an objective, and the covariance matrices at its end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bayesmix.graph import LogLikelihood
from bayesmix.ml.objective import Objective, Target
from bayesmix.ml.starts import Ranges, ranges
from bayesmix.parallel import one_blas_thread
from bayesmix.spec import TINY
from bayesmix.typing import Array

STEP = 1e-4
"""Of central differences, in the natural units of the parameters."""
HESSIAN_REUSE_SHARE = 0.1
"""A Hessian is kept while each step brings the gain to be expected of the next one down to this share."""
FLAT = 1e-5
"""Information below which a direction is flat: a standard error of over 300 natural units."""
RIDGE = 1e-7
"""A gain in log-likelihood for which no flat direction is followed."""
AT_ONCE = 4_000_000
"""Scores, of so many units and parameters, that are made at once."""
ZERO = 1e-3
"""An SD, in units of its start, that counts as zero."""


@dataclass(frozen=True)
class Curvature:
    """Second-order quantities at a point: information matrix and unit scores."""

    data: Target
    information: Array
    gradient: Array
    unit: Array
    at: Array

    @cached_property
    def scores(self) -> Array:
        """The gradient of each unit's log-likelihood (unit, parameter): wanted once, at the end."""
        units, steps = LogLikelihood(self.data).of_units, STEP * self.unit
        out = np.zeros((len(steps), len(self.weight)))
        with one_blas_thread():
            for some in np.array_split(np.arange(len(steps)), max(out.size // AT_ONCE, 1)):
                apart = np.eye(len(steps))[some] * steps
                found = units(np.concatenate([self.at + apart, self.at - apart]))
                out[some] = (found[: len(some)] - found[len(some) :]) / (2 * steps[some, None])
        return out.T

    @property
    def weight(self) -> Array:
        """How often each unit counts."""
        return self.data.arrays["weight"].values

    @property
    def spectrum(self) -> tuple[Array, Array]:
        """Eigenvalues and vectors of the information matrix in the natural units of the parameters."""
        values, vectors = np.linalg.eigh(self.information * np.outer(self.unit, self.unit))
        return values, vectors * self.unit[:, None]


def curvature(data: Target, theta: Array) -> Curvature:
    """Hessian by central differences of the exact gradient, scores by those of the units' log-likelihoods.

    Right to seven digits; no function of second derivatives is to be compiled.
    """
    limits, evaluate = ranges(data), Objective(data).value_and_gradient
    unit = limits.unit
    steps, n = STEP * unit, len(theta)
    with one_blas_thread():
        _, gradients = evaluate(theta + np.concatenate([np.diag(steps), -np.diag(steps), np.zeros((1, n))]))
    hessian, gradient = (gradients[:n] - gradients[n:-1]) / (2 * steps[:, None]), gradients[-1]
    symmetric = -(hessian + hessian.T) / 2
    return _without_held(Curvature(data, symmetric, gradient, unit, theta), limits, theta)


def _without_held(c: Curvature, limits: Ranges, theta: Array) -> Curvature:
    """Without the entries that are held at their bound: flat, and no way to go."""
    free = ~limits.held(theta, c.gradient)
    return replace(c, information=c.information * np.outer(free, free), gradient=c.gradient * free)


def newton(
    data: Target, theta: Array, known: Curvature | None = None, iterations: int = 20
) -> tuple[Array, float, Curvature]:
    """Newton's method along the directions in which the log-likelihood is curved, uphill where it is convex.

    It is convex in a logit that a long step has carried out to where its gradient fades. The Hessian is
    made anew where the last one no longer brings the gradient down; `known` is one of a point nearby.
    """
    evaluate, limits = Objective(data).value_and_gradient, ranges(data)
    theta = limits.within(theta)
    value, gradient = evaluate(theta)
    before, steps = np.inf, 0
    while steps < iterations:
        c = curvature(data, theta) if known is None else _without_held(replace(known, gradient=gradient), limits, theta)
        step = _newton_step(c)
        gain = float(gradient @ step)
        if gain < 2e-10:  # twice what the step would gain
            return theta, value, c
        if known is not None and gain > HESSIAN_REUSE_SHARE * before:
            known, before = None, np.inf
            continue
        new, steps = _backtrack(evaluate, limits, theta, value, step), steps + 1
        if new is None and known is None:
            return theta, value, c
        known, before = (c, gain) if new is not None else (None, np.inf)
        theta, value, gradient = new or (theta, value, gradient)
    return theta, value, curvature(data, theta)


def _newton_step(c: Curvature) -> Array:
    values, vectors = c.spectrum
    along, curved = vectors.T @ c.gradient, np.abs(values)
    keep = curved > 1e-3 * FLAT
    keep &= (curved > FLAT) | (along**2 > RIDGE * curved)
    step = vectors[:, keep] @ (along[keep] / curved[keep])
    longest = np.abs(step / c.unit).max(initial=0.0)
    return step * min(1.0, 5.0 / longest) if longest > 0 else step


def _backtrack(evaluate, limits: Ranges, theta: Array, value: float, step: Array) -> tuple[Array, float, Array] | None:
    """The first point along the step that is higher, its value and gradient."""
    for shrink in (1.0, 0.5, 0.25, 0.05):
        trial = limits.within(theta + shrink * step)
        new, gradient = evaluate(trial)
        if new > value:
            return trial, new, gradient
    return None


def at_zero(data: Target, theta: Array) -> NDArray[np.bool_]:
    """Which entries of theta have run to their boundary: SDs of effects to zero, probabilities to zero or one."""
    small, out = np.abs(theta) < ZERO * ranges(data).unit, np.zeros(len(theta), dtype=bool)
    for p in data.model.parameters:
        i = data.packing.index[p.name]
        if p.domain.is_effect_sd:
            out[i[i >= 0]] = small[i[i >= 0]]
        elif p.domain.bounds == (0.0, 1.0):
            at = theta[i[i >= 0]]
            out[i[i >= 0]] = np.minimum(at, 1.0 - at) < TINY
    return out


def inverse_information(c: Curvature) -> tuple[Array, NDArray[np.bool_]]:
    """The inverse of the information along its curved directions, and which entries lie in a flat one (a boundary)."""
    values, vectors = c.spectrum
    keep = values > FLAT
    inverse = (vectors[:, keep] / values[keep]) @ vectors[:, keep].T
    flat = vectors[:, ~keep]
    size = np.abs(flat) / c.unit[:, None]
    boundary = (size > 0.1).any(axis=1) if flat.size else np.zeros(len(values), dtype=bool)
    return inverse, boundary


def covariances(c: Curvature) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Robust and Hessian covariance of theta, and which entries lie in a flat direction (a boundary)."""
    inverse, boundary = inverse_information(c)
    return inverse @ of_scores(c) @ inverse, inverse, boundary


def of_scores(c: Curvature) -> Array:
    """The variance of the total score: over units, or by the design of a survey (:func:`bayesmix.survey`)."""
    rows = c.data.dataset
    if rows is None or (units := rows.sampled_units) is None:
        return (c.scores * c.weight[:, None]).T @ c.scores
    return units.variance(weighted_scores(c))


def weighted_scores(c: Curvature) -> Array:
    """Scores of the rows in the analysis, or of clusters, by their weights: of one individual of a row."""
    if c.data.clusters is not None:
        return c.scores * c.weight[:, None]
    rows = c.data.rows
    assert rows.sampling is not None
    return c.scores[c.data.pattern_of[rows.seen]] * rows.sampling.weight[rows.seen, None]
