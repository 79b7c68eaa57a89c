"""Programs of graphs: they are PyTensor's functions, write over nothing of anybody's, and are kept on disk."""

import pickle
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytensor
import pytensor.tensor as pt
import pytest
from bayesmix.models import fma, gom, irt_3pl, lca, lta
from bayesmix.models.regression_mixture import regression_mixture
from numpy.testing import assert_allclose, assert_array_equal
from pytensor.graph.fg import FunctionGraph
from pytensor.xtensor import math as xmath

import bayesmix as bm
from bayesmix.graph import LogLikelihood, engines, kept
from bayesmix.graph import compile as programs
from bayesmix.graph.arrays import NUMPY, functions_of
from bayesmix.graph.source import Untranslated, source_of
from declare import random_values

BINARY, PROBIT = bm.bernoulli(), bm.bernoulli("probit")


@pytest.fixture(scope="module")
def df() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    out = {k: rng.integers(0, 2, 60).astype(float) for k in "abcd"} | {k: rng.integers(0, 3, 60) for k in "ef"}
    out |= {"y": rng.normal(size=60), "z": rng.normal(size=60), "n": rng.poisson(3, 60), "x": rng.normal(size=60)}
    out["a"][::7] = np.nan
    return pd.DataFrame(out).assign(g=np.arange(60) % 6, w=(np.arange(60) % 6) / 6)


MODELS = {
    "lca": lca(list("abcd"), 3),
    "lca with covariates": lca(list("abcd"), 2, "x", family=PROBIT),
    "mixed items": lca(list("aeyn"), 2, family={"a": BINARY, "e": bm.ordinal(), "y": bm.normal(), "n": bm.poisson()}),
    "two levels": lca(list("abcd"), 2, "x", cluster="g", cluster_covariates="w"),
    "both classes": lca(list("abcd"), 2, cluster="g", cluster_classes=2),
    "lta": lta([["a", "b"], ["c", "d"]], 2, cluster="g"),
    "regression": regression_mixture("y ~ x", 2, "x", cluster="g"),
    "closed form": regression_mixture("y ~ x", cluster="g", cluster_classes=2),
    "gom": gom(list("abcd"), 3),
    "fma": fma(list("abcd"), 2, family=BINARY, cluster="g"),
    "3pl": irt_3pl(list("abcd"), cluster="g"),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_program_is_the_function_of_its_graph(name, df):
    """Every kind of output, at several points together, by PyTensor's own interpreter."""
    problem = bm.prepare(MODELS[name], df)
    theta = np.stack([problem.pack(random_values(problem, seed)) for seed in range(3)])
    held = programs.input_values(problem)
    for outputs in (programs._value_and_gradient, programs._of_units, programs._Named(programs.quantities)):
        graph, made, dims, inputs = programs._drawn(outputs, problem, ())
        arguments = [np.array(held[k]) for k in inputs]
        before = [x.copy() for x in arguments]
        given, at = functions_of(engines.source(graph.theta, list(inputs.values()), made), NUMPY)
        with np.errstate(all="ignore"):
            once, again = (at(theta, *given(*arguments)) for _ in range(2))
        with pytensor.config.change_flags(cxx=""):
            other = pytensor.function(
                [graph.theta, *inputs.values()], made, mode="FAST_COMPILE", on_unused_input="ignore"
            )
        for x, y, z in zip(once, again, other(theta, *arguments), strict=True):
            assert_array_equal(x, y)
            assert_allclose(x, z, rtol=1e-9, atol=1e-9)
        for x, y in zip(arguments, before, strict=True):
            assert_array_equal(x, y)
        assert not dims or len(dims) == len(made)


@pytest.mark.parametrize("name", MODELS)
def test_points_together_are_points_alone(name, df):
    problem = bm.prepare(MODELS[name], df)
    theta = np.stack([problem.pack(random_values(problem, seed)) for seed in range(5)])
    graph = LogLikelihood(problem)
    alone = [graph.quantities(at) for at in theta]
    for what, x in graph.quantities(theta).items():
        assert x.dims[1:] == alone[0][what].dims
        for k, one in enumerate(alone):
            assert_allclose(x.values[k], one[what].values, rtol=1e-12, atol=1e-12)


def test_what_the_program_holds_is_not_written_over(df):
    """What is made of the data once serves all calls."""
    problem = bm.prepare(MODELS["two levels"], df)
    theta = problem.pack(random_values(problem, 1))
    graph = LogLikelihood(problem)
    first = graph.value_and_gradient(theta)
    for k in range(3):
        graph.value_and_gradient(theta + k)
    again = graph.value_and_gradient(theta)
    assert first[0] == again[0]
    assert_array_equal(first[1], again[1])


def source_of_one(make):
    x, d = pt.matrix("theta"), pt.vector("d")
    graph = FunctionGraph([x, d], [make(x, d)], clone=True)
    return source_of(graph.inputs[0], graph.inputs[1:], graph)


def test_an_operation_without_a_source_is_named():
    with pytest.raises(Untranslated, match="Sinh"):
        source_of_one(lambda x, d: pt.sinh(x) + d)


def test_sums_of_many_write_into_their_own_result():
    text = source_of_one(lambda x, d: pt.exp(x) * d * (x + 1.0) * 2.0)
    given, at = functions_of(text, NUMPY)
    x, d = np.array([[0.5, -1.0]]), np.array([2.0, 3.0])
    (found,) = at(x, *given(d))
    assert_allclose(found, np.exp(x) * d * (x + 1) * 2)
    assert_array_equal(x, [[0.5, -1.0]])
    assert_array_equal(d, [2.0, 3.0])


# on disk ------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "_folder", lambda: tmp_path / "programs")
    monkeypatch.setattr(programs, "_CACHE", {})
    return tmp_path / "programs"


def test_programs_are_read_from_disk(folder, df, monkeypatch):
    problem = bm.prepare(MODELS["lca"], df)
    theta = problem.pack(random_values(problem, 1))
    value, gradient = LogLikelihood(problem).value_and_gradient(theta)
    assert len(list(folder.iterdir())) == 1
    monkeypatch.setattr(programs, "_CACHE", {})
    monkeypatch.setattr(programs, "_written", lambda *_: pytest.fail("made again"))
    again = LogLikelihood(bm.prepare(lca(list("abc"), 4), df))  # other sizes are no other program
    assert np.isfinite(again.value_and_gradient(np.zeros(again.problem.packing.size))[0])
    other, slope = LogLikelihood(problem).value_and_gradient(theta)
    assert value == other
    assert_array_equal(gradient, slope)


def test_no_key_holds_a_place_in_memory(folder, df, monkeypatch):
    """A file is found again by the next process, for each kind of output."""
    keys, real = [], programs.kept
    monkeypatch.setattr(programs, "kept", lambda key, make: keys.append(repr(key)) or real(key, make))
    problem = bm.prepare(MODELS["two levels"], df)
    theta, graph = problem.pack(random_values(problem, 1)), LogLikelihood(problem)
    for what in (graph.value, graph.value_and_gradient, graph.of_units, graph.quantities, graph.factors, graph.effects):
        what(theta)
    graph.posterior(theta, ("individual", "C"))
    assert len({*keys}) == 7
    assert not any(" at 0x" in k for k in keys)


@pytest.mark.parametrize(
    "content", [b"", b"nothing", pickle.dumps(3), pickle.dumps(("another key", ("x = 1", (), {})))]
)
def test_a_file_that_is_none_is_made_again(folder, df, content):
    problem = bm.prepare(MODELS["lca"], df)
    theta = problem.pack(random_values(problem, 1))
    value = LogLikelihood(problem).value(theta)
    (path,) = folder.iterdir()
    path.write_bytes(content)
    programs._CACHE.clear()
    assert LogLikelihood(problem).value(theta) == value
    assert len(path.read_bytes()) > 1000


def test_without_a_place_to_write_programs_are_made(folder, df):
    folder.write_text("no folder")
    problem = bm.prepare(MODELS["lca"], df)
    assert np.isfinite(LogLikelihood(problem).value(problem.pack(random_values(problem, 1))))


def test_another_version_of_the_code_has_another_folder(monkeypatch):
    kept._folder.cache_clear()
    before = kept._folder()
    monkeypatch.setattr(pytensor, "__version__", "0.0")
    kept._folder.cache_clear()
    assert kept._folder() != before
    kept._folder.cache_clear()


@dataclass(frozen=True)
class Odd(type(BINARY)):
    """A family with an operation that programs do not know: 2 sinh(x / 2) is near x."""

    name: str = "odd"

    def table(self, eta, constants, **auxiliary):
        wide = 2.0 * xmath.sinh(eta / 2.0)
        return super().table(wide, constants, **auxiliary)


def test_a_family_of_the_users_own_runs_and_is_not_kept(folder, df):
    model = lca(list("bcd"), 2, family=BINARY)
    (r,) = model.responses
    own = replace(model, responses=(replace(r, family=Odd()),))
    problem, plain = bm.prepare(own, df), bm.prepare(model, df)
    values = random_values(plain, 1)
    theta = problem.pack(values)
    value, gradient = LogLikelihood(problem).value_and_gradient(theta)
    assert not folder.exists()
    wide = {**values, "item_intercept": 2 * np.sinh(values["item_intercept"] / 2)}
    assert value == pytest.approx(LogLikelihood(plain).value(plain.pack(wide)), abs=1e-9)
    h, value_at = 1e-6 * np.eye(len(theta))[0], LogLikelihood(problem).value
    assert gradient[0] == pytest.approx((value_at(theta + h) - value_at(theta - h)) / 2e-6, abs=1e-4)
