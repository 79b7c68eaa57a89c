"""What is to be done: the results of step one with rows, covariates and outcomes that have been checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmix.data import Units, as_frame
from bayesmix.results import Estimates, Fit
from bayesmix.three_steps import by_assignment, by_measurement
from bayesmix.three_steps.declared import Outcome
from bayesmix.three_steps.inputs import (
    Outcomes,
    check_columns,
    check_new,
    complete,
    formula_columns,
    of_clusters,
    outcomes_of,
)
from bayesmix.three_steps.result import ThreeStep
from bayesmix.three_steps.sandwich import Groups
from bayesmix.three_steps.step_one import StepOne, said_of_covariates
from bayesmix.three_steps.transitions import check, owner_of
from bayesmix.typing import Array


@dataclass(frozen=True)
class Plan:
    """Everything that the last step is made of.

    Attributes
    ----------
    steps : tuple of StepOne
        One, or one an occasion.
    df : pandas.DataFrame
        The data.
    rows : array of int
        Positions of the rows (the first of each cluster, for classes of clusters) that step one has seen.
    kept : array of bool (row,)
        Which of these have all covariates.
    covariates : str, optional
    outcomes : tuple of Outcome
    groups : array of int (row of the data,) or Units, optional
        What standard errors are robust against beyond units.
    owner : int
        The place of the step whose classes outcomes follow from.
    notes : list of str
    replicate : int, optional
        The replicate weights of a survey under which it is made; none for those of the full sample.
    method, assignment, sizes, variance, correlated, uncertainty, at, level, draws
        As they were asked for.
    """

    steps: tuple[StepOne, ...]
    df: pd.DataFrame
    rows: NDArray[np.int64]
    kept: NDArray[np.bool_]
    covariates: str | None
    outcomes: tuple[Outcome, ...]
    groups: Groups
    owner: int
    method: str
    assignment: str
    sizes: str
    variance: str
    correlated: bool
    uncertainty: bool
    at: str
    level: float
    draws: int
    notes: list[str] = field(default_factory=list)
    replicate: int | None = None

    @classmethod
    def of(
        cls,
        result: Fit | xr.DataTree | Sequence[Fit],
        df: pd.DataFrame,
        covariates: str | None,
        outcomes: Outcomes | None,
        method: str,
        assignment: str,
        *,
        sizes: str,
        occasion: int | None,
        outcome_covariates: str | Mapping[str, str] | None,
        slopes: str,
        cluster: str | None,
        variable: str | None,
        draws: int,
        **settings: Any,
    ) -> Plan:
        """Check everything that can be checked before a computation."""
        several = isinstance(result, (list, tuple))
        results: list[Any] = list(result) if isinstance(result, (list, tuple)) else [result]
        df = as_frame(df).reset_index(drop=True)
        if covariates is None and outcomes is None and not several:
            raise ValueError("Neither covariates nor outcomes came: name what the classes are to be related to.")
        if several:
            check(results, method, sizes)
        owner = owner_of(occasion, several, len(results))
        if sizes == "held" and (method != "ml" or covariates is not None):
            came = f"method={method!r}" if method != "ml" else f"covariates {covariates!r}"
            raise ValueError(
                f"sizes='held' came with {came}: class sizes of step one can be held with method='ml' and outcomes "
                "alone; take sizes='free'."
            )
        chains = result["posterior"].sizes["chain"] if isinstance(result, xr.DataTree) and "posterior" in result else 1
        _check_rows(results)
        steps = tuple(StepOne.of(r, df, variable, -(-draws // chains)) for r in results)
        first = steps[0]
        if several and any(s.of_clusters for s in steps):
            raise ValueError(
                "A list of fits came with classes of clusters: transitions are those of individuals; give variable= "
                "for the classes of individuals, or each fit alone."
            )
        if len(freqs := {s.source.model.freq for s in steps}) > 1:
            raise ValueError(
                f"The fits of the occasions came with different frequency columns ({', '.join(map(str, freqs))}): a "
                "row stands for so many units at all of them; fit them with the same freq=."
            )
        _check_design(steps, cluster)
        found, notes = outcomes_of(outcomes, outcome_covariates, slopes, df)
        predictors = formula_columns(covariates)
        used = [*predictors, *(c for o in found for c in formula_columns(o.formula))]
        check_columns(df, used, ())
        for s in steps:
            check_new(s.source.model, predictors, found)
            notes += said_of_covariates(s.source.model, s.variable)
        rows, frame = first.rows, df
        if several:
            rows = np.unique(np.concatenate([s.rows for s in steps]))
        if first.of_clusters:
            here = df.iloc[np.flatnonzero(first.data.pattern_of >= 0)]
            of_clusters(here, np.arange(len(here)), str(first.source.model.cluster), [*used, *(o.name for o in found)])
        kept = complete(frame.iloc[rows], used)
        if not kept.any():
            raise ValueError(f"No row has all of the covariates {', '.join(dict.fromkeys(used))}: nothing is left.")
        if n := int((~kept).sum()):
            unit = "clusters" if first.of_clusters else "rows"
            notes.append(f"{n} {unit} miss a covariate and are left out of the last step (step one has them)")
        if sizes == "held":
            notes.append("class sizes of step one are held, as in DU3STEP and DE3STEP of Mplus")
        groups, said = _groups(first, df, cluster)
        return cls(
            steps, df, rows, kept, covariates, tuple(found), groups, owner, method, assignment, sizes, draws=draws,
            notes=notes + said, **settings,
        )  # fmt: skip

    @property
    def replicated(self) -> bool:
        """Whether errors are those of replicate weights."""
        return bool(self.steps[0].source.model.survey.replicate_weights)

    def under(self, k: int, steps: tuple[StepOne, ...]) -> Plan:
        """The same with step one under the replicate weights number `k`."""
        return replace(self, steps=steps, replicate=k, notes=[])

    @property
    def of_draws(self) -> bool:
        """Whether step one is a posterior."""
        return self.steps[0].source.draws

    @property
    def frame(self) -> pd.DataFrame:
        """The rows of the last step."""
        return self.df.iloc[self.rows[self.kept]].reset_index(drop=True)

    @property
    def row_groups(self) -> Groups:
        """The groups of these rows."""
        return self.groups_of(self.rows[self.kept])

    def groups_of(self, rows: NDArray[np.int64]) -> Groups:
        """The groups of some rows of the data."""
        if self.groups is None or isinstance(self.groups, Units):
            return None if self.groups is None else self.groups.take(rows)
        return self.groups[rows]

    @property
    def numbers(self) -> list[str]:
        """What names of several occasions end with; nothing for a single one."""
        return [""] if len(self.steps) == 1 else [f"_{k + 1}" for k in range(len(self.steps))]

    @property
    def columns(self) -> list[str]:
        """Names for the assigned classes that no column of the data has, one an occasion."""
        name = "assigned"
        while any(str(c).startswith(name) for c in self.df.columns):
            name = f"_{name}"
        return [f"{name}{k}" for k in self.numbers]

    def of_rows(self, k: int, x: Array) -> Array:
        """Numbers (row of step one k, class) as those of the rows of the last step; missing where it has no answer."""
        out = np.full((len(self.df), x.shape[1]), np.nan)
        out[self.steps[k].rows] = x
        return out[self.rows[self.kept]]

    def seen(self, k: int) -> NDArray[np.bool_]:
        """Which rows of the last step have an answer in step one k."""
        return np.isin(self.rows[self.kept], self.steps[k].rows)

    @property
    def errors_in_words(self) -> str:
        """What standard errors have in them."""
        model = self.steps[0].source.model
        by = "robust" if self.groups is None else "robust against clusters"
        by = "of the design of the survey" if isinstance(self.groups, Units) else by
        by = f"by replicate weights ({model.survey.method})" if self.replicated else by
        if self.of_draws:
            return f"{by}, between draws of the posterior too"
        alone = self.groups is None and model.cluster is not None and not self.steps[0].of_clusters
        return (
            f"{by}{' (of clusters)' * alone}, {'with' if self.uncertainty else 'without'} the uncertainty of step one"
        )

    def run(self) -> ThreeStep:
        """The last step, by the method that was asked for."""
        return by_measurement.run(self) if self.method == "two-step" else by_assignment.run(self)

    @property
    def variables(self) -> list[str]:
        """The class variables of the last step: of several occasions with their numbers."""
        if len(self.steps) == 1:
            return [self.steps[0].variable.name]
        return [f"C{k + 1}" for k in range(len(self.steps))]

    def freq(self) -> Array:
        """Units that each row of the last step stands for."""
        first = self.steps[0]
        return first.freq[self.kept] if len(self.steps) == 1 else first.data.rows.shares[self.rows[self.kept]]


def _check_rows(results: Sequence[Any]) -> None:
    """Refuse classes of persons whose rows are measurements: what they are related to stands in rows of persons."""
    for r in results:
        held = Estimates.of(r).model.repeated if isinstance(r, (Fit, xr.DataTree)) else None
        if held is not None:
            raise ValueError(
                f"Rows of step one are measurements, those of a '{held.person}' a person in a cluster, whose classes "
                "cannot be related to columns of rows: make rows of persons by bm.wide, and fit growth to these."
            )


def _check_design(steps: Sequence[StepOne], cluster: str | None) -> None:
    """Refuse designs of a survey that three steps cannot carry on.

    Raises
    ------
    ValueError
        Frequencies beside weights, several designs, other clusters, a posterior.
    """
    models = [s.source.model for s in steps]
    if len({m.survey for m in models}) > 1:
        raise ValueError("The fits of the occasions have different designs of a survey: give all the same.")
    if not models[0].survey:
        return
    if models[0].freq:
        raise ValueError("Three steps came for a fit with weights and frequencies: repeat the rows, or leave one out.")
    if cluster is not None:
        raise ValueError(
            f"cluster came as {cluster!r}, but the design of the survey says what errors are: leave it out."
        )


def _groups(first: StepOne, df: pd.DataFrame, cluster: str | None) -> tuple[Groups, list[str]]:
    """Codes of the clusters of all rows of the data; None where units stand for themselves.

    Raises
    ------
    ValueError
        No such column, or missing labels.
    """
    if (sampling := first.data.rows.sampling) is not None:
        held = first.source.model.survey
        how = (
            "all steps are made again under each of the replicate weights"
            if held.replicate_weights
            else "errors are those between its primary sampling units"
        )
        said = [
            f"the design of the survey ({held.words}) is carried on: weights in all steps, {how}; tests are "
            "chi-squares, without its degrees of freedom"
        ]
        if first.source.model.varies_between and not first.of_clusters and sampling.cluster_weight is not None:
            said.append("in the last step each row has the product of its weight and that of its cluster")
        return sampling.units, said
    own = first.source.model.cluster
    name = cluster or (None if first.of_clusters else own)
    if name is None:
        return None, []
    if name not in df.columns:
        raise ValueError(f"cluster came as {name!r}, which is no column of the data: name one, or leave it out.")
    if own is not None and cluster not in (None, own):
        raise ValueError(
            f"cluster came as {cluster!r}, but step one has the clusters '{own}', and is independent between these "
            "alone: leave cluster= out."
        )
    codes = pd.factorize(df[name])[0]
    if n := int((codes < 0).sum()):
        raise ValueError(f"The cluster column '{name}' has {n} missing values: every row needs a cluster.")
    return codes, []
