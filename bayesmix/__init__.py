"""Multilevel mixture models by maximum likelihood and by NUTS, from one log-likelihood graph."""

import importlib
from typing import Any

from bayesmix.data import Data, prepare
from bayesmix.families import FAMILIES, Family, bernoulli, nominal, normal, ordinal, poisson
from bayesmix.ml import Enumeration, enumerate_classes, fit
from bayesmix.params import Fixed, Parameter, Prior, at
from bayesmix.posterior import log_likelihood
from bayesmix.quadrature import gauss_hermite, monte_carlo, trapezoid
from bayesmix.result import Fit
from bayesmix.simulate import simulate
from bayesmix.spec import Covariates, Effect, LatentClass, Model, Response, Term

_LATER = {
    "build": "bayesmix.bayes",
    "sample": "bayesmix.bayes",
    "prior_table": "bayesmix.bayes",
    "compare": "bayesmix.compare",
    "report": "bayesmix.report",
    "models": "bayesmix.models",
    "plots": "bayesmix.plots",
}
"""Loaded when first used: PyMC and the plots cost seconds that a fit need not wait for."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'bayesmix' has no attribute {name!r}")
    module = importlib.import_module(_LATER[name])
    return getattr(module, name) if hasattr(module, name) else module


def __dir__() -> list[str]:
    return sorted([*globals(), *_LATER])
