"""What a result says, be it a fit or a posterior: its model, its quantities with intervals."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import xarray as xr

from bayesmix.results.fit import Fit, settings_of, stored_model
from bayesmix.spec import IDENTITY, SCALES, Kind, Model, Quantity, Scale, parameter, probability_tables, tails


def check_result(result: object) -> None:
    """Refuse what is neither a fit nor a posterior.

    Raises
    ------
    TypeError
        Anything else.
    """
    if not isinstance(result, (Fit, xr.DataTree)):
        what = "give it alone, it knows its model" if isinstance(result, Model) else "give one of these"
        raise TypeError(
            f"The result came as {type(result).__name__}, expected a fit (of bm.fit) or a posterior (of bm.sample): "
            f"{what}."
        )


# what a fit or a posterior says -------------------------------------------------------------------


@dataclass(frozen=True)
class Estimate:
    """A quantity with its standard error (or posterior SD) and an interval of the level that was asked for."""

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

    @cached_property
    def quantities(self) -> dict[str, Quantity]:
        """What each of the quantities is, by name; not what a user's own model has besides.

        Parameters and probabilities are known by the declaration, the rest by what was kept with the numbers.
        """
        declared = (*map(parameter, self.model.parameters), *probability_tables(self.model))
        known = {q.name: q for q in declared}
        found = {k: known.get(k) or Quantity.read(k, self._attrs(k)) for k in self.names}
        return {k: q for k, q in found.items() if q is not None}

    @abstractmethod
    def _attrs(self, name: str) -> Mapping[Any, Any]:
        """Give what was kept with the numbers of the quantity `name`."""

    def scale(self, name: str) -> Scale:
        """Look up the scale on which the interval of `name` is symmetric."""
        return SCALES[self.quantities[name].scale] if name in self.quantities else IDENTITY

    def of_kind(self, *kinds: Kind, of: str | None = None, part: str | None = None) -> list[Quantity]:
        """Find the quantities of some `kinds`, those `of` a class variable, response or effect, and of a `part`."""
        found = (q for q in self.quantities.values() if q.kind in kinds)
        return [q for q in found if of in (None, q.of) and part in (None, q.part)]

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
        values, errors = self._home(name)
        x, se = values[name], errors[name].transpose(*values[name].dims)
        lower, upper = self.scale(name).interval(x.values, se.values, df=self._fit.t_df(name))
        return Estimate(x, se, x.copy(data=lower), x.copy(data=upper))

    def _attrs(self, name: str) -> Mapping[Any, Any]:
        return self._home(name)[0][name].attrs

    def _home(self, name: str) -> tuple[xr.Dataset, xr.Dataset]:
        """Find the table of the values of `name`, and that of their standard errors."""
        fit = self._fit
        if name in fit.probabilities:
            return fit.probabilities, fit.probabilities_se
        return (fit.params, fit.se) if name in fit.params else (fit.derived, fit.derived_se)


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

    def _attrs(self, name: str) -> Mapping[Any, Any]:
        return self._draws[name].attrs

    def __getitem__(self, name: str) -> Estimate:
        draws, over = self._draws[name], ("chain", "draw")
        ends = draws.quantile(tails(), over).drop_vars("quantile")
        return Estimate(draws.mean(over), draws.std(over), ends[0], ends[1])
