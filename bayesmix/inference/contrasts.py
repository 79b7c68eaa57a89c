"""Functions of what a result says, with their errors: by the delta method, or draw by draw of a posterior."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, cast

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmix.checks import check_level, nearest, one_of
from bayesmix.results import Fit, Uncertainty, check_result, entries
from bayesmix.spec import SCALES, two_sided
from bayesmix.typing import Array

STEP = 1e-3
"""Of central differences, in standard errors."""
STEP_WITHOUT_ERROR = 1e-4
"""The same for parameters that have none."""
Function = Callable[[Mapping[str, xr.DataArray]], Any]


@dataclass(frozen=True, repr=False)
class Contrast:
    """A function of parameters, probabilities and derived quantities, with its error.

    Attributes
    ----------
    value : xarray.DataArray
        Its estimate; of a posterior its mean.
    se : xarray.DataArray
        Standard error; of a posterior the SD. NaN where it depends on a parameter at a boundary.
    lower, upper : xarray.DataArray
        The interval: value -+ z se on the `scale` that was asked for, z the quantile of the normal distribution or of
        t with `df` degrees of freedom; of a posterior the equal-tailed one.
    p : xarray.DataArray
        Two-sided, of zero; of a posterior the probability of direction, max(P(> 0), P(< 0)).
    level : float
        Of the interval.
    method : {"delta method", "draws"}
    covariance : numpy.ndarray
        Of the entries of `value`, in their order.
    draws : xarray.DataArray, optional
        Of a posterior the function at each draw.
    df : float or array, optional
        Degrees of freedom of t, of which intervals and p are then instead of the normal distribution: those of the
        design of a survey, or, one an entry, of pooled imputations.

    Examples
    --------
    >>> bm.contrast(fit, lambda x: x["class_logit"][0]).method
    'delta method'
    """

    value: xr.DataArray
    se: xr.DataArray
    lower: xr.DataArray
    upper: xr.DataArray
    p: xr.DataArray
    level: float
    method: str
    covariance: Array
    draws: xr.DataArray | None = None
    df: Any = None

    @property
    def table(self) -> pd.DataFrame:
        """A row an entry: estimate, SE, ratio, p, interval; of a posterior mean, SD, direction, interval."""
        x = {k: getattr(self, k).values.ravel() for k in ("value", "se", "p", "lower", "upper")}
        index = pd.Index(entries("contrast", self.value), name="entry", dtype=object)
        ends = {"lower": x["lower"], "upper": x["upper"]}
        if self.method == "draws":
            return pd.DataFrame({"mean": x["value"], "sd": x["se"], "direction": x["p"], **ends}, index=index)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = x["value"] / x["se"]
        return pd.DataFrame({"estimate": x["value"], "se": x["se"], "ratio": ratio, "p": x["p"], **ends}, index=index)

    def __repr__(self) -> str:
        with pd.option_context("display.width", 160, "display.max_rows", None, "display.max_columns", None):
            return f"{self.table.round(4).to_string()}\nBy {self._words()}."

    def _repr_html_(self) -> str:
        return f"{self.table.round(4).to_html()}<p>By {self._words()}.</p>"

    def _words(self) -> str:
        kind = "the delta method" if self.method != "draws" else "the draws of the posterior"
        if self.df is None:
            return f"{kind}; intervals: {self.level:.4g}"
        low, high = float(np.min(self.df)), float(np.max(self.df))
        degrees = f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
        return f"{kind}; intervals: {self.level:.4g}, of t with {degrees} degrees of freedom"


def contrast(
    result: Fit | xr.DataTree, function: Function, *, level: float = 0.95, scale: str = "identity"
) -> Contrast:
    """A function of parameters, probabilities and derived quantities, with its error and an interval.

    Of a fit by the delta method, Cov(g) = G' V G, with V the covariance matrix of the free parameters by the errors of
    the fit and G the derivatives of the function by these (Wasserman, All of Statistics, 2004, theorem 9.28; Agresti,
    Categorical Data Analysis, 2013, 16.1), by central differences. Of a posterior the function is evaluated at every
    draw, and nothing is approximated.

    Parameters
    ----------
    result : Fit or xarray.DataTree
        A fit, or a posterior of :func:`bayesmix.sample`.
    function : callable
        Takes a mapping of name to xarray.DataArray (``x["class_logit"]``, ``x["item_probability"]``,
        ``x["class_icc"]``: all that stands in `params`, `probabilities` and `derived` of a fit, with dims and coords;
        of a posterior one draw of it) and returns a number or a DataArray.
    level : float
        Of the interval.
    scale : {"identity", "log", "logit", "sqrt", "fisher_z"}
        On which the interval of a fit is symmetric: ``"log"`` for ratios, ``"logit"`` for probabilities.

    Returns
    -------
    Contrast

    Raises
    ------
    TypeError, ValueError
        Neither a fit nor a posterior, a function that returns something else, an unknown name, a level that is none;
        a fit that was saved without a covariance matrix.

    Warns
    -----
    UserWarning
        It depends on a parameter at a boundary: there is no error of it then.

    Examples
    --------
    >>> found = bm.contrast(fit, lambda x: x["item_probability"].sel(C=1) - x["item_probability"].sel(C=2))
    >>> found.table.columns.tolist()
    ['estimate', 'se', 'ratio', 'p', 'lower', 'upper']
    """
    check_result(result)
    check_level(level)
    if not callable(function):
        raise TypeError(
            f"The function came as {type(function).__name__}: give one, such as lambda x: x['class_logit']."
        )
    one_of("scale", scale, [*SCALES])
    return _of_fit(result, function, level, scale) if isinstance(result, Fit) else _of_draws(result, function, level)


def _of_fit(fit: Fit, function: Function, level: float, scale: str) -> Contrast:
    known = Uncertainty.of(fit)
    value, slopes = differentiated(fit, known, function)
    shape, n = value.shape, value.size
    covariance = slopes.T @ known.covariance @ slopes
    variance = np.diagonal(covariance).copy()
    if stuck := known.at_boundary(slopes):
        gone = _touched(known, slopes)
        variance[gone] = np.nan
        covariance[gone], covariance[:, gone] = np.nan, np.nan
        warnings.warn(
            f"The contrast depends on {', '.join(stuck[:3])}{', ...' if len(stuck) > 3 else ''}, at a boundary or in a "
            "flat direction: where it does, it has no standard error.",
            stacklevel=3,
        )
    se = np.sqrt(np.maximum(variance, 0.0))
    se = np.where(se > 1e-12 * np.maximum(np.abs(value.values.ravel()), 1e-300), se, np.nan)  # what does not move
    df = known.t_df(slopes)
    with np.errstate(all="ignore"):
        p = two_sided(value.values.ravel() / se, df)
    lower, upper = SCALES[scale].interval(value.values.ravel(), se, level, df)
    made = (value.copy(data=np.reshape(x, shape)) for x in (se, lower, upper, p))
    return Contrast(value, *made, level, "delta method", covariance.reshape(n, n), df=df)


def _touched(known: Uncertainty, slopes: Array) -> NDArray[np.bool_]:
    """Which columns of `slopes` depend on a parameter without an error."""
    return np.array([bool(known.at_boundary(column[:, None])) for column in slopes.T], dtype=bool)


def differentiated(fit: Fit, known: Uncertainty, function: Function) -> tuple[xr.DataArray, Array]:
    """Evaluate `function` at the estimates, and its derivatives by theta, (theta, entry).

    All that it is given moves along its tangent: central differences of that have an error of the order of the square
    of the step, as those of the numbers themselves would have.
    """
    tables = {str(k): x for ds in (fit.derived, fit.params, fit.probabilities) for k, x in ds.data_vars.items()}
    where = {name: known.positions(entries(name, x)) for name, x in tables.items()}

    def at(moved: Array) -> xr.DataArray:
        numbers = known.values + moved
        return as_array(
            function(_Named(tables, lambda k: tables[k].copy(data=numbers[where[k]].reshape(tables[k].shape))))
        )

    value = at(np.zeros(len(known.values)))
    errors = np.sqrt(np.maximum(np.nan_to_num(np.diagonal(known.covariance)), 0.0))
    steps = np.where((errors > 0) & ~known.boundary, STEP * errors, STEP_WITHOUT_ERROR)
    slopes = np.zeros((len(steps), value.size))
    for k, step in enumerate(steps):
        up, down = (at(sign * step * known.slopes[k]) for sign in (1.0, -1.0))
        slopes[k] = (up.values.ravel() - down.values.ravel()) / (2 * step)
    return value, slopes


class _Named(Mapping[str, xr.DataArray]):
    """Numbers by name, each made when it is asked for."""

    def __init__(self, names: Mapping[str, Any], make: Callable[[str], xr.DataArray]) -> None:
        self._names, self._make = names, make

    def __getitem__(self, name: str) -> xr.DataArray:
        if name not in self._names:
            near = nearest(name, self._names)
            hint = f"did you mean '{near}'?" if near else f"there are {', '.join(self._names)}."
            raise ValueError(f"The function asks for {name!r}, which the result does not have: {hint}")
        return self._make(name)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def as_array(found: Any) -> xr.DataArray:
    """Take what a function returned.

    Raises
    ------
    TypeError
        Neither a number nor a DataArray of numbers.
    """
    if isinstance(found, (Real, np.number)) or (isinstance(found, np.ndarray) and found.ndim == 0):
        return xr.DataArray(float(cast(Any, found)))
    if isinstance(found, xr.DataArray) and found.dtype.kind in "biuf":
        return found.astype(float)
    raise TypeError(
        f"The function returned {type(found).__name__}, expected a number or a DataArray of numbers: select and "
        "combine those that it is given, such as x['class_logit'].sel(C=1); of an array give xarray.DataArray(array)."
    )


def _of_draws(post: xr.DataTree, function: Function, level: float) -> Contrast:
    drawn = post["posterior"].to_dataset()
    held = {str(k): x.transpose("chain", "draw", ...) for k, x in drawn.data_vars.items()}
    chains, draws = drawn.sizes["chain"], drawn.sizes["draw"]
    plain = {k: x.isel(chain=0, draw=0, drop=True) for k, x in held.items()}
    numbers = {k: x.values for k, x in held.items()}
    each = []
    for c, d in np.ndindex(chains, draws):  # one draw at a time: a sum over all dims must not run over the draws
        each.append(as_array(function(_Named(plain, lambda k, c=c, d=d: plain[k].copy(data=numbers[k][c, d])))))
    first = each[0]
    if any(x.shape != first.shape or x.dims != first.dims for x in each):
        raise ValueError("The function returned arrays of other shapes at other draws: give one of a fixed shape.")
    x = np.stack([e.values for e in each]).reshape(chains, draws, *first.shape)
    coords = {**first.coords, **{k: drawn[k].values for k in ("chain", "draw") if k in drawn.coords}}
    kept = xr.DataArray(x, dims=("chain", "draw", *first.dims), coords=coords)
    flat = x.reshape(chains * draws, -1)
    tail = (1 - level) / 2
    lower, upper = np.quantile(flat, [tail, 1 - tail], axis=0)
    direction = np.maximum((flat > 0).mean(axis=0), (flat < 0).mean(axis=0))
    made = (
        first.copy(data=np.reshape(v, first.shape))
        for v in (flat.mean(axis=0), flat.std(axis=0), lower, upper, direction)
    )
    return Contrast(*made, level, "draws", np.atleast_2d(np.cov(flat.T, ddof=0)), kept)
