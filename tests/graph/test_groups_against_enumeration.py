"""Groups and known classes in the graph against a loop over every class path and node."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import bayesmix as bm
from declare import by_unit, evaluate, frame, give_effects, oracle_for, random_values
from random_models import by_group, of_clusters_by_group, random_model, with_known

RTOL = 1e-9
NODES = (bm.trapezoid(4, 2.5), bm.gauss_hermite(3), bm.monte_carlo(5))


def compared(declared, df, seed: int, collapse: bool = True) -> None:
    sampled = tuple(k for k in ("cluster", "individual") if (seed + len(k)) % 3 == 0 and declared.effects_at(k))
    data, given = give_effects(bm.prepare(declared, df, NODES[seed % 3], sampled, collapse))
    values = random_values(data, seed)
    expected = oracle_for(data, df, values, given).units()
    assert_allclose(by_unit(data, evaluate(data, values)), expected, rtol=RTOL, atol=1e-12)


def grouped_frame(declared, seed: int, rows: int = 3):
    """Groups that whole clusters belong to, or that vary within them where nothing of clusters differs by group."""
    rng, df = np.random.default_rng(seed), frame(seed, rows=rows)
    whole = of_clusters_by_group(declared) or seed % 2
    unit = df["g"].rank(method="dense").astype(int).to_numpy() - 1 if whole else np.arange(len(df))
    label = np.array(["b", "a", "c"])[rng.permutation(unit.max() + 1) % 3]
    return df.assign(grp=label[unit])


@pytest.mark.parametrize(
    "seed", [*range(8), *(pytest.param(k, marks=pytest.mark.slow) for k in (*range(8, 19), 20))]
)  # with 19 the rows that tell a slope have collinear covariates
def test_random_models_by_group_equal_enumeration(seed):
    declared = by_group(random_model(seed), np.random.default_rng(seed))
    compared(declared, grouped_frame(declared, seed), seed, bool(seed % 2))


@pytest.mark.parametrize("seed", [*range(6), *(pytest.param(k, marks=pytest.mark.slow) for k in range(6, 12))])
def test_random_models_with_known_classes_equal_enumeration(seed):
    rng = np.random.default_rng(seed + 100)
    declared = by_group(random_model(seed), rng)
    declared, df = with_known(declared, grouped_frame(declared, seed), rng)
    compared(declared, df, seed, bool(seed % 2))
