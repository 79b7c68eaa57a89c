"""Transitions in three steps: against a loop over all paths of classes, and recovery of what was simulated."""

import warnings
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, special, stats
from three_classes import ITEMS

import bayesmix as bm
from bayesmix.three_steps.sandwich import outer
from bayesmix.three_steps.step_one import StepOne

pytestmark = pytest.mark.filterwarnings("ignore:The last step is not to be trusted", "ignore:The best log-likelihood")
LATER = [f"w{k}" for k in range(1, 7)]
ON_X = np.array([[0.3, 0.6], [-0.5, 0.4]])
"""Intercept and slope of class 1 on x: at the first occasion; and what a move to class 1 from class 2 has."""
STAY, MEANS = 2.2, np.array([1.0, -1.0])
METHODS = [("ml", "modal"), ("ml", "proportional"), ("bch", "modal"), ("bch", "proportional")]


def simulated(n, seed, separation=0.85):
    """Two classes at two occasions, a covariate of both, an outcome of the second."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    first = (rng.random(n) > special.expit(ON_X[0, 0] + ON_X[0, 1] * x)).astype(int)
    onto = ON_X[1, 0] + STAY * (first == 0) + ON_X[1, 1] * x
    second = (rng.random(n) > special.expit(onto)).astype(int)
    out = {}
    for names, c in ((ITEMS, first), (LATER, second)):
        out |= {k: (rng.random(n) < np.where(c == 0, separation, 1 - separation)).astype(float) for k in names}
    return pd.DataFrame(out).assign(x=x, y=MEANS[second] + rng.normal(size=n))


def fits_of(df):
    """Step one of each occasion, from the truth."""
    out = []
    for items in (ITEMS, LATER):
        item = np.zeros((2, 6, 2))
        item[0, :, 1], item[1, :, 1] = 1.7, -1.7
        at = {"class_logit": [0.0, 0.0], "item_logit": item}
        out.append(bm.fit(bm.models.lca(items, 2), df, start=at, like=at, starts=1, finals=1, rounds=1, budget=0,
                          simpler=False, progress=False))  # fmt: skip
    return out


@pytest.fixture(scope="module")
def data():
    df = simulated(700, 5)
    df.loc[:39, LATER] = np.nan  # no answer at the second occasion
    df.loc[680:, ITEMS] = np.nan  # and at the first
    df["y"] = df["y"].mask(np.random.default_rng(1).random(700) < 0.1)
    return df


@pytest.fixture(scope="module")
def fits(data):
    return fits_of(data)


def weights_and_errors(fits, method, assignment):
    """Of each occasion: weights of the classes of all rows, missing without an answer, and log P(W | X)."""
    for fit in fits:
        p = fit.classes["C_posterior"].values
        seen = ~np.isnan(p[:, 0])
        w = np.full_like(p, np.nan)
        w[seen] = np.eye(2)[p[seen].argmax(axis=1)] if assignment == "modal" else p[seen]
        d = p[seen].T @ w[seen] / p[seen].sum(axis=0)[:, None]
        if method == "bch":
            yield w @ np.linalg.inv(d), np.log(np.maximum(np.eye(2), 1e-300))
        else:
            yield w, np.log(d)


def by_paths(b, df, parts, occasion):
    """The log-likelihood: a loop over assigned classes and over paths, for each row by itself.

    b: intercepts and slopes of the first occasion; intercepts by class before and a slope of the second; means and the
    logarithm of the SD of an outcome of the classes of one occasion.
    """
    x, y, total = df["x"].to_numpy(), df["y"].to_numpy(), 0.0
    for w, s in product((0, 1, None), repeat=2):
        own = np.ones(len(df))
        for (weights, _), k in zip(parts, (w, s), strict=True):
            missing = np.isnan(weights[:, 0])
            own = own * (missing if k is None else np.where(missing, 0.0, np.nan_to_num(weights[:, k or 0])))
        use = own != 0
        if not use.any():
            continue
        paths = []
        for a, c in product((0, 1), repeat=2):
            eta = b[0] + b[1] * x[use], b[2 + a] + b[4] * x[use]
            path = sum(-np.logaddexp(0, -e if k == 0 else e) for e, k in zip(eta, (a, c), strict=True))
            for (_, log), k, t in zip(parts, (w, s), (a, c), strict=True):
                path = path + (0.0 if k is None else log[t, k])
            density = stats.norm.logpdf(y[use], b[5 + (a, c)[occasion]], np.exp(b[7]))
            paths.append(path + np.where(np.isnan(y[use]), 0.0, density))
        total += own[use] @ special.logsumexp(paths, axis=0)
    return total


@pytest.mark.parametrize("occasion", [1, 2])
@pytest.mark.parametrize(("method", "assignment"), METHODS)
def test_the_chain_and_an_outcome_by_a_loop_over_paths(data, fits, method, assignment, occasion):
    parts = [*weights_and_errors(fits, method, assignment)]
    found = bm.three_step(
        fits, data, "x", {"y": bm.normal()}, method, assignment, variance="equal", occasion=occasion
    )  # fmt: skip
    start = np.array([0.3, 0.6, 1.5, -0.5, 0.4, 0.5, -0.5, 0.0])
    best = optimize.minimize(lambda b: -by_paths(b, data, parts, occasion - 1), start, options={"gtol": 1e-6})
    assert found.loglik == pytest.approx(-best.fun, abs=1e-4)
    one, two = (found.coefficients(variable=v)["estimate"] for v in ("C1", "C2"))
    assert one.to_numpy() == pytest.approx(best.x[:2], abs=1e-3)
    assert two[[(1, 1, "(intercept)"), (2, 1, "(intercept)"), ("", 1, "x")]].to_numpy() == pytest.approx(
        best.x[2:5], abs=1e-3
    )
    assert found.outcomes()["mean"].to_numpy() == pytest.approx(best.x[5:7], abs=1e-3)
    assert any("40 rows have no answer at occasion 2" in n for n in found.notes)
    assert any("20 rows have no answer at occasion 1" in n for n in found.notes)


@pytest.mark.parametrize(
    ("method", "assignment"),
    [pytest.param(*m, marks=() if m[0] == "bch" and m[1] == "modal" else pytest.mark.slow) for m in METHODS],
)
def test_the_uncertainty_of_both_first_steps_is_how_results_move_with_them(data, fits, method, assignment):
    def last(fits, uncertainty=False):
        return bm.three_step(
            fits, data, "x", {"y": bm.normal()}, method, assignment, uncertainty=uncertainty
        ).quantities

    alone, both, h, moved = last(fits), last(fits, uncertainty=True), 2e-3, 0.0
    for k, fit in enumerate(fits):
        step, slope = StepOne.of(fit, data, None), []
        for e in h * np.eye(len(step.theta)):
            ends = []
            for theta in (step.theta + e, step.theta - e):
                values = {n: (fit.params[n].dims, v) for n, v in step.data.natural(theta).items()}
                other = [*fits]
                other[k] = replace(fit, params=fit.params.assign(values))
                ends.append(last(other).values)
            slope.append((ends[0] - ends[1]) / (2 * h))
        moved = moved + step.influence[0] @ np.array(slope)
    expected = np.diag(alone.covariance + outer(moved, np.ones(len(data)), None))
    free = expected > 0
    assert both.se[free] == pytest.approx(np.sqrt(expected[free]), rel=5e-3)


def test_transitions_are_a_table_with_errors(data, fits):
    found = bm.three_step(fits, data)
    rows = found.transitions[found.transitions["variable"] == "C2"].groupby("given")["probability"]
    assert rows.sum().to_numpy(dtype=float) == pytest.approx(1)
    assert (found.transitions["se"] > 0).all()
    assert "CLASS PROBABILITIES, AND GIVEN THE CLASS BEFORE" in str(found)
    bch = bm.three_step(fits, data, method="bch")
    for v in ("C1", "C2"):
        assert bch.weights.loc[v].to_numpy() @ bch.errors.loc[v].to_numpy() == pytest.approx(np.eye(2))
    w1, w2 = (w for w, _ in weights_and_errors(fits, "bch", "modal"))
    seen = ~np.isnan(w1[:, 0] + w2[:, 0])
    moves = w1[seen].T @ w2[seen]  # rows that are seen once tell of the chain too, a little
    p = bch.transitions.set_index(["variable", "given", "class"])["probability"]["C2"]
    assert p.to_numpy() == pytest.approx((moves / moves.sum(axis=1, keepdims=True)).ravel(), abs=0.01)


def test_three_occasions_are_a_chain():
    """Assignments without errors leave the counts of the moves."""
    rng, n = np.random.default_rng(8), 400
    c = [rng.integers(0, 2, n)]
    for _ in range(2):
        c.append(np.where(rng.random(n) < 0.8, c[-1], 1 - c[-1]))
    columns = {f"o{t}_{k}": (rng.random(n) < np.where(c[t] == 0, 0.99, 0.01)) * 1 for t in range(3) for k in range(7)}
    df = pd.DataFrame(columns)
    quick = {"starts": 2, "finals": 1, "rounds": 1, "budget": 0, "progress": False}
    fits = [bm.fit(bm.models.lca([f"o{t}_{k}" for k in range(7)], 2), df, **quick) for t in range(3)]
    modal = [f.class_probabilities()["most_likely"].to_numpy(dtype=int) - 1 for f in fits]
    for method, assignment in METHODS:
        found = bm.three_step(fits, df, None, None, method, assignment)
        table = found.transitions.set_index(["variable", "given", "class"])["probability"]
        for t in (1, 2):
            counts = np.array([[np.sum((modal[t - 1] == a) & (modal[t] == b)) for b in (0, 1)] for a in (0, 1)])
            expected = counts / counts.sum(axis=1, keepdims=True)
            assert table[f"C{t + 1}"].to_numpy() == pytest.approx(expected.ravel(), abs=2e-3)


TRUE = np.array([*ON_X[0], STAY + ON_X[1, 0], *ON_X[1], *MEANS])


def estimates(found):
    one, two = (found.coefficients(variable=v)[["estimate", "se"]] for v in ("C1", "C2"))
    rows = [(1, 1, "(intercept)"), (2, 1, "(intercept)"), ("", 1, "x")]
    out = np.concatenate([one, two.loc[rows], found.outcomes()[["mean", "se"]]])
    return out[:, 0].astype(float), out[:, 1].astype(float)


def replicated(replications, n):
    out = {m: ([], []) for m in METHODS}
    for seed in range(replications):
        df = simulated(n, 100 + seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fits = fits_of(df)
            for m in METHODS:
                for each, x in zip(
                    out[m], estimates(bm.three_step(fits, df, "x", {"y": bm.normal()}, *m)), strict=True
                ):
                    each.append(x)
    return {m: (np.array(b), np.array(se)) for m, (b, se) in out.items()}


def test_what_was_simulated_comes_back():
    for m, (b, se) in replicated(2, 3000).items():
        assert (np.abs(b - TRUE) < 4 * se).all(), m


@pytest.mark.slow
def test_bias_of_transitions_is_small_and_intervals_cover():
    for m, (b, se) in replicated(100, 1000).items():
        bias, error = b.mean(axis=0) - TRUE, b.std(axis=0, ddof=1) / np.sqrt(len(b))
        cover, ratio = (np.abs(b - TRUE) < 1.96 * se).mean(axis=0), se.mean(axis=0) / b.std(axis=0, ddof=1)
        print(m, "bias", bias.round(3), "cover", cover.round(3), "mean SE / SD", ratio.round(3))
        assert (np.abs(bias) < 0.03 + 3 * error).all(), m
        assert 0.92 < cover.mean() < 0.98, m


# mistakes -----------------------------------------------------------------------------------------


def test_a_move_without_a_probability_is_refused():
    df = simulated(300, 3, separation=0.75)
    df[LATER] = df[ITEMS].to_numpy()  # the same errors at both occasions
    fits = fits_of(df)
    with pytest.raises(ValueError, match=r"the move from class . of C1 to class . of C2 a size of -.*method='ml'"):
        bm.three_step(fits, df, method="bch")


def test_what_occasions_must_be(data, fits):
    with pytest.raises(ValueError, match=r"sizes='held' came with several occasions"):
        bm.three_step(fits, data, None, "y", sizes="held")
    some = data.assign(n=1)
    model = bm.models.lca(LATER, 2, freq="n")
    counted = bm.fit(model, some, starts=2, finals=1, rounds=1, budget=0, progress=False)
    with pytest.raises(ValueError, match=r"different frequency columns \((None, n|n, None)\)"):
        bm.three_step([fits[0], counted], some)
    with pytest.raises(TypeError, match="The list of step one came with Model, expected fits"):
        bm.three_step([fits[0], fits[1].model], data)
