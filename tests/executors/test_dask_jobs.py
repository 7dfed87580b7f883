"""A job that goes item by item in a Dask cluster has one outcome."""

from __future__ import annotations

import numpy as np
import pytest

from scutoid.executors import Job, Outcome
from scutoid.executors._dask_job import DaskJob
from scutoid.spent import Spent


def test_what_its_items_and_the_set_up_before_them_spent_is_added_up() -> None:
    job = DaskJob(Job(3, 0, np.arange(2)), is_single=True, position=-1)

    def outcome(n, **spent):
        return Outcome(0, 3, np.full(n, 2, np.uint8), seconds=1.0, spent=Spent(**spent))

    assert job.note(outcome(0, computing=4.0)) is None
    assert job.note(outcome(1, reading=1.0)) is None
    joined = job.note(outcome(1, reading=2.0, writing=0.5))
    assert joined.spent == Spent(reading=3.0, computing=4.0, writing=0.5)
    assert joined.seconds == pytest.approx(2.0)  # the set-up apart
