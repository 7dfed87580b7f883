"""The progress display: plain lines without a terminal, a table on one."""

from __future__ import annotations

import io

from scutoid.cli import Progress
from scutoid.events import (
    BatchDone,
    BlockFailed,
    BlocksOrphaned,
    RunDone,
    RunStarted,
    TaskDone,
    TaskInfo,
)


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
