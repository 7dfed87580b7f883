"""Locks: one holder of all processes, and none that is dead."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from scutoid.errors import ParameterError, StoreError
from scutoid.store import Lock


@pytest.fixture
def entry(tmp_path):
    return tmp_path / "step" / "3f9a1c0b7d42"


HOLD = """
    import sys, time
    from pathlib import Path
    from scutoid.store import Lock

    lock = Lock(Path(sys.argv[1]))
    assert lock.acquire()
    print("held", flush=True)
    time.sleep(600)
"""


def hold(entry):
    """Hold the lock in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLD), str(entry)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    process.stdout.close()
    return process


def hold_elsewhere(entry, age):
    """Leave the lock of a process on another machine that was touched `age` seconds ago."""
    lock = Lock(entry)
    lock.path.parent.mkdir(parents=True, exist_ok=True)
    said = {"host": "elsewhere", "process": 1, "started": 5, "token": "x"}
    lock.path.write_text(json.dumps(said))
    then = time.time() - age
    os.utime(lock.path, (then, then))
    return lock


def test_another_process_is_kept_out_until_the_holder_dies(entry):
    holder = hold(entry)
    lock = Lock(entry)
    try:
        assert not lock.acquire()
        assert lock.owner.process == holder.pid
        assert not lock.wait(0.3)
        with pytest.raises(StoreError, match="one process at a time") as caught:
            lock.__enter__()
        assert f"process {holder.pid} on {socket.gethostname()}" in str(caught.value)
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert lock.wait(240)
    with lock:
        assert lock.owner.process == os.getpid()
    assert not lock.path.exists()


def test_a_holder_that_is_dead_and_not_buried_is_dead(entry):
    holder = hold(entry)
    holder.send_signal(signal.SIGKILL)
    lock = Lock(entry)
    assert lock.wait(240)  # its parent, this process, has not asked after it
    assert lock.acquire()
    lock.release()
    holder.wait()


def test_a_number_that_was_given_to_another_process_is_not_the_holder(entry):
    lock = Lock(entry)
    lock.path.parent.mkdir(parents=True)
    said = {"host": socket.gethostname(), "process": os.getpid(), "started": 1, "token": "x"}
    lock.path.write_text(json.dumps(said))
    assert lock.acquire()
    lock.release()


@pytest.mark.parametrize(("age", "is_free"), [(0, False), (30, False), (61, True), (-3600, False)])
def test_a_holder_on_another_machine_lives_as_long_as_it_touches_its_lock(entry, age, is_free):
    lock = hold_elsewhere(entry, age)
    assert lock.acquire() == is_free
    lock.release()
    assert lock.path.exists() != is_free
    assert list(lock.path.parent.glob(".*.lock.*")) == []


@pytest.mark.parametrize(("limit", "age"), [("30s", 31), ("2m", 121)])
def test_how_long_a_holder_on_another_machine_is_waited_for_can_be_set(
    entry, monkeypatch, limit, age
):
    monkeypatch.setenv("SCUTOID_LOCK_TIMEOUT", limit)
    lock = hold_elsewhere(entry, age - 4)
    assert lock.is_held
    assert age - 5 < lock.last_seen < age
    with pytest.raises(StoreError, match=rf"last seen {round(lock.last_seen)} s ago"):
        lock.__enter__()
    assert not hold_elsewhere(entry, age).is_held


@pytest.mark.parametrize("limit", ["60", "soon", "19s", "0"])
def test_a_time_that_is_none_or_too_short_for_the_living_is_refused(entry, monkeypatch, limit):
    monkeypatch.setenv("SCUTOID_LOCK_TIMEOUT", limit)
    with pytest.raises(ParameterError, match="SCUTOID_LOCK_TIMEOUT"):
        hold_elsewhere(entry, 30).acquire()


def test_a_lock_that_was_never_written_whole_is_free_after_a_while(entry):
    lock = Lock(entry)
    lock.path.parent.mkdir(parents=True)
    lock.path.write_text('{"host": "el')
    assert not lock.acquire()
    os.utime(lock.path, (time.time() - 11,) * 2)
    assert lock.acquire()
    lock.release()


def test_who_was_taken_over_does_not_release_the_lock_of_another(entry):
    first, second = Lock(entry), Lock(entry)
    assert first.acquire()
    first.path.unlink()  # as if first had been taken for dead
    assert second.acquire()
    first.release()
    assert second.owner is not None
    second.release()


def test_of_many_that_take_over_a_dead_lock_one_gets_it(entry):
    for _ in range(100):
        locks = [Lock(entry) for _ in range(8)]
        locks[0].path.parent.mkdir(parents=True, exist_ok=True)
        said = {"host": socket.gethostname(), "process": 2**22 + 1, "started": 5, "token": "x"}
        locks[0].path.write_text(json.dumps(said))
        got = []
        gate = threading.Barrier(len(locks))

        def take(lock, gate=gate, got=got):
            gate.wait()
            if lock.acquire():
                got.append(lock)

        threads = [threading.Thread(target=take, args=(lock,)) for lock in locks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(got) == 1
        assert got[0].owner is not None
        got[0].release()


def test_a_sweep_removes_what_the_dead_have_left_alone(tmp_path, monkeypatch):
    lock = Lock(tmp_path / "step" / "3f9a")
    lock.path.parent.mkdir()
    lock.path.write_text("{}")
    os.utime(lock.path, (1, 1))
    Lock(tmp_path / "step" / "3f9a").sweep()
    assert not lock.path.exists()
    lock.path.write_text("{}")
    os.utime(lock.path, (1, 1))
    other, asked = Lock(tmp_path / "step" / "3f9a"), []

    def is_dead(sweeping, owner):
        dead = found(sweeping, owner)
        if not asked:  # between this look and the removal another process takes the lock over
            asked.append(dead)
            assert other.acquire()
        return dead

    found = Lock._is_dead
    with monkeypatch.context() as patch:
        patch.setattr(lock, "_is_dead", is_dead.__get__(lock), raising=True)
        lock.sweep()
    assert asked == [True]
    assert other.is_held
    other.release()
    assert not lock.path.exists()
