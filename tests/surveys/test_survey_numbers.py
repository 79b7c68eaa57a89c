"""Estimates and errors under a design, beside repeated rows, formulas by hand and numeric scores."""

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, special, stats

import bayesmix as bm

QUICK = {"starts": 4, "rounds": 1, "progress": False}


def _equal(a: bm.Fit, b: bm.Fit, tolerance: float = 1e-6) -> None:
    for name, x in a.params.data_vars.items():
        np.testing.assert_allclose(x, b.params[name], atol=tolerance)


def test_weights_are_repeated_rows(two, drawn):
    """With whole weights that are not scaled; errors are those of clusters of copies."""
    fit = bm.fit(bm.survey(two, weights="w", scaling="unscaled"), drawn, **QUICK)
    rows = drawn.loc[drawn.index.repeat(drawn["w"])].assign(copy=lambda d: d.index).reset_index(drop=True)
    copies = bm.fit(bm.survey(two, psu="copy"), rows, **QUICK)
    assert fit.loglik == pytest.approx(bm.fit(two, rows, **QUICK).loglik, abs=1e-8)
    _equal(fit, copies)
    n = len(drawn)  # the copies are named as primary sampling units: n / (n - 1) of them
    np.testing.assert_allclose(fit.se["item_logit"], copies.se["item_logit"] * np.sqrt((n - 1) / n), rtol=1e-5)
    assert (fit.n_individuals, copies.n_individuals) == (n, drawn["w"].sum())


def test_frequencies_and_weights_together(two, drawn):
    """A row that stands for several is as many rows with its weight."""
    often = drawn.assign(n=1 + drawn.index % 2)
    some = bm.fit(bm.survey(bm.models.lca(list("abcd"), 2, freq="n"), weights="w", strata="s"), often, **QUICK)
    rows = often.loc[often.index.repeat(often["n"])]
    each = bm.fit(bm.survey(two, weights="w", strata="s"), rows, **QUICK)
    assert some.loglik == pytest.approx(each.loglik, abs=1e-7)
    np.testing.assert_allclose(some.se["item_logit"], each.se["item_logit"], rtol=1e-5)
    assert some.n_individuals == each.n_individuals
    assert some.design_df == each.design_df


def test_the_scale_of_weights_changes_no_estimate_and_no_error(two, drawn):
    one = bm.fit(two, drawn, weights="w", **QUICK)
    more = bm.fit(two, drawn.assign(w=drawn["w"] * 1234.5), weights="w", **QUICK)
    assert more.loglik == pytest.approx(one.loglik, abs=1e-6)
    _equal(one, more)
    np.testing.assert_allclose(one.se["item_logit"], more.se["item_logit"], rtol=1e-5)
    assert one.info["survey"]["sum"] == pytest.approx(400)
    assert one.info["survey"]["factor"] != 1


def _linear(df, weight, psu, stratum, fraction=None):
    """The survey formula for a normal regression, by hand: estimates and errors of b and the SD."""
    x, y = np.column_stack([np.ones(len(df)), df["x"]]), df["y"].to_numpy()
    w = weight * len(df) / weight.sum()
    b = np.linalg.solve((x * w[:, None]).T @ x, (x * w[:, None]).T @ y)
    e = y - x @ b
    s2 = (w @ e**2) / w.sum()
    scores = np.column_stack([x * (e / s2)[:, None], (e**2 / s2 - 1) / np.sqrt(s2)]) * w[:, None]
    info = np.zeros((3, 3))
    info[:2, :2], info[2, 2] = (x * w[:, None]).T @ x / s2, 2 * w.sum() / s2
    meat = np.zeros((3, 3))
    for h in np.unique(stratum):
        units = np.array([scores[(stratum == h) & (psu == p)].sum(axis=0) for p in np.unique(psu[stratum == h])])
        n = len(units)
        away = units - units.mean(axis=0)
        meat += (1 - (0 if fraction is None else fraction[h])) * n / (n - 1) * away.T @ away
    return np.append(b, np.sqrt(s2)), np.sqrt(np.diag(np.linalg.solve(info, np.linalg.solve(info, meat).T)))


@pytest.mark.parametrize("fpc", [None, "share", "size"])
def test_a_regression_has_the_errors_of_the_survey_formula(drawn, fpc):
    fraction = None if fpc is None else {h: 0.1 + h / 20 for h in range(10)}
    df = drawn
    if fraction:
        share = drawn["s"].map(fraction)
        df = drawn.assign(fpc=share if fpc == "share" else 4 / share)
    model = bm.survey(
        bm.models.regression_mixture("y ~ x", 1), weights="w", strata="s", psu="p", fpc="fpc" if fpc else None
    )
    fit = bm.fit(model, df, **QUICK)
    w, p, s = (drawn[k].to_numpy(dtype=float) for k in "wps")
    value, se = _linear(drawn, w, p, s, fraction)
    np.testing.assert_allclose(fit.summary()["estimate"], value, rtol=1e-5)
    np.testing.assert_allclose(fit.summary()["se"], se, rtol=1e-4)
    assert fit.design_df == 30


def test_errors_beside_numeric_scores_of_single_rows(two, drawn, of_design):
    """Scores by differences of each row's log-likelihood, and a Hessian of the weighted sum, without the package's."""
    names = ["class_logit", "item_logit"]
    start = np.append(of_design.params["class_logit"].values[:1], of_design.params["item_logit"].values[..., 1].ravel())

    def rows(theta):
        values = {"class_logit": np.append(theta[0], 0.0), "item_logit": np.zeros((2, 4, 2))}
        values["item_logit"][..., 1] = theta[1:].reshape(2, 4)
        logit = np.log(np.exp(values["class_logit"]) / np.exp(values["class_logit"]).sum())
        y, eta = drawn[list("abcd")].to_numpy(), values["item_logit"][..., 1]
        each = np.where(np.isnan(y)[:, None], 0.0, np.nan_to_num(y)[:, None] * eta - np.log1p(np.exp(eta)))
        return np.logaddexp.reduce(logit + each.sum(axis=2), axis=1)

    assert set(names) == set(of_design.params)
    w = drawn["w"].to_numpy() * 400 / drawn["w"].sum()
    steps = np.eye(9) * 1e-4
    scores = np.stack([(rows(start + e) - rows(start - e)) / 2e-4 for e in steps], axis=1) * w[:, None]
    np.testing.assert_allclose(scores.sum(axis=0), 0, atol=1e-4)
    hessian = np.stack([optimize.approx_fprime(start, lambda t, e=e: w @ (rows(t + e) - rows(t - e)) / 2e-4, 1e-4)
                        for e in steps])  # fmt: skip
    meat = np.zeros((9, 9))
    for _, stratum in drawn.groupby("s"):
        units = np.stack([scores[own.index].sum(axis=0) for _, own in stratum.groupby("p")])
        away = units - units.mean(axis=0)
        meat += 4 / 3 * away.T @ away
    se = np.sqrt(np.diag(np.linalg.inv(hessian) @ meat @ np.linalg.inv(hessian)))
    found = np.append(of_design.se["class_logit"].values[0], of_design.se["item_logit"].values[..., 1])
    np.testing.assert_allclose(found, se, rtol=2e-3)


def test_weights_alone_have_the_plain_sandwich(drawn):
    """Weights .25, .5 and 4 with s'W^2 s in the middle, no factor: as the errors of a fit without weights."""
    df = drawn.assign(w=np.array([0.25, 0.5, 4.0])[np.arange(400) % 3])
    fit = bm.fit(bm.models.regression_mixture("y ~ x", 1), df, weights="w", **QUICK)
    _, se = _linear(df, df["w"].to_numpy(), np.arange(400), np.zeros(400))
    np.testing.assert_allclose(fit.summary()["se"], se * np.sqrt(399 / 400), rtol=1e-4)
    assert fit.design_df is None
    even = bm.fit(bm.models.regression_mixture("y ~ x", 1), df.assign(w=7.0), weights="w", **QUICK)
    plain = bm.fit(bm.models.regression_mixture("y ~ x", 1), df, **QUICK)
    np.testing.assert_allclose(even.summary()["se"], plain.summary()["se"], rtol=1e-6)
    np.testing.assert_allclose(even.loglik, plain.loglik, rtol=1e-10)


def test_clusters_without_effects_are_primary_sampling_units(drawn):
    """`cluster=, effects="none"` beside psu=, which differ by n / (n - 1)."""
    df = drawn.assign(g=drawn["s"] * 10 + drawn["p"])
    robust = bm.fit(bm.models.lca(list("abcd"), 2, cluster="g", effects="none"), df, weights="w", **QUICK)
    named = bm.fit(bm.models.lca(list("abcd"), 2), df, weights="w", psu="g", **QUICK)
    _equal(robust, named)
    np.testing.assert_allclose(named.se["item_logit"], robust.se["item_logit"] * np.sqrt(40 / 39), rtol=1e-4)


def test_rows_of_weight_zero_stay_in_the_design(two, drawn):
    """Estimates are those without them; their primary sampling units are counted."""
    out = drawn.assign(w=drawn["w"].where(drawn["x"] > -0.5, 0))
    fit = bm.fit(two, out, weights="w", strata="s", psu="p", **QUICK)
    kept = bm.fit(two, out[out["w"] > 0], weights="w", strata="s", psu="p", **QUICK)
    _equal(fit, kept)
    assert fit.n_individuals == (out["w"] > 0).sum()
    assert fit.info["survey"]["zero"] == (out["w"] == 0).sum()
    assert fit.class_probabilities().iloc[:, 0].isna().sum() == fit.info["survey"]["zero"]
    empty = out.assign(w=out["w"].where((out["s"] > 0) | (out["p"] > 0), 0))  # a whole unit is outside
    assert bm.fit(two, empty, weights="w", strata="s", psu="p", **QUICK).design_df == 30


@pytest.mark.parametrize("lonely", ["certainty", "average", "adjust"])
def test_strata_of_one_unit(drawn, lonely):
    model = bm.models.regression_mixture("y ~ x", 1)
    df = drawn.assign(s=np.where((drawn["s"] == 9) & (drawn["p"] == 3), 10, drawn["s"]))
    with pytest.raises(ValueError, match=r"1 of 11 strata of 's' \(10\) have one primary sampling unit.*lonely="):
        bm.fit(model, df, weights="w", strata="s", psu="p", **QUICK)
    fit = bm.fit(bm.survey(model, weights="w", strata="s", psu="p", lonely=lonely), df, **QUICK)
    x, y, w = np.column_stack([np.ones(400), df["x"]]), df["y"].to_numpy(), df["w"].to_numpy() * 400 / df["w"].sum()
    b = fit.summary()["estimate"].to_numpy()[:2]
    scores = x * (w * (y - x @ b))[:, None]
    bread = np.linalg.inv((x * w[:, None]).T @ x)
    meat, alone = np.zeros((2, 2)), 0
    every = scores.sum(axis=0) / 40
    for _, stratum in df.groupby("s"):
        units = np.stack([scores[own.index].sum(axis=0) for _, own in stratum.groupby("p")])
        away = units - units.mean(axis=0)
        alone = units[0] - every if len(units) == 1 else alone
        meat += len(units) / max(len(units) - 1, 1) * away.T @ away
    meat = {"certainty": meat, "average": meat * 11 / 10, "adjust": meat + np.outer(alone, alone)}[lonely]
    np.testing.assert_allclose(fit.summary()["se"].iloc[:2], np.sqrt(np.diag(bread @ meat @ bread)), rtol=1e-4)
    assert fit.info["survey"]["lonely"] == {"strata": 1, "taken": lonely}


def _jackknife(df: pd.DataFrame) -> pd.DataFrame:
    """Weights that leave out one of 40 units each."""
    unit = df["s"] * 4 + df["p"]
    return df.assign(**{f"rep{k + 1}": df["w"] * (unit != k) * 40 / 39 for k in range(40)})


def test_the_jackknife_is_near_the_linearised_errors(drawn):
    df = _jackknife(drawn).assign(unit=drawn["s"] * 4 + drawn["p"])
    model = bm.models.regression_mixture("y ~ x", 1)
    fit = bm.fit(bm.survey(model, weights="w", replicate_weights="rep", method="JK1"), df, **QUICK)
    linearised = bm.fit(model, df, weights="w", psu="unit", **QUICK)
    np.testing.assert_allclose(fit.summary()["se"], linearised.summary()["se"], rtol=0.06)
    each = [_linear(df, df[f"rep{k + 1}"].to_numpy(), np.arange(400), np.zeros(400))[0] for k in range(40)]
    each, top = np.array(each), fit.summary()["estimate"].to_numpy()
    apart = np.column_stack([each[:, :2] - top[:2], top[2] * np.log(each[:, 2] / top[2])])  # an SD on its log scale
    np.testing.assert_allclose(fit.summary()["se"], np.sqrt(39 / 40 * (apart**2).sum(axis=0)), rtol=1e-4)
    assert fit.design_df == 39
    assert fit.info["survey"]["scale"] == 39 / 40


@pytest.mark.parametrize(
    ("method", "more", "scale"),
    [
        ("BRR", {}, 1 / 40), ("Fay", {"rho": 0.5}, 1 / 10), ("JK2", {}, 1.0), ("bootstrap", {}, 1 / 40),
        ("JKn", {"rscales": [0.75] * 40}, 0.75), ("JK1", {"scale": 0.5}, 0.5),
    ],
)  # fmt: skip
def test_each_method_has_its_scale(drawn, method, more, scale):
    model = bm.models.regression_mixture("y ~ x", 1)
    one = bm.fit(bm.survey(model, weights="w", replicate_weights="rep", method="JK1"), _jackknife(drawn), **QUICK)
    model = bm.survey(model, weights="w", replicate_weights=[f"rep{k}" for k in range(1, 41)], method=method, **more)
    fit = bm.fit(model, _jackknife(drawn), **QUICK)
    np.testing.assert_allclose(fit.summary()["se"], one.summary()["se"] * np.sqrt(scale / (39 / 40)), rtol=1e-8)


def test_replicates_of_a_mixture_keep_the_classes(two, drawn, monkeypatch):
    model = bm.survey(two, weights="w", replicate_weights="rep", method="JK1")
    fit = bm.fit(model, _jackknife(drawn), **QUICK)
    linearised = bm.fit(two, drawn.assign(u=drawn["s"] * 4 + drawn["p"]), weights="w", psu="u", **QUICK)
    np.testing.assert_allclose(fit.se["item_logit"], linearised.se["item_logit"], rtol=0.35)
    from bayesmix.ml import replicates

    whole, calls = replicates._refit, []

    def interrupted(task, **more):
        calls.append(1)
        if len(calls) > 20:
            raise KeyboardInterrupt
        return whole(task, **more)

    monkeypatch.setattr(replicates, "_refit", interrupted)
    with pytest.warns(UserWarning, match="20 of 40"):
        part = bm.fit(model, _jackknife(drawn), **QUICK)
    assert part.info["survey"]["missing"] == 20
    assert np.isfinite(part.se["class_logit"].values[0])
    assert "20: the others stand for all" in bm.report(part)


# two levels ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def schools() -> pd.DataFrame:
    """60 clusters of 10, weights of both levels."""
    rng = np.random.default_rng(8)
    g = np.repeat(np.arange(60), 10)
    y = 1 + rng.normal(size=60)[g] + rng.normal(size=600)
    return pd.DataFrame({"y": y, "g": g, "v": rng.uniform(0.5, 3, 600), "b": rng.uniform(1, 4, 60)[g]})


def _two_level(theta, df, within, between):
    """The weighted log-likelihood of a random intercept by quadrature, without the package."""
    z = np.linspace(-6, 6, 241)
    q = np.exp(-(z**2) / 2)
    mean, sd, tau = theta[0], np.exp(theta[1]), np.exp(theta[2])
    out = np.zeros(df["g"].nunique())
    for j, own in df.groupby("g"):
        e = own["y"].to_numpy()[:, None] - mean - tau * z
        each = within[own.index][:, None] * (-0.5 * (e / sd) ** 2 - np.log(sd * np.sqrt(2 * np.pi)))
        out[j] = np.logaddexp.reduce(each.sum(axis=0) + np.log(q / q.sum()))
    return between @ out


@pytest.mark.parametrize("scaling", ["cluster", "effective", "unscaled"])
def test_weights_of_rows_stand_within_the_integral(schools, scaling):
    """Beside a quadrature by hand, with weights scaled as each method says."""
    w, g = schools["v"].to_numpy(), schools["g"].to_numpy()
    total, square = np.bincount(g, w), np.bincount(g, w**2)
    factor = {"cluster": 10 / total, "effective": total / square, "unscaled": np.ones(60)}[scaling]
    within, b = w * factor[g], schools.groupby("g")["b"].first().to_numpy()
    between = b * 600 / (np.bincount(g, within) @ b)
    model = bm.survey(
        bm.models.regression_mixture("y ~ 1", 1, cluster="g", random="1"), weights="v", cluster_weights="b",
        scaling=scaling,
    )  # fmt: skip
    fit = bm.fit(model, schools, **QUICK)
    top = optimize.minimize(lambda t: -_two_level(t, schools, within, between), [1.0, 0.0, 0.0], method="Nelder-Mead",
                            options={"xatol": 1e-6, "fatol": 1e-8, "maxiter": 600})  # fmt: skip
    assert fit.loglik == pytest.approx(-top.fun, abs=1e-3)
    assert fit.n_individuals == 600
    assert fit.info["survey"]["scaling"] == scaling
    assert fit.info["survey"]["cluster_factor"] == pytest.approx(600 / (np.bincount(g, within) @ b))
    assert "Weights of rows within clusters" in bm.report(fit)


def test_whole_weights_of_both_levels_are_copies(schools):
    """Rows repeated within clusters, and clusters repeated."""
    df = schools.assign(v=1 + np.arange(600) % 2, b=1 + schools["g"] % 3, a=(schools["y"] > 1) * 1)
    model = bm.models.regression_mixture("y ~ 1", 1, cluster="g", random="1")
    held = bm.survey(model, weights="v", cluster_weights="b", scaling="unscaled", cluster_scaling="unscaled")
    fit = bm.fit(held, df, **QUICK)
    rows = df.loc[df.index.repeat(df["v"])]
    copies = pd.concat([rows[rows["b"] > k].assign(g=lambda d, k=k: d["g"] + 100 * k) for k in range(3)])
    again = bm.fit(model, copies, **QUICK)
    assert fit.loglik == pytest.approx(again.loglik, abs=1e-5)
    _equal(fit, again, 1e-4)


def test_classes_within_clusters_are_summed_out_before_the_weight(drawn):
    """Whole weights of rows are copies of the rows for a two-level latent class model; shares are of the population."""
    df = drawn.assign(g=drawn["s"] * 4 + drawn["p"])
    model = bm.models.lca(list("abcd"), 2, cluster="g")
    fit = bm.fit(bm.survey(model, weights="w", scaling="unscaled"), df, **QUICK)
    rows = df.loc[df.index.repeat(df["w"])]
    again = bm.fit(model, rows, **QUICK)
    assert fit.loglik == pytest.approx(again.loglik, abs=1e-4)
    _equal(fit, again, 1e-3)
    np.testing.assert_allclose(fit.class_counts()["posterior"], again.class_counts()["posterior"], rtol=1e-3)
    np.testing.assert_allclose(fit.probabilities["C_probability"], again.probabilities["C_probability"], atol=1e-3)
    np.testing.assert_allclose(fit.effects().to_dataarray().values, again.effects().to_dataarray().values, atol=2e-3)
    one = fit.class_probabilities().iloc[:, 0].to_numpy()
    np.testing.assert_allclose(one.repeat(df["w"]), again.class_probabilities().iloc[:, 0], atol=1e-3)


def test_effects_of_individuals_do_not_grow_with_their_weight(drawn):
    """Factor scores of rows in clusters: equal ones are merged, and have the score of one."""
    df = drawn.assign(g=drawn["s"] * 4 + drawn["p"])
    fit = bm.fit(bm.models.fma(list("abcd"), 1, cluster="g"), df, nodes=bm.trapezoid(21), **QUICK)
    name = fit.model.factors[0].name
    shown = fit.effect_scores[name].to_series()
    alone = bm.predict(fit, df).effect_scores[name].to_series()
    np.testing.assert_allclose(shown, alone, atol=1e-6)
    keys = df[["g", *"abcd"]].fillna(-1).astype(str).apply("".join, axis=1)
    merged = keys.duplicated(keep=False).to_numpy()
    assert merged.any()
    assert (~merged).any()
    for key in (name, f"{name}_sd"):
        table = df.assign(z=fit.effect_scores[key].values, merged=merged)
        by = table.pivot_table(values="z", index=list("abcd"), columns="merged").dropna()
        assert len(by) > 2
        assert (abs(by[True] - by[False]) < 0.3 * abs(by[False]) + 0.15).all()


def _leaving_out(schools: pd.DataFrame, clusters: int) -> pd.DataFrame:
    """The first clusters, with weights that leave out one of them each."""
    df = schools[schools["g"] < clusters].reset_index(drop=True)
    weights = {f"rep{k + 1}": df["b"] * (df["g"] != k) * clusters / (clusters - 1) for k in range(clusters)}
    return df.assign(**weights)


def test_replicates_of_cluster_weights_are_a_jackknife_by_hand(schools):
    """Each cluster is left out in turn and the model fitted again, by calls of their own."""
    df, names = _leaving_out(schools, 16), ["intercept", "u_intercept_sd", "residual_sd"]
    model = bm.models.regression_mixture("y ~ 1", 1, cluster="g", random="1")
    held = bm.survey(model, weights="v", cluster_weights="b", replicate_weights="rep", method="JK1")
    fit = bm.fit(held, df, **QUICK)
    each = np.array([
        bm.fit(bm.survey(model, weights="v", cluster_weights="b"), df[df["g"] != k], like=fit, **QUICK).summary().loc[
            names, "estimate"] for k in range(16)
    ])  # fmt: skip
    top = fit.summary().loc[names, "estimate"].to_numpy()
    apart = each - top
    apart[:, 2] = top[2] * np.log(each[:, 2] / top[2])  # a residual SD on its log scale, that of an effect as it is
    np.testing.assert_allclose(fit.summary().loc[names, "se"], np.sqrt(15 / 16 * (apart**2).sum(axis=0)), rtol=2e-3)
    linearised = bm.fit(bm.survey(model, weights="v", cluster_weights="b"), df, **QUICK)
    np.testing.assert_allclose(fit.summary()["estimate"], linearised.summary()["estimate"], rtol=1e-5)
    assert fit.design_df == 15
    assert "JK1" in bm.report(fit)


def test_replicates_of_cluster_weights_are_declared_beside_these(schools):
    df = _leaving_out(schools, 16)
    model = bm.models.regression_mixture("y ~ 1", 1, cluster="g", random="1")
    with pytest.raises(ValueError, match=r"without cluster_weights="):
        bm.survey(model, weights="v", replicate_weights="rep", method="JK1")
    with pytest.raises(ValueError, match=r"nothing latent in clusters.*product of both"):
        bm.survey(bm.models.regression_mixture("y ~ 1", 1), weights="v", cluster_weights="b", replicate_weights="rep",
                  method="JK1")  # fmt: skip
    held = bm.survey(model, weights="v", cluster_weights="b", replicate_weights="rep", method="JK1")
    with pytest.raises(ValueError, match=r"'rep3', which are those of clusters .*equal within each cluster"):
        bm.fit(held, df.assign(rep3=df["v"]), **QUICK)


def test_intervals_are_those_of_t_with_the_degrees_of_freedom_of_the_design(two, drawn, of_design):
    assert of_design.design_df == 30
    z = stats.t.ppf(0.975, 30)
    rows = of_design.summary().query("free")
    np.testing.assert_allclose(rows["upper"] - rows["estimate"], z * rows["se"], rtol=1e-9)
    np.testing.assert_allclose(rows["p"], 2 * stats.t.sf(rows["ratio"].abs(), 30), rtol=1e-9)
    beside = bm.compare(of_design).table.loc["item_logit[1, a, 1]"]
    assert beside["ml_upper"] == pytest.approx(rows.loc["item_logit[1, a, 1]", "upper"])
    found = bm.contrast(of_design, lambda x: x["class_logit"][0], level=0.9)
    assert float(found.upper - found.value) == pytest.approx(stats.t.ppf(0.95, 30) * float(found.se))
    assert float(found.p) == pytest.approx(rows.loc["class_logit[1]", "p"])
    assert "of t with 30 degrees of freedom" in repr(found)
    assert "those of t with the 30 degrees of freedom of the" in str(bm.report(of_design))
    predicted = bm.fit(bm.models.lca(list("abcd"), 2, "x"), drawn, weights="w", strata="s", psu="p", **QUICK)
    odds = bm.odds_ratios(predicted).iloc[0]
    slope = predicted.summary().loc["class_slope[1, x]"]
    assert odds["upper"] == pytest.approx(np.exp(slope["estimate"] + z * slope["se"]))
    assert odds["p"] == pytest.approx(2 * stats.t.sf(abs(slope["ratio"]), 30))
    sizes = bm.class_sizes(predicted, {"x": 0.0}).table.iloc[0]
    half = special.logit(sizes["upper"]) - special.logit(sizes["value"])
    assert half == pytest.approx(z * sizes["se"] / (sizes["value"] * (1 - sizes["value"])), rel=1e-6)
    assert bm.contrast(bm.fit(two, drawn, weights="w", **QUICK), lambda x: x["class_logit"][0]).df is None
