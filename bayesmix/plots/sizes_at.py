"""Class sizes over a covariate, with bands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.plots.style import COLOURS, MARKERS, bare, legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Sizes(Protocol):
    """What :func:`bayesmix.class_sizes` returns."""

    @property
    def table(self) -> pd.DataFrame:
        """A row a place, class variable and class."""
        ...

    @property
    def at(self) -> tuple[str, ...]:
        """The columns that say where."""
        ...


def class_sizes(sizes: Sizes, over: str | None = None) -> NDArray[Any]:
    """Sizes of classes, and transitions, over a covariate: a line a class, with bands.

    Parameters
    ----------
    sizes : ClassSizes
        What :func:`bayesmix.class_sizes` returns.
    over : str, optional
        The covariate along the axis; left out, the one with the most values. Of categories, such as groups, points
        with bars.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes
        A panel a class variable (and class left), and a combination of values of the other covariates.

    Raises
    ------
    TypeError, ValueError
        Something else; no such covariate, or none.

    Examples
    --------
    >>> predicted = bm.fit(bm.models.lca(list("abcd"), 2, "x"), df, progress=False, **quick)
    >>> axes = bm.plots.class_sizes(bm.class_sizes(predicted, {"x": [-1, 0, 1]}))
    """
    import matplotlib.pyplot as plt

    table, at = getattr(sizes, "table", None), getattr(sizes, "at", None)
    if not isinstance(table, pd.DataFrame) or at is None:
        raise TypeError(f"The sizes came as {type(sizes).__name__}, expected what bm.class_sizes returns: give it.")
    if over is not None and over not in at:
        raise ValueError(f"over came as '{over}': the sizes are at values of {', '.join(at) or 'nothing'}.")
    if not at:
        raise ValueError("The sizes are at no values of covariates: there is nothing to draw them over.")
    over = over or max(at, key=lambda k: len(table[k].unique()))
    apart = [k for k in at if k != over and len(table[k].unique()) > 1]
    keys = ["variable", *(["from"] if "from" in table else []), *apart]
    panels = [*table.groupby(keys, sort=False)]
    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(0.8 + 3.6 * columns, 0.5 + 3.0 * rows), layout="constrained", squeeze=False, sharey=True
    )
    for ax in axes.ravel()[len(panels) :]:
        figure.delaxes(ax)
    for ax, (key, part) in zip(axes.ravel(), panels, strict=False):
        _draw(ax, part, over)
        ax.set_title(_title(dict(zip(keys, key, strict=True))), fontsize="medium")
    for ax in axes[:, 0]:
        ax.set_ylabel("probability")
    labels = [f"Class {k}" for k in dict.fromkeys(table["class"])]
    legend(axes.ravel()[: len(panels)], labels)
    return axes.ravel()[: len(panels)]


def _title(key: dict[str, Any]) -> str:
    """``C2 given C1 = 1, sex = f``."""
    variable, left = key.pop("variable"), key.pop("from", "")
    words = [f"{variable} from {left}" if left != "" else str(variable)]
    return ", ".join([*words, *(f"{k} = {v}" for k, v in key.items())])


def _draw(ax: Axes, part: pd.DataFrame, over: str) -> None:
    number = pd.api.types.is_numeric_dtype(part[over])
    places = sorted(dict.fromkeys(part[over])) if number else list(dict.fromkeys(part[over]))
    for k, (name, rows) in enumerate(part.groupby("class", sort=False)):
        own = rows.set_index(over).loc[places]
        x = np.asarray(places, dtype=float) if number else np.arange(len(places), dtype=float)
        colour = COLOURS[k % len(COLOURS)]
        value, lower, upper = (own[c].to_numpy(float) for c in ("value", "lower", "upper"))
        if number and len(places) > 1:
            ax.plot(x, value, color=colour, label=f"Class {name}")
            ax.fill_between(x, lower, upper, color=colour, alpha=0.18, linewidth=0)
        else:
            bars = np.maximum(np.nan_to_num(np.stack([value - lower, upper - value])), 0.0)
            marker = MARKERS[k % len(MARKERS)]
            ax.errorbar(x, value, yerr=bars, fmt=marker, color=colour, capsize=2.5, label=f"Class {name}")
    if not number:
        ax.set_xticks(range(len(places)), [str(p) for p in places])
        ax.set_xlim(-0.5, len(places) - 0.5)
    ax.set(xlabel=over, ylim=(-0.02, 1.02))
    bare(ax)
