"""Constraints, levels and tests on the command line."""

import numpy as np
import pytest

import bayesmix as bm
from bayesmix.cli.arguments import fixed_entries
from command import run

RUN = ("--starts", "4", "--finals", "2", "--rounds", "1", "--budget", "0", "--quiet")


@pytest.fixture(scope="module")
def data(two_classes, tmp_path_factory):
    """The two-class data with a covariate, as a file."""
    path = tmp_path_factory.mktemp("cli") / "data.csv"
    rng = np.random.default_rng(0)
    two_classes[list("abcde")].assign(x=rng.normal(size=len(two_classes))).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def folders(data, tmp_path_factory):
    """The fits of a model, and of one with constraints."""
    out = tmp_path_factory.mktemp("out")
    words = ["fit", "lca", data, "--items", "a-e", "--classes", 2, "--covariates", "x", *RUN]
    held = ["--fix", "class_slope[1, x] = 0", "--equal", "item_logit[1, a, 1] = item_logit[1, b, 1]"]
    for name, more in (("free", ["--level", 0.9]), ("held", held)):
        done = run(*words, *more, "--out", out / name)
        assert done.exit_code == 0, done.output
    return out


def test_a_level_is_that_of_the_listing(folders):
    text = (folders / "free" / "listing.txt").read_text(encoding="utf-8")
    assert "90% lower" in text
    assert "95%" not in text


def test_constraints_reach_the_model(folders):
    held = bm.Fit.load(folders / "held" / "fit.nc")
    words = ["class_slope[1, x] = 0", "item_logit[1, a, 1] = item_logit[1, b, 1]"]
    assert held.model.constraints.words == words
    assert held.n_parameters == 10
    assert "equal 1" in (folders / "held" / "listing.txt").read_text(encoding="utf-8")


def test_hypotheses_and_nested_fits_are_tested(folders):
    said = ["class_slope[1, x] = 0", "item_logit[1, a, 1] = item_logit[1, b, 1]"]
    done = run("test", folders / "free", *said, "--restricted", folders / "held")
    assert done.exit_code == 0, done.output
    free, held = (bm.Fit.load(folders / k / "fit.nc") for k in ("free", "held"))
    assert f"Wald chi-square = {bm.test(free, said).statistic:.3f}, df = 2" in done.output
    assert f"Likelihood ratio chi-square = {bm.likelihood_ratio(held, free).statistic:.3f}, df = 2" in done.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{free}"], "There is nothing to test"),
        (["{free}", "class_slop[1, x] = 0"], "did you mean 'class_slope[1, x]'"),
        (["{free}/nowhere", "a = 0"], "has no fit.nc"),
    ],
)
def test_a_mistake_is_one_line(folders, words, said):
    done = run("test", *(w.replace("{free}", str(folders / "free")) for w in words))
    assert done.exit_code == 2
    assert said in done.output


def test_an_equation_reaches_the_model(data, tmp_path):
    words = ["fit", "lca", data, "--items", "a-e", "--classes", 2, *RUN]
    done = run(*words, "--equal", "item_logit[1, a, 1] = 2 * item_logit[1, b, 1] + 0.5", "--out", tmp_path / "linear")
    assert done.exit_code == 0, done.output
    logits = bm.Fit.load(tmp_path / "linear" / "fit.nc").params["item_logit"].values
    assert logits[0, 0, 1] == pytest.approx(2 * logits[0, 1, 1] + 0.5)
    assert "linear 1" in (tmp_path / "linear" / "listing.txt").read_text(encoding="utf-8")
    for said, text in (
        ("is an inequality", "item_logit[1, a, 1] > 0"),
        ("No equation came", ""),
        ("has no '='", "a[1]"),
    ):
        done = run(*words, "--equal", text, "--out", tmp_path / "none")
        assert done.exit_code == 2
        assert said in done.output


def test_entries_are_read_from_words():
    assert fixed_entries(["a[1, C(x, levels=[0, 1])[T.1]] = -0.5"]) == {"a[1, C(x, levels=[0, 1])[T.1]]": -0.5}
    with pytest.raises(ValueError, match="give an entry and its value"):
        fixed_entries(["class_logit[1]"])
    with pytest.raises(ValueError, match="came twice"):
        fixed_entries(["a = 1", "a = 2"])
