"""Nothing after sampling loses draws; nothing senseless is sampled without a word."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
from bayesmix.models import lca

import bayesmix as bm
from bayesmix.bayes import datatree as draws
from bayesmix.bayes import pymc_model
from bayesmix.bayes import sampling as bayes
from bayesmix.data import Dataset

ITEMS = ["a", "b", "c", "d", "e"]
MODEL = lca(ITEMS, 2)


@pytest.fixture(scope="module")
def raw(two_classes, fitted):
    """Draws as the sampler returns them, with the model."""
    data = pymc_model.prepared(Dataset.encode(MODEL, two_classes), "integrate", None, fitted)
    run = bayes._Run(data, None, None, None, {"draws": 20, "tune": 50, "cores": 1, "seed": 1, "progress_bar": False})
    return run.sampled([({k: x.values for k, x in fitted.params.items()}, 2)]), data


STEPS = {
    "_labelled": ("labels of the classes", {"posterior", "log_likelihood", "prior"}),
    "points": ("points of the parameters", {"posterior", "observed_data", "prior"}),
    "_marginal": ("nodes over the draws", {"posterior", "observed_data", "prior"}),
    "_posterior": ("posterior", {"posterior", "log_likelihood", "prior"}),
    "_log_likelihood": ("log-likelihoods", {"posterior_predictive", "prior"}),
    "_predictive": ("predictions", {"log_likelihood", "prior"}),
    "_latent": ("grades of membership", {"log_likelihood", "prior"}),
    "_data_groups": ("observed and constant data", {"log_likelihood", "prior"}),
    "_prior": ("prior", {"log_likelihood", "posterior_predictive"}),
    "diagnosed": ("diagnostics", {"log_likelihood", "posterior_predictive", "prior"}),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_fails_costs_its_own_result_and_says_so(step, raw, fitted, two_classes, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("no luck today.")

    (drawn, made), data = raw
    monkeypatch.setattr(draws, step, broken)
    what, others = STEPS[step]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        tree = draws.assemble(drawn, made, data, fitted)
    assert any(f"{what} (RuntimeError: no luck today)" in str(w.message) for w in said)
    assert {"posterior", "posterior_raw", "sample_stats"} | others <= {*tree.children}
    assert tree["posterior"]["item_logit"].sizes["draw"] == 20
    assert what in json.loads(tree.attrs["bayesmix"])["lost"]


def test_groups_that_would_fill_the_memory_are_left_out_and_this_is_said(raw, fitted, two_classes, monkeypatch):
    (drawn, made), data = raw
    monkeypatch.setattr(draws, "ROOM", 2 * 3 * two_classes[ITEMS].size)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        tree = draws.assemble(drawn, made, data, fitted)
    words = "log-likelihoods (MemoryError: 600 rows at 40 draws are"
    assert any(words in str(w.message) and "take fewer draws" in str(w.message) for w in said)
    assert "log_likelihood" not in tree.children
    assert tree["posterior_predictive"].sizes["draw"] == 3


def test_an_interruption_after_sampling_keeps_the_draws(raw, fitted, two_classes, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    (drawn, made), data = raw
    monkeypatch.setattr(draws, "_marginal", interrupted)
    with pytest.warns(UserWarning, match="draws are kept.*interrupted"):
        tree = draws.assemble(drawn, made, data, fitted)
    assert {"posterior", "posterior_raw", "sample_stats"} <= {*tree.children}
    assert "prior" not in tree.children


def test_a_posterior_that_lost_something_is_shown_and_saved(raw, fitted, two_classes, monkeypatch, tmp_path):
    def broken(*_, **__):
        raise RuntimeError("no luck today.")

    (drawn, made), data = raw
    for step in ("_marginal", "_prior", "_data_groups", "diagnosed"):
        monkeypatch.setattr(draws, step, broken)
    with pytest.warns(UserWarning, match="draws are kept"):
        tree = draws.assemble(drawn, made, data, fitted)
    tree.to_netcdf(tmp_path / "post.nc")
    assert "NOT MADE" in bm.report(tree)
    assert "item_logit" in repr(bm.compare(fitted, tree))


def test_a_users_variable_that_is_missing_costs_no_draw(raw, fitted, two_classes):
    (drawn, made), data = raw
    with_gap = drawn.copy(deep=True)
    with_gap["posterior"] = (
        drawn["posterior"].to_dataset().assign(own=drawn["posterior"]["class_logit"][..., 0] * np.nan)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = draws.assemble(with_gap, made, data, fitted)
    assert tree["posterior"].sizes["draw"] == 20
    assert np.isnan(tree["posterior"]["own"]).all()


# what is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"cores": 0}, "cores came as 0"),
        ({"chains": True}, "chains came as True"),
        ({"chains": 0}, "chains came as 0"),
        ({"seed": 1.5}, "seed came as 1.5"),
        ({"effects": "both"}, "give 'integrate' or 'sample'"),
        ({"target_acept": 0.9}, "target_acept= came"),
        ({"return_raw_trace": True}, "return_raw_trace= came"),
        ({"pm_model": "lca"}, "pm_model came as str"),
        ({"fit": "lca"}, "fit came as str"),
        ({"priors": {"tau": bm.Prior("Normal", mu=0, sigma=1)}}, "'tau', but the parameters are"),
    ],
)
def test_senseless_settings_are_refused(settings, words, two_classes, fitted):
    with pytest.raises((ValueError, TypeError), match=words) as caught:
        bm.sample(MODEL if "fit" in settings else fitted, two_classes, **settings)
    assert str(caught.value).endswith(".")


def test_a_fit_of_another_model_or_of_other_data_is_refused(two_classes, fitted):
    quick = {"starts": 2, "finals": 1, "rounds": 1, "progress": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        three, few = (bm.fit(m, two_classes, **quick) for m in (lca(ITEMS, 3), lca(ITEMS[:4], 2)))
    with pytest.raises(ValueError, match=r"'class_logit' has the shape \(3,\) there, expected \(2,\)"):
        bm.sample(replace(three, model=MODEL), two_classes)
    with pytest.raises(ValueError, match="600 individuals there, 500 here"):
        bm.sample(fitted, two_classes.iloc[:500])
    with pytest.raises(ValueError, match="of another model"):
        bm.sample(replace(few, model=MODEL), two_classes)


def test_a_pymc_model_of_other_data_is_refused(two_classes, fitted):
    other = two_classes.sample(frac=1, replace=True, random_state=1)
    with pytest.raises(ValueError, match="built from other data"):
        bm.sample(fitted, two_classes, pm_model=bm.build(MODEL, other))
    with pytest.raises(ValueError, match="of another model"):
        bm.sample(fitted, two_classes, pm_model=bm.build(lca(ITEMS, 2, family=bm.bernoulli()), two_classes))
    made, own = bm.build(MODEL, two_classes), {"class_logit": bm.Prior("Normal", mu=0, sigma=1)}
    with pytest.raises(ValueError, match=r"give the priors to bm\.build"):
        bm.sample(fitted, two_classes, pm_model=made, priors=own)


def test_an_extended_pymc_model_is_sampled(two_classes, fitted):
    import pymc as pm

    with bm.build(MODEL, two_classes) as made:
        pm.Deterministic("first", made["class_logit"][0] * 2.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        few = {"draws": 20, "tune": 50, "chains": 2, "cores": 1, "progress": False}
        post = bm.sample(fitted, two_classes, pm_model=made, **few)
    np.testing.assert_allclose(post["posterior_raw"]["first"], 2 * post["posterior_raw"]["class_logit"][..., 0])
    assert "first" in post["posterior"]


@pytest.mark.parametrize(
    ("given", "steps"),
    [({}, 300), ({"effects": "sample"}, 1000), ({"adaptation": "diag"}, 1000), ({"tune": 40}, 40)],
)
def test_fewer_steps_of_tuning_are_taken_where_effects_are_integrated(given, steps, two_classes, fitted, monkeypatch):
    def noted(run, *_):
        raise InterruptedError(run.settings["tune"])

    monkeypatch.setattr(bayes._Run, "sampled", noted)
    with pytest.raises(InterruptedError, match=f"^{steps}$"):
        bm.sample(fitted, two_classes, progress=False, **given)
