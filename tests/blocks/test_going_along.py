"""Blocks that go along with those that they wait for come to what they would alone."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scutoid.blocks import BlockGrid, BlockStatus, BlockTask, Scheduler, run_blocks
from scutoid.blocks._batch_sizer import BatchSizer
from scutoid.blocks._budget import Budget
from scutoid.blocks._dispatch import Dispatcher
from scutoid.errors import SourceError
from scutoid.geometry import Roi

N = 12


def row(n=N):
    return BlockGrid(Roi((0,), (n,)), 1)


def nothing(block):
    """No test that uses it looks at what it does."""


def yes(block):
    return True


def refuse(blocks):
    return {
        index: SourceError("it has changed", place=str(index)) for index in blocks if index == 4
    }


class Step:
    """Notes its calls, and fails at some blocks as often as is said."""

    def __init__(self, name, calls, failing=(), times=100):
        self.name, self.calls, self.failing = name, calls, dict.fromkeys(failing, times)

    def __call__(self, block):
        self.calls.append((self.name, block.index))
        if self.failing.get(block.index, 0) > 0:
            self.failing[block.index] -= 1
            raise ValueError(self.name)
        return block.index


class Kept:
    """What came back of a task."""

    def __init__(self):
        self.indices = []

    def __call__(self, results):
        self.indices += [index for index, _ in results]


def chain(calls, *, is_here=yes, **failing):
    """Three tasks on one row, each after the one before."""
    tasks = []
    for name in "abc":
        step = Step(name, calls, **failing.get(name, {}))
        after = tasks[-1:]
        tasks.append(
            BlockTask(name, step, row(), after=tuple(after), is_here=is_here, collect=Kept())
        )
    return tasks


def ran(tasks, executor="serial", **options):
    report = run_blocks(tasks, executor=executor, on_failure="return", **options)
    return {
        name: (each.n_done, each.n_cached, each.n_failed, each.n_orphaned, each.n_skipped)
        for name, each in report.tasks.items()
    }


@pytest.mark.parametrize("executor", ["serial", "threads"])
def test_blocks_follow_one_another_number_by_number(executor):
    calls = []
    assert set(ran(chain(calls), executor).values()) == {(N, 0, 0, 0, 0)}
    assert [[name for name, at in calls if at == index] for index in range(N)] == [[*"abc"]] * N
    if executor == "serial":
        assert calls == [(name, index) for index in range(N) for name in "abc"]


def test_one_that_does_not_find_what_it_needs_comes_again_by_itself():
    calls = []
    tasks = chain(calls, is_here=lambda block: block.index % 3 > 0)
    assert set(ran(tasks).values()) == {(N, 0, 0, 0, 0)}
    assert sorted(calls) == [(name, index) for name in "abc" for index in range(N)]
    assert all(sorted(task.collect.indices) == list(range(N)) for task in tasks)


def test_what_follows_one_that_fails_waits_for_its_next_try():
    calls = []
    tasks = chain(calls, a={"failing": [3], "times": 2}, b={"failing": [5, 7], "times": 1})
    assert set(ran(tasks).values()) == {(N, 0, 0, 0, 0)}
    assert [calls.count(("a", 3)), calls.count(("b", 3)), calls.count(("c", 3))] == [3, 1, 1]
    assert [calls.count(("a", 5)), calls.count(("b", 5)), calls.count(("c", 5))] == [1, 2, 1]


def test_what_follows_one_that_fails_for_good_is_not_run():
    found = ran(chain([], b={"failing": [5]}))
    assert found == {"a": (N, 0, 0, 0, 0), "b": (N - 1, 0, 1, 0, 0), "c": (N - 1, 0, 0, 1, 0)}


def test_what_followed_one_that_is_refused_does_not_count():
    tasks = chain([])
    tasks[0] = replace(tasks[0], check=refuse)
    found = ran(tasks)
    assert found == {"a": (N - 1, 0, 1, 0, 0), "b": (N - 1, 0, 0, 1, 0), "c": (N - 1, 0, 0, 1, 0)}
    assert all(4 not in task.collect.indices for task in tasks)


def test_a_failure_behind_one_that_is_refused_is_none():
    tasks = chain([], b={"failing": [4]})
    tasks[0] = replace(tasks[0], check=refuse)
    assert ran(tasks)["b"] == (N - 1, 0, 0, 1, 0)


@pytest.mark.parametrize(
    "own", [{"timeout": 60.0}, {"setup": {"value": int}}, {"bytes_per_block": 1}, {"workers": 1}]
)
def test_a_task_that_is_looked_after_goes_alone(own):
    tasks = [replace(task, **own) for task in chain([])]
    scheduler = Scheduler(tasks)
    assert scheduler.behind(0) == ()


def test_one_that_failed_when_all_before_it_was_lost_comes_again_behind_it():
    tasks = chain([])
    scheduler = Scheduler(tasks)
    batch = scheduler.with_others(scheduler.next(1), [1, 2])
    assert [each.indices.tolist() for each in batch.then] == [[0], [0]]
    scheduler.not_begun(2, batch.then[1].indices)
    scheduler.returned(batch, batch.indices)  # the worker was lost in the middle of the second
    assert scheduler.failed(1, 0).will_retry
    again = scheduler.with_others(scheduler.next([1, 1, 1]), [1, 2])
    assert (again.task, again.indices.tolist(), again.then) == (0, [0], ())
    scheduler.finished(0, again.indices, np.array([2], np.uint8))
    tried = scheduler.next([1, 1, 1])
    assert (tried.task, tried.indices.tolist(), tried.attempt) == (1, [0], 2)


@pytest.mark.parametrize("seconds", [None, 1.0])
def test_costly_blocks_go_alone_and_those_of_which_it_is_not_known(seconds):
    cheap, other = BatchSizer(), BatchSizer()
    cheap.note(1, 0.01)
    if seconds is not None:
        other.note(1, seconds)
    assert cheap.may_take_along([cheap])
    assert not cheap.may_take_along([other])
    assert not other.may_take_along([cheap])


@st.composite
def rows_of_tasks(draw):
    """What tasks wait for, are done already, fail at, skip, and find."""
    some = st.sets(st.integers(0, N - 1), max_size=4)
    found = []
    for number in range(draw(st.integers(2, 4))):
        after = draw(st.lists(st.integers(0, number - 1), unique=True)) if number else []
        found.append((after, draw(some), draw(some), draw(some), draw(some), draw(st.booleans())))
    return found


def tasks_of(rows, *, may_follow):
    tasks = []
    for number, (after, done, failing, skipped, absent, is_sure) in enumerate(rows):
        numbers = np.arange(N)
        tasks.append(
            BlockTask(
                str(number),
                Step(str(number), [], failing),
                row(),
                after=tuple(tasks[each] for each in after),
                retries=number % 2,
                is_done=np.isin(numbers, list(done)),
                where=~np.isin(numbers, list(skipped - done)),
                collect=Kept(),
                is_here=(lambda block, a=absent, s=is_sure: s or block.index not in a)
                if may_follow
                else None,
            )
        )
    return tasks


@settings(max_examples=25)
@given(rows_of_tasks())
def test_the_outcome_is_that_of_blocks_one_by_one(rows):
    together, alone = tasks_of(rows, may_follow=True), tasks_of(rows, may_follow=False)
    assert ran(together) == ran(alone)
    for one, other in zip(together, alone, strict=True):
        assert sorted(one.collect.indices) == sorted(other.collect.indices)


def end_its_worker(block):
    if block.index == 2:
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_is_killed_charges_the_block_that_it_was_at():
    tasks = chain([])
    tasks = [replace(task, function=nothing, retries=0) for task in tasks]
    tasks[1] = replace(tasks[1], function=end_its_worker)
    found = ran(tasks, "processes")
    assert found == {"a": (N, 0, 0, 0, 0), "b": (N - 1, 0, 1, 0, 0), "c": (N - 1, 0, 0, 1, 0)}


def test_a_batch_with_others_behind_it_takes_as_long_as_one_of_each():
    alone, behind = BatchSizer(), BatchSizer()
    for sizer in (alone, behind):
        for _ in range(5):
            sizer.note(100, 1.0)  # a hundredth of a second each
    n_alone = alone.size(10_000, 2)
    assert alone.size(10_000, 2, behind=[behind]) == n_alone
    assert alone.size(10_000, 2, behind=[behind, behind]) == n_alone


def test_a_task_whose_cost_is_not_known_is_not_left_behind_by_workers_that_are_always_busy():
    n = 400
    tasks = [BlockTask("a", nothing, row(n), is_here=yes)]
    for name in "bc":
        tasks.append(BlockTask(name, nothing, row(n), after=(tasks[-1],), is_here=yes))
    scheduler, sizers = Scheduler(tasks), [BatchSizer() for _ in tasks]
    dispatcher = Dispatcher(
        scheduler, tasks, Budget(None, {}), sizers, 2, 4096, is_one_memory=False, has_chains=True
    )
    out = []

    def hand_out():
        for job, (worker, batch) in enumerate(dispatcher.batches(2), len(out)):
            dispatcher.seat(worker, job, batch)
            out.append((worker, job, batch))

    for worker in range(2):
        dispatcher.join(worker, None)
    hand_out()
    for worker, job, batch in out:  # it grows
        dispatcher.take_back(worker, job)
        for part in (batch, *batch.then):
            done = np.full(len(part.indices), BlockStatus.WRITTEN, dtype=np.uint8)
            scheduler.finished(part.task, part.indices, done, share=worker)
            sizers[part.task].note(len(part.indices), 0.01 * len(part.indices))
        if sizers[2].is_known:
            break
        hand_out()
    assert sizers[2].is_known
    assert scheduler.n_open(0) > n / 2
