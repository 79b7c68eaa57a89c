"""What every public function makes of a model with the design of a survey: a number that is right, or a refusal."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest

import bayesmix as bm
from command import main

QUICK = {"starts": 4, "rounds": 1, "progress": False}


@pytest.fixture(scope="module")
def plain(two, drawn):
    return bm.fit(two, drawn, **QUICK)


@pytest.mark.parametrize(
    ("what", "call"),
    [
        ("bm.sample", lambda f, g, df: bm.sample(f, df)),
        ("bm.build", lambda f, g, df: bm.build(f, df)),
        ("The bootstrap", lambda f, g, df: bm.bootstrap(f, df)),
        ("bootstrap=", lambda f, g, df: bm.goodness_of_fit(f, df, bootstrap=10)),
        ("bootstrap=", lambda f, g, df: bm.residuals(f, df, bootstrap=10)),
        ("Little's test", lambda f, g, df: bm.little_test(f, df)),
        ("The test", bm.lr_test),
        ("The test", bm.vuong_test),
        ("vuong=", lambda f, g, df: bm.enumerate_classes(f.model, df, [1, 2], vuong=True, **QUICK)),
        ("bootstrap=", lambda f, g, df: bm.enumerate_classes(f.model, df, [1, 2], bootstrap=20, **QUICK)),
        ("sample=", lambda f, g, df: bm.enumerate_classes(f.model, df, [1, 2], sample=True, **QUICK)),
        ("class_status", lambda f, g, df: bm.class_status(
            bm.survey(bm.models.lca(list("abcd"), 2, cluster="s"), weights="w"), df)),
        ("standard_errors='hessian'", lambda f, g, df: bm.fit(f.model, df, standard_errors="hessian", **QUICK)),
        ("priors=", lambda f, g, df: bm.fit(f.model, df, priors="default", **QUICK)),
        ("The model has the design of a survey already", lambda f, g, df: bm.fit(f.model, df, weights="w", **QUICK)),
    ],
)  # fmt: skip
def test_what_has_no_meaning_is_refused(of_design, drawn, what, call):
    """Before anything is computed, with the reason."""
    with pytest.raises(ValueError, match=f"^{what}.* (came|already)") as refused:
        call(of_design, of_design, drawn)
    assert len(str(refused.value)) > 80


def test_a_likelihood_ratio_is_corrected_or_refused(two, drawn, of_design, plain):
    larger = bm.fit(bm.models.lca(list("abcd"), 2, "x"), drawn, weights="w", strata="s", psu="p", **QUICK)
    found = bm.likelihood_ratio(of_design, larger)
    assert found.correction != 1
    assert found.df == 1
    with pytest.raises(ValueError, match="scaling='none' came for a model with the design"):
        bm.likelihood_ratio(of_design, larger, scaling="none")
    for other in (plain, bm.fit(two, drawn, weights="w", **QUICK)):
        with pytest.raises(ValueError, match=r"not of the same answers|different designs"):
            bm.likelihood_ratio(other, larger)


def test_tests_are_adjusted(of_design, drawn, two):
    """Adjusted F and t of the design; of weights alone the chi-square."""
    from scipy import stats

    found = bm.test(of_design, "item_logit[1, a, 1] = 1, item_logit[1, b, 1] = 1")
    assert (found.df, found.denominator) == (2, 29)
    assert found.p == pytest.approx(stats.f.sf(found.statistic * 29 / (2 * 30), 2, 29))
    one = bm.test(of_design, "item_logit[1, a, 1] = 1")
    assert one.p == pytest.approx(one.table["p"].iloc[0])
    assert one.p == pytest.approx(2 * stats.t.sf(abs(one.table["ratio"].iloc[0]), 30))
    assert "Adjusted Wald F" in repr(found)
    alone = bm.test(bm.fit(two, drawn, weights="w", **QUICK), "item_logit[1, a, 1] = 1")
    assert alone.denominator is None
    assert "chi-square" in repr(alone)
    many = [f"item_logit[{c}, {i}, 1] = 0" for c in (1, 2) for i in "abcd"]
    few = bm.fit(two, drawn.assign(p=drawn["s"] // 2), weights="w", psu="p", **QUICK)
    with pytest.raises(ValueError, match="4 degrees of freedom"):
        bm.test(few, many)


def test_counts_and_classification_are_weighted(of_design, drawn):
    w = drawn["w"] * of_design.info["survey"]["factor"]
    p = of_design.class_probabilities()
    seen = p["C=1"].notna()
    counts = of_design.class_counts()
    assert counts["posterior"].sum() == pytest.approx(of_design.n_individuals)
    np.testing.assert_allclose(counts["posterior"].iloc[0], (w * p["C=1"])[seen].sum(), rtol=1e-6)
    np.testing.assert_allclose(counts["posterior %"].iloc[0], of_design.probabilities["C_probability"][0], atol=1e-5)
    modal = w[(p["most_likely"] == 1).fillna(False)].sum()
    np.testing.assert_allclose(counts["most likely"].iloc[0], modal, rtol=1e-6)
    own = drawn[seen].assign(w=w[seen], p=p["C=1"][seen], k=p["most_likely"][seen].astype(int))
    first = own[own["k"] == 1]
    np.testing.assert_allclose(bm.classification(of_design).iloc[0, 0], np.average(first["p"], weights=first["w"]))
    entropy = -sum(own[k] * np.log(own[k]) for k in ("p",)) - (1 - own["p"]) * np.log(1 - own["p"])
    assert of_design.entropy == pytest.approx(1 - np.average(entropy, weights=own["w"]) / np.log(2), abs=1e-6)


def test_the_listing_says_that_labels_are_read_within_strata(of_design):
    assert "Primary sampling units 40 ('p': 4 labels, which are read within strata)" in " ".join(
        bm.report(of_design).split()
    )


def test_rows_are_predicted_as_the_fit_has_them(of_design, drawn):
    """A weight says nothing of the class of its own row; new rows need no design."""
    new = drawn[list("abcd")]
    np.testing.assert_allclose(
        bm.predict(of_design, new).class_probabilities()["C=1"], of_design.class_probabilities()["C=1"], atol=1e-10
    )
    assert bm.class_draws(of_design, new).sizes["row"] == of_design.n_individuals
    assert list(bm.simulate(of_design, n=5)) == [*"abcd", "true_C"]
    assert bm.log_likelihood(of_design, drawn) == pytest.approx(of_design.loglik)
    each = bm.log_likelihood(of_design, drawn, units=True)
    assert (each * drawn["w"] * of_design.info["survey"]["factor"]).sum() == pytest.approx(of_design.loglik)


def test_clusters_are_predicted_by_the_weights_of_their_rows(drawn):
    df = drawn.assign(g=drawn["s"] * 4 + drawn["p"])
    fit = bm.fit(bm.models.lca(list("abcd"), 2, cluster="g"), df, weights="w", **QUICK)
    found = bm.predict(fit, df)
    np.testing.assert_allclose(found.class_probabilities()["C=1"], fit.class_probabilities()["C=1"], atol=1e-6)
    with pytest.raises(ValueError, match="no column 'w', the weights of rows within clusters"):
        bm.predict(fit, df.drop(columns="w"))


def test_enumerations_carry_the_design(two, drawn, of_design):
    found = bm.enumerate_classes(of_design.model, drawn, [1, 2], **QUICK)
    assert found.fits[2].loglik == pytest.approx(of_design.loglik, abs=1e-5)
    assert found.fits[1].info["survey"]["df"] == 30
    with pytest.raises(TypeError, match=r"weights= came here.*bm.survey"):
        bm.enumerate_classes(two, drawn, [1, 2], weights="w", **QUICK)


def test_three_steps_carry_the_design(two, drawn, of_design):
    """Weights in all steps; whole weights are copies, whose clusters are the rows."""
    rows = drawn.loc[drawn.index.repeat(drawn["w"])].assign(copy=lambda d: d.index).reset_index(drop=True)
    one = bm.fit(bm.survey(two, weights="w", scaling="unscaled"), drawn, **QUICK)
    many = bm.fit(two, rows, **QUICK)
    for method in ("ml", "bch", "two-step"):
        a = bm.three_step(one, drawn, "x", method=method).coefficients()
        b = bm.three_step(many, rows, "x", method=method, cluster="copy").coefficients()
        np.testing.assert_allclose(a["estimate"], b["estimate"], atol=1e-4)
        np.testing.assert_allclose(a["se"], b["se"], rtol=2e-3)
    found = bm.three_step(of_design, drawn, "x", "y")
    said = " ".join(str(found).split())
    assert "of the design of the survey" in said
    assert "degrees of freedom" in said
    plain = bm.three_step(bm.fit(two, drawn, weights="w", **QUICK), drawn, "x")
    assert not np.allclose(plain.coefficients()["se"], found.coefficients()["se"][:2], rtol=1e-3)
    with pytest.raises(ValueError, match="cluster came"):
        bm.three_step(of_design, drawn, "x", cluster="s")


@pytest.fixture(scope="module")
def nested():
    """40 clusters of 12 rows, of two kinds, with whole weights of both levels."""
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(40), 12)
    c = (rng.random(480) < np.where(np.arange(40) % 2, 0.85, 0.2)[g]).astype(int)
    df = pd.DataFrame((rng.random((480, 4)) < np.where(c == 1, 0.85, 0.15)[:, None]).astype(int), columns=list("abcd"))
    x = rng.normal(size=480).round(1)
    return df.assign(g=g, w=rng.choice([1, 2, 3], 480), bw=1 + g // 2 % 3, x=x, y=c + 0.3 * x + rng.normal(size=480))


@pytest.fixture(scope="module")
def copied(nested):
    """Fits with whole weights of both levels, and of copies of rows and of clusters: those of one are one unit."""
    model = bm.models.lca(list("abcd"), 2, cluster="g")
    held = bm.survey(model, weights="w", cluster_weights="bw", scaling="unscaled", cluster_scaling="unscaled")
    rows = nested.assign(first=nested["g"]).loc[nested.index.repeat(nested["w"])]
    copies = pd.concat([rows[rows["bw"] > k].assign(g=lambda d, k=k: d["g"] + 100 * k) for k in range(3)])
    copies, nodes = copies.reset_index(drop=True), {"nodes": bm.trapezoid(61)}
    one = bm.fit(held, nested, **nodes, **QUICK)
    return one, bm.fit(bm.survey(model, psu="first"), copies, like=one, **nodes, **QUICK), copies


@pytest.mark.parametrize("method", ["ml", "bch", pytest.param("two-step", marks=pytest.mark.slow)])
def test_three_steps_of_two_levels_are_those_of_copies(nested, copied, method):
    """Estimates and errors, whose primary sampling units are the clusters."""
    one, many, copies = copied
    assert one.loglik == pytest.approx(many.loglik, rel=1e-8)
    a = bm.three_step(one, nested, "x", "y", method=method).to_frame()
    b = bm.three_step(many, copies, "x", "y", method=method).to_frame()
    np.testing.assert_allclose(a["estimate"], b["estimate"], atol=2e-3)
    np.testing.assert_allclose(a["se"], b["se"] * np.sqrt(39 / 40), rtol=1e-2)


def test_three_steps_of_classes_of_clusters_take_their_weights(nested):
    df = nested.assign(z=nested["g"] % 7)
    model = bm.models.lca(list("abcd"), 2, cluster="g", cluster_classes=2)
    held = bm.survey(model, cluster_weights="bw", cluster_scaling="unscaled")
    one = bm.fit(held, df, **QUICK)
    copies = pd.concat([df[df["bw"] > k].assign(g=lambda d, k=k: d["g"] + 100 * k) for k in range(3)])
    many = bm.fit(model, copies.reset_index(drop=True), like=one, **QUICK)
    name = next(c.name for c in model.classes if c.level == "cluster")
    for method in ("ml", "bch"):
        a = bm.three_step(one, df, "z", method=method, variable=name)
        b = bm.three_step(many, copies.reset_index(drop=True), "z", method=method, variable=name)
        np.testing.assert_allclose(a.to_frame()["estimate"], b.to_frame()["estimate"], atol=5e-3)
        assert a.n_units == 40
        assert b.n_units == df.groupby("g")["bw"].first().sum()


def test_outcomes_of_clusters_in_two_steps_do_not_count_by_weights_of_rows(nested):
    model = bm.models.lca(list("abcd"), 2, cluster="g", cluster_classes=2)
    fit = bm.fit(bm.survey(model, weights="w"), nested, **QUICK)
    name = next(c.name for c in model.classes if c.level == "cluster")
    df = nested.assign(z=nested["g"] % 7 + 0.1)
    with pytest.raises(ValueError, match=r"weights within clusters \('w'\).*method='ml' or 'bch'"):
        bm.three_step(fit, df, None, "z", method="two-step", variable=name)


@pytest.fixture(scope="module")
def replicated(two, drawn):
    """A jackknife of 20 units, and the same by linearisation."""
    df = drawn.assign(unit=drawn["s"] * 2 + drawn["p"] % 2)
    df = df.assign(**{f"rep{k + 1}": df["w"] * (df["unit"] != k) * 20 / 19 for k in range(20)})
    by = bm.survey(two, weights="w", replicate_weights="rep", method="JK1")
    return df, bm.fit(by, df, **QUICK), bm.fit(two, df, weights="w", psu="unit", **QUICK)


@pytest.mark.parametrize("method", ["ml", "bch", pytest.param("two-step", marks=pytest.mark.slow)])
def test_three_steps_are_made_again_under_replicates(replicated, method):
    """Near the linearised errors, which come by another way."""
    df, by_replicates, linearised = replicated
    a = bm.three_step(by_replicates, df, "x", "y", method=method)
    b = bm.three_step(linearised, df, "x", "y", method=method)
    np.testing.assert_allclose(a.to_frame()["estimate"], b.to_frame()["estimate"], atol=1e-6)
    np.testing.assert_allclose(a.to_frame()["se"], b.to_frame()["se"], rtol=0.12)
    said = " ".join(str(a).split())
    assert "by replicate weights (JK1), with the uncertainty of step one" in said
    assert "all steps are made again under each of the replicate weights" in said


def test_replicates_of_three_steps_are_a_jackknife_by_hand(replicated, two):
    """Without the uncertainty of step one: the last step under other weights, its errors of the assignment new."""
    df, fit, _ = replicated
    found = bm.three_step(fit, df, "x", method="bch", assignment="proportional", uncertainty=False)
    slopes = []
    for k in range(20):
        own = bm.survey(two, weights=f"rep{k + 1}")
        held = bm.fit(own, df, like=fit, **QUICK)
        slopes.append(bm.three_step(held, df, "x", method="bch", assignment="proportional").coefficients()["estimate"])
    whole = bm.three_step(fit, df, "x", method="bch", assignment="proportional")
    apart = np.array(slopes) - whole.coefficients()["estimate"].to_numpy()
    np.testing.assert_allclose(whole.coefficients()["se"], np.sqrt(19 / 20 * (apart**2).sum(axis=0)), rtol=1e-3)
    assert (found.coefficients()["se"] < whole.coefficients()["se"] * 1.1).all()


def test_weighted_pictures_and_scores(drawn, of_design, tmp_path):
    df = drawn.assign(y=drawn["y"])
    one = bm.fit(bm.models.regression_mixture("y ~ x", 2), df, weights="w", starts=10, rounds=1, progress=False)
    heights = sum(p.get_height() for p in bm.plots.outcome(one, df)[-1].patches)
    assert heights > 0  # counts of the population, not of the sample
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of coarse nodes
        grades = bm.fit(bm.models.gom(list("abcd"), 2), drawn, weights="w", nodes=bm.trapezoid(15), **QUICK)
    with pytest.raises(ValueError, match=r"freq=df\['w'\]"):
        bm.plots.memberships(grades)
    page = bm.to_html(of_design, tmp_path / "page.html", df=drawn).read_text(encoding="utf-8")
    assert ("pseudo maximum likelihood" in page and "weights=&#x27;w&#x27;" in page) or "weights='w'" in page


def test_the_listing_says_what_was_done(of_design, tmp_path):
    text = bm.report(of_design)
    for words in ("pseudo maximum likelihood, linearised", "DESIGN OF THE SURVEY", "40 ('p': 4 labels", "10 ('s')",
                  "scaled to sum to the number of rows", "Degrees of freedom of the design", "adjusted F"):  # fmt: skip
        assert words in text
    again = bm.Fit.load(of_design.save(tmp_path / "fit.nc"))
    assert again.model == of_design.model
    assert bm.report(again) == text
    assert again.design_df == 30


def test_the_command_line(drawn, tmp_path, capsys):
    file = tmp_path / "d.csv"
    drawn.to_csv(file, index=False)
    words = ["fit", "lca", str(file), "--items", "a-d", "--classes", "2", "--starts", "4", "--rounds", "1"]
    assert main([*words, "--weights", "w", "--strata", "s", "--psu", "p", "--out", str(tmp_path / "out")]) == 0
    assert "linearised (design)" in capsys.readouterr().out
    fit = bm.Fit.load(tmp_path / "out" / "fit.nc")
    assert fit.design_df == 30
    assert fit.model.survey.columns == ("w", "s", "p")
    settings = json.loads((tmp_path / "out" / "run.json").read_text())["settings"]
    assert settings["weights"] == "w"
    assert main([*words, "--weights", "nobody"]) == 2


def test_mplus_is_told(drawn, two, tmp_path):
    model = bm.survey(two, weights="w", strata="s", psu="p")
    bm.mplus.write(model, drawn, tmp_path / "m.inp")
    text = (tmp_path / "m.inp").read_text()
    for line in ("WEIGHT = W;", "STRATIFICATION = S;", "CLUSTER = P;", "TYPE = COMPLEX MIXTURE;"):
        assert line in text
    data = pd.read_csv(tmp_path / "m.dat", sep=r"\s+", header=None)
    assert data.iloc[:, -1].nunique() == 40  # labels are read within strata
    df = drawn.assign(g=drawn["s"] * 4 + drawn["p"], bw=1.0)
    nested = bm.survey(
        bm.models.lca(list("abcd"), 2, cluster="g"), weights="w", cluster_weights="bw", scaling="effective"
    )
    bm.mplus.write(nested, df, tmp_path / "n.inp")
    text = (tmp_path / "n.inp").read_text()
    for line in (
        "WEIGHT = W;",
        "WTSCALE = ECLUSTER;",
        "BWEIGHT = BW;",
        "BWTSCALE = SAMPLE;",
        "TYPE = TWOLEVEL MIXTURE;",
    ):
        assert line in text
    drawn_from = df.assign(share=0.25)
    bm.mplus.write(bm.survey(two, weights="w", strata="s", fpc="share"), drawn_from, tmp_path / "o.inp")
    assert "FINITE = SHARE (SFRACTION);" in (tmp_path / "o.inp").read_text()
