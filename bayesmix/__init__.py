"""Multilevel mixture models by maximum likelihood and by NUTS, from one log-likelihood graph."""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

from bayesmix.compare import Comparison, compare
from bayesmix.data import Data, prepare
from bayesmix.families import Family, bernoulli, nominal, normal, ordinal, poisson
from bayesmix.ml import Enumeration, enumerate_classes, fit
from bayesmix.params import Fixed, Parameter, Prior, at
from bayesmix.posterior import log_likelihood
from bayesmix.quadrature import gauss_hermite, monte_carlo, trapezoid
from bayesmix.report import listing as report
from bayesmix.result import Fit
from bayesmix.simulate import simulate
from bayesmix.spec import Covariates, Effect, LatentClass, Model, Response, Term

if TYPE_CHECKING:
    from bayesmix import plots
    from bayesmix.bayes import build, prior_table, sample

    models: ModuleType

_LATER = {
    "build": "bayesmix.bayes",
    "sample": "bayesmix.bayes",
    "prior_table": "bayesmix.bayes",
    "models": "bayesmix.models",
    "plots": "bayesmix.plots",
}
"""Loaded when first used: PyMC and the plots cost seconds that a fit need not wait for."""

__all__ = [
    "Comparison",
    "Covariates",
    "Data",
    "Effect",
    "Enumeration",
    "Family",
    "Fit",
    "Fixed",
    "LatentClass",
    "Model",
    "Parameter",
    "Prior",
    "Response",
    "Term",
    "at",
    "bernoulli",
    "build",
    "compare",
    "enumerate_classes",
    "fit",
    "gauss_hermite",
    "log_likelihood",
    "models",
    "monte_carlo",
    "nominal",
    "normal",
    "ordinal",
    "plots",
    "poisson",
    "prepare",
    "prior_table",
    "report",
    "sample",
    "simulate",
    "trapezoid",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'bayesmix' has no attribute {name!r}")
    module = importlib.import_module(_LATER[name])
    return module if name == _LATER[name].rpartition(".")[2] else getattr(module, name)


def __dir__() -> list[str]:
    return __all__
