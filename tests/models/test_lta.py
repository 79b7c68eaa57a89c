"""Latent transition models: counts, limits, orders, paths, decomposition, pictures, bad input."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from bayesmix.models import lca, lta
from numpy.testing import assert_allclose

import bayesmix as bm
from bayesmix.graph import LogLikelihood, adapt_nodes, paths, tables
from bayesmix.ml import covariances, curvature
from bayesmix.spec import groups, permute
from declare import by_unit, evaluate, frame, give_effects, oracle_for, random_values, target

FALL, SPRING, SUMMER = ["b1", "b2"], ["b3", "b4"], ["n2", "o2"]
THREE = [FALL, SPRING, SUMMER]
NODES = bm.trapezoid(4, 2.5)
DECLARED = {
    "two occasions": lambda: lta([FALL, SPRING], 2),
    "three classes": lambda: lta([FALL, SPRING], 3),
    "three occasions": lambda: lta(THREE, 2),
    "on all earlier classes": lambda: lta(THREE, 2, order=2),
    "stationary": lambda: lta(THREE, 2, stationary=True),
    "other numbers of classes": lambda: lta([FALL, SPRING], [2, 3], measurement="free"),
    "partly invariant": lambda: lta([FALL, SPRING], 2, names=["one", "two"], measurement=["two"]),
    "covariates": lambda: lta([FALL, SPRING], 2, covariates="x", transition_covariates="x + s", freq="f"),
    "covariates by the class left": lambda: lta(
        [FALL, SPRING], 2, transition_covariates="x", covariates_by_origin=True
    ),
    "stationary with covariates": lambda: lta(THREE, 2, stationary=True, transition_covariates="x"),
    "counts and measurements": lambda: lta(
        [["y1", "k1"], ["y2", "k2"]], 2, names=["y", "k"], family={"y": bm.normal(), "k": bm.poisson()}
    ),
    "ordinal": lambda: lta([["o3", "o4"], ["p3", "p4"]], 2, family=bm.ordinal("probit")),
    "two-level": lambda: lta([FALL, SPRING], 2, cluster="g"),
    "two-level, three occasions": lambda: lta(THREE, 2, cluster="g"),
    "two-level, all regressions": lambda: lta(THREE, 2, cluster="g", regressions="all", order=2),
    "two-level, no regressions": lambda: lta([FALL, SPRING], 2, cluster="g", regressions="none", freq="f"),
    "one factor of three classes": lambda: lta([FALL, SPRING], 3, cluster="g"),
    "two effects an occasion": lambda: lta([FALL], 3, cluster="g", effects="unrestricted"),
    "covariates of clusters": lambda: lta([FALL, SPRING], 2, "x", "x", cluster="g", cluster_covariates="w + v"),
}


def nodes_of(model):
    return NODES if len(model.effects) < 3 else bm.trapezoid(3, 2.0)


# the likelihood -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DECLARED)
def test_units_equal_enumeration(name):
    model, df = DECLARED[name](), frame(clusters=4)
    data = bm.prepare(model, df, nodes_of(model))
    values = random_values(data, seed=3)
    expected = oracle_for(data, df, values).units()
    assert_allclose(by_unit(data, evaluate(data, values)), expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("name", ["two-level", "one factor of three classes", "two-level, three occasions"])
def test_sampled_effects_equal_enumeration(name):
    model, df = DECLARED[name](), frame(clusters=3)
    data, sampled = give_effects(bm.prepare(model, df, sampled=("cluster",)))
    values = random_values(data, seed=4)
    assert_allclose(by_unit(data, evaluate(data, values)), oracle_for(data, df, values, sampled).units(), rtol=1e-10)


@pytest.mark.parametrize("name", ["two-level", "two-level, three occasions", "covariates of clusters"])
def test_clusters_of_other_sizes_do_not_stand_in_slots_but_mean_the_same(name):
    """One large cluster beside small ones: too many empty slots, and the sums go one by one."""
    model, df = DECLARED[name](), frame(clusters=4)
    big = pd.concat([df, *[df[df["g"] == 7]] * 9], ignore_index=True)
    big["x"] = np.random.default_rng(0).normal(size=len(big)).round(2)
    big[[*FALL, *SPRING]] = np.random.default_rng(1).integers(0, 2, (len(big), 4)).astype(float)
    square, flat = bm.prepare(model, df, bm.adaptive(3)), bm.prepare(model, big, bm.adaptive(3))
    assert "square" in square.arrays
    assert "square" not in flat.arrays
    values, oracle_nodes = random_values(flat, seed=5), bm.prepare(model, big, nodes_of(model))
    assert_allclose(evaluate(oracle_nodes, values), oracle_for(oracle_nodes, big, values).units(), rtol=1e-10)


def test_one_occasion_is_latent_class_analysis():
    df = frame()
    one, plain = bm.prepare(lta([FALL], 2, "x"), df), bm.prepare(lca(FALL, 2, "x"), df)
    values = random_values(plain, seed=6)
    names = {"C1_logit": "class_logit", "C1_slope": "class_slope"}
    again = {p.name: values[names.get(p.name, p.name)] for p in one.model.parameters}
    assert evaluate(one, again, "total") == pytest.approx(float(evaluate(plain, values, "total")), abs=1e-12)


def test_first_order_is_the_restriction_of_the_full_model():
    df = frame()
    first, full = (bm.prepare(lta(THREE, 2, order=k), df) for k in (1, 2))
    values = random_values(first, seed=7)
    wide = values | {"C3_logit": np.broadcast_to(values["C3_logit"], (2, 2, 2))}
    assert evaluate(full, wide, "total") == pytest.approx(float(evaluate(first, values, "total")), abs=1e-12)
    assert full.packing.size - first.packing.size == 2


def test_stationary_is_a_restriction_of_the_time_varying_model():
    df = frame()
    varying, alike = bm.prepare(lta(THREE, 2), df), bm.prepare(lta(THREE, 2, stationary=True), df)
    values = random_values(alike, seed=8)
    wide = values | {"C2_logit": values["transition_logit"], "C3_logit": values["transition_logit"]}
    assert evaluate(varying, wide, "total") == pytest.approx(float(evaluate(alike, values, "total")), abs=1e-12)


def test_no_variance_of_the_effects_is_the_single_level_model():
    df = frame()
    single, two = bm.prepare(lta([FALL, SPRING], 2), df), bm.prepare(lta([FALL, SPRING], 2, cluster="g"), df, NODES)
    values = random_values(two, seed=9) | {"alpha1_sd": np.array(1e-9), "alpha2_sd": np.array(1e-9)}
    assert evaluate(two, values, "total") == pytest.approx(float(evaluate(single, values, "total")), abs=1e-6)


def test_one_factor_is_unrestricted_for_two_classes():
    assert lta([FALL, SPRING], 2, cluster="g", effects="unrestricted") == lta([FALL, SPRING], 2, cluster="g")


@pytest.mark.parametrize(
    ("declared", "parameters"),
    [
        (lambda: lta([list("abcde"), list("vwxyz")], 4), 35),
        (lambda: lta([list("abcde"), list("vwxyz")], 4, measurement="free"), 55),
        (lambda: lta([list("abcde"), list("vwxyz")], 4, measurement=["a"]), 39),
        (lambda: lta([list("abcde"), list("vwxyz")], 2, cluster="g"), 1 + 2 + 10 + 3),
        (lambda: lta([list("abcde"), list("vwxyz")], 3, cluster="g"), 2 + 6 + 15 + 3 + 2),
        (lambda: lta([list("abcde"), list("vwxyz")], 3, cluster="g", effects="unrestricted"), 2 + 6 + 15 + 10),
    ],
)
def test_parameter_counts(declared, parameters):
    """LSAY's 35 and 55; 3 or T(K-1)(T(K-1)+1)/2 of the covariance matrix of the random logits."""
    rng = np.random.default_rng(0)
    df = pd.DataFrame(rng.integers(0, 2, (80, 10)), columns=list("abcdevwxyz")).assign(g=np.arange(80) % 8)
    assert bm.prepare(declared(), df, bm.monte_carlo(8)).packing.size == parameters


# the order of the classes -------------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n in DECLARED if "measurements" not in n])
def test_the_likelihood_is_the_same_in_every_order_of_the_classes(name):
    """Transitions, slopes by the class left, and effects with their regressions move along; fine nodes."""
    model, df = DECLARED[name](), frame(clusters=4)
    fine = {1: bm.trapezoid(61, 8), 2: bm.trapezoid(41, 8), 3: bm.trapezoid(21, 7)}.get(len(model.effects))
    data = bm.prepare(model, df, fine)
    values = random_values(data, seed=10, scale=0.4)
    before = float(evaluate(data, values, "total"))
    for dims in groups(model):
        size = next(len(data.coords[d]) for d in dims)
        for order in itertools.permutations(range(size)):
            moved = permute(model, values, dims, np.array(order))
            assert float(evaluate(data, moved, "total")) == pytest.approx(before, abs=2e-6)
            back = permute(model, moved, dims, np.argsort(order))
            for p in model.parameters:
                assert_allclose(back[p.name], values[p.name], atol=1e-8)


def test_unrestricted_effects_of_two_occasions_move_along():
    """Their joint covariance matrix, seen through the sampled likelihood's own structure."""
    model = lta([FALL, SPRING], 3, cluster="g", effects="unrestricted")
    data = bm.prepare(model, frame(clusters=6), bm.monte_carlo(16))
    values = random_values(data, seed=11, scale=0.5)
    moved = permute(model, values, groups(model)[0], np.array([2, 0, 1]))

    def covariance(x):
        """Of all logits against the last class, by (10)."""
        names = [e.name for e in model.effects]
        b, sd = np.zeros((4, 4)), np.array([x[f"{n}_sd"] for n in names])
        for k, e in enumerate(model.effects):
            for t in e.mean:
                b[k, [names.index(q) for q in t.effects]] = x[t.parameter.name]
        root = np.linalg.inv(np.eye(4) - b) * sd
        return root @ root.T

    contrast = np.array([[0.0, -1.0], [1.0, -1.0]])  # classes (3, 1, 2): new logits are -a2 and a1 - a2
    turn = np.kron(np.eye(2), contrast)
    assert_allclose(covariance(moved), turn @ covariance(values) @ turn.T, atol=1e-10)
    assert_allclose(moved["C1_loading"], [[1, 0, 0], [0, 1, 0]])


# posteriors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["three occasions", "two-level", "on all earlier classes"])
def test_paths_are_bayes_rule(name):
    model, df = DECLARED[name](), frame(clusters=3)
    data = bm.prepare(model, df, nodes_of(model), collapse=False)
    values = random_values(data, seed=12)
    names = [c.name for c in model.classes]
    expected = oracle_for(data, df, values).row_posterior(*names)[data.pattern_of >= 0]
    found = paths(data, data.pack(values))
    assert_allclose(found.joint, expected, atol=1e-10)
    assert_allclose(found.probability, expected.reshape(len(expected), -1).max(axis=1), atol=1e-10)
    assert_allclose(found.stayed, sum(expected[(slice(None), *[k] * len(names))] for k in (0, 1)), atol=1e-10)


def test_long_paths_step_by_step_are_the_best_paths(monkeypatch):
    """Viterbi's path of a first-order model is the maximum of the joint posterior."""
    data = bm.prepare(lta(THREE, 2), frame(), collapse=False)
    theta = data.pack(random_values(data, seed=13, scale=1.5))
    whole = paths(data, theta)
    monkeypatch.setattr("bayesmix.graph.unit_classes.MOST_PATHS", 0)
    steps = paths(data, theta)
    assert_allclose(steps.path, whole.path)
    assert steps.joint is None
    assert np.isnan(steps.probability).all()


def test_transitions_and_sizes_are_averages_over_classrooms_and_persons():
    """P(C2 = d | C1 = c) = sum of w P(c) P(d | c) over nodes and rows, by its size."""
    model, df = lta([FALL, SPRING], 2, "x", "x", cluster="g", cluster_covariates="w"), frame(clusters=3)
    data = bm.prepare(model, df, bm.trapezoid(5, 3.0))
    values = random_values(data, seed=14)
    oracle, seen = oracle_for(data, df, values), np.flatnonzero(data.pattern_of >= 0)
    joint = np.zeros((2, 2))
    for unit, rows in enumerate(oracle.rows.values()):
        for row in (r for r in rows if r in seen):
            for here, effects, w in oracle.states("cluster", {}, {}, row, unit):
                for at, _, p in oracle.states("individual", here, effects, row, row):
                    joint[at["C1"], at["C2"]] += w * p / len(seen)
    found = tables(data, data.pack(values))
    assert_allclose(found["C1_probability"], joint.sum(1), atol=1e-10)
    assert_allclose(found["C2_probability"], joint.sum(0), atol=1e-10)
    assert_allclose(found["C2_transition"], joint / joint.sum(1, keepdims=True), atol=1e-10)
    assert not any("explained" in k for k in found)  # covariates of individuals: shares would depend on them


def test_the_decomposition_of_three_classes_sums_up_and_is_that_of_simulated_logits():
    model = lta([FALL, SPRING], 3, cluster="g")
    data = bm.prepare(model, frame(clusters=4), bm.trapezoid(41, 6))
    values = random_values(data, seed=15, scale=0.7)
    found = {k: x.values for k, x in tables(data, data.pack(values)).items()}
    parts = sum(found[f"C2_explained_by_{k}"] for k in ("alpha1", "C1", "alpha2"))
    assert_allclose(parts, found["C2_explained"], atol=1e-12)
    rng, n = np.random.default_rng(0), 400_000
    a1 = values["alpha1_sd"] * rng.normal(size=n)
    mean2 = values["alpha2_on_alpha1"] * a1
    a2 = mean2 + values["alpha2_sd"] * rng.normal(size=n)
    first = values["C1_logit"] + a1[:, None] * values["C1_loading"][0]
    p = np.exp(first) / np.exp(first).sum(1, keepdims=True)
    logit = (values["C2_logit"] - values["C2_logit"][:, -1:])[:, 0]
    load = values["C2_loading"][0, 0]
    m, rest = p @ logit + a2 * load, (values["alpha2_sd"] * load) ** 2
    within = (p @ logit**2 - (p @ logit) ** 2).mean()
    total = m.var() + within + np.pi**2 / 3
    assert found["C2_explained_by_C1"][0] == pytest.approx(within / total, abs=0.004)
    assert found["C2_explained_by_alpha1"][0] == pytest.approx((m.var() - rest) / total, abs=0.004)
    h = 1e-4
    up, down = (np.exp(first + s * h * values["C1_loading"][0]) for s in (1, -1))
    slope = ((up / up.sum(1, keepdims=True)) - (down / down.sum(1, keepdims=True))) @ logit / (2 * h)
    assert found["C2_effect_of_alpha1_via_C1"][0] == pytest.approx(slope.mean(), abs=0.01)
    assert found["C2_effect_of_alpha1_via_alpha2"][0] == pytest.approx(float(values["alpha2_on_alpha1"] * load))


# a fit, and what it shows -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def moved():
    """Three items at three occasions, two classes, thirty clusters; some miss the last occasion."""
    waves = [[f"{i}{t}" for i in ("read", "write", "count")] for t in (1, 2, 3)]
    model = lta(waves, 2, cluster="school")
    item = np.array([[-1.6, -1.8, -1.4], [1.6, 1.5, 1.9]])
    unit = np.array([[1.0, 0.0]])
    truth = {f"C{t}_loading": unit for t in (1, 2, 3)} | {f"alpha{t}_sd": np.array(0.8) for t in (1, 2, 3)}
    truth |= {f"alpha{t}_on_alpha{t - 1}": np.array(0.5) for t in (2, 3)}
    truth |= {f"C{t}_logit": np.array([[1.5, 0.0], [-1.5, 0.0]]) for t in (2, 3)}
    truth |= {"C1_logit": np.array([0.6, 0.0]), "item_logit": np.stack([np.zeros_like(item), item], axis=-1)}
    df = bm.simulate(model, truth, n=600, clusters=30, seed=2)
    df.loc[df.index % 7 == 0, waves[2]] = np.nan
    df.loc[3, [c for w in waves for c in w]] = np.nan
    return model, df, bm.fit(model, df, starts=4, finals=2, seed=1)


def test_items_have_one_name_on_all_occasions(moved):
    fit = moved[2]
    assert list(fit.params["item"].values) == ["read", "write", "count"]
    assert fit.probabilities["item_probability"].dims == ("C", "item", "category")
    assert list(lta([["f_a", "f_b"], ["s_a", "s_b"]], 2).responses[0].labels) == ["a", "b"]
    assert list(lta([["u", "v"], ["x", "y"]], 2).responses[1].labels) == ["u", "v"]


def test_the_fit_finds_the_paths(moved):
    _, df, fit = moved
    table = fit.paths()
    assert table.loc[3].isna().all()
    rest = table.drop(index=3)
    same = (rest[["C1", "C2", "C3"]].to_numpy(int) == df.drop(index=3)[["true_C1", "true_C2", "true_C3"]]).mean()
    assert same.min() > 0.8
    assert (rest["moved"] == ((rest["C1"] != rest["C2"]) | (rest["C2"] != rest["C3"]))).all()
    assert fit.path_counts()["posterior"].sum() == pytest.approx(599)
    assert fit.path_counts()["most likely"].sum() == 599
    marginal = fit.class_counts("C2")["posterior"].to_numpy()
    assert_allclose(fit.path_counts()["posterior"].groupby("C2").sum(), marginal, rtol=1e-9)


def test_tables_of_transitions_have_intervals_around_them(moved):
    fit = moved[2]
    table = bm.transitions(fit)
    assert len(table) == 8
    assert_allclose(table["value"].groupby(["class variable", "from"]).sum(), 1.0)
    assert (table["lower"] < table["value"]).all()
    assert (table["value"] < table["upper"]).all()
    parts = bm.decomposition(fit).xs(1, level="class")["value"]
    assert parts["C3", "explained"] == pytest.approx(
        sum(parts["C3", f"explained by {k}"] for k in ("alpha1, alpha2", "C2", "alpha3"))
    )
    assert parts["C2", "explained by C1 alone"] + parts["C2", "explained by alpha2 beyond C1"] == pytest.approx(
        parts["C2", "explained"]
    )


def test_the_delta_method_is_the_slope_of_the_table(moved):
    """The standard error of a share, from a numeric gradient and the covariance behind the other errors."""
    model, df, fit = moved
    data = target(model, df)
    theta = data.pack({k: v.values for k, v in fit.params.items()})
    names = data.packing.names()

    def share(x):
        return float(tables(data, x)["C2_explained_by_C1"][0])

    slopes = np.array([(share(theta + 1e-4 * e) - share(theta - 1e-4 * e)) / 2e-4 for e in np.eye(len(theta))])
    assert np.abs(slopes[[k for k, n in enumerate(names) if n.startswith("item_logit")]]).max() < 1e-8
    robust, _, _ = covariances(curvature(adapt_nodes(data, theta), theta))
    error = float(fit.derived_se["C2_explained_by_C1"][0])
    assert error == pytest.approx(np.sqrt(slopes @ robust @ slopes), rel=1e-3)


def test_the_listing_has_transitions_paths_and_shares(moved):
    text = bm.report(moved[2])
    for words in ("TRANSITIONS", "C2 = 1", "Paths", "explained by alpha1, alpha2", "effect of alpha2 via C2"):
        assert words in text
    assert "item_logit" in text
    assert max(map(len, text.splitlines())) <= 100


def test_a_saved_fit_keeps_its_paths(moved, tmp_path):
    fit = moved[2]
    again = bm.Fit.load(fit.save(tmp_path / "fit.nc"))
    pd.testing.assert_frame_equal(again.paths(), fit.paths(), check_names=False)
    pd.testing.assert_frame_equal(bm.transitions(again), bm.transitions(fit))


def test_pictures(moved, tmp_path):
    *_, fit = moved
    ax = bm.plots.transitions(fit)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["C1", "C2", "C3"]
    shares = {t.get_text() for t in ax.texts}
    assert f"{fit.probabilities['C2_transition'].values[0, 0]:.0%}" in shares
    assert len(bm.plots.profile(fit)) == 1
    assert len(bm.plots.classes(fit)) == 3
    drawn = bm.plots.diagram(fit)
    for arrow in ('"alpha1" -> "alpha2"', '"alpha1" -> "C1"', '"C1" -> "C2"', '"C2" -> "response nominal_2"'):
        assert arrow in drawn.dot
    assert f"{fit.derived['C2_on_C1'].values[0, 0]:.2f}" in drawn.dot
    assert '"C1" -> "C3"' not in drawn.dot
    assert drawn.save(tmp_path / "figure.svg").read_text().count("<ellipse") == 6
    with pytest.raises(ValueError, match=r"ends in \.svg, \.pdf, \.png or \.dot"):
        drawn.save(tmp_path / "figure.gif")
    plt.close("all")


def test_any_model_can_be_drawn(moved):
    grade = bm.models.gom(list("abc"), 2, covariates="age", cluster="g")
    assert '"covariate" -> "C"' in bm.plots.diagram(grade).dot
    assert "C of each response" in bm.plots.diagram(grade).dot
    with pytest.raises(TypeError, match="The model came as ndarray, expected what a template returns"):
        bm.plots.diagram(np.zeros(3))


def test_a_residual_sd_at_zero_is_reported_and_the_rest_has_errors():
    """alpha2 is a multiple of alpha1: an ordinary data set, not an accident."""
    waves = [[f"{i}{t}" for i in "abcd"] for t in (1, 2)]
    model = lta(waves, 2, cluster="g")
    item = np.array([[-2.0] * 4, [2.0] * 4])
    truth = {f"C{t}_loading": np.array([[1.0, 0.0]]) for t in (1, 2)} | {"alpha1_sd": np.array(1.0)}
    truth |= {"alpha2_on_alpha1": np.array(0.5), "alpha2_sd": np.array(1e-6), "C1_logit": np.array([0.3, 0.0])}
    truth |= {"C2_logit": np.array([[1.5, 0.0], [-1.5, 0.0]]), "item_logit": np.stack([0 * item, item], axis=-1)}
    for seed in range(6):
        df = bm.simulate(model, truth, n=400, clusters=40, seed=seed)
        fit = bm.fit(model, df, starts=6, finals=4, rounds=1)
        if fit.params["alpha2_sd"] < 1e-3:
            break
    assert "alpha2_sd" in fit.quality["boundary"]
    assert np.isnan(fit.se["alpha2_sd"])
    assert np.isfinite(fit.se["alpha1_sd"])
    assert np.isfinite(fit.se["alpha2_on_alpha1"])
    assert np.isfinite(fit.derived_se["C2_explained_by_C1"][0])


def test_the_fit_does_not_depend_on_the_method_of_integration(moved):
    model, df, fit = moved
    data = bm.prepare(model, df, bm.trapezoid(31, 6))
    theta = data.pack({k: v.values for k, v in fit.params.items()})
    assert float(LogLikelihood(data).value(theta)) == pytest.approx(fit.loglik, abs=0.05)


def test_classes_are_enumerated_over_all_occasions():
    rng = np.random.default_rng(0)
    waves = [[f"{i}{t}" for i in "abc"] for t in (1, 2)]
    df = pd.DataFrame(rng.integers(0, 2, (120, 6)), columns=[c for w in waves for c in w])
    found = bm.enumerate_classes(lambda k: lta(waves, k), df, (1, 2), starts=3, finals=2, rounds=1)
    assert list(found.table["parameters"]) == [3, 9]
    assert found[2].loglik >= found[1].loglik
    assert (found[2].starts["seed"] < 0).any()  # begun from the solution with one class
    plain = bm.enumerate_classes(lta(waves, 3), df, (1, 2), starts=3, finals=2, rounds=1)  # all occasions have as many
    assert list(plain.table["parameters"]) == [3, 9]
    assert plain[2].loglik == pytest.approx(found[2].loglik, abs=1e-4)


# bad input ----------------------------------------------------------------------------------------

BAD = {
    "one list": (lambda: lta(["a", "b"], 2), "give a list of columns for each occasion"),
    "no occasion": (lambda: lta([], 2), "give a list of columns for each occasion"),
    "other numbers of items": (lambda: lta([["a"], ["b", "c"]], 2), "came with 1, 2 items"),
    "an item twice": (lambda: lta([["a", "b"], ["c", "a"]], 2), "Duplicate names among the items: a"),
    "too many classes": (lambda: lta([["a"], ["b"]], [2, 2, 2]), "one for each of the 2 occasions"),
    "classes as text": (lambda: lta([["a"], ["b"]], "2"), "give one, or one for each"),
    "other classes": (lambda: lta([["a"], ["b"]], [2, 3]), "measurement must be 'free'"),
    "names": (lambda: lta([["a"], ["b"]], 2, names=["x", "y"]), "one name for each of the 1 items"),
    "measurement": (lambda: lta([["a"], ["b"]], 2, measurement="partial"), "'invariant', 'free' or the items"),
    "no such item": (lambda: lta([["a"], ["b"]], 2, measurement=["z"]), "'z', which is not among the items"),
    "order": (lambda: lta([["a"], ["b"]], 2, order=-1), "a whole number of at least 0"),
    "stationary": (lambda: lta([["a"], ["b"], ["c"]], 2, stationary=True, order=2), "are of order 1"),
    "formulas": (lambda: lta([["a"], ["b"]], 2, transition_covariates=["x", "y"]), "2 formulas for 1 transitions"),
    "effects": (lambda: lta([["a"], ["b"]], 2, effects="random", cluster="g"), "give 'unrestricted', 'factor', 'none'"),
    "regressions": (lambda: lta([["a"], ["b"]], 2, regressions="some"), "give 'first-order', 'all', 'none'"),
    "no clusters": (lambda: lta([["a"], ["b"]], 2, effects="factor"), "came without clusters"),
    "no effects": (
        lambda: lta([["a"], ["b"]], 2, cluster="g", effects="none", cluster_covariates="w"),
        "came without effects of clusters",
    ),
    "a family": (lambda: lta([["a"], ["b"]], 2, family={"z": bm.normal()}), "A family came for 'z'"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    declared, words = BAD[name]
    with pytest.raises(ValueError, match=words):
        declared()


@pytest.mark.filterwarnings("ignore:2 different solutions")
def test_tables_of_models_without_occasions_say_so():
    fit = bm.fit(lca(FALL, 2), frame(), starts=2, finals=2, rounds=1)
    for ask, words in (
        (bm.transitions, "There are no transitions"),
        (bm.decomposition, "There is nothing to decompose"),
        (bm.plots.transitions, "There is nothing to draw"),
        (bm.Fit.paths, "There are no paths"),
    ):
        with pytest.raises(ValueError, match=words):
            ask(fit)
