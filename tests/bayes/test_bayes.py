"""The PyMC model is the same likelihood; its draws are an ArviZ DataTree with the labels of the fit."""

import json
import warnings

import arviz as az
import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from bayesmix.models import lca, lta
from numpy.testing import assert_allclose
from pymc.model.transform.conditioning import remove_value_transforms

import bayesmix as bm
from bayesmix.bayes import datatree as draws
from bayesmix.bayes import pymc_model
from bayesmix.graph import numpy_mode
from bayesmix.results import Estimates
from bayesmix.spec import class_labels as labels
from densities import loglik

ITEMS = ["a", "b", "c", "d", "e"]
GROUPS = {
    "posterior",
    "posterior_raw",
    "sample_stats",
    "log_likelihood",
    "observed_data",
    "constant_data",
    "posterior_predictive",
    "prior",
    "prior_predictive",
    "log_prior",
    "classes",
}


@pytest.mark.parametrize("family", [bm.nominal(), bm.bernoulli(), bm.bernoulli("probit"), bm.ordinal()])
def test_the_models_likelihood_is_the_fits(two_classes, family):
    model = lca(ITEMS, 2, family=family)
    fit = bm.fit(model, two_classes, starts=4, finals=2)
    data = bm.prepare(model, two_classes)
    values = {k: x.values for k, x in fit.params.items()}
    for by_row in (True, False):
        assert loglik(pymc_model.build_from(data, by_row=by_row), values) == pytest.approx(fit.loglik, abs=1e-8)


def test_very_many_rows_have_the_log_likelihood_of_their_patterns(two_classes, fitted, monkeypatch):
    from bayesmix.bayes import observed

    monkeypatch.setattr(observed, "MOST_ROWS", 10)
    made = bm.build(fitted, two_classes)
    plain = remove_value_transforms(made)
    values = {k: x.values for k, x in fitted.params.items()}
    each = plain.compile_logp(vars=[plain["y"]], sum=False, mode=numpy_mode())(values)[0]
    assert len(each) == len(bm.prepare(lca(ITEMS, 2), two_classes).counts)
    assert each.sum() == pytest.approx(fitted.loglik, abs=1e-8)


def test_thresholds_fixed_at_two_places_are_those_of_the_log_likelihood():
    df = pd.DataFrame({k: np.arange(60) // (1 + j) % 4 for j, k in enumerate("ab")}, dtype=float)
    tau = bm.Parameter("tau", ("item", "threshold"), "ordered", fixed=(bm.at(-1, threshold=0), bm.at(0.7, threshold=1)))
    items = bm.Response("r", ("a", "b"), bm.ordinal(), (bm.Term(bm.Parameter("nu", ("item",))),), (bm.Term(tau),))
    values = {"nu": np.array([0.2, -0.4]), "tau": np.array([[-1.0, 0.7, 1.5]] * 2)}
    model = bm.Model("two fixed", (items,))
    made = bm.build(model, df)
    assert_allclose(pm.draw(made["tau"], mode=numpy_mode())[:, :2], values["tau"][:, :2])
    assert loglik(made, values) == pytest.approx(bm.log_likelihood(model, df, values), abs=1e-8)


def test_the_tree_has_every_group(sampled, two_classes):
    assert set(sampled.children) == GROUPS
    assert sampled["log_likelihood"]["y"].dims == ("chain", "draw", "row")
    assert sampled["log_likelihood"].sizes["row"] == len(two_classes)
    y = sampled["observed_data"]["y"]
    assert y.values == pytest.approx(two_classes[ITEMS].to_numpy(), nan_ok=True)


def test_chains_agree_and_the_posterior_is_near_the_estimate(sampled, fitted):
    found = json.loads(sampled.attrs["bayesmix"])
    assert found["max_rhat"] < 1.02
    assert found["min_ess_bulk"] > 300
    assert found["divergences"] == 0
    assert not found["second_mode"]
    assert found["mean_loglik"] < found["ml_loglik"]
    assert found["ml_loglik"] - found["mean_loglik"] == pytest.approx(fitted.n_parameters / 2, abs=3)
    mean = sampled["posterior"]["item_logit"].mean(("chain", "draw"))
    free = fitted.free["item_logit"]
    gap = np.abs(mean - fitted.params["item_logit"]).where(free) / fitted.se["item_logit"]
    assert gap.max() < 1.0


def test_loo_and_summary_run_and_the_labels_are_right(sampled):
    assert np.isfinite(az.loo(sampled).elpd)
    table = az.summary(sampled, var_names=["item_probability", "C_probability"], round_to="none")
    for (k, item), value in {(1, "a"): None, (2, "e"): None}.items():
        direct = sampled["posterior"]["item_probability"].sel(C=k, item=item, category=1).mean().item()
        assert float(table.loc[f"item_probability[{k}, {item}, 1]", "mean"]) == pytest.approx(direct, rel=1e-3), value


def test_predictions_keep_what_is_missing_and_match_the_margins(sampled, two_classes):
    y = sampled["posterior_predictive"]["y"]
    gone = np.isnan(sampled["observed_data"]["y"].values)
    assert np.isnan(y.values[..., gone]).all()
    assert y.mean(("chain", "draw", "row")).values == pytest.approx(two_classes[ITEMS].mean().to_numpy(), abs=0.05)


def test_labels_are_put_back(sampled, fitted, two_classes):
    data = bm.prepare(lca(ITEMS, 2), two_classes)
    values = {
        p.name: sampled["posterior"][p.name].transpose("chain", "draw", *p.dims).values.copy()
        for p in data.model.parameters
    }
    flipped = labels.permute(data.model, {k: v[1] for k, v in values.items()}, ("C",), np.array([1, 0]))
    mixed = {k: v.copy() for k, v in values.items()}
    for k, v in mixed.items():
        v[1] = flipped[k]
    back, orders = labels.relabel(data.model, mixed, {k: v.values for k, v in fitted.params.items()})
    for k, v in values.items():
        assert back[k] == pytest.approx(v)
    assert (orders["C",][1] == [1, 0]).all()
    assert (orders["C",][0] == [0, 1]).all()


def test_permuted_parameters_have_the_same_likelihood(two_classes, fitted):
    values = {k: v.values for k, v in fitted.params.items()}
    other = labels.permute(lca(ITEMS, 2), values, ("C",), np.array([1, 0]))
    assert bm.log_likelihood(lca(ITEMS, 2), two_classes, other) == pytest.approx(fitted.loglik, abs=1e-9)
    assert other["class_logit"] == pytest.approx([-values["class_logit"][0], 0.0])


def test_dims_are_put_in_one_order():
    ds = xr.Dataset(
        {
            "a": (("chain", "draw", "C"), np.zeros((1, 2, 2))),
            "b": (("chain", "draw", "item", "C"), np.arange(12.0).reshape(1, 2, 3, 2)),
        },
        coords={"C": [1, 2], "item": list("xyz")},
    )
    out = draws.align_dims(ds)
    assert list(out.sizes) == ["chain", "draw", "item", "C"]
    assert out["b"].dims == ds["b"].dims
    assert (out["b"].values == ds["b"].values).all()


def test_priors_are_stated_and_replaced(two_classes):
    model = lca(ITEMS, 2)
    table = bm.prior_table(model, priors={"item_logit": bm.Prior("Laplace", mu=0, b=1)})
    assert table.loc["item_logit", "prior"] == "Laplace(b=1, mu=0)"
    assert table.loc["class_logit", "prior"] == "ExchangeableLogit(sigma=1.5)"
    made = bm.build(model, two_classes, priors={"item_logit": bm.Prior("Laplace", mu=0, b=1)})
    assert "laplace" in str(made["item_logit"].owner.op).lower()


@pytest.mark.parametrize(
    ("priors", "words"),
    [
        (
            {"tau": bm.Prior("Normal", mu=0, sigma=1)},
            "prior came for 'tau', but the parameters are class_logit, item_logit",
        ),
        ({"item_logit": "Normal"}, r"came as 'Normal' \(str\): give bm.Prior"),
        ({"item_logit": bm.Prior("Nrmal")}, r"came as Nrmal\(\), which PyMC does not take"),
    ],
)
def test_wrong_priors_are_answered_with_words(two_classes, priors, words):
    with pytest.raises((ValueError, TypeError), match=words):
        bm.build(lca(ITEMS, 2), two_classes, priors=priors)


@pytest.mark.parametrize(
    ("settings", "words"), [({"draws": 0}, "draws came as 0"), ({"effects": "none"}, "give 'integrate' or 'sample'")]
)
def test_wrong_settings_are_answered_before_anything_runs(two_classes, settings, words):
    with pytest.raises(ValueError, match=words):
        bm.sample(lca(ITEMS, 2), two_classes, **settings)


def test_the_exchangeable_prior_does_not_know_the_reference(two_classes):
    prior = bm.build(lca(ITEMS, 3), two_classes)
    import pymc as pm

    with prior:
        x = pm.draw(prior["class_logit"], 4000, random_seed=1)
    differences = np.stack([x[:, 0] - x[:, 1], x[:, 0], x[:, 1]], 1)
    assert differences.std(axis=0) == pytest.approx(1.5 * np.sqrt(2), rel=0.08)


def test_the_tree_survives_the_disk(sampled, tmp_path):
    sampled.to_netcdf(tmp_path / "post.nc")
    with xr.open_datatree(tmp_path / "post.nc") as again:
        assert again["posterior"]["item_logit"].load().equals(sampled["posterior"]["item_logit"])


def test_an_interrupted_sampler_keeps_the_draws_that_all_chains_have():
    x = np.arange(40.0).reshape(2, 20)
    x[1, 12:] = np.nan
    stats = xr.Dataset({"diverging": (("chain", "draw"), np.zeros((2, 20), dtype=bool))})
    tree = xr.DataTree.from_dict({"/posterior": xr.Dataset({"a": (("chain", "draw"), x)}), "/sample_stats": stats})
    with pytest.warns(UserWarning, match="going on with the first 12 draws"):
        drawn, kept = draws.complete_draws(tree)
    assert drawn.sizes["draw"] == kept.sizes["draw"] == 12
    x[1, 2:] = np.nan
    with pytest.raises(KeyboardInterrupt):
        draws.complete_draws(
            xr.DataTree.from_dict({"/posterior": xr.Dataset({"a": (("chain", "draw"), x)}), "/sample_stats": stats})
        )


@pytest.fixture(scope="module")
def occasions():
    """Two items at two occasions in thirty clusters, by maximum likelihood and sampled both ways."""
    waves = [[f"{i}{t}" for i in "abcd"] for t in (1, 2)]
    model = lta(waves, 2, cluster="g")
    item = np.array([[-2.0] * 4, [2.0] * 4])
    truth = {f"C{t}_loading": np.array([[1.0, 0.0]]) for t in (1, 2)} | {"C1_logit": np.array([0.5, 0.0])}
    truth |= {"alpha1_sd": np.array(1.0), "alpha2_sd": np.array(0.6), "alpha2_on_alpha1": np.array(0.5)}
    truth |= {"C2_logit": np.array([[1.5, 0.0], [-1.5, 0.0]]), "item_logit": np.stack([0 * item, item], axis=-1)}
    df = bm.simulate(model, truth, n=450, clusters=30, seed=8)
    fit = bm.fit(model, df, starts=3, finals=2, rounds=1)
    settings = {"draws": 300, "tune": 300, "chains": 2, "seed": 3, "progress": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fit, {e: bm.sample(fit, df, effects=e, **settings) for e in ("integrate", "sample")}


@pytest.mark.slow
@pytest.mark.parametrize("effects", ["integrate", "sample"])
def test_transition_models_are_sampled_beside_maximum_likelihood(occasions, effects):
    fit, posts = occasions
    post = posts[effects]
    both = bm.compare(fit, post).table
    wanted = both.loc[
        [k for k in both.index if k.startswith(("C2_transition", "C2_explained", "alpha2_on", "C1_prob"))]
    ]
    assert len(wanted) > 10
    assert ((wanted["ml"] - wanted["mean"]).abs() < 2.5 * wanted["sd"]).all()
    assert_allclose(post["posterior"]["C2_transition"].sum("C2"), 1.0)
    parts = [post["posterior"][f"C2_explained_by_{k}"][..., 0] for k in ("alpha1", "C1", "alpha2")]
    assert_allclose(sum(parts), post["posterior"]["C2_explained"][..., 0])
    assert_allclose(bm.transitions(post)["value"], bm.transitions(fit)["value"], atol=0.1)
    assert len(bm.decomposition(post)) == len(bm.decomposition(fit))


@pytest.mark.slow
@pytest.mark.parametrize("effects", ["integrate", "sample"])
def test_what_each_number_of_a_posterior_is_is_kept_with_it(occasions, effects, tmp_path):
    fit, posts = occasions
    path = tmp_path / "posterior.nc"
    posts[effects].to_netcdf(path)
    with xr.open_datatree(path, engine="h5netcdf") as read:
        for post in (posts[effects], read):
            held = post["posterior"].to_dataset()
            for q in Estimates.of(fit).quantities.values():
                assert held[q.name].attrs == q.attrs, q


@pytest.mark.slow
def test_both_settings_of_effects_agree_on_transitions(occasions):
    tables = [bm.compare(occasions[0], p).table for p in occasions[1].values()]
    gap = (tables[0]["mean"] - tables[1]["mean"]) / np.hypot(*(t["sd"] / np.sqrt(t["ess_bulk"]) for t in tables))
    assert gap.abs().max() < 5


def test_bad_backends_are_refused(two_classes):
    with pytest.raises(ValueError, match="give 'jax' or 'numba'"):
        bm.sample(lca(ITEMS, 2), two_classes, backend="stan")


@pytest.mark.slow
def test_numba_samples_what_jax_samples(two_classes):
    model = lca(ITEMS, 2)
    fit = bm.fit(model, two_classes, starts=2, finals=2)
    settings = {"draws": 250, "tune": 300, "chains": 2, "seed": 2, "progress": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        posts = [bm.sample(fit, two_classes, backend=b, **settings) for b in ("jax", "numba")]
    means = [p["posterior"]["item_probability"].mean(("chain", "draw")) for p in posts]
    assert_allclose(means[0], means[1], atol=0.02)
