"""The search: collapsing variances, starts that know the data, maxima that are the whole's, solutions that are one."""

import time
import warnings
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from bayesmix.models import fma, gom, lca, lta, regression_mixture
from numpy.testing import assert_allclose
from scipy.special import expit, logsumexp
from scipy.stats import norm, poisson

import bayesmix as bm
from bayesmix.graph import class_posteriors, posterior
from bayesmix.ml import (
    Search,
    Settings,
    Start,
    assemble,
    ends,
    partitioned,
    ranges,
    ranked,
    search,
    similar,
    times_reached,
    unseen_share,
)
from bayesmix.ml import estimation as ml
from bayesmix.parallel import SerialExecutor
from declare import target

BINARY = bm.bernoulli()


def quiet(model, df, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bm.fit(model, df, progress=False, **settings)


# variances that collapse --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tied() -> pd.DataFrame:
    """Two classes of rounded scale scores, and a tenth of all at the end of the first scale."""
    rng = np.random.default_rng(5)
    c = rng.random(400) < 0.5
    df = pd.DataFrame({k: np.where(c, 2.0, 3.5) + rng.normal(0, 0.5, 400) for k in "abcd"}).round(2)
    df.loc[rng.random(400) < 0.1, "a"] = 5.0
    return df.assign(g=np.arange(400) % 40, x=rng.normal(size=400))


def test_a_collapsed_start_ranks_behind_a_sound_one_and_is_named(tied):
    fit = quiet(lca(list("abcd"), 3, family=bm.normal(), variance="class"), tied, starts=30, rounds=1, seed=4)
    gone = fit.starts[fit.starts["status"].str.startswith("collapsed")]
    sound = fit.starts[~fit.starts["status"].str.startswith("collapsed") & fit.starts["loglik"].notna()]
    assert len(gone)
    assert len(sound)
    assert gone["status"].str.contains("item_sd").all()
    assert sound.index.max() < gone.index.min()
    assert fit.starts["loglik"].max() > fit.loglik  # what collapsed is higher, and means nothing
    assert fit.loglik == pytest.approx(sound["loglik"].max(), abs=1e-4)
    assert fit.quality["collapsed"] == len(gone)
    floor = 0.01 * tied["a"].std()
    assert float(fit.params["item_sd"].min()) > 2 * floor


def test_a_sound_maximum_is_one_of_the_density(tied):
    """Against the density by hand at its estimates, and no better nearby."""
    fit = quiet(lca(list("abcd"), 2, family=bm.normal(), variance="class"), tied)
    mean, sd, share = (fit.params[k].values for k in ("item_intercept", "item_sd", "class_logit"))

    def total(mean, sd):
        each = norm.logpdf(tied[list("abcd")].to_numpy()[:, None], mean, sd).sum(-1) + share - logsumexp(share)
        return float(logsumexp(each, axis=1).sum())

    assert total(mean, sd) == pytest.approx(fit.loglik, abs=1e-6)
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert (
            total(mean + 0.01 * rng.normal(size=mean.shape), sd * np.exp(0.01 * rng.normal(size=sd.shape))) < fit.loglik
        )


def test_the_floor_is_a_share_of_the_items_sd_or_that_of_its_rounding():
    rng = np.random.default_rng(1)
    df = pd.DataFrame({"fine": rng.normal(0, 10, 300), "whole": rng.normal(50, 3, 300).round()})
    data = target(lca(list(df), 2, family=bm.normal(), variance="class"), df)
    limits = ranges(data)
    floor = data.inside(np.where(limits.collapsing, limits.lower, limits.center))["item_sd"]
    assert floor[0] == pytest.approx([0.01 * df["fine"].std(ddof=0), 1 / np.sqrt(12)])
    lower = ranges(replace(data, smallest_sd=0.001))
    assert np.exp(lower.lower[limits.collapsing]).min() == pytest.approx(0.001 * df["fine"].std(ddof=0))


def test_a_user_can_lower_the_floor(tied):
    model, settings = lca(list("abcd"), 3, family=bm.normal(), variance="class"), {"starts": 4, "rounds": 1, "seed": 1}
    a_share = tied["a"].std(ddof=0)
    for share in (0.05, 0.002):
        fit = quiet(model, tied, smallest_sd=share, **settings)
        assert float(fit.params["item_sd"].min()) > 0.99 * share * a_share


@pytest.mark.parametrize(
    "declare",
    [
        lambda: regression_mixture("y ~ x", 2, variance="class"),
        lambda: lta([["y", "a"], ["b", "c"]], 2, family=bm.normal(), variance="class", names=["p", "q"]),
        lambda: regression_mixture("y ~ x", cluster="g", cluster_classes=2, variance="class"),
        lambda: fma(["y", "a", "b", "c"], 2, family=bm.normal(), variance="class"),
    ],
    ids=["regression mixture", "lta", "classes of clusters", "fma"],
)
def test_residual_sds_by_class_have_a_floor_in_every_template(tied, declare):
    df = tied.assign(y=np.where(np.arange(400) % 40 < 3, 1.0, tied["a"] + tied["x"]))
    data = target(declare(), df)
    limits = ranges(data)
    assert limits.collapsing.any()
    assert (np.exp(limits.lower[limits.collapsing]) > 1e-3).all()
    fit = quiet(declare(), df, starts=6, finals=3, rounds=1)
    assert np.isfinite(fit.loglik)
    assert fit.loglik < 1e4
    if fit.quality["ends"]:
        assert not fit.starts["status"].iloc[0].startswith("collapsed")


def test_when_every_start_collapses_the_fit_says_so():
    """Two values, half of the rows each: any class of one value has a density without bound."""
    rng = np.random.default_rng(2)
    y = np.where(np.arange(100) < 50, 0.0, rng.normal(10, 1, 100))
    with pytest.warns(UserWarning, match="Every start collapsed: residual_sd.*variance='equal'"):
        fit = bm.fit(
            regression_mixture("y ~ 1", 2, variance="class"), pd.DataFrame({"y": y}), budget=0.1, rounds=2, seed=1
        )
    assert fit.quality["ends"] == 0
    assert fit.replicated == 0


def test_a_variance_linear_in_a_covariate_collapses_at_one_point():
    """A row far out that the line goes through: its variance may be as small as it likes."""
    rng = np.random.default_rng(3)
    x = np.append(rng.random(80), 30.0)
    y = np.where(x < 2, 1 + x + rng.normal(0, 0.5, 81), 31.0)
    fit = quiet(regression_mixture("y ~ x", variance="x"), pd.DataFrame({"x": x, "y": y}))
    assert fit.loglik < 0
    if fit.quality["collapsed"]:
        assert "residual_variance" in fit.starts["status"].str.cat()


def test_classes_far_apart_have_small_sds_and_are_sound():
    """SDs of a fiftieth of the item's are those of classes far from each other, where answers differ within them."""
    rng = np.random.default_rng(4)
    z = rng.random(300) < 0.5
    df = pd.DataFrame({k: np.where(z, 100.0, 0.0) + rng.normal(size=300) for k in "ab"})
    fit = bm.fit(lca(list("ab"), 2, family=bm.normal(), variance="class"), df)
    assert fit.quality["collapsed"] == 0
    assert fit.params["item_sd"].values == pytest.approx(np.ones((2, 2)), abs=0.2)


def test_equal_variances_have_no_floor(tied):
    data = target(lca(list("abcd"), 3, family=bm.normal()), tied)
    assert not ranges(data).collapsing.any()


# starts that know the data's scale ----------------------------------------------------------------


@pytest.mark.parametrize(("low", "high"), [(200, 240), (2, 4), (20_000, 20_600)])
@pytest.mark.parametrize("items", [2, 8, 30])
def test_counts_of_any_size_part_their_classes(low, high, items):
    rng = np.random.default_rng(6)
    z = rng.random(300) < 0.5
    counts = rng.poisson(np.where(z, high, low)[:, None], (300, items))
    truth = logsumexp([poisson.logpmf(counts, m).sum(axis=1) + np.log(0.5) for m in (low, high)], axis=0).sum()
    df = pd.DataFrame(counts, columns=[f"k{i}" for i in range(items)])
    fit = quiet(lca(list(df), 2, family=bm.poisson()), df, starts=6, finals=3, rounds=1)
    assert fit.loglik >= truth


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e8])
@pytest.mark.parametrize("items", [3, 40])
def test_normal_items_of_any_scale_and_number_part_their_classes(scale, items):
    rng = np.random.default_rng(7)
    z = rng.random(200) < 0.4
    df = pd.DataFrame({f"y{i}": scale * (5 + 1.5 * z + rng.normal(size=200)) for i in range(items)})
    fit = quiet(lca(list(df), 2, family=bm.normal()), df, starts=6, finals=3, rounds=1)
    share = np.log([0.6, 0.4])[:, None]
    each = [norm.logpdf(df.to_numpy(), scale * (5 + 1.5 * k), scale).sum(axis=1) for k in (0, 1)]
    assert fit.loglik >= logsumexp(np.array(each) + share, axis=0).sum()


@pytest.mark.parametrize("second", [np.nan, 1.0], ids=["not asked", "constant"])
@pytest.mark.parametrize("kind", ["equal", "class", "counts"])
def test_an_item_that_says_nothing_on_one_occasion_begins_at_the_margin_of_all(second, kind):
    """Normal items and counts, against the density of every path by hand at the estimates."""
    rng = np.random.default_rng(12)
    c = np.stack([z := rng.random(300) < 0.5, np.where(rng.random(300) < 0.8, z, ~z)])
    draw = (lambda k: rng.poisson(2 + 6 * c[k])) if kind == "counts" else (lambda k: rng.normal(3.0 * c[k]))
    df = pd.DataFrame({"p1": draw(0), "q1": draw(0), "q2": draw(1)}).assign(p2=second)
    family, variance = (bm.poisson(), "equal") if kind == "counts" else (bm.normal(), kind)
    model = lta([["p1", "q1"], ["p2", "q2"]], 2, family=family, variance=variance, names=["p", "q"])
    fit = quiet(model, df, starts=6, finals=4, rounds=1)
    place = fit.params["item_intercept"].transpose("C", "item").values
    spread = None if kind == "counts" else np.broadcast_to(fit.params["item_sd"].values, (2, 2))
    each = []
    for first, other in (("p1", "q1"), ("p2", "q2")):
        y = df[[first, other]].to_numpy(dtype=float)[:, None, :]
        one = poisson.logpmf(y, np.exp(place)) if spread is None else norm.logpdf(y, place, spread)
        each.append(np.nansum(one, axis=-1))
    start, step = fit.params["C1_logit"].values, fit.params["C2_logit"].transpose("C1", "C2").values
    start, step = start - logsumexp(start), step - logsumexp(step, axis=1, keepdims=True)
    paths = start[:, None] + step + each[0][:, :, None] + each[1][:, None, :]
    assert logsumexp(paths, axis=(1, 2)).sum() == pytest.approx(fit.loglik, abs=1e-6)
    assert fit.quality["gradient"] < 1e-2


@pytest.mark.parametrize(
    "declare",
    [
        lambda: lca(list("abcd"), 3, family={"a": BINARY, "b": bm.ordinal(), "c": bm.normal(), "d": bm.poisson()}),
        lambda: lta([["a", "e"], ["f", "h"]], 2, family=BINARY, names=["p", "q"]),
        lambda: lca(list("ab"), 2, cluster="g", cluster_classes=2, items_by_cluster_class=True),
        lambda: regression_mixture("c ~ 1", cluster="g", cluster_classes=2),
        lambda: gom(list("aefh"), 2, family=BINARY),
    ],
    ids=["mixed", "lta", "both levels", "clusters", "gom"],
)
def test_a_partition_has_rows_in_every_class(declare):
    rng = np.random.default_rng(0)
    df = pd.DataFrame({k: rng.integers(0, 2, 200) for k in "aefh"})
    df = df.assign(b=rng.integers(0, 3, 200), c=rng.normal(size=200), d=rng.poisson(30, 200), g=np.arange(200) % 20)
    df.loc[::9, "a"] = np.nan
    data = target(declare(), df)
    limits = ranges(data)
    points = [partitioned(data, limits, seed) for seed in range(4)]
    for theta in points:
        assert np.isfinite(theta).all()
        assert (limits.within(theta) == theta).all()
        found = posterior.tables(data, theta)
        assert all(float(x.min()) > 1e-6 for k, x in found.items() if k.endswith("_probability") and "item" not in k)
    assert not np.allclose(points[0], points[1])


# maxima that are the whole's ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def answers() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    c, f = rng.integers(0, 3, 500), rng.normal(size=500)
    level = np.array([[2, 2, 2, -2, -2, -2], [2, -2, 2, -2, 2, -2], [-2, -2, -2, 2, 2, 2]])[c]
    p = expit(level + 0.8 * f[:, None])
    return pd.DataFrame((rng.random((500, 6)) < p).astype(int), columns=list("abcdef")).assign(g=np.arange(500) % 25)


NESTED = {
    "factor mixture": (lambda: fma(list("abcdef"), 2, family=BINARY), lambda: lca(list("abcdef"), 2, family=BINARY)),
    "factor mixture, one class less": (
        lambda: fma(list("abcdef"), 3, family=BINARY, loadings="one"),
        lambda: fma(list("abcdef"), 2, family=BINARY, loadings="one"),
    ),
    "two levels": (
        lambda: lca(list("abcdef"), 3, family=BINARY, cluster="g"),
        lambda: lca(list("abcdef"), 3, family=BINARY),
    ),
    "one class less": (lambda: lca(list("abcdef"), 5, family=BINARY), lambda: lca(list("abcdef"), 4, family=BINARY)),
    "lta": (
        lambda: lta([list("abc"), list("def")], 3, family=BINARY, names=list("xyz")),
        lambda: lta([list("abc"), list("def")], 2, family=BINARY, names=list("xyz")),
    ),
}


@pytest.mark.parametrize("name", list(NESTED))
def test_no_fit_is_below_a_model_that_it_holds(answers, name):
    whole, part = NESTED[name]
    few = {"starts": 2, "finals": 1, "rounds": 1}
    assert quiet(whole(), answers, **few).loglik >= quiet(part(), answers, starts=20).loglik - 1e-4
    assert "simpler model" in set(quiet(whole(), answers, **few).starts["origin"])
    assert "simpler model" not in set(quiet(whole(), answers, simpler=False, **few).starts["origin"])


def start(loglik: float, seed: int = 0, **more) -> Start:
    return Start(seed, np.zeros(1), 0.0, loglik, "converged", **more)


def test_the_unseen_share_is_that_of_ends_seen_once():
    found = [start(-10.0, 1), start(-10.0, 2), start(-11.0, 3), start(-12.0, 4), start(5.0, 5, collapsed="item_sd[1]")]
    assert ends(found) == [2, 1, 1]
    assert unseen_share(found) == 0.5
    assert times_reached(found) == 2
    assert [s.seed for s in ranked(found)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("other", ["simpler model", "answers"])
def test_starts_from_simpler_models_count_once(other):
    """Those around frequent answers too: they come from a few solutions, and agree with each other for that."""
    found = [start(-10.0, -1, origin="simpler model"), start(-10.0, -2, origin=other), start(-11.0, 3)]
    assert times_reached(found) == 1
    assert ends(found) == [1, 1]


def test_points_of_one_end_are_similar_whatever_the_order_of_the_classes():
    a = [np.array([[0.0, 1.0], [2.0, -1.0]])]
    assert similar(a, [a[0][::-1] + 0.05])
    assert not similar(a, [a[0] + np.array([[0.0, 0.0], [1.5, 0.0]])])


def test_a_rare_maximum_is_found_where_most_starts_end_at_another(answers):
    """Of starts that all head for one end, two go on; the others make room."""
    rng = np.random.default_rng(2)
    c = rng.choice(4, 400, p=[0.45, 0.45, 0.05, 0.05])
    mean = np.array([[0, 0, 0, 0], [3, 3, 0, 0], [0, 3, 3, 0], [3, 0, 0, 3]])[c]
    df = pd.DataFrame(mean + rng.normal(0, 0.7, (400, 4)), columns=list("abcd"))
    fit = quiet(lca(list("abcd"), 4, family=bm.normal()), df)
    best = max(
        quiet(lca(list("abcd"), 4, family=bm.normal()), df, starts=60, finals=60, rounds=1, seed=s).loglik
        for s in (1, 2)
    )
    assert fit.loglik >= best - 1e-4
    assert fit.replicated >= 2


def test_a_way_by_one_class_more_and_back_is_a_start(answers):
    from bayesmix.ml import detours

    model = lca(list("abcdef"), 3, family=BINARY)
    data, fit = target(model, answers), quiet(model, answers)
    theta = data.pack({k: x.values for k, x in fit.params.items()})
    points = detours(data, [theta], 0)
    assert len(points) >= 4
    search = Search(data, Settings(1, 5, 1, 0, progress=False), [])
    found = search.more(points, [Start(0, theta, loglik=fit.loglik, status="converged")])
    assert {s.origin for s in found} == {"random", "detour"}
    assert max(s.loglik for s in found if s.origin == "detour") == pytest.approx(fit.loglik, abs=1e-4)


class Shuffling(Executor):
    """Finishes what it is given in another order, and counts it."""

    def __init__(self) -> None:
        self.tasks, self.pool = [], ThreadPoolExecutor(2)

    def submit(self, fn, /, *args):
        self.tasks.append(args[0])
        time.sleep(0.02 * (len(self.tasks) % 3))
        return self.pool.submit(fn, *args)


@pytest.mark.parametrize("way", ["detours", "simpler"])
def test_other_models_are_solved_where_the_user_wants_and_show_it(answers, monkeypatch, way):
    """The points are those of one process, whichever start is finished first."""
    from bayesmix.ml import neighbours

    bars = []

    @contextmanager
    def progress_bar(wanted):
        yield lambda what, total: bars.append((wanted, what, total)) or (lambda: None)

    model = lca(list("abcdef"), 3, family=BINARY)
    data, fit = target(model, answers), quiet(model, answers)
    theta = data.pack({k: x.values for k, x in fit.params.items()})
    monkeypatch.setattr(neighbours, "progress_bar", progress_bar)
    monkeypatch.setattr(search, "progress_bar", progress_bar)

    def points(*place):
        if way == "detours":
            return neighbours.detours(data, [theta], 0, *place)
        return [t for _, t in neighbours.simpler_starts(data, 0, neighbours.Split(), *place)]

    before = points()
    assert not any(wanted for wanted, *_ in bars)
    bars.clear()
    executor = Shuffling()
    assert_allclose(points(executor, True), before, atol=1e-3)  # sums of many rows side by side are rounded otherwise
    assert len(executor.tasks) == sum(total for *_, total in bars) >= 6
    assert all(wanted for wanted, *_ in bars)


def test_a_fit_hands_its_executor_to_the_searches_for_other_models(answers, monkeypatch):
    places = []
    monkeypatch.setattr(ml, "simpler_starts", lambda *arguments: places.append(arguments[3:]) or [])
    monkeypatch.setattr(ml, "detours", lambda *arguments: places.append(arguments[3:]) or [])
    monkeypatch.setattr(ml, "uncertain", lambda data, found: True)
    executor = SerialExecutor()
    settings = {"starts": 4, "finals": 2, "rounds": 2, "budget": 60.0, "progress": True, "executor": executor}
    bm.fit(lca(list("abcdef"), 3, family=BINARY), answers, **settings)
    assert places == [(executor, True)] * 2


def test_a_budget_ends_the_search_for_what_is_unseen(answers):
    model = lca(list("abcdef"), 5, family=BINARY)
    none, some = quiet(model, answers, budget=0.0, rounds=2), quiet(model, answers, budget=1.0, rounds=2)
    assert len(none.starts) <= len(some.starts)
    assert some.loglik >= none.loglik - 1e-6


def test_an_unfinished_optimiser_is_started_again():
    """A step to where nothing is finite makes L-BFGS call its point converged; its gradient says otherwise."""
    rng = np.random.default_rng(9)
    df = pd.DataFrame({k: rng.normal(size=200) + 2 * (rng.random(200) < 0.5) for k in "abc"}).round(1)
    model = lca(list("abc"), 3, family=bm.normal(), variance="class")
    fit = quiet(model, df, starts=20, rounds=1)
    done = fit.starts[fit.starts["status"] == "converged"]
    assert len(done)
    assert fit.quality["unfinished"] <= 2
    assert fit.quality["gradient"] < 1e-2


# solutions that are one ---------------------------------------------------------------------------


def test_classes_of_clusters_with_normal_items_are_one_solution():
    rng = np.random.default_rng(4)
    d = np.repeat(rng.random(60) < 0.5, 10)
    c = rng.random(600) < np.where(d, 0.85, 0.2)
    df = pd.DataFrame({k: np.where(c, 2.0, 0.0) + rng.normal(size=600) for k in "abc"}).assign(
        g=np.repeat(range(60), 10)
    )
    fit = bm.fit(lca(list("abc"), 2, family=bm.normal(), cluster="g", cluster_classes=2), df)  # no warning
    assert fit.quality["equal_solutions"] == 1
    assert fit.replicated >= 2


def test_coefficients_at_infinity_are_one_solution():
    rng = np.random.default_rng(1)
    c = rng.random(300) < 0.5
    df = pd.DataFrame({k: (rng.random(300) < np.where(c, 1.0, 0.3)).astype(int) for k in "abcde"})
    fit = bm.fit(lca(list("abcde"), 2, family=BINARY), df)
    assert fit.quality["equal_solutions"] == 1


def test_three_classes_of_three_items_are_not_identified():
    rng = np.random.default_rng(3)
    c = rng.random(500) < 0.5
    df = pd.DataFrame({k: (rng.random(500) < np.where(c, 0.8, 0.2)).astype(int) for k in "abc"})
    with pytest.warns(UserWarning, match="not identified"):
        fit = bm.fit(lca(list("abc"), 3, family=BINARY), df)
    assert fit.quality["equal_solutions"] > 1
    assert fit.solutions.sizes["solution"] >= fit.quality["equal_solutions"]


def test_the_solutions_that_were_seen_are_kept(answers, tmp_path):
    model = lca(list("abcdef"), 4, family=BINARY)
    fit = quiet(model, answers)
    found = fit.solutions
    assert (np.diff(found["loglik"].values) <= 1e-9).all()
    assert float(found["loglik"][0]) == pytest.approx(fit.loglik, abs=1e-4)
    values = {k: x.isel(solution=0).values for k, x in found.data_vars.items() if k != "loglik"}
    assert bm.log_likelihood(model, answers, values) == pytest.approx(float(found["loglik"][0]), abs=1e-5)
    loaded = bm.Fit.load(fit.save(tmp_path / "fit.nc"))
    assert loaded.solutions.equals(found)


# nothing is lost after the search -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "what", "lost"),
    [
        (ml, "polish_maximum", "the last digits"),
        (assemble, "covariances", "standard errors"),
        (posterior, "derive", "probabilities"),
        (assemble, "class_table", "class probabilities"),
        (assemble, "effect_table", "random effects"),
        (ml, "audit_nodes", "the audit"),
        (assemble, "_with_ends", "the ends"),
        (assemble, "_distinct", "a comparison"),
        (assemble, "_solutions", "other solutions"),
    ],
)
def test_a_step_that_fails_after_the_search_costs_its_own_result(answers, monkeypatch, tmp_path, where, what, lost):
    model = lca(list("abcdef"), 2, family=BINARY, cluster="g", effects="factor")
    right = quiet(model, answers, starts=4, finals=2, rounds=1)

    def fails(*arguments, **settings):
        raise FloatingPointError("no number")

    def with_all_tables():
        fit = bm.fit(model, answers, starts=4, finals=2, rounds=1)
        return fit, bm.Fit.load(fit.save(tmp_path / "fit.nc"))

    monkeypatch.setattr(where, what, fails)
    with pytest.warns(UserWarning, match=f"The solution is kept, but this could not be made of it: {lost}"):
        fit, loaded = with_all_tables()
    assert fit.loglik == pytest.approx(right.loglik, abs=1e-3)
    assert np.isfinite(fit.params["item_intercept"].values).all()
    assert any(k.startswith(lost) for k in fit.quality["failed"])
    assert loaded.loglik == fit.loglik
    assert loaded.quality["failed"] == fit.quality["failed"]
    monkeypatch.undo()
    assert bm.report(fit)
    assert len(fit.summary())


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("no such way"), MemoryError()])
def test_a_way_by_one_class_more_that_ends_early_loses_nothing(answers, monkeypatch, error):
    """A search that disagrees goes that way; interrupted or failed there, what it had found is the fit."""
    model, few = lca(list("abcdef"), 2, family=BINARY), {"starts": 6, "rounds": 2, "budget": 60.0}
    asked = []

    def ends_early(*arguments):
        asked.append(1)
        raise error

    monkeypatch.setattr(ml, "detours", ends_early)
    monkeypatch.setattr(ml, "uncertain", lambda data, found: True)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        fit = bm.fit(model, answers, **few)
    assert asked == [1]
    assert np.isfinite(fit.loglik)
    assert fit.quality["interrupted"] is isinstance(error, KeyboardInterrupt)
    words = "Interrupted" if fit.quality["interrupted"] else "starts by way of one class more"
    assert any(words in str(w.message) for w in said)


def test_simpler_models_that_fail_cost_their_starts_alone(answers, monkeypatch):
    def fails(*arguments):
        raise ValueError("no simpler model")

    monkeypatch.setattr(ml, "simpler_starts", fails)
    with pytest.warns(UserWarning, match="starts from simpler models .ValueError: no simpler model"):
        fit = bm.fit(lca(list("abcdef"), 3, family=BINARY), answers)
    assert fit.replicated >= 2


def test_an_interrupt_in_a_simpler_model_is_one_of_the_fit(answers, monkeypatch):
    from bayesmix.ml import neighbours

    def interrupted(search):
        search.interrupted = True
        return []

    monkeypatch.setattr(neighbours.Search, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bm.fit(lca(list("abcdef"), 3, family=BINARY), answers)


def test_a_loading_that_underflows_is_at_its_boundary_and_ends_nothing(answers):
    """Zero is where the exponential of a loading's logarithm ends, and goes in again."""
    model = lca(list("abcdef"), 3, family=BINARY, cluster="g")
    data = target(model, answers)
    theta = ranges(data).center.copy()
    at = data.packing.index["cluster_loading"]
    theta[at[1, 1]] = -900.0
    values = data.natural(theta)
    assert values["cluster_loading"][1, 1] == 0.0
    again = data.natural(data.pack(values))
    assert again["cluster_loading"] == pytest.approx(values["cluster_loading"], abs=1e-12)


def test_an_outcome_without_noise_has_a_finite_log_likelihood_and_says_where_it_ends():
    """Residual SDs common to all classes have a floor as well, far below: squares in closed form need their digits."""
    rng = np.random.default_rng(0)
    x, g = rng.normal(size=120), np.arange(120) % 12
    df = pd.DataFrame({"x": x, "g": g, "y": 2 + 3 * x + g})
    for model in (regression_mixture("y ~ x", cluster="g"), regression_mixture("y ~ x + C(g)")):
        fit = quiet(model, df)
        assert 0 < fit.loglik < 120 * 12
        assert "residual_sd" in fit.quality["boundary"]
        slope = fit.params["coefficient"].sel(regressor="x")
        assert float(slope) == pytest.approx(3.0, abs=1e-3)


def test_an_item_that_a_factor_explains_wholly_ends_nothing():
    rng = np.random.default_rng(1)
    f = rng.normal(size=200)
    df = pd.DataFrame({"a": f, **{k: 0.5 * f + rng.normal(size=200) for k in "bcd"}})
    fit = quiet(fma(list("abcd"), 1, family=bm.normal()), df)
    covariance = np.cov(df.to_numpy().T, bias=True)
    saturated = -100 * (4 * np.log(2 * np.pi) + np.linalg.slogdet(covariance)[1] + 4)
    assert saturated - 5 < fit.loglik <= saturated + 1e-6


def test_a_solution_whose_last_steps_collapse_is_ranked_behind(monkeypatch):
    """A search may stop where nobody is in a class; Newton's steps from there may end at a class of one row."""
    rng = np.random.default_rng(3)
    df = pd.DataFrame(np.r_[rng.normal(0, 1, (150, 3)), rng.normal(3, 0.5, (60, 3)), np.ones((50, 3))].round(2))
    df.columns = list("abc")
    model = lca(list("abc"), 3, family=bm.normal(), variance="class")
    for seed in range(3):
        fit = quiet(model, df, seed=seed, budget=0, rounds=1)
        data = target(model, df)
        limits = ranges(data)
        gone = limits.collapsed(data.pack({str(k): x.values for k, x in fit.params.items()})).any()
        assert gone == fit.starts["status"].iloc[0].startswith("collapsed")
        assert fit.starts["loglik"].iloc[0] == pytest.approx(fit.loglik, abs=1e-6)


def test_the_floor_counts_rows_and_not_patterns():
    df = pd.DataFrame({"y": [0.0] * 90 + [10.0, 20.5, 31.0] * 10})
    model = lca(["y"], 2, family=bm.normal(), variance="class")
    data = target(model, df)
    limits = ranges(data)
    floor = data.inside(np.where(limits.collapsing, limits.lower, limits.center))["item_sd"]
    assert_allclose(floor, 0.25 * df["y"].std(ddof=0))  # a quarter of the SD, where answers are so coarse


def test_classes_around_frequent_answers_are_starts(tied):
    """From the solution with one class less: somebody is in the new class, which has the answer and its neighbours."""
    from bayesmix.ml import Split, simpler_starts

    data = target(lca(list("abcd"), 3, family=bm.normal(), variance="class"), tied)
    points = simpler_starts(data, 0, Split())
    assert {o for o, _ in points} == {"simpler model", "answers"}
    around = [
        theta
        for o, theta in points
        if o == "answers" and np.abs(data.inside(theta)["item_intercept"][2, 0] - 5.0) < 0.3
    ]
    assert around
    for theta in around:
        values = data.inside(theta)
        assert values["item_sd"][2, 0] < 0.6 * tied["a"].std()
        assert np.isfinite(class_posteriors(data, theta)["C"]).all()
        assert 0.02 < float(data.counts @ class_posteriors(data, theta)["C"][:, 2]) / 400 < 0.4


def test_common_variances_need_no_such_starts(tied):
    from bayesmix.ml import Split, simpler_starts

    data = target(lca(list("abcd"), 3, family=bm.normal()), tied)
    assert len(simpler_starts(data, 0, Split())) == 2


@pytest.mark.parametrize("cluster", [None, "g"], ids=["side by side", "alone"])
def test_a_start_with_two_classes_alike_goes_on(answers, cluster):
    """Where two classes are one the gradient is that of a model of one class less: no maximum of this one."""
    data = target(lca(list("abcdef"), 2, family=BINARY, cluster=cluster), answers)
    limits = ranges(data)
    alike = limits.center.copy()
    task = search.Task(data, limits, search.Start(1, alike), search.LONG, None)
    end, best = search.run_start(task), quiet(data.model, answers)
    assert end.status == "converged"
    one = quiet(lca(list("abcdef"), 1, family=BINARY), answers)
    assert end.loglik > one.loglik + 10
    assert end.loglik == pytest.approx(best.loglik, abs=0.05)


def test_a_failure_among_starts_that_climb_side_by_side_costs_one_row(answers, monkeypatch):
    model, real = lca(list("abcdef"), 2, family=BINARY), search._off_saddle
    failed = []

    def fails_once(task, theta):
        if not failed:
            failed.append(task.start.seed)
            raise np.linalg.LinAlgError("no eigenvalues")
        return real(task, theta)

    monkeypatch.setattr(search, "_off_saddle", fails_once)
    fit = quiet(model, answers, starts=6, finals=3, rounds=1)
    assert len(failed) == 1
    assert len(fit.starts) == 6
    assert fit.starts["loglik"].notna().sum() == 3


def test_a_logit_that_went_too_far_out_comes_back():
    """Nobody is in the class any more who gave the answer, so that nothing draws the logit back but what has faded."""
    rng = np.random.default_rng(1)
    c = np.repeat([0, 1], 400)
    df = pd.DataFrame((rng.random((800, 7)) < np.where(c, 0.9, 0.1)[:, None]).astype(int), columns=list("abcdefg"))
    df["g"] = np.where(c == 0, rng.random(800) < 0.5, np.arange(800) % 200 == 0).astype(int)
    data = target(lca(list("abcdefg"), 2, family=BINARY), df)
    limits = ranges(data)
    rows = [search.run_start(search.Task(data, limits, Start(k, limits.draw(k)), search.LONG, None)) for k in range(3)]
    best = max(rows, key=lambda s: s.loglik)
    rare = data.packing.index["item_intercept"][:, 6]
    k = rare[np.argmin(best.theta[rare])]
    assert -8 < best.theta[k] < -3
    away = best.theta.copy()
    away[k] = -30.0
    far = search.Objective(data).value_and_gradient(away)
    assert far[0] < best.loglik - 0.1
    assert abs(far[1][k]) < 1e-8
    for alone in (False, True):
        found = search.run_start(search.Task(data, limits, Start(9, away), search.LONG, None), alone=alone)
        assert found.loglik == pytest.approx(best.loglik, abs=1e-6)
