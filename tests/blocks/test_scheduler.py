"""The scheduler against a brute-force model that compares regions."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scutoid.blocks import (
    After,
    BlockGrid,
    BlockStatus,
    BlockTask,
    Scheduler,
    _links,
    conflict_order,
    lower_neighbours,
)
from scutoid.blocks._links import Link
from scutoid.blocks._ready_queue import TileWalk
from scutoid.errors import GeometryError
from scutoid.geometry import Roi


def nothing(block):
    """No test here runs a block."""


@st.composite
def grids(draw, ndim):
    offset = [draw(st.integers(-6, 6)) for _ in range(ndim)]
    shape = [draw(st.integers(0, 14)) for _ in range(ndim)]
    block = [draw(st.integers(1, 6)) for _ in range(ndim)]
    halo = [(draw(st.integers(0, 7)), draw(st.integers(0, 7))) for _ in range(ndim)]
    fit = draw(st.sampled_from(["shrink", "valid", "overhang"]))
    return BlockGrid(Roi(offset, shape), block, halo=halo, fit=fit)


@st.composite
def edges(draw, name, upstream, downstream):
    if upstream.ndim == downstream.ndim and draw(st.booleans()):
        return name
    axes = draw(st.permutations([*range(downstream.ndim), *[None] * upstream.ndim]))
    scale = draw(st.sampled_from([1.0, 2.0, 0.5, 10 / 3, (0.25,) * upstream.ndim]))
    return After(name, tuple(axes[: upstream.ndim]), scale)


@st.composite
def runs(draw):
    tasks = []
    for number in range(draw(st.integers(1, 4))):
        grid = draw(grids(draw(st.integers(1, 3))))
        earlier = draw(st.lists(st.sampled_from(tasks), unique=True)) if tasks else []
        tasks.append(
            BlockTask(
                f"task {number}",
                nothing,
                grid,
                after=tuple(draw(edges(task.name, task.grid, grid)) for task in earlier),
                conflict=draw(st.booleans()),
                retries=draw(st.integers(0, 2)),
                where=_mask(draw, grid) if draw(st.integers(0, 3)) == 0 else None,
            )
        )
    return tasks


def _mask(draw, grid):
    bits = draw(st.integers(0, 2**32))
    return np.random.default_rng(bits).random(tuple(grid.shape)) < 0.6


def conflict_level(grid, index):
    """Colours of the axes, by the definition: the least stride that keeps a colour apart."""
    colours = []
    for place, low, high, size, count in zip(
        grid.position(index), *grid.halo, grid.block_shape, grid.shape, strict=True
    ):
        reach = 0
        while reach < count - 1 and reach * size < max(low, high):
            reach += 1
        colours.append(place % (reach + 1))
    return tuple(colours)


def in_conflict(grid, a, b):
    return any(
        all(
            read.offset[axis] < write.end[axis] and write.offset[axis] < read.end[axis]
            for axis in range(grid.ndim)
        )
        for read, write in (
            (grid.read_roi(a), grid.write_roi(b)),
            (grid.read_roi(b), grid.write_roi(a)),
        )
    )


def meets(read, write, axes, scale=1.0):
    """Whether two regions, given as (start, end) on each axis, meet on the axes that are linked."""
    scales = scale if isinstance(scale, tuple) else (scale,) * len(axes)

    def scaled(side, by):
        low, high = side
        return Fraction(low) * by, Fraction(high) * by

    for (own, axis), by in zip(enumerate(axes), scales, strict=True):
        if axis is None:
            continue
        low, high = scaled(read[axis], Fraction(by).limit_denominator(1000))
        if not (low < write[own][1] and write[own][0] < high and low < high):
            return False
    return True


def sides(roi):
    return list(zip(roi.offset, roi.end, strict=True))


def needs(tasks):
    """For each (task, block), the set of (task, block) that it waits for, by comparing regions."""
    by_name = {task.name: number for number, task in enumerate(tasks)}
    reads = [[sides(t.grid.read_roi(i)) for i in range(t.grid.n_blocks)] for t in tasks]
    writes = [[sides(t.grid.write_roi(i)) for i in range(t.grid.n_blocks)] for t in tasks]
    waits = {}
    for number, task in enumerate(tasks):
        same = tuple(range(task.grid.ndim))
        wider = task.grid.halo[0].maximum(task.grid.halo[1])
        reaches = [sides(task.grid.write_roi(i).grow(wider)) for i in range(task.grid.n_blocks)]
        levels = [conflict_level(task.grid, index) for index in range(task.grid.n_blocks)]
        for index, read in enumerate(reads[number]):
            waited = waits[number, index] = set()
            for edge in task.edges():
                earlier = by_name[edge.task]
                axes = edge.axes or same
                waited |= {
                    (earlier, other)
                    for other, write in enumerate(writes[earlier])
                    if meets(read, write, axes, edge.scale)
                }
            if task.conflict:
                waited |= {
                    (number, other)
                    for other, level in enumerate(levels)
                    if level < levels[index] and meets(reaches[index], writes[number][other], same)
                }
    return waits


def is_small(tasks):
    return all(task.grid.n_blocks <= 80 for task in tasks)


@settings(max_examples=200, deadline=None)
@given(tasks=runs().filter(is_small), seed=st.integers(0, 2**32), fails=st.booleans())
def test_random_runs_agree_with_the_model(tasks, seed, fails):  # noqa: C901 - a model of it all
    rng = np.random.default_rng(seed)
    waits = needs(tasks)
    done_before = [
        (rng.random(task.grid.n_blocks) < 0.3).astype(np.uint8) * BlockStatus.WRITTEN
        if rng.random() < 0.3
        else None
        for task in tasks
    ]
    scheduler = Scheduler(tasks, done_before)
    satisfied, tried = set(), {}
    for number in range(len(tasks)):
        states = scheduler.states(number)
        satisfied |= {(number, int(i)) for i in np.flatnonzero(states >= BlockStatus.WRITTEN)}
    to_run = set(waits) - satisfied
    lost, out = set(), []

    def hand_out():
        batch = scheduler.next([int(n) for n in rng.integers(0, 9, len(tasks))])
        if batch is None:
            batch = scheduler.next(int(rng.integers(1, 9)))
        if batch is None:
            return False
        for index in batch.indices.tolist():
            key = (batch.task, index)
            assert key in to_run
            assert key not in satisfied
            assert key not in lost
            assert waits[key] <= satisfied
            assert tried.get(key, 0) + 1 == batch.attempt
            grid = tasks[batch.task].grid
            if tasks[batch.task].conflict:
                running = [i for b in out if b.task == batch.task for i in b.indices.tolist()]
                assert not any(in_conflict(grid, index, other) for other in running)
        out.append(batch)
        return True

    while not scheduler.is_complete:
        while rng.random() < 0.7 and hand_out():
            pass
        if not out:
            assert hand_out()
        batch = out.pop(int(rng.integers(len(out))))
        if rng.random() < 0.1:
            scheduler.returned(batch, batch.indices)
            continue
        bad = rng.random(len(batch.indices)) < (0.2 if fails else 0)
        good = batch.indices[~bad]
        scheduler.finished(batch.task, good, np.full(len(good), BlockStatus.WRITTEN, np.uint8))
        satisfied |= {(batch.task, int(index)) for index in good}
        for index in batch.indices[bad].tolist():
            key = (batch.task, index)
            tried[key] = tried.get(key, 0) + 1
            failure = scheduler.failed(*key)
            assert failure.will_retry == (tried[key] <= tasks[batch.task].retries)
            if not failure.will_retry:
                lost.add(key)
    assert not out
    orphans = to_run - satisfied - lost
    expected, grown = set(), True
    while grown:
        new = {k for k in orphans - expected if waits[k] & (lost | expected)}
        expected |= new
        grown = bool(new)
    assert orphans == expected
    for number in range(len(tasks)):
        tally = scheduler.tally(number)
        assert tally[BlockStatus.FAILED] == sum(task == number for task, _ in lost)
        assert tally[BlockStatus.ORPHANED] == sum(task == number for task, _ in orphans)
        assert scheduler.n_open(number) == 0


@st.composite
def links(draw):
    upstream = draw(grids(draw(st.integers(1, 3))))
    if draw(st.booleans()):
        return Link.conflicts(upstream)
    downstream = draw(grids(draw(st.integers(1, 3))))
    edge = draw(edges("up", upstream, downstream))
    return Link.between(upstream, downstream, After("up") if edge == "up" else edge)


WAYS = {
    "as it chooses": {},
    "one by one": {"_FEW": 10**9, "_NARROW": 10**9},
    "as a box for each": {"_FEW": 10**9, "_NARROW": -1},
    "as lists": {"_FEW": 0, "_NARROW": 10**9, "_SHORT": 10**9, "_LISTED": 9},
    "by a mask": {"_FEW": 0, "_NARROW": -1, "_SPARSE": 10**9},
    "by halves": {"_FEW": 1, "_NARROW": -1, "_SPARSE": 0},
}


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=60, deadline=None)
@given(link=links().filter(bool), seed=st.integers(0, 2**32))
def test_a_batch_frees_the_blocks_that_wait_for_it(way, link, seed):
    rng = np.random.default_rng(seed)
    is_done = rng.random(link.upstream) < rng.random()
    waits, frees = np.zeros(link.downstream, np.int32), np.zeros(link.upstream, np.int32)
    for index, place in enumerate(np.ndindex(link.downstream)):
        for box in link.waited_for(index):
            waits[place] += is_done[box].sum()
            frees[box] += 1
    assert frees.max(initial=0) <= link.fan
    counts = link.counts()
    left = counts - waits
    with pytest.MonkeyPatch.context() as patched:
        for name, value in WAYS[way].items():
            patched.setattr(_links, name, value)
        freed = list(link.freed_by(np.flatnonzero(is_done))) if is_done.any() else []
    for part in freed:
        part.take_off(counts)
    assert np.array_equal(counts, left)
    ready = np.concatenate([np.zeros(0, int), *(part.where(counts, 0) for part in freed)])
    assert set(ready.tolist()) == set(np.flatnonzero((left == 0) & (waits > 0)).tolist())
    assert all(
        len(set(found.tolist())) == len(found)
        for part in freed
        for found in [part.where(counts, 0)]
    )


def test_a_scattered_batch_is_taken_off_as_one():
    link = Link.conflicts(BlockGrid(Roi((0, 0, 0), (40, 40, 40)), 1, halo=1))
    scattered = np.random.default_rng(7).permutation(40**3)[:1024]
    assert len(list(link.freed_by(scattered))) == 1


@settings(max_examples=200, deadline=None)
@given(grid=st.integers(1, 3).flatmap(grids), seed=st.integers(0, 2**32))
def test_shuffled_blocks_are_sorted_by_their_levels(grid, seed):
    shuffled = np.random.default_rng(seed).integers(0, max(grid.n_blocks, 1), 2 * grid.n_blocks)
    order = conflict_order(grid, shuffled.tolist())
    assert order == sorted(
        shuffled.tolist(), key=lambda index: (conflict_level(grid, index), index)
    )
    assert all(type(index) is int for index in order)
    assert conflict_order(grid, iter(shuffled)) == order


def test_levels_in_a_grid_of_more_blocks_than_64_bits_count():
    grid = BlockGrid(Roi((0, 0, 0), (10**9,) * 3), 1, halo=1)
    numbers = [10**27 - 1, 1, 10**27 - 2, 2, 10**26 + 7]
    expected = sorted(numbers, key=lambda index: (conflict_level(grid, index), index))
    assert conflict_order(grid, numbers) == expected == [2, 1, 10**26 + 7, 10**27 - 2, 10**27 - 1]
    assert lower_neighbours(grid, 3) == [2, 4]


@pytest.mark.parametrize("index", [-1, 4, 2.0, True, np.float64(1), None, 10**30])
def test_a_block_that_is_not_there_has_no_level(index):
    grid = BlockGrid(Roi((0,), (8,)), 2, halo=1)
    with pytest.raises(GeometryError, match=r"blocks 0 to 3|integers"):
        conflict_order(grid, [0, index, 1])


def test_levels_of_many_blocks_are_computed_together(monkeypatch):
    grid = BlockGrid(Roi((0, 0), (9, 7)), 1, halo=2)
    shuffled = np.random.default_rng(3).permutation(63).tolist()
    expected = sorted(shuffled, key=lambda index: (conflict_level(grid, index), index))
    monkeypatch.setattr(BlockGrid, "position", None)  # asks for one block
    assert conflict_order(grid, shuffled) == expected


def run_alone(scheduler, size=1000):
    """Finish every batch as it comes, and give the batches."""
    batches = []
    while (batch := scheduler.next(size)) is not None:
        batches.append(batch)
        scheduler.finished(
            batch.task, batch.indices, np.full(len(batch.indices), BlockStatus.WRITTEN, np.uint8)
        )
    assert scheduler.is_complete
    return batches


def test_a_context_of_one_runs_a_four_by_four_grid_in_four_levels_of_four():
    grid = BlockGrid(Roi((0, 0), (4, 4)), 1, halo=1)
    batches = run_alone(Scheduler([BlockTask("t", nothing, grid, conflict=True)]), size=16)
    assert [len(batch.indices) for batch in batches] == [4, 4, 4, 4]
    levels = [{conflict_level(grid, i) for i in b.indices.tolist()} for b in batches]
    assert levels == [{(0, 0)}, {(0, 1)}, {(1, 0)}, {(1, 1)}]


def test_without_halo_nothing_conflicts():
    task = BlockTask("t", nothing, BlockGrid(Roi((0, 0), (4, 4)), 2), conflict=True)
    assert len(run_alone(Scheduler([task]))) == 1


def test_a_block_that_meets_no_upstream_block_waits_for_nothing():
    up = BlockTask("up", nothing, BlockGrid(Roi((0,), (10,)), 5))
    down = BlockTask("down", nothing, BlockGrid(Roi((100,), (10,)), 5), after=("up",))
    first = Scheduler([up, down]).next(10)
    assert first.task == 1
    assert first.indices.tolist() == [0, 1]


def test_blocks_beyond_a_cut_upstream_block_wait_for_nothing():
    up = BlockTask("up", nothing, BlockGrid(Roi((0,), (2,)), 3))
    down = BlockTask("down", nothing, BlockGrid(Roi((0,), (4,)), 1), after=("up",))
    assert Scheduler([up, down]).next(10).indices.tolist() == [2, 3]
    assert [batch.task for batch in run_alone(Scheduler([up, down]))] == [1, 0, 1]


def test_asymmetric_halos_are_looked_up_the_right_way_round():
    up = BlockTask("up", nothing, BlockGrid(Roi((0,), (4,)), 1))
    grid = BlockGrid(Roi((0,), (4,)), 1, halo=[(2, 0)])
    scheduler = Scheduler([up, BlockTask("down", nothing, grid, after=("up",))])
    scheduler.next([4, 0])
    scheduler.finished(0, np.array([0]), np.array([BlockStatus.WRITTEN], np.uint8))
    assert scheduler.next(10).indices.tolist() == [0]
    scheduler.finished(0, np.array([2]), np.array([BlockStatus.WRITTEN], np.uint8))
    assert scheduler.next(10) is None
    scheduler.finished(0, np.array([1]), np.array([BlockStatus.WRITTEN], np.uint8))
    assert scheduler.next(10).indices.tolist() == [1, 2]


def test_waiting_for_all_opens_at_the_last_block():
    up = BlockTask("up", nothing, BlockGrid(Roi((0,), (1000,)), 1))
    down = BlockTask("down", nothing, BlockGrid(Roi((0, 0), (3, 3)), 1), after=After.all("up", 1))
    batches = run_alone(Scheduler([up, down]), size=100)
    assert [batch.task for batch in batches] == [0] * 10 + [1]


def test_one_block_that_reads_everything_waits_for_all():
    up = BlockTask("up", nothing, BlockGrid(Roi((0,), (1000,)), 1))
    down = BlockTask("down", nothing, BlockGrid(Roi((0,), (1000,)), 1000), after=("up",))
    batches = run_alone(Scheduler([up, down]), size=7)
    assert [batch.task for batch in batches[-2:]] == [0, 1]


def test_dependants_run_before_more_of_the_first_task():
    up = BlockTask("up", nothing, BlockGrid(Roi((0,), (100,)), 1))
    down = BlockTask("down", nothing, BlockGrid(Roi((0,), (100,)), 1), after=("up",))
    assert [batch.task for batch in run_alone(Scheduler([up, down]), size=1)[:6]] == [0, 1] * 3


def test_failed_and_orphaned_are_all_when_the_roots_fail():
    grids = [BlockGrid(Roi((0, 0), (20, 20)), 2, halo=1), BlockGrid(Roi((0, 0), (20, 20)), 3)]
    tasks = [
        BlockTask("a", nothing, grids[0], retries=0),
        BlockTask("b", nothing, grids[1], after=("a",)),
        BlockTask("c", nothing, grids[0], after=After.all("b", 2), conflict=True),
    ]
    scheduler = Scheduler(tasks)
    while (batch := scheduler.next(13)) is not None:
        assert batch.task == 0
        for index in batch.indices.tolist():
            assert not scheduler.failed(0, index).will_retry
    assert scheduler.is_complete
    assert scheduler.tally(0)[BlockStatus.FAILED] == grids[0].n_blocks
    assert scheduler.tally(1)[BlockStatus.ORPHANED] == grids[1].n_blocks
    assert scheduler.tally(2)[BlockStatus.ORPHANED] == grids[0].n_blocks


def test_an_abandoned_task_takes_its_dependants_along():
    grid = BlockGrid(Roi((0,), (10,)), 1)
    tasks = [BlockTask("a", nothing, grid), BlockTask("b", nothing, grid, after=("a",))]
    scheduler = Scheduler(tasks)
    batch = scheduler.next(3)
    assert scheduler.abandon(0) == {1: 7}
    assert scheduler.returned(batch, batch.indices) == {1: 3}
    assert scheduler.is_complete
    assert scheduler.tally(0)[BlockStatus.FAILED] == 10


def test_an_edge_must_name_the_axes_where_the_tasks_differ_in_their_number():
    up = BlockTask("up", nothing, BlockGrid(Roi((0,), (10,)), 5))
    down = BlockTask("down", nothing, BlockGrid(Roi((0, 0), (9, 9)), 5), after=("up",))
    with pytest.raises(GeometryError, match="which of the 2 axes"):
        Scheduler([up, down])


@given(st.lists(st.integers(0, 40), min_size=1, max_size=4).map(tuple))
def test_a_walk_by_tiles_visits_each_block_once(shape):
    seen = np.concatenate([np.zeros(0, np.int64), *TileWalk(shape)])
    assert np.array_equal(np.sort(seen), np.arange(np.prod(shape)))


def test_a_walk_by_tiles_keeps_neighbours_together():
    first = next(iter(TileWalk((64, 64, 64))))[:64]
    places = np.array(np.unravel_index(first, (64, 64, 64)))
    assert np.ptp(places, axis=1).tolist() == [3, 3, 3]


@pytest.mark.parametrize("shape", [(37,), (9, 13), (5, 6, 7)])
def test_large_scattered_batches_free_the_same_blocks_as_single_ones(shape):
    grid = BlockGrid(Roi((0,) * len(shape), shape), 1, halo=1)
    task = BlockTask("t", nothing, grid, conflict=True)
    orders = []
    for size in (1, 8, 1000):
        batches = run_alone(Scheduler([task]), size)
        order = list(itertools.chain(*(batch.indices.tolist() for batch in batches)))
        assert sorted(order) == list(range(grid.n_blocks))
        orders.append(order)


def test_a_task_on_coarser_voxels_waits_for_what_it_covers():
    up = BlockTask("up", nothing, BlockGrid(Roi((0,), (16,)), 4))
    down = BlockTask("down", nothing, BlockGrid(Roi((0,), (8,)), 4), after=After("up", scale=2))
    scheduler = Scheduler([up, down])
    done = np.array([BlockStatus.WRITTEN], np.uint8)
    scheduler.next([4, 0])
    scheduler.finished(0, np.array([0]), done)
    assert scheduler.next([0, 9]) is None
    scheduler.finished(0, np.array([1]), done)
    assert scheduler.next([0, 9]).indices.tolist() == [0]


@pytest.mark.parametrize("scale", [0, -2.0, float("inf"), (1.0, 0.0)])
def test_the_scale_of_an_edge_is_above_zero(scale):
    with pytest.raises(GeometryError, match="above 0"):
        After("up", scale=scale)


def test_an_edge_has_a_scale_for_each_axis_or_one():
    up = BlockTask("up", nothing, BlockGrid(Roi((0,), (10,)), 5))
    down = BlockTask("down", nothing, up.grid, after=(After("up", scale=(1.0, 2.0)),))
    with pytest.raises(GeometryError, match="one scale"):
        Scheduler([up, down])
