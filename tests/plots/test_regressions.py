"""What follows from a regression mixture, its listing and its pictures: the numbers are those of the model."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from bayesmix.models.lca import lca
from bayesmix.models.lta import lta
from bayesmix.models.regression_mixture import regression_mixture
from scipy import stats
from scipy.special import expit, softmax

import bayesmix as bm
from bayesmix import plots
from bayesmix.graph import derive, tables
from declare import carried, random_values
from solved import posterior_of

W = "mean_ses"


def schools(clusters: int = 30, size: int = 10, seed: int = 1) -> pd.DataFrame:
    """Covariates of students in schools."""
    rng, school = np.random.default_rng(seed), np.repeat(np.arange(clusters), size)
    ses = rng.normal(size=clusters).round(2)
    df = pd.DataFrame({"school": [f"s{k:02d}" for k in school], "female": rng.integers(0, 2, len(school))})
    return df.assign(stud_ses=(0.5 * ses[school] + rng.normal(size=len(school))).round(2), mean_ses=ses[school])


MIXTURE = regression_mixture(
    "math ~ female + stud_ses", 2, "female + stud_ses", cluster="school", random="1 + female",
    cluster_covariates=f"1 ~ {W}; female ~ {W}; class ~ {W}",
)  # fmt: skip
TRUTH = {
    "class_logit": [0.3, 0.0], "class_slope": [[0.5, 0.8], [0, 0]], "cluster_slope": [[0.6], [0.0]],
    "u_intercept_sd": 2.0, "u_female_on_u_intercept": -0.3, "u_female_sd": 1.5, "f_on": [0.1, 0.1], "f_sd": 0.8,
    "C_loading": [[1.0, 0.0]], "intercept": [57.0, 45.0], "coefficient": [[-2.0, 1.5], [0.2, 1.0]],
    "intercept_on": [0.8], "female_on": [-0.3], "random": np.eye(2), "residual_sd": 4.0,
}  # fmt: skip
CONVENTIONAL = regression_mixture("math ~ female", cluster="school", random="1 + female", cluster_covariates=W)


@pytest.fixture(scope="module")
def mixture():
    """Two classes of 300 students; the intercept, one slope and the class logits vary between 30 schools."""
    df = bm.simulate(MIXTURE, TRUTH, df=schools(), seed=2)
    start = {k: np.asarray(v) for k, v in TRUTH.items()}
    with pytest.warns(UserWarning, match="reached by one start only"):
        return df, bm.fit(MIXTURE, df, starts=1, finals=1, rounds=1, start=start, nodes=bm.adaptive(3))


@pytest.fixture(scope="module")
def conventional(mixture):
    """One class."""
    df, _ = mixture
    return df, bm.fit(CONVENTIONAL, df, starts=2, finals=2, rounds=1)


def prepared(model, df, seed: int = 1):
    data = bm.prepare(model, df, bm.gauss_hermite(3))
    values = random_values(data, seed=seed)
    return data, values, data.pack(values)


# covariances of random parts ----------------------------------------------------------------------


def expected(model, values: dict, at: dict[str, int] | None = None) -> tuple[list[str], np.ndarray]:
    """Effects in their order, and (I - B)^-1 S^2 (I - B)^-T."""
    names = [e.name for e in model.effects]
    b, sd = np.zeros((len(names), len(names))), np.zeros(len(names))

    def value(p):
        return np.asarray(values[p.name])[tuple((at or {})[d] for d in p.dims if d in (at or {}))]

    for i, e in enumerate(model.effects):
        sd[i] = value(e.sd.parameter)
        for t in (t for t in e.mean if t.effects):
            b[i, [names.index(k) for k in t.effects]] = value(t.parameter)
    root = np.linalg.inv(np.eye(len(names)) - b) * sd
    return names, root @ root.T


@pytest.mark.parametrize(
    "settings",
    [
        {"classes": 2, "random": "1 + female"},
        {"classes": 3, "random": "1", "effects": "unrestricted"},
        {"classes": 2, "random": "1 + female + stud_ses", "covariance": "slopes apart"},
        {"classes": 1, "random": "1 + female", "covariance": "independent"},
    ],
)
def test_covariances_are_those_of_the_recursive_regressions(settings):
    model = regression_mixture("math ~ female + stud_ses", cluster="school", **settings)
    data, values, theta = prepared(model, schools(8, 5).assign(math=np.arange(40.0)))
    found = tables(data, theta)
    names, cov = expected(model, values)
    sd = np.sqrt(np.diag(cov))
    labels = {"random_part": names, "random_part_": names}
    assert set(found["random_variance"]["random_part"].values) == set(names)
    assert found["random_variance"]["random_part"].values[0] == "u_intercept"
    assert found["random_variance"].sel(random_part=names).values == pytest.approx(sd**2)
    assert found["random_covariance"].sel(labels).values == pytest.approx(cov)
    assert found["random_correlation"].sel(labels).values == pytest.approx(cov / np.outer(sd, sd))
    between, theta_2 = cov[names.index("u_intercept"), names.index("u_intercept")], values["residual_sd"] ** 2
    assert float(found["outcome_icc"]) == pytest.approx(float(between / (between + theta_2)))


def test_covariances_by_class_of_clusters_and_variances_by_class():
    model = regression_mixture(
        "math ~ female", cluster="school", random="1 + female", cluster_classes=2, effects_by_cluster_class=True,
        variance="class",
    )  # fmt: skip
    data, values, theta = prepared(model, schools(8, 5).assign(math=np.arange(40.0)))
    found = tables(data, theta)
    assert found["random_covariance"].dims == ("D", "random_part", "random_part_")
    for k in range(2):
        _, cov = expected(model, values, {"D": k})
        assert found["random_covariance"].values[k] == pytest.approx(cov)
        theta_k = values["residual_sd"][k] ** 2
        assert found["outcome_icc"].values[k] == pytest.approx(cov[0, 0] / (cov[0, 0] + theta_k))


def test_covariances_are_those_of_generated_clusters():
    model = regression_mixture("math ~ stud_ses", 2, None, cluster="school", random="1 + stud_ses")
    truth = {
        "class_logit": [0.2, 0.0], "u_intercept_sd": 1.5, "u_stud_ses_on_u_intercept": 0.4, "u_stud_ses_sd": 0.7,
        "f_on": [-0.3, 0.5], "f_sd": 0.6, "C_loading": [[1.0, 0.0]], "intercept": [3.0, 0.0],
        "coefficient": [[1.0], [-1.0]], "random": np.eye(2), "residual_sd": 2.0,
    }  # fmt: skip
    df = bm.simulate(model, truth, df=schools(6000, 2).assign(stud_ses=lambda d: np.tile([0.0, 1e-9], 6000)), seed=3)
    data = bm.prepare(model, df.head(40), bm.gauss_hermite(3))
    found = tables(data, data.pack({k: np.asarray(v, dtype=float) for k, v in truth.items()}))
    drawn = df.iloc[::2][["true_u_intercept", "true_u_stud_ses", "true_f"]]
    assert found["random_covariance"].values == pytest.approx(drawn.cov().to_numpy(), abs=0.08)
    assert found["random_correlation"].values == pytest.approx(drawn.corr().to_numpy(), abs=0.04)
    within = df["math"] - np.asarray(truth["intercept"])[df["true_C"] - 1]  # individuals as if of one class
    pairs = within.to_numpy().reshape(-1, 2)
    assert float(found["outcome_icc"]) == pytest.approx(np.corrcoef(pairs.T)[0, 1], abs=0.04)


def test_a_variance_of_zero_has_no_correlation_and_no_noise():
    data, values, theta = prepared(CONVENTIONAL, schools(8, 5).assign(math=np.arange(40.0)))
    data = data.on_user_scale()  # where the covariance matrix below is meant
    values |= {"u_female_sd": np.array(0.0), "u_female_on_u_intercept": np.array(0.0)}
    *_, further = derive(data, data.pack(values))
    found, se = further.dataset(), further.standard_errors(0.01 * np.eye(len(theta)))
    assert float(found["random_variance"].sel(random_part="u_female")) == 0.0
    assert np.isnan(found["random_correlation"].values[[0, 1, 1], [1, 0, 1]]).all()
    assert np.isnan(se["random_correlation"].values).all()
    assert float(se["random_variance"].sel(random_part="u_female")) == 0.0
    assert float(se["random_variance"].sel(random_part="u_intercept")) == pytest.approx(
        0.2 * float(values["u_intercept_sd"]), rel=1e-6
    )


def test_other_outcomes_and_templates_have_no_residual_intraclass_correlation():
    df = schools(8, 5).assign(n=np.arange(40) % 4)
    model = regression_mixture("n ~ female", family=bm.poisson(), cluster="school")
    data, _, theta = prepared(model, df)
    assert "outcome_icc" not in tables(data, theta)
    assert "random_variance" in tables(data, theta)
    items = [f"i{k}" for k in range(3)]
    data, _, theta = prepared(lca(items, 2, cluster="school"), df.assign(**{i: df["n"] % 2 for i in items}))
    assert not [k for k in tables(data, theta) if k.startswith("random_")]


# the listing --------------------------------------------------------------------------------------


def section(text: str, title: str) -> str:
    """The lines of one section."""
    blocks, inside = [], False
    for line in text.splitlines():
        if line and not line.startswith(" "):
            inside = line == title.upper()
        elif inside:
            blocks.append(line)
    assert blocks, f"no section {title}"
    return "\n".join(blocks).strip("\n")


def cells(text: str, label: str) -> list[str]:
    """What stands beside a label."""
    (line,) = [k for k in text.splitlines() if k.strip() == label or k.strip().startswith(f"{label}  ")]
    return line.strip().removeprefix(label).split()


def test_a_regression_mixture_is_listed_as_a_regression(mixture):
    _, fit = mixture
    text, s = bm.report(fit), fit.summary()
    assert cells(section(text, "Model and data"), "Regression of") == ["math", "on", "female", "+", "stud_ses"]
    results = section(text, "Results: regression of math")
    size = fit.probabilities["C_probability"].values
    for k in (1, 2):
        block = results.split(f"Class C = {k} ({100 * size[k - 1]:.1f}%)")[1].split("\n\n")[0]
        for label, entry in (("intercept", f"intercept[{k}]"), ("female", f"coefficient[{k}, female]")):
            found = cells(block, label)
            assert found[:2] == [f"{s.loc[entry, c]:.3f}" for c in ("estimate", "se")]
    common = results.split("All classes")[1]
    assert cells(common, "female on mean_ses")[0] == f"{s.loc['female_on[mean_ses]', 'estimate']:.3f}"
    sd, se = s.loc["residual_sd", ["estimate", "se"]].astype(float)
    assert cells(common, "residual variance")[:2] == [f"{sd**2:.3f}", f"{2 * sd * se:.3f}"]
    assert "random" not in results
    assert "fixed" not in results
    classes = section(text, "Results: class variable C, logits against C = 2")
    assert cells(classes, "stud_ses")[0] == f"{s.loc['class_slope[1, stud_ses]', 'estimate']:.3f}"
    assert "Fixed at 1: C_loading[f, 1]." in classes
    assert "Class C = 2" not in classes
    assert max(map(len, text.splitlines())) <= 100


def test_random_coefficients_are_listed_by_variances_and_covariances(mixture):
    _, fit = mixture
    text = section(bm.report(fit), "Random effects of clusters (school): residual variances and covariances")
    blocks = dict(zip(("Variances", "Covariances", "Correlations", "Residual"), text.split("\n\n"), strict=False))
    variance = fit.derived["random_variance"]
    for name in ("u_intercept", "u_female", "f"):
        assert cells(blocks["Variances"], name)[0] == f"{float(variance.sel(random_part=name)):.3f}"
    pair = {"random_part": "u_female", "random_part_": "u_intercept"}
    covariance, error = (float(x["random_covariance"].sel(pair)) for x in (fit.derived, fit.derived_se))
    assert cells(blocks["Covariances"], "u_female with u_intercept")[:3] == [
        f"{covariance:.3f}", f"{error:.3f}", f"{covariance / error:.3f}"
    ]  # fmt: skip
    assert blocks["Covariances"].count(" with ") == blocks["Correlations"].count(" with ") == 3
    assert cells(blocks["Residual"], "math")[0] == f"{float(fit.derived['outcome_icc']):.3f}"
    assert "u_intercept_sd" not in text.rpartition("fit.summary():")[0]
    assert "RESULTS: CLUSTER LEVEL" not in bm.report(fit)


def test_a_regression_of_one_class_is_shown_everywhere(conventional):
    _, fit = conventional
    text = bm.report(fit)
    assert "Class" not in section(text, "Results: regression of math")
    assert "CLASS COUNTS" not in text
    assert "after short run" not in text  # every start goes to convergence
    assert "entropy" not in repr(fit)
    assert "coefficient[female]" in fit._repr_html_()
    interval = [float(v) for v in cells(text.split("Variances")[1].split("\n\n")[0], "u_intercept")[4:6]]
    sd, se = fit.summary().loc["u_intercept_sd", ["estimate", "se"]].astype(float)
    assert interval == pytest.approx([max(sd - 1.96 * se, 0) ** 2, (sd + 1.96 * se) ** 2], abs=2e-3)
    table = bm.compare(fit).table
    assert "random_correlation[u_female, u_intercept]" in table.index
    assert "random_variance[u_female]" in table.index


def test_thresholds_and_classes_of_clusters_are_listed():
    df = schools(20, 10)
    model = regression_mixture("o ~ stud_ses", family=bm.ordinal(), cluster="school", random="0", cluster_classes=2)
    truth = {
        "cluster_class_logit": [0.2, 0.0],
        "outcome_threshold": [[-1, 1.0], [0, 2.0]],
        "coefficient": [[1.5], [-1]],
    }
    df = bm.simulate(model, truth, df=df, seed=2)
    text = bm.report(bm.fit(model, df, starts=3, finals=2, rounds=1))
    results = section(text, "Results: regression of o")
    assert results.count("outcome threshold 2") == 2
    assert "Class D = 1" in results
    assert "Results: class variable D of clusters, logits against D = 2".upper() in text


# the outcome by class -----------------------------------------------------------------------------


def heights(ax, k: int = 0) -> np.ndarray:
    return np.array([b.get_height() for b in ax.containers[k]])


def test_the_outcome_is_counted_by_class_probabilities(mixture):
    df, fit = mixture
    axes = plots.outcome(fit, df, by="female", truth="true_C")
    assert len(axes) == 5
    p, bins = fit.class_probabilities()[["C=1", "C=2"]].to_numpy(), np.histogram_bin_edges(df["math"], "auto")
    agree = [[p[df["true_C"] == k].sum(axis=0)[c] for c in (0, 1)] for k in (1, 2)]
    own = {0: 1, 1: 2} if agree[0][0] + agree[1][1] > agree[0][1] + agree[1][0] else {0: 2, 1: 1}
    for (g, k), ax in zip(np.ndindex(2, 2), axes, strict=False):
        here = (df["female"] == g).to_numpy()
        y, w = df["math"].to_numpy()[here], p[here, k]
        assert heights(ax) == pytest.approx(np.histogram(y, bins, weights=w)[0])
        assert f"mean {np.average(y, weights=w):.2f}, n = {w.sum():.0f}" in ax.get_title()
        outline = np.asarray(ax.patches[-1].get_path().vertices)[1:-1:2, 1]
        assert outline == pytest.approx(np.histogram(y[(df["true_C"] == own[k])[here]], bins)[0])
    for g in (0, 1):
        expected_counts, _ = np.histogram(df["math"][df["female"] == g], bins)
        assert heights(axes[-1], g) == pytest.approx(expected_counts)
    assert axes[0].get_title().startswith("C = 1 (")
    assert axes[2].get_ylabel() == "female = 1\nindividuals"
    assert [t.get_text() for t in axes[0].figure.legends[0].get_texts()] == ["female = 0", "female = 1", "true class"]


def test_without_classes_the_observed_distributions_stand_alone(conventional):
    df, fit = conventional
    (ax,) = plots.outcome(fit, df, by="female")
    assert heights(ax, 0).sum() + heights(ax, 1).sum() == len(df)
    assert ax.get_xlabel() == "math"


def test_classes_of_clusters_are_read_by_cluster():
    model = regression_mixture("n ~ female", family=bm.poisson(), cluster="school", random="0", cluster_classes=2)
    truth = {"cluster_class_logit": [0.2, 0.0], "intercept": [2.0, 0.3], "coefficient": [[0.2], [0.1]]}
    df = bm.simulate(model, truth, df=schools(20, 10), seed=2).assign(k=lambda d: 1 + np.arange(len(d)) % 2)
    fit = bm.fit(regression_mixture("n ~ female", 1, None, bm.poisson(), freq="k", cluster="school", random="0",
                                    cluster_classes=2), df, starts=3, finals=2, rounds=1)  # fmt: skip
    axes = plots.outcome(fit, df)
    p = fit.class_probabilities("D")[["D=1", "D=2"]].loc[df["school"]].to_numpy()
    for k in (0, 1):
        assert heights(axes[k]).sum() == pytest.approx((df["k"] * p[:, k]).sum())
    assert [b.get_width() for b in axes[0].containers[0]] == pytest.approx(np.ones(len(axes[0].containers[0])))


def test_outcomes_that_cannot_be_drawn_are_explained(mixture, fitted, two_classes):
    df, fit = mixture
    with pytest.raises(ValueError, match="The fit has 5 items, expected the one outcome"):
        plots.outcome(fitted, two_classes)
    with pytest.raises(ValueError, match=r"no column 'femal'. Did you mean 'female'"):
        plots.outcome(fit, df, by="femal")
    with pytest.raises(ValueError, match=r"'stud_ses' has \d+ values, and a picture has room for 4"):
        plots.outcome(fit, df, by="stud_ses")
    with pytest.raises(ValueError, match="The data have 10 rows, those of the fit 300"):
        plots.outcome(fit, df.head(10))
    with pytest.raises(ValueError, match="'school' has 30 classes, the fit 2"):
        plots.outcome(fit, df, truth="school")
    with pytest.raises(ValueError, match="The outcome 'math' is no number"):
        plots.outcome(fit, df.assign(math="high"))
    with pytest.raises(ValueError, match="No class variable 'D'"):
        plots.outcome(fit, df, name="D")


# ML beside Bayes ----------------------------------------------------------------------------------


def drawn_about(fit, draws: int = 50) -> xr.DataTree:
    """A posterior that is normal about the fit, as `bm.sample` lays it out."""
    rng, coords = np.random.default_rng(1), {"chain": range(2), "draw": range(draws)}
    whole = xr.merge([fit.params, fit.derived, fit.probabilities]).drop_vars("C_correlation", errors="ignore")
    noise = {k: rng.normal(0, 0.01, (2, draws, *x.shape)) for k, x in whole.items()}
    free = {k: fit.free[k].values if k in fit.free else True for k in whole}
    held = {k: (("chain", "draw", *x.dims), x.values + free[k] * noise[k], x.attrs) for k, x in whole.items()}
    ds = xr.Dataset(held, coords=coords | {d: whole[d].values for d in whole.dims})
    tree = xr.DataTree.from_dict({"/posterior": ds})
    tree.attrs = carried(fit.model)
    return tree


EQUATIONS = [
    "C_probability", "intercept", "coefficient", "intercept_on", "female_on", "residual_sd", "random_variance",
    "random_correlation", "class_logit", "class_slope", "cluster_slope",
]  # fmt: skip


def test_the_forest_of_a_regression_has_its_equations(mixture):
    _, fit = mixture
    post = drawn_about(fit)
    for found in (bm.compare(fit), bm.compare(fit, post), bm.compare(post=post)):
        assert [ax.get_title(loc="left") for ax in found.plot().axes] == EQUATIONS
    both = bm.compare(fit, post)
    ax = both.plot().axes[EQUATIONS.index("coefficient")]
    labels = [t.get_text() for t in ax.get_yticklabels()]
    assert labels == ["female, C = 1", "stud_ses, C = 1", "female, C = 2", "stud_ses, C = 2"]
    rows = both.table.loc[[k for k in both.table.index if k.startswith("coefficient[")]]
    for bars, column in zip(ax.containers, ("ml", "mean"), strict=True):
        assert np.asarray(bars.lines[0].get_xdata()) == pytest.approx(rows[column].to_numpy())
    assert [ax.get_title(loc="left") for ax in both.plot("probability").axes] == ["C_probability"]


def test_the_forest_of_one_class_has_no_class(conventional):
    titles = [ax.get_title(loc="left") for ax in bm.compare(conventional[1]).plot().axes]
    assert titles == [
        "intercept", "coefficient", "intercept_on", "female_on", "residual_sd", "random_variance", "random_correlation"
    ]  # fmt: skip


# coefficients of clusters -------------------------------------------------------------------------


def test_random_effects_are_school_averages_over_the_classes(mixture):
    df, fit = mixture
    p = fit.class_probabilities()[["C=1", "C=2"]].groupby(df["school"]).mean().to_numpy()
    w, u = df.groupby("school")[W].first().to_numpy(), fit.effects()
    value = {k: x.values for k, x in fit.params.items()}
    x = p @ value["intercept"] + value["intercept_on"] * w + u["u_intercept"].values
    y = p @ value["coefficient"][:, 0] + value["female_on"] * w + u["u_female"].values
    ax = plots.random_effects(fit, df)
    points = [np.asarray(v, dtype=float) for v in ax.lines[1].get_data()]
    assert points[0] == pytest.approx(x, abs=1e-4)
    assert points[1] == pytest.approx(y, abs=1e-4)
    assert ax.get_title() == f"slope of female above zero in {(y > 0).sum()} of 30 clusters ({(y > 0).mean():.0%})"
    assert list(ax.lines[0].get_ydata()) == [0.0, 0.0]
    assert ax.get_ylabel() == "random slope of female, averaged over classes"
    other = plots.random_effects(fit, df, slope="stud_ses", intercept="female")
    assert np.asarray(other.lines[1].get_data()[1]) == pytest.approx(p @ value["coefficient"][:, 1], abs=1e-4)


def test_random_effects_of_a_conventional_model_are_best_linear_predictors(conventional):
    df, fit = conventional
    v = {k: x.values for k, x in fit.params.items()}
    cov = fit.derived["random_covariance"].values
    found = bm.coefficients(fit, df)
    for school, rows in df.groupby("school"):
        z, w = np.column_stack([np.ones(len(rows)), rows["female"]]), rows[W].iloc[0]
        fixed = np.array([v["intercept"] + v["intercept_on"][0] * w, v["coefficient"][0] + v["female_on"][0] * w])
        total = z @ cov @ z.T + v["residual_sd"] ** 2 * np.eye(len(rows))
        expected_here = fixed + cov @ z.T @ np.linalg.solve(total, rows["math"] - z @ fixed)
        assert found.loc[school, ["1", "female"]].to_numpy(dtype=float) == pytest.approx(expected_here, abs=1e-4)


def test_random_effects_of_a_posterior_are_averaged_over_its_draws(mixture):
    df, fit = mixture
    v = {str(k): np.asarray(x) for k, x in fit.params.items()}
    z = np.random.default_rng(0).normal(size=(1, 3, 30, 3))
    found = bm.coefficients(posterior_of(MIXTURE, df, v, z), df)
    school = pd.factorize(df["school"])[0]
    w, x = df.groupby("school")[W].first().to_numpy(), df[["female", "stud_ses"]].to_numpy()
    total = np.zeros(30)
    for d in range(3):
        u0 = v["u_intercept_sd"] * z[0, d, :, 0]
        u1 = v["u_female_on_u_intercept"] * u0 + v["u_female_sd"] * z[0, d, :, 1]
        f = v["f_on"] @ np.stack([u0, u1]) + v["f_sd"] * z[0, d, :, 2]
        logit = v["class_logit"][0] + x @ v["class_slope"][0] + (v["cluster_slope"][0] * w + f)[school]
        beta0 = v["intercept"] + (v["intercept_on"] * w + u0)[school, None]
        slope = v["coefficient"][:, 0] + (v["female_on"] * w + u1)[school, None]
        mean = beta0 + slope * x[:, :1] + v["coefficient"][:, 1] * x[:, 1:]
        density = stats.norm.pdf(df["math"].to_numpy()[:, None], mean, v["residual_sd"])
        p = density * np.stack([expit(logit), expit(-logit)], axis=1)
        p /= p.sum(axis=1, keepdims=True)
        total += pd.Series((p * slope).sum(axis=1)).groupby(school).mean().to_numpy() / 3
    assert found["female"].to_numpy() == pytest.approx(total, rel=1e-8)
    assert list(found.index) == list(df.groupby("school").groups)
    with pytest.raises(ValueError, match=r"no sampled effects: give bm.sample\(..., effects='sample'\)"):
        plots.random_effects(posterior_of(MIXTURE, df, v, None), df)


def test_classes_of_both_levels_are_weighed_jointly():
    model = regression_mixture("math ~ female", 2, cluster="school", random="0", effects="none", cluster_classes=2)
    truth = {
        "cluster_class_logit": [0.3, 0.0], "class_logit": [0.2, 0.0], "intercept": [[8.0, 0.0], [5.0, -4.0]],
        "coefficient": [[[1.0], [-1.0]], [[2.0], [0.5]]], "residual_sd": 1.0,
    }  # fmt: skip
    df = bm.simulate(model, truth, df=schools(12, 6), seed=4)
    start = {k: np.asarray(v) for k, v in truth.items()}
    with pytest.warns(UserWarning, match="one start only"):
        fit = bm.fit(model, df, starts=1, finals=1, rounds=1, start=start)
    found = bm.coefficients(fit, df)
    v, y, x = (
        {str(k): a.transpose(..., *[d for d in ("D", "C") if d in a.dims]).values for k, a in fit.params.items()},
        df["math"].to_numpy(),
        df["female"].to_numpy(),
    )
    slope = fit.params["coefficient"].transpose("D", "C", ...).values[..., 0]
    mean = v["intercept"] + slope * x[:, None, None]
    joint = stats.norm.pdf(y[:, None, None], mean, v["residual_sd"]) * softmax(v["class_logit"])
    for school, rows in df.groupby("school").indices.items():
        d = joint[rows].sum(axis=2).prod(axis=0) * softmax(v["cluster_class_logit"])
        given = joint[rows] / joint[rows].sum(axis=2, keepdims=True)
        p = given * (d / d.sum())[:, None]
        assert found.loc[school, "female"] == pytest.approx((p * slope).sum(axis=(1, 2)).mean(), abs=1e-6)


def test_coefficients_that_cannot_be_drawn_are_explained(mixture, conventional, fitted, two_classes):
    df, fit = mixture
    plain = regression_mixture("math ~ female", cluster="school")
    with pytest.raises(ValueError, match=r"no random slope: declare one, e\.g\. random='1 \+ female'"):
        plots.random_effects(replace(fit, model=plain), df)
    with pytest.raises(ValueError, match="'age' is no coefficient of the regression: there are 1, female, stud_ses"):
        plots.random_effects(fit, df, slope="age")
    with pytest.raises(ValueError, match="belong to a regression with a cluster column"):
        plots.random_effects(fitted, two_classes, slope="x")


# class curves -------------------------------------------------------------------------------------

SIDES = np.stack([np.zeros((2, 5)), np.array([[2.0] * 5, [-2.0] * 5])], axis=-1)


def curves(ax) -> np.ndarray:
    """Probabilities, (class, point)."""
    return np.array([np.asarray(line.get_ydata(), dtype=float) for line in ax.lines])


def answers(n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(rng.integers(0, 2, (n, 10)), columns=list("abcdefghij")).assign(room=np.arange(n) % 6)


@pytest.mark.parametrize("variance", [2.0, 100.0, 10000.0])
def test_a_class_curve_is_logistic_and_steepens_to_a_step(variance):
    model, df = lca(list("abcde"), 2, cluster="room"), answers()
    values = {"class_logit": [0.4, 0.0], "cluster_loading": [[variance**0.5, 0.0]], "item_logit": SIDES}
    (ax,) = plots.class_curves(posterior_of(model, df, values, None))
    t = np.linspace(-3, 3, 601)
    p = expit(0.4 + variance**0.5 * t)
    assert curves(ax) == pytest.approx(np.stack([p, 1 - p]))
    assert ax.get_xlabel() == "u1, in standard deviations"
    assert ax.get_ylabel() == "P(C | u1)"
    labels = [t.get_text() for t in ax.figure.legends[0].get_texts()]
    assert labels == [f"C = 1 (logit SD {variance**0.5:.2f})", "C = 2"]


def test_other_effects_are_averaged_given_the_one_drawn():
    model, df = lca(list("abcde"), 3, cluster="room"), answers()
    loading = np.array([[1.5, 0.8, 0.0], [0.0, 1.0, 0.0]])
    values = {
        "class_logit": [0.3, 0.1, 0.0],
        "cluster_loading": loading,
        "item_logit": np.concatenate([SIDES, SIDES[:1]]),
    }
    result = posterior_of(model, df, values, None)
    for name, own, rest in (("u1", 0, 1), ("u2", 1, 0)):
        (ax,) = plots.class_curves(result, effect=name)
        z = stats.norm.ppf((np.arange(20000) + 0.5) / 20000)
        for point, t in ((0, -3.0), (400, 1.0)):
            logits = np.array([0.3, 0.1, 0.0]) + t * loading[own] + z[:, None] * loading[rest]
            assert curves(ax)[:, point] == pytest.approx(softmax(logits, axis=1).mean(axis=0), abs=1e-3)


def test_a_transition_has_a_curve_for_each_class_left():
    model, df = lta([list("abcde"), list("fghij")], 2, cluster="room"), answers()
    values = {
        "C1_logit": [0.2, 0.0], "C1_loading": [[1.0, 0.0]], "C2_logit": [[1.0, 0.0], [-1.0, 0.0]],
        "C2_loading": [[1.0, 0.0]], "alpha1_sd": 1.5, "alpha2_on_alpha1": 0.6, "alpha2_sd": 0.5, "item_logit": SIDES,
    }  # fmt: skip
    axes = plots.class_curves(posterior_of(model, df, values, None), name="C2")
    assert [ax.get_title() for ax in axes] == ["C1 = 1", "C1 = 2"]
    t, sd = np.linspace(-3, 3, 601), np.sqrt(0.6**2 * 1.5**2 + 0.5**2)
    for ax, base in zip(axes, (1.0, -1.0), strict=True):
        assert curves(ax)[0] == pytest.approx(expit(base + sd * t))
    (first,) = plots.class_curves(posterior_of(model, df, values, None))
    assert curves(first)[0] == pytest.approx(expit(0.2 + 1.5 * t))


def test_a_regression_mixture_has_curves_at_its_covariates(mixture):
    df, fit = mixture
    (ax,) = plots.class_curves(fit, df=df)
    v = {k: x.values for k, x in fit.params.items()}
    w = df.groupby("school")[W].first().mean()
    base = (
        v["class_logit"][0]
        + df[["female", "stud_ses"]].mean().to_numpy() @ v["class_slope"][0]
        + v["cluster_slope"][0, 0] * w
    )
    sd = np.sqrt(float(fit.derived["random_variance"].sel(random_part="f")))
    assert curves(ax)[0] == pytest.approx(expit(base + sd * np.linspace(-3, 3, 601)))
    assert ax.get_xlabel().endswith("(covariates at their means)")
    (at_zero,) = plots.class_curves(fit)
    assert curves(at_zero)[0, 300] == pytest.approx(expit(v["class_logit"][0]))


def test_curves_that_cannot_be_drawn_are_explained(mixture, conventional, fitted):
    df, fit = mixture
    with pytest.raises(ValueError, match="No class variable of the model has random logits"):
        plots.class_curves(fitted)
    with pytest.raises(ValueError, match="The logits of C do not depend on 'u_female': give one of f"):
        plots.class_curves(fit, effect="u_female")
    with pytest.raises(ValueError, match="'D' has no random logits; C has them"):
        plots.class_curves(fit, name="D")
    with pytest.raises(TypeError, match="The result came as Model, expected a fit"):
        plots.class_curves(MIXTURE, fit)
    model, values = lca(list("abcde"), 2, cluster="g"), {"class_logit": [0.4, 0.0], "item_logit": SIDES}
    flat = posterior_of(model, answers(), values | {"cluster_loading": [[1.0, 0.0]]}, None)
    assert len(plots.class_curves(flat)) == 1
    still = TRUTH | {"f_sd": 0.0, "f_on": [0.0, 0.0]}
    with pytest.raises(ValueError, match="The variance of 'f' is zero"):
        plots.class_curves(posterior_of(MIXTURE, df, still, None))


# the path diagram ---------------------------------------------------------------------------------


def test_the_diagram_has_filled_circles_and_broken_arrows(mixture):
    _, fit = mixture
    dot = plots.diagram(fit).dot
    assert '"place female" [shape=point, width=0.13' in dot
    assert '"place stud_ses" [shape=point, width=0.01' in dot
    assert '"C" -> "place female" [style=dashed];' in dot
    assert '"C" -> "place stud_ses" [style=dashed];' in dot
    assert '"between 1" -> "response" [arrowhead=dot' in dot
    assert '"box mean_ses" -> "between female" [label=" ' + f"{float(fit.params['female_on'].item()):.2f}" in dot
    sd = np.sqrt(float(fit.derived["random_variance"].sel(random_part="u_female")))
    assert f"slope of\\nfemale\\nSD {sd:.2f}" in dot
    assert dot.count("correlated residuals") == 1
    assert dot.count("label=mean_ses") + dot.count('label="mean_ses"') == 1
    assert plots.diagram(MIXTURE).dot.count("(") == 0


def test_two_random_coefficients_are_joined_by_an_arrow(conventional):
    _, fit = conventional
    dot = plots.diagram(fit).dot
    assert '"between 1" -> "between female" [dir=both' in dot
    assert "dashed" not in dot
    single = plots.diagram(regression_mixture("math ~ female", 2, "female")).dot
    assert "subgraph" not in single
    assert (
        "dir=both"
        not in plots.diagram(regression_mixture("math ~ x", cluster="g", random="1 + x", covariance="independent")).dot
    )
