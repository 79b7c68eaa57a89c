"""Trajectories of the classes of a growth model, with the persons behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmix.data import as_frame
from bayesmix.plots.style import COLOURS, bare, class_word, legend
from bayesmix.results import Estimates, Fit
from bayesmix.results import trajectories as table_of
from bayesmix.spec import Model, takes_level
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
) -> Axes:
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
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        As :func:`bayesmix.trajectories`; the data are not those of the fit.

    Examples
    --------
    >>> ax = bm.plots.trajectories(growing)
    """
    import matplotlib.pyplot as plt

    table, model = table_of(result, df, time=time), Estimates.of(result).model
    _, ax = plt.subplots(figsize=(6.2, 4.0), layout="constrained")
    classes = list(dict.fromkeys(table.index.get_level_values("class")))
    if df is not None and lines and isinstance(result, Fit):
        _persons(ax, result, model, as_frame(df), lines, table)
    for k, c in enumerate(classes):
        own, colour = table.xs(c, level="class"), COLOURS[k % len(COLOURS)]
        style = "-" if k < len(COLOURS) else "--"
        ax.plot(own.index, own["expected"], style, color=colour, linewidth=2.2, label=class_word(str(c)), zorder=3)
        low, high = own["lower"].to_numpy(), own["upper"].to_numpy()
        ax.fill_between(own.index, low, high, color=colour, alpha=0.22, linewidth=0.0, zorder=2)
        there = own[own["occasion"] != ""]
        ax.plot(there.index, there["expected"], "o", color=colour, markersize=4, zorder=4)
    ax.set(xlabel=table.attrs["time"], ylabel=_measure(model))
    bare(ax)
    legend(np.array([ax]), _labels(result, model, classes))
    return ax


def _measure(model: Model) -> str:
    """Label the measure: its column, or that of several occasions in short."""
    items = model.responses[0].items
    family = model.responses[0].family
    what = items[0] if len(items) == 1 else f"{items[0]} ... {items[-1]}"
    return f"P({what})" if family.finite and not family.ordered else what


def _labels(result: Any, model: Model, classes: list[Any]) -> list[str]:
    """Name the classes, with their sizes."""
    estimates = Estimates.of(result)
    name = f"{model.classes[0].name}_probability" if model.classes else ""
    if name in estimates and (sizes := estimates[name].value).ndim == 1:
        return [f"Class {k} ({p:.0%})" for k, p in zip(classes, sizes.values, strict=True)]
    return [class_word(str(k)) for k in classes]


def _persons(ax: Axes, fit: Fit, model: Model, df: pd.DataFrame, lines: int, table: pd.DataFrame) -> None:
    """Draw persons: measures over time, in the colour of the most likely class."""
    rng, r = np.random.default_rng(SEED), model.responses[0]
    if model.sums:
        times = table[table["occasion"] != ""].reset_index().drop_duplicates("occasion").set_index("occasion")["time"]
        y = df[list(r.items)].to_numpy(dtype=float) if r.family.kind != "categorical" else _codes(df, r)
        modal = _modal(fit, model, len(df))
        chosen = np.sort(rng.choice(len(df), min(lines, len(df)), replace=False))
        each = [(times.loc[list(r.items)].to_numpy(dtype=float), y[i], modal[i]) for i in chosen]
    else:
        modal_of = _modal_clusters(fit, model)
        persons = rng.permutation(df[cast(str, model.cluster)].dropna().unique())[:lines]
        column = str(table.attrs["time"])
        each = []
        for p in persons:
            own = df[df[cast(str, model.cluster)] == p].sort_values(column)
            each.append((own[column].to_numpy(dtype=float), own[r.items[0]].to_numpy(dtype=float), modal_of.get(p, 0)))
    for x, y_own, k in each:
        seen = ~np.isnan(y_own)
        colour = COLOURS[k % len(COLOURS)]
        ax.plot(x[seen], y_own[seen], "-" if seen.sum() > 1 else ".", color=colour, alpha=0.16, linewidth=0.8, zorder=1)


def _codes(df: pd.DataFrame, r: Any) -> Array:
    """Answers as numbers, those of text by the order of their categories."""
    columns = [
        df[i]
        if pd.api.types.is_numeric_dtype(df[i])
        else pd.Series(pd.Categorical(df[i]).codes, df.index).replace(-1, np.nan)
        for i in r.items
    ]
    return np.stack([np.asarray(c, dtype=float) for c in columns], axis=1)


def _modal(fit: Fit, model: Model, n: int) -> NDArray[np.int64]:
    """The most likely class of each row, the first where there is one class alone or no answer."""
    name = model.classes[0].name
    if f"{name}_posterior" not in fit.classes:
        return np.zeros(n, dtype=np.int64)
    p = np.nan_to_num(fit.classes[f"{name}_posterior"].values)
    if len(p) != n:
        raise ValueError(f"The data came with {n} rows, those of the fit are {len(p)}: give the data of the fit.")
    return p.argmax(axis=1).astype(np.int64)


def _modal_clusters(fit: Fit, model: Model) -> dict[Any, int]:
    """The most likely class of each person of the long form."""
    if not model.classes:
        return {}
    table = fit.classes[f"{model.classes[0].name}_posterior"]
    return dict(zip(table["cluster"].values.tolist(), table.values.argmax(axis=1).tolist(), strict=True))
