"""Bias and coverage in the conditions of Bakk and Kuha (2018)."""

import os
import warnings

import numpy as np
import pytest
from three_classes import ITEMS, LOGITS, MEANS, drawn, fitted

import bayesmix as bm

METHODS = [("ml", "modal"), ("ml", "proportional"), ("bch", "modal"), ("two-step", "modal")]
N, SEPARATION = 1000, 0.85


def slopes_of(found: bm.ThreeStep) -> tuple[np.ndarray, np.ndarray]:
    """Slopes of classes 2 and 3 against class 1 with their errors."""
    table = found.coefficients(reference=1).xs("x", level="term")
    return table["estimate"].to_numpy(), table["se"].to_numpy()


def replicated(replications: int, uncertainty: bool = True) -> dict:
    """Estimates and standard errors of slopes and means by method, (replication, 5)."""
    out = {m: ([], []) for m in METHODS}
    for seed in range(replications):
        df = drawn(N, SEPARATION, seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # one start is said, and a class that moved
            fit = fitted(df, SEPARATION)
            for method, assignment in METHODS:
                on_x = bm.three_step(fit, df, "x", None, method, assignment, uncertainty=uncertainty)
                to_y = bm.three_step(fit, df, None, "y", method, assignment, uncertainty=uncertainty).outcomes()
                b, se = slopes_of(on_x)
                out[method, assignment][0].append([*b, *to_y["mean"]])
                out[method, assignment][1].append([*se, *to_y["se"]])
    return {k: (np.array(b), np.array(se)) for k, (b, se) in out.items()}


TRUE = np.array([LOGITS[1, 1], LOGITS[2, 1], *MEANS])


def test_a_few_replications_are_around_the_truth():
    for key, (b, se) in replicated(8).items():
        error = b.std(axis=0, ddof=1) / np.sqrt(len(b))
        assert (np.abs(b.mean(axis=0) - TRUE) < 4 * error + 0.03).all(), key
        assert (np.abs(b - TRUE) < 1.96 * se).mean() > 0.8, key


@pytest.mark.slow
def test_bias_is_small_and_intervals_cover():
    replications = int(os.environ.get("BAYESMIX_REPLICATIONS", "300"))
    found = replicated(replications)
    for key, (b, se) in found.items():
        bias, error = b.mean(axis=0) - TRUE, b.std(axis=0, ddof=1) / np.sqrt(len(b))
        cover = (np.abs(b - TRUE) < 1.96 * se).mean(axis=0)
        ratio = se.mean(axis=0) / b.std(axis=0, ddof=1)
        print(key, "bias", bias.round(3), "cover", cover.round(3), "mean SE / SD", ratio.round(3))
    for key, (b, se) in found.items():
        bias, error = b.mean(axis=0) - TRUE, b.std(axis=0, ddof=1) / np.sqrt(len(b))
        cover = (np.abs(b - TRUE) < 1.96 * se).mean()
        assert (np.abs(bias) < 0.03 + 3 * error).all(), key
        assert 0.93 < cover < 0.97, key


def test_stepmix_says_the_same():
    stepmix = pytest.importorskip("stepmix")
    df = drawn(N, SEPARATION, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = fitted(df, SEPARATION)
        p = fit.probabilities["item_probability"].sel(category=1).values  # ours, (class, item)
        for method, correction in (("ml", "ML"), ("bch", "BCH")):
            of_x = bm.three_step(fit, df, "x", None, method).coefficients(reference=1).xs("x", level="term")
            of_y = bm.three_step(fit, df, None, "y", method).outcomes()["mean"].to_numpy()
            common = {"n_components": 3, "n_steps": 3, "measurement": "binary", "assignment": "modal",
                      "correction": correction, "n_init": 5, "max_iter": 5000, "abs_tol": 1e-12, "rel_tol": 0.0,
                      "random_state": 1, "progress_bar": 0}  # fmt: skip
            if method == "ml":  # its covariates by BCH stop long before the maximum
                other = stepmix.StepMix(structural="covariate", **common).fit(df[ITEMS], df[["x"]])
                beta = other.get_parameters()["structural"]["beta"][_matched(other, p)]
                slope = (beta - beta[0])[1:, -1]
                assert np.allclose(of_x["estimate"], slope, atol=1e-4)
            other = stepmix.StepMix(structural="gaussian_diag", **common).fit(df[ITEMS], df[["y"]])
            means = other.get_parameters()["structural"]["means"][_matched(other, p), 0]
            assert np.allclose(of_y, means, atol=2e-3 if method == "ml" else 1e-4)


def _matched(model, p):
    from scipy.optimize import linear_sum_assignment

    theirs = model.get_parameters()["measurement"]["pis"]
    cost = ((p[:, None] - theirs[None]) ** 2).sum(axis=2)
    return linear_sum_assignment(cost)[1]
