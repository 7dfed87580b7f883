"""Files at a path or a URL: their bytes, and what tells one version of them from the next."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from scutoid.errors import MissingExtra, ScutoidError, SourceError, SourceNotFound

Stamp = tuple[int | str, ...]
"""Size and time of change, or what a server says instead."""

_IN_ONE_PIECE = 64 * 2**20
_EXTRAS = {"http": "http", "https": "http", "s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}


def is_url(location: str) -> bool:
    """Whether a location is a URL, and not a path."""
    return "://" in location


def locate(source: str | os.PathLike[str]) -> str:
    """Return the absolute path, or the URL, of what a user named.

    Examples
    --------
    >>> locate("file:///data/my%20images"), locate("s3://bucket/a.zarr/")
    ('/data/my images', 's3://bucket/a.zarr')
    """
    text = os.fspath(source)
    if text.startswith("file:"):
        text = url2pathname(urlsplit(text).path)
    if is_url(text):
        return text.rstrip("/")
    return str(Path(text).expanduser().absolute())


def file_system(url: str) -> tuple[Any, str]:
    """Return the fsspec file system of a URL, and its name for the place.

    Raises
    ------
    MissingExtra
        If the package for this kind of URL is not installed.
    SourceError
        If there is no such kind of URL.
    """
    import fsspec

    with reading(url):
        try:
            system, path = fsspec.core.url_to_fs(url)
        except ImportError as error:
            scheme = url.partition("://")[0]
            if scheme not in _EXTRAS:
                raise
            raise MissingExtra.of(error.name or scheme, extra=_EXTRAS[scheme]) from error
    return system, str(path)


@contextmanager
def reading(location: str) -> Iterator[None]:
    """Turn what a file system raises into our errors about `location`."""
    try:
        yield
    except ScutoidError:
        raise
    except FileNotFoundError as error:
        raise SourceNotFound(
            "an image that is opened exists",
            value="nothing there",
            place=location,
            remedy="check the address",
        ) from error
    except Exception as error:  # each file system has exceptions of its own
        raise SourceError(
            "a file can be read",
            value=f"{type(error).__name__}: {error}",
            place=location,
            remedy="check the address, its server, and that you may read it",
        ) from error


def stamp_of(location: str) -> Stamp:
    """Return what changes when a file does."""
    if not is_url(location):
        with reading(location):
            stat = Path(location).stat()
        return stat.st_size, stat.st_mtime_ns, stat.st_ino
    system, path = file_system(location)
    with reading(location):
        info = system.info(path)
    names = ("size", "ETag", "etag", "LastModified", "mtime", "created")
    return tuple(str(info[name]) for name in names if info.get(name) is not None)


def open_binary(location: str) -> IO[bytes]:
    """Open a file for reading at any place in it.

    A small file at a URL, or one whose server only sends it whole, is held in memory.
    """
    with reading(location):
        if not is_url(location):
            return Path(location).open("rb")
        system, path = file_system(location)
        info = system.info(path)
        size = info.get("size")
        in_parts = info.get("partial", not location.startswith("http"))
        if size is None or size <= _IN_ONE_PIECE or not in_parts:
            return io.BytesIO(system.cat_file(path))
        return system.open(path, "rb")  # type: ignore[no-any-return]


def read_bytes(location: str) -> bytes | None:
    """Return the content of a small file; None if there is none."""
    if not is_url(location):
        path = Path(location)
        with reading(location):
            return path.read_bytes() if path.is_file() else None
    system, path_there = file_system(location)
    with reading(location):
        try:
            return system.cat_file(path_there)  # type: ignore[no-any-return]
        except (FileNotFoundError, KeyError, IsADirectoryError):
            return None


def folders_in(location: str) -> list[str]:
    """Return the names of the folders in a folder, sorted."""
    if not is_url(location):
        return sorted(p.name for p in Path(location).iterdir() if p.is_dir())
    system, path = file_system(location)
    with reading(location):
        found = system.ls(path, detail=True)
    return sorted(e["name"].rstrip("/").rpartition("/")[2] for e in found if _is_folder(e))


def _is_folder(entry: dict[str, Any]) -> bool:
    return entry.get("type") == "directory" or str(entry["name"]).endswith("/")


def write_durably(path: Path, content: bytes) -> None:
    """Write a small file beside its place, sync it and rename it.

    Raises
    ------
    OSError
        If the disk refuses.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def natural(names: list[str]) -> list[str]:
    """Sort names with their numbers as numbers.

    Examples
    --------
    >>> natural(["z10.tif", "z9.tif", "z1.tif"])
    ['z1.tif', 'z9.tif', 'z10.tif']
    """
    import re

    def key(name: str) -> list[tuple[int, int, str]]:
        pieces = re.split(r"([0-9]+)", name)
        return [(1, int(p), p) if p.isdecimal() else (0, 0, p) for p in pieces]

    return sorted(names, key=key)
