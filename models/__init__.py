"""Templates: functions that return a declared model, one file each."""

from bayesmix.models.gom import gom
from bayesmix.models.lca import lca
from bayesmix.models.lta import lta

__all__ = ["gom", "lca", "lta"]
