"""Pictures of a solution: class profiles, class sizes, memberships, one model against another, enumeration.

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
LABEL, MARK, GAPS, TURNS = 9.0, 3.0, (1.5, 8.0, 15.0, 24.0), 12
"""Of labels beside points: their size, half a mark's, how far off they may be (in typographic points), directions."""


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
    panels = [c for p in _responses(result) for c in _response_curves(result, p)]
    if not panels:
        raise ValueError("There is nothing to draw: the result has no item probabilities or means by class.")
    axes = _grid(len(panels), max(len(c.items) for c in panels), len(panels[0].classes))
    for ax, curves in zip(axes, panels, strict=True):
        _draw_curves(ax, curves)
    _legend(axes, _class_labels(result, panels[0]))
    return axes


def _response_curves(result: Fit | xr.DataTree, part: Mapping[str, Any]) -> list[_Curves]:
    if part["family"] in ("normal", "poisson"):
        return _mean_curves(result, part)
    found = _item_probabilities(result, part)
    if found is None:
        return []
    item, category = part["dims"]["item"], part["dims"]["category"]
    variables = class_dims(parts_of(result), found.value.dims)
    table = found.map(lambda x: _stacked(x, variables, category, item))
    labels = _category_labels(result, table.value, item, category)
    items, classes = ([str(i) for i in table.value[d].values] for d in table.value.dims[1:])
    head, variable = part["name"] if len(_responses(result)) > 1 else "", "".join(variables)
    return [
        _Curves(head, labels[k], items, classes, *(x.values[k] for x in table), (-0.03, 1.03), variable)
        for k in ([1] if len(labels) == 2 else range(len(labels)))
    ]


def _responses(result: Fit | xr.DataTree) -> list[Mapping[str, Any]]:
    return [p for p in parts_of(result) if p["kind"] == "response"]


def _item_probabilities(result: Fit | xr.DataTree, part: Mapping[str, Any]) -> Values | None:
    several = len(_responses(result)) > 1
    return values_of(result, f"item_probability_{part['name']}" if several else "item_probability")


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


# grades of membership -----------------------------------------------------------------------------


def memberships(
    result: Fit | xr.DataTree, name: str | None = None, freq: Sequence[float] | None = None
) -> NDArray[Any]:
    """Histograms of the grades of membership (posterior means) of the persons, a panel a class.

    Parameters
    ----------
    result : Fit or xarray.DataTree
        Of a grade-of-membership model.
    name : str, optional
        The class variable; the first one if left out.
    freq : sequence of float, optional
        Frequency weights of the rows; needed if the model has a frequency column.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes
        Without the persons that have no answers. The mean is written above and marked.

    Raises
    ------
    ValueError
        The model has no grades of membership, or frequency weights are missing or too few.
    """
    import matplotlib.pyplot as plt

    table = _membership_means(result, name)
    weight = _row_weights(kept(result).get("freq"), freq, len(table))
    used = table.notna().all(axis=1).to_numpy()
    table, weight = table[used], weight[used]
    columns = min(table.shape[1], 4)
    rows = -(-table.shape[1] // columns)
    size = (1.0 + 2.7 * columns, 0.4 + 2.5 * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", sharey=True, squeeze=False)
    for ax in axes.ravel()[table.shape[1] :]:
        figure.delaxes(ax)
    axes = axes.ravel()[: table.shape[1]]
    for k, (ax, column) in enumerate(zip(axes, table.columns, strict=True)):
        _draw_grades(ax, str(column), table[column].to_numpy(), weight, COLOURS[k % len(COLOURS)])
    for ax in axes[::columns]:
        ax.set_ylabel("persons")
    figure.supxlabel("grade of membership (posterior mean)", fontsize="medium")
    return axes


def _membership_means(result: Fit | xr.DataTree, name: str | None) -> pd.DataFrame:
    """Posterior means, a row a person and a column a class."""
    if isinstance(result, Fit):
        table = result.memberships(name)
        return table[[c for c in table.columns if " " not in c]]  # beside "C=1" there are "C=1 sd" and the like
    ending = "_membership"
    held = result["latent"].to_dataset() if "latent" in result.children else xr.Dataset()
    names = [str(k).removesuffix(ending) for k in held.data_vars if str(k).endswith(ending)]
    if not names or (name is not None and name not in names):
        raise ValueError(
            f"No grades of membership for {name or 'any class variable'}; there are {', '.join(names) or 'none'}: "
            "they belong to classes of items (grade of membership)."
        )
    name = name or names[0]
    x = held[name + ending].mean(("chain", "draw")).transpose("row", name)
    return pd.DataFrame(x.values, index=x.indexes["row"], columns=[f"{name}={c}" for c in x[name].values])


def _row_weights(column: str | None, freq: Sequence[float] | None, rows: int) -> Array:
    if freq is None and column:
        raise ValueError(f"The rows stand for several persons each: give their numbers, freq=df['{column}'].")
    weight = np.ones(rows) if freq is None else np.asarray(freq, dtype=float)
    if weight.shape != (rows,):
        raise ValueError(f"freq came with shape {weight.shape}, expected one number a row of the data: ({rows},).")
    return weight


def _draw_grades(ax: Axes, label: str, grade: Array, weight: Array, colour: str) -> None:
    variable, _, k = label.partition("=")
    mean = float(np.average(grade, weights=weight))
    ax.hist(grade, 20, range=(0.0, 1.0), weights=weight, color=colour, alpha=0.75, edgecolor="white")
    ax.axvline(mean, color="0.15", linestyle="--", linewidth=1.2)
    ax.set(title=f"{variable} = {k}, mean {mean:.2f}", xlim=(0.0, 1.0))
    ax.title.set_fontsize("medium")
    bare(ax)


# one model against another ------------------------------------------------------------------------


@dataclass(frozen=True)
class _Binary:
    """Probabilities of the second category of binary items, (item, class)."""

    model: str
    axis: str
    table: pd.DataFrame

    def of(self, klass: str) -> tuple[str, pd.Series]:
        """The label of the axis and the values of one class."""
        said = klass if klass == "all classes" else f"class {klass}"
        return f"{self.model}: {self.axis}, {said}", self.table[klass]


def against(
    x: Fit | xr.DataTree,
    y: Fit | xr.DataTree,
    klass: Any = None,
    labels: Mapping[str, str] | Sequence[str] | None = None,
    names: Sequence[str] | None = None,
) -> Axes:
    """Probabilities of binary items in one class under two models, a point an item: Figure 4 of the 2006 paper.

    Parameters
    ----------
    x, y : Fit or xarray.DataTree
        Solutions for the same binary items, such as a latent class analysis and a grade of membership.
    klass : optional
        The label of the class in both. Left out, it is in each of them the class in which the items
        are the most probable on average ("prone").
    labels : mapping of item to str, or sequence of str, optional
        What is written beside the points; the items if left out.
    names : sequence of two str, optional
        Names of the two models for the axes; those of the templates if left out.

    Returns
    -------
    matplotlib.axes.Axes
        On the diagonal the models agree; the correlation over the items is in the title.

    Raises
    ------
    ValueError
        The items or their categories differ, are not binary or have no probabilities by class; no
        such class; labels or names that do not match.
    """
    import matplotlib.pyplot as plt

    both = _named(_binary(x, "first"), names, 0), _named(_binary(y, "second"), names, 1)
    _check_same_items(*(b.table for b in both))
    _check_same_categories(x, y, list(both[0].table.index))
    (x_label, p), (y_label, q) = (b.of(_class_of(b.table, klass)) for b in both)
    points = np.column_stack([p, q.loc[p.index]])
    texts = _item_labels(list(p.index), labels)
    _, ax = plt.subplots(figsize=(5.6, 5.8), layout="constrained")
    ax.plot(*points.T, "o", color=COLOURS[0], markersize=6, alpha=0.85, zorder=3)
    low, high = max(0.0, np.floor(10 * points.min() - 0.5) / 10), min(1.0, np.ceil(10 * points.max() + 0.5) / 10)
    edge = 0.02 * (high - low)
    ax.set(xlim=(low - edge, high + edge), ylim=(low - edge, high + edge), xlabel=x_label, ylabel=y_label)
    ax.axline((0.0, 0.0), slope=1.0, color="0.6", linewidth=1.0, linestyle="--", zorder=1)
    ax.set_aspect("equal")
    ax.set_title(_agreement(points), fontsize="medium")
    bare(ax, "both")
    _annotate(ax, points, texts)
    return ax


def _binary(result: Fit | xr.DataTree, which: str) -> _Binary:
    """The probabilities that a result holds; the parts of several families below one another."""
    tables, said = [], []
    for part in _responses(result):
        if part["family"] in ("normal", "poisson") or (found := _item_probabilities(result, part)) is None:
            continue
        item, category = part["dims"]["item"], part["dims"]["category"]
        wide = _stacked(found.value, class_dims(parts_of(result), found.value.dims), category, item)
        _check_two_categories(result, wide, item, category)
        index, columns = ([str(k) for k in wide[d].values] for d in wide.dims[1:])
        tables.append(pd.DataFrame(wide.values[1], index, columns))
        said.append(_category_labels(result, wide, item, category)[1])
    if not tables:
        raise ValueError(
            f"There is nothing to draw: the {which} result has no item probabilities by class (items with "
            "covariates of their own have none that hold for everybody)."
        )
    axis = said[0] if len(set(said)) == 1 else "P(category 2)"
    return _Binary(kept(result).get("model", "posterior"), axis, pd.concat(tables))


def _check_two_categories(result: Fit | xr.DataTree, x: xr.DataArray, item: str, category: str) -> None:
    known = kept(result).get("categories", {})
    for i in map(str, x[item].values):
        if (n := len(known.get(i, x[category].values))) != 2:
            raise ValueError(f"Item '{i}' has {n} categories: only binary items are drawn against each other.")


def _named(b: _Binary, names: Sequence[str] | None, k: int) -> _Binary:
    if names is None:
        return b
    if isinstance(names, str) or len(names) != 2:
        raise ValueError(f"The names came as {names!r}: give two, of the models on the x and on the y axis.")
    return _Binary(str(names[k]), b.axis, b.table)


def _check_same_items(x: pd.DataFrame, y: pd.DataFrame) -> None:
    for one, other, where in ((x, y, "first"), (y, x, "second")):
        if alone := [i for i in one.index if i not in other.index]:
            raise ValueError(f"The items differ: {', '.join(alone)} only in the {where} result. Fit both to the same.")


def _check_same_categories(x: Fit | xr.DataTree, y: Fit | xr.DataTree, items: Sequence[str]) -> None:
    known = [kept(r).get("categories", {}) for r in (x, y)]
    for i in items:
        one, other = (k.get(i) for k in known)
        if one and other and one != other:
            raise ValueError(
                f"Item '{i}' has the categories {', '.join(one)} in the first result and {', '.join(other)} in the "
                "second: code it alike."
            )


def _class_of(table: pd.DataFrame, klass: Any) -> str:
    if klass is None:
        return str(table.columns[int(table.mean(axis=0).to_numpy().argmax())])
    if str(klass) not in table.columns:
        raise ValueError(f"No class {klass!r}: there are {'; '.join(table.columns)}.")
    return str(klass)


def _item_labels(items: Sequence[str], labels: Mapping[str, str] | Sequence[str] | None) -> list[str]:
    if isinstance(labels, Mapping):
        if unknown := [k for k in labels if k not in items]:
            raise ValueError(f"A label came for '{unknown[0]}', which is not among the items: {', '.join(items)}.")
        return [str(labels.get(i, i)) for i in items]
    if labels is not None and (isinstance(labels, str) or len(labels) != len(items)):
        raise ValueError(f"The labels came as {labels!r}: give one for each of the {len(items)} items.")
    return [str(k) for k in (items if labels is None else labels)]


def _agreement(points: Array) -> str:
    n = f"{len(points)} item{'s' if len(points) > 1 else ''}"
    if len(points) < 3 or (np.ptp(points, axis=0) == 0).any():
        return n
    return f"{n}, correlation {pd.Series(points[:, 0]).corr(pd.Series(points[:, 1])):.3f}"


def _annotate(ax: Axes, points: Array, texts: Sequence[str]) -> None:
    """Each label at one of a few places around its point, with a line to it where the point is not plain."""
    sizes, frame, at = _in_points(ax, points, texts)
    places = [_places(a, size) for a, size in zip(at, sizes, strict=True)]
    costs, near = zip(*(_standing(p, i, at, frame) for i, p in enumerate(places)), strict=True)
    rng = np.random.default_rng(0)
    tries = [_arranged(places, costs, rng.permutation(len(texts)).tolist()) for _ in range(8)]
    chosen = min(tries, key=lambda t: t[0])[1]
    line = {"arrowstyle": "-", "color": "0.6", "linewidth": 0.7, "shrinkA": 1.0, "shrinkB": MARK}
    for i, k in sorted(chosen.items()):
        led = line if near[i][k] or k >= TURNS else None
        corner, how = places[i][k][:2] - at[i], {"textcoords": "offset points", "va": "bottom", "fontsize": LABEL}
        ax.annotate(texts[i], points[i], corner, arrowprops=led, zorder=2, **how)


def _arranged(places: Sequence[Array], costs: Sequence[Array], order: list[int]) -> tuple[float, dict[int, int]]:
    """The cheapest place of each label in turn, a few rounds: what it all costs, and the place of each."""
    chosen: dict[int, int] = {}
    price: dict[int, float] = {}
    for i in order * 5:
        others = np.array([places[j][k] for j, k in chosen.items() if j != i]).reshape(-1, 4)
        cost = costs[i] + _overlap(places[i], others).sum(axis=1)
        chosen[i] = int(cost.argmin())
        price[i] = float(cost.min())
    return sum(price.values()), chosen


def _standing(boxes: Array, i: int, at: Array, frame: Array) -> tuple[Array, NDArray[np.bool_]]:
    """What each place of label `i` costs, other labels apart, and whether another point is about as near to it."""
    spots = np.concatenate([at - MARK, at + MARK], axis=1)
    outside = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) - _overlap(boxes, frame)[:, 0]
    away = np.linalg.norm(np.maximum(np.maximum(boxes[:, None, :2] - at, at - boxes[:, None, 2:]), 0.0), axis=2)
    near = away < away[:, [i]] + 4.0
    near[:, i] = False
    turn = np.arange(len(boxes)) % TURNS
    far = 3.0 * (np.arange(len(boxes)) // TURNS) + 0.2 * np.minimum(turn, TURNS - turn)
    cost = far + 4.0 * outside + 2.0 * _overlap(boxes, spots).sum(axis=1) + 40.0 * near.sum(axis=1)
    return cost, near.any(axis=1)


def _in_points(ax: Axes, points: Array, texts: Sequence[str]) -> tuple[list[Array], Array, Array]:
    """Sizes of the labels, the box of the axes, and the points in it: in typographic points from its corner."""
    figure = ax.figure.get_figure(root=True)
    figure.draw_without_rendering()
    scale, sizes = 72.0 / figure.dpi, []
    for t in texts:
        shown = ax.text(0.5, 0.5, t, fontsize=LABEL, transform=ax.transAxes)
        box = shown.get_window_extent()
        sizes.append(scale * np.array([box.width, box.height]))
        shown.remove()
    frame = ax.get_window_extent()
    at = scale * (ax.transData.transform(points) - np.array([frame.x0, frame.y0]))
    return sizes, scale * np.array([[0.0, 0.0, frame.width, frame.height]]), at


def _places(at: Array, size: Array) -> Array:
    """Boxes (x0, y0, x1, y1) of a label around its point: all around, ever farther off."""
    turn = 2 * np.pi * np.arange(TURNS) / TURNS
    way = np.column_stack([np.cos(turn), np.sin(turn)])
    middle = np.concatenate([at + way * (MARK + gap + 0.5 * size) for gap in GAPS])
    return np.concatenate([middle - 0.5 * size, middle + 0.5 * size], axis=1)


def _overlap(a: Array, b: Array) -> Array:
    """Areas that boxes (x0, y0, x1, y1) have in common, (len(a), len(b))."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    return np.prod(np.maximum(high - low, 0.0), axis=2)


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
