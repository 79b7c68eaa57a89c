"""The sandwich: information, scores by unit, and what an earlier step adds to them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bayesmix.ml import covariances
from bayesmix.ml.newton import Curvature
from bayesmix.typing import Array


def inverse_information(c: Curvature) -> tuple[Array, NDArray[np.bool_]]:
    """The inverse of the information along its curved directions, and which entries lie in a flat one."""
    _, inverse, flat = covariances(c)
    return inverse, flat


def grouped(scores: Array, groups: NDArray[np.int64] | None) -> Array:
    """Scores (row, parameter) summed over the rows of each group."""
    if groups is None:
        return scores
    codes = np.unique(groups, return_inverse=True)[1]
    out = np.zeros((codes.max(initial=-1) + 1, scores.shape[1]))
    np.add.at(out, codes, scores)
    return out


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
