"""Ordered categories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np
from numpy.typing import NDArray
from pytensor import xtensor as px
from scipy import special

from bayesmix.spec.families.base import Constants, Family, Place
from bayesmix.spec.families.numerics import (
    FAR,
    Array,
    Link,
    Tensor,
    category_counts,
    check_link,
    draw_categories,
    log_interval,
    one_hot,
)
from bayesmix.spec.parameters import Parameter, Prior

THRESHOLD = Prior("Normal", mu=0.0, sigma=3.0)


@dataclass(frozen=True)
class Ordinal(Family):
    """Ordered categories, equation (1): P(y = k) = F(tau_{k+1} - eta) - F(tau_k - eta).

    The auxiliary parameter `threshold` (last dim `threshold`) is increasing.
    """

    link: Link = "logit"
    kind: ClassVar[str] = "categorical"
    finite: ClassVar[bool] = True
    directed: ClassVar[bool] = True
    ordered: ClassVar[bool] = True
    difficulties: ClassVar[bool] = True
    auxiliary: ClassVar[tuple[str, ...]] = ("threshold",)

    def __post_init__(self) -> None:
        check_link(self.link)

    def features(self, y: Array, n_categories: int) -> Array:
        """One-hot coding (..., category); a missing response is all zero."""
        return one_hot(y, n_categories)

    def table(self, eta, constants, **auxiliary):
        """Log probabilities over the dim `feature`, from `threshold` minus eta."""
        threshold = auxiliary["threshold"]
        (dim,) = [d for d in threshold.dims if d.startswith("threshold")]
        beyond = constants["beyond"].rename({"threshold": dim})
        cut = px.math.where(beyond > 0, FAR * beyond, threshold - eta)
        edge = px.full_like(cut.isel({dim: slice(0, 1)}), 1.0)
        last = edge * (FAR * constants["beyond_last"])
        cuts = cast(Tensor, px.concat([-FAR * edge, cut, last], dim=dim)).rename({dim: "feature"})
        upper, lower = cuts.isel(feature=slice(1, None)), cuts.isel(feature=slice(None, -1))
        return log_interval(upper, lower, self.link)

    def draw(self, table: Array, rng: np.random.Generator, constants) -> Array:
        """Category codes from log probabilities (..., feature)."""
        return draw_categories(table, rng)

    def baseline(self, y: Array, weights: Array, n_categories: int) -> Array:
        """Thresholds that reproduce the marginal proportions."""
        counts = category_counts(y, weights, n_categories) + 0.5
        below = np.cumsum(counts)[:-1] / counts.sum()
        return special.logit(below) if self.link == "logit" else special.ndtri(below)

    @property
    def needs_order(self) -> str:
        """Text must come in an order."""
        return f"the family {self.name}"

    def constants(self, y: Array | None, n_categories: NDArray[np.int64], width: int) -> Constants:
        """Thresholds that an item does not have."""
        over = np.arange(width - 1)[None, :] - n_categories[:, None] + 2.0
        return {
            "beyond": (("item", "threshold"), np.maximum(over, 0.0)),
            "beyond_last": ((), np.asarray(float(width))),
        }

    def item_location(self, place: Place) -> tuple[Parameter, ...]:
        """None: the thresholds are further parameters."""
        return ()

    def item_auxiliary(self, place: Place) -> tuple[Parameter, ...]:
        """Thresholds of items, (1)."""
        dims = (*place.classes, place.item, place.threshold)
        return (Parameter(f"item_threshold{place.suffix}", dims, "ordered", Prior("Normal", mu=0, sigma=3)),)

    def outcome_location(self, by: tuple[str, ...]) -> tuple[Parameter, ...]:
        """None, likewise."""
        return ()

    def outcome_auxiliary(self, by: tuple[str, ...], spread_by: tuple[str, ...]) -> tuple[Parameter, ...]:
        """Thresholds of an outcome."""
        return (Parameter("outcome_threshold", (*by, "threshold"), "ordered", THRESHOLD),)
