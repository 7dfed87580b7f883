"""The soak: a short seeded sample of it, and that it finds what it is there to find."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scutoid.blocks import BlockTask, Journal, run_blocks

TOOL = Path(__file__).parents[1] / "tools" / "soak.py"

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the soak finds processes by /proc"
)


@pytest.fixture(scope="module")
def soak():
    spec = importlib.util.spec_from_file_location("soak", TOOL)
    module = sys.modules["soak"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["soak"]


def test_runs_whose_workers_and_drivers_are_killed_come_to_the_right_result(soak, capsys):
    assert soak.main(["--runs", "3", "--seed", "36", "--jobs", "2"]) == 0
    *lines, summary = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert summary.endswith("; 0 faults")


def test_the_plan_of_a_seed_is_always_the_same(soak):
    assert soak.Plan.drawn(7) == soak.Plan.drawn(7)
    assert len({soak.Plan.drawn(seed) for seed in range(20)}) == 20


@pytest.fixture
def finished(soak, tmp_path):
    """A small run without kills, after its end and before its check."""
    run = soak.FaultyRun(soak.Site(tmp_path.resolve() / "run", soak.Plan(1, (2, 2, 2), 1, ())))
    run.site.prepare()
    run_blocks(run.site.tasks(), executor="serial", journal=run.site.folder / "journal")
    run._check_calls()
    return run


def faults_of(run):
    run._check_calls()
    run._check_files()
    run._check_journals()
    return run.tally.faults


def test_a_run_without_faults_has_none(finished):
    assert faults_of(finished) == []
    assert finished.tally.twice == 0


@pytest.mark.parametrize("task", ["source", "fold", "total"])
def test_a_wrong_result_is_found(finished, task):
    (finished.site.folder / task / "0").write_text("5")
    (fault,) = faults_of(finished)
    assert f"{task} 0 holds 5, not" in fault


def test_a_lost_result_and_one_too_many_are_found(finished):
    path = finished.site.folder / "fold" / "3"
    path.rename(path.with_name("8"))
    (fault,) = faults_of(finished)
    assert "fold 3 holds nothing" in fault
    path.with_name("8").rename(path)
    path.with_name("9").touch()
    finished.tally.faults.clear()
    assert faults_of(finished) == ["there are 18 results of 17 blocks"]


def test_a_block_that_is_called_after_it_was_journalled_is_found(finished):
    (task, *_) = finished.site.tasks()
    (block,) = [b for b in blocks_of(task) if b.index == 2]
    task.function(block)
    assert faults_of(finished) == [
        "source 2 was journalled, and was called again",
        "source-2 was called when it was journalled",
    ]


def blocks_of(task):
    got = []
    run_blocks(BlockTask(task.name, got.append, task.grid), executor="serial")
    return got


def test_a_block_that_is_journalled_twice_or_never_is_found(finished):
    folder = finished.site.folder / "journal"
    grid = finished.site.plan.grid()
    (folder / "source.journal").unlink()
    with Journal.open(folder / "source.journal", "source", grid) as journal:
        indices = np.array([0, 1, 2, 3, 4, 5, 6, 6])
        journal.append([(indices, np.full(8, 2, np.uint8), 1)])
    assert faults_of(finished) == [
        "source 6 is journalled 2 times",
        "source 7 is journalled 0 times",
    ]


def test_a_process_that_outlives_its_driver_is_found_and_ended(finished, soak, monkeypatch):
    monkeypatch.setattr(soak, "LEAVING", 0.0)
    left = subprocess.Popen(["sleep", "600"], cwd=finished.site.folder)
    try:
        finished._check_left()
        assert finished.tally.faults == [f"process {left.pid} was left by its driver"]
        assert left.wait() == -signal.SIGKILL
    finally:
        left.kill()
        left.wait()


def test_a_run_with_a_fault_is_kept_and_named(soak, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(soak.tempfile, "mkdtemp", lambda prefix: str(tmp_path))
    monkeypatch.setattr(soak, "source_value", lambda seed, index: 0)
    assert soak.main(["--runs", "1", "--seed", "3"]) == 1
    said = capsys.readouterr()
    assert "FAULT" in said.out
    assert f"kept: {tmp_path}/seed-3" in said.out
    assert "--runs 1 --seed 3" in said.err
    assert (tmp_path / "seed-3" / "plan.json").exists()
