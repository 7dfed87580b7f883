"""A run as a whole: checks before work, budgets, listeners, reports."""

from __future__ import annotations

import concurrent.futures
import os
import signal
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scutoid import events
from scutoid.blocks import After, BlockGrid, BlockTask, Mask, parse_bytes, run_blocks
from scutoid.blocks._batch_sizer import BatchSizer
from scutoid.errors import GeometryError, ParameterError, PipelineError, RunFailed, StoreError
from scutoid.geometry import Roi
from scutoid.testing import Recorder, SimulatedExecutor


def grid(n):
    return BlockGrid(Roi((0,), (n,)), 1)


def never(block):
    raise AssertionError("a block ran, though the run was refused")


def run(*tasks, **options):
    return run_blocks(tasks, executor=options.pop("executor", "serial"), **options)


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ({"a": ("b",), "b": ("c",), "c": ("a",)}, "in a circle"),
        ({"a": ("a",)}, "in a circle"),
        ({"a": ("nobody",)}, "tasks of the same run"),
    ],
)
def test_edges_that_cannot_be_are_refused(edges, message):
    tasks = [BlockTask(name, never, grid(3), after=after) for name, after in edges.items()]
    with pytest.raises(PipelineError, match=message):
        run(*tasks)


def test_names_are_unique():
    with pytest.raises(PipelineError, match="own name"):
        run(BlockTask("a", never, grid(3)), BlockTask("a", never, grid(3)))


def test_axes_of_an_edge_must_fit():
    flat = BlockGrid(Roi((0, 0), (3, 3)), 1)
    tasks = [BlockTask("a", never, flat), BlockTask("b", never, grid(3), after=("a",))]
    with pytest.raises(GeometryError, match="2 axes of the earlier task"):
        run(*tasks)


@pytest.mark.parametrize("executor", ["serial", "threads"])
def test_a_time_out_is_refused_where_nobody_can_keep_it(executor):
    with pytest.raises(ParameterError, match="timeout") as caught:
        run(BlockTask("t", never, grid(3), timeout=5), executor=executor)
    assert "processes" in str(caught.value)


def test_an_unknown_executor_is_told_the_known_ones():
    with pytest.raises(ParameterError) as caught:
        run(BlockTask("t", never, grid(3)), executor="cloud")
    assert "dask, local, lsf, pbs, processes, serial, sge, slurm, threads" in str(caught.value)


@pytest.mark.parametrize("workers", [0, -1, True, "2", None])
def test_workers_are_counted_from_one(workers):
    with pytest.raises(ParameterError, match="1 worker or more"):
        run(BlockTask("t", never, grid(3)), workers=workers)


@pytest.mark.parametrize("on_failure", ["ignore", 0, -3, True])
def test_on_failure_is_one_of_its_values(on_failure):
    with pytest.raises(ParameterError, match="on_failure"):
        run(BlockTask("t", never, grid(3)), on_failure=on_failure)


def test_a_block_may_not_require_more_than_there_is():
    task = BlockTask("t", never, grid(3), requires={"gpu": 2})
    with pytest.raises(ParameterError, match="gpu") as caught:
        run(task)
    assert "resources={'gpu': 2}" in str(caught.value)


@pytest.mark.parametrize(
    "resources", [["gpu"], {"gpu": "two"}, {"gpu": -1}, {"gpu": float("nan")}, {"gpu": True}]
)
def test_resources_are_amounts_by_name(resources):
    with pytest.raises(ParameterError, match="amounts by name"):
        run(BlockTask("t", never, grid(3)), resources=resources)


@pytest.mark.parametrize("field", ["where", "is_done"])
def test_a_choice_of_blocks_has_the_grids_shape(field):
    with pytest.raises(GeometryError, match="grid's shape"):
        run(BlockTask("t", never, grid(3), **{field: np.ones(4, bool)}))


def test_a_journal_of_another_grid_is_refused(tmp_path):
    run(BlockTask("t", lambda block: None, grid(3)), journal=tmp_path)
    with pytest.raises(StoreError, match="task and grid"):
        run(BlockTask("t", never, grid(4)), journal=tmp_path)


def test_tasks_may_come_in_any_order_and_by_object():
    order = []
    a = BlockTask("a", lambda block: order.append("a"), grid(2))
    b = BlockTask("b", lambda block: order.append("b"), grid(1), after=After.all("a", 1))
    c = BlockTask("c", lambda block: order.append("c"), grid(1), after=b)
    assert run(c, b, a).ok
    assert order == ["a", "a", "b", "c"]


def test_names_that_are_no_file_names_have_journals(tmp_path):
    task = BlockTask("plate/A01 ü", lambda block: None, grid(3))
    run(task, journal=tmp_path)
    assert run(task, journal=tmp_path).tasks[task.name].n_cached == 3
    assert all(path.parent == tmp_path for path in tmp_path.rglob("*.journal"))


def test_what_the_caller_knows_to_be_done_counts_as_cached():
    ran = []
    task = BlockTask(
        "t", lambda b: ran.append(b.index), grid(4), is_done=np.array([1, 0, 0, 1], bool)
    )
    report = run(task).tasks["t"]
    assert ran == [1, 2]
    assert (report.n_done, report.n_cached) == (4, 2)


def test_a_run_without_blocks_is_done():
    empty = BlockGrid(Roi((0,), (0,)), 1)
    report = run(BlockTask("t", never, empty), BlockTask("u", never, empty, after="t"))
    assert report.ok
    assert report.tasks["t"].n_blocks == 0


class Gauge:
    """Counts blocks that run at once; the first waits for the expected number."""

    def __init__(self, least=1):
        self.lock = threading.Lock()
        self.inside = self.most = 0
        self.least = least
        self.both = threading.Barrier(2)

    def __call__(self, block):
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        while self.most < self.least:
            time.sleep(0.01)
        # Give any other block that may be let in the time to come.
        try:
            self.both.wait(timeout=0.02)
        except threading.BrokenBarrierError:
            self.both.reset()
        with self.lock:
            self.inside -= 1


@pytest.mark.parametrize(
    ("fields", "options", "most"),
    [
        ({"requires": {"gpu": 1}}, {}, 1),
        ({"requires": {"gpu": 1}}, {"resources": {"gpu": 2}}, 2),
        ({"bytes_per_block": 1000}, {"memory": "2.5kB"}, 2),
        ({"bytes_per_block": 1000}, {"memory": 10}, 1),
    ],
)
def test_no_more_blocks_run_at_once_than_the_budget_allows(fields, options, most):
    gauge = Gauge()
    task = BlockTask("t", gauge, grid(12), **fields)
    assert run(task, executor="threads", workers=4, **options).ok
    assert 1 <= gauge.most <= most


@pytest.mark.parametrize(
    "size", ["", "many", "4 XB", "GB", 0, -1, True, "1iB", "4", "1.5", "100i", np.nan, np.inf]
)
def test_an_amount_of_memory_can_be_read(size):
    with pytest.raises(ParameterError, match="memory"):
        parse_bytes(size)


def test_events_tell_the_whole_run():
    def fail_at_two(block):
        if block.index == 2:
            raise ValueError("two")

    recorder = Recorder()
    tasks = [
        BlockTask("a", fail_at_two, grid(5), retries=1),
        BlockTask("b", lambda block: None, grid(5), after="a"),
    ]
    run(*tasks, listeners=[recorder], on_failure="return")
    kinds = [type(event) for event in recorder.events]
    assert kinds[0] is events.RunStarted
    assert kinds[-1] is events.RunDone
    assert sum(event.n_done for event in recorder.of(events.BatchDone)) == 8
    assert [event.will_retry for event in recorder.of(events.BlockFailed)] == [True, False]
    assert [(event.task, event.n) for event in recorder.of(events.BlocksOrphaned)] == [("b", 1)]
    assert {event.task for event in recorder.of(events.TaskDone)} == {"a", "b"}
    assert not recorder.events[-1].ok


@pytest.mark.parametrize("executor", ["serial", "threads"])
@given(flaky=st.sets(st.integers(0, 39)), dead=st.sets(st.integers(0, 39)))
def test_events_tell_which_blocks_run_and_which_are_done(executor, flaky, dead):
    seen = set()

    def work(block):
        if block.index in dead or (block.index in flaky and block.index not in seen):
            seen.add(block.index)
            raise ValueError("not yet")

    recorder = Recorder()
    task = BlockTask("t", work, grid(40), retries=1)
    run(task, listeners=[recorder], on_failure="return", executor=executor, workers=2)
    running, done = [], set()
    for event in recorder.events:
        blocks = [first + n for first, size in getattr(event, "blocks", ()) for n in range(size)]
        if isinstance(event, events.BatchStarted):
            assert not done & set(blocks)
            running += blocks
        elif isinstance(event, events.BatchDone):
            assert len(blocks) == event.n_done
            assert not done & set(blocks)
            done |= set(blocks)
        elif isinstance(event, events.BlockFailed):
            assert event.index in running
    assert done == set(range(40)) - dead
    assert set(running) == set(range(40))


def test_a_listener_that_fails_does_not_end_the_run(caplog):
    def act(event):
        raise ValueError("the terminal is gone")

    recorder = Recorder(act)
    assert run(BlockTask("t", lambda block: None, grid(5)), listeners=[recorder]).ok
    assert len(recorder.events) == 1
    assert "left out" in caplog.text


def test_the_summary_names_counts_and_first_failures():
    def fail(block):
        raise ValueError(f"no {block.index}")

    tasks = [
        BlockTask("a", fail, grid(9), retries=0),
        BlockTask("b", never, grid(9), after="a"),
    ]
    with pytest.raises(RunFailed) as caught:
        run(*tasks)
    text = caught.value.report.summary()
    assert "a: 0 of 9 blocks done, 9 failed" in text
    assert "b: 0 of 9 blocks done, 9 orphaned" in text
    assert "a: block 0 Roi(offset=(0,), shape=(1,)) failed 1 times: ValueError: no 0" in text
    assert "... and 4 more failures" in text


def test_failures_are_told_in_the_order_of_their_blocks():
    has_failed = threading.Event()

    def fail(block):
        if block.index == 0:
            assert has_failed.wait(60)
        has_failed.set()
        raise ValueError(f"no {block.index}")

    task = BlockTask("a", fail, grid(2), retries=0)
    with pytest.raises(RunFailed) as caught:
        run(task, executor="threads", workers=2)
    assert [each.index for each in caught.value.report.tasks["a"].failures] == [0, 1]


def test_batches_grow_while_blocks_are_cheap_and_shrink_at_the_end():
    sizer = BatchSizer()
    assert sizer.size(10**6, 2) == 1
    sizes = []
    for _ in range(8):
        size = sizer.size(10**6, 2)
        sizes.append(size)
        sizer.note(size, size * 1e-5)
    assert sizes == sorted(sizes)
    assert sizes[-1] == 4096
    assert sizer.size(8000, 2) == 2000
    dear = BatchSizer()
    dear.note(1, 30.0)
    assert dear.size(10**6, 2) == 1
    assert not dear.may_queue(10**6, 2)


def test_processes_of_the_standard_library_serve_too():
    import multiprocessing

    got = {}
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        task = BlockTask("t", lambda block: block.index + 1, grid(20), collect=got.update)
        assert run(task, executor=pool, workers=2).ok
    assert got == {index: index + 1 for index in range(20)}


def test_a_task_keeps_to_its_own_number_of_workers():
    narrow, wide = Gauge(), Gauge(least=2)
    tasks = [
        BlockTask("narrow", narrow, grid(12), workers=1),
        BlockTask("wide", wide, BlockGrid(Roi((0,), (24,)), 2), workers=3),
    ]
    assert run(*tasks, executor="threads", workers=4).ok
    assert narrow.most == 1
    assert wide.most <= 3


class Memory:
    """A machine that holds some blocks at once: one too many, and a worker is killed."""

    def __init__(self, folder, holds, is_alive):
        self.folder = folder
        self.holds = holds
        self.is_alive = is_alive

    def __call__(self, block):
        mine = self.folder / f"in-{os.getpid()}"
        mine.touch()
        others = self.others(mine)
        while len(others) <= self.holds and not (self.folder / "full").exists():
            time.sleep(0.01)  # until there are too many for the first time
            others = self.others(mine)
        (self.folder / "full").touch()
        (self.folder / f"beside-{block.index}-{len(others)}").touch()
        if len(others) > self.holds:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.05)  # long enough for the others to be in as well
        mine.unlink()

    def others(self, mine):
        others = [path for path in self.folder.glob("in-*") if path != mine]
        return [path for path in others if self.is_alive(int(path.name[3:]))]


def test_a_block_whose_worker_was_killed_is_tried_again_with_fewer_beside_it(tmp_path, is_alive):
    task = BlockTask("t", Memory(tmp_path, 1, is_alive), grid(30), retries=2)
    recorder = Recorder()
    report = run(task, executor="processes", workers=4, listeners=[recorder])
    assert report.ok
    assert recorder.of(events.WorkerLost)
    # Those that were killed twice, and the task after some kills, had nobody beside them
    assert len(recorder.of(events.BlockFailed)) < 15


def test_a_block_that_runs_out_of_memory_in_python_has_room_at_its_next_try():
    inside = Gauge()
    tries = []

    def greedy(block):
        inside(block)
        if block.index == 5:
            tries.append(inside.inside)
            if len(tries) < 3:
                raise MemoryError

    assert run(BlockTask("t", greedy, grid(40), retries=2), executor="threads", workers=4).ok
    assert tries[1] <= 1
    assert tries[2] == 0


def test_the_slowest_blocks_are_named(monkeypatch):
    now = 0.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)

    def wait(block):
        nonlocal now
        now += {3: 0.2, 7: 0.3}.get(block.index, 0.01)

    recorder = Recorder()
    report = run(BlockTask("t", wait, grid(30)), listeners=[recorder])
    assert [each.index for each in report.tasks["t"].slowest[:2]] == [7, 3]
    assert len(report.tasks["t"].slowest) == 10
    assert "slowest blocks: 7 (0.3 s), 3 (0.2 s)" in report.summary()
    told = [pair for event in recorder.of(events.BatchDone) for pair in event.slowest]
    assert {7, 3} <= {index for index, _ in told}


@given(data=st.data())
def test_a_mask_chooses_the_blocks_that_meet_it(data):
    ndim = data.draw(st.integers(1, 3))
    shape = [data.draw(st.integers(1, 12)) for _ in range(ndim)]
    blocks = BlockGrid(
        Roi([data.draw(st.integers(-5, 5)) for _ in range(ndim)], shape),
        [data.draw(st.integers(1, 5)) for _ in range(ndim)],
        fit=data.draw(st.sampled_from(["shrink", "valid", "overhang"])),
    )
    scale = tuple(data.draw(st.sampled_from([0.5, 1, 2, 2.5, 4])) for _ in range(ndim))
    offset = tuple(data.draw(st.integers(-4, 4)) for _ in range(ndim))
    size = tuple(data.draw(st.integers(0, 6)) for _ in range(ndim))
    array = np.random.default_rng(data.draw(st.integers(0, 99))).random(size) < 0.3
    chosen = Mask(array, scale, offset).choose(blocks).reshape(-1)
    for index in range(blocks.n_blocks):
        roi = blocks.write_roi(index)
        expected = any(
            all(
                offset[a] + at * scale[a] < roi.end[a]
                and roi.offset[a] < offset[a] + (at + 1) * scale[a]
                for a, at in enumerate(place)
            )
            for place in np.argwhere(array)
        )
        assert chosen[index] == expected


def test_a_coarse_mask_skips_what_is_empty():
    ran = []
    image = np.zeros((4, 4), bool)
    image[1, 2] = True
    task = BlockTask(
        "t",
        lambda block: ran.append(tuple(block.write_roi.offset)),
        BlockGrid(Roi((0, 0), (40, 40)), 5),
        where=Mask(image, 10),
    )
    report = run(task).tasks["t"]
    assert sorted(ran) == [(10, 20), (10, 25), (15, 20), (15, 25)]
    assert (report.n_done, report.n_skipped) == (4, 60)


@pytest.mark.parametrize("scale", [0, -1, float("nan"), (1, 2, 3)])
def test_a_mask_has_a_scale_above_zero_for_each_axis(scale):
    with pytest.raises(GeometryError, match="scale above 0"):
        Mask(np.ones((2, 2)), scale)


def test_a_mask_has_the_axes_of_its_grid():
    with pytest.raises(GeometryError, match="grid of 1 axes"):
        run(BlockTask("t", never, grid(4), where=Mask(np.ones((2, 2)), 1)))


@pytest.mark.parametrize("halo", [1, 3, [(2, 0), (0, 1)], [(0, 0), (5, 5)]])
def test_a_block_is_told_which_neighbours_it_may_look_at(halo):
    """Those that come before it whatever the workers, and that it reads."""
    blocks = BlockGrid(Roi((-3, 2), (9, 12)), (2, 3), halo=halo)
    seen, done = {}, []

    def look(block):
        seen[block.index] = block.neighbours
        assert all(any(whole.contains(part) for whole in done) for part in block.neighbours)
        done.append(block.write_roi)

    orders = []
    for executor, workers in (("serial", 1), ("threads", 3)):
        done.clear()
        task = BlockTask("t", look, blocks, conflict=True)
        run(task, executor=executor, workers=workers)
        orders.append(dict(seen))
    assert orders[0] == orders[1]
    for index, parts in orders[0].items():
        read = blocks.read_roi(index)
        for part in parts:
            assert read.contains(part)
            assert part.intersect(blocks.write_roi(index)).is_empty
        for other in blocks.blocks_in(read):
            # of two that see each other, one comes first
            if other != index:
                sees = [
                    blocks.write_roi(b).intersect(blocks.read_roi(a)) in orders[0][a]
                    for a, b in ((index, other), (other, index))
                ]
                both = not blocks.write_roi(index).intersect(blocks.read_roi(other)).is_empty
                assert sum(sees) == 1 if both else not sees[1]
    assert any(orders[0].values())


def test_blocks_of_a_task_without_conflicts_look_at_nobody():
    seen = []
    run(BlockTask("t", lambda b: seen.append(b.neighbours), BlockGrid(Roi((0,), (6,)), 2, halo=1)))
    assert seen == [(), (), ()]


def test_set_ups_that_fail_now_and_then_do_not_give_up_a_task():
    """Workers come and go; what counts is whether any block is done in between."""
    attempts = []

    class Fragile:
        """Fails in every second worker."""

        def __enter__(self):
            attempts.append(len(attempts))
            if attempts[-1] % 2:
                raise OSError("not now")

        def __exit__(self, *error):
            """Nothing to leave."""

    def use(block, *, model):
        """Uses it."""

    executor = SimulatedExecutor(3, leave=0.4)
    task = BlockTask("t", use, grid(200), setup={"model": Fragile}, retries=1)
    assert run(task, executor=executor, workers=2).ok
    assert len(attempts) > 6


def test_what_an_earlier_try_has_left_is_taken_away_before_the_next():
    told = []

    def fails_once(block):
        told.append(block.index)
        if told == [0, 1]:
            raise ValueError

    assert run(BlockTask("a", fails_once, grid(2), again=told.append)).ok
    assert told == [0, 1, [1], 1]
