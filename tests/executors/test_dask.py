"""Workers of Dask clusters: the suite for executors, and the faults of a cluster."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

import numpy as np
import pytest

import scutoid as sc
from scutoid import events
from scutoid.blocks import BlockGrid, BlockTask, run_blocks
from scutoid.errors import ParameterError, WorkerError
from scutoid.geometry import Roi
from scutoid.testing import ExecutorTests, Recorder

distributed = pytest.importorskip("distributed", reason='needs pip install "scutoid[dask]"')


def grid(n):
    return BlockGrid(Roi((0,), (n,)), 1)


def local_cluster(**options):
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"} | options
    return distributed.LocalCluster(silence_logs=50, **options)


@pytest.fixture(scope="module")
def cluster():
    with local_cluster(processes=True) as started:
        yield started


@pytest.fixture(scope="module")
def client(cluster):
    with distributed.Client(cluster, set_as_default=False) as started:
        yield started


@pytest.fixture(scope="module")
def cluster_of_threads():
    with local_cluster(processes=False) as started:
        yield started


@pytest.fixture
def whole_cluster(cluster, client):
    """Both workers are there before and after, whatever a test has done to them."""

    def complete():
        # Dask gives up a nanny whose worker takes long to come back, some time later, and starts
        # another one only when it is asked again
        for _ in range(11):
            cluster.scale(2)
            with suppress(TimeoutError):
                client.wait_for_workers(2, timeout=20)
                return
        client.wait_for_workers(2, timeout=20)

    complete()
    yield client
    complete()


class TestClient(ExecutorTests):
    @pytest.fixture
    def executor(self, client):
        return client


class TestThreadsOfDask(ExecutorTests):
    """Workers in this process: no nanny can end them, so they refuse a time-out."""

    @pytest.fixture
    def executor(self, cluster_of_threads):
        return cluster_of_threads

    def test_a_time_out_is_refused_or_kept(self, executor):
        self._is_refused(executor, BlockTask("t", lambda block: None, grid(2), timeout=60))


@pytest.mark.parametrize("how", ["address", "cluster", "name"])
def test_a_cluster_is_given_in_many_ways(cluster, how):
    executor = {"address": cluster.scheduler_address, "cluster": cluster, "name": "dask"}[how]
    got = {}
    task = BlockTask("t", lambda block: block.index, grid(20), collect=got.update)
    assert run_blocks(task, executor=executor, workers=2).ok
    assert got == {index: index for index in range(20)}


def test_a_client_that_was_given_stays_open(client):
    run_blocks(BlockTask("t", lambda block: None, grid(5)), executor=client, workers=2)
    assert client.submit(lambda: 7).result(timeout=240) == 7


def test_a_scheduler_that_is_not_there_is_a_clear_error():
    import dask

    task = BlockTask("t", lambda block: None, grid(5))
    soon = dask.config.set({"distributed.comm.timeouts.connect": "1s"})
    with soon, pytest.raises(WorkerError, match="scheduler can be reached"):
        run_blocks(task, executor="tcp://127.0.0.1:9")


def test_a_killed_worker_costs_one_attempt_of_its_block(whole_cluster, tmp_path):
    def crash_once(block):
        with (tmp_path / f"{block.index}").open("a") as file:
            file.write("x")
        if block.index == 40 and (tmp_path / "40").read_text() != "xxx":
            os.kill(os.getpid(), signal.SIGKILL)

    recorder = Recorder()
    task = BlockTask("t", crash_once, grid(200), retries=1)
    report = run_blocks(task, executor=whole_cluster, workers=2, listeners=[recorder])
    assert report.ok
    # Where it was one of many, its first crash is charged to nobody: it is then tried by itself.
    failed = recorder.of(events.BlockFailed)
    assert {event.index for event in failed} <= {40}
    assert 1 <= len(recorder.of(events.WorkerLost)) <= 2


def test_a_block_that_always_kills_its_worker_fails_alone(whole_cluster):
    def crash(block):
        if block.index == 7:
            os._exit(0)

    task = BlockTask("t", crash, grid(50), retries=1)
    report = run_blocks(task, executor=whole_cluster, workers=2, on_failure="return")
    assert (report.tasks["t"].n_done, report.tasks["t"].n_failed) == (49, 1)
    assert report.tasks["t"].failures[0].index == 7


def test_a_block_stuck_in_c_code_is_ended_by_its_time_out(whole_cluster, tmp_path):
    def hang(block):
        if block.index == 3 and not (tmp_path / "hung").exists():
            (tmp_path / "hung").touch()
            import ctypes

            ctypes.PyDLL(None).sleep(600)

    recorder = Recorder()
    task = BlockTask("t", hang, grid(12), retries=1, timeout=5)
    assert run_blocks(task, executor=whole_cluster, workers=2, listeners=[recorder]).ok
    (failed,) = recorder.of(events.BlockFailed)
    assert (failed.index, failed.error) == (3, "TimeoutError: the block took more than 5 s")


def waiting_for_another(folder):
    """A function of a block that runs until a second worker has begun another block."""

    def wait_for_two(block):
        (folder / str(block.index)).touch()
        end = time.monotonic() + 240
        while len(list(folder.iterdir())) < 2 and time.monotonic() < end:
            time.sleep(0.01)
        return os.getpid()

    return wait_for_two


def test_workers_that_come_later_join(tmp_path):
    with local_cluster(n_workers=1, processes=False) as cluster:

        def scale(event):
            if isinstance(event, events.WorkerStarted) and event.worker == 0:
                cluster.scale(2)

        recorder = Recorder(scale)
        task = BlockTask("t", waiting_for_another(tmp_path), grid(2))
        assert run_blocks(task, executor=cluster, workers=2, listeners=[recorder]).ok
        assert {event.worker for event in recorder.of(events.BatchDone)} == {0, 1}


def test_an_own_cluster_leaves_no_process(is_alive, tmp_path):
    pids = {}
    task = BlockTask("t", waiting_for_another(tmp_path), grid(2), collect=pids.update)
    run_blocks(task, executor="dask", workers=2)
    assert len(set(pids.values())) == 2
    assert not any(is_alive(pid) for pid in pids.values())


def test_functions_that_cannot_be_sent_are_refused_before_work(client):
    import threading

    lock = threading.Lock()
    with pytest.raises(ParameterError, match="can be pickled"):
        run_blocks(BlockTask("t", lambda block: lock, grid(3)), executor=client)


@sc.blockwise(halo=2)
def blurred(image, *, weight):
    from scipy import ndimage

    return ndimage.uniform_filter(image.astype("float32"), 5) * weight


@sc.blockwise
def bright(image, *, level):
    return image > level


def test_a_pipeline_gives_the_same_on_dask(client, tmp_path):
    raw = np.random.default_rng(0).integers(0, 99, (40, 50)).astype("uint8")
    outputs = []
    for name, executor in (("dask", client), ("serial", "serial")):
        labels = sc.label(bright(blurred(sc.open(raw), weight=2.0), level=100))
        cells = sc.measure(labels, intensity=sc.open(raw))
        store = tmp_path / name
        assert sc.run(cells, labels, store=store, executor=executor, workers=2, block=16).ok
        outputs.append((np.asarray(labels), cells.to_pandas()))
    assert np.array_equal(outputs[0][0], outputs[1][0])
    assert outputs[0][1].equals(outputs[1][1])
