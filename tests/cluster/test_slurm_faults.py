"""Jobs of SLURM that end in the middle of a block: cancelled, requeued, too late, too large.

Each takes a minute or more, so that they are a part of ``make soak``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from scutoid import events
from scutoid.blocks import BlockGrid, BlockTask, run_blocks
from scutoid.geometry import Roi
from scutoid.testing import ExecutorTests, Recorder

pytest.importorskip("dask_jobqueue", reason='needs pip install "scutoid[jobqueue]"')
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif("SCUTOID_SOAK" not in os.environ, reason="takes minutes: make soak"),
]


def grid(n):
    return BlockGrid(Roi((0,), (n,)), 1)


class TestJobs(ExecutorTests):
    @pytest.fixture
    def executor(self, jobs):
        jobs()
        return "slurm"


def run_with(act, folder, *, n=12, seconds=300, workers=2, **options):
    """Run blocks, one of which has its job meet something the first time and goes on for a while.

    Return the report, the events, and how often each block has begun.
    """

    def block(block):
        with (folder / f"{block.index}").open("a") as file:
            file.write("x")
        if block.index == 1 and (folder / "1").read_text() == "x":
            act(os.environ["SLURM_JOB_ID"])
            time.sleep(seconds)

    recorder = Recorder()
    task = BlockTask("t", block, grid(n), retries=0)
    report = run_blocks(
        *(task,),
        executor="slurm",
        workers=workers,
        listeners=[recorder],
        on_failure="return",
        logs=folder / "logs",
        **options,
    )
    begun = [len((folder / str(index)).read_text()) for index in range(n)]
    return report, recorder, begun


def command(*words):
    return lambda job: subprocess.run([*words, job], check=True)


ORDERS = {
    "cancelled": command("scancel"),
    "cancelled at once": command("scancel", "--signal=KILL", "--full"),
    "requeued": command("scontrol", "requeue"),
    "told to end": command("scancel", "--signal=TERM", "--full"),
}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("order", ORDERS)
def test_a_job_that_is_ended_by_an_order_fails_no_block(jobs, tmp_path, order, workers):
    jobs()
    report, recorder, begun = run_with(ORDERS[order], tmp_path, workers=workers)
    assert report.ok
    assert begun[1] == 2
    assert not recorder.of(events.BlockFailed)
    (lost,) = recorder.of(events.WorkerLost)
    assert "by an order" in lost.reason or "a node or job ended" in lost.reason


def test_a_time_limit_that_hits_fails_no_block(jobs, tmp_path):
    jobs(walltime='"00:01:00"')
    report, recorder, begun = run_with(lambda job: None, tmp_path, seconds=600, workers=1)
    assert report.ok
    assert begun[1] == 2
    assert not recorder.of(events.BlockFailed)


def test_a_block_that_is_too_large_for_its_worker_fails_and_the_limit_is_told(jobs, tmp_path):
    """A job of 1 GB with 2 processes has 500 MB for each."""
    jobs(processes=2)

    def block(block):
        if block.index == 3:
            large = np.ones(700_000_000, "uint8")
            time.sleep(60)
            return int(large[0])
        return 1

    task = BlockTask("t", block, grid(12), retries=1)
    report = run_blocks(task, executor="slurm", workers=2, on_failure="return")
    assert report.tasks["t"].n_done == 11
    (failure,) = report.tasks["t"].failures
    assert "it had 4" in failure.error
    assert "MiB of memory" in failure.error


def test_a_job_that_ends_before_its_worker_joins_is_replaced_while_others_work(jobs, tmp_path):
    # The first goes on, the second ends when the first is at work, those after them go on
    is_second = f"mkdir {tmp_path}/one || mkdir {tmp_path}/two && test -d {tmp_path}/two"
    jobs(job_script_prologue=f'["{is_second} && sleep 30 && exit 3"]')
    recorder = Recorder()
    task = BlockTask("t", lambda block: time.sleep(0.5), grid(10000))
    run_blocks(
        *(task,),
        executor="slurm",
        workers=2,
        listeners=[recorder],
        should_stop=lambda: len(recorder.of(events.WorkerStarted)) == 2,
        on_failure="return",
    )
    assert len(recorder.of(events.WorkerStarted)) == 2
    assert not recorder.of(events.WorkerLost)


def test_jobs_that_have_nothing_to_do_are_given_back(jobs, tmp_path):
    slurm = jobs()
    left = []

    def block(block):
        if block.index == 0:
            while not (tmp_path / "given back").exists():
                time.sleep(0.1)

    def look():
        started = len(recorder.of(events.WorkerStarted))
        if started == 2 and len(slurm.jobs("RUNNING")) == 1:
            left.append(slurm.jobs("RUNNING"))
            (tmp_path / "given back").touch()
        return False

    recorder = Recorder()
    task = BlockTask("t", block, grid(300))
    report = run_blocks(task, executor="slurm", workers=2, listeners=[recorder], should_stop=look)
    assert report.ok
    assert left
    assert not recorder.of(events.BlockFailed)


def test_a_run_may_itself_be_in_a_job(jobs, tmp_path, wait_for):
    slurm = jobs()
    script = tmp_path / "script.py"
    script.write_text("""
import os
from scutoid.blocks import BlockGrid, BlockTask, run_blocks
from scutoid.geometry import Roi

if __name__ == "__main__":
    found = {}
    task = BlockTask(
        "t",
        lambda block: os.environ["SLURM_JOB_ID"],
        BlockGrid(Roi((0,), (20,)), 1),
        collect=found.update,
    )
    assert run_blocks(task, executor="slurm", workers=2).ok
    assert os.environ["SLURM_JOB_ID"] not in found.values()
    print("done by", sorted(set(found.values())))
""")
    said = tmp_path / "said"
    slurm.ask("sbatch", "--mem=500", f"--output={said}", "--wrap", f"{sys.executable} {script}")
    wait_for(lambda: not slurm.jobs())
    assert "done by" in said.read_text()


def test_a_driver_that_is_killed_leaves_no_job_and_its_run_goes_on(jobs, tmp_path, wait_for):
    slurm = jobs()
    script = tmp_path / "script.py"
    script.write_text(f"""
from pathlib import Path
import time
from scutoid.blocks import BlockGrid, BlockTask, run_blocks
from scutoid.geometry import Roi

def block(block):
    with (Path({str(tmp_path)!r}) / f"{{block.index}}").open("a") as file:
        file.write("x")
    time.sleep(0.3)

if __name__ == "__main__":
    task = BlockTask("t", block, BlockGrid(Roi((0,), (40,)), 1))
    run_blocks(task, executor="slurm", workers=2, journal={str(tmp_path / "journal")!r})
""")
    driver = subprocess.Popen([sys.executable, script])
    wait_for((tmp_path / "5").exists)
    driver.kill()
    driver.wait()
    subprocess.run([sys.executable, script], check=True)
    begun = [len((tmp_path / str(index)).read_text()) for index in range(40)]
    assert sum(begun) < 60
    wait_for(lambda: not slurm.jobs())
    for left in (Path(os.environ["XDG_CACHE_HOME"]) / "scutoid").iterdir():
        for file in left.iterdir():
            file.unlink()
        left.rmdir()
