"""What is drawn is what was estimated; labels and legends leave the data alone."""

import json
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from bayesmix.models.lca import lca

import bayesmix as bm
import declare
from bayesmix import plots
from bayesmix.solution import probability_interval


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def mixed_fit():
    """Items of four families, one of them with three categories."""
    rng = np.random.default_rng(3)
    c = rng.random(300) < 0.5
    df = pd.DataFrame(
        {
            "binary": rng.random(300) < np.where(c, 0.9, 0.2),
            "graded": np.clip(rng.poisson(np.where(c, 1.8, 0.6)), 0, 2),
            "level": rng.normal(np.where(c, 2.0, -1.0), 1.0).round(2),
            "count": rng.poisson(np.where(c, 6.0, 1.5)),
        }
    )
    family = {"binary": bm.bernoulli(), "graded": bm.ordinal(), "level": bm.normal(), "count": bm.poisson()}
    return bm.fit(lca(list(df), 2, family=family), df, starts=3, finals=2, rounds=1, mode="NUMPY")


def drawn(ax) -> list[np.ndarray]:
    """The points of each class."""
    return [np.asarray(c.lines[0].get_ydata(), dtype=float) for c in ax.containers]


def bars(ax) -> list[np.ndarray]:
    """The ends of the intervals of each class, (item, 2)."""
    return [np.array([s[:, 1] for s in c.lines[2][0].get_segments()]) for c in ax.containers]


def test_profiles_are_probabilities_of_the_second_category(fitted):
    (ax,) = plots.profile(fitted)
    p = fitted.probabilities["item_probability"].transpose("C", "item", "category").values[:, :, 1]
    se = fitted.probabilities_se["item_probability"].transpose("C", "item", "category").values[:, :, 1]
    assert np.array(drawn(ax)) == pytest.approx(p)
    assert np.array(bars(ax)) == pytest.approx(np.stack(probability_interval(p, se), axis=-1))
    assert [t.get_text() for t in ax.get_xticklabels()] == list("abcde")
    assert ax.get_ylabel() == "P(answer = 1)"


def test_a_posterior_is_drawn_by_its_means_and_quantiles(fitted):
    rng = np.random.default_rng(0)
    logit = rng.normal(size=(2, 50, 2, 5))
    p = 1 / (1 + np.exp(-logit))
    dims = ("chain", "draw", "C", "item", "category")
    tree = xr.DataTree.from_dict(
        {
            "/posterior": xr.Dataset(
                {"item_probability": (dims, np.stack([1 - p, p], -1))}, coords={"item": list("abcde")}
            )
        }
    )
    tree.attrs["bayesmix"] = json.dumps({"parts": fitted.info["parts"]})
    tree["posterior"] = tree["posterior"].to_dataset().assign_coords(C=[1, 2], category=[0, 1])
    (ax,) = plots.profile(tree)
    assert np.array(drawn(ax)) == pytest.approx(p.mean(axis=(0, 1)))
    expected = np.moveaxis(np.quantile(p, [0.025, 0.975], axis=(0, 1)), 0, -1)
    assert np.array(bars(ax)) == pytest.approx(expected)


def test_the_legend_gives_class_sizes_and_stands_outside_the_panels(fitted):
    (ax,) = plots.profile(fitted)
    figure = ax.figure
    figure.canvas.draw()
    sizes = fitted.probabilities["C_probability"].values
    assert [t.get_text() for t in figure.legends[0].get_texts()] == [
        f"Class {k + 1} ({p:.0%})" for k, p in enumerate(sizes)
    ]
    assert figure.legends[0].get_window_extent().y0 >= ax.get_window_extent().y1


def test_sizes_in_the_legend_are_those_of_the_items_own_class():
    df = declare.frame(seed=1, clusters=12, rows=8, missing=0.0)
    model = declare.model(
        [declare.measure("binary", "C")],
        [declare.logits("B", level="cluster"), declare.logits("C", "B")],
        two_level=True,
    )
    fit = bm.fit(model, df, starts=4, finals=3, rounds=1)
    (ax,) = plots.profile(fit)
    assert [t.get_text() for t in ax.figure.legends[0].get_texts()] == ["Class 1", "Class 2"]
    (sizes,) = plots.classes(fit)
    assert [t.get_text() for t in sizes.get_yticklabels()] == ["B = 1", "B = 2"]


def test_other_families_have_panels_of_their_own(mixed_fit):
    axes = plots.profile(mixed_fit)
    labels = [(ax.get_title(), ax.get_ylabel()) for ax in axes]
    graded = [("ordinal", f"P(answer = {k})") for k in range(3)]
    assert labels == [("bernoulli", "P(answer = True)"), *graded, ("normal", "mean"), ("poisson", "rate")]
    mean = mixed_fit.params["item_intercept_normal"].transpose("C", ...).values
    assert np.array(drawn(axes[4])) == pytest.approx(mean)
    rate, se = (d["item_intercept_poisson"].transpose("C", ...).values for d in (mixed_fit.params, mixed_fit.se))
    assert np.array(drawn(axes[5])) == pytest.approx(np.exp(rate))
    assert np.array(bars(axes[5]))[..., 1] == pytest.approx(np.exp(rate + 1.959964 * se))
    total = sum(np.array(drawn(ax)) for ax in axes[1:4])
    assert total == pytest.approx(1.0)


def test_long_item_names_are_turned_and_do_not_overlap(fitted, two_classes):
    names = {k: f"a rather long name of the item {k}" for k in "abcde"}
    fit = bm.fit(lca(list(names.values()), 2), two_classes.rename(columns=names), starts=2, finals=2, rounds=1)
    (ax,) = plots.profile(fit)
    assert all(t.get_rotation() == 40 for t in ax.get_xticklabels())
    (short,) = plots.profile(fitted)
    assert all(t.get_rotation() == 0 for t in short.get_xticklabels())


def test_class_sizes_are_bars_with_intervals(fitted):
    (ax,) = plots.classes(fitted)
    p = fitted.probabilities["C_probability"].values
    assert [b.get_width() for b in ax.patches] == pytest.approx(p)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["C = 1", "C = 2"]
    assert [t.get_text() for t in ax.texts] == [f"{x:.1%}" for x in p]
    lower, upper = probability_interval(p, fitted.probabilities_se["C_probability"].values)
    assert np.array([s[:, 0] for s in ax.collections[0].get_segments()]) == pytest.approx(
        np.stack([lower, upper], axis=-1)
    )


def test_an_enumeration_marks_the_smallest_and_what_was_not_replicated():
    table = pd.DataFrame(
        {"AIC": [9.0, 5.0, 4.0], "BIC": [9.5, 6.0, 7.0], "aBIC": [9.2, 5.5, 5.6], "replicated": [2, 5, 1]},
        index=[1, 2, 3],
    )
    ax = plots.enumeration(SimpleNamespace(table=table))
    lines = {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}
    assert {k: list(v.get_ydata()) for k, v in lines.items()} == {k: list(table[k]) for k in ("AIC", "aBIC", "BIC")}
    rings = [(line.get_xdata()[0], line.get_ydata()[0]) for line in ax.lines if line.get_label().startswith("_")]
    assert rings == [(3, 4.0), (2, 5.5), (2, 6.0)]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["1", "2", "3*"]


def test_one_class_is_drawn_without_a_legend(two_classes):
    fit = bm.fit(lca(list("abcde"), 1), two_classes)
    (ax,) = plots.profile(fit)
    assert not ax.figure.legends
    assert len(drawn(ax)) == 1


def test_classes_differ_by_more_than_colour():
    assert len(set(plots.COLOURS)) == len(set(plots.MARKERS)) == 7


def test_nothing_to_draw_is_said():
    empty = xr.DataTree.from_dict({"/posterior": xr.Dataset({"x": (("chain", "draw"), np.zeros((1, 4)))})})
    with pytest.raises(ValueError, match="nothing to draw"):
        plots.profile(empty)
    with pytest.raises(ValueError, match="no class probabilities"):
        plots.classes(empty)
