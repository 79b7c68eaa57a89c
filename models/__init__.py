"""Templates: functions that return a declared model, one file each."""

from bayesmix.models.lca import lca

__all__ = ["lca"]
