"""Observed groups: what is equal is pooled, what is free is a fit of each group, labels and order do not matter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bm

ITEMS = list("abcd")
QUICK = {"starts": 4, "rounds": 1, "progress": False, "budget": 0}
SHARE = {"u": 0.35, "v": 0.65}


def data(n: int = 600, seed: int = 1) -> pd.DataFrame:
    """Two groups of other class sizes; a third item that the second group answers otherwise."""
    rng = np.random.default_rng(seed)
    g = rng.choice(["u", "v"], n)
    c = rng.random(n) < np.where(g == "u", SHARE["u"], SHARE["v"])
    p = np.where(c[:, None], [0.85, 0.8, 0.9, 0.75], [0.2, 0.15, 0.25, 0.3])
    p[:, 2] = np.where(g == "v", np.clip(p[:, 2] - 0.15, 0.05, 1.0), p[:, 2])
    df = pd.DataFrame((rng.random((n, 4)) < p).astype(int), columns=ITEMS)
    df["g"], df["x"] = g, rng.normal(size=n)
    df["y"] = np.where(c, 2.0, 0.0) + np.where(g == "u", 0.3, 1.0) * df["x"] + rng.normal(size=n)
    again = rng.random(n) < np.where(c, 0.8, 0.3)
    for k, item in enumerate(ITEMS):
        df[f"{item}2"] = (rng.random(n) < np.where(again, 0.85, 0.2 + 0.02 * k)).astype(int)
    return df


DF = data()


def fit(model, df=DF, **more):
    return bm.fit(model, df, **QUICK | more)


def lca(**options):
    return bm.models.lca(ITEMS, 2, **options)


# equal and free ---------------------------------------------------------------------------------------

TEMPLATES = {
    "lca": (lca, {"sizes_by_group": False}),
    "lca with covariates": (lambda **o: lca(covariates="x", **o), {"sizes_by_group": False, "slopes_by_group": False}),
    "regression": (
        lambda **o: bm.models.regression_mixture("y ~ x", 2, **o), {"sizes_by_group": False},
    ),
    "lta": (
        lambda **o: bm.models.lta([ITEMS, [f"{i}2" for i in ITEMS]], 2, **o),
        {"sizes_by_group": False, "transitions_by_group": False},
    ),
    "irt": (lambda **o: bm.models.irt_3pl(ITEMS, guessing="none", **o), {"factors_by_group": False}),
    "gom": (lambda **o: bm.models.gom(ITEMS, 2, **o), {"sizes_by_group": False}),
}  # fmt: skip


@pytest.mark.parametrize("name", TEMPLATES)
def test_everything_equal_is_the_pooled_model(name):
    make, equal = TEMPLATES[name]
    pooled, by_group = make(), make(group="g", **equal)
    assert {p.name: p.dims for p in by_group.parameters} == {p.name: p.dims for p in pooled.parameters}
    one, other = (bm.prepare(m, DF) for m in (pooled, by_group))
    theta = np.random.default_rng(0).normal(size=one.packing.size) * 0.3
    values = one.natural(theta)
    assert_allclose(bm.log_likelihood(by_group, DF, values), bm.log_likelihood(pooled, DF, values), rtol=1e-13)
    assert other.packing.size == one.packing.size


FREE = {
    "lca": {"measurement_by_group": "free"},
    "lca with covariates": {"measurement_by_group": "free"},
    "regression": {"coefficients_by_group": "1 + x", "variance_by_group": True},
    "lta": {"measurement_by_group": "free"},
    "irt": {"measurement_by_group": "free"},
}


@pytest.mark.parametrize("name", FREE)
def test_everything_free_is_the_sum_of_a_fit_of_each_group(name):
    make, _ = TEMPLATES[name]
    whole = fit(make(group="g", **FREE[name]), starts=8)
    each = [fit(make(), part, starts=8) for _, part in DF.groupby("g")]
    assert_allclose(whole.loglik, sum(f.loglik for f in each), atol=1e-6)
    assert whole.n_parameters == sum(f.n_parameters for f in each)


def test_free_items_and_equal_ones():
    both = fit(lca(group="g", measurement_by_group=["c"]))
    same = both.params["item_logit"].sel(item=["a", "b", "d"])
    assert_allclose(same.sel(group="u"), same.sel(group="v"), rtol=1e-12)
    assert np.abs(both.params["item_logit"].sel(item="c", category=1, group="u")
                  - both.params["item_logit"].sel(item="c", category=1, group="v")).max() > 0.1  # fmt: skip
    assert both.n_parameters == 10 + 2
    assert fit(lca(group="g")).loglik < both.loglik < fit(lca(group="g", measurement_by_group="free")).loglik


def test_derived_numbers_are_by_group():
    f = fit(lca(covariates="x", group="g"))
    p = f.probabilities["C_probability"]
    assert p.dims == ("group", "C")
    assert p["group"].values.tolist() == ["u", "v"]
    logits = f.params["class_logit"] + f.params["class_slope"].sel(covariate="x") * xr_of(DF)
    each = np.exp(logits) / np.exp(logits).sum("C")
    for g in "uv":
        own = each.sel(group=g).isel(row=np.flatnonzero(DF["g"] == g)).mean("row")
        assert_allclose(p.sel(group=g), own, rtol=1e-9)
    assert np.isfinite(f.probabilities_se["C_probability"]).all()


def xr_of(df):
    import xarray as xr

    return xr.DataArray(df["x"].to_numpy(), dims="row")


def test_transitions_by_group():
    f = fit(TEMPLATES["lta"][0](group="g"))
    table = bm.transitions(f)
    assert table.index.names[0] == "group"
    assert_allclose(table.groupby(level=["group", "from"])["value"].sum(), 1.0)
    assert "group = u" in str(bm.report(f))


# labels and order ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "labels",
    [
        {"u": 1, "v": 2},
        {"u": "10", "v": "9"},
        {"u": True, "v": False},
        {"u": "z", "v": "a"},
        {"u": 2.0, "v": 1.0},
    ],
)
def test_names_and_order_of_groups_do_not_matter(labels):
    m = lca(covariates="x", group="g", measurement_by_group=["a"])
    renamed = DF.assign(g=DF["g"].map(labels))
    one, other = bm.prepare(m, DF), bm.prepare(m, renamed)
    theta = np.random.default_rng(3).normal(size=one.packing.size) * 0.4
    values = one.natural(theta)
    turned = list(other.coords["group"]) != sorted(labels.values(), key=lambda v: list(labels.values()).index(v))
    there = {
        p.name: np.flip(values[p.name], axis=p.dims.index("group")) if turned and "group" in p.dims else values[p.name]
        for p in m.parameters
    }
    assert_allclose(bm.log_likelihood(m, renamed, there), bm.log_likelihood(m, DF, values), rtol=1e-12)


def test_a_category_that_no_row_has_is_no_group():
    m = lca(group="g")
    declared = DF.assign(g=pd.Categorical(DF["g"], categories=["v", "w", "u"]))
    assert bm.prepare(m, declared).coords["group"] == ["v", "u"]


def test_one_group_is_no_group():
    m = lca(group="g", measurement_by_group="free")
    part = DF[DF["g"] == "u"]
    one, plain = fit(m, part), fit(lca(), part)
    assert_allclose(one.loglik, plain.loglik, atol=1e-8)
    assert one.n_parameters == plain.n_parameters


def test_classes_of_free_groups_are_put_in_one_order():
    f = fit(lca(group="g", measurement_by_group="free"), starts=6)
    low = f.probabilities["item_probability"].sel(category=1).mean("item")
    assert (np.sign(low.sel(C=1) - low.sel(C=2)) == np.sign((low.sel(C=1) - low.sel(C=2)).isel(group=0))).all()


def test_a_category_that_a_group_does_not_use_is_at_its_boundary():
    df = DF.copy()
    df.loc[df["g"] == "u", "a"] = 0
    f = fit(lca(group="g", measurement_by_group=["a"]), df)
    p = f.probabilities["item_probability"].sel(group="u", item="a", category=1)
    assert (p < 1e-6).all()
    assert any(k.startswith("item_logit[u, 1, a") for k in f.quality["boundary"])


# factors ---------------------------------------------------------------------------------------------


def test_means_and_sds_of_factors_are_free_where_they_are_identified():
    def names(measurement):
        m = bm.models.fma(ITEMS, 1, family=bm.normal(), group="g", measurement_by_group=measurement)
        return {p.name for p in m.parameters if p.dims == ("group",)}

    assert names("equal") == {"f_mean", "f_sd"}
    assert names("intercepts + residuals") == {"f_sd"}
    assert names("free") == set()
    assert names(["a"]) == {"f_mean", "f_sd"}


def test_factor_means_of_groups_are_recovered():
    rng, n = np.random.default_rng(5), 2000
    g = rng.integers(0, 2, n)
    f = rng.normal(size=n) * np.where(g, 1.5, 1.0) + np.where(g, 0.7, 0.0)
    df = pd.DataFrame({i: k + (0.6 + 0.1 * k) * f + 0.5 * rng.normal(size=n) for k, i in enumerate(ITEMS)}).assign(g=g)
    found = fit(bm.models.fma(ITEMS, 1, family=bm.normal(), group="g"), df)
    for name, truth in {"f_mean": 0.7, "f_sd": 1.5}.items():
        assert found.params[name].values[0] == (0.0 if name == "f_mean" else 1.0)
        assert abs(found.params[name].values[1] - truth) < 4 * found.se[name].values[1]


# clusters -------------------------------------------------------------------------------------------


def test_groups_of_clusters_and_within_clusters():
    rng = np.random.default_rng(2)
    df = DF.assign(s=rng.integers(0, 20, len(DF)))
    df["school"] = np.where(df["s"] < 10, "p", "q")
    m = bm.models.lca(ITEMS, 2, cluster="s", group="school", effects="factor")
    of_clusters = bm.prepare(m, df)
    within = bm.prepare(replace(m, group="g"), df)
    assert "group_of_cluster" in of_clusters.arrays
    assert "group_of_cluster" not in within.arrays
    # rows that cannot be told from the groups of clusters: with these of individuals the number is the same
    theta = np.random.default_rng(1).normal(size=of_clusters.packing.size) * 0.4
    values = of_clusters.natural(theta)
    alone = {k: v for k, v in of_clusters.arrays.items() if not k.endswith("_cluster") or "group" not in k}
    from bayesmix.graph import LogLikelihood

    assert_allclose(
        LogLikelihood(replace(of_clusters, arrays=alone)).value(of_clusters.pack(values)),
        LogLikelihood(of_clusters).value(of_clusters.pack(values)), rtol=1e-12,
    )  # fmt: skip


# refused --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: lca(measurement_by_group="free"), "came without groups: give group="),
        (lambda: lca(group="g", measurement_by_group="slopes"), "give 'equal', 'free', some of intercepts"),
        (lambda: lca(group="g", measurement_by_group=True), "measurement_by_group came as True: give 'equal'"),
        (lambda: lca(group="g", measurement_by_group=["q"]), "'q', which is not among the items: a, b, c, d"),
        (lambda: bm.prepare(lca(group="h"), DF), "no column 'h'"),
        (lambda: bm.prepare(lca(group="a"), DF), "'a' came both as an item and as the group column"),
        (lambda: bm.prepare(lca(group="g"), DF.assign(g=DF["g"].where(DF.index > 2))), "has 3 missing values"),
        (lambda: bm.models.regression_mixture("y ~ x", 2, coefficients_by_group="x"), "came without groups"),
        (lambda: bm.simulate(lca(group="g"), {}, n=5), "give df= with it"),
    ],
)  # fmt: skip
def test_what_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_new_rows_of_a_group_that_was_not_fitted_are_refused_by_name():
    f = fit(lca(group="g"))
    new = DF.head(4)
    assert_allclose(
        bm.predict(f, new).class_probabilities("C").filter(like="C=").to_numpy(),
        f.class_probabilities("C").filter(like="C=").head(4).to_numpy(), atol=1e-10,
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"'w', which is no group of the fit \('u', 'v'\)"):
        bm.predict(f, new.assign(g="w"))
    with pytest.raises(ValueError, match="no group column 'g'"):
        bm.predict(f, new.drop(columns="g"))


def test_classes_of_clusters_need_groups_of_clusters():
    from bayesmix.spec.model import LatentClass, Model, Parameter, Term

    plain = bm.models.lca(ITEMS, 2, cluster="s", cluster_classes=2)
    d, c = plain.classes
    (t,) = d.predictor
    by_group = Term(replace(t.parameter, dims=("group", *t.parameter.dims)))
    m = replace(plain, classes=(LatentClass("D", 2, "cluster", (by_group,)), c), group="g")
    assert isinstance(m, Model)
    assert isinstance(by_group.parameter, Parameter)
    df = DF.assign(s=np.arange(len(DF)) % 20)
    with pytest.raises(ValueError, match="vary within clusters of 's'"):
        bm.prepare(m, df)


# everything else --------------------------------------------------------------------------------------


def test_chi_squares_are_sums_over_groups():
    free = fit(lca(group="g", measurement_by_group="free"))
    each = [(part, fit(lca(), part)) for _, part in DF.groupby("g")]
    whole = bm.goodness_of_fit(free, DF).table
    parts = [bm.goodness_of_fit(f, part).table for part, f in each]
    assert_allclose(whole["value"], sum(t["value"] for t in parts), rtol=1e-5)
    assert whole["df"].tolist() == [2 * (16 - 1) - 18] * 2
    patterns = bm.response_patterns(free, DF, top=None)
    assert_allclose(patterns.groupby("g")["observed"].sum(), DF["g"].value_counts().sort_index())


def test_saved_and_simulated(tmp_path):
    f = fit(lca(group="g", measurement_by_group=["c"]))
    f.save(tmp_path / "fit")
    again = bm.Fit.load(tmp_path / "fit")
    assert again.model == f.model
    assert_allclose(bm.log_likelihood(again, DF), f.loglik)
    new = bm.simulate(f, df=pd.concat([DF[["g"]]] * 20), seed=1)
    share = (new["true_C"] == 1).groupby(new["g"].to_numpy()).mean()
    assert_allclose(share, f.probabilities["C_probability"].sel(C=1), atol=0.03)


def test_mplus_and_three_steps_say_what_they_cannot(tmp_path):
    f = fit(lca(group="g", measurement_by_group=["c"]))
    bm.mplus.write(f.model, DF, tmp_path / "a.inp")
    assert "KNOWNCLASS = CG (G = 1 G = 2" in (tmp_path / "a.inp").read_text()
    with pytest.raises(ValueError, match="items of step one differ between the groups"):
        bm.three_step(f, DF, covariates="x")


def test_resamples_start_from_the_solution_and_keep_its_labels():
    f = fit(lca(group="g"))
    found = bm.bootstrap(f, DF, replications=6, progress=False)
    assert_allclose(found.draws["class_logit"].mean("replication"), f.params["class_logit"], atol=0.4)


def test_invariance_tells_the_item_that_differs():
    df = data(1500)
    found = bm.invariance(lca(group="g"), df, **QUICK)
    assert found.levels.index.tolist() == ["configural", "scalar", "homogeneous"]
    assert found.levels["parameters"].tolist() == [18, 10, 9]
    assert found.levels["df"].tolist()[1:] == [8, 1]
    p = found.items.loc["intercepts", "p_holm"]
    assert p.idxmin() == "c"
    assert p["c"] < 0.01 < p.drop("c").min()
    free = fit(lca(group="g", measurement_by_group=["c"]), df)
    assert_allclose(
        found.items.loc[("intercepts", "c"), "chi2"],
        bm.likelihood_ratio(found.fits["scalar"], free).statistic,
        rtol=1e-3,
    )
    labels = [[f"item_logit[{g}, {k}, c, 1]" for g in "uv"] for k in (1, 2)]
    wald = bm.test(free, [" = ".join(pair) for pair in labels])
    assert_allclose(found.items.loc[("intercepts", "c"), "wald"], wald.statistic, rtol=1e-3)
    assert "configural" in str(found)


@pytest.mark.slow
def test_invariance_of_a_factor_model_is_nested():
    rng, n = np.random.default_rng(5), 800
    g = rng.integers(0, 2, n)
    f = rng.normal(size=n) * np.where(g, 1.4, 1.0) + np.where(g, 0.6, 0.0)
    df = pd.DataFrame({i: k + 0.8 * f + 0.6 * rng.normal(size=n) for k, i in enumerate(ITEMS)}).assign(g=g)
    df["b"] += np.where(g, 0.6, 0.0)
    found = bm.invariance(bm.models.fma(ITEMS, 1, family=bm.normal(), group="g"), df, **QUICK)
    assert found.levels.index.tolist() == ["configural", "metric", "scalar", "strict"]
    assert (np.diff(found.levels["loglik"]) <= 1e-6).all()
    assert found.levels["df"].tolist()[1:] == [3, 3, 4]
    each = [fit(bm.models.fma(ITEMS, 1, family=bm.normal()), part) for _, part in df.groupby("g")]
    assert_allclose(found.levels.loc["configural", "loglik"], sum(f.loglik for f in each), atol=1e-5)
    assert found.items.loc["intercepts", "p_holm"].idxmin() == "b"


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (lca, "no groups"),
        (lambda: bm.models.regression_mixture("y ~ x", 2, group="g"), "A regression came"),
        (lambda: bm.models.fma(ITEMS, 1, factor_covariates="x", group="g"), "depends on 'f_slope'"),
    ],
)
def test_what_invariance_refuses(model, words):
    with pytest.raises(ValueError, match=words):
        bm.invariance(model(), DF)
    with pytest.raises(ValueError, match="one group only"):
        bm.invariance(lca(group="g"), DF.assign(g=1))


# stored studies -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["groups_lca", "groups_factor", "known_lca"])
def test_stored_studies_cover(name):
    """Written by data/groups.py, 100 replications: 95% intervals cover, and errors are those of the estimates."""
    table = pd.read_csv(Path(__file__).parents[2] / "data" / "studies" / f"{name}.csv", index_col=0)
    table = table[(table["with_se"] > 0) & (table["sd"] > 0)]
    assert (table["n"] == 100).all()
    assert 0.93 < table["cover"].mean() < 0.97
    assert table["cover"].min() >= 0.87
    assert abs((table["average_se"] / table["sd"]).mean() - 1) < 0.07
    assert (np.abs(table["average"] - table["population"]) < 0.35 * table["sd"]).all()
