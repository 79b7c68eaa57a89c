"""Penalised maximum likelihood: the log-likelihood plus the log density of the priors is what is maximal."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from bayesmix.models import irt_3pl
from scipy import stats

import bayesmix as bm

ITEMS = [f"q{k}" for k in range(6)]
PRIORS = {"guessing": bm.Prior("Beta", alpha=5, beta=17), "loading": bm.Prior("LogNormal", mu=0.0, sigma=0.5)}
FEW = {"starts": 4, "finals": 2, "rounds": 1, "progress": False}


@pytest.fixture(scope="module")
def answers():
    a = np.linspace(0.8, 2.0, 6)
    truth = {"item_intercept": np.linspace(1.5, -1.5, 6), "loading": a, "guessing": np.full(6, 0.2)}
    return bm.simulate(irt_3pl(ITEMS), truth, n=300, seed=1)


@pytest.fixture(scope="module")
def penalised(answers):
    return bm.fit(irt_3pl(ITEMS), answers, priors=PRIORS, **FEW)


def objective(params: xr.Dataset, answers) -> float:
    """By the program's log-likelihood and SciPy's densities."""
    density = stats.beta(5, 17).logpdf(params["guessing"]).sum() + stats.lognorm(0.5).logpdf(params["loading"]).sum()
    return bm.log_likelihood(irt_3pl(ITEMS), answers, params) + float(density)


def test_the_penalised_value_is_maximal_and_the_starts_tell_it(answers, penalised):
    best = objective(penalised.params, answers)
    assert penalised.starts["loglik"].max() == pytest.approx(best, abs=1e-4)  # PyMC keeps six digits of a constant
    for name in ("item_intercept", "loading", "guessing"):
        for k in range(6):
            for step in (-0.01, 0.01):
                moved = penalised.params.copy(deep=True)
                moved[name][k] = moved[name][k] + step
                assert objective(moved, answers) < best


def test_log_likelihood_and_criteria_are_without_the_penalty(answers, penalised):
    assert penalised.loglik == pytest.approx(bm.log_likelihood(irt_3pl(ITEMS), answers, penalised.params), abs=1e-8)
    assert penalised.bic == pytest.approx(-2 * penalised.loglik + 18 * np.log(300))
    assert penalised.info["priors"]["guessing"] == "Beta(alpha=5, beta=17)"
    assert penalised.info["standard_errors"] == "hessian"


def test_standard_errors_are_those_of_the_penalised_curvature(answers, penalised):
    """A prior of a millionth's width leaves no standard error; the others keep theirs."""
    assert float(penalised.se["guessing"].max()) < stats.beta(5, 17).std() * 1.3
    tight = {"guessing": bm.Prior("Normal", mu=0.2, sigma=1e-4)}
    held = bm.fit(irt_3pl(ITEMS), answers, priors=tight, **FEW)
    assert held.params["guessing"].values == pytest.approx(0.2, abs=1e-3)
    assert held.se["guessing"].values == pytest.approx(1e-4, rel=0.01)
    two = bm.fit(irt_3pl(ITEMS, guessing="none"), answers, **FEW)
    assert (held.se["item_intercept"] > 0.5 * two.se["item_intercept"].values).all()


def test_a_flat_prior_changes_nothing(answers):
    model = irt_3pl(ITEMS, guessing="common")
    plain = bm.fit(model, answers, standard_errors="hessian", **FEW)
    flat = bm.fit(model, answers, priors={"guessing": bm.Prior("Uniform", lower=0.0, upper=1.0)}, **FEW)
    assert flat.loglik == pytest.approx(plain.loglik, abs=1e-6)
    xr.testing.assert_allclose(flat.se, plain.se, rtol=1e-3)


@pytest.mark.parametrize(
    ("priors", "error", "words"),
    [
        ({"guess": bm.Prior("Beta", alpha=5, beta=17)}, ValueError, "'guess', but the parameters are item_intercept"),
        ({"guessing": "Beta"}, TypeError, "'guessing' came as 'Beta'"),
        ({"guessing": bm.Prior("Betta", alpha=5, beta=17)}, ValueError, "which PyMC does not take"),
        ({"guessing": bm.Prior("Beta", a=5, b=17)}, ValueError, "which PyMC does not take"),
    ],
)
def test_what_is_no_prior_is_said_before_the_fit(answers, priors, error, words):
    with pytest.raises(error, match=words):
        bm.fit(irt_3pl(ITEMS), answers, priors=priors, **FEW)
