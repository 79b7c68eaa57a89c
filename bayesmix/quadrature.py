"""Ground floor: nodes for standard normal latent variables, as values. Depends on NumPy and SciPy alone.

A method is asked for a number of dimensions and answers with nodes `z` of shape (node, effect) and
log weights of shape (node,) that sum to one on the natural scale.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]
MAX_NODES = 200_000


def _product(points: Array, log_weights: Array, n_effects: int, method: str) -> tuple[Array, Array]:
    size = len(points) ** n_effects
    if size > MAX_NODES:
        raise ValueError(
            f"{method} over {n_effects} random effects needs {len(points)}^{n_effects} = {size:,} nodes, "
            f"more than {MAX_NODES:,}: take fewer points, or nodes=bayesmix.monte_carlo(1000)."
        )
    grid = np.meshgrid(*[points] * n_effects, indexing="ij")
    weights = np.meshgrid(*[log_weights] * n_effects, indexing="ij")
    return (
        np.stack([g.ravel() for g in grid], axis=-1),
        np.sum([w.ravel() for w in weights], axis=0),
    )


def _check(n: int) -> None:
    if not isinstance(n, (int, np.integer)) or n < 1:
        raise ValueError(f"The number of nodes came as {n!r}: give a whole number of at least 1.")


@dataclass(frozen=True)
class Trapezoid:
    """`n` equally spaced points on (-limit, limit), weights proportional to the normal density."""

    n: int = 15
    limit: float = 5.0

    def __post_init__(self) -> None:
        _check(self.n)
        if not 0 < self.limit < np.inf:
            raise ValueError(f"The limit of the nodes came as {self.limit!r}: give a positive number of SDs, e.g. 5.")

    def grid(self, n_effects: int) -> tuple[Array, Array]:
        """Nodes (node, effect) and log weights (node,)."""
        points = np.linspace(-self.limit, self.limit, self.n) if self.n > 1 else np.zeros(1)
        log_weights = -0.5 * points**2
        return _product(points, log_weights - special.logsumexp(log_weights), n_effects, str(self))

    def finer(self) -> Trapezoid:
        """About half the step, on a range wider by one at each end, for the audit of a fit."""
        return replace(self, n=2 * self.n + 1, limit=self.limit + 1.0)


@dataclass(frozen=True)
class GaussHermite:
    """The Gauss-Hermite rule with `n` points for the standard normal."""

    n: int = 15

    def __post_init__(self) -> None:
        _check(self.n)

    def grid(self, n_effects: int) -> tuple[Array, Array]:
        """Nodes (node, effect) and log weights (node,)."""
        points, weights = special.roots_hermitenorm(self.n)
        log_weights = np.log(np.maximum(weights, np.finfo(float).tiny))  # beyond 380 points some vanish
        return _product(points, log_weights - np.log(weights.sum()), n_effects, str(self))

    def finer(self) -> GaussHermite:
        """The rule with twice the points, for the audit of a fit."""
        return replace(self, n=2 * self.n)


@dataclass(frozen=True)
class MonteCarlo:
    """Quasi-Monte Carlo: `n` points of a scrambled Sobol sequence, for four effects and more."""

    n: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        _check(self.n)

    def grid(self, n_effects: int) -> tuple[Array, Array]:
        """Nodes (node, effect) and log weights (node,)."""
        from scipy.stats import qmc  # a second to import, and seldom wanted

        power = int(np.ceil(np.log2(self.n))) if self.n > 1 else 0
        uniform = qmc.Sobol(n_effects, rng=np.random.default_rng(self.seed)).random_base2(power)
        return special.ndtri(uniform[: self.n]), np.full(self.n, -np.log(self.n))

    def finer(self) -> MonteCarlo:
        """Four times the points with another scrambling, for the audit of a fit."""
        return replace(self, n=4 * self.n, seed=self.seed + 1)


Nodes = Trapezoid | GaussHermite | MonteCarlo


def trapezoid(n: int = 15, limit: float = 5.0) -> Trapezoid:
    """The papers' setting: `n` equally spaced points on (-limit, limit) in standard deviations."""
    return Trapezoid(n, limit)


def gauss_hermite(n: int = 15) -> GaussHermite:
    """Gauss-Hermite nodes, `n` a dimension."""
    return GaussHermite(n)


def monte_carlo(n: int = 1000, seed: int = 0) -> MonteCarlo:
    """`n` quasi-Monte Carlo nodes in all, whatever the number of effects."""
    return MonteCarlo(n, seed)


def default_nodes(n_effects: int) -> Nodes:
    """What the program takes when nothing is said: trapezoid(31), (15) or quasi-Monte Carlo."""
    if n_effects <= 1:
        return Trapezoid(31)
    return Trapezoid(15) if n_effects <= 3 else MonteCarlo(2000)
