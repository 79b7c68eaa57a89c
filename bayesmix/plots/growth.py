"""Trajectories of the classes of a growth model, with the persons behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmix.data import as_frame, columns_of_response
from bayesmix.plots.style import COLOURS, bare, class_word, legend
from bayesmix.results import Estimates, Fit
from bayesmix.results import trajectories as table_of
from bayesmix.spec import GROUP, Model, takes_level
from bayesmix.typing import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LINES, SEED = 200, 0
"""Lines of persons, beyond which a random part of them is drawn; the seed of that part."""


@takes_level
def trajectories(
    result: Fit | xr.DataTree,
    df: pd.DataFrame | None = None,
    *,
    time: str | None = None,
    lines: int = MOST_LINES,
    level: float | None = None,
) -> Axes | NDArray[Any]:
    """The expected trajectory of each class with its interval, over the lines of the persons in it.

    Draws what :func:`bayesmix.trajectories` returns. A person's line has the colour of the class it is most likely in.

    Parameters
    ----------
    result, time, level
        As there.
    df : pandas.DataFrame, optional
        The data of the fit, whose persons are drawn; without it there are the classes alone.
    lines : int
        Persons that are drawn at most, a random part of them; 0 for none.

    Returns
    -------
    matplotlib.axes.Axes or numpy.ndarray of matplotlib.axes.Axes
        One for each observed group, where something differs between these.

    Raises
    ------
    ValueError
        As :func:`bayesmix.trajectories`; the data are not those of the fit.

    Examples
    --------
    >>> ax = bm.plots.trajectories(growing)
    """
    import matplotlib.pyplot as plt

    whole, model = table_of(result, df, time=time), Estimates.of(result).model
    by_group = GROUP in whole.index.names
    groups = list(dict.fromkeys(whole.index.get_level_values(GROUP))) if by_group else [None]
    width = 6.2 if not by_group else 4.4 * len(groups)
    _, axes = plt.subplots(1, len(groups), figsize=(width, 4.0), squeeze=False, sharey=True, layout="constrained")
    data = None if df is None or not (lines and isinstance(result, Fit)) else as_frame(df)
    each = None if data is None else _lines(cast(Fit, result), model, data, whole)
    for ax, group in zip(axes[0], groups, strict=True):
        table = whole if group is None else cast(pd.DataFrame, whole.xs(group, level=GROUP))
        if each is not None:
            _draw_lines(ax, [x for x in each if group is None or x.group == group], lines)
        _draw_classes(ax, table)
        ax.set(xlabel=whole.attrs["time"], ylabel=_measure(model) if ax is axes[0, 0] else "")
        ax.set_title("" if group is None else f"{model.group} = {group}")
        bare(ax)
    legend(axes[0], _labels(result, model, list(dict.fromkeys(whole.index.get_level_values("class")))))
    return axes[0] if by_group else axes[0, 0]


def _draw_classes(ax: Axes, table: pd.DataFrame) -> None:
    """Draw the expected trajectory of each class, its interval, and points where it was measured."""
    for k, c in enumerate(dict.fromkeys(table.index.get_level_values("class"))):
        own, colour = table.xs(c, level="class"), COLOURS[k % len(COLOURS)]
        style = "-" if k < len(COLOURS) else "--"
        ax.plot(own.index, own["expected"], style, color=colour, linewidth=2.2, label=class_word(str(c)), zorder=3)
        low, high = own["lower"].to_numpy(), own["upper"].to_numpy()
        ax.fill_between(own.index, low, high, color=colour, alpha=0.22, linewidth=0.0, zorder=2)
        there = own[own["occasion"] != ""]
        ax.plot(there.index, there["expected"], "o", color=colour, markersize=4, zorder=4)


def _measure(model: Model) -> str:
    """Label the measure: its column, or that of several occasions in short."""
    items, family = columns_of_response(model, model.responses[0]), model.responses[0].family
    what = items[0] if len(items) == 1 else f"{items[0]} ... {items[-1]}"
    return f"P({what})" if family.finite and not family.ordered else what


def _labels(result: Any, model: Model, classes: list[Any]) -> list[str]:
    """Name the classes, with their sizes."""
    estimates = Estimates.of(result)
    name = f"{model.classes[0].name}_probability" if model.classes else ""
    if name in estimates and (sizes := estimates[name].value).ndim == 1:
        return [f"Class {k} ({p:.0%})" for k, p in zip(classes, sizes.values, strict=True)]
    return [class_word(str(k)) for k in classes]


@dataclass(frozen=True)
class _Line:
    """The measures of a person over time, its most likely class, and its group."""

    times: Array
    y: Array
    modal: int
    group: Any = None


def _lines(fit: Fit, model: Model, df: pd.DataFrame, table: pd.DataFrame) -> list[_Line]:
    """The lines of all persons."""
    r = model.responses[0]
    groups = df[model.group].to_numpy() if model.group else np.full(len(df), None)
    if model.sums and model.repeated is None:
        times = table[table["occasion"] != ""].reset_index().drop_duplicates("occasion").set_index("occasion")["time"]
        y = df[list(r.items)].to_numpy(dtype=float) if r.family.kind != "categorical" else _codes(df, list(r.items))
        modal, at = _modal(fit, model, len(df)), times.loc[list(r.items)].to_numpy(dtype=float)
        return [_Line(at, y[i], modal[i], groups[i]) for i in range(len(df))]
    (outcome,), person = columns_of_response(model, r), model.repeated.person if model.repeated else str(model.cluster)
    modal_of = _modal_of(fit, model, "row" if model.repeated else "cluster")
    y = df[outcome].to_numpy(dtype=float) if r.family.kind != "categorical" else _codes(df, [outcome])[:, 0]
    x = df[str(table.attrs["time"])].to_numpy(dtype=float)
    out = []
    indices: dict[Any, Any] = df.groupby(person, sort=True).indices
    for p, at in indices.items():
        own = at[np.argsort(x[at], kind="stable")]
        out.append(_Line(x[own], y[own], modal_of.get(p, 0), groups[own[0]]))
    return out


def _draw_lines(ax: Axes, each: list[_Line], lines: int) -> None:
    """Draw persons: measures over time, in the colour of the most likely class."""
    chosen = np.sort(np.random.default_rng(SEED).choice(len(each), min(lines, len(each)), replace=False))
    for one in (each[k] for k in chosen):
        seen = ~np.isnan(one.y)
        colour = COLOURS[one.modal % len(COLOURS)]
        style = "-" if seen.sum() > 1 else "."
        ax.plot(one.times[seen], one.y[seen], style, color=colour, alpha=0.16, linewidth=0.8, zorder=1)


def _codes(df: pd.DataFrame, columns: list[str]) -> Array:
    """Answers as numbers, those of text by the order of their categories."""
    each = [
        df[i]
        if pd.api.types.is_numeric_dtype(df[i])
        else pd.Series(pd.Categorical(df[i]).codes, df.index).replace(-1, np.nan)
        for i in columns
    ]
    return np.stack([np.asarray(c, dtype=float) for c in each], axis=1)


def _modal(fit: Fit, model: Model, n: int) -> NDArray[np.int64]:
    """The most likely class of each row, the first where there is one class alone or no answer."""
    name = model.classes[0].name
    if f"{name}_posterior" not in fit.classes:
        return np.zeros(n, dtype=np.int64)
    p = np.nan_to_num(fit.classes[f"{name}_posterior"].values)
    if len(p) != n:
        raise ValueError(f"The data came with {n} rows, those of the fit are {len(p)}: give the data of the fit.")
    return p.argmax(axis=1).astype(np.int64)


def _modal_of(fit: Fit, model: Model, dim: str) -> dict[Any, int]:
    """The most likely class of each person of the long form, by its label."""
    name = f"{model.classes[0].name}_posterior" if model.classes else ""
    if name not in fit.classes:
        return {}
    table = fit.classes[name]
    modal = np.nan_to_num(table.values).argmax(axis=1)
    return dict(zip(table[dim].values.tolist(), modal.tolist(), strict=True))
