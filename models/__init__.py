"""Templates: functions that return a declared model, one file each."""

from bayesmix.models.gom import gom
from bayesmix.models.lca import lca
from bayesmix.models.lta import lta
from bayesmix.models.nels import nels
from bayesmix.models.regression_mixture import regression_mixture

__all__ = ["gom", "lca", "lta", "nels", "regression_mixture"]
