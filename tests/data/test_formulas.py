"""Formulas: what they may have, what is refused rather than dropped, and that none can run code."""

import numpy as np
import pandas as pd
import pytest
from bayesmix.models import lca, lta, regression_mixture
from numpy.testing import assert_allclose

import bayesmix as bm
from bayesmix.data import Coding

ITEMS = list("abcd")


def frame(n=120, seed=0):
    rng = np.random.default_rng(seed)
    df = pd.DataFrame(rng.integers(0, 2, (n, 4)), columns=ITEMS)
    return df.assign(
        x=rng.normal(5, 1, n),
        p=rng.lognormal(size=n),
        r=rng.choice(["north", "south", "west"], n),
        k=rng.integers(1, 4, n),
        g=np.arange(n) // 6,
        w=(np.arange(n) // 6) ** 0.5 + 1,
    )


def prepared(formula, df=None, coding=None):
    return bm.prepare(lca(ITEMS, 2, covariates=formula), frame() if df is None else df, coding=coding)


def columns(formula, df=None):
    """The design matrix of each row, on the user's scale."""
    data = prepared(formula, df)
    return data.user_columns["covariate"].values[data.pattern_of], list(data.coords["covariate"])


DONE = {
    "log(p)": lambda d: np.log(d.p),
    "log10(p)": lambda d: np.log10(d.p),
    "log2(p)": lambda d: np.log2(d.p),
    "log(x + 1)": lambda d: np.log(d.x + 1),
    "exp(-x)": lambda d: np.exp(-d.x),
    "sqrt(p)": lambda d: np.sqrt(d.p),
    "I(x**2)": lambda d: d.x**2,
    "{x**2}": lambda d: d.x**2,
    "I((x - 5) / 10)": lambda d: (d.x - 5) / 10,
    "I(k**10)": lambda d: d.k.astype(float) ** 10,
    "I(x > 5)": lambda d: d.x > 5,
    "center(x)": lambda d: d.x - d.x.mean(),
    "scale(x)": lambda d: (d.x - d.x.mean()) / d.x.std(ddof=1),
    "standardize(x)": lambda d: (d.x - d.x.mean()) / d.x.std(ddof=0),
    "scale(log(p))": lambda d: (np.log(d.p) - np.log(d.p).mean()) / np.log(d.p).std(),
}


@pytest.mark.parametrize("formula", DONE)
def test_transformations_are_those_of_numpy(formula):
    x, names = columns(formula)
    assert len(names) == 1
    assert_allclose(x[:, 0], np.asarray(DONE[formula](frame()), dtype=float), rtol=1e-12)


@pytest.mark.parametrize("formula", ["C(r, Treatment('south'))", "C(r, contr.treatment('south'))"])
def test_the_reference_of_a_category_can_be_chosen(formula):
    x, names = columns(formula)
    assert [n.partition(")[")[2] for n in names] == ["T.north]", "T.west]"]
    assert_allclose(x, np.stack([frame().r == "north", frame().r == "west"], axis=1))


FOLLOWED = [
    *DONE, "poly(x, 2)", "bs(x, df=4)", "cr(x, df=3, constraints='center')",
    "bs(x, df=4, extrapolation='extend')", "cs(x, df=3, constraints='center')",
    "center(x) * r", "C(k)", "C(k, Treatment(2))", "C(r, contr.sum)", "bs(x, knots=[4.5, 5.5])", "(x + r)**2",
    "x:r", "a_b*r",
]  # fmt: skip


@pytest.mark.parametrize("formula", FOLLOWED)
def test_a_single_row_has_the_columns_it_had_among_all(formula):
    df = frame().assign(a_b=lambda d: d.x > 5)
    whole = prepared(formula, df)
    coding = Coding.of(whole.coding.text())
    for row in (0, 7):
        one = prepared(formula, df.iloc[[row]], coding)
        assert list(one.coords["covariate"]) == list(whole.coords["covariate"])
        expected = whole.user_columns["covariate"].values[whole.pattern_of[row]]
        assert_allclose(one.user_columns["covariate"].values[0], expected, rtol=1e-12, atol=1e-14)


REFUSED = {
    "x + x**2": r"power of 'x'.* write I\(x\*\*2\)",
    "x^2": "power of 'x'",
    "x * x": "'x' times itself",
    "x:x": "'x' times itself",
    "x - 1": "leaves out the intercept",
    "x + 0": "leaves out the intercept",
    "0 + x": "leaves out the intercept",
    "x - p": r"takes 'p' out, which is not in it: .* I\(x - p\)",
    "-x": "takes 'x' out",
    "x + offset(p)": "an offset: it stands beside the formula",
    "offset( log(p) )": "an offset",
    "x / 100": r"cannot be read.*arithmetic as I\(",
    "2 * x": "cannot be read",
    "a ~ x": "write covariates alone",
    "x | p": "write covariates alone",
    ".": "cannot be read",
    "I(x^2)": r"a power is written x\*\*2",
    "log(x - 5)": r"no finite number in row \d+ \(x = [34].*logarithm takes positive values",
    "sqrt(x - 5)": "no finite number",
    "exp(1000 * x)": "no finite number",
    "log(r)": "'r' is used as a number and has categories",
    "C(r, Treatment('east'))": "'east'.*is not among the provided levels",
    "bs(x, df=4, extrapolation=open)": "formulas do not run code",
    "cr(x, df=4)": "takes constraints='center'",
    # code
    "np.log(x)": "formulas do not run code",
    "__import__('os')": "formulas do not run code",
    "I(__import__)": "formulas do not run code",
    "exec('1')": "formulas do not run code",
    "I(().__class__)": "formulas do not run code",
    "{x.pop()}": "formulas do not run code",
    "I(x[0])": "formulas do not run code",
    "I([y for y in x])": "formulas do not run code",
    "I((lambda: 1)())": "formulas do not run code",
    "C(r, levels=open('f'))": "formulas do not run code",
    "C(r, contr.__class__)": "formulas do not run code",
    "scale(x, _state=x)": "formulas do not run code",
    "log(x, out=x)": "formulas do not run code",
    "I(9**9**9)": "formulas do not run code",
    "I(x**1000)": "formulas do not run code",
    "poly(x, 1000000)": "formulas do not run code",
    "bs(x, df=1000000)": "formulas do not run code",
    "I('a' * 9)": "formulas do not run code",
    "Q('x')": "formulas do not run code",
    "hashed(r, levels=10)": "formulas do not run code",
    "I(x := 3)": "formulas do not run code|cannot be read",
    "I(f'{x}')": "formulas do not run code|cannot be read",
    "I(x.values)": "formulas do not run code",
}


@pytest.mark.parametrize("formula", REFUSED)
def test_what_cannot_be_done_is_refused_with_words(formula):
    with pytest.raises(ValueError, match=REFUSED[formula]) as said:
        prepared(formula)
    assert str(said.value).endswith(".")


PLACES = {
    "class logits": lambda f: lca(ITEMS, 2, covariates=f),
    "items": lambda f: bm.models.gom(ITEMS, 2, item_covariates={"a": f}),
    "a factor": lambda f: bm.models.fma(ITEMS, 1, factor_covariates=f),
    "transitions": lambda f: lta([["a", "b"], ["c", "d"]], 2, transition_covariates=f),
    "clusters": lambda f: lca(ITEMS, 2, cluster="g", cluster_covariates=f.replace("x", "w")),
    "classes of clusters": lambda f: lca(
        ITEMS, 2, cluster="g", cluster_classes=2, cluster_class_covariates=f.replace("x", "w")
    ),
    "a regression": lambda f: regression_mixture(f"p ~ {f}", 2),
    "a residual variance": lambda f: regression_mixture("p ~ 1", variance=f),
    "a random slope": lambda f: regression_mixture(f"p ~ {f}", cluster="g", random=f"1 + {f}"),
    "a slope's covariates": lambda f: regression_mixture(f"p ~ {f}", cluster="g", cluster_covariates={f: "log(w)"}),
}


@pytest.mark.parametrize("place", PLACES)
def test_every_formula_takes_the_same_path(place):
    data = bm.prepare(PLACES[place]("log(x)"), frame())
    plain = bm.prepare(
        PLACES[place]("x"),
        frame().assign(x=lambda d: np.log(d.x), w=lambda d: np.exp(d.w) if "slope's" in place else np.log(d.w)),
    )
    for name, x in data.user_columns.items():
        if place != "a slope's covariates":  # there w has a formula of its own
            assert_allclose(x.values, plain.user_columns[name].values, rtol=1e-12)
    with pytest.raises(ValueError, match="formulas do not run code"):
        bm.prepare(PLACES[place]("np.log(x)"), frame())


def test_an_outcome_is_one_column():
    for formula in ("y1 * y2 ~ 1", "log(y) ~ x", "y - z ~ x", "a:b ~ x", "y + log(z) ~ x"):
        with pytest.raises(ValueError, match=r"expected the name of one column"):
            regression_mixture(formula)
    assert regression_mixture("`pre-test` ~ 1").items == ("pre-test",)
    assert regression_mixture("`pre + test` + y ~ 1; z ~ x").items == ("pre + test", "y", "z")
    with pytest.raises(ValueError, match=r"'~' or '\|'"):
        regression_mixture("y ~ x ~ z")


def test_columns_are_collinear_whatever_their_scale():
    df = frame().assign(gdp=lambda d: 1e12 * d.p, female=lambda d: d.k > 1, year=lambda d: 2000 + d.k)
    assert len(columns("gdp + female", df)[1]) == 2
    assert len(columns("year + I(year**2)", df)[1]) == 2
    for formula in ("x + I(3 * x + 1e6)", "gdp + I(gdp / 7)", "x + I(x - x + 3)"):
        with pytest.raises(ValueError, match="collinear or constant"):
            columns(formula, df)
