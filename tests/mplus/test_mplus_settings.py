"""Every setting of every template: what is written is read back or holds by hand, what is not is refused by name."""

import inspect
import re

import numpy as np
import pandas as pd
import pytest

import bayesmix as bm
from mplus_text import block, output
from solved import solved

Y, ITEMS = ["y1", "y2", "y3", "y4"], ["o1", "o2", "o3", "o4"]
U = [f"b{k}" for k in range(1, 7)]
WAVES = [U[:2], U[2:4], U[4:]]
TWO = {"names": ["a", "b"], "family": bm.bernoulli()}
B, N = bm.bernoulli(), bm.normal()


@pytest.fixture(scope="module")
def df() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    n = 120
    out = pd.DataFrame(rng.normal(size=(n, 4)), columns=Y)
    out[U], out[ITEMS] = rng.integers(0, 2, (n, 6)), rng.integers(0, 3, (n, 4))
    out[["x", "z", "x1", "x2", "x3", "x4"]] = rng.normal(size=(n, 6))
    out["k"], out["hours"], out["n"] = rng.poisson(2.0, n), rng.uniform(1, 2, n), rng.integers(1, 4, n)
    out["area"], out["sure"] = rng.choice(["north", "south"], n, p=[0.25, 0.75]), rng.choice([1, 2, np.nan], n)
    out["g"], out["t"] = np.repeat(np.arange(20), 6), out["y1"].clip(lower=0.0)
    return out.assign(w=np.repeat(rng.normal(size=20), 6), time=np.tile(np.arange(6.0), 20))


@pytest.fixture
def written(tmp_path, df):
    """A function that writes a model and returns the input as it is read, and the names."""

    def write(model, data=df, **options):
        path = tmp_path / "run.inp"
        names = bm.mplus.write(model, data, path, overwrite=True, **options)
        return bm.mplus.read_input(path), names

    return write


def lca(*items, **more):
    return lambda: bm.models.lca(list(items) or U, 2, **{"family": B, **more})


def lta(**more):
    return lambda: bm.models.lta(more.pop("waves", WAVES), more.pop("classes", 2), **TWO, **more)


def growth(*items, **more):
    return lambda: bm.models.growth(list(items) or Y, 2, **more)


def fma(*items, **more):
    return lambda: bm.models.fma(list(items) or U, 2, **{"family": B, **more})


def regression(formula="y1 ~ x", classes=2, **more):
    return lambda: bm.models.regression_mixture(formula, classes, **more)


SETTINGS = {
    "lca": {
        "items classes": (lca(), ""),
        "covariates": (lca(covariates="x"), ""),
        "family": (lca(*ITEMS, family=bm.ordinal()), ""),
        "family partial credit": (lca(*ITEMS, family=bm.partial_credit()), ""),
        "family trials": (lca("k", family=bm.binomial(20)), "it has no trials"),
        "family inflated": (lca("k", "b1", family={"k": bm.zero_inflated_poisson()}), ""),
        "inflation": (lca("k", "b1", family={"k": bm.zero_inflated_poisson()}, inflation="x"), ""),
        "inflation_slopes_by_class": (
            lca("k", "b1", family={"k": bm.zero_inflated_poisson()}, inflation="x", inflation_slopes_by_class=True),
            "",
        ),
        "family censored": (lca("t", "b1", family={"t": bm.censored_normal(0.0)}), ""),
        "variance": (lca(*Y, family=N, variance="class"), ""),
        "freq": (lca(freq="n"), ""),
        "cluster effects": (lca(cluster="g"), ""),
        "cluster_covariates": (lca(cluster="g", cluster_covariates="w"), ""),
        "cluster_classes": (lca(cluster="g", cluster_classes=2), ""),
        "cluster_class_covariates": (lca(cluster="g", cluster_classes=2, cluster_class_covariates="w"), ""),
        "effects_by_cluster_class": (
            lca(cluster="g", cluster_classes=2, effects="unrestricted", effects_by_cluster_class=True),
            "random effects whose covariance depends on the classes of clusters",
        ),
        "items_by_cluster_class": (
            lca(cluster="g", cluster_classes=2, items_by_cluster_class=True),
            "parameters that depend on D and C both",
        ),
        "offset": (lca("k", "y1", family={"k": bm.poisson(), "y1": N}, offset={"k": "log(hours)"}), ""),
        "covariance": (lca(*Y, family=N, covariance="class"), ""),
        "covariance_by_class": (lca(*Y, family=N, covariance=[("y1", "y3")], covariance_by_class=True), ""),
        "item_covariates": (lca(item_covariates={"b1": "x"}), ""),
        "item_covariates nominal": (lca(*ITEMS, family=None, item_covariates={"o1": "x"}), ""),
        "item_covariates_by_class": (lca(item_covariates={"b1": "x"}, item_covariates_by_class=True), ""),
        "group": (lca(group="area"), ""),
        "measurement_by_group": (lca(group="area", measurement_by_group="free"), ""),
        "sizes_by_group": (lca(group="area", sizes_by_group=False), ""),
        "slopes_by_group": (lca(covariates="x", group="area", slopes_by_group=False), ""),
        "known": (lca(known="sure"), ""),
        "known beside group": (lca(known="sure", group="area"), "TRAINING is of models with one class variable"),
        "fix": (lca(fix={"item_intercept[1, b1]": 15.0}), ""),
        "equal": (lca(equal=[["item_intercept[1, b1]", "item_intercept[1, b2]"]]), ""),
        "covariates formula": (lca(covariates="x:z"), "the formula 'x:z'"),
    },
    "lta": {
        "waves classes family names": (lta(), ""),
        "covariates": (lta(covariates="x"), ""),
        "freq": (lta(freq="n"), ""),
        "transition_covariates": (lta(transition_covariates="x"), ""),
        "variance": (lambda: bm.models.lta([Y[:2], Y[2:]], 2, family=N, variance="class"), ""),
        "measurement": (lta(measurement="free"), ""),
        "stationary": (lta(stationary=True), ""),
        "order 0": (lta(order=0), ""),
        "order": (lta(order=2), ""),
        "additive": (lta(order=2, additive=True), ""),
        "order 3": (
            lambda: bm.models.lta([[u] for u in U[:4]], 2, order=3, family=B, names=["a"]),
            "those of pairs can be said",
        ),
        "covariates_by_origin": (lta(transition_covariates="x", covariates_by_origin=True), ""),
        "random_intercept": (lta(random_intercept="item"), ""),
        "chain_classes": (lta(chain_classes=2, items_by_chain=True), ""),
        "chain_covariates": (lta(chain_classes=2, chain_covariates="x"), ""),
        "initial_by_chain": (lta(chain_classes=2, initial_by_chain=False, items_by_chain=True), ""),
        "items_by_chain": (lta(chain_classes=2, items_by_chain=True), ""),
        "chains of order 2": (lta(chain_classes=2, order=2, items_by_chain=True), "every combination of G, C1, C2"),
        "stayers": (lta(stayers=True), ""),
        "stayers of three chains": (lta(stayers=True, chain_classes=3, items_by_chain=True), ""),
        "stayers with covariates": (
            lta(stayers=True, chain_covariates="x"),
            "PARAMETERIZATION = PROBABILITY, which has none",
        ),
        "stayers additive": (
            lta(stayers=True, order=2, additive=True, items_by_chain=True),
            "main effects of several classes",
        ),
        "offset": (
            lambda: bm.models.lta(
                [["k", "b1"], ["n", "b2"]],
                2,
                family={"u": bm.poisson(), "v": B},
                names=["u", "v"],
                offset={"u": ["log(hours)", "log(hours)"]},
            ),
            "",
        ),
        "item_covariates": (lta(item_covariates={"a": ["x1", "x2", "x3"]}), ""),
        "cluster effects": (lta(cluster="g"), ""),
        "cluster of three classes": (
            lambda: bm.models.lta([U[:3], U[3:]], 3, family=B, cluster="g"),
            "of two classes at each occasion",
        ),
        "regressions": (lta(cluster="g", regressions="all"), ""),
        "cluster_covariates": (lta(cluster="g", cluster_covariates="w"), ""),
        "chains in clusters": (lta(cluster="g", chain_classes=2, items_by_chain=True), "beside classes of chains"),
        "group": (lta(group="area"), ""),
        "measurement_by_group": (lta(group="area", measurement_by_group=["a"]), ""),
        "sizes_by_group": (lta(group="area", sizes_by_group=False), ""),
        "transitions_by_group": (lta(group="area", transitions_by_group=False), ""),
        "slopes_by_group": (lta(group="area", covariates="x", slopes_by_group=False), ""),
        "group of chains": (
            lta(group="area", chain_classes=2, items_by_chain=True),
            "every combination of group, G, C1",
        ),
        "known": (lta(known={"C1": "sure"}), "TRAINING is of models with one class variable"),
        "fix": (lta(fix={"C1_logit[1]": 0.5}), ""),
        "equal": (lta(equal=[["C2_logit[1, 1]", "C3_logit[1, 1]"]]), ""),
    },
    "growth": {
        "items classes": (growth(), ""),
        "covariates": (growth(covariates="x"), ""),
        "freq": (growth(freq="n"), ""),
        "family": (growth(*U[:4], family=B), ""),
        "family ordinal": (growth(*ITEMS, family=bm.ordinal()), ""),
        "variance": (growth(variance="class"), ""),
        "times": (growth(times=[0, 1, 3, 6]), ""),
        "degree": (growth(degree=2), ""),
        "free_times": (growth(free_times=["y3"]), ""),
        "random": (growth(random="I"), ""),
        "by_class": (growth(by_class="means + variances + covariances"), ""),
        "by_class covariances": (growth(by_class="means + covariances"), ""),
        "by_class variances": (growth(by_class="means + variances"), "whose variances differ by class where"),
        "covariance": (growth(by_class="means + variances", covariance="independent"), ""),
        "factor_covariates": (growth(factor_covariates="x"), ""),
        "time_covariates": (growth(time_covariates={"y1": "x1", "y2": "x2"}), ""),
        "time_effects": (growth(time_covariates=["x1", "x2", "x3", "x4"], time_effects="equal"), ""),
        "distal": (growth(distal={"b1": B, "z": N}), ""),
        "cluster cluster_random effects": (growth(cluster="g", cluster_random="I"), ""),
        "cluster_covariates": (growth(cluster="g", cluster_covariates="w"), ""),
        "free times in clusters": (growth(cluster="g", free_times=["y3"]), "free times beside clusters"),
        "formula id": (lambda: bm.models.growth("y1 ~ time", 2, id="g"), "random slopes"),
        "factors": (lambda: bm.models.growth("y1 ~ time", 2, id="g", factors="1", random="0"), ""),
        "fix": (growth(fix={"I_mean[1]": 0.0}), ""),
        "equal": (growth(equal=[["S_mean[1]", "S_mean[2]"]]), ""),
        "inflation": (growth("k", "n", family=bm.zero_inflated_poisson(), inflation="class"), ""),
        "group": (growth(group="area"), ""),
        "by_group": (growth(group="area", by_group="means + residuals"), ""),
        "sizes_by_group": (growth(group="area", by_group="means", sizes_by_group=False), ""),
        "slopes_by_group": (growth(group="area", covariates="x", slopes_by_group=False), ""),
        "known": (growth(known="sure"), ""),
        "time": (lambda: bm.models.growth("y1 ~ time", 2, id="g", time="time"), "random slopes"),
        "equal covariances": (growth(equal="u_S_on_u_I = 0.5"), "a constraint of 'u_S"),
    },
    "fma": {
        "items classes": (fma(), ""),
        "family": (fma(*ITEMS, family=bm.partial_credit()), ""),
        "family nominal": (fma(*ITEMS, family=bm.nominal()), ""),
        "variance": (fma(*Y, family=N, variance="class"), ""),
        "covariates": (fma(covariates="x"), ""),
        "freq": (fma(freq="n"), ""),
        "loadings": (fma(loadings="one"), ""),
        "factors": (fma(factors={"f1": U[:3], "f2": U[3:]}), ""),
        "correlated": (fma(factors={"f1": U[:3], "f2": U[3:]}, correlated=False), ""),
        "by_class": (fma(by_class="intercepts + loadings"), ""),
        "by_class means": (fma(by_class="means"), ""),
        "by_class variances": (fma(by_class="means + variances"), ""),
        "variances of two": (
            fma(factors={"f1": U[:3], "f2": U[3:]}, by_class="means + variances"),
            "correlations that are equal where SDs",
        ),
        "factor_covariates": (fma(factor_covariates="x"), ""),
        "offset": (
            fma("k", "n", "b1", family={"k": bm.poisson(), "n": bm.poisson(), "b1": B}, offset={"k": "log(hours)"}),
            "",
        ),
        "item_covariates": (fma(item_covariates={"b1": "x"}), ""),
        "covariance": (fma(*Y, family=N, covariance=[("y1", "y2")]), ""),
        "covariance_by_class": (fma(*Y, family=N, covariance=[("y1", "y2")], covariance_by_class=True), ""),
        "cluster effects": (fma(cluster="g", factor_clusters=False), ""),
        "factor_clusters": (fma(cluster="g"), "the parameter 'f_cluster_sd'"),
        "cluster_covariates": (fma(cluster="g", factor_clusters=False, cluster_covariates="w"), ""),
        "group": (fma(group="area"), ""),
        "measurement_by_group": (fma(group="area", measurement_by_group="loadings"), ""),
        "sizes_by_group": (fma(group="area", sizes_by_group=False), ""),
        "slopes_by_group": (fma(group="area", covariates="x", slopes_by_group=False), ""),
        "factors_by_group": (fma(group="area", factors_by_group=False), ""),
        "known": (fma(known="sure"), ""),
        "fix": (fma(fix={"loading[b1]": 1.0}), ""),
        "equal": (fma(equal=[["loading[b1]", "loading[b2]"]]), ""),
    },
    "irt_3pl": {
        "items guessing discrimination": (lambda: bm.models.irt_3pl(U, discrimination="common"), ""),
        "classes": (lambda: bm.models.irt_3pl(U, "none", classes=2), ""),
        "group": (lambda: bm.models.irt_3pl(U, "none", group="area"), ""),
    },
    "regression_mixture": {
        "formula classes": (regression(), ""),
        "covariates": (regression(covariates="z"), ""),
        "cluster": (regression(cluster="g"), "the random logit C#1 that depends on 'u_intercept'"),
        "covariance": (regression(cluster="g", covariance="independent"), ""),
        "random": (regression(cluster="g", random="1 + x"), "random slopes"),
        "variance": (regression(variance="class"), ""),
        "variance of covariates": (regression(variance="x"), "the variance of"),
        "offset": (regression("k ~ x", family=bm.poisson(), offset="log(hours)"), ""),
        "group": (regression(group="area"), ""),
    },
    "count_mixture": {"items": (lambda: bm.models.count_mixture(["k", "n"], 2), "")},
    "gom": {"items": (lambda: bm.models.gom(U, 2), "a class for every response")},
    "fma_gom": {"items": (lambda: bm.models.fma_gom(U, 2), "a class for every response")},
    "nels": {"model": (lambda: bm.models.nels("1", 1, "y1 ~ x + z", "w", "g"), "random slopes")},
}
CASES = [(template, setting) for template, some in SETTINGS.items() for setting in some]


@pytest.mark.parametrize(("template", "setting"), CASES)
def test_a_setting_is_written_or_refused_by_name(tmp_path, df, template, setting):
    declare, reason = SETTINGS[template][setting]
    model = declare()
    if reason:
        with pytest.raises(ValueError, match=f"Mplus cannot be told .*{reason}"):
            bm.mplus.write(model, df, tmp_path / "run.inp")
        assert not list(tmp_path.iterdir())
        return
    names = bm.mplus.write(model, df, tmp_path / "run.inp")
    said = bm.mplus.read_input(tmp_path / "run.inp")
    text = (tmp_path / "run.inp").read_text()
    assert max(map(len, text.splitlines())) <= 88
    statements = [s for part in said.model.values() for s in part]
    for item in model.items:
        assert any(re.search(rf"\b{names[item]}\b", s) for s in statements), item
    for c in model.covariates:
        assert any(" ON " in s or "|" in s for s in statements), c
    assert sum(said.classes.values()) == sum(c.size for c in model.classes) + (2 if model.group else 0)


def test_every_setting_of_the_larger_templates_stands_in_the_table():
    for template in ("lca", "lta", "growth", "fma"):
        there = {w for setting in SETTINGS[template] for w in setting.split()}
        missing = [p for p in inspect.signature(getattr(bm.models, template)).parameters if p not in there]
        assert not missing, (template, missing)


# read back ----------------------------------------------------------------------------------------

SAME = {
    "profiles of groups": lca(*Y, family=N, group="area", measurement_by_group={"residuals": ["y1", "y2"]}),
    "one item by group": lca(*ITEMS, family=None, covariates="x", group="area", measurement_by_group=["o2"]),
    "sizes of groups": lca(covariates="x", group="area", slopes_by_group=False),
    "groups alike": lca(covariates="x", group="area", sizes_by_group=False, slopes_by_group=False),
    "transitions of groups": lta(waves=WAVES[:2], group="area", transition_covariates="x"),
    "one table of transitions": lta(waves=WAVES[:2], group="area", transitions_by_group=False),
    "random logits": lambda: bm.models.lca(ITEMS, 3, "x", bm.ordinal(), cluster="g", cluster_covariates="w"),
    "factor of logits": lambda: bm.models.lca(ITEMS, 3, "x", bm.ordinal(), cluster="g", effects="factor"),
    "one random logit": lca(cluster="g"),
    "robust errors alone": lca(cluster="g", effects="none"),
    "classes of clusters": lambda: bm.models.lca(
        ITEMS, 3, "x", bm.ordinal(), cluster="g", cluster_classes=2, cluster_class_covariates="w"
    ),
    "growth": growth(
        covariates="z",
        variance="class and occasion",
        by_class="means + variances + covariances",
        factor_covariates="x",
        time_covariates={"y1": "x1", "y2": "x2"},
        distal={"b1": B},
    ),
    "equal": growth(),
    "occasion": growth(variance="occasion"),
    "class": growth(variance="class"),
    "independent": growth(by_class="means + variances", covariance="independent"),
    "covariances by class": growth(by_class="means + covariances", free_times=["y3"]),
    "slopes by class": growth(factor_covariates="x", by_class="means + slopes"),
    "quadratic": growth(degree=2, random="I", times=[0, 1, 2, 4]),
    "one class": lambda: bm.models.growth(Y, 1),
    "binary": growth(*U[:4], family=B, random="0"),
    "ordinal": growth(*ITEMS, family=bm.ordinal()),
}


@pytest.mark.parametrize("case", SAME)
def test_an_input_is_read_as_the_same_model(written, tmp_path, case):
    model = SAME[case]()
    said, names = written(model)
    back = bm.mplus.model(said, bm.mplus.data(said, tmp_path))
    assert [(p.name, p.dims, p.fixed, p.alike) for p in back.parameters] == [
        (p.name, p.dims, p.fixed, p.alike) for p in model.parameters
    ]
    assert list(back.items) == [names[i] for i in model.items]
    assert [r.family for r in back.responses] == [r.family for r in model.responses]
    assert [c.size for c in back.classes] == [c.size for c in model.classes]
    assert {c.name: c.formula.split(" + ") for c in back.covariates} == {
        c.name: [names[x] for x in c.formula.split(" + ")] for c in model.covariates
    }


def test_equal_slopes_of_occasions_are_read_back(written, tmp_path):
    said, _ = written(growth(time_covariates=["x1", "x2", "x3", "x4"], time_effects="equal")())
    back = bm.mplus.model(said, bm.mplus.data(said, tmp_path))
    assert back.constraints.equal[0][::3] == ("time_slope_1[Y1, X1]", "time_slope_4[Y4, X4]")


def test_groups_that_are_read_back_have_the_same_likelihood(written, tmp_path, df):
    model = SAME["one item by group"]()
    said, _ = written(model)
    data = bm.mplus.data(said, tmp_path)
    back = bm.mplus.model(said, data)
    rng = np.random.default_rng(1)
    values = values_of(model, df, rng)
    assert bm.log_likelihood(model, df, values) == pytest.approx(bm.log_likelihood(back, data, values), rel=1e-9)


def test_a_typical_growth_mixture_is_read(tmp_path):
    (tmp_path / "run.inp").write_text(
        "TITLE: T\nDATA: FILE = a.dat;\nVARIABLE: NAMES = id s7-s10 fem; usev = s7-s10 fem; classes = c(2);\n"
        "ANALYSIS: type = mixture;\nMODEL: %overall%\n i s | s7@0 s8@1 s9@2 s10@3;\n i s on fem;\n i-s@0; \n"
        "%c#1%\n s7-s10;\n %c#2%\n s7-s10;\n"
    )
    back = bm.mplus.model(bm.mplus.read_input(tmp_path / "run.inp"))
    items = ["S7", "S8", "S9", "S10"]
    assert back == bm.models.growth(
        items, 2, times=[0, 1, 2, 3], random="0", factor_covariates="FEM", variance="class and occasion"
    )


@pytest.mark.parametrize(
    ("more", "part"),
    [
        ("[i@0];", "the fixed mean of I"),
        ("i s | u1@0 u2@1;", "2 growth processes"),
        ("y1 WITH y2;", "a covariance of Y1"),
        ("%c#1% i;", "for some factors or classes alone"),
        ("y1 (1); y2 (1);", "on some residual variances"),
        ("i ON x;", "other covariates than those of each other"),
        ("y1-y4@0;", "the fixed variance of Y1"),
        ("[y1];", "an intercept of Y1 that is not zero"),
        ("f BY u1;", "a parameter of F"),
        ("c ON x@1;", "regression of C"),
    ],
)
def test_what_a_growth_template_has_not_is_named(tmp_path, more, part):
    (tmp_path / "run.inp").write_text(
        "TITLE: T\nDATA: FILE = a.dat;\nVARIABLE: NAMES = y1-y4 u1 u2 x; classes = c(2);\nANALYSIS: type = mixture;\n"
        f"MODEL: %OVERALL% i s | y1@0 y2@1 y3@2 y4@3;\n {more}\n"
    )
    with pytest.raises(ValueError, match=f"The input has .*{part}.*not among the models"):
        bm.mplus.model(bm.mplus.read_input(tmp_path / "run.inp"))


# values by hand -----------------------------------------------------------------------------------


def values_of(model, df, rng) -> dict[str, np.ndarray]:
    """Random values that the supports allow."""
    here = bm.prepare(model, df)
    out = {}
    for p in model.parameters:
        x = rng.normal(0, 0.5, here.packing.shape(p))
        x = np.sort(x) if p.domain.is_ordered else x
        x = np.abs(x) + 0.5 if p.domain.bounds == (0.0, None) else x
        for f in p.fixed:
            x[tuple(dict(f.positions).get(d, slice(None)) for d in p.dims)] = f.value
        for a in p.alike:
            axis = p.dims.index(a.over)
            for at in np.ndindex(x.shape):
                if all(at[p.dims.index(d)] == k for d, k in a.positions if d):
                    x[at] = x[(*at[:axis], 0, *at[axis + 1 :])]
        out[p.name] = x
    return out


def starts_of(said) -> dict:
    """Values behind stars and ats, by part and statement."""
    return {
        (scope, re.split(r"[*@]", s)[0]): float(re.split(r"[*@]", s)[1].strip("] ").split("]")[0].split()[0])
        for (_, scope), part in said.model.items()
        for s in part
        if re.search(r"[*@]-?\d", s) and "|" not in s and not re.search(r" .*@0 .*@0", s)
    }


def test_growth_factors_have_variances_and_covariances(written, df):
    model = growth(by_class="means + variances + covariances", covariates="x")()
    fit = solved(
        model,
        df,
        class_logit=[0.5, 0.0],
        class_slope=np.array([[0.25], [0.0]]),
        u_I_sd=[2.0, 3.0],
        u_S_on_u_I=[0.5, -1.0],
        u_S_sd=[1.0, 0.5],
        I_mean=[1.0, 4.0],
        S_mean=[0.1, 0.2],
        random=1.0,
        residual_sd=1.5,
        time_score=np.array([[1, 1, 1, 1], [0, 1, 2, 3.0]]),
    )
    got = starts_of(written(fit)[0])
    assert (got["%C#1%", "I"], got["%C#2%", "I"]) == (4.0, 9.0)
    assert (got["%C#1%", "S WITH I"], got["%C#2%", "S WITH I"]) == (2.0, -9.0)  # b Var(u_I)
    assert (got["%C#1%", "S"], got["%C#2%", "S"]) == (2.0, 9.25)  # b^2 Var(u_I) + sd^2
    assert (got["%C#2%", "[I"], got["%OVERALL%", "Y3"]) == (4.0, 2.25)


def test_equal_variances_and_covariances_by_class(written, df):
    model = growth(by_class="means + covariances")()
    fit = solved(
        model,
        df,
        class_logit=[0.5, 0.0],
        u_I_sd=2.0,
        u_S_on_u_I=[0.75, -1.0],
        u_S_sd=0.5,
        I_mean=[1.0, 4.0],
        S_mean=[0.1, 0.2],
        random=1.0,
        residual_sd=1.5,
        time_score=np.array([[1, 1, 1, 1], [0, 1, 2, 3.0]]),
    )
    got = starts_of(written(fit)[0])
    assert (got["%OVERALL%", "I"], got["%OVERALL%", "S"]) == (4.0, 0.25)
    assert got["%C#1%", "S WITH I"] == pytest.approx(0.6 * 2.0 * 0.5)  # b / sqrt(1 + b^2) is the correlation
    assert got["%C#2%", "S WITH I"] == pytest.approx(-np.sqrt(0.5), abs=1e-5)


def test_groups_are_a_class_whose_sizes_are_in_the_log_likelihood(written, tmp_path, df):
    model = lca(*U[:3], covariates="x", group="area")()
    fit = solved(
        model,
        df,
        class_logit=[[0.5, 0.0], [-0.25, 0.0]],
        class_slope=np.array([[[0.1], [0.0]], [[0.3], [0.0]]]),
        item_intercept=[[1.0, 1.5, 2.0], [-1.0, -1.5, -2.0]],
    )
    said, _ = written(fit)
    assert (said.known, said.known_values) == ("CG", (("AREA", "1"), ("AREA", "2")))
    got = starts_of(said)
    assert got["%OVERALL%", "[C#1"] == -0.25  # the last group
    assert got["%OVERALL%", "C#1 ON CG#1"] == 0.75
    assert (got["%CG#1%", "C#1 ON X"], got["%CG#2%", "C#1 ON X"]) == (0.1, 0.3)
    assert ("MODEL C", "%C#1%") in said.model
    data = bm.mplus.data(said, tmp_path)
    np.testing.assert_array_equal(data["AREA"], df["area"].map({"north": 1, "south": 2}))
    n = df["area"].value_counts()
    less = float((n * np.log(n / len(df))).sum())
    text = (tmp_path / "run.inp").read_text()
    assert f"here by {less:.3f}" in text
    assert "1 is 'north', 2 is 'south'" in text


def test_stayers_have_probabilities_of_one_and_zero(written, df):
    model = bm.models.lta([[u] for u in U[:4]], 2, names=["a"], family=B, stayers=True, stationary=True)
    fit = solved(
        model,
        df,
        chain_logit=[np.log(3.0), 0.0],
        C1_logit=[[0.0, 0.0], [np.log(4.0), 0.0]],
        transition_logit=[[np.log(9.0), 0.0], [-np.log(9.0), 0.0]],
        item_intercept=[[2.0], [-2.0]],
    )
    said, _ = written(fit)
    assert said.option("ANALYSIS", "PARAMETERIZATION") == "PROBABILITY"
    got = starts_of(said)
    assert got["%OVERALL%", "[G#1"] == 0.75
    assert (got["%OVERALL%", "C1#1 ON G#1"], got["%OVERALL%", "C1#1 ON G#2"]) == (0.5, 0.8)
    assert (got["%G#1%", "C2#1 ON C1#1"], got["%G#1%", "C2#1 ON C1#2"]) == (0.9, 0.1)
    assert (got["%G#2%", "C4#1 ON C3#1"], got["%G#2%", "C4#1 ON C3#2"]) == (1.0, 0.0)
    free = [s for s in said.model["MODEL G", "%G#1%"] if s.startswith("C3#1 ON C2#1")]
    assert re.search(r"\(\d+\)$", free[0])  # stationary: one label for all occasions


def test_transitions_by_two_classes(written, df):
    model = lta(chain_classes=2, initial_by_chain=False, chain_covariates="x")()
    table = np.zeros((2, 2, 2))
    table[..., 0] = [[1.0, 0.25], [-0.5, 2.0]]  # (G, C1)
    fit = solved(
        model,
        df,
        chain_logit=[0.1, 0.0],
        C1_logit=[0.2, 0.0],
        C2_logit=table,
        C3_logit=2 * table,
        chain_slope=np.zeros((2, 1)),
        item_intercept=[[2.0, 1.0], [-2.0, -1.0]],
    )
    said, _ = written(fit)
    got = starts_of(said)
    assert got["%OVERALL%", "[C2#1"] == 2.0  # G#2, C1#2
    assert got["%OVERALL%", "C2#1 ON G#1"] == 0.25 - 2.0
    assert (got["%G#1%", "C2#1 ON C1#1"], got["%G#2%", "C2#1 ON C1#1"]) == (0.75, -2.5)
    assert got["%G#2%", "C3#1 ON C2#1"] == -5.0


def test_partial_credit_without_a_predictor_is_nominal(written, df):
    rng = np.random.default_rng(2)
    thresholds = rng.normal(size=(2, 4, 2))
    fit = solved(lca(*ITEMS, family=bm.partial_credit())(), df, class_logit=[0.0, 0.0], item_threshold=thresholds)
    said, _ = written(fit)
    assert said.nominal == ("O1", "O2", "O3", "O4")
    got = starts_of(said)
    for k in range(2):
        logit = np.array([got[f"%C#{k + 1}%", "[O2#1"], got[f"%C#{k + 1}%", "[O2#2"], 0.0])
        p = np.exp(logit) / np.exp(logit).sum()
        np.testing.assert_allclose(np.log(p[:-1] / p[1:]), thresholds[k, 1], atol=1e-4)
    said, _ = written(fma(*ITEMS, family=bm.partial_credit())())
    assert said.option("VARIABLE", "CATEGORICAL") == "O1(GPCM) O2(GPCM) O3(GPCM) O4(GPCM)"


def test_an_offset_is_a_column_with_slope_one(written, tmp_path, df):
    said, names = written(SETTINGS["lca"]["offset"][0]())
    assert f"K ON {names['log(hours)']}@1" in said.model["MODEL", "%OVERALL%"]
    raw = np.loadtxt(tmp_path / "run.dat")
    np.testing.assert_allclose(raw[:, said.names.index(names["log(hours)"])], np.log(df["hours"]), rtol=1e-9)


def test_known_classes_are_columns_of_what_may_be(written, tmp_path, df):
    said, _ = written(lca(known="sure")())
    columns = said.option("VARIABLE", "TRAINING").split()
    raw = pd.DataFrame(np.loadtxt(tmp_path / "run.dat"), columns=list(said.names))
    np.testing.assert_array_equal(raw[columns[0]], (df["sure"] != 2).astype(float))
    np.testing.assert_array_equal(raw[columns[1]], (df["sure"] != 1).astype(float))
    assert not {*columns} & {*said.used}


def test_a_finite_population_correction_is_written(written, df):
    drawn = bm.survey(lca()(), weights="hours", psu="g", fpc="share")
    said, _ = written(drawn, df.assign(share=0.25))
    assert said.option("VARIABLE", "FINITE") == "SHARE (SFRACTION)"
    said, _ = written(drawn, df.assign(share=400.0))
    assert said.option("VARIABLE", "FINITE") == "SHARE (POPULATION)"
    with pytest.raises(ValueError, match="replicate weights: whether its REPWEIGHTS go with classes"):
        written(
            bm.survey(lca()(), weights="hours", replicate_weights=["x1", "x2"], method="BRR"), df.assign(x1=1.0, x2=2.0)
        )


def test_a_column_with_the_name_of_a_factor_is_refused(written, df):
    with pytest.raises(ValueError, match="column 'I' has the name of a latent variable"):
        written(growth(covariates="I")(), df.assign(I=df["x"]))


def test_covariances_of_items_are_zero_one_by_one(written):
    said, _ = written(lca(*Y, family=N)())
    assert [s for s in said.model["MODEL", "%OVERALL%"] if "WITH" in s] == [
        "Y2 WITH Y1@0",
        "Y3 WITH Y1@0 Y2@0",
        "Y4 WITH Y1@0 Y2@0 Y3@0",
    ]


# numbers of an output -----------------------------------------------------------------------------


def printed(fit, words, order) -> str:
    """MODEL RESULTS of one class variable at a fit's estimates, its classes in another order."""
    from bayesmix.mplus.table import places

    table = places(fit.model, words)
    params = {p.name: fit.params[p.name].transpose(*p.dims) for p in fit.model.parameters}
    text = ""
    for place, k in enumerate(order, 1):
        text += f"Latent Class {place}\n\n"
        for p in table:
            if p.scope in ((), (("C", k),)) and "#" not in p.variable + p.outcome:
                head = f"{p.outcome:<8} {p.heading}" if p.outcome else p.heading
                text += block(head, [(p.variable, p.value(params))])
    return text


@pytest.mark.parametrize("by_class", ["means + variances + covariances", "means + covariances", "means"])
@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_growth_factors_of_an_output_stand_under_the_names_of_the_fit(tmp_path, df, by_class, order):
    from bayesmix.mplus.places import Words

    model = growth(by_class=by_class, degree=2)()
    values = values_of(model, df, np.random.default_rng(3)) | {"I_mean": np.array([0.0, 5.0])}
    logit = values["class_logit"][0]
    fit = solved(model, df, **values)
    names = {**{y: y.upper() for y in Y}, "C": "C", "I": "I", "S": "S", "Q": "Q"}
    text = printed(fit, Words(names, {}), order)
    text += "Categorical Latent Variables\n\n" + block("Means", [("C#1", logit if order[0] == 0 else -logit)])
    said = "  TITLE: T\n  DATA: FILE = a.dat;\n  VARIABLE: NAMES = Y1-Y4;\n  CLASSES = C(2);\n"
    said += "  ANALYSIS: TYPE = MIXTURE;\n"
    (tmp_path / "run.out").write_text(output(said, text))
    table = bm.mplus.published(bm.mplus.read(tmp_path / "run.out"), fit)
    beside = bm.compare(fit, published=dict(table["published"])).parameters.dropna(subset=["published"])
    assert {"u_I_sd", "u_S_on_u_I", "u_Q_on", "u_Q_sd", "residual_sd", "S_mean"} <= {
        i.split("[")[0] for i in beside.index
    }
    np.testing.assert_allclose(beside["published"], beside["ml"], atol=0.02)


def test_an_output_of_groups_is_not_of_a_model_without(tmp_path, df):
    fit = solved(lca(*U[:3])(), df, class_logit=[0.0, 0.0], item_intercept=np.zeros((2, 3)))
    said = (
        "  TITLE: T\n  DATA: FILE = a.dat;\n  VARIABLE: NAMES = B1-B3 A;\n  CLASSES = CG(2) C(2);\n"
        "  KNOWNCLASS = CG (A = 1 2);\n  ANALYSIS: TYPE = MIXTURE;\n"
    )
    (tmp_path / "run.out").write_text(output(said, "Latent Class 1\n\n" + block("Thresholds", [("B1$1", 0.5)])))
    with pytest.raises(ValueError, match="known classes CG, the fit no groups"):
        bm.mplus.published(bm.mplus.read(tmp_path / "run.out"), fit)
