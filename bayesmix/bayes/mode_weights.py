"""Other solutions of a fit as modes of the posterior: how high they are, and how much of the mass is theirs.

Chains that start at one maximum do not find another; a search has seen both. Around each solution the posterior is
taken as normal (Laplace): its mass is exp(height) (2 pi)^(d/2) |-H|^(-1/2), H the Hessian at the mode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import optimize, special

from bayesmix.data import Dataset, units
from bayesmix.graph import LogLikelihood, adapt_nodes
from bayesmix.ml import Objective, Target
from bayesmix.parallel import one_blas_thread
from bayesmix.results import Fit
from bayesmix.spec import Nodes
from bayesmix.spec import class_labels as labels
from bayesmix.spec.parameters import Parameter, Prior
from bayesmix.typing import Array

MATTERS = 0.01
"""The share of the posterior mass from which a solution is spoken of."""
SAME = 1e-3
"""A difference of log-likelihoods that is none."""
SAME_MODE_DISTANCE = 0.05
"""Ends of climbs so near to each other, in units of the parameters and of the height, are one mode."""
BELOW, MOST = 25.0, 5
"""Solutions so many log-likelihood units below the best are left aside, and all but so many."""
STEP = 1e-4


@dataclass(frozen=True)
class Mode:
    """A mode of the posterior.

    Attributes
    ----------
    values : dict of str to array
        Parameters on the user's natural scale.
    loglik : float
        Their log-likelihood.
    height : float
        Log-likelihood plus log prior density.
    mass : float
        Logarithm of the mass around it, by Laplace; of all modes up to one constant.
    maximum : float
        The log-likelihood of the solution that it belongs to.
    """

    values: Mapping[str, Array]
    loglik: float
    height: float
    mass: float
    maximum: float


def others(fit: Fit) -> list[dict[str, Array]]:
    """Natural parameters of solutions that a search saw besides the best one: the highest few, none far below."""
    found: xr.Dataset | None = getattr(fit, "solutions", None)
    if found is None or "solution" not in found.dims:
        return []
    names = [str(k) for k in fit.params.data_vars]
    own = {k: fit.params[k].values for k in names}
    level = found["loglik"].values if "loglik" in found else np.full(found.sizes["solution"], fit.loglik)
    order = [i for i in np.argsort(-level, kind="stable") if level[i] > fit.loglik - BELOW]
    each = [{k: found[k].isel(solution=i).transpose(*fit.params[k].dims).values for k in names} for i in order]
    further = [x for x in each if any(not np.allclose(x[k], own[k], rtol=1e-3, atol=1e-3) for k in names)]
    return further[:MOST]


def modes(
    rows: Dataset,
    solutions: Sequence[Mapping[str, Array]],
    priors: Mapping[str, Prior],
    nodes: Nodes | Mapping[str, Nodes] | None = None,
) -> list[Mode]:
    """The different modes of the posterior above the solutions, in their order, that of the first among them.

    The order of the classes and the direction of factors make no difference.
    """
    target = replace(Target.of(rows, nodes), priors=priors)
    out: list[Mode] = []
    with one_blas_thread():
        for values in solutions:
            found = _mode(target, target.pack(values))
            if not any(_same(target, found, other) for other in out):
                out.append(found)
    return out


def _same(data: Target, a: Mode, b: Mode) -> bool:
    """Whether two climbs ended at one mode: as high, and at one place in units of the parameters."""
    if abs(a.height - b.height) > SAME_MODE_DISTANCE:
        return False
    one = {k: x[None] for k, x in a.values.items()}
    moved, _ = labels.relabel(data.model, one, b.values)
    apart = [np.abs(moved[k][0] - b.values[k]) / unit for k, (_, unit) in units(data).items()]
    return max(float(x.max(initial=0.0)) for x in apart) < SAME_MODE_DISTANCE


def _mode(data: Target, theta: Array) -> Mode:
    """Climb from a solution, twice: adaptive nodes are moved to where the first climb ends."""
    data = adapt_nodes(data, theta)
    maximum = float(LogLikelihood(data).value(theta))
    for _ in range(2):
        data = adapt_nodes(data, theta)
        climbed = Objective(data).value_and_gradient

        def falling(x: Array, f=climbed) -> tuple[float, Array]:
            value, gradient = f(x)
            return (-float(value), -gradient) if np.isfinite(value) else (np.inf, np.zeros_like(x))

        found = optimize.minimize(falling, theta, jac=True, method="L-BFGS-B", options={"maxiter": 500})
        theta = found.x if np.isfinite(found.fun) else theta
    loglik = float(LogLikelihood(data).value(theta))
    height = float(climbed(theta)[0])
    return Mode(data.natural(theta), loglik, height, height + _volume(data, theta, climbed), maximum)


def _volume(data: Target, theta: Array, gradient) -> float:
    """Logarithm of the volume of the normal density around a mode, on the natural scale; NaN where it is no mode."""
    steps = STEP * np.maximum(1.0, np.abs(theta))
    rows = [(gradient(theta + e)[1] - gradient(theta - e)[1]) / (2 * e.sum()) for e in np.diag(steps)]
    size = np.linalg.eigvalsh(-0.5 * (np.array(rows) + np.array(rows).T))
    if (size <= 0).any():
        return float("nan")
    inside = data.inside(theta)
    stretch = sum(_log_stretch(inside[p.name], p, data) for p in data.model.parameters)
    return float(stretch + 0.5 * len(theta) * np.log(2 * np.pi) - 0.5 * np.log(size).sum())


def _log_stretch(x: Array, p: Parameter, data: Target) -> float:
    """The log derivative of natural parameters with respect to theta."""
    return float(p.domain.log_slope(x)[data.packing.own[p.name]].sum())


def shares(found: Sequence[Mode]) -> Array:
    """The share of the mass of each mode; by their heights alone where a mass is unknown."""
    masses = np.array([m.mass for m in found])
    levels = masses if np.isfinite(masses).all() else np.array([m.height for m in found])
    return np.exp(levels - special.logsumexp(levels))


def chains_of(share: Array, chains: int) -> NDArray[np.int64]:
    """How many chains start at each mode: in proportion to their shares, one at least at the first."""
    out = np.floor(share * chains).astype(int)
    for k in np.argsort(-(share * chains - out), kind="stable")[: chains - out.sum()]:
        out[k] += 1
    if out[0] == 0:  # the fit's own mode: the draws are laid beside it
        out[int(np.argmax(out))] -= 1
        out[0] += 1
    return out


def words(found: Sequence[Mode], share: Array, chains: NDArray[np.int64]) -> list[str]:
    """What a user should know of the other modes; the first is that of the fit."""
    out = []
    for k in range(1, len(found)):
        if share[k] < MATTERS:
            continue
        m, lead = found[k], found[0]
        if abs(m.maximum - lead.maximum) < SAME:
            out.append(
                f"another solution has exactly the log-likelihood of the fit's ({lead.maximum:.3f}), and about "
                f"{share[k]:.0%} of the posterior mass: the model is not identified by these data, only the priors "
                "tell the two apart, and longer chains do not mend that; simplify the model"
            )
            continue
        where = f"{chains[k]} of the chains started there" if chains[k] else "no chain started there"
        out.append(
            f"the search has seen another mode, with about {share[k]:.0%} of the posterior mass (log posterior "
            f"{m.height:.2f} against {lead.height:.2f} at the fit, log-likelihood {m.loglik:.2f} against "
            f"{lead.loglik:.2f}); {where}, and chains seldom move from one to the other"
        )
    return out
