"""The looks of all pictures: colours, markers, axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmix.spec import GROUP

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette, which colour-blind readers can tell apart; the markers say the same again."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def item_ticks(ax: Axes, items: list[str]) -> None:
    """Items along the x axis, aslant where they would run into each other."""
    grid = ax.get_gridspec()
    width = ax.figure.get_figure(root=True).get_size_inches()[0] / (grid.ncols if grid else 1)
    crowded = sum(len(i) + 2 for i in items) * 0.085 > width - 1.0
    ax.set_xticks(np.arange(len(items)), items, rotation=40 if crowded else 0, ha="right" if crowded else "center")
    if crowded:
        for t in ax.get_xticklabels():
            t.set_rotation_mode("anchor")


def bare(ax: Axes, along: str = "y") -> None:
    """No frame, a light grid `along` one axis."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis=along, color="0.9", linewidth=0.8)  # pyright: ignore[reportArgumentType]
    ax.set_axisbelow(True)


def legend(axes: NDArray[Any], labels: Sequence[str]) -> None:
    """Above the panels, where it covers no data."""
    handles = axes[0].get_legend_handles_labels()[0]
    if len(handles) < 2:
        return
    figure = axes[0].figure
    widest = max(len(k) for k in labels) * 0.085 + 0.5
    columns = int(np.clip(figure.get_size_inches()[0] // widest, 1, len(labels)))
    figure.legend(handles, labels, loc="outside upper center", ncols=columns, frameon=False)


def band(ax: Axes, curves: xr.Dataset, name: str, colour: str, style: str = "-", label: str = "") -> None:
    """Draw the curve `name` of `curves` over eta, and between the ends of its interval where it has one."""
    eta = curves["eta"].values
    ax.plot(eta, curves[name].values, style, color=colour, linewidth=1.7, label=label, zorder=3)
    if f"{name}_lower" in curves:
        low, high = (curves[f"{name}{ending}"].values for ending in ("_lower", "_upper"))
        ax.fill_between(eta, low, high, color=colour, alpha=0.18, linewidth=0.0, zorder=2)


def factor_axis(names: Sequence[str]) -> str:
    """Label the axis of one factor, or of several panels."""
    return f"factor {names[0]}, in standard deviations" if len(names) == 1 else "factor, in standard deviations"


def class_word(k: str) -> str:
    """Write ``Class 1`` or, of several class variables, ``C1=1, C2=2``."""
    return k if "=" in k else f"Class {k}"


def by_class(x: xr.Dataset, *others: str) -> dict[str, xr.Dataset]:
    """Part `x` by classes, which all dims but `others` are: label to part, ``all classes`` where there are none."""
    classes = [d for d in x.dims if d not in others]
    out = {}
    for at in np.ndindex(*(x.sizes[d] for d in classes)):
        part = x.isel(dict(zip(classes, at, strict=True)))
        each = [f"{d}={part[d].item()}" for d in classes]
        named = len(each) > 1 or classes == [GROUP]
        out[", ".join(each) if named else str(part[classes[0]].item()) if each else "all classes"] = part
    return out
