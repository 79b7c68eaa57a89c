"""Two steps of classes of clusters, with residual covariances; class sizes that are held: by plain likelihoods."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, special, stats
from three_classes import ITEMS, drawn, fitted

import bayesmix as bm
from bayesmix.three_steps.sandwich import outer
from bayesmix.three_steps.step_one import StepOne

pytestmark = pytest.mark.filterwarnings("ignore:The last step is not to be trusted", "ignore:The best log-likelihood")
QUICK = {"starts": 2, "finals": 1, "rounds": 1, "budget": 0, "progress": False}


@pytest.fixture(scope="module")
def clustered():
    """40 clusters of classes; an outcome and a covariate of clusters, one outcome missing."""
    rng = np.random.default_rng(4)
    kind, n = rng.integers(0, 2, 40), rng.integers(4, 9, 40)
    g = np.repeat(np.arange(40), n)
    c = rng.random(len(g)) < np.where(kind, 0.75, 0.3)[g]
    df = pd.DataFrame((rng.random((len(g), 4)) < np.where(c, 0.85, 0.15)[:, None]).astype(int), columns=list("abcd"))
    w, o = rng.normal(size=40) + 0.5 * kind, rng.normal(size=40) + 2 * kind
    o[3] = np.nan
    df = df.assign(g=g, w=w[g], o=o[g])
    return df, bm.fit(bm.models.lca(list("abcd"), 2, cluster="g", cluster_classes=2), df, **QUICK)


def test_an_outcome_of_clusters_counts_once_a_cluster(clustered):
    df, fit = clustered
    found = bm.three_step(fit, df, "w", {"o": bm.normal()}, "two-step", variable="D", variance="equal")
    u = df[list("abcd")].to_numpy()
    p = fit.probabilities["item_probability"].values[:, :, 1]
    items = np.log(np.where(u[:, None], p, 1 - p)).sum(axis=2)  # row, class of the individual
    by = df.groupby("g")[["w", "o"]].first()
    w, o = by["w"].to_numpy(), by["o"].to_numpy()

    def loglik(b):
        within = np.stack([-np.logaddexp(0, -b[:2]), -np.logaddexp(0, b[:2])], axis=1)  # class of clusters, class
        each = special.logsumexp(within[None] + items[:, None, :], axis=2)
        of_cluster = np.stack([np.bincount(df["g"], weights=each[:, d]) for d in (0, 1)], axis=1)
        eta = b[2] + b[3] * w
        of_cluster += np.stack([-np.logaddexp(0, -eta), -np.logaddexp(0, eta)], axis=1)
        of_cluster += np.nan_to_num(stats.norm.logpdf(o[:, None], b[4:6], np.exp(b[6])))
        return special.logsumexp(of_cluster, axis=1).sum()

    logit = fit.params["class_logit"].values[:, 0]
    mean = bm.class_probabilities(fit, "D")["D=1"].to_numpy()
    seen = ~np.isnan(o)
    start = [*logit, 0, 0, np.average(o[seen], weights=mean[seen]), np.average(o[seen], weights=1 - mean[seen]), 0]
    best = optimize.minimize(lambda b: -loglik(b), start, options={"gtol": 1e-6})
    assert found.loglik == pytest.approx(-best.fun, abs=1e-4)
    assert found.n_units == 40
    assert found.coefficients().loc[(1, "w"), "estimate"] == pytest.approx(best.x[3], abs=1e-3)
    assert found.outcomes()["mean"].to_numpy() == pytest.approx(best.x[4:6], abs=1e-3)
    at_means = bm.three_step(
        fit, df, None, {"o": bm.normal()}, "two-step", variable="D", variance="equal", outcome_covariates="w"
    )
    b = at_means.outcome_coefficients()["estimate"]
    slope = b.xs("w", level="term").iloc[0]
    intercepts = b.xs("(intercept)", level="term").to_numpy()
    assert at_means.outcomes()["mean"].to_numpy() == pytest.approx(intercepts + slope * w.mean(), abs=1e-6)


def test_residual_covariances_in_two_steps():
    df = drawn(500, 0.9, 11)
    fit = fitted(df, 0.9)
    noise = np.random.default_rng(3).multivariate_normal([0, 0], [[1, 0.4], [0.4, 1]], 500)
    df["a"], df["b"] = noise[:, 0] + df["c"], noise[:, 1] - df["c"]
    p = fit.probabilities["item_probability"].values
    u, y = df[ITEMS].to_numpy(), df[["a", "b"]].to_numpy()
    items = np.log(np.where(u[:, None, :] == 1, p[:, :, 1], p[:, :, 0])).sum(axis=2)

    def loglik(b):
        sd, cov = np.exp(b[8:10]), b[10]
        v = np.array([[sd[0] ** 2, cov], [cov, sd[1] ** 2]])
        if np.linalg.det(v) <= 0:
            return -1e6
        each = items + np.array([*b[:2], 0]) - special.logsumexp([*b[:2], 0])
        each = each + np.stack([stats.multivariate_normal.logpdf(y, m, v) for m in b[2:8].reshape(3, 2)], axis=1)
        return special.logsumexp(each, axis=1).sum()

    best = optimize.minimize(lambda b: -loglik(b), [0, 0, 1, -1, 2, -2, 3, -3, 0, 0, 0.3], options={"gtol": 1e-6})
    outcomes = {"a": bm.normal(), "b": bm.normal()}
    found = bm.three_step(fit, df, None, outcomes, "two-step", variance="equal", correlated=True)
    assert found.loglik == pytest.approx(-best.fun, abs=1e-4)
    assert found.shared["covariance"].iloc[0] == pytest.approx(best.x[10], abs=1e-3)
    assert found.outcomes()["mean"].to_numpy().reshape(2, 3) == pytest.approx(best.x[2:8].reshape(3, 2).T, abs=1e-3)


def test_class_sizes_can_be_held():
    df = drawn(500, 0.85, 4)
    fit = fitted(df, 0.85)
    p = fit.classes["C_posterior"].values
    w, size = p.argmax(axis=1), fit.probabilities["C_probability"].values
    log_d = np.log(p.T @ np.eye(3)[w] / p.sum(axis=0)[:, None])

    def loglik(b):
        density = stats.norm.logpdf(df["y"].to_numpy()[:, None], b[:3], np.exp(b[3:]))
        return special.logsumexp(np.log(size) + density + log_d[:, w].T, axis=1).sum()

    best = optimize.minimize(lambda b: -loglik(b), [-1, 1, 0, 0, 0, 0], options={"gtol": 1e-6})
    found = bm.three_step(fit, df, None, "y", sizes="held")
    assert found.loglik == pytest.approx(-best.fun, abs=1e-5)
    assert found.n_parameters == 6
    assert found.outcomes()["mean"].to_numpy() == pytest.approx(best.x[:3], abs=1e-4)
    assert found.coefficients()["estimate"].to_numpy() == pytest.approx(np.log(size[:2] / size[2]), abs=1e-6)
    step, h, slope = StepOne.of(fit, df, None), 2e-3, []
    for e in h * np.eye(len(step.theta)):
        ends = []
        for theta in (step.theta + e, step.theta - e):
            values = {k: (fit.params[k].dims, v) for k, v in step.data.natural(theta).items()}
            moved = replace(fit, params=fit.params.assign(values))
            ends.append(bm.three_step(moved, df, None, "y", sizes="held", uncertainty=False).quantities.values)
        slope.append((ends[0] - ends[1]) / (2 * h))
    alone = bm.three_step(fit, df, None, "y", sizes="held", uncertainty=False).quantities
    expected = np.diag(alone.covariance + outer(step.influence[0] @ np.array(slope), np.ones(500), None))
    free = np.diag(alone.covariance) > 0
    assert found.quantities.se[free] == pytest.approx(np.sqrt(expected[free]), rel=5e-3)
    assert "class sizes of step one are held" in str(found)


def test_what_two_steps_cannot_be_made_of(clustered):
    df, _ = clustered
    some = df.assign(n=2)
    counted = bm.fit(bm.models.lca(list("abcd"), 2, cluster="g", cluster_classes=2, freq="n"), some, **QUICK)
    with pytest.raises(ValueError, match=r"came with frequencies \('n'\).*by whose weight they would count"):
        bm.three_step(counted, some, None, {"o": bm.normal()}, "two-step", variable="D")
    factor = bm.fit(bm.models.fma(list("abcd"), 2), df, **QUICK)
    both = {"o": bm.normal(), "w": bm.normal()}
    with pytest.raises(ValueError, match=r"correlated=True came with method='two-step' and a step one with effects"):
        bm.three_step(factor, df, None, both, "two-step", correlated=True)
    plain = bm.fit(bm.models.lca(list("abcd"), 2), df, **QUICK)
    for more, came in (({"method": "bch"}, "method='bch'"), ({"covariates": "w"}, "covariates 'w'")):
        with pytest.raises(ValueError, match=f"sizes='held' came with {came}"):
            bm.three_step(plain, df, outcomes="o", sizes="held", **more)


@pytest.mark.slow
def test_three_outcomes_that_are_much_correlated():
    """Without errors of assignment they leave a covariance matrix within classes."""
    rng, n = np.random.default_rng(2), 500
    c = rng.integers(0, 2, n)
    df = pd.DataFrame({f"t{k}": (rng.random(n) < np.where(c, 0.99, 0.01)) * 1 for k in range(8)})
    v = np.array([[1.0, 1.2, -0.8], [1.2, 2.0, -1.1], [-0.8, -1.1, 1.0]])
    df[["y1", "y2", "y3"]] = rng.multivariate_normal(np.zeros(3), v, n) + np.outer(c, [1.0, 2.0, -1.0])
    fit = bm.fit(bm.models.lca([f"t{k}" for k in range(8)], 2), df, **QUICK)
    y, own = df[["y1", "y2", "y3"]], fit.class_probabilities()["most_likely"].to_numpy()
    within = (y - y.groupby(own).transform("mean")).to_numpy()
    expected = within.T @ within / n
    outcomes = {k: bm.normal() for k in y}
    for method in ("ml", "two-step"):
        found = bm.three_step(fit, df, None, outcomes, method, variance="equal", correlated=True)
        assert found.shared["of"].to_list() == ["y1 with y2", "y1 with y3", "y2 with y3"]
        assert found.shared["covariance"].to_numpy() == pytest.approx(expected[np.triu_indices(3, 1)], abs=0.02)
        sd = found.outcomes()["sd"].to_numpy().reshape(3, 2)[:, 0]
        assert sd == pytest.approx(np.sqrt(np.diag(expected)), abs=0.02)
