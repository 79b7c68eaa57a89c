"""Normal effects in closed form, as many as there are: against SciPy's multivariate normal, on every engine."""

import numpy as np
import pandas as pd
import pytensor
import pytensor.tensor as pt
import pytest
from bayesmix.models.fma import fma
from numpy.testing import assert_allclose
from pytensor import xtensor as px
from scipy.stats import multivariate_normal

import bayesmix as bm
from bayesmix.graph import effect_posteriors, gaussian_integral, prepare, pytensor_mode
from bayesmix.spec import lower
from declare import random_values

UNITS = 7


def quadratics(n: int) -> tuple:
    """f(0), b and A of f(z) = f(0) + b'z - z'Az/2 for several units, and the integral of N(z; 0, I) exp(f(z))."""
    rng = np.random.default_rng(n)
    root = rng.normal(size=(UNITS, n, n + 1))
    at_zero, b, a = rng.normal(size=UNITS), rng.normal(size=(UNITS, n)), root @ root.transpose(0, 2, 1)
    whole = a + np.eye(n)
    solved = np.linalg.solve(whole, b[..., None])[..., 0]
    return at_zero, b, a, at_zero + 0.5 * (b * solved).sum(1) - 0.5 * np.linalg.slogdet(whole)[1]


@pytest.mark.parametrize("mode", ["NUMPY", pytest.param("NUMBA", marks=pytest.mark.slow), "JAX"])
@pytest.mark.parametrize("n", [1, 2, 4, 10])
def test_the_integral_over_any_number_of_effects(n, mode):
    at_zero, b, a, expected = quadratics(n)
    z, curve, slope = bm.exact().stencil(n)
    f = at_zero[:, None] + b @ z.T - 0.5 * np.einsum("nk,ukl,nl->un", z, a, z)
    x = pt.matrix("f", shape=f.shape)
    known = (px.as_xtensor(curve, dims=("node", "e", "e_")), px.as_xtensor(slope, dims=("node", "e")))
    out = gaussian_integral(px.as_xtensor(x, dims=("unit", "node")), "node", *known, n)
    with pytensor.config.change_flags(cxx=""):
        found = pytensor.function([x], lower(out.values), mode=pytensor_mode(mode))(f)
    assert_allclose(np.asarray(found), expected, rtol=1e-10, atol=1e-10)


def test_its_graph_grows_with_the_number_of_effects_and_not_with_its_square():
    def size(n: int) -> int:
        z, curve, slope = bm.exact().stencil(n)
        x = pt.matrix("f", shape=(UNITS, len(z)))
        known = (px.as_xtensor(curve, dims=("node", "e", "e_")), px.as_xtensor(slope, dims=("node", "e")))
        out = gaussian_integral(px.as_xtensor(x, dims=("unit", "node")), "node", *known, n)
        with pytensor.config.change_flags(cxx=""):
            made = pytensor.function([x], lower(out.values), mode=pytensor_mode("NUMPY"))
        return len(made.maker.fgraph.apply_nodes)

    four, eight, twelve = (size(n) for n in (4, 8, 12))
    assert twelve - eight <= 1.3 * (eight - four)


def test_sums_and_products_of_many_arrays_run_on_numpy():
    """NumPy's functions take 32 arrays; the rewrites make one function of all."""
    x = [pt.vector(f"x{k}") for k in range(70)]
    total, product = x[0], x[0]
    for one in x[1:]:
        total, product = total + one, product * one
    values = list(np.random.default_rng(0).uniform(0.5, 1.5, (70, 3)))
    with pytensor.config.change_flags(cxx=""):
        found = pytensor.function(x, [total, product], mode=pytensor_mode("NUMPY"))(*values)
    assert_allclose(found, [np.sum(values, axis=0), np.prod(values, axis=0)], rtol=1e-12)


def test_a_model_with_four_factors_is_a_multivariate_normal():
    names, rng = list("abcdefgh"), np.random.default_rng(0)
    model = fma(names, 1, family=bm.normal(), factors={f"f{k}": names[2 * k : 2 * k + 2] for k in range(4)})
    df = pd.DataFrame(rng.normal(1, 2, size=(60, 8)), columns=names)
    data = prepare(model, df)
    values = random_values(data, 1)
    factors = _factors(values)
    common = factors.T @ values["loading"]
    mean, covariance = values["item_intercept"][0], common.T @ common + np.diag(values["item_sd"] ** 2)
    expected = multivariate_normal(mean, covariance).logpdf(df)
    assert_allclose(bm.log_likelihood(model, df, values, units=True), expected, rtol=1e-10)
    weights = np.linalg.solve(covariance, (factors @ common).T)  # of the items in E(factors | items)
    scores = (df.to_numpy() - mean) @ weights
    variance = 1 - ((factors @ common).T * weights).sum(axis=0)
    for k, (eap, sd) in enumerate(effect_posteriors(data, data.pack(values)).values()):
        assert_allclose(eap[data.pattern_of], scores[:, k], atol=1e-9)
        assert_allclose(sd, np.sqrt(variance[k]), atol=1e-9)


def _factors(values) -> np.ndarray:
    """The factors as combinations of independent ones: each has variance 1 and is regressed on those before it."""
    out = [np.eye(4)[0]]
    for k, name in enumerate(("f1_on_f0", "f2_on", "f3_on"), start=1):
        new = np.atleast_1d(values[name]) @ np.array(out) + np.eye(4)[k]
        out.append(new / np.linalg.norm(new))
    return np.array(out)
