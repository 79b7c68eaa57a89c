"""The class profiles of one model against those of another: Figure 4 of the 2006 paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmix.plots.style import COLOURS, bare
from bayesmix.results import Estimates, Fit, category_labels, item_probabilities, stacked
from bayesmix.spec import Response
from bayesmix.typing import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LABEL, MARK, GAPS, TURNS = 9.0, 3.0, (1.5, 8.0, 15.0, 24.0), 12
"""Size of a label, half the size of a mark, the distances of a label from its point that are tried (typographic
points), and in how many directions."""


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

    Examples
    --------
    >>> ax = bm.plots.against(fit, fit)
    """
    import matplotlib.pyplot as plt

    results = Estimates.of(x), Estimates.of(y)
    both = _named(_binary(results[0], "first"), names, 0), _named(_binary(results[1], "second"), names, 1)
    _check_same_items(*(b.table for b in both))
    _check_same_categories(*results, list(both[0].table.index))
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


def _binary(estimates: Estimates, which: str) -> _Binary:
    """Gather the probabilities that `estimates` hold, those of several families below one another."""
    model, tables, titles = estimates.model, [], []
    for r in model.distinct_responses:
        if not r.family.finite or (table := item_probabilities(estimates, r)) is None:
            continue
        wide = stacked(table.value, model.class_dims(table.value.dims), r.category_dim, r.item_dim)
        _check_two_categories(estimates, wide, r)
        index, columns = ([str(k) for k in wide[d].values] for d in wide.dims[1:])
        tables.append(pd.DataFrame(wide.values[1], index, columns))
        titles.append(category_labels(estimates, wide, r)[1])
    if not tables:
        raise ValueError(
            f"There is nothing to draw: the {which} result has no item probabilities by class (items with "
            "covariates of their own have none that hold for everybody)."
        )
    axis = titles[0] if len(set(titles)) == 1 else "P(category 2)"
    return _Binary(estimates.title, axis, pd.concat(tables))


def _check_two_categories(estimates: Estimates, x: xr.DataArray, r: Response) -> None:
    """Refuse a table `x` of `r` with an item that is not binary."""
    for i in map(str, x[r.item_dim].values):
        if (n := len(estimates.categories.get(i, x[r.category_dim].values))) != 2:
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


def _check_same_categories(x: Estimates, y: Estimates, items: Sequence[str]) -> None:
    """Refuse `items` that are coded otherwise in `x` than in `y`."""
    for i in items:
        one, other = x.categories.get(i), y.categories.get(i)
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
