"""Tables of polars and pyarrow in the place of a DataFrame of pandas."""

import numpy as np
import pandas as pd
import pytest

import bayesmix as bm
from bayesmix.data import as_frame

pytestmark = pytest.mark.filterwarnings("ignore:The best log-likelihood")
pl = pytest.importorskip("polars")
QUICK = {"starts": 2, "finals": 1, "rounds": 1, "budget": 0, "progress": False}


@pytest.fixture(scope="module")
def frames():
    """The same rows by pandas and by polars: answers with gaps, text, numbers, a frequency."""
    rng = np.random.default_rng(5)
    c = rng.integers(0, 2, 120)
    df = pd.DataFrame({k: (rng.random(120) < np.where(c, 0.85, 0.2)).astype(float) for k in "abc"})
    df.loc[:5, "a"] = np.nan
    df["d"] = np.where(rng.random(120) < np.where(c, 0.7, 0.1), "yes", "no")
    df["x"], df["g"], df["n"] = rng.normal(size=120), np.arange(120) % 12, rng.integers(1, 3, 120)
    df["y"] = df["x"] + rng.normal(size=120)
    there = pl.DataFrame({k: df[k].to_list() for k in df}).with_columns(pl.col("a").fill_nan(None))
    return df, there


def test_a_polars_frame_is_fitted_as_one_of_pandas(frames):
    df, there = frames
    model = bm.models.lca(["a", "b", "c", "d"], 2, covariates="x", freq="n")
    one, other = bm.fit(model, df, **QUICK), bm.fit(model, there, **QUICK)
    assert other.loglik == pytest.approx(one.loglik, abs=1e-9)
    assert other.info["identity"] == one.info["identity"]
    assert other.info["categories"] == one.info["categories"]
    assert bm.log_likelihood(one, there) == pytest.approx(one.loglik, abs=1e-6)
    assert bm.log_likelihood(one, there, units=True).to_numpy() == pytest.approx(bm.log_likelihood(one, df, units=True))


def test_every_other_door_takes_polars_too(frames):
    df, there = frames
    two_level = bm.models.regression_mixture("y ~ x", cluster="g", random="1 + x")
    fit = bm.fit(two_level, there, **QUICK)
    assert bm.coefficients(fit, there).equals(bm.coefficients(fit, df))
    assert bm.prior_table(two_level, there).equals(bm.prior_table(two_level, df))
    drawn = [bm.simulate(fit, df=x, seed=1)["y"].to_numpy() for x in (df, there)]
    assert drawn[0] == pytest.approx(drawn[1])
    assert len(bm.plots.outcome(fit, there)) == 1
    covered = bm.fit(bm.models.lca(["a", "b", "c"], 2, covariates="x", cluster="g"), there, **QUICK)
    curves = [bm.class_curves(covered, df=x)["probability"].values for x in (df, there)]
    assert curves[0] == pytest.approx(curves[1])
    scored = bm.fit(bm.models.irt_3pl(["a", "b", "c"], "none", freq="n"), there, **QUICK)
    assert bm.reliability(scored, there).equals(bm.reliability(scored, df))


def test_the_order_of_an_enum_counts_and_that_of_a_categorical_does_not():
    levels = ["low", "middle", "high"]
    text = ["high", "low", None, "middle"]
    out = as_frame(
        pl.DataFrame({"e": pl.Series(text, dtype=pl.Enum(levels)), "c": pl.Series(text).cast(pl.Categorical)})
    )
    assert list(out["e"].cat.categories) == levels
    assert out["e"].cat.ordered
    assert not out["c"].cat.ordered
    assert out["e"].isna().tolist() == [False, False, True, False]
    assert out["c"].dropna().tolist() == ["high", "low", "middle"]


def test_numbers_keep_their_kind_and_gaps_are_missing():
    frame = pl.DataFrame({"i": [1, 2], "f": [0.5, None], "k": [None, 3], "b": [True, False], "s": ["x", None]})
    out = as_frame(frame.with_columns(pl.col("i").cast(pl.Decimal(5, 2)).alias("d")))
    assert out["i"].dtype.kind == "i"
    assert out["b"].dtype.kind == "b"
    assert [str(out[k].dtype) for k in "fkd"] == ["float64"] * 3
    assert out["d"].tolist() == [1.0, 2.0]
    assert out[["f", "k", "s"]].isna().to_numpy().tolist() == [[False, True, False], [True, False, True]]


def test_a_table_of_pyarrow_is_taken():
    pa = pytest.importorskip("pyarrow")
    assert as_frame(pa.table({"a": [1, 2]}))["a"].tolist() == [1, 2]


def test_what_holds_no_rows_yet_and_what_is_no_table_are_refused_with_the_way():
    model = bm.models.lca(["a", "b"], 2)
    with pytest.raises(TypeError, match=r"polars LazyFrame, which holds no rows yet: give data\.collect\(\)"):
        bm.fit(model, pl.DataFrame({"a": [1], "b": [1]}).lazy())
    with pytest.raises(TypeError, match=r"came as dict, expected a pandas DataFrame .*pd\.DataFrame\(data\)"):
        bm.fit(model, {"a": [1, 2], "b": [1, 2]})
