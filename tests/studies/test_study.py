"""Monte Carlo studies: their tables, seeds, workers, classes, the folder they go on from, failures, the command."""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bayesmix.models import gom, lca

import bayesmix as bm
import command
from bayesmix import parallel
from bayesmix.ml import search
from bayesmix.results import compare
from bayesmix.studies import replicate, replication

ITEMS = list("abcd")
SIDES = np.array([[1.8, 1.4, 1.9, 1.2], [-1.5, -1.9, -1.2, -1.7]])
TRUTH = {"class_logit": np.array([-0.4, 0.0]), "item_intercept": SIDES}
"""The first class is the smaller one: fits by themselves come in the other order."""
FIT = {"starts": 2, "finals": 1, "rounds": 1}
BINARY = bm.bernoulli()
TWO, ONE = lca(ITEMS, 2, family=BINARY), lca(ITEMS, 1, family=BINARY)


def study(models=None, *, population=TWO, params=TRUTH, n=200, replications=4, executor=None, **settings):
    """A small study, in this process."""
    given = {"fit": FIT, "executor": executor or parallel.SerialExecutor()} | settings
    return bm.study(population, params, models, n=n, replications=replications, **given)


@pytest.fixture(scope="module")
def small():
    return study({"one": ONE, "two": TWO}, replications=6)


# the tables ---------------------------------------------------------------------------------------


def test_the_table_is_that_of_a_loop_by_hand(small):
    rows = []
    for r in range(6):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = bm.fit(TWO, small.data(r), seed=small.plan.seeds(r)[2], start=TRUTH, like=TRUTH, **FIT)
        rows.append(compare(fit).table.loc["item_intercept[1, a]", ["ml", "ml_se", "ml_lower", "ml_upper"]])
    x, se, low, high = np.array(rows, dtype=float).T
    row = small.summary("two").loc["item_intercept[1, a]"]
    assert row["population"] == pytest.approx(1.8)
    assert row["average"] == pytest.approx(x.mean())
    assert row["sd"] == pytest.approx(x.std(ddof=1))
    assert row["average_se"] == pytest.approx(se.mean())
    assert row["mse"] == pytest.approx(((x - 1.8) ** 2).mean())
    assert row["cover"] == pytest.approx(((low <= 1.8) & (high >= 1.8)).mean())
    assert row["significant"] == pytest.approx((np.abs(x / se) > 1.959964).mean())
    assert (row["n"], row["with_se"]) == (6, 6)


def test_every_free_parameter_and_probability_has_its_true_value(small):
    table = small.summary("two")
    share = np.exp(-0.4) / (1 + np.exp(-0.4))
    assert table.loc["C_probability[1]", "population"] == pytest.approx(share)
    assert table.loc["item_probability[2, b, 1]", "population"] == pytest.approx(1 / (1 + np.exp(1.9)))
    assert table.loc["class_logit[1]", "population"] == pytest.approx(-0.4)
    assert table["population"].notna().all()
    assert (np.abs(table["average"] - table["population"]) < 4 * table["sd"] / np.sqrt(6)).all()


def test_a_model_with_other_parameters_has_no_true_values_unless_they_are_given(small):
    table = small.summary("one")
    assert table[["population", "mse", "cover"]].isna().all(axis=None)
    assert table["average"].notna().all()
    truth = {"one": {"item_intercept": SIDES[:1]}}
    given = study({"one": ONE}, truth=truth, replications=2).summary()
    assert given["population"].filter(like="item_intercept").to_numpy() == pytest.approx(SIDES[0])


def test_bic_chooses_in_replications_that_all_models_finished(small):
    table = small.bic()
    by_hand = small.fits["BIC"].to_numpy().reshape(6, 2)
    assert list(table.index) == ["one", "two"]
    assert table.loc["two", "chosen by BIC"] == (by_hand[:, 1] < by_hand[:, 0]).sum() == 6
    assert table.loc["one", "chosen by BIC"] == 0
    assert table["BIC"].to_numpy() == pytest.approx(by_hand.mean(axis=0))
    assert list(table["parameters"]) == [4, 9]
    assert set(table["compared"]) == {6}


def test_what_is_printed_has_the_tables_and_what_went_wrong(small):
    text = str(small)
    for words in (
        "MONTE CARLO STUDY",
        "RESULTS: TWO",
        "population   average      SD",
        "INFORMATION CRITERIA",
        "6 of 6",
    ):
        assert words in text
    assert max(map(len, text.splitlines())) <= 100
    assert bm.report(small) == text == repr(small)
    assert small._repr_html_().startswith("<pre>")
    assert list(small.summary().index.names) == ["model", "entry"]


def test_quantities_of_two_levels_have_true_values():
    model = lca(ITEMS, 2, family=BINARY, cluster="g")
    truth = TRUTH | {"cluster_loading": np.array([[1.2, 0.0]])}
    found = study(
        {"two-level": model, "single": TWO}, population=model, params=truth, n=240, clusters=20, replications=1
    )
    table = found.summary("two-level")
    assert table.loc["cluster_sd[1]", "population"] == pytest.approx(1.2, abs=1e-6)
    assert table.loc["cluster_icc[1]", "population"] == pytest.approx(1.44 / (1.44 + np.pi**2 / 3), abs=1e-6)
    assert table["population"].notna().all()
    single = found.summary("single")  # the same items: what ignoring the clusters costs them
    assert single["population"].filter(like="item_intercept").notna().all()


def test_covariates_may_be_drawn_anew_and_averages_are_those_of_each_data_set():
    model = lca(ITEMS, 2, family=BINARY, covariates="x")
    truth = TRUTH | {"class_slope": np.array([[0.8], [0.0]])}
    found = study(
        population=model, params=truth, n=None, replications=2,
        df=lambda rng: pd.DataFrame({"x": rng.normal(size=200)}),
    )  # fmt: skip
    assert not np.allclose(found.data(0)["x"], found.data(1)["x"])
    rows = found.replications.set_index(["replication", "entry"])["population"]
    for r in (0, 1):
        x = found.data(r)["x"].to_numpy()
        assert rows[r, "C_probability[1]"] == pytest.approx((1 / (1 + np.exp(0.4 - 0.8 * x))).mean())
    assert rows[0, "class_slope[1, x]"] == 0.8


def test_an_estimated_model_is_a_population(fitted):
    found = study(population=fitted, params=None, replications=2, n=300)
    table = found.summary()
    assert table.loc["class_logit[1]", "population"] == fitted.params["class_logit"].values[0]


# classes ------------------------------------------------------------------------------------------


def test_classes_in_the_opposite_order_give_the_same_table():
    """Matched to true values in the other order, every fit comes out the other way round."""
    plain = study().summary()
    turned = {"class_logit": np.array([0.4, 0.0]), "item_intercept": SIDES[::-1]}
    other = study(truth={"lca": turned}).summary()
    columns = ["average", "sd", "average_se", "mse", "cover"]
    for mine, theirs in (("item_intercept[1, ", "item_intercept[2, "), ("C_probability[1", "C_probability[2")):
        a, b = (t[t.index.str.startswith(k)][columns].to_numpy() for t, k in ((plain, mine), (other, theirs)))
        assert a == pytest.approx(b, rel=1e-5, abs=1e-7)
    flipped = other.loc["class_logit[1]", columns] * [-1, 1, 1, 1, 1]
    assert plain.loc["class_logit[1]", columns].to_numpy() == pytest.approx(flipped.to_numpy(), rel=1e-5)
    assert plain.loc["class_logit[1]", "cover"] >= 0.5


# seeds, workers, the folder -----------------------------------------------------------------------


def same(a, b) -> bool:
    return a.replications.equals(b.replications) and str(a) == str(b)


def test_the_table_does_not_depend_on_the_number_of_workers():
    assert same(study(executor=parallel.processes(2)), study())
    with ThreadPoolExecutor(3) as threads:
        assert same(study(executor=threads), study())


def test_a_replication_does_not_depend_on_the_others(small):
    alone = replicate((small.plan, 4, "two"))
    (before,) = [r for r in small.records if (r["replication"], r["model"]) == (4, "two")]
    assert {k: v for k, v in alone.items() if k != "seconds"} == {k: v for k, v in before.items() if k != "seconds"}
    assert small.data(4).equals(small.data(4))
    assert not study(seed=1, replications=1).data(0).equals(small.data(0))


def test_more_replications_go_on_from_those_in_the_folder(tmp_path, monkeypatch):
    study(folder=tmp_path, replications=2)
    asked = counted(monkeypatch)
    more = study(folder=tmp_path, replications=4)
    assert asked == [2, 3]
    monkeypatch.undo()
    assert same(more, study(replications=4))
    assert same(bm.Study.load(tmp_path), more)
    fewer = study(folder=tmp_path, replications=3)
    assert sorted(fewer.replications["replication"].unique()) == [0, 1, 2]
    with pytest.raises(ValueError, match="models are not in the folder"):
        bm.Study.load(tmp_path).data(0)


def counted(monkeypatch) -> list[int]:
    """The replications that are run from here on."""
    asked, before = [], replication._estimated

    def estimated(plan, r, name):
        asked.append(r)
        return before(plan, r, name)

    monkeypatch.setattr(replication, "_estimated", estimated)
    return asked


KILLED = """
import numpy as np, bayesmix as bm
from bayesmix.models import lca
from bayesmix.parallel import SerialExecutor
truth = {{"class_logit": np.array([-0.4, 0.0]), "item_intercept": np.array({sides})}}
bm.study(lca(list("abcd"), 2, family=bm.bernoulli()), truth, n=200, replications=200, folder={folder!r},
         fit={{"starts": 2, "finals": 1, "rounds": 1}}, executor=SerialExecutor())
"""


def test_a_study_that_was_killed_goes_on_where_it_stopped(tmp_path):
    code = KILLED.format(sides=SIDES.tolist(), folder=str(tmp_path))
    run = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"OMP_NUM_THREADS": "1"})
    try:
        while len(list(tmp_path.glob("replications/0*.json"))) < 3:
            assert run.poll() is None
            time.sleep(0.02)
    finally:
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
    kept = {p.name: p.stat().st_mtime_ns for p in tmp_path.glob("replications/0*.json")}
    assert 3 <= len(kept) < 200
    more = study(folder=tmp_path, replications=len(kept) + 2)
    assert {k: (tmp_path / "replications" / k).stat().st_mtime_ns for k in kept} == kept
    assert same(more, study(replications=len(kept) + 2))
    print(f"\nkilled after {len(kept)} replications, resumed to {len(kept) + 2}: the same table")


def test_what_was_half_written_is_not_there(tmp_path):
    whole = study(folder=tmp_path, replications=2)
    folder = tmp_path / "replications"
    (folder / ".000001-0.json.99").write_text('{"replication": 1, "est', encoding="utf-8")
    (folder / "000000-0.json").write_text('{"replication": 0, "est', encoding="utf-8")
    assert same(study(folder=tmp_path, replications=2), whole)


OTHERS = {
    "seed": {"seed": 9},
    "params": {"params": TRUTH | {"class_logit": np.array([-0.5, 0.0])}},
    "n": {"n": 201},
    "fit": {"fit": FIT | {"starts": 3}},
    "the model 'lca'": {"models": ONE},
    "truth": {"truth": {"lca": TRUTH}},
}


@pytest.mark.parametrize("what", OTHERS)
def test_the_folder_of_another_study_is_refused_and_left_as_it_is(tmp_path_factory, what):
    folder = tmp_path_factory.getbasetemp() / "a study"
    if not folder.exists():
        study(folder=folder, replications=1)
    before = (folder / "study.json").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match=rf"holds another study: it differs in .*{what}"):
        study(folder=folder, replications=1, **OTHERS[what])
    assert (folder / "study.json").read_text(encoding="utf-8") == before


# what goes wrong ----------------------------------------------------------------------------------


def test_a_replication_that_fails_is_a_row_with_its_reason(tmp_path):
    rare = {"class_logit": np.array([-0.4, 0.0]), "item_intercept": np.c_[SIDES, [-3.6, -3.6]]}
    population = lca([*ITEMS, "e"], 2, family=BINARY)
    found = study(population=population, params=rare, n=30, replications=6, folder=tmp_path)
    assert 0 < len(found.failures) < 6
    assert set(found.failures["reason"]) == {"Of the item 'e' 1 of 2 categories were drawn."}
    assert found.summary()["n"].max() == 6 - len(found.failures)
    assert "FAILED REPLICATIONS" in str(found)
    assert same(bm.Study.load(tmp_path), found)


def test_a_study_whose_every_replication_failed_says_why(monkeypatch):
    def fitted(*_):
        raise ZeroDivisionError("no luck")

    monkeypatch.setattr(replication, "_fitted", fitted)
    found = study({"one": ONE, "two": TWO}, replications=2)
    assert set(found.failures["reason"]) == {"ZeroDivisionError: no luck"}
    assert found.summary().empty
    assert (found.bic()["n"] == 0).all()
    assert "no luck" in str(found)


def test_a_fit_that_did_not_converge_has_failed(monkeypatch):
    before = replication.ml.fit

    @functools.wraps(before)
    def fit(*arguments, **settings):
        out = before(*arguments, **settings)
        out.quality["decrement"] = 0.3
        return out

    monkeypatch.setattr(replication.ml, "fit", fit)
    assert study(replications=1).failures["reason"].str.contains("did not converge").all()


def test_ctrl_c_keeps_what_is_finished(tmp_path, monkeypatch):
    before, calls = search._told, []

    def stop_later(*end):
        calls.append(1)
        if len(calls) == 11:  # inside a fit, which would go on with the starts that are finished
            raise KeyboardInterrupt
        return before(*end)

    monkeypatch.setattr(search, "_told", stop_later)
    with pytest.warns(UserWarning, match="Interrupted: .* goes on from here"):
        part = study(folder=tmp_path)
    done = len(part.records)
    assert 1 <= done < 4
    assert f"{done} of 4" in str(part)
    monkeypatch.undo()
    assert same(study(folder=tmp_path), study())


def test_ctrl_c_before_anything_is_finished_is_no_study(monkeypatch):
    def fitted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(replication, "_fitted", fitted)
    with pytest.raises(KeyboardInterrupt):
        study()


def fewer(name):
    return {k: v for k, v in TRUTH.items() if k != name}


MISTAKES = {
    "replications": (lambda: study(replications=0), "replications came as 0: give a whole number of at least 1"),
    "seed": (lambda: study(seed=-1), "seed came as -1"),
    "no n": (lambda: study(n=None), "Neither n nor df came"),
    "n as text": (lambda: study(n="many"), "n came as 'many'"),
    "clusters": (lambda: study(clusters=0), "clusters came as 0"),
    "n and df": (lambda: study(df=pd.DataFrame({"x": [1.0] * 9})), "n came as 200, and df= has 9 rows"),
    "estimator": (lambda: study(estimator="em"), "estimator came as 'em': give 'ml' or 'nuts'"),
    "missing parameter": (lambda: study(params=fewer("class_logit")), "No value for the parameter 'class_logit'"),
    "unknown parameter": (lambda: study(params=TRUTH | {"class_lodge": 1}), "A value came for 'class_lodge'"),
    "shape": (lambda: study(params=TRUTH | {"class_logit": [1, 2, 0]}), "came with shape .3,., expected .2,."),
    "ragged": (lambda: study(params=TRUTH | {"class_logit": [[1], 2]}), "Parameters are arrays of numbers"),
    "other items": (lambda: study(lca(["a", "z"], 2)), "'lca' cannot be fitted to data of the pop.*no column 'z'"),
    "no models": (lambda: study({}), "give a model, or a mapping of names to models"),
    "model as text": (lambda: study({"a": "lca"}), "give a model, or a mapping"),
    "fit setting": (lambda: study(fit={"start_s": 3}), "fit= came with 'start_s': give some of starts"),
    "fit value": (lambda: study(fit={"starts": 0}), "starts came as 0"),
    "fit budget": (lambda: study(fit={"budget": -1}), "budget came as -1: give a number of seconds"),
    "fit floor": (lambda: study(fit={"smallest_sd": 1}), "smallest_sd came as 1, expected a share"),
    "fit simpler": (lambda: study(fit={"simpler": "no"}), "simpler came as 'no': give True"),
    "own setting": (lambda: study(fit={"seed": 3}), "fit= came with 'seed'"),
    "sample for ml": (lambda: study(sample={"draws": 9}), "sample= came with the estimator 'ml'"),
    "sample setting": (lambda: study(estimator="nuts", sample={"seed": 1}), "sample= came with 'seed'"),
    "sample value": (lambda: study(estimator="nuts", sample={"draws": 1}), "draws came as 1"),
    "truth of no model": (lambda: study(truth={"lcb": TRUTH}), "truth= came for 'lcb'; the models are lca"),
    "truth's shape": (lambda: study(truth={"lca": {"class_logit": [1.0]}}), "the shape .1,., expected the shape .2,."),
    "truth's name": (lambda: study(truth={"lca": {"logit": [1.0]}}), "expected one of class_logit, item_intercept"),
    "a file": (lambda: study(folder=__file__), "which is a file"),
    "no study there": (lambda: bm.Study.load("nowhere"), "'nowhere' holds no study"),
    "no such model": (lambda: study(replications=1).summary("lcb"), "No model 'lcb' in the study; there are lca"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_are_explained_before_anything_is_run(case):
    make, words = MISTAKES[case]
    with pytest.raises((ValueError, TypeError), match=words):
        make()


# NUTS ---------------------------------------------------------------------------------------------


def test_nuts_has_posterior_means_sds_and_intervals():
    few = {"draws": 20, "tune": 30, "chains": 2}
    found = study(estimator="nuts", sample=few, replications=1, n=150)
    seed, df = found.plan.seeds(0)[2], found.data(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = bm.fit(TWO, df, seed=seed, start=TRUTH, like=TRUTH, **FIT)
        post = bm.sample(fit, df, seed=seed, cores=1, progress=False, **few)["posterior"]
    draws = post["item_intercept"].sel(C=1, item="b").values.ravel()
    row = found.replications.set_index("entry").loc["item_intercept[1, b]"]
    assert row["estimate"] == pytest.approx(draws.mean())
    assert row["se"] == pytest.approx(draws.std(ddof=1))
    assert [row["lower"], row["upper"]] == pytest.approx(np.quantile(draws, [0.025, 0.975]))
    assert {"divergent", "max R-hat", "min ESS"} <= set(found.fits.columns)
    assert "Largest R-hat" in str(found)
    assert found.summary()["population"].notna().all()


# the picture --------------------------------------------------------------------------------------


def test_the_picture_shows_bias_errors_and_cover(small):
    axes = bm.plots.study(small, "two")
    table = small.summary("two").iloc[:9]
    assert [t.get_text() for t in axes[0].get_yticklabels()] == list(table.index)
    bias = (table["average"] - table["population"]) / table["sd"]
    drawn = [np.asarray(ax.collections[-1].get_offsets())[:, 0] for ax in axes]
    assert drawn[0] == pytest.approx(bias.to_numpy())
    assert drawn[2] == pytest.approx(table["cover"].to_numpy())
    assert len(bm.plots.study(small, "two", scale="probability")[0].get_yticks()) == 10
    with pytest.raises(ValueError, match="nothing to draw: no parameter has a known value"):
        bm.plots.study(small, "one")


# the command --------------------------------------------------------------------------------------

TOML = """
replications = 3
workers = 1

[population]
model = "lca"
items = "a1-a4"
family = "bernoulli"
classes = 2
n = 200

[population.params]
class_logit = [-0.4, 0.0]
item_intercept = [[1.8, 1.4, 1.9, 1.2], [-1.5, -1.9, -1.2, -1.7]]

[models."one class"]
classes = 1

[models."two classes"]

[fit]
starts = 2
finals = 1
rounds = 1
simpler = false
budget = inf
smallest_sd = 0.005
"""


def run(*words: object):
    return command.run("study", *words)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """What the command wrote, with pictures."""
    file = tmp_path_factory.mktemp("study") / "study.toml"
    file.write_text(TOML, encoding="utf-8")
    done = run(file, "--out", file.parent / "out", "--plots")
    assert done.exit_code == 0, done.output
    return file, done


def test_the_command_prints_and_writes_the_study(written):
    file, done = written
    out = file.parent / "out"
    assert done.stdout.startswith("MONTE CARLO STUDY")
    assert {p.name for p in out.iterdir()} == {
        "summary.csv", "bic.csv", "replications.csv", "fits.csv", "listing.txt", "run.json", "study.json",
        "study_2.png", "replications",
    }  # fmt: skip
    items = [f"a{k}" for k in range(1, 5)]
    models = {f"{w} class{e}": lca(items, k, family=BINARY) for w, e, k in (("one", "", 1), ("two", "es", 2))}
    expected = study(models, population=models["two classes"], replications=3)
    assert (out / "listing.txt").read_text(encoding="utf-8") == str(expected)
    table = pd.read_csv(out / "summary.csv", index_col=["model", "entry"])
    assert table["average"].to_numpy() == pytest.approx(expected.summary()["average"].to_numpy())
    held = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert held["study"]["asked"] == 3
    assert len(held["data"]["sha256"]) == 64


def test_the_command_goes_on_with_what_it_was_given_besides(written, tmp_path):
    file, _ = written
    shutil.copytree(file.parent / "out", tmp_path / "out")
    done = run(file, "--out", tmp_path / "out", "--replications", 4)
    assert done.exit_code == 0, done.output
    assert "4 of 4, seed 0" in done.stdout
    other = run(file, "--out", tmp_path / "out", "--seed", 5)
    assert other.exit_code == 2
    assert "holds another study: it differs in seed" in other.stderr


def test_ctrl_c_writes_the_tables_of_what_is_finished(written, tmp_path, monkeypatch):
    before, calls = replication._estimated, []

    def estimated(*job):
        calls.append(1)
        if len(calls) > 3:
            raise KeyboardInterrupt
        return before(*job)

    monkeypatch.setattr(replication, "_estimated", estimated)
    done = run(written[0], "--out", tmp_path)
    assert done.exit_code == 130
    assert "Interrupted: 3 fits are left out" in done.stderr
    assert "2 of 3" in (tmp_path / "listing.txt").read_text(encoding="utf-8")


def test_a_population_may_be_a_saved_fit_with_covariates_from_a_file(tmp_path):
    rng = np.random.default_rng(1)
    model = lca(ITEMS, 2, family=BINARY, covariates="x")
    frame = pd.DataFrame({"x": rng.normal(size=200).round(3)})
    df = bm.simulate(model, TRUTH | {"class_slope": np.array([[0.5], [0.0]])}, df=frame, seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = bm.fit(model, df, **FIT)
    fit.save(tmp_path / "fit.nc")
    frame.to_csv(tmp_path / "x.csv", index=False)
    (tmp_path / "s.toml").write_text(
        'replications = 1\nworkers = 1\nout = "out"\n[fit]\nstarts = 1\nfinals = 1\nrounds = 1\n[population]\n'
        'model = "lca"\nitems = ["a", "b", "c", "d"]\nclasses = 2\ncovariates = "x"\nfamily = ["bernoulli"]\n'
        'data = "x.csv"\nfit = "fit.nc"\n', encoding="utf-8",
    )  # fmt: skip
    done = run(tmp_path / "s.toml")
    assert done.exit_code == 0, done.output
    table = pd.read_csv(tmp_path / "out" / "summary.csv", index_col="entry")
    assert table.loc["class_slope[1, x]", "population"] == pytest.approx(fit.params["class_slope"].values[0, 0])


def test_a_saved_fit_knows_the_model_of_a_population(tmp_path, fitted):
    from bayesmix.cli import read_study

    fitted.save(tmp_path / "fit.nc")
    path = tmp_path / "s.toml"
    path.write_text('[population]\nfit = "fit.nc"\nn = 50\n', encoding="utf-8")
    found = read_study(path)
    assert found.arguments["population"].model == fitted.model
    assert found.arguments["params"] is None
    other = '[population]\nmodel = "lca"\nitems = "a,b"\nclasses = 2\nfit = "fit.nc"\nn = 50\n'
    path.write_text(other, encoding="utf-8")
    with pytest.raises(
        ValueError, match=r"declares another model than 'fit\.nc' is a fit of: leave all but the fit out"
    ):
        read_study(path)


def changed(old, new=""):
    assert old in TOML
    return TOML.replace(old, new)


BAD = {
    "no TOML": ("replications = = 3", "'s.toml' is no TOML"),
    "unknown template": (changed('"lca"', '"lcb"'), "No model 'lcb': there are"),
    "no population": ("replications = 3", "has no [population]"),
    "no model": (changed('model = "lca"'), "[population] names no model"),
    "no n": (changed("n = 200"), "[population] has neither n nor data"),
    "no params": (TOML.partition("[population.params]")[0], "[population] has neither of params and fit"),
    "both": (changed("n = 200", 'n = 200\nfit = "fit.nc"'), "[population] has both of params and fit"),
    "no fit there": (
        changed("n = 200", 'n = 200\nfit = "fit.nc"').replace("[population.params]", "[fit2]"),
        "has 'fit2', which means nothing there; did you mean 'fit'?",
    ),
    "missing parameter": (changed("class_logit = [-0.4, 0.0]"), "No value for the parameter 'class_logit'"),
    "wrong shape": (changed("[-0.4, 0.0]", "[-0.4, 0.1, 0.0]"), "came with shape (3,), expected (2,)"),
    "text for numbers": (changed("[-0.4, 0.0]", '["a", "b"]'), "Parameters are arrays of numbers"),
    "unknown key": (changed("workers = 1", "worker = 1"), "has 'worker', which means nothing there; did you"),
    "unknown argument": (changed("n = 200", "n = 200\nitem = 3"), "[population]: The model 'lca' takes no 'item'"),
    "missing argument": (changed("classes = 2\n"), "[population]: The model 'lca' needs classes: give classes = ..."),
    "no replications": (changed("replications = 3", "replications = 0"), "replications came as 0"),
    "replications as text": (changed("replications = 3", 'replications = "3"'), "replications came as '3'"),
    "workers": (changed("workers = 1", "workers = 0"), "workers came as 0"),
    "items": (changed('"a1-a4"', "4"), "[population] items came as 4"),
    "range": (changed('"a1-a4"', '"a4-a1"'), "The range 'a4-a1' runs backwards"),
    "family": (changed('"bernoulli"', '"binary"'), "The family came as 'binary'"),
    "models": (changed("classes = 1", "classes = 0"), "[models.one class]: The number of classes came as 0"),
    "a model as text": (changed('[models."one class"]\nclasses = 1\n', '[models]\n"one class" = 1\n'), "give a table"),
    "fit setting": (changed("starts = 2", "start_s = 2"), "fit= came with 'start_s'"),
    "nodes": (changed("starts = 2", 'nodes = "simpson:3"'), "The nodes came as 'simpson:3'"),
    "data": (changed("n = 200", 'data = "none.csv"'), "No file"),
    "code": (changed("classes = 1", 'classes = 1\ncovariates = "__import__(1)"'), "formulas do not run code"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_mistakes_in_the_file_are_explained(tmp_path, case):
    text, words = BAD[case]
    (tmp_path / "s.toml").write_text(text, encoding="utf-8")
    done = run(tmp_path / "s.toml")
    assert done.exit_code == 2
    assert words in done.stderr
    assert "Traceback" not in done.output


def test_a_study_of_no_file_and_of_failures_alone_is_an_error(tmp_path, monkeypatch):
    assert "No file" in run("no_such_file.toml").stderr

    def estimated(*_):
        raise RuntimeError("no luck")

    monkeypatch.setattr(replication, "_estimated", estimated)
    (tmp_path / "s.toml").write_text(TOML, encoding="utf-8")
    done = run(tmp_path / "s.toml")
    assert done.exit_code == 2
    assert "Every replication failed: no luck" in done.stderr


def test_classes_of_responses_and_ranges_of_occasions_are_declared(tmp_path):
    from bayesmix.cli import read_study

    (tmp_path / "s.toml").write_text(
        '[population]\nmodel = "lta"\nwaves = ["a1-a3", "b1-3"]\nclasses = 2\nn = 9\n[population.params]\nx = 1\n'
        '[models.g]\nmodel = "gom"\nitems = "a1-a3"\nclasses = 2\n[models.g.truth]\ny = [1]\n'
        '[fit]\nnodes = "adaptive:9"\n',
        encoding="utf-8",
    )
    found = read_study(tmp_path / "s.toml")
    population = found.arguments["population"]
    assert population.items == ("a1", "a2", "a3", "b1", "b2", "b3")
    assert found.arguments["models"]["g"] == gom(["a1", "a2", "a3"], 2)
    assert found.arguments["truth"] == {"g": {"y": [1]}}
    assert found.arguments["fit"] == {"nodes": bm.adaptive(9)}
    assert (found.out, found.workers) == (None, None)


def test_the_study_of_the_documentation_is_understood():
    from bayesmix.cli import read_study

    arguments = read_study(Path(__file__).parents[2] / "docs" / "study.toml").arguments
    assert list(arguments["models"]) == ["one class", "two classes"]
    assert bm.study(**arguments | {"replications": 1, "executor": parallel.SerialExecutor()}).failures.empty


def test_a_replication_of_which_every_start_collapses_is_a_failure():
    model = lca(["y"], 2, family=bm.normal(), variance="class")
    params = {"class_logit": [0.0, 0.0], "item_intercept": [[0.0], [6.0]], "item_sd": [[1.0], [1.0]]}
    found = bm.study(
        model,
        params,
        n=60,
        replications=1,
        fit={"starts": 2, "finals": 1, "rounds": 1, "smallest_sd": 0.8},
        progress=False,
    )
    assert found.failures["reason"].str.startswith("Every start collapsed").all()
    assert len(found.failures) == 1
