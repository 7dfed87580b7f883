"""Record files that are cut, flipped, foreign or unwritable."""

from __future__ import annotations

import errno
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scutoid.records
from scutoid.errors import StoreError
from scutoid.records import RecordLog

HEADER = b"a header"


def write(path, payloads):
    with RecordLog.open(path, HEADER) as log:
        for payload in payloads:
            log.append(payload)
    return path.read_bytes()


@settings(max_examples=50, deadline=None)
@given(st.binary(), st.lists(st.binary()))
def test_what_was_appended_is_read(tmp_path_factory, header, payloads):
    path = tmp_path_factory.mktemp("log") / "log"
    with RecordLog.open(path, header) as log:
        log.append_many(payloads)
    assert RecordLog.read(path) == (header, payloads)
    assert RecordLog.read_header(path) == header
    with RecordLog.open(path, header) as log:
        assert log.payloads == payloads


def test_a_missing_file_has_no_records(tmp_path):
    assert RecordLog.read(tmp_path / "none") == (b"", [])
    assert RecordLog.read_header(tmp_path / "none") == b""


def test_a_file_cut_at_any_byte_keeps_its_whole_records_and_can_go_on(tmp_path):
    payloads = [b"", b"one", b"\0" * 9, b"last"]
    path = tmp_path / "log"
    ends = []
    for n in range(len(payloads) + 1):
        path.unlink(missing_ok=True)
        ends.append(len(write(path, payloads[:n])))
    whole = write(path, [])
    for size in range(len(whole) + 1):
        n = sum(end <= size for end in ends[1:])
        path.write_bytes(whole[:size])
        header, found = RecordLog.read(path)
        assert header == (HEADER if size >= ends[0] else b"")
        assert found == payloads[:n]
        assert RecordLog.read_header(path) == header
        with RecordLog.open(path, HEADER) as log:
            assert log.payloads == payloads[:n]
            log.append(b"more")
        assert RecordLog.read(path) == (HEADER, [*payloads[:n], b"more"])


def test_a_flipped_bit_ends_the_records_before_it(tmp_path):
    payloads = [b"first", b"second", b"third"]
    whole = bytearray(write(tmp_path / "log", payloads))
    start = len(write(tmp_path / "empty", []))
    for at in range(start, len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 0x10
        (tmp_path / "log").write_bytes(damaged)
        _, found = RecordLog.read(tmp_path / "log")
        assert found == payloads[: len(found)]
        assert len(found) < 3


def test_zeros_that_a_crash_left_are_no_records(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(write(path, [b"one"]) + bytes(4096))
    assert RecordLog.read(path) == (HEADER, [b"one"])


def test_a_foreign_file_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("my own notes")
    for use in (RecordLog.read, lambda file: RecordLog.open(file, HEADER)):
        with pytest.raises(StoreError, match="own mark"):
            use(path)
    assert path.read_text() == "my own notes"


def test_another_header_is_refused(tmp_path):
    whole = write(tmp_path / "log", [b"one"])
    with pytest.raises(StoreError, match="header"):
        RecordLog.open(tmp_path / "log", b"something else")
    assert (tmp_path / "log").read_bytes() == whole


def test_a_path_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="can be written"):
        RecordLog.open(tmp_path / "file" / "log", HEADER)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_file_that_was_replaced_on_another_machine_is_opened_again(
    tmp_path, monkeypatch, is_there
):
    path = tmp_path / "log"
    with RecordLog.open(path, b"header") as log:
        log.append(b"first")
    opened, stale = scutoid.records.opened_regular, [1]

    def sometimes(place):
        if stale:
            stale.pop()
            raise OSError(errno.ESTALE, "Stale file handle")
        return opened(place)

    monkeypatch.setattr("scutoid.records.opened_regular", sometimes)
    if not is_there:
        path.unlink()
    assert RecordLog.read(path) == ((b"header", [b"first"]) if is_there else (b"", []))


def test_a_closed_log_takes_no_records(tmp_path):
    log = RecordLog.open(tmp_path / "log", HEADER)
    log.close()
    log.close()
    with pytest.raises(StoreError, match="closed"):
        log.append(b"late")


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "log"
    real_write = os.write

    def write_some(descriptor, data):
        if len(data) < 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real_write(descriptor, data[:10])

    with RecordLog.open(path, HEADER) as log:
        log.append(b"one")
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", write_some)
            with pytest.raises(StoreError, match="can be written") as caught:
                log.append(b"x" * 50)
        assert "No space left" in str(caught.value)
        log.append(b"two")
    assert RecordLog.read(path) == (HEADER, [b"one", b"two"])


def test_reading_goes_on_where_it_ended(tmp_path):
    path = tmp_path / "log"
    assert RecordLog.read_to_end(path) == (b"", [], 0)
    with RecordLog.open(path, b"header") as log:
        log.append(b"one")
        header, payloads, position = RecordLog.read_to_end(path)
        assert (header, payloads) == (b"header", [b"one"])
        assert RecordLog.read_on(path, position) == ([], position)
        log.append_many([b"two", b"three"])
        payloads, end = RecordLog.read_on(path, position)
        assert payloads == [b"two", b"three"]
        assert end == path.stat().st_size


def test_reading_on_stops_before_a_torn_tail(tmp_path):
    path = tmp_path / "log"
    with RecordLog.open(path, b"header") as log:
        position = path.stat().st_size
        log.append_many([b"one", b"two"])
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    payloads, end = RecordLog.read_on(path, position)
    assert payloads == [b"one"]
    path.write_bytes(whole)
    assert RecordLog.read_on(path, end) == ([b"two"], len(whole))
