"""Files at URLs that are read in parts: an empty file of the same name stands for each.

Whatever does not know of this reads nothing, rather than something wrong.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from scutoid.regular import read_regular

if TYPE_CHECKING:
    from scutoid.remote import Ranged

_BEGINNING = 2**16
"""Bytes that hold the first page of most files, and OME-XML that is short."""
_STANDING_FOR: WeakValueDictionary[str, Ranged] = WeakValueDictionary()


def stand_for(path: str, ranged: Ranged) -> None:
    """Have a path stand for a file at a URL, in this process."""
    _STANDING_FOR[path] = ranged


def parts_at(path: str) -> Ranged | None:
    """Return the file at a URL that a path stands for; None: it is a file of this machine."""
    return _STANDING_FOR.get(path)


def stream_at(path: str) -> Any:
    """Return a stream of what a path stands for, else the path."""
    ranged = parts_at(path)
    return path if ranged is None else PartsStream(path, ranged)


def content_at(path: str) -> bytes:
    """Return the content of a small file of this machine, or at a URL.

    Raises
    ------
    SourceError, OSError
        If it is not there or cannot be read.
    """
    if "://" not in path:
        return read_regular(path)
    from scutoid.remote import not_there, read

    content = read(path)
    if content is None:
        raise not_there(path)
    return content


class UrlBeginning:
    """A file at a URL of which little is read, most of it at the beginning.

    Parameters
    ----------
    url : str
        The file.

    Raises
    ------
    SourceNotFound, SourceError
        If it is absent or out of reach.
    """

    def __init__(self, url: str) -> None:
        from scutoid.remote import ask, not_there, read_part

        self._url = url
        content = read_part(url, 0, _BEGINNING)
        if content is None:
            raise not_there(url)
        self._content = content
        self.size = len(content)
        if self.size >= _BEGINNING:
            (said,) = ask([url])
            self.size = self.size if said is None or said.size is None else said.size

    def pread(self, n: int, start: int) -> bytes:
        """Return some bytes, fewer at the end of the file."""
        stop = min(start + n, self.size)
        if stop <= len(self._content):
            return self._content[start:stop]
        from scutoid.remote import read_part

        return read_part(self._url, start, stop) or b"" if start < stop else b""


class PartsStream(io.RawIOBase):
    """A file at a URL as a stream; its position is guarded by who reads it.

    Parameters
    ----------
    path : str
        What stands for it.
    ranged : Ranged
        The file.
    """

    def __init__(self, path: str, ranged: Ranged) -> None:
        super().__init__()
        self.name = path
        self._ranged = ranged
        self._at = 0

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def seekable(self) -> bool:
        """Whether it has a position."""
        return True

    def tell(self) -> int:
        """Return its position."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set its position, and return it."""
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._ranged.size}[whence]
        if begin + offset < 0:
            raise ValueError(f"byte {begin + offset} is before the file")
        self._at = begin + offset
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        """Read on, to the end if no number of bytes is given."""
        n = self._ranged.size if size is None or size < 0 else size
        content = self._ranged.pread(n, self._at)
        self._at += len(content)
        return content

    def readinto(self, buffer: Any, /) -> int:
        """Read on into a buffer."""
        view = memoryview(buffer).cast("B")
        content = self.read(len(view))
        view[: len(content)] = content
        return len(content)
