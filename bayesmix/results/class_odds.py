"""Odds ratios of classes against each of the others: what covariates do to their logits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayesmix.checks import nearest
from bayesmix.results.estimates import Estimates
from bayesmix.results.fit import Fit
from bayesmix.results.labels import entry
from bayesmix.results.uncertainty import Uncertainty
from bayesmix.spec import IDENTITY, LatentClass, Model, tails, takes_level, two_sided
from bayesmix.typing import Array

LARGEST = 700.0
"""Of a log odds ratio: beyond it the ratio is no number any more."""
COLUMNS = ["odds_ratio", "se", "lower", "upper", "p"]


@takes_level
def odds_ratios(
    result: Fit | xr.DataTree,
    name: str | None = None,
    *,
    reference: Any = "all",
    level: float | None = None,
) -> pd.DataFrame:
    """Odds ratios of the covariates of class logits, against every reference class.

    With the slopes b of a covariate on the logits of class variable C, the odds of class c against class r change by

        exp(b_c - b_r)

    per unit of the covariate: (4), (9), R(19). Their standard errors are exp(b_c - b_r) SE(b_c - b_r), and intervals
    are made of the logits (Agresti, Categorical Data Analysis, 2013, 8.1.1; Mplus: alternative parameterizations).
    With the design of a survey they are those of t with its degrees of freedom.

    Parameters
    ----------
    result : Fit or xarray.DataTree
        A fit; or a posterior, of which odds ratios are medians, errors SDs, and intervals equal-tailed.
    name : str, optional
        A parameter of class logits: slopes, or the logits themselves, ``"class_logit"``, which give odds of the classes
        where all covariates are zero. All slopes if left out.
    reference : "all", "last" or label of a class
        Against which class: each of the others, or one.
    level : float, optional
        Of the intervals; 0.95 if left out.

    Returns
    -------
    pandas.DataFrame
        A row a covariate (`entry`, the parameter without its class), `class` and `reference`: `odds_ratio`, `se`,
        `lower`, `upper`, and `p` of a log odds ratio of zero (of a posterior the probability of direction). No row of
        what is fixed.

    Raises
    ------
    ValueError
        No covariates of classes, another parameter, no such class.

    Examples
    --------
    >>> predicted = bm.fit(bm.models.lca(list("abcd"), 2, "x"), df, progress=False, **quick)
    >>> bm.odds_ratios(predicted).index.tolist()
    [('class_slope[x]', '1', '2'), ('class_slope[x]', '2', '1')]
    """
    estimates = Estimates.of(result)
    chosen = [*_chosen(estimates.model, name)]
    rows: list[tuple] = []
    for c, parameter in chosen:
        x = estimates[parameter].value
        wanted = _references(x, c, reference)
        logits = _OfFit(result, x, c) if isinstance(result, Fit) else _OfDraws(result, parameter, x, c)
        for one, other in logits.pairs(wanted):
            rows.append((logits.label(one), *(str(x[c.name].values[at[logits.axis]]) for at in (one, other)),
                         *logits.numbers(one, other)))  # fmt: skip
    table = pd.DataFrame(rows, columns=["entry", "class", "reference", *COLUMNS]).dropna(subset=["odds_ratio"])
    return table.set_index(["entry", "class", "reference"])


def ratio_of(log_odds: Any, se: Any, df: Any = None) -> tuple[Array, Array, Array, Array]:
    """The odds ratio of a log odds ratio, its standard error, and the ends of its interval, of t with `df`."""
    ends = IDENTITY.interval(log_odds, se, df=df)
    ratio, *limits = (np.exp(np.minimum(x, LARGEST)) for x in (np.asarray(log_odds, dtype=float), *ends))
    return ratio, ratio * se, limits[0], limits[1]


def _chosen(model: Model, name: str | None) -> Iterator[tuple[LatentClass, str]]:
    """Find the class variables and parameters whose logits are compared."""
    known = {t.parameter.name: (c, bool(t.covariates)) for c in model.classes for t in c.terms
             if not t.effects and c.size > 1 and c.name in t.parameter.dims}  # fmt: skip
    if name is not None and name not in known:
        near = nearest(name, known)
        hint = f"did you mean '{near}'?" if near else f"there are {', '.join(known) or 'none'}."
        raise ValueError(f"name came as {name!r}, which is no parameter of class logits: {hint}")
    found = [(c, k) for k, (c, of_covariates) in known.items() if k == name or (name is None and of_covariates)]
    if not found:
        raise ValueError("The classes of the model have no covariates: there are no odds ratios of them.")
    yield from found


def _references(x: xr.DataArray, c: LatentClass, reference: Any) -> list[int]:
    """Positions of the reference classes that are wanted."""
    labels = [str(k) for k in x[c.name].values]
    if isinstance(reference, str) and reference in ("all", "last"):
        return [*range(len(labels))] if reference == "all" else [len(labels) - 1]
    if str(reference) not in labels:
        raise ValueError(f"reference came as {reference!r}: give 'all', 'last' or one of {', '.join(labels)}.")
    return [labels.index(str(reference))]


class _Logits(ABC):
    """Logits of a class variable, whose differences between classes are asked for."""

    def __init__(self, x: xr.DataArray, c: LatentClass) -> None:
        self.x, self.axis = x, x.dims.index(c.name)

    def pairs(self, wanted: Sequence[int]) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
        """Positions of a class and of a reference, covariate by covariate."""
        rest = [n for k, n in enumerate(self.x.shape) if k != self.axis]
        for at in np.ndindex(*rest):
            for k in range(self.x.shape[self.axis]):
                yield from ((self._with(at, k), self._with(at, r)) for r in wanted if k != r)

    def _with(self, at: tuple[int, ...], k: int) -> tuple[int, ...]:
        return (*at[: self.axis], k, *at[self.axis :])

    def label(self, at: tuple[int, ...]) -> str:
        """The entry without its class."""
        dims = [d for k, d in enumerate(self.x.dims) if k != self.axis]
        place = tuple(i for k, i in enumerate(at) if k != self.axis)
        return entry(str(self.x.name), self.x.isel({self.x.dims[self.axis]: 0}, drop=True).transpose(*dims), place)

    @abstractmethod
    def numbers(self, one: tuple[int, ...], other: tuple[int, ...]) -> tuple[float, ...]:
        """Odds ratio, error, interval, p; NaN where both are fixed."""


class _OfFit(_Logits):
    """Those of a fit."""

    def __init__(self, fit: Fit, x: xr.DataArray, c: LatentClass) -> None:
        super().__init__(x, c)
        self.known, self.free = Uncertainty.of(fit), fit.free[x.name].transpose(*x.dims).values

    def numbers(self, one: tuple[int, ...], other: tuple[int, ...]) -> tuple[float, ...]:
        if not (self.free[one] or self.free[other]):
            return (np.nan,) * len(COLUMNS)
        at = self.known.positions([entry(str(self.x.name), self.x, k) for k in (one, other)])
        slopes = self.known.slopes[:, at[0]] - self.known.slopes[:, at[1]]
        variance = slopes @ self.known.covariance @ slopes
        se = np.nan if self.known.at_boundary(slopes[:, None]) or variance <= 0 else np.sqrt(variance)
        log_odds = float(self.x.values[one] - self.x.values[other])
        df = self.known.t_df(slopes[:, None])
        df = None if df is None else float(np.ravel(df)[0])
        return (*map(float, ratio_of(log_odds, se, df)), float(two_sided(log_odds / se, df)))


class _OfDraws(_Logits):
    """Those of a posterior."""

    def __init__(self, post: xr.DataTree, name: str, x: xr.DataArray, c: LatentClass) -> None:
        super().__init__(x.rename(name), c)
        drawn = post["posterior"][name].transpose("chain", "draw", *x.dims).values
        self.drawn = drawn.reshape(-1, *x.shape)

    def numbers(self, one: tuple[int, ...], other: tuple[int, ...]) -> tuple[float, ...]:
        log_odds = self.drawn[(slice(None), *one)] - self.drawn[(slice(None), *other)]
        if not np.ptp(log_odds):
            return (np.nan,) * len(COLUMNS)
        ratio = np.exp(np.minimum(log_odds, LARGEST))
        direction = max((log_odds > 0).mean(), (log_odds < 0).mean())
        return (float(np.median(ratio)), float(ratio.std()), *map(float, np.quantile(ratio, tails())), float(direction))
