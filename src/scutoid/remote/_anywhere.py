"""Objects of stores that are read: of S3 by its requests, elsewhere by a file system of fsspec.

A web server is asked file by file.  What it lists is what the links of its page of a folder name;
many list nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import unquote

from scutoid.errors import SourceError, SourceNotFound, StoreError
from scutoid.remote import _objects
from scutoid.remote._files import UNLISTED, read, tag_of
from scutoid.remote._http import is_http
from scutoid.remote._objects import Stored
from scutoid.remote._s3 import is_writable_kind
from scutoid.remote._systems import system_of
from scutoid.remote._tries import check_bucket, tried_system

_UNKNOWN_SIZE = -1
T = TypeVar("T")


def get(url: str) -> bytes | None:
    """Return the content of an object; None: there is none.

    Raises
    ------
    StoreError
        If its store does not say so: a status 403, 5xx, a bucket that is not there.
    """
    if is_writable_kind(url):
        return _objects.get(url)
    return _of_store(url, lambda: read(url))


def find(url: str) -> bytes | None:
    """Return the content of an object that need not be there; None: there is none.

    Web servers of buckets refuse (403) what is not there, and others what begins with a dot: both
    count as absent.

    Raises
    ------
    StoreError
        As `get`.
    """
    if is_writable_kind(url):
        return _objects.get(url)
    return _of_store(url, lambda: read(url, refused_is_absent=is_http(url)))


def names(url: str) -> list[str]:
    """Return what is right below a URL: names of objects, and of folders with a ``/`` at the end.

    Empty also where its server lists no folders.

    Raises
    ------
    StoreError
        If it cannot be listed.
    """
    if is_writable_kind(url):
        return _objects.names(url)
    begin = url.rstrip("/")
    nothing: list[Mapping[str, Any]] = []

    def look(system: Any, path: str) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = system.ls(
            f"{path}/" if is_http(url) else path, detail=True
        )
        return found

    entries = _of_store(url, lambda: tried_system(begin, look, nothing, _refusing(url)))
    own = _path_of(begin)
    found = set()
    for entry in entries:
        path = str(entry["name"])
        name = _name_below(own, path)
        if name and "/" not in name:
            is_folder = entry.get("type") == "directory" or path.endswith("/")
            found.add(f"{name}/" if is_folder else name)
    return sorted(found)


def objects(url: str) -> list[Stored]:
    """Return all objects below a URL, at any depth, in the order of their names.

    Web servers tell no sizes: they are -1 then.  Empty also where a server lists no folders.

    Raises
    ------
    StoreError
        If they cannot be listed.
    """
    if is_writable_kind(url):
        return _objects.objects(url)
    if is_http(url):
        return list(_linked(url.rstrip("/")))
    begin = url.rstrip("/")
    nothing: dict[str, Mapping[str, Any]] = {}

    def look(system: Any, path: str) -> dict[str, Mapping[str, Any]]:
        found: dict[str, Mapping[str, Any]] = system.find(path, detail=True)
        return found

    files = _of_store(url, lambda: tried_system(begin, look, nothing))
    own = _path_of(begin)
    below = ((_name_below(own, path), info) for path, info in sorted(files.items()))
    return [
        Stored(f"{begin}/{name}", int(info.get("size") or 0), tag_of(info, info.get("size")), 0.0)
        for name, info in below
        if name
    ]


def _linked(url: str) -> list[Stored]:
    """Return the files that the pages of a folder and of those in it name."""
    found = []
    for name in names(url):
        if name.endswith("/"):
            found += _linked(f"{url}/{name[:-1]}")
        else:
            found.append(Stored(f"{url}/{name}", _UNKNOWN_SIZE, "", 0.0))
    return found


def is_known_kind(url: str) -> bool:
    """Whether URLs of this kind are known to fsspec, or a package that it names for them is."""
    import fsspec

    return url.partition("://")[0] in fsspec.available_protocols()


def check_store_bucket(url: str) -> None:
    """See that the bucket is there in which no store was found.

    Raises
    ------
    StoreError
        If it is not, or its server does not say so.
    """
    _of_store(url, lambda: check_bucket(url))


def _refusing(url: str) -> tuple[int, ...]:
    return UNLISTED if is_http(url) else ()


def _path_of(url: str) -> str:
    system, path = system_of(url)
    del system
    return path


def _name_below(own: str, path: str) -> str:
    """Return a path that a file system tells, below its folder; empty: it is not there."""
    begin = f"{own.rstrip('/')}/"
    text = path.rstrip("/")
    if is_http(own):
        # What follows a ? sorts the page; a server may name itself by another scheme
        if "?" in text or "#" in text:
            return ""
        begin, text = unquote(begin.partition("://")[2]), unquote(text.partition("://")[2])
    return text.removeprefix(begin) if text.startswith(begin) else ""


def _of_store(url: str, use: Callable[[], T]) -> T:
    """Return what comes of reading a store; its errors are those of a store."""
    try:
        return use()
    except (SourceError, SourceNotFound) as error:
        is_bucket = isinstance(error, SourceNotFound)
        rule = "the bucket of a store exists" if is_bucket else "a store at a URL can be read"
        remedy = (error.remedy or "").partition("; of a zarr")[0]  # chunks are not asked for here
        raise StoreError(rule, value=error.value, place=url, remedy=remedy) from error
