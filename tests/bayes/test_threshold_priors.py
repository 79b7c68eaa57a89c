"""Priors of thresholds of which the first are fixed: those behind stay in order, above them."""

from math import lgamma

import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from bayesmix.models import lca
from scipy import stats

import bayesmix as bm

FIXED = {"item_threshold[1, a, 1]": -1.0, "item_threshold[2, b, 1]": -1.5}
SD = 2.0


@pytest.fixture(scope="module")
def built():
    """A model of ordinal items with two thresholds that are fixed."""
    rng = np.random.default_rng(0)
    df = pd.DataFrame({k: rng.integers(1, 5, 200) for k in "abc"})
    model = bm.constrain(lca(list("abc"), 2, family=bm.ordinal()), fix=FIXED)
    return bm.build(model, df, priors={"item_threshold": bm.Prior("Normal", mu=0, sigma=SD)})


def test_draws_of_the_prior_are_in_order_above_what_is_fixed(built):
    x = np.asarray(pm.draw(built["item_threshold"], 400, random_seed=1, mode="FAST_COMPILE"))
    assert (np.diff(x, axis=-1) > 0).all()
    assert (x[:, 0, 0, 0] == -1.0).all()
    assert (x[:, 1, 1, 0] == -1.5).all()
    above = stats.truncnorm((-1.0 - 0) / SD, np.inf, 0, SD)
    # the smaller of two draws: P(x > q) = (1 - F(q))^2
    assert stats.kstest(x[:, 0, 0, 1], lambda q: 1 - (1 - above.cdf(q)) ** 2).pvalue > 0.01


def test_the_density_is_that_of_numbers_in_order_cut_off_at_what_is_fixed(built):
    rv, rng = built["item_threshold"], np.random.default_rng(2)
    value, transform = built.rvs_to_values[rv], built.rvs_to_transforms[rv]
    start = built.initial_point()
    z = 0.5 * rng.normal(size=start[value.name].shape)
    at = pt.vector("z")
    natural = pytensor.function([at], transform.backward(at, *rv.owner.inputs).flatten(), mode="FAST_COMPILE")
    x = natural(z).reshape(2, 3, 3)
    slopes = np.array([(natural(z + e) - natural(z - e)) / 2e-6 for e in 1e-6 * np.eye(len(z))])
    by_hand = np.linalg.slogdet(slopes[:, np.abs(slopes).max(axis=0) > 1e-12])[1]
    for thresholds in x.reshape(-1, 3):
        n = 2 if thresholds[0] in FIXED.values() else 3
        by_hand += stats.norm.logpdf(thresholds[-n:], 0, SD).sum() + lgamma(n + 1)
        by_hand -= n * stats.norm.logsf(thresholds[0], 0, SD) if n == 2 else 0.0
    found = built.compile_logp(vars=[rv], jacobian=True)({**start, value.name: z})
    assert float(found) == pytest.approx(by_hand, rel=1e-6)


def test_thresholds_above_one_that_follows_from_others_are_refused():
    rng = np.random.default_rng(0)
    df = pd.DataFrame({k: rng.integers(1, 5, 100) for k in "abc"})
    model = lca(list("abc"), 2, family=bm.ordinal())
    held = bm.constrain(model, equal=[["item_threshold[1, a, 1]", "item_threshold[2, a, 1]"]])
    with pytest.raises(ValueError, match="must know the order: hold all thresholds of an item, or none"):
        bm.build(held, df)
