"""Functions of the graph that families share, stable in the tails; features of responses."""

from __future__ import annotations

from typing import Any, Literal, cast

import numpy as np
from pytensor import xtensor as px
from pytensor.gradient import disconnected_grad

from bayesmix.checks import one_of
from bayesmix.typing import Array

Tensor = Any
"""A tensor with named dims, in the graph: PyTensor's annotations do not know its methods."""
Link = Literal["logit", "probit"]
FAR = 1e10
"""A threshold that no response reaches: stands for infinity, but keeps gradients finite."""
TINY = 1e-300
"""A floor under probabilities: the logarithm of an empty interval is not minus infinity."""


def stack(tensors, dim="feature"):
    """Tensors side by side over a new dim, each with the dims of all."""
    zero = px.zeros_like(cast(Tensor, sum(tensors[1:], tensors[0])))
    return px.concat([(t if set(t.dims) == set(zero.dims) else t + zero).expand_dims(dim) for t in tensors], dim=dim)


def logsumexp(x, dim: str):
    """log(sum(exp(x))) over `dim`; the shift by the maximum carries no gradient."""
    top = stop_gradient(x.max(dim))
    return px.math.log(px.math.exp(x - top).sum(dim)) + top


def stop_gradient(x):
    """`x` as a constant to differentiation."""
    return px.as_xtensor(disconnected_grad(x.values), dims=x.dims)


def log_softmax(x, dim: str):
    """`x` minus its logsumexp over `dim`: log probabilities from logits, never above zero, whatever their size."""
    below = x - stop_gradient(x.max(dim))
    return below - px.math.log(px.math.exp(below).sum(dim))


def log_sigmoid(x):
    """log(1 / (1 + exp(-x))), stable in both tails."""
    return -px.math.softplus(-x)


def log_normal_cdf(x):
    """log Phi(x), stable in both tails: erfcx below -1, log1p above."""
    low, high = px.math.minimum(x, -1.0), px.math.maximum(x, -1.0)
    left = px.math.log(0.5 * px.math.erfcx(-low / np.sqrt(2))) - 0.5 * low**2
    right = px.math.log1p(-0.5 * px.math.erfc(high / np.sqrt(2)))
    return px.math.where(x < -1.0, left, right)


def log_cdf(x, link: Link):
    """log F(x), F the logistic or the normal distribution function."""
    return log_sigmoid(x) if link == "logit" else log_normal_cdf(x)


def log_interval(upper, lower, link: Link):
    """log(F(upper) - F(lower)), F the logistic or the normal distribution function."""
    if link == "logit":
        gap = px.math.log(px.math.maximum(-px.math.expm1(lower - upper), TINY))
        return log_sigmoid(upper) + log_sigmoid(-lower) + gap
    flip = lower > 0  # in the right tail take the mirror image: differences of small numbers
    high = log_normal_cdf(px.math.where(flip, -lower, upper))
    low = log_normal_cdf(px.math.where(flip, -upper, lower))
    return high + px.math.log(px.math.maximum(-px.math.expm1(low - high), TINY))


def logaddexp(x, y):
    """log(exp(x) + exp(y)): the larger and the softplus of the difference."""
    return x + px.math.softplus(y - x)


def check_link(link: str) -> None:
    """Refuse a link that there is not."""
    one_of("The link", link, ("logit", "probit"))


def draw_categories(table: Array, rng: np.random.Generator) -> Array:
    """Draw codes of categories from log probabilities (..., feature)."""
    gumbel = rng.gumbel(size=table.shape)
    return np.argmax(table + gumbel, axis=-1).astype(float)


def one_hot(y: Array, n_categories: int) -> Array:
    """Category codes 0, 1, ... to indicators over a new last axis; NaN gives zeros."""
    return (np.asarray(y)[..., None] == np.arange(n_categories)).astype(float)


def category_counts(y: Array, weights: Array, n_categories: int) -> Array:
    """Count the answers in each category, by weights; NaN in none."""
    seen = ~np.isnan(y)
    return np.bincount(y[seen].astype(np.int64), weights=weights[seen], minlength=n_categories)


def powers(y: Array, third: Array) -> Array:
    """Features (1, y, `third`) of responses, zeros where they are missing."""
    stacked = np.stack([np.ones_like(y), y, third], axis=-1)
    return np.where(np.isnan(y)[..., None], 0.0, stacked)


def log_mean(y: Array, weights: Array) -> Array:
    """Take the logarithm of the mean of counts `y`, a little above zero where all of them are."""
    return np.asarray(np.log((np.nansum(weights * y) + 0.1) / (np.sum(weights * ~np.isnan(y)) + 0.1)))
