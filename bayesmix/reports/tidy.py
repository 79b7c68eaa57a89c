"""The numbers of a listing as tables: a row an estimate, a column a kind of number, nothing rounded."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayesmix.enumeration import Enumeration
from bayesmix.listing import Rows, classification_rates, entry_words, slope_odds
from bayesmix.results import Estimates, Fit, compare, decomposition, entered, entry, rows, transitions
from bayesmix.spec import TINY, Kind, Quantity, shown, takes_level
from bayesmix.studies import Study
from bayesmix.three_steps import ThreeStep

Reported = Fit | xr.DataTree | Enumeration | Study | ThreeStep
"""What tables and pages are made of."""
DERIVED: tuple[Kind, ...] = (
    "sd", "variance", "icc", "correlation", "covariance", "correlation matrix", "covariance matrix", "logit contrast",
    "discrimination", "difficulty", "expected", "residual correlation",
)  # fmt: skip
"""What follows from parameters, but for transitions and shares, which have tables of their own."""


@takes_level
def tables(what: Reported, post: xr.DataTree | None = None, *, level: float | None = None) -> dict[str, pd.DataFrame]:
    """Make the numbers of a listing tables, by name.

    Parameters
    ----------
    what : Fit, xarray.DataTree, Enumeration, Study or ThreeStep
        What :func:`bayesmix.fit`, :func:`bayesmix.sample`, :func:`bayesmix.enumerate_classes`,
        :func:`bayesmix.study` or :func:`bayesmix.three_step` returns.
    post : xarray.DataTree, optional
        The posterior of the same model, to stand beside a fit.
    level : float, optional
        Of the intervals; 0.95 if left out.

    Returns
    -------
    dict of str to pandas.DataFrame
        Of a fit, as far as its model has them: `fit` (sample sizes, log-likelihood, criteria, entropy), `class_sizes`
        (three ways), `classification` (average posterior probabilities and rates, by pairs of classes), `parameters`
        (`estimate`, `se`, `ratio`, `p`, `lower`, `upper`, and a `status`: free, fixed, or boundary, which has no
        standard error), `probabilities`, `derived`, `odds_ratios`, `transitions`, `decomposition`, `paths`, and with
        a posterior `comparison` and `diagnostics`. Of a posterior: `posterior` and `diagnostics`. Of an enumeration:
        `enumeration`. Of a study: `summary`, `criteria`, `failures`. Of three steps those of
        :meth:`ThreeStep.tables <bayesmix.ThreeStep.tables>`. No table is empty.

    Raises
    ------
    TypeError, ValueError
        As :func:`bayesmix.to_html`.

    Examples
    --------
    >>> found = bm.tables(fit)
    >>> list(found)
    ['fit', 'class_sizes', 'classification', 'parameters', 'probabilities']
    >>> found["parameters"].loc["class_logit[1]", "status"]
    'free'
    """
    check_reported(what, post, "bm.tables")
    made = {k: make() for k, make in _makers(what, post)}
    return {k: x for k, x in made.items() if x is not None and len(x)}


def check_reported(what: object, post: object, call: str) -> None:
    """Refuse what is no result, and a posterior beside anything but a fit.

    Raises
    ------
    TypeError
        No result; a posterior that is none.
    ValueError
        A posterior beside something else.
    """
    if not isinstance(what, Reported):
        raise TypeError(
            f"What is to be reported came as {type(what).__name__}, expected what bm.fit, bm.sample, "
            "bm.enumerate_classes, bm.study or bm.three_step returns: give one of these."
        )
    if post is not None and not isinstance(what, Fit):
        raise ValueError(f"post= came beside a {type(what).__name__}: give it beside a fit, {call}(fit, ..., post=).")
    if post is not None and not isinstance(post, xr.DataTree):
        raise TypeError(f"post came as {type(post).__name__}, expected what bm.sample returns: give it.")


def _makers(what: Reported, post: xr.DataTree | None) -> Iterator[tuple[str, Callable[[], pd.DataFrame | None]]]:
    """Name the tables, each with what makes it."""
    if isinstance(what, Enumeration):
        yield "enumeration", lambda: what.table
    elif isinstance(what, Study):
        yield "summary", what.summary
        yield "criteria", what.bic
        yield "failures", lambda: what.failures
    elif isinstance(what, ThreeStep):
        for name, table in what.tables().items():
            yield name, lambda table=table: table
    elif isinstance(what, Fit):
        yield from _of_fit(what)
        if post is not None:
            found = compare(what, post)
            yield "comparison", lambda: _compared(found.table, found.entries)
            yield "diagnostics", lambda: _named(rows(found.diagnostics))
    else:
        found = compare(post=what)
        yield "posterior", lambda: _compared(found.table, found.entries)
        yield "diagnostics", lambda: _named(rows(found.diagnostics))


def _of_fit(fit: Fit) -> Iterator[tuple[str, Callable[[], pd.DataFrame | None]]]:
    estimates = Estimates.of(fit)
    names = fit.class_variables if fit.model.is_mixture else []
    yield "fit", lambda: _statistics(fit)
    yield "class_sizes", lambda: _joined([_sizes(fit, n) for n in names])
    yield "classification", lambda: _joined([_pairs(fit, n) for n in names if fit.classes.sizes[n] > 1])
    yield "parameters", lambda: _parameters(fit)
    yield "probabilities", lambda: _quantities(estimates, "class size", "item probability")
    yield "derived", lambda: _quantities(estimates, *DERIVED)
    yield "odds_ratios", lambda: slope_odds(fit)
    if entered(estimates):
        yield "transitions", lambda: transitions(fit).reset_index()
    if estimates.of_kind("share"):
        yield "decomposition", lambda: decomposition(fit).reset_index()
    if "path" in fit.classes:
        yield "paths", lambda: fit.path_counts().reset_index()


def _joined(frames: list[pd.DataFrame]) -> pd.DataFrame | None:
    return pd.concat(frames, ignore_index=True) if frames else None


# a fit --------------------------------------------------------------------------------------------


def _statistics(fit: Fit) -> pd.DataFrame:
    """Sample sizes, log-likelihood, criteria, entropy."""
    of_clusters = {"BIC (clusters)": fit.bic_clusters} if fit.n_clusters else {}
    values = {
        "individuals": fit.n_individuals,
        "clusters": fit.n_clusters,
        "parameters": fit.n_parameters,
        "log-likelihood": fit.loglik,
        "scaling factor": fit.quality.get("scaling"),
        "AIC": fit.aic,
        "BIC": fit.bic,
        **of_clusters,
        "sample-size-adjusted BIC": fit.adjusted_bic,
        "entropy": fit.entropy,
    }
    kept = {k: float(v) for k, v in values.items() if v is not None and not math.isnan(v)}
    return pd.DataFrame({"value": kept}).rename_axis("statistic")


def _sizes(fit: Fit, name: str) -> pd.DataFrame:
    """Sizes of classes by the model, by posterior probability and by most likely class: numbers and shares."""
    counts = fit.class_counts(name)
    ways = {"model": "model", "posterior": "posterior", "most likely": "most_likely"}
    columns = {f"{to}_n": counts[k] for k, to in ways.items()}
    columns |= {f"{to}_share": counts[f"{k} %"] for k, to in ways.items()}
    return pd.DataFrame({"variable": name, "class": counts.index, **columns}).reset_index(drop=True)


def _pairs(fit: Fit, name: str) -> pd.DataFrame:
    """Pair classes: average posterior probability by most likely class, and its rate given the class."""
    average = fit.classification(name).to_numpy()
    rates = classification_rates(fit, name)
    labels = [*rates.index]
    at = [(i, j) for i in range(len(labels)) for j in range(len(labels))]
    return pd.DataFrame(
        {
            "variable": name,
            "class": [labels[i] for i, _ in at],
            "most_likely": [labels[j] for _, j in at],
            "average_posterior": [average[j, i] for i, j in at],
            "rate": [rates.to_numpy()[i, j] for i, j in at],
        }
    )


def _parameters(fit: Fit) -> pd.DataFrame:
    """Every entry of the parameters that exists, with what it is of."""
    cells = Rows(fit)
    names = [str(k) for k in fit.params if k not in fit.model.offsets]
    found = [(name, at, label) for name in names for at, label in cells.entries(name)]
    labels = [label for *_, label in found]
    out = cells.summary.loc[labels].drop(columns="free")
    status = np.where(cells.summary.loc[labels, "free"], "free", "fixed")
    status = np.where((status == "free") & out["se"].isna(), "boundary", status)
    where = [_where(Estimates.of(fit), fit.params[name], at) for name, at, _ in found]
    heads = pd.DataFrame(where, index=out.index, columns=["class", "of"])
    names = pd.Series([name for name, *_ in found], index=out.index, name="parameter")
    return pd.concat([names, heads, out], axis=1).assign(status=status).rename_axis("entry")


def _where(estimates: Estimates, x: xr.DataArray, at: tuple[int, ...]) -> tuple[str, str]:
    """Name the classes of an entry, ``C = 1``, and what else it is of, ``A = 2``."""
    model = estimates.model
    classes = model.class_dims(x.dims) if model.is_mixture else ()
    inside = ", ".join(f"{d} = {x[d].values[at[x.dims.index(d)]]}" for d in classes)
    return inside, entry_words(estimates, x, at)


def _quantities(estimates: Estimates, *kinds: Kind) -> pd.DataFrame | None:
    """List the entries of some kinds with errors and intervals; those without sampling variance have none."""
    parts = [row for q in estimates.of_kind(*kinds) for row in _entries(estimates, q)]
    columns = ["entry", "quantity", "class", "of", "estimate", "se", "lower", "upper"]
    return pd.DataFrame(parts, columns=columns).set_index("entry") if parts else None


def _entries(estimates: Estimates, q: Quantity) -> Iterator[tuple[Any, ...]]:
    found = estimates[q.name]
    x, dims = found.value, found.value.dims
    se, lower, upper = (a.transpose(*dims).values for a in (found.se, found.lower, found.upper))
    some = np.isfinite(x.values) if q.group == "probability" else shown(q.kind, x.values)
    for at in np.ndindex(x.shape):
        if some[at]:
            known = se[at] > TINY * abs(x.values[at])
            ends = (float(v[at]) if known else math.nan for v in (se, lower, upper))
            yield (entry(q.name, x, at), q.name, *_where(estimates, x, at), float(x.values[at]), *ends)


def _compared(table: pd.DataFrame, entries: pd.DataFrame) -> pd.DataFrame:
    """Put what each row is before its numbers, without empty columns."""
    heads = entries.rename(columns={"variable": "quantity", "panel": "class", "row": "of"})
    return pd.concat([heads[["scale", "quantity", "class", "of"]], table.dropna(axis=1, how="all")], axis=1)


def _named(found: dict[str, Any]) -> pd.DataFrame:
    kept = {k: v for k, v in found.items() if v not in (None, "")}
    return pd.DataFrame({"value": kept}).rename_axis("statistic")
