"""Items over a factor: characteristic curves, (36), (38), (42)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmix.plots.style import COLOURS, band, bare
from bayesmix.results.characteristics import Characteristic, characteristics, class_word, factor_axis
from bayesmix.results.fit import Fit
from bayesmix.spec.model import Model, check_model

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]
STYLES = ("-", "--", ":", "-.")
"""Of the classes, where colours are those of categories."""


def item_curves(
    model: Model,
    result: Fit | xr.DataTree,
    df: pd.DataFrame | None = None,
    items: Sequence[str] | None = None,
    limit: float = 4.0,
) -> NDArray[Any]:
    """Item characteristic curves P(y = 1 | eta, C = c) over the factor, (36), (38), (42); of more categories each.

    Parameters
    ----------
    model : Model
        What the template returned.
    result : Fit or xarray.DataTree
        Its solution; of a posterior the mean curve with an equal-tailed 95% band.
    df : pandas.DataFrame, optional
        The data: covariates of items are at their means then, else at zero.
    items : sequence of str, optional
        Those to draw; all of them if left out.
    limit : float
        The factor goes from -limit to limit, where its residual has mean 0 and SD 1 (in the last class).

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes
        A panel an item, and a factor it loads on: the other factors are at zero. Lines are classes, in the
        panels of a one-class model the other items are in grey; where items have more than two categories,
        colours are categories and classes are dashed.

    Raises
    ------
    ValueError
        As :func:`bayesmix.results.characteristics.characteristics`; an unknown item.
    """
    check_model(model)
    found = _of_items(characteristics(model, result, df, limit), items)
    several = len({c.factor for c in found}) > 1
    axes = _panels(len(found))
    plain = all(c.binary for c in found)
    for ax, c in zip(axes, found, strict=True):
        beside = [k for k in found if plain and k is not c and k.factor == c.factor and len(k.classes) == 1]
        for k in beside:
            ax.plot(k.eta, k.p.mean(axis=0)[0, 1], color="0.85", linewidth=0.8, zorder=1)
        _draw_item(ax, c, plain)
        ax.set(xlim=(-limit, limit), ylim=(-0.02, 1.02), yticks=(0.0, 0.5, 1.0))
        ax.set_title(f"{c.item} on {c.factor}" if several else c.item, fontsize="medium")
        bare(ax, "both")
    figure = axes[0].figure
    figure.supxlabel(factor_axis(sorted({c.factor for c in found})), fontsize="medium")
    figure.supylabel(_probability(found, plain), fontsize="medium")
    _legend(figure, *_handles(found, plain))
    return axes


def _of_items(found: list[Characteristic], items: Sequence[str] | None) -> list[Characteristic]:
    known = [c.item for c in found]
    wanted = known if items is None else [items] if isinstance(items, str) else list(items)
    if unknown := [i for i in wanted if i not in known]:
        raise ValueError(f"No curve of an item '{unknown[0]}': there are {', '.join(dict.fromkeys(known))}.")
    return [c for c in found if c.item in wanted]


def _draw_item(ax: Axes, c: Characteristic, plain: bool) -> None:
    """One line a class, or one a class and category."""
    for k, j in np.ndindex(len(c.classes), len(c.categories)):
        if plain and j == 0:
            continue
        colour = COLOURS[(k if plain else j) % len(COLOURS)]
        style = STYLES[(k // len(COLOURS) if plain else k) % len(STYLES)]
        band(ax, c.eta, c.p[:, k, j], colour, style)


def _panels(n: int) -> NDArray[Any]:
    import matplotlib.pyplot as plt

    columns = n if n < 4 else 2 if n == 4 else 3 if n in (5, 6, 9) else 4 if n <= 16 else 5
    rows = -(-n // columns)
    size = (max(4.8, 0.7 + 2.1 * columns), 0.8 + (1.75 if rows > 1 else 2.8) * rows)
    figure, axes = plt.subplots(
        rows, columns, figsize=size, layout="constrained", sharex=True, sharey=True, squeeze=False
    )
    for k, ax in enumerate(axes.ravel()[n:]):
        figure.delaxes(ax)
        axes[rows - 2, columns - 1 - k].tick_params(labelbottom=True)
    return axes.ravel()[:n]


def _probability(found: list[Characteristic], plain: bool) -> str:
    last = {c.categories[-1] for c in found}
    if not plain:
        return "probability of each category"
    return f"P(answer = {last.pop()})" if len(last) == 1 else "P(second category)"


def _handles(found: list[Characteristic], plain: bool) -> tuple[list[Any], list[str]]:
    """Lines and words for the legend: classes; or categories, then classes."""
    most = max(found, key=lambda c: len(c.categories))
    classes = [class_word(k) for k in most.classes] if len(most.classes) > 1 else []
    if plain:
        looks = [(COLOURS[k % len(COLOURS)], STYLES[k // len(COLOURS) % len(STYLES)]) for k in range(len(classes))]
        return [_line(*look) for look in looks], classes
    same = all(c.categories == most.categories[: len(c.categories)] for c in found)
    words = [f"answer = {k}" if same else f"category {j}" for j, k in enumerate(most.categories, start=1)]
    looks = [(COLOURS[j % len(COLOURS)], "-") for j in range(len(words))]
    looks += [("0.3", STYLES[k % len(STYLES)]) for k in range(len(classes))]
    return [_line(*look) for look in looks], [*words, *classes]


def _line(colour: str, style: str) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], color=colour, linestyle=style, linewidth=1.7)  # pyright: ignore[reportArgumentType]


def _legend(figure: Any, handles: list[Any], words: list[str]) -> None:
    """Above the panels."""
    if len(handles) < 2:
        return
    columns = int(np.clip(figure.get_size_inches()[0] // (max(map(len, words)) * 0.085 + 0.6), 1, len(words)))
    figure.legend(handles, words, loc="outside upper center", ncols=columns, frameon=False)
