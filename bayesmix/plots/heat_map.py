"""A picture of residuals of pairs of items: a heat map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_WRITTEN = 15
"""Items, up to which the numbers stand in their cells."""
LEAST_TOP = 4.0
"""Where the colours end, at least: residuals of a model that holds are not to look like large ones."""


@runtime_checkable
class OfPairs(Protocol):
    """What `residuals` needs: a number for each two items."""

    def matrix(self) -> pd.DataFrame:
        """How far off each pair is."""
        ...


def residuals(found: OfPairs, *, ax: Axes | None = None) -> Axes:
    """How far off the model is for each two items: about 1 where it holds, from about 4 on a lack of fit.

    Parameters
    ----------
    found : Residuals
        What :func:`bayesmix.residuals` returns; what stands in a cell is said at :meth:`bayesmix.Residuals.matrix`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if left out.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError
        Something else: a fit has no residuals without its data.
    ValueError
        There is one item, or no number for any pair.

    Examples
    --------
    >>> ax = bm.plots.residuals(bm.residuals(fit, df))
    >>> [t.get_text() for t in ax.get_xticklabels()]
    ['a', 'b', 'c']
    """
    import matplotlib.pyplot as plt

    if not isinstance(found, OfPairs):
        raise TypeError(f"The residuals came as {type(found).__name__}: give bm.residuals(fit, df).")
    table = found.matrix()
    values = np.where(np.tril(np.ones(table.shape)) > 0, table.to_numpy(dtype=float), np.nan)
    own = ~np.isnan(np.diag(values)).all()  # variances stand on the diagonal
    if np.isnan(values).all():
        raise ValueError("There is no residual of any pair: the model has one item, or nobody answered two of them.")
    rows, columns = (list(map(str, table.index)), list(map(str, table.columns)))
    if not own:
        values, rows, columns = values[1:, :-1], rows[1:], columns[:-1]
    if ax is None:
        size = float(np.clip(1.5 + 0.45 * len(rows), 3.5, 14.0))
        _, ax = plt.subplots(figsize=(size + 1.2, size), layout="constrained")
    top = max(float(np.nanmax(np.where(np.isfinite(values), values, np.nan))), LEAST_TOP)
    shown = ax.imshow(np.ma.masked_invalid(np.minimum(values, top)), cmap="Blues", vmin=0.0, vmax=top)
    ax.set_xticks(range(len(columns)), columns, rotation=90 if len(columns) > 8 else 0)
    ax.set_yticks(range(len(rows)), rows)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    if len(rows) <= MOST_WRITTEN:
        for i, j in np.argwhere(~np.isnan(values)):
            colour = "white" if values[i, j] > 0.6 * top else "black"
            ax.text(j, i, f"{values[i, j]:.1f}", ha="center", va="center", fontsize=8, color=colour)
    ax.figure.colorbar(shown, ax=ax, label="residual of the pair", shrink=0.8)
    return ax
