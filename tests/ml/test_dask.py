"""Starts, resamples and replications on workers of Dask, one of which is killed: numbers are those of one process."""

from __future__ import annotations

import os
import signal
import time
from threading import Thread

import numpy as np
import pytest
from bayesmix.models.lca import lca
from numpy.testing import assert_allclose

import bayesmix as bm
from bayesmix.parallel import SerialExecutor

distributed = pytest.importorskip("distributed", reason="needs Dask: pip install '.[dask]'")
pytestmark = pytest.mark.slow

ITEMS = [f"u{k}" for k in range(6)]
MODEL = lca(ITEMS, 2)
SIDES = np.stack([np.zeros((2, 6)), np.array([[1.2] * 6, [-1.2] * 6])], axis=-1)
FEW = {"starts": 6, "finals": 3, "rounds": 1, "budget": 0.0, "progress": False}


@pytest.fixture(scope="module")
def df():
    return bm.simulate(MODEL, {"class_logit": np.array([0.3, 0.0]), "item_logit": SIDES}, n=500, seed=1)[ITEMS]


@pytest.fixture(scope="module")
def here(df):
    return bm.fit(MODEL, df, executor=SerialExecutor(), **FEW)


@pytest.fixture(scope="module")
def client():
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(processes=True, **settings) as cluster, distributed.Client(cluster) as client:
        yield client


class KilledAfterFirst:
    """An executor of a cluster whose busy worker is killed as soon as tasks have come."""

    def __init__(self, client) -> None:
        self.client, self.executor, self.killed = client, client.get_executor(), []
        self.watch = Thread(target=self._kill, daemon=True)

    def submit(self, fn, /, *args, **kwargs):
        future = self.executor.submit(fn, *args, **kwargs)
        if self.watch.ident is None:
            self.watch.start()
        return future

    def _kill(self) -> None:
        where = {address: w["pid"] for address, w in self.client.run(lambda: {"pid": os.getpid()}).items()}
        ends = time.monotonic() + 60
        while time.monotonic() < ends:
            busy = [address for address, tasks in self.client.processing().items() if tasks and address in where]
            if busy:
                os.kill(where[busy[0]], signal.SIGKILL)
                self.killed.append(busy[0])
                return
            time.sleep(0.01)


def test_a_fit_loses_no_start_with_a_worker(client, df, here):
    executor = KilledAfterFirst(client)
    there = bm.fit(MODEL, df, executor=executor, **FEW)
    executor.watch.join()
    assert executor.killed
    assert_allclose(there.loglik, here.loglik, atol=1e-6)
    both = [f.starts.set_index("seed")["short"].sort_index() for f in (here, there)]
    assert list(both[0].index) == list(both[1].index)
    assert_allclose(both[1], both[0], rtol=1e-8)


def test_a_bootstrap_loses_no_replication_with_a_worker(client, df, here):
    executor = KilledAfterFirst(client)
    there = bm.bootstrap(here, df, replications=40, seed=3, executor=executor, progress=False)
    executor.watch.join()
    own = bm.bootstrap(here, df, replications=40, seed=3, executor=SerialExecutor(), progress=False)
    assert executor.killed
    assert there.draws.sizes["replication"] == 40
    assert_allclose(there.draws["item_logit"], own.draws["item_logit"], atol=1e-4)


def test_a_study_loses_no_replication_with_a_worker(client, here, tmp_path):
    executor = KilledAfterFirst(client)
    settings = {"n": 200, "replications": 6, "seed": 4, "fit": {"starts": 2, "finals": 1, "rounds": 1}}
    there = bm.study(here, executor=executor, folder=tmp_path / "there", progress=False, **settings)
    executor.watch.join()
    own = bm.study(here, executor=SerialExecutor(), progress=False, **settings)
    assert executor.killed
    assert not len(there.failures)
    assert_allclose(there.summary()["average"], own.summary()["average"], atol=1e-4)
