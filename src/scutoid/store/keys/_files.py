"""Digests and checksums of files, read piece by piece."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator

from scutoid.checksums import crc32

_PIECE = 2**22
"""Bytes of a file in memory at a time."""
_SMALL = 2**16
"""Bytes of a file that is read in one call."""


def checksum_file(path: str | os.PathLike[str]) -> int:
    """Return the CRC-32 of a file: a fifth of the time that `digest_file` takes."""
    checksum = 0
    for piece in _pieces(path):
        checksum = crc32(piece, checksum)
    return checksum


def _pieces(path: str | os.PathLike[str]) -> Iterator[memoryview]:
    # An object of a file takes as long as all else of a small one, and there may be 100,000
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # For a small file a small buffer: mapping a large one would take longer than the reading.
        buffer = memoryview(bytearray(min(os.fstat(file).st_size + 1, _PIECE)))
        while n := os.readv(file, [buffer]):
            yield buffer[:n]
    finally:
        os.close(file)


def _small(path: str | os.PathLike[str]) -> bytes | None:
    """Return the content of a small file, as 100,000 members may be; None: it is not small."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(file).st_size
        content = os.read(file, size + 1) if size < _SMALL else b""
    finally:
        os.close(file)
    return content if len(content) == size else None  # else it is read to its end, piece by piece


def digest_file(path: str | os.PathLike[str]) -> str:
    """Return the sha256 of a file, as ``sha256sum`` prints it."""
    content = _small(path)
    if content is not None:
        return hashlib.sha256(content).hexdigest()
    digest = hashlib.sha256()
    for piece in _pieces(path):
        digest.update(piece)
    return digest.hexdigest()
