"""The simulated executor itself: the suite for executors, its faults, and its checks."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scutoid import events
from scutoid.blocks import BlockGrid, BlockTask, run_blocks
from scutoid.errors import ParameterError, WorkerError
from scutoid.executors import Job, Joined, Lost, Work
from scutoid.geometry import Roi
from scutoid.testing import ExecutorTests, Recorder, SimulatedExecutor


class TestSimulatedAlone(ExecutorTests):
    workers = 1

    @pytest.fixture(params=[True, False], ids=["delays", "ties"])
    def executor(self, request):
        return SimulatedExecutor(seed=5, delays=request.param)


class TestSimulated(ExecutorTests):
    workers = 3

    @pytest.fixture(params=[True, False], ids=["delays", "ties"])
    def executor(self, request):
        return SimulatedExecutor(seed=3, delays=request.param)

    def test_a_set_up_is_made_once_a_worker_and_left_at_the_end(self, executor, tmp_path):
        """The suite tells workers by their threads, and these have but one together."""
        calls = []

        class Model:
            def __enter__(self):
                calls.append("enter")

            def __exit__(self, *error):
                calls.append("exit")

        def use(block, *, model):
            """Uses it."""

        task = BlockTask("t", use, line(60), setup={"model": Model})
        assert self.run(executor, [task]).ok
        at_work = {event.worker for event in executor.trace if event.what == "begin"}
        assert Counter(calls) == {"enter": len(at_work), "exit": len(at_work)}


def line(n, halo=0):
    return BlockGrid(Roi((0,), (n,)), 1, halo=halo)


def nothing(block):
    """Does nothing."""


FAULTS = {"failure": 0.1, "loss": 0.2, "leave": 0.1, "late": 0.3, "partial": 0.3}


def trace_of(seed, **options):
    executor = SimulatedExecutor(seed, **options)
    tasks = [
        BlockTask("a", nothing, line(60)),
        BlockTask("b", nothing, line(60, halo=2), after="a", conflict=True),
    ]
    run_blocks(tasks, executor=executor, workers=3, on_failure="return")
    return executor.trace


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32), delays=st.booleans())
def test_the_same_seed_gives_the_same_run(seed, delays):
    assert trace_of(seed, delays=delays, **FAULTS) == trace_of(seed, delays=delays, **FAULTS)


def test_another_seed_gives_another_run():
    assert len({tuple(trace_of(seed)) for seed in range(10)}) == 10
    ties = {
        tuple((e.worker, e.work, e.index) for e in trace_of(s, delays=False)) for s in range(10)
    }
    assert len(ties) == 10


def test_an_executor_that_is_used_again_begins_afresh():
    executor = SimulatedExecutor(2, **FAULTS)
    task = BlockTask("a", nothing, line(30), retries=50)
    traces = []
    for _ in range(2):
        run_blocks(task, executor=executor, workers=3)
        traces.append(executor.trace)
    assert traces[0] == traces[1]


def test_time_only_goes_forward():
    for seed in range(10):
        times = [event.time for event in trace_of(seed, **FAULTS)]
        assert times == sorted(times)


def test_every_kind_of_fault_comes_about():
    whats, errors = Counter(), set()
    for seed in range(10):
        recorder = Recorder()
        executor = SimulatedExecutor(seed, **FAULTS)
        task = BlockTask("a", nothing, line(100), retries=50)
        run_blocks(task, executor=executor, workers=3, listeners=[recorder])
        whats.update(event.what for event in executor.trace)
        errors |= {event.error for event in recorder.of(events.BlockFailed)}
    assert set(whats) == {"join", "begin", "call", "end", "fail", "done", "lost", "leave"}
    assert errors == {
        "SimulatedFault: the item failed before its call",
        "SimulatedFault: the item failed after its call",
        "WorkerError: the worker was lost in the middle of it (was lost by chance)",
    }


def test_blocks_whose_outcome_is_lost_are_called_again():
    calls = Counter(e.index for e in trace_of(1, loss=0.5) if e.what == "call" and e.work == "a")
    assert max(calls.values()) > 1


def test_an_item_above_its_timeout_is_charged_with_it():
    recorder = Recorder()
    task = BlockTask("a", nothing, line(20), timeout=0.009, retries=1)
    executor = SimulatedExecutor(delays=False)
    report = run_blocks(
        task, executor=executor, workers=2, on_failure="return", listeners=[recorder]
    )
    assert report.tasks["a"].n_failed == 20
    errors = {event.error for event in recorder.of(events.BlockFailed)}
    assert errors == {"TimeoutError: the item took more than 0.009 s"}


def works(n=1):
    return [
        Work(f"w{i}", lambda item, values: (2, item), lambda indices: indices) for i in range(n)
    ]


def job(number, *indices, work=0):
    return Job(number, work, np.array(indices, dtype=np.int64))


def test_waiting_for_nothing_is_an_error_rather_than_a_hang():
    pool = SimulatedExecutor().open(works(), 1)
    assert [type(message) for message in pool.wait(None)] == [Joined]
    with pytest.raises(WorkerError, match="an action is due"):
        pool.wait(1.0)


def test_a_run_without_end_is_an_error_rather_than_a_hang():
    pool = SimulatedExecutor(horizon=100.0).open(works(), 1)
    (joined,) = pool.wait(None)

    def go_on_for_ever():
        for number in itertools.count():
            pool.submit(joined.worker, job(number, 1))
            pool.wait(None)

    with pytest.raises(WorkerError, match="comes to an end"):
        go_on_for_ever()


def test_a_wait_ends_after_its_time_in_virtual_seconds():
    pool = SimulatedExecutor(late=1.0).open(works(), 1)
    n_empty = 0
    while not pool.wait(0.01):
        n_empty += 1
    assert n_empty > 10


def test_jobs_that_a_worker_may_not_get_are_errors():
    pool = SimulatedExecutor(depth=1).open(works(), 1)
    with pytest.raises(WorkerError, match="has joined"):
        pool.submit(0, job(0, 1))
    pool.wait(None)
    with pytest.raises(WorkerError, match="has items"):
        pool.submit(0, job(0))
    pool.submit(0, job(0, 1))
    with pytest.raises(WorkerError, match="up to 1 at once"):
        pool.submit(0, job(1, 1))
    pool.wait(None)
    pool.submit(0, job(1, 1))
    with pytest.raises(WorkerError, match="has joined"):
        pool.submit(1, job(2, 1))


def test_a_worker_that_serves_some_works_gets_no_others():
    pool = SimulatedExecutor(7, partial=1.0).open(works(8), 2)
    joined = []
    while len(joined) < 2:
        joined += pool.wait(None)
    serves = {message.worker: message.serves for message in joined}
    assert serves[0] is None
    other = next(n for n in range(8) if n not in serves[1])
    with pytest.raises(WorkerError, match="serves"):
        pool.submit(1, job(0, 1, work=other))


def test_a_lost_worker_brings_back_all_its_jobs_and_is_replaced():
    pool = SimulatedExecutor(loss=0.999, depth=3).open(works(), 1)
    (joined,) = pool.wait(None)
    for number in range(3):
        pool.submit(joined.worker, job(number, number))
    messages = []
    while not any(isinstance(message, Joined) for message in messages):
        messages += pool.wait(None)
    lost = next(message for message in messages if isinstance(message, Lost))
    assert lost.jobs == (0, 1, 2)
    assert messages[-1].worker == 1


@pytest.mark.parametrize(
    "wrong", [{"loss": 1.0}, {"leave": 1.0}, {"failure": 1.5}, {"late": -0.1}, {"depth": 0}]
)
def test_chances_are_chances(wrong):
    with pytest.raises(ParameterError):
        SimulatedExecutor(**wrong)
