"""What is to be expected of answers: means, or probabilities of categories, over the posterior of what is latent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from bayesmix.graph.compile import LogLikelihood, constants_of
from bayesmix.graph.problem import Problem
from bayesmix.graph.unit_classes import over_points
from bayesmix.spec import GROUP, Named, Response
from bayesmix.typing import Array


def expected_answers(
    data: Problem, theta: Array, mode=None, tails: Sequence[float] = ()
) -> dict[str, tuple[Array, ...]]:
    """Means of a further answer of each individual to each item, and their SDs between points of theta.

    With the states s of everything latent that the item depends on (classes and effects of the individual and of its
    cluster) and the classes m of the item itself, (28)-(34),

        E(y_new | data) = sum_s P(s | data) sum_m P(m | s) E(y | s, m),

    P(s | data) the gradient of the log-likelihood with respect to a log factor over s, E(y | s, m) the mean of the
    family; of categories it is the probability of each. Averages over points, if theta has leading axes.

    Returns
    -------
    dict of str to (array, array, ...)
        By response: (individual, item), with categories (individual, item, category); the SDs, and quantiles at the
        probabilities `tails` between the points, likewise.

    Notes
    -----
    `data` must not merge individuals of different clusters.
    """
    each = [_at(data, point, mode) for point in over_points(theta)]
    stacked = {name: np.stack([e[name] for e in each]) for name in each[0]}
    return {
        name: (x.mean(axis=0), x.std(axis=0), *np.quantile(x, list(tails), axis=0)) if tails else (x.mean(0), x.std(0))
        for name, x in stacked.items()
    }


def _at(data: Problem, theta: Array, mode) -> dict[str, Array]:
    """Expected answers at one point."""
    made, out = LogLikelihood(data, mode).factors(theta), {}
    for r in data.model.responses:
        x = given_states(r, made, data)
        last = [r.item_dim, *(["feature"] if "feature" in x.dims else [])]
        states = [str(d) for d in x.dims if d not in ("individual", *last)]
        if states:
            (found,) = LogLikelihood(data, mode).posterior(theta, ("individual", *states))
            p = xr.DataArray(np.asarray(found), dims=("individual", *states))
            total = p.sum(states)
            x = xr.dot(p / total.where(total > 0, 1.0), x, dim=states)
        n = {} if "individual" in x.dims else {"individual": len(data.counts)}
        out[r.name] = x.expand_dims(n).transpose("individual", *last).values
    return out


def given_states(r: Response, made: Mapping[str, Named], data: Problem, square: bool = False) -> xr.DataArray:
    """Means of the items of a response, given the latent states that it depends on; classes of items are summed out.

    Parameters
    ----------
    r : Response
    made : mapping
        What :meth:`LogLikelihood.factors` returned.
    data : Problem
        That merges no individuals of different clusters.
    square : bool
        Means of the squares of numbers instead.

    Returns
    -------
    xarray.DataArray
        Dims of the states, of individuals where they differ, of the items; for categories, whose probabilities they
        are, `feature` besides.
    """
    named, constants = made[f"response:{r.name}"], constants_of(data, r.name)
    x = xr.DataArray(named.values, dims=named.dims)
    x = x if r.item_dim in x.dims else x.expand_dims({r.item_dim: len(r.items)})
    if np.ndim(constants.get("trials", 0.0)) and "individual" not in x.dims:  # they differ by row, and so do means
        x = x.expand_dims({"individual": len(data.counts)})
    x = x.transpose(..., "individual", r.item_dim, "feature", missing_dims="ignore")
    mean = r.family.mean(x.values, constants)
    if square and not r.family.finite:
        mean = mean**2 + r.family.variance(x.values, constants)
    x = xr.DataArray(mean, dims=x.dims if r.family.finite else x.dims[:-1])
    for c in reversed(data.model.classes_at("item")):  # a child before its parent
        if c.name in x.dims:
            p = made[f"class:{c.name}"]
            p = xr.DataArray(np.exp(p.values), dims=p.dims)
            if "individual" in {*p.dims, *x.dims}:
                p, x = for_individuals(p, data), for_individuals(x, data)
            x = xr.dot(x, p, dim=c.name)
    return for_individuals(x, data)


def for_individuals(x: xr.DataArray, data: Problem) -> xr.DataArray:
    """What differs by cluster, or by observed group, for each individual."""
    for dim, of in (("cluster", "cluster_of"), (GROUP, "group_of_individual")):
        if dim in x.dims:
            x = x.isel({dim: xr.DataArray(data.arrays[of].values, dims="individual")})
    return x
