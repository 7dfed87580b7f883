"""Events that were written down are read again as they were."""

from __future__ import annotations

import pytest

from scutoid import events
from scutoid.blocks import EventLog
from scutoid.serving._events import event_of
from scutoid.spent import Spent

ALL = [
    events.RunStarted(1.0, (events.TaskInfo("a", 9, 1, 2, within=("b",)),), 2),
    events.StepAwaited(1.0, "a", "process 1 on host", 40.5, 60.0),
    events.DamageFound(1.0, "a", "place", "what"),
    events.BatchStarted(1.0, "a", 0, ((0, 3), (7, 1))),
    events.BatchDone(1.0, "a", 3, 1, 0.5, 0, ((2, 0.25),), ((0, 3),), 0, Spent(0.1, 0.25, 0.15)),
    events.BlockFailed(1.0, "a", 3, 1, will_retry=True, error="e", traceback="t"),
    events.BlocksOrphaned(1.0, "a", 3),
    events.TaskDone(1.0, "a", 2.0),
    events.WorkerStarted(1.0, 4),
    events.WorkerLost(1.0, 4, "killed"),
    events.WorkersAwaited(1.0, 40, 2.5, "40 jobs pending (Resources)"),
    events.RunDone(1.0, ok=True, seconds=2.0),
]


def test_each_kind_of_event_is_here():
    assert {type(event) for event in ALL} == set(events.Event.__args__)


@pytest.mark.parametrize("event", ALL, ids=lambda event: type(event).__name__)
def test_events_come_back_as_they_were(tmp_path, event):
    with EventLog(tmp_path / "events.jsonl") as log:
        log.on_event(event)
    (line,) = log.path.read_bytes().splitlines()
    assert event_of(line) == event


def test_kinds_of_later_versions_are_none_and_their_fields_are_passed_over():
    assert event_of(b'{"event": "Dreamt", "time": 5.0, "of": "sheep"}') is None
    line = b'{"event": "WorkerStarted", "time": 5.0, "worker": 1, "of": "sheep"}'
    assert event_of(line) == events.WorkerStarted(5.0, 1)


def test_events_of_earlier_versions_lack_what_came_later():
    line = b'{"event": "TaskDone", "time": 1, "task": "a", "seconds": 2}'
    assert event_of(line) == events.TaskDone(1.0, "a", 2.0)
