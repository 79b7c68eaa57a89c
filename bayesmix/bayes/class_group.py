"""The group `classes` of a posterior: class probabilities of rows and clusters, averaged over draws."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmix.bayes.node_audit import evenly
from bayesmix.graph import Problem, entries
from bayesmix.results import class_table, plain_coords, unmerged
from bayesmix.typing import Array

MOST_ENTRIES = 4e8
"""Probabilities of individuals at nodes and classes, over all draws together, that are computed: about ten seconds."""
FEWEST = 200
"""So many draws are averaged whatever that costs."""


def spaced(data: Problem, chains: int, draws: int, most: int | None = None) -> NDArray[np.int64]:
    """Positions of the draws of each chain that are averaged, evenly spaced.

    All of them where their work is at most MOST_ENTRIES; else as many as keep to that, but FEWEST over all chains at
    least; with `most`, no more than these of each chain.
    """
    affordable = int(MOST_ENTRIES / max(len(data.counts) * entries(data), 1) / chains)
    n = max(min(draws, max(affordable, -(-FEWEST // chains)), most or draws), 1)
    return evenly(draws, n)


def class_group(data: Problem, theta: Array) -> dict[str, xr.Dataset]:
    """The tables of :attr:`bayesmix.Fit.classes`, averaged over draws; no group where there are no classes.

    Parameters
    ----------
    data : Problem
        With nodes that stand over the draws.
    theta : array (chain, draw, theta)
        The parameters at the draws, classes in the order of the posterior's.
    """
    own = unmerged(data)
    if own is not data:
        own = own.centred()
    at = spaced(own, *theta.shape[:2])
    table = class_table(own, theta[:, at])
    if not table.data_vars:
        return {}
    return {"classes": plain_coords(table).assign_attrs(draws=theta.shape[0] * len(at))}
