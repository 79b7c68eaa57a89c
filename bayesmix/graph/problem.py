"""What the graph is asked about: a data set with the nodes of its effects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Self

import numpy as np
import pandas as pd

from bayesmix.data import Coding, Dataset, Patterns
from bayesmix.graph.integration import choose, node_arrays
from bayesmix.spec import Adaptive, Model, Named, Nodes
from bayesmix.typing import Array


@dataclass(frozen=True)
class Problem(Patterns):
    """A model with data and nodes: all that a log-likelihood is a function of, but theta.

    Attributes
    ----------
    nodes : dict of str to Nodes
        The integration method at each level that has integrated effects.
    places : dict of str to (array, array)
        Centres (unit, effect) and scales (unit, effect, effect) of adaptive nodes that have been moved.

    Examples
    --------
    >>> problem = bm.Problem.of(bm.Dataset.encode(model, df))
    >>> problem.packing.size, problem.n_individuals
    (9, 200)
    """

    nodes: Mapping[str, Nodes] = field(default_factory=dict)
    places: Mapping[str, tuple[Array, Array]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        rows: Dataset,
        nodes: Nodes | Mapping[str, Nodes] | None = None,
        sampled: tuple[str, ...] = (),
        collapse: bool = True,
        apart: bool = False,
    ) -> Self:
        """Make the graph's inputs of encoded rows.

        Parameters
        ----------
        rows : Dataset
        nodes : Nodes or mapping of level to Nodes, optional
            How effects are integrated; left out, the program chooses.
        sampled : tuple of str
            Levels whose effects are given values (one node a unit) instead of being integrated.
        collapse : bool
            Merge equal rows into patterns (of each cluster, for a two-level model).
        apart : bool
            No pattern stands for individuals of different clusters.

        Raises
        ------
        ValueError, TypeError
            Nodes that the model cannot have, too few clusters, more classes than rows.
        """
        methods = choose(rows.model, nodes, sampled)
        if "cluster" not in sampled:
            rows.check_clusters()
        by_cluster = apart or "cluster" in sampled or isinstance(methods.get("cluster"), Adaptive)
        made = Patterns.of(rows, by_cluster, collapse and "individual" not in sampled)
        arrays: dict[str, Named] = dict(made.arrays)
        for level, size in (("individual", len(made.counts)), ("cluster", len(made.clusters or []))):
            if effects := rows.model.effects_at(level):
                arrays |= node_arrays(level, effects, methods.get(level), size)
        own = {f.name: getattr(made, f.name) for f in fields(Patterns)}
        return cls(**own | {"arrays": arrays, "nodes": methods})

    def uncollapsed(self) -> Problem:
        """The same rows and methods, with a pattern for every row."""
        return Problem.of(self.rows, self.nodes, collapse=False)

    def by_clusters(self) -> Problem:
        """The same rows and methods, no pattern of which stands for individuals of different clusters."""
        own = self.clusters is None or "cluster_of" in self.arrays
        return self if own else Problem.of(self.rows, self.nodes, apart=True)

    @property
    def rows(self) -> Dataset:
        """The encoded rows."""
        if self.dataset is None:
            raise ValueError("The rows of these patterns were dropped.")
        return self.dataset

    def bare(self) -> Self:
        """Without the rows, and what is said of each: what is sent to another process to be computed with."""
        nobody = np.zeros(0, dtype=np.int64)
        return replace(self, dataset=None, kept={}, pattern_of=nobody, cluster_of_row=None, index=self.index[:0])

    def with_weights(self, weight: Array) -> Self:
        """With another weight of each unit, as of a resample."""
        return replace(self, arrays={**self.arrays, "weight": Named(self.arrays["weight"].dims, weight)})


def prepare(
    model: Model,
    df: pd.DataFrame,
    nodes: Nodes | Mapping[str, Nodes] | None = None,
    sampled: tuple[str, ...] = (),
    collapse: bool = True,
    coding: Coding | None = None,
) -> Problem:
    """Check the data and make the graph's inputs.

    Parameters
    ----------
    model : Model
        The declaration.
    df : pandas.DataFrame
        One row an individual; `model.freq` counts rows that stand for several.
    nodes : Nodes or mapping of level to Nodes, optional
        How effects are integrated; left out, the program chooses.
    sampled : tuple of str
        Levels whose effects are given values (one node a unit) instead of being integrated.
    collapse : bool
        Merge equal rows into patterns (of each cluster, for a two-level model).
    coding : Coding, optional
        That of other rows (`Problem.coding`, `fit.info["coding"]`), which is followed as far as it goes.

    Returns
    -------
    Problem

    Raises
    ------
    ValueError, TypeError
        What came, what was expected, and what to do.

    Examples
    --------
    >>> problem = bm.prepare(model, df)
    >>> problem.counts.sum()
    np.float64(200.0)
    """
    return Problem.of(Dataset.encode(model, df, coding), nodes, sampled, collapse)
