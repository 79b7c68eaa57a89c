"""The 1PL, 2PL and 3PL models: likelihood by enumeration, what is the same model, derived quantities, counts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from bayesmix.models import fma, fma_gom, irt_3pl
from bayesmix.models.irt_3pl import guessing_as_membership
from numpy.testing import assert_allclose
from scipy import special, stats

import bayesmix as bm
from bayesmix.graph import posterior
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


# what follows from the parameters -----------------------------------------------------------------


def derived(model, values=None):
    """Derived quantities, and their errors by the delta method at a random covariance matrix of theta."""
    data = bm.prepare(model, frame(clusters=4, rows=3), COARSE)
    v = random_values(data, seed=6) | (values or {})
    root = np.random.default_rng(0).normal(size=(data.packing.size,) * 2) / 10
    out = posterior.derive(data, data.pack(v))[2]
    return v, out.values, out.standard_errors(root @ root.T), data, root @ root.T


def delta(data, covariance, *parts):
    """The SD of a function of entries of theta: (parameter, position, derivative)."""
    slope = np.zeros(data.packing.size)
    for name, position, x in parts:
        slope[data.packing.index[name][position]] = x
    return np.sqrt(slope @ covariance @ slope)


def test_discrimination_and_difficulty_are_equations_49_and_50():
    v, found, se, data, covariance = derived(irt_3pl(ITEMS, "common"))
    a, tau = v["loading"], v["item_intercept"]
    assert_allclose(found["discrimination"], a)
    assert_allclose(found["difficulty"], -tau / a)
    for k in range(4):
        parts = ("item_intercept", k, -1 / a[k]), ("loading", k, tau[k] / a[k] ** 2)
        assert float(se["difficulty"][k]) == pytest.approx(delta(data, covariance, *parts), rel=1e-7)


def test_difficulties_of_classes_and_thresholds():
    ordinal = {"o3": bm.ordinal(), "o2": bm.ordinal()}
    v, found, *_ = derived(fma(list(ordinal), 2, family=ordinal))
    assert found["difficulty"].dims == ("C", "item", "threshold")
    assert_allclose(found["difficulty"][:, 0], v["item_threshold"][:, 0] / v["loading"][0])
    v, found, *_ = derived(irt_3pl(ITEMS, classes=2))
    assert_allclose(found["difficulty"], -v["item_intercept"] / v["loading"])
    v, found, *_ = derived(fma(ITEMS, 2, factors={"p": ITEMS[:2], "q": ITEMS[2:]}))
    assert_allclose(found["discrimination"], v["loading"].sum(axis=0))


def test_an_item_without_a_loading_or_on_two_factors_has_no_difficulty():
    _, found, *_ = derived(irt_3pl(ITEMS), {"loading": np.array([1.0, 0.0, -0.5, 2.0])})
    assert np.isnan(found["difficulty"]).values.tolist() == [False, True, False, False]
    _, found, *_ = derived(guessing_as_membership(ITEMS))
    assert np.isnan(found["difficulty"].sel(C=1)).all()
    _, found, *_ = derived(fma(ITEMS, 2, factors={"p": ITEMS[:3], "q": ITEMS[2:]}))
    for name in ("discrimination", "difficulty"):
        assert np.isnan(found[name]).any("C" if name == "difficulty" else ()).values.tolist() == [0, 0, 1, 0]


def test_correlations_and_iccs_of_factors():
    model = fma(ITEMS, 2, factors={"p": ITEMS[:2], "q": ITEMS[2:]}, cluster="g", by_class="intercepts + variances")
    v, found, se, data, covariance = derived(model)
    b, s, sd = float(v["q_on_p"]), float(v["q_cluster_sd"]), v["q_sd"]
    assert float(found["p_q_correlation"]) == pytest.approx(b / np.hypot(b, 1))
    part = ("q_on_p", (), (1 + b**2) ** -1.5)
    assert float(se["p_q_correlation"]) == pytest.approx(delta(data, covariance, part), rel=1e-7)
    assert_allclose(found["q_icc"], s**2 / (s**2 + sd**2))
    part = ("q_cluster_sd", (), 2 * s / (s**2 + 1) ** 2)
    assert float(se["q_icc"][-1]) == pytest.approx(delta(data, covariance, part), rel=1e-7)


def test_the_icc_of_memberships_is_the_share_of_their_variance():
    """The 86% of section 8: of the individuals' part, the factor's with it, in the variance of a response's logit."""
    v, found, *_ = derived(fma_gom(ITEMS, 2, effects_on_factors=True))
    own = float(v["class_loading"][0, 0]) ** 2 + float(v["class_on_factor"][0]) ** 2
    assert float(found["class_sd"].sel(C=1)) == pytest.approx(np.sqrt(own))
    assert float(found["class_icc"].sel(C=1)) == pytest.approx(own / (own + np.pi**2 / 3))


def test_simulated_factors_have_the_declared_distribution():
    model = fma(ITEMS, 1, factors={"p": ITEMS[:2], "q": ITEMS[2:]}, cluster="g")
    truth = {
        "class_logit": np.zeros(1), "p_cluster_sd": 0.5, "q_cluster_sd": 1.0, "q_on_p": 0.75,
        "item_intercept": np.zeros((1, 4)), "loading": np.kron(np.eye(2), np.ones(2)),
    }  # fmt: skip
    df = bm.simulate(model, truth, n=20_000, clusters=1000, seed=1)
    means = df.groupby("g")[["true_p", "true_q"]].mean()
    within = df[["true_p", "true_q"]] - means.loc[df["g"]].to_numpy()
    assert within.corr().iloc[0, 1] == pytest.approx(0.6, abs=0.02)
    assert_allclose(within.var() * 20 / 19, 1.0, atol=0.04)
    assert_allclose(means.var() - 1 / 20, [0.25, 1.0], atol=0.12)
    assert means.corr().iloc[0, 1] == pytest.approx(0.6 / 20 / np.sqrt(0.3 * 1.05), abs=0.1)


# counts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        (irt_3pl(ITEMS, "none", "common"), 5),
        (irt_3pl(ITEMS, "none"), 8),
        (irt_3pl(ITEMS, "common"), 9),
        (irt_3pl(ITEMS), 12),
        (guessing_as_membership(ITEMS), 12),
        (irt_3pl(ITEMS, classes=2), 2 * 8 + 4 + 1),
    ],
)
def test_parameter_counts(model, parameters):
    assert bm.prepare(model, frame(), COARSE).packing.size == parameters


# fits ---------------------------------------------------------------------------------------------


TRUTH = {
    "item_intercept": np.array([-1.2, -0.6, 0.0, 0.3, 0.8, 1.3]),
    "loading": np.array([1.2, 0.8, 1.6, 1.0, 1.4, 0.9]),
    "f_slope": np.array([0.6]),
}
QUESTIONS = [f"q{k}" for k in range(6)]


@pytest.fixture(scope="module")
def answers():
    group = pd.DataFrame({"x": np.arange(1500) % 2})
    return bm.simulate(irt_3pl(QUESTIONS, "none", factor_covariates="x"), TRUTH, df=group, seed=2)


@pytest.mark.filterwarnings("ignore")
def test_guessing_by_classes_of_items_is_listed_with_intervals_of_its_logits(answers):
    fit = bm.fit(guessing_as_membership(QUESTIONS), answers, nodes=COARSE, starts=1, finals=1, rounds=1)
    assert "C_probability[1, q0]" in bm.report(fit)
    rows, summary = bm.compare(fit).parameters, fit.summary().query("free")
    assert_allclose(rows["ml_upper"], summary["upper"].loc[rows.index])
    assert any("guessing_logit" in name for name in bm.compare(fit).pictured)


def test_a_fit_recovers_the_truth_whatever_the_signs_of_its_start(answers):
    turned = TRUTH | {k: -TRUTH[k] for k in ("loading", "f_slope")}
    settings = {"starts": 1, "finals": 2, "rounds": 1, "start": [turned, TRUTH]}
    fit = bm.fit(irt_3pl(QUESTIONS, "none", factor_covariates="x"), answers, **settings)
    for name, truth in TRUTH.items():
        assert (np.abs(fit.params[name].values - truth) < 3.5 * fit.se[name].values).all(), name
    assert fit.quality["equal_solutions"] == 1
    assert abs(fit.quality["audit"]) < 0.01
    assert np.corrcoef(fit.effects()["f"], answers["true_f"])[0, 1] > 0.7


def test_a_fit_recovers_a_common_guessing_probability():
    model = irt_3pl(QUESTIONS, "common")
    truth = {"item_intercept": TRUTH["item_intercept"], "loading": np.full(6, 1.6), "guessing": 0.2}
    fit = bm.fit(model, bm.simulate(model, truth, n=4000, seed=3), starts=3, finals=2, rounds=1)
    assert "bernoulli (logit, guessing)" in str(bm.report(fit))
    assert abs(float(fit.params["guessing"]) - 0.2) < 3 * float(fit.se["guessing"]) < 0.2
    a, b = fit.params["loading"].values, -fit.params["item_intercept"].values / fit.params["loading"].values
    assert (np.abs(a - truth["loading"]) < 3.5 * fit.se["loading"].values).all()
    assert (np.abs(b + truth["item_intercept"] / 1.6) < 3.5 * fit.derived_se["difficulty"].values).all()


def test_a_probability_that_runs_to_zero_is_at_its_boundary():
    """Data without guessing: some guesses end at zero, and a fit can be read at its own values."""
    model = irt_3pl(QUESTIONS)
    truth = {"item_intercept": np.full(6, 1.0), "loading": np.full(6, 1.2), "guessing": np.full(6, 1e-9)}
    df = bm.simulate(model, truth, n=600, seed=5)
    fit = bm.fit(model, df, starts=3, finals=2, rounds=1)
    assert fit.quality["boundary"]
    zero = fit.params["guessing"].values < 1e-6
    assert np.isnan(fit.se["guessing"].values[zero]).all()
    at_zero = fit.params.assign(guessing=fit.params["guessing"].where(~zero, 0.0))
    assert bm.log_likelihood(model, df, at_zero, nodes=bm.trapezoid(31, 5.0)) == pytest.approx(fit.loglik, abs=1e-3)


def test_the_share_of_clusters_in_the_factor_is_recovered():
    model = irt_3pl(QUESTIONS, "none", "common", cluster="g")
    truth = {"item_intercept": TRUTH["item_intercept"], "loading": 1.5, "f_cluster_sd": 0.7}
    df = bm.simulate(model, truth, n=1500, clusters=75, seed=4)
    fit = bm.fit(model, df, starts=2, finals=2, rounds=1, nodes=bm.trapezoid(15, 4.5))
    icc, error = float(fit.derived["f_icc"]), float(fit.derived_se["f_icc"])
    assert abs(icc - 0.49 / 1.49) < 3 * error < 0.3
    assert abs(fit.quality["audit"]) < 0.05
    assert np.corrcoef(fit.effects()["u_f"], df.groupby("g")["true_u_f"].first())[0, 1] > 0.8
