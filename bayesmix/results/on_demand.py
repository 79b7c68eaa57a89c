"""Tables of a solution that are made when somebody asks for them, and then kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Pending:
    """A table that is not made yet.

    Attributes
    ----------
    make : callable
        Makes it; called once.
    """

    make: Callable[[], Any]


class OnDemand:
    """A field of a frozen dataclass that holds its value, or a :class:`Pending` until it is read."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """The value, made now where it was pending; interrupted or failed, it stays so."""
        if instance is None:
            raise AttributeError(self.name)  # a dataclass asks for a default: there is none
        held = instance.__dict__[self.name]
        if isinstance(held, Pending):
            held = instance.__dict__[self.name] = held.make()
        return held

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self.name] = value
