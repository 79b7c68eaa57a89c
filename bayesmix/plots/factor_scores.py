"""Factor scores of the persons: EAP, and posterior SD against it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.graph.factor_variances import factors
from bayesmix.plots.style import COLOURS, bare
from bayesmix.results.fit import Fit
from bayesmix.spec.model import Model, check_model

Array = NDArray[np.float64]


def scores(model: Model, fit: Fit, df: pd.DataFrame | None = None) -> NDArray[Any]:
    """Factor scores of the persons: EAP, and posterior SD against it.

    Parameters
    ----------
    model : Model
        What the template returned.
    fit : Fit
        Its solution.
    df : pandas.DataFrame, optional
        The data: needed if the model has a frequency column.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes
        Of each factor a histogram of the EAP, with their reliability Var(EAP) / (Var(EAP) + mean of SD^2), and
        a point a row of the data; its size says how many persons the row stands for. Without the rows that have
        no answers.

    Raises
    ------
    ValueError
        The model has no factors of individuals, the fit is of another model, or the data are not those of the fit.
    """
    check_model(model)
    import matplotlib.pyplot as plt

    names = [e.name for e in factors(model)]
    if not names or not isinstance(fit, Fit) or any(n not in fit.effect_scores for n in names):
        raise ValueError(
            "There is nothing to draw: scores take a model with factors of individuals and its maximum-likelihood fit."
        )
    weight = _weights(model, fit, df)
    _, axes = plt.subplots(
        len(names), 2, figsize=(8.0, 0.4 + 3.0 * len(names)), layout="constrained", sharex="row", squeeze=False
    )
    for row, name in zip(axes, names, strict=True):
        x, sd = (fit.effect_scores[k].values for k in (name, f"{name}_sd"))
        used = ~np.isnan(x) & ~np.isnan(sd) & (weight > 0)
        _draw_scores(row, name, x[used], sd[used], weight[used])
    return axes.ravel()


def _weights(model: Model, fit: Fit, df: pd.DataFrame | None) -> Array:
    n = fit.effect_scores.sizes["row"]
    if model.freq is None:
        return np.ones(n)
    if df is None or model.freq not in df or len(df) != n:
        raise ValueError(f"The rows stand for several persons each: give the data of the fit, {n} rows, df=.")
    return df[model.freq].to_numpy(dtype=float)


def _draw_scores(row: NDArray[Any], name: str, x: Array, sd: Array, weight: Array) -> None:
    """The histogram and the points of one factor."""
    mean = np.average(x, weights=weight)
    variance, error = np.average((x - mean) ** 2, weights=weight), np.average(sd**2, weights=weight)
    row[0].hist(x, 30, weights=weight, color=COLOURS[0], alpha=0.75, edgecolor="white", linewidth=0.4)
    row[0].set(ylabel="persons", xlabel=f"{name}, EAP")
    row[0].set_title(f"reliability {variance / (variance + error):.2f}", fontsize="medium")
    size = np.clip(10.0 * weight / np.average(weight), 6.0, 200.0)
    row[1].scatter(x, sd, s=size, color=COLOURS[0], alpha=0.55, linewidths=0.0)
    row[1].set(ylabel="posterior SD", xlabel=f"{name}, EAP")
    row[1].set_ylim(bottom=0.0)
    row[1].set_title(f"mean of EAP {round(mean, 2) + 0.0:.2f}, SD {np.sqrt(variance):.2f}", fontsize="medium")
    for ax in row:
        bare(ax)
