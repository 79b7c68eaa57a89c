"""Tables of a latent transition model: transitions with intervals, and what explains the classes of an occasion.

Of a fit or of a posterior.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayesmix.results.estimates import Estimate, Estimates
from bayesmix.results.fit import Fit
from bayesmix.spec import GROUP, Quantity, takes_level

COLUMNS = ("value", "se", "lower", "upper")


@takes_level
def transitions(result: Fit | xr.DataTree, *, level: float | None = None) -> pd.DataFrame:
    """Transition probabilities P(C_t = d | C_t-1 = c) in the population, with intervals: (9), (13).

    Averaged over individuals (covariates) and clusters (random effects); of a higher order, a row for
    each combination of the classes before. With classes of chains they are those of each of these.

    Parameters
    ----------
    result : Fit or xarray.DataTree
        Intervals by the delta method on the logit scale, or equal-tailed ones of the posterior.
    level : float, optional
        Of the intervals; 0.95 if left out.

    Returns
    -------
    pandas.DataFrame
        Rows by observed group, where they differ between groups, class variable, class of the chain (`G`, where there
        are such), classes left (`from`) and class entered (`to`); `value`, `se` (standard error or posterior SD),
        `lower`, `upper`. Those of stayers, 0 and 1, are known.

    Raises
    ------
    ValueError
        The model has no transitions.

    Examples
    --------
    >>> bm.transitions(transitions_fit).shape[0] > 0
    True
    """
    estimates = Estimates.of(result)
    rows = [row for name in entered(estimates) for row in _transition_rows(estimates, name)]
    if not rows:
        raise ValueError("There are no transitions: no class variable of the model depends on another one beside it.")
    return _by_group(rows, ["class variable", *(g.name for g in estimates.model.lasting), "from", "to"])


def _by_group(rows: list[tuple], names: list[str]) -> pd.DataFrame:
    """A table of rows that begin with their group, or None: a level of its index where there are groups."""
    table = pd.DataFrame(rows, columns=[GROUP, *names, *COLUMNS])
    if table[GROUP].isna().all():
        return table.drop(columns=GROUP).set_index(names)
    return table.set_index([GROUP, *names])


def entered(estimates: Estimates) -> list[str]:
    """List the class variables that depend on another one beside them, of which `estimates` has transitions."""
    return [c.name for c in estimates.model.classes if estimates.of_kind("transition", of=c.name)]


def _transition_rows(estimates: Estimates, to: str) -> Iterator[tuple]:
    """Make the rows of the class variable `to`: classes left, class entered, cells."""
    for labels, cells in _cells(estimates[f"{to}_transition"]):
        above = [g.name for g in estimates.model.lasting]
        left = [labels[d] for d in labels if d not in (to, GROUP, *above)]
        of_chain = (labels.get(g, "all") for g in above)
        yield (labels.get(GROUP), to, *of_chain, left[0] if len(left) == 1 else tuple(left), labels[to], *cells)


def _cells(x: Estimate) -> Iterator[tuple[dict[str, Any], list[float]]]:
    """Yield labels by dim, and value, error, lower and upper end, of each entry of `x`."""
    dims = x.value.dims
    tables = [array.transpose(*dims).values for array in (x.value, x.se, x.lower, x.upper)]
    for at in np.ndindex(x.value.shape):
        labels = {str(d): x.value[d].values[i].item() for d, i in zip(dims, at, strict=True)}
        yield labels, [float(table[at]) for table in tables]


@takes_level
def decomposition(result: Fit | xr.DataTree, *, level: float | None = None) -> pd.DataFrame:
    """What explains the classes of each occasion, below (14), and the paths from an effect to a class.

    Of the variance of the latent response behind a class logit against the last class, pi^2 / 3 is
    unexplained; shares by the effects of earlier occasions, by the part of the class before that these
    do not explain, by the residual effects of the occasion itself; and by the class before alone, and
    what the effects of the occasion explain beyond it. An
    effect of an earlier occasion acts on the logit through the class before, averaged over clusters, and
    through the effects of the occasion (15), per unit of it. A direct path of its own could not be told
    from the second one.

    Parameters
    ----------
    result : Fit or xarray.DataTree
    level : float, optional
        Of the intervals; 0.95 if left out.

    Returns
    -------
    pandas.DataFrame
        Rows by class variable, class and part, and by observed group before these; `value`, `se`, `lower`,
        `upper`. The first shares sum to `explained`, and so do those of the class before alone and beyond it.

    Raises
    ------
    ValueError
        The model has no random effects of clusters on the classes of two occasions, or covariates of
        individuals on them, on which the shares would depend.

    Examples
    --------
    >>> bm.decomposition(transitions_fit).columns.size > 0
    True
    """
    estimates = Estimates.of(result)
    rows = [row for q in estimates.of_kind("share", "path effect") for row in _parts(estimates, q)]
    if not rows:
        raise ValueError(
            "There is nothing to decompose: it takes class variables of several occasions with random effects of "
            "clusters, without covariates of individuals on them."
        )
    table = _by_group(rows, ["class variable", "class", "part"])
    return table.sort_index(level=[*range(table.index.nlevels - 1)], sort_remaining=False)


def _parts(estimates: Estimates, q: Quantity) -> Iterator[tuple]:
    """Make the rows of `q`, a share of a variance or an effect along a path."""
    for labels, cells in _cells(estimates[q.name]):
        if cells[0] != 0.0:  # the reference class
            yield (labels.get(GROUP), q.of, labels[q.of], q.part, *cells)
