"""Unordered categories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bayesmix.spec.families.base import Constants, Family, Place
from bayesmix.spec.families.numerics import (
    FAR,
    Array,
    category_counts,
    draw_categories,
    log_softmax,
    one_hot,
)
from bayesmix.spec.parameters import Parameter, Prior, at


@dataclass(frozen=True)
class Nominal(Family):
    """Unordered categories: P(y = k) = exp(eta_k) / sum_s exp(eta_s), the first category's eta fixed at 0.

    With two categories this is the logistic Bernoulli. The predictor carries the dim `category`.
    """

    kind: ClassVar[str] = "categorical"
    finite: ClassVar[bool] = True
    is_outcome: ClassVar[bool] = False
    by_category: ClassVar[bool] = True
    auxiliary: ClassVar[tuple[str, ...]] = ()

    def features(self, y: Array, n_categories: int) -> Array:
        """One-hot coding (..., category); a missing response is all zero."""
        return one_hot(y, n_categories)

    def table(self, eta, constants, **auxiliary):
        """Log probabilities over the dim `feature`; categories an item does not have get -1e10."""
        (category,) = [d for d in eta.dims if d.startswith("category")]
        missing = constants["missing_category"]
        return log_softmax(eta.rename({category: "feature"}) - FAR * missing, "feature")

    def draw(self, table: Array, rng: np.random.Generator, constants) -> Array:
        """Category codes from log probabilities (..., feature)."""
        return draw_categories(table, rng)

    def baseline(self, y: Array, weights: Array, n_categories: int) -> Array:
        """Category logits that reproduce the marginal proportions."""
        counts = category_counts(y, weights, n_categories) + 0.5
        return np.log(counts / counts[0])

    def constants(self, y: Array | None, n_categories: NDArray[np.int64], width: int) -> Constants:
        """Categories that an item does not have."""
        missing = np.arange(width) >= n_categories[:, None]
        return {"missing_category": (("item", "feature"), missing.astype(float))}

    def item_location(self, place: Place) -> tuple[Parameter, ...]:
        """Category logits, the first category the reference."""
        dims = (*place.classes, place.item, place.category)
        prior, fixed = Prior("ExchangeableLogit", sigma=1.5), (at(0.0, **{place.category: 0}),)
        return (Parameter(f"item_logit{place.suffix}", dims, prior=prior, fixed=fixed),)
