"""Whether the chains of a posterior can be believed: numbers, and what they say."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmix.layout import number, percent
from bayesmix.typing import Array

RESPONSES = "y"
"""The name of all responses in the PyMC model and in each group of a posterior that is of them."""
RHAT, ESS = 1.01, 400
"""The largest R-hat and the smallest bulk ESS of which nothing is said."""
KHAT = 0.7
"""The largest Pareto k-hat with which importance weights can be trusted."""
UNSURE = 0.5
"""Above this the importance weights may have no variance."""
LOOK = 8
"""Draws at which the log-likelihoods of units are compared first."""
FEWEST = 100
"""So many draws it takes for a k-hat."""


def diagnosed(groups: Mapping[str, xr.Dataset], theta: Array | None, loglik: float, orders: Mapping) -> dict[str, Any]:
    """What tells whether the chains can be believed.

    Parameters
    ----------
    groups : mapping of str to xarray.Dataset
        Those of a posterior, as far as there are any.
    theta : array (chain, draw, theta), optional
        The parameters at the draws.
    loglik : float
        The maximum of the log-likelihood.
    orders : mapping
        The orders in which classes were put, by class dims, (chain, draw, class).
    """
    import arviz as az  # a second to import

    stats = groups["sample_stats"]
    out: dict[str, Any] = {
        "divergences": int(stats["diverging"].sum()) if "diverging" in stats else 0,
        "relabelled": {",".join(d): float((o != np.arange(o.shape[-1])).any(-1).mean()) for d, o in orders.items()},
        "ml_loglik": loglik,
        "chains": int(groups["posterior"].sizes["chain"]),
        "draws": int(groups["posterior"].sizes["draw"]),
    }
    if theta is not None:
        entries = xr.Dataset({"theta": (("chain", "draw", "entry"), theta)})
        rhat, ess = (f(entries)["theta"].values for f in (az.rhat, az.ess))
        out |= {"max_rhat": float(rhat.max()), "min_ess_bulk": float(ess.min())}
    return out | (_of_levels(groups) if "log_likelihood" in groups else {})


def _of_levels(groups: Mapping[str, xr.Dataset]) -> dict[str, Any]:
    """Levels of log-likelihood by chain, and for how many units leave-one-out by importance weights fails."""
    x = groups["log_likelihood"][RESPONSES]
    total = x.sum(x.dims[2:])
    level, spread = total.mean("draw"), float(total.std("draw").mean())
    return {
        "mean_loglik": float(total.mean()),
        "chain_loglik": [float(v) for v in level.values],
        "second_mode": bool(float(level.max() - level.min()) > max(3 * spread, 3.0)),
        "units": int(x.sizes[x.dims[2]]),
        "bad_khat": _bad_khat(x),
    }


def _bad_khat(x: xr.DataArray) -> int:
    """Units whose Pareto k-hat is above 0.7."""
    draws = x.transpose("chain", "draw", ...).values.reshape(x.sizes["chain"] * x.sizes["draw"], -1)
    if len(draws) < FEWEST:
        return 0
    different, counts = _different(draws)  # equal rows have one k-hat
    levels = xr.DataArray(different, dims=("sample", "unit"))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        _, khat = levels.azstats.psislw(dim="sample")  # takes log-likelihoods, not weights
    return int(counts[khat.values > KHAT].sum())


def _different(draws: Array) -> tuple[Array, NDArray[np.int64]]:
    """Find different columns, and how many of each there are: most that differ do so at a few of the draws."""
    few = draws[np.linspace(0, len(draws) - 1, LOOK).astype(int)]
    _, first, which, counts = np.unique(few, axis=1, return_index=True, return_inverse=True, return_counts=True)
    if all(np.array_equal(x, x[first][which]) for x in draws):
        return draws[:, first], counts
    return np.unique(draws, axis=1, return_counts=True)


def words(d: Mapping[str, Any], modes: bool = False) -> list[str]:
    """What a user should know of the chains; `modes` where their different levels are spoken of already."""
    out = []
    if d.get("divergences"):
        out.append(f"{d['divergences']} divergent transitions: raise target_accept, or look at the priors")
    weighed = d.get("method") == "importance"  # chains are batches of points: nothing that wants to mix
    if weighed and d["pareto_k"] > UNSURE:
        out.append(
            f"the importance weights have a Pareto k of {d['pareto_k']:.2f}, above {UNSURE} (they would be refused "
            f"above {KHAT}): the error of the log marginal likelihood is larger than it says"
        )
    if weighed and d["importance_ess"] < ESS:
        out.append(
            f"{d['importance_ess']:.0f} of the {d['points']:,} points of importance sampling are effective, below "
            f"{ESS}: take more (draws=), or method='nuts'"
        )
    if not weighed and d.get("max_rhat", 1.0) > RHAT:
        more = "chains are in different modes" if d.get("second_mode") else "run longer (draws=, tune=)"
        out.append(f"the largest R-hat is {above(d['max_rhat'], RHAT)}, above {RHAT}: {more}")
    if not weighed and d.get("min_ess_bulk", np.inf) < ESS:
        out.append(f"the smallest bulk ESS is {d['min_ess_bulk']:.0f}, below {ESS}: run longer (draws=)")
    if d.get("second_mode") and not modes and not weighed:
        out.append("chains stay at different levels of log-likelihood: there is a second mode")
    if d.get("bad_khat"):
        out.append(
            f"{d['bad_khat']} of {d['units']} units have a Pareto k-hat above 0.7: az.loo cannot be trusted for them; "
            "look at these units, or leave them out in turn (az.loo_kfold)"
        )
    return out


def sampler(d: Mapping[str, Any]) -> str:
    """What made the draws, in words."""
    return "importance sampling" if d.get("method") == "importance" else "NUTS"


def above(x: float, limit: float) -> str:
    """A number with as many digits as it takes to see that it is above the limit."""
    digits = next(n for n in range(3, 17) if round(x, n) > limit or n == 16)
    return f"{x:.{digits}f}"


def rows(d: Mapping[str, Any]) -> dict[str, Any]:
    """The same for a listing."""
    modes = {True: "YES: chains stay at different levels of log-likelihood", False: "none seen"}
    rhat, khat = d.get("max_rhat"), d.get("bad_khat")
    if d.get("method") == "importance":
        return _of_weights(d)
    return {
        "Draws": f"{d.get('chains')} chains of {d.get('draws')}",
        "Largest R-hat": number(rhat) if rhat is None or not rhat > RHAT else above(rhat, RHAT),
        "Smallest bulk ESS": number(d.get("min_ess_bulk"), 0),
        "Divergent transitions": d.get("divergences"),
        "Pareto k-hat above 0.7": None if khat is None else f"{khat} of {d.get('units')} units" if khat else "none",
        "Draws relabelled": _relabelled(d),
        "Second mode": modes[bool(d["second_mode"])] if "second_mode" in d else None,
        "NOT MADE": _lost(d),
    }


def _of_weights(d: Mapping[str, Any]) -> dict[str, Any]:
    """The rows of importance sampling."""
    khat = d.get("bad_khat")
    level = f"{number(d['log_marginal_likelihood'], 2)} (Monte Carlo error {d['log_marginal_likelihood_error']:.3f})"
    return {
        "Draws": f"{d.get('chains')} x {d.get('draws')} of equal weight, resampled from {d['points']:,} points",
        "Pareto k of the weights": f"{d['pareto_k']:.2f} (refused above {KHAT})",
        "Effective points": number(d["importance_ess"], 0),
        "Log marginal likelihood": level,
        "Labellings that say the same": d["labellings"] if d["labellings"] > 1 else None,
        "Modes": d["modes"] if d["modes"] > 1 else None,
        "Smallest bulk ESS": number(d.get("min_ess_bulk"), 0),
        "Pareto k-hat of units above 0.7": None if khat is None else f"{khat} of {d.get('units')}" if khat else "none",
        "Draws relabelled": _relabelled(d),
        "NOT MADE": _lost(d),
    }


def _relabelled(d: Mapping[str, Any]) -> str:
    return ", ".join(f"{k}: {percent(v)}" for k, v in d.get("relabelled", {}).items())


def _lost(d: Mapping[str, Any]) -> str:
    return "; ".join(f"{what} ({why})" for what, why in d.get("lost", {}).items())
