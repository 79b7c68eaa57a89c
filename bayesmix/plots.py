"""Pictures of a solution: class profiles, class sizes, class enumeration, forests of intervals.

Every function takes a :class:`~bayesmix.result.Fit` or the DataTree of a posterior, draws with
Matplotlib's pyplot and returns Axes. Depends on result and the floors beneath.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmix.result import Fit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
Parts = Sequence[Mapping[str, Any]]
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette, which colour-blind readers can tell apart; the markers say the same again."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
Z95 = 1.959964


class Enumerated(Protocol):
    """What `enumeration` needs: a table with one row a number of classes."""

    @property
    def table(self) -> pd.DataFrame:
        """Information criteria by number of classes."""
        ...


# what a solution holds ----------------------------------------------------------------------------


def parts_of(result: Fit | xr.DataTree) -> Parts:
    """What each parameter belongs to (`bayesmix.spec.parts`), as the fit or the posterior kept it."""
    held = result.info if isinstance(result, Fit) else json.loads(result.attrs.get("bayesmix", "{}"))
    return held.get("parts", [])


def class_dims(parts: Parts, dims: Iterable[Any]) -> tuple[str, ...]:
    """The dims that run over latent classes: all but items, categories, covariates and effects."""
    other = {d for p in parts for d in p["dims"].values()}
    other |= {q[k] for p in parts for q in p["parameters"] for k in ("covariates", "effects") if q[k]}
    return tuple(str(d) for d in dims if d not in other)


def probability_interval(p: Array, se: Array) -> tuple[Array, Array]:
    """A 95% interval of a probability, symmetric on the logit scale; NaN at a boundary or without SE."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logit, half = np.log(p / (1 - p)), Z95 * se / (p * (1 - p))
        usable = (p > 1e-6) & (p < 1 - 1e-6) & (se > 0)  # noqa: PLR2004
        ends = [1 / (1 + np.exp(-np.where(usable, logit + s * half, np.nan))) for s in (-1, 1)]
    return ends[0], ends[1]


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


@dataclass(frozen=True)
class _Values:
    """A quantity with a 95% interval."""

    value: xr.DataArray
    lower: xr.DataArray
    upper: xr.DataArray

    def map(self, change) -> _Values:
        return _Values(change(self.value), change(self.lower), change(self.upper))


def _values(result: Fit | xr.DataTree, name: str) -> _Values | None:
    if not isinstance(result, Fit):
        draws = result["posterior"].get(name)
        if draws is None:
            return None
        ends = draws.quantile([0.025, 0.975], ("chain", "draw")).drop_vars("quantile")
        return _Values(draws.mean(("chain", "draw")), ends[0], ends[1])
    if name in result.probabilities:
        x, se = result.probabilities[name], result.probabilities_se[name]
        lower, upper = probability_interval(x.values, se.values)
        return _Values(x, x.copy(data=lower), x.copy(data=upper))
    if name in result.params:
        x, half = result.params[name], Z95 * result.se[name]
        return _Values(x, x - half, x + half)
    return None


def _stacked(x: xr.DataArray, classes: tuple[str, ...], *first: str) -> xr.DataArray:
    """Dims (*first, class): several class dims become one, labelled ``C1=1, C2=2``."""
    if not classes:
        return x.expand_dims("all", -1).transpose(*first, "all").assign_coords(all=["all classes"])
    labels = [
        ", ".join(f"{d}={x[d].values[i]}" for d, i in zip(classes, at, strict=True)) if len(classes) > 1
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
    _legend(axes, _class_labels(result, panels[0].classes))
    return axes


def _response_curves(result: Fit | xr.DataTree, part: Mapping[str, Any]) -> list[_Curves]:
    several = sum(p["kind"] == "response" for p in parts_of(result)) > 1
    if part["family"] in ("normal", "poisson"):
        return _mean_curves(result, part)
    found = _values(result, f"item_probability_{part['name']}" if several else "item_probability")
    if found is None:
        return []
    item, category = part["dims"]["item"], part["dims"]["category"]
    classes = tuple(d for d in class_dims(parts_of(result), found.value.dims) if d in found.value.dims)
    table = found.map(lambda x: _stacked(x, classes, category, item))
    labels = [str(k) for k in table.value[category].values]
    shown = [1] if len(labels) == 2 else range(len(labels))  # noqa: PLR2004
    same = not isinstance(result, Fit) or _same_categories(result, table.value[item].values)
    return [
        _curves(table, k, part, f"P(answer = {labels[k]})" if same else f"P(category {k + 1})", several) for k in shown
    ]


def _same_categories(fit: Fit, items: Iterable[Any]) -> bool:
    known = [fit.info.get("categories", {}).get(str(i)) for i in items]
    return all(k == known[0] for k in known)


def _curves(table: _Values, k: int, part: Mapping[str, Any], axis: str, several: bool) -> _Curves:
    v, low, high = (x.values[k] for x in (table.value, table.lower, table.upper))
    items, classes = ([str(i) for i in table.value[d].values] for d in table.value.dims[1:])
    return _Curves(part["name"] if several else "", axis, items, classes, v, low, high, (-0.03, 1.03))


def _mean_curves(result: Fit | xr.DataTree, part: Mapping[str, Any]) -> list[_Curves]:
    """Means of normal items, rates of Poisson items: the intercepts of the predictor."""
    item = part["dims"]["item"]
    names = [
        q["name"] for q in part["parameters"]
        if q["use"] == "predictor" and q["covariates"] is None and q["effects"] is None
    ]
    found = [v for v in (_values(result, n) for n in names) if v is not None and item in v.value.dims]
    if len(found) != 1:
        return []
    classes = class_dims(parts_of(result), found[0].value.dims)
    if not classes:
        return []
    table = found[0].map(lambda x: _stacked(x, classes, item))
    table = table.map(np.exp) if part["family"] == "poisson" else table
    axis = "rate" if part["family"] == "poisson" else "mean"
    items, labels = ([str(i) for i in table.value[d].values] for d in table.value.dims)
    return [_Curves(part["name"], axis, items, labels, table.value.values, table.lower.values, table.upper.values)]


def _grid(panels: int, items: int, classes: int) -> NDArray[Any]:
    import matplotlib.pyplot as plt

    columns = 1 if panels == 1 or items > 12 else 2  # noqa: PLR2004
    rows = -(-panels // columns)
    width = float(np.clip(1.6 + items * (0.3 + 0.12 * classes), 4.2, 11.0 / columns))
    figure, axes = plt.subplots(rows, columns, figsize=(width * columns, 3.4 * rows), layout="constrained", squeeze=False)
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
            at, c.value[:, k], yerr=np.maximum(bars, 0.0), fmt=MARKERS[k % len(MARKERS)], color=colour, capsize=2.5,
            markersize=5, linewidth=1.2, label=c.classes[k], zorder=3,
        )
    _item_ticks(ax, c.items)
    ax.set(ylabel=c.axis, title=c.title, xlim=(-0.5, len(c.items) - 0.5))
    if c.limits:
        ax.set_ylim(*c.limits)
    _bare(ax)


def _item_ticks(ax: Axes, items: list[str]) -> None:
    width = ax.figure.get_figure(root=True).get_size_inches()[0] / max(1, ax.get_gridspec().ncols)
    crowded = sum(len(i) + 2 for i in items) * 0.085 > width - 1.0
    ax.set_xticks(np.arange(len(items)), items, rotation=40 if crowded else 0, ha="right" if crowded else "center")
    if crowded:
        for t in ax.get_xticklabels():
            t.set_rotation_mode("anchor")


def _bare(ax: Axes, along: str = "y") -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis=along, color="0.9", linewidth=0.8)  # pyright: ignore[reportArgumentType]
    ax.set_axisbelow(True)


def _class_labels(result: Fit | xr.DataTree, classes: list[str]) -> list[str]:
    """``Class 1 (44%)`` where the sizes of these classes are known."""
    for part in parts_of(result):
        sizes = _values(result, f"{part['name']}_probability") if part["kind"] == "class" else None
        if sizes is not None and sizes.value.ndim == 1 and [str(k) for k in sizes.value[part["name"]].values] == classes:
            return [f"Class {k} ({p:.0%})" for k, p in zip(classes, sizes.value.values, strict=True)]
    return [f"Class {k}" if "=" not in k else k for k in classes]


def _legend(axes: NDArray[Any], labels: Sequence[str]) -> None:
    """Above the panels, where it covers no data."""
    handles = axes[0].get_legend_handles_labels()[0]
    if len(handles) < 2:  # noqa: PLR2004
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
    found = {n: v for n in names if (v := _values(result, f"{n}_probability")) is not None and v.value.ndim == 1}
    if not found:
        raise ValueError("There is nothing to draw: the result has no class probabilities.")
    heights = [0.7 + 0.34 * v.value.size for v in found.values()]
    figure, axes = plt.subplots(
        len(found), 1, figsize=(5.2, sum(heights) + 0.3), height_ratios=heights, layout="constrained", squeeze=False
    )
    for ax, (name, v) in zip(axes.ravel(), found.items(), strict=True):
        _draw_sizes(ax, name, v)
    axes.ravel()[-1].set_xlabel("class probability (95% interval)")
    return axes.ravel()


def _draw_sizes(ax: Axes, name: str, v: _Values) -> None:
    p, y = v.value.values, np.arange(v.value.size)
    bars = np.maximum(np.nan_to_num(np.stack([p - v.lower.values, v.upper.values - p])), 0.0)
    ax.barh(y, p, height=0.62, color=COLOURS[5], edgecolor="none")
    ax.errorbar(p, y, xerr=bars, fmt="none", ecolor="0.15", capsize=3, linewidth=1.3)
    for k, size in enumerate(p):
        ax.annotate(f"{size:.1%}", (p[k] + bars[1, k], y[k]), (6, 0), textcoords="offset points", va="center")
    ax.set_yticks(y, [f"{name} = {k}" for k in v.value[name].values])
    ax.set_ylim(len(p) - 0.5, -0.5)
    ax.set_xlim(0, min(1.25, 1.18 * float((p + bars[1]).max())))
    _bare(ax, "x")


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
        y = table[name]
        ax.plot(table.index, y, f"-{MARKERS[k]}", color=COLOURS[k], label=name, markersize=5)
        ax.plot([y.idxmin()], [y.min()], "o", mfc="none", mec=COLOURS[k], markersize=13, mew=1.5)
    weak = table.index[table["replicated"] < 2]  # noqa: PLR2004
    ax.set_xticks(table.index, [f"{k}*" if k in weak else str(k) for k in table.index])
    ax.set_xlabel("classes (* best value not replicated)" if len(weak) else "classes")
    ax.set_ylabel("information criterion (smaller is better)")
    _bare(ax)
    figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    return ax


# intervals side by side ---------------------------------------------------------------------------


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
    """An axis that shows every point that has an interval; a boundary estimate would squeeze the rest."""
    ends = []
    for s in series:
        inner = block.loc[block[s.lower].notna(), [s.value, s.lower, s.upper]].to_numpy(dtype=float)
        ends.append(inner.ravel())
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
            ax.plot(np.full(out.sum(), edge), at[out], arrow, color=s.colour, markersize=6, clip_on=False)
    ax.set_xlim(*limits)
    ax.set_ylim(len(labels) - 0.4, -0.6)
    ax.locator_params(axis="x", nbins=6)
    if limits[0] < 0 < limits[1] and limits[1] > 1.2:  # noqa: PLR2004
        ax.axvline(0, color="0.6", linewidth=0.8, zorder=0)
    _bare(ax, "x")
    ax.tick_params(axis="y", length=0)
