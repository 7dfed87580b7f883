"""Digests and checksums of files, whatever their size."""

from __future__ import annotations

import hashlib
import os
import zlib

import pytest

from scutoid.store.keys import checksum_file, digest_file
from scutoid.store.keys._files import _PIECE


@pytest.mark.parametrize("size", [0, 1, 4096, _PIECE - 1, _PIECE, _PIECE + 1, 2 * _PIECE + 3])
def test_a_file_is_read_to_its_end(tmp_path, size):
    path, content = tmp_path / "file", os.urandom(size)
    path.write_bytes(content)
    assert digest_file(path) == hashlib.sha256(content).hexdigest()
    assert checksum_file(path) == zlib.crc32(content)
