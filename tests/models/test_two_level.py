"""Two-level LCA and grade of membership: likelihood by enumeration, limits, nodes, memberships, what a fit returns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from bayesmix.models import gom, lca
from numpy.testing import assert_allclose
from scipy import stats

import bayesmix as bm
from bayesmix.graph import LogLikelihood, adapt_nodes, node_dims, posterior, with_population_nodes
from bayesmix.ml import polish
from bayesmix.spec import Covariates, Effect, LatentClass, Model, Response, Term
from bayesmix.spec import class_labels as labels
from bayesmix.spec.parameters import Parameter
from declare import evaluate, frame, oracle_for, random_values, target

COARSE = bm.trapezoid(3, 2.0)
BINARY = ["b1", "b2", "b3"]
MIXED = {"b1": bm.bernoulli("probit"), "o3": bm.ordinal(), "y1": bm.normal(), "n3": bm.nominal()}

TEMPLATES = {
    "random logits": lambda: lca(["b1", "n3"], 3, cluster="g"),
    "one factor": lambda: lca(["b1", "n3"], 3, cluster="g", effects="factor", covariates="x + s"),
    "covariates of clusters": lambda: lca(["b1", "b2"], 2, cluster="g", cluster_covariates="w + v", covariates="x"),
    "classes of clusters": lambda: lca(
        BINARY, 2, cluster="g", cluster_classes=2, cluster_class_covariates="w", covariates="x"
    ),
    "both, all by the class of clusters": lambda: lca(
        ["b1", "o3"],
        2,
        cluster="g",
        family={"o3": bm.ordinal()},
        cluster_classes=2,
        effects="unrestricted",
        effects_by_cluster_class=True,
        items_by_cluster_class=True,
    ),
    "gom": lambda: gom(["b1", "n3", "b2"], 3, covariates="x + s"),
    "gom, one factor": lambda: gom(["b1", "n3", "o3"], 3, family={"o3": bm.ordinal("probit")}, effects="factor"),
    "gom of four families": lambda: gom(
        list(MIXED), 2, family=MIXED, item_covariates={"b1": "x", "y1": "s", "n3": "x"}
    ),
    "gom in clusters": lambda: gom(["b1", "b2"], 2, cluster="g", cluster_covariates="w", family=bm.bernoulli("probit")),
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_units_equal_enumeration(name):
    df = frame(clusters=4, rows=3)
    data = bm.prepare(TEMPLATES[name](), df, COARSE)
    values = random_values(data, seed=3)
    assert_allclose(evaluate(data, values), _of_units(data, oracle_for(data, df, values)), rtol=1e-10)


def _of_units(data, oracle):
    units = oracle.units()
    if data.clusters is not None:
        return units
    first = [np.flatnonzero(data.pattern_of == k)[0] for k in range(len(data.counts))]
    return units[first]


@pytest.mark.parametrize("name", ["random logits", "both, all by the class of clusters", "gom in clusters"])
def test_adaptive_nodes_are_other_nodes_of_the_same_integral(name):
    df = frame(clusters=4, rows=4)
    model = TEMPLATES[name]()
    fine = {k: bm.trapezoid(25, 6.0) for k in {e.level for e in model.effects}}
    plain = bm.prepare(model, df, fine)
    values = random_values(plain, seed=5, scale=0.5)
    theta = plain.packing.pack(values)
    moving = adapt_nodes(bm.prepare(model, df, fine | {"cluster": bm.adaptive(15)}), theta)
    assert_allclose(LogLikelihood(moving).of_units(theta), LogLikelihood(plain).of_units(theta), rtol=1e-5)


def test_adaptive_nodes_find_a_posterior_between_two_of_their_first_places():
    """120 rows a cluster: the posterior of the effect is a tenth as wide as its distribution."""
    df = bm.simulate(lca(list("abcd"), 2, cluster="g"), _truth(4, 2.5), n=600, clusters=5, seed=2)
    model = lca(list("abcd"), 2, cluster="g")
    fine, moving = bm.prepare(model, df, bm.trapezoid(801, 8.0)), bm.prepare(model, df, bm.adaptive(7))
    theta = fine.packing.pack(_truth(4, 2.5))
    moving = adapt_nodes(moving, theta)
    assert moving.places["cluster"][1].min() < 0.1
    assert_allclose(LogLikelihood(moving).of_units(theta), LogLikelihood(fine).of_units(theta), atol=0.02)


def _truth(items, sd):
    sides = np.array([[1.6] * items, [-1.6] * items])
    return {
        "class_logit": np.array([0.3, 0.0]),
        "cluster_loading": np.array([[sd, 0.0]]),
        "item_logit": np.stack([np.zeros((2, items)), sides], axis=-1),
    }


# exact --------------------------------------------------------------------------------------------


def random_slopes(classes=0):
    """y = nu + beta x + on_1 . u + on_x u2 x; with classes of clusters, nu, beta and on_1 by class."""
    by = ("D",) if classes else ()
    u = tuple(Effect(f"u{k}", "cluster") for k in (1, 2))
    x = Covariates("x", "x")
    one = Term(Parameter("on_1", (*by, "effect")), effects=("u1", "u2"))
    slope = Term(Parameter("on_x", ("x",)), x, ("u2",))
    fixed = Term(Parameter("beta", ("x", *by)), x)
    sd = Term(Parameter("sigma", ("item",), "positive"))
    y = Response("y", ("y1", "y2"), bm.normal(), (Term(Parameter("nu", ("item", *by))), fixed, one, slope), (sd,))
    d = LatentClass("D", 2, "cluster", (Term(Parameter("delta", ("D",), fixed=(bm.at(0.0, D=-1),))),))
    return Model("slopes", (y,), (d,) if classes else (), u, cluster="g")


def test_exact_integration_is_the_multivariate_normal_density():
    df = frame(clusters=5, rows=4, missing=0.2)
    data = bm.prepare(random_slopes(), df)
    assert str(data.nodes["cluster"]) == "Exact()"
    v = random_values(data, seed=4)
    found = dict(zip(data.clusters, evaluate(data, v), strict=True))
    for g, rows in df.groupby("g"):
        mean, loads, noise, seen = [], [], [], []
        for _, row in rows.iterrows():
            for k, item in enumerate(["y1", "y2"]):
                if not np.isnan(row[item]):
                    mean.append(v["nu"][k] + v["beta"][0] * row["x"])
                    loads.append(v["on_1"] + np.array([0.0, v["on_x"][0] * row["x"]]))
                    noise.append(v["sigma"][k] ** 2)
                    seen.append(row[item])
        loads = np.array(loads)
        expected = stats.multivariate_normal.logpdf(seen, mean, loads @ loads.T + np.diag(noise))
        assert found[g] == pytest.approx(expected, rel=1e-10)


def test_exact_integration_within_classes_of_clusters_is_that_of_fine_nodes():
    df = frame(clusters=5, rows=3)
    exact, fine = (bm.prepare(random_slopes(2), df, n) for n in (None, bm.gauss_hermite(60)))
    v = random_values(exact, seed=6, scale=0.4)
    assert_allclose(evaluate(exact, v), evaluate(fine, v), rtol=1e-8)


def test_a_fit_with_exact_integration_has_effects_and_no_audit():
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(40), 8)
    x, u = rng.normal(size=320), rng.normal(size=(40, 2)) @ np.array([[0.9, 0.0], [0.2, 0.5]])
    y = 1.0 + 0.5 * x + u[g, 0] + u[g, 1] * x
    df = pd.DataFrame({"g": g, "x": x, "y1": y + rng.normal(size=320), "y2": y + rng.normal(size=320)})
    fit = bm.fit(random_slopes(), df, starts=4, finals=2)
    assert "audit" not in fit.quality
    assert fit.quality["boundary"] == [] or len(fit.quality["boundary"]) < 3
    assert np.corrcoef(fit.effects()["u2"], u[:, 1])[0, 1] ** 2 > 0.5


def test_exact_is_refused_where_there_is_no_closed_form():
    with pytest.raises(ValueError, match=r"the class 'C' lives below their level.*bm.adaptive"):
        bm.prepare(lca(BINARY, 2, cluster="g"), frame(), bm.exact())


# limits -------------------------------------------------------------------------------------------


def at_loading(model, value, df, name="cluster_loading", nodes=None):
    data = bm.prepare(model, df, nodes or bm.trapezoid(201, 6.0))
    values = random_values(data, seed=7)
    values[name][..., 0, 0] = value
    return values, LogLikelihood(data).value(data.pack(values))


def test_effects_without_variance_are_single_level_lca():
    df = frame(clusters=4, rows=6)
    values, found = at_loading(lca(BINARY, 2, cluster="g"), 1e-9, df)
    del values["cluster_loading"]
    assert found == pytest.approx(bm.log_likelihood(lca(BINARY, 2), df, values), abs=1e-7)


def test_gom_with_a_huge_variance_is_lca():
    df = frame(clusters=4, rows=6)
    values, found = at_loading(gom(BINARY, 2), 1e6, df, "class_loading", bm.trapezoid(2000, 6.0))
    values["class_logit"] = np.zeros(2)
    _, again = at_loading(gom(BINARY, 2), 1e6, df, "class_loading", bm.trapezoid(2000, 6.0))
    assert found == pytest.approx(again)
    del values["class_loading"]
    assert found == pytest.approx(bm.log_likelihood(lca(BINARY, 2), df, values), abs=0.02)


def test_a_huge_variance_of_clusters_is_a_class_of_clusters():
    """Model 6 with a huge variance is model 5, section 5."""
    df = frame(clusters=4, rows=6)
    values, found = at_loading(lca(BINARY, 2, cluster="g"), 1e7, df, nodes=bm.trapezoid(2000, 6.0))
    between = lca(BINARY, 1, cluster="g", cluster_classes=2, items_by_cluster_class=True)
    same = {
        "cluster_class_logit": np.zeros(2),
        "class_logit": np.zeros((2, 1)),
        "item_logit": values["item_logit"][:, None],
    }
    assert found == pytest.approx(bm.log_likelihood(between, df, same), abs=0.02)


def test_a_standard_deviation_on_its_way_to_infinity_ends_at_its_bound():
    """Clusters of one class each: the SD of the class logit has no maximum, and the fit says so."""
    rng = np.random.default_rng(1)
    of = np.repeat(rng.random(30) < 0.5, 8)
    items = [f"i{k}" for k in range(5)]
    df = pd.DataFrame({i: (rng.random(240) < np.where(of, 0.9, 0.1)).astype(float) for i in items})
    df["g"] = np.repeat(np.arange(30), 8)
    with pytest.warns(UserWarning, match="cluster_sd is huge"):
        fit = bm.fit(lca(items, 2, cluster="g"), df, nodes=bm.trapezoid(16), starts=6, rounds=1)
    assert float(fit.derived["cluster_sd"].max()) == pytest.approx(50.0)
    assert "cluster_loading[u1, 1]" in fit.quality["boundary"]
    assert fit.quality["gradient"] < 1e-4
    assert np.isnan(fit.se["cluster_loading"].values).all()
    assert np.isfinite(fit.se["item_logit"].values[..., 1]).all()
    between = bm.fit(lca(items, 1, cluster="g", cluster_classes=2, items_by_cluster_class=True), df)
    assert fit.loglik == pytest.approx(between.loglik, abs=0.5)


def test_one_factor_is_unrestricted_for_two_classes():
    for make in (lambda e: lca(BINARY, 2, cluster="g", effects=e), lambda e: gom(BINARY, 2, effects=e)):
        one, other = (bm.prepare(make(e), frame(), bm.trapezoid(9)) for e in ("factor", "unrestricted"))
        values = random_values(one, seed=1)
        assert one.packing.size == other.packing.size
        assert_allclose(evaluate(one, values), evaluate(other, values))


def test_one_class_has_no_effects_and_is_the_margins():
    df = frame()
    assert lca(BINARY, 1, cluster="g").effects == ()
    single = bm.fit(lca(BINARY, 1), df)
    assert bm.fit(lca(BINARY, 1, cluster="g"), df).loglik == pytest.approx(single.loglik, abs=1e-8)


def test_parameter_counts():
    """(34)-(35): K(K - 1)/2 more than LCA with an unrestricted covariance matrix, K - 1 more with one factor."""
    df = frame()
    size = {k: bm.prepare(lca(BINARY, k), df).packing.size for k in (2, 3, 4)}
    for k in (2, 3, 4):
        assert bm.prepare(gom(BINARY, k), df, COARSE).packing.size == size[k] + k * (k - 1) // 2
        assert bm.prepare(gom(BINARY, k, effects="factor"), df, COARSE).packing.size == size[k] + k - 1


@pytest.mark.parametrize("effects", ["unrestricted", "factor"])
def test_the_order_of_the_classes_does_not_matter(effects):
    df = frame(clusters=4, rows=5)
    model = lca(["b1", "n3"], 4, cluster="g", effects=effects)
    data = bm.prepare(model, df, bm.trapezoid(21, 6.0) if effects == "factor" else bm.gauss_hermite(16))
    values = random_values(data, seed=9, scale=0.5)
    moved = labels.permute(model, values, ("C",), np.array([2, 3, 0, 1]))
    assert_allclose(np.tril(moved["cluster_loading"], -1), 0.0, atol=1e-12)
    assert_allclose(evaluate(data, moved), evaluate(data, values), rtol=1e-4 if effects != "factor" else 1e-10)
    covariance = moved["cluster_loading"].T @ moved["cluster_loading"]
    x = values["cluster_loading"][:, [2, 3, 0, 1]] - values["cluster_loading"][:, [1]]
    assert_allclose(covariance, x.T @ x, atol=1e-12)


# memberships --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gom", "gom in clusters"])
def test_memberships_are_posterior_means_of_the_class_probabilities(name):
    """Against a sum over nodes by hand: weights by Bayes' rule, probabilities by the logits."""
    df = frame(clusters=4, rows=3)
    data = bm.prepare(TEMPLATES[name](), df, COARSE, collapse=False)
    values = random_values(data, seed=3)
    oracle = oracle_for(data, df, values)
    weight = oracle.row_posterior(*node_dims("individual", data.arrays)).reshape(len(df), -1)
    found = posterior.memberships(data, data.pack(values))["C"]
    if data.clusters is None:
        seen = data.pattern_of >= 0
        assert_allclose(found.weight[data.pattern_of[seen]], weight[seen], rtol=1e-9)
        for row in np.flatnonzero(seen):
            by_node = [
                np.array([oracle.class_probability(data.model.classes[0], {"C": c}, effects, row) for c in range(3)])
                for _, effects, _ in oracle.states("individual", {}, {}, row)
            ]
            assert_allclose(found.mean()[data.pattern_of[row]], weight[row] @ np.array(by_node), rtol=1e-9)
    else:
        n = len(COARSE.grid(1)[0])
        joint = found.weight.reshape(len(found.weight), n, n).sum(axis=2)
        seen = data.pattern_of >= 0
        assert_allclose(joint[data.pattern_of[seen]], weight[seen], rtol=1e-9)
    assert_allclose(found.mean().sum(axis=1), 1.0)


def test_membership_quantiles_lie_in_order_around_the_mean():
    rng = np.random.default_rng(0)
    z = np.linspace(-4, 4, 801)
    p = 1 / (1 + np.exp(-z))
    weight = np.exp(-0.5 * z**2)
    found = posterior.Memberships(np.stack([p, 1 - p], -1)[None], (weight / weight.sum())[None])
    assert found.quantile(0.5)[0] == pytest.approx([0.5, 0.5], abs=1e-3)
    assert found.quantile(0.975)[0, 0] == pytest.approx(1 / (1 + np.exp(-1.96)), abs=1e-3)
    drawn = np.array([found.draw(rng)[0, 0] for _ in range(4000)])
    assert drawn.mean() == pytest.approx(found.mean()[0, 0], abs=0.02)
    assert drawn.std() == pytest.approx(found.sd()[0, 0], abs=0.02)


# fits ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clustered():
    return bm.simulate(lca(list("abcde"), 2, cluster="g"), _truth(5, 1.3), n=900, clusters=60, seed=4)


@pytest.fixture(scope="module")
def fit(clustered):
    return bm.fit(lca(list("abcde"), 2, cluster="g"), clustered, starts=8, finals=3)


def test_a_two_level_fit_recovers_the_truth_and_audits_its_nodes(fit, clustered):
    for name, truth in _truth(5, 1.3).items():
        assert (np.abs(fit.params[name].values - truth) <= 4 * np.nan_to_num(fit.se[name].values) + 1e-12).all(), name
    assert abs(fit.quality["audit"]) < 0.01
    assert np.corrcoef(fit.effects()["u1"], clustered.groupby("g")["true_u1"].first())[0, 1] > 0.8
    assert len(fit.class_probabilities()) == 900
    assert (fit.class_probabilities()["most_likely"] == clustered["true_C"]).mean() > 0.85


def test_the_value_is_that_of_fine_nodes(fit, clustered):
    again = bm.log_likelihood(lca(list("abcde"), 2, cluster="g"), clustered, fit.params, nodes=bm.trapezoid(201, 8.0))
    assert fit.loglik == pytest.approx(again, abs=0.01)


def test_the_icc_is_equation_20_with_its_delta_error(fit):
    sd, error = float(fit.derived["cluster_sd"].sel(C=1)), float(fit.se["cluster_loading"][0, 0])
    assert sd == pytest.approx(float(fit.params["cluster_loading"][0, 0]))
    rest = np.pi**2 / 3
    assert float(fit.derived["cluster_icc"].sel(C=1)) == pytest.approx(sd**2 / (sd**2 + rest))
    slope = 2 * sd * rest / (sd**2 + rest) ** 2
    assert float(fit.derived_se["cluster_icc"].sel(C=1)) == pytest.approx(slope * error, rel=1e-6)
    assert np.isnan(fit.derived_se["cluster_icc"].sel(C=2))


def test_a_gom_fit_has_memberships(clustered):
    truth = {
        "class_logit": np.array([0.2, 0.0]),
        "class_loading": np.array([[2.0, 0.0]]),
        "item_logit": np.stack([np.zeros((2, 12)), np.array([[1.6] * 12, [-1.6] * 12])], axis=-1),
    }
    items = [f"u{k}" for k in range(12)]
    df = bm.simulate(gom(items, 2), truth, n=1500, seed=6)
    found = bm.fit(gom(items, 2), df, starts=6, finals=3)
    for name, value in truth.items():
        assert (np.abs(found.params[name].values - value) <= 4 * np.nan_to_num(found.se[name].values) + 1e-12).all()
    table = found.memberships()
    true = 1 / (1 + np.exp(-(0.2 + 2.0 * df["true_a1"])))
    assert np.corrcoef(table["C=1"], true)[0, 1] > 0.75
    inside = (table["C=1 lower"] <= true) & (true <= table["C=1 upper"])
    assert inside.mean() == pytest.approx(0.95, abs=0.03)
    with pytest.raises(ValueError, match="no class variable of individuals"):
        found.class_probabilities()


def test_grades_of_membership_are_enumerated(clustered):
    found = bm.enumerate_classes(
        lambda k: gom(list("abcde"), k), clustered, [2, 3], starts=2, finals=1, rounds=1, nodes=bm.trapezoid(15)
    )
    assert found.table["loglik"].is_monotonic_increasing
    assert found.table["entropy"].isna().all()
    assert found.table["smallest class"].between(0, 0.5).all()


def test_averages_over_the_population_do_not_use_the_nodes_of_a_cluster(fit, clustered):
    data = bm.prepare(lca(list("abcde"), 2, cluster="g"), clustered)
    assert "cluster" in data.arrays["z_cluster_1"].dims
    assert with_population_nodes(data).arrays["z_cluster_1"].dims == ("node_cluster_1",)
    a, s = float(fit.params["class_logit"][0]), float(fit.params["cluster_loading"][0, 0])
    z = np.random.default_rng(1).normal(size=400_000)
    expected = (1 / (1 + np.exp(-(a + s * z)))).mean()
    assert float(fit.probabilities["C_probability"].sel(C=1)) == pytest.approx(expected, abs=2e-3)


def test_classes_of_two_levels_come_by_size_however_far_their_nodes_have_to_move():
    """Nodes that were put at the effects of the other labels are no place to start from."""
    sides = np.array([[1.5] * 6, [-1.5] * 6])
    truth = {
        "class_logit": np.array([1.0, 0.0]),
        "cluster_loading": np.array([[1.0, 0.0]]),
        "item_logit": np.stack([np.zeros((2, 6)), sides], axis=-1),
    }
    model = lca([f"u{k}" for k in range(6)], 2, cluster="g")
    df = bm.simulate(model, truth, n=2000, clusters=100, seed=3767178641)
    data, turned = target(model, df), np.array([1, 0])
    top = polish.polish_maximum(data, data.pack(truth))
    made = {k: x.values for k, x in LogLikelihood(top.data).factors(top.theta).items()}
    other = data.pack(labels.permute(model, made, ("C",), turned))
    for theta, like, first in (
        (other, None, 1.5), (top.theta, labels.permute(model, truth, ("C",), turned), -1.5), (other, truth, 1.5)
    ):  # fmt: skip
        found = polish.polish_maximum(data, theta, like)
        assert LogLikelihood(data).factors(found.theta)["item_logit"].values[0, 0, 1] == pytest.approx(first, abs=0.5)
