"""A run as a whole: what is refused before work, budgets, listeners, reports."""

from __future__ import annotations

import concurrent.futures
import threading

import numpy as np
import pytest

from scutoid import events
from scutoid.blocks import After, BlockGrid, BlockTask, parse_bytes, run_blocks
from scutoid.blocks._pace import Pace
from scutoid.errors import GeometryError, ParameterError, PipelineError, RunFailed, StoreError
from scutoid.geometry import Roi
from scutoid.testing import Recorder


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
    assert "processes, serial, threads" in str(caught.value)


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


@pytest.mark.parametrize("field", ["where", "done"])
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
    task = BlockTask("t", lambda b: ran.append(b.index), grid(4), done=np.array([1, 0, 0, 1], bool))
    report = run(task).tasks["t"]
    assert ran == [1, 2]
    assert (report.n_done, report.n_cached) == (4, 2)


def test_a_run_without_blocks_is_done():
    empty = BlockGrid(Roi((0,), (0,)), 1)
    report = run(BlockTask("t", never, empty), BlockTask("u", never, empty, after="t"))
    assert report.ok
    assert report.tasks["t"].n_blocks == 0


class Gauge:
    """How many blocks are inside at once."""

    def __init__(self):
        self.lock = threading.Lock()
        self.inside = self.most = 0
        self.both = threading.Barrier(2)

    def __call__(self, block):
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
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


@pytest.mark.parametrize("size", ["", "many", "4 XB", "GB", 0, -1, True, "1iB"])
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


def test_batches_grow_while_blocks_are_cheap_and_shrink_at_the_end():
    pace = Pace()
    assert pace.size(10**6, 2) == 1
    sizes = []
    for _ in range(8):
        size = pace.size(10**6, 2)
        sizes.append(size)
        pace.note(size, size * 1e-5)
    assert sizes == sorted(sizes)
    assert sizes[-1] == 4096
    assert pace.size(8000, 2) == 2000
    dear = Pace()
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
