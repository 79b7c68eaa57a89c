"""Priors as a penalty on the log-likelihood: penalised maximum likelihood.

The penalty is the log density of natural parameters under their priors, constants and all, which PyMC writes
down. Depends on data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
import pytensor
import pytensor.tensor as pt
from numpy.typing import NDArray

from bayesmix.data import Data
from bayesmix.params import Prior, lower, natural
from bayesmix.threads import COMPILING, Shared

Array = NDArray[np.float64]
_CACHE: dict[tuple, Callable] = {}


def checked(priors: Mapping[str, Prior] | None, data: Data) -> dict[str, Prior]:
    """Priors by parameter, each of which the model has, by a distribution that PyMC has.

    Raises
    ------
    ValueError, TypeError
        Anything else.
    """
    known = [p.name for p in data.model.parameters]
    for name, prior in (priors or {}).items():
        if name not in known:
            raise ValueError(f"A prior came for '{name}', but the parameters are {', '.join(known)}: name one of them.")
        if not isinstance(prior, Prior):
            raise TypeError(f"The prior of '{name}' came as {prior!r}: give bm.Prior('Normal', mu=0, sigma=2) or so.")
        try:
            _distribution(prior)
        except (AttributeError, TypeError, ValueError) as error:
            raise ValueError(
                f"The prior of '{name}' came as {prior}, which PyMC does not take ({error}): give the name and the "
                "arguments of a distribution of one number, such as bm.Prior('Normal', mu=0, sigma=2)."
            ) from error
    return dict(priors or {})


def _distribution(prior: Prior) -> Any:
    import pymc as pm  # two seconds, and seldom wanted in a fit

    return getattr(pm, prior.distribution).dist(**dict(prior.arguments))


def penalty(data: Data) -> Callable[[Array], list]:
    """The penalty and its gradient as a function of theta."""
    held = {k: (i.tobytes(), data.packing.fixed[k].tobytes()) for k, i in data.packing.index.items()}
    key = (tuple(sorted(data.priors.items(), key=lambda kv: kv[0])), data.model.parameters, *held.items())
    if key not in _CACHE:
        with COMPILING:
            _CACHE[key] = Shared(_compiled(data))
    return _CACHE[key]


def _compiled(data: Data) -> Callable[[Array], list]:
    import pymc as pm

    theta, total = pt.vector("theta"), cast(Any, pt.zeros(()))
    for p in (p for p in data.model.parameters if p.name in data.priors):
        index = data.packing.index[p.name]
        named = natural(theta, p, pt.as_tensor(index), pt.as_tensor(data.packing.fixed[p.name]))
        free = cast(Any, named).values.ravel()[np.flatnonzero(index >= 0)]
        total = total + cast(Any, pm.logp(_distribution(data.priors[p.name]), free)).sum()
    total = lower(total)
    outputs = cast(Any, [total, pt.grad(total, theta)])
    with pytensor.config.change_flags(cxx=""):
        return cast(Any, pytensor.function([theta], outputs, mode="FAST_COMPILE", on_unused_input="ignore"))
