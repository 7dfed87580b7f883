"""Guests of a run that are no workers, runs that are none, and the file by which both meet."""

from __future__ import annotations

import errno
import json
import logging
import os
import pickle
import secrets
import socket
import stat
import struct
import threading
from contextlib import ExitStack, closing, contextmanager, suppress
from multiprocessing.connection import Listener
from pathlib import Path

import pytest

from scutoid import events
from scutoid.blocks import BlockGrid, BlockTask, connect, run_blocks
from scutoid.durable import beside, is_beside, write_secret
from scutoid.errors import ParameterError, WorkerError
from scutoid.executors import ConnectExecutor, meet
from scutoid.executors import _guests as guests
from scutoid.executors import _rendezvous as rendezvous
from scutoid.geometry import Roi
from scutoid.testing import Recorder

SECONDS = 120


class Run:
    """A run in another thread, and the guests that it gets."""

    def __init__(self, folder, **options):
        self.file = folder / "run.json"
        self.recorder = Recorder()
        self._outcome = []
        task = BlockTask("t", None, BlockGrid(Roi((0,), (6,)), 1), retries=2)
        listens = threading.Event()

        class Listening(ConnectExecutor):
            def open(self, *args, **options):
                pool = super().open(*args, **options)
                listens.set()
                return pool

        executor = Listening(self.file, **options)

        def run():
            report = run_blocks(task, executor=executor, listeners=[self.recorder])
            self._outcome.append(report.ok)

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        assert listens.wait(SECONDS)

    def guest(self):
        record = json.loads(self.file.read_text())
        return socket.create_connection((record["host"], record["port"]), SECONDS)

    def work(self):
        with connect(self.file, patience=SECONDS) as blocks:
            assert [block.index for block in blocks]

    def end(self):
        self._thread.join(SECONDS)
        assert self._outcome == [True]


def silent(_):
    """Say nothing."""


def slow(guest):
    guest.sendall(b"\0\0")


GUESTS = {
    "silent": silent,
    "slow": slow,
    "half a message": lambda guest: guest.sendall(struct.pack("!i", 200) + b"x"),
    "oversized": lambda guest: guest.sendall(struct.pack("!iQ", -1, 2**62) + b"x" * 5000),
    "a negative size": lambda guest: guest.sendall(struct.pack("!i", -7)),
    "a browser": lambda guest: guest.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "garbage": lambda guest: guest.sendall(bytes(range(256)) * 20),
    "a wrong answer": lambda guest: guest.sendall(struct.pack("!i", 16) + b"0123456789abcdef"),
    "gone": lambda guest: guest.shutdown(socket.SHUT_RDWR),
}


@contextmanager
def crowd(run, kinds, each):
    with ExitStack() as stack:
        for kind in kinds:
            for _ in range(each):
                guest = stack.enter_context(run.guest())
                with suppress(OSError):  # shown out already
                    GUESTS[kind](guest)
        yield


@pytest.mark.parametrize("kind", GUESTS)
def test_a_guest_without_the_key_holds_no_worker_up(tmp_path, kind):
    run = Run(tmp_path)
    with crowd(run, [kind], 2):
        run.work()
        run.end()


def test_many_guests_without_the_key_hold_no_worker_up(tmp_path, monkeypatch):
    monkeypatch.setattr(guests, "_FAIR_SECONDS", 0.05)
    run = Run(tmp_path)
    with crowd(run, GUESTS, 25):
        assert 25 * len(GUESTS) > guests._MOST_GUESTS
        run.work()
        run.end()


@pytest.mark.parametrize("kind", ["silent", "slow", "half a message"])
def test_a_guest_that_does_not_answer_is_shown_out(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(guests, "GREETING_SECONDS", 0.2)
    run = Run(tmp_path)
    with run.guest() as guest:
        GUESTS[kind](guest)
        while guest.recv(1000):  # the challenge; then the end
            pass
        monkeypatch.undo()
        run.work()
        run.end()


def test_all_are_shown_out_at_the_end_of_a_run(tmp_path):
    run = Run(tmp_path)
    with run.guest() as guest:
        assert guest.recv(1000)
        run.work()
        run.end()
        assert guest.recv(1000) == b""
    names = {thread.name for thread in threading.enumerate()}
    assert "scutoid-door" not in names


def test_a_run_that_can_open_no_more_files_goes_on_once_it_can(tmp_path, monkeypatch):
    refused = iter(range(3))
    accept = socket.socket.accept

    def sometimes(server):
        if next(refused, None) is None:
            return accept(server)
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(socket.socket, "accept", sometimes)
    run = Run(tmp_path)
    run.work()
    run.end()


HELLOS = {
    "no pickle": b"join",
    "another message": pickle.dumps(("item", 3)),
    "no tuple": pickle.dumps(7),
    "tasks of another type": pickle.dumps(("join", "me", [3], None)),
    "too many parts": pickle.dumps(("join", "me", None, None, None)),
    "oversized": bytes(2**20 + 1),
    "a class that is not here": b"cnowhere_at_all\nThing\n.",
}


@pytest.mark.parametrize("kind", HELLOS)
def test_a_worker_that_joins_with_nonsense_is_refused_and_named(tmp_path, caplog, kind):
    run = Run(tmp_path)
    with caplog.at_level(logging.WARNING), closing(meet(run.file, SECONDS)) as worker:
        with suppress(OSError):  # refused before all of it has come
            worker.send_bytes(HELLOS[kind])
        with pytest.raises((EOFError, OSError)):
            worker.recv_bytes()
    assert "could not join" in caplog.text
    run.work()
    run.end()


MESSAGES = {
    "no pickle": b"done",
    "no tuple": pickle.dumps(7),
    "another message": pickle.dumps(("item", 3)),
    "a status of another type": pickle.dumps(("done", "well", None)),
    "nothing": pickle.dumps(()),
}


@pytest.mark.parametrize("kind", [*MESSAGES, "half a message"])
def test_a_worker_that_sends_nonsense_costs_one_attempt_of_its_block(tmp_path, monkeypatch, kind):
    """So does one that stops in the middle of a message: its block goes to somebody else."""
    monkeypatch.setattr(rendezvous, "_STALL_SECONDS", 1)
    run = Run(tmp_path)
    with closing(meet(run.file, SECONDS)) as worker:
        worker.send_bytes(pickle.dumps(("join", "me", None, None)))
        assert pickle.loads(worker.recv_bytes())[0] == "joined"
        assert pickle.loads(worker.recv_bytes())[0] == "work"
        assert pickle.loads(worker.recv_bytes())[0] == "item"
        if kind in MESSAGES:
            worker.send_bytes(MESSAGES[kind])
        else:
            os.write(worker.fileno(), struct.pack("!i", 100) + b"only some of it")
        run.work()
        run.end()
    (failed,) = run.recorder.of(events.BlockFailed)
    assert "the worker me " in failed.error


@contextmanager
def other_program(does):
    """Something that is not the run, at the port that a connection file names."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with suppress(OSError):
                while True:
                    end, _ = server.accept()
                    kept.append(end)
                    does(end)

        kept = []
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(SECONDS)
            for end in kept:
                end.close()


PROGRAMS = GUESTS | {
    "an unknown welcome": lambda end: end.sendall(struct.pack("!i", 9) + b"#WELCOME#"),
}


@pytest.mark.parametrize("kind", PROGRAMS)
def test_a_worker_that_meets_another_program_says_so(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(rendezvous, "_ANSWER_SECONDS", 0.2)
    file = tmp_path / "run.json"
    with other_program(PROGRAMS[kind]) as port:
        file.write_text(json.dumps({"host": "127.0.0.1", "port": port, "key": "00" * 32}))
        with pytest.raises(WorkerError, match="finds the run") as caught:
            connect(file, patience=0)
    assert str(file) in str(caught.value)


def test_a_worker_that_meets_a_run_with_another_key_says_so(tmp_path):
    run = Run(tmp_path)
    other = tmp_path / "other.json"
    other.write_text(json.dumps(json.loads(run.file.read_text()) | {"key": "00" * 32}))
    with pytest.raises(WorkerError, match="AuthenticationError"):
        connect(other, patience=0)
    run.work()
    run.end()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "7",
        "{}",
        '{"host": 3, "port": 4, "key": "00"}',
        '{"host": "127.0.0.1", "port": "4", "key": "00"}',
        '{"host": "127.0.0.1", "port": 4, "key": 0}',
        '{"host": "127.0.0.1", "port": 4, "key": "no number"}',
        '{"host": "127.0.0.1", "port": 99999999, "key": "00"}',
        b"\xff\xfe",
    ],
)
def test_a_file_that_is_no_connection_file_is_a_clear_error(tmp_path, text):
    file = tmp_path / "run.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(WorkerError, match="finds the run"):
        connect(file, patience=0)


def test_a_run_understands_a_listener_of_multiprocessing(tmp_path):
    """The greeting is that of `multiprocessing.connection`, whose keys both sides prove."""
    with Listener(("127.0.0.1", 0), authkey=b"k" * 32) as listener:
        file = tmp_path / "run.json"
        host, port = listener.address
        file.write_text(json.dumps({"host": host, "port": port, "key": (b"k" * 32).hex()}))
        got = []
        thread = threading.Thread(target=lambda: got.append(listener.accept()), daemon=True)
        thread.start()
        with closing(meet(file, SECONDS)) as worker:
            thread.join(SECONDS)
            with closing(got[0]) as accepted:
                accepted.send_bytes(b"hello")
                assert worker.recv_bytes() == b"hello"


def test_the_file_is_new_private_and_under_a_name_that_nobody_knows_before(tmp_path, monkeypatch):
    """Others who can write to the folder can neither lead the key elsewhere nor read it."""
    path, victim = tmp_path / "run.json", tmp_path / "victim"
    victim.write_text("untouched")
    victim.chmod(0o666)
    path.symlink_to(victim)
    earlier = os.umask(0)
    try:
        write_secret(path, "key")
    finally:
        os.umask(earlier)
    assert not path.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (path.read_text(), victim.read_text()) == ("key", "untouched")
    names = {beside(path).name for _ in range(100)}
    assert len(names) == 100
    assert all(is_beside(name) for name in names)
    numbers = sorted(int(name.split("-")[1].split(".")[0]) for name in names)
    assert numbers[-1] - numbers[0] > 2**56  # not one after the other

    monkeypatch.setattr(secrets, "randbits", lambda _: 7)
    for plant in (lambda at: at.symlink_to(victim), lambda at: at.write_text("ours")):
        guessed = beside(path)
        plant(guessed)
        with pytest.raises(FileExistsError):
            write_secret(path, "another key")
        assert (path.read_text(), victim.read_text()) == ("key", "untouched")
        guessed.unlink(missing_ok=True)


def test_the_end_of_a_run_leaves_the_file_of_the_next_one(tmp_path):
    first = Run(tmp_path)
    blocks = connect(first.file, patience=SECONDS)
    second = Run(tmp_path)
    assert sorted(block.index for block in blocks) == list(range(6))
    blocks.leave()
    first.end()
    second.work()
    second.end()
    assert not second.file.exists()


OWN = ["127.0.0.1", "localhost", "127.0.0.2", "::1"]


@pytest.mark.parametrize("host", [*OWN, "node7", "10.0.0.7", "::7"])
def test_only_a_run_with_workers_elsewhere_listens_on_all_networks_and_says_so(
    tmp_path, monkeypatch, caplog, host
):
    asked = []
    create = socket.create_server

    def on_this_machine(address, **options):
        asked.append(address[0])
        return create(("127.0.0.1", address[1]), **options | {"family": socket.AF_INET})

    monkeypatch.setattr(socket, "create_server", on_this_machine)
    with caplog.at_level(logging.WARNING):
        executor = ConnectExecutor(tmp_path / "run.json", host=host, patience=0.01)
        with pytest.raises(WorkerError, match="a worker joins within"):
            run_blocks(BlockTask("t", None, BlockGrid(Roi((0,), (1,)), 1)), executor=executor)
    is_own = host in OWN
    everywhere = "::" if ":" in host else "0.0.0.0"  # noqa: S104 - compared only
    assert asked == [host if is_own else everywhere]
    assert ("connection file has the key" in caplog.text) == (not is_own)
    assert (host in caplog.text) == (not is_own)


@pytest.mark.parametrize(
    "address",
    [{"host": ""}, {"host": None}, {"host": 7}, {"port": -1}, {"port": 2**16}, {"port": "7"}],
)
def test_an_address_that_is_none_is_refused(address):
    (name,) = address
    with pytest.raises(ParameterError, match=r"address|port") as caught:
        ConnectExecutor(Path("run.json"), **address)
    assert f"ConnectExecutor({name}=)" in str(caught.value)


def test_an_address_that_is_taken_is_a_clear_error(tmp_path):
    run = Run(tmp_path)
    port = json.loads(run.file.read_text())["port"]
    with pytest.raises(WorkerError, match="address that is free") as caught:
        ConnectExecutor(tmp_path / "other.json", port=port).open([], 1)
    assert str(port) in str(caught.value)
    run.work()
    run.end()
