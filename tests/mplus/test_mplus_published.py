"""Numbers of an output under a fit's names: outputs are written at a fit's estimates, with classes in another order."""

import numpy as np
import pandas as pd
import pytest
from bayesmix.models.lca import lca
from bayesmix.models.lta import lta

import bayesmix as bm
from mplus_text import INPUT, RESULTS, block, of_lca, of_lta, output
from solved import solved

ITEMS = ["anxious", "breaks_rules", "cries", "breaks_things"]
NAMES = dict(zip(ITEMS, ["ANXIOUS", "BREAKS_R", "CRIES", "BREAKS_T"], strict=True))
SAID = "  TITLE: T\n  DATA: FILE = a.dat;\n  VARIABLE: {}\n  CLASSES = C(2);\n  ANALYSIS: TYPE = MIXTURE;\n"
ROUNDED = 6e-4
"""Three decimals."""


def frame(n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    df = pd.DataFrame({i: rng.integers(0, 2, n) for i in ITEMS}).assign(x=rng.normal(size=n))
    return df.assign(**{f"{i}2": rng.integers(0, 2, n) for i in ITEMS}, y=rng.normal(size=n), z=rng.normal(size=n))


def logits(rng: np.random.Generator, k: int) -> np.ndarray:
    at = rng.normal(0, 1.5, (k, len(ITEMS)))
    return np.stack([np.zeros_like(at), at], axis=-1)


def read(tmp_path, text: str) -> bm.mplus.Output:
    (tmp_path / "run.out").write_text(text)
    return bm.mplus.read(tmp_path / "run.out")


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [1, 0, 2]])
def test_classes_of_items_are_matched_and_logits_take_the_new_reference(tmp_path, order):
    rng = np.random.default_rng(5)
    fit = solved(
        lca(ITEMS, 3, "x"), frame(), class_logit=[0.7, -0.4, 0.0], item_logit=logits(rng, 3),
        class_slope=np.array([[0.5], [-0.8], [0.0]]),
    )  # fmt: skip
    table = bm.mplus.published(read(tmp_path, of_lca(fit, order, NAMES)), fit)
    for name in ("class_logit", "class_slope", "item_logit"):
        rows = table[table.index.str.startswith(name)]
        wanted = fit.params[name].values
        got = np.zeros_like(wanted)
        for row, x in rows["published"].items():
            at = [p.strip() for p in row[len(name) + 1 : -1].split(",")]
            where = tuple(
                list(map(str, fit.params[name][d].values)).index(p)
                for d, p in zip(fit.params[name].dims, at, strict=True)
            )
            got[where] = x
        np.testing.assert_allclose(got, wanted, atol=2 * ROUNDED)
    moved = order[-1] != 2
    assert np.isnan(table.loc["class_logit[1]", "se"]) == moved  # a difference to another class has another SE
    assert table.loc["item_logit[1, cries, 1]", "se"] == pytest.approx(0.1)


def test_two_classes_beside_a_fit(tmp_path, two_classes):
    items = ["a", "b", "c", "d", "e"]
    fit = bm.fit(lca(items, 2), two_classes, starts=4, budget=0, seed=1)
    out = read(tmp_path, of_lca(fit, [1, 0], {i: i.upper() for i in items}))
    beside = bm.compare(fit, published=dict(bm.mplus.published(out, fit)["published"])).parameters
    np.testing.assert_allclose(beside["published"], beside["ml"], atol=ROUNDED)


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_transitions(tmp_path, order):
    rng = np.random.default_rng(6)
    waves = [ITEMS, [f"{i}2" for i in ITEMS]]
    model = lta(waves, 2, names=ITEMS)
    fit = solved(
        model, frame(), C1_logit=[0.6, 0.0], C2_logit=np.array([[1.5, 0.0], [-0.9, 0.0]]), item_logit=logits(rng, 2)
    )
    names = {**NAMES, **{f"{i}2": f"{new[:7]}2" for i, new in NAMES.items()}}
    names |= {"breaks_rules2": "BREAKR2", "breaks_things2": "BREAKT2"}
    out = read(tmp_path, of_lta(fit, order, [[names[i] for i in w] for w in waves]))
    table = bm.mplus.published(out, fit, names)
    assert table.loc["C1_logit[1]", "published"] == pytest.approx(0.6, abs=ROUNDED)
    assert table.loc["C2_logit[1, 1]", "published"] == pytest.approx(1.5, abs=2 * ROUNDED)
    assert table.loc["C2_logit[2, 1]", "published"] == pytest.approx(-0.9, abs=2 * ROUNDED)
    assert np.isnan(table.loc["C2_logit[1, 1]", "se"])  # a sum of two
    assert table.loc["item_logit[2, cries, 1]", "published"] == pytest.approx(
        float(fit.params["item_logit"][1, 2, 1]), abs=ROUNDED
    )
    assert out.transitions["probability"].sum() == pytest.approx(2.0, abs=2e-3)


def test_another_measurement_is_refused(tmp_path):
    fit = solved(
        lta([ITEMS, [f"{i}2" for i in ITEMS]], 2, names=ITEMS), frame(), C1_logit=[0.6, 0.0],
        C2_logit=np.array([[1.5, 0.0], [-0.9, 0.0]]), item_logit=logits(np.random.default_rng(6), 2),
    )  # fmt: skip
    names = {i: f"A{k}" for k, i in enumerate([*ITEMS, *(f"{i}2" for i in ITEMS)])}
    text = of_lta(fit, [0, 1], [[names[i] for i in ITEMS], [names[f"{i}2"] for i in ITEMS]])
    at = text.index("A6$1")
    out = read(tmp_path, text[:at] + "A6$1             9.000" + text[at + 22 :])
    with pytest.raises(ValueError, match=r"one parameter in the fit: it is of a model with fewer constraints"):
        bm.mplus.published(out, fit, names)


def test_variances_are_sds_here(tmp_path):
    model = lca(["y", "z"], 2, family=bm.normal(), variance="class")
    fit = solved(
        model,
        frame(),
        class_logit=[0.2, 0.0],
        item_intercept=[[0.0, 1.0], [3.0, 4.0]],
        item_sd=[[1.0, 2.0], [0.5, 3.0]],
    )
    text = ""
    for c, (means, variances) in enumerate([((0.01, 1.01), (1.44, 4.0)), ((3.0, 4.0), (0.25, 9.0))]):
        text += f"Latent Class {c + 1}\n\n" + block("Means", list(zip("YZ", means, strict=True)))
        text += block("Variances", [(v, x, 0.2) for v, x in zip("YZ", variances, strict=True)])
    text += "Categorical Latent Variables\n\n" + block("Means", [("C#1", 0.2)])
    said = SAID.format("NAMES = Y Z;")
    table = bm.mplus.published(read(tmp_path, output(said, text)), fit)
    assert table.loc["item_sd[1, y]", "published"] == pytest.approx(1.2)
    assert table.loc["item_sd[1, y]", "se"] == pytest.approx(0.2 / (2 * 1.2))  # delta method
    assert table.loc["item_sd[2, z]", "published"] == pytest.approx(3.0)
    assert table.loc["item_intercept[2, z]", "published"] == pytest.approx(4.0)


def test_nominal_items_have_another_reference(tmp_path):
    df = pd.DataFrame({"n": [1, 2, 3] * 20, "m": [1, 2, 3] * 20})
    logit = np.array([[[0.0, 0.5, -0.7], [0.0, 1.0, 2.0]], [[0.0, -1.5, 0.3], [0.0, 0.2, 0.1]]])
    fit = solved(lca(["n", "m"], 2), df, class_logit=[0.4, 0.0], item_logit=logit)
    text = ""
    for c in range(2):
        rows = [(f"{v}#{k + 1}", logit[c, p, k] - logit[c, p, 2]) for p, v in enumerate("NM") for k in range(2)]
        text += f"Latent Class {c + 1}\n\n" + block("Means", rows)
    text += "Categorical Latent Variables\n\n" + block("Means", [("C#1", 0.4)])
    said = SAID.format("NAMES = N M; NOMINAL = N M;")
    table = bm.mplus.published(read(tmp_path, output(said, text)), fit)["published"]
    for c in range(2):
        for p, item in enumerate("nm"):
            for k in (1, 2):
                row = f"item_logit[{c + 1}, {item}, {k + 1}]"
                assert table[row] == pytest.approx(logit[c, p, k], abs=2 * ROUNDED), row


def test_what_does_not_fit_is_refused(tmp_path):
    fit = solved(lca(ITEMS, 2), frame(), class_logit=[0.7, 0.0], item_logit=logits(np.random.default_rng(5), 2))
    small = output(INPUT, RESULTS[RESULTS.index("Latent Class 1") :])
    with pytest.raises(ValueError, match=r"The column 'anxious' is not among the names of the input: give names="):
        bm.mplus.published(read(tmp_path, small), fit)
    with pytest.raises(ValueError, match=r"The output has classes of \[3\], the fit of \[2\]"):
        bm.mplus.published(read(tmp_path, small.replace("c(2)", "c(3)")), fit)
    with pytest.raises(ValueError, match="no model results to be laid beside the fit; missing: the model results"):
        bm.mplus.published(read(tmp_path, small[: small.index("MODEL RESULTS")]), fit)
    with pytest.raises(TypeError, match=r"The fit came as Model, expected what bm\.fit returns"):
        bm.mplus.published(read(tmp_path, small), fit.model)
    twice = SAID.format("NAMES = BREAKS_R BREAKS_T BREAKS_RX ANXIOUS CRIES;")
    with pytest.raises(ValueError, match=r"'breaks_rules' may be any of BREAKS_R, BREAKS_RX"):
        bm.mplus.published(read(tmp_path, output(twice, RESULTS[RESULTS.index("Latent Class 1") :])), fit)


def test_names_that_are_cut_to_the_same_are_refused_and_comments_of_write_are_read(tmp_path):
    waves = [["stubborn_fall", "yells_fall"], ["stubborn_spring", "yells_spring"]]
    df = pd.DataFrame(np.random.default_rng(1).integers(0, 2, (40, 4)), columns=waves[0] + waves[1])
    logit = np.zeros((2, 2, 2))
    logit[..., 1] = [[1.0, 2.0], [-1.5, -0.5]]
    fit = solved(
        lta(waves, 2, names=["s", "y"]), df, C1_logit=[0.6, 0.0], C2_logit=[[1.5, 0.0], [-0.9, 0.0]], item_logit=logit
    )
    names = bm.mplus.write(fit, df, tmp_path / "run.inp")
    text = of_lta(fit, [0, 1], [[names[i] for i in w] for w in waves])
    with pytest.raises(ValueError, match=r"'stubborn_fall', 'stubborn_spring' would all be STUBBORN of the output"):
        bm.mplus.published(read(tmp_path, text), fit)
    said = (tmp_path / "run.inp").read_text()
    at = text.index("  TITLE"), text.index("INPUT READING TERMINATED")
    got = bm.mplus.published(read(tmp_path, text[: at[0]] + said + text[at[1] :]), fit)["published"]
    assert got["item_logit[1, y, 1]"] == pytest.approx(2.0, abs=ROUNDED)
    assert got["item_logit[2, s, 1]"] == pytest.approx(-1.5, abs=ROUNDED)


def test_what_the_output_does_not_have_is_said(tmp_path):
    fit = solved(
        lca(ITEMS, 2, "x"), frame(), class_logit=[0.7, 0.0], item_logit=logits(np.random.default_rng(5), 2),
        class_slope=np.array([[0.5], [0.0]]),
    )  # fmt: skip
    text = of_lca(fit, [0, 1], NAMES)
    with pytest.warns(
        UserWarning, match=r"The output has nothing for 'class_slope' \(C#1 ON X\): these rows are left out"
    ):
        table = bm.mplus.published(read(tmp_path, text.replace("    X    ", "    Q    ")), fit)
    assert "class_slope[1, x]" not in table.index
    with pytest.raises(ValueError, match=r"nothing for 'item_logit', such as C#\d \S* ?Thresholds"):
        bm.mplus.published(read(tmp_path, text.replace("Thresholds", "Loadings")), fit)


# further models -----------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1, -1])
def test_a_factor_has_the_direction_of_the_fit(tmp_path, sign):
    loading, guessing = np.array([0.8, 1.2, 1.5, 0.6]), np.array([0.2, 0.1, 0.25, 0.15])
    intercept = np.array([0.5, -0.5, 1.0, 0.0])
    fit = solved(bm.models.irt_3pl(ITEMS), frame(), item_intercept=intercept, loading=loading, guessing=guessing)
    text = block("F        BY", [(new, sign * x) for new, x in zip(NAMES.values(), loading, strict=True)])
    rows = [(f"{new}$1", -x) for new, x in zip(NAMES.values(), intercept, strict=True)]
    rows += [(f"{new}$2", np.log((1 - g) / g)) for new, g in zip(NAMES.values(), guessing, strict=True)]
    said = SAID.replace("  CLASSES = C(2);\n", "").format(f"NAMES = {' '.join(NAMES.values())};")
    table = bm.mplus.published(read(tmp_path, output(said, text + block("Thresholds", rows))), fit)
    got = table[~table.index.str.contains("probab|difficulty|discrim")]
    assert len(got) == 12
    beside = bm.compare(fit, published=dict(got["published"])).table.loc[got.index]
    np.testing.assert_allclose(beside["published"], beside["ml"], atol=ROUNDED)
    assert got.loc["guessing[anxious]", "se"] == pytest.approx(0.1 * 0.2 * 0.8, rel=1e-3)  # delta method


def test_levels_of_a_two_level_model(tmp_path):
    df = frame().assign(g=np.repeat(range(12), 5), w=np.repeat(np.linspace(-1, 1, 12), 5))
    fit = solved(
        lca(ITEMS, 2, "x", cluster="g", cluster_covariates="w"), df, class_logit=[0.4, 0.0],
        item_logit=logits(np.random.default_rng(8), 2), class_slope=np.array([[0.3], [0.0]]),
        cluster_slope=np.array([[-0.7], [0.0]]), cluster_loading=np.array([[1.2, 0.0]]),
    )  # fmt: skip
    text = "Within Level\n\n"
    for c in range(2):
        rows = [(f"{new}$1", -float(fit.params["item_logit"][c, p, 1])) for p, new in enumerate(NAMES.values())]
        text += f"Latent Class {c + 1}\n\n" + block("Thresholds", rows)
    text += "Categorical Latent Variables\n\nWithin Level\n\n" + block("C#1        ON", [("X", 0.3)])
    text += block("Intercepts", [("C#1", 0.4)])
    text += "Between Level\n\n" + block("C#1        ON", [("W", -0.7)])
    text += block("Residual Variances", [("C#1", 1.44, 0.3)])
    said = SAID.format(f"NAMES = {' '.join(NAMES.values())} X W G;").replace("MIXTURE", "TWOLEVEL MIXTURE")
    got = bm.mplus.published(read(tmp_path, output(said, text)), fit)["published"]
    got = got[~got.index.str.contains("probab|icc|sd")]
    beside = bm.compare(fit, published=dict(got)).table.loc[got.index]
    assert len(beside) == 24  # with those of references
    np.testing.assert_allclose(beside["published"], beside["ml"], atol=ROUNDED)


def test_a_regression_with_classes_of_clusters_and_a_random_intercept(tmp_path):
    df = frame().assign(g=np.repeat(range(12), 5))
    fit = solved(
        bm.models.regression_mixture("y ~ x", 2, cluster="g", effects="none", variance="class"), df,
        class_logit=[0.4, 0.0], intercept=[1.0, -1.0], coefficient=np.array([[0.5], [2.0]]), residual_sd=[0.5, 1.5],
        u_intercept_sd=0.8, random=[1.0],
    )  # fmt: skip
    text = "Within Level\n\n"
    for c, (slope, variance) in enumerate([(2.0, 2.25), (0.5, 0.25)]):
        text += f"Latent Class {c + 1}\n\n" + block("Y          ON", [("X", slope)])
        text += block("Residual Variances", [("Y", variance)])
    text += "Between Level\n\n"
    for c, mean in enumerate([-1.0, 1.0]):
        text += f"Latent Class {c + 1}\n\n" + block("Means", [("Y", mean)]) + block("Variances", [("Y", 0.64)])
    text += "Categorical Latent Variables\n\nWithin Level\n\n" + block("Means", [("C#1", -0.4)])
    said = SAID.format("NAMES = Y X G; CLUSTER = G;").replace("MIXTURE", "TWOLEVEL MIXTURE")
    got = bm.mplus.published(read(tmp_path, output(said, text)), fit)["published"]
    got = got[got.index.isin(bm.compare(fit).parameters.index)]
    assert len(got) == 10  # with those of references
    beside = bm.compare(fit, published=dict(got)).table.loc[got.index]
    np.testing.assert_allclose(beside["published"], beside["ml"], atol=ROUNDED)
