"""What the operating system refuses, told from the words of libraries that give no number."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from scutoid.durable import store_error
from scutoid.errors import UnwritableStore

WORDS = [
    "RESOURCE_EXHAUSTED: Failed to write to file [OS error 28: ENOSPC No space left on device]",
    "RESOURCE_EXHAUSTED: Failed to write to file: No space left [os_error_code='28']",
]
"""Of tensorstore, of several versions."""
LASTING = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "your quota is used up",
    errno.EROFS: "choose another folder for the store",
}
TOLD = {
    "by number": lambda number: OSError(number, "words"),
    "by tensorstore": lambda number: ValueError(f"Failed to write [os_error_code='{number}']"),
    "behind another": lambda number: _behind(OSError(number, "words")),
}


def _behind(error):
    outer = RuntimeError("a library could not write")
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize("words", WORDS)
def test_a_full_disk_is_known_by_the_words_of_tensorstore(words: str, tmp_path: Path) -> None:
    error = store_error(ValueError(words), tmp_path)
    assert isinstance(error, UnwritableStore)
    assert "free some space" in str(error)


def test_a_number_stands_before_words(tmp_path: Path) -> None:
    assert isinstance(store_error(OSError(errno.EROFS, "x"), tmp_path), UnwritableStore)
    assert not isinstance(store_error(OSError(errno.EIO, "x"), tmp_path), UnwritableStore)
    assert not isinstance(store_error(ValueError("chunk 28 is odd"), tmp_path), UnwritableStore)


@pytest.mark.parametrize("number", LASTING, ids=errno.errorcode.get)
@pytest.mark.parametrize("told", TOLD)
def test_what_no_later_block_can_be_written_for_either_is_told_apart(
    tmp_path: Path, told: str, number: int
) -> None:
    error = store_error(TOLD[told](number), tmp_path)
    assert isinstance(error, UnwritableStore)
    assert LASTING[number] in error.remedy
    assert error.value == os.strerror(number)
