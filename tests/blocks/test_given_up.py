"""A task whose workers keep dying is given up; those that need not wait for it are finished."""

from __future__ import annotations

import os
import sys
import textwrap
from functools import partial

import pytest

from scutoid import events
from scutoid.blocks import BlockGrid, BlockStatus, BlockTask, Scheduler, run_blocks
from scutoid.errors import WorkerError
from scutoid.executors import ConnectExecutor, Launch
from scutoid.executors._launch import LaunchedGroup
from scutoid.geometry import Roi
from scutoid.testing import Recorder


def grid(n):
    return BlockGrid(Roi((0,), (n,)), 1)


def crash(block):
    os._exit(9)


def work(block):
    """Does nothing."""


def given_up(tasks, **options):
    """Run tasks, and return the report that the error of the end carries."""
    with pytest.raises(WorkerError, match="in a row did not") as caught:
        run_blocks(tasks, **options)
    return caught.value.report


def counts(report):
    return {name: (t.n_done, t.n_failed, t.n_orphaned) for name, t in report.tasks.items()}


@pytest.mark.parametrize(("order", "on_failure"), [("first", "raise"), ("last", "return")])
def test_independent_tasks_finish_whichever_comes_first(order, on_failure):
    good = [BlockTask("good", work, grid(300)), BlockTask("after", work, grid(5), after="good")]
    bad = [BlockTask("bad", crash, grid(500)), BlockTask("waits", work, grid(3), after="bad")]
    recorder = Recorder()
    report = given_up(
        [*bad, *good] if order == "first" else [*good, *bad],
        workers=1,
        on_failure=on_failure,
        listeners=[recorder],
    )
    found = counts(report)
    assert (found["good"], found["after"], found["waits"]) == ((300, 0, 0), (5, 0, 0), (0, 0, 3))
    done, failed, orphaned = found["bad"]
    assert (done, failed + orphaned) == (0, 500)
    assert failed <= 17  # each block that failed has cost three workers
    assert "in a row did not" in report.tasks["bad"].given_up
    assert [name for name, task in report.tasks.items() if task.given_up] == ["bad"]
    assert "given up: workers live to finish a block" in report.summary()
    told = {event.task: 0 for event in recorder.of(events.BlocksOrphaned)}
    for event in recorder.of(events.BlocksOrphaned):
        told[event.task] += event.n
    assert told == {"bad": orphaned, "waits": 3}
    assert len(recorder.of(events.WorkerLost)) < 30
    assert not recorder.of(events.RunDone)[0].ok


def test_blocks_that_crash_among_good_ones_fail_one_by_one(tmp_path):
    """A task is given up only when its workers do nothing but die."""

    def some(block):
        if block.index % 10 == 0:
            os._exit(9)

    report = run_blocks(BlockTask("t", some, grid(60), retries=1), workers=2, on_failure="return")
    assert counts(report) == {"t": (54, 6, 0)}
    assert report.tasks["t"].given_up == ""


@pytest.mark.parametrize("status", [BlockStatus.FAILED, BlockStatus.ORPHANED])
def test_what_is_with_workers_when_a_task_is_given_up_ends_with_it(status):
    tasks = [BlockTask("a", work, grid(6)), BlockTask("b", work, grid(6), after="a")]
    scheduler = Scheduler(tasks)
    out = scheduler.next(2)
    later = scheduler.next(1)
    scheduler.finished(0, out.indices[:1], out.indices[:1].astype("uint8") * 0 + 2)
    orphans = dict(scheduler.abandon(0, status))
    for index in out.indices[1:].tolist():
        scheduler.failed(0, index)
    for task, n in scheduler.returned(later, later.indices).items():
        orphans[task] = orphans.get(task, 0) + n
    assert scheduler.tally(0)[BlockStatus.WRITTEN] == 1
    n_failed, n_orphaned = (
        scheduler.tally(0)[each] for each in (BlockStatus.FAILED, BlockStatus.ORPHANED)
    )
    assert (n_failed, n_orphaned) == ((5, 0) if status is BlockStatus.FAILED else (1, 4))
    assert orphans.get(0, 0) == n_orphaned


LOOP = """
    import os, sys, time
    from pathlib import Path
    from scutoid.blocks import connect

    folder, n, code = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    place = len(list(folder.glob("start-*")))
    (folder / f"start-{os.getpid()}").touch()
    if n:
        blocks = connect()
        for _ in range(n):
            block = next(blocks, None)
            if block is None:
                break
            while len(list(folder.glob("start-*"))) < int(sys.argv[4]):
                time.sleep(0.01)
            while sys.argv[5] and not (folder / sys.argv[5]).exists():
                time.sleep(0.01)
            (folder / f"{block.task}-{block.index}-{os.getpid()}").touch()
            blocks.done()
        if not code:
            blocks.leave()
    os._exit(code)
"""


@pytest.fixture
def loops(tmp_path):
    """Launches of a worker that leaves after n blocks with an exit code."""
    script = tmp_path / "loop.py"
    script.write_text(textwrap.dedent(LOOP))

    def launch(task, n, code, *, workers=1, at_least=1, waits_for=""):
        folder = tmp_path / str(task)
        folder.mkdir(exist_ok=True)
        how = [str(n), str(code), str(at_least), waits_for]
        return Launch([sys.executable, str(script), str(folder), *how], workers=workers, task=task)

    return launch


def started(folder):
    return len(list(folder.glob("start-*")))


def test_a_worker_that_has_done_its_part_is_not_replaced_while_others_work(
    tmp_path, loops, monkeypatch
):
    """One leaves after a block; the other does the rest once the run has seen that it is gone."""
    look, seen = LaunchedGroup.look_after, []

    def look_after(group):
        seen.extend(member for member in group.members if member.code == 0)
        look(group)
        if len(seen) >= 3:
            (tmp_path / "t" / "seen").touch()

    monkeypatch.setattr(LaunchedGroup, "look_after", look_after)
    launches = [
        loops("t", 1, 0, at_least=2),
        loops("t", 10**6, 0, at_least=2, waits_for="seen"),
    ]
    report = run_blocks(
        BlockTask("t", None, grid(60)), workers=2, executor=ConnectExecutor(launch=launches)
    )
    assert counts(report) == {"t": (60, 0, 0)}
    assert started(tmp_path / "t") == 2


def test_workers_that_all_leave_are_called_back_while_there_are_blocks(tmp_path, loops):
    executor = ConnectExecutor(launch=[loops("t", 2, 0, workers=2)])
    report = run_blocks(BlockTask("t", None, grid(9)), workers=2, executor=executor)
    assert counts(report) == {"t": (9, 0, 0)}
    assert 5 <= started(tmp_path / "t") <= 11


@pytest.mark.parametrize("code", [0, 7])
def test_a_task_whose_launched_workers_do_nothing_is_given_up(tmp_path, loops, code):
    launches = [loops("bad", 0, code, workers=2), loops("good", 10**6, 0)]
    tasks = [BlockTask("bad", None, grid(4)), BlockTask("good", None, grid(40))]
    report = given_up(tasks, workers=3, executor=ConnectExecutor(launch=launches))
    assert counts(report) == {"bad": (0, 0, 4), "good": (40, 0, 0)}
    assert f"exit code {code}" in report.tasks["bad"].given_up
    assert started(tmp_path / "bad") == 12


def test_a_crew_with_one_bad_seat_goes_on(tmp_path, loops):
    """The worker that always ends with an error stays away in the end; the other does it all."""
    launches = [loops("t", 0, 3), loops("t", 10**6, 0)]
    tasks = [BlockTask("t", None, grid(30))]
    assert run_blocks(tasks, workers=2, executor=ConnectExecutor(launch=launches)).ok
    assert started(tmp_path / "t") <= 7


def test_a_launch_for_all_tasks_ends_the_run(loops):
    executor = ConnectExecutor(launch=[loops(None, 0, 7)])
    tasks = [BlockTask(name, partial(work), grid(3)) for name in "ab"]
    with pytest.raises(WorkerError, match="exit code 7") as caught:
        run_blocks(tasks, executor=executor)
    assert caught.value.report is None
