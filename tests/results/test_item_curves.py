"""Curves and information of items are the formulas of item response theory; none of it takes Matplotlib."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from bayesmix.models.fma import fma
from bayesmix.models.irt_3pl import irt_3pl
from bayesmix.models.lca import lca
from scipy import stats
from scipy.special import expit, softmax

import bayesmix as bm
from solved import drawn_around, solved

ITEMS = ["p", "q", "r", "s"]
TAU, A, G = np.array([0.5, -1.0, 0.0, 1.2]), np.array([1.5, 0.8, 2.2, 1.1]), np.array([0.2, 0.1, 0.25, 0.05])
ETA = np.linspace(-4, 4, 401)


def answers(items, categories: int = 2, n: int = 40) -> pd.DataFrame:
    """Every category of every item occurs."""
    df = pd.DataFrame(np.random.default_rng(0).integers(0, categories, (n, len(items))), columns=list(items))
    df.iloc[:categories] = np.arange(categories)[:, None]
    return df


@pytest.fixture(scope="module")
def guessed() -> bm.Fit:
    """The 3PL model of four items."""
    return solved(irt_3pl(ITEMS), answers(ITEMS), item_intercept=TAU, loading=A, guessing=G)


def test_probabilities_and_information_of_the_3pl_are_its_formulas(guessed):
    curves = bm.item_curves(guessed)
    assert curves["probability"].dims == ("factor", "item", "category", "eta")
    assert curves["information"].dims == ("factor", "item", "eta")
    assert curves["test_information"].dims == curves["standard_error"].dims == ("factor", "eta")
    assert list(curves["item"].values) == ITEMS
    assert list(curves["factor"].values) == ["f"]
    assert curves["answer"].sel(item="q").values.tolist() == ["0", "1"]
    g, a = G[:, None], A[:, None]
    p = g + (1 - g) * expit(TAU[:, None] + a * ETA)
    assert curves["probability"].sel(factor="f", category=2).values == pytest.approx(p)
    assert curves["probability"].sum("category").values == pytest.approx(1.0)
    information = a**2 * (p - g) ** 2 * (1 - p) / ((1 - g) ** 2 * p)
    assert curves["information"].sel(factor="f").values == pytest.approx(information, abs=5e-4)
    assert curves["test_information"].values[0] == pytest.approx(information.sum(axis=0), abs=1e-3)
    assert curves["standard_error"].values[0] == pytest.approx(1 / np.sqrt(information.sum(axis=0)), rel=5e-3)
    half = bm.item_curves(guessed, limit=2.0)
    assert half["eta"].values[[0, -1]] == pytest.approx([-2.0, 2.0])
    table = curves["probability"].to_dataframe()
    assert table.index.names == ["factor", "item", "category", "eta"]


def test_classes_are_dims():
    model, df = fma(ITEMS, 2, by_class="intercepts + loadings"), answers(ITEMS)
    tau, a = np.stack([TAU, -TAU]), np.stack([A, 0.5 * A])
    curves = bm.item_curves(solved(model, df, class_logit=[0.3, 0.0], item_intercept=tau, loading=a))
    assert curves["probability"].dims == ("factor", "item", "C", "category", "eta")
    x = tau[..., None] + a[..., None] * ETA
    information = (a[..., None] * stats.norm.pdf(x)) ** 2 / (stats.norm.cdf(x) * stats.norm.sf(x))
    for k in (1, 2):
        at = curves.sel(factor="f", C=k)
        assert at["probability"].sel(category=2).values == pytest.approx(stats.norm.cdf(x[k - 1]))
        assert at["information"].values == pytest.approx(information[k - 1], abs=2e-3)
        assert at["test_information"].values == pytest.approx(information[k - 1].sum(axis=0), abs=4e-3)
    one = bm.item_curves(solved(fma(ITEMS, 1), df, class_logit=[0.0], item_intercept=TAU[None], loading=A))
    assert "C" not in one.dims


def test_categories_and_factors_that_an_item_has_not_are_missing():
    df = answers("abcd", 3)
    df["c"] = df["c"].clip(upper=1)
    model = fma(list("abcd"), 1, factors={"one": ["a", "b"], "two": ["b", "c", "d"]}, family=bm.nominal())
    data, rng = bm.prepare(model, df), np.random.default_rng(2)
    values = {p.name: rng.normal(size=data.packing.shape(p)) for p in model.parameters}
    values["item_logit"][..., 0] = 0.0
    values["loading"][..., 0] = 0.0
    values["loading"][0, 2:] = values["loading"][1, 0] = 0.0  # where the pattern has zeros
    dims = next(p.dims for p in model.parameters if p.name == "loading")
    assert dims == ("factor", "item", "category")
    curves = bm.item_curves(solved(model, df, **values))
    measured = curves["probability"].notnull().all("eta")  # noqa: PD004
    both = {"one": "ab", "two": "bcd"}
    for factor, item, k in ((f, i, k) for f in both for i in "abcd" for k in (1, 2, 3)):
        there = item in both[factor] and (item, k) != ("c", 3)
        assert measured.sel(factor=factor, item=item, category=k).item() is there, (factor, item, k)
    assert curves["answer"].sel(item="c").values.tolist() == ["0", "1", ""]
    logits = values["item_logit"][0, 2, :2, None] + values["loading"][1, 2, :2, None] * ETA
    found = curves["probability"].sel(factor="two", item="c", category=[1, 2]).values
    assert found == pytest.approx(softmax(logits, axis=0))
    total = curves["information"].sum("item")
    assert curves["test_information"].values == pytest.approx(total.transpose("factor", "eta").values)


def test_covariates_of_an_item_are_at_zero_or_at_their_means():
    df = answers(ITEMS).assign(x=np.linspace(1.0, 3.0, 40))
    slope = np.array([0.0, 0.7, 0.0, 0.0])[:, None]
    fit = solved(irt_3pl(ITEMS, "none", item_covariates={"q": "x"}), df, item_intercept=TAU, loading=A,
                 item_slope=slope)  # fmt: skip
    for given, at in ((None, 0.0), (df, 2.0)):
        found = bm.item_curves(fit, given)["probability"].sel(factor="f", item="q", category=2).values
        assert found == pytest.approx(expit(-1.0 + 0.7 * at + 0.8 * ETA))


def test_a_posterior_has_means_and_intervals(guessed):
    post = drawn_around(guessed, 0.01)  # no guessing below zero
    curves, drawn = bm.item_curves(post), post["posterior"].to_dataset()
    x = {str(k): v.transpose(..., "item").values.reshape(-1, 4, 1) for k, v in drawn.items()}
    p = x["guessing"] + (1 - x["guessing"]) * expit(x["item_intercept"] + x["loading"] * ETA)
    for ending, expected in (("", p.mean(axis=0)), *zip(("_lower", "_upper"), np.quantile(p, [0.025, 0.975], axis=0),
                                                        strict=True)):  # fmt: skip
        found = curves[f"probability{ending}"].sel(factor="f", category=2).values
        assert found == pytest.approx(expected)
    g = x["guessing"]
    information = (x["loading"] ** 2 * (p - g) ** 2 * (1 - p) / ((1 - g) ** 2 * p)).sum(axis=1)
    assert curves["standard_error"].values[0] == pytest.approx((1 / np.sqrt(information)).mean(axis=0), rel=5e-3)
    upper = np.quantile(information, 0.975, axis=0)
    assert curves["test_information_upper"].values[0] == pytest.approx(upper, rel=5e-3)
    assert not any(str(k).endswith("_lower") for k in bm.item_curves(guessed))


def test_reliability_is_that_of_the_scores():
    x, sd = np.random.default_rng(3).normal(0.0, 0.8, 40), np.linspace(0.4, 0.6, 40)
    x[5] = sd[5] = np.nan
    scores, used = xr.Dataset({"f": ("row", x), "f_sd": ("row", sd)}), np.arange(40) != 5
    df = answers(ITEMS).assign(n=np.arange(1, 41))
    for freq, w in ((None, np.ones(40)), ("n", np.arange(1.0, 41.0))):
        fit = solved(irt_3pl(ITEMS, "none", freq=freq), df, scores, item_intercept=TAU, loading=A)
        cov, error = np.cov(x[used], aweights=w[used], ddof=0), np.average(sd[used] ** 2, weights=w[used])
        found = bm.reliability(fit, df).loc["f"]
        assert found["reliability"] == pytest.approx(cov / (cov + error))
        assert found["mean"] == pytest.approx(np.average(x[used], weights=w[used]))
        assert found[["sd", "error"]].to_numpy() == pytest.approx(np.sqrt([cov, error]))
    with pytest.raises(ValueError, match=r"The rows stand for several persons each: give the data of the fit, 40 rows"):
        bm.reliability(fit)
    with pytest.raises(ValueError, match="scores take a model with factors"):
        bm.reliability(solved(lca(ITEMS, 2), df, class_logit=np.zeros(2), item_logit=np.zeros((2, 4, 2))))


def test_reliability_is_the_share_of_what_was_true():
    model = irt_3pl(ITEMS, "none")
    truth = {"item_intercept": TAU, "loading": A}
    df = bm.simulate(model, truth, n=4000, seed=1)
    fit = bm.fit(model, df, starts=2, finals=2, rounds=1, progress=False)
    squared = np.corrcoef(fit.effects()["f"].values, df["true_f"])[0, 1] ** 2
    assert bm.reliability(fit).loc["f", "reliability"] == pytest.approx(squared, abs=0.03)


def test_curves_that_there_are_not_are_explained(guessed):
    plain = solved(lca(ITEMS, 2), answers(ITEMS), class_logit=np.zeros(2), item_logit=np.zeros((2, 4, 2)))
    with pytest.raises(ValueError, match="no binary, ordinal or nominal item loads on a factor"):
        bm.item_curves(plain)
    with pytest.raises(ValueError, match=r"The limit came as -1: give a positive number of SDs"):
        bm.item_curves(guessed, limit=-1)
    with pytest.raises(TypeError, match=r"came as Model, expected a fit .* give it alone, it knows its model"):
        bm.item_curves(guessed.model, guessed)


WITHOUT_PICTURES = """
import sys
sys.modules["matplotlib"] = None
import numpy as np
import pandas as pd
import bayesmix as bm
rng = np.random.default_rng(0)
df = pd.DataFrame(rng.integers(0, 2, (60, 3)), columns=list("abc"))
df = df.assign(room=np.arange(60) % 6, y=rng.normal(size=60))
quick = {"starts": 1, "finals": 1, "rounds": 1, "simpler": False, "progress": False}
ability = bm.fit(bm.models.irt_3pl(list("abc"), "none"), df, nodes=bm.trapezoid(9), **quick)
bm.item_curves(ability), bm.reliability(ability)
rooms = bm.fit(bm.models.regression_mixture("y ~ a", cluster="room"), df, **quick)
bm.coefficients(rooms, df)
classes = bm.fit(bm.models.lca(list("abc"), 2, cluster="room"), df, nodes=bm.trapezoid(9), budget=0, **quick)
bm.class_curves(classes)
assert not [k for k in sys.modules if k.startswith("matplotlib") and sys.modules[k] is not None]
print("done")
"""


def test_numbers_beneath_pictures_do_not_take_matplotlib():
    command = [sys.executable, "-W", "ignore", "-c", WITHOUT_PICTURES]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.stdout.strip() == "done", run.stderr
