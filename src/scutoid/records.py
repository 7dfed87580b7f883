"""An append-only file of checksummed records that stays readable if cut off anywhere.

::

    | magic, 8 bytes | header frame | frame | frame | fra        <- a torn tail, dropped
                     frame = length u32 | crc32 u32 | payload

The checksum covers length and payload, so that neither a run of zeros nor a torn length passes for
a record.  One process writes; any number may read at the same time.
"""

from __future__ import annotations

import errno
import os
import struct
import zlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from scutoid.durable import replacing, store_error
from scutoid.errors import DamagedResult, StoreError
from scutoid.regular import opened_regular, read_regular

__all__ = ["RecordLog"]

_MAGIC = b"scutrec1"
_FRAME = struct.Struct("<II")
_LENGTH = struct.Struct("<I")
_MAX_PAYLOAD = 2**32 - 1


def _checksum(payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(_LENGTH.pack(len(payload))))


def _framed(payload: bytes) -> bytes:
    if len(payload) > _MAX_PAYLOAD:
        raise StoreError("a record holds less than 4 GiB", value=f"{len(payload)} bytes")
    return _FRAME.pack(len(payload), _checksum(payload)) + payload


def _frames(content: bytes, position: int) -> tuple[list[bytes], int]:
    """Intact payloads from a position on, and the position of their end."""
    frames: list[bytes] = []
    while position + _FRAME.size <= len(content):
        length, checksum = _FRAME.unpack_from(content, position)
        start = position + _FRAME.size
        payload = content[start : start + length]
        if len(payload) != length or _checksum(payload) != checksum:
            break
        frames.append(payload)
        position = start + length
    return frames, position


def _parse(content: bytes, path: Path) -> tuple[bytes | None, list[bytes], int]:
    """Header, payloads, and the length of the intact part in bytes; header None if damaged."""
    if content[: len(_MAGIC)] != _MAGIC[: len(content)]:
        raise DamagedResult(
            "a record file begins with its own mark",
            value=content[: len(_MAGIC)],
            place=str(path),
            remedy="move the file away; it was not written by scutoid, or is damaged",
        )
    frames, position = _frames(content, len(_MAGIC))
    if not frames:
        return None, [], 0
    return frames[0], frames[1:], position


def _content(path: Path, position: int = 0, size: int = -1) -> bytes:
    """Content of a file from a position on, to its end or of a size; empty where there is none."""
    try:
        return _read(path, position, size)
    except FileNotFoundError:
        return b""
    except OSError as error:
        if error.errno == errno.ESTALE:  # it was replaced or removed on another machine
            with suppress(FileNotFoundError):
                return _read(path, position, size)
            return b""
        raise StoreError("a record file can be read", value=str(error), place=str(path)) from error


def _read(path: Path, position: int, size: int) -> bytes:
    with opened_regular(path) as file:
        file.seek(position)
        return file.read(size)


class RecordLog:
    """A file that records are appended to, open for writing; made by `RecordLog.open`.

    Parameters
    ----------
    path : Path
        The file.
    descriptor : int
        The open file, positioned by its own length.
    size : int
        Length of the intact part, in bytes.
    payloads : list of bytes
        The records found in it.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name) / "log"
    >>> with RecordLog.open(path, b"made for this example") as log:
    ...     log.append(b"first")
    >>> RecordLog.read(path)
    (b'made for this example', [b'first'])
    >>> folder.cleanup()
    """

    def __init__(self, path: Path, descriptor: int, size: int, payloads: list[bytes]) -> None:
        self.path = path
        self.payloads = payloads
        self._descriptor: int | None = descriptor
        self._size = size

    @staticmethod
    def read(path: str | os.PathLike[str], *, size: int = -1) -> tuple[bytes, list[bytes]]:
        """Read the header and intact records of a file; ``(b"", [])`` where there is none.

        A file whose header is cut off or damaged counts as none, for nothing in it can be trusted.

        Parameters
        ----------
        path : path-like
            The file.
        size : int, optional
            Bytes of it that count; -1: all.

        Raises
        ------
        StoreError
            If the file is not a record file, or cannot be read.
        """
        header, payloads, _ = RecordLog.read_to_end(path, size=size)
        return header, payloads

    @staticmethod
    def to_bytes(header: bytes, payloads: Iterable[bytes]) -> bytes:
        """Return the content of a file of records, for one that is written at once."""
        return b"".join((_MAGIC, *map(_framed, (header, *payloads))))

    @staticmethod
    def of_bytes(content: bytes, place: str) -> tuple[bytes, list[bytes]]:
        """Return the header and the records of what was written at once; `place` is for errors.

        Raises
        ------
        DamagedResult
            If it is not whole.
        """
        header, payloads, position = _parse(content, Path(place))
        if header is None or position != len(content):
            raise DamagedResult(
                "records that are written at once are whole",
                value=f"the first {position} of {len(content)} bytes are",
                place=place,
                remedy="run again: what is missing is made",
            )
        return header, payloads

    @staticmethod
    def read_header(path: str | os.PathLike[str]) -> bytes:
        """Read the header of a file alone, as `read` does; no record, however many there are.

        Raises
        ------
        StoreError
            As `read`.
        """
        path = Path(path)
        start = len(_MAGIC) + _FRAME.size
        content = _content(path, size=start)
        if len(content) == start:
            length, _ = _FRAME.unpack_from(content, len(_MAGIC))
            content = _content(path, size=start + length)
        return _parse(content, path)[0] or b""

    @staticmethod
    def read_to_end(
        path: str | os.PathLike[str], *, size: int = -1
    ) -> tuple[bytes, list[bytes], int]:
        """Do the same as `read`; return the position for `read_on` too, in bytes.

        Raises
        ------
        StoreError
            As `read`.
        """
        path = Path(path)
        header, payloads, position = _parse(_content(path, size=size), path)
        return (b"", [], 0) if header is None else (header, payloads, position)

    @staticmethod
    def read_on(path: str | os.PathLike[str], position: int) -> tuple[list[bytes], int]:
        """Read intact records after a position; return the position after them too, in bytes.

        Raises
        ------
        StoreError
            If the file cannot be read.
        """
        frames, length = _frames(_content(Path(path), position), 0)
        return frames, position + length

    @classmethod
    def open(cls, path: str | os.PathLike[str], header: bytes) -> RecordLog:
        """Open a file for appending; make it where there is none, and drop a torn tail.

        Parameters
        ----------
        path : path-like
            The file; missing folders above it are made.
        header : bytes
            Identifies what the records belong to.

        Raises
        ------
        StoreError
            If the file holds another header, is not a record file, or cannot be written.
        """
        path = Path(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            content = read_regular(path) if path.exists() else b""
            stored, payloads, size = _parse(content, path)
            if stored is None:
                stored, payloads, size = header, [], _create(path, header)
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except StoreError:
            raise
        except OSError as error:
            raise store_error(error, path, rule="a record file can be written") from error
        log = cls(path, descriptor, size, payloads)
        if stored != header:
            log.close()
            raise StoreError(
                "a record file is continued only under the header that it was begun with",
                value=f"{stored[:200]!r}, not {header[:200]!r}",
                place=str(path),
                remedy="remove the file to begin again, or give another path",
            )
        log._truncate()
        return log

    def append(self, payload: bytes) -> None:
        """Add one record; it is on the disk when this returns.

        Raises
        ------
        StoreError
            If it cannot be written; the file is then as it was before.
        """
        self.append_many((payload,))

    def append_many(self, payloads: Iterable[bytes], *, is_synced: bool = True) -> None:
        """Add records with a single sync; all are on the disk when this returns.

        Parameters
        ----------
        payloads : iterable of bytes
            The records.
        is_synced : bool
            False where they may be lost if the machine stops before the next sync.

        Raises
        ------
        StoreError
            As `append`.
        """
        if self._descriptor is None:
            raise StoreError("a closed record file takes no records", place=str(self.path))
        frames = b"".join(map(_framed, payloads))
        rest = memoryview(frames)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            if is_synced:
                os.fsync(self._descriptor)
        except OSError as error:
            with suppress(OSError):
                self._truncate()
            raise store_error(error, self.path, rule="a record can be written") from error
        self._size += len(frames)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _truncate(self) -> None:
        """Cut off the part that is not intact."""
        if self._descriptor is not None and os.fstat(self._descriptor).st_size != self._size:
            os.ftruncate(self._descriptor, self._size)
            os.fsync(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _create(path: Path, header: bytes) -> int:
    """Write a file that holds only `header`, by renaming, and return its length in bytes."""
    content = _MAGIC + _framed(header)
    with replacing(path) as new:
        new.write_bytes(content)
    return len(content)
