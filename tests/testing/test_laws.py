"""The engine's laws, under faults that follow a seed: every trace is checked against a model."""

from __future__ import annotations

import dataclasses
import tempfile
import zlib
from collections import defaultdict
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scutoid import events
from scutoid.blocks import After, BlockGrid, BlockStatus, BlockTask, Journal, run_blocks
from scutoid.geometry import Roi
from scutoid.testing import Recorder, SimulatedEvent, SimulatedExecutor


def line(n, halo=0):
    return BlockGrid(Roi((0,), (n,)), 1, halo=halo)


def nothing(block):
    """Does nothing."""


@st.composite
def grids(draw, ndim, *, most=12):
    offset = [draw(st.integers(-6, 6)) for _ in range(ndim)]
    shape = [draw(st.integers(0, most)) for _ in range(ndim)]
    block = [draw(st.integers(1, 5)) for _ in range(ndim)]
    halo = [(draw(st.integers(0, 6)), draw(st.integers(0, 6))) for _ in range(ndim)]
    fit = draw(st.sampled_from(["shrink", "valid", "overhang"]))
    return BlockGrid(Roi(offset, shape), block, halo=halo, fit=fit)


@st.composite
def edges(draw, task, grid):
    ndim = task.grid.ndim
    if ndim == grid.ndim and draw(st.booleans()):
        return task.name
    axes = draw(st.permutations([*range(grid.ndim), *[None] * ndim]))
    return After(task.name, tuple(axes[:ndim]), draw(st.sampled_from([1.0, 2.0, 0.5])))


@st.composite
def task_sets(draw):
    tasks = []
    for number in range(draw(st.integers(1, 4))):
        grid = draw(grids(draw(st.integers(1, 3))).filter(lambda grid: grid.n_blocks <= 64))
        earlier = draw(st.lists(st.sampled_from(tasks), unique=True)) if tasks else []
        chosen = np.random.default_rng(draw(st.integers(0, 999))).random(tuple(grid.shape)) < 0.7
        tasks.append(
            BlockTask(
                f"task {number}",
                nothing,
                grid,
                after=tuple(draw(edges(task, grid)) for task in earlier),
                conflict=draw(st.booleans()),
                retries=draw(st.integers(0, 4)),
                where=draw(st.sampled_from([None, None, chosen])),
                timeout=draw(st.sampled_from([None, None, None, 0.5])),
                workers=draw(st.sampled_from([None, None, 1, 2])),
            )
        )
    return tasks


chances = st.sampled_from([0.0, 0.0, 0.02, 0.1, 0.4])
executors = st.builds(
    SimulatedExecutor,
    st.integers(0, 2**32),
    delays=st.booleans(),
    failure=chances,
    loss=chances,
    leave=chances,
    late=chances,
    partial=chances,
    depth=st.integers(1, 3),
    is_one_memory=st.booleans(),
)


def sides(roi):
    return list(zip(roi.offset, roi.end, strict=True))


def meets(read, write, axes, scale=1):
    """Whether two regions, given as (start, end) on each axis, meet on the axes that are linked."""
    for own, axis in enumerate(axes):
        if axis is not None:
            low, high = (Fraction(side) * Fraction(scale) for side in read[axis])
            if not (low < write[own][1] and write[own][0] < high and low < high):
                return False
    return True


def in_conflict(grid, a, b):
    """Whether one of two blocks reads what the other writes."""
    same = range(grid.ndim)
    return any(
        meets(sides(grid.read_roi(first)), sides(grid.write_roi(second)), same)
        for first, second in ((a, b), (b, a))
    )


def level(grid, index):
    """Colours of the axes, by the definition: the least stride that keeps a colour apart."""
    colours = []
    for place, low, high, size, count in zip(
        grid.position(index), *grid.halo, grid.block_shape, grid.shape, strict=True
    ):
        reach = next(n for n in range(count) if n == count - 1 or n * size >= max(low, high))
        colours.append(place % (reach + 1))
    return colours


def own_needs(grid, index):
    """The blocks of its own task that a block with conflicts waits for."""
    wider = sides(grid.write_roi(index).grow(grid.halo[0].maximum(grid.halo[1])))
    return [
        other
        for other in range(grid.n_blocks)
        if level(grid, other) < level(grid, index)
        and meets(wider, sides(grid.write_roi(other)), range(grid.ndim))
    ]


def needs(tasks):
    """For each (task, block), the set of (task, block) that it waits for, by comparing regions."""
    grids = {task.name: task.grid for task in tasks}
    writes = {name: [sides(g.write_roi(i)) for i in range(g.n_blocks)] for name, g in grids.items()}
    waits = {}
    for task in tasks:
        for index in range(task.grid.n_blocks):
            read = sides(task.grid.read_roi(index))
            waited = waits[task.name, index] = set()
            for edge in task.edges():
                axes = edge.axes or range(grids[edge.task].ndim)
                for other, write in enumerate(writes[edge.task]):
                    if meets(read, write, axes, edge.scale):
                        waited.add((edge.task, other))
            if task.conflict:
                waited |= {(task.name, other) for other in own_needs(task.grid, index)}
    return waits


class Model:
    """The events that are allowed in a run, updated with each event that happens."""

    def __init__(self, tasks):
        self.tasks = {task.name: task for task in tasks}
        self.waits = needs(tasks)
        self.skipped = {
            (task.name, int(index))
            for task in tasks
            if task.where is not None
            for index in np.flatnonzero(~task.where)
        }
        self.done, self.begun, self.running = set(), set(), {}

    def follow(self, trace):
        for event in trace:
            if event.index >= 0:
                self.take(event, (event.work, event.index))
        assert not self.running

    def take(self, event, key):
        if event.what == "begin":
            assert key not in self.done | self.skipped
            assert key not in self.running
            assert self.waits[key] <= self.done | self.skipped
            assert event.worker not in self.running.values()
            self.begun.add(key)
            self.check_conflicts(*key)
            self.running[key] = event.worker
            self.check_workers(event.work)
        elif event.what in ("end", "fail", "lost"):
            assert self.running.pop(key) == event.worker
        elif event.what == "done":
            assert key not in self.done
            self.done.add(key)
        else:
            assert event.what == "call"
            assert self.running[key] == event.worker

    def check_conflicts(self, name, index):
        task = self.tasks[name]
        if task.conflict:
            beside = [other for work, other in self.running if work == name]
            assert not any(in_conflict(task.grid, index, other) for other in beside)

    def check_workers(self, name):
        most = self.tasks[name].workers
        at_it = {worker for (work, _), worker in self.running.items() if work == name}
        assert most is None or len(at_it) <= most

    def orphans_of(self, failed):
        """All blocks that depend on failed blocks; no others are left."""
        lost = set(failed)
        left = set(self.waits) - lost - self.done - self.skipped
        while grown := {key for key in left if self.waits[key] & lost}:
            lost |= grown
            left -= grown
        assert not left
        return lost - set(failed)


@settings(max_examples=150)
@given(tasks=task_sets(), executor=executors, workers=st.integers(1, 5))
def test_random_runs_keep_all_promises_whatever_fails(tasks, executor, workers):
    recorder, model = Recorder(), Model(tasks)
    with tempfile.TemporaryDirectory() as folder:
        report = run_blocks(
            *(tasks,),
            workers=workers,
            executor=executor,
            journal=folder,
            on_failure="return",
            listeners=[recorder],
        )
        journalled = {
            (task.name, int(index))
            for task in tasks
            for index in np.flatnonzero(Journal.read(Path(folder) / f"{task.name}.journal"))
        }
    model.follow(executor.trace)
    assert journalled == model.done
    failed = check_failures(recorder, tasks)
    orphans = model.orphans_of(failed)
    for name, of_task in report.tasks.items():
        n_done = sum(work == name for work, _ in model.done)
        n_failed = sum(work == name for work, _ in failed)
        n_orphaned = sum(work == name for work, _ in orphans)
        counts = (of_task.n_done, of_task.n_failed, of_task.n_orphaned)
        assert counts == (n_done, n_failed, n_orphaned)
        assert of_task.n_skipped == sum(work == name for work, _ in model.skipped)
        assert {(name, failure.index) for failure in of_task.failures} <= failed
    assert not orphans & model.begun
    assert report.ok == (not failed)


def check_failures(recorder, tasks):
    """Check that attempts are counted up to the last; give what failed for good."""
    retries = {task.name: task.retries for task in tasks}
    tries = defaultdict(list)
    for event in recorder.of(events.BlockFailed):
        tries[event.task, event.index].append(event)
    for (task, _), failures in tries.items():
        assert [event.attempt for event in failures] == list(range(1, len(failures) + 1))
        assert all(event.will_retry == (event.attempt <= retries[task]) for event in failures)
    return {key for key, failures in tries.items() if not failures[-1].will_retry}


class Folding:
    """Three tasks whose result depends on the order in which blocks see each other's writing."""

    def __init__(self, grid, retries=100):
        self.grid = grid
        low = [start - halo for start, halo in zip(grid.total.offset, grid.halo[0], strict=True)]
        last = grid.write_roi(grid.n_blocks - 1).end
        high = [stop + halo for stop, halo in zip(last, grid.halo[1], strict=True)]
        self.origin = tuple(low)
        shape = [stop - start for start, stop in zip(low, high, strict=True)]
        self.first = np.zeros(shape, np.uint32)
        # What lies there before is nobody's: blocks must not see it.
        self.folded = np.random.default_rng().integers(2**32, size=shape, dtype=np.uint32)
        self.total = np.zeros(1, np.uint32)
        plain = BlockGrid(grid.total, grid.block_shape, fit=grid.fit)
        self.tasks = [
            BlockTask("first", self.write_first, plain, retries=retries),
            BlockTask("fold", self.fold, grid, after="first", conflict=True, retries=retries),
            BlockTask(
                *("sum", self.sum_up, line(1)),
                after=After.all("fold", grid.ndim),
                retries=retries,
            ),
        ]

    def part(self, array, roi):
        return array[roi.to_slices(self.origin)]

    def write_first(self, block):
        self.part(self.first, block.write_roi)[...] = zlib.crc32(str(block.index).encode())

    def fold(self, block):
        seen = [self.part(self.first, block.read_roi).tobytes()]
        seen += [self.part(self.folded, roi).tobytes() for roi in block.neighbours]
        self.part(self.folded, block.write_roi)[...] = zlib.crc32(b"".join(seen))

    def sum_up(self, block):
        written = (self.part(self.folded, self.grid.write_roi(i)) for i in range(len(self.grid)))
        self.total[0] = zlib.crc32(b"".join(part.tobytes() for part in written))


def result_of(grid, **options):
    folding = Folding(grid)
    report = run_blocks(folding.tasks, **options)
    assert report.ok
    return int(folding.total[0])


some_blocks = st.integers(1, 3).flatmap(grids).filter(lambda grid: 0 < grid.n_blocks <= 100)


@settings(max_examples=60)
@given(grid=some_blocks, executor=executors, workers=st.integers(1, 6))
def test_what_blocks_see_of_each_other_depends_on_no_worker_and_no_fault(grid, executor, workers):
    expected = result_of(grid, executor="serial")
    assert result_of(grid, executor=executor, workers=workers) == expected


class Interrupter:
    """A listener that interrupts a run at its n-th event."""

    def __init__(self, after):
        self._left = after

    def on_event(self, event):
        if self._left == 0:
            raise KeyboardInterrupt
        self._left -= 1


@settings(max_examples=80)
@given(
    grid=some_blocks,
    executors=st.lists(executors, min_size=2, max_size=4),
    stops=st.lists(st.integers(0, 80), min_size=4, max_size=4),
    workers=st.integers(1, 5),
)
def test_a_run_that_is_broken_off_anywhere_goes_on_to_the_same_result(
    grid, executors, stops, workers
):
    folding = Folding(grid)
    with tempfile.TemporaryDirectory() as folder:
        for place, executor in enumerate(executors):
            before = set(journalled_of(folder, folding.tasks))
            is_last = place == len(executors) - 1
            try:
                run_blocks(
                    *(folding.tasks,),
                    executor=executor,
                    workers=workers,
                    journal=folder,
                    listeners=() if is_last else [Interrupter(stops[place])],
                )
            except KeyboardInterrupt:
                assert not is_last
            began = {(e.work, e.index) for e in executor.trace if e.what == "begin"}
            assert not began & before
        tasks = folding.tasks
        everything = {(task.name, i) for task in tasks for i in range(task.grid.n_blocks)}
        assert set(journalled_of(folder, tasks)) == everything
    assert int(folding.total[0]) == result_of(grid, executor="serial")


def journalled_of(folder, tasks):
    for task in tasks:
        path = Path(folder) / f"{task.name}.journal"
        if path.exists():
            yield from ((task.name, int(i)) for i in np.flatnonzero(Journal.read(path)))


def test_an_overlap_would_be_seen_in_the_trace():
    """The model detects blocks that are run without regard to conflicts."""
    careless = BlockTask("t", nothing, line(30, halo=1))
    executor = SimulatedExecutor(4)
    run_blocks(careless, executor=executor, workers=4)
    with pytest.raises(AssertionError):
        Model([dataclasses.replace(careless, conflict=True)]).follow(executor.trace)


def test_a_block_that_begins_too_early_would_be_seen_in_the_trace():
    tasks = [BlockTask("a", nothing, line(2)), BlockTask("b", nothing, line(2), after="a")]
    early = SimulatedEvent(0.0, 0, "begin", "b", 0)
    with pytest.raises(AssertionError):
        Model(tasks).follow([early])


def test_what_was_under_way_when_a_run_is_broken_off_may_have_been_written(tmp_path):
    called = []
    task = BlockTask("t", lambda block: called.append(block.index), line(200))
    n_torn = 0
    for seed in range(20):
        called.clear()
        with pytest.raises(KeyboardInterrupt):
            run_blocks(
                task,
                executor=SimulatedExecutor(seed),
                workers=4,
                journal=tmp_path / str(seed),
                listeners=[Interrupter(8)],
            )
        done = Journal.read(tmp_path / str(seed) / "t.journal") == BlockStatus.WRITTEN
        n_torn += len(set(called) - set(np.flatnonzero(done).tolist()))
    assert n_torn > 0
