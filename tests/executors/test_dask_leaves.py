"""How workers of Dask leave in the middle of a block, and whether it is charged with that."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

import pytest

from scutoid import events
from scutoid.blocks import BlockGrid, BlockTask, run_blocks
from scutoid.geometry import Roi
from scutoid.testing import Recorder

distributed = pytest.importorskip("distributed", reason='needs pip install "scutoid[dask]"')
pytestmark = pytest.mark.slow


@dataclass
class Way:
    """A way to leave: options of the worker's program, what is done to it, and how it is told."""

    options: tuple[str, ...] = ()
    number: signal.Signals | None = None
    to_all: bool = False
    to_worker: bool = False
    said: str = "left by an order"
    is_charged: bool = False


WAYS = {
    "SIGTERM to the nanny": Way(number=signal.SIGTERM),
    "SIGTERM to all of a job": Way(number=signal.SIGTERM, to_all=True),
    "SIGTERM to a worker without a nanny": Way(("--no-nanny",), signal.SIGTERM),
    "SIGKILL to all of a job": Way(number=signal.SIGKILL, to_all=True, said="a node or job ended"),
    "SIGKILL to a worker": Way(
        number=signal.SIGKILL, to_worker=True, said="it had 1907 MiB of memory", is_charged=True
    ),
    "SIGKILL to a worker without a nanny": Way(
        ("--no-nanny",), signal.SIGKILL, said="was lost", is_charged=True
    ),
    "the end of its lifetime": Way(("--lifetime", "4s")),
}


def is_to_say_goodbye(client, *, nanny):
    def plugins(dask_worker):
        return list(dask_worker.plugins)

    return all("scutoid-leaves" in each for each in client.run(plugins, nanny=nanny).values())


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_block_is_charged_only_where_it_may_have_ended_its_worker(tmp_path, way, wait_for):
    with distributed.LocalCluster(
        n_workers=0, host="127.0.0.1", dashboard_address=":0", silence_logs=50
    ) as cluster:
        started = []

        def start(*options):
            program = [sys.executable, "-m", "distributed.cli.dask_worker"]
            fixed = ["--nthreads", "1", "--no-dashboard", "--memory-limit", "2GB"]
            fixed += ["--local-directory", str(tmp_path)]
            started.append(
                subprocess.Popen(
                    [*program, cluster.scheduler_address, *fixed, *options],
                    process_group=0,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )

        def act():
            wait_for((tmp_path / "pid").exists)
            with distributed.Client(cluster, set_as_default=False) as client:
                wait_for(lambda: is_to_say_goodbye(client, nanny="--no-nanny" not in way.options))
            if way.to_worker:
                os.kill(int((tmp_path / "pid").read_text()), way.number)
            elif way.number is not None:
                (os.killpg if way.to_all else os.kill)(started[0].pid, way.number)
            start()

        def block(block):
            with (tmp_path / "begun").open("a") as file:
                file.write("x")
            if (tmp_path / "begun").read_text() == "x":
                (tmp_path / "new").write_text(str(os.getpid()))
                (tmp_path / "new").rename(tmp_path / "pid")
                time.sleep(15)

        actor = threading.Thread(target=act)
        try:
            start(*way.options)
            actor.start()
            recorder = Recorder()
            task = BlockTask("t", block, BlockGrid(Roi((0,), (3,)), 1), retries=1)
            report = run_blocks(task, executor=cluster, workers=1, listeners=[recorder])
        finally:
            actor.join()
            for process in started:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    assert report.ok
    assert way.said in recorder.of(events.WorkerLost)[0].reason
    assert bool(recorder.of(events.BlockFailed)) == way.is_charged
