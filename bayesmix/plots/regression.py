"""Pictures of regressions: the outcome by class, and coefficients by cluster. Figs 1, 5, 6 and 8 of the 2009 paper."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from bayesmix.data import as_frame, frame_weights, missing_column
from bayesmix.plots.style import COLOURS, bare
from bayesmix.results import Estimates, Fit, check_two_level_regression, coefficients
from bayesmix.spec import Model
from bayesmix.typing import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_GROUPS, MOST_BINS = 4, 40
"""Values of a covariate and bins that a histogram shows."""


# the outcome by class -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Outcome:
    """Rows in the analysis: outcome, frequency, class probabilities, true class (-1 for none), group."""

    item: str
    y: Array
    weight: Array
    p: Array
    classes: list[str]
    true: NDArray[np.int64]
    group: NDArray[np.int64]
    groups: list[str]

    def of(self, g: int) -> _Outcome:
        """One group."""
        here = self.group == g
        kept = {k: getattr(self, k)[here] for k in ("y", "weight", "p", "true", "group")}
        return replace(self, **kept)


def outcome(
    fit: Fit,
    df: pd.DataFrame,
    by: str | None = None,
    truth: str | None = None,
    name: str | None = None,
    item: str | None = None,
) -> NDArray[Any]:
    """Histograms of the outcome of a regression by class and by a covariate: Figs 1 and 5 of the 2009 paper.

    An individual counts in each class with its posterior probability.

    Parameters
    ----------
    fit : Fit
        Of a regression.
    df : pandas.DataFrame
        The data of the fit.
    by : str, optional
        A column of at most four values, such as the sex: a row of panels for each.
    truth : str, optional
        A column of true classes, of generated data: outlines, each with the class of the fit with which it
        agrees best.
    name : str, optional
        The class variable; the first one if left out.
    item : str, optional
        The outcome, of a regression of several; the first of them if left out.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes
        A row of panels for each value, a column for each class; last the observed distributions, the values
        beside each other. They are all there is in a model without classes.

    Raises
    ------
    ValueError
        The fit is no regression, or the outcome is none of its or no number; a column is missing or has too many
        values; the data are not those of the fit.

    Examples
    --------
    >>> axes = bm.plots.outcome(regression, df)
    """
    if not isinstance(fit, Fit):
        raise TypeError(f"The fit came as {type(fit).__name__}, expected what bm.fit returns: give one.")
    o = _gathered(fit, as_frame(df), by, truth, name, item)
    bins = _bins(o.y)
    panels, observed = _panels(len(o.groups), len(o.classes))
    for g, k in np.ndindex(panels.shape):
        _draw_class(cast(Any, panels[g, k]), o.of(g), k, bins, COLOURS[g])
    for k, title in enumerate(o.classes):
        panels[0, k].set_title(f"{title}\n{panels[0, k].get_title()}", fontsize="medium")
    for g in range(len(panels)):
        panels[g, 0].set_ylabel("\n".join(filter(None, [o.groups[g], "individuals"])))
    _draw_observed(observed, o, bins)
    handles, labels = panels[0, 0].get_legend_handles_labels() if panels.size else ([], [])
    more = observed.get_legend_handles_labels() if o.groups[0] else ([], [])
    if handles or more[0]:
        observed.figure.legend(
            [*more[0], *handles], [*more[1], *labels], loc="outside upper center", ncols=5, frameon=False
        )
    return np.array([*panels.ravel(), observed], dtype=object)


def _gathered(
    fit: Fit, df: pd.DataFrame, by: str | None, truth: str | None, name: str | None, item: str | None
) -> _Outcome:
    items = fit.info["items"]
    if len(items) != 1 and not all(r.of_outcomes for r in fit.model.responses):
        raise ValueError(f"The fit has {len(items)} items, expected the one outcome of a regression.")
    if item is not None and item not in items:
        raise ValueError(f"item came as '{item}', which is no outcome of the fit: give one of {', '.join(items)}.")
    items = [item or items[0]]
    for column in [*items, *(c for c in (by, truth) if c)]:
        if column not in df.columns:
            raise ValueError(missing_column(column, df))
    _check_rows(fit, df)
    if not pd.api.types.is_numeric_dtype(df[items[0]]):
        raise ValueError(f"The outcome '{items[0]}' is no number: a histogram takes numbers.")
    y = df[items[0]].to_numpy(dtype=float, na_value=np.nan)
    weight = frame_weights(fit.model, df)
    p, classes = _probabilities(fit, df, name)
    used = ~np.isnan(y) & ~np.isnan(p).any(axis=1) & (weight > 0)
    group, groups = _groups(df, by, used)
    true = np.full(len(df), -1) if truth is None else _matched(df[truth], truth, p, used)
    return _Outcome(str(items[0]), y[used], weight[used], p[used], classes, true[used], group[used], groups)


def _check_rows(fit: Fit, df: pd.DataFrame) -> None:
    if len(df) != fit.info["n_rows"]:
        raise ValueError(f"The data have {len(df)} rows, those of the fit {fit.info['n_rows']}: give the same.")


def _probabilities(fit: Fit, df: pd.DataFrame, name: str | None) -> tuple[Array, list[str]]:
    """Posterior class probabilities of the rows, and the titles of the classes."""
    if name is None and not fit.class_variables:
        return np.zeros((len(df), 0)), []
    of_rows = [n for n in fit.class_variables if "row" in fit.classes[f"{n}_posterior"].dims]
    name = name or (of_rows or fit.class_variables)[0]
    table = fit.class_probabilities(name)
    values = table[[c for c in table.columns if c != "most_likely"]]
    if name not in of_rows:
        values = values.reindex(df[fit.info["cluster"]])
    shares = fit.class_counts(name)["posterior %"]
    return values.to_numpy(dtype=float), [f"{name} = {k} ({share:.0%})" for k, share in shares.items()]


def _groups(df: pd.DataFrame, by: str | None, used: NDArray[np.bool_]) -> tuple[NDArray[np.int64], list[str]]:
    if by is None:
        return np.zeros(len(df), dtype=np.int64), [""]
    codes, values = pd.factorize(df[by].where(used), sort=True)
    if not 0 < len(values) <= MOST_GROUPS:
        raise ValueError(
            f"'{by}' has {len(values)} values, and a picture has room for {MOST_GROUPS}: give a column of groups, such "
            f"as pd.qcut(df['{by}'], 3)."
        )
    if gone := int((codes[used] < 0).sum()):
        raise ValueError(f"'{by}' is missing in {gone} rows: drop them, and fit without them.")
    return codes, [f"{by} = {int(v) if isinstance(v, float) and v.is_integer() else v}" for v in values]


def _matched(column: pd.Series, truth: str, p: Array, used: NDArray[np.bool_]) -> NDArray[np.int64]:
    """True classes as positions of the classes of the fit, so that they agree as far as they can."""
    codes, values = pd.factorize(column.where(used), sort=True)
    if len(values) > p.shape[1]:
        raise ValueError(f"'{truth}' has {len(values)} classes, the fit {p.shape[1]}: give the column of true classes.")
    here = used & (codes >= 0)
    agree = np.stack([p[here & (codes == k)].sum(axis=0) for k in range(len(values))])
    to = np.append(linear_sum_assignment(-agree)[1], -1)
    return to[codes]


def _bins(y: Array) -> list[float]:
    """One for each whole number, where there are few of them; else of one width."""
    low, high = float(y.min()), float(y.max())
    if (y == np.round(y)).all() and high - low < MOST_BINS:
        return np.arange(low - 0.5, high + 1.0).tolist()
    edges = np.histogram_bin_edges(y, "auto")
    return (edges if len(edges) <= MOST_BINS else np.linspace(low, high, MOST_BINS + 1)).tolist()


def _panels(groups: int, classes: int) -> tuple[NDArray[Any], Axes]:
    """Panels (group, class) of common axes, and one beneath them."""
    import matplotlib.pyplot as plt

    rows, columns = (groups, classes) if classes else (0, 1)
    size = (1.0 + max(2.6 * columns, 4.6), 0.6 + 2.0 * rows + 2.5)
    figure = plt.figure(figsize=size, layout="constrained")
    grid = figure.add_gridspec(rows + 1, columns, height_ratios=[*[1.0] * rows, 1.25])
    panels: NDArray[Any] = np.empty((rows, classes), dtype=object)
    for at in np.ndindex(panels.shape):
        first = cast(Any, panels[0, 0] if any(at) else None)
        ax = figure.add_subplot(grid[at], sharex=first, sharey=first)
        ax.tick_params(labelbottom=at[0] == rows - 1, labelleft=at[1] == 0)
        panels[at] = ax
    first = cast(Any, panels[0, 0] if panels.size else None)
    return panels, figure.add_subplot(grid[rows, :], sharex=first)


def _draw_class(ax: Axes, o: _Outcome, k: int, bins: list[float], colour: str) -> None:
    w = o.weight * o.p[:, k]
    ax.hist(o.y, bins, weights=w, color=colour, alpha=0.75, edgecolor="white", linewidth=0.4)
    if (o.true >= 0).any():
        here = o.true == k
        outline = {"histtype": "step", "color": "0.1", "linewidth": 1.2, "label": "true class"}
        ax.hist(o.y[here], bins, weights=o.weight[here], **outline)
    mean = np.average(o.y, weights=w) if w.sum() > 0 else np.nan
    ax.set_title(f"mean {mean:.2f}, n = {w.sum():.0f}", fontsize="medium")
    bare(ax)


def _draw_observed(ax: Axes, o: _Outcome, bins: list[float]) -> None:
    each = [o.of(g) for g in range(len(o.groups))]
    colours = list(COLOURS[: len(each)])
    looks = {"alpha": 0.75, "edgecolor": "white", "linewidth": 0.4, "label": o.groups}
    ax.hist([e.y for e in each], bins, weights=[e.weight for e in each], color=colours, **looks)
    ax.set(xlabel=o.item, ylabel="individuals")
    ax.set_title("observed", fontsize="medium")
    bare(ax)


# coefficients of clusters -------------------------------------------------------------------------


def random_effects(result: Fit | xr.DataTree, df: pd.DataFrame, slope: str | None = None, intercept: str = "1") -> Axes:
    """A coefficient of each cluster against its intercept: Figs 6 and 8 of the 2009 paper.

    The means of :func:`bayesmix.coefficients`: beta_kj of R(11)-R(12), R(20)-R(22), the fixed part, covariates of
    clusters and u_kj together, averaged over classes.

    Parameters
    ----------
    result : Fit or xarray.DataTree
        Of a two-level regression; a posterior with sampled effects.
    df : pandas.DataFrame
        The data.
    slope, intercept : str
        Columns of the regression, ``"1"`` for the intercept, on the y and on the x axis; the first random slope
        if left out. Of several outcomes they are named with the outcome, ``"y1: x"``; left out, the first random
        slope against the intercept of its outcome, or the intercepts of two outcomes.

    Returns
    -------
    matplotlib.axes.Axes
        The title says in how many clusters the slope is above zero, where the line is.

    Raises
    ------
    ValueError
        The model has no random slope, or no such coefficient, or it is the same in all clusters; the
        posterior has no sampled effects.

    Examples
    --------
    >>> axes = bm.plots.random_effects(slopes, df)
    """
    model = Estimates.of(result).model
    slope, intercept = _chosen(model, slope, intercept)
    table = coefficients(result, df)
    import matplotlib.pyplot as plt

    y, x = (_varying(table, k) for k in (slope, intercept))
    _, ax = plt.subplots(figsize=(5.8, 4.8), layout="constrained")
    ax.axhline(0.0, color="0.35", linewidth=1.0, linestyle="--", zorder=1)
    ax.plot(x, y, "o", color=COLOURS[0], markersize=5 if len(x) < 300 else 3.5, alpha=0.7, markeredgewidth=0)
    above = int((y > 0).sum())
    what = _word(slope)
    ax.set_title(f"{what} above zero in {above} of {len(y)} clusters ({above / len(y):.0%})", fontsize="medium")
    ending = "" if not model.classes else ", averaged over classes"
    ax.set(xlabel=f"{_axis(intercept)}{ending}", ylabel=f"{_axis(slope)}{ending}")
    bare(ax, "both")
    return ax


def _word(term: str) -> str:
    """Word a coefficient: ``slope of x``, of several outcomes ``slope of x (y1)``."""
    outcome, mark, own = term.rpartition(": ")
    return f"{'intercept' if own == '1' else f'slope of {own}'}{f' ({outcome})' if mark else ''}"


def _axis(term: str) -> str:
    """Word the label of the axis of the coefficient of `term`."""
    return f"random {_word(term)}"


def _chosen(model: Model, slope: str | None, intercept: str) -> tuple[str, str]:
    """The coefficients on the y and on the x axis."""
    check_two_level_regression(model)
    several = all(r.of_outcomes for r in model.responses)
    if slope is None:
        slopes, intercepts = _random(model)
        if not slopes and len(intercepts) > 1:
            return intercepts[1], intercepts[0] if intercept == "1" else intercept
        slope = _first_slope(slopes)
    if several and intercept == "1":
        intercept = f"{slope.rpartition(': ')[0]}: 1"
    return slope, intercept


def _random(model: Model) -> tuple[list[str], list[str]]:
    """The random slopes of a regression, and its random intercepts; of several outcomes with their names."""
    found = []
    for r in model.responses:
        for t in (t for t in r.predictor if t.effects):
            only = (t.covariates.only or ()) if t.covariates else ("1",)
            names = [(r.items[i], only[k]) for _, i, k in r.coefficients(t) if k < len(only)]
            found += [f"{item}: {k}" if r.of_outcomes else k for item, k in names]
    return [k for k in found if k.rpartition(": ")[2] != "1"], [k for k in found if k.rpartition(": ")[2] == "1"]


def _first_slope(random: list[str]) -> str:
    """Find the first random slope among those of a regression."""
    if not random:
        raise ValueError(
            "The model has no random slope: declare one, e.g. random='1 + female', or name a coefficient that "
            "covariates of clusters or classes move, slope='female'."
        )
    return random[0]


def _varying(table: pd.DataFrame, term: str) -> Array:
    """Read the means of the coefficient of `term` off `table`, which :func:`bayesmix.coefficients` returned."""
    terms = [str(k) for k in table if f"{k} sd" in table]
    if term not in terms:
        raise ValueError(f"'{term}' is no coefficient of the regression: there are {', '.join(terms)}.")
    x = table[term].to_numpy()
    if np.ptp(x) < 1e-9 * max(1.0, float(np.abs(x).max())):
        raise ValueError(f"The coefficient of '{term}' is the same in all clusters: there is nothing to draw.")
    return x
