"""Processes stay from run to run, while they are as new ones would be."""

from __future__ import annotations

import ast
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pytest
import tifffile

import scutoid as sc
from scutoid.executors._idle import Idle
from scutoid.executors._process import Surroundings
from scutoid.executors._traces import Traces


@sc.blockwise(version="1", check_halo=False, dtype="int64", block=4)
def processes(image, *, run, does=None):
    if does is not None:
        does()
    print("run", run)  # noqa: T201 - a log gets it
    return image * 0 + os.getpid()


@pytest.fixture
def pids(tmp_path):
    """Return a function that runs, and gives the processes that it ran in."""
    runs = []
    Idle.of_this_process().close()

    def run(**options):
        runs.append(options)
        image = processes(sc.open(np.zeros((8, 8), "int64")), run=len(runs), **options)
        done = sc.run(image, store=tmp_path / "store", workers=1)
        logs = "".join(log.read_text() for log in done.folder.glob("logs/*"))
        assert set(logs.split()) == {"run", str(len(runs))}  # each has its own
        found = set(np.unique(image.read()).tolist())
        assert os.getpid() not in found
        return found

    yield run
    Idle.of_this_process().close()


def is_there(pid):
    return Path(f"/proc/{pid}").exists()


def test_they_stay_and_end_when_nobody_needs_them(pids, monkeypatch, wait_for):
    first = pids()
    assert pids() == first
    assert all(map(is_there, first))
    monkeypatch.setattr(Idle.of_this_process(), "_seconds", 0.05)
    assert pids() == first
    wait_for(lambda: not any(map(is_there, first)))
    assert pids() != first


@pytest.mark.parametrize("changes", ["environment", "folder", "path"])
def test_they_are_replaced_when_the_driver_has_changed(pids, monkeypatch, tmp_path, changes):
    first = pids()
    if changes == "environment":
        monkeypatch.setenv("SOMETHING", "else")
    elif changes == "folder":
        monkeypatch.chdir(tmp_path)
    else:
        monkeypatch.syspath_prepend(tmp_path)
    assert pids().isdisjoint(first)
    assert not any(map(is_there, first))


def goes_away():
    os.chdir("/")


def goes_where_nothing_is():
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    Path(folder).rmdir()


@pytest.mark.parametrize("does", ["environment", "folder"])
def test_they_are_replaced_when_a_function_has_changed_them(pids, does):
    first = pids(does=CHANGES[does])
    assert pids().isdisjoint(first)


CHANGES = {
    "environment": lambda: os.environ.update(SOMETHING="else"),
    "folder": goes_away,
    "folder that is gone": goes_where_nothing_is,
    "rights": lambda: os.umask(0o77),
    "limits": lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
    "priority": lambda: os.nice(1),
    "signals": lambda: signal.signal(signal.SIGUSR1, signal.SIG_IGN),
    "alarm": lambda: signal.alarm(99),
    "errors of numpy": lambda: np.seterr(all="raise"),
    "warnings": lambda: warnings.simplefilter("error"),
    "output": lambda: setattr(sys, "stdout", None),
}
INHERITED = ["environment", "folder", "folder that is gone", "rights", "limits", "priority"]


@pytest.fixture(scope="module")
def seen():
    """What is noticed of each change, made in a process of its own: by a worker, by a driver."""
    code = "import test_idle; print(test_idle.notices())"
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=Path(__file__).parent, check=True, capture_output=True, text=True
    )
    return ast.literal_eval(done.stdout)


def notices():
    resource.setrlimit(resource.RLIMIT_CORE, (1, 1))
    return {name: in_a_fork(noticed, change) for name, change in CHANGES.items()}


def noticed(change):
    traces, before = Traces(), Surroundings.now(None)
    if traces.are_there() or before != Surroundings.now(None):
        return "always"
    change()
    return traces.are_there(), before != Surroundings.now(None)


def in_a_fork(function, *args):
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writes, repr(function(*args)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    return ast.literal_eval(os.read(reads, 99).decode())


@pytest.mark.parametrize("change", CHANGES)
def test_changes_of_a_process_are_noticed(seen, change):
    assert seen[change] == (True, change in INHERITED)


def test_what_the_driver_prints_to_counts_where_runs_have_no_logs(capfd, tmp_path):
    before, with_logs = Surroundings.now(None), Surroundings.now(tmp_path)
    with capfd.disabled():
        assert Surroundings.now(None) != before
        assert Surroundings.now(tmp_path) == with_logs


def test_a_log_is_written_where_the_output_was_closed(tmp_path):
    code = (
        "import os, sys\nfrom scutoid.executors._worker import _print_to\n"
        "os.close(1)\nos.close(2)\n_print_to(sys.argv[1])\n"
        "os.write(1, b'one ')\nos.write(2, b'two')"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "log"], check=True)
    assert (tmp_path / "log").read_text() == "one two"


def test_what_a_function_has_put_into_a_class_goes_with_its_run(tmp_path):
    class Model:
        pass

    @sc.blockwise(version="1", check_halo=False, dtype="int64")
    def loaded(image, *, number):
        Model.weights = getattr(Model, "weights", number)
        return image * 0 + Model.weights

    found = [loaded(sc.open(np.zeros((2, 2), "int64")), number=number) for number in (1, 2)]
    for each in found:
        sc.run(each, store=tmp_path, workers=1)
    assert [each.read().max() for each in found] == [1, 2]


def test_what_a_function_has_put_into_a_module_of_the_user_goes_with_its_run(tmp_path, monkeypatch):
    (tmp_path / "a_module_with_a_model.py").write_text("WEIGHTS = []\n")
    monkeypatch.syspath_prepend(tmp_path)

    @sc.blockwise(version="1", check_halo=False, dtype="int64")
    def loaded(image, *, number):
        import a_module_with_a_model

        a_module_with_a_model.WEIGHTS.append(number)
        return image * 0 + a_module_with_a_model.WEIGHTS[0]

    found = [loaded(sc.open(np.zeros((2, 2), "int64")), number=number) for number in (1, 2)]
    for each in found:
        sc.run(each, store=tmp_path / "store", workers=1)
    assert [each.read().max() for each in found] == [1, 2]


@pytest.mark.parametrize("where", ["driver", "step before"])
def test_a_folder_that_is_gone_fails_nothing(tmp_path, monkeypatch, where):
    @sc.blockwise(version="1", check_halo=False, dtype="float64")
    def first(image):
        if where == "step before":
            goes_where_nothing_is()
        return image

    @sc.blockwise(version="1", check_halo=False, dtype="float64")
    def second(image):
        return image + 1

    monkeypatch.chdir(tmp_path)
    if where == "driver":
        goes_where_nothing_is()
    target = second(first(sc.open(np.zeros((2, 2)))))
    assert sc.run(target, store=tmp_path / "store", workers=1).ok


def test_they_are_replaced_when_a_module_has_changed(pids, tmp_path, monkeypatch):
    packages = tmp_path / "site-packages"  # one of the user's own is never kept
    packages.mkdir()
    monkeypatch.syspath_prepend(packages)
    module = packages / "a_module_that_changes.py"
    module.write_text("VALUE = 1\n")
    os.utime(module, (1e9, 1e9))

    def imports():
        import a_module_that_changes

        assert a_module_that_changes.VALUE

    first = pids(does=imports)
    assert pids() == first
    module.write_text("VALUE = 22\n")
    assert pids().isdisjoint(first)


def test_each_thread_has_its_own(pids):
    """The system ends a process with the thread that has started it."""
    first = pids()
    found = []
    thread = threading.Thread(target=lambda: found.append(pids()))
    thread.start()
    thread.join()
    assert found[0].isdisjoint(first)


def test_a_run_of_another_thread_ends_none(pids):
    first = pids()
    thread = threading.Thread(target=pids)
    thread.start()
    thread.join()
    assert pids() == first


@dataclass
class Waits:
    """A process as far as those that wait are concerned."""

    number: int
    begun_in: Surroundings
    ends: list[int]

    def begin_run(self, number, logs, *, is_anew):
        return True

    def send(self, message):
        pass

    def end(self, seconds=0):
        self.ends.append(self.number)


def test_each_ends_when_it_has_waited_long_enough(monkeypatch):
    now, ends = 0.0, []
    here = Surroundings.now(None)
    monkeypatch.setattr("scutoid.executors._idle.time", MagicMock(monotonic=lambda: now))
    idle = Idle(300)
    monkeypatch.setattr("scutoid.executors._idle.threading", MagicMock())
    for number in range(3):
        idle.keep(Waits(number, here, ends))
    for now in (200.0, 400.0):  # noqa: B007 - it is the time
        idle.keep(idle.take(0, here, None))  # the same one again, and those in excess wait on
        idle._end_those_in_time()
    assert ends == [0, 1]


def test_one_that_does_not_answer_is_killed_and_replaced(pids, monkeypatch):
    (first,) = pids()
    monkeypatch.setattr("scutoid.executors._process.LEAVING_SECONDS", 0.05)
    os.kill(first, signal.SIGSTOP)
    assert pids() != {first}
    assert not is_there(first)


def test_one_that_waits_holds_no_file_and_no_image(tmp_path, wait_for):
    tifffile.imwrite(tmp_path / "0.tif", np.zeros((64, 64), "int64"), tile=(32, 32))

    class Held:
        def __del__(self):
            (tmp_path / "freed").touch()

    @sc.blockwise(version="1", check_halo=False, dtype="int64", block=16)
    def cyclic(image):
        around = [Held()]
        around.append(around)
        return image * 0 + os.getpid()

    target = cyclic(sc.open(tmp_path / "0.tif"))
    sc.run(target, store=tmp_path / "store", workers=1)
    pid = target.read().max()
    wait_for((tmp_path / "freed").exists)
    wait_for(lambda: not any(str(tmp_path) in file for file in open_files(pid)))
    Idle.of_this_process().close()


def open_files(pid):
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            yield str(link.readlink())


def test_one_that_was_killed_is_replaced(pids):
    (first,) = pids()
    os.kill(first, 9)
    assert pids() != {first}


def test_a_module_that_was_written_while_it_was_loaded_is_in_doubt(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    traces = Traces()
    assert not traces.are_there()
    (tmp_path / "a_module_just_written.py").write_text("")
    later = time.time() + 9
    os.utime(tmp_path / "a_module_just_written.py", (later, later))
    with traces.loading():
        import a_module_just_written  # noqa: F401
    traces.note()
    assert traces.are_there()
    del sys.modules["a_module_just_written"]


def test_what_modules_set_as_they_are_loaded_is_no_trace(monkeypatch):
    monkeypatch.delenv("SOMETHING", raising=False)
    traces = Traces()
    with traces.loading():
        os.environ["SOMETHING"] = "set"
    traces.note()
    assert not traces.are_there()
    os.environ["SOMETHING"] = "else"
    assert traces.are_there()
    del os.environ["SOMETHING"]


def test_none_outlive_their_driver(tmp_path):
    script = tmp_path / "cells.py"
    script.write_text(
        "import os, numpy as np, scutoid as sc\n"
        "@sc.blockwise(version='1', check_halo=False, dtype='int64')\n"
        "def pid(image):\n"
        "    return image * 0 + os.getpid()\n"
        "if __name__ == '__main__':\n"
        "    image = pid(sc.open(np.zeros((2, 2), 'int64')))\n"
        "    sc.run(image, store='s', progress=False)\n"
        "    print(image.read()[0, 0])\n"
    )
    command = [sys.executable, script]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert not is_there(int(said.stdout))
