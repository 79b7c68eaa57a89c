"""Ordered categories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np
from numpy.typing import NDArray
from pytensor import xtensor as px
from scipy import special

from bayesmix.spec.families.base import Constants, Family
from bayesmix.spec.families.numerics import (
    FAR,
    Array,
    Link,
    Tensor,
    category_counts,
    check_link,
    log_interval,
)
from bayesmix.spec.families.ordered import Ordered, threshold_dim
from bayesmix.spec.supports import SupportName


@dataclass(frozen=True)
class Ordinal(Ordered, Family):
    """Ordered categories, equation (1): P(y = k) = F(tau_{k+1} - eta) - F(tau_k - eta).

    The auxiliary parameter `threshold` (last dim `threshold`) is increasing.
    """

    link: Link = "logit"
    thresholds: ClassVar[SupportName] = "ordered"

    def __post_init__(self) -> None:
        check_link(self.link)

    def table(self, eta, constants, **auxiliary):
        """Log probabilities over the dim `feature`, from `threshold` minus eta."""
        threshold = auxiliary["threshold"]
        dim = threshold_dim(threshold)
        beyond = constants["beyond"].rename({"threshold": dim})
        cut = px.math.where(beyond > 0, FAR * beyond, threshold - eta)
        edge = px.full_like(cut.isel({dim: slice(0, 1)}), 1.0)
        last = edge * (FAR * constants["beyond_last"])
        cuts = cast(Tensor, px.concat([-FAR * edge, cut, last], dim=dim)).rename({dim: "feature"})
        upper, lower = cuts.isel(feature=slice(1, None)), cuts.isel(feature=slice(None, -1))
        return log_interval(upper, lower, self.link)

    def baseline(self, y: Array, weights: Array, n_categories: int) -> Array:
        """Thresholds that reproduce the marginal proportions."""
        counts = category_counts(y, weights, n_categories) + 0.5
        below = np.cumsum(counts)[:-1] / counts.sum()
        return special.logit(below) if self.link == "logit" else special.ndtri(below)

    def constants(self, y: Array | None, n_categories: NDArray[np.int64], width: int) -> Constants:
        """Thresholds that an item does not have."""
        over = np.arange(width - 1)[None, :] - n_categories[:, None] + 2.0
        return {
            "beyond": (("item", "threshold"), np.maximum(over, 0.0)),
            "beyond_last": ((), np.asarray(float(width))),
        }
