"""Ground floor: response distributions. Density and simulator stand side by side.

Every family here is written as a contraction. For a response y and a linear predictor eta,

    log p(y | eta) = sum_f features(y)_f * table(eta)_f,

where `features` is computed once from the data and `table` is a small tensor of the graph: for a
categorical response the features are its one-hot coding and the table holds log probabilities; for a
normal one they are (1, y, y^2). A missing response has all features zero, so that it drops out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

import numpy as np
from numpy.typing import NDArray
from pytensor import xtensor as px
from pytensor.gradient import disconnected_grad
from scipy import special

Array = NDArray[np.float64]
Tensor = Any
"""A tensor with named dims, in the graph: PyTensor's annotations do not know its methods."""
Link = Literal["logit", "probit"]
FAR = 1e10
"""A threshold that no response reaches: stands for infinity, but keeps gradients finite."""
TINY = 1e-300
"""A floor under probabilities: the logarithm of an empty interval is not minus infinity."""

GUESS = 0.1
"""The guessing probability with which a search begins."""
LEAST_VARIANCE = 1e-4
"""Of a standardised response, where a variance that is linear in covariates runs below zero."""


def _stack(tensors, dim="feature"):
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


def _log_cdf(x, link: Link):
    return log_sigmoid(x) if link == "logit" else log_normal_cdf(x)


def _log_interval(upper, lower, link: Link):
    """log(F(upper) - F(lower)), F the logistic or the normal distribution function."""
    if link == "logit":
        gap = px.math.log(px.math.maximum(-px.math.expm1(lower - upper), TINY))
        return log_sigmoid(upper) + log_sigmoid(-lower) + gap
    flip = lower > 0  # in the right tail take the mirror image: differences of small numbers
    high = log_normal_cdf(px.math.where(flip, -lower, upper))
    low = log_normal_cdf(px.math.where(flip, -upper, lower))
    return high + px.math.log(px.math.maximum(-px.math.expm1(low - high), TINY))


def _logaddexp(x, y):
    """log(exp(x) + exp(y)): the larger and the softplus of the difference."""
    return x + px.math.softplus(y - x)


def _check_link(link: str) -> None:
    if link not in ("logit", "probit"):
        raise ValueError(f"The link came as {link!r}: give 'logit' or 'probit'.")


def _draw_categories(table: Array, rng: np.random.Generator) -> Array:
    gumbel = rng.gumbel(size=table.shape)
    return np.argmax(table + gumbel, axis=-1).astype(float)


@dataclass(frozen=True)
class Bernoulli:
    """Binary item: P(y = 1) = F(eta), F logistic or normal; (1) with one threshold, (27)-(28).

    With `guessing`, P(y = 1) = g + (1 - g) F(eta), (42); auxiliary parameter `guessing`, a probability.
    """

    link: Link = "logit"
    guessing: bool = False
    kind: ClassVar[str] = "categorical"
    finite: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_link(self.link)

    def __str__(self) -> str:
        return f"Bernoulli(link='{self.link}'{', guessing=True' if self.guessing else ''})"

    @property
    def auxiliary(self) -> tuple[str, ...]:
        """Names of the further parameters."""
        return ("guessing",) if self.guessing else ()

    def features(self, y: Array, n_categories: int) -> Array:
        """One-hot coding (..., 2); a missing response is all zero."""
        return one_hot(y, 2)

    def table(self, eta, constants, **auxiliary):
        """log P(y = 0), log P(y = 1) over the dim `feature`."""
        no, yes = _log_cdf(-eta, self.link), _log_cdf(eta, self.link)
        if not self.guessing:
            return _stack([no, yes])
        g = auxiliary["guessing"]
        knows = px.math.log(px.math.maximum(1.0 - g, TINY))
        return _stack([knows + no, _logaddexp(px.math.log(px.math.maximum(g, TINY)), knows + yes)])

    def draw(self, table: Array, rng: np.random.Generator, constants) -> Array:
        """Category codes from log probabilities (..., feature)."""
        return _draw_categories(table, rng)

    def baseline(self, y: Array, weights: Array, n_categories: int) -> Array:
        """The intercept that reproduces the marginal proportion; with guessing, at the guess a search begins with."""
        p = (np.nansum(weights * y) + 0.5) / (np.sum(weights * ~np.isnan(y)) + 1.0)
        p = np.maximum((p - GUESS) / (1 - GUESS), 0.02) if self.guessing else p
        return np.asarray(special.logit(p) if self.link == "logit" else special.ndtri(p))


@dataclass(frozen=True)
class Nominal:
    """Unordered categories: P(y = k) = exp(eta_k) / sum_s exp(eta_s), the first category's eta fixed at 0.

    With two categories this is the logistic Bernoulli. The predictor carries the dim `category`.
    """

    kind: ClassVar[str] = "categorical"
    finite: ClassVar[bool] = True
    auxiliary: ClassVar[tuple[str, ...]] = ()

    def features(self, y: Array, n_categories: int) -> Array:
        """One-hot coding (..., category); a missing response is all zero."""
        return one_hot(y, n_categories)

    def table(self, eta, constants, **auxiliary):
        """Log probabilities over the dim `feature`; categories an item does not have get -1e10."""
        (category,) = [d for d in eta.dims if d.startswith("category")]
        missing = constants["missing_category"]
        return log_softmax(eta.rename({category: "feature"}) - FAR * missing, "feature")

    def draw(self, table: Array, rng: np.random.Generator, constants) -> Array:
        """Category codes from log probabilities (..., feature)."""
        return _draw_categories(table, rng)

    def baseline(self, y: Array, weights: Array, n_categories: int) -> Array:
        """Category logits that reproduce the marginal proportions."""
        counts = (weights[:, None] * one_hot(y, n_categories)).sum(0) + 0.5
        return np.log(counts / counts[0])


@dataclass(frozen=True)
class Ordinal:
    """Ordered categories, equation (1): P(y = k) = F(tau_{k+1} - eta) - F(tau_k - eta).

    The auxiliary parameter `threshold` (last dim `threshold`) is increasing.
    """

    link: Link = "logit"
    kind: ClassVar[str] = "categorical"
    finite: ClassVar[bool] = True
    auxiliary: ClassVar[tuple[str, ...]] = ("threshold",)

    def __post_init__(self) -> None:
        _check_link(self.link)

    def features(self, y: Array, n_categories: int) -> Array:
        """One-hot coding (..., category); a missing response is all zero."""
        return one_hot(y, n_categories)

    def table(self, eta, constants, **auxiliary):
        """Log probabilities over the dim `feature`, from `threshold` minus eta."""
        threshold = auxiliary["threshold"]
        (dim,) = [d for d in threshold.dims if d.startswith("threshold")]
        beyond = constants["beyond"].rename({"threshold": dim})
        cut = px.math.where(beyond > 0, FAR * beyond, threshold - eta)
        edge = px.full_like(cut.isel({dim: slice(0, 1)}), 1.0)
        last = edge * (FAR * constants["beyond_last"])
        cuts = cast(Tensor, px.concat([-FAR * edge, cut, last], dim=dim)).rename({dim: "feature"})
        upper, lower = cuts.isel(feature=slice(1, None)), cuts.isel(feature=slice(None, -1))
        return _log_interval(upper, lower, self.link)

    def draw(self, table: Array, rng: np.random.Generator, constants) -> Array:
        """Category codes from log probabilities (..., feature)."""
        return _draw_categories(table, rng)

    def baseline(self, y: Array, weights: Array, n_categories: int) -> Array:
        """Thresholds that reproduce the marginal proportions."""
        counts = (weights[:, None] * one_hot(y, n_categories)).sum(0) + 0.5
        below = np.cumsum(counts)[:-1] / counts.sum()
        return special.logit(below) if self.link == "logit" else special.ndtri(below)


@dataclass(frozen=True)
class Normal:
    """Continuous response: y ~ N(eta, sigma^2), (2) with y* = y; auxiliary parameter `sigma`.

    With `linear_variance` there are two instead, whose sum is the variance: `variance` and
    `variance_slope`, R(17); a sum below a ten-thousandth of the item's variance counts as that.
    Inside the graph y is centred and scaled by the item's mean and SD, so that the expansion of the
    square loses no digits; `center` and `scale` put it back.
    """

    linear_variance: bool = False
    kind: ClassVar[str] = "real"
    finite: ClassVar[bool] = False

    def __str__(self) -> str:
        return "Normal(linear_variance=True)" if self.linear_variance else "Normal()"

    @property
    def auxiliary(self) -> tuple[str, ...]:
        """Names of the further parameters."""
        return ("variance", "variance_slope") if self.linear_variance else ("sigma",)

    def features(self, y: Array, n_categories: int) -> Array:
        """(1, y, y^2) of the standardised response; zeros where it is missing."""
        return _powers(y, np.where(np.isnan(y), np.nan, y**2))

    def coefficients(self, eta, constants, **auxiliary):
        """Coefficients of 1, y and y^2 in the normal log density."""
        scale = constants["scale"]
        mean = (eta - constants["center"]) / scale
        if self.linear_variance:
            variance = auxiliary["variance"] + auxiliary["variance_slope"]
            precision = 1 / px.math.maximum(variance / scale**2, LEAST_VARIANCE)
        else:
            precision = (scale / auxiliary["sigma"]) ** 2
        log_scale = 0.5 * px.math.log(precision) - px.math.log(scale) - 0.5 * np.log(2 * np.pi)
        return log_scale - 0.5 * precision * mean**2, precision * mean, -0.5 * precision

    def table(self, eta, constants, **auxiliary):
        """The coefficients over the dim `feature`."""
        return _stack(self.coefficients(eta, constants, **auxiliary))

    def draw(self, table: Array, rng: np.random.Generator, constants) -> Array:
        """Responses from the coefficients (..., feature)."""
        variance = -0.5 / table[..., 2]
        y = table[..., 1] * variance + np.sqrt(variance) * rng.standard_normal(table.shape[:-1])
        return constants["center"] + constants["scale"] * y

    def baseline(self, y: Array, weights: Array, n_categories: int) -> Array:
        """The mean."""
        return np.asarray(np.nansum(weights * y) / np.sum(weights * ~np.isnan(y)))


@dataclass(frozen=True)
class Poisson:
    """Count: y ~ Poisson(exp(eta))."""

    kind: ClassVar[str] = "count"
    finite: ClassVar[bool] = False
    auxiliary: ClassVar[tuple[str, ...]] = ()

    def features(self, y: Array, n_categories: int) -> Array:
        """(1, y, log y!); zeros where the response is missing."""
        return _powers(y, special.gammaln(y + 1.0))

    def coefficients(self, eta, constants, **auxiliary):
        """Coefficients of 1, y and log y! in the Poisson log density."""
        return -px.math.exp(eta), eta, px.full_like(eta, -1.0)

    def table(self, eta, constants, **auxiliary):
        """The coefficients over the dim `feature`."""
        return _stack(self.coefficients(eta, constants, **auxiliary))

    def draw(self, table: Array, rng: np.random.Generator, constants) -> Array:
        """Counts from the coefficients (..., feature)."""
        return rng.poisson(-table[..., 0]).astype(float)

    def baseline(self, y: Array, weights: Array, n_categories: int) -> Array:
        """The log of the mean."""
        return np.asarray(np.log((np.nansum(weights * y) + 0.1) / (np.sum(weights * ~np.isnan(y)) + 0.1)))


Family = Bernoulli | Nominal | Ordinal | Normal | Poisson


def one_hot(y: Array, n_categories: int) -> Array:
    """Category codes 0, 1, ... to indicators over a new last axis; NaN gives zeros."""
    return (np.asarray(y)[..., None] == np.arange(n_categories)).astype(float)


def _powers(y: Array, third: Array) -> Array:
    stacked = np.stack([np.ones_like(y), y, third], axis=-1)
    return np.where(np.isnan(y)[..., None], 0.0, stacked)


def bernoulli(link: Link = "logit", guessing: bool = False) -> Bernoulli:
    """Binary items; `link` is "logit" or "probit"; with `guessing` they can be guessed right, (42)."""
    return Bernoulli(link, guessing)


def nominal() -> Nominal:
    """Items with unordered categories (two or more)."""
    return Nominal()


def ordinal(link: Link = "logit") -> Ordinal:
    """Items with ordered categories, (1); `link` is "logit" or "probit"."""
    return Ordinal(link)


def normal(linear_variance: bool = False) -> Normal:
    """Continuous items; with `linear_variance` their variance is a sum of terms, R(17)."""
    return Normal(linear_variance)


def poisson() -> Poisson:
    """Counts with a log link."""
    return Poisson()


FAMILIES = {"bernoulli": bernoulli, "nominal": nominal, "ordinal": ordinal, "normal": normal, "poisson": poisson}
