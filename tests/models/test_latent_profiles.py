"""Normal items with residual covariances within classes: densities, counts, recovery, collapses, refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from bayesmix.models import fma, lca
from numpy.testing import assert_allclose
from scipy import special, stats

import bayesmix as bm
from bayesmix.graph import LogLikelihood
from bayesmix.ml.residual_matrices import conditional_sds
from bayesmix.ml.search import Start, Task, run_start
from bayesmix.ml.starts import ranges
from bayesmix.spec.families import covariance_matrices
from declare import target

ITEMS = ["a", "b", "c", "d"]
PAIRS = [("a", "b"), ("b", "d")]
STRUCTURES = {
    "equal, equal": {"covariance": "equal"},
    "class, equal": {"variance": "class", "covariance": "equal"},
    "equal, class": {"covariance": "class"},
    "class, class": {"variance": "class", "covariance": "class"},
    "pairs": {"variance": "class", "covariance": PAIRS},
    "pairs by class": {"covariance": PAIRS, "covariance_by_class": True},
}
TRUTH = {
    "class_logit": np.array([0.5, 0.0]),
    "item_intercept": np.array([[0.0, 1.0, -1.0, 2.0], [2.5, -1.0, 1.0, 4.0]]),
    "item_sd": np.array([[1.0, 1.5, 0.8, 2.0], [0.7, 1.2, 1.1, 1.5]]),
    "item_covariance": np.array([[0.6, -0.2, 0.5, 0.1, 1.2, -0.3], [-0.3, 0.1, 0.2, 0.5, 0.4, 0.6]]),
}


@pytest.fixture(scope="module")
def profiles() -> pd.DataFrame:
    """800 rows of two classes with covariance matrices of their own, a tenth of the answers missing."""
    df = bm.simulate(lca(ITEMS, 2, family=bm.normal(), variance="class", covariance="class"), TRUTH, n=800, seed=2)
    gone = np.random.default_rng(1).random((800, 4)) < 0.1
    return df[ITEMS].mask(gone)


@pytest.fixture(scope="module")
def solution(profiles):
    """The solution with covariance matrices by class."""
    return bm.fit(declared("class, class"), profiles, starts=6, rounds=1, progress=False, budget=0, simpler=False)


def declared(structure: str, classes: int = 2):
    return lca(ITEMS, classes, family=bm.normal(), **STRUCTURES[structure])


def point(data, seed: int = 0):
    """Natural parameters near the margins, with matrices that are positive definite."""
    rng, limits = np.random.default_rng(seed), ranges(data)
    theta = limits.center + 0.3 * limits.unit * rng.standard_normal(data.packing.size)
    return limits.startable(theta)


def matrices(model, values) -> np.ndarray:
    """(class, item, item), whatever varies over classes."""
    (r,) = [r for r in model.responses if r.family.joint]
    sd, beside = values["item_sd"], values["item_covariance"]
    size = model.classes[0].size
    sd = np.broadcast_to(sd, (size, sd.shape[-1]))
    return covariance_matrices(sd, np.broadcast_to(beside, (size, beside.shape[-1])), r.pair_places)


def loop(model, df, values, items=ITEMS, mean=None) -> float:
    """The log-likelihood by SciPy's density of the answers that are there, a row and a class at a time."""
    sigma, total = matrices(model, values), 0.0
    log_share = values["class_logit"] - special.logsumexp(values["class_logit"])
    for i, y in enumerate(df[items].to_numpy(float)):
        seen = ~np.isnan(y)
        each = []
        for c in range(model.classes[0].size):
            mu = values["item_intercept"][c] if mean is None else mean(i, c)
            own = stats.multivariate_normal(mu[seen], sigma[c][np.ix_(seen, seen)]) if seen.any() else None
            each.append(log_share[c] + (own.logpdf(y[seen]) if own is not None else 0.0))
        total += special.logsumexp(each) if seen.any() else 0.0
    return total


@pytest.mark.parametrize("structure", STRUCTURES)
def test_the_density_is_that_of_answers_that_are_there(structure, profiles):
    model, df = declared(structure, 3), profiles.head(150)
    data = target(model, df)
    theta = point(data)
    values = data.natural(theta)
    assert_allclose(LogLikelihood(data).value(theta), loop(model, df, values), rtol=1e-11)
    assert_allclose(bm.log_likelihood(model, df, values), loop(model, df, values), rtol=1e-11)
    whole = df.dropna()
    assert_allclose(bm.log_likelihood(model, whole, values), loop(model, whole, values), rtol=1e-11)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_the_gradient_is_that_of_differences(structure, profiles):
    data = target(declared(structure), profiles.head(100))
    theta, f = point(data), LogLikelihood(data)
    steps = 1e-5 * np.diag(ranges(data).unit)
    found = (f.value(theta + steps) - f.value(theta - steps)) / 2e-5
    assert_allclose(f.value_and_gradient(theta)[1] * ranges(data).unit, found, rtol=1e-6, atol=1e-5)


def test_rows_of_one_matrix_and_rows_with_several_patterns_of_missing_answers_agree_by_other_engines(profiles):
    pytest.importorskip("jax")
    data = target(declared("class, class"), profiles.head(100))
    theta = point(data)
    value, gradient = LogLikelihood(data).value_and_gradient(theta)
    other, slope = LogLikelihood(data, "JAX").value_and_gradient(theta)
    assert_allclose(other, value, rtol=1e-11)
    assert_allclose(slope, gradient, rtol=1e-7, atol=1e-8)


def test_a_solution_handed_in_begins_where_it_is_however_near_a_plane_a_class_lies():
    """A random start there begins with less of its covariances: it has no reason to be there."""
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(2, 150))
    flat = np.column_stack([a + 4.0, b, a + b + 0.03 * rng.normal(size=150)])[:40]
    df = pd.DataFrame(np.concatenate([flat, rng.normal(size=(150, 3))]), columns=["a", "b", "c"])
    model = lca(["a", "b", "c"], 2, family=bm.normal(), variance="class", covariance="class")
    data = target(model, df)
    cov = [np.cov(x.T, ddof=0) for x in (df.iloc[:40], df.iloc[40:])]
    values = {
        "class_logit": np.array([np.log(40 / 150), 0.0]),
        "item_intercept": np.array([df.iloc[:40].mean(), df.iloc[40:].mean()]),
        "item_sd": np.array([np.sqrt(np.diag(s)) for s in cov]),
        "item_covariance": np.array([s[[0, 0, 1], [1, 2, 2]] for s in cov]),
    }
    there, limits = bm.log_likelihood(model, df, values), ranges(data)
    given, drawn = (
        run_start(Task(data, limits, Start(k, data.pack(values), origin=o), 1, None))
        for k, o in enumerate(("given", "random"))
    )
    assert given.short >= there - 1e-8
    assert drawn.short < there - 10


def test_a_matrix_that_is_none_has_no_log_likelihood_and_ends_no_evaluation(profiles):
    data = target(declared("class, class"), profiles.head(50))
    good = point(data)
    values = data.natural(good)
    values["item_covariance"][0, 0] = 5.0 * values["item_sd"][0, 0] * values["item_sd"][0, 1]
    both = np.stack([good, data.pack(values)])
    value, gradient = LogLikelihood(data).value_and_gradient(both)
    assert np.isfinite(value[0])
    assert np.isfinite(gradient[0]).all()
    assert np.isnan(value[1])


@pytest.mark.parametrize(
    ("structure", "counts"),
    # Mplus, four items: K = 2, 3, 4
    [("equal, equal", (19, 24, 29)), ("class, equal", (23, 32, 41)), ("equal, class", (25, 36, 47)),
     ("class, class", (29, 44, 59))],
)  # fmt: skip
def test_parameters_are_as_many_as_mplus_counts(structure, counts, profiles):
    assert tuple(bm.prepare(declared(structure, k), profiles).packing.size for k in (2, 3, 4)) == counts


def test_covariances_of_zero_are_none(profiles):
    plain = lca(ITEMS, 2, family=bm.normal(), variance="class")
    joint = bm.constrain(
        declared("class, class"),
        fix={
            f"item_covariance[{c}, {a}, {b}]": 0.0
            for c in (1, 2)
            for a, b in declared("class, class").responses[0].pairs
        },
    )
    values = {k: v for k, v in TRUTH.items() if k != "item_covariance"}
    held = values | {"item_covariance": np.zeros((2, 6))}
    assert_allclose(bm.log_likelihood(joint, profiles, held), bm.log_likelihood(plain, profiles, values), rtol=1e-12)


def test_a_factor_with_a_residual_covariance_is_integrated_exactly(profiles):
    """(36)-(37) with pairs, direct effects of a covariate on an item: the marginal distribution is normal."""
    df = profiles.head(120).assign(x=np.random.default_rng(3).normal(size=120))
    model = fma(ITEMS, 2, family=bm.normal(), covariance=[("a", "b")], item_covariates={"c": "x"})
    values = {
        "class_logit": TRUTH["class_logit"], "item_intercept": TRUTH["item_intercept"],
        "item_sd": np.array([1.0, 1.3, 0.9, 1.8]), "loading": np.array([0.5, 0.9, -0.4, 1.1]),
        "item_covariance": np.array([0.7]), "item_slope": np.array([[0.0], [0.0], [0.8], [0.0]]),
    }  # fmt: skip
    implied = {**values, "item_covariance": values["item_covariance"]}
    sigma = matrices(model, implied) + np.outer(values["loading"], values["loading"])
    total, log_share = 0.0, values["class_logit"] - special.logsumexp(values["class_logit"])
    for y, x in zip(df[ITEMS].to_numpy(float), df["x"], strict=True):
        seen = ~np.isnan(y)
        mu = values["item_intercept"] + values["item_slope"][:, 0] * x
        total += special.logsumexp([
            log_share[c] + stats.multivariate_normal(mu[c][seen], sigma[c][np.ix_(seen, seen)]).logpdf(y[seen])
            for c in range(2)
        ])  # fmt: skip
    assert bm.prepare(model, df).nodes == {"individual": bm.exact()}
    assert_allclose(bm.log_likelihood(model, df, values), total, rtol=1e-10)
    fine = bm.log_likelihood(model, df, values, nodes=bm.gauss_hermite(60))
    assert_allclose(fine, total, rtol=1e-8)


def test_normal_items_beside_others_and_in_clusters(profiles):
    """Covariances of the normal items of a two-level model with other items."""
    rng = np.random.default_rng(5)
    df = profiles.head(120).assign(u=rng.integers(0, 2, 120), g=np.arange(120) % 12)
    family = dict.fromkeys(ITEMS, bm.normal()) | {"u": bm.bernoulli()}
    single = lca([*ITEMS, "u"], 2, family=family, covariance="equal")
    assert [r.family.joint for r in single.responses] == [True, False]
    names = {p.name: p for p in single.parameters}
    values = {
        "class_logit": TRUTH["class_logit"], "item_intercept_normal": TRUTH["item_intercept"],
        "item_sd_normal": TRUTH["item_sd"][0], "item_covariance_normal": TRUTH["item_covariance"][0],
        "item_intercept_bernoulli": np.array([[0.3], [-0.6]]),
    }  # fmt: skip
    assert {*values} == {*names}
    sigma = covariance_matrices(
        values["item_sd_normal"], values["item_covariance_normal"], single.responses[0].pair_places
    )
    log_share = values["class_logit"] - special.logsumexp(values["class_logit"])
    total = 0.0
    for y, u in zip(df[ITEMS].to_numpy(float), df["u"], strict=True):
        seen = ~np.isnan(y)
        p = special.expit(values["item_intercept_bernoulli"][:, 0])
        total += special.logsumexp([
            log_share[c] + np.log(p[c] if u else 1 - p[c])
            + stats.multivariate_normal(TRUTH["item_intercept"][c][seen], sigma[np.ix_(seen, seen)]).logpdf(y[seen])
            for c in range(2)
        ])  # fmt: skip
    assert_allclose(bm.log_likelihood(single, df, values), total, rtol=1e-11)
    clustered = lca([*ITEMS, "u"], 2, family=family, covariance="equal", cluster="g")
    none = {"cluster_loading": np.array([[1e-9, 0.0]])}
    for nodes in (bm.trapezoid(5), bm.adaptive(3)):
        with_none = bm.log_likelihood(clustered, df, values | none, nodes=nodes)
        assert_allclose(with_none, total, rtol=1e-7)


# estimates ------------------------------------------------------------------------------------


def test_one_class_is_the_sample_covariance_matrix():
    y = np.random.default_rng(3).multivariate_normal([1, 2, 3, 4], np.diag([1.0, 2, 3, 4]) + 0.5, 300)
    df = pd.DataFrame(y, columns=ITEMS)
    fit = bm.fit(declared("equal, equal", 1), df, progress=False)
    s = np.cov(y.T, ddof=0)
    assert_allclose(matrices(fit.model, {k: x.values for k, x in fit.params.items()})[0], s, rtol=1e-5)
    assert_allclose(fit.loglik, stats.multivariate_normal(y.mean(axis=0), s).logpdf(y).sum(), rtol=1e-10)
    correlation = fit.derived["item_correlation"].sel(item_pair="a, c")
    assert_allclose(float(correlation), np.corrcoef(y.T)[0, 2], rtol=1e-5)
    # of a normal sample the SE of a correlation is (1 - r^2) / sqrt(n); robust ones are near
    assert_allclose(
        float(fit.derived_se["item_correlation"].sel(item_pair="a, c")), (1 - correlation**2) / 300**0.5, rtol=0.2
    )


def test_classes_are_found_again(solution):
    values = {k: x.values for k, x in solution.params.items()}
    for name in ("item_intercept", "item_sd", "item_covariance"):
        assert (np.abs(values[name] - TRUTH[name]) < 4.5 * solution.se[name].values).all()
    assert not solution.collapsed
    assert np.isfinite(solution.se["item_covariance"]).all()


def test_more_general_structures_are_no_worse(profiles, solution):
    settings = {"starts": 4, "rounds": 1, "progress": False, "budget": 0, "simpler": False}
    equal = bm.fit(declared("class, equal"), profiles, **settings)
    none = bm.fit(lca(ITEMS, 2, family=bm.normal(), variance="class"), profiles, **settings)
    assert none.loglik < equal.loglik < solution.loglik
    test = bm.likelihood_ratio(equal, solution)
    assert test.df == 6
    assert test.p < 0.01


def test_simulated_rows_have_the_covariances(solution):
    df = bm.simulate(solution, n=60_000, seed=4)
    sigma = matrices(solution.model, {k: x.values for k, x in solution.params.items()})
    for c in (0, 1):
        own = df.loc[df["true_C"] == c + 1, ITEMS]
        assert_allclose(own.cov(ddof=0).to_numpy(), sigma[c], atol=0.06)


def test_residuals_know_the_covariances(profiles, solution):
    whole = profiles.dropna()
    fit = bm.fit(solution.model, whole, progress=False, starts=4, rounds=1, budget=0, simpler=False)
    numbers = bm.residuals(fit, whole).numbers
    # the moments of a maximum with full matrices are those of the sample
    assert_allclose(numbers["expected"], numbers["observed"], atol=2e-3)
    plain = bm.fit(
        lca(ITEMS, 2, family=bm.normal(), variance="class"), whole, progress=False, starts=4, rounds=1, budget=0
    )
    assert (bm.residuals(plain, whole).numbers["z"].abs().max()) > 2


def test_posterior_probabilities_are_bayes_rule(profiles, solution):
    values = {k: x.values for k, x in solution.params.items()}
    sigma, mu = matrices(solution.model, values), values["item_intercept"]
    y = profiles.dropna().to_numpy(float)[:5]
    log_p = np.stack([stats.multivariate_normal(mu[c], sigma[c]).logpdf(y) for c in (0, 1)], axis=1)
    p = special.softmax(log_p + values["class_logit"], axis=1)
    found = bm.class_probabilities(solution).loc[profiles.dropna().index[:5], ["C=1", "C=2"]]
    assert_allclose(found, p, atol=1e-8)


def test_a_saved_fit_and_its_listing_have_the_covariances(solution, tmp_path):
    solution.save(tmp_path / "fit.nc")
    back = bm.Fit.load(tmp_path / "fit.nc")
    assert back.model == solution.model
    assert_allclose(back.params["item_covariance"], solution.params["item_covariance"])
    text = bm.report(solution)
    assert "a WITH b" in text
    assert "CORRELATIONS OF RESIDUALS WITHIN CLASSES" in text
    assert solution.summary().loc["item_covariance[1, a, b]", "free"]


def test_entries_are_held_equal_by_their_labels(profiles):
    model = bm.constrain(
        declared("class, class"), equal=[[f"item_covariance[1, {a}, {b}]", f"item_covariance[2, {a}, {b}]"]
                                         for a, b in declared("class, class").responses[0].pairs],
    )  # fmt: skip
    assert bm.prepare(model, profiles).packing.size == bm.prepare(declared("class, equal"), profiles).packing.size


# collapses ------------------------------------------------------------------------------------


def test_a_class_of_answers_on_a_line_collapses_and_ranks_behind():
    rng = np.random.default_rng(6)
    df = pd.DataFrame(rng.normal(size=(200, 3)), columns=list("abc"))
    df.loc[:14, "b"] = df.loc[:14, "a"] + 1e-7 * rng.normal(size=15)  # marginal SDs stay what they are
    model = lca(list("abc"), 2, family=bm.normal(), variance="class", covariance="class")
    fit = bm.fit(model, df, starts=20, rounds=1, seed=1, progress=False, budget=0, simpler=False)
    gone = fit.starts[fit.starts["status"].str.startswith("collapsed")]
    assert gone["status"].str.contains("given the other items in class").any()
    assert not fit.starts["status"].iloc[0].startswith("collapsed")
    sigma = matrices(model, {k: x.values for k, x in fit.params.items()})
    assert conditional_sds(sigma).min() > 0.05


def test_a_collapsed_matrix_is_told_by_its_item():
    model = declared("class, class")
    df = pd.DataFrame(np.random.default_rng(1).normal(size=(100, 4)), columns=ITEMS)
    limits = ranges(data := target(model, df))
    values = data.natural(point(data))
    values["item_covariance"][1] = 0.0
    values["item_sd"][:] = 1.0
    assert not limits.lost(data.pack(values)[None])[0]
    values["item_covariance"][1, 0] = 0.99999
    assert limits.lost(data.pack(values)[None])[0]
    (m,) = limits.matrices
    assert m.words(tuple(np.argwhere(m.collapsed(data.pack(values)[None])[0])[0])) == (
        "the residual SD of a given the other items in class 2"
    )


def test_the_penalty_of_first_steps_has_its_gradient():
    df = pd.DataFrame(np.random.default_rng(1).normal(size=(100, 4)), columns=ITEMS)
    for structure in ("class, class", "equal, class", "pairs by class"):
        data = target(declared(structure), df)
        limits, theta = ranges(data), point(data)
        _, gradient = limits.soft(theta, 3.0)
        steps = 1e-6 * np.eye(len(theta))
        found = [(limits.soft(theta + h, 3.0)[0] - limits.soft(theta - h, 3.0)[0]) / 2e-6 for h in steps]
        assert_allclose(gradient, found, rtol=1e-5, atol=1e-6)


# refusals -------------------------------------------------------------------------------------

NUMBERS = pd.DataFrame(np.random.default_rng(2).normal(size=(60, 4)), columns=ITEMS)
NORMAL = {"family": bm.normal()}
BAD = {
    "another word": (lambda: lca(ITEMS, 2, covariance="full", **NORMAL), "The covariance came as 'full': give 'none'"),
    "not normal": (lambda: lca(ITEMS, 2, covariance="equal"), "but no item is normal"),
    "pair of others": (
        lambda: lca(ITEMS, 2, covariance=[("a", "b")], family={"a": bm.normal()}),
        "A covariance came for 'b', whose family is nominal",
    ),
    "unknown item": (lambda: lca(ITEMS, 2, covariance=[("a", "e")], **NORMAL), "'e', which is not among the items"),
    "one item": (lambda: lca(["a"], 2, covariance="equal", **NORMAL), "the one normal item 'a'"),
    "itself": (lambda: lca(ITEMS, 2, covariance=[("a", "a")], **NORMAL), "one item twice"),
    "twice": (lambda: lca(ITEMS, 2, covariance=[("a", "b"), ("b", "a")], **NORMAL), "twice: give it once"),
    "no pair": (lambda: lca(ITEMS, 2, covariance=["ab"], **NORMAL), "which is no pair of items"),
    "nothing": (lambda: lca(ITEMS, 2, covariance=[], **NORMAL), "an empty list"),
    "by class": (
        lambda: lca(ITEMS, 2, covariance="equal", covariance_by_class=True, **NORMAL),
        "covariance_by_class came as True",
    ),
    "linear variance": (
        lambda: lca(ITEMS, 2, covariance="equal", family=bm.normal(linear_variance=True)), "linear variance"
    ),
    "factors": (lambda: fma(ITEMS, 2, covariance="equal", **NORMAL), "leave nothing to them"),
    "collinear": (
        lambda: bm.prepare(declared("class, class"), NUMBERS.assign(d=NUMBERS["a"] - 2 * NUMBERS["b"])),
        "Item 'd' is a linear combination of a, b, c",
    ),
    "few rows": (lambda: bm.prepare(declared("class, class"), NUMBERS.head(4)), "4 items came with 4 rows"),
    "constant": (lambda: bm.prepare(declared("class, class"), NUMBERS.assign(d=1.0)), "Item 'd' is constant"),
    "never together": (
        lambda: bm.prepare(
            declared("class, class"), NUMBERS.assign(a=NUMBERS["a"].where(NUMBERS.index < 30),
                                                     b=NUMBERS["b"].where(NUMBERS.index >= 30)),
        ),
        "No row has an answer to both 'a' and 'b'",
    ),
    "no matrix": (
        lambda: bm.simulate(declared("class, class"), TRUTH | {"item_covariance": np.full((2, 6), 9.0)}, n=5),
        "not positive definite",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_is_refused_in_words(case):
    make, words = BAD[case]
    with pytest.raises(ValueError, match=r".") as error:
        make()
    assert words in str(error.value)


# Mplus ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("structure", STRUCTURES)
def test_an_mplus_input_says_the_same_model(structure, profiles, tmp_path):
    model = declared(structure)
    names = bm.mplus.write(model, profiles, tmp_path / "run.inp")
    back = bm.mplus.model(bm.mplus.read_input(tmp_path / "run.inp"))
    capital = lca([names[i] for i in ITEMS], 2, family=bm.normal(), **{
        k: [(names[a], names[b]) for a, b in v] if k == "covariance" and not isinstance(v, str) else v
        for k, v in STRUCTURES[structure].items()
    })  # fmt: skip
    assert back == capital


@pytest.mark.slow
def test_nuts_agrees_with_maximum_likelihood(profiles, solution):
    post = bm.sample(solution, profiles, draws=300, tune=300, chains=2, seed=1, progress=False)
    table = bm.compare(solution, post).table
    own = table[table.index.str.startswith(("item_covariance", "item_sd"))]
    assert ((own["ml"] - own["mean"]).abs() < 0.5 * own["ml_se"]).all()
    assert own["r_hat"].max() < 1.05
    assert int(post["sample_stats"]["diverging"].sum()) == 0
    assert post["prior"].sizes["draw"] > 0
