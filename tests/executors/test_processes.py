"""Worker processes that die, hang, leave or are left behind: real faults."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from scutoid import events
from scutoid.blocks import BlockGrid, BlockTask, Journal, run_blocks
from scutoid.errors import ParameterError, RunFailed, WorkerError
from scutoid.executors._heartbeat import SharedHeartbeat
from scutoid.executors._pickling import dumps, is_importable, loads
from scutoid.geometry import Roi
from scutoid.testing import Recorder

pytestmark = pytest.mark.usefixtures("new_processes")

SHORT = 5
"""A time-out, in seconds, that blocks which do nothing keep also where others keep both cores."""


def grid(n):
    return BlockGrid(Roi((0,), (n,)), 1)


@pytest.fixture
def no_process_is_left():
    """What other tests have started is none of ours."""
    before = children()
    yield
    assert set(children()) <= set(before)


def children():
    """Processes that this one has started and that are not gone, zombies included."""
    listed = Path(f"/proc/self/task/{os.getpid()}/children")
    if not listed.exists():
        pytest.skip("this system does not list the children of a process")
    return listed.read_text().split()


def ways_to_die():
    def by_signal():
        os.kill(os.getpid(), signal.SIGKILL)

    def by_segfault():
        os.kill(os.getpid(), signal.SIGSEGV)

    def by_exit():
        os._exit(0)

    return [by_signal, by_segfault, by_exit]


@pytest.mark.parametrize("die", ways_to_die(), ids=lambda die: die.__name__)
def test_a_crash_is_charged_to_its_block_alone(tmp_path, die, no_process_is_left):
    def crash_once(block):
        path = tmp_path / f"{block.index}"
        with path.open("a") as file:
            file.write("x")
        if block.index == 40 and path.read_text() == "x":
            die()

    recorder = Recorder()
    task = BlockTask("t", crash_once, grid(200), retries=1)
    assert run_blocks(task, workers=2, listeners=[recorder]).ok
    failed = recorder.of(events.BlockFailed)
    assert [(event.index, event.will_retry) for event in failed] == [(40, True)]
    assert len(recorder.of(events.WorkerLost)) == 1
    assert (tmp_path / "40").read_text() == "xx"


def test_a_block_that_always_crashes_fails_and_the_rest_goes_on():
    def crash(block):
        if block.index == 7:
            os._exit(3)

    tasks = [
        BlockTask("t", crash, grid(50), retries=1),
        BlockTask("after", len_of, grid(50), after=("t",)),
    ]
    report = run_blocks(tasks, workers=2, on_failure="return")
    assert (report.tasks["t"].n_done, report.tasks["t"].n_failed) == (49, 1)
    assert report.tasks["after"].n_orphaned == 1
    assert "exit code 3" in report.tasks["t"].failures[0].error


def len_of(block):
    """A function of a module that a fresh process cannot import by name under pytest."""
    return len(block.task)


def test_workers_that_keep_dying_end_the_run_with_a_clear_error(no_process_is_left):
    def crash(block):
        os._exit(9)

    recorder = Recorder()
    task = BlockTask("t", crash, grid(1000), retries=2)
    with pytest.raises(WorkerError, match="in a row") as caught:
        run_blocks(task, workers=1, listeners=[recorder])
    assert "exit code 9" in str(caught.value)
    assert len(recorder.of(events.WorkerStarted)) < 20


def test_a_block_stuck_in_c_code_is_ended_by_its_time_out(tmp_path, no_process_is_left):
    def hang(block):
        if block.index == 3 and not (tmp_path / "hung").exists():
            (tmp_path / "hung").touch()
            # Holds the interpreter's lock, and takes no notice of anything.
            import ctypes

            ctypes.PyDLL(None).sleep(600)

    recorder = Recorder()
    task = BlockTask("t", hang, grid(20), retries=1, timeout=SHORT)
    assert run_blocks(task, workers=2, listeners=[recorder]).ok
    (failed,) = recorder.of(events.BlockFailed)
    assert failed.index == 3
    assert failed.error == f"TimeoutError: the block took more than {SHORT} s"


def test_a_crash_in_the_set_up_fails_the_task_once():
    def load():
        os._exit(4)

    def use(block, *, model):
        """Never gets here."""

    task = BlockTask("t", use, grid(20), setup={"model": load}, retries=1)
    report = run_blocks(task, workers=2, on_failure="return")
    (failure,) = report.tasks["t"].failures
    assert failure.index == -1
    assert report.tasks["t"].n_failed == 20


def test_a_failed_block_is_tried_on_another_worker(tmp_path, wait_for):
    def only_elsewhere(block):
        (tmp_path / f"worker-{os.getpid()}").touch()
        # No block goes on before the other worker has one too: there is somewhere else to go.
        wait_for(lambda: len(list(tmp_path.glob("worker-*"))) == 2)
        if block.index == 0 and not (tmp_path / "first").exists():
            (tmp_path / "first").write_text(str(os.getpid()))
            raise ValueError("not here")
        if block.index == 0:
            (tmp_path / "second").write_text(str(os.getpid()))

    task = BlockTask("t", only_elsewhere, grid(60), retries=1)
    assert run_blocks(task, workers=2).ok
    assert (tmp_path / "first").read_text() != (tmp_path / "second").read_text()


def test_a_value_that_cannot_be_pickled_is_its_blocks_failure():
    def make(block):
        return (lambda: 1) if block.index else (i for i in range(2))

    got = []
    task = BlockTask("t", make, grid(3), retries=0, collect=got.extend)
    report = run_blocks(task, workers=1, on_failure="return")
    assert report.tasks["t"].n_failed == 1
    assert report.tasks["t"].failures[0].index == 0
    assert sorted(index for index, _ in got) == [1, 2]


def test_large_values_and_large_functions_pass():
    ballast = os.urandom(3_000_000)

    def make(block):
        return ballast[: 1_000_000 + block.index]

    got = {}
    task = BlockTask("t", make, grid(12), collect=got.update)
    run_blocks([task, BlockTask("u", lambda _: len(ballast), grid(12), after=("t",))], workers=2)
    assert got == {index: ballast[: 1_000_000 + index] for index in range(12)}


def test_a_function_that_cannot_be_pickled_is_refused_before_work(no_process_is_left):
    file = Path(__file__).open()  # noqa: SIM115 - an open file is what cannot be pickled
    try:
        import threading

        lock = threading.Lock()
        with pytest.raises(ParameterError, match="can be pickled") as caught:
            run_blocks(BlockTask("t", lambda block: lock, grid(3)))
    finally:
        file.close()
    assert "task 't'" in str(caught.value)


def test_numeric_libraries_get_one_thread_each():
    def threads(block):
        import numpy  # noqa: F401, ICN001
        import threadpoolctl

        return [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]

    got = {}
    run_blocks(BlockTask("t", threads, grid(2), collect=got.update))
    assert all(n == 1 for counts in got.values() for n in counts)


def test_what_workers_print_goes_to_the_log_folder(tmp_path):
    def say(block):
        print("block", block.index)  # noqa: T201

    run_blocks(BlockTask("t", say, grid(2)), logs=tmp_path / "logs")
    assert (tmp_path / "logs" / "worker-0.log").read_text() == "block 0\nblock 1\n"


def run_script(folder, text, *, wait=True, **options):
    script = folder / "script.py"
    script.write_text(textwrap.dedent(text))
    process = subprocess.Popen(
        [sys.executable, str(script)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
    if wait:
        out, err = process.communicate()
        assert process.returncode == 0, err
        return out
    return process


def test_a_script_without_a_main_guard_runs_once(tmp_path):
    (tmp_path / "beside.py").write_text("def twice(x):\n    return 2 * x\n")
    out = run_script(
        tmp_path,
        """
        import beside
        from scutoid.blocks import BlockGrid, BlockTask, run_blocks
        from scutoid.geometry import Roi

        class Value:
            def __init__(self, number):
                self.number = number

        def helper(x):
            return Value(beside.twice(x))

        print("begin")
        got = {}
        grid = BlockGrid(Roi((0,), (5,)), 1)
        a = BlockTask("a", lambda block: helper(block.index), grid, collect=got.update)
        run_blocks([a], workers=2)
        print(sorted(value.number for value in got.values()), isinstance(got[0], Value))
        """,
    )
    assert out == "begin\n[0, 2, 4, 6, 8] True\n"


SLOW_SCRIPT = """
    import json, os, sys, time
    from pathlib import Path
    from scutoid.blocks import BlockGrid, BlockTask, Journal, run_blocks
    from scutoid.geometry import Roi

    folder = Path(sys.argv[0]).parent

    def is_to_be_ended():
        is_begun = (Journal.read(folder / "t.journal") > 0).sum() > 60
        return is_begun and not (folder / "fast").exists()

    def mark(block):
        (folder / f"pid-{os.getpid()}").touch()
        with (folder / f"block-{block.index}").open("a") as file:
            file.write("x")
        if not (folder / "fast").exists():
            time.sleep(0.02)
        while is_to_be_ended():
            time.sleep(0.01)

    task = BlockTask("t", mark, BlockGrid(Roi((0,), (300,)), 1))
    report = run_blocks(task, workers=2, journal=folder)
    print(json.dumps([report.ok, report.tasks["t"].n_cached]))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_driver_that_is_ended_leaves_no_process_and_redoes_only_what_was_in_flight(
    tmp_path, number, is_alive, wait_for
):
    journal = tmp_path / "t.journal"
    process = run_script(tmp_path, SLOW_SCRIPT, wait=False)
    try:
        wait_for(lambda: (Journal.read(journal) > 0).sum() > 60)
        wait_for(lambda: len(list(tmp_path.glob("pid-*"))) == 2)
        process.send_signal(number)
        _, err = process.communicate()
    finally:
        process.kill()
        process.wait()
    assert process.returncode != 0
    if number == signal.SIGINT:
        assert "KeyboardInterrupt" in err
    workers = [int(path.name[4:]) for path in tmp_path.glob("pid-*")]
    assert len(workers) == 2
    wait_for(lambda: not any(map(is_alive, workers)))
    begun = {int(path.name[6:]) for path in tmp_path.glob("block-*")}
    recorded = set((Journal.read(journal) > 0).nonzero()[0].tolist())
    assert recorded <= begun
    (tmp_path / "fast").touch()
    ok, n_cached = json.loads(run_script(tmp_path, SLOW_SCRIPT))
    assert ok
    assert n_cached == len(recorded)
    for index in range(300):
        times = len((tmp_path / f"block-{index}").read_text())
        assert times == (2 if index in begun - recorded else 1)
    # Two workers with one batch each in hand, and one each to follow, of some 0.2 s.
    assert len(begun - recorded) <= 2 * 2 * 20


def test_a_process_group_is_ended_with_its_worker(tmp_path, is_alive, wait_for):
    def start_child_and_hang(block):
        child = subprocess.Popen(["sleep", "600"])
        (tmp_path / "child").write_text(str(child.pid))
        time.sleep(600)

    task = BlockTask("t", start_child_and_hang, grid(1), retries=0, timeout=SHORT)
    with pytest.raises(RunFailed):
        run_blocks(task)
    pid = int((tmp_path / "child").read_text())
    wait_for(lambda: not is_alive(pid))


def test_what_a_fresh_process_can_import_goes_by_name():
    assert is_importable("json")
    assert is_importable("numpy.linalg")
    assert is_importable("scutoid.geometry")
    assert not is_importable(__name__)
    assert b"scutoid.geometry" in dumps(Roi)
    assert loads(dumps(len_of)) is not len_of


def test_a_page_shows_what_its_worker_does():
    page, theirs = SharedHeartbeat.create()
    worker = SharedHeartbeat(theirs)
    assert page.look() is None
    worker.begin(5)
    assert (page.look().job, page.look().position) == (5, -1)
    worker.at(2)
    seen = page.look()
    assert (seen.job, seen.position) == (5, 2)
    assert seen.since <= time.monotonic()
    worker.end()
    assert page.look() is None
    page.close()
    worker.close()


def test_a_worker_gives_back_what_another_step_has_freed(tmp_path):
    if not hasattr(ctypes.CDLL(None), "malloc_trim"):
        pytest.skip("this system's C library keeps no freed memory")

    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def free_much(block):
        held = [b"x" * 100_000 for _ in range(240)]
        sys.above = b"x" * 100_000  # what is freed below it stays until it is given back
        del held
        (tmp_path / "freed").write_text(str(resident()))

    def look(block):
        (tmp_path / "later").write_text(str(resident()))

    first = BlockTask("free", free_much, grid(1))
    run_blocks([first, BlockTask("look", look, grid(1), after=(first,))], workers=1)
    freed, later = (int((tmp_path / name).read_text()) for name in ("freed", "later"))
    assert later < freed - 15_000_000


def test_garbage_is_looked_for_in_blocks_but_not_among_what_was_imported(tmp_path):
    def note(block):
        import gc

        (tmp_path / f"{block.index}").write_text(f"{gc.isenabled()} {gc.get_freeze_count() > 0}")

    assert run_blocks(BlockTask("t", note, grid(4)), workers=2, executor="processes").ok
    assert {(tmp_path / str(number)).read_text() for number in range(4)} == {"True True"}
