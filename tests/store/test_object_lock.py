"""Locks in a bucket: one holder of all processes, whatever becomes of requests, and none dead."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from dataclasses import asdict

import pytest

from scutoid import remote
from scutoid.errors import StoreError
from scutoid.store import ObjectLock, Owner
from scutoid.store._hold import machine as _machine

URL = "s3://bucket/store/step/3f9a1c0b7d42"
OBJECTS = "store/step/.3f9a1c0b7d42.lock"

HOLD = """
    import sys, time
    from scutoid.store import ObjectLock

    lock = ObjectLock(sys.argv[1])
    assert lock.acquire()
    print("held", flush=True)
    time.sleep(600)
"""


def hold_elsewhere(bucket, epoch=1, *, machine="elsewhere", **owner):
    """Leave the lock of another process."""
    said = {"host": "elsewhere", "process": 2**22 + 1, "started": 5, "token": "x", **owner}
    record = {"owner": said, "machine": machine, "is_released": False}
    bucket.put(f"{OBJECTS}/{epoch:08}", json.dumps(record).encode())
    return ObjectLock(URL)


def hold_dead(bucket, epoch=1):
    """Leave the lock of a process of this machine that has died."""
    return hold_elsewhere(bucket, epoch, machine=_machine(), host=Owner.new().host)


@pytest.fixture
def older(monkeypatch):
    """Let objects be as much older as is said, by the clock of their server."""
    age = remote.age

    def by(seconds):
        monkeypatch.setattr(
            remote, "age", lambda url: None if (now := age(url)) is None else now + seconds
        )

    return by


def test_the_age_of_an_object_is_told_by_its_server(bucket):
    assert remote.age("s3://bucket/a") is None
    bucket.put("a", b"x")
    assert 0 <= remote.age("s3://bucket/a") < 60


def test_another_process_is_kept_out_until_the_holder_dies(bucket):
    holder = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLD), URL], stdout=subprocess.PIPE, text=True
    )
    lock = ObjectLock(URL)
    try:
        assert holder.stdout.readline() == "held\n"
        assert not lock.acquire()
        assert lock.owner.process == holder.pid
        assert lock.last_seen is None
        assert not lock.wait(0.1)
        with pytest.raises(StoreError, match="one process at a time") as caught:
            lock.__enter__()
        assert f"process {holder.pid} on " in str(caught.value)
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.stdout.close()
        holder.wait()
    assert lock.wait(240)
    with lock:
        assert lock.owner.process == os.getpid()
        assert lock.epoch == 2
        assert lock.is_mine()
    assert not lock.is_held
    assert remote.names(f"s3://bucket/{OBJECTS}") == ["00000002"]


def test_each_holder_has_a_higher_epoch(bucket):
    epochs = []
    for _ in range(3):
        with ObjectLock(URL) as lock:
            assert lock.is_mine()
            assert not ObjectLock(URL).acquire()
            epochs.append(lock.epoch)
        assert not lock.is_mine()
        assert lock.owner is None
    assert epochs == [1, 2, 3]


@pytest.mark.parametrize(("age", "is_free"), [(0, False), (30, False), (61, True), (-3600, False)])
def test_a_holder_on_another_machine_lives_as_long_as_it_writes_its_lock(
    bucket, older, age, is_free
):
    lock = hold_elsewhere(bucket)
    older(age)
    seen = lock.last_seen
    assert max(age, 0) <= seen < max(age, 0) + 20
    if not is_free:
        with pytest.raises(StoreError, match=r"last seen \d+ s ago"):
            lock.__enter__()
    assert lock.acquire() == is_free
    lock.release()


def test_a_process_of_a_container_with_the_same_name_is_judged_by_its_age(bucket, older):
    lock = hold_elsewhere(bucket, host=Owner.new().host)  # no such number here
    assert not lock.acquire()
    older(61)
    assert lock.acquire()
    lock.release()


def test_a_lock_that_cannot_be_read_is_free_after_a_while(bucket, older):
    bucket.put(f"{OBJECTS}/00000004", b'{"owner": "el')
    lock = ObjectLock(URL)
    assert not lock.acquire()
    older(61)
    assert lock.acquire()
    assert lock.epoch == 5
    lock.release()


def test_who_was_taken_over_knows_and_leaves_the_lock_of_another(bucket, older):
    first, second = ObjectLock(URL), ObjectLock(URL)
    assert first.acquire()
    bucket.remove(f"{OBJECTS}/00000001")
    hold_elsewhere(bucket)  # as another machine sees it
    older(61)
    assert second.acquire()
    assert not first.is_mine()
    assert second.is_mine()
    first.release()
    assert second.is_mine()
    assert second.owner is not None
    second.release()


def test_of_many_that_take_over_a_dead_lock_one_gets_it(bucket):
    for epoch in (1, 11, 21):
        hold_dead(bucket, epoch)
        locks = [ObjectLock(URL) for _ in range(6)]
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
        assert [lock for lock in locks if lock.is_mine()] == got
        got[0].release()


def test_who_has_looked_long_ago_does_not_take_what_others_have_taken_since(bucket, monkeypatch):
    slow = hold_dead(bucket)
    create = remote.create

    def others_first(url, content):
        monkeypatch.setattr(remote, "create", create)
        for _ in range(2):
            with ObjectLock(URL):
                pass
        assert last.acquire()  # 4; those before are removed
        return create(url, content)

    last = ObjectLock(URL)
    monkeypatch.setattr(remote, "create", others_first)
    assert not slow.acquire()
    assert last.is_mine()
    assert remote.names(f"s3://bucket/{OBJECTS}") == ["00000004"]
    last.release()


FAULTS = (503, "drop", (409, "ConditionalRequestConflict"), (412, "PreconditionFailed"))


@pytest.mark.parametrize("is_late", [True, False], ids=["after", "before"])
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_lock_is_taken_whichever_request_fails(bucket, fault, is_late):
    hold_dead(bucket)
    fault = bucket.proxy.late(fault) if is_late else fault
    is_create = isinstance(fault, tuple) and fault[0] == 412
    number = 0
    while True:  # the first request, the second, ...
        due = [None] * number + [fault]
        methods = ("PUT",) if is_create or getattr(fault, "fault", 0) == FAULTS[3] else None

        def fail(method, path, due=due, methods=methods):
            return due.pop(0) if due and (methods is None or method in methods) else None

        bucket.proxy.fault = fail
        lock = ObjectLock(URL)
        assert lock.acquire(), number
        assert not ObjectLock(URL).acquire()
        assert lock.is_mine()
        bucket.proxy.fault = lambda method, path: None
        lock.release()
        if due:
            break
        number += 1
    assert number > 0


@pytest.mark.parametrize("is_late", [True, False], ids=["after", "before"])
def test_a_lock_that_may_be_anothers_is_not_given_back(bucket, is_late):
    def other_comes(method, path):
        if method != "PUT":
            return None
        if not is_late:
            hold_elsewhere(bucket)
        bucket.proxy.fault = lambda method, path: 503 if method != "PUT" else None
        return bucket.proxy.late("drop") if is_late else "drop"

    bucket.proxy.fault = other_comes
    lock = ObjectLock(URL)
    with pytest.raises(StoreError):
        lock.acquire()
    bucket.proxy.fault = lambda method, path: None
    held = json.loads(bucket.get(f"{OBJECTS}/00000001"))
    assert not held["is_released"]
    assert (held["owner"]["host"] == "elsewhere") == (not is_late)


def test_a_lock_is_given_back_where_its_taking_is_broken_off(bucket, monkeypatch):
    names = remote.names

    def broken(url):
        monkeypatch.setattr(remote, "names", names)
        raise KeyboardInterrupt

    create = remote.create

    def created(url, content):
        monkeypatch.setattr(remote, "names", broken)
        return create(url, content)

    monkeypatch.setattr(remote, "create", created)
    with pytest.raises(KeyboardInterrupt):
        ObjectLock(URL).acquire()
    assert not ObjectLock(URL).is_held


def test_a_holder_shows_that_it_lives_until_it_is_taken_over(bucket, monkeypatch):
    monkeypatch.setattr("scutoid.store._object_lock.BEAT_SECONDS", 0.01)
    beaten, stopped = threading.Event(), threading.Event()
    lock = ObjectLock(URL)
    beat, put = lock._beat, remote.put

    def beating():
        beat()
        stopped.set()

    def putting(url, content):
        put(url, content)
        beaten.set()

    monkeypatch.setattr(lock, "_beat", beating)
    monkeypatch.setattr(remote, "put", putting)
    assert lock.acquire()
    assert beaten.wait(60)
    assert lock.is_mine()
    hold_elsewhere(bucket, 2)
    assert stopped.wait(60)
    assert not lock.is_mine()
    lock.release()
    assert ObjectLock(URL).is_held


def test_a_holder_whose_lock_was_removed_does_not_write_over_the_next_one(bucket, monkeypatch):
    monkeypatch.setattr("scutoid.store._object_lock.BEAT_SECONDS", 0.01)
    stopped, gate = threading.Event(), threading.Event()
    lock = ObjectLock(URL)
    beat, is_mine = lock._beat, lock.is_mine

    def beating():
        assert gate.wait(60)
        beat()
        stopped.set()

    monkeypatch.setattr(lock, "_beat", beating)
    assert lock.acquire()
    bucket.remove(f"{OBJECTS}/00000001")
    hold_elsewhere(bucket)  # the number is the same
    gate.set()
    assert stopped.wait(60)
    assert not is_mine()
    assert ObjectLock(URL).owner.host == "elsewhere"
    lock.release()
    assert ObjectLock(URL).is_held


@pytest.mark.parametrize("age", [0, 61, 181])
@pytest.mark.parametrize("kind", ["held", "dead", "released"])
def test_a_sweep_removes_what_nobody_has_held_for_long(bucket, older, kind, age):
    if kind == "dead":
        hold_dead(bucket, 3)
    held = ObjectLock(URL)
    if kind != "dead":
        assert held.acquire()
    if kind == "released":
        held.release()
    older(age)
    ObjectLock(URL).sweep()
    is_gone = remote.names(f"s3://bucket/{OBJECTS}") == []
    assert is_gone == (kind != "held" and age == 181)
    held.release()


def test_the_owner_is_named_as_of_a_local_lock(bucket):
    with ObjectLock(URL) as lock:
        owner = Owner.new()
        assert str(lock.owner) == str(owner)
        assert set(asdict(lock.owner)) == set(asdict(owner))
