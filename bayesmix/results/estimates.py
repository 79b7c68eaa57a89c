"""What a solution holds, be it a fit or a posterior: its parts, its values with intervals."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmix.results.fit import Fit
from bayesmix.spec.model import RANDOM

Array = NDArray[np.float64]
Parts = Sequence[Mapping[str, Any]]
Z95 = 1.959964
TINY = 1e-6
"""A probability nearer to 0 or 1 is at its boundary and has no standard error."""

ITEM_RESPONSE = ("discrimination", "difficulty")
"""How the names of a and b of items begin."""


def parts_of(result: Fit | xr.DataTree) -> Parts:
    """What each parameter belongs to (`bayesmix.spec.model.parts`), as the fit or the posterior kept it."""
    return kept(result).get("parts", [])


def factors_of(result: Fit | xr.DataTree) -> list[str]:
    """Effects of individuals that responses load on."""
    parts = parts_of(result)
    used = {e for p in parts if p["kind"] == "response" for q in p["parameters"] for e in q.get("on", ())}
    return [p["name"] for p in parts if p["kind"] == "effect" and p["level"] == "individual" and p["name"] in used]


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


def kept(result: Fit | xr.DataTree) -> Mapping[str, Any]:
    """The settings that a fit or a posterior carries with it."""
    check_result(result)
    return result.info if isinstance(result, Fit) else json.loads(result.attrs.get("bayesmix", "{}"))


def one_class(result: Fit | xr.DataTree) -> bool:
    """Whether there is nothing to say of classes: every variable has one."""
    return all(n == 1 for n in kept(result).get("classes", {"none": 1}).values())


def class_dims(parts: Parts, dims: Iterable[Any]) -> tuple[str, ...]:
    """The dims that run over latent classes: all but items, categories, covariates and effects."""
    other = {d for p in parts for d in p["dims"].values()}
    other |= {q[k] for p in parts for q in p["parameters"] for k in ("covariates", "effects") if q[k]}
    other |= {RANDOM, f"{RANDOM}_"}
    return tuple(str(d) for d in dims if d not in other)


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


@dataclass(frozen=True)
class Values:
    """A quantity with a 95% interval."""

    value: xr.DataArray
    lower: xr.DataArray
    upper: xr.DataArray

    def __iter__(self) -> Iterator[xr.DataArray]:
        yield from (self.value, self.lower, self.upper)

    def map(self, change: Callable[[xr.DataArray], xr.DataArray]) -> Values:
        """The same of a monotone function of it."""
        return Values(*map(change, self))


def values_of(result: Fit | xr.DataTree, name: str) -> Values | None:
    """A probability table or a parameter by its name, with intervals; None where there is none.

    Of a fit: from standard errors (NaN at a boundary). Of a posterior: mean and equal-tailed interval.
    """
    check_result(result)
    if not isinstance(result, Fit):
        draws = result["posterior"].to_dataset().get(name)
        if draws is None:
            return None
        ends = draws.quantile([0.025, 0.975], ("chain", "draw")).drop_vars("quantile")
        return Values(draws.mean(("chain", "draw")), ends[0], ends[1])
    if name in result.probabilities:
        x, se = result.probabilities[name], result.probabilities_se[name]
        lower, upper = probability_interval(x.values, se.values)
        return Values(x, x.copy(data=lower), x.copy(data=upper))
    if name in result.params:
        x, half = result.params[name], Z95 * result.se[name]
        return Values(x, x - half, x + half)
    if name in result.derived:
        x, se = result.derived[name], result.derived_se[name]
        lower, upper = derived_interval(name, x.values, se.values)
        return Values(x, x.copy(data=lower), x.copy(data=upper))
    return None


def names_of(result: Fit | xr.DataTree) -> list[str]:
    """Names of all that :func:`values_of` knows."""
    check_result(result)
    if isinstance(result, Fit):
        return [str(k) for ds in (result.params, result.derived, result.probabilities) for k in ds.data_vars]
    return [str(k) for k in result["posterior"].data_vars]


def errors_of(result: Fit | xr.DataTree, name: str) -> xr.DataArray:
    """Standard errors, or posterior SDs, of what :func:`values_of` returns."""
    if not isinstance(result, Fit):
        return result["posterior"].to_dataset()[name].std(("chain", "draw"))
    homes = ((result.params, result.se), (result.derived, result.derived_se))
    for values, errors in (*homes, (result.probabilities, result.probabilities_se)):
        if name in values:
            return errors[name]
    raise KeyError(name)
