"""Several outcomes in one regression mixture: densities by SciPy, limits with a formula, gaps, refusals."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bayesmix.models.regression_mixture import regression_mixture
from numpy.testing import assert_allclose
from scipy import special, stats

import bayesmix as bm
from bayesmix.graph import LogLikelihood
from bayesmix.ml.starts import ranges
from bayesmix.reports.gallery import pictures
from declare import target
from densities import loglik

CLUSTERS, ROWS = 30, 6
FIT = {"starts": 3, "rounds": 1, "progress": False, "budget": 0}
MIXED = {"b": bm.bernoulli()}


@pytest.fixture(scope="module")
def whole() -> pd.DataFrame:
    """Two normal outcomes and a binary one with random parts in common, in clusters; covariates far from zero."""
    rng = np.random.default_rng(3)
    n, g = CLUSTERS * ROWS, np.repeat(np.arange(CLUSTERS), ROWS)
    u = rng.multivariate_normal([0, 0, 0], [[1.0, 0.5, 0.3], [0.5, 0.8, 0.2], [0.3, 0.2, 0.5]], CLUSTERS)[g]
    x, z, c = rng.normal(20, 3, n).round(2), rng.normal(size=n).round(2), rng.random(n) < 0.4
    w = np.repeat(rng.normal(size=CLUSTERS).round(2), ROWS)
    e = rng.multivariate_normal([0, 0], [[1.0, 0.6], [0.6, 2.0]], n)
    return pd.DataFrame(
        {
            "y1": 3 + np.where(c, 0.5, -0.2) * (x - 20) + u[:, 0] + e[:, 0],
            "y2": np.where(c, -1.0, 1.0) + 0.3 * (x - 20) + np.where(c, 1.0, -1.0) * z + u[:, 1] + e[:, 1],
            "b": (rng.random(n) < special.expit(np.where(c, 1.0, -0.5) * z + u[:, 2])).astype(int),
            "x": x, "z": z, "w": w, "g": g,
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def gaps(whole) -> pd.DataFrame:
    """A seventh of each outcome is missing, of some rows all."""
    gone = np.random.default_rng(8).random((len(whole), 3)) < 1 / 7
    return whole.assign(**whole[["y1", "y2", "b"]].mask(gone))


def point(data, seed: int = 0) -> np.ndarray:
    """A point near the margins, with matrices that are positive definite."""
    rng, limits = np.random.default_rng(seed), ranges(data)
    return limits.startable(limits.center + 0.3 * limits.unit * rng.standard_normal(data.packing.size))


def values_at(data, theta) -> dict[str, np.ndarray]:
    """Parameters on the user's scale, with the covariances of half of the products of SDs."""
    values = {k: np.asarray(v) for k, v in data.natural(theta).items()}
    for name in (k for k in values if k.startswith("residual_covariance")):
        sd = values[name.replace("covariance", "sd")]
        least = sd.min(axis=tuple(range(1, sd.ndim))).prod()
        values[name] = np.full(values[name].shape, 0.5 * least) * np.linspace(1.0, 0.5, values[name].size)
    return values


def entries(model, df, values) -> dict[str, float]:
    """Every entry by its label."""
    data = target(model, df)
    coords = data.coords
    out = {}
    for p in model.parameters:
        for at in np.ndindex(values[p.name].shape):
            inside = ", ".join(str(coords[d][k]) for d, k in zip(p.dims, at, strict=True))
            out[f"{p.name}[{inside}]" if inside else p.name] = float(values[p.name][at])
    return out


# limits -------------------------------------------------------------------------------------------


def test_without_covariances_one_class_is_the_regressions_apart(gaps):
    together = bm.fit(regression_mixture("y1 ~ x; y2 ~ x + z", residual_covariance="none"), gaps, **FIT)
    apart = [bm.fit(regression_mixture(f), gaps, **FIT) for f in ("y1 ~ x", "y2 ~ x + z")]
    assert_allclose(together.loglik, sum(f.loglik for f in apart), rtol=1e-10)
    assert together.n_parameters == sum(f.n_parameters for f in apart) == 7
    assert_allclose(together.params.coefficient_2[1], apart[1].params.coefficient, rtol=1e-6)
    assert_allclose(together.summary().loc["residual_sd[y1]", "se"], apart[0].se.residual_sd, rtol=1e-5)


def test_other_families_apart_add_up(whole):
    """Ordinal outcomes with other numbers of categories, counts with dispersions, a variance linear in a covariate."""
    rng = np.random.default_rng(2)
    df = whole.assign(
        o=pd.cut(whole.y1, 3, labels=False), p=pd.qcut(whole.y2, 4, labels=False), k=rng.poisson(3.0, len(whole)),
        m=rng.negative_binomial(2, 0.4, len(whole)), y=whole.y1, v=whole.y2,
    )  # fmt: skip
    families = {"o": bm.ordinal(), "p": bm.ordinal(), "k": bm.poisson(), "m": bm.negative_binomial()}
    variance = {"y": "z"}
    formulas = {"o": "x", "p": "x + z", "k": "z", "m": "z", "y": "x", "v": "x"}
    texts = [f"{k} ~ {right}" for k, right in formulas.items()]
    together = bm.fit(regression_mixture(texts, 1, None, families, variance, residual_covariance="none"), df, **FIT)
    assert {r.name: r.items for r in together.model.responses} == {
        "ordinal": ("o", "p"), "poisson": ("k",), "negative_binomial": ("m",), "normal_1": ("y",), "normal_2": ("v",)
    }  # fmt: skip
    apart = [
        bm.fit(regression_mixture(text, 1, None, families.get(k), variance.get(k, "equal")), df, **FIT)
        for k, text in zip(formulas, texts, strict=True)
    ]
    assert_allclose(together.loglik, sum(f.loglik for f in apart), rtol=1e-8)
    assert together.n_parameters == sum(f.n_parameters for f in apart)
    assert "threshold" in bm.report(together)


def test_with_the_same_regressors_coefficients_are_those_of_least_squares(whole):
    fit = bm.fit(regression_mixture("y1 + y2 ~ x + z"), whole, **FIT)
    design = np.column_stack([np.ones(len(whole)), whole.x, whole.z])
    y = whole[["y1", "y2"]].to_numpy()
    b = np.linalg.lstsq(design, y, rcond=None)[0]
    s = (y - design @ b).T @ (y - design @ b) / len(y)
    assert_allclose(fit.params.intercept, b[0], rtol=1e-5)
    assert_allclose(fit.params.coefficient, b[1:].T, rtol=1e-5, atol=1e-7)
    assert_allclose(bm.residual_covariances(fit), s, rtol=1e-5)
    assert_allclose(fit.loglik, stats.multivariate_normal([0, 0], s).logpdf(y - design @ b).sum(), rtol=1e-10)
    assert fit.n_parameters == 9
    assert [*fit.summary().index[:4]] == ["intercept[y1]", "intercept[y2]", "coefficient[y1, x]", "coefficient[y1, z]"]


def test_with_other_regressors_it_is_seemingly_unrelated_regression(whole):
    """Zellner's generalised least squares, iterated to the maximum of the likelihood."""
    fit = bm.fit(regression_mixture(["y1 ~ x", "y2 ~ z"]), whole, **FIT)
    one, y = np.ones(len(whole)), whole[["y1", "y2"]].to_numpy()
    designs = [np.column_stack([one, whole.x]), np.column_stack([one, whole.z])]
    s, b = np.eye(2), np.zeros(4)
    for _ in range(200):
        p = np.linalg.inv(s)
        left = np.block([[p[i, j] * designs[i].T @ designs[j] for j in range(2)] for i in range(2)])
        right = np.concatenate([designs[i].T @ (y @ p[i]) for i in range(2)])
        b = np.linalg.solve(left, right)
        e = y - np.column_stack([designs[0] @ b[:2], designs[1] @ b[2:]])
        s = e.T @ e / len(y)
    table = fit.summary().estimate
    labels = ["intercept[y1]", "coefficient_1[y1, x]", "intercept[y2]", "coefficient_2[y2, z]"]
    assert_allclose(table[labels], b, rtol=1e-5)
    assert_allclose(bm.residual_covariances(fit), s, rtol=1e-5)
    assert fit.n_parameters == 7 == len(table)  # nothing is listed that is no coefficient


# the density --------------------------------------------------------------------------------------


BY_CLASS = {
    "one formula": lambda: regression_mixture("y1 + y2 ~ x + z", 2, variance="class", residual_covariance="class"),
    "two formulas": lambda: regression_mixture("y1 ~ x; y2 ~ x + z", 2, "z"),
    "common slopes": lambda: regression_mixture("y1 + y2 ~ x + z", 2, by_class="1 + z"),
    "by outcome": lambda: regression_mixture(
        "y1 + y2 ~ x + z", 2, by_class={"y1": "1 + x", "y2": "0 + z"}, variance="class", residual_covariance="equal"
    ),
    "mixed": lambda: regression_mixture(["y1 + y2 ~ x", "b ~ z"], 2, "z", MIXED),
    "pairs": lambda: regression_mixture(
        "y1 + y2 ~ x", 3, residual_covariance=[("y2", "y1")], residual_covariance_by_class=True
    ),
    "no covariances": lambda: regression_mixture("y1 + y2 ~ x", 2, variance="class", residual_covariance="none"),
}


def loop(model, df, values, effects=None) -> np.ndarray:
    """log p of the rows given the classes, summed over these, by SciPy's densities of the answers that are there.

    `effects` are added to the predictors of the outcomes, by outcome.
    """
    of, classes = entries(model, df, values), model.classes[0].size if model.classes else 1
    normal = [y for y in ("y1", "y2") if y in model.items]

    def read(names, y, c, *more) -> float:
        for name in names:
            for inside in ([y, c, *more], [y, *more]):
                if (label := f"{name}[{', '.join(map(str, inside))}]") in of and of[label] != 0.0:
                    return of[label]
        return 0.0

    def named(stem: str) -> list[str]:
        return [p.name for p in model.parameters if p.name.startswith(stem)]

    out = np.zeros(len(df))
    for i, row in enumerate(df.to_dict("records")):
        each = []
        for c in range(1, classes + 1):
            eta = {
                y: read(named("intercept"), y, c)
                + sum(read(named("coefficient"), y, c, k) * row[k] for k in ("x", "z"))
                + (0.0 if effects is None else effects[y])
                for y in model.items
            }
            sd = [read(named("residual_sd"), y, c) for y in normal]
            pair = "y1, y2" if len(normal) == 2 else ""
            beside = read(named("residual_covariance"), pair, c) if pair else 0.0
            sigma = np.diag(np.square(sd)) + beside * (1 - np.eye(len(normal)))
            y = np.array([row[k] for k in normal], dtype=float)
            seen = ~np.isnan(y)
            total = 0.0
            if seen.any():
                mu = np.array([eta[k] for k in normal])[seen]
                total += stats.multivariate_normal(mu, sigma[np.ix_(seen, seen)]).logpdf(y[seen])
            if "b" in model.items and not np.isnan(row["b"]):
                total += stats.bernoulli.logpmf(int(row["b"]), special.expit(eta["b"]))
            each.append(total)
        if classes > 1:
            slope = [of.get(f"class_slope[{c}, z]", 0.0) for c in range(1, classes + 1)]
            logits = np.array([of[f"class_logit[{c + 1}]"] + slope[c] * row["z"] for c in range(classes)])
            each = np.array(each) + logits - special.logsumexp(logits)
        out[i] = special.logsumexp(each)
    return out


@pytest.mark.parametrize("name", BY_CLASS)
def test_the_log_likelihood_is_that_of_an_enumeration(name, gaps):
    model = BY_CLASS[name]()
    data = target(model, gaps)
    values = values_at(data, point(data))
    seen = gaps[[*model.items]].notna().any(axis=1)
    rows = loop(model, gaps, values)
    assert_allclose(bm.log_likelihood(model, gaps, values), rows[seen].sum(), rtol=1e-9)
    assert_allclose(LogLikelihood(data).value(data.pack(values)), rows[seen].sum(), rtol=1e-9)


COUNTS = {"one formula": 19, "two formulas": 15, "common slopes": 14, "by outcome": 15, "mixed": 17, "pairs": 19}


@pytest.mark.parametrize("name", COUNTS)
def test_the_number_of_parameters(name, gaps):
    data = target(BY_CLASS[name](), gaps)
    assert data.packing.size == COUNTS[name]


def test_classes_of_clusters_have_matrices_of_their_own(gaps):
    model = regression_mixture(
        "y1 + y2 ~ x", cluster="g", random="0", cluster_classes=2, variance="class", residual_covariance="class"
    )
    data = target(model, gaps)
    values = values_at(data, point(data, 5))
    total = 0.0
    logits = next(x for k, x in values.items() if k.endswith("logit"))
    for _, d in gaps.groupby("g"):
        each = logits - special.logsumexp(logits)
        for k, (y, x) in product(range(2), zip(d[["y1", "y2"]].to_numpy(), d.x, strict=True)):
            sd, beside = values["residual_sd"][:, k], values["residual_covariance"][0, k]
            sigma, seen = np.array([[sd[0] ** 2, beside], [beside, sd[1] ** 2]]), ~np.isnan(y)
            mu = values["intercept"][:, k] + values["coefficient"][:, k, 0] * x
            if seen.any():
                each[k] += stats.multivariate_normal(mu[seen], sigma[np.ix_(seen, seen)]).logpdf(y[seen])
        total += special.logsumexp(each)
    assert_allclose(bm.log_likelihood(model, gaps, values), total, rtol=1e-9)


# two levels ---------------------------------------------------------------------------------------


def random_matrix(values, names) -> np.ndarray:
    """The covariance matrix of effects that are regressed on those before them."""
    n = len(names)
    paths, sd = np.zeros((n, n)), np.array([float(values[f"{e}_sd"]) for e in names])
    for k, e in enumerate(names):
        if f"{e}_on_{names[0]}" in values:
            paths[k, 0] = float(values[f"{e}_on_{names[0]}"])
        elif f"{e}_on" in values:
            paths[k, :k] = values[f"{e}_on"]
    a = np.linalg.inv(np.eye(n) - paths) * sd
    return a @ a.T


def by_cluster(model, df, values) -> float:
    """A two-level regression of two normal outcomes: a multivariate normal density for each cluster."""
    names = [e.name for e in model.effects]
    phi, of = random_matrix(values, names), entries(model, df, values)
    columns = {"intercept": lambda d: np.ones(len(d)), "x": lambda d: d.x.to_numpy()}
    sd, total = values["residual_sd"], 0.0
    theta = np.array([[sd[0] ** 2, values["residual_covariance"][0]], [values["residual_covariance"][0], sd[1] ** 2]])

    def slope(y, k):
        return sum(v for label, v in of.items() if label.startswith("coef") and label.endswith(f"[{y}, {k}]"))

    for _, d in df.groupby("g"):
        y, mean, z = [], [], []
        for name in ("y1", "y2"):
            eta = of[f"intercept[{name}]"] + slope(name, "x") * d.x + slope(name, "z") * d.z
            for label, v in of.items():
                eta = eta + (v * d.w if label == f"intercept_on[{name}, w]" else 0.0)
                eta = eta + (v * d.w * d.x if label == f"x_on[{name}, w]" else 0.0)
            y, mean = [*y, d[name].to_numpy()], [*mean, eta.to_numpy()]
            z.append(
                np.column_stack([
                    columns[e.rpartition("_")[2]](d) if e.startswith(f"u_{name}") else np.zeros(len(d)) for e in names
                ])
            )  # fmt: skip
        y, mean, z = np.concatenate(y), np.concatenate(mean), np.concatenate(z)
        v = z @ phi @ z.T + np.kron(theta, np.eye(len(d)))
        seen = ~np.isnan(y)
        total += stats.multivariate_normal(mean[seen], v[np.ix_(seen, seen)]).logpdf(y[seen]) if seen.any() else 0.0
    return total


TWO_LEVEL = {
    "intercepts": lambda: regression_mixture("y1 + y2 ~ x", cluster="g"),
    "slopes": lambda: regression_mixture(
        "y1 + y2 ~ x", cluster="g", random="1 + x", cluster_covariates={"1": "w", "x": "w"}
    ),
    "by outcome": lambda: regression_mixture(
        "y1 ~ x; y2 ~ x + z", cluster="g", random={"y1": "1", "y2": "1 + x"}, covariance="slopes apart",
        cluster_covariates={"y1": {"1": "w"}, "y2": "w"}
    ),
    "independent": lambda: regression_mixture("y1 + y2 ~ x", cluster="g", covariance="independent"),
}  # fmt: skip


@pytest.mark.parametrize("name", TWO_LEVEL)
def test_random_parts_of_outcomes_are_jointly_normal(name, gaps):
    model = TWO_LEVEL[name]()
    data = target(model, gaps)
    values = values_at(data, point(data, 2))
    expected = by_cluster(model, gaps, values)
    assert isinstance(data.nodes["cluster"], type(bm.exact()))
    assert_allclose(LogLikelihood(data).value(data.pack(values)), expected, rtol=1e-8)
    assert_allclose(bm.log_likelihood(model, gaps, values), expected, rtol=1e-8)
    assert_allclose(bm.log_likelihood(model, gaps, values, nodes=bm.adaptive(5)), expected, rtol=1e-6)


def test_slopes_apart_leaves_the_covariances_of_slopes_zero():
    model = regression_mixture("y1 + y2 ~ x", cluster="g", random="1 + x", covariance="slopes apart")
    assert [e.name for e in model.effects] == ["u_y1_x", "u_y2_x", "u_y1_intercept", "u_y2_intercept"]
    on = {e.name: [k for t in e.mean for k in t.effects] for e in model.effects}
    assert on == {
        "u_y1_x": [], "u_y2_x": [], "u_y1_intercept": ["u_y1_x", "u_y2_x"],
        "u_y2_intercept": ["u_y1_x", "u_y2_x", "u_y1_intercept"],
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore:Finer nodes")
def test_mixed_families_with_random_intercepts_by_brute_force(gaps):
    model = regression_mixture(["y1 + y2 ~ x", "b ~ z"], 2, None, MIXED, cluster="g", effects="none")
    df = gaps[gaps.g < 4]
    data = target(model, df)
    values = values_at(data, point(data, 4))
    names = [e.name for e in model.effects]
    assert names == ["u_y1_intercept", "u_y2_intercept", "u_b_intercept"]
    z, w = np.polynomial.hermite_e.hermegauss(3)
    grid = np.array(list(product(z, repeat=3))) @ np.linalg.cholesky(random_matrix(values, names)).T
    weight = np.log(np.array(list(product(w, repeat=3))).prod(axis=1)) - 1.5 * np.log(2 * np.pi)
    per_node = np.array([
        pd.Series(loop(model, df, values, dict(zip(("y1", "y2", "b"), u, strict=True)))).groupby(df.g.to_numpy()).sum()
        for u in grid
    ])  # fmt: skip
    expected = special.logsumexp(per_node + weight[:, None], axis=0).sum()
    assert_allclose(bm.log_likelihood(model, df, values, nodes=bm.gauss_hermite(3)), expected, rtol=1e-9)


# both halves --------------------------------------------------------------------------------------

BOTH = BY_CLASS | {name: TWO_LEVEL[name] for name in ("intercepts", "by outcome")}


@pytest.mark.parametrize("name", BOTH)
def test_the_pymc_model_has_the_same_log_likelihood(name, gaps):
    model = BOTH[name]()
    data = target(model, gaps)
    values = values_at(data, point(data, 3))
    assert loglik(bm.build(model, gaps), values) == pytest.approx(bm.log_likelihood(model, gaps, values), abs=1e-7)


@pytest.mark.filterwarnings("ignore:The largest R-hat")
def test_a_posterior_knows_its_outcomes(whole):
    model = regression_mixture("y1 ~ x; y2 ~ x + z")
    fit = bm.fit(model, whole, **FIT)
    post = bm.sample(fit, whole, draws=500, tune=300, chains=2, seed=1, progress=False)
    drawn = post["posterior"]
    assert drawn["intercept"].dims == ("chain", "draw", "outcome")
    assert drawn["coefficient_2"].dims == ("chain", "draw", "outcome", "regressor_2")
    assert [*drawn["outcome"].values] == ["y1", "y2"]
    assert (drawn["coefficient_2"].sel(outcome="y1") == 0).all()
    for label, own in fit.summary().iterrows():
        name, _, inside = str(label).rstrip("]").partition("[")
        where = inside.split(", ") if name != "residual_covariance" else [inside]
        x = drawn[name].sel(dict(zip(drawn[name].dims[2:], where, strict=True)))
        assert abs(float(x.mean()) - own.estimate) < 0.6 * own.se
        assert 0.7 < float(x.std()) / own.se < 1.4
    assert "y1 with y2" in bm.report(post).lower() or "y1, y2" in bm.report(post).lower()


def test_what_was_simulated_is_found_again():
    rng = np.random.default_rng(4)
    df = pd.DataFrame({"x": rng.normal(size=1500), "z": rng.normal(size=1500), "y1": 0.0, "y2": 0.0, "b": 0})
    df.loc[0, ["y1", "y2", "b"]] = 1
    model = regression_mixture(
        ["y1 ~ x", "y2 ~ x + z", "b ~ z"], 2, None, MIXED, residual_covariance="class", variance="class"
    )
    truth = {
        "class_logit": [0.4, 0.0],
        "intercept_normal": [[0.0, 2.0], [1.0, -1.0]],
        "coefficient_1_normal": [[[1.0], [-0.5]], [[0.0], [0.0]]],
        "coefficient_2_normal": [[[0.0, 0.0], [0.0, 0.0]], [[0.5, 1.0], [0.5, -1.0]]],
        "residual_sd_normal": [[1.0, 0.8], [1.2, 0.7]],
        "residual_covariance_normal": [[0.6, -0.2]],
        "intercept_bernoulli": [[0.5, -0.5]],
        "coefficient_bernoulli": [[[1.0], [0.0]]],
    }
    drawn = bm.simulate(model, {k: np.array(v) for k, v in truth.items()}, df=df, seed=5)
    fit = bm.fit(model, drawn, starts=8, rounds=1, progress=False)
    for name, x in truth.items():
        apart = np.abs(fit.params[name].values - np.array(x))
        assert (apart < 4 * np.nan_to_num(fit.se[name].values) + 1e-9).all(), name
    assert fit.n_parameters == 21


def test_a_fit_survives_its_file(whole, tmp_path):
    fit = bm.fit(regression_mixture("y1 ~ x; y2 ~ x + z", 2), whole, starts=2, rounds=1, progress=False, budget=0)
    fit.save(tmp_path / "fit")
    again = bm.load(tmp_path / "fit")
    assert again.model == fit.model
    assert bm.report(again) == bm.report(fit)
    assert_allclose(bm.log_likelihood(again, whole), fit.loglik, rtol=1e-10)


def test_a_covariate_may_be_missing_where_its_outcome_is(whole):
    df = whole.copy()
    df.loc[:9, ["y2", "z"]] = np.nan
    fit = bm.fit(regression_mixture("y1 ~ x; y2 ~ x + z", residual_covariance="none"), df, **FIT)
    apart = [bm.fit(regression_mixture("y1 ~ x"), df, **FIT), bm.fit(regression_mixture("y2 ~ x + z"), df, **FIT)]
    assert_allclose(fit.loglik, sum(f.loglik for f in apart), rtol=1e-10)
    df.loc[0, "y2"] = 1.0
    with pytest.raises(ValueError, match="Covariate 'z' has 1 missing value"):
        bm.fit(regression_mixture("y1 ~ x; y2 ~ x + z"), df, **FIT)


def test_a_matrix_of_a_class_may_not_collapse(whole):
    model = regression_mixture("y1 + y2 ~ x", 2, variance="class", residual_covariance="class")
    data = target(model, whole)
    limits, theta = ranges(data), point(data)
    assert [(m.items, m.classes, m.by_class) for m in limits.matrices] == [(("y1", "y2"), ("C",), True)]
    assert not limits.lost(theta[None])[0]
    values = values_at(data, theta)
    sd = values["residual_sd"]
    values["residual_covariance"] = (sd[0] * sd[1])[None] * np.array([[0.0, 1 - 1e-9]])
    assert limits.lost(data.pack(values)[None])[0]  # a class whose outcomes are on a line


# what is made of a fit ----------------------------------------------------------------------------


def test_coefficients_of_clusters_are_those_of_each_outcome(whole):
    model = regression_mixture(
        "y1 + y2 ~ x", cluster="g", random={"y1": "1", "y2": "1 + x"}, covariance="independent",
        residual_covariance="none",
    )  # fmt: skip
    table = bm.coefficients(bm.fit(model, whole, **FIT), whole)
    for y, random in {"y1": "1", "y2": "1 + x"}.items():
        one = regression_mixture(f"{y} ~ x", cluster="g", random=random, covariance="independent")
        own = bm.coefficients(bm.fit(one, whole, **FIT), whole)
        assert_allclose(table[[f"{y}: {k}" for k in own]], own, rtol=2e-3, atol=2e-3)
    assert len(table.columns) == 12


def test_pictures_are_those_of_each_outcome(whole):
    fit = bm.fit(regression_mixture("y1 + y2 ~ x", cluster="g"), whole, **FIT)
    found = {p.name: p for p in pictures(fit, whole)}
    assert [*found] == ["outcome_1", "outcome_2", "random_effects", "residuals"]
    (axes,) = found["random_effects"].draw().axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("random intercept (y1)", "random intercept (y2)")
    points = axes.lines[-1].get_xydata()
    assert_allclose(points, bm.coefficients(fit, whole)[["y1: 1", "y2: 1"]].to_numpy())
    with pytest.raises(ValueError, match="item came as 'q', which is no outcome"):
        bm.plots.outcome(fit, whole, item="q")
    assert bm.plots.diagram(fit).dot.count("y1\\ny2") == 1


def test_mplus_is_told_each_regression(whole, tmp_path):
    model = regression_mixture(
        ["y1 ~ x", "y2 ~ x + z", "b ~ z"], 2, family=MIXED, by_class={"y1": "1 + x", "y2": "0 + z"},
        residual_covariance="class",
    )  # fmt: skip
    bm.mplus.write(model, whole, tmp_path / "a.inp")
    text = (tmp_path / "a.inp").read_text()
    overall, first = text.partition("%OVERALL%")[2].partition("%C#1%")[::2]
    first = first.partition("%C#2%")[0]
    said = [[line.strip(" ;") for line in part.splitlines() if line.strip()] for part in (overall, first)]
    assert {"Y1 ON X", "Y2 ON X", "Y2 ON Z", "B ON Z", "Y2 WITH Y1", "[Y2] (1)", "Y1", "Y2"} <= {*said[0]}
    assert {"[Y1]", "Y1 ON X", "Y2 ON Z", "Y2 WITH Y1", "[B$1]", "B ON Z"} == {*said[1]}
    bm.mplus.write(regression_mixture("y1 + y2 ~ x", 2, residual_covariance="none"), whole, tmp_path / "b.inp")
    assert "Y2 WITH Y1@0;" in (tmp_path / "b.inp").read_text()
    two = {"covariance": "independent", "cluster": "g"}
    bm.mplus.write(regression_mixture("y1 + y2 ~ x", **two), whole, tmp_path / "c.inp")
    between = (tmp_path / "c.inp").read_text().partition("%BETWEEN%")[2]
    assert [line.strip() for line in between.splitlines()[1:6]] == [
        "Y2 WITH Y1@0;", "[Y1];", "[Y2];", "Y1;", "Y2;",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="the covariances of random parts of several outcomes"):
        bm.mplus.write(regression_mixture("y1 + y2 ~ x", cluster="g"), whole, tmp_path / "d.inp")
    some = regression_mixture("y1 + y2 ~ x", random={"y1": "0"}, **two)
    with pytest.raises(ValueError, match="random intercepts of some outcomes alone, not of 'y1'"):
        bm.mplus.write(some, whole, tmp_path / "d.inp")


@pytest.mark.parametrize("case", ["several", "several_two_level"])
def test_the_kept_study_covers(case):
    kept = pd.read_csv(Path(__file__).parents[2] / "data" / "studies" / f"outcomes_{case}.csv", index_col=0)
    assert (kept["n"] == 100).all()
    assert kept["cover"].between(0.85, 1.0).all()
    assert 0.92 < kept["cover"].mean() < 0.97
    assert ((kept["average"] - kept["population"]).abs() < 4 * kept["sd"] / kept["n"] ** 0.5 + 0.01).all()
    label = "residual_covariance[y1, y2, 1]" if case == "several" else "u_y2_intercept_on_u_y1_intercept"
    assert label in kept.index


# what is refused ----------------------------------------------------------------------------------

BAD = {
    "an outcome twice": (lambda: regression_mixture("y1 + y2 ~ x; y1 ~ z"), "The outcome 'y1' came twice"),
    "on the right side": (lambda: regression_mixture("y1 ~ x; y2 ~ y1 + z"), "'y1' is an outcome and stands on the"),
    "no outcome": (lambda: regression_mixture("y1 ~ x; ~ z"), "came as ' ~ z'"),
    "no text": (lambda: regression_mixture(3), "The formula came as 3"),
    "no formulas": (lambda: regression_mixture([]), r"The formula came as \[\]"),
    "an unknown outcome": (
        lambda: regression_mixture("y1 + y2 ~ x", family={"yy1": bm.normal()}),
        "family came for 'yy1', which is no outcome: did you mean",
    ),
    "of an unknown outcome": (
        lambda: regression_mixture("y1 + y2 ~ x", 2, by_class={"q": "1"}),
        "by_class came for 'q', which is no outcome: the outcomes are y1, y2",
    ),
    "a coefficient of none": (
        lambda: regression_mixture("y1 + y2 ~ x", 2, by_class="1 + q"),
        "by_class came with 'q', which is a coefficient of no outcome",
    ),
    "a coefficient of another": (
        lambda: regression_mixture("y1 ~ x; y2 ~ z", 2, by_class={"y1": "z"}), "'z' is no coefficient of 'y1 ~ x'"
    ),
    "covariances of none normal": (
        lambda: regression_mixture("b + c ~ x", family=bm.bernoulli(), residual_covariance="equal"),
        "residual_covariance came as 'equal', but no item is normal",
    ),
    "a pair of one not normal": (
        lambda: regression_mixture("y1 + y2 + b ~ x", family=MIXED, residual_covariance=[("y1", "b")]),
        "A covariance came for 'b', whose family is bernoulli",
    ),
    "one normal": (
        lambda: regression_mixture("y1 + b ~ x", family=MIXED, residual_covariance="class"), "for the one normal item"
    ),
    "one outcome": (
        lambda: regression_mixture("y1 ~ x", residual_covariance="equal"), "for the one outcome 'y1': a covariance is"
    ),
    "variances of two kinds": (
        lambda: regression_mixture("y1 + y2 ~ x", 2, variance={"y1": "class"}),
        "Normal outcomes came with residual variances of several kinds",
    ),
    "another word": (lambda: regression_mixture("y1 + y2 ~ x", residual_covariance="full"), "came as 'full'"),
    "clusters of no coefficient": (
        lambda: regression_mixture("y1 + y2 ~ x", cluster="g", cluster_covariates={"q": "w"}),
        "cluster_covariates came for 'q', which is no outcome and a coefficient of none",
    ),
    "variances by group": (
        lambda: regression_mixture("y1 + y2 ~ x", group="h", variance_by_group=True),
        "variance_by_group=True came with residual covariances .'equal', as left out.",
    ),
    "an offset for none": (
        lambda: regression_mixture("y1 + y2 ~ x", offset={"q": "z"}), "An offset came for 'q', which is not among"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_answered(name):
    declare, words = BAD[name]
    with pytest.raises(ValueError, match=words):
        declare()


def test_a_constant_outcome_is_refused(whole):
    with pytest.raises(ValueError, match="y2"):
        bm.fit(regression_mixture("y1 + y2 ~ x"), whole.assign(y2=1.0), **FIT)


def test_variances_of_two_kinds_go_without_covariances(whole):
    model = regression_mixture("y1 + y2 ~ x", 2, variance={"y1": "class"}, residual_covariance="none")
    assert [(r.name, r.items) for r in model.responses] == [("normal_1", ("y1",)), ("normal_2", ("y2",))]
    assert target(model, whole).packing.size == 1 + 4 + 4 + 2 + 1


def test_one_outcome_is_declared_as_ever():
    model = regression_mixture("y ~ x", 2, cluster="g", random="1 + x")
    assert [p.name for p in model.parameters] == [
        "class_logit", "C_loading", "u_intercept_sd", "u_x_on_u_intercept", "u_x_sd", "f_on", "f_sd", "intercept",
        "coefficient", "random", "residual_sd",
    ]  # fmt: skip
    assert model.responses[0].name == "outcome"
    assert model.responses[0].item_dim == "item"


def test_a_response_of_ones_own_is_no_regression_of_outcomes_by_the_name_of_its_dim():
    location, spread = bm.Parameter("location", ("outcome_x",)), bm.Parameter("spread", ("outcome_x",), "positive")
    own = bm.Response("r", ("y1", "y2"), bm.normal(), (bm.Term(location),), (bm.Term(spread),), "outcome_x")
    assert not own.of_outcomes
    assert not bm.Model("mine", (own,)).is_regression
