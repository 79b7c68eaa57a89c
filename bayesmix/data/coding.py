"""How a data frame was coded, so that other rows are coded in the same way: plain values that JSON can hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Coding:
    """Categories of items and the state of design matrices.

    Attributes
    ----------
    categories : dict of str to list
        Of each categorical item, in the order of their codes.
    designs : dict of str to dict
        Of each design matrix: its formula, the columns it made, levels of categorical covariates, and what stateful
        transformations keep (centres, scales, knots).
    groups : list
        Labels of observed groups, in their order.
    known : dict of str to list
        What a column calls the known classes of a class variable, in their order.
    """

    categories: Mapping[str, list] = field(default_factory=dict)
    designs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    groups: list = field(default_factory=list)
    known: Mapping[str, list] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """Dicts, lists, numbers and text."""
        out: dict[str, Any] = {"categories": dict(self.categories)}
        out["designs"] = {k: dict(v) for k, v in self.designs.items()}
        more = {"groups": list(self.groups), "known": {k: list(v) for k, v in self.known.items()}}
        return out | {k: v for k, v in more.items() if v}

    def text(self) -> str:
        """The coding as JSON."""
        return json.dumps(self.plain())

    @classmethod
    def of(cls, held: str | Mapping[str, Any]) -> Coding:
        """A coding from what :meth:`plain` or :meth:`text` gave."""
        found = json.loads(held) if isinstance(held, str) else held
        return cls(
            found.get("categories", {}), found.get("designs", {}), found.get("groups", []), found.get("known", {})
        )


def held(state: Any) -> Any:
    """The state of a transformation in plain values: dicts as pairs, since their keys may be numbers; arrays marked."""
    if isinstance(state, Mapping):
        return {"pairs": [[k, held(v)] for k, v in state.items()]}
    if isinstance(state, np.ndarray):
        return {"array": state.tolist()}
    if isinstance(state, list | tuple):
        return [held(v) for v in state]
    return state.item() if isinstance(state, np.generic) else state


def unheld(value: Any) -> Any:
    """The state that :func:`held` wrote."""
    if isinstance(value, Mapping):
        return np.array(value["array"]) if "array" in value else {k: unheld(v) for k, v in value["pairs"]}
    return [unheld(v) for v in value] if isinstance(value, list) else value
