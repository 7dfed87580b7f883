"""Processes that stay from run to run."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from pathlib import Path

import pytest

from scutoid.blocks import BlockGrid, BlockTask, run_blocks
from scutoid.executors import standing
from scutoid.geometry import Roi


@contextmanager
def noted(path):
    """A set-up that writes down when it is entered and left."""
    path.open("a").write("enter ")
    yield path
    path.open("a").write("leave ")


def pids_of(executor, folder, name, *, n=8, workers=2, kills=None):
    """Run blocks that write down their process; return the processes."""
    folder = folder / name
    folder.mkdir()

    def note(block, log):
        del log
        marker = folder / "killed"
        if block.index == kills and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        (folder / str(block.index)).write_text(str(os.getpid()))

    task = BlockTask(
        *("note", note, BlockGrid(Roi((0,), (n,)), 1)),
        setup={"log": lambda: noted(folder.parent / f"{name}.log")},
        retries=1,
    )
    run_blocks(task, executor=executor, workers=workers)
    return {int((folder / str(index)).read_text()) for index in range(n)}


def is_there(pid):
    return Path(f"/proc/{pid}/stat").exists()


def test_a_process_serves_runs_one_after_the_other_and_leaves_its_set_ups(tmp_path):
    with standing("processes") as executor:
        (first,) = pids_of(executor, tmp_path, "a", workers=1)
        assert (tmp_path / "a.log").read_text() == "enter leave "
        (second,) = pids_of(executor, tmp_path, "b", workers=1)
        assert (tmp_path / "b.log").read_text() == "enter leave "
        assert first == second
        assert is_there(first)
    assert not is_there(first)


def test_more_workers_are_started_where_a_run_asks_for_them(tmp_path):
    with standing("processes") as executor:
        (only,) = pids_of(executor, tmp_path, "a", workers=1)
        pids_of(executor, tmp_path, "b")
        stay = {process.number: process.process.pid for process, _ in executor._idle._processes}
        assert sorted(stay) == [0, 1]
        assert stay[0] == only


def test_a_process_that_died_while_it_was_idle_is_replaced(tmp_path):
    with standing("processes") as executor:
        (pid,) = pids_of(executor, tmp_path, "a", workers=1)
        os.kill(pid, signal.SIGKILL)
        executor._idle._processes[0][0].process.wait()
        (other,) = pids_of(executor, tmp_path, "b", workers=1)
        assert other != pid


def test_a_process_that_its_block_killed_does_not_stay(tmp_path):
    with standing("processes") as executor:
        before = pids_of(executor, tmp_path, "a", workers=1)
        after = pids_of(executor, tmp_path, "b", workers=1, kills=3)
        assert before < after  # blocks until then, and those after it
        (last,) = pids_of(executor, tmp_path, "c", workers=1)
        assert last in after - before


def test_a_process_begun_in_another_folder_is_not_taken(tmp_path, monkeypatch):
    with standing("processes") as executor:
        (first,) = pids_of(executor, tmp_path, "a", workers=1)
        monkeypatch.chdir(tmp_path)
        (second,) = pids_of(executor, tmp_path, "b", workers=1)
        assert first != second
        assert not is_there(first)


@pytest.mark.parametrize("executor", ["serial", "threads"])
def test_other_executors_are_given_as_they_are(executor):
    with standing(executor) as found:
        assert found == executor
