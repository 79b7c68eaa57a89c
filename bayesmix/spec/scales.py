"""The scales on which numbers have symmetric intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from bayesmix.checks import check_level
from bayesmix.typing import Array

Z95 = 1.959964
"""The normal quantile of a 95% interval."""
TINY = 1e-6
"""A probability nearer to 0 or 1 is at its boundary and has no standard error."""


_LEVEL: ContextVar[float] = ContextVar("level of intervals", default=0.95)


def interval_level() -> float:
    """Give the level that intervals are made with here: 0.95 but for what is made under :func:`at_level`."""
    return _LEVEL.get()


def level_words() -> str:
    """Write it as heads of tables and captions have it: ``95%``."""
    return f"{100 * interval_level():.4g}%"


def tails() -> tuple[float, float]:
    """Give the probabilities beneath the lower and the upper end of an equal-tailed interval of the level here."""
    outside = (1 - interval_level()) / 2
    return outside, 1 - outside


@contextmanager
def at_level(level: float) -> Iterator[None]:
    """Make all intervals inside with another level, and say so in every head.

    Raises
    ------
    ValueError
        No number between 0 and 1.
    """
    check_level(level)
    token = _LEVEL.set(float(level))
    try:
        yield
    finally:
        _LEVEL.reset(token)


def takes_level[**P, T](function: Callable[P, T]) -> Callable[P, T]:
    """Let a function with a keyword `level` make all intervals beneath it so; left out, as where it is called."""

    @wraps(function)
    def inside(*args: P.args, **kwargs: P.kwargs) -> T:
        level: Any = kwargs.get("level")
        if level is None:
            return function(*args, **kwargs)
        with at_level(level):
            return function(*args, **kwargs)

    return inside


def normal_quantile(level: float | None = None) -> float:
    """Give the number of standard errors to each side of an interval of `level`, or of the level here."""
    level = interval_level() if level is None else level
    return Z95 if level == 0.95 else float(special.ndtri((1 + level) / 2))


def t_quantile(df: Any, level: float | None = None) -> Any:
    """The same of Student's t with `df` degrees of freedom, of which there may be many; None is the normal one."""
    if df is None:
        return normal_quantile(level)
    return stats.t.ppf((1 + (interval_level() if level is None else level)) / 2, df)


def two_sided(ratio: Any, df: Any = None) -> Array:
    """P(|T| > |ratio|) of Student's t with `df` degrees of freedom, of the normal distribution where they are None."""
    ratio = np.abs(np.asarray(ratio, dtype=float))
    return np.asarray(2 * (special.ndtr(-ratio) if df is None else stats.t.sf(ratio, df)))


def _everywhere(x: Array, se: Array) -> NDArray[np.bool_]:
    """Mark every entry of `x`: a standard error `se` of zero makes an interval of no length."""
    return np.ones(np.shape(x), dtype=bool)


def _off_the_ends(x: Array, se: Array) -> NDArray[np.bool_]:
    """Mark the probabilities `x` that are neither 0 nor 1 and have a standard error `se`."""
    return (x > TINY) & (x < 1 - TINY) & (se > 0)


@dataclass(frozen=True)
class Scale:
    """A scale on which a number has a symmetric interval.

    Attributes
    ----------
    name : str
        As it is kept with the numbers.
    forward, inverse, slope : callable
        To the scale, back from it, and the derivative of `forward`.
    usable : callable
        Which estimates, of these and their standard errors, have an interval.
    """

    name: str
    forward: Callable[[Array], Array]
    inverse: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    usable: Callable[[Array, Array], NDArray[np.bool_]] = _everywhere

    def interval(self, x: Any, se: Any, level: float | None = None, df: Any = None) -> tuple[Array, Array]:
        """Give the ends of an interval of `x` with the standard error `se`, by the delta method on the scale.

        inverse(forward(x) -+ z se |slope(x)|), z the normal quantile of the `level` (1.96 of 95%), that of
        :func:`at_level` if it is left out, or that of t with `df` degrees of freedom, of which there may be one an
        entry; NaN without a standard error, and where no interval is usable.
        """
        x, se = np.asarray(x, dtype=float), np.asarray(se, dtype=float)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            x = np.where(self.usable(x, se), x, np.nan)
            y, half = self.forward(x), t_quantile(df, level) * se * np.abs(self.slope(x))
            return self.inverse(y - half), self.inverse(y + half)


IDENTITY = Scale("identity", np.asarray, np.asarray, np.ones_like)
LOG = Scale("log", np.log, np.exp, lambda x: 1 / x)
# below zero the square of a root's lower end would rise again
SQRT = Scale("sqrt", np.sqrt, lambda y: np.maximum(y, 0.0) ** 2, lambda x: 1 / (2 * np.sqrt(x)))
LOGIT = Scale("logit", special.logit, special.expit, lambda x: 1 / (x * (1 - x)), _off_the_ends)
FISHER_Z = Scale("fisher_z", np.arctanh, np.tanh, lambda x: 1 / (1 - x**2))
SCALES: dict[str, Scale] = {s.name: s for s in (IDENTITY, LOG, SQRT, LOGIT, FISHER_Z)}
"""The scales by their names."""
