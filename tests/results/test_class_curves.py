"""Class probabilities over a random effect are closed forms, and integrals by hand over what it leaves open."""

import numpy as np
import pandas as pd
import pytest
from bayesmix.models.lca import lca
from bayesmix.models.lta import lta
from bayesmix.models.regression_mixture import regression_mixture
from scipy import integrate, stats
from scipy.special import expit, softmax

import bayesmix as bm
import declare
from solved import posterior_of, solved

SD = np.linspace(-3, 3, 601)
SIDES = np.stack([np.zeros((2, 5)), np.array([[2.0] * 5, [-2.0] * 5])], axis=-1)


def answers(n: int = 60) -> pd.DataFrame:
    """Answers to ten items in six rooms; a covariate of each level."""
    rng = np.random.default_rng(0)
    df = pd.DataFrame(rng.integers(0, 2, (n, 10)), columns=list("abcdefghij")).assign(room=np.arange(n) % 6)
    return df.assign(x=rng.normal(2.0, 1.0, n).round(2), w=(df["room"] * 0.4 - 1.5).round(2))


def test_one_effect_has_a_logistic_curve():
    model, df = lca(list("abcde"), 2, cluster="room"), answers()
    values = {"class_logit": [0.4, 0.0], "cluster_loading": [[1.5, 0.0]], "item_logit": SIDES}
    for result in (solved(model, df, **values), posterior_of(model, df, values)):
        curves = bm.class_curves(result)
        p = expit(0.4 + 1.5 * SD)
        assert curves["probability"].dims == ("sd", "C")
        assert curves["probability"].values == pytest.approx(np.stack([p, 1 - p], axis=1))
        assert curves["sd"].values == pytest.approx(SD)
        assert curves["probability"].sel(sd=0.0, C=1, method="nearest").item() == pytest.approx(expit(0.4))
        assert curves["logit_sd"].values == pytest.approx([1.5, 0.0])
        assert curves["effect_sd"].item() == pytest.approx(1.0)
        assert curves.attrs == {"class": "C", "effect": "u1", "covariates": "none"}


def integrand(z: float, base: np.ndarray, slope: np.ndarray, c: int) -> float:
    """The density of a standard normal times the probability of class c."""
    return stats.norm.pdf(z) * softmax(base + z * slope)[c]


def test_correlated_effects_are_integrated_given_the_one_asked_for():
    model, df = lca(list("abcde"), 3, cluster="room"), answers()
    loading = np.array([[1.5, 0.8, 0.0], [0.0, 1.0, 0.0]])
    items = np.concatenate([SIDES, SIDES[:1]])
    fit = solved(model, df, class_logit=[0.3, 0.1, 0.0], cluster_loading=loading, item_logit=items)
    for effect, own, rest in (("u1", 0, 1), ("u2", 1, 0)):
        curve = bm.class_curves(fit, effect=effect)["probability"]
        for t in (-3.0, 0.0, 1.0):
            base = np.array([0.3, 0.1, 0.0]) + t * loading[own]
            expected = [integrate.quad(integrand, -9, 9, args=(base, loading[rest], c))[0] for c in range(3)]
            assert curve.sel(sd=t, method="nearest").values == pytest.approx(expected, abs=1e-7)


def test_the_curve_averaged_over_the_effect_is_the_size_of_the_class():
    model, df = lca(list("abcde"), 3, cluster="room"), answers()
    values = declare.random_values(bm.prepare(model, df), 2)
    curve = bm.class_curves(solved(model, df, **values))["probability"]
    weight = stats.norm.pdf(SD)
    z = stats.norm.ppf((np.arange(1, 400) - 0.5) / 399)
    each = np.stack(np.meshgrid(z, z, indexing="ij"), axis=-1).reshape(-1, 2)
    size = softmax(values["class_logit"] + each @ values["cluster_loading"], axis=1).mean(axis=0)
    assert (weight @ curve.values) / weight.sum() == pytest.approx(size, abs=2e-3)


def test_a_transition_has_a_curve_for_each_class_left():
    model, df = lta([list("abcde"), list("fghij")], 2, cluster="room"), answers()
    values = {
        "C1_logit": [0.2, 0.0], "C1_loading": [[1.0, 0.0]], "C2_logit": [[1.0, 0.0], [-1.0, 0.0]],
        "C2_loading": [[1.0, 0.0]], "alpha1_sd": 1.5, "alpha2_on_alpha1": 0.6, "alpha2_sd": 0.5, "item_logit": SIDES,
    }  # fmt: skip
    curves = bm.class_curves(solved(model, df, **values), name="C2")
    assert curves["probability"].dims == ("C1", "sd", "C2")
    sd = np.sqrt(0.6**2 * 1.5**2 + 0.5**2)
    for left, base in ((1, 1.0), (2, -1.0)):
        assert curves["probability"].sel(C1=left, C2=1).values == pytest.approx(expit(base + sd * SD))
    assert curves["effect_sd"].values == pytest.approx(sd)
    # of the effect of the occasion before a part is left open
    rest = bm.class_curves(solved(model, df, **values), name="C1", effect="alpha1")
    assert rest["probability"].sel(C1=1).values == pytest.approx(expit(0.2 + 1.5 * SD))


@pytest.fixture(scope="module")
def regression():
    """Two classes whose logits depend on both levels' covariates and on a factor of clusters."""
    df = answers().assign(y=np.random.default_rng(1).normal(size=60).round(2))
    model = regression_mixture("y ~ x", 2, "x", cluster="room", random="1", cluster_covariates={"class": "w"})
    return df, model, declare.random_values(bm.prepare(model, df), 5)


def test_covariates_are_at_zero_or_at_their_means(regression):
    df, model, v = regression
    fit = solved(model, df, **v)
    on, u, f = (v[k].item() for k in ("f_on_u_intercept", "u_intercept_sd", "f_sd"))
    sd = v["C_loading"][0, 0] * np.hypot(on * u, f)
    means = df["x"].mean(), df.groupby("room")["w"].first().mean()
    for data, (x, w), place in ((None, (0.0, 0.0), "at zero"), (df, means, "at their means")):
        curves = bm.class_curves(fit, df=data)
        base = v["class_logit"][0] + x * v["class_slope"][0, 0] + w * v["cluster_slope"][0, 0]
        assert curves["probability"].sel(C=1).values == pytest.approx(expit(base + sd * SD))
        assert curves.attrs["covariates"] == place


def test_a_random_slope_of_the_logits_counts_at_the_mean_of_its_covariate():
    df = declare.frame(seed=1, clusters=8, rows=6, missing=0.0)
    u = (declare.effect("u0"), declare.effect("u1", mean=(declare.mean("u1", effects=("u0",)),)))
    intercept = declare.on_logits("C", effects=("u0",), tag="a")
    slope = declare.on_logits("C", covariates=declare.X, effects=("u1",), tag="b")
    model = declare.model([declare.measure("binary", "C")], [declare.logits("C", more=(intercept, slope))], u, True)
    v = declare.random_values(bm.prepare(model, df), 3)
    curves = bm.class_curves(solved(model, df, **v), effect="u0", df=df)
    used = df.dropna(subset=["b1", "b2"], how="all")
    means = np.array([used["x"].mean(), (used["s"] == "mid").mean(), (used["s"] == "top").mean()])
    by = {p.name: p.dims for p in model.parameters}
    b = (np.asarray(v["beta_Cb"]).transpose([by["beta_Cb"].index(d) for d in ("x", "C")]).T @ means)[0]
    a = np.asarray(v["beta_Ca"]).ravel()[0]
    on = float(next(np.asarray(x).item() for k, x in v.items() if k.startswith("mean_u1")))
    along, left = a * v["sd_u0"] + b * on * v["sd_u0"], b * v["sd_u1"]
    z = stats.norm.ppf((np.arange(20000) + 0.5) / 20000)
    for t in (-2.0, 0.0, 1.5):
        expected = expit(v["alpha_C"][0] + along * t + left * z).mean()
        assert curves["probability"].sel(sd=t, method="nearest").values[0] == pytest.approx(expected, abs=1e-4)


def test_an_effect_whose_sd_depends_on_a_class_has_curves_for_it():
    df = declare.frame(seed=1, clusters=8, rows=6, missing=0.0)
    more = (declare.on_logits("C", effects=("u0",)),)
    classes = [declare.logits("D", level="cluster"), declare.logits("C", more=more)]
    model = declare.model([declare.measure("binary", "C")], classes, (declare.effect("u0", sd_by=("D",)),), True)
    v = declare.random_values(bm.prepare(model, df), 3)
    curves = bm.class_curves(solved(model, df, **v))
    assert curves["probability"].dims == ("D", "sd", "C")
    assert curves["effect_sd"].values == pytest.approx(v["sd_u0"])
    for k in (0, 1):
        p = expit(v["alpha_C"][0] + v["beta_C"].ravel()[0] * v["sd_u0"][k] * SD)
        assert curves["probability"].isel(D=k, C=0).values == pytest.approx(p)


def test_curves_that_there_are_not_are_explained(regression, fitted):
    df, model, v = regression
    fit = solved(model, df, **v)
    with pytest.raises(ValueError, match="No class variable of the model has random logits"):
        bm.class_curves(fitted)
    with pytest.raises(ValueError, match="The logits of C do not depend on 'u_intercept': give one of f"):
        bm.class_curves(fit, effect="u_intercept")
    with pytest.raises(ValueError, match="'D' has no random logits; C has them"):
        bm.class_curves(fit, name="D")
    with pytest.raises(ValueError, match="The variance of 'f' is zero"):
        bm.class_curves(solved(model, df, **v | {"f_sd": 0.0, "f_on_u_intercept": 0.0}))
    with pytest.raises(TypeError, match="The result came as Model, expected a fit"):
        bm.class_curves(model, fit)
