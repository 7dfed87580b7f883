"""`FormatTests` pass for a good format of a third party, and find each fault of a bad one."""

from __future__ import annotations

import inspect
import os
import pickle
from dataclasses import replace

import numpy as np
import pytest

from scutoid.errors import DamagedResult
from scutoid.store import Format
from scutoid.testing import FormatTests


def save_bytes(value, path):
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.write(b"BIN" + len(value).to_bytes(4) + value)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink()
        raise


def load_bytes(path):
    content = path.read_bytes() if path.exists() else b""
    if content[:3] != b"BIN" or len(content) != int.from_bytes(content[3:7]) + 7:
        raise DamagedResult("a file of bytes is whole", place=str(path), remedy="run again")
    return content[7:]


GOOD = Format("bytes", ".bin", lambda value: isinstance(value, bytes), save_bytes, load_bytes)


class BytesTests(FormatTests):
    format = GOOD

    def values(self):
        return [b"", b"abc", bytes(range(256))]

    def strangers(self):
        return ["abc", 1, bytearray(b"abc")]


class TestBytes(BytesTests):
    pass


def fault(**changes):
    """Make tests of a format that is like the good one but for something."""
    return type("Faulty", (BytesTests,), {"format": replace(GOOD, **changes)})()


def in_place(value, path):
    path.write_bytes(b"BIN" + len(value).to_bytes(4) + value)


def never_synced(value, path):
    beside = path.with_name(".beside")
    in_place(value, beside)
    beside.replace(path)


def left_behind(value, path):
    in_place(value, path.with_name("also.bin"))
    save_bytes(value, path)


def left_after_a_failure(value, path):
    beside = path.with_name(".beside")
    in_place(value, beside)
    with beside.open("rb") as file:
        os.fsync(file.fileno())
    beside.replace(path)


def synced_too_late(value, path):
    in_place(value, path)
    with path.open("rb") as file:
        os.fsync(file.fileno())


def dated(value, path):
    dated.n += 1
    save_bytes(value + bytes([dated.n]), path)


dated.n = 0


def bare(path):
    content = path.read_bytes()
    if content[:3] != b"BIN" or len(content) != int.from_bytes(content[3:7]) + 7:
        raise ValueError(content)
    return content[7:]


def unchecked(path):
    content = path.read_bytes() if path.exists() else b""
    if not content:
        raise DamagedResult("a file of bytes is whole", place=str(path), remedy="run again")
    return content[7:]


def without_a_place(path):
    try:
        return load_bytes(path)
    except DamagedResult as error:
        raise DamagedResult("no", remedy="run again") from error


def unpickling(path):
    try:
        return load_bytes(path)
    except DamagedResult:
        return pickle.loads(path.read_bytes())


def as_text(path):
    return load_bytes(path).decode("latin1")


def out_of_a_buffer(path):
    return bytearray(load_bytes(path))


def named(value):
    """Name what is changed, the same in every process."""
    if isinstance(value, str):
        return value
    return "-".join(getattr(part, "__name__", str(part)) for part in value.values())


@pytest.mark.parametrize(
    ("changes", "test"),
    [
        ({"save": in_place}, "is_written_beside"),
        ({"save": never_synced}, "is_written_beside"),
        ({"save": synced_too_late}, "is_written_beside"),
        ({"save": never_synced}, "a_save_that_fails"),
        ({"save": synced_too_late}, "a_save_that_fails"),
        ({"save": left_after_a_failure}, "a_save_that_fails"),
        ({"save": left_behind}, "takes_the_place"),
        ({"save": dated}, "equal_values"),
        ({"save": dated}, "come_back"),
        ({"load": as_text}, "come_back"),
        ({"load": out_of_a_buffer}, "saved_and_changed"),
        ({"load": as_text}, "a_store_keeps"),
        ({"load": bare}, "missing_file"),
        ({"load": bare}, "empty_file"),
        ({"load": bare}, "cut_off"),
        ({"load": bare}, "first_byte"),
        ({"load": bare}, "damaged_byte"),
        ({"load": bare}, "no_pickle"),
        ({"load": unchecked}, "cut_off"),
        ({"load": unchecked}, "first_byte"),
        ({"load": unchecked}, "no_pickle"),
        ({"load": without_a_place}, "damaged_byte"),
        ({"load": unpickling}, "no_pickle"),
        ({"accepts": lambda value: True}, "accepts_what_it_holds"),
        ({"accepts": lambda value: False}, "accepts_what_it_holds"),
        ({"accepts": len}, "accepts_what_it_holds"),
        ({"suffix": ".csv"}, "its_own"),
        ({"name": "csv"}, "its_own"),
        ({"name": "my bytes"}, "its_own"),
    ],
    ids=named,
)
def test_a_fault_is_found(tmp_path, changes, test):
    tests = fault(**changes)
    names = [name for name in dir(tests) if name.startswith("test_") and test in name]
    assert len(names) == 1
    method = getattr(tests, names[0])
    options = {"tmp_path": tmp_path} if "tmp_path" in inspect.signature(method).parameters else {}
    with pytest.raises((AssertionError, ValueError, OSError, TypeError, pickle.UnpicklingError)):
        method(**options)


def test_each_test_is_one_that_some_fault_fails():
    marks = test_a_fault_is_found.pytestmark[0].args[1]
    marked = [part for _, part in marks]
    names = [name for name in dir(FormatTests) if name.startswith("test_")]
    assert [name for name in names if not any(part in name for part in marked)] == []


def test_a_format_that_says_it_finds_every_damaged_byte_is_taken_at_its_word(tmp_path):
    tests = BytesTests()
    tests.test_a_damaged_byte_is_damage_or_another_value(tmp_path)
    tests.finds_flips = True
    with pytest.raises(AssertionError, match="is not detected"):
        tests.test_a_damaged_byte_is_damage_or_another_value(tmp_path)


def test_tests_without_values_or_with_other_types_do_not_pass(tmp_path):
    tests = BytesTests()
    assert not tests.is_same(1, True)
    assert not tests.is_same(np.zeros(2), np.zeros(2, "f4"))
    assert not tests.is_same(np.zeros(2), np.zeros((2, 1)))
    assert tests.is_same(np.array([np.nan]), np.array([np.nan]))
    tests.values = list
    with pytest.raises(AssertionError, match="give values"):
        tests.test_values_come_back_as_they_were(tmp_path)
    with pytest.raises(NotImplementedError):
        FormatTests().values()
