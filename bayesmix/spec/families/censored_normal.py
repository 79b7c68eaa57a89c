"""Continuous responses that are seen within limits: the tobit model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bayesmix.checks import is_number
from bayesmix.spec.families.base import Constants, Family, Place
from bayesmix.spec.families.normal import Normal
from bayesmix.spec.families.numerics import Array, Tensor, log_normal_cdf, stack
from bayesmix.spec.parameters import Parameter, Prior

ROUNDING = 1e-12
"""A response this near to a limit, relative to its size, is at it."""
LIKE_NORMAL = Normal()


@dataclass(frozen=True)
class CensoredNormal(Family):
    """Continuous response of which no more is seen than the limit it is beyond: y* ~ N(eta, sigma^2).

    y = y* between the limits L and U, with the density of the normal distribution; y = L with the probability
    Phi((L - eta) / sigma) and y = U with Phi((eta - U) / sigma). Auxiliary parameter `sigma`. The mean is that of y;
    eta is the mean of y*.

    Inside the graph y is centred and scaled by mean and SD of the responses at hand, as normal ones are.

    References
    ----------
    Tobin (1958), Estimation of relationships for limited dependent variables, Econometrica 26, 24-36.
    """

    lower: float | None = None
    upper: float | None = None
    kind: ClassVar[str] = "real"
    auxiliary: ClassVar[tuple[str, ...]] = ("sigma",)  # pyright: ignore[reportIncompatibleMethodOverride]
    intercept_prior: ClassVar[Prior] = LIKE_NORMAL.intercept_prior
    sd_prior: ClassVar[Prior] = LIKE_NORMAL.sd_prior
    slope_prior: ClassVar[Prior] = LIKE_NORMAL.slope_prior
    location_axis: ClassVar[str] = "mean without limits"

    def __post_init__(self) -> None:
        for name, x in (("lower", self.lower), ("upper", self.upper)):
            if x is not None and not (is_number(x) and np.isfinite(x)):
                raise ValueError(f"{name} of a censored normal came as {x!r}, expected a number, or None for no limit.")
        if self.lower is None and self.upper is None:
            raise ValueError("A censored normal came without limits: give lower=0 or so, or take bm.normal().")
        if self.lower is not None and self.upper is not None and self.lower >= self.upper:
            raise ValueError(
                f"The limits of a censored normal came as lower={self.lower:g} and upper={self.upper:g}: the lower one "
                "is the smaller."
            )

    def __str__(self) -> str:
        limits = [f"{k}={x:g}" for k, x in (("lower", self.lower), ("upper", self.upper)) if x is not None]
        return f"CensoredNormal({', '.join(limits)})"

    @classmethod
    def of_words(cls, words: tuple[str, ...]) -> CensoredNormal:
        """Read ``censored_normal:0``, ``censored_normal:0:10`` or ``censored_normal::10``."""
        try:
            return cls(*(float(w) if w else None for w in words))
        except (TypeError, ValueError) as error:
            why = "" if isinstance(error, TypeError) or "convert" in str(error) else f" {error}"
            raise ValueError(
                f"The family censored_normal came with the limits '{':'.join(words)}': give censored_normal:LOWER, "
                f"censored_normal:LOWER:UPPER or censored_normal::UPPER.{why}"
            ) from None

    @property
    def detail(self) -> str:
        """What tells two censored responses apart: the limits."""
        each = ["" if x is None else f"{x:g}" for x in (self.lower, self.upper)]
        return re.sub(r"\W", "_", "_to_".join(each))

    @property
    def residual(self) -> str:
        """What the further parameter is: the SD of y*."""
        return "sd"

    def refused(self, y: Array) -> str:
        """Say what is wrong with answers: beyond a limit."""
        below, above = self._beyond(y, strictly=True)
        if (bad := y[below | above]).size:
            limit = f"at least {self.lower:g}" if below.any() else f"at most {self.upper:g}"
            return (
                f"came with {bad[0]:g}, expected {limit}, the limit that the family {self.name} was given: what is "
                "beyond it has its value"
            )
        return ""

    def _beyond(self, y: Array, strictly: bool = False) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Mark responses at the lower and the upper limit; or those that are further out, `strictly`."""
        sign = -1.0 if strictly else 1.0
        low, high = (-np.inf if self.lower is None else self.lower), (np.inf if self.upper is None else self.upper)
        with np.errstate(invalid="ignore"):
            room = [0.0 if np.isinf(x) else sign * ROUNDING * max(1.0, abs(x)) for x in (low, high)]
            return y <= low + room[0], y >= high - room[1]

    def features(self, y: Array, n_categories: int) -> Array:
        """(1, z, z^2) of what is within the limits, z standardised; indicators of the limits that there are."""
        below, above = self._beyond(y)
        center, scale = _units(y)
        z = (y - center) / scale
        within = ~(below | above | np.isnan(y))
        each = [within, np.where(within, z, 0.0), np.where(within, z**2, 0.0)]
        each += [below] * (self.lower is not None) + [above] * (self.upper is not None)
        return np.stack(each, axis=-1).astype(float)

    def constants(self, y: Array | None, n_categories: NDArray[np.int64], width: int) -> Constants:
        """Mean and SD of the responses of each item, which its features are made with."""
        center, scale = (np.zeros(len(n_categories)), np.ones(len(n_categories))) if y is None else _units(y)
        return {"center": (("item",), center), "scale": (("item",), scale)}

    def coefficients(self, eta: Tensor, constants: Mapping[str, Tensor], **auxiliary: Tensor) -> tuple[Tensor, ...]:
        """Coefficients of the normal log density, then the log probabilities of the limits."""
        sigma = auxiliary["sigma"]
        normal = LIKE_NORMAL.coefficients(eta, constants, sigma=sigma)
        limits = [log_normal_cdf((self.lower - eta) / sigma)] if self.lower is not None else []
        limits += [log_normal_cdf((eta - self.upper) / sigma)] if self.upper is not None else []
        return (*normal, *limits)

    def table(self, eta: Tensor, constants: Mapping[str, Tensor], **auxiliary: Tensor) -> Tensor:
        """The coefficients over the dim `feature`."""
        return stack(self.coefficients(eta, constants, **auxiliary))

    def _moments(self, table: Array, constants: Mapping[str, Any]) -> tuple[Array, Array]:
        """Mean and mean square of y, with those of y* between the limits a and b: Greene (2018), section 19.3."""
        mu = LIKE_NORMAL.mean(table, constants)
        sd = np.sqrt(LIKE_NORMAL.variance(table, constants))
        low, high = (-np.inf if self.lower is None else self.lower), (np.inf if self.upper is None else self.upper)
        a, b = (low - mu) / sd, (high - mu) / sd
        below, above = special.ndtr(a), special.ndtr(-b)
        within = np.maximum(special.ndtr(b) - below, 0.0)
        heights = [np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi) for x in (a, b)]
        first = mu * within + sd * (heights[0] - heights[1])
        lead, last = (np.where(np.isinf(x), 0.0, x) * h for x, h in zip((a, b), heights, strict=True))
        second = (mu**2 + sd**2) * within + 2 * mu * sd * (heights[0] - heights[1]) + sd**2 * (lead - last)
        ends = [(0.0 if self.lower is None else self.lower, below), (0.0 if self.upper is None else self.upper, above)]
        return first + sum(x * p for x, p in ends), second + sum(x**2 * p for x, p in ends)

    def mean(self, table: Array, constants: Mapping[str, Any]) -> Array:
        """The mean of y, limits and all, from the coefficients (..., item, feature)."""
        return self._moments(table, constants)[0]

    def variance(self, table: Array, constants: Mapping[str, Any]) -> Array:
        """The variance of y."""
        mean, square = self._moments(table, constants)
        return np.maximum(square - mean**2, 0.0)

    def draw(self, table: Array, rng: np.random.Generator, constants: Mapping[str, Any]) -> Array:
        """Responses from the coefficients (..., feature): those beyond a limit are at it."""
        return np.clip(LIKE_NORMAL.draw(table, rng, constants), self.lower, self.upper)

    def baseline(self, y: Array, weights: Array, n_categories: int) -> Array:
        """The mean of y."""
        return LIKE_NORMAL.baseline(y, weights, n_categories)

    def item_auxiliary(self, place: Place) -> tuple[Parameter, ...]:
        """SDs of items."""
        return LIKE_NORMAL.item_auxiliary(place)

    def outcome_auxiliary(self, by: tuple[str, ...], spread_by: tuple[str, ...]) -> tuple[Parameter, ...]:
        """The SD of an outcome."""
        return LIKE_NORMAL.outcome_auxiliary(by, spread_by)


def _units(y: Array) -> tuple[Array, Array]:
    """Mean and SD of the responses (individual, item) of each item; 0 and 1 where there are none."""
    seen = ~np.isnan(y)
    n = np.maximum(seen.sum(axis=0), 1)
    center = np.where(seen, y, 0.0).sum(axis=0) / n
    sd = np.sqrt((np.where(seen, y - center, 0.0) ** 2).sum(axis=0) / n)
    return center, np.where(sd > 0, sd, 1.0)
