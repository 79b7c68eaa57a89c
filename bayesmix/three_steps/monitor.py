"""Whether step three has kept the classes of step one, and when its numbers are not to be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from bayesmix.typing import Array

MOVED = 0.2
"""A share of units whose most likely class has changed, from which step three is about other classes."""
LOW_ENTROPY = 0.6
"""Below it three-step estimates are biased and standard errors too small in simulations (Vermunt 2010; Asparouhov and
Muthen 2014)."""
LOW_DIAGONAL = 0.5
"""A probability of being assigned to one's own class below which more are assigned to others."""
SHIFT = 0.1
"""A change of a class's share that is said."""


@dataclass(frozen=True)
class Monitor:
    """Classes of step one beside those of step three.

    Attributes
    ----------
    classes : pandas.DataFrame
        By class: its share in step one and in step three, the share of its units (by most likely class of step one)
        that are most likely in another class in step three, and the probability of being assigned to it from it.
    moved : float
        The share of all units whose most likely class has changed; NaN where classes cannot move.
    entropy, entropy_three : float
        1 - (mean entropy of the class probabilities) / log K, in step one and in step three.
    """

    classes: pd.DataFrame
    moved: float
    entropy: float
    entropy_three: float

    @classmethod
    def of(cls, p: Array, after: Array | None, d: Array, freq: Array, labels: list) -> Monitor:
        """Compare.

        Parameters
        ----------
        p, after : array (unit, class)
            Class probabilities in step one and in step three, of the units of step three; none where classes are held.
        d : array (class, assigned class)
            Errors of the assignment.
        freq : array (unit,)
        labels : list
        """
        modal = p.argmax(axis=1)
        shares = {"step one": freq @ p / freq.sum()}
        moved, entropy = np.nan, np.nan
        if after is not None:
            other = after.argmax(axis=1) != modal
            moved, entropy = float(freq @ other / freq.sum()), entropy_of(after, freq)
            own = [np.average(other[modal == k], weights=freq[modal == k]) if (modal == k).any() else np.nan
                   for k in range(len(labels))]  # fmt: skip
            shares |= {"step three": freq @ after / freq.sum(), "moved": np.array(own)}
        table = pd.DataFrame(shares | {"assigned to it": np.diag(d)}, index=pd.Index(labels, name="class"))
        return cls(table, moved, entropy_of(p, freq), entropy)

    @classmethod
    def joined(cls, each: Sequence[Monitor], names: Sequence[str]) -> Monitor:
        """The monitors of several class variables beneath each other; of their numbers the worst."""
        return cls(
            pd.concat([m.classes for m in each], keys=names, names=["variable"]),
            max(m.moved for m in each),
            min(m.entropy for m in each),
            min(m.entropy_three for m in each),
        )

    def doubts(self) -> list[str]:
        """Why the numbers of step three are not to be trusted; nothing where there is no reason."""
        said = []
        if self.moved > MOVED:
            said.append(
                f"{self.moved:.0%} of the units are most likely in another class than in step one (limit {MOVED:.0%}): "
                "step three is about other classes, and its numbers are not to be trusted; take method='bch' (classes "
                "cannot move), or variance='equal'"
            )
        if "step three" in self.classes:
            before, after = (self.classes[k].to_numpy() for k in ("step one", "step three"))
            k = int(np.abs(after - before).argmax())
            if abs(after[k] - before[k]) > SHIFT:
                said.append(
                    f"class {_label(self.classes.index[k])} has a share of {before[k]:.3f} in step one and of "
                    f"{after[k]:.3f} in step three: the outcomes or covariates have moved it"
                )
        if self.entropy < LOW_ENTROPY:
            said.append(
                f"classes are hardly told apart in step one (entropy {self.entropy:.2f}, below {LOW_ENTROPY}): "
                "estimates of step three may be biased and their standard errors too small; method='two-step' loses "
                "least"
            )
        if (low := self.classes["assigned to it"]).min() < LOW_DIAGONAL:
            said.append(
                f"of class {_label(low.idxmin())} only {low.min():.0%} are assigned to it: what is said of this class "
                "rests on the errors of the assignment"
            )
        return said


def _label(key: object) -> str:
    """A class in words; of several occasions with its variable."""
    return " of ".join(map(str, reversed(key))) if isinstance(key, tuple) else str(key)


def entropy_of(p: Array, freq: Array) -> float:
    """1 - (mean entropy) / log K of class probabilities (unit, class)."""
    each = special.entr(p).sum(axis=1)
    return float(1 - freq @ each / (freq.sum() * np.log(p.shape[1])))
