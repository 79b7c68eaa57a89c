"""Binary responses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pytensor import xtensor as px
from scipy import special

from bayesmix.spec.families.base import Family, Place
from bayesmix.spec.families.numerics import (
    TINY,
    Array,
    Link,
    check_link,
    draw_categories,
    log_cdf,
    logaddexp,
    one_hot,
    stack,
)
from bayesmix.spec.parameters import Parameter, Prior

GUESS = 0.1
"""The guessing probability with which a search begins."""
GUESSING = Prior("Beta", alpha=5.0, beta=17.0)


@dataclass(frozen=True)
class Bernoulli(Family):
    """Binary item: P(y = 1) = F(eta), F logistic or normal; (1) with one threshold, (27)-(28).

    With `guessing`, P(y = 1) = g + (1 - g) F(eta), (42); auxiliary parameter `guessing`, a probability.
    """

    link: Link = "logit"
    guessing: bool = False
    kind: ClassVar[str] = "categorical"
    finite: ClassVar[bool] = True
    directed: ClassVar[bool] = True
    difficulties: ClassVar[bool] = True
    most_categories: ClassVar[int | None] = 2

    def __post_init__(self) -> None:
        check_link(self.link)

    def __str__(self) -> str:
        return f"Bernoulli(link='{self.link}'{', guessing=True' if self.guessing else ''})"

    @property
    def auxiliary(self) -> tuple[str, ...]:
        """Names of the further parameters."""
        return ("guessing",) if self.guessing else ()

    def features(self, y: Array, n_categories: int) -> Array:
        """One-hot coding (..., 2); a missing response is all zero."""
        return one_hot(y, 2)

    def table(self, eta, constants, **auxiliary):
        """log P(y = 0), log P(y = 1) over the dim `feature`."""
        no, yes = log_cdf(-eta, self.link), log_cdf(eta, self.link)
        if not self.guessing:
            return stack([no, yes])
        g = auxiliary["guessing"]
        knows = px.math.log(px.math.maximum(1.0 - g, TINY))
        return stack([knows + no, logaddexp(px.math.log(px.math.maximum(g, TINY)), knows + yes)])

    def draw(self, table: Array, rng: np.random.Generator, constants) -> Array:
        """Category codes from log probabilities (..., feature)."""
        return draw_categories(table, rng)

    def baseline(self, y: Array, weights: Array, n_categories: int) -> Array:
        """The intercept that reproduces the marginal proportion; with guessing, at the guess a search begins with."""
        p = (np.nansum(weights * y) + 0.5) / (np.sum(weights * ~np.isnan(y)) + 1.0)
        p = np.maximum((p - GUESS) / (1 - GUESS), 0.02) if self.guessing else p
        return np.asarray(special.logit(p) if self.link == "logit" else special.ndtri(p))

    @property
    def needs_order(self) -> str:
        """Which of two texts is 1 must be known where a right answer can be guessed."""
        return "an item that can be guessed right" if self.guessing else ""

    @property
    def response_name(self) -> str:
        """A response of items that can be guessed has a name of its own."""
        return "guessed" if self.guessing else self.name

    def item_auxiliary(self, place: Place) -> tuple[Parameter, ...]:
        """Guessing probabilities of items, (42)."""
        if not self.guessing:
            return ()
        return (Parameter(f"guessing{place.suffix}", (place.item,), "probability", GUESSING),)
