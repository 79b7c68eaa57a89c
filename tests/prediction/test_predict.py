"""Prediction of new rows: against a second likelihood, by hand, and against the fit; what is refused and said."""

import json
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from bayesmix.models import count_mixture, fma, fma_gom, gom, irt_3pl, lca, lta, nels, regression_mixture
from numpy.testing import assert_allclose
from scipy import special

import bayesmix as bm
from bayesmix.data.identity import identity
from bayesmix.graph import at_rest
from bayesmix.results import class_table, effect_table, unmerged
from declare import carried, frame, oracle_for, random_values
from solved import drawn_around, solved

BINARY = ["b1", "b2", "b3", "b4"]
FEW = bm.trapezoid(4, 2.5)
MODELS = {
    "lca": lambda: lca(BINARY, 2, "x + s", freq="f"),
    "several families": lambda: lca(["n3", "o3", "y1", "k1"], 2, family={
        "o3": bm.ordinal(), "y1": bm.normal(), "k1": bm.poisson(), "n3": bm.nominal()}),
    "counts": lambda: count_mixture(["k1", "k2"], 2),
    "two-level": lambda: lca(BINARY, 2, cluster="g"),
    "classes of clusters": lambda: lca(BINARY, 2, cluster="g", cluster_classes=2),
    "lta": lambda: lta([["b1", "b2"], ["b3", "b4"]], 2, cluster="g", freq="f"),
    "gom": lambda: gom(BINARY, 2, family=bm.bernoulli()),
    "fma": lambda: fma(["y1", "y2"], 2, family=bm.normal(), loadings="one"),
    "fma_gom": lambda: fma_gom(BINARY, 2, family=bm.bernoulli()),
    "irt": lambda: irt_3pl(BINARY, guessing="common"),
    "regression": lambda: regression_mixture("y1 ~ x", cluster="g"),
    "regression mixture": lambda: regression_mixture("y1 ~ x", 2, covariates="s", cluster="g"),
}  # fmt: skip


def known(model, df, seed: int = 3, nodes=None) -> bm.Fit:
    """A solution of random values that carries the fingerprint of its data, and their tables."""
    data = bm.prepare(model, df, nodes)
    fit = solved(model, df, nodes=nodes, **random_values(data, seed))
    theta = data.pack({p.name: fit.params[p.name].values for p in model.parameters})
    still = at_rest(unmerged(data), theta)
    scores = effect_table(still, theta)
    return replace(
        fit, classes=class_table(still, theta), effect_scores=scores, info={**fit.info, "identity": identity(data)}
    )


def values_of(fit) -> dict:
    return {str(k): v.values for k, v in fit.params.items()}


# the rows of the fit ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_the_rows_of_the_fit_are_predicted_as_the_fit_has_them(name):
    df, model = frame(clusters=6, rows=5), MODELS[name]()
    fit = known(model, df)
    found = bm.predict(fit, df)
    answered = df[list(model.items)].notna().any(axis=1).to_numpy()
    for key, x in fit.classes.items():
        there = found.classes[key].values
        if key in ("path_counts", "path"):
            continue
        keep = answered if x.dims[0] == "row" else np.ones(len(there), dtype=bool)
        assert_allclose(there[keep], x.values[keep], atol=1e-8)
        assert np.isfinite(there).all()  # rows without answers have the prior
    for key, x in fit.effect_scores.items():
        keep = answered if x.dims[0] == "row" else slice(None)
        assert_allclose(found.effect_scores[key].values[keep], x.values[keep], atol=1e-8)
    if model.freq is None:
        expected = bm.log_likelihood(fit, df, nodes=fit.nodes.get("cluster") or fit.nodes.get("individual"), units=True)
        assert_allclose(found.loglik, expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_a_fit_of_two_levels_and_its_rows_agree():
    model = lca(BINARY, 2, cluster="g")
    df = bm.simulate(known(model, frame()), n=120, clusters=12, seed=1)
    fit = bm.fit(model, df, starts=2, finals=1, rounds=1, budget=0, progress=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = bm.predict(fit, df)
    pd.testing.assert_frame_equal(
        found.class_probabilities(), fit.class_probabilities(), rtol=0, atol=1e-8, check_names=False
    )
    assert float(np.abs(found.effect_scores - fit.effect_scores).to_array().max()) < 1e-8
    assert found.loglik.sum() == pytest.approx(fit.loglik, abs=1e-3)


# against a second likelihood ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lca", "two-level", "classes of clusters", "lta"])
def test_class_probabilities_equal_enumeration_also_without_answers(name):
    df, model = frame(clusters=4), MODELS[name]()
    nodes = FEW if model.effects else None
    fit = known(model, df, nodes=nodes)
    fresh = frame(seed=8, clusters=3).assign(f=1)
    fresh.loc[fresh.index % 5 == 0, list(model.items)] = np.nan
    fresh["g"] = fresh["g"] + 100
    found = bm.predict(fit, fresh, nodes=nodes)
    oracle = oracle_for(bm.prepare(model, df, nodes), fresh, values_of(fit))
    for c in model.classes:
        expected = oracle.row_posterior(c.name) if c.level == "individual" else oracle.cluster_posterior(c.name)
        assert_allclose(found.class_probabilities(c.name).iloc[:, : c.size], expected, rtol=1e-8)
    assert any("no answer" in s for s in found.notes)
    if len(model.classes_at("individual")) > 1:
        joint = oracle.row_posterior(*(c.name for c in model.classes))
        assert_allclose(found.paths()["probability"], joint.reshape(len(joint), -1).max(axis=1), rtol=1e-8)


@pytest.mark.parametrize(("name", "item"), [
    ("lca", "b2"), ("several families", "n3"), ("several families", "o3"), ("two-level", "b1"), ("lta", "b4"),
    ("gom", "b1"), ("fma_gom", "b3"), ("irt", "b1"), ("classes of clusters", "b1"),
])  # fmt: skip
def test_a_missing_answer_has_the_odds_of_the_likelihoods_with_each(name, item):
    """P(y = k | the rest) = L(the rest, y = k) / sum over k."""
    df, model = frame(clusters=4, missing=0.0), MODELS[name]()
    nodes = FEW if model.effects else None
    fit = known(model, df, nodes=nodes)
    new = df[df["g"] == 8].copy() if model.two_level else df.copy()
    new[list(model.items)] = new[list(model.items)].fillna(1.0)
    new = new.assign(f=1)
    row = new.index[0]
    new.loc[row, item] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # known clusters, other rows
        shown = bm.predict(fit, new, nodes=nodes).outcomes.loc[row].filter(like=f"{item}=")
    data = bm.prepare(model, df, nodes)
    total = []
    for k in data.categories[item]:
        oracle = oracle_for(data, new.assign(**{item: new[item].fillna(k)}), values_of(fit))
        total.append(oracle.units()[0])
    assert_allclose(shown, special.softmax(total), rtol=1e-7)


def test_a_regression_mixture_by_hand():
    df = frame(clusters=6, rows=6, missing=0.0).dropna(subset=["y1"])
    model = regression_mixture("y1 ~ x", 2, covariates="x", by_class="1 + x")
    fit = known(model, df)
    v, new = values_of(fit), pd.DataFrame({"x": [0.5, -1.0, 1.0], "y1": [np.nan, np.nan, 2.0]}, index=["p", "q", "r"])
    x = new["x"].to_numpy()
    logit = v["class_logit"][0] + v["class_slope"][0, 0] * x
    prior = np.stack([special.expit(logit), special.expit(-logit)], axis=1)
    means = v["intercept"] + x[:, None] * v["coefficient"][:, 0]
    density = np.exp(-0.5 * ((new["y1"].to_numpy()[:, None] - means) / v["residual_sd"]) ** 2)
    post = np.where(np.isnan(density), prior, prior * np.nan_to_num(density))
    post /= post.sum(axis=1, keepdims=True)
    found = bm.predict(fit, new)
    assert_allclose(found.class_probabilities().iloc[:, :2], post, rtol=1e-9)
    assert_allclose(found.outcomes["y1"], (post * means).sum(axis=1), rtol=1e-9)
    alone = bm.predict(fit, new, outcomes="from covariates alone")
    assert_allclose(alone.outcomes["y1"], (prior * means).sum(axis=1), rtol=1e-9)
    assert_allclose(alone.class_probabilities().iloc[:, :2], post, rtol=1e-9)
    assert bm.predict(fit, new.drop(columns="y1")).outcomes["y1"].iloc[2] == pytest.approx(
        float((prior * means).sum(axis=1)[2])
    )


def test_means_of_counts_are_those_of_simulated_ones():
    df, model = frame(clusters=10, rows=8, missing=0.0), count_mixture(["k1", "k2"], 2)
    fit = known(model, df)
    drawn = bm.simulate(fit, n=200_000, seed=1)
    found = bm.predict(fit, pd.DataFrame(index=["nobody"]))
    assert_allclose(found.outcomes.loc["nobody"], drawn[["k1", "k2"]].mean(), rtol=0.02)
    assert_allclose(found.class_probabilities().iloc[0, :2], drawn["true_C"].value_counts(normalize=True).sort_index(),
                    atol=0.01)  # fmt: skip


def test_probabilities_are_calibrated():
    """Of the rows that are given a class with probability about .8 about 80% are of it."""
    model = lca(["a", "b", "c"], 2, family=bm.bernoulli(), cluster="g")
    truth = {"class_logit": [0.3, 0.0], "item_intercept": [[1.0, 0.8, 1.2], [-0.8, -1.0, -0.7]]}
    held = frame(clusters=6).rename(columns={"b1": "a", "b2": "b", "b3": "c"})
    data = bm.prepare(model, held)
    values = {p.name: truth.get(p.name, np.full(data.packing.shape(p), 1.2)) for p in model.parameters}
    fit = solved(model, held, **random_values(data, 1) | {k: np.asarray(v) for k, v in values.items()
                                                          if k in (*truth, "class_effect_sd")})  # fmt: skip
    drawn = bm.simulate(fit, n=6000, clusters=300, seed=4)
    p = bm.predict(fit, drawn.drop(columns="true_C")).class_probabilities()["C=1"].to_numpy()
    for low in (0.1, 0.3, 0.5, 0.7):
        some = (p >= low) & (p < low + 0.2)
        share, n = (drawn["true_C"].to_numpy()[some] == 1).mean(), some.sum()
        assert n > 300
        assert abs(share - p[some].mean()) < 4 * np.sqrt(0.25 / n)


# rows seen before ---------------------------------------------------------------------------------


def test_rows_seen_before_count_as_if_all_had_come_together():
    df, model = frame(clusters=5, rows=6), MODELS["classes of clusters"]()
    fit = known(model, df)
    new, old = df.iloc[::3], df.drop(df.index[::3])
    together, alone = bm.predict(fit, df), bm.predict(fit, new, given=old)
    here, there = (x.class_probabilities("C").filter(like="C=") for x in (alone, together))
    assert_allclose(here, there.loc[new.index], atol=1e-8)
    (above,) = (c.name for c in model.classes_at("cluster"))
    labels = alone.class_probabilities(above)
    assert labels.index.to_list() == sorted({*new["g"]})
    assert_allclose(labels.iloc[:, :2], together.class_probabilities(above).loc[labels.index].iloc[:, :2], atol=1e-8)
    before = bm.log_likelihood(fit, old, units=True).reindex(labels.index)
    assert_allclose(alone.loglik, together.loglik[labels.index] - before, atol=1e-4)
    with pytest.warns(UserWarning, match="have the label and all values of rows given="):
        bm.predict(fit, new, given=df)


def test_known_clusters_with_other_rows_are_spoken_of():
    df, model = frame(clusters=5, rows=6), MODELS["two-level"]()
    fit = known(model, df)
    with pytest.warns(UserWarning, match="1 of 1 clusters .* are known to the result, but these are not the rows"):
        bm.predict(fit, df[df["g"] == 8].head(2))
    found = bm.predict(fit, df[df["g"] == 8].head(2).assign(g="new one"))
    assert found.effect_scores["cluster"].values.tolist() == ["new one"]


def test_without_clusters_rows_seen_before_tell_nothing():
    df, model = frame(clusters=5), MODELS["lca"]()
    fit = known(model, df)
    found = bm.predict(fit, df.iloc[:3], given=df.iloc[3:])
    assert any("tells nothing" in s for s in found.notes)
    assert_allclose(found.classes["C_posterior"], bm.predict(fit, df.iloc[:3]).classes["C_posterior"], rtol=1e-10)


# labels, and what need not be there ---------------------------------------------------------------


def test_labels_of_rows_are_kept():
    df, model = frame(clusters=5), MODELS["lca"]()
    fit = known(model, df)
    some = df.iloc[:4]
    one = bm.predict(fit, some.iloc[[2]])
    assert_allclose(one.classes["C_posterior"][0], bm.predict(fit, some).classes["C_posterior"][2], rtol=1e-9)
    twice = bm.predict(fit, some.set_axis([1, 1, 2, 2], axis=0))
    levels = bm.predict(fit, some.set_index(pd.MultiIndex.from_product([["u", "v"], [1, 2]], names=["who", "when"])))
    assert twice.class_probabilities().index.to_list() == [1, 1, 2, 2]
    assert levels.class_probabilities().index.names == ["who", "when"]
    assert_allclose(twice.classes["C_posterior"], levels.classes["C_posterior"], rtol=1e-12)
    kept = bm.predict(fit, some.assign(person=list("pqrs")), id="person")
    tables = kept.tables()
    assert list(tables) == ["class_probabilities", "outcomes", "loglik"]
    assert all(t.columns[0] == "person" for t in tables.values())
    assert "4 rows" in repr(kept)
    assert "<table" in kept._repr_html_()
    assert_allclose(bm.class_counts(kept)["posterior"].sum(), some["f"].sum())


def test_a_column_of_frequencies_need_not_be_there():
    df, model = frame(clusters=5), MODELS["lca"]()
    fit = known(model, df)
    assert_allclose(
        bm.predict(fit, df.drop(columns="f")).classes["C_posterior"], bm.predict(fit, df).classes["C_posterior"]
    )


def test_a_row_that_cannot_be_predicted_is_named():
    df, model = frame(clusters=5), MODELS["lca"]()
    fit = known(model, df)
    new = df.iloc[:3].copy()
    new.loc[new.index[1], [*BINARY, "x"]] = np.nan
    with pytest.warns(UserWarning, match="1 rows .first 1. have neither an answer nor all covariates"):
        found = bm.predict(fit, new)
    assert found.class_probabilities()["most_likely"].isna().to_list() == [False, True, False]
    assert np.isnan(found.outcomes.iloc[1]).all()


@pytest.mark.parametrize(("change", "message"), [
    (lambda d: d.drop(columns=["x", "s"]), "no column for the covariates 'x', 's' of the model .x [+] s."),
    (lambda d: d.assign(b1=7), "Item 'b1' came with 7, which is not among the categories of the fit"),
    (lambda d: d.assign(s="other"), "Covariate 's' came with 'other', which is not among the levels of the fit"),
    (lambda d: d.iloc[:0], "The data frame is empty"),
    (lambda d: d.to_numpy(), "came as ndarray, expected a pandas DataFrame"),
])  # fmt: skip
def test_bad_rows_are_refused(change, message):
    df, model = frame(clusters=5), MODELS["lca"]()
    fit = known(model, df)
    with pytest.raises((ValueError, TypeError), match=message):
        bm.predict(fit, change(df))


def test_other_mistakes_are_refused():
    df, model = frame(clusters=5), MODELS["two-level"]()
    fit = known(model, df)
    with pytest.raises(ValueError, match="no cluster column 'g'"):
        bm.predict(fit, df.drop(columns="g"))
    with pytest.raises(ValueError, match="id came as 'who'"):
        bm.predict(fit, df, id="who")
    with pytest.raises(ValueError, match="outcomes came as 'all': give 'given the answers' or 'from covariates alone'"):
        bm.predict(fit, df, outcomes="all")
    with pytest.raises(TypeError, match="The result came as Model"):
        bm.predict(model, df)
    with pytest.warns(UserWarning, match="no column 'b1', which is taken as missing; did you mean 'b1x'"):
        bm.predict(fit, df.rename(columns={"b1": "b1x"}).assign(g=lambda d: d["g"] + 50))


# a posterior --------------------------------------------------------------------------------------


def posterior_around(fit, df, **more):
    post = drawn_around(fit)
    post.attrs = carried(fit.model, categories=fit.info["categories"], coding=fit.info["coding"], **more)
    return post


@pytest.mark.filterwarnings("ignore:Finer nodes")
@pytest.mark.parametrize("name", ["lca", "two-level", "gom", "regression mixture"])
def test_of_a_posterior_they_are_averages_over_its_draws(name):
    df, model = frame(clusters=5), MODELS[name]()
    nodes = bm.trapezoid(9) if model.effects and name != "regression mixture" else bm.trapezoid(5)
    nodes = nodes if model.effects else None
    fit = known(model, df, nodes=nodes)
    post = posterior_around(fit, df)
    draws = post["posterior"].to_dataset().isel(draw=[0, 29])
    for k in draws:  # noise does not respect what is fixed or positive
        draws[k] = np.abs(draws[k]) if "sd" in str(k) else draws[k]
        fixed = np.isin(fit.params[k].values, (0.0, 1.0)) | (k == "C_loading")
        draws[k] = draws[k].where(~xr.DataArray(fixed, dims=fit.params[k].dims), fit.params[k])
    post["posterior"] = post["posterior"].to_dataset().isel(draw=[0, 29]).assign({k: draws[k].transpose(
        "chain", "draw", *fit.params[k].dims) for k in draws})  # fmt: skip
    new = df.assign(g=df["g"] + 100)
    found = bm.predict(post, new, nodes=nodes)
    assert found.draws == 4
    each = []
    for at in np.ndindex(2, 2):
        params = draws.isel(chain=at[0], draw=at[1]).drop_vars(["chain", "draw"])
        each.append(bm.predict(replace(fit, params=params[list(fit.params)]), new, nodes=nodes))
    for key in [k for k in found.classes if str(k).endswith("_posterior")]:
        x = np.stack([e.classes[key] for e in each])
        assert_allclose(found.classes[key], x.mean(axis=0), atol=1e-10)
        assert_allclose(found.classes[f"{key}_sd"], x.std(axis=0), atol=1e-10)
        ends = np.quantile(x, [0.025, 0.975], axis=0)
        for word, end in zip(("lower", "upper"), ends, strict=True):
            assert_allclose(found.classes[f"{key}_{word}"], end, atol=1e-10)
    y = np.stack([e.outcomes for e in each])
    assert_allclose(found.outcomes[each[0].outcomes.columns], y.mean(axis=0), atol=1e-10)
    assert_allclose(found.outcomes.filter(like=" sd"), y.std(axis=0), atol=1e-10)
    assert_allclose(found.outcomes.filter(like=" upper"), np.quantile(y, 0.975, axis=0), atol=1e-10)
    level = np.stack([e.loglik for e in each])
    assert_allclose(found.loglik, special.logsumexp(level, axis=0) - np.log(4), atol=1e-10)
    for key in [k for k in found.effect_scores if f"{k}_sd" in found.effect_scores]:
        m, s = (np.stack([e.effect_scores[k] for e in each]) for k in (key, f"{key}_sd"))
        assert_allclose(found.effect_scores[key], m.mean(axis=0), atol=1e-10)
        assert_allclose(found.effect_scores[f"{key}_sd"], np.sqrt((s**2).mean(axis=0) + m.var(axis=0)), atol=1e-8)


def test_a_posterior_of_an_earlier_version_is_refused():
    df = frame(clusters=5)
    fit = known(MODELS["lca"](), df)
    with pytest.raises(ValueError, match="does not say how its data were coded"):
        bm.predict(drawn_around(fit), df)
    assert "coding" not in json.loads(drawn_around(fit).attrs["bayesmix"])


def test_the_templates_of_a_paper_are_predicted():
    names = ["female", "stud_ses", "per_adva", "private", "catholic", "mean_ses"]
    rng, n = np.random.default_rng(2), 60
    df = pd.DataFrame({k: rng.normal(size=n).round(2) for k in names}).assign(school=np.arange(n) // 6)
    for k in names[2:]:
        df[k] = df.groupby("school")[k].transform("first")
    model = nels("A", 2)
    df = df.assign(math=rng.normal(size=n), **{c: rng.normal(size=n).round(2) for c in model.items if c != "math"})
    missing = {c for k in model.covariates for c in _columns(k)} - {*df.columns}
    df = df.assign(**{c: np.repeat(rng.normal(size=10), 6).round(2) for c in sorted(missing)})
    fit = known(model, df)
    found = bm.predict(fit, df.drop(columns="math").assign(school=df["school"] + 100))
    assert np.isfinite(found.outcomes["math"]).all()


def _columns(c):
    from bayesmix.data.design import columns_of

    return columns_of(c)


def test_intervals_have_the_level_that_was_asked_for():
    df, model = frame(clusters=5), MODELS["lca"]()
    fit = known(model, df)
    post = posterior_around(fit, df)
    held = {k: x.where(fit.params[k] != 0.0, 0.0) for k, x in post["posterior"].to_dataset().data_vars.items()}
    post["posterior"] = (
        post["posterior"]
        .to_dataset()
        .assign({k: x.transpose("chain", "draw", *fit.params[k].dims) for k, x in held.items()})
    )
    wide, narrow = (bm.predict(post, df, level=k) for k in (0.95, 0.5))
    assert (wide.level, narrow.level) == (0.95, 0.5)
    a, b = (x.class_probabilities().dropna() for x in (wide, narrow))
    assert {"C=1 lower", "C=1 upper"} <= {*a.columns}
    assert (a["C=1 lower"] <= b["C=1 lower"] + 1e-12).all()
    assert (a["C=1 upper"] - a["C=1 lower"]).mean() > 1.5 * (b["C=1 upper"] - b["C=1 lower"]).mean()
    inside = wide.outcomes.filter(like=" upper").to_numpy() >= narrow.outcomes.filter(like=" upper").to_numpy() - 1e-12
    assert inside[~np.isnan(wide.outcomes.filter(like=" upper"))].all()
    assert not any(" lower" in c for c in bm.predict(known(model, df), df).class_probabilities())
    with pytest.raises(ValueError, match="level came as 95"):
        bm.predict(post, df, level=95)


def test_memberships_have_intervals_of_several_levels(tmp_path):
    df, model = frame(clusters=5), MODELS["gom"]()
    fit = bm.fit(model, df, starts=2, rounds=1, progress=False, nodes=bm.trapezoid(9) if model.effects else None)
    table = {k: fit.memberships(level=k).dropna() for k in (0.5, 0.9, 0.95, 0.99)}
    pd.testing.assert_frame_equal(table[0.95], fit.memberships().dropna())
    upper = next(c for c in table[0.95] if c.endswith("upper"))
    widths = [(t[upper] - t[upper.replace("upper", "lower")]).mean() for t in table.values()]
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]
    again = bm.predict(fit, df, level=0.9, nodes=bm.trapezoid(9)).memberships().loc[table[0.9].index]
    np.testing.assert_allclose(again[upper], table[0.9][upper], atol=1e-6)
    fit.save(tmp_path / "fit.nc")
    pd.testing.assert_frame_equal(bm.Fit.load(tmp_path / "fit.nc").memberships(level=0.9).dropna(), table[0.9])
    with pytest.raises(ValueError, match=r"level came as 0.7: .* are of 0.5, 0.8, 0.9, 0.95, 0.99; bm.predict"):
        fit.memberships(level=0.7)
