"""Stores in buckets that several machines work on, and what runs that were killed leave there."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest

import scutoid as sc
from scutoid import remote
from scutoid.arrays._zarr_objects import ObjectWriter
from scutoid.errors import StoreError
from scutoid.events import StepAwaited
from scutoid.store import ObjectLock, Owner

RAW = np.arange(64 * 64, dtype="u2").reshape(64, 64)
QUIET = {"progress": False, "check_halo": False, "executor": "serial"}


@sc.blockwise(retries=0, version="1")
def negative(a, *, marks):
    if a.shape == (32, 32):  # no trial
        number = len(list(Path(marks).iterdir()))
        if number == 2 and Path(marks).with_name("stop").exists():
            raise ValueError("stopped here")
        Path(marks, f"{number}-{a.sum()}").touch()
    return 65535 - a


class Calls:
    """The blocks that were computed."""

    def __init__(self, folder):
        self.folder = folder / "marks"
        self.folder.mkdir()

    def __len__(self):
        return len(list(self.folder.iterdir()))

    def result(self):
        call = negative.options(block=(32, 32))
        return call(sc.open(RAW, axes="yx"), marks=str(self.folder))


@pytest.fixture
def calls(tmp_path):
    return Calls(tmp_path)


def place_of(store):
    """Return the URL of the one result that a store has."""
    (name,) = [each for each in remote.names(f"{store}/negative") if not each.startswith(".")]
    return f"{store}/negative/{name.rstrip('/')}"


def lock_of(store):
    folder, _, key = place_of(store).rpartition("/")
    return f"{folder}/.{key}.lock"


def hold_elsewhere(place, epoch, *, is_released=False):
    owner = {"host": "node7", "process": 1, "started": 5, "token": "x"}
    said = {"owner": owner, "machine": "another", "is_released": is_released}
    remote.put(f"{place}/{epoch:08}", json.dumps(said).encode())


def test_a_result_is_made_by_one_machine_at_a_time(calls, store, machine):
    sc.run(calls.result(), store=store, **QUIET)
    lock = lock_of(store)
    assert not ObjectLock(place_of(store)).is_held
    hold_elsewhere(lock, 2)
    machine("second")
    awaited = []

    class Listening:
        def on_event(self, event):
            if isinstance(event, StepAwaited):
                awaited.append(event)
                hold_elsewhere(lock, 2, is_released=True)

    again = calls.result()
    sc.run(again, store=store, force=["negative"], listeners=[Listening()], **QUIET)
    assert [(one.owner, one.last_seen is not None) for one in awaited] == [
        ("process 1 on node7", True)
    ]
    assert len(calls) == 8
    np.testing.assert_array_equal(again.read(), 65535 - RAW)


def test_two_machines_at_once_make_each_block_once(calls, store, machine):
    first, gate = threading.Event(), threading.Event()

    class Halting:
        def on_event(self, event):
            if type(event).__name__ == "RunStarted":
                first.set()
                gate.wait(60)

    one, other = calls.result(), calls.result()
    running = threading.Thread(
        target=lambda: sc.run(one, store=store, listeners=[Halting()], **QUIET)
    )
    running.start()
    assert first.wait(60)
    machine("second")

    class Opening:
        def on_event(self, event):
            if isinstance(event, StepAwaited):
                assert str(event.owner) == str(Owner.new())
                gate.set()

    sc.run(other, store=store, listeners=[Opening()], **QUIET)
    running.join(60)
    assert gate.is_set()
    assert len(calls) == 4
    np.testing.assert_array_equal(other.read(), 65535 - RAW)


MET = {}


@sc.blockwise(retries=0, version="1")
def met(a):
    if a.shape == (32, 32):
        MET[threading.get_ident()]()
    return 65535 - a


class Machine(threading.Thread):
    """A run in a thread, which stands still before one of its blocks until it may go on."""

    def __init__(self, store, *, before, **options):
        super().__init__()
        self.result = met.options(block=(32, 32))(sc.open(RAW, axes="yx"))
        self.store, self.before, self.options = store, before, options
        self.stands, self.may_go = threading.Event(), threading.Event()
        self.error, self.n_calls = None, 0

    def run(self):
        MET[threading.get_ident()] = self.meet
        try:
            sc.run(self.result, store=self.store, **self.options, **QUIET)
        except StoreError as error:
            self.error = error

    def meet(self):
        self.n_calls += 1
        if self.n_calls == self.before:
            self.stands.set()
            self.may_go.wait(60)

    def begin(self):
        self.start()
        assert self.stands.wait(60)

    def end(self):
        self.may_go.set()
        self.join(60)


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("first", ["dead", "holder"])
def test_a_run_that_was_taken_for_dead_spoils_nothing(store, machine, monkeypatch, first, force):
    dead = Machine(store, before=3)
    dead.begin()
    machine("second")
    with monkeypatch.context() as patched:
        patched.setattr(ObjectLock, "_is_free", lambda self, epoch: True)
        holder = Machine(store, before=1, force=["met"] if force else [])
        holder.begin()
    order = (dead, holder) if first == "dead" else (holder, dead)
    for each in order:
        each.end()
    assert holder.error is None
    if dead.error is not None:
        assert "has its lock until the end" in str(dead.error)
    machine("third")
    np.testing.assert_array_equal(holder.result.read(), 65535 - RAW)
    assert sc.Store(store).verify(heal=False).ok
    if first == "holder":
        assert dead.error is None
        np.testing.assert_array_equal(dead.result.read(), 65535 - RAW)
    elif force:
        assert dead.error is not None


@sc.blockwise(block=32, version="1")
def doubled(a):
    return a * 2


@sc.blockwise(block=32, version="1")
def increased(a):
    return a + 1


def test_the_next_step_gets_the_block_that_is_there(store, monkeypatch):
    """What two writers have made of a block differs; the one that came later goes on."""
    written = ObjectWriter.write_kept

    def as_second(self, roi, data, **options):
        written(self, roi, data + 7, **options)  # by another, which is not noted
        return written(self, roi, data, **options)

    monkeypatch.setattr(ObjectWriter, "write_kept", as_second)
    image = doubled(sc.open(RAW, axes="yx"))
    after = increased(image)
    sc.run(image, after, store=store, **QUIET)
    np.testing.assert_array_equal(image.read(), RAW * 2 + 7)
    np.testing.assert_array_equal(after.read(), RAW * 2 + 7 + 1 + 7)


def garbage_of(store, **options):
    removals = sc.Store(store).gc(**options).removals
    return sorted((str(one.path).removeprefix(place_of(store)), one.why) for one in removals)


def leave_attempt(place, token, *, is_begun):
    remote.put(f"{place}/{token}/image.ome.zarr/0/c/0/0", b"shard")
    if is_begun:
        remote.put(f"{place}/{token}/begun.json", b"{}")


EARLY, LATE = "000000000001-00000000", "ffffffffffff-00000000"


def test_what_attempts_have_left_is_removed_and_the_result_stays(bucket, calls, store, machine):
    sc.run(calls.result(), store=store, **QUIET)
    assert garbage_of(store) == []
    place = place_of(store)
    whole = {each.url for each in remote.objects(place)}
    (token,) = [name[:-1] for name in remote.names(place) if name.endswith("/")]
    for each in (EARLY, LATE):
        leave_attempt(place, each, is_begun=True)
    remote.put(f"{place}/{token}/segments/zombie-00000003", b"late")
    remote.put(f"{place}/notes.txt", b"mine")
    bucket.request("POST", f"{place.removeprefix('s3://bucket/')}/{token}/table.parquet?uploads")
    expected = [
        ("", "1 uploads left open"),
        (f"/{EARLY}", "an attempt that nothing goes on with"),
        (f"/{LATE}", "an attempt that nothing goes on with"),
        (f"/{token}/segments/", "of a result that is complete"),
    ]
    expected.sort()
    assert garbage_of(store, dry_run=True) == expected
    assert len(remote.uploads(store)) == 1
    assert garbage_of(store) == expected
    assert remote.uploads(store) == []
    assert {each.url for each in remote.objects(place)} == whole | {f"{place}/notes.txt"}
    assert garbage_of(store) == []
    machine("second")
    again = calls.result()
    sc.run(again, store=store, **QUIET)
    assert len(calls) == 4
    np.testing.assert_array_equal(again.read(), 65535 - RAW)


def test_what_a_run_would_go_on_with_stays(calls, store, machine):
    stop = calls.folder.with_name("stop")
    stop.touch()
    sc.run(calls.result(), store=store, on_failure="return", **QUIET)
    stop.unlink()
    place = place_of(store)
    (token,) = [name[:-1] for name in remote.names(place) if name.endswith("/")]
    leave_attempt(place, EARLY, is_begun=True)
    leave_attempt(place, LATE, is_begun=False)
    why = "an attempt that nothing goes on with"
    assert garbage_of(store) == [(f"/{EARLY}", why), (f"/{LATE}", why)]
    assert f"{token}/" in remote.names(place)
    machine("second")
    n_done = sc.plan(calls.result(), store=store)["negative"].n_done
    n_before = len(calls)
    again = calls.result()
    sc.run(again, store=store, **QUIET)
    assert n_done == 2
    assert len(calls) - n_before == 4 - n_done
    np.testing.assert_array_equal(again.read(), 65535 - RAW)


@pytest.mark.parametrize("dry_run", [True, False])
def test_what_a_machine_makes_just_now_is_left_alone(calls, store, dry_run):
    sc.run(calls.result(), store=store, **QUIET)
    leave_attempt(place_of(store), LATE, is_begun=True)
    hold_elsewhere(lock_of(store), 9)
    assert garbage_of(store, dry_run=dry_run) == []
    assert f"{LATE}/" in remote.names(place_of(store))


def test_old_locks_and_trials_go(calls, store, monkeypatch):
    sc.run(calls.result(), store=store, **QUIET)
    trial = f"{store}/.probe-0123456789abcdef"
    remote.put(trial, b"first")
    lock = lock_of(store)
    assert garbage_of(store) == []
    assert remote.names(lock)
    age = remote.age
    monkeypatch.setattr(remote, "age", lambda url: None if age(url) is None else age(url) + 4000)
    monkeypatch.setattr("scutoid.steps.results._garbage_at_url._PROBE_S", -60.0)
    assert [why for _, why in garbage_of(store)] == ["a trial of whether it can be written"]
    assert remote.get(trial) is None
    assert remote.names(lock) == []
    assert len(calls) == 4


@pytest.mark.parametrize("condition", [{"older_than": 0}, {"keep_runs": 1}, {"max_size": "1MB"}])
def test_results_go_by_no_conditions(calls, store, condition):
    sc.run(calls.result(), store=store, **QUIET)
    with pytest.raises(StoreError, match="leave out conditions"):
        sc.Store(store).gc(**condition)


def test_a_manifest_that_cannot_be_read_costs_no_attempt(calls, store):
    sc.run(calls.result(), store=store, **QUIET)
    place = place_of(store)
    leave_attempt(place, LATE, is_begun=True)
    opened = sc.Store(store)
    remote.put(f"{place}/manifest.json", b"{")
    before = len(remote.objects(place))
    assert opened.gc().removals == ()
    assert len(remote.objects(place)) == before
