"""The command line: what it prints, the files it writes, the mistakes it explains, no code from the user."""

import hashlib
import inspect
import json
import shlex
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from bayesmix.models import fma, fma_gom, gom, lca

import bayesmix as bm
from bayesmix.bayes import sampling as bayes
from bayesmix.cli import arguments, read
from bayesmix.enumeration import fits as enumeration
from bayesmix.ml import estimation as ml
from bayesmix.ml import search
from command import run
from declare import carried

OF_SEARCH = ("simpler", "budget", "smallest_sd")
RUN = ("--starts", "4", "--finals", "2", "--rounds", "1")


@pytest.fixture(scope="module")
def data(two_classes, tmp_path_factory):
    """The two-class data as a file: an id, a covariate, 9999 for missing, one row without an answer."""
    df = two_classes[list("abcde")].copy()
    df.loc[10] = np.nan
    rng = np.random.default_rng(0)
    df = (
        df.fillna(9999)
        .astype(int)
        .assign(age=rng.normal(40, 10, len(df)).round(1), sex=rng.choice(["f", "m"], len(df)))
    )
    df.insert(0, "person", [f"p{k}" for k in range(len(df))])
    path = tmp_path_factory.mktemp("cli") / "data.csv"
    df.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def folder(data, tmp_path_factory):
    """What one command wrote."""
    out = tmp_path_factory.mktemp("out") / "new" / "folder"
    words = ["fit", "lca", data, "--items", "a-e", "--classes", 2, "--missing", "9999", "--id", "person"]
    done = run(*words, "--covariates", "age + sex", "--out", out, "--plots", *RUN)
    assert done.exit_code == 0, done.output
    return out


# a fit and its files ------------------------------------------------------------------------------


def test_a_fit_is_printed(data):
    done = run("fit", "lca", data, "--items", "a-e", "--classes", 2, "--missing", 9999, *RUN)
    assert done.exit_code == 0
    assert done.stdout.startswith("MODEL AND DATA")
    assert "Rows left out (no answer)        1" in done.stdout
    assert "Log-likelihood" in done.stdout
    assert "Fitting" in done.stderr


@pytest.mark.parametrize("command", ["fit", "enumerate"])
def test_settings_of_a_search_are_those_of_python(command, data, monkeypatch, tmp_path):
    seen, home = [], {"fit": ml, "enumerate": enumeration}[command]
    takes, real = inspect.signature(ml.fit).parameters, home.estimate

    def estimate(rows, settings):
        seen.append(vars(settings))
        return real(rows, settings)

    monkeypatch.setattr(home, "estimate", estimate)
    words = (command, "lca", data, "--items", "a-e", "--classes", "2", "--missing", 9999)
    assert run(*words).exit_code == 0
    assert all(seen[-1][k] == takes[k].default for k in ("starts", "finals", "rounds", "seed", *OF_SEARCH))
    changed = ("--budget", "inf", "--smallest-sd", "0.002", "--no-simpler", "--out", tmp_path)
    assert run(*words, *RUN, *changed).exit_code == 0
    assert [seen[-1][k] for k in OF_SEARCH] == [False, np.inf, 0.002]
    kept = json.loads((tmp_path / "run.json").read_text(), parse_constant=pytest.fail)["settings"]
    assert (kept["budget"], kept["smallest_sd"], kept["no_simpler"]) == ("inf", 0.002, True)


def test_the_folder_holds_everything(folder):
    assert {p.name for p in folder.iterdir()} == {
        "fit.nc",
        "parameters.csv",
        "probabilities.csv",
        "class_probabilities.csv",
        "starts.csv",
        "listing.txt",
        "run.json",
        "profile.png",
        "classes.png",
        "estimates.png",
        "residuals.png",
        "diagram.svg",
    }
    assert all(p.stat().st_size > 0 for p in folder.iterdir())


def test_the_saved_fit_is_what_the_engine_finds(folder, data):
    df = pd.read_csv(data).replace(9999, np.nan)
    expected = bm.fit(lca(list("abcde"), 2, covariates="age + sex"), df, starts=4, finals=2, rounds=1)
    saved = bm.Fit.load(folder / "fit.nc")
    assert saved.loglik == pytest.approx(expected.loglik, abs=1e-6)
    table = pd.read_csv(folder / "parameters.csv", index_col=0)
    assert table["estimate"].to_numpy() == pytest.approx(expected.summary()["estimate"].to_numpy(), abs=1e-4)
    assert f"{expected.loglik:.3f}" in (folder / "listing.txt").read_text(encoding="utf-8")


def test_class_probabilities_are_keyed_to_the_rows_and_the_id(folder):
    table = pd.read_csv(folder / "class_probabilities.csv")
    assert list(table.columns) == ["row", "person", "C=1", "C=2", "most_likely"]
    assert list(table["row"]) == list(range(1, 601))
    assert list(table["person"]) == [f"p{k}" for k in range(600)]
    assert table.loc[10, ["C=1", "C=2", "most_likely"]].isna().all()
    rest = table.drop(index=10)
    assert (rest["C=1"] + rest["C=2"]).to_numpy() == pytest.approx(1.0)
    assert (rest["most_likely"] == np.where(rest["C=1"] > 0.5, 1, 2)).all()


def test_probabilities_have_one_row_a_class_and_item(folder):
    table = pd.read_csv(folder / "probabilities.csv", index_col=0)
    assert len(table) == 2 + 10
    assert table.loc[["C_probability[1]", "C_probability[2]"], "ml"].sum() == pytest.approx(1.0)
    assert (table["ml_lower"] < table["ml"]).all()


def test_the_run_can_be_repeated_from_its_file(folder, data, tmp_path):
    held = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert held["data"]["sha256"] == hashlib.sha256(data.read_bytes()).hexdigest()
    assert held["data"]["rows"] == 600
    assert held["settings"]["seed"] == 0
    assert {"bayesmix", "python", "pytensor", "numpy", "matplotlib"} <= set(held["versions"])
    program, *words = shlex.split(held["command"])
    assert program == "bayesmix"
    words[words.index("--out") + 1] = str(tmp_path)
    assert run(*words).exit_code == 0
    for name in ("parameters.csv", "class_probabilities.csv", "starts.csv"):
        assert (tmp_path / name).read_text(encoding="utf-8") == (folder / name).read_text(encoding="utf-8")


def test_enumeration_prints_and_writes(data, tmp_path):
    words = ("enumerate", "lca", data, "--items", "a,b,c,d,e", "--missing", 9999, "--out", tmp_path, "--plots", *RUN)
    done = run(*words, "--classes", "1-2")
    assert done.exit_code == 0, done.output
    assert "2 classes: AIC, AIC3, BIC" in done.stdout
    table = pd.read_csv(tmp_path / "enumeration.csv", index_col=0)
    assert list(table.index) == [1, 2]
    assert table.loc[2, "loglik"] == pytest.approx(bm.Fit.load(tmp_path / "fit_2.nc").loglik)
    assert {"fit_1.nc", "listing.txt", "run.json", "enumeration.png"} <= {p.name for p in tmp_path.iterdir()}


def test_a_class_more_is_tested(data, tmp_path):
    words = ("enumerate", "lca", data, "--items", "a,b,c,d,e", "--missing", 9999, "--out", tmp_path, *RUN)
    done = run(*words, "--classes", "1-2", "--vuong", "--bootstrap", 9)
    assert done.exit_code == 0, done.output
    table = pd.read_csv(tmp_path / "enumeration.csv", index_col=0)
    assert table.loc[2, "BLRT p"] == pytest.approx(0.1)
    assert table.loc[2, "VLMR p"] < 0.01
    refused = run(*words, "--classes", "1-2", "--bootstrap", -1)
    assert refused.exit_code != 0
    assert "--bootstrap came as -1" in refused.output


def test_families_and_settings_reach_the_template(data, tmp_path):
    words = ("fit", "lca", data, "--items", "a-c,age", "--classes", 2, "--missing", 9999, "--out", tmp_path, *RUN)
    done = run(*words, "--family", "bernoulli,age=normal", "--set", "variance=class")
    assert done.exit_code == 0, done.output
    fit = bm.Fit.load(tmp_path / "fit.nc")
    assert fit.info["families"] == {"bernoulli": "Bernoulli(link='logit')", "normal": "Normal()"}
    assert set(fit.params["item_sd_normal"].dims) == {"C", "item_normal"}


# clusters and grades of membership ----------------------------------------------------------------

QUICK = ("--starts", "3", "--finals", "2", "--rounds", "1")
SIDES = np.stack([np.zeros((2, 5)), np.array([[2.0] * 5, [-2.0] * 5])], axis=-1)


@pytest.fixture(scope="module")
def clustered(tmp_path_factory):
    """200 persons in 20 clusters as a file: their class varies between clusters; covariates of both levels."""
    truth = {"class_logit": np.array([0.3, 0.0]), "cluster_loading": np.array([[1.3, 0.0]]), "item_logit": SIDES}
    df = bm.simulate(lca(list("abcde"), 2, cluster="g"), truth, n=200, clusters=20, seed=1)[["g", *"abcde"]]
    rng = np.random.default_rng(5)
    df["g"] = [f"school {k:02d}" for k in df["g"]]
    df["w"] = np.repeat(rng.normal(size=20).round(2), 10)
    df["x"] = rng.normal(size=200).round(2)
    df.insert(0, "person", [f"p{k}" for k in range(200)])
    path = tmp_path_factory.mktemp("clustered") / "data.csv"
    df.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """200 persons of mixed membership as a file, with ids, one of them without an answer."""
    truth = {
        "class_logit": np.array([0.8, 0.0]),
        "class_loading": np.array([[1.2, 0.0]]),
        "item_logit": np.concatenate([1.25 * SIDES, 1.25 * SIDES[:, :1]], axis=1),
    }
    df = bm.simulate(gom(list("abcdef"), 2), truth, n=250, seed=2)[list("abcdef")].astype(float)
    df.loc[7] = np.nan
    df["x"] = np.random.default_rng(0).normal(size=250).round(2)
    df.insert(0, "person", [f"p{k}" for k in range(250)])
    path = tmp_path_factory.mktemp("graded") / "data.csv"
    df.to_csv(path, index=False)
    return path


def test_memberships_are_keyed_to_the_rows_and_the_id(graded, tmp_path):
    words = ("fit", "gom", graded, "--items", "a-f", "--classes", 2, "--id", "person", "--out", tmp_path, *QUICK)
    done = run(*words, "--nodes", "trapezoid:15", "--plots")
    assert done.exit_code == 0, done.output
    table = pd.read_csv(tmp_path / "memberships.csv")
    of_class = [f"C={k}{ending}" for k in (1, 2) for ending in ("", " sd", " lower", " upper")]
    assert list(table.columns) == ["row", "person", *of_class]
    assert list(table["row"]) == list(range(1, 251))
    assert list(table["person"]) == [f"p{k}" for k in range(250)]
    assert table.loc[7, of_class].isna().all()
    rest = table.drop(index=7)
    assert (rest["C=1"] + rest["C=2"]).to_numpy() == pytest.approx(1.0)
    assert (rest["C=1 lower"] <= rest["C=1"]).all()
    assert (rest["C=1"] <= rest["C=1 upper"]).all()
    saved = bm.Fit.load(tmp_path / "fit.nc")
    assert saved.info["nodes"] == {"individual": "Trapezoid(n=15, limit=5.0)"}
    assert table["C=2"].to_numpy() == pytest.approx(saved.memberships()["C=2"].to_numpy(), nan_ok=True)
    names = {p.name for p in tmp_path.iterdir()}
    assert {"memberships.png", "profile.png", "classes.png"} <= names
    assert not {"class_probabilities.csv", "cluster_effects.csv"} & names
    assert (tmp_path / "memberships.png").stat().st_size > 0


def test_memberships_with_weights_are_drawn_by_the_persons(graded, tmp_path, monkeypatch):
    from bayesmix import plots

    df = pd.read_csv(graded).drop(columns=["person", "x"]).groupby(list("abcdef"), dropna=False).size()
    df.rename("n").reset_index().to_csv(tmp_path / "patterns.csv", index=False)
    drawn, before = {}, plots.memberships

    def memberships(*arguments, **settings):
        drawn["axes"] = before(*arguments, **settings)
        return drawn["axes"]

    monkeypatch.setattr(plots, "memberships", memberships)
    words = (
        "fit",
        "gom",
        tmp_path / "patterns.csv",
        "--items",
        "a-f",
        "--classes",
        2,
        "--freq",
        "n",
        "--out",
        tmp_path,
    )
    done = run(*words, *QUICK, "--nodes", "trapezoid:15", "--plots")
    assert done.exit_code == 0, done.output
    assert sum(b.get_height() for b in drawn["axes"][0].patches) == 249


def test_item_covariates_of_a_gom_are_set_by_item(graded, tmp_path):
    words = (
        "fit",
        "gom",
        graded,
        "--items",
        "a-f",
        "--classes",
        2,
        "--out",
        tmp_path,
        *QUICK,
        "--nodes",
        "trapezoid:15",
    )
    done = run(*words, "--set", "item_covariates=a=x;b=x", "--set", "effects=factor")
    assert done.exit_code == 0, done.output
    slopes = pd.read_csv(tmp_path / "parameters.csv", index_col=0).filter(like="item_slope", axis=0)
    free = slopes.index[slopes["free"]]
    assert [k.partition("[")[2].partition(",")[0] for k in free] == ["a", "b"]


def test_random_effects_of_clusters_are_written_by_their_labels(clustered, tmp_path):
    words = ("fit", "lca", clustered, "--items", "a-e", "--classes", 2, "--cluster", "g", "--out", tmp_path, *QUICK)
    done = run(*words, "--nodes", "adaptive:9", "--set", "effects=factor", "--set", "cluster_covariates=w")
    assert done.exit_code == 0, done.output
    saved = bm.Fit.load(tmp_path / "fit.nc")
    assert saved.info["nodes"] == {"cluster": "Adaptive(n=9)"}
    assert saved.info["covariates"] == {"cluster_covariate": "w"}
    table = pd.read_csv(tmp_path / "cluster_effects.csv")
    assert list(table.columns) == ["g", "u1", "u1_sd"]
    assert list(table["g"]) == [f"school {k:02d}" for k in range(1, 21)]
    assert table["u1"].to_numpy() == pytest.approx(saved.effects()["u1"].values)
    share = pd.read_csv(clustered).groupby("g")[list("abcde")].mean().mean(axis=1)
    assert np.corrcoef(table["u1"], share)[0, 1] > 0.5
    assert "Effects of clusters: u1" in done.stdout


def test_classes_of_clusters_have_a_file_of_their_own(clustered, tmp_path):
    words = ("fit", "lca", clustered, "--items", "a-e", "--classes", 2, "--cluster", "g", "--out", tmp_path, *QUICK)
    done = run(*words, "--set", "cluster_classes=2")
    assert done.exit_code == 0, done.output
    of_rows, of_clusters = (pd.read_csv(tmp_path / f"class_probabilities{k}.csv") for k in ("", "_D"))
    assert list(of_rows.columns) == ["row", "C=1", "C=2", "most_likely"]
    assert list(of_clusters.columns) == ["g", "D=1", "D=2", "most_likely"]
    assert len(of_rows) == 200
    assert list(of_clusters["g"]) == [f"school {k:02d}" for k in range(1, 21)]
    assert not (tmp_path / "cluster_effects.csv").exists()


def test_enumeration_declares_the_random_effects_anew_for_every_number_of_classes(tmp_path):
    logit = np.array([[2.5] * 6, [-2.5] * 6, [2.5] * 3 + [-2.5] * 3])
    truth = {
        "class_logit": np.array([0.3, 0.1, 0.0]),
        "cluster_loading": np.array([[1.3, 0.5, 0.0], [0.0, 0.9, 0.0]]),
        "item_logit": np.stack([np.zeros((3, 6)), logit], axis=-1),
    }
    df = bm.simulate(lca(list("abcdef"), 3, cluster="g"), truth, n=200, clusters=20, seed=2)
    df[["g", *"abcdef"]].to_csv(tmp_path / "data.csv", index=False)
    words = ("enumerate", "lca", tmp_path / "data.csv", "--items", "a-f", "--cluster", "g", "--out", tmp_path)
    done = run(*words, "--classes", "1-3", "--nodes", "trapezoid:5", "--starts", 1, "--finals", 1, "--rounds", 1)
    assert done.exit_code == 0, done.output
    table = pd.read_csv(tmp_path / "enumeration.csv", index_col=0)
    assert list(table.index) == [1, 2, 3]
    assert list(table["parameters"]) == [6, 14, 23]  # K - 1 logits, 6 K items, K (K - 1) / 2 covariances
    fits = {k: bm.Fit.load(tmp_path / f"fit_{k}.nc") for k in (1, 2, 3)}
    assert {k: f.params["cluster_loading"].shape for k, f in fits.items() if k > 1} == {2: (1, 2), 3: (2, 3)}
    assert "cluster_loading" not in fits[1].params
    assert table["loglik"].is_monotonic_increasing


# comparison, sampling, interruption ---------------------------------------------------------------


def posterior_of(fit) -> xr.DataTree:
    """A posterior as narrow as you like, about the fit."""
    rng, dims = np.random.default_rng(0), ("chain", "draw")
    values = {
        k: x.expand_dims(chain=2, draw=20) + 0.01 * xr.DataArray(rng.normal(size=(2, 20)), dims=dims) * fit.free[k]
        for k, x in fit.params.items()
    }
    tree = xr.DataTree.from_dict({"/posterior": xr.Dataset(values).assign_coords(chain=[0, 1], draw=range(20))})
    tree.attrs = carried(fit.model, max_rhat=1.0, chains=2, draws=20)
    return tree


def test_sampling_adds_the_posterior_and_the_comparison(data, tmp_path, monkeypatch):
    asked = {}

    def sample(fit, df, **settings):
        asked.update(settings, rows=len(df))
        return posterior_of(fit)

    monkeypatch.setattr(bayes, "sample", sample)
    words = ("fit", "lca", data, "--items", "a-e", "--classes", 2, "--missing", 9999, "--out", tmp_path, *RUN)
    done = run(*words, "--sample", "--draws", 20, "--tune", 30, "--chains", 2, "--seed", 9)
    assert done.exit_code == 0, done.output
    assert asked == {
        "method": "nuts",
        "draws": 20,
        "tune": 30,
        "chains": 2,
        "seed": 9,
        "nodes": None,
        "rows": 600,
        "effects": "integrate",
    }
    table = pd.read_csv(tmp_path / "comparison.csv", index_col=0)
    rows = table.index.str.startswith("class_logit")
    assert table.loc[rows, "mean"].to_numpy() == pytest.approx(table.loc[rows, "ml"].to_numpy(), abs=0.05)
    assert "POSTERIOR (NUTS)" in (tmp_path / "listing.txt").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))["sampled"]["chains"] == 2
    published = tmp_path / "published.csv"
    published.write_text("row,value\nclass_logit[1],0.4\n", encoding="utf-8")
    again = run("compare", tmp_path, "--published", published, "--plots")
    assert again.exit_code == 0, again.output
    (line,) = [k for k in again.stdout.splitlines() if k.startswith("class_logit[1]")]
    assert line.endswith("0.4")
    assert (tmp_path / "comparison.png").stat().st_size > 0


def test_a_quiet_run_writes_its_listing_and_prints_nothing(data, tmp_path):
    words = (data, "--items", "a-e", "--missing", 9999, *RUN)
    for command in (("fit", "lca", *words, "--classes", 2), ("enumerate", "lca", *words, "--classes", "1-2")):
        loud, quiet = (
            run(*command, "--out", tmp_path / f"{command[0]}_{k}", *more) for k, more in enumerate(((), ("--quiet",)))
        )
        assert loud.exit_code == quiet.exit_code == 0, quiet.output
        assert "Files are in" in loud.stdout
        assert not quiet.stdout
        assert (tmp_path / f"{command[0]}_1" / "listing.txt").stat().st_size > 500
    refused = run("fit", "lca", *words, "--classes", 2, "--quiet")
    assert refused.exit_code == 2
    assert "--quiet came without --out" in refused.stderr


def test_a_brief_comparison_has_the_published_rows(data, tmp_path):
    words = (data, "--items", "a-e", "--missing", 9999, "--classes", 2, "--out", tmp_path, *RUN)
    assert run("fit", "lca", *words).exit_code == 0
    published = tmp_path / "published.csv"
    published.write_text("row,value\nclass_logit[1],0.4\n", encoding="utf-8")
    done = run("compare", tmp_path, "--published", published, "--brief")
    assert done.exit_code == 0, done.output
    assert [line.split()[0] for line in done.stdout.splitlines()[2:]] == ["class_logit[1]"]
    assert done.stdout.splitlines()[2].endswith("0.4")
    published.write_text("row,estimate,se\nclass_logit[1],0.4,0.15\n", encoding="utf-8")
    done = run("compare", tmp_path, "--published", published, "--brief")
    assert done.stdout.splitlines()[2].split()[-2:] == ["0.4", "0.15"]
    published.write_text("row,mean,sd\nclass_logit[1],0.4,0.15\n", encoding="utf-8")
    refused = run("compare", tmp_path, "--published", published)
    assert refused.exit_code == 2
    assert "call that of the values 'estimate'" in refused.stderr


def test_importance_sampling_writes_the_marginal_likelihood(data, tmp_path):
    words = ("fit", "lca", data, "--items", "a-e", "--classes", 2, "--missing", 9999, "--out", tmp_path, *RUN)
    done = run(*words, "--sample", "--method", "importance", "--draws", 150, "--chains", 2, "--seed", 9)
    assert done.exit_code == 0, done.output
    listing = (tmp_path / "listing.txt").read_text(encoding="utf-8")
    assert "POSTERIOR (IMPORTANCE SAMPLING)" in listing
    assert "Log marginal likelihood" in listing
    post = xr.open_datatree(tmp_path / "posterior.nc")
    assert bm.log_marginal_likelihood(post).error < 0.2
    assert post["importance"].sizes["point"] >= 300


def test_random_effects_are_sampled_where_that_is_asked_for(clustered, tmp_path, monkeypatch):
    asked = {}

    def sample(*_, **settings):
        asked.update(settings)
        raise KeyboardInterrupt

    monkeypatch.setattr(bayes, "sample", sample)
    words = (
        "fit",
        "lca",
        clustered,
        "--items",
        "a-e",
        "--classes",
        2,
        "--cluster",
        "g",
        *QUICK,
        "--nodes",
        "adaptive:5",
    )
    assert run(*words, "--sample", "--sample-effects").exit_code == 130
    assert asked["effects"] == "sample"
    assert asked["nodes"] == bm.adaptive(5)


def test_ctrl_c_while_sampling_keeps_the_fit(data, tmp_path, monkeypatch):
    def sample(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(bayes, "sample", sample)
    words = ("fit", "lca", data, "--items", "a-e", "--classes", 2, "--missing", 9999, "--out", tmp_path, *RUN)
    done = run(*words, "--sample")
    assert done.exit_code == 130
    assert "Ctrl-C" in done.stderr
    assert bm.Fit.load(tmp_path / "fit.nc").n_parameters == 11


def test_ctrl_c_while_fitting_keeps_what_was_finished(data, tmp_path, monkeypatch):
    before, calls = search._told, []

    def stop_later(*end):
        calls.append(1)
        if len(calls) > 5:
            raise KeyboardInterrupt
        return before(*end)

    monkeypatch.setattr(search, "_told", stop_later)
    words = ("fit", "lca", data, "--items", "a-e", "--classes", 2, "--missing", 9999, "--out", tmp_path)
    done = run(*words, "--starts", 4, "--finals", 2, "--rounds", 1)
    assert done.exit_code == 130
    assert "INTERRUPTED" in (tmp_path / "listing.txt").read_text(encoding="utf-8")
    assert (tmp_path / "run.json").is_file()


# mistakes -----------------------------------------------------------------------------------------

FIT = ("fit", "lca", "DATA")
TWO = (*FIT, "--items", "a-e", "--classes", 2, "--cluster", "sex")
MISTAKES = [
    (("fit", "lca", "no_such_file.csv", "--items", "a"), "No file 'no_such_file.csv'"),
    (("fit", "lcaa", "DATA", "--items", "a-e", "--classes", 2), "No model 'lcaa': there are"),
    ((*FIT, "--items", "a,bb", "--classes", 2), "no column 'bb'"),
    ((*FIT, "--items", "a-f", "--classes", 2), "no column 'f'"),
    ((*FIT, "--items", "e-a", "--classes", 2), "runs backwards"),
    ((*FIT, "--items", ",", "--classes", 2), "No columns in"),
    ((*FIT, "--items", "a-e"), "needs classes: give --classes"),
    ((*FIT, "--classes", 2), "needs items: give --items"),
    ((*FIT, "--items", "a-e", "--classes", 0), "number of classes came as 0"),
    ((*FIT, "--items", "a-e", "--classes", 2, "--cluster", "sexx"), "no column 'sexx'"),
    ((*FIT, "--items", "a-e", "--classes", 2, "--freq", "weight"), "no column 'weight'"),
    ((*FIT, "--items", "a-e", "--classes", 2, "--id", "name"), "no column 'name'"),
    ((*FIT, "--items", "a-e", "--classes", 2, "--family", "gaussian"), "The family came as 'gaussian'"),
    ((*FIT, "--items", "a-e", "--classes", 2, "--family", "normal,poisson"), "came for all items"),
    ((*FIT, "--items", "a-e", "--classes", 2, "--family", "bernoulli:cloglog"), "link came as 'cloglog'"),
    ((*FIT, "--items", "a-e", "--classes", 2, "--nodes", "simpson:9"), "The nodes came as 'simpson:9'"),
    ((*FIT, "--items", "a-e", "--classes", 2, "--nodes", "trapezoid:0"), "number of nodes came as 0"),
    ((*FIT, "--items", "a-e", "--classes", 2, "--set", "variance"), "give key=value"),
    ((*FIT, "--items", "a-e", "--classes", 2, "--set", "varianze=class"), "takes no 'varianze'"),
    ((*FIT, "--items", "a-e", "--classes", 2, "--set", "variance=both"), "give 'equal' or 'class'"),
    ((*FIT, "--items", "a-e", "--classes", 2, "--starts", 0), "starts came as 0"),
    ((*FIT, "--items", "a-e", "--classes", 2, "--budget", "-1"), "budget came as -1.0: give a number of seconds"),
    ((*FIT, "--items", "a-e", "--classes", 2, "--budget", "nan"), "budget came as nan"),
    ((*FIT, "--items", "a-e", "--classes", 2, "--smallest-sd", "1"), "smallest_sd came as 1.0, expected a share"),
    ((*FIT, "--items", "a-e", "--classes", 2, "--se", "bootstrap"), "standard_errors came as 'bootstrap'"),
    ((*FIT, "--items", "person,a", "--classes", 2), "distinct values"),
    ((*FIT, "--items", "a-e", "--classes", 2, "--plots"), "--plots came without --out"),
    ((*FIT, "--items", "a-e", "--classes", 2, "--out", "DATA"), "which is a file"),
    ((*FIT, "--items", "a-e", "--classes", 2, "--covariates", "height"), "no column 'height'"),
    (("enumerate", "lca", "DATA", "--items", "a-e", "--classes", "one"), "numbers of classes came as 'one'"),
    (("enumerate", "lca", "DATA", "--items", "a-e", "--classes", "5-1"), "numbers of classes came as '5-1'"),
    ((*FIT, "--items", "a-e", "--classes", 2, "--nodes", "exact:3"), "The nodes came as 'exact:3'"),
    (("fit", "gom", "DATA", "--items", "a-e", "--classes", 2, "--set", "item_covariates=x"), "expected item=value"),
    (("fit", "gom", "DATA", "--items", "a-e", "--classes", 2, "--set", "item_covariates=q=age"), "came for 'q', which"),
    (("fit", "gom", "DATA", "--items", "a-e", "--classes", 1), "number of classes came as 1"),
    (("fit", "gom", "DATA", "--items", "a-e", "--classes", 2, "--nodes", "exact"), "has no closed form"),
    ((*FIT, "--items", "a-e", "--classes", 2, "--set", "cluster_classes=2"), "came without clusters"),
    ((*TWO, "--set", "cluster_classes=2.5"), "cluster_classes came as '2.5', expected a whole number"),
    ((*TWO, "--set", "cluster_classes=1"), "cluster_classes came as 1: give"),
    ((*TWO, "--set", "effects=full"), "effects came as 'full'"),
    ((*TWO, "--set", "items_by_cluster_class=perhaps"), "came as 'perhaps', expected true or false"),
    ((*TWO, "--set", "cluster_covariates=age"), "'age' of 'age' varies within clusters"),
    ((*TWO, "--nodes", "exact"), "the class 'C' lives below their level, so that the integral has no closed form"),
    ((*FIT, "--items", "a-e", "--classes", 2, "--cluster", "person"), "Every cluster of 'person' has one individual"),
    ((*FIT, "--items", "a-e", "--classes", 2, "--cluster", "a"), "'a' came both as an item and as the cluster column"),
    (("enumerate", "gom", "DATA", "--items", "a-e", "--classes", "1-2"), "number of classes came as 1"),
    (("compare", "."), "neither fit.nc nor posterior.nc"),
]


@pytest.mark.parametrize(("words", "said"), MISTAKES)
def test_a_mistake_is_one_clear_line_and_exit_code_2(data, words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run(*(data if w == "DATA" else w for w in words))
    assert done.exit_code == 2
    assert said in done.stderr
    assert "Traceback" not in done.output
    assert done.stdout == ""
    assert sum(line.startswith("Error:") for line in done.stderr.splitlines()) == 1


CODE = [
    "__import__('os').system('x')",
    "age + __import__('os').system('touch hacked')",
    "C(__import__('os').system('x'))",
    "{open('hacked', 'w')}",
    "I(age**age)",
    "np.log(age)",
    "age.map(open)",
    "exec('1')",
]


@pytest.mark.parametrize("formula", CODE)
def test_a_formula_runs_no_code(data, formula, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def never(*_):
        raise AssertionError("code ran")

    monkeypatch.setattr("os.system", never)
    done = run("fit", "lca", data, "--items", "a-e", "--classes", 2, "--covariates", formula)
    assert done.exit_code == 2
    assert "formula" in done.stderr
    assert not list(tmp_path.iterdir())


def test_debug_shows_where(data):
    done = run("fit", "lca", data, "--items", "a-e", "--debug")
    assert isinstance(done.exception, ValueError)


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "latin.csv").write_bytes("a,b\né,1\n".encode("latin-1"))
    (tmp_path / "data.abc").write_text("a", encoding="utf-8")
    (tmp_path / "empty.csv").write_text("", encoding="utf-8")
    (tmp_path / "broken.dta").write_text("no", encoding="utf-8")
    for name, said in (
        ("latin.csv", "not text in UTF-8"),
        ("data.abc", "expected one of .csv"),
        ("empty.csv", "cannot be read"),
        ("broken.dta", "cannot be read"),
    ):
        done = run("fit", "lca", tmp_path / name, "--items", "a", "--classes", 2)
        assert done.exit_code == 2
        assert said in done.stderr


def test_a_folder_with_something_else_in_it_is_refused(tmp_path):
    (tmp_path / "fit.nc").write_text("not a fit", encoding="utf-8")
    done = run("compare", tmp_path)
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].startswith("Error:")


# words --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ending", "separator"), [("csv", ","), ("tsv", "\t"), ("txt", ";"), ("csv", "\t")])
def test_tables_are_read_by_their_separator(tmp_path, ending, separator):
    path = tmp_path / f"d.{ending}"
    pd.DataFrame({"a": [1, 2], "b": ["x, y", "z"]}).to_csv(path, sep=separator, index=False)
    df = read.read_table(path)
    assert list(df.columns) == ["a", "b"]
    assert list(df["b"]) == ["x, y", "z"]
    assert list(df.index) == [1, 2]


def test_stata_files_are_read(tmp_path):
    pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5]}).to_stata(tmp_path / "d.dta", write_index=False)
    assert list(read.read_table(tmp_path / "d.dta")["b"]) == [0.5, 1.5]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("a,c", ["a", "c"]),
        ("a-c", ["a", "b", "c"]),
        (" b - x-1 ", ["b", "c", "x-1"]),
        ("x-1", ["x-1"]),
        ("a-b,b-c", ["a", "b", "c"]),
        ("all", ["a", "b", "c", "x-1"]),
    ],
)
def test_columns_by_name_range_and_all(wanted, expected):
    assert read.columns(wanted, ["id", "a", "b", "c", "x-1"], leave_out=["id"]) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("1-4", [1, 2, 3, 4]), ("2,4", [2, 4]), ("3", [3]), ("1..3,3-4", [1, 2, 3, 4])]
)
def test_numbers_of_classes(text, expected):
    assert arguments.numbers_of(text) == expected


def test_missing_codes_are_blanked_where_they_are_used():
    df = pd.DataFrame({"a": [1, 9999], "b": ["-", "x"], "id": [9999, 1]})
    out = read.blank(df, ["9999", "-"], ["a", "b"])
    assert out["a"].isna().tolist() == [False, True]
    assert out["b"].isna().tolist() == [True, False]
    assert out["id"].tolist() == [9999, 1]
    with pytest.warns(UserWarning, match="777 does not occur"):
        read.blank(df, ["777"], ["a"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("adaptive:9", bm.adaptive(9)),
        ("adaptive", bm.adaptive()),
        ("exact", bm.exact()),
        ("trapezoid:31:6", bm.trapezoid(31, 6.0)),
        ("monte_carlo:500", bm.monte_carlo(500)),
        (None, None),
    ],
)
def test_nodes_by_name_and_number(text, expected):
    assert arguments.nodes_of(text) == expected


def test_templates_are_found_by_their_file(monkeypatch, tmp_path):
    import bayesmix.models

    (tmp_path / "pairs.py").write_text(
        "from collections.abc import Sequence\n"
        "def pairs(waves: Sequence[Sequence[str]], classes: int = 2, invariant: bool = True, power: float = 1.0,"
        " first: Sequence[str] = (), label: str | None = None):\n"
        "    return waves, classes, invariant, power, first, label\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(bayesmix.models, "__path__", [*bayesmix.models.__path__, str(tmp_path)])
    assert {"lca", "pairs"} <= set(arguments.templates())
    words = ["waves=a-b;c,d", "invariant=false", "power=2.5", "first=a-b", "label=x"]
    made = arguments.declare("pairs", {"classes": 3, "items": None}, words, list("abcd"))
    assert made == ([["a", "b"], ["c", "d"]], 3, False, 2.5, ["a", "b"], "x")
    with pytest.raises(ValueError, match="expected a number"):
        arguments.declare("pairs", {}, ["waves=a", "power=much"], list("abcd"))
    with pytest.raises(ValueError, match="give --waves"):
        arguments.declare("pairs", {}, [], list("abcd"))


def test_waves_are_a_transition_model_with_its_files(tmp_path):
    """From columns by occasion to transitions, paths, shares and pictures; names keyed to the user's id."""
    data = Path(__file__).parents[2] / "data" / "toca.csv"
    df = pd.read_csv(data).query("classroom <= 30")
    df.to_csv(tmp_path / "some.csv", index=False)
    words = ("fit", "lta", tmp_path / "some.csv", "--waves", "stubborn_fall-yells_fall", "--waves")
    words = (*words, "stubborn_spring-yells_spring", "--classes", 2, "--cluster", "classroom", "--id", "student")
    done = run(*words, "--plots", "--out", tmp_path / "out", *QUICK)
    assert done.exit_code == 0, done.output
    assert "TRANSITIONS" in done.output
    assert "explained by C1 alone" in done.output
    out = tmp_path / "out"
    table = pd.read_csv(out / "transitions.csv")
    assert table.groupby("from")["value"].sum().to_numpy() == pytest.approx([1.0, 1.0])
    paths = pd.read_csv(out / "paths.csv")
    assert list(paths["student"]) == list(df["student"])
    assert {"C1", "C2", "probability", "moved", "P(moved)"} <= set(paths.columns)
    assert "explained by alpha2 beyond C1" in set(pd.read_csv(out / "decomposition.csv")["part"])
    assert (out / "transitions.png").stat().st_size > 5000
    assert (out / "diagram.svg").read_text().count("<ellipse") == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--classes", "two"), "--classes came as 'two'"),
        (("--classes", "2,3"), "measurement must be 'free'"),
        (("--classes", 2, "--set", "measurement=partial"), "measurement came as 'partial'"),
        (("--classes", 2, "--set", "order=-1"), "order came as -1"),
    ],
)
def test_bad_transition_models_are_refused(tmp_path, words, message):
    data = Path(__file__).parents[2] / "data" / "toca.csv"
    done = run(
        "fit", "lta", data, "--waves", "stubborn_fall,lies_fall", "--waves", "stubborn_spring,lies_spring", *words
    )
    assert done.exit_code == 2
    assert message in done.output


# regressions --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def regressed(tmp_path_factory):
    """Two classes of regressions of 200 students in 20 schools; a covariate of each level."""
    from bayesmix.models.regression_mixture import regression_mixture

    rng, school = np.random.default_rng(1), np.repeat(np.arange(20), 10)
    df = pd.DataFrame({"school": [f"s{k:02d}" for k in school], "x": rng.normal(size=200).round(2)})
    df["w"] = rng.normal(size=20).round(2)[school]
    model = regression_mixture(
        "y ~ x", 2, "x", cluster="school", random="1 + x", effects="none", cluster_covariates="1 ~ w; x ~ w"
    )
    truth = {
        "class_logit": [0.2, 0.0], "class_slope": [[0.6], [0.0]], "u_intercept_sd": 1.0, "u_x_on_u_intercept": 0.2,
        "u_x_sd": 0.7, "intercept": [9.0, 0.0], "coefficient": [[-1.0], [1.0]], "intercept_on": [0.5], "x_on": [0.3],
        "random": np.eye(2), "residual_sd": 1.0,
    }  # fmt: skip
    df = bm.simulate(model, truth, df=df, seed=3).round({"y": 3})
    path = tmp_path_factory.mktemp("regressed") / "data.csv"
    df[["school", "y", "x", "w"]].to_csv(path, index=False)
    return model, df, path


def test_a_regression_mixture_is_fitted_by_its_formula(regressed, tmp_path):
    model, df, path = regressed
    words = ("fit", "regression_mixture", path, "--formula", "y ~ x", "--classes", 2, "--covariates", "x")
    words = (*words, "--cluster", "school", "--set", "random=1 + x", "--set", "cluster_covariates=1 ~ w; x ~ w")
    done = run(*words, "--set", "effects=none", "--nodes", "adaptive:3", "--plots", "--out", tmp_path, *QUICK)
    assert done.exit_code == 0, done.output
    assert "RESULTS: REGRESSION OF Y" in done.stdout
    assert "x on w" in done.stdout
    assert "No " not in done.stderr
    saved = bm.Fit.load(tmp_path / "fit.nc")
    again = bm.log_likelihood(model, df, saved.params, nodes=bm.adaptive(3))
    assert saved.loglik == pytest.approx(again, abs=0.05)
    effects = pd.read_csv(tmp_path / "cluster_effects.csv")
    assert list(effects.columns) == ["school", "u_intercept", "u_intercept_sd", "u_x", "u_x_sd"]
    names = {p.name for p in tmp_path.iterdir()}
    assert {"outcome.png", "random_effects.png", "classes.png", "diagram.svg", "class_probabilities.csv"} <= names
    assert not {"profile.png", "class_curves.png"} & names


def test_a_regression_of_several_outcomes_is_fitted_by_its_formulas(regressed, tmp_path):
    _, df, path = regressed
    wide, rng = pd.read_csv(path), np.random.default_rng(7)
    wide = wide.assign(v=wide.y + rng.normal(size=len(wide)), k=rng.poisson(2.0, len(wide)), b=df.index % 2)
    wide.to_csv(tmp_path / "wide.csv", index=False)
    words = ("fit", "regression_mixture", tmp_path / "wide.csv", "--formula", "y + v ~ x; k + b ~ x + w")
    words = (*words, "--family", "normal,k=poisson,b=bernoulli", "--classes", 2, "--plots", "--out", tmp_path / "out")
    done = run(*words, "--set", "by_class=y=1 + x;v=1", "--set", "residual_covariance=class", *QUICK)
    assert done.exit_code == 0, done.output
    assert "RESULTS: REGRESSION OF V" in done.stdout
    assert "RESULTS: RESIDUAL COVARIANCES OF OUTCOMES" in done.stdout
    saved = bm.Fit.load(tmp_path / "out" / "fit.nc")
    assert [r.family.name for r in saved.model.responses] == ["normal", "poisson", "bernoulli"]
    assert saved.n_parameters == 1 + (2 + 2) + (2 + 1) + 2 + 2 + 6 + 6
    names = {p.name for p in (tmp_path / "out").iterdir()}
    assert {"outcome_1.png", "outcome_2.png", "outcome_3.png", "diagram.svg"} <= names


def test_a_regression_mixture_is_enumerated_from_one_class_on(regressed, tmp_path):
    words = ("enumerate", "regression_mixture", regressed[2], "--formula", "y ~ x", "--cluster", "school")
    words = (*words, "--set", "effects=factor", "--set", "cluster_covariates=1 ~ w; class ~ w", "--classes", "1-2")
    done = run(*words, "--nodes", "adaptive:3", "--plots", "--out", tmp_path, *QUICK)
    assert done.exit_code == 0, done.output
    assert list(pd.read_csv(tmp_path / "enumeration.csv", index_col=0)["parameters"]) == [5, 11]


def test_the_settings_of_a_regression_mixture_reach_the_template(regressed, monkeypatch):
    columns = ["school", "y", "x", "w"]
    settings = ["formula=y ~ x", "cluster_covariates=1=w;x=w", "cluster_covariates_by_class=1,x", "by_class=1"]
    made = arguments.declare("regression_mixture", {"classes": 2, "cluster": "school"}, settings, columns)
    by_name = {p.name: p.dims for p in made.parameters}
    assert by_name["x_on"] == ("C", "x_covariate")
    assert by_name["coefficient"] == ("regressor",)
    whole = arguments.declare(
        "regression_mixture", {"classes": 2, "cluster": "school"}, [settings[0], "cluster_covariates=w"], columns
    )
    assert {"intercept_on", "cluster_slope"} <= {p.name for p in whole.parameters}
    with pytest.raises(ValueError, match="'regression_mixture' needs formula: give --formula"):
        arguments.declare("regression_mixture", {}, [], columns)


def test_bad_regressions_are_refused(regressed):
    _, _, path = regressed
    for words, message in (
        (("--formula", "x"), "write it as 'outcome ~ x1 + x2'"),
        (("--formula", "y ~ age"), "names a missing column"),
        (("--formula", "y ~ x", "--items", "y"), "takes no 'items'"),
    ):
        done = run("fit", "regression_mixture", path, *words)
        assert done.exit_code == 2
        assert message in done.output


# factors ------------------------------------------------------------------------------------------


def test_a_3pl_writes_factor_scores_and_draws_its_items(graded, tmp_path):
    words = ("fit", "irt_3pl", graded, "--items", "a-f", "--id", "person", "--out", tmp_path, *QUICK, "--plots")
    done = run(*words, "--nodes", "trapezoid:11", "--set", "guessing=common", "--set", "link=probit")
    assert done.exit_code == 0, done.output
    assert "ITEM RESPONSE PARAMETERS" in done.output
    names = {p.name for p in tmp_path.iterdir()}
    assert {"item_curves.png", "information.png", "scores.png", "estimates.png", "factor_scores.csv"} <= names
    assert not {"classes.png", "class_probabilities.csv"} & names
    table, saved = pd.read_csv(tmp_path / "factor_scores.csv"), bm.Fit.load(tmp_path / "fit.nc")
    assert list(table.columns) == ["row", "person", "f", "f_sd"]
    assert table["f"].to_numpy() == pytest.approx(saved.effects()["f"].values, nan_ok=True)
    assert saved.params["guessing"].ndim == 0


def test_factors_by_name_and_columns_reach_the_template(graded, tmp_path, monkeypatch):
    from bayesmix.ml import estimation as ml

    asked = {}

    def fit(model, df, **settings):
        asked["model"] = model
        raise ValueError("seen")

    monkeypatch.setattr(ml, "fit", fit)
    sets = {"factors": "g: a-c; h: d-f", "by_class": "means", "correlated": "false", "item_covariates": "a=x;b=x"}
    sets |= {"factor_covariates": "x"}
    words = [w for k, v in sets.items() for w in ("--set", f"{k}={v}")]
    done = run("fit", "fma", graded, "--items", "a-f", "--classes", 2, "--family", "bernoulli", *words)
    assert "seen" in done.output
    names = {"g": list("abc"), "h": list("def")}
    expected = fma(
        list("abcdef"), 2, family=bm.bernoulli(), factors=names, by_class="means", correlated=False,
        item_covariates={"a": "x", "b": "x"}, factor_covariates="x",
    )  # fmt: skip
    assert asked["model"] == expected
    done = run("fit", "fma_gom", graded, "--items", "a-f", "--set", "loadings=one", "--set", "effects_on_factors=true")
    assert asked["model"] == fma_gom(list("abcdef"), loadings="one", effects_on_factors=True)
    done = run("fit", "fma", graded, "--items", "a-f", "--set", "factors=a-c")
    assert "expected name: columns, such as 'g: A-C; h: D-F'" in done.output
    done = run("fit", "fma", graded, "--items", "a-f", "--set", "factors=g: a-c; h: zz")
    assert "The data have no column 'zz'" in done.output


def test_factor_mixtures_are_enumerated(graded, tmp_path):
    words = ("enumerate", "fma", graded, "--items", "a-d", "--classes", "1-2", "--family", "bernoulli")
    done = run(*words, *QUICK, "--nodes", "trapezoid:9", "--out", tmp_path, "--plots")
    assert done.exit_code == 0, done.output
    assert list(pd.read_csv(tmp_path / "enumeration.csv")["classes"]) == [1, 2]


# pages and tables ---------------------------------------------------------------------------------


def test_a_page_and_tables_lie_in_the_folder_and_among_its_files(data, tmp_path):
    out = tmp_path / "out"
    words = ("fit", "lca", data, "--items", "a-e", "--classes", 2, "--missing", 9999, *RUN, "--out", out)
    done = run(*words, "--html", "report.html", "--tables", "tables.md")
    assert done.exit_code == 0, done.output
    fit = bm.Fit.load(out / "fit.nc")
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "data.csv" in page
    assert f"{fit.loglik:.3f}" in page
    assert f"{fit.bic:.3f}" in (out / "tables.md").read_text(encoding="utf-8")
    kept = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert {"report.html", "tables.md"} <= {*kept["files"]}
    assert run(*words).exit_code == 0
    assert not (out / "report.html").exists()  # what is not asked for again goes, as pictures do


def test_a_page_and_tables_lie_where_they_are_asked_for(data, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    words = ("enumerate", "lca", data, "--items", "a-e", "--classes", "1-2", "--missing", 9999, *RUN)
    done = run(*words, "--html", "report.html", "--tables", tmp_path / "there" / "tables")
    assert done.exit_code == 0, done.output
    assert "Written: report.html" in done.stdout
    assert "How many classes" in (tmp_path / "here" / "report.html").read_text(encoding="utf-8")
    assert [p.name for p in (tmp_path / "there" / "tables").iterdir()] == ["enumeration.csv"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--html", "report.txt"), "--html came as 'report.txt': give a name that ends in .html."),
        (("--html", "none/report.html"), "There is no folder 'none'"),
        (("--tables", "t.pdf"), "give a name that ends in .docx, .tex, .md or .csv"),
        (("--tables", "t.csv"), "is one csv file for several tables: give a folder"),
        (("--tables", "folder.md"), "is a folder, and a file was to be written there"),
    ],
)
def test_a_page_that_cannot_be_written_is_refused_before_the_fit(words, said, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.md").mkdir()
    done = run("fit", "lca", data, "--items", "a-e", "--classes", 2, *words)
    assert done.exit_code == 2
    assert said in done.stderr
    assert "Fitting" not in done.stderr


def test_word_tables_without_python_docx_are_refused_before_the_fit(data, monkeypatch):
    monkeypatch.setitem(sys.modules, "docx", None)
    done = run("fit", "lca", data, "--items", "a-e", "--classes", 2, "--tables", "t.docx")
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: Word documents take python-docx: pip install 'bayesmix[report]'")
    assert "Fitting" not in done.stderr
