"""Families of response distributions: every module of this folder that declares one is found here."""

import importlib
import pkgutil

from bayesmix.spec.families.base import Family, Place, check_family
from bayesmix.spec.families.bernoulli import GUESS, Bernoulli
from bayesmix.spec.families.binomial import Binomial
from bayesmix.spec.families.censored_normal import CensoredNormal
from bayesmix.spec.families.joint_normal import JointNormal, covariance_matrices
from bayesmix.spec.families.negative_binomial import NegativeBinomial
from bayesmix.spec.families.nominal import Nominal
from bayesmix.spec.families.normal import LEAST_VARIANCE, Normal
from bayesmix.spec.families.numerics import TINY, Array, Link, Tensor, log_softmax, logsumexp, one_hot, stop_gradient
from bayesmix.spec.families.ordinal import Ordinal
from bayesmix.spec.families.partial_credit import PartialCredit
from bayesmix.spec.families.poisson import Poisson
from bayesmix.spec.families.zero_inflated import (
    ZeroInflated,
    ZeroInflatedNegativeBinomial,
    ZeroInflatedNegativeBinomialOn,
    ZeroInflatedPoisson,
    ZeroInflatedPoissonOn,
    inflated_on_covariates,
)

__all__ = [
    "FAMILIES",
    "GUESS",
    "LEAST_VARIANCE",
    "TINY",
    "Array",
    "Bernoulli",
    "Binomial",
    "CensoredNormal",
    "Family",
    "JointNormal",
    "Link",
    "NegativeBinomial",
    "Nominal",
    "Normal",
    "Ordinal",
    "PartialCredit",
    "Place",
    "Poisson",
    "Tensor",
    "ZeroInflated",
    "ZeroInflatedNegativeBinomial",
    "ZeroInflatedNegativeBinomialOn",
    "ZeroInflatedPoisson",
    "ZeroInflatedPoissonOn",
    "bernoulli",
    "binomial",
    "censored_normal",
    "check_family",
    "covariance_matrices",
    "inflated_on_covariates",
    "log_softmax",
    "logsumexp",
    "negative_binomial",
    "nominal",
    "normal",
    "one_hot",
    "ordinal",
    "partial_credit",
    "poisson",
    "stop_gradient",
    "zero_inflated_negative_binomial",
    "zero_inflated_poisson",
]

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

FAMILIES = {cls.__new__(cls).name: cls for cls in Family.__subclasses__() if cls.__module__.startswith(__name__)}
"""The families of this folder by their names on the command line."""


def bernoulli(link: Link = "logit", guessing: bool = False) -> Bernoulli:
    """Binary items; `link` is "logit" or "probit"; with `guessing` they can be guessed right, (42).

    Examples
    --------
    >>> print(bm.bernoulli("probit"))
    Bernoulli(link='probit')
    """
    return Bernoulli(link, guessing)


def nominal() -> Nominal:
    """Items with unordered categories (two or more).

    Examples
    --------
    >>> bm.models.lca(["a", "b"], 2, family=bm.nominal()).parameters[1].name
    'item_logit'
    """
    return Nominal()


def ordinal(link: Link = "logit") -> Ordinal:
    """Items with ordered categories, (1); `link` is "logit" or "probit".

    Examples
    --------
    >>> bm.ordinal("probit").auxiliary
    ('threshold',)
    """
    return Ordinal(link)


def normal(linear_variance: bool = False) -> Normal:
    """Continuous items; with `linear_variance` their variance is a sum of terms, R(17).

    Examples
    --------
    >>> bm.normal().auxiliary
    ('sigma',)
    """
    return Normal(linear_variance)


def poisson() -> Poisson:
    """Counts with a log link.

    Examples
    --------
    >>> bm.poisson().kind
    'count'
    """
    return Poisson()


def negative_binomial() -> NegativeBinomial:
    """Counts with a log link and the variance mu + alpha mu^2; `dispersion` is alpha.

    Examples
    --------
    >>> bm.negative_binomial().auxiliary
    ('dispersion',)
    """
    return NegativeBinomial()


def zero_inflated_poisson() -> ZeroInflatedPoisson:
    """Counts of which more are zero: P(y = 0) = w + (1 - w) exp(-mu); `inflation` is w, by item and class.

    Examples
    --------
    >>> bm.zero_inflated_poisson().auxiliary
    ('inflation',)
    """
    return ZeroInflatedPoisson()


def zero_inflated_negative_binomial() -> ZeroInflatedNegativeBinomial:
    """Counts that vary more, and of which more are zero; `dispersion` and `inflation` are their alpha and w.

    Examples
    --------
    >>> bm.zero_inflated_negative_binomial().auxiliary
    ('dispersion', 'inflation')
    """
    return ZeroInflatedNegativeBinomial()


def binomial(trials: int | str, link: Link = "logit") -> Binomial:
    """Successes among `trials`, a whole number or the column that has it for each row; "logit" or "probit".

    Examples
    --------
    >>> print(bm.binomial("n"))
    Binomial(trials='n')
    """
    return Binomial(trials, link)


def censored_normal(lower: float | None = None, upper: float | None = None) -> CensoredNormal:
    """Continuous items that are seen within limits (tobit): what is beyond one has its value.

    Examples
    --------
    >>> print(bm.censored_normal(lower=0))
    CensoredNormal(lower=0)
    """
    return CensoredNormal(lower, upper)


def partial_credit() -> PartialCredit:
    """Ordered categories by adjacent logits: with loadings the generalised partial credit model.

    Examples
    --------
    >>> bm.partial_credit().auxiliary
    ('threshold',)
    """
    return PartialCredit()
