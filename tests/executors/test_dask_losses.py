"""What the loss of a worker of Dask means, by how it left."""

from __future__ import annotations

import numpy as np
import pytest

from scutoid.errors import WorkerError
from scutoid.executors._dask_job import DaskJob, Seat
from scutoid.executors._dask_losses import Losses
from scutoid.executors._work import GivenUp, Job, Lost, Work


class Call:
    """A call that is under way."""


def work(name):
    return Work(name, lambda item: None, ())


def seat(*jobs):
    """A worker with some jobs, of which the calls are under way."""
    made = Seat(0, "tcp://a:1", "identity", ready={0, 1})
    for number, (of, items) in enumerate(jobs):
        job = Job(number, of, np.array(items, dtype=np.int64))
        made.dask_jobs.append(DaskJob(job, is_single=False, future=Call()))
    return made


def losses(workers=1):
    return Losses([work("a"), work("b")], workers)


@pytest.mark.parametrize(
    ("leave", "jobs", "charged", "suspects"),
    [
        ("crash", [(0, [5])], 0, []),
        ("crash", [(0, [5, 6])], None, [5, 6]),
        ("crash", [(0, [5]), (0, [6])], None, [5, 6]),
        ("crash", [], None, []),
        ("gone", [(0, [5])], None, []),
        ("gone", [(0, [5, 6])], None, []),
        ("polite", [(0, [5])], None, []),
        ("polite", [(0, [5]), (1, [6])], None, []),
    ],
)
def test_a_block_is_charged_for_a_crash_alone(leave, jobs, charged, suspects):
    found = losses()
    (lost,) = found.of(seat(*jobs), "was lost", leave)
    assert lost.jobs == tuple(range(len(jobs)))
    assert (None if lost.charged is None else lost.charged[0]) == charged
    assert lost.was_killed == (leave == "crash")
    single = [n for n in range(9) if found.is_suspect(Job(9, 0, np.array([n])))]
    assert single == suspects
    found.note_done(0, np.array(suspects, dtype=np.int64))
    assert not found.is_suspect(Job(9, 0, np.array([5, 6])))


@pytest.mark.parametrize("leave", ["crash", "gone"])
def test_workers_that_die_one_after_the_other_give_their_work_up(leave):
    found = losses(workers=1)
    said = [found.of(seat((0, [n])), "was lost", leave) for n in range(13)]
    assert [type(message) for message in said[-1]] == [Lost, GivenUp]
    assert all(len(messages) == 1 for messages in said[:-1])
    found.note_done(0, np.array([1]))
    assert len(found.of(seat((0, [1])), "was lost", leave)) == 1


def test_workers_that_die_at_several_works_end_the_run():
    found = losses(workers=1)
    for _ in range(12):
        found.of(seat((0, [1]), (1, [2])), "was lost", "gone")
    with pytest.raises(WorkerError, match="13 in a row"):
        found.of(seat((0, [1]), (1, [2])), "was lost", "gone")


def test_workers_that_leave_are_never_too_many_but_told_of_if_nothing_is_done(caplog):
    found = losses(workers=1)
    for n in range(50):
        assert len(found.of(seat((0, [n])), "left", "polite")) == 1
    (record,) = caplog.records
    assert record.getMessage().startswith("a: 5 workers in a row left in the middle of a block")
    caplog.clear()
    for n in range(50):
        found.of(seat((1, [n])), "left", "polite")
        found.note_done(1, np.array([n]))
    assert not caplog.records
