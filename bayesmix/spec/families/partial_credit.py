"""Ordered categories by the logits of neighbours: partial credit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bayesmix.spec.families.base import Constants, Family
from bayesmix.spec.families.numerics import (
    FAR,
    Array,
    Tensor,
    category_counts,
    log_softmax,
)
from bayesmix.spec.families.ordered import Ordered, threshold_dim
from bayesmix.spec.supports import SupportName


@dataclass(frozen=True)
class PartialCredit(Ordered, Family):
    """Ordered categories: log P(y = k) / P(y = k - 1) = eta - threshold_k, adjacent-category logits.

    With a loading, eta = lambda f, this is the generalised partial credit model: a = lambda and b_k = threshold_k /
    lambda. With the same loading for all items it is the partial credit model, with two categories the 2PL. The
    auxiliary parameter `threshold` (last dim `threshold`) has no order.

    References
    ----------
    Muraki (1992), A generalized partial credit model, Applied Psychological Measurement 16, 159-176.
    """

    thresholds: ClassVar[SupportName] = "real"

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
        dim = threshold_dim(threshold)
        passed = (constants["below"].rename({"threshold": dim}) * threshold).sum(dim)
        return log_softmax(constants["steps"] * eta - passed - FAR * constants["missing_category"], "feature")

    def baseline(self, y: Array, weights: Array, n_categories: int) -> Array:
        """Thresholds that reproduce the marginal proportions."""
        counts = category_counts(y, weights, n_categories) + 0.5
        return np.log(counts[:-1] / counts[1:])
