"""Maximum likelihood beside Bayes beside what was published: one table, one picture.

ArviZ makes the posterior summaries.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import xarray as xr

from bayesmix.checks import nearest
from bayesmix.data import check_same
from bayesmix.results.diagnostics import RESPONSES
from bayesmix.results.estimates import Estimates
from bayesmix.results.fit import Fit
from bayesmix.results.labels import entries
from bayesmix.spec import ITEM_RESPONSE, LOGIT, RANDOM, SCALES, Model, Quantity, interval_level, shown, takes_level

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ML = ("ml", "ml_se", "ml_lower", "ml_upper")
BAYES = ("mean", "sd", "eti_lower", "eti_upper", "r_hat", "ess_bulk")
Published = Mapping[str, Any] | pd.Series | pd.DataFrame
ESTIMATES = ("estimate", "published", "value")
"""What the column of published values may be called."""


@dataclass(frozen=True, repr=False)
class Comparison:
    """Estimates of one model side by side.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a free parameter entry, then one a class or category probability (of two categories
        the second): `ml`, `ml_se`, `ml_lower`, `ml_upper`, posterior `mean`, `sd`, `eti_lower`,
        `eti_upper`, `r_hat`, `ess_bulk`, and `published`, with `published_se` where errors came with the values.
        Intervals are of the `level`; NaN where there is none.
    entries : pandas.DataFrame
        What each row is: `scale` (parameter, derived or probability), `variable`, `panel` (its class), `row`.
    loglik : str
        The two levels of log-likelihood, and whether they agree.
    diagnostics : mapping
        What the sampler said of itself.
    pictured : sequence of str
        The variables that :meth:`plot` draws unless it is told otherwise, in its order.
    level : float
        Of the intervals.

    Examples
    --------
    >>> bm.compare(fit).table.columns[:2].tolist()
    ['ml', 'ml_se']
    """

    table: pd.DataFrame
    entries: pd.DataFrame
    loglik: str = ""
    diagnostics: Mapping[str, Any] = field(default_factory=dict)
    pictured: Sequence[str] = ()
    level: float = 0.95

    @property
    def probabilities(self) -> pd.DataFrame:
        """The rows on the probability scale."""
        return self.table[(self.entries["scale"] == "probability").to_numpy()]

    @property
    def parameters(self) -> pd.DataFrame:
        """The rows of the parameters."""
        return self.table[(self.entries["scale"] == "parameter").to_numpy()]

    def plot(self, scale: str | None = None) -> Figure:
        """A forest: ML (point, interval) beside the posterior (mean, equal-tailed interval).

        Parameters
        ----------
        scale : {"probability", "parameter", "derived"}, optional
            Left out: of items that load on a factor discrimination, difficulty and guessing; else
            probabilities where the model has any of them for its items. Else, as for a regression,
            the class sizes, the parameters of the outcome, variances and correlations of random effects
            (in the place of the regressions between effects that make them), and what predicts classes.
            An arrow at the edge is an estimate further out, such as a logit at its boundary.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ValueError
            Another scale, or nothing to draw on it.
        """
        import bayesmix as bm

        return bm.plots.comparison(self, scale)  # the picture lies above the numbers

    def __repr__(self) -> str:
        with pd.option_context("display.width", 160, "display.max_columns", None, "display.max_rows", None):
            text = self._shown().to_string(na_rep="")
        return "\n".join(filter(None, [text, f"Intervals: {100 * self.level:.4g}%.", textwrap.fill(self.loglik, 110)]))

    def _repr_html_(self) -> str:
        note = "" if not self.loglik else f"<p>{self.loglik}</p>"
        return f"{self._shown().to_html(na_rep='')}<p>Intervals: {100 * self.level:.4g}%.</p>{note}"

    def _shown(self) -> pd.DataFrame:
        """The columns that hold something, rounded."""
        out = self.table.dropna(axis=1, how="all").round(3)
        return out.assign(ess_bulk=out["ess_bulk"].round().astype("Int64")) if "ess_bulk" in out else out


@takes_level
def compare(
    fit: Fit | None = None,
    post: xr.DataTree | None = None,
    published: Published | None = None,
    *,
    level: float | None = None,
) -> Comparison:
    """Lay maximum likelihood and the posterior of one model side by side.

    Parameters
    ----------
    fit : Fit, optional
        What :func:`bayesmix.fit` returns.
    post : xarray.DataTree, optional
        What :func:`bayesmix.sample` returns.
    published : mapping, Series or DataFrame, optional
        Values to stand beside them: by row label (``"C_probability[1]"``) a number, by the name of a
        variable (``"item_probability"``) an array of its shape. A Series has the labels in its index; a DataFrame has
        them there too, the values in a column `estimate` (or `published`, as of :func:`bayesmix.mplus.published`) and
        their standard errors, where there are some, in `se`. Rows without a value are left out.
    level : float, optional
        Of the intervals; 0.95 if left out.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        Neither came, the two are not of one model, or a published value is for nothing in the table.

    Examples
    --------
    >>> compared = bm.compare(fit, published={"class_logit[1]": 0.4})
    >>> float(compared.table.loc["class_logit[1]", "published"])
    0.4
    >>> table = pd.DataFrame({"estimate": [0.4], "se": [0.1]}, index=["class_logit[1]"])
    >>> float(bm.compare(fit, published=table).table.loc["class_logit[1]", "published_se"])
    0.1
    """
    if fit is None and post is None:
        raise ValueError("Neither a fit nor a posterior came: give bm.compare(fit, post), or one of them.")
    _check_kinds(fit, post, published)
    if fit is not None and post is not None:
        check_same(_identities(fit), _identities(post), ("The fit", "the posterior"))
    model = Estimates.of(cast(Any, post if fit is None else fit)).model
    variables = list(_variables(model, fit, post))
    frames = [_rows(v, fit, post) for v in variables]
    frames = [f for f in frames if len(f)]
    wide = pd.concat(frames)
    values, errors = _read_published({} if published is None else published)
    wide["published"] = _published(values, variables, wide.index)
    columns = [*ML, *BAYES, "published"]
    if errors:
        wide["published_se"] = _published(errors, variables, wide.index)
        columns.append("published_se")
    settings = ("categories", "about", "identity", "format", "model")
    found = {} if post is None else {k: v for k, v in Estimates.of(post).settings.items() if k not in settings}
    names = ["scale", "variable", "panel", "row"]
    table = wide[columns].astype(float)
    return Comparison(table, wide[names], _loglik(fit, post), found, _pictured(model, variables), interval_level())


def _identities(result: Fit | xr.DataTree) -> Mapping[str, Any]:
    """Collect what tells whether `result` is of the same model and data as another one."""
    estimates = Estimates.of(result)
    return {**estimates.settings, "declaration": estimates.model}


def _check_kinds(fit: object, post: object, published: object) -> None:
    """Refuse what is no fit, no posterior, or no mapping of published values."""
    for name, value, kind, wanted in (
        ("fit", fit, Fit, "what bm.fit returns"),
        ("post", post, xr.DataTree, "what bm.sample returns"),
        (
            "published", published, (Mapping, pd.Series, pd.DataFrame),
            "values by row label or by the name of a variable (of a Fit, its .params)",
        ),
    ):  # fmt: skip
        if value is not None and not isinstance(value, kind):
            raise TypeError(f"{name} came as {type(value).__name__}, expected {wanted}: bm.compare(fit, post, values).")


# which rows there are -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Variable:
    """A parameter or a table of probabilities, with the entries to show."""

    what: Quantity
    shape: xr.DataArray
    shown: np.ndarray
    classes: tuple[str, ...]
    item: str | None
    category: str | None
    threshold: str | None

    @property
    def name(self) -> str:
        return self.what.name

    @property
    def scale(self) -> str:
        return self.what.group

    @cached_property
    def positions(self) -> list[tuple[int, ...]]:
        return [at for at in np.ndindex(self.shape.shape) if self.shown[at]]

    @cached_property
    def entries(self) -> list[str]:
        """The labels of the entries to show."""
        return entries(self.name, self.shape, self.positions)

    @cached_property
    def coords(self) -> dict[str, list[str]]:
        """The words for the places along each dim."""
        return {str(d): [*map(str, self.shape[d].values)] for d in self.shape.dims}


def _variables(model: Model, fit: Fit | None, post: xr.DataTree | None) -> Iterator[_Variable]:
    """Describe each parameter and each quantity that follows from them, with the entries to show."""
    items, categories, thresholds = _response_dims(model)
    for what, x in _shapes(model, fit, post):
        roles = [_first_of(x, among) for among in (items, categories, thresholds)]
        yield _Variable(what, x, _shown(what, x, fit, categories), model.class_dims(x.dims), *roles)


def _response_dims(model: Model) -> tuple[set[str], set[str], set[str]]:
    """Collect the dims of items, of categories and of thresholds in `model`."""
    r = model.responses
    return {one.item_dim for one in r}, {one.category_dim for one in r}, {one.threshold_dim for one in r}


def _first_of(x: xr.DataArray, among: set[str]) -> str | None:
    """Find the first dim of `x` that is `among` some; None where there is none."""
    return next((str(d) for d in x.dims if d in among), None)


def _shapes(model: Model, fit: Fit | None, post: xr.DataTree | None) -> Iterator[tuple[Quantity, xr.DataArray]]:
    """Yield what each variable is, and an array with its dims and coords."""
    if fit is not None:
        each = [item for ds in (fit.params, fit.derived, fit.probabilities) for item in ds.data_vars.items()]
        known = Estimates.of(fit).quantities
        yield from ((known[str(k)], x) for k, x in each if k in known)
        return
    assert post is not None
    estimates, draws = Estimates.of(post), post["posterior"].to_dataset()
    known = estimates.quantities
    yield from ((known[p.name], draws[p.name].std(("chain", "draw"))) for p in model.parameters if p.name in known)
    yield from ((q, draws[q.name].mean(("chain", "draw"))) for q in known.values() if q.group == "derived")
    sizes = [q for c in model.classes for q in estimates.of_kind("class size", of=c.name)]
    yield from ((q, _moving(draws[q.name], model)) for q in (*sizes, *estimates.of_kind("item probability")))


def _moving(draws: xr.DataArray, model: Model) -> xr.DataArray:
    """Posterior means, classes before items; NaN where no draw differs: a category that an item does not have."""
    out = draws.mean(("chain", "draw")).where(draws.std(("chain", "draw")) > 0)
    rest = [d for d in (_first_of(out, among) for among in _response_dims(model)[:2]) if d]
    return out.transpose(*model.class_dims(out.dims), *rest)


def _shown(what: Quantity, x: xr.DataArray, fit: Fit | None, categories: set[str]) -> np.ndarray:
    """Free entries of a parameter; of probabilities those that exist, of two categories the second."""
    if what.group == "parameter":
        return fit.free[what.name].transpose(*x.dims).values if fit is not None else x.values > 0
    if what.group == "derived":
        return shown(what.kind, x.values)
    out = cast(xr.DataArray, ~np.isnan(x))
    for d in (str(d) for d in x.dims if d in categories):
        two = out.sum(d) == 2
        first = xr.DataArray(np.arange(x.sizes[d]) == 0, dims=d)
        out = out & ~(two & first)
    return out.transpose(*x.dims).values


# what the picture shows ---------------------------------------------------------------------------


def _pictured(model: Model, variables: Sequence[_Variable]) -> tuple[str, ...]:
    """Items' parameters or probabilities, or the equations as in the listing: outcome, random parts, classes."""
    if any(v.what.kind in ITEM_RESPONSE for v in variables):
        guessing = _guessing(model)
        return tuple(v.name for v in variables if v.what.kind in ITEM_RESPONSE or v.name in guessing)
    sizes = [v for v in variables if v.scale == "probability"]
    if any(v.item for v in sizes):
        return tuple(v.name for v in sizes)
    kinds = ("variance", "correlation matrix")
    random = [v.name for v in variables if v.what.kind in kinds and RANDOM in v.shape.dims]
    # SDs of effects and regressions of one on another: what the variances and correlations are made of
    behind = [t.parameter.name for e in model.effects for t in e.terms if random and (t is e.sd or t.effects)]
    order = [*(v.name for v in sizes), *(t.parameter.name for r in model.responses for t in r.terms), *random]
    further = [t.parameter.name for part in (*model.classes, *model.effects) for t in part.terms]
    return tuple(dict.fromkeys([*order, *(name for name in further if name not in behind)]))


def _guessing(model: Model) -> set[str]:
    """Collect the parameters of guessing: probabilities of items, or logits of classes of items by item."""
    auxiliary = [t for r in model.responses if (t := r.auxiliary_term("guessing"))]
    items = {r.item_dim for r in model.responses}
    logits = [t for c in model.classes_at("item") for t in c.terms if items & {*t.parameter.dims}]
    return {t.parameter.name for t in (*auxiliary, *logits)}


# the rows of a variable ---------------------------------------------------------------------------


def _rows(v: _Variable, fit: Fit | None, post: xr.DataTree | None) -> pd.DataFrame:
    said = {"panel": [_panel(v, at) for at in v.positions], "row": [_row_label(v, at) for at in v.positions]}
    numbers = dict(zip((*ML, *BAYES), np.column_stack([_ml(v, fit), _bayes(v, post)]).T, strict=True))
    columns = {"scale": v.scale, "variable": v.name, **said, **numbers}
    return pd.DataFrame(columns, index=pd.Index(v.entries, name="entry", dtype=object))


def _in_panels(v: _Variable) -> bool:
    return bool(v.classes) and v.item is not None


def _panel(v: _Variable, at: tuple[int, ...]) -> str:
    """The class of an item's entry: ``C = 1``."""
    if not _in_panels(v):
        return ""
    return ", ".join(f"{d} = {k}" for d, k in _labels(v, at) if d in v.classes)


def _row_label(v: _Variable, at: tuple[int, ...]) -> str:
    """What tells an entry from others of its panel: ``A = 2`` (item and category), ``age, C = 1``."""
    out = ""
    for d, k in sorted(_labels(v, at), key=lambda pair: pair[0] in v.classes):
        if d in v.classes and _in_panels(v):
            continue
        mark = " = " if d == v.category else " | " if d == v.threshold else ", "
        out += (mark if out else "") + (f"{d} = {k}" if d in v.classes else k)
    return out or v.name


def _labels(v: _Variable, at: tuple[int, ...]) -> list[tuple[str, str]]:
    """Dims and coords of an entry, the item first."""
    pairs = [(d, each[i]) for (d, each), i in zip(v.coords.items(), at, strict=True)]
    return sorted(pairs, key=lambda pair: pair[0] != v.item)


def _ml(v: _Variable, fit: Fit | None) -> np.ndarray:
    """Estimate, SE, interval."""
    out = np.full((len(v.positions), len(ML)), np.nan)
    if fit is None or not len(out):
        return out
    values, errors = {
        "parameter": (fit.params, fit.se),
        "derived": (fit.derived, fit.derived_se),
        "probability": (fit.probabilities, fit.probabilities_se),
    }[v.scale]
    x, se = (ds[v.name].values[v.shown] for ds in (values, errors))
    df = fit.t_df(v.name)
    lower, upper = SCALES[v.what.scale].interval(x, se, df=df[v.shown] if isinstance(df, np.ndarray) else df)
    if v.scale != "derived" and v.what.scale == LOGIT.name:  # a probability at its boundary
        se = np.where(np.isnan(lower), np.nan, se)
    return np.column_stack([x, se, lower, upper])


def _bayes(v: _Variable, post: xr.DataTree | None) -> np.ndarray:
    """Posterior mean, SD, equal-tailed interval, R-hat and bulk ESS, by ArviZ."""
    out = np.full((len(v.positions), len(BAYES)), np.nan)
    if post is None or not len(out) or v.name not in post["posterior"]:
        return out
    import arviz as az

    draws = post["posterior"][v.name].transpose("chain", "draw", *v.shape.dims)
    if draws.shape[2:] != v.shape.shape:
        raise ValueError(
            f"'{v.name}' is {v.shape.shape} in the fit and {draws.shape[2:]} in the posterior: they are not of one "
            "model; compare a fit and a posterior of the same one."
        )
    if dim := _other_labels(v.shape, draws):
        raise ValueError(
            f"'{v.name}' has other labels along '{dim}' in the fit ({', '.join(map(str, v.shape[dim].values))}) and in "
            f"the posterior ({', '.join(map(str, draws[dim].values))}): compare those of the same model."
        )
    chosen = np.stack([draws.values[(..., *at)] for at in v.positions], axis=-1)
    flat = xr.Dataset({"x": (("chain", "draw", "entry"), chosen)})
    with np.errstate(invalid="ignore"):  # a loading that a pattern fixes has no R-hat
        table = az.summary(flat, kind="all", ci_kind="eti", ci_prob=interval_level(), round_to="none")
    ends = [next(k for k in table if str(k).startswith("eti") and str(k).endswith(end)) for end in ("_lb", "_ub")]
    return pd.DataFrame(table)[["mean", "sd", *ends, "r_hat", "ess_bulk"]].to_numpy(dtype=float)


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"The published '{name}' came as {value!r}, expected a number: give one.") from None


def _other_labels(x: xr.DataArray, y: xr.DataArray) -> str:
    """The first dim along which the two have different labels; empty where there is none."""
    both = [str(d) for d in x.dims if d in x.coords and d in y.coords]
    return next((d for d in both if [*map(str, x[d].values)] != [*map(str, y[d].values)]), "")


def _read_published(given: Published) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """Take published values by label, and their standard errors where these came.

    Raises
    ------
    ValueError
        A table without a column of values, labels that stand twice.
    """
    if isinstance(given, Mapping):
        return given, {}
    frame = given.to_frame("estimate") if isinstance(given, pd.Series) else given
    names = {str(c).strip().lower(): c for c in frame.columns}
    found = next((names[k] for k in ESTIMATES if k in names), None)
    if found is None:
        raise ValueError(
            f"The published table has the columns {', '.join(map(str, frame.columns)) or 'none'}: give the values in "
            "one called 'estimate', their standard errors in 'se', and the row labels as its index."
        )
    index = frame.index.map(str)
    if twice := sorted({str(k) for k in index[index.duplicated()]}):
        raise ValueError(f"The published '{twice[0]}' stands in the table twice: give each label once.")
    values = pd.Series(frame[found].to_numpy(), index).dropna()
    errors = pd.Series(frame[names["se"]].to_numpy(), index)[values.index].dropna() if "se" in names else pd.Series()
    return {str(k): v for k, v in values.items()}, {str(k): v for k, v in errors.items()}


def _published(given: Mapping[str, Any], variables: list[_Variable], labels: pd.Index) -> pd.Series:
    out, by_name = pd.Series(np.nan, index=labels), {v.name: v for v in variables}
    for name, value in given.items():
        if name in out.index:
            out[name] = _number(name, value)
        elif name in by_name:
            v = by_name[name]
            x = (
                value.transpose(*v.shape.dims).values
                if isinstance(value, xr.DataArray)
                else np.asarray(value, dtype=float)
            )
            if x.shape != v.shape.shape:
                raise ValueError(
                    f"The published '{name}' has the shape {x.shape}, expected {v.shape.shape} for the dims "
                    f"({', '.join(map(str, v.shape.dims))})."
                )
            if isinstance(value, xr.DataArray) and (dim := _other_labels(v.shape, value)):
                raise ValueError(
                    f"The published '{name}' has the labels {', '.join(map(str, value[dim].values))} along '{dim}', "
                    f"expected {', '.join(map(str, v.shape[dim].values))}: give them in this order."
                )
            out[v.entries] = x[v.shown]
        else:
            near = nearest(name, [*out.index, *by_name])
            hint = f"Did you mean '{near}'?" if near else f"Rows are such as '{out.index[0]}'."
            raise ValueError(f"A published value came for '{name}', which is not in the table. {hint}")
    return out


# levels of log-likelihood -------------------------------------------------------------------------


def _loglik(fit: Fit | None, post: xr.DataTree | None) -> str:
    """The maximum beside the posterior mean, which lies about half a unit a parameter beneath it."""
    ml = "" if fit is None else f"maximum likelihood {fit.loglik:.3f}"
    total = _total(post)
    if total is None:
        return f"Log-likelihood: {ml}." if ml else ""
    chains = ", ".join(f"{x:.1f}" for x in total.mean(axis=1))
    text = "; ".join(filter(None, [ml, f"posterior mean {total.mean():.3f} (chains {chains})"]))
    return f"Log-likelihood: {text}." + ("" if fit is None else " " + _verdict(fit, total))


def _total(post: xr.DataTree | None) -> np.ndarray | None:
    if post is None or "log_likelihood" not in post.children:
        return None
    x = post["log_likelihood"][RESPONSES]
    return x.sum([d for d in x.dims if d not in ("chain", "draw")]).transpose("chain", "draw").values


def _verdict(fit: Fit, total: np.ndarray) -> str:
    if total.max() > fit.loglik + 1e-2:
        return (
            f"A draw reaches {total.max():.3f}, above the maximum: the ML solution is a local one; fit again with more "
            "starts."
        )
    gap, expected = fit.loglik - total.mean(), fit.n_parameters / 2
    if gap > 3 * expected + 5:
        return (
            f"The posterior lies {gap:.1f} below the maximum, where about {expected:.1f} is expected: the chains "
            "may be in another mode, or the priors weigh against the data."
        )
    return f"The gap is {gap:.1f}; about {expected:.1f} (half a unit a parameter) is expected."
