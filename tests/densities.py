"""Densities of a PyMC model at natural values of its parameters."""

from collections.abc import Mapping

import numpy as np
import pymc as pm
from pymc.model.transform.conditioning import remove_value_transforms

from bayesmix.graph import numpy_mode


def _at(made: pm.Model, values: Mapping, of: str) -> float:
    plain = remove_value_transforms(made)
    point = {plain.rvs_to_values[v].name: np.asarray(values[v.name], dtype=float) for v in plain.free_RVs}
    return float(plain.compile_logp(vars=getattr(plain, of), mode=numpy_mode())(point))


def loglik(made: pm.Model, values: Mapping) -> float:
    """The log-likelihood of all observed variables."""
    return _at(made, values, "observed_RVs")


def log_prior(made: pm.Model, values: Mapping) -> float:
    """The log density of all free variables, without Jacobians."""
    return _at(made, values, "free_RVs")
