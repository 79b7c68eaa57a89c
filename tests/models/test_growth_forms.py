"""Growth in rows of measurements is growth in rows of persons, setting by setting; groups; what each form refuses."""

import re

import numpy as np
import pandas as pd
import pytest
from bayesmix.models import fma, lca, regression_mixture
from bayesmix.models.growth import growth
from numpy.testing import assert_allclose

import bayesmix as bm
from bayesmix.data import Dataset
from bayesmix.ml import Target
from bayesmix.spec.serialize import dumps, loads
from command import run

ITEMS, TIMES = ["y1", "y2", "y3", "y4"], [0.0, 1.0, 2.5, 4.0]
QUICK = {"starts": 6, "finals": 2, "rounds": 1, "budget": 0, "progress": False}
DISTAL = {"d": "bernoulli", "s": bm.normal()}


def persons(n: int = 40, seed: int = 0, missing: float = 0.2) -> pd.DataFrame:
    """Persons of two classes in schools, with outcomes and groups of schools; each has an answer."""
    rng = np.random.default_rng(seed)
    c, school = rng.integers(0, 2, n), np.arange(n) % 8
    level = np.where(c, 2.5, -0.5) + 0.7 * rng.normal(size=n) + 0.5 * rng.normal(size=8)[school]
    slope = np.where(c, -0.6, 0.4) + 0.25 * rng.normal(size=n)
    y = level[:, None] + slope[:, None] * np.array(TIMES) + 0.5 * rng.normal(size=(n, 4))
    y[rng.random(y.shape) < missing] = np.nan
    df = pd.DataFrame(y, columns=ITEMS).assign(g=school, x=rng.normal(1, 2, n), h=np.where(school % 3, "a", "b"))
    df["d"], df["s"] = (rng.random(n) < np.where(c, 0.8, 0.2)).astype(int), rng.normal(np.where(c, 1.0, 0.0))
    df["k"] = np.where(np.arange(n) % 5 == 0, c + 1.0, np.nan)
    return df[df[ITEMS].notna().any(axis=1)].reset_index(drop=True)


def visits(df: pd.DataFrame, seed: int = 1) -> pd.DataFrame:
    """A row a measurement, in no order."""
    out = df.assign(id=df.index + 100).melt(["id", *(k for k in df if k not in ITEMS)], ITEMS, "t", "y")
    out = out.assign(t=out["t"].map(dict(zip(ITEMS, TIMES, strict=True)))).dropna(subset=["y"])
    return out.sample(frac=1.0, random_state=seed).reset_index(drop=True)


def random_values(model: bm.Model, df: pd.DataFrame) -> dict[str, np.ndarray]:
    data = Target.of(Dataset.encode(model, df))
    values = data.natural(np.random.default_rng(1).normal(0.2, 0.5, data.packing.size))
    return {k: np.asarray(v) for k, v in values.items()}


def by_person(wide: dict, model: bm.Model) -> dict[str, np.ndarray]:
    """Parameters of the wide form under the names of the regression of persons."""
    named = {
        "cluster_class_logit": "class_logit", "cluster_class_slope": "class_slope", "intercept": "I_mean",
        "u_intercept_sd": "u_I_sd", "u_t_sd": "u_S_sd", "u_t_on_u_intercept": "u_S_on_u_I",
        "intercept_on": "I_slope", "t_on": "S_slope",
    }  # fmt: skip
    out = {p.name: wide.get(named.get(p.name, p.name)) for p in model.parameters}
    return out | {"coefficient": wide["S_mean"][..., None], "random": np.eye(2)}


TWO_LEVELS = {
    "distal": {"distal": DISTAL},
    "by occasion": {"variance": "occasion"},
    "by class and occasion": {"variance": "class and occasion", "distal": ["s"]},
    "sizes by group": {"group": "h"},
    "means by group": {"group": "h", "by_group": "means"},
    "variances by group": {"group": "h", "by_group": "variances + residuals", "sizes_by_group": False},
    "covariances by group": {"group": "h", "by_group": "covariances"},
    "free": {
        "group": "h", "by_group": "free", "distal": DISTAL, "variance": "class and occasion", "factor_covariates": "x",
    },
    "known": {"known": "k"},
    "curve analysis": {"random": "0", "group": "h", "by_group": "free", "variance": "occasion"},
}  # fmt: skip


@pytest.mark.parametrize("name", TWO_LEVELS)
def test_both_forms_have_one_likelihood(name):
    df, more = persons(), TWO_LEVELS[name]
    wide, rows = growth(ITEMS, 2, "x", times=TIMES, **more), growth("y ~ t", 2, "x", id="id", **more)
    v = random_values(wide, df)
    values = {k: x for k, x in by_person(v, rows).items() if k in {p.name for p in rows.parameters}}
    found = bm.log_likelihood(rows, visits(df), values)
    assert found == pytest.approx(bm.log_likelihood(wide, df, v), abs=1e-8)


THREE_LEVELS = {
    "levels": {"cluster_random": "1", "effects": "none"},
    "distal, by occasion": {"cluster_random": "1", "effects": "none", "distal": DISTAL, "variance": "occasion"},
    "known": {"random": "1", "cluster_random": "0", "effects": "factor", "known": "k"},
    "free": {"cluster_random": "1", "effects": "none", "group": "h", "by_group": "free", "distal": ["s"]},
    "both": {},
    "covariates": {"random": "0", "factor_covariates": "x", "by_class": "means + slopes", "effects": "none"},
}


@pytest.mark.parametrize("name", [pytest.param(k, marks=[pytest.mark.slow] * (k != "levels")) for k in THREE_LEVELS])
def test_both_forms_have_one_likelihood_in_clusters(name):
    df, more = persons(), THREE_LEVELS[name]
    wide = growth(ITEMS, 2, "x", times=TIMES, cluster="g", **more)
    rows = growth("y ~ t", 2, "x", id="id", cluster="g", **more)
    v = random_values(wide, df)
    values = {p.name: (v | {"time_score": np.eye(2)})[p.name] for p in rows.parameters}
    found = bm.log_likelihood(rows, visits(df), values)
    assert found == pytest.approx(bm.log_likelihood(wide, df, v), abs=1e-8)


@pytest.mark.slow
def test_both_forms_have_one_likelihood_where_covariates_of_persons_have_gaps():
    df = persons().assign(x=lambda d: d["x"].where(d.index % 4 > 0))
    own = {"cluster": "g", "cluster_random": "0", "effects": "none"}
    wide = bm.with_covariates(growth(ITEMS, 2, "x", times=TIMES, **own), "x")
    rows = bm.with_covariates(growth("y ~ t", 2, "x", id="id", **own), "x")
    v = random_values(wide, df)
    values = {p.name: (v | {"time_score": np.eye(2)})[p.name] for p in rows.parameters}
    found = bm.log_likelihood(rows, visits(df), values)
    assert found == pytest.approx(bm.log_likelihood(wide, df, v), abs=1e-8)


@pytest.mark.slow
def test_both_forms_in_clusters_are_fitted_alike():
    df = persons(200)
    more = {"cluster": "g", "cluster_random": "1", "effects": "none", "variance": "occasion", "distal": DISTAL}
    wide = bm.fit(growth(ITEMS, 2, times=TIMES, **more), df, **QUICK)
    rows = bm.fit(growth("y ~ t", 2, id="id", **more), visits(df), **QUICK)
    assert rows.loglik == pytest.approx(wide.loglik, abs=1e-8)
    assert rows.n_parameters == wide.n_parameters
    for name in (str(k) for k in wide.params if k != "time_score"):
        assert_allclose(rows.params[name].values, wide.params[name].values, atol=1e-5, err_msg=name)
    a, b = bm.trajectories(wide, df, points=3), bm.trajectories(rows, visits(df), points=3)
    assert_allclose(a.loc[b.index, ["expected", "se"]], b[["expected", "se"]], atol=1e-5)
    assert_allclose(bm.predict(rows, visits(df)).class_probabilities("C")["C=1"], rows.class_probabilities("C")["C=1"])


def test_times_of_persons_own_in_clusters_are_a_mixture_of_normals():
    df = visits(persons()).assign(t=lambda d: d["t"] + 0.1 * np.sin(d["id"]))
    two = growth("y ~ t", 2, "x", id="id")
    three = growth("y ~ t", 2, "x", id="id", cluster="g", cluster_random="0", effects="none")
    v = random_values(three, df)
    values = {k: x for k, x in by_person(v, two).items() if k in {p.name for p in two.parameters}}
    assert bm.log_likelihood(three, df, v) == pytest.approx(bm.log_likelihood(two, df, values), abs=1e-8)


def test_an_outcome_of_a_person_counts_once_and_is_drawn_once():
    df = visits(persons())
    model = growth("y ~ t", 2, id="id", random="0", distal=["s"])
    values = {k: v.values for k, v in bm.fit(model, df, **QUICK).params.items()}
    drawn = bm.simulate(model, values, df=df, seed=3)
    assert (drawn.groupby("id")["s"].max() == drawn.groupby("id")["s"].min()).all()
    assert drawn["s"].nunique() == df["id"].nunique()
    some = df.assign(s=df["s"].where(df.groupby("id").cumcount() == 1, np.nan))
    there = some.groupby("id")["s"].transform("count") > 0
    whole, part = (bm.log_likelihood(model, d, values) for d in (df.assign(s=df["s"].where(there)), some))
    assert part == pytest.approx(whole, abs=1e-9)
    assert bm.missing_data(model, df).coverage.loc["s", "s"] == 1.0


@pytest.mark.slow
def test_draws_in_clusters_are_of_persons():
    df = visits(persons(120))
    model = growth("y ~ t", 2, id="id", cluster="g", cluster_random="1", effects="none", distal=["s"])
    fit = bm.fit(model, df, **QUICK)
    drawn = bm.simulate(fit, df=df, seed=2)
    of_persons = drawn.groupby("id")[["s", "true_C", "true_I"]]
    assert (of_persons.max() == of_persons.min()).all(axis=None)
    line = drawn["true_I"] + drawn["true_S"] * drawn["t"]
    assert float(np.std(drawn["y"] - line)) == pytest.approx(float(fit.params["residual_sd"]), rel=0.1)
    again = bm.Fit.load(_saved(fit))
    assert again.model == fit.model
    assert bm.log_likelihood(again, df) == pytest.approx(fit.loglik, abs=1e-9)


def _saved(fit: bm.Fit):
    import tempfile
    from pathlib import Path

    path = Path(tempfile.mkdtemp()) / "fit.nc"
    fit.save(path)
    return path


# groups -------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The best log-likelihood")
@pytest.mark.parametrize("form", ["wide", "long"])
def test_free_groups_are_separate_fits_and_equal_ones_the_pooled_fit(form):
    df = persons(240)
    data = df if form == "wide" else visits(df)

    def declared(**more):
        more |= {"variance": "occasion", "distal": ["s"], "factor_covariates": "x"}
        if form == "wide":
            return growth(ITEMS, 2, times=TIMES, **more)
        return growth("y ~ t", 2, id="id", **more)

    free = bm.fit(declared(group="h", by_group="free"), data, **QUICK)
    apart = [bm.fit(declared(), data[data["h"] == h], **QUICK) for h in "ab"]
    assert free.loglik == pytest.approx(sum(f.loglik for f in apart), abs=1e-6)
    assert free.n_parameters == sum(f.n_parameters for f in apart)
    table = free.summary()
    pairs = [[k, k.replace("[a", "[b", 1)] for k in table.index if "[a" in k and table.loc[k, "se"] > 0]
    same = bm.fit(declared(group="h", by_group="free", equal=pairs), data, **QUICK)
    pooled = bm.fit(declared(), data, **QUICK)
    assert same.loglik == pytest.approx(pooled.loglik, abs=1e-6)
    assert same.n_parameters == pooled.n_parameters


def test_trajectories_of_groups_are_those_of_their_means():
    df = persons(120)
    fit = bm.fit(growth(ITEMS, 2, times=TIMES, random="0", group="h", by_group="means"), df, **QUICK)
    table = bm.trajectories(fit, points=2)
    assert table.index.names == ["group", "class", "time"]
    for h, c in ((h, c) for h in "ab" for c in (1, 2)):
        at = {"group": h, "C": c}
        line = float(fit.params["I_mean"].sel(at)) + 4.0 * float(fit.params["S_mean"].sel(at))
        assert table.loc[(h, c, 4.0), "expected"] == pytest.approx(line, abs=1e-9)
    axes = bm.plots.trajectories(fit, df, lines=10)
    assert [ax.get_title() for ax in axes] == ["h = a", "h = b"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The best log-likelihood")
@pytest.mark.parametrize("structure", [("equal", "equal"), ("class", "class"), ("class", [("y1", "y2")])])
def test_profiles_with_covariances_by_group(structure):
    df, more_starts = persons(400, missing=0.05), QUICK | {"starts": 30, "finals": 6}
    variance, covariance = structure

    def declared(**more):
        return lca(ITEMS, 2, family=bm.normal(), variance=variance, covariance=covariance, **more)

    free = bm.fit(declared(group="h", measurement_by_group="free"), df, **more_starts)
    apart = [bm.fit(declared(), df[df["h"] == h], **more_starts) for h in "ab"]
    assert free.loglik == pytest.approx(sum(f.loglik for f in apart), abs=1e-6)
    assert free.n_parameters == sum(f.n_parameters for f in apart)
    for h, one in zip("ab", apart, strict=True):
        own = bm.residual_covariances(free)
        own = own[own.index.get_level_values("class").str.startswith(f"group = {h}")]
        assert_allclose(np.sort(own.to_numpy(), axis=None), np.sort(bm.residual_covariances(one), axis=None), atol=1e-4)
    same = bm.fit(declared(group="h", sizes_by_group=False), df, **more_starts)
    assert same.loglik == pytest.approx(bm.fit(declared(), df, **more_starts).loglik, abs=1e-6)


def test_covariances_alone_differ_by_group():
    df = persons(80, missing=0.1)
    pairs = {"covariance": [("y1", "y2"), ("y2", "y3")], "family": bm.normal()}
    whole = lca(ITEMS, 2, group="h", measurement_by_group="covariances", **pairs)
    some = lca(ITEMS, 2, group="h", measurement_by_group={"covariances": ["y1", "y2"]}, **pairs)
    n = [bm.prepare(m, df).packing.size for m in (lca(ITEMS, 2, group="h", **pairs), some, whole)]
    assert np.diff(n).tolist() == [1, 1]
    v = random_values(lca(ITEMS, 2, **pairs), df)
    v["item_covariance"] = np.array([0.05, -0.05])
    alike = v | {
        "item_covariance": np.tile(v["item_covariance"], (2, 1)),
        "class_logit": np.tile(v["class_logit"], (2, 1)),
    }
    assert bm.log_likelihood(whole, df, alike) == pytest.approx(
        bm.log_likelihood(lca(ITEMS, 2, **pairs), df, v), abs=1e-9
    )
    factor = fma(ITEMS, 1, family=bm.normal(), covariance=[("y1", "y2")], group="h", measurement_by_group="covariances")
    assert bm.prepare(factor, df).packing.size > 0


def test_residuals_of_covariances_by_group_add_up():
    df = persons(160, missing=0.0)
    model = lca(ITEMS, 1, family=bm.normal(), covariance="equal", group="h", measurement_by_group="free")
    found = bm.residuals(bm.fit(model, df, **QUICK), df)
    assert found.numbers["residual"].abs().max() < 1e-6


def test_invariance_goes_on_to_equal_covariances():
    df = persons(160, missing=0.0)
    model = lca(ITEMS[:2], 1, family=bm.normal(), covariance="equal", group="h")
    found = bm.invariance(model, df, items=False, starts=2, rounds=1, budget=0, progress=False)
    assert found.levels.index.tolist() == ["configural", "scalar", "strict", "equal covariances"]
    assert found.levels["df"].tolist()[1:] == [2, 2, 1]


# what says that there are trajectories --------------------------------------------------------------


def test_a_regression_of_persons_has_trajectories_where_time_is_given():
    df = visits(persons(60))
    more = {"cluster": "id", "random": "0", "cluster_classes": 2, "by_cluster_class": "1 + t"}
    fit = bm.fit(regression_mixture("y ~ t", **more), df, **QUICK)
    own = bm.fit(growth("y ~ t", 2, id="id", random="0"), df, **QUICK)
    a, b = bm.trajectories(fit, df, time="t", points=3), bm.trajectories(own, df, points=3)
    assert_allclose(a[["expected", "se"]], b[["expected", "se"]], atol=1e-6)
    with pytest.raises(ValueError, match="not repeated over time"):
        bm.trajectories(fit, df)
    assert not fit.model.has_trajectories


def test_models_that_were_kept_before_time_was_know_it():
    model = growth("y ~ x + t", 2, id="id", factors="1 + t")
    assert model.time == "t"
    older = dumps(growth("y ~ t + x", 2, id="id", factors="1 + t")).replace(', "time": "t"', "")
    assert '"time"' not in older
    assert loads(older).time == "t"
    assert loads(dumps(model)) == model


# refused --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"group": "h", "classes": 1}, "nothing differs between groups"),
        ({"by_group": "means"}, "came without groups"),
        ({"group": "h", "by_group": "curves"}, "'curves': give 'equal', 'free'"),
        ({"group": "h", "by_group": "thresholds"}, "'thresholds', of which the model has none"),
        ({"items": "y ~ 1", "id": "id", "variance": "occasion"}, "without time: give time="),
        ({"items": "y ~ t", "id": "id", "effects": "factor"}, "came without clusters"),
        ({"items": "y ~ t", "id": "id", "distal": ["s"], "freq": "n"}, "freq='n'"),
        ({"time": "t"}, "time='t' came with wide data"),
        (
            {"group": "h", "by_group": "free", "time_covariates": {"y1": "x", "y2": "x"}, "time_effects": "equal"},
            "beside time_effects='equal'",
        ),
    ],
)
def test_bad_settings_are_refused(given, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        growth(**({"items": ITEMS, "classes": 2} | given))


@pytest.mark.parametrize(
    ("more", "change", "words"),
    [
        ({"distal": ["s"]}, {"s": lambda d: d["s"] + d["t"]}, "'s' varies within id"),
        ({"variance": "occasion"}, {"t": lambda d: d["t"] + 0.5 * (d.index == 0)}, "in one row alone"),
        ({"variance": "occasion"}, {"t": lambda d: d["t"] + 0.01 * (d.index // 2)}, "expected 20 at most"),
        ({"group": "h"}, {"h": lambda d: np.where(d["t"] > 1, "a", "b")}, "vary within clusters of 'id'"),
        ({"cluster": "g"}, {"g": lambda d: d["g"] + (d["t"] > 1)}, "'g' varies within id"),
        ({"cluster": "g"}, {"t": lambda d: 0.0 * d["t"]}, "several answers at t = 0"),
        ({"cluster": "g"}, {"id": lambda d: d["id"].where(d.index > 2)}, "3 missing values: every row needs a person"),
        ({"cluster": "g", "variance": "occasion"}, {"t": lambda d: d["t"] + 0.01 * d.index}, "expected 20 at most"),
    ],
)
def test_bad_rows_are_refused(more, change, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        bm.prepare(growth("y ~ t", 2, id="id", **more), visits(persons()).assign(**change))


def test_invariance_and_three_steps_say_what_they_do_not_take():
    with pytest.raises(ValueError, match=r"A model of growth came.*by_group="):
        bm.invariance(growth(ITEMS, 2, group="h"), persons())


@pytest.mark.slow
def test_the_command_line_takes_what_is_new(tmp_path):
    visits(persons(80)).to_csv(tmp_path / "rows.csv", index=False)
    quick = ("--starts", "3", "--rounds", "1", "--budget", "0", "--quiet", "--classes", "2")
    sets = [f"--set={k}" for k in ("id=id", "cluster_random=1", "effects=none", "variance=occasion", "distal=s=normal")]
    rows = ("--formula", "y ~ t", "--cluster", "g", *sets)
    done = run("fit", "growth", str(tmp_path / "rows.csv"), *rows, *quick, "--out", str(tmp_path / "a"))
    assert done.exit_code == 0, done.output
    table = pd.read_csv(tmp_path / "a" / "class_probabilities.csv")
    assert table.columns[0] == "id"
    groups = ("--formula", "y ~ t", "--set=id=id", "--set=random=0", "--set=by_group=means", "--set=group=h")
    done = run("fit", "growth", str(tmp_path / "rows.csv"), *groups, *quick, "--out", str(tmp_path / "b"))
    assert done.exit_code == 0, done.output
    assert pd.read_csv(tmp_path / "b" / "trajectories.csv").columns[:3].tolist() == ["group", "class", "time"]


def test_a_time_that_misses_is_not_said_to_be_a_covariate():
    df = visits(persons())
    model = growth("y ~ x", 2, id="id", time="t", variance="occasion", random="0", factors="1")
    with pytest.raises(ValueError, match="Column 't' has 1 missing values") as caught:
        bm.prepare(model, df.assign(t=df["t"].where(df.index > 0)))
    assert "missing_covariates" not in str(caught.value)


def test_covariates_of_persons_are_at_their_mean_over_persons_however_often_these_were_measured():
    df = persons(60)
    rows = visits(df)
    rows = rows[(rows["x"] > 1) | (rows["t"] < 2)]  # persons with small values are measured less often
    df = df[df.index.isin(rows["id"] - 100)]
    assert abs(rows["x"].mean() - df["x"].mean()) > 0.05, "who was measured more often is what this test is about"
    fit = bm.fit(growth("y ~ t", 1, id="id", factor_covariates="x", random="1"), rows, **QUICK)
    found = bm.trajectories(fit, rows, points=2)["expected"].to_numpy()
    p, x = fit.params, df["x"].mean()
    level = float(p["intercept"]) + float(p["intercept_on"][0]) * x
    slope = float(p["coefficient"][0]) + float(p["t_on"][0]) * x
    assert_allclose(found, [level, level + slope * rows["t"].max()], rtol=1e-8)
