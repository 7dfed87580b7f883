"""Workers with a loop of their own that join a run by a Dask scheduler."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from scutoid import events
from scutoid.blocks import After, BlockGrid, BlockTask, connect, run_blocks
from scutoid.errors import ParameterError, WorkerError
from scutoid.executors import _dask_join as join
from scutoid.executors import _dask_relay as relay
from scutoid.executors import _telling as telling
from scutoid.geometry import Roi
from scutoid.testing import Recorder

distributed = pytest.importorskip("distributed", reason='needs pip install "scutoid[dask]"')

SECONDS = 120


def grid(n):
    return BlockGrid(Roi((0,), (n,)), 1)


def cluster_of(workers, **options):
    return distributed.LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        dashboard_address=":0",
        silence_logs=50,
        **options,
    )


@pytest.fixture(scope="module")
def security():
    return distributed.security.Security.temporary()


@pytest.fixture(scope="module")
def cluster(security):
    with cluster_of(1, security=security) as started:
        yield started


class Run:
    """A run in another thread."""

    def __init__(self, cluster, *tasks, **options):
        self.recorder = Recorder()
        self.cluster = cluster
        self._pool = ThreadPoolExecutor(1)
        self.outcome = self._pool.submit(
            run_blocks, tasks, executor=cluster, listeners=[self.recorder], **options
        )
        self._pool.shutdown(wait=False)

    def connect(self, **options):
        address = self.cluster.scheduler_address
        return connect(address, security=self.cluster.security, patience=SECONDS, **options)

    def report(self):
        return self.outcome.result(SECONDS)


def all_of(blocks):
    return [block.index for block in blocks]


def test_a_run_is_joined_at_a_scheduler_by_tls(cluster):
    assert cluster.scheduler_address.startswith("tls://")
    taken = []
    task = BlockTask("t", None, grid(12), collect=taken.extend)
    run = Run(cluster, task, workers=2)
    with run.connect() as blocks:
        for block in blocks:
            assert blocks.grid == grid(12)
            blocks.done(block.write_roi.offset[0] ** 2)
    assert run.report().ok
    assert sorted(taken) == [(n, n**2) for n in range(12)]


def test_several_guests_share_the_blocks(cluster):
    run = Run(cluster, BlockTask("t", None, grid(30)), workers=3)
    meeting = threading.Barrier(3, timeout=SECONDS)

    def work():
        with run.connect() as blocks:
            first = next(blocks).index
            meeting.wait()  # each of them has one
            return [first, *all_of(blocks)]

    with ThreadPoolExecutor(3) as pool:
        shares = [each.result(SECONDS) for each in [pool.submit(work) for _ in range(3)]]
    assert sorted(itertools.chain(*shares)) == list(range(30))
    assert run.report().tasks["t"].n_done == 30


def test_functions_go_to_dasks_workers_and_the_others_to_guests(cluster):
    where = {}

    def note(name):
        return lambda returned: where.setdefault(name, set()).update(dict(returned).values())

    tasks = [
        BlockTask("first", lambda block: os.getpid(), grid(200), collect=note("first")),
        BlockTask("own", None, grid(10), after=After("first"), collect=note("own")),
        BlockTask("last", lambda block: os.getpid(), grid(10), after="own", collect=note("last")),
    ]
    run = Run(cluster, *tasks, workers=2)
    with run.connect() as blocks:
        for block in blocks:
            assert block.task == "own"
            blocks.done(os.getpid())
    report = run.report()
    assert report.ok
    assert [report.tasks[name].n_done for name in ("first", "own", "last")] == [200, 10, 10]
    assert where["own"] == {os.getpid()}
    assert where["first"] == where["last"] != {os.getpid()}
    numbers = [event.worker for event in run.recorder.of(events.WorkerStarted)]
    assert len(numbers) == len(set(numbers)) == 2


GUEST = """
    import os, signal, sys
    from pathlib import Path
    from scutoid.blocks import connect

    with connect(patience=240) as blocks:
        for block in blocks:
            print(block.index, flush=True)
            if block.index == 3 and "die" in sys.argv:
                os.kill(os.getpid(), signal.SIGKILL)
"""


def carried_out(command, variables):
    environment = os.environ | variables
    return subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, timeout=240, check=False
    )


def test_a_guest_with_credentials_of_dasks_configuration_dies_and_its_block_is_tried_again(
    cluster, security, tmp_path
):
    script = tmp_path / "guest.py"
    script.write_text(textwrap.dedent(GUEST))
    prefix = "DASK_DISTRIBUTED__COMM__TLS__"
    variables = {"SCUTOID_CONNECTION": cluster.scheduler_address}
    for name, text in (
        ("CA_FILE", security.tls_ca_file),
        ("CLIENT__CERT", security.tls_client_cert),
        ("CLIENT__KEY", security.tls_client_key),
    ):
        (tmp_path / name).write_text(text)
        variables[prefix + name] = str(tmp_path / name)
    run = Run(cluster, BlockTask("t", None, grid(6), retries=1))
    command = [sys.executable, str(script)]
    dead = carried_out([*command, "die"], variables)
    assert dead.returncode == -signal.SIGKILL
    assert dead.stdout.split() == [b"0", b"1", b"2", b"3"]
    other = carried_out(command, variables)
    assert other.returncode == 0
    assert sorted(other.stdout.split()) == [b"3", b"4", b"5"]
    assert run.report().ok
    assert [event.index for event in run.recorder.of(events.BlockFailed)] == [3]
    assert len(run.recorder.of(events.WorkerLost)) == 1


def test_a_guest_that_leaves_fails_no_block(cluster):
    run = Run(cluster, BlockTask("t", None, grid(5), retries=0))
    with run.connect() as blocks:
        assert [next(blocks).index for _ in range(3)] == [0, 1, 2]
    with run.connect() as blocks:
        assert sorted(all_of(blocks)) == [2, 3, 4]
    assert run.report().ok
    assert not run.recorder.of(events.BlockFailed)


def test_a_block_that_takes_too_long_is_given_to_another_guest(cluster):
    run = Run(cluster, BlockTask("t", None, grid(3), retries=1, timeout=0.3))
    with run.connect() as slow:
        block = next(slow)
        with run.connect() as blocks:  # which gets it only once the first one is given up
            assert sorted(all_of(blocks)) == [0, 1, 2]
        assert run.report().ok
        with pytest.raises(WorkerError, match=r"(?s)a run tells its workers.*its timeout"):
            next(slow)
    failed = run.recorder.of(events.BlockFailed)
    assert [event.index for event in failed] == [block.index]
    assert "TimeoutError" in failed[0].error


@pytest.mark.parametrize("tasks", [["nobody"], ["function"]])
def test_a_guest_asks_for_tasks_without_a_function_that_there_are(cluster, tasks):
    run = Run(
        cluster,
        BlockTask("function", int, grid(1), where=[]),
        BlockTask("own", None, grid(1)),
        BlockTask("other", None, grid(1)),
    )
    with pytest.raises(WorkerError, match=r"(?s)tasks of the run.*'own', 'other'"):
        run.connect(tasks=["own", *tasks])
    with run.connect() as blocks:
        assert sorted(block.task for block in blocks) == ["other", "own"]
    assert run.report().ok


def test_a_worker_joins_one_of_several_runs_by_its_task(cluster):
    runs = [Run(cluster, BlockTask(name, None, grid(2))) for name in ("a", "b")]
    guests = [run.connect(tasks=[name]) for run, name in zip(runs, "ab", strict=True)]
    with pytest.raises(WorkerError, match=r"(?s)joins one run.*'a', 'b'|'b', 'a'"):
        runs[0].connect()
    for run, guest, name in zip(runs, guests, "ab", strict=True):
        with guest as blocks:
            assert [block.task for block in blocks] == [name, name]
        assert run.report().ok


def test_a_scheduler_without_a_run_is_told(cluster):
    with pytest.raises(WorkerError, match=r"(?s)finds the run.*there are none.*patience="):
        connect(cluster.scheduler_address, security=cluster.security, patience=0)


def test_a_scheduler_that_is_not_there_is_told(security):
    with pytest.raises(WorkerError, match=r"(?s)finds the run.*tls://127.0.0.1:1\b"):
        connect("tls://127.0.0.1:1", security=security, patience=0)


def test_a_run_that_waits_for_guests_says_so(cluster, monkeypatch):
    monkeypatch.setattr(telling, "_FIRST_SECONDS", 0.0)
    told = threading.Event()
    recorder = Recorder(lambda event: isinstance(event, events.WorkersAwaited) and told.set())
    run = Run(cluster, BlockTask("t", None, grid(1)))
    with ThreadPoolExecutor(1) as pool:
        again = pool.submit(
            run_blocks,
            BlockTask("u", None, grid(1)),
            executor=cluster,
            listeners=[recorder],
        )
        assert told.wait(SECONDS)
        awaited = recorder.of(events.WorkersAwaited)[0]
        assert f"connect('{cluster.scheduler_address}')" in awaited.why
        for task in "tu":
            with run.connect(tasks=[task]) as blocks:
                assert all_of(blocks) == [0]
        assert again.result(SECONDS).ok
    assert run.report().ok


def test_a_lost_scheduler_ends_the_run_and_its_guests(security, tmp_path):
    with cluster_of(0, security=security) as lost:
        run = Run(lost, BlockTask("t", None, grid(5)), journal=tmp_path)
        guest = run.connect()
        next(guest)
        next(guest)
        lost.close()
        with pytest.raises(WorkerError, match="scheduler"):
            run.report()
        with pytest.raises(WorkerError, match="a run tells its workers"), guest:
            next(guest)
    with cluster_of(0, security=security) as other:
        run = Run(other, BlockTask("t", None, grid(5)), journal=tmp_path)
        with run.connect() as blocks:
            assert all_of(blocks) == [1, 2, 3, 4]
        assert run.report().ok


def test_a_scheduler_on_this_machine_alone_needs_no_credentials():
    with cluster_of(0, host="127.0.0.1") as plain:
        assert plain.scheduler_address.startswith("tcp://127.0.0.1:")
        run = Run(plain, BlockTask("t", None, grid(2)))
        with connect(plain.scheduler_address, patience=SECONDS) as blocks:
            assert all_of(blocks) == [0, 1]
        assert run.report().ok


REFUSED = {
    "tcp://node7:8786": "by TLS",
    "tcp://10.0.0.7:8786": "by TLS",
    "tcp://0.0.0.0:8786": "by TLS",
    "tcp://127.0.0.1.example.org:8786": "by TLS",
    "tcp://[fe80::1]:8786": "by TLS",
    "ws://node7:8786": "by TLS",
    "tls://node7:8786": "a certificate, a key and their authority",
    "tls://127.0.0.1:8786": "a certificate, a key and their authority",
    "http://127.0.0.1:8786": "the address of its scheduler",
    "inproc://127.0.0.1/1/1": "the address of its scheduler",
    "s3://bucket/run.json": "the address of its scheduler",
}


@pytest.mark.parametrize("address", REFUSED)
def test_an_address_without_credentials_is_refused_before_anything_is_sent(address, monkeypatch):
    monkeypatch.setattr(distributed, "Client", None)
    with pytest.raises(ParameterError, match=REFUSED[address]):
        connect(address, patience=SECONDS)


@pytest.mark.parametrize("kind", ["no files", "no certificates", "no credentials"])
def test_credentials_that_cannot_be_read_are_refused_at_once(kind, monkeypatch, tmp_path):
    monkeypatch.setattr(distributed, "Client", None)
    file = tmp_path / "cert.pem"
    if kind == "no certificates":
        file.write_text("not a certificate")
    names = ("tls_ca_file", "tls_client_cert", "tls_client_key")
    security = distributed.security.Security(**dict.fromkeys(names, str(file)))
    given = str(file) if kind == "no credentials" else security
    with pytest.raises(ParameterError, match="whose certificates can be read"):
        connect("tls://node7:8786", security=given, patience=SECONDS)


@pytest.mark.parametrize(
    ("address", "trusted"),
    [
        ("tls://node7:8786", True),
        ("wss://node7:8786", True),
        ("tcp://127.0.0.1:8786", True),
        ("tcp://127.8.0.1:8786", True),
        ("tcp://[::1]:8786", True),
        ("tcp://localhost:8786", True),
        ("tcp://localhost.example.org:8786", False),
        ("tcp://node7:8786", False),
        ("tcp://", False),
        ("inproc://10.0.0.1/1/1", False),
    ],
)
def test_what_is_sent_is_encrypted_or_stays_on_this_machine(address, trusted):
    assert join.is_trusted(address) is trusted


def test_a_cluster_without_credentials_on_a_network_gets_no_guests(cluster, monkeypatch):
    monkeypatch.setattr("scutoid.executors._dask_guests.is_trusted", lambda address: False)
    with pytest.raises(ParameterError, match=r"(?s)encrypts what is sent.*ConnectExecutor"):
        run_blocks(BlockTask("t", None, grid(1)), executor=cluster)


def test_nobody_joins_the_cluster_that_a_run_starts_for_itself():
    with pytest.raises(ParameterError, match="a Dask cluster that has been started"):
        run_blocks(BlockTask("t", None, grid(1)), executor="dask")


# -- messages kept in a scheduler, without one


def scheduler(*clients):
    return SimpleNamespace(clients=dict.fromkeys(clients), extensions={})


def asked(function, *args):
    async def ask():
        answer = function(*args)
        return await answer if asyncio.iscoroutine(answer) else answer

    return asyncio.run(ask())


def test_messages_arrive_once_and_in_their_order():
    place = scheduler("driver", "a", "b")
    asked(relay.open_desk, "run", "driver", ["t"], place)
    for guest, text in ((guest, text) for text in (b"1", b"2") for guest in "ab"):
        assert asked(relay.post, "run", guest, text, place)
    letters = asked(relay.collect, "run", 0, place)
    assert letters == [("a", b"1"), ("b", b"1"), ("a", b"2"), ("b", b"2")]
    assert asked(relay.collect, "run", 0, place) == []
    asked(relay.deliver, "run", [("b", b"3"), ("c", b"4"), ("b", b"5")], place)
    assert asked(relay.fetch, "run", "a", 0, place) == []
    assert asked(relay.fetch, "run", "b", 0, place) == [b"3", b"5"]
    assert asked(relay.fetch, "run", "c", 0, place) is None


def test_a_guest_that_is_gone_is_told_after_its_last_message():
    place = scheduler("driver", "a")
    asked(relay.open_desk, "run", "driver", ["t"], place)
    asked(relay.post, "run", "a", b"1", place)
    del place.clients["a"]
    assert asked(relay.collect, "run", 0, place) == [("a", b"1"), ("a", None)]
    assert asked(relay.collect, "run", 0, place) == []


def test_a_way_that_is_ended_gives_what_was_sent_before():
    place = scheduler("driver", "a")
    asked(relay.open_desk, "run", "driver", ["t"], place)
    asked(relay.post, "run", "a", b"1", place)
    asked(relay.deliver, "run", [("a", b"2"), ("a", None)], place)
    assert not asked(relay.post, "run", "a", b"3", place)
    assert asked(relay.fetch, "run", "a", 0, place) == [b"2"]
    assert asked(relay.fetch, "run", "a", 0, place) is None


@pytest.mark.parametrize("how", ["closed", "gone"])
def test_nothing_is_kept_for_a_run_that_is_over(how):
    place = scheduler("driver", "a")
    asked(relay.open_desk, "run", "driver", ["t"], place)
    asked(relay.post, "run", "a", b"1", place)
    asked(relay.deliver, "run", [("a", b"end")], place)
    assert asked(relay.list_runs, place) == [("run", ("t",))]
    if how == "closed":
        asked(relay.close_desk, "run", place)
    else:
        del place.clients["driver"]
    assert asked(relay.list_runs, place) == []
    assert not asked(relay.post, "run", "a", b"2", place)
    last = asked(relay.fetch, "run", "a", 0, place)
    assert last == ([b"end"] if how == "closed" else None)
    assert asked(relay.fetch, "run", "a", 0, place) is None
    assert asked(relay.collect, "run", 0, place) is None
    assert not place.extensions[relay._NAME]
