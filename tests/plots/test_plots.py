"""What is drawn is what was estimated; labels and legends leave the data alone."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from bayesmix.models import gom, lca

import bayesmix as bm
import declare
from bayesmix import plots
from bayesmix.plots import style
from bayesmix.spec import LOGIT


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
    assert np.array(bars(ax)) == pytest.approx(np.stack(LOGIT.interval(p, se), axis=-1))
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
    tree.attrs = declare.carried(fitted.model)
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
    lower, upper = LOGIT.interval(p, fitted.probabilities_se["C_probability"].values)
    assert np.array([s[:, 0] for s in ax.collections[0].get_segments()]) == pytest.approx(
        np.stack([lower, upper], axis=-1)
    )


def test_an_enumeration_marks_the_smallest_and_what_was_not_replicated():
    table = pd.DataFrame(
        {"AIC": [9.0, 5.0, 4.0], "BIC": [9.5, 6.0, 7.0], "aBIC": [9.2, 5.5, 5.6], "replicated": [2, 5, 1]},
        index=[1, 2, 3],
    )
    ax = plots.enumeration(SimpleNamespace(table=table, choices={"AIC": 3, "BIC": 2, "BLRT": None}))
    lines = {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}
    assert {k: list(v.get_ydata()) for k, v in lines.items()} == {k: list(table[k]) for k in ("AIC", "aBIC", "BIC")}
    rings = [(line.get_xdata()[0], line.get_ydata()[0]) for line in ax.lines if line.get_label().startswith("_")]
    assert rings == [(3, 4.0), (2, 5.5), (2, 6.0)]
    low = ax.figure.axes[1]
    assert [t.get_text() for t in low.get_xticklabels()] == ["1", "2", "3*"]
    assert [t.get_text() for t in low.get_yticklabels()] == ["AIC", "BIC", "BLRT (more)"]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in low.lines] == [(3, 0), (2, 1), (3, 2)]


# grades of membership -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def graded():
    """Grades of membership of 250 persons in two classes; one row without an answer, one that stands for three."""
    sides = np.array([[2.5] * 6, [-2.5] * 6])
    truth = {
        "class_logit": np.array([0.8, 0.0]),
        "class_loading": np.array([[1.2, 0.0]]),
        "item_logit": np.stack([np.zeros((2, 6)), sides], axis=-1),
    }
    df = bm.simulate(gom(list("abcdef"), 2), truth, n=250, seed=2)[list("abcdef")].astype(float)
    df.loc[7] = np.nan
    df["n"] = np.where(np.arange(250) == 3, 3, 1)
    return df, bm.fit(gom(list("abcdef"), 2, freq="n"), df, starts=3, finals=2, rounds=1, nodes=bm.trapezoid(15))


def test_memberships_are_counted_by_class_with_the_weights_of_the_rows(graded):
    df, fit = graded
    axes = plots.memberships(fit, freq=df["n"])
    assert len(axes) == 2
    keep, table = df.index != 7, fit.memberships()
    for k, ax in enumerate(axes, start=1):
        grade, weight = table.loc[keep, f"C={k}"], df["n"][keep]
        expected, _ = np.histogram(grade, np.linspace(0, 1, 21), weights=weight)
        assert [b.get_height() for b in ax.patches] == pytest.approx(list(expected))
        assert sum(b.get_height() for b in ax.patches) == 251
        mean = np.average(grade, weights=weight)
        assert ax.lines[0].get_xdata()[0] == pytest.approx(mean)
        assert ax.get_title() == f"C = {k}, mean {mean:.2f}"


def test_memberships_of_a_posterior_are_averaged_over_its_draws(graded):
    p = np.random.default_rng(0).uniform(size=(2, 10, 30))
    drawn = xr.Dataset({"C_membership": (("chain", "draw", "row", "C"), np.stack([p, 1 - p], -1))})
    tree = xr.DataTree.from_dict({"/latent": drawn.assign_coords(C=[1, 2], row=range(30))})
    tree.attrs = declare.carried(gom(list("abcdef"), 2))
    axes = plots.memberships(tree)
    expected, _ = np.histogram(p.mean(axis=(0, 1)), np.linspace(0, 1, 21))
    assert [b.get_height() for b in axes[0].patches] == list(expected)
    assert [b.get_height() for b in axes[1].patches] == list(expected[::-1])


def test_many_classes_have_their_memberships_in_rows_of_four():
    p = np.random.default_rng(0).dirichlet(np.ones(5), size=(1, 4, 30))
    drawn = xr.Dataset(
        {"C_membership": (("chain", "draw", "row", "C"), p)}, coords={"C": range(1, 6), "row": range(30)}
    )
    tree = xr.DataTree.from_dict({"/latent": drawn})
    tree.attrs = declare.carried(gom(list("abcdef"), 5))
    axes = plots.memberships(tree)
    assert [ax.get_title()[:5] for ax in axes] == [f"C = {k}" for k in range(1, 6)]
    assert len(axes[0].figure.axes) == 5


def test_memberships_that_cannot_be_drawn_are_explained(fitted, graded):
    df, fit = graded
    with pytest.raises(ValueError, match="there are none: they belong to classes of items"):
        plots.memberships(fitted)
    with pytest.raises(ValueError, match="there are none"):
        plots.memberships(xr.DataTree())
    with pytest.raises(ValueError, match="No grades of membership for D; there are C"):
        plots.memberships(fit, "D", freq=df["n"])
    with pytest.raises(ValueError, match=r"give their numbers, freq=df\['n'\]"):
        plots.memberships(fit)
    with pytest.raises(ValueError, match=r"freq came with shape \(3,\), expected .* \(250,\)"):
        plots.memberships(fit, freq=[1, 2, 3])


# one model against another ------------------------------------------------------------------------


def points(ax) -> np.ndarray:
    """What is drawn for the items, (item, 2)."""
    return np.column_stack([np.asarray(v, dtype=float) for v in ax.lines[0].get_data()])


def probability(fit, klass) -> np.ndarray:
    """Of the second category of each item in one class."""
    p = fit.probabilities["item_probability"].transpose("C", "item", "category")
    return p.sel(C=klass).values[:, 1]


@pytest.fixture(scope="module")
def profiles(graded):
    """Latent classes and grades of membership for the same answers."""
    df, fit = graded
    return bm.fit(lca(list("abcdef"), 2), df, starts=3, finals=2, rounds=1), fit


def test_two_models_are_drawn_against_each_other_in_their_prone_class(profiles):
    x, y = profiles
    ax = plots.against(x, y)
    prone = [max((1, 2), key=lambda k: probability(f, k).mean()) for f in profiles]
    expected = np.column_stack([probability(f, k) for f, k in zip(profiles, prone, strict=True)])
    assert points(ax) == pytest.approx(expected)
    assert [t.get_text() for t in ax.texts] == list("abcdef")
    assert np.array([t.xy for t in ax.texts]) == pytest.approx(expected)
    assert ax.get_xlabel() == f"lca: P(answer = 1), class {prone[0]}"
    assert ax.get_ylabel() == f"gom: P(answer = 1), class {prone[1]}"
    assert ax.get_title() == f"6 items, correlation {np.corrcoef(expected.T)[0, 1]:.3f}"
    assert ax.lines[1].get_slope() == 1.0
    assert ax.get_xlim() == ax.get_ylim()
    assert (expected > ax.get_xlim()[0]).all()
    assert (expected < ax.get_xlim()[1]).all()


def test_a_class_by_its_label_and_names_of_ones_own(profiles):
    ax = plots.against(*profiles, klass=1, labels={"b": "bullying"}, names=["LCA", "GoM"])
    assert points(ax) == pytest.approx(np.column_stack([probability(f, 1) for f in profiles]))
    assert ax.get_xlabel().startswith("LCA: ")
    assert ax.get_ylabel().startswith("GoM: ")
    assert [t.get_text() for t in ax.texts] == ["a", "bullying", "c", "d", "e", "f"]


def test_items_in_another_order_are_brought_together(profiles):
    x, y = profiles
    turned = replace(y, probabilities=y.probabilities.isel(item=[3, 0, 5, 1, 4, 2]))
    assert points(plots.against(x, turned)) == pytest.approx(points(plots.against(x, y)))


def test_a_posterior_is_drawn_against_a_fit_by_its_means(fitted):
    rng = np.random.default_rng(0)
    p = rng.uniform(0.5, 0.9, size=(2, 30, 2, 5)) * np.array([[0.3], [1.0]])
    held = xr.Dataset({"item_probability": (("chain", "draw", "C", "item", "category"), np.stack([1 - p, p], -1))})
    held = held.assign_coords(C=[1, 2], item=list("abcde"), category=[0, 1])
    tree = xr.DataTree.from_dict({"/posterior": held})
    tree.attrs = declare.carried(fitted.model, categories=fitted.info["categories"])
    ax = plots.against(fitted, tree, klass=2)
    assert points(ax) == pytest.approx(np.column_stack([probability(fitted, 2), p.mean(axis=(0, 1))[1]]))
    assert ax.get_ylabel() == "posterior: P(answer = 1), class 2"
    prone = max((1, 2), key=lambda k: probability(fitted, k).mean())
    assert points(plots.against(fitted, tree))[:, 0] == pytest.approx(probability(fitted, prone))
    assert points(plots.against(fitted, tree))[:, 1] == pytest.approx(p.mean(axis=(0, 1))[1])


def test_items_of_two_families_stand_together():
    rng = np.random.default_rng(1)
    c = rng.random(300) < 0.5
    df = pd.DataFrame(
        {
            k: (rng.random(300) < np.where(c, 0.9, q)).astype(int)
            for k, q in zip("abcd", (0.1, 0.2, 0.3, 0.4), strict=True)
        }
    )
    two = bm.fit(lca(list("abcd"), 2, family={"b": bm.bernoulli()}), df, starts=3, finals=2, rounds=1)
    one = bm.fit(lca(list("abcd"), 2), df, starts=3, finals=2, rounds=1)
    ax = plots.against(one, two)
    assert [t.get_text() for t in ax.texts] == list("abcd")
    assert points(ax)[:, 0] == pytest.approx(points(ax)[:, 1], abs=1e-4)


def boxes(ax) -> np.ndarray:
    """Where the labels stand, (label, [x0, y0, x1, y1])."""
    ax.figure.canvas.draw()
    found = [super(type(t), t).get_window_extent() for t in ax.texts]
    return np.array([[b.x0, b.y0, b.x1, b.y1] for b in found])


def test_labels_of_crowded_items_do_not_cover_each_other(fitted):
    rng = np.random.default_rng(3)
    items = [f"item {k}" for k in range(20)]
    p = np.clip(0.8 + 0.06 * rng.normal(size=(2, 20)), 0.02, 0.98)
    fits = []
    for q in p:
        table = xr.DataArray(
            np.stack([[1 - q, q]], axis=0).transpose(0, 2, 1),
            dims=("C", "item", "category"),
            coords={"C": [1], "item": items, "category": [0, 1]},
        )
        ds = xr.Dataset({"item_probability": table})
        info = {**fitted.info, "categories": {i: ["0", "1"] for i in items}}
        fits.append(replace(fitted, probabilities=ds, probabilities_se=ds * 0.0, info=info))
    ax = plots.against(*fits)
    found = boxes(ax)
    low = np.maximum(found[:, None, :2], found[None, :, :2])
    high = np.minimum(found[:, None, 2:], found[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0.0), axis=2)[~np.eye(20, dtype=bool)]
    assert shared.max() < 0.1 * np.prod(found[0, 2:] - found[0, :2])
    frame = ax.get_window_extent()
    assert (found[:, :2] > [frame.x0 - 1, frame.y0 - 1]).all()
    assert (found[:, 2:] < [frame.x1 + 1, frame.y1 + 1]).all()


def test_what_cannot_be_drawn_against_each_other_is_explained(profiles, fitted, mixed_fit):
    x, y = profiles
    with pytest.raises(ValueError, match="The items differ: f only in the first result"):
        plots.against(x, fitted)
    with pytest.raises(ValueError, match="The items differ: f only in the second result"):
        plots.against(fitted, x)
    with pytest.raises(ValueError, match="Item 'graded' has 3 categories: only binary items"):
        plots.against(mixed_fit, mixed_fit)
    with pytest.raises(ValueError, match="No class 3: there are 1; 2"):
        plots.against(x, y, klass=3)
    with pytest.raises(ValueError, match="give two, of the models"):
        plots.against(x, y, names=["one"])
    with pytest.raises(ValueError, match="give one for each of the 6 items"):
        plots.against(x, y, labels=["one"])
    with pytest.raises(ValueError, match="A label came for 'q', which is not among the items"):
        plots.against(x, y, labels={"q": "one"})
    other = replace(y, info={**y.info, "categories": {i: ["no", "yes"] for i in "abcdef"}})
    with pytest.raises(ValueError, match=r"Item 'a' has the categories 0.*, 1.* in the first result and no, yes"):
        plots.against(x, other)
    bare = replace(x, probabilities=x.probabilities.drop_vars("item_probability"))
    with pytest.raises(ValueError, match="the second result has no item probabilities by class"):
        plots.against(x, bare)


def test_one_class_is_drawn_without_a_legend(two_classes):
    fit = bm.fit(lca(list("abcde"), 1), two_classes)
    (ax,) = plots.profile(fit)
    assert not ax.figure.legends
    assert len(drawn(ax)) == 1


def test_classes_differ_by_more_than_colour():
    assert len(set(style.COLOURS)) == len(set(style.MARKERS)) == 7


def test_nothing_to_draw_is_said():
    empty = xr.DataTree.from_dict({"/posterior": xr.Dataset({"x": (("chain", "draw"), np.zeros((1, 4)))})})
    with pytest.raises(ValueError, match=r"does not say of which model it is: give what bm\.sample returns"):
        plots.profile(empty)
    empty.attrs = declare.carried(gom(list("abc"), 2))
    with pytest.raises(ValueError, match="nothing to draw"):
        plots.profile(empty)
    with pytest.raises(ValueError, match="no class probabilities"):
        plots.classes(empty)
