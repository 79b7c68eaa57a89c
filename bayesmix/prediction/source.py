"""What a result brings to rows: its model, how its data were coded, its parameters at one point or at many draws."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayesmix.bayes.class_group import spaced
from bayesmix.bayes.node_audit import audit, better, over_points, some
from bayesmix.data import Coding, Dataset, check_coords, coding_of, plain
from bayesmix.graph import ROUGH, Problem, at_rest, audit_error, audit_words, refine_nodes
from bayesmix.results import Estimates, Fit, unmerged
from bayesmix.spec import Model, Nodes, Survey, from_text
from bayesmix.typing import Array


@dataclass(frozen=True)
class Source:
    """A fit or a posterior, for rows that are judged by it.

    Attributes
    ----------
    model : Model
    params : xarray.Dataset
        Parameters on their natural scales; of a posterior with the dims chain and draw.
    coding : Coding
        How its data were coded.
    nodes : mapping of str to Nodes
        How random effects were integrated, by level.
    clusters : frozenset of str
        Labels of its clusters, as text.
    identity : str, optional
        The fingerprint of its data.
    """

    model: Model
    params: xr.Dataset
    coding: Coding
    nodes: Mapping[str, Nodes]
    clusters: frozenset[str]
    identity: str | None

    @classmethod
    def of(cls, result: Fit | xr.DataTree) -> Source:
        """Read a fit or a posterior.

        Raises
        ------
        TypeError
            Neither of them.
        ValueError
            A posterior that does not say how its data were coded.
        """
        known = Estimates.of(result)
        model, settings = known.model, known.settings
        names = [p.name for p in model.parameters]
        identity = (settings.get("identity") or {}).get("data")
        if isinstance(result, Fit):
            coding = coding_of(model, result.params)
            parts = [result.classes, result.effect_scores]
            return cls(model, result.params[names], coding, result.nodes, _labels(parts), identity)
        if "coding" not in settings:
            raise ValueError(
                "The posterior does not say how its data were coded: it is of an earlier version; sample again with "
                "bm.sample."
            )
        nodes = {k: from_text(v) for k, v in settings.get("about", {}).get("nodes", {}).items()}
        parts = [g.to_dataset() for g in result.children.values()]
        params = result["posterior"].to_dataset()[names]
        return cls(model, params, Coding.of(settings["coding"]), nodes, _labels(parts), identity)

    @property
    def draws(self) -> bool:
        """Whether there are many points, the draws of a posterior."""
        return "draw" in self.params.dims

    def for_new(self, df: pd.DataFrame) -> Source:
        """For rows of which none is to be estimated: of the design of a survey the weights within clusters stay.

        The classes and effects of a cluster are predicted as the fit has them, with its rows by their weights; what a
        row of its own stands for in the population says nothing of its class.

        Raises
        ------
        ValueError
            These weights are not there.
        """
        held = self.model.survey
        if not held:
            return self
        there = held.weights is not None and held.weights in df.columns
        if self.model.varies_between and held.weights is not None and not there:
            raise ValueError(
                f"The rows have no column '{held.weights}', the weights of rows within clusters, by which the fit "
                "weighs what is known of a cluster: give it, with equal numbers where all rows count alike."
            )
        kept = Survey(weights=held.weights, scaling=held.scaling) if there and self.model.two_level else Survey()
        return replace(self, model=replace(self.model, survey=kept))

    def rows(self, df: pd.DataFrame, unanswered: bool = False) -> Dataset:
        """Encode `df` as the data of the result were.

        Raises
        ------
        ValueError, TypeError
            As :meth:`bayesmix.Dataset.encode`; columns of other labels than the parameters have.
        """
        return Dataset.encode(self.model, df, self.coding, unanswered)

    def placed(self, rows: Dataset, nodes: Nodes | None, most: int | None = None) -> Placed:
        """The rows as a problem with nodes for them, and the parameters as points of its theta.

        Parameters
        ----------
        rows : Dataset
        nodes : Nodes, optional
            Those of the result if left out, and finer ones where these are too coarse for the rows.
        most : int, optional
            So many draws of each chain at most.
        """
        methods = nodes or {k: m for k, m in self.nodes.items() if self.model.effects_at(k)} or None
        data = unmerged(Problem.of(rows, methods)).on_user_scale()
        check_coords(self.params, self.model, data.coords)
        if not self.draws:
            theta = data.pack({p.name: self.params[p.name].values for p in self.model.parameters})
            return Placed(_at_point(data, theta, nodes is None), theta, self.params)
        drawn = self.params.transpose("chain", "draw", ...)
        values = {p.name: drawn[p.name].transpose("chain", "draw", *p.dims) for p in self.model.parameters}
        at = spaced(data, drawn.sizes["chain"], drawn.sizes["draw"], most)
        theta = np.empty((drawn.sizes["chain"], len(at), data.packing.size))
        for chain, k in np.ndindex(*theta.shape[:2]):
            theta[chain, k] = data.pack({name: x.values[chain, at[k]] for name, x in values.items()})
        return Placed(_over_draws(data, theta, nodes is None), theta, drawn.isel(draw=at))


@dataclass(frozen=True)
class Placed:
    """Rows as a problem, with the points of theta at which they are judged.

    Attributes
    ----------
    data : Problem
        On the user's scale; no pattern stands for individuals of different clusters.
    theta : array (theta,) or (chain, draw, theta)
    params : xarray.Dataset
        The parameters at these points.
    """

    data: Problem
    theta: Array
    params: xr.Dataset


def _labels(parts: list[xr.Dataset]) -> frozenset[str]:
    """Labels of the clusters in any of the datasets, as text."""
    return frozenset(str(plain(v)) for ds in parts if "cluster" in ds.coords for v in ds["cluster"].values)


def _at_point(data: Problem, theta: Array, may_refine: bool) -> Problem:
    """Nodes for the rows at one point: those that follow from rows and point alone; what is too coarse is said."""
    if not data.nodes:
        return data
    at = at_rest(data, theta)
    found: Mapping[str, Any] = {}
    if may_refine:
        finer, found = refine_nodes(at, theta, ROUGH)
        at = at if finer.nodes == at.nodes else at_rest(finer, theta)
    if audit_error(found) > ROUGH:
        warnings.warn(f"{audit_words(found)}.", stacklevel=5)
    return at


def _over_draws(data: Problem, theta: Array, may_refine: bool) -> Problem:
    """Nodes for the rows that stand over the draws; finer ones where they are too coarse, which else is said."""
    if not data.nodes:
        return data
    points = some(theta)
    at = over_points(data, points)
    checked = audit(at, points)
    if checked.is_off and may_refine and (finer := better(at, points)) is not None:
        at, checked = finer, audit(finer, points)
    if checked.is_off:
        warnings.warn(
            f"Finer nodes change the log-likelihood of these rows at draws by up to {checked.worst:+.2f}: take more "
            "(nodes=).",
            stacklevel=5,
        )
    return at
