"""Blocks that wait for what a worker has made go to this worker, as long as there are others."""

from __future__ import annotations

import numpy as np
import pytest

from scutoid.blocks import BlockGrid, BlockStatus, BlockTask, Scheduler
from scutoid.geometry import Roi


def nothing(block):
    """No test here runs a block."""


@pytest.fixture
def scheduler():
    """Two steps of eight blocks, of which four of the first are done: 0, 1 by one worker."""
    grid = BlockGrid(Roi((0,), (8,)), 1)
    first, second = BlockTask("a", nothing, grid), BlockTask("b", nothing, grid, after=("a",))
    scheduler = Scheduler([first, second])
    batches = {share: scheduler.next(2, share=share, n_shares=2) for share in (0, 1)}
    for share, batch in batches.items():
        finish(scheduler, batch, share)
    return scheduler


def finish(scheduler, batch, share):
    statuses = np.full(len(batch.indices), BlockStatus.WRITTEN, np.uint8)
    scheduler.finished(batch.task, batch.indices, statuses, share=share)


def taken(scheduler, share, limits=9):
    batch = scheduler.next(limits, share=share, n_shares=2)
    return None if batch is None else (batch.task, batch.indices.tolist())


@pytest.mark.parametrize(("share", "own"), [(0, [0, 1]), (1, [4, 5])])
def test_a_worker_goes_on_with_what_it_has_made(scheduler, share, own):
    assert taken(scheduler, share) == (1, own)


def test_a_worker_begins_afresh_before_it_takes_what_another_has_made(scheduler):
    assert taken(scheduler, 1) == (1, [4, 5])
    assert taken(scheduler, 1, 2) == (0, [6, 7])
    assert taken(scheduler, 0, 1) == (1, [0])
    assert taken(scheduler, 0, 1) == (1, [1])


def test_where_nothing_else_is_left_a_worker_takes_what_another_has_made(scheduler):
    assert taken(scheduler, 1, [0, 9]) == (1, [4, 5])
    assert taken(scheduler, 1, [0, 9]) == (1, [0, 1])
    assert taken(scheduler, 0, [0, 9]) is None


def test_what_a_lost_worker_has_made_is_left_to_the_others(scheduler):
    every = []
    while (batch := scheduler.next(3, share=1, n_shares=2)) is not None:
        every += [(batch.task, index) for index in batch.indices.tolist()]
        finish(scheduler, batch, 1)
    assert scheduler.is_complete
    assert sorted(every) == [(0, n) for n in (2, 3, 6, 7)] + [(1, n) for n in range(8)]


def test_workers_of_one_memory_take_what_comes_first():
    grid = BlockGrid(Roi((0,), (4,)), 1)
    first, second = BlockTask("a", nothing, grid), BlockTask("b", nothing, grid, after=("a",))
    scheduler = Scheduler([first, second])
    batch = scheduler.next(2)
    finish(scheduler, batch, None)
    assert scheduler.next(9).indices.tolist() == [0, 1]
