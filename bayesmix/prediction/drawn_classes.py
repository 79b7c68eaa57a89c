"""Draws of the classes of individuals and clusters from their posterior."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from bayesmix.checks import whole
from bayesmix.graph import Problem, draw_classes
from bayesmix.prediction.source import Source
from bayesmix.results import Fit, plain_coords, row_coords
from bayesmix.spec import Nodes
from bayesmix.typing import Array


def class_draws(
    result: Fit | xr.DataTree,
    df: pd.DataFrame,
    *,
    draws: int | None = None,
    seed: int = 0,
    nodes: Nodes | None = None,
) -> xr.Dataset:
    """Draw the classes of all individuals and clusters of `df` jointly from their posterior.

    Each draw is one of P(all classes | data, theta) at one draw of theta: the classes D_j and random effects eta_j of a
    cluster are drawn first, then the path of each of its individuals given them,

        P(eta_j, D_j, C_1j, ..., C_nj | y_j) = P(eta_j, D_j | y_j) prod_i P(C_ij | y_ij, eta_j, D_j).

    Individuals of one cluster are dependent; whatever is computed of the draws (shares of classes in a cluster, who
    moved, a distal outcome by class) has the uncertainty of the classes in it, and of a posterior that of the
    parameters.

    Parameters
    ----------
    result : Fit or xarray.DataTree
        A posterior; or a fit, at whose estimates the classes are drawn (pseudo-class draws).
    df : pandas.DataFrame
        The data, or other rows with the same columns; each cluster is judged by its rows here.
    draws : int, optional
        Draws of each chain, evenly spaced; left out, all of them, or as many as take about ten seconds (200 over all
        chains at least). Of a fit: 20.
    seed : int
        For ``numpy.random.default_rng``.
    nodes : Nodes, optional
        How random effects are integrated; those of the result if left out.

    Returns
    -------
    xarray.Dataset
        For each class variable the classes 1, 2, ..., over (chain, draw, row), or (chain, draw, cluster) for classes of
        clusters. Rows without answers are left out; a row that stands for several individuals, by a column of
        frequencies, is there for each of them.

    Raises
    ------
    ValueError
        The model has no class variable of individuals or clusters; settings that are none.

    Examples
    --------
    >>> drawn = bm.class_draws(fit, df, draws=10, seed=1)
    >>> drawn["C"].dims, drawn["C"].shape
    (('chain', 'draw', 'row'), (1, 10, 200))
    """
    source = Source.of(result)
    whole("seed", seed, 0)
    if draws is not None:
        whole("draws", draws)
        if source.draws and draws > source.params.sizes["draw"]:
            raise ValueError(f"draws came as {draws}, but each chain has {source.params.sizes['draw']}: give fewer.")
    names = [c for c in source.model.classes if c.level != "item"]
    if not names:
        raise ValueError(
            "The model has no class variable of individuals or clusters to draw; grades of membership of a posterior "
            "are drawn in its group 'latent'."
        )
    at = source.placed(source.for_new(df).rows(df), nodes, draws)
    if not source.draws:
        theta: Array = np.broadcast_to(at.theta, (1, draws or 20, len(at.theta)))
        coords = {"chain": [0], "draw": np.arange(theta.shape[1])}
    else:
        theta, coords = at.theta, {k: at.params[k].values for k in ("chain", "draw")}
    rows, labels = _individuals(at.data)
    rng, out = np.random.default_rng(seed), {}
    for drawn in draw_classes(at.data, theta, rng, rows):
        for k, x in drawn.items():
            out.setdefault(k, []).append(x.astype(np.int16))
    tables = {
        c.name: (
            ("chain", "draw", "row" if c.level == "individual" else "cluster"),
            np.asarray(at.data.coords[c.name], dtype=np.int64)[np.stack(out[c.name])].reshape(*theta.shape[:2], -1),
        )
        for c in names
    }
    units = labels if any(c.level == "individual" for c in names) else {}
    units |= {"cluster": at.data.clusters} if any(c.level == "cluster" for c in names) else {}
    return plain_coords(xr.Dataset(tables, coords={**coords, **units}))


def _individuals(data: Problem) -> tuple[np.ndarray, dict]:
    """Rows in the analysis, repeated by their frequency, and the coords of their labels."""
    rows = np.flatnonzero(data.pattern_of >= 0)
    if data.model.freq is not None:
        rows = np.repeat(rows, data.rows.freq[rows].astype(int))
    return rows, row_coords(data.index[rows])
