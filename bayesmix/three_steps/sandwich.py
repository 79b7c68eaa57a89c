"""The sandwich: information, scores by unit, and what an earlier step adds to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bayesmix.data import Units
from bayesmix.typing import Array

if TYPE_CHECKING:
    from bayesmix.three_steps.step_one import StepOne

Groups = NDArray[np.int64] | Units | None
"""What scores are summed over: codes of rows, or the primary sampling units of a survey; None for units themselves."""


def outer(scores: Array, freq: Array, groups: Groups) -> Array:
    """The sum over units (or groups of them) of the outer products of their scores.

    Parameters
    ----------
    scores : array (row, parameter)
        Of one unit of each row.
    freq : array (row,)
        Units that a row stands for: independent of each other, unless they are of one group.
    groups : array of int (row,) or Units, optional
        With the design of a survey the variance is that of the total under it, and `freq` are weights.
    """
    if isinstance(groups, Units):
        return groups.variance(scores * freq[:, None])
    if groups is None:
        return (scores * freq[:, None]).T @ scores
    codes = np.unique(groups, return_inverse=True)[1]
    out = np.zeros((codes.max(initial=-1) + 1, scores.shape[1]))
    np.add.at(out, codes, scores * freq[:, None])
    return out.T @ out


def carried(inverse: Array, slopes: Sequence[Array], steps: Sequence[StepOne], groups: Groups) -> Array:
    """The variance that estimates owe to earlier steps: H^-1 C V_1 C' H^-1, Bakk, Oberski and Vermunt (2014).

    V_1 is the robust covariance matrix of the parameters of step one; of several occasions, whose units are the same,
    that of all of them together.

    Parameters
    ----------
    inverse : array (parameter, parameter)
        H^-1, the inverse information of the later step.
    slopes : sequence of array (parameter, earlier parameter)
        C of each earlier step: how the score of the later one moves with its parameters.
    steps : sequence of StepOne
    groups : array of int (row of the data,) or Units, optional
    """
    influences = [s.influence for s in steps]
    moved = sum(x @ c.T for (x, _), c in zip(influences, slopes, strict=True))
    freq = np.max([f for _, f in influences], axis=0)
    return inverse @ outer(np.asarray(moved), freq, groups) @ inverse
