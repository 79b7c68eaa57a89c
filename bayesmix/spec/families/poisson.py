"""Counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pytensor import xtensor as px
from scipy import special

from bayesmix.spec.families.base import Family
from bayesmix.spec.families.numerics import (
    Array,
    log_mean,
    powers,
    stack,
)
from bayesmix.spec.parameters import Prior


@dataclass(frozen=True)
class Poisson(Family):
    """Count: y ~ Poisson(exp(eta))."""

    kind: ClassVar[str] = "count"
    location_axis: ClassVar[str] = "rate"
    finite: ClassVar[bool] = False
    intercept_prior: ClassVar[Prior] = Prior("DataNormal", sigma=3)
    auxiliary: ClassVar[tuple[str, ...]] = ()

    def features(self, y: Array, n_categories: int) -> Array:
        """(1, y, log y!); zeros where the response is missing."""
        return powers(y, special.gammaln(y + 1.0))

    def coefficients(self, eta, constants, **auxiliary):
        """Coefficients of 1, y and log y! in the Poisson log density."""
        return self.log_zero(eta), eta, px.full_like(eta, -1.0)

    def log_zero(self, eta, **auxiliary):
        """log P(y = 0): the coefficient of 1."""
        return -px.math.exp(eta)

    def table(self, eta, constants, **auxiliary):
        """The coefficients over the dim `feature`."""
        return stack(self.coefficients(eta, constants, **auxiliary))

    def shown_location(self, x: Array) -> Array:
        """The mean at an intercept."""
        return np.exp(x)

    def mean(self, table: Array, constants) -> Array:
        """The mean from the coefficients (..., item, feature)."""
        return -table[..., 0]

    def variance(self, table: Array, constants) -> Array:
        """The variance, which is the mean."""
        return self.mean(table, constants)

    def draw(self, table: Array, rng: np.random.Generator, constants) -> Array:
        """Counts from the coefficients (..., feature)."""
        return rng.poisson(self.mean(table, constants)).astype(float)

    def baseline(self, y: Array, weights: Array, n_categories: int) -> Array:
        """The log of the mean."""
        return log_mean(y, weights)
