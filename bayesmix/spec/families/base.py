"""What a family of response distributions says of itself. A new one is a module of this folder, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from bayesmix.spec.families.numerics import Array, Tensor
from bayesmix.spec.parameters import Parameter, Prior

Constants = Mapping[str, tuple[tuple[str, ...], Array]]
"""Arrays by name, with their dims; "item" stands for the dim of the items."""


@dataclass(frozen=True)
class Place:
    """Where items are declared: names of dims, the classes that their parameters depend on, and of the variance."""

    classes: tuple[str, ...]
    item: str
    category: str
    threshold: str
    suffix: str = ""
    variance: Literal["equal", "class"] | str = "equal"


class Family:
    """A response distribution: density and simulator side by side.

    Every family is written as a contraction. For a response y and a linear predictor eta,

        log p(y | eta) = sum_f features(y)_f * table(eta)_f,

    where `features` is computed once from the data and `table` is a small tensor of the graph: for a categorical
    response the features are its one-hot coding and the table holds log probabilities; for a normal one they are
    (1, y, y^2). A missing response has all features zero, so that it drops out.

    A subclass is a frozen dataclass with `kind`, `auxiliary`, `features`, `table`, `draw` and `baseline`, and
    `coefficients` where it is not `finite`. What follows has a default.

    Attributes
    ----------
    kind : {"categorical", "real", "count", "trials"}
        What its responses are; "trials" are successes among several.
    finite : bool
        Whether the table lists all outcomes.
    directed, ordered : bool
        Whether two categories have a direction; whether categories have an order.
    difficulties : bool
        Whether eta stands beside a threshold: discriminations and difficulties are defined, (42), (49)-(50).
    gaussian, standardised : bool
        Whether effects integrate in closed form; whether responses enter the graph centred and scaled.
    by_category, is_outcome : bool
        Whether the predictor has a dim of categories; whether a regression may have such an outcome.
    most_categories : int, optional
    intercept_prior, sd_prior, slope_prior : Prior
        Of intercepts of items, of SDs of random coefficients and slopes of regressions.
    location_axis : str
        What :meth:`shown_location` makes of an intercept, for pictures.
    expected_words, expected_scale : str
        What :meth:`expected` is; where its interval is symmetric.

    Examples
    --------
    >>> isinstance(bm.normal(), bm.Family), bm.negative_binomial().name
    (True, 'negative_binomial')
    """

    kind: ClassVar[str]
    finite: ClassVar[bool] = False
    directed: ClassVar[bool] = False
    ordered: ClassVar[bool] = False
    difficulties: ClassVar[bool] = False
    gaussian: ClassVar[bool] = False
    standardised: ClassVar[bool] = False
    by_category: ClassVar[bool] = False
    is_outcome: ClassVar[bool] = True
    most_categories: ClassVar[int | None] = None
    intercept_prior: ClassVar[Prior] = Prior("Normal", mu=0, sigma=2)
    sd_prior: ClassVar[Prior] = Prior("DataHalfNormal", sigma=1.5)
    slope_prior: ClassVar[Prior] = Prior("DataNormal", sigma=1.5)
    location_axis: ClassVar[str] = "mean"
    expected_words: ClassVar[str] = "mean"
    expected_scale: ClassVar[str] = "log"

    @classmethod
    def of_words(cls, words: tuple[str, ...]) -> Family:
        """The family of words of the command line, those behind its name: the arguments of the class, if left so.

        Raises
        ------
        ValueError
            Too many of them, or what the family refuses.
        """
        try:
            return cls(*words)
        except TypeError:
            name = cls.__new__(cls).name
            raise ValueError(f"The family {name} came as '{':'.join([name, *words])}': give {name} alone.") from None

    @property
    def column(self) -> str | None:
        """A column of the data that the family reads beside its items; :meth:`features_beside` is then called."""
        return None

    @property
    def auxiliary(self) -> tuple[str, ...]:
        """Names of the further parameters."""
        return ()

    @property
    def sums(self) -> tuple[tuple[str, ...], ...]:
        """Names of further parameters that are the parts of one predictor, its intercept first."""
        return ()

    @property
    def name(self) -> str:
        """The family in words of the command line: ``negative_binomial``."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()

    @property
    def response_name(self) -> str:
        """The name of a response of this family among those of others."""
        return self.name

    @property
    def detail(self) -> str:
        """What tells two responses of one family apart: the link, where there is one."""
        return getattr(self, "link", "")

    @property
    def needs_order(self) -> str:
        """Why texts must come in an order; empty where they need not."""
        return ""

    @property
    def residual(self) -> str:
        """Whether the first further parameter is a residual "sd" or "variance"; empty where it is neither."""
        return ""

    @property
    def joint(self) -> bool:
        """Whether the items of a response are dependent given what is latent."""
        return False

    # what it makes of data ------------------------------------------------------------------------

    def refused(self, y: Array) -> str:
        """Say what is wrong with responses, none of them missing: "came with ..., expected ..."; empty if nothing."""
        return ""

    def features(self, y: Array, n_categories: int) -> Array:
        """Features of responses (..., feature); of a missing one all zero."""
        raise NotImplementedError(f"The family {self.name} declares no features.")

    def features_beside(self, y: Array, column: Array) -> Array:
        """Features of responses (individual, item) of a family that reads a `column` (individual, 1) beside them."""
        raise NotImplementedError(f"The family {self.name} declares no features beside a column.")

    def constants(self, y: Array | None, n_categories: NDArray[np.int64], width: int) -> Constants:
        """What the table needs to know of the items.

        Parameters
        ----------
        y : array (individual, item), optional
            Responses, where there are some.
        n_categories : array of int (item,)
        width : int
            The most categories that an item of the same dim has.
        """
        return {}

    def baseline(self, y: Array, weights: Array, n_categories: int) -> Array:
        """The location that reproduces the margin of an item, at which a search begins."""
        raise NotImplementedError(f"The family {self.name} declares no baseline.")

    def auxiliary_baseline(self, name: str, y: Array, weights: Array) -> float | None:
        """A further parameter's natural value at which a search begins; None for the middle of its support."""
        return None

    # its density and simulator --------------------------------------------------------------------

    def log_zero(self, eta: Tensor, **auxiliary: Tensor) -> Tensor:
        """log P(y = 0) of a count: what zero inflation needs."""
        raise NotImplementedError(f"The family {self.name} declares no log_zero.")

    def expected(self, eta: Tensor, **auxiliary: Tensor) -> Tensor | None:
        """What eta and the further parameters make that is reported, such as a mean; None for nothing."""
        return None

    def table(self, eta: Tensor, constants: Mapping[str, Tensor], **auxiliary: Tensor) -> Tensor:
        """The table of the contraction over the dim `feature`."""
        raise NotImplementedError(f"The family {self.name} declares no table.")

    def coefficients(self, eta: Tensor, constants: Mapping[str, Tensor], **auxiliary: Tensor) -> tuple[Tensor, ...]:
        """The entries of the table, each with the dims that it depends on."""
        raise NotImplementedError(f"The family {self.name} declares no coefficients.")

    def density(self, features: Tensor, eta: Tensor, constants: Mapping[str, Tensor], **auxiliary: Tensor) -> Tensor:
        """log p of each response, where a table would differ by individual or cluster."""
        each = self.coefficients(eta, constants, **auxiliary)
        parts = [x * features.isel(feature=k) for k, x in enumerate(each)]
        return sum(parts[1:], parts[0])

    def mean(self, table: Array, constants: Mapping[str, Any]) -> Array:
        """Expected responses from tables (..., item, feature): (..., item); of a `finite` family the probabilities.

        Those of a finite family are of its outcomes, over the last axis.
        """
        if self.finite:
            return np.exp(table)
        raise NotImplementedError(f"The family {self.name} declares no mean.")

    def variance(self, table: Array, constants: Mapping[str, Any]) -> Array:
        """Variances of numbers from tables (..., item, feature): (..., item); residuals need them, nothing else does.

        Raises
        ------
        ValueError
            The family declares none.
        """
        raise ValueError(f"The family {self.name} declares no variance, which residuals need: give it one.")

    def draw(self, table: Array, rng: np.random.Generator, constants: Mapping[str, Any]) -> Array:
        """Responses from tables (..., feature)."""
        raise NotImplementedError(f"The family {self.name} declares no simulator.")

    def shown_location(self, x: Array) -> Array:
        """What pictures show of an intercept, in the words of `location_axis`."""
        return x

    # its parameters in templates ------------------------------------------------------------------

    def item_location(self, place: Place) -> tuple[Parameter, ...]:
        """Parameters of the predictor of items."""
        return (Parameter(f"item_intercept{place.suffix}", (*place.classes, place.item), prior=self.intercept_prior),)

    def item_auxiliary(self, place: Place) -> tuple[Parameter, ...]:
        """Further parameters of items, in the order of `auxiliary`."""
        return ()

    def outcome_location(self, by: tuple[str, ...]) -> tuple[Parameter, ...]:
        """The intercept of a regression, by classes."""
        return (Parameter("intercept", by, prior=Prior("DataNormal", sigma=2.5)),)

    def outcome_auxiliary(self, by: tuple[str, ...], spread_by: tuple[str, ...]) -> tuple[Parameter, ...]:
        """Further parameters of an outcome: thresholds by the classes `by`, spreads by `spread_by`."""
        return ()


def check_family(family: object) -> None:
    """Refuse what is no family: its name as text, or the function that makes one.

    Raises
    ------
    TypeError
        What came, and how a family is given.
    """
    if not isinstance(family, Family):
        came = getattr(family, "__name__", None) if callable(family) else None
        raise TypeError(
            f"The family came as {f'{came} itself' if came else repr(family)}, expected a response distribution: give "
            "what bm.normal(), bm.ordinal() or the like returns."
        )
