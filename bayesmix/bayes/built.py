"""What a PyMC model was built of, for whoever gets the model alone."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import pymc as pm

from bayesmix.data import Priors
from bayesmix.graph import Problem
from bayesmix.results import Fit


@dataclass(frozen=True)
class Built:
    """The data and priors of a PyMC model.

    Attributes
    ----------
    data : Problem
    priors : mapping, optional
    given : tuple of str
        Parameters in whose place variables came.
    fit : Fit, optional
        The solution that it was built at.
    size : (int, int)
        How many variables and potentials the model had.
    """

    data: Problem
    priors: Priors | None
    given: tuple[str, ...]
    fit: Fit | None
    size: tuple[int, int]

    def is_extended(self, made: pm.Model) -> bool:
        """Whether the model has more than what it was built of."""
        return bool(self.given) or _size(made) != self.size


_BUILT: WeakKeyDictionary[pm.Model, Built] = WeakKeyDictionary()


def remember(made: pm.Model, data: Problem, priors: Priors | None, given: tuple[str, ...], fit: Fit | None) -> None:
    """Keep what `made` was built of for as long as it lives."""
    _BUILT[made] = Built(data, priors, given, fit, _size(made))


def built(made: pm.Model) -> Built | None:
    """What a model was built of; None for another one, or a copy that ``pm.do`` or ``pm.observe`` made."""
    return _BUILT.get(made)


def _size(made: pm.Model) -> tuple[int, int]:
    return len(made.basic_RVs), len(made.potentials)
