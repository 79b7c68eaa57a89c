"""The 1PL, 2PL and 3PL models: likelihood by enumeration, what is the same model, derived quantities, counts."""

from __future__ import annotations

import numpy as np
import pytest
from bayesmix.models import fma, irt_3pl
from bayesmix.models.irt_3pl import guessing_as_membership
from numpy.testing import assert_allclose
from scipy import special, stats

import bayesmix as bm
from declare import evaluate, frame, oracle_for, random_values

COARSE = bm.trapezoid(3, 2.0)
ITEMS = ["b1", "b2", "b3", "b4"]

TEMPLATES = {
    "3PL": lambda: irt_3pl(ITEMS, freq="f"),
    "3PL, common guessing, probit": lambda: irt_3pl(ITEMS, "common", link="probit"),
    "2PL": lambda: irt_3pl(ITEMS, "none", factor_covariates="x + s"),
    "1PL": lambda: irt_3pl(ITEMS, "none", "common"),
    "1PL with guessing": lambda: irt_3pl(ITEMS, "item", "common", item_covariates={"b2": "x"}),
    "mixture": lambda: irt_3pl(ITEMS, classes=2, covariates="x", factor_covariates="x", item_covariates={"b1": "x"}),
    "mixture of three, common": lambda: irt_3pl(ITEMS, "common", "common", classes=3, link="probit"),
    "clusters": lambda: irt_3pl(ITEMS[:3], cluster="g", factor_covariates="x", item_covariates={"b3": "s"}),
    "mixture in clusters": lambda: irt_3pl(ITEMS[:3], "common", classes=2, cluster="g"),
    "memberships": lambda: guessing_as_membership(ITEMS),
    "memberships, probit": lambda: guessing_as_membership(ITEMS, "probit", "f"),
}


def by_row(data, units):
    """Log-likelihoods of the clusters, or of the rows that have answers."""
    return units if data.clusters is not None else units[data.pattern_of[data.pattern_of >= 0]]


@pytest.mark.parametrize("name", TEMPLATES)
def test_units_equal_enumeration(name):
    df = frame(clusters=4, rows=3)
    data = bm.prepare(TEMPLATES[name](), df, COARSE)
    values = random_values(data, seed=3)
    expected = oracle_for(data, df, values).units()
    expected = expected if data.clusters is not None else expected[data.pattern_of >= 0]
    assert_allclose(by_row(data, evaluate(data, values)), expected, rtol=1e-10)


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_the_3pl_is_equation_42(link):
    """Within clusters, with a covariate of the factor: a (eta - b), b = -tau / a."""
    df, cdf = frame(clusters=4, rows=3), {"logit": special.expit, "probit": stats.norm.cdf}[link]
    data = bm.prepare(irt_3pl(ITEMS, link=link, factor_covariates="x", cluster="g"), df, COARSE)
    v, (z, log_weights) = random_values(data, seed=8), COARSE.grid(1)
    g, a, b, expected = v["guessing"], v["loading"], -v["item_intercept"] / v["loading"], []
    for _, rows in df.groupby("g"):
        inside = np.zeros(len(z))
        for _, row in rows.iterrows():
            p = np.tile(np.exp(log_weights), (len(z), 1))  # (node of the cluster, node of the individual)
            eta = v["f_slope"][0] * row["x"] + v["f_cluster_sd"] * z + z[:, 0]
            for k, item in enumerate(ITEMS):
                right = g[k] + (1 - g[k]) * cdf(a[k] * (eta - b[k]))
                p = p if np.isnan(row[item]) else p * (right if row[item] == 1 else 1 - right)
            inside += np.log(p.sum(axis=1))
        expected.append(special.logsumexp(inside + log_weights))
    assert_allclose(evaluate(data, v), expected, rtol=1e-10)


# the same model -----------------------------------------------------------------------------------


def both(one, other, change):
    """Units of two models, the second at changed values of the first."""
    df = frame(clusters=4, rows=3)
    data = bm.prepare(one, df, COARSE, collapse=False)
    v = random_values(data, seed=5)
    return evaluate(data, v), evaluate(bm.prepare(other, df, COARSE, collapse=False), change(v))


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_the_restricted_fma_gom_is_the_3pl(link):
    """(45)-(50): tau = 15 in the class of those that are right for sure; F(15) is 1 but for 3e-7."""

    def of_3pl(v):
        g = special.expit(v["guessing_logit"][:, 0])  # (48)
        a, b = v["loading"][1], -v["item_intercept"][1] / v["loading"][1]  # (49), (50)
        return {"guessing": g, "loading": a, "item_intercept": -a * b}

    one, other = both(guessing_as_membership(ITEMS, link), irt_3pl(ITEMS, link=link), of_3pl)
    assert_allclose(one, other, atol=1e-5)


def test_one_class_of_factor_analysis_is_the_2pl():
    one, other = both(
        fma(ITEMS, 1, family=bm.bernoulli()),
        irt_3pl(ITEMS, "none"),
        lambda v: v | {"item_intercept": v["item_intercept"][0]},
    )
    assert_allclose(one, other, rtol=1e-12)


def test_without_guessing_the_3pl_is_the_2pl():
    one, other = both(irt_3pl(ITEMS, "none"), irt_3pl(ITEMS), lambda v: v | {"guessing": np.full(4, 1e-12)})
    assert_allclose(one, other, atol=1e-9)


def test_common_parameters_are_equal_ones():
    one, other = both(
        irt_3pl(ITEMS, "common", "common"),
        irt_3pl(ITEMS),
        lambda v: v | {"guessing": np.full(4, v["guessing"]), "loading": np.full(4, v["loading"])},
    )
    assert_allclose(one, other, rtol=1e-12)
