"""New rows are coded as those of the fit: one object says how, and goes with the parameters."""

import json

import numpy as np
import pandas as pd
import pytest
from bayesmix.models import fma, gom, lca, lta, regression_mixture

import bayesmix as bm
from bayesmix.data import Coding, held, unheld

QUICK = {"starts": 2, "finals": 1, "rounds": 1, "progress": False}
pytestmark = pytest.mark.filterwarnings(
    "ignore:The best log-likelihood", "ignore:Finer nodes", "ignore:2 different solutions"
)


def frame(n=240, seed=3):
    rng = np.random.default_rng(seed)
    z = rng.integers(0, 2, n)
    df = pd.DataFrame({f"q{j}": rng.integers(0, 2, n) + z for j in range(4)})
    df["q3"] = df["q3"].map({0: "no", 1: "maybe", 2: "yes"})
    df["o"] = pd.Categorical.from_codes(rng.integers(0, 2, n) + z, ["low", "mid", "high"], ordered=True)
    df["b"] = np.where(rng.random(n) < 0.2 + 0.6 * z, "right", "wrong")
    df["y"] = rng.normal(2.0 * z, 1.0)
    df["x"] = rng.normal(100.0 + z, 2.0)
    df["r"] = rng.choice(["north", "south", "west"], n)
    return df.assign(g=np.arange(n) // 12, w=lambda d: d.groupby("g")["x"].transform("mean"))


ITEMS = ["q0", "q1", "q2", "q3"]
MODELS = {
    "nominal": lambda: lca(ITEMS, 2),
    "mixed": lambda: lca([*ITEMS, "y", "o"], 2, family={"y": bm.normal(), "o": bm.ordinal()}),
    "transformed covariates": lambda: lca(ITEMS, 2, covariates="scale(x) + poly(y, 2) + C(r, Treatment('south'))"),
    "an ordinal factor": lambda: fma(["o", "q0", "q1"], 1, family=bm.ordinal()),
    "right and wrong": lambda: fma(["b", "q0", "q1"], 1, family={"q0": bm.ordinal(), "q1": bm.ordinal()}),
    "memberships": lambda: gom(ITEMS[:3], 2),
    "occasions": lambda: lta([["q0"], ["q1"]], 2, covariates="center(x)", transition_covariates="r"),
    "a regression": lambda: regression_mixture("y ~ bs(x, df=4) + r", 2),
    "clusters": lambda: lca(ITEMS, 2, cluster="g", effects="factor", cluster_covariates="center(w)"),
}  # fmt: skip


@pytest.fixture(scope="module")
def fitted():
    known = {}

    def of(name):
        if name not in known:
            model = MODELS[name]()
            known[name] = (model, frame(), bm.fit(model, frame(), **QUICK))
        return known[name]

    return of


def rows_of(model, df):
    """A single row or cluster, rows that lack a category, rows in which an item is constant."""
    if model.cluster:
        return [df[df.g == 3], df[df.g.isin([1, 7])]]
    return [df.iloc[[5]], df[df.q0 != 1].head(30), df[df.q1 == 1].head(9), df[df.r == "west"].head(20)]


@pytest.mark.parametrize("name", MODELS)
def test_any_rows_have_the_likelihood_they_had_among_all(name, fitted, tmp_path):
    model, df, fit = fitted(name)
    whole = bm.log_likelihood(model, df, fit.params, units=True, nodes=bm.trapezoid(21) if model.effects else None)
    loaded = bm.Fit.load(fit.save(tmp_path / "fit.nc"))
    for params in (fit.params, loaded.params):
        for new in rows_of(model, df):
            same = whole.loc[new.index] if not model.cluster else whole.loc[sorted(set(new.g))]
            nodes = bm.trapezoid(21) if model.effects else None
            got = bm.log_likelihood(model, new, params, units=True, nodes=nodes)
            np.testing.assert_allclose(got, same, rtol=1e-9)


def test_categories_and_levels_that_the_fit_never_saw_are_refused_by_name(fitted):
    model, df, fit = fitted("mixed")
    for item, value in (("q0", 3), ("q3", "often"), ("o", "huge")):
        new = df.head(4).astype({item: object})
        new.iloc[2, new.columns.get_loc(item)] = value
        with pytest.raises(ValueError, match=f"Item '{item}' came with {value!r}, which is not among the categories"):
            bm.log_likelihood(model, new, fit.params)
    model, df, fit = fitted("transformed covariates")
    with pytest.raises(ValueError, match="'r' came with 'east', which is not among the levels of the fit"):
        bm.log_likelihood(model, df.head(4).assign(r="east"), fit.params)
    with pytest.raises(ValueError, match="give the model that was fitted"):
        bm.log_likelihood(lca(ITEMS, 2, covariates="x + r"), df, fit.params)


def plain(params):
    return {str(k): v.values for k, v in params.items()}


def test_plain_values_take_declared_categories_or_refuse_never_shift(fitted):
    model, df, fit = fitted("nominal")
    want = bm.log_likelihood(model, df, fit.params, units=True)
    some = df[df.q0 != 1]
    assert bm.log_likelihood(model, df, plain(fit.params)) == pytest.approx(want.sum(), abs=1e-9)
    with pytest.raises(ValueError, match=r"the data have no such category of this item.*declare all of them"):
        bm.log_likelihood(model, some, plain(fit.params))
    declared = some.assign(q0=pd.Categorical(some.q0, categories=[0, 1, 2]))
    assert bm.log_likelihood(model, declared, plain(fit.params)) == pytest.approx(want[some.index].sum(), abs=1e-9)
    with pytest.raises(ValueError, match=r"'q1' is constant or missing in these rows.*declare them all"):
        bm.log_likelihood(model, df.iloc[[0]].assign(q0=declared.q0), plain(fit.params))


def test_coords_tell_the_categories_where_the_coding_was_lost():
    model, df = lca(ITEMS[:3], 2), frame()
    fit = bm.fit(model, df, **QUICK)
    bare = fit.params.drop_attrs()
    want = bm.log_likelihood(model, df, fit.params, units=True)
    for new in (df[df.q0 != 1], df.iloc[[4]]):
        assert bm.log_likelihood(model, new, bare) == pytest.approx(want[new.index].sum(), abs=1e-9)
    with pytest.raises(ValueError, match="The parameters have q0, q1, q2 along 'item', the data q2, q1, q0"):
        bm.log_likelihood(lca(ITEMS[2::-1], 2), df, bare)


def test_a_fit_is_not_its_parameters(fitted):
    model, df, fit = fitted("nominal")
    with pytest.raises(TypeError, match=r"params came as Fit, .*: give its .params\."):
        bm.log_likelihood(model, df, fit)


@pytest.mark.parametrize("name", MODELS)
def test_a_fit_stands_for_its_model_and_its_parameters(name, fitted):
    model, df, fit = fitted(name)
    nodes = bm.trapezoid(21) if model.effects else None
    assert bm.log_likelihood(fit, df, nodes=nodes) == bm.log_likelihood(model, df, fit.params, nodes=nodes)
    given = {"df": df.drop(columns=list(model.items)), "seed": 2}
    pd.testing.assert_frame_equal(bm.simulate(fit, **given), bm.simulate(model, fit.params, **given))
    if name == "nominal":
        other = fit.params * 0.5
        assert bm.log_likelihood(fit, df, other) == bm.log_likelihood(model, df, other) < fit.loglik


@pytest.mark.parametrize("name", MODELS)
def test_simulated_rows_have_the_categories_of_the_fit_and_are_read_as_they_were(name, fitted):
    model, df, fit = fitted(name)
    new = bm.simulate(model, fit.params, df=df.drop(columns=list(model.items)), seed=2)
    again = bm.prepare(model, new)
    for item, known in bm.prepare(model, df).categories.items():
        assert again.categories[item] == known
    assert np.isfinite(bm.log_likelihood(model, new, fit.params))


def test_other_names_of_categories_can_be_given_to_simulated_rows(fitted):
    model, _, fit = fitted("nominal")
    new = bm.simulate(model, fit.params, n=50, categories={i: ["low", "mid", "high"] for i in ITEMS})
    assert list(new["q0"].cat.categories) == ["low", "mid", "high"]


def test_the_coding_is_plain_and_comes_back():
    state = {"poly": {"alpha": {0: np.float64(1.5), 1: 2.0}, "knots": np.arange(3.0), "none": None, "list": [1, "a"]}}
    back = unheld(json.loads(json.dumps(held(state))))
    assert back["poly"]["alpha"] == {0: 1.5, 1: 2.0}
    assert isinstance(back["poly"]["knots"], np.ndarray)
    coding = bm.prepare(MODELS["transformed covariates"](), frame()).coding
    assert Coding.of(coding.text()) == Coding.of(coding.plain())


def test_rows_of_several_levels_keep_their_index(tmp_path):
    df = frame(60)
    df.index = pd.MultiIndex.from_arrays([df.g, np.arange(60) % 12, ["a", "b"] * 30], names=["school", None, "half"])
    fit = bm.fit(lca(ITEMS, 2), df, **QUICK)
    for one in (fit, bm.Fit.load(fit.save(tmp_path / "fit.nc"))):
        index = one.class_probabilities().index
        assert index.equals(df.index)
        assert list(index.names) == list(df.index.names)
        assert len(df.join(one.class_probabilities())) == 60
    moved = bm.fit(lta([["q0"], ["q1"]], 2), df, **QUICK)
    assert moved.paths().index.equals(df.index)
    units = bm.log_likelihood(lca(ITEMS, 2), df, fit.params, units=True)
    assert units.index.equals(df.index)


@pytest.mark.parametrize("given", ["start", "like"])
def test_a_reference_that_is_not_zero_is_refused_in_starts(given, fitted):
    model, df, fit = fitted("nominal")
    values = plain(fit.params) | {"class_logit": np.array([1.0, 5.0])}
    with pytest.raises(ValueError, match=r"class_logit\[2\] came as 5, but is fixed at 0"):
        bm.fit(model, df, **{given: values}, **QUICK)
    with pytest.raises(ValueError, match="'class_logits'"):
        bm.fit(model, df, **{given: plain(fit.params) | {"class_logits": np.zeros(2)}}, **QUICK)
