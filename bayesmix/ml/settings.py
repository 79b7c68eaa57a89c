"""What a search may be asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any, Literal

import numpy as np

from bayesmix.checks import nearest, one_of, whole
from bayesmix.data import Priors
from bayesmix.ml.objective import SMALLEST_SD
from bayesmix.results import Fit
from bayesmix.spec import Nodes
from bayesmix.spec.sampling_design import COLUMNS

LEAST_FLOOR = 1e-6
"""A share of an item's SD below which there is no floor worth the name."""


@dataclass(frozen=True)
class Settings:
    """The settings of :func:`bayesmix.fit`, whose names and meanings they have.

    Raises
    ------
    ValueError, TypeError
        One that no search can have.
    """

    starts: int = 20
    finals: int = 5
    rounds: int = 4
    seed: int = 0
    nodes: Nodes | Mapping[str, Nodes] | None = None
    start: Fit | Mapping[str, Any] | Sequence | Any | None = None
    like: Fit | Mapping[str, Any] | None = None
    priors: Priors | None = None
    standard_errors: Literal["robust", "hessian"] | None = None
    mode: str | None = None
    executor: Executor | None = None
    progress: bool = True
    simpler: bool = True
    budget: float = 10.0
    smallest_sd: float = SMALLEST_SD

    @classmethod
    def of(cls, **given: Any) -> Settings:
        """Take settings that came by name.

        Raises
        ------
        TypeError
            A name that is none of theirs; otherwise as above.
        """
        known = [f.name for f in fields(cls)]
        if unknown := [k for k in given if k not in known]:
            if unknown[0] in COLUMNS:
                raise TypeError(
                    f"{unknown[0]}= came here, but belongs to the model: declare it, bm.survey(model, "
                    f"{unknown[0]}={given[unknown[0]]!r})."
                )
            near = nearest(unknown[0], known)
            hint = f"did you mean {near}=?" if near else f"give some of {', '.join(known)}."
            raise TypeError(f"{unknown[0]}= came, which is no setting of bm.fit: {hint}")
        return cls(**given)

    def __post_init__(self) -> None:
        for name, least in (("starts", 1), ("finals", 1), ("rounds", 1), ("seed", 0)):
            whole(name, getattr(self, name), least)
        if self.standard_errors is not None:
            one_of("standard_errors", self.standard_errors, ("robust", "hessian"))
        if not isinstance(self.simpler, (bool, np.bool_)):
            raise ValueError(
                f"simpler came as {self.simpler!r}: give True, or False to leave solutions of simpler models out."
            )
        if not (_is_number(self.budget) and self.budget >= 0):
            raise ValueError(
                f"budget came as {self.budget!r}: give a number of seconds of at least 0, such as 10, 60 or inf."
            )
        if not (_is_number(self.smallest_sd) and LEAST_FLOOR < self.smallest_sd < 1):
            raise ValueError(
                f"smallest_sd came as {self.smallest_sd!r}, expected a share of the item's SD: give a number above "
                f"{LEAST_FLOOR:g} and below 1, such as {SMALLEST_SD}."
            )
        if self.executor is not None and not hasattr(self.executor, "submit"):
            raise TypeError(
                f"executor came as {self.executor!r}, expected a concurrent.futures.Executor: give one, or none."
            )

    @property
    def chosen_errors(self) -> Literal["robust", "hessian"]:
        """The standard errors; left out, robust, and with priors, of which scores know nothing, the Hessian's."""
        return self.standard_errors or ("hessian" if self.priors else "robust")


def _is_number(x: object) -> bool:
    return isinstance(x, Real) and not isinstance(x, (bool, np.bool_))
