"""Data are read as they are meant, or refused: text, blanks, orders, occasions, types of columns."""

import datetime
import decimal

import numpy as np
import pandas as pd
import pytest
from bayesmix.models import fma, irt_3pl, lca, lta

import bayesmix as bm
from bayesmix.cli import read_table
from bayesmix.data import PAIRS

ITEMS = list("abcd")
WAVES = [["a1", "b1"], ["a2", "b2"]]


def frame(n=60, seed=0, **columns):
    rng = np.random.default_rng(seed)
    df = pd.DataFrame(rng.integers(0, 2, (n, 4)), columns=ITEMS)
    return df.assign(x=rng.normal(size=n), g=np.arange(n) // 6, w=1).assign(**columns)


def waves(**columns):
    rng = np.random.default_rng(0)
    df = pd.DataFrame(rng.integers(0, 2, (60, 4)), columns=[c for wave in WAVES for c in wave])
    return df.assign(**columns)


def categories(values, family=None, template=lca, **settings):
    """Categories of the item `a` with these values, repeated."""
    df = frame().assign(a=pd.Series(np.resize(np.asarray(values, dtype=object), 60)))
    if isinstance(values, pd.Categorical):
        df["a"] = pd.Categorical(np.resize(np.asarray(values), 60), dtype=values.dtype)
    given = {} if family is None else {"family": {"a": family}}
    return bm.prepare(template(ITEMS, **settings, **given), df).categories["a"]


def nominal(values):
    return categories(values, classes=2)


def ordinal(values):
    return categories(values, bm.ordinal(), fma, classes=1)


# text ---------------------------------------------------------------------------------------------


def test_numbers_as_text_are_numbers_in_their_order():
    assert nominal(["8", "9", "10", "11"]) == ordinal(["8", "9", "10", "11"]) == [8, 9, 10, 11]
    assert ordinal(["-1", "0", "1.5", "2e1"]) == [-1, 0, 1.5, 20]
    assert ordinal(pd.Categorical(["8", "10", "9"])) == [8, 9, 10]


LIKERT = ["never", "rarely", "often", "always"]


def test_an_order_that_nobody_gave_is_asked_for():
    words = (
        r"'a' came as text \('always', 'never', .*pd.Categorical\(df\['a'\], categories=\['always', .*ordered=True\)"
    )
    for values in (LIKERT, pd.Categorical(LIKERT)):
        with pytest.raises(ValueError, match=words):
            ordinal(values)
    assert ordinal(pd.Categorical(LIKERT, categories=LIKERT, ordered=True)) == LIKERT
    assert ordinal(pd.Categorical(LIKERT, categories=LIKERT)) == LIKERT
    assert nominal(LIKERT) == sorted(LIKERT)


@pytest.mark.parametrize("pair", [*PAIRS[:12], ("not endorsed", "endorsed"), ("incorrect", "correct")])
@pytest.mark.parametrize("case", [str.lower, str.upper, str.title])
def test_two_words_with_a_known_order_have_it(pair, case):
    low, high = map(case, pair)
    for values in ([low, high], [high, low]):
        assert categories(values, template=irt_3pl) == [low, high]
        assert categories(values, bm.nominal(), fma, classes=1) == [low, high]
        assert ordinal(values) == [low, high]


def test_two_words_without_a_known_order_are_refused_or_said():
    with pytest.raises(ValueError, match="an item that can be guessed right needs it"):
        categories(["blue", "red"], template=irt_3pl)
    with pytest.warns(UserWarning, match="kinds in a: 'blue' is taken as 0 and 'red' as 1"):
        assert categories(["red", "blue"], template=irt_3pl, guessing="none") == ["blue", "red"]


def test_blanks_around_text_make_no_category():
    with pytest.warns(UserWarning, match="Item 'a' came with '0' and '0 ': taken as the same"):
        assert nominal(["0", "0 ", "1"]) == [0, 1]
    assert nominal([" yes", "no "]) == ["no", "yes"]
    with pytest.warns(UserWarning, match="Item 'a' has 'Yes' and 'yes': taken as categories of their own"):
        assert nominal(["yes", "Yes", "no"]) == ["Yes", "no", "yes"]


@pytest.mark.parametrize("mark", [" ", "", ".", "NA", "n/a", "NaN", "null"])
def test_blanks_and_marks_are_missing_and_it_is_said(mark):
    with pytest.warns(UserWarning, match="Item 'a' came with .* in 20 rows: taken as missing"):
        assert nominal(["0", "1", mark]) == [0, 1]
    with pytest.warns(UserWarning, match="taken as missing"):
        data = bm.prepare(lca(ITEMS, 2, family=bm.normal()), frame(a=np.resize(["0.5", "1", mark], 60)))
    assert np.isnan(data.responses["normal"][data.pattern_of, 0]).sum() == 20
    assert mark == "" or nominal(["0", "1", "2"]) == [0, 1, 2]


def test_marks_that_may_be_answers_are_answers():
    assert nominal(["yes", "no", "?"]) == ["?", "no", "yes"]
    assert nominal(["none", "some", "all"]) == ["all", "none", "some"]
    assert categories(["+", "-"], template=irt_3pl) == ["-", "+"]


# types --------------------------------------------------------------------------------------------


NUMBERS = {
    "object": lambda x: x.astype(object),
    "text": lambda x: x.astype(str),
    "Decimal": lambda x: x.map(decimal.Decimal),
    "big-endian": lambda x: x.astype(">f8"),
    "nullable": lambda x: x.astype("Float64"),
    "single precision": lambda x: x.astype("float32").astype(float),
    "Categorical": lambda x: x.astype("category"),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_are_numbers_whatever_their_type(kind):
    x = pd.Series(np.random.default_rng(1).integers(-5, 5, 60) / 4)
    df, there = frame(x=x, y=x), frame(x=NUMBERS[kind](x), y=NUMBERS[kind](x))
    for model in (lca([*ITEMS, "y"], 2, family={"y": bm.normal()}), lca(ITEMS, 2, covariates="x")):
        if kind == "Categorical" and model.covariates:
            continue
        one, other = bm.prepare(model, df), bm.prepare(model, there)
        assert one.coords == other.coords
        for name in one.arrays:
            np.testing.assert_allclose(one.arrays[name].values, other.arrays[name].values, rtol=1e-12)
    assert bm.prepare(lca([*ITEMS, "y"], 2), there).categories["y"] == sorted(set(x))


def test_clusters_are_labels_of_one_value():
    model = lca(ITEMS, 2, cluster="g", effects="factor")
    labels = bm.prepare(model, frame()).clusters
    assert bm.prepare(model, frame(g=lambda d: d.g.astype(">f8"))).clusters == labels
    with pytest.raises(ValueError, match=r"'g' came with \(0, 1\), a tuple"):
        bm.prepare(model, frame(g=lambda d: pd.Series([(k, 1) for k in d.g])))
    with pytest.raises(ValueError, match="'g' has labels that differ by blanks alone"):
        bm.prepare(model, frame(g=np.resize(["u", "u ", "v"], 60)))
    with pytest.raises(ValueError, match="'g' has 20 missing values"):
        bm.prepare(model, frame(g=np.resize(["u", " ", "v"], 60)))
    named = lca(ITEMS, 2, cluster="g", effects="factor", cluster_covariates="_cluster")
    assert len(bm.prepare(named, frame(_cluster=lambda d: d.g * 1.0)).clusters) == 10


REFUSED = {
    "decimal commas": (lambda: np.resize(["1,5", "2", "-0,5"], 60), r"'1,5': .*decimal=','"),
    "dates": (lambda: pd.date_range("2020-01-01", periods=60), r"'x' is a date.*\(d - d.min\(\)\).dt.days"),
    "dates as text": (lambda: pd.date_range("2020-01-01", periods=60).astype(str), "pd.to_datetime"),
    "dates as objects": (lambda: [datetime.date(2020, 1, 1 + k % 28) for k in range(60)], "'x' is a date"),
    "periods": (lambda: pd.period_range("2020-01", periods=60, freq="M"), "'x' is a date"),
    "spans": (lambda: pd.to_timedelta(np.arange(60), "D"), "'x' is a span of time"),
    "IDs": (lambda: [f"id{k}" for k in range(60)], "'x' has 60 levels .*more than 20: is it an ID"),
    "text and numbers": (lambda: pd.Series([0, 1, "many"] * 20, dtype=object), "'x' mixes text and numbers"),
    "lists": (lambda: pd.Series([[1]] * 60), "'x' came with .1., a list"),
    "one level": (lambda: ["north"] * 60, "'x' is constant"),
    "blanks": (lambda: np.resize(["north", "south", " "], 60), "'x' has 20 missing values"),
    "complex numbers": (lambda: np.arange(60) * 1j, "'x' came with complex numbers"),
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.filterwarnings("ignore:.*taken as missing")
def test_what_is_no_covariate_is_refused_with_the_way_to_one(kind):
    values, words = REFUSED[kind]
    with pytest.raises(ValueError, match=words) as said:
        bm.prepare(lca(ITEMS, 2, covariates="x"), frame(x=values()))
    assert str(said.value).endswith(".")


def test_levels_that_nobody_has_do_not_count_and_many_can_be_declared():
    text = np.resize(["north", "south"], 60)
    some = frame(x=pd.Categorical(text, categories=["south", "east", "north"]))
    assert bm.prepare(lca(ITEMS, 2, covariates="x"), some).coords["covariate"] == ["x[T.north]"]
    many = frame(x=pd.Categorical([f"state {k % 24}" for k in range(60)]))
    assert len(bm.prepare(lca(ITEMS, 2, covariates="x"), many).coords["covariate"]) == 23
    values = np.resize(np.arange(33), 60)
    with pytest.raises(ValueError, match=r"33 distinct values.*astype\('category'\)"):
        bm.prepare(lca(ITEMS, 2), frame(a=values))
    assert len(bm.prepare(lca(ITEMS, 2), frame(a=pd.Categorical(values))).categories["a"]) == 33


def test_columns_of_two_names_or_two_levels_are_refused():
    twice = pd.concat([frame(), frame()[["x"]]], axis=1)
    with pytest.raises(ValueError, match="more than one column named 'x'"):
        bm.prepare(lca(ITEMS, 2, covariates="x"), twice)
    levels = frame().set_axis(pd.MultiIndex.from_product([["q"], frame().columns]), axis=1)
    with pytest.raises(ValueError, match="are a MultiIndex"):
        bm.prepare(lca(["q"], 2), levels)


# frequencies --------------------------------------------------------------------------------------


def test_frequencies_are_whole_numbers():
    with pytest.raises(ValueError, match=r"'w' came with 0.5, expected whole numbers.*\(share \* n\).round\(\)"):
        bm.prepare(lca(ITEMS, 2, freq="w"), frame(w=0.5))
    assert bm.prepare(lca(ITEMS, 2, freq="w"), frame(w=[2.0, 1 + 1e-9] * 30)).n_individuals == 90


def test_what_occurs_in_rows_of_frequency_zero_does_not_exist():
    out = frame(n=3).assign(a=2, x="text", w=0)
    both = pd.concat([frame().assign(x=lambda d: d.x.round(1).astype(object)), out], ignore_index=True)
    data = bm.prepare(lca(ITEMS, 2, freq="w"), both)
    assert data.categories["a"] == [0, 1]
    assert data.packing.size == 9


# occasions ----------------------------------------------------------------------------------------


def of_waves(**columns):
    return bm.prepare(lta(WAVES, 2, names=["a", "b"]), waves(**columns)).categories["a1"]


TWO_WAYS = {
    "0, 1 and 1, 2": np.resize([1, 2], 60),
    "numbers and text": np.resize(["no", "yes"], 60),
    "numbers and numbers as text": np.resize(["0", "1"], 60),
    "numbers and others": np.resize([5, 6], 60),
}


@pytest.mark.parametrize("kind", TWO_WAYS)
def test_occasions_that_are_coded_in_two_ways_are_refused_by_name(kind):
    with pytest.raises(ValueError, match=r"item 'a' .*coded in two ways: 'a1' has 0, 1.*'a2' has .*code them alike"):
        of_waves(a2=TWO_WAYS[kind])


def test_declared_categories_of_occasions_are_what_they_say():
    declared = [pd.Categorical(np.resize(x, 60), categories=[0, 1, 2]) for x in ([0, 1], [1, 2])]
    assert of_waves(a1=declared[0], a2=declared[1]) == [0, 1, 2]
    with pytest.warns(UserWarning, match="No column of the item 'a' .* taken to be 0, 1, 2"):
        assert of_waves(a1=np.resize([0, 2], 60), a2=np.resize([1, 2], 60)) == [0, 1, 2]
    assert of_waves(a1=np.resize([0, 1, 2], 60), a2=np.resize([1, 2], 60)) == [0, 1, 2]


@pytest.mark.parametrize("levels", [["low", "medium", "high"], ["d", "b", "a"]])
def test_a_declared_order_is_kept_where_no_occasion_has_all_levels(levels):
    codes = np.resize([0, 1], 60)
    some = {f"a{t + 1}": pd.Categorical.from_codes(codes + t, levels, ordered=True) for t in (0, 1)}
    assert of_waves(**some) == levels
    assert of_waves(**{k: v.remove_unused_categories() for k, v in some.items()}) == levels
    with pytest.raises(ValueError, match="item 'a' came with Categoricals of other orders"):
        of_waves(a1=some["a1"], a2=pd.Categorical(np.asarray(some["a2"]), levels[::-1], ordered=True))


@pytest.mark.parametrize("family", [bm.nominal(), bm.bernoulli(), bm.ordinal(), bm.normal(), bm.poisson()])
@pytest.mark.parametrize("value", [0.0, np.nan])
def test_an_item_may_be_constant_or_not_asked_at_an_occasion(family, value):
    df = waves().astype(float).assign(a2=value)
    model = lta(WAVES, 2, family=family)
    data = bm.prepare(model, df)
    theta = np.random.default_rng(2).normal(0, 0.3, data.packing.size)
    values = data.natural(theta)
    units = bm.log_likelihood(model, df, values, units=True)
    alone = bm.log_likelihood(lta(WAVES, 2, family=family), df.assign(a2=np.nan), values, units=True)
    assert np.isfinite(units).all()
    assert np.isnan(value) == np.allclose(units, alone)
    with pytest.raises(ValueError, match=r"The items a1, a2 are (constant|missing in every row)"):
        bm.prepare(model, df.assign(a1=value))
    with pytest.raises(ValueError, match=r"'a2' is (constant|missing in every row)"):
        bm.prepare(lta(WAVES, 2, family=family, measurement="free"), df)


def test_earlier_occasions_of_drop_outs_count_without_their_later_covariates():
    model = lta(WAVES, 2, transition_covariates="x + r")
    r = np.random.default_rng(5).choice(["u", "v"], 60)
    df = waves(x=np.random.default_rng(4).normal(size=60), r=r).astype({"a2": float, "b2": float})
    df.loc[:9, ["a2", "b2"]] = np.nan
    data = bm.prepare(model, df)
    values = data.natural(np.random.default_rng(3).normal(size=data.packing.size))
    full = bm.log_likelihood(model, df, values, units=True)
    gone = df.astype({"r": object})
    gone.loc[:9, ["x", "r"]] = np.nan
    np.testing.assert_allclose(bm.log_likelihood(model, gone, values, units=True), full, rtol=1e-12)
    assert bm.prepare(model, gone).n_individuals == 60
    gone.loc[20, "x"] = np.nan
    with pytest.raises(ValueError, match=r"'x' has 1 missing values .first in row 20."):
        bm.prepare(model, gone)


# files --------------------------------------------------------------------------------------------


def written(tmp_path, text):
    path = tmp_path / "data.csv"
    path.write_text(text)
    return read_table(path)


def test_rows_that_end_in_a_separator_are_not_shifted(tmp_path):
    for end in (",", ",,"):
        df = written(tmp_path, f"a,b\n1,2{end}\n3,4{end}\n")
        assert df.to_dict("list") == {"a": [1, 3], "b": [2, 4]}
    assert list(written(tmp_path, "a,b,\n1,2,\n3,4,\n").columns) == ["a", "b"]
    with pytest.raises(ValueError, match="rows have 2 more fields than its head"):
        written(tmp_path, "a,b\n1,2,3,4\n5,6,7,8\n")
    with pytest.warns(UserWarning, match="first is taken as the name of the row"):
        assert written(tmp_path, "a,b\nr1,2,3\nr2,4,5\n").to_dict("list") == {"a": [2, 4], "b": [3, 5]}


def test_decimal_commas_are_read_where_they_can_be_nothing_else(tmp_path):
    assert written(tmp_path, "a;b\n1,5;x\n-2;y\n").to_dict("list") == {"a": [1.5, -2.0], "b": ["x", "y"]}
    thousands = written(tmp_path, "a;b\n1,500;2.5\n12,250;3\n")
    with pytest.raises(ValueError, match="'a' came with numbers as text, such as '1,500'"):
        bm.prepare(lca(["b"], 2, family=bm.normal(), covariates="a"), thousands)
    quoted = written(tmp_path, 'a,b\n"1,5",1\n"2,5",0\n')
    with pytest.raises(ValueError, match="'a' came with numbers as text"):
        bm.prepare(lca(["a"], 2, family=bm.normal()), quoted)


# arguments ----------------------------------------------------------------------------------------


def test_items_come_from_anything_with_an_order():
    for items in ((i for i in ITEMS), np.array(ITEMS), pd.Index(ITEMS), frame()[ITEMS]):
        assert lca(items, 2).items == tuple(ITEMS)
    for template in (irt_3pl, fma, bm.models.gom, bm.models.fma_gom):
        assert template((i for i in ITEMS), *([] if template is irt_3pl else [2])).items == tuple(ITEMS)
    assert lta(((i for i in w) for w in WAVES), 2).items == ("a1", "b1", "a2", "b2")
    with pytest.raises(ValueError, match="expected a list of column names, in an order"):
        lca(set(ITEMS), 2)
    with pytest.raises(ValueError, match=r"came with 0, expected names of columns as text"):
        lca([0, 1], 2)


NUMBERED = {
    "lca": lambda k: lca(ITEMS, k),
    "lca, clusters": lambda k: lca(ITEMS, 2, cluster="g", cluster_classes=k),
    "fma": lambda k: fma(ITEMS, k),
    "fma_gom": lambda k: bm.models.fma_gom(ITEMS, k),
    "gom": lambda k: bm.models.gom(ITEMS, k),
    "irt_3pl": lambda k: irt_3pl(ITEMS, classes=k),
    "lta": lambda k: lta(WAVES, k),
    "lta, each": lambda k: lta(WAVES, [k, k]),
    "lta, order": lambda k: lta([["a1"], ["a2"], ["b1"], ["b2"]], 2, names=["a"], order=k),
    "regression": lambda k: bm.models.regression_mixture("x ~ 1", k),
    "regression, clusters": lambda k: bm.models.regression_mixture("x ~ 1", cluster="g", cluster_classes=k),
}


@pytest.mark.parametrize("place", NUMBERED)
def test_whole_numbers_of_numpy_are_whole_numbers_and_truth_is_none(place):
    assert NUMBERED[place](np.int64(2)) == NUMBERED[place](np.uint8(2)) == NUMBERED[place](2)
    for wrong in (True, np.True_, 2.0, "2", None, -1):
        with pytest.raises(ValueError, match="came as"):
            NUMBERED[place](wrong)
