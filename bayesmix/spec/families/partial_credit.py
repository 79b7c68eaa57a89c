"""Ordered categories by the logits of neighbours: partial credit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bayesmix.spec.families.base import Constants, Family, Place
from bayesmix.spec.families.numerics import (
    FAR,
    Array,
    Tensor,
    category_counts,
    draw_categories,
    log_softmax,
    one_hot,
)
from bayesmix.spec.parameters import Parameter, Prior

STEP = Prior("Normal", mu=0.0, sigma=3.0)


@dataclass(frozen=True)
class PartialCredit(Family):
    """Ordered categories: log P(y = k) / P(y = k - 1) = eta - threshold_k, adjacent-category logits.

    With a loading, eta = lambda f, this is the generalised partial credit model: a = lambda and b_k = threshold_k /
    lambda. With the same loading for all items it is the partial credit model, with two categories the 2PL. The
    auxiliary parameter `threshold` (last dim `threshold`) has no order.

    References
    ----------
    Muraki (1992), A generalized partial credit model, Applied Psychological Measurement 16, 159-176.
    """

    kind: ClassVar[str] = "categorical"
    finite: ClassVar[bool] = True
    directed: ClassVar[bool] = True
    ordered: ClassVar[bool] = True
    difficulties: ClassVar[bool] = True
    auxiliary: ClassVar[tuple[str, ...]] = ("threshold",)  # pyright: ignore[reportIncompatibleMethodOverride]

    def features(self, y: Array, n_categories: int) -> Array:
        """One-hot coding (..., category); a missing response is all zero."""
        return one_hot(y, n_categories)

    def constants(self, y: Array | None, n_categories: NDArray[np.int64], width: int) -> Constants:
        """Steps to each category, the thresholds below it, and categories that an item does not have."""
        number = np.arange(width)
        return {
            "steps": (("feature",), number.astype(float)),
            "below": (("feature", "threshold"), (number[:, None] > number[None, :-1]).astype(float)),
            "missing_category": (("item", "feature"), (number >= n_categories[:, None]).astype(float)),
        }

    def table(self, eta: Tensor, constants: Mapping[str, Tensor], **auxiliary: Tensor) -> Tensor:
        """Log probabilities over the dim `feature`: of k steps k eta less the thresholds passed."""
        threshold = auxiliary["threshold"]
        (dim,) = [d for d in threshold.dims if d.startswith("threshold")]
        passed = (constants["below"].rename({"threshold": dim}) * threshold).sum(dim)
        return log_softmax(constants["steps"] * eta - passed - FAR * constants["missing_category"], "feature")

    def draw(self, table: Array, rng: np.random.Generator, constants: Mapping[str, Any]) -> Array:
        """Category codes from log probabilities (..., feature)."""
        return draw_categories(table, rng)

    def baseline(self, y: Array, weights: Array, n_categories: int) -> Array:
        """Thresholds that reproduce the marginal proportions."""
        counts = category_counts(y, weights, n_categories) + 0.5
        return np.log(counts[:-1] / counts[1:])

    @property
    def needs_order(self) -> str:
        """Text must come in an order."""
        return f"the family {self.name}"

    def item_location(self, place: Place) -> tuple[Parameter, ...]:
        """None: the thresholds are further parameters."""
        return ()

    def item_auxiliary(self, place: Place) -> tuple[Parameter, ...]:
        """Thresholds of items between neighbours."""
        return (Parameter(f"item_threshold{place.suffix}", (*place.classes, place.item, place.threshold), prior=STEP),)

    def outcome_location(self, by: tuple[str, ...]) -> tuple[Parameter, ...]:
        """None, likewise."""
        return ()

    def outcome_auxiliary(self, by: tuple[str, ...], spread_by: tuple[str, ...]) -> tuple[Parameter, ...]:
        """Thresholds of an outcome."""
        return (Parameter("outcome_threshold", (*by, "threshold"), prior=STEP),)
