"""What families of ordered categories share: their thresholds stand in the place of an intercept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from bayesmix.spec.families.base import Place
from bayesmix.spec.families.numerics import Array, Tensor, draw_categories, one_hot
from bayesmix.spec.parameters import Parameter, Prior
from bayesmix.spec.supports import SupportName

THRESHOLD = Prior("Normal", mu=0.0, sigma=3.0)


class Ordered:
    """A mixin: the auxiliary parameter `threshold` (last dim `threshold`), of the support `thresholds`."""

    kind: ClassVar[str] = "categorical"
    finite: ClassVar[bool] = True
    directed: ClassVar[bool] = True
    ordered: ClassVar[bool] = True
    difficulties: ClassVar[bool] = True
    name: str
    thresholds: ClassVar[SupportName]

    @property
    def auxiliary(self) -> tuple[str, ...]:
        """Names of the further parameters."""
        return ("threshold",)

    @property
    def needs_order(self) -> str:
        """Text must come in an order."""
        return f"the family {self.name}"

    def features(self, y: Array, n_categories: int) -> Array:
        """One-hot coding (..., category); a missing response is all zero."""
        return one_hot(y, n_categories)

    def draw(self, table: Array, rng: np.random.Generator, constants: Mapping[str, Any]) -> Array:
        """Category codes from log probabilities (..., feature)."""
        return draw_categories(table, rng)

    def item_location(self, place: Place) -> tuple[Parameter, ...]:
        """None: the thresholds are further parameters."""
        return ()

    def item_auxiliary(self, place: Place) -> tuple[Parameter, ...]:
        """Thresholds of items, (1)."""
        dims = (*place.classes, place.item, place.threshold)
        return (Parameter(f"item_threshold{place.suffix}", dims, self.thresholds, THRESHOLD),)

    def outcome_location(self, by: tuple[str, ...]) -> tuple[Parameter, ...]:
        """None, likewise."""
        return ()

    def outcome_auxiliary(self, by: tuple[str, ...], spread_by: tuple[str, ...]) -> tuple[Parameter, ...]:
        """Thresholds of an outcome."""
        return (Parameter("outcome_threshold", (*by, "threshold"), self.thresholds, THRESHOLD),)


def threshold_dim(threshold: Tensor) -> str:
    """The dim of thresholds of items, or of one outcome."""
    (dim,) = [d for d in threshold.dims if d.startswith("threshold")]
    return dim
