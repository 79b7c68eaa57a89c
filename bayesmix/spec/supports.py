"""What values a parameter may take, and how the optimiser, which moves any real number, reaches all of them.

A :class:`Support` is the set of natural values x of a parameter together with a map from unconstrained values z,
x = forward(z). Everything that depends on the kind of a parameter is a method or an attribute of it: a new kind is one
class here, and no other module asks which one it is.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bayesmix.checks import nearest
from bayesmix.typing import Array

SupportName = Literal["real", "positive", "sd", "probability", "ordered", "cholesky", "unit", "covariance"]
CLOSEST = 1e-17
"""Between thresholds that are the same in floating point: no response falls between them."""
SMALLEST = 1e-300
"""A positive number that stands for zero, whose logarithm no optimiser could move."""
PROBABILITY_BOUND = 1e-9
"""An optimiser keeps probabilities this far from 0 and 1, where gradients of log probabilities are infinite."""
MODERATE_PROBABILITY = 0.02, 0.98
MODERATE_STEP, MODERATE_SD = 4.0, 0.05
"""Moderate values are no further than so many units from the centre, SDs and gaps no smaller than so many."""


class Support:
    """Any real number that has no meaning of its own; each of the other supports says in what it differs.

    Attributes
    ----------
    name : str
        What a user writes: ``Parameter("sigma", support="positive")``.
    bounds : tuple of float or None
        Where natural values end; None where they do not.
    ends_in_words : str
        What a table of priors says after the name of a distribution that is cut off there.
    scale : str
        The name of the scale (:mod:`bayesmix.spec.scales`) where an interval of an estimate is symmetric.
    is_linear : bool
        Natural and unconstrained values are the same, and may be shifted, scaled and negated.
    is_effect_sd : bool
        An SD of an effect, of either sign to the optimiser.
    is_ordered : bool
        Increasing along the last dim.
    is_triangular : bool
        Loadings (..., effect, variable) on independent effects, each of which is of one more variable.
    is_conditional : bool
        Values of other parameters restrict it.
    is_identity : bool
        Loadings (..., effect, variable) by which the first variables are the effects themselves.
    """

    name: ClassVar[SupportName]
    bounds: ClassVar[tuple[float | None, float | None]] = (None, None)
    ends_in_words: ClassVar[str] = ""
    scale: ClassVar[str] = "identity"
    is_linear: ClassVar[bool] = False
    is_effect_sd: ClassVar[bool] = False
    is_ordered: ClassVar[bool] = False
    is_triangular: ClassVar[bool] = False
    is_identity: ClassVar[bool] = False
    is_conditional: ClassVar[bool] = False

    # between the two scales -----------------------------------------------------------------------

    def forward(self, z: Any, xp: Any = np) -> Any:
        """Take unconstrained `z` to natural values; `xp` is NumPy, or ``pytensor.tensor`` for a symbolic `z`."""
        return z

    def inverse(self, x: Array) -> Array:
        """Take natural `x` to unconstrained values: NaN or infinite outside the support, NaN where `x` is missing."""
        return np.asarray(x, dtype=float)

    def log_slope(self, x: Array) -> Array:
        """Compute log |dx/dz| at natural `x`, entry by entry; the Jacobian of every support is triangular."""
        return np.zeros(np.shape(x))

    # the whole line -------------------------------------------------------------------------------

    def from_line(self, u: Array) -> Array:
        """Take any real numbers `u` to unconstrained values, one to one: each natural value has one `u`."""
        return u

    def to_line(self, z: Array) -> Array:
        """Take unconstrained `z` to the `u` of :meth:`from_line`."""
        return z

    def log_line_slope(self, u: Array) -> Array:
        """Compute log |dz/du|, entry by entry."""
        return np.zeros(np.shape(u))

    # shapes ---------------------------------------------------------------------------------------

    def structure(self, shape: tuple[int, ...]) -> Array:
        """Give the values of entries that the support itself fixes, in `shape`; NaN elsewhere."""
        return np.full(shape, np.nan)

    def effect_sds(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Mark the entries, in `shape`, that are SDs of effects."""
        return np.full(shape, self.is_effect_sd)

    def shiftable(self, free: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Mark the entries that can take over a shift, where the entries `free` are estimated."""
        return free

    # ranges ---------------------------------------------------------------------------------------

    def search_bounds(self, shape: tuple[int, ...], largest: float) -> tuple[Array, Array]:
        """Give lower and upper bounds of unconstrained values in `shape`, with SDs and scales `largest` at most."""
        return np.full(shape, -np.inf), np.full(shape, np.inf)

    def loadings(self, shape: tuple[int, ...], size: float) -> Array:
        """Give natural values in `shape` of loadings of this `size`."""
        return np.full(shape, size)

    def moderate(self, x: Array, centre: Array, unit: Array) -> Array:
        """Move natural `x` near `centre`, in units of `unit`, and away from the ends, where no chain should start."""
        return np.clip(x, centre - MODERATE_STEP * unit, centre + MODERATE_STEP * unit)

    def reachable(self, x: Array) -> Array:
        """Move natural `x` off an end that no finite unconstrained value stands for."""
        return x

    # classes in another order ---------------------------------------------------------------------

    def comparable(self, x: Array) -> Array:
        """Take natural `x` to a scale on which equal differences between classes mean the same."""
        return x

    def canonical(self, x: Array) -> Array:
        """Give natural `x`, whose classes have been permuted, the form of the support again."""
        return x


class Real(Support):
    """Any real number: intercepts, slopes, logits."""

    name = "real"
    is_linear = True


class Covariance(Support):
    """A residual covariance: any number with which the matrix that it is an entry of is positive definite.

    That is a condition on the SDs and covariances of a class together: elsewhere the log-likelihood is NaN.
    """

    name = "covariance"
    ends_in_words = ", where matrices are positive definite"
    is_conditional = True


class Positive(Support):
    """x > 0: residual SDs, variances. x = exp(z)."""

    name = "positive"
    bounds = (0.0, None)
    ends_in_words = " above 0"

    def forward(self, z: Any, xp: Any = np) -> Any:
        """Exponentiate `z`."""
        return xp.exp(z)

    def inverse(self, x: Array) -> Array:
        """Take the logarithm of `x`: minus infinity of zero, at which an entry may be fixed."""
        with np.errstate(divide="ignore"):
            return np.log(np.asarray(x, dtype=float))

    def log_slope(self, x: Array) -> Array:
        """Take the logarithm of `x`: dx/dz = x."""
        return np.log(x)

    def search_bounds(self, shape: tuple[int, ...], largest: float) -> tuple[Array, Array]:
        """Bound the logarithm from above."""
        return np.full(shape, -np.inf), np.full(shape, np.log(largest))

    def moderate(self, x: Array, centre: Array, unit: Array) -> Array:
        """Keep `x` between a share and a multiple of `unit`."""
        return np.clip(x, MODERATE_SD * unit, MODERATE_STEP * unit)

    def reachable(self, x: Array) -> Array:
        """Move an SD that has underflowed to zero to the smallest number whose logarithm is finite."""
        return np.maximum(x, SMALLEST)

    def comparable(self, x: Array) -> Array:
        """Take the logarithm of `x`: an SD twice as large is as far away as one half as large."""
        return np.log(x)


class StandardDeviation(Support):
    """x >= 0, the SD of an effect: x = |z|. The log-likelihood is smooth at zero, and no search is caught there."""

    name = "sd"
    bounds = (0.0, None)
    ends_in_words = " above 0"
    is_effect_sd = True

    def forward(self, z: Any, xp: Any = np) -> Any:
        """Take the absolute value of `z`: of exp(z) zero would be minus infinity, a trap to an optimiser."""
        return xp.abs(z)

    def inverse(self, x: Array) -> Array:
        """Give `x`, the z that is not negative."""
        x = np.asarray(x, dtype=float)
        return np.where(x < 0, np.nan, x)

    def from_line(self, u: Array) -> Array:
        """Exponentiate `u`: z and -z are one SD."""
        return np.exp(u)

    def to_line(self, z: Array) -> Array:
        """Take the logarithm of the SD."""
        return np.log(np.maximum(np.abs(z), SMALLEST))

    def log_line_slope(self, u: Array) -> Array:
        """Give `u`, the logarithm of dz/du = exp(u)."""
        return u

    def search_bounds(self, shape: tuple[int, ...], largest: float) -> tuple[Array, Array]:
        """Bound `z` on both sides."""
        return np.full(shape, -largest), np.full(shape, largest)

    def moderate(self, x: Array, centre: Array, unit: Array) -> Array:
        """Keep `x` between a share and a multiple of `unit`."""
        return np.clip(x, MODERATE_SD * unit, MODERATE_STEP * unit)


class Probability(Support):
    """0 <= x <= 1, within bounds of the optimiser: x = z."""

    name = "probability"
    bounds = (0.0, 1.0)
    scale = "logit"
    ends_in_words = " within 0 and 1"

    def inverse(self, x: Array) -> Array:
        """Give `x`; NaN outside of 0 and 1."""
        x = np.asarray(x, dtype=float)
        return np.where((x < 0) | (x > 1), np.nan, x)

    def from_line(self, u: Array) -> Array:
        """Give the probability of the logit `u`."""
        return special.expit(u)

    def to_line(self, z: Array) -> Array:
        """Give the logit of `z`, of 0 and 1 that of the nearest probability an optimiser takes."""
        return special.logit(np.clip(z, PROBABILITY_BOUND, 1.0 - PROBABILITY_BOUND))

    def log_line_slope(self, u: Array) -> Array:
        """Sum the logarithms of both probabilities."""
        return special.log_expit(u) + special.log_expit(-np.asarray(u))

    def search_bounds(self, shape: tuple[int, ...], largest: float) -> tuple[Array, Array]:
        """Keep `z` off 0 and 1."""
        return np.full(shape, PROBABILITY_BOUND), np.full(shape, 1.0 - PROBABILITY_BOUND)

    def moderate(self, x: Array, centre: Array, unit: Array) -> Array:
        """Keep `x` away from 0 and 1."""
        return np.clip(x, *MODERATE_PROBABILITY)


class Ordered(Support):
    """x_1 < x_2 < ... along the last dim, thresholds: x_1 = z_1, x_k = x_(k-1) + exp(z_k)."""

    name = "ordered"
    ends_in_words = ", in order"
    is_ordered = True

    def forward(self, z: Any, xp: Any = np) -> Any:
        """Sum the first of `z` and the exponentials of the others."""
        return xp.cumsum(xp.concatenate([z[..., :1], xp.exp(z[..., 1:])], axis=-1), axis=-1)

    def inverse(self, x: Array) -> Array:
        """Take the logarithms of the gaps of `x`."""
        x = np.asarray(x, dtype=float)
        gap = np.diff(x, axis=-1)
        gap = np.where(gap == 0.0, CLOSEST, gap)  # around an empty category thresholds meet: no logarithm of zero
        return np.concatenate([x[..., :1], np.log(gap)], axis=-1)

    def log_slope(self, x: Array) -> Array:
        """Take the logarithms of the gaps of `x`; the first moves as z does."""
        gap = np.maximum(np.diff(x, axis=-1), SMALLEST)  # where thresholds meet a volume is small, not undefined
        return np.concatenate([np.zeros_like(x[..., :1]), np.log(gap)], axis=-1)

    def shiftable(self, free: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Mark all entries where the first is among `free`: with the first threshold all of them move."""
        return np.broadcast_to(free[..., :1], free.shape)

    def moderate(self, x: Array, centre: Array, unit: Array) -> Array:
        """Keep `x` near zero, and thresholds apart."""
        x = np.clip(x, -2 * MODERATE_STEP, 2 * MODERATE_STEP)
        gap = np.cumsum(np.maximum(np.diff(x, axis=-1), MODERATE_SD), axis=-1)
        return x[..., :1] + np.concatenate([np.zeros_like(x[..., :1]), gap], axis=-1)


class CholeskyLoadings(Support):
    """Loadings (..., effect, variable) on independent standard normal effects: variables have the covariance x' x.

    Variable v loads on the effects 1..v only, x_ev = z_ev for e < v, and on the v-th positively, x_vv = exp(z_vv), so
    that each covariance matrix has one such x.
    """

    name = "cholesky"
    is_triangular = True

    def forward(self, z: Any, xp: Any = np) -> Any:
        """Exponentiate the diagonal of `z`."""
        return xp.where(_diagonal(z, xp), xp.exp(z), z)

    def inverse(self, x: Array) -> Array:
        """Take the logarithm of the diagonal of `x`."""
        x = np.asarray(x, dtype=float)
        positive = np.where(x == 0, SMALLEST, x)  # a loading at its boundary, zero: no search goes on from log zero
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(_diagonal(x), np.log(positive), x)

    def log_slope(self, x: Array) -> Array:
        """Take the logarithm of the diagonal of `x`; beside it dx/dz is 1."""
        positive = np.maximum(x, SMALLEST)  # at the boundary of a loading a volume is small, not undefined
        return np.where(_diagonal(x), np.log(positive), 0.0)

    def structure(self, shape: tuple[int, ...]) -> Array:
        """Fix what lies below the diagonal at zero."""
        out = super().structure(shape)
        out[..., np.tri(shape[-2], shape[-1], k=-1, dtype=bool)] = 0.0
        return out

    def effect_sds(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Mark the diagonal."""
        return np.broadcast_to(np.eye(shape[-2], shape[-1], dtype=bool), shape)

    def search_bounds(self, shape: tuple[int, ...], largest: float) -> tuple[Array, Array]:
        """Bound the logarithms on the diagonal from above, the others on both sides."""
        diagonal = self.effect_sds(shape)
        return np.where(diagonal, -np.inf, -largest), np.where(diagonal, np.log(largest), largest)

    def loadings(self, shape: tuple[int, ...], size: float) -> Array:
        """Give each of the first variables to its own effect: none of them is related to another."""
        return np.broadcast_to(size * np.eye(shape[-2], shape[-1]), shape)

    def moderate(self, x: Array, centre: Array, unit: Array) -> Array:
        """Keep the diagonal off zero, too."""
        x = super().moderate(x, centre, unit)
        return np.where(_diagonal(x), np.maximum(x, MODERATE_SD), x)

    def canonical(self, x: Array) -> Array:
        """Turn the effects so that `x`, of the same covariance matrix, is triangular, with a positive diagonal."""
        rotation, triangle = np.linalg.qr(x[..., : x.shape[-2]])
        sign = np.where(np.diagonal(triangle, axis1=-2, axis2=-1) < 0, -1.0, 1.0)
        return np.triu(sign[..., None] * (np.swapaxes(rotation, -1, -2) @ x))


class IdentityLoadings(Support):
    """Loadings (..., effect, variable) by which the first variables are the effects themselves; the others are free."""

    name = "unit"
    is_identity = True

    def structure(self, shape: tuple[int, ...]) -> Array:
        """Fix the first variables at an identity."""
        out = super().structure(shape)
        out[..., : shape[-2]] = np.eye(shape[-2], min(shape[-2:]))
        return out


SUPPORTS: dict[str, Support] = {
    s.name: s
    for s in (
        Real(),
        Positive(),
        StandardDeviation(),
        Probability(),
        Ordered(),
        CholeskyLoadings(),
        IdentityLoadings(),
        Covariance(),
    )
}
"""The supports by their names."""


def check_support(name: Any, parameter: str) -> None:
    """Refuse `name` where it is no support, as that of `parameter`.

    Raises
    ------
    ValueError
        The names that there are, and the one that is nearest.
    """
    if not isinstance(name, str) or name not in SUPPORTS:
        near = nearest(name, SUPPORTS)
        hint = f"did you mean '{near}'?" if near else "give one of them."
        raise ValueError(
            f"The support of parameter '{parameter}' came as {name!r}, but there are {', '.join(SUPPORTS)}: {hint}"
        )


def _diagonal(x: Any, xp: Any = np) -> Any:
    """Mark the diagonal of the matrices `x`, with `xp` as in :meth:`Support.forward`."""
    return xp.eye(x.shape[-2], x.shape[-1]) > 0
