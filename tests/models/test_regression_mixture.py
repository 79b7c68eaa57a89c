"""Regression mixtures: enumeration, parameter counts of the 2009 paper, limits, other programs."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from bayesmix.models.nels import figure_2, figure_3, figure_4, model_a, nels
from bayesmix.models.regression_mixture import regression_mixture
from numpy.testing import assert_allclose
from scipy import special, stats

import bayesmix as bm
from bayesmix.enumeration import with_classes
from bayesmix.graph import LogLikelihood, batches, node_dims
from bayesmix.ml import curvature
from declare import by_unit, evaluate, frame, give_effects, oracle_for, random_values, target

RTOL = 1e-10
W = "per_adva + private + catholic + mean_ses"
NELS = "math ~ female + stud_ses"


# the likelihood -----------------------------------------------------------------------------------

NODES = bm.gauss_hermite(3)
DECLARED = {
    "R(1)-(2)": lambda: regression_mixture("y1 ~ x", 2, "x"),
    "variance by class": lambda: regression_mixture("y1 ~ x + s", 3, "s", variance="class", freq="f"),
    "R(17)": lambda: regression_mixture("y1 ~ x", 2, variance="x + s"),
    "variance by group": lambda: regression_mixture("y1 ~ x", cluster="g", variance="v"),
    "common slope": lambda: regression_mixture("y1 ~ x + s", 2, by_class="1 + s"),
    "products": lambda: regression_mixture("y1 ~ x + w + x:w", 2, by_class="x"),
    "binary": lambda: regression_mixture("b1 ~ x", 2, "x", bm.bernoulli()),
    "probit": lambda: regression_mixture("b3 ~ x + s", 2, None, bm.bernoulli("probit"), cluster="g"),
    "ordinal": lambda: regression_mixture("o4 ~ x", 2, None, bm.ordinal(), by_class="1", cluster="g"),
    "count": lambda: regression_mixture("k1 ~ x", 2, None, bm.poisson(), cluster="g", random="1 + x"),
    "Fig 3": lambda: regression_mixture(
        "y1 ~ x", 2, "x", cluster="g", covariance="independent", cluster_covariates={"1": "w", "class": "w"}
    ),
    "R(10)-(12)": lambda: regression_mixture("y1 ~ x", cluster="g", random="1 + x", cluster_covariates="w"),
    "B": lambda: regression_mixture(
        "y1 ~ x + z", 2, "x + s", cluster="g", random="1 + x", cluster_covariates="1 ~ w; x ~ w + v; z ~ w; class ~ w"
    ),
    "slopes apart": lambda: regression_mixture(
        "y1 ~ x + z", cluster="g", random="1 + x + z", covariance="slopes apart"
    ),
    "factor": lambda: regression_mixture("y1 ~ x", 3, "x", cluster="g", cluster_covariates={"1": "w", "factor": "w"}),
    "unrestricted": lambda: regression_mixture("y1 ~ x", 3, cluster="g", random="0", effects="unrestricted"),
    "C": lambda: regression_mixture(
        "y1 ~ x", 2, "x", cluster="g", effects="factor", cluster_classes=2, cluster_class_covariates="w",
        cluster_covariates={"1": "w", "x": "w"}, cluster_covariates_by_cluster_class=["1"],
        cluster_covariates_by_class=["x"], logits_by_cluster_class=True, by_cluster_class="1",
    ),
    "(19)": lambda: regression_mixture("y1 ~ x", cluster="g", random="1 + x", cluster_classes=2, variance="class"),
    "(18)": lambda: regression_mixture(
        "y1 ~ x", cluster="g", random="1 + x", cluster_classes=2, effects_by_cluster_class=True
    ),
}  # fmt: skip


def data_frame() -> pd.DataFrame:
    df = frame()
    return df.assign(z=np.random.default_rng(5).normal(size=len(df)).round(2))


def ways():
    for name, declare in DECLARED.items():
        made = declare()
        clusters = bool(made.effects)
        yield pytest.param(declare, (), id=name)
        if clusters:
            yield pytest.param(declare, ("cluster",), id=f"{name}-sampled")


@pytest.mark.parametrize(("declare", "sampled"), list(ways()))
def test_likelihood_equals_enumeration(declare, sampled):
    model, df = declare(), data_frame()
    nodes = NODES if model.effects and not sampled else None
    data, given = give_effects(bm.prepare(model, df, nodes, sampled).on_user_scale())  # the oracle's nodes stand there
    values = random_values(data, seed=1)
    expected = oracle_for(data, df, values, given)
    assert_allclose(by_unit(data, evaluate(data, values)), expected.units(), rtol=RTOL, atol=1e-12)


@pytest.mark.filterwarnings("ignore:Finer nodes")
@pytest.mark.parametrize("factor", [1.0, 30.0, 300.0, 3000.0])
def test_a_class_may_be_ruled_out_by_a_covariate_and_called_for_by_an_effect(factor):
    """Right as far as either leaves anything to the other; beyond, no free choice of the likelier class."""
    df, nodes = data_frame().dropna(subset=["y1", "x"]), bm.trapezoid(2, 1.0)
    model = regression_mixture("y1 ~ x", 2, "x", cluster="g", covariance="independent", random="0")
    values = random_values(bm.prepare(model, df, nodes), seed=3)
    values |= {"class_slope": np.array([[0.4 * factor], [0.0]]), "f_sd": factor, "residual_sd": 0.5}
    z = np.array([-1.0, 1.0])
    weight = -np.log([2.0, 2.0])
    total = most = 0.0
    for _, rows in df.groupby("g"):
        y, x = (rows[k].to_numpy()[:, None] for k in ("y1", "x"))
        logit = values["class_logit"][0] + values["class_slope"][0, 0] * x + values["f_sd"] * z
        mean = values["intercept"] + values["coefficient"][:, 0] * x
        one, two = (stats.norm.logpdf(y, mean[:, [k]], values["residual_sd"]) for k in range(2))
        each = np.logaddexp(one - np.logaddexp(0, -logit), two - np.logaddexp(0, logit))
        total += special.logsumexp(weight + each.sum(axis=0))
        most += np.maximum(one, two).sum()
    found = bm.log_likelihood(model, df, values, nodes=nodes)
    assert found == pytest.approx(total, rel=1e-10) if factor < 1000 else found < most - 5


@pytest.mark.parametrize("name", ["Fig 3", "B", "C", "count"])
def test_batches_of_clusters_add_up(monkeypatch, name):
    model, df = DECLARED[name](), data_frame()
    df = df.drop(index=df.index[[0, 3, 7, 11]])  # clusters of several sizes
    data = target(model, df, bm.adaptive(3))
    theta = data.pack(random_values(data, seed=1))
    probes = (("cluster", *node_dims("cluster", data.arrays)), ("individual", "C"))

    def everything():
        c = curvature(data, theta)
        found = LogLikelihood(data).posterior(theta, *probes)
        return [
            *LogLikelihood(data).value_and_gradient(theta),
            LogLikelihood(data).value(theta),
            c.information,
            c.scores,
            *found,
        ]

    whole = everything()
    assert not batches.batched(data)
    monkeypatch.setattr(batches, "LARGE", 60)
    assert len(batches.batched(data)) > 1
    for a, b in zip(whole, everything(), strict=True):
        assert_allclose(b, a, rtol=1e-7, atol=1e-7)


# parameter counts: Table 2 of the 2009 paper -----------------------------------------------------


@pytest.fixture(scope="module")
def schools() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    school = np.repeat(np.arange(30), 10)
    df = pd.DataFrame({"school": school, "math": rng.normal(50, 10, 300), "stud_ses": rng.normal(size=300)})
    df["female"] = rng.integers(0, 2, 300)
    df["per_adva"], df["mean_ses"] = rng.normal(size=30)[school], rng.normal(size=30)[school]
    df["private"], df["catholic"] = (school % 5 == 0) * 1, (school % 7 == 1) * 1
    return df.assign(sector=np.select([df.private == 1, df.catholic == 1], ["private", "catholic"], "public"))


@pytest.mark.parametrize(
    ("model", "parameters", "loglik", "bic"),
    [
        (nels("1"), 21, -48519, 97240),
        (nels("1b"), 23, -48507, 97234),
        (nels("1c"), 23, -48486, 97192),
        (model_a(NELS, 2, W, "school", "independent"), 20, -48358, 96907),  # 21 with the covariance of A3 and A4
        (nels("A", 3), 28, -48288, 96844),
        (nels("A", 4), 35, -48255, 96845),
        (nels("B", 2), 32, -48337, 96981),
        (nels("B", 3), 43, -48258, 96928),
        (nels("B", 4), 54, -48208, 96933),
        (nels("C", 3), 61, -48211, 97004),  # 57 with nothing but intercepts and slopes by D
    ],
)
def test_parameters_and_bic_of_table_2(schools, model, parameters, loglik, bic):
    r = bm.prepare(model, schools).packing.size
    assert r == parameters
    assert -2 * loglik + r * np.log(14217) == pytest.approx(bic, abs=1.6)  # both are printed without decimals


def test_groups_may_be_a_column_of_names(schools):
    """Model 1c: a variance for each school type, by dummies or by their names."""
    named = bm.prepare(nels("1c", groups="sector"), schools)
    assert named.packing.size == 23
    assert named.coords["variance_covariate"] == ["sector[T.private]", "sector[T.public]"]


def test_figures_have_the_parameters_of_the_text(schools):
    declared = figure_3("math ~ female", "mean_ses", "school"), figure_4("math ~ female", "mean_ses", "school")
    assert [bm.prepare(m, schools).packing.size for m in declared] == [11, 8]
    assert bm.prepare(figure_2("math ~ stud_ses"), schools).packing.size == 7


# other programs, and limits -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "random", "between"),
    [
        ("math ~ 1", "1", None),
        ("math ~ stud_ses", "1 + stud_ses", None),
        ("math ~ female", "1", {"female": "mean_ses"}),
    ],
)
def test_conventional_models_are_mixed_models(schools, formula, random, between):
    df = schools.assign(math=schools.math + np.random.default_rng(2).normal(0, 4, 30)[schools.school])
    fit = bm.fit(regression_mixture(formula, cluster="school", random=random, cluster_covariates=between), df)
    whole = formula + (" + female:mean_ses" if between else "")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = smf.mixedlm(whole, df, groups="school", re_formula=f"~ {random}").fit(reml=False, method="powell")
    assert fit.loglik == pytest.approx(other.llf, abs=1e-4)
    assert fit.loglik > other.llf - 1e-6


# numbers of classes -------------------------------------------------------------------------------

PREDICTED = {"class": [5, 11, 16], "factor": [5, 11, 15]}


def with_factor(classes: int, name: str):
    """Random intercepts and the factor of the class logits, both predicted."""
    between = {"1": "mean_ses", name: "mean_ses"}
    return regression_mixture(
        "math ~ stud_ses", classes, cluster="school", effects="factor", cluster_covariates=between
    )


@pytest.mark.parametrize(("name", "parameters"), PREDICTED.items())
def test_one_class_has_no_factor_whichever_way_it_is_declared(schools, name, parameters):
    for k, expected in enumerate(parameters, start=1):
        assert bm.prepare(with_factor(k, name), schools).packing.size == expected
        assert bm.prepare(with_classes(with_factor(2, name), "C", k), schools).packing.size == expected
    assert [e.name for e in with_classes(with_factor(3, name), "C", 1).effects] == ["u_intercept"]


def test_classes_of_a_two_level_regression_are_enumerated(schools):
    df = schools[schools.school < 8].assign(math=lambda d: d.math + 25 * (np.arange(len(d)) % 3 == 0))
    settings = {"starts": 1, "finals": 1, "rounds": 1, "nodes": bm.adaptive(3)}
    one = bm.fit(regression_mixture("math ~ stud_ses", cluster="school", cluster_covariates={"1": "mean_ses"}), df)
    ways = {"function": lambda k: with_factor(k, "factor"), "model": with_factor(2, "factor")}
    found = {way: bm.enumerate_classes(given, df, range(1, 3), **settings) for way, given in ways.items()}
    for some in found.values():
        assert list(some.table["parameters"]) == PREDICTED["factor"][:2]
        assert some.table.loc[1, "loglik"] == pytest.approx(one.loglik, abs=1e-4)
        assert some.table.loc[1, "smallest class"] == 1.0
        assert some.table["loglik"].is_monotonic_increasing
        assert "CLASS ENUMERATION: REGRESSION_MIXTURE" in bm.report(some)
    assert found["model"][2].loglik == pytest.approx(found["function"][2].loglik, abs=1e-3)


def test_enumerations_that_cannot_be_run_are_refused_at_once(schools, monkeypatch):
    monkeypatch.setattr("bayesmix.enumeration.fits.estimate", lambda *_, **__: pytest.fail("a fit was begun"))
    several = regression_mixture("math ~ stud_ses", 3, cluster="school", effects="unrestricted")
    for given, df, words in (
        (regression_mixture("math ~ stud_ses", cluster="school"), schools, "declare it with classes=2"),
        (several, schools, "'C_loading' holds a random effect for each class of 'C': give a function"),
        (lambda k: with_factor(k, "factors"), schools, "came for 'factors': give some of 1, stud_ses"),
        (lambda k: with_factor(k, "factor"), schools.drop(columns="mean_ses"), "no column 'mean_ses'|missing column"),
        (lambda k: regression_mixture("math ~ 1", k, "stud_ses"), schools.drop(columns="stud_ses"), "stud_ses"),
    ):
        with pytest.raises(ValueError, match=words):
            bm.enumerate_classes(given, df, range(1, 4))
