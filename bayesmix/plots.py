"""Pictures of a solution: class profiles, class sizes, class enumeration.

Every function takes a :class:`~bayesmix.result.Fit` or the DataTree of a posterior, draws with
Matplotlib's pyplot and returns Axes. Depends on solution and the floors beneath.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmix.result import Fit
from bayesmix.solution import Values, class_dims, kept, parts_of, values_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette, which colour-blind readers can tell apart; the markers say the same again."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


class Enumerated(Protocol):
    """What `enumeration` needs: a table with one row a number of classes."""

    @property
    def table(self) -> pd.DataFrame:
        """Information criteria by number of classes."""
        ...


@dataclass(frozen=True)
class _Curves:
    """Values with intervals, each (item, class)."""

    title: str
    axis: str
    items: list[str]
    classes: list[str]
    value: Array
    lower: Array
    upper: Array
    limits: tuple[float, float] | None = None
    variable: str = ""


def _stacked(x: xr.DataArray, classes: Sequence[str], *first: str) -> xr.DataArray:
    """Dims (*first, class): several class dims become one, labelled ``C1=1, C2=2``."""
    if not classes:
        return x.expand_dims("all", -1).transpose(*first, "all").assign_coords(all=["all classes"])
    labels = [
        ", ".join(f"{d}={x[d].values[i]}" for d, i in zip(classes, at, strict=True))
        if len(classes) > 1
        else str(x[classes[0]].values[at[0]])
        for at in np.ndindex(*(x.sizes[d] for d in classes))
    ]
    wide = x.transpose(*first, *classes)
    values = wide.values.reshape(*(x.sizes[d] for d in first), -1)
    return xr.DataArray(values, dims=(*first, "class"), coords={d: x[d].values for d in first} | {"class": labels})


# class profiles -----------------------------------------------------------------------------------


def profile(result: Fit | xr.DataTree) -> NDArray[Any]:
    """Class profiles: what each class answers to each item, with 95% intervals.

    Parameters
    ----------
    result : Fit or xarray.DataTree
        Maximum likelihood (intervals from standard errors; none at a boundary) or a posterior (means
        and equal-tailed intervals).

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes
        One panel for binary items (probability of the second category), one a category otherwise,
        one for the means of normal and Poisson items.

    Raises
    ------
    ValueError
        The solution has no item parameters that depend on a class.
    """
    panels = [c for p in parts_of(result) if p["kind"] == "response" for c in _response_curves(result, p)]
    if not panels:
        raise ValueError("There is nothing to draw: the result has no item probabilities or means by class.")
    axes = _grid(len(panels), max(len(c.items) for c in panels), len(panels[0].classes))
    for ax, curves in zip(axes, panels, strict=True):
        _draw_curves(ax, curves)
    _legend(axes, _class_labels(result, panels[0]))
    return axes


def _response_curves(result: Fit | xr.DataTree, part: Mapping[str, Any]) -> list[_Curves]:
    several = sum(p["kind"] == "response" for p in parts_of(result)) > 1
    if part["family"] in ("normal", "poisson"):
        return _mean_curves(result, part)
    found = values_of(result, f"item_probability_{part['name']}" if several else "item_probability")
    if found is None:
        return []
    item, category = part["dims"]["item"], part["dims"]["category"]
    variables = class_dims(parts_of(result), found.value.dims)
    table = found.map(lambda x: _stacked(x, variables, category, item))
    labels = _category_labels(result, table.value, item, category)
    items, classes = ([str(i) for i in table.value[d].values] for d in table.value.dims[1:])
    head, variable = part["name"] if several else "", "".join(variables)
    return [
        _Curves(head, labels[k], items, classes, *(x.values[k] for x in table), (-0.03, 1.03), variable)
        for k in ([1] if len(labels) == 2 else range(len(labels)))
    ]


def _category_labels(result: Fit | xr.DataTree, x: xr.DataArray, item: str, category: str) -> list[str]:
    """``P(answer = yes)`` where all items have the same categories, else ``P(category 2)``."""
    numbers = range(1, x.sizes[category] + 1)
    known = kept(result).get("categories", {})
    same = all(known.get(str(i)) == known.get(str(x[item].values[0])) for i in x[item].values)
    if same and (known or list(x[category].values) != list(numbers)):
        return [f"P(answer = {k})" for k in x[category].values]
    return [f"P(category {k})" for k in numbers]


def _mean_curves(result: Fit | xr.DataTree, part: Mapping[str, Any]) -> list[_Curves]:
    """Means of normal items, rates of Poisson items: the intercepts of the predictor."""
    item = part["dims"]["item"]
    names = [
        q["name"]
        for q in part["parameters"]
        if q["use"] == "predictor" and q["covariates"] is None and q["effects"] is None
    ]
    found = [v for v in (values_of(result, n) for n in names) if v is not None and item in v.value.dims]
    if len(found) != 1:
        return []
    classes = class_dims(parts_of(result), found[0].value.dims)
    if not classes:
        return []
    table = found[0].map(lambda x: _stacked(x, classes, item))
    table = table.map(np.exp) if part["family"] == "poisson" else table
    axis = "rate" if part["family"] == "poisson" else "mean"
    items, labels = ([str(i) for i in table.value[d].values] for d in table.value.dims)
    return [_Curves(part["name"], axis, items, labels, *(x.values for x in table), None, "".join(classes))]


def _grid(panels: int, items: int, classes: int) -> NDArray[Any]:
    import matplotlib.pyplot as plt

    columns = 1 if panels == 1 or items > 12 else 2
    rows = -(-panels // columns)
    width = float(np.clip(1.6 + items * (0.3 + 0.12 * classes), 4.2, 11.0 / columns))
    figure, axes = plt.subplots(
        rows, columns, figsize=(width * columns, 3.4 * rows), layout="constrained", squeeze=False
    )
    for ax in axes.ravel()[panels:]:
        figure.delaxes(ax)
    return axes.ravel()[:panels]


def _draw_curves(ax: Axes, c: _Curves) -> None:
    x = np.arange(len(c.items), dtype=float)
    step = min(0.09, 0.5 / len(c.classes))
    for k in range(len(c.classes)):
        at, colour = x + step * (k - (len(c.classes) - 1) / 2), COLOURS[k % len(COLOURS)]
        line = "-" if k < len(COLOURS) else "--"
        ax.plot(at, c.value[:, k], line, color=colour, alpha=0.45, linewidth=1.2)
        bars = np.nan_to_num(np.stack([c.value[:, k] - c.lower[:, k], c.upper[:, k] - c.value[:, k]]))
        ax.errorbar(
            at,
            c.value[:, k],
            yerr=np.maximum(bars, 0.0),
            fmt=MARKERS[k % len(MARKERS)],
            color=colour,
            capsize=2.5,
            markersize=5,
            linewidth=1.2,
            label=c.classes[k],
            zorder=3,
        )
    _item_ticks(ax, c.items)
    ax.set(ylabel=c.axis, title=c.title, xlim=(-0.5, len(c.items) - 0.5))
    if c.limits:
        ax.set_ylim(*c.limits)
    bare(ax)


def _item_ticks(ax: Axes, items: list[str]) -> None:
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


def _class_labels(result: Fit | xr.DataTree, c: _Curves) -> list[str]:
    """``Class 1 (44%)`` where the class variable has sizes of its own, which do not depend on another one."""
    sizes = values_of(result, f"{c.variable}_probability")
    if sizes is not None and sizes.value.ndim == 1:
        return [f"Class {k} ({p:.0%})" for k, p in zip(c.classes, sizes.value.values, strict=True)]
    return [k if "=" in k else f"Class {k}" for k in c.classes]


def _legend(axes: NDArray[Any], labels: Sequence[str]) -> None:
    """Above the panels, where it covers no data."""
    handles = axes[0].get_legend_handles_labels()[0]
    if len(handles) < 2:
        return
    figure = axes[0].figure
    widest = max(len(k) for k in labels) * 0.085 + 0.5
    columns = int(np.clip(figure.get_size_inches()[0] // widest, 1, len(labels)))
    figure.legend(handles, labels, loc="outside upper center", ncols=columns, frameon=False)


# class sizes and class enumeration ----------------------------------------------------------------


def classes(result: Fit | xr.DataTree) -> NDArray[Any]:
    """Class sizes with 95% intervals, one panel a class variable.

    Parameters
    ----------
    result : Fit or xarray.DataTree

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes

    Raises
    ------
    ValueError
        The solution has no class variable.
    """
    import matplotlib.pyplot as plt

    names = [p["name"] for p in parts_of(result) if p["kind"] == "class"]
    found = {n: v for n in names if (v := values_of(result, f"{n}_probability")) is not None and v.value.ndim == 1}
    if not found:
        raise ValueError("There is nothing to draw: the result has no class probabilities.")
    heights = [0.7 + 0.34 * v.value.size for v in found.values()]
    _, axes = plt.subplots(
        len(found), 1, figsize=(5.2, sum(heights) + 0.3), height_ratios=heights, layout="constrained", squeeze=False
    )
    for ax, (name, v) in zip(axes.ravel(), found.items(), strict=True):
        _draw_sizes(ax, name, v)
    axes.ravel()[-1].set_xlabel("class probability (95% interval)")
    return axes.ravel()


def _draw_sizes(ax: Axes, name: str, v: Values) -> None:
    p, y = v.value.values, np.arange(v.value.size)
    bars = np.maximum(np.nan_to_num(np.stack([p - v.lower.values, v.upper.values - p])), 0.0)
    ax.barh(y, p, height=0.62, color=COLOURS[5], edgecolor="none")
    ax.errorbar(p, y, xerr=bars, fmt="none", ecolor="0.15", capsize=3, linewidth=1.3)
    for k, size in enumerate(p):
        ax.annotate(f"{size:.1%}", (size + bars[1, k], y[k]), (6, 0), textcoords="offset points", va="center")
    ax.set_yticks(y, [f"{name} = {k}" for k in v.value[name].values])
    ax.set_ylim(len(p) - 0.5, -0.5)
    ax.set_xlim(0, min(1.25, 1.18 * float((p + bars[1]).max())))
    bare(ax, "x")


def enumeration(found: Enumerated) -> Axes:
    """Information criteria by number of classes; the smallest of each is ringed.

    Parameters
    ----------
    found : Enumeration
        What :func:`bayesmix.enumerate_classes` returns.

    Returns
    -------
    matplotlib.axes.Axes
    """
    import matplotlib.pyplot as plt

    table = found.table
    figure, ax = plt.subplots(figsize=(5.8, 3.8), layout="constrained")
    for k, name in enumerate(("AIC", "aBIC", "BIC")):
        x, y = table.index.to_numpy(), table[name].to_numpy()
        ax.plot(x, y, f"-{MARKERS[k]}", color=COLOURS[k], label=name, markersize=5)
        ax.plot(x[y.argmin()], y.min(), "o", mfc="none", mec=COLOURS[k], markersize=13, mew=1.5)
    weak = table.index[table["replicated"] < 2]
    ax.set_xticks(table.index, [f"{k}*" if k in weak else str(k) for k in table.index])
    ax.set_xlabel("classes (* best value not replicated)" if len(weak) else "classes")
    ax.set_ylabel("information criterion (smaller is better)")
    bare(ax)
    figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    return ax
