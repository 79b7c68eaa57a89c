"""An interrupted enumeration of several models keeps what is finished, and begins no other."""

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
