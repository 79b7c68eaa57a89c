"""Curves and information of items are the formulas of item response theory; scores are the fit's."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from bayesmix.models import fma, fma_gom, irt_3pl, lca
from scipy import special, stats

import bayesmix as bm
from bayesmix import plots
from solved import drawn_around, solved

ITEMS = ["p", "q", "r", "s"]
TAU, A, G = np.array([0.5, -1.0, 0.0, 1.2]), np.array([1.5, 0.8, 2.2, 1.1]), np.array([0.2, 0.1, 0.25, 0.05])
ETA = np.linspace(-4, 4, 401)


def answers(items, categories: int = 2, n: int = 40) -> pd.DataFrame:
    """Every category of every item occurs."""
    rng = np.random.default_rng(0)
    df = pd.DataFrame(rng.integers(0, categories, (n, len(items))), columns=list(items))
    df.iloc[:categories] = np.arange(categories)[:, None]
    return df


def lines(ax) -> np.ndarray:
    """What is drawn in colour, (line, point)."""
    return np.array([x.get_ydata() for x in ax.lines if x.get_color() != "0.85" and len(x.get_xdata()) == len(ETA)])


@pytest.fixture(scope="module")
def guessed():
    """A 3PL model of four items and its solution."""
    model = irt_3pl(ITEMS)
    return model, solved(model, answers(ITEMS), item_intercept=TAU, loading=A, guessing=G)


def three(eta=ETA) -> np.ndarray:
    """g + (1 - g) / (1 + exp(-(tau + a eta))), (item, point)."""
    return G[:, None] + (1 - G[:, None]) / (1 + np.exp(-(TAU[:, None] + A[:, None] * eta)))


def test_curves_of_the_3pl_are_its_formula(guessed):
    axes = plots.item_curves(guessed[1])
    assert [ax.get_title() for ax in axes] == ITEMS
    for ax, p in zip(axes, three(), strict=True):
        assert lines(ax) == pytest.approx(p[None])
        assert ax.get_xlim() == (-4, 4)
    assert axes[0].figure.get_supxlabel() == "factor f, in standard deviations"
    assert axes[0].figure.get_supylabel() == "P(answer = 1)"
    assert not axes[0].figure.legends
    (ax,) = plots.item_curves(guessed[1], items=["r"], limit=2.0)
    assert lines(ax) == pytest.approx(three(np.linspace(-2, 2, 401))[2][None])


def test_information_of_the_3pl_is_its_formula(guessed):
    items, test, error = plots.information(guessed[1])
    p, g, a = three(), G[:, None], A[:, None]
    expected = a**2 * (p - g) ** 2 * (1 - p) / ((1 - g) ** 2 * p)
    assert lines(items) == pytest.approx(expected, abs=5e-4)
    assert lines(test)[0] == pytest.approx(expected.sum(axis=0), abs=1e-3)
    assert lines(error)[0] == pytest.approx(1 / np.sqrt(expected.sum(axis=0)), rel=5e-3)
    at = {t.get_text(): t.xy for t in items.texts}
    assert at.keys() == set(ITEMS)
    for k, item in enumerate(ITEMS):
        assert at[item] == pytest.approx((ETA[expected[k].argmax()], expected[k].max()), abs=0.03)


def test_classes_have_a_line_each_and_an_information_of_their_own():
    model, df = fma(ITEMS, 2, by_class="intercepts + loadings"), answers(ITEMS)
    tau, a = np.stack([TAU, -TAU]), np.stack([A, 0.5 * A])
    fit = solved(model, df, class_logit=np.array([0.3, 0.0]), item_intercept=tau, loading=a)
    axes = plots.item_curves(fit)
    expected = stats.norm.cdf(tau[..., None] + a[..., None] * ETA)
    for k, ax in enumerate(axes):
        assert lines(ax) == pytest.approx(expected[:, k])
    assert [t.get_text() for t in axes[0].figure.legends[0].get_texts()] == ["Class 1", "Class 2"]
    one, two, test, error = plots.information(fit)
    x = tau[..., None] + a[..., None] * ETA
    information = (a[..., None] * stats.norm.pdf(x)) ** 2 / (stats.norm.cdf(x) * stats.norm.sf(x))
    assert lines(one) == pytest.approx(information[0], abs=2e-3)
    assert lines(two) == pytest.approx(information[1], abs=2e-3)
    assert lines(test) == pytest.approx(information.sum(axis=1), abs=4e-3)
    assert [ax.get_title() for ax in (one, two)] == ["items, class 1", "items, class 2"]
    assert len(lines(error)) == 2


def test_a_class_of_one_is_no_class():
    model = fma(ITEMS, 1, family=bm.bernoulli())
    fit = solved(model, answers(ITEMS), class_logit=np.zeros(1), item_intercept=TAU[None], loading=A)
    axes = plots.item_curves(fit)
    assert not axes[0].figure.legends
    assert lines(axes[1]) == pytest.approx(special.expit(TAU[1] + A[1] * ETA)[None])


@pytest.mark.parametrize("family", [bm.ordinal(), bm.nominal()])
def test_every_category_has_a_curve(family):
    df = answers("abc", 3)
    df["c"] = df["c"].clip(upper=1)
    model, rng = fma(list("abc"), 1, family=family), np.random.default_rng(2)
    values = {p.name: rng.normal(size=bm.prepare(model, df).packing.shape(p)) for p in model.parameters}
    if "item_threshold" in values:
        values["item_threshold"] = np.array([[[-1.0, 0.5], [0.0, 1.0], [0.3, 9.0]]])
        cut = values["item_threshold"][0, :, :, None] - values["loading"][:, None, None] * ETA
        below = np.concatenate([np.zeros((3, 1, 401)), special.expit(cut), np.ones((3, 1, 401))], axis=1)
        p = np.diff(below, axis=1)
        p[2, 1] += p[2, 2]
    else:
        values["item_logit"][..., 0], values["loading"][:, 0] = 0.0, 0.0
        eta = values["item_logit"][0, :, :, None] + values["loading"][..., None] * ETA
        eta[2, 2] = -np.inf
        p = special.softmax(eta, axis=1)
    axes = plots.item_curves(solved(model, df, **values))
    for k, ax in enumerate(axes):
        assert lines(ax) == pytest.approx(p[k, : 2 if k == 2 else 3])
    words = [t.get_text() for t in axes[0].figure.legends[0].get_texts()]
    assert words == ["answer = 0", "answer = 1", "answer = 2"]
    slope = np.gradient(p[0], ETA, axis=-1)
    information = lines(plots.information(solved(model, df, **values))[0])[0]
    assert information[5:-5] == pytest.approx((slope**2 / p[0]).sum(axis=0)[5:-5], rel=1e-6)


def test_items_of_two_factors_have_the_other_one_at_zero():
    model = fma(ITEMS, 1, factors={"one": ITEMS[:2], "two": ITEMS[1:]})
    loading = np.array([[*A[:2], 0.0, 0.0], [0.0, *A[1:]]])
    values = {"class_logit": np.zeros(1), "item_intercept": TAU[None], "loading": loading, "two_on_one": 0.5}
    fit = solved(model, answers(ITEMS), **values)
    axes = plots.item_curves(fit)
    assert [ax.get_title() for ax in axes] == ["p on one", "q on one", "q on two", "r on two", "s on two"]
    for ax in axes[1:3]:
        assert lines(ax) == pytest.approx(stats.norm.cdf(TAU[1] + A[1] * ETA)[None])
    assert len(plots.information(fit)) == 6


def test_extreme_profiles_of_memberships_have_curves_too():
    model, df = fma_gom(ITEMS, 2), answers(ITEMS)
    values = {"class_logit": np.array([0.3, 0.0]), "class_loading": np.array([[1.0, 0.0]])}
    fit = solved(model, df, item_intercept=np.stack([TAU, -TAU]), loading=A, **values)
    for k, ax in enumerate(plots.item_curves(fit)):
        assert lines(ax)[1] == pytest.approx(stats.norm.cdf(-TAU[k] + A[k] * ETA))


def test_a_posterior_has_a_mean_curve_and_a_band(guessed):
    rng, post = np.random.default_rng(1), drawn_around(guessed[1], 0.02)
    ax = plots.item_curves(post)[2]
    drawn = post["posterior"].to_dataset().isel(item=2)
    x = {str(k): v.values.reshape(-1, 1) for k, v in drawn.items()}
    p = x["guessing"] + (1 - x["guessing"]) * special.expit(x["item_intercept"] + x["loading"] * ETA)
    assert lines(ax)[0] == pytest.approx(p.mean(axis=0))
    (band,) = ax.collections
    low, high = np.quantile(p, [0.025, 0.975], axis=0)
    ends = band.get_paths()[0].vertices
    assert {round(y, 6) for y in ends[:, 1]} >= {round(y, 6) for y in rng.choice(np.append(low, high), 20)}


def test_covariates_of_an_item_are_at_their_means_where_there_are_data():
    df = answers(ITEMS).assign(x=np.linspace(1.0, 3.0, 40))
    model = irt_3pl(ITEMS, "none", item_covariates={"q": "x"})
    slope = np.array([0.0, 0.7, 0.0, 0.0])[:, None]
    fit = solved(model, df, item_intercept=TAU, loading=A, item_slope=slope)
    for given, at in ((None, 0.0), (df, 2.0)):
        axes = plots.item_curves(fit, given)
        assert lines(axes[1]) == pytest.approx(special.expit(TAU[1] + 0.7 * at + A[1] * ETA)[None])


def test_names_at_the_peaks_do_not_cover_each_other_and_stay_inside():
    items, rng = [f"item {k:02d}" for k in range(20)], np.random.default_rng(4)
    model = irt_3pl(items, "none")
    fit = solved(model, answers(items), item_intercept=rng.normal(size=20), loading=rng.uniform(0.7, 2.0, 20))
    ax = plots.information(fit)[0]
    ax.figure.canvas.draw()
    boxes = [super(type(t), t).get_window_extent() for t in ax.texts]
    shared = [a for k, a in enumerate(boxes) for b in boxes[:k] if a.shrunk(0.9, 0.8).overlaps(b.shrunk(0.9, 0.8))]
    assert len(boxes) == 20
    assert len(shared) <= 2  # an axis that was made higher brings some nearer
    assert max(b.y1 for b in boxes) < ax.get_window_extent().y1 + 12


def test_a_step_does_not_squeeze_the_other_items():
    model = irt_3pl(ITEMS, "none")
    fit = solved(model, answers(ITEMS), item_intercept=TAU, loading=np.array([80.0, 1.0, 1.5, 1.2]))
    items, test, _ = plots.information(fit)
    assert [t.get_text() for t in items.texts if "step" in t.get_text()] == ["p (a step)"]
    assert items.get_ylim()[1] < 1.0
    assert test.get_ylim()[1] < 2.0


def test_scores_are_counted_with_their_reliability():
    x, sd = np.random.default_rng(3).normal(0.0, 0.8, 40), np.linspace(0.4, 0.6, 40)
    x[5] = sd[5] = np.nan
    scores = xr.Dataset({"f": ("row", x), "f_sd": ("row", sd)})
    df = answers(ITEMS).assign(n=np.arange(1, 41))
    for freq, w in ((None, np.ones(40)), ("n", np.arange(1.0, 41.0))):
        model = irt_3pl(ITEMS, "none", freq=freq)
        fit = solved(model, df, scores, item_intercept=TAU, loading=A)
        left, right = plots.scores(fit, df)
        used = ~np.isnan(x)
        assert sum(b.get_height() for b in left.patches) == w[used].sum()
        variance = np.average((x[used] - np.average(x[used], weights=w[used])) ** 2, weights=w[used])
        reliability = variance / (variance + np.average(sd[used] ** 2, weights=w[used]))
        assert left.get_title() == f"reliability {reliability:.2f}"
        assert right.collections[0].get_offsets().data == pytest.approx(np.column_stack([x, sd])[used])


def test_what_cannot_be_drawn_is_explained(guessed):
    model, fit = guessed
    plain = lca(ITEMS, 2)
    classes = solved(plain, answers(ITEMS), class_logit=np.zeros(2), item_logit=np.zeros((2, 4, 2)))
    for picture in (plots.item_curves, plots.information):
        with pytest.raises(ValueError, match="no binary, ordinal or nominal item loads on a factor"):
            picture(classes)
        with pytest.raises(TypeError, match=r"The result came as Model, .* give it alone, it knows its model"):
            picture(model, fit)
        with pytest.raises(ValueError, match=r"The limit came as -1: give a positive number of SDs"):
            picture(fit, limit=-1)
    with pytest.raises(ValueError, match="No curve of an item 'z': there are p, q, r, s"):
        plots.item_curves(fit, items=["p", "z"])
    with pytest.raises(ValueError, match="scores take a model with factors"):
        plots.scores(classes)
    weighed, df = irt_3pl(ITEMS, freq="n"), answers(ITEMS).assign(n=2)
    scores = xr.Dataset({"f": ("row", np.zeros(40)), "f_sd": ("row", np.ones(40))})
    fit = solved(weighed, df, scores, item_intercept=TAU, loading=A, guessing=G)
    with pytest.raises(ValueError, match=r"The rows stand for several persons each: give the data"):
        plots.scores(fit)
