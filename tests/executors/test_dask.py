"""Workers of Dask clusters: the suite for executors, and the faults of a cluster."""

from __future__ import annotations

import importlib
import io
import logging
import logging.handlers
import os
import signal
import socket
import ssl
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
import pytest

import scutoid as sc
from scutoid import events
from scutoid.blocks import BlockGrid, BlockTask, run_blocks
from scutoid.errors import MissingExtra, ParameterError, WorkerError
from scutoid.executors import _dask_worker
from scutoid.executors._dask_lines import kept_out_of_the_terminal
from scutoid.executors._environment import MEMORY_VARIABLES
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
        for _ in range(110):
            cluster.scale(2)
            with suppress(TimeoutError):
                client.wait_for_workers(2, timeout=2)
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


@pytest.fixture(scope="module")
def adaptive_cluster():
    with local_cluster(n_workers=0, processes=False) as started:
        started.adapt(minimum=0, maximum=2, interval="100ms", wait_count=20)
        yield started


class TestAdaptive(TestThreadsOfDask):
    """A cluster that has workers as long as there is work."""

    @pytest.fixture
    def executor(self, adaptive_cluster):
        return adaptive_cluster


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
    begun = folder / "begun"
    begun.mkdir()

    def wait_for_two(block):
        (begun / str(block.index)).touch()
        end = time.monotonic() + 240
        while len(list(begun.iterdir())) < 2 and time.monotonic() < end:
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


def test_an_adaptive_cluster_grows_from_no_worker():
    with local_cluster(n_workers=0, processes=False) as cluster:
        cluster.adapt(minimum=0, maximum=2, interval="100ms")
        recorder = Recorder()
        task = BlockTask("t", lambda block: None, grid(40))
        assert run_blocks(task, executor=cluster, workers=2, listeners=[recorder]).ok
        assert recorder.of(events.WorkerStarted)


def test_workers_that_are_pending_are_waited_for_and_shown():
    with local_cluster(n_workers=0, processes=False) as cluster:

        def scale(event):
            if isinstance(event, events.WorkersAwaited):
                cluster.scale(1)

        recorder = Recorder(scale)
        task = BlockTask("t", lambda block: None, grid(5))
        assert run_blocks(task, executor=cluster, workers=3, listeners=[recorder]).ok
        assert recorder.of(events.WorkersAwaited)[0].workers == 3


def test_a_worker_that_is_retired_has_not_failed_its_block(whole_cluster, tmp_path):
    """Its block is done by another one, and not charged."""

    def leave_once(block):
        if block.index == 3 and not (tmp_path / "left").exists():
            (tmp_path / "left").touch()
            worker = distributed.get_worker()
            worker.loop.add_callback(worker.close_gracefully)
            time.sleep(3)

    recorder = Recorder()
    task = BlockTask("t", leave_once, grid(8), retries=0)
    assert run_blocks(task, executor=whole_cluster, workers=2, listeners=[recorder]).ok
    (lost,) = recorder.of(events.WorkerLost)
    assert "left by an order" in lost.reason
    assert not recorder.of(events.BlockFailed)


def cluster_of_resources(*resources):
    """A cluster in this process, with a worker for each of some resources."""
    workers = {
        number: {"cls": distributed.Worker, "options": {"nthreads": 1, "resources": each}}
        for number, each in enumerate(resources)
    }
    scheduler = {"cls": distributed.Scheduler, "options": {"dashboard_address": ":0"}}
    return distributed.SpecCluster(workers=workers, scheduler=scheduler, silence_logs=50)


def test_steps_that_require_something_run_where_it_is():
    with cluster_of_resources({"gpu": 2}, {}, {"gpu": 1}) as cluster:
        where = {}
        task = BlockTask(
            *("t", lambda block: dict(distributed.get_worker().state.total_resources), grid(20)),
            requires={"gpu": 2},
            collect=where.update,
        )
        assert run_blocks(task, executor=cluster, workers=3).ok
        assert all(found == {"gpu": 2} for found in where.values())


def test_a_run_says_that_no_worker_has_what_a_step_requires():
    with cluster_of_resources({"gpu": 1}) as cluster:
        said = []

        def note(event):
            if isinstance(event, events.WorkersAwaited):
                said.append(event.why)

        task = BlockTask("t", lambda block: None, grid(2), requires={"gpu": 2})
        run_blocks(
            task,
            executor=cluster,
            listeners=[Recorder(note)],
            should_stop=lambda: bool(said),
            on_failure="return",
        )
        assert said == ["none of 1 has gpu=2; start some with --resources 'gpu=2'"]


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    """Where this process makes temporary folders; nothing of a cluster stays there."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert not list(folder.iterdir())


@pytest.mark.parametrize("executor", ["processes", "dask"])
def test_workers_import_the_modules_that_the_driver_has(tmp_path, monkeypatch, executor):
    """Of two modules with one name they take that of the driver, or they would run other code."""
    for name in ("driver", "environment"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "in_two_places.py").write_text(f"place = {name!r}")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "environment"))
    monkeypatch.syspath_prepend(tmp_path / "driver")
    found = {}

    def look(block):
        return importlib.import_module("in_two_places").place

    run_blocks(BlockTask("t", look, grid(2), collect=found.update), executor=executor)
    assert set(found.values()) == {"driver"}


def test_workers_of_an_own_cluster_keep_memory_and_are_not_sampled(monkeypatch):
    monkeypatch.setenv("MALLOC_TOP_PAD_", "1000000")  # what the user has set counts
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    found = {}

    def look(block):
        import dask.config

        names = ("MALLOC_TOP_PAD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_ARENA_MAX")
        is_sampled = dask.config.get("distributed.worker.profile.enabled")
        return [os.environ.get(name) for name in names], is_sampled

    run_blocks(BlockTask("t", look, grid(1), collect=found.update), executor="dask", workers=1)
    assert found == {0: (["1000000", MEMORY_VARIABLES["MALLOC_TRIM_THRESHOLD_"], "1"], False)}


def test_an_own_cluster_leaves_no_process_and_no_line(
    is_alive, wait_for, tmp_path, capfd, own_folder
):
    pids = {}
    meet = waiting_for_another(tmp_path)

    def print_and_meet(block):
        sys.stdout.write("a function prints\n")
        return meet(block)

    task = BlockTask("t", print_and_meet, grid(2), collect=pids.update)
    run_blocks(task, executor="dask", workers=2)
    assert len(set(pids.values())) == 2
    # They are killed with their nannies, which alone are children of this process to wait for
    wait_for(lambda: not any(is_alive(pid) for pid in pids.values()))
    printed = capfd.readouterr()
    assert printed.out == "a function prints\n" * 2
    assert "distributed" not in printed.err


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs the maps of /proc")
def test_an_own_cluster_leaves_no_semaphore(wait_for, own_folder):
    files = {}

    def mapped(block):
        """Files of the semaphores that this worker has in common with its nanny."""
        lines = Path("/proc/self/maps").read_text().splitlines()
        return {line.split()[-1] for line in lines if "/sem.mp-" in line}

    run_blocks(BlockTask("t", mapped, grid(1), collect=files.update), executor="dask", workers=1)
    assert files[0]
    wait_for(lambda: not any(map(os.path.exists, files[0])))


def children():
    psutil = importlib.import_module("psutil")
    found = psutil.Process().children(recursive=True)
    return [child for child in found if child.status() != psutil.STATUS_ZOMBIE]


def ports_of(processes):
    """Ports of this machine that processes listen at."""
    all_of_them = [at for process in processes for at in process.net_connections()]
    return {at.laddr.port for at in all_of_them if at.status == "LISTEN"}


def heard_at(port, path="/", tls=None):
    """What a port says to a stranger that asks for a page."""
    heard = b""
    with suppress(OSError), ExitStack() as stack:
        end = stack.enter_context(socket.create_connection(("127.0.0.1", port), 30))
        end = stack.enter_context(tls.wrap_socket(end)) if tls else end
        end.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode() * 9)
        while more := end.recv(4096):
            heard += more
    return heard


def told_at(port):
    """What a port tells a stranger of a cluster: pages, or the greeting of Dask."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    pages = ("/", "/health", "/info/main/workers.html", "/metrics", "/json/counts.json")
    heard = [heard_at(port, page) for page in pages]
    if not any(heard):  # no server of pages, which wait for the rest of such a request
        heard.append(heard_at(port, tls=tls))
    return [each for each in heard if b"pickle-protocol" in each or b" 200 OK" in each[:20]]


def test_an_own_cluster_is_for_its_run_alone_and_logs_into_files(tmp_path, capfd, own_folder):
    """Strangers at its ports get nothing, and no number of them stops the run."""
    before = set(children())
    let_in = []

    def visit(event):
        if not isinstance(event, events.WorkerStarted) or event.worker:
            return
        processes = [child for child in children() if child not in before]
        told = [word for each in processes for word in (*each.cmdline(), *each.environ().values())]
        let_in.extend(word for word in told if "PRIVATE KEY" in word)
        files = [path for path in own_folder.rglob("*") if path.is_file()]
        let_in.extend(path for path in files if b"PRIVATE KEY" in path.read_bytes())
        ports = ports_of(processes)
        assert len(ports) >= 3  # the scheduler, a nanny, a worker
        for port in ports:
            let_in.extend(told_at(port))
            for _ in range(300):
                with suppress(OSError), socket.create_connection(("127.0.0.1", port)) as guest:
                    guest.sendall(b"GET / HTTP/1.1\r\n\r\n" * 9)

    def crash_once(block):
        sys.stdout.write("a function prints\n")
        if block.index == 3 and not (tmp_path / "crashed").exists():
            (tmp_path / "crashed").touch()
            os.kill(os.getpid(), signal.SIGKILL)

    logs = tmp_path / "logs"
    recorder = Recorder(visit)
    task = BlockTask("t", crash_once, grid(20), retries=1)
    assert run_blocks(task, executor="dask", workers=1, logs=logs, listeners=[recorder]).ok
    assert recorder.of(events.WorkerLost)
    assert let_in == []
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")
    said = {path.name: path.read_text() for path in logs.iterdir()}
    assert "a function prints" in said["dask-worker-0.log"]
    assert "TLS handshake failed" in said["dask-scheduler.log"]
    assert "- WARNING - " in said["dask-worker-0.log"]  # of the nanny: it starts a worker again


@pytest.mark.parametrize("logs", [None, "logs"])
def test_a_cluster_that_does_not_start_says_why(tmp_path, monkeypatch, own_folder, logs):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho no Dask here >&2\nexit 7\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    task = BlockTask("t", lambda block: None, grid(2))
    with pytest.raises(WorkerError, match="cluster starts on this machine") as caught:
        run_blocks(task, executor="dask", workers=2, logs=logs and tmp_path / logs)
    assert "exit code 7: no Dask here" in str(caught.value)
    assert ("dask-scheduler.log" in str(caught.value)) == bool(logs)


def test_a_cluster_of_its_own_needs_cryptography(monkeypatch, own_folder):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(MissingExtra, match="cryptography") as caught:
        run_blocks(BlockTask("t", lambda block: None, grid(2)), executor="dask")
    assert "scutoid[dask]" in str(caught.value)


@pytest.mark.parametrize("order", ["inner first", "outer first"])
def test_lines_of_dask_go_to_files_while_clusters_are_there(tmp_path, capsys, order):
    logger = logging.getLogger("distributed.client")
    terminal = logging.StreamHandler(shown := io.StringIO())
    logger.addHandler(terminal)
    own = logging.handlers.BufferingHandler(9)
    logger.addHandler(own)
    try:
        outer, inner = (kept_out_of_the_terminal(tmp_path / name) for name in ("outer", "inner"))
        outer.__enter__()
        inner.__enter__()
        logger.warning("one")
        first, second = (inner, outer) if order == "inner first" else (outer, inner)
        first.__exit__(None, None, None)
        logger.warning("two")
        second.__exit__(None, None, None)
        logger.warning("three")
    finally:
        logger.removeHandler(terminal)
        logger.removeHandler(own)
    lines = {name: (tmp_path / name / "dask-driver.log").read_text() for name in ("outer", "inner")}
    longer, shorter = ("outer", "inner") if order == "inner first" else ("inner", "outer")
    assert ["two" in lines[name] for name in (longer, shorter)] == [True, False]
    assert all("one" in text and "three" not in text for text in lines.values())
    assert "three" in shown.getvalue()
    assert "one" not in shown.getvalue() + capsys.readouterr().err
    assert [record.getMessage() for record in own.buffer] == ["one", "two", "three"]


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


@pytest.mark.parametrize("loses", [False, True], ids=["never had one", "has lost all"])
def test_a_cluster_without_workers_is_told_of_and_given_up(monkeypatch, loses, wait_for):
    monkeypatch.setenv("SCUTOID_DASK_PATIENCE", "1s")
    monkeypatch.setattr("scutoid.executors._telling._FIRST_SECONDS", 0.0)
    started = []
    with local_cluster(n_workers=int(loses), processes=False) as cluster:

        def lose(event):
            if isinstance(event, events.BatchDone) and not started:
                started.append(event)
                cluster.scale(0)
                wait_for(lambda: not cluster.scheduler.workers)

        task = BlockTask("t", lambda block: None, grid(2000))
        recorder = Recorder(lose if loses else None)
        with pytest.raises(WorkerError, match="there is none") as caught:
            run_blocks(task, executor=cluster, listeners=[recorder])
    assert "SCUTOID_DASK_PATIENCE" in caught.value.remedy
    assert recorder.of(events.WorkersAwaited)
    assert bool(started) == loses
    assert not _dask_worker._limits  # which would keep all of this process to one thread


def test_a_patience_that_is_no_time_is_refused(monkeypatch, cluster_of_threads):
    monkeypatch.setenv("SCUTOID_DASK_PATIENCE", "long")
    with pytest.raises(ParameterError, match="SCUTOID_DASK_PATIENCE"):
        run_blocks(BlockTask("t", lambda block: None, grid(1)), executor=cluster_of_threads)
