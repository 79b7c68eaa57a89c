"""Priors as a penalty on the log-likelihood: penalised maximum likelihood.

The penalty is the log density of natural parameters, on the user's scale, under their priors: that of
:mod:`bayesmix.priors`, whose variables NUTS samples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytensor
import pytensor.tensor as pt
from numpy.typing import NDArray

from bayesmix.data.dataset import Data
from bayesmix.data.priors import log_density, stated
from bayesmix.parallel import COMPILING, Shared
from bayesmix.spec.parameters import lower, natural

Array = NDArray[np.float64]
_CACHE: dict[tuple, Callable] = {}


def penalty(data: Data) -> Callable[[Array], list]:
    """The penalty and its gradient as a function of theta."""
    users = data.on_user_scale()
    found = stated(users, data.priors)
    held = {k: (i.tobytes(), data.packing.fixed[k].tobytes()) for k, i in data.packing.index.items()}
    # what is in units of the data is in the key too: another data set has other numbers
    numbers = [str(found[k].numbers()) for k in sorted(found)]
    key = (*sorted(data.priors.items()), data.model.parameters, *held.items(), *numbers)
    if key not in _CACHE:
        with COMPILING:
            _CACHE[key] = Shared(_compiled(users, found))
    return _CACHE[key] if data.recoding.is_identity else _inside(data, _CACHE[key])


def _inside(data: Data, of_user: Callable[[Array], list]) -> Callable[[Array], list]:
    """The penalty as a function of theta for centred covariates, from that for the user's."""
    step = 1.0 if data.recoding.turn is None else 1e-5  # without a turn the way there is linear
    apart = step * np.eye(data.packing.size)

    def penalised(theta: Array) -> list:
        value, gradient = of_user(data.user_theta(theta))
        slopes = (data.user_theta(theta + apart) - data.user_theta(theta - apart)) / (2 * step)
        return [value, slopes @ gradient]

    return penalised


def _compiled(data: Data, found: Any) -> Callable[[Array], list]:
    theta = pt.vector("theta")
    values = {
        p.name: cast(
            Any, natural(theta, p, pt.as_tensor(data.packing.index[p.name]), pt.as_tensor(data.packing.fixed[p.name]))
        ).values
        for p in data.model.parameters
    }
    total = lower(log_density(found, values))
    outputs = cast(Any, [total, pt.grad(total, theta, disconnected_inputs="ignore")])
    with pytensor.config.change_flags(cxx=""):
        return cast(Any, pytensor.function([theta], outputs, mode="FAST_COMPILE", on_unused_input="ignore"))
