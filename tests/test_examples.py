"""Every public name has an example in its docstring, and the examples are right."""

import doctest
import warnings

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

import bayesmix as bm
from mplus_text import of_lca

QUICK = {"starts": 2, "finals": 1, "rounds": 1, "budget": 0, "progress": False}
NAMES = {
    **{f"bm.{n}": (bm, n) for n in bm.__all__ if n not in ("models", "mplus", "plots")},
    **{f"bm.mplus.{n}": (bm.mplus, n) for n in bm.mplus.__all__},
    **{f"bm.plots.{n}": (bm.plots, n) for n in bm.plots.__all__},
    **{f"bm.models.{n}": (bm.models, n) for n in bm.models.__all__},
}


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """What the examples take as given: data, a model, fits of several models."""
    mpl.use("Agg")
    rng = np.random.default_rng(1)
    c, f, g = rng.integers(0, 2, 200), rng.normal(size=200), np.arange(200) % 20
    df = pd.DataFrame({k: (rng.random(200) < np.where(c, 0.8, 0.2)).astype(int) for k in "abcd"})
    tests = {k: (rng.random(200) < 1 / (1 + np.exp(-1.5 * f))).astype(int) for k in ("i1", "i2", "i3", "i4")}
    df = df.assign(**tests, g=g, x=rng.normal(size=200))
    times = np.arange(4)
    df[[f"t{k}" for k in times]] = 2.0 * c[:, None] + 0.5 * f[:, None] * times + rng.normal(size=(200, 4))
    df["y"] = rng.normal(size=20)[g] + (0.5 + 0.5 * rng.normal(size=20)[g]) * df["x"] + rng.normal(size=200)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        declared = {
            "fit": bm.models.lca(list("abcd"), 2),
            "two_level": bm.models.lca(list("abcd"), 2, cluster="g"),
            "regression": bm.models.regression_mixture("y ~ x", cluster="g"),
            "slopes": bm.models.regression_mixture("y ~ x", cluster="g", random="1 + x"),
            "growing": bm.models.growth(["t0", "t1", "t2", "t3"], 2),
            "item_response": bm.models.irt_3pl(["i1", "i2", "i3", "i4"], "none"),
            "transitions_fit": bm.models.lta([["a", "b"], ["c", "d"]], 2, names=["one", "other"], cluster="g"),
        }
        fits = {k: bm.fit(m, df, **QUICK) for k, m in declared.items()}
    run_out = tmp_path_factory.mktemp("mplus") / "run.out"
    run_out.write_text(of_lca(fits["fit"], [1, 0], {k: k.upper() for k in "abcd"}))
    return {
        "run_out": run_out,
        "bm": bm,
        "np": np,
        "pd": pd,
        "df": df,
        "model": declared["fit"],
        "quick": {"starts": 2, "rounds": 1},
    } | fits


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_the_example_of_a_public_name_is_right(name, names):
    home, own = NAMES[name]
    found = doctest.DocTestParser().get_doctest(getattr(home, own).__doc__ or "", dict(names), name, None, 0)
    assert found.examples, "its docstring has no example"
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert not runner.run(found, out=said.append).failed, "".join(said)
    if name.startswith("bm.plots"):
        import matplotlib.pyplot as plt

        plt.close("all")
