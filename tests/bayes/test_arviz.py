"""Every function of ArviZ that the documentation lists runs on our posteriors and shows our names."""

import re
import warnings
from pathlib import Path

import arviz as az
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from bayesmix.models import lca, regression_mixture

import bayesmix as bm
from bayesmix.results import diagnostics

PAGE = (Path(__file__).parents[2] / "docs" / "arviz.md").read_text()
TABLE = {
    m[1]: (m[2], m[3])
    for m in re.finditer(r"^\| `(\w+)` \| ([^|]+?) \| ([^|]*?) ?\|$", PAGE.split("## Functions of")[1], flags=re.M)
}
ITEMS = ["a", "b", "c", "d"]
FEW = {"draws": 60, "tune": 100, "chains": 2, "cores": 1, "seed": 3, "predictive": 60, "progress": False}
FURTHER = {
    "plot_pair": {"var_names": ["class_logit"], "coords": {"C": [1]}},
    "plot_psense_dist": {"var_names": ["item_intercept"], "coords": {"item": ["a"]}},
    "plot_psense_quantities": {"var_names": ["item_intercept"], "coords": {"item": ["a"]}},
    "plot_bf": {"var_names": ["class_logit"], "ref_val": 0.5},
}


@pytest.fixture(scope="module")
def posts(two_classes):
    mpl.use("Agg")
    df = two_classes.dropna().iloc[:80].assign(g=np.arange(80) % 10)
    models = {"one": lca(ITEMS, 1, family=bm.bernoulli()), "two": lca(ITEMS, 2, family=bm.bernoulli())}
    models |= {"clusters": lca(ITEMS, 2, family=bm.bernoulli(), cluster="g")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {k: bm.sample(m, df, **FEW) for k, m in models.items()}


def given(name: str, posts: dict):
    """What the table says that the function is given."""
    what, _ = TABLE[name]
    if what == "one item":
        return bm.of_item(posts["two"], "a")
    if what.startswith("`az.loo"):
        return az.loo(posts["two"], pointwise=True)
    both = {k: posts[k] for k in ("one", "two")}
    return {"post": posts["two"], "a dict of posteriors": both}.get(what) or az.compare(both)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TABLE)
def test_a_function_of_the_table_runs(name, posts):
    out = getattr(az, name)(given(name, posts), **FURTHER.get(name, {}))
    mpl.pyplot.close("all")
    assert out is not None or name == "diagnose"


def test_the_table_has_all_functions_that_take_a_posterior():
    apart = {"plot_collection", "plot_ecdf_pit", "plot_lm", "plot_ppc_censored", "plot_dgof", "plot_dgof_dist"}
    apart |= {"plot_matrix", "plot_pair_focus", "plot_ppc_dist_pit", "plot_ppc_pava_residuals"}  # parts and variants
    drawn = {n for n in dir(az) if n.startswith("plot_")} - apart
    assert drawn <= {*TABLE}


@pytest.mark.filterwarnings("ignore")
def test_the_names_are_ours(posts):
    table = az.summary(posts["two"], var_names=["class_logit", "item_intercept"])
    assert [*table.index][:2] == ["class_logit[1]", "class_logit[2]"]
    assert "item_intercept[2, d]" in table.index
    numbers = posts["two"]["posterior"]["item_intercept"].sel(C=2, item="d").mean()
    assert float(table.loc["item_intercept[2, d]", "mean"]) == pytest.approx(float(numbers), abs=0.01)
    assert [*az.psense_summary(posts["two"], var_names=["class_logit"]).index] == ["class_logit[1]", "class_logit[2]"]


@pytest.mark.filterwarnings("ignore")
def test_leave_one_out_is_of_persons_or_clusters(posts):
    assert az.loo(posts["two"]).n_data_points == 80
    assert az.loo(posts["clusters"]).n_data_points == 10
    alone = bm.of_item(posts["two"], "b")
    assert az.loo(alone).elpd == pytest.approx(az.loo(posts["two"]).elpd)
    with pytest.raises(TypeError, match="log likelihood not found"):
        az.plot_loo_pit(bm.of_item(posts["clusters"], "a"))
    assert az.plot_ppc_rootogram(bm.of_item(posts["clusters"], "a"))
    mpl.pyplot.close("all")


@pytest.mark.filterwarnings("ignore")
def test_the_pit_of_an_item_is_the_mean_over_draws_without_the_person(posts):
    """By hand: weights of leave-one-out times P(replicate below the answer), ties by a coin."""
    alone = bm.of_item(posts["two"], "a")
    pit = az.loo_pit(alone)["y"]
    weights, _ = alone["log_likelihood"]["y"].azstats.psislw(dim=["chain", "draw"])
    weights = np.exp(weights) / np.exp(weights).sum(("chain", "draw"))
    y, replicated = alone["observed_data"]["y"], alone["posterior_predictive"]["y"]
    low = (weights * (replicated < y)).sum(("chain", "draw"))
    high = (weights * (replicated <= y)).sum(("chain", "draw"))
    assert ((pit >= low - 1e-9) & (pit <= high + 1e-9)).all()


@pytest.mark.filterwarnings("ignore")
def test_a_regression_is_of_one_outcome_as_it_is():
    rng = np.random.default_rng(1)
    df = pd.DataFrame({"x": rng.normal(size=60)})
    df["y"] = 1 + 2 * df["x"] + rng.normal(size=60)
    post = bm.sample(regression_mixture("y ~ x"), df, **FEW)
    assert post["observed_data"]["y"].dims == ("row",)
    np.testing.assert_allclose(post["observed_data"]["y"], df["y"])
    assert post["posterior_predictive"]["y"].dims == ("chain", "draw", "row")
    assert 0.2 < float(az.loo_pit(post)["y"].mean()) < 0.8
    with pytest.raises(ValueError, match="one item"):
        bm.of_item(post, "y")


def test_units_of_a_large_k_are_those_of_arviz():
    """A person whose answers hardly any draw has in its reach: by ``az.loo`` and by our count."""
    rng = np.random.default_rng(0)
    x = rng.normal(-2, 0.05, size=(2, 400, 30))
    x[..., 3] = -2 * rng.normal(size=(2, 400)) ** 2 * 4
    level = xr.DataArray(x, dims=("chain", "draw", "row"))
    groups = {"posterior": xr.Dataset({"a": (("chain", "draw"), rng.normal(size=(2, 400)))})}
    groups |= {"log_likelihood": xr.Dataset({"y": level}), "observed_data": xr.Dataset({"y": ("row", np.zeros(30))})}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loo = az.loo(xr.DataTree.from_dict({f"/{k}": v for k, v in groups.items()}), pointwise=True)
    assert diagnostics._bad_khat(level) == int((loo.pareto_k > 0.7).sum()) == 1


def test_no_such_item_is_refused(posts):
    with pytest.raises(ValueError, match=r"no item 'e'.*give one of a, b, c, d"):
        bm.of_item(posts["two"], "e")
    with pytest.raises(TypeError, match=r"give what bm\.sample returns"):
        bm.of_item(posts["two"]["posterior"].to_dataset(), "a")


def test_missing_answers_are_left_out_of_the_item(two_classes):
    df = two_classes.iloc[:60]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        post = bm.sample(lca(["a", "b", "c"], 1, family=bm.bernoulli()), df, **{**FEW, "predictive": 4})
    alone = bm.of_item(post, "b")
    assert alone["observed_data"]["y"].dtype.kind == "i"
    assert alone["observed_data"].sizes["row"] == df["b"].notna().sum() == alone["log_likelihood"].sizes["row"]
    np.testing.assert_array_equal(alone["observed_data"]["y"], df["b"].dropna())
