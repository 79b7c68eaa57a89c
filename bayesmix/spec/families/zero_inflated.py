"""Counts with more zeros than their distribution has: some of them are of those who never count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pytensor import xtensor as px
from scipy import special

from bayesmix.spec.families.base import Constants, Family, Place
from bayesmix.spec.families.negative_binomial import NegativeBinomial
from bayesmix.spec.families.numerics import TINY, Array, Tensor, logaddexp
from bayesmix.spec.families.poisson import Poisson
from bayesmix.spec.parameters import Parameter, Prior

INFLATION = Prior("Beta", alpha=1.0, beta=1.0)
SMALLEST_START, LARGEST_START = 0.05, 0.8
"""Ends of the inflations at which a search begins."""


class ZeroInflated:
    """A mixin: P(y = 0) = w + (1 - w) p_0, and (1 - w) p_y above, p that of the family `counts`.

    Features are the indicator of a zero, and those of `counts` for what is above zero. The first of the latter is 1,
    whose coefficient is log p_0 in every family of counts.
    """

    kind: ClassVar[str] = "count"
    location_axis: ClassVar[str] = "rate of those who count"
    counts: ClassVar[Family]
    intercept_prior: ClassVar[Prior] = Prior("DataNormal", sigma=3.0)

    @property
    def auxiliary(self) -> tuple[str, ...]:
        """Names of the further parameters: those of `counts`, then `inflation`, w."""
        return (*self.counts.auxiliary, "inflation")

    def features(self, y: Array, n_categories: int) -> Array:
        """The indicator of a zero, then the features of `counts`, which a zero has not."""
        zero = (y == 0)[..., None]
        return np.concatenate([zero.astype(float), np.where(zero, 0.0, self.counts.features(y, n_categories))], axis=-1)

    def constants(self, y: Array | None, n_categories: NDArray[np.int64], width: int) -> Constants:
        """Those of `counts`."""
        return self.counts.constants(y, n_categories, width)

    def table(self, eta: Tensor, constants: Mapping[str, Tensor], **auxiliary: Tensor) -> Tensor:
        """The coefficients over the dim `feature`."""
        given = self.counts.table(eta, constants, **self._of_counts(auxiliary))
        zero, counts = self._of_zero(given.isel(feature=0), auxiliary), self._log_rest(auxiliary)
        rest = given + 0.0 * counts
        first = rest.isel(feature=slice(0, 1)) + counts
        parts = [(zero + 0.0 * first.isel(feature=0)).expand_dims("feature"), first, rest.isel(feature=slice(1, None))]
        return px.concat([p.transpose("feature", ...) for p in parts], dim="feature")

    def density(self, features: Tensor, eta: Tensor, constants: Mapping[str, Tensor], **auxiliary: Tensor) -> Tensor:
        """log p of each response; what does not vary between individuals is computed once a count."""
        above, own = features.isel(feature=slice(1, None)), self._of_counts(auxiliary)
        zero = self._of_zero(self.counts.log_zero(eta, **own), auxiliary)
        rest = self.counts.density(above, eta, constants, **own) + self._log_rest(auxiliary) * above.isel(feature=0)
        return zero * features.isel(feature=0) + rest

    def _of_counts(self, auxiliary: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Those of the further parameters that `counts` has."""
        return {k: auxiliary[k] for k in self.counts.auxiliary}

    def _of_zero(self, log_zero: Tensor, auxiliary: Mapping[str, Tensor]) -> Tensor:
        """log(w + (1 - w) p_0) from log p_0; its slope in w is exact at w = 0."""
        w = auxiliary["inflation"]
        return px.math.log(px.math.maximum(px.math.exp(log_zero) - w * px.math.expm1(log_zero), TINY))

    def _log_rest(self, auxiliary: Mapping[str, Tensor]) -> Tensor:
        """log(1 - w), finite at w = 1."""
        return px.math.log(px.math.maximum(1.0 - auxiliary["inflation"], TINY))

    def expected(self, eta: Tensor, **auxiliary: Tensor) -> Tensor | None:
        """The mean (1 - w) mu."""
        return (1.0 - auxiliary["inflation"]) * px.math.exp(eta)

    def _split(self, table: Array) -> tuple[Array, Array]:
        """The inflation w, of P(y = 0) = w + (1 - w) p_0 and (1 - w) p_0, and the table of `counts`."""
        w = np.exp(table[..., 0]) - np.exp(table[..., 1])
        counts = np.array(table[..., 1:])
        counts[..., 0] -= np.log(np.maximum(1.0 - w, TINY))
        return w, counts

    def shown_location(self, x: Array) -> Array:
        """The mean of those who count at an intercept."""
        return np.exp(x)

    def mean(self, table: Array, constants: Mapping[str, Any]) -> Array:
        """The mean (1 - w) mu from the coefficients (..., item, feature)."""
        w, counts = self._split(table)
        return (1.0 - w) * self.counts.mean(counts, constants)

    def variance(self, table: Array, constants: Mapping[str, Any]) -> Array:
        """The variance (1 - w) (v + w mu^2), mu and v mean and variance of `counts`."""
        w, counts = self._split(table)
        return (1.0 - w) * (self.counts.variance(counts, constants) + w * self.counts.mean(counts, constants) ** 2)

    def draw(self, table: Array, rng: np.random.Generator, constants: Mapping[str, Any]) -> Array:
        """Counts from the coefficients (..., feature)."""
        w, counts = self._split(table)
        never = rng.random(w.shape) < w
        return np.where(never, 0.0, self.counts.draw(counts, rng, constants))

    def baseline(self, y: Array, weights: Array, n_categories: int) -> Array:
        """The log of the mean of those who count."""
        return self.counts.baseline(y, weights, n_categories) - np.log1p(-_excess(y, weights))

    def auxiliary_baseline(self, name: str, y: Array, weights: Array) -> float | None:
        """The inflation that zeros beyond those of a Poisson distribution speak for."""
        if name == "inflation":
            return _excess(y, weights)
        return self.counts.auxiliary_baseline(name, y, weights)

    def item_auxiliary(self, place: Place) -> tuple[Parameter, ...]:
        """Those of `counts`; inflations of items, by class."""
        dims = (*place.classes, place.item)
        inflation = Parameter(f"item_inflation{place.suffix}", dims, "probability", INFLATION)
        return (*self.counts.item_auxiliary(place), inflation)

    def outcome_auxiliary(self, by: tuple[str, ...], spread_by: tuple[str, ...]) -> tuple[Parameter, ...]:
        """Those of `counts`; the inflation of an outcome, common to the classes."""
        inflation = Parameter("outcome_inflation", (), "probability", INFLATION)
        return (*self.counts.outcome_auxiliary(by, spread_by), inflation)


@dataclass(frozen=True)
class ZeroInflatedPoisson(ZeroInflated, Family):
    """Count: y ~ Poisson(exp(eta)) with probability 1 - w, else 0; auxiliary parameter `inflation`, w.

    P(y = 0) = w + (1 - w) exp(-mu), with mean (1 - w) mu and variance (1 - w) mu (1 + w mu).

    References
    ----------
    Lambert (1992), Zero-inflated Poisson regression, Technometrics 34, 1-14.
    """

    counts: ClassVar[Family] = Poisson()


@dataclass(frozen=True)
class ZeroInflatedNegativeBinomial(ZeroInflated, Family):
    """Count: negative binomial with probability 1 - w, else 0; auxiliary parameters `dispersion`, `inflation`.

    P(y = 0) = w + (1 - w) (1 + alpha mu)^(-1 / alpha), with mean (1 - w) mu and variance
    (1 - w) mu (1 + (w + alpha) mu).

    References
    ----------
    Cameron and Trivedi (2013), Regression Analysis of Count Data, 2nd ed., section 4.8.
    """

    counts: ClassVar[Family] = NegativeBinomial()


class InflatedOn(ZeroInflated):
    """A mixin before a family of inflated counts: logit w is the sum of `inflation_logit` and `inflation_slope`."""

    @property
    def name(self) -> str:
        """The family in words of the command line: that with one inflation for all."""
        return f"zero_inflated_{self.counts.name}"

    def __str__(self) -> str:
        return f"{type(self).__name__.removesuffix('On')}(inflation on covariates=True)"

    @property
    def auxiliary(self) -> tuple[str, ...]:
        """Names of the further parameters: those of `counts`, then the parts of the logit."""
        return (*self.counts.auxiliary, *self.sums[0])

    @property
    def sums(self) -> tuple[tuple[str, ...], ...]:
        """The parts of the logit of w."""
        return (("inflation_logit", "inflation_slope"),)

    def _of_zero(self, log_zero: Tensor, auxiliary: Mapping[str, Tensor]) -> Tensor:
        """log(w + (1 - w) p_0) from log p_0."""
        return logaddexp(_logit(auxiliary), log_zero) + self._log_rest(auxiliary)

    def _log_rest(self, auxiliary: Mapping[str, Tensor]) -> Tensor:
        """log(1 - w)."""
        return -px.math.softplus(_logit(auxiliary))

    def expected(self, eta: Tensor, **auxiliary: Tensor) -> Tensor | None:
        """Nothing: the mean is another one for each individual."""
        return None

    def auxiliary_baseline(self, name: str, y: Array, weights: Array) -> float | None:
        """The logit of the inflation that zeros beyond those of a Poisson distribution speak for."""
        if name == "inflation_logit":
            return float(special.logit(_excess(y, weights)))
        return None if name == "inflation_slope" else super().auxiliary_baseline(name, y, weights)


@dataclass(frozen=True)
class ZeroInflatedPoissonOn(InflatedOn, ZeroInflatedPoisson):
    """A :class:`ZeroInflatedPoisson` family whose inflation depends on covariates."""


@dataclass(frozen=True)
class ZeroInflatedNegativeBinomialOn(InflatedOn, ZeroInflatedNegativeBinomial):
    """A :class:`ZeroInflatedNegativeBinomial` family whose inflation depends on covariates."""


def inflated_on_covariates(family: ZeroInflated) -> Family:
    """The same family of counts, whose inflation depends on covariates."""
    return ZeroInflatedPoissonOn() if isinstance(family, ZeroInflatedPoisson) else ZeroInflatedNegativeBinomialOn()


def _logit(auxiliary: Mapping[str, Tensor]) -> Tensor:
    """logit w."""
    return auxiliary["inflation_logit"] + auxiliary["inflation_slope"]


def _excess(y: Array, weights: Array) -> float:
    """The w of zeros beyond those of a Poisson distribution with the mean, by moments: E y^2 / E y = 1 + mu."""
    w = weights * ~np.isnan(y)
    total = max(float(w.sum()), TINY)
    mean, zeros = float(np.nansum(w * y)) / total, float((w * (y == 0)).sum()) / total
    mu = max(float(np.nansum(w * y * (y - 1))) / total / max(mean, 0.1), mean, 0.1)
    found = (zeros - np.exp(-mu)) / -np.expm1(-mu)
    return float(np.clip(found, SMALLEST_START, LARGEST_START))
