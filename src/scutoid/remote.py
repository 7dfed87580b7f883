"""Files at URLs: what a server says of them, and their content.

::

    read(url)          its content; None where the server says that there is none
    ask([url, ...])    by what a change of each is told: one request of the headers a file
    listed(url)        the files below it, from servers that list folders

Absent is what a server says is absent: by HTTP the statuses 404 and 410.  Each other failure is an
error, after a few more tries where the server is at fault.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from scutoid.errors import MissingExtra, ScutoidError, SourceError, SourceNotFound

__all__ = [
    "REFUSED",
    "RemoteFile",
    "Said",
    "ask",
    "at_once",
    "download",
    "folders_in",
    "globbed",
    "is_http",
    "listed",
    "read",
    "read_all",
]

REFUSED = (
    "check your right to read it; of a zarr whose server refuses (403) chunks that are not there, "
    'as S3 does without the right to list, give missing="fill"'
)
"""What to do about a file that a server refuses."""
PAUSES = (0.1, 0.4, 1.6)
"""Seconds before each further try, where a server is at fault or overloaded."""
_SETTLED_S = 2.0
"""HTTP tells times in whole seconds: a file that changed less than this before it was asked for may
change again and say the same."""
_AT_ONCE = 16
_ATTEMPTS = 3
_ABSENT = (404, 410)
_REFUSED = (403,)
_UNLISTED = (403, 405)
_REFUSES_HEAD = (400, 403, 405, 501)
_EXTRAS = {"http": "http", "https": "http", "s3": "s3", "gs": "gcs", "gcs": "gcs"}
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


def is_http(url: str) -> bool:
    """Whether a URL is read by HTTP."""
    return url.startswith(("http://", "https://"))


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
        return _http("GET", url, is_whole=True, refused_is_absent=refused_is_absent)[1]
    refused = _REFUSED if refused_is_absent else ()
    return _tried(url, lambda system, path: bytes(system.cat_file(path)), None, refused)


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
    found = _tried(url, _found, nothing, _UNLISTED)
    return {name: _said(info) for name, info in _by_url(url, found).items()}


def globbed(url: str) -> dict[str, bool]:
    """Return what a glob at a URL finds, and whether each is a folder.

    Empty also where its server lists no folders.
    """
    nothing: dict[str, Mapping[str, Any]] = {}
    found = _tried(url, lambda system, path: system.glob(path, detail=True), nothing, _UNLISTED)
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
        if "?" not in name  # links by which web servers sort their listing
    }


def folders_in(url: str) -> list[str]:
    """Return the names of the folders right below a URL; empty: its server lists none."""
    nothing: list[Mapping[str, Any]] = []
    entries = _tried(url, lambda system, path: system.ls(path, detail=True), nothing, _UNLISTED)
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

    if not _tried(url, copy, None):
        raise _absent(url)


def _found(system: Any, path: str) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = system.find(path, detail=True)
    return {name: info for name, info in found.items() if name.rstrip("/") != path.rstrip("/")}


def _there(url: str) -> Said:
    (said,) = ask([url])
    if said is None:
        raise _absent(url)
    return said


def _digest(url: str) -> str:
    return hashlib.sha256(read(url) or b"").hexdigest()


def _ask(url: str, refused_is_absent: bool) -> Said | None:
    if not is_http(url):
        return _tried(url, _info, None, _REFUSED if refused_is_absent else ())
    headers, _ = _http("HEAD", url, refused_is_absent=refused_is_absent)
    return None if headers is None else _said_by_http(headers)


def _info(system: Any, path: str) -> Said | None:
    info = system.info(path)
    return None if info.get("type") == "directory" else _said(info)


def _said(info: Mapping[str, Any], size: object = None) -> Said:
    tag = next((f"{name} {info[name]}" for name in _TAGS if info.get(name)), "")
    return Said(f"{info.get('size', size)},{tag}" if tag else "")


def _said_by_http(headers: Mapping[str, str]) -> Said:
    size = None if headers.get("Content-Encoding") else headers.get("Content-Length")
    said = _said(headers, size)
    try:
        changed = parsedate_to_datetime(headers["Last-Modified"]).timestamp()
        now = parsedate_to_datetime(headers["Date"]).timestamp() if "Date" in headers else None
    except (KeyError, ValueError):
        return said
    return Said(said.tag, (time.time() if now is None else now) - changed > _SETTLED_S)


def _http(
    method: str, url: str, *, is_whole: bool = False, refused_is_absent: bool = False
) -> tuple[Mapping[str, str] | None, bytes | None]:
    """Return the headers of a file, and its content if it shall be whole; None: it is absent."""
    system, _ = _system(url)
    for pause in (*PAUSES, None):
        try:
            status, headers, content = _once(system, method, url, is_whole)
        except Exception as error:
            if pause is None or not _is_passing(error):
                raise _unreadable(url, error) from error
        else:
            if status in _ABSENT or (refused_is_absent and status in _REFUSED and method == "GET"):
                return None, None
            if status < 400:
                return headers, content
            if method == "HEAD" and status in _REFUSES_HEAD:
                return _http("GET", url, refused_is_absent=refused_is_absent)
            if pause is None or not _is_passing_status(status):
                raise _unreadable(url, f"status {status}")
        time.sleep(pause)
    raise AssertionError  # the last try returns or raises


def _once(
    system: Any, method: str, url: str, is_whole: bool
) -> tuple[int, Mapping[str, str], bytes]:
    from fsspec.asyn import sync

    async def answer() -> tuple[int, Mapping[str, str], bytes]:
        session = await system.set_session()
        request = session.request(
            method, system.encode_url(url), allow_redirects=True, **system.kwargs
        )
        async with request as got:
            return got.status, got.headers, await got.read() if is_whole else b""

    result: tuple[int, Mapping[str, str], bytes] = sync(system.loop, answer)
    return result


def _tried(url: str, use: Callable[[Any, str], T], absent: T, unlisted: Sequence[int] = ()) -> T:
    """Return what a file system makes of a URL, or `absent` where it says that nothing is there.

    So do the statuses `unlisted`, those of a web server that lists no folders.
    """
    system, path = _system(url)
    for pause in (*PAUSES, None):
        try:
            return use(system, path)
        except (FileNotFoundError, NotADirectoryError, NotImplementedError):
            return absent
        except Exception as error:  # each kind of server has errors of its own
            status = getattr(error, "status", None)
            is_unlisted = bool(unlisted) and isinstance(error, PermissionError)
            if status in _ABSENT or status in unlisted or is_unlisted:
                return absent
            if pause is None or not (_is_passing(error) or _is_passing_status(status)):
                raise _unreadable(url, error) from error
        time.sleep(pause)
    raise AssertionError  # the last try returns or raises


def _system(url: str) -> tuple[Any, str]:
    import fsspec

    try:
        system, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        scheme = url.partition("://")[0]
        raise MissingExtra.of(error.name or scheme, extra=_EXTRAS.get(scheme, scheme)) from error
    except ValueError as error:
        raise _unreadable(url, error) from error
    system.invalidate_cache()  # listings that it remembers hide changes
    return system, path


def _is_passing_status(status: object) -> bool:
    return isinstance(status, int) and (status >= 500 or status in (408, 429))


def _is_passing(error: Exception) -> bool:
    names = {"ServerDisconnectedError", "ClientPayloadError", "ClientOSError", "ContentLengthError"}
    return isinstance(error, (TimeoutError, ConnectionResetError)) or type(error).__name__ in names


def _unreadable(url: str, error: object) -> ScutoidError:
    if isinstance(error, ScutoidError):
        return error
    status = getattr(error, "status", None)
    said = f"status {status}: " if isinstance(status, int) else ""
    value = error if isinstance(error, str) else f"{said}{type(error).__name__}: {error}"
    is_refused = isinstance(error, PermissionError) or f"status {_REFUSED[0]}" in value
    return SourceError(
        "a URL can be read",
        value=value,
        place=url,
        remedy=REFUSED
        if is_refused
        else "check the address, your right to read it, and that its server can be reached",
    )


def _absent(url: str) -> SourceNotFound:
    return SourceNotFound(
        "an input exists", value=url, remedy="check the address, or restore the file"
    )
