"""What a result says, be it a fit or a posterior: its model, its quantities with intervals."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmix.results.fit import Fit, settings_of, stored_model
from bayesmix.spec.model import Model

Array = NDArray[np.float64]
Z95 = 1.959964
TINY = 1e-6
"""A probability nearer to 0 or 1 is at its boundary and has no standard error."""

ITEM_RESPONSE = ("discrimination", "difficulty")
"""How the names of a and b of items begin."""


def check_result(result: object) -> None:
    """Refuse what is neither a fit nor a posterior.

    Raises
    ------
    TypeError
        Anything else.
    """
    if not isinstance(result, (Fit, xr.DataTree)):
        raise TypeError(
            f"The result came as {type(result).__name__}, expected a fit (of bm.fit) or a posterior (of bm.sample): "
            "give one of these."
        )


def probability_interval(p: Array, se: Array) -> tuple[Array, Array]:
    """A 95% interval of a probability, symmetric on the logit scale; NaN at a boundary or without SE."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logit, half = np.log(p / (1 - p)), Z95 * se / (p * (1 - p))
        usable = (p > TINY) & (p < 1 - TINY) & (se > 0)
        ends = [1 / (1 + np.exp(-np.where(usable, logit + s * half, np.nan))) for s in (-1, 1)]
    return ends[0], ends[1]


def is_derived(name: str) -> bool:
    """Whether a variable of a posterior that is no parameter follows from them: SDs, ICCs, paths, shares, a and b."""
    ending = name.endswith(("_sd", "_correlation", "_icc", "_variance", "_covariance"))
    return ending or name.startswith(ITEM_RESPONSE) or any(k in name for k in ("_explained", "_effect_of_", "_on_"))


def derived_shown(name: str, x: xr.DataArray) -> np.ndarray:
    """Entries worth a row: not of the reference class; of a matrix each pair once, variances at a boundary too."""
    if name == "random_variance":
        return np.ones(x.shape, dtype=bool)
    out = np.abs(x.values) > 1e-100
    if name.endswith(("_correlation", "_covariance")) and x.ndim > 1:
        return out & np.tri(*x.shape[-2:], k=-1, dtype=bool)
    return np.isfinite(x.values) if name.startswith(ITEM_RESPONSE) else out


def derived_interval(name: str, x: Array, se: Array) -> tuple[Array, Array]:
    """A 95% interval, symmetric on the scale where there are no bounds.

    The logarithm of an SD, the SD of a variance, Fisher's z, the logit of a share.
    """
    if name.endswith("_variance"):
        with np.errstate(divide="ignore", invalid="ignore"):
            sd, half = np.sqrt(x), Z95 * se / (2 * np.sqrt(x))
        return np.maximum(sd - half, 0.0) ** 2, (sd + half) ** 2
    if name.endswith("_icc") or "_explained" in name:
        return probability_interval(x, se)
    if "_effect_of_" in name or "_on_" in name or name.endswith("_covariance") or name.startswith(ITEM_RESPONSE):
        return x - Z95 * se, x + Z95 * se
    if name.endswith("_correlation"):
        with np.errstate(divide="ignore", invalid="ignore"):
            z, half = np.arctanh(x), Z95 * se / (1 - x**2)
        return np.tanh(z - half), np.tanh(z + half)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.exp(Z95 * se / x)
    return x / factor, x * factor


# what a fit or a posterior says -------------------------------------------------------------------


@dataclass(frozen=True)
class Estimate:
    """A quantity with its standard error (or posterior SD) and a 95% interval."""

    value: xr.DataArray
    se: xr.DataArray
    lower: xr.DataArray
    upper: xr.DataArray

    def map(self, arrange: Callable[[xr.DataArray], xr.DataArray]) -> Estimate:
        """Apply `arrange`, which selects, stacks or transposes, to each array."""
        return Estimate(*map(arrange, (self.value, self.se, self.lower, self.upper)))


class Estimates(ABC, Mapping[str, Estimate]):
    """Parameters, probabilities and derived quantities of a result by name, be it a fit or a posterior.

    Of a fit: estimates with intervals from standard errors (NaN at a boundary). Of a posterior: means, SDs and
    equal-tailed intervals.

    Attributes
    ----------
    model : Model
        The declaration.
    settings : mapping
        What the result carries with it beside its numbers.
    """

    @staticmethod
    def of(result: Fit | xr.DataTree) -> Estimates:
        """Read `result`, a fit or a posterior.

        Raises
        ------
        TypeError
            Neither of them.
        """
        check_result(result)
        return _OfFit(result) if isinstance(result, Fit) else _OfPosterior(result)

    @property
    @abstractmethod
    def model(self) -> Model:
        """The declaration."""

    @property
    @abstractmethod
    def settings(self) -> Mapping[str, Any]:
        """What the result carries with it beside its numbers."""

    @property
    @abstractmethod
    def title(self) -> str:
        """What the result is called in a picture of several."""

    @property
    def categories(self) -> Mapping[str, list[str]]:
        """The categories of each categorical item."""
        return self.settings.get("categories", {})

    @property
    @abstractmethod
    def names(self) -> list[str]:
        """Names of all quantities, in the order of the result."""

    @abstractmethod
    def __getitem__(self, name: str) -> Estimate: ...

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.names


class _OfFit(Estimates):
    """Estimates with standard errors."""

    def __init__(self, fit: Fit) -> None:
        self._fit = fit

    @property
    def model(self) -> Model:
        return self._fit.model

    @property
    def title(self) -> str:
        return self.model.name

    @property
    def settings(self) -> Mapping[str, Any]:
        return self._fit.info

    @property
    def names(self) -> list[str]:
        fit = self._fit
        return [str(k) for ds in (fit.params, fit.derived, fit.probabilities) for k in ds.data_vars]

    def __getitem__(self, name: str) -> Estimate:
        fit = self._fit
        if name in fit.probabilities:
            x, se = fit.probabilities[name], fit.probabilities_se[name]
            lower, upper = probability_interval(x.values, se.values)
            return Estimate(x, se, x.copy(data=lower), x.copy(data=upper))
        if name in fit.params:
            x, se = fit.params[name], fit.se[name]
            return Estimate(x, se, x - Z95 * se, x + Z95 * se)
        x, se = fit.derived[name], fit.derived_se[name]
        lower, upper = derived_interval(name, x.values, se.values)
        return Estimate(x, se, x.copy(data=lower), x.copy(data=upper))


class _OfPosterior(Estimates):
    """Posterior means, SDs and equal-tailed intervals."""

    def __init__(self, post: xr.DataTree) -> None:
        self._post = post

    @cached_property
    def model(self) -> Model:
        return stored_model(self.settings, "The posterior", "bm.sample")

    @property
    def title(self) -> str:
        return "posterior"

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        return settings_of(self._post)

    @cached_property
    def _draws(self) -> xr.Dataset:
        return self._post["posterior"].to_dataset()

    @property
    def names(self) -> list[str]:
        return [str(k) for k in self._draws.data_vars]

    def __getitem__(self, name: str) -> Estimate:
        draws, over = self._draws[name], ("chain", "draw")
        ends = draws.quantile([0.025, 0.975], over).drop_vars("quantile")
        return Estimate(draws.mean(over), draws.std(over), ends[0], ends[1])


def kept(result: Fit | xr.DataTree) -> Mapping[str, Any]:
    """What `result` carries with it beside its numbers."""
    return Estimates.of(result).settings


def names_of(result: Fit | xr.DataTree) -> list[str]:
    """Names of all quantities of `result`."""
    return Estimates.of(result).names


def values_of(result: Fit | xr.DataTree, name: str) -> Estimate | None:
    """The quantity `name` of `result`; None where there is none."""
    return Estimates.of(result).get(name)
