"""Bad input and the words it is answered with: what came, what was expected, what to do."""

import numpy as np
import pandas as pd
import pytest
from bayesmix.models import fma, fma_gom, gom, irt_3pl, lca
from bayesmix.models.irt_3pl import guessing_as_membership

import bayesmix as bm
from bayesmix.spec.model import Effect, LatentClass, Model, Parameter, Response, Term

ITEMS = ["a", "b", "c"]


def frame(**columns):
    rng = np.random.default_rng(1)
    df = pd.DataFrame(rng.integers(0, 2, (30, 3)), columns=ITEMS)
    df = df.assign(x=rng.normal(size=30), g=np.repeat(["u", "v", "w"], 10), h=np.arange(30) // 3, i=np.arange(30))
    return df.assign(**columns)


def fit(items=ITEMS, classes=2, df=None, settings=None, template=lca, **model):
    return bm.fit(template(items, classes, **model), frame() if df is None else df, **(settings or {}))


def clusters(column="g", **given):
    """A two-level fit that is refused."""
    return fit(cluster=column, **given)


def nodes(method, **given):
    return clusters("h", settings={"nodes": method}, **given)


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
    "like another model": (
        lambda: fit(settings={"like": {"loading": 1}}),
        "like= came with 'loading'; the parameters are",
    ),
    "like of another shape": (
        lambda: fit(settings={"like": {"class_logit": [1, 2, 0]}}),
        r"like= came with 'class_logit' of shape \(3,\), expected \(2,\)",
    ),
    "no starts": (lambda: fit(settings={"starts": 0}), "starts came as 0: give a whole number of at least 1"),
    "seed of text": (lambda: fit(settings={"seed": "a"}), "seed came as 'a'"),
    "unknown errors": (lambda: fit(settings={"standard_errors": "hc3"}), "give 'robust' or 'hessian'"),
    **{
        f"budget {x!r}": (lambda x=x: fit(settings={"budget": x}), f"budget came as {x!r}: give a number of seconds")
        for x in (-1, float("nan"), "10", None, True)
    },
    **{
        f"floor {x!r}": (
            lambda x=x: fit(settings={"smallest_sd": x}),
            f"smallest_sd came as {x!r}, expected a share of the item's SD: give a number above 1e-06 and below 1",
        )
        for x in (0, 1e-6, 1, 2.5, float("nan"), "small", None, False)
    },
    **{
        f"simpler {x!r}": (lambda x=x: fit(settings={"simpler": x}), f"simpler came as {x!r}: give True")
        for x in (0, "no")
    },
    "an enumeration's start": (
        lambda: bm.enumerate_classes(lca(list("abc"), 2), frame(), [1, 2], start={}),
        "start= came, but each number of classes starts from the solution before: leave it out",
    ),
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
    "one cluster of a template": (
        lambda: clusters(df=frame(g="u")),
        "'g' has one cluster only .'u'.*leave cluster= out",
    ),
    "clusters of one individual": (
        lambda: clusters("i"),
        r"Every cluster of 'i' has one individual \(30 clusters\): the effect u1 of clusters cannot be told",
    ),
    "classes of clusters of one individual": (
        lambda: clusters("i", cluster_classes=2),
        "one individual .30 clusters.: the class D of clusters cannot be told",
    ),
    "grades of membership in clusters of one individual": (
        lambda: clusters("i", template=gom),
        "one individual .30 clusters.: the effect u1 of clusters",
    ),
    "a cluster column with missing values": (
        lambda: clusters(df=frame(g=["u", None, "v"] * 10)),
        "cluster column 'g' has 10 missing values: every row needs a cluster",
    ),
    "no cluster column": (lambda: clusters("gg"), "no column 'gg'. Did you mean 'g'"),
    "a cluster column that is an item": (lambda: clusters("a"), "'a' came both as an item and as the cluster column"),
    "a freq column that is an item": (lambda: fit(freq="b"), "'b' came both as an item and as freq"),
    "freq that is the cluster column": (
        lambda: clusters("h", freq="h"),
        "'h' came both as the cluster column and as freq",
    ),
    "cluster covariate that varies": (
        lambda: clusters(cluster_covariates="x"),
        "'x' of 'x' varies within clusters, expected one value a cluster: .* or its cluster mean",
    ),
    "cluster covariate of classes that varies": (
        lambda: clusters(cluster_classes=2, cluster_class_covariates="x"),
        "'x' of 'x' varies within clusters",
    ),
    "cluster covariate with NaN": (
        lambda: clusters("h", df=frame(w=np.repeat([np.nan, *range(9)], 3)), cluster_covariates="w"),
        "'w' has 3 missing values .first in row 0.",
    ),
    "cluster covariate with infinity": (
        lambda: clusters("h", df=frame(w=np.repeat([np.inf, *range(9)], 3)), cluster_covariates="w"),
        "'w' has infinite values",
    ),
    "cluster covariate of classes with NaN": (
        lambda: clusters("h", df=frame(w=np.nan), cluster_classes=2, cluster_class_covariates="w"),
        "'w' has 30 missing values",
    ),
    "cluster covariate without clusters": (
        lambda: lca(ITEMS, 2, cluster_covariates="w"),
        "cluster_covariates='w' came without clusters: give cluster=",
    ),
    "effects without clusters": (lambda: lca(ITEMS, 2, effects="factor"), "effects='factor' came without clusters"),
    "classes of clusters without clusters": (
        lambda: lca(ITEMS, 2, cluster_classes=2),
        "cluster_classes=2 came without clusters",
    ),
    "covariates of classes without them": (
        lambda: lca(ITEMS, 2, cluster="g", cluster_class_covariates="w"),
        "cluster_class_covariates='w' came without classes of clusters: give cluster_classes=2 or more",
    ),
    "items by classes without them": (
        lambda: lca(ITEMS, 2, cluster="g", items_by_cluster_class=True),
        "items_by_cluster_class=True came without classes of clusters",
    ),
    "unknown effects": (
        lambda: lca(ITEMS, 2, cluster="g", effects="full"),
        "effects came as 'full': give 'unrestricted', 'factor', 'none'",
    ),
    "more effects than clusters": (
        lambda: clusters(classes=4),
        "3 random effects of clusters came for 3 clusters: .* take fewer effects",
    ),
    "one class of clusters": (
        lambda: lca(ITEMS, 2, cluster="g", cluster_classes=1),
        "cluster_classes came as 1: give a whole number of at least 2, or 0",
    ),
    "a negative number of classes of clusters": (
        lambda: lca(ITEMS, 2, cluster="g", cluster_classes=-1),
        "cluster_classes came as -1",
    ),
    "half a class of clusters": (lambda: lca(ITEMS, 2, cluster="g", cluster_classes=2.5), "classes came as 2.5: give"),
    "gom of one class": (lambda: gom(ITEMS, 1), "number of classes came as 1: give a whole number of at least 2"),
    "gom of half a class": (lambda: gom(ITEMS, 2.5), "number of classes came as 2.5"),
    "half a class in clusters": (lambda: lca(ITEMS, 2.5, cluster="g"), "number of classes came as 2.5: give a whole"),
    "gom without effects": (lambda: gom(ITEMS, 2, effects="none"), "the responses would be independent"),
    "gom with unknown effects": (lambda: gom(ITEMS, 2, effects="full"), "effects came as 'full': give 'unrestricted'"),
    "gom with unknown effects of clusters": (
        lambda: gom(ITEMS, 2, cluster="g", cluster_effects="both"),
        "cluster_effects came as 'both': give 'unrestricted', 'factor', 'none'",
    ),
    "gom with covariates of no clusters": (
        lambda: gom(ITEMS, 2, cluster_covariates="w"),
        "cluster_covariates='w' came without clusters",
    ),
    "gom with covariates of no item": (
        lambda: gom(ITEMS, 2, item_covariates={"q": "x"}),
        "A formula came for 'q', which is not among the items",
    ),
    "a grid in five dimensions": (
        lambda: nodes(bm.trapezoid(15), classes=6),
        r"over 5 random effects needs 15\^5 = 759,375 nodes, more than 200,000: .*monte_carlo\(1000\)",
    ),
    "adaptive nodes in five dimensions": (
        lambda: nodes(bm.adaptive(15), classes=6),
        r"over 5 random effects needs 15\^5 = 759,375 nodes",
    ),
    "nodes of an unknown level": (
        lambda: nodes({"school": bm.adaptive(7)}),
        "Nodes came for the level 'school': the levels are 'individual' and 'cluster'",
    ),
    "nodes as a number": (lambda: nodes(15), r"nodes came as 15, expected a method such as bm.adaptive\(7\)"),
    "nodes without a number": (lambda: nodes(bm.adaptive), "nodes came as <function adaptive.*expected a method"),
    "exact nodes of a class": (
        lambda: nodes(bm.exact()),
        "the class 'C' lives below their level, so that the integral has no closed form: take bm.adaptive",
    ),
    "exact nodes of memberships": (
        lambda: fit(template=gom, settings={"nodes": bm.exact()}),
        "level 'individual', but the class 'C' lives below their level",
    ),
    "enumerate a model with effects": (
        lambda: bm.enumerate_classes(lca(ITEMS, 2, cluster="h"), frame(), [2, 3]),
        "'cluster_loading' holds a random effect for each class of 'C': give a function .* lambda k:",
    ),
    # factors
    "unknown by_class": (
        lambda: fma(ITEMS, 2, by_class="intercepts + slopes"),
        "by_class came with 'slopes': name some of intercepts, loadings, means, variances",
    ),
    "means beside intercepts": (
        lambda: fma(ITEMS, 2, by_class="intercepts + means"),
        r"'intercepts \+ means', but means of the factors are not identified beside class intercepts",
    ),
    "means beside loadings": (
        lambda: fma(ITEMS, 2, by_class="means + loadings"),
        "means of the factors are not identified beside class loadings",
    ),
    "variances beside loadings": (
        lambda: fma(ITEMS, 2, by_class="intercepts + loadings + variances"),
        "variances of the factors are not identified beside class loadings, .*: leave one of the two out",
    ),
    "factor mixture of no class": (lambda: fma(ITEMS, 0), "number of classes came as 0: give a whole number of at l"),
    "factor mixture of half a class": (lambda: fma(ITEMS, 1.5), "number of classes came as 1.5"),
    "factor mixture of true classes": (lambda: fma(ITEMS, True), "number of classes came as True"),
    "unknown loadings": (lambda: fma(ITEMS, 2, loadings="free"), "loadings came as 'free': give 'item' or 'one'"),
    "one loading of two factors": (
        lambda: fma([*ITEMS, "d"], 2, loadings="one", factors={"p": ["a", "b"], "q": ["c", "d"]}),
        "loadings='one' came with several factors: one loading for all items is of one factor",
    ),
    "factor mixture with unknown effects": (
        lambda: fma(ITEMS, 2, cluster="g", effects="full"),
        "effects came as 'full': give 'unrestricted', 'factor', 'none'",
    ),
    "factor mixture with effects of no clusters": (
        lambda: fma(ITEMS, 2, effects="factor"),
        "effects='factor' came without clusters: give cluster=",
    ),
    "factor mixture with covariates of no clusters": (
        lambda: fma(ITEMS, 2, cluster_covariates="w"),
        "cluster_covariates='w' came without clusters",
    ),
    "factor mixture with an unknown variance": (lambda: fma(ITEMS, 2, variance="free"), "variance came as 'free'"),
    "factor mixture with a family of no item": (
        lambda: fma(ITEMS, 2, family={"q": bm.normal()}),
        "family came for 'q', which is not among the items",
    ),
    "factor mixture with covariates of no item": (
        lambda: fma(ITEMS, 2, item_covariates={"q": "x"}),
        "A formula came for 'q', which is not among the items: a, b, c",
    ),
    "items of a factor mixture as text": (lambda: fma("abc"), "give a list of column names"),
    "factors as a list": (
        lambda: fma(ITEMS, 2, factors=ITEMS),
        r"factors came as \['a', 'b', 'c'\]: give the items of each factor by its name, such as",
    ),
    "no factor": (lambda: fma(ITEMS, 2, factors={}), "factors came as {}: give the items of each factor"),
    "a factor without items": (
        lambda: fma(ITEMS, 2, factors={"p": ITEMS, "q": []}),
        "factor 'q' came without items: name those that load on it",
    ),
    "a factor of an unknown item": (
        lambda: fma(ITEMS, 2, factors={"p": ["a", "z"]}),
        "factor 'p' came with 'z', which is not among the items",
    ),
    "a factor with the name of an item": (
        lambda: fma(ITEMS, 2, factors={"a": ITEMS}),
        "factor came with the name 'a': give a word that nothing else is named by",
    ),
    "a factor with the name of a class": (lambda: fma(ITEMS, 2, factors={"C": ITEMS}), "factor came with the name 'C'"),
    "a factor with two words": (
        lambda: fma(ITEMS, 2, factors={"my factor": ITEMS}),
        "factor came with the name 'my factor'",
    ),
    "a factor mixture of a constant item": (
        lambda: fit(template=fma, df=frame().assign(a=1)),
        "'a' is constant .* Leave it out",
    ),
    "a factor mixture of text": (
        lambda: fit(template=fma, df=with_value("a", "yes"), family=bm.normal()),
        "came with text such as 'yes' .row 3., expected numbers",
    ),
    "a factor mixture of a missing item": (
        lambda: fit(template=fma, df=frame().assign(a=np.nan)),
        "'a' is missing in every row",
    ),
    "a factor mixture of missing rows": (
        lambda: fit(template=fma, df=frame().assign(a=np.nan, b=np.nan, c=np.nan)),
        "'a' is missing in every row",
    ),
    "a factor's covariate with NaN": (
        lambda: fit(template=fma, df=frame(y=np.r_[np.nan, np.arange(29)]), factor_covariates="y"),
        "'y' has 1 missing values",
    ),
    "a factor's constant covariate": (
        lambda: fit(template=fma, df=frame(y=1.0), factor_covariates="y"),
        "collinear or constant",
    ),
    "an item's covariate with NaN": (
        lambda: fit(template=fma, df=frame(y=np.r_[np.nan, np.arange(29)]), item_covariates={"a": "y"}),
        "'y' has 1 missing values",
    ),
    "exact nodes of binary items": (
        lambda: fit(template=fma, settings={"nodes": bm.exact()}),
        "the response 'bernoulli' is not normal",
    ),
    # fma_gom
    "fma_gom of one class": (
        lambda: fma_gom(ITEMS, 1),
        r"classes came as 1: give a whole number of at least 2 .*bm.models.fma takes 1",
    ),
    "fma_gom of half a class": (lambda: fma_gom(ITEMS, 2.5), "number of classes came as 2.5"),
    "fma_gom without effects": (
        lambda: fma_gom(ITEMS, 2, effects="none"),
        "effects came as 'none': give 'unrestricted' or 'factor'",
    ),
    "fma_gom with unknown loadings": (
        lambda: fma_gom(ITEMS, 2, loadings="free"),
        "loadings came as 'free': give 'item' or 'one'",
    ),
    "fma_gom with means of classes": (
        lambda: fma_gom(ITEMS, 2, by_class="intercepts + means"),
        "by_class came with 'means': name 'intercepts', 'loadings' or both; a factor lives above",
    ),
    "fma_gom with one loading of two factors": (
        lambda: fma_gom(ITEMS, 2, loadings="one", factors={"p": ["a", "b"], "q": ["c"]}),
        "loadings='one' came with several factors",
    ),
    "fma_gom with unknown effects of clusters": (
        lambda: fma_gom(ITEMS, 2, cluster="g", cluster_effects="both"),
        "cluster_effects came as 'both': give 'unrestricted', 'factor', 'none'",
    ),
    "fma_gom with effects of no clusters": (
        lambda: fma_gom(ITEMS, 2, cluster_effects="factor"),
        "cluster_effects='factor' came without clusters",
    ),
    "fma_gom with covariates of no clusters": (
        lambda: fma_gom(ITEMS, 2, cluster_covariates="w"),
        "cluster_covariates='w' came without clusters",
    ),
    # item response theory
    "two items": (lambda: irt_3pl(["a", "b"]), "2 items came: a factor and its loadings take at least 3"),
    "items of a test as text": (lambda: irt_3pl("abc"), "give a list of column names"),
    "two memberships": (lambda: guessing_as_membership(["a", "b"]), "2 items came"),
    "unknown guessing": (
        lambda: irt_3pl(ITEMS, "some"),
        "guessing came as 'some': give 'item', 'common' or 'none'",
    ),
    "unknown discrimination": (
        lambda: irt_3pl(ITEMS, "none", "none"),
        "discrimination came as 'none': give 'item' or 'common'",
    ),
    "unknown link of a test": (lambda: irt_3pl(ITEMS, link="cloglog"), "give 'logit' or 'probit'"),
    "a test without classes": (lambda: irt_3pl(ITEMS, classes=0), "number of classes came as 0"),
    "covariates of one class": (
        lambda: irt_3pl(ITEMS, covariates="x"),
        "covariates='x' came with one class: give factor_covariates= for the factor, or classes=2",
    ),
    "a test with covariates of no item": (
        lambda: irt_3pl(ITEMS, item_covariates={"q": "x"}),
        "A formula came for 'q', which is not among the items",
    ),
    "a test with partly right answers": (
        lambda: bm.fit(irt_3pl(ITEMS), with_value("a", 2).astype({"a": float})),
        "3 categories .*, expected 2 for the family bernoulli",
    ),
    "a test with a constant item": (
        lambda: bm.fit(irt_3pl(ITEMS), frame().assign(a=1)),
        "'a' is constant .* Leave it out",
    ),
    "a test with text": (lambda: bm.fit(irt_3pl(ITEMS), with_value("a", "yes")), "'a' mixes text and numbers"),
    "a test with clusters of one individual": (
        lambda: bm.fit(irt_3pl(ITEMS, cluster="i"), frame()),
        "one individual .30 clusters.: the effect u_f of clusters cannot be told",
    ),
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


# two levels: what is no mistake -------------------------------------------------------------------


def clustered(sd, n=300, size=10, seed=1):
    """Persons in clusters of equal size whose share of a class has a random effect."""
    sides = np.array([[1.8] * 4, [-1.8] * 4])
    truth = {
        "class_logit": np.array([0.3, 0.0]),
        "cluster_loading": np.array([[sd, 0.0]]),
        "item_logit": np.stack([np.zeros((2, 4)), sides], axis=-1),
    }
    model = lca(list("abcd"), 2, cluster="g")
    return model, bm.simulate(model, truth, n=n, clusters=n // size, seed=seed)[["g", *"abcd"]]


def test_weights_within_clusters_are_repeated_rows():
    model, df = clustered(1.0, n=200)
    counted = df.groupby(["g", *"abcd"], as_index=False).size()
    weighted = lca(list("abcd"), 2, cluster="g", freq="size")
    settings = {"starts": 3, "finals": 2, "rounds": 1}
    one, other = bm.fit(model, df, **settings), bm.fit(weighted, counted, **settings)
    assert len(counted) < len(df)
    assert other.n_individuals == 200
    assert other.loglik == pytest.approx(one.loglik, abs=1e-7)
    for name in one.params:
        assert other.params[name].values == pytest.approx(one.params[name].values, abs=1e-4)
        assert other.se[name].values == pytest.approx(one.se[name].values, abs=1e-4, nan_ok=True)
    assert other.effects()["u1"].values == pytest.approx(one.effects()["u1"].values, abs=1e-4)


def test_a_row_that_stands_for_several_individuals_makes_a_cluster():
    df = frame(n=2).iloc[:20]
    model = lca(ITEMS, 2, cluster="i", freq="n")
    assert bm.prepare(model, df).cluster_sizes == pytest.approx(np.full(20, 2.0))
    with pytest.raises(ValueError, match="Every cluster of 'i' has one individual"):
        bm.prepare(model, df.assign(n=1))


def test_clusters_of_one_individual_can_be_simulated_and_stand_among_larger_ones():
    model, df = clustered(1.0, n=40, size=1)
    assert df["g"].is_unique
    together = df.assign(g=df["g"].replace({2: 1}))
    assert bm.prepare(model, together).n_clusters == 39


def test_an_sd_that_runs_to_its_boundary_is_reported_and_the_rest_has_errors():
    model, df = clustered(1e-6)
    df["g"] = np.arange(300) % 30  # each cluster a cut through the sample
    fit = bm.fit(model, df, starts=3, finals=2, rounds=1)
    single = bm.fit(lca(list("abcd"), 2), df, starts=3, finals=2, rounds=1)
    assert fit.quality["boundary"] == ["cluster_loading[u1, 1]"]
    assert float(fit.params["cluster_loading"][0, 0]) < 1e-3
    assert np.isnan(fit.se["cluster_loading"]).all()
    assert fit.loglik == pytest.approx(single.loglik, abs=1e-4)
    for name in ("class_logit", "item_logit"):
        free = fit.free[name].values
        assert np.isfinite(fit.se[name].values[free]).all()
        assert fit.params[name].values == pytest.approx(single.params[name].values, abs=1e-3)
        assert fit.se_hessian[name].values[free] == pytest.approx(single.se_hessian[name].values[free], rel=1e-3)
