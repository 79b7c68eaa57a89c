"""Inputs say the model: they are read back as the same one, and their values are those of the fit."""

import re

import numpy as np
import pandas as pd
import pytest

import bayesmix as bm
from solved import solved

FALL = ["takes_property_fall", "takes_things_fall", "lies", "yells"]
SPRING = ["takes_property_spring", "takes_things_spring", "lies2", "yells2"]


@pytest.fixture(scope="module")
def df() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    n = 120
    out = pd.DataFrame({i: rng.choice([1, 2], n).astype(float) for i in [*FALL, *SPRING]})
    out.loc[:3, FALL[0]] = np.nan
    out["o"], out["n3"] = rng.integers(1, 5, n), rng.choice(["a", "b", "c"], n)
    out["y"], out["z"], out["k"] = rng.normal(size=n), rng.normal(size=n), rng.poisson(2.0, n)
    out["x"], out["g"] = rng.normal(size=n), np.repeat([f"school {j}" for j in range(20)], 6)
    out["t"] = out["y"].clip(lower=0.0)
    return out.assign(w=np.repeat(rng.normal(size=20), 6), times=rng.integers(1, 4, n), sex=rng.choice(["m", "f"], n))


@pytest.fixture
def written(tmp_path, df):
    """A function that writes a model and returns the text of its input, the input as it is read, and the names."""

    def write(model, data=df, **options):
        path = tmp_path / "run.inp"
        names = bm.mplus.write(model, data, path, **options)
        return path.read_text(), bm.mplus.read_input(path), names

    return write


SAME = {
    "binary": lambda: bm.models.lca(FALL, 3, family=bm.bernoulli()),
    "kinds": lambda: bm.models.lca(
        ["lies", "o", "n3", "y", "z", "k"], 2, "x + w", freq="times", variance="class",
        family={"lies": bm.bernoulli(), "o": bm.ordinal(), "y": bm.normal(), "z": bm.normal(), "k": bm.poisson()},
    ),
    "equal variances": lambda: bm.models.lca(["y", "z"], 2, family=bm.normal()),
    "dispersion": lambda: bm.models.lca(["k", "o"], 2, family=bm.negative_binomial()),
    "inflated": lambda: bm.models.lca(["k", "o"], 2, family=bm.zero_inflated_poisson()),
    "inflated and dispersed": lambda: bm.models.lca(["k", "o"], 2, family=bm.zero_inflated_negative_binomial()),
    "censored": lambda: bm.models.lca(
        ["t", "z"], 2, family={"t": bm.censored_normal(lower=0.0), "z": bm.normal()}, variance="class"
    ),
    "probit": lambda: bm.models.lca(FALL, 2, family=bm.bernoulli("probit")),
    "invariant": lambda: bm.models.lta([FALL, SPRING], 3, "x", "x", family=bm.bernoulli()),
    "free": lambda: bm.models.lta([FALL, SPRING], 2, measurement="free", family=bm.bernoulli()),
    "one item free": lambda: bm.models.lta(
        [FALL, SPRING], 2, names=["item1", "item2", "item3", "item4"], measurement=["item2"], family=bm.bernoulli()
    ),
    "other numbers": lambda: bm.models.lta([FALL, SPRING], [2, 3], measurement="free", family=bm.bernoulli()),
}  # fmt: skip


@pytest.mark.parametrize("case", SAME)
def test_an_input_is_read_as_the_same_model(written, tmp_path, case):
    model = SAME[case]()
    _, said, names = written(model)
    back = bm.mplus.model(said, bm.mplus.data(said, tmp_path))
    assert [p.dims for p in back.parameters] == [p.dims for p in model.parameters]
    assert [p.fixed for p in back.parameters] == [p.fixed for p in model.parameters]
    items = [names[i] for i in model.items]
    assert list(back.items) == items
    assert [(c.name, c.size) for c in back.classes] == [(c.name, c.size) for c in model.classes]
    assert [r.family for r in back.responses] == [r.family for r in model.responses]
    covariates = {c.name: [names[x] for x in c.formula.split(" + ")] for c in model.covariates}
    assert {c.name: c.formula.split(" + ") for c in back.covariates} == covariates


@pytest.mark.parametrize("case", ["binary", "kinds", "invariant"])
def test_the_data_that_are_written_have_the_same_likelihood(written, tmp_path, df, case):
    model = SAME[case]()
    _, said, _ = written(model)
    back = bm.mplus.model(said, bm.mplus.data(said, tmp_path))
    rng = np.random.default_rng(1)
    here = bm.prepare(model, df)
    values = {p.name: rng.normal(0, 0.5, here.packing.shape(p)) for p in model.parameters}
    for p in model.parameters:
        values[p.name] = np.sort(values[p.name]) if p.support == "ordered" else values[p.name]
        values[p.name] = np.abs(values[p.name]) + 0.5 if p.support == "positive" else values[p.name]
        for fixed in p.fixed:
            at = tuple(dict(fixed.positions).get(d, slice(None)) for d in p.dims)
            values[p.name][at] = fixed.value
    mine = bm.log_likelihood(model, df, values)
    theirs = bm.log_likelihood(back, bm.mplus.data(said, tmp_path), values)
    assert mine == pytest.approx(theirs, rel=1e-9)


EVERY = SAME | {
    "random logits": lambda: bm.models.lca(FALL, 3, "x", cluster="g", cluster_covariates="w"),
    "factor of logits": lambda: bm.models.lca(FALL, 3, cluster="g", effects="factor"),
    "two classes": lambda: bm.models.lca(FALL, 2, cluster="g"),
    "cluster classes": lambda: bm.models.lca(FALL, 3, cluster="g", cluster_classes=2, cluster_class_covariates="w"),
    "slopes by origin": lambda: bm.models.lta(
        [FALL, SPRING], 2, transition_covariates="x", covariates_by_origin=True, measurement="free"
    ),
    "regression": lambda: bm.models.regression_mixture("y ~ x", 2, "w", variance="class"),
    "two-level regression": lambda: bm.models.regression_mixture(
        "y ~ x", 2, cluster="g", effects="none", cluster_covariates={"1": "w"}
    ),
    "fma": lambda: bm.models.fma(FALL, 2, factor_covariates="x"),
    "loadings by class": lambda: bm.models.fma(FALL, 2, by_class="intercepts + loadings"),
    "two factors": lambda: bm.models.fma([*FALL, *SPRING], 1, factors={"g1": FALL, "g2": SPRING}),
    "3PL": lambda: bm.models.irt_3pl(FALL),
    "1PL": lambda: bm.models.irt_3pl(FALL, "none", "common"),
}


@pytest.mark.parametrize("case", EVERY)
def test_every_parameter_is_said(written, case):
    model = EVERY[case]()
    text, said, names = written(model)
    assert max(map(len, text.splitlines())) <= 88
    assert len(set(names.values())) == len(names)
    assert all(len(n) <= 8 and re.fullmatch("[A-Z][A-Z0-9_]*", n) for n in names.values())
    assert said.used == tuple(n for n in said.names if n not in {names.get(model.cluster), names.get(model.freq)})
    statements = [s for part in said.model.values() for s in part]
    for item in model.items:
        assert any(names[item] in s for s in statements), item
    assert said.analysis_type == {
        *(["TWOLEVEL"] if model.two_level else []), *(["MIXTURE"] if model.classes else ["GENERAL"]),
    }  # fmt: skip


def test_levels_of_a_two_level_model(written):
    _, said, names = written(EVERY["random logits"]())
    assert said.within == (*(names[i] for i in FALL), "X")
    assert said.between == ("W",)
    assert said.option("VARIABLE", "CLUSTER") == "G"
    assert said.option("ANALYSIS", "ALGORITHM") == "INTEGRATION"
    assert said.model["MODEL", "%BETWEEN% %OVERALL%"] == ("C#1", "C#2", "C#2 WITH C#1", "C#1 ON W", "C#2 ON W")
    assert said.model["MODEL", "%WITHIN% %OVERALL%"] == ("C#1 ON X", "C#2 ON X")
    _, said, _ = written(EVERY["cluster classes"](), overwrite=True)
    assert said.classes == {"CB": 2, "C": 3}
    assert "CB" in said.between
    assert said.model["MODEL", "%BETWEEN% %OVERALL%"] == ("CB#1 ON W", "C#1 ON CB#1", "C#2 ON CB#1")
    assert ("MODEL C", "%WITHIN% %C#3%") in said.model


def test_invariance_is_a_label_of_both_occasions(written):
    _, said, names = written(SAME["one item free"]())
    for k in (1, 2):
        a, b = said.model["MODEL C1", f"%C1#{k}%"], said.model["MODEL C2", f"%C2#{k}%"]
        labels = [[re.findall(r"\((\d+)\)", s) for s in part] for part in (a, b)]
        assert labels[0] == labels[1]
        assert [s for s, x in zip(a, labels[0], strict=True) if not x] == [f"[{names['takes_things_fall']}$1]"]


def test_loadings_and_guessing(written):
    _, said, names = written(EVERY["3PL"]())
    part = said.model["MODEL", ""]
    assert {"F@1", "[F@0]", f"F BY {names[FALL[0]]}*", f"[{names[FALL[0]]}$2]"} <= set(part)
    assert said.option("VARIABLE", "CATEGORICAL").count("(3PL)") == 4
    _, said, _ = written(EVERY["1PL"](), overwrite=True)
    assert sum(s.endswith("* (1)") for s in said.model["MODEL", ""]) == 4


# values of a fit ----------------------------------------------------------------------------------


def starts_of(said) -> dict:
    """Values behind the stars of an input, by part and statement."""
    return {
        (scope, s.partition("*")[0]): float(s.partition("*")[2].strip("] ").split("]")[0].split()[0])
        for (_, scope), part in said.model.items()
        for s in part
        if re.search(r"\*-?\d", s)
    }


def test_estimates_are_starting_values(written, df):
    model = bm.models.lca(
        ["lies", "o", "n3", "y"], 2, "x", family={"lies": bm.bernoulli(), "o": bm.ordinal(), "y": bm.normal()}
    )
    fit = solved(
        model, df, class_logit=[0.5, 0.0], class_slope=np.array([[0.25], [0.0]]),
        item_intercept_bernoulli=[[1.5], [-0.5]],
        item_threshold_ordinal=np.array([[[-1.0, 0.0, 1.0]], [[0.5, 1.5, 2.5]]]),
        item_logit_nominal=np.array([[[0.0, 0.3, -0.6]], [[0.0, 1.0, 2.0]]]), item_intercept_normal=[[1.0], [2.0]],
        item_sd_normal=[1.5],
    )  # fmt: skip
    _, said, _ = written(fit)
    assert said.option("ANALYSIS", "STARTS") == "0"
    got = starts_of(said)
    assert got["%OVERALL%", "[C#1"] == 0.5
    assert got["%OVERALL%", "C#1 ON X"] == 0.25
    assert got["%OVERALL%", "Y"] == 2.25  # a variance
    assert got["%C#1%", "[LIES$1"] == -1.5  # a threshold is minus an intercept
    assert [got["%C#2%", f"[O${k}"] for k in (1, 2, 3)] == [0.5, 1.5, 2.5]
    assert [got["%C#1%", f"[N3#{k}"] for k in (1, 2)] == [0.6, 0.9]  # to the last category, not the first
    assert got["%C#2%", "[Y"] == 2.0


def test_transitions_are_differences_to_the_last_class(written, df):
    logit = np.zeros((2, 4, 2))
    logit[..., 1] = [[1, 2, 3, 30], [-1, -2, -3, -4]]
    model = bm.models.lta([FALL, SPRING], 2)
    fit = solved(model, df, C1_logit=[0.4, 0.0], C2_logit=np.array([[1.5, 0.0], [-0.75, 0.0]]), item_logit=logit)
    _, said, names = written(fit)
    got = starts_of(said)
    assert got["%OVERALL%", "[C2#1"] == -0.75
    assert got["%OVERALL%", "C2#1 ON C1#1"] == 2.25
    assert got["%C1#1%", f"[{names['yells']}$1"] == -15.0  # where Mplus holds it


def test_random_logits_start_at_their_covariance_matrix(written, df):
    model = bm.models.lca(FALL, 3, cluster="g")
    loading = np.array([[1.0, 0.5, 0.0], [0.0, 2.0, 0.0]])
    fit = solved(model, df, class_logit=[0.1, 0.2, 0.0], item_logit=np.zeros((3, 4, 2)), cluster_loading=loading)
    got = starts_of(written(fit)[1])
    assert got["%BETWEEN% %OVERALL%", "C#1"] == 1.0
    assert got["%BETWEEN% %OVERALL%", "C#2 WITH C#1"] == 0.5
    assert got["%BETWEEN% %OVERALL%", "C#2"] == 4.25


# files --------------------------------------------------------------------------------------------


def test_data_are_coded_and_missing_has_a_code_of_its_own(tmp_path, df):
    data = df.assign(y=np.where(np.arange(len(df)) == 5, 9999.0, df["y"]))
    model = bm.models.lca(["lies", FALL[0], "y", "n3"], 2, cluster="g", family={"y": bm.normal()})
    names = bm.mplus.write(model, data, tmp_path / "run.inp")
    said = bm.mplus.read_input(tmp_path / "run.inp")
    assert said.option("VARIABLE", "MISSING") == "ALL (-9999)"
    raw = np.loadtxt(tmp_path / "run.dat")
    columns = dict(zip(said.names, raw.T, strict=True))
    assert set(columns["LIES"]) == {0.0, 1.0}
    assert (columns[names[FALL[0]]][:4] == -9999).all()
    assert columns["Y"][5] == 9999
    np.testing.assert_array_equal(columns["N3"], data["n3"].map({"a": 0, "b": 1, "c": 2}))
    assert columns["G"].max() == 20
    back = bm.mplus.data(said, tmp_path)
    np.testing.assert_allclose(back["Y"], data["y"], rtol=1e-11)
    assert back[names[FALL[0]]].isna().sum() == 4
    assert f"! {names[FALL[0]]} is {FALL[0]}" in (tmp_path / "run.inp").read_text()


def test_rows_without_an_answer_are_left_out(tmp_path, df):
    data = df.copy()
    data.loc[7, FALL] = np.nan
    bm.mplus.write(bm.models.lca(FALL, 2), data, tmp_path / "run.inp")
    assert len(np.loadtxt(tmp_path / "run.dat")) == len(df) - 1


def test_another_content_is_not_replaced_in_silence(tmp_path, df):
    path = tmp_path / "run.inp"
    bm.mplus.write(bm.models.lca(FALL, 2), df, path)
    bm.mplus.write(bm.models.lca(FALL, 2), df, path)  # the same again
    with pytest.raises(ValueError, match=r"run\.inp' exists with another content: give overwrite=True"):
        bm.mplus.write(bm.models.lca(FALL, 3), df, path)
    assert bm.mplus.read_input(path).classes == {"C": 2}
    bm.mplus.write(bm.models.lca(FALL, 3), df, path, overwrite=True)
    assert bm.mplus.read_input(path).classes == {"C": 3}


REFUSED = {
    "a class for every response": lambda: bm.models.gom(FALL, 2),
    "the random effects of the logits of C1": lambda: bm.models.lta([FALL, SPRING], 3, cluster="g"),
    "random slopes": lambda: bm.models.regression_mixture("y ~ x", cluster="g", random="1 + x"),
    r"the formula 'log\(w \+ 9\)'": lambda: bm.models.lca(FALL, 2, "log(w + 9)"),
    "for every combination of C1, C2, C3": lambda: bm.models.lta(
        [FALL[:2], FALL[2:], SPRING[:2], SPRING[2:]], 2, order=3
    ),
    "parameters that depend on D and C both": lambda: bm.models.lca(
        FALL, 2, cluster="g", cluster_classes=2, items_by_cluster_class=True
    ),
    "logit and probit items in one model": lambda: bm.models.lca(
        FALL, 2, family={"lies": bm.bernoulli(), "yells": bm.bernoulli("probit")}
    ),
    "the variance of 'y'": lambda: bm.models.regression_mixture("y ~ x", variance="x"),
}


@pytest.mark.parametrize("part", REFUSED)
def test_what_mplus_cannot_be_told_is_named(tmp_path, df, part):
    with pytest.raises(ValueError, match=f"Mplus cannot be told .*{part}"):
        bm.mplus.write(REFUSED[part](), df, tmp_path / "run.inp")
    assert not list(tmp_path.iterdir())


def test_bad_arguments(tmp_path, df):
    model = bm.models.lca(FALL, 2)
    with pytest.raises(ValueError, match=r"give one that ends in \.inp, such as 'run\.inp'"):
        bm.mplus.write(model, df, tmp_path / "run.txt")
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        bm.mplus.write(model, df, tmp_path / "none" / "run.inp")
    with pytest.raises(TypeError, match="The model came as 'lca'"):
        bm.mplus.write("lca", df, tmp_path / "run.inp")
    fit = solved(bm.models.lca(["n3"], 2), df, class_logit=[0.0, 0.0], item_logit=np.zeros((2, 1, 3)))
    with pytest.raises(ValueError, match="'n3' has 2 categories in these data and 3 in those of the fit"):
        bm.mplus.write(fit, df[df["n3"] != "c"], tmp_path / "run.inp")
    with pytest.raises(ValueError, match="starts came as -1"):
        bm.mplus.write(model, df, tmp_path / "run.inp", starts=-1)
    with pytest.raises(ValueError, match="The covariate 'sex' is no number"):
        bm.mplus.write(bm.models.lca(FALL, 2, "sex"), df, tmp_path / "run.inp")
    (tmp_path / "a.inp").write_text("TITLE: nothing;\n")
    with pytest.raises(ValueError, match="has no NAMES of variables"):
        bm.mplus.read_input(tmp_path / "a.inp")


def test_words_of_the_language_name_no_variable(tmp_path, df):
    data = df.rename(columns={"lies": "on", "yells": "All"})
    names = bm.mplus.write(bm.models.lca(["on", "All", FALL[0]], 2), data, tmp_path / "run.inp")
    assert (names["on"], names["All"]) == ("ON2", "ALL2")


def _two(item, family):
    return bm.models.lca([item, "z"], 2, family={item: family, "z": bm.normal()})


@pytest.mark.parametrize(
    ("declare", "words"),
    [
        (lambda: _two("k", bm.binomial(20)), "the item 'k' of the family Binomial"),
        (lambda: _two("t", bm.censored_normal(0, 9)), "two limits of 't'"),
        (lambda: _two("t", bm.censored_normal(-1)), "limit -1 of 't', which no answer reaches"),
    ],
)
def test_outcomes_that_mplus_has_not_are_refused_by_name(df, tmp_path, declare, words):
    with pytest.raises(ValueError, match=words):
        bm.mplus.write(declare(), df, tmp_path / "run.inp")
