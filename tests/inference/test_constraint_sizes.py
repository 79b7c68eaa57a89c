"""The size of Wald tests and likelihood ratios of constraints that are true."""

import warnings

import numpy as np
import pandas as pd
import pytest
from bayesmix.models import lca

import bayesmix as bm

ITEMS = list("abcdef")
HYPOTHESES = "class_slope[1, w] = 0, item_logit[1, a, 1] = item_logit[1, b, 1]"
TRUTH = {
    "class_logit": np.array([0.3, 0.0]),
    "class_slope": np.array([[0.7, 0.0], [0.0, 0.0]]),
    "item_logit": np.stack(
        [np.zeros((2, 6)), np.array([[1.5, 1.5, 1.2, 1.7, 1.4, 1.3], [-1.4, -1.0, -1.6, -1.3, -1.1, -1.5]])], axis=-1
    ),
}
ALONE = {"starts": 1, "finals": 1, "rounds": 1, "budget": 0, "simpler": False, "progress": False}


def rejections(replications: int, n: int = 500, first: int = 0) -> dict[str, float]:
    """Shares of p values below 5%: of the Wald test, the scaled and the plain likelihood ratio."""
    free = lca(ITEMS, 2, "x + w")
    held = bm.constrain(free, fix={"class_slope[1, w]": 0}, equal=[["item_logit[1, a, 1]", "item_logit[1, b, 1]"]])
    found = []
    for k in range(first, first + replications):
        rng = np.random.default_rng([1, k])  # not the stream of what is drawn given the covariates
        covariates = pd.DataFrame({"x": rng.normal(size=n), "w": rng.normal(size=n)})
        df = bm.simulate(free, TRUTH, df=covariates, seed=k)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one start, at the truth
            larger, smaller = (bm.fit(m, df, start=TRUTH, seed=k, **ALONE) for m in (free, held))
        plain = bm.likelihood_ratio(smaller, larger, scaling="none")
        scaled = bm.likelihood_ratio(smaller, larger) if plain.df == 2 else plain
        found.append((bm.test(larger, HYPOTHESES).p, scaled.p, plain.p))
    p = np.array(found)
    return dict(zip(("wald", "scaled", "plain"), (p < 0.05).mean(axis=0), strict=True))


def test_true_constraints_are_seldom_rejected():
    """Of 12 replications 5% are 0.6; five or more come twice in 10,000 times."""
    assert max(rejections(12).values()) <= 4 / 12


@pytest.mark.slow
def test_true_constraints_are_rejected_at_the_level():
    """Of 300 replications, within two Monte Carlo errors of 1.26% about 5%."""
    found = rejections(300, n=1000)
    assert all(0.025 <= share <= 0.075 for share in found.values()), found
