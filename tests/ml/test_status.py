"""Class status (within, between, both) and the bootstrap."""

from __future__ import annotations

import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from bayesmix.models import lca
from numpy.testing import assert_allclose

import bayesmix as bm
from bayesmix.ml.random_logits import random_logits
from bayesmix.ml.status import _between

ITEMS = list("abcde")


def truth(sd):
    sides = np.array([[1.6] * 5, [-1.6] * 5])
    return {
        "class_logit": np.array([0.3, 0.0]),
        "cluster_loading": np.array([[sd, 0.0]]),
        "item_logit": np.stack([np.zeros((2, 5)), sides], axis=-1),
    }


def judged(sd, seed=1, n=800, clusters=80):
    model = lca(ITEMS, 2, cluster="g")
    df = bm.simulate(model, truth(sd), n=n, clusters=clusters, seed=seed)
    return bm.class_status(model, df, starts=6, finals=3)


def test_within():
    found = judged(1e-6)
    assert found.verdict == "within"
    assert found.p >= 0.05
    assert found.icc_profile[0] == 0.0
    assert "no chi-square distribution" in found.words


def test_within_and_between():
    found = judged(1.5)
    assert found.verdict == "within-between"
    assert found.p < 0.00005
    assert "gives p < 0.0001." in found.words
    expected = 1.5**2 / (1.5**2 + np.pi**2 / 3)
    assert found.icc_profile[0] < expected < found.icc_profile[1]
    assert_allclose(found.icc_profile, found.icc_delta, atol=0.05)
    assert found.table.loc["within-between", "loglik"] > found.table.loc["within", "loglik"]


@pytest.mark.filterwarnings("ignore:The best log-likelihood")  # a ridge: the larger the variance, the better
def test_between():
    """C_ij = C_j: the ICC runs to one, and the class of clusters fits as well with a parameter less."""
    one = lca(ITEMS, 1, cluster="g", cluster_classes=2, items_by_cluster_class=True)
    values = {
        "cluster_class_logit": np.array([0.3, 0.0]),
        "class_logit": np.zeros((2, 1)),
        "item_logit": truth(1.0)["item_logit"][:, None],
    }
    df = bm.simulate(one, values, n=400, clusters=50, seed=2)
    found = bm.class_status(lca(ITEMS, 2, cluster="g"), df, starts=6, finals=3)
    assert found.verdict == "between"
    assert found.icc > 0.8
    assert found.icc_profile[1] == 1.0
    assert found.table["parameters"].diff().tolist()[1:] == [1, -1]
    assert "cluster_classes=" in found.words


def test_the_model_of_clusters_is_that_of_the_template():
    model = lca(ITEMS, 2, cluster="g")
    df = bm.simulate(model, truth(1.0), n=60, clusters=6, seed=3)
    values = {k: v for k, v in truth(1.0).items() if k != "cluster_loading"}
    same = lca(ITEMS, 1, cluster="g", cluster_classes=2, items_by_cluster_class=True)
    other = {
        "cluster_class_logit": values["class_logit"],
        "class_logit": np.zeros((2, 1)),
        "item_logit": values["item_logit"][:, None],
    }
    found = bm.log_likelihood(_between(model, random_logits(model)[0]), df, values)
    assert found == pytest.approx(bm.log_likelihood(same, df, other), abs=1e-9)


def test_a_model_without_random_logits_has_no_status(two_classes):
    with pytest.raises(ValueError, match="no classes of individuals with random logits of clusters"):
        bm.class_status(lca(ITEMS, 2), two_classes)


@pytest.mark.parametrize(
    ("declare", "words"),
    [
        (
            lambda: bm.models.regression_mixture("a ~ b", 2, cluster="g"),
            r"random logits of the classes \(f\) stand beside other effects of clusters \(u_intercept\).*'none'",
        ),
        (
            lambda: bm.models.lta([["a"], ["b"]], 2, names=["i"], cluster="g"),
            r"random logits of the classes \(alpha1, alpha2\) have parameters of their own",
        ),
    ],
)
def test_random_logits_of_other_models_are_not_said_to_be_missing(two_classes, declare, words):
    with pytest.raises(ValueError, match=words):
        bm.class_status(declare(), two_classes.assign(g=np.arange(len(two_classes)) % 20))


# the bootstrap ------------------------------------------------------------------------------------


def test_bootstrap_errors_are_near_the_robust_ones_and_do_not_depend_on_the_workers():
    model = lca(ITEMS, 2, cluster="g")
    df = bm.simulate(model, truth(1.2), n=600, clusters=60, seed=4)
    fit = bm.fit(model, df, starts=6, finals=3)
    found = bm.bootstrap(fit, df, replications=60, seed=1, progress=False)
    with ThreadPoolExecutor(1) as executor:
        again = bm.bootstrap(fit, df, replications=60, seed=1, executor=executor, progress=False)
    assert found.draws.sizes["replication"] == 60
    assert_allclose(found.draws["item_logit"], again.draws["item_logit"])
    ratio = (found.se["item_logit"] / fit.se["item_logit"]).values
    assert np.nanmedian(ratio) == pytest.approx(1.0, abs=0.2)
    low, high = found.interval()["cluster_sd"].sel(C=1).values
    assert low < float(fit.derived["cluster_sd"].sel(C=1)) < high


def test_bootstrap_of_a_single_level_model_draws_individuals(two_classes, fitted):
    found = bm.bootstrap(fitted, two_classes, replications=40, progress=False)
    ratio = (found.se["item_logit"] / fitted.se["item_logit"]).values
    assert np.nanmedian(ratio) == pytest.approx(1.0, abs=0.25)


def test_an_interrupted_bootstrap_keeps_what_is_finished(two_classes, fitted, monkeypatch):
    module = sys.modules["bayesmix.ml.resampling"]
    real, calls = module.run_start, []

    def run(task):
        calls.append(task)
        if len(calls) > 5:
            raise KeyboardInterrupt
        return real(task)

    monkeypatch.setattr(module, "run_start", run)
    with pytest.warns(UserWarning, match="5 of 40 replications are kept"):
        found = bm.bootstrap(fitted, two_classes, replications=40, progress=False)
    assert found.draws.sizes["replication"] == 5


def test_a_bootstrap_has_the_priors_and_the_floor_of_its_fit(two_classes):
    model, given = lca(ITEMS, 2), {"item_logit": bm.Prior("Normal", mu=0, sigma=0.5)}
    fit = bm.fit(model, two_classes, starts=6, finals=3, priors=given)
    found = bm.bootstrap(fit, two_classes, priors=given, replications=5, progress=False)
    assert_allclose(found.draws["item_logit"].mean("replication"), fit.params["item_logit"], atol=0.15)
    for priors in (None, {"item_logit": bm.Prior("Normal", mu=0, sigma=1)}):
        with pytest.raises(ValueError, match=r"The fit has priors of item_logit: Normal.*give those of the fit"):
            bm.bootstrap(fit, two_classes, priors=priors, replications=5)


def test_a_bootstrap_leaves_out_what_has_collapsed():
    rng = np.random.default_rng(0)
    y = np.concatenate([rng.normal(0, 1, 60), rng.normal(0, 0.004, 40)])
    df, model = pd.DataFrame({"y": y}), lca(["y"], 2, family=bm.normal(), variance="class")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        fit = bm.fit(model, df, starts=4, finals=2, rounds=1, budget=0, smallest_sd=1e-4)
    assert fit.params["item_sd"].min() < 0.01 * y.std()
    found = bm.bootstrap(fit, df, replications=8, progress=False)
    assert found.failed == 0
    assert found.draws["item_sd"].min("C").max() < 0.01 * y.std()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        fit = bm.fit(model, df, starts=4, finals=2, rounds=1, budget=0, smallest_sd=0.0035)
    found = bm.bootstrap(fit, df, replications=30, progress=False)
    assert found.failed + found.draws.sizes["replication"] == 30
    assert found.draws["item_sd"].min() > 0.0035 * y.std()


def test_settings_of_the_model_itself_are_not_those_of_simpler_ones():
    model = lca(ITEMS, 2, cluster="g")
    df = bm.simulate(model, truth(1.0), n=200, clusters=20, seed=4)
    few = {"starts": 2, "finals": 1, "rounds": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        assert bm.class_status(model, df, start=truth(1.0), like=truth(1.0), **few).table.shape == (3, 3)


def test_one_replication_is_refused(two_classes, fitted):
    with pytest.raises(ValueError, match="whole number of at least 2"):
        bm.bootstrap(fitted, two_classes, replications=1)
