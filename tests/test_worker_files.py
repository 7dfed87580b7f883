"""Runs of tests on several workers, one of which dies."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

from xdist.remote import Producer

HERE = Path(__file__).parent

CONFTEST = """
import importlib.util

def pytest_xdist_make_scheduler(config, log):
    spec = importlib.util.spec_from_file_location("worker_files", "worker_files.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.WorkerFiles(config, log)
"""
DIES = """
import os, pytest

@pytest.mark.parametrize("number", range(6))
def test_dies(number):
    if number in (1, 4):
        os._exit(1)
"""
HANGS = """
import signal, time

def test_hangs():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    time.sleep(1000)
"""
RUNS = """
import pytest

@pytest.mark.parametrize("number", range(4))
def test_runs(number):
    pass
"""


def run_of(folder, ini=""):
    """Run tests of a folder, and some more, on two workers."""
    shutil.copy(HERE / "worker_files.py", folder)
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "pytest.ini").write_text(f"[pytest]\n{ini}")
    for name in "abcd":
        (folder / f"test_{name}.py").write_text(RUNS)
    plugins = ["-p", "no:randomly", "-p", "no:cacheprovider", "-p", "xdist"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadfile", *plugins],
        cwd=folder,
        env={"PATH": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done, sorted(re.findall(r"^FAILED (\S+)", done.stdout, flags=re.MULTILINE))


def test_a_test_that_ends_its_worker_fails_alone_and_the_run_ends(tmp_path):
    (tmp_path / "test_dies.py").write_text(DIES)
    done, failed = run_of(tmp_path)
    assert failed == ["test_dies.py::test_dies[1]", "test_dies.py::test_dies[4]"]
    assert "2 failed, 20 passed" in done.stdout


def test_a_test_that_no_signal_ends_fails_alone_and_says_where_it_is(tmp_path):
    options = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["tool"]["pytest"]
    assert options["ini_options"]["faulthandler_exit_on_timeout"] is True
    assert options["ini_options"]["faulthandler_timeout"] > 900
    (tmp_path / "test_hangs.py").write_text(HANGS)
    ini = "faulthandler_timeout = 8\nfaulthandler_exit_on_timeout = true\n"
    done, failed = run_of(tmp_path, ini)
    assert failed == ["test_hangs.py::test_hangs"]
    assert "1 failed, 16 passed" in done.stdout
    assert "in test_hangs" in done.stderr


class Worker:
    """A worker that notes what it is sent."""

    shutting_down = False

    def __init__(self):
        self.sent = []

    def send_runtest_some(self, numbers):
        self.sent += numbers

    def shutdown(self):
        self.shutting_down = True


def test_long_files_come_first_and_exist():
    module = module_of("worker_files")
    assert [file for file in module.LONG if not (HERE.parent / file).is_file()] == []
    option = SimpleNamespace(loadscopereorder=True)
    config = SimpleNamespace(option=option, getvalue=lambda name: ["popen"])
    tests = [*(f"tests/test_many.py::test[{n}]" for n in range(9)), f"{module.LONG[0]}::test"]
    scheduler, worker = module.WorkerFiles(config, Producer("test", enabled=False)), Worker()
    scheduler.add_node(worker)
    scheduler.add_node_collection(worker, tests)
    scheduler.schedule()
    assert worker.sent[0] == tests.index(f"{module.LONG[0]}::test")
    assert sorted(worker.sent) == list(range(len(tests)))


def module_of(name):
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
