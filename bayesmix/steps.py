"""Steps beside and after a long computation, none of which may lose it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Steps:
    """What is made of draws, step by step: one that fails costs its own result, never the draws.

    Attributes
    ----------
    lost : dict of str to str
        What could not be made, and why.
    """

    def __init__(self) -> None:
        self.lost: dict[str, str] = {}
        self.interrupted = False

    def run(self, what: str, step: Callable[[], Any], default: Any = None) -> Any:
        """The result of a step; `default` where it fails, or an earlier one was interrupted."""
        if self.interrupted:
            self.lost[what] = "interrupted"
            return default
        try:
            return self.attempt(what, step, default)
        except KeyboardInterrupt:
            self.interrupted = True
            self.lost[what] = "interrupted"
        return default

    def attempt(self, what: str, step: Callable[[], Any], default: Any = None) -> Any:
        """The result of a step; `default` where it fails. An interrupt goes up: there is more to be done after it."""
        try:
            return step()
        except Exception as error:
            self.lost[what] = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}".rstrip(".")
        return default

    def words(self) -> list[str]:
        """A sentence for the user, where something was lost."""
        if not self.lost:
            return []
        each = "; ".join(f"{what} ({why})" for what, why in self.lost.items())
        return [f"The draws are kept, but of what comes after sampling this could not be made: {each}"]
