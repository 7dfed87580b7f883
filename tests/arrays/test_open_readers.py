"""Readers that stay open between reads."""

from __future__ import annotations

import os

import pytest

from scutoid.arrays._readers import OpenReaders

OLD, NEW = (1, 1, 1, 1), (1, 2, 1, 1)


class Reader:
    def __init__(self, path) -> None:
        self.path = path
        self.is_open = True

    def close(self) -> None:
        self.is_open = False


def lent(readers, path, stamp=OLD):
    with readers.lend(path, stamp, Reader) as reader:
        assert reader.is_open
        assert reader.path == path
    return reader


def test_a_reader_is_lent_again_but_to_one_at_a_time() -> None:
    readers = OpenReaders()
    first = lent(readers, "a")
    with readers.lend("a", OLD, Reader) as again, readers.lend("a", OLD, Reader) as other:
        assert again is first
        assert other is not first
    assert lent(readers, "b") is not first
    assert lent(readers, "a") in (first, other)
    readers.close()
    assert not first.is_open
    assert not other.is_open
    assert lent(readers, "a") not in (first, other)


def test_the_last_few_stay_open() -> None:
    readers = OpenReaders(limit=2)
    a, b = lent(readers, "a"), lent(readers, "b")
    assert lent(readers, "a") is a
    c = lent(readers, "c")
    assert [each.is_open for each in (a, b, c)] == [True, False, True]


def test_readers_of_an_older_version_are_closed() -> None:
    readers = OpenReaders()
    old, other = lent(readers, "a", OLD), lent(readers, "b", OLD)
    new = lent(readers, "a", NEW)
    assert new is not old
    assert [each.is_open for each in (old, other, new)] == [False, True, True]


def test_a_reader_that_fails_is_closed() -> None:
    readers = OpenReaders()
    first = lent(readers, "a")
    with pytest.raises(ValueError, match="broken"), readers.lend("a", OLD, Reader):
        raise ValueError("broken")
    assert not first.is_open
    assert lent(readers, "a") is not first


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_process_opens_readers_of_its_own() -> None:
    readers = OpenReaders()
    first = lent(readers, "a")
    if not (child := os.fork()):
        own = lent(readers, "a")
        os._exit(0 if own is not first and first.is_open else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert lent(readers, "a") is first
