"""The entropy of all classes together, step by step where they are many, and the n of BIC."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from bayesmix.models.lca import lca
from bayesmix.models.lta import lta
from bayesmix.models.regression_mixture import regression_mixture
from numpy.testing import assert_allclose

import bayesmix as bm
from bayesmix.graph import LogLikelihood, prepare, unit_classes
from declare import frame, random_values

WAVES = [["b1", "b2"], ["b3", "b4"], ["b2x", "b3x"]]
DF = frame(0, clusters=12, rows=6).assign(b2x=lambda d: d["b2"], b3x=lambda d: d["b3"])
QUICK = {"starts": 3, "finals": 1, "rounds": 1, "progress": False}


def chain(sizes=(2, 3, 2), **more):
    return lta(WAVES, list(sizes), measurement="free", **more)


def prepared(model, seed: int = 1):
    data = prepare(model, DF, collapse=False)
    return data, data.pack(random_values(data, seed, 1.5))


def entropies(p) -> np.ndarray:
    flat = np.asarray(p).reshape(len(p), -1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(flat > 0, -flat * np.log(flat), 0.0).sum(axis=1)


def test_it_is_that_of_all_paths():
    data, theta = prepared(chain())
    unit, found = unit_classes.joint_entropy(data, theta)
    joint = unit_classes.paths(data, theta).joint
    assert unit == "individual"
    assert_allclose(found, entropies(joint), atol=1e-12)
    assert (found <= sum(entropies(p) for p in unit_classes.class_posteriors(data, theta).values()) + 1e-12).all()


def test_too_many_paths_are_taken_step_by_step(monkeypatch):
    data, theta = prepared(chain())
    _, expected = unit_classes.joint_entropy(data, theta)
    monkeypatch.setattr(unit_classes, "MOST_PATHS", 1)
    assert_allclose(unit_classes.joint_entropy(data, theta)[1], expected, atol=1e-10)


@pytest.mark.parametrize("more", [{"cluster": "g"}, {"order": 2}], ids=str)
def test_too_many_paths_that_are_no_chain_have_none(more, monkeypatch):
    monkeypatch.setattr(unit_classes, "MOST_PATHS", 1)
    data, theta = prepared(chain(**more))
    assert np.isnan(unit_classes.joint_entropy(data, theta)[1]).all()


def test_classes_of_individuals_and_of_their_clusters_count_together():
    model = regression_mixture("y1 ~ x", 2, cluster="g", cluster_classes=3)
    data, theta = prepared(model)
    within, between = (next(c for c in model.classes if c.level == k) for k in ("individual", "cluster"))
    (joint,) = LogLikelihood(data).posterior(theta, ("individual", between.name, within.name))
    marginal = unit_classes.class_posteriors(data, theta)
    assert_allclose(joint.sum(axis=1), marginal[within.name], atol=1e-10)
    assert_allclose(joint.sum(axis=2), marginal[between.name][data.arrays["cluster_of"].values], atol=1e-10)
    unit, found = unit_classes.joint_entropy(data, theta)
    assert unit == "individual"
    assert_allclose(found, entropies(joint), atol=1e-10)


def test_one_class_variable_has_its_own_alone():
    for model in (lca(["b1", "b2"], 2), lca(["b1", "b2"], 2, cluster="g")):
        assert unit_classes.joint_entropy(*prepared(model)) is None


@pytest.mark.filterwarnings("ignore:The best log-likelihood")
def test_a_fit_and_its_listing_have_both(tmp_path):
    fit = bm.fit(chain((2, 2, 2)), DF, **QUICK)
    x, n = fit.classes["joint_entropy"].values, np.isfinite(fit.classes["joint_entropy"].values)
    assert fit.entropy == pytest.approx(1 - x[n].mean() / np.log(8))
    assert fit.entropy != pytest.approx(fit.class_entropy(), abs=1e-3)
    text = str(bm.report(fit))
    assert f"Entropy of all of them together: {fit.entropy:.3f}" in text
    assert f"Entropy of C1: {fit.class_entropy('C1'):.3f}" in text
    assert bm.Fit.load(fit.save(tmp_path / "fit.nc")).entropy == fit.entropy
    assert np.isnan(replace(fit, classes=fit.classes.drop_vars("joint_entropy")).entropy)


# the n of BIC -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def long():
    """Persons of several rows each: the class varies between rows."""
    rng = np.random.default_rng(0)
    g = np.repeat(np.arange(25), 8)
    c = rng.random(200) < 0.5
    return pd.DataFrame({f"u{k}": (rng.random(200) < np.where(c, 0.85, 0.15)).astype(int) for k in range(4)}).assign(
        g=g
    )


@pytest.mark.filterwarnings("ignore")
def test_fits_are_ranked_by_the_n_that_is_asked_for(long):
    by_rows, by_persons = (
        bm.enumerate_classes(lambda k: lca([f"u{i}" for i in range(4)], k, cluster="g"), long, [1, 2], n=n, **QUICK)
        for n in ("individuals", "clusters")
    )
    for k, fit in by_persons.fits.items():
        p, loglik = fit.n_parameters, fit.loglik
        assert by_persons.table.loc[k, "BIC"] == pytest.approx(-2 * loglik + p * np.log(25))
        assert by_persons.table.loc[k, "aBIC"] == pytest.approx(-2 * loglik + p * np.log(27 / 24))
        assert by_rows.table.loc[k, "BIC"] == pytest.approx(-2 * loglik + p * np.log(200), abs=1e-3)
        assert fit.bic_of("clusters") == fit.bic_clusters
        assert fit.bic_of() == fit.bic
    assert "n of BIC and aBIC: 25 clusters." in str(bm.report(by_persons))
    text = str(bm.report(by_rows[2]))
    assert "BIC (n = 200 individuals)" in text
    assert "BIC (n = 25 clusters)" in text
    assert "Where each 'g' is a person" in text


def test_another_n_is_refused_before_any_fit(fitted, two_classes):
    with pytest.raises(ValueError, match=r"n came as 'persons': give 'individuals' .* or 'clusters'\.$"):
        fitted.bic_of("persons")
    with pytest.raises(ValueError, match=r"n came as 'clusters', but the model has none"):
        fitted.sample_size("clusters")
    with pytest.raises(ValueError, match=r"n came as 'clusters', but the model has none"):
        bm.enumerate_classes(lca(list("abcde"), 2), two_classes, [1, 2], n="clusters")
