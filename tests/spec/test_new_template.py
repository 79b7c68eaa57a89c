"""A new template is one new file: a mixture of Poisson counts with a random cluster effect."""

import importlib.util
import sys

import numpy as np
import pytest
from scipy import special, stats

import bayesmix as bm
from bayesmix.graph import numpy_mode

TEMPLATE = '''
"""Counts of two classes in clusters: y_ij | c ~ Poisson(exp(tau_c + sd * z_j)), z_j ~ N(0, 1)."""

from bayesmix import Effect, LatentClass, Model, Parameter, Prior, Response, Term, at, poisson


def count_mixture(item, cluster, classes=2):
    logit = Parameter("class_logit", ("C",), prior=Prior("ExchangeableLogit", sigma=1.5), fixed=(at(0.0, C=-1),))
    rate = Parameter("log_rate", ("C", "item"), prior=Prior("Normal", mu=0, sigma=2))
    sd = Parameter("cluster_sd", (), "positive", Prior("HalfNormal", sigma=1))
    return Model(
        "count_mixture",
        responses=(Response("y", (item,), poisson(), (Term(rate), Term(sd, effects=("u",)))),),
        classes=(LatentClass("C", classes, "individual", (Term(logit),)),),
        effects=(Effect("u", "cluster"),),
        cluster=cluster,
    )
'''


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    path = tmp_path_factory.mktemp("templates") / "count_mixture.py"
    path.write_text(TEMPLATE)
    spec = importlib.util.spec_from_file_location("count_mixture", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["count_mixture"] = module
    spec.loader.exec_module(module)
    yield module.count_mixture
    del sys.modules["count_mixture"]


@pytest.fixture(scope="module")
def truth():
    return {"class_logit": np.array([0.5, 0.0]), "log_rate": np.array([[2.0], [0.2]]), "cluster_sd": np.array(0.4)}


@pytest.fixture(scope="module")
def counts(template, truth):
    return bm.simulate(template("y", "g"), truth, n=1200, clusters=60, seed=8)


def by_hand(df, truth, n=15):
    z, w = special.roots_hermitenorm(n)
    p = special.expit(0.5)
    total = 0.0
    for _, g in df.groupby("g"):
        at_node = []
        for zk in z:
            each = [
                p * stats.poisson.pmf(y, np.exp(2.0 + 0.4 * zk))
                + (1 - p) * stats.poisson.pmf(y, np.exp(0.2 + 0.4 * zk))
                for y in g["y"]
            ]
            at_node.append(np.log(each).sum())
        total += special.logsumexp(at_node, b=w / w.sum())
    return total


@pytest.mark.filterwarnings("ignore:Finer nodes")
def test_its_likelihood_is_the_sum_by_hand(template, counts, truth):
    small = counts[counts["g"] <= 5]
    assert bm.log_likelihood(template("y", "g"), small, truth, nodes=bm.gauss_hermite(15)) == pytest.approx(
        by_hand(small, truth), rel=1e-10
    )


def test_it_is_fitted_and_audited(template, counts, truth):
    fit = bm.fit(template("y", "g"), counts, nodes=bm.trapezoid(101))
    assert fit.n_parameters == 4
    assert fit.n_clusters == 60
    for name, value in truth.items():
        gap = np.abs(fit.params[name].values - value)
        assert (gap < 4 * np.nan_to_num(fit.se[name].values, nan=0.0) + 1e-12).all(), name
    assert abs(fit.quality["audit"]) < 0.01
    eap = fit.effects()
    assert np.corrcoef(eap["u"], counts.groupby("g")["true_u"].first())[0, 1] > 0.85


@pytest.mark.parametrize("effects", ["integrate", "sample"])
def test_it_is_a_pymc_model(template, counts, effects):
    made = bm.build(template("y", "g"), counts, effects=effects)
    point = made.initial_point()
    assert np.isfinite(made.compile_logp(mode=numpy_mode())(point))
    assert ("z_cluster" in made.named_vars) == (effects == "sample")
