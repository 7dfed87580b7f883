"""The soak of the store: a short seeded sample of it, and that it finds what it is to find."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import scutoid as sc

TOOL = Path(__file__).parents[1] / "tools" / "soak_store.py"

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the soak finds processes by /proc"
)


@pytest.fixture(scope="module")
def soak():
    names = ("soak_store_driver", "soak_store")
    for name in names:  # the second imports the first
        spec = importlib.util.spec_from_file_location(name, TOOL.with_name(f"{name}.py"))
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    yield module
    for name in names:
        del sys.modules[name]


def test_runs_that_are_killed_come_to_the_right_results(soak, capsys):
    assert soak.main(["--kills", "2", "--seed", "1", "--jobs", "1"]) == 0
    *_, summary = capsys.readouterr().out.splitlines()
    assert int(summary.split()[0]) >= 2
    assert summary.endswith("; 0 faults")


@pytest.fixture(scope="module")
def whole(soak, tmp_path_factory):
    """A site whose driver came to its end without being killed."""
    run = soak.KilledRun(
        soak.Site(tmp_path_factory.mktemp("soak") / "site", 5), "serial", soak.Whole(0.0, 0)
    )
    run.site.prepare()
    assert run.one_driver()
    return run


@pytest.fixture
def finished(soak, whole, tmp_path):
    """A copy of it that a test may spoil, before its check."""
    folder = tmp_path.resolve() / "site"
    shutil.copytree(whole.site.folder, folder)
    run = soak.KilledRun(soak.Site(folder, 5), "serial", soak.Whole(0.0, 0))
    run.check_complete()
    run.check_calls()
    assert run.tally.faults == []
    return run


def faults_of(run):
    run.check_complete()
    run.check_calls()
    return run.tally.faults


def test_a_run_without_faults_has_none(finished):
    assert faults_of(finished) == []
    finished.check_end()
    assert finished.tally.faults == []
    assert (finished.tally.twice, finished.tally.left, finished.tally.locks) == (0, 0, 0)


def test_a_wrong_result_is_found(soak, finished):
    finished._truth["profile"] = finished._truth["profile"] + 1e-9
    assert faults_of(finished) == ["profile is not the true result"]


def test_a_wrong_member_and_one_too_many_are_found(soak, finished):
    members = finished._truth["count"]
    members["03.npy"] = {**members["03.npy"], "n": 0}
    members["05.npy"]["n"] = np.int64(members["05.npy"]["n"])
    del finished._truth["rows"]["00.npy"]
    assert set(faults_of(finished)) == {
        "count is not the true result",
        "rows is not the true result",
    }


def test_what_is_called_complete_and_cannot_be_read_is_found(finished):
    (shard,) = finished.site.store.glob("double/*/image.ome.zarr/0/c/2/3")
    shard.write_bytes(shard.read_bytes()[:-1])
    (fault, *_) = faults_of(finished)
    assert fault.startswith("double cannot be read: DamagedResult")


def test_a_call_of_what_was_done_is_found(finished):
    for name in ("double-3", "rows-01.npy", "total-0", "grand-0"):
        with (finished.site.folder / "calls" / name).open("a") as file:
            file.write("x")
    assert sorted(faults_of(finished)) == [
        f"{name} was done, and was called again"
        for name in ("double-3", "grand-0", "rows-01.npy", "total-0")
    ]


def test_a_result_that_is_gone_at_the_end_is_found(finished):
    shutil.rmtree(finished.site.store / "note")
    finished.check_end()
    found = finished.tally.faults
    assert found[0] == "not complete at the end: note"
    assert any(fault.startswith("called although done: [('note-0', 2)") for fault in found)


def test_files_that_nothing_explains_are_found_and_others_counted(soak, finished):
    (entry,) = finished.site.store.glob("total/*")
    for name in ("value.json.tmp", ".value.17-0.new.json", ".hidden"):
        (entry / name).touch()
    entry.with_name(f".{entry.name}.lock").touch()
    (finished.site.store / "..input-hashes.17.new").touch()
    finished.check_end()
    place = entry.relative_to(finished.site.store)
    assert sorted(finished.tally.faults) == [
        f"nothing explains {place}/.hidden",
        f"nothing explains {place}/value.json.tmp",
    ]
    assert (finished.tally.left, finished.tally.locks) == (2, 1)


def test_a_driver_that_fails_and_a_worker_that_stays_are_found(soak, finished, monkeypatch):
    monkeypatch.setattr(soak, "LEAVING", 0.0)
    shutil.rmtree(finished.site.folder / "plate")
    left = subprocess.Popen(["sleep", "600"], cwd=finished.site.folder)
    try:
        assert not finished.one_driver()
    finally:
        left.kill()
        left.wait()
    assert finished.tally.faults[0] == f"processes [{left.pid}] were left by their driver"
    assert finished.tally.faults[-1] == "a driver left with status 1: see driver.log"


def test_a_site_with_a_fault_is_kept_and_named(soak, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(soak.tempfile, "mkdtemp", lambda prefix: str(tmp_path))
    monkeypatch.setattr(soak, "whole_run", lambda folder, executor: soak.Whole(0.0, 0))
    monkeypatch.setenv(soak.CALLS, str(tmp_path))
    monkeypatch.setattr(soak, "is_same", lambda found, true: False)
    monkeypatch.setattr(soak.KilledRun, "one_driver", lambda run, **when: _run_here(run))
    assert soak.main(["--kills", "1", "--seed", "4", "--jobs", "1"]) == 1
    said = capsys.readouterr()
    assert "FAULT" in said.out
    assert f"kept: {tmp_path}/seed-4" in said.out
    assert "--kills 1 --seed 4" in said.err


def _run_here(run):
    """A driver in this process that makes one value and is then taken for killed."""
    run.tally.kills += 1
    total = sys.modules["soak_store_driver"].total
    sc.run(total(sc.open(run.site.raw())), store=run.site.store, executor="serial")
    return True


def test_a_driver_kills_itself_before_a_change_of_a_file(soak, tmp_path):
    run = soak.KilledRun(soak.Site(tmp_path.resolve() / "site", 1), "serial", soak.Whole(0.0, 0))
    run.site.prepare()
    assert not run.one_driver(at=0)
    assert run.tally.kills == 1
    assert not run.site.store.exists()
    assert not run.one_driver(at=50)
    n_files = sum(path.is_file() for path in run.site.store.rglob("*"))
    assert 0 < n_files <= 50
    assert run.tally.faults == []
