"""Published log-likelihoods on published data; the folder is named by BAYESMIX_REAL_DATA."""

import json
import os
from pathlib import Path

import arviz as az
import numpy as np
import pandas as pd
import pytest
from bayesmix.models.lca import lca

import bayesmix as bm

FOLDER = os.environ.get("BAYESMIX_REAL_DATA")
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not FOLDER, reason="BAYESMIX_REAL_DATA does not name the folder of the real data sets"),
]
BUSH = ["MORALB", "CARESB", "KNOWB", "LEADB", "DISHONB", "INTELB"]
GRADE7 = ["ab39m", "ab39t", "ab39u", "ab39w", "ab39x"]
GRADE10 = ["ga33a", "ga33h", "ga33i", "ga33k", "ga33l"]


def read(name):
    return pd.read_csv(Path(FOLDER) / f"{name}.csv").replace(9999, np.nan)


def nltcs_items():
    return [c for c in read("nltcs_patterns").columns if c != "freq"]


# name, file, items, freq, n, {K: (log-likelihood, parameters)}
CASES = {
    "carcinoma": ("carcinoma", list("ABCDEFG"), None, 118, {2: (-317.2568, 15), 3: (-293.705, 23), 4: (-289.2858, 31)}),
    "gss82": (
        "gss82",
        ["PURPOSE", "ACCURACY", "UNDERSTA", "COOPERAT"],
        None,
        1202,
        {2: (-2783.268, 13), 3: (-2754.545, 20), 4: (-2746.621, 27)},
    ),
    "election": (
        "election",
        BUSH,
        None,
        1766,
        {1: (-11838.632, 18), 2: (-10680.333, 37), 3: (-10184.889, 56), 4: (-9979.578, 75)},
    ),
    "grade7": (
        "lsay_2wave",
        GRADE7,
        None,
        None,
        {1: (-10250.604, 5), 2: (-8785.317, 11), 3: (-8693.569, 17), 4: (-8664.090, 23)},
    ),
    "grade10": (
        "lsay_2wave",
        GRADE10,
        None,
        None,
        {1: (-7658.789, 5), 2: (-6073.807, 11), 3: (-5988.356, 17), 4: (-5964.447, 23)},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_lca_meets_the_published_loglikelihoods(case):
    file, items, freq, n, published = CASES[case]
    found = bm.enumerate_classes(lca(items, 1, freq=freq), read(file), published)
    for k, (loglik, parameters) in published.items():
        fit = found[k]
        assert fit.loglik == pytest.approx(loglik, abs=1e-3)
        assert fit.n_parameters == parameters
        assert fit.replicated >= 2
        assert fit.n_individuals == (n or fit.n_individuals)


def test_lca_of_patterns_with_frequencies_meets_the_published_loglikelihoods():
    published = {2: (-152527.33, 33), 3: (-141277.15, 50), 4: (-137464.20, 67)}
    found = bm.enumerate_classes(lca(nltcs_items(), 1, freq="freq"), read("nltcs_patterns"), published)
    for k, (loglik, parameters) in published.items():
        assert found[k].loglik == pytest.approx(loglik, abs=0.006)  # two published digits
        assert found[k].n_parameters == parameters
        assert found[k].n_individuals == 21574
        assert found[k].replicated >= 2


@pytest.mark.parametrize(("file", "items", "k"), [("carcinoma", list("ABCDEFG"), 2), ("lsay_2wave", GRADE7, 3)])
def test_nuts_agrees_with_maximum_likelihood(file, items, k):
    df, model = read(file), lca(items, k)
    fit = bm.fit(model, df)
    post = bm.sample(model, df, fit=fit, draws=1500, seed=1, progress=False)
    found = json.loads(post.attrs["bayesmix"])
    assert found["max_rhat"] < 1.01
    assert found["min_ess_bulk"] > 400
    assert found["divergences"] == 0
    assert not found["second_mode"]
    table = bm.compare(fit, post).table
    near = table[table.index.str.startswith("item_probability")]
    assert ((near["mean"] - near["ml"]).abs() < 2 * near["sd"]).all()
    assert np.isfinite(az.loo(post).elpd)
