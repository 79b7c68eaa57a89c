"""Templates: functions that return a declared model, one file each."""

from bayesmix.models.count_mixture import count_mixture
from bayesmix.models.fma import fma
from bayesmix.models.fma_gom import fma_gom
from bayesmix.models.gom import gom
from bayesmix.models.growth import growth
from bayesmix.models.irt_3pl import guessing_as_membership, irt_3pl
from bayesmix.models.lca import lca, profile_structures
from bayesmix.models.lta import lta
from bayesmix.models.nels import nels
from bayesmix.models.regression_mixture import regression_mixture

__all__ = [
    "count_mixture",
    "fma",
    "fma_gom",
    "gom",
    "growth",
    "guessing_as_membership",
    "irt_3pl",
    "lca",
    "lta",
    "nels",
    "profile_structures",
    "regression_mixture",
]
