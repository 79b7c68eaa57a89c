"""Rows are encoded once, whatever is made of them: other models, nodes, patterns, the tables of a fit, draws."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from bayesmix.models import gom, lca, regression_mixture

import bayesmix as bm
from bayesmix.data import Dataset, dataset
from bayesmix.graph import Problem

ITEMS = list("abcd")


@pytest.fixture(scope="module")
def df():
    rng = np.random.default_rng(1)
    c = rng.integers(0, 2, 160)
    out = pd.DataFrame({k: (rng.random(160) < np.where(c, 0.8, 0.2)).astype(int) for k in ITEMS})
    return out.assign(x=rng.normal(size=160), n=rng.normal(c * 3.0), g=np.arange(160) % 16)


@pytest.fixture
def encodings(monkeypatch):
    """The models under which frames were encoded."""
    seen, real = [], dataset.coded_items

    def counted(model, *rest):
        seen.append(model)
        return real(model, *rest)

    monkeypatch.setattr(dataset, "coded_items", counted)
    return seen


SHORT = {"starts": 2, "finals": 1, "rounds": 1, "budget": 0, "progress": False}
MODELS = {
    "lca": lca(ITEMS, 3),
    "two-level": lca(ITEMS, 2, "x", cluster="g"),
    "two-level, exact": regression_mixture("n ~ x", random="1", cluster="g"),
    "grades of membership": gom(ITEMS, 2),
    "profiles": lca(["n"], 2, family=bm.normal(), variance="class"),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", MODELS)
def test_a_fit_encodes_its_rows_once(name, df, encodings):
    bm.fit(MODELS[name], df, **SHORT | {"rounds": 2})
    assert len(encodings) == 1


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_draws_with_their_fit_encode_the_rows_once(df, encodings):
    bm.sample(MODELS["lca"], df, draws=8, tune=8, chains=1, progress=False)
    assert len(encodings) == 1


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_enumeration_encodes_the_rows_once(df, encodings):
    bm.enumerate_classes(lca(ITEMS, 1), df, range(1, 4), **SHORT)
    assert len(encodings) == 1


@pytest.mark.parametrize("name", MODELS)
def test_rows_under_another_model_are_those_encoded_for_it(name, df):
    model = MODELS[name]
    fewer = replace(model, classes=tuple(replace(c, size=max(c.size - 1, 1)) for c in model.classes))
    one, other = (Problem.of(rows) for rows in (Dataset.encode(model, df).under(fewer), Dataset.encode(fewer, df)))
    assert one.signature == other.signature
    assert all(np.array_equal(one.arrays[k].values, x.values) for k, x in other.arrays.items())
    assert (one.coords, one.categories, one.coding) == (other.coords, other.categories, other.coding)


@pytest.mark.parametrize(
    "other",
    [lca(list("abc"), 2), lca([*ITEMS[::-1]], 2), lca(ITEMS, 2, "x"), lca(ITEMS, 2, cluster="g"),
     lca(ITEMS, 2, family=bm.ordinal())],
)  # fmt: skip
def test_rows_are_not_read_in_another_way_than_they_were_encoded(other, df):
    with pytest.raises(ValueError, match="encoded for other columns"):
        Dataset.encode(MODELS["lca"], df).under(other)


def test_rows_that_were_dropped_are_missed_with_words(df):
    bare = Problem.of(Dataset.encode(MODELS["lca"], df)).bare()
    with pytest.raises(ValueError, match="rows of these patterns were dropped"):
        bare.uncollapsed()
