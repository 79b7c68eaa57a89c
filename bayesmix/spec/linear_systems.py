"""Systems of linear equations of entries: what contradicts what, which entries follow from which others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from bayesmix.spec.equations import Equation
from bayesmix.typing import Array

ZERO = 1e-9
"""A coefficient that is none, as a share of the largest one of its equation."""
SAME = 1e-8
"""A difference of two values that is none, as a share of them."""
PIVOT = 0.1
"""An entry is solved for where its coefficient is no smaller a share of the largest one."""

Affine = tuple[float, dict[str, float]]
"""A constant, and coefficients by label."""


def independent(equations: Sequence[Equation], besides: Callable[[Sequence[str]], str] | None = None) -> list[Equation]:
    """Leave out the equations that follow from those before them.

    Parameters
    ----------
    equations : sequence of Equation
    besides : callable, optional
        What else a message says of the labels of equations that contradict each other.

    Raises
    ------
    ValueError
        Equations that contradict each other, all of them and no others.
    """
    a, b = _matrix(equations)
    kept: list[int] = []
    for k in range(len(equations)):
        y = np.linalg.lstsq(a[kept].T, a[k], rcond=None)[0] if kept else np.zeros(0)
        if np.abs(a[k] - y @ a[kept]).max(initial=0.0) > ZERO:
            kept.append(k)
            continue
        parts = [b[k], *(y * b[kept])]
        if abs(b[k] - y @ b[kept]) > SAME * (1 + np.abs(parts).max()):
            some = [equations[i] for i, c in zip(kept, y, strict=True) if abs(c) > ZERO] + [equations[k]]
            more = besides([label for e in some for label in e.labels]) if besides else ""
            raise ValueError(_against(some, more))
    return [equations[k] for k in kept]


def _against(some: Sequence[Equation], more: str) -> str:
    """Say which equations contradict each other."""
    words = [f"'{e.text}'" for e in some]
    if len(words) == 1:
        return f"The equation {words[0]} cannot hold{more}: change it, or leave it out."
    joined = f"{', '.join(words[:-1])} and {words[-1]}"
    return f"The equations {joined} contradict each other{more}: change one of them, or leave it out."


def implied(equations: Sequence[Equation], others: Sequence[Equation]) -> list[Equation]:
    """Those of `others` that follow from `equations`, which do not contradict each other."""
    a, _ = _matrix([*equations, *others])
    n, out = len(equations), []
    for k, e in enumerate(others, n):
        y = np.linalg.lstsq(a[:n].T, a[k], rcond=None)[0] if n else np.zeros(0)
        if np.abs(a[k] - y @ a[:n]).max(initial=0.0) > ZERO:
            continue
        values = [x.value / np.abs(x.weights).max() for x in equations]
        own = e.value / np.abs(e.weights).max()
        if abs(own - y @ np.array(values)) <= SAME * (1 + abs(own)):
            out.append(e)
    return out


def unchanged(equations: Sequence[Equation], turned: Sequence[Equation]) -> bool:
    """Whether `turned`, the equations in other entries, say no more than the equations."""
    if any(not e.terms and abs(e.value) > SAME for e in turned):
        return False
    some = [e for e in turned if e.terms]
    return len(implied(equations, some)) == len(some)


def solved(equations: Sequence[Equation], blocks: Iterable[Sequence[str]]) -> dict[str, Affine]:
    """Solve independent equations for as many entries.

    Row reduction from the last block to the first: in a block an equation is solved for the last entry whose
    coefficient is not small, so that an entry follows from entries of its own block and of those before it alone.

    Parameters
    ----------
    equations : sequence of Equation
        As :func:`independent` gives them.
    blocks : iterable of sequence of str
        All labels, in order.

    Returns
    -------
    dict of str to (float, dict of str to float)
        Each entry that follows from others, as a constant and a sum of entries that follow from none.
    """
    each = [[k for k in block if any(k in e.labels for e in equations)] for block in blocks]
    labels = [k for block in each for k in block]
    a, b = _matrix(equations, labels)
    full = np.column_stack([a, b])
    active, pivots, start = list(range(len(full))), dict[int, int](), len(labels)
    for block in reversed(each):
        start -= len(block)
        columns = list(range(start, start + len(block)))
        while active and columns:
            size = np.abs(full[np.ix_(active, columns)]).max(axis=0)
            if size.max() <= ZERO:
                break
            column = max(c for c, s in zip(columns, size, strict=True) if s >= PIVOT * size.max())
            row = max(active, key=lambda r: (abs(full[r, column]), -r))
            _eliminate(full, row, column)
            active.remove(row)
            columns.remove(column)
            pivots[column] = row
    out: dict[str, Affine] = {}
    for column, row in sorted(pivots.items()):
        others = {labels[c]: -full[row, c] for c in range(len(labels)) if c != column and abs(full[row, c]) > ZERO}
        out[labels[column]] = float(full[row, -1]), {k: float(v) for k, v in others.items()}
    return out


def _eliminate(full: Array, row: int, column: int) -> None:
    """Make `row` have 1 in `column`, and all other rows zero."""
    full[row] /= full[row, column]
    for r in range(len(full)):
        if r != row and full[r, column] != 0.0:
            full[r] -= full[r, column] * full[row]
            full[r, column] = 0.0


def _matrix(equations: Sequence[Equation], labels: Sequence[str] | None = None) -> tuple[Array, NDArray]:
    """Coefficients and values, each equation over its largest coefficient."""
    labels = list(dict.fromkeys(k for e in equations for k in e.labels)) if labels is None else labels
    at = {k: i for i, k in enumerate(labels)}
    a, b = np.zeros((len(equations), len(at))), np.zeros(len(equations))
    for row, e in enumerate(equations):
        scale = np.abs(e.weights).max()
        for label, weight in e.terms:
            a[row, at[label]] += weight / scale
        b[row] = e.value / scale
    return a, b
