"""Counts that vary more than a Poisson distribution lets them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pytensor import xtensor as px
from scipy import special

from bayesmix.spec.families.base import Constants, Family, Place
from bayesmix.spec.families.numerics import Array, Tensor, log_mean, stack
from bayesmix.spec.parameters import Parameter, Prior

DISPERSION = Prior("HalfNormal", sigma=1.5)
SMALLEST_START, LARGEST_START = 0.05, 5.0
"""Ends of the dispersions at which a search begins."""
TERMS = 32
"""Terms of the sum over the numbers below a count that are added one by one; the rest is an integral."""


@dataclass(frozen=True)
class NegativeBinomial(Family):
    """Count: E(y) = mu = exp(eta), Var(y) = mu + alpha mu^2 (NB2); auxiliary parameter `dispersion`, alpha.

    With alpha > 0, the size being 1 / alpha,

        log p(y) = sum_{j < y} log(1 + alpha j) - log y! + y (eta - log(1 + alpha mu)) - log(1 + alpha mu) / alpha,

    a form in which nothing cancels as alpha goes to 0, where this is the Poisson distribution. The first two terms are
    those of the different counts that occur, whose indicators are features. Their cost does not grow with the counts:
    beyond the first terms the sum is an integral with the corrections of Euler and Maclaurin (to 1e-13).

    References
    ----------
    Cameron and Trivedi (2013), Regression Analysis of Count Data, 2nd ed., section 3.3.
    """

    kind: ClassVar[str] = "count"
    location_axis: ClassVar[str] = "rate"
    auxiliary: ClassVar[tuple[str, ...]] = ("dispersion",)  # pyright: ignore[reportIncompatibleMethodOverride]
    intercept_prior: ClassVar[Prior] = Prior("DataNormal", sigma=3.0)

    def features(self, y: Array, n_categories: int) -> Array:
        """(1, y, 0, indicators of the counts that occur); zeros where the response is missing.

        The third feature is always zero: its coefficient, alpha, goes to the simulator.
        """
        seen, counts = ~np.isnan(y), np.unique(y[~np.isnan(y)])
        lead = np.stack([np.ones_like(y), y, np.zeros_like(y)], axis=-1)
        each = np.concatenate([lead, (y[..., None] == counts).astype(float)], axis=-1)
        return np.where(seen[..., None], each, 0.0)

    def constants(self, y: Array | None, n_categories: NDArray[np.int64], width: int) -> Constants:
        """The counts that occur: their factorials, the first numbers below each of them, and where these end."""
        counts = np.zeros(0) if y is None else np.unique(y[~np.isnan(y)])
        number = np.arange(TERMS, dtype=float)
        return {
            "log_factorial": (("feature",), special.gammaln(counts + 1.0)),
            "number": (("number",), number),
            "below": (("feature", "number"), (number < counts[:, None]).astype(float)),
            "end": (("feature",), np.maximum(counts, TERMS)),
        }

    def _parts(self, eta: Tensor, constants: Mapping[str, Tensor], dispersion: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Coefficients of 1 and of y, and the table of the counts that occur over the dim `feature`."""
        scaled = px.math.log1p(dispersion * px.math.exp(eta))
        first = (constants["below"] * px.math.log1p(dispersion * constants["number"])).sum("number")
        rest = _integral(dispersion, constants["end"]) - _integral(dispersion, px.as_xtensor(float(TERMS)))
        return -scaled / dispersion, eta - scaled, first + rest - constants["log_factorial"]

    def log_zero(self, eta: Tensor, **auxiliary: Tensor) -> Tensor:
        """log P(y = 0) = -log(1 + alpha mu) / alpha: the coefficient of 1."""
        alpha = auxiliary["dispersion"]
        return -px.math.log1p(alpha * px.math.exp(eta)) / alpha

    def table(self, eta: Tensor, constants: Mapping[str, Tensor], **auxiliary: Tensor) -> Tensor:
        """The coefficients over the dim `feature`."""
        alpha = auxiliary["dispersion"]
        one, y, each = self._parts(eta, constants, alpha)
        lead: Tensor = stack([one, y, alpha + px.zeros_like(one)])
        each = each + px.zeros_like(lead.isel(feature=0))
        return px.concat([lead, each.transpose(*lead.dims)], dim="feature")

    def density(self, features: Tensor, eta: Tensor, constants: Mapping[str, Tensor], **auxiliary: Tensor) -> Tensor:
        """log p of each response; what does not vary between individuals is computed once a count."""
        one, y, each = self._parts(eta, constants, auxiliary["dispersion"])
        return (
            one * features.isel(feature=0)
            + y * features.isel(feature=1)
            + (each * features.isel(feature=slice(3, None))).sum("feature")
        )

    def shown_location(self, x: Array) -> Array:
        """The mean at an intercept."""
        return np.exp(x)

    def mean(self, table: Array, constants: Mapping[str, Any]) -> Array:
        """The mean from the coefficients (..., item, feature): of 1 there is -log(1 + alpha mu) / alpha."""
        alpha = table[..., 2]
        return np.expm1(-table[..., 0] * alpha) / alpha

    def variance(self, table: Array, constants: Mapping[str, Any]) -> Array:
        """The variance mu + alpha mu^2 from the coefficients (..., item, feature)."""
        mean = self.mean(table, constants)
        return mean + table[..., 2] * mean**2

    def draw(self, table: Array, rng: np.random.Generator, constants: Mapping[str, Any]) -> Array:
        """Counts from the coefficients (..., feature)."""
        alpha, scaled = table[..., 2], -table[..., 0] * table[..., 2]
        return rng.negative_binomial(1.0 / alpha, np.exp(-scaled)).astype(float)

    def baseline(self, y: Array, weights: Array, n_categories: int) -> Array:
        """The log of the mean."""
        return log_mean(y, weights)

    def auxiliary_baseline(self, name: str, y: Array, weights: Array) -> float:
        """The dispersion that mean and variance speak for."""
        w = weights * ~np.isnan(y)
        mean = np.nansum(w * y) / w.sum()
        variance = np.nansum(w * (y - mean) ** 2) / w.sum()
        return float(np.clip((variance - mean) / max(mean, 0.1) ** 2, SMALLEST_START, LARGEST_START))

    def item_auxiliary(self, place: Place) -> tuple[Parameter, ...]:
        """Dispersions of items."""
        dims = (*place.classes, place.item) if place.variance == "class" else (place.item,)
        return (Parameter(f"item_dispersion{place.suffix}", dims, "positive", DISPERSION),)

    def outcome_auxiliary(self, by: tuple[str, ...], spread_by: tuple[str, ...]) -> tuple[Parameter, ...]:
        """The dispersion of an outcome."""
        return (Parameter("outcome_dispersion", spread_by, "positive", DISPERSION),)


def _integral(alpha: Tensor, x: Tensor) -> Tensor:
    """Give G(x) with sum_{j = a}^{b - 1} log(1 + alpha j) = G(b) - G(a): the formula of Euler and Maclaurin."""
    scaled = px.math.log1p(alpha * x)
    slope = alpha / (1.0 + alpha * x)
    whole = ((1.0 + alpha * x) * scaled - alpha * x) / alpha
    return whole - 0.5 * scaled + slope / 12.0 - slope**3 / 360.0 + slope**5 / 1260.0
