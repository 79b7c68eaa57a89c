"""Chi-squares, residuals and patterns of weighted samples: weighted numbers, and errors of the design."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayesmix as bm

QUICK = {"starts": 4, "rounds": 1, "progress": False}
AGAIN = {"starts": 1, "finals": 1, "rounds": 1, "budget": 0, "simpler": False, "progress": False}
ITEMS = list("abcd")


@pytest.fixture(scope="module")
def whole(drawn) -> pd.DataFrame:
    """Nobody left an answer out; 24 units of 16 or 17 rows."""
    df = drawn.assign(**{k: drawn[k].fillna(0) for k in ITEMS}, unit=np.arange(400) % 24)
    return df.assign(**{f"rep{k + 1}": df["w"] * (df["unit"] != k) * 24 / 23 for k in range(24)})


@pytest.fixture(scope="module")
def clustered(two, whole) -> bm.Fit:
    return bm.fit(two, whole, weights="w", psu="unit", **QUICK)


def test_equal_weights_are_near_the_plain_chi_squares(two, whole):
    """One and the same weight for all: the same numbers, and a correction that makes next to nothing of it."""
    whole = whole.assign(one=7.0)
    plain, even = bm.fit(two, whole, **QUICK), bm.fit(two, whole, weights="one", **QUICK)
    a, b = bm.goodness_of_fit(plain, whole), bm.goodness_of_fit(even, whole)
    np.testing.assert_allclose(a.table["value"], b.table["value"], rtol=1e-5)
    assert b.table["corrected df"].iloc[0] == pytest.approx(6, rel=0.1)  # 16 cells - 1 - 9 parameters
    np.testing.assert_allclose(b.table["corrected"], a.table["value"], rtol=0.2)
    np.testing.assert_allclose(a.table["p"], b.table["p"], atol=0.1)
    x, y = bm.residuals(plain, whole), bm.residuals(even, whole)
    np.testing.assert_allclose(x.pairs["Pearson"], y.pairs["Pearson"], rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(x.cells["observed"], y.cells["observed"])
    assert (x.pairs["largest |z|"] < y.pairs["largest |z|"]).all()  # the plain z ignores that parameters are estimated


def test_observed_numbers_are_weighted(clustered, whole):
    """As a weighted table by hand, which sums to the number of rows."""
    w = whole["w"] * 400 / whole["w"].sum()
    table = bm.residuals(clustered, whole)
    own = pd.crosstab(whole["a"], whole["b"], w, aggfunc="sum").to_numpy().ravel()
    np.testing.assert_allclose(table.cells.loc[("a", slice(None), "b"), "observed"], own)
    e = table.cells.loc[("a", slice(None), "b"), "expected"].to_numpy()
    assert table.pairs.loc[("a", "b"), "Pearson"] == pytest.approx(((own - e) ** 2 / e).sum())
    patterns = bm.response_patterns(clustered, whole, top=None)
    by_hand = w.groupby([whole[k] for k in ITEMS]).sum()
    found = patterns.set_index(ITEMS)["observed"]
    np.testing.assert_allclose(found.sort_index(), by_hand.sort_index())
    assert patterns["observed"].sum() == pytest.approx(400)
    chi = bm.goodness_of_fit(clustered, whole)
    empty = 400 - patterns["expected"].sum()
    pearson = ((patterns["observed"] - patterns["expected"]) ** 2 / patterns["expected"]).sum() + empty
    assert chi.table.loc["Pearson", "value"] == pytest.approx(pearson)
    assert chi.n == pytest.approx(400)


def test_z_of_a_pair_and_its_corrected_chi_square_are_one(clustered, whole):
    """The residual of a pair of binary items has one dimension: F with 1 and 23 degrees of freedom is t squared."""
    found = bm.residuals(clustered, whole).pairs
    np.testing.assert_allclose(found["corrected df"], 1, atol=1e-3)
    np.testing.assert_allclose(found["corrected"], found["largest |z|"] ** 2, rtol=1e-3)
    np.testing.assert_allclose(found["p"], 2 * stats.t.sf(found["largest |z|"], 23), rtol=1e-2)


def _refitted(fit: bm.Fit, df: pd.DataFrame, table) -> tuple[np.ndarray, np.ndarray]:
    """Jackknife errors of residuals by fits that leave out a unit each, and the errors behind z."""
    each = []
    units = df["unit"].unique()
    for k in units:
        own = df[df["unit"] != k].reset_index(drop=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one start, from the solution
            each.append(table(bm.fit(fit.model, own, like=fit, **AGAIN), own)[0])
    each = np.array(each)
    n = len(units)
    residual, z = table(fit, df)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sqrt((n - 1) / n * ((each - each.mean(axis=0)) ** 2).sum(axis=0)), np.abs(residual / z)


def _cells(fit: bm.Fit, df: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    t = bm.residuals(fit, df).cells
    return ((t["observed"] - t["expected"]) / t["n"]).to_numpy(), t["z"].to_numpy()


def test_errors_are_those_of_a_jackknife(clustered, whole):
    """Fits that leave out a unit each, of which the linearised errors know nothing."""
    by_hand, linearised = _refitted(clustered, whole, _cells)
    np.testing.assert_allclose(linearised, by_hand, rtol=0.06)


def test_replicate_weights_have_the_errors_of_their_units(two, whole, clustered):
    """A jackknife of the units is their linearised variance."""
    by = bm.survey(two, weights="w", replicate_weights="rep", method="JK1")
    fit = bm.fit(by, whole, **QUICK)
    np.testing.assert_allclose(_cells(fit, whole)[1], _cells(clustered, whole)[1], rtol=1e-3, atol=1e-4)
    a, b = bm.goodness_of_fit(fit, whole), bm.goodness_of_fit(clustered, whole)
    np.testing.assert_allclose(a.table["p"], b.table["p"], rtol=1e-3)
    none = bm.survey(bm.models.lca(ITEMS, 2, cluster="unit", effects="none"), weights="w", replicate_weights="rep",
                     method="JK1")  # fmt: skip
    with pytest.raises(ValueError, match="leave cluster= out of the model"):
        bm.residuals(bm.fit(none, whole, **QUICK), whole)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["covariate", "groups", "numbers", "two levels"])
def test_errors_of_other_models_are_those_of_a_jackknife(whole, kind):
    rng = np.random.default_rng(4)
    second = (whole["true_C"] == 2).to_numpy() * 1.5
    df = whole.assign(y1=second + rng.normal(size=400), y2=rng.normal(size=400) - second,
                      kind=np.where(whole["unit"] % 2, "A", "B"))  # fmt: skip
    mixed = {"a": bm.bernoulli(), "b": bm.bernoulli(), "c": bm.bernoulli(), "y1": bm.normal(), "y2": bm.normal()}
    models = {
        "covariate": bm.models.lca(ITEMS, 2, "x"),
        "groups": bm.models.lca(ITEMS, 2, group="kind"),
        "numbers": bm.models.lca(list(mixed), 2, family=mixed),
        "two levels": bm.models.lca(ITEMS, 2, cluster="unit", cluster_classes=2),
    }
    model = bm.survey(models[kind], weights="w", psu="unit")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # there are no classes of units in these data
        fit = bm.fit(model, df, **QUICK)
        both = [_refitted(fit, df, _cells)]
        if kind == "numbers":
            for name in ("numbers", "mixed"):

                def table(f, d, name=name):
                    t = getattr(bm.residuals(f, d), name)
                    return t["residual"].to_numpy(), t["z"].to_numpy()

                both.append(_refitted(fit, df, table))
    for by_hand, linearised in both:
        some = np.isfinite(linearised) & (by_hand > 1e-6)
        assert some.any()
        np.testing.assert_allclose(linearised[some], by_hand[some], rtol=0.15)


def test_missing_answers(two, drawn, of_design):
    """Of estimates under missing at random no errors are made, which is said; of those who answered both they are."""
    found = bm.residuals(of_design, drawn)
    assert found.pairs["p"].isna().all()
    assert "against='pairwise'" in str(found)
    assert found.univariate["z"].notna().all()
    assert bm.residuals(of_design, drawn, against="pairwise").pairs["p"].between(0, 1).all()
    table = bm.goodness_of_fit(of_design, drawn)
    assert table.table["p"].isna().all()
    assert "No p value" in str(table)
    whole = bm.goodness_of_fit(of_design, drawn, missing="complete")
    assert whole.table["p"].between(0, 1).all()
    patterns = bm.response_patterns(of_design, drawn, top=5)
    assert np.isfinite(patterns["z"]).all()


def test_what_is_printed(clustered, whole):
    text = " ".join(str(bm.residuals(clustered, whole)).split())
    for words in ("weights='w', psu='unit'", "Rao and Scott", "standard errors of the design"):
        assert words in text
    assert "no chi-square distribution" not in text
    text = " ".join(str(bm.goodness_of_fit(clustered, whole)).split())
    assert "second order (Rao and Scott, 1984)" in text
    assert bm.plots.residuals(bm.residuals(clustered, whole)) is not None


def test_two_levels(whole):
    """Products of both weights in observed numbers and shares; covariances of numbers are not told apart by level."""
    df = whole.assign(bw=1 + whole["unit"] % 3, y=whole["y"])
    family = dict.fromkeys("abc", bm.bernoulli()) | {"y": bm.normal()}
    model = bm.models.lca(list(family), 2, cluster="unit", cluster_classes=2, family=family)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # there are no classes of units in these data
        fit = bm.fit(bm.survey(model, weights="w", cluster_weights="bw"), df, **QUICK)
    found = bm.residuals(fit, df)
    own = df["w"] * df["bw"]  # as they came, not scaled within clusters
    share = fit.class_counts("C")["posterior %"]
    p = fit.class_probabilities("C")
    np.testing.assert_allclose(share.iloc[0], np.average(p.iloc[:, 0], weights=own), rtol=1e-5)
    np.testing.assert_allclose(found.univariate.loc[("a", 1), "observed"], np.average(df["a"], weights=own))
    mean = np.average(df["y"], weights=own)
    assert found.numbers.index.get_level_values("level").to_list() == ["total"]
    np.testing.assert_allclose(found.numbers["observed"].iloc[0], np.average((df["y"] - mean) ** 2, weights=own))
    assert found.pairs["p"].between(0, 1).all()
