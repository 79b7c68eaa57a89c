"""Ground floor: nodes for standard normal latent variables, as values. Depends on NumPy and SciPy alone.

A method is asked for a number of dimensions and answers with nodes `z` of shape (node, effect) and
log weights of shape (node,) that sum to one on the natural scale. Adaptive nodes are then moved to
where each unit (cluster or individual) has its posterior; exact integration has nodes without weights.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

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
        kept = weights > 1e-290  # beyond 350 points the outer weights underflow: those nodes count for nothing
        log_weights = np.where(kept, np.log(np.where(kept, weights, 1.0)), -1e8)
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


@dataclass(frozen=True)
class Adaptive:
    """Gauss-Hermite nodes, `n` a dimension, centred and scaled at the posterior of each unit."""

    n: int = 7

    def __post_init__(self) -> None:
        _check(self.n)

    def grid(self, n_effects: int) -> tuple[Array, Array]:
        """Nodes (node, effect) and log weights (node,) before they are moved."""
        points, log_weights = GaussHermite(self.n).grid(1)
        return _product(points[:, 0], log_weights, n_effects, str(self))

    def placed(self, mean: Array, scale: Array) -> tuple[Array, Array]:
        """Nodes and log weights of each unit: z = mean + scale t, weighted for the standard normal density of z.

        Parameters
        ----------
        mean : array (unit, effect)
        scale : array (unit, effect, effect)
            Lower triangular.

        Returns
        -------
        tuple of arrays
            Nodes (unit, node, effect) and log weights (unit, node).
        """
        t, log_weights = self.grid(mean.shape[1])
        z = mean[:, None, :] + np.einsum("ukl,nl->unk", scale, t)
        size = np.log(np.diagonal(scale, axis1=1, axis2=2)).sum(axis=1)
        return z, log_weights + 0.5 * (t**2).sum(axis=-1) - 0.5 * (z**2).sum(axis=-1) + size[:, None]

    def finer(self) -> Adaptive:
        """The rule with twice the points, for the audit of a fit."""
        return replace(self, n=2 * self.n + 1)


@dataclass(frozen=True)
class Exact:
    """No approximation: the log density is quadratic in the effects, so that its integral is a closed form.

    Normal outcomes that are linear in the effects, given the classes that live above them. The nodes
    are the stencil from which the quadratic's coefficients are read off: 0, +-e_k, e_k + e_l.
    """

    def stencil(self, n_effects: int) -> tuple[Array, Array, Array]:
        """Nodes (node, effect), and what reads off -curvature (node, effect, effect) and slope (node, effect) at 0."""
        eye = np.eye(n_effects)
        pairs = [(k, m) for k in range(n_effects) for m in range(k)]
        z = np.concatenate([np.zeros((1, n_effects)), eye, -eye, *[[eye[k] + eye[m]] for k, m in pairs]])
        curve, slope = np.zeros((len(z), n_effects, n_effects)), np.zeros((len(z), n_effects))
        for k in range(n_effects):
            up, down = 1 + k, 1 + n_effects + k
            slope[[up, down], k] = 0.5, -0.5
            curve[[0, up, down], k, k] = 2.0, -1.0, -1.0
        for j, (k, m) in enumerate(pairs):
            for one, other in ((k, m), (m, k)):
                curve[[1 + 2 * n_effects + j, 1 + k, 1 + m, 0], one, other] = -1.0, 1.0, 1.0, -1.0
        return z, curve, slope


Nodes = Trapezoid | GaussHermite | MonteCarlo | Adaptive | Exact


def from_text(text: str) -> Nodes:
    """A method from what ``str`` makes of it, e.g. ``Trapezoid(n=15, limit=5.0)``."""
    kinds: dict[str, Any] = {kind.__name__: kind for kind in (Trapezoid, GaussHermite, MonteCarlo, Adaptive, Exact)}
    name, _, inside = text.removesuffix(")").partition("(")
    pairs = (word.split("=") for word in inside.split(", ") if word)
    return kinds[name](**{k: float(v) if "." in v or "e" in v else int(v) for k, v in pairs})


def trapezoid(n: int = 15, limit: float = 5.0) -> Trapezoid:
    """The papers' setting: `n` equally spaced points on (-limit, limit) in standard deviations."""
    return Trapezoid(n, limit)


def gauss_hermite(n: int = 15) -> GaussHermite:
    """Gauss-Hermite nodes, `n` a dimension."""
    return GaussHermite(n)


def monte_carlo(n: int = 1000, seed: int = 0) -> MonteCarlo:
    """`n` quasi-Monte Carlo nodes in all, whatever the number of effects."""
    return MonteCarlo(n, seed)


def adaptive(n: int = 7) -> Adaptive:
    """Gauss-Hermite nodes, `n` a dimension, centred and scaled at each unit's posterior."""
    return Adaptive(n)


def exact() -> Exact:
    """The closed form, for normal outcomes that are linear in the random effects."""
    return Exact()
