"""The listing holds what a user looks for, with the numbers of the fit."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from bayesmix.models import gom, lca
from rich.console import Console

import bayesmix as bm
import declare
from bayesmix.layout import Listing, number, p_value, packed
from bayesmix.listing import classification_rates, report, show

ORDER = [
    "MODEL AND DATA",
    "RANDOM STARTS, RANKED",
    "FIT",
    "CLASS COUNTS",
    "CLASSIFICATION QUALITY",
    "RESULTS: INDIVIDUAL LEVEL, CLASS VARIABLE C",
    "RESULTS: ITEMS BY CLASS",
    "RESULTS ON THE PROBABILITY SCALE",
    "QUALITY OF THE NUMERICAL RESULTS",
    "SAVED",
]


def section(text: str, title: str) -> str:
    """The lines of one section."""
    out, inside = [], False
    for line in text.splitlines():
        if line and not line.startswith(" "):
            inside = line.startswith(title)
        elif inside:
            out.append(line)
    assert out, f"no section {title}"
    return "\n".join(out)


def row(text: str, label: str) -> list[str]:
    """The cells of the line that begins with a label."""
    (line,) = [k for k in text.splitlines() if k.strip().startswith(label)]
    return line.strip().removeprefix(label).split()


@pytest.fixture(scope="module")
def covariate_fit():
    """Two classes of five items and a covariate; one row without an answer, an item that one class never affirms."""
    rng = np.random.default_rng(7)
    n = 400
    x, truth = rng.normal(size=n), rng.random(n) < 0.5
    p = np.where(truth[:, None], 0.85, 0.15)
    df = pd.DataFrame((rng.random((n, 5)) < p).astype(float), columns=list("abcde")).assign(x=x + truth)
    df["e"] = df["e"].where(truth & (df[list("abcd")].sum(axis=1) >= 3), 0.0)
    df.loc[5, list("abcde")] = np.nan
    return bm.fit(lca(list("abcde"), 2, covariates="x", family=bm.bernoulli()), df, starts=6, finals=3)


@pytest.fixture(scope="module")
def two_level_fit():
    """A class of persons and a class of clusters."""
    df = declare.frame(seed=1, clusters=12, rows=8, missing=0.0)
    model = declare.model(
        [declare.measure("binary", "C")],
        [declare.logits("B", level="cluster"), declare.logits("C", "B")],
        two_level=True,
    )
    with pytest.warns(UserWarning, match="reached by one start"):
        return bm.fit(model, df, starts=2, finals=1, rounds=1)


def tables(*rows) -> np.ndarray:
    """Category logits of binary items, (class, item, category), of those of the second category."""
    second = np.array(rows, dtype=float)
    return np.stack([np.zeros_like(second), second], axis=-1)


@pytest.fixture(scope="module")
def clustered() -> pd.DataFrame:
    """200 persons in 20 clusters that differ in the share of a class."""
    truth = {
        "class_logit": np.array([0.3, 0.0]),
        "cluster_loading": np.array([[1.3, 0.0]]),
        "item_logit": tables([2] * 5, [-2] * 5),
    }
    return bm.simulate(lca(list("abcde"), 2, cluster="g"), truth, n=200, clusters=20, seed=1)


@pytest.fixture(scope="module")
def random_fit(clustered):
    """Random class logits of clusters."""
    return bm.fit(lca(list("abcde"), 2, cluster="g"), clustered, starts=4, finals=2, rounds=1)


@pytest.fixture(scope="module")
def nonparametric_fit(clustered):
    """Classes of clusters."""
    return bm.fit(lca(list("abcde"), 2, cluster="g", cluster_classes=2), clustered, starts=4, finals=2, rounds=1)


@pytest.fixture(scope="module")
def three() -> pd.DataFrame:
    """Three classes, their logits correlated between 20 clusters."""
    truth = {
        "class_logit": np.array([0.3, 0.1, 0.0]),
        "cluster_loading": np.array([[1.3, 0.5, 0.0], [0.0, 0.9, 0.0]]),
        "item_logit": tables([2.5] * 6, [-2.5] * 6, [2.5] * 3 + [-2.5] * 3),
    }
    return bm.simulate(lca(list("abcdef"), 3, cluster="g"), truth, n=200, clusters=20, seed=2)


@pytest.fixture(scope="module")
def graded_fit():
    """Grades of membership of 250 persons in two classes; one has no answers."""
    truth = {
        "class_logit": np.array([0.8, 0.0]),
        "class_loading": np.array([[1.2, 0.0]]),
        "item_logit": tables([2.5] * 6, [-2.5] * 6),
    }
    df = bm.simulate(gom(list("abcdef"), 2), truth, n=250, seed=2)[list("abcdef")].astype(float)
    df.loc[7] = np.nan
    return bm.fit(gom(list("abcdef"), 2), df, starts=3, finals=2, rounds=1, nodes=bm.trapezoid(15))


def test_sections_stand_in_the_order_users_expect(fitted):
    titles = [line for line in report(fitted).splitlines() if line and not line.startswith(" ")]
    assert len(titles) == len(ORDER)
    assert all(t.startswith(o) for t, o in zip(titles, ORDER, strict=True))


def test_no_line_is_longer_than_a_hundred_columns(
    fitted, covariate_fit, two_level_fit, random_fit, nonparametric_fit, graded_fit
):
    for fit in (fitted, covariate_fit, two_level_fit, random_fit, nonparametric_fit, graded_fit):
        text = report(fit)
        assert max(map(len, text.splitlines())) <= 100
        assert all(line == line.rstrip() for line in text.splitlines())


def test_fit_indices_are_those_of_the_fit(fitted):
    text = section(report(fitted), "FIT")
    assert row(text, "Log-likelihood") == [f"{fitted.loglik:.3f}"]
    assert row(text, "AIC") == [f"{fitted.aic:.3f}"]
    assert row(text, f"BIC (n = {fitted.n_individuals} individuals)") == [f"{fitted.bic:.3f}"]
    assert row(text, "Sample-size-adjusted BIC") == [f"{fitted.adjusted_bic:.3f}"]
    assert row(text, "Free parameters") == ["11"]


def test_starts_say_how_often_the_best_value_was_reached(fitted):
    text = section(report(fitted), "RANDOM STARTS")
    assert f"Best value replicated: reached by {fitted.replicated} of" in text
    assert str(fitted.starts["seed"].iloc[0]) in text
    once = fitted.starts.assign(loglik=[fitted.loglik, *[np.nan] * (len(fitted.starts) - 1)])
    assert "Best value NOT replicated: reached by 1 of 1" in report(replace(fitted, starts=once))


def test_what_a_search_knows_is_said_in_words(fitted):
    said = {"ends": 3, "unseen": 0.25, "collapsed": 1, "unfinished": 2, "failed": {"standard errors": "no memory"}}
    text = report(replace(fitted, quality={**fitted.quality, **said}))
    assert "They ended at 3 different values; an estimated 25% of further starts would end at another." in text
    assert "1 start collapsed: the residual SD that is named ran down to its floor, or near it with\n" in text
    assert "the floor is 0.01 of the item's SD, or its rounding." in text
    assert max(map(len, text.splitlines())) <= 100
    assert "2 starts did not get to the end (status `unfinished`)." in text
    assert "NOT made, for a step after the search failed: standard errors (no memory)." in text
    n = int(fitted.starts["loglik"].notna().sum())
    assert "EVERY start collapsed" in report(replace(fitted, quality={**fitted.quality, "collapsed": n}))


def test_starts_are_counted_by_where_they_come_from(fitted):
    n = len(fitted.starts)
    assert f"Random starts                    {n}, in" in report(fitted)
    origin = ["simpler model", "detour", "detour", *["random"] * (n - 3)]
    text = report(replace(fitted, starts=fitted.starts.assign(origin=origin)))
    assert "Other starts                     1 from simpler models, 2 from one class more" in text
    assert f"Random starts                    {n - 3}, in" in text


def test_failed_starts_are_counted_and_not_hidden(fitted):
    starts = fitted.starts.copy()
    starts.loc[starts.index[-2:], ["short", "status"]] = [np.nan, "failed: not finite"]
    assert "2 failed (not finite)." in report(replace(fitted, starts=starts))


def test_results_are_by_class_with_the_reference_named(fitted):
    text = section(report(fitted), "RESULTS: ITEMS BY CLASS")
    assert text.index("Class C = 1") < text.index("Class C = 2")
    summary = fitted.summary()
    for label in summary.index[summary["free"] & summary.index.str.startswith("item_logit")]:
        assert f"{summary.loc[label, 'estimate']:.3f}" in text
        assert f"{summary.loc[label, 'se']:.3f}" in text
    assert "The first category of each item is the reference (item_logit = 0, fixed)." in text
    classes = section(report(fitted), "RESULTS: INDIVIDUAL LEVEL")
    assert row(classes, "class_logit[2]") == ["0.000", "-", "-", "-", "fixed"]


def test_odds_ratios_are_exponentiated_slopes(covariate_fit):
    text = section(report(covariate_fit), "ODDS RATIOS")
    s = covariate_fit.summary().loc["class_slope[1, x]"]
    expected = [np.exp(s["estimate"]), np.exp(s["estimate"]) * s["se"], np.exp(s["lower"]), np.exp(s["upper"])]
    assert row(text, "class_slope[1, x]")[:4] == [f"{v:.3f}" for v in expected]


def test_boundary_parameters_are_marked_and_named(covariate_fit):
    (name,) = covariate_fit.quality["boundary"]
    quality = section(report(covariate_fit), "QUALITY OF THE NUMERICAL RESULTS")
    assert row(quality, "Parameters at a boundary") == ["1"]
    assert name in quality
    items = section(report(covariate_fit), "RESULTS: ITEMS BY CLASS")
    assert sum("boundary" in line for line in items.splitlines()) == 1
    scale = section(report(covariate_fit), "RESULTS ON THE PROBABILITY SCALE")
    assert "0.000 (-)" in " ".join(row(scale, "e = 1"))


def test_rows_left_out_are_counted(covariate_fit):
    text = section(report(covariate_fit), "MODEL AND DATA")
    assert row(text, "Rows in the data") == ["400"]
    assert row(text, "Rows left out (no answer)") == ["1"]
    assert row(text, "Individuals") == ["399"]
    assert row(text, "Covariates") == ["x"]
    assert row(text, "Families") == ["bernoulli", "(logit)"]


def test_classification_rates_are_bayes_rule(fitted):
    p = fitted.classes["C_posterior"].values
    p = p[~np.isnan(p).any(axis=1)]
    modal = p.argmax(axis=1)
    expected = np.stack([p[modal == s].sum(axis=0) for s in range(2)], axis=1) / p.sum(axis=0)[:, None]
    rates = classification_rates(fitted)
    assert rates.to_numpy() == pytest.approx(expected)
    assert rates.sum(axis=1).to_numpy() == pytest.approx(1.0)
    text = section(report(fitted), "CLASSIFICATION QUALITY")
    assert f"{rates.iloc[0, 0]:.3f}" in text
    assert f"{np.log(rates.iloc[0, 0] / rates.iloc[0, 1]):.3f}" in text
    assert f"Entropy: {fitted.entropy:.3f}" in text


def test_class_counts_come_three_ways(fitted):
    cells = row(section(report(fitted), "CLASS COUNTS"), "1 ")
    counts = fitted.class_counts().iloc[0]
    assert [float(c) for c in cells[::2]] == pytest.approx(counts[["model", "posterior", "most likely"]], abs=0.051)


def test_two_levels_have_their_own_blocks(two_level_fit):
    text = report(two_level_fit)
    assert "B, clusters" in section(text, "CLASS COUNTS")
    assert "C, individuals" in section(text, "CLASS COUNTS")
    assert "alpha_B[1]" in section(text, "RESULTS: CLUSTER LEVEL, CLASS VARIABLE B")
    assert "alpha_C[2, 1]" in section(text, "RESULTS: INDIVIDUAL LEVEL, CLASS VARIABLE C")
    assert row(section(text, "FIT"), "BIC (n = 12 clusters)") == [f"{two_level_fit.bic_clusters:.3f}"]
    assert row(section(text, "MODEL AND DATA"), "Average cluster size") == [f"{two_level_fit.n_individuals / 12:.1f}"]


def test_random_class_logits_have_their_method_audit_and_both_sample_sizes(random_fit):
    text = report(random_fit)
    head = section(text, "MODEL AND DATA")
    assert row(head, "Integration") == ["adaptive(7)", "over", "effects", "of", "clusters"]
    assert row(head, "Cluster column") == ["g"]
    assert row(head, "Average cluster size") == ["10.0"]
    fit = section(text, "FIT")
    assert row(fit, "Free parameters") == ["12"]
    assert row(fit, "BIC (n = 200 individuals)") == [f"{-2 * random_fit.loglik + 12 * np.log(200):.3f}"]
    assert row(fit, "BIC (n = 20 clusters)") == [f"{-2 * random_fit.loglik + 12 * np.log(20):.3f}"]
    audit = (
        f"{round(random_fit.quality['audit'], 4) + 0.0:+.4f} in log-likelihood from adaptive(7) to adaptive(15) (fine)"
    )
    assert audit in section(text, "QUALITY")
    saved = section(text, "SAVED")
    assert "C of 200 rows of the data" in saved
    assert "Random effects u1 of 20 clusters, by fit.effects()." in saved


def test_random_effects_have_sd_and_icc_with_intervals_on_their_scales(random_fit):
    text = section(report(random_fit), "RANDOM EFFECTS OF THE CLASS LOGITS")
    assert "Effects of clusters: u1" in text
    sd, error = float(random_fit.params["cluster_loading"][0, 0]), float(random_fit.se["cluster_loading"][0, 0])
    half = 1.959964 * error / sd
    cells = [float(c) for c in row(text, "cluster_sd[1]")]
    assert cells == pytest.approx([sd, error, sd * np.exp(-half), sd * np.exp(half)], abs=5.1e-4)
    rest = np.pi**2 / 3
    icc, logit = sd**2 / (sd**2 + rest), np.log(sd**2 / rest)  # the logit of the ICC has the slope 2 / SD
    ends = [1 / (1 + np.exp(-(logit + k * 2 * half))) for k in (-1, 1)]
    cells = [float(c) for c in row(text, "cluster_icc[1]")]
    assert cells == pytest.approx([icc, 2 * error / sd * icc * (1 - icc), *ends], abs=5.1e-4)
    assert "cluster_sd[2]" not in text
    assert "correlation" not in text


def test_classes_of_clusters_and_of_individuals_are_both_counted(nonparametric_fit):
    text = report(nonparametric_fit)
    head = section(text, "MODEL AND DATA")
    assert "D (2 classes of clusters), C (2 classes of individuals)" in head
    assert row(head, "Integration") == ["none", "needed"]
    counts = section(text, "CLASS COUNTS")
    above, below = counts.index("D, clusters"), counts.index("C, individuals")
    for block, name, n in ((counts[above:below], "D", 20), (counts[below:], "C", 200)):
        cells = np.array([[float(c) for c in row(block, f"{k} ")[::2]] for k in (1, 2)])
        expected = nonparametric_fit.class_counts(name)[["model", "posterior", "most likely"]].to_numpy()
        assert cells == pytest.approx(expected, abs=0.051)
        assert cells.sum(axis=0) == pytest.approx(n, abs=0.11)
    quality = section(text, "CLASSIFICATION QUALITY")
    assert f"Entropy of D: {nonparametric_fit.class_entropy('D'):.3f}" in quality
    assert f"Entropy of C: {nonparametric_fit.class_entropy('C'):.3f}" in quality
    assert "RANDOM EFFECTS" not in text
    assert "D of 20 clusters; C of 200 rows of the data" in section(text, "SAVED")
    assert "cluster_class_logit[1]" in section(text, "RESULTS: CLUSTER LEVEL, CLASS VARIABLE D")


@pytest.mark.filterwarnings("ignore:The best log-likelihood")  # the table is looked at, whichever maximum it is of
def test_three_classes_have_correlated_effects_each_pair_once(three):
    fit = bm.fit(lca(list("abcdef"), 3, cluster="g"), three, starts=8, finals=4, rounds=1)
    text = section(report(fit), "RANDOM EFFECTS OF THE CLASS LOGITS")
    assert "Effects of clusters: u1, u2" in text
    x = fit.params["cluster_loading"].values[:, :2]
    covariance = x.T @ x
    r = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    error = float(fit.derived_se["cluster_correlation"][1, 0])
    ends = np.tanh(np.arctanh(r) + np.array([-1, 1]) * 1.959964 * error / (1 - r**2))
    cells = [float(c) for c in row(text, "cluster_correlation[2, 1]")]
    assert cells == pytest.approx([r, error, *ends], abs=5.1e-4)
    assert text.count("correlation[") == 1
    assert [float(row(text, f"cluster_sd[{k}]")[0]) for k in (1, 2)] == pytest.approx(
        np.sqrt(np.diag(covariance)), abs=5.1e-4
    )
    assert "Random effects u1, u2 of 20 clusters" in section(report(fit), "SAVED")


def test_correlations_by_one_factor_are_marked_as_fixed(three):
    fit = bm.fit(lca(list("abcdef"), 3, cluster="g", effects="factor"), three, starts=8, finals=4, rounds=1)
    text = section(report(fit), "RANDOM EFFECTS OF THE CLASS LOGITS")
    cells = row(text, "cluster_correlation[2, 1]")
    assert abs(float(cells[0])) == 1.0
    assert cells[1:] == ["-", "-", "-", "fixed:", "one", "factor"]


def test_an_sd_at_its_boundary_has_no_standard_error_in_the_listing(random_fit):
    zero = {name: x.copy(data=np.where(x > 1e-100, 1e-12, 0.0)) for name, x in random_fit.derived.data_vars.items()}
    none = random_fit.derived_se * 0.0
    at_edge = replace(random_fit, derived=random_fit.derived.assign(zero), derived_se=none)
    text = section(report(at_edge), "RANDOM EFFECTS OF THE CLASS LOGITS")
    assert row(text, "cluster_sd[1]") == ["1.00e-12", "-", "-", "-", "boundary"]


def test_grades_of_membership_are_listed_by_person_and_not_counted_as_classes(graded_fit):
    text = report(graded_fit)
    head = section(text, "MODEL AND DATA")
    assert "C (2 classes of items)" in head
    assert row(head, "Integration") == ["trapezoid(15,", "5.0)", "over", "effects", "of", "individuals"]
    assert "CLASS COUNTS" not in text
    assert "CLASSIFICATION" not in text
    assert "class_loading[a1, 1]" in section(text, "RESULTS: ITEM LEVEL, CLASS VARIABLE C")
    effects = section(text, "RANDOM EFFECTS OF THE CLASS LOGITS")
    assert "Effects of individuals: a1" in effects
    sd = float(graded_fit.params["class_loading"][0, 0])
    assert row(effects, "class_sd[1]")[0] == f"{sd:.3f}"
    assert row(effects, "class_icc[1]")[0] == f"{sd**2 / (sd**2 + np.pi**2 / 3):.3f}"
    saved = section(text, "SAVED")
    assert "Grades of membership in C of 250 rows of the data, by fit.memberships()." in saved
    assert "Random effects a1 of 250 rows of the data, by fit.effects()." in saved
    assert "class probabilities" not in saved.lower()


def test_an_audit_and_equal_solutions_are_reported(fitted):
    audit = {"audit": -0.3, "nodes": "trapezoid(5)", "audit_nodes": "trapezoid(9)", "equal_solutions": 2}
    text = section(report(replace(fitted, quality={**fitted.quality, **audit})), "QUALITY")
    assert "-0.3000 in log-likelihood from trapezoid(5) to trapezoid(9) (LARGE" in text
    assert "2 DIFFERENT solutions" in text


def test_categories_that_an_item_does_not_have_are_left_out():
    rng = np.random.default_rng(2)
    c = rng.random(300) < 0.5
    df = pd.DataFrame(
        {"u": rng.integers(0, 3, 300), "v": rng.integers(0, 2, 300) | c, "w": rng.integers(0, 2, 300) | c}
    )
    df["u"] = df["u"].map({0: "low", 1: "mid", 2: "top"}).where(~c, "top")
    df["v"] = df["v"].map({0: "no", 1: "yes"})
    fit = bm.fit(lca(["u", "v", "w"], 2), df, starts=3, finals=2, rounds=1, standard_errors="hessian")
    items = section(report(fit), "RESULTS: ITEMS BY CLASS")
    assert [items.count(k) for k in ("u = low", "u = mid", "u = top", "v = no", "v = yes", "w = 1")] == [
        0,
        2,
        2,
        0,
        2,
        2,
    ]
    scale = section(report(fit), "RESULTS ON THE PROBABILITY SCALE")
    assert sum(line.strip().startswith("v = ") for line in scale.splitlines()) == 2


def test_enumeration_lists_every_number_of_classes(two_classes):
    found = bm.enumerate_classes(lca(list("abcde"), 1), two_classes, [1, 2], starts=4, finals=2, rounds=1)
    text = report(found)
    assert max(map(len, text.splitlines())) <= 100
    assert row(text.partition("AIC3")[0], "2 ")[:2] == [f"{found[2].loglik:.3f}", "11"]
    assert found.choices["BIC"] == 2
    assert "2 classes: AIC, AIC3, BIC" in text
    assert report(found) == text


def test_one_class_needs_no_classification(two_classes):
    fit = bm.fit(lca(list("abcde"), 1), two_classes)
    assert "CLASSIFICATION" not in report(fit)


def test_the_text_shows_itself_and_a_terminal_gets_styles(fitted, capsys):
    text = report(fitted)
    assert isinstance(text, Listing)
    assert repr(text) == text
    assert text._repr_html_().startswith("<pre>MODEL AND DATA")
    show(fitted)
    assert capsys.readouterr().out == text
    show(fitted, console=Console(force_terminal=True, width=70, legacy_windows=False))
    styled = capsys.readouterr().out
    assert "\x1b[1m" in styled
    assert f"{fitted.loglik:.3f}" in styled


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (1.23456, "1.235"),
        (0.0, "0.000"),
        (1e-6, "1.00e-06"),
        (float("nan"), "-"),
        (7, "7"),
        (np.inf, "inf"),
        (None, "-"),
    ],
)
def test_numbers_are_readable(x, expected):
    assert number(x) == expected


def test_p_values_and_lists_of_names():
    assert [p_value(p) for p in (0.0001, 0.04, float("nan"))] == ["<0.001", "0.040", "-"]
    lines = packed([f"item_logit[{k}, A, 2]" for k in range(20)]).splitlines()
    assert all(line.count("[") == line.count("]") for line in lines)
    assert max(map(len, lines)) <= 95


def test_an_enumeration_ranks_no_fit_of_which_every_start_collapsed(fitted):
    gone = replace(fitted, loglik=1e6, starts=fitted.starts.assign(status="collapsed: item_sd[1, y]"))
    found = bm.Enumeration({2: fitted, 3: gone}, "C")
    assert found.best is fitted
    assert found.table.loc[3, ["loglik", "AIC", "BIC", "aBIC"]].isna().all()
    text = report(found)
    assert "All agree on 2 classes: AIC, AIC3, BIC, aBIC, CAIC, AWE, ICL, cmP." in text
    assert "EVERY start collapsed with 3 classes" in text
    assert "NOT replicated" not in text
    bm.plots.enumeration(found)
    nothing = bm.Enumeration({3: gone}, "C")
    assert "No criterion chooses: every start collapsed." in report(nothing)
    bm.plots.enumeration(nothing)
    with pytest.raises(ValueError, match="Every start collapsed"):
        _ = nothing.best


def test_a_listing_is_text_in_a_notebook_too(fitted, monkeypatch, capsys):
    """There rich shows what it prints, whatever its file."""
    outside = bm.report(fitted)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    assert bm.report(fitted) == outside
    assert not capsys.readouterr().out
