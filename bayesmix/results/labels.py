"""Labels of entries of named arrays."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

import xarray as xr


def entry(name: str, x: xr.DataArray, position: tuple[int, ...]) -> str:
    """The label of one entry, ArviZ's way: ``item_logit[A, 2]``."""
    inside = ", ".join(str(x[d].values[i]) if d in x.coords else str(i) for d, i in zip(x.dims, position, strict=True))
    return f"{name}[{inside}]" if inside else str(name)


def entries(name: str, x: xr.DataArray, positions: Iterable[tuple[int, ...]] | None = None) -> list[str]:
    """The labels of entries as :func:`entry` writes them, of all if no positions are given."""
    words = [[*map(str, x[d].values if d in x.coords else range(x.sizes[d]))] for d in x.dims]
    each = (
        product(*words) if positions is None else ([w[i] for w, i in zip(words, at, strict=True)] for at in positions)
    )
    return [f"{name}[{', '.join(one)}]" if words else str(name) for one in each]
