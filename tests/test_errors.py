"""Bad input and the words it is answered with: what came, what was expected, what to do."""

import numpy as np
import pandas as pd
import pytest
from bayesmix.models.lca import lca

import bayesmix as bm
from bayesmix.spec import Effect, LatentClass, Model, Parameter, Response, Term

ITEMS = ["a", "b", "c"]


def frame(**columns):
    rng = np.random.default_rng(1)
    df = pd.DataFrame(rng.integers(0, 2, (30, 3)), columns=ITEMS)
    return df.assign(x=rng.normal(size=30), g=np.repeat(["u", "v", "w"], 10), **columns)


def fit(items=ITEMS, classes=2, df=None, settings=None, **model):
    return bm.fit(lca(items, classes, **model), frame() if df is None else df, **(settings or {}))


def with_value(column, value, row=3):
    df = frame().astype({column: object})
    df.loc[row, column] = value
    return df


def response(*terms):
    tau = Parameter("tau", ("item",))
    return Response("y", ("a",), bm.bernoulli(), (Term(tau), *terms))


def two_level(cluster="g"):
    d = LatentClass("D", 2, "cluster", (Term(Parameter("delta", ("D",), fixed=(bm.at(0.0, D=-1),))),))
    return Model("toy", (response(),), classes=(d,), cluster=cluster)


def undeclared():
    return Model("toy", (response(Term(Parameter("loading", ("item",)), effects=("f",))),))


def clash():
    return Model("toy", (response(Term(Parameter("tau", ()))),))


def from_below():
    """A class of clusters that an effect of individuals predicts."""
    d = LatentClass("D", 2, "cluster", (Term(Parameter("gamma", ("D",)), effects=("f",)),))
    return Model("toy", (response(),), (d,), (Effect("f", "individual"),), cluster="g")


CASES = {
    "not a frame": (lambda: fit(df=[[0, 1, 1]]), "came as list, expected a pandas DataFrame"),
    "empty frame": (lambda: fit(df=frame().iloc[:0]), r"empty \(0 rows\)"),
    "missing column": (lambda: fit(items=["a", "bb"]), r"no column 'bb'. Did you mean 'b'\?"),
    "no items": (lambda: fit(items=[]), "no items: give at least one column name"),
    "items as text": (lambda: fit(items="abc"), "give a list of column names"),
    "item twice": (lambda: fit(items=["a", "a"]), "Duplicate names among the items: a"),
    "column twice": (lambda: fit(df=pd.concat([frame(), frame()[["a"]]], axis=1)), "more than one column named 'a'"),
    "constant item": (lambda: fit(df=frame().assign(a=1)), "'a' is constant .* Leave it out"),
    "item all missing": (lambda: fit(df=frame().assign(a=np.nan)), "'a' is missing in every row"),
    "infinite item": (lambda: fit(df=frame().assign(a=np.r_[np.inf, np.arange(29) % 2])), "'a' has infinite values"),
    "text among numbers": (lambda: fit(df=with_value("a", "yes")), "'a' mixes text and numbers"),
    "text for a normal item": (
        lambda: fit(df=with_value("a", "yes"), family=bm.normal()),
        "came with text such as 'yes' .row 3., expected numbers",
    ),
    "infinite normal item": (lambda: fit(df=with_value("a", np.inf), family=bm.normal()), "'a' has infinite values"),
    "negative count": (
        lambda: fit(df=with_value("a", -1), family=bm.poisson()),
        "came with -1, expected counts 0, 1, 2",
    ),
    "half a count": (lambda: fit(df=with_value("a", 0.5), family=bm.poisson()), "came with 0.5, expected counts"),
    "third category": (
        lambda: fit(df=with_value("a", 9), family=bm.bernoulli()),
        "3 categories .*, expected 2 for the family bernoulli",
    ),
    "a measurement as nominal": (
        lambda: fit(df=pd.DataFrame({"a": [0, 1] * 20, "z": np.arange(40.0)}), items=["a", "z"]),
        r"40 distinct values, too many .* is it a measurement \(normal\(\)\)",
    ),
    "zero classes": (lambda: fit(classes=0), "number of classes came as 0: give a whole number of at least 1"),
    "half a class": (lambda: fit(classes=2.5), "number of classes came as 2.5"),
    "more classes than rows": (lambda: fit(classes=31), "31 classes came for 30 rows"),
    "unknown variance": (lambda: fit(variance="free"), "variance came as 'free': give 'equal' or 'class'"),
    "family of no item": (lambda: fit(family={"q": bm.normal()}), "family came for 'q', which is not among the items"),
    "unknown link": (lambda: bm.bernoulli("cloglog"), "give 'logit' or 'probit'"),
    "covariate missing column": (lambda: fit(covariates="y"), "formula 'y' names a missing column"),
    "covariate with NaN": (
        lambda: fit(df=frame(y=np.r_[np.nan, np.ones(29)]), covariates="y"),
        r"'y' has 1 missing values .*dropna\(subset=\['y'\]\)",
    ),
    "covariate with infinity": (
        lambda: fit(df=frame(y=np.r_[np.inf, np.ones(29)]), covariates="y"),
        "Covariate 'y' has infinite values",
    ),
    "constant covariate": (lambda: fit(df=frame(y=1.0), covariates="y"), "collinear or constant"),
    "collinear covariates": (
        lambda: fit(df=frame().assign(y=lambda d: 2 * d["x"]), covariates="x + y"),
        "collinear .* leave one out",
    ),
    "formula runs code": (
        lambda: fit(covariates="__import__('os').getcwd()"),
        "formulas do not run code|cannot be read",
    ),
    "formula calls a function": (lambda: fit(covariates="np.exp(x)"), "compute the column in the data first"),
    "formula in braces": (lambda: fit(covariates="{x.pop()}"), "formulas do not run code|cannot be read"),
    "broken formula": (lambda: fit(covariates="x +* g"), "formulas do not run code|cannot be read"),
    "empty formula": (lambda: fit(covariates=" "), "give text such as 'age \\+ sex'"),
    "formula of the constant": (lambda: fit(covariates="1"), "has no covariates"),
    "freq missing": (lambda: fit(freq="n"), "no column 'n'"),
    "freq negative": (lambda: fit(df=frame(n=-1.0), freq="n"), "missing, infinite or negative values: give counts"),
    "freq text": (lambda: fit(df=frame(n="many"), freq="n"), "freq column 'n' came with text"),
    "freq zero": (lambda: fit(df=frame(n=0), freq="n"), "zero in every row"),
    "no starts": (lambda: fit(settings={"starts": 0}), "starts came as 0: give a whole number of at least 1"),
    "seed of text": (lambda: fit(settings={"seed": "a"}), "seed came as 'a'"),
    "unknown errors": (lambda: fit(settings={"standard_errors": "hc3"}), "give 'robust' or 'hessian'"),
    "start of another shape": (
        lambda: fit(settings={"start": {"class_logit": np.zeros(3), "item_logit": np.zeros((2, 3, 2))}}),
        r"'class_logit' came with shape \(3,\), expected \(2,\)",
    ),
    "start without a parameter": (
        lambda: fit(settings={"start": {"class_logit": np.zeros(2)}}),
        "No value for the parameter 'item_logit'",
    ),
    "enumerate nothing": (lambda: bm.enumerate_classes(lca(ITEMS, 1), frame(), []), r"classes=range\(1, 6\)"),
    "enumerate no class": (
        lambda: bm.enumerate_classes(lca(ITEMS, 1), frame(), [1], name="D"),
        "No class variable 'D'; there are C",
    ),
    "no data to simulate": (lambda: bm.simulate(lca(ITEMS, 2), {}), "Neither n nor df came"),
    "covariates to simulate": (
        lambda: bm.simulate(lca(ITEMS, 2, covariates="x"), {}, n=10),
        "give their values as df=",
    ),
    "nodes": (lambda: bm.trapezoid(0), "number of nodes came as 0"),
    "too many nodes": (lambda: bm.gauss_hermite(20).grid(5), r"20\^5 = 3,200,000 nodes, more than"),
    "unknown name": (lambda: bm.no_such_thing, "no attribute 'no_such_thing'"),
    "cluster missing values": (
        lambda: bm.prepare(two_level(), frame().assign(g=["u", None, "v"] * 10)),
        "'g' has 10 missing values",
    ),
    "one cluster": (
        lambda: bm.prepare(two_level(), frame(g2="u").drop(columns="g").rename(columns={"g2": "g"})),
        "one cluster only",
    ),
    "cluster class without clusters": (
        lambda: two_level(cluster=None),
        "lives at the cluster level, but the model has no cluster",
    ),
    "effect that nobody declared": (undeclared, "loads on 'f', which is not declared before it"),
    "cluster class by an effect of individuals": (from_below, "lives at the cluster level, but 'f' varies within"),
    "endless nodes": (lambda: bm.trapezoid(15, -5.0), "limit of the nodes came as -5.0: give a positive number"),
    "one name for two parameters": (clash, "Two different parameters are named 'tau'"),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_answered_with_words(case):
    call, words = CASES[case]
    with pytest.raises((ValueError, TypeError, AttributeError), match=words):
        call()


def test_rows_without_any_answer_are_left_out_and_kept_in_the_table():
    df = frame()[ITEMS].astype(float)
    df.loc[[4, 7], ITEMS] = np.nan
    whole = bm.fit(lca(ITEMS, 1), df)
    assert whole.n_individuals == 28
    assert whole.info["n_left_out"] == 2
    table = whole.class_probabilities()
    assert list(table.index) == list(df.index)
    assert table.loc[[4, 7], "C=1"].isna().all()
    assert whole.loglik == pytest.approx(bm.fit(lca(ITEMS, 1), df.drop([4, 7])).loglik, abs=1e-9)
