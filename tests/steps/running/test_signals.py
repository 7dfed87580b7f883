"""SIGTERM and SIGHUP end a run: blocks in flight are kept, and the run is written down."""

from __future__ import annotations

import json
import os
import pkgutil
import signal
import subprocess
import sys
import textwrap
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import scutoid as sc
from scutoid import events
from scutoid.blocks import Journal
from scutoid.errors import ParameterError, RunStopped
from scutoid.executors import Job, Work
from scutoid.executors._serial import SerialExecutor
from scutoid.stopping import OutOfTime
from scutoid.store import Lock, Owner
from scutoid.testing import Recorder

SCRIPT = """
    import os, sys, time
    from pathlib import Path
    import numpy as np
    import scutoid as sc

    # The first blocks are done at once; others wait for a file, and take a little more then
    @sc.blockwise(dtype="uint8", block=8, version="1", check_halo=False)
    def slow(image, *, place, block):
        Path(place, f"pid-{os.getpid()}").touch()
        Path(place, f"begun-{block.index}").touch()
        while block.index > 3 and not Path(place, "go").exists():
            time.sleep(0.01)
        time.sleep(0.05)
        return image

    if __name__ == "__main__":
        place, executor = sys.argv[1:]
        raw = np.arange(80 * 80).reshape(80, 80).astype("uint8")
        result = slow(sc.open(raw), place=place)
        run = sc.run(result, store=Path(place, "store"), workers=2, executor=executor)
        print(run.step("slow").n_cached)
"""


class Started:
    """A run of the script in a process of its own."""

    def __init__(self, folder, executor, wait_for, **variables):
        if executor == "dask":
            pytest.importorskip("distributed")
        self.folder = folder
        self.wait_for = wait_for
        (folder / "s.py").write_text(textwrap.dedent(SCRIPT))
        command = [sys.executable, "s.py", str(folder), executor]
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | {"SCUTOID_REPORT": "on"} | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def until_blocks_wait(self):
        """Wait until blocks that end by themselves are journalled, and others have begun."""
        self.wait_for(lambda: self.n_journalled >= 4 and len(self.begun - set(range(4))) >= 1)

    def end(self):
        """Wait for its end; return the exit code."""
        self.out, self.err = self.process.communicate(timeout=240)
        return self.process.returncode

    @property
    def pids(self):
        return [int(path.name[4:]) for path in self.folder.glob("pid-*")]

    @property
    def begun(self):
        return {int(path.name[6:]) for path in self.folder.glob("begun-*")}

    @property
    def n_journalled(self):
        paths = self.folder.glob("store/slow/*/journal")
        return sum(int((Journal.read(path) > 0).sum()) for path in paths)

    @property
    def outcome(self):
        (path,) = self.folder.glob("store/runs/*/run.json")
        return json.loads(path.read_text())


@pytest.fixture
def start(tmp_path, wait_for):
    """Starts a run, which ends with the test at the latest."""
    started = []

    def begin(executor, **variables):
        started.append(Started(tmp_path, executor, wait_for, **variables))
        return started[-1]

    yield begin
    for each in started:
        each.process.kill()
        each.process.communicate()


@pytest.mark.parametrize(
    ("executor", "number", "times"),
    [
        ("serial", signal.SIGTERM, 1),
        ("serial", signal.SIGHUP, 1),
        ("threads", signal.SIGTERM, 1),
        ("processes", signal.SIGTERM, 2),  # as `timeout` sends it
        ("dask", signal.SIGTERM, 1),
    ],
)
def test_blocks_in_flight_are_kept_and_the_run_is_written_down(
    tmp_path, start, executor, number, times
):
    run = start(executor)
    run.until_blocks_wait()
    for _ in range(times):
        run.process.send_signal(number)
    (tmp_path / "go").touch()
    assert run.end() == 128 + number, run.err
    assert run.n_journalled == len(run.begun) < 100
    (step,) = run.outcome["steps"]
    assert step["n_done"] == run.n_journalled
    assert step["n_failed"] == 0
    assert list(tmp_path.glob("store/runs/*/report.html"))
    assert not list(tmp_path.glob("store/**/.*.lock"))
    n_before = run.n_journalled
    again = start(executor)
    assert again.end() == 0, again.err
    assert int(again.out) == n_before


def test_a_signal_to_all_processes_of_a_run_is_one_to_the_run(tmp_path, start):
    run = start("processes")
    run.until_blocks_wait()
    for pid in [*run.pids, run.process.pid]:
        os.kill(pid, signal.SIGTERM)
    (tmp_path / "go").touch()
    assert run.end() == 143, run.err
    assert run.n_journalled == len(run.begun) < 100
    (step,) = run.outcome["steps"]
    assert step["n_failed"] == 0


@pytest.mark.parametrize("executor", ["serial", "threads", "processes"])
def test_blocks_that_take_longer_than_their_grace_are_given_up(start, executor, is_alive, wait_for):
    run = start(executor, SCUTOID_GRACE="0.3s")
    run.until_blocks_wait()
    run.process.send_signal(signal.SIGTERM)
    assert run.end() == 143, run.err
    assert run.n_journalled == 4
    (step,) = run.outcome["steps"]
    assert step["n_done"] == 4
    wait_for(lambda: not any(map(is_alive, run.pids)))


@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_a_second_signal_does_not_wait_for_blocks(start, executor, is_alive, wait_for):
    run = start(executor, SCUTOID_GRACE="1h")
    run.until_blocks_wait()
    while run.process.poll() is None:
        run.process.send_signal(signal.SIGTERM)
        try:
            run.process.wait(5)
        except subprocess.TimeoutExpired:
            continue
    assert run.end() == 143, run.err
    assert run.n_journalled == 4
    wait_for(lambda: not any(map(is_alive, run.pids)))


def test_a_worker_that_gets_a_signal_alone_reports_its_block_and_is_replaced(
    tmp_path, start, wait_for
):
    run = start("processes")
    run.until_blocks_wait()
    first = set(run.pids)
    os.kill(min(first), signal.SIGTERM)
    (tmp_path / "go").touch()
    assert run.end() == 0, run.err
    assert set(run.pids) > first
    (path,) = tmp_path.glob("store/runs/*/events.jsonl")
    kinds = [json.loads(line)["event"] for line in path.read_text().splitlines()]
    assert "BlockFailed" not in kinds


@pytest.fixture
def result(tmp_path):
    """A result of 16 blocks."""

    @sc.blockwise(dtype="uint8", block=8, version="1", check_halo=False)
    def copy(image):
        return image

    return copy(sc.open(np.arange(32 * 32).reshape(32, 32).astype("uint8")))


@pytest.fixture
def signals_as_before():
    """Handlers of a test are none of the next one's."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def at_first_block(act):
    """A listener that does something once blocks are done."""
    done = []

    def react(event):
        if isinstance(event, events.BatchDone) and not done:
            done.append(event)
            act()

    return Recorder(react)


def serially(result, store, *listeners):
    return sc.run(result, store=store, executor="serial", listeners=listeners, report=False)


def test_handlers_are_there_during_a_run_alone(tmp_path, result):
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)]
    seen = []

    def look():
        seen.extend(signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP))

    serially(result, tmp_path, at_first_block(look))
    assert not set(seen) & set(before)
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)] == before


def test_a_run_in_another_thread_changes_no_handler(tmp_path, result):
    before, seen = signal.getsignal(signal.SIGTERM), []
    look = at_first_block(lambda: seen.append(signal.getsignal(signal.SIGTERM)))
    thread = threading.Thread(target=serially, args=(result, tmp_path, look))
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_is_ignored_stays_ignored(tmp_path, result, signals_as_before, number):
    signal.signal(number, signal.SIG_IGN)
    assert serially(result, tmp_path, at_first_block(lambda: signal.raise_signal(number))).ok
    assert signal.getsignal(number) is signal.SIG_IGN


def test_an_earlier_handler_is_called_once_the_run_is_written_down(
    tmp_path, result, signals_as_before
):
    called = []

    def handle(number, frame):
        (path,) = tmp_path.glob("runs/*/run.json")
        (step,) = json.loads(path.read_text())["steps"]
        called.append((number, step["n_done"], frame is not None))

    signal.signal(signal.SIGTERM, handle)
    with pytest.raises(RunStopped) as caught:
        serially(result, tmp_path, at_first_block(lambda: signal.raise_signal(signal.SIGTERM)))
    (step,) = caught.value.run.steps
    assert caught.value.code == 143
    assert 0 < step.n_done < 16
    assert called == [(signal.SIGTERM, step.n_done, True)]
    assert signal.getsignal(signal.SIGTERM) is handle


def test_an_earlier_handler_may_end_the_process_in_its_own_way(tmp_path, result, signals_as_before):
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(7))
    with pytest.raises(SystemExit) as caught:
        serially(result, tmp_path, at_first_block(lambda: signal.raise_signal(signal.SIGTERM)))
    assert caught.value.code == 7


def test_a_handler_that_is_set_during_a_run_stays(tmp_path, result, signals_as_before):
    def handle(number, frame):
        """Do nothing."""

    serially(result, tmp_path, at_first_block(lambda: signal.signal(signal.SIGTERM, handle)))
    assert signal.getsignal(signal.SIGTERM) is handle


def test_a_run_inside_a_run_ends_both(tmp_path, result, signals_as_before):
    called = []
    signal.signal(signal.SIGTERM, lambda number, frame: called.append(number))
    inner = at_first_block(lambda: signal.raise_signal(signal.SIGTERM))

    def run_inside():
        serially(result, tmp_path / "inner", inner)

    with pytest.raises(RunStopped):
        serially(result, tmp_path / "outer", at_first_block(run_inside))
    assert called == [signal.SIGTERM]
    for name in ("inner", "outer"):
        assert serially(result, tmp_path / name).step("copy").n_cached > 0


def test_a_signal_before_the_first_block_ends_a_run_too(tmp_path, result, signals_as_before):
    @sc.step(version="1")
    def made_when_planned(image, key):
        return 1.0

    class Key:
        def __scutoid_key__(self):
            signal.raise_signal(signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, lambda number, frame: None)
    with pytest.raises(RunStopped):
        serially(made_when_planned(result, key=Key()), tmp_path)
    assert not list(tmp_path.glob("copy/*"))
    signal.signal(signal.SIGTERM, before)


def test_processes_that_blocks_fork_have_no_handlers_of_the_run(tmp_path, result):
    codes = []

    def fork():
        pid = os.fork()
        if pid == 0:
            is_default = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
            os._exit(0 if is_default else 1)
        codes.append(os.waitpid(pid, 0)[1])

    serially(result, tmp_path, at_first_block(fork))
    assert codes == [0]


@pytest.mark.parametrize("grace", ["10", "-1s", "soon", "1 min"])
def test_a_grace_that_is_no_time_is_refused_before_anything_runs(
    tmp_path, result, monkeypatch, grace
):
    monkeypatch.setenv("SCUTOID_GRACE", grace)
    with pytest.raises(ParameterError, match="SCUTOID_GRACE"):
        serially(result, tmp_path)
    assert not list(Path(tmp_path).glob("copy/*"))


class Interrupting:
    """Acts at the n-th call within some modules of scutoid, as a signal may come at any time."""

    def __init__(self, modules, n, act):
        self.modules, self.n, self.act = modules, n, act
        self.n_calls = 0

    def __call__(self, frame, event, argument):
        if not frame.f_code.co_filename.endswith(self.modules):
            return
        if frame.f_code.co_name in ("release", "__exit__"):
            return  # nothing can be made safe before its first line
        self.n_calls += 1
        if self.n_calls == self.n:
            self.act()

    def __enter__(self):
        sys.setprofile(self)
        return self

    def __exit__(self, *raised):
        sys.setprofile(None)


def locks_in(folder):
    """Locks that name a holder: an empty one counts as left after some seconds."""
    return [path for path in folder.rglob(".*.lock*") if Owner.read(path) is not None]


def interrupt():
    signal.raise_signal(signal.SIGINT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_lock_is_given_back_wherever_ctrl_c_comes(tmp_path):
    with Interrupting("/store/_lock.py", 0, interrupt) as counted:
        Lock(tmp_path / "step" / "0").acquire()
    assert counted.n_calls > 10
    for n in range(1, counted.n_calls):
        lock = Lock(tmp_path / "step" / str(n))
        with suppress(KeyboardInterrupt), Interrupting("/store/_lock.py", n, interrupt):
            lock.acquire()
        lock.release()
        assert lock.owner is None, n
    assert [each.name for each in locks_in(tmp_path)] == [".0.lock"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_lock_of_a_run_stays_wherever_ctrl_c_comes(tmp_path, result):
    places = ("/running/_claim.py", "/running/_begin.py", "/store/_lock.py")
    with Interrupting(places, 0, interrupt) as counted:
        serially(result, tmp_path / "all")
    for n in range(1, counted.n_calls, 11):
        with suppress(KeyboardInterrupt), Interrupting(places, n, interrupt):
            serially(result, tmp_path / str(n))
    assert not locks_in(tmp_path)


@pytest.mark.parametrize(
    "place",
    [
        "scutoid.executors._serial._SerialWorkerPool.stop",
        "scutoid.blocks._task_progress.RunProgress.end",
        "scutoid.steps.running._runner.Runner._finish",
        "scutoid.steps.running._runner.Runner._remember",
        "scutoid.steps.running._runner.Runner._record_collections",
        "scutoid.steps.running._comparison.Comparison.warnings",
        "scutoid.steps.running._runner.Runner.results",
        "scutoid.steps.running._runner.Runner._write",
        "scutoid.reports._write.read_run",
    ],
)
def test_a_run_that_a_signal_meets_at_its_end_is_written_down(
    tmp_path, result, monkeypatch, signals_as_before, place
):
    number = signal.SIGHUP if place.endswith("_write") else signal.SIGTERM
    whole, began, sent = pkgutil.resolve_name(place), [], []

    def after_a_signal(*args, **options):
        if began and not sent:
            sent.append(number)
            signal.raise_signal(number)
        return whole(*args, **options)

    pkgutil.resolve_name("scutoid.reports:report_of_run")  # so that it is loaded
    monkeypatch.setattr(place, after_a_signal)
    signal.signal(number, lambda *_: None)
    with pytest.raises(RunStopped) as caught:
        sc.run(
            result,
            store=tmp_path,
            executor="serial",
            listeners=[at_first_block(lambda: began.append(1))],
            report=True,
        )
    assert caught.value.code == 128 + number
    assert caught.value.run.step("copy").n_done == 16
    (path,) = tmp_path.glob("runs/*/run.json")
    assert json.loads(path.read_text())["steps"][0]["n_done"] == 16
    assert list(tmp_path.glob("runs/*/report.html"))
    assert not locks_in(tmp_path)
    assert serially(result, tmp_path).step("copy").n_cached == 16


@pytest.mark.parametrize("moment", ["Runner._finish", "SampleRunner.record"])
def test_a_sample_that_a_signal_meets_at_its_end_is_written_down(
    tmp_path, result, monkeypatch, signals_as_before, moment
):
    place = f"scutoid.steps.running._sample.{moment}"
    whole = pkgutil.resolve_name(place)

    def after_a_signal(*args):
        signal.raise_signal(signal.SIGTERM)
        return whole(*args)

    monkeypatch.setattr(place, after_a_signal)
    signal.signal(signal.SIGTERM, lambda *_: None)
    with pytest.raises(RunStopped):
        sc.plan(result, store=tmp_path, sample=2, executor="serial")
    (path,) = tmp_path.glob("runs/*/run.json")
    assert json.loads(path.read_text())["steps"][0]["n_done"] == 3


def test_grace_that_ends_between_two_blocks_ends_the_run_as_within_one(tmp_path):
    def items(indices):
        yield 0
        raise OutOfTime

    work = Work("w", lambda item, values: (1, None), items)
    pool = SerialExecutor().open([work], 1)
    pool.wait(0)
    pool.submit(0, Job(0, 0, np.arange(2)))
    (outcome,) = pool.wait(0)
    assert not outcome.statuses.any()
    assert outcome.failures == ()
