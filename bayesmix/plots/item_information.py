"""Fisher information of items and of the test over a factor, and the standard error of measurement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmix.plots.style import COLOURS, band, bare, by_class, class_word, factor_axis
from bayesmix.results import Fit, item_characteristics
from bayesmix.spec import takes_level
from bayesmix.typing import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDEST_ERROR = 2.0
"""Of the axis of standard errors, in SDs of the factor: above 1 the items say less than the factor's own SD."""
STEP = 25.0
"""Items above this information (a discrimination of about ten) are drawn clipped, so that the others stay readable."""
LETTER, LINE = 4.9, 9.5
"""Sizes of labels, in typographic points: a letter's width, a line's height."""


@takes_level
def information(
    result: Fit | xr.DataTree, df: pd.DataFrame | None = None, limit: float = 4.0, *, level: float | None = None
) -> NDArray[Any]:
    """Fisher information of the items and of the test, I(eta) = sum_k P_k'(eta)^2 / P_k(eta), and 1 / sqrt(I).

    Draws the information of :func:`bayesmix.item_curves`.

    Parameters
    ----------
    result, df, limit
        As there; of a posterior the means, with a band for the test.
    level : float, optional
        Of the intervals; 0.95 if left out.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes
        Of each factor: items, a panel a class; the test, which adds up its items; the standard error of
        measurement 1 / sqrt(I). Given the class: in a mixture nobody knows it for sure.

    Raises
    ------
    ValueError
        As :func:`bayesmix.item_curves`.

    Examples
    --------
    >>> axes = bm.plots.information(item_response)
    """
    curves = item_characteristics.item_curves(result, df, limit).drop_dims("category")
    import matplotlib.pyplot as plt

    rows = [curves.sel(factor=f).dropna("item", how="all", subset=["information"]) for f in curves["factor"].values]
    columns = len(by_class(rows[0], "item", "eta")) + 2
    most = max(row.sizes["item"] for row in rows)
    size = (1.0 + (3.7 if columns < 4 else 3.2) * columns, 0.5 + (3.2 + 0.1 * max(most - 8, 0)) * len(rows))
    _, axes = plt.subplots(len(rows), columns, figsize=size, layout="constrained", squeeze=False)
    for row, items in zip(axes, rows, strict=True):
        _draw_informations(row, items)
        for ax in row:
            ax.set(xlim=(-limit, limit), xlabel=factor_axis([str(items["factor"].item())]))
            bare(ax, "both")
    return axes.ravel()


def _draw_informations(row: NDArray[Any], items: xr.Dataset) -> None:
    """Draw the `items` of a factor by class, then the test and its standard error."""
    classes = by_class(items, "item", "eta")
    for k, (name, at) in enumerate(classes.items()):
        _draw_items(row[k], at)
        row[k].set_title("items" + (f", {class_word(name).lower()}" if len(classes) > 1 else ""), fontsize="medium")
        label = class_word(name) if len(classes) > 1 else ""
        band(row[-2], at, "test_information", COLOURS[k % len(COLOURS)], label=label)
        band(row[-1], at, "standard_error", COLOURS[k % len(COLOURS)], label=label)
    row[0].set_ylabel("information")
    row[-2].set_title("test information", fontsize="medium")
    row[-2].set_ylim(0.0, 1.1 * _height(items))
    row[-1].set_title("standard error of measurement", fontsize="medium")
    row[-1].set_ylim(0.0, WIDEST_ERROR)
    row[-1].axhline(1.0, color="0.6", linewidth=0.8, linestyle="--", zorder=1)
    if len(classes) > 1:
        row[-2].legend(frameon=False)


def _height(items: xr.Dataset) -> float:
    """Find the most information of a test, its band with it; of those `items` that are no steps, if some are."""
    step = items["information"].max("eta") > STEP
    rest = items["information"].where(~step, 0.0).sum("item")
    whole = items.get("test_information_upper", items["test_information"])
    return float((rest if step.any() else whole).max()) or STEP


def _draw_items(ax: Axes, items: xr.Dataset) -> None:
    """Draw the information of each of `items`, its name at the peak; at the top that of a step."""
    eta, words = items["eta"].values, items["item"].values.tolist()
    curves = items["information"].transpose("item", "eta").values
    peaks = np.array([[eta[y.argmax()], y.max()] for y in curves])
    steps = peaks[:, 1] > STEP
    top = 1.12 * float(peaks[~steps, 1].max(initial=0.0) or STEP)
    for k, y in enumerate(curves):
        ax.plot(eta, y, color=COLOURS[k % len(COLOURS)], linewidth=1.3)
    ax.set(xlim=(eta[0], eta[-1]), ylim=(0.0, top))
    peaks[steps, 1] = top
    _label_peaks(ax, peaks, [f"{w} (a step)" if s else w for w, s in zip(words, steps, strict=True)])


def _label_peaks(ax: Axes, peaks: Array, words: Sequence[str]) -> None:
    """Names above their peaks, higher up where another name is in the way."""
    from matplotlib.patheffects import withStroke

    at, frame = _in_points(ax, peaks)
    taken: list[Array] = []
    for k in np.argsort(-at[:, 1]):
        half = 0.5 * LETTER * len(words[k])
        x = float(np.clip(at[k, 0], frame[0, 0] + half, frame[1, 0] - half))
        y = next(y for y in at[k, 1] + 2.0 + 2.0 * np.arange(500) if not _hit(x, y, half, taken))
        taken.append(np.array([x - half, y, x + half, y + LINE]))
        line = {"arrowstyle": "-", "color": "0.6", "linewidth": 0.6, "shrinkA": 0.0, "shrinkB": 0.0}
        ax.annotate(
            words[int(k)], (float(peaks[k, 0]), float(peaks[k, 1])), (x - at[k, 0], y - at[k, 1]),
            textcoords="offset points", ha="center", va="bottom",
            fontsize=8, color=COLOURS[k % len(COLOURS)], arrowprops=line if y - at[k, 1] > 6.0 else None,
            annotation_clip=False, path_effects=[withStroke(linewidth=2.5, foreground="white")], zorder=5,
        )  # fmt: skip
    _make_room(ax, max(b[3] for b in taken) - frame[0, 1], frame[1, 1] - frame[0, 1])


def _in_points(ax: Axes, x: Array) -> tuple[Array, Array]:
    """Data and the corners of the axes in typographic points."""
    figure = ax.figure.get_figure(root=True)
    figure.draw_without_rendering()
    scale = 72.0 / figure.dpi
    return scale * ax.transData.transform(x), scale * ax.get_window_extent().get_points()


def _make_room(ax: Axes, highest: float, height: float) -> None:
    """A higher axis where names reach beyond it, of which the peaks then come down."""
    if highest > height:
        ax.set_ylim(0.0, ax.get_ylim()[1] * height / max(2.0 * height - highest, 0.3 * height))


def _hit(x: float, y: float, half: float, taken: list[Array]) -> bool:
    return any(b[0] < x + half and x - half < b[2] and b[1] < y + LINE and y < b[3] for b in taken)
