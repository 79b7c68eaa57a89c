"""A forest: points and intervals of several series beside each other, as of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayesmix.checks import one_of
from bayesmix.plots.style import COLOURS, bare
from bayesmix.results import Comparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Series:
    """Points and intervals to draw in a forest: columns of its table."""

    label: str
    value: str
    lower: str
    upper: str
    colour: str = "#000000"
    marker: str = "o"


@dataclass(frozen=True)
class Forest:
    """Rows of a forest: `table` has `block`, `panel` and `row` beside the columns of the series.

    A block is a row of panels that share their rows: items, with one panel a class.
    """

    table: pd.DataFrame
    series: Sequence[Series] = field(default_factory=tuple)
    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def forest(f: Forest) -> Figure:
    """Draw points and intervals of several series beside each other, a panel a class."""
    import matplotlib.pyplot as plt

    blocks = [_Block(str(name), b, 0.13 + 0.1 * len(f.series)) for name, b in f.table.groupby("block", sort=False)]
    left = 0.3 + 0.085 * max(len(r) for b in blocks for r in b.rows)
    columns = max(b.columns for b in blocks)
    size = (left + max(columns * PANEL, 2 * PANEL) + GAP, 0.45 + sum(b.height for b in blocks))
    figure, top = plt.figure(figsize=size), size[1] - 0.35
    for b in blocks:
        _draw_block(figure, b, f, (left, top, size[0] - left - GAP))
        top -= b.height
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncols=len(f.series), frameon=False, borderaxespad=0.2)
    return figure


PANEL, GAP, TITLE, TICKS = 2.5, 0.25, 0.32, 0.38
"""Inches: the width of a panel, what parts two panels, and the room above and beneath a panel."""

WIDE = 10.0
"""An interval so many times as wide as the median one runs out of the panel."""


@dataclass(frozen=True)
class _Block:
    """The rows of one variable; its panels are in lines of at most four. Sizes are inches."""

    name: str
    table: pd.DataFrame
    line: float

    @property
    def panels(self) -> list[str]:
        return list(dict.fromkeys(self.table["panel"]))

    @property
    def rows(self) -> list[str]:
        return list(dict.fromkeys(self.table["row"]))

    @property
    def columns(self) -> int:
        return min(len(self.panels), 4)

    @property
    def panel_height(self) -> float:
        return self.line * (len(self.rows) + 0.2)

    @property
    def height(self) -> float:
        return -(-len(self.panels) // self.columns) * (TITLE + self.panel_height + TICKS)


def _draw_block(figure: Figure, b: _Block, f: Forest, place: tuple[float, float, float]) -> None:
    """Panels at `place`: left edge, top edge and width in inches."""
    left, top, across = place
    limits = f.limits.get(b.name) or _limits(b.table, f.series)
    wide, high = figure.get_size_inches()
    width = (across - GAP * (b.columns - 1)) / b.columns
    for k, panel in enumerate(b.panels):
        line, column = divmod(k, b.columns)
        x = left + column * (width + GAP)
        y = top - line * (TITLE + b.panel_height + TICKS) - TITLE - b.panel_height
        ax = figure.add_axes((x / wide, y / high, width / wide, b.panel_height / high))
        _draw_forest(ax, b.table[b.table["panel"] == panel], b.rows, f.series, limits)
        ax.set_yticks(np.arange(len(b.rows)), b.rows if column == 0 else [""] * len(b.rows))
        ax.set_title(f"{b.name}, {panel}" if panel else b.name, fontsize="medium", loc="left")


def _limits(block: pd.DataFrame, series: Sequence[Series]) -> tuple[float, float]:
    """An axis that shows every point that has an interval; what is at a boundary or near it would squeeze the rest."""
    ends = []
    for s in series:
        inner = block.loc[block[s.lower].notna(), [s.value, s.lower, s.upper]].to_numpy(dtype=float)
        width = inner[:, 2] - inner[:, 1]
        far = width > WIDE * np.median(width) if len(width) else np.zeros(0, dtype=bool)
        ends += [inner[~far].ravel(), inner[far, 0]]
    flat = np.concatenate(ends)
    flat = flat[np.isfinite(flat)]
    flat = flat if flat.size else block[[s.value for s in series]].to_numpy(dtype=float).ravel()
    low, high = float(np.nanmin(flat)), float(np.nanmax(flat))
    pad = 0.05 * (high - low or 1.0)
    return low - pad, high + pad


def _draw_forest(ax: Axes, rows: pd.DataFrame, labels: list[str], series: Sequence[Series], limits) -> None:
    apart = 0.62 / (len(series) + 0.4)
    y = rows["row"].map({k: i for i, k in enumerate(labels)}).to_numpy(dtype=float)
    for stripe in range(0, len(labels), 2):
        ax.axhspan(stripe - 0.5, stripe + 0.5, color="0.965", zorder=0)
    for k, s in enumerate(series):
        at = y + apart * (k - (len(series) - 1) / 2)
        x, low, high = (rows[c].to_numpy(dtype=float) for c in (s.value, s.lower, s.upper))
        bars = np.maximum(np.nan_to_num(np.stack([x - low, high - x])), 0.0)
        ax.errorbar(x, at, xerr=bars, fmt=s.marker, color=s.colour, label=s.label, markersize=4.5, linewidth=1.3)
        for edge, arrow, out in ((limits[0], "<", x < limits[0]), (limits[1], ">", x > limits[1])):
            if out.any():
                ax.plot(np.full(out.sum(), edge), at[out], arrow, color=s.colour, markersize=6, clip_on=False)
    ax.set_xlim(*limits)
    ax.set_ylim(len(labels) - 0.4, -0.6)
    ax.locator_params(axis="x", nbins=6)
    if limits[0] < 0 < limits[1] and limits[1] > 1.2:
        ax.axvline(0, color="0.6", linewidth=0.8, zorder=0)
    bare(ax, "x")
    ax.tick_params(axis="y", length=0)


def comparison(compared: Comparison, scale: str | None = None) -> Figure:
    """Draw ML (point, interval) beside the posterior (mean, equal-tailed interval) and what was published.

    Parameters
    ----------
    compared : Comparison
        What :func:`bayesmix.compare` returns.
    scale : {"probability", "parameter", "derived"}, optional
        As in :meth:`bayesmix.Comparison.plot`, which calls this.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        Another scale, or nothing to draw on it.

    Examples
    --------
    >>> figure = bm.plots.comparison(bm.compare(fit))
    """
    if scale is not None:
        one_of("The scale", scale, ("probability", "parameter", "derived"), " or ")
    rows = compared.table.join(compared.entries.rename(columns={"variable": "block"}))
    rows = rows[rows["scale"] == scale] if scale else _in_order(rows, compared.pictured)
    if rows.empty:
        raise ValueError(f"There is nothing to draw on the {scale} scale.")
    unit = (-0.02, 1.02)
    limits = dict.fromkeys(rows.loc[rows["scale"] == "probability", "block"], unit)
    return forest(Forest(rows.assign(_none=np.nan), _series(compared.table), limits))


def _in_order(rows: pd.DataFrame, blocks: Sequence[str]) -> pd.DataFrame:
    return pd.concat([rows[rows["block"] == b] for b in blocks] or [rows])


def _series(table: pd.DataFrame) -> list[Series]:
    out = []
    if table["ml"].notna().any():
        out.append(Series("maximum likelihood", "ml", "ml_lower", "ml_upper", COLOURS[0], "o"))
    if table["mean"].notna().any():
        out.append(Series("posterior mean", "mean", "eti_lower", "eti_upper", COLOURS[1], "s"))
    if table["published"].notna().any():
        out.append(Series("published", "published", "_none", "_none", COLOURS[6], "X"))
    return out
