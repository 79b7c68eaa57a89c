"""The listing of models with factors: items in both parametrisations, factors, and what is fixed."""

import numpy as np
import pandas as pd
import pytest
from bayesmix.models import fma, fma_gom, irt_3pl
from test_report import row, section

import bayesmix as bm
from bayesmix.layout import number
from bayesmix.listing import report

pytestmark = pytest.mark.filterwarnings("ignore:The best log-likelihood", "ignore:Finer nodes")  # quick, not good, fits
QUICK = {"starts": 2, "finals": 2, "rounds": 1, "nodes": bm.trapezoid(11)}


@pytest.fixture(scope="module")
def persons() -> pd.DataFrame:
    """Six binary items of 400 persons on two correlated factors, whose means differ between two classes."""
    rng = np.random.default_rng(5)
    eta = (
        rng.normal(size=(400, 2)) @ np.array([[1.0, 0.5], [0.0, 0.85]])
        + np.where(rng.random(400) < 0.4, 2.0, 0.0)[:, None]
    )
    x = 1.3 * eta[:, [0, 0, 0, 1, 1, 1]] + np.array([-1.0, 0.0, 0.5, -0.5, 0.0, 0.3]) + rng.logistic(size=(400, 6))
    return pd.DataFrame((x > 0).astype(int), columns=list("klmnop")).assign(
        g=np.arange(400) // 10, x=rng.normal(size=400)
    )


@pytest.fixture(scope="module")
def guessed(persons):
    """A 3PL model."""
    return bm.fit(irt_3pl(list("klmn")), persons, **QUICK)


@pytest.fixture(scope="module")
def two_factors(persons):
    """Two factors whose means vary by class."""
    own = {"one": list("klm"), "two": list("nop")}
    model = fma(list("klmnop"), 2, by_class="means", family=bm.bernoulli(), factors=own)
    return bm.fit(model, persons, **QUICK)


@pytest.fixture(scope="module")
def in_clusters(persons):
    """A 2PL model with a covariate and a part of clusters."""
    return bm.fit(irt_3pl(list("klm"), "none", factor_covariates="x", cluster="g"), persons, **QUICK)


def shown(x) -> str:
    return number(float(x))


def test_items_have_a_b_and_g_with_standard_errors(guessed):
    text = section(report(guessed), "ITEM RESPONSE PARAMETERS")
    for item in "klmn":
        cells = row(text, f"{item} ")
        for k, (values, errors, name) in enumerate(
            (
                (guessed.derived, guessed.derived_se, "discrimination"),
                (guessed.derived, guessed.derived_se, "difficulty"),
                (guessed.params, guessed.se, "guessing"),
            )
        ):
            x, se = (float(d[name].sel(item=item)) for d in (values, errors))
            assert cells[2 * k] == (shown(x) if abs(x) > 1e-6 else "0.000")
            assert cells[2 * k + 1] == (shown(se) if se > 1e-6 * abs(x) else "-")
    assert "g + (1 - g) F(a (f - b)), with f the factor and F the logistic distribution function" in text
    assert "b = -intercept / loading" in text


def test_a_model_without_classes_says_nothing_of_classes(guessed, persons):
    one = bm.fit(fma(list("klmn"), 1, family=bm.bernoulli()), persons, **QUICK)
    for fit in (guessed, one):
        text = report(fit)
        assert "class" not in text.lower().replace("classification", "class")
        assert "RESULTS: ITEMS\n" in text
        assert "Factor scores f of 400 rows of the data, by fit.effects()." in section(text, "SAVED")
        assert row(section(text, "MODEL AND DATA"), "Factors") == ["f"]
    assert row(section(report(guessed), "MODEL AND DATA"), "Families") == ["bernoulli", "(logit,", "guessing)"]


def test_factors_have_means_correlations_and_what_is_fixed(two_factors):
    text = report(two_factors)
    factors = section(text, "FACTORS ONE, TWO")
    mean = float(two_factors.params["one_mean"][0])
    assert row(factors, "mean of one, C = 1")[0] == shown(mean)
    assert row(factors, "mean of two, C = 2") == ["0.000", "-", "-", "-", "fixed"]
    correlation = float(two_factors.derived["one_two_correlation"])
    assert row(factors, "correlation of one and two")[0] == shown(correlation)
    assert "two_on_one" not in factors
    assert "each factor has mean 0 and SD 1, in the last class where they vary by class" in " ".join(factors.split())
    items = section(text, "RESULTS: ITEMS")
    assert row(items, "loading          k, one")[0] == shown(
        float(two_factors.params["loading"].sel(factor="one", item="k"))
    )
    assert "k, two" not in items
    response = section(text, "ITEM RESPONSE PARAMETERS")
    assert [row(response, f"{i} ")[0] for i in "klmnop"] == ["one"] * 3 + ["two"] * 3


def test_regressions_and_parts_of_clusters_are_said_in_words(in_clusters):
    factor = section(report(in_clusters), "FACTOR F")
    assert row(factor, "f on x")[0] == shown(float(in_clusters.params["f_slope"][0]))
    assert row(factor, "SD of f between clusters")[0] == shown(float(in_clusters.params["f_cluster_sd"]))
    assert row(factor, "intraclass correlation of f")[0] == shown(float(in_clusters.derived["f_icc"]))
    assert "mean 0 and SD 1, given the covariates, within clusters." in " ".join(factor.split())


def test_memberships_and_factors_stand_side_by_side(persons):
    fit = bm.fit(fma_gom(list("klmn"), 2, family=bm.bernoulli(), loadings="one"), persons, **QUICK)
    text = report(fit)
    assert row(section(text, "RANDOM EFFECTS OF THE CLASS LOGITS"), "class_icc[1]")
    assert "FACTOR F" in text
    saved = section(text, "SAVED")
    assert "Factor scores f of" in saved
    assert "Random effects a1 of" in saved
    assert max(map(len, text.splitlines())) <= 100


# beside each other, and as a path diagram ----------------------------------------------------------


def test_a_b_and_g_are_compared_by_item_with_intervals_on_their_scales(guessed):
    table = bm.compare(guessed).table
    for name, values, errors in (
        ("discrimination", guessed.derived, guessed.derived_se),
        ("difficulty", guessed.derived, guessed.derived_se),
    ):
        for item in "klmn":
            x, se = (float(d[name].sel(item=item)) for d in (values, errors))
            found = table.loc[f"{name}[{item}]", ["ml", "ml_se", "ml_lower", "ml_upper"]].to_numpy(dtype=float)
            assert found == pytest.approx([x, se, x - 1.959964 * se, x + 1.959964 * se])
    g = table.filter(like="guessing", axis=0)
    assert not ((g["ml_lower"] < 0) | (g["ml_upper"] > 1)).any()
    figure = bm.compare(guessed).plot()
    assert {ax.get_title(loc="left") for ax in figure.axes} == {"guessing", "discrimination", "difficulty"}
    parameters = bm.compare(guessed).plot("parameter")
    assert "loading" in {ax.get_title(loc="left") for ax in parameters.axes}


def test_two_factors_are_compared_with_their_correlation(two_factors):
    assert bm.compare(two_factors).table.loc["one_two_correlation", "ml"] == float(
        two_factors.derived["one_two_correlation"]
    )


def test_items_stand_by_their_factors_in_the_diagram():
    model = fma(
        list("klmnop"), 2, by_class="means", family=bm.bernoulli(),
        factors={"one": list("klm"), "two": list("nop")}, item_covariates={"k": "x"},
    )  # fmt: skip
    dot = bm.plots.diagram(model).dot
    assert '"one" [shape=circle' in dot
    assert 'label="k\\nl\\nm"' in dot
    assert '"one" -> "response bernoulli 1"' in dot
    assert '"two" -> "response bernoulli 2"' in dot
    assert '"one" -> "response bernoulli 2"' not in dot
    assert '"item_covariate" -> "response bernoulli 1"' in dot
    assert '"item_covariate" -> "response bernoulli 2"' not in dot
    assert '"one" -> "two" [dir=both' in dot
    own = fma(list("klm"), 1, family=bm.bernoulli())
    assert '"C"' not in bm.plots.diagram(own).dot
