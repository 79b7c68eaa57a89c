"""An enumeration of several models refuses what any of them cannot be; interrupted, it keeps what is finished."""

import pandas as pd
import pytest
from bayesmix.models import lca

import bayesmix as bm
from bayesmix.enumeration import structures

QUICK = {"starts": 2, "finals": 1, "rounds": 1, "budget": 0, "progress": False}


@pytest.mark.parametrize("finished", [0, 1])
def test_what_is_finished_is_kept(two_classes: pd.DataFrame, monkeypatch, finished):
    real, begun = structures.enumerate_classes, []

    def interrupted(*arguments, **settings):
        begun.append(arguments)
        if len(begun) > finished:
            raise KeyboardInterrupt
        return real(*arguments, **settings)

    monkeypatch.setattr(structures, "enumerate_classes", interrupted)
    models = {k: lca(["a", "b", "c"], 2) for k in ("one", "two", "three")}
    if not finished:
        with pytest.raises(KeyboardInterrupt):
            bm.enumerate_structures(models, two_classes, [1, 2], **QUICK)
        return
    with pytest.warns(UserWarning, match="Interrupted at 'two': the finished models are kept"):
        found = bm.enumerate_structures(models, two_classes, [1, 2], **QUICK)
    assert list(found.enumerations) == ["one"]
    assert len(begun) == 2


def test_a_bad_later_model_is_refused_before_the_first_fit(two_classes: pd.DataFrame, monkeypatch):
    def fitted(*arguments, **settings):
        raise AssertionError("a model was fitted")

    monkeypatch.setattr(structures, "enumerate_classes", fitted)
    good = lca(["a", "b", "c"], 2)
    bad = {
        "no column": (lca(["a", "b", "nobody"], 2), ValueError, "no column 'nobody'"),
        "family": (lca(["a", "b", "c"], 2, family=bm.normal(), covariance="equal"), ValueError, "came with text"),
        "no model": ("lca", TypeError, "came as 'lca'"),
        "a number": (lambda k: lca(["a", "b", "c"], k - 1), ValueError, "number of classes"),
    }
    text = two_classes.assign(c=["x", "y"] * (len(two_classes) // 2) + ["x"] * (len(two_classes) % 2))
    for name, (model, kind, words) in bad.items():
        with pytest.raises(kind, match=f"The model '{name}'.*{words}"):
            bm.enumerate_structures({"good": good, name: model}, text, [1, 2], **QUICK)
    with pytest.raises(TypeError, match="The model 'good': sarts= came"):
        bm.enumerate_structures({"good": good}, two_classes, [1, 2], sarts=3)
    priors = {"nothing": bm.Prior("Normal", mu=0, sigma=1)}
    with pytest.raises(ValueError, match=r"The model 'good'.*nothing"):
        bm.enumerate_structures({"good": good}, two_classes, [1, 2], priors=priors, **QUICK)
