"""daisy's names: the same blocks, and correct outcomes."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scutoid.blocks import Journal
from scutoid.errors import GeometryError, ParameterError, PipelineError
from scutoid.integrations import daisy


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """Logs and tracking are settings of the process: each test has its own."""
    monkeypatch.chdir(tmp_path)
    daisy.set_log_basedir(tmp_path / "daisy_logs")
    daisy.set_tracking_basedir(None)
    yield
    daisy.set_tracking_basedir(None)


def line(n, size=1, context=0):
    """Total, read and write regions of blocks along one axis."""
    write = daisy.Roi((0,), (size,))
    margin = daisy.Coordinate((context,))
    total = daisy.Roi((0,), (n,)).grow(margin, margin)
    return {"total_roi": total, "read_roi": write.grow(margin, margin), "write_roi": write}


def listed(**regions):
    """Offsets and sizes of the regions that each block reads and writes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        grid = daisy.Task("t", process_function=print, **regions).grid
    pairs = [(grid.read_roi(i), grid.write_roi(i)) for i in range(grid.n_blocks)]
    return [(*r.offset, *r.shape, *w.offset, *w.shape) for r, w in pairs]


@pytest.mark.parametrize(("fit", "n"), [("valid", 3), ("overhang", 4), ("shrink", 4)])
def test_a_total_of_twelve_is_cut_as_daisy_cuts_it(fit, n):
    regions = {
        "total_roi": daisy.Roi((0,), (12,)),
        "read_roi": daisy.Roi((0,), (5,)),
        "write_roi": daisy.Roi((1,), (3,)),
    }
    rows = listed(**regions, fit=fit)
    assert rows[:3] == [(0, 5, 1, 3), (3, 5, 4, 3), (6, 5, 7, 3)]
    assert len(rows) == n
    assert rows[3:] == {"valid": [], "overhang": [(9, 5, 10, 3)], "shrink": [(9, 3, 10, 1)]}[fit]
    regions["write_roi"] = daisy.Roi((2,), (1,))
    assert len(listed(**regions, fit=fit)) == 8


def test_a_hundred_in_blocks_of_three_are_numbered_from_nought():
    regions = {
        "total_roi": daisy.Roi((0,), (100,)),
        "read_roi": daisy.Roi((0,), (5,)),
        "write_roi": daisy.Roi((1,), (3,)),
    }
    assert len(listed(**regions)) == 32


@given(st.data())
def test_only_shapes_and_the_place_of_the_write_region_count(data):
    size, low, high = (data.draw(st.integers(a, 4)) for a in (1, 0, 0))
    total = daisy.Roi((data.draw(st.integers(-9, 9)),), (data.draw(st.integers(8, 30)),))
    fit = data.draw(st.sampled_from(["valid", "overhang", "shrink"]))
    shapes = []
    for at in (0, data.draw(st.integers(-50, 50))):
        read = daisy.Roi((at - low,), (low + size + high,))
        write = daisy.Roi((at,), (size,))
        shapes.append(listed(total_roi=total, read_roi=read, write_roi=write, fit=fit))
    assert shapes[0] == shapes[1]


def test_what_is_never_written_is_warned_of():
    regions = line(10, size=4)
    with pytest.warns(UserWarning, match="2 voxels of the total region"):
        daisy.Task("t", process_function=print, **regions)
    daisy.Task("t", process_function=print, **regions, fit="shrink")


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        (line(10) | {"write_roi": daisy.Roi((-1,), (1,))}, "lies in its read region"),
        (line(0, context=0) | {"read_roi": daisy.Roi((-1,), (3,))}, "room for the context"),
    ],
)
def test_regions_that_cannot_be_are_refused(regions, message):
    with pytest.raises(GeometryError, match=message):
        daisy.Task("t", process_function=print, **regions)


def test_arguments_that_mean_nothing_here_are_warned_of_and_unknown_ones_refused():
    with pytest.warns(UserWarning, match="max_worker_restarts has no meaning"):
        daisy.Task("t", process_function=print, max_worker_restarts=3, **line(4))
    with pytest.raises(ParameterError, match="daisy's arguments"):
        daisy.Task("t", process_function=print, num_worker=3, **line(4))
    with pytest.raises(ParameterError, match="are the same"):
        daisy.Task("t", process_function=print, num_workers=3, max_workers=2, **line(4))


def fail_at_five(block):
    if block.block_id[1] == 5:
        raise ValueError("five is not for me")


def nothing(block):
    """Does nothing."""


def test_a_run_with_failed_blocks_never_says_true():
    """It was said of runs that lost blocks (RESEARCH 2)."""
    a = daisy.Task("a", process_function=fail_at_five, max_retries=1, **line(10))
    b = daisy.Task("b", process_function=nothing, upstream_tasks=[a], **line(10))
    assert daisy.run_blockwise([a, b], progress=False) is False
    states = daisy.run_blockwise([a, b], progress=False, return_states=True)
    assert (states["a"].completed_count, states["a"].failed_count) == (9, 1)
    assert (states["b"].completed_count, states["b"].orphaned_count) == (9, 1)
    good = daisy.Task("a", process_function=nothing, **line(10))
    assert daisy.run_blockwise([good], progress=False) is True


def test_a_task_that_is_waited_for_runs_though_it_is_not_given(tmp_path):
    def mark(name, block):
        (tmp_path / f"{name}-{block.block_id[1]}").touch()

    from functools import partial

    a = daisy.Task("a", process_function=partial(mark, "a"), **line(3))
    b = daisy.Task("b", process_function=partial(mark, "b"), upstream_tasks=[a], **line(3))
    assert daisy.run_blockwise([b], multiprocessing=False)
    assert len(list(tmp_path.glob("a-*"))) == len(list(tmp_path.glob("b-*"))) == 3


def test_pipelines_are_put_together_by_operators(tmp_path):
    order = []

    def note(block):
        order.append(block.task_id)

    a, b, c = (daisy.Task(name, process_function=note, **line(1)) for name in "abc")
    pipeline = (a | b) + c
    assert [task.task_id for task in pipeline.outputs] == ["c"]
    assert daisy.run_blockwise(pipeline, multiprocessing=False)
    assert order[-1] == "c"
    assert sorted(order) == ["a", "b", "c"]
    with pytest.raises(PipelineError, match="in a circle"):
        daisy.run_blockwise(daisy.Pipeline([a, b], [(a, b), (b, a)]), multiprocessing=False)


def test_a_block_that_meets_no_block_before_it_runs():
    """It never ran, and the run hung (RESEARCH 1)."""
    up = daisy.Task("up", process_function=nothing, **line(4))
    far = line(4) | {"total_roi": daisy.Roi((100,), (4,))}
    down = daisy.Task("down", process_function=nothing, upstream_tasks=[up], **far)
    assert daisy.run_blockwise([up, down], multiprocessing=False)


def test_a_check_that_raises_is_a_failure_and_not_an_answer():
    """It counted as not done, silently (RESEARCH 2)."""

    def check(block):
        if block.block_id[1] == 2:
            raise OSError("cannot tell")
        return block.block_id[1] < 2

    task = daisy.Task("t", process_function=nothing, check_function=check, max_retries=0, **line(5))
    states = daisy.run_blockwise([task], progress=False, return_states=True)
    assert (states["t"].skipped_count, states["t"].failed_count) == (2, 1)
    assert states["t"].completed_count == 4


def test_a_check_is_asked_in_the_workers(tmp_path):
    """Not in the scheduler, one block after the other (RESEARCH 4)."""

    def check(block):
        (tmp_path / f"asked-by-{os.getpid()}").touch()
        return True

    task = daisy.Task("t", process_function=nothing, check_function=check, **line(5))
    assert daisy.run_blockwise([task], progress=False)
    asked = [int(path.name.rpartition("-")[2]) for path in tmp_path.glob("asked-by-*")]
    assert asked
    assert os.getpid() not in asked


def test_a_time_out_ends_a_block(tmp_path):
    """It was stored and never used (RESEARCH 3)."""

    def hang(block):
        time.sleep(600)

    task = daisy.Task("t", process_function=hang, timeout=0.5, max_retries=0, **line(1))
    states = daisy.run_blockwise([task], progress=False, return_states=True)
    assert states["t"].failed_count == 1


def test_masked_blocks_are_left_out_and_count_as_done(tmp_path):
    def mark(block):
        (tmp_path / f"block-{block.block_id[1]}").touch()

    mask = np.array([1, 0, 0, 1, 1], "uint8")
    task = daisy.Task("t", process_function=mark, skip_mask=mask, **line(5))
    states = daisy.run_blockwise(task, multiprocessing=False, return_states=True)
    assert {path.name for path in tmp_path.glob("block-*")} == {"block-1", "block-2"}
    assert (states["t"].completed_count, states["t"].skipped_count) == (5, 3)
    assert task.block_grid_shape == (5,)


@pytest.mark.parametrize("by", ["task", "base", "marker"])
def test_what_is_done_is_kept_where_it_is_asked_for(tmp_path, by):
    ran = []
    tracking = {"task": {"tracking_path": tmp_path / "t"}, "marker": {"done_marker_path": "t"}}
    if by == "base":
        daisy.set_tracking_basedir(tmp_path)

    def note(block):
        ran.append(block.block_id[1])

    def run(**options):
        task = daisy.Task(
            "t",
            process_function=lambda b: ran.append(b.block_id[1]),
            **line(4),
            **tracking.get(by, {}),
        )
        assert daisy.run_blockwise(task, multiprocessing=False, **options)
        numbers = list(ran)
        ran.clear()
        return numbers

    assert run() == [0, 1, 2, 3]
    assert (Journal.read(tmp_path / "t" / "journal") == 2).all()
    assert run() == []
    assert run(block_tracking=False) == [0, 1, 2, 3]


def test_a_block_that_is_marked_as_failed_has_failed():
    def give_up(block):
        block.status = daisy.BlockStatus.FAILED

    task = daisy.Task("t", process_function=give_up, max_retries=0, **line(2))
    assert daisy.run_blockwise(task, multiprocessing=False) is False


WORKER = """
    import sys
    import time
    from pathlib import Path
    from scutoid.integrations import daisy

    folder = Path(sys.argv[1])
    client = daisy.Client()
    while True:
        with client.acquire_block() as block:
            if block is None:
                break
            number = block.block_id[1]
            with (folder / f"{block.task_id}-{number}").open("a") as file:
                file.write(f"{client.worker_id} ")
            if number == 3 and not (folder / "failed").exists():
                (folder / "failed").touch()
                raise ValueError("three fails once")
"""


def test_an_exception_in_the_body_is_kept_and_the_loop_goes_on(tmp_path):
    """It was swallowed, and the block passed for done (RESEARCH 2)."""
    script = tmp_path / "worker.py"
    script.write_text(textwrap.dedent(WORKER))

    def start():
        subprocess.run([sys.executable, str(script), str(tmp_path)], check=True)

    task = daisy.Task("t", process_function=start, num_workers=1, max_retries=0, **line(6))
    states = daisy.run_blockwise([task], progress=False, return_states=True)
    assert (states["t"].completed_count, states["t"].failed_count) == (5, 1)
    logs = "".join(path.read_text() for path in (tmp_path / "daisy_logs").glob("t-*.log"))
    assert "ValueError: three fails once" in logs
    (tmp_path / "failed").unlink()
    again = daisy.Task("t", process_function=start, num_workers=1, max_retries=1, **line(6))
    assert daisy.run_blockwise([again], progress=False)
    assert len((tmp_path / "t-3").read_text().split()) == 3


def test_functions_of_blocks_and_of_workers_run_together(tmp_path):
    script = tmp_path / "worker.py"
    script.write_text(textwrap.dedent(WORKER))

    def start():
        subprocess.run([sys.executable, str(script), str(tmp_path)], check=True)

    def after(block):
        (tmp_path / f"after-{block.block_id[1]}").touch()

    a = daisy.Task("a", process_function=start, num_workers=2, **line(8))
    b = daisy.Task("b", process_function=after, upstream_tasks=[a], num_workers=2, **line(8))
    assert daisy.run_blockwise([a, b], progress=False)
    assert len(list(tmp_path.glob("after-*"))) == 8


def test_a_worker_function_that_never_takes_a_block_ends_the_run():
    """Workers were started without end (RESEARCH 3)."""
    from scutoid.errors import WorkerError

    def broken():
        raise SystemExit(0)

    task = daisy.Task("t", process_function=broken, **line(3))
    with pytest.raises(WorkerError, match="in a row did not"):
        daisy.run_blockwise([task], progress=False)


def test_regions_are_those_of_funlib_where_it_is_installed():
    geometry = pytest.importorskip("funlib.geometry", reason="funlib.geometry is not installed")
    assert daisy.Roi is geometry.Roi
    seen = []
    task = daisy.Task("t", process_function=lambda b: seen.append(b.read_roi), **line(2))
    assert daisy.run_blockwise(task, multiprocessing=False)
    assert all(isinstance(roi, geometry.Roi) for roi in seen)


@pytest.mark.parametrize("module", ["funlib.geometry", "scutoid.integrations.daisy._regions"])
def test_regions_have_the_same_names_wherever_they_come_from(module):
    module = pytest.importorskip(module, reason=f"{module} is not installed")
    roi = module.Roi((1, 2), (4, 6))
    assert tuple(roi.begin) == (1, 2) == tuple(roi.get_begin()) == tuple(roi.get_offset())
    assert tuple(roi.end) == (5, 8) == tuple(roi.get_end())
    assert roi.dims == 2 == module.Coordinate((3, 4)).dims
    assert tuple(roi.center) == (3, 5)
    grown = roi.grow(module.Coordinate((1, 1)), module.Coordinate((0, 2)))
    assert (tuple(grown.begin), tuple(grown.get_shape())) == ((0, 1), (5, 9))
    assert not roi.intersect(grown).empty
    assert roi.intersect(grown).union(roi) == roi.shift(module.Coordinate((0, 0)))
    assert module.Coordinate((3, 4)) - module.Coordinate((1, 1)) == module.Coordinate((2, 3))


def test_without_funlib_the_same_script_runs(tmp_path):
    script = """
        import sys
        sys.modules["funlib"] = sys.modules["funlib.geometry"] = None
        from scutoid.integrations import daisy

        assert daisy.Roi.__module__ == "scutoid.integrations.daisy._regions"
        write = daisy.Roi((0, 0), (2, 2))
        margin = daisy.Coordinate((1, 1))

        def show(block):
            with open(f"block-{block.block_id[1]}", "w") as file:
                file.write(f"{tuple(block.read_roi.get_begin())} {block.write_roi.center}")

        task = daisy.Task(
            "t",
            total_roi=daisy.Roi((0, 0), (4, 4)).grow(margin, margin),
            read_roi=write.grow(margin, margin),
            write_roi=write,
            process_function=show,
            num_workers=2,
        )
        assert daisy.run_blockwise([task], progress=False)
    """
    (tmp_path / "script.py").write_text(textwrap.dedent(script))
    subprocess.run([sys.executable, "script.py"], cwd=tmp_path, check=True, timeout=240)
    assert (tmp_path / "block-4").read_text() == "(1, 1) (3, 3)"
