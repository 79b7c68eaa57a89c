"""Continuous responses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pytensor import xtensor as px

from bayesmix.spec.families.base import Family, Place
from bayesmix.spec.families.numerics import (
    Array,
    powers,
    stack,
)
from bayesmix.spec.parameters import Parameter, Prior

VARIANCE = Prior("DataNormal", sigma=1.0)
LEAST_VARIANCE = 1e-4
"""Of a standardised response, where a variance that is linear in covariates runs below zero."""


@dataclass(frozen=True)
class Normal(Family):
    """Continuous response: y ~ N(eta, sigma^2), (2) with y* = y; auxiliary parameter `sigma`.

    With `linear_variance` there are two instead, whose sum is the variance: `variance` and
    `variance_slope`, R(17); a sum below a ten-thousandth of the item's variance counts as that.
    Inside the graph y is centred and scaled by the item's mean and SD, so that the expansion of the
    square loses no digits; `center` and `scale` put it back.
    """

    linear_variance: bool = False
    kind: ClassVar[str] = "real"
    finite: ClassVar[bool] = False
    gaussian: ClassVar[bool] = True
    standardised: ClassVar[bool] = True
    intercept_prior: ClassVar[Prior] = Prior("DataNormal", sigma=2.5)
    sd_prior: ClassVar[Prior] = Prior("DataHalfNormal", sigma=2.5)
    slope_prior: ClassVar[Prior] = Prior("DataNormal", sigma=2.5)

    def __str__(self) -> str:
        return "Normal(linear_variance=True)" if self.linear_variance else "Normal()"

    @property
    def auxiliary(self) -> tuple[str, ...]:
        """Names of the further parameters."""
        return ("variance", "variance_slope") if self.linear_variance else ("sigma",)

    @property
    def sums(self) -> tuple[tuple[str, ...], ...]:
        """The parts of the variance, where it depends on covariates."""
        return (self.auxiliary,) if self.linear_variance else ()

    def features(self, y: Array, n_categories: int) -> Array:
        """(1, y, y^2) of the standardised response; zeros where it is missing."""
        return powers(y, np.where(np.isnan(y), np.nan, y**2))

    def coefficients(self, eta, constants, **auxiliary):
        """Coefficients of 1, y and y^2 in the normal log density."""
        scale = constants["scale"]
        mean = (eta - constants["center"]) / scale
        if self.linear_variance:
            variance = auxiliary["variance"] + auxiliary["variance_slope"]
            precision = 1 / px.math.maximum(variance / scale**2, LEAST_VARIANCE)
        else:
            precision = (scale / auxiliary["sigma"]) ** 2
        log_scale = 0.5 * px.math.log(precision) - px.math.log(scale) - 0.5 * np.log(2 * np.pi)
        return log_scale - 0.5 * precision * mean**2, precision * mean, -0.5 * precision

    def table(self, eta, constants, **auxiliary):
        """The coefficients over the dim `feature`."""
        return stack(self.coefficients(eta, constants, **auxiliary))

    def mean(self, table: Array, constants) -> Array:
        """The mean from the coefficients (..., item, feature)."""
        return constants["center"] + constants["scale"] * table[..., 1] * (-0.5 / table[..., 2])

    def variance(self, table: Array, constants) -> Array:
        """The residual variance from the coefficients (..., item, feature)."""
        return -0.5 * constants["scale"] ** 2 / table[..., 2]

    def draw(self, table: Array, rng: np.random.Generator, constants) -> Array:
        """Responses from the coefficients (..., feature)."""
        residual = np.sqrt(-0.5 / table[..., 2]) * rng.standard_normal(table.shape[:-1])
        return self.mean(table, constants) + constants["scale"] * residual

    def baseline(self, y: Array, weights: Array, n_categories: int) -> Array:
        """The mean."""
        return np.asarray(np.nansum(weights * y) / np.sum(weights * ~np.isnan(y)))

    @property
    def detail(self) -> str:
        """What else tells two normal responses apart."""
        return "linear"

    @property
    def residual(self) -> str:
        """What the first further parameter is: an SD, or a variance."""
        return "variance" if self.linear_variance else "sd"

    def item_auxiliary(self, place: Place) -> tuple[Parameter, ...]:
        """Residual SDs of items."""
        dims = (*place.classes, place.item) if place.variance == "class" else (place.item,)
        return (Parameter(f"item_sd{place.suffix}", dims, "positive", self.sd_prior),)

    def outcome_auxiliary(self, by: tuple[str, ...], spread_by: tuple[str, ...]) -> tuple[Parameter, ...]:
        """The residual SD of an outcome, or its variance and the slopes of covariates in it, R(17)."""
        if not self.linear_variance:
            return (Parameter("residual_sd", spread_by, "positive", self.sd_prior),)
        slope = Parameter("residual_variance_slope", ("variance_covariate",), prior=VARIANCE)
        return Parameter("residual_variance", prior=VARIANCE), slope
