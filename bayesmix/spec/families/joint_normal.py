"""Continuous responses with residual covariances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bayesmix.spec.families.normal import Normal
from bayesmix.spec.families.numerics import Array
from bayesmix.spec.parameters import Parameter, Prior

COVARIANCE = Prior("DataNormal", sigma=0.5)


@dataclass(frozen=True)
class JointNormal(Normal):
    """Continuous responses to several items, jointly normal: y ~ N(eta, Sigma); auxiliary `sigma` and `covariance`.

    Sigma has sigma^2 on its diagonal and the covariances of pairs of items beside it, zero for a pair that has none.
    Items of which an answer is missing drop out of the density. As a :class:`Normal` family it says what one item is
    alone; :mod:`bayesmix.graph.joint_normal` has the density of all.
    """

    def __str__(self) -> str:
        return "JointNormal()"

    @property
    def auxiliary(self) -> tuple[str, ...]:
        """Names of the further parameters."""
        return ("sigma", "covariance")

    @property
    def joint(self) -> bool:
        """Whether the items are dependent given what is latent."""
        return True

    @property
    def name(self) -> str:
        """The family in words of the command line: that of its items."""
        return "normal"

    def features(self, y: Array, n_categories: int) -> Array:
        """(1, y, y y') of rows of standardised responses (row, item): (row, feature), zeros where one is missing."""
        seen = np.nan_to_num(y)
        square = (seen[:, :, None] * seen[:, None, :]).reshape(len(y), -1)
        return np.concatenate([np.ones((len(y), 1)), seen, square], axis=1)

    def item_covariance(self, by: tuple[str, ...], pair: str, suffix: str) -> Parameter:
        """Residual covariances of pairs of items, by classes."""
        return Parameter(f"item_covariance{suffix}", (*by, pair), "covariance", COVARIANCE)

    def outcome_covariance(self, by: tuple[str, ...], pair: str, suffix: str) -> Parameter:
        """Residual covariances of pairs of outcomes of regressions, the pair first as others have the outcome."""
        return Parameter(f"residual_covariance{suffix}", (pair, *by), "covariance", COVARIANCE)


def covariance_matrices(sd: Array, covariance: Array, pairs: Sequence[tuple[int, int]]) -> Array:
    """Make matrices (..., item, item) of SDs (..., item) and covariances (..., pair) of pairs of positions."""
    lead = np.broadcast_shapes(sd.shape[:-1], covariance.shape[:-1])
    out = np.zeros((*lead, sd.shape[-1], sd.shape[-1]))
    for k, (a, b) in enumerate(pairs):
        out[..., a, b] = out[..., b, a] = covariance[..., k]
    diagonal = np.arange(sd.shape[-1])
    out[..., diagonal, diagonal] = sd**2
    return out
