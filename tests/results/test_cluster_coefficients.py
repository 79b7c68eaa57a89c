"""Coefficients of clusters are the posterior moments of enumeration, of linear prediction, and of draws."""

import itertools

import numpy as np
import pandas as pd
import pytest
from bayesmix.models.lca import lca
from bayesmix.models.regression_mixture import regression_mixture
from scipy import stats
from scipy.special import expit

import bayesmix as bm
from declare import oracle_for, random_values
from solved import posterior_of, solved

NODES = bm.gauss_hermite(5)
CONVENTIONAL = regression_mixture("math ~ female", cluster="school", random="1 + female", cluster_covariates="w")
VALUES = {
    "u_intercept_sd": 1.2, "u_female_on_u_intercept": -0.4, "u_female_sd": 0.7, "intercept": 0.5, "coefficient": [-0.8],
    "intercept_on": [0.6], "female_on": [0.3], "random": np.eye(2), "residual_sd": 1.1,
}  # fmt: skip
COVARIANCE = np.array([[1.44, -0.576], [-0.576, 0.16 * 1.44 + 0.49]])


def schools(clusters: int = 5, size: int = 3, seed: int = 1) -> pd.DataFrame:
    """A few students in each of a few schools, whose order is mixed."""
    rng, school = np.random.default_rng(seed), np.repeat(np.arange(clusters), size)
    df = pd.DataFrame({"school": [f"s{k:02d}" for k in school], "female": rng.integers(0, 2, len(school))})
    df = df.assign(ses=rng.normal(size=len(df)).round(2), w=rng.normal(size=clusters).round(2)[school])
    df = df.assign(math=rng.normal(0.0, 2.0, len(df)).round(2), n=rng.integers(1, 3, len(df)))
    return df.sample(frac=1, random_state=0, ignore_index=True)


def expand(df: pd.DataFrame, freq: str | None) -> list[int]:
    """Rows, each as often as it stands for an individual."""
    return [row for row in range(len(df)) for _ in range(int(df[freq].iloc[row]) if freq else 1)]


def enumerated(model, df: pd.DataFrame, values: dict, coefficient) -> pd.DataFrame:
    """Mean and SD in each cluster over all states of the cluster and all classes of its individuals.

    `coefficient` is a function of the classes of an individual, of the effects, and of the first row of the cluster.
    """
    oracle, out = oracle_for(bm.prepare(model, df, NODES), df, values), {}
    individuals = expand(df, model.freq)
    for unit, (label, rows) in enumerate(oracle.rows.items()):
        members = [row for row in individuals if row in set(rows)]
        states = []
        for here, effects, prior in oracle.states("cluster", {}, {}, rows[0], unit):
            inside = [oracle.individual(row, here, effects) for row in members]
            for each in itertools.product(*inside):
                beta = np.mean([coefficient(at, effects, df.iloc[rows[0]]) for at, _ in each])
                states.append((prior * np.prod([p for _, p in each]), beta))
        p, beta = np.array(states).T
        mean = p @ beta / p.sum()
        out[label] = mean, np.sqrt(p @ (beta - mean) ** 2 / p.sum())
    return pd.DataFrame(out, index=["mean", "sd"]).T


@pytest.mark.parametrize("freq", [None, "n"])
def test_moments_are_those_of_enumeration(freq):
    df = schools()
    model = regression_mixture(
        "math ~ female + ses", 2, "ses", cluster="school", freq=freq, cluster_covariates="1 ~ w; female ~ w"
    )
    values = random_values(bm.prepare(model, df, NODES), 3)
    found = bm.coefficients(solved(model, df, nodes=NODES, **values), df)
    v = values
    asked = {
        "1": lambda at, u, row: v["intercept"][at["C"]] + v["intercept_on"][0] * row["w"] + u["u_intercept"],
        "female": lambda at, u, row: v["coefficient"][at["C"], 0] + v["female_on"][0] * row["w"],
        "ses": lambda at, u, row: v["coefficient"][at["C"], 1],
    }
    for term, coefficient in asked.items():
        expected = enumerated(model, df, values, coefficient)
        assert list(found.index) == list(expected.index)
        assert found[term].to_numpy() == pytest.approx(expected["mean"].to_numpy(), abs=1e-10)
        assert found[f"{term} sd"].to_numpy() == pytest.approx(expected["sd"].to_numpy(), abs=1e-8)
    fixed = enumerated(model, df, values, lambda at, u, row: asked["1"](at, u, row) - u["u_intercept"])
    assert found["1 fixed"].to_numpy() == pytest.approx(fixed["mean"].to_numpy(), abs=1e-10)
    assert found["ses fixed"].to_numpy() == pytest.approx(found["ses"].to_numpy())
    first = enumerated(model, df, values, lambda at, u, row: at["C"] == 0)["mean"].to_numpy()
    assert found["C=1"].to_numpy() == pytest.approx(first, abs=1e-10)
    assert (found["C=1"] + found["C=2"]).to_numpy() == pytest.approx(1.0)
    assert found.index.name == "school"
    parts = [f"{k}{part}" for k in ("1", "female", "ses") for part in ("", " sd", " fixed")]
    assert sorted(found.columns) == sorted([*parts, "C=1", "C=2"])


def test_random_slopes_beside_classes_are_those_of_quadrature_by_hand():
    df = schools()
    model = regression_mixture("math ~ female", 2, cluster="school", random="1 + female", effects="none")
    v = {**VALUES, "class_logit": [0.3, 0.0], "intercept": [1.0, -2.0], "coefficient": [[0.5], [-1.5]]}
    v = {k: x for k, x in v.items() if not k.endswith("_on")} | {"u_female_on_u_intercept": -0.4}
    found = bm.coefficients(solved(model, df, nodes=bm.trapezoid(61, 7.0), **v), df)
    z = np.stack(np.meshgrid(*[np.linspace(-7, 7, 121)] * 2), axis=-1).reshape(-1, 2)
    u = np.stack([1.2 * z[:, 0], -0.4 * 1.2 * z[:, 0] + 0.7 * z[:, 1]])
    for school, rows in df.groupby("school"):
        joint = [(np.exp(-0.5 * (z**2).sum(axis=1)), np.zeros(2))]
        for _, row in rows.iterrows():
            lines = [(g0 + u[0] + (g1 + u[1]) * row["female"], p, (g0, g1)) for g0, g1, p in
                     ((1.0, 0.5, expit(0.3)), (-2.0, -1.5, expit(-0.3)))]  # fmt: skip
            joint = [(w * p * stats.norm.pdf(row["math"], m, 1.1), g + np.divide(own, len(rows)))
                     for w, g in joint for m, p, own in lines]  # fmt: skip
        w = np.array([w for w, _ in joint])
        for k, term in enumerate(("1", "female")):
            beta = u[k] + np.array([g[k] for _, g in joint])[:, None]
            mean = (w * beta).sum() / w.sum()
            sd = np.sqrt((w * (beta - mean) ** 2).sum() / w.sum())
            assert found.loc[school, [term, f"{term} sd"]].to_numpy() == pytest.approx([mean, sd], abs=1e-6)


def test_moments_with_classes_of_clusters_are_those_of_enumeration():
    df = schools()
    model = regression_mixture(
        "math ~ female", 2, cluster="school", random="1", effects="none", cluster_classes=2,
        effects_by_cluster_class=True, by_cluster_class="female",
    )  # fmt: skip
    values = random_values(bm.prepare(model, df, NODES), 4)
    found = bm.coefficients(solved(model, df, nodes=NODES, **values), df)
    dims = {p.name: p.dims for p in model.parameters}

    def at_classes(name, at):
        return float(values[name][tuple(at.get(d, 0) for d in dims[name])])

    (slope,) = [k for k in dims if k.startswith("coefficient")]
    for term, coefficient in {
        "1": lambda at, u, row: at_classes("intercept", at) + u["u_intercept"],
        "female": lambda at, u, row: at_classes(slope, at),
    }.items():
        expected = enumerated(model, df, values, coefficient)
        assert found[term].to_numpy() == pytest.approx(expected["mean"].to_numpy(), abs=1e-10)
        assert found[f"{term} sd"].to_numpy() == pytest.approx(expected["sd"].to_numpy(), abs=1e-8)
    one = enumerated(model, df, values, lambda at, u, row: at["D"] == 0)["mean"].to_numpy()
    assert found["D=1"].to_numpy() == pytest.approx(one, abs=1e-10)


def test_a_conventional_regression_has_best_linear_predictions_and_their_errors():
    df = schools(8, 6)
    fit = solved(CONVENTIONAL, df, **VALUES)
    assert "Exact" in str(fit.nodes)
    found = bm.coefficients(fit, df)
    for school, rows in df.groupby("school"):
        z, w = np.column_stack([np.ones(len(rows)), rows["female"]]), rows["w"].iloc[0]
        fixed = np.array([0.5 + 0.6 * w, -0.8 + 0.3 * w])
        gain = COVARIANCE @ z.T @ np.linalg.inv(z @ COVARIANCE @ z.T + 1.1**2 * np.eye(len(rows)))
        mean, cov = fixed + gain @ (rows["math"] - z @ fixed), COVARIANCE - gain @ z @ COVARIANCE
        at = found.loc[school]
        assert at[["1", "female"]].to_numpy() == pytest.approx(mean)
        assert at[["1 sd", "female sd"]].to_numpy() == pytest.approx(np.sqrt(np.diag(cov)))
        assert at[["1 fixed", "female fixed"]].to_numpy() == pytest.approx(fixed)


def test_other_clusters_are_scored_as_those_of_the_fit():
    df = schools(8, 6)
    fit, some = solved(CONVENTIONAL, df, **VALUES), df[df["school"].isin(["s02", "s05"])]
    whole = bm.coefficients(fit, df)
    pd.testing.assert_frame_equal(bm.coefficients(fit, some), whole.loc[["s02", "s05"]])
    one = bm.coefficients(fit, df[df["school"] == "s02"])
    pd.testing.assert_frame_equal(one, whole.loc[["s02"]])
    units = bm.log_likelihood(CONVENTIONAL, df, fit.params, units=True)
    assert bm.log_likelihood(CONVENTIONAL, df[df["school"] == "s02"], fit.params) == pytest.approx(units["s02"])


def test_a_slope_that_nothing_moves_is_certain():
    df = schools(8, 6)
    model = regression_mixture("math ~ female", cluster="school")
    values = {"intercept": 0.5, "coefficient": [-0.8], "u_intercept_sd": 1.2, "random": 1.0, "residual_sd": 1.1}
    found = bm.coefficients(solved(model, df, **values), df)
    assert found["female"].to_numpy() == pytest.approx(-0.8)
    assert found["female sd"].to_numpy() == pytest.approx(0.0, abs=1e-7)
    assert (found["1 sd"] > 0.1).all()


def test_draws_add_their_spread_to_what_each_leaves_open():
    df = schools()
    model = regression_mixture("math ~ female", 2, cluster="school", effects="none")
    v = {"class_logit": [0.3, 0.0], "u_intercept_sd": 1.2, "intercept": [1.0, -2.0], "coefficient": [[0.5], [-0.5]],
         "random": np.ones(1), "residual_sd": 1.1}  # fmt: skip
    z = np.random.default_rng(0).normal(size=(1, 3, 5, 1))
    found = bm.coefficients(posterior_of(model, df, v, z), df)
    school, y, x = pd.factorize(df["school"], sort=True)[0], df["math"].to_numpy(), df["female"].to_numpy()
    means, variances = np.zeros((2, 3, 5)), np.zeros((2, 3, 5))
    for d in range(3):
        u = 1.2 * z[0, d, :, 0]
        lines = np.array(v["intercept"]) + u[school, None] + np.outer(x, [0.5, -0.5])
        p = stats.norm.pdf(y[:, None], lines, 1.1) * [expit(0.3), expit(-0.3)]
        p = p[:, 0] / p.sum(axis=1)
        for k, (one, other) in enumerate(((1.0, -2.0), (0.5, -0.5))):
            shift = u if k == 0 else 0.0
            by = pd.DataFrame({"m": p * one + (1 - p) * other, "v": p * (1 - p) * (one - other) ** 2}).groupby(school)
            means[k, d], variances[k, d] = by["m"].mean() + shift, by["v"].mean() / by.size()
    for k, term in enumerate(("1", "female")):
        assert found[term].to_numpy() == pytest.approx(means[k].mean(axis=0))
        sd = np.sqrt(means[k].var(axis=0) + variances[k].mean(axis=0))
        assert found[f"{term} sd"].to_numpy() == pytest.approx(sd)


def test_what_has_no_coefficients_of_clusters_is_explained(fitted, two_classes):
    df = schools(8, 6)
    fit = solved(CONVENTIONAL, df, **VALUES)
    with pytest.raises(ValueError, match="belong to a regression with a cluster column"):
        bm.coefficients(fitted, two_classes)
    with pytest.raises(TypeError, match="The result came as Model, expected a fit"):
        bm.coefficients(CONVENTIONAL, fit)
    with pytest.raises(ValueError, match="no column 'math'"):
        bm.coefficients(fit, df.drop(columns="math"))
    post = posterior_of(CONVENTIONAL, df, VALUES, np.zeros((1, 3, 8, 2)))
    with pytest.raises(ValueError, match=r"effects of 8 clusters, the data have 5: give the data that were sampled"):
        bm.coefficients(post, schools())
    with pytest.raises(ValueError, match=r"no sampled effects: give bm.sample\(..., effects='sample'\)"):
        bm.coefficients(posterior_of(CONVENTIONAL, df, VALUES), df)
    with pytest.raises(ValueError, match="belong to a regression with a cluster column"):
        bm.coefficients(posterior_of(lca(["female"], 1), df, {"class_logit": [0.0], "item_logit": [[[0, 0]]]}), df)
