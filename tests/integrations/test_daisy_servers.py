"""Servers, resets, folders of logs and contexts, by daisy's names for them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import textwrap
import threading
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scutoid.errors import ParameterError, PipelineError
from scutoid.integrations import daisy
from scutoid.integrations.daisy.cl_monitor import CLMonitor


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """Logs and tracking are settings of the process: each test has its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(daisy.Context.ENV_VARIABLE, raising=False)
    daisy.set_log_basedir(tmp_path / "daisy_logs")
    daisy.set_tracking_basedir(None)
    yield
    daisy.set_tracking_basedir(None)


def line(n):
    """Regions of n blocks along one axis."""
    block = daisy.Roi((0,), (1,))
    return {"total_roi": daisy.Roi((0,), (n,)), "read_roi": block, "write_roi": block}


def touch(block):
    Path(f"{block.task_id}-{block.block_id[1]}").touch()


def len_of(block):
    return block.write_roi.shape


class FileEvent:
    """An event that any process sets."""

    def __init__(self, path):
        self.path = path

    def is_set(self):
        return self.path.exists()


# ---- servers


@pytest.mark.parametrize("server", [daisy.Server, daisy.SerialServer])
def test_a_server_returns_states_and_keeps_order_and_times(server):
    first = daisy.Task("first", process_function=touch, **line(6))
    second = daisy.Task("second", process_function=touch, upstream_tasks=[first], **line(3))
    served = server()
    states = served.run_blockwise([second], progress=False, summary=False)
    assert list(states) == ["first", "second"] == served.last_task_order
    assert [state.completed_count for state in states.values()] == [6, 3]
    stats = served.last_run_stats
    assert stats is not None
    assert stats == served.last_tracking_summary
    assert {name: each["blocks"] for name, each in stats["per_task"].items()} == {
        "first": 6,
        "second": 3,
    }
    assert stats["per_task"]["first"]["max_concurrent_workers"] == 1
    by_worker = [each for each in stats["per_worker"] if each["task_id"] == "first"]
    assert sum(each["blocks_processed"] for each in by_worker) == 6
    assert len(list(Path().glob("first-*"))) == 6


def test_failures_are_counted_and_close_what_a_worker_was_at():
    def fail(block):
        raise ValueError

    server = daisy.Server()
    task = daisy.Task("t", process_function=fail, max_retries=1, num_workers=2, **line(4))
    server.run_blockwise(tasks=[task], progress=False, summary=False)
    figures = server.last_run_stats["per_task"]["t"]
    assert (figures["blocks"], figures["failures"]) == (0, 8)
    assert 1 <= figures["max_concurrent_workers"] <= 2
    assert figures["mean_block_ms"] == 0


def test_blocks_that_grow_slower_have_a_slope():
    from scutoid import events
    from scutoid.integrations.daisy._stats import RunStats

    stats = RunStats()
    stats.on_event(events.RunStarted(0.0, (events.TaskInfo("t", 40, 0),), 1))
    start, total = 0, 0.0
    for place, n in enumerate((1, 2, 7, 10, 20)):
        blocks = ((start, n),)
        stats.on_event(events.BatchStarted(0.0, "t", 0, blocks))
        seconds = sum(0.001 + 0.00005 * index for index in range(start, start + n))
        seconds += 3 if place == 0 else 0  # the worker gets ready
        stats.on_event(events.BatchDone(0.0, "t", n, 0, seconds, 0, (), blocks))
        start, total = start + n, total + seconds
    figures = stats.summary()["per_task"]["t"]
    assert figures["block_ms_slope"] == pytest.approx(0.05)
    assert figures["mean_block_ms"] == pytest.approx(1000 * total / 40)


def test_an_event_that_is_set_before_lets_nothing_run():
    event = threading.Event()
    event.set()
    server = daisy.Server(stop_event=event)
    states = server.run_blockwise(
        [daisy.Task("t", process_function=touch, **line(5))], progress=False, summary=False
    )
    assert states["t"].completed_count == 0
    assert not list(Path().glob("t-*"))


def test_an_event_that_a_block_sets_stops_the_run_and_blocks_in_flight_end(tmp_path):
    event = FileEvent(tmp_path / "stop")

    def stop(block):
        with (tmp_path / "ran").open("a") as file:
            file.write("x")
        event.path.touch()

    task = daisy.Task("t", process_function=stop, **line(100_000))
    states = daisy.Server(stop_event=event).run_blockwise([task], progress=False, summary=False)
    ran = len((tmp_path / "ran").read_text())
    assert 0 < ran < 100_000
    assert states["t"].completed_count == ran
    assert states["t"].failed_count == 0


def test_what_was_done_before_a_stop_is_not_done_again(tmp_path):
    event = threading.Event()

    class Stopping:
        def on_event(self, seen):
            if type(seen).__name__ == "BatchDone":
                event.set()

    daisy.set_tracking_basedir(tmp_path / "done")
    task = daisy.Task("t", process_function=touch, **line(5000))
    states = daisy.Server(stop_event=event).run_blockwise(
        [task], progress=Stopping(), summary=False
    )
    done = states["t"].completed_count
    assert 0 < done < 5000
    states = daisy.Server().run_blockwise([task], progress=False, summary=False)
    assert (states["t"].skipped_count, states["t"].completed_count) == (done, 5000)


def test_a_monitor_names_the_server_that_runs():
    server = daisy.SerialServer()
    assert CLMonitor(server).server is server
    assert daisy.cl_monitor.CLMonitor is CLMonitor


# ---- who is told


def lines_of(text):
    return [json.loads(line) for line in text.splitlines()]


def fail_at_nought(block):
    if block.task_id == "a" and block.block_id[1] == 0:
        raise ValueError


@pytest.mark.parametrize("multiprocessing", [True, False])
def test_an_observer_writes_a_line_a_task_from_the_start_to_the_end(multiprocessing):
    stream = io.StringIO()
    a, b = (daisy.Task(name, process_function=len_of, **line(4)) for name in "ab")
    observer = daisy.JsonProgressObserver(stream=stream)
    assert daisy.run_blockwise(a + b, multiprocessing, progress=observer, summary=False)
    lines = lines_of(stream.getvalue())
    assert [(each["event"], each["task"]) for each in lines[:2]] == [("start", "a"), ("start", "b")]
    assert [each["event"] for each in lines[-2:]] == ["finish"] * 2
    assert {each["event"] for each in lines[2:-2]} == {"progress"}
    counts = ("total", "completed", "ready", "processing", "skipped", "failed", "orphaned")
    assert [tuple(each[name] for name in counts) for each in lines[-2:]] == [
        (4, 4, 0, 0, 0, 0, 0)
    ] * 2
    for task in "ab":
        done = [each["completed"] for each in lines if each["task"] == task]
        assert done == sorted(done)
    assert all(each["restarts"] == each["failures"] == 0 and each["t"] > 0 for each in lines)


def test_an_observer_is_told_of_failures_and_orphans():
    stream = io.StringIO()
    a = daisy.Task("a", process_function=fail_at_nought, max_retries=0, **line(4))
    b = daisy.Task("b", process_function=fail_at_nought, upstream_tasks=[a], **line(4))
    server = daisy.Server()
    server.run_blockwise([b], progress=daisy.JsonProgressObserver(stream=stream), summary=False)
    ends = {each["task"]: each for each in lines_of(stream.getvalue())}
    assert (ends["a"]["completed"], ends["a"]["failed"]) == (3, 1)
    assert (ends["b"]["completed"], ends["b"]["orphaned"]) == (3, 1)


def test_an_observer_closes_the_file_that_it_has_opened(tmp_path, capsys):
    task = daisy.Task("t", process_function=len_of, **line(2))
    path = tmp_path / "progress.jsonl"
    observer = daisy.JsonProgressObserver(path)
    daisy.run_blockwise(task, multiprocessing=False, progress=observer, summary=False)
    assert lines_of(path.read_text())[-1]["event"] == "finish"
    with pytest.raises(ValueError, match="closed"):
        observer.on_start({"t": daisy.TaskState()})
    daisy.JsonProgressObserver().on_start({"t": daisy.TaskState(total_block_count=3)})
    assert lines_of(capsys.readouterr().out)[0]["total"] == 3


def test_observers_that_cannot_be_told_are_refused(tmp_path):
    with pytest.raises(ParameterError, match="path or a stream"):
        daisy.JsonProgressObserver(tmp_path / "a", stream=io.StringIO())
    assert not (tmp_path / "a").exists()
    task = daisy.Task("t", process_function=touch, **line(2))
    with pytest.raises(ParameterError, match="on_start"):
        daisy.run_blockwise(task, multiprocessing=False, progress="bar")
    assert not list(Path().glob("t-*"))


# ---- what is run


def test_tasks_are_given_by_either_name_and_once():
    task = daisy.Task("t", process_function=touch, **line(2))
    assert daisy.run_blockwise(tasks=[task], multiprocessing=False, progress=False)
    for given_twice in ({"pipeline": [task], "tasks": [task]}, {}):
        with pytest.raises(PipelineError, match="pipeline= or as tasks="):
            daisy.run_blockwise(multiprocessing=False, **given_twice)


def test_pipelines_run_themselves():
    a, b = (daisy.Task(name, process_function=touch, **line(2)) for name in "ab")
    for other in (42, "b", None):
        for left in (a, a + b):
            with pytest.raises(TypeError, match="unsupported operand"):
                left + other
            with pytest.raises(TypeError, match="unsupported operand"):
                left | other
    whole = daisy.Pipeline.from_task(a) + b
    assert whole.run_blockwise(multiprocessing=False, progress=False)
    states = whole.run_blockwise(multiprocessing=False, progress=False, return_states=True)
    assert list(states) == ["a", "b"]
    c = daisy.Task("c", upstream_tasks=[a], process_function=touch, **line(2))
    assert [task.task_id for task in daisy.Pipeline.from_task(c).tasks] == ["a", "c"]


# ---- what is done


def test_a_reset_lets_the_next_run_do_all_blocks(tmp_path):
    with pytest.warns(DeprecationWarning, match="set_tracking_basedir"):
        daisy.set_done_marker_basedir(tmp_path / "done")
    with pytest.warns(DeprecationWarning, match="get_tracking_basedir"):
        assert daisy.get_done_marker_basedir() == tmp_path / "done"
    a, b = (daisy.Task(name, process_function=touch, **line(3)) for name in ("a", "b c"))
    whole = a + b

    def skipped():
        states = whole.run_blockwise(multiprocessing=False, progress=False, return_states=True)
        return [state.skipped_count for state in states.values()]

    assert skipped() == [0, 0]
    assert skipped() == [3, 3]
    assert a.reset() == str(tmp_path / "done" / "a")
    assert not (tmp_path / "done" / "a").exists()
    assert a.reset() is None
    assert skipped() == [0, 3]
    whole.reset()
    assert list((tmp_path / "done").iterdir()) == []
    assert skipped() == [0, 0]


def test_a_reset_removes_nothing_of_others(tmp_path):
    kept = tmp_path / "mine" / "result.txt"
    task = daisy.Task("t", process_function=touch, tracking_path=tmp_path / "mine", **line(2))
    assert daisy.run_blockwise(task, multiprocessing=False)
    kept.write_text("mine")
    assert task.reset() == str(tmp_path / "mine")
    assert [path.name for path in kept.parent.iterdir()] == ["result.txt"]
    untracked = daisy.Task("t", process_function=touch, tracking_path=False, **line(2))
    assert untracked.reset() is None


# ---- logs


def test_logs_of_workers_have_a_folder_of_their_task():
    daisy.logging.set_log_basedir("here")
    assert daisy.logging.get_log_basedir() == Path("here")
    assert daisy.get_worker_log_basename(3) == Path("here/worker_3")
    assert daisy.get_worker_log_basename("7", "smooth") == Path("here/smooth/worker_7")
    daisy.logging.set_log_basedir(None)
    assert daisy.get_worker_log_basename(3, "smooth") is None
    assert daisy.logging.clear_logs() is None


def test_logs_are_cleared_of_a_task_or_of_all(tmp_path):
    for name in ("a", "b"):
        base = daisy.get_worker_log_basename(0, name)
        base.parent.mkdir(parents=True)
        base.with_suffix(".out").touch()
    assert daisy.logging.clear_logs("a") == tmp_path / "daisy_logs" / "a"
    assert [path.name for path in (tmp_path / "daisy_logs").iterdir()] == ["b"]
    daisy.logging.clear_logs()
    assert not (tmp_path / "daisy_logs").exists()


def test_a_worker_knows_the_folder_of_its_run(tmp_path):
    def tell():
        client = daisy.Client()
        Path(tmp_path / "told").write_text(str(daisy.get_worker_log_basename(5, "t")))
        while True:
            with client.acquire_block() as block:
                if block is None:
                    return

    daisy.set_log_basedir("somewhere")
    task = daisy.Task("t", process_function=tell, **line(2))
    assert daisy.run_blockwise([task], progress=False)
    assert (tmp_path / "told").read_text() == str(tmp_path / "somewhere" / "t" / "worker_5")


def test_what_a_process_prints_goes_to_files_with_that_of_its_children(tmp_path):
    script = """
        import subprocess, sys
        from scutoid.integrations import daisy

        daisy.redirect_stdouterr(None)
        daisy.redirect_stdouterr(sys.argv[1], mode=sys.argv[2])
        print("own")
        print("wrong", file=sys.stderr)
        sys.stdout.flush()
        subprocess.run(["echo", "child"], check=True)
    """
    base = tmp_path / "logs.d" / "worker_1.0"
    for mode in "wa":
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script), str(base), mode],
            check=True,
            capture_output=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert (done.stdout, done.stderr) == (b"", b"")
    assert Path(f"{base}.out").read_text().split() == ["own", "child"] * 2
    assert Path(f"{base}.err").read_text().split() == ["wrong"] * 2
    with pytest.raises(ParameterError, match="anew"):
        daisy.redirect_stdouterr(base, mode="r")


def test_the_level_is_that_of_the_logger_of_progress():
    before = daisy.logging.get_log_level()
    try:
        daisy.logging.set_log_level("ERROR")
        assert daisy.logging.get_log_level() == 40
    finally:
        daisy.logging.set_log_level(before)


# ---- contexts


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.text("a:=%/ é\n")))
def test_any_options_come_back_from_the_environment(options):
    options.pop("", None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(daisy.Context.ENV_VARIABLE, daisy.Context(options).to_env())
        assert daisy.Context.here() == options


def test_a_copy_of_a_context_is_one():
    context = daisy.Context(task_id="t")
    copied = context.copy()
    copied["task_id"] = "u"
    assert (type(copied), context["task_id"]) == (daisy.Context, "t")


def test_nothing_is_warned_of_by_the_newer_names():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        daisy.set_tracking_basedir(None)
        assert daisy.get_tracking_basedir() is None


def die(block):
    os._exit(3)


def ok(block):
    """Does nothing."""


def test_a_task_whose_workers_always_die_is_given_up_and_others_finish():
    bad = daisy.Task("bad", process_function=die, num_workers=2, **line(200))
    waits = daisy.Task("waits", process_function=ok, upstream_tasks=[bad], **line(200))
    good = daisy.Task("good", process_function=ok, **line(50))
    states = daisy.Server().run_blockwise([bad, waits, good], progress=False)
    assert states["good"].completed_count == 50
    assert {name for name, state in states.items() if state.abandoned} == {"bad", "waits"}
    assert "in a row did not" in states["bad"].abandon_reason
    assert "'bad'" in states["waits"].abandon_reason
    for name in ("bad", "waits"):
        assert states[name].is_done()
        assert states[name].failed_count + states[name].orphaned_count == 200
    assert states["bad"].worker_failure_count > states["bad"].failed_count
    assert 0 < states["bad"].worker_restart_count <= states["bad"].worker_failure_count
    assert "exit code 3" in states["bad"].last_worker_error
