"""Threads share compiled functions, compilation and warnings, and no data: what they find is what one thread finds."""

import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from bayesmix.models.fma import fma
from bayesmix.models.lca import lca
from numpy.testing import assert_allclose
from threadpoolctl import threadpool_info

import bayesmix as bm
from bayesmix.graph import compile as compiled
from bayesmix.graph import numpy_mode, prepare
from bayesmix.ml import objective
from bayesmix.parallel import Shared, one_blas_thread, quietly
from declare import frame, random_values

ITEMS = ["b1", "b2", "b3"]
MODELS = {
    "patterns": lca(ITEMS, 2),
    "adaptive nodes of clusters": lca(ITEMS, 2, cluster="g"),
    "common nodes of individuals": fma(ITEMS, 2, family=bm.bernoulli()),
    "a closed form": fma(["y1", "y2"], 1, family=bm.normal()),
}
QUICK = {"starts": 3, "finals": 1, "rounds": 1, "progress": False}


def in_threads(call, arguments, workers: int = 4) -> list:
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(call, arguments))


@pytest.fixture(params=MODELS, ids=str)
def model(request):
    return MODELS[request.param]


@pytest.fixture
def nothing_compiled(monkeypatch):
    monkeypatch.setattr(compiled, "_CACHE", {})
    monkeypatch.setattr(objective, "_CACHE", {})


@pytest.mark.parametrize("units", [False, True])
def test_log_likelihoods_of_many_data_sets_are_their_own(model, units, nothing_compiled):
    """Compiled by all threads at once, and run by more of them than there are copies."""
    frames = [frame(s, clusters=6, rows=6) for s in range(8)]
    values = random_values(prepare(model, frames[0]), 1)
    nodes = bm.trapezoid(31) if model.name == "fma" and model.classes[0].size > 1 else None

    def call(df):
        return np.asarray(bm.log_likelihood(model, df, values, nodes=nodes, units=units))

    found = in_threads(call, frames * 5, 6)
    for got, expected in zip(found, [call(df) for df in frames] * 5, strict=True):
        assert_allclose(got, expected, rtol=1e-12)


@pytest.mark.filterwarnings("ignore:The best log-likelihood")
@pytest.mark.parametrize("priors", [None, {"item_intercept": bm.Prior("Normal", mu=0, sigma=1)}], ids=["ML", "priors"])
def test_fits_in_threads_are_those_of_one_thread(two_classes, priors):
    model = lca(list("abcde"), 2, family=bm.bernoulli())
    frames = [two_classes.sample(200, random_state=k) for k in range(4)]

    def call(df):
        return bm.fit(model, df, priors=priors, **QUICK)

    for got, expected in zip(in_threads(call, frames), map(call, frames), strict=True):
        assert got.loglik == pytest.approx(expected.loglik, abs=1e-9)
        for name in expected.params:
            assert_allclose(got.params[name], expected.params[name], rtol=1e-7, atol=1e-9)
            assert_allclose(got.se[name], expected.se[name], rtol=1e-6)


def test_the_starts_of_a_fit_may_run_in_threads(two_classes, fitted):
    with ThreadPoolExecutor(3) as pool:
        found = bm.fit(lca(list("abcde"), 2), two_classes, executor=pool, progress=False)
    assert found.loglik == pytest.approx(fitted.loglik, abs=1e-6)
    assert_allclose(found.params["item_logit"], fitted.params["item_logit"], atol=1e-4)


def test_a_function_in_use_is_copied_or_waited_for():
    import pytensor
    import pytensor.tensor as pt

    x = pt.vector("x")
    made = pytensor.function([x], (x**2).sum(), mode=numpy_mode())
    arrays = [np.full(50, k, dtype=float) for k in range(200)]
    for copies in (0, 2):
        assert in_threads(Shared(made, copies), arrays) == [50.0 * k**2 for k in range(200)]


def test_warnings_are_off_in_the_thread_that_asked_alone():
    def noisy(quiet: bool) -> int:
        if not quiet:
            with pytest.warns(UserWarning, match="said"):
                warnings.warn("said", stacklevel=1)
            return 0
        with quietly():
            warnings.warn("not said", stacklevel=1)
        return 1

    before = list(warnings.filters)
    assert sum(in_threads(noisy, [True] * 200)) == 200
    noisy(False)
    assert [f for f in warnings.filters if f in before] == before


def test_the_number_of_blas_threads_is_what_it_was_after_limits_that_overlap():
    def numbers():
        return sorted(x["num_threads"] for x in threadpool_info())

    before, first, second = numbers(), one_blas_thread(), one_blas_thread()
    first.__enter__()
    second.__enter__()
    first.__exit__()
    assert set(numbers()) == {1}
    second.__exit__()
    assert numbers() == before
