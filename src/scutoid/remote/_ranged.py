"""A large file at a URL, of which parts are read, all of them in one version.

::

    |  16 KiB  |  16 KiB  |  ...          metadata: in blocks, more of them ahead where one follows
                                          the other, the last ones kept
    |<------- one request ------->|       voxels: as they are asked for, not kept
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from scutoid.errors import SourceError
from scutoid.remote._files import RemoteFile, ask, tag_of
from scutoid.remote._http import checked, is_http, part_of_http
from scutoid.remote._tries import ABSENT, Cut, not_there, status_of, tried_system

_BLOCK = 2**14
_MOST_AHEAD = 64
"""Blocks that are asked for at once where a file is read on and on."""
_KEPT = 1024
"""Blocks that are kept."""
_WORTH = 2**18
"""Bytes that could be copied in the time of a request."""
_FREE = 64
"""Requests for metadata that a file may take in any case."""
_PIECE = 2**23
"""Bytes of a request where all of a file is read."""


class NotInParts(BaseException):
    """A file is better copied whole: no error, which libraries that read it would take note of."""


class Ranged:
    """A file at a URL that is read in parts.

    It can be pickled, and read by several threads.

    Parameters
    ----------
    file : RemoteFile
        The file as it was when it was opened; each part that is read is of this version.
    size : int
        Its bytes.
    """

    def __init__(self, file: RemoteFile, size: int) -> None:
        self.file = file
        self.size = size
        self.is_opening = True
        """Whether only its metadata are read yet, which lie together, or it is copied whole."""
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._next = 0
        self._ahead = 1
        self._n_asked = 0
        self._lock = threading.Lock()
        self._failed = threading.local()

    @classmethod
    def of(cls, url: str, *, larger_than: int) -> Ranged | None:
        """Return a file as it is now; None: it is to be copied whole.

        For it is small, or its server says no size, not each change, or gives whole files alone.

        Raises
        ------
        SourceNotFound, SourceError
            If it is absent or out of reach.
        """
        (said,) = ask([url])
        if said is None:
            raise not_there(url)
        if said.size is None or said.size <= larger_than or not said.tells_changes:
            return None
        ranged = cls(RemoteFile(url, said.tag), said.size)
        try:
            ranged.pread(1, 0)
        except NotInParts:
            return None
        return ranged

    def __reduce__(self) -> tuple[Callable[..., Ranged], tuple[RemoteFile, int]]:
        return _opened, (self.file, self.size)

    def pread(self, n: int, start: int) -> bytes:
        """Return some bytes, fewer at the end of the file.

        Raises
        ------
        SourceError
            If the server fails, or the file has changed since it was opened.
        """
        stop = max(min(start + n, self.size), start)
        if stop <= start or start < 0:
            return b""
        try:
            if n > 4 * _BLOCK:
                return self._asked(start, stop)
            first, last = start // _BLOCK, (stop - 1) // _BLOCK
            content = b"".join(self._block(number, last) for number in range(first, last + 1))
        except SourceError as error:
            self._failed.error = error
            raise
        return content[start - first * _BLOCK : stop - first * _BLOCK]

    @contextmanager
    def checked(self) -> Iterator[None]:
        """Raise at the end what failed in here: a library may have made do without it."""
        self._failed.error = None
        yield
        error: SourceError | None = self._failed.error
        if error is not None:
            raise error

    def digest(self) -> str:
        """Return the SHA-256 of all of it, piece by piece."""
        digest = hashlib.sha256()
        for start in range(0, self.size, _PIECE):
            digest.update(self._asked(start, min(start + _PIECE, self.size)))
        return digest.hexdigest()

    def _block(self, number: int, last: int) -> bytes:
        with self._lock:
            found = self._blocks.get(number)
            if found is not None:
                self._blocks.move_to_end(number)
                return found
            self._ahead = min(2 * self._ahead, _MOST_AHEAD) if number == self._next else 1
            n_blocks = max(self._ahead, last - number + 1)
            self._n_asked += 1
            if self.is_opening and self._n_asked > max(_FREE, self.size // _WORTH):
                raise NotInParts  # its pages lie everywhere
        start = number * _BLOCK
        content = self._asked(start, min(start + n_blocks * _BLOCK, self.size))
        with self._lock:
            self._next = number + n_blocks
            for at in range(0, len(content), _BLOCK):
                self._blocks[number + at // _BLOCK] = content[at : at + _BLOCK]
            while len(self._blocks) > _KEPT:
                self._blocks.popitem(last=False)
        return content[:_BLOCK]

    def _asked(self, start: int, stop: int) -> bytes:
        url = self.file.url
        if is_http(url):
            part = _http_part(url, start, stop)
            if part is None and self.is_opening:
                raise NotInParts
            tag, content = part or ("", b"")
        elif url.partition("://")[0] in ("s3", "s3a"):
            gone: tuple[str | None, bytes] = None, b""
            tag, content = tried_system(url, _s3_part(start, stop, self.size), gone)
        else:
            content = tried_system(url, _plain_part(start, stop), b"")
            (said,) = ask([url])
            tag = None if said is None else said.tag
        if tag != self.file.tag:
            now = "its server gives no parts any more" if tag == "" else "it has changed since"
            raise SourceError(
                "a file stays as it was when it was opened",
                value="it is gone" if tag is None else now,
                place=url,
                remedy="open it again",
            )
        return content


def _opened(file: RemoteFile, size: int) -> Ranged:
    ranged = Ranged(file, size)
    ranged.is_opening = False
    return ranged


def _http_part(url: str, start: int, stop: int) -> tuple[str | None, bytes] | None:
    """Return the tag and the content of a part; None: its server gives whole files alone."""
    answer = part_of_http(url, start, stop)
    if answer is None:
        return None
    if answer.status in ABSENT:
        return None, b""
    answer = checked(answer, url)
    whole = str(answer.headers.get("Content-Range", "")).rpartition("/")[2]
    return tag_of(answer.headers, whole), answer.content


def _s3_part(start: int, stop: int, size: int) -> Callable[[Any, str], tuple[str | None, bytes]]:
    def part(system: Any, path: str) -> tuple[str | None, bytes]:
        from fsspec.asyn import sync

        bucket, _, key = path.partition("/")

        async def once() -> tuple[str, bytes]:
            given = {"Bucket": bucket, "Key": key, "Range": f"bytes={start}-{stop - 1}"}
            answer = await system._call_s3("get_object", **given, **system.req_kw)  # noqa: SLF001
            async with answer["Body"] as body:
                content = bytes(await body.read())
            whole = int(str(answer.get("ContentRange", f"/{size}")).rpartition("/")[2])
            return tag_of({"ETag": answer.get("ETag")}, whole), content

        try:
            tag, content = sync(system.loop, once)
        except Exception as error:
            if status_of(error) == 416:
                return "shorter", b""
            raise
        if len(content) != stop - start and tag.startswith(f"{size},"):
            raise Cut(f"{len(content)} bytes came, {stop - start} were asked for")
        return tag, content

    return part


def _plain_part(start: int, stop: int) -> Callable[[Any, str], bytes]:
    def part(system: Any, path: str) -> bytes:
        content = bytes(system.cat_file(path, start=start, end=stop))
        if len(content) != stop - start:
            raise Cut(f"{len(content)} bytes came, {stop - start} were asked for")
        return content

    return part
