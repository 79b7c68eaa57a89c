"""Trajectories of classes, and of groups: the expected measure over time, with intervals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pandas as pd
import xarray as xr
from pytensor import config
from pytensor import xtensor as px

from bayesmix.data import Dataset, as_frame, coding_of, family_constants
from bayesmix.graph import Problem, pytensor_mode
from bayesmix.parallel import COMPILING
from bayesmix.results.class_logits import NORMAL, linear_effects, linear_predictor
from bayesmix.results.estimates import Estimates
from bayesmix.results.fit import Fit
from bayesmix.results.labels import entries
from bayesmix.results.responses import covariate_means
from bayesmix.results.uncertainty import Uncertainty
from bayesmix.spec import (
    GROUP,
    IDENTITY,
    LOG,
    LOGIT,
    Constraints,
    Covariates,
    Model,
    Named,
    Response,
    Scale,
    Term,
    gauss_hermite,
    lower,
    parse_formula,
    tails,
    takes_level,
)
from bayesmix.spec.parameters import Parameter
from bayesmix.typing import Array

POINTS = 41
"""Times between the first and the last occasion."""
DRAWS = 400
"""Draws of a posterior, at most."""
NODES = 31
"""Nodes over a linear predictor, for the mean of what is not linear in it."""
STEP = 1e-2
"""A step of a derivative, in standard errors."""
Values = dict[str, xr.DataArray]


@takes_level
def trajectories(
    result: Fit | xr.DataTree,
    df: pd.DataFrame | None = None,
    *,
    time: str | None = None,
    points: int = POINTS,
    level: float | None = None,
) -> pd.DataFrame:
    """The expected trajectory of each class: E(y_t | C = c), over the growth factors of its persons.

    Of a normal measure the mean of the linear predictor; of others the mean over the distribution of the linear
    predictor within the class: the probability of a binary one, the mean category of an ordinal one, the mean count.

    Parameters
    ----------
    result : Fit or xarray.DataTree
        Of `bm.models.growth`; or of a regression of persons, in rows of measurements, where `time` is given and the
        classes are those of persons. Intervals of a fit are by the delta method, on the logit scale of probabilities
        and the log scale of counts; those of a posterior are equal-tailed.
    df : pandas.DataFrame, optional
        The data: covariates are at their means then, those of persons over persons, else at zero. The long form needs
        them.
    time : str, optional
        In the long form, the column of time; that of the model if left out. Write powers of it as ``I(time**2)``, so
        that they move with it.
    points : int
        Times between the first and the last, beside the occasions. Where times are free, or occasions have covariates
        or an inflation of their own, there are the occasions alone.
    level : float, optional
        Of the intervals; 0.95 if left out.

    Returns
    -------
    pandas.DataFrame
        A row a class and time, of each observed group where something differs between these: `expected`, `se`
        (posterior SD), `lower`, `upper`, and `occasion`, the column that was measured at this time, or nothing.
        Covariates are at the same values in all groups. NaN for the errors of what depends on a parameter at its
        boundary.

    Raises
    ------
    ValueError
        The model has no repeated measure; the long form without data.

    Examples
    --------
    >>> table = bm.trajectories(growing)
    >>> table.columns.tolist()
    ['expected', 'se', 'lower', 'upper', 'occasion']
    """
    estimates = Estimates.of(result)
    model = estimates.model
    if not (model.has_trajectories or (time is not None and model.is_regression_of_clusters)):
        raise ValueError(
            f"The model came as '{model.name}', whose outcomes are not repeated over time: trajectories are those of "
            "bm.models.growth, and of regressions of persons by cluster= without classes of rows, with time=."
        )
    if points < 2:
        raise ValueError(f"points came as {points!r}: give a whole number of at least 2.")
    r, points_of = model.responses[0], _Points.of(result, estimates)
    if model.sums and model.repeated is None:
        line = _wide_line(result, df, r, points_of, points)
    else:
        line = _long_line(result, df, time or model.time, points_of, points)
    expected = _expected(line.eta, r, points_of, estimates)
    return _table(expected, points_of, line, _scale(r))


@dataclass(frozen=True)
class _Line:
    """Linear predictors over (draw, class, normal, time): at the origin of standard normal effects and at 1 of each."""

    eta: xr.DataArray
    times: Array
    occasions: list[str]
    time: str = "time"


@dataclass(frozen=True)
class _Points:
    """Parameters at the points at which a trajectory is evaluated: draws, or an estimate and steps away from it."""

    values: Values
    covariance: Array | None
    steps: Array
    known: Uncertainty | None

    @classmethod
    def of(cls, result: Fit | xr.DataTree, estimates: Estimates) -> _Points:
        names = [p.name for p in estimates.model.parameters]
        if not isinstance(result, Fit):
            drawn = result["posterior"].to_dataset()[names].stack(draw_=("chain", "draw"), create_index=False)  # noqa: PD013
            some = np.unique(np.linspace(0, drawn.sizes["draw_"] - 1, DRAWS).astype(int))
            flat = drawn.isel(draw_=some).drop_vars(["chain", "draw"], errors="ignore").rename(draw_="draw")
            return cls({str(k): x.transpose("draw", ...) for k, x in flat.data_vars.items()}, None, np.zeros(0), None)
        held = {name: result.params[name] for name in names}
        if "slopes" not in result.uncertainty:
            return cls({k: x.expand_dims("draw") for k, x in held.items()}, None, np.zeros(0), None)
        known = Uncertainty.of(result)
        errors = np.sqrt(np.maximum(np.nan_to_num(np.diagonal(known.covariance)), 0.0))
        steps = np.where((errors > 0) & ~known.boundary, STEP * errors, 1e-6)
        moves = np.concatenate(
            [np.zeros((1, len(known.values))), steps[:, None] * known.slopes, -steps[:, None] * known.slopes]
        )
        out = {}
        for name, x in held.items():
            at = known.positions(entries(name, x))
            numbers = (known.values + moves)[:, at].reshape(len(moves), *x.shape)
            out[name] = xr.DataArray(numbers, dims=("draw", *x.dims), coords=x.coords)
        return cls(out, known.covariance, steps, known)


# linear predictors --------------------------------------------------------------------------------


def _wide_line(result: Fit | xr.DataTree, df: pd.DataFrame | None, r: Response, of: _Points, points: int) -> _Line:
    """Growth factors times scores, at the occasions and between them."""
    model = Estimates.of(result).model
    means = {} if df is None else covariate_means(result, df)
    effects = linear_effects(model, of.values, means)
    (loading, *more) = r.predictor
    scores, values = of.values[loading.parameter.name].isel(draw=0), of.values
    degree = scores.sizes[loading.effect_dim] - 1
    measured = (
        scores.isel({loading.effect_dim: min(degree, 1)}).values if degree else np.arange(len(r.items), dtype=float)
    )
    free = isinstance(result, Fit) and bool(result.free[loading.parameter.name].any())
    free = free or bool((of.values[loading.parameter.name].std("draw") > 0).any())
    inflation = r.auxiliary_term("inflation")
    apart = inflation is not None and r.item_dim in inflation.dims  # there is none between two occasions
    if free or more or apart or not degree:
        times = np.arange(len(r.items), dtype=float) if free else measured
        eta = linear_predictor(r.predictor, values, means, effects)
        return _Line(eta.rename({r.item_dim: "time"}).drop_vars("time", errors="ignore"), times, list(r.items))
    times = np.unique(np.concatenate([measured, np.linspace(measured.min(), measured.max(), points)]))
    grid = xr.DataArray([times**k for k in range(degree + 1)], dims=(loading.effect_dim, "time"))
    eta = linear_predictor((loading,), {**values, loading.parameter.name: grid}, means, effects)
    names = {float(t): i for t, i in zip(measured, r.items, strict=True)}
    return _Line(eta, times, [names.get(float(t), "") for t in times])


def _long_line(result: Fit | xr.DataTree, df: pd.DataFrame | None, time: str | None, of: _Points, points: int) -> _Line:
    """Coefficients times the columns that the formula makes of times."""
    if df is None:
        raise ValueError("The trajectories of the long form came without data: give df=, which has the times.")
    estimates, df = Estimates.of(result), as_frame(df)
    model = estimates.model
    used = [c for k in model.covariates if k.level == "individual" and not k.cells for c in parse_formula(k.formula)]
    if time is None or time not in df or not pd.api.types.is_numeric_dtype(df[time]):
        raise ValueError(
            f"time came as {time!r}: give a numeric column of the data, one of {', '.join(dict.fromkeys(used))}."
        )
    times = np.linspace(float(df[time].min()), float(df[time].max()), points)
    columns = _columns_at(model, df, time, times, result)
    effects = linear_effects(model, of.values, columns)
    eta = linear_predictor(model.responses[0].predictor, of.values, columns, effects)
    return _Line(eta if "time" in eta.dims else eta.expand_dims(time=len(times)), times, [""] * len(times), time)


def _columns_at(model: Model, df: pd.DataFrame, time: str, times: Array, result: Fit | xr.DataTree) -> Values:
    """Design columns at the times, other covariates at their means or most frequent levels."""
    rows = _centres(model, df)
    first = _of_one_spread(model.responses[0])
    if model.repeated is not None:
        first = _of_rows(first, model.repeated.outcome)
    model = replace(model, responses=(first,), constraints=Constraints(), repeated=None)
    used = dict.fromkeys(c for k in model.covariates for c in _columns_of(k))
    grid = pd.DataFrame({**{c: [x] * len(times) for c, x in rows.items()}, time: times})
    for c in (c for c in used if isinstance(df[c].dtype, pd.CategoricalDtype)):
        grid[c] = pd.Categorical(grid[c], dtype=cast(pd.CategoricalDtype, df[c].dtype))
    grid[list(model.items)] = np.nan
    if model.cluster:
        grid[model.cluster] = df[model.cluster].iloc[0]
    if model.freq:
        grid[model.freq] = 1
    if model.group:
        grid[model.group] = df[model.group].iloc[0]
    coding = (
        coding_of(model, result.params, df) if isinstance(result, Fit) else Problem.of(Dataset.encode(model, df)).coding
    )
    encoded = Dataset.encode(model, grid, coding, unanswered=True)
    data = Problem.of(encoded, sampled=("individual", "cluster"), collapse=False)
    out = {}
    for c in model.covariates:
        x = data.user_columns[c.name]
        over = ("time", c.name) if x.dims[0] == "individual" else (c.name,)
        out[c.name] = xr.DataArray(x.values if x.dims[0] == "individual" else x.values[0], dims=over)
    return out


def _centres(model: Model, df: pd.DataFrame) -> dict[str, Any]:
    """The mean or the most frequent level of each covariate over rows with an answer; of those of persons over these.

    Who was measured more often counts once there, as in rows of persons.
    """
    person, outcome = str(model.cluster), model.items[0]
    if model.repeated is not None:
        person, outcome = model.repeated.person, model.repeated.outcome
    answered = df[df[outcome].notna()]
    each = answered.groupby(person, sort=False).first() if person in df else answered
    out: dict[str, Any] = {}
    for k in model.covariates:
        of_rows = k.level == "individual" and (k.rows or model.repeated is None)
        varying = parse_formula(k.times or k.formula) if of_rows else ()
        for c in _columns_of(k):
            x = answered[c] if c in varying or c not in each else each[c]
            out[c] = x.mean() if pd.api.types.is_numeric_dtype(x) else x.mode().iloc[0]
    return out


def _of_rows(r: Response, outcome: str) -> Response:
    """The response of repeated measures of one column, whose covariates are those of a time."""
    spread = [replace(t, parameter=_without(t.parameter, r.item_dim)) for t in r.auxiliary]
    eta = tuple(map(_of_one_row, r.predictor))
    return replace(r, items=(outcome,), labels=(), predictor=eta, auxiliary=tuple(spread))


def _of_one_row(t: Term) -> Term:
    return t if t.covariates is None else replace(t, covariates=replace(t.covariates, rows=False))


def _without(p: Parameter, dim: str) -> Parameter:
    return replace(p, dims=tuple(d for d in p.dims if d != dim))


def _of_one_spread(r: Response) -> Response:
    """The response without what its residual variances differ by: a time between the occasions has none of these."""

    def common(t: Term) -> Term:
        if (c := t.covariates) is None or not c.cells:
            return t
        return replace(t, parameter=_without(t.parameter, c.name), covariates=None)

    return replace(r, auxiliary=tuple(map(common, r.auxiliary)))


def _columns_of(c: Covariates) -> list[str]:
    return [*parse_formula(c.formula), *(parse_formula(c.times) if c.times else [])]


# means --------------------------------------------------------------------------------------------


def _expected(eta: xr.DataArray, r: Response, of: _Points, estimates: Estimates) -> xr.DataArray:
    """The expected measure over (draw, group, class, time), without groups where nothing differs between them."""
    further = {str(d) for t in r.auxiliary if not r.family.gaussian for d in of.values[t.parameter.name].dims}
    for d in (c for c in (GROUP, *(c.name for c in estimates.model.classes)) if c in further - {*eta.dims}):
        eta = eta.expand_dims({d: next(x[d] for x in of.values.values() if d in x.dims)})
    classes = [c for c in (GROUP, *(c.name for c in estimates.model.classes)) if c in eta.dims]
    if NORMAL not in eta.dims:
        eta = eta.expand_dims({NORMAL: 1})
    eta = eta.expand_dims("draw") if "draw" not in eta.dims else eta
    eta = eta.transpose("draw", *classes, "time", NORMAL)
    if not {*classes} - {GROUP}:
        eta = eta.expand_dims({"class": [1]}, 1 + len(classes))
    at = eta.isel({NORMAL: 0})
    if r.family.gaussian:
        return at
    sd = ((eta.isel({NORMAL: slice(1, None)}) - at) ** 2).sum(NORMAL) ** 0.5
    z, log_weights = gauss_hermite(NODES).axis(1)
    nodes = at + sd * xr.DataArray(z, dims="node")
    mean = _mean(nodes, r, of, estimates)
    return (mean * xr.DataArray(np.exp(log_weights), dims="node")).sum("node")


def _mean(eta: xr.DataArray, r: Response, of: _Points, estimates: Estimates) -> xr.DataArray:
    """The family's mean at linear predictors: from the table of the graph."""
    eta = eta.transpose("draw", ...)
    shown = px.as_xtensor(eta.values, dims=[str(d) for d in eta.dims])
    further = {}
    for name, t in zip(r.family.auxiliary, r.auxiliary, strict=True):
        x = of.values[t.parameter.name]
        if r.item_dim in x.dims and x.sizes[r.item_dim] == eta.sizes["time"]:  # the occasions alone, in their order
            x = x.rename({r.item_dim: "time"})
        own = [r.item_dim, *([t.covariates.name] if t.covariates is not None and t.covariates.cells else [])]
        x = x.mean([d for d in own if d in x.dims])  # of a grid of times: what the mean does not depend on
        x = x.expand_dims("draw") if "draw" not in x.dims else x
        further[name] = px.as_xtensor(x.values, dims=[str(d) for d in x.dims])
    answers = estimates.categories.get(str(r.items[0]), [])
    width = max(len(answers), 2)
    made = family_constants(r, None, np.full(len(r.items), width), width)
    constants = {k: _alike(x, r.item_dim) for k, x in made.items()}
    symbolic = r.family.table(shown, constants, **further)
    with COMPILING, config.change_flags(cxx=""):
        numeric = np.asarray(lower(symbolic.values).eval(mode=pytensor_mode("NUMPY")))
    table = xr.DataArray(numeric, dims=symbolic.dims).transpose(*eta.dims, "feature")
    found = r.family.mean(table.values, {})
    if r.family.finite:
        found = found @ _codes(answers, r)
    return xr.DataArray(found, dims=eta.dims, coords=eta.coords)


def _alike(x: Named, item_dim: str) -> Any:
    """What a family knows of its items, where all of them are the same measure: of the first."""
    of_items = x.dims[:1] == (item_dim,)
    return px.as_xtensor(x.values[0] if of_items else x.values, dims=x.dims[1:] if of_items else x.dims)


def _codes(answers: list[str], r: Response) -> Array:
    """Numbers of the categories: 0 and 1 of a binary measure; of an ordinal one those that came, or 1, 2, ..."""
    if not r.family.ordered:
        return np.array([0.0, 1.0])
    try:
        return np.array([float(a) for a in answers])
    except ValueError:
        return np.arange(1.0, len(answers) + 1.0)


def _scale(r: Response) -> Scale:
    """Where the interval of an expected measure is symmetric."""
    if r.family.kind == "count":
        return LOG
    return LOGIT if r.family.finite and not r.family.ordered else IDENTITY


def _table(expected: xr.DataArray, of: _Points, line: _Line, scale: Scale) -> pd.DataFrame:
    """Expected values with errors and intervals, a row a (group,) class and time."""
    x, names = expected.values, [str(d) for d in expected.dims[1:-1]]
    if of.known is None and x.shape[0] > 1:
        value, se = x.mean(axis=0), x.std(axis=0)
        ends = np.quantile(x, tails(), axis=0)
    else:
        value = x[0]
        se = _delta(x, of) if of.known is not None else np.full(value.shape, np.nan)
        ends = scale.interval(value, se, df=_degrees(x, of))
    over = [_labels(expected, name, size) for name, size in zip(names, x.shape[1:-1], strict=True)]
    words = [*(GROUP if name == GROUP else "class" for name in names), "time"]
    index = pd.MultiIndex.from_product([*over, line.times], names=words)
    columns = {"expected": value, "se": se, "lower": ends[0], "upper": ends[1]}
    table = pd.DataFrame({k: np.ravel(v) for k, v in columns.items()}, index=index)
    table = table.assign(occasion=line.occasions * (len(index) // len(line.times)))
    table.attrs["time"] = line.time
    return table


def _labels(x: xr.DataArray, name: str, size: int) -> list[Any]:
    """Labels of groups, numbers of classes."""
    return x[name].values.tolist() if name in x.coords else list(range(1, size + 1))


def _degrees(x: Array, of: _Points) -> Any:
    """Degrees of freedom of t, of a survey or of pooled imputations; None where the normal distribution holds."""
    if of.known is None:
        return None
    df = of.known.t_df(_slopes(x, of).reshape(len(of.steps), -1))
    return df.reshape(x.shape[1:]) if isinstance(df, np.ndarray) else df


def _slopes(x: Array, of: _Points) -> Array:
    """Derivatives of the points of a trajectory by theta."""
    n = len(of.steps)
    return (x[1 : n + 1] - x[n + 1 :]) / (2 * of.steps.reshape(-1, *[1] * (x.ndim - 1)))


def _delta(x: Array, of: _Points) -> Array:
    """Standard errors by the delta method; NaN of what depends on a parameter at its boundary."""
    assert of.known is not None
    assert of.covariance is not None
    flat = _slopes(x, of).reshape(len(of.steps), -1)
    variance = np.einsum("ik,ij,jk->k", flat, np.nan_to_num(of.covariance), flat)
    stuck = np.array([bool(of.known.at_boundary(column[:, None])) for column in flat.T])
    return np.where(stuck, np.nan, np.sqrt(np.maximum(variance, 0.0))).reshape(x.shape[1:])
