"""ML beside Bayes beside what was published: the table, its intervals, its verdict, its picture."""

import arviz as az
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from bayesmix.models.lca import lca

import bayesmix as bm
from bayesmix.listing import brief_comparison
from bayesmix.results import compare
from bayesmix.spec import LOGIT
from declare import carried

ROWS = 11, 7  # free parameters; class probabilities and one probability an item and class
ITEM = "item_logit[1, a, 1]"


@pytest.fixture(scope="module")
def drawn(fitted):
    """A posterior as `bm.sample` lays it out: normal about the estimate, dims in another order."""
    rng, lead = np.random.default_rng(1), (2, 100)
    free = {k: fitted.free[k].values for k in fitted.params}
    values = {
        k: x.values + np.where(free[k], fitted.se[k].fillna(0.0).values * rng.normal(size=(*lead, *x.shape)), 0.0)
        for k, x in fitted.params.items()
    }
    variables = {k: (("chain", "draw", *fitted.params[k].dims), v) for k, v in values.items()}
    p = np.exp(values["class_logit"])
    variables["C_probability"] = (("chain", "draw", "C"), p / p.sum(-1, keepdims=True))
    p = np.exp(values["item_logit"])
    dims = fitted.params["item_logit"].dims
    table = xr.DataArray(p / p.sum(-1, keepdims=True), dims=("chain", "draw", *dims))
    variables["item_probability"] = table.transpose("chain", "draw", *dims[::-1])
    coords = {"chain": range(2), "draw": range(100)} | {d: fitted.params[d].values for d in dims}
    loglik = np.full((*lead, 600), (fitted.loglik - 5.5) / 600) + 0.001 * rng.normal(size=(*lead, 600))
    tree = xr.DataTree.from_dict(
        {
            "/posterior": xr.Dataset(variables, coords=coords).assign(z_cluster=(("chain", "draw"), np.zeros(lead))),
            "/log_likelihood": xr.Dataset({"y": (("chain", "draw", "row"), loglik)}),
        }
    )
    tree.attrs = carried(fitted.model, max_rhat=1.0, min_ess_bulk=180.0, chains=2, draws=100)
    return tree


def test_rows_are_free_parameters_then_probabilities(fitted, drawn):
    found = compare(fitted, drawn)
    assert list(found.entries["scale"]) == ["parameter"] * ROWS[0] + ["probability"] * ROWS[1] + ["probability"] * 5
    assert list(found.parameters.index) == list(fitted.summary().query("free").index)
    assert "item_probability[2, e, 1]" in found.table.index
    assert "item_probability[2, e, 0]" not in found.table.index
    assert not any("z_cluster" in k for k in found.table.index)


def test_ml_columns_are_the_summary(fitted, drawn):
    found, summary = compare(fitted, drawn).parameters, fitted.summary().query("free")
    assert found[["ml", "ml_se"]].to_numpy() == pytest.approx(summary[["estimate", "se"]].to_numpy())
    assert found["ml_lower"].to_numpy() == pytest.approx(summary["lower"].to_numpy())


def test_posterior_columns_are_arvizs_and_do_not_mix_up_dims(fitted, drawn):
    found = compare(fitted, drawn).table
    for label, sel in (
        (ITEM, drawn["posterior"]["item_logit"].sel(C=1, item="a", category=1)),
        ("item_probability[2, d, 1]", drawn["posterior"]["item_probability"].sel(C=2, item="d", category=1)),
    ):
        assert found.loc[label, "mean"] == pytest.approx(float(sel.mean()))
        assert found.loc[label, "sd"] == pytest.approx(float(sel.std(ddof=1)), rel=1e-3)
        assert found.loc[label, ["eti_lower", "eti_upper"]].to_numpy(dtype=float) == pytest.approx(
            np.quantile(sel.values, [0.025, 0.975]), abs=1e-6
        )
        assert found.loc[label, "r_hat"] == pytest.approx(float(az.rhat(sel.values)))
        assert found.loc[label, "ess_bulk"] == pytest.approx(float(az.ess(sel.values)))


def test_either_side_alone_is_enough(fitted, drawn):
    ml, bayes = compare(fitted), compare(post=drawn)
    assert ml.table["mean"].isna().all()
    assert bayes.table["ml"].isna().all()
    assert set(bayes.table.index) == set(ml.table.index) == set(compare(fitted, drawn).table.index)
    assert "ml" not in repr(bayes).splitlines()[0].split()
    assert "r_hat" not in repr(ml).splitlines()[0]
    assert "maximum likelihood" in ml.loglik
    assert "posterior mean" in bayes.loglik


def test_probability_intervals_stay_between_zero_and_one():
    p, se = np.array([0.5, 0.98, 1e-9, 0.3]), np.array([0.1, 0.05, 0.0, 0.0])
    lower, upper = LOGIT.interval(p, se)
    assert (lower[:2] > 0).all()
    assert (upper[:2] < 1).all()
    assert np.log(upper[0] / (1 - upper[0])) == pytest.approx(1.959964 * 0.1 / 0.25)
    assert np.isnan(lower[2:]).all()


def test_published_values_as_a_series_and_as_a_table_with_errors(fitted):
    labels = [ITEM, "class_logit[1]"]
    one = compare(fitted, published=pd.Series([1.5, 0.4], labels)).table
    assert one["published"].dropna().to_dict() == {ITEM: 1.5, "class_logit[1]": 0.4}
    assert "published_se" not in one
    table = pd.DataFrame({"SE": [0.1, np.nan], "Estimate": [1.5, 0.4]}, index=labels)
    found = compare(fitted, published=table)
    assert found.table.loc[ITEM, ["published", "published_se"]].tolist() == [1.5, 0.1]
    assert found.table["published_se"].count() == 1
    assert "published_se" in repr(found)
    assert "published SE" in str(brief_comparison(found))
    with pytest.raises(ValueError, match="columns mean: give the values in one called 'estimate'"):
        compare(fitted, published=pd.DataFrame({"mean": [1.0]}, index=[ITEM]))
    with pytest.raises(ValueError, match="stands in the table twice"):
        compare(fitted, published=pd.Series([1.0, 2.0], [ITEM, ITEM]))
    with pytest.raises(ValueError, match="'nothing', which is not in the table"):
        compare(fitted, published=pd.Series([1.0], ["nothing"]))


def test_published_values_by_label_and_by_variable(fitted):
    values = fitted.probabilities["item_probability"]
    published = {ITEM: 1.5, "C_probability": [0.6, 0.4], "item_probability": values.transpose(*values.dims[::-1])}
    found = compare(fitted, published=published).table["published"]
    assert found[ITEM] == 1.5
    assert found["C_probability[2]"] == 0.4
    at = values.sel(C=2, item="c", category=1)
    assert found["item_probability[2, c, 1]"] == pytest.approx(float(at))
    assert found["class_logit[1]"] != found["class_logit[1]"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda f, d: compare(), "Neither a fit nor a posterior"),
        (lambda f, d: compare(f, published={"C_probabilty": [1, 2]}), "Did you mean 'C_probability'"),
        (lambda f, d: compare(f, published={"C_probability": [0.2, 0.3, 0.5]}), "shape (3,), expected (2,)"),
        (lambda f, d: compare(f).plot("logit"), "give 'probability', 'parameter' or 'derived'"),
    ],
)
def test_mistakes_are_explained(fitted, drawn, call, words):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the words follow
        call(fitted, drawn)
    assert words in str(caught.value)


def test_a_posterior_of_another_model_is_refused(fitted, drawn, two_classes):
    other = bm.fit(lca(list("abcd"), 2), two_classes, starts=2, finals=2, rounds=1)
    with pytest.raises(ValueError, match="not of one model"):
        compare(other, drawn)


def test_the_levels_of_log_likelihood_are_judged(fitted, drawn):
    text = compare(fitted, drawn).loglik
    assert f"maximum likelihood {fitted.loglik:.3f}" in text
    assert "about 5.5" in text
    for shift, words in ((-50.0, "the chains may be in another mode"), (40.0, "the ML solution is a local one")):
        moved = drawn.copy(deep=True)
        moved["log_likelihood"]["y"] = moved["log_likelihood"]["y"] + shift / 600
        assert words in compare(fitted, moved).loglik


def test_a_boundary_has_no_interval(two_classes):
    df = two_classes.assign(b=two_classes["b"].where(two_classes["a"] != 1, 1.0).where(two_classes["a"] != 0, 0.0))
    fit = bm.fit(lca(list("abc"), 2), df, starts=4, finals=2, rounds=1, standard_errors="hessian")
    found = compare(fit).table
    boundary = fit.quality["boundary"]
    assert boundary
    assert found.loc[boundary, "ml_se"].isna().all()
    on_scale = [b.replace("item_logit", "item_probability") for b in boundary]
    assert found.loc[on_scale, ["ml_se", "ml_lower"]].isna().all(axis=None)


# the picture --------------------------------------------------------------------------------------


def points(ax, label: str) -> pd.DataFrame:
    """Where a series' points are drawn, and their bars."""
    (drawn,) = [c for c in ax.containers if c.get_label() == label]
    line, _, (bars,) = drawn.lines
    ends = np.array([s[:, 0] for s in bars.get_segments()])
    return pd.DataFrame({"x": line.get_xdata(), "y": line.get_ydata(), "low": ends[:, 0], "high": ends[:, 1]})


def test_the_forest_draws_the_table(fitted, drawn):
    found = compare(fitted, drawn)
    axes = {ax.get_title(loc="left"): ax for ax in found.plot().axes}
    assert list(axes) == ["C_probability", "item_probability, C = 1", "item_probability, C = 2"]
    ax = axes["item_probability, C = 2"]
    rows = found.table.loc[[f"item_probability[2, {i}, 1]" for i in "abcde"]]
    for label, names in (
        ("maximum likelihood", ["ml", "ml_lower", "ml_upper"]),
        ("posterior mean", ["mean", "eti_lower", "eti_upper"]),
    ):
        assert points(ax, label)[["x", "low", "high"]].to_numpy() == pytest.approx(rows[names].to_numpy())
    left, right = points(ax, "maximum likelihood")["y"], points(ax, "posterior mean")["y"]
    assert (right - left > 0.1).all()
    assert [t.get_text() for t in axes["item_probability, C = 1"].get_yticklabels()] == [f"{i} = 1" for i in "abcde"]


def test_a_boundary_is_an_arrow_and_does_not_squeeze_the_rest(fitted, drawn):
    found = compare(fitted, drawn)
    found.table.loc[ITEM, ["ml", "ml_se", "ml_lower", "ml_upper"]] = [20.3, np.nan, np.nan, np.nan]
    ax = next(a for a in found.plot("parameter").axes if a.get_title(loc="left") == "item_logit, C = 1")
    assert ax.get_xlim()[1] < 5
    arrows = [line for line in ax.lines if line.get_marker() == ">" and len(line.get_xdata())]
    assert [float(a.get_xdata()[0]) for a in arrows] == pytest.approx([ax.get_xlim()[1]])


def test_nothing_overlaps_in_a_large_forest(fitted, drawn):
    figure = compare(fitted, drawn, {"C_probability": [0.6, 0.4]}).plot()
    figure.canvas.draw()
    boxes = [ax.get_tightbbox().bounds for ax in figure.axes]
    for i, (x, y, w, h) in enumerate(boxes):
        for u, v, s, t in boxes[i + 1 :]:
            assert x + w <= u + 2 or u + s <= x + 2 or y + h <= v + 2 or v + t <= y + 2
    legend = figure.legends[0].get_window_extent()
    assert legend.y0 >= max(y + h for _, y, _, h in boxes) - 1


@pytest.mark.slow
def test_a_sampled_posterior_compares(fitted, sampled):
    found = compare(fitted, sampled)
    assert (np.abs(found.probabilities["ml"] - found.probabilities["mean"]) < 0.05).all()
    assert found.table[["r_hat", "ess_bulk"]].notna().all(axis=None)
