"""A picture of a study: bias, standard errors and cover of every parameter, with Monte Carlo intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.plots.style import COLOURS, bare
from bayesmix.spec import Z95
from bayesmix.typing import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Studied(Protocol):
    """What `study` needs: averages by entry, and what each entry is."""

    @property
    def models(self) -> list[str]:
        """Names of the analysis models."""
        ...

    @property
    def replications(self) -> pd.DataFrame:
        """Every estimate, with the `scale` of its `entry`."""
        ...

    def summary(self, model: str | None = None) -> pd.DataFrame:
        """Averages over the replications."""
        ...


def study(studied: Studied, model: str | None = None, *, scale: str = "parameter") -> NDArray[Any]:
    """Bias in SDs of the estimates, average SE over that SD, and cover, with 95% Monte Carlo intervals.

    Parameters
    ----------
    studied : Study
        What :func:`bayesmix.study` returns.
    model : str, optional
        An analysis model; the first one if left out.
    scale : {"parameter", "derived", "probability"}
        Which of the entries.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes
        Three panels; a filled point has an interval that leaves out 0, 1 or 0.95.

    Raises
    ------
    ValueError
        The model has no such entries of which the population's values are known.

    Examples
    --------
    >>> axes = bm.plots.study(bm.study(fit, n=100, replications=2, fit=quick, progress=False))
    """
    if not hasattr(studied, "summary") or not hasattr(studied, "replications"):
        raise TypeError(f"The study came as {type(studied).__name__}, expected what bm.study returns: give it.")
    import matplotlib.pyplot as plt

    table = studied.summary(model or studied.models[0])
    kinds = studied.replications.drop_duplicates("entry").set_index("entry")["scale"].reindex(table.index)
    table = table[(kinds == scale) & table["population"].notna() & (table["sd"] > 0) & (table["with_se"] > 1)]
    if table.empty:
        raise ValueError(f"There is nothing to draw: no {scale} has a known value and two estimates with SE.")
    labels = [str(k) for k in table.index]
    size = (0.5 + 0.085 * max(map(len, labels)) + 7.2, 1.1 + 0.21 * len(labels))
    _, axes = plt.subplots(1, 3, sharey=True, figsize=size, layout="constrained")
    n, spread = table["with_se"].to_numpy(dtype=float), table["sd"].to_numpy(dtype=float)
    bias = ((table["average"] - table["population"]) / table["sd"]).to_numpy(dtype=float)
    off = Z95 / np.sqrt(table["n"].to_numpy(dtype=float))
    ratio = table["average_se"].to_numpy(dtype=float) / spread
    factor = np.exp(Z95 / np.sqrt(2 * np.maximum(n - 1, 1)))
    cover = table["cover"].to_numpy(dtype=float)
    _panel(axes[0], "bias / SD", 0.0, bias, bias - off, bias + off)
    _panel(axes[1], "average SE / SD", 1.0, ratio, ratio / factor, ratio * factor)
    _panel(axes[2], "cover of 95% intervals", 0.95, cover, *_wilson(cover, n))
    axes[2].set_xlim(right=1.02)
    axes[0].set_yticks(np.arange(len(labels)), labels)
    axes[0].set_ylim(len(labels) - 0.4, -0.6)
    return axes


def _wilson(p: Array, n: Array) -> tuple[Array, Array]:
    """Wilson's interval of a share."""
    middle = (p + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 / (1 + Z95**2 / n) * np.sqrt(p * (1 - p) / n + Z95**2 / (4 * n**2))
    return middle - half, middle + half


def _panel(ax: Axes, title: str, aim: float, x: Array, low: Array, high: Array) -> None:
    y = np.arange(len(x))
    for stripe in range(0, len(x), 2):
        ax.axhspan(stripe - 0.5, stripe + 0.5, color="0.965", zorder=0)
    ax.axvline(aim, color="0.5", linewidth=0.9, zorder=1)
    missed = (low > aim) | (high < aim)
    edge = [COLOURS[1] if m else COLOURS[0] for m in missed]
    ax.hlines(y, low, high, colors=edge, linewidth=1.3)
    ax.scatter(x, y, s=26, c=[COLOURS[1] if m else "white" for m in missed], edgecolors=edge, zorder=3)
    ax.set_title(title, fontsize="medium", loc="left")
    ax.locator_params(axis="x", nbins=5)
    ax.tick_params(axis="y", length=0)
    bare(ax, "x")
