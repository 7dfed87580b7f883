"""No more workers start than blocks that can run at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scutoid.blocks import After, BlockGrid, BlockTask, Scheduler, run_blocks
from scutoid.blocks._at_once import most_at_once
from scutoid.geometry import Roi


def nothing(block):
    """A block without work."""


def row(n, halo=0):
    return BlockGrid(Roi((0,), (n,)), 1, halo=halo)


def task(name, n, after=(), halo=0):
    return BlockTask(name, nothing, row(n, halo), after=after)


CASES = [
    ("steps of a member wait for one another", [("a", 1, ()), ("b", 1, "a"), ("c", 1, "b")], 1),
    ("of three members each", [("a", 3, ()), ("b", 3, "a"), ("c", 3, "b")], 3),
    ("two steps of one", [("a", 3, ()), ("b", 3, "a"), ("c", 3, "a")], 6),
    ("a step that waits for all", [("a", 5, ()), ("b", 2, After.all("a", 1)), ("c", 2, "b")], 5),
    ("more blocks than before it", [("a", 2, ()), ("b", 5, After.all("a", 1))], 5),
    ("nothing to wait for", [("a", 2, ()), ("b", 3, ())], 5),
    ("another scale", [("a", 4, ()), ("b", 2, After("a", scale=2.0))], 6),
]


@pytest.mark.parametrize(("tasks", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_blocks_that_wait_for_one_another_count_once(tasks, expected):
    made = [task(*each) for each in tasks]
    assert most_at_once(made, Scheduler(made).states) == expected


def test_what_is_done_does_not_count():
    tasks = [task("a", 4), task("b", 4, "a")]
    done = [np.array([2, 2, 0, 2], np.uint8), np.array([2, 0, 0, 0], np.uint8)]
    assert most_at_once(tasks, Scheduler(tasks, done).states) == 3
    forced = [np.array([0, 0, 0, 0], np.uint8), np.array([2, 2, 0, 0], np.uint8)]
    assert most_at_once(tasks, Scheduler(tasks, forced).states) == 4


@settings(max_examples=40)
@given(data=st.data())
def test_never_more_run_at_once(data):
    tasks = []
    for number in range(data.draw(st.integers(1, 4))):
        names = [each.name for each in tasks]
        chosen = data.draw(st.lists(st.sampled_from(names), unique=True)) if names else []
        kinds = [data.draw(st.booleans()) for _ in chosen]
        pairs = zip(chosen, kinds, strict=True)
        edges = tuple(After.all(each, 1) if whole else After(each) for each, whole in pairs)
        n, halo = data.draw(st.integers(1, 4)), data.draw(st.integers(0, 1))
        tasks.append(task(str(number), n, edges, halo))
    scheduler = Scheduler(tasks)
    most = most_at_once(tasks, scheduler.states)
    running = []
    while not scheduler.is_complete:
        while (batch := scheduler.next(1)) is not None:
            running.append(batch)
        assert len(running) <= most
        one = running.pop(data.draw(st.integers(0, len(running) - 1)))
        scheduler.finished(one.task, one.indices, np.full(1, 2, np.uint8))


def test_a_run_asks_for_as_many_workers_as_have_work():
    asked = []

    class Counting:
        handles_timeout = handles_setup = True

        def open(self, works, workers, *, logs=None):
            from scutoid.executors import SerialExecutor

            asked.append(workers)
            return SerialExecutor().open(works, 1, logs=logs)

    tasks = [task("a", 1), task("b", 1, "a"), task("c", 1, "b")]
    assert run_blocks(tasks, executor=Counting(), workers=4).ok
    assert asked == [1]
