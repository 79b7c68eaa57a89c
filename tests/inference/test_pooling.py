"""Rubin's rules: fits of the same data, by hand, and values that are missing at random."""

import numpy as np
import pandas as pd
import pytest
from bayesmix.models import lca, lta, regression_mixture
from scipy import stats

import bayesmix as bm

QUICK = {"starts": 3, "rounds": 1, "budget": 0, "simpler": False, "progress": False}
MODEL = regression_mixture("y ~ x + z", 1)


def complete(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    x = 0.5 * z + rng.normal(size=n)
    return pd.DataFrame({"y": 1 + 0.7 * x - 0.4 * z + rng.normal(size=n), "x": x, "z": z})


def with_holes(df: pd.DataFrame, seed: int) -> pd.DataFrame:
    """x is missing where y is large, as far as chance lets it."""
    gone = np.random.default_rng([seed, 1]).random(len(df)) < 1 / (1 + np.exp(-(df["y"] - 1)))
    return df.assign(x=df["x"].mask(gone))


def imputed(df: pd.DataFrame, m: int, seed: int) -> list[pd.DataFrame]:
    """x drawn from its regression on y and z, the parameters of which are drawn first."""
    rng, seen = np.random.default_rng([seed, 2]), df["x"].notna().to_numpy()
    a = np.column_stack([np.ones(len(df)), df["y"], df["z"]])
    inverse = np.linalg.inv(a[seen].T @ a[seen])
    b = inverse @ a[seen].T @ df["x"].to_numpy()[seen]
    rest = df["x"].to_numpy()[seen] - a[seen] @ b
    out = []
    for _ in range(m):
        s2 = rest @ rest / rng.chisquare(seen.sum() - 3)
        at = rng.multivariate_normal(b, s2 * inverse)
        drawn = a @ at + np.sqrt(s2) * rng.normal(size=len(df))
        out.append(df.assign(x=np.where(seen, df["x"], drawn)))
    return out


@pytest.fixture(scope="module")
def fits():
    return [bm.fit(MODEL, d, **QUICK) for d in imputed(with_holes(complete(500, 3), 3), 8, 3)]


def test_equal_fits_are_one_fit(persons):
    fit = bm.fit(lca(list("abcd"), 2, "x + w"), persons, **QUICK)
    pooled = bm.pool([fit] * 3)
    for name in ("params", "se", "probabilities", "probabilities_se", "derived_se"):
        a, b = getattr(fit, name), getattr(pooled, name)
        for k in a:
            np.testing.assert_allclose(b[k], a[k], rtol=1e-5, atol=1e-9, err_msg=f"{name} {k}")
    np.testing.assert_allclose(pooled.pooling["between"], 0, atol=1e-12)
    assert (pooled.pooling["missing information"] < 1e-6).all()
    assert (pooled.pooling["relative efficiency"] > 0.999).all()
    wald = bm.test(fit, "class_slope[1, x] = 0, class_slope[1, w] = 0")
    d1 = bm.test(pooled, "class_slope[1, x] = 0, class_slope[1, w] = 0")
    assert d1.statistic == pytest.approx(wald.statistic / 2, rel=1e-5)
    assert d1.p == pytest.approx(wald.p, rel=1e-4)
    np.testing.assert_allclose(
        bm.contrast(pooled, lambda x: x["C_probability"]).se,
        bm.contrast(fit, lambda x: x["C_probability"]).se,
        rtol=1e-4,
    )
    assert pooled.loglik == fit.loglik
    assert "mean of 3 imputations" in repr(pooled)
    pd.testing.assert_frame_equal(pooled.class_probabilities(), fit.class_probabilities())


def test_by_hand(fits):
    """Averages, T = W + (1 + 1/m) B, degrees of freedom of Barnard and Rubin, t."""
    pooled, m = bm.pool(fits), len(fits)
    values = np.array([f.summary()["estimate"] for f in fits])
    within = np.mean([f.summary()["se"] ** 2 for f in fits], axis=0)
    between = values.var(axis=0, ddof=1)
    total = within + (1 + 1 / m) * between
    found = pooled.summary()
    np.testing.assert_allclose(found["estimate"], values.mean(axis=0), rtol=1e-10)
    np.testing.assert_allclose(found["se"], np.sqrt(total), rtol=1e-5)
    share = (1 + 1 / m) * between / total
    nu_m, nu_c = (m - 1) / share**2, 500 - 4
    nu = 1 / (1 / nu_m + 1 / ((nu_c + 1) / (nu_c + 3) * nu_c * (1 - share)))
    table = pooled.pooling.loc[found.index]
    np.testing.assert_allclose(table["df"], nu, rtol=1e-4)
    r = share / (1 - share)
    np.testing.assert_allclose(table["missing information"], (r + 2 / (nu + 3)) / (r + 1), rtol=1e-4)
    np.testing.assert_allclose(found["p"], 2 * stats.t.sf(abs(found["ratio"]), nu), rtol=1e-3)
    np.testing.assert_allclose(found["upper"], found["estimate"] + stats.t.ppf(0.975, nu) * found["se"], rtol=1e-5)
    one = bm.test(pooled, "coefficient[x] = 0.5")
    assert one.statistic == pytest.approx(((found.loc["coefficient[x]", "estimate"] - 0.5) ** 2) / total[1], rel=1e-4)
    assert "D1 =" in repr(one)


def test_ratios_of_pooled_fits(fits):
    """D2 of the corrected ratios of each imputation."""
    data = imputed(with_holes(complete(500, 3), 3), 8, 3)
    smaller = [bm.fit(regression_mixture("y ~ z", 1), d, **QUICK) for d in data]
    each = np.array([bm.likelihood_ratio(a, b).statistic for a, b in zip(smaller, fits, strict=True)])
    r = (1 + 1 / 8) * np.sqrt(each).var(ddof=1)
    d2 = (each.mean() - 9 / 7 * r) / (1 + r)
    found = bm.likelihood_ratio(bm.pool(smaller), bm.pool(fits))
    assert found.statistic == pytest.approx(d2, rel=1e-6)
    assert "D2" in repr(found)
    assert found.denominator == pytest.approx(7 * (1 + 1 / r) ** 2)
    assert found.p == pytest.approx(stats.f.sf(d2, 1, found.denominator))
    with pytest.raises(ValueError, match="pooled over no imputations and the other one over 8"):
        bm.likelihood_ratio(smaller[0], bm.pool(fits))


def test_missing_at_random():
    """Near what complete data say, where complete rows are biased."""
    df = complete(3000, 7)
    holes = with_holes(df, 7)
    whole, cases = bm.fit(MODEL, df, **QUICK).summary(), bm.fit(MODEL, holes.dropna(), **QUICK).summary()
    pooled = bm.pool([bm.fit(MODEL, d, **QUICK) for d in imputed(holes, 10, 7)]).summary()
    assert abs(cases["estimate"] - whole["estimate"]).loc[["intercept", "coefficient[x]"]].min() > 0.08
    assert (abs(pooled["estimate"] - whole["estimate"]) < 3 * pooled["se"]).all()
    assert (pooled["se"] > whole["se"]).all()


@pytest.mark.slow
def test_intervals_of_values_missing_at_random_cover():
    """Coverage over 150 data sets."""
    hit = []
    for seed in range(150):
        data = imputed(with_holes(complete(250, 100 + seed), 100 + seed), 8, 100 + seed)
        found = bm.pool([bm.fit(MODEL, d, **QUICK | {"starts": 1}) for d in data]).summary()
        truth = np.array([1.0, 0.7, -0.4, 1.0])
        hit.append((found["lower"] < truth) & (truth < found["upper"]))
    assert (np.abs(np.mean(hit, axis=0) - 0.95) < 0.055).all()


def test_it_is_kept_and_listed(fits, tmp_path):
    pooled = bm.pool(fits)
    again = bm.Fit.load(pooled.save(tmp_path / "pooled.nc"))
    pd.testing.assert_frame_equal(again.pooling, pooled.pooling)
    assert bm.test(again, "coefficient[x] = 0").p == bm.test(pooled, "coefficient[x] = 0").p
    assert "Averages over 8 imputations" in bm.report(pooled)
    assert set(bm.tables(pooled)) >= {"statistics"} or bm.tables(pooled)
    with pytest.raises(ValueError, match="of one data set"):
        _ = fits[0].pooling
    with pytest.raises(ValueError, match="not of the same data"):
        bm.bootstrap(pooled, complete(500, 3))


def test_what_cannot_be_pooled(fits, persons):
    with pytest.raises(TypeError, match="as a list"):
        bm.pool(fits[0])
    with pytest.raises(ValueError, match="with 1 fits"):
        bm.pool(fits[:1])
    with pytest.raises(TypeError, match="imputation 2 came as str"):
        bm.pool([fits[0], "fit"])
    other = bm.fit(regression_mixture("y ~ x", 1), complete(500, 3), **QUICK)
    with pytest.raises(ValueError, match="another model"):
        bm.pool([fits[0], other])
    with pytest.raises(ValueError, match="400 rows"):
        bm.pool([fits[0], bm.fit(MODEL, complete(400, 3), **QUICK)])
    with pytest.raises(ValueError, match="other standard_errors"):
        bm.pool([fits[0], bm.fit(MODEL, complete(500, 3), standard_errors="hessian", **QUICK)])
    with pytest.raises(ValueError, match="pooled one"):
        bm.pool([bm.pool(fits), fits[0]])
    two = bm.fit(lca(list("abcd"), 2, "x + w"), persons, **QUICK)
    turned = {k: x.isel(C=[1, 0]).values for k, x in two.params.items() if k == "item_logit"}
    swapped = bm.fit(two.model, persons, like=turned, **QUICK)
    with pytest.warns(UserWarning, match="classes of imputation 2 came in another order"):
        assert bm.pool([two, swapped]).n_parameters == two.n_parameters
    assert bm.pool([two, bm.fit(two.model, persons, like=two, **QUICK)]).n_parameters == two.n_parameters


def profiles_data() -> pd.DataFrame:
    """Three profiles of four items, sizes predicted by x."""
    rng = np.random.default_rng(6)
    x = rng.normal(size=400)
    c = np.where(rng.random(400) < 1 / (1 + np.exp(-x)), 0, rng.integers(1, 3, 400))
    means = np.array([[0, 0, 0, 0], [3, 3, 0, 3], [0, 4, 4, -3]])
    return pd.DataFrame(means[c] + rng.normal(size=(400, 4)), columns=list("abcd")).assign(x=x)


def occasions_data() -> pd.DataFrame:
    """Two occasions of four items in two classes."""
    waves = [[f"{k}{t}" for k in "pqrs"] for t in (1, 2)]
    item = np.stack([np.zeros((2, 4)), np.array([[1.5, 1.2, 1.4, 1.1], [-1.3, -1.6, -1.2, -1.0]])], -1)
    truth = {"C1_logit": [0.5, 0.0], "C2_logit": np.array([[1.5, 0.0], [-0.5, 0.0]]), "item_logit": item}
    return bm.simulate(lta(waves, 2), truth, n=600, seed=2)


@pytest.mark.parametrize("kind", ["profiles", "occasions"])
def test_classes_in_another_order_are_put_in_that_of_the_first(kind):
    if kind == "profiles":
        df, name, order = profiles_data(), "item_intercept", [2, 0, 1]
        model = lca(list("abcd"), 3, "x", family=bm.normal(), variance="class")
    else:
        df, name, order = occasions_data(), "item_logit", [1, 0]
        model = lta([[f"{k}{t}" for k in "pqrs"] for t in (1, 2)], 2)
    one = bm.fit(model, df, **QUICK)
    other = bm.fit(model, df, like={name: one.params[name].isel(C=order).values}, **QUICK)
    assert abs(other.params[name].values - one.params[name].values).max() > 0.5
    with pytest.warns(UserWarning, match="classes of imputation 2 came in another order .* were put in that order"):
        pooled = bm.pool([one, other])
    for table in ("params", "se", "probabilities", "probabilities_se", "derived", "derived_se", "se_hessian"):
        for k, x in getattr(one, table).items():
            got = getattr(pooled, table)[k].transpose(*x.dims)
            np.testing.assert_allclose(got, x, rtol=2e-3, atol=2e-4, err_msg=f"{table} {k}")
    assert pooled.info["pooled"]["reordered"] == [2]
    np.testing.assert_allclose(pooled.pooling["between"], 0, atol=1e-5)
    for k, x in one.classes.data_vars.items():
        if x.dtype.kind == "f":
            np.testing.assert_allclose(pooled.classes[k], x, atol=1e-3)


def test_an_order_that_is_not_clear_is_refused(persons):
    two = bm.fit(lca(list("abcd"), 2), persons, **QUICK)
    rng = np.random.default_rng(1)
    turned = {k: x.isel(C=[1, 0]).values for k, x in two.params.items() if k == "item_logit"}
    weak = bm.fit(two.model, persons.assign(**{k: rng.permutation(persons[k]) for k in "abc"}), like=turned, **QUICK)
    with pytest.raises(ValueError, match=r"imputation 2 .* in more than one order they are about as near"):
        bm.pool([two, weak])


def test_effects_that_come_with_classes_are_not_put_in_another_order(persons):
    model = lca(list("abcd"), 2, cluster="g")
    one = bm.fit(model, persons, **QUICK)
    other = bm.fit(model, persons, like={"item_logit": one.params["item_logit"].isel(C=[1, 0]).values}, **QUICK)
    with pytest.raises(ValueError, match=r"effects in their logits.*like=fits\[0\]"):
        bm.pool([one, other])
