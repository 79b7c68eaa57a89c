"""Items over a factor: characteristic curves, (36), (38), (42)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmix.plots.style import COLOURS, band, bare, by_class, class_word, factor_axis
from bayesmix.results import Estimates, Fit, item_characteristics
from bayesmix.spec import Model, takes_level

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STYLES = ("-", "--", ":", "-.")
"""Of the classes, where colours are those of categories."""


@takes_level
def item_curves(
    result: Fit | xr.DataTree,
    df: pd.DataFrame | None = None,
    items: Sequence[str] | None = None,
    limit: float = 4.0,
    *,
    level: float | None = None,
) -> NDArray[Any]:
    """Item characteristic curves P(y = 1 | eta, C = c) over the factor, (36), (38), (42); of more categories each.

    Draws the probabilities of :func:`bayesmix.item_curves`.

    Parameters
    ----------
    result, df, limit
        As there; of a posterior the mean curve has a band, its equal-tailed interval.
    items : sequence of str, optional
        Those to draw; all of them if left out.
    level : float, optional
        Of the intervals; 0.95 if left out.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes
        A panel an item, and a factor it loads on: the other factors are at zero. Lines are classes, in the
        panels of a one-class model the other items are in grey; where items have more than two categories,
        colours are categories and classes are dashed.

    Raises
    ------
    ValueError
        As :func:`bayesmix.item_curves`; an unknown item.

    Examples
    --------
    >>> axes = bm.plots.item_curves(item_response)
    """
    curves = item_characteristics.item_curves(result, df, limit)
    panels = _of_items(_all_panels(curves, Estimates.of(result).model), items)
    several = len({c.factor for c in panels}) > 1
    axes = _axes(len(panels))
    plain = all(len(c.answers) == 2 for c in panels)
    for ax, c in zip(axes, panels, strict=True):
        beside = [k for k in panels if plain and k is not c and k.factor == c.factor and len(k.classes) == 1]
        for k in beside:
            (other,) = k.classes.values()
            ax.plot(other["eta"], other["probability"].isel(category=1), color="0.85", linewidth=0.8, zorder=1)
        _draw_item(ax, c, plain)
        ax.set(xlim=(-limit, limit), ylim=(-0.02, 1.02), yticks=(0.0, 0.5, 1.0))
        ax.set_title(f"{c.item} on {c.factor}" if several else c.item, fontsize="medium")
        bare(ax, "both")
    figure = axes[0].figure
    figure.supxlabel(factor_axis(sorted({c.factor for c in panels})), fontsize="medium")
    figure.supylabel(_probability(panels, plain), fontsize="medium")
    _legend(figure, *_handles(panels, plain))
    return axes


@dataclass(frozen=True)
class _Panel:
    """An item over a factor that it measures.

    Attributes
    ----------
    item, factor : str
    answers : list of str
        Its categories.
    classes : dict of str to xarray.Dataset (category, eta)
        Probabilities by class; one, where it is the same in all of them.
    """

    item: str
    factor: str
    answers: list[str]
    classes: dict[str, xr.Dataset]


def _all_panels(curves: xr.Dataset, model: Model) -> list[_Panel]:
    """Find the pairs of factor and item in `curves`, factor by factor, and the classes on which they depend."""
    names = item_characteristics.item_names(model)
    own = {i: {d for t in r.terms for d in t.dims} for r in model.distinct_responses for i in names[r.name]}
    out = []
    for factor, item in ((f, i) for f in curves["factor"].values for i in curves["item"].values):
        answers = [k for k in curves["answer"].sel(item=item).values if k]
        at = curves[[k for k in curves if str(k).startswith("probability")]].sel(factor=factor, item=item)
        at = at.isel(category=slice(0, len(answers)))
        at = at.isel({d: 0 for d in at.dims if d not in ("category", "eta") and d not in own[item]})
        if (at["probability"] >= 0).any():
            out.append(_Panel(str(item), str(factor), answers, by_class(at, "category", "eta")))
    return out


def _of_items(panels: list[_Panel], items: Sequence[str] | None) -> list[_Panel]:
    """Choose the `panels` of the `items` that are asked for."""
    names = [c.item for c in panels]
    wanted = names if items is None else [items] if isinstance(items, str) else list(items)
    if unknown := [i for i in wanted if i not in names]:
        raise ValueError(f"No curve of an item '{unknown[0]}': there are {', '.join(dict.fromkeys(names))}.")
    return [c for c in panels if c.item in wanted]


def _draw_item(ax: Axes, c: _Panel, plain: bool) -> None:
    """Draw one line a class, or one a class and category."""
    for k, curves in enumerate(c.classes.values()):
        for j in range(1 if plain else 0, len(c.answers)):
            colour = COLOURS[(k if plain else j) % len(COLOURS)]
            style = STYLES[(k // len(COLOURS) if plain else k) % len(STYLES)]
            band(ax, curves.isel(category=j), "probability", colour, style)


def _axes(n: int) -> NDArray[Any]:
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


def _probability(panels: list[_Panel], plain: bool) -> str:
    last = {c.answers[-1] for c in panels}
    if not plain:
        return "probability of each category"
    return f"P(answer = {last.pop()})" if len(last) == 1 else "P(second category)"


def _handles(panels: list[_Panel], plain: bool) -> tuple[list[Any], list[str]]:
    """Lines and words for the legend: classes; or categories, then classes."""
    most = max(panels, key=lambda c: len(c.answers))
    classes = [class_word(k) for k in most.classes] if len(most.classes) > 1 else []
    if plain:
        looks = [(COLOURS[k % len(COLOURS)], STYLES[k // len(COLOURS) % len(STYLES)]) for k in range(len(classes))]
        return [_line(*look) for look in looks], classes
    same = all(c.answers == most.answers[: len(c.answers)] for c in panels)
    words = [f"answer = {k}" if same else f"category {j}" for j, k in enumerate(most.answers, start=1)]
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
