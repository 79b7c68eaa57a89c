"""Class probabilities as curves over a random effect: Figs 2 and 3 of the 2006 paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy import special

from bayesmix.graph.variance_components import of_class, of_effects, simple
from bayesmix.plots.style import COLOURS, bare, legend
from bayesmix.results.estimates import names_of, values_of
from bayesmix.results.fit import Fit
from bayesmix.results.responses import covariate_means
from bayesmix.spec.effect_sums import by_effect, on_residuals, plain
from bayesmix.spec.model import LatentClass, Model, Term, check_model
from bayesmix.spec.quadrature import gauss_hermite

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]
REACH, POINTS = 3.0, 601
"""Of a curve: SDs to each side, and points."""
RULE = {1: 31, 2: 15, 3: 7}
"""Nodes of each dimension of what other effects add to the logits, by the number of dimensions."""


def class_curves(
    model: Model,
    result: Fit | xr.DataTree,
    name: str | None = None,
    effect: str | None = None,
    df: pd.DataFrame | None = None,
) -> NDArray[Any]:
    """P(C = c | random effect), the effect in standard deviations: Figs 2 and 3 of the 2006 paper.

    The larger the variance of the class logits, the steeper the curve: with a step each cluster
    is in one class, and the model is that of a class of clusters (16).

    Parameters
    ----------
    model : Model
        What the template returned.
    result : Fit or xarray.DataTree
        Its solution; of a posterior the means.
    name : str, optional
        The class variable; the first one with random logits if left out.
    effect : str, optional
        The random effect; the first one of these logits if left out. Others are averaged, given this one.
    df : pandas.DataFrame, optional
        The data: covariates are at their means then, else at zero.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes
        One panel, or one for each class of the variables on which this one depends. The legend has
        the standard deviations of the logits.

    Raises
    ------
    ValueError
        No class variable has random logits, or not this one, or none by this effect; a result of another model.
    """
    check_model(model)
    if gone := [p.name for p in model.parameters if p.name not in names_of(result)]:
        raise ValueError(f"The result has no parameter '{gone[0]}': it is not a solution of this model.")
    c, effect = _chosen(model, name, effect)
    lines = _lines(model, result, c, effect, df)
    axes = _panels(len(lines))
    for ax, line in zip(axes, lines, strict=True):
        _draw(ax, line)
    at = "" if not _has_covariates(model, c) else f" (covariates at {'zero' if df is None else 'their means'})"
    for ax in axes:
        ax.set_xlabel(f"{effect}, in standard deviations{at}")
    axes[0].set_ylabel(f"P({c.name} | {effect})")
    legend(axes, [_label(c.name, k, sd) for k, sd in zip(lines[0].classes, lines[0].sd, strict=True)])
    return axes


def _chosen(model: Model, name: str | None, effect: str | None) -> tuple[LatentClass, str]:
    """The class variable and the effect that are asked for, or the first ones."""
    own = {c.name: _effects(c) for c in model.classes}
    random = {k: e for k, e in own.items() if e}
    if not random or not simple(model):
        raise ValueError("No class variable of the model has random logits: there is no effect to draw them over.")
    if name is not None and name not in random:
        raise ValueError(f"'{name}' has no random logits; {', '.join(random)} has them.")
    name = name or (effect and next((k for k, e in random.items() if effect in e), None)) or next(iter(random))
    if effect is not None and effect not in random[name]:
        raise ValueError(f"The logits of {name} do not depend on '{effect}': give one of {', '.join(random[name])}.")
    (c,) = [k for k in model.classes if k.name == name]
    return c, effect or random[name][0]


def _effects(c: LatentClass) -> list[str]:
    return list(dict.fromkeys(e for t in c.predictor if plain(t) for e in t.effects))


def _has_covariates(model: Model, c: LatentClass) -> bool:
    means = [t for e in model.effects for t in e.mean]
    return any(t.covariates for t in (*c.predictor, *means))


def _label(name: str, k: Any, sd: float) -> str:
    return f"{name} = {k}" + (f" (logit SD {sd:.2f})" if sd > 1e-9 else "")


# the probabilities --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Line:
    """Logits base + a z over standard normal z, given a class of each parent; the effect is v z."""

    title: str
    classes: list[Any]
    base: Array
    a: Array
    v: Array

    @property
    def sd(self) -> Array:
        """Standard deviations of the logits."""
        return np.sqrt((self.a**2).sum(axis=1))

    def probabilities(self, t: Array) -> Array:
        """P(C = c | v z = t SD), (point, class): the part of the logits that v z leaves is integrated."""
        way = self.v / np.linalg.norm(self.v)
        along = self.a @ way
        _, size, axes = np.linalg.svd(self.a - np.outer(along, way))
        r = int((size > 1e-9 * max(size.max(), 1e-300)).sum()) if size.max() > 1e-12 else 0
        z, log_weights = gauss_hermite(RULE.get(r, 5)).grid(r) if r else (np.zeros((1, 0)), np.zeros(1))
        rest = z @ axes[:r] @ self.a.T
        logits = self.base + t[:, None, None] * along + rest
        return np.einsum("tnc,n->tc", special.softmax(logits, axis=2), np.exp(log_weights))


def _lines(
    model: Model, result: Fit | xr.DataTree, c: LatentClass, effect: str, df: pd.DataFrame | None
) -> list[_Line]:
    """One for each combination of the classes on which the logits depend."""
    values = {p.name: _value(result, p.name) for p in model.parameters}
    means = {} if df is None else covariate_means(model, df)
    effects = of_effects(model, cast(Any, values), {})
    a, v = cast(Any, of_class(c, cast(Any, values), effects)), cast(Any, effects[effect])
    centre = _centres(model, values, means)
    base = sum((_part(t, values, means, centre) for t in c.predictor), xr.DataArray(0.0))
    if max(float(np.abs(x).max()) for x in v.values()) < 1e-8:
        raise ValueError(f"The variance of '{effect}' is zero: there is nothing to draw.")
    keys = sorted({*a, *v})
    nothing = 0.0 * base
    logits = _beside([nothing + a.get(k, 0.0) for k in keys])
    along = _beside([nothing.isel({c.name: 0}, drop=True) + v.get(k, 0.0) for k in keys])
    parents = [str(d) for d in logits.dims if d not in (c.name, "z")]
    out = []
    for at in np.ndindex(*(logits.sizes[p] for p in parents)):
        here = dict(zip(parents, at, strict=True))
        title = ", ".join(f"{p} = {logits[p].values[k]}" for p, k in here.items())
        own = [_there(x, here) for x in (base, logits, along)]
        matrix = own[1].transpose(c.name, "z").values
        out.append(_Line(title, list(own[0][c.name].values), own[0].values, matrix, own[2].values))
    return out


def _beside(parts: list[xr.DataArray]) -> xr.DataArray:
    """In a dim of standard normal effects."""
    return xr.concat(list(xr.broadcast(*parts)), "z", coords="minimal", compat="override")


def _there(x: xr.DataArray, at: Mapping[str, int]) -> xr.DataArray:
    return x.isel({d: k for d, k in at.items() if d in x.dims})


def _value(result: Fit | xr.DataTree, name: str) -> xr.DataArray:
    found = values_of(result, name)
    assert found is not None
    return found.value


def _centres(model: Model, values: Mapping[str, xr.DataArray], means: Mapping[str, xr.DataArray]) -> dict[str, Any]:
    """The mean of each effect at the given covariates."""
    out: dict[str, Any] = {}
    factors = [e.name for e in model.effects if e.standard]
    for level in ("cluster", "individual"):
        for e in model.effects_at(level):
            mean = [t for t in e.mean if not on_residuals(e, t, factors)]
            out[e.name] = sum((_part(t, values, means, out) for t in mean), xr.DataArray(0.0))
    return out


def _part(t: Term, values: Mapping[str, xr.DataArray], means: Mapping[str, xr.DataArray], centre: Mapping) -> Any:
    """A term of a predictor at the means of covariates and effects."""
    x = values[t.parameter.name]
    x = x.rename(dict(t.rename)) if t.rename else x
    if t.effects:
        x = sum((b * centre[e] for e, b in by_effect(t, cast(Any, values))), xr.DataArray(0.0))
    if t.covariates is None:
        return x
    return (x * means.get(t.covariates.name, 0.0)).sum(t.covariates.name)


# the picture --------------------------------------------------------------------------------------


def _panels(n: int) -> NDArray[Any]:
    import matplotlib.pyplot as plt

    columns = min(n, 3)
    rows = -(-n // columns)
    size = (max(5.4, 0.8 + 3.0 * columns), 0.6 + 3.2 * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", sharey=True, squeeze=False)
    for ax in axes.ravel()[n:]:
        figure.delaxes(ax)
    return axes.ravel()[:n]


def _draw(ax: Axes, line: _Line) -> None:
    t = np.linspace(-REACH, REACH, POINTS)
    p = line.probabilities(t)
    for k in range(p.shape[1]):
        style = "-" if k < len(COLOURS) else "--"
        ax.plot(t, p[:, k], style, color=COLOURS[k % len(COLOURS)], linewidth=1.8, label=str(line.classes[k]))
    ax.set(xlim=(-REACH, REACH), ylim=(-0.02, 1.02), title=line.title)
    ax.title.set_fontsize("medium")
    bare(ax)
