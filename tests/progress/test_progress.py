"""The progress display: plain lines without a terminal, a table on one."""

from __future__ import annotations

import io
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scutoid.events import (
    BatchDone,
    BlockFailed,
    BlocksOrphaned,
    RunDone,
    RunStarted,
    TaskDone,
    TaskInfo,
    WorkerLost,
)
from scutoid.progress import Progress, RunCounts


def play(progress):
    progress.on_event(RunStarted(0.0, (TaskInfo("a", 10, 4), TaskInfo("a:finish", 1, 0)), 2))
    progress.on_event(BatchDone(10.0, "a", 3, 0, 2.0, 0))
    progress.on_event(BatchDone(14.0, "a", 2, 1, 2.0, 0))
    progress.on_event(BlockFailed(15.0, "a", 9, 3, False, "ValueError: no\nmore", "Traceback"))
    progress.on_event(BlocksOrphaned(15.0, "b", 2))
    progress.on_event(TaskDone(16.0, "a", 8.0))
    progress.on_event(TaskDone(17.0, "a:finish", 0.1))
    progress.on_event(RunDone(17.0, False, 17.0))


def test_plain_lines_tell_counts_rate_and_time_left() -> None:
    stream = io.StringIO()
    play(Progress(stream, live=False))
    lines = stream.getvalue().splitlines()
    assert lines == [
        "a: 9 of 10 blocks done, 4 cached, 0.833 blocks/s, 1 s left",
        "a: block 9 failed: ValueError: no",
        "a: 9 of 10 blocks done, 4 cached, 1 failed, 0.625 blocks/s",
    ]


def test_a_live_table_ends_with_the_counts() -> None:
    stream = io.StringIO()
    play(Progress(stream, live=True))
    assert "9/10" in stream.getvalue()
    assert "4 cached, 1 failed" in stream.getvalue()


LABEL = (
    TaskInfo("mask", 4, 0),
    TaskInfo("label_pieces", 4, 0, within=("label",)),
    TaskInfo("label_merge", 1, 0, within=("label",)),
    TaskInfo("label", 4, 0),
)


def test_the_steps_of_an_operation_are_one_line() -> None:
    stream = io.StringIO()
    progress = Progress(stream, live=False)
    progress.on_event(RunStarted(100.0, LABEL, 2))
    for number, task in enumerate(LABEL):
        progress.on_event(BatchDone(101.0 + number, task.name, task.n_blocks, 0, 1.0, 0))
        progress.on_event(TaskDone(101.0 + number, task.name, 1.0))
    progress.on_event(RunDone(105.0, True, 5.0))
    lines = stream.getvalue().splitlines()
    assert [line.split(" blocks")[0] for line in lines] == ["mask: 4 of 4", "label: 9 of 9"]


def test_the_time_left_is_that_of_the_whole_run() -> None:
    counts = RunCounts()
    counts.on_event(RunStarted(100.0, LABEL, 2))
    assert counts.left(101.0) is None
    # one of two workers has worked for all of the second
    counts.on_event(BatchDone(101.0, "mask", 2, 0, 1.0, 0))
    # 2 blocks of mask and 9 of label, of half a second each
    assert counts.left(101.0) == pytest.approx(5.5)
    counts.on_event(BatchDone(103.0, "mask", 2, 0, 1.0, 0))
    counts.on_event(BatchDone(103.0, "label_pieces", 1, 0, 2.0, 1))
    # 3 pieces of 2 s, and 5 blocks of the mean of 0.5 and 2 s; 4 s of work in 3 s
    assert counts.left(103.0) == pytest.approx((3 * 2 + 5 * 1.25) / (4 / 3))
    assert counts.total().open == 8
    assert counts.row("label").total == 9


def test_lines_say_the_time_left_of_the_run_while_a_step_is_on() -> None:
    stream = io.StringIO()
    progress = Progress(stream, live=False)
    progress.on_event(RunStarted(100.0, LABEL, 1))
    progress.on_event(BatchDone(101.0, "mask", 1, 0, 1.0, 0))
    progress.on_event(BatchDone(110.0, "mask", 1, 0, 9.0, 0))
    assert (
        stream.getvalue()
        == "mask: 2 of 4 blocks done, 0.2 blocks/s, 10 s left; the run: 55 s left\n"
    )


@given(
    st.lists(
        st.sampled_from(
            [
                BatchDone(101.0, "mask", 1, 0, 0.5, 0),
                BatchDone(102.0, "label_pieces", 2, 0, 0.0, 1),
                BatchDone(102.0, "unknown", 1, 0, 0.0, 1),
                BlockFailed(103.0, "label", 1, 1, False, "", ""),
                BlockFailed(103.0, "label", 1, 1, True, "ValueError: no [/bold]", ""),
                BlocksOrphaned(103.0, "label_merge", 1),
                TaskDone(104.0, "mask", 1.0),
                TaskDone(104.0, "label:finish", 1.0),
                WorkerLost(104.0, 0, "killed"),
                RunStarted(105.0, LABEL, 2),
                RunDone(106.0, True, 6.0),
            ]
        ),
        max_size=12,
    ),
    st.booleans(),
)
def test_any_order_of_events_is_shown(events, live) -> None:
    progress = Progress(io.StringIO(), live=live)
    with progress:
        progress.on_event(RunStarted(100.0, LABEL, 2))
        for event in events:
            progress.on_event(event)


def test_names_are_not_taken_for_markup() -> None:
    stream = io.StringIO()
    with Progress(stream, live=True) as progress:
        progress.on_event(RunStarted(0.0, (TaskInfo("a [bold]b", 1, 0),), 1))
        progress.on_event(BatchDone(1.0, "a [bold]b", 1, 0, 1.0, 0))
    assert "a [bold]b" in stream.getvalue()


def test_one_run_at_a_time_draws_and_the_other_writes_lines() -> None:
    streams = io.StringIO(), io.StringIO()
    first, second = (Progress(stream, live=True) for stream in streams)
    with first, second:
        for progress in (first, second):
            progress.on_event(RunStarted(0.0, LABEL, 1))
        second.on_event(BatchDone(1.0, "mask", 4, 0, 1.0, 0))
        second.on_event(TaskDone(1.0, "mask", 1.0))
    assert "\x1b" not in streams[1].getvalue()
    assert streams[1].getvalue().startswith("mask: 4 of 4 blocks done")
    later = io.StringIO()
    with Progress(later, live=True) as third:
        third.on_event(RunStarted(0.0, LABEL, 1))
    assert "waiting" in later.getvalue()


def test_a_stream_that_is_closed_fails_no_run() -> None:
    stream = io.StringIO()
    progress = Progress(stream, live=False)
    stream.close()
    play(progress)


def test_the_start_of_workers_is_not_taken_for_work() -> None:
    counts = RunCounts()
    counts.on_event(RunStarted(1.0, (TaskInfo("smooth", 11, 0),), workers=1))
    counts.on_event(BatchDone(101.0, "smooth", n_done=1, n_empty=0, seconds=1.0, worker=0))
    assert counts.left(101.0) == pytest.approx(10.0)


@pytest.mark.parametrize("width", [30, 60, 100])
def test_bars_show_all_counts_however_long_a_name_is(width, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    stream = io.StringIO()
    progress = Progress(stream, live=True)
    progress.on_event(RunStarted(0.0, (TaskInfo("n" * 300, 1000, 1000), TaskInfo("a", 4, 0)), 2))
    progress.on_event(BatchDone(1.0, "a", 3, 0, 1.0, 0))
    progress.on_event(RunDone(2.0, False, 2.0))
    text = stream.getvalue()
    for counts in ("1000/1000", "3/4", "1003/1004"):
        assert counts in text
    assert max(map(len, text.splitlines())) <= width


def test_no_thread_is_left_where_a_run_begins_again() -> None:
    """Parts of a run begin one after the other; what draws the first ends before the second."""
    before = threading.active_count()

    def wait_for(count: int) -> None:
        while threading.active_count() > count:  # those that end are not waited for
            time.sleep(0.01)

    with Progress(io.StringIO(), live=True) as progress:
        for _ in range(3):
            progress.on_event(RunStarted(0.0, LABEL, 1))
        wait_for(before + 1)
    wait_for(before)
