"""Graphics devices: each worker that has the resource sees one that no other has."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager

import distributed
import pytest

from scutoid.blocks import BlockGrid, BlockTask, run_blocks
from scutoid.errors import ParameterError
from scutoid.executors import _devices
from scutoid.geometry import Roi

PROGRAM = """
import os, sys
from scutoid.executors._devices import pin_devices
pin_devices(int(sys.argv[1]))
pin_devices(int(sys.argv[1]))
print(os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    for name in _devices._JOBS:
        monkeypatch.delenv(name, raising=False)


@contextmanager
def seen(visible, n, *, job=""):
    """What a process sees that wants some devices, as long as it lives."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(n)],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": visible, "SLURM_JOB_ID": job},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def test_each_process_sees_a_device_of_its_own_until_it_ends(own):
    with seen("4,7", 1) as first:
        with seen("4,7", 1) as second:
            assert {first, second} == {"4", "7"}
        with seen("4,7", 1) as third:
            assert third == second


def test_a_process_has_as_many_devices_as_it_wants(own):
    with seen("0,1,2,3", 2) as first, seen("0,1,2,3", 2) as second:
        assert (first, second) == ("0,1", "2,3")


@pytest.mark.parametrize(
    ("visible", "n", "sees"),
    [
        ("GPU-8932f937,GPU-46b93b3b", 1, "GPU-8932f937"),
        ("MIG-GPU-8932f937/1/2", 1, "MIG-GPU-8932f937/1/2"),
        (" 3 , 4", 1, "3"),
        ("0,1", 5, "0,1"),
        ("0,1", 0, "0,1"),
        ("", 1, ""),
        ("-1", 1, "-1"),
    ],
)
def test_devices_are_named_in_many_ways(own, visible, n, sees):
    with seen(visible, n) as found:
        assert found == sees.strip()


def test_devices_that_are_too_few_are_shared_evenly(own):
    with (
        seen("0,1", 1) as first,
        seen("0,1", 1) as second,
        seen("0,1", 1) as third,
        seen("0,1", 1) as fourth,
    ):
        assert Counter([first, second, third, fourth]) == {"0": 2, "1": 2}


def test_devices_of_two_jobs_are_different_ones(own):
    with seen("0", 1, job="17") as first, seen("0,1", 1, job="18") as second:
        assert (first, second) == ("0", "0")


def test_a_folder_of_locks_that_leads_elsewhere_is_refused(own, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"scutoid-devices-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.raises(ParameterError, match="a folder of one's own"):
        _devices.pin_devices(1)
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize(("has", "sees"), [({"gpu": 1}, {"4", "5"}), ({}, {"4,5"})])
def test_workers_of_dask_that_a_step_requires_have_a_device_each(own, has, sees, monkeypatch):
    """Those of a step that requires none are left as they are."""
    options = {"nthreads": 1, "resources": has, "env": {"CUDA_VISIBLE_DEVICES": "4,5"}}
    workers = {number: {"cls": distributed.Nanny, "options": options} for number in range(2)}
    scheduler = {"cls": distributed.Scheduler, "options": {"dashboard_address": ":0"}}
    found = {}
    with distributed.SpecCluster(workers=workers, scheduler=scheduler, silence_logs=50) as cluster:
        with distributed.Client(cluster, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=240)

        def look(block):
            import time

            time.sleep(0.2)  # so that both are at it
            return os.environ["CUDA_VISIBLE_DEVICES"]

        task = BlockTask(
            *("t", look, BlockGrid(Roi((0,), (20,)), 1)), requires=has, collect=found.update
        )
        assert run_blocks(task, executor=cluster, workers=2).ok
    assert set(found.values()) == sees
