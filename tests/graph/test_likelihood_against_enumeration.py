"""The graph against a loop over every class path and node, for declared and for random models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bm
from bayesmix.graph.compile import LogLikelihood, _compiled, _of_units
from bayesmix.ml import curvature
from bayesmix.spec.model import LatentClass, Parameter, Response, Term
from declare import (
    W,
    X,
    by_unit,
    effect,
    evaluate,
    frame,
    give_effects,
    logits,
    mean,
    measure,
    model,
    on_logits,
    oracle_for,
    random_values,
    target,
)
from random_models import random_model

RTOL = 1e-10
NODES = {"trapezoid": bm.trapezoid(4, 2.5), "gauss_hermite": bm.gauss_hermite(3), "monte_carlo": bm.monte_carlo(5)}


# declared models ----------------------------------------------------------------------------------


def lca_ragged():
    return model([measure("nominal", "C"), measure("ordinal", "C")], [logits("C", size=3)], freq=True)


def lca_covariates():
    c = logits("C", size=3, more=(on_logits("C", covariates=X),))
    return model([measure("oprobit", "C"), measure("count", "C"), measure("normal", "C", sd_by=("C",))], [c])


def one_class():
    return model([measure("binary", "C"), measure("normal", "C")], [logits("C", size=1)])


def factor_model():
    """No class at all."""
    return model(
        [measure("probit", effects=("f",)), measure("normal", effects=("f",))], (), [effect("f", "individual")]
    )


def gom():
    """(28)-(35), finite families."""
    c = logits("C", level="item", more=(on_logits("C", effects=("f",)),))
    return model([measure(k, "C") for k in ("binary", "nominal", "ordinal")], [c], [effect("f", "individual")])


def gom_not_finite():
    c = logits("C", level="item", size=3, more=(on_logits("C", effects=("f",), covariates=X),))
    return model([measure("normal", "C", sd_by=("C",)), measure("count", "C")], [c], [effect("f", "individual")])


def gom_two_level():
    """Item-level classes of persons in clusters, some families finite, some not."""
    c = logits("C", level="item", more=(on_logits("C", effects=("f", "u")),))
    effects = [effect("u"), effect("f", "individual", (mean("f", effects=("u",)),))]
    return model([measure("binary", "C"), measure("count", "C")], [c], effects, two_level=True)


def factor_mixture():
    """(36)-(37): a factor whose mean and SD depend on the class."""
    f = effect("f", "individual", (mean("f", "C"),), ("C",))
    return model([measure("probit", "C", effects=("f",)), measure("nominal", effects=("f",))], [logits("C")], [f])


def fma_gom():
    """(38)-(41): one effect in the responses, one in the item-level class logits, both in one family."""
    c = logits("C", level="item", more=(on_logits("C", effects=("m",)),))
    effects = [effect("m", "individual"), effect("f", "individual", (mean("f", effects=("m",)),))]
    return model([measure("binary", "C", effects=("f", "m")), measure("ordinal", "C", effects=("f",))], [c], effects)


def irt_3pl():
    """(42)-(50): in class 1 the answer is right whatever the ability, tau = (15, free)."""
    c = LatentClass("C", 2, "item", (Term(Parameter("guess", ("item_binary", "C"), fixed=(bm.at(0.0, C=-1),))),))
    tau = Parameter("tau", ("item_binary", "C"), fixed=(bm.at(15.0, C=0),))
    slope = Parameter("slope", ("item_binary", "C"), fixed=(bm.at(0.0, C=0),))
    r = replace(measure("binary"), predictor=(Term(tau), Term(slope, None, ("f",))))
    return model([r], [c], [effect("f", "individual")])


def _waves(kind: str = "binary"):
    """Two occasions of the same items, one parameter: the second is other columns."""
    first = measure(kind, "C")
    again = {"binary": ("b3", "b4"), "ordinal": ("p3", "p4")}[kind]
    for name, items in (("C1", first.items), ("C2", again)):
        rename = (("C", name),)
        terms, auxiliary = (
            tuple(replace(t, rename=rename) for t in each) for each in (first.predictor, first.auxiliary)
        )
        yield replace(first, name=name, items=items, predictor=terms, auxiliary=auxiliary)


def lta():
    """(6)-(9): C2 given C1 and covariates, measurement shared by rename."""
    c2 = logits("C2", "C1", more=(on_logits("C2", "C1", covariates=X),))
    return model(_waves(), [logits("C1"), c2])


def lta_two_level():
    """(10)-(15): random logits of both occasions, the second's regressed on the first's."""
    c1 = logits("C1", more=(on_logits("C1", effects=("u1",)),))
    c2 = logits("C2", "C1", more=(on_logits("C2", effects=("u2",)),))
    effects = [effect("u1"), effect("u2", mean=(mean("u2", effects=("u1",)), mean("u2", covariates=W)))]
    return model(_waves(), [c1, c2], effects, two_level=True, freq=True)


def triangular_loadings():
    """(4)-(5): two factors in three class logits, the loadings a lower triangle of fixed entries."""
    fixed = (bm.at(0.0, C=-1), bm.at(1.0, C=0, effect=0), bm.at(0.0, C=0, effect=1), bm.at(1.0, C=1, effect=1))
    load = Term(Parameter("load", ("effect", "C"), fixed=fixed), None, ("u1", "u2"))
    return model([measure("nominal", "C")], [logits("C", size=3, more=(load,))], [effect("u1"), effect("u2")], True)


def between_class():
    """(16)-(18): D at the cluster level, class logits, effect mean and SD by D."""
    c = logits("C", "D", more=(on_logits("C", effects=("u",)),))
    d = logits("D", level="cluster", more=(on_logits("D", covariates=W),))
    return model(
        [measure("binary", "C"), measure("count", "C")],
        [d, c],
        [effect("u", mean=(mean("u", "D"),), sd_by=("D",))],
        True,
    )


def within_and_between():
    """(22)-(26): responses by both classes, and the effect with a slope in them."""
    d, c = logits("D", level="cluster"), logits("C", "D", size=3)
    r = [measure("normal", "D", "C", effects=("u",), sd_by=("D",)), measure("ordinal", "C")]
    return model(r, [d, c], [effect("u", mean=(mean("u", "D"),))], True, freq=True)


def regression_mixture():
    """R(1)-R(2): slopes by class."""
    return model(
        [measure("normal", "C", covariates=X, sd_by=("C",)), measure("count", "C", covariates=X)], [logits("C")]
    )


def random_slopes():
    """R(18)-R(25): covariates times effects, in the responses and in the class logits."""
    r = measure("normal", "C", covariates=X)
    slope = Term(Parameter("random", ("x", "item_normal", "effect")), X, ("u", "b"), "effect")
    c = logits("C", more=(on_logits("C", covariates=X, effects=("b",), tag="b"),))
    return model([replace(r, predictor=(*r.predictor, slope))], [c], [effect("u"), effect("b")], two_level=True)


def effects_of_both_levels():
    """A factor of persons that loads on one of clusters and on covariates, class in between."""
    f = effect("f", "individual", (mean("f", effects=("u",)), mean("f", covariates=X), mean("f", "C")))
    c = logits("C", more=(on_logits("C", effects=("u",)),))
    return model(
        [measure("probit", effects=("f",)), measure("normal", "C", effects=("f", "u"))], [c], [effect("u"), f], True
    )


def cluster_covariates_of_individuals():
    """Covariates of clusters in class logits and responses of individuals, without effects."""
    c = logits("C", more=(on_logits("C", covariates=W),))
    return model([measure("binary", "C"), measure("normal", "C", covariates=W)], [c], two_level=True)


def cluster_covariates_of_factor():
    """Covariates of clusters in the mean of an effect of individuals."""
    f = effect("f", "individual", (mean("f", covariates=W),))
    return model([measure("normal", effects=("f",))], (), [f], two_level=True)


def between_chain():
    """Two cluster-level classes, the second given the first, and two individual-level ones."""
    d = [logits("D", level="cluster"), logits("E", "D", level="cluster", more=(on_logits("E", covariates=W),))]
    return model(_waves(), [*d, logits("C1", "D"), logits("C2", "C1", "E")], two_level=True)


def class_logits_on_factor():
    """An individual-level class that depends on an individual-level factor."""
    c = logits("C", size=3, more=(on_logits("C", effects=("f",)),))
    return model([measure("binary", "C"), measure("oprobit", effects=("f",))], [c], [effect("f", "individual")])


def between_class_on_effect():
    """A cluster-level class that depends on a cluster-level effect."""
    d = logits("D", level="cluster", more=(on_logits("D", effects=("u",)),))
    return model([measure("binary", "D", effects=("u",))], [d], [effect("u")], two_level=True)


def shared_by_items():
    """Parameters without a dim of items."""
    r = [replace(measure(k), predictor=(Term(Parameter(f"nu_{k}", ("C",))),)) for k in ("binary", "count", "normal")]
    return model(r, [logits("C")])


def item_chain():
    """Two item-level classes, the second given the first, of which alone the answer depends."""
    c = [logits("A", level="item", more=(on_logits("A", effects=("f",)),)), logits("B", "A", level="item")]
    return model([measure("binary", "B"), measure("count", "B")], c, [effect("f", "individual")])


def waves_of_ordinal():
    return model(_waves("ordinal"), [logits("C1"), logits("C2", "C1")])


def unequal_waves():
    """Shared measurement, where one occasion has a category that the other lacks."""
    first, second = _waves("ordinal")
    return model([replace(first, items=("o2", "o5")), second], [logits("C1"), logits("C2", "C1")])


def unequal_widths():
    """Two responses with one dim of categories, of which one has fewer, and no shared parameter."""
    other = Parameter("nu_other", ("item_other", "C", "category_nominal"), fixed=(bm.at(0.0, category_nominal=0),))
    second = Response("other", ("p4",), bm.nominal(), (Term(other),), (), "item_other", "category_nominal")
    return model([measure("nominal", "C"), second], [logits("C")])


def inflated_counts():
    """Zeros that nobody counted, by class; factors and covariates in the counts."""
    r = [measure("zip", "C", effects=("f",)), replace(measure("count", "C"), items=("p3", "p4"))]
    return model(r, [logits("C")], [effect("f", "individual")])


def inflated_dispersed_counts():
    """The same with a dispersion, and with covariates: a table for each individual."""
    return model([measure("zinb", "C", covariates=X), measure("normal", "C")], [logits("C")], freq=True)


def inflated_plain():
    """One table for all, in clusters with classes."""
    return model([measure("zinb", "D", "C")], [logits("D", level="cluster"), logits("C", "D")], two_level=True)


def overdispersed_counts():
    """Negative binomial counts with an effect of clusters."""
    return model([measure("overdispersed", "C", effects=("u",))], [logits("C")], [effect("u")], two_level=True)


def successes():
    """Binomial answers with trials by row, and with classes of items."""
    return model([measure("trials", "C")], [logits("C", level="item")])


def successes_of_nine():
    """Nine trials in all rows; a probit with random slopes."""
    return model([measure("of_nine", "C", covariates=X, effects=("u",))], [logits("C")], [effect("u")], two_level=True)


def successes_plain():
    """Trials by row and one table for all."""
    return model([measure("trials", "C")], [logits("C")], freq=True)


def within_limits():
    """Censored answers with an SD by class and a factor."""
    return model([measure("tobit", "C", effects=("f",), sd_by=("C",))], [logits("C")], [effect("f", "individual")])


def within_limits_plain():
    """Censored answers in clusters, covariates of the class alone."""
    c = logits("C", more=(on_logits("C", covariates=X),))
    return model([measure("tobit", "C", sd_by=("C",)), measure("trials", "C")], [c], two_level=True)


def partial_credit():
    """Adjacent categories with a factor, items of other numbers of categories."""
    r = [measure("partial", "C", effects=("f",)), measure("binary", "C", effects=("f",))]
    return model(r, [logits("C")], [effect("f", "individual")])


def partial_credit_with_covariates():
    return model([measure("partial", "C", covariates=X)], [logits("C")], freq=True)


DECLARED = [
    lca_ragged, lca_covariates, one_class, factor_model, gom, gom_not_finite, gom_two_level, factor_mixture, fma_gom,
    irt_3pl, lta, lta_two_level, triangular_loadings, between_class, within_and_between, regression_mixture,
    random_slopes, effects_of_both_levels, cluster_covariates_of_individuals, cluster_covariates_of_factor,
    between_chain, class_logits_on_factor, between_class_on_effect, shared_by_items, item_chain, waves_of_ordinal,
    unequal_waves, unequal_widths, inflated_counts, inflated_dispersed_counts, inflated_plain, overdispersed_counts,
    successes, successes_of_nine, successes_plain, within_limits, within_limits_plain, partial_credit,
    partial_credit_with_covariates,
]  # fmt: skip


def ways(declared) -> list:
    """Every way to treat its effects: which nodes, and which levels are sampled."""
    levels = [level for level in ("cluster", "individual") if declared().effects_at(level)]
    sampled = [(level,) for level in levels] + ([tuple(levels)] if len(levels) == 2 else [])
    each = [(n, ()) for n in (NODES if levels else ["trapezoid"])] + [("trapezoid", s) for s in sampled]
    return [pytest.param(declared, n, s, id="-".join((declared.__name__, n, *s))) for n, s in each]


@pytest.mark.parametrize(("declared", "nodes", "sampled"), [way for d in DECLARED for way in ways(d)])
def test_units_equal_enumeration(declared, nodes, sampled):
    df = frame()
    data, given = give_effects(bm.prepare(declared(), df, NODES[nodes], sampled))
    values = random_values(data, seed=1)
    expected = oracle_for(data, df, values, given).units()
    assert_allclose(by_unit(data, evaluate(data, values)), expected, rtol=RTOL, atol=1e-14)


# random models ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [*range(19), 20])  # with 19 the rows that tell a slope have collinear covariates
def test_random_models_equal_enumeration(seed):
    declared, df = random_model(seed), frame(seed, rows=3)
    sampled = tuple(level for level in ("cluster", "individual") if (seed + len(level)) % 3 == 0)
    sampled = tuple(level for level in sampled if declared.effects_at(level))
    data, given = give_effects(bm.prepare(declared, df, list(NODES.values())[seed % 3], sampled, bool(seed % 2)))
    values = random_values(data, seed)
    expected = oracle_for(data, df, values, given).units()
    assert_allclose(by_unit(data, evaluate(data, values)), expected, rtol=RTOL, atol=1e-14)


# gradients ----------------------------------------------------------------------------------------


def difference(function, x: np.ndarray, step: float = 1e-3) -> np.ndarray:
    """Central differences of fourth order, along each entry of x."""
    out = []
    for e in np.eye(len(x)) * step:
        near, far = function(x + e) - function(x - e), function(x + 2 * e) - function(x - 2 * e)
        out.append((8 * near - far) / (12 * step))
    return np.array(out)


@pytest.mark.parametrize(
    ("declared", "sampled"),
    [(gom_not_finite, ()), (lta_two_level, ()), (within_and_between, ("cluster",)), (unequal_waves, ())],
)
def test_gradient_is_the_difference_of_the_log_likelihood(declared, sampled):
    df = frame()
    data, given = give_effects(bm.prepare(declared(), df, NODES["gauss_hermite"], sampled))
    values = random_values(data, seed=2)
    theta, gradient = data.pack(values), LogLikelihood(data).value_and_gradient
    value, slope = gradient(theta)
    assert_allclose(value, oracle_for(data, df, values, given).total(), rtol=RTOL)
    assert_allclose(slope, difference(lambda x: gradient(x)[0], theta), rtol=1e-8, atol=1e-8)


def test_curvature_is_the_difference_of_gradients_and_scores_add_up():
    data = target(lta(), frame())
    theta = data.pack(random_values(data, seed=3))
    c, gradient = curvature(data, theta), LogLikelihood(data).value_and_gradient
    assert_allclose(-c.information, difference(lambda x: gradient(x)[1], theta), rtol=1e-6, atol=1e-6)
    assert_allclose(data.arrays["weight"].values @ c.scores, gradient(theta)[1], rtol=1e-6, atol=1e-6)


def test_units_weighted_add_up_to_the_total():
    data = bm.prepare(lca_ragged(), frame())
    values = random_values(data, seed=3)
    assert_allclose(evaluate(data, values) @ data.counts, evaluate(data, values, "total"), rtol=1e-14)


def test_one_compiled_function_serves_every_size():
    made = {
        id(_compiled(_of_units, bm.prepare(model([measure("nominal", "C")], [logits("C", size=k)]), frame(k)), "NUMPY"))
        for k in (1, 2, 3)
    }
    assert len(made) == 1


# invariances --------------------------------------------------------------------------------------


def totals(declared, df: pd.DataFrame, seed: int = 4, **options) -> float:
    """The log-likelihood at random values that depend on the parameters' shapes alone."""
    data = bm.prepare(declared, df, **options)
    return float(data.arrays["weight"].values @ evaluate(data, random_values(data, seed)))


INVARIANT = pytest.mark.parametrize("declared", [lca_ragged, lta_two_level, cluster_covariates_of_individuals])


@INVARIANT
def test_patterns_equal_rows(declared):
    df = pd.concat([frame()] * 3, ignore_index=True)
    patterns, rows = (bm.prepare(declared(), df, NODES["trapezoid"], collapse=c) for c in (True, False))
    values = random_values(rows, seed=4)
    assert (patterns.counts > 0).sum() * 3 <= len(rows.counts)
    by_pattern, by_row = (d.arrays["weight"].values @ evaluate(d, values) for d in (patterns, rows))
    assert_allclose(by_pattern, by_row, rtol=1e-13)


@INVARIANT
def test_order_of_rows_does_not_matter(declared):
    df = frame()
    shuffled = df.sample(frac=1, random_state=9)
    options = {"nodes": NODES["trapezoid"]}
    assert_allclose(totals(declared(), shuffled, **options), totals(declared(), df, **options), rtol=1e-13)


@INVARIANT
def test_frequencies_equal_repeated_rows(declared):
    df, m = frame(), replace(declared(), freq="f")
    repeated = df.loc[df.index.repeat(df["f"])]
    assert_allclose(totals(m, df), totals(replace(m, freq=None), repeated), rtol=1e-13)


def test_order_of_nodes_does_not_matter():
    data = bm.prepare(lta_two_level(), frame(), NODES["trapezoid"])
    order = np.random.default_rng(0).permutation(len(data.arrays["log_weight_cluster_1"].values))
    names = ("z_cluster_1", "log_weight_cluster_1")
    moved = {k: replace(data.arrays[k], values=data.arrays[k].values[order]) for k in names}
    values = random_values(data, seed=4)
    shuffled = replace(data, arrays=data.arrays | moved)
    assert_allclose(evaluate(shuffled, values), evaluate(data, values), rtol=1e-13)


def test_order_of_classes_does_not_matter():
    data = bm.prepare(lca_covariates(), frame())
    values, order = random_values(data, seed=4), [2, 0, 1]
    other = {}
    for p in data.model.parameters:
        x = values[p.name]
        x = np.take(x, order, p.dims.index("C")) if "C" in p.dims else x
        other[p.name] = x - x[..., -1:] if p.name.endswith("_C") or p.name.startswith("beta_C") else x
    assert_allclose(evaluate(data, other), evaluate(data, values), rtol=1e-13)


def test_labels_of_clusters_do_not_matter():
    df = frame()
    renamed = df.assign(g="school " + df["g"].astype(str))
    options = {"nodes": NODES["trapezoid"]}
    assert_allclose(totals(lta_two_level(), renamed, **options), totals(lta_two_level(), df, **options), rtol=1e-13)


@pytest.mark.parametrize("kind", ["binary", "nominal", "oprobit", "normal", "count"])
def test_a_missing_item_leaves_the_likelihood_of_its_person(kind):
    df, dropped = frame(missing=0.0).iloc[:-1], np.arange(0, 15, 3)
    both, one = (model([measure(kind, "C", items=k), measure("probit", "C")], [logits("C")]) for k in (2, 1))
    gone = df.copy()
    gone.iloc[dropped, gone.columns.get_loc(both.items[1])] = np.nan
    with_both, with_one = bm.prepare(both, gone, collapse=False), bm.prepare(one, df, collapse=False)
    values = random_values(with_both, seed=4)
    fewer = {p.name: values[p.name] for p in one.parameters}
    for p in one.parameters:
        if f"item_{kind}" in p.dims:
            first = np.take(values[p.name], [0], p.dims.index(f"item_{kind}"))
            fewer[p.name] = first[tuple(slice(n) for n in with_one.packing.shape(p))]
    expected = evaluate(with_one, fewer)[with_one.pattern_of[dropped]]
    assert_allclose(evaluate(with_both, values)[with_both.pattern_of[dropped]], expected, rtol=1e-13)


def test_one_class_equals_none():
    df = frame()
    one, none = (bm.prepare(model([measure("binary", *c)], [logits(k, size=1) for k in c]), df) for c in (("C",), ()))
    values = random_values(one, seed=4)
    without = {"nu_binary": values["nu_binary"][..., 0]}
    assert_allclose(by_unit(one, evaluate(one, values)), by_unit(none, evaluate(none, without)), rtol=1e-13)


def test_an_effect_without_variance_has_no_effect():
    fixed = Term(Parameter("sd_u", (), "positive", fixed=(bm.at(0.0),)))
    with_u = [replace(effect("u"), sd=fixed)]
    m = model([measure("binary", "C")], [logits("C", more=(on_logits("C", effects=("u",)),))], with_u, two_level=True)
    without = model([measure("binary", "C")], [logits("C")], two_level=True)
    data = bm.prepare(m, frame())
    values = random_values(data, seed=4)
    value, gradient = evaluate(data, values, "gradient")
    assert_allclose(value, evaluate(bm.prepare(without, frame()), values).sum(), rtol=1e-13)
    assert np.isfinite(gradient).all()


def test_unobserved_categories_of_one_occasion_share_codes_with_the_other():
    df = frame().assign(o3=lambda d: d["o3"].replace(2.0, 1.0), p3=lambda d: d["p3"].replace(0.0, 1.0))
    declared = df.assign(**{k: pd.Categorical(df[k], categories=[0, 1, 2]) for k in ("o3", "p3")})
    data = bm.prepare(waves_of_ordinal(), declared)
    values = random_values(data, seed=4)
    assert data.categories["p3"] == data.categories["o3"] == [0, 1, 2]
    assert_allclose(by_unit(data, evaluate(data, values)), oracle_for(data, df, values).units(), rtol=RTOL, atol=1e-14)


def test_binary_items_of_two_occasions_must_be_coded_alike():
    df = frame().assign(b3=lambda d: d["b3"] + 1)
    with pytest.raises(ValueError, match=r"coded in two ways: 'b1' has 0, 1, 'b3' has 1, 2.*: code them alike"):
        bm.prepare(lta(), df)


# posteriors ---------------------------------------------------------------------------------------


def posterior(data, values: dict, *dims: str) -> np.ndarray:
    """The gradient with respect to a zero log factor over `dims`."""
    (out,) = evaluate(data, values, "probabilities", probes=(dims,))
    return out


@pytest.mark.parametrize(
    ("declared", "dims"),
    [(lca_covariates, ("C",)), (lta, ("C1", "C2")), (factor_mixture, ("C", "node_individual_1"))],
)
def test_gradients_are_posteriors_of_individuals(declared, dims):
    df = frame()
    data = bm.prepare(declared(), df, NODES["gauss_hermite"])
    values = random_values(data, seed=5)
    p = posterior(data, values, "individual", *dims)
    assert_allclose(p.reshape(len(p), -1).sum(1), 1.0, rtol=1e-12)
    seen = data.pattern_of >= 0
    expected = oracle_for(data, df, values).row_posterior(*dims)
    assert_allclose(p[data.pattern_of[seen]], expected[seen], rtol=1e-9)


@pytest.mark.parametrize(("declared", "dims"), [(lta_two_level, ("C1", "C2")), (within_and_between, ("C",))])
def test_gradients_of_patterns_in_clusters_carry_their_counts(declared, dims):
    df = pd.concat([frame()] * 2, ignore_index=True)
    data = bm.prepare(declared(), df, NODES["gauss_hermite"])
    values = random_values(data, seed=5)
    seen = data.pattern_of >= 0
    oracle = oracle_for(data, df, values)
    each = oracle.row_posterior(*dims) * oracle.freq.reshape(-1, *[1] * len(dims))
    expected = np.zeros((len(data.counts), *each.shape[1:]))
    np.add.at(expected, data.pattern_of[seen], each[seen])
    p = posterior(data, values, "individual", *dims)
    assert_allclose(p, expected, rtol=1e-9)
    assert_allclose(p.reshape(len(p), -1).sum(1), data.counts, rtol=1e-12)


@pytest.mark.parametrize("dims", [("D",), ("node_cluster_1",), ("D", "node_cluster_1")])
def test_gradients_are_posteriors_of_clusters(dims):
    df = frame()
    data = bm.prepare(between_class(), df, NODES["gauss_hermite"])
    values = random_values(data, seed=5)
    p = posterior(data, values, "cluster", *dims)
    assert_allclose(p.reshape(len(p), -1).sum(1), 1.0, rtol=1e-12)
    assert_allclose(p, oracle_for(data, df, values).cluster_posterior(*dims), rtol=1e-9)
