"""Where work is run: here while it is not known how long it takes, then where it pays."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from bayesmix import parallel


@pytest.fixture
def clock(monkeypatch):
    """A clock that tasks move: a task takes as many seconds as its number says. What is chosen is kept."""
    now, chosen = [0.0], []

    def take(seconds):
        now[0] += seconds
        return seconds

    monkeypatch.setattr(parallel.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(parallel, "executor_for", chosen.append)
    return take, chosen


def test_processes_are_chosen_by_tasks_that_made_no_graphs(clock):
    take, chosen = clock
    tasks = [100.0, 2.0, 3.0, 3.0, 3.0]
    assert list(parallel.run_all(take, tasks, None)) == tasks
    assert chosen == [2.0 * 3]


def test_what_is_done_with_a_result_takes_no_time_of_the_task(clock):
    take, chosen = clock
    for _ in parallel.run_all(take, [1.0, 2.0, 2.0], None):
        take(1000.0)
    assert chosen == [2.0]


def test_each_kind_of_task_is_timed_once(clock):
    take, chosen = clock
    assert len(list(parallel.run_all(take, [50.0, 60.0, 1.0, 3.0, *[1.0, 3.0] * 4], None, kinds=2))) == 12
    assert chosen == [2.0 * 8]


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_tasks_need_no_other_place(clock, n):
    take, chosen = clock
    assert list(parallel.run_all(take, [7.0] * n, None)) == [7.0] * n
    assert chosen == [0.0]


@pytest.mark.parametrize("executor", [parallel.SerialExecutor(), ThreadPoolExecutor(2)])
def test_an_executor_that_came_is_used_from_the_first_task_on(clock, executor):
    take, chosen = clock
    with executor:
        assert sorted(parallel.run_all(take, [3.0, 1.0, 2.0], executor)) == [1.0, 2.0, 3.0]
    assert chosen == []


@pytest.mark.parametrize(("seconds", "cores", "expected"), [(19.0, 8, None), (21.0, 8, "processes"), (1e6, 1, None)])
def test_processes_pay_for_long_work_on_several_cores(monkeypatch, seconds, cores, expected):
    monkeypatch.setattr(parallel.os, "cpu_count", lambda: cores)
    monkeypatch.setattr(parallel, "processes", lambda: "processes")
    assert parallel.executor_for(seconds) == expected
