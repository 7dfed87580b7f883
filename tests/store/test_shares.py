"""Shares of a result: one holder each, never beside a holder of all of it."""

from __future__ import annotations

import json
import os
import socket

import pytest

from scutoid.segments import SEGMENTS, is_fenced, segments_in
from scutoid.store import Lock, Pack, Segment, remove_segments, share_lock, take_share


@pytest.fixture
def entry(tmp_path):
    path = tmp_path / "step" / "3f9a1c0b7d42"
    path.mkdir(parents=True)
    return path


def dead_lock(path, host=None):
    """Write the lock of a process that is gone."""
    number = os.fork()
    if number == 0:
        os._exit(0)
    os.waitpid(number, 0)
    record = {"host": host or socket.gethostname(), "process": number, "started": 7, "token": "x"}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record))
    return f"{record['host']}-{number}-7-"


def test_a_share_has_one_holder_and_shares_have_different_ones(entry):
    first, second = take_share(entry, 0), take_share(entry, 1)
    assert first is not None
    assert second is not None
    assert take_share(entry, 0) is None
    first.release()
    again = take_share(entry, 0)
    assert again is not None
    for lock in (again, second):
        lock.release()


def test_nobody_has_all_of_a_result_while_somebody_has_a_share(entry):
    share, whole = take_share(entry, 3), Lock(entry)
    assert share is not None
    assert not whole.acquire()
    assert whole.is_held
    assert str(whole.owner) == str(share.owner)
    assert whole.last_seen is None  # on this machine its process says whether it lives
    assert not whole.path.exists()
    share.release()
    assert whole.acquire()
    assert take_share(entry, 3) is None
    assert not share_lock(entry, 3).path.exists()
    whole.release()
    assert not whole.is_held


def test_shares_of_the_dead_hold_nobody_up(entry):
    dead_lock(share_lock(entry, 0).path)
    whole = Lock(entry)
    assert not whole.is_held
    assert whole.acquire()
    whole.release()


def test_who_takes_a_share_over_fences_off_all_that_the_dead_may_still_write(entry):
    stem = dead_lock(share_lock(entry, 0).path)
    for name in (f"{stem}1", f"{stem}2", f"{stem[:-1]}1-1", "other-1-7-1"):
        (entry / SEGMENTS / name).mkdir()
    taken = take_share(entry, 0)
    assert taken is not None
    fenced = [path.name for path in segments_in(entry) if is_fenced(path)]
    assert fenced == [f"{stem}1", f"{stem}2"]
    taken.release()


def test_a_process_has_a_new_segment_each_time(entry):
    first, second = Segment(entry), Segment(entry)
    assert first.path != second.path
    assert not first.is_fenced
    remove_segments(entry)
    assert first.is_fenced
    assert segments_in(entry) == []
    assert list(entry.iterdir()) == []


def test_a_pack_has_what_all_writers_have_and_the_first_holds(entry):
    for folder, names in ((entry, "ab"), (Segment(entry).path, "bc"), (Segment(entry).path, "cd")):
        with Pack(folder / "items.pack", "a") as pack:
            pack.append_many((name, {"of": folder.name}, name.encode()) for name in names)
    folders = [path.name for path in segments_in(entry)]
    pack = Pack(entry / "items.pack")
    assert {name: pack.meta(name)["of"] for name in pack} == {
        **dict.fromkeys("ab", entry.name),
        "c": folders[0],
        "d": folders[1],
    }
    assert [pack.read(name) for name in sorted(pack)] == [b"a", b"b", b"c", b"d"]
    assert sorted(Pack(entry / "items.pack").places()) == ["a", "b"]


def test_a_pack_that_is_open_finds_what_was_put_with_the_rest_meanwhile(entry):
    segment = Segment(entry)
    with Pack(segment.path / "items.pack", "a") as pack:
        pack.append_many([("a", {}, b"content")])
    opened = Pack(entry / "items.pack")
    assert list(opened) == ["a"]
    with Pack(entry / "items.pack", "a") as pack:
        pack.append_many([("a", {}, b"content")])
    remove_segments(entry)
    assert opened.read("a") == b"content"
