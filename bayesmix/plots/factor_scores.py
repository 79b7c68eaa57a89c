"""Factor scores of the persons: EAP, and posterior SD against it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.plots.style import COLOURS, bare
from bayesmix.results import Fit, reliability, score_weights
from bayesmix.typing import Array


def scores(fit: Fit, df: pd.DataFrame | None = None) -> NDArray[Any]:
    """Factor scores of the persons: EAP, and posterior SD against it.

    Parameters
    ----------
    fit, df
        As in :func:`bayesmix.reliability`.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes
        Of each factor a histogram of the EAP, with their reliability Var(EAP) / (Var(EAP) + mean of SD^2), and
        a point a row of the data; its size says how many persons the row stands for. Without the rows that have
        no answers.

    Raises
    ------
    ValueError
        As :func:`bayesmix.reliability`.

    Examples
    --------
    >>> axes = bm.plots.scores(item_response)
    """
    weight, table = score_weights(fit, df), reliability(fit, df)
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(
        len(table), 2, figsize=(8.0, 0.4 + 3.0 * len(table)), layout="constrained", sharex="row", squeeze=False
    )
    for row, (name, moments) in zip(axes, table.iterrows(), strict=True):
        x, sd = (fit.effect_scores[k].values for k in (str(name), f"{name}_sd"))
        used = ~np.isnan(x) & ~np.isnan(sd) & (weight > 0)
        _draw_scores(row, moments, x[used], sd[used], weight[used])
    return axes.ravel()


def _draw_scores(row: NDArray[Any], moments: pd.Series, x: Array, sd: Array, weight: Array) -> None:
    """Draw the histogram and the points of one factor: scores `x` with `sd`, their `moments` in the titles."""
    label = f"{moments.name}, EAP"
    row[0].hist(x, 30, weights=weight, color=COLOURS[0], alpha=0.75, edgecolor="white", linewidth=0.4)
    row[0].set(ylabel="persons", xlabel=label)
    row[0].set_title(f"reliability {moments['reliability']:.2f}", fontsize="medium")
    size = np.clip(10.0 * weight / np.average(weight), 6.0, 200.0)
    row[1].scatter(x, sd, s=size, color=COLOURS[0], alpha=0.55, linewidths=0.0)
    row[1].set(ylabel="posterior SD", xlabel=label)
    row[1].set_ylim(bottom=0.0)
    row[1].set_title(f"mean of EAP {round(moments['mean'], 2) + 0.0:.2f}, SD {moments['sd']:.2f}", fontsize="medium")
    for ax in row:
        bare(ax)
