"""Blocks have daisy's numbers, by hand or handed out; runs in this process are for debuggers."""

from __future__ import annotations

import itertools
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scutoid.errors import GeometryError, ParameterError
from scutoid.integrations import daisy


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    daisy.set_tracking_basedir(None)


def line(n):
    roi = daisy.Roi((0,), (1,))
    return {"total_roi": daisy.Roi((0,), (n,)), "read_roi": roi, "write_roi": roi}


def at(place, **options):
    """The block of 2 voxels on each axis at a place of a large region with a context of 1."""
    ones = daisy.Coordinate((1,) * len(place))
    write = daisy.Roi([2 * side for side in place], (2,) * len(place))
    total = daisy.Roi((0,) * len(place), (200,) * len(place)).grow(ones, ones)
    return daisy.Block(total, write.grow(ones, ones), write, **options)


# Numbers of daisy 1.2.3 and 2.0.0, which are the same.
NUMBERS = {
    (0,): 0, (7,): 7,
    (0, 0): 0, (0, 1): 1, (1, 0): 2, (0, 2): 3, (1, 1): 4, (2, 0): 5, (1, 3): 11, (2, 3): 17,
    (0, 0, 0): 0, (0, 0, 1): 1, (0, 1, 0): 2, (1, 0, 0): 3, (0, 0, 2): 4, (0, 1, 1): 5,
    (1, 0, 1): 6, (0, 2, 0): 7, (1, 1, 0): 8, (0, 1, 3): 21, (1, 1, 3): 39, (1, 2, 3): 63,
}  # fmt: skip


@pytest.mark.parametrize(("place", "number"), NUMBERS.items())
def test_a_block_made_by_hand_has_the_number_that_daisy_gives_it(place, number):
    assert at(place, task_id="t").block_id == ("t", number)


@pytest.mark.parametrize("ndim", [1, 2, 3, 4])
def test_blocks_made_by_hand_have_numbers_of_their_own(ndim):
    places = list(itertools.product(range(5), repeat=ndim))
    assert len({at(place).block_id for place in places}) == len(places)


@given(st.data())
def test_a_block_that_is_handed_out_is_the_one_made_by_hand(data):
    """Whatever its context, and however its grid is cut at the end."""
    ndim = data.draw(st.integers(1, 3))

    def sides(low, high):
        return [data.draw(st.integers(low, high)) for _ in range(ndim)]

    size, low, high, n, offset = sides(1, 3), sides(0, 4), sides(0, 2), sides(1, 3), sides(-9, 9)
    fit = data.draw(st.sampled_from(["valid", "overhang", "shrink"]))
    rest = [data.draw(st.integers(0, side - 1)) for side in size]
    shape = [a * b + c for a, b, c in zip(n, size, rest, strict=True)]
    write = daisy.Roi((0,) * ndim, size)
    context = daisy.Coordinate(low), daisy.Coordinate(high)
    total = daisy.Roi(offset, shape).grow(*context)
    seen = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        task = daisy.Task(
            "t", total, write.grow(*context), write, process_function=seen.append, fit=fit
        )
    assert daisy.run_blockwise(task, multiprocessing=False, progress=False, summary=False)
    assert len({block.block_id for block in seen}) == len(seen) == task.grid.n_blocks
    for block in seen:
        whole = daisy.Roi(block.write_roi.get_begin(), size)
        by_hand = daisy.Block(total, block.read_roi, whole, task_id="t")
        assert by_hand.block_id == block.block_id
        assert (tuple(block.total_roi.offset), tuple(block.total_roi.shape)) == (
            tuple(total.offset),
            tuple(total.shape),
        )


def test_name_and_number_come_in_the_order_of_either_daisy():
    roi = daisy.Roi((3,), (1,))
    total = daisy.Roi((0,), (9,))
    for names in ((5, "t"), ("t", 5)):
        assert daisy.Block(total, roi, roi, *names).block_id == ("t", 5)
    assert daisy.Block(total, roi, roi, "t").block_id == ("t", 3)
    assert daisy.Block(total, roi, roi, 5).block_id == (None, 5)
    assert daisy.Block(total, roi, roi).block_id == (None, 3)
    assert daisy.Block(total, roi, roi, task_id="t", block_id=5).block_id == ("t", 5)


@pytest.mark.parametrize("write", [daisy.Roi((0,), (0,)), daisy.Roi((0, 0), (1, 1))])
def test_a_write_region_without_a_place_in_the_total_is_refused(write):
    total = daisy.Roi((0,), (9,))
    with pytest.raises(GeometryError, match="place of its write region"):
        daisy.Block(total, write, write)
    assert daisy.Block(total, write, write, block_id=4).block_id == (None, 4)


class Odd(Exception):
    """One of the user's own."""

    def __init__(self, first, second):
        super().__init__(first)
        self.second = second


@pytest.mark.parametrize("error", [ValueError("two"), Odd(1, 2), SystemExit(3), KeyError("k")])
def test_in_this_process_the_first_exception_is_raised_as_it_is(tmp_path, error):
    ran = []

    def process(block):
        ran.append(block.block_id[1])
        if block.block_id[1] == 2:
            raise error

    def run(function):
        task = daisy.Task("t", process_function=function, tracking_path=tmp_path / "t", **line(5))
        return daisy.run_blockwise(task, multiprocessing=False, progress=False)

    with pytest.raises(type(error)) as caught:
        run(process)
    assert caught.value is error
    assert caught.traceback[-1].name == "process"  # where a debugger begins
    assert ran == [0, 1, 2]
    assert run(lambda block: ran.append(block.block_id[1]))
    assert ran == [0, 1, 2, 2, 3, 4]  # what was done before is kept


def test_in_this_process_a_block_marked_as_failed_is_tried_again_and_counted():
    ran = []

    def give_up(block):
        ran.append(block.block_id[1])
        block.status = daisy.BlockStatus.FAILED

    task = daisy.Task("t", process_function=give_up, max_retries=1, **line(2))
    states = daisy.run_blockwise(task, multiprocessing=False, progress=False, return_states=True)
    assert sorted(ran) == [0, 0, 1, 1]
    assert (states["t"].failed_count, states["t"].is_done()) == (2, True)


def test_in_this_process_blocks_have_no_time_limit_and_no_other_workers():
    task = daisy.Task("t", process_function=len, timeout=5, **line(0))
    with pytest.warns(UserWarning, match="timeout=5 has no meaning with multiprocessing=False"):
        assert daisy.run_blockwise(task, multiprocessing=False)
    task = daisy.Task("t", process_function=len, **line(0))
    with pytest.raises(ParameterError, match="no executor is given"):
        daisy.run_blockwise(task, multiprocessing=False, executor="threads")


def fail_at_two(block):
    if block.block_id[1] == 2:
        raise ValueError("two")


def test_a_state_accounts_for_every_block():
    a = daisy.Task("a", process_function=fail_at_two, max_retries=1, num_workers=2, **line(5))
    b = daisy.Task("b", process_function=fail_at_two, upstream_tasks=[a], **line(5))
    states = daisy.run_blockwise([b], progress=False, return_states=True)
    assert {name: state.is_done() for name, state in states.items()} == {"a": True, "b": True}
    assert (states["a"].completed_count, states["a"].failed_count) == (4, 1)
    assert (states["b"].completed_count, states["b"].orphaned_count) == (4, 1)
    for state in states.values():
        assert state.started
        assert (state.ready_count, state.processing_count, state.pending_count) == (0, 0, 0)
        assert 1 <= state.worker_start_count() <= 3
        assert (state.worker_failure_count, state.worker_restart_count) == (0, 0)
    assert "ValueError: two" in states["a"].first_worker_error
    assert states["b"].last_worker_error is None


class _Watch:
    """A listener that looks at states while the run goes on."""

    def __init__(self, states):
        self.states, self.seen = states, []

    def on_event(self, event):
        self.states.on_event(event)
        for name, state in self.states.by_task.items():
            self.seen.append((name, state.ready_count, state.processing_count, state.pending_count))
            assert min(self.seen[-1][1:]) >= 0, (event, self.seen[-1])


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), chance=st.sampled_from([0.0, 0.1, 0.4]))
def test_states_add_up_at_each_moment_of_a_run(seed, chance):
    """Under workers that are lost and blocks that fail, in a simulated run."""
    from scutoid.blocks import After, BlockGrid, BlockTask, run_blocks
    from scutoid.geometry import Roi
    from scutoid.integrations.daisy._states import States
    from scutoid.testing import SimulatedExecutor

    def process(block):
        if block.index % 7 == 3:
            raise ValueError(block.index)

    grid = BlockGrid(Roi((0,), (20,)), 1)
    tasks = [
        BlockTask("a", process, grid),
        BlockTask("b", process, grid, after=After("a")),
        BlockTask("c", process, BlockGrid(Roi((0,), (20,)), 1, halo=1), conflict=True),
    ]
    watch = _Watch(States(tasks))
    executor = SimulatedExecutor(seed=seed, loss=chance)
    report = run_blocks(tasks, executor=executor, workers=3, on_failure="return", listeners=[watch])
    counted = {
        name: (s.completed_count, s.failed_count, s.orphaned_count, s.pending_count)
        for name, s in watch.states.by_task.items()
    }
    assert counted == {
        name: (task.n_done, task.n_failed, task.n_orphaned, 0)
        for name, task in report.tasks.items()
    }
    assert any(processing for _, _, processing, _ in watch.seen)
    assert all(state.is_done() for state in watch.states.settle(report.tasks).values())
