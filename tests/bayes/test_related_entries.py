"""PyMC models in which entries follow from others: of one parameter, and of two."""

import re

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from bayesmix.models import lca, regression_mixture
from scipy import stats

import bayesmix as bm
from bayesmix.spec import class_labels as labels

FOUR = list("abcd")
QUICK = {"starts": 6, "finals": 2, "rounds": 1, "budget": 0, "progress": False}
WITHIN = ["item_logit[1, a, 1] + item_logit[1, b, 1] + item_logit[2, c, 1] = 0.5"]
ACROSS = [
    ["class_slope[1, x]", "item_logit[2, a, 1]"],
    "item_logit[1, b, 1] = 2 * class_logit[1] - class_slope[1, w] + 1",
]
WHOLE = ["class_slope[1, x] = 0.5 * class_logit[1] + 0.25", "class_slope[1, w] = -class_logit[1]"]
LABELS = {
    "class_logit": (["1", "2"],),
    "class_slope": (["1", "2"], ["x", "w"]),
    "item_logit": (["1", "2"], FOUR, ["0", "1"]),
}
NORMAL = {
    k: bm.Prior("Normal", mu=0.3, sigma=s) for k, s in (("class_logit", 1.5), ("item_logit", 2.0), ("class_slope", 1.0))
}


@pytest.fixture(scope="module")
def df():
    """300 persons, two classes that covariates away from zero predict."""
    rng = np.random.default_rng(1)
    x, w = rng.normal(0.5, 1, 300), rng.normal(-0.5, 1, 300)
    c = rng.random(300) < 1 / (1 + np.exp(-0.8 * x))
    out = pd.DataFrame({k: (rng.random(300) < np.where(c, 0.85, 0.2)).astype(int) for k in FOUR})
    return out.assign(x=x, w=w)


def reader(built, model):
    """A function from unconstrained free entries to the parameters of a PyMC model."""
    made = built.replace_rvs_by_values([built[p.name] for p in model.parameters])
    return built.compile_fn(made, inputs=built.value_vars, on_unused_input="ignore")


def holds(model, values):
    """Whether all constraints hold in arrays over draws."""
    for e in model.constraints.equations:
        total = 0.0
        for label, weight in e.terms:
            name, *inside = re.split(r"[\[\],\s]+", label.removesuffix("]"))
            position = tuple(known.index(k) for known, k in zip(LABELS[name], inside, strict=True))
            total = total + weight * values[name][(..., *position)]
        np.testing.assert_allclose(total, e.value, atol=1e-9)


@pytest.mark.parametrize("equal", [WITHIN, ACROSS, WHOLE, [*WITHIN, *ACROSS]])
def test_the_density_is_the_log_likelihood_and_priors_of_the_free_entries(df, equal):
    model = lca(FOUR, 2, "x + w", equal=equal)
    data = bm.prepare(model, df)
    priors = {k: v for k, v in NORMAL.items() if data.packing.own[k].any()}
    built = bm.build(model, df, priors=priors)
    point = built.initial_point()
    assert sum(x.size for x in point.values()) == data.packing.size
    density, read = built.compile_logp(), reader(built, model)
    rng = np.random.default_rng(5)
    for _ in range(5):
        there = {k: rng.normal(size=np.shape(x)) for k, x in point.items()}
        values = dict(zip([p.name for p in model.parameters], read(there), strict=True))
        holds(model, values)
        names = data.packing.names()
        theta = data.packing.pack(values)
        prior = sum(
            stats.norm(0.3, dict(NORMAL[n.partition("[")[0]].arguments)["sigma"]).logpdf(x)
            for n, x in zip(names, theta, strict=True)
        )
        expected = bm.log_likelihood(lca(FOUR, 2, "x + w"), df, values) + prior
        assert density(there) == pytest.approx(expected, rel=1e-10)


def test_the_penalty_of_a_fit_is_the_density_of_the_model(df):
    model = lca(FOUR, 2, "x + w", equal=ACROSS)
    fit = bm.fit(model, df, priors=NORMAL, **QUICK)
    built = bm.build(model, df, priors=NORMAL)
    slope, density = built.compile_dlogp(), built.compile_logp()
    with built:
        forward = {}
        for rv in built.free_RVs:
            transform, value = built.rvs_to_transforms[rv], fit.params[rv.name].values
            forward[built.rvs_to_values[rv].name] = (
                value if transform is None else transform.forward(value, *rv.owner.inputs).eval()
            )
    assert np.abs(slope(forward)).max() < 5e-2  # the maximum of the one is that of the other
    assert np.isfinite(density(forward))


@pytest.mark.parametrize("equal", [WITHIN, ACROSS, WHOLE])
@pytest.mark.filterwarnings("ignore:Numba will use object mode")
def test_draws_of_the_prior_and_predictions_hold_them(df, equal):
    model = lca(FOUR, 2, "x + w", equal=equal)
    built = bm.build(model, df)
    names = [p.name for p in model.parameters]
    with built:
        drawn = pm.sample_prior_predictive(30, random_seed=1)
    prior = {k: drawn["prior"][k].values for k in names}
    holds(model, prior)
    assert all(prior[k].std() > 0 for k in names)
    assert set(np.unique(drawn["prior_predictive"]["y"])) <= {0.0, 1.0}
    with built:
        again = pm.sample_posterior_predictive(drawn["prior"].to_dataset(), random_seed=2, progressbar=False)
    assert again["posterior_predictive"]["y"].shape == (1, 30, 300, 4)
    densities = pm.stats.compute_log_prior(
        _tree(drawn, names), model=built, var_names=[v.name for v in built.free_RVs], progressbar=False
    )
    assert all(np.isfinite(x).all() for x in densities["log_prior"].data_vars.values())


def _tree(drawn, names):
    return xr.DataTree.from_dict({"/posterior": drawn["prior"].to_dataset()[names]})


@pytest.mark.filterwarnings("ignore:The")
@pytest.mark.parametrize("method", ["nuts", "importance"])
@pytest.mark.parametrize("equal", [ACROSS, pytest.param(WHOLE, marks=pytest.mark.slow)])
def test_a_posterior_is_near_the_fit_and_holds_them(df, method, equal):
    model = lca(FOUR, 2, "x + w", equal=equal)
    fit = bm.fit(model, df, **QUICK)
    more = {"draws": 200, "tune": 200, "chains": 2} if method == "nuts" else {}
    post = bm.sample(fit, df, method=method, seed=3, progress=False, **more)
    values = {p.name: post["posterior"][p.name].values for p in model.parameters}
    holds(model, values)
    table = bm.compare(fit, post).table
    free = table["ml_se"].notna() & ~table.index.str.contains("probability")
    apart = (table["mean"] - table["ml"])[free] / table["ml_se"][free]
    assert apart.abs().max() < 0.8
    spread = (table["sd"] / table["ml_se"])[free] if "sd" in table else pd.Series([1.0])
    assert spread.between(0.6, 1.6).all()


def test_classes_are_relabelled_where_the_equations_let_them(df):
    slopes = ["class_slope[1, w] = 2 * class_slope[1, x]"]
    model = lca(FOUR, 2, "x + w", equal=slopes)
    fit = bm.fit(model, df, **QUICK)
    built = bm.build(model, df)
    holds(model, {k: x.values for k, x in fit.params.items()})
    (dims,) = labels.groups(model)
    other = labels.permute(model, {k: x.values for k, x in fit.params.items()}, dims, np.array([1, 0]))
    holds(model, other)
    back, orders = labels.relabel(
        model, {k: x[None] for k, x in other.items()}, {k: x.values for k, x in fit.params.items()}
    )
    assert orders[dims].tolist() == [[1, 0]]
    np.testing.assert_allclose(back["item_logit"][0], fit.params["item_logit"])
    assert len(built.free_RVs) == 3


def test_ones_own_variables_are_completed(df):
    model = lca(FOUR, 2, "x + w", equal=ACROSS)
    names = ["class_logit", "class_slope", "item_logit"]
    for name, shape in (("item_logit", (2, 4, 2)), ("class_slope", (2, 2))):
        with pm.Model() as own:
            bm.build(model, df, parameters={name: pm.Normal("mine", 0, 1, shape=shape)})
        holds(model, dict(zip(names, pm.draw([own[k] for k in names], 4, random_seed=1), strict=True)))
        assert np.isfinite(own.compile_logp()(own.initial_point()))


def test_the_table_of_priors_has_the_free_entries(df):
    table = bm.prior_table(lca(FOUR, 2, "x + w", equal=WHOLE), df)
    assert "class_slope" not in table.index
    assert "class_logit" in table.index


def test_residual_sds_of_one_parameter_and_slopes_of_another():
    """Parameters with transforms: a positive one held equal, beside equations of coefficients."""
    rng = np.random.default_rng(2)
    c, x = rng.random(200) < 0.4, rng.normal(size=200)
    df = pd.DataFrame({"y": np.where(c, 5 + x, -5 + 0.4 * x) + rng.normal(size=200), "x": x})
    free = bm.fit(regression_mixture("y ~ x", 2), df, **QUICK)
    names = [k for k in free.summary().index if free.summary().loc[k, "free"]]
    slopes = [k for k in names if k.endswith("x]")]
    sds = [k for k in names if "sd" in k]
    model = regression_mixture("y ~ x", 2, equal=[f"{slopes[0]} = 2 * {slopes[1]}", *([sds] if len(sds) > 1 else [])])
    data = bm.prepare(model, df)
    built = bm.build(model, df)
    rng = np.random.default_rng(3)
    point = {k: v + 0.1 * rng.normal(size=np.shape(v)) for k, v in built.initial_point().items()}
    values = reader(built, model)(point)
    values = dict(zip([p.name for p in model.parameters], values, strict=True))
    data.pack(values)
    assert data.packing.size == free.n_parameters - 1 - (len(sds) > 1)
    np.testing.assert_allclose(
        built.compile_logp(vars=built.observed_RVs)(point), bm.log_likelihood(model, df, values), rtol=1e-10
    )
