"""Classes as ellipses, for two normal items at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy import stats

from bayesmix.plots.style import COLOURS, bare
from bayesmix.results import Estimates, Fit
from bayesmix.results.residual_covariances import has_matrices, matrices
from bayesmix.spec import Response
from bayesmix.typing import Array

POINTS = 100
MOST = 8
"""Items whose pairs have room."""


def profile_pairs(result: Fit | xr.DataTree, df: pd.DataFrame | None = None, *, share: float = 0.5) -> NDArray[Any]:
    """Draw the classes of normal items as ellipses, for two items at a time.

    Parameters
    ----------
    result : Fit or xarray.DataTree
        What :func:`bayesmix.fit` or :func:`bayesmix.sample` returns.
    df : pandas.DataFrame, optional
        The data, whose answers then lie beneath.
    share : float
        Of a class that its ellipse holds: the contour of its normal density around that share.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes
        (item, item): those below the diagonal have a pair of items, the others are empty.

    Raises
    ------
    ValueError
        Fewer than two normal items with means by class, too many of them, a share that is none.

    Examples
    --------
    >>> normal_model = bm.models.lca(["y", "x"], 1, family=bm.normal(), covariance="equal")
    >>> normal_fit = bm.fit(normal_model, df, progress=False)
    >>> bm.plots.profile_pairs(normal_fit, df).shape
    (1, 1)
    """
    import matplotlib.pyplot as plt

    if not 0 < share < 1:
        raise ValueError(f"share came as {share!r}, expected a share of a class: give a number between 0 and 1.")
    items, labels, means, sigma = _classes(Estimates.of(result))
    if len(items) > MOST:
        raise ValueError(f"The model has {len(items)} normal items, and pairs of {MOST} have room: draw some of them.")
    n = len(items) - 1
    figure, axes = plt.subplots(n, n, figsize=(2.4 * n + 1.4, 2.4 * n + 0.8), squeeze=False, layout="constrained")
    for i, j in np.ndindex(n, n):
        ax: Any = axes[i, j]
        if j > i:
            ax.set_visible(False)
            continue
        _draw(ax, (j, i + 1), items, means, sigma, df, share)
        ax.set_xlabel(items[j] if i == n - 1 else "")
        ax.set_ylabel(items[i + 1] if j == 0 else "")
        bare(ax)
    handles = [axes[0, 0].plot([], [], color=COLOURS[k % len(COLOURS)], label=text)[0] for k, text in enumerate(labels)]
    if len(labels) > 1:
        figure.legend(handles=handles, loc="upper right" if n > 1 else "outside right upper", frameon=False)
    return axes


def ellipse(mean: Array, matrix: Array, share: float) -> Array:
    """Points (point, 2) of the contour of a normal density of two items that holds a `share` of it."""
    angle = np.linspace(0, 2 * np.pi, POINTS)
    circle = np.sqrt(stats.chi2.ppf(share, 2)) * np.stack([np.cos(angle), np.sin(angle)])
    return mean + (np.linalg.cholesky(matrix) @ circle).T


def _classes(estimates: Estimates) -> tuple[list[str], list[str], Array, Array]:
    """Items, labels of classes, means (class, item) and matrices (class, item, item)."""
    model = estimates.model
    found: list[Response] = [r for r in model.distinct_responses if has_matrices(r) and len(r.items) > 1]
    for r in found:
        names = [t.parameter.name for t in r.predictor if not (t.covariates or t.effects)]
        if len(names) != 1:
            continue
        x, sigma = estimates[names[0]].value, matrices(estimates, r)
        dims = [d for d in sigma.dims if d not in (r.item_dim, f"{r.item_dim}_")]
        if {*x.dims} != {*dims, r.item_dim}:
            continue
        items = [str(i) for i in sigma[r.item_dim].values]
        labels = [", ".join(f"{d} = {sigma[d].values[k]}" for d, k in zip(dims, at, strict=True))
                  for at in np.ndindex(sigma.shape[:-2])]  # fmt: skip
        size = len(items)
        means = x.transpose(*dims, r.item_dim).values.reshape(-1, size)
        return items, labels, means, sigma.values.reshape(-1, size, size)
    raise ValueError("There is nothing to draw: the model has no two normal items with means by class.")


def _draw(ax, pair: tuple[int, int], items, means: Array, sigma: Array, df: pd.DataFrame | None, share: float) -> None:
    """Draw a pair of items."""
    some = list(pair)
    if df is not None and all(items[k] in df for k in some):
        ax.plot(df[items[pair[0]]], df[items[pair[1]]], ".", color="0.75", markersize=3, zorder=0)
    for k in range(len(means)):
        colour = COLOURS[k % len(COLOURS)]
        ax.plot(*ellipse(means[k][some], sigma[k][np.ix_(some, some)], share).T, color=colour)
        ax.plot(*means[k][some], "o", color=colour, markersize=4)
