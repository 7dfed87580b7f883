"""What a server says of files, their content, and listings."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from scutoid.errors import SourceError
from scutoid.remote._http import ask_http, checked, is_http, part_of_http, read_http
from scutoid.remote._tries import ABSENT, FORBIDDEN, Cut, not_there, tried_system

_SETTLED_S = 2.0
"""HTTP tells times in whole seconds: a file that changed less than this before it was asked for may
change again and say the same."""
_AT_ONCE = 16
_ATTEMPTS = 3
UNLISTED = (403, 405)
# What servers and file systems call the tag, checksum or time of a file: the best comes first.
_TAGS = (
    "ETag", "etag", "Content-MD5", "md5Hash", "Digest", "Last-Modified", "LastModified",
    "last_modified", "mtime", "updated", "created",
)  # fmt: skip
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Said:
    """What a server says of a file that is there."""

    tag: str
    """Its tag, else its time, and its size; empty: it says neither tag nor time."""
    is_settled: bool = True
    """Whether each later change shows in the tag."""
    size: int | None = None
    """Bytes of its content; None: it does not say."""

    @property
    def tells_changes(self) -> bool:
        """Whether the tag alone tells a change."""
        return bool(self.tag) and self.is_settled


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file at a URL as it was when it was read.

    Examples
    --------
    >>> import fsspec
    >>> memory = fsspec.filesystem("memory")
    >>> memory.pipe("/remote/a.txt", b"one")
    >>> file, _ = RemoteFile.reading("memory://remote/a.txt", read)
    >>> file.is_unchanged()
    True
    >>> memory.pipe("/remote/a.txt", b"two")
    >>> file.is_unchanged()
    False
    """

    url: str
    """Where it is."""
    tag: str
    """What the server said of it."""
    digest: str | None = None
    """SHA-256 of its content, where the tag does not tell each change."""

    @classmethod
    def reading(cls, url: str, read: Callable[[str], T]) -> tuple[RemoteFile, T]:
        """Read a file in one version, and say which.

        Raises
        ------
        SourceNotFound, SourceError
            If it is absent, out of reach, or changes during each attempt.
        """
        for _ in range(_ATTEMPTS):
            before = _there(url)
            digest = None if before.tells_changes else _digest(url)
            content = read(url)
            after = _there(url)
            if before.tag == after.tag and (digest is None or digest == _digest(url)):
                return cls(url, before.tag, digest), content
        raise SourceError(
            "an input does not change while it is read",
            value="it was written to during each attempt",
            place=url,
            remedy="wait until it is complete",
        )

    def is_unchanged(self) -> bool:
        """Whether the file is as it was; one request where the tag tells."""
        (said,) = ask([self.url])
        if said is None or said.tag != self.tag:
            return False
        return self.digest is None or _digest(self.url) == self.digest


def read(url: str, *, refused_is_absent: bool = False) -> bytes | None:
    """Return the content of a file; None: there is none.

    Parameters
    ----------
    url : str
        Of the file.
    refused_is_absent : bool
        Whether a server that refuses it (403) says so of files that are not there, as S3 does to
        whom it does not list them.

    Raises
    ------
    SourceError
        If the server does not say so and does not give it either; it names the URL and the status.
    """
    if is_http(url):
        return read_http(url, refused_is_absent=refused_is_absent)
    refused = FORBIDDEN if refused_is_absent else ()
    return tried_system(url, lambda system, path: bytes(system.cat_file(path)), None, refused)


def read_part(
    url: str, start: int, stop: int | None = None, *, refused_is_absent: bool = False
) -> bytes | None:
    """Return some bytes of a file; None: there is no file.

    Parameters
    ----------
    url : str
        Of the file.
    start : int
        The first byte; below 0 it is counted from the end.
    stop : int, optional
        The byte after the last one; default: the end.
    refused_is_absent : bool
        As for `read`.

    Raises
    ------
    SourceError
        If the server fails, or gives another number of bytes than it is asked for.
    """
    refused = FORBIDDEN if refused_is_absent else ()
    if is_http(url):
        answer = part_of_http(url, start, stop)
        if answer is None:  # its server gives whole files alone
            content = read(url, refused_is_absent=refused_is_absent)
            return None if content is None else content[start:stop]
        return None if answer.status in (*ABSENT, *refused) else checked(answer, url).content

    def part(system: Any, path: str) -> bytes:
        content = bytes(system.cat_file(path, start=start, end=stop))
        if stop is not None and start >= 0 and len(content) > stop - start:
            raise Cut(f"{len(content)} bytes came, {stop - start} were asked for")
        return content

    return tried_system(url, part, None, refused)


def read_all(urls: Sequence[str], use: Callable[[bytes | None], T]) -> list[T]:
    """Return what is made of the content of each of many files, some of which are read at once."""
    return at_once(urls, lambda url: use(read(url)))


def at_once(urls: Sequence[str], use: Callable[[str], T]) -> list[T]:
    """Return what is made of each of many URLs, in order; some are asked for at once."""
    if len(urls) < 2:
        return [use(url) for url in urls]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(use, urls))


def ask(urls: Sequence[str], *, refused_is_absent: bool = False) -> list[Said | None]:
    """Return what a server says of each file; None: there is none; see `read`.

    Raises
    ------
    SourceError
        If it does not answer for one of them.
    """
    return at_once(urls, lambda url: _ask(url, refused_is_absent))


def listed(url: str) -> dict[str, Said]:
    """Return the files below a URL and what its listing says of them; empty: it has no listing."""
    nothing: dict[str, Mapping[str, Any]] = {}
    found = tried_system(url, _found, nothing, UNLISTED)
    return {name: _said(info) for name, info in _by_url(url, found).items()}


def globbed(url: str) -> dict[str, bool]:
    """Return what a glob at a URL finds, and whether each is a folder.

    Empty also where its server lists no folders.
    """
    nothing: dict[str, Mapping[str, Any]] = {}

    def find(system: Any, path: str) -> dict[str, Mapping[str, Any]]:
        found: dict[str, Mapping[str, Any]] = system.glob(path, detail=True)
        return found

    found = tried_system(url, find, nothing, _refusing(url))
    return {
        name.rstrip("/"): info.get("type") == "directory" or name.endswith("/")
        for name, info in _by_url(url, found).items()
    }


def _by_url(url: str, found: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return what a file system finds below a URL by URLs, in order."""
    begin = url.partition("://")[0]
    return {
        name if "://" in name else f"{begin}://{name.lstrip('/')}": info
        for name, info in sorted(found.items())
        if "?" not in name or not is_http(url)  # links by which web servers sort their listing
    }


def folders_in(url: str) -> list[str]:
    """Return the names of the folders right below a URL; empty: its server lists none."""
    nothing: list[Mapping[str, Any]] = []

    def look(system: Any, path: str) -> list[Mapping[str, Any]]:
        return list(system.ls(path, detail=True))

    entries = tried_system(url, look, nothing, _refusing(url))
    folders = (e["name"] for e in entries if e["type"] == "directory" or e["name"].endswith("/"))
    return sorted(name.rstrip("/").rpartition("/")[2] for name in folders)


def download(url: str, path: str) -> None:
    """Copy a file to a local path.

    Raises
    ------
    SourceNotFound, SourceError
        If it is absent or out of reach.
    """

    def copy(system: Any, remote: str) -> bool:
        system.get_file(remote, path)
        return True

    if not tried_system(url, copy, None):
        raise not_there(url)


def _refusing(url: str) -> Sequence[int]:
    """Return the statuses by which a web server says that it lists no folders."""
    return UNLISTED if is_http(url) else ()


def _found(system: Any, path: str) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = system.find(path, detail=True)
    return {name: info for name, info in found.items() if name.rstrip("/") != path.rstrip("/")}


def _there(url: str) -> Said:
    (said,) = ask([url])
    if said is None:
        raise not_there(url)
    return said


def _digest(url: str) -> str:
    return hashlib.sha256(read(url) or b"").hexdigest()


def _ask(url: str, refused_is_absent: bool) -> Said | None:
    if not is_http(url):
        return tried_system(url, _info, None, FORBIDDEN if refused_is_absent else ())
    headers = ask_http(url, refused_is_absent=refused_is_absent)
    return None if headers is None else _said_by_http(headers)


def _info(system: Any, path: str) -> Said | None:
    info = system.info(path)
    return None if info.get("type") == "directory" else _said(info)


def _said(info: Mapping[str, Any], size: object = None) -> Said:
    size = info.get("size", size)
    is_number = isinstance(size, int) or (isinstance(size, str) and size.isdecimal())
    return Said(tag_of(info, size), size=int(str(size)) if is_number else None)


def tag_of(info: Mapping[str, Any], size: object) -> str:
    """Return what tells a version of a file: its tag, else its time, and its size; or nothing."""
    tag = next((f"{name} {info[name]}" for name in _TAGS if info.get(name)), "")
    return f"{size},{tag}" if tag else ""


def _said_by_http(headers: Mapping[str, str]) -> Said:
    size = None if headers.get("Content-Encoding") else headers.get("Content-Length")
    said = _said(headers, size)
    try:
        changed = parsedate_to_datetime(headers["Last-Modified"]).timestamp()
        now = parsedate_to_datetime(headers["Date"]).timestamp() if "Date" in headers else None
    except (KeyError, ValueError):
        return said
    is_settled = (time.time() if now is None else now) - changed > _SETTLED_S
    return Said(said.tag, is_settled, said.size)
