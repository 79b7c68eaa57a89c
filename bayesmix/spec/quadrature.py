"""Ground floor: nodes for standard normal latent variables, as values.

A method is asked for a number of dimensions and answers with nodes `z` of shape (node, effect) and
log weights of shape (node,) that sum to one on the natural scale; a product rule also with the points of
one dimension. Adaptive nodes are then moved to where each unit (cluster or individual) has its posterior;
exact integration has nodes without weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from scipy import special

from bayesmix.checks import whole
from bayesmix.typing import Array

MAX_NODES = 200_000
MAX_PRODUCT = 10_000_000
"""Nodes of individuals times nodes of clusters."""
MAX_ENTRIES = 1_000_000_000
"""Nodes times units, 8 GB of numbers, beyond which no table of them is made."""


def _product(points: Array, log_weights: Array, n_effects: int) -> tuple[Array, Array]:
    grid = np.meshgrid(*[points] * n_effects, indexing="ij")
    weights = np.meshgrid(*[log_weights] * n_effects, indexing="ij")
    return (
        np.stack([g.ravel() for g in grid], axis=-1),
        np.sum([w.ravel() for w in weights], axis=0),
    )


def count_nodes(method: Nodes, n_effects: int) -> int:
    """How many nodes a method has over so many effects, of each unit if it is adaptive."""
    if isinstance(method, PartlyExact):
        return method.n**method.covariates * count_nodes(Exact(), n_effects - method.covariates)
    if isinstance(method, Exact):
        return 1 + 2 * n_effects + n_effects * (n_effects - 1) // 2
    return method.n if isinstance(method, MonteCarlo) else method.n**n_effects


def _check_product(method: Trapezoid | GaussHermite | Adaptive, n_effects: int) -> None:
    """Refuse a product of too many nodes, before any of them is made."""
    if (nodes := count_nodes(method, n_effects)) > MAX_NODES:
        raise ValueError(
            f"{method} over {n_effects} random effects needs {method.n}^{n_effects} = {nodes:,} nodes, "
            f"more than {MAX_NODES:,}: take fewer points, or nodes=bayesmix.monte_carlo(1000)."
        )


def _more(method: Nodes, wanted: int, n_effects: int) -> int:
    """As many points as wanted, or as there may be of a product over so many effects."""
    most = next(k for k in range(int(MAX_NODES ** (1 / n_effects)) + 1, 0, -1) if k**n_effects <= MAX_NODES)
    if min(wanted, most) <= getattr(method, "n", 0):
        raise ValueError(f"There are no finer nodes than {method} over {n_effects} random effects: take fewer effects.")
    return min(wanted, most)


def _check(method: Trapezoid | GaussHermite | MonteCarlo | Adaptive) -> None:
    """Refuse what is no number of nodes, or more than there may be; keep it as a plain number."""
    whole("The number of nodes", method.n)
    if method.n > MAX_NODES:
        raise ValueError(
            f"The number of nodes came as {method.n:,}: give at most {MAX_NODES:,}; 15 to 100 a dimension are usual."
        )
    object.__setattr__(method, "n", int(method.n))


@dataclass(frozen=True)
class Trapezoid:
    """`n` equally spaced points on (-limit, limit), weights proportional to the normal density."""

    n: int = 15
    limit: float = 5.0

    def __post_init__(self) -> None:
        _check(self)
        number = isinstance(self.limit, (int, float, np.number)) and not isinstance(self.limit, bool)
        if not (number and 0 < self.limit < np.inf):
            raise ValueError(f"The limit of the nodes came as {self.limit!r}: give a positive number of SDs, e.g. 5.")
        object.__setattr__(self, "limit", float(self.limit))

    def grid(self, n_effects: int) -> tuple[Array, Array]:
        """Nodes (node, effect) and log weights (node,)."""
        return _product(*self.axis(n_effects), n_effects)

    def axis(self, n_effects: int = 1) -> tuple[Array, Array]:
        """Points and log weights of each dimension of a product."""
        _check_product(self, n_effects)
        points = np.linspace(-self.limit, self.limit, self.n) if self.n > 1 else np.zeros(1)
        log_weights = -0.5 * points**2
        return points, log_weights - float(cast(Any, special.logsumexp(log_weights)))

    def finer(self, n_effects: int = 1) -> Trapezoid:
        """About half the step, on a range wider by one at each end, for the audit of a fit."""
        return replace(self, n=_more(self, 2 * self.n + 1, n_effects), limit=self.limit + 1.0)


@dataclass(frozen=True)
class GaussHermite:
    """The Gauss-Hermite rule with `n` points for the standard normal."""

    n: int = 15

    def __post_init__(self) -> None:
        _check(self)

    def grid(self, n_effects: int) -> tuple[Array, Array]:
        """Nodes (node, effect) and log weights (node,)."""
        return _product(*self.axis(n_effects), n_effects)

    def axis(self, n_effects: int = 1) -> tuple[Array, Array]:
        """Points and log weights of each dimension of a product."""
        _check_product(self, n_effects)
        points, weights = special.roots_hermitenorm(self.n)
        kept = weights > 1e-290  # beyond 350 points the outer weights underflow: those nodes count for nothing
        log_weights = np.where(kept, np.log(np.where(kept, weights, 1.0)), -1e8)
        return points, log_weights - np.log(weights.sum())

    def finer(self, n_effects: int = 1) -> GaussHermite:
        """The rule with twice the points, for the audit of a fit."""
        return replace(self, n=_more(self, 2 * self.n, n_effects))


@dataclass(frozen=True)
class MonteCarlo:
    """Quasi-Monte Carlo: `n` points of a scrambled Sobol sequence, for four effects and more."""

    n: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        _check(self)
        whole("The seed of the nodes", self.seed, 0)
        object.__setattr__(self, "seed", int(self.seed))

    def grid(self, n_effects: int) -> tuple[Array, Array]:
        """Nodes (node, effect) and log weights (node,)."""
        from scipy.stats import qmc  # a second to import, and seldom wanted

        power = int(np.ceil(np.log2(self.n))) if self.n > 1 else 0
        uniform = qmc.Sobol(n_effects, rng=np.random.default_rng(self.seed)).random_base2(power)
        return special.ndtri(uniform[: self.n]), np.full(self.n, -np.log(self.n))

    def finer(self, n_effects: int = 1) -> MonteCarlo:
        """Four times the points, if there may be so many, with another scrambling, for the audit of a fit."""
        return replace(self, n=min(4 * self.n, MAX_NODES), seed=self.seed + 1)


@dataclass(frozen=True)
class Adaptive:
    """Gauss-Hermite nodes, `n` a dimension, centred and scaled at the posterior of each unit."""

    n: int = 7

    def __post_init__(self) -> None:
        _check(self)

    def grid(self, n_effects: int) -> tuple[Array, Array]:
        """Nodes (node, effect) and log weights (node,) before they are moved."""
        return _product(*self.axis(n_effects), n_effects)

    def axis(self, n_effects: int = 1) -> tuple[Array, Array]:
        """Points and log weights of each dimension before they are moved."""
        _check_product(self, n_effects)
        return GaussHermite(self.n).axis()

    def placed(self, mean: Array, scale: Array, order: Sequence[int]) -> Iterator[tuple[tuple[int, ...], Array, Array]]:
        """Nodes and log weights of each unit: z = mean + scale t, weighted for the standard normal density of z.

        Parameters
        ----------
        mean : array (unit, effect)
        scale : array (unit, effect, effect)
            As :func:`root` gives it: lower triangular, for the effects in their `order`.
        order : sequence of int
            The effects, in an order in which each depends on the points of those before it and its own.

        Yields
        ------
        over : tuple of int
            The effects of whose points the nodes of the next effect are made, for each effect from the first.
        z, log_weights : array (unit, *points of these)
            The sum of the log weights of all effects is that of a node of the product.
        """
        n = mean.shape[1]
        points, log_weights = self.axis(n)
        for k in range(n):
            over = tuple(sorted(order[: [*order].index(k) + 1]))
            along = [[-1 if m == other else 1 for other in over] for m in over]
            z = mean[:, k].reshape((-1, *[1] * len(over)))
            for m, shape in zip(over, along, strict=True):
                z = z + scale[:, k, m].reshape((-1, *[1] * len(over))) * points.reshape(shape)
            own = (log_weights + 0.5 * points**2).reshape(along[over.index(k)])
            yield over, z, own - 0.5 * z**2 + np.log(scale[:, k, k]).reshape((-1, *[1] * len(over)))

    def finer(self, n_effects: int = 1) -> Adaptive:
        """The rule with twice the points, for the audit of a fit."""
        return replace(self, n=_more(self, 2 * self.n + 1, n_effects))


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


@dataclass(frozen=True)
class PartlyExact:
    """A grid over covariates that rows miss, and the closed form over the other effects given these.

    `n` equally spaced points on (-limit, limit) for each of the `covariates`, which are the first effects.
    """

    n: int = 31
    limit: float = 5.0
    covariates: int = 1

    def axis(self, n_effects: int = 1) -> tuple[Array, Array]:
        """Points and log weights of each covariate."""
        return Trapezoid(self.n, self.limit).axis(self.covariates)

    def grid(self, n_effects: int) -> tuple[Array, Array]:
        """Nodes (node, covariate) and log weights (node,)."""
        return Trapezoid(self.n, self.limit).grid(self.covariates)

    def finer(self, n_effects: int = 1) -> PartlyExact:
        """About half the step, on a range wider by one at each end, for the audit of a fit."""
        return replace(self, n=_more(self, 2 * self.n + 1, self.covariates), limit=self.limit + 1.0)


def root(covariance: Array, order: Sequence[int]) -> Array:
    """Factors L of covariance matrices L L' (unit, effect, effect), lower triangular for the effects in `order`."""
    back = np.argsort(order)
    lower = np.linalg.cholesky(covariance[:, order][:, :, order])
    return lower[:, back][:, :, back]


Nodes = Trapezoid | GaussHermite | MonteCarlo | Adaptive | Exact | PartlyExact


def from_text(text: str) -> Nodes:
    """A method from what ``str`` makes of it, e.g. ``Trapezoid(n=15, limit=5.0)``."""
    known = (Trapezoid, GaussHermite, MonteCarlo, Adaptive, Exact, PartlyExact)
    kinds: dict[str, Any] = {kind.__name__: kind for kind in known}
    name, _, inside = text.removesuffix(")").partition("(")
    pairs = (word.split("=") for word in inside.split(", ") if word)
    return kinds[name](**{k: float(v) if "." in v or "e" in v else int(v) for k, v in pairs})


def trapezoid(n: int = 15, limit: float = 5.0) -> Trapezoid:
    """The papers' setting: `n` equally spaced points on (-limit, limit) in standard deviations.

    Examples
    --------
    >>> bm.trapezoid(15)
    Trapezoid(n=15, limit=5.0)
    """
    return Trapezoid(n, limit)


def gauss_hermite(n: int = 15) -> GaussHermite:
    """Gauss-Hermite nodes, `n` a dimension.

    Examples
    --------
    >>> bm.gauss_hermite(9)
    GaussHermite(n=9)
    """
    return GaussHermite(n)


def monte_carlo(n: int = 1000, seed: int = 0) -> MonteCarlo:
    """`n` quasi-Monte Carlo nodes in all, whatever the number of effects.

    Examples
    --------
    >>> bm.monte_carlo(500, seed=1)
    MonteCarlo(n=500, seed=1)
    """
    return MonteCarlo(n, seed)


def adaptive(n: int = 7) -> Adaptive:
    """Gauss-Hermite nodes, `n` a dimension, centred and scaled at each unit's posterior.

    Examples
    --------
    >>> bm.adaptive(7)
    Adaptive(n=7)
    """
    return Adaptive(n)


def exact() -> Exact:
    """The closed form, for normal outcomes that are linear in the random effects.

    Examples
    --------
    >>> bm.exact()
    Exact()
    """
    return Exact()
