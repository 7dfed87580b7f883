"""Runs whose Dask scheduler is lost in the middle, and workers that do not know of it yet."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest

import scutoid as sc
from scutoid import events
from scutoid.errors import WorkerError
from scutoid.testing import Recorder

pytest.importorskip("distributed", reason='needs pip install "scutoid[dask]"')
pytestmark = pytest.mark.slow


@contextmanager
def a_cluster(folder, wait_for, workers=2):
    """A scheduler and workers as separate programs: the number of the scheduler, its address."""
    file = folder / "scheduler.json"
    local = ["--scheduler-file", str(file), "--host", "127.0.0.1", "--no-dashboard"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "process_group": 0}
    started = [
        subprocess.Popen([sys.executable, "-m", "distributed.cli.dask_scheduler", *local], **quiet)
    ]
    try:
        wait_for(lambda: file.exists() and file.read_text().endswith("}"))
        program = [sys.executable, "-m", "distributed.cli.dask_worker", *local, "--nthreads", "1"]
        program += ["--local-directory", str(folder)]
        started += [subprocess.Popen(program, **quiet) for _ in range(workers)]
        yield started[0].pid, json.loads(file.read_text())["address"]
    finally:
        for process in started:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def is_written_after(store, file):
    since = file.stat().st_mtime_ns
    return any(part.stat().st_mtime_ns > since for part in store.rglob("image.ome.zarr/**/c/*"))


@pytest.mark.parametrize("lives_on", [False, True], ids=["stopped", "a block goes on"])
def test_a_lost_scheduler_stops_a_run_and_the_next_goes_on(tmp_path, wait_for, lives_on):
    """A worker that finishes its block after another run has done it changes nothing."""
    go, late = tmp_path / "go", tmp_path / "late"

    @sc.blockwise(block=8, dtype="same", version="1")
    def slow(image, *, notes):
        from pathlib import Path

        begun = Path(notes) / f"{image.flat[0]}-{os.getpid()}"
        begun.touch()
        if image.flat[0] == 9 and lives_on and not (Path(notes) / "resumed").exists():
            while not go.exists():
                time.sleep(0.01)
            late.touch()
        return image + 1

    raw = np.repeat(np.arange(40, dtype="uint16"), 8)
    store = tmp_path / "store"

    def result():
        return slow(sc.open(raw), notes=str(tmp_path))

    with a_cluster(tmp_path, wait_for) as (scheduler, address):

        def lose(event):
            if isinstance(event, events.BatchDone) and any(tmp_path.glob("9-*")):
                os.kill(scheduler, signal.SIGKILL)

        recorder = Recorder(lose)
        with pytest.raises(WorkerError, match="scheduler answers") as caught:
            sc.run(
                *(result(),),
                store=store,
                executor=address,
                workers=2,
                listeners=[recorder],
                check_halo=False,
            )
        assert "run" in caught.value.remedy
        (tmp_path / "resumed").touch()
        done = sc.run(result(), store=store, executor="serial", check_halo=False)
        assert done.ok
        assert 0 < done.steps[0].n_cached < 40
        if lives_on:
            go.touch()
            wait_for(lambda: late.exists() and is_written_after(store, late))
    np.testing.assert_array_equal(np.asarray(result()), raw + 1)
    assert sc.Store(store).verify().ok
