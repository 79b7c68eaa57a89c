"""Proposals for importance sampling: multivariate t distributions under a skew of each entry, and mixtures of them.

Entry j of a point u is u_j = xi_j + eta_j sinh((arcsinh(z_j) + eps_j) / delta_j), the sinh-arcsinh transformation
(Jones and Pewsey, 2009, https://doi.org/10.1093/biomet/asp053): eps skews, delta changes the tails; z is
multivariate t.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import optimize, special

from bayesmix.typing import Array

DEGREES = 10.0
"""Degrees of freedom of the t distribution: tails that hold those of a posterior, and not much wider."""
PENALTY = 0.01
"""Of squared skews and tails: a few points tell nothing of them."""
ENDS = [(-3.0, 3.0), (-2.0, 2.0), (-2.0, 2.0), (-0.7, 0.7)]
"""Of xi, log eta, eps and log delta, in SDs of the entry from its mean."""
FURTHER = 4.0
"""SDs to both sides of a mode where the density is looked at."""
KEPT = 2.0
"""The correlations that were there count as so many points for each entry."""


@dataclass(frozen=True)
class Skew:
    """Sinh-arcsinh transformations of the entries: xi, eta, eps and delta, a number for each."""

    xi: Array
    eta: Array
    eps: Array
    delta: Array

    def points(self, z: Array) -> Array:
        """Points u of z (point, entry)."""
        with np.errstate(over="ignore"):
            return self.xi + self.eta * np.sinh((np.arcsinh(z) + self.eps) / self.delta)

    def symmetric(self, u: Array) -> tuple[Array, Array]:
        """The z of points u, and the sum of log dz/du."""
        with np.errstate(over="ignore"):
            r = (u - self.xi) / self.eta
            t = self.delta * np.arcsinh(r) - self.eps
            slope = _log_cosh(t) + np.log(self.delta / self.eta) - 0.5 * np.log1p(r**2)
            return np.sinh(t), slope.sum(axis=1)


def fitted_skew(u: Array, weight: Array) -> Skew:
    """The transformations under which the entries of weighted points are nearest to normal, by maximum likelihood.

    Parameters
    ----------
    u : array (point, entry)
    weight : array (point,) or (point, entry)
        They add up to 1.
    """
    weight = np.broadcast_to(weight.reshape(len(u), -1), u.shape)
    mean = (weight * u).sum(axis=0)
    sd = np.sqrt((weight * (u - mean) ** 2).sum(axis=0))
    sd = np.where(sd > 0, sd, 1.0)
    found = np.array([_fitted(x, w) for x, w in zip(((u - mean) / sd).T, weight.T, strict=True)])
    xi, log_eta, eps, log_delta = found.T
    return Skew(mean + sd * xi, sd * np.exp(log_eta), eps, np.exp(log_delta))


def _fitted(x: Array, weight: Array) -> Array:
    """xi, log eta, eps and log delta of one entry with mean 0 and SD 1."""

    def falling(at: Array) -> tuple[float, Array]:
        xi, log_eta, eps, log_delta = at
        eta, delta = np.exp(log_eta), np.exp(log_delta)
        r = (x - xi) / eta
        a = np.arcsinh(r)
        t = delta * a - eps
        z = np.sinh(t)
        value = _log_cosh(t) + log_delta - log_eta - 0.5 * np.log1p(r**2) - 0.5 * z**2
        by_t = np.tanh(t) - z * np.cosh(t)
        by_r = by_t * delta / np.sqrt(1 + r**2) - r / (1 + r**2)
        slopes = [-(weight @ by_r) / eta, -(weight @ (by_r * r)) - 1, -(weight @ by_t), weight @ (by_t * delta * a) + 1]
        held = PENALTY * np.array([0.0, 0.0, eps, log_delta])
        return float(held @ at - weight @ value), 2 * held - np.array(slopes)

    return optimize.minimize(falling, np.zeros(4), jac=True, method="L-BFGS-B", bounds=ENDS).x


def _log_cosh(t: Array) -> Array:
    return np.abs(t) + np.log1p(np.exp(-2 * np.abs(t))) - np.log(2.0)


@dataclass(frozen=True)
class SkewT:
    """A multivariate t distribution (location, scale matrix) under a skew of each entry."""

    skew: Skew
    location: Array
    scale: Array

    @cached_property
    def _root(self) -> Array:
        return np.linalg.cholesky(self.scale)

    def draw(self, rng: np.random.Generator, n: int) -> Array:
        """Draw points (n, entry)."""
        z = rng.normal(size=(n, len(self.location))) @ self._root.T
        return self.skew.points(self.location + z / np.sqrt(rng.chisquare(DEGREES, n) / DEGREES)[:, None])

    def log_density(self, u: Array) -> Array:
        """The log density at points (point, entry)."""
        d, (z, slope) = u.shape[1], self.skew.symmetric(u)
        far = ~np.isfinite(z).all(axis=1)
        z = np.where(far[:, None], self.location, z)
        distance = (np.linalg.solve(self._root, (z - self.location).T) ** 2).sum(axis=0)
        constant = special.gammaln((DEGREES + d) / 2) - special.gammaln(DEGREES / 2) - d / 2 * np.log(DEGREES * np.pi)
        height = constant - np.log(np.diag(self._root)).sum() - (DEGREES + d) / 2 * np.log1p(distance / DEGREES)
        return np.where(far, -np.inf, height + slope)

    def refitted(self, u: Array, weight: Array) -> SkewT:
        """The same fitted to weighted points, the correlations held where these are few."""
        skew = fitted_skew(u, weight)
        z, _ = skew.symmetric(u)
        mean = weight @ z
        covariance = ((z - mean) * weight[:, None]).T @ (z - mean)
        sd, old = np.sqrt(np.diag(covariance)), np.sqrt(np.diag(self.scale))
        held = KEPT * len(mean) / (KEPT * len(mean) + 1 / (weight**2).sum())
        correlation = (1 - held) * covariance / np.outer(sd, sd) + held * self.scale / np.outer(old, old)
        return SkewT(skew, mean, correlation * np.outer(sd, sd))


def around(density, mode: Array, information: Array) -> SkewT:
    """A first proposal about a mode: its curvature, and skews by the density along a line for each entry.

    On the line of an entry the others are at their means given it, were the posterior normal.
    """
    covariance = np.linalg.inv(information)
    sd = np.sqrt(np.diag(covariance))
    steps = np.linspace(-FURTHER, FURTHER, 17)
    lines = mode + steps[:, None, None] * (covariance / sd[:, None])  # (step, entry, coordinate)
    height = density(lines.reshape(-1, len(mode))).reshape(len(steps), len(mode))
    weight = np.exp(height - height.max(axis=0))
    skew = fitted_skew(mode + steps[:, None] * sd, weight / weight.sum(axis=0))
    return SkewT(skew, np.zeros(len(mode)), covariance / np.outer(sd, sd))


@dataclass(frozen=True)
class Mixture:
    """Several distributions with their shares."""

    parts: Sequence[SkewT]
    shares: Array

    def draw(self, rng: np.random.Generator, n: int) -> Array:
        """Draw points (n, entry), in random order."""
        counts = rng.multinomial(n, self.shares)
        drawn = np.concatenate([p.draw(rng, k) for p, k in zip(self.parts, counts, strict=True)])
        return drawn if len(self.parts) == 1 else rng.permutation(drawn)

    def log_density(self, u: Array) -> Array:
        """The log density at points (point, entry)."""
        return np.logaddexp.reduce(self._each(u), axis=0)

    def refitted(self, u: Array, weight: Array, fewest: float) -> Mixture:
        """The same fitted to weighted points, each to its part; a part with fewer effective points stays as it is."""
        each = self._each(u)
        whole = np.logaddexp.reduce(each, axis=0)
        share = np.exp(each - np.where(np.isfinite(whole), whole, 0.0)) * weight  # nobody's where none reaches
        total = share.sum(axis=1)
        parts = []
        for p, own, sum_ in zip(self.parts, share, total, strict=True):
            enough = sum_ > 0 and sum_**2 / (own**2).sum() >= fewest
            parts.append(p.refitted(u, own / sum_) if enough else p)
        shares = np.maximum(total, 0.01)
        return Mixture(parts, shares / shares.sum())

    def _each(self, u: Array) -> Array:
        return np.array([np.log(a) + p.log_density(u) for a, p in zip(self.shares, self.parts, strict=True)])
