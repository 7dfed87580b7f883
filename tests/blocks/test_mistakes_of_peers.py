"""Mistakes of other schedulers, one test each; some tests are with the code that they test.

Hanging on a block without upstream blocks, one-sided halos, lasting failures, swallowed errors,
workers that die, leave or hang: see test_scheduler, test_run, tests/executors and scutoid.testing.
"""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import scutoid as sc
from scutoid.blocks import After, BlockGrid, BlockStatus, BlockTask, Scheduler, run_blocks
from scutoid.blocks._links import Link
from scutoid.errors import GeometryError, RunFailed, StoreError
from scutoid.geometry import Roi


def nothing(block):
    """Does nothing."""


def line(n, block=1, halo=0):
    return BlockGrid(Roi((0,), (n,)), block, halo=halo)


def test_many_blocks_before_one_cost_a_counter_each_and_no_scan():
    """Work grows with the blocks, not with their square (RESEARCH 1)."""
    for edge in (After("up"), After("up", axes=(None,))):
        link = Link.between(line(100_000), line(100_000, block=100_000), edge)
        freed = [
            list(link.freed_by(np.arange(start, start + 250))) for start in range(0, 100_000, 250)
        ]
        assert all(len(parts) == 1 for parts in freed)
        assert sum(len(part.numbers) for (part,) in freed) == 100_000


def test_asking_a_scheduler_for_much_costs_little_memory():
    """A byte and a counter a block, and no graph (5): dask builds about 100 tasks a block."""
    side = 100
    up = BlockGrid(Roi((0, 0, 0), (side,) * 3), 1)
    down = BlockGrid(Roi((0, 0, 0), (side,) * 3), 1, halo=1)
    tasks = [BlockTask("a", nothing, up), BlockTask("b", nothing, down, after="a")]
    tracemalloc.start()
    try:
        scheduler = Scheduler(tasks)
        first = scheduler.next(64)
        size = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(first.indices) == 64
    assert size < 2 * side**3 * 8


def test_only_as_many_first_blocks_run_ahead_as_the_second_task_needs():
    """Roots are not all loaded before anything is finished (5)."""
    grid = BlockGrid(Roi((0, 0, 0), (32,) * 3), 1)
    halo = BlockGrid(Roi((0, 0, 0), (32,) * 3), 1, halo=1)
    scheduler = Scheduler([BlockTask("a", nothing, grid), BlockTask("b", nothing, halo, after="a")])
    done, ahead = [0, 0], []
    while (batch := scheduler.next(1)) is not None:
        statuses = np.full(len(batch.indices), BlockStatus.WRITTEN, np.uint8)
        scheduler.finished(batch.task, batch.indices, statuses)
        done[batch.task] += len(batch.indices)
        ahead.append(done[0] - done[1])
    assert max(ahead) < 0.15 * grid.n_blocks


def test_is_done_is_an_answer_about_blocks_of_this_grid_and_no_other(tmp_path):
    """What was done on a grid that begins elsewhere is not taken for done (4)."""
    run_blocks(BlockTask("t", nothing, BlockGrid(Roi((0,), (12,)), 4)), journal=tmp_path)
    moved = BlockTask("t", nothing, BlockGrid(Roi((2,), (12,)), 4))
    with pytest.raises(StoreError, match="task and grid"):
        run_blocks(moved, journal=tmp_path)


def test_changed_parameters_are_not_skipped_because_the_name_is_the_same(tmp_path):
    """A journal knows what its blocks were done with (4)."""
    run_blocks(BlockTask("t", nothing, line(5), key="sigma=2"), journal=tmp_path)
    again = run_blocks(BlockTask("t", nothing, line(5), key="sigma=2"), journal=tmp_path)
    assert again.tasks["t"].n_cached == 5
    with pytest.raises(StoreError, match="key") as caught:
        run_blocks(BlockTask("t", nothing, line(5), key="sigma=3"), journal=tmp_path)
    assert "sigma=3" in str(caught.value)


def test_a_block_that_is_rightly_zero_is_done(tmp_path):
    """And is known to be, without its voxels being looked at (17)."""
    out = sc.create(tmp_path / "out.ome.zarr", like=np.zeros((8,), "uint8"), block=2)
    ran = []

    def write_zeros(block):
        ran.append(block.index)
        wrote = out.write(block, np.zeros(2, "uint8"))
        return None if wrote else BlockStatus.EMPTY

    task = BlockTask("t", write_zeros, BlockGrid(Roi((0,), (8,)), 2))
    for _ in range(2):
        report = run_blocks(task, executor="serial", journal=tmp_path)
        assert report.ok
    assert ran == [0, 1, 2, 3]
    assert report.tasks["t"].n_cached == 4


def test_two_blocks_that_share_a_shard_are_refused_with_how_to_align_them(tmp_path):
    """They would destroy each other's voxels silently (9)."""
    raw = np.arange(64, dtype="uint8")
    out = sc.create(tmp_path / "out.ome.zarr", like=raw, block=16)

    def write(block):
        out.write(block.write_roi, raw[block.write_roi.to_slices()])

    task = BlockTask("t", write, BlockGrid(Roi((0,), (64,)), 8), retries=0)
    with pytest.raises(RunFailed) as caught:
        run_blocks(task, executor="threads", workers=2)
    assert "whole shards" in str(caught.value)
    assert "use blocks of 16" in str(caught.value)
    aligned = BlockTask("t", write, BlockGrid(Roi((0,), (64,)), 32))
    assert run_blocks(aligned, executor="threads", workers=2).ok
    assert np.array_equal(np.asarray(sc.open(out.path)), raw)
    with pytest.raises(GeometryError, match="whole shards"):
        out.write(Roi((8,), (16,)), raw[8:24])
