"""The sandwich: information, scores by unit, and what an earlier step adds to them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bayesmix.data import Units
from bayesmix.typing import Array

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


def carried(inverse: Array, slope: Array, earlier: Array) -> Array:
    """The variance that estimates owe to an earlier step: H^-1 C V_1 C' H^-1, Bakk, Oberski and Vermunt (2014).

    Parameters
    ----------
    inverse : array (parameter, parameter)
        H^-1, the inverse information of the later step.
    slope : array (parameter, earlier parameter)
        C: how the score of the later step moves with the parameters of the earlier one.
    earlier : array (earlier parameter, earlier parameter)
        V_1: their covariance matrix.
    """
    by = inverse @ slope
    return by @ earlier @ by.T
