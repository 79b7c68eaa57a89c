"""Chi-squares of the table of response patterns, and how far they can be trusted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pandas as pd
import xarray as xr

from bayesmix.checks import one_of
from bayesmix.data import Priors
from bayesmix.goodness.judged import Judged
from bayesmix.goodness.pattern_tables import MISSING, Missing, Table, check_table, p_of
from bayesmix.goodness.replications import NO_BOOTSTRAP, Draws, Replicated, refitted, share_of
from bayesmix.goodness.unrestricted import has_table
from bayesmix.goodness.weighted_patterns import WeightedTable
from bayesmix.layout import Section, make_table, number, p_value, percent, to_text
from bayesmix.results import Fit
from bayesmix.results.estimates import check_result
from bayesmix.spec import refuse_survey
from bayesmix.typing import Array

NAMES = ("Pearson", "G-squared")
FEW = 0.2
"""The share of cells with fewer than five expected, above which a chi-square distribution is not to be trusted."""


@dataclass(frozen=True, repr=False)
class GoodnessOfFit:
    """Chi-squares of the table of response patterns.

    Attributes
    ----------
    table : pandas.DataFrame
        Rows `Pearson` and `G-squared`, and `MCAR` where answers are missing: `value`, `df`, `p` by the chi-square
        distribution, and `bootstrap p` or `posterior predictive p` where they were asked for. With the design of a
        survey `corrected`, `corrected df` and the p of these.
    cells : int
        Cells of the table.
    n : float
        Individuals in it.
    small : float
        The share of cells in which fewer than five individuals are expected.
    replications : pandas.DataFrame
        The chi-squares of every replication; of a posterior those of the data at each draw beside them.
    failed : int
        Replications that are left out: they failed, or a residual SD collapsed.
    notes : tuple of str
        What to know of the numbers.

    Examples
    --------
    >>> found = bm.goodness_of_fit(fit, df)
    >>> found.cells, int(found.table.loc["Pearson", "df"])
    (16, 6)
    """

    table: pd.DataFrame
    cells: int
    n: float
    small: float
    replications: pd.DataFrame = field(default_factory=pd.DataFrame)
    failed: int = 0
    notes: tuple[str, ...] = ()

    def sections(self) -> list[Section]:
        """What is printed."""
        shown = self.table.dropna(axis=1, how="all")
        ways = {"value": number, "df": lambda x: "-" if pd.isna(x) else str(int(x))}
        ways |= dict.fromkeys(("corrected", "corrected df"), number)
        ways["posterior predictive p"] = partial(share_of, n=len(self.replications))
        rows = [(str(k), *(ways.get(str(c), p_value)(r[c]) for c in shown.columns)) for k, r in shown.iterrows()]
        words = [f"{number(self.n, 0)} individuals, {self.cells:,} cells.", *self.notes]
        body = [make_table(("", *shown.columns), rows), "\n".join(words)]
        return [Section("Goodness of fit: response patterns", body)]

    def __repr__(self) -> str:
        return str(to_text(self.sections()))

    def _repr_html_(self) -> str:
        return to_text(self.sections())._repr_html_()


def goodness_of_fit(
    result: Fit | xr.DataTree,
    df: pd.DataFrame,
    *,
    missing: Missing | None = None,
    bootstrap: int = 0,
    seed: int = 0,
    priors: Priors | None = None,
    executor: Executor | None = None,
    progress: bool = True,
) -> GoodnessOfFit:
    """Chi-squares of the table of all response patterns of categorical items; numbers among the items are summed out.

    With O_r and E_r the observed and expected numbers of individuals with the row of answers r,

        X^2 = sum_r (O_r - E_r)^2 / E_r,    G^2 = 2 sum_r O_r log(O_r / E_r),    df = cells - 1 - free parameters,

    over all cells: those that nobody is in add the rest of E to X^2. E_r = sum_i P(r | x_i), P the likelihood of one
    individual. Of clusters it is that of a random member of a random cluster, and of covariates it is averaged over
    those of the individuals; in both cases the statistics have no chi-square distribution, `df` and `p` are missing,
    and p values are by `bootstrap` or of a posterior.

    With the design of a survey (:func:`bayesmix.survey`) individuals count by their weights, which sum to their number.
    The statistics are corrected for the design and for estimated parameters to the second order, Rao and Scott (1984):
    X^2 sum l / sum l^2 with (sum l)^2 / sum l^2 degrees of freedom, l the eigenvalues of diag(1 / E) V and V the
    covariance matrix of the residuals O - E under the design; as F where the design has degrees of freedom, Thomas and
    Rao (1987). `df` is missing; `corrected`, `corrected df` and `p` are there, with clusters and covariates too. Where
    answers are missing, "complete" has them and "mar" has not.

    Parameters
    ----------
    result : Fit or xarray.DataTree
        What :func:`bayesmix.fit` or :func:`bayesmix.sample` returns. Of a posterior the p values are posterior
        predictive, Meng (1994): the share of draws at which replicated data have a statistic, about what is expected at
        that draw, as large as the data. The values are averages over draws.
    df : pandas.DataFrame
        Its data.
    missing : {"mar", "complete"}, optional
        Where answers are missing. "mar": against the unrestricted table under missing at random, by EM, Fuchs (1982),
        as Mplus does: X^2 and G^2 are those of the model less those of the unrestricted table, over all rows of answers
        with gaps among them (Mplus leaves cells with extreme residuals out of X^2). The row `MCAR` has the latter
        G^2: whether answers are missing completely at random. "complete": the individuals who answered
        all items, as poLCA does. Left out, "mar", and "complete" with covariates or where the table is too large (it
        has more than 16,384 cells, or 4,194,304 over all patterns of missing answers).
    bootstrap : int
        Data sets that are drawn from the fit, with its covariates, clusters and missing answers, and fitted again from
        its parameters, Langeheine, Pannekoek and van de Pol (1996). 0: none.
    seed : int
        The replications follow from it, whatever the number of workers.
    priors : mapping of str to Prior, or "default", optional
        Those of the fit, where it has some; for the bootstrap.
    executor : concurrent.futures.Executor, optional
        Where the replications run. Left out: here, or in processes when they would take long.
    progress : bool
        Show a bar with the time left (on a terminal). Ctrl-C keeps what is finished.

    Returns
    -------
    GoodnessOfFit

    Raises
    ------
    ValueError
        No categorical items, other data than those of the fit, a collapsed fit, a posterior without replicated data,
        nobody who answered all items, "mar" where it cannot be had, or a bootstrap with the design of a survey.
    KeyboardInterrupt
        Interrupted before two replications were finished.

    Examples
    --------
    >>> found = bm.goodness_of_fit(fit, df, bootstrap=5, progress=False)
    >>> found.table.index.to_list(), len(found.replications)
    (['Pearson', 'G-squared'], 5)
    >>> heavy = df.assign(w=[1.0, 3.0] * 100)
    >>> weighted = bm.fit(model, heavy, weights="w", starts=2, rounds=1, progress=False)
    >>> bm.goodness_of_fit(weighted, heavy).table.columns.to_list()
    ['value', 'df', 'p', 'corrected', 'corrected df']
    """
    check_result(result)
    if missing is not None:
        one_of("missing", missing, MISSING)
    if isinstance(result, Fit):
        refuse_survey(result.model.survey if bootstrap else None, "bootstrap=", NO_BOOTSTRAP)
        judged = Judged.of(result, df)
        way, notes = _way(judged, missing)
        made = None
        if bootstrap:
            made = refitted(
                result, judged, partial(_statistics, missing=way), replications=bootstrap, seed=seed, priors=priors,
                executor=executor, progress=progress,
            )  # fmt: skip
        return _of_fit(result, Table(judged, way), notes, made)
    if bootstrap:
        raise ValueError("bootstrap= came with a posterior, whose p values are posterior predictive: leave it out.")
    draws = Draws.of(result, df)
    way, notes = _way(draws.judged, missing)
    return _of_draws(draws, way, notes, progress)


def _way(judged: Judged, missing: Missing | None) -> tuple[Missing, list[str]]:
    """How missing answers are treated, and what is said of it.

    Raises
    ------
    ValueError
        There is no table, or it cannot be treated so.
    """
    check_table(judged)
    answers, numbers = judged.answers.categorical, judged.answers.columns.numeric
    notes = []
    if len(numbers):
        names = ", ".join(judged.answers.columns.items[k] for k in numbers[:5])
        notes.append(f"Numbers are not in the table, nor are their parameters counted: {names}.")
    cells, whole = Table(judged, "mar").cells, bool(answers.complete[answers.counts > 0].all())
    if whole:
        return "complete", notes
    reason = ""
    if judged.has_covariates:
        reason = "the model has covariates, and an unrestricted table knows none"
    elif not has_table(answers):
        reason = f"the table has {cells:,} cells, too many for the patterns of missing answers"
    if missing == "mar" and reason:
        raise ValueError(f"missing came as 'mar', but {reason}: take missing='complete', or bm.residuals(fit, df).")
    n = float(answers.counts[answers.complete].sum())
    if missing == "complete" or reason:
        if not n:
            raise ValueError(
                "Nobody answered all items, so that there is no table of them: look at pairs, bm.residuals(fit, df)."
            )
        because = f", since {reason}" if reason and missing is None else ""
        return "complete", [
            *notes,
            f"Answers are missing: the {n:,.0f} who answered all items are in the table (as poLCA){because}.",
            "Where their answers differ from those of the others, this counts against the model.",
        ]
    return "mar", [
        *notes,
        "Answers are missing: against the unrestricted table under missing at random (as Mplus).",
        "MCAR: whether answers are missing completely at random, individuals taken as independent.",
    ]


def _statistics(judged: Judged, missing: Missing) -> Array:
    """Pearson and G-squared."""
    found = Table(judged, missing).chi_squares()
    return np.array([found.pearson, found.likelihood])


def _of_fit(fit: Fit, table: Table, notes: list[str], made: Replicated | None) -> GoodnessOfFit:
    if fit.model.survey:
        return _of_design(fit, table, notes)
    found, judged = table.chi_squares(), table.judged
    notes = [*notes, *_on_distribution(judged)]
    if table.groups > 1:
        notes.append(f"Sums over a table for each of the {table.groups} groups of '{judged.data.model.group}'.")
    used = _parameters_of_categories(fit, judged)
    free = None if _on_distribution(judged) or used is None else table.cells - table.groups - used
    out = pd.DataFrame({"value": [found.pearson, found.likelihood]}, index=list(NAMES))
    out["df"] = pd.array([free, free], dtype="Int64")
    out["p"] = [p_of(x, free) for x in out["value"]]
    if free is not None and free <= 0:
        notes.append(f"The table has {table.cells:,} cells for {used} parameters: no degrees of freedom.")
    replications, failed = pd.DataFrame(), 0
    if made is not None:
        out["bootstrap p"], replications, failed = made.p, pd.DataFrame(made.values, columns=list(NAMES)), made.failed
        notes.append(f"Bootstrap: {made.n} replications{f', {failed} more failed' if failed else ''}.")
    if found.mcar is not None:
        out = _with_mcar(out, found.mcar, found.mcar_df)
    small, least = table.small(found.n)
    notes += _on_sparseness(small, least, out, made is not None)
    return GoodnessOfFit(out, table.cells, found.n, small, replications, failed, tuple(notes))


def _of_design(fit: Fit, table: Table, notes: list[str]) -> GoodnessOfFit:
    """Chi-squares of weighted numbers, corrected for the design."""
    found, weighted = table.chi_squares(), WeightedTable(table)
    values = [found.pearson, found.likelihood]
    out = pd.DataFrame({"value": values}, index=list(NAMES))
    out["df"], out["p"] = pd.array([pd.NA, pd.NA], dtype="Int64"), np.nan
    notes = [n for n in notes if not n.startswith("MCAR")]
    notes.append(f"Numbers are weighted and sum to the number of individuals ({fit.model.survey.words}).")
    if table.groups > 1:
        notes.append(f"Sums over a table for each of the {table.groups} groups of '{fit.model.group}'.")
    if judged_apart := _on_distribution(table.judged):
        notes.append(judged_apart[0].split(". ")[0].split(":")[0] + ".")
    small, least = table.small(found.n)
    if why := weighted.refused:
        notes.append(f"No p value: {why}.")
    else:
        corrected = weighted.corrected(values)
        out["corrected"], out["corrected df"] = [c.value for c in corrected], [c.df for c in corrected]
        out["p"] = [c.p for c in corrected]
        notes.append("Corrected for the design and for estimated parameters, second order (Rao and Scott, 1984).")
        nu = fit.design_df
        if nu is not None and table.cells > nu:
            notes.append(
                f"The table has more cells ({table.cells:,}) than the design has degrees of freedom ({nu}):\n"
                "go by pairs, bm.residuals(fit, df)."
            )
    notes += _on_sparseness(small, least, out, replicated=False)
    if small > FEW and not weighted.refused:
        notes.append("The table is SPARSE: p is not to be trusted; look at pairs of items, bm.residuals(fit, df).")
    return GoodnessOfFit(out, table.cells, found.n, small, notes=tuple(notes))


def _parameters_of_categories(fit: Fit, judged: Judged) -> int | None:
    """Free parameters, but for those of numbers alone, which are not in the table; None where these cannot be told."""
    model, columns = judged.data.model, judged.answers.columns
    if not len(columns.numeric):
        return fit.n_parameters
    if model.has_random_effects:
        return None
    of_numbers = {t.parameter.name for r in model.responses if r.family.kind != "categorical" for t in r.terms}
    elsewhere = {t.parameter.name for r in model.responses if r.family.kind == "categorical" for t in r.terms}
    return fit.n_parameters - sum(int(judged.data.packing.own[k].sum()) for k in of_numbers - elsewhere)


def _of_draws(draws: Draws, missing: Missing, notes: list[str], progress: bool) -> GoodnessOfFit:
    def both(data: Judged, replicated: Judged) -> tuple[Array, Array]:
        return _statistics(data, missing), _statistics(replicated, missing)

    made = draws.over(both, progress)
    out = pd.DataFrame({"value": made.observed.mean(axis=0)}, index=list(NAMES))
    out["df"], out["p"] = pd.array([pd.NA, pd.NA], dtype="Int64"), np.nan
    out["posterior predictive p"] = made.p
    table = Table(draws.judged, missing)
    found = table.chi_squares()
    out = out if found.mcar is None else _with_mcar(out, found.mcar, found.mcar_df)
    each: Mapping[str, Array] = {"": made.values, " of the data": made.observed}
    replications = pd.DataFrame({f"{name}{k}": x[:, i] for k, x in each.items() for i, name in enumerate(NAMES)})
    notes = [*notes, f"Averages over {made.n} draws; p: how many replicated data sets have as large a value."]
    return GoodnessOfFit(out, table.cells, found.n, table.small(found.n)[0], replications, 0, tuple(notes))


def _with_mcar(out: pd.DataFrame, value: float, df: int | None) -> pd.DataFrame:
    row = pd.DataFrame({"value": [value], "p": [p_of(value, df)]}, index=["MCAR"])
    row["df"] = pd.array([df], dtype="Int64")
    return pd.concat([out, row])[list(out.columns)]


def _on_distribution(judged: Judged) -> list[str]:
    """Why there are no degrees of freedom; nothing where there are some."""
    if judged.data.clusters is not None:
        return [
            "Expected is a random member of a random cluster. Members of a cluster are alike:",
            "there are no degrees of freedom, take bootstrap=100.",
        ]
    if judged.has_covariates:
        over = "covariates" if judged.data.model.covariates else "known classes"
        return [f"Expected is an average over the {over}: there are no degrees of freedom, take bootstrap=100."]
    return []


def _on_sparseness(small: float, least: bool, table: pd.DataFrame, replicated: bool) -> list[str]:
    (x, g), has_df = table["value"].iloc[:2], bool(table["df"].iloc[:2].notna().all())
    notes = [f"Cells in which fewer than 5 are expected: {'at least ' if least else ''}{percent(small)}."]
    if small > FEW and replicated and has_df:
        notes.append("The table is SPARSE: go by the bootstrap p values.")
    elif small > FEW and has_df:
        apart = not math.isclose(x, g, rel_tol=0.25)
        notes.append(
            f"The table is SPARSE{', and the two statistics are far apart' if apart else ''}: p is not to be trusted.\n"
            "Take bootstrap=100, and look at pairs of items: bm.residuals(fit, df)."
        )
    return notes
