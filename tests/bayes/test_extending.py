"""The PyMC model extended by hand: three extensions, each against a posterior that is known otherwise."""

import warnings

import arviz as az
import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import pytest
import xarray as xr
from bayesmix.models import lca, regression_mixture

import bayesmix as bm
from bayesmix.bayes import datatree
from bayesmix.bayes.built import built
from bayesmix.graph import numpy_mode
from bayesmix.spec import class_labels as labels

ITEMS = ["a", "b", "c", "d", "e"]
MODEL = lca(ITEMS, 2, family=bm.bernoulli())
FEW = {"draws": 200, "tune": 200, "chains": 2, "cores": 1, "seed": 3, "progress": False}


@pytest.fixture(scope="module")
def small(two_classes):
    return two_classes.iloc[:300]


@pytest.fixture(scope="module")
def fit(small):
    return bm.fit(MODEL, small, starts=4, finals=2, progress=False)


def quietly(*given, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bm.sample(*given, **{**FEW, **settings})


def test_a_variable_beside_the_model_has_its_prior_and_the_model_its_posterior(fit, small):
    with bm.build(fit, small) as made:
        pm.Normal("mine", 3.0, 0.5)
    post = quietly(made)
    assert float(post["posterior"]["mine"].mean()) == pytest.approx(3.0, abs=0.15)
    assert float(post["posterior"]["mine"].std()) == pytest.approx(0.5, abs=0.1)
    assert {"mine", "class_logit", "item_intercept"} == {*post["log_prior"].data_vars}
    gap = post["posterior"]["item_intercept"].mean(("chain", "draw")) - fit.params["item_intercept"]
    assert float(np.abs(gap).max()) < 0.5
    beside = quietly(fit, small, pm_model=made)
    np.testing.assert_array_equal(beside["posterior"]["mine"], post["posterior"]["mine"])


def test_densities_of_all_draws_at_once_are_those_of_pymc_one_after_another(fit, small):
    with bm.build(fit, small) as made:
        pm.Flat("flat", shape=2)
        pm.Dirichlet("shares", np.ones(3))
        mean = pm.MvNormal("mean", np.zeros(2), np.eye(2))
        chol, _, _ = pm.LKJCholeskyCov("chol", n=2, eta=1.0, sd_dist=pm.Exponential.dist(1.0))
        pm.MvNormal("seen", mean, chol=chol, observed=np.arange(8.0).reshape(4, 2))
    rng, values = np.random.default_rng(1), {}
    for v in made.free_RVs:
        point = fit.params[v.name].values if v.name in fit.params else None
        x = rng.normal(size=(6, 2)) if v.name == "flat" else pm.draw(v, 6, random_seed=1)
        x = x.reshape(2, 3, *x.shape[1:])
        values[v.name] = x if point is None else np.broadcast_to(point, x.shape)
    dims = {k: ("chain", "draw", *(f"{k}_{i}" for i in range(x.ndim - 2))) for k, x in values.items()}
    drawn = xr.Dataset({k: (dims[k], x) for k, x in values.items()}, coords={"chain": [0, 1], "draw": [0, 1, 2]})
    tree, settings = xr.DataTree.from_dict({"/posterior": drawn}), {"extend_inferencedata": False, "progressbar": False}
    for names, make in (
        ([v.name for v in made.free_RVs], pm.stats.compute_log_prior),
        (["seen"], pm.stats.compute_log_likelihood),
    ):
        wanted = make(tree, model=made, var_names=names, compile_kwargs={"mode": numpy_mode()}, **settings)
        wanted = wanted.to_dataset() if isinstance(wanted, xr.DataTree) else wanted
        xr.testing.assert_allclose(datatree._densities(made, drawn, names), wanted, rtol=1e-10)


def test_a_covariate_has_a_slope_with_a_prior_of_its_own(small):
    """A spike at 1.5 with almost no width: the slope is there, and the other parameters are those of a fixed slope."""
    rng = np.random.default_rng(1)
    df = small.assign(x=rng.normal(size=len(small)) + 0.5 * (small["true_C"] == 1))
    model = lca(ITEMS, 2, covariates="x", family=bm.bernoulli())
    with pm.Model() as made:
        slope = pm.Normal("slope", 1.5, 0.01)
        bm.build(model, df, parameters={"class_slope": pm.math.concatenate([[slope], [0.0]])[:, None]})
    assert [v.name for v in made.free_RVs] == ["slope", "item_intercept", "class_logit"]
    post = quietly(made)
    x = post["posterior"]["class_slope"]
    assert x.dims == ("chain", "draw", *[d for d in x.dims[2:]])
    assert float(x.sel(C=1).mean()) == pytest.approx(1.5, abs=0.01)
    assert (x.sel(C=2) == 0).all()
    held = quietly(model, df, priors={"class_slope": bm.Prior("Normal", mu=1.5, sigma=0.01)})
    gap = post["posterior"]["class_logit"].sel(C=1).mean() - held["posterior"]["class_logit"].sel(C=1).mean()
    assert float(abs(gap)) < 0.15


def test_item_parameters_have_a_hierarchical_prior(fit, small):
    """With a hyper SD that is nearly zero all items of a class are one: the posterior shrinks to it."""
    with pm.Model(coords={"C": [1, 2], "item": ITEMS}) as made:
        mean = pm.Normal("mean", 0, 2, dims="C")
        own = pm.Normal("item_intercept", mean[:, None], 0.05, dims=("C", "item"))
        bm.build(fit, small, parameters={"item_intercept": own})
    post = quietly(made)
    x = post["posterior"]["item_intercept"]
    assert float(x.std("item").mean()) == pytest.approx(0.05, abs=0.03)
    assert np.abs(x.mean("item") - post["posterior"]["mean"]).max() < 0.15
    # classes were put in the order of the fit's, those of `mean` too: class 1 has more of every item there or less
    assert (np.sign(x.mean(("chain", "draw", "item"))) == np.sign(fit.params["item_intercept"].mean("item"))).all()
    assert {"mean", "item_intercept", "class_logit"} == {*post["log_prior"].data_vars}


def test_a_second_likelihood_counts_and_has_its_groups(fit, small):
    """900 of 1,000 in class 1 elsewhere: the size of class 1 moves there, and labels stay as they are."""
    with bm.build(fit, small) as made:
        pm.Binomial("elsewhere", n=100_000, p=made["C_probability"][0], observed=80_000)
    post = quietly(made)
    assert float(post["posterior"]["C_probability"].sel(C=1).mean()) == pytest.approx(0.8, abs=0.01)
    assert post["log_likelihood"]["elsewhere"].sizes == {"chain": 2, "draw": 200}
    assert int(post["observed_data"]["elsewhere"]) == 80_000
    assert np.isfinite(az.loo(post, var_name="y").elpd)


def test_classes_that_an_extension_tells_apart_are_not_relabelled(fit, small):
    """Class 1 is given the place of the fit's class 2: the order of the fit would undo what the user said."""
    values = {k: x.values for k, x in fit.params.items()}
    order = np.argsort(-fit.params["item_intercept"].mean("item").values)
    with bm.build(fit, small) as made:
        x = made["item_intercept"].mean(axis=1)
        pm.Potential("order", pm.math.switch(x[order[1]] > x[order[0]], 0.0, -1e3))
    swapped = labels.permute(MODEL, values, ("C",), np.array([1, 0]))
    drawn = {k: np.stack([values[k], swapped[k]])[None] for k in values}
    dims = {p.name: p.dims for p in MODEL.parameters}
    raw = xr.Dataset({k: (("chain", "draw", *dims[k]), v) for k, v in drawn.items()})
    data = built(made).data
    _, orders = datatree._labelled(data, made, drawn, raw, fit, True)
    assert orders is None
    plain = bm.build(fit, small)
    _, orders = datatree._labelled(data, plain, drawn, raw, fit, True)
    assert (orders["C",][0, 1] == [1, 0]).all()


# PyMC's own functions -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def post(fit, small):
    return quietly(fit, small, predictive=40)


@pytest.mark.filterwarnings("ignore:Numba will use object mode")  # what PyMC says of every CustomDist
def test_pymc_draws_from_the_prior_and_the_posterior(fit, small, post):
    made = bm.build(fit, small)
    prior = pm.sample_prior_predictive(draws=20, model=made, random_seed=1)
    assert prior["prior_predictive"]["y"].dims == ("chain", "draw", "row", "item")
    with made:
        again = pm.sample_posterior_predictive(post, var_names=["C_probability", "y"], progressbar=False, random_seed=1)
    np.testing.assert_allclose(again["posterior_predictive"]["C_probability"], post["posterior"]["C_probability"])
    y = again["posterior_predictive"]["y"].mean(("chain", "draw", "row"))
    np.testing.assert_allclose(y, post["posterior_predictive"]["y"].mean(("chain", "draw", "row")), atol=0.03)
    log_prior = pm.stats.compute_log_prior(post, model=made, extend_inferencedata=False, progressbar=False)
    for k, x in post["log_prior"].data_vars.items():
        np.testing.assert_allclose(log_prior[k].values.reshape(x.shape), x)


def test_answers_are_drawn_at_the_effects_that_are_sampled():
    """With hardly any residual an outcome is its cluster's intercept."""
    df = pd.DataFrame({"g": np.arange(60) % 6, "y": np.random.default_rng(0).normal(size=60)})
    model = regression_mixture("y ~ 1", cluster="g", random="1")
    made = bm.build(model, df, effects="sample")
    z = np.array([-2.0, -1.0, 0.0, 1.0, 2.0, 3.0])
    known = {"intercept": 10.0, "u_intercept_sd": 3.0, "residual_sd": 1e-6, "z_cluster": z[:, None]}
    at = pm.do(made, {k: np.broadcast_to(x, made[k].shape.eval()) for k, x in known.items()})
    y = pm.draw(at["y"], random_seed=1, mode=numpy_mode())
    np.testing.assert_allclose(y, 10 + 3 * z[df["g"]], atol=1e-4)


def test_the_log_likelihood_of_pymc_is_ours(fit, small, post):
    made = bm.build(fit, small)
    found = made.compile_logp(vars=[made["y"]], sum=False, mode=numpy_mode())
    plain = pm.model.transform.conditioning.remove_value_transforms(made)
    found = plain.compile_logp(vars=[plain["y"]], sum=False, mode=numpy_mode())
    at = {k: post["posterior"][k].isel(chain=1, draw=7) for k in ("class_logit", "item_intercept")}
    at = {k: x.transpose(*fit.params[k].dims).values for k, x in at.items()}
    np.testing.assert_allclose(found(at)[0], post["log_likelihood"]["y"].isel(chain=1, draw=7), rtol=1e-9)


def test_a_parameter_may_be_known(fit, small):
    """``pm.do`` and ``pm.observe``: the variable is one of PyMC's."""
    made = bm.build(fit, small)
    known = fit.params["item_intercept"].values
    for changed in (pm.do(made, {"item_intercept": known}), pm.observe(made, {"item_intercept": known})):
        assert [v.name for v in changed.free_RVs] == ["class_logit"]
        assert np.isfinite(changed.compile_logp(mode=numpy_mode())(changed.initial_point()))
        post = quietly(fit, small, pm_model=changed)
        assert (post["posterior"]["item_intercept"] == fit.params["item_intercept"]).all()
        assert float(post["posterior"]["class_logit"].sel(C=1).std()) > 0.01
        assert np.isfinite(post["log_likelihood"]["y"]).all()
    with pytest.raises(ValueError, match=r"does not know what it was built of.*pm\.observe"):
        bm.sample(pm.do(made, {"item_intercept": known}))


def test_other_responses_have_no_density_here(fit, small):
    """The patterns behind the density are made of the data that the model was built for."""
    made = bm.build(fit, small)
    y, at = made["y"], {"class_logit_free__": np.zeros(1), "item_intercept": np.zeros((2, 5))}
    own = made.rvs_to_values[y]
    assert np.isfinite(made.compile_logp(vars=[y], mode=numpy_mode())(at))
    made.rvs_to_values[y] = pt.constant(1 - own.data)
    assert made.compile_logp(vars=[y], mode=numpy_mode())(at) == -np.inf


@pytest.mark.filterwarnings("ignore:Numba will use object mode")
def test_data_that_were_changed_are_refused(fit, small):
    made = bm.build(fit, small)
    with made:
        pm.set_data({"data:weight": np.asarray(made["data:weight"].get_value()) + 1.0})
        with pytest.raises(ValueError, match=r"data of the model were changed.*bm\.predict"):
            pm.sample_prior_predictive(draws=1)
    with pytest.raises(ValueError, match="built from other data"):
        bm.sample(made)


def test_the_graph_is_drawn(fit, small):
    pytest.importorskip("pygraphviz")
    source = pm.model_graph.ModelGraph(bm.build(fit, small))
    names = {str(k) for k in source.make_compute_graph()}
    assert {"y", "class_logit", "item_intercept"} <= names


# what is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"tau": np.zeros(2)}, "variable came for 'tau', but the parameters are"),
        ({"class_logit": np.zeros(3)}, r"shape \(3,\), expected \(2,\)"),
        ({"class_logit": "Normal"}, "'class_logit' is str"),
    ],
)
def test_variables_for_no_parameter_are_refused(parameters, words, small):
    with pm.Model(), pytest.raises((ValueError, TypeError), match=words):
        bm.build(MODEL, small, parameters=parameters)


def test_a_prior_beside_a_variable_and_other_coords_are_refused(small):
    own = {"class_logit": bm.Prior("Normal", mu=0, sigma=1)}
    with pm.Model(), pytest.raises(ValueError, match="Both a prior and a variable"):
        bm.build(MODEL, small, priors=own, parameters={"class_logit": np.zeros(2)})
    with pm.Model(coords={"item": list("vwxyz")}), pytest.raises(ValueError, match="coord 'item' with the labels v, w"):
        bm.build(MODEL, small)


def test_a_pymc_model_comes_alone_or_with_its_model_and_data(fit, small):
    made = bm.build(fit, small)
    with pytest.raises(TypeError, match="more beside it"):
        bm.sample(made, small)
    with pm.Model() as other:
        pm.Normal("x")
    with pytest.raises(ValueError, match="does not know what it was built of"):
        bm.sample(other)
    with pytest.raises(ValueError, match="predictive came as -1"):
        bm.sample(fit, small, predictive=-1)
    with pytest.raises(ValueError, match="built from other data"):
        bm.sample(fit, pd.concat([small.iloc[1:], small.iloc[:1] * 0]), pm_model=made)
