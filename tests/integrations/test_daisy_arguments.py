"""Arguments of a task: refused before anything runs, and what a script sets later counts."""

from __future__ import annotations

import datetime as dt
import functools
import warnings

import numpy as np
import pytest

from scutoid.errors import GeometryError, ParameterError, PipelineError
from scutoid.integrations import daisy


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    daisy.set_log_basedir(tmp_path / "daisy_logs")
    daisy.set_tracking_basedir(None)


def line(n):
    roi = daisy.Roi((0,), (1,))
    return {"total_roi": daisy.Roi((0,), (n,)), "read_roi": roi, "write_roi": roi}


def nothing(block):
    """Does nothing."""


def of_two(number, block):
    """Needs a number besides."""


def run(*tasks):
    return daisy.run_blockwise(list(tasks), multiprocessing=False, return_states=True)


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("num_workers", 0, "1 worker or more"),
        ("max_workers", 0, "1 worker or more"),
        ("num_workers", 2.5, "1 worker or more"),
        ("num_workers", "2", "1 worker or more"),
        ("max_retries", -1, "0 times or more"),
        ("max_retries", None, "0 times or more"),
        ("timeout", 0, "above 0 s"),
        ("timeout", "5", "above 0 s"),
        ("timeout", float("nan"), "above 0 s"),
        ("timeout", dt.timedelta(0), "above 0 s"),
        ("fit", "tight", "grid's fit"),
        ("requires", ["gpu"], "by the names of resources"),
        ("skip_mask", np.zeros(3), "array of the grid's shape"),
        ("upstream_tasks", "smooth", "is a Task"),
        ("upstream_tasks", [nothing], "is a Task"),
        ("tracking_path", True, "folder is a path"),
        ("tracking_path", 3, "folder is a path"),
        ("done_marker_path", "", "folder is a path"),
        ("check_function", 3, "is no function"),
        ("check_function", of_two, "check_function is called with a block"),
        ("total_roi", ((0,), (4,)), "is a Roi"),
        ("read_roi", None, "is a Roi"),
        ("task_id", 3, "a task has a name"),
    ],
)
def test_arguments_are_checked_where_a_task_is_made(argument, value, message):
    arguments = {"task_id": "t", "process_function": nothing, **line(6), argument: value}
    with pytest.raises((ParameterError, GeometryError, PipelineError), match=message):
        daisy.Task(**arguments)


@pytest.mark.parametrize(
    "function",
    [
        3,
        of_two,
        functools.partial(of_two, number=1),
        lambda block, *, gain: None,
        lambda *, block: None,
        lambda *, context, gain: None,
    ],
    ids=["a number", "two", "partial by name", "gain", "block by name", "context and gain"],
)
def test_functions_that_no_worker_could_call_are_refused(function):
    with pytest.raises(ParameterError, match="called with a block, or without") as caught:
        daisy.Task("t", process_function=function, **line(2))
    assert "functools.partial" in str(caught.value)


@pytest.mark.parametrize(
    ("function", "has_own_loop"),
    [
        (nothing, False),
        (functools.partial(of_two, 1), False),
        (lambda *blocks: None, False),
        (lambda block, gain=1: None, False),
        (lambda: None, True),
        (lambda *, context: None, True),
        (lambda *, context, gain=1: None, True),
        (lambda **options: None, True),
    ],
)
def test_functions_of_a_block_and_of_workers_are_told_apart(function, has_own_loop):
    task = daisy.Task("t", process_function=function, **line(2))
    assert task.has_own_loop is has_own_loop


def test_amounts_of_resources_are_never_below_nought():
    task = daisy.Task("t", process_function=nothing, requires={"gpu": -1}, **line(2))
    with pytest.raises(ParameterError, match="0 or more of 'gpu'"):
        run(task)


@pytest.mark.parametrize("name", ["num_workers", "max_workers"])
def test_workers_set_later_count(name):
    task = daisy.Task("t", process_function=nothing, num_workers=2, **line(4))
    setattr(task, name, 3)
    assert task.num_workers == task.max_workers == 3
    setattr(task, name, 0)
    with pytest.raises(ParameterError, match="1 worker or more"):
        run(task)


def test_regions_set_later_count():
    """A run of other blocks than the script says would be wrong in silence."""
    seen = []
    task = daisy.Task("t", process_function=lambda b: seen.append(b.write_roi.offset), **line(4))
    task.total_roi = daisy.Roi((10,), (7,))
    task.read_roi = task.write_roi = daisy.Roi((0,), (3,))
    task.fit = "shrink"
    assert task.block_grid_shape == (3,)
    assert run(task)["t"].completed_count == 3
    assert [tuple(offset) for offset in seen] == [(10,), (13,), (16,)]


def test_a_time_limit_set_later_counts():
    task = daisy.Task("t", process_function=nothing, **line(4))
    task.timeout = dt.timedelta(minutes=1)
    assert task.timeout == 60
    with pytest.warns(UserWarning, match="timeout=60"):
        assert run(task)["t"].timeout_secs is None


def test_what_is_never_written_is_warned_of_at_the_line_of_the_script():
    with pytest.warns(UserWarning, match="1 voxels") as caught:
        daisy.Task(
            "t",
            process_function=nothing,
            **line(3) | {"read_roi": daisy.Roi((0,), (2,)), "write_roi": daisy.Roi((0,), (2,))},
        )
    assert [warning.filename for warning in caught] == [__file__]


def test_tasks_that_wait_for_each_other_are_refused():
    first = daisy.Task("first", process_function=nothing, **line(2))
    second = daisy.Task("second", process_function=nothing, upstream_tasks=[first], **line(2))
    first.upstream_tasks.append(second)
    with pytest.raises(PipelineError, match="in a circle") as caught:
        run(second)
    assert "first and second" in str(caught.value)


def test_a_chain_of_tasks_may_be_long():
    tasks = [daisy.Task("0", process_function=nothing, **line(1))]
    for number in range(1, 1200):
        before = tasks[-1:]
        task = daisy.Task(str(number), process_function=nothing, upstream_tasks=before, **line(1))
        tasks.append(task)
    assert daisy.Pipeline.from_task(tasks[-1]).tasks == tasks


@pytest.mark.parametrize("given", [3, "t", [3], {"t": 1}])
def test_what_is_no_task_is_refused(given):
    with pytest.raises(PipelineError, match="is a Task"):
        daisy.run_blockwise(given)


def test_a_run_of_no_tasks_has_done_all():
    assert daisy.run_blockwise([]) is True
    assert daisy.Server().run_blockwise([]) == {}


@pytest.mark.parametrize(
    ("options", "way"),
    [({"multiprocessing": False}, "multiprocessing=False"), ({"executor": "threads"}, "Threads")],
)
def test_workers_with_a_loop_of_their_own_are_processes(options, way):
    task = daisy.Task("t", process_function=lambda: None, **line(2))
    with pytest.raises(ParameterError, match="takes blocks from a Client") as caught:
        daisy.run_blockwise([task], **options)
    assert way in str(caught.value)
    assert "task 't'" in str(caught.value)


def test_a_task_that_can_be_made_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        daisy.Task("t", process_function=nothing, num_workers=np.int64(2), **line(2))
