"""Tables of a fit are made when they are read, once, and go with it wherever it goes."""

import copy
import pickle
import sys
from dataclasses import replace

import numpy as np
import pytest
from bayesmix.models import lca

import bayesmix as bm
from bayesmix.results import TABLES, Pending

assemble = sys.modules.get("bayesmix.ml.assemble") or __import__("bayesmix.ml.assemble", fromlist=["assemble"])


@pytest.fixture
def fit():
    rng = np.random.default_rng(5)
    z = rng.random(200) < 0.5
    import pandas as pd

    df = pd.DataFrame({k: (rng.random(200) < np.where(z, 0.8, 0.2)).astype(int) for k in "abcd"})
    return bm.fit(lca(list("abcd"), 2), df, starts=4, finals=2, rounds=1)


def pending(fit):
    return {k for k in TABLES if isinstance(fit.__dict__[k], Pending)}


def test_nothing_is_made_until_it_is_read(fit):
    assert pending(fit) == {*TABLES}
    assert fit.loglik < 0
    assert fit.bic > fit.aic
    assert pending(fit) == {*TABLES}
    assert np.isfinite(fit.se["class_logit"].values[0])
    assert pending(fit) == {*TABLES} - {"se"}


def test_a_table_is_made_once(fit, monkeypatch):
    calls, real = [], assemble.class_table
    monkeypatch.setattr(assemble, "class_table", lambda *given: calls.append(1) or real(*given))
    assert fit.classes is fit.classes
    assert fit.entropy == fit.entropy
    assert calls == [1]


@pytest.mark.parametrize(
    "way", [lambda f: pickle.loads(pickle.dumps(f)), copy.copy, lambda f: replace(f, loglik=f.loglik)]
)
def test_a_copy_has_all_tables(fit, way):
    other = way(fit)
    for name in TABLES:
        assert getattr(other, name).equals(getattr(fit, name)), name
    assert other.loglik == fit.loglik


def test_an_interrupted_table_is_made_the_next_time(fit, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(assemble, "class_table", interrupted)
        with pytest.raises(KeyboardInterrupt):
            _ = fit.classes
    assert fit.classes.sizes["row"] == 200


def test_what_cannot_be_made_is_said_when_it_is_read(fit, monkeypatch):
    def fails(*_):
        raise FloatingPointError("no number")

    monkeypatch.setattr(assemble, "class_table", fails)
    assert not fit.quality["failed"]
    with pytest.warns(UserWarning, match="could not be made of it: class probabilities .FloatingPointError: no number"):
        assert not fit.classes.data_vars
    assert "class probabilities" in fit.quality["failed"]
