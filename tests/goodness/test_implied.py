"""What a model expects of one and of two items: against its likelihood of rows of answers, and against simulation."""

from __future__ import annotations

import numpy as np
import pytest
from every_template import CATEGORICAL, NUMBERS, frame
from numpy.testing import assert_allclose

import bayesmix as bm
from bayesmix.data import Dataset
from bayesmix.goodness.cells import Cells, every_cell
from bayesmix.goodness.judged import Judged
from bayesmix.goodness.pairs import Compared
from declare import random_values


def judged(model, clusters: int, rows: int, seed: int = 1, missing: float = 0.0) -> Judged:
    """A model at random parameters, and data that it has drawn."""
    df = frame(clusters, rows)
    values = random_values(bm.prepare(model, df), seed, 0.6)
    df = bm.simulate(model, values, df=df, seed=seed)
    gone = np.random.default_rng([seed, 1]).random((len(df), len(model.items))) < missing
    df[[*model.items]] = df[[*model.items]].mask(gone)
    return Judged.at(Dataset.encode(model, df), None, values)


@pytest.mark.parametrize("name", CATEGORICAL)
def test_tables_are_the_margins_of_the_likelihood_of_all_rows_of_answers(name):
    """The sum of exp(log-likelihood) over all rows of answers is one, and its margins are the two-way tables."""
    at = judged(CATEGORICAL[name](), 20, 5)
    found, n = Compared.of(at), at.answers.n
    y = every_cell(found.answers.columns.sizes)
    cells = Cells(at).expected(y, at.answers.counts) / n
    assert_allclose(cells.sum(), 1.0, atol=1e-6)
    columns = found.answers.columns
    shown = (y[:, columns.item] == columns.category).astype(float)
    one, two = found.population
    assert_allclose(one, cells @ shown, atol=2e-5)
    assert_allclose(two, (shown * cells[:, None]).T @ shown, atol=2e-5)


@pytest.mark.parametrize("name", [*CATEGORICAL, *NUMBERS])
def test_residuals_of_the_model_that_drew_the_data_are_within_their_errors(name):
    at = judged((CATEGORICAL | NUMBERS)[name](), 400, 10, missing=0.1)
    found = Compared.of(at, "pairwise")
    tables = [found.univariate()["z"]]
    if len(found.answers.columns.categorical) > 1:
        tables.append(found.cells()["z"])
        pairs = found.categorical()
        total = found.cells()["expected"].groupby(level=["item 1", "item 2"], sort=False).sum()
        assert_allclose(total, pairs["n"], rtol=1e-9)
    if len(found.answers.columns.numeric):
        tables.append(found.numbers()["z"])
    if len(found.mixed()):
        tables.append(found.mixed()["z"])
    z = np.concatenate([np.asarray(t, dtype=float) for t in tables])
    z = z[~np.isnan(z)]
    assert np.abs(z).max() < 4.5
    assert np.sqrt(np.mean(z**2)) < 1.8
