"""Factor mixtures and FMA-GoM: likelihood by enumeration and in closed form, limits, signs, scales, counts."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from bayesmix.models import fma, fma_gom, gom, lca, lta
from bayesmix.models.irt_3pl import guessing_as_membership
from numpy.testing import assert_allclose
from scipy import special, stats

import bayesmix as bm
from bayesmix.spec import class_labels as labels
from bayesmix.spec import factor_scales as scales
from declare import evaluate, frame, oracle_for, random_values

COARSE = bm.trapezoid(3, 2.0)
BINARY = ["b1", "b2", "b3", "b4"]
MIXED = {
    "b2": bm.bernoulli(), "o3": bm.ordinal("probit"), "n3": bm.nominal(),
    "y1": bm.normal(), "k1": bm.poisson(),
}  # fmt: skip
ORDINAL = {"b1": bm.bernoulli(), "o3": bm.ordinal()}
PAIR = {"p": BINARY[:2], "q": BINARY[1:]}
THREE = {"p": ["b1", "b2"], "q": ["b3"], "r": ["b4", "b1"]}
OVER_FAMILIES = {"p": ["b1", "o3"], "q": ["o3", "y1"]}

TEMPLATES = {
    "probit": lambda: fma(BINARY),
    "logit, one class": lambda: fma(BINARY, 1, family=bm.bernoulli()),
    "three classes, loadings by class": lambda: fma(BINARY[:3], 3, by_class="intercepts + loadings"),
    "one loading a class": lambda: fma(BINARY, loadings="one", by_class="intercepts + loadings", freq="f"),
    "loadings alone by class": lambda: fma(BINARY, by_class="loadings", covariates="x + s"),
    "ordinal, means": lambda: fma(["o3", "o4", "o2"], 3, family=bm.ordinal("probit"), by_class="means"),
    "nominal": lambda: fma(["n3", "n2"], family=bm.nominal(), by_class="intercepts + loadings"),
    "counts": lambda: fma(["k1", "k2"], family=bm.poisson(), by_class="means + variances"),
    "normal": lambda: fma(["y1", "y2"], family=bm.normal(), variance="class"),
    "all families": lambda: fma(
        ["b1", *MIXED], family=MIXED, item_covariates={"b1": "x", "o3": "s", "n3": "x", "y1": "s"}, freq="f"
    ),
    "intercepts and variances": lambda: fma(BINARY, 3, by_class="intercepts + variances", factor_covariates="x"),
    "two factors over families": lambda: fma(
        ["b1", "o3", "y1"],
        family=ORDINAL | {"y1": bm.normal()},
        factors=OVER_FAMILIES,
        by_class="intercepts + loadings",
    ),
    "two factors, uncorrelated": lambda: fma(BINARY, factors=PAIR, correlated=False),
    "two factors, means and variances": lambda: fma(
        BINARY, factors=PAIR, by_class="means + variances", factor_covariates="x", covariates="x"
    ),
    "three factors": lambda: fma(BINARY, factors=THREE, by_class="intercepts + variances"),
    "clusters": lambda: fma(BINARY[:3], cluster="g"),
    "clusters, covariates": lambda: fma(
        BINARY[:3], 3, cluster="g", effects="factor", cluster_covariates="w + v", covariates="x", factor_covariates="x"
    ),
    "clusters, logits alone": lambda: fma(list(ORDINAL), 3, cluster="g", family=ORDINAL, factor_clusters=False),
    "clusters, factor alone": lambda: fma(BINARY[:3], cluster="g", effects="none", by_class="means + variances"),
    "clusters, two factors": lambda: fma(
        BINARY[:3], factors={"p": BINARY[:2], "q": BINARY[1:3]}, cluster="g", effects="none", freq="f",
        by_class="intercepts + variances",
    ),
    "gom": lambda: fma_gom(BINARY),
    "gom, three classes": lambda: fma_gom(BINARY[:3], 3, by_class="intercepts + loadings"),
    "gom, correlated": lambda: fma_gom(BINARY, effects_on_factors=True, loadings="one", covariates="x"),
    "gom, correlated, one factor of three memberships": lambda: fma_gom(
        list(ORDINAL), 3, family=ORDINAL, effects="factor", effects_on_factors=True
    ),
    "gom, two factors": lambda: fma_gom(BINARY, factors=PAIR, effects_on_factors=True, factor_covariates="x"),
    "gom, families": lambda: fma_gom(
        ["b1", *MIXED], family=MIXED, variance="class", item_covariates={"n3": "s"}, by_class="loadings", freq="f"
    ),
    "gom, clusters": lambda: fma_gom(BINARY[:2], cluster="g", cluster_covariates="w", effects_on_factors=True),
    "gom, clusters, three classes": lambda: fma_gom(
        BINARY[:2], 3, effects="factor", cluster="g", cluster_effects="unrestricted", factor_clusters=False
    ),
}  # fmt: skip


def of_units(data, oracle):
    """The oracle's log-likelihoods in the order of the data's clusters or patterns."""
    units = oracle.units()
    if data.clusters is not None:
        return units
    return units[[np.flatnonzero(data.pattern_of == k)[0] for k in range(len(data.counts))]]


@pytest.mark.parametrize("name", TEMPLATES)
def test_units_equal_enumeration(name):
    df = frame(clusters=4, rows=3)
    data = bm.prepare(TEMPLATES[name](), df, COARSE)
    values = random_values(data, seed=3)
    assert_allclose(evaluate(data, values), of_units(data, oracle_for(data, df, values)), rtol=1e-10)


# the equations, with loops ------------------------------------------------------------------------


def softmax(x):
    return np.exp(x) / np.exp(x).sum()


def p_item(y, p):
    return 1.0 if np.isnan(y) else (p if y == 1 else 1 - p)


def test_a_factor_mixture_is_equations_36_and_37():
    """Class covariates, a factor with mean, SD and a covariate, an item that functions differently."""
    df = frame(clusters=4, rows=3)
    model = fma(BINARY, 3, "x", by_class="means + variances", factor_covariates="x", item_covariates={"b2": "x"})
    data = bm.prepare(model, df, COARSE, collapse=False)
    v, (z, log_weights) = random_values(data, seed=8), COARSE.grid(1)
    tau, loading = v["item_intercept"], v["loading"]
    for row in np.flatnonzero(data.pattern_of >= 0):
        x, total = df["x"][row], 0.0
        share = softmax(v["class_logit"] + v["class_slope"][:, 0] * x)
        for c in range(3):
            for node, weight in zip(z[:, 0], np.exp(log_weights), strict=True):
                eta = v["f_mean"][c] + v["f_slope"][0] * x + v["f_sd"][c] * node
                p = share[c] * weight
                for k, item in enumerate(BINARY):
                    at = tau[k] + loading[k] * eta + (v["item_slope"][1, 0] * x if item == "b2" else 0.0)
                    p *= p_item(df[item][row], stats.norm.cdf(at))
                total += p
        found = evaluate(data, v)[data.pattern_of[row]]
        assert found == pytest.approx(np.log(total), rel=1e-10)


def test_fma_gom_is_equations_38_to_41():
    """Three classes, an unrestricted covariance matrix of the memberships that goes with the factor."""
    df = frame(clusters=4, rows=3)
    model = fma_gom(BINARY, 3, by_class="intercepts + loadings", effects_on_factors=True)
    data = bm.prepare(model, df, COARSE, collapse=False)
    v, (z, log_weights) = random_values(data, seed=8), COARSE.grid(3)
    found = evaluate(data, v)
    for row in np.flatnonzero(data.pattern_of >= 0):
        total = 0.0
        for (eta, *own), weight in zip(z, np.exp(log_weights), strict=True):
            alpha = v["class_logit"] + own @ v["class_loading"] + v["class_on_factor"] * eta
            p = weight
            for k, item in enumerate(BINARY):
                inside = stats.norm.cdf(v["item_intercept"][:, k] + v["loading"][:, k] * eta)
                p *= p_item(df[item][row], softmax(alpha) @ inside)
            total += p
        assert found[data.pattern_of[row]] == pytest.approx(np.log(total), rel=1e-10)


def test_two_factors_have_variance_one_and_the_correlation_that_is_reported():
    """Sampled effects: eta_q = (b z_p + z_q) / sqrt(b^2 + 1), and clusters beside, of their own SD."""
    df = frame(clusters=3, rows=4)
    model = fma(BINARY, 1, factors={"p": BINARY[:2], "q": BINARY[2:]}, cluster="g", factor_covariates="x")
    data = bm.prepare(model, df, {"individual": bm.trapezoid(5, 3.0), "cluster": COARSE})
    v = random_values(data, seed=2)
    (z, lw), (zu, lu) = bm.trapezoid(5, 3.0).grid(2), COARSE.grid(2)
    b, expected = float(v["q_on_p"]), []
    for _, rows in df.groupby("g"):
        at_node = []
        for u in zu:
            inside = 0.0
            for _, row in rows.iterrows():
                own = np.array(
                    [
                        v["p_slope"][0] * row["x"] + v["p_cluster_sd"] * u[0] + z[:, 0],
                        v["q_slope"][0] * row["x"]
                        + v["q_cluster_sd"] * u[1]
                        + (b * z[:, 0] + z[:, 1]) / np.hypot(b, 1),
                    ]
                )
                p = np.exp(lw)
                for k, item in enumerate(BINARY):
                    prob = stats.norm.cdf(v["item_intercept"][0, k] + v["loading"][k // 2, k] * own[k // 2])
                    p = p * np.array([p_item(row[item], q) for q in prob])
                inside += np.log(p.sum())
            at_node.append(inside)
        expected.append(special.logsumexp(np.array(at_node) + lu))
    assert_allclose(evaluate(data, v), expected, rtol=1e-10)


# exact integration --------------------------------------------------------------------------------

Y = ["y1", "y2", "y3", "y4"]


def measurements(rows=30, clusters=6):
    rng = np.random.default_rng(5)
    y = rng.normal(1.0, 2.0, (rows, 4))
    y[rng.random(y.shape) < 0.15] = np.nan
    y[0] = np.nan
    return pd.DataFrame(y, columns=Y).assign(
        x=rng.normal(size=rows), w=np.arange(rows) % clusters / 3.0, g=np.arange(rows) % clusters
    )


NORMAL = {
    "one class": lambda: fma(Y, 1, family=bm.normal(), factor_covariates="x"),
    "intercepts": lambda: fma(Y, 2, family=bm.normal(), covariates="x"),
    "intercepts, loadings, residual SDs": lambda: fma(
        Y, 3, family=bm.normal(), by_class="intercepts + loadings", variance="class", item_covariates={"y2": "x"}
    ),
    "means and variances": lambda: fma(
        Y, 3, family=bm.normal(), by_class="means + variances", factor_covariates="x", covariates="x"
    ),
    "one loading": lambda: fma(Y, 2, family=bm.normal(), loadings="one", by_class="intercepts + variances"),
    "two factors": lambda: fma(
        Y, 2, family=bm.normal(), factors={"p": Y[:3], "q": Y[2:]}, by_class="means + variances", factor_covariates="x"
    ),
}


def factor_moments(v, names, x, c):
    """Means of the factors of class c at x, and their covariance matrix within it."""

    def of(name, kind, missing):
        return v[f"{name}_{kind}"][c] if f"{name}_{kind}" in v else missing

    slope = np.array([v[f"{n}_slope"][0] if f"{n}_slope" in v else 0.0 for n in names])
    sd = np.array([of(n, "sd", 1.0) for n in names])
    b = float(v.get("q_on_p", 0.0))
    r = np.eye(len(names)) + (b / np.sqrt(b**2 + 1)) * (1 - np.eye(len(names)))
    return np.array([of(n, "mean", 0.0) for n in names]) + slope * x, sd[:, None] * r * sd


def item_moments(v, n_factors, x, c):
    """nu, Lambda and Theta of class c at x."""

    def by(name, dims):
        return v[name][c] if v[name].ndim > dims else v[name]

    loading = by("loading", 1 + (n_factors > 1)) if v["loading"].ndim else v["loading"]
    loading = np.ones((1, 4)) * loading if n_factors == 1 else loading
    slope = v["item_slope"][:, 0] * x if "item_slope" in v else 0.0
    return by("item_intercept", 1) + slope, loading.T, np.diag(by("item_sd", 1) ** 2)


@pytest.mark.parametrize("name", NORMAL)
def test_a_factor_mixture_of_measurements_is_a_mixture_of_multivariate_normals(name):
    df, model = measurements(), NORMAL[name]()
    data = bm.prepare(model, df, collapse=False)
    assert str(data.nodes["individual"]) == "Exact()"
    v, names = random_values(data, seed=4), [e.name for e in model.effects]
    found = evaluate(data, v)
    for row in np.flatnonzero(data.pattern_of >= 0):
        x, seen = df["x"][row], df.loc[row, Y].notna().to_numpy()
        logit = v["class_logit"] + (v["class_slope"][:, 0] * x if "class_slope" in v else 0.0)
        total = 0.0
        for c, share in enumerate(softmax(logit)):
            mean, phi = factor_moments(v, names, x, c)
            nu, loading, theta = item_moments(v, len(names), x, c)
            sigma = loading @ phi @ loading.T + theta
            density = stats.multivariate_normal(nu[seen] + (loading @ mean)[seen], sigma[np.ix_(seen, seen)])
            total += share * density.pdf(df.loc[row, Y][seen].to_numpy(float))
        assert found[data.pattern_of[row]] == pytest.approx(np.log(total), rel=1e-9)


def test_a_two_level_factor_model_of_measurements_is_normal_by_clusters():
    """Two factors with parts of individuals, correlated, and of clusters: whole clusters are multivariate normal."""
    df = measurements()
    model = fma(Y, 1, family=bm.normal(), factors={"p": Y[:2], "q": Y[2:]}, cluster="g", factor_covariates="x")
    data = bm.prepare(model, df)
    assert {str(n) for n in data.nodes.values()} == {"Exact()"}
    v = random_values(data, seed=4)
    between = np.diag([float(v["p_cluster_sd"]) ** 2, float(v["q_cluster_sd"]) ** 2])
    expected = []
    for _, rows in df.groupby("g"):
        nu, loading, theta = item_moments(v, 2, 0.0, 0)
        within = loading @ factor_moments(v, ["p", "q"], 0.0, 0)[1] @ loading.T + theta
        sigma = np.kron(np.eye(len(rows)), within) + np.kron(np.ones((len(rows),) * 2), loading @ between @ loading.T)
        mean = np.concatenate([nu + loading @ factor_moments(v, ["p", "q"], x, 0)[0] for x in rows["x"]])
        y = rows[Y].to_numpy().ravel()
        seen = ~np.isnan(y)
        expected.append(stats.multivariate_normal(mean[seen], sigma[np.ix_(seen, seen)]).logpdf(y[seen]))
    assert_allclose(evaluate(data, v), expected, rtol=1e-9)


# limits -------------------------------------------------------------------------------------------

PROBIT = bm.bernoulli("probit")


def beside(model, values, df, nodes=COARSE):
    """Units of another model at those of the values that it has."""
    return evaluate(bm.prepare(model, df, nodes, collapse=False), values)


def test_without_loadings_factors_have_no_effect():
    df = frame(clusters=4, rows=3)
    for with_factor, without in (
        (fma(BINARY, 3, "x"), lca(BINARY, 3, "x", family=PROBIT)),
        (fma_gom(BINARY, 3, "x"), gom(BINARY, 3, "x", family=PROBIT)),
    ):
        v = random_values(bm.prepare(with_factor, df, COARSE), seed=1)
        v["loading"] = np.zeros_like(v["loading"])
        assert_allclose(beside(with_factor, v, df), beside(without, v, df), rtol=1e-12)


def test_memberships_of_a_huge_variance_are_classes():
    """P(C = 1) is near 0 or 1 for each individual; Phi(alpha / sd) of them are in class 1."""
    df, fine, mixture = frame(clusters=4, rows=3), bm.trapezoid(201, 5.0), fma(BINARY)
    v = random_values(bm.prepare(mixture, df), seed=1)
    v["class_logit"] = np.array([special.logit(stats.norm.cdf(0.4)), 0.0])
    of_classes, gaps = beside(mixture, v, df, fine), []
    for sd in (1.0, 4.0, 16.0):
        graded = v | {"class_logit": np.array([0.4 * sd, 0.0]), "class_loading": np.array([[sd, 0.0]])}
        gaps.append(np.abs(beside(fma_gom(BINARY), graded, df, fine) - of_classes).max())
    assert gaps[1] < gaps[0] / 2  # as many are in between as 1 / sd
    assert gaps[2] < gaps[1] / 3
    assert gaps[2] < 0.05


# signs, scales, orders ----------------------------------------------------------------------------

TURNED = {
    by: (lambda by=by: fma(BINARY, 3, "x", by_class=by, factor_covariates="x"))
    for by in ("intercepts", "intercepts + loadings", "means + variances", "intercepts + variances", "means")
} | {
    "two factors": lambda: fma(BINARY, 3, factors=PAIR, by_class="means + variances", factor_covariates="x"),
    "ordinal and measured": lambda: fma(
        ["o3", "y1"], 3, family={"o3": bm.ordinal(), "y1": bm.normal()}, by_class="means + variances"
    ),
    "nominal": lambda: fma(["n3", "n2"], 3, family=bm.nominal(), by_class="means + variances"),
    "one loading": lambda: fma(BINARY, 3, by_class="means + variances", loadings="one"),
    "clusters": lambda: fma(
        BINARY[:3], 3, factors={"p": BINARY[:2], "q": BINARY[1:3]}, by_class="means + variances", cluster="g",
        effects="factor",
    ),
    "gom": lambda: fma_gom(BINARY, 3, "x", effects="factor", effects_on_factors=True, factors=PAIR),
    "one loading of two families": lambda: fma(
        ["b1", "b2", "o3"], 3, family={**ORDINAL, "b2": bm.bernoulli()}, loadings="one", by_class="means + variances"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TURNED)
def test_the_order_of_classes_and_the_signs_of_factors_do_not_matter(name):
    df, model = frame(clusters=4, rows=3), TURNED[name]()
    data = bm.prepare(model, df, COARSE)
    values = random_values(data, seed=7)
    expected = evaluate(data, values)
    for order in permutations(range(3)):
        moved = labels.permute(model, values, ("C",), np.array(order))
        assert_allclose(evaluate(data, moved), expected, rtol=1e-9)
        back = labels.permute(model, moved, ("C",), np.argsort(order))
        for k, x in scales.fix_factor_signs(model, back, values).items():
            assert_allclose(x, values[k], rtol=1e-9, atol=1e-12)
    for pivot in () if name.startswith("one loading") else pivots(model, values):  # one loading is positive
        turned = scales.fix_factor_signs(model, values, pivot)
        for k in (k for k in pivot if k.startswith("loading")):
            assert_allclose(turned[k], pivot[k])
        assert_allclose(evaluate(data, turned), expected, rtol=1e-9)


def pivots(model, values):
    """Loadings in which one factor points the other way."""
    own = {k: x for k, x in values.items() if k.startswith("loading")}
    if "factor" not in next(p for p in model.parameters if p.name in own).dims:
        return [{k: -x for k, x in own.items()}]
    return [
        {k: np.array([-1.0 if j == f else 1.0 for j in range(len(x))])[:, None] * x for k, x in own.items()}
        for f in range(2)
    ]


def test_draws_are_turned_each_by_itself():
    """Leading axes: two draws of which one points the other way."""
    df, model = frame(clusters=4, rows=3), TURNED["two factors"]()
    data = bm.prepare(model, df, COARSE)
    one, two = (random_values(data, seed=k) for k in (7, 8))
    both = {k: np.stack([one[k], two[k]]) for k in one}
    for move in (
        lambda v: labels.permute(model, v, ("C",), np.array([2, 0, 1])),
        lambda v: scales.fix_factor_signs(model, v),
    ):
        for k, x in move(both).items():
            assert_allclose(x, np.stack([move(one)[k], move(two)[k]]), atol=1e-12)


@pytest.mark.parametrize("waves", [2, 3])
def test_loadings_that_occasions_share_are_turned_once(waves):
    """A random intercept: negated for each of two occasions they would stay."""
    model = lta([[f"{i}{t}" for i in "abc"] for t in range(waves)], 2, family=bm.bernoulli(), random_intercept="item")
    held = {"loading": np.array([-1.0, -0.5, 0.2]), "item_intercept": np.zeros((2, 3))}
    assert_allclose(scales.fix_factor_signs(model, held | _zeros(model, held))["loading"], [1.0, 0.5, -0.2])
    (f,) = scales.reversible(model)
    assert_allclose(scales.reverse(model, held, f)["loading"], [1.0, 0.5, -0.2])


def _zeros(model, held):
    return {p.name: np.zeros([2] * len(p.dims)) for p in model.parameters if p.name not in held}


def test_factors_whose_signs_are_said_are_left():
    """One positive loading; classes of responses that a loading of 15 and none tell apart."""
    one = fma(BINARY, 2, loadings="one")
    v = random_values(bm.prepare(one, frame(), COARSE), seed=1)
    assert all(np.array_equal(x, v[k]) for k, x in scales.fix_factor_signs(one, v).items())
    assert labels.groups(fma(BINARY, 2, by_class="means + variances")) == [("C",)]
    assert labels.groups(guessing_as_membership(BINARY)) == []


# counts -------------------------------------------------------------------------------------------

EIGHTEEN = [f"i{k}" for k in range(18)]


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        (lca(EIGHTEEN, 2), 37),
        (fma(EIGHTEEN, 2), 55),
        (fma_gom(EIGHTEEN, 2), 56),
        (fma(EIGHTEEN, 2, by_class="intercepts + variances"), 56),
        (fma(EIGHTEEN, 2, by_class="intercepts + loadings"), 73),
        (fma(EIGHTEEN, 2, by_class="means + variances"), 1 + 18 + 18 + 2),
        (fma(EIGHTEEN, 1, by_class="means + variances"), 36),
        (fma(EIGHTEEN, 2, loadings="one"), 38),
        (fma(EIGHTEEN, 2, factors={"p": EIGHTEEN[:9], "q": EIGHTEEN[9:]}), 56),
        (fma(EIGHTEEN, 2, factors={"p": EIGHTEEN[:9], "q": EIGHTEEN[9:]}, correlated=False), 55),
        (fma_gom(EIGHTEEN, 3), 2 + 54 + 18 + 3),
        (fma_gom(EIGHTEEN, 3, effects="factor", effects_on_factors=True), 2 + 54 + 18 + 2 + 2),
    ],
)
def test_parameter_counts(model, parameters):
    """Table 6 has 37, 56 and 57; its text, with loadings that are the same in all classes, 55 and 56.

    One more is a factor variance of a class, which no sentence of section 8 mentions.
    """
    df = pd.DataFrame(np.random.default_rng(0).integers(0, 2, (40, 18)), columns=EIGHTEEN)
    assert bm.prepare(model, df, COARSE).packing.size == parameters


# fits ---------------------------------------------------------------------------------------------

SIX = [f"i{k}" for k in range(6)]
OVERLAPPING = {"p": SIX[:4], "q": SIX[3:]}
TRUTH = {
    "class_logit": np.array([0.4, 0.0]),
    "q_on_p": 0.5,
    "loading": np.array([[1.0, 0.8, 1.2, 0.6, 0.0, 0.0], [0.0, 0.0, 0.0, 0.5, 0.9, 1.1]]),
    "item_intercept": np.array([[1.5, 1.2, 1.8, 1.0, 1.4, 1.3], [-1.0, -1.4, -0.8, -1.3, -1.1, -1.5]]),
}


@pytest.fixture(scope="module")
def fitted():
    model = fma(SIX, 2, factors=OVERLAPPING)
    df = bm.simulate(model, TRUTH, n=2000, seed=1)
    turned = TRUTH | {"loading": -TRUTH["loading"]}
    return df, bm.fit(model, df, starts=1, finals=2, rounds=1, start=[turned, TRUTH])


def test_a_fit_recovers_the_truth_whatever_the_signs_of_its_start(fitted):
    df, fit = fitted
    for name, truth in TRUTH.items():
        far = np.abs(fit.params[name].values - truth)
        assert (far <= 4 * np.nan_to_num(fit.se[name].values) + 1e-12).all(), name
    assert (fit.params["loading"].values.sum(axis=1) > 0).all()
    assert fit.quality["equal_solutions"] == 1
    assert abs(fit.quality["audit"]) < 0.05
    assert (fit.class_probabilities()["most_likely"] == df["true_C"]).mean() > 0.85


def test_items_on_two_factors_are_shown_without_a_difficulty(fitted, tmp_path):
    _, fit = fitted
    assert np.isnan(fit.derived["discrimination"]).values.tolist() == [0, 0, 0, 1, 0, 0]
    b, error = float(fit.params["q_on_p"]), float(fit.se["q_on_p"])
    assert float(fit.derived["p_q_correlation"]) == pytest.approx(b / np.hypot(b, 1))
    assert float(fit.derived_se["p_q_correlation"]) == pytest.approx(error * (1 + b**2) ** -1.5, rel=1e-6)
    rows = bm.compare(fit, published={}).table
    assert "discrimination[i3]" not in rows.index
    assert rows.loc["difficulty[1, i0]", "ml_lower"] < rows.loc["difficulty[1, i0]", "ml"] < 0
    assert rows.loc["p_q_correlation", "ml"] == pytest.approx(b / np.hypot(b, 1))
    again = bm.Fit.load(fit.save(tmp_path / "fit"))
    assert again.derived.equals(fit.derived)
    assert "loading" in str(again.summary().index.tolist())
    assert again._repr_html_()
