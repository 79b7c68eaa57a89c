"""Transitions as a picture: class sizes of each occasion, and the bands of those who go from one to the next."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmix.plots.style import COLOURS
from bayesmix.results import Estimates, Fit, entered
from bayesmix.spec import GROUP

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BAR = 0.16
"""Half the width of an occasion's bar; occasions are 1 apart."""


def transitions(result: Fit | xr.DataTree, *, chain_class: int | None = None) -> Axes | NDArray[Any]:
    """Who moves: bars of class sizes at each occasion, bands as wide as the share that takes each transition.

    Parameters
    ----------
    result : Fit or xarray.DataTree
        Of a latent transition model.
    chain_class : int, optional
        Of a model with classes of chains, the one whose members are drawn; everybody if left out.

    Returns
    -------
    matplotlib.axes.Axes, or an array of them
        One for each observed group, where they differ. The number in a band is the transition probability,
        P(class entered | class left); those below half a per cent of all are drawn but not labelled.

    Raises
    ------
    ValueError
        The model has no transitions, or no such class of chains.

    Examples
    --------
    >>> axes = bm.plots.transitions(transitions_fit)
    """
    import matplotlib.pyplot as plt

    estimates = Estimates.of(result)
    groups = _groups(estimates)
    each = [list(_steps(estimates, chain_class, k)) for k in (range(len(groups)) if groups else [None])]
    if not each[0]:
        raise ValueError("There is nothing to draw: no class variable of the model depends on another one beside it.")
    n = len(each[0]) + 1
    figure, axes = plt.subplots(
        1, len(each), figsize=((1.4 + 2.2 * n) * len(each), 4.4), layout="constrained", squeeze=False
    )
    del figure
    for ax, steps, title in zip(axes.ravel(), each, groups or [""], strict=True):
        _draw(ax, steps)
        ax.set_title(title)
    return axes.ravel() if groups else axes[0, 0]


def _groups(estimates: Estimates) -> list[str]:
    """``g = a`` of each observed group between which transitions or the sizes of the first class differ."""
    tables = [estimates[f"{k}_transition"].value for k in entered(estimates)]
    tables += [x.value for c in estimates.model.classes if (x := estimates.get(f"{c.name}_probability")) is not None]
    labels = next((x[GROUP].values for x in tables if GROUP in x.dims), [])
    return [f"{estimates.model.group} = {k}" for k in labels]


def _draw(ax: Axes, steps: list[xr.DataArray]) -> None:
    """Bars and bands of one group."""
    n = len(steps) + 1
    sizes = [steps[0].sum(str(steps[0].dims[1])), *(s.sum(str(s.dims[0])) for s in steps)]
    for t, size in enumerate(sizes):
        _bar(ax, t, size)
    for t, step in enumerate(steps):
        _bands(ax, t, step)
    ax.set_xticks(range(n), [str(s.dims[0]) for s in sizes])
    ax.set_ylabel("share of individuals")
    ax.set(xlim=(-BAR - 0.05, n - 1 + BAR + 0.05), ylim=(1.0, 0.0))
    ax.set_yticks(np.linspace(0, 1, 6), [f"{x:.0%}" for x in np.linspace(0, 1, 6)])
    ax.spines[["top", "right", "bottom"]].set_visible(False)
    ax.tick_params(axis="x", length=0)


def _steps(estimates: Estimates, chain_class: int | None, group: int | None = None) -> Iterator[xr.DataArray]:
    """P(C_t-1, C_t) of each pair of occasions, from the sizes of the first and the transitions; of a group."""
    joint = None
    with_transitions = entered(estimates)
    for before, name in pairwise(c.name for c in estimates.model.occasions):
        if name not in with_transitions:
            continue
        move = _of_group(estimates[f"{name}_transition"].value, group)
        if joint is None:
            joint = _first(estimates, before, chain_class, group)
        if before not in move.dims:
            continue
        joint = joint.sum([d for d in joint.dims if d not in move.dims]) * move
        yield joint.sum([d for d in joint.dims if d not in (before, name)]).transpose(before, name)


def _of_group(x: xr.DataArray, group: int | None) -> xr.DataArray:
    """The part of an observed group."""
    return x.isel({GROUP: group}) if GROUP in x.dims and group is not None else x


def _first(estimates: Estimates, name: str, chain_class: int | None, group: int | None) -> xr.DataArray:
    """P(G, C_1), or of one class of chains P(C_1 | G) and zero in the others."""
    size, above = _of_group(estimates[f"{name}_probability"].value, group), estimates.model.lasting
    if not above:
        if chain_class is not None:
            raise ValueError(f"chain_class={chain_class!r} came, but the model has no classes of chains: leave it out.")
        return size
    g = above[0].name
    share = _of_group(estimates[f"{g}_probability"].value, group)
    if chain_class is not None:
        if chain_class not in share[g].values:
            known = ", ".join(map(str, share[g].values))
            raise ValueError(f"chain_class came as {chain_class!r}: give one of {known}, or leave it out.")
        share = xr.where(share[g] == chain_class, 1.0, 0.0)
    return share * (_of_group(estimates[by].value, group) if (by := f"{name}_by_{g}") in estimates else size)


def _bar(ax: Axes, t: int, size: xr.DataArray) -> None:
    (name,) = size.dims
    top = 0.0
    for k, p in enumerate(size.values):
        ax.bar(t, p, 2 * BAR, top, color=COLOURS[k % len(COLOURS)], edgecolor="white", linewidth=1.5, zorder=3)
        if p > 0.04:
            label = f"{size[name].values[k]}\n{p:.0%}"
            ax.text(t, top + p / 2, label, ha="center", va="center", color="white", fontweight="bold", zorder=4)
        top += p


def _bands(ax: Axes, t: int, step: xr.DataArray) -> None:
    """Bands from the bars at t to those at t + 1, with the transition probabilities."""
    joint = step.values
    start = np.concatenate([[0.0], joint.sum(axis=1).cumsum()[:-1]])
    end = np.concatenate([[0.0], joint.sum(axis=0).cumsum()[:-1]])
    s = np.linspace(0.0, 1.0, 60)
    x, rise = t + BAR + s * (1 - 2 * BAR), s * s * (3 - 2 * s)
    for i, k in np.ndindex(joint.shape):
        width = joint[i, k]
        upper = start[i] + (end[k] - start[i]) * rise
        ax.fill_between(x, upper, upper + width, color=COLOURS[i % len(COLOURS)], alpha=0.28, linewidth=0)
        if width > 0.005:
            at = 12 if i <= k else 47  # beside the class left, the bands that rise and fall apart
            share = width / joint[i].sum()
            ax.text(x[at], upper[at] + width / 2, f"{share:.0%}", ha="center", va="center", fontsize="small")
        start[i] += width
        end[k] += width
