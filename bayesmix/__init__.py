"""Multilevel mixture models by maximum likelihood and by NUTS, from one log-likelihood graph."""

import importlib
from typing import TYPE_CHECKING

from bayesmix.data import Data, prepare
from bayesmix.families import FAMILIES, Family, bernoulli, nominal, normal, ordinal, poisson
from bayesmix.ml import Enumeration, enumerate_classes, fit
from bayesmix.params import Fixed, Parameter, Prior, at
from bayesmix.quadrature import gauss_hermite, monte_carlo, trapezoid
from bayesmix.result import Fit
from bayesmix.spec import Covariates, Effect, LatentClass, Model, Response, Term
