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


def made_on_demand[T: type](*names: str) -> Callable[[T], T]:
    """Let fields of a frozen dataclass hold a :class:`Pending`, which is replaced by its value when it is read."""

    def with_them(owner: T) -> T:
        for name in names:
            setattr(owner, name, _OnDemand(name))
        return owner

    return with_them


class _OnDemand:
    """A field that holds its value, or a :class:`Pending` until it is read."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """The value, made now where it was pending; interrupted or failed, it stays so."""
        if instance is None:
            return self
        held = instance.__dict__[self.name]
        if isinstance(held, Pending):
            held = instance.__dict__[self.name] = held.make()
        return held

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self.name] = value
