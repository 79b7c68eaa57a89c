"""Pictures of items over a factor, and of the factor's scores: characteristic curves, information, EAP.

Depends on characteristics, style and the floors beneath.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmix.characteristics import Characteristic, characteristics
from bayesmix.measurement import factors
from bayesmix.result import Fit
from bayesmix.spec import Model
from bayesmix.style import COLOURS, bare

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]
STYLES = ("-", "--", ":", "-.")
"""Of the classes, where colours are those of categories."""
WIDEST_ERROR = 2.0
"""Of the axis of standard errors, in SDs of the factor: above 1 the items say less than the factor's own SD."""
STEP = 25.0
"""An item with more information than this, a discrimination of ten, is a step, and would squeeze the others."""
LETTER, LINE = 4.9, 9.5
"""Sizes of labels, in typographic points: a letter's width, a line's height."""


# characteristic curves ----------------------------------------------------------------------------


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
        As :func:`bayesmix.characteristics.characteristics`; an unknown item.
    """
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
    figure.supxlabel(_axis(sorted({c.factor for c in found})), fontsize="medium")
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
        _band(ax, c.eta, c.p[:, k, j], colour, style)


def _band(ax: Axes, x: Array, y: Array, colour: str, style: str = "-", label: str = "") -> None:
    """The mean over draws (draw, point), and where the middle 95% of them are."""
    ax.plot(x, y.mean(axis=0), style, color=colour, linewidth=1.7, label=label, zorder=3)
    if len(y) > 1:
        low, high = np.quantile(y, [0.025, 0.975], axis=0)
        ax.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0.0, zorder=2)


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


def _axis(names: Sequence[str]) -> str:
    return f"factor {names[0]}, in standard deviations" if len(names) == 1 else "factor, in standard deviations"


def _probability(found: list[Characteristic], plain: bool) -> str:
    last = {c.categories[-1] for c in found}
    if not plain:
        return "probability of each category"
    return f"P(answer = {last.pop()})" if len(last) == 1 else "P(second category)"


def _handles(found: list[Characteristic], plain: bool) -> tuple[list[Any], list[str]]:
    """Lines and words for the legend: classes; or categories, then classes."""
    from matplotlib.lines import Line2D

    most = max(found, key=lambda c: len(c.categories))
    classes = [_klass(k) for k in most.classes] if len(most.classes) > 1 else []
    if plain:
        looks = [(COLOURS[k % len(COLOURS)], STYLES[k // len(COLOURS) % len(STYLES)]) for k in range(len(classes))]
        return [Line2D([], [], color=c, linestyle=s, linewidth=1.7) for c, s in looks], classes
    same = all(c.categories == most.categories[: len(c.categories)] for c in found)
    words = [f"answer = {k}" if same else f"category {j}" for j, k in enumerate(most.categories, start=1)]
    looks = [(COLOURS[j % len(COLOURS)], "-") for j in range(len(words))]
    looks += [("0.3", STYLES[k % len(STYLES)]) for k in range(len(classes))]
    return [Line2D([], [], color=c, linestyle=s, linewidth=1.7) for c, s in looks], [*words, *classes]


def _klass(k: str) -> str:
    return k if "=" in k else f"Class {k}"


def _legend(figure: Any, handles: list[Any], words: list[str]) -> None:
    """Above the panels."""
    if len(handles) < 2:
        return
    columns = int(np.clip(figure.get_size_inches()[0] // (max(map(len, words)) * 0.085 + 0.6), 1, len(words)))
    figure.legend(handles, words, loc="outside upper center", ncols=columns, frameon=False)


# information --------------------------------------------------------------------------------------


def information(
    model: Model, result: Fit | xr.DataTree, df: pd.DataFrame | None = None, limit: float = 4.0
) -> NDArray[Any]:
    """Fisher information of the items and of the test, I(eta) = sum_k P_k'(eta)^2 / P_k(eta), and 1 / sqrt(I).

    Parameters
    ----------
    model : Model
        What the template returned.
    result : Fit or xarray.DataTree
        Its solution; of a posterior the means, with a 95% band for the test.
    df : pandas.DataFrame, optional
        The data: covariates of items are at their means then, else at zero.
    limit : float
        The factor goes from -limit to limit.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes
        Of each factor: items, a panel a class; the test, which adds up its items; the standard error of
        measurement 1 / sqrt(I). Given the class: in a mixture nobody knows it for sure.

    Raises
    ------
    ValueError
        As :func:`bayesmix.characteristics.characteristics`.
    """
    import matplotlib.pyplot as plt

    found = characteristics(model, result, df, limit)
    rows = {f: [c for c in found if c.factor == f] for f in dict.fromkeys(c.factor for c in found)}
    classes = max((c.classes for c in found), key=len)
    columns = len(classes) + 2
    most = max(len(some) for some in rows.values())
    size = (1.0 + (3.7 if columns < 4 else 3.2) * columns, 0.5 + (3.2 + 0.1 * max(most - 8, 0)) * len(rows))
    _, axes = plt.subplots(len(rows), columns, figsize=size, layout="constrained", squeeze=False)
    for row, (factor, some) in zip(axes, rows.items(), strict=True):
        _draw_informations(row, some, classes)
        for ax in row:
            ax.set(xlim=(-limit, limit), xlabel=_axis([factor]))
            bare(ax, "both")
    return axes.ravel()


def _draw_informations(row: NDArray[Any], found: list[Characteristic], classes: list[str]) -> None:
    """Items by class, then the test and its standard error."""
    each = [c.information for c in found]
    total = sum(x + np.zeros((1, len(classes), 1)) for x in each)
    for k, klass in enumerate(classes):
        means = [x.mean(axis=0)[k if len(x[0]) > 1 else 0] for x in each]
        _draw_items(row[k], found, means)
        row[k].set_title("items" + (f", {_klass(klass).lower()}" if len(classes) > 1 else ""), fontsize="medium")
        label = _klass(klass) if len(classes) > 1 else ""
        _band(row[-2], found[0].eta, total[:, k], COLOURS[k % len(COLOURS)], label=label)
        error = 1 / np.sqrt(np.maximum(total[:, k], 1e-12))
        _band(row[-1], found[0].eta, error, COLOURS[k % len(COLOURS)], label=label)
    row[0].set_ylabel("information")
    row[-2].set_title("test information", fontsize="medium")
    row[-2].set_ylim(0.0, 1.1 * _height(each))
    row[-1].set_title("standard error of measurement", fontsize="medium")
    row[-1].set_ylim(0.0, WIDEST_ERROR)
    row[-1].axhline(1.0, color="0.6", linewidth=0.8, linestyle="--", zorder=1)
    if len(classes) > 1:
        row[-2].legend(frameon=False)


def _height(each: list[Array]) -> float:
    """The most information of a test, steps apart."""
    means = [x.mean(axis=0) for x in each]
    rest = [np.where(x.max(axis=-1, keepdims=True) > STEP, 0.0, x) for x in means]
    return float(sum(rest, np.zeros(1)).max()) or STEP


def _draw_items(ax: Axes, found: list[Characteristic], curves: list[Array]) -> None:
    """Information of each item, its name at the peak; at the top that of a step."""
    eta, words = found[0].eta, [c.item for c in found]
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
            words[k], peaks[k], (x - at[k, 0], y - at[k, 1]), textcoords="offset points", ha="center", va="bottom",
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


# scores -------------------------------------------------------------------------------------------


def scores(model: Model, fit: Fit, df: pd.DataFrame | None = None) -> NDArray[Any]:
    """Factor scores of the persons: EAP, and posterior SD against it.

    Parameters
    ----------
    model : Model
        What the template returned.
    fit : Fit
        Its solution.
    df : pandas.DataFrame, optional
        The data: needed if the model has a frequency column.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes
        Of each factor a histogram of the EAP, with their reliability Var(EAP) / (Var(EAP) + mean of SD^2), and
        a point a row of the data; its size says how many persons the row stands for. Without the rows that have
        no answers.

    Raises
    ------
    ValueError
        The model has no factors of individuals, the fit is of another model, or the data are not those of the fit.
    """
    import matplotlib.pyplot as plt

    names = [e.name for e in factors(model)]
    if not names or not isinstance(fit, Fit) or any(n not in fit.effect_scores for n in names):
        raise ValueError(
            "There is nothing to draw: scores take a model with factors of individuals and its maximum-likelihood fit."
        )
    weight = _weights(model, fit, df)
    _, axes = plt.subplots(
        len(names), 2, figsize=(8.0, 0.4 + 3.0 * len(names)), layout="constrained", sharex="row", squeeze=False
    )
    for row, name in zip(axes, names, strict=True):
        x, sd = (fit.effect_scores[k].values for k in (name, f"{name}_sd"))
        used = ~np.isnan(x) & ~np.isnan(sd) & (weight > 0)
        _draw_scores(row, name, x[used], sd[used], weight[used])
    return axes.ravel()


def _weights(model: Model, fit: Fit, df: pd.DataFrame | None) -> Array:
    n = fit.effect_scores.sizes["row"]
    if model.freq is None:
        return np.ones(n)
    if df is None or model.freq not in df or len(df) != n:
        raise ValueError(f"The rows stand for several persons each: give the data of the fit, {n} rows, df=.")
    return df[model.freq].to_numpy(dtype=float)


def _draw_scores(row: NDArray[Any], name: str, x: Array, sd: Array, weight: Array) -> None:
    """The histogram and the points of one factor."""
    mean = np.average(x, weights=weight)
    variance, error = np.average((x - mean) ** 2, weights=weight), np.average(sd**2, weights=weight)
    row[0].hist(x, 30, weights=weight, color=COLOURS[0], alpha=0.75, edgecolor="white", linewidth=0.4)
    row[0].set(ylabel="persons", xlabel=f"{name}, EAP")
    row[0].set_title(f"reliability {variance / (variance + error):.2f}", fontsize="medium")
    size = np.clip(10.0 * weight / np.average(weight), 6.0, 200.0)
    row[1].scatter(x, sd, s=size, color=COLOURS[0], alpha=0.55, linewidths=0.0)
    row[1].set(ylabel="posterior SD", xlabel=f"{name}, EAP")
    row[1].set_ylim(bottom=0.0)
    row[1].set_title(f"mean of EAP {mean:.2f}, SD {np.sqrt(variance):.2f}", fontsize="medium")
    for ax in row:
        bare(ax)
