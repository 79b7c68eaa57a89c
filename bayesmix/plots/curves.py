"""Class probabilities as curves over a random effect: Figs 2 and 3 of the 2006 paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmix.plots.style import COLOURS, bare, legend
from bayesmix.results import Fit, class_logits

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def class_curves(
    result: Fit | xr.DataTree, name: str | None = None, effect: str | None = None, df: pd.DataFrame | None = None
) -> NDArray[Any]:
    """P(C = c | random effect), the effect in standard deviations: Figs 2 and 3 of the 2006 paper.

    Draws what :func:`bayesmix.class_curves` returns.

    Parameters
    ----------
    result, name, effect, df
        As there.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes
        One panel, or one for each class of the variables on which this one depends. The legend has
        the standard deviations of the logits.

    Raises
    ------
    ValueError
        As :func:`bayesmix.class_curves`.

    Examples
    --------
    >>> axes = bm.plots.class_curves(two_level)
    """
    curves = class_logits.class_curves(result, name, effect, df)
    variable, effect = curves.attrs["class"], curves.attrs["effect"]
    parents = [d for d in curves["probability"].dims if d not in ("sd", variable)]
    places = [dict(zip(parents, at, strict=True)) for at in np.ndindex(*(curves.sizes[d] for d in parents))]
    axes = _panels(len(places))
    for ax, place in zip(axes, places, strict=True):
        at = curves.isel(place)
        title = ", ".join(f"{d} = {at[d].item()}" for d in parents)
        _draw(ax, at["sd"].values, at["probability"].transpose("sd", variable).values, curves[variable].values, title)
    where = "" if curves.attrs["covariates"] == "none" else f" (covariates {curves.attrs['covariates']})"
    for ax in axes:
        ax.set_xlabel(f"{effect}, in standard deviations{where}")
    axes[0].set_ylabel(f"P({variable} | {effect})")
    first = curves["logit_sd"].isel(places[0])
    legend(axes, [_label(variable, k, sd) for k, sd in zip(curves[variable].values, first.values, strict=True)])
    return axes


def _label(name: str, k: Any, sd: float) -> str:
    """Name class `k` of the variable `name`, with the SD of its logit where it varies."""
    return f"{name} = {k}" + (f" (logit SD {sd:.2f})" if sd > 1e-9 else "")


def _panels(n: int) -> NDArray[Any]:
    """Make `n` panels, three in a row."""
    import matplotlib.pyplot as plt

    columns = min(n, 3)
    rows = -(-n // columns)
    size = (max(5.4, 0.8 + 3.0 * columns), 0.6 + 3.2 * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", sharey=True, squeeze=False)
    for ax in axes.ravel()[n:]:
        figure.delaxes(ax)
    return axes.ravel()[:n]


def _draw(ax: Axes, sd: NDArray, p: NDArray, classes: NDArray, title: str) -> None:
    """Draw a curve for each of `classes`: probabilities `p` (point, class) over `sd`."""
    for k, label in enumerate(classes):
        style = "-" if k < len(COLOURS) else "--"
        ax.plot(sd, p[:, k], style, color=COLOURS[k % len(COLOURS)], linewidth=1.8, label=str(label))
    ax.set(xlim=(sd[0], sd[-1]), ylim=(-0.02, 1.02), title=title)
    ax.title.set_fontsize("medium")
    bare(ax)
