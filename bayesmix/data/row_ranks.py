"""Equal rows of columns of numbers, found by the ranks of their values: no row is compared with another."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.typing import Array

MOST_KEYS = 2**62
"""Ranks of several columns are one integer below this."""
FEW_KEYS = 4
"""Up to so many integers for each row they are counted off, not sorted."""
Ranks = NDArray[np.int64]


def by_number(values: Array) -> NDArray:
    """Order numbers by their size; -inf, which stands for a missing one, first."""
    return values


def by_bytes(values: Array) -> NDArray:
    """Order numbers by their bytes in memory: any order that tells all numbers apart, and one that never changes."""
    return values.astype("<f8").view("<u8").byteswap()


def equal_rows(columns: Iterable[Array], order: Callable[[Array], NDArray] = by_bytes) -> tuple[Ranks, Ranks]:
    """Where each different row first occurs, in the order of the rows, and which of them each row is.

    Parameters
    ----------
    columns : iterable of array (row,)
        Numbers; missing ones equal each other, and so do both zeros.
    order : callable
        What the values of a column are ordered by; rows are ordered by the first column, then by the next.

    Examples
    --------
    >>> first, which = equal_rows([np.array([2.0, 1.0, 2.0]), np.array([0.0, 0.0, 0.0])], by_number)
    >>> first, which
    (array([1, 0]), array([1, 0, 1]))
    """
    key, size = None, 1
    for column in columns:
        rank, n = _ranks(np.asarray(column, dtype=float), order)
        if key is None:
            key, size = rank, n
            continue
        if size * n > MOST_KEYS:
            key, size = _dense(key, size)
            if size == len(key):  # all rows differ already, and stand in their order
                break
        key, size = key * n + rank, size * n
    if key is None:
        raise ValueError("No column came: give at least one.")
    which, n = _dense(key, size)
    first = np.empty(n, dtype=np.int64)
    first[which[::-1]] = np.arange(len(key))[::-1]
    return first, which


def _dense(key: Ranks, size: int) -> tuple[Ranks, int]:
    """The same order by whole numbers without a gap, and how many there are; `size` is above all of them."""
    if size <= FEW_KEYS * len(key):
        there = np.zeros(size, dtype=np.int64)
        there[key] = 1
        return (np.cumsum(there) - 1)[key], int(there.sum())
    there, which = np.unique(key, return_inverse=True)
    return which, len(there)


def _ranks(column: Array, order: Callable[[Array], NDArray]) -> tuple[Ranks, int]:
    """The rank of each value, and how many there are."""
    codes, values = pd.factorize(np.where(np.isnan(column), -np.inf, column + 0.0))
    rank = np.empty(len(values), dtype=np.int64)
    rank[np.argsort(order(np.asarray(values)), kind="stable")] = np.arange(len(values))
    return rank[codes], len(values)
