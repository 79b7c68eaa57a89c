"""Multilevel mixture models by maximum likelihood and by NUTS, from one log-likelihood graph."""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bayesmix import plots
    from bayesmix.bayes import sample
    from bayesmix.bootstrap import Bootstrap, bootstrap
    from bayesmix.compare import Comparison, compare
    from bayesmix.data import Data, prepare
    from bayesmix.enumeration import Enumeration, enumerate_classes
    from bayesmix.families import Family, bernoulli, nominal, normal, ordinal, poisson
    from bayesmix.ml import fit
    from bayesmix.occasions import decomposition, transitions
    from bayesmix.params import Fixed, Parameter, Prior, at
    from bayesmix.posterior import log_likelihood
    from bayesmix.pymc_model import build, prior_table
    from bayesmix.quadrature import adaptive, exact, gauss_hermite, monte_carlo, trapezoid
    from bayesmix.report import listing as report
    from bayesmix.result import Fit
    from bayesmix.simulate import simulate
    from bayesmix.spec import Covariates, Effect, LatentClass, Model, Response, Term
    from bayesmix.status import ClassStatus, class_status
    from bayesmix.study import study
    from bayesmix.tally import Study

    models: ModuleType

__all__ = [
    "Bootstrap",
    "ClassStatus",
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
    "Study",
    "Term",
    "adaptive",
    "at",
    "bernoulli",
    "bootstrap",
    "build",
    "class_status",
    "compare",
    "decomposition",
    "enumerate_classes",
    "exact",
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
    "study",
    "transitions",
    "trapezoid",
]

_HOMES = {
    "bayes": "sample",
    "bootstrap": "Bootstrap bootstrap",
    "compare": "Comparison compare",
    "data": "Data prepare",
    "families": "Family bernoulli nominal normal ordinal poisson",
    "enumeration": "Enumeration enumerate_classes",
    "ml": "fit",
    "occasions": "decomposition transitions",
    "params": "Fixed Parameter Prior at",
    "posterior": "log_likelihood",
    "pymc_model": "build prior_table",
    "quadrature": "adaptive exact gauss_hermite monte_carlo trapezoid",
    "result": "Fit",
    "simulate": "simulate",
    "status": "ClassStatus class_status",
    "study": "study",
    "tally": "Study",
    "spec": "Covariates Effect LatentClass Model Response Term",
}
_HOME = {name: (home, name) for home, names in _HOMES.items() for name in names.split()} | {
    "report": ("report", "listing"),
    "models": ("models", ""),
    "plots": ("plots", ""),
}
"""Where each name lives. Loaded when first used: the command line answers at once, a fit does not wait for PyMC."""


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'bayesmix' has no attribute {name!r}")
    home, attribute = _HOME[name]
    module = importlib.import_module(f"bayesmix.{home}")
    globals()[name] = getattr(module, attribute) if attribute else module
    return globals()[name]


def __dir__() -> list[str]:
    return __all__


class _Package(ModuleType):
    """Keeps `bayesmix.compare` the function, though importing the module of that name would put the module there."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (isinstance(value, ModuleType) and _HOME.get(name, ("", ""))[1]):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
