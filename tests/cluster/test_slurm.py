"""Runs whose workers are jobs of SLURM, through dask-jobqueue."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import scutoid as sc
from scutoid import events
from scutoid.arrays import ImageSpec, create_image
from scutoid.blocks import BlockGrid, BlockTask, run_blocks
from scutoid.cli import _demo_pipeline as demo
from scutoid.cli._demo import simulate
from scutoid.errors import WorkerError
from scutoid.geometry import Roi
from scutoid.testing import Recorder

pytest.importorskip("dask_jobqueue", reason='needs pip install "scutoid[jobqueue]"')
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def brain(tmp_path_factory):
    """A small simulated brain: its image, and the map of its regions."""
    folder = tmp_path_factory.mktemp("brain")
    made = simulate((48, 80, 80))
    paths = folder / "brain.ome.zarr", folder / "regions.ome.zarr"
    for path, array in zip(paths, (made.image, made.regions), strict=True):
        spec = ImageSpec(array.shape, array.dtype, "zyx", voxel_size=(2.0, 1.0, 1.0), unit="um")
        create_image(path, spec).write(spec.roi, array)
    return paths


def counted(brain, store, executor, **options):
    """Count the cells of the demonstration; return labels and tables."""
    _, cells, table, counts = demo.count_cells(*brain)
    done = sc.run(cells, table, counts, store=store, executor=executor, block=32, **options)
    assert done.ok
    return np.asarray(cells), table.to_pandas(), counts.to_pandas()


def assert_same(found, expected):
    assert np.array_equal(found[0], expected[0])
    assert all(one.equals(other) for one, other in zip(found[1:], expected[1:], strict=True))


def test_the_demonstration_counts_the_same_in_jobs(jobs, brain, tmp_path):
    modes = set()

    def look(event):
        """Credentials lie where only their user can read them, while jobs run."""
        if isinstance(event, events.WorkerStarted):
            (folder,) = Path(os.environ["XDG_CACHE_HOME"]).glob("scutoid/cluster-*")
            modes.update(oct(place.stat().st_mode & 0o777) for place in (folder, *folder.iterdir()))

    recorder = Recorder(look)
    found = counted(brain, tmp_path / "s", "slurm", workers=2, listeners=[recorder])
    assert_same(found, counted(brain, tmp_path / "serial", "serial"))
    assert recorder.of(events.WorkersAwaited)
    assert list((tmp_path / "s/runs").glob("*/logs/*.err"))
    assert modes == {"0o700", "0o600"}


def test_jobs_that_are_held_back_are_waited_for_and_the_reason_is_told(jobs):
    slurm = jobs(job_extra_directives='["--hold"]')

    def let_go(event):
        if isinstance(event, events.WorkersAwaited) and "JobHeldUser" in event.why:
            slurm.ask("scontrol", "release", ",".join(slurm.jobs()))

    recorder = Recorder(let_go)
    task = BlockTask("t", lambda block: None, BlockGrid(Roi((0,), (5,)), 1))
    assert run_blocks(task, executor="slurm", workers=1, listeners=[recorder]).ok
    why = [event.why for event in recorder.of(events.WorkersAwaited)]
    assert "1 jobs pending (JobHeldUser)" in why


def test_jobs_that_end_before_a_worker_joins_are_given_up(jobs):
    jobs(job_script_prologue='["echo no such module >&2; exit 3"]')
    task = BlockTask("t", lambda block: None, BlockGrid(Roi((0,), (5,)), 1))
    with pytest.raises(WorkerError, match="jobs ended before a worker joined") as raised:
        run_blocks(task, executor="slurm", workers=2)
    assert "no such module" in str(raised.value)
