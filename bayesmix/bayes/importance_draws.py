"""Draws by importance sampling in the shape that NUTS gives them, with what is known of their weights."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr

from bayesmix.bayes import mode_weights as heights
from bayesmix.bayes.importance import BATCHES, REFITS, ROUNDS, ImportanceFailed, Weighed, adapted, peaks, start, weighed
from bayesmix.bayes.node_audit import audit, better, over_points, some
from bayesmix.bayes.posterior_density import Density
from bayesmix.bayes.proposals import Mixture
from bayesmix.bayes.pymc_model import build_from
from bayesmix.bayes.symmetry import Symmetry
from bayesmix.data import Priors, units
from bayesmix.graph import Problem, is_adaptive
from bayesmix.parallel import progress_bar
from bayesmix.results import Fit
from bayesmix.spec.parameters import Prior
from bayesmix.typing import Array


@dataclass(frozen=True)
class Request:
    """What is asked of importance sampling.

    Attributes
    ----------
    priors : mapping of str to Prior
        Of every parameter.
    given : mapping, optional
        Those that came.
    draws, chains, seed
    keep_nodes : bool
        Whether the nodes came with the call.
    progress : bool
    """

    priors: Mapping[str, Prior]
    given: Priors | None
    draws: int
    chains: int
    seed: int
    keep_nodes: bool
    progress: bool


@dataclass(frozen=True)
class Drawn:
    """Draws, their model and data, and what is to be kept and said of their weights."""

    raw: xr.DataTree
    made: pm.Model
    data: Problem
    found: dict[str, Any]
    points: xr.Dataset
    said: list[str]


def drawn(data: Problem, fit: Fit, asked: Request) -> Drawn:
    """Sample the posterior of prepared data about a fit.

    Raises
    ------
    ImportanceFailed
        The weights cannot be trusted.
    """
    rng, density = np.random.default_rng(asked.seed), Density(data, asked.priors)
    with progress_bar(asked.progress) as bar:
        found, known = peaks(density, _starts(density, fit))
        if len(found) > 1 and is_adaptive(data):
            density = replace(density, data=over_points(data, [density.theta(p.u) for p in found]))
        once = bar("adapting", ROUNDS)
        q = adapted(density, start(found, density), rng, once)
        out, q = weighed(density, q, known, asked.draws * asked.chains, rng, bar("sampling", BATCHES * (1 + REFITS)))
        out, said = _mended(out, q, known, asked, rng, bar)
    points, numbers = _points(out), _numbers(out, known, len(found))
    if not out.is_good:
        raise ImportanceFailed(_refusal(out, fit), points)
    if asked.progress:
        print(summary(numbers))
    made = build_from(out.density.data, asked.given, by_row=False)
    return Drawn(_tree(out, points, asked, rng), made, out.density.data, numbers, points, said)


def _starts(density: Density, fit: Fit) -> list[Array]:
    """The fit and other solutions that its search has seen, away from their boundaries."""
    data, own = density.data, {str(k): x.values for k, x in fit.params.data_vars.items()}
    margins, out = units(data.on_user_scale()), []
    for values in (own, *heights.others(fit)):
        held = data.packing.held
        moved = {
            p.name: p.domain.moderate(np.asarray(values[p.name], dtype=float), *margins[p.name])
            for p in data.model.parameters
        }
        whole = {
            k: np.where(data.packing.estimated[k], x, np.where(np.isnan(held[k]), x, held[k])) for k, x in moved.items()
        }
        out.append(density.of_natural({k: x[None] for k, x in whole.items()})[0])
    return out


def _mended(
    out: Weighed, q: Mixture, known: Symmetry, asked: Request, rng: np.random.Generator, bar: Any
) -> tuple[Weighed, list[str]]:
    """The points, made anew where the nodes were too coarse at them and others may be taken; and what is to be said."""
    thetas = some(out.density.theta(out.u[out.resampled(100, rng)]))
    checked = audit(out.density.data, thetas)
    if not checked.is_off:
        return out, []
    change = f"Finer nodes change the log-likelihood at draws by up to {checked.worst:+.2f}"
    finer = None if asked.keep_nodes else better(out.density.data, thetas)
    if finer is None:
        return out, [f"{change}: take more (nodes=), or method='nuts', effects='sample'"]
    warnings.warn(f"{change}: sampling again with nodes that stand over these draws.", stacklevel=4)
    density = replace(out.density, data=finer)
    q = adapted(density, q, rng, bar("adapting", ROUNDS))
    again, _ = weighed(density, q, known, asked.draws * asked.chains, rng, bar("sampling", BATCHES * (1 + REFITS)))
    checked = audit(finer, some(density.theta(again.u[again.resampled(100, rng)])))
    if not checked.is_off:
        return again, []
    return again, [f"{change}, and still by {checked.worst:+.2f} with finer ones: give method='nuts', effects='sample'"]


def _points(out: Weighed) -> xr.Dataset:
    """Natural parameters at the points, and their weights."""
    data, values = out.density.data, out.density.natural(out.u)
    variables = {p.name: (("point", *p.dims), values[p.name]) for p in data.model.parameters}
    weights = {"log_weight": (("point",), out.log_weight), "log_ratio": (("point",), out.log_ratio)}
    coords = {d: list(data.coords[d]) for p in data.model.parameters for d in p.dims}
    return xr.Dataset({**variables, **weights}, coords={**coords, "point": np.arange(len(out.u))})


def _numbers(out: Weighed, known: Symmetry, modes: int) -> dict[str, Any]:
    """What is kept of the weights."""
    return {
        "method": "importance",
        "points": len(out.u),
        "pareto_k": out.k,
        "importance_ess": out.effective,
        "log_marginal_likelihood": out.log_marginal_likelihood,
        "log_marginal_likelihood_error": out.error,
        "labellings": known.size,
        "modes": modes,
    }


def summary(numbers: Mapping[str, Any]) -> str:
    """A line for the user."""
    return (
        f"Importance sampling: Pareto k {numbers['pareto_k']:.2f}, {numbers['importance_ess']:.0f} effective of "
        f"{numbers['points']:,} points, log marginal likelihood {numbers['log_marginal_likelihood']:.2f} "
        f"({numbers['log_marginal_likelihood_error']:.2f})"
    )


def _refusal(out: Weighed, fit: Fit) -> str:
    return (
        f"The importance weights have a Pareto k of {out.k:.2f}, above {out.largest_k:.2f} ({out.effective:.0f} "
        f"effective of {len(out.u):,} points): the posterior has a form that the proposal does not reach, and neither "
        "draws nor the marginal likelihood would be right. Use method='nuts'; the fit stays as it is, and the points "
        "with their weights are this error's attribute `points`."
    )


def _tree(out: Weighed, points: xr.Dataset, asked: Request, rng: np.random.Generator) -> xr.DataTree:
    """Draws of equal weight as chains; each chain has points of its own."""
    lead = (asked.chains, asked.draws)
    at = out.resampled(asked.chains * asked.draws, rng)
    names = [p.name for p in out.density.data.model.parameters]
    taken = points.isel(point=at)
    coords = {"chain": np.arange(lead[0]), "draw": np.arange(lead[1])}
    labels = {str(d): points[d].values for d in points[names].dims if d != "point"}
    posterior = {k: (("chain", "draw", *taken[k].dims[1:]), _shaped(taken[k].values, lead)) for k in names}
    lp = points["log_ratio"].values  # of draws: for a look at how even they are
    stats = {"point": (("chain", "draw"), at.reshape(lead)), "log_ratio": (("chain", "draw"), lp[at].reshape(lead))}
    return xr.DataTree.from_dict(
        {
            "/posterior": xr.Dataset(posterior, coords={**coords, **labels}),
            "/sample_stats": xr.Dataset(stats, coords=coords),
        }
    )


def _shaped(x: Array, lead: Sequence[int]) -> Array:
    return x.reshape(*lead, *x.shape[1:])
