"""Constraints as Mplus's language says them: the written input is read again, and holds at the fit's estimates."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from bayesmix.models import fma, irt_3pl, lca, lta, regression_mixture

import bayesmix as bm
from bayesmix.spec import Constraints

FOUR = list("abcd")
QUICK = {"starts": 5, "finals": 2, "rounds": 1, "budget": 0, "progress": False}


@pytest.fixture(scope="module")
def df():
    """300 persons in two classes: binary and nominal items, two normal ones, covariates, clusters."""
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=300), rng.normal(size=300)
    c = rng.random(300) < 1 / (1 + np.exp(-0.8 * x))
    out = pd.DataFrame({k: (rng.random(300) < np.where(c, 0.85, 0.2)).astype(int) for k in FOUR})
    out["n"] = np.where(
        c, rng.choice(list("xyz"), 300, p=[0.6, 0.2, 0.2]), rng.choice(list("xyz"), 300, p=[0.2, 0.3, 0.5])
    )
    out["y"], out["z"] = np.where(c, 2.0, -1.0) + rng.normal(size=300), np.where(c, 1.0, -1.0) + rng.normal(size=300)
    return out.assign(x=x, w=w, g=np.arange(300) % 25)


STATEMENT = re.compile(
    r"^\s*(?:\[(?P<a>\S+?)|(?P<b>\w+#?\d* (?:ON|BY) \S+?|\S+?))(?P<v>[*@]-?[\d.e+-]*)?\]?(?: \((?P<l>\w+)\))?;$"
)


def read(text):
    """Parameters by class and name, as (value, whether it is fixed, label), and the equations of MODEL CONSTRAINT."""
    body, _, rest = text.partition("\nMODEL")[2].partition("MODEL CONSTRAINT:")
    out, scope = {}, ""
    for line in body.partition("OUTPUT:")[0].splitlines()[1:]:
        if line.strip().startswith("%"):
            scope = line.strip()
        elif found := STATEMENT.match(line):
            value = found["v"] or ""
            number = float(value[1:]) if value[1:] else None
            name = found["a"] or (found["b"] if " " in found["b"] else f"variance of {found['b']}")
            out[scope, name] = (number, value.startswith("@"), found["l"])
    return out, [e.strip() for e in rest.partition("OUTPUT:")[0].split(";") if e.strip()]


def check(fit, df, folder, equal):
    """Whether the written input, evaluated at the estimates, holds what it says; count what it takes away."""
    bm.mplus.write(fit, df, folder / "run.inp")
    said, equations = read((folder / "run.inp").read_text())
    labels = {}
    for value, _, label in said.values():
        if label:
            assert labels.setdefault(label, value) == pytest.approx(value, abs=2e-5)
    for e in equations:
        left, right = e.split(" = ")
        found = eval(right, {}, labels)
        assert labels[left] == pytest.approx(found, abs=1e-4)
    bm.mplus.write(replace(fit.model, constraints=Constraints()), df, folder / "plain.inp")
    before, _ = read((folder / "plain.inp").read_text())
    gone = sum(fixed for _, fixed, _ in said.values()) - sum(fixed for _, fixed, _ in before.values())
    repeated = [k for _, _, k in said.values() if k]
    assert gone + len(repeated) - len(set(repeated)) + len(equations) == equal
    return said, equations


def test_values_labels_and_equations_have_the_signs_of_thresholds(df, tmp_path):
    equal = [
        ["item_logit[1, b, 1]", "item_logit[2, b, 1]"],
        "item_logit[2, c, 1] = 2 * item_logit[1, c, 1] + 0.5",
        "class_slope[1, w] = 2 * class_slope[1, x]",
        "class_logit[1] = item_logit[2, d, 1] + 0.1",
    ]
    model = lca(FOUR, 2, "x + w", fix={"item_logit[1, a, 1]": -0.75}, equal=equal)
    fit = bm.fit(model, df, **QUICK)
    said, equations = check(fit, df, tmp_path, 5)
    assert said["%C#1%", "A$1"] == (0.75, True, None)
    assert said["%C#1%", "B$1"][2] == said["%C#2%", "B$1"][2] == "1"
    assert len(equations) == 3
    p = fit.probabilities["item_probability"].values[..., 1]  # thresholds from probabilities
    for c, position, item in ((0, 1, "B$1"), (1, 2, "C2$1"), (1, 3, "D$1")):
        assert said[f"%C#{c + 1}%", item][0] == pytest.approx(np.log(1 / p[c, position] - 1), abs=2e-5)
    t = {c: np.log(1 / p[c, 2] - 1) for c in (0, 1)}
    assert t[1] == pytest.approx(2 * t[0] - 0.5, abs=1e-6)
    (of_c,) = [e for e in equations if "0.5" in e]
    first, second = said["%C#1%", "C2$1"][2], said["%C#2%", "C2$1"][2]
    assert of_c == f"{second} = -0.5 + 2*{first}"


def test_logits_of_nominal_items_are_against_the_last_category(df, tmp_path):
    model = lca([*FOUR, "n"], 2, equal=["item_logit[1, n, 2] = 2 * item_logit[1, n, 3]", "item_logit[2, n, 3] = 0.25"])
    fit = bm.fit(model, df, **QUICK)
    said, equations = check(fit, df, tmp_path, 2)
    assert said["%C#2%", "N#1"][:2] == (-0.25, True)
    assert not said["%C#2%", "N#2"][1]
    assert len(equations) == 1
    p = fit.probabilities["item_probability"].sel(item="n").values[0]
    assert said["%C#1%", "N#1"][0] == pytest.approx(np.log(p[0] / p[2]), abs=2e-5)
    assert said["%C#1%", "N#2"][0] == pytest.approx(np.log(p[1] / p[2]), abs=2e-5)


@pytest.mark.filterwarnings("ignore:The best log-likelihood")
def test_sds_are_variances(df, tmp_path):
    model = lca(["y", "z"], 2, family=bm.normal(), variance="class")
    names = [k for k in bm.fit(model, df, **QUICK).summary().index if "sd" in k]
    held = bm.constrain(
        model, fix={names[0]: 1.1}, equal=[[names[1], names[2]], "item_intercept[1, y] = item_intercept[1, z] + 0.2"]
    )
    fit = bm.fit(held, df, **QUICK)
    said, equations = check(fit, df, tmp_path, 3)
    assert said["%C#1%", "variance of Y"] == (pytest.approx(1.21), True, None)
    assert "Y@1.21;" in (tmp_path / "run.inp").read_text()
    assert len(equations) == 1


@pytest.mark.filterwarnings("ignore:The best log-likelihood")
@pytest.mark.parametrize("measurement", ["invariant", "free"])
def test_transitions_and_invariant_items(df, tmp_path, measurement):
    wide = df.rename(columns={k: f"{k}1" for k in FOUR}).assign(
        **{f"{k}2": df[k].sample(frac=1, random_state=3).to_numpy() for k in FOUR}
    )
    items = [[f"{k}{t}" for k in FOUR] for t in (1, 2)]
    model = lta(items, 2, measurement=measurement)
    free = [k for k in bm.fit(model, wide, **QUICK).summary().query("free").index]
    moves = [k for k in free if k.startswith("C2_logit")]
    others = [k for k in free if "item" in k]
    held = bm.constrain(
        model, equal=[f"{moves[0]} = 2 * {moves[1]} + 0.3", f"{others[0]} + {others[1]} + {others[2]} = 0"]
    )
    fit = bm.fit(held, wide, **QUICK)
    bm.mplus.write(fit, wide, tmp_path / "run.inp")
    said, equations = read((tmp_path / "run.inp").read_text())
    assert len(equations) == 2
    labels = {label: value for value, _, label in said.values() if label}
    for e in equations:
        left, right = e.split(" = ")
        assert labels[left] == pytest.approx(eval(right, {}, labels), abs=1e-4)


def test_loadings(df, tmp_path):
    fit = bm.fit(irt_3pl(FOUR, "none", equal="loading[a] = 2 * loading[b], loading[c] = loading[d]"), df, **QUICK)
    _, equations = check(fit, df, tmp_path, 2)
    assert len(equations) == 1


def test_a_regression(df, tmp_path):
    model = regression_mixture("y ~ x + w", 2)
    slopes = [k for k in bm.fit(model, df, **QUICK).summary().query("free").index if k.endswith((", x]", ", w]"))]
    assert len(slopes) == 4
    fit = bm.fit(bm.constrain(model, equal=f"{' + '.join(slopes)} = 1"), df, **QUICK)
    _, equations = check(fit, df, tmp_path, 1)
    assert equations[0].startswith("p1 = 1 + (-1)*p2")


def test_models_without_estimates_and_means_of_two_levels(df, tmp_path):
    model = lca(FOUR, 3, cluster="g", effects="factor", equal="class_logit[1] = 2 * class_logit[2]")
    bm.mplus.write(model, df, tmp_path / "run.inp")
    text = (tmp_path / "run.inp").read_text()
    assert re.search(r"\[C#1\] \(p2\);", text)
    assert re.search(r"\[C#2\] \(p1\);", text)
    assert "p1 = 0.5*p2;" in text or "p2 = 2*p1;" in text


def test_what_is_no_parameter_of_mplus_is_refused_by_its_name(df, tmp_path):
    model = lca(FOUR, 3, cluster="g", effects="unrestricted")
    names = bm.prepare(model, df).packing.names()
    label = next(k for k in names if "logit" not in k and "item" not in k)
    with pytest.raises(ValueError, match=re.escape(f"Mplus cannot be told a constraint of '{label}'")):
        bm.mplus.write(bm.constrain(model, fix={label: 0.5}), df, tmp_path / "run.inp")
    assert not (tmp_path / "run.inp").exists()
    free = lca(FOUR, 2)
    with pytest.raises(ValueError, match="did you mean"):
        bm.mplus.write(
            bm.constrain(free, equal="item_logit[1, a, 1] = 2 * item_logit[1, e, 1]"), df, tmp_path / "run.inp"
        )


def test_a_model_without_constraints_is_written_as_before(df, tmp_path):
    bm.mplus.write(fma(FOUR, 2, covariates="x"), df, tmp_path / "run.inp")
    assert "MODEL CONSTRAINT" not in (tmp_path / "run.inp").read_text()
