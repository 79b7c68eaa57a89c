"""Starts from the solution with a class less."""

from __future__ import annotations

from collections.abc import Mapping

from bayesmix.data import Dataset
from bayesmix.ml import Settings, Target, split_class
from bayesmix.spec import groups
from bayesmix.typing import Array


def from_simpler(
    rows: Dataset, name: str, values: Mapping[str, Array], before: Mapping[str, int], settings: Settings
) -> list[Array]:
    """Starts from the solution of a model with a class less, one for each class that is split.

    Parameters
    ----------
    rows : Dataset
        Encoded under the model with the class more.
    name : str
        The class variable that has it.
    values : mapping of str to array
        The solution's parameters.
    before : mapping of str to int
        How many classes its variables have.
    settings : Settings
    """
    model = rows.model
    if any(p.name not in values for p in model.parameters):
        return []
    data = Target.of(rows, settings.nodes)
    size = next((values[p.name].shape[p.dims.index(name)] for p in model.parameters if name in p.dims), 1)
    grown = [c.name for c in model.classes if c.size == before.get(c.name, 0) + 1]
    dims = {d for group in groups(model) if set(group) & set(grown) for d in group}
    each = [split_class(values, data, dims, k, settings.seed + k) for k in range(size)]
    return [theta for theta in each if theta is not None]
