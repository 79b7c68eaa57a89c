"""Steps one and two: class probabilities of the units, the classes they are assigned to, and the errors of that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmix.data import Patterns, as_frame
from bayesmix.data.identity import identity
from bayesmix.graph import LogLikelihood, Problem, derive
from bayesmix.ml import Target, curvature
from bayesmix.ml.newton import Curvature, inverse_information
from bayesmix.prediction.source import Source
from bayesmix.results import Fit
from bayesmix.spec import GROUP, LatentClass, Model
from bayesmix.typing import Array

STEP = 1e-4
"""Of the differences that say how assignments move with the parameters of step one."""


@dataclass(frozen=True)
class StepOne:
    """A result whose classes are to be related to other variables.

    Attributes
    ----------
    source : Source
        The fit or the posterior.
    data : Problem
        Its rows, on the user's scale.
    theta : array (theta,) or (chain, draw, theta)
    variable : LatentClass
    """

    source: Source
    data: Problem
    theta: Array
    variable: LatentClass

    @classmethod
    def of(cls, result: Fit | xr.DataTree, df: pd.DataFrame, name: str | None, draws: int | None = None) -> StepOne:
        """Read a result and its rows.

        Parameters
        ----------
        result : Fit or xarray.DataTree
        df : pandas.DataFrame
            The rows that it was made of.
        name : str, optional
            The class variable; needed where there are several.
        draws : int, optional
            Draws of each chain of a posterior.

        Raises
        ------
        ValueError, TypeError
            No result, other rows, no class variable of that name, or one of a single class.
        """
        source = Source.of(result)
        if isinstance(result, Fit) and result.collapsed:
            raise ValueError(
                "Step one has collapsed: a residual SD ran down to its floor, and its classes are a few equal answers; "
                "fit it again with fewer classes or variances that are equal over classes."
            )
        variable = _variable(source.model, name)
        rows = source.rows(as_frame(df))
        if source.identity is not None and identity(Patterns.of(rows))["data"] != source.identity:
            raise ValueError(
                f"The {int(rows.seen.sum())} rows with answers that came are not those that step one was fitted to: "
                "give the same rows, in any order, with their covariates and outcomes; new rows are for bm.predict."
            )
        placed = source.placed(rows, None, draws)
        return cls(source, placed.data, placed.theta, variable)

    @property
    def size(self) -> int:
        """The number of classes K."""
        return self.variable.size

    @property
    def labels(self) -> list:
        """The classes as results name them."""
        return list(self.data.coords[self.variable.name])

    @property
    def of_clusters(self) -> bool:
        """Whether the classes are those of clusters."""
        return self.variable.level == "cluster"

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """Rows of the data in the analysis, by position; of classes of clusters the first of each cluster."""
        seen = np.flatnonzero(self.data.pattern_of >= 0)
        if not self.of_clusters:
            return seen
        owner = np.asarray(self.data.cluster_of_row)[seen]
        return seen[np.unique(owner, return_index=True)[1]]

    @cached_property
    def unit(self) -> NDArray[np.int64]:
        """The pattern (or cluster) of each of :attr:`rows`."""
        return np.arange(len(self.rows)) if self.of_clusters else self.data.pattern_of[self.rows]

    @cached_property
    def freq(self) -> Array:
        """Units that each of :attr:`rows` stands for; by the weights of a survey, of both levels for individuals."""
        if not self.of_clusters:
            return self.data.rows.shares[self.rows]
        weight = self.data.rows.cluster_weights
        return weight * len(weight) / weight.sum()

    def replicate(self, k: int, params: Mapping[str, Array] | None = None) -> StepOne:
        """The same under the replicate weights number `k`, at other natural parameters where these come."""
        source = self.source
        if params is not None:
            moved = {n: x.copy(data=params[str(n)].reshape(x.shape)) for n, x in source.params.data_vars.items()}
            source = replace(source, params=source.params.assign(moved))
        placed = source.placed(self.data.rows.replicate(k), None)
        return StepOne(source, placed.data, placed.theta, self.variable)

    @cached_property
    def target(self) -> Target:
        """Its rows, to be fitted."""
        return Target(**{f.name: getattr(self.data, f.name) for f in fields(Problem)})

    def posterior(self, theta: Array) -> Array:
        """P(X = t | all answers) of each of :attr:`rows` at a point of theta, (row, class)."""
        (found,) = LogLikelihood(self.data).posterior(theta, (self.variable.level, self.variable.name))
        p = np.asarray(found)
        return (p / np.maximum(p.sum(axis=1, keepdims=True), 1e-300))[self.unit]

    @cached_property
    def curvature(self) -> Curvature:
        """The information of step one, and the scores of its units."""
        return curvature(self.target, self.theta)

    @cached_property
    def influence(self) -> tuple[Array, Array]:
        """How far each row of the data moves the estimates of step one, H^-1 s_i; and units that it stands for.

        What a cluster does stands at the first of its rows, where clusters are the units of the likelihood.

        Returns
        -------
        array (row of the data, theta)
        array (row of the data,)
        """
        c, seen = self.curvature, np.flatnonzero(self.data.pattern_of >= 0)
        by_unit = c.scores @ inverse_information(c)[0]
        out, freq = np.zeros((len(self.data.pattern_of), len(self.theta))), np.zeros(len(self.data.pattern_of))
        if self.data.clusters is None:
            out[seen], freq[seen] = by_unit[self.data.pattern_of[seen]], self.data.rows.weights[seen]
        else:
            owner, first = np.unique(np.asarray(self.data.cluster_of_row)[seen], return_index=True)
            out[seen[first]], freq[seen[first]] = by_unit[owner], c.weight[owner]
        return out, freq

    @cached_property
    def class_sizes(self) -> tuple[Array, Array]:
        """Sizes of the classes by the model, (class,), and their derivatives by theta, (theta, class).

        Raises
        ------
        ValueError
            They are not the same for all units: they depend on other classes.
        """
        name = f"{self.variable.name}_probability"
        _, found, _ = derive(self.data, self.theta)
        if found.values[name].ndim != 1:
            raise ValueError(
                f"sizes='held' came, but the sizes of the classes {self.variable.name} depend on other classes in step "
                "one: there is no one number to be held; take sizes='free'."
            )
        return found.values[name].values, found.slopes[name]

    def moves(self) -> Iterator[tuple[Array, Array, float]]:
        """Class probabilities a step up and a step down along each entry of theta, and how far apart these are."""
        for e in np.diag(STEP * np.maximum(1.0, np.abs(self.theta))):
            yield self.posterior(self.theta + e), self.posterior(self.theta - e), 2 * float(e.sum())


def _variable(model: Model, name: str | None) -> LatentClass:
    """The class variable `name`, or the only one.

    Raises
    ------
    ValueError
        There is none, there are several, or it has one class.
    """
    if by := [t.parameter.name for r in model.responses for t in r.terms if GROUP in t.parameter.dims]:
        raise ValueError(
            f"The items of step one differ between the groups of '{model.group}' ({by[0]}), and so do the errors of "
            "the assignment, which step three takes as the same for all: fit step one with "
            "measurement_by_group='equal', or put the covariates into it (covariates=)."
        )
    known = [c for c in model.classes if c.level != "item"]
    if not known:
        raise ValueError(
            "The model of step one has no class variable of individuals or clusters: three steps relate such classes "
            "to other variables."
        )
    names = [c.name for c in known]
    if name is None and len(known) > 1:
        raise ValueError(
            f"The model of step one has several class variables ({', '.join(names)}): name one by variable=; for "
            "transitions give the fits of the occasions, one for each, as a list."
        )
    if name is not None and name not in names:
        raise ValueError(f"variable came as {name!r}, but the class variables are {', '.join(names)}: name one.")
    out = next(c for c in known if name in (None, c.name))
    if out.size < 2:
        raise ValueError(
            f"The class variable {out.name} of step one has one class: there is nothing to relate to it; fit two or "
            "more classes."
        )
    return out


def _said_of_groups(model: Model, variable: LatentClass) -> list[str]:
    """What is to be said of groups and known classes, by which the errors of the assignment differ."""
    out = []
    if any(GROUP in t.parameter.dims for t in variable.predictor):
        out.append(
            f"the classes of step one have other sizes in each group of '{model.group}', over which the errors of the "
            "assignment are averages; step one is better fitted without group=, and the group a covariate of step three"
        )
    if any(name == variable.name for name, _ in model.known):
        out.append(
            "the classes of some are known, who are assigned without error: the errors of the assignment are averages "
            "over them and the others"
        )
    return out


def assigned(p: Array, assignment: str) -> Array:
    """The assignment w_is of each unit to each class s: (unit, class), rows that sum to one.

    Modal: one for the most likely class. Proportional: the class probabilities themselves.
    """
    return np.eye(p.shape[1])[p.argmax(axis=1)] if assignment == "modal" else p


def errors(p: Array, w: Array, freq: Array) -> Array:
    """P(W = s | X = t) in row t and column s, Vermunt (2010), equation (6).

        D_ts = sum_i P(X = t | y_i) w_is / sum_i P(X = t | y_i),

    over the units of step one, those left out of step three among them.
    """
    joint = (p * freq[:, None]).T @ w
    return joint / joint.sum(axis=1, keepdims=True)


def check_assigned(w: Array, freq: Array, labels: Sequence, assignment: str) -> None:
    """Refuse a class that nobody is assigned to.

    Raises
    ------
    ValueError
        Which class, and what to do.
    """
    share = (w * freq[:, None]).sum(axis=0)
    if (empty := np.flatnonzero(share <= 0)).size:
        more = "take assignment='proportional' or method='two-step', or" if assignment == "modal" else "take"
        raise ValueError(
            f"Class {labels[empty[0]]} of step one is nobody's most likely class: there is no error of an assignment "
            f"to it; {more} fewer classes."
        )


def said_of_covariates(model: Model, variable: LatentClass) -> list[str]:
    """What is to be said of covariates that the class probabilities of step one depend on already."""
    formulas = [t.covariates.formula for t in variable.predictor if t.covariates]
    out = _said_of_groups(model, variable)
    if not formulas:
        return out
    return [
        *out,
        f"the classes of step one have covariates ({'; '.join(formulas)}): class probabilities depend on them, and the "
        "errors of the assignment are averages over them; step one is better fitted without",
    ]
