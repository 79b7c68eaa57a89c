"""A result knows its model and data: results of others are refused, the same in another form are not."""

from dataclasses import replace

import arviz as az
import numpy as np
import pytest
from bayesmix.models.fma import fma
from bayesmix.models.lca import lca
from bayesmix.models.lta import lta
from bayesmix.models.regression_mixture import regression_mixture

import bayesmix as bm
from bayesmix.data.identity import check_same, identity
from bayesmix.graph import prepare
from bayesmix.results import read_tree, settings_of, stored_model
from declare import carried, frame, target

ITEMS = ["b1", "b2", "b3"]
DF = frame(0, clusters=12, rows=6)
MODELS = {
    "lca": lca(ITEMS, 2, covariates="x + s"),
    "clusters": lca(ITEMS, 2, cluster="g", cluster_covariates="w"),
    "waves": lta([["b1", "b2"], ["b3", "b4"]], 2, names=["u", "v"]),
    "factors": fma(["y1", "y2"], 2, family=bm.normal()),
    "regression": regression_mixture("y1 ~ x", 2, cluster="g", cluster_classes=2),
}
OTHERS = {
    "other items": lca(["b2", "b3", "b4"], 2, covariates="x + s"),
    "items in another order": lca(["b2", "b1", "b3"], 2, covariates="x + s"),
    "more classes": lca(ITEMS, 3, covariates="x + s"),
    "another family": lca(ITEMS, 2, covariates="x + s", family=bm.bernoulli("probit")),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_order_of_rows_and_frequencies_are_no_other_data(name):
    model, own = MODELS[name], identity(prepare(MODELS[name], DF))
    assert identity(prepare(model, DF.sample(frac=1, random_state=1))) == own
    twice = DF.assign(f=2.0)
    doubled = DF.iloc[np.repeat(np.arange(len(DF)), 2)].reset_index(drop=True)
    assert identity(prepare(replace(model, freq="f"), twice)) == identity(prepare(model, doubled))
    assert identity(prepare(model, doubled))["data"] != own["data"]


@pytest.mark.parametrize("name", ["lca", "clusters", "waves"])
def test_how_effects_are_integrated_is_no_other_data(name):
    model = MODELS[name]
    own = identity(prepare(model, DF))
    assert identity(prepare(model, DF, collapse=False)) == own
    if name == "clusters":
        assert identity(prepare(model, DF, bm.trapezoid(15))) == own
        assert identity(prepare(model, DF, sampled=("cluster",))) == own


@pytest.mark.parametrize("column", ["b1", "x", "s"])
def test_one_other_value_is_other_data(column):
    model, other = MODELS["lca"], DF.copy()
    row = other.index[other[column].notna() & other[ITEMS].notna().all(axis=1)][0]
    values = [v for v in other[column].dropna().unique() if v != other.loc[row, column]]
    other.loc[row, column] = values[0]
    assert identity(prepare(model, other))["data"] != identity(prepare(model, DF))["data"]


def test_persons_in_other_clusters_are_other_data():
    other = DF.assign(g=np.roll(DF["g"].to_numpy(), 1))
    model = MODELS["clusters"]
    assert (
        identity(prepare(replace(model), other.assign(w=0.0 + other["g"])))["data"]
        != identity(prepare(model, DF.assign(w=0.0 + DF["g"])))["data"]
    )


@pytest.mark.parametrize("name", OTHERS)
def test_other_declarations_are_other_models(name):
    assert identity(prepare(OTHERS[name], DF))["model"] != identity(prepare(MODELS["lca"], DF))["model"]


def test_priors_make_no_other_model():
    plain = MODELS["lca"]
    data = target(plain, DF)
    assert identity(replace(data, priors={"class_logit": bm.Prior("Normal", mu=0, sigma=1)})) == identity(data)


@pytest.mark.parametrize("what", ["model", "data"])
def test_a_comparison_refuses_what_is_not_of_one_model_and_the_same_data(what, fitted, sampled):
    other = {**fitted.info["identity"], what: "other"}
    words = "one model" if what == "model" else "the same data"
    with pytest.raises(ValueError, match=rf"The fit and the posterior are not of {words}: give .*\.$"):
        bm.compare(replace(fitted, info={**fitted.info, "identity": other}), sampled)
    assert len(bm.compare(fitted, sampled).table)


def test_saved_results_carry_it(fitted, sampled, tmp_path):
    sampled.to_netcdf(tmp_path / "posterior.nc")
    fit = bm.Fit.load(fitted.save(tmp_path / "fit.nc"))
    check_same(fit.info, settings_of(read_tree(tmp_path / "posterior.nc", "", "")), ("one", "other"))
    assert fit.info["identity"] == fitted.info["identity"]


@pytest.mark.parametrize("form", ["az", "xarray"])
def test_a_saved_posterior_carries_its_model(form, fitted, sampled, tmp_path):
    path = tmp_path / "posterior.nc"
    sampled.to_netcdf(path)
    tree = az.from_netcdf(path) if form == "az" else read_tree(path, "", "")
    assert stored_model(settings_of(tree), "The posterior", "bm.sample") == fitted.model


def test_a_model_of_many_items_is_kept_with_a_posterior(sampled, tmp_path):
    model = lca([f"item {k} of a long name" * 20 for k in range(500)], 2)
    tree = sampled.copy()
    tree.attrs = carried(model)
    tree.to_netcdf(tmp_path / "posterior.nc")
    tree = read_tree(tmp_path / "posterior.nc", "", "")
    assert stored_model(settings_of(tree), "The posterior", "bm.sample") == model


def test_results_without_it_are_told_by_their_parts_and_labels(fitted, sampled):
    old = replace(fitted, info={k: v for k, v in fitted.info.items() if k != "identity"})
    assert len(bm.compare(old, sampled).table)
    with pytest.raises(ValueError, match="not of one model"):
        bm.compare(replace(old, model=lca(["b", "a", "c", "d", "e"], 2)), sampled)
    names = {"item": ["a", "b", "c", "d", "z"]}
    with pytest.raises(ValueError, match=r"other labels along 'item' in the fit \(a, b, c, d, z\) and"):
        bm.compare(replace(old, params=old.params.assign_coords(names)), sampled)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (lambda fit, post: (post, fit), "fit came as DataTree, expected what bm.fit returns"),
        (lambda fit, post: (fit, fit), "post came as Fit, expected what bm.sample returns"),
        (lambda fit, post: ("lca", None), "fit came as str"),
        (lambda fit, post: (fit, None, fit), r"published came as Fit, expected .*its \.params"),
    ],
)
def test_what_cannot_be_compared_is_named(arguments, words, fitted, sampled):
    with pytest.raises(TypeError, match=words):
        bm.compare(*arguments(fitted, sampled))


def test_published_values_of_other_items_are_refused(fitted):
    other = fitted.probabilities["item_probability"].assign_coords(item=["a", "b", "c", "d", "z"])
    with pytest.raises(ValueError, match="published 'item_probability' has the labels a, b, c, d, z along 'item'"):
        bm.compare(fitted, published={"item_probability": other})
