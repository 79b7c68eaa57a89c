"""Class probabilities as functions of a random effect of their logits, (4)-(5), (10), (15), R(23)-R(25)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy import special

from bayesmix.graph import simple
from bayesmix.results.estimates import Estimates
from bayesmix.results.fit import Fit
from bayesmix.results.responses import covariate_means
from bayesmix.spec import LatentClass, Model, Predictor, by_effect, gauss_hermite, parameter_of, walk
from bayesmix.typing import Array

Arrays = Mapping[str, xr.DataArray]
REACH, POINTS = 3.0, 601
"""Of a curve: SDs to each side, and points."""
RULE = {1: 31, 2: 15, 3: 7}
"""Nodes of each dimension of what other effects add to the logits, by the number of dimensions."""
NORMAL = "normal"
"""The dim of standard normal effects."""


def class_curves(
    result: Fit | xr.DataTree, name: str | None = None, effect: str | None = None, df: pd.DataFrame | None = None
) -> xr.Dataset:
    """Class probabilities over a random effect of their logits: the numbers of Figs 2 and 3 of the 2006 paper.

    With logits b_c + sum_q a_cq z_q over independent standard normal z, and the effect u = sum_q v_q z_q,

        P(C = c | u = t SD(u)) = E[softmax_c(b + a z) | u = t SD(u)],

    the expectation over what u leaves open of z, by Gauss-Hermite quadrature. The larger the variance of the logits,
    the steeper the curve: with a step each cluster is in one class, and the model is that of a class of clusters (16).

    Parameters
    ----------
    result : Fit or xarray.DataTree
        A fit; of a posterior the means of the parameters are taken.
    name : str, optional
        The class variable; the first one with random logits if left out.
    effect : str, optional
        The random effect; the first one of these logits if left out.
    df : pandas.DataFrame, optional
        The data: covariates are at their means then, else at zero.

    Returns
    -------
    xarray.Dataset
        `probability` (parent classes, `sd`, the class variable): `sd` goes from -3 to 3, the effect in its standard
        deviations. `logit_sd` (parent classes, the class variable): the SD of each logit over all effects, zero for
        the reference class. `effect_sd` (parent classes): that of the effect. The attributes say which `class` and
        `effect` these are, and where `covariates` are: "none", "at zero", "at their means".

    Raises
    ------
    ValueError
        No class variable has random logits, or not this one, or none by this effect, or its variance is zero.

    Examples
    --------
    >>> curves = bm.class_curves(two_level)
    >>> "C" in curves.coords
    True
    """
    estimates = Estimates.of(result)
    model = estimates.model
    c, effect = _chosen(model, name, effect)
    values = {p.name: estimates[p.name].value for p in model.parameters}
    logits, effects = _linear(model, c, values, {} if df is None else covariate_means(result, df))
    curves = _curves(c.name, logits, effects[effect])
    if float(curves["effect_sd"].max()) < 1e-8:
        raise ValueError(f"The variance of '{effect}' is zero: there is nothing to draw.")
    place = "none" if not _has_covariates(model, c) else "at zero" if df is None else "at their means"
    return curves.assign_attrs({"class": c.name, "effect": effect, "covariates": place})


def _chosen(model: Model, name: str | None, effect: str | None) -> tuple[LatentClass, str]:
    """Choose the class variable `name` and the `effect` of its logits, or the first ones there are."""
    effects = {c.name: list(dict.fromkeys(e for t in c.predictor for e in t.effects)) for c in model.classes}
    random = {k: names for k, names in effects.items() if names}
    if not random or not simple(model):
        raise ValueError("No class variable of the model has random logits: there is no effect to draw them over.")
    if name is not None and name not in random:
        raise ValueError(f"'{name}' has no random logits; {', '.join(random)} has them.")
    name = name or (effect and next((k for k, names in random.items() if effect in names), None)) or next(iter(random))
    if effect is not None and effect not in random[name]:
        raise ValueError(f"The logits of {name} do not depend on '{effect}': give one of {', '.join(random[name])}.")
    (c,) = [k for k in model.classes if k.name == name]
    return c, effect or random[name][0]


def _has_covariates(model: Model, c: LatentClass) -> bool:
    """Whether covariates move the logits of `c`, directly or through an effect of `model`."""
    means = [t for e in model.effects for t in e.mean]
    return any(t.covariates for t in (*c.predictor, *means))


def _linear(
    model: Model, c: LatentClass, values: Arrays, means: Arrays
) -> tuple[xr.DataArray, dict[str, xr.DataArray]]:
    """Evaluate the logits of `c` and the effects at the origin of the standard normal effects and at 1 of each.

    They are linear there: these values, along the dim `normal`, have their constants and coefficients.
    """
    effects = linear_effects(model, values, means)
    return linear_predictor(c.predictor, values, means, effects), effects


def linear_effects(model: Model, values: Arrays, means: Arrays) -> dict[str, xr.DataArray]:
    """Evaluate the effects at the origin of the standard normal effects and at 1 of each, along the dim `normal`."""
    keys = [(level, k) for level in ("cluster", "individual") for k, _ in enumerate(model.effects_at(level))]
    z = {key: xr.DataArray(np.eye(len(keys) + 1)[k + 1], dims=NORMAL) for k, key in enumerate(keys)}
    effects: dict[str, xr.DataArray] = {}
    for e, mean, residual in walk(model, values):
        spread = sum((x * z[key] for key, x in residual.items()), xr.DataArray(0.0))
        sd = 1.0 if e.sd is None else parameter_of(e.sd, values)
        effects[e.name] = linear_predictor(mean, values, means, effects) + sd * spread
    return effects


def linear_predictor(terms: Predictor, values: Arrays, means: Arrays, effects: Arrays) -> xr.DataArray:
    """Add up `terms`, covariates at their `means` (zero where there are none)."""
    out = xr.DataArray(0.0)
    for t in terms:
        x = parameter_of(t, values)
        if t.effects:
            x = sum((b * effects[e] for e, b in by_effect(t, values)), xr.DataArray(0.0))
        if t.covariates is not None:
            x = (x * means.get(t.covariates.key, 0.0)).sum(t.covariates.name)
        out = out + x
    return out


def _curves(name: str, logits: xr.DataArray, effect: xr.DataArray) -> xr.Dataset:
    """Integrate the class probabilities, the last dim of which is `name`, for each combination of parent classes."""
    logits, effect = xr.broadcast(logits, effect, exclude=[name])
    parents = [str(d) for d in logits.dims if d not in (name, NORMAL)]
    sd, places = np.linspace(-REACH, REACH, POINTS), list(np.ndindex(*(logits.sizes[p] for p in parents)))
    each = []
    for place in places:
        at = dict(zip(parents, place, strict=True))
        each.append(_Logits.of(logits.isel(at).transpose(name, NORMAL).values, effect.isel(at).values))
    shape = [logits.sizes[p] for p in parents]
    probability = np.array([x.probabilities(sd) for x in each]).reshape(*shape, len(sd), logits.sizes[name])
    logit_sd = np.array([x.sd for x in each]).reshape(*shape, -1)
    effect_sd = np.array([x.effect_sd for x in each]).reshape(shape)
    coords: dict[str, Any] = {d: logits[d].values for d in (*parents, name)} | {"sd": sd}
    tables = {"probability": ((*parents, "sd", name), probability), "logit_sd": ((*parents, name), logit_sd)}
    return xr.Dataset({**tables, "effect_sd": (tuple(parents), effect_sd)}, coords=coords)


@dataclass(frozen=True)
class _Logits:
    """Logits b + a z over standard normal z, and an effect v z (its mean apart).

    Attributes
    ----------
    b : array (class,)
    a : array (class, normal)
    v : array (normal,)
    """

    b: Array
    a: Array
    v: Array

    @classmethod
    def of(cls, logits: Array, effect: Array) -> _Logits:
        """Read constants and coefficients off `logits` (class, point) and `effect` (point), the first at the origin."""
        return cls(logits[:, 0], logits[:, 1:] - logits[:, :1], effect[1:] - effect[0])

    @property
    def sd(self) -> Array:
        """Standard deviations of the logits."""
        return np.linalg.norm(self.a, axis=1)

    @property
    def effect_sd(self) -> float:
        """Standard deviation of the effect."""
        return float(np.linalg.norm(self.v))

    def probabilities(self, t: Array) -> Array:
        """P(C = c | v z = t SD), (point, class): the part of the logits that v z leaves open is integrated."""
        along = self.a @ (self.v / max(self.effect_sd, 1e-300))
        left = self.a - np.outer(along, self.v / max(self.effect_sd, 1e-300))
        # only the directions that move a logit are integrated: a grid over all of them would be too large
        _, size, axes = np.linalg.svd(left)
        r = int((size > 1e-9 * size.max()).sum()) if size.max() > 1e-12 else 0
        z, log_weights = gauss_hermite(RULE.get(r, 5)).grid(r) if r else (np.zeros((1, 0)), np.zeros(1))
        logits = self.b + t[:, None, None] * along + z @ axes[:r] @ self.a.T
        return np.einsum("tnc,n->tc", special.softmax(logits, axis=2), np.exp(log_weights))
