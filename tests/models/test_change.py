"""Models of change: a random intercept, classes of chains, stayers, orders 0 and additive, covariates of items."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from bayesmix.models import lca, lta
from numpy.testing import assert_allclose

import bayesmix as bm
from bayesmix.graph import LogLikelihood, paths, tables
from bayesmix.spec import groups, permute
from bayesmix.spec.class_labels import exchangeable
from declare import by_unit, evaluate, frame, give_effects, oracle_for, random_values

FALL, SPRING, SUMMER = ["b1", "b2"], ["b3", "b4"], ["n2", "o2"]
TWO, THREE = [FALL, SPRING], [FALL, SPRING, SUMMER]
NAMED = {"names": ["one", "two"]}
BINARY = bm.bernoulli()
DECLARED = {
    "random intercept": lambda: lta(TWO, 2, random_intercept="item"),
    "random intercept, three occasions": lambda: lta(THREE, 2, random_intercept="item", family=BINARY),
    "one loading": lambda: lta(TWO, 3, random_intercept="one", family=BINARY, freq="f"),
    "random intercept, free thresholds": lambda: lta(TWO, 2, random_intercept="item", measurement="free"),
    "random intercept, partly free": lambda: lta(TWO, 2, random_intercept="item", measurement=["two"], **NAMED),
    "one loading, partly free": lambda: lta(
        TWO, 2, random_intercept="one", measurement=["two"], family=BINARY, **NAMED
    ),
    "random intercept, ordinal": lambda: lta(
        [["o3", "o4"], ["p3", "p4"]], 2, family=bm.ordinal("probit"), random_intercept="item"
    ),
    "random intercept, two-level": lambda: lta(TWO, 2, cluster="g", random_intercept="item"),
    "movers and stayers": lambda: lta(THREE, 2, stayers=True),
    "stayers with covariates": lambda: lta(THREE, 2, "x", "x", stayers=True, chain_covariates="s", freq="f"),
    "stayers, equal first classes": lambda: lta(THREE, 2, stayers=True, initial_by_chain=False, stationary=True),
    "two kinds of movers": lambda: lta(THREE, 2, stayers=True, chain_classes=3, chain_covariates="x"),
    "stayers, two-level": lambda: lta(THREE, 2, cluster="g", effects="factor", stayers=True, regressions="none"),
    "mixture": lambda: lta(THREE, 2, chain_classes=2, stationary=True, items_by_chain=True),
    "mixture of three": lambda: lta(TWO, 2, chain_classes=3, items_by_chain=True, chain_covariates="x"),
    "mixture of second order": lambda: lta(THREE, 2, chain_classes=2, order=2, chain_covariates="x"),
    "order zero": lambda: lta(THREE, 2, order=0, covariates="x", transition_covariates="x"),
    "order zero, mixture": lambda: lta(THREE, 2, order=0, chain_classes=2),
    "order zero, two-level": lambda: lta(TWO, 2, order=0, cluster="g"),
    "additive": lambda: lta(THREE, 2, order=2, additive=True),
    "additive, three classes": lambda: lta(THREE, 3, order=2, additive=True, transition_covariates="x"),
    "additive, four occasions": lambda: lta([*THREE, ["n3", "o3"]], 2, order=3, additive=True, measurement="free"),
    "additive mixture": lambda: lta(THREE, 2, order=2, additive=True, chain_classes=2, chain_covariates="x"),
    "direct effects": lambda: lta(TWO, 2, item_covariates={"one": "x + s"}, **NAMED),
    "direct effects by occasion": lambda: lta(TWO, 2, item_covariates={"one": ["x", "w"], "two": ["w", "x"]}, **NAMED),
    "direct effects, partly free": lambda: lta(
        TWO, 2, measurement=["two"], item_covariates={"one": ["x", "w"], "two": ["w", "x"]}, **NAMED
    ),
    "direct effects, two-level": lambda: lta(TWO, 2, cluster="g", item_covariates={"one": ["x", "w"]}, **NAMED),
}


def nodes_of(model):
    n = len(model.effects)
    return None if not n else bm.trapezoid(4, 2.5) if n < 3 else bm.trapezoid(3, 2.0)


# the likelihood -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DECLARED)
def test_units_equal_enumeration(name):
    model, df = DECLARED[name](), frame(clusters=4)
    data = bm.prepare(model, df, nodes_of(model))
    values = random_values(data, seed=3)
    expected = oracle_for(data, df, values).units()
    assert_allclose(by_unit(data, evaluate(data, values)), expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("name", ["random intercept", "random intercept, two-level"])
def test_sampled_effects_equal_enumeration(name):
    model, df = DECLARED[name](), frame(clusters=3)
    levels = tuple({e.level for e in model.effects})
    data, sampled = give_effects(bm.prepare(model, df, sampled=levels))
    values = random_values(data, seed=4)
    assert_allclose(by_unit(data, evaluate(data, values)), oracle_for(data, df, values, sampled).units(), rtol=1e-10)


@pytest.mark.parametrize("name", [n for n in DECLARED if "partly" not in n])
def test_the_likelihood_is_the_same_in_every_order_of_the_classes(name):
    """The classes of chains too, but for the stayers, who stand last; main effects move with their reference."""
    model, df = DECLARED[name](), frame(clusters=4)
    fine = {0: None, 1: bm.trapezoid(61, 8), 2: bm.trapezoid(41, 8), 3: bm.trapezoid(21, 7)}[len(model.effects)]
    data = bm.prepare(model, df, fine)
    values = random_values(data, seed=10, scale=0.4)
    before = float(evaluate(data, values, "total"))
    for dims in groups(model):
        alike = exchangeable(model, dims)
        for order in map(np.array, itertools.permutations(range(len(alike)))):
            if (alike[order] != alike).any():
                continue
            moved = permute(model, values, dims, order)
            assert float(evaluate(data, moved, "total")) == pytest.approx(before, abs=2e-6)
            back = permute(model, moved, dims, np.argsort(order))
            for p in model.parameters:
                assert_allclose(back[p.name], values[p.name], atol=1e-8)


def test_stayers_and_movers_do_not_change_places():
    named = {n: groups(DECLARED[n]()) for n in ("movers and stayers", "two kinds of movers", "mixture")}
    assert ("G",) not in named["movers and stayers"]
    assert ("G",) in named["two kinds of movers"]
    first, second, last = exchangeable(DECLARED["two kinds of movers"](), ("G",))
    assert first == second != last
    assert exchangeable(DECLARED["mixture"](), ("G",)).tolist() == [0, 0]


# limits -------------------------------------------------------------------------------------------


def total(model, values, df=None, nodes=None):
    """The log-likelihood at natural values."""
    return float(evaluate(bm.prepare(model, frame() if df is None else df, nodes), values, "total"))


def test_loadings_of_zero_are_the_model_without_a_random_intercept():
    plain, with_f = lta(TWO, 2, family=BINARY), lta(TWO, 2, family=BINARY, random_intercept="item")
    values = random_values(bm.prepare(plain, frame()), seed=5)
    found = total(with_f, values | {"loading": np.zeros(2)}, nodes=bm.trapezoid(31))
    assert found == pytest.approx(total(plain, values), abs=1e-10)


def test_one_class_of_chains_is_none():
    assert lta(THREE, 2, chain_classes=1) == lta(THREE, 2)


def test_a_share_of_no_stayers_is_the_plain_model():
    plain, movers = lta(THREE, 2), lta(THREE, 2, stayers=True)
    values = random_values(bm.prepare(plain, frame()), seed=6)
    wide = values | {"chain_logit": np.array([50.0, 0.0]), "C1_logit": np.stack([values["C1_logit"], np.zeros(2)])}
    assert total(movers, wide) == pytest.approx(total(plain, values), abs=1e-10)


def test_stayers_are_the_limit_of_a_mixture_whose_second_transitions_are_certain():
    movers = lta(THREE, 2, stayers=True)
    mixture = lta(THREE, 2, chain_classes=2, items_by_chain=True)
    values = random_values(bm.prepare(movers, frame()), seed=7)
    certain = np.array([[60.0, 0.0], [-60.0, 0.0]])
    wide = values | {k: np.stack([values[k], certain]) for k in ("C2_logit", "C3_logit")}
    wide |= {"item_logit": np.stack([values["item_logit"]] * 2)}
    assert total(mixture, wide) == pytest.approx(total(movers, values), abs=1e-10)


def test_order_zero_with_free_measurement_is_a_latent_class_model_at_each_occasion():
    df, model = frame(), lta(TWO, 2, order=0, measurement="free")
    values = random_values(bm.prepare(model, df), seed=8)
    each = [
        total(lca(w, 2), {"class_logit": values[f"C{t}_logit"], "item_logit": values[f"item_logit_{t}"]}, df)
        for t, w in enumerate(TWO, 1)
    ]
    assert total(model, values, df) == pytest.approx(sum(each), abs=1e-10)


def test_main_effects_are_a_restriction_of_the_full_table():
    additive, full = lta(THREE, 2, order=2, additive=True), lta(THREE, 2, order=2)
    values = random_values(bm.prepare(additive, frame()), seed=9)
    wide = {k: v for k, v in values.items() if k != "C3_lag2_logit"}
    wide["C3_logit"] = values["C3_lag2_logit"][:, None, :] + values["C3_logit"][None, :, :]
    assert total(full, wide) == pytest.approx(total(additive, values), abs=1e-10)


def test_formulas_of_each_occasion_that_are_the_same_are_one_formula():
    again = lta(TWO, 2, item_covariates={"one": ["x", "x"]}, **NAMED)
    assert again == lta(TWO, 2, item_covariates={"one": "x"}, **NAMED)


WAVES = [[f"{i}{t}" for i in "abcde"] for t in (1, 2, 3)]


@pytest.mark.parametrize(
    ("settings", "parameters"),
    [
        ({"waves": 2, "classes": 4, "random_intercept": "item"}, 40),  # Muthen & Asparouhov's of the LSAY
        ({"waves": 2, "classes": 4, "random_intercept": "one"}, 36),
        ({"stayers": True}, 1 + 2 + 2 + 2 + 10),
        ({"stayers": True, "initial_by_chain": False, "stationary": True}, 1 + 1 + 2 + 10),
        ({"classes": 3, "stayers": True, "chain_classes": 3, "stationary": True}, 2 + 6 + 12 + 15),
        ({"classes": 3, "chain_classes": 2, "stationary": True}, 1 + 4 + 12 + 15),
        ({"classes": 3, "chain_classes": 2, "stationary": True, "items_by_chain": True}, 1 + 4 + 12 + 30),
        ({"classes": 3, "order": 0}, 3 * 2 + 15),
        ({"classes": 3, "order": 2, "additive": True}, 2 + 6 + 6 + 4 + 15),
        ({"classes": 3, "order": 2}, 2 + 6 + 18 + 15),
        ({"item_covariates": {"a": ["x1", "x2", "x3"]}}, 1 + 2 + 2 + 10 + 1),
        ({"item_covariates": {"a": ["x1", "x2", "x3"]}, "measurement": "free"}, 1 + 2 + 2 + 30 + 3),
    ],
)
def test_parameter_counts(settings, parameters):
    rng = np.random.default_rng(0)
    df = pd.DataFrame(rng.integers(0, 2, (80, 15)), columns=[c for w in WAVES for c in w])
    df = df.assign(**{f"x{t}": rng.normal(size=80) for t in (1, 2, 3)})
    settings = {"waves": 3, "classes": 2, "names": list("abcde"), "family": BINARY} | settings
    model = lta(WAVES[: settings.pop("waves")], settings.pop("classes"), **settings)
    assert bm.prepare(model, df).packing.size == parameters


# posteriors and tables ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["movers and stayers", "mixture", "random intercept, three occasions", "order zero"])
def test_paths_are_bayes_rule(name):
    """Through the classes of the occasions: those of chains and the factor are summed out."""
    model, df = DECLARED[name](), frame(clusters=3)
    data = bm.prepare(model, df, nodes_of(model), collapse=False)
    values = random_values(data, seed=12)
    expected = oracle_for(data, df, values).row_posterior("C1", "C2", "C3")[data.pattern_of >= 0]
    found = paths(data, data.pack(values))
    assert_allclose(found.joint, expected, atol=1e-10)
    assert_allclose(found.stayed, expected[:, 0, 0, 0] + expected[:, 1, 1, 1], atol=1e-10)


def test_sizes_and_transitions_are_averages_over_persons_by_the_class_of_the_chain():
    model, df = lta(THREE, 2, "x", "x", stayers=True, chain_covariates="s"), frame(clusters=3)
    data = bm.prepare(model, df)
    values = random_values(data, seed=13)
    oracle, joint = oracle_for(data, df, values), np.zeros((2, 2, 2, 2))
    for row in np.flatnonzero(data.pattern_of >= 0):
        for at, _, p in oracle.states("individual", {}, {}, row, row):
            joint[at["G"], at["C1"], at["C2"], at["C3"]] += p / (data.pattern_of >= 0).sum()
    found = tables(data, data.pack(values))
    first, second = joint.sum((2, 3)), joint.sum(3)
    assert_allclose(found["G_probability"], joint.sum((1, 2, 3)), atol=1e-10)
    assert_allclose(found["C1_by_G"], first / first.sum(1, keepdims=True), atol=1e-10)
    assert_allclose(found["C2_transition"], second / second.sum(2, keepdims=True), atol=1e-10)
    assert_allclose(found["C3_probability"], joint.sum((0, 1, 2)), atol=1e-10)
    assert (found["C2_transition"].values[1] == np.eye(2)).all()  # to the last bit
    assert "C1_transition" not in found


def test_long_chains_of_several_kinds_are_summed_out_step_by_step():
    """Six occasions of four classes, two kinds of chains: a table of all paths would have 8192 entries a person."""
    waves = [[f"i{t}", f"j{t}"] for t in range(1, 7)]
    rng = np.random.default_rng(0)
    df = pd.DataFrame(rng.integers(0, 2, (60, 12)).astype(float), columns=[c for w in waves for c in w])
    model = lta(waves, 4, chain_classes=2, random_intercept="item", family=BINARY, names=["i", "j"])
    data = bm.prepare(model, df, bm.trapezoid(5, 2.0))
    values = random_values(data, seed=1)
    given = [_forward(values, df, waves, row, data) for row in range(3)]
    found = by_unit(data, evaluate(data, values))
    assert_allclose(found[:3], given, rtol=1e-10)


def _forward(values, df, waves, row, data):
    """The forward algorithm of one person, at each node and in each kind of chain."""
    z, weight = data.arrays["z_individual_1"].values, np.exp(data.arrays["log_weight_individual_1"].values)
    soft = lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True)  # noqa: E731
    out = 0.0
    for node, w in zip(np.ravel(z), np.ravel(weight), strict=True):
        p = 1 / (1 + np.exp(-(values["item_intercept"] + values["loading"] * node)))
        for g, share in enumerate(soft(values["chain_logit"])):
            a = soft(values["C1_logit"][g])
            for t, wave in enumerate(waves, 1):
                a = a if t == 1 else a @ soft(values[f"C{t}_logit"][g])
                y = df.loc[row, wave].to_numpy()
                a = a * np.prod(np.where(y == 1, p, 1 - p), axis=-1)
            out += w * share * a.sum()
    return np.log(out)


# fits ---------------------------------------------------------------------------------------------

ITEM = np.array([[-1.8, -1.6, -2.0, -1.4], [1.8, 1.6, 2.0, 1.4]])
THREE_WAVES = [[f"{i}{t}" for i in "abcd"] for t in (1, 2, 3)]
SAME = {"family": BINARY, "names": list("abcd")}


def moves(to, back):
    """Logits of two classes that are left with these odds."""
    return np.array([[to, 0.0], [back, 0.0]])


@pytest.fixture(scope="module")
def stayed():
    model = lta(THREE_WAVES, 2, stayers=True, **SAME)
    truth = {"chain_logit": np.array([0.0, 0.0]), "C1_logit": np.array([[0.4, 0.0], [-0.4, 0.0]])}
    truth |= {"C2_logit": moves(-0.5, 0.5), "C3_logit": moves(-1.0, 0.2), "item_intercept": ITEM}
    df = bm.simulate(model, truth, n=1000, seed=1)
    return model, truth, df, bm.fit(model, df, starts=4, rounds=1, seed=1, like=truth)


def test_stayers_never_move_in_simulated_data(stayed):
    df = stayed[2]
    same = (df["true_C1"] == df["true_C2"]) & (df["true_C2"] == df["true_C3"])
    assert same[df["true_G"] == 2].all()
    assert 0.1 < same[df["true_G"] == 1].mean() < 0.5


def test_the_shares_of_movers_and_their_transitions_are_found(stayed):
    model, truth, _, fit = stayed
    assert fit.n_parameters == 15
    for p in model.parameters:
        z = ((fit.params[p.name] - truth[p.name]) / fit.se[p.name]).values[fit.free[p.name].values]
        assert np.abs(z).max() < 3.5, p.name


def test_transitions_have_a_row_for_each_class_of_chains(stayed):
    table = bm.transitions(stayed[3])
    assert table.index.names == ["class variable", "G", "from", "to"]
    assert table.shape[0] == 2 * 2 * 2 * 2
    stayers = table.xs(2, level="G")
    assert set(stayers["value"]) == {0.0, 1.0}
    assert stayers["se"].isna().all()


def test_the_listing_says_who_stays_and_has_no_logits_of_theirs(stayed):
    text = str(bm.report(stayed[3]))
    assert "G (2 classes of chains, the last of stayers)" in text
    assert "G = 2, who stay" in text
    assert "C2_logit[1, 2]" in text


@pytest.mark.filterwarnings("ignore")  # one start
def test_the_logits_of_stayers_beside_two_kinds_of_movers_are_not_listed(stayed):
    declared = lta(THREE_WAVES, 2, stayers=True, chain_classes=3, stationary=True, chain_covariates="x", **SAME)
    df = stayed[2].assign(x=np.arange(1000) % 5)
    three = bm.fit(declared, df, starts=1, finals=1, rounds=1, budget=0, progress=False)
    assert "transition_logit[2, 1, 1]" in str(bm.report(three))
    assert "transition_logit[3, 1, 1]" not in str(bm.report(three))


def test_everything_that_takes_a_fit_takes_movers_and_stayers(stayed, tmp_path):
    model, _, df, fit = stayed
    assert bm.Fit.load(fit.save(tmp_path / "fit.nc")).model == model
    assert list(bm.paths(fit).columns) == ["C1", "C2", "C3", "probability", "moved", "P(moved)"]
    assert fit.path_counts().index.names == ["C1", "C2", "C3"]
    counts = bm.class_counts(fit, "G")
    assert counts["posterior"].sum() == pytest.approx(1000)
    modal = bm.class_probabilities(fit, "G")["most_likely"].astype(int)
    assert (modal == df["true_G"]).mean() > 0.6
    moved = bm.paths(fit)["P(moved)"]
    assert np.corrcoef(moved, bm.class_probabilities(fit, "G")["G=1"])[0, 1] > 0.8
    drawn = bm.class_draws(fit, df, draws=3, seed=1)
    never = (drawn["C1"] == drawn["C2"]) & (drawn["C2"] == drawn["C3"])
    assert bool(never.values[drawn["G"].values == 2].all())
    new = bm.predict(fit, df.head(4))
    assert_allclose(new.class_probabilities("G")["G=1"], bm.class_probabilities(fit, "G")["G=1"].head(4), atol=1e-8)
    assert bm.goodness_of_fit(fit, df).table["df"].iloc[0] == 2**12 - 1 - 15
    assert np.abs(bm.residuals(fit, df).univariate["z"]).max() < 4
    bm.mplus.write(fit, df, tmp_path / "run.inp")
    assert "PARAMETERIZATION = PROBABILITY;" in (tmp_path / "run.inp").read_text()
    with pytest.raises(ValueError, match="give a function of the number of classes"):
        bm.enumerate_classes(model, df, [2, 3])
    related = bm.three_step(fit, df.assign(z=np.arange(len(df)) % 5), covariates="z", variable="C3")
    assert "C3 on z" in str(related)


def test_pictures_by_class_of_chains(stayed):
    fit = stayed[3]
    everybody, movers, stayers = (bm.plots.transitions(fit, chain_class=k) for k in (None, 1, 2))
    shown = [sorted(t.get_text() for t in ax.texts if "\n" not in t.get_text()) for ax in (everybody, movers, stayers)]
    assert shown[2] == ["100%"] * 4
    assert "100%" not in shown[0] + shown[1]
    assert [t.get_text() for t in stayers.get_xticklabels()] == ["C1", "C2", "C3"]
    plt.close("all")
    with pytest.raises(ValueError, match="chain_class came as 3: give one of 1, 2"):
        bm.plots.transitions(fit, chain_class=3)
    dot = bm.plots.diagram(fit).dot
    assert '"G" -> "C2" [label=" stay"]' in dot
    assert 'rank=same; "C1"; "C2"; "C3"' in dot


@pytest.fixture(scope="module")
def mixed():
    model = lta(THREE_WAVES, 2, chain_classes=2, stationary=True, chain_covariates="x", **SAME)
    truth = {"chain_logit": np.array([0.2, 0.0]), "chain_slope": np.array([[0.8], [0.0]])}
    truth |= {"C1_logit": np.array([[0.8, 0.0], [-0.8, 0.0]]), "item_intercept": ITEM}
    truth |= {"transition_logit": np.stack([moves(2.5, -2.0), moves(-1.0, 0.8)])}
    x = pd.DataFrame({"x": np.random.default_rng(0).normal(size=1000)})
    df = bm.simulate(model, truth, df=x, seed=2)
    return model, truth, df, bm.fit(model, df, starts=4, rounds=1, seed=1, like=truth)


def test_a_mixture_of_chains_is_recovered(mixed):
    """In the order of both kinds of classes that like= asks for."""
    model, truth, _, fit = mixed
    for p in model.parameters:
        z = ((fit.params[p.name] - truth[p.name]) / fit.se[p.name]).values[fit.free[p.name].values]
        assert np.abs(z).max() < 3.5, p.name
    assert fit.replicated >= 2
    assert bm.odds_ratios(fit).shape[0] == 2


def test_both_kinds_of_classes_have_labels_that_may_be_exchanged(mixed):
    model, _, df, fit = mixed
    data = LogLikelihood(bm.prepare(model, df)).problem
    values = {k: v.values for k, v in fit.params.items()}
    other = permute(model, permute(model, values, ("G",), np.array([1, 0])), groups(model)[1], np.array([1, 0]))
    one, two = data.pack(values), data.pack(other)
    assert np.abs(one - two).max() > 0.1
    assert LogLikelihood(data).value(two) == pytest.approx(LogLikelihood(data).value(one), abs=1e-6)


def test_a_test_of_classes_of_chains_and_their_number(mixed):
    _, _, df, fit = mixed
    some = df.head(300)

    def make(k):
        return lta(THREE_WAVES, 2, chain_classes=k, stationary=True, **SAME)

    found = bm.enumerate_classes(make, some, [1, 2], starts=3, rounds=1, progress=False)
    assert found.table["parameters"].tolist() == [11, 15]
    assert found[2].loglik > found[1].loglik + 5
    drawn = bm.lr_test(found[1], found[2], some, replications=2, starts=2, seed=1)
    assert drawn.statistic == pytest.approx(2 * (found[2].loglik - found[1].loglik))
    assert fit.class_variables == ["G", "C1", "C2", "C3"]


# other programs, the command line, bad input ------------------------------------------------------


def test_second_order_main_effects_and_order_zero_go_to_mplus_and_back(tmp_path):
    rng = np.random.default_rng(0)
    df = pd.DataFrame(rng.integers(0, 2, (80, 6)), columns=["U1", "V1", "U2", "V2", "U3", "V3"])
    waves = [["U1", "V1"], ["U2", "V2"], ["U3", "V3"]]
    for name, settings in {"main": {"order": 2, "additive": True}, "none": {"order": 0}}.items():
        model = lta(waves, 3, family=BINARY, **settings)
        bm.mplus.write(model, df, tmp_path / f"{name}.inp")
        again = bm.mplus.model(bm.mplus.read_input(tmp_path / f"{name}.inp"), df)
        assert [[(t.parameter.name, t.dims) for t in c.predictor] for c in again.classes] == [
            [(t.parameter.name, t.dims) for t in c.predictor] for c in model.classes
        ]
    text = (tmp_path / "main.inp").read_text()
    assert "C3#2 ON C1#1;" in text
    assert text.count("[C3#1]") == 1
    assert " ON " not in (tmp_path / "none.inp").read_text()


def test_a_random_intercept_and_direct_effects_are_written_with_equal_labels(tmp_path):
    rng = np.random.default_rng(0)
    df = pd.DataFrame(rng.integers(0, 2, (80, 4)), columns=["U1", "V1", "U2", "V2"])
    df = df.assign(X1=rng.normal(size=80), X2=rng.normal(size=80))
    model = lta(
        [["U1", "V1"], ["U2", "V2"]], 2, family=BINARY, names=["u", "v"], random_intercept="item",
        item_covariates={"u": ["X1", "X2"]},
    )  # fmt: skip
    names = bm.mplus.write(model, df, tmp_path / "run.inp")
    text = (tmp_path / "run.inp").read_text()
    label = {
        word: text.partition(f"{word} (")[2].partition(")")[0] for word in ("BY U1*", "BY U2*", "BY V1*", "BY V2*")
    }
    assert label["BY U1*"] == label["BY U2*"] != label["BY V1*"] == label["BY V2*"]
    assert text.partition("U1 ON X1 ")[2][:4] == text.partition("U2 ON X2 ")[2][:4]
    assert f"{names['f']}@1;" in text


def test_new_settings_from_the_command_line():
    from bayesmix.cli.arguments import declare

    given = {"waves": [["a1", "b1"], ["a2", "b2"], ["a3", "b3"]], "classes": 2}
    words = ["stayers=true", "chain_covariates=x", "item_covariates=a=x1|x2|x3;b=x", "random_intercept=item"]
    same = lta(
        **given, stayers=True, chain_covariates="x", item_covariates={"a": ["x1", "x2", "x3"], "b": "x"},
        random_intercept="item",
    )  # fmt: skip
    assert declare("lta", given, words, []) == same
    assert declare("lta", given, ["order=2", "additive=true"], []) == lta(**given, order=2, additive=True)


def test_columns_of_an_item_covariate_have_the_name_that_its_occasions_share():
    model = lta(TWO, 2, item_covariates={"one": ["x", "w"]}, **NAMED)
    df = frame().rename(columns={"x": "stress_fall", "w": "stress_spring"})
    model = lta(TWO, 2, item_covariates={"one": ["stress_fall", "stress_spring"]}, **NAMED)
    assert bm.prepare(model, df).coords["item_covariate"] == ["stress"]
    with pytest.raises(ValueError, match="make 1 and 3 columns: give formulas of the same terms"):
        bm.prepare(lta(TWO, 2, item_covariates={"one": ["stress_fall", "v + s"]}, **NAMED), df)


def test_a_person_who_was_not_there_needs_no_covariate_of_that_occasion():
    df = frame().assign(x1=0.5, x2=1.0)
    df["x1"], df["x2"] = np.arange(len(df)) % 3, np.arange(len(df)) % 4
    model = lta(TWO, 2, item_covariates={"one": ["x1", "x2"]}, **NAMED)
    away = df.assign(x2=df["x2"].astype(float))
    away.loc[0, [*SPRING, "x2"]] = np.nan
    values = random_values(bm.prepare(model, away), seed=1)
    assert np.isfinite(total(model, values, away))
    away.loc[1, "x2"] = np.nan
    with pytest.raises(ValueError, match="Covariate 'x2' has 1 missing values"):
        bm.prepare(model, away)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"random_intercept": "all"}, "random_intercept came as 'all': give 'item' or 'one', or leave it out"),
        ({"random_intercept": "one"}, "One loading for all items came with nominal items"),
        ({"waves": [FALL], "random_intercept": "item"}, "A random intercept came with one occasion"),
        ({"waves": [FALL], "stayers": True}, "chain_classes=2 came with one occasion, where nobody moves"),
        ({"stayers": True, "chain_classes": 1}, "chain_classes came as 1: give a whole number of at least 2, of which"),
        ({"chain_classes": 0}, "chain_classes came as 0: give a whole number of at least 1"),
        ({"chain_covariates": "x"}, "chain_covariates='x' came without classes of chains"),
        ({"items_by_chain": True}, "items_by_chain=True came without classes of chains"),
        (
            {"classes": [2, 3, 2], "measurement": "free", "stayers": True},
            "stayers=True came with 2, 3, 2 classes at the occasions",
        ),
        ({"waves": TWO, "stayers": True}, "5 parameters of the classes of 2 occasions, whose 4 paths have 3"),
        ({"chain_classes": 2, "order": 2}, "they are not identified; give more occasions, stationary=True"),
        ({"order": 3}, "order came as 3 for 3 occasions: a class depends on 2 before it at most"),
        ({"order": -1}, "order came as -1: give a whole number of at least 0"),
        ({"order": 0, "stationary": True}, "Stationary transitions are of order 1"),
        ({"order": 0, "covariates_by_origin": True}, "covariates_by_origin=True came with order=0"),
        ({"additive": True}, "additive=True came with order=1: main effects of earlier classes are those of two"),
        ({"item_covariates": "x"}, "item_covariates came as 'x': give a formula, or one for each occasion, by item"),
        ({"item_covariates": {"q": "x"}}, "item_covariates came for 'q', which is not among the items"),
        ({"item_covariates": {"one": ["x"]}}, "one formula, or one for each of the 3 occasions"),
    ],
)
def test_bad_input_is_refused(settings, words):
    settings = {"waves": THREE, "classes": 2, **NAMED} | settings
    with pytest.raises(ValueError, match=words):
        lta(settings.pop("waves"), settings.pop("classes"), **settings)
