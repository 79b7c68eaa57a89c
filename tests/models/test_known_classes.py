"""Known classes: nothing known is the plain model, all known a multinomial logit, labels stay where they are known."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose

import bayesmix as bm

ITEMS = list("abcd")
QUICK = {"starts": 4, "rounds": 1, "progress": False, "budget": 0}


def data(n: int = 600, seed: int = 2, share: float = 0.25) -> pd.DataFrame:
    """Three classes by a covariate; of some rows the class is known, the largest class comes last."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    logits = np.stack([0.2 + 0.8 * x, -0.3 - 0.5 * x, np.full(n, 0.6)], axis=1)
    c = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    p = np.array([[0.9, 0.85, 0.15, 0.2], [0.15, 0.2, 0.85, 0.9], [0.85, 0.2, 0.2, 0.85]])[c]
    df = pd.DataFrame((rng.random((n, 4)) < p).astype(int), columns=ITEMS)
    df["x"], df["truth"] = x, c + 1
    df["k"] = df["truth"].where(rng.random(n) < share).astype(float)
    return df


DF = data()


def lca(**options):
    return bm.models.lca(ITEMS, 3, **options)


def fit(model, df=DF, **more):
    return bm.fit(model, df, **QUICK | more)


def test_all_known_is_a_multinomial_logit_and_a_table_of_each_item():
    f = fit(lca(covariates="x", known="truth"))
    base = 4 - DF["truth"]  # statsmodels compares with the first
    logit = sm.MNLogit(base, sm.add_constant(DF["x"])).fit(disp=0)
    assert_allclose(f.params["class_logit"].values[[1, 0]], logit.params.loc["const"], atol=1e-4)
    assert_allclose(f.params["class_slope"].sel(covariate="x").values[[1, 0]], logit.params.loc["x"], atol=1e-4)
    assert_allclose(f.se_hessian["class_slope"].sel(covariate="x").values[[1, 0]], logit.bse.loc["x"], rtol=1e-3)
    share = DF.groupby("truth")[ITEMS].mean()
    assert_allclose(f.probabilities["item_probability"].sel(category=1), share, atol=1e-5)
    p = share.loc[DF["truth"]].to_numpy()
    answers = np.log(np.where(DF[ITEMS] == 1, p, 1 - p)).sum()
    assert_allclose(f.loglik, logit.llf + answers, atol=1e-6)


def test_rows_that_are_known_have_probability_one():
    f = fit(lca(known="k"))
    p = f.class_probabilities("C").filter(like="C=").to_numpy()
    told = DF["k"].notna()
    assert_allclose(p[told, DF.loc[told, "k"].astype(int) - 1], 1.0)
    assert (p[~told].max(axis=1) < 1.0).all()
    new = bm.predict(f, DF.head(30)).class_probabilities("C").filter(like="C=")
    assert_allclose(new.to_numpy(), p[:30], atol=1e-10)
    without = bm.predict(f, DF.head(30).drop(columns="k")).class_probabilities("C").filter(like="C=")
    assert (without.to_numpy().max(axis=1) < 1.0).all()


def test_labels_of_known_classes_stay():
    f = fit(lca(known="k"))
    share = DF.groupby("truth")[ITEMS].mean()
    assert_allclose(f.probabilities["item_probability"].sel(category=1), share, atol=0.12)
    assert np.diff(f.probabilities["C_probability"]).max() > 0  # not the largest first
    assert f.model.anchored == (("C", (0, 1, 2)),)


def test_of_two_classes_that_nobody_is_known_to_be_in_the_largest_is_first():
    f = fit(lca(known="k"), DF.assign(k=DF["k"].where(DF["k"] == 2)))
    p = f.probabilities["C_probability"].values
    assert p[0] > p[2]
    assert f.model.anchored == (("C", (1,)),)
    told = (DF["k"] == 2).to_numpy()
    assert_allclose(f.class_probabilities("C")["C=2"].to_numpy()[told], 1.0)


def test_numbers_of_some_that_are_known_are_those_of_the_sums_over_what_is_left():
    """The log-likelihood by hand: the known class alone, or all of them."""
    m = lca(covariates="x", known="k")
    data_ = bm.prepare(m, DF)
    theta = np.random.default_rng(0).normal(size=data_.packing.size) * 0.5
    v = data_.natural(theta)
    logits = v["class_logit"] + DF[["x"]].to_numpy() @ v["class_slope"].T
    size = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    p = np.exp(v["item_logit"]) / np.exp(v["item_logit"]).sum(axis=-1, keepdims=True)
    each = size * np.prod([p[:, k, DF[i]].T for k, i in enumerate(ITEMS)], axis=0)
    told = DF["k"].notna().to_numpy()
    own = np.where(told, each[np.arange(len(DF)), DF["k"].fillna(1).astype(int) - 1], each.sum(axis=1))
    assert_allclose(bm.log_likelihood(m, DF, v), np.log(own).sum(), rtol=1e-12)


def test_a_row_without_answers_tells_of_the_sizes_where_its_class_is_known():
    gone = DF.copy()
    gone.loc[gone.index[:60], ITEMS] = np.nan
    f = fit(lca(known="k"), gone)
    assert f.n_individuals == len(DF) - int(gone.loc[gone.index[:60], "k"].isna().sum())


def test_names_of_classes():
    words = DF["k"].map({1.0: "anxious", 2.0: "bold", 3.0: "calm"})
    f, plain = fit(lca(known="k"), DF.assign(k=words)), fit(lca(known="k"))
    assert_allclose(f.loglik, plain.loglik, atol=1e-6)
    assert "1 = anxious, 2 = bold, 3 = calm" in str(bm.report(f))
    with pytest.raises(ValueError, match="'dull', which is none of its classes"):
        bm.predict(f, DF.head(3).assign(k="dull"))
    order = pd.Categorical(words, categories=["calm", "bold", "anxious"])
    turned = fit(lca(known="k"), DF.assign(k=order))
    assert_allclose(turned.probabilities["C_probability"], plain.probabilities["C_probability"][::-1], atol=1e-4)


def test_known_classes_of_one_occasion():
    rng = np.random.default_rng(4)
    again = DF["truth"].where(rng.random(len(DF)) < 0.7, rng.integers(1, 4, len(DF)))
    p = np.array([[0.9, 0.85, 0.15, 0.2], [0.15, 0.2, 0.85, 0.9], [0.85, 0.2, 0.2, 0.85]])[again - 1]
    second = [f"{i}2" for i in ITEMS]
    df = DF.assign(**dict(zip(second, (rng.random(p.shape) < p).astype(int).T, strict=True)))
    m = bm.models.lta([ITEMS, second], 3, known={"C1": "k"})
    f = fit(m, df)
    assert_allclose(f.probabilities["C1_probability"], DF["truth"].value_counts(normalize=True).sort_index(), atol=0.06)
    told = df["k"].notna()
    first = f.class_probabilities("C1").filter(like="C1=").to_numpy()
    assert_allclose(first[told, df.loc[told, "k"].astype(int) - 1], 1.0)


def test_classes_of_clusters_are_known():
    rng = np.random.default_rng(6)
    d = np.repeat(rng.integers(0, 2, 30), 20)
    c = rng.random(600) < np.where(d, 0.8, 0.2)
    p = np.where(c[:, None], 0.85, 0.2)
    df = pd.DataFrame((rng.random((600, 4)) < p).astype(int), columns=ITEMS).assign(s=np.repeat(range(30), 20))
    df["kind"] = np.where(df["s"] < 10, d + 1.0, np.nan)
    m = bm.models.lca(ITEMS, 2, cluster="s", cluster_classes=2, known={"D": "kind"})
    f = fit(m, df)
    share = f.class_probabilities("D").filter(like="D=").to_numpy()
    first = df.groupby("s").first()
    told = first["kind"].notna()
    assert_allclose(share[told, first.loc[told, "kind"].astype(int) - 1], 1.0)
    with pytest.raises(ValueError, match="varies within clusters"):
        bm.prepare(m, df.assign(kind=np.where(df.index == 0, 3 - df["kind"], df["kind"])))


def test_drawn_classes_and_data_are_of_known_classes():
    f = fit(lca(known="k"))
    new = bm.simulate(f, df=DF[["k"]], seed=1)
    told = DF["k"].notna()
    assert (new.loc[told, "true_C"] == DF.loc[told, "k"]).all()
    assert set(new.loc[~told, "true_C"]) == {1, 2, 3}
    assert bm.simulate(f, n=5, seed=1)["k"].isna().all()


@pytest.mark.parametrize(
    ("k", "words"),
    [
        (np.nan, "has no value: nothing is known"),
        (2.0, "has all in class 2"),
        (4.0, "4, which is none of its classes .1 to 3."),
        (0.0, "0, which is none of its classes"),
        ("a", "the labels 'a', and C has 3 classes"),
    ],
)
def test_what_is_refused(k, words):
    with pytest.raises(ValueError, match=words):
        bm.prepare(lca(known="k"), DF.assign(k=k))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: bm.models.lta([["a"], ["b"]], 2, known="k"), "give the column by the name of the variable"),
        (lambda: lca(known={"D": "k"}), "the model has C: name one"),
        (lambda: bm.prepare(lca(known="z"), DF), "no column 'z'"),
        (lambda: bm.prepare(bm.models.lca(ITEMS, 2, known="k"), DF), "3, which is none of its classes"),
        (lambda: bm.enumerate_classes(lca(known="k"), DF, [1, 3], **QUICK), "ask for more classes"),
    ],
)
def test_what_is_refused_of_models(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_short_chains_agree_with_maximum_likelihood():
    m = lca(group="g", known="k", measurement_by_group=["a"])
    df = DF.assign(g=np.where(np.arange(len(DF)) % 2, "u", "v"))
    f = fit(m, df)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # short chains
        post = bm.sample(f, df, draws=200, tune=200, chains=2, seed=1, progress=False)
    table = bm.compare(f, post).table.dropna(subset=["ml_se"])
    table = table[table.index.str.startswith(("class_logit", "item_logit"))]
    assert (np.abs(table["mean"] - table["ml"]) < 0.6 * table["ml_se"] + 0.05).mean() > 0.9
    assert table["r_hat"].max() < 1.05
    p = post["classes"].to_dataset() if "classes" in post.children else None
    assert p is not None
    ends = bm.class_probabilities(post).filter(like="C=").to_numpy()[:, :3]
    told = df["k"].notna().to_numpy()
    assert_allclose(ends[told, df.loc[told, "k"].astype(int) - 1], 1.0, atol=1e-9)


def test_goodness_and_residuals_are_given_what_is_known():
    """Sums over all patterns of what is expected are the individuals."""
    f = fit(lca(known="k"))
    patterns = bm.response_patterns(f, DF, top=None)
    assert_allclose(patterns["observed"].sum(), len(DF))
    assert patterns["expected"].sum() <= len(DF) + 1e-6
    found = bm.goodness_of_fit(f, DF)
    assert found.table["df"].isna().all()
    assert_allclose(patterns["expected"].sum(), len(DF), rtol=0.05)
    assert bm.residuals(f, DF) is not None
