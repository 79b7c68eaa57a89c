"""Successes among a number of trials."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pytensor import xtensor as px
from scipy import special

from bayesmix.checks import is_whole
from bayesmix.spec.families.base import Constants, Family
from bayesmix.spec.families.numerics import Array, Link, Tensor, check_link, log_cdf, stack
from bayesmix.spec.parameters import DATA, Prior


@dataclass(frozen=True)
class Binomial(Family):
    """Successes among n trials: log p(y) = log C(n, y) + y log F(eta) + (n - y) log F(-eta), F logistic or normal.

    `trials` is n, or the column of the data that has it for each row. With n = 1 this is the Bernoulli distribution;
    of n trials it is that of n binary answers with one probability, but for the constant log C(n, y).
    """

    trials: int | str = field(metadata=DATA)
    link: Link = "logit"
    kind: ClassVar[str] = "trials"
    intercept_prior: ClassVar[Prior] = Prior("Normal", mu=0, sigma=2)
    location_axis: ClassVar[str] = "probability"
    expected_words: ClassVar[str] = "probability"
    expected_scale: ClassVar[str] = "logit"

    def __post_init__(self) -> None:
        check_link(self.link)
        if not (is_whole(self.trials, 1) or (isinstance(self.trials, str) and self.trials)):
            raise ValueError(
                f"The trials came as {self.trials!r}, expected a whole number of at least 1, or the name of the column "
                "that has it for each row: bm.binomial(10), bm.binomial('n')."
            )

    def __str__(self) -> str:
        return f"Binomial(trials={self.trials!r}{'' if self.link == 'logit' else f', link={self.link!r}'})"

    @classmethod
    def of_words(cls, words: tuple[str, ...]) -> Binomial:
        """Read ``binomial:10``, ``binomial:n`` or ``binomial:n:probit``."""
        if not words:
            raise ValueError("The family binomial came without its trials: give binomial:10, or binomial:COLUMN.")
        trials, *rest = words
        return cls(int(trials) if trials.isdecimal() else trials, *rest)  # pyright: ignore[reportArgumentType]

    @property
    def column(self) -> str | None:
        """The column of the trials, where there is one."""
        return self.trials if isinstance(self.trials, str) else None

    @property
    def detail(self) -> str:
        """What tells two binomial responses apart: trials and link."""
        return re.sub(r"\W+", "_", str(self.trials)) + ("" if self.link == "logit" else f"_{self.link}")

    def refused(self, y: Array) -> str:
        """Say what is wrong with answers: more successes than trials."""
        bad = y[y > self.trials] if not isinstance(self.trials, str) else y[:0]
        return f"came with {bad[0]:g} of {self.trials} trials, expected 0 to {self.trials}" if bad.size else ""

    def features(self, y: Array, n_categories: int) -> Array:
        """(log C(n, y), y, n - y); zeros where the response is missing."""
        return self.features_beside(y, np.asarray(float(self.trials)))

    def features_beside(self, y: Array, column: Array) -> Array:
        """The same with n by row: `column` broadcasts against the responses."""
        n = np.broadcast_to(column, y.shape)
        with np.errstate(invalid="ignore"):
            ways = special.gammaln(n + 1.0) - special.gammaln(y + 1.0) - special.gammaln(n - y + 1.0)
        return np.where(np.isnan(y)[..., None], 0.0, np.stack([ways, y, n - y], axis=-1))

    def constants(self, y: Array | None, n_categories: NDArray[np.int64], width: int) -> Constants:
        """The trials, where all rows have the same: those of a column come beside the responses."""
        return {} if isinstance(self.trials, str) else {"trials": ((), np.asarray(float(self.trials)))}

    def coefficients(self, eta: Tensor, constants: Mapping[str, Tensor], **auxiliary: Tensor) -> tuple[Tensor, ...]:
        """Coefficients of log C(n, y), y and n - y."""
        return px.ones_like(eta), log_cdf(eta, self.link), log_cdf(-eta, self.link)

    def table(self, eta: Tensor, constants: Mapping[str, Tensor], **auxiliary: Tensor) -> Tensor:
        """The coefficients over the dim `feature`."""
        return stack(self.coefficients(eta, constants, **auxiliary))

    def expected(self, eta: Tensor, **auxiliary: Tensor) -> Tensor:
        """The probability of a success."""
        return px.math.exp(log_cdf(eta, self.link))

    def mean(self, table: Array, constants: Mapping[str, Any]) -> Array:
        """The mean n p from the coefficients (..., item, feature)."""
        return constants["trials"] * np.exp(table[..., 1])

    def variance(self, table: Array, constants: Mapping[str, Any]) -> Array:
        """The variance n p (1 - p)."""
        return constants["trials"] * np.exp(table[..., 1] + table[..., 2])

    def draw(self, table: Array, rng: np.random.Generator, constants: Mapping[str, Any]) -> Array:
        """Successes from the coefficients (..., feature)."""
        n = np.broadcast_to(np.nan_to_num(constants["trials"]).astype(np.int64), table.shape[:-1])
        return rng.binomial(n, np.clip(np.exp(table[..., 1]), 0.0, 1.0)).astype(float)

    def baseline(self, y: Array, weights: Array, n_categories: int) -> Array:
        """The intercept that reproduces the share of successes."""
        n = n_categories - 1.0 if isinstance(self.trials, str) else float(self.trials)
        p = (np.nansum(weights * y) + 0.5) / (n * np.sum(weights * ~np.isnan(y)) + 1.0)
        p = np.clip(p, 1e-4, 1.0 - 1e-4)
        return np.asarray(special.logit(p) if self.link == "logit" else special.ndtri(p))

    def shown_location(self, x: Array) -> Array:
        """The probability of a success at an intercept."""
        return special.expit(x) if self.link == "logit" else special.ndtr(x)
