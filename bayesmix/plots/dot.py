"""Statements of Graphviz, and numbers of a solution to write on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from bayesmix.results import Estimate

MAX_LABELS = 3
"""An arrow with more coefficients than this has no numbers."""
CLASS, EFFECT = 'shape=circle, style=filled, fillcolor="#DCEAF4"', 'shape=circle, style=filled, fillcolor="#F6E3D3"'
"""The looks of latent classes, and of continuous latent variables."""


def quoted(text: str) -> str:
    """Text as Graphviz takes it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def node(name: str, looks: str, label: str) -> str:
    """A node."""
    return f"{quoted(name)} [{looks}, label={quoted(label)}];"


def arrow(start: str, end: str, label: str = "", looks: str = "") -> str:
    """An edge, with a label where there is one."""
    said = ", ".join(filter(None, [looks, f"label={quoted(' ' + label)}" if label else ""]))
    return f"  {quoted(start)} -> {quoted(end)}{f' [{said}]' if said else ''};"


@dataclass(frozen=True)
class Shown:
    """Numbers of a solution as text; nothing without one."""

    estimates: Mapping[str, Estimate]

    def coefficient(self, name: str, select: dict[str, int] | None = None) -> str:
        """``0.44 (0.10)``: entries that are not zero, MAX_LABELS at most, by their labels where there are several."""
        if name not in self.estimates:
            return ""
        whole = self.estimates[name]
        dims = whole.value.dims
        chosen = {d: k for d, k in (select or {}).items() if d in dims}
        entries = whole.map(lambda x: x.transpose(*dims).isel(chosen))
        x, se = entries.value, entries.se.values
        at = [i for i in np.ndindex(x.shape) if x.values[i] != 0.0 and not np.isnan(x.values[i])]
        if not 0 < len(at) <= MAX_LABELS:
            return ""
        return "\n".join(_labelled(x, i, len(at)) + number(float(x.values[i]), float(se[i])) for i in at)

    def sizes(self, name: str) -> str:
        """``56% / 44%``."""
        p = self.estimates.get(f"{name}_probability")
        if p is None or p.value.ndim != 1 or p.value.size > 5:
            return ""
        return " / ".join(f"{share:.0%}" for share in p.value.values)


def _labelled(x: xr.DataArray, at: tuple[int, ...], several: int) -> str:
    if several == 1:
        return ""
    return ", ".join(str(x[d].values[i]) for d, i in zip(x.dims, at, strict=True) if x.sizes[d] > 1) + ": "


def number(x: float, se: float) -> str:
    """``0.44 (0.10)``; without a standard error the number alone."""
    if not np.isfinite(se) or se == 0.0:
        return f"{x:.3g}"
    return f"{x:.2f} ({se:.2f})"
