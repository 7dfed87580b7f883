"""Blocks are made many at a time, and are those that the grid tells of one by one."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import pytest

from scutoid.blocks import Block, BlockGrid
from scutoid.blocks._block import _TOGETHER, blocks_of
from scutoid.executors import Job, NoHeartbeat, Work, Workbench
from scutoid.geometry import Coordinate, Roi

GRIDS = {
    "no halo": BlockGrid(Roi((0, 0), (40, 40)), 1),
    "halo, less at the edge": BlockGrid(Roi((-3, 5), (41, 62)), (2, 2), halo=[(1, 0), (4, 2)]),
    "a halo on one side of one axis": BlockGrid(Roi((0,), (1000,)), 1, halo=[(0, 1)]),
    "whole blocks": BlockGrid(Roi((1, 1), (9, 9)), 4, fit="overhang"),
}


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
@pytest.mark.parametrize("conflict", [False, True], ids=["alone", "conflict"])
def test_blocks_made_together_are_those_of_the_grid(grid, conflict):
    indices = np.arange(grid.n_blocks)[::-1].copy()
    blocks = list(blocks_of("t", grid, indices, conflict=conflict))
    assert blocks == [
        Block("t", int(index), grid.read_roi(index), grid.write_roi(index)) for index in indices
    ]
    assert {block.conflicts_in for block in blocks} == {grid if conflict else None}
    assert pickle.loads(pickle.dumps(blocks)) == blocks


def test_blocks_are_of_the_types_that_functions_are_told():
    (block,) = blocks_of("t", GRIDS["no halo"], np.array([41]))
    parts = [part for roi in (block.read_roi, block.write_roi) for part in (roi.offset, roi.shape)]
    assert [type(part) for part in parts] == [Coordinate] * 4
    assert [type(size) for part in parts for size in part] == [int] * 8
    assert hash(block.read_roi) == hash(Roi((1, 1), (1, 1)))


def test_no_blocks_are_made_of_no_numbers():
    assert list(blocks_of("t", GRIDS["no halo"], np.zeros(0, np.int64))) == []


def test_a_cheap_block_costs_a_worker_a_few_calls():
    """Calls of Python's functions are counted: those of the block itself, and two beside it."""
    grid, calls = BlockGrid(Roi((0, 0), (40, 40)), 1), []
    work = Work("t", lambda block, values: (2, None), lambda n: blocks_of("t", grid, n))
    bench, n = Workbench(0), 3 * _TOGETHER
    sys.setprofile(lambda frame, event, of: event == "call" and calls.append(frame.f_code.co_name))
    try:
        outcome = bench.carry_out(Job(0, 0, np.arange(n)), work, NoHeartbeat())
    finally:
        sys.setprofile(None)
    assert outcome.statuses.tolist() == [2] * n
    assert len(calls) < 2.2 * n


def test_the_slowest_of_many_are_told_with_their_seconds(monkeypatch):
    took = {3: 5.0, 11: 7.0, 12: 6.0}
    now = [0.0]

    def call(item, values):
        now[0] += took.get(item, 1.0)
        return 2, None

    monkeypatch.setattr("scutoid.executors._workbench.time.perf_counter", lambda: now[0])
    work = Work("t", call, lambda numbers: numbers.tolist())
    outcome = Workbench(0).carry_out(Job(0, 0, np.arange(20)), work, NoHeartbeat())
    assert outcome.slowest == ((11, 7.0), (12, 6.0), (3, 5.0))
    assert outcome.seconds == 17 + 18
    one = Workbench(0).carry_out(Job(1, 0, np.arange(3, 4)), work, NoHeartbeat())
    assert one.slowest == ((0, 5.0),)
