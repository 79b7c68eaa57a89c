"""Every PyTensor mode gives the same log-likelihood and gradient as the default, plain NumPy."""

from __future__ import annotations

import importlib.util
from functools import cache

import pytest
from bayesmix.models.lca import lca
from numpy.testing import assert_allclose

import bayesmix as bm
from bayesmix.graph import LogLikelihood
from declare import W, effect, frame, logits, mean, measure, model, on_logits, random_values

needs_jax = pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="JAX is not installed")


def lca_with_covariates():
    """Nominal items with missing answers, covariates of the class."""
    return lca(["n3", "n2", "o4"], 3, covariates="x + s")


def two_level():
    """An integrated effect of clusters; probit ordinal and normal items."""
    c = logits("C", more=(on_logits("C", effects=("u",)),))
    return model(
        [measure("oprobit", "C"), measure("normal", "C")],
        [c],
        [effect("u", mean=(mean("u", covariates=W),))],
        two_level=True,
    )


@cache
def case(declared, mode):
    data = bm.prepare(declared(), frame(), bm.trapezoid(5))
    return LogLikelihood(data, mode).value_and_gradient(data.pack(random_values(data, seed=1)))


@pytest.mark.filterwarnings("ignore:PyTensor could not link to a BLAS:UserWarning")
@pytest.mark.parametrize(
    ("declared", "mode"),
    [
        (lca_with_covariates, "NUMBA"),
        (lca_with_covariates, "C"),
        (two_level, "C"),
        pytest.param(two_level, "NUMBA", marks=pytest.mark.slow),  # minutes, where nothing has been compiled before
        pytest.param(lca_with_covariates, "JAX", marks=needs_jax),
        pytest.param(two_level, "JAX", marks=needs_jax),
    ],
)
def test_modes_agree(declared, mode):
    value, gradient = case(declared, "NUMPY")
    other_value, other_gradient = case(declared, mode)
    assert_allclose(other_value, value, rtol=1e-12)
    assert_allclose(other_gradient, gradient, rtol=1e-9, atol=1e-12)


@needs_jax
def test_jax_serves_other_sizes():
    """Its functions are made for one size: a second size must not meet the first's."""
    for classes, rows in ((2, 3), (3, 3), (2, 4)):
        data = bm.prepare(lca(["n3", "n2"], classes), frame(rows=rows), collapse=False)
        theta = data.pack(random_values(data, seed=1))
        assert_allclose(LogLikelihood(data, "JAX").value(theta), LogLikelihood(data).value(theta), rtol=1e-12)
