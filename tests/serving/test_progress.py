"""What events say of a run: counts, states, rate and time left."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scutoid import events
from scutoid.serving._progress import RunProgress, StepProgress


def started(*tasks, workers=2, time=0.0):
    infos = (events.TaskInfo(name, n, cached, skipped) for name, n, cached, skipped in tasks)
    return events.RunStarted(time, tuple(infos), workers)


def handed(task, time, worker=0, blocks=((0, 1),)):
    return events.BatchStarted(time, task, worker, blocks)


def done(task, time, n=1, seconds=1.0):
    return events.BatchDone(time, task, n, 0, seconds, 0)


def failed(task, time, index=0, *, retry=False, traceback="line"):
    return events.BlockFailed(time, task, index, 1, retry, "ValueError: no", traceback)


def orphaned(task, time, n):
    return events.BlocksOrphaned(time, task, n)


def ended(task, time):
    return events.TaskDone(time, task, 1.0)


def after(*told):
    progress = RunProgress()
    for event in told:
        progress.take(event)
    return progress


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ([], "waiting"),
        ([handed("a", 1)], "running"),
        ([handed("a", 1), done("a", 2)], "running"),
        ([handed("a", 1), done("a", 2, 4), ended("a", 2)], "done"),
        ([handed("a", 1), failed("a", 2, retry=True)], "running"),
        ([handed("a", 1), failed("a", 2)], "running"),
        ([handed("a", 1), failed("a", 2), done("a", 3, 3), ended("a", 3)], "failed"),
        ([orphaned("a", 2, 4)], "stopped"),
        ([orphaned("a", 2, 3)], "waiting"),
        ([handed("a", 1), failed("a", 2, -1), orphaned("a", 2, 4)], "failed"),
    ],
)
def test_the_state_of_a_step_follows_from_its_events(told, state):
    assert after(started(("a", 4, 0, 0)), *told).steps["a"].state == state


def test_a_step_all_of_whose_blocks_are_cached_is_done():
    assert after(started(("a", 4, 4, 0))).steps["a"].state == "done"


def test_blocks_that_are_left_out_are_no_work():
    step = after(started(("a", 10, 2, 5))).steps["a"]
    assert (step.n_blocks, step.n_open) == (5, 3)


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ([], "running"),
        ([ended("a", 2)], "running"),
        ([ended("a", 2), ended("a:finish", 3)], "done"),
        ([ended("a", 2), failed("a:finish", 3), ended("a:finish", 3)], "failed"),
    ],
)
def test_what_joins_the_blocks_is_a_part_of_the_step(told, state):
    begun = started(("a", 2, 0, 0), ("a:finish", 1, 0, 0))
    progress = after(begun, handed("a", 1), done("a", 2, 2), *told)
    assert set(progress.steps) == {"a"}
    assert progress.steps["a"].state == state
    assert progress.steps["a"].n_done == 2


def test_a_part_of_a_run_that_goes_on_counts_its_steps_anew():
    progress = after(
        started(("a", 4, 0, 0)), handed("a", 1), failed("a", 2), done("a", 3, 3), ended("a", 3),
        started(("a", 4, 3, 0)), handed("a", 5), done("a", 6),
    )  # fmt: skip
    step = progress.steps["a"]
    assert (step.n_cached, step.n_done, step.n_failed, step.n_open) == (3, 1, 0, 0)


@pytest.mark.parametrize(
    ("n_done", "now", "expected"),
    [(0, 10.0, 0.0), (5, 10.0, 0.5), (5, 20.0, 0.25)],
)
def test_the_rate_of_few_blocks_is_that_since_the_beginning(n_done, now, expected):
    step = StepProgress(100)
    step.begin(0.0)
    for at in range(n_done):
        step.done(1, 0.1, at + 1.0)
    assert step.rate(now) == pytest.approx(expected)


def test_the_rate_is_that_of_the_last_minutes():
    step = StepProgress(10_000)
    step.begin(0.0)
    for second in range(1, 1001):
        step.done(1, 0.1, float(second))
    for tenth in range(1, 3001):
        step.done(1, 0.1, 1000 + tenth / 10)
    assert step.rate(1300.0) == pytest.approx(10, rel=0.05)
    assert step.left(1300.0) == pytest.approx(600, rel=0.05)


def test_a_step_that_stands_still_gets_slower():
    step = StepProgress(100)
    step.begin(0.0)
    for second in range(1, 21):
        step.done(1, 1.0, float(second))
    rates = [step.rate(now) for now in (20.0, 100.0, 1000.0)]
    assert rates == sorted(rates, reverse=True)
    assert step.left(1000.0) > step.left(20.0)


def test_the_time_left_of_a_run_says_how_many_steps_are_guessed():
    tasks = started(("a", 10, 0, 0), ("b", 5, 0, 0), ("c", 1, 1, 0), workers=1)
    run = after(tasks, handed("a", 0), done("a", 5, 5, seconds=5.0))
    assert (run.left(5.0).seconds, run.left(5.0).n_unknown) == (pytest.approx(10), 1)
    assert after(tasks).left(1.0) is None


def test_nothing_is_left_of_a_run_that_has_nothing_to_do():
    assert after(started(("a", 3, 3, 0))).left(0.0).seconds == 0


def test_long_tracebacks_keep_their_ends_and_only_the_first_failures_are_kept():
    told = [failed("a", n, n, traceback="x" * 50_000 + "the end") for n in range(80)]
    step = after(started(("a", 80, 0, 0)), *told).steps["a"]
    assert step.n_failed == 80
    assert len(step.failures) == 50
    assert len(step.failures[0].traceback) < 21_000
    assert step.failures[0].traceback.endswith("the end")


@given(
    steps=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=5),
    batches=st.lists(st.tuples(st.integers(0, 4), st.integers(1, 9), st.floats(0, 5)), max_size=30),
)
def test_times_left_are_never_below_zero(steps, batches):
    run = after(started(*((str(n), b, min(c, b), 0) for n, (b, c) in enumerate(steps))))
    now = 0.0
    for number, n, seconds in batches:
        if number < len(steps):
            now += seconds
            run.take(done(str(number), now, n, seconds))
        left = run.left(now)
        assert left is None or left.seconds >= 0
        for step in run.steps.values():
            assert step.rate(now) >= 0
            assert (step.left(now) or 0.0) >= 0
