"""The group `classes` of a posterior: class probabilities of rows and clusters, averaged over draws."""

from __future__ import annotations

import xarray as xr

from bayesmix.graph import Problem, entries
from bayesmix.results import class_table, plain_coords, unmerged
from bayesmix.typing import Array

MOST_ENTRIES = 2e8
"""Probabilities of individuals at nodes and classes, over all draws together, that are computed: about ten seconds."""
FEWEST = 200
"""So many draws are averaged whatever that costs."""


def every(data: Problem, theta: Array, most: int | None = None) -> int:
    """The step from one draw to the next that is averaged, of draws (chain, draw, theta).

    One where all of them together have at most MOST_ENTRIES; else so that the work is no more, but for FEWEST draws in
    all; with `most`, so that there are no more than these of a chain.
    """
    chains, n = theta.shape[:2]
    affordable = MOST_ENTRIES / max(len(data.counts) * entries(data), 1) / chains
    kept = min(n, max(affordable, FEWEST / chains), most or n)
    return max(1, int(-(-n // kept)))


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
    step = every(own, theta)
    table = class_table(own, theta[:, ::step])
    if not table.data_vars:
        return {}
    used = {"draws": int(theta[:, ::step].shape[0] * theta[:, ::step].shape[1]), "every": step}
    return {"classes": plain_coords(table).assign_attrs(used)}
