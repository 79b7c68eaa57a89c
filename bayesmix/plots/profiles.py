"""Pictures of a solution: class profiles and sizes, memberships, enumeration; others come from beneath.

Every function takes a :class:`~bayesmix.results.fit.Fit` or the DataTree of a posterior, draws with
Matplotlib's pyplot and returns Axes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmix.data import weight_columns
from bayesmix.plots.style import COLOURS, MARKERS, bare, item_ticks, legend
from bayesmix.results import Estimate, Estimates, Fit, category_labels, item_probabilities, stacked
from bayesmix.spec import GROUP, Model, Response, level_words, takes_level
from bayesmix.typing import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Enumerated(Protocol):
    """What `enumeration` needs: a table with one row a number of classes, and what criteria choose."""

    @property
    def choices(self) -> Mapping[str, int | None]:
        """How many classes each criterion chooses."""
        ...

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


# class profiles -----------------------------------------------------------------------------------


@takes_level
def profile(result: Fit | xr.DataTree, *, level: float | None = None) -> NDArray[Any]:
    """Class profiles: what each class answers to each item, with intervals.

    Parameters
    ----------
    result : Fit or xarray.DataTree
        Maximum likelihood (intervals from standard errors; none at a boundary) or a posterior (means
        and equal-tailed intervals).
    level : float, optional
        Of the intervals; 0.95 if left out.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes
        One panel for binary items (probability of the second category), one a category otherwise,
        one for the means of normal and Poisson items.

    Raises
    ------
    ValueError
        The solution has no item parameters that depend on a class.

    Examples
    --------
    >>> axes = bm.plots.profile(fit)
    """
    estimates = Estimates.of(result)
    panels = [c for r in estimates.model.distinct_responses for c in _response_curves(estimates, r)]
    if not panels:
        raise ValueError("There is nothing to draw: the result has no item probabilities or means by class.")
    axes = _grid(len(panels), max(len(c.items) for c in panels), len(panels[0].classes))
    for ax, curves in zip(axes, panels, strict=True):
        _draw_curves(ax, curves)
    legend(axes, _class_labels(estimates, panels[0]))
    return axes


def _response_curves(estimates: Estimates, r: Response) -> list[_Curves]:
    """Gather what `estimates` say of the items of `r`: a panel of category probabilities, or of means."""
    if not r.family.finite:
        return _mean_curves(estimates, r)
    table = item_probabilities(estimates, r)
    if table is None:
        return []
    variables = estimates.model.class_dims(table.value.dims)
    labels = category_labels(estimates, table.value, r)
    table = table.map(lambda x: stacked(x, variables, r.category_dim, r.item_dim))
    items, classes = ([str(i) for i in table.value[d].values] for d in table.value.dims[1:])
    head = r.name if len(estimates.model.distinct_responses) > 1 else ""
    ends = [x.values for x in (table.value, table.lower, table.upper)]
    return [
        _Curves(head, labels[k], items, classes, *(x[k] for x in ends), (-0.03, 1.03), "".join(variables))
        for k in ([1] if len(labels) == 2 else range(len(labels)))
    ]


def _mean_curves(estimates: Estimates, r: Response) -> list[_Curves]:
    """Gather means of numbers, rates of counts, probabilities of successes: intercepts of the predictor of `r`."""
    names = [t.parameter.name for t in r.predictor if not (t.covariates or t.effects)]
    intercepts = [estimates[n] for n in names if n in estimates and r.item_dim in estimates[n].value.dims]
    if len(intercepts) != 1:
        return []
    classes = estimates.model.class_dims(intercepts[0].value.dims)
    if not classes:
        return []
    table = intercepts[0].map(lambda x: stacked(x, classes, r.item_dim))
    ends = [x.values for x in (table.value, table.lower, table.upper)]
    ends = [r.family.shown_location(x) for x in ends]
    items, labels = ([str(i) for i in table.value[d].values] for d in table.value.dims)
    return [_Curves(r.name, r.family.location_axis, items, labels, *ends, None, "".join(classes))]


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
    item_ticks(ax, c.items)
    ax.set(ylabel=c.axis, title=c.title, xlim=(-0.5, len(c.items) - 0.5))
    if c.limits:
        ax.set_ylim(*c.limits)
    bare(ax)


def _class_labels(estimates: Estimates, c: _Curves) -> list[str]:
    """``Class 1 (44%)`` where the class variable has sizes of its own, which do not depend on another one."""
    sizes = estimates.get(f"{c.variable}_probability")
    if sizes is not None and sizes.value.ndim == 1:
        return [f"Class {k} ({p:.0%})" for k, p in zip(c.classes, sizes.value.values, strict=True)]
    return [k if "=" in k else f"Class {k}" for k in c.classes]


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

    Examples
    --------
    >>> grades = bm.fit(bm.models.gom(list("abcd"), 2), df, nodes=bm.trapezoid(7), **quick, progress=False)
    >>> axes = bm.plots.memberships(grades)
    """
    estimates = Estimates.of(result)
    import matplotlib.pyplot as plt

    table = _membership_means(result, name)
    weight = _row_weights(weight_columns(estimates.model), freq, len(table))
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


def _row_weights(columns: Sequence[str], freq: Sequence[float] | None, rows: int) -> Array:
    if freq is None and columns:
        given = " * ".join(f"df['{c}']" for c in columns)
        raise ValueError(f"The rows stand for several persons each: give their numbers, freq={given}.")
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


# class sizes and class enumeration ----------------------------------------------------------------


@takes_level
def classes(result: Fit | xr.DataTree, *, level: float | None = None) -> NDArray[Any]:
    """Class sizes with intervals, one panel a class variable.

    Parameters
    ----------
    result : Fit or xarray.DataTree
    level : float, optional
        Of the intervals; 0.95 if left out.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes

    Raises
    ------
    ValueError
        The solution has no class variable.

    Examples
    --------
    >>> axes = bm.plots.classes(fit)
    """
    import matplotlib.pyplot as plt

    estimates = Estimates.of(result)
    names = [c.name for c in estimates.model.classes]
    tables = {n: v for n in names if (v := estimates.get(f"{n}_probability")) is not None}
    found = {k: v for n, table in tables.items() for k, v in _by_group(estimates.model, n, table) if v.value.ndim == 1}
    if not found:
        raise ValueError("There is nothing to draw: the result has no class probabilities.")
    heights = [0.7 + 0.34 * v.value.size for v in found.values()]
    _, axes = plt.subplots(
        len(found), 1, figsize=(5.2, sum(heights) + 0.3), height_ratios=heights, layout="constrained", squeeze=False
    )
    for ax, (name, v) in zip(axes.ravel(), found.items(), strict=True):
        _draw_sizes(ax, name, v)
    axes.ravel()[-1].set_xlabel(f"class probability ({level_words()} interval)")
    return axes.ravel()


def _by_group(model: Model, name: str, table: Estimate) -> Iterator[tuple[str, Estimate]]:
    """The sizes of a class variable under its name; in each observed group, where they differ."""
    if GROUP not in table.value.dims:
        yield name, table
        return
    for k, label in enumerate(table.value[GROUP].values):
        yield f"{name} ({model.group} = {label})", table.map(lambda x, at=k: x.isel({GROUP: at}))


def _draw_sizes(ax: Axes, title: str, v: Estimate) -> None:
    name = str(v.value.dims[0])
    ax.set_title(title if title != name else "", fontsize="medium", loc="left")
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
    """Information criteria by number of classes, the smallest of each ringed, and what every criterion would choose.

    A test, or a criterion that would choose more classes than there are, is marked with an arrow at the largest number.

    Parameters
    ----------
    found : Enumeration
        What :func:`bayesmix.enumerate_classes` returns.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> found = bm.enumerate_classes(model, df, [1, 2], starts=2, rounds=1, progress=False)
    >>> axes = bm.plots.enumeration(found)
    """
    if not isinstance(getattr(found, "table", None), pd.DataFrame):
        raise TypeError(
            f"The fits came as {type(found).__name__}, expected what bm.enumerate_classes returns: give it."
        )
    import matplotlib.pyplot as plt

    table, chosen = found.table, found.choices
    figure, (ax, low) = plt.subplots(
        2, 1, figsize=(5.8, 4.2 + 0.19 * len(chosen)), height_ratios=[3.4, 0.3 + 0.19 * len(chosen)], sharex=True,
        layout="constrained",
    )  # fmt: skip
    for k, name in enumerate(("AIC", "aBIC", "BIC")):
        x, y = table.index.to_numpy(), table[name].to_numpy()
        ax.plot(x, y, f"-{MARKERS[k]}", color=COLOURS[k], label=name, markersize=5)
        if np.isfinite(y).any():
            ax.plot(x[np.nanargmin(y)], np.nanmin(y), "o", mfc="none", mec=COLOURS[k], markersize=13, mew=1.5)
    ax.set_ylabel("information criterion (smaller is better)")
    _draw_choices(low, chosen, int(table.index.max()))
    weak = table.index[table["replicated"] < 2]
    low.set_xticks(table.index, [f"{k}*" if k in weak else str(k) for k in table.index])
    low.set_xlabel("classes (* best value not replicated)" if len(weak) else "classes")
    bare(ax)
    figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    return ax


def _draw_choices(ax: Axes, chosen: Mapping[str, int | None], largest: int) -> None:
    """Mark how many classes each criterion would choose, an arrow where it would choose more than there are."""
    names = list(chosen)
    for y, k in enumerate(chosen.values()):
        ax.plot(largest if k is None else k, y, ">" if k is None else "o", color=COLOURS[0])
    ax.set_yticks(range(len(names)), [n if k else f"{n} (more)" for n, k in chosen.items()])
    ax.set_ylim(max(len(names), 1) - 0.5, -0.5)
    ax.set_ylabel("chosen by")
    ax.grid(axis="y", color="0.9")
    bare(ax, "x")
