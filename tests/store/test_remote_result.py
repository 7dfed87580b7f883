"""Attempts at a result in a bucket: one manifest, segments that are put together, and no other."""

from __future__ import annotations

import hashlib
import json

import pytest

from scutoid import remote
from scutoid.errors import DamagedResult, StoreError
from scutoid.records import RecordLog
from scutoid.store import Entry, EntryStore, ObjectLock, Pack, Recipe

KEY = "3f9a1c0b7d42" + "0" * 52


@pytest.fixture
def entries(bucket, tmp_path):
    """Return the place of one result as two machines have it."""
    url = bucket.url("results/step/3f9a1c0b7d42")
    return [Entry(tmp_path / name / "step" / "3f9a1c0b7d42", "step", KEY, url) for name in "ab"]


def begun(entry):
    entry.begin(Recipe(step="step", key=KEY, created=1.0))
    entry.remote.announce()
    return entry


def with_header(entry, name="journal"):
    RecordLog.open(entry.path / name, b"header").close()
    return entry


def packed(entry):
    pack = Pack(entry.path / "blocks.pack", key=KEY)
    return {name: pack.read(name) for name in pack}


def test_a_result_is_published_whole_and_fetched_elsewhere(entries):
    one, other = entries
    begun(one).save({"a": (1, 2)}, "value")
    assert one.status == "partial"
    one.commit()
    assert other.remote.fetch()
    assert one.status == other.status == "complete"
    assert other.load("value") == {"a": (1, 2)}
    assert not other.remote.fetch()
    assert not one.remote.fetch()


def test_of_two_attempts_the_first_that_is_published_holds(entries):
    for number, entry in enumerate(entries):
        begun(entry).save(number, "value")
    one, other = entries
    assert one.remote.token != other.remote.token
    one.commit()
    other.commit()
    assert one.load("value") == other.load("value") == 0
    assert one.remote.token == other.remote.token


def test_two_writers_of_an_attempt_leave_the_files_of_who_publishes_first(entries):
    one, other = entries
    begun(one)
    other.remote.fetch()
    assert one.remote.token == other.remote.token
    one.save(1, "value")
    other.save(2, "value")
    begun(other).commit()
    one.commit()
    assert one.load("value") == other.load("value") == 2


def test_what_is_published_while_it_is_fetched_elsewhere_is_not_damaged(entries, bucket):
    one, other = entries
    with_header(begun(one)).save(1, "value")
    one.remote.segments(KEY).write({"journal": b"a batch"}, {})
    due = [one]

    def publish_first(method, path):
        if method == "GET" and "/segments/" in path and due:
            due.pop().commit()

    bucket.proxy.fault = publish_first
    assert other.remote.fetch()
    assert not due
    assert (other.status, other.load("value")) == ("complete", 1)


def take_over(entry, monkeypatch, *, is_swept):
    """Take the lock of a holder that is taken for dead; where all of it was removed, anew."""
    if is_swept:
        lock = f"{entry.url.rpartition('/')[0]}/.{entry.path.name}.lock"
        remote.remove([each.url for each in remote.objects(lock)])
    with monkeypatch.context() as patched:
        patched.setattr(ObjectLock, "_is_free", lambda self, epoch: True)
        lock = entry.lock()
        assert lock.acquire()
    return lock


ACTS = {
    "commits": lambda entry: entry.commit(),
    "clears": lambda entry: entry.clear(),
    "announces": lambda entry: entry.remote.announce(),
    "withdraws": lambda entry: entry.remote.withdraw(),
    "rejects": lambda entry: entry.remote.reject(),
}


@pytest.mark.parametrize("is_swept", [False, True])
@pytest.mark.parametrize("is_done", [False, True])
@pytest.mark.parametrize("act", ACTS)
def test_who_was_taken_for_dead_changes_nothing_of_what_another_makes(
    entries, monkeypatch, act, is_done, is_swept
):
    one, other = entries
    with one.lock():
        begun(one).save(1, "value")
        lock = take_over(other, monkeypatch, is_swept=is_swept)
        other.remote.fetch(is_held=True)
        other.clear()
        begun(other).save(2, "value")
        if is_done:
            other.commit()
        token = other.remote.token
        there = {o.url: remote.get(o.url) for o in remote.objects(f"{one.url}/{token}")}
        if act == "commits" and is_done:
            one.commit()
            assert (one.status, one.load("value")) == ("complete", 2)
        else:
            with pytest.raises(StoreError, match="has its lock until the end") as caught:
                ACTS[act](one)
            assert "is now of process" in str(caught.value)
        for url, content in there.items():
            assert remote.get(url) == content
    if not is_done:
        other.commit()
    lock.release()
    third = Entry(one.path.parent / "c", "step", KEY, one.url)
    third.remote.fetch()
    assert (third.status, third.load("value")) == ("complete", 2)


@pytest.mark.parametrize("is_done", [False, True])
def test_a_result_that_is_begun_again_by_who_was_taken_for_dead_stays_published(
    entries, monkeypatch, is_done
):
    one, other = entries
    begun(one).save(1, "value")
    one.commit()
    with one.lock():
        lock = take_over(other, monkeypatch, is_swept=False)
        if is_done:
            lock.release()
        with pytest.raises(StoreError, match="has its lock until the end"):
            begun(one)
        lock.release()
    other.remote.fetch()
    assert (other.status, other.load("value")) == ("complete", 1)


def test_the_manifest_of_an_attempt_that_was_given_up_does_not_hold_against_the_lock(entries):
    one, other = entries
    begun(one).save(1, "value")
    with other.lock():
        other.remote.fetch(is_held=True)
        other.clear()
        begun(other).save(2, "value")
        one.commit()  # it was asked before the lock was taken over, and stood still since
        other.commit()
    one.remote.fetch()
    assert one.load("value") == other.load("value") == 2
    assert one.remote.token == other.remote.token


def test_who_has_the_lock_does_all_of_it(entries):
    one, other = entries
    for number in range(2):
        with one.lock():
            if number:
                one.clear()
            begun(one).save(number, "value")
            one.commit()
        other.remote.fetch()
        assert other.load("value") == number
    with one.lock():
        one.remote.reject()
    assert other.remote.fetch()
    assert other.status == "absent"


def test_a_commit_that_cannot_be_published_leaves_a_partial_result(entries, bucket):
    one, other = entries
    begun(one).save(1, "value")
    bucket.proxy.fault = lambda method, path: 503 if "manifest" in path else None
    with pytest.raises(StoreError, match="503"):
        one.commit()
    assert (one.status, one.is_suspect) == ("partial", False)
    bucket.proxy.fault = lambda method, path: None
    assert other.remote.fetch()
    assert other.status == "partial"
    one.commit()
    other.remote.fetch()
    assert other.load("value") == 1


def test_segments_are_put_together_in_order_and_the_first_of_a_block_holds(entries):
    one, other = entries
    writer = with_header(begun(one)).remote.segments(KEY)
    writer.write({"journal": b"0123456789"}, {"blocks.pack": [(0, b"first"), (2, b"two")]})
    writer.write({"journal": b"abcdefghij"}, {"blocks.pack": [(1, b"one")]})
    late = one.remote.segments(KEY)
    late.write({"journal": b"0123456789"}, {"blocks.pack": [(0, b"second"), (3, b"\n3\n")]})
    other.remote.fetch()
    assert packed(other) == {0: b"first", 1: b"one", 2: b"two", 3: b"\n3\n"}
    header, payloads = RecordLog.read(other.journal)
    assert (header, payloads) == (b"header", [b"0123456789", b"abcdefghij", b"0123456789"])


def test_what_a_machine_has_beyond_the_segments_does_not_count(entries):
    one, _ = entries
    writer = with_header(begun(one)).remote.segments(KEY)
    writer.write({"journal": b"0123456789"}, {"blocks.pack": [(0, b"first")]})
    with Pack(one.path / "blocks.pack", "a", key=KEY) as pack:
        pack.append_many([(7, {}, b"not recorded")])
    assert one.remote.fetch(is_held=True)
    assert packed(one) == {0: b"first"}


@pytest.mark.parametrize("change", ["cut", "of another key", "nothing"])
def test_a_segment_that_is_not_what_was_written_is_refused(entries, change):
    one, other = entries
    with_header(begun(one)).remote.segments(KEY).write({"journal": b"0123456789"}, {})
    (url,) = (o.url for o in remote.objects(one.url) if "/segments/" in o.url)
    content = remote.get(url)
    header, payloads = RecordLog.of_bytes(content, url)
    other_key = json.dumps({**json.loads(header), "key": "77"}).encode()
    remote.put(
        url,
        {
            "cut": content[:-1],
            "of another key": RecordLog.to_bytes(other_key, payloads),
            "nothing": b"",
        }[change],
    )
    with pytest.raises(DamagedResult):
        other.remote.fetch()
    assert other.status == "absent"


MANIFEST = {
    "scutoid_manifest": 1,
    "token": "0199c2f4a1b0-5d3e8f10",
    "recipe": Recipe(step="step", key=KEY).to_json(),
    "files": {},
}
FILE = {"object": "x/a", "bytes": 1, "sha256": hashlib.sha256(b"a").hexdigest()}


@pytest.mark.parametrize(
    "fields",
    [
        {"token": "../.."},
        {"files": {"../a": FILE}},
        {"files": {"a": {**FILE, "object": "../../a"}}},
        {"files": {"a": {**FILE, "sha256": 1}}},
        {"files": {"a": {**FILE, "bytes": True}}},
        {"files": {"a": FILE}},
        {"files": None},
        {"recipe": None},
        {"scutoid_manifest": 2},
    ],
    ids=str,
)
def test_a_manifest_that_is_wrong_is_an_error_and_nothing_is_written_outside(entries, fields):
    one, other = entries
    remote.put(f"{one.url}/manifest.json", json.dumps({**MANIFEST, **fields}).encode())
    before = sorted(other.path.parents[2].rglob("a"))
    with pytest.raises(StoreError):
        other.remote.fetch()
    assert other.status == "absent"
    assert sorted(other.path.parents[2].rglob("a")) == before


def test_the_mark_of_a_later_layout_is_refused(bucket):
    bucket.put("results/.scutoid", b'{"scutoid": "store", "version": 3}\n')
    with pytest.raises(StoreError, match="version 2"):
        EntryStore(bucket.url("results")).check_writable()


def test_the_working_folder_names_its_store(bucket, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    store = EntryStore(bucket.url("results/"))
    assert EntryStore(store.path).url == store.url == bucket.url("results")
    assert store.path.is_relative_to(tmp_path)
    assert store.path.parent.stat().st_mode & 0o077 == 0
