"""Pictures of regressions: the outcome by class, and coefficients by cluster. Figs 1, 5, 6 and 8 of the 2009 paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from bayesmix.data.design import design, missing_column
from bayesmix.graph.compile import LogLikelihood
from bayesmix.graph.nodes import adapted
from bayesmix.graph.problem import Problem, prepare
from bayesmix.graph.variance_components import of_effects
from bayesmix.plots.style import COLOURS, bare
from bayesmix.results.fit import Fit
from bayesmix.spec.effect_sums import by_effect
from bayesmix.spec.model import Covariates, Model, Term, check_model
from bayesmix.spec.parameters import Named

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]
Arrays = Mapping[str, xr.DataArray]
MOST_GROUPS, MOST_BINS, DRAWS = 4, 40, 100
"""Values of a covariate and bins that a histogram shows; draws of a posterior that are averaged."""


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
    fit: Fit, df: pd.DataFrame, by: str | None = None, truth: str | None = None, name: str | None = None
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

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes
        A row of panels for each value, a column for each class; last the observed distributions, the values
        beside each other. They are all there is in a model without classes.

    Raises
    ------
    ValueError
        The fit has several outcomes or one that is no number; a column is missing or has too many values;
        the data are not those of the fit.
    """
    if not isinstance(fit, Fit):
        raise TypeError(f"The fit came as {type(fit).__name__}, expected what bm.fit returns: give one.")
    o = _gathered(fit, df, by, truth, name)
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


def _gathered(fit: Fit, df: pd.DataFrame, by: str | None, truth: str | None, name: str | None) -> _Outcome:
    items = fit.info["items"]
    if len(items) != 1:
        raise ValueError(f"The fit has {len(items)} items, expected the one outcome of a regression.")
    for column in [*items, *(c for c in (by, truth) if c)]:
        if column not in df.columns:
            raise ValueError(missing_column(column, df))
    _check_rows(fit, df)
    if not pd.api.types.is_numeric_dtype(df[items[0]]):
        raise ValueError(f"The outcome '{items[0]}' is no number: a histogram takes numbers.")
    y = df[items[0]].to_numpy(dtype=float, na_value=np.nan)
    weight = df[fit.info["freq"]].to_numpy(dtype=float) if fit.info.get("freq") else np.ones(len(df))
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


def random_effects(
    model: Model, result: Fit | xr.DataTree, df: pd.DataFrame, slope: str | None = None, intercept: str = "1"
) -> Axes:
    """A coefficient of each cluster against its intercept: Figs 6 and 8 of the 2009 paper.

    Expected a posteriori: beta_kj of R(11)-R(12), R(20)-R(22), the fixed part, covariates of clusters and u_kj
    together. What depends on classes is averaged over the individuals of the cluster, each in each class
    with its posterior probability.

    Parameters
    ----------
    model : Model
        What the template returned.
    result : Fit or xarray.DataTree
        Its solution, or a posterior with sampled effects.
    df : pandas.DataFrame
        The data.
    slope, intercept : str
        Columns of the regression, ``"1"`` for the intercept, on the y and on the x axis; the first random slope
        if left out.

    Returns
    -------
    matplotlib.axes.Axes
        The title says in how many clusters the slope is above zero, where the line is.

    Raises
    ------
    ValueError
        The model has no random slope, or no such coefficient, or it is the same in all clusters; the
        posterior has no sampled effects.
    """
    check_model(model)
    import matplotlib.pyplot as plt

    slope = slope or _first_slope(model)
    found = coefficients(model, result, df)
    y, x = (_varying(found, k) for k in (slope, intercept))
    _, ax = plt.subplots(figsize=(5.8, 4.8), layout="constrained")
    ax.axhline(0.0, color="0.35", linewidth=1.0, linestyle="--", zorder=1)
    ax.plot(x, y, "o", color=COLOURS[0], markersize=5 if len(x) < 300 else 3.5, alpha=0.7, markeredgewidth=0)
    above = int((y > 0).sum())
    said = f"{'intercept' if slope == '1' else f'slope of {slope}'} above zero in {above} of {len(y)} clusters"
    ax.set_title(f"{said} ({above / len(y):.0%})", fontsize="medium")
    ends = "" if not model.classes else ", averaged over classes"
    ax.set(xlabel=f"{_said(intercept)}{ends}", ylabel=f"{_said(slope)}{ends}")
    bare(ax, "both")
    return ax


def _said(k: str) -> str:
    return "random intercept" if k == "1" else f"random slope of {k}"


def _first_slope(model: Model) -> str:
    drawn = [c for t in _predictor(model) if t.effects and t.covariates for c in t.covariates.only or () if c != "1"]
    if not drawn:
        raise ValueError(
            "The model has no random slope: declare one, e.g. random='1 + female', or name a coefficient that "
            "covariates of clusters or classes move, slope='female'."
        )
    return drawn[0]


def _varying(found: pd.DataFrame, k: str) -> Array:
    if k not in found:
        raise ValueError(f"'{k}' is no coefficient of the regression: there are {', '.join(found.columns)}.")
    if np.ptp(found[k]) < 1e-9 * max(1.0, float(np.abs(found[k]).max())):
        raise ValueError(f"The coefficient of '{k}' is the same in all clusters: there is nothing to draw.")
    return found[k].to_numpy()


def _predictor(model: Model) -> tuple[Term, ...]:
    if len(model.items) != 1 or not model.two_level:
        raise ValueError("Coefficients of clusters belong to a regression with a cluster column.")
    return model.responses[0].predictor


def coefficients(model: Model, result: Fit | xr.DataTree, df: pd.DataFrame) -> pd.DataFrame:
    """Coefficients of the clusters, a row a cluster: see :func:`random_effects`."""
    _predictor(model)
    where = _Clusters.of(model, df)
    if isinstance(result, Fit):
        _check_rows(result, df)
        effects = {str(k): v for k, v in result.effects().data_vars.items() if v.dims == ("cluster",)}
        found = where.coefficients({str(k): v for k, v in result.params.items()}, effects)
        means = {k: where.averaged(x, _weights(where, result, x.dims)) for k, x in found.items()}
        return pd.DataFrame(means, index=pd.Index(where.data.clusters or (), name=model.cluster))
    each = list(_at_draws(where, result))
    return sum(each[1:], each[0]) / len(each)


@dataclass(frozen=True)
class _Clusters:
    """The data of a regression and the design matrices of its cluster covariates."""

    model: Model
    df: pd.DataFrame
    data: Problem
    between: Arrays

    @classmethod
    def of(cls, model: Model, df: pd.DataFrame) -> _Clusters:
        data = prepare(model, df, sampled=tuple({e.level for e in model.effects}), collapse=False).on_user_scale()
        return cls(model, df, data, dict(_between(model, df, data)))

    def coefficients(self, values: Arrays, effects: Arrays) -> dict[str, xr.DataArray]:
        """Sums over the terms of the predictor; dims are the cluster and classes."""
        out: dict[str, xr.DataArray] = {}
        for t in _predictor(self.model):
            x = values[t.parameter.name]
            if t.effects:
                x = sum((part * effects[e] for e, part in by_effect(t, values)), xr.DataArray(0.0))
            for k, part in self._columns(t, x):
                out[k] = out[k] + part if k in out else part
        return out

    def _columns(self, t: Term, x: xr.DataArray) -> Iterator[tuple[str, xr.DataArray]]:
        """What a term adds to which coefficient."""
        if t.covariates is None:
            yield "1", x
        elif t.covariates.name in self.between:
            yield t.covariates.times or "1", (x * self.between[t.covariates.name]).sum(t.covariates.name)
        else:
            for k, column in enumerate(self.data.coords[t.covariates.name]):
                yield str(column), x.isel({t.covariates.name: k}, drop=True)

    def averaged(self, x: xr.DataArray, weights: xr.DataArray | None) -> Array:
        """Over classes, by cluster."""
        x = x if weights is None else (x * weights).sum([d for d in weights.dims if d != "cluster"])
        return np.broadcast_to(x.values, len(self.data.clusters or ())).astype(float)

    def by_cluster(self, p: xr.DataArray) -> xr.DataArray:
        """Means over the individuals of each cluster."""
        n, of = len(self.data.clusters or ()), self.data.cluster_of_row[self.data.pattern_of >= 0]  # pyright: ignore
        counts = self.data.counts
        flat = p.transpose("individual", ...).values
        total = np.zeros((n, *flat.shape[1:]))
        np.add.at(total, of, flat * counts.reshape(-1, *[1] * (flat.ndim - 1)))
        total /= np.bincount(of, counts, n).reshape(-1, *[1] * (flat.ndim - 1))
        return xr.DataArray(total, dims=("cluster", *(d for d in p.dims if d != "individual")))


def _between(model: Model, df: pd.DataFrame, data: Problem) -> Iterator[tuple[str, xr.DataArray]]:
    """Covariates of clusters by cluster, those of a slope too."""
    for t in _predictor(model):
        c = t.covariates
        if c is not None and (c.level == "cluster" or c.times):
            plain = Covariates(c.name, c.formula, "cluster")
            values = design(plain, df, data.pattern_of >= 0, data.cluster_of_row).values
            yield c.name, xr.DataArray(values, dims=("cluster", c.name), coords={c.name: data.coords[c.name]})


def _weights(where: _Clusters, fit: Fit, dims: Sequence[Any]) -> xr.DataArray | None:
    """Posterior probabilities of the classes among `dims` in each cluster."""
    names = tuple(c.name for c in where.model.classes if c.name in dims)
    if not names:
        return None
    if len(names) == 1:
        p, _ = _probabilities(fit, where.df, names[0])
        return where.by_cluster(xr.DataArray(p[where.data.pattern_of >= 0], dims=("individual", *names)))
    data = prepare(where.model, where.df, nodes=fit.nodes or None, collapse=False)
    theta = data.pack({str(k): v.values for k, v in fit.params.items()})
    return _posterior(where, adapted(data, theta), theta, names)


def _posterior(where: _Clusters, data: Problem, theta: Array, names: tuple[str, ...]) -> xr.DataArray:
    """P(classes | everything observed), by cluster."""
    (found,) = LogLikelihood(data).posterior(theta, ("individual", *names))
    p = np.asarray(found)
    p = p / p.sum(axis=tuple(range(1, p.ndim)), keepdims=True)
    return where.by_cluster(xr.DataArray(p, dims=("individual", *names)))


def _at_draws(where: _Clusters, post: xr.DataTree) -> Iterator[pd.DataFrame]:
    """The coefficients at some of the draws, the effects as they were drawn."""
    group = "posterior_raw" if "posterior_raw" in post.children else "posterior"
    drawn = post[group].to_dataset()
    if "z_cluster" not in drawn:
        raise ValueError("The posterior has no sampled effects: give bm.sample(..., effects='sample'), or the fit.")
    flat = drawn.stack(draws=("chain", "draw"), create_index=False).transpose("draws", ...)  # noqa: PD013
    model, data = where.model, where.data
    for s in np.unique(np.linspace(0, flat.sizes["draws"] - 1, DRAWS).astype(int)):
        values = {p.name: flat[p.name].isel(draws=s).drop_vars(["chain", "draw"]) for p in model.parameters}
        z = flat["z_cluster"].isel(draws=s).values
        effects = {
            e: sum((x * xr.DataArray(z[:, k], dims="cluster") for (_, k), x in parts.items()), xr.DataArray(0.0))
            for e, parts in of_effects(model, values, {}).items()  # pyright: ignore[reportArgumentType]
        }
        here = replace(data, arrays={**data.arrays, "z_cluster": Named(data.arrays["z_cluster"].dims, z)})
        theta = data.packing.pack({k: v.values for k, v in values.items()})
        found = where.coefficients(values, effects)
        means = {}
        for k, x in found.items():
            names = tuple(c.name for c in model.classes if c.name in x.dims)
            means[k] = where.averaged(x, _posterior(where, here, theta, names) if names else None)
        yield pd.DataFrame(means, index=pd.Index(data.clusters or (), name=model.cluster))
