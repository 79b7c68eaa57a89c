"""A model as text: what is read back is the model, to the last bit, and no code of the text is run."""

import json
import sys
import types
from dataclasses import dataclass, replace

import numpy as np
import pytest
from bayesmix.models import count_mixture, fma, fma_gom, gom, irt_3pl, lca, lta, nels, regression_mixture
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

import bayesmix as bm
from bayesmix.graph import LogLikelihood
from bayesmix.spec import dumps, loads, structure
from declare import frame

BINARY = ["b1", "b2", "b3", "b4"]
WAVES = [["b1", "b2"], ["b3", "b4"]]
ALL = {"b1": bm.bernoulli("probit"), "n3": bm.nominal(), "o3": bm.ordinal(), "y1": bm.normal(), "k1": bm.poisson(),
       "k2": bm.negative_binomial()}  # fmt: skip
MODELS = {
    "lca": lca(BINARY, 2, covariates="x + s", freq="f"),
    "every family": lca(["b1", "n3", "o3", "y1", "k1", "k2"], 2, family=ALL, variance="class"),
    "classes of clusters": lca(BINARY, 2, cluster="g", cluster_classes=2, cluster_class_covariates="w"),
    "random logits": lca(BINARY, 2, cluster="g", cluster_covariates="w"),
    "lta": lta(WAVES, 2, "x", "x", names=["u", "v"]),
    "lta, two levels": lta(WAVES, 2, names=["u", "v"], cluster="g"),
    "fma": fma(["y1", "y2", "k1"], 2, family={"y1": bm.normal(), "y2": bm.normal(), "k1": bm.poisson()}),
    "irt_3pl": irt_3pl(BINARY),
    "gom": gom(["n3", "n2"], 2, "x"),
    "fma_gom": fma_gom(BINARY, 2, "x"),
    "regression": regression_mixture("y1 ~ x + s", 2, variance="x"),
    "two-level regression": regression_mixture(
        "o3 ~ x", cluster="g", random="1 + x", family=bm.ordinal("probit"), cluster_covariates={"x": "w"}
    ),
    "count_mixture": count_mixture(["k1", "k2"], 2, "x", cluster="g"),
    "nels": nels("C", 2, "y1 ~ x", "w", "g", "x"),
}
NODES = {"individual": bm.trapezoid(5), "cluster": bm.trapezoid(5)}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_read_back_as_it_was(name):
    model, df = MODELS[name], frame(0, clusters=8, rows=6)
    again = loads(dumps(model))
    assert again == model
    assert hash(again) == hash(model)
    assert structure(again) == structure(model)
    assert dumps(again) == dumps(model)
    nodes = {k: v for k, v in NODES.items() if model.effects_at(k)}
    one, other = bm.prepare(model, df, nodes), bm.prepare(again, df, nodes)
    theta = np.random.default_rng(1).normal(0, 0.4, one.packing.size)
    assert_array_equal(LogLikelihood(one).value(theta), LogLikelihood(other).value(theta))


NUMBERS = st.floats() | st.integers() | st.booleans()
NUMPY = st.sampled_from([np.float64, np.float32, np.int64, np.int8, np.bool_])
TEXT = st.text().map(lambda x: x.rstrip("\0"))  # NumPy drops zeros at the end of a text


@given(st.lists(NUMBERS | st.builds(lambda kind, x: kind(x), NUMPY, st.integers(-9, 9)), max_size=4), TEXT)
def test_numbers_keep_their_last_bit_and_their_type(values, text):
    model = replace(MODELS["lca"], name=(text, *values, np.array(values, dtype=float), np.str_(text)))
    for x, y in zip(model.name, loads(dumps(model)).name, strict=True):
        assert type(x) is type(y)
        assert_array_equal(np.asarray(x), np.asarray(y))
        assert np.asarray(x).dtype == np.asarray(y).dtype


def test_a_prior_keeps_whether_it_is_the_declared_one():
    for prior in (bm.Prior("Normal", mu=0.1, sigma=1 / 3), bm.Prior("DataNormal", sigma=2.5).declared()):
        term = MODELS["lca"].classes[0].predictor[0]
        changed = replace(term, parameter=replace(term.parameter, prior=prior))
        model = replace(MODELS["lca"], classes=(replace(MODELS["lca"].classes[0], predictor=(changed,)),))
        assert loads(dumps(model)).classes[0].predictor[0].parameter.prior == prior


# families of a user -------------------------------------------------------------------------------

COUNTS = '''
from dataclasses import dataclass

from bayesmix import poisson

Poisson = type(poisson())


@dataclass(frozen=True)
class Counts(Poisson):
    """Counts with a limit."""

    limit: float = 0.1


@dataclass(frozen=True)
class NoFamily:
    x: int = 1
'''


@pytest.fixture
def module(monkeypatch):
    """A user's module that declares a family."""
    out = types.ModuleType("families_of_a_user")
    monkeypatch.setitem(sys.modules, "families_of_a_user", out)
    exec(COUNTS, vars(out))
    return out


def with_family(family):
    model = lca(["k1", "k2"], 2, family=bm.poisson())
    return replace(model, responses=(replace(model.responses[0], family=family),))


def test_a_family_of_a_user_is_found_where_it_was_declared(module, monkeypatch):
    model = with_family(module.Counts(limit=1 / 3))
    text = dumps(model)
    assert loads(text) == model
    monkeypatch.delitem(sys.modules, "families_of_a_user")
    with pytest.raises(
        ValueError,
        match=r"has a 'Counts', which this program does not know: import families_of_a_user, where it is declared, and",
    ):
        loads(text)
    assert "families_of_a_user" not in sys.modules


def test_a_family_that_no_other_program_finds_is_refused_when_it_is_written():
    @dataclass(frozen=True)
    class Inside(type(bm.poisson())):
        pass

    with pytest.raises(ValueError, match=r"Inside' cannot be kept on disk, .*: declare it .* at the top of a module"):
        dumps(with_family(Inside()))


def test_only_families_of_other_modules_are_made(module):
    with pytest.raises(ValueError, match="NoFamily' cannot be kept on disk"):
        dumps(replace(MODELS["lca"], name=module.NoFamily()))
    for name in ("families_of_a_user:NoFamily", "subprocess:Popen", "os:system", "Any", "builtins:print"):
        text = dumps(MODELS["lca"]).replace('"class": "Nominal"', f'"class": "{name}"')
        with pytest.raises(ValueError, match="which this program does not know"):
            loads(text)


def test_what_text_cannot_hold_is_refused():
    with pytest.raises(TypeError, match=r"A model came with <function .*, which cannot be kept on disk"):
        dumps(replace(MODELS["lca"], name=lambda: 1))
    with pytest.raises(TypeError, match=r"of type longdouble|of type float128"):
        dumps(replace(MODELS["lca"], name=np.longdouble(1)))


def test_what_is_no_model_and_what_is_of_other_fields_is_refused():
    with pytest.raises(ValueError, match="The text holds int, expected a model"):
        loads("1")
    plain = json.loads(dumps(MODELS["lca"]))
    del plain["responses"]
    with pytest.raises(ValueError, match=r"A Model was kept with the fields .* it was saved by another version"):
        loads(json.dumps(plain))
    plain = json.loads(dumps(MODELS["lca"]))
    plain["classes"][0]["size"] = 0
    with pytest.raises(ValueError, match="The number of classes came as 0"):
        loads(json.dumps(plain))
