"""Families of response distributions: every module of this folder that declares one is found here."""

import importlib
import pkgutil

from bayesmix.spec.families.base import Family, Place, check_family
from bayesmix.spec.families.bernoulli import GUESS, Bernoulli
from bayesmix.spec.families.joint_normal import JointNormal, covariance_matrices
from bayesmix.spec.families.negative_binomial import NegativeBinomial
from bayesmix.spec.families.nominal import Nominal
from bayesmix.spec.families.normal import LEAST_VARIANCE, Normal
from bayesmix.spec.families.numerics import TINY, Array, Link, Tensor, log_softmax, logsumexp, one_hot, stop_gradient
from bayesmix.spec.families.ordinal import Ordinal
from bayesmix.spec.families.poisson import Poisson

__all__ = [
    "FAMILIES",
    "GUESS",
    "LEAST_VARIANCE",
    "TINY",
    "Array",
    "Bernoulli",
    "Family",
    "JointNormal",
    "Link",
    "NegativeBinomial",
    "Nominal",
    "Normal",
    "Ordinal",
    "Place",
    "Poisson",
    "Tensor",
    "bernoulli",
    "check_family",
    "covariance_matrices",
    "log_softmax",
    "logsumexp",
    "negative_binomial",
    "nominal",
    "normal",
    "one_hot",
    "ordinal",
    "poisson",
    "stop_gradient",
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
