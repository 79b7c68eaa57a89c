"""Sizes of classes at given values: by hand from the logits, and over random effects by quadrature."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import special

import bayesmix as bm

ITEMS = list("abcd")
QUICK = {"starts": 3, "rounds": 1, "progress": False, "budget": 0}


@pytest.fixture(scope="module")
def df():
    rng, n = np.random.default_rng(3), 500
    x, g = rng.normal(size=n), rng.choice(["u", "v"], n)
    c = rng.random(n) < special.expit(0.4 + 0.7 * x - 0.6 * (g == "v"))
    p = np.where(c[:, None], 0.85, 0.2)
    out = pd.DataFrame((rng.random((n, 4)) < p).astype(int), columns=ITEMS)
    return out.assign(x=x, g=g, kind=rng.choice(["l", "m", "r"], n), s=rng.integers(0, 25, n))


@pytest.fixture(scope="module")
def predicted(df):
    return bm.fit(bm.models.lca(ITEMS, 2, "x + kind", group="g"), df, **QUICK)


def test_sizes_are_those_of_the_logits(predicted):
    found = bm.class_sizes(predicted, {"x": [-1.0, 2.0], "kind": "m", "g": ["v", "u"]})
    p = predicted.params
    for (x, g), own in found.table.groupby(["x", "g"]):
        slope = p["class_slope"].sel(group=g, C=1)
        names = [str(k) for k in slope["covariate"].values]
        at = [x if k == "x" else float(k.endswith("m]")) for k in names]
        logit = float(p["class_logit"].sel(group=g, C=1)) + float(slope.values @ np.array(at))
        assert_allclose(own["value"], [special.expit(logit), special.expit(-logit)], atol=1e-10)
    assert (found.table["lower"] < found.table["value"]).all()


def test_errors_are_those_of_the_logit(predicted):
    found = bm.class_sizes(predicted, {"x": 0.0, "kind": "l", "g": "u"}).table.iloc[0]
    se, value = predicted.se["class_logit"].sel(group="u", C=1).item(), found["value"]
    assert_allclose(found["se"], value * (1 - value) * se, rtol=1e-4)
    ends = special.expit(special.logit(value) + np.array([-1, 1]) * 1.959964 * se)
    assert_allclose(found[["lower", "upper"]].astype(float), ends, rtol=1e-4)


def test_random_effects_are_averaged_or_at_zero(df):
    f = bm.fit(bm.models.lca(ITEMS, 2, "x", cluster="s"), df, **QUICK)
    at = {"x": 1.0}
    p = f.params
    b = float(p["class_logit"].sel(C=1) + p["class_slope"].sel(C=1, covariate="x"))
    sd = float(p["cluster_loading"].values[0, 0])
    z, w = np.polynomial.hermite_e.hermegauss(60)
    average = w @ special.expit(b + sd * z) / w.sum()
    assert_allclose(bm.class_sizes(f, at).table["value"].iloc[0], average, atol=1e-5)
    assert_allclose(bm.class_sizes(f, at, effects="zero").table["value"].iloc[0], special.expit(b), atol=1e-10)


def test_transitions(df):
    rng = np.random.default_rng(1)
    second = {f"{i}2": (rng.random(len(df)) < np.where(df[i] == 1, 0.7, 0.3)).astype(int) for i in ITEMS}
    m = bm.models.lta([ITEMS, list(second)], 2, transition_covariates="x")
    f = bm.fit(m, df.assign(**second), **QUICK)
    found = bm.class_sizes(f, {"x": 0.5}).table
    move = found[found["from"] != ""].set_index(["from", "class"])["value"]
    p = f.params
    for left in (1, 2):
        logit = float(p["C2_logit"].sel(C1=left, C2=1) + 0.5 * p["C2_slope"].sel(C2=1).item())
        assert_allclose(move[left, 1], special.expit(logit), atol=1e-10)
    first = found[found["variable"] == "C1"]["value"].to_numpy()
    later = found[(found["variable"] == "C2") & (found["from"] == "")]["value"].to_numpy()
    assert_allclose(later, first @ move.to_numpy().reshape(2, 2), atol=1e-10)


def test_of_a_posterior_they_are_means_over_draws(df):
    f = bm.fit(bm.models.lca(ITEMS, 2, group="g"), df, **QUICK)
    post = bm.sample(f, df, method="importance", draws=200, seed=1, progress=False)
    found = bm.class_sizes(post, {"g": "v"}).table["value"].iloc[0]
    logits = post["posterior"]["class_logit"].sel(group="v", C=1)
    assert_allclose(found, special.expit(logits).mean(), atol=1e-10)


def test_groups_alone_are_all_shown(df):
    f = bm.fit(bm.models.lca(ITEMS, 2, group="g"), df, **QUICK)
    found = bm.class_sizes(f).table
    assert_allclose(found["value"], f.probabilities["C_probability"].values.ravel(), atol=1e-9)
    assert_allclose(found["se"], f.probabilities_se["C_probability"].values.ravel(), rtol=1e-4)


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ({"x": 1.0, "g": "u"}, "depend on 'x', 'kind', 'g', and at= came without 'kind'"),
        ({"x": 1.0, "kind": "q", "g": "u"}, "'q', which is not among the levels"),
        ({"x": 1.0, "kind": "l", "g": "w"}, "'w', which is no group of the fit"),
        ({"x": [], "kind": "l", "g": "w"}, "no rows"),
        ({"x": np.nan, "kind": "l", "g": "u"}, "missing values of 'x'"),
    ],
)
def test_what_is_refused(predicted, at, words):
    with pytest.raises(ValueError, match=words):
        bm.class_sizes(predicted, at)


def test_the_picture_has_a_line_a_class_and_a_panel_a_group(predicted):
    sizes = bm.class_sizes(predicted, {"x": np.linspace(-2, 2, 5), "kind": "l", "g": ["u", "v"]})
    axes = bm.plots.class_sizes(sizes)
    assert [ax.get_title() for ax in axes] == ["C, g = u", "C, g = v"]
    drawn = axes[0].lines[0].get_ydata()
    own = sizes.table[(sizes.table["g"] == "u") & (sizes.table["class"] == 1)]
    assert_allclose(drawn, own["value"])
    with pytest.raises(ValueError, match="over came as 'q'"):
        bm.plots.class_sizes(sizes, over="q")
    with pytest.raises(TypeError, match=r"what bm\.class_sizes returns"):
        bm.plots.class_sizes(predicted)


def test_direct_effects_on_items_of_a_latent_class_model(df):
    rng = np.random.default_rng(8)
    moved = df.assign(
        a=(rng.random(len(df)) < special.expit(np.where(df["b"] == 1, 1.0, -1.0) + 1.2 * df["x"])).astype(int)
    )
    m = bm.models.lca(ITEMS, 2, family=bm.bernoulli(), item_covariates={"a": "x"})
    f = bm.fit(m, moved, **QUICK)
    slope, se = (d["item_slope"].sel(item="a", item_covariate="x").item() for d in (f.params, f.se))
    assert abs(slope - 1.2) < 5 * se
    assert (f.params["item_slope"].sel(item=["b", "c", "d"]) == 0).all()
    by_class = bm.models.lca(ITEMS, 2, family=bm.bernoulli(), item_covariates={"a": "x"}, item_covariates_by_class=True)
    more = bm.fit(by_class, moved, start=None, **QUICK)
    assert more.n_parameters == f.n_parameters + 1
    assert more.loglik >= f.loglik - 1e-6
    with pytest.raises(ValueError, match="came without item_covariates"):
        bm.models.lca(ITEMS, 2, item_covariates_by_class=True)


def test_beside_a_variance_of_zero_there_are_errors_still():
    rng = np.random.default_rng(2)
    first = rng.random(300) < 0.4
    df = pd.DataFrame({f"y{t}": np.where(first, 2 + t, 5.0) + rng.normal(size=300) for t in range(4)})
    df["x"] = rng.normal(size=300) + first
    fit = bm.fit(bm.models.growth([f"y{t}" for t in range(4)], 2, "x"), df, starts=3, rounds=1, progress=False)
    assert [k for k in fit.quality["boundary"] if k.endswith("_sd")], "a variance of zero is what this test is about"
    found = bm.class_sizes(fit, {"x": [0.0]}).table
    logit = float(fit.params["class_logit"][0])
    assert found["value"].iloc[0] == pytest.approx(1 / (1 + np.exp(-logit)))
    assert found["se"].iloc[0] == pytest.approx(
        fit.se["class_logit"].values[0] * found["value"].iloc[0] * found["value"].iloc[1], rel=1e-4
    )
