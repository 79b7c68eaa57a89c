"""What a search climbs: the log-likelihood plus the log density of priors, which is penalised maximum likelihood.

The density is that of natural parameters, on the user's scale, of :mod:`bayesmix.data.priors`, whose variables NUTS
samples.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.compile.mode import Mode
from pytensor.graph.replace import vectorize_graph

from bayesmix.data import log_density, stated
from bayesmix.graph import LogLikelihood, Problem, numpy_mode
from bayesmix.parallel import COMPILING, Shared
from bayesmix.spec import Prior, lower, natural
from bayesmix.typing import Array

SMALLEST_SD = 0.01
"""The floor of residual SDs that vary over classes, as a share of the item's own, where nothing else is asked for."""


@dataclass(frozen=True)
class Target(Problem):
    """A problem whose parameters are to be estimated.

    Attributes
    ----------
    priors : dict of str to Prior
        Of parameters, that penalise the log-likelihood.
    smallest_sd : float
        The floor of residual SDs that vary over classes, as a share of the item's SD.
    """

    priors: Mapping[str, Prior] = field(default_factory=dict)
    smallest_sd: float = SMALLEST_SD

    def once[T](self, make: Callable[..., T], *more: Hashable) -> T:
        """What `make` makes of the data, wherever their nodes are, and of `more`; made once."""
        covariates = [self.arrays[c.key].values for c in self.model.covariates]
        own = (self.model, self.packing, self.counts, self.responses, self.priors, self.smallest_sd, *covariates)
        return self.keep((make, *more), own, lambda: make(self, *more))


class Objective:
    """The log-likelihood of a target plus the log density of its priors, as a function of theta.

    Parameters
    ----------
    target : Target
    mode : str or Mode, optional
        The engine of the log-likelihood.
    """

    def __init__(self, target: Target, mode: str | Mode | None = None) -> None:
        self.target, self.log_likelihood = target, LogLikelihood(target, mode)

    def value(self, theta: Array) -> Any:
        """What is maximised; of points stacked along one leading axis one each."""
        if np.ndim(theta) == 2:
            values = np.asarray(self.log_likelihood.value(theta))
            return values + self.log_prior(theta) if self.target.priors else values
        value = float(self.log_likelihood.value(theta))
        return value if self._penalty is None else value + float(self._penalty(theta)[0])

    def value_and_gradient(self, theta: Array) -> tuple[Any, Array]:
        """The same with its gradient; of stacked points (point, entry) one each."""
        value, gradient = self.log_likelihood.value_and_gradient(theta)
        if self._penalty is None:
            return value, gradient
        if np.ndim(theta) == 1:
            more, slope = self._penalty(theta)
            return float(value + more), np.asarray(gradient + slope)
        more, slope = (np.array(x) for x in zip(*(self._penalty(at) for at in theta), strict=True))
        return value + more, gradient + slope

    def log_prior(self, theta: Array) -> Array:
        """The log density of the priors at points (point, theta)."""
        return self._penalties(self.target.user_theta(theta))

    def compile(self) -> None:
        """Compile everything now; priors that the target cannot have are refused here."""
        self.log_likelihood.compile()
        _ = self._penalty

    @cached_property
    def _penalty(self) -> Callable[[Array], list] | None:
        return _penalty(self.target) if self.target.priors else None

    @cached_property
    def _penalties(self) -> Callable[[Array], Array]:
        return _of_users(self.target, _stacked)


_CACHE: dict[tuple, Callable] = {}


def _penalty(data: Target) -> Callable[[Array], list]:
    """Make the log density of the priors of `data`, and its gradient, as a function of theta."""
    of_user = _of_users(data, _with_gradient)
    return of_user if data.recoding.is_identity else _inside(data, of_user)


def _of_users(data: Target, compiled: Callable[[Any, Any], Callable]) -> Callable:
    """What `compiled` makes of the log density of the priors, a function of theta on the user's scale."""
    users = data.on_user_scale()
    found = stated(users, data.priors)
    packing = data.packing
    held = {k: (i.tobytes(), packing.fixed[k].tobytes()) for k, i in packing.index.items()}
    held |= {f"weights:{k}": (x.tobytes(), b"") for k, x in packing.weights.items()}
    # what is in units of the data is in the key too: another data set has other numbers
    numbers = [str(found[k].numbers()) for k in sorted(found)]
    key = (compiled, *sorted(data.priors.items()), data.model.parameters, *held.items(), *numbers)
    if key not in _CACHE:
        with COMPILING:
            _CACHE[key] = Shared(compiled(*_graph(users, found)))
    return _CACHE[key]


def _inside(data: Target, of_user: Callable[[Array], list]) -> Callable[[Array], list]:
    """The penalty as a function of theta for centred covariates, from that for the user's."""
    step = 1.0 if data.recoding.turn is None else 1e-5  # without a turn the way there is linear
    apart = step * np.eye(data.packing.size)

    def penalised(theta: Array) -> list:
        value, gradient = of_user(data.user_theta(theta))
        slopes = (data.user_theta(theta + apart) - data.user_theta(theta - apart)) / (2 * step)
        return [value, slopes @ gradient]

    return penalised


def _graph(data: Target, found: Any) -> tuple[Any, Any]:
    """Theta and the log density of the priors as a function of it."""
    theta = pt.vector("theta")
    packing = data.packing
    values = {}
    for p in data.model.parameters:
        held = [pt.as_tensor(x[p.name]) for x in (packing.index, packing.fixed)]
        weights = packing.weights.get(p.name)
        made: Any = natural(theta, p, *held, None if weights is None else pt.as_tensor(weights))
        values[p.name] = made.values
    return theta, lower(log_density(found, values))


def _with_gradient(theta: Any, total: Any) -> Callable[[Array], list]:
    outputs = cast(Any, [total, pt.grad(total, theta, disconnected_inputs="ignore")])
    with pytensor.config.change_flags(cxx=""):
        return cast(Any, pytensor.function([theta], outputs, mode="FAST_COMPILE", on_unused_input="ignore"))


def _stacked(theta: Any, total: Any) -> Callable[[Array], Array]:
    """The values of points (point, theta)."""
    points: Any = pt.matrix("thetas")
    with pytensor.config.change_flags(cxx=""):
        return cast(Any, pytensor.function([points], vectorize_graph(total, {theta: points}), mode=numpy_mode()))
