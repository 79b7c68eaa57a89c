"""Covariates that are variables of the model: the density of those that are there, the values of those that miss.

Given w the covariates of individual i are N(mu_i, S). One after the other is taken as known: where it is there, by its
density given those before it, where it misses, as its mean given all that are there and its SD given these times a
standard normal z,

    x ~ N(m, V):    x_j known    ->    m + V_j (x_j - m_j) / V_jj,    V - V_j V_j' / V_jj.

Those that are there come first, so that the nodes of the others lie where these say. All of it is done for each
individual, whatever misses there, with numbers of Python for the few covariates.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pytensor import xtensor as px

from bayesmix.spec import Coefficients, Effect, Model, walk
from bayesmix.spec.families import Tensor

LOG_2_PI = float(np.log(2 * np.pi))
Tensors = Mapping[str, Any]


def completed(
    model: Model, values: Tensors, data: Tensors, summand: Any, normal: Any
) -> tuple[dict[str, Tensor], Tensor]:
    """Values of the covariates, over nodes where they miss, and the log density of those that are there.

    Parameters
    ----------
    model : Model
    values, data : mapping of str to tensor
        As :func:`bayesmix.graph.likelihood.log_likelihood` has them.
    summand : callable
        A term's value, of the term, the parameters, the data and effects.
    normal : callable
        The values of a standard normal effect, by its level and number.

    Returns
    -------
    dict of str to tensor
        By effect, (individual, nodes).
    tensor
        (individual,).
    """
    own: list[tuple[Effect, Coefficients]] = []
    mean: list[Any] = []
    sd: list[Any] = []
    for e, terms, residual in walk(model, values):
        if e.column is not None and e.sd is not None:
            own.append((e, residual))
            mean.append(sum(summand(t, values, data, {}) for t in terms))
            sd.append(summand(e.sd, values, data, {}))
    n = range(len(own))
    covariance = [[_product(own[j][1], own[k][1]) * sd[j] * sd[k] for k in n] for j in n]
    there = [data[f"there:{e.column}"] for e, _ in own]
    known = [data[f"value:{e.column}"] for e, _ in own]
    density: Any = 0.0 * there[0]
    for j in n:
        variance = _safe(covariance[j][j], there[j])
        away = known[j] - mean[j]
        density = density - 0.5 * there[j] * (LOG_2_PI + px.math.log(variance) + away**2 / variance)
        mean, covariance = _given(j, there[j] * away, variance, there[j], mean, covariance)
    out: dict[str, Tensor] = {}
    for j, (e, _) in enumerate(own):
        misses = 1.0 - there[j]
        variance = _safe(covariance[j][j], misses)
        z = normal("individual", _number(model, e))
        away = misses * px.math.sqrt(variance) * z
        out[e.name] = px.math.where(px.math.gt(there[j], 0.5), known[j], mean[j] + away)
        mean, covariance = _given(j, away, variance, misses, mean, covariance)
    return out, density


def _given(j: int, away: Any, variance: Any, taken: Any, mean: list, covariance: list) -> tuple[list, list]:
    """Means and covariances given that covariate j, where it is `taken`, is `away` from its mean."""
    n = range(len(mean))
    gain = [taken * covariance[k][j] / variance for k in n]
    means = [mean[k] + gain[k] * away for k in n]
    return means, [[covariance[k][m] - gain[k] * covariance[j][m] for m in n] for k in n]


def _safe(variance: Any, taken: Any) -> Any:
    """A variance where it is used, elsewhere 1: those that are there have none left, and 0 / 0 has no gradient."""
    return px.math.where(px.math.gt(taken, 0.5), variance, 1.0)


def _product(a: Coefficients, b: Coefficients) -> Any:
    """The covariance of two sums of standard normal effects."""
    each = [a[k] * b[k] for k in a if k in b]
    return sum(each[1:], each[0]) if each else 0.0


def _number(model: Model, e: Effect) -> int:
    """The number of an effect among those of individuals."""
    return model.effects_at("individual").index(e)
