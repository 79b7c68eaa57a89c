"""The log density of the posterior as a function of points of the whole real space, of many points at once.

    log p(u | y) + log p(y) = loglik(theta) + log prior(x) + log |dx/dtheta| + log |dtheta/du|

x are the natural parameters with the declared prior, on the user's scale; theta is what the log-likelihood is a
function of; u has a value for every real number (the logarithm of an SD, the logit of a probability). Priors are
normalised, so that the integral over u is the marginal likelihood. Centring covariates moves intercepts by slopes
alone, which has no Jacobian of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmix.graph import Problem
from bayesmix.ml import Objective, Target
from bayesmix.spec.parameters import Parameter, Prior
from bayesmix.typing import Array


@dataclass(frozen=True)
class Density:
    """The posterior of a problem with priors.

    Parameters
    ----------
    data : Problem
        Effects integrated, covariates centred (:meth:`bayesmix.Problem.centred`).
    priors : mapping of str to Prior
        Of every parameter.
    """

    data: Problem
    priors: Mapping[str, Prior]

    @cached_property
    def objective(self) -> Objective:
        """Log-likelihood plus the log density of natural parameters."""
        own = {f.name: getattr(self.data, f.name) for f in fields(Problem)}
        return Objective(Target(**own, priors=self.priors))

    def __call__(self, u: Array) -> Array:
        """The log density at points (point, entry); minus infinity where it cannot be computed."""
        with np.errstate(all="ignore"):
            theta = self.theta(u)
            value = np.asarray(self.objective.value(theta)) + self.log_slope(u, theta)
        return np.where(np.isfinite(value), value, -np.inf)

    def value_and_gradient(self, u: Array) -> tuple[float, Array]:
        """The log density and its gradient at one point."""
        theta = self.theta(u)
        value, gradient = self.objective.value_and_gradient(theta)
        lines = self._each(lambda p, x: p.domain.log_line_slope(x), u)
        return (
            float(value + self.log_slope(u, theta)),
            np.asarray(gradient) * np.exp(lines) + _slope_of_slopes(self._slopes, u),
        )

    def theta(self, u: Array) -> Array:
        """Points of theta; leading axes are carried along."""
        return self._each(lambda p, x: p.domain.from_line(x), u)

    def u(self, theta: Array) -> Array:
        """Points of theta taken back."""
        return self._each(lambda p, x: p.domain.to_line(x), theta)

    def natural(self, u: Array) -> dict[str, Array]:
        """Natural parameters on the user's scale; leading axes are carried along."""
        return self.data.natural(self.theta(u))

    def of_natural(self, values: Mapping[str, Array]) -> Array:
        """Points of natural parameters (point, ...)."""
        inside = self.data.recoding.to_inside(values)
        out = np.empty((len(next(iter(values.values()))), self.data.packing.size))
        for p, i, free in self._entries():
            out[:, i] = p.domain.inverse(inside[p.name])[:, free]
        return self.u(out)

    def log_prior(self, u: Array) -> Array:
        """The log density of the natural parameters of points (point, entry) under their priors alone."""
        return self.objective.log_prior(self.theta(u))

    def log_slope(self, u: Array, theta: Array | None = None) -> Array:
        """The logarithm of the volume of natural parameters for one of u."""
        return self._slopes(u, theta).sum(axis=-1)

    def is_plain(self) -> NDArray[np.bool_]:
        """Which coordinates of u are those of theta."""
        probe = np.full(self.data.packing.size, 0.5)
        return self._each(lambda p, x: p.domain.from_line(x), probe) == probe

    def _slopes(self, u: Array, theta: Array | None = None) -> Array:
        """The logarithms of dx/du, entry by entry."""
        theta = self.theta(u) if theta is None else theta
        out, inside = self._each(lambda p, x: p.domain.log_line_slope(x), u), self.data.inside(theta)
        for p, i, free in self._entries():
            out[..., i] += p.domain.log_slope(inside[p.name])[..., free]
        return out

    def _each(self, change: Callable[[Parameter, Array], Array], x: Array) -> Array:
        """Every parameter's free entries changed, in place of the others."""
        out = np.array(x, dtype=float)
        for p, i, _ in self._entries():
            out[..., i] = change(p, out[..., i])
        return out

    def _entries(self) -> Iterator[tuple[Parameter, NDArray[np.int64], NDArray[np.bool_]]]:
        """Parameters, where their free entries stand in theta, and which they are."""
        for p in self.data.model.parameters:
            index = self.data.packing.index[p.name]
            yield p, index[index >= 0], index >= 0


def _slope_of_slopes(slopes: Callable[[Array], Any], u: Array, step: float = 1e-4) -> Array:
    """The derivative of each entry's log slope, which depends on that entry alone."""
    return (slopes(u + step) - slopes(u - step)) / (2 * step)
