"""The level of intervals: the same wherever one is made, in its numbers and in its words."""

import numpy as np
import pytest
from scipy import stats

import bayesmix as bm
from bayesmix.spec import LOGIT, SCALES, at_level, level_words


def test_a_scale_takes_the_normal_quantile():
    z = stats.norm.ppf(0.95)
    low, high = SCALES["log"].interval(2.0, 0.5, 0.9)
    np.testing.assert_allclose([low, high], 2.0 * np.exp([-z / 4, z / 4]), rtol=1e-12)


def test_a_level_holds_inside_and_is_put_back():
    with at_level(0.8):
        assert level_words() == "80%"
        with at_level(0.995):
            assert level_words() == "99.5%"
        assert level_words() == "80%"
    assert level_words() == "95%"


def test_a_summary_has_intervals_of_the_level(fitted):
    wide, usual = fitted.summary(level=0.99).query("free"), fitted.summary().query("free")
    np.testing.assert_allclose(wide["upper"] - wide["estimate"], stats.norm.ppf(0.995) * wide["se"], rtol=1e-10)
    assert (wide["upper"] > usual["upper"]).all()


def test_a_comparison_has_both_and_says_so(fitted, sampled):
    found = bm.compare(fitted, sampled, level=0.5)
    draws = sampled["posterior"]["class_logit"].isel(C=0).values
    row = found.table.loc["class_logit[1]"]
    ends = row[["eti_lower", "eti_upper"]].astype(float)
    np.testing.assert_allclose(ends, np.quantile(draws, [0.25, 0.75]), rtol=1e-6)
    half = stats.norm.ppf(0.75) * row["ml_se"]
    np.testing.assert_allclose([row["ml_lower"], row["ml_upper"]], row["ml"] + np.array([-half, half]), rtol=1e-6)
    assert "Intervals: 50%." in repr(found)
    assert found.level == 0.5
    p = fitted.probabilities["C_probability"].values[0]
    ends = LOGIT.interval(p, fitted.probabilities_se["C_probability"].values[0], 0.5)
    shown = found.table.loc["C_probability[1]", ["ml_lower", "ml_upper"]].astype(float)
    np.testing.assert_allclose(shown, np.array(ends, dtype=float), rtol=1e-8)


def test_listings_and_tables_have_the_words_with_the_numbers(fitted, sampled, tmp_path):
    for what, post in ((fitted, sampled), (sampled, None)):
        text = bm.report(what, post, level=0.9)
        assert "90% lower" in text
        assert "95%" not in text
        assert "95% lower" in bm.report(what, post)
    table = bm.tables(fitted, level=0.9)["parameters"]
    np.testing.assert_allclose(table["lower"].dropna(), fitted.summary(level=0.9)["lower"].dropna(), rtol=1e-10)
    text = bm.export(fitted, tmp_path / "t.md", post=sampled, level=0.9).read_text(encoding="utf-8")
    assert "90% CI" in text
    assert "95%" not in text
    page = bm.to_html(fitted, tmp_path / "t.html", level=0.9).read_text(encoding="utf-8")
    assert "90% intervals" in page
    assert "95% " not in page


def test_pictures_are_drawn_with_it(fitted):
    axes = bm.plots.classes(fitted, level=0.9)
    assert axes[-1].get_xlabel() == "class probability (90% interval)"
    assert len(bm.plots.profile(fitted, level=0.9))


@pytest.mark.parametrize("level", [95, 0, 1.0, True, "0.9"])
def test_what_is_no_level_is_refused(fitted, level):
    with pytest.raises(ValueError, match="give a number between 0 and 1"):
        fitted.summary(level=level)
