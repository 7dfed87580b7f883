"""Digests and checksums of files, whatever their size."""

from __future__ import annotations

import hashlib
import os
import zlib
from pathlib import Path

import pytest

from scutoid.store.keys import _files, checksum_file, digest_file
from scutoid.store.keys._files import _PIECE, _SMALL


@pytest.mark.parametrize(
    "size", [0, 1, _SMALL - 1, _SMALL, _SMALL + 1, _PIECE - 1, _PIECE, _PIECE + 1, 2 * _PIECE + 3]
)
def test_a_file_is_read_to_its_end(tmp_path, size):
    path, content = tmp_path / "file", os.urandom(size)
    path.write_bytes(content)
    assert digest_file(path) == hashlib.sha256(content).hexdigest()
    assert checksum_file(path) == zlib.crc32(content)


def test_a_small_file_is_read_in_one_call(tmp_path, monkeypatch):
    path, content = tmp_path / "file", os.urandom(_SMALL - 1)
    path.write_bytes(content)
    monkeypatch.setattr(_files, "_pieces", None)
    assert digest_file(path) == hashlib.sha256(content).hexdigest()


def test_a_file_that_is_longer_than_the_system_says_is_read_to_its_end(tmp_path):
    content = Path("/proc/self/mounts").read_bytes()  # of 0 bytes, by its status
    assert digest_file("/proc/self/mounts") == hashlib.sha256(content).hexdigest()
